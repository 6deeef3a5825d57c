//! Variables whose value hangs on what is not known here: where a `set` is left out, whoever reads its variable is left out too.

use std::borrow::Cow;

use super::lower::{Lower, Why};
use super::model::{IfTest, Location, Scope, Server, Statement};
use super::pcre::Regex;

impl<'t> Lower<'t, '_, '_> {
    /// Notes the variables of a server that are not known, in the place of those of the server before.
    ///
    /// A `set` anywhere in the server is enough: a request may come by it, go on in another location, and read its variable there.
    pub(super) fn note_unknown(&mut self, server: &'t Server) {
        let why = |name: &String| format!("`${name}` is not known here: its pattern cannot be read");
        self.unknown = self.model.unread.iter().map(|name| (name.clone(), why(name))).collect();
        let held = (self.approximates, self.asks_name);
        loop {
            let known = self.unknown.len();
            self.look_at(&server.statements, &server.scope, None);
            self.look_into(&server.locations);
            if self.unknown.len() == known {
                break;
            }
        }
        (self.approximates, self.asks_name) = held;
    }

    fn look_into(&mut self, locations: &'t [Location]) {
        for location in locations {
            self.look_at(&location.statements, &location.scope, None);
            self.look_into(&location.locations);
        }
    }

    fn look_at(&mut self, statements: &[Statement], scope: &Scope, why: Option<&Cow<'static, str>>) {
        for statement in statements {
            match statement {
                Statement::Set { name, text, .. } if !self.unknown.contains_key(name) => {
                    let text = self.tree.word(*text);
                    if let Some(why) = why.cloned().or_else(|| self.unknown_text(&text, scope)) {
                        self.unknown.insert(name.clone(), format!("`${name}` is not known here: {why}"));
                    }
                }
                Statement::If { test, body, scope: own, .. } if keeps(test, body) => {
                    let found = why.cloned().or_else(|| self.unknown_test(test, scope));
                    if let (Some(why), IfTest::Found { regex, .. }) = (&found, test) {
                        self.note_groups(regex, why);
                    }
                    self.look_at(body, own.as_deref().unwrap_or(scope), found.as_ref());
                }
                _ => {}
            }
        }
    }

    /// What a pattern takes of a text that is not known is not known either, by name and by number.
    fn note_groups(&mut self, regex: &Regex, why: &str) {
        let named = regex.named().map(|(_, name)| name.to_ascii_lowercase());
        let numbered = (1..=regex.groups.len().min(9)).map(|number| number.to_string());
        for name in named.chain(numbered) {
            let said = format!("`${name}` is not known here: {why}");
            self.unknown.entry(name).or_insert(said);
        }
    }

    fn unknown_test(&mut self, test: &IfTest, scope: &Scope) -> Option<Cow<'static, str>> {
        match test {
            IfTest::True(text) => self.unknown_text(text, scope),
            IfTest::Found { left, .. } => self.unknown_text(left, scope),
            IfTest::Same { left, right, .. } => {
                self.unknown_text(left, scope).or_else(|| self.unknown_text(right, scope))
            }
            IfTest::File { what, path, .. } => match self.root_table(scope).filter(|_| *what != b'x') {
                Some(_) => self.unknown_text(path, scope),
                None => Some(self.reading.of_files().into()),
            },
        }
    }

    fn unknown_text(&mut self, text: &[u8], scope: &Scope) -> Option<Cow<'static, str>> {
        match self.resolve(text, None, scope, &|_| None) {
            Err(Why::Refused(why)) => Some(why),
            // What nginx itself would not take is said where it is read.
            Ok(_) | Err(Why::Fault(_)) => None,
        }
    }
}

/// Whether something is kept of an `if`: a variable that is set in it, or the groups of its pattern.
fn keeps(test: &IfTest, body: &[Statement]) -> bool {
    let has_groups = matches!(test, IfTest::Found { regex, .. } if !regex.groups.is_empty());
    has_groups || body.iter().any(|inner| matches!(inner, Statement::Set { .. }))
}
