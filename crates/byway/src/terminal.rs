//! Where results and messages go: stdout and stderr, with colour only where a person looks.
//!
//! A reader that went away (`byway codes | head`) ends the program quietly; a disk that is full does not.

use std::io::{self, ErrorKind, Write};

use byway_config::render::Colour;

use crate::exit::{Ended, Exit, Failure};

/// The two streams of the program.
pub(crate) struct Terminal {
    out: Box<dyn Write>,
    /// Whether results may have colour.
    pub(crate) colour: Colour,
    /// Whether messages may have colour.
    pub(crate) message_colour: Colour,
}

impl Terminal {
    /// Those that this process was given.
    pub(crate) fn of_this_process() -> Terminal {
        Terminal {
            colour: colour(anstream::AutoStream::choice(&io::stdout())),
            message_colour: message_colour(),
            out: Box::new(io::BufWriter::new(io::stdout())),
        }
    }

    /// Prints a result as it is.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes()).map_err(|error| blame(&error))
    }

    /// Prints bytes of a result.
    pub(crate) fn print_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(|error| blame(&error))
    }

    /// Says something beside the result.
    pub(crate) fn say(&self, text: &str) {
        say(text);
    }

    /// Says why the command failed, if it did, and hands over what is still in the buffer.
    pub(crate) fn close(&mut self, end: Ended) -> Exit {
        let flushed = self.out.flush().map_err(|error| blame(&error));
        match end.and_then(|exit| flushed.map(|()| exit)) {
            Ok(exit) => exit,
            Err(failure) => {
                if !failure.message.is_empty() {
                    say(&format!("byway: {}", failure.message));
                }
                if let Some(help) = &failure.help {
                    say(&format!("  help: {help}"));
                }
                failure.exit
            }
        }
    }
}

/// Whether messages on stderr may have colour.
pub(crate) fn message_colour() -> Colour {
    colour(anstream::AutoStream::choice(&io::stderr()))
}

/// Says something on stderr, from any thread. Where even that is closed, nobody listens.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.strip_suffix('\n').unwrap_or(text));
}

/// `NO_COLOR`, `CLICOLOR` and pipes were looked at by whoever made the choice.
fn colour(choice: anstream::ColorChoice) -> Colour {
    match choice {
        anstream::ColorChoice::Never => Colour::Never,
        _ => Colour::Always,
    }
}

fn blame(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::said(Exit::Done),
        _ => Failure::no_verdict(format!("the result cannot be written: {error}")),
    }
}
