//! `byway man`: the manual, made from the command line itself.

use std::path::{Path, PathBuf};

use clap_mangen::Man as Page;

use super::{COMMANDS, Run};
use crate::cli::{Breadth, command};
use crate::exit::{Ended, Exit, Failure};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "To read one: byway man serve | man -l -")]
pub(crate) struct Man {
    /// The command; without it the page of byway itself
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    of: Option<String>,
    /// Write every page into this folder instead
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Run for Man {
    fn run(self, terminal: &mut Terminal) -> Ended {
        match (&self.out, &self.of) {
            (Some(folder), _) => write_all(folder),
            (None, of) => {
                terminal.print_bytes(&page(of.as_deref())?)?;
                Ok(Exit::Done)
            }
        }
    }
}

fn write_all(folder: &Path) -> Ended {
    let names = std::iter::once(None).chain(COMMANDS.iter().map(|row| Some(row.name)));
    for name in names {
        let file = folder.join(name.map_or("byway.1".to_owned(), |name| format!("byway-{name}.1")));
        std::fs::write(&file, page(name)?)
            .map_err(|error| Failure::no_verdict(format!("{} cannot be written: {error}", file.display())))?;
    }
    Ok(Exit::Done)
}

/// One page; `None` is that of the program.
fn page(of: Option<&str>) -> Result<Vec<u8>, Failure> {
    let mut root = command(Breadth::All);
    root.build();
    let page = match of {
        None => Page::new(root),
        Some(name) => match root.find_subcommand(name) {
            Some(found) => Page::new(found.clone()),
            None => {
                return Err(
                    Failure::usage(format!("there is no command `{name}`")).help("byway --help all names every one")
                );
            }
        },
    };
    let mut text = Vec::new();
    let page = page.source(concat!("byway ", env!("CARGO_PKG_VERSION"))).manual("byway");
    page.render(&mut text).map_err(|error| Failure::no_verdict(error.to_string()))?;
    Ok(text)
}
