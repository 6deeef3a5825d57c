//! The lines of an Apache file: continued ones joined, comments left out, every word with its place.
//!
//! A backslash before the end of a line continues it; blanks around a line are nothing; `#` is a comment only at its
//! beginning. There are two ways of taking words: [`words`] as most directives do, [`raw_words`] as mod_rewrite does, which
//! undoes no backslash. What is not UTF-8 is read as Latin-1 and told apart by [`Line::is_odd`].

use std::borrow::Cow;
use std::ops::Range;

/// The most bytes of one joined line: httpd's own limit is 16 MiB, no rule comes near this one.
pub(super) const LINE_LIMIT: usize = 1 << 20;

/// A line, continued ones joined.
#[derive(Clone, Debug)]
pub(super) struct Line<'t> {
    /// The text without blanks at its ends.
    pub(super) text: Cow<'t, str>,
    /// Where pieces of it begin: in the joined text, in the file.
    starts: Vec<(usize, usize)>,
    /// Where it ends in the file.
    end: usize,
    /// Whether it holds bytes that are not UTF-8.
    pub(super) is_odd: bool,
    /// Whether it was cut at [`LINE_LIMIT`].
    pub(super) is_cut: bool,
}

/// A word, quotes and escapes undone, and where it stands in its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: Range<usize>,
}

impl Line<'_> {
    /// The place in the file of some bytes of the text.
    pub(super) fn place(&self, at: Range<usize>) -> Range<usize> {
        let place = |at: usize| {
            let piece = self.starts.partition_point(|(start, _)| *start <= at).saturating_sub(1);
            let (start, file) = self.starts.get(piece).copied().unwrap_or((0, 0));
            file + (at - start.min(at))
        };
        let start = place(at.start);
        start..place(at.end).clamp(start, self.end.max(start))
    }

    /// The place of the whole line.
    pub(super) fn whole(&self) -> Range<usize> {
        let start = self.starts.first().map_or(0, |(_, file)| *file);
        start..self.end.max(start)
    }
}

/// The lines of a file, without empty ones and comments.
pub(super) struct Lines<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn new(bytes: &'t [u8]) -> Lines<'t> {
        let at = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        Lines { bytes, at }
    }

    /// One physical line without its end, where it begins, and whether it goes on in the next.
    fn physical(&mut self) -> Option<(usize, &'t [u8], bool)> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        let rest = &self.bytes[start..];
        let (line, next) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], start + end + 1),
            None => (rest, self.bytes.len()),
        };
        self.at = next;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.strip_suffix(b"\\") {
            Some(line) if next <= self.bytes.len() && self.bytes.get(next - 1) == Some(&b'\n') => {
                Some((start, line, true))
            }
            _ => Some((start, line, false)),
        }
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = Line<'t>;

    fn next(&mut self) -> Option<Line<'t>> {
        loop {
            let (start, first, mut goes_on) = self.physical()?;
            if !goes_on {
                match single(start, first) {
                    Some(line) => return Some(line),
                    None => continue,
                }
            }
            let mut joined = first.to_vec();
            let mut starts = vec![(0, start)];
            let mut end = start + first.len();
            let mut is_cut = false;
            while goes_on {
                let Some((start, more, again)) = self.physical() else { break };
                goes_on = again;
                if joined.len() + more.len() > LINE_LIMIT {
                    is_cut = true;
                    continue;
                }
                starts.push((joined.len(), start));
                joined.extend_from_slice(more);
                end = start + more.len();
            }
            let leading = joined.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let trimmed = joined.trim_ascii();
            if trimmed.is_empty() || trimmed[0] == b'#' {
                continue;
            }
            let (text, is_odd) = decoded(trimmed);
            for (at, _) in &mut starts {
                *at = at.saturating_sub(leading);
            }
            if let Some(first) = starts.first_mut() {
                first.1 += leading;
            }
            return Some(Line { text: Cow::Owned(text.into_owned()), starts, end, is_odd, is_cut });
        }
    }
}

/// A pattern of a line that is no UTF-8: each of its letters beyond ASCII stands for a byte.
pub(super) fn pattern_of_bytes(text: &str) -> String {
    let letter = |sign: char| match u8::try_from(sign) {
        Ok(byte) if !byte.is_ascii() => format!("\\x{byte:02X}"),
        _ => sign.to_string(),
    };
    text.chars().map(letter).collect()
}

/// A text of such a line as the bytes that stand there.
pub(super) fn bytes_of(text: &str) -> Vec<u8> {
    text.chars().map(|sign| u8::try_from(sign).unwrap_or(b'?')).collect()
}

fn single(start: usize, line: &[u8]) -> Option<Line<'_>> {
    let leading = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let trimmed = line.trim_ascii();
    if trimmed.is_empty() || trimmed[0] == b'#' {
        return None;
    }
    let is_cut = trimmed.len() > LINE_LIMIT;
    let (text, is_odd) = decoded(&trimmed[..trimmed.len().min(LINE_LIMIT)]);
    let begin = start + leading;
    Some(Line { text, starts: vec![(0, begin)], end: begin + trimmed.len(), is_odd, is_cut })
}

fn decoded(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()), true),
    }
}

/// The words of a text as httpd's own `ap_getword_conf` takes them: quotes group, a backslash keeps a quote or a backslash.
pub(super) fn words(text: &str, from: usize) -> Vec<Word> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = from;
    loop {
        at += bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let Some(&first) = bytes.get(at) else { return out };
        let quote = (first == b'"' || first == b'\'').then_some(first);
        let start = at + usize::from(quote.is_some());
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            match quote {
                Some(_)
                    if byte == b'\\'
                        && matches!(bytes.get(end + 1), Some(&next) if next == b'\\' || Some(next) == quote) =>
                {
                    end += 1;
                }
                Some(quote) if byte == quote => break,
                None if byte.is_ascii_whitespace() => break,
                _ => {}
            }
            end += 1;
        }
        let end = end.min(bytes.len());
        out.push(Word { text: undone(&text[start..end], quote), at: start..end });
        at = (end + usize::from(quote.is_some())).min(bytes.len());
    }
}

fn undone(text: &str, quote: Option<u8>) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let kept = |next: &char| *next == '\\' || quote.is_some_and(|quote| *next == char::from(quote));
        match chars.next_if(|next| c == '\\' && kept(next)) {
            Some(next) => out.push(next),
            None => out.push(c),
        }
    }
    out
}

/// The words of a text as mod_rewrite takes them: at most three, quotes group and end at the next one, a backslash before a
/// blank keeps it, and stays. What follows the third is passed over.
pub(super) fn raw_words(text: &str, from: usize) -> Vec<Word> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = from;
    while out.len() < 3 {
        at += bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let Some(&first) = bytes.get(at) else { break };
        let quote = (first == b'"' || first == b'\'').then_some(first);
        let start = at + usize::from(quote.is_some());
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            if byte == b'\\' && bytes.get(end + 1).is_some_and(u8::is_ascii_whitespace) {
                end += 2;
                continue;
            }
            if quote == Some(byte) || quote.is_none() && byte.is_ascii_whitespace() {
                break;
            }
            end += 1;
        }
        let end = end.min(bytes.len());
        out.push(Word { text: text[start..end].to_owned(), at: start..end });
        at = (end + 1).min(bytes.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: Vec<Word>) -> Vec<String> {
        words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn lines_are_joined_and_know_their_places() {
        let text = b"# a comment \\\n that goes on\r\n  Redirect \\\r\n   /a /b\n\n\tEnd";
        let lines: Vec<Line<'_>> = Lines::new(text).collect();
        assert_eq!(lines.iter().map(|line| &*line.text).collect::<Vec<_>>(), ["Redirect    /a /b", "End"]);
        let target = lines[0].text.find("/b").expect("it is there");
        let place = lines[0].place(target..target + 2);
        assert_eq!(&text[place], b"/b");
        assert!(text[lines[0].whole()].starts_with(b"Redirect") && text[lines[0].whole()].ends_with(b"/b"));
    }

    #[test]
    fn latin_text_is_read_and_told_apart() {
        let lines: Vec<Line<'_>> = Lines::new(b"Redirect /caf\xE9 /b").collect();
        assert!(lines[0].is_odd && lines[0].text.contains('é'));
    }

    #[test]
    fn words_are_taken_as_the_server_does() {
        assert_eq!(texts(words(r#"a "b c" 'd "e' f\\g "h\"i" j\k"#, 0)), ["a", "b c", "d \"e", r"f\g", "h\"i", r"j\k"]);
        assert_eq!(texts(words(r#""open end"#, 0)), ["open end"]);
        assert_eq!(texts(raw_words(r#"^a\ b\.c$ "/x y" [R,L] rest"#, 0)), [r"^a\ b\.c$", "/x y", "[R,L]"]);
        assert_eq!(texts(raw_words(r#"^a$ "-" '[R, L]'"#, 0)), ["^a$", "-", "[R, L]"]);
    }
}
