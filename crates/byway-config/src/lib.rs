//! Rule text of every format: read with spans, checked, written.
//!
//! Text becomes rules here, and nothing else happens here: files come through [`files::Files`], the moment through an
//! argument, and whoever calls prints. [`load::load`] reads what a person named into one [`byway_core::RuleSet`];
//! [`check::check`] runs the lints and the examples over it; [`schema::schema`] describes `byway.toml` from the same table of keys that
//! its reader uses. Reading gathers: every mistake of a file is named in one go, each with its place and one help.

pub mod diagnostic;
pub mod files;
pub mod render;
pub mod span;
