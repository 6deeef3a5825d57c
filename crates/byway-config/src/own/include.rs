//! `include`: other files, and how to read them.

use byway_core::dialect::{LetterCase, QueryPolicy, TrailingSlash};
use byway_core::status::StatusByMethod;
use toml::de::DeValue;

use super::keys::INCLUDE;
use super::page::{Page, Value, found};
use super::{rule, status};
use crate::diagnostic::Diagnostic;
use crate::formats::Format;
use crate::span::Span;

/// One entry of `include`.
#[derive(Clone, Debug)]
pub(crate) struct Include {
    /// A path or a pattern, as written.
    pub(crate) file: String,
    /// Where it is written.
    pub(crate) span: Span,
    /// How to read it.
    pub(crate) how: ListOptions,
}

/// How a file is read where it does not say itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListOptions {
    pub(crate) format: Option<&'static Format>,
    pub(crate) status: Option<StatusByMethod>,
    pub(crate) query: Option<QueryPolicy>,
    pub(crate) slash: Option<TrailingSlash>,
    pub(crate) case: Option<LetterCase>,
    pub(crate) group: Option<String>,
    pub(crate) owner: Option<String>,
}

/// Reads the list of includes.
pub(crate) fn read<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Vec<Include> {
    let Some(items) = value.get_ref().as_array() else { return Vec::new() };
    items.iter().filter_map(|item| entry(page, item)).collect()
}

fn entry<'p>(page: &mut Page<'p>, item: &Value<'p>) -> Option<Include> {
    match item.get_ref() {
        DeValue::String(file) => {
            Some(Include { file: file.to_string(), span: page.span(item.span()), how: ListOptions::default() })
        }
        DeValue::Table(table) => {
            let record = page.open(table, item.span(), &INCLUDE);
            let how = ListOptions {
                format: record.text("format").and_then(Format::named),
                status: record.get("status").and_then(|value| status::read(page, value)),
                query: record.get("query").and_then(|value| rule::query(page, value)),
                slash: record.text("slash").and_then(rule::slash_word),
                case: record.text("case").and_then(rule::case_word),
                group: record.text("group").map(str::to_owned),
                owner: record.text("owner").map(str::to_owned),
            };
            let file = record.get("file")?;
            Some(Include { file: file.get_ref().as_str()?.to_owned(), span: page.span(file.span()), how })
        }
        other => {
            let label = format!("this is {}", found(other));
            let diagnostic = Diagnostic::error("wrong-type", "an include is a string or a table")
                .at(page.span(item.span()))
                .label(label);
            page.push(diagnostic.help("write `\"rules/*.toml\"` or `{ file = \"moves.csv\", status = 301 }`"));
            None
        }
    }
}
