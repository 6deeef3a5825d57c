//! Error pages: what an error is answered with, and where that leads.
//!
//! An error comes from `return`, from who may not ask, and from files that are not there; a redirect is one as well, since nginx
//! looks for a page for its status too. A page is a URL, which is sent; a named location; or a path, with which the request
//! begins again as a GET. Each is a table that is entered, made once for each server and way of writing redirects.

use std::collections::HashSet;

use byway_core::Action;
use byway_core::condition::{Condition, Test};
use byway_core::dialect::QueryPolicy;
use byway_core::rule::Then;
use byway_core::ruleset::{Order, TableId};
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::groups::Digits;
use super::lower::{ERRORED, INTERNAL, Lower, METHOD, Of, Style, Why, any, asks, go, piece, stop};
use super::model::{ErrorPage, Found, Location, Scope, Server, Statement};
use super::rewrites::inside;
use super::script::{Phase, Run, nothing};
use super::text::{self, Form, Known};
use crate::span::Span;

/// Why an error page waits for an error that never comes here.
const OF_OTHERS: &str = "it answers errors of nginx itself or of a server behind it, which is not asked here";

impl Run<'_, '_, '_, '_, '_> {
    /// Answers with an error: by its page where it has one, else by its status.
    pub(super) fn error(
        &mut self,
        code: u16,
        rule: &str,
        source: &Source<'static>,
        conditions: &[Condition],
        span: &Span,
    ) {
        if self.error_page(code, source, conditions, span) {
            return self.lower.exact(span, rule);
        }
        match ReplyStatus::from_number(code) {
            Some(status) => {
                self.push(source, conditions, Action::Reply { status, retry_after: None }, span);
                self.lower.exact(span, rule);
            }
            // Its page answers, but for an error behind another page.
            None if self.scope.error_pages.iter().any(|page| page.codes.contains(&code)) => {
                self.push(source, conditions, stop(), span);
                self.lower.reading.approximated(span, rule, "behind an error page it is not answered with its status");
            }
            None => self.answer_with_text(code, rule, source, conditions, span),
        }
    }

    /// Sends whoever gets this status to its page; whether that holds for all of them. An error behind an error page has none.
    pub(super) fn error_page(
        &mut self,
        code: u16,
        source: &Source<'static>,
        conditions: &[Condition],
        span: &Span,
    ) -> bool {
        let pages = std::rc::Rc::clone(&self.scope.error_pages);
        let Some(page) = pages.iter().find(|page| page.codes.contains(&code)) else { return false };
        let page_table = self.lower.page_table(page, self.of, self.scope, self.style);
        let only_first = self.of.leads_inside && !self.scope.is_recursive;
        let mut conditions = conditions.to_vec();
        if only_first {
            conditions.push(asks(What::Slot(ERRORED), Test::Is(String::new()), false));
        }
        let action = go(self.table, page_table);
        self.push(source, &conditions, action, span);
        !only_first
    }

    fn page(&mut self, page: &ErrorPage) {
        let span = self.lower.span(page.word);
        let bytes = self.lower.tree.word(page.target).into_owned();
        if let Some(name) = bytes.strip_prefix(b"@") {
            let named = self.of.named.get(&*String::from_utf8_lossy(name)).copied();
            match named {
                Some(table) => self.begin_again(&any(), &[], Again::Named(table), &span),
                // nginx finds out when it looks for it.
                None => {
                    let status = ReplyStatus::InternalServerError;
                    self.push(&any(), &[], Action::Reply { status, retry_after: None }, &span);
                }
            }
            return self.lower.exact(&span, &page.rule);
        }
        let resolved = match self.resolve(&bytes, &nothing) {
            Ok(resolved) => resolved,
            Err(why) => {
                self.left_out(why, &span, &page.rule);
                return self.push(&any(), &[], stop(), &span);
            }
        };
        self.look_up(&resolved.lists, &any(), &[], &span);
        match resolved.parts.first() {
            Some(Known::Text(text)) if text.first() == Some(&b'/') => {
                return self.page_inside(resolved.parts, &[], page, &span);
            }
            Some(Known::What(What::Part(Part::WorkingPath | Part::PathAndQuery))) => {
                return self.page_inside(resolved.parts, &[], page, &span);
            }
            // Whether it is a path is known when it is there.
            Some(Known::What(first)) if *first != What::Part(Part::Scheme) => {
                let is_path = asks(first.clone(), Test::Glob("/*".to_owned()), false);
                self.page_inside(resolved.parts.clone(), &[is_path], page, &span);
            }
            _ => {}
        }
        match text::location(&resolved.parts, Form::Return) {
            Ok(target) => {
                let status = page.overwrite.and_then(RedirectStatus::from_number).unwrap_or(RedirectStatus::Found);
                let status = StatusByMethod::always(status);
                self.push(&any(), &[], Action::Redirect { status, target, query: QueryPolicy::Drop }, &span);
                self.lower.exact(&span, &page.rule);
            }
            Err(why) => {
                self.left_out(Why::Refused(why.into()), &span, &page.rule);
                self.push(&any(), &[], stop(), &span);
            }
        }
    }

    fn page_inside(&mut self, parts: Vec<Known>, conditions: &[Condition], page: &ErrorPage, span: &Span) {
        self.begin_again(&any(), conditions, Again::Path(parts), span);
        self.lower.exact(span, &page.rule);
    }

    /// An error page leads to a named location or a path of the server: from then on the request is nginx's own, and a GET.
    fn begin_again(&mut self, source: &Source<'static>, conditions: &[Condition], again: Again, span: &Span) {
        if self.of.leads_inside && !self.scope.is_recursive {
            self.set(ERRORED, "1", source, conditions, span);
        }
        let is_path = matches!(again, Again::Path(_));
        let again = match again {
            // The page's text still has the method that was asked with.
            Again::Path(parts) if parts.contains(&Known::What(What::Slot(METHOD))) => {
                let Some(target) = split(&parts) else { return };
                let action = Action::Rewrite { target, query: QueryPolicy::Drop, then: Then::Next };
                self.push(source, conditions, action, span);
                Again::PathWithQuery(vec![Known::What(What::Part(Part::WorkingPath))])
            }
            again => again,
        };
        if is_path && self.lower.keeps_method {
            let mut others = conditions.to_vec();
            others.push(asks(What::Slot(METHOD), Test::Is("HEAD".to_owned()), true));
            self.set(METHOD, "GET", source, &others, span);
        }
        self.lead(source, conditions, again, span);
    }

    /// Goes on with a named location, or with another path from the server's first statement on.
    pub(super) fn lead(&mut self, source: &Source<'static>, conditions: &[Condition], again: Again, span: &Span) {
        if self.of.is_marked {
            self.set(INTERNAL, "1", source, conditions, span);
        }
        let (target, query, table) = match again {
            Again::Named(table) => (Some(piece(What::Part(Part::WorkingPath))), QueryPolicy::Keep, table),
            Again::Path(parts) => (split(&parts), QueryPolicy::Drop, self.of.begin),
            Again::PathWithQuery(parts) => (inside(&parts), QueryPolicy::Keep, self.of.begin),
        };
        let action = match target {
            Some(target) => Action::Rewrite { target, query, then: Then::Table(table) },
            None => stop(),
        };
        self.push(source, conditions, action, span);
    }
}

/// A path to begin again with, whose query begins at its first `?`, also one that the request brings along at its end.
fn split(parts: &[Known]) -> Option<Target<'static>> {
    let sent = Known::What(What::Part(Part::PathAndQuery));
    match parts.split_last() {
        Some((last, before)) if *last == sent && !before.iter().any(has_query) => {
            let before = inside(before)?;
            let mut pieces = match before.constant() {
                Some(text) => vec![Piece { place: Landing::Path, what: What::Literal(text.to_owned().into()) }],
                None => before.pieces().to_vec(),
            };
            pieces.push(Piece { place: Landing::Path, what: What::Part(Part::Path) });
            pieces.push(Piece { place: Landing::Query, what: What::Literal("?".into()) });
            pieces.push(Piece { place: Landing::Query, what: What::Part(Part::Query) });
            Some(Target::of_pieces(pieces))
        }
        _ => inside(parts),
    }
}

fn has_query(part: &Known) -> bool {
    matches!(part, Known::Text(text) if text.contains(&b'?')) || *part == Known::What(What::Part(Part::PathAndQuery))
}

/// Where a request begins again.
pub(super) enum Again {
    /// In a named location, with the path that it has.
    Named(TableId),
    /// With another path, and the query that stands in it.
    Path(Vec<Known>),
    /// With another path, and the query that it has.
    PathWithQuery(Vec<Known>),
}

impl Lower<'_, '_, '_> {
    /// The table of an error page.
    fn page_table(&mut self, page: &ErrorPage, of: &Of<'_>, scope: &Scope, style: Style) -> TableId {
        let key = (std::ptr::from_ref(of.server) as usize, std::ptr::from_ref(page) as usize, style);
        if let Some(&table) = self.pages.get(&key) {
            return table;
        }
        let table = self.table(style.dialect(Form::Return), Order::Listed);
        self.pages.insert(key, table);
        self.answered.insert(key.1);
        Run::new(self, of, scope, style, Phase::Location, table, Form::Return).page(page);
        table
    }

    /// Says which error pages would redirect and wait for an error that never comes here.
    pub(super) fn unanswered(&mut self) {
        let model = self.model;
        let mut said = HashSet::new();
        for server in &model.servers {
            let leading = Leading::of(server);
            self.unanswered_of(&server.scope, &leading, &mut said);
            self.unanswered_in(&server.locations, &leading, &mut said);
        }
    }

    fn unanswered_in(&mut self, locations: &[Location], leading: &Leading<'_>, said: &mut HashSet<usize>) {
        for location in locations {
            self.unanswered_of(&location.scope, leading, said);
            self.unanswered_in(&location.locations, leading, said);
        }
    }

    fn unanswered_of(&mut self, scope: &Scope, leading: &Leading<'_>, said: &mut HashSet<usize>) {
        for page in scope.error_pages.iter() {
            let key = std::ptr::from_ref(page) as usize;
            if !leading.may_redirect(&self.tree.word(page.target)) || !said.insert(key) {
                continue;
            }
            let is_of_files = page.codes.iter().any(|code| matches!(code, 403..=405));
            let knows_files = self.roots.values().any(Option::is_some);
            if self.answered.contains(&key) {
                // Statements bring errors here, and files that are not there would as well.
                if page.codes.contains(&404) && !knows_files {
                    let span = self.span(page.word);
                    let why = self.reading.of_files();
                    self.reading.approximated(&span, &page.rule, why);
                }
                continue;
            }
            let why = if is_of_files && !knows_files { self.reading.of_files() } else { OF_OTHERS };
            let span = self.span(page.word);
            self.reading.refused(&span, &page.rule, why);
        }
    }
}

/// The locations of a server whose statements redirect, by how they are found.
#[derive(Default)]
struct Leading<'m> {
    named: HashSet<&'m [u8]>,
    exact: HashSet<&'m [u8]>,
    prefixes: HashSet<&'m [u8]>,
}

impl<'m> Leading<'m> {
    fn of(server: &'m Server) -> Leading<'m> {
        let mut leading = Leading::default();
        for location in server.locations.iter().filter(|location| redirects(&location.statements)) {
            match &location.found {
                Found::Named(name) => leading.named.insert(name.as_bytes()),
                Found::Exact(path) => leading.exact.insert(path),
                Found::Prefix { prefix, .. } if prefix.len() > 1 => leading.prefixes.insert(prefix),
                Found::Prefix { .. } | Found::Regex(_) => false,
            };
        }
        leading
    }

    /// Whether an error page may end in a redirect: it is a URL, or where it leads are statements.
    fn may_redirect(&self, target: &[u8]) -> bool {
        match target {
            [b'@', name @ ..] => self.named.contains(name),
            [b'/', ..] => {
                let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
                self.exact.contains(path) || (2..=path.len()).any(|end| self.prefixes.contains(&path[..end]))
            }
            _ => true,
        }
    }
}

/// Whether some of these statements redirect.
fn redirects(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match statement {
        Statement::Return { status, .. } => status.is_none_or(|code| RedirectStatus::from_number(code).is_some()),
        Statement::Rewrite { .. } => true,
        Statement::If { body, .. } => redirects(body),
        Statement::Set { .. } | Statement::Break { .. } => false,
    })
}

/// Notes which statuses have an error page, and which groups these read.
pub(super) fn note_pages(lower: &mut Lower<'_, '_, '_>) {
    fn of_scope(scope: &Scope, lower: &mut Lower<'_, '_, '_>) {
        for page in scope.error_pages.iter() {
            lower.page_codes.extend(&page.codes);
            lower.page_digits = lower.page_digits.and(Digits::of(&lower.tree.word(page.target)));
        }
    }
    fn of_locations(locations: &[Location], lower: &mut Lower<'_, '_, '_>) {
        for location in locations {
            of_scope(&location.scope, lower);
            if let Some(limit) = &location.limit {
                of_scope(&limit.scope, lower);
            }
            for statement in &location.statements {
                if let Statement::If { scope: Some(scope), .. } = statement {
                    of_scope(scope, lower);
                }
            }
            of_locations(&location.locations, lower);
        }
    }
    let model = lower.model;
    for server in &model.servers {
        of_scope(&server.scope, lower);
        of_locations(&server.locations, lower);
    }
}

/// Whether some error page of a server leads inside of it, so that an error behind it must be told from the first.
pub(super) fn leads_inside(server: &Server, lower: &Lower<'_, '_, '_>) -> bool {
    let of_scope = |scope: &Scope| {
        scope.error_pages.iter().any(|page| matches!(lower.tree.word(page.target).first(), Some(b'@' | b'/' | b'$')))
    };
    of_scope(&server.scope)
        || any_location(&server.locations, &|location| {
            let in_if = |statement: &Statement| matches!(statement, Statement::If { scope: Some(scope), .. } if of_scope(scope));
            of_scope(&location.scope)
                || location.limit.as_ref().is_some_and(|limit| of_scope(&limit.scope))
                || location.statements.iter().any(in_if)
        })
}

/// Whether something holds for one of these locations, or for one inside of them.
pub(super) fn any_location(locations: &[Location], holds: &dyn Fn(&Location) -> bool) -> bool {
    locations.iter().any(|location| holds(location) || any_location(&location.locations, holds))
}
