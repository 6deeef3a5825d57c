//! The statements of the rewrite module as they are written: `if`, `return`, `rewrite`, `set`, `break`.

use byway_core::dialect::LetterCase;

use super::build::Build;
use super::lex::Word;
use super::model::{Flag, IfTest, Scope, Statement};
use super::settings::OF_IF;
use super::text;
use super::tree::{Body, Directive};

impl Build<'_, '_, '_> {
    /// A statement of the rewrite module; the outer `None` is a directive of another, the inner one with a fault. `outer` is what
    /// an `if` in a location takes over.
    pub(super) fn statement(&mut self, directive: &Directive, outer: Option<&Scope>) -> Option<Option<Statement>> {
        let word = directive.name;
        let args = directive.args.as_slice();
        Some(match (&*self.name(directive), args) {
            ("break", _) => Some(Statement::Break { word }),
            ("set", [name, text]) => {
                let name = self.tree.str(*name).into_owned();
                match name.strip_prefix('$').filter(|name| !name.is_empty()) {
                    Some(name) if text::is_taken(&name.to_ascii_lowercase()) => {
                        self.fault(args[0], format!("the duplicate \"{}\" variable", name.to_ascii_lowercase()));
                        None
                    }
                    Some(name) => Some(Statement::Set { name: name.to_ascii_lowercase(), text: *text, word }),
                    None => {
                        self.fault(args[0], format!("invalid variable name \"{name}\""));
                        None
                    }
                }
            }
            ("return", _) => self.return_of(directive),
            ("rewrite", _) => self.rewrite(directive),
            ("if", _) => {
                let Body::Block(block) = &directive.body else { return Some(None) };
                let Some(test) = self.if_test(directive) else {
                    self.note_unread(directive, block);
                    return None;
                };
                let mut body = Vec::new();
                let mut scope = None;
                for inner in block {
                    match &*self.name(inner) {
                        "if" | "location" | "server" => self.not_allowed(inner),
                        name => match self.statement(inner, outer) {
                            Some(statement) => body.extend(statement),
                            None => {
                                if let Some(outer) = outer.filter(|_| OF_IF.contains(&name)) {
                                    let own = scope.get_or_insert_with(|| Box::new(outer.clone()));
                                    self.setting(inner, own, outer);
                                }
                                self.pass_over(inner, true);
                            }
                        },
                    }
                }
                Some(Statement::If { test, body, word, scope })
            }
            _ => return None,
        })
    }

    /// Notes what an `if` would have set whose test is not read: variables, and the groups of its pattern by name.
    fn note_unread(&mut self, directive: &Directive, block: &[Directive]) {
        let tree = self.tree;
        for inner in block.iter().filter(|inner| &*tree.str(inner.name) == "set") {
            let name = inner.args.first().map(|&name| tree.str(name).to_ascii_lowercase());
            self.model.unread.extend(name.as_deref().and_then(|name| name.strip_prefix('$')).map(str::to_owned));
        }
        for word in &directive.args {
            let text = tree.str(*word);
            let names = ["(?<", "(?P<", "(?'"].iter().flat_map(|open| text.split(open).skip(1));
            let name = |rest: &str| rest.split(['>', '\'']).next().map(str::to_ascii_lowercase);
            self.model.unread.extend(names.filter_map(name).filter(|name| !name.starts_with(['=', '!'])));
        }
    }

    fn return_of(&mut self, directive: &Directive) -> Option<Statement> {
        let (word, rule) = (directive.name, self.tree.words(directive));
        let (status, text) = match directive.args.as_slice() {
            [one] => {
                let text = self.tree.str(*one).into_owned();
                match text.parse::<u16>() {
                    Ok(code) if code <= 999 => (Some(code), None),
                    _ if ["http://", "https://", "$scheme"].iter().any(|begin| text.starts_with(begin)) => {
                        (None, Some(*one))
                    }
                    _ => {
                        self.fault(*one, format!("invalid return code \"{text}\""));
                        return None;
                    }
                }
            }
            [code, text, ..] => match self.tree.str(*code).parse::<u16>() {
                Ok(code) if code <= 999 => (Some(code), Some(*text)),
                _ => {
                    let shown = self.tree.str(*code).into_owned();
                    self.fault(*code, format!("invalid return code \"{shown}\""));
                    return None;
                }
            },
            [] => return None,
        };
        Some(Statement::Return { status, text, word, rule })
    }

    fn rewrite(&mut self, directive: &Directive) -> Option<Statement> {
        let (&pattern, &target) = (directive.args.first()?, directive.args.get(1)?);
        let flag = match directive.args.get(2) {
            None => Flag::None,
            Some(word) => match &*self.tree.str(*word) {
                "last" => Flag::Last,
                "break" => Flag::Break,
                "redirect" => Flag::Redirect,
                "permanent" => Flag::Permanent,
                other => {
                    let message = format!("invalid parameter \"{other}\"");
                    self.fault(*word, message);
                    return None;
                }
            },
        };
        let bytes = self.tree.word(pattern).into_owned();
        let regex = self.regex(pattern, &bytes, LetterCase::Significant)?;
        Some(Statement::Rewrite {
            pattern,
            regex,
            target,
            flag,
            word: directive.name,
            rule: self.tree.words(directive),
        })
    }

    /// The condition of an `if`: outer `None` where it is refused by nginx.
    fn if_test(&mut self, directive: &Directive) -> Option<IfTest> {
        let mut words: Vec<(Word, Vec<u8>)> =
            directive.args.iter().map(|word| (*word, self.tree.word(*word).into_owned())).collect();
        let whole = words.iter().map(|(_, text)| String::from_utf8_lossy(text)).collect::<Vec<_>>().join(" ");
        let invalid = |build: &mut Self, shown: &str| {
            build.fault(directive.args[0], format!("invalid condition \"{shown}\""));
            None
        };
        if words.first()?.1.first() != Some(&b'(') {
            let first = String::from_utf8_lossy(&words[0].1).into_owned();
            return invalid(self, &first);
        }
        words[0].1.remove(0);
        if words[0].1.is_empty() {
            words.remove(0);
        }
        let Some(last) = words.last_mut().filter(|(_, text)| text.last() == Some(&b')')) else {
            let shown = directive.args.last().map_or_else(|| whole.clone(), |word| self.tree.str(*word).into_owned());
            return invalid(self, &shown);
        };
        last.1.pop();
        if last.1.is_empty() {
            words.pop();
        }
        let shown = |words: &[(Word, Vec<u8>)]| String::from_utf8_lossy(&words[0].1).into_owned();
        match words.as_slice() {
            [] => invalid(self, &whole),
            [(_, text)] if text.first() == Some(&b'$') => Some(IfTest::True(text.clone())),
            [(_, left), (_, operator), (word, right)] if left.first() == Some(&b'$') => match operator.as_slice() {
                b"=" => Some(IfTest::Same { left: left.clone(), right: right.clone(), negate: false }),
                b"!=" => Some(IfTest::Same { left: left.clone(), right: right.clone(), negate: true }),
                b"~" | b"~*" | b"!~" | b"!~*" => {
                    let case = if operator.ends_with(b"*") { LetterCase::Ignored } else { LetterCase::Significant };
                    let negate = operator.starts_with(b"!");
                    let regex = self.regex(*word, right, case)?;
                    Some(IfTest::Found { left: left.clone(), regex, negate })
                }
                other => {
                    let message = format!("unexpected \"{}\" in condition", String::from_utf8_lossy(other));
                    self.fault(directive.args[0], message);
                    None
                }
            },
            [(_, operator), (_, path)] => match operator.as_slice() {
                [b'-', what @ (b'f' | b'd' | b'e' | b'x')] => {
                    Some(IfTest::File { what: *what, path: path.clone(), negate: false })
                }
                [b'!', b'-', what @ (b'f' | b'd' | b'e' | b'x')] => {
                    Some(IfTest::File { what: *what, path: path.clone(), negate: true })
                }
                _ => invalid(self, &shown(&words)),
            },
            _ => invalid(self, &shown(&words)),
        }
    }
}
