//! Lints: named checks of rules that can be loaded. One file each, one row each in [`LINTS`].
//!
//! A lint opens with its manual page, and the page runs as a test: its example must fire, what stands under "Instead" must not,
//! and where there is a fix it turns the one into the other. A lint speaks only with proof; where it cannot know, it says
//! nothing. All lints see the rules in one pass, and keep hashes and numbers, never rules.

mod chains;
mod dead_pattern;
mod decoded_capture;
mod default_status;
mod double_slash;
mod duplicate_id;
mod duplicate_source;
mod header_split;
mod host_echo;
mod long_chain;
mod loops;
mod method_lost;
mod missing_group;
mod missing_scheme;
mod missing_twin;
mod open_brace;
pub(crate) mod open_redirect;
mod or_at_the_end;
mod over;
mod past_review;
mod permanent_with_end;
mod pooled_permanent;
mod prefix_for_one;
mod proof;
mod query_in_path;
mod redirect_to_itself;
mod redirect_without_last;
mod replaced_temporary;
mod review_without_since;
mod rewrite_loop;
mod rewrite_status;
mod slash_mismatch;
mod stale_temporary;
mod tail_dropped;
mod typographic_quote;
mod unknown_variable;
mod unreachable;

pub(crate) use decoded_capture::{may_hold_control, may_hold_line_feed};
use std::collections::{BTreeMap, BTreeSet};

use byway_core::rule::Action;
use byway_core::ruleset::{RuleSet, RuleView};
use byway_core::source::{PathPattern, Source};

use self::proof::Doubts;
use crate::accepted::Accepted;
use crate::check::{Count, Report};
use crate::diagnostic::{Diagnostic, Severity};
use crate::foreign::TAKEN_FOR_PATH;
use crate::load::Loaded;
use crate::locate::Locator;
use crate::remarks::Remark;
use crate::span::FileId;
use crate::written::{Door, Slip, Written};

/// A lint.
#[derive(Debug)]
pub struct Lint {
    /// Its name, as `--explain` takes it.
    pub name: &'static str,
    /// How bad what it finds is.
    pub severity: Severity,
    /// One sentence.
    pub summary: &'static str,
    /// Its manual page, in Markdown.
    pub page: &'static str,
}

/// All lints, the gravest first.
pub static LINTS: &[&Lint] = &[
    &loops::LINT,
    &rewrite_loop::LINT,
    &open_redirect::LINT,
    &duplicate_id::LINT,
    &header_split::LINT,
    &slash_mismatch::LINT,
    &dead_pattern::LINT,
    &query_in_path::LINT,
    &missing_scheme::LINT,
    &double_slash::LINT,
    &redirect_without_last::LINT,
    &unknown_variable::LINT,
    &open_brace::LINT,
    &missing_group::LINT,
    &or_at_the_end::LINT,
    &typographic_quote::LINT,
    &method_lost::LINT,
    &rewrite_status::LINT,
    &default_status::LINT,
    &unreachable::LINT,
    &duplicate_source::LINT,
    &redirect_to_itself::LINT,
    &long_chain::LINT,
    &tail_dropped::LINT,
    &permanent_with_end::LINT,
    &pooled_permanent::LINT,
    &past_review::LINT,
    &review_without_since::LINT,
    &stale_temporary::LINT,
    &replaced_temporary::LINT,
    &over::LINT,
    &host_echo::LINT,
    &decoded_capture::LINT,
    &prefix_for_one::LINT,
    &missing_twin::LINT,
];

/// What each row starts.
fn watchers() -> Vec<Box<dyn Watcher>> {
    vec![
        Box::new(chains::Chains::default()),
        Box::new(open_redirect::OpenRedirect::default()),
        Box::new(duplicate_id::DuplicateId::default()),
        Box::new(header_split::HeaderSplit),
        Box::new(slash_mismatch::SlashMismatch),
        Box::new(dead_pattern::DeadPattern),
        Box::new(query_in_path::QueryInPath),
        Box::new(missing_scheme::MissingScheme),
        Box::new(double_slash::DoubleSlash),
        Box::new(redirect_without_last::RedirectWithoutLast),
        Box::new(unknown_variable::UnknownVariable),
        Box::new(open_brace::OpenBrace),
        Box::new(missing_group::NoGroup),
        Box::new(or_at_the_end::OrAtTheEnd),
        Box::new(typographic_quote::TypographicQuote),
        Box::new(method_lost::MethodLost),
        Box::new(rewrite_status::RewriteStatus),
        Box::new(default_status::DefaultStatus),
        Box::new(unreachable::Unreachable::default()),
        Box::new(duplicate_source::DuplicateSource::default()),
        Box::new(redirect_to_itself::RedirectToItself),
        Box::new(tail_dropped::TailDropped),
        Box::new(permanent_with_end::PermanentWithEnd),
        Box::new(pooled_permanent::PooledPermanent),
        Box::new(past_review::PastReview),
        Box::new(review_without_since::ReviewWithoutSince),
        Box::new(stale_temporary::StaleTemporary),
        Box::new(replaced_temporary::ReplacedTemporary::default()),
        Box::new(over::Over),
        Box::new(host_echo::HostEcho),
        Box::new(decoded_capture::DecodedCapture),
        Box::new(prefix_for_one::PrefixForOne),
        Box::new(missing_twin::MissingTwin::default()),
    ]
}

/// The lint with this name.
///
/// ```
/// assert!(byway_config::lints::named("loop").unwrap().page.contains("## Instead"));
/// ```
pub fn named(name: &str) -> Option<&'static Lint> {
    LINTS.iter().copied().find(|lint| lint.name == name)
}

/// A rule, taken apart once for all lints.
pub(crate) struct Seen<'s> {
    pub(crate) rule: RuleView<'s>,
    pub(crate) source: Source<'s>,
    pub(crate) action: Action<'s>,
    /// Whether nothing but the source is asked, at any time.
    pub(crate) is_unconditional: bool,
}

impl<'s> Seen<'s> {
    pub(crate) fn of(rule: RuleView<'s>) -> Seen<'s> {
        let is_unconditional =
            rule.conditions().is_empty() && rule.since().is_none() && rule.until().is_none() && !rule.has_window();
        Seen { source: rule.source(), action: rule.action(), rule, is_unconditional }
    }

    /// Whether the rule is of our own dialect. The tables of other servers are entered under conditions that a comparison of two
    /// rules does not see.
    pub(crate) fn is_own(&self) -> bool {
        *self.rule.dialect() == byway_core::dialect::BYWAY
    }

    /// Whether nothing in the source or the conditions holds any path back.
    pub(crate) fn may_be_anything(&self) -> bool {
        let is_open = match &self.source.path {
            PathPattern::BytePrefix { .. } | PathPattern::Prefix(_) => true,
            PathPattern::Regex(_) | PathPattern::Exact(_) | PathPattern::Segments { .. } => false,
        };
        is_open && self.rule.conditions().is_empty()
    }

    /// Whether everything below a path is meant.
    pub(crate) fn has_tail(&self) -> bool {
        matches!(self.source.path, PathPattern::Prefix(_) | PathPattern::Segments { tail: true, .. })
    }
}

/// Where the rules of a set may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Targets {
    /// Anywhere.
    #[default]
    Anywhere,
    /// To the hosts of `[policy] target_hosts`: whatever leads elsewhere was refused when it was read.
    Listed,
}

/// What a lint works with.
pub(crate) struct Scene<'a, 'l> {
    pub(crate) rules: &'a RuleSet,
    pub(crate) locator: &'a mut Locator<'l>,
    pub(crate) findings: &'a mut Findings,
    /// The moment that samples are asked at.
    pub(crate) now: i64,
    /// How far captures may lead.
    pub(crate) targets: Targets,
    /// How old a temporary redirect may be, in seconds.
    pub(crate) temporary_max_age: i64,
    /// What the comments of other servers' texts accept.
    pub(crate) accepted: &'a Accepted,
    /// The servers of other servers' texts.
    pub(crate) doors: &'a [Door],
    /// What is not quite known of their rules.
    pub(crate) doubts: Doubts,
    /// The rules whose target is a path here and may be anything on the server that they were written for.
    pub(crate) taken_for_paths: BTreeSet<(FileId, u32)>,
}

impl Scene<'_, '_> {
    /// Reports a finding about a rule; `make` is called only for those that are kept.
    pub(crate) fn report(
        &mut self,
        lint: &Lint,
        rule: &RuleView<'_>,
        make: impl FnOnce(&mut Locator<'_>) -> Diagnostic,
    ) {
        // Somebody has looked at it and accepted it.
        let place = rule.place();
        if rule.allows(lint.name) || self.accepted.holds(place.file, place.line, lint.name) {
            return;
        }
        if self.findings.count(lint.severity, lint.name) {
            let diagnostic = make(self.locator);
            self.findings.keep(diagnostic);
        }
    }
}

impl Scene<'_, '_> {
    /// Reports a word of another server's text that its server takes for something else; `make` need not say where.
    pub(crate) fn report_slip(&mut self, lint: &Lint, slip: &Slip, make: impl FnOnce() -> Diagnostic) {
        let is_accepted = self.accepted.holds(slip.at.file, slip.at.line, lint.name);
        if !is_accepted && self.findings.count(lint.severity, lint.name) {
            self.findings.keep(make().at(slip.at.clone()));
        }
    }

    /// Reports a finding about a statement of another server's text.
    pub(crate) fn report_written(&mut self, lint: &Lint, written: &Written, make: impl FnOnce() -> Diagnostic) {
        let is_accepted = self.accepted.holds(written.span.file, written.span.line, lint.name);
        if !is_accepted && self.findings.count(lint.severity, lint.name) {
            self.findings.keep(make());
        }
    }
}

/// A lint at work.
pub(crate) trait Watcher {
    /// Sees one rule; rules come in the order in which they were read.
    fn see(&mut self, _seen: &Seen<'_>, _scene: &mut Scene<'_, '_>) {}

    /// Sees one statement of another server's text, as it stands there; they come before all rules, file by file.
    fn see_written(&mut self, _written: &Written, _scene: &mut Scene<'_, '_>) {}

    /// Has seen them all.
    fn end(&mut self, _scene: &mut Scene<'_, '_>) {}
}

/// Half a year: search engines take a temporary redirect for a permanent one after months.
const TEMPORARY_MAX_AGE: i64 = 180 * 86_400;

/// Runs all lints.
pub(crate) fn run(loaded: &Loaded, rules: &RuleSet, now: i64, locator: &mut Locator<'_>, findings: &mut Findings) {
    let temporary_max_age = loaded.temporary_max_age.unwrap_or(TEMPORARY_MAX_AGE);
    let is_taken = |remark: &&Remark| remark.verdict.why() == Some(TAKEN_FOR_PATH);
    let taken = loaded.remarks.kept.iter().filter(is_taken).filter_map(|remark| remark.span.as_ref());
    let taken_for_paths = taken.map(|span| (span.file, span.line)).collect();
    let (targets, accepted, doors) = (loaded.targets, &loaded.accepted, loaded.doors.as_slice());
    let doubts = Doubts::of(&loaded.remarks);
    let mut scene =
        Scene { rules, locator, findings, now, targets, temporary_max_age, accepted, doors, doubts, taken_for_paths };
    if loaded.written.len() >= crate::written::KEPT {
        let message = format!(
            "the texts of the first {} statements were looked at, and those behind them were not",
            crate::diagnostic::grouped(crate::written::KEPT as u64)
        );
        scene.findings.push(Diagnostic::note("not-all-looked-at", message).help("check the files one by one"));
    }
    let mut watchers = watchers();
    for written in &loaded.written {
        for watcher in &mut watchers {
            watcher.see_written(written, &mut scene);
        }
    }
    for rule in rules.rules() {
        let seen = Seen::of(rule);
        for watcher in &mut watchers {
            watcher.see(&seen, &mut scene);
        }
    }
    for watcher in &mut watchers {
        watcher.end(&mut scene);
    }
}

/// Findings as they come, counted by cause.
pub(crate) struct Findings {
    kept_per_cause: u64,
    counts: BTreeMap<(std::cmp::Reverse<Severity>, usize, &'static str), u64>,
    kept: Vec<Diagnostic>,
}

impl Findings {
    pub(crate) fn new(kept_per_cause: usize) -> Findings {
        Findings { kept_per_cause: kept_per_cause as u64, counts: BTreeMap::new(), kept: Vec::new() }
    }

    /// Counts one; whether it is to be kept.
    fn count(&mut self, severity: Severity, code: &'static str) -> bool {
        let count = self.counts.entry(rank(severity, code)).or_default();
        *count += 1;
        *count <= self.kept_per_cause
    }

    fn keep(&mut self, diagnostic: Diagnostic) {
        self.kept.push(diagnostic);
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        // What was said of the text is kept: there it was counted already.
        self.count(diagnostic.severity, diagnostic.code);
        self.keep(diagnostic);
    }

    /// Everything, grouped by cause.
    pub(crate) fn into_report(mut self) -> Report {
        self.kept.sort_by_key(|finding| rank(finding.severity, finding.code));
        let counts = self
            .counts
            .iter()
            .map(|((severity, _, code), count)| Count { severity: severity.0, code, count: *count })
            .collect();
        Report { findings: self.kept, counts, examples: 0 }
    }
}

/// The order of causes: the gravest first, text before lints, lints in the order of their table.
fn rank(severity: Severity, code: &'static str) -> (std::cmp::Reverse<Severity>, usize, &'static str) {
    let place = LINTS.iter().position(|lint| lint.name == code).map_or(0, |place| place + 1);
    (std::cmp::Reverse(severity), place, code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CheckOptions, check, fixed};
    use crate::files::MemoryFiles;
    use crate::load::{LoadOptions, load};

    /// A page has a block for each text that its lint is for: how it opens, and what its file is called.
    const TEXTS: [(&str, &str); 4] = [
        ("```toml\n", "byway.toml"),
        ("```nginx\n", "nginx.conf"),
        ("```apache\n", "httpd.conf"),
        ("```htaccess\n", ".htaccess"),
    ];

    /// The first block of a kind under a heading, if there is one before the next heading.
    fn block<'p>(page: &'p str, heading: &str, opening: &str) -> Option<&'p str> {
        let (_, rest) = page.split_once(heading).expect(heading);
        let (section, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
        let (_, rest) = section.split_once(opening)?;
        Some(rest.split_once("```").expect("an end of the block").0)
    }

    fn checked(name: &str, text: &str) -> (Report, MemoryFiles, Loaded) {
        let files = MemoryFiles::new([(name, text)]);
        let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
        assert!(loaded.rules.is_some(), "{text}\n{:?}", loaded.diagnostics);
        (check(&loaded, &files, &CheckOptions::at(1_800_000_000)), files, loaded)
    }

    #[test]
    fn every_page_runs() {
        for lint in LINTS {
            let mut tried = 0;
            for (opening, name) in TEXTS {
                let example = block(lint.page, "## Example", opening);
                let instead = block(lint.page, "## Instead", opening);
                assert_eq!(example.is_some(), instead.is_some(), "{}: a block stands alone", lint.name);
                if let (Some(example), Some(instead)) = (example, instead) {
                    runs(lint, name, example, instead);
                    tried += 1;
                }
            }
            assert!(tried > 0, "{} has no example", lint.name);
        }
    }

    fn runs(lint: &Lint, name: &str, example: &str, instead: &str) {
        let (report, files, loaded) = checked(name, example);
        let found: Vec<&Diagnostic> = report.findings.iter().filter(|finding| finding.code == lint.name).collect();
        assert!(!found.is_empty(), "{} does not fire on its example: {:?}", lint.name, report.findings);
        assert!(
            found.iter().all(|finding| finding.severity == lint.severity && finding.primary.is_some()),
            "{}",
            lint.name
        );
        let after = checked(name, instead).0;
        assert!(
            after.findings.iter().all(|finding| finding.code != lint.name),
            "{} fires on what is better: {:?}",
            lint.name,
            after.findings
        );
        if found.iter().any(|finding| !finding.fix.is_empty()) {
            let only = Report { findings: found.into_iter().cloned().collect(), ..Report::default() };
            let texts = fixed(&only, &loaded.files, &files).expect("memory can be read");
            assert_eq!(String::from_utf8_lossy(&texts[0].1), instead, "the fix of {}", lint.name);
        }
        if name != "byway.toml" {
            let accepted: String =
                example.lines().map(|line| format!("# byway: allow {}\n{line}\n", lint.name)).collect();
            let report = checked(name, &accepted).0;
            assert!(report.findings.iter().all(|finding| finding.code != lint.name), "{} is not accepted", lint.name);
        }
    }

    #[test]
    fn names_are_unique_and_pages_begin_with_them() {
        for (place, lint) in LINTS.iter().enumerate() {
            assert!(lint.page.starts_with(&format!("# {}\n", lint.name)), "{}", lint.name);
            assert!(
                LINTS[..place].iter().all(|other| other.name != lint.name && other.severity >= lint.severity),
                "{}",
                lint.name
            );
        }
    }
}
