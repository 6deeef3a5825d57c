//! `[geo]`: the files that know where addresses are.

use std::time::Duration;

use super::keys::GEO;
use super::page::{Page, Value, shortened};
use super::server::parse_duration;
use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// What `[geo]` says.
#[derive(Clone, Debug)]
pub(crate) struct Geo {
    /// The files as written, with their places.
    pub(crate) databases: Vec<(String, Span)>,
    /// How old they may be.
    pub(crate) max_age: Option<Duration>,
}

/// Reads `[geo]`.
pub(crate) fn read<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Geo> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &GEO);
    let max_age = record.get("max_age").and_then(|value| {
        let text = value.get_ref().as_str()?;
        let age = parse_duration(text);
        if age.is_none() {
            let message = format!("`{}` is no time", shortened(text));
            let diagnostic = Diagnostic::error("bad-value", message).at(page.span(value.span()));
            page.push(diagnostic.help("write a number and `d` or `h`, as `60d`"));
        }
        age
    });
    let database = record.get("database")?;
    let texts = page.texts("database", database);
    let databases = texts.into_iter().map(|(text, item)| (text.to_owned(), page.span(item.span()))).collect();
    Some(Geo { databases, max_age })
}
