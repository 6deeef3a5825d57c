//! `split_clients`: visitors divided by a hash of a text, each part taking its share of all 32-bit numbers.
//!
//! The values are texts without variables. `*` takes whoever comes to it; without one, those that are left get an empty text.

use std::borrow::Cow;

use byway_core::Action;
use byway_core::condition::Test;
use byway_core::dialect::LetterCase;
use byway_core::rule::Then;
use byway_core::ruleset::TableId;
use byway_core::target::{Change, What};

use super::lex::Word;
use super::lists::entries;
use super::lower::{Lower, any, asks, of_regex, piece};
use super::model::List;
use super::pcre::Regex;

/// All visitors, in hundredths of a percent.
const ALL: u32 = 10_000;

/// A share in hundredths of a percent, as nginx reads one: digits, at most two of them behind a point, and `%`.
fn share(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text.strip_suffix(b"%")?).ok()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number =
        text.bytes().any(|b| b.is_ascii_digit()) && [whole, part].concat().bytes().all(|b| b.is_ascii_digit());
    if !is_number || part.len() > 2 {
        return None;
    }
    let share: u32 = format!("{whole}{part:0<2}").parse().ok()?;
    (share > 0).then_some(share)
}

/// How many of all 32-bit numbers a share takes: nginx rounds each down.
fn numbers_of(share: u32) -> i64 {
    i64::from(share) * i64::from(u32::MAX) / i64::from(ALL)
}

impl<'t> Lower<'t, '_, '_> {
    pub(super) fn split(&mut self, list: &'t List, table: TableId, value: u16) {
        let span = self.span(list.word);
        let Ok(whole) = Regex::read(r"^([\s\S]*)$", LetterCase::Significant) else { return };
        let looked_up = self.slot(&format!("{} of", list.rule));
        let keep = Action::Set { slot: looked_up, text: piece(What::Capture(0)), then: Then::Next };
        self.push(table, of_regex(&whole), &[], keep, &span);
        let (mut taken, mut first) = (0, 0);
        for (key, word) in self.shares(list) {
            let span = self.span(word);
            let conditions = match &*self.tree.word(key) {
                b"*" => Vec::new(),
                written => {
                    let share = share(written).unwrap_or_default();
                    taken += share;
                    if taken > ALL {
                        return self.fault(self.span(list.word), "percent total is greater than 100%");
                    }
                    let end = first + numbers_of(share);
                    let range = Test::Range(std::mem::replace(&mut first, end), end - 1);
                    vec![asks(What::Changed(Change::Hash, looked_up), range, false)]
                }
            };
            let text = piece(What::Literal(Cow::Owned(self.tree.str(word).into_owned())));
            self.push(table, any(), &conditions, Action::Set { slot: value, text, then: Then::End }, &span);
        }
        let nothing = Action::Set { slot: value, text: piece(What::Literal("".into())), then: Then::End };
        self.push(table, any(), &[], nothing, &span);
        self.reading.exact(&span, &list.rule);
    }

    /// The shares and their values.
    fn shares(&mut self, list: &List) -> Vec<(Word, Word)> {
        let tree = self.tree;
        let (mut found, mut wrong) = (Vec::new(), Vec::new());
        for (text, range) in &list.entries {
            entries(tree.bytes(*text), *text, range.clone(), |entry, words| {
                let key = tree.word(entry.key);
                match entry.value.filter(|_| words.len() == 2) {
                    Some(value) if &*key == b"*" || share(&key).is_some() => found.push((entry.key, value)),
                    Some(_) => wrong.push((entry.key, format!("invalid percent value \"{}\"", tree.str(entry.key)))),
                    None => wrong.push((entry.key, "invalid number of arguments in \"split_clients\"".to_owned())),
                }
            });
        }
        for (word, message) in wrong {
            let span = self.span(word);
            self.fault(span, message);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_two_digits_behind_the_point_at_most() {
        let cases =
            [("50%", Some(5000)), ("25.5%", Some(2550)), ("0.01%", Some(1)), (".5%", Some(50)), ("5.%", Some(500))];
        let wrong = ["50", "0%", "0.00%", "%", ".%", "1.234%", "-1%", "5 %", "1.2.3%", "99999999999%", "*"];
        for (text, expected) in cases.into_iter().chain(wrong.map(|text| (text, None))) {
            assert_eq!(share(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(numbers_of(ALL), i64::from(u32::MAX));
        assert_eq!(numbers_of(1), 429_496);
    }
}
