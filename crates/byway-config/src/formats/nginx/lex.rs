//! The words of an nginx configuration, as nginx itself splits them, each with its place.
//!
//! Quotes, backslashes, `${`, comments and the places where a word must end are those of `ngx_conf_read_token`, and what is wrong
//! is said in nginx's own words. A word is a range of the text; what a backslash means in it is undone only when it is asked for.

use std::borrow::Cow;
use std::ops::Range;

/// The longest word that nginx takes: its buffer.
const WORD_LIMIT: usize = 4096;

/// What is said of a quote that was forgotten.
const OPEN_QUOTE: &str = "this quote is not closed on its line";
const QUOTE: &str = "close the quote where its word ends";

/// A word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Which text it stands in.
    pub(super) text: u16,
    /// Its first byte, behind the quote if there is one.
    pub(super) start: u32,
    /// The byte behind its last.
    pub(super) end: u32,
    /// Its quote, or 0.
    quote: u8,
    /// Whether there is a backslash in it.
    escaped: bool,
}

impl Word {
    /// Its bytes, quotes and backslashes undone.
    pub(super) fn of(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        let raw = bytes.get(self.start as usize..self.end as usize).unwrap_or_default();
        if !self.escaped {
            return Cow::Borrowed(raw);
        }
        let mut out = Vec::with_capacity(raw.len());
        let mut rest = raw.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            let undone = match rest.peek() {
                Some(b'"' | b'\'' | b'\\') if byte == b'\\' => rest.peek().copied(),
                Some(b't') if byte == b'\\' => Some(b'\t'),
                Some(b'r') if byte == b'\\' => Some(b'\r'),
                Some(b'n') if byte == b'\\' => Some(b'\n'),
                _ => None,
            };
            if undone.is_some() {
                rest.next();
            }
            out.push(undone.unwrap_or(byte));
        }
        Cow::Owned(out)
    }

    /// Its place in its text, quotes and all.
    pub(super) fn outer(self) -> Range<usize> {
        let quote = usize::from(self.quote != 0);
        self.start as usize - quote..self.end as usize + quote
    }
}

/// What stands next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word.
    Word(Word),
    /// `;`
    End(usize),
    /// `{`
    Open(usize),
    /// `}`
    Close(usize),
    /// Nothing more.
    Over,
}

/// What nginx would say, and of which bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) what: String,
    /// What to do, where the words do not say it.
    pub(super) help: Option<&'static str>,
    /// What stands at the bytes, where nginx names another place, and that place.
    pub(super) seen_at: Option<(&'static str, Range<usize>)>,
}

impl Fault {
    /// The same mistake at the place where it was made, which nginx sees later.
    pub(super) fn made_at(self, at: Range<usize>, label: &'static str) -> Fault {
        Fault { at, seen_at: Some((label, self.at)), ..self }
    }
}

pub(super) fn fault<T>(at: Range<usize>, what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { at, what: what.into(), help: None, seen_at: None })
}

/// Whether a word is the first of its line, and bare.
pub(super) fn begins_line(bytes: &[u8], word: Word) -> bool {
    let before = bytes.get(..word.start as usize).unwrap_or_default();
    let blanks = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    word.quote == 0 && before.len().checked_sub(blanks + 1).is_some_and(|at| before[at] == b'\n')
}

/// Whether a `{` that opens a block counts in a pattern, as the reader of the text meant it: `\d{4}`.
pub(super) fn counts(bytes: &[u8], at: usize) -> bool {
    let is_joined =
        at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(|byte| !byte.is_ascii_whitespace());
    let rest = bytes.get(at + 1..).unwrap_or_default();
    let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b',').unwrap_or(rest.len());
    is_joined && end > 0 && rest.get(end) == Some(&b'}')
}

/// Splits a text into words.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'t> {
    bytes: &'t [u8],
    text: u16,
    at: usize,
    /// The opening quote of the last token where that was a quoted word, behind which a blank or an end must stand.
    behind_quote: Option<usize>,
    /// Whether words stand before this place in their directive.
    in_directive: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(bytes: &'t [u8], text: u16, range: Range<usize>) -> Lexer<'t> {
        let end = range.end.min(bytes.len());
        let at = match range.start {
            0 if bytes.starts_with(b"\xEF\xBB\xBF") => 3,
            start => start,
        };
        Lexer { bytes: &bytes[..end], text, at, behind_quote: None, in_directive: false }
    }

    /// The text.
    pub(super) fn bytes(&self) -> &'t [u8] {
        self.bytes
    }

    /// The number of the text.
    pub(super) fn text(&self) -> u16 {
        self.text
    }

    /// Where the next token is looked for.
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token, Fault> {
        let bytes = self.bytes;
        loop {
            let Some(&byte) = bytes.get(self.at) else { return self.over() };
            let here = self.at;
            if let Some(opened) = self.behind_quote.take()
                && !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')')
            {
                let what = format!("unexpected \"{}\"", char::from(byte));
                let fault = Fault { at: here..here + 1, what, help: None, seen_at: None };
                // A text of several lines: the quote that ends it was meant to begin another.
                return Err(match memchr::memchr(b'\n', &bytes[opened..here]) {
                    Some(_) => Fault { help: Some(QUOTE), ..fault.made_at(opened..opened + 1, OPEN_QUOTE) },
                    None => fault,
                });
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.at = memchr::memchr(b'\n', &bytes[here..]).map_or(bytes.len(), |end| here + end),
                b';' | b'{' => {
                    if !self.in_directive {
                        return fault(here..here + 1, format!("unexpected \"{}\"", char::from(byte)));
                    }
                    self.at += 1;
                    self.in_directive = false;
                    return Ok(if byte == b';' { Token::End(here) } else { Token::Open(here) });
                }
                b'}' => {
                    if self.in_directive {
                        return fault(here..here + 1, "unexpected \"}\"");
                    }
                    self.at += 1;
                    return Ok(Token::Close(here));
                }
                b'"' | b'\'' => return self.quoted(byte).map(Token::Word),
                _ => return self.plain().map(Token::Word),
            }
        }
    }

    fn over(&self) -> Result<Token, Fault> {
        match self.in_directive {
            true => fault(self.at..self.at, "unexpected end of file, expecting \";\" or \"}\""),
            false => Ok(Token::Over),
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<Word, Fault> {
        let start = self.at + 1;
        let mut escaped = false;
        let mut at = start;
        loop {
            match self.bytes.get(at) {
                None if at - start < WORD_LIMIT => {
                    let end = self.bytes.len();
                    let what = "unexpected end of file, expecting \";\" or \"}\"".to_owned();
                    let fault = Fault { at: end..end, what, help: Some(QUOTE), seen_at: None };
                    return Err(fault.made_at(start - 1..start, OPEN_QUOTE));
                }
                _ if at - start >= WORD_LIMIT => {
                    let what =
                        format!("too long parameter, probably missing terminating \"{}\" character", char::from(quote));
                    return fault(start - 1..start, what);
                }
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(&byte) if byte == quote => break,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        self.behind_quote = Some(start - 1);
        self.in_directive = true;
        Ok(Word { text: self.text, start: start as u32, end: at as u32, quote, escaped })
    }

    fn plain(&mut self) -> Result<Word, Fault> {
        let start = self.at;
        let mut escaped = false;
        let mut after_dollar = false;
        let mut at = start;
        while let Some(&byte) = self.bytes.get(at) {
            if at - start >= WORD_LIMIT {
                let shown = String::from_utf8_lossy(&self.bytes[start..start + 10]).into_owned();
                return fault(start..start + 10, format!("too long parameter \"{shown}...\" started"));
            }
            let was_dollar = std::mem::replace(&mut after_dollar, byte == b'$');
            match byte {
                b'{' if was_dollar => at += 1,
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' => break,
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        let end = at.min(self.bytes.len());
        self.at = end;
        self.in_directive = true;
        Ok(Word { text: self.text, start: start as u32, end: end as u32, quote: 0, escaped })
    }

    /// Skips a body that is not nginx's own language, behind its `{`: strings and comments of Lua are told from braces.
    pub(super) fn skip_foreign(&mut self) -> Result<(), Fault> {
        let mut depth = 1usize;
        let opened = self.at;
        while let Some(&byte) = self.bytes.get(self.at) {
            let rest = &self.bytes[self.at..];
            self.at += match byte {
                b'-' if rest.starts_with(b"--[[") => {
                    memchr::memmem::find(rest, b"]]").map_or(rest.len(), |end| end + 2)
                }
                b'-' if rest.starts_with(b"--") => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
                b'[' if rest.starts_with(b"[[") => memchr::memmem::find(rest, b"]]").map_or(rest.len(), |end| end + 2),
                b'"' | b'\'' => string_end(rest),
                _ => 1,
            };
            depth = match byte {
                b'{' => depth + 1,
                b'}' => depth - 1,
                _ => depth,
            };
            if depth == 0 {
                return Ok(());
            }
        }
        fault(opened - 1..opened, "unexpected end of file, expecting \"}\"")
    }
}

/// How long a string of Lua or JavaScript is; one that does not end on its line is no string.
fn string_end(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' => return 1,
            byte if byte == rest[0] => return at + 1,
            _ => at += 1,
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<String>, String> {
        let mut lexer = Lexer::new(text.as_bytes(), 0, 0..text.len());
        let mut found = Vec::new();
        loop {
            match lexer.next().map_err(|fault| fault.what)? {
                Token::Word(word) => found.push(String::from_utf8_lossy(&word.of(text.as_bytes())).into_owned()),
                Token::End(_) => found.push(";".to_owned()),
                Token::Open(_) => found.push("{".to_owned()),
                Token::Close(_) => found.push("}".to_owned()),
                Token::Over => return Ok(found),
            }
        }
    }

    #[test]
    fn words_are_split_as_nginx_does() {
        for (text, found) in [
            ("a b;", &["a", "b", ";"][..]),
            ("a \"b ;{}\" 'c\\'d';", &["a", "b ;{}", "c'd", ";"]),
            ("a ${x}y}z{ }", &["a", "${x}y}z", "{", "}"]),
            ("a \\\"x\\ y\\tz; # c\nb#c;", &["a", "\"x\\ y\tz", ";", "b#c", ";"]),
            ("if ($a = \"b\") {}", &["if", "($a", "=", "b", ")", "{", "}"]),
        ] {
            assert_eq!(
                words(text).as_deref(),
                Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_nginx_words() {
        for (text, what) in [
            ("a b }", "unexpected \"}\""),
            (";", "unexpected \";\""),
            ("a", "unexpected end of file, expecting \";\" or \"}\""),
            ("a \"b\"c;", "unexpected \"c\""),
            ("a \"b;", "unexpected end of file, expecting \";\" or \"}\""),
        ] {
            assert_eq!(words(text), Err(what.to_owned()), "{text}");
        }
        let long = format!("a \"{}\";", "x".repeat(5000));
        assert_eq!(words(&long), Err("too long parameter, probably missing terminating \"\"\" character".to_owned()));
    }
}
