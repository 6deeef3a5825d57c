//! From a [`Site`] to tables: the ones after the other as httpd asks its modules, each made first and filled then, since a table
//! is entered from one made before it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{Dialect, LetterCase, QueryPolicy};
use byway_core::rule::{Action, Rule, Then};
use byway_core::ruleset::{After, Order, TableId, TableSpec};
use byway_core::source::{PathPattern, Source};
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Landing, Piece, Target, What};

use super::cond::Disk;
use super::expand::{self, Escaping, Known, Unplaced};
use super::maps::Map;
use super::pattern::pattern;
use super::sections::strays;
use super::site::{ErrorUrl, Site};
use crate::diagnostic::Diagnostic;
use crate::foreign::Reading;
use crate::span::Span;

/// The most tables: they have 16 bits, and other files need some.
const TABLE_LIMIT: usize = 60_000;

/// Makes tables of a configuration.
pub(super) fn lower(site: &Site, reading: &mut Reading<'_>) {
    strays(site, reading);
    let mut lowering = Lowering {
        reading,
        tables: 0,
        said: BTreeSet::new(),
        errors: BTreeMap::new(),
        errors_at: BTreeMap::new(),
        errors_early: BTreeMap::new(),
        sent: BTreeSet::new(),
        pages: BTreeMap::new(),
        looked_up: 0,
    };
    let Some((main, hosts)) = site.servers.split_first() else { return };
    if hosts.is_empty() {
        let start = lowering.server(main, None);
        lowering.reading.root(start);
        return;
    }
    lowering.virtual_hosts(main, hosts);
}

pub(super) struct Lowering<'a, 'r> {
    pub(super) reading: &'a mut Reading<'r>,
    /// How many tables were made.
    pub(super) tables: usize,
    /// Rules of which a remark was made: inherited ones come several times.
    pub(super) said: BTreeSet<(u16, usize)>,
    /// Where errors send people, by folder and status; none where a page or a text of the server's own is sent.
    pub(super) errors: BTreeMap<(Option<String>, u16), Option<ErrorUrl>>,
    /// Where an error leads that a rule in a folder or a section makes, by its status.
    pub(super) errors_at: BTreeMap<u16, TableId>,
    /// The same for the server's own rules: sections that are known before there is a file say it.
    pub(super) errors_early: BTreeMap<u16, TableId>,
    /// Pages of the server's own for errors that a rule sends on.
    pub(super) sent: BTreeSet<String>,
    /// Where they are asked for: by the status, the page, and whether a rule made the error.
    pub(super) pages: BTreeMap<(u16, String, bool), TableId>,
    /// Entries of maps that became rules.
    pub(super) looked_up: usize,
}

/// How far a request has come when an error is made: what holds then says where the error leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its path was read; nothing but the server has a say.
    Arrival,
    /// The server's own rules are asked: locations and expressions hold already.
    Server,
    /// It is known which file is meant.
    Inside,
}

impl Phase {
    /// Where rules stand says when they are asked.
    pub(super) fn of(is_inside: bool) -> Phase {
        if is_inside { Phase::Inside } else { Phase::Server }
    }
}

/// What is known of a server while its rules are made.
#[derive(Clone, Copy)]
pub(super) struct Facts<'f> {
    /// Folders that are there, and those that mod_rewrite is told something in.
    pub(super) known: &'f [String],
    /// Whether somebody has looked what is there.
    pub(super) is_listed: bool,
    /// Whether it is looked up which file is meant.
    pub(super) has_disk: bool,
    /// Whether the path as it came is kept from the beginning: the server's own rules may have written another.
    pub(super) keeps_uri: bool,
    pub(super) lists: &'f BTreeSet<&'f str>,
    /// Host and port of `ServerName`.
    pub(super) name: Option<(&'f str, Option<u16>)>,
    pub(super) is_canonical: bool,
    /// Whether it is a request that httpd asks of itself: with GET, and the port of the Host field is not known.
    pub(super) is_asked: bool,
    /// The slot with the file whose folders have a say, where that is not the path that is looked at.
    pub(super) file: Option<u16>,
    /// Whether a rule may have written the query since sections were chosen: what they ask of it is asked of what came.
    pub(super) has_turned: bool,
    pub(super) root: Option<&'f str>,
    /// Whether a rule of the server may write the root of the machine's disk, and whether nobody may ask for that.
    pub(super) writes_root: bool,
    pub(super) is_root_shut: bool,
    /// What `ProxyPass` takes before mod_alias of the server is asked.
    pub(super) proxied: &'f [(String, bool)],
    pub(super) disk: &'f Disk,
    pub(super) maps: &'f BTreeMap<String, Rc<Map>>,
    /// The folder whose rules are made.
    pub(super) folder: Option<&'f str>,
}

pub(super) fn any() -> Source<'static> {
    Source::of_path(PathPattern::BytePrefix { prefix: b"".as_slice().into(), is_final: false })
}

pub(super) fn path_piece(what: What<'static>) -> Piece<'static> {
    Piece { place: Landing::Path, what }
}

pub(super) fn no_span() -> Span {
    Span { file: crate::span::FileId(0), line: 0, column: 0, start: 0, end: 0 }
}

/// The folders above a folder, its own not among them.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices()
        .filter(|(_, c)| *c == '/')
        .map(|(at, _)| &path[..=at])
        .filter(move |above| above.len() < path.len())
}

pub(super) fn below(path: &str) -> Source<'static> {
    let bytes = path.trim_end_matches('/').as_bytes().to_vec();
    Source::of_path(PathPattern::Prefix(bytes.into()))
}

impl Lowering<'_, '_> {
    pub(super) fn table(&mut self, dialect: &'static Dialect, order: Order, strip: &str) -> TableId {
        self.tables += 1;
        if self.tables == TABLE_LIMIT {
            let message = format!("the configuration has more than {TABLE_LIMIT} places that decide something");
            let help = "put `L` behind the rules that are the last of theirs, or serve its folders one by one";
            self.reading.say(Diagnostic::error("too-many-blocks", message).help(help));
        }
        if self.tables >= TABLE_LIMIT {
            return TableId(0);
        }
        self.reading.table(&TableSpec { dialect, order, after: After::NextRoot, strip: strip.as_bytes() })
    }

    pub(super) fn push(
        &mut self,
        table: TableId,
        source: Source<'_>,
        conditions: &[Condition],
        action: Action<'_>,
        span: &Span,
    ) {
        if self.tables < TABLE_LIMIT {
            let rule = Rule { conditions, ..Rule::new(source, action) };
            self.reading.push(table, &rule, span);
        }
    }

    pub(super) fn say(&mut self, span: &Span, text: &str, verdict: Result<Option<&'static str>, Unplaced>) {
        if !self.said.insert((span.file.0, span.start)) {
            return;
        }
        match verdict {
            Ok(None) => self.reading.exact(span, text),
            Ok(Some(why)) => self.reading.approximated(span, text, why),
            Err(why) => self.reading.refused(span, text, why),
        }
    }

    /// Requests of which a text fits a pattern get a status.
    pub(super) fn refuse(&mut self, table: TableId, what: What<'static>, text: &str, status: ReplyStatus) {
        let subject = Subject::Text(vec![path_piece(what)]);
        if let Ok(condition) = Condition::new(subject, Test::Regex(pattern(text, LetterCase::Significant)), false) {
            let reply = Action::Reply { status, retry_after: None };
            let action = match status {
                ReplyStatus::Forbidden => self.error(Phase::Inside, 403).unwrap_or(reply),
                _ => reply,
            };
            self.push(table, any(), &[condition], action, &no_span());
        }
    }

    /// The working path becomes what a slot holds.
    pub(super) fn write_slot(&mut self, table: TableId, slot: u16, then: TableId) {
        let target = Target::of_pieces(vec![path_piece(What::Slot(slot))]);
        let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) };
        self.push(table, any(), &[], action, &no_span());
    }

    /// An answer that is no redirect, or where `ErrorDocument` leads instead: once sections or folders are known, it is asked which.
    pub(super) fn error(&self, phase: Phase, status: u16) -> Result<Action<'static>, Unplaced> {
        let asked = match phase {
            Phase::Arrival => None,
            Phase::Server => self.errors_early.get(&status),
            Phase::Inside => self.errors_at.get(&status),
        };
        if let Some(table) = asked {
            return Ok(Action::Enter(*table));
        }
        match self.errors.get(&(None, status)).and_then(Option::as_ref) {
            Some(found) => self.lead(found, status, true),
            None => {
                let status = ReplyStatus::from_number(status).ok_or("a status that no reply of ours has")?;
                Ok(Action::Reply { status, retry_after: None })
            }
        }
    }
}

/// The redirect that a URL of `ErrorDocument` is.
pub(super) fn sends_to(url: &str) -> Result<Action<'static>, Unplaced> {
    let parts = [Known::Text(url.to_owned())];
    if expand::scheme_of(&parts).is_none() {
        return Err("its target is neither a path nor a URL that we send anyone to".into());
    }
    let placed = expand::place(&parts, Escaping::None, false)?;
    Ok(Action::Redirect {
        status: StatusByMethod::always(RedirectStatus::Found),
        target: Target::of_pieces(placed.pieces),
        query: QueryPolicy::Drop,
    })
}
