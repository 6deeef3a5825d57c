//! The statements of a place, for each of its rules in their order.

use std::collections::BTreeSet;

use byway_core::host::HostPattern;
use byway_core::request::Scheme;

use super::Output;
use super::chains::{Place, fits_all};
use super::conditions::{self, Asked};
use super::names::Block;
use super::rule::{Answer, By, Fitting, On, Open, Path, Said};
use super::target::{Fits, Spot, To, Written};
use super::words::{bare_pattern, pattern_word, word};
use crate::writing::aside::Aside;
use crate::writing::perl::has_alternatives;

/// What stands where nothing is done.
pub(super) const ALONE: &str = "# left alone";

/// A server being written.
pub(super) struct Server<'s> {
    host: &'s HostPattern<'s>,
    scheme: Scheme,
    /// Rules over which their comment stands already.
    told: BTreeSet<usize>,
}

impl<'s> Server<'s> {
    pub(super) fn new(host: &'s HostPattern<'s>, scheme: Scheme) -> Server<'s> {
        Server { host, scheme, told: BTreeSet::new() }
    }

    /// The statements of a place, each without its indent.
    pub(super) fn statements(
        &mut self,
        rules: &[&Said<'_>],
        chain: &[usize],
        place: &Place,
        output: &mut Output,
    ) -> Vec<String> {
        if chain.iter().all(|at| matches!(rules[*at].answer, Answer::Pass) && rules[*at].comment.is_none()) {
            return vec![ALONE.to_owned()];
        }
        let mut out: Vec<String> = Vec::new();
        let here = match place {
            Place::Fits(own) => rules.get(*own).and_then(|rule| rule.path.seen_pattern()),
            _ => None,
        };
        for at in chain {
            let rule = rules[*at];
            let Some(mut asked) = self.asked(rule, place) else { continue };
            // That is what the location asks.
            asked.retain(|asked| here.is_none() || asked.path_pattern() != here);
            if let Some(comment) = rule.comment.as_ref().filter(|_| self.told.insert(*at)) {
                out.push(format!("# {comment}"));
            }
            let is_first = !out.iter().any(|text| text.ends_with('{'));
            let is_here = here.is_some() && rule.path.seen_pattern() == here;
            let fits = match fits_all(rule, *at, place) || is_here {
                true if is_here && rule.is_open == Open::Never && out.iter().map(String::as_str).all(keeps_groups) => {
                    Fit::Groups
                }
                true => Fit::Always,
                false => Fit::Perhaps,
            };
            if rule.is_open != Open::Never {
                let guard = self.refuse(rule, fits, &asked, output);
                if !is_dead(&guard, &out) {
                    let comment = if rule.is_open == Open::Always { CONTROLS } else { RETURNS };
                    out.extend(out.iter().all(|line| line != comment).then(|| comment.to_owned()));
                    out.extend(guard);
                }
            }
            let lines = match &rule.answer {
                Answer::Redirect { get, other, .. } if get != other => {
                    let mut reads = asked.clone();
                    reads.insert(0, Asked::reads());
                    let mut lines = self.redirect(rule, (place, fits), &reads, *get, output);
                    lines.extend(self.redirect(rule, (place, fits), &asked, *other, output));
                    lines
                }
                Answer::Redirect { get, .. } => self.redirect(rule, (place, fits), &asked, *get, output),
                Answer::Rewrite(to, end) => self.inside(rule, to, end, &asked, output),
                Answer::Reply(status) => {
                    let inner = rule.fields.iter().cloned().chain([format!("return {status};")]).collect();
                    self.stop(rule, fits, &asked, inner, output)
                }
                // Behind other rules it is plain that nothing is done.
                Answer::Pass if asked.is_empty() && fits != Fit::Perhaps && out.is_empty() => vec![ALONE.to_owned()],
                Answer::Pass if asked.is_empty() && fits != Fit::Perhaps => Vec::new(),
                Answer::Pass => self.stop(rule, fits, &asked, vec!["break;".to_owned()], output),
            };
            let is_bare = !lines.first().is_some_and(|line| line.starts_with("if "));
            if is_bare && !is_first && !rule.fields.is_empty() {
                // What a location says of fields is said of the blocks before as well.
                output.left_out.insert(rule.number, "`cache` and `retry_after` are left out");
                out.extend(lines.into_iter().filter(|line| !rule.fields.contains(line)));
                continue;
            }
            // Ways through a list of another server may end alike.
            let is_handed = |line: &String| line.starts_with("try_files ") && out.contains(line);
            let is_again = !lines.is_empty() && (out.ends_with(&lines) || lines.iter().all(is_handed));
            if !is_again && !is_dead(&lines, &out) {
                out.extend(lines);
            }
        }
        let begin: Vec<String> = ['f', 'd'].into_iter().flat_map(|letter| there(rules, chain, letter)).collect();
        begin.into_iter().chain(out).collect()
    }

    /// What is asked of a request at a place beside its path; `None` where the rule stands aside there.
    fn asked(&self, rule: &Said<'_>, place: &Place) -> Option<Vec<Asked>> {
        let mut asked = rule.asked.clone();
        let elsewhere = |origin: &str| {
            let host = origin.split_once("://").map_or("", |(_, rest)| rest.split(':').next().unwrap_or_default());
            // What is sent to the other scheme cannot be what was asked here.
            let is_other = !origin.starts_with(&format!("{}://", self.scheme.as_str()))
                || matches!(self.host, HostPattern::Exact(own) if own != host);
            (!is_other).then(|| Asked::is_elsewhere(origin))
        };
        match &rule.aside {
            Aside::Never | Aside::Perhaps => {}
            Aside::Always { origin } => asked.extend(elsewhere(origin)),
            Aside::At { origin, path, query } if matches!(place, Place::Exact(own) if own == path.as_bytes()) => {
                let origin = if origin.is_empty() { Some(None) } else { elsewhere(origin).map(Some) };
                match (origin, query) {
                    (None, _) => {}
                    (Some(None), None) => return None,
                    (Some(None), Some(query)) => asked.push(Asked::has_other_query(query)),
                    (Some(Some(one)), _) => asked.push(one),
                }
            }
            Aside::At { .. } => {}
        }
        Some(asked)
    }

    /// What is sent on decoded must not end the field that it stands in.
    fn refuse(&self, rule: &Said<'_>, fit: Fit, asked: &[Asked], output: &mut Output) -> Vec<String> {
        let control = Asked::has_control(rule.is_open);
        // Where the rule asks a pattern alone, the refusal asks it too.
        if let (Path::Pattern(fitting), Fit::Perhaps, []) = (&rule.path, fit, asked)
            && let (Some(rest), Some((class, _))) =
                (fitting.pattern.strip_prefix('^'), control.as_ref().and_then(Asked::path_pattern))
            && !has_alternatives(rest)
            && fitting.on == On::Decoded
        {
            let pattern = format!("^(?=(?s:.*){class}){rest}");
            let asks = Fits { on: fitting.on, pattern, ignores_case: fitting.ignores_case };
            return block(&in_if(&asks), vec!["return 400;".to_owned()]);
        }
        let asked: Vec<Asked> = asked.iter().cloned().chain(control).collect();
        self.stop(rule, fit, &asked, vec!["return 400;".to_owned()], output)
    }

    /// Statements for a rule that sends nothing of the request on.
    fn stop(&self, rule: &Said<'_>, fit: Fit, asked: &[Asked], inner: Vec<String>, output: &mut Output) -> Vec<String> {
        let wish = format!("is for {}", rule.called());
        let asks = match &rule.path {
            Path::Pattern(fitting) if fit == Fit::Perhaps => Some(fitting.asks()),
            _ => None,
        };
        match (asks, asked) {
            (Some(asks), []) => block(&in_if(&asks), inner),
            (Some(asks), asked) => {
                let (on, key) = conditions::joined(asked, &mut output.names);
                let name = joined_with_path(&on, &key, &asks, "1", &wish, output);
                block(&name, inner)
            }
            (None, []) => inner,
            (None, asked) => block(&conditions::in_if(asked, &wish, &mut output.names), inner),
        }
    }

    /// A path that becomes another one inside the server.
    fn inside(&self, rule: &Said<'_>, to: &To, end: &str, asked: &[Asked], output: &mut Output) -> Vec<String> {
        // That the path is not what it becomes is nothing to ask where files are asked for.
        let below = to.at(Spot::Below, &[]);
        let path = below.text();
        let others = asked.iter().filter(|asked| !asked.is_elsewhere_than(&path));
        let asks: Option<Vec<(char, bool)>> = others.map(Asked::asks_for_file).collect();
        // As people write it who hand over whatever is no file.
        if let (Some(asks), [], None) = (&asks, to.kept().as_slice(), &below.pattern)
            && is_everything(&rule.path)
            && asks.contains(&('f', true))
            && asks.iter().all(|(_, not)| *not)
        {
            let folder = if asks.contains(&('d', true)) { " $uri/" } else { "" };
            let args = match (end, path.contains('?')) {
                ("?", _) => "",
                (_, true) => "&$args",
                (_, false) => "$is_args$args",
            };
            return vec![format!("try_files $uri{folder} {};", word(&format!("{path}{args}")))];
        }
        let (kept, before) = self.kept(to.kept(), true, asked, output);
        let written = to.at(Spot::Somewhere, &kept);
        let pattern = match (&written.pattern, &rule.path) {
            (Some(asks), _) => asks.whole(),
            (None, Path::Pattern(fitting)) => fitting.asks().whole(),
            (None, _) => "^".to_owned(),
        };
        let line = format!("rewrite {} {} last;", bare_pattern(&pattern), word(&format!("{}{end}", written.text())));
        let lines = match asked {
            [] => vec![line],
            asked => {
                let wish = format!("is for {}", rule.called());
                block(&conditions::in_if(asked, &wish, &mut output.names), vec![line])
            }
        };
        before.into_iter().chain(lines).collect()
    }

    fn redirect(
        &self,
        rule: &Said<'_>,
        (place, fit): (&Place, Fit),
        asked: &[Asked],
        status: u16,
        output: &mut Output,
    ) -> Vec<String> {
        let Answer::Redirect { to, by, .. } = &rule.answer else { return Vec::new() };
        let spot = match (&rule.path, place) {
            (Path::Pattern(_), _) if fit != Fit::Perhaps && !to.takes_groups() => Spot::Below,
            (Path::Pattern(_), _) => Spot::Somewhere,
            (_, Place::Exact(path)) => Spot::At(path),
            _ => Spot::Below,
        };
        let (kept, before) = self.kept(to.kept(), to.at(spot, &[]).pattern.is_some(), asked, output);
        let mut written = to.at(spot, &kept);
        if fit == Fit::Groups && *by == By::Return {
            // Its location is that pattern; `rewrite` escapes what its own takes alone.
            written.pattern = None;
        }
        let asks = written.pattern.as_ref().map(Fits::whole);
        let lines = match (by, asks.or_else(|| to.sends_path().then(|| "^".to_owned()))) {
            (By::Rewrite, Some(asks)) => {
                let word_for = if status == 301 { "permanent" } else { "redirect" };
                let line = format!("rewrite {} {} {word_for};", bare_pattern(&asks), word(&written.rewritten()));
                match asked {
                    [] => vec![line],
                    asked => {
                        let wish = format!("is for {}", rule.called());
                        block(&conditions::in_if(asked, &wish, &mut output.names), vec![line])
                    }
                }
            }
            _ => self.redirect_at(rule, &written, asked, status, output),
        };
        before.into_iter().chain(lines).collect()
    }

    /// The names of groups of a condition, and what keeps them: a pattern asked behind it would take their numbers.
    fn kept(
        &self,
        numbers: Vec<u8>,
        has_pattern: bool,
        asked: &[Asked],
        output: &mut Output,
    ) -> (Vec<(u8, String)>, Vec<String>) {
        let Some(taking) = asked.iter().rfind(|asked| asked.takes_groups()).filter(|_| !numbers.is_empty()) else {
            return (Vec::new(), Vec::new());
        };
        if asked.len() == 1 && !has_pattern {
            return (Vec::new(), Vec::new());
        }
        let named: Vec<(u8, String)> =
            numbers.into_iter().map(|number| (number, taking.part(number, &mut output.names))).collect();
        let sets = named.iter().map(|(number, name)| format!("set {name} ${number};")).collect();
        let before = block(&taking.in_if(&mut output.names), sets);
        (named.into_iter().map(|(number, name)| (number, name.trim_start_matches('$').to_owned())).collect(), before)
    }

    fn redirect_at(
        &self,
        rule: &Said<'_>,
        written: &Written,
        asked: &[Asked],
        status: u16,
        output: &mut Output,
    ) -> Vec<String> {
        let wish = format!("is for {}", rule.called());
        let mut inner = rule.fields.clone();
        inner.push(format!("return {status} {};", word(&written.text())));
        match (&written.pattern, asked) {
            (None, []) => inner,
            (None, asked) => block(&conditions::in_if(asked, &wish, &mut output.names), inner),
            (Some(asks), []) => block(&in_if(asks), inner),
            (Some(asks), asked) => {
                let (on, key) = conditions::joined(asked, &mut output.names);
                let wish = format!("target of {}", rule.called());
                // Path and query as they were sent are one variable: they stand in the map together.
                let (to, behind) = match written.text() {
                    whole if whole.contains("$request_uri") => (whole, String::new()),
                    _ => (written.path.clone(), format!("{}{}", written.query, written.fragment)),
                };
                let name = joined_with_path(&on, &key, asks, &word(&to), &wish, output);
                inner.pop();
                inner.push(format!("return {status} {};", word(&format!("{name}{behind}"))));
                block(&name, inner)
            }
        }
    }
}

/// What stands over the refusal of a path that would do so.
const RETURNS: &str = "# A carriage return in the path would end the field that it is sent in.";
const CONTROLS: &str = "# A line feed or a carriage return in the path would end the field that it is sent in.";

/// Whether the groups of the location's pattern are what they were behind a line: another pattern would take their place.
fn keeps_groups(line: &str) -> bool {
    let Some(asked) = line.strip_prefix("if (") else { return !line.starts_with("rewrite ") };
    let len = asked.bytes().skip(1).take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let name = asked.get(..len + 1).unwrap_or_default();
    let is_builtin = ["$request_method", "$scheme", "$host", "$args", "$https"].contains(&name)
        || ["$arg_", "$http_", "$cookie_"].iter().any(|family| name.starts_with(family));
    !asked.contains('~') && is_builtin
}

/// Whether a path is any, or any but the root.
fn is_everything(path: &Path<'_>) -> bool {
    match path {
        Path::Prefix(path) => path.is_empty(),
        Path::Pattern(Fitting { pattern, .. }) => {
            matches!(pattern.as_str(), "^/.*." | "^/." | "^/.+" | "^/" | "^(?:/|$)")
        }
        Path::Begins(path) => path == b"/",
        Path::Exact(_) => false,
    }
}

/// Says whether a file or a folder is there, where a rule asks that beside other things: nginx has no variable for it.
fn there(rules: &[&Said<'_>], chain: &[usize], letter: char) -> Vec<String> {
    let asks = |at: &usize| {
        let rule = rules[*at];
        let is_one = rule.asked.len() == 1 && !matches!(rule.path, Path::Pattern(_));
        let is_inside = matches!(rule.answer, Answer::Rewrite(..));
        let asks = rule.asked.iter().any(|asked| asked.asks_for_file().is_some_and(|(own, _)| own == letter));
        let is_handed = is_inside
            && is_everything(&rule.path)
            && rule.asked.iter().all(|asked| asked.asks_for_file().is_some() || asked.is_elsewhere_than(""));
        asks && !(is_one || is_handed)
    };
    let name = conditions::there(letter);
    match chain.iter().any(asks) {
        true => [
            vec![format!("set {name} 0;")],
            block(&format!("-{letter} $request_filename"), vec![format!("set {name} 1;")]),
        ]
        .concat(),
        false => Vec::new(),
    }
}

/// The variable of conditions and a pattern on the path at once: nginx's `if` knows no `and`.
fn joined_with_path(on: &str, key: &str, asks: &Fits, value: &str, wish: &str, output: &mut Output) -> String {
    let sign = if asks.ignores_case { "~*" } else { "~" };
    let pattern = match asks.pattern.strip_prefix('^') {
        Some(rest) if !has_alternatives(rest) => rest.to_owned(),
        // What stands before it may hold a line feed, and the path begins behind the colon.
        _ => format!("(?s:.*?)(?:{})", behind_key(&asks.pattern, key)),
    };
    let key = pattern_word(&format!("{sign}^{key}:{pattern}"));
    let head = format!("map {on}:{}", asks.on.variable());
    output.names.of(&Block { head, entries: &[(key, value.to_owned())], default: "\"\"", comment: None }, wish)
}

/// A pattern in which the beginning is that of the text behind a key.
fn behind_key(pattern: &str, key: &str) -> String {
    let (mut out, mut rest) = (String::new(), pattern);
    while let Some(sign) = rest.chars().next() {
        let len = match sign {
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '[' => class_len(rest),
            sign => sign.len_utf8(),
        };
        let (taken, behind) = rest.split_at(len);
        match taken {
            "^" => out.push_str(&format!("(?<=^{key}:)")),
            taken => out.push_str(taken),
        }
        rest = behind;
    }
    out
}

/// How long a class is that a pattern begins with: a `]` that stands first is one of its signs, and `[:…:]` is a class in it.
fn class_len(pattern: &str) -> usize {
    let first = if pattern.starts_with("[^") { 2 } else { 1 };
    let mut at = first;
    while let Some(sign) = pattern[at..].chars().next() {
        let named = pattern[at..].strip_prefix("[:").and_then(|rest| rest.split_once(":]"));
        at += match (sign, named) {
            (']', _) if at > first => return at + 1,
            ('\\', _) => 1 + pattern[at + 1..].chars().next().map_or(0, char::len_utf8),
            ('[', Some((name, _))) if name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'^') => {
                name.len() + 4
            }
            (sign, _) => sign.len_utf8(),
        };
    }
    pattern.len()
}

/// A pattern between the parentheses of an `if`.
fn in_if(asks: &Fits) -> String {
    format!("{} ~{} {}", asks.on.variable(), if asks.ignores_case { "*" } else { "" }, pattern_word(&asks.pattern))
}

/// What is known of a path where a rule with a pattern is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// Its pattern must be asked.
    Perhaps,
    /// Its pattern fits.
    Always,
    /// It fits, and its groups are those that nginx found last.
    Groups,
}

/// Whether a block asks what one before it asked: every block ends what is done with a request.
fn is_dead(lines: &[String], before: &[String]) -> bool {
    let is_one = lines.iter().filter(|line| *line == "}").count() == 1;
    let ends = |head: &String| {
        let mut blocks = before.windows(2).filter(|two| two[0] == *head);
        blocks.any(|two| !two[1].trim_start().starts_with("set "))
    };
    is_one && lines.first().is_some_and(|head| head.starts_with("if ") && ends(head))
}

fn block(asked: &str, inner: Vec<String>) -> Vec<String> {
    let inner = inner.into_iter().map(|line| format!("    {line}"));
    std::iter::once(format!("if ({asked}) {{")).chain(inner).chain(["}".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_pattern_is_that_behind_its_key_and_classes_stay() {
        for (pattern, behind) in [
            ("^a|b^", "(?<=^1:)a|b(?<=^1:)"),
            (r"\^[\]^]^", r"\^[\]^](?<=^1:)"),
            ("[[:digit:]^a]^", "[[:digit:]^a](?<=^1:)"),
            ("[^]^]|[]^[:^space:]^]^é", "[^]^]|[]^[:^space:]^](?<=^1:)é"),
            ("[[:^x^]^", "[[:^x^](?<=^1:)"),
        ] {
            assert_eq!(behind_key(pattern, "1"), behind, "{pattern}");
        }
    }

    #[test]
    fn groups_stay_behind_variables_that_no_pattern_makes() {
        for line in ["if ($host = a.test) {", "if ($arg_x) {", "if ($http_x != \"\") {", "    return 302 /a;"] {
            assert!(keeps_groups(line), "{line}");
        }
        for line in ["if ($host_fits_a) {", "if ($args_is_b) {", "if ($host ~ \"^a\") {", "if ($x) {"] {
            assert!(!keeps_groups(line), "{line}");
        }
    }
}
