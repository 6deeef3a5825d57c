//! What stands before the first rule of a list of mod_rewrite and behind its last: what is kept, set, sent, and asked anew.

use std::collections::BTreeMap;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, LetterCase, QueryPolicy};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, TableId};
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Change, Landing, Part, Piece, Target, What};

use super::expand::{Token, alias_tokens};
use super::left_out::LeftOut;
use super::lower::{Facts, Lowering, Phase, ancestors, any, no_span, path_piece};
use super::pages::pass;
use super::pattern::pattern;
use super::plan::Plan;
use super::site::SetEnv;
use super::steps::{Around, BEGAN, ERROR, FILE, INFO, Names, ROUNDS, TAKEN, URI, WROTE_QUERY};

/// What no query may hold that goes on unescaped.
pub(super) const BARE: &str = "[\\x00-\\x20\\x7f]";

/// When a URL was taken back.
#[derive(Clone, Copy)]
pub(super) enum Round {
    /// Before httpd began anew.
    Before,
    /// Ever, and behind the gate httpd has begun anew.
    Any,
}

impl Lowering<'_, '_> {
    /// What stands before the first rule: the path kept, variables set by fields of the request.
    pub(super) fn begin<'s>(
        &mut self,
        plan: &Plan<'s>,
        table: TableId,
        around: &Around<'_>,
        facts: &Facts<'_>,
        left_out: &mut LeftOut,
    ) {
        if let Some(folder) = plan.folder.filter(|_| plan.goes_on() && !plan.is_section) {
            self.info(Some(folder), table, facts);
        }
        if plan.folder.is_some() && !plan.is_section && plan.goes_on() {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(table, any(), &[], Action::Set { slot: BEGAN, text, then: Then::Next }, &no_span());
        }
        if !plan.finish.is_empty() || plan.hands_query_on() {
            let text = Target::of_pieces(Vec::new());
            self.push(table, any(), &[], Action::Set { slot: WROTE_QUERY, text, then: Then::Next }, &no_span());
        }
        if plan.keeps_uri {
            let text = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            self.push(table, any(), &[], Action::Set { slot: URI, text, then: Then::Next }, &no_span());
        }
        for set in plan.sets.clone() {
            let case = if set.ignores_case { LetterCase::Ignored } else { LetterCase::Significant };
            let what = match set.attribute.to_ascii_lowercase().as_str() {
                "request_uri" if around.keeps_uri => What::Slot(URI),
                "request_uri" => What::Part(Part::WorkingPath),
                "request_method" if around.is_asked => What::Literal("GET".into()),
                "request_method" => What::Part(Part::Method),
                "remote_addr" | "remote_host" => What::Part(Part::Address),
                "request_protocol" => What::Literal("HTTP/1.1".into()),
                "server_addr" => {
                    self.unset(set, "it asks for an address of the server", left_out);
                    continue;
                }
                _ => match around.names.known(&set.attribute) {
                    Some(slot) => What::Slot(slot),
                    None if set.attribute.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') => {
                        What::Field(set.attribute.to_ascii_lowercase().into())
                    }
                    None => {
                        self.unset(set, "it names a field by a pattern", left_out);
                        continue;
                    }
                },
            };
            let subject = Subject::Text(vec![path_piece(what)]);
            let test = Test::Regex(pattern(&set.pattern, case));
            let Ok(condition) = Condition::new(subject, test, false) else {
                self.unset(set, "its pattern cannot be read here", left_out);
                continue;
            };
            for (name, value) in &set.pairs {
                let Some(slot) = around.names.known(name) else { continue };
                let text: Vec<Piece<'static>> = alias_tokens(value.as_deref().unwrap_or_default())
                    .into_iter()
                    .map(|token| match token {
                        Token::Group(number) => path_piece(What::ConditionCapture(number)),
                        Token::Text(text) => path_piece(What::Literal(text.into())),
                        _ => path_piece(What::Literal("".into())),
                    })
                    .collect();
                let action = Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
                self.push(table, any(), std::slice::from_ref(&condition), action, &set.span);
            }
        }
    }

    /// Says that a variable which rules ask for is not set.
    fn unset(&mut self, set: &SetEnv, why: &'static str, left_out: &mut LeftOut) {
        left_out.note_set(set, why);
        if set.pairs.iter().any(|(name, _)| !name.is_empty()) && self.said.insert((set.span.file.0, set.span.start)) {
            self.reading.refused(&set.span, &format!("SetEnvIf {} {}", set.attribute, set.pattern), why);
        }
    }

    /// Keeps what stands behind the first name that is no folder: of the folders whose rules are those of a folder, or of all.
    pub(super) fn info(&mut self, folder: Option<&str>, table: TableId, facts: &Facts<'_>) {
        let mut below: Vec<&str> = facts.known.iter().map(String::as_str).collect();
        if let Some(folder) = folder {
            below.retain(|path| {
                let owner = ancestors(path).chain([*path]).filter(|above| facts.lists.contains(above)).last();
                path.starts_with(folder) && path.len() > folder.len() && owner == Some(folder)
            });
            below.push(folder);
        }
        below.sort_by_key(|path| path.len());
        for path in below {
            let here = Subject::Text(vec![path_piece(What::Part(Part::WorkingPath))]);
            let text = format!("^{}(?:[^/]+(/.*)$)?", super::pattern::quoted(path));
            let Ok(condition) = Condition::new(here, Test::Regex(pattern(&text, LetterCase::Significant)), false)
            else {
                continue;
            };
            let text = Target::of_pieces(vec![path_piece(What::ConditionCapture(1))]);
            let action = Action::Set { slot: INFO, text, then: Then::Next };
            self.push(table, any(), &[condition], action, &no_span());
        }
    }

    /// `RewriteBase` takes the place of the folder in what rules of the folder have written.
    pub(super) fn rebase(&mut self, plan: &Plan<'_>, table: TableId, then: TableId) {
        self.reading.set_after(table, After::Table(then));
        let (Some(folder), Some(base)) = (plan.folder, plan.base.as_deref()) else { return };
        let here = Subject::Text(vec![path_piece(What::Part(Part::WorkingPath))]);
        let text = format!("^{}(.*)$", super::pattern::quoted(folder));
        if let Ok(below) = Condition::new(here, Test::Regex(pattern(&text, LetterCase::Significant)), false) {
            let pieces = [What::Literal(base.to_owned().into()), What::ConditionCapture(1)].map(path_piece);
            let target = Target::of_pieces(pieces.to_vec());
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(then) };
            self.push(table, any(), &[below], action, &no_span());
        }
    }

    /// Sends people to the URL that rules have made.
    pub(super) fn finish(&mut self, table: TableId, status: u16) {
        let Some(status) = RedirectStatus::from_number(status) else { return };
        let Some(wrote) = slot_is(WROTE_QUERY, "1") else { return };
        for scheme in ["https://", "http://"] {
            for (port, path) in [(None, 2), (Some(2), 3)] {
                let middle = if port.is_some() { ":([0-9]+)" } else { "" };
                let text = format!("^{scheme}([^/:?#@]+){middle}(|[/?#].*)$");
                let url = Subject::Text(vec![path_piece(What::Slot(FILE))]);
                let test = Test::Regex(pattern(&text, LetterCase::Significant));
                let Ok(condition) = Condition::new(url, test, false) else { continue };
                let mut pieces = vec![
                    Piece { place: Landing::Scheme, what: What::Literal(scheme.into()) },
                    Piece { place: Landing::Host, what: What::ConditionCapture(1) },
                ];
                if let Some(group) = port {
                    pieces.push(Piece { place: Landing::Port, what: What::Literal(":".into()) });
                    pieces.push(Piece { place: Landing::Port, what: What::ConditionCapture(group) });
                }
                pieces.push(path_piece(What::ConditionCapture(path)));
                let redirect = |pieces, query| Action::Redirect {
                    status: StatusByMethod::always(status),
                    target: Target::of_pieces(pieces),
                    query,
                };
                let action = redirect([pieces.clone(), working_query()].concat(), QueryPolicy::Drop);
                self.push(table, any(), &[wrote.clone(), condition.clone()], action, &no_span());
                self.push(table, any(), &[condition], redirect(pieces, QueryPolicy::Replace), &no_span());
            }
        }
    }

    /// Where a URL was taken back and httpd has begun anew, nobody but mod_rewrite is asked (`None`: nobody at all).
    pub(super) fn gate(&mut self, table: TableId, then: TableId, taken_in: Round, taken: Option<TableId>) {
        self.reading.set_after(table, After::Table(then));
        let is_taken = match taken_in {
            Round::Before => slot_is(TAKEN, "1"),
            Round::Any => {
                let kept = Subject::Text(vec![path_piece(What::Slot(TAKEN))]);
                Condition::new(kept, Test::Regex(pattern(".", LetterCase::Significant)), false).ok()
            }
        };
        let Some(is_taken) = is_taken else { return };
        match taken {
            None => self.answer_errors(table, &any(), &[]),
            // What mod_alias has to say of a page for an error, ends in that error.
            Some(_) => {
                let round = Subject::Text(vec![path_piece(What::Slot(ERROR))]);
                let is_page = Condition::new(round, Test::Regex(pattern(".", LetterCase::Significant)), false);
                if let (false, Ok(is_page)) = (self.pages.is_empty(), is_page) {
                    self.push(table, any(), &[is_page], Action::Enter(then), &no_span());
                }
            }
        }
        let action = match taken {
            Some(taken) => Action::Enter(taken),
            None => pass(),
        };
        self.push(table, any(), &[is_taken], action, &no_span());
    }

    /// What was taken back was so before httpd begins anew.
    pub(super) fn begin_taken(&mut self, table: TableId) {
        let text = Target::of_pieces(vec![path_piece(What::Literal("1".into()))]);
        if let Some(is_taken) = slot_is(TAKEN, "s") {
            self.push(table, any(), &[is_taken], Action::Set { slot: TAKEN, text, then: Then::Next }, &no_span());
        }
    }

    /// A new round: variables are handed on under other names, and everything begins again.
    pub(super) fn restart<'n>(
        &mut self,
        table: TableId,
        start: TableId,
        is_swapped: bool,
        all: impl Iterator<Item = &'n Names>,
    ) {
        let mut slots: BTreeMap<u16, Vec<Piece<'static>>> = BTreeMap::new();
        for names in all {
            for (name, slot) in names.all() {
                let text = match name.strip_prefix("REDIRECT_") {
                    Some("STATUS") => vec![path_piece(What::Literal("200".into()))],
                    Some(rest) => names.known(rest).map(|slot| path_piece(What::Slot(slot))).into_iter().collect(),
                    None => Vec::new(),
                };
                slots.entry(slot).or_insert(text);
            }
        }
        // What is handed on is read before it is emptied.
        let (handed, emptied): (Vec<_>, Vec<_>) = slots.into_iter().partition(|(_, text)| !text.is_empty());
        for (slot, text) in handed.into_iter().chain(emptied) {
            let action = Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
            self.push(table, any(), &[], action, &no_span());
        }
        self.limit_rounds(table);
        let file = || What::Slot(FILE);
        let set = |text| Action::Set { slot: FILE, text: Target::of_pieces(vec![path_piece(text)]), then: Then::Next };
        if !is_swapped {
            self.push(table, any(), &[], set(What::Part(Part::WorkingPath)), &no_span());
        }
        self.refuse(table, What::Part(Part::WorkingQuery), BARE, ReplyStatus::Forbidden);
        // What a rule wrote is read as a URL: its escapes must be some, and are undone, and a `#` ends its path.
        self.refuse(table, file(), "%(?![0-9A-Fa-f]{2})", ReplyStatus::BadRequest);
        let found = |text: &str| {
            let held = Subject::Text(vec![path_piece(file())]);
            Condition::new(held, Test::Regex(pattern(text, LetterCase::Significant)), false)
        };
        if let Ok(condition) = found("^([^#]*)#") {
            // The query stands behind it.
            let target = Target::of_pieces(vec![path_piece(What::ConditionCapture(1))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Drop, then: Then::Next };
            self.push(table, any(), std::slice::from_ref(&condition), action, &no_span());
            self.push(table, any(), &[condition], set(What::ConditionCapture(1)), &no_span());
        }
        // Slashes are merged and dot segments resolved; what leads out of the root is no path.
        if let Ok(condition) = found("//|/(?:\\.|%2[Ee])") {
            self.push(table, any(), &[condition], set(What::Changed(Change::Resolve, FILE)), &no_span());
            self.refuse(table, file(), "^$", ReplyStatus::BadRequest);
        }
        self.refuse(table, file(), "%(?:2[Ff]|00)", ReplyStatus::NotFound);
        if let Ok(condition) = found("%") {
            self.push(table, any(), &[condition], set(What::Changed(Change::Unescape, FILE)), &no_span());
        }
        self.write_slot(table, FILE, start);
    }
}

impl Lowering<'_, '_> {
    /// Whoever begins anew once too often gets an error, for which `ErrorDocument` may have a URL.
    fn limit_rounds(&mut self, table: TableId) {
        let leads = self.errors_at.contains_key(&500) || matches!(self.errors.get(&(None, 500)), Some(Some(_)));
        let count = Subject::Text(vec![path_piece(What::Slot(ROUNDS))]);
        let text = format!("^x{{{}}}", APACHE.rewrite_limit + 1);
        let is_over = Condition::new(count, Test::Regex(pattern(&text, LetterCase::Significant)), false);
        let (Ok(is_over), Ok(error), true) = (is_over, self.error(Phase::Inside, 500), leads) else { return };
        let text = [What::Slot(ROUNDS), What::Literal("x".into())].map(path_piece);
        let one_more = Action::Set { slot: ROUNDS, text: Target::of_pieces(text.to_vec()), then: Then::Next };
        self.push(table, any(), &[], one_more, &no_span());
        self.push(table, any(), &[is_over], error, &no_span());
    }
}

/// Whether a slot holds a value.
pub(super) fn slot_is(slot: u16, value: &str) -> Option<Condition> {
    let kept = Subject::Text(vec![path_piece(What::Slot(slot))]);
    Condition::new(kept, Test::Is(value.to_owned()), false).ok()
}

/// The working query with its `?`.
pub(super) fn working_query() -> Vec<Piece<'static>> {
    let parts = [Part::QueryMark, Part::WorkingQuery];
    parts.map(|part| Piece { place: Landing::Query, what: What::Part(part) }).to_vec()
}
