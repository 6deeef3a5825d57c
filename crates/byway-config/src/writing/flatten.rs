//! Rules of another server in words of our own: its tables laid flat, one rule before the next by priority.
//!
//! What leads to a table by host alone is a host in front of the source; a table that follows another comes after it. Everything
//! that works on the request between rules (rewriting, keeping, calling) is refused. Own rules compare the path as it is sent,
//! so that what comes of this is approximated at best, and says so.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use byway_core::RuleSet;
use byway_core::condition::{Condition, SUBJECTS, Subject, Test};
use byway_core::dialect::{LetterCase, QueryPolicy};
use byway_core::host::HostPattern;
use byway_core::regex::Pattern;
use byway_core::request::Scheme;
use byway_core::rule::{Action, RetryAfter};
use byway_core::ruleset::{After, Order, RuleView, TableId, TableView};
use byway_core::source::{PathPattern, Source};
use byway_core::status::ReplyStatus;
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::own::{Does, OwnRule};

type Why = Cow<'static, str>;

/// Why a rule that was laid flat is not exact.
pub(super) const SEEN: &str = "own rules see the path as it is sent, with its escapes, double slashes and dots";

/// Where a rule is tried: the host and scheme that lead there, the step, and what was taken from the front of the path.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    way: Way,
    step: usize,
    strip: String,
}

/// What a request must be to come here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Way {
    host: String,
    scheme: Option<Scheme>,
}

/// Where the rules of other servers lie once their tables are flat.
#[derive(Debug, Default)]
pub(super) struct Flat {
    /// By the number of the rule.
    spots: HashMap<u32, Vec<Spot>>,
    /// Rules that only lead to a table whose rules have spots.
    leads: HashSet<u32>,
    /// Rules that lead past all others: what they take is left alone.
    passes: HashSet<u32>,
    /// For the last rule under a host: what no rule under that host took is left alone.
    ends: HashMap<u32, Vec<Spot>>,
    steps: usize,
    /// The rule that was given a spot last.
    last: Option<u32>,
}

/// The tables of a rule set with their rules.
struct Tables<'s> {
    views: HashMap<TableId, TableView<'s>>,
    members: HashMap<TableId, Vec<RuleView<'s>>>,
}

/// How many tables one leads to another before nothing more is looked at.
const DEPTH: usize = 64;

impl<'s> Tables<'s> {
    fn members(&self, table: TableId) -> &[RuleView<'s>] {
        self.members.get(&table).map(Vec::as_slice).unwrap_or_default()
    }

    fn after(&self, table: TableId) -> Option<TableId> {
        match self.views.get(&table)?.after {
            After::Table(next) => Some(next),
            After::NextRoot => None,
        }
    }

    /// Whether nothing that a person wrote comes from here on.
    fn is_barren(&self, first: TableId) -> bool {
        let mut next = Some(first);
        for _ in 0..DEPTH {
            let Some(table) = next else { return true };
            if !self.members(table).is_empty() {
                return false;
            }
            next = self.after(table);
        }
        false
    }
}

impl Flat {
    pub(super) fn of(rules: &RuleSet) -> Flat {
        let mut tables =
            Tables { views: rules.tables().map(|table| (table.id, table)).collect(), members: HashMap::new() };
        for rule in rules.rules() {
            tables.members.entry(rule.table()).or_default().push(rule);
        }
        let mut flat = Flat::default();
        for root in rules.roots() {
            flat.enter(root, &[Way::default()], None, &tables, DEPTH);
        }
        flat
    }

    /// Goes through a table and those after it, up to `until`.
    fn enter(&mut self, first: TableId, ways: &[Way], until: Option<TableId>, tables: &Tables<'_>, depth: usize) {
        let mut next = Some(first).filter(|first| Some(*first) != until);
        let mut left = tables.views.len();
        while let Some(table) = next.filter(|table| left > 0 && depth > 0 && tables.views.contains_key(table)) {
            left -= 1;
            let own = tables.members(table);
            let is_choice = !own.is_empty() && own.iter().all(leads_by_host);
            let ends = match (is_choice, is_choice_by_path(own)) {
                (true, _) => self.by_host(table, ways, until, tables, depth),
                (false, true) => self.by_path(table, ways, tables, depth),
                (false, false) => self.listed(table, ways, until, tables, depth),
            };
            next = tables.after(table).filter(|next| !ends && Some(*next) != until);
        }
    }

    /// A table of doors, each for a host: what comes behind the door of any host is only for hosts without one.
    fn by_host(
        &mut self,
        table: TableId,
        ways: &[Way],
        until: Option<TableId>,
        tables: &Tables<'_>,
        depth: usize,
    ) -> bool {
        let doors: Vec<(Way, TableId)> = tables
            .members(table)
            .iter()
            .filter_map(|rule| {
                self.leads.insert(rule.number());
                let Action::Enter(next) = rule.action() else { return None };
                let source = rule.source();
                let scheme = match (source.scheme, source.port) {
                    (Some(scheme), _) => Some(scheme),
                    (None, Some(443)) => Some(Scheme::Https),
                    (None, Some(80)) => Some(Scheme::Http),
                    (None, Some(_)) => return None,
                    (None, None) => None,
                };
                Some((Way { host: host_text(&source.host), scheme }, next))
            })
            .collect();
        let default = doors.iter().find(|(way, _)| *way == Way::default()).map(|(_, next)| *next);
        let default = default.or(doors.first().filter(|(way, _)| way.host.is_empty()).map(|(_, next)| *next));
        let mut done: Vec<TableId> = Vec::new();
        for (_, next) in &doors {
            if done.contains(next) || Some(*next) == default {
                continue;
            }
            done.push(*next);
            let behind: Vec<Way> = doors
                .iter()
                .filter(|(_, to)| to == next)
                .flat_map(|(way, _)| ways.iter().filter_map(|above| above.and(way)))
                .collect();
            let before = self.steps;
            self.enter(*next, &behind, until, tables, depth - 1);
            // What these hosts leave must not fall to the rules of any host.
            if let Some(last) = self.last.filter(|_| self.steps > before) {
                let at = |way: &Way| Spot { way: way.clone(), step: self.steps, strip: String::new() };
                let spots: Vec<Spot> = behind.iter().map(at).collect();
                self.ends.entry(last).or_default().extend(spots);
                self.steps += 1;
            }
        }
        if let Some(next) = default {
            self.enter(next, ways, until, tables, depth - 1);
        }
        default.is_some()
    }

    /// A table of doors, each for a folder: the deeper ones first.
    fn by_path(&mut self, table: TableId, ways: &[Way], tables: &Tables<'_>, depth: usize) -> bool {
        let mut doors: Vec<(usize, TableId)> = Vec::new();
        for rule in tables.members(table) {
            self.leads.insert(rule.number());
            match (rule.action(), rule.source().path) {
                (Action::Enter(next), PathPattern::Prefix(path)) => doors.push((path.len(), next)),
                (Action::Enter(next), any) if is_any_path(&any) => doors.push((0, next)),
                _ => {}
            }
        }
        doors.sort_by_key(|(len, _)| std::cmp::Reverse(*len));
        let behind = tables.after(table);
        for (_, next) in doors {
            self.enter(next, ways, behind, tables, depth - 1);
        }
        false
    }

    /// Rules one after the other; true where nothing behind the table is reached.
    fn listed(
        &mut self,
        table: TableId,
        ways: &[Way],
        until: Option<TableId>,
        tables: &Tables<'_>,
        depth: usize,
    ) -> bool {
        let Some(view) = tables.views.get(&table) else { return false };
        let strip = String::from_utf8_lossy(view.strip).into_owned();
        for rule in in_order(tables.members(table), view.order) {
            if let Action::Enter(next) = rule.action() {
                let source = rule.source();
                if leads_by_host(rule)
                    && source.host == HostPattern::Any
                    && source.port.is_none()
                    && source.scheme.is_none()
                {
                    self.leads.insert(rule.number());
                    self.enter(next, ways, until, tables, depth - 1);
                    return true;
                }
                if tables.is_barren(next) {
                    self.passes.insert(rule.number());
                }
            }
            let spots = ways.iter().map(|way| Spot { way: way.clone(), step: self.steps, strip: strip.clone() });
            self.spots.entry(rule.number()).or_default().extend(spots);
            self.last = Some(rule.number());
            self.steps += 1;
        }
        false
    }

    /// The rule in our own words, once for each host, or why it has none.
    pub(super) fn own<'s>(&self, rule: RuleView<'s>) -> Result<Vec<OwnRule<'s>>, Why> {
        // What nobody wrote is a step of the server's own, as between two rounds.
        if self.leads.contains(&rule.number()) || rule.place().line == 0 {
            return Ok(Vec::new());
        }
        let spots = self.spots.get(&rule.number()).ok_or("a table that is reached by more than a host")?;
        let mut made = Vec::new();
        for spot in spots {
            made.push(translated(rule, spot, self.steps, self.passes.contains(&rule.number()))?);
        }
        for spot in self.ends.get(&rule.number()).into_iter().flatten() {
            let from = spot.way.text("/*");
            made.push(OwnRule { does: Does::Pass, from, conditions: Vec::new(), ..made_at(rule, spot, self.steps) });
        }
        Ok(made)
    }
}

impl Way {
    /// What holds for both; none where they exclude each other.
    fn and(&self, other: &Way) -> Option<Way> {
        let host = match (self.host.as_str(), other.host.as_str()) {
            (one, "") => one,
            ("", other) => other,
            (one, other) if one == other => one,
            _ => return None,
        };
        let scheme = match (self.scheme, other.scheme) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other),
        };
        Some(Way { host: host.to_owned(), scheme })
    }

    /// A source with this path.
    fn text(&self, path: &str) -> String {
        match (self.scheme, self.host.as_str()) {
            (None, "") => path.to_owned(),
            (None, host) => format!("//{host}{path}"),
            (Some(scheme), "") => format!("{}://*{path}", scheme.as_str()),
            (Some(scheme), host) => format!("{}://{host}{path}", scheme.as_str()),
        }
    }
}

/// The rules of a table in the order in which they are tried, as far as one list can say it.
fn in_order<'s, 'r>(rules: &'r [RuleView<'s>], order: Order) -> Vec<&'r RuleView<'s>> {
    let mut sorted: Vec<&RuleView<'_>> = rules.iter().collect();
    if order == Order::NginxLocation {
        // Exact; prefixes that keep regexes out; regexes as listed; prefixes; the longest prefix first.
        sorted.sort_by_key(|rule| match rule.source().path {
            PathPattern::Exact(_) => (0, 0),
            PathPattern::BytePrefix { prefix, is_final: true } => (1, usize::MAX - prefix.len()),
            PathPattern::BytePrefix { prefix, .. } => (3, usize::MAX - prefix.len()),
            _ => (2, 0),
        });
    }
    sorted
}

fn is_any_path(path: &PathPattern<'_>) -> bool {
    matches!(path, PathPattern::BytePrefix { prefix, .. } | PathPattern::Prefix(prefix) if prefix.is_empty())
}

fn leads_by_host(rule: &RuleView<'_>) -> bool {
    let source = rule.source();
    let leads = matches!(rule.action(), Action::Enter(_)) && rule.conditions().is_empty();
    leads && is_any_path(&source.path) && source.query.is_empty()
}

/// Whether all rules lead to folders, as those of Apache do.
fn is_choice_by_path(rules: &[RuleView<'_>]) -> bool {
    let leads = |rule: &RuleView<'_>| {
        let source = rule.source();
        matches!(rule.action(), Action::Enter(_))
            && rule.place().line == 0
            && rule.conditions().is_empty()
            && source.host == HostPattern::Any
            && !matches!(source.path, PathPattern::Regex(_))
    };
    !rules.is_empty() && rules.iter().all(leads)
}

fn host_text(host: &HostPattern<'_>) -> String {
    match host {
        HostPattern::Any => String::new(),
        host => host.to_string(),
    }
}

fn made_at<'s>(view: RuleView<'s>, spot: &Spot, steps: usize) -> OwnRule<'s> {
    OwnRule {
        view,
        from: String::new(),
        slash: byway_core::dialect::TrailingSlash::Significant,
        case: LetterCase::Significant,
        does: Does::Pass,
        conditions: Vec::new(),
        priority: i32::try_from(steps - 1 - spot.step.min(steps - 1)).unwrap_or(i32::MAX),
    }
}

fn translated<'s>(rule: RuleView<'s>, spot: &Spot, steps: usize, is_pass: bool) -> Result<OwnRule<'s>, Why> {
    let source = rule.source();
    let own = Way { host: host_text(&source.host), scheme: source.scheme };
    let way = spot.way.and(&own).ok_or("a host inside of another host")?;
    let action = rule.action();
    let captures = match &action {
        Action::Redirect { target, .. } => target.pieces().iter().any(|piece| matches!(piece.what, What::Capture(_))),
        _ => false,
    };
    let from = way.text(&path_text(&source.path, source.case, &spot.strip, captures)?);
    let read = Source::parse(&from).map_err(|_| "a pattern that own rules cannot say")?;
    if !source.query.is_empty() || source.port.is_some() {
        return Err("a source with more than host and path".into());
    }
    let conditions = conditions(&rule.conditions())?;
    let does = match action {
        Action::Redirect { status, target, query } => {
            let (to, query) = target_text(&target, query)?;
            Target::parse(&to, &read).map_err(|_| "a target that own rules cannot say")?;
            Does::Redirect { status, to, query }
        }
        Action::Reply { status, retry_after } if ReplyStatus::OWN.contains(&status) => {
            let retry_after = retry_after.filter(|retry| *retry != RetryAfter::Window);
            Does::Reply { status, retry_after }
        }
        Action::Reply { .. } => return Err("a status that only its server replies".into()),
        Action::Pass => Does::Pass,
        Action::Enter(_) if is_pass => Does::Pass,
        _ => return Err("a step between rules, which own rules do not take".into()),
    };
    Ok(OwnRule { from, does, conditions, ..made_at(rule, spot, steps) })
}

/// A path as our sources write it; `strip` was taken from its front.
fn path_text(path: &PathPattern<'_>, case: LetterCase, strip: &str, captures: bool) -> Result<String, Why> {
    let tilde = if case == LetterCase::Ignored { "~*" } else { "~" };
    let rest = if captures { "(.*)" } else { ".*" };
    let whole_path = |path: &[u8]| [strip.as_bytes(), path].concat();
    Ok(match path {
        PathPattern::Exact(path) if case == LetterCase::Significant => escaped(&whole_path(path), false),
        PathPattern::Exact(path) => format!("{tilde}{}", escaped(&whole_path(path), true)),
        any if is_any_path(any) && captures => format!("{tilde}{}{rest}", escaped(strip.as_bytes(), true)),
        any if is_any_path(any) => format!("{}/*", escaped(strip.trim_end_matches('/').as_bytes(), false)),
        PathPattern::Prefix(path) if case == LetterCase::Significant => {
            format!("{}/*", escaped(&whole_path(path), false))
        }
        PathPattern::BytePrefix { prefix, .. } if &whole_path(prefix)[..] == b"/" && !captures => "/*".to_owned(),
        PathPattern::BytePrefix { prefix, .. } => format!("{tilde}{}{rest}", escaped(&whole_path(prefix), true)),
        PathPattern::Regex(pattern) => {
            let tilde = if pattern.case == LetterCase::Ignored { "~*" } else { tilde };
            format!("{tilde}{}{}", escaped(strip.as_bytes(), true), whole(pattern)?)
        }
        _ => return Err("a pattern that own rules cannot say".into()),
    })
}

/// A pattern that is found anywhere, as one over the whole path.
fn whole(pattern: &Pattern<'_>) -> Result<String, Why> {
    // nginx's end may have a line feed behind it, which no path of ours holds.
    let text = match pattern.text.strip_suffix("(?:\\n?$)") {
        Some(rest) => Cow::Owned(format!("{rest}$")),
        None => Cow::Borrowed(&*pattern.text),
    };
    let text = &*text;
    let mut depth = 0_i32;
    let mut is_escaped = false;
    for sign in text.chars() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '(' => depth += 1,
            ')' => depth -= 1,
            '|' if depth == 0 => return Err("alternatives at the top of a pattern".into()),
            _ => {}
        }
    }
    let (head, inner) = match text.strip_prefix('^') {
        Some(rest) => ("", rest),
        None => (".*", text),
    };
    let (inner, tail) = match inner.strip_suffix('$').filter(|rest| !rest.ends_with('\\')) {
        Some(rest) => (rest, ""),
        None => (inner, ".*"),
    };
    Ok(format!("{head}{inner}{tail}"))
}

/// A decoded path as it is sent; in a regex with what means something there escaped.
fn escaped(path: &[u8], is_regex: bool) -> String {
    let mut out = String::new();
    for &byte in path {
        match byte {
            b'.' | b'+' | b'*' | b'(' | b')' | b'$' if is_regex => out.push_str(&format!("\\{}", char::from(byte))),
            b'*' => out.push_str("%2A"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'+' | b',' | b';' | b'=' | b'@' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Conditions of another server as ours; of those that are joined by "or" one pattern is made.
fn conditions(all: &[Condition]) -> Result<Vec<Condition>, Why> {
    let mut out = Vec::new();
    for run in all.chunk_by(|one, _| one.or_next) {
        match run {
            [one] => out.push(condition(one)?),
            several => out.push(condition(&joined(several)?)?),
        }
    }
    Ok(out)
}

fn joined(several: &[Condition]) -> Result<Condition, Why> {
    const BESIDE: &str = "a condition that is enough beside another";
    let [first, ..] = several else { return Err(BESIDE.into()) };
    let mut texts = Vec::new();
    let mut pattern = None;
    for one in several {
        match &one.test {
            Test::Regex(own) if one.subject == first.subject && !one.negate => {
                if pattern.as_ref().is_some_and(|known: &Pattern<'_>| known.case != own.case) {
                    return Err(BESIDE.into());
                }
                texts.push(own.text.to_string());
                pattern = Some(own.clone());
            }
            _ => return Err(BESIDE.into()),
        }
    }
    let pattern = pattern.ok_or(BESIDE)?;
    let test = Test::Regex(Pattern { text: texts.join("|").into(), ..pattern });
    Ok(Condition { subject: first.subject.clone(), test, negate: false, or_next: false })
}

/// A condition on a text of another server, as one on a subject of ours.
fn condition(condition: &Condition) -> Result<Condition, Why> {
    if let (Subject::Text(pieces), Test::Regex(pattern)) = (&condition.subject, &condition.test)
        && let [Piece { what, .. }] = pieces.as_slice()
    {
        match (what, &*pattern.text) {
            (What::Part(Part::Https), text) => return https(text, condition.negate),
            (What::Field(name), "^$") => return present(name, !condition.negate),
            (What::Field(name), "." | ".+" | "^.+$") => return present(name, condition.negate),
            // What is not there has no value for us, and is the empty text there.
            (What::Field(_), _) if !condition.negate && pattern.finds(b"").unwrap_or(true) => {
                return Err("a field that may be missing".into());
            }
            _ => {}
        }
    }
    let (key, name) = match &condition.subject {
        Subject::Of { row, name } => (SUBJECTS.get(usize::from(*row)).map_or("", |row| row.key), name.clone()),
        Subject::Text(pieces) => match pieces.as_slice() {
            [Piece { what: What::Part(Part::Method), .. }] => ("method", String::new()),
            [Piece { what: What::Part(Part::Host), .. }] => ("host", String::new()),
            [Piece { what: What::Part(Part::HostField), .. }] => match &condition.test {
                // A pattern for the port would never fit: ours see the host alone.
                Test::Regex(pattern) if pattern.text.replace("(?:", "").contains(':') => {
                    return Err("a condition on the port behind a host".into());
                }
                _ => ("host", String::new()),
            },
            [Piece { what: What::Part(Part::Address), .. }] => ("address", String::new()),
            [Piece { what: What::Part(Part::Scheme), .. }] => ("scheme", String::new()),
            [Piece { what: What::Field(name), .. }] => ("header", name.to_string()),
            [Piece { what: What::QueryValue(name), .. }] => ("query", name.to_string()),
            _ => return Err("a condition on a text that own rules do not ask for".into()),
        },
    };
    let test = match &condition.test {
        Test::Regex(pattern) => {
            let flags = if pattern.case == LetterCase::Ignored { "(?i)" } else { "" };
            Test::regex(&format!("{flags}{}", pattern.text))
        }
        test => test.clone(),
    };
    made(key, &name, test, condition.negate)
}

/// Whether the request came over https, as Apache asks it.
fn https(text: &str, negate: bool) -> Result<Condition, Why> {
    let scheme = match text.trim_start_matches('^').trim_end_matches('$') {
        "on" => "https",
        "off" => "http",
        _ => return Err("a condition on https that is neither on nor off".into()),
    };
    made("scheme", "", Test::Is(scheme.to_owned()), negate)
}

fn present(name: &str, negate: bool) -> Result<Condition, Why> {
    made("header", name, Test::Present, negate)
}

fn made(key: &str, name: &str, test: Test, negate: bool) -> Result<Condition, Why> {
    let name = Some(name).filter(|name| !name.is_empty());
    let made = Subject::parse(key, name).and_then(|subject| Condition::new(subject, test, negate));
    made.map_err(|_| "a condition that own rules cannot say".into())
}

/// A target as ours are written; path and query as sent are the path, with the query kept.
fn target_text(target: &Target<'_>, query: QueryPolicy) -> Result<(String, QueryPolicy), Why> {
    if let Some(text) = target.constant() {
        return Ok((text.to_owned(), query));
    }
    let (mut out, mut query) = (String::new(), query);
    let pieces = without_origin(target.pieces());
    for (at, piece) in pieces.iter().enumerate() {
        let is_last = at + 1 == pieces.len();
        match &piece.what {
            What::Literal(text) => out.push_str(&text.replace('{', "{{")),
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
            _ => return Err("a target with a text that own rules do not have".into()),
        }
    }
    Ok((out, query))
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
    let is_path = matches!(rest.first(), Some(Piece { place: Landing::Path, what: What::Literal(text) }) if text.starts_with('/'));
    let has_own_port = origin.iter().any(|piece| matches!(piece.what, What::PortElse(_)));
    if has_host && has_scheme && has_own_port && is_path { rest } else { pieces }
}
