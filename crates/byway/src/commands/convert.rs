//! `byway convert`: rules of one format in another, and for each of them whether that is exact, approximated or refused.
//!
//! The text is the result and goes to stdout, or with `--report` to `--out` alone while the report is the result.

use std::path::{Path, PathBuf};

use byway_config::formats::{FORMATS, Format};
use byway_config::load::Loaded;
use byway_config::remarks::Verdict;
use byway_config::writing::{self, Named, Row, Writing};

use super::Run;
use crate::exit::{Ended, Exit, Failure};
use crate::replace::replace;
use crate::replay::converted::note_changes;
use crate::rules::{self, Reading};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits: 0 all rules were carried over · 1 a rule was refused, or its requests are answered otherwise · 2 arguments or rule text · 3 a file cannot be read or written"
)]
pub(crate) struct Convert {
    /// The rule files; without one ./byway.toml
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The format to write; `byway formats` says which are
    #[arg(long, value_name = "FORMAT", value_parser = parse_to)]
    to: &'static Format,
    /// Print what became of each rule instead of the text; as text where no other is named
    #[arg(long, value_name = "AS", value_enum, num_args = 0..=1, default_missing_value = "text")]
    report: Option<As>,
    /// Write the text to this file; what is there is replaced once the new one is whole
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

/// What a report looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum As {
    /// Lines
    Text,
    /// One JSON object, with the text
    Json,
    /// One page that needs nothing else
    Html,
}

impl Run for Convert {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let roots = rules::roots(&self.files, "name the files to convert")?;
        let loaded = self.reading.load_for_another(&roots);
        let least = byway_config::diagnostic::Severity::Warning;
        let said = rules::drawn(&loaded, least, terminal.message_colour);
        if !said.is_empty() {
            terminal.say(&said);
        }
        if let Some(out) = &self.out {
            rules::spare(&loaded, out)?;
        }
        let out = self.out.as_deref().map(std::path::absolute).transpose();
        let out = out.map_err(|error| Failure::no_verdict(format!("the folder here cannot be found: {error}")))?;
        let home = roots.first().and_then(|root| std::path::absolute(root).ok());
        let home = home.as_deref().and_then(Path::parent);
        let Some(written) = writing::write_moved(&loaded, self.to, out.as_deref(), home) else {
            return Err(rules::refusal(&loaded));
        };
        let text_of = |file| loaded.files.get(file).and_then(|file| std::fs::read(&file.path).ok());
        let mut rows = writing::rows_beside(&loaded, &written, &text_of);
        let is_changed = note_changes(&loaded, &written, self.to, rules::now(), &mut rows);
        if let Some(out) = &out {
            // A text that names a list is there only once the list is.
            let lists = written.lists.iter().map(|(name, text)| (out.with_file_name(name), text));
            let texts: Vec<_> = lists.chain([(out.clone(), &written.text)]).collect();
            texts.iter().try_for_each(|(path, _)| rules::spare(&loaded, path))?;
            for (path, text) in texts {
                replace(&path, text.as_bytes()).map_err(|fault| not_written(&path, &fault))?;
            }
        }
        self.print(&rows, &loaded, &written, terminal)?;
        self.name_of_another().into_iter().for_each(|said| terminal.say(&said));
        let is_refused = rows.iter().any(|row| matches!(row.verdict, Verdict::Refused(_)));
        Ok(if is_refused || is_changed { Exit::Something } else { Exit::Done })
    }
}

impl Convert {
    /// What is said where the file is called like one of another format, as which it would be read.
    fn name_of_another(&self) -> Option<String> {
        let out = self.out.as_deref()?;
        let called = Format::called(out).filter(|format| *format != self.to)?;
        let (out, name, to) = (out.display(), called.name, self.to.name);
        let help = "else it is read as what it is not";
        Some(format!(
            "{out} is called like a file of `{name}` and holds `{to}`: write `--to {name}`, or give it another name, {help}"
        ))
    }

    fn print(
        &self,
        rows: &[Row],
        loaded: &Loaded,
        written: &Writing<'_>,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        match self.report {
            Some(As::Text) => terminal.print(&writing::text(rows, loaded, written, Named::All)),
            Some(As::Json) => terminal.print(&format!("{:#}\n", writing::json(rows, loaded, written, self.to))),
            Some(As::Html) => terminal.print(&writing::html(rows, loaded, written, self.to)),
            None => {
                if self.out.is_none() {
                    terminal.print(&written.text)?;
                }
                // What is not exact is said whether it was asked for or not.
                if rows.iter().any(|row| row.verdict != Verdict::Exact) {
                    terminal.say(&writing::text(rows, loaded, written, Named::Inexact));
                }
                Ok(())
            }
        }
    }
}

/// Why a file is not there, and what to do where its folder is missing.
fn not_written(path: &Path, fault: &std::io::Error) -> Failure {
    let failure = Failure::no_verdict(format!("{} cannot be written: {fault}", path.display()));
    match path.parent().filter(|folder| !folder.exists()) {
        Some(folder) => {
            failure.help(format!("there is no folder {0}: make it first, `mkdir -p {0}`", folder.display()))
        }
        None => failure.help("see that you may write there, as with `touch`"),
    }
}

/// The format of an argument, where it is written.
pub(super) fn parse_to(text: &str) -> Result<&'static Format, String> {
    let written = || FORMATS.iter().filter(|format| format.is_written()).map(|format| format.name).collect::<Vec<_>>();
    match Format::named(text) {
        Some(format) if format.is_written() => Ok(format),
        Some(_) => Err(format!("`{text}` is read, not written; there are {}", written().join(", "))),
        None => Err(rules::meant(text, &written())),
    }
}
