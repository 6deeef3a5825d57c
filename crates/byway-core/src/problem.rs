//! What was wrong with a chain: one definition each, for the checker, the tracer and every report.
//!
//! [`problems`] reads a finished [`Chain`] and knows nothing of where it came from. What a problem says names origins, methods
//! and field names, never a query, a fragment or a value: those may be secrets. Whether a problem is an error or a remark is
//! for the caller to say.

use crate::chain::{BadLocation, Chain, End, Hop};
use crate::client::{Asked, Relation, has_userinfo, is_credential, reads_differently, relation, split_scheme};
use crate::status::RedirectStatus;
use std::fmt;
use url::{Position, Url};

/// How many redirects a chain may have.
pub const LONGEST: usize = 2;

/// How often a URL must grow by the same text before it is called growing.
const GROWTHS: usize = 3;

/// Something wrong with a chain. A `hop` counts from 0 and is the one whose answer redirects; people are shown it from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It asks again what it asked: method, URI, cookies.
    Loop {
        /// The hop that it comes back to.
        first: usize,
        /// How many redirects lie between.
        length: usize,
    },
    /// Each redirect adds the same text to the URL: `/x` → `/x/x` → `/x/x/x`.
    Growing {
        /// Where it begins.
        hop: usize,
        /// What is added.
        by: String,
    },
    /// More than [`LONGEST`] redirects, which neither turn in a circle nor grow.
    TooLong {
        /// How many.
        redirects: usize,
    },
    /// The method changed, and not by 303, which is for that.
    MethodLost {
        /// Where.
        hop: usize,
        /// The status that let it happen.
        status: u16,
        /// The method before.
        from: String,
        /// The method after.
        to: String,
        /// Whether there was a body, which went with it.
        had_body: bool,
    },
    /// The method stayed and the body did not.
    BodyLost {
        /// Where.
        hop: usize,
        /// The status that let it happen.
        status: u16,
    },
    /// From https to http.
    Downgrade {
        /// Where.
        hop: usize,
    },
    /// A field that carries a secret went to someone whom the person did not ask.
    CredentialsElsewhere {
        /// Where.
        hop: usize,
        /// The names of the fields, as written.
        fields: Vec<String>,
        /// The origin that got them.
        origin: String,
    },
    /// The body went to someone whom the person did not ask.
    BodyElsewhere {
        /// Where.
        hop: usize,
        /// The origin that got it.
        origin: String,
    },
    /// A fragment was inherited by another origin, whose page can read it (RFC 9110 §17.11).
    FragmentDisclosed {
        /// Where.
        hop: usize,
        /// The origin that got it.
        origin: String,
    },
    /// Location carries a user or a password (RFC 9110 §4.2.4).
    UserinfoInLocation {
        /// Where.
        hop: usize,
    },
    /// Location begins with a host and no scheme, so that it is read as a path or as a scheme: `www.site.test/x`.
    MissingScheme {
        /// Where.
        hop: usize,
        /// What was written up to the first slash, escaped.
        host: String,
    },
    /// Location leads out of http and https.
    NotHttp {
        /// Where.
        hop: usize,
        /// The scheme.
        scheme: String,
    },
    /// Clients go to different places by this Location: `/\host`, `///host`, `http:x`, tabs.
    ClientsDisagree {
        /// Where.
        hop: usize,
    },
    /// A redirect without Location.
    NoLocation {
        /// Where.
        hop: usize,
    },
    /// A Location that leads nowhere.
    BadLocation {
        /// Where.
        hop: usize,
        /// Why.
        why: BadLocation,
    },
    /// The redirect asks for a body that cannot be sent again.
    BodyCannotReplay {
        /// Where.
        hop: usize,
        /// The status.
        status: u16,
    },
    /// The client does not follow this status with this method.
    NotFollowed {
        /// Where.
        hop: usize,
        /// The status.
        status: u16,
    },
}

/// Everything wrong with a chain: first with the whole of it, then hop by hop.
///
/// ```
/// use byway_core::client::{Answer, Asked, Body, FETCH};
/// use byway_core::{follow, problem};
/// let order = Asked::new("POST", "https://a.test/order".parse().unwrap()).with_body(Body::Replayable { len: 9 });
/// let chain = follow::to_rest(&FETCH, order, |asked| match asked.url.path() {
///     "/order" => Answer::redirect(302, "/order/"),
///     _ => Answer::new(405),
/// });
/// let found = problem::problems(&chain);
/// assert_eq!(found[0].id(), "method-lost");
/// assert_eq!(found[0].to_string(), "hop 1: 302 turned POST into GET, and the body is gone");
/// ```
pub fn problems(chain: &Chain) -> Vec<Problem> {
    let mut found: Vec<Problem> = whole(chain).into_iter().collect();
    let mut following = chain.requests().skip(1);
    for (at, hop) in chain.hops.iter().enumerate() {
        of_location(chain, at, hop, &mut found);
        if let Some(next) = following.next() {
            of_turn(at, hop, next, &chain.hops[0].asked, &mut found);
        }
    }
    found.extend(of_end(chain));
    found
}

/// A loop, growth, or mere length: whichever explains the most.
fn whole(chain: &Chain) -> Option<Problem> {
    if let End::Loop { first } = chain.end {
        return Some(Problem::Loop { first, length: chain.hops.len() - first });
    }
    let redirects = chain.redirects();
    growing(chain).or_else(|| (redirects > LONGEST).then_some(Problem::TooLong { redirects }))
}

/// The first place from which on the URL grows by the same text, [`GROWTHS`] times in a row.
fn growing(chain: &Chain) -> Option<Problem> {
    let urls: Vec<&str> = chain.requests().map(|asked| &asked.url[..Position::AfterQuery]).collect();
    let grown: Vec<Option<&str>> = urls.windows(2).map(|two| added(two[0], two[1])).collect();
    let same = |run: &[Option<&str>]| run[0].is_some() && run.iter().all(|text| *text == run[0]);
    let hop = grown.windows(GROWTHS).position(same)?;
    grown[hop].map(|by| Problem::Growing { hop, by: by.to_owned() })
}

/// What stands in `long` and not in `short`, if that is all that differs.
fn added<'a>(short: &str, long: &'a str) -> Option<&'a str> {
    let more = long.len().checked_sub(short.len()).filter(|more| *more > 0)?;
    let alike = short.bytes().zip(long.bytes()).take_while(|(one, other)| one == other).count();
    (short[alike..] == long[alike + more..]).then(|| &long[alike..alike + more])
}

/// What a Location shows by itself, followed or not.
fn of_location(chain: &Chain, at: usize, hop: &Hop, found: &mut Vec<Problem>) {
    let Some(location) = taken_location(chain, at, hop) else {
        return;
    };
    if reads_differently(location) {
        found.push(Problem::ClientsDisagree { hop: at });
    }
    if let Some(host) = missing_scheme(&hop.asked.url, location) {
        found.push(Problem::MissingScheme { hop: at, host });
        return;
    }
    let Ok(url) = chain.client.resolution.resolve(&hop.asked.url, location) else {
        return;
    };
    if has_userinfo(&url) {
        found.push(Problem::UserinfoInLocation { hop: at });
    }
    if !matches!(url.scheme(), "http" | "https") {
        found.push(Problem::NotHttp { hop: at, scheme: url.scheme().to_owned() });
    }
}

/// The Location of a hop that redirects; a 201 may carry one without doing so.
fn taken_location<'a>(chain: &Chain, at: usize, hop: &'a Hop) -> Option<&'a [u8]> {
    let rests = matches!(chain.end, End::Rested { .. }) && at + 1 == chain.hops.len();
    hop.answer.location.first().filter(|_| !rests).map(Vec::as_slice)
}

/// The host that Location begins with, where a scheme is missing: `www.…`, this very host, or `name:8080`.
fn missing_scheme(asked: &Url, location: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(location).ok()?;
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    let host = asked.host_str().unwrap_or_default();
    let is_www = first.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) && first.len() > 4;
    let is_port = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    let has_port = split_scheme(first).is_some_and(|(name, rest)| {
        is_port(rest)
            && (name.contains('.') || name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(host))
    });
    (is_www || has_port || first.eq_ignore_ascii_case(host)).then(|| first.escape_default().to_string())
}

/// What a redirect did to the request.
fn of_turn(at: usize, hop: &Hop, next: &Asked, first: &Asked, found: &mut Vec<Problem>) {
    let (asked, status) = (&hop.asked, hop.answer.status);
    let had_body = asked.body.is_some();
    if asked.method != next.method && status != RedirectStatus::SeeOther.number() {
        let (from, to) = (asked.method.clone(), next.method.clone());
        found.push(Problem::MethodLost { hop: at, status, from, to, had_body });
    } else if asked.method == next.method && had_body && !next.body.is_some() {
        found.push(Problem::BodyLost { hop: at, status });
    }
    if asked.url.scheme() == "https" && next.url.scheme() == "http" {
        found.push(Problem::Downgrade { hop: at });
    }
    if is_disclosure(asked, next, first) {
        of_disclosure(at, asked, next, found);
    }
}

/// Whether the request left its origin for one that the person did not ask.
fn is_disclosure(asked: &Asked, next: &Asked, first: &Asked) -> bool {
    let left = relation(&asked.url, &next.url).is_elsewhere();
    left && relation(&first.url, &next.url) != Relation::SameOrigin
}

fn of_disclosure(at: usize, asked: &Asked, next: &Asked, found: &mut Vec<Problem>) {
    let origin = next.url.origin().ascii_serialization();
    let fields: Vec<String> =
        next.fields.iter().map(|(name, _)| name.clone()).filter(|name| is_credential(name)).collect();
    if !fields.is_empty() {
        found.push(Problem::CredentialsElsewhere { hop: at, fields, origin: origin.clone() });
    }
    if next.body.is_some() {
        found.push(Problem::BodyElsewhere { hop: at, origin: origin.clone() });
    }
    let fragment = next.url.fragment().filter(|fragment| !fragment.is_empty());
    if fragment.is_some() && fragment == asked.url.fragment() {
        found.push(Problem::FragmentDisclosed { hop: at, origin });
    }
}

/// What only the end shows.
fn of_end(chain: &Chain) -> Option<Problem> {
    let hop = chain.hops.len().saturating_sub(1);
    match &chain.end {
        End::NoLocation { .. } => Some(Problem::NoLocation { hop }),
        End::BadLocation(why) => Some(Problem::BadLocation { hop, why: *why }),
        End::BodyCannotReplay { status } => Some(Problem::BodyCannotReplay { hop, status: *status }),
        End::NotFollowed { status } => Some(Problem::NotFollowed { hop, status: *status }),
        End::DowngradeRefused => Some(Problem::Downgrade { hop }),
        _ => None,
    }
}

impl Problem {
    /// The name by which it is silenced, counted and looked up.
    pub const fn id(&self) -> &'static str {
        match self {
            Problem::Loop { .. } => "loop",
            Problem::Growing { .. } => "growing",
            Problem::TooLong { .. } => "too-long",
            Problem::MethodLost { .. } => "method-lost",
            Problem::BodyLost { .. } => "body-lost",
            Problem::Downgrade { .. } => "downgrade",
            Problem::CredentialsElsewhere { .. } => "credentials-elsewhere",
            Problem::BodyElsewhere { .. } => "body-elsewhere",
            Problem::FragmentDisclosed { .. } => "fragment-disclosed",
            Problem::UserinfoInLocation { .. } => "userinfo-in-location",
            Problem::MissingScheme { .. } => "missing-scheme",
            Problem::NotHttp { .. } => "not-http",
            Problem::ClientsDisagree { .. } => "clients-disagree",
            Problem::NoLocation { .. } => "no-location",
            Problem::BadLocation { .. } => "bad-location",
            Problem::BodyCannotReplay { .. } => "body-cannot-replay",
            Problem::NotFollowed { .. } => "not-followed",
        }
    }

    /// The hop that it is about, from 0; `None` where it is about the whole chain.
    pub const fn hop(&self) -> Option<usize> {
        match self {
            Problem::TooLong { .. } => None,
            Problem::Loop { first: hop, .. }
            | Problem::Growing { hop, .. }
            | Problem::MethodLost { hop, .. }
            | Problem::BodyLost { hop, .. }
            | Problem::Downgrade { hop }
            | Problem::CredentialsElsewhere { hop, .. }
            | Problem::BodyElsewhere { hop, .. }
            | Problem::FragmentDisclosed { hop, .. }
            | Problem::UserinfoInLocation { hop }
            | Problem::MissingScheme { hop, .. }
            | Problem::NotHttp { hop, .. }
            | Problem::ClientsDisagree { hop }
            | Problem::NoLocation { hop }
            | Problem::BadLocation { hop, .. }
            | Problem::BodyCannotReplay { hop, .. }
            | Problem::NotFollowed { hop, .. } => Some(*hop),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(hop) = self.hop() {
            write!(f, "hop {}: ", hop + 1)?;
        }
        match self {
            Problem::Loop { length: 1, .. } => write!(f, "redirects to itself"),
            Problem::Loop { length, .. } => write!(f, "a loop of {length} redirects begins here"),
            Problem::Growing { by, .. } if by.contains('=') => {
                write!(f, "every redirect from here on makes the query longer")
            }
            Problem::Growing { by, .. } => write!(f, "every redirect from here on adds `{}`", by.escape_debug()),
            Problem::TooLong { redirects } => write!(f, "{redirects} redirects, where {LONGEST} are enough"),
            Problem::MethodLost { status, from, to, had_body, .. } => {
                let body = if *had_body { ", and the body is gone" } else { "" };
                write!(f, "{status} turned {} into {}{body}", from.escape_debug(), to.escape_debug())
            }
            Problem::BodyLost { status, .. } => write!(f, "{status} kept the method and lost the body"),
            Problem::Downgrade { .. } => write!(f, "from https to http"),
            Problem::CredentialsElsewhere { fields, origin, .. } => {
                write!(f, "{} sent to {origin}", fields.join(", ").escape_debug())
            }
            Problem::BodyElsewhere { origin, .. } => write!(f, "the body was sent to {origin}"),
            Problem::FragmentDisclosed { origin, .. } => write!(f, "the fragment is passed on to {origin}"),
            Problem::UserinfoInLocation { .. } => write!(f, "Location carries a user or password"),
            Problem::MissingScheme { host, .. } => {
                write!(f, "Location begins with the host `{host}` and no scheme: write https:// before it")
            }
            Problem::NotHttp { scheme, .. } => write!(f, "Location leads to {scheme}:, which is not http or https"),
            Problem::ClientsDisagree { .. } => write!(f, "clients read this Location in different ways"),
            Problem::NoLocation { .. } => write!(f, "a redirect without Location"),
            Problem::BadLocation { why, .. } => write!(f, "Location leads nowhere: {why}"),
            Problem::BodyCannotReplay { status, .. } => write!(f, "{status} needs the body again, and it was a stream"),
            Problem::NotFollowed { status, .. } => write!(f, "the client does not follow {status} here"),
        }
    }
}
