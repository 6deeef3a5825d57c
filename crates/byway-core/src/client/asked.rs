//! The two halves of a hop: what a client asks, and what is answered.
//!
//! Both are values without a connection: whoever plays the network sends an [`Asked`] and hands back an [`Answer`].

use super::Jar;
use std::fmt;
use url::Url;

/// One request of a chain, with what its client remembers along the way.
///
/// `Debug` shows no field values, no cookies and no userinfo: they are secrets more often than not.
#[derive(Clone, PartialEq)]
pub struct Asked {
    /// The method, case-sensitive.
    pub method: String,
    /// Where it goes, with the fragment, which is not sent.
    pub url: Url,
    /// Its body.
    pub body: Body,
    /// The caller's fields as they are sent now, in order.
    pub fields: Vec<(String, String)>,
    /// The caller's fields that are not sent to this URL.
    pub withheld: Vec<(String, String)>,
    /// Cookies that answers have set. See [`Asked::cookie`].
    pub jar: Jar,
    /// What the person asked, before any redirect.
    pub first: First,
    /// How many redirects led here.
    pub redirects: usize,
}

/// The request that a chain began with, as far as clients remember it.
#[derive(Clone, PartialEq)]
pub struct First {
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: Url,
    /// Its body.
    pub body: Body,
}

/// The body of a request, as far as redirects care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// None.
    None,
    /// One that can be sent again.
    Replayable {
        /// Its length in bytes.
        len: u64,
    },
    /// One that is gone once sent.
    Stream,
}

impl Body {
    /// Whether there is one.
    pub const fn is_some(self) -> bool {
        !matches!(self, Body::None)
    }
}

impl Asked {
    /// A first request without body or fields.
    ///
    /// ```
    /// use byway_core::client::{Asked, Body};
    /// let asked = Asked::new("POST", "https://a.test/login#f".parse().unwrap())
    ///     .with_field("Authorization", "Bearer s3cret")
    ///     .with_body(Body::Replayable { len: 7 });
    /// assert_eq!(asked.redirects, 0);
    /// assert!(!format!("{asked:?}").contains("s3cret"));
    /// ```
    pub fn new(method: &str, url: Url) -> Asked {
        let first = First { method: method.to_owned(), url: url.clone(), body: Body::None };
        let (fields, withheld) = (Vec::new(), Vec::new());
        Asked {
            method: method.to_owned(),
            url,
            body: Body::None,
            fields,
            withheld,
            jar: Jar::default(),
            first,
            redirects: 0,
        }
    }

    /// The same with a body.
    pub fn with_body(mut self, body: Body) -> Asked {
        self.body = body;
        self.first.body = body;
        self
    }

    /// The same with one more field.
    pub fn with_field(mut self, name: &str, value: &str) -> Asked {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of the first field of this name that is sent.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The `Cookie` that goes out: the caller's, then the jar's. It takes the place of a `Cookie` in `fields`.
    pub fn cookie(&self) -> Option<String> {
        match (self.field("cookie"), self.jar.cookie_for(&self.url)) {
            (Some(own), Some(jar)) => Some(format!("{own}; {jar}")),
            (Some(own), None) => Some(own.to_owned()),
            (None, jar) => jar,
        }
    }

    /// Whether this asks again what the other asked: method, URI without fragment, cookies.
    pub fn asks_again(&self, other: &Asked) -> bool {
        self.method == other.method && same_document(&self.url, &other.url) && self.cookie() == other.cookie()
    }
}

/// Whether two URLs are one, fragments aside.
pub(crate) fn same_document(one: &Url, other: &Url) -> bool {
    one[..url::Position::AfterQuery] == other[..url::Position::AfterQuery]
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("method", &self.method)
            .field("url", &without_secrets(&self.url))
            .field("body", &self.body)
            .field("fields", &names(&self.fields))
            .field("withheld", &names(&self.withheld))
            .field("redirects", &self.redirects)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:?})", self.method, without_secrets(&self.url), self.body)
    }
}

/// Scheme, host, port and path alone.
fn without_secrets(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn names(fields: &[(String, String)]) -> Vec<&str> {
    fields.iter().map(|(name, _)| name.as_str()).collect()
}

/// What came back, as far as redirects care.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The value of every `Location`, in order, as bytes, without the white space around it.
    pub location: Vec<Vec<u8>>,
    /// The value of every `Set-Cookie`, in order, as bytes.
    pub set_cookie: Vec<Vec<u8>>,
}

impl Answer {
    /// An answer with nothing but a status.
    ///
    /// ```
    /// use byway_core::client::Answer;
    /// assert!(Answer::new(200).location.is_empty());
    /// assert_eq!(Answer::redirect(307, "/x").location, [b"/x"]);
    /// ```
    pub fn new(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// An answer with one Location.
    pub fn redirect(status: u16, location: impl Into<Vec<u8>>) -> Answer {
        Answer { status, location: vec![location.into()], set_cookie: Vec::new() }
    }

    /// The same with one more Location.
    pub fn with_location(mut self, value: impl Into<Vec<u8>>) -> Answer {
        self.location.push(value.into());
        self
    }

    /// The same with one more cookie.
    pub fn with_cookie(mut self, value: impl Into<Vec<u8>>) -> Answer {
        self.set_cookie.push(value.into());
        self
    }
}

/// Shows how many cookies there are, not what they say.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location: Vec<_> = self.location.iter().map(|value| value.escape_ascii().to_string()).collect();
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("location", &location)
            .field("cookies", &self.set_cookie.len())
            .finish()
    }
}
