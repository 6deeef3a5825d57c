//! `byway reload`: asks a running server through its control socket to read its rules again, and prints what came of it.

use std::path::PathBuf;

use serde_json::json;

use super::Run;
use crate::control;
use crate::exit::{Ended, Exit, Failure};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits: 0 the new rules serve · 1 refused, since more than a tenth would vanish · 2 the text has errors · 3 no server"
)]
pub(crate) struct Reload {
    /// The socket that `byway serve --control PATH` opened
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Reload even if more than a tenth of the rules vanish
    #[arg(long)]
    force: bool,
    /// Print JSON: `exit`, `text` and `generation`
    #[arg(long)]
    json: bool,
}

impl Run for Reload {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let Some(path) = self.control else {
            return Err(Failure::usage("which server? `--control PATH` names the socket it was started with")
                .help("a server without one reloads on SIGHUP: kill -HUP PID, and says there what changed"));
        };
        let (answer, value) = control::reload(&path, &json!({ "force": self.force }))?;
        match answer.exit {
            _ if self.json => terminal.print(&format!("{value:#}\n"))?,
            Exit::Done => terminal.print(&answer.text)?,
            _ => terminal.say(&answer.text),
        }
        Ok(answer.exit)
    }
}
