//! `byway check`: what is wrong with rule files, and whether they do what their examples say.
//!
//! Lints and examples are the business of `byway-config`; here stand the arguments, what is printed, and when the exit is 1.
//! What is found is the result, and goes to stdout.

use std::path::{Path, PathBuf};

use byway_config::check::{CheckOptions, Count, Report, add_cases, check, fixed};
use byway_config::diagnostic::{Diagnostic, Severity, grouped};
use byway_config::lints::{LINTS, named};
use byway_config::load::Loaded;
use byway_config::render::render;
use byway_config::report::{json, sarif};

use super::Run;
use crate::disk::Disk;
use crate::exit::{Ended, Exit, Failure};
use crate::rehearsal;
use crate::replace::replace;
use crate::rules::{self, Reading, count};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits: 0 clean · 1 findings at or above --fail-on · 2 arguments · 3 a file cannot be read")]
pub(crate) struct Check {
    /// The rule files; without one ./byway.toml
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Print SARIF, as code hosts show it beside the lines
    #[arg(long)]
    sarif: bool,
    /// From which severity on the exit is 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// Run the cases in the `requests` blocks of a Markdown page too, repeatable
    #[arg(long, value_name = "FILE.md")]
    cases: Vec<PathBuf>,
    /// Make the edits that findings offer, then check again
    #[arg(long)]
    fix: bool,
    /// Show every finding: without it, of many of one lint the first three are shown and the rest is counted
    #[arg(long)]
    all: bool,
    /// Print the page of a lint instead
    #[arg(long, value_name = "LINT", conflicts_with_all = ["files", "fix", "cases"])]
    explain: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

/// From which severity on there is something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Rules that cannot be loaded, or do not do what they say
    Error,
    /// What is probably not meant
    Warning,
    /// Anything at all
    Note,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            FailOn::Error => Severity::Error,
            FailOn::Warning => Severity::Warning,
            FailOn::Note => Severity::Note,
        }
    }
}

impl Run for Check {
    fn run(self, terminal: &mut Terminal) -> Ended {
        if let Some(lint) = &self.explain {
            terminal.print(explained(lint)?)?;
            return Ok(Exit::Done);
        }
        let roots = rules::roots(&self.files, "name the files to check")?;
        let (mut loaded, mut report) = self.look(&roots)?;
        if self.fix && fix(&loaded, &report, terminal)? {
            (loaded, report) = self.look(&roots)?;
        }
        self.print(&loaded, &report, terminal)?;
        // A file that cannot be read wins over what is wrong with the others.
        if loaded.rules.is_none() && rules::refusal(&loaded).exit == Exit::NoVerdict {
            return Ok(Exit::NoVerdict);
        }
        let is_bad = report.worst().is_some_and(|worst| worst >= self.fail_on.severity());
        Ok(if is_bad { Exit::Something } else { Exit::Done })
    }
}

impl Check {
    fn look(&self, roots: &[PathBuf]) -> Result<(Loaded, Report), Failure> {
        let mut loaded = self.reading.load(roots);
        for page in &self.cases {
            add_cases(&mut loaded, &Disk, page).map_err(|error| unreadable(page, &error))?;
        }
        if loaded.rules.is_some() {
            loaded.diagnostics.extend(rehearsal::obstacles(&loaded.settings).into_iter().map(cannot_start));
        }
        let report = check(&loaded, &Disk, &self.options());
        Ok((loaded, report))
    }

    /// Programs are told everything, and every edit is made.
    fn options(&self) -> CheckOptions {
        match self.all || self.json || self.sarif || self.fix {
            true => CheckOptions::all(rules::now()),
            false => CheckOptions::at(rules::now()),
        }
    }

    fn print(&self, loaded: &Loaded, report: &Report, terminal: &mut Terminal) -> Result<(), Failure> {
        if self.json {
            return terminal.print(&format!("{:#}\n", json(report, &loaded.files)));
        }
        if self.sarif {
            return terminal.print(&format!("{:#}\n", sarif(report, &loaded.files, env!("CARGO_PKG_VERSION"))));
        }
        let most = if self.all { usize::MAX } else { SHOWN };
        for alike in report.findings.chunk_by(|one, other| (one.severity, one.code) == (other.severity, other.code)) {
            let (shown, more) = shortened(alike, most, report);
            for finding in shown.iter().chain(&more) {
                terminal.print(&render(finding, &loaded.files, &Disk, terminal.colour))?;
            }
        }
        terminal.print(&summary(loaded, report))
    }
}

/// How many findings of one lint are shown.
const SHOWN: usize = 3;

/// Findings of one lint as they are shown, and a line on the others.
fn shortened<'f>(alike: &'f [Diagnostic], most: usize, report: &Report) -> (&'f [Diagnostic], Option<Diagnostic>) {
    let (severity, code) = (alike[0].severity, alike[0].code);
    if named(code).is_none() {
        return (alike, None);
    }
    let is_it = |count: &&Count| (count.severity, count.code) == (severity, code);
    let all = report.counts.iter().find(is_it).map_or(alike.len() as u64, |count| count.count);
    // A line on one more is no shorter than that one.
    let shown = if all > (most as u64).saturating_add(1) { &alike[..most.min(alike.len())] } else { alike };
    let more = all - shown.len() as u64;
    let what = match most {
        usize::MAX => format!("{} more like these", grouped(more)),
        _ => format!("{} more like these: `--all` shows them", grouped(more)),
    };
    (shown, (more > 0).then(|| Diagnostic::new(severity, code, what)))
}

/// A finding that concerns this machine, and perhaps not the one that will serve: so it is no error.
fn cannot_start(why: Failure) -> Diagnostic {
    let finding = Diagnostic::warning("cannot-start", format!("`byway serve` would not start here: {}", why.message));
    match why.help {
        Some(help) => finding.help(help),
        None => finding,
    }
}

fn explained(lint: &str) -> Result<&'static str, Failure> {
    let known = || LINTS.iter().map(|lint| lint.name).collect::<Vec<_>>().join(", ");
    let found = named(lint)
        .ok_or_else(|| Failure::usage(format!("there is no lint `{lint}`")).help(format!("there are {}", known())))?;
    Ok(found.page)
}

fn unreadable(page: &Path, error: &std::io::Error) -> Failure {
    Failure::no_verdict(format!("{} cannot be read: {error}", page.display()))
}

/// Writes the files that the findings' edits make; says whether there were any.
fn fix(loaded: &Loaded, report: &Report, terminal: &Terminal) -> Result<bool, Failure> {
    let texts = fixed(report, &loaded.files, &Disk)
        .map_err(|error| Failure::no_verdict(format!("nothing was fixed: {error}")))?;
    for (file, bytes) in &texts {
        let Some(file) = loaded.files.get(*file) else { continue };
        replace(&file.path, bytes)
            .map_err(|error| Failure::no_verdict(format!("{} cannot be written: {error}", file.name)))?;
        terminal.say(&format!("{} was fixed", file.name));
    }
    Ok(!texts.is_empty())
}

/// The last line: what was looked at, and what came of it.
fn summary(loaded: &Loaded, report: &Report) -> String {
    let asked = count(report.examples as u64, "example");
    let found = match report.summary() {
        found if found.is_empty() => "nothing to report".to_owned(),
        found => found,
    };
    match &loaded.rules {
        Some(rules) => format!("{}, {asked}: {found}\n", count(rules::written(loaded, rules), "rule")),
        None => format!("the rules cannot be loaded: {found}\n"),
    }
}
