//! Which of the caller's fields a client takes along to the next URL.
//!
//! RFC 9110 §15.4 only asks clients to consider dropping credentials, and never says what another origin is; so each client
//! has its own table, and a row of [`Credentials`] says in which [`Relation`]s it keeps what.

use super::{Asked, Credentials, Measured};
use url::Url;

/// How the next URL stands to the one it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// The same scheme, host and port.
    SameOrigin,
    /// The same host, from http on 80 to https on 443.
    Upgrade,
    /// The same host, from https on 443 to http on 80.
    Downgrade,
    /// A name below the host.
    Subdomain,
    /// A name above the host.
    Parent,
    /// Any other host.
    OtherHost,
    /// The same host on another port.
    OtherPort,
}

impl Relation {
    /// All of them.
    pub const ALL: &'static [Relation] = &[
        Relation::SameOrigin,
        Relation::Upgrade,
        Relation::Downgrade,
        Relation::Subdomain,
        Relation::Parent,
        Relation::OtherHost,
        Relation::OtherPort,
    ];

    /// Whether what is sent there reaches someone whom the person did not ask. The same host with TLS is no one else.
    pub const fn is_elsewhere(self) -> bool {
        !matches!(self, Relation::SameOrigin | Relation::Upgrade)
    }
}

/// How `to` stands to `from`.
///
/// ```
/// use byway_core::client::{Relation, relation};
/// let of = |from: &str, to: &str| relation(&from.parse().unwrap(), &to.parse().unwrap());
/// assert_eq!(of("http://a.test/", "https://a.test/"), Relation::Upgrade);
/// assert_eq!(of("https://a.test/", "https://x.a.test/"), Relation::Subdomain);
/// assert_eq!(of("https://a.test/", "https://xa.test/"), Relation::OtherHost);
/// assert_eq!(of("https://a.test/", "https://a.test:8443/"), Relation::OtherPort);
/// ```
pub fn relation(from: &Url, to: &Url) -> Relation {
    if from.origin() == to.origin() && from.has_host() {
        return Relation::SameOrigin;
    }
    let (one, other) = (from.host_str().unwrap_or_default(), to.host_str().unwrap_or_default());
    if one == other {
        return same_host(from, to);
    }
    match (from.domain(), to.domain()) {
        (Some(_), Some(_)) if is_below(other, one) => Relation::Subdomain,
        (Some(_), Some(_)) if is_below(one, other) => Relation::Parent,
        _ => Relation::OtherHost,
    }
}

fn same_host(from: &Url, to: &Url) -> Relation {
    match ((from.scheme(), from.port()), (to.scheme(), to.port())) {
        (("http", None), ("https", None)) => Relation::Upgrade,
        (("https", None), ("http", None)) => Relation::Downgrade,
        _ => Relation::OtherPort,
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a field of this name is likely to carry a secret: the standard ones, and names that say so.
///
/// ```
/// use byway_core::client::is_credential;
/// assert!(is_credential("Authorization") && is_credential("X-Api-Key") && is_credential("X-Auth-Token"));
/// assert!(!is_credential("Accept") && !is_credential("Idempotency-Key"));
/// ```
pub fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let standard = matches!(name.as_str(), "authorization" | "cookie" | "cookie2" | "proxy-authorization");
    let says_so = ["api-key", "apikey", "token", "secret", "password", "auth", "session", "signature", "access-key"];
    standard || (name != "www-authenticate" && says_so.iter().any(|word| name.contains(word)))
}

/// Name and value.
type FieldList = Vec<(String, String)>;

/// The caller's fields that go to `url`, and those that stay behind.
pub(super) fn carry(rules: &Credentials, asked: &Asked, url: &Url, without: &[&str]) -> (FieldList, FieldList) {
    let from = match rules.measured {
        Measured::FromLast => &asked.url,
        Measured::FromFirst => &asked.first.url,
    };
    let relation = relation(from, url);
    let (mut sent, mut kept_back) = (Vec::new(), Vec::new());
    let still = asked.fields.iter().map(|field| (field, Sent::Until));
    for ((name, value), before) in still.chain(asked.withheld.iter().map(|field| (field, Sent::Not))) {
        if without.iter().any(|gone| gone.eq_ignore_ascii_case(name)) {
            continue;
        }
        let may_return = before == Sent::Until || rules.measured == Measured::FromFirst;
        let goes = may_return && rules.of(name).contains(&relation);
        let list = if goes { &mut sent } else { &mut kept_back };
        list.push((name.clone(), value.clone()));
    }
    (sent, kept_back)
}

/// Whether a field was part of the request before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Until,
    Not,
}

impl Credentials {
    /// The relations in which a field of this name is kept.
    fn of(&self, name: &str) -> &'static [Relation] {
        match name.to_ascii_lowercase().as_str() {
            "authorization" | "www-authenticate" => self.authorization,
            "cookie" | "cookie2" => self.cookie,
            "proxy-authorization" => self.proxy_authorization,
            _ => self.custom,
        }
    }
}
