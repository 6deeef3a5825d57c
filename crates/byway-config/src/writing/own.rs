//! Rules as formats of our own dialect say them: source and target as text that reads back the same, and the order as priorities.
//!
//! A rule set may have several tables, each with its order; a file of our own is one table, the most specific first. Where that
//! alone would decide differently, rules get priorities: one table before the next, and in a table of order `listed` one run of
//! rules before the next. A run holds rules of which none hides one that is listed before it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use byway_core::RuleSet;
use byway_core::condition::{Condition, Depends, SUBJECTS, Subject, Test};
use byway_core::dialect::{BYWAY, Dialect, LetterCase, QueryPolicy, TrailingSlash};
use byway_core::host::HostPattern;
use byway_core::regex::{Anchoring, Flavour, Pattern};
use byway_core::request::Scheme;
use byway_core::rule::{Action, Probing, RetryAfter};
use byway_core::ruleset::{Order, RuleView, TableId, TableView};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{ReplyStatus, StatusByMethod};
use byway_core::target::{Landing, Piece, Target, What};

use super::flatten::Flat;
pub(crate) use super::flatten::{AS_SENT, SEEN, in_our_words};
use super::rank::{Region, region};
use crate::lints::open_redirect::is_of_host;
use crate::remarks::Verdict;

/// A rule in words of our own.
pub(crate) struct OwnRule<'s> {
    pub(crate) view: RuleView<'s>,
    pub(crate) from: String,
    pub(crate) slash: TrailingSlash,
    pub(crate) case: LetterCase,
    pub(crate) does: Does,
    pub(crate) conditions: Vec<Condition>,
    /// Where conditions are of another server: what our own files say in its place, and why that is not quite the same.
    pub(crate) ours: Option<Box<Instead<'s>>>,
    /// The same with path and query asked as one text as they were sent, where its server asks so.
    pub(crate) as_sent: Option<Box<OwnRule<'s>>>,
    /// Its pattern as its server asks it, for servers that see paths as that one does.
    pub(crate) seen: Option<Box<Seen>>,
    /// Whether its server, nginx, asks it of every request before it chooses a location.
    pub(crate) is_of_server: bool,
    pub(crate) priority: i32,
}

/// A pattern on the path as another server sees it: found anywhere in it, with that server's end and line feeds.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) pattern: Pattern<'static>,
    /// Where it leads, with the groups of that pattern.
    pub(crate) to: Option<String>,
    /// Why our own files have no words for the rule, where they have none.
    pub(crate) why: Option<Cow<'static, str>>,
}

/// The rules in place of one, or why there are none.
pub(crate) type Instead<'s> = Result<(Vec<OwnRule<'s>>, Option<Cow<'static, str>>), Cow<'static, str>>;

impl<'s> OwnRule<'s> {
    /// The same once more.
    pub(crate) fn again(&self) -> OwnRule<'s> {
        OwnRule { does: self.does.clone(), conditions: self.conditions.clone(), ..self.again_bare() }
    }

    /// The same source, doing nothing, asking nothing.
    pub(crate) fn again_bare(&self) -> OwnRule<'s> {
        OwnRule {
            view: self.view,
            from: self.from.clone(),
            slash: self.slash,
            case: self.case,
            does: Does::Pass,
            conditions: Vec::new(),
            ours: None,
            as_sent: None,
            seen: self.seen.clone(),
            is_of_server: self.is_of_server,
            priority: self.priority,
        }
    }

    /// Why there are words for it for servers alone that see paths as its own does.
    pub(crate) fn only_seen(&self) -> Option<Cow<'static, str>> {
        self.seen.as_ref().and_then(|seen| seen.why.clone())
    }
}

/// Rules as our own files can say them, and why they are not quite what they were.
pub(crate) fn in_ours<'s>((rules, verdict): Said<'s>) -> Result<Said<'s>, Cow<'static, str>> {
    let (mut out, mut why) = (Vec::new(), None);
    for mut rule in rules {
        if let Some(why) = rule.only_seen() {
            return Err(why);
        }
        match rule.ours.take() {
            None => out.push(rule),
            Some(instead) => {
                let (rules, other) = (*instead)?;
                out.extend(rules);
                why = why.or(other);
            }
        }
    }
    Ok((out, why.map_or(verdict, Verdict::Approximated)))
}

/// What a rule does, as text.
#[derive(Clone)]
pub(crate) enum Does {
    Redirect {
        status: StatusByMethod,
        to: String,
        query: QueryPolicy,
    },
    Reply {
        status: ReplyStatus,
        retry_after: Option<RetryAfter>,
    },
    /// The path is another inside the server, as two servers can say it and our files cannot.
    Rewrite {
        to: String,
        query: QueryPolicy,
    },
    Pass,
}

/// The highest priority that a file may write.
const HIGHEST: i32 = 1_000_000;

/// Rules by the priority that they need.
pub(crate) struct Plan {
    /// For each rule by its number; empty where all keep their own.
    priorities: Vec<i32>,
    /// The tables that are tried, and the last of them.
    roots: Vec<TableId>,
    dialects: HashMap<TableId, &'static Dialect>,
    flat: Flat,
    /// Whether the format has all that a rule of our own can say.
    is_whole: bool,
    /// Where rules of later tables may fit that are no exceptions: the place of their table among those that are tried.
    later: Vec<(usize, Region)>,
    /// Exceptions that leave a whole host to the tables behind.
    left: Vec<Left>,
}

/// An exception that leaves a whole host to the tables behind: the rules behind it in its table are for other hosts.
struct Left {
    number: u32,
    table: TableId,
    priority: i32,
    scheme: Option<Scheme>,
    host: String,
}

impl Plan {
    /// Looks through the rules once.
    pub(crate) fn of(rules: &RuleSet) -> Plan {
        let tables: HashMap<TableId, TableView<'_>> = rules.tables().map(|table| (table.id, table)).collect();
        let roots: Vec<TableId> = rules.roots().collect();
        let mut plan = Plan {
            priorities: Vec::new(),
            dialects: tables.values().map(|table| (table.id, table.dialect)).collect(),
            flat: if tables.values().any(|table| table.dialect.name != BYWAY.name) {
                Flat::of(rules)
            } else {
                Flat::default()
            },
            roots,
            is_whole: false,
            later: Vec::new(),
            left: Vec::new(),
        };
        plan.later = later(rules, &plan.roots);
        plan.left = left(rules, &plan);
        let is_plain = |id: &TableId| tables.get(id).is_some_and(|table| table.order == Order::Specific);
        if plan.roots.len() <= 1 && plan.roots.iter().all(is_plain) {
            return plan;
        }
        // Steps downwards from the first table: a step for each run of a listed table, and for each priority of another.
        let mut steps = vec![0_i64; rules.len()];
        let mut depth = 0_i64;
        for root in plan.roots.clone() {
            let is_listed = !is_plain(&root);
            let members = || rules.rules().filter(|rule| rule.table() == root);
            if is_listed {
                let mut run = Run::default();
                for rule in members() {
                    if !run.takes(&rule) {
                        depth += 1;
                        run = Run::default();
                        run.takes(&rule);
                    }
                    steps[rule.number() as usize] = depth;
                }
            } else {
                let highest = members().map(|rule| i64::from(rule.priority())).max().unwrap_or(0);
                let lowest = members().map(|rule| i64::from(rule.priority())).min().unwrap_or(0);
                for rule in members() {
                    steps[rule.number() as usize] = depth + highest - i64::from(rule.priority());
                }
                depth += highest - lowest;
            }
            depth += 1;
        }
        // The last step is priority 0, so that most rules need none written.
        let last = depth - 1;
        plan.priorities = steps.iter().map(|step| i32::try_from(last - step).unwrap_or(i32::MAX)).collect();
        plan
    }

    /// The plan of a format that has all that a rule of our own can say.
    pub(crate) fn whole(rules: &RuleSet) -> Plan {
        Plan { is_whole: true, ..Plan::of(rules) }
    }

    /// Whether a request that a rule leaves to the next table may be taken there.
    fn is_taken_later(&self, rule: &RuleView<'_>, source: &Source<'_>) -> bool {
        let own = region(source);
        let at = self.roots.iter().position(|root| *root == rule.table());
        self.later.iter().any(|(table, other)| Some(*table) > at && own.may_meet(other))
    }

    /// The hosts that exceptions before a rule leave to the tables behind, as a condition.
    fn hosts_left(&self, rule: &RuleView<'_>, source: &Source<'_>) -> Option<Condition> {
        let is_for = |left: &&Left| {
            left.table == rule.table()
                && left.priority > rule.priority()
                && source.host == HostPattern::Any
                && (left.scheme.is_none() || left.scheme == source.scheme)
        };
        let hosts: Vec<String> = self.left.iter().filter(is_for).map(|left| left.host.clone()).collect();
        let subject = Subject::parse("host", None).ok()?;
        Condition::new(subject, Test::In(hosts), true).ok()
    }

    fn priority(&self, rule: &RuleView<'_>) -> i32 {
        self.priorities.get(rule.number() as usize).copied().unwrap_or(rule.priority())
    }
}

/// Where rules of tables behind the first may fit, if exceptions stand before them.
fn later(rules: &RuleSet, roots: &[TableId]) -> Vec<(usize, Region)> {
    let at = |rule: &RuleView<'_>| roots.iter().position(|root| *root == rule.table());
    let is_early = |rule: &RuleView<'_>| at(rule).is_some_and(|at| at + 1 < roots.len());
    if roots.len() < 2 || !rules.rules().any(|rule| is_early(&rule) && matches!(rule.action(), Action::Pass)) {
        return Vec::new();
    }
    let found = rules.rules().filter(|rule| !matches!(rule.action(), Action::Pass));
    found.filter_map(|rule| Some((at(&rule).filter(|at| *at > 0)?, region(&rule.source())))).collect()
}

/// Exceptions for a whole host whose requests a later table may take.
fn left(rules: &RuleSet, plan: &Plan) -> Vec<Left> {
    if plan.later.is_empty() {
        return Vec::new();
    }
    let of = |rule: RuleView<'_>| {
        let source = rule.source();
        let is_whole = matches!(&source.path, PathPattern::Prefix(path) if path.is_empty());
        let is_plain = is_whole && source.query.is_empty() && source.port.is_none() && rule.conditions().is_empty();
        let is_last = plan.roots.last() == Some(&rule.table());
        let fits = matches!(rule.action(), Action::Pass) && is_plain && source.host != HostPattern::Any && !is_last;
        (fits && plan.is_taken_later(&rule, &source)).then(|| Left {
            number: rule.number(),
            table: rule.table(),
            priority: rule.priority(),
            scheme: source.scheme,
            host: source.host.to_string(),
        })
    };
    rules.rules().filter_map(of).collect()
}

/// Rules that may share one priority though they are listed one after the other.
#[derive(Default)]
struct Run {
    is_closed: bool,
    manner: Option<(LetterCase, TrailingSlash)>,
    /// Host and path of what was taken, exact and prefix apart.
    exacts: HashSet<(String, Vec<u8>)>,
    prefixes: HashSet<(String, Vec<u8>)>,
    hosts: HashSet<String>,
}

impl Run {
    /// Takes a rule, unless the most specific order would hide an earlier rule behind it.
    fn takes(&mut self, rule: &RuleView<'_>) -> bool {
        let source = rule.source();
        let is_first = self.manner.is_none();
        let manner = (source.case, source.slash);
        let is_plain = source.query.is_empty()
            && source.scheme.is_none()
            && source.port.is_none()
            && rule.conditions().is_empty()
            && rule.since().is_none()
            && rule.until().is_none();
        let host = source.host.to_string();
        // One host at a time, or none: a rule with a host goes before one without.
        let fits_host = self.hosts.is_empty() || self.hosts.contains(&host);
        let path = match &source.path {
            PathPattern::Exact(path) | PathPattern::Prefix(path) if is_plain && fits_host => path.to_vec(),
            _ => {
                self.is_closed = true;
                self.manner = Some(manner);
                return is_first;
            }
        };
        if self.is_closed || self.manner.is_some_and(|first| first != manner) || self.is_below_a_prefix(&host, &path) {
            return false;
        }
        self.manner = Some(manner);
        self.hosts.insert(host.clone());
        match source.path {
            PathPattern::Prefix(_) => self.prefixes.insert((host, path)),
            _ => self.exacts.insert((host, path)),
        };
        true
    }

    fn is_below_a_prefix(&self, host: &str, path: &[u8]) -> bool {
        let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
        let mut parents = ends.map(|end| path[..end].to_vec());
        parents.any(|parent| self.prefixes.contains(&(host.to_owned(), parent)))
    }
}

/// A rule in our own words: one, or for a rule of another server one for each host; and whether that is the same.
pub(crate) type Said<'s> = (Vec<OwnRule<'s>>, Verdict);

/// The rule in our own words, or why it has none.
pub(crate) fn own<'s>(rule: RuleView<'s>, plan: &Plan) -> Result<Said<'s>, Cow<'static, str>> {
    let dialect = plan.dialects.get(&rule.table()).copied().unwrap_or(&BYWAY);
    if dialect.name == BYWAY.name {
        let left_out = rule.review().is_some() || rule.allowed().next().is_some() || rule.probing() == Probing::Refused;
        let verdict = match left_out && !plan.is_whole {
            true => Verdict::Approximated("`review`, `allow` and `probe` are left out: no answer hangs on them".into()),
            false => Verdict::Exact,
        };
        if plan.left.iter().any(|left| left.number == rule.number()) {
            return Ok((Vec::new(), verdict));
        }
        return Ok((vec![native(rule, plan)?], verdict));
    }
    let (rules, why) = plan.flat.own(rule)?;
    if rules.iter().any(|rule| rule.priority.abs() > HIGHEST) {
        return Err(
            "the file has more rules in a fixed order than there are priorities (1,000,000): convert it in parts"
                .into(),
        );
    }
    // What came of no rule of a person's is no verdict on one.
    let verdict = match why {
        None if rules.is_empty() || !plan.flat.has_words(&rule) => Verdict::Exact,
        why => Verdict::Approximated(why.unwrap_or(SEEN.into())),
    };
    Ok((rules, verdict))
}

fn native<'s>(rule: RuleView<'s>, plan: &Plan) -> Result<OwnRule<'s>, Cow<'static, str>> {
    let source = rule.source();
    let from = source.to_string();
    reads_back(&source, &from)?;
    let does = does(&rule, &source, plan)?;
    if let (false, Some(why)) = (plan.is_whole, only_ours(&rule)) {
        return Err(why.into());
    }
    let mut conditions = rule.conditions();
    if conditions.iter().any(|condition| condition.or_next || matches!(condition.subject, Subject::Text(_))) {
        return Err("it asks for something that byway.toml has no condition for".into());
    }
    conditions.extend(plan.hosts_left(&rule, &source));
    let priority = plan.priority(&rule);
    if priority.abs() > HIGHEST {
        return Err(
            "the file has more rules in a fixed order than there are priorities (1,000,000): convert it in parts"
                .into(),
        );
    }
    let (slash, case) = (source.slash, source.case);
    Ok(OwnRule {
        view: rule,
        from,
        slash,
        case,
        does,
        conditions,
        ours: None,
        as_sent: None,
        seen: None,
        is_of_server: false,
        priority,
    })
}

/// What of a rule no other format has.
pub(crate) fn only_ours(rule: &RuleView<'_>) -> Option<&'static str> {
    let has_retry = matches!(rule.action(), Action::Reply { retry_after: Some(RetryAfter::Window), .. });
    match rule {
        _ if rule.pool().is_some() => Some("a pool: the format has no targets of which some may be down"),
        _ if rule.has_window() || has_retry => Some("a window: the format has no spans of time that come again"),
        _ if rule.extras().is_some() => Some("`cors`, `deprecation`, `sunset` or `successor`: fields of the answer"),
        _ if asks(rule, Depends::OnVisitor) => Some("a split: the format does not divide visitors"),
        _ if asks(rule, Depends::OnPlace) => Some("a place: the format does not know where addresses are"),
        _ => None,
    }
}

/// The letter case of a rule's source, which may say it itself (`~*`).
pub(crate) fn case_of(rule: &OwnRule<'_>, source: &Source<'_>) -> LetterCase {
    match &source.path {
        PathPattern::Regex(pattern) if pattern.case == LetterCase::Ignored => LetterCase::Ignored,
        _ => rule.case,
    }
}

/// Whether a condition of a rule hangs on something of this kind.
pub(crate) fn asks(rule: &RuleView<'_>, what: Depends) -> bool {
    let depends = |condition: &Condition| match &condition.subject {
        Subject::Of { row, .. } => SUBJECTS.get(usize::from(*row)).is_some_and(|row| row.depends == what),
        Subject::Text(_) => false,
    };
    rule.conditions().iter().any(depends)
}

/// Whether a source that was written is the same when it is read.
fn reads_back(source: &Source<'_>, text: &str) -> Result<(), Cow<'static, str>> {
    if let PathPattern::Regex(pattern) = &source.path
        && (pattern.anchoring != Anchoring::Whole || pattern.flavour != Flavour::Linear)
    {
        return Err(
            "its pattern has PCRE's signs, which byway's patterns do not have: write it without look-around".into()
        );
    }
    if matches!(source.path, PathPattern::BytePrefix { .. }) {
        return Err("its prefix ends in the middle of a name, as `/doc` for `/docs`: write a pattern after `~`".into());
    }
    let Ok(mut again) = Source::parse(text) else {
        return Err("its host and path make no `from` that byway.toml can hold".into());
    };
    again.slash = source.slash;
    crate::own::rule::set_case(&mut again, source.case);
    match &again == source {
        true => Ok(()),
        false => Err("its host and path make a `from` that would be read as another one".into()),
    }
}

fn does(rule: &RuleView<'_>, source: &Source<'_>, plan: &Plan) -> Result<Does, Cow<'static, str>> {
    match rule.action() {
        Action::Redirect { status, target, query } => {
            let to = target.text(&source.capture_names());
            match Target::parse(&to, source) {
                Ok(again) if again == target => Ok(Does::Redirect { status, to, query }),
                _ => Err("its target would be read as another one".into()),
            }
        }
        Action::Reply { status, retry_after } => Ok(Does::Reply { status, retry_after }),
        Action::Pass if plan.roots.last() == Some(&rule.table()) => Ok(Does::Pass),
        Action::Pass if !plan.is_taken_later(rule, source) => Ok(Does::Pass),
        Action::Pass => Err("it leaves requests to the next file of rules, and one file has no next: put what that file says into this one".into()),
        Action::Enter(_) | Action::Call { .. } | Action::Rewrite { .. } | Action::Set { .. } => {
            Err("it leads on inside the server and redirects nobody".into())
        }
    }
}

/// A subject and a test by the names that files of our own give them; `None` where one of them has no name there.
pub(crate) fn subject(condition: &Condition) -> Option<(&'static str, &str)> {
    match &condition.subject {
        Subject::Of { row, name } => {
            let row = SUBJECTS.get(usize::from(*row))?;
            Some((row.key, name))
        }
        Subject::Text(_) => None,
    }
}

/// Whether a test is one that files of our own write.
pub(crate) fn is_own_test(test: &Test) -> bool {
    match test {
        Test::Regex(pattern) => {
            pattern.flavour == Flavour::Linear
                && pattern.anchoring == Anchoring::Anywhere
                && pattern.case == LetterCase::Significant
        }
        _ => true,
    }
}

/// An instant as files write it: in UTC, to the second.
pub(crate) fn instant(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|instant| instant.to_string())
}

/// Why a host is not written that a text of the request chooses.
pub(crate) const STRANGER: &str = "its target takes the host from what a pattern found in the request: byway looks whether that is a host, and the other server sends whatever it is; name the hosts, each with a rule";

/// Whether a target takes its host, or a part of it, from a text of the request that is no host.
pub(crate) fn takes_host(target: &Target<'_>, conditions: &[Condition]) -> bool {
    let of_host = |piece: &&Piece<'_>| piece.place == Landing::Host && matches!(piece.what, What::ConditionCapture(_));
    target.pieces().iter().filter(of_host).any(|piece| !is_of_host(&piece.what, conditions))
}
