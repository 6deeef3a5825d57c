//! Headings and fenced blocks of Markdown, for tests that are documents.
//!
//! A fixture is a page that a user can read: a heading is a test, a fenced block says what it is in its info string, prose
//! says why. [`Document`] finds the headings and the blocks with their lines; [`settle`] compares what a block expects
//! with what came of it, or writes it anew when a person sets `UPDATE=1`; [`testbed`] finds the servers and clients that
//! are not ours, and makes sure that a test which misses one does not pass in silence.
//!
//! What a block *means* is not known here: the grammar of a case line lives in `byway-config`, since rules carry examples
//! too. This crate depends on nothing, waits for nothing and opens no port.

mod document;
pub mod mmdb;
mod settle;
pub mod testbed;

pub use document::{Block, Document, Section};
pub use settle::{Mismatch, rewrite, settle, updating};

use std::path::{Path, PathBuf};

/// The folder of the root `Cargo.toml`, where the fixtures are.
///
/// It is the one in which this crate was compiled.
///
/// ```
/// assert!(byway_testkit::workspace_root().join("Cargo.lock").is_file());
/// ```
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate is at crates/byway-testkit of the workspace")
        .to_path_buf()
}
