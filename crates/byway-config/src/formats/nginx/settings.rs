//! Settings that a level hands down to those inside it, and the pages of errors.

use std::rc::Rc;

use super::build::Build;
use super::locations::answers_of;
use super::model::{Access, Answers, ErrorPage, Limit, Root, Scope};
use super::tree::Directive;

/// The settings that stand once on a level.
pub(super) const ONCE: &[&str] = &[
    "absolute_redirect",
    "alias",
    "autoindex",
    "internal",
    "merge_slashes",
    "port_in_redirect",
    "recursive_error_pages",
    "root",
    "satisfy",
    "server_name_in_redirect",
    "try_files",
];

/// The settings that an `if` in a location has of its own.
pub(super) const OF_IF: &[&str] =
    &["error_page", "root", "recursive_error_pages", "index", "autoindex", "auth_basic", "satisfy"];

/// What is handed down, to be changed by a level that has such lines of its own: these take the place of all from further out.
fn own<'s, T: Clone>(mine: &'s mut Rc<Vec<T>>, outer: &Rc<Vec<T>>) -> &'s mut Vec<T> {
    if Rc::ptr_eq(mine, outer) {
        *mine = Rc::new(Vec::new());
    }
    Rc::make_mut(mine)
}

impl Build<'_, '_, '_> {
    /// All settings of a level; what stands once only is not said twice.
    pub(super) fn settings(&mut self, directives: &[Directive], scope: &mut Scope, outer: &Scope) {
        let mut seen: Vec<String> = Vec::new();
        for directive in directives {
            let name = self.name(directive);
            if ONCE.contains(&&*name) {
                match seen.contains(&name) {
                    true => self.fault(directive.name, format!("\"{name}\" directive is duplicate")),
                    false => seen.push(name),
                }
            }
            self.setting(directive, scope, outer);
        }
    }

    /// Settings that are handed down.
    pub(super) fn setting(&mut self, directive: &Directive, scope: &mut Scope, outer: &Scope) {
        let name = self.name(directive);
        let flag = |target: &mut bool, build: &mut Self| match &*build.tree.str(directive.args[0]) {
            "on" => *target = true,
            "off" => *target = false,
            other => {
                let message =
                    format!("invalid value \"{other}\" in \"{name}\" directive, it must be \"on\" or \"off\"");
                build.fault(directive.args[0], message);
            }
        };
        match &*name {
            "absolute_redirect" => flag(&mut scope.absolute, self),
            "port_in_redirect" => flag(&mut scope.port, self),
            "server_name_in_redirect" => flag(&mut scope.server_name, self),
            "merge_slashes" => flag(&mut scope.merges, self),
            "root" | "alias" => {
                scope.root = Some(Root { word: directive.args[0], alias: (name == "alias").then_some(None) });
            }
            "error_page" => {
                if let Some(page) = self.error_page(directive) {
                    own(&mut scope.error_pages, &outer.error_pages).push(page);
                }
            }
            "internal" => scope.is_internal = true,
            "recursive_error_pages" => flag(&mut scope.is_recursive, self),
            "autoindex" => flag(&mut scope.lists_folders, self),
            "index" => own(&mut scope.index, &outer.index).extend(&directive.args),
            "allow" | "deny" => {
                if let Some(access) = self.access(directive, name == "allow") {
                    own(&mut scope.access, &outer.access).push(access);
                }
            }
            "satisfy" => scope.satisfies_any = &*self.tree.str(directive.args[0]) == "any",
            "auth_basic" | "auth_request" | "auth_jwt" => {
                let is_on = directive.args.first().is_some_and(|word| &*self.tree.str(*word) != "off");
                *if name == "auth_basic" { &mut scope.has_password } else { &mut scope.asks_elsewhere } = is_on;
            }
            _ => {}
        }
    }

    fn access(&mut self, directive: &Directive, lets_in: bool) -> Option<Access> {
        let text = self.tree.str(directive.args[0]).into_owned();
        let network = match &*text {
            "all" => None,
            // Nobody comes in over such a socket here.
            "unix:" => return None,
            text if byway_core::network::Network::parse(text).is_some() => Some(text.to_owned()),
            _ => {
                self.fault(directive.args[0], format!("invalid parameter \"{text}\""));
                return None;
            }
        };
        let rule = self.tree.words(directive);
        Some(Access { lets_in, network, word: directive.name, rule })
    }

    pub(super) fn limit(&mut self, directive: &Directive, block: &[Directive], outer: &Scope) -> Limit {
        let mut scope = outer.clone();
        let mut answers = Answers::Files;
        self.settings(block, &mut scope, outer);
        for directive in block {
            match answers_of(&self.name(directive)) {
                Answers::Files => {}
                other => answers = other,
            }
            self.pass_over(directive, true);
        }
        let mut methods: Vec<String> = directive.args.iter().map(|word| self.tree.str(*word).into_owned()).collect();
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        Limit { methods, scope, answers }
    }

    fn error_page(&mut self, directive: &Directive) -> Option<ErrorPage> {
        let (&target, mut words) = directive.args.split_last()?;
        let mut overwrite = None;
        if let Some((&last, rest)) = words.split_last()
            && let Some(code) = self.tree.str(last).strip_prefix('=')
        {
            overwrite = Some(match code.parse() {
                Ok(code) => code,
                Err(_) if code.is_empty() => 0,
                Err(_) => {
                    self.fault(last, format!("invalid value \"={code}\""));
                    return None;
                }
            });
            words = rest;
        }
        let mut codes = Vec::new();
        for &word in words {
            let text = self.tree.str(word).into_owned();
            match text.parse::<u16>() {
                Ok(code) if (300..=599).contains(&code) && code != 499 => codes.push(code),
                Ok(code) if code == 499 || !(300..=599).contains(&code) => {
                    self.fault(word, format!("value \"{text}\" must be between 300 and 599"));
                }
                _ => self.fault(word, format!("invalid value \"{text}\"")),
            }
        }
        // Of a page whose codes are all wrong there is nothing more to say.
        if codes.is_empty() {
            return None;
        }
        Some(ErrorPage { codes, overwrite, target, word: directive.name, rule: self.tree.words(directive) })
    }
}
