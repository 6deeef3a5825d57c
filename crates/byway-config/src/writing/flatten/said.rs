//! One rule of another server in words of our own.

use byway_core::condition::{Condition, Test};
use byway_core::dialect::{CaptureForm, LetterCase, QueryPolicy, QuestionMark};
use byway_core::rule::{Action, RetryAfter, Then};
use byway_core::ruleset::RuleView;
use byway_core::source::{PathPattern, Source};
use byway_core::status::StatusByMethod;
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::conditions;
use super::held::{Alternative, Groups, Within, constant, owned_piece};
use super::paths::{PathOf, asked, begin, is_any_path, path_text};
use super::{Spot, Way, Why, host_text, made_at};
use crate::writing::own::{Does, OwnRule, Seen};
use crate::writing::perl;
use crate::writing::toml::INSIDE;

/// What comes of a rule: its words, and why they are not quite the rule.
pub(super) type Translated<'s> = (Vec<OwnRule<'s>>, Option<Why>);

/// A rule at a spot, once for each way in which it may be come to.
pub(super) fn translated<'s>(rule: RuleView<'s>, spot: &Spot, steps: usize, end: End) -> Result<Translated<'s>, Why> {
    let source = rule.source();
    if !source.query.is_empty() {
        return Err("it is for pairs of a query inside of another rule".into());
    }
    let own = Way { host: host_text(&source.host), scheme: source.scheme, port: source.port };
    let way =
        spot.way.and(&own).ok_or("it is for a host inside of a server for another one: no request comes there")?;
    let within = spot.within.under(&rule, spot.strip.is_empty())?;
    let mut made = Vec::new();
    let mut why = None;
    for alternative in within.alternatives.iter().cloned() {
        // The same as its server asks it, for servers that ask so as well.
        let as_sent = alternative.as_sent().and_then(|one| does(&rule, &within, one, end).ok()).unwrap_or_default();
        let all = does(&rule, &within, alternative, end)?;
        let mut as_sent = if as_sent.len() == all.len() { as_sent } else { Vec::new() }.into_iter();
        for (alternative, does) in all {
            let as_sent = as_sent.next();
            why = why.or(alternative.why);
            let host = Way { host: alternative.host.clone().unwrap_or_default(), scheme: None, port: alternative.port };
            // A host that is asked beside another one is never both.
            let Some(way) = way.and(&host) else { continue };
            let own = |alternative: &Alternative, does| -> Result<OwnRule<'s>, Why> {
                let folder = alternative.path.as_ref().and_then(|path| folder_of(path, &spot.strip));
                let asked = in_turn(alternative).into_iter().chain(&folder);
                let conditions: Result<Vec<Condition>, Why> =
                    asked.map(|one| conditions::kept(one, is_nginx(&rule))).collect();
                let (path, case) = match alternative.path.clone() {
                    // A path has its letter case beside it.
                    Some(PathOf { path: path @ PathPattern::Exact(_), case, is_whole }) => {
                        (Some(PathOf { path, case: LetterCase::Significant, is_whole }), case)
                    }
                    path => (path, LetterCase::Significant),
                };
                let seen = if is_nginx(&rule) { seen(path.as_ref(), &does) } else { None };
                let (from, does, seen) = match (with_path(&way, path.as_ref(), &spot.strip, &does), seen) {
                    (Ok((from, does)), seen) => (from, does, seen),
                    (Err(why), Some(seen)) => (way.text("~.*"), does.done(), Some(Seen { why: Some(why), ..seen })),
                    (Err(why), None) => return Err(why),
                };
                let seen = seen.map(Box::new);
                Ok(OwnRule { from, case, does, conditions: conditions?, seen, ..made_at(rule, spot, steps) })
            };
            let as_sent = as_sent.and_then(|(alternative, does)| own(&alternative, does.without_path()).ok());
            made.push(OwnRule { as_sent: as_sent.map(Box::new), ..own(&alternative, does)? });
        }
    }
    Ok((made, why.map(Why::from)))
}

/// Its conditions, the one whose groups are read behind all others.
fn in_turn(alternative: &Alternative) -> Vec<&Condition> {
    let is_read = |one: &&Condition| matches!(&alternative.groups, Groups::Of(of) if of == *one);
    let (read, mut all): (Vec<&Condition>, Vec<&Condition>) = alternative.conditions.iter().partition(is_read);
    all.extend(read);
    all
}

/// What comes of the requests that a rule takes, where its action does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Own,
    /// They are left alone.
    Passed,
    /// They are sent to the URL that was written.
    Sent(StatusByMethod),
}

const PORT_LOST: &str = "a port behind the host of the request is not sent on";
const WITHOUT_LAST: &str =
    "without `L` its server asks the rules behind it for the URL that was made; here it is sent at once";

/// What a rule does, before it is known how its path is written.
enum Doing {
    Redirect { status: StatusByMethod, to: String, query: QueryPolicy, captures: bool },
    Rewrite { to: String, query: QueryPolicy, captures: bool },
    Other(Does),
}

impl Doing {
    /// The same, taking nothing out of the path.
    fn without_path(self) -> Doing {
        match self {
            Doing::Redirect { status, to, query, .. } => Doing::Redirect { status, to, query, captures: false },
            Doing::Rewrite { to, query, .. } => Doing::Rewrite { to, query, captures: false },
            other => other,
        }
    }

    /// What is done, whatever its path is.
    fn done(self) -> Does {
        match self {
            Doing::Redirect { status, to, query, .. } => Does::Redirect { status, to, query },
            Doing::Rewrite { to, query, .. } => Does::Rewrite { to, query },
            Doing::Other(does) => does,
        }
    }
}

/// The folder of a rule as a condition, where its pattern sees the whole path and does not begin with it.
fn folder_of(path: &PathOf, strip: &str) -> Option<Condition> {
    let folder = PathPattern::BytePrefix { prefix: strip.as_bytes().to_vec().into(), is_final: false };
    let is_below = begin(path).0.starts_with(strip.as_bytes());
    let is_needed = path.is_whole && strip.len() > 1 && !is_below;
    asked(&PathOf { path: folder, case: LetterCase::Significant, is_whole: true }).filter(|_| is_needed)
}

/// Whether a rule was read for nginx.
fn is_nginx(rule: &RuleView<'_>) -> bool {
    rule.dialect().name.starts_with("nginx")
}

/// The pattern of a path as its server asks it, where that is one, or where the path itself is the target.
fn seen(path: Option<&PathOf>, doing: &Doing) -> Option<Seen> {
    let to = match doing {
        Doing::Redirect { to, .. } | Doing::Rewrite { to, .. } => Some(to.clone()),
        Doing::Other(_) => None,
    };
    let any = PathOf {
        path: PathPattern::BytePrefix { prefix: b"/".as_slice().into(), is_final: false },
        case: LetterCase::Significant,
        is_whole: true,
    };
    let (path, is_pattern) = match path {
        Some(path) => (path, matches!(&path.path, PathPattern::Regex(_)) && !is_any_path(&path.path)),
        None => (&any, false),
    };
    let is_sent = matches!(doing, Doing::Redirect { to, .. } if to.starts_with("{path}"));
    match asked(path)?.test {
        Test::Regex(pattern) if is_pattern || is_sent => Some(Seen { pattern, to, why: None }),
        _ => None,
    }
}

fn does(
    rule: &RuleView<'_>,
    within: &Within,
    alternative: Alternative,
    end: End,
) -> Result<Vec<(Alternative, Doing)>, Why> {
    match rule.action() {
        _ if end == End::Passed => Ok(vec![(alternative, Doing::Other(Does::Pass))]),
        Action::Rewrite { target, query, .. } if let End::Sent(status) = end => {
            let mut out = Vec::new();
            // What stood behind a file's name is nothing to send on.
            let is_behind = |piece: &&Piece<'_>| matches!(piece.what, What::Slot(slot) if !within.knows(slot));
            let all: Vec<Piece<'_>> = target.pieces().iter().filter(|piece| !is_behind(piece)).cloned().collect();
            for (mut alternative, pieces) in within.texts(alternative, &all)? {
                let pieces: Vec<Piece<'static>> = match target.constant() {
                    Some(text) => super::held::literal(text),
                    None => pieces,
                };
                let captures = takes_of_path(&pieces, &alternative.groups);
                let (to, query) = target_text(&pieces, query.clone(), &alternative.groups, escapes(rule))?;
                alternative.why = alternative.why.or(Some(WITHOUT_LAST));
                out.push((alternative, Doing::Redirect { status, to, query, captures }));
            }
            Ok(out)
        }
        Action::Redirect { status, target, query } => {
            if let Some(to) = target.constant() {
                let doing = Doing::Redirect { status, to: to.to_owned(), query, captures: false };
                return Ok(vec![(alternative, doing)]);
            }
            let mut out = Vec::new();
            for (alternative, pieces) in within.texts(alternative, target.pieces())? {
                // Where a list has nothing to say, nobody is sent anywhere.
                if constant(&pieces).is_some_and(|text| text.is_empty()) {
                    continue;
                }
                let mut alternative = alternative;
                let pieces = alternative.without_tail_in_query(pieces);
                let captures = takes_of_path(&pieces, &alternative.groups);
                let (to, query) = target_text(&pieces, query.clone(), &alternative.groups, escapes(rule))?;
                if pieces.iter().any(|piece| matches!(piece.what, What::Part(Part::HostField)) && to.contains("{host}"))
                {
                    alternative.why = alternative.why.or(Some(PORT_LOST));
                }
                out.push((alternative, Doing::Redirect { status, to, query, captures }));
            }
            Ok(out)
        }
        Action::Reply { status, retry_after } => {
            let retry_after = retry_after.filter(|retry| *retry != RetryAfter::Window);
            Ok(vec![(alternative, Doing::Other(Does::Reply { status, retry_after }))])
        }
        Action::Pass => Ok(vec![(alternative, Doing::Other(Does::Pass))]),
        Action::Rewrite { target, query, then } if then != Then::Next => {
            let texts = within.texts(alternative, target.pieces())?;
            let mut out = Vec::new();
            for (alternative, pieces) in texts {
                let captures = takes_of_path(&pieces, &alternative.groups);
                let pieces: Vec<Piece<'static>> = match target.constant() {
                    Some(text) => super::held::literal(text),
                    None => pieces,
                };
                let (to, query) = target_text(&pieces, query.clone(), &alternative.groups, escapes(rule))?;
                if !to.starts_with('/') {
                    return Err(INSIDE.into());
                }
                out.push((alternative, Doing::Rewrite { to, query, captures }));
            }
            Ok(out)
        }
        Action::Rewrite { .. } => Err(INSIDE.into()),
        _ => Err("it does not redirect: it leads on inside the server".into()),
    }
}

/// Whether its server escapes what a rule sends, as mod_rewrite does without `NE`.
fn escapes(rule: &RuleView<'_>) -> bool {
    let dialect = rule.dialect();
    dialect.question == QuestionMark::Forbidden && dialect.captures == CaptureForm::Apache
}

/// Whether a target takes groups out of the path.
fn takes_of_path(pieces: &[Piece<'_>], groups: &Groups) -> bool {
    pieces.iter().any(|piece| match piece.what {
        What::Capture(_) => true,
        What::ConditionCapture(_) => !matches!(groups, Groups::Of(_)),
        _ => false,
    })
}

fn is_capture(what: &What<'_>) -> bool {
    matches!(what, What::Capture(_) | What::ConditionCapture(_))
}

fn with_path(way: &Way, path: Option<&PathOf>, strip: &str, doing: &Doing) -> Result<(String, Does), Why> {
    let captures = matches!(doing, Doing::Redirect { captures: true, .. } | Doing::Rewrite { captures: true, .. });
    let any = PathPattern::BytePrefix { prefix: b"".as_slice().into(), is_final: false };
    let text = match path {
        Some(path) => path_text(&path.path, path.case, if path.is_whole { "" } else { strip }, captures)?,
        None => path_text(&any, LetterCase::Significant, strip, captures)?,
    };
    let from = way.text(&text);
    let read =
        Source::parse(&from).map_err(|_| "its pattern for the path is of a kind that byway.toml does not have")?;
    let does = match doing {
        Doing::Other(does) => does.clone(),
        Doing::Rewrite { to, query, .. } => {
            Target::parse(to, &read).map_err(|error| format!("the path that it leads to: {}", error.what))?;
            Does::Rewrite { to: to.clone(), query: query.clone() }
        }
        Doing::Redirect { status, to, query, .. } => {
            let (status, query) = (*status, query.clone());
            let authority = to.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
            if authority.ends_with(':') {
                return Err(
                    format!("its target has a `:` and no port behind the host `{authority}`: is that meant?").into()
                );
            }
            if let Some((text, to)) = of_whole_path(&text, to) {
                return Ok((way.text(&text), Does::Redirect { status, to, query }));
            }
            let is_open = to.starts_with('{') && !to.starts_with("{scheme}");
            let with_slash = || with_slash(&text, to).or_else(|| with_own_path(&text, to).filter(|_| !captures));
            if let Some((text, to)) = is_open.then(with_slash).flatten() {
                return Ok((way.text(&text), Does::Redirect { status, to, query }));
            }
            Target::parse(to, &read).map_err(|error| format!("its target: {}", error.what))?;
            Does::Redirect { status, to: to.clone(), query }
        }
    };
    Ok((from, does))
}

/// A pattern that takes the whole path and sends it on to another host, as people write it by hand.
fn of_whole_path(from: &str, to: &str) -> Option<(String, String)> {
    let (origin, path) = to.split_once("://")?;
    if to.matches("{1}").count() != 1 || to.contains("{2}") || path.contains(['?', '#']) {
        return None;
    }
    match (from, path.strip_suffix("{1}")?) {
        ("~/(.*)", host) => Some(("/*".to_owned(), format!("{origin}://{}/*", host.strip_suffix('/')?))),
        ("~(.*)", host) if !host.contains('/') => Some(("/*".to_owned(), format!("{origin}://{host}{{path}}"))),
        (from, base) => {
            let prefix = from.strip_prefix('~')?.strip_suffix("(/.*)?")?;
            let is_plain = prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte));
            let is_bare = prefix.len() > 1 && !prefix.ends_with('/') && !base.ends_with('/');
            (is_plain && is_bare).then(|| (format!("{prefix}/*"), format!("{origin}://{base}/*")))
        }
    }
}

/// A pattern for the path and its slash at the end, of which what stands before it is the whole target: its first slash is
/// written, so that the target is a path.
fn with_slash(from: &str, to: &str) -> Option<(String, String)> {
    if let (Some(rest), Some(to)) = (from.strip_prefix("~(.+)"), to.strip_prefix("{1}")) {
        return Some((format!("~/(.*){rest}"), format!("/{{1}}{to}")));
    }
    let group = to.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(group, _)| group)?;
    let from = perl::slash_before(from, group.parse().ok()?).filter(|_| !to.contains("{{"))?;
    Some((from, to.replace(&format!("{{{group}}}"), &format!("/{{{group}}}"))))
}

/// A source and a target that is its path with text behind it: the path behind its first slash is a group, so that the target
/// is a path.
fn with_own_path(from: &str, to: &str) -> Option<(String, String)> {
    let behind = to.strip_prefix("{path}").filter(|behind| !behind.contains(['{', '*']))?;
    let to = format!("/{{1}}{behind}");
    let (tilde, pattern) = match (from.strip_prefix("~*"), from.strip_prefix('~')) {
        (Some(pattern), _) => ("~*", pattern),
        (None, Some(pattern)) => ("~", pattern),
        (None, None) if from == "/*" => return Some(("~/(.*)".to_owned(), to)),
        (None, None) if !from.contains('*') => return Some((from.to_owned(), format!("{from}{behind}"))),
        (None, None) => return None,
    };
    // What stands anywhere and is no slash stands behind the first one.
    let is_inside = pattern.strip_prefix(".*").is_some_and(|rest| {
        rest.is_empty() || rest.starts_with("\\.") || rest.starts_with(|sign: char| sign.is_ascii_alphanumeric())
    });
    let inner = pattern.strip_prefix('/').or_else(|| is_inside.then_some(pattern))?;
    let is_optional = pattern.starts_with('/') && inner.starts_with(['?', '*', '+', '{']);
    (!is_optional && !perl::has_alternatives(inner)).then(|| (format!("{tilde}/({inner})"), to))
}

/// A target as ours are written; path and query as sent are the path, with the query kept.
/// `escapes` says that its server escapes a `#`, so that it begins no fragment.
fn target_text(
    pieces: &[Piece<'_>],
    query: QueryPolicy,
    groups: &Groups,
    escapes: bool,
) -> Result<(String, QueryPolicy), Why> {
    let (mut out, mut query) = (String::new(), query);
    let is_empty = |piece: &&Piece<'_>| matches!(&piece.what, What::Literal(text) if text.is_empty());
    let pieces = pieces.iter().filter(|piece| !is_empty(piece));
    let mut pieces: Vec<Piece<'static>> = pieces.map(owned_piece).collect::<Result<_, _>>()?;
    if escapes {
        let of_fragment = pieces.iter_mut().filter(|piece| piece.place == Landing::Fragment);
        of_fragment.for_each(|piece| piece.place = Landing::Path);
    }
    let (pieces, keeps) = without_query(without_origin(&pieces));
    if keeps && query == QueryPolicy::Drop {
        query = QueryPolicy::Keep;
    }
    for (at, piece) in pieces.iter().enumerate() {
        let is_last = at + 1 == pieces.len();
        match &piece.what {
            // The signs between scheme and host were written with the scheme.
            What::Literal(text) if piece.place == Landing::Scheme && out.ends_with("://") => {
                out.push_str(text.strip_prefix("://").unwrap_or(text));
            }
            // What its server escapes opens no fragment.
            What::Literal(text) if piece.place < Landing::Fragment => {
                out.push_str(&text.replace('{', "{{").replace('#', "%23"));
            }
            What::Literal(text) => out.push_str(&text.replace('{', "{{")),
            What::ConditionCapture(number @ 1..) => match groups {
                Groups::Path => out.push_str(&format!("{{{number}}}")),
                Groups::Of(_) => out.push_str(&format!("{{when.{number}}}")),
                Groups::Nobodys => return Err("it uses a group of a condition, and no pattern was asked".into()),
            },
            What::QueryValue(name) | What::Argument(name) => out.push_str(&format!("{{query.{name}}}")),
            What::Capture(index) => out.push_str(&format!("{{{}}}", u16::from(*index) + 1)),
            What::Tail(_) => out.push_str("/*"),
            What::Part(Part::PathAndQuery) if is_last && piece.place == Landing::Path && query == QueryPolicy::Drop => {
                out.push_str("{path}");
                query = QueryPolicy::Keep;
            }
            // The signs behind it belong to the piece.
            What::Part(Part::Scheme) if piece.place == Landing::Scheme => out.push_str("{scheme}://"),
            What::Part(Part::Scheme) => out.push_str("{scheme}"),
            What::Part(Part::Host | Part::HostField) => out.push_str("{host}"),
            What::Part(Part::Port) => out.push_str(":{port}"),
            What::Part(Part::Path | Part::WorkingPath) => out.push_str("{path}"),
            What::Part(Part::Query | Part::WorkingQuery) => out.push_str("{query}"),
            other => return Err(format!("its target holds {}, which only its own server knows", named(other)).into()),
        }
    }
    Ok((out, query))
}

/// A text of the request in words.
fn named(what: &What<'_>) -> String {
    match what {
        What::Part(Part::PathAndQuery) => "path and query in front of other text".to_owned(),
        What::Part(Part::Method) => "the method".to_owned(),
        What::Part(Part::Address) => "the client's address".to_owned(),
        What::Part(Part::LocalPort) | What::PortElse(_) => "the port that the server listens on".to_owned(),
        What::Field(name) => format!("the field `{name}`"),
        What::Cookie(name) => format!("the cookie `{name}`"),
        _ => "a text".to_owned(),
    }
}

/// The pieces of a target without the request's query at its end, as nginx writes it, and whether it stood there.
fn without_query<'p, 's>(pieces: &'p [Piece<'s>]) -> (&'p [Piece<'s>], bool) {
    let is_query = |piece: &Piece<'_>| matches!(piece.what, What::Part(Part::Query | Part::WorkingQuery));
    let has_own = |pieces: &[Piece<'_>]| {
        pieces.iter().any(|piece| matches!(&piece.what, What::Literal(text) if text.contains(['?', '#'])))
    };
    match pieces {
        [rest @ .., mark, query]
            if is_query(query) && matches!(mark.what, What::Part(Part::QueryMark)) && !has_own(rest) =>
        {
            (rest, true)
        }
        [rest @ .., mark, query]
            if is_query(query) && matches!(&mark.what, What::Literal(text) if text == "?") && !has_own(rest) =>
        {
            (rest, true)
        }
        pieces => (pieces, false),
    }
}

/// The pieces of a target without the request's own scheme, host and port in front of a path: ours are sent relative.
fn without_origin<'p, 's>(pieces: &'p [Piece<'s>]) -> &'p [Piece<'s>] {
    let is_own = |piece: &Piece<'_>| match &piece.what {
        What::Part(Part::Scheme | Part::Host | Part::HostField | Part::Port) | What::PortElse(_) => true,
        What::Literal(text) => text == "://" || text == ":",
        _ => false,
    };
    let count = pieces.iter().take_while(|piece| piece.place < Landing::Path && is_own(piece)).count();
    let (origin, rest) = pieces.split_at(count);
    let has_host = origin.iter().any(|piece| matches!(piece.what, What::Part(Part::Host | Part::HostField)));
    let has_scheme = matches!(origin.first(), Some(Piece { what: What::Part(Part::Scheme), .. }));
    let is_path = match rest.first() {
        Some(Piece { place: Landing::Path, what: What::Literal(text) }) => text.starts_with('/'),
        Some(Piece { place: Landing::Path, what }) => is_capture(what),
        _ => false,
    };
    let has_own_port = origin.iter().any(|piece| matches!(piece.what, What::PortElse(_)));
    if has_host && has_scheme && has_own_port && is_path { rest } else { pieces }
}
