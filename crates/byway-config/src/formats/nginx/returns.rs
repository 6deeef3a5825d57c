//! `return`: a redirect, an answer without one, or a page that its status has.

use byway_core::Action;
use byway_core::condition::{Condition, Test};
use byway_core::dialect::QueryPolicy;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Part, What};

use super::lex::Word;
use super::lower::{Why, asks, stop};
use super::script::{Own, Run, nothing};
use super::text::{self, Form, Known};
use crate::span::Span;

impl Run<'_, '_, '_, '_, '_> {
    #[allow(clippy::too_many_arguments, reason = "the words of the statement and the rule that it becomes")]
    pub(super) fn return_of(
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
    pub(super) fn redirect(
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
}
