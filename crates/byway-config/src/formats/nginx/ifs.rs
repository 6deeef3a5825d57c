//! `if`: its test as conditions, and what stands in it as a rule of its own or as a table that is called.

use std::borrow::Cow;

use byway_core::Action;
use byway_core::condition::{Condition, Test};
use byway_core::regex::{Anchoring, Flavour, Pattern};
use byway_core::rule::Then;
use byway_core::target::What;

use super::groups::{Digits, live_in};
use super::lex::Word;
use super::lower::{KIND, TEXT, Why, any, asks};
use super::model::{IfTest, Statement};
use super::pcre::Regex;
use super::script::{Run, first_form, form_of, nothing, own_group};
use super::text::{self, Bit, Known, bits};
use crate::span::Span;

/// The conditions of an `if`, and its pattern, with whether it is asked to fit.
type Asked = (Vec<Condition>, Option<(Regex, bool)>);

impl Run<'_, '_, '_, '_, '_> {
    pub(super) fn if_of(&mut self, test: &IfTest, body: &[Statement], word: Word, live: Digits) {
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
    pub(super) fn keep(&mut self, regex: &Regex, held: &[Condition], needed: Digits, span: &Span) {
        let found: Vec<Condition> = held.iter().map(|one| Condition { negate: false, ..one.clone() }).collect();
        for number in (1..=9).filter(|&number| needed.has(number)) {
            self.set(u16::from(number), "", &any(), &[], span);
        }
        let table = self.table;
        self.lower.keep_groups(table, &any(), &found, regex, needed, &What::ConditionCapture);
    }

    pub(super) fn call(&mut self, body: &[Statement], live: Digits, conditions: &[Condition], span: &Span) {
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
    pub(super) fn conditions(&mut self, test: &IfTest, needed: Digits, span: &Span) -> Result<Asked, Why> {
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
                let reads_own = Digits::of(left).meets(needed)
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

    pub(super) fn condition(&mut self, text: &[u8], test: Test, negate: bool, span: &Span) -> Result<Condition, Why> {
        let resolved = self.resolve(text, &nothing)?;
        self.look_up(&resolved.lists, &any(), &[], span);
        let subject = text::subject(&resolved.parts).ok_or(Why::Refused("a text that is not UTF-8".into()))?;
        Ok(Condition { subject, test, negate, or_next: false })
    }

    /// Whether two texts are the same: where the second is not literal, both are looked at side by side.
    pub(super) fn same(&mut self, left: &[u8], right: &[u8], negate: bool, span: &Span) -> Result<Condition, Why> {
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
