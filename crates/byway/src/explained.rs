//! What `byway explain` prints: a decision, its rule in the person's own words, and who stood aside.
//!
//! Text and JSON are two views of the same [`Explained`]. Whatever a request or a file brought is shown without its controls.

use std::collections::BTreeSet;
use std::fmt::Write;

use byway_config::diagnostic::grouped;
use byway_config::places::Databases;
use byway_config::span::FileTable;
use byway_core::client::{Becomes, FETCH, Then};
use byway_core::condition::{Condition, SUBJECTS, Subject};
use byway_core::decision::Storing;
use byway_core::dialect::BYWAY;
use byway_core::place::Place;
use byway_core::pool::{Balance, By, PoolId};
use byway_core::ruleset::{Aside, RuleRef, RuleView, TableId, Watch};
use byway_core::source::PathPattern;
use byway_core::status::RedirectStatus;
use byway_core::{Action, Decision, Outcome, Request, RuleSet, Scheme};
use serde_json::{Value, json};

use crate::quote::quote;
use crate::way::{Did, Passed, Way};

/// What a walk was seen to do.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    aside: Vec<(RuleRef, Aside)>,
    captures: Vec<Vec<u8>>,
    rewritten: Vec<(RuleRef, String)>,
    preflight: bool,
    pooled: Option<(PoolId, Option<String>)>,
    way: Way,
    /// Path and query as they were asked.
    asked: String,
}

impl Watched {
    /// Nothing yet, of this request.
    pub(crate) fn of(request: &Request<'_>) -> Watched {
        let query = request.query.map(|query| format!("?{}", shown(query))).unwrap_or_default();
        Watched { asked: format!("{}{query}", shown(request.path)), ..Watched::default() }
    }
}

impl Watch for Watched {
    fn preflight(&mut self, _table: TableId) {
        self.preflight = true;
    }

    fn pooled(&mut self, pool: PoolId, origin: Option<&str>) {
        self.pooled = Some((pool, origin.map(str::to_owned)));
    }

    fn aside(&mut self, rule: RuleRef, why: Aside) {
        self.way.push(rule, Did::Aside(why.clone()));
        self.aside.push((rule, why));
    }

    fn acted(&mut self, rule: RuleRef) {
        self.way.push(rule, Did::Acted);
    }

    fn kept(&mut self, rule: RuleRef, text: &[u8]) {
        self.way.push(rule, Did::Gave(shown(text)));
    }

    fn rewritten(&mut self, rule: RuleRef, path: &[u8], query: Option<&[u8]>) {
        let query = query.map(|query| format!("?{}", shown(query))).unwrap_or_default();
        let to = format!("{}{query}", shown(path));
        // Where a round begins anew on the path that there is, nothing was written.
        if self.rewritten.last().map_or(self.asked.as_str(), |(_, before)| before.as_str()) != to {
            self.way.push(rule, Did::Rewrote(to.clone()));
        }
        self.rewritten.push((rule, to));
    }

    fn taken(&mut self, _rule: RuleRef, captures: &[&[u8]]) {
        self.captures = captures.iter().map(|capture| capture.to_vec()).collect();
    }
}

/// A decision and all that led to it.
pub(crate) struct Explained<'e> {
    pub(crate) rules: &'e RuleSet,
    pub(crate) files: &'e FileTable,
    pub(crate) request: &'e Request<'e>,
    pub(crate) decision: &'e Decision<'e>,
    pub(crate) watched: &'e Watched,
    /// Where the address is, where some rule asks for that.
    pub(crate) place: Option<Place>,
    /// The databases that say so.
    pub(crate) databases: Option<&'e Databases>,
    /// Whether a 308 became a 307, since the client stops at 308.
    pub(crate) is_downgraded: bool,
}

/// How many rules that stood aside are named; a list of thousands helps nobody.
const NAMED: usize = 20;
/// How many lines of the way a program is told.
const LISTED: usize = 100;

impl Explained<'_> {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} {}\n", shown(self.request.method.as_bytes()), self.url());
        self.answer(&mut text);
        if self.is_downgraded {
            text.push_str("\nthe rule says 308; this client stops at 308, and `[policy] downgrade_308` gives it 307\n");
        }
        if let Some(rule) = self.decision.rule {
            self.rule(self.rules.rule(rule), &mut text);
        }
        self.way(&mut text);
        self.visitor(&mut text);
        self.stood_aside(&mut text);
        if let Outcome::Redirect(redirect) = &self.decision.outcome {
            _ = writeln!(text, "\n{}", meaning(redirect.status, self.request.method));
            if self.came_in_the_clear(redirect.location.as_str()) {
                let what = if may_have_a_body(self.request.method) {
                    "The request and its body have"
                } else {
                    "The request has"
                };
                _ = writeln!(text, "{what} already crossed the network unencrypted once when this answer leaves.");
            }
            // Rules of our own stand aside then.
            if redirect.location.as_str() == self.url() {
                text.push_str("This is the very URL that was asked: whoever follows it comes here again.\n");
            }
        }
        if is_never_asked(self.request.method) {
            let method = self.request.method;
            _ = writeln!(text, "`byway serve` answers {method} with 405 before any rule is asked.");
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let outcome = match &self.decision.outcome {
            Outcome::Redirect(redirect) => json!({
                "outcome": "redirect",
                "status": redirect.status.number(),
                "location": redirect.location.as_str(),
                "cache_control": redirect.cache_control,
                "meaning": meaning(redirect.status, self.request.method),
            }),
            Outcome::Reply(reply) => json!({
                "outcome": "reply",
                "status": reply.status.number(),
                "retry_after": reply.retry_after,
                "cache_control": reply.cache_control,
            }),
            Outcome::Pass => json!({ "outcome": "pass" }),
            Outcome::Refuse(refusal) => {
                json!({ "outcome": "refuse", "status": refusal.status(), "reason": refusal.reason() })
            }
        };
        json!({
            "request": { "method": self.request.method, "url": self.url() },
            "decision": outcome,
            "downgraded": self.is_downgraded,
            "vary": self.decision.vary,
            "fields": self.decision.fields.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Value>(),
            "crossed_unencrypted": match &self.decision.outcome {
                Outcome::Redirect(redirect) => self.came_in_the_clear(redirect.location.as_str()),
                _ => false,
            },
            "may_be_stored": self.decision.storing == Storing::Allowed,
            "rule": self.decision.rule.map(|rule| self.rule_json(self.rules.rule(rule))),
            "captures": self.captures().into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Value>(),
            "stood_aside": self.watched.aside.iter().map(|(rule, why)| {
                let view = self.rules.rule(*rule);
                let mut said = self.rule_json(view);
                said["why"] = reason(view, why).into();
                said
            }).collect::<Value>(),
            "rewritten": self.watched.rewritten.iter().map(|(rule, to)| {
                json!({ "rule": place(self.rules.rule(*rule)), "to": to })
            }).collect::<Value>(),
            "way": self.watched.way.lines(self.rules, self.files, self.decision.rule, LISTED).0.iter().map(Passed::json).collect::<Value>(),
            "preflight": self.watched.preflight,
            "place": self.place_json(),
            "variants": self.variants_json(),
            "pool": self.watched.pooled.as_ref().map(|(pool, origin)| {
                json!({ "pool": self.pool_name(*pool), "member": origin })
            }),
            "served": !is_never_asked(self.request.method),
        })
    }

    /// Whether this is an upgrade: what it protects is the next request, not this one.
    fn came_in_the_clear(&self, location: &str) -> bool {
        self.request.scheme == Scheme::Http && location.starts_with("https://")
    }

    fn url(&self) -> String {
        let Request { scheme, host, port, path, query, .. } = *self.request;
        let port = if port == scheme.default_port() { String::new() } else { format!(":{port}") };
        let query = query.map(|query| format!("?{}", shown(query))).unwrap_or_default();
        format!("{}://{host}{port}{}{query}", scheme.as_str(), shown(path))
    }

    fn answer(&self, text: &mut String) {
        let cache_control = match &self.decision.outcome {
            Outcome::Redirect(redirect) => {
                _ = writeln!(text, "  {} {}", redirect.status, redirect.status.reason());
                _ = writeln!(text, "  Location: {}", redirect.location.as_str());
                redirect.cache_control
            }
            Outcome::Reply(reply) => {
                _ = writeln!(text, "  {} {}", reply.status.number(), reply.status.reason());
                if let Some(seconds) = reply.retry_after {
                    _ = writeln!(text, "  Retry-After: {seconds}");
                }
                reply.cache_control
            }
            Outcome::Pass => {
                _ = writeln!(text, "  passes: {}", self.why_it_passes());
                ""
            }
            Outcome::Refuse(refusal) => {
                _ = writeln!(text, "  {} refused: {}", refusal.status(), refusal.reason());
                ""
            }
        };
        if !cache_control.is_empty() {
            _ = writeln!(text, "  Cache-Control: {cache_control}");
        }
        if !self.decision.vary.is_empty() {
            _ = writeln!(text, "  Vary: {}", self.decision.vary);
        }
        for (name, value) in self.decision.fields.iter() {
            _ = writeln!(text, "  {name}: {value}");
        }
    }

    /// What is known of who asks: the place of the address and who says so, and the variants in splits.
    fn visitor(&self, text: &mut String) {
        if let Some(place) = self.place {
            _ = writeln!(text, "\nthe address {} is {}", self.request.address, place_in_words(place));
            for database in self.databases.iter().flat_map(|databases| databases.iter()) {
                let (name, built) = (shown(database.name().as_bytes()), instant(database.built()));
                _ = writeln!(text, "  by {name} ({}) of {built}", shown(database.kind().as_bytes()));
            }
        }
        if !self.decision.variants.is_empty() {
            _ = writeln!(text, "\nthe visitor's variants: {}", self.decision.variants.replace(',', ", "));
        } else if self.is_stranger_to_a_split() {
            text.push_str(
                "\nnobody knows this visitor: `serve` would draw a variant; ask as one of them with `--visitor KEY`\n",
            );
        }
    }

    /// Whether a rule stood aside that asks for a variant.
    fn is_stranger_to_a_split(&self) -> bool {
        let is_split = |condition: &Condition| match condition.subject {
            Subject::Of { row, .. } => SUBJECTS.get(usize::from(row)).is_some_and(|row| row.key == "split"),
            Subject::Text(_) => false,
        };
        self.watched.aside.iter().any(|(rule, _)| self.rules.rule(*rule).conditions().iter().any(is_split))
    }

    fn variants_json(&self) -> Value {
        let pairs = self.decision.variants.split(',').filter_map(|pair| pair.split_once('='));
        Value::Object(pairs.map(|(split, variant)| (split.to_owned(), variant.into())).collect())
    }

    fn place_json(&self) -> Value {
        let Some(place) = self.place else { return Value::Null };
        let databases = self.databases.iter().flat_map(|databases| databases.iter());
        json!({
            "country": place.country.map(|code| code.as_str().to_owned()),
            "continent": place.continent.map(|code| code.as_str().to_owned()),
            "eu": place.is_eu,
            "asn": place.asn,
            "databases": databases.map(|database| json!({
                "name": database.name(),
                "kind": database.kind(),
                "built": instant(database.built()),
            })).collect::<Value>(),
        })
    }

    fn why_it_passes(&self) -> String {
        let rules = crate::rules::count(self.rules.len() as u64, "rule");
        let aside = &self.watched.aside;
        let stood: BTreeSet<RuleRef> =
            aside.iter().filter(|(_, why)| *why != Aside::Pass).map(|(rule, _)| *rule).collect();
        let says_pass = aside.iter().rev().find(|(_, why)| *why == Aside::Pass).map(|(rule, _)| *rule);
        match (says_pass.or(self.decision.rule), stood.len()) {
            (Some(rule), _) => format!("the rule at {} leaves it alone", place(self.rules.rule(rule))),
            _ if self.watched.preflight => "it is a CORS preflight, which is never redirected".to_owned(),
            (None, 0) => format!("of {rules} the source of none fits"),
            (None, 1) => format!("of {rules} the source of one fits, and it stood aside"),
            (None, fit) => format!("of {rules} the sources of {fit} fit, and they stood aside"),
        }
    }

    fn rule(&self, view: RuleView<'_>, text: &mut String) {
        _ = writeln!(text, "\nthe rule, at {}", place(view));
        match quote(self.files, view.place()) {
            lines if lines.is_empty() => _ = writeln!(text, "  {}", in_short(view)),
            lines => lines.iter().for_each(|(number, line)| _ = writeln!(text, "  {number:>5} | {line}")),
        }
        for (name, value) in self.captures() {
            _ = writeln!(text, "  {name} took `{value}`");
        }
        let told = [("id", view.id()), ("group", view.group()), ("owner", view.owner()), ("note", view.note())];
        for (name, value) in told {
            if let Some(value) = value {
                _ = writeln!(text, "  {name}: {}", shown(value.as_bytes()));
            }
        }
        if let Some(window) = view.window() {
            _ = writeln!(text, "  window: {}", window.name);
        }
        if let Some(said) = self.pool() {
            _ = writeln!(text, "  {said}");
        }
        if let Some(until) = view.until() {
            _ = writeln!(text, "  until: {}", instant(until));
        }
    }

    fn pool_name(&self, pool: PoolId) -> String {
        self.rules.pools().into_iter().nth(usize::from(pool.0)).map(|pool| pool.name).unwrap_or_default()
    }

    /// Which member the pool chose, and how.
    fn pool(&self) -> Option<String> {
        let (id, origin) = self.watched.pooled.as_ref()?;
        let pool = self.rules.pools().into_iter().nth(usize::from(id.0))?;
        let how = match &pool.balance {
            Balance::First => "the first that is up".to_owned(),
            Balance::RoundRobin => "each in turn".to_owned(),
            Balance::Hash(By::Cookie(name)) => format!("by the cookie `{name}`, else by address"),
            Balance::Hash(By::Header(name)) => format!("by the field `{name}`, else by address"),
            Balance::Hash(By::Query(name)) => format!("by the parameter `{name}`, else by address"),
            Balance::Hash(By::Address) => "by address".to_owned(),
            Balance::Hash(By::Path) => "by path".to_owned(),
        };
        Some(match origin {
            Some(origin) => format!("pool {}: {origin}, {how}", pool.name),
            None => format!("pool {}: nobody is up", pool.name),
        })
    }

    /// The lines of another server's file that the request came by.
    fn way(&self, text: &mut String) {
        let (lines, more) = self.watched.way.lines(self.rules, self.files, self.decision.rule, NAMED);
        if lines.is_empty() {
            return;
        }
        text.push_str(match self.decision.rule {
            Some(_) => "\nthe way there\n",
            None => "\nthe way\n",
        });
        for passed in &lines {
            let did = passed.did.as_ref().map(|did| format!("  ({did})")).unwrap_or_default();
            _ = writeln!(text, "  {}  {}{did}", passed.place, passed.line);
        }
        if more > 0 {
            _ = writeln!(text, "  and {} more", grouped(more as u64));
        }
    }

    fn stood_aside(&self, text: &mut String) {
        // Those of another server's file are told on the way.
        let is_own = |rule: RuleRef| *self.rules.rule(rule).dialect() == BYWAY;
        let aside: Vec<&(RuleRef, Aside)> = self.watched.aside.iter().filter(|(rule, _)| is_own(*rule)).collect();
        if aside.is_empty() {
            return;
        }
        _ = writeln!(text, "\nstood aside, nearest first");
        for (rule, why) in aside.iter().take(NAMED) {
            let view = self.rules.rule(*rule);
            _ = writeln!(text, "  {}  {}: {}", place(view), in_short(view), reason(view, why));
        }
        if let Some(more) = aside.len().checked_sub(NAMED).filter(|more| *more > 0) {
            _ = writeln!(text, "  and {} more", grouped(more as u64));
        }
    }

    /// What each capture held, by its name in the source; several stars are numbered.
    fn captures(&self) -> Vec<(String, String)> {
        let Some(rule) = self.decision.rule.map(|rule| self.rules.rule(rule)) else { return Vec::new() };
        let source = rule.source();
        // What stands behind a prefix of another server is none of that server's captures.
        if *rule.dialect() != BYWAY && !matches!(source.path, PathPattern::Regex(_)) {
            return Vec::new();
        }
        let names = source.capture_names();
        let values = self.watched.captures.iter().enumerate();
        values
            .map(|(at, value)| (names.get(at).cloned().unwrap_or_else(|| (at + 1).to_string()), shown(value)))
            .collect()
    }

    fn rule_json(&self, view: RuleView<'_>) -> Value {
        json!({
            "file": view.file_name(),
            "line": view.place().line,
            "identity": view.identity().to_string(),
            "source": view.source().to_string(),
            "target": view.target_text(),
            "group": view.group(),
            "owner": view.owner(),
            "note": view.note(),
            "since": view.since().map(instant),
            "until": view.until().map(instant),
        })
    }
}

/// `in DE, EU, inside the European Union, AS3320`
fn place_in_words(place: Place) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(place.country.map(|code| format!("in {}", code.as_str())));
    parts.extend(place.continent.map(|code| format!("on the continent {}", code.as_str())));
    parts.extend(place.is_eu.map(|is_eu| {
        let word = if is_eu { "inside" } else { "outside" };
        format!("{word} the European Union")
    }));
    parts.extend(place.asn.map(|asn| format!("of AS{asn}")));
    if parts.is_empty() { "nowhere that is known".to_owned() } else { parts.join(", ") }
}

pub(crate) fn place(view: RuleView<'_>) -> String {
    match view.place().line {
        0 => view.file_name().to_owned(),
        line => format!("{}:{line}", view.file_name()),
    }
}

fn in_short(view: RuleView<'_>) -> String {
    let does = match view.action() {
        Action::Redirect { status, .. } if status.get == status.other => {
            format!("{} {}", status.get, view.target_text())
        }
        Action::Redirect { status, .. } => format!("{}/{} {}", status.get, status.other, view.target_text()),
        Action::Reply { status, .. } => status.number().to_string(),
        Action::Pass => "pass".to_owned(),
        Action::Enter(_) => "another table".to_owned(),
        Action::Rewrite { .. } => format!("rewrite to {}", view.target_text()),
        Action::Set { .. } => format!("keep `{}`", view.target_text()),
        Action::Call { text: Some(_), .. } => format!("look `{}` up", view.target_text()),
        Action::Call { text: None, .. } => "through another table and back".to_owned(),
    };
    shown(format!("{} -> {does}", view.source()).as_bytes())
}

pub(crate) fn reason(view: RuleView<'_>, why: &Aside) -> String {
    match why {
        Aside::Scheme => {
            format!("it is for {} only", view.source().scheme.map_or("another scheme", |scheme| scheme.as_str()))
        }
        Aside::Port => format!(
            "it is for port {} only",
            view.source().port.map_or_else(|| "?".to_owned(), |port| port.to_string())
        ),
        Aside::QueryPair(name) => format!("the query has no `{}` as it asks for", shown(name.as_bytes())),
        Aside::NotYet(since) => format!("it holds from {} on", instant(*since)),
        Aside::Over(until) => format!("it held until {}", instant(*until)),
        Aside::WindowClosed { opens: Some(opens), .. } => format!("its window is closed until {}", instant(*opens)),
        Aside::WindowClosed { opens: None, .. } => "its window is closed".to_owned(),
        Aside::WindowOpen { ends, .. } => {
            format!("a window is open until {} in which it does not hold", instant(*ends))
        }
        Aside::Condition(at) => match view.conditions().get(*at) {
            Some(condition) => format!("this does not hold: {}", shown(condition.to_string().as_bytes())),
            None => "a condition does not hold".to_owned(),
        },
        Aside::SelfRedirect => "its Location is the very URL that was asked".to_owned(),
        Aside::Pass => "it leaves the request to the next table".to_owned(),
    }
}

/// One sentence on what the status means for this method, from the two axes and the browsers' row.
pub(crate) fn meaning(status: RedirectStatus, method: &str) -> String {
    let how_long = if status.is_permanent() { "for good" } else { "for now" };
    let has_body = may_have_a_body(method);
    let then = match FETCH.then(status.number(), method) {
        Some(Then::Send { method: Becomes::This(other), .. }) if other != method => match status.preserves_method() {
            true => format!("{method} becomes {other}"),
            false => {
                format!("{method} becomes {other} and the body is dropped; {} would keep both", status.preserving())
            }
        },
        _ if has_body && status.preserves_method() => format!("{method} stays {method} and the body is sent again"),
        _ if has_body => {
            format!("browsers keep {method} and its body, other clients may not; {} makes sure", status.preserving())
        }
        _ => format!("{method} stays {method}"),
    };
    format!("{status} {how_long}: {then}.")
}

fn may_have_a_body(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// Methods that the server refuses itself: CONNECT asks for a tunnel, TRACE would send a stranger's fields back.
fn is_never_asked(method: &str) -> bool {
    matches!(method, "CONNECT" | "TRACE")
}

fn instant(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |instant| instant.to_string())
}

/// Bytes from outside as text without controls.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|sign| if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_means_for_a_method() {
        let said = |number, method| meaning(RedirectStatus::from_number(number).expect("a redirect"), method);
        assert_eq!(said(307, "POST"), "307 for now: POST stays POST and the body is sent again.");
        assert_eq!(said(302, "POST"), "302 for now: POST becomes GET and the body is dropped; 307 would keep both.");
        assert_eq!(
            said(301, "PUT"),
            "301 for good: browsers keep PUT and its body, other clients may not; 308 makes sure."
        );
        assert_eq!(said(303, "PUT"), "303 for now: PUT becomes GET and the body is dropped; 307 would keep both.");
        assert_eq!(said(308, "GET"), "308 for good: GET stays GET.");
    }
}
