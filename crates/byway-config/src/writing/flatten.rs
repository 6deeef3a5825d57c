//! Rules of another server in words of our own: its tables laid flat, one rule before the next by priority.
//!
//! What leads to a table by host alone is a host in front of the source; a table that follows another comes after it. Everything
//! that works on the request between rules (rewriting, keeping, calling) is refused. Own rules compare the path as it is sent,
//! so that what comes of this is approximated at best, and says so.

use std::borrow::Cow;
use std::collections::HashMap;

use byway_core::RuleSet;
use byway_core::condition::{Condition, SUBJECTS, Subject, Test};
use byway_core::dialect::{LetterCase, QueryPolicy};
use byway_core::host::HostPattern;
use byway_core::regex::Pattern;
use byway_core::rule::{Action, RetryAfter};
use byway_core::ruleset::{After, Order, RuleView, TableId, TableView};
use byway_core::source::{PathPattern, Source};
use byway_core::status::ReplyStatus;
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::own::{Does, OwnRule};

type Why = Cow<'static, str>;

/// Why a rule that was laid flat is not exact.
pub(super) const SEEN: &str = "own rules see the path as it is sent, with its escapes, double slashes and dots";

/// The hosts under which a rule is tried, and the step at which.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    host: String,
    step: usize,
}

/// Where the rules of other servers lie once their tables are flat.
#[derive(Debug, Default)]
pub(super) struct Flat {
    /// By the number of the rule.
    spots: HashMap<u32, Vec<Spot>>,
    /// Rules that only lead to a table whose rules have spots.
    leads: Vec<u32>,
    /// For the last rule under a host: what no rule under that host took is left alone.
    ends: HashMap<u32, Vec<Spot>>,
    steps: usize,
}

impl Flat {
    pub(super) fn of(rules: &RuleSet) -> Flat {
        let tables: HashMap<TableId, TableView<'_>> = rules.tables().map(|table| (table.id, table)).collect();
        let mut members: HashMap<TableId, Vec<RuleView<'_>>> = HashMap::new();
        for rule in rules.rules() {
            members.entry(rule.table()).or_default().push(rule);
        }
        let mut flat = Flat::default();
        for root in rules.roots() {
            flat.root(root, &tables, &members);
        }
        flat
    }

    /// The doors of a root table are rules that lead somewhere by host alone; without one, the table itself is what is tried.
    fn root(
        &mut self,
        root: TableId,
        tables: &HashMap<TableId, TableView<'_>>,
        members: &HashMap<TableId, Vec<RuleView<'_>>>,
    ) {
        let own = members.get(&root).map(Vec::as_slice).unwrap_or_default();
        let doors: Vec<(&RuleView<'_>, TableId, String)> = own
            .iter()
            .filter_map(|rule| match rule.action() {
                Action::Enter(next) if leads_by_host(rule) => Some((rule, next, host_text(&rule.source().host))),
                _ => None,
            })
            .collect();
        if doors.is_empty() || doors.len() < own.len() {
            return self.chain(root, &[String::new()], tables, members);
        }
        let default = doors.iter().find(|(_, _, host)| host.is_empty()).map(|(_, next, _)| *next);
        let mut done: Vec<TableId> = Vec::new();
        for (rule, next, _) in &doors {
            self.leads.push(rule.number());
            if done.contains(next) || Some(*next) == default {
                continue;
            }
            done.push(*next);
            let hosts: Vec<String> =
                doors.iter().filter(|(_, to, _)| to == next).map(|(_, _, host)| host.clone()).collect();
            self.chain(*next, &hosts, tables, members);
            let last = members.values().flatten().map(RuleView::number).filter(|rule| self.spots.contains_key(rule));
            // What these hosts leave must not fall to the rules of any host.
            if let Some(last) = last.max() {
                let spots = hosts.iter().map(|host| Spot { host: host.clone(), step: self.steps }).collect::<Vec<_>>();
                self.ends.entry(last).or_default().extend(spots);
                self.steps += 1;
            }
        }
        if let Some(next) = default {
            self.chain(next, &[String::new()], tables, members);
        }
    }

    fn chain(
        &mut self,
        first: TableId,
        hosts: &[String],
        tables: &HashMap<TableId, TableView<'_>>,
        members: &HashMap<TableId, Vec<RuleView<'_>>>,
    ) {
        let (mut next, mut left) = (Some(first), tables.len());
        while let Some(table) = next.and_then(|id| tables.get(&id)).filter(|_| left > 0) {
            left -= 1;
            let own = members.get(&table.id).map(Vec::as_slice).unwrap_or_default();
            for rule in in_order(own, table.order) {
                let spots = hosts.iter().map(|host| Spot { host: host.clone(), step: self.steps });
                self.spots.entry(rule.number()).or_default().extend(spots);
                self.steps += 1;
            }
            next = match table.after {
                After::Table(next) => Some(next),
                After::NextRoot => None,
            };
        }
    }

    /// The rule in our own words, once for each host, or why it has none.
    pub(super) fn own<'s>(&self, rule: RuleView<'s>) -> Result<Vec<OwnRule<'s>>, Why> {
        if self.leads.contains(&rule.number()) {
            return Ok(Vec::new());
        }
        let spots = self.spots.get(&rule.number()).ok_or("a table that is reached by more than a host")?;
        let mut made = Vec::new();
        for spot in spots {
            made.push(translated(rule, spot, self.steps)?);
        }
        for spot in self.ends.get(&rule.number()).into_iter().flatten() {
            let from = format!("//{}/*", spot.host);
            made.push(OwnRule { does: Does::Pass, from, conditions: Vec::new(), ..made_at(rule, spot, self.steps) });
        }
        Ok(made)
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
    is_any_path(&source.path) && source.query.is_empty() && source.scheme.is_none() && rule.conditions().is_empty()
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

fn translated<'s>(rule: RuleView<'s>, spot: &Spot, steps: usize) -> Result<OwnRule<'s>, Why> {
    let source = rule.source();
    let host = match host_text(&source.host) {
        own if own.is_empty() => spot.host.clone(),
        own if spot.host.is_empty() || own == spot.host => own,
        _ => return Err("a host inside of another host".into()),
    };
    let path = path_text(&source.path, source.case)?;
    let from = if host.is_empty() { path } else { format!("//{host}{path}") };
    let read = Source::parse(&from).map_err(|_| "a pattern that own rules cannot say")?;
    if !source.query.is_empty() || source.scheme.is_some() || source.port.is_some() {
        return Err("a source with more than host and path".into());
    }
    let conditions = rule.conditions().iter().map(condition).collect::<Result<Vec<_>, _>>()?;
    let does = match rule.action() {
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
        _ => return Err("a step between rules, which own rules do not take".into()),
    };
    Ok(OwnRule { from, does, conditions, ..made_at(rule, spot, steps) })
}

/// A path as our sources write it.
fn path_text(path: &PathPattern<'_>, case: LetterCase) -> Result<String, Why> {
    let tilde = if case == LetterCase::Ignored { "~*" } else { "~" };
    Ok(match path {
        PathPattern::Exact(path) if case == LetterCase::Significant => escaped(path, false),
        PathPattern::Exact(path) => format!("{tilde}{}", escaped(path, true)),
        any if is_any_path(any) => "/*".to_owned(),
        PathPattern::Prefix(path) if case == LetterCase::Significant => format!("{}/*", escaped(path, false)),
        PathPattern::BytePrefix { prefix, .. } if &prefix[..] == b"/" => "/*".to_owned(),
        PathPattern::BytePrefix { prefix, .. } => format!("{tilde}{}.*", escaped(prefix, true)),
        PathPattern::Regex(pattern) => {
            let tilde = if pattern.case == LetterCase::Ignored { "~*" } else { tilde };
            format!("{tilde}{}", whole(pattern)?)
        }
        _ => return Err("a pattern that own rules cannot say".into()),
    })
}

/// A pattern that is found anywhere, as one over the whole path.
fn whole(pattern: &Pattern<'_>) -> Result<String, Why> {
    let text = &*pattern.text;
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

/// A condition on a text of another server, as one on a subject of ours.
fn condition(condition: &Condition) -> Result<Condition, Why> {
    if condition.or_next {
        return Err("a condition that is enough beside another".into());
    }
    let (key, name) = match &condition.subject {
        Subject::Of { row, name } => (SUBJECTS.get(usize::from(*row)).map_or("", |row| row.key), name.clone()),
        Subject::Text(pieces) => match pieces.as_slice() {
            [Piece { what: What::Part(Part::Method), .. }] => ("method", String::new()),
            [Piece { what: What::Part(Part::Host), .. }] => ("host", String::new()),
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
    let name = Some(name.as_str()).filter(|name| !name.is_empty());
    let made = Subject::parse(key, name).and_then(|subject| Condition::new(subject, test, condition.negate));
    made.map_err(|_| "a condition that own rules cannot say".into())
}

/// A target as ours are written; path and query as sent are the path, with the query kept.
fn target_text(target: &Target<'_>, query: QueryPolicy) -> Result<(String, QueryPolicy), Why> {
    if let Some(text) = target.constant() {
        return Ok((text.to_owned(), query));
    }
    let (mut out, mut query) = (String::new(), query);
    let pieces = target.pieces();
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
