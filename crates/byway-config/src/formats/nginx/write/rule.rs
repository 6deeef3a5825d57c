//! One rule as nginx says it: where it stands, what is asked beside the path, and what is sent.

use std::borrow::Cow;

use byway_core::condition::{Condition, Test};
use byway_core::dialect::{BYWAY, CaptureForm, LetterCase, QueryPolicy, RelativeForm, TrailingSlash, View};
use byway_core::host::HostPattern;
use byway_core::regex::Pattern;
use byway_core::request::Scheme;
use byway_core::rule::{Action, RetryAfter};
use byway_core::ruleset::RuleView;
use byway_core::source::{PathPattern, Source};
use byway_core::target::{Part, Target, What};

use super::conditions::{self, Asked};
use super::target::{Fits, Mark, To, is_seen, to_text};
use super::words::{REST, begins, decoded_pattern, literal, pattern};
use crate::formats::apache::asks_for_file;
use crate::writing::aside::{Aside, aside};
use crate::writing::own::{Does, OwnRule, STRANGER, Seen, case_of, instant, takes_host};
use crate::writing::rank::{Rank, Region, region};

type Why = Cow<'static, str>;

const ITSELF: &str = "where the redirect leads to the URL that was asked, nginx sends it";
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
    /// Whether the server that it was read for sees paths as nginx does.
    pub(super) is_seen: bool,
    /// Whether nginx asks it of every request before it chooses a location, where it was read.
    pub(super) is_of_server: bool,
    /// Whether its pattern is asked of the path as it was sent.
    pub(super) is_sent: bool,
    /// Whether it is nginx's own, and is written as nginx means it.
    pub(super) is_same: bool,
    /// Whether slashes that stand together are told apart, as with `merge_slashes off`.
    pub(super) is_apart: bool,
    /// Whether nginx puts scheme, host and port before its target where it was read, and is to do so again.
    pub(super) is_made_whole: bool,
    /// Whether it does so without the port.
    pub(super) is_portless: bool,
    /// Whether a control character of the request may come into its target.
    pub(super) is_open: Open,
    pub(super) why: Option<Why>,
}

/// Where a rule stands.
pub(super) enum Path<'r> {
    /// At these paths.
    Exact(Vec<Vec<u8>>),
    /// At this path and below it.
    Prefix(Vec<u8>),
    /// At every path that begins so.
    Begins(Vec<u8>),
    /// Where a pattern says so.
    Pattern(Fitting<'r>),
}

impl Path<'_> {
    /// The pattern that nginx asks of the path, and whether it ignores letter case.
    pub(super) fn seen_pattern(&self) -> Option<(&str, bool)> {
        match self {
            Path::Pattern(fitting) if fitting.on == On::Decoded => Some((&fitting.pattern, fitting.ignores_case)),
            _ => None,
        }
    }

    /// Where it may be.
    pub(super) fn regions(&self) -> Vec<Region> {
        match self {
            Path::Exact(paths) => paths.iter().map(|path| Region::new(path, true)).collect(),
            Path::Prefix(path) => vec![Region::new(path, false)],
            // Of what begins in the middle of a name, the folder.
            Path::Begins(path) => vec![Region::new(&path[..memchr::memrchr(b'/', path).unwrap_or(0)], false)],
            Path::Pattern(fitting) => vec![fitting.region.clone()],
        }
    }
}

/// A pattern that a path must fit.
pub(super) struct Fitting<'r> {
    /// What it is asked of.
    pub(super) on: On,
    pub(super) pattern: String,
    pub(super) ignores_case: bool,
    /// What it begins with.
    pub(super) region: Region,
    /// The pattern itself, where it is one of ours.
    pub(super) own: Option<Pattern<'r>>,
    /// The path that it is and nothing else, letter case aside.
    pub(super) folded: Option<Vec<u8>>,
}

/// What of a request a pattern is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum On {
    /// The path as it was sent.
    Sent,
    /// The path as nginx compares it with a `location`.
    Decoded,
}

impl On {
    /// The variable that holds it.
    pub(super) fn variable(self) -> &'static str {
        match self {
            On::Sent => "$request_path",
            On::Decoded => "$uri",
        }
    }
}

/// How the server that a rule was read for sees a path, and sends on what it took out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    /// As it was sent, and so it is sent on: rules of our own.
    Sent,
    /// Decoded, and so it is sent on: `return` of nginx.
    Decoded,
    /// Decoded, and escaped anew where it is sent on: `rewrite` of nginx, and Apache.
    Escaped,
}

impl Sees {
    fn of(view: &RuleView<'_>) -> Sees {
        match view.dialect() {
            own if *own == BYWAY => Sees::Sent,
            nginx if nginx.name == "nginx" && nginx.captures == CaptureForm::Decoded => Sees::Decoded,
            _ => Sees::Escaped,
        }
    }
}

/// The word that sends people on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Return,
    /// It escapes what it captured, and knows 301 and 302 alone.
    Rewrite,
}

/// Whether a control character of the request may come into a target, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Never,
    /// Any but the line feed, as where `.` took it.
    ButLineFeed,
    Always,
}

/// What a rule answers.
pub(super) enum Answer {
    Redirect {
        get: u16,
        other: u16,
        to: To,
        by: By,
    },
    Reply(u16),
    /// The path is another one inside the server; the query is dropped where a `?` ends it.
    Rewrite(To, &'static str),
    Pass,
}

impl Fitting<'_> {
    pub(super) fn asks(&self) -> Fits {
        Fits { on: self.on, pattern: self.pattern.clone(), ignores_case: self.ignores_case }
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
            (None, Path::Prefix(path) | Path::Begins(path)) => of_path(path),
            (None, Path::Pattern(fitting)) => of_path(&fitting.region.prefix),
        }
    }

    /// Whether its target has no host, and nginx is not to put one before it.
    pub(super) fn is_relative(&self) -> bool {
        !self.is_made_whole && self.has_no_host()
    }

    /// Whether its target has no host, and nginx puts its own before it without the port.
    pub(super) fn is_without_port(&self) -> bool {
        self.is_portless && self.has_no_host()
    }

    fn has_no_host(&self) -> bool {
        match &self.answer {
            Answer::Redirect { to, .. } => to.is_relative(),
            _ => false,
        }
    }
}

/// The rule in nginx's words, or why it has none.
pub(super) fn said<'r>(rule: &'r OwnRule<'r>, at: usize, now: Option<i64>) -> Result<Said<'r>, Why> {
    let rule = rule.as_sent.as_deref().unwrap_or(rule);
    match &rule.seen {
        // A pattern on the path as nginx sees it is the same here; what is asked of the path as it was sent is not.
        Some(seen) => match said_as(rule, Some(seen), at, now)? {
            said if said.is_sent => said_as(rule, None, at, now),
            said => Ok(said),
        },
        None => said_as(rule, None, at, now),
    }
}

fn said_as<'r>(rule: &'r OwnRule<'r>, seen: Option<&'r Seen>, at: usize, now: Option<i64>) -> Result<Said<'r>, Why> {
    if let (None, Some(why)) = (seen, rule.only_seen()) {
        return Err(why);
    }
    let mut source =
        Source::parse(&rule.from).map_err(|_| "its host and path make no `from` that byway.toml can hold")?;
    source.slash = rule.slash;
    let case = case_of(rule, &source);
    crate::own::rule::set_case(&mut source, case);
    if let Some(Seen { pattern, .. }) = seen {
        source.case = pattern.case;
        source.path = PathPattern::Regex(pattern.clone());
    }
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
    let mut sees = Sees::of(view);
    let (mut on, mut is_open) = (if sees == Sees::Sent { On::Sent } else { On::Decoded }, Open::Never);
    let answer = match &rule.does {
        Does::Redirect { status, to, query } => {
            let written = Written::of(seen.and_then(|seen| seen.to.as_ref()).unwrap_or(to), seen.is_some());
            let target =
                Target::parse(&written.to, &source).map_err(|_| "its target is none that byway.toml can hold")?;
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
            let is_nginx = view.dialect().name == "nginx";
            let sends_path = is_nginx && sends_working_path(view);
            let path = if sends_path { "uri" } else { "request_path" };
            let mark = if is_nginx && sees == Sees::Decoded { Mark::Sent } else { Mark::LeftOut };
            let mut to = to_text(&source, &target, query, (path, mark), &mut note)?;
            if written.is_bare {
                to = to.without_slash();
            }
            // What a variable keeps is sent as it is, and what a number stands for is escaped.
            let (has_kept, has_numbers) = if is_nginx { kept_and_taken(view) } else { (false, false) };
            if has_kept && to.takes_groups() && sees == Sees::Escaped {
                note(has_numbers.then_some(NAMED));
                sees = if has_numbers { sees } else { Sees::Decoded };
            }
            let asks_files = rule.conditions.iter().any(|one| asks_for_file(one).is_some());
            // nginx escapes more of what comes into a query than Apache does.
            let is_alike = is_nginx || !to.takes_groups_there();
            let is_captured = sees == Sees::Escaped && (to.takes_groups() || sends_path || is_nginx && seen.is_some());
            let by = match is_captured && is_alike && to.fits_rewrite(*status, is_nginx) && !asks_files {
                true => By::Rewrite,
                false => By::Return,
            };
            if has_kept && Sees::of(view) == Sees::Escaped && by == By::Return {
                let of_path = match &source.path {
                    PathPattern::Regex(pattern) => to.takes_groups() && may_hold_percent(pattern),
                    _ => false,
                };
                let of_condition = |one: &Condition| matches!(&one.test, Test::Regex(own) if may_hold_percent(own));
                let may = of_path || !to.kept().is_empty() && rule.conditions.iter().any(of_condition);
                note(may.then_some(UNDONE));
            }
            if sees == Sees::Escaped && (to.takes_groups() || sends_path) && by == By::Return {
                on = On::Sent;
            }
            if on == On::Sent && sends_path {
                to = to_text(&source, &target, query, ("request_path", mark), &mut note)?;
            }
            to = to.asked_of(on);
            if (sees == Sees::Decoded || sends_path) && on == On::Decoded {
                is_open = to.may_break(&source);
            }
            Answer::Redirect { get: status.get.number(), other: status.other.number(), to, by }
        }
        Does::Reply { status, retry_after } => {
            if let Some(RetryAfter::Seconds(seconds)) = retry_after {
                fields.push(format!("add_header Retry-After {seconds} always;"));
            }
            Answer::Reply(status.number())
        }
        Does::Rewrite { to, query } => {
            let written = Written::of(seen.and_then(|seen| seen.to.as_ref()).unwrap_or(to), seen.is_some());
            let target = Target::parse(&written.to, &source)
                .map_err(|_| "the path that it leads to is none that byway.toml can hold")?;
            let is_again = match target.constant() {
                Some(path) => aside(&source, &target, &QueryPolicy::Keep) != Aside::Never && !path.is_empty(),
                None => aside(&source, &target, &QueryPolicy::Keep) == Aside::Perhaps,
            };
            let asks_files = rule.conditions.iter().any(|one| asks_for_file(one).is_some());
            if is_again && !(asks_files && target.is_constant()) {
                return Err(AGAIN.into());
            }
            let mut to =
                to_text(&source, &target, &QueryPolicy::Drop, ("request_path", Mark::LeftOut), &mut note)?.inside()?;
            if written.is_bare {
                to = to.without_slash();
            }
            let to = to.asked_of(on);
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
    // What is asked before locations, or beside another pattern, is no location.
    let is_beside = rule.is_of_server || asked.iter().any(|asked| asked.path_pattern().is_some());
    let path = path(&source, on, is_beside && seen.is_some())?;
    Ok(Said {
        rank: match seen {
            Some(_) => Rank::of_source(&source, rule.priority, rule.conditions.len(), (view.number(), at)),
            None => Rank::of(rule, at)?,
        },
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
        is_made_whole: is_made_whole(view),
        is_portless: is_made_whole(view) && view.dialect().relative == RelativeForm::Host,
        is_open,
        is_seen: sees != Sees::Sent,
        is_of_server: rule.is_of_server,
        is_sent: on == On::Sent,
        is_same: view.dialect().name == "nginx" && on == On::Decoded,
        is_apart: view.dialect().view == View::Apart,
        why,
    })
}

/// Why what a variable keeps is not quite sent as `rewrite` sends it.
const UNDONE: &str = "an escape in what a variable keeps is sent as it is, and its server's `rewrite` undoes it";
/// Why a target with both is not quite its own.
const NAMED: &str = "what its pattern takes by name is escaped here, as what it takes by number";

/// A target as our own files write it: where a group stands where a path begins, with a slash before it.
struct Written<'t> {
    to: Cow<'t, str>,
    is_bare: bool,
}

impl Written<'_> {
    fn of(to: &str, is_seen: bool) -> Written<'_> {
        let begin = to.find("://").map_or(0, |at| at + 3);
        let host = &to[begin..];
        let at = host.find('{').filter(|at| host[at + 1..].starts_with(|sign: char| sign.is_ascii_digit()));
        // A group behind a host is its path where nothing else stands between.
        let is_bare = |at: &usize| {
            let (authority, group) = host.split_at(*at);
            let behind = group.split_once('}').map_or("", |(_, behind)| behind);
            let is_end = behind.is_empty() || begin == 0 || behind.starts_with(['/', '?', '#']);
            !authority.contains(['/', '?', '#']) && authority.is_empty() == (begin == 0) && is_end
        };
        if is_seen && to.starts_with("{path}") {
            return Written { to: format!("/{to}").into(), is_bare: true };
        }
        match at.filter(|at| is_seen && is_bare(at)) {
            Some(at) => Written { to: format!("{}/{}", &to[..begin + at], &host[at..]).into(), is_bare: true },
            None => Written { to: to.into(), is_bare: false },
        }
    }
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

/// Whether nginx makes the whole URL of a rule's target, as without `absolute_redirect off`.
fn is_made_whole(view: &RuleView<'_>) -> bool {
    view.dialect().name == "nginx" && view.dialect().relative != RelativeForm::AsWritten
}

/// Whether a rule of nginx sends `$uri`, which is the path decoded.
fn sends_working_path(view: &RuleView<'_>) -> bool {
    let Action::Redirect { target, .. } = view.action() else { return false };
    target.pieces().iter().any(|piece| matches!(piece.what, What::Part(Part::WorkingPath)))
}

/// Whether what a pattern takes may hold the sign that begins an escape, as far as its text says.
fn may_hold_percent(pattern: &Pattern<'_>) -> bool {
    let plain = pattern.text.replace("\\.", "");
    let signs = [".", "%", "[^", "\\S", "\\W", "\\D", "\\N", "[:"];
    signs.iter().any(|sign| plain.contains(sign))
}

/// Whether a redirect sends what a variable keeps, and what its own pattern takes by number.
fn kept_and_taken(view: &RuleView<'_>) -> (bool, bool) {
    let Action::Redirect { target, .. } = view.action() else { return (false, false) };
    let any = |is: fn(&What<'_>) -> bool| target.pieces().iter().any(|piece| is(&piece.what));
    (any(|what| matches!(what, What::Slot(_))), any(|what| matches!(what, What::Capture(_))))
}

fn path<'r>(source: &Source<'r>, on: On, is_pattern: bool) -> Result<Path<'r>, Why> {
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
        PathPattern::Regex(pattern)
            if on == On::Decoded
                && !is_pattern
                && let Some(begin) = begins(pattern).filter(|begin| literal(begin).is_ok()) =>
        {
            Path::Begins(begin)
        }
        other => {
            let pattern = pattern(source, false)?.pattern.replace(REST, "(?:/|$)");
            let own = match other {
                PathPattern::Regex(pattern) => Some(pattern.clone()),
                _ => None,
            };
            let folded = match other {
                PathPattern::Exact(path) if !is_plain && source.slash == TrailingSlash::Significant => {
                    Some(path.to_vec())
                }
                _ => None,
            };
            // What its server asks of the same path stays as it is.
            let is_ours = !is_seen(source);
            let pattern = if on == On::Decoded && is_ours { decoded_pattern(&pattern) } else { pattern };
            let anywhere = pattern
                .strip_prefix("^.*")
                .filter(|rest| on == On::Decoded && is_ours && !rest.starts_with(['?', '+']));
            let pattern = anywhere.map_or_else(|| pattern.clone(), str::to_owned);
            Path::Pattern(Fitting { on, pattern, ignores_case: !is_plain, region: region(source), own, folded })
        }
    })
}
