//! What the rules of an Apache configuration look like where they are written, noted for lints.

use byway_core::dialect::LetterCase;

use super::alias::{Alias, AliasSource, is_url};
use super::lines::{raw_words, words};
use super::pattern::{Shape, pattern, shape};
use super::rule::{Cond, RewriteRule, Rules, within};
use super::site::{Scope, Server, Site};
use super::slips::Slips;
use crate::diagnostic::Severity;
use crate::foreign::Reading;
use crate::written::{self, Compares, Door, Hosts, METHODS, STRANGERS, Stands, Statement, Words, Written};

/// Notes every rule of a configuration.
pub(super) fn note(site: &Site, in_folder: bool, reading: &mut Reading<'_>) {
    let (mut list, mut slips) = (0, Slips::default());
    for (at, server) in site.servers.iter().enumerate() {
        // What virtual hosts leave to the main server is not known.
        if !in_folder && (at > 0 || site.servers.len() == 1) {
            reading.door(door(server));
        }
        let hosts = match in_folder {
            true => Hosts::Any("a `.htaccess` file is asked for every host that its server answers for"),
            false => hosts(site, at),
        };
        let folders = server.folders.iter().map(|(path, scope)| (Stands::Folder(path.as_str().into()), scope));
        let sections = server.sections.iter().map(|section| (Stands::Section, &section.scope));
        for (stands, scope) in std::iter::once((Stands::Server, &server.own)).chain(folders).chain(sections) {
            list += 1;
            of_scope(scope, list, &stands, &hosts, (reading, &mut slips));
        }
    }
    if let Some(more) = slips.more() {
        reading.say(more);
    }
}

/// Where a server is found.
fn door(server: &Server) -> Door {
    let names = server.name.iter().map(|(name, _)| name).chain(&server.aliases);
    Door {
        names: names.filter_map(|name| written::host(name)).collect(),
        ports: server.ports.iter().map(|&port| (Door::scheme_at(port, server.is_tls), port)).collect(),
        defaults: Vec::new(),
        is_whole: true,
    }
}

/// Which hosts come to a server: the first of a port takes those that none names.
fn hosts(site: &Site, at: usize) -> Hosts {
    let (server, others) = (&site.servers[at], &site.servers[1..]);
    let is_first = |port: &u16| others.iter().position(|other| other.ports.contains(port)) == Some(at - 1);
    match (at, server.ports.as_slice()) {
        (0, _) if others.is_empty() => Hosts::Any("no virtual host names the hosts that are answered for"),
        (0, _) => Hosts::Bounded,
        _ if server.name.is_none() => Hosts::Any("this virtual host has no `ServerName`"),
        (1, []) => Hosts::Any("the first virtual host takes every host that none names"),
        (_, ports) if ports.iter().any(is_first) => {
            Hosts::Any("the first virtual host of a port takes every host that none names")
        }
        _ => Hosts::Bounded,
    }
}

fn of_scope(
    scope: &Scope,
    list: u32,
    stands: &Stands,
    hosts: &Hosts,
    (reading, slips): (&mut Reading<'_>, &mut Slips),
) {
    for alias in &scope.aliases {
        let written = of_alias(alias, stands, hosts);
        reading.written(Written { list, slips: slips.of_alias(alias, &written), ..written });
    }
    if let (false, Some(span)) = (scope.rewriting.waiting.is_empty(), &scope.rewriting.waiting_at) {
        reading.say_often(span, Severity::Warning, "condition-without-rule", || {
            let what = "no RewriteRule follows this condition, so it asks nothing".to_owned();
            (what, Some("write the rule behind it, or take it out".to_owned()))
        });
    }
    // What its own engine keeps from running is said as such.
    if scope.rewriting.engine != Some(false) {
        let rules = &scope.rewriting.rules;
        let takers = takers(rules);
        let mut is_behind = false;
        for (at, rule) in rules.iter().enumerate() {
            let goes_on = goes_on(rules, at, &takers);
            let written = of_rule(rule, stands, hosts);
            let slips = slips.of_rule(rule, &written);
            reading.written(Written { list, is_behind, goes_on, slips, ..written });
            is_behind |= leaves_another(rule, stands);
        }
    }
}

fn of_alias(alias: &Alias, stands: &Stands, hosts: &Hosts) -> Written {
    let (statement, compares, text) = match &alias.source {
        AliasSource::Prefix(path) => (Statement::Redirect, Compares::Prefix, path.as_str()),
        AliasSource::Pattern(text) => {
            (Statement::RedirectMatch, Compares::Pattern { is_negated: false }, text.as_str())
        }
        AliasSource::Section => (Statement::Redirect, Compares::Nothing, ""),
    };
    let name = alias.text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(alias.text.len());
    let found = words(&alias.text, name);
    let place = |wanted: &str, from_end: usize| {
        let word = found.iter().rev().nth(from_end).filter(|word| word.text == wanted && alias.is_plain)?;
        Some(within(&alias.span, &alias.text, word.at.clone()))
    };
    let target = alias.target.as_deref().unwrap_or_default();
    let behind = usize::from(alias.target.is_some());
    Written {
        span: alias.span.clone(),
        statement,
        compares,
        source: Words::new(text, place(text, behind)),
        target: Words::new(target, place(target, 0)),
        status: (!alias.is_default).then_some(alias.status),
        answers: alias.target.is_some().then_some(alias.status),
        flags: None,
        list: 0,
        stands: stands.clone(),
        hosts: hosts.clone(),
        echoes: Vec::new(),
        methods: Vec::new(),
        goes_on: None,
        is_behind: false,
        slips: Vec::new(),
    }
}

fn of_rule(rule: &RewriteRule, stands: &Stands, hosts: &Hosts) -> Written {
    let flags = &rule.flags;
    let name = rule.text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rule.text.len());
    let found = raw_words(&rule.text, name);
    let word = |at: usize, text: &str| {
        let place = found.get(at).filter(|word| rule.is_plain && word.text.ends_with(text));
        let place = place.map(|word| word.at.end - text.len()..word.at.end);
        Words::new(text, place.map(|at| within(&rule.span, &rule.text, at)))
    };
    let sends = flags.status.is_none() && !flags.proxy && rule.substitution != "-";
    let sends = sends && (flags.redirect.is_some() || is_web(&rule.substitution));
    let is_written =
        found.get(2).is_some_and(|word| word.text.to_ascii_lowercase().replace("redirect", "r").contains("r="));
    Written {
        span: rule.span.clone(),
        statement: Statement::RewriteRule,
        compares: Compares::Pattern { is_negated: rule.is_negated },
        source: word(0, &rule.pattern),
        target: word(1, &rule.substitution),
        status: flags.redirect.filter(|_| is_written),
        answers: sends.then(|| flags.redirect.unwrap_or(302)),
        flags: found.get(2).map(|found| word(2, &found.text)),
        list: 0,
        stands: stands.clone(),
        hosts: if rule.conds.iter().any(names_host) { Hosts::Bounded } else { hosts.clone() },
        echoes: taken_of_host(&rule.conds),
        methods: methods(&rule.conds),
        goes_on: None,
        is_behind: false,
        slips: Vec::new(),
    }
}

fn is_web(text: &str) -> bool {
    is_url(text) && ["http://", "https://"].iter().any(|scheme| text.to_ascii_lowercase().starts_with(scheme))
}

fn asks(cond: &Cond, variable: &str) -> bool {
    cond.test.to_ascii_uppercase().contains(variable)
}

/// Whether a condition asks for the host.
fn asks_host(cond: &Cond) -> bool {
    !cond.is_negated && (asks(cond, "%{HTTP_HOST}") || asks(cond, "%{SERVER_NAME}"))
}

/// Whether a condition says which hosts are meant; a pattern that takes strangers' says nothing.
fn names_host(cond: &Cond) -> bool {
    asks_host(cond) && !STRANGERS.iter().any(|host| fits(cond, host))
}

/// The groups of the last pattern among conditions, where it takes a part of any host.
fn taken_of_host(conds: &[Cond]) -> Vec<Box<str>> {
    let last = conds.iter().rev().find(|cond| !cond.is_negated && !cond.pattern.starts_with(['=', '<', '>', '-']));
    let is_alone = |cond: &&Cond| matches!(&*cond.test.to_ascii_uppercase(), "%{HTTP_HOST}" | "%{SERVER_NAME}");
    match last.filter(is_alone) {
        Some(cond) if !names_host(cond) => (1..=9).map(|number| format!("%{number}").into()).collect(),
        _ => Vec::new(),
    }
}

/// The methods beside GET and HEAD that conditions ask for; none where they may hold for other reasons.
fn methods(conds: &[Cond]) -> Vec<&'static str> {
    let asked: Vec<&Cond> = conds.iter().filter(|cond| asks(cond, "%{REQUEST_METHOD}")).collect();
    if asked.is_empty() || conds.iter().any(|cond| cond.or_next) {
        return Vec::new();
    }
    let holds = |method: &str| asked.iter().all(|cond| fits(cond, method) != cond.is_negated);
    let names = asked.iter().any(|cond| !cond.is_negated) || !holds("GET");
    METHODS.into_iter().filter(|method| names && holds(method)).collect()
}

fn fits(cond: &Cond, text: &str) -> bool {
    match cond.pattern.strip_prefix('=') {
        Some(same) => same.trim_matches('"') == text,
        None => pattern(&cond.pattern, cond.case).finds(text.as_bytes()).unwrap_or(false),
    }
}

/// Whether a rule leaves a text to those behind it that a path of their place never is.
fn leaves_another(rule: &RewriteRule, stands: &Stands) -> bool {
    if rule.substitution == "-" || rule.flags.last || rule.flags.end {
        return false;
    }
    let is_path = rule.substitution.starts_with('/') && rule.flags.redirect.is_none();
    match stands {
        Stands::Server => !is_path,
        Stands::Folder(_) | Stands::Section => true,
    }
}

/// Whether the rules behind one with `R` still run, on the URL that it made.
fn runs_on(rule: &RewriteRule) -> bool {
    let flags = &rule.flags;
    let stops = flags.last || flags.end || flags.passes_on || flags.chain || flags.again;
    flags.redirect.is_some() && !stops && rule.substitution != "-"
}

/// For each rule the next at or behind it that takes whatever URL; nothing where nobody asks.
fn takers(rules: &Rules) -> Vec<Option<usize>> {
    if !rules.iter().any(|rule| runs_on(rule)) {
        return Vec::new();
    }
    let urls = ["http://example.com/x", "https://www.example.org/7/a.b"];
    let mut next = None;
    let mut found: Vec<Option<usize>> = (0..rules.len())
        .rev()
        .map(|at| {
            if takes(&rules[at], &urls) {
                next = Some(at);
            }
            next
        })
        .collect();
    found.reverse();
    found
}

/// Whether it is certain that a rule takes these URLs.
fn takes(rule: &RewriteRule, urls: &[&str]) -> bool {
    let does = rule.substitution != "-" || rule.flags.status.is_some();
    if !does || rule.is_negated || !rule.conds.iter().all(is_no_file) {
        return false;
    }
    let case = if rule.flags.nocase { LetterCase::Ignored } else { LetterCase::Significant };
    let may = shape(&rule.pattern);
    if may == Shape::Any || !urls.iter().all(|url| may.may_fit_behind(url, case)) {
        return may == Shape::Any;
    }
    let pattern = pattern(&rule.pattern, case);
    urls.iter().all(|url| pattern.finds(url.as_bytes()).unwrap_or(false))
}

/// The first rule behind one with `R` and without `L` that takes the URL which it made, where that is certain.
fn goes_on(rules: &Rules, at: usize, takers: &[Option<usize>]) -> Option<Words> {
    if !runs_on(&rules[at]) {
        return None;
    }
    let taker = &rules[(*takers.get(at + 1 + rules[at].flags.skip as usize)?)?];
    let made = |filler: &str| {
        let text = filled(&rules[at].substitution, filler);
        if text.contains("://") { text } else { format!("http://example.com/{}", text.trim_start_matches('/')) }
    };
    let (one, other) = (made("x"), made("7/a.b"));
    takes(taker, &[&one, &other]).then(|| Words::new(&taker.text, Some(taker.span.clone())))
}

/// Whether a condition asks that something is no file, which a URL never is.
fn is_no_file(cond: &Cond) -> bool {
    let is_kind = matches!(cond.pattern.as_str(), "-f" | "-d" | "-l" | "-s" | "-F" | "-U");
    cond.is_negated && is_kind && asks(cond, "%{REQUEST_FILENAME}")
}

/// A substitution with a text for all that is put in.
fn filled(text: &str, filler: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '%']) {
        out.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let end = match behind.chars().next() {
            Some('{') => behind.find('}').map(|end| end + 1),
            Some('0'..='9') => Some(1),
            _ => None,
        };
        match end {
            Some(_) => out.push_str(filler),
            None => out.push_str(&rest[at..=at]),
        }
        rest = &behind[end.unwrap_or(0)..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_filled() {
        assert_eq!(filled("https://%{HTTP_HOST}/a%20b/$1?c=%1", "x"), "https://x/axb/x?c=x".replace("axb", "ax0b"));
        assert_eq!(filled("/plain$", "x"), "/plain$");
    }
}
