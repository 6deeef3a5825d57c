//! What the redirects of another server's text look like where they are written, for lints.
//!
//! Compiled rules decide as their server does, and no longer show how that was said: whether a status was written, which word a
//! rule began with, what stood around it. A reader notes it here, one [`Written`] for each statement that sends people on;
//! lints look at it beside the rules. Nothing that decides a request reads it.

use byway_core::request::Scheme;

use crate::span::Span;

/// A server of another server's text, as clients find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Door {
    /// The hosts that it answers for by their whole names, in small letters.
    pub(crate) names: Vec<Box<str>>,
    /// Where it listens, and what is spoken there; none where the text does not say.
    pub(crate) ports: Vec<(Scheme, u16)>,
    /// The ports of which the text says that it is the default there.
    pub(crate) defaults: Vec<u16>,
    /// Whether all that it does stands in the text, and not a part of it alone.
    pub(crate) is_whole: bool,
}

impl Door {
    /// What clients speak at a port: whoever comes to 443 comes by https, wherever it is taken off.
    pub(crate) fn scheme_at(port: u16, is_tls: bool) -> Scheme {
        if is_tls || port == 443 { Scheme::Https } else { Scheme::Http }
    }
}

/// A statement that sends people on, or another rule of mod_rewrite.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The statement.
    pub(crate) span: Span,
    /// Its word.
    pub(crate) statement: Statement,
    /// How it is compared with a request.
    pub(crate) compares: Compares,
    /// The path, prefix or pattern that it is for.
    pub(crate) source: Words,
    /// Where it leads, as it is written.
    pub(crate) target: Words,
    /// The status that is written; `None` where the server chooses.
    pub(crate) status: Option<u16>,
    /// The status that it answers with, where it sends people on.
    pub(crate) answers: Option<u16>,
    /// The flags in their brackets (mod_rewrite).
    pub(crate) flags: Option<Words>,
    /// The list that it stands in: statements of one list are tried as listed, under the same conditions.
    pub(crate) list: u32,
    /// Where it stands.
    pub(crate) stands: Stands,
    /// Which hosts come here.
    pub(crate) hosts: Hosts,
    /// What stands for a part of the host that was asked in its target, beside the variables for all of it: `$1`, `%1`, `$name`.
    pub(crate) echoes: Vec<Box<str>>,
    /// Those of [`METHODS`] that conditions around it ask for.
    pub(crate) methods: Vec<&'static str>,
    /// Whether something before it decides which requests come to it, or leaves it another text than the path.
    pub(crate) is_behind: bool,
    /// A rule behind it that takes the URL which it made, since nothing ends its list (mod_rewrite).
    pub(crate) goes_on: Option<Words>,
    /// What its server takes in it without a word, and nobody means.
    pub(crate) slips: Vec<Slip>,
}

/// A word that a server takes for something else than whoever wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Slip {
    /// The word; the line that it stands on where its place is not known.
    pub(crate) at: Span,
    /// What it is.
    pub(crate) mistaken: Mistaken,
}

/// What httpd takes without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mistaken {
    /// `%{HTPS}`: a variable that it does not know, and one that it does.
    Variable { name: Box<str>, meant: Option<&'static str> },
    /// `{HTTP_HOST}`: a variable without its sign.
    Signless(Box<str>),
    /// `%{HTTP_HOST`: a variable that nothing closes.
    OpenBrace(Box<str>),
    /// `$2` where the pattern has one group.
    Group(MissingGroup),
    /// An `[OR]` that no condition follows.
    LastOr,
    /// A quote of a word processor, and the word that it stands around.
    Quote { quote: char, word: Box<str> },
}

/// A group that no pattern has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MissingGroup {
    /// `$` for the pattern of the rule, `%` for those of its conditions.
    pub(crate) sign: char,
    /// Which.
    pub(crate) number: u8,
    /// How many there are.
    pub(crate) most: usize,
    /// Whether the rule runs where its pattern does not fit.
    pub(crate) is_negated: bool,
    /// The second digit, where it may have been meant as an escape of a URL.
    pub(crate) digit: Option<char>,
}

/// The words of a statement that sends people on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// nginx's `return`.
    Return,
    /// nginx's `rewrite`, with `redirect`, `permanent`, or a target that is a URL.
    Rewrite,
    /// Apache's `Redirect`, `RedirectPermanent` and `RedirectTemp`.
    Redirect,
    /// Apache's `RedirectMatch`.
    RedirectMatch,
    /// Apache's `RewriteRule` with `R`, or with a URL.
    RewriteRule,
}

/// How a statement is compared with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compares {
    /// Not at all.
    Nothing,
    /// With one path.
    Exact,
    /// With what a path begins with.
    Prefix,
    /// With a pattern; one that is negated takes what does not fit.
    Pattern { is_negated: bool },
}

/// Where a statement stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// In a server or a virtual host: whole paths are seen.
    Server,
    /// In a section, where what is seen hangs on what the section is for.
    Section,
    /// In this folder, or its file: the path below it is seen, without a slash in front.
    Folder(Box<str>),
}

/// Which hosts come to a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// Whatever a client writes, and why.
    Any(&'static str),
    /// Only those that are named there, or nothing is known of it.
    Bounded,
}

/// A word of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// As the server reads it.
    pub(crate) text: Box<str>,
    /// Its place, where it stands in the text as it is read: only then may it be edited.
    pub(crate) at: Option<Span>,
}

impl Words {
    pub(crate) fn new(text: &str, at: Option<Span>) -> Words {
        Words { text: text.into(), at }
    }
}

impl Written {
    /// A text as a word of its statement, in quotes where it needs them; none where no line can hold it.
    pub(crate) fn word(&self, text: &str) -> Option<String> {
        match self.statement {
            Statement::Return | Statement::Rewrite => Some(crate::formats::nginx::word(text)),
            Statement::Redirect | Statement::RedirectMatch => crate::formats::apache::alias_word(text),
            Statement::RewriteRule => crate::formats::apache::rewrite_word(text).ok(),
        }
    }

    /// The place of one of its words; the whole statement's where that is not known.
    pub(crate) fn place(&self, words: &Words) -> Span {
        words.at.clone().unwrap_or_else(|| self.span.clone())
    }
}

/// A name of a server as a host that a client may ask for; none where it stands for many, or for none.
pub(crate) fn host(name: &str) -> Option<Box<str>> {
    let is_host = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let name = name.to_ascii_lowercase();
    let is_one = !name.is_empty() && !name.starts_with('.') && is_host(&name) && name.bytes().any(|byte| byte != b'-');
    is_one.then(|| name.into())
}

/// Hosts that are nobody's: whoever lets one of them through lets any through.
pub(crate) const STRANGERS: [&str; 2] = ["elsewhere.invalid", "www.elsewhere.invalid"];

/// The methods that conditions are asked about: what sends something.
pub(crate) const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// How many statements are kept of one load, and how many servers.
pub(crate) const KEPT: usize = 500_000;

/// Segments of paths at which programs send what they have, and do not only look.
const ASKED_BY_PROGRAMS: [&str; 6] = ["api", "graphql", "rpc", "soap", "webhook", "webhooks"];
/// What marks a page about such a place.
const ABOUT_THEM: [&str; 7] = ["doc", "swagger", "openapi", "reference", ".html", ".pdf", "wiki"];

impl Written {
    /// Why a POST is to be thought of here, in words; none where nothing says so.
    pub(crate) fn method_matters(&self) -> Option<String> {
        if !self.methods.is_empty() {
            // With 301 and 302 clients make a GET of a POST, and of nothing else.
            return self.methods.contains(&"POST").then(|| "POST is asked for here".to_owned());
        }
        let both = [&*self.source.text, &*self.target.text].map(str::to_ascii_lowercase);
        if ABOUT_THEM.iter().any(|word| both.iter().any(|text| text.contains(word))) {
            return None;
        }
        let segments = self.source.text.split('/').map(|segment| segment.trim_matches(|sign| "^$?()\\".contains(sign)));
        let found = segments.into_iter().find(|segment| ASKED_BY_PROGRAMS.contains(segment))?;
        Some(format!("`{found}` in the path speaks of programs, which send more than GET"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::FileId;

    #[test]
    fn what_says_that_a_method_matters() {
        let of = |source: &str, methods: Vec<&'static str>| {
            let written = Written {
                span: Span { file: FileId(0), line: 1, column: 1, start: 0, end: 1 },
                statement: Statement::RewriteRule,
                compares: Compares::Prefix,
                source: Words::new(source, None),
                target: Words::default(),
                status: None,
                answers: Some(302),
                flags: None,
                list: 0,
                stands: Stands::Server,
                hosts: Hosts::Bounded,
                echoes: Vec::new(),
                methods,
                is_behind: false,
                goes_on: None,
                slips: Vec::new(),
            };
            written.method_matters().is_some()
        };
        for path in ["^api/v1/(.*)$", "/api", "^/?api(/.*)?$", "^(graphql)$"] {
            assert!(of(path, Vec::new()), "{path}");
        }
        for path in ["/apiary", "^api/docs/(.*)", "/therapist", "^api\\.html$"] {
            assert!(!of(path, Vec::new()), "{path}");
        }
        assert!(of("/x", vec!["POST", "PUT"]));
        // A PUT stays one with 302.
        assert!(!of("/api", vec!["PUT"]));
    }
}
