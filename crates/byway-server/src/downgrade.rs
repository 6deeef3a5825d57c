//! 307 in the place of 308, for clients that are known to stop at 308.
//!
//! Who those are is an explicit list of how a `User-Agent` begins; a browser is never guessed at. Whoever gets which hangs on
//! that field, and caches are told so.

use byway_core::Fields;

/// What becomes of a 308.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downgrade {
    /// Whether this client gets 307.
    pub is_needed: bool,
    /// `Vary` of the answer, whichever it is.
    pub vary: String,
}

impl Downgrade {
    /// What the 307 says: whoever would have kept the 308 keeps it not.
    pub const CACHE_CONTROL: &'static str = "no-store";

    /// For a client that sends these fields; `vary` is what the answer hangs on besides.
    ///
    /// ```
    /// use byway_server::Downgrade;
    /// let java = [("User-Agent", "Java/17.0.9")];
    /// let downgrade = Downgrade::of(&["Java/".to_owned()], &java[..], "accept-language");
    /// assert!(downgrade.is_needed);
    /// assert_eq!(downgrade.vary, "accept-language, user-agent");
    /// assert!(!Downgrade::of(&["Java/".to_owned()], &[("User-Agent", "curl/8 Java/17")][..], "").is_needed);
    /// ```
    pub fn of(agents: &[String], fields: &(impl Fields + ?Sized), vary: &str) -> Downgrade {
        let mut is_needed = false;
        fields.for_each("user-agent", &mut |value| {
            is_needed |= agents.iter().any(|start| value.starts_with(start.as_bytes()));
        });
        let vary = match vary {
            "" => "user-agent".to_owned(),
            vary if vary.split(", ").any(|name| name == "user-agent") => vary.to_owned(),
            vary => format!("{vary}, user-agent"),
        };
        Downgrade { is_needed, vary }
    }
}
