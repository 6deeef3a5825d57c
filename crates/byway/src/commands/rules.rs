//! `byway rules`: the rules with their age, hits, last hit, end and owner; those that nobody uses; where they can send to.
//!
//! Hits come from the databases that servers keep and from the access logs of others; what no source has watched long enough is
//! said to be unknown. What is listed is put together in `listing.rs`, logs are read in `logs.rs`, targets in `targets.rs`.

use std::path::PathBuf;

use super::Run;
use crate::exit::{Ended, Exit, Failure};
use crate::listing::{self, Listing};
use crate::probe;
use crate::rules::{self, Reading};
use crate::sources::{self, Sources};
use crate::targets;
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits: 0 listed · 2 arguments or rule text · 3 a file or a database cannot be read")]
pub(crate) struct Rules {
    /// The rule files; without one ./byway.toml
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The database of hits; `[server] hits` by default
    #[arg(long, value_name = "FILE")]
    hits: Option<PathBuf>,
    /// Hits of another node's database, or an access log of nginx, Apache or byway, decided by these rules; repeatable
    #[arg(long, value_name = "FILE")]
    merge: Vec<PathBuf>,
    /// The host of requests in logs that name none
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    log_host: String,
    /// Only rules without a hit for so long, as 90d; `unknown` where nobody has watched for as long
    #[arg(long, value_name = "DAYS", value_parser = listing::parse_days, conflicts_with_all = ["targets", "probe"])]
    unused: Option<i64>,
    /// Every origin that rules can send to: with how many rules, whether bodies may go there, whether it resolves
    #[arg(long, conflicts_with = "probe")]
    targets: bool,
    /// Ask every target that stands fast whether it is there: one request a second to each host
    #[arg(long)]
    probe: bool,
    /// What stands before targets that begin with /, for --probe: `https://www.example.com`
    #[arg(long, value_name = "ORIGIN", requires = "probe")]
    origin: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

impl Run for Rules {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let roots = rules::roots(&self.files, "name the files to list")?;
        let (rules, loaded) = self.reading.rules(&roots, terminal.message_colour)?;
        if self.targets {
            let origins = targets::origins(&rules);
            let text = if self.json { json_text(&targets::json(&origins)) } else { targets::text(&origins) };
            terminal.print(&text)?;
            return Ok(Exit::Done);
        }
        if self.probe {
            let plan = probe::plan(&rules, self.origin.as_deref())?;
            let asked = probe::ask_all(plan)?;
            let text = if self.json { json_text(&probe::json(&rules, &asked)) } else { probe::text(&rules, &asked) };
            terminal.print(&text)?;
            return Ok(Exit::Done);
        }
        let database = self.hits.clone().or(loaded.settings.hits.as_ref().map(PathBuf::from));
        let now = rules::now();
        let wanted = Sources { database, merged: &self.merge, log_host: &self.log_host };
        let known = sources::read(&wanted, &rules, now)?;
        known.remarks.iter().for_each(|remark| terminal.say(remark));
        let listing = Listing::of(&rules, &known, now, self.unused);
        let text = if self.json { json_text(&listing.json()) } else { listing.text() };
        terminal.print(&text)?;
        Ok(Exit::Done)
    }
}

fn json_text(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// A place that cannot be read, with the system's reason in words.
pub(crate) fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::no_verdict(format!("{} cannot be read: {}", path.display(), crate::disk::in_words(error)))
}
