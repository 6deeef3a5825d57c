//! The statements of the rewrite module as rules: `set`, `if`, `return`, `rewrite`, `break`, and what follows from files.
//!
//! Statements of one place are rules of one table, as listed. Where `return` follows `rewrite` or the other way round, another
//! table goes on behind, since the two write variables differently. What stands in an `if` is a table that is called. `$1` to
//! `$9` live in slots where a rule cannot take them from its own pattern; only those that somebody reads are kept.
//!
//! Long because each statement is lowered with those around it in view: which groups live, which table, which form.

use std::borrow::Cow;

use byway_core::Action;
use byway_core::condition::{Condition, Test};
use byway_core::dialect::QueryPolicy;
use byway_core::regex::{Anchoring, Flavour, Pattern};
use byway_core::rule::Then;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::lex::Word;
use super::lower::{CHANGED, KIND, Lower, Of, Resolved, Style, TEXT, Why, any, asks, of_regex, piece, stop};
use super::model::{ErrorPage, Flag, Found, IfTest, Location, Scope, Server, Statement};
use super::pcre::Regex;
use super::text::{self, Bit, Form, Known, bits};
use crate::span::Span;

/// A set of group numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digits(u16);

impl Digits {
    pub(super) fn has(self, number: u8) -> bool {
        self.0 >> number & 1 == 1
    }

    fn and(self, other: Digits) -> Digits {
        Digits(self.0 | other.0)
    }

    /// The groups that a text reads.
    fn of(text: &[u8]) -> Digits {
        let found = bits(text).unwrap_or_default();
        Digits(found.iter().fold(0, |set, bit| if let Bit::Group(number) = bit { set | 1 << number } else { set }))
    }
}

/// Which statements are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Those of a server.
    Server,
    /// Those of a location.
    Location,
}

/// Gives every variable that the configuration makes a slot.
pub(super) fn declare(lower: &mut Lower<'_, '_, '_>) {
    fn of_regex(regex: &Regex, lower: &mut Lower<'_, '_, '_>) {
        let names: Vec<String> = regex.named().map(|(_, name)| name.to_ascii_lowercase()).collect();
        for name in names {
            lower.slot(&name);
        }
    }
    fn of_statements(statements: &[Statement], lower: &mut Lower<'_, '_, '_>) {
        for statement in statements {
            match statement {
                Statement::Set { name, .. } => {
                    lower.slot(name);
                }
                Statement::If { test, body, .. } => {
                    if let IfTest::Found { regex, .. } = test {
                        of_regex(regex, lower);
                    }
                    of_statements(body, lower);
                }
                Statement::Rewrite { regex, .. } => of_regex(regex, lower),
                _ => {}
            }
        }
    }
    fn of_locations(locations: &[Location], lower: &mut Lower<'_, '_, '_>) {
        for location in locations {
            if let Found::Regex(regex) = &location.found {
                of_regex(regex, lower);
            }
            of_statements(&location.statements, lower);
            of_locations(&location.locations, lower);
        }
    }
    let model = lower.model;
    for server in &model.servers {
        for &word in &server.names {
            if let Some(pattern) = lower.tree.str(word).strip_prefix('~')
                && let Ok(regex) = Regex::read(pattern, byway_core::dialect::LetterCase::Ignored)
            {
                of_regex(&regex, lower);
            }
        }
        of_statements(&server.statements, lower);
        of_locations(&server.locations, lower);
    }
}

// Which groups are read

fn word_digits(word: Word, lower: &Lower<'_, '_, '_>) -> Digits {
    Digits::of(&lower.tree.word(word))
}

/// The groups that are read before a pattern is tried, when statements are run. `after` are those that are read behind them,
/// `jump` those that are read where `last` goes.
pub(super) fn live_in(statements: &[Statement], after: Digits, jump: Digits, lower: &Lower<'_, '_, '_>) -> Digits {
    live_behind(statements, after, jump, lower).first().copied().unwrap_or(after)
}

/// For each statement the groups that are read from it on; last those behind all.
fn live_behind(statements: &[Statement], after: Digits, jump: Digits, lower: &Lower<'_, '_, '_>) -> Vec<Digits> {
    let mut live = vec![after; statements.len() + 1];
    for (at, statement) in statements.iter().enumerate().rev() {
        let behind = live[at + 1];
        live[at] = match statement {
            Statement::Set { text, .. } => behind.and(word_digits(*text, lower)),
            Statement::Return { text, .. } => text.map_or(Digits::default(), |text| word_digits(text, lower)),
            // A pattern takes the place of all groups, and its own target reads its own.
            Statement::Rewrite { .. } => Digits::default(),
            Statement::Break { .. } => jump,
            Statement::If { test, body, .. } => match test {
                IfTest::Found { left, .. } => Digits::of(left),
                IfTest::True(text) => Digits::of(text).and(live_in(body, behind, jump, lower)).and(behind),
                IfTest::Same { left, right, .. } => {
                    Digits::of(left).and(Digits::of(right)).and(live_in(body, behind, jump, lower)).and(behind)
                }
                IfTest::File { path, .. } => Digits::of(path).and(live_in(body, behind, jump, lower)).and(behind),
            },
        };
    }
    live
}

/// The groups that the locations of a server read before any pattern of their own.
pub(super) fn live_of(server: &Server, lower: &Lower<'_, '_, '_>) -> Digits {
    fn of_locations(locations: &[Location], jump: Digits, lower: &Lower<'_, '_, '_>) -> Digits {
        locations.iter().fold(Digits::default(), |live, location| {
            let own = match location.found {
                Found::Regex(_) => Digits::default(),
                _ => live_in(&location.statements, Digits::default(), jump, lower),
            };
            live.and(own).and(of_locations(&location.locations, jump, lower))
        })
    }
    let mut live = Digits::default();
    loop {
        let next = live.and(of_locations(&server.locations, live, lower));
        if next == live {
            return live;
        }
        live = next;
    }
}

// Tables

/// The form in which a statement writes to a client, where that matters.
fn form_of(statement: &Statement) -> Option<Form> {
    match statement {
        Statement::Return { .. } => Some(Form::Return),
        Statement::Rewrite { .. } => Some(Form::Rewrite),
        // An `if` with one `return` or `rewrite` is a rule of its own.
        Statement::If { body, .. } => match body.as_slice() {
            [only] => form_of(only),
            _ => None,
        },
        _ => None,
    }
}

/// The form that statements begin with.
pub(super) fn first_form(statements: &[Statement]) -> Form {
    statements.iter().find_map(form_of).unwrap_or(Form::Return)
}

/// As many tables as statements will need at most.
pub(super) fn tables(statements: &[Statement], style: Style, lower: &mut Lower<'_, '_, '_>) -> Vec<TableId> {
    fn count(statements: &[Statement]) -> usize {
        let forms: Vec<Form> = statements.iter().filter_map(form_of).collect();
        let changes = forms.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let inside: usize = statements
            .iter()
            .map(|statement| match statement {
                Statement::If { body, .. } => count(body),
                _ => 0,
            })
            .sum();
        1 + changes + inside
    }
    let forms: Vec<Form> = statements.iter().filter_map(form_of).collect();
    let first = forms.first().copied().unwrap_or(Form::Return);
    // All but the first are made in both forms: which is needed is known when they are.
    let mut tables = vec![lower.table(style.dialect(first), Order::Listed)];
    for _ in 1..count(statements) {
        tables.push(lower.table(style.dialect(Form::Return), Order::Listed));
        tables.push(lower.table(style.dialect(Form::Rewrite), Order::Listed));
    }
    tables
}

/// Where rules go while statements are lowered.
struct Run<'a, 'l, 't, 'r, 'd> {
    lower: &'a mut Lower<'t, 'r, 'd>,
    of: &'a Of<'l>,
    scope: &'a Scope,
    style: Style,
    phase: Phase,
    /// The table that rules go into now, and its form.
    table: TableId,
    form: Form,
    /// Tables that were made beforehand, in pairs, the last first; `None` where they are made as they are needed.
    pool: Option<Vec<TableId>>,
    /// Whether some rewrite is remembered in [`CHANGED`].
    changes: bool,
}

/// Lowers statements into a chain of tables that begins with the first of `pool`; returns the last.
pub(super) fn run(
    lower: &mut Lower<'_, '_, '_>,
    statements: &[Statement],
    mut pool: Vec<TableId>,
    of: &Of<'_>,
    scope: &Scope,
    style: Style,
    phase: Phase,
) -> TableId {
    let table = pool.remove(0);
    let form = first_form(statements);
    pool.reverse();
    let pool = (phase == Phase::Server).then_some(pool);
    let after = if phase == Phase::Server { of.live } else { Digits::default() };
    let mut run = Run { lower, of, scope, style, phase, table, form, pool, changes: false };
    run.changes = phase == Phase::Location && needs_memory(statements, true);
    if run.changes {
        let span = run.lower.whole();
        run.set(CHANGED, "", &any(), &[], &span);
    }
    run.statements(statements, after, true);
    if run.changes {
        let span = run.lower.whole();
        let changed = asks(What::Slot(CHANGED), Test::Is("1".to_owned()), false);
        let again = Action::Rewrite {
            target: piece(What::Part(Part::WorkingPath)),
            query: QueryPolicy::Keep,
            then: Then::Table(of.locations),
        };
        let table = run.table;
        run.lower.push(table, any(), &[changed], again, &span);
    }
    run.table
}

/// Whether a rewrite without flag is followed by something, or stands in an `if`: then it must be remembered to the end.
fn needs_memory(statements: &[Statement], is_top: bool) -> bool {
    statements.iter().enumerate().any(|(at, statement)| match statement {
        Statement::Rewrite { flag: Flag::None, .. } => !is_top || at + 1 < statements.len(),
        Statement::If { body, .. } => needs_memory(body, false),
        _ => false,
    })
}

/// Whether a statement alone in its location is the rule of the location itself.
pub(super) fn is_direct(statement: &Statement, lower: &Lower<'_, '_, '_>) -> bool {
    match statement {
        Statement::Return { text: Some(text), .. } => {
            let names = bits(&lower.tree.word(*text)).unwrap_or_default();
            !names.iter().any(|bit| matches!(bit, Bit::Variable(name) if lower.lists.value(name).is_some()))
        }
        Statement::Return { status: Some(code), .. } => !(300..400).contains(code),
        _ => false,
    }
}

/// Pushes the rule of a location that does one thing.
pub(super) fn direct(
    lower: &mut Lower<'_, '_, '_>,
    table: TableId,
    source: Source<'static>,
    statement: &Statement,
    location: &Location,
    of: &Of<'_>,
) {
    let style = Style::of(&location.scope, of.merges);
    let regex = match &location.found {
        Found::Regex(regex) => Some(regex.clone()),
        _ => None,
    };
    let own = |bit: &Bit| own_group(bit, regex.as_ref(), false);
    let mut run = Run {
        lower,
        of,
        scope: &location.scope,
        style,
        phase: Phase::Location,
        table,
        form: Form::Return,
        pool: None,
        changes: false,
    };
    if let Statement::Return { status, text, word, rule } = statement {
        run.return_of(*status, *text, *word, rule, source, &[], &own);
    }
}

/// What a group is in the rule whose pattern it belongs to.
fn own_group(bit: &Bit, regex: Option<&Regex>, is_condition: bool) -> Option<What<'static>> {
    let regex = regex?;
    let number = match bit {
        Bit::Group(number) => usize::from(*number),
        Bit::Variable(name) => regex.named().find(|(_, known)| known.eq_ignore_ascii_case(name))?.0,
        Bit::Text(_) => return None,
    };
    Some(match u8::try_from(number) {
        Ok(number) if usize::from(number) <= regex.groups.len() => {
            if is_condition {
                What::ConditionCapture(number)
            } else {
                What::Capture(number - 1)
            }
        }
        _ => What::Literal("".into()),
    })
}

/// The conditions of an `if`, and its pattern, with whether it is asked to fit.
type Asked = (Vec<Condition>, Option<(Regex, bool)>);

type Own<'o> = &'o dyn Fn(&Bit) -> Option<What<'static>>;

fn nothing(_: &Bit) -> Option<What<'static>> {
    None
}

impl Run<'_, '_, '_, '_, '_> {
    fn push(&mut self, source: &Source<'static>, conditions: &[Condition], action: Action<'_>, span: &Span) {
        self.lower.push(self.table, source.clone(), conditions, action, span);
    }

    fn set(&mut self, slot: u16, text: &'static str, source: &Source<'static>, conditions: &[Condition], span: &Span) {
        let action = Action::Set { slot, text: piece(What::Literal(text.into())), then: Then::Next };
        self.push(source, conditions, action, span);
    }

    /// Goes over to a table of the form that is needed.
    fn in_form(&mut self, form: Form) {
        if self.form == form {
            return;
        }
        let next = self.next_table(form);
        self.lower.reading.set_after(self.table, After::Table(next));
        self.table = next;
        self.form = form;
    }

    fn next_table(&mut self, form: Form) -> TableId {
        let of_pool = self.pool.as_mut().and_then(|pool| {
            let (first, second) = (pool.pop()?, pool.pop()?);
            Some(if form == Form::Return { first } else { second })
        });
        of_pool.unwrap_or_else(|| self.lower.table(self.style.dialect(form), Order::Listed))
    }

    /// Says why a statement is left out.
    fn left_out(&mut self, why: Why, span: &Span, rule: &str) {
        match why {
            Why::Fault(message) => self.lower.fault(span.clone(), message),
            Why::Refused(why) => self.lower.reading.refused(span, rule, why),
        }
    }

    fn resolve(&mut self, text: &[u8], own: Own<'_>) -> Result<Resolved, Why> {
        self.lower.resolve(text, Some(self.of), self.scope, own)
    }

    /// Looks up the lists that a text needs.
    fn look_up(&mut self, lists: &[String], source: &Source<'static>, conditions: &[Condition], span: &Span) {
        for name in lists {
            let (of, table) = (self.of.clone(), self.table);
            self.lower.look_up(name, table, source, conditions, Some(&of), self.scope, span);
        }
    }

    fn statements(&mut self, statements: &[Statement], after: Digits, is_top: bool) {
        let live = live_behind(statements, after, self.of.live, self.lower);
        for (at, statement) in statements.iter().enumerate() {
            let is_last = is_top && at + 1 == statements.len();
            self.statement(statement, live[at + 1], is_last, &any(), &[], &nothing);
        }
    }

    /// One statement, under a source and conditions.
    fn statement(
        &mut self,
        statement: &Statement,
        live: Digits,
        is_last: bool,
        source: &Source<'static>,
        conditions: &[Condition],
        own: Own<'_>,
    ) {
        match statement {
            Statement::Set { name, text, word } => self.set_of(name, *text, *word, source, conditions, own),
            Statement::Return { status, text, word, rule } => {
                self.in_form(Form::Return);
                self.return_of(*status, *text, *word, rule, source.clone(), conditions, own);
            }
            Statement::Rewrite { regex, target, flag, word, rule, .. } => {
                self.rewrite(regex, *target, *flag, *word, rule, live, is_last, conditions);
            }
            Statement::Break { word } => {
                let span = self.lower.span(*word);
                let action = match self.phase {
                    Phase::Server => Action::Enter(self.of.locations),
                    Phase::Location => stop(),
                };
                self.push(source, conditions, action, &span);
            }
            Statement::If { test, body, word } => self.if_of(test, body, *word, live),
        }
    }

    fn set_of(
        &mut self,
        name: &str,
        text: Word,
        word: Word,
        source: &Source<'static>,
        conditions: &[Condition],
        own: Own<'_>,
    ) {
        let span = self.lower.span(word);
        let bytes = self.lower.tree.word(text).into_owned();
        let rule = format!("set ${name} {}", String::from_utf8_lossy(&bytes));
        let resolved = match self.resolve(&bytes, own) {
            Ok(resolved) => resolved,
            Err(why) => return self.left_out(why, &span, &rule),
        };
        let slot = self.lower.slot(name);
        self.look_up(&resolved.lists, source, conditions, &span);
        match text::plain(&resolved.parts) {
            Some(text) => self.push(source, conditions, Action::Set { slot, text, then: Then::Next }, &span),
            None => self.left_out(Why::Refused("a text that is not UTF-8".into()), &span, &rule),
        }
    }

    // return

    #[allow(clippy::too_many_arguments, reason = "the words of the statement and the rule that it becomes")]
    fn return_of(
        &mut self,
        status: Option<u16>,
        text: Option<Word>,
        word: Word,
        rule: &str,
        source: Source<'static>,
        conditions: &[Condition],
        own: Own<'_>,
    ) {
        let span = self.lower.span(word);
        let code = status.unwrap_or(302);
        let Some(text) = text else {
            return self.plain_return(code, rule, source, conditions, &span);
        };
        let Some(redirect) = RedirectStatus::from_number(code) else {
            return self.page(code, rule, source, conditions, &span);
        };
        let bytes = self.lower.tree.word(text).into_owned();
        let resolved = match self.resolve(&bytes, own) {
            Ok(resolved) => resolved,
            Err(why) => {
                self.left_out(why, &span, rule);
                return self.push(&source, conditions, stop(), &span);
            }
        };
        self.look_up(&resolved.lists, &source, conditions, &span);
        self.redirect(resolved.parts, Form::Return, redirect, QueryPolicy::Drop, &source, conditions, &span, rule);
    }

    /// Pushes a redirect.
    #[allow(clippy::too_many_arguments, reason = "the words of the statement and the rule that it becomes")]
    fn redirect(
        &mut self,
        parts: Vec<Known>,
        form: Form,
        status: RedirectStatus,
        query: QueryPolicy,
        source: &Source<'static>,
        conditions: &[Condition],
        span: &Span,
        rule: &str,
    ) {
        let status = StatusByMethod::always(status);
        // Whether a variable begins with a slash is known when it is there: both are written.
        if let Some(Known::What(first)) = parts.first()
            && self.scope.server_name
            && self.scope.absolute
            && *first != What::Part(Part::Scheme)
            && let Ok(target) = text::location(&self.with_server_name(parts.clone()), form)
        {
            let mut of_path = conditions.to_vec();
            of_path.push(asks(first.clone(), Test::Glob("/*".to_owned()), false));
            let action = Action::Redirect { status, target, query: query.clone() };
            self.push(source, &of_path, action, span);
        }
        let begins = matches!(parts.first(), Some(Known::Text(text)) if text.first() == Some(&b'/'));
        let parts = if begins { self.with_server_name(parts) } else { parts };
        match text::location(&parts, form) {
            Ok(target) => {
                self.push(source, conditions, Action::Redirect { status, target, query }, span);
                self.lower.reading.exact(span, rule);
            }
            Err(why) => {
                self.left_out(Why::Refused(why.into()), span, rule);
                self.push(source, conditions, stop(), span);
            }
        }
    }

    /// `server_name_in_redirect on`: a path is made absolute with the server's own name.
    fn with_server_name(&mut self, parts: Vec<Known>) -> Vec<Known> {
        if !self.scope.server_name || !self.scope.absolute {
            return parts;
        }
        let Ok(name) = self.lower.resolve(b"$scheme://$server_name", Some(self.of), self.scope, &nothing) else {
            return parts;
        };
        let mut out = name.parts;
        if let ([(port, _)], true) = (self.of.server.ports.as_slice(), self.scope.port)
            && !matches!(port.number, 80 | 443)
        {
            out.push(Known::Text(format!(":{}", port.number).into_bytes()));
        }
        // The text of the host is one piece.
        let mut joined: Vec<Known> = Vec::new();
        for part in out.into_iter().chain(parts) {
            match (joined.last_mut(), part) {
                (Some(Known::Text(before)), Known::Text(text)) => before.extend_from_slice(&text),
                (_, part) => joined.push(part),
            }
        }
        joined
    }

    fn plain_return(&mut self, code: u16, rule: &str, source: Source<'static>, conditions: &[Condition], span: &Span) {
        if RedirectStatus::from_number(code).is_some() {
            self.left_out(Why::Refused("an empty Location".into()), span, rule);
            return self.push(&source, conditions, stop(), span);
        }
        let pages = std::rc::Rc::clone(&self.scope.error_pages);
        if let Some(page) = pages.iter().find(|page| page.codes.contains(&code))
            && self.error_page(page, code, &source, conditions, span)
        {
            return self.lower.reading.exact(span, rule);
        }
        match ReplyStatus::from_number(code) {
            Some(status) => {
                self.push(&source, conditions, Action::Reply { status, retry_after: None }, span);
                self.lower.reading.exact(span, rule);
            }
            None => self.page(code, rule, source, conditions, span),
        }
    }

    /// An answer with a text of its own.
    fn page(&mut self, code: u16, rule: &str, source: Source<'static>, conditions: &[Condition], span: &Span) {
        match ReplyStatus::from_number(code) {
            Some(status) => {
                self.push(&source, conditions, Action::Reply { status, retry_after: None }, span);
                self.lower.reading.approximated(span, rule, "the text of the answer is not sent");
            }
            None => {
                let why = match code {
                    300..=399 => "a 3xx that sends nobody anywhere",
                    444 => "a connection that is closed without an answer",
                    _ => "an answer that is no redirect",
                };
                self.lower.reading.refused(span, rule, why);
                self.push(&source, conditions, stop(), span);
            }
        }
    }

    /// An error that is answered with a redirect, or by a named location; whether it is.
    fn error_page(
        &mut self,
        page: &ErrorPage,
        code: u16,
        source: &Source<'static>,
        conditions: &[Condition],
        span: &Span,
    ) -> bool {
        let bytes = self.lower.tree.word(page.target).into_owned();
        if let Some(name) = bytes.strip_prefix(b"@") {
            let Some(&table) = self.of.named.get(&*String::from_utf8_lossy(name)) else { return false };
            let target = piece(What::Part(Part::WorkingPath));
            let action = Action::Rewrite { target, query: QueryPolicy::Keep, then: Then::Table(table) };
            self.push(source, conditions, action, span);
            return true;
        }
        if bytes.first() == Some(&b'/') {
            return false;
        }
        let Ok(resolved) = self.resolve(&bytes, &nothing) else { return false };
        let Ok(target) = text::location(&resolved.parts, Form::Return) else { return false };
        let _ = code;
        let status = page.overwrite.and_then(RedirectStatus::from_number).unwrap_or(RedirectStatus::Found);
        self.look_up(&resolved.lists, source, conditions, span);
        let status = StatusByMethod::always(status);
        self.push(source, conditions, Action::Redirect { status, target, query: QueryPolicy::Drop }, span);
        let word = self.lower.span(page.word);
        self.lower.reading.exact(&word, &page.rule);
        true
    }

    // rewrite

    #[allow(clippy::too_many_arguments, reason = "the words of the statement and the rule that it becomes")]
    fn rewrite(
        &mut self,
        regex: &Regex,
        target: Word,
        flag: Flag,
        word: Word,
        rule: &str,
        live: Digits,
        is_last: bool,
        conditions: &[Condition],
    ) {
        let span = self.lower.span(word);
        self.in_form(Form::Rewrite);
        let mut bytes = self.lower.tree.word(target).into_owned();
        let keeps = bytes.last() != Some(&b'?');
        if !keeps {
            bytes.pop();
        }
        let query = if keeps { QueryPolicy::Keep } else { QueryPolicy::Drop };
        let is_url = ["http://", "https://", "$scheme"].iter().any(|begin| bytes.starts_with(begin.as_bytes()));
        let is_redirect = is_url || matches!(flag, Flag::Redirect | Flag::Permanent);
        // Named groups are variables, which are written as they are; numbers are escaped.
        let own = |bit: &Bit| match bit {
            Bit::Group(_) => own_group(bit, Some(regex), false),
            _ => None,
        };
        let source = if regex.fits_all && Digits::of(&bytes) == Digits::default() { any() } else { of_regex(regex) };
        let resolved = match self.resolve(&bytes, &own) {
            Ok(resolved) => resolved,
            Err(why) => {
                self.left_out(why, &span, rule);
                return self.push(&source, conditions, stop(), &span);
            }
        };
        // Whoever reads a number behind this pattern gets what it took, or nothing where it did not fit.
        let goes_on = match flag {
            _ if is_redirect => Digits::default(),
            Flag::None => live,
            _ => self.of.live,
        };
        if live != Digits::default() && conditions.is_empty() {
            for number in (1..=9).filter(|&number| live.has(number)) {
                self.set(u16::from(number), "", &any(), &[], &span);
            }
        }
        let table = self.table;
        let kept = if resolved.lists.is_empty() { goes_on } else { goes_on.and(live) };
        self.lower.keep_groups(table, &of_regex(regex), conditions, regex, kept, &What::Capture);
        self.look_up(&resolved.lists, &source, conditions, &span);
        if is_redirect {
            let status = match flag {
                Flag::Permanent => RedirectStatus::MovedPermanently,
                _ => RedirectStatus::Found,
            };
            self.redirect(resolved.parts, Form::Rewrite, status, query, &source, conditions, &span, rule);
            return;
        }
        let Some(target) = inside(&resolved.parts) else {
            return self.left_out(Why::Refused("a text that is not UTF-8".into()), &span, rule);
        };
        let then = match (flag, self.phase) {
            (Flag::Break, Phase::Location) => Then::End,
            (Flag::None, Phase::Location) if is_last && !self.changes => Then::Table(self.of.locations),
            (Flag::None, _) => Then::Next,
            _ => Then::Table(self.of.locations),
        };
        if flag == Flag::None && self.changes {
            self.set(CHANGED, "1", &source, conditions, &span);
        }
        self.push(&source, conditions, Action::Rewrite { target, query, then }, &span);
        self.lower.reading.exact(&span, rule);
    }

    // if

    fn if_of(&mut self, test: &IfTest, body: &[Statement], word: Word, live: Digits) {
        let span = self.lower.span(word);
        let inside = live_in(body, live, self.of.live, self.lower);
        let needed = inside.and(live);
        let single = matches!(body, [Statement::Return { .. } | Statement::Set { .. }]);
        let (conditions, regex) = match self.conditions(test, needed, &span) {
            Ok(found) => found,
            Err(why) => return self.leave_out(body, why, &span),
        };
        if body.is_empty() {
            return;
        }
        if let Some((regex, true)) = &regex {
            let own = |bit: &Bit| own_group(bit, Some(regex), true);
            let lists = self.uses_lists(body);
            if single && live == Digits::default() && !lists {
                let mut named = conditions.clone();
                named.truncate(1);
                let table = self.table;
                self.lower.keep_groups(table, &any(), &named, regex, Digits::default(), &What::ConditionCapture);
                if let Some(form) = form_of(&body[0]) {
                    self.in_form(form);
                }
                return self.statement(&body[0], live, false, &any(), &conditions, &own);
            }
        }
        let held = conditions;
        if let Some((regex, _)) = &regex {
            self.keep(regex, &held, needed, &span);
        }
        match body {
            [only @ (Statement::Return { .. } | Statement::Rewrite { .. } | Statement::Break { .. })]
                if !self.uses_lists(body) || matches!(only, Statement::Break { .. }) =>
            {
                if let Some(form) = form_of(only) {
                    self.in_form(form);
                }
                self.statement(only, live, false, &any(), &held, &nothing);
            }
            _ => self.call(body, live, &held, &span),
        }
    }

    fn uses_lists(&self, body: &[Statement]) -> bool {
        body.iter().any(|statement| match statement {
            Statement::Return { text: Some(text), .. }
            | Statement::Set { text, .. }
            | Statement::Rewrite { target: text, .. } => {
                let found = bits(&self.lower.tree.word(*text)).unwrap_or_default();
                found.iter().any(|bit| matches!(bit, Bit::Variable(name) if self.lower.lists.value(name).is_some()))
            }
            _ => false,
        })
    }

    /// Keeps what a pattern of an `if` took. The condition is asked again for each group, of a text that does not change.
    fn keep(&mut self, regex: &Regex, held: &[Condition], needed: Digits, span: &Span) {
        let found: Vec<Condition> = held.iter().map(|one| Condition { negate: false, ..one.clone() }).collect();
        for number in (1..=9).filter(|&number| needed.has(number)) {
            self.set(u16::from(number), "", &any(), &[], span);
        }
        let table = self.table;
        self.lower.keep_groups(table, &any(), &found, regex, needed, &What::ConditionCapture);
    }

    fn call(&mut self, body: &[Statement], live: Digits, conditions: &[Condition], span: &Span) {
        let form = first_form(body);
        let table = self.next_table(form);
        self.push(&any(), conditions, Action::Call { table, text: None }, span);
        let (outer, outer_form) = (self.table, self.form);
        (self.table, self.form) = (table, form);
        self.statements(body, live, false);
        (self.table, self.form) = (outer, outer_form);
    }

    /// The conditions of an `if`, and its pattern, with whether it is asked to fit.
    fn conditions(&mut self, test: &IfTest, needed: Digits, span: &Span) -> Result<Asked, Why> {
        match test {
            IfTest::True(text) => {
                let test = Test::In(vec![String::new(), "0".to_owned()]);
                Ok((vec![self.condition(text, test, true, span)?], None))
            }
            IfTest::Same { left, right, negate } => Ok((vec![self.same(left, right, *negate, span)?], None)),
            IfTest::Found { left, regex, negate } => {
                let condition = self.condition(left, Test::Regex(regex.pattern.clone()), *negate, span)?;
                let reads_own = Digits::of(left).0 & needed.0 != 0
                    || bits(left).unwrap_or_default().iter().any(|bit| own_group(bit, Some(regex), true).is_some());
                let condition = match reads_own {
                    // The text is kept before its own groups take the place of those that it reads.
                    true => {
                        let resolved = self.resolve(left, &nothing)?;
                        if let Some(text) = text::plain(&resolved.parts) {
                            self.push(&any(), &[], Action::Set { slot: TEXT, text, then: Then::Next }, span);
                        }
                        asks(What::Slot(TEXT), condition.test, condition.negate)
                    }
                    false => condition,
                };
                Ok((vec![condition], Some((regex.clone(), !negate))))
            }
            IfTest::File { what, path, negate } => {
                let Some(root) = self.lower.root_table(self.scope).filter(|_| *what != b'x') else {
                    return Err(Why::Refused(
                        "it depends on files on the disk: give their folder with `--root DIR`".into(),
                    ));
                };
                let resolved = self.resolve(path, &nothing)?;
                self.look_up(&resolved.lists, &any(), &[], span);
                let text = text::plain(&resolved.parts);
                self.push(&any(), &[], Action::Call { table: root, text }, span);
                let kinds = match what {
                    b'f' => vec!["f".to_owned()],
                    b'd' => vec!["d".to_owned()],
                    _ => vec!["f".to_owned(), "d".to_owned()],
                };
                Ok((vec![asks(What::Slot(KIND), Test::In(kinds), *negate)], None))
            }
        }
    }

    fn condition(&mut self, text: &[u8], test: Test, negate: bool, span: &Span) -> Result<Condition, Why> {
        let resolved = self.resolve(text, &nothing)?;
        self.look_up(&resolved.lists, &any(), &[], span);
        let subject = text::subject(&resolved.parts).ok_or(Why::Refused("a text that is not UTF-8".into()))?;
        Ok(Condition { subject, test, negate, or_next: false })
    }

    /// Whether two texts are the same: where the second is not literal, both are looked at side by side.
    fn same(&mut self, left: &[u8], right: &[u8], negate: bool, span: &Span) -> Result<Condition, Why> {
        let resolved = self.resolve(right, &nothing)?;
        let literal: Option<Vec<u8>> = resolved
            .parts
            .iter()
            .map(|part| match part {
                Known::Text(text) => Some(text.clone()),
                Known::What(_) => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(|parts| parts.concat());
        if let Some(literal) = literal {
            let text = String::from_utf8(literal).map_err(|_| Why::Refused("a text that is not UTF-8".into()))?;
            return self.condition(left, Test::Is(text), negate, span);
        }
        let both = [left, b"\x01", right].concat();
        let pattern = Pattern {
            text: Cow::Borrowed("(?s)^(.*)\u{1}\\1$"),
            case: byway_core::dialect::LetterCase::Significant,
            anchoring: Anchoring::Anywhere,
            flavour: Flavour::Pcre,
        };
        self.condition(&both, Test::Regex(pattern), negate, span)
    }

    /// Leaves out an `if` that cannot be asked, with all that stands in it.
    fn leave_out(&mut self, body: &[Statement], why: Why, span: &Span) {
        let why = match why {
            Why::Fault(message) => return self.lower.fault(span.clone(), message),
            Why::Refused(why) => why,
        };
        for statement in body {
            if let Statement::Return { word, rule, .. } | Statement::Rewrite { word, rule, .. } = statement {
                let span = self.lower.span(*word);
                self.lower.reading.refused(&span, rule, why.clone());
            }
        }
    }
}

/// The path that a request goes on with inside: nothing is escaped, and its first literal `?` begins the query.
fn inside(parts: &[Known]) -> Option<Target<'static>> {
    let mut pieces: Vec<Piece<'static>> = Vec::new();
    let mut place = Landing::Path;
    for part in parts {
        match part {
            Known::Text(text) => {
                let text = String::from_utf8(text.clone()).ok()?;
                let (path, query) = match text.find('?').filter(|_| place == Landing::Path) {
                    Some(mark) => text.split_at(mark),
                    None => (text.as_str(), ""),
                };
                if !path.is_empty() {
                    pieces.push(Piece { place, what: What::Literal(Cow::Owned(path.to_owned())) });
                }
                if !query.is_empty() {
                    place = Landing::Query;
                    pieces.push(Piece { place, what: What::Literal(Cow::Owned(query.to_owned())) });
                }
            }
            Known::What(what) => pieces.push(Piece { place, what: what.clone() }),
        }
    }
    Some(Target::of_pieces(pieces))
}

/// What follows from files: `try_files`, and a slash behind the names of folders.
pub(super) fn files(
    lower: &mut Lower<'_, '_, '_>,
    table: TableId,
    root: TableId,
    scope: &Scope,
    try_files: Option<&[Word]>,
    of: &Of<'_>,
) {
    let style = Style::of(scope, of.merges);
    let mut run =
        Run { lower, of, scope, style, phase: Phase::Location, table, form: Form::Return, pool: None, changes: false };
    let span = try_files.and_then(<[Word]>::first).map_or(run.lower.whole(), |&word| run.lower.span(word));
    let is_kind = |kind: &str| asks(What::Slot(KIND), Test::Is(kind.to_owned()), false);
    if let Some((&last, tried)) = try_files.and_then(<[Word]>::split_last) {
        let shown: Vec<Cow<'_, str>> = tried.iter().chain([&last]).map(|&word| run.lower.tree.str(word)).collect();
        let rule = format!("try_files {}", shown.join(" "));
        for &word in tried {
            let text = run.lower.tree.word(word).into_owned();
            let folder = text.ends_with(b"/");
            let path = [run.lower.root_text(scope).as_slice(), &text].concat();
            let resolved = match run.resolve(&path, &nothing) {
                Ok(resolved) => resolved,
                Err(why) => return run.left_out(why, &span, &rule),
            };
            run.look_up(&resolved.lists, &any(), &[], &span);
            let text = text::plain(&resolved.parts);
            run.push(&any(), &[], Action::Call { table: root, text }, &span);
            run.push(&any(), &[is_kind(if folder { "d" } else { "f" })], stop(), &span);
        }
        let text = run.lower.tree.word(last).into_owned();
        match text.strip_prefix(b"=").and_then(|code| std::str::from_utf8(code).ok()?.parse::<u16>().ok()) {
            Some(code) => run.plain_return(code, &rule, any(), &[], &span),
            None => {
                let named =
                    text.strip_prefix(b"@").and_then(|name| of.named.get(&*String::from_utf8_lossy(name)).copied());
                let (target, then) = match named {
                    Some(table) => (piece(What::Part(Part::WorkingPath)), Then::Table(table)),
                    None => match run.resolve(&text, &nothing) {
                        Ok(resolved) => {
                            run.look_up(&resolved.lists, &any(), &[], &span);
                            let Some(target) = inside(&resolved.parts) else { return };
                            (target, Then::Table(of.locations))
                        }
                        Err(why) => return run.left_out(why, &span, &rule),
                    },
                };
                let query = if named.is_some() { QueryPolicy::Keep } else { QueryPolicy::Drop };
                run.push(&any(), &[], Action::Rewrite { target, query, then }, &span);
                run.lower.reading.exact(&span, &rule);
            }
        }
        return;
    }
    let Ok(resolved) = run.resolve(b"$request_filename", &nothing) else { return };
    let text = text::plain(&resolved.parts);
    run.push(&any(), &[], Action::Call { table: root, text }, &span);
    let target = Target::of_pieces(vec![
        Piece { place: Landing::Path, what: What::Part(Part::WorkingPath) },
        Piece { place: Landing::Path, what: What::Literal("/".into()) },
    ]);
    let bare = asks(What::Part(Part::WorkingPath), Test::Glob("*/".to_owned()), true);
    let status = StatusByMethod::always(RedirectStatus::MovedPermanently);
    let action = Action::Redirect { status, target, query: QueryPolicy::Keep };
    run.push(&any(), &[is_kind("d"), bare], action, &span);
}
