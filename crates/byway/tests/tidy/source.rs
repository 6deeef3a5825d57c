//! Rust, read without being parsed: enough to ask for words, numbers, paths and attributes, and to leave out tests.
//!
//! Comments and the insides of literals are blanked out first, so that lines and columns stay what they are in the file.

use crate::tree::Complaint;

/// A Rust file.
pub(crate) struct Source {
    pub(crate) path: String,
    /// As written.
    pub(crate) lines: Vec<String>,
    /// The same lines with comments and the insides of literals blanked out.
    pub(crate) code: Vec<String>,
    /// Which lines are compiled for tests only.
    pub(crate) in_tests: Vec<bool>,
}

pub(crate) struct Attribute {
    pub(crate) line: usize,
    /// As it stands in the file, to the end of its last line.
    pub(crate) written: String,
    /// Without comments and the insides of literals.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn read(path: &str, text: &str) -> Source {
        let code = blanked(text);
        let in_tests = test_lines(&code);
        let lines = |text: &str| text.lines().map(str::to_owned).collect();
        Source { path: path.to_owned(), lines: lines(text), code: lines(&code), in_tests }
    }

    pub(crate) fn package(&self) -> &str {
        self.path.strip_prefix("crates/").and_then(|path| path.split('/').next()).unwrap_or_default()
    }

    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    pub(crate) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The top module of its crate that it belongs to: `client` for `client.rs` and all in `client/`.
    pub(crate) fn module(&self) -> &str {
        let in_crate = self.path.split_once("/src/").map_or(self.path.as_str(), |(_, path)| path);
        in_crate.split(['/', '.']).next().unwrap_or_default()
    }

    /// The first paragraph of the module's documentation.
    pub(crate) fn opening(&self) -> String {
        let documented = self.lines.iter().map_while(|line| line.strip_prefix("//!"));
        let paragraph: Vec<&str> = documented.map(str::trim).take_while(|line| !line.is_empty()).collect();
        paragraph.join(" ")
    }

    pub(crate) fn says_why_it_is_long(&self) -> bool {
        let documentation = self.lines.iter().take_while(|line| line.starts_with("//!"));
        let near_the_top = self.lines.iter().take(30).filter(|line| line.trim_start().starts_with("//"));
        documentation.chain(near_the_top).any(|line| line.contains("Long because "))
    }

    /// The lines of code that are compiled without tests, numbered from 1.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = (1..).zip(&self.code).zip(&self.in_tests);
        numbered.filter(|(_, in_tests)| !**in_tests).map(|((line, code), _)| (line, code.as_str()))
    }

    /// Every shipped place where one of these words stands, with what follows it on the line.
    pub(crate) fn words<'a>(&'a self, words: &'a [&str]) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
        let all = self.shipped().flat_map(|(line, code)| tokens(code).map(move |(at, word)| (line, code, at, word)));
        all.filter(|(.., word)| words.contains(word))
            .map(|(line, code, at, word)| (line, word, &code[at + word.len()..]))
    }

    /// Every number in the shipped code, without underscores and suffix.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (usize, String)> {
        let all = self.shipped().flat_map(|(line, code)| tokens(code).map(move |(_, word)| (line, word)));
        all.filter(|(_, word)| word.starts_with(|sign: char| sign.is_ascii_digit())).map(|(line, word)| {
            let digits = word.split(['u', 'i']).next().unwrap_or(word);
            (line, digits.replace('_', ""))
        })
    }

    /// Every path into the standard library that the shipped code names, groups in `use` written out.
    pub(crate) fn std_paths(&self) -> Vec<(usize, String)> {
        let mut paths = Vec::new();
        let shipped: Vec<(usize, &str)> = self.shipped().collect();
        for (index, (line, code)) in shipped.iter().enumerate() {
            for (at, _) in tokens(code).filter(|(_, word)| *word == "std") {
                let rest: String = std::iter::once(&code[at..])
                    .chain(shipped[index + 1..].iter().map(|(_, code)| code.trim()))
                    .take(40)
                    .collect();
                written_out("", &rest, &mut |path| paths.push((*line, path)));
            }
        }
        paths
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = Attribute> {
        let begins = (0..).zip(&self.code).flat_map(|(index, code)| {
            code.match_indices("#[")
                .chain(code.match_indices("#!["))
                .map(move |(at, _)| (index, at))
                .collect::<Vec<_>>()
        });
        begins.map(|(index, at)| {
            let lines =
                std::iter::once(&self.code[index][at..]).chain(self.code[index + 1..].iter().map(String::as_str));
            let after = lines.take(40).collect::<Vec<_>>().join("\n");
            let code = after[..matching(&after, '[', ']')].to_owned();
            let last = index + code.matches('\n').count();
            let written = self.lines[index..=last].join("\n");
            Attribute { line: index + 1, written, code }
        })
    }

    pub(crate) fn complaint(&self, line: usize, what: impl Into<String>, help: &str) -> Complaint {
        Complaint::new(&self.path, line, what.into(), help)
    }
}

impl Attribute {
    /// `#[allow(…)]`, `#![expect(…)]`, `#[cfg_attr(test, allow(…))]`, `#[ignore]`.
    pub(crate) fn is_exception(&self) -> bool {
        let mut words = tokens(&self.code).map(|(_, word)| word);
        let first = words.next().unwrap_or_default();
        let exceptions = ["allow", "expect", "ignore"];
        exceptions.contains(&first) || (first == "cfg_attr" && words.any(|word| exceptions.contains(&word)))
    }

    pub(crate) fn has_reason(&self) -> bool {
        let said = ["reason = \"", "ignore = \""].iter().any(|said| self.written.contains(said));
        let commented = self.written.rsplit_once("// ").is_some_and(|(_, comment)| !comment.trim().is_empty());
        said || commented
    }
}

/// The text with every comment, and the inside of every literal, replaced by spaces; line ends stay where they are.
fn blanked(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(sign) = rest.chars().next() {
        let (length, keep) = match skipped(rest, after_word) {
            Some(length) => (length, false),
            None => (sign.len_utf8(), true),
        };
        let (piece, remaining) = rest.split_at(length);
        blanked.extend(piece.chars().map(|sign| if keep || sign == '\n' { sign } else { ' ' }));
        after_word = keep && (sign.is_alphanumeric() || sign == '_');
        rest = remaining;
    }
    blanked
}

/// How many bytes of comment or literal the text begins with.
fn skipped(text: &str, after_word: bool) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    if text.starts_with('\'') {
        return character(text);
    }
    let prefix = if after_word {
        0
    } else {
        ["br", "cr", "b", "c", "r", ""].iter().find_map(|prefix| literal_after(text, prefix))?
    };
    let quoted = &text[prefix..];
    let raw = text[..prefix].contains('r');
    let hashes = if raw { quoted.len() - quoted.trim_start_matches('#').len() } else { 0 };
    if !quoted[hashes..].starts_with('"') {
        return None;
    }
    let inside = &quoted[hashes + 1..];
    let end = if raw { inside.find(&format!("\"{}", "#".repeat(hashes))) } else { closing_quote(inside) };
    Some(end.map_or(text.len(), |end| prefix + 2 * hashes + end + 2))
}

/// The length of this prefix, if a string literal follows it.
fn literal_after(text: &str, prefix: &str) -> Option<usize> {
    let rest = text.strip_prefix(prefix)?;
    let rest = if prefix.contains('r') { rest.trim_start_matches('#') } else { rest };
    rest.starts_with('"').then_some(prefix.len())
}

fn closing_quote(inside: &str) -> Option<usize> {
    let mut escaped = false;
    inside.char_indices().find_map(|(at, sign)| {
        let closes = sign == '"' && !escaped;
        escaped = sign == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// The length of a character literal; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let mut signs = text.char_indices().skip(1);
    let (_, first) = signs.next()?;
    if first == '\\' {
        signs.next()?;
        return signs.find(|(_, sign)| *sign == '\'').map(|(at, _)| at + 1);
    }
    let (at, closing) = signs.next()?;
    (closing == '\'').then_some(at + 1)
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Which lines of blanked code belong to an item that is compiled only for tests.
fn test_lines(code: &str) -> Vec<bool> {
    let mut lines = vec![code.contains("#![cfg(test)]"); code.lines().count()];
    let attributes = ["#[cfg(test)]", "#[cfg(all(test", "#[test]"];
    for (at, _) in attributes.iter().flat_map(|attribute| code.match_indices(attribute)) {
        let item = &code[at..];
        let first = code[..at].matches('\n').count();
        let last = first + item[..end_of_item(item)].matches('\n').count();
        lines.iter_mut().take(last + 1).skip(first).for_each(|line| *line = true);
    }
    lines
}

/// Where an item with its attribute ends: at its closing brace, or at a semicolon before any brace.
fn end_of_item(item: &str) -> usize {
    let attribute = matching(item, '[', ']');
    let body = &item[attribute..];
    let mut depth = 0_isize;
    let decisive = body.char_indices().find(|(_, sign)| {
        depth += match sign {
            '(' | '[' => 1,
            ')' | ']' => -1,
            _ => 0,
        };
        depth == 0 && "{;".contains(*sign)
    });
    match decisive {
        Some((brace, '{')) => attribute + brace + matching(&body[brace..], '{', '}'),
        Some((semicolon, _)) => attribute + semicolon,
        None => item.len(),
    }
}

/// Where the first bracket of this kind is closed, just behind it.
fn matching(code: &str, open: char, close: char) -> usize {
    let mut depth = 0_usize;
    for (at, sign) in code.char_indices() {
        if sign == open {
            depth += 1;
        } else if sign == close && depth > 0 {
            depth -= 1;
            if depth == 0 {
                return at + sign.len_utf8();
            }
        }
    }
    code.len()
}

/// The words and numbers of a line, with where they begin.
fn tokens(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    let mut at = 0;
    code.split(move |sign| !is_word(sign)).filter_map(move |word| {
        let begin = at;
        at += word.len();
        // The sign that ended the word: one character of the line, of whatever width.
        at += code[at..].chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((begin, word))
    })
}

/// Writes out a path that may end in a group: `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`. Returns what is left.
fn written_out<'a>(before: &str, text: &'a str, found: &mut impl FnMut(String)) -> &'a str {
    let end = text.find(|sign: char| !(sign.is_alphanumeric() || "_:*".contains(sign))).unwrap_or(text.len());
    let path = format!("{before}{}", &text[..end]);
    let mut rest = &text[end..];
    if !(path.ends_with("::") && rest.starts_with('{')) {
        found(path.trim_end_matches(':').to_owned());
        return rest;
    }
    loop {
        rest = rest[1..].trim_start();
        if let Some(behind) = rest.strip_prefix('}') {
            return behind;
        }
        let left = written_out(&path, rest, found);
        let stop = left.find([',', '}']).unwrap_or(left.len());
        match &left[stop..] {
            ended if ended.starts_with(',') => rest = ended,
            ended => return ended.strip_prefix('}').unwrap_or(ended),
        }
    }
}
