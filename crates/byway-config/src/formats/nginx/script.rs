//! The statements of the rewrite module as rules of tables: what all share, `set` and `break`.
//!
//! Statements of one place are rules of one table, as listed. Where `return` follows `rewrite` or the other way round, another
//! table goes on behind, since the two write variables differently. What stands in an `if` is a table that is called. `$1` to
//! `$9` live in slots where a rule cannot take them from its own pattern; only those that somebody reads are kept.

use byway_core::Action;
use byway_core::condition::{Condition, Test};
use byway_core::dialect::QueryPolicy;
use byway_core::rule::Then;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::source::Source;
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::groups::{Digits, live_behind};
use super::lex::Word;
use super::lower::{CHANGED, INTERNAL, Lower, Of, Resolved, Style, TEXT, Why, any, asks, go, piece, stop};
use super::model::{Flag, Found, Location, Scope, Statement};
use super::pcre::Regex;
use super::text::{self, Bit, Form, bits};
use crate::span::Span;

/// Which statements are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Those of a server.
    Server,
    /// Those of a location.
    Location,
}

/// The form in which a statement writes to a client, where that matters.
pub(super) fn form_of(statement: &Statement) -> Option<Form> {
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
    pub(super) fn count(statements: &[Statement]) -> usize {
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
    pub(super) phase: Phase,
    /// The table that rules go into now, and its form.
    pub(super) table: TableId,
    pub(super) form: Form,
    /// Tables that were made beforehand, in pairs, the last first; `None` where they are made as they are needed.
    pub(super) pool: Option<Vec<TableId>>,
    /// Whether some rewrite is remembered in [`CHANGED`].
    pub(super) changes: bool,
    /// What answers where no statement does, which `break` goes on to.
    pub(super) content: Option<TableId>,
    /// The lists that were looked up by whoever comes here: they are not asked again.
    pub(super) looked: Vec<String>,
    /// Whether a rewrite before may have gone on to what stands behind it.
    pub(super) went_on: bool,
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
pub(super) fn own_group(bit: &Bit, regex: Option<&Regex>, is_condition: bool) -> Option<What<'static>> {
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

pub(super) type Own<'o> = &'o dyn Fn(&Bit) -> Option<What<'static>>;

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
    pub(super) fn groups_beside(&mut self, lists: &[String], text: &[u8]) {
        if Digits::of(text) != Digits::default() && self.lower.lists.have_patterns(lists) {
            self.lower.approximates =
                Some("where a pattern of a `map` fits, nginx takes its groups for those beside it");
        }
    }

    /// Notes that the request is nginx's own from here on, where a location asks for that.
    pub(super) fn mark(&mut self, source: &Source<'static>, conditions: &[Condition], span: &Span) {
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
    pub(super) fn content_ahead(&mut self) -> Option<TableId> {
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
    pub(super) fn in_form(&mut self, form: Form) {
        if self.form == form {
            return;
        }
        let next = self.next_table(form);
        self.lower.reading.set_after(self.table, After::Table(next));
        self.table = next;
        self.form = form;
    }

    pub(super) fn next_table(&mut self, form: Form) -> TableId {
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

    pub(super) fn statements(&mut self, statements: &[Statement], after: Digits, is_top: bool) {
        let live = live_behind(statements, after, self.of.live, self.lower);
        for (at, statement) in statements.iter().enumerate() {
            let is_last = is_top && at + 1 == statements.len();
            self.statement(statement, live[at + 1], is_last, &any(), &[], &nothing);
        }
    }

    /// One statement, under a source and conditions.
    pub(super) fn statement(
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
}
