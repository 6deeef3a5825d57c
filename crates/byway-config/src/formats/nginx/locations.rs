//! Locations, and what stands in a block beside statements.

use std::collections::HashSet;

use byway_core::dialect::LetterCase;

use super::build::{Build, Inside};
use super::faults;
use super::lex::Word;
use super::model::{Answers, Found, Location, Root, Scope};
use super::pcre::Regex;
use super::text;
use super::tree::{Body, Directive};
use crate::pcre;

impl Build<'_, '_, '_> {
    pub(super) fn inside(&mut self, directives: &[Directive], scope: &Scope, within: Option<&Found>) -> Inside {
        let is_server = within.is_none();
        let mut inside = Inside::default();
        let mut seen = HashSet::new();
        for directive in directives {
            let name = self.name(directive);
            match (&*name, &directive.body) {
                ("location", Body::Block(block)) => {
                    if let Some(location) = self.location(directive, block, scope) {
                        self.misplaced(&location, within, &mut seen);
                        inside.locations.push(location);
                    }
                }
                ("try_files", _) => {
                    inside.try_files = Some(directive.args.clone());
                    self.pass_over(directive, true);
                }
                ("internal", _) if !is_server => {}
                ("limit_except", Body::Block(block)) if !is_server => {
                    inside.limit = Some(Box::new(self.limit(directive, block, scope)));
                }
                ("listen" | "server_name", _) if is_server => {}
                ("server" | "http" | "map" | "geo" | "events" | "listen" | "server_name", _)
                    if !is_server || !self.is_of_http(directive) =>
                {
                    self.not_allowed(directive);
                }
                ("server" | "http" | "map" | "geo" | "events" | "split_clients", _) => self.not_allowed(directive),
                _ => match self.statement(directive, (!is_server).then_some(scope)) {
                    Some(statement) => inside.statements.extend(statement),
                    None => {
                        match answers_of(&name) {
                            Answers::Files => {}
                            other => inside.answers = other,
                        }
                        self.pass_over(directive, true);
                    }
                },
            }
        }
        inside
    }

    fn location(&mut self, directive: &Directive, block: &[Directive], outer: &Scope) -> Option<Location> {
        let text = |word: Word| self.tree.word(word).into_owned();
        let prefix = |bytes: Vec<u8>, is_final| Found::Prefix { prefix: bytes, is_final };
        let mut regex = None;
        let found = match directive.args.as_slice() {
            [modifier, word] => match &*self.tree.word(*modifier) {
                b"=" => Found::Exact(text(*word)),
                b"^~" => prefix(text(*word), true),
                b"~" => {
                    regex = Some((*word, LetterCase::Significant, text(*word)));
                    prefix(Vec::new(), false)
                }
                b"~*" => {
                    regex = Some((*word, LetterCase::Ignored, text(*word)));
                    prefix(Vec::new(), false)
                }
                other => {
                    let message = format!("invalid location modifier \"{}\"", String::from_utf8_lossy(other));
                    self.fault(*modifier, message);
                    return None;
                }
            },
            [word] => match &*text(*word) {
                [b'=', rest @ ..] => Found::Exact(rest.to_vec()),
                [b'^', b'~', rest @ ..] => prefix(rest.to_vec(), true),
                [b'~', b'*', rest @ ..] => {
                    regex = Some((*word, LetterCase::Ignored, rest.to_vec()));
                    prefix(Vec::new(), false)
                }
                [b'~', rest @ ..] => {
                    regex = Some((*word, LetterCase::Significant, rest.to_vec()));
                    prefix(Vec::new(), false)
                }
                [b'@', rest @ ..] => Found::Named(String::from_utf8_lossy(rest).into_owned()),
                other => prefix(other.to_vec(), false),
            },
            _ => return None,
        };
        let found = match regex {
            Some((word, case, bytes)) => Found::Regex(self.regex(word, &bytes, case)?),
            None => found,
        };
        let mut scope = outer.clone();
        self.settings(block, &mut scope, outer);
        if let (Some(Root { alias: Some(alias @ None), .. }), Found::Exact(path) | Found::Prefix { prefix: path, .. }) =
            (&mut scope.root, &found)
        {
            *alias = Some(path.as_slice().into());
        }
        let inside = self.inside(block, &scope, Some(&found));
        Some(Location {
            found,
            word: directive.name,
            path: *directive.args.last()?,
            is_joined: directive.args.len() == 1,
            scope,
            statements: inside.statements,
            locations: inside.locations,
            try_files: inside.try_files,
            answers: inside.answers,
            limit: inside.limit,
        })
    }

    /// Says what nginx says of a location that is there twice, or inside of one where it cannot be.
    fn misplaced(&mut self, location: &Location, within: Option<&Found>, seen: &mut HashSet<(u8, Vec<u8>)>) {
        let (kind, name) = match &location.found {
            Found::Exact(path) => (0, path.clone()),
            Found::Prefix { prefix, .. } => (1, prefix.clone()),
            Found::Named(name) => (2, format!("@{name}").into_bytes()),
            Found::Regex(_) => (3, Vec::new()),
        };
        let shown = String::from_utf8_lossy(&name).into_owned();
        let is_new = kind == 3 || seen.insert((kind, name.clone()));
        let message = match within {
            Some(Found::Exact(outer)) => {
                let outer = String::from_utf8_lossy(outer);
                format!("location \"{shown}\" cannot be inside the exact location \"{outer}\"")
            }
            Some(Found::Named(outer)) => {
                format!("location \"{shown}\" cannot be inside the named location \"@{outer}\"")
            }
            Some(_) if kind == 2 => format!("named location \"{shown}\" can be on the server level only"),
            Some(Found::Prefix { prefix, .. }) if kind < 2 && !name.starts_with(prefix) => {
                format!("location \"{shown}\" is outside location \"{}\"", String::from_utf8_lossy(prefix))
            }
            _ if !is_new => format!("duplicate location \"{shown}\""),
            _ => return,
        };
        self.fault(location.word, message);
    }

    pub(super) fn regex(&mut self, word: Word, bytes: &[u8], case: LetterCase) -> Option<Regex> {
        let read = match std::str::from_utf8(bytes) {
            Ok(text) => {
                if let Some(refused) = pcre::refused(text) {
                    let span = self.tree.span(word);
                    self.reading.say_mistake(faults::pcre(text, &refused, span));
                    return None;
                }
                Regex::read(text, case)
            }
            Err(_) => Err("it is not UTF-8".to_owned()),
        };
        match read {
            Ok(regex) => {
                // A group by name is a variable, and nginx's own are nobody else's.
                let taken = regex.named().map(|(_, name)| name.to_ascii_lowercase()).find(|name| text::is_taken(name));
                if let Some(name) = taken {
                    self.fault(word, format!("the duplicate \"{name}\" variable"));
                    return None;
                }
                Some(regex)
            }
            Err(what) => {
                // PCRE takes it, to all that is known.
                let span = self.tree.span(word);
                self.reading.refused(&span, &self.tree.str(word), format!("its pattern cannot be read here: {what}"));
                None
            }
        }
    }
}

/// Who answers where a location has this directive.
pub(super) fn answers_of(name: &str) -> Answers {
    match name {
        "proxy_pass" | "fastcgi_pass" | "uwsgi_pass" | "scgi_pass" | "grpc_pass" | "memcached_pass" => Answers::Server,
        "stub_status"
        | "empty_gif"
        | "js_content"
        | "perl"
        | "dav_methods"
        | "random_index"
        | "flv"
        | "mp4"
        | "echo"
        | "content_by_lua"
        | "content_by_lua_block"
        | "content_by_lua_file" => Answers::Program,
        name if name.ends_with("_pass") => Answers::Server,
        _ => Answers::Files,
    }
}
