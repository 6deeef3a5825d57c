//! The axes on which servers differ, and byway's own dialect as one row of them.
//!
//! A format is read into the same [`crate::Rule`] whatever server it comes from; how its rules match, write captures and treat
//! the query is a row of values here, never code of its own. A table carries one row ([`crate::ruleset::TableSpec`]).

/// What a pattern is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum View {
    /// The path as sent.
    Raw = 0,
    /// The path with percent-encoded unreserved characters undone and the hex of the rest in capitals (RFC 3986 §6.2.2).
    Unreserved = 1,
    /// The path with all percent-encoding undone.
    Decoded = 2,
    /// The path decoded, with `.` and `..` resolved and runs of `/` merged, as nginx and Apache see it.
    Normalised = 3,
    /// Path and query as sent.
    PathAndQuery = 4,
    /// `scheme://host[:port]/path?query` as sent.
    Url = 5,
    /// The path decoded, with `.` and `..` resolved and slashes as they came, as nginx sees it with `merge_slashes off`.
    Apart = 6,
    /// The text that a rule handed over ([`crate::Action::Call`]).
    Given = 7,
}

impl View {
    pub(crate) const ALL: [View; 8] = [
        View::Raw,
        View::Unreserved,
        View::Decoded,
        View::Normalised,
        View::PathAndQuery,
        View::Url,
        View::Apart,
        View::Given,
    ];

    /// Whether the path is decoded before anything looks at it, so that some are refused.
    pub(crate) const fn is_normalised(self) -> bool {
        matches!(self, View::Normalised | View::Apart)
    }
}

/// Whether upper and lower case differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LetterCase {
    /// `/A` is not `/a`.
    Significant = 0,
    /// `/A` is `/a` (ASCII letters).
    Ignored = 1,
}

/// Whether a slash at the end of a path counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TrailingSlash {
    /// `/docs` is not `/docs/`.
    Significant = 0,
    /// `/docs` is `/docs/`.
    Either = 1,
}

/// How text taken from the request is written into a Location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CaptureForm {
    /// The raw bytes at the place of the capture; bytes that no URI may hold are escaped.
    Raw = 0,
    /// The decoded bytes, written as they are (nginx `return`); what a Location must not hold is escaped.
    Decoded = 1,
    /// Decoded bytes re-escaped as nginx `rewrite` does with its captures; other variables are written as they are.
    NginxRewrite = 2,
    /// Decoded bytes re-escaped as Apache's `escape_uri` does.
    Apache = 3,
    /// The bytes as the pattern saw them, whatever they are: for working paths and texts of conditions, never for a Location.
    Verbatim = 4,
    /// Apache's `[B,NE]`: all but letters, digits and `_` escaped, a blank as `+`.
    ApacheEscaped = 5,
    /// Apache's `[B]`: that, and the percent signs escaped once more.
    ApacheEscapedTwice = 6,
    /// Apache's `RedirectMatch`: re-escaped up to the first `?`, and what that opens written as it is.
    ApacheMatch = 7,
}

/// What is sent when a target begins with `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RelativeForm {
    /// The path as written.
    AsWritten = 0,
    /// Made absolute with scheme, the request's host and the listener's port, as nginx does.
    HostAndListenerPort = 1,
    /// Made absolute with scheme, the request's host and the port of the Host field, else the listener's, as Apache does.
    HostAndItsPort = 2,
    /// Made absolute with scheme and the request's host, as nginx does with `port_in_redirect off`.
    Host = 3,
}

/// What becomes of `%2F` in a path that is decoded before patterns see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EncodedSlash {
    /// It is a slash like any other.
    Decoded = 0,
    /// The request is refused with 404, as Apache does unless told otherwise; `%00` as well.
    NotFound = 1,
    /// It stays three characters, as with Apache's `AllowEncodedSlashes NoDecode`.
    Kept = 2,
}

/// What becomes of a `?` that a text of the request would bring into a path that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum QuestionMark {
    /// It is escaped, or stays as it is, as any other byte.
    Kept = 0,
    /// The request is refused with 403, as Apache's mod_rewrite does without `UnsafeAllow3F` (2.4.60 and later); so is a blank
    /// or a control that would get into a query unescaped.
    Forbidden = 1,
}

/// What happens to the query of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueryPolicy {
    /// The target's pairs, then the request's bytes.
    Keep,
    /// The request's query is dropped.
    Drop,
    /// The request's query only where the target has none of its own.
    Replace,
    /// Both, each name once: where both have a name, the winner's pairs stay.
    Merge(MergeWinner),
    /// Only the request's pairs of these names.
    Only(Vec<String>),
}

/// Whose pair stays when target and request both name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MergeWinner {
    /// The pair written in the target.
    Target = 0,
    /// The pair of the request.
    Request = 1,
}

/// What a rule does when its Location is the very URI that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SelfRedirect {
    /// It stands aside and the walk goes on.
    StandsAside = 0,
    /// It is sent, as its server would.
    Sent = 1,
}

/// What becomes of a CORS preflight (`OPTIONS` with `Access-Control-Request-Method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Preflight {
    /// The table passes.
    Passes = 0,
    /// It is treated as any other request.
    Redirected = 1,
}

/// One server's meaning of a rule: a value on each axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialect {
    /// The name shown by `explain`.
    pub name: &'static str,
    /// What patterns see.
    pub view: View,
    /// Whether case counts.
    pub case: LetterCase,
    /// Whether a trailing slash counts.
    pub slash: TrailingSlash,
    /// What becomes of an encoded slash.
    pub encoded_slash: EncodedSlash,
    /// How captures are written.
    pub captures: CaptureForm,
    /// What a relative target becomes.
    pub relative: RelativeForm,
    /// What becomes of a captured `?`.
    pub question: QuestionMark,
    /// What becomes of a redirect to itself.
    pub self_redirect: SelfRedirect,
    /// What becomes of a preflight.
    pub preflight: Preflight,
    /// How many times a request may be rewritten before the answer is 500.
    pub rewrite_limit: u8,
}

/// byway's own dialect: the safe point of the space.
pub const BYWAY: Dialect = Dialect {
    name: "byway",
    view: View::Unreserved,
    case: LetterCase::Significant,
    slash: TrailingSlash::Significant,
    encoded_slash: EncodedSlash::Kept,
    captures: CaptureForm::Raw,
    relative: RelativeForm::AsWritten,
    question: QuestionMark::Kept,
    self_redirect: SelfRedirect::StandsAside,
    preflight: Preflight::Passes,
    rewrite_limit: 0,
};

/// nginx `return`: variables written as they are.
pub const NGINX_RETURN: Dialect = Dialect {
    name: "nginx",
    view: View::Normalised,
    case: LetterCase::Significant,
    slash: TrailingSlash::Significant,
    encoded_slash: EncodedSlash::Decoded,
    captures: CaptureForm::Decoded,
    relative: RelativeForm::HostAndListenerPort,
    question: QuestionMark::Kept,
    self_redirect: SelfRedirect::Sent,
    preflight: Preflight::Redirected,
    rewrite_limit: 10,
};

/// nginx `rewrite`: captures re-escaped.
pub const NGINX_REWRITE: Dialect = Dialect { captures: CaptureForm::NginxRewrite, ..NGINX_RETURN };

/// nginx `return` with `absolute_redirect off`.
pub const NGINX_RETURN_RELATIVE: Dialect = Dialect { relative: RelativeForm::AsWritten, ..NGINX_RETURN };

/// nginx `rewrite` with `absolute_redirect off`.
pub const NGINX_REWRITE_RELATIVE: Dialect = Dialect { relative: RelativeForm::AsWritten, ..NGINX_REWRITE };

/// nginx `return` with `port_in_redirect off`.
pub const NGINX_RETURN_NO_PORT: Dialect = Dialect { relative: RelativeForm::Host, ..NGINX_RETURN };

/// nginx `rewrite` with `port_in_redirect off`.
pub const NGINX_REWRITE_NO_PORT: Dialect = Dialect { relative: RelativeForm::Host, ..NGINX_REWRITE };

/// nginx `return` with `merge_slashes off`.
pub const NGINX_RETURN_APART: Dialect = Dialect { view: View::Apart, ..NGINX_RETURN };

/// nginx `rewrite` with `merge_slashes off`.
pub const NGINX_REWRITE_APART: Dialect = Dialect { view: View::Apart, ..NGINX_REWRITE };

/// nginx `return` with `merge_slashes` and `absolute_redirect off`.
pub const NGINX_RETURN_RELATIVE_APART: Dialect = Dialect { view: View::Apart, ..NGINX_RETURN_RELATIVE };

/// nginx `rewrite` with `merge_slashes` and `absolute_redirect off`.
pub const NGINX_REWRITE_RELATIVE_APART: Dialect = Dialect { view: View::Apart, ..NGINX_REWRITE_RELATIVE };

/// nginx `return` with `merge_slashes` and `port_in_redirect off`.
pub const NGINX_RETURN_NO_PORT_APART: Dialect = Dialect { view: View::Apart, ..NGINX_RETURN_NO_PORT };

/// nginx `rewrite` with `merge_slashes` and `port_in_redirect off`.
pub const NGINX_REWRITE_NO_PORT_APART: Dialect = Dialect { view: View::Apart, ..NGINX_REWRITE_NO_PORT };

/// The entries of an nginx `map`: what is compared is the text that was handed over.
pub const NGINX_MAP: Dialect = Dialect { view: View::Given, ..NGINX_RETURN };

/// Apache's mod_alias.
pub const APACHE: Dialect = Dialect {
    name: "apache",
    encoded_slash: EncodedSlash::NotFound,
    captures: CaptureForm::Apache,
    relative: RelativeForm::HostAndItsPort,
    ..NGINX_RETURN
};

/// Apache's mod_rewrite.
pub const APACHE_REWRITE: Dialect = Dialect { question: QuestionMark::Forbidden, ..APACHE };

/// Apache with `AllowEncodedSlashes NoDecode`.
pub const APACHE_NO_DECODE: Dialect = Dialect { encoded_slash: EncodedSlash::Kept, ..APACHE };

/// Rules of mod_rewrite with `[NE]`.
pub const APACHE_NE: Dialect = Dialect { captures: CaptureForm::Decoded, ..APACHE_REWRITE };

/// Rules of mod_rewrite with `[B]`.
pub const APACHE_B: Dialect = Dialect { captures: CaptureForm::ApacheEscapedTwice, ..APACHE_REWRITE };

/// Rules of mod_rewrite with `[B,NE]`.
pub const APACHE_B_NE: Dialect = Dialect { captures: CaptureForm::ApacheEscaped, ..APACHE_REWRITE };

/// Rules of mod_alias that are patterns: what they put into a query is written as it is.
pub const APACHE_MATCH: Dialect = Dialect { captures: CaptureForm::ApacheMatch, ..APACHE };

/// The entries of an Apache `RewriteMap`: what is compared is the text that was handed over.
pub const APACHE_MAP: Dialect = Dialect { view: View::Given, ..APACHE };

/// The rows above as Apache has them with `AllowEncodedSlashes On`, then with `NoDecode`.
const APACHE_SLASHES: [[Dialect; 6]; 2] = [apache_with(EncodedSlash::Decoded), apache_with(EncodedSlash::Kept)];

const fn apache_with(encoded_slash: EncodedSlash) -> [Dialect; 6] {
    [
        Dialect { encoded_slash, ..APACHE },
        Dialect { encoded_slash, ..APACHE_REWRITE },
        Dialect { encoded_slash, ..APACHE_NE },
        Dialect { encoded_slash, ..APACHE_B },
        Dialect { encoded_slash, ..APACHE_B_NE },
        Dialect { encoded_slash, ..APACHE_MATCH },
    ]
}

/// A row of Apache's with another treatment of encoded slashes.
///
/// ```
/// use byway_core::dialect::{APACHE_NE, EncodedSlash, apache_slashes};
/// assert_eq!(apache_slashes(&APACHE_NE, EncodedSlash::Kept).encoded_slash, EncodedSlash::Kept);
/// ```
pub fn apache_slashes(row: &Dialect, slash: EncodedSlash) -> &'static Dialect {
    let wanted = Dialect { encoded_slash: slash, ..*row };
    DIALECTS.into_iter().find(|known| **known == wanted).unwrap_or(&APACHE)
}

/// All rows, in the order of their numbers in a compiled file: new ones are added at the end.
pub(crate) const DIALECTS: [&Dialect; 33] = [
    &BYWAY,
    &NGINX_RETURN,
    &NGINX_REWRITE,
    &APACHE,
    &NGINX_RETURN_RELATIVE,
    &NGINX_REWRITE_RELATIVE,
    &APACHE_NO_DECODE,
    &APACHE_NE,
    &APACHE_B,
    &APACHE_B_NE,
    &NGINX_RETURN_NO_PORT,
    &NGINX_REWRITE_NO_PORT,
    &NGINX_RETURN_APART,
    &NGINX_REWRITE_APART,
    &NGINX_RETURN_RELATIVE_APART,
    &NGINX_REWRITE_RELATIVE_APART,
    &NGINX_RETURN_NO_PORT_APART,
    &NGINX_REWRITE_NO_PORT_APART,
    &NGINX_MAP,
    &APACHE_REWRITE,
    &APACHE_MATCH,
    &APACHE_SLASHES[0][0],
    &APACHE_SLASHES[0][1],
    &APACHE_SLASHES[0][2],
    &APACHE_SLASHES[0][3],
    &APACHE_SLASHES[0][4],
    &APACHE_SLASHES[0][5],
    &APACHE_SLASHES[1][1],
    &APACHE_SLASHES[1][2],
    &APACHE_SLASHES[1][3],
    &APACHE_SLASHES[1][4],
    &APACHE_SLASHES[1][5],
    &APACHE_MAP,
];
