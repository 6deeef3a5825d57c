//! The report of a conversion: a row for each rule, as text, JSON or one page of HTML.
//!
//! Reading a configuration says something of each of its rules, and writing says something of each rule that came of it; a row
//! holds the worse of the two. Whatever stood in a file is escaped where it is shown.

use std::collections::HashMap;
use std::fmt::Write;

use byway_core::rule::{FileId, Place};
use serde_json::{Value, json};

use super::Writing;
use crate::diagnostic::grouped;
use crate::formats::Format;
use crate::load::Loaded;
use crate::remarks::{Remark, Verdict};

/// One rule of a report.
#[derive(Clone, Debug)]
pub struct Row {
    /// Where it was written.
    pub place: Option<Place>,
    /// The rule.
    pub rule: String,
    /// How well it was carried over.
    pub verdict: Verdict,
}

fn gravity(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Exact => 0,
        Verdict::Approximated(_) => 1,
        Verdict::Refused(_) => 2,
    }
}

/// What is said of a rule of which two things came: the worse, and where only one of them is left out, that a part is.
fn both(one: &Verdict, other: &Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Refused(_), Verdict::Refused(_)) => one.clone(),
        (Verdict::Refused(why), _) | (_, Verdict::Refused(why)) => {
            Verdict::Approximated(format!("some of the requests that it takes are left out: {why}").into())
        }
        _ if gravity(other) > gravity(one) => other.clone(),
        _ => one.clone(),
    }
}

/// The rows: one for each rule of the source text, in its order.
pub fn rows(loaded: &Loaded, writing: &Writing<'_>) -> Vec<Row> {
    rows_beside(loaded, writing, &|_| None)
}

/// The same where the texts are at hand: rules of another server that take what a refused one took before then name it.
pub fn rows_beside(loaded: &Loaded, writing: &Writing<'_>, text_of: &dyn Fn(FileId) -> Option<Vec<u8>>) -> Vec<Row> {
    let written = || writing.remarks.kept.iter().zip(&writing.places);
    if loaded.remarks.kept.is_empty() {
        let row = |(remark, place): (&Remark, &Place)| Row {
            place: (place.line > 0).then_some(*place),
            rule: remark.rule.clone(),
            verdict: remark.verdict.clone(),
        };
        return written().map(row).collect();
    }
    let alone = alone(loaded, writing);
    let mut together: HashMap<(FileId, u32), Verdict> = HashMap::new();
    for (remark, place) in written() {
        let known = together.entry((place.file, place.line)).or_insert_with(|| remark.verdict.clone());
        *known = both(known, &remark.verdict);
    }
    // What keeps people out of a place keeps them out of all of it, or somebody must look.
    let keeps_out = |remark: &Remark| matches!(remark.verdict, Verdict::Refused(_)) && !remark.rule.contains(" → ");
    for (remark, place) in written().filter(|(remark, _)| keeps_out(remark)) {
        together.insert((place.file, place.line), remark.verdict.clone());
    }
    let mut seen = std::collections::HashSet::new();
    let of_text = loaded.remarks.kept.iter().enumerate().map(|(at, remark)| {
        let place = remark.span.as_ref().map(|span| Place { file: span.file, line: span.line });
        let written = place.and_then(|place| {
            seen.insert((place.file, place.line));
            together.get(&(place.file, place.line))
        });
        let verdict = match alone.get(&at).or(written) {
            Some(other) if gravity(other) > gravity(&remark.verdict) => other,
            _ => &remark.verdict,
        };
        Row { place, rule: remark.rule.clone(), verdict: verdict.clone() }
    });
    let mut rows: Vec<Row> = of_text.collect();
    rows.iter_mut().filter(|row| row.rule == STEP && matches!(row.verdict, Verdict::Refused(_))).for_each(|row| {
        (row.rule, row.verdict) = (FILES.to_owned(), Verdict::Approximated(LEFT.into()));
    });
    let spans: Vec<_> = loaded.remarks.kept.iter().map(|remark| remark.span.clone()).collect();
    super::fallen::note(&mut rows, &spans, writing.files, text_of);
    // Rules that came of no remark are not left unsaid, but for those that nobody wrote and that are carried over.
    let is_unsaid = |remark: &Remark, place: &Place| {
        !seen.contains(&(place.file, place.line)) && (place.line > 0 || remark.verdict != Verdict::Exact)
    };
    let mut served = std::collections::HashSet::new();
    for (remark, place) in written().filter(|(remark, place)| is_unsaid(remark, place)) {
        // What nobody wrote as a rule is a server's own way with its files.
        let row = match &remark.verdict {
            Verdict::Refused(_) if !served.insert((place.file, place.line)) => continue,
            Verdict::Refused(_) => {
                Row { place: Some(*place), rule: FILES.to_owned(), verdict: Verdict::Approximated(LEFT.into()) }
            }
            verdict => Row { place: Some(*place), rule: remark.rule.clone(), verdict: verdict.clone() },
        };
        rows.push(row);
    }
    let mut said = std::collections::HashSet::new();
    rows.retain(|row| row.rule != FILES || said.insert(row.place.map(|place| (place.file, place.line))));
    rows.sort_by_key(|row| row.place.map(|place| (place.file, place.line)));
    rows
}

/// What was said in writing of rules of which several stand on one line, by the place of their remarks: each has its own where
/// they are as many as the rules that came of the line.
fn alone(loaded: &Loaded, writing: &Writing<'_>) -> HashMap<usize, Verdict> {
    let mut of_line: HashMap<(FileId, u32), Vec<usize>> = HashMap::new();
    for (at, remark) in loaded.remarks.kept.iter().enumerate() {
        if let Some(span) = remark.span.as_ref().filter(|_| !matches!(remark.verdict, Verdict::Refused(_))) {
            of_line.entry((span.file, span.line)).or_default().push(at);
        }
    }
    of_line.retain(|_, remarks| remarks.len() > 1);
    let mut rules: HashMap<(FileId, u32), Vec<(&str, Verdict)>> = HashMap::new();
    for (place, words, verdict) in &writing.decided {
        let key = (place.file, place.line);
        if !of_line.contains_key(&key) {
            continue;
        }
        let known = rules.entry(key).or_default();
        match known.iter_mut().find(|(own, _)| own == words) {
            Some((_, said)) => *said = both(said, verdict),
            None => known.push((words, verdict.clone())),
        }
    }
    let mut out = HashMap::new();
    for (line, remarks) in of_line {
        let Some(said) = rules.remove(&line).filter(|said| said.len() == remarks.len()) else { continue };
        out.extend(remarks.into_iter().zip(said).map(|(at, (_, verdict))| (at, verdict)));
    }
    out
}

/// What nginx's own steps between files are called where they are read: nobody wrote them.
const STEP: &str = "files";
/// What a server does with files beside what is written.
const FILES: &str = "files, their index and the slash behind a folder";
const LEFT: &str = "left to the server that has the files: nothing is written for it";

/// Counts: exact, approximated, refused. Those that were counted and not kept are among them.
fn counts(rows: &[Row], loaded: &Loaded, writing: &Writing<'_>) -> [u64; 3] {
    let mut counts = [0; 3];
    rows.iter().for_each(|row| counts[usize::from(gravity(&row.verdict))] += 1);
    let spoken = if loaded.remarks.kept.is_empty() { &writing.remarks } else { &loaded.remarks };
    let unkept = spoken.total().saturating_sub(spoken.kept.len() as u64);
    counts[0] += unkept;
    counts
}

fn place(row: &Row, writing: &Writing<'_>) -> String {
    match row.place {
        Some(place) if place.line > 0 => format!("{}:{}", writing.files.name(place.file), place.line),
        _ => String::new(),
    }
}

/// A line of words: how many of each.
fn summary(counts: [u64; 3]) -> String {
    let [exact, approximated, refused] = counts.map(grouped);
    format!("{exact} exact, {approximated} approximated, {refused} refused")
}

/// Which rows a report in text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Every one.
    All,
    /// Those that are not exact.
    Inexact,
}

/// The report as text, the control characters of names and rules shown as such.
pub fn text(rows: &[Row], loaded: &Loaded, writing: &Writing<'_>, named: Named) -> String {
    let mut out = String::new();
    for row in rows.iter().filter(|row| named == Named::All || row.verdict != Verdict::Exact) {
        let place = place(row, writing);
        let why = row.verdict.why().map(|why| format!("\n    {why}")).unwrap_or_default();
        let line =
            format!("{:<12} {place}{}{}", row.verdict.as_str(), if place.is_empty() { "" } else { "  " }, row.rule);
        out.push_str(&line.replace(|sign: char| sign.is_control(), "\u{FFFD}"));
        out.push_str(&why);
        out.push('\n');
    }
    _ = writeln!(out, "{}", summary(counts(rows, loaded, writing)));
    out
}

/// The report as JSON: what was written, how often what and why, and a row for each rule.
pub fn json(rows: &[Row], loaded: &Loaded, writing: &Writing<'_>, to: &Format) -> Value {
    let [exact, approximated, refused] = counts(rows, loaded, writing);
    let items = rows.iter().map(|row| {
        json!({
            "file": row.place.filter(|place| place.line > 0).map(|place| writing.files.name(place.file)),
            "line": row.place.map(|place| place.line).filter(|line| *line > 0),
            "rule": row.rule,
            "verdict": row.verdict.as_str(),
            "why": row.verdict.why(),
        })
    });
    let reasons = ["refused", "approximated"].into_iter().flat_map(|verdict| {
        let groups = by_reason(rows, verdict).into_iter();
        groups.map(move |(why, rows)| json!({ "verdict": verdict, "why": why, "count": rows.len() }))
    });
    json!({
        "to": to.name,
        "exact": exact,
        "approximated": approximated,
        "refused": refused,
        "reasons": reasons.collect::<Vec<_>>(),
        "of_all_rules": of_all(to),
        "rules": items.collect::<Vec<_>>(),
        "text": writing.text,
    })
}

/// The rows of a verdict by their reason, the most frequent first, and each in the order of the text.
fn by_reason<'r>(rows: &'r [Row], verdict: &str) -> Vec<(&'r str, Vec<&'r Row>)> {
    let mut groups: Vec<(&str, Vec<&Row>)> = Vec::new();
    let mut at: HashMap<&str, usize> = HashMap::new();
    for row in rows.iter().filter(|row| row.verdict.as_str() == verdict) {
        let why = row.verdict.why().unwrap_or_default();
        let index = *at.entry(why).or_insert(groups.len());
        match groups.get_mut(index) {
            Some((_, known)) => known.push(row),
            None => groups.push((why, vec![row])),
        }
    }
    groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    groups
}

/// What holds of every rule that is written in a format, whatever is said of it alone.
fn of_all(to: &Format) -> &'static [&'static str] {
    match to.name {
        "nginx" => &[
            "nginx compares a path decoded, with one slash for several and without dot segments: `//a`, `/./a` and `/x/../a` are taken \
             for `/a`, and `%2F` for a slash.",
            "Where a part of the path is sent on, it is taken from the path as it was sent: a path whose letters are escaped \
             (`/%61pi`) is then taken for none.",
            "A query is sent on as it came, and CORS preflights are redirected as any request.",
            "The servers listen for http. What a server of yours does beside redirecting belongs into the same `server` blocks.",
        ],
        "apache" | "htaccess" => &[
            "Apache compares a path decoded, with one slash for several and without dot segments, and answers `%2F` in a path with 404.",
            "A query is sent on as it came, and CORS preflights are redirected as any request.",
            "mod_rewrite goes before mod_alias, whatever stands first.",
        ],
        _ => &[],
    }
}

/// What the three verdicts are called on a page, and what they mean.
const VERDICTS: [(&str, &str, &str); 3] = [
    ("refused", "Left out", "These rules are not in the new file. Somebody must decide what becomes of them."),
    (
        "approximated",
        "Nearly the same",
        "These rules are in the new file, whole or in part, and answer otherwise in the cases that are named.",
    ),
    ("exact", "The same", "These rules decide the same as before."),
];

/// The report as one page that needs nothing else.
pub fn html(rows: &[Row], loaded: &Loaded, writing: &Writing<'_>, to: &Format) -> String {
    let counts = counts(rows, loaded, writing);
    let total: u64 = counts.iter().sum();
    let [exact, approximated, refused] = counts;
    let of = |verdict: &str| match verdict {
        "exact" => exact,
        "approximated" => approximated,
        _ => refused,
    };
    let (mut bar, mut tiles, mut sections) = (String::new(), String::new(), String::new());
    for (name, title, _) in VERDICTS.iter().rev() {
        // Tenths of a percent, so that one rule in a thousand is seen.
        let share = of(name) * 1000 / total.max(1);
        _ = write!(tiles, "<div class={name}><b>{}</b> {}</div>", grouped(of(name)), title.to_lowercase());
        if of(name) > 0 {
            _ = write!(bar, "<i class={name} style=\"flex-grow:{}\"></i>", share.max(1));
        }
    }
    for (name, title, means) in VERDICTS.iter().filter(|(name, ..)| of(name) > 0) {
        let open = if *name == "exact" { "" } else { " open" };
        _ = writeln!(
            sections,
            "<details class={name}{open}><summary>{title}: {}</summary><p>{means}</p>",
            grouped(of(name))
        );
        for (why, rows) in by_reason(rows, name) {
            if !why.is_empty() {
                let count = if rows.len() > 1 {
                    format!(" <small>{} rules</small>", grouped(rows.len() as u64))
                } else {
                    String::new()
                };
                _ = writeln!(sections, "<h3>{}{count}</h3>", marked(why));
            }
            sections.push_str("<table>\n");
            for row in rows {
                let (place, rule) = (escaped(&place(row, writing)), escaped(&row.rule));
                _ = writeln!(sections, "<tr><td>{place}<td><code>{rule}</code>");
            }
            sections.push_str("</table>\n");
        }
        sections.push_str("</details>\n");
    }
    let notes: String = of_all(to).iter().map(|note| format!("<li>{}\n", marked(note))).collect();
    let notes = if notes.is_empty() { notes } else { format!("<h2>Of all rules</h2>\n<ul>\n{notes}</ul>\n") };
    let names: Vec<&str> = writing.files.iter().map(|(_, file)| file.name.as_str()).collect();
    let from = match names.as_slice() {
        [] => "rules".to_owned(),
        [one] => escaped(one),
        [one, others @ ..] => format!("{} and {} more", escaped(one), grouped(others.len() as u64)),
    };
    PAGE.replace("{to}", &escaped(to.title))
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{total}", &grouped(total))
        .replace("{tiles}", &tiles)
        .replace("{bar}", &bar)
        .replace("{notes}", &notes)
        // Last, since rules, names and texts may hold anything, and one after the other in one go.
        .split("{…}")
        .zip([from, sections, escaped(&writing.text), String::new()])
        .fold(String::new(), |page, (part, filled)| page + part + &filled)
}

const PAGE: &str = include_str!("report.html");

/// A sentence with what stands between backticks as code.
fn marked(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let text = first + letters.as_str();
    for (at, part) in text.split('`').enumerate() {
        match at % 2 {
            0 => out.push_str(&escaped(part)),
            _ => _ = write!(out, "<code>{}</code>", escaped(part)),
        }
    }
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            sign if sign.is_control() && sign != '\n' => out.push('\u{FFFD}'),
            sign => out.push(sign),
        }
    }
    out
}
