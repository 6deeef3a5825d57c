//! Rules as nginx says them: a server for each host, `location` and `return`, `$request_uri` where bytes must survive.
//!
//! Exact paths are `location =`, prefixes `location =` and `location ^~`, patterns are asked of the path of `$request_uri` in the
//! order in which byway tries them. A long list is a `map`. nginx compares paths that it has decoded, or as they came, and byway
//! neither: every rule says which. `rewrite` is never written: it has no 307. What cannot be said is left out by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use byway_core::dialect::{BYWAY, LetterCase, QueryPolicy, TrailingSlash};
use byway_core::host::HostPattern;
use byway_core::rule::Action;
use byway_core::ruleset::RuleView;
use byway_core::source::{PathPattern, Segment, Source};
use byway_core::status::StatusByMethod;
use byway_core::target::{Landing, Part, Target, What};

use crate::remarks::Verdict;
use crate::writing::Writing;
use crate::writing::own::only_ours;

/// From how many exact paths on a list is a `map`.
const LONG: usize = 100;

/// How many lines for all hosts are written again in the servers of single hosts.
const AGAIN: usize = 10_000;

/// What one rule becomes.
#[derive(Clone)]
struct Line {
    place: Place,
    /// The statements, each without its indent.
    body: Vec<String>,
    /// For a `map`: status, key and value.
    entry: Option<(u16, String, String)>,
    comment: Option<String>,
}

/// Where in a server it stands; in the order in which byway tries them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Exact(String),
    Prefix(String),
    Pattern,
}

/// Writes all rules.
pub(super) fn write(writing: &mut Writing<'_>) {
    let mut hosts: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let written: Vec<_> = writing.rules.rules().map(|rule| (rule, lines_of(&rule))).collect();
    let named: BTreeSet<&str> =
        written.iter().filter_map(|(_, made)| made.as_ref().ok()).map(|(host, _)| host.as_str()).collect();
    let for_all = written.iter().filter(|(_, made)| made.as_ref().is_ok_and(|(host, _)| host.is_empty())).count();
    // A server of nginx is all that a host has: what is for all hosts stands in each.
    let stands_again = for_all * (named.len() - usize::from(named.contains(""))) <= AGAIN;
    let has_hosts = !stands_again && for_all > 0 && named.len() > 1;
    let has_list = |host: &str| {
        let of_host = written.iter().filter_map(|(_, made)| made.as_ref().ok()).filter(|(own, _)| own == host);
        of_host.flat_map(|(_, lines)| lines).filter(|line| line.entry.is_some()).count() >= LONG
    };
    let lists: BTreeSet<String> = written
        .iter()
        .filter_map(|(_, made)| made.as_ref().ok().map(|(host, _)| host.clone()))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|host| has_list(host))
        .collect();
    for (rule, made) in written {
        match made {
            Ok((host, lines)) => {
                let retries = matches!(rule.action(), Action::Reply { retry_after: Some(_), .. });
                let why = match rule.cache_control().is_some() || retries {
                    true => "`cache` and `retry_after` are left out",
                    false => why(&host, &lines, has_hosts, lists.contains(&host)),
                };
                hosts.entry(host).or_default().extend(lines);
                writing.say(&rule, Verdict::Approximated(why.into()));
            }
            Err(why) => writing.say(&rule, Verdict::Refused(why.into())),
        }
    }
    if stands_again && let Some(for_all) = hosts.get("").cloned() {
        for (_, lines) in hosts.iter_mut().filter(|(host, _)| !host.is_empty()) {
            let missing: Vec<Line> = for_all.iter().filter(|line| !is_covered(line, lines)).cloned().collect();
            lines.extend(missing);
        }
    }
    let uses = |name: &str| hosts.values().flatten().any(|line| line.body.iter().any(|text| text.contains(name)));
    let (joins_query, asks_path) = (uses("$and_args"), uses("$request_path"));
    writing.headline();
    writing.text.push_str("# It belongs inside `http { … }`, as a file in conf.d.\n");
    if joins_query {
        writing.text.push_str("\nmap $args $and_args {\n    \"\"      \"\";\n    default \"&$args\";\n}\n");
    }
    if asks_path {
        writing.text.push_str("\nmap $request_uri $request_path {\n    \"~^([^?]*)\" $1;\n}\n");
    }
    let mut maps = String::new();
    let mut servers = String::new();
    for (number, (host, lines)) in hosts.into_iter().enumerate() {
        server(&host, lines, number, &mut maps, &mut servers);
    }
    writing.text.push_str(&maps);
    writing.text.push_str(&servers);
}

fn server(host: &str, lines: Vec<Line>, number: usize, maps: &mut String, out: &mut String) {
    let listed = lines.iter().filter(|line| line.entry.is_some()).count() >= LONG;
    out.push_str("\nserver {\n");
    match host {
        "" => out.push_str("    listen 80 default_server;\n    server_name _;\n"),
        host => _ = writeln!(out, "    listen 80;\n    server_name {host};"),
    }
    out.push_str("    absolute_redirect off;\n");
    let mut tables: BTreeMap<u16, Vec<(String, String)>> = BTreeMap::new();
    let mut places: BTreeMap<Place, Vec<Line>> = BTreeMap::new();
    for line in lines {
        match line.entry {
            Some((status, key, value)) if listed => tables.entry(status).or_default().push((key, value)),
            _ => places.entry(line.place.clone()).or_default().push(line),
        }
    }
    for (status, entries) in tables {
        let name = format!("$moved_{number}_{status}");
        _ = writeln!(maps, "\nmap $uri {name} {{");
        for (key, value) in entries {
            _ = writeln!(maps, "    {key} {value};");
        }
        maps.push_str("}\n");
        _ = writeln!(out, "\n    if ({name}) {{\n        return {status} {name};\n    }}");
    }
    // nginx takes no location twice: a prefix that is all comes before patterns, as it does with byway.
    if let Some(patterns) = places.remove(&Place::Pattern) {
        let root = Place::Prefix("/".to_owned());
        let place = if places.contains_key(&root) { root } else { Place::Pattern };
        places.entry(place).or_default().extend(patterns);
    }
    for (place, lines) in places {
        match &place {
            Place::Exact(path) => _ = writeln!(out, "\n    location = {path} {{"),
            Place::Prefix(path) => _ = writeln!(out, "\n    location ^~ {path} {{"),
            Place::Pattern => out.push_str("\n    location / {\n"),
        }
        for line in lines {
            if let Some(comment) = line.comment {
                _ = writeln!(out, "        # {}", comment.replace(char::is_control, " "));
            }
            for text in line.body {
                _ = writeln!(out, "        {text}");
            }
        }
        out.push_str("    }\n");
    }
    out.push_str("}\n");
}

/// Whether a rule of the host takes all that a rule for all hosts is for.
fn is_covered(line: &Line, own: &[Line]) -> bool {
    own.iter().any(|own| match (&own.place, &line.place) {
        (Place::Prefix(prefix), Place::Exact(path) | Place::Prefix(path)) => path.starts_with(prefix.as_str()),
        (Place::Prefix(prefix), Place::Pattern) => prefix == "/",
        (place, other) => place == other && *place != Place::Pattern,
    })
}

/// The host that a rule is for, and its lines.
type Written = (String, Vec<Line>);

/// Why lines are not quite their rule.
fn why(host: &str, lines: &[Line], has_hosts: bool, has_list: bool) -> &'static str {
    if has_hosts {
        return match host {
            "" => "a server for a host of its own does not ask the rules of all hosts",
            _ => "where no rule of this host fits, nginx does not ask the rules of all hosts",
        };
    }
    if has_list && lines.iter().any(|line| line.entry.is_some()) {
        return "nginx decodes a path and merges its slashes before it looks it up, and keys of a `map` ignore case: `/%61`, `//a` and `/A` are taken for `/a`";
    }
    match lines.iter().any(|line| line.body.iter().any(|text| text.contains("$request_path"))) {
        true => "nginx compares this path as it was sent: `/%61` is not `/a` there",
        false => "nginx decodes a path and merges its slashes before it compares: `/%61` and `//a` are taken for `/a`",
    }
}

/// The lines of a rule, and why they are not quite the rule.
fn lines_of(rule: &RuleView<'_>) -> Result<Written, &'static str> {
    if *rule.dialect() != BYWAY {
        return Err("a rule of another server's dialect: its own file says it best");
    }
    if let Some(why) = only_ours(rule) {
        return Err(why);
    }
    let source = rule.source();
    if !rule.conditions().is_empty() {
        return Err("conditions: write them by hand, with `map`, for nginx's `if` knows no `and`");
    }
    if !source.query.is_empty() {
        return Err("query pairs in a source: nginx compares them in one order only");
    }
    if rule.since().is_some() || rule.until().is_some() {
        return Err("a time from which or to which a rule holds");
    }
    if rule.pool().is_some() {
        return Err("a pool of targets: nginx asks nobody whether they are up");
    }
    if rule.window().is_some() || rule.unless_window().is_some() {
        return Err("a window of time: nginx has no clock for rules");
    }
    if rule.extras().is_some() {
        return Err("fields for CORS, deprecation and the like: write them by hand, with `add_header`");
    }
    if source.scheme.is_some() || source.port.is_some() {
        return Err("a scheme or port of the source: that is another `listen` in nginx");
    }
    if source.slash == TrailingSlash::Either && !matches!(source.path, PathPattern::Exact(_)) {
        return Err("a last slash that does not count in a pattern");
    }
    if rule.priority() != 0 {
        return Err("a priority");
    }
    let host = match &source.host {
        HostPattern::Any => String::new(),
        HostPattern::Exact(host) => host.to_string(),
        HostPattern::Below(parent) => format!("*.{parent}"),
    };
    let comment = match (rule.id(), rule.note()) {
        (Some(id), Some(note)) => Some(format!("{id}: {note}")),
        (Some(text), None) | (None, Some(text)) => Some(text.to_owned()),
        (None, None) => None,
    };
    let action = rule.action();
    let lines = match &action {
        Action::Reply { status, .. } => at_places(&source, &[format!("return {};", status.number())], None, comment)?,
        Action::Redirect { status, target, query } => redirect(&source, *status, target, query, comment)?,
        // A location that says nothing keeps others from taking the request.
        Action::Pass if matches!(source.path, PathPattern::Exact(_) | PathPattern::Prefix(_)) => {
            at_places(&source, &[], None, comment)?
        }
        Action::Pass => return Err("a pattern that passes"),
        _ => return Err("a rule of another server's dialect: its own file says it best"),
    };
    Ok((host, lines))
}

/// A path as the words of a `location`: decoded, quoted where nginx needs it.
fn literal(path: &[u8]) -> Result<String, &'static str> {
    let decoded = byway_core::query::decoded(
        &path.iter().flat_map(|&b| if b == b'+' { b"%2B".to_vec() } else { vec![b] }).collect::<Vec<_>>(),
    );
    let text = String::from_utf8(decoded).map_err(|_| "a path that is not UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("a control character in a path");
    }
    if memchr::memmem::find(path, b"%2F").is_some() || text.contains("//") {
        return Err("an escaped or doubled slash: nginx makes it one slash before it compares");
    }
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~!,=@&+:%()*".contains(&b));
    Ok(if plain { text } else { quoted(&text) })
}

/// A word in quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The same statements at all places of a source that captures nothing.
fn at_places(
    source: &Source<'_>,
    body: &[String],
    entry: Option<(u16, String)>,
    comment: Option<String>,
) -> Result<Vec<Line>, &'static str> {
    let line = |place, entry| Line { place, body: body.to_vec(), entry, comment: comment.clone() };
    let ignored = source.case == LetterCase::Ignored;
    match &source.path {
        PathPattern::Exact(path) if !ignored => {
            let key = literal(path)?;
            let mut lines =
                vec![line(Place::Exact(key.clone()), entry.map(|(status, value)| (status, key.clone(), value)))];
            if source.slash == TrailingSlash::Either && &**path != b"/" {
                let twin = [path, b"/".as_slice()].concat();
                lines.push(line(Place::Exact(literal(&twin)?), None));
            }
            Ok(lines)
        }
        PathPattern::Prefix(path) if !ignored => {
            let below = [path, b"/".as_slice()].concat();
            let mut lines = vec![line(Place::Prefix(literal(&below)?), None)];
            if !path.is_empty() {
                lines.push(line(Place::Exact(literal(path)?), None));
            }
            Ok(lines)
        }
        _ => {
            let asked =
                format!("if ($request_path ~{} {}) {{", if ignored { "*" } else { "" }, quoted(&pattern(source)?));
            let mut text = vec![asked];
            text.extend(body.iter().map(|statement| format!("    {statement}")));
            text.push("}".to_owned());
            Ok(vec![Line { place: Place::Pattern, body: text, entry: None, comment }])
        }
    }
}

/// A source as a regex on the path as it was sent.
fn pattern(source: &Source<'_>) -> Result<String, &'static str> {
    let escaped = |text: &[u8]| {
        let mut out = String::new();
        for &byte in text {
            if !byte.is_ascii_alphanumeric() && !b"/-_~%".contains(&byte) {
                out.push('\\');
            }
            out.push(char::from(byte));
        }
        out
    };
    let path = match &source.path {
        PathPattern::Exact(path) => escaped(path),
        PathPattern::Prefix(path) => format!("{}(/.*)?", escaped(path)),
        PathPattern::Segments { segments, tail } => {
            let mut out = String::new();
            for segment in segments {
                out.push('/');
                match segment {
                    Segment::Literal(text) => out.push_str(&escaped(text)),
                    Segment::Named(_) | Segment::Star => out.push_str("([^/]+)"),
                }
            }
            if *tail { out + "(/.*)?" } else { out }
        }
        PathPattern::Regex(pattern) => format!("(?:{})", pattern.text),
        PathPattern::BytePrefix { .. } => return Err("a rule of another server's dialect: its own file says it best"),
    };
    Ok(format!("^{path}$"))
}

fn redirect(
    source: &Source<'_>,
    status: StatusByMethod,
    target: &Target<'_>,
    query: &QueryPolicy,
    comment: Option<String>,
) -> Result<Vec<Line>, &'static str> {
    let to = target_text(target, query)?;
    let statements = |to: &str| match status.get == status.other {
        true => vec![format!("return {} {to};", status.get)],
        false => vec![
            "if ($request_method ~ ^(GET|HEAD)$) {".to_owned(),
            format!("    return {} {to};", status.get),
            "}".to_owned(),
            format!("return {} {to};", status.other),
        ],
    };
    let captures =
        target.pieces().iter().any(|piece| matches!(piece.what, What::Capture(_) | What::Tail(_) | What::TailText(_)));
    if !captures {
        let entry =
            (status.get == status.other && target.constant().is_some()).then(|| (status.get.number(), to.clone()));
        return at_places(source, &statements(&to), entry, comment);
    }
    if status.get != status.other {
        return Err("a status by method with captures: nginx loses them in the second `if`");
    }
    let ignored = if source.case == LetterCase::Ignored { "*" } else { "" };
    let asked = |body: Vec<String>| -> Result<Vec<String>, &'static str> {
        let mut text = vec![format!("if ($request_path ~{ignored} {}) {{", quoted(&pattern(source)?))];
        text.extend(body.iter().map(|statement| format!("    {statement}")));
        text.push("}".to_owned());
        Ok(text)
    };
    let body = asked(statements(&to))?;
    let line = |place| Line { place, body: body.clone(), entry: None, comment: comment.clone() };
    match &source.path {
        PathPattern::Prefix(path) if source.case == LetterCase::Significant => {
            let below = [path, b"/".as_slice()].concat();
            let mut lines = vec![line(Place::Prefix(literal(&below)?))];
            if !path.is_empty() {
                lines.push(line(Place::Exact(literal(path)?)));
            }
            Ok(lines)
        }
        _ => Ok(vec![line(Place::Pattern)]),
    }
}

/// The words behind a `return`.
fn target_text(target: &Target<'_>, query: &QueryPolicy) -> Result<String, &'static str> {
    let mut out = String::new();
    let mut fragment = String::new();
    let mut has_query = false;
    if let Some(text) = target.constant() {
        let (before, behind) = text.split_at(text.find('#').unwrap_or(text.len()));
        if text.contains('$') {
            return Err("a dollar sign in a target: nginx has no way to write one");
        }
        has_query = before.contains('?');
        out.push_str(before);
        fragment.push_str(behind);
    }
    for piece in target.pieces() {
        let into = if piece.place == Landing::Fragment { &mut fragment } else { &mut out };
        has_query |= piece.place == Landing::Query;
        match &piece.what {
            What::Literal(text) if text.contains('$') => {
                return Err("a dollar sign in a target: nginx has no way to write one");
            }
            What::Literal(text) => into.push_str(text),
            What::Capture(index) | What::Tail(index) if piece.place == Landing::Path && *index < 9 => {
                // One digit is all that nginx takes, and no braces.
                _ = write!(into, "${}", index + 1);
            }
            What::Part(Part::Scheme) => into.push_str("$scheme"),
            What::Part(Part::Host) if piece.place == Landing::Host => into.push_str("$host"),
            What::QueryValue(name) if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                _ = write!(into, "${{arg_{name}}}");
            }
            _ => return Err("text of the request in a place where nginx would not escape it"),
        }
    }
    match query {
        QueryPolicy::Drop => {}
        QueryPolicy::Keep => out.push_str(if has_query { "$and_args" } else { "$is_args$args" }),
        QueryPolicy::Replace if has_query => {}
        QueryPolicy::Replace => out.push_str("$is_args$args"),
        QueryPolicy::Merge(_) | QueryPolicy::Only(_) => {
            return Err("a query that is merged or of which only some pairs are kept");
        }
    }
    out.push_str(&fragment);
    let plain = out.bytes().all(|b| !b" ;{}\"'\\".contains(&b)) || !out.contains(['"', '\'', ';', ' ', '\\']);
    Ok(if plain { out } else { quoted(&out) })
}
