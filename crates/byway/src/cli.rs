//! The command line: made from the table of commands, parsed by clap.
//!
//! `byway --help` is one screen with the commands that people come for, `byway --help all` names every one. Completions and man
//! pages are made from the same [`command`].

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use crate::commands::{COMMANDS, Shown};
use crate::exit::{Ended, Exit, Failure};
use crate::misspoken;
use crate::terminal::Terminal;

/// Which commands the help names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// Those that people come for.
    Usual,
    /// Every one.
    All,
}

/// The whole command line.
pub(crate) fn command(breadth: Breadth) -> Command {
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .value_name("all")
        .value_parser(["all"])
        .hide_possible_values(true)
        .num_args(0..=1)
        .action(ArgAction::Set)
        .help("Print this; `--help all` names every command");
    let root = Command::new("byway")
        .about("Serves, checks and explains HTTP redirects, above all 307: go there for now, with the same method and body.")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .max_term_width(100)
        .arg(help)
        .after_help(AFTER);
    COMMANDS.iter().fold(root, |root, row| {
        let hidden = row.shown == Shown::UnderAll && breadth == Breadth::Usual;
        // Without clap's own `--help` at the root there is none below it either.
        let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Print this");
        root.subcommand((row.augment)(Command::new(row.name)).about(row.about).long_about(None).arg(help).hide(hidden))
    })
}

const AFTER: &str = "Exits: 0 done · 1 done, and there is something · 2 arguments or rule text · 3 could not\n\
                     Begin with: byway serve --demo";

/// Parses the arguments and runs what they name.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>, terminal: &mut Terminal) -> Ended {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = match command(Breadth::Usual).try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return misspoken::meant(&arguments, &error).map_or_else(|| said_by_clap(&error, terminal), Err),
    };
    match matches.subcommand() {
        Some((name, matches)) => match COMMANDS.iter().find(|row| row.name == name) {
            Some(row) => (row.run)(matches, terminal),
            None => Err(Failure::usage(format!("there is no command `{name}`"))),
        },
        None if matches.contains_id("help") => {
            let is_all = matches.get_one::<String>("help").is_some();
            terminal.print(&help(if is_all { Breadth::All } else { Breadth::Usual }))?;
            Ok(Exit::Done)
        }
        None => {
            terminal.say(&help(Breadth::Usual));
            Ok(Exit::Usage)
        }
    }
}

fn help(breadth: Breadth) -> String {
    command(breadth).render_help().to_string()
}

/// What clap has to say: help and version are results, everything else is a message.
fn said_by_clap(error: &clap::Error, terminal: &mut Terminal) -> Ended {
    let text = error.render();
    if error.use_stderr() {
        terminal.say(&text.to_string());
        return Ok(Exit::Usage);
    }
    terminal.print(&text.to_string())?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command(Breadth::All).debug_assert();
    }

    #[test]
    fn the_short_help_is_one_screen() {
        assert!(help(Breadth::Usual).lines().count() <= 24);
        assert!(help(Breadth::All).lines().count() > help(Breadth::Usual).lines().count());
    }
}
