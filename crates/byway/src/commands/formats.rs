//! `byway formats`: what is read and written, and what each format can say.

use std::fmt::Write;

use byway_config::formats::{FORMATS, Format};
use serde_json::{Value, json};

use super::Run;
use crate::exit::{Ended, Exit, Failure};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Formats {
    /// One format by its name, as csv; without it all of them
    #[arg(value_name = "FORMAT")]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Run for Formats {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let shown: Vec<&Format> = match &self.name {
            None => FORMATS.to_vec(),
            Some(name) => vec![Format::named(name).ok_or_else(|| unknown(name))?],
        };
        let text = match self.json {
            true => format!("{:#}\n", Value::from_iter(shown.into_iter().map(as_json))),
            false => shown.into_iter().map(as_text).collect::<Vec<_>>().join("\n"),
        };
        terminal.print(&text)?;
        Ok(Exit::Done)
    }
}

fn unknown(name: &str) -> Failure {
    let known: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    Failure::usage(format!("there is no format `{name}`")).help(format!("there are {}", known.join(", ")))
}

/// What can be done with it, in words.
fn does(format: &Format) -> &'static str {
    if format.is_written() { "read and written" } else { "read" }
}

fn as_text(format: &Format) -> String {
    let mut text = format!("{}: {}, {}\n", format.name, format.title, does(format));
    if !format.files.is_empty() {
        _ = writeln!(text, "  files       {}", format.files.join(", "));
    }
    let says = &format.says;
    for (name, words) in [
        ("statuses", says.statuses),
        ("default", says.default),
        ("sources", says.sources),
        ("conditions", says.conditions),
        ("query", says.query),
    ] {
        _ = writeln!(text, "  {name:<11} {words}");
    }
    text
}

fn as_json(format: &Format) -> Value {
    json!({
        "name": format.name,
        "title": format.title,
        "files": format.files,
        "read": true,
        "written": format.is_written(),
        "statuses": format.says.statuses,
        "default": format.says.default,
        "sources": format.says.sources,
        "conditions": format.says.conditions,
        "query": format.says.query,
    })
}
