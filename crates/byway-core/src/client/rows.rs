//! The clients, one row each: what it sends after which status, and where it stops.
//!
//! Read top-down, each from what most people use to what surprises them. To add one, copy a row, say its version and how you
//! know, change what differs, and name it in [`CLIENTS`].

use super::{
    Becomes, BodyFate, Client, Cookies, Credentials, Crossing, Empty, Fragment, Gets, Loops, Measured, Relation,
    Resolution, Row, Several, Statuses, Streams, Then, Userinfo,
};
use crate::status::RedirectStatus as S;

/// Every client, in the order in which they are shown.
pub const CLIENTS: &[&Client] = &[&FETCH, &FETCH_CORS, &PREFLIGHT, &CURL, &CURL_X];

/// 301 and 302.
const MOVED: Statuses = Statuses::These(&[S::MovedPermanently.number(), S::Found.number()]);
/// 303.
const SEE_OTHER: Statuses = Statuses::These(&[S::SeeOther.number()]);
/// 301, 302 and 303.
const REWRITING: Statuses = Statuses::These(&[S::MovedPermanently.number(), S::Found.number(), S::SeeOther.number()]);
/// 307 and 308.
const REPEATED: Statuses = Statuses::These(&[S::TemporaryRedirect.number(), S::PermanentRedirect.number()]);

/// Every other method.
const ANY: &[&str] = &[];
/// The same method, but its body stays behind.
const BODILESS: Then = Then::Send { method: Becomes::Same, body: BodyFate::Dropped, without: &[] };
/// What describes a body, as the Fetch Standard lists it (request-body-header names).
const OF_BODIES: &[&str] = &["content-encoding", "content-language", "content-location", "content-type"];

const fn row(statuses: Statuses, methods: &'static [&'static str], then: Then) -> Row {
    Row { statuses, methods, then }
}

/// Browsers: the Fetch Standard, for a page that is opened or a form that is sent.
pub const FETCH: Client = Client {
    id: "fetch",
    name: "browsers (Fetch Standard)",
    version: "2026-07-02",
    basis: "the standard's text, HTTP-redirect fetch; Chromium's and Firefox's sources agree on methods and bodies",
    rows: &[
        row(MOVED, &["POST"], Then::get_without(OF_BODIES)),
        row(MOVED, ANY, Then::SAME),
        row(SEE_OTHER, &["GET", "HEAD"], Then::SAME),
        row(SEE_OTHER, ANY, Then::get_without(OF_BODIES)),
        row(REPEATED, ANY, Then::SAME),
    ],
    limit: Some(20),
    at_limit: Gets::AnError,
    loops: Loops::Counted,
    schemes: &["http", "https"],
    crossing: Crossing::Followed,
    credentials: Credentials {
        authorization: &[Relation::SameOrigin],
        cookie: &[Relation::SameOrigin], // a page cannot set these two; Node's fetch, which can, drops them
        proxy_authorization: &[Relation::SameOrigin],
        custom: Relation::ALL,
        measured: Measured::FromLast,
    },
    cookies: Cookies::Jar,
    fragment: Fragment::Inherited,
    resolution: Resolution::UrlStandard,
    userinfo: Userinfo::Followed,
    empty: Empty::Resolved, // by the standard; Chromium takes an empty Location for none
    several: Several::FailUnlessAlike,
    streams: Streams::FailUnlessSeeOther,
};

/// A page's own `fetch()` to another origin: as [`FETCH`], with the checks of CORS and mixed content.
pub const FETCH_CORS: Client = Client {
    id: "fetch-cors",
    name: "fetch() across origins",
    basis: "the standard's text: HTTP-redirect fetch in cors mode, mixed content",
    crossing: Crossing::DowngradeRefused,
    userinfo: Userinfo::RefusedElsewhere,
    ..FETCH
};

/// The OPTIONS request that a browser sends before a cross-origin one: any redirect fails it.
pub const PREFLIGHT: Client = Client {
    id: "preflight",
    name: "a browser's CORS preflight",
    basis: "the standard's text: a preflight succeeds only with a status from 200 to 299",
    rows: &[row(Statuses::EveryRedirection, ANY, Then::Refuse(Gets::AnError))],
    limit: Some(0),
    ..FETCH
};

/// `curl -L`: POST by `-d`, PUT by `-T`, HEAD by `-I`, other methods by `-X`.
pub const CURL: Client = Client {
    id: "curl",
    name: "curl -L",
    version: "8.23",
    basis: "methods, bodies, limit and Location measured with 7.88.1 and libcurl 8.23 on loopback",
    rows: &[
        row(REWRITING, &["POST"], Then::get_without(&[])), // a Content-Type that the caller wrote stays
        row(SEE_OTHER, &["PUT"], Then::get_without(&[])),
        row(MOVED, &["PUT"], Then::SAME),
        row(REWRITING, ANY, BODILESS),
        row(Statuses::EveryRedirection, ANY, Then::SAME), // 304, 305, 306, 310 and 399 as well
    ],
    limit: Some(50),
    at_limit: Gets::AnError, // exit 47
    loops: Loops::Counted,
    schemes: &["http", "https", "ftp", "ftps"],
    crossing: Crossing::Followed,
    credentials: Credentials {
        authorization: &[Relation::SameOrigin],
        cookie: &[Relation::SameOrigin],
        proxy_authorization: Relation::ALL,
        custom: Relation::ALL,
        measured: Measured::FromFirst,
    },
    cookies: Cookies::Ignored, // unless -b or -c
    fragment: Fragment::Dropped,
    resolution: Resolution::Curl,
    userinfo: Userinfo::Followed,
    empty: Empty::Absent,
    several: Several::FailUnlessAlike, // exit 8; 7.88.1 took the first
    streams: Streams::Fail,            // exit 65, for -T -
};

/// `curl -L -X METHOD`: the word after `-X` stays to the end, whatever the status; the body does not.
pub const CURL_X: Client = Client {
    id: "curl-x",
    name: "curl -L -X METHOD",
    rows: &[row(REWRITING, ANY, BODILESS), row(Statuses::EveryRedirection, ANY, Then::SAME)],
    ..CURL
};
