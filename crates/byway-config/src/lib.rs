//! Rule text of every format: read with spans, checked, written.
//!
//! Text becomes rules here, and nothing else happens here: files come through [`files::Files`], the moment through an
//! argument, and whoever calls prints. [`load::load`] reads what a person named into one [`byway_core::RuleSet`];
//! [`check::check`] runs lints and examples over it. Reading gathers: every mistake of a file is named in one go, each with its place and one help.

pub mod calendar;
pub mod check;
pub mod diagnostic;
pub mod examples;
pub mod files;
pub mod foreign;
pub mod formats;
pub mod lints;
pub mod load;
pub mod own;
pub mod places;
pub mod promotion;
pub mod remarks;
pub mod render;
pub mod report;
pub mod schema;
pub mod span;
pub mod template;
mod trials;
pub mod writing;

mod accepted;
mod cells;
mod intake;
mod lines;
mod list;
mod locate;
mod pcre;
mod sample;
mod splits;
mod written;
