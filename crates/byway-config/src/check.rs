//! `byway check`: what is wrong with rules that can be loaded, and whether they do what their examples say.
//!
//! Lints ([`crate::lints`]) and examples are run over one rule set; findings come out grouped by cause, the gravest first, in an
//! order that depends on nothing but the text. Of one cause only the first are kept, the rest is counted.

use std::collections::BTreeMap;
use std::path::Path;

use byway_core::ruleset::Scratch;

use crate::diagnostic::{Diagnostic, Edit, KEPT_PER_CAUSE, Severity, grouped};
use crate::examples::{Example, case_lines};
use crate::files::Files;
use crate::lints::{self, Findings};
use crate::load::Loaded;
use crate::locate::Locator;
use crate::span::{FileId, FileTable, LineIndex};

/// How to check.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// The moment, in seconds since 1970 UTC, at which examples are asked that say none.
    pub now: i64,
    /// How many findings of one cause are kept.
    pub kept_per_cause: usize,
}

impl CheckOptions {
    /// At this moment, keeping what a person will read.
    pub fn at(now: i64) -> CheckOptions {
        CheckOptions { now, kept_per_cause: KEPT_PER_CAUSE as usize * 4 }
    }

    /// At this moment, keeping what a program will read, up to ten thousand findings of one cause.
    ///
    /// ```
    /// use byway_config::check::CheckOptions;
    /// assert!(CheckOptions::all(0).kept_per_cause > CheckOptions::at(0).kept_per_cause);
    /// ```
    pub fn all(now: i64) -> CheckOptions {
        CheckOptions { now, kept_per_cause: 10_000 }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The findings that are shown, grouped by cause.
    pub findings: Vec<Diagnostic>,
    /// How many there were of each cause, shown or not.
    pub counts: Vec<Count>,
    /// How many examples were asked.
    pub examples: usize,
}

/// How often one cause was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// How bad it is.
    pub severity: Severity,
    /// The cause.
    pub code: &'static str,
    /// How often.
    pub count: u64,
}

impl Report {
    /// The gravest severity that was found.
    pub fn worst(&self) -> Option<Severity> {
        self.counts.iter().map(|count| count.severity).max()
    }

    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> u64 {
        self.counts.iter().filter(|count| count.severity == severity).map(|count| count.count).sum()
    }

    /// `2 errors (1 loop, 1 example), 3 notes`; empty where nothing was found.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        for severity in Severity::ALL.into_iter().rev() {
            let total = self.count(severity);
            if total > 0 {
                let plural = if total == 1 { "" } else { "s" };
                let causes: Vec<String> = self
                    .counts
                    .iter()
                    .filter(|count| count.severity == severity)
                    .map(|count| format!("{} {}", grouped(count.count), count.code))
                    .collect();
                parts.push(format!("{} {}{plural} ({})", grouped(total), severity.as_str(), causes.join(", ")));
            }
        }
        parts.join(", ")
    }
}

/// Checks what was loaded: diagnostics of the text, lints, examples.
///
/// ```
/// use byway_config::check::{CheckOptions, check};
/// use byway_config::files::MemoryFiles;
/// use byway_config::load::{LoadOptions, load};
/// let text = "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\nexamples = [\"GET /a -> 308 /b\"]\n";
/// let files = MemoryFiles::new([("byway.toml", text)]);
/// let loaded = load(&files, &["byway.toml".as_ref()], &LoadOptions::default());
/// let report = check(&loaded, &files, &CheckOptions::at(0));
/// assert_eq!(report.findings[0].message, "an example gets `307 /b`, not `308 /b`");
/// assert!(report.summary().starts_with("1 error (1 example)"));
/// ```
pub fn check(loaded: &Loaded, files: &dyn Files, options: &CheckOptions) -> Report {
    let mut findings = Findings::new(options.kept_per_cause);
    for diagnostic in &loaded.diagnostics {
        findings.push(diagnostic.clone());
    }
    if let Some(rules) = &loaded.rules {
        // Of a folder without a file it was said already.
        if rules.is_empty() && !loaded.diagnostics.iter().any(|said| said.code == "no-htaccess") {
            let help = no_rules_help(loaded);
            let what = match empty(loaded, files) {
                Some(path) => format!("{} is empty: there is no rule, and every request passes", path.display()),
                None => "there is no rule: every request passes".to_owned(),
            };
            findings.push(Diagnostic::warning("no-rules", what).help(help));
        }
        let mut locator = Locator::new(files, &loaded.files);
        lints::run(loaded, rules, options.now, &mut locator, &mut findings);
        run_examples(loaded, &mut locator, options.now, &mut findings);
    }
    Report { examples: loaded.examples.len(), ..findings.into_report() }
}

/// The first file, where nothing stands in any.
fn empty<'l>(loaded: &'l Loaded, files: &dyn Files) -> Option<&'l Path> {
    let holds_nothing = |path: &Path| {
        let read = files.open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut [0]));
        matches!(read, Ok(0))
    };
    let mut all = loaded.files.iter().map(|(_, file)| file.path.as_path());
    let first = all.next()?;
    std::iter::once(first).chain(all).all(holds_nothing).then_some(first)
}

/// What to write into files without a rule, in the words of the last one.
fn no_rules_help(loaded: &Loaded) -> &'static str {
    let last = loaded.files.iter().last();
    match last.and_then(|(_, source)| source.format).map(|format| format.name) {
        Some("toml") => "write a `[[redirect]]` with `from` and `to`",
        Some("csv" | "cloudflare") => "write a header, `from,to,status`, and a row for each rule",
        Some("redirects") => "write a line for each rule, as `/old /new 301`",
        Some("nginx") => "write a `server` with `location = /old { return 307 /new; }`",
        Some("apache" | "htaccess") => "write a line for each rule, as `Redirect 307 /old /new`",
        Some(_) => "compile a file that has some",
        None => "name a folder with a `.htaccess` in it, or a file of rules",
    }
}

fn run_examples(loaded: &Loaded, locator: &mut Locator<'_>, now: i64, findings: &mut Findings) {
    let Some(rules) = &loaded.rules else { return };
    let mut scratch = Scratch::new();
    for example in &loaded.examples {
        if let Some((diagnostic, rule)) = example.failure(rules, loaded.places(), now, &mut scratch) {
            findings.push(match rule.and_then(|rule| locator.source(&rules.rule(rule))) {
                Some(span) => diagnostic.also(span, "this rule decides"),
                None => diagnostic.label("no rule decides"),
            });
        }
    }
}

/// Adds the cases of a Markdown page (`--cases FILE.md`) to those that the rules carry; what is no case is said.
pub fn add_cases(loaded: &mut Loaded, files: &dyn Files, path: &Path) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut files.open(path)?, &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let file = loaded.files.add(path);
    let lines = LineIndex::new(&text);
    for range in case_lines(&text) {
        let span = lines.span(file, &text, range.clone());
        match Example::parse(&text[range.clone()], span) {
            Ok(example) => loaded.examples.push(example),
            Err(error) => {
                let at = lines.span(file, &text, range.start + error.at.start..range.start + error.at.end);
                loaded.errors += 1;
                loaded.diagnostics.push(Diagnostic::error("bad-example", error.what).at(at).help(error.help));
            }
        }
    }
    Ok(())
}

/// The edits of all findings, file by file, as new texts. Of two edits that touch the same bytes the first is taken; a finding
/// whose edits cannot all be taken is left as it is.
pub fn fixed(report: &Report, table: &FileTable, files: &dyn Files) -> std::io::Result<Vec<(FileId, Vec<u8>)>> {
    let mut edits: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
    for finding in &report.findings {
        let is_free = finding.fix.iter().all(|edit| {
            let taken = edits.get(&edit.span.file);
            taken.into_iter().flatten().all(|other| are_apart(edit, other))
        });
        if is_free {
            for edit in &finding.fix {
                edits.entry(edit.span.file).or_default().push(edit);
            }
        }
    }
    let mut texts = Vec::new();
    for (file, mut edits) in edits {
        let Some(source) = table.get(file) else { continue };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut files.open(&source.path)?, &mut bytes)?;
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
        for edit in edits {
            let range = edit.span.start.min(bytes.len())..edit.span.end.min(bytes.len());
            bytes.splice(range, edit.text.bytes());
        }
        texts.push((file, bytes));
    }
    Ok(texts)
}

/// Whether two edits touch no byte and no place in common.
fn are_apart(edit: &Edit, other: &Edit) -> bool {
    let (first, second) = if edit.span.start <= other.span.start { (edit, other) } else { (other, edit) };
    first.span.end <= second.span.start && first.span.start != second.span.start
}
