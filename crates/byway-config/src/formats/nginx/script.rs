//! The statements of the rewrite module as rules: `set`, `if`, `return`, `rewrite`, `break`.
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
use super::lower::{
    CHANGED, INTERNAL, KIND, Lower, Of, Resolved, Style, TEXT, Why, any, asks, go, of_regex, piece, stop,
};
use super::model::{Flag, Found, IfTest, Location, Scope, Server, Statement};
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

    pub(super) fn and(self, other: Digits) -> Digits {
        Digits(self.0 | other.0)
    }

    /// The groups that a text reads.
    pub(super) fn of(text: &[u8]) -> Digits {
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
            lower.read_groups = lower.read_groups.and(read_by(statement, lower));
            match statement {
                // The query is the request's own.
                Statement::Set { name, .. } if name == "args" => {}
                Statement::Set { name, .. } => {
                    let is_new = !lower.slots.contains_key(name);
                    let slot = lower.slot(name);
                    if let Some(what) = text::of_request(name).filter(|_| is_new) {
                        lower.begun.push((slot, what));
                    }
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

/// The groups that a statement reads and that may be another's.
fn read_by(statement: &Statement, lower: &Lower<'_, '_, '_>) -> Digits {
    match statement {
        Statement::Set { text, .. } | Statement::Return { text: Some(text), .. } => word_digits(*text, lower),
        Statement::If { test, .. } => match test {
            IfTest::True(text) | IfTest::File { path: text, .. } | IfTest::Found { left: text, .. } => Digits::of(text),
            IfTest::Same { left, right, .. } => Digits::of(left).and(Digits::of(right)),
        },
        Statement::Return { text: None, .. } | Statement::Rewrite { .. } | Statement::Break { .. } => Digits::default(),
    }
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
            Statement::Return { text, status, .. } => {
                let own = text.map_or(Digits::default(), |text| word_digits(text, lower));
                let has_page = lower.page_codes.contains(&status.unwrap_or(302));
                if has_page { own.and(lower.page_digits).and(jump) } else { own }
            }
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
                _ => live_in(&location.statements, lower.page_digits, jump, lower),
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
pub(super) struct Run<'a, 'l, 't, 'r, 'd> {
    pub(super) lower: &'a mut Lower<'t, 'r, 'd>,
    pub(super) of: &'a Of<'l>,
    pub(super) scope: &'a Scope,
    pub(super) style: Style,
    phase: Phase,
    /// The table that rules go into now, and its form.
    pub(super) table: TableId,
    form: Form,
    /// Tables that were made beforehand, in pairs, the last first; `None` where they are made as they are needed.
    pool: Option<Vec<TableId>>,
    /// Whether some rewrite is remembered in [`CHANGED`].
    changes: bool,
    /// What answers where no statement does, which `break` goes on to.
    content: Option<TableId>,
    /// The lists that were looked up by whoever comes here: they are not asked again.
    looked: Vec<String>,
    /// Whether a rewrite before may have gone on to what stands behind it.
    went_on: bool,
}

impl<'a, 'l, 't, 'r, 'd> Run<'a, 'l, 't, 'r, 'd> {
    /// A run of one table, without a chain of others.
    pub(super) fn new(
        lower: &'a mut Lower<'t, 'r, 'd>,
        of: &'a Of<'l>,
        scope: &'a Scope,
        style: Style,
        phase: Phase,
        table: TableId,
        form: Form,
    ) -> Self {
        Run {
            lower,
            of,
            scope,
            style,
            phase,
            table,
            form,
            pool: None,
            changes: false,
            content: None,
            looked: Vec::new(),
            went_on: false,
        }
    }
}

/// Lowers statements into a chain of tables that begins with the first of `pool`; returns the last.
#[allow(clippy::too_many_arguments, reason = "the place of the statements, and what lies around them")]
pub(super) fn run(
    lower: &mut Lower<'_, '_, '_>,
    statements: &[Statement],
    mut pool: Vec<TableId>,
    of: &Of<'_>,
    scope: &Scope,
    style: Style,
    phase: Phase,
    content: Option<TableId>,
) -> TableId {
    let table = pool.remove(0);
    let form = first_form(statements);
    pool.reverse();
    let pool = (phase == Phase::Server).then_some(pool);
    let after = if phase == Phase::Server { of.live } else { lower.page_digits };
    let mut run = Run { pool, content, ..Run::new(lower, of, scope, style, phase, table, form) };
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
        run.mark(&any(), std::slice::from_ref(&changed), &span);
        run.push(&any(), &[changed], again, &span);
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
pub(super) fn is_direct(statement: &Statement, scope: &Scope, lower: &Lower<'_, '_, '_>) -> bool {
    match statement {
        // An error page may read what the location took.
        Statement::Return { status, .. } if lower.page_codes.contains(&status.unwrap_or(302)) => false,
        Statement::Return { text: Some(text), .. } => {
            let names = bits(&lower.tree.word(*text)).unwrap_or_default();
            // Where the server's name goes before a path, a text that may be one makes two rules.
            let is_two = scope.server_name && scope.absolute && !matches!(names.first(), Some(Bit::Text(_)));
            !is_two && !names.iter().any(|bit| matches!(bit, Bit::Variable(name) if lower.lists.value(name).is_some()))
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
    let mut run = Run::new(lower, of, &location.scope, style, Phase::Location, table, Form::Return);
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

pub(super) fn nothing(_: &Bit) -> Option<What<'static>> {
    None
}

impl Run<'_, '_, '_, '_, '_> {
    pub(super) fn push(&mut self, source: &Source<'static>, conditions: &[Condition], action: Action<'_>, span: &Span) {
        self.lower.push(self.table, source.clone(), conditions, action, span);
    }

    pub(super) fn set(
        &mut self,
        slot: u16,
        text: &'static str,
        source: &Source<'static>,
        conditions: &[Condition],
        span: &Span,
    ) {
        let action = Action::Set { slot, text: piece(What::Literal(text.into())), then: Then::Next };
        self.push(source, conditions, action, span);
    }

    /// Groups beside a list with patterns: nginx fills them anew where one of these fits.
    fn groups_beside(&mut self, lists: &[String], text: &[u8]) {
        if Digits::of(text) != Digits::default() && self.lower.lists.have_patterns(lists) {
            self.lower.approximates =
                Some("where a pattern of a `map` fits, nginx takes its groups for those beside it");
        }
    }

    /// Notes that the request is nginx's own from here on, where a location asks for that.
    fn mark(&mut self, source: &Source<'static>, conditions: &[Condition], span: &Span) {
        if self.of.is_marked {
            self.set(INTERNAL, "1", source, conditions, span);
        }
    }

    /// An `internal` location is not there for requests that came from outside.
    pub(super) fn only_internal(&mut self, span: &Span) {
        let outside = asks(What::Slot(INTERNAL), Test::Is(String::new()), false);
        self.error(404, "internal", &any(), &[outside], span);
    }

    /// A table of what answers behind the statements that can be gone to from here without starting again.
    fn content_ahead(&mut self) -> Option<TableId> {
        let content = self.content?;
        if content > self.table {
            return Some(content);
        }
        let ahead = self.lower.table(self.style.dialect(Form::Return), Order::Listed);
        let span = self.lower.whole();
        self.lower.push(ahead, any(), &[], go(ahead, content), &span);
        Some(ahead)
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
    pub(super) fn left_out(&mut self, why: Why, span: &Span, rule: &str) {
        match why {
            Why::Fault(message) => self.lower.fault(span.clone(), message),
            Why::Refused(why) => {
                self.lower.reading.refused(span, rule, why);
                self.passes_by(span);
            }
        }
    }

    /// What is left out stays as a rule that does nothing: whoever asks sees that a request came by it.
    pub(super) fn passes_by(&mut self, span: &Span) {
        self.set(0, "", &any(), &[], span);
    }

    pub(super) fn resolve(&mut self, text: &[u8], own: Own<'_>) -> Result<Resolved, Why> {
        self.lower.resolve(text, Some(self.of), self.scope, own)
    }

    /// Looks up the lists that a text needs.
    pub(super) fn look_up(
        &mut self,
        lists: &[String],
        source: &Source<'static>,
        conditions: &[Condition],
        span: &Span,
    ) {
        for name in lists {
            if self.looked.contains(name) {
                continue;
            }
            let (of, table) = (self.of.clone(), self.table);
            self.lower.look_up(name, table, source, conditions, Some(&of), self.scope, span);
            // What stands under a condition may not be reached.
            if conditions.is_empty() && *source == any() && self.lower.lists.is_kept(name) {
                self.looked.push(name.clone());
            }
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
                let action = match (self.phase, self.content) {
                    (Phase::Server, _) => Action::Enter(self.of.locations),
                    (Phase::Location, Some(content)) => go(self.table, content),
                    (Phase::Location, None) => stop(),
                };
                self.push(source, conditions, action, &span);
            }
            Statement::If { test, body, word, scope } => match scope {
                // What stands in it is read with the settings that it has.
                Some(own) => {
                    if !matches!(body.last(), Some(Statement::Return { .. })) {
                        let span = self.lower.span(*word);
                        let why =
                            "settings of an `if` count for what stands behind it in nginx, and only inside of it here";
                        self.lower.reading.approximated(&span, "if", why);
                    }
                    let mut inner = Run {
                        looked: self.looked.clone(),
                        pool: self.pool.take(),
                        changes: self.changes,
                        content: self.content,
                        went_on: self.went_on,
                        ..Run::new(self.lower, self.of, own, self.style, self.phase, self.table, self.form)
                    };
                    inner.if_of(test, body, *word, live);
                    let went_on = inner.went_on;
                    (self.table, self.form, self.pool) = (inner.table, inner.form, inner.pool.take());
                    self.went_on = went_on;
                }
                None => self.if_of(test, body, *word, live),
            },
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
        self.look_up(&resolved.lists, source, conditions, &span);
        // Behind a rewrite that went on, nginx escapes groups no more.
        let groups = if self.went_on { &[][..] } else { &resolved.groups };
        if self.went_on && !resolved.groups.is_empty() {
            let why = "groups are taken as they are behind a `rewrite` without a flag; nginx escapes them where it did not fit";
            self.lower.reading.approximated(&span, &rule, why);
        }
        let Some(text) = text::plain_with_groups(&resolved.parts, groups) else {
            return self.left_out(Why::Refused("a text that is not UTF-8".into()), &span, &rule);
        };
        if name == "args" {
            return self.set_query(text, source, conditions, &span);
        }
        let slot = self.lower.slot(name);
        self.push(source, conditions, Action::Set { slot, text, then: Then::Next }, &span);
    }

    /// `set $args`: the query is another from here on, and the path stays.
    fn set_query(&mut self, text: Target<'static>, source: &Source<'static>, conditions: &[Condition], span: &Span) {
        self.push(source, conditions, Action::Set { slot: TEXT, text, then: Then::Next }, span);
        let target = Target::of_pieces(vec![
            Piece { place: Landing::Path, what: What::Part(Part::WorkingPath) },
            Piece { place: Landing::Query, what: What::Literal("?".into()) },
            Piece { place: Landing::Query, what: What::Slot(TEXT) },
        ]);
        let action = Action::Rewrite { target, query: QueryPolicy::Drop, then: Then::Next };
        self.push(source, conditions, action, span);
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
            return self.answer_with_text(code, rule, &source, conditions, &span);
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
        self.groups_beside(&resolved.lists, &bytes);
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
        if self.error_page(status.number(), source, conditions, span) {
            return self.lower.exact(span, rule);
        }
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
                self.lower.exact(span, rule);
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
        if RedirectStatus::from_number(code).is_none() {
            return self.error(code, rule, &source, conditions, span);
        }
        if !self.error_page(code, &source, conditions, span) {
            self.left_out(Why::Refused("an empty Location".into()), span, rule);
            self.push(&source, conditions, stop(), span);
        }
    }

    /// An answer with a text of its own.
    pub(super) fn answer_with_text(
        &mut self,
        code: u16,
        rule: &str,
        source: &Source<'static>,
        conditions: &[Condition],
        span: &Span,
    ) {
        match ReplyStatus::from_number(code) {
            Some(status) => {
                self.push(source, conditions, Action::Reply { status, retry_after: None }, span);
                self.lower.reading.approximated(span, rule, "the text of the answer is not sent");
            }
            None => {
                let why = match code {
                    300..=399 => "a 3xx that sends nobody anywhere",
                    444 => "a connection that is closed without an answer",
                    _ => "an answer that is no redirect",
                };
                self.lower.reading.refused(span, rule, why);
                self.push(source, conditions, stop(), span);
            }
        }
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
        self.groups_beside(&resolved.lists, &bytes);
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
        self.mark(&source, conditions, &span);
        let then = match (flag, self.phase) {
            (Flag::Break, Phase::Location) => self.content_ahead().map_or(Then::End, Then::Table),
            (Flag::None, Phase::Location) if is_last && !self.changes => Then::Table(self.of.locations),
            (Flag::None, _) => Then::Next,
            _ => Then::Table(self.of.locations),
        };
        self.went_on |= flag == Flag::None;
        if flag == Flag::None && self.changes {
            self.set(CHANGED, "1", &source, conditions, &span);
        }
        self.push(&source, conditions, Action::Rewrite { target, query, then }, &span);
        self.lower.exact(&span, rule);
    }

    // if

    fn if_of(&mut self, test: &IfTest, body: &[Statement], word: Word, live: Digits) {
        let span = self.lower.span(word);
        let inside = live_in(body, live, self.of.live, self.lower);
        let needed = inside.and(live);
        // An error page that it leads to may read what the pattern took.
        let single = match body {
            [Statement::Return { status, .. }] => !self.lower.page_codes.contains(&status.unwrap_or(302)),
            [Statement::Set { .. }] => true,
            _ => false,
        };
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
                found.iter().any(|bit| {
                    matches!(bit, Bit::Variable(name)
                    if self.lower.lists.value(name).is_some() && !self.looked.contains(name))
                })
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
        let (outer, outer_form, looked) = (self.table, self.form, self.looked.len());
        (self.table, self.form) = (table, form);
        self.statements(body, live, false);
        self.looked.truncate(looked);
        (self.table, self.form) = (outer, outer_form);
    }

    /// The conditions of an `if`, and its pattern, with whether it is asked to fit.
    fn conditions(&mut self, test: &IfTest, needed: Digits, span: &Span) -> Result<Asked, Why> {
        match test {
            IfTest::True(text) => {
                let text = with_tls(text);
                let test = Test::In(vec![String::new(), "0".to_owned()]);
                Ok((vec![self.condition(&text, test, true, span)?], None))
            }
            IfTest::Same { left, right, negate } if right.is_empty() => {
                Ok((vec![self.same(&with_tls(left), right, *negate, span)?], None))
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
                    return Err(Why::Refused(self.lower.reading.of_files().into()));
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
            let (word, rule) = match statement {
                Statement::Return { word, rule, .. } | Statement::Rewrite { word, rule, .. } => (word, rule.clone()),
                Statement::Set { name, text, word } => (word, format!("set ${name} {}", self.lower.tree.str(*text))),
                Statement::Break { word } => (word, "break".to_owned()),
                Statement::If { .. } => continue,
            };
            let span = self.lower.span(*word);
            self.left_out(Why::Refused(why.clone()), &span, &rule);
        }
    }
}

/// Whether something is known of TLS is whether there is TLS.
fn with_tls(text: &[u8]) -> Cow<'_, [u8]> {
    match text {
        b"$ssl_protocol" | b"${ssl_protocol}" | b"$ssl_cipher" | b"${ssl_cipher}" => Cow::Borrowed(b"$https"),
        text => Cow::Borrowed(text),
    }
}

/// The path that a request goes on with inside: nothing is escaped, and its first literal `?` begins the query.
pub(super) fn inside(parts: &[Known]) -> Option<Target<'static>> {
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
