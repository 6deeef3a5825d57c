//! `open-redirect`: whoever writes the link chooses the host that people are sent to.
//!
//! A capture in the host is seen in the rule; one that was taken from the host that was asked is none of these, since a link names
//! that host anyway (`host-echo`). In another server's configuration a target may begin with a text of the client's
//! (`return 302 $arg_next`), and what stands before it may hold the wrong ones back: there a foreign address is put wherever the
//! client may put one, and only what then leads there is reported.

use std::collections::{BTreeMap, BTreeSet};

use byway_core::condition::{Condition, SUBJECTS, Subject, Test};
use byway_core::rule::Action;
use byway_core::ruleset::{RuleRef, RuleSet, Scratch};
use byway_core::target::{Landing, Part, Piece, Target, TargetHost, What};

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Lint, Scene, Seen, Targets, Watcher, decoded_capture};
use crate::diagnostic::{Diagnostic, Severity};
use crate::examples::{Case, Expected};
use crate::trials::{Trials, asked};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "open-redirect",
    severity: Severity::Error,
    summary: "whoever writes the link chooses the host that people are sent to",
    page: r#"# open-redirect

A capture stands in the host of the target, or the target begins with a text that the client sends (nginx's
`return 302 $arg_next`, Apache's `RewriteRule ^j$ %1` behind a condition on the query). Whoever writes the link chooses where the rule sends people, under your name:
phishing, and stolen tokens where a login comes back through it.

## Example

```toml
[[redirect]]
from = "/out/:where/*"
to = "https://{where}/*"
```

## Instead

Name the hosts, one rule each, or put the capture below a domain of yours and list that under `[policy] target_hosts`.

```toml
[[redirect]]
from = "/out/partner/*"
to = "https://partner.example.com/*"
```
"#,
};

/// Where nobody is (RFC 6761), as the client writes it.
const ELSEWHERE: &str = "https://elsewhere.invalid/";
/// Its host.
const NOWHERE: &str = "elsewhere.invalid";
/// The most names of parameters, fields and cookies that are tried.
const NAME_LIMIT: usize = 32;

#[derive(Default)]
pub(super) struct OpenRedirect {
    /// Whether some target of another server begins with a text of the request.
    is_suspect: bool,
    /// What the rules of other servers read of a request.
    parameters: BTreeSet<String>,
    fields: BTreeSet<String>,
    cookies: BTreeSet<String>,
    /// The parameters that must have a value for some rule to answer.
    asked: BTreeMap<String, String>,
    /// Texts that rules of other servers keep, and whether all that is kept there was taken from the host that was asked.
    of_host: BTreeMap<u16, bool>,
    /// The rules of other servers with a capture in the host, and the texts that stand there.
    captured: Vec<(RuleRef, Vec<u16>)>,
    reported: BTreeSet<u32>,
    /// Where the rules stand whose capture in the host was reported.
    places: BTreeSet<(u16, u32)>,
}

impl Watcher for OpenRedirect {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        if !seen.is_own() {
            self.learn(seen);
        }
        let Action::Redirect { target, .. } = &seen.action else { return };
        if scene.targets == Targets::Listed {
            return;
        }
        // What the reader made up itself leads where some written rule does, and that one is reported.
        let is_written = seen.is_own() || seen.rule.place().line > 0;
        if target.host() != TargetHost::FromCapture || !is_written {
            return;
        }
        if seen.is_own() {
            return self.of_capture(seen, scene);
        }
        // What a text that was kept holds is known once all rules were seen.
        let conditions = seen.rule.conditions();
        let in_host = target.pieces().iter().filter(|piece| piece.place == Landing::Host);
        let mut slots = Vec::new();
        let is_of_host = in_host.fold(true, |all, piece| match piece.what {
            What::Slot(slot) | What::Changed(_, slot) => {
                slots.push(slot);
                all
            }
            What::Capture(group) if decoded_capture::group_of(seen, group).is_some_and(|found| is_list(&found)) => all,
            _ => all && is_of_host(&piece.what, &conditions),
        });
        match is_of_host {
            true => self.captured.push((seen.rule.reference(), slots)),
            false => self.of_capture(seen, scene),
        }
    }

    fn end(&mut self, scene: &mut Scene<'_, '_>) {
        for (rule, slots) in std::mem::take(&mut self.captured) {
            if !slots.iter().all(|slot| self.of_host.get(slot) == Some(&true)) {
                self.of_capture(&Seen::of(scene.rules.rule(rule)), scene);
            }
        }
        if !self.is_suspect && scene.taken_for_paths.is_empty() {
            return;
        }
        let rules = scene.rules;
        let trials = Trials::of(rules, scene.doors, ELSEWHERE);
        let queries = self.queries();
        let fields = self.hostile_fields();
        let mut scratch = Scratch::new();
        for plain in trials.cases() {
            for query in &queries {
                let case = Case { query: query.clone(), fields: fields.clone(), ..plain.clone() };
                let ((Expected::Redirect { location: Some(location), .. }, Some(rule)), bare) =
                    (case.decide(rules, scene.now, &mut scratch), bare(&case))
                else {
                    continue;
                };
                let seen = Seen::of(rules.rule(rule));
                let leads = is_elsewhere(&location)
                    || is_taken_for_path(&seen, &location, scene)
                        && {
                            // The address must come from the query or a field: a path has its slashes merged.
                            let without = bare.decide(rules, scene.now, &mut scratch).0;
                            !matches!(without, Expected::Redirect { location: Some(location), .. } if location.contains(NOWHERE))
                        };
                if !leads || seen.is_own() || !self.reported.insert(seen.rule.number()) {
                    continue;
                }
                let shown = shown(&case, &location, rules, scene.now, &mut scratch);
                report(&seen, &shown, scene);
            }
        }
    }
}

impl OpenRedirect {
    /// Reports a capture in the host.
    fn of_capture(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        self.reported.insert(seen.rule.number());
        // A rule of another server may be several here.
        let place = seen.rule.place();
        if !seen.is_own() && !self.places.insert((place.file.0, place.line)) {
            return;
        }
        scene.report(&LINT, &seen.rule, |locator| {
            let parts = locator.parts(&seen.rule);
            let help = match seen.is_own() {
                true => "name the hosts, one rule each, or bound them: `[policy] target_hosts = [\"*.example.com\"]`",
                false => "name the hosts, one rule each, or bound them in a byway.toml that includes this file: `[policy] target_hosts = [\"*.example.com\"]`",
            };
            let mut diagnostic = Diagnostic::error(LINT.name, "whoever writes the link chooses the host").help(help);
            diagnostic.primary = parts.target.or(parts.source);
            diagnostic
        });
    }

    /// Keeps what a rule of another server reads of a request.
    fn learn(&mut self, seen: &Seen<'_>) {
        let texts: &[&Target<'_>] = match &seen.action {
            Action::Redirect { target, .. } => {
                self.is_suspect |= target.pieces().first().is_some_and(|piece| is_open(&piece.what));
                &[target]
            }
            Action::Rewrite { target, .. } => &[target],
            Action::Set { slot, text, .. } => {
                let conditions = seen.rule.conditions();
                let is_one = text.pieces().iter().all(|piece| is_of_host(&piece.what, &conditions));
                *self.of_host.entry(*slot).or_insert(true) &= is_one;
                &[text]
            }
            Action::Call { text: Some(text), .. } => &[text],
            _ => &[],
        };
        texts.iter().flat_map(|text| text.pieces()).for_each(|piece| self.name(&piece.what));
        for condition in seen.rule.conditions() {
            if let Subject::Text(pieces) = &condition.subject {
                pieces.iter().for_each(|Piece { what, .. }| self.name(what));
            }
            match (asked(&condition), &condition.test) {
                (Some(What::Argument(name) | What::QueryValue(name)), Test::Is(value))
                    if !condition.negate && is_plain(value) =>
                {
                    self.asked.insert(name.to_string(), value.clone());
                }
                (Some(What::Part(Part::Query | Part::WorkingQuery)), Test::Regex(pattern)) => {
                    self.parameters.extend(names_in(&pattern.text));
                }
                _ => {}
            }
        }
    }

    fn name(&mut self, what: &What<'_>) {
        let (names, name) = match what {
            What::Argument(name) | What::QueryValue(name) => (&mut self.parameters, name),
            What::Field(name) => (&mut self.fields, name),
            What::Cookie(name) => (&mut self.cookies, name),
            _ => return,
        };
        if names.len() < NAME_LIMIT {
            names.insert(name.to_string());
        }
    }

    /// None, the address alone, and the address under each name; then what else is asked for.
    fn queries(&self) -> Vec<Option<String>> {
        let mut queries = vec![None, Some(ELSEWHERE.to_owned())];
        for name in self.parameters.iter().take(NAME_LIMIT) {
            let mut query = format!("{name}={ELSEWHERE}");
            let others = self.asked.iter().filter(|(other, _)| *other != name).take(NAME_LIMIT);
            others.for_each(|(other, value)| query.push_str(&format!("&{other}={value}")));
            queries.push(Some(query));
        }
        queries
    }

    fn hostile_fields(&self) -> Vec<(String, String)> {
        let fields = self.fields.iter().filter(|name| *name != "host");
        let cookies = self.cookies.iter().map(|name| ("cookie".to_owned(), format!("{name}={ELSEWHERE}")));
        fields.map(|name| (name.clone(), ELSEWHERE.to_owned())).chain(cookies).collect()
    }
}

/// Whether a text is written by the person or was taken from the host that was asked.
pub(crate) fn is_of_host(what: &What<'_>, conditions: &[Condition]) -> bool {
    match what {
        What::Literal(_) | What::Part(Part::Host | Part::HostField) => true,
        What::Field(name) => name.eq_ignore_ascii_case("host"),
        // The groups are those of the last pattern that held.
        What::ConditionCapture(_) => {
            let patterns = || conditions.iter().filter(|condition| matches!(condition.test, Test::Regex(_)));
            let is_host = |condition: &Condition| match &condition.subject {
                Subject::Text(pieces) => pieces.iter().all(|piece| match &piece.what {
                    What::Part(Part::Host | Part::HostField) => true,
                    What::Field(name) => name.eq_ignore_ascii_case("host"),
                    _ => false,
                }),
                Subject::Of { row, name } => match SUBJECTS.get(usize::from(*row)).map(|row| row.key) {
                    Some("host") => true,
                    Some("header") => name == "host",
                    _ => false,
                },
            };
            patterns().next().is_some() && patterns().filter(|condition| !condition.negate).all(is_host)
        }
        _ => false,
    }
}

/// Whether a group takes one of a few texts that whoever wrote the pattern chose: `(dev|beta)`.
fn is_list(group: &Hir) -> bool {
    match group.kind() {
        HirKind::Empty | HirKind::Literal(_) => true,
        HirKind::Look(_) => false,
        HirKind::Class(class) => class.maximum_len() == Some(1) && few(class),
        HirKind::Repetition(repetition) => repetition.max.is_some_and(|most| most <= 1) && is_list(&repetition.sub),
        HirKind::Capture(capture) => is_list(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().all(is_list),
    }
}

/// Whether a class has so few signs that they were listed.
fn few(class: &Class) -> bool {
    let Class::Bytes(class) = class else { return false };
    class.ranges().iter().map(|range| usize::from(range.end() - range.start()) + 1).sum::<usize>() <= 4
}

/// Whether a Location that begins with this may lead anywhere.
fn is_open(what: &What<'_>) -> bool {
    match what {
        What::Capture(_)
        | What::ConditionCapture(_)
        | What::QueryValue(_)
        | What::Field(_)
        | What::Slot(_)
        | What::Changed(..)
        | What::Argument(_)
        | What::Cookie(_)
        | What::Tail(_)
        | What::TailText(_) => true,
        What::Part(part) => matches!(part, Part::Query | Part::WorkingQuery),
        What::Literal(_) | What::PortElse(_) => false,
    }
}

/// Whether a text stands in a query as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~/:".contains(&byte))
}

/// The names before `=` in a pattern for queries.
fn names_in(pattern: &str) -> Vec<String> {
    let is_of_name = |sign: char| sign.is_ascii_alphanumeric() || "_-".contains(sign);
    let parts: Vec<&str> = pattern.split('=').collect();
    let before = &parts[..parts.len() - 1];
    let names = before.iter().map(|part| part.rsplit(|sign| !is_of_name(sign)).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).take(NAME_LIMIT).map(str::to_owned).collect()
}

fn is_elsewhere(location: &str) -> bool {
    location.starts_with(ELSEWHERE.trim_end_matches('/'))
}

/// Whether a location holds the address where the server that the rule was written for would go there.
fn is_taken_for_path(seen: &Seen<'_>, location: &str, scene: &Scene<'_, '_>) -> bool {
    let place = seen.rule.place();
    location.contains(NOWHERE) && scene.taken_for_paths.contains(&(place.file, place.line))
}

/// A request without what the client may say beside its path.
fn bare(case: &Case) -> Case {
    Case { query: None, fields: Vec::new(), ..case.clone() }
}

/// The request in words: its path, and of its fields and query what it needs to be led away.
fn shown(case: &Case, location: &str, rules: &RuleSet, now: i64, scratch: &mut Scratch) -> String {
    let mut leads = |case: &Case| matches!(case.decide(rules, now, scratch).0, Expected::Redirect { location: Some(found), .. } if found == location);
    let query = case.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    if leads(&Case { fields: Vec::new(), ..case.clone() }) {
        return format!("{}{query}", case.path);
    }
    let alone =
        case.fields.iter().find(|field| leads(&Case { fields: vec![(*field).clone()], query: None, ..case.clone() }));
    match alone {
        Some((name, value)) => format!("{} [{name}: {value}]", case.path),
        None => format!("{}{query}", case.path),
    }
}

fn report(seen: &Seen<'_>, request: &str, scene: &mut Scene<'_, '_>) {
    let help = match seen.rule.dialect().name.starts_with("nginx") {
        true => {
            "send to places that you name, `map $arg_to $place { default /; shop https://shop.example.com/; }`, or let only paths through: `if ($arg_to !~ ^/[0-9A-Za-z]) { return 400; }`"
        }
        false => {
            "send to places that you name (`RewriteMap`), or let only paths through: `RewriteCond %{QUERY_STRING} ^to=(/[0-9A-Za-z][^&]*)`"
        }
    };
    scene.report(&LINT, &seen.rule, |locator| {
        let message = format!("the client chooses where this leads: `{request}` is sent to `{ELSEWHERE}`");
        let parts = locator.parts(&seen.rule);
        let mut diagnostic = Diagnostic::error(LINT.name, message).help(help);
        diagnostic.primary = parts.target.or(parts.source);
        diagnostic
    });
}
