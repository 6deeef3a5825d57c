//! `byway codes`: what each status is on the two axes, who does what with it, and when to use it.

use byway_core::codes::{render_reply, render_text};
use byway_core::status::{RedirectStatus, ReplyStatus};

use super::Run;
use crate::exit::{Ended, Exit, Failure};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Codes {
    /// One status, as 307; without it the overview
    #[arg(value_name = "STATUS")]
    status: Option<String>,
}

impl Run for Codes {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let text = match &self.status {
            None => render_text(None),
            Some(written) => one(written).ok_or_else(|| unknown(written))?,
        };
        terminal.print(&text)?;
        Ok(Exit::Done)
    }
}

fn one(written: &str) -> Option<String> {
    let number = written.parse().ok()?;
    match RedirectStatus::from_number(number) {
        Some(status) => Some(render_text(Some(status))),
        None => ReplyStatus::from_number(number).and_then(render_reply),
    }
}

fn unknown(written: &str) -> Failure {
    let redirects = RedirectStatus::ALL.map(|status| status.to_string());
    let replies = ReplyStatus::OWN.map(|status| status.number().to_string());
    if written.parse() == Ok(304_u16) {
        return Failure::usage("304 Not Modified is no redirect: it says that a cached answer is still good")
            .help("304 sends nobody anywhere (RFC 9110 section 15.4.5); for a place to go write 307 or 308");
    }
    Failure::usage(format!("`{written}` is no status that a rule gives")).help(format!(
        "there are {}, and the replies {}",
        redirects.join(", "),
        replies.join(", ")
    ))
}
