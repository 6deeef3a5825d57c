//! `rewrite`: a redirect, or another path inside, by its target and its flag.

use std::borrow::Cow;

use byway_core::Action;
use byway_core::condition::Condition;
use byway_core::dialect::QueryPolicy;
use byway_core::rule::Then;
use byway_core::status::RedirectStatus;
use byway_core::target::{Landing, Piece, Target, What};

use super::groups::Digits;
use super::lex::Word;
use super::lower::{CHANGED, Why, any, of_regex, stop};
use super::model::Flag;
use super::pcre::Regex;
use super::script::{Phase, Run, own_group};
use super::text::{Bit, Form, Known};

impl Run<'_, '_, '_, '_, '_> {
    #[allow(clippy::too_many_arguments, reason = "the words of the statement and the rule that it becomes")]
    pub(super) fn rewrite(
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
