//! `byway schema`: the JSON Schema of `byway.toml`, for editors that complete and check while one types.

use byway_config::schema::schema;

use super::Run;
use crate::exit::{Ended, Exit};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "For editors: save it and put `#:schema ./byway.schema.json` on the first line of byway.toml")]
pub(crate) struct Schema {}

impl Run for Schema {
    fn run(self, terminal: &mut Terminal) -> Ended {
        terminal.print(&format!("{:#}\n", schema()))?;
        Ok(Exit::Done)
    }
}
