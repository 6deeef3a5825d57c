//! `unreachable`: a rule whose requests are all taken by another.

use std::collections::HashMap;

use byway_core::dialect::LetterCase;
use byway_core::host::HostPattern;
use byway_core::rule::Action;
use byway_core::ruleset::{RuleRef, RuleSet, Scratch};
use byway_core::source::{PathPattern, Segment};

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};
use crate::sample::sample;
use crate::span::{FileId, Span};
use crate::written::{Compares, Statement, Written};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "unreachable",
    severity: Severity::Warning,
    summary: "a rule whose requests are all taken by another",
    page: r#"# unreachable

Another rule takes every request that this one is for, and is asked first: it has a higher priority, stands before it in a
list that is tried line by line, or is in a table that comes first (byway.toml comes before the lists that it includes).

## Example

```toml
[[redirect]]
from = "/docs/*"
to = "/guide/*"
priority = 1

[[redirect]]
from = "/docs/install"
to = "/start"
```

Apache's `Redirect` is for all below its path, and the first that fits is taken:

```apache
Redirect 301 /docs https://docs.example.com/guide
Redirect 301 /docs/install https://www.example.com/start
```

## Instead

```toml
[[redirect]]
from = "/docs/*"
to = "/guide/*"

[[redirect]]
from = "/docs/install"
to = "/start"
```

```apache
Redirect 301 /docs/install https://www.example.com/start
Redirect 301 /docs https://docs.example.com/guide
```
"#,
};

/// Rules that take everything below a path, by the hash of host and path.
#[derive(Default)]
pub(super) struct Unreachable {
    hiders: HashMap<u64, Vec<RuleRef>>,
    scratch: Scratch,
    key: Vec<u8>,
    /// The paths of the `Redirect` lines before one, in its list.
    before: HashMap<Box<str>, Span>,
    list: Option<(FileId, u32)>,
}

/// How many rules over the same path are compared with one.
const COMPARED: usize = 8;

impl Watcher for Unreachable {
    fn see_written(&mut self, written: &Written, scene: &mut Scene<'_, '_>) {
        if written.statement != Statement::Redirect || written.compares != Compares::Prefix {
            return;
        }
        let list = Some((written.span.file, written.list));
        if self.list != list {
            self.list = list;
            self.before.clear();
        }
        let path = &*written.source.text;
        let ends = path.match_indices('/').flat_map(|(at, _)| [at, at + 1]).chain([path.len()]);
        let hider = ends.filter(|end| *end > 0).find_map(|end| self.before.get(&path[..end]));
        if let Some(hider) = hider.cloned() {
            scene.report_written(&LINT, written, || {
                Diagnostic::warning(
                    LINT.name,
                    format!("no request reaches this: what is asked for `{path}` is taken before"),
                )
                .at(written.span.clone())
                .also(hider, "this one takes it, with all below its path")
                .help("let the longer path stand first, or take it out")
            });
        }
        self.before.entry(path.into()).or_insert_with(|| written.span.clone());
    }

    fn see(&mut self, seen: &Seen<'_>, _scene: &mut Scene<'_, '_>) {
        if !seen.is_own() {
            return;
        }
        if let (PathPattern::Prefix(prefix), true) = (&seen.source.path, seen.is_unconditional) {
            let hash = self.hash(&seen.source.host, prefix);
            let hiders = self.hiders.entry(hash).or_default();
            if hiders.len() < COMPARED {
                hiders.push(seen.rule.reference());
            }
        }
    }

    fn end(&mut self, scene: &mut Scene<'_, '_>) {
        if self.hiders.is_empty() {
            return;
        }
        let rules = scene.rules;
        for rule in rules.rules() {
            let seen = Seen::of(rule);
            // What asks more than its source is asked before what asks less; its sample, which meets no condition, shows nothing.
            if !seen.is_unconditional {
                continue;
            }
            if let Some(hider) = self.hider(&seen, rules, scene.now) {
                let hider = rules.rule(hider);
                scene.report(&LINT, &seen.rule, |locator| {
                    let mut diagnostic =
                        Diagnostic::warning(LINT.name, format!("no request reaches `{}`", seen.source));
                    diagnostic.primary = locator.source(&seen.rule);
                    if let Some(span) = locator.source(&hider) {
                        diagnostic = diagnostic.also(span, "this one takes them all, and is asked first");
                    }
                    diagnostic.help("take it out, or let it be asked first")
                });
            }
        }
    }
}

impl Unreachable {
    fn hash(&mut self, host: &HostPattern<'_>, prefix: &[u8]) -> u64 {
        let (kind, name): (u8, &str) = match host {
            HostPattern::Any => (0, ""),
            HostPattern::Exact(name) => (1, name),
            HostPattern::Below(name) => (2, name),
        };
        self.key.clear();
        self.key.push(kind);
        self.key.extend_from_slice(name.as_bytes());
        // No host holds a slash, and no prefix begins without one.
        self.key.push(b'/');
        self.key.extend_from_slice(prefix);
        rapidhash::v3::rapidhash_v3(&self.key)
    }

    /// The rule that takes every request of this one before it.
    fn hider(&mut self, seen: &Seen<'_>, rules: &RuleSet, now: i64) -> Option<RuleRef> {
        let head = head(&seen.source.path)?;
        for host in covering(&seen.source.host) {
            for end in boundaries(&head) {
                let hash = self.hash(&host, &head[..end]);
                let found = self
                    .hiders
                    .get(&hash)
                    .into_iter()
                    .flatten()
                    .copied()
                    .find(|hider| hides(&Seen::of(rules.rule(*hider)), seen));
                if let Some(hider) = found {
                    return self.is_shown(seen, hider, rules, now).then_some(hider);
                }
            }
        }
        None
    }

    /// Whether a sample of the hidden rule is indeed taken by the other: a rule that would redirect to where it is stands aside.
    fn is_shown(&mut self, seen: &Seen<'_>, hider: RuleRef, rules: &RuleSet, now: i64) -> bool {
        let Some(case) = sample(&seen.source) else { return false };
        case.decide(rules, now, &mut self.scratch).1 == Some(hider)
    }
}

/// Whether one rule, whose host and prefix cover the other's, takes everything that the other would, if it is asked first.
fn hides(hider: &Seen<'_>, seen: &Seen<'_>) -> bool {
    let (over, under) = (&hider.source, &seen.source);
    let asks_less = over.scheme.is_none_or(|scheme| under.scheme == Some(scheme))
        && over.port.is_none_or(|port| under.port == Some(port))
        && over.query.iter().all(|pair| under.query.contains(pair))
        && over.case == LetterCase::Significant
        && under.case == LetterCase::Significant;
    // Tables are numbered in the order in which they are tried; inside of one the sample shows who is asked first, and that is
    // the same for every request.
    let is_first = hider.rule.table() <= seen.rule.table() && hider.action != Action::Pass;
    // A constant target may be one of the hidden addresses: there the rule stands aside.
    let may_stand_aside = match &hider.action {
        Action::Redirect { target, .. } => target.is_constant() && !matches!(under.path, PathPattern::Exact(_)),
        _ => false,
    };
    asks_less && is_first && !may_stand_aside && hider.rule.reference() != seen.rule.reference()
}

/// The literal beginning of a pattern, by whole segments; what the pattern takes is below it.
fn head(path: &PathPattern<'_>) -> Option<Vec<u8>> {
    match path {
        PathPattern::Exact(path) | PathPattern::Prefix(path) => Some(path.to_vec()),
        PathPattern::Segments { segments, .. } => {
            let mut head = Vec::new();
            for segment in segments {
                let Segment::Literal(text) = segment else { break };
                head.push(b'/');
                head.extend_from_slice(text);
            }
            Some(head)
        }
        PathPattern::BytePrefix { .. } | PathPattern::Regex(_) => None,
    }
}

/// The lengths of all prefixes of a path by whole segments, the path itself included.
fn boundaries(path: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let is_whole = path.last() != Some(&b'/');
    memchr::memchr_iter(b'/', path).chain(is_whole.then_some(path.len()))
}

/// Every host pattern that takes all hosts of this one.
fn covering<'h>(host: &'h HostPattern<'h>) -> Vec<HostPattern<'h>> {
    let mut hosts = vec![HostPattern::Any];
    match host {
        HostPattern::Any => {}
        HostPattern::Exact(name) => {
            hosts.push(HostPattern::Exact(name.as_ref().into()));
            hosts.extend(name.match_indices('.').map(|(dot, _)| HostPattern::Below(name[dot + 1..].into())));
        }
        HostPattern::Below(name) => {
            hosts.push(HostPattern::Below(name.as_ref().into()));
            hosts.extend(name.match_indices('.').map(|(dot, _)| HostPattern::Below(name[dot + 1..].into())));
        }
    }
    hosts
}
