//! Directives put in their place: each is one arm of one table, and those of mod_rewrite have one of their own.

use byway_core::dialect::EncodedSlash;

use super::alias::{self, Kind};
use super::lines::{Line, Word, words};
use super::names::{self, Known};
use super::read::Reader;
use super::rule::{self, Wrong, wrong};
use super::site::{Around, ErrorUrl, SetEnv};
use crate::foreign::Text;
use crate::pcre;
use crate::span::Span;

/// How deep files include files; httpd's own limit is 128.
const INCLUDES: usize = 32;

impl<'a, 'r> Reader<'a, 'r> {
    pub(super) fn directive(
        &mut self,
        resolved: &str,
        end: usize,
        line: &Line<'_>,
        text: &Text,
        span: &Span,
    ) -> Result<(), Wrong> {
        let name = &resolved[..end.min(resolved.len())];
        let lower = name.to_ascii_lowercase();
        let taken = || words(resolved, end);
        match lower.as_str() {
            "redirect" => self.alias(Kind::Redirect, resolved, &taken(), span),
            "redirectpermanent" => self.alias(Kind::Permanent, resolved, &taken(), span),
            "redirecttemp" => self.alias(Kind::Temp, resolved, &taken(), span),
            "redirectmatch" => self.alias(Kind::Match, resolved, &taken(), span),
            _ if lower.starts_with("rewrite")
                && !matches!(lower.as_str(), "rewritelog" | "rewriteloglevel" | "rewritelock") =>
            {
                self.rewriting(&lower, name, resolved, end, span)
            }
            "servername" => {
                let words = taken();
                if words.len() != 1 {
                    let what = "ServerName takes one argument, The hostname and port of the server";
                    return wrong(end..resolved.len(), what, Some("write one name, as `ServerName www.example.com`"));
                }
                let text = words.first().map(|word| word.text.clone()).unwrap_or_default();
                let text = text.split_once("://").map_or(text.clone(), |(_, rest)| rest.to_owned());
                let (host, port) = match text.rsplit_once(':') {
                    Some((host, port)) => (host.to_owned(), port.parse().ok()),
                    None => (text, None),
                };
                self.server().name = Some((host.to_ascii_lowercase(), port));
                Ok(())
            }
            "serveralias" => {
                let aliases = taken().into_iter().map(|word| word.text.to_ascii_lowercase());
                self.server().aliases.extend(aliases);
                Ok(())
            }
            "documentroot" if taken().len() != 1 => {
                let what = "DocumentRoot takes one argument, Root directory of the document tree";
                let help = "write one folder, in quotes where its name has blanks";
                wrong(end..resolved.len(), what, Some(help))
            }
            "documentroot" => {
                let root = taken().first().map(|word| word.text.clone());
                self.server().root = root;
                Ok(())
            }
            "usecanonicalname"
                if !taken()
                    .first()
                    .is_some_and(|word| ["on", "off", "dns"].contains(&word.text.to_ascii_lowercase().as_str())) =>
            {
                let help = "write `UseCanonicalName On` where `ServerName` goes into Locations";
                wrong(end..resolved.len(), "parameter must be 'on', 'off', or 'dns'", Some(help))
            }
            "usecanonicalname" => {
                let is_on = taken().first().is_some_and(|word| word.text.eq_ignore_ascii_case("on"));
                self.server().is_canonical = is_on;
                Ok(())
            }
            "sslengine" => {
                let is_on = taken().first().is_some_and(|word| word.text.eq_ignore_ascii_case("on"));
                self.server().is_tls = is_on;
                Ok(())
            }
            "allowencodedslashes" => {
                let words = taken();
                let slashes = match words.first().map(|word| word.text.to_ascii_lowercase()).as_deref() {
                    Some("on") => EncodedSlash::Decoded,
                    Some("off") => EncodedSlash::NotFound,
                    Some("nodecode") => EncodedSlash::Kept,
                    _ => {
                        let what = "AllowEncodedSlashes must be On, Off, or NoDecode";
                        return wrong(end..resolved.len(), what, Some("write one of the three behind it"));
                    }
                };
                self.server().slashes = Some(slashes);
                Ok(())
            }
            "mergeslashes" | "regexdefaultoptions" => {
                self.reading.refused(span, resolved, "it changes what all patterns see, and is not read");
                Ok(())
            }
            "redirectrelative" => {
                if on_off(&taken(), "RedirectRelative", end..resolved.len())? {
                    let why = "mod_alias would send a Location as it is written, without a host: here it has one";
                    self.reading.approximated(span, resolved, why);
                }
                Ok(())
            }
            "directoryslash" => {
                let words = taken();
                let is_on = on_off(&words, "DirectorySlash", end..resolved.len())?;
                self.scope().directory_slash = Some(is_on);
                Ok(())
            }
            "options" => {
                for word in taken() {
                    let word = word.text.to_ascii_lowercase();
                    let (is_on, name) = match word.strip_prefix(['+', '-']) {
                        Some(name) => (word.starts_with('+'), name),
                        None => (true, word.as_str()),
                    };
                    // Without a sign in front, what is not named is off.
                    let is_whole = name.len() == word.len();
                    let says = |wanted: &str| (name == wanted || name == "all" && wanted == "indexes").then_some(is_on);
                    let scope = self.scope();
                    scope.lists = says("indexes").or(scope.lists).or(is_whole.then_some(false));
                    scope.completes = says("multiviews").or(scope.completes).or(is_whole.then_some(false));
                }
                Ok(())
            }
            "directoryindex" => {
                let names = taken().into_iter().map(|word| word.text);
                self.scope().indexes = Some(names.filter(|name| !name.eq_ignore_ascii_case("disabled")).collect());
                Ok(())
            }
            "fallbackresource" => {
                let name = taken().first().map(|word| word.text.clone()).unwrap_or_default();
                let name = if name.eq_ignore_ascii_case("disabled") { String::new() } else { name };
                self.scope().fallback = Some((span.clone(), name));
                self.reading.beyond(span, resolved);
                Ok(())
            }
            "allowoverride" => {
                let allows =
                    taken().iter().any(|word| ["all", "fileinfo"].contains(&word.text.to_ascii_lowercase().as_str()));
                self.scope().allows_files = Some(allows);
                Ok(())
            }
            "errordocument" => self.error_document(&taken(), resolved, end, span),
            "setenvif" | "setenvifnocase" | "browsermatch" | "browsermatchnocase" => {
                self.set_env_if(&lower, name, &taken(), span, end..resolved.len())
            }
            "setenvifexpr" => {
                self.reading.beyond(span, resolved);
                Ok(())
            }
            "define" => {
                let words = taken();
                if !(1..=2).contains(&words.len()) {
                    let what = "Define takes 1-2 arguments, Define a variable, optionally to a value.  Same as passing -D to the command line.";
                    return wrong(end..resolved.len(), what, Some("write a name, and its value behind it"));
                }
                if let Some(key) = words.first() {
                    let value = words.get(1).map(|word| word.text.clone()).unwrap_or_default();
                    self.defines.insert(key.text.clone(), value);
                }
                Ok(())
            }
            "require" | "order" | "allow" | "deny" | "satisfy" => {
                let words: Vec<String> = taken().into_iter().map(|word| word.text).collect();
                if self.is_in(&["requireall"]) {
                    if lower == "require" && words.iter().map(|word| word.to_ascii_lowercase()).eq(["all", "denied"]) {
                        self.scope().access.said.get_or_insert((span.clone(), resolved.to_owned()));
                        self.scope().access.deny_all();
                    }
                    return Ok(());
                }
                // What is said of some methods alone is said of some askers.
                let is_of_methods = self.is_in(&["limit", "limitexcept"]);
                // Of the whole disk it is said everywhere, and elsewhere what is served of it.
                let is_of_disk =
                    !self.in_section() && matches!(self.folder_here(), Some(Around::Disk(path)) if path == "/");
                self.scope().access.said.get_or_insert((span.clone(), resolved.to_owned()));
                let is_plain = match is_of_methods || is_of_disk {
                    true => self.scope().access.read("require", &[]) || is_of_disk,
                    false => self.scope().access.read(&lower, &words),
                };
                if !is_plain {
                    self.reading.beyond(span, resolved);
                }
                Ok(())
            }
            "include" | "includeoptional" => {
                let words = taken();
                self.include(&words, lower == "include", text, line, span);
                Ok(())
            }
            "use" => {
                self.reading.refused(span, resolved, "macros are not expanded");
                Ok(())
            }
            _ => {
                let serves_more = names::serves_more(&lower);
                self.server().serves_more |= serves_more;
                self.server().maps_paths |= serves_more && !lower.ends_with("handler");
                if let ("proxypass", [path, to, ..], false) = (lower.as_str(), taken().as_slice(), self.in_section()) {
                    let taking = (path.text.clone(), to.text != "!");
                    self.server().proxied.push(taking);
                }
                if let Some(why) = names::redirects_otherwise(&lower, taken().first().map(|word| word.text.as_str())) {
                    self.reading.refused(span, resolved, why);
                }
                match names::known(&lower) {
                    Known::Passive => {}
                    Known::Beyond => self.reading.beyond(span, resolved),
                    Known::Not => {
                        let what = format!(
                            "Invalid command '{name}', perhaps misspelled or defined by a module not included in the server configuration"
                        );
                        self.invalid(span, what, name);
                    }
                }
                Ok(())
            }
        }
    }

    fn error_document(&mut self, words: &[Word], line: &str, end: usize, span: &Span) -> Result<(), Wrong> {
        let [status, target, ..] = words else {
            let help = "write a status, then where to: `ErrorDocument 404 /missing`";
            let what = "ErrorDocument takes two arguments, Change responses for HTTP errors";
            return wrong(end..line.len(), what, Some(help));
        };
        let number: u16 = status.text.parse().unwrap_or(0);
        if !rule::is_known(number) {
            let help = "name the status of an error, as `ErrorDocument 404 /missing`";
            return wrong(status.at.clone(), format!("Unsupported HTTP response code {}", status.text), Some(help));
        }
        // Taken, and asked for by no error.
        if !(400..=599).contains(&number) {
            return Ok(());
        }
        // httpd takes a text with a blank for what it is to say.
        let is_page = !alias::is_url(&target.text) || target.text.contains(' ');
        match self.refusal() {
            _ if is_page => {
                self.reading.beyond(span, line);
                let page = target.text.starts_with('/').then(|| target.text.clone());
                let page = page.map(|url| ErrorUrl { span: span.clone(), text: line.to_owned(), url, is_page });
                self.scope().errors.insert(number, page);
            }
            Some(why) => self.reading.refused(span, line, why),
            None if target.text.contains("%{") => {
                self.reading.refused(span, line, "an expression in the URL for an error");
                self.scope().errors.insert(number, None);
            }
            None => {
                let url = ErrorUrl { span: span.clone(), text: line.to_owned(), url: target.text.clone(), is_page };
                self.scope().errors.insert(number, Some(url));
            }
        }
        Ok(())
    }

    fn set_env_if(
        &mut self,
        lower: &str,
        name: &str,
        words: &[Word],
        span: &Span,
        all: std::ops::Range<usize>,
    ) -> Result<(), Wrong> {
        let agent = Word { text: "User-Agent".to_owned(), at: 0..0 };
        let words: Vec<Word> = match lower.starts_with("browser") {
            true => std::iter::once(agent).chain(words.iter().cloned()).collect(),
            false => words.to_vec(),
        };
        let help = "write a field, a pattern and a name: `SetEnvIf User-Agent bot is_bot`";
        let [attribute, pattern, names @ ..] = words.as_slice() else {
            let missing = if words.is_empty() { "header-field name" } else { "regular expression" };
            return wrong(all, format!("Missing {missing} for {name}"), Some(help));
        };
        if let Some(refused) = pcre::refused_by_httpd(&pattern.text) {
            let help = format!("{}: {}", refused.what, refused.help());
            return wrong(pattern.at.clone(), format!("{name} regex could not be compiled."), Some(&help));
        }
        if names.is_empty() {
            return wrong(all, format!("Missing envariable expression for {name}"), Some(help));
        }
        let pairs = names.iter().map(|word| match (word.text.strip_prefix('!'), word.text.split_once('=')) {
            (Some(name), _) => (name.to_owned(), None),
            (None, Some((name, value))) => (name.to_owned(), Some(value.to_owned())),
            (None, None) => (word.text.clone(), Some("1".to_owned())),
        });
        let set = SetEnv {
            span: span.clone(),
            attribute: attribute.text.clone(),
            pattern: pattern.text.clone(),
            ignores_case: lower.ends_with("nocase"),
            pairs: pairs.collect(),
        };
        let refused = self.refusal().or(self.in_section().then_some("a variable that a section sets"));
        match refused {
            Some(why) => self.reading.refused(span, &format!("{name} {} {}", set.attribute, set.pattern), why),
            None => self.scope().sets.push(set),
        }
        Ok(())
    }

    fn include(&mut self, words: &[Word], must_be_there: bool, text: &Text, line: &Line<'_>, span: &Span) {
        let Some(word) = words.first() else {
            let name = if must_be_there { "Include" } else { "IncludeOptional" };
            let fails = match must_be_there {
                true => "; fails if the wildcard does not match at least one file",
                false => "",
            };
            let what = format!("{name} takes one argument, Name(s) of the config file(s) to be included{fails}");
            return self.mistake(span, what, Some(format!("write a file behind it, as `{name} sites/*.conf`")));
        };
        let place = text.span(line.place(word.at.clone()));
        if self.depth >= INCLUDES {
            let what = format!("files include files more than {INCLUDES} deep: a file may include itself");
            // They would include one another in ever more ways.
            self.reading.open_no_more();
            return self.mistake(span, what, Some("take one of these includes out".to_owned()));
        }
        let base = self.base.clone();
        let Some(paths) = self.reading.expand(&base, &word.text, &place) else { return };
        if paths.is_empty() && must_be_there && crate::files::is_pattern(&word.text) {
            let what = format!(
                "Include/IncludeOptional: No matches for the wildcard '{}' in '{}', failing",
                word.text,
                self.base.display()
            );
            let help = "write `IncludeOptional` where there may be none".to_owned();
            return self.mistake(&place, what, Some(help));
        }
        for path in paths {
            if !must_be_there && !self.reading.is_there(&path) {
                continue;
            }
            self.file(&path, Some(&place));
        }
    }
}

pub(super) fn on_off(words: &[Word], name: &str, all: std::ops::Range<usize>) -> Result<bool, Wrong> {
    match words.first().map(|word| word.text.to_ascii_lowercase()).as_deref() {
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        _ => wrong(all, format!("{name} must be On or Off"), Some(&format!("write `{name} On` or `{name} Off`"))),
    }
}
