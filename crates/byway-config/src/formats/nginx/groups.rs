//! Which groups of patterns are read later, and the slots of variables: what nobody reads is not kept.

use super::lex::Word;
use super::lower::Lower;
use super::model::{Found, IfTest, Location, Server, Statement};
use super::pcre::Regex;
use super::text::{self, Bit, bits};

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

    pub(super) fn meets(self, other: Digits) -> bool {
        self.0 & other.0 != 0
    }

    /// The groups that a text reads.
    pub(super) fn of(text: &[u8]) -> Digits {
        let found = bits(text).unwrap_or_default();
        Digits(found.iter().fold(0, |set, bit| if let Bit::Group(number) = bit { set | 1 << number } else { set }))
    }
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
pub(super) fn live_behind(
    statements: &[Statement],
    after: Digits,
    jump: Digits,
    lower: &Lower<'_, '_, '_>,
) -> Vec<Digits> {
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
