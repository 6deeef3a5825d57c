//! The facts as people read them: text for a terminal, and the page `docs/which-redirect.md`.
//!
//! Both come from the same rows, so that neither can say what the other does not. Nothing here knows a fact of its own beyond
//! the short guide that both begin with.

use super::{Claim, Documented, Facts, Failure, ReplyFacts, facts, replies::REPLIES, reply_facts};
use crate::status::{RedirectStatus, ReplyStatus};
use std::fmt::Write;

/// No line of terminal text is longer.
const WIDTH: usize = 96;
/// Where the text behind a short label begins.
const BEHIND_LABEL: usize = 12;

/// The questions that decide, in order, with their answers.
const GUIDE: &[(&str, &str)] = &[
    ("A form or an order was taken and a page should follow", "303"),
    ("After a login form", "303, never 307 or 308"),
    ("Away for now; forms or API calls may arrive", "307"),
    ("Away for now; only ever read", "307, or 302 for very old clients"),
    ("Moved for good; forms or API calls may arrive", "308"),
    ("Moved for good; only ever read", "301 or 308"),
    ("Not sure that it is for good", "307, and 308 once you are"),
    ("Gone, and nothing takes its place", "410, or 404"),
    ("Down, and nowhere else to go", "503 with Retry-After"),
];

/// The two axes.
const AXES: [[&str; 3]; 4] = [
    ["", "for good", "for now"],
    ["method and body kept", "308", "307"],
    ["POST may become GET", "301", "302"],
    ["always GET", "", "303"],
];

/// What `byway codes` prints: the overview, or everything about one status. No line is longer than 100 columns.
///
/// ```
/// use byway_core::codes::render_text;
/// use byway_core::status::RedirectStatus;
/// assert!(render_text(None).contains("Which redirect?"));
/// assert!(render_text(Some(RedirectStatus::TemporaryRedirect)).starts_with("307 Temporary Redirect"));
/// assert!(render_text(None).lines().all(|line| line.chars().count() <= 100));
/// ```
pub fn render_text(status: Option<RedirectStatus>) -> String {
    match status {
        Some(status) => one_status(facts(status)),
        None => overview(),
    }
}

/// What `byway codes 410` prints; `None` for a reply that byway's own rules do not give.
///
/// ```
/// use byway_core::codes::render_reply;
/// use byway_core::status::ReplyStatus;
/// assert!(render_reply(ReplyStatus::Gone).is_some_and(|text| text.starts_with("410 Gone")));
/// ```
pub fn render_reply(status: ReplyStatus) -> Option<String> {
    let facts = reply_facts(status)?;
    let mut out = title(status.number(), status.reason(), facts.section);
    paragraph(&mut out, "  ", facts.says);
    out.push('\n');
    labelled(&mut out, "cached", facts.caching);
    labelled(&mut out, "use it", facts.when);
    labelled(&mut out, "never", facts.never);
    Some(out)
}

fn overview() -> String {
    let mut out = String::from("Which redirect?\n\n");
    for [row, good, now] in AXES {
        let _ = writeln!(out, "{}", format!("  {row:<24}{good:<12}{now}").trim_end());
    }
    out.push('\n');
    for (question, answer) in GUIDE {
        let _ = writeln!(out, "  {question:.<58} {answer}", question = format!("{question} "));
    }
    out.push('\n');
    for status in RedirectStatus::ALL {
        labelled(&mut out, &status.to_string(), &format!("{}: {}", status.reason(), facts(status).says));
    }
    out.push('\n');
    for reply in REPLIES {
        labelled(&mut out, &reply.status.number().to_string(), &format!("{}: {}", reply.status.reason(), reply.says));
    }
    out.push_str(
        "\n  `byway codes 307` says all about one: caches, search, who fails on it, the line for each server.\n",
    );
    out
}

fn one_status(facts: &Facts) -> String {
    let mut out = title(facts.status.number(), facts.status.reason(), facts.section);
    paragraph(&mut out, "  ", facts.says);
    out.push('\n');
    labelled(&mut out, "method", facts.method);
    labelled(&mut out, "body", facts.body);
    labelled(&mut out, "cached", facts.caching);
    list(&mut out, "Use it", facts.when);
    list(&mut out, "Never", facts.never);
    out.push_str("\nWho fails on it\n");
    facts.fails.iter().for_each(|failure| item(&mut out, &sentence(failure)));
    out.push_str("\nSearch\n");
    labelled(&mut out, "Google", &documented(facts.google));
    labelled(&mut out, "Bing", &documented(facts.bing));
    out.push_str("\nOften said\n");
    facts.claims.iter().for_each(|claim| claimed(&mut out, claim));
    out.push_str("\nWrite it\n");
    for line in facts.lines {
        let text = line.text.replace('\n', &format!("\n{:BEHIND_LABEL$}", ""));
        let _ = writeln!(out, "  {:<width$}{text}", line.server, width = BEHIND_LABEL - 2);
    }
    out
}

fn title(number: u16, reason: &str, section: &str) -> String {
    let name = format!("{number} {reason}");
    let gap = WIDTH - name.chars().count() - section.chars().count();
    format!("{name}{:gap$}{section}\n\n", "")
}

fn claimed(out: &mut String, claim: &Claim) {
    paragraph(out, "  ", &format!("\"{}\"", claim.claim));
    paragraph(out, "      ", claim.known);
}

fn list(out: &mut String, heading: &str, items: &[&str]) {
    let _ = writeln!(out, "\n{heading}");
    items.iter().for_each(|text| item(out, text));
}

fn item(out: &mut String, text: &str) {
    wrapped(out, "  - ", "    ", text);
}

fn labelled(out: &mut String, label: &str, text: &str) {
    let first = format!("  {label:<width$}", width = BEHIND_LABEL - 2);
    wrapped(out, &first, &" ".repeat(BEHIND_LABEL), text);
}

fn paragraph(out: &mut String, indent: &str, text: &str) {
    wrapped(out, indent, indent, text);
}

/// Writes the text in lines of at most [`WIDTH`] columns.
fn wrapped(out: &mut String, first: &str, indent: &str, text: &str) {
    let mut line = first.to_owned();
    let mut words_on_line = 0;
    for word in text.split(' ') {
        if words_on_line > 0 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line = indent.to_owned();
            words_on_line = 0;
        }
        if words_on_line > 0 {
            line.push(' ');
        }
        line.push_str(word);
        words_on_line += 1;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

fn sentence(failure: &Failure) -> String {
    format!("{} {}", failure.who, failure.does)
}

fn documented(documented: Documented) -> String {
    format!("{} [{}.]", documented.says, documented.source)
}

/// The whole of `docs/which-redirect.md`.
///
/// ```
/// assert!(byway_core::codes::render_markdown().contains("## 307 Temporary Redirect"));
/// ```
pub fn render_markdown() -> String {
    let mut out = String::from(
        "# Which redirect?\n\nA redirect answers two questions: is it for good or for now, and does the method survive? \
         The rest follows from these two.\n\n",
    );
    table(&mut out, &AXES);
    out.push_str("\n## Which do I want?\n\n");
    let guide: Vec<[&str; 2]> = GUIDE.iter().map(|(question, answer)| [*question, *answer]).collect();
    table(&mut out, &[&[["It is so", "Then"]], guide.as_slice()].concat());
    out.push_str(
        "\nWhat clients do, below, was measured or read from their sources, with the versions named. What search engines document \
         is known from copies of their pages, dated, not from the pages themselves.\n",
    );
    RedirectStatus::ALL.iter().for_each(|status| section(&mut out, facts(*status)));
    out.push_str("\n## Replies that are no redirect\n\nA redirect is often used where one of these is meant.\n");
    REPLIES.iter().for_each(|reply| reply_section(&mut out, reply));
    out
}

fn section(out: &mut String, facts: &Facts) {
    let _ = writeln!(out, "\n## {} {}\n\n{} ({})\n", facts.status, facts.status.reason(), facts.says, facts.section);
    table(out, &[["", ""], ["**Method**", facts.method], ["**Body**", facts.body], ["**Cached**", facts.caching]]);
    bullets(out, "Use it", facts.when);
    bullets(out, "Never", facts.never);
    let fails: Vec<String> = facts.fails.iter().map(sentence).collect();
    bullets(out, "Who fails on it", &fails.iter().map(String::as_str).collect::<Vec<_>>());
    let _ = writeln!(out, "\n### Search and {}\n", facts.status);
    for (engine, said) in [("Google", facts.google), ("Bing", facts.bing)] {
        let _ = writeln!(out, "- **{engine}:** {} *({}.)*", said.says, said.source);
    }
    let _ = writeln!(out, "\n### Often said of {}\n", facts.status);
    facts.claims.iter().for_each(|claim| {
        let _ = writeln!(out, "- *\"{}\"* {}", claim.claim, claim.known);
    });
    let _ = writeln!(out, "\n### Write {}", facts.status);
    for line in facts.lines {
        let _ = writeln!(out, "\n{}:\n\n```{}\n{}\n```", line.server, line.language, line.text);
    }
}

fn reply_section(out: &mut String, facts: &ReplyFacts) {
    let _ = writeln!(
        out,
        "\n### {} {}\n\n{} ({})\n",
        facts.status.number(),
        facts.status.reason(),
        facts.says,
        facts.section
    );
    let rows = [("Use it", facts.when), ("Never", facts.never), ("Cached", facts.caching)];
    rows.iter().for_each(|(label, text)| {
        let _ = writeln!(out, "- **{label}:** {text}");
    });
}

fn bullets(out: &mut String, heading: &str, items: &[&str]) {
    let _ = writeln!(out, "\n{heading}:\n");
    items.iter().for_each(|item| {
        let _ = writeln!(out, "- {item}");
    });
}

/// A Markdown table; its first row is the head.
fn table<const COLUMNS: usize>(out: &mut String, rows: &[[&str; COLUMNS]]) {
    for (at, row) in rows.iter().enumerate() {
        let _ = writeln!(out, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | "));
        if at == 0 {
            let _ = writeln!(out, "|{}", " --- |".repeat(COLUMNS));
        }
    }
}
