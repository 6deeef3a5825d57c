//! What a client does with an answer: [`next`] reads a row of behaviour, a request and an answer, and says what comes next.
//!
//! A [`Client`] is data. Its rows say, per status and method, what is sent next; its other fields say where it gives up, what
//! it sends to another origin, and how it reads `Location`. The rows themselves are in `client/rows.rs`, one per client, each
//! with its version: a new client is a new row there, and no code here. [`crate::follow`] walks a whole chain with them, and
//! [`crate::problem`] says what was wrong with it.
//!
//! This is the only place that changes a method (RFC 9110 §15.4). It talks to nobody: whoever has the answer hands it in.

mod asked;
mod axes;
mod carry;
mod jar;
mod resolve;
mod rows;

pub use asked::{Answer, Asked, Body, First};
pub use axes::{Cookies, Credentials, Crossing, Empty, Fragment, Gets, Loops, Measured, Several, Streams, Userinfo};
pub use carry::{Relation, is_credential, relation};
pub use jar::Jar;
pub(crate) use resolve::split_scheme;
pub use resolve::{Resolution, reads_differently};
pub use rows::{CLIENTS, CURL, CURL_X, FETCH, FETCH_CORS, PREFLIGHT};

use crate::chain::{BadLocation, End};
use crate::status::RedirectStatus;
use url::Url;

/// A kind of user agent, as a row of behaviour.
///
/// ```
/// use byway_core::client::{CURL, CURL_X, FETCH, Then};
/// assert_eq!(FETCH.then(307, "POST"), Some(Then::SAME));
/// assert_eq!(FETCH.then(300, "POST"), None); // an ordinary answer to a browser
/// assert!(matches!(CURL_X.then(303, "PUT"), Some(Then::Send { .. })));
/// assert_eq!(CURL.limit, Some(50));
/// ```
#[derive(Debug, PartialEq)]
pub struct Client {
    /// What it is called on a command line: short, lower case.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// The version that the row was measured on or read from.
    pub version: &'static str,
    /// How the row is known.
    pub basis: &'static str,
    /// Per status and method; the first that matches counts. A status without a row is no redirect to this client.
    pub rows: &'static [Row],
    /// How many redirects it follows; `None` for any number.
    pub limit: Option<usize>,
    /// What its caller gets at the limit.
    pub at_limit: Gets,
    /// Whether it looks for loops itself.
    pub loops: Loops,
    /// The schemes that it follows to, lower case.
    pub schemes: &'static [&'static str],
    /// Which changes between http and https it follows.
    pub crossing: Crossing,
    /// Which of the caller's fields reach which URL.
    pub credentials: Credentials,
    /// Whether a cookie that an answer set is sent on the next hop.
    pub cookies: Cookies,
    /// What becomes of the fragment where Location has none (RFC 9110 §10.2.2).
    pub fragment: Fragment,
    /// How it resolves Location.
    pub resolution: Resolution,
    /// What it does with `user:password@` in Location.
    pub userinfo: Userinfo,
    /// What it does with an empty Location.
    pub empty: Empty,
    /// Which of several Location fields it takes.
    pub several: Several,
    /// What it does with a body that it cannot send twice.
    pub streams: Streams,
}

/// What one client does with some statuses and methods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// For these statuses.
    pub statuses: Statuses,
    /// For these methods, case-sensitive; none named means every other.
    pub methods: &'static [&'static str],
    /// What it then does.
    pub then: Then,
}

/// The statuses that a row is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statuses {
    /// These alone.
    These(&'static [u16]),
    /// Every one from 300 to 399.
    EveryRedirection,
}

/// What a client does with a redirect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    /// It sends another request.
    Send {
        /// With this method.
        method: Becomes,
        /// With or without the body.
        body: BodyFate,
        /// Without these fields of the caller, lower case.
        without: &'static [&'static str],
    },
    /// It does not follow this method to this status.
    Refuse(Gets),
}

impl Then {
    /// The same method, the same body, the same fields.
    pub const SAME: Then = Then::Send { method: Becomes::Same, body: BodyFate::Kept, without: &[] };

    /// GET without a body, and without these fields.
    pub const fn get_without(without: &'static [&'static str]) -> Then {
        Then::Send { method: Becomes::This("GET"), body: BodyFate::Dropped, without }
    }
}

/// The method of the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// The method of this one.
    Same,
    /// Another.
    This(&'static str),
    /// The method and the body of the first request of the chain, whatever came between.
    First,
}

/// Whether the body travels on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFate {
    /// It is sent again.
    Kept,
    /// It is not.
    Dropped,
}

/// What a client does next.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // made once per hop and matched at once: a box would only add an allocation
pub enum Step {
    /// It stops, and why.
    Stop(End),
    /// It asks this.
    Request(Asked),
}

/// What the client does after this answer to this request.
///
/// ```
/// use byway_core::client::{next, Answer, Asked, Body, Step, CURL_X, FETCH};
/// let put = Asked::new("PUT", "https://a.test/x".parse().unwrap()).with_body(Body::Replayable { len: 5 });
/// let moved = Answer::redirect(302, "/y");
///
/// let Step::Request(browser) = next(&FETCH, &put, &moved) else { panic!("a browser follows 302") };
/// assert_eq!((browser.method.as_str(), browser.body), ("PUT", Body::Replayable { len: 5 }));
///
/// let Step::Request(curl) = next(&CURL_X, &put, &moved) else { panic!("curl -L follows 302") };
/// assert_eq!((curl.method.as_str(), curl.body), ("PUT", Body::None)); // the body is gone, and nobody said so
/// ```
pub fn next(client: &Client, asked: &Asked, answer: &Answer) -> Step {
    match onward(client, asked, answer) {
        Ok(next) => Step::Request(next),
        Err(end) => Step::Stop(end),
    }
}

/// The next request, or why there is none. The order of the checks is that of the Fetch Standard's HTTP-redirect fetch.
fn onward(client: &Client, asked: &Asked, answer: &Answer) -> Result<Asked, End> {
    let status = answer.status;
    let then = client.then(status, &asked.method).ok_or(End::Rested { status })?;
    let location = client.location(answer)?.ok_or_else(|| without_location(status))?;
    let Then::Send { method, body, without } = then else {
        return Err(End::NotFollowed { status });
    };
    let mut url = client.resolution.resolve(&asked.url, &location).map_err(End::BadLocation)?;
    client.may_go(asked, &url)?;
    let body = client.body_onward(asked, status, method, body)?;
    client.fragment.pass_on(&asked.url, &mut url);
    Ok(client.build(asked, answer, url, method.after(asked), body, without))
}

/// A redirect status without Location is worth a remark; a 304 without one is as it should be.
fn without_location(status: u16) -> End {
    match RedirectStatus::from_number(status) {
        Some(_) => End::NoLocation { status },
        None => End::Rested { status },
    }
}

impl Client {
    /// The client with this id.
    ///
    /// ```
    /// use byway_core::client::Client;
    /// assert_eq!(Client::by_id("curl").map(|client| client.limit), Some(Some(50)));
    /// ```
    pub fn by_id(id: &str) -> Option<&'static Client> {
        CLIENTS.iter().copied().find(|client| client.id == id)
    }

    /// What it does with this status and method; `None` where the status is an ordinary answer to it.
    pub fn then(&self, status: u16, method: &str) -> Option<Then> {
        self.rows.iter().find(|row| row.is_for(status, method)).map(|row| row.then)
    }

    /// The Location that it takes, or `None` where it sees none.
    fn location(&self, answer: &Answer) -> Result<Option<Vec<u8>>, End> {
        let all = &answer.location;
        let taken = match self.several {
            Several::First => all.first().cloned(),
            Several::Last => all.last().cloned(),
            Several::Joined if all.len() > 1 => Some(all.join(&b", "[..])),
            Several::FailUnlessAlike if all.windows(2).any(|two| two[0] != two[1]) => {
                return Err(End::BadLocation(BadLocation::Several));
            }
            Several::Joined | Several::FailUnlessAlike => all.first().cloned(),
        };
        Ok(taken.filter(|location| !location.is_empty() || self.empty == Empty::Resolved))
    }

    /// Whether it goes to this URL at all.
    fn may_go(&self, asked: &Asked, url: &Url) -> Result<(), End> {
        if !self.schemes.contains(&url.scheme()) {
            return Err(End::SchemeRefused { scheme: url.scheme().to_owned() });
        }
        if let Some(limit) = self.limit.filter(|limit| asked.redirects >= *limit) {
            return Err(End::TooMany { limit });
        }
        if self.userinfo == Userinfo::RefusedElsewhere && has_userinfo(url) && asked.url.origin() != url.origin() {
            return Err(End::BadLocation(BadLocation::Userinfo));
        }
        match (self.crossing, asked.url.scheme(), url.scheme()) {
            (Crossing::DowngradeRefused | Crossing::Refused, "https", "http") => Err(End::DowngradeRefused),
            (Crossing::Refused, "http", "https") => Err(End::SchemeRefused { scheme: "https".to_owned() }),
            _ => Ok(()),
        }
    }

    /// The body of the next request.
    fn body_onward(&self, asked: &Asked, status: u16, method: Becomes, fate: BodyFate) -> Result<Body, End> {
        let body = if method == Becomes::First { asked.first.body } else { asked.body };
        let sees_other = status == RedirectStatus::SeeOther.number();
        match (body, fate, self.streams) {
            (Body::Stream, _, Streams::FailUnlessSeeOther) if !sees_other => Err(End::BodyCannotReplay { status }),
            (_, BodyFate::Dropped, _) => Ok(Body::None),
            (Body::Stream, BodyFate::Kept, Streams::SendEmpty) => Ok(Body::None),
            (Body::Stream, BodyFate::Kept, Streams::Fail | Streams::HandBack) => Err(End::BodyCannotReplay { status }),
            (body, BodyFate::Kept, _) => Ok(body),
        }
    }

    /// The next request, once every question is answered.
    fn build(&self, asked: &Asked, answer: &Answer, url: Url, method: &str, body: Body, without: &[&str]) -> Asked {
        let (fields, withheld) = carry::carry(&self.credentials, asked, &url, without);
        let mut jar = asked.jar.clone();
        if self.cookies == Cookies::Jar {
            answer.set_cookie.iter().for_each(|cookie| jar.take(&asked.url, cookie));
        }
        let first = asked.first.clone();
        Asked { method: method.to_owned(), url, body, fields, withheld, jar, first, redirects: asked.redirects + 1 }
    }
}

impl Row {
    /// Whether the row is for this status and method.
    fn is_for(&self, status: u16, method: &str) -> bool {
        let status_fits = match self.statuses {
            Statuses::These(these) => these.contains(&status),
            Statuses::EveryRedirection => (300..=399).contains(&status),
        };
        status_fits && (self.methods.is_empty() || self.methods.contains(&method))
    }
}

impl Becomes {
    /// The method after this request.
    fn after(self, asked: &Asked) -> &str {
        match self {
            Becomes::Same => &asked.method,
            Becomes::This(method) => method,
            Becomes::First => &asked.first.method,
        }
    }
}

/// Whether a URL carries a user or a password.
pub(crate) fn has_userinfo(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}
