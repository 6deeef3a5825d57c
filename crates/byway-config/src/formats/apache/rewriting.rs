//! The directives of mod_rewrite and mod_alias put in their place, and maps opened.

use super::alias::{self, Alias, AliasSource, Kind};
use super::directives::on_off;
use super::lines::{Word, bytes_of, pattern_of_bytes, words};
use super::maps::{self, Internal, Map};
use super::read::Reader;
use super::rule::{self, Cond, CondWords, Wrong, wrong};
use super::site::{Inherits, Scope, Section};
use crate::span::Span;

/// Why a rule is left out whose bytes no text of ours holds.
pub(super) const NOT_UTF8: &str = "bytes that are not UTF-8 stand in it";

/// Takes the letters of a rule for the bytes that they are; whether that can be said.
fn of_bytes(alias: &mut Alias) -> bool {
    alias.is_odd = true;
    if let AliasSource::Pattern(text) = &mut alias.source {
        *text = pattern_of_bytes(text);
        // What a target of `RedirectMatch` holds is escaped on its way out, and an escape as well.
        return alias.target.as_deref().is_none_or(str::is_ascii);
    }
    let escaped = |byte: u8| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    alias.target = alias.target.as_deref().map(|target| bytes_of(target).into_iter().map(escaped).collect());
    true
}

impl<'a, 'r> Reader<'a, 'r> {
    pub(super) fn alias(&mut self, kind: Kind, line: &str, words: &[Word], span: &Span) -> Result<(), Wrong> {
        let mut found = alias::read(kind, line, words, span.clone(), self.in_folder())?;
        found.is_plain = self.is_plain;
        let unsaid = self.is_odd && !of_bytes(&mut found);
        match self.refusal().or(unsaid.then_some(NOT_UTF8)) {
            Some(why) => self.reading.refused(span, line, why),
            // A target alone is for all that is asked in a folder, and goes before what is for a path.
            None if found.source == AliasSource::Section && !self.in_section() => {
                let folder = self.folder_here();
                let scope = Scope { aliases: vec![found], ..Scope::default() };
                self.server().sections.push(Section { places: Vec::new(), name: String::new(), folder, scope });
            }
            None => self.scope().aliases.push(found),
        }
        Ok(())
    }

    pub(super) fn rewriting(
        &mut self,
        lower: &str,
        name: &str,
        line: &str,
        end: usize,
        span: &Span,
    ) -> Result<(), Wrong> {
        let all = end..line.len();
        let words = || words(line, end);
        let refused = self.refusal();
        if lower != "rewritemap" && refused.is_none() {
            self.scope().rewriting.is_there = true;
        }
        match lower {
            "rewriteengine" => {
                let is_on = on_off(&words(), "RewriteEngine", all)?;
                if refused.is_none() {
                    self.scope().rewriting.engine = Some(is_on);
                }
            }
            "rewritebase" => {
                let words = words();
                if !self.in_folder() {
                    return wrong(
                        all,
                        "RewriteBase: only valid in per-directory config files",
                        Some("leave it out: here patterns and targets are whole paths"),
                    );
                }
                let Some(base) = words.first().filter(|_| words.len() == 1) else {
                    return wrong(
                        all,
                        "RewriteBase takes one argument, the base URL of the per-directory context",
                        Some("write the path of the folder, as `RewriteBase /docs/`"),
                    );
                };
                if !base.text.starts_with('/') {
                    let help = format!("write `/{}`", base.text);
                    return wrong(base.at.clone(), "RewriteBase: argument is not a valid URL", Some(&help));
                }
                let base = format!("{}/", base.text.trim_end_matches('/'));
                if refused.is_none() {
                    self.scope().rewriting.base = Some(base);
                }
            }
            "rewriteoptions" => {
                if words().is_empty() {
                    let what = "RewriteOptions requires at least one argument, List of option strings to set";
                    return wrong(all, what, Some("write one behind it, as `RewriteOptions Inherit`"));
                }
                self.scope().rewriting.says_options |= refused.is_none();
                for word in words() {
                    let inherits = match word.text.to_ascii_lowercase().as_str() {
                        "inherit" => Some(Inherits::After),
                        "inheritbefore" => Some(Inherits::Before),
                        option @ ("inheritdown" | "inheritdownbefore") => {
                            if refused.is_none() {
                                let is_before = option.ends_with("before");
                                let way = if is_before { Inherits::Before } else { Inherits::After };
                                self.scope().rewriting.hands_down = Some(way);
                            }
                            None
                        }
                        "ignoreinherit" => {
                            if refused.is_none() {
                                self.scope().rewriting.ignores = true;
                            }
                            None
                        }
                        "mergebase" => {
                            self.reading.refused(span, line, "a `RewriteBase` that is handed down is not read");
                            None
                        }
                        "allownoslash" => {
                            self.scope().rewriting.takes_bare |= refused.is_none();
                            None
                        }
                        option
                            if option.starts_with("maxredirects=")
                                || [
                                    "allowanyuri",
                                    "ignorecontextinfo",
                                    "legacyprefixdocroot",
                                    "longurloptimization",
                                    "unsafeprefixstat",
                                ]
                                .contains(&option) =>
                        {
                            None
                        }
                        _ => {
                            let what = format!("RewriteOptions: unknown option '{}'", word.text);
                            return wrong(
                                word.at,
                                what,
                                Some("those that hand rules down are `Inherit` and `InheritDown`"),
                            );
                        }
                    };
                    if inherits.is_some() && refused.is_none() {
                        self.scope().rewriting.inherits = inherits;
                    }
                }
            }
            "rewritecond" => {
                let words = if self.is_plain { CondWords::of(line, end, span) } else { None };
                let mut cond = Cond { span: Some(span.clone()), words, ..rule::read_cond(line, end)? };
                if self.is_odd {
                    let is_pattern = !cond.pattern.starts_with(['=', '<', '>', '-']);
                    cond.is_odd = !cond.test.is_ascii() || !is_pattern && !cond.pattern.is_ascii();
                    cond.pattern = pattern_of_bytes(&cond.pattern);
                }
                if refused.is_none() {
                    let rewriting = &mut self.scope().rewriting;
                    rewriting.waiting.push(cond);
                    rewriting.waiting_at = Some(span.clone());
                }
            }
            "rewriterule" => {
                if let Some(why) = refused {
                    rule::read_rule(line, end, span.clone(), Vec::new())?;
                    self.reading.refused(span, line, why);
                    return Ok(());
                }
                let conds = std::mem::take(&mut self.scope().rewriting.waiting);
                let mut rule = rule::read_rule(line, end, span.clone(), conds)?;
                rule.is_plain = self.is_plain;
                rule.flags.is_odd = rule.conds.iter().any(|cond| cond.is_odd);
                if self.is_odd {
                    let mut texts = rule.flags.env.iter().filter_map(|(_, value)| value.as_deref());
                    rule.flags.is_odd |= !rule.substitution.is_ascii() || texts.any(|text| !text.is_ascii());
                    rule.pattern = pattern_of_bytes(&rule.pattern);
                }
                self.scope().rewriting.rules.push(std::rc::Rc::new(rule));
            }
            "rewritemap" => return self.map(&words(), line, all, span),
            _ => {
                let what = format!(
                    "Invalid command '{name}', perhaps misspelled or defined by a module not included in the server configuration"
                );
                self.invalid(span, what, name);
            }
        }
        Ok(())
    }

    pub(super) fn map(
        &mut self,
        words: &[Word],
        line: &str,
        all: std::ops::Range<usize>,
        span: &Span,
    ) -> Result<(), Wrong> {
        let [name, from, ..] = words else {
            let what = "RewriteMap takes two or three arguments, a mapname and a filename and options";
            return wrong(all, what, Some("write a name, then a list: `RewriteMap moves txt:moves.txt`"));
        };
        if self.in_folder() {
            return wrong(all, "RewriteMap not allowed here", Some("it stands in the server or virtual host"));
        }
        let map = match from.text.split_once(':') {
            Some(("txt", path)) => match maps::read(self.reading, &self.base.join(path), span) {
                Some(list) => Map::List(list),
                None => return Ok(()),
            },
            Some(("int", "tolower")) => Map::Internal(Internal::Lower),
            Some(("int", "toupper")) => Map::Internal(Internal::Upper),
            Some(("int", "escape")) => Map::Internal(Internal::Escape),
            Some(("int", "unescape")) => Map::Internal(Internal::Unescape),
            Some(("int", other)) => {
                let help = "there are `tolower`, `toupper`, `escape` and `unescape`";
                return wrong(from.at.clone(), format!("RewriteMap: internal map not found:{other}"), Some(help));
            }
            Some(("prg", _)) => Map::Refused("a map that runs a program"),
            Some(("rnd", _)) => Map::Refused("a map that draws"),
            Some(("dbm" | "dbd" | "fastdbd", _)) => Map::Refused("a map that asks a database"),
            // Without a kind it is a text.
            _ => match maps::read(self.reading, &self.base.join(&from.text), span) {
                Some(list) => Map::List(list),
                None => return Ok(()),
            },
        };
        if let Map::Refused(why) = map {
            self.reading.refused(span, line, why);
        }
        self.server().maps.insert(name.text.clone(), std::rc::Rc::new(map));
        Ok(())
    }
}
