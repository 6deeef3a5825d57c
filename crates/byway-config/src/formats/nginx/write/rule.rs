//! One rule as nginx says it: where it stands, what is asked beside the path, and what is sent.

use byway_core::condition::Condition;
use byway_core::dialect::{BYWAY, LetterCase, QueryPolicy, TrailingSlash};
use byway_core::host::HostPattern;
use byway_core::regex::Pattern;
use byway_core::request::Scheme;
use byway_core::rule::RetryAfter;
use byway_core::source::{PathPattern, Source};
use byway_core::target::{Landing, Part, Target, What};

use super::conditions::{self, Asked};
use super::words::{REST, Sent, literal, pattern};
use crate::formats::apache::asks_for_file;
use crate::writing::aside::{Aside, aside};
use crate::writing::own::{Does, OwnRule, STRANGER, case_of, instant, takes_host};
use crate::writing::rank::{Rank, Region, region};

type Why = std::borrow::Cow<'static, str>;

const ITSELF: &str = "where the redirect leads to the URL that was asked, nginx sends it";
const CAPTURE_IN_QUERY: &str = "`&`, `=` and `+` of a capture arrive in the query unescaped";
const ARGUMENT: &str = "nginx finds a pair of the query by its name as it was sent, whatever its case";
const VALUE: &str = "a pair of the query is found by its name as it was sent, whatever its case, and arrives in the path as it was sent";
const EMPTY_BETWEEN: &str = "where nothing was captured between two slashes, nginx sends both";
const AS_SENT: &str = "a pattern with escapes sees them as they were sent, in capitals or not";
const AGAIN: &str = "it changes the path into one that it fits again: nginx would do that ten times and answer 500, so write it with `try_files`";
const CLOCK: &str = "nginx has no clock for rules: somebody must take it out";

/// A rule.
pub(super) struct Said<'r> {
    pub(super) rank: Rank,
    pub(super) number: u32,
    /// Where it was written: rules are written in that order.
    pub(super) order: (u32, usize),
    /// The scheme that it is for alone.
    pub(super) scheme: Option<Scheme>,
    /// The port that its server listens on, where that is not the scheme's.
    pub(super) port: Option<u16>,
    pub(super) host: HostPattern<'r>,
    pub(super) path: Path<'r>,
    pub(super) asked: Vec<Asked>,
    pub(super) aside: Aside,
    pub(super) answer: Answer,
    /// Fields of the answer, as statements.
    pub(super) fields: Vec<String>,
    pub(super) id: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) why: Option<Why>,
}

/// Where a rule stands.
pub(super) enum Path<'r> {
    /// At these paths.
    Exact(Vec<Vec<u8>>),
    /// At this path and below it.
    Prefix(Vec<u8>),
    /// Where a pattern on the path as it was sent says so; what it begins with, and the pattern itself where it is one of ours.
    Pattern { pattern: String, ignores_case: bool, region: Region, own: Option<Pattern<'r>> },
}

/// What a rule answers.
pub(super) enum Answer {
    Redirect {
        get: u16,
        other: u16,
        to: To,
    },
    Reply(u16),
    /// The path is another one inside the server; the query is dropped where a `?` ends it.
    Rewrite(To, &'static str),
    Pass,
}

/// A target.
pub(super) struct To {
    bits: Vec<Bit>,
    /// The request's query, as variables.
    query: &'static str,
    /// What stands behind it.
    fragment: String,
    /// The source, as a pattern on the path as it was sent.
    sent: Option<Sent>,
    ignores_case: bool,
    prefix: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bit {
    Text(String),
    Variable(String),
    Group(u8),
    /// A group of the pattern that a condition asks.
    Kept(u8),
    /// What is below a prefix, with its slash.
    Rest,
    /// The same without.
    BareRest,
    /// The same without all its slashes: it would open another host.
    NakedRest,
}

/// A target at a place: its text, and the pattern that must fit first.
pub(super) struct Written {
    pub(super) path: String,
    pub(super) query: &'static str,
    pub(super) fragment: String,
    pub(super) pattern: Option<(String, bool)>,
}

impl Written {
    /// The words behind a `return`.
    pub(super) fn text(&self) -> String {
        let text = format!("{}{}{}", self.path, self.query, self.fragment);
        match text.contains("$request_path$is_args$args") {
            true => text.replace("$request_path$is_args$args", "$request_uri"),
            false => text,
        }
    }
}

impl Said<'_> {
    /// What a variable is called that holds something of it.
    pub(super) fn called(&self) -> String {
        let of_path = |path: &[u8]| {
            let words = String::from_utf8_lossy(path).into_owned();
            words.split('/').find(|word| !word.is_empty()).unwrap_or("all").to_owned()
        };
        match (&self.id, &self.path) {
            (Some(id), _) => id.clone(),
            (None, Path::Exact(paths)) => paths.first().map(|path| of_path(path)).unwrap_or_default(),
            (None, Path::Prefix(path)) => of_path(path),
            (None, Path::Pattern { region, .. }) => of_path(&region.prefix),
        }
    }

    /// Whether its target has no host.
    pub(super) fn is_relative(&self) -> bool {
        match &self.answer {
            Answer::Redirect { to, .. } => matches!(to.bits.first(), Some(Bit::Text(text)) if text.starts_with('/')),
            _ => false,
        }
    }
}

/// The rule in nginx's words, or why it has none.
pub(super) fn said<'r>(rule: &'r OwnRule<'r>, at: usize, now: Option<i64>) -> Result<Said<'r>, Why> {
    let mut source =
        Source::parse(&rule.from).map_err(|_| "its host and path make no `from` that byway.toml can hold")?;
    source.slash = rule.slash;
    let case = case_of(rule, &source);
    crate::own::rule::set_case(&mut source, case);
    let view = &rule.view;
    let mut why = time(rule, now)?;
    let mut note = |other: Option<&'static str>| {
        if let Some(other) = other {
            why.get_or_insert(other.into());
        }
    };
    // A port of another server's rule is one that it listens on; of our own, one that the URL names.
    let port = source.port.filter(|_| *view.dialect() != BYWAY);
    source.port = source.port.filter(|_| port.is_none());
    let (scheme, asked) = asked(&source, &rule.conditions, &mut note)?;
    let mut fields = Vec::new();
    if let Some(cache) = view.cache_control() {
        fields.push(format!("add_header Cache-Control {} always;", super::words::quoted(cache)));
    }
    let mut stands_aside = Aside::Never;
    let answer = match &rule.does {
        Does::Redirect { status, to, query } => {
            let target = Target::parse(to, &source).map_err(|_| "its target is none that byway.toml can hold")?;
            if *view.dialect() == BYWAY {
                stands_aside = aside(&source, &target, query);
                if matches!(&stands_aside, Aside::Always { origin } if origin.is_empty()) {
                    return Err("it leads to the URL that was asked: nginx would send it again and again".into());
                }
                note((stands_aside == Aside::Perhaps).then_some(ITSELF));
            }
            if *view.dialect() == BYWAY && takes_host(&target, &rule.conditions) {
                return Err(STRANGER.into());
            }
            let to = to_text(&source, &target, query, &mut note)?;
            Answer::Redirect { get: status.get.number(), other: status.other.number(), to }
        }
        Does::Reply { status, retry_after } => {
            if let Some(RetryAfter::Seconds(seconds)) = retry_after {
                fields.push(format!("add_header Retry-After {seconds} always;"));
            }
            Answer::Reply(status.number())
        }
        Does::Rewrite { to, query } => {
            let target =
                Target::parse(to, &source).map_err(|_| "the path that it leads to is none that byway.toml can hold")?;
            let is_again = match target.constant() {
                Some(path) => aside(&source, &target, &QueryPolicy::Keep) != Aside::Never && !path.is_empty(),
                None => aside(&source, &target, &QueryPolicy::Keep) == Aside::Perhaps,
            };
            let asks_files = rule.conditions.iter().any(|one| asks_for_file(one).is_some());
            if is_again && !(asks_files && target.is_constant()) {
                return Err(AGAIN.into());
            }
            let to = to_text(&source, &target, &QueryPolicy::Drop, &mut note)?.inside()?;
            let has_query = target.text(&source.capture_names()).contains('?');
            let drops = match query {
                QueryPolicy::Drop => true,
                QueryPolicy::Replace => has_query,
                _ => false,
            };
            Answer::Rewrite(to, if drops { "?" } else { "" })
        }
        Does::Pass => Answer::Pass,
    };
    let path = path(&source)?;
    Ok(Said {
        rank: Rank::of(rule, at)?,
        number: view.number(),
        order: (view.number(), at),
        scheme,
        port,
        host: source.host.clone(),
        path,
        asked,
        aside: stands_aside,
        answer,
        fields,
        id: view.id().map(str::to_owned),
        comment: crate::writing::comment(view).filter(|_| at == 0),
        why,
    })
}

/// What is said of the time in which a rule holds: nginx has no clock, but what is over or not yet there is known now.
fn time(rule: &OwnRule<'_>, now: Option<i64>) -> Result<Option<Why>, Why> {
    let text = |seconds: i64| instant(seconds).unwrap_or_else(|| "a moment that no calendar has".to_owned());
    match (rule.view.since(), rule.view.until(), now) {
        (None, None, _) => Ok(None),
        (_, Some(until), Some(now)) if until <= now => {
            Err(format!("it ended on {}: nginx has no clock for rules, and would bring it back", text(until)).into())
        }
        (Some(since), _, Some(now)) if since > now => {
            Err(format!("it begins on {}: nginx has no clock for rules, convert it then", text(since)).into())
        }
        (_, Some(until), _) => Ok(Some(format!("{CLOCK} on {}", text(until)).into())),
        (Some(_), None, Some(_)) => Ok(None),
        (Some(since), None, None) => {
            Ok(Some(format!("nginx has no clock for rules: it is for {}", text(since)).into()))
        }
    }
}

/// What is asked beside path and host. A scheme is another server, and no condition.
fn asked(
    source: &Source<'_>,
    conditions: &[Condition],
    note: &mut impl FnMut(Option<&'static str>),
) -> Result<(Option<Scheme>, Vec<Asked>), Why> {
    let (mut asked, mut scheme) = (Vec::new(), source.scheme);
    if let Some(port) = source.port {
        asked.push(Asked::port(port));
    }
    for pair in &source.query {
        let (pair, why) = Asked::pair(&pair.name, &pair.value)?;
        asked.push(pair);
        note(Some(why));
    }
    for condition in conditions {
        if let Some(own) = conditions::scheme(condition) {
            if scheme.is_some_and(|scheme| scheme != own) {
                return Err("it asks for http and https at once, which no request fits".into());
            }
            scheme = Some(own);
            continue;
        }
        let (one, why) = conditions::asked(condition)?;
        asked.push(one);
        note(why);
    }
    Ok((scheme, asked))
}

fn path<'r>(source: &Source<'r>) -> Result<Path<'r>, Why> {
    let is_plain = source.case == LetterCase::Significant;
    Ok(match &source.path {
        PathPattern::Exact(path) if is_plain => {
            let bare = path.strip_suffix(b"/").filter(|bare| !bare.is_empty());
            let paths = match (source.slash, bare) {
                (TrailingSlash::Either, Some(bare)) => vec![bare.to_vec(), path.to_vec()],
                (TrailingSlash::Either, None) if &**path != b"/" => vec![path.to_vec(), [path, &b"/"[..]].concat()],
                _ => vec![path.to_vec()],
            };
            paths.iter().try_for_each(|path| literal(path).map(|_| ()))?;
            Path::Exact(paths)
        }
        PathPattern::Prefix(path) if is_plain => {
            literal(path)?;
            Path::Prefix(path.to_vec())
        }
        other => {
            let pattern = pattern(source, false)?.pattern.replace(REST, "(?:/|$)");
            let own = match other {
                PathPattern::Regex(pattern) => Some(pattern.clone()),
                _ => None,
            };
            Path::Pattern { pattern, ignores_case: !is_plain, region: region(source), own }
        }
    })
}

fn to_text(
    source: &Source<'_>,
    target: &Target<'_>,
    query: &QueryPolicy,
    note: &mut impl FnMut(Option<&'static str>),
) -> Result<To, Why> {
    let mut to = To {
        bits: Vec::new(),
        query: "",
        fragment: String::new(),
        sent: None,
        ignores_case: source.case == LetterCase::Ignored,
        prefix: match (&source.path, source.case) {
            (PathPattern::Prefix(prefix), LetterCase::Significant) => Some(prefix.to_vec()),
            _ => None,
        },
    };
    let mut has_query = false;
    if let Some(text) = target.constant() {
        let (before, behind) = text.split_at(text.find('#').unwrap_or(text.len()));
        // No bare `?` is sent.
        let before = before.strip_suffix('?').unwrap_or(before);
        has_query = before.contains('?');
        to.bits.push(Bit::Text(dollars(before)));
        to.fragment.push_str(&dollars(behind));
    }
    let is_relative = target.pieces().first().is_some_and(|piece| piece.place == Landing::Path);
    let (mut path, mut follows) = (String::new(), false);
    for piece in target.pieces() {
        has_query |= piece.place == Landing::Query;
        let is_path = piece.place == Landing::Path;
        // Nothing but one slash stands before it, and what it brings would be a host.
        let is_open = is_relative && is_path && matches!(path.as_str(), "" | "/");
        match &piece.what {
            What::Literal(text) if piece.place == Landing::Fragment => to.fragment.push_str(&dollars(text)),
            What::Literal(text) => {
                if is_path {
                    path.push_str(text);
                }
                to.bits.push(Bit::Text(dollars(text)));
                continue;
            }
            What::Capture(index) if piece.place >= Landing::Path && piece.place <= Landing::Query => {
                note((piece.place == Landing::Query).then_some(CAPTURE_IN_QUERY));
                if *index >= 9 {
                    return Err("it uses a tenth group, and nginx knows nine: write the rest without parentheses".into());
                }
                match &source.path {
                    PathPattern::Segments { .. } if is_open && *index == 0 => follows = true,
                    _ if is_open => to.bits.insert(0, Bit::Text("$scheme://$http_host".to_owned())),
                    _ => {}
                }
                to.bits.push(Bit::Group(index + 1));
            }
            What::Tail(_) if is_path && path.is_empty() && is_relative => {
                to.bits.extend([Bit::Text("/".to_owned()), Bit::NakedRest]);
            }
            What::Tail(_) if is_path && path.is_empty() => to.bits.extend([Bit::Text("/".to_owned()), Bit::BareRest]),
            What::Tail(_) if is_path => to.bits.push(Bit::Rest),
            What::TailText(_) if is_open => to.bits.push(Bit::NakedRest),
            What::TailText(_) if is_path || piece.place == Landing::Query => {
                note((piece.place == Landing::Query).then_some(CAPTURE_IN_QUERY));
                to.bits.push(Bit::BareRest);
            }
            What::Part(Part::Path) if is_path => {
                if is_open {
                    to.bits.insert(0, Bit::Text("$scheme://$http_host".to_owned()));
                }
                to.bits.push(Bit::Variable("request_path".to_owned()));
            }
            What::Part(Part::Query) if piece.place == Landing::Query => to.bits.push(Bit::Variable("args".to_owned())),
            What::Part(Part::Scheme) if piece.place == Landing::Scheme => {
                to.bits.push(Bit::Variable("scheme".to_owned()))
            }
            What::Part(Part::Host) if piece.place == Landing::Host => to.bits.push(Bit::Variable("host".to_owned())),
            What::ConditionCapture(number)
                if piece.place >= Landing::Path && piece.place <= Landing::Query || is_label(&to.bits) =>
            {
                if is_open {
                    to.bits.insert(0, Bit::Text("$scheme://$http_host".to_owned()));
                }
                to.bits.push(Bit::Kept(*number));
            }
            What::QueryValue(name) if is_path && is_word(name) => {
                if is_open {
                    to.bits.insert(0, Bit::Text("$scheme://$http_host".to_owned()));
                }
                note(Some(VALUE));
                to.bits.push(Bit::Variable(format!("arg_{}", name.to_ascii_lowercase())));
            }
            What::QueryValue(name)
                if piece.place == Landing::Query && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                note(Some(ARGUMENT));
                to.bits.push(Bit::Variable(format!("arg_{}", name.to_ascii_lowercase())));
            }
            _ => return Err("its target holds text of the request where nginx would not escape it: take it out of host, query or fragment".into()),
        }
        if is_path {
            path.push('…');
        }
    }
    let ends_open = target.constant().is_some_and(|text| text.split('#').next().unwrap_or_default().ends_with('&'));
    to.query = match query {
        QueryPolicy::Keep if ends_open => "$args",
        QueryPolicy::Keep if has_query => "$and_args",
        QueryPolicy::Replace if has_query => "",
        QueryPolicy::Drop => "",
        QueryPolicy::Keep | QueryPolicy::Replace => "$is_args$args",
        QueryPolicy::Merge(_) | QueryPolicy::Only(_) => {
            return Err("a query that is merged by name, or of which only some pairs are kept".into());
        }
    };
    let is_between = to.bits.windows(3).any(|three| match three {
        [Bit::Text(before), taken, Bit::Text(behind)] => {
            let may_be_empty = match taken {
                Bit::BareRest | Bit::NakedRest => true,
                Bit::Group(_) => matches!(source.path, PathPattern::Regex(_)),
                _ => false,
            };
            may_be_empty && before.ends_with('/') && behind.starts_with('/')
        }
        _ => false,
    });
    note(is_between.then_some(EMPTY_BETWEEN));
    if !matches!(source.path, PathPattern::Exact(_)) || source.case == LetterCase::Ignored {
        to.sent = Some(pattern(source, follows)?);
    }
    note(matches!(&source.path, PathPattern::Regex(pattern) if pattern.text.contains('%')).then_some(AS_SENT));
    Ok(to)
}

fn is_word(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether what comes next is a label of a host, and does not lengthen one.
fn is_label(before: &[Bit]) -> bool {
    matches!(before.last(), Some(Bit::Text(text)) if text.ends_with("://") || text.ends_with('.'))
}

/// A text with its dollar signs as nginx can say them.
fn dollars(text: &str) -> String {
    text.replace('$', "${dollar}")
}

/// Where a target is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot<'p> {
    /// At this path and no other.
    At(&'p [u8]),
    /// Below the prefix of the rule, or somewhere below that.
    Below,
    /// Where the pattern must be asked whether it fits.
    Somewhere,
}

impl To {
    /// The same as a path inside the server, which has no host.
    fn inside(mut self) -> Result<To, Why> {
        let is_origin = |bit: &Bit| matches!(bit, Bit::Text(text) if text == "$scheme://$http_host");
        if self.bits.first().is_some_and(is_origin) {
            self.bits.remove(0);
        }
        match self.bits.iter().any(|bit| matches!(bit, Bit::Variable(name) if name == "request_path")) {
            true => Err("it leads to the path as it was sent, which `rewrite` has no word for".into()),
            false => Ok(self),
        }
    }

    /// The target at a place.
    pub(super) fn at(&self, spot: Spot<'_>, kept: &[(u8, String)]) -> Written {
        let rest = match (&self.prefix, spot) {
            (Some(prefix), Spot::At(path)) => path.get(prefix.len()..).and_then(|rest| std::str::from_utf8(rest).ok()),
            _ => None,
        };
        let is_root = self.prefix.as_ref().is_some_and(Vec::is_empty);
        let mut groups = matches!(spot, Spot::Somewhere);
        let mut parts: Vec<(bool, String)> = Vec::new();
        let uses = |bit: Bit| self.bits.contains(&bit);
        let is_naked = uses(Bit::NakedRest);
        let (has_rest, has_bare) = (uses(Bit::Rest), uses(Bit::BareRest) || is_naked);
        let with = self.sent.as_ref().map(|sent| sent.rest).unwrap_or_default();
        let without = if has_rest { with + 1 } else { with };
        let mut bits = self.bits.as_slice();
        let mut swallows = false;
        while let [bit, others @ ..] = bits {
            bits = others;
            let had_nothing = std::mem::take(&mut swallows);
            match bit {
                // The whole path, as it was sent.
                Bit::Text(text)
                    if text == "/" && is_root && others.first() == Some(&Bit::BareRest) && rest.is_none() =>
                {
                    parts.push((true, "request_path".to_owned()));
                    bits = &others[1..];
                }
                Bit::Text(text) => {
                    // Nothing between two slashes leaves one.
                    let text = if had_nothing { text.strip_prefix('/').unwrap_or(text) } else { text };
                    parts.push((false, text.to_owned()));
                }
                Bit::Variable(name) => parts.push((true, name.clone())),
                Bit::Group(number) => {
                    groups = true;
                    parts.push((true, number.to_string()));
                }
                Bit::Kept(number) => {
                    let name = kept.iter().find(|(known, _)| known == number).map(|(_, name)| name.clone());
                    parts.push((true, name.unwrap_or_else(|| number.to_string())));
                }
                Bit::Rest | Bit::BareRest | Bit::NakedRest if rest.is_some() => {
                    let rest = rest.unwrap_or_default();
                    let rest = match bit {
                        Bit::Rest => rest,
                        Bit::BareRest => rest.strip_prefix('/').unwrap_or(rest),
                        _ => rest.trim_start_matches('/'),
                    };
                    swallows = rest.is_empty() && parts.last().is_some_and(|(_, text)| text.ends_with('/'));
                    parts.push((false, dollars(rest)));
                    continue;
                }
                Bit::Rest if is_root => parts.push((true, "request_path".to_owned())),
                Bit::Rest => {
                    groups = true;
                    parts.push((true, with.to_string()));
                }
                Bit::BareRest | Bit::NakedRest => {
                    groups = true;
                    parts.push((true, without.to_string()));
                }
            }
        }
        let rest = match (has_rest, has_bare, is_naked) {
            (true, false, _) => "(/.*)",
            (true, true, false) => "(/(.*))",
            (true, true, true) => "(/[/\\\\]*(.*))",
            (false, true, false) => "/(.*)",
            (false, true, true) => "/[/\\\\]*(.*)",
            (false, false, _) => "",
        };
        let rest = match (rest, spot) {
            ("", _) => "(?:/|$)".to_owned(),
            (rest, Spot::Below) => format!("{rest}$"),
            (rest, _) if rest.starts_with('(') => format!("{rest}?$"),
            (rest, _) => format!("(?:{rest})?$"),
        };
        let pattern = self.sent.as_ref().filter(|_| groups);
        let pattern = pattern.map(|sent| (sent.pattern.replace(REST, &rest), self.ignores_case));
        Written { path: joined(&parts), query: self.query, fragment: self.fragment.clone(), pattern }
    }

    /// The groups that it takes out of the pattern of a condition.
    pub(super) fn kept(&self) -> Vec<u8> {
        let mut all: Vec<u8> = Vec::new();
        for bit in &self.bits {
            all.extend(match bit {
                Bit::Kept(number) if !all.contains(number) => Some(*number),
                _ => None,
            });
        }
        all
    }

    /// The same for every request, but for the request's query: its path and what stands behind its query.
    pub(super) fn constant(&self) -> Option<(&str, &'static str)> {
        match self.bits.as_slice() {
            [Bit::Text(text)] if self.fragment.is_empty() && !text.contains('$') => Some((text, self.query)),
            _ => None,
        }
    }
}

/// Texts and variables; a name that a letter follows stands in braces.
fn joined(parts: &[(bool, String)]) -> String {
    let mut out = String::new();
    for (at, (is_variable, text)) in parts.iter().enumerate() {
        let next = parts.get(at + 1).and_then(|(is_variable, text)| text.chars().next().filter(|_| !is_variable));
        let is_digit = text.len() == 1 && text.as_bytes()[0].is_ascii_digit();
        let runs_on = next.is_some_and(|sign| sign.is_ascii_alphanumeric() || sign == '_');
        match is_variable {
            false => out.push_str(text),
            true if runs_on && !is_digit => out.push_str(&format!("${{{text}}}")),
            true => out.push_str(&format!("${text}")),
        }
    }
    out
}
