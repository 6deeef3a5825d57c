//! `byway compile`: rule files as one file that opens at once; written beside, then renamed (`replace.rs`).
//!
//! A server may have the old file open or mapped, and a disk may be full: the old file is whole until the new one is.

use std::path::PathBuf;

use serde_json::json;

use super::Run;
use crate::disk::not_made;
use crate::exit::{Ended, Exit, Failure};
use crate::replace::replace;
use crate::rules::{self, Reading, count};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Compile {
    /// The rule files; without one ./byway.toml
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write it; what is there is replaced once the new one is whole
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

impl Run for Compile {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let roots = rules::roots(&self.files, "name the files to compile")?;
        let (rules, loaded) = self.reading.rules(&roots, terminal.message_colour)?;
        rules::spare(&loaded, &self.out)?;
        if loaded.has_secrets {
            let failure = Failure::usage("a split has a `key_file`, and a compiled file holds no secrets");
            return Err(failure.help("give the split a `salt`, or serve the files as they are"));
        }
        replace(&self.out, rules.as_bytes()).map_err(|fault| {
            let old = if self.out.exists() { "; the file that was there is as it was" } else { "" };
            Failure::no_verdict(format!(
                "{} cannot be written: {}{old}",
                self.out.display(),
                not_made(&self.out, &fault)
            ))
        })?;
        if self.json {
            let file = self.out.display().to_string();
            let said = json!({ "file": file, "rules": rules.len(), "bytes": rules.as_bytes().len() });
            terminal.print(&format!("{said:#}\n"))?;
            return Ok(Exit::Done);
        }
        let said =
            format!("{}: {}, {} bytes", self.out.display(), count(rules.len() as u64, "rule"), rules.as_bytes().len());
        terminal.say(&said);
        Ok(Exit::Done)
    }
}
