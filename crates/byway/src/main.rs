//! The program `byway`: arguments in, results on stdout, messages on stderr, and an exit code that says which of the four it was.
//!
//! Nothing is decided here. `cli.rs` makes the command line from the table in `commands/mod.rs`; a command reads what it needs,
//! calls the crate that knows, and prints. `disk.rs` is the file system as the readers see it, `map.rs` the one place that maps
//! a file, `exit.rs` what an end means.

mod admin;
mod cli;
mod commands;
mod control;
mod demo;
mod disk;
mod exit;
mod explained;
mod hits;
mod listening;
mod listing;
mod logs;
mod map;
mod misspoken;
mod observe;
mod places;
mod probe;
mod prober;
mod quote;
mod rehearsal;
mod reloader;
mod replace;
mod replay;
mod rules;
mod served;
mod server;
mod sources;
mod standing;
mod systemd;
mod targets;
mod terminal;
mod way;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut terminal = terminal::Terminal::of_this_process();
    let end = cli::run(std::env::args_os(), &mut terminal);
    terminal.close(end).into()
}
