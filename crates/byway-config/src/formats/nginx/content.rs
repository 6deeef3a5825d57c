//! What a request gets that no statement answered: who may ask, `try_files`, folders and files, and the redirects of these.
//!
//! The names of files are asked of a table, made once for each document root; without a root nothing is said of them. What a
//! server behind this one would answer is not known, so that only who may ask is looked at there.

use std::borrow::Cow;

use byway_core::Action;
use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{LetterCase, QueryPolicy};
use byway_core::rule::Then;
use byway_core::ruleset::{After, Order, TableId};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::errors::Again;
use super::lex::Word;
use super::lower::{KIND, Lower, Of, Style, TAIL, Why, any, asks, go, piece, stop};
use super::model::{Answers, Root, Scope};
use super::pcre::Regex;
use super::rewrites::inside;
use super::script::{Phase, Run, nothing};
use super::text::{self, Form, Known};
use crate::span::Span;

/// What answers where statements do not.
#[derive(Clone, Copy)]
pub(super) struct Content<'c> {
    pub(super) scope: &'c Scope,
    pub(super) try_files: Option<&'c [Word]>,
    pub(super) answers: Answers,
}

fn has_page(scope: &Scope, code: u16) -> bool {
    scope.error_pages.iter().any(|page| page.codes.contains(&code))
}

impl Lower<'_, '_, '_> {
    /// Whether there is anything to say behind the statements.
    pub(super) fn has_content(&mut self, content: Content<'_>) -> bool {
        let scope = content.scope;
        scope.access.iter().any(|access| !access.lets_in)
            || scope.has_password && has_page(scope, 401)
            || content.answers == Answers::Files && has_page(scope, 405)
            || self.root_of(content).is_some()
            || content.try_files.is_some()
    }

    /// The table of a document root, where files are looked for.
    fn root_of(&mut self, content: Content<'_>) -> Option<TableId> {
        let looks = content.try_files.is_some() || content.answers == Answers::Files;
        if looks { self.root_table(content.scope) } else { None }
    }

    /// The table that answers behind the statements, if there is anything to say.
    pub(super) fn content(&mut self, content: Content<'_>, of: &Of<'_>) -> Option<TableId> {
        if !self.has_content(content) {
            return None;
        }
        let style = Style::of(content.scope, of.merges);
        let table = self.table(style.dialect(Form::Return), Order::Listed);
        let root = self.root_of(content);
        Run::new(self, of, content.scope, style, Phase::Location, table, Form::Return).content(content, root);
        Some(table)
    }
}

impl Run<'_, '_, '_, '_, '_> {
    fn content(&mut self, content: Content<'_>, root: Option<TableId>) {
        self.access();
        let Some(words) = content.try_files else {
            if content.answers == Answers::Files {
                self.files(root);
            }
            return;
        };
        let Some(root) = root else {
            let span = words.first().map_or(self.lower.whole(), |&word| self.lower.span(word));
            let why = Why::Refused(self.lower.reading.of_files().into());
            return self.left_out(why, &span, &self.words_of(words));
        };
        self.try_files(words, root, content.answers);
    }

    /// A further table of redirects as `return` writes them.
    fn fresh(&mut self) -> TableId {
        self.lower.table(self.style.dialect(Form::Return), Order::Listed)
    }

    // Who may ask

    fn access(&mut self) {
        let scope = self.scope;
        let asks_password = scope.has_password && has_page(scope, 401);
        let rules = std::rc::Rc::clone(&scope.access);
        if rules.iter().any(|access| !access.lets_in) {
            let guard = self.fresh();
            let let_in = if asks_password { self.fresh() } else { guard };
            // With `satisfy any` who is not let in by address may still have a password.
            let may_still = scope.satisfies_any && (scope.has_password || scope.asks_elsewhere);
            for access in rules.iter() {
                let span = self.lower.span(access.word);
                let conditions: Vec<Condition> =
                    access.network.iter().filter_map(|network| of_network(network)).collect();
                match access.lets_in {
                    true => {
                        let to = if scope.satisfies_any { let_in } else { guard };
                        let action = go(self.table, to);
                        self.push(&any(), &conditions, action, &span);
                    }
                    false if may_still => {
                        let action = go(self.table, guard);
                        self.push(&any(), &conditions, action, &span);
                    }
                    false => self.error(403, &access.rule, &any(), &conditions, &span),
                }
                if access.network.is_none() {
                    break;
                }
            }
            self.lower.reading.set_after(self.table, After::Table(guard));
            self.table = guard;
            if asks_password {
                self.password();
                self.lower.reading.set_after(guard, After::Table(let_in));
                self.table = let_in;
            }
        } else if asks_password {
            self.password();
        }
    }

    /// Who brings no password is asked for one; whether it is right is not known here.
    fn password(&mut self) {
        let Ok(regex) = Regex::read("^basic +[^ ]", LetterCase::Ignored) else { return };
        let none = asks(What::Field("authorization".into()), Test::Regex(regex.pattern), true);
        let page = self
            .scope
            .error_pages
            .iter()
            .find(|page| page.codes.contains(&401))
            .map(|page| (page.word, page.rule.clone()));
        let Some((word, rule)) = page else { return };
        let span = self.lower.span(word);
        self.error(401, &rule, &any(), &[none], &span);
        self.lower.reading.approximated(&span, &rule, "whether a password is right is not known here");
    }

    // Files

    /// Where a name lies on the disk.
    fn on_disk(&self, path: Vec<Known>) -> Option<Vec<Known>> {
        let root = Known::Text(self.lower.root_text(self.scope));
        let path = match &self.scope.root {
            // Of the path itself the location's prefix is not looked for; another path has it or has it not.
            Some(Root { alias: Some(prefix), .. }) => {
                prefix.as_ref()?;
                let (first, rest) = path.split_first()?;
                if *first != Known::What(What::Part(Part::WorkingPath)) {
                    return None;
                }
                std::iter::once(Known::What(What::Slot(TAIL))).chain(rest.iter().cloned()).collect()
            }
            _ => path,
        };
        Some(std::iter::once(root).chain(path).collect())
    }

    fn ask(&mut self, path: Vec<Known>, root: TableId, span: &Span) -> bool {
        let Some(text) = self.on_disk(path).and_then(|parts| text::plain(&parts)) else { return false };
        self.push(&any(), &[], Action::Call { table: root, text: Some(text) }, span);
        true
    }

    /// nginx's own files: what is there is sent, and what follows where it is not.
    fn files(&mut self, root: Option<TableId>) {
        let span = match &self.scope.root {
            Some(root) => self.lower.span(root.word),
            None => self.lower.whole(),
        };
        let method = self.lower.method();
        if has_page(self.scope, 405) {
            let known = Test::In(["GET", "HEAD", "POST"].map(str::to_owned).to_vec());
            self.error(405, "files", &any(), &[asks(method.clone(), known, true)], &span);
        } else if root.is_some() {
            // Whether the file is there is asked for these methods alone.
            let known = Test::In(["GET", "HEAD", "POST"].map(str::to_owned).to_vec());
            self.push(&any(), &[asks(method.clone(), known, true)], stop(), &span);
        }
        let Some(root) = root else { return self.pages_of_files() };
        let path = || vec![Known::What(What::Part(Part::WorkingPath))];
        let ends = asks(What::Part(Part::WorkingPath), Test::Glob("*/".to_owned()), false);
        let folder = self.fresh();
        let action = go(self.table, folder);
        self.push(&any(), &[ends], action, &span);
        if self.ask(path(), root, &span) {
            let posts = asks(method, Test::Is("POST".to_owned()), false);
            if has_page(self.scope, 405) {
                self.error(405, "files", &any(), &[is_kind("f"), posts], &span);
            }
            self.push(&any(), &[is_kind("f")], stop(), &span);
            self.folder_redirect(&span);
            self.missing(404, &[], &span);
        }
        self.table = folder;
        self.folder(root, &span);
    }

    /// The slash behind the name of a folder.
    fn folder_redirect(&mut self, span: &Span) {
        if self.error_page(301, &any(), &[is_kind("d")], span) {
            return;
        }
        let target = Target::of_pieces(vec![
            Piece { place: Landing::Path, what: What::Part(Part::WorkingPath) },
            Piece { place: Landing::Path, what: What::Literal("/".into()) },
        ]);
        let status = StatusByMethod::always(RedirectStatus::MovedPermanently);
        let action = Action::Redirect { status, target, query: QueryPolicy::Keep };
        self.push(&any(), &[is_kind("d")], action, span);
    }

    /// A status that only its page makes worth saying: without one, nobody is sent anywhere.
    fn missing(&mut self, code: u16, conditions: &[Condition], span: &Span) {
        if has_page(self.scope, code) {
            self.error(code, "files", &any(), conditions, span);
        }
    }

    /// Which of the files are there is not known: their error pages are left out.
    fn pages_of_files(&mut self) {
        let pages = std::rc::Rc::clone(&self.scope.error_pages);
        for page in pages.iter().filter(|page| page.codes.iter().any(|code| matches!(code, 403 | 404))) {
            let span = self.lower.span(page.word);
            self.passes_by(&span);
        }
    }

    /// A path that ends with a slash: its index, where there is one, is a request of its own.
    fn folder(&mut self, root: TableId, span: &Span) {
        let words = std::rc::Rc::clone(&self.scope.index);
        let names: Vec<Vec<u8>> = match words.is_empty() {
            true => vec![b"index.html".to_vec()],
            false => words.iter().map(|&word| self.lower.tree.word(word).into_owned()).collect(),
        };
        for name in names {
            let Ok(resolved) = self.resolve(&name, &nothing) else { continue };
            self.look_up(&resolved.lists, &any(), &[], span);
            if name.first() == Some(&b'/') {
                return self.lead(&any(), &[], Again::PathWithQuery(resolved.parts), span);
            }
            let mut path = vec![Known::What(What::Part(Part::WorkingPath))];
            path.extend(resolved.parts);
            if self.ask(path.clone(), root, span) {
                self.lead(&any(), &[is_kind("f")], Again::PathWithQuery(path), span);
            }
        }
        if self.scope.lists_folders || !self.ask(vec![Known::What(What::Part(Part::WorkingPath))], root, span) {
            return;
        }
        self.missing(403, &[is_kind("d")], span);
        self.missing(404, &[asks(What::Slot(KIND), Test::Is("d".to_owned()), true)], span);
    }

    // try_files

    fn words_of(&self, words: &[Word]) -> String {
        let shown: Vec<Cow<'_, str>> = words.iter().map(|&word| self.lower.tree.str(word)).collect();
        format!("try_files {}", shown.join(" "))
    }

    fn try_files(&mut self, words: &[Word], root: TableId, answers: Answers) {
        let Some((&last, tried)) = words.split_last() else { return };
        let rule = self.words_of(words);
        let span = self.lower.span(words[0]);
        let found = self.fresh();
        for &word in tried {
            let text = self.lower.tree.word(word).into_owned();
            let (name, kind) = match text.strip_suffix(b"/") {
                Some(name) => (name.to_vec(), "d"),
                None => (text, "f"),
            };
            let named = match self.resolve(&name, &nothing) {
                Ok(resolved) => {
                    self.look_up(&resolved.lists, &any(), &[], &span);
                    resolved.parts
                }
                Err(why) => return self.left_out(why, &span, &rule),
            };
            if !self.ask(named.clone(), root, &span) {
                let why = Why::Refused("a name that `alias` takes elsewhere".into());
                return self.left_out(why, &span, &rule);
            }
            // What is there is the path from here on.
            let is_same = named == [Known::What(What::Part(Part::WorkingPath))];
            let action = match inside(&named).filter(|_| !is_same) {
                Some(target) => Action::Rewrite { target, query: QueryPolicy::Keep, then: Then::Table(found) },
                None => go(self.table, found),
            };
            self.push(&any(), &[is_kind(kind)], action, &span);
        }
        self.fallback(last, &rule, &span);
        self.table = found;
        match answers {
            Answers::Files => self.files(Some(root)),
            _ => self.push(&any(), &[], stop(), &span),
        }
    }

    fn fallback(&mut self, last: Word, rule: &str, span: &Span) {
        let text = self.lower.tree.word(last).into_owned();
        if let Some(code) = text.strip_prefix(b"=") {
            let code = std::str::from_utf8(code).ok().and_then(|code| code.parse::<u16>().ok());
            return self.error(code.unwrap_or(404), rule, &any(), &[], span);
        }
        if let Some(name) = text.strip_prefix(b"@") {
            match self.of.named.get(&*String::from_utf8_lossy(name)).copied() {
                Some(table) => self.lead(&any(), &[], Again::Named(table), span),
                None => return self.error(500, rule, &any(), &[], span),
            }
            return self.lower.exact(span, rule);
        }
        match self.resolve(&text, &nothing) {
            Ok(resolved) => {
                self.look_up(&resolved.lists, &any(), &[], span);
                self.lead(&any(), &[], Again::Path(resolved.parts), span);
                self.lower.exact(span, rule);
            }
            Err(why) => self.left_out(why, span, rule),
        }
    }

    /// Keeps what of a path an `alias` looks for.
    pub(super) fn alias(&mut self) {
        let Some(Root { word, alias: Some(Some(prefix)) }) = &self.scope.root else { return };
        let span = self.lower.span(*word);
        let source = super::lower::prefix_source(prefix, false);
        let action = Action::Set { slot: TAIL, text: piece(What::Capture(0)), then: Then::Next };
        self.push(&source, &[], action, &span);
    }
}

fn is_kind(kind: &str) -> Condition {
    asks(What::Slot(KIND), Test::Is(kind.to_owned()), false)
}

/// Whether the client's address lies in a network.
pub(super) fn of_network(network: &str) -> Option<Condition> {
    let subject = Subject::parse("address", None).ok()?;
    Condition::new(subject, Test::In(vec![network.to_owned()]), false).ok()
}
