//! Requests made from the rules themselves: a text that satisfies each pattern, and the fields that each condition asks for.

use std::collections::HashMap;

use byway_core::RuleSet;
use byway_core::condition::{Condition, SUBJECTS, Subject, Test};
use byway_core::host::HostPattern;
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, RuleView};
use byway_core::source::{PathPattern, Segment};
use byway_core::target::{Part, Piece, What};

use super::ask::Ask;
use super::draw::Draw;
use super::lists::{Lists, asked, passes};
use super::matching::{text_of, with_group};
use super::stand_ins::StandIns;

/// What requests of a rule set are made of.
pub(crate) struct Sampler<'r> {
    rules: Vec<RuleView<'r>>,
    /// What is stripped from the path before the patterns of a table see it.
    strips: Vec<&'r [u8]>,
    /// Hosts that the rules or their text speak of.
    hosts: Vec<String>,
    /// Hosts whose requests come to a table, where only some do.
    hosts_of: Vec<Vec<String>>,
    /// For each table the rules that lead to it, by their place in `rules`.
    leads: Vec<Vec<usize>>,
    /// Paths that stand in the text.
    paths: Vec<String>,
    lists: Lists<'r>,
    /// The rules that keep a text, by its slot and by their place in `rules`.
    keepers: HashMap<u16, Vec<usize>>,
    stand_ins: StandIns,
}

/// A request before it has a form: the decoded path, and what more it says.
struct Draft {
    path: Vec<u8>,
    query: Option<Vec<u8>>,
    host: Option<String>,
    method: &'static str,
    fields: Vec<(String, String)>,
}

pub(super) const METHODS: &[&str] =
    &["GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
const ACCEPTS: &[&str] = &[
    "*/*",
    "text/html",
    "text/turtle",
    "application/rdf+xml",
    "application/ld+json",
    "application/json",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "application/n-triples",
    "text/plain;q=0.5, text/turtle",
];

impl<'r> Sampler<'r> {
    /// Looks the rules over, and the texts that they were read from.
    pub(crate) fn new(rules: &'r RuleSet, texts: &[Vec<u8>], stand_ins: StandIns) -> Sampler<'r> {
        let mut hosts: Vec<String> = Vec::new();
        let mut paths = Vec::new();
        for text in texts {
            words_of(&stand_ins.hide(text.clone()), &mut hosts, &mut paths);
        }
        for rule in rules.rules() {
            match rule.source().host {
                HostPattern::Exact(host) => hosts.push(host.into_owned()),
                HostPattern::Below(parent) => hosts.push(format!("www.{parent}")),
                HostPattern::Any => {}
            }
        }
        hosts.sort();
        hosts.dedup();
        hosts.push("frame.test".to_owned());
        paths.sort();
        paths.dedup();
        let views: Vec<RuleView<'r>> = rules.rules().collect();
        let mut keepers: HashMap<u16, Vec<usize>> = HashMap::new();
        for (at, rule) in views.iter().enumerate() {
            if let Action::Set { slot, .. } = rule.action() {
                keepers.entry(slot).or_default().push(at);
            }
        }
        Sampler {
            lists: Lists::of(rules),
            keepers,
            strips: rules.tables().map(|table| table.strip).collect(),
            hosts_of: hosts_of(rules),
            leads: leads(rules),
            rules: views,
            hosts,
            paths,
            stand_ins,
        }
    }

    /// The hosts that rules and texts name.
    pub(crate) fn named(&self) -> &[String] {
        // The last is the one that is made up.
        self.hosts.split_last().map_or(&[], |(_, named)| named)
    }

    /// Whether a host, in whatever letters, is one of them.
    pub(crate) fn names(&self, host: &str) -> bool {
        self.named().iter().any(|named| named.eq_ignore_ascii_case(host))
    }

    /// A host that the rules speak of, or the server's own.
    pub(crate) fn host(&self) -> String {
        self.hosts.last().cloned().unwrap_or_default()
    }

    /// The next request, made of the rule of this turn.
    pub(crate) fn ask(&self, turn: usize, draw: &mut Draw) -> Ask {
        let mut draft = match self.rules.get(turn % (self.rules.len() + 1)) {
            Some(rule) if !draw.one_in(8) => self.of_rule(rule, draw),
            _ => self.of_text(draw),
        };
        if draft.host.is_none() && !draw.one_in(12) {
            draft.host = draw.of(&self.hosts).cloned();
        }
        if draw.one_in(5) {
            draft.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("accept"));
            draft.fields.push(("Accept".to_owned(), draw.word(ACCEPTS).to_owned()));
        }
        let path = self.stand_ins.hide(draft.path);
        let ask = super::mutations::mutated(path, draft.query, draft.host, draft.method, draft.fields, draw);
        self.stand_ins.show(ask)
    }

    fn of_text(&self, draw: &mut Draw) -> Draft {
        let path = draw.of(&self.paths).cloned().unwrap_or_else(|| "/".to_owned());
        Draft { path: path.into_bytes(), query: None, host: None, method: draw.word(METHODS), fields: Vec::new() }
    }

    fn of_rule(&self, rule: &RuleView<'r>, draw: &mut Draw) -> Draft {
        if let Some(asking) = draw.of(self.lists.asking(rule)).copied() {
            let mut draft = self.of_path(&asking, draw);
            let value = path_of(&rule.source().path, draw);
            put(&asking, value, &mut draft, draw);
            return draft;
        }
        self.of_path(rule, draw)
    }

    /// The same for a rule that looks at the path.
    fn of_path(&self, rule: &RuleView<'r>, draw: &mut Draw) -> Draft {
        let source = rule.source();
        let strip = self.strips.get(usize::from(rule.table().0)).copied().unwrap_or_default();
        let mut path = strip.to_vec();
        let leading = self.leading(rule, draw);
        match leading.iter().find(|rule| !takes_all(&rule.source().path)) {
            Some(led) if takes_all(&source.path) => path.extend(path_of(&led.source().path, draw)),
            _ => path.extend(path_of(&source.path, draw)),
        }
        if path.first() != Some(&b'/') {
            path.insert(0, b'/');
        }
        let query = source.query.iter().map(|pair| format!("{}={}", pair.name, pair.value)).collect::<Vec<_>>();
        let query = if query.is_empty() { None } else { Some(query.join("&").into_bytes()) };
        let host = match &source.host {
            HostPattern::Exact(host) => Some(host.to_string()),
            HostPattern::Below(parent) => Some(format!("a.{parent}")),
            HostPattern::Any => None,
        };
        let mut draft = Draft { path, query, host, method: draw.word(METHODS), fields: Vec::new() };
        for condition in leading.iter().rev().flat_map(|rule| rule.conditions()).chain(rule.conditions()) {
            if !draw.one_in(6) {
                self.satisfy(&condition, &mut draft, draw, 0);
            }
        }
        if draft.host.is_none() && !draw.one_in(8) {
            draft.host = self.hosts_of.get(usize::from(rule.table().0)).and_then(|hosts| draw.of(hosts)).cloned();
        }
        draft
    }
}

impl<'r> Sampler<'r> {
    /// Makes a request that a condition is likely to hold for, also one on a text that other rules keep.
    fn satisfy(&self, condition: &Condition, draft: &mut Draft, draw: &mut Draw, depth: usize) {
        let slot = match &condition.subject {
            Subject::Text(pieces) => match pieces.as_slice() {
                [Piece { what: What::Slot(slot), .. }] => *slot,
                _ => return satisfy(condition, draft, draw),
            },
            Subject::Of { .. } => return satisfy(condition, draft, draw),
        };
        let holds = |at: &&usize| {
            let Some(Action::Set { text, .. }) = self.rules.get(**at).map(RuleView::action) else { return false };
            let kept = text.constant().and_then(|text| passes(&condition.test, text));
            kept.is_none_or(|passes| passes != condition.negate)
        };
        let keepers = self.keepers.get(&slot).map(Vec::as_slice).unwrap_or_default();
        // Of a list that is long, as many as are looked at in no time.
        let start = draw.below(keepers.len());
        let mut near = keepers[start..].iter().chain(&keepers[..start]).take(KEEPERS);
        let Some(keeper) = near.find(holds).and_then(|at| self.rules.get(*at)).filter(|_| depth < DEPTH) else {
            return;
        };
        let path = keeper.source().path;
        match draw.of(self.lists.asking(keeper)).copied() {
            Some(_) if takes_all(&path) => {}
            Some(asking) => {
                let value = path_of(&path, draw);
                put(&asking, value, draft, draw);
            }
            None if takes_all(&path) => {}
            None => draft.path = path_of(&path, draw),
        }
        for condition in keeper.conditions() {
            self.satisfy(&condition, draft, draw, depth + 1);
        }
    }

    /// Rules that lead to a rule's table, one behind the other: a rule that takes every path sees only what they let through.
    fn leading(&self, rule: &RuleView<'r>, draw: &mut Draw) -> Vec<&RuleView<'r>> {
        let mut found: Vec<&RuleView<'r>> = Vec::new();
        let mut at = *rule;
        while found.len() < LEADING && takes_all(&at.source().path) {
            let leads = self.leads.get(usize::from(at.table().0)).map(Vec::as_slice).unwrap_or_default();
            let Some(next) = draw.of(leads).and_then(|next| self.rules.get(*next)) else { break };
            found.push(next);
            at = *next;
        }
        found
    }
}

/// How many rules are followed back.
const LEADING: usize = 6;
/// How many rules that keep a text are looked at.
const KEEPERS: usize = 64;
/// How many texts are kept for the sake of one another.
const DEPTH: usize = 3;

/// Makes a request in which what a rule asks a list for is this text: what stands between two texts of the request parts it.
fn put(asking: &RuleView<'_>, value: Vec<u8>, draft: &mut Draft, draw: &mut Draw) {
    let Some(text) = asked(asking) else { return };
    let mut rest = &value[..];
    let mut pieces = text.pieces().iter().peekable();
    while let Some(piece) = pieces.next() {
        if let What::Literal(literal) = &piece.what {
            rest = rest.strip_prefix(literal.as_bytes()).unwrap_or(rest);
            continue;
        }
        let end = match pieces.peek().map(|next| &next.what) {
            Some(What::Literal(literal)) => memchr::memmem::find(rest, literal.as_bytes()).unwrap_or(rest.len()),
            _ => rest.len(),
        };
        let value = &rest[..end];
        match piece.what {
            What::Capture(index) => put_group(&asking.source().path, usize::from(index), value, draft, draw),
            What::ConditionCapture(number @ 1..) => {
                let conditions = asking.conditions();
                let last = conditions.iter().rev().find(|one| !one.negate && matches!(one.test, Test::Regex(_)));
                if let Some(Condition { subject: Subject::Text(pieces), test: Test::Regex(pattern), .. }) = last
                    && let [Piece { what, .. }] = pieces.as_slice()
                {
                    say(what, text_of(&with_group(pattern, usize::from(number) - 1, value), draw), draft);
                }
            }
            ref what => say(what, value.to_vec(), draft),
        }
        rest = &rest[end..];
    }
}

/// Makes a request of whose path a pattern takes this text.
fn put_group(path: &PathPattern<'_>, index: usize, value: &[u8], draft: &mut Draft, draw: &mut Draw) {
    let text = match path {
        PathPattern::Regex(pattern) => text_of(&with_group(pattern, index, value), draw),
        // Its only group is the rest.
        PathPattern::BytePrefix { prefix, .. } => [&prefix[..], value].concat(),
        _ => return,
    };
    draft.path = if text.starts_with(b"/") { text } else { [b"/", &text[..]].concat() };
}

fn takes_all(path: &PathPattern<'_>) -> bool {
    matches!(path, PathPattern::BytePrefix { prefix, .. } if prefix.is_empty())
}

/// For each table the rules that lead to it, also by the tables before it.
fn leads(rules: &RuleSet) -> Vec<Vec<usize>> {
    let mut found: Vec<Vec<usize>> = rules.tables().map(|_| Vec::new()).collect();
    for (at, rule) in rules.rules().enumerate() {
        let to = match rule.action() {
            Action::Enter(to) | Action::Call { table: to, text: None } => Some(to),
            Action::Set { then: Then::Table(to), .. } => Some(to),
            _ => None,
        };
        if let Some(leads) = to.and_then(|to| found.get_mut(usize::from(to.0))) {
            leads.push(at);
        }
    }
    // Tables that follow others are reached as these are.
    for _ in 0..4 {
        for table in rules.tables() {
            if let After::Table(next) = table.after {
                let before = found[usize::from(table.id.0)].clone();
                let behind = &mut found[usize::from(next.0)];
                let new: Vec<usize> = before.into_iter().filter(|at| !behind.contains(at)).take(64).collect();
                behind.extend(new);
            }
        }
    }
    found
}

/// The hosts whose requests come to each table: those of the rules that lead there, or of the tables that those are in.
fn hosts_of(rules: &RuleSet) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = rules.tables().map(|_| Vec::new()).collect();
    let after: Vec<(usize, usize)> = rules
        .tables()
        .filter_map(|table| match table.after {
            After::Table(next) => Some((usize::from(table.id.0), usize::from(next.0))),
            After::NextRoot => None,
        })
        .collect();
    let enters: Vec<(usize, usize, Vec<String>)> = rules
        .rules()
        .filter_map(|rule| match rule.action() {
            Action::Enter(next) => Some((usize::from(rule.table().0), usize::from(next.0), hosts_asked(&rule))),
            _ => None,
        })
        .collect();
    // Tables are entered downwards; a few rounds reach the deepest.
    for _ in 0..8 {
        for (from, to, own) in &enters {
            let hosts = if own.is_empty() { found[*from].clone() } else { own.clone() };
            merge(&mut found[*to], hosts);
        }
        for (from, to) in &after {
            let hosts = found[*from].clone();
            merge(&mut found[*to], hosts);
        }
    }
    found
}

/// How many hosts are kept for one table.
const HOSTS_KEPT: usize = 64;

fn merge(into: &mut Vec<String>, hosts: Vec<String>) {
    for host in hosts {
        if into.len() < HOSTS_KEPT && !into.contains(&host) {
            into.push(host);
        }
    }
}

/// The hosts that a rule is for, as its source and its conditions name them.
fn hosts_asked(rule: &RuleView<'_>) -> Vec<String> {
    let mut hosts = match rule.source().host {
        HostPattern::Exact(host) => vec![host.into_owned()],
        HostPattern::Below(parent) => vec![format!("w.{parent}")],
        HostPattern::Any => Vec::new(),
    };
    for condition in rule.conditions().iter().filter(|condition| !condition.negate) {
        let mut draft = Draft { path: Vec::new(), query: None, host: None, method: "GET", fields: Vec::new() };
        satisfy(condition, &mut draft, &mut Draw::new(7));
        match &condition.test {
            Test::In(texts) if draft.host.is_some() => hosts.extend(texts.iter().cloned()),
            _ => hosts.extend(draft.host),
        }
    }
    hosts
}

/// Makes a request that a condition is likely to hold for.
fn satisfy(condition: &Condition, draft: &mut Draft, draw: &mut Draw) {
    if condition.negate && !draw.one_in(4) {
        return;
    }
    let value = match &condition.test {
        Test::Is(text) => text.clone().into_bytes(),
        Test::In(texts) => draw.of(texts).cloned().unwrap_or_default().into_bytes(),
        Test::Glob(text) => text.replace(['*', '?'], "a").into_bytes(),
        Test::Regex(pattern) => text_of(pattern, draw),
        Test::Range(first, _) => first.to_string().into_bytes(),
        Test::Present => b"1".to_vec(),
    };
    match &condition.subject {
        Subject::Of { row, name } => {
            let key = SUBJECTS.get(usize::from(*row)).map_or("", |row| row.key);
            set(key, name, value, draft);
        }
        Subject::Text(pieces) => {
            if let [Piece { what, .. }] = pieces.as_slice() {
                say(what, value, draft);
            }
        }
    }
}

/// Makes a request of which a text is this.
fn say(what: &What<'_>, value: Vec<u8>, draft: &mut Draft) {
    match what {
        What::Field(name) => set("header", name, value, draft),
        What::Cookie(name) => set("cookie", name, value, draft),
        What::QueryValue(name) | What::Argument(name) => set("query", name, value, draft),
        What::Part(Part::Query | Part::WorkingQuery) => draft.query = Some(value),
        What::Part(Part::Host | Part::HostField) => set("host", "", value, draft),
        What::Part(Part::Method) => set("method", "", value, draft),
        What::Part(Part::PathAndQuery) if value.starts_with(b"/") => {
            let mark = memchr::memchr(b'?', &value);
            draft.query = mark.map(|mark| value[mark + 1..].to_vec()).or(draft.query.take());
            draft.path = value[..mark.unwrap_or(value.len())].to_vec();
        }
        What::Part(Part::Path | Part::WorkingPath) if value.starts_with(b"/") => draft.path = value,
        _ => {}
    }
}

fn set(key: &str, name: &str, value: Vec<u8>, draft: &mut Draft) {
    // What no field may hold is not sent; a server would refuse the request before its rules see it.
    let text: String = String::from_utf8_lossy(&value).chars().filter(|sign| (' '..='~').contains(sign)).collect();
    let text = text.trim().to_owned();
    match key {
        "header" if name == "host" => draft.host = Some(host_of(&text)),
        "header" if !matches!(name, "content-length" | "transfer-encoding" | "connection" | "expect" | "range") => {
            draft.fields.push((name.to_owned(), text));
        }
        "cookie" => draft.fields.push(("Cookie".to_owned(), format!("{name}={text}"))),
        "query" => draft.query = Some(format!("{name}={text}").into_bytes()),
        "host" => draft.host = Some(host_of(&text)),
        "method" => {
            if let Some(method) = METHODS.iter().find(|method| **method == text) {
                draft.method = method;
            }
        }
        "language" => draft.fields.push(("Accept-Language".to_owned(), text)),
        _ => {}
    }
}

fn host_of(text: &str) -> String {
    let host: String = text.chars().filter(|sign| sign.is_ascii_alphanumeric() || ".-:".contains(*sign)).collect();
    if host.is_empty() { "frame.test".to_owned() } else { host }
}

/// A decoded path that a pattern takes.
fn path_of(pattern: &PathPattern<'_>, draw: &mut Draw) -> Vec<u8> {
    match pattern {
        PathPattern::Exact(path) => path.to_vec(),
        PathPattern::Prefix(path) | PathPattern::BytePrefix { prefix: path, .. } => {
            let tails = ["", "/", "/a", "/a/b.html", "x", "a", "/a b", "/é", "/a+b&c", "//"];
            [&path[..], draw.word(&tails).as_bytes()].concat()
        }
        PathPattern::Segments { segments, tail } => {
            let mut path = Vec::new();
            for segment in segments {
                path.push(b'/');
                match segment {
                    Segment::Literal(text) => path.extend_from_slice(text),
                    _ => path.extend_from_slice(draw.word(&["a", "b-c", "7", "x y"]).as_bytes()),
                }
            }
            if *tail {
                path.extend_from_slice(draw.word(&["", "/", "/t", "/t/u"]).as_bytes());
            }
            path
        }
        PathPattern::Regex(pattern) => {
            let text = text_of(pattern, draw);
            let is_open = !pattern.text.trim_start_matches("(?i)").starts_with('^');
            match is_open && draw.one_in(3) {
                true => [draw.word(&["/", "/x", "/x/"]).as_bytes(), &text].concat(),
                false => text,
            }
        }
    }
}

/// Hosts and paths that a text speaks of: words with a dot and no slash, and words that begin with a slash.
fn words_of(text: &[u8], hosts: &mut Vec<String>, paths: &mut Vec<String>) {
    let text = String::from_utf8_lossy(text);
    let mut expects_hosts = false;
    for word in text.split(|sign: char| sign.is_whitespace() || "\"';{}".contains(sign)) {
        let named = ["server_name", "ServerName", "ServerAlias"].contains(&word);
        if named {
            expects_hosts = true;
            continue;
        }
        let is_host = !word.is_empty()
            && word.len() < 100
            && word.contains('.')
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-*".contains(&byte));
        if expects_hosts && is_host {
            hosts.push(word.trim_start_matches('.').replace('*', "w"));
        } else if !word.is_empty() {
            expects_hosts = false;
        }
        let path = word.trim_start_matches(['^', '~']);
        if path.starts_with('/') && path.len() < 200 && paths.len() < 100_000 {
            let plain: String =
                path.replace("(.*)", "x").chars().filter(|sign| !"()?$^\\+*|[]".contains(*sign)).collect();
            if !plain.is_empty() {
                paths.push(plain);
            }
        }
    }
}
