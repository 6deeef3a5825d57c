//! How the program ends: the exit codes, and what is said when a command could not do its work.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, and nothing to report.
    Done = 0,
    /// Done, and there is something.
    Something = 1,
    /// The arguments, or (outside of `check`) the rule text.
    Usage = 2,
    /// No verdict: a file that cannot be read or written, a port in use.
    NoVerdict = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What happened, with the person's own words; empty where it has been said.
    pub(crate) message: String,
    /// One thing to do.
    pub(crate) help: Option<String>,
}

impl Failure {
    /// The arguments do not say what to do.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, message: message.into(), help: None }
    }

    /// The work could not be done.
    pub(crate) fn no_verdict(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::NoVerdict, message: message.into(), help: None }
    }

    /// All has been said; only the code is left.
    pub(crate) fn said(exit: Exit) -> Failure {
        Failure { exit, message: String::new(), help: None }
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }
}

/// What a command comes to.
pub(crate) type Ended = Result<Exit, Failure>;
