//! `byway.toml`: redirects as byway's own files write them.
//!
//! The text is parsed by a parser that recovers, and read by hand against the table of [`keys`]: every mistake of a file is
//! named in one go. What is right is handed in rule by rule, in the order in which it stands in the text, whatever kind it is.
//! Opening included files is left to [`crate::load`].

pub mod keys;
pub mod policy;
pub mod server;
pub mod suggest;

pub(crate) mod cache_control;
pub(crate) mod extras;
pub(crate) mod geo;
pub(crate) mod include;
pub(crate) mod instant;
pub(crate) mod named;
pub(crate) mod page;
pub(crate) mod pool;
pub mod review;
pub(crate) mod rule;
pub(crate) mod split;
pub(crate) mod status;
pub(crate) mod upgrade;
pub(crate) mod visitor;
pub(crate) mod when;
pub(crate) mod window;

use byway_core::ruleset::TableId;
use toml::de::DeValue;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::intake::Intake;
use crate::span::{FileId, Span};
use geo::Geo;
use include::Include;
use keys::ROOT;
use page::{Page, Record, Value};
use policy::Policy;
use rule::{RuleKind, Setting};
use server::{HstsSetting, ServerSettings};
use split::SplitDraft;

/// Whether a file is the one that was named, or was reached through an include.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Root,
    Included,
}

/// What a file says beside its rules.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) includes: Vec<Include>,
    pub(crate) server: Option<(ServerSettings, Span)>,
    pub(crate) geo: Option<Geo>,
    pub(crate) splits: Vec<SplitDraft>,
    pub(crate) hsts: Option<HstsSetting>,
    /// The sections that only a root file has, as they stand.
    pub(crate) beside: toml::Table,
}

/// Reads one file of our own.
pub(crate) fn read(
    text: &str,
    file: FileId,
    standing: Standing,
    table: TableId,
    intake: &mut Intake,
    diagnostics: &mut Diagnostics,
) -> Said {
    let mut page = Page::new(text, file, diagnostics);
    let document = page.parse();
    let root = page.open(&document, 0..0, &ROOT);
    let mut said = Said {
        hsts: None,
        includes: root.get("include").map(|value| include::read(&mut page, value)).unwrap_or_default(),
        server: server_and_admin(&mut page, &root, standing),
        geo: of_root(&mut page, &root, "geo", standing).and_then(|value| geo::read(&mut page, value)),
        splits: Vec::new(),
        beside: if standing == Standing::Root { beside(&root) } else { toml::Table::new() },
    };
    // Folders begin at the file that names them.
    if let Some(state) = said.server.as_mut().and_then(|(server, _)| server.state.as_mut()) {
        *state = intake.folder.join(&state).to_string_lossy().into_owned();
    }
    if let Some(value) = of_root(&mut page, &root, "policy", standing) {
        policy::read(&mut page, value);
    }
    let zone = instant::read_zone(&mut page, root.get("zone"));
    let defaults = root.get("defaults").and_then(|value| rule::defaults(&mut page, value)).unwrap_or_default();
    rule::examples(&mut page, &root, intake);
    if let Some(table) = root.get("split").and_then(|value| value.get_ref().as_table()) {
        intake.splits.name(table.keys().map(|name| name.get_ref().to_string()));
    }
    said.splits = root.get("split").map(|value| split::read(&mut page, value, &zone)).unwrap_or_default();
    let cors = root.get("cors").and_then(|value| extras::cors(&mut page, value));
    let setting = Setting { zone: &zone, defaults: &defaults, cors: cors.as_ref(), table };
    if let Some(value) = root.get("pool") {
        pool::read_all(&mut page, value, intake);
    }
    if let Some(value) = root.get("window") {
        window::read_all(&mut page, value, &zone, intake);
    }
    if let (Some(value), Some(table)) = (of_root(&mut page, &root, "upgrade", standing), intake.upgrade_table.take()) {
        let server = said.server.as_ref().map(|(server, _)| server);
        said.hsts = upgrade::read(&mut page, value, server, table, intake);
    }
    for (kind, value) in rules(&root) {
        rule::read(&mut page, kind, value, &setting, intake);
    }
    said
}

/// What must be known of a root file before its rules are read.
#[derive(Debug, Default)]
pub(crate) struct Foreknown {
    pub(crate) policy: Policy,
    /// Whether there is an `[upgrade]`, whose table comes before all others.
    pub(crate) upgrades: bool,
}

/// What must be known of a root file beforehand, without a word on what is wrong with it.
pub(crate) fn foreknown(text: &str) -> Foreknown {
    let mut unsaid = Diagnostics::default();
    let mut page = Page::new(text, FileId(0), &mut unsaid);
    let document = page.parse();
    let policy = document.get("policy").and_then(|value| policy::read(&mut page, value)).unwrap_or_default();
    Foreknown { policy, upgrades: document.contains_key("upgrade") }
}

/// The sections that say nothing of single rules.
fn beside(root: &Record<'_, '_>) -> toml::Table {
    let sections = ["policy", "geo", "upgrade", "server", "admin"].into_iter();
    sections.filter_map(|name| Some((name.to_owned(), plain(root.get(name)?.get_ref())?))).collect()
}

/// A value without its place; nothing for a number that is none.
fn plain(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(_) => toml::Value::Integer(page::integer(value)?),
        DeValue::Float(number) => toml::Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
        DeValue::Datetime(at) => toml::Value::Datetime(*at),
        DeValue::Array(items) => {
            toml::Value::Array(items.iter().map(|item| plain(item.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let pairs = page::in_order(table).into_iter();
            let pairs = pairs.map(|(key, value)| Some((key.get_ref().to_string(), plain(value.get_ref())?)));
            toml::Value::Table(pairs.collect::<Option<_>>()?)
        }
    })
}

/// A section that only the root file may have.
fn of_root<'t, 'p>(
    page: &mut Page<'p>,
    root: &Record<'t, 'p>,
    name: &str,
    standing: Standing,
) -> Option<&'t Value<'p>> {
    let value = root.get(name)?;
    if standing == Standing::Root {
        return Some(value);
    }
    let at = root.key_at(name).unwrap_or(value.span());
    let message = format!("`[{name}]` in an included file");
    let diagnostic =
        Diagnostic::error("root-only", message).at(page.span(at)).help("move it to the file that includes this one");
    page.push(diagnostic);
    None
}

/// The rules as they stand in the text.
fn rules<'t, 'p>(root: &Record<'t, 'p>) -> Vec<(RuleKind, &'t Value<'p>)> {
    let mut rules = Vec::new();
    for (name, kind) in RuleKind::ALL {
        let items = root.get(name).and_then(|value| value.get_ref().as_array());
        rules.extend(items.into_iter().flat_map(|items| items.iter()).map(|item| (kind, item)));
    }
    rules.sort_by_key(|(_, value)| value.span().start);
    rules
}

/// `[server]` and `[admin]`, and where the first of them stands.
fn server_and_admin<'p>(
    page: &mut Page<'p>,
    root: &Record<'_, 'p>,
    standing: Standing,
) -> Option<(ServerSettings, Span)> {
    let server = of_root(page, root, "server", standing)
        .and_then(|value| Some((server::read(page, value)?, page.span(value.span()))));
    let admin = of_root(page, root, "admin", standing)
        .and_then(|value| Some((server::admin(page, value)?, page.span(value.span()))));
    match (server, admin) {
        (Some((settings, span)), Some((admin, _))) => Some((ServerSettings { admin, ..settings }, span)),
        (None, Some((admin, span))) => Some((ServerSettings { admin, ..ServerSettings::default() }, span)),
        (server, None) => server,
    }
}
