//! The commands: one file and one row each, in the order in which people need them.
//!
//! A command is a type whose fields are its arguments (clap's `Args`) and whose [`Run`] does the work. Names, the one line of
//! help and the place in the help stand in the table; command line, completions and man pages are made from it.

use clap::{ArgMatches, Args, Command};

use crate::exit::{Ended, Failure};
use crate::terminal::Terminal;

mod check;
mod clients;
mod codes;
mod compile;
mod completions;
mod convert;
mod explain;
mod formats;
mod maintenance;
mod man;
mod pool;
mod promote;
mod reload;
mod replay;
mod rules;
mod schema;
mod serve;

pub(crate) use explain::{Wanted, parse_instant};
pub(crate) use rules::unreadable;

/// Every command.
pub(crate) static COMMANDS: &[Row] = &[
    row::<serve::Serve>("serve", Shown::Always, "Answer requests as rule files say"),
    row::<check::Check>("check", Shown::Always, "Say what is wrong with rule files, and run their examples"),
    row::<explain::Explain>("explain", Shown::Always, "Say what a request gets, from which rule, and why"),
    row::<convert::Convert>("convert", Shown::Always, "Write rules in another format, and say what became of each"),
    row::<codes::Codes>("codes", Shown::Always, "What each redirect status means, and which to use"),
    row::<clients::Clients>("clients", Shown::Always, "What each client does with each status and method"),
    row::<rules::Rules>("rules", Shown::Always, "List rules with age, hits and ends; the unused, and where they lead"),
    row::<compile::Compile>("compile", Shown::UnderAll, "Write rule files as one file that opens at once"),
    row::<promote::Promote>("promote", Shown::UnderAll, "Turn a temporary redirect into a permanent one, after checks"),
    row::<pool::Pool>("pool", Shown::UnderAll, "Show the pools of a running server, and take members out and in"),
    row::<maintenance::Maintenance>(
        "maintenance",
        Shown::UnderAll,
        "Show windows, and open or close them by hand up to an end",
    ),
    row::<reload::Reload>(
        "reload",
        Shown::UnderAll,
        "Tell a running server to read its rules again, and say what changed",
    ),
    row::<schema::Schema>("schema", Shown::UnderAll, "Print the JSON Schema of byway.toml, for editors"),
    row::<formats::Formats>("formats", Shown::UnderAll, "Name the formats that are read and written"),
    row::<replay::Replay>("replay", Shown::UnderAll, "Ask byway and the real server the same, and say what differs"),
    row::<completions::Completions>("completions", Shown::UnderAll, "Print completions for a shell"),
    row::<man::Man>("man", Shown::UnderAll, "Print a man page, or write all of them"),
];

/// Whether the short help names a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It does.
    Always,
    /// Only `--help all` does.
    UnderAll,
}

/// One command.
pub(crate) struct Row {
    /// As it is typed.
    pub(crate) name: &'static str,
    /// Where it is named.
    pub(crate) shown: Shown,
    /// One line.
    pub(crate) about: &'static str,
    /// Gives it its arguments.
    pub(crate) augment: fn(Command) -> Command,
    /// Does its work.
    pub(crate) run: fn(&ArgMatches, &mut Terminal) -> Ended,
}

/// A command's arguments, and its work.
pub(crate) trait Run: Args {
    /// Does it.
    fn run(self, terminal: &mut Terminal) -> Ended;
}

const fn row<C: Run>(name: &'static str, shown: Shown, about: &'static str) -> Row {
    Row { name, shown, about, augment: C::augment_args, run: parsed::<C> }
}

fn parsed<C: Run>(matches: &ArgMatches, terminal: &mut Terminal) -> Ended {
    match C::from_arg_matches(matches) {
        Ok(command) => command.run(terminal),
        Err(error) => Err(Failure::usage(error.to_string())),
    }
}
