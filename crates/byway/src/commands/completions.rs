//! `byway completions`: what a shell reads to complete commands and options.

use clap_complete::Shell;

use super::Run;
use crate::cli::{Breadth, command};
use crate::exit::{Ended, Exit};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "In bash: byway completions bash > ~/.local/share/bash-completion/completions/byway")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Run for Completions {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(Breadth::All), "byway", &mut script);
        terminal.print_bytes(&script)?;
        Ok(Exit::Done)
    }
}
