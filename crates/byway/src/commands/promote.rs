//! `byway promote`: turns a temporary redirect into a permanent one in its text, after the checks that a careful person makes.
//!
//! 307 becomes 308 and 302 becomes 301. Browsers keep permanent redirects, and search engines move on: so the target must answer,
//! the rule must have stood for a while, and no client in the logs may be one that stops at a 308. What is not known is not
//! taken for good; `--force` goes on and names what it skips. The text is edited at that one place (`byway_config::promotion`).

use std::path::PathBuf;

use byway_config::promotion::{NotWritten, Statuses, line_of_from, with_status};
use byway_config::span::FileTable;
use byway_core::ruleset::RuleView;
use byway_core::status::RedirectStatus;
use byway_core::{Action, RuleSet};

use super::{Run, unreadable};
use crate::disk::not_made;
use crate::exit::{Ended, Exit, Failure};
use crate::listing::{day, named, parse_days};
use crate::logs;
use crate::probe::{self, Plan, Said};
use crate::replace::replace;
use crate::rules::{self, Reading};
use crate::sources::{self, Sources};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits: 0 promoted, or would be · 1 a check fails · 2 arguments or rule text · 3 could not")]
pub(crate) struct Promote {
    /// The rule: its id, its identity, its source, or FILE:LINE
    #[arg(value_name = "RULE")]
    rule: String,
    /// The rule files; without one ./byway.toml
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on although a check fails or cannot be made; it is named
    #[arg(long)]
    force: bool,
    /// How long the rule must have been as it is
    #[arg(long, value_name = "DAYS", value_parser = parse_days, default_value = "30d")]
    stable: i64,
    /// The database of hits; `[server] hits` by default
    #[arg(long, value_name = "FILE")]
    hits: Option<PathBuf>,
    /// An access log with user agents, repeatable; `[server.access_log]` by default
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// What stands before a target that begins with /: `https://www.example.com`
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
    #[command(flatten)]
    reading: Reading,
}

/// Clients that stop at a 308, by what their User-Agent holds, and why.
const STOPPING: &[(&str, &str)] = &[
    ("Java/", "Java's HttpURLConnection hands the 308 to its caller"),
    ("Python-urllib/2.", "urllib of Python 2 knows no 308"),
    ("Python-urllib/3.10", "urllib knows 308 since Python 3.11"),
    ("Python-urllib/3.9", "urllib knows 308 since Python 3.11"),
    ("Python-urllib/3.8", "urllib knows 308 since Python 3.11"),
    ("Python-urllib/3.7", "urllib knows 308 since Python 3.11"),
    ("Python-urllib/3.6", "urllib knows 308 since Python 3.11"),
    ("Trident/7.0; rv:11.0", "Internet Explorer 11 before Windows 10 knows no 308"),
    ("MSIE ", "Internet Explorer knows no 308"),
];

/// A check, and what came of it.
enum Checked {
    Passed(String),
    Failed(String),
}

impl Run for Promote {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let roots = rules::roots(&self.files, "name the files that hold the rule")?;
        let (rules, loaded) = self.reading.rules(&roots, terminal.message_colour)?;
        let rule = self.find(&rules, &loaded.files)?;
        let (from, to) = statuses(rule)?;
        let text = edited(rule, &loaded.files, to)?;
        terminal.print(&format!("{}\n", named(rule)))?;
        let database = self.hits.clone().or(loaded.settings.hits.as_ref().map(PathBuf::from));
        let mut logs = self.log.clone();
        if logs.is_empty() {
            logs.extend(loaded.settings.access_log.as_ref().map(|log| PathBuf::from(&log.path)));
        }
        let checks =
            [ending(rule), self.target(rule)?, self.stable(&rules, rule, database)?, clients(&rules, rule, to, &logs)?];
        let mut failed = 0;
        for check in &checks {
            match check {
                Checked::Passed(what) => terminal.print(&format!("  ok       {what}\n"))?,
                Checked::Failed(what) => {
                    failed += 1;
                    terminal.print(&format!("  {}  {what}\n", if self.force { "skipped" } else { "fails  " }))?;
                }
            }
        }
        if failed > 0 && !self.force {
            terminal.say("byway: nothing was changed\n  help: mend what fails, or `--force`");
            return Ok(Exit::Something);
        }
        let place = format!("{}:{}", rule.file_name(), rule.place().line);
        if self.dry_run {
            terminal.print(&format!("{place} would be promoted: {} -> {}\n", shown(from), shown(to)))?;
            return Ok(Exit::Done);
        }
        let (path, text) = text;
        replace(&path, text.as_bytes()).map_err(|error| {
            Failure::no_verdict(format!("{} cannot be written: {}", path.display(), not_made(&path, &error)))
        })?;
        terminal.print(&format!("{place} was promoted: {} -> {}\n", shown(from), shown(to)))?;
        Ok(Exit::Done)
    }
}

impl Promote {
    fn find<'r>(&self, rules: &'r RuleSet, files: &FileTable) -> Result<RuleView<'r>, Failure> {
        let wanted = in_its_text(&self.rule, files);
        let wanted = wanted.as_deref().unwrap_or(&self.rule);
        let is_meant = |rule: &RuleView<'_>| {
            let place = format!("{}:{}", rule.file_name(), rule.place().line);
            rule.identity().to_string() == self.rule || rule.source().to_string() == self.rule || place == wanted
        };
        let mut found = rules.rules().filter(is_meant);
        let rule = found.next().ok_or_else(|| {
            Failure::usage(format!("no rule is `{}`", self.rule)).help("`byway rules` lists them with file and line")
        })?;
        match found.next() {
            None => Ok(rule),
            Some(second) => Err(Failure::usage(format!("`{}` is more than one rule", self.rule)).help(format!(
                "name one by its place: {}:{}",
                second.file_name(),
                second.place().line
            ))),
        }
    }

    fn target(&self, rule: RuleView<'_>) -> Result<Checked, Failure> {
        let Action::Redirect { target, .. } = rule.action() else { return Ok(Checked::Failed(String::new())) };
        let url = match (target.constant(), &self.origin) {
            (Some(text), Some(origin)) if text.starts_with('/') => format!("{}{text}", origin.trim_end_matches('/')),
            (Some(text), None) if text.starts_with('/') => {
                return Ok(Checked::Failed(format!("{text} cannot be asked; `--origin` says where it is")));
            }
            (Some(text), _) => text.to_owned(),
            (None, _) => {
                let text = rule.target_text();
                return Ok(Checked::Failed(format!("{text} cannot be asked: a request decides where it leads")));
            }
        };
        let plan = Plan { targets: vec![probe::Target { url: url.clone(), rules: Vec::new() }], ..Plan::default() };
        let asked = probe::ask_all(plan)?;
        Ok(match asked.targets.first() {
            Some((_, Said::Alive(status))) => Checked::Passed(format!("{url} answers {status}")),
            Some((_, said)) => Checked::Failed(format!("{url} does not answer well: {}", said.words())),
            None => Checked::Failed(format!("{url} was not asked")),
        })
    }

    fn stable(&self, rules: &RuleSet, rule: RuleView<'_>, database: Option<PathBuf>) -> Result<Checked, Failure> {
        let days = self.stable / 86_400;
        if database.is_none() {
            let what =
                format!("since when it is as it is, nobody knows (it wants {days} days); `--hits` names a database");
            return Ok(Checked::Failed(what));
        }
        let now = rules::now();
        let known = sources::read(&Sources { database, merged: &[], log_host: "localhost" }, rules, now)?;
        let kept = known.rules.get(&rules.identity_numbers().of(rule)).copied().unwrap_or_default();
        Ok(match kept.unchanged_since {
            Some(since) if since <= now - self.stable => Checked::Passed(format!("unchanged since {}", day(since))),
            Some(since) => Checked::Failed(format!("unchanged since {} only; it wants {days} days", day(since))),
            None => Checked::Failed(format!("no server has seen this rule yet; it wants {days} days")),
        })
    }
}

/// A place in a rule as the place by which the rule is known, that of its `from`: people name the line of `[[redirect]]` too.
fn in_its_text(place: &str, files: &FileTable) -> Option<String> {
    let (name, line) = place.rsplit_once(':')?;
    let line = line.parse().ok()?;
    let (_, file) = files.iter().find(|(_, file)| file.name == name)?;
    let text = std::fs::read_to_string(&file.path).ok()?;
    line_of_from(&text, line).map(|from| format!("{name}:{from}"))
}

/// A rule that ends is no permanent one.
fn ending(rule: RuleView<'_>) -> Checked {
    match rule.until() {
        Some(until) => Checked::Failed(format!("it ends on {}: take `until` away first", day(until))),
        None => Checked::Passed("it has no end".to_owned()),
    }
}

/// The status that a rule has, and the permanent one.
fn statuses(rule: RuleView<'_>) -> Result<(Statuses, Statuses), Failure> {
    let Action::Redirect { status, .. } = rule.action() else {
        return Err(Failure::usage("this rule sends nobody elsewhere").help("only redirects are promoted"));
    };
    let permanent = |status: RedirectStatus| match status {
        RedirectStatus::TemporaryRedirect => Ok(RedirectStatus::PermanentRedirect.number()),
        RedirectStatus::Found => Ok(RedirectStatus::MovedPermanently.number()),
        RedirectStatus::SeeOther => Err(Failure::usage("this rule answers 303, which has no permanent twin")
            .help("303 sends to another page about what was done; leave it")),
        other => Ok(other.number()),
    };
    let from = Statuses { get: status.get.number(), other: status.other.number() };
    let to = Statuses { get: permanent(status.get)?, other: permanent(status.other)? };
    match from == to {
        true => Err(Failure { exit: Exit::Something, ..Failure::usage("this rule is permanent already") }),
        false => Ok((from, to)),
    }
}

/// The file, and its text with the other status.
fn edited(rule: RuleView<'_>, files: &FileTable, to: Statuses) -> Result<(PathBuf, String), Failure> {
    let place = rule.place();
    let elsewhere = || {
        Failure::usage(format!("{}:{} is not a rule of a byway.toml", rule.file_name(), place.line))
            .help("change its status by hand: only our own TOML is edited")
    };
    let file = files.get(place.file).ok_or_else(elsewhere)?;
    if file.path.extension().is_none_or(|extension| extension != "toml") {
        return Err(elsewhere());
    }
    let text = std::fs::read_to_string(&file.path).map_err(|error| unreadable(&file.path, &error))?;
    let new = with_status(&text, place.line, to).map_err(|why| match why {
        NotWritten::NoRule => elsewhere(),
        NotWritten::Broken => Failure::no_verdict(format!("{} changed while it was read", file.name)),
    })?;
    Ok((file.path.clone(), new))
}

/// Whether a client that met this rule stops at the new status.
fn clients(rules: &RuleSet, rule: RuleView<'_>, to: Statuses, logs: &[PathBuf]) -> Result<Checked, Failure> {
    let is_308 = |status: u16| status == RedirectStatus::PermanentRedirect.number();
    if !is_308(to.get) && !is_308(to.other) {
        return Ok(Checked::Passed("every client follows this status".to_owned()));
    }
    if logs.is_empty() {
        return Ok(Checked::Failed("which clients come, nobody knows; `--log` names an access log".to_owned()));
    }
    let (mut met, mut stopping) = (0_u64, None);
    for path in logs {
        let remark = logs::each_of_rule(path, rules, rule.number(), |entry| {
            met += 1;
            let agent = entry.agent.as_deref().unwrap_or_default();
            let known = STOPPING.iter().find(|(part, _)| agent.contains(part));
            stopping = stopping.or(known.map(|(part, why)| (*part, *why)));
        })?;
        if let Some(remark) = remark {
            crate::terminal::say(&remark);
        }
    }
    Ok(match stopping {
        Some((part, why)) => Checked::Failed(format!("a client with `{part}` in its User-Agent came: {why}")),
        None => Checked::Passed(format!("no client that stops at 308 among {}", rules::count(met, "request"))),
    })
}

fn shown(statuses: Statuses) -> String {
    let Statuses { get, other } = statuses;
    if get == other { get.to_string() } else { format!("{get} for GET, {other} for others") }
}
