//! Rules of another server that now take what a refused one took before: which they may be is seen in the blocks of the text.
//!
//! A rule that is left out leaves its requests to those that its server would have asked next: behind it in its block, in the
//! locations of its server, or, where a whole server says nothing any more, in servers for several hosts.

use std::collections::HashMap;
use std::ops::Range;

use super::is_of_all;
use super::report::Row;
use crate::remarks::Verdict;
use crate::span::{FileId, FileTable, Span};

/// A block of a text, other than an `if`.
#[derive(Debug, Default)]
struct Block {
    /// What stands before it opens.
    head: String,
    range: Range<usize>,
    parent: Option<usize>,
    /// Whether it is for hosts that it does not name one by one.
    is_for_several: bool,
    /// Whether nothing of it is carried over.
    is_gone: bool,
}

/// Says of rules that were carried over which refused one went before them. `spans` are those of the rows; `text_of` gives a text.
pub(super) fn note(
    rows: &mut [Row],
    spans: &[Option<Span>],
    files: &FileTable,
    text_of: &dyn Fn(FileId) -> Option<Vec<u8>>,
) {
    let is_refused = |row: &Row| matches!(row.verdict, Verdict::Refused(_));
    let mut blocks: HashMap<FileId, Vec<Block>> = HashMap::new();
    for span in rows.iter().zip(spans).filter(|(row, _)| is_refused(row)).filter_map(|(_, span)| span.as_ref()) {
        blocks.entry(span.file).or_insert_with(|| {
            let is_apache =
                files.get(span.file).and_then(|file| file.format).is_some_and(|format| format.name != "nginx");
            let text = text_of(span.file).unwrap_or_default();
            if is_apache { sections(&text) } else { braces(&text) }
        });
    }
    for span in rows.iter().zip(spans).filter(|(row, _)| !is_refused(row)).filter_map(|(_, span)| span.as_ref()) {
        let around = blocks.get_mut(&span.file).into_iter().flatten().filter(|block| block.range.contains(&span.start));
        around.for_each(|block| block.is_gone = false);
    }
    let refused: Vec<(Span, String)> = rows
        .iter()
        .zip(spans)
        .filter(|(row, _)| is_refused(row))
        .filter_map(|(row, span)| Some((span.clone()?, row.rule.clone())))
        .take(MOST)
        .collect();
    for (row, span) in rows.iter_mut().zip(spans) {
        let is_plain = match &row.verdict {
            Verdict::Exact => true,
            Verdict::Approximated(why) => is_of_all(why),
            Verdict::Refused(_) => false,
        };
        let Some(span) = span.as_ref().filter(|_| is_plain) else { continue };
        let goes_first = |(other, _): &&(Span, String)| {
            other.file == span.file
                && blocks.get(&span.file).is_some_and(|blocks| falls(blocks, other.start, span.start))
        };
        if let Some((other, words)) = refused.iter().find(goes_first) {
            let place = format!("{}:{}", files.name(other.file), other.line);
            let why = format!("it now takes requests that `{words}` ({place}) goes before, which is refused");
            row.verdict = Verdict::Approximated(why.into());
        }
    }
}

/// How many refused rules are looked at for each that is not.
const MOST: usize = 1_000;

/// Whether requests of a rule at one place may fall to a rule at another once the first is gone.
fn falls(blocks: &[Block], from: usize, to: usize) -> bool {
    let innermost = |at: usize| {
        let around = blocks.iter().enumerate().filter(|(_, block)| block.range.contains(&at));
        around.min_by_key(|(_, block)| block.range.len()).map(|(number, _)| number)
    };
    let (own, other) = match (innermost(from), innermost(to)) {
        (Some(own), Some(other)) => (own, other),
        (None, None) => return from < to,
        (None, Some(other)) => return blocks.get(other).is_some_and(|block| place(&block.head).is_some()),
        (Some(_), None) => return false,
    };
    let is_within = |inner: usize, outer: usize| {
        let parent = |at: &usize| blocks.get(*at).and_then(|block| block.parent);
        std::iter::successors(Some(inner), parent).any(|at| at == outer)
    };
    let (Some(block), Some(aim)) = (blocks.get(own), blocks.get(other)) else { return false };
    match (place(&block.head), place(&aim.head)) {
        _ if own == other => from < to,
        // What a server does itself comes before its locations.
        (None, _) if is_within(other, own) => true,
        // A server of which nothing is left leaves its hosts to those that take several.
        (None, None) => block.head == "server" && block.is_gone && block.parent == aim.parent && aim.is_for_several,
        // Behind the last of its locations stands what that one is in.
        (Some(_), Some(_)) if is_within(own, other) => true,
        (Some(path), Some(_)) => meets(blocks, own, path, other),
        _ => false,
    }
}

/// Whether a path of a location may be taken by another, or by one that stands in that: it is met where those around it are.
fn meets(blocks: &[Block], own: usize, path: &str, other: usize) -> bool {
    let around = |at: usize| {
        let parent = |at: &usize| blocks.get(*at).and_then(|block| block.parent);
        let all = std::iter::successors(Some(at), parent).filter_map(|at| Some((at, blocks.get(at)?)));
        all.filter_map(|(at, block)| Some((at, block.parent, place(&block.head)?))).collect::<Vec<_>>()
    };
    let aims = around(other);
    around(own).into_iter().any(|(at, parent, words)| {
        let mut beside = aims.iter().filter(|(aim, of, _)| *aim != at && *of == parent);
        beside.any(|(_, _, next)| match at == own {
            true => may_meet(path, next),
            // Behind what stands in a prefix nginx asks the patterns beside that, unless it keeps them out.
            false => !words.starts_with(['^', '=']) && next.starts_with('~') && may_meet(path, next),
        })
    })
}

/// The words of a location: its sign and its path.
fn place(head: &str) -> Option<&str> {
    head.strip_prefix("location").map(str::trim)
}

/// Whether a path of one location may be taken by another where the first is not there.
fn may_meet(one: &str, other: &str) -> bool {
    let path = |words: &str| words.rsplit(' ').next().unwrap_or_default().trim_matches(['"', '\'']).to_owned();
    let is_pattern = |words: &str| words.starts_with('~');
    match (is_pattern(one), is_pattern(other)) {
        // What comes to a prefix fits no pattern, unless the prefix keeps it from being asked.
        (false, true) => one.starts_with(['^', '=']),
        (true, _) => !other.starts_with('='),
        (false, false) => !other.starts_with('=') && path(one).starts_with(&path(other)),
    }
}

/// The blocks of a text of nginx; what stands in an `if` stands in the block around it.
fn braces(text: &[u8]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // For each open brace its block, if it has one.
    let mut open: Vec<Option<usize>> = Vec::new();
    let (mut at, mut begin) = (0, 0);
    let mut words = String::new();
    while let Some(&byte) = text.get(at) {
        let is_begun = words.ends_with(|sign: char| !sign.is_whitespace());
        match byte {
            b'#' if !is_begun => at += text[at..].iter().position(|byte| *byte == b'\n').unwrap_or(text.len() - at),
            b'"' | b'\'' if !is_begun => {
                let end = quoted(&text[at..]);
                words.push_str(&String::from_utf8_lossy(&text[at..at + end]));
                at += end;
            }
            b'$' if text.get(at + 1) == Some(&b'{') => {
                words.push('$');
                at += 2 + text[at..].iter().position(|byte| *byte == b'}').unwrap_or(1).saturating_sub(1);
            }
            b'\\' => {
                words.push('\\');
                at += 2;
                continue;
            }
            b'{' => {
                let head = words.split_whitespace().collect::<Vec<_>>().join(" ");
                let parent = open.iter().rev().flatten().next().copied();
                let is_own = head != "if" && !head.starts_with("if ") && !head.starts_with("if(");
                open.push(is_own.then_some(blocks.len()));
                if is_own {
                    blocks.push(Block { head, range: begin..text.len(), parent, is_for_several: true, is_gone: true });
                }
                words.clear();
                begin = at + 1;
            }
            b'}' | b';' => {
                if byte == b'}'
                    && let Some(block) = open.pop().flatten().and_then(|block| blocks.get_mut(block))
                {
                    block.range.end = at;
                }
                let mut names = words.split_whitespace();
                if names.next() == Some("server_name")
                    && let Some(block) = open.last().copied().flatten().and_then(|block| blocks.get_mut(block))
                {
                    block.is_for_several =
                        names.any(|name| name.starts_with(['~', '*', '.', '_']) || name.ends_with('*'));
                }
                words.clear();
                begin = at + 1;
            }
            byte => words.push(char::from(byte)),
        }
        at += 1;
    }
    blocks
}

/// How far a quoted word goes behind its first byte.
fn quoted(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 1,
            byte if Some(byte) == text.first() => return at,
            _ => {}
        }
        at += 1;
    }
    text.len() - 1
}

/// The virtual hosts of a text of Apache.
fn sections(text: &[u8]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut at = 0;
    let mut is_open = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let word = String::from_utf8_lossy(line).trim().to_ascii_lowercase();
        if word.starts_with("<virtualhost") {
            is_open = true;
            blocks.push(Block {
                head: word,
                range: at..text.len(),
                parent: None,
                is_for_several: false,
                is_gone: true,
            });
        } else if word.starts_with("</virtualhost") && is_open {
            is_open = false;
            blocks.iter_mut().last().into_iter().for_each(|block| block.range.end = at);
        }
        at += line.len();
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_fall_to_what_is_asked_next() {
        let text = "server { server_name a.test; if (-f /x) { FIRST } location /old { SECOND } # } {
            location ~ \"^/a{2}\" { THIRD } location = /z { FOURTH } location / { FIFTH }
            location ^~ /e { EIGHTH } location / { location ~ php$ { NINTH } TENTH } location /b/ { location ~ x { LAST } } }
            server { server_name ~^www; SIXTH } server { server_name b.test; SEVENTH }";
        let blocks = braces(text.as_bytes());
        let at = |word: &str| text.find(word).unwrap();
        for (from, to, is_so) in [
            ("FIRST", "SECOND", true),
            ("SECOND", "FIRST", false),
            ("SECOND", "THIRD", false),
            ("EIGHTH", "THIRD", true),
            ("SECOND", "FIFTH", true),
            ("THIRD", "FOURTH", false),
            ("THIRD", "SECOND", true),
            ("FIFTH", "SECOND", false),
            ("SECOND", "NINTH", true),
            ("SECOND", "LAST", false),
            ("NINTH", "TENTH", true),
            ("TENTH", "NINTH", false),
            ("LAST", "THIRD", true),
            ("LAST", "TENTH", false),
            ("FIRST", "SIXTH", true),
            ("FIRST", "SEVENTH", false),
        ] {
            assert_eq!(falls(&blocks, at(from), at(to)), is_so, "{from} {to}");
        }
    }

    #[test]
    fn virtual_hosts_are_apart() {
        let text =
            "FIRST\n<VirtualHost *:80>\nSECOND\nTHIRD\n</VirtualHost>\n<VirtualHost *:81>\nFOURTH\n</VirtualHost>\n";
        let blocks = sections(text.as_bytes());
        let at = |word: &str| text.find(word).unwrap();
        assert!(falls(&blocks, at("SECOND"), at("THIRD")));
        assert!(!falls(&blocks, at("THIRD"), at("SECOND")) && !falls(&blocks, at("SECOND"), at("FOURTH")));
    }
}
