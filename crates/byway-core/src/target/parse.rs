//! Reading a target as byway's own files write it: what may begin one, its host, its segments, and what braces insert.
//!
//! Every refusal names the bytes at fault and one thing to do. Literal text is escaped for its place here, once.

use std::borrow::Cow;
use std::ops::Range;

use super::{InvalidTarget, Landing, Part, Piece, TARGET_LIMIT, What, invalid};
use crate::host::normalise;
use crate::path::{is_escape, is_path_byte, is_query_byte, push_escaped};
use crate::source::{Source, is_capture_name, misspelt_scheme, unquoted};

/// Reads one target.
pub(super) struct Parser<'a, 's> {
    text: &'a str,
    at: usize,
    captures: Vec<String>,
    tail: Option<u8>,
    numbered: bool,
    source: &'s Source<'s>,
    stars: usize,
    pieces: Vec<Piece<'a>>,
}

impl<'a, 's> Parser<'a, 's> {
    pub(super) fn new(text: &'a str, source: &'s Source<'s>) -> Parser<'a, 's> {
        let captures = source.capture_names();
        let tail = source.has_tail().then(|| captures.len().saturating_sub(1) as u8);
        let numbered = matches!(source.path, crate::source::PathPattern::Regex(_));
        Parser { text, at: 0, captures, tail, numbered, source, stars: 0, pieces: Vec::new() }
    }

    pub(super) fn parse(mut self) -> Result<Vec<Piece<'a>>, InvalidTarget> {
        self.check_whole()?;
        if !self.text.starts_with('/') {
            self.authority()?;
        }
        let rest = &self.text[self.at..];
        let fragment = find_outside(rest, b'#');
        let query = find_outside(&rest[..fragment], b'?');
        let base = self.at;
        if query == 0 && base > 0 {
            self.literal(Landing::Path, "/");
        }
        self.path(base, base + query)?;
        self.text_part(Landing::Query, base + query, base + fragment)?;
        self.text_part(Landing::Fragment, base + fragment, self.text.len())?;
        Ok(self.pieces)
    }

    fn check_whole(&self) -> Result<(), InvalidTarget> {
        let text = self.text;
        let whole = 0..text.len();
        if text.len() > TARGET_LIMIT {
            return invalid(whole, format!("the target is longer than {TARGET_LIMIT} bytes"), None);
        }
        if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control()) {
            return invalid(at..at + c.len_utf8(), "a control character in a target", None);
        }
        if text.trim() != text {
            let help = "take the space away: clients fail on a Location that ends in one".to_owned();
            return invalid(whole, "a space at the edge of a target", help);
        }
        if self.numbered
            && let Some(at) = text.as_bytes().windows(2).position(|w| w[0] == b'$' && w[1].is_ascii_digit())
        {
            let help = format!("write `{{{}}}`", &text[at + 1..at + 2]);
            return invalid(at..at + 2, format!("`{}` is not how a capture is written", &text[at..at + 2]), help);
        }
        if text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\") {
            return Ok(());
        }
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        if lower.starts_with("https://") || lower.starts_with("http://") || text.starts_with("{scheme}://") {
            return Ok(());
        }
        self.wrong_beginning()
    }

    fn wrong_beginning(&self) -> Result<(), InvalidTarget> {
        let text = self.text;
        let whole = 0..text.len();
        if text.is_empty() {
            return invalid(
                whole,
                "the target is empty",
                "a target begins with `/`, `http://` or `https://`".to_owned(),
            );
        }
        if text.starts_with("//") || text.starts_with("/\\") {
            let help = format!("write `https:{}` for another host, or one `/` for a path", text.replace('\\', "/"));
            return invalid(0..2, format!("`{}` at the beginning sends people to another host", &text[..2]), help);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let help = "a redirect goes to `http://` or `https://`".to_owned();
            return invalid(0..scheme.len(), format!("the scheme `{scheme}` is no target of a redirect"), help);
        }
        if let Some(url) = misspelt_scheme(text) {
            let help = format!("write `{url}`");
            return invalid(whole, format!("`{text}` is no URL: the scheme is followed by `://`"), help);
        }
        if let Some(bare) = unquoted(text) {
            let help = format!("write `{bare}` between straight quotes");
            return invalid(whole, format!("`{text}` begins with a typographic quote"), help);
        }
        let head = text.split(['/', '?', '#']).next().unwrap_or_default();
        if head.starts_with('{') {
            let help = format!(
                "write `/{text}` for a path, or the host before it: a target that the request chooses sends people wherever an attacker says"
            );
            return invalid(whole, format!("`{text}` leaves the host to the request"), help);
        }
        let help = match head {
            "" | "." | ".." => "write the whole path, beginning with `/`".to_owned(),
            head if head.contains('.') && !head.starts_with('.') => format!("write `https://{text}`"),
            head if head.contains(':') => "a redirect goes to `http://` or `https://`".to_owned(),
            _ => format!("write `/{text}`"),
        };
        invalid(whole, format!("`{text}` is relative to the page that was asked"), help)
    }

    fn authority(&mut self) -> Result<(), InvalidTarget> {
        let text = self.text;
        let scheme_end = text.find("://").unwrap_or(0) + 3;
        match &text[..scheme_end] {
            "{scheme}://" => {
                self.push(Landing::Scheme, What::Part(Part::Scheme));
                self.literal(Landing::Scheme, "://");
            }
            scheme => {
                let lower = scheme.to_ascii_lowercase();
                self.push(Landing::Scheme, What::Literal(Cow::Owned(lower)));
            }
        }
        let rest = &text[scheme_end..];
        let mut end = ['/', '?', '#'].iter().map(|&c| find_outside(rest, c as u8)).min().unwrap_or(rest.len());
        if let Some(path) = rest[..end].find("{path}") {
            end = path;
        }
        let authority = &rest[..end];
        self.at = scheme_end + end;
        self.host_and_port(authority, scheme_end)
    }

    fn host_and_port(&mut self, text: &'a str, at: usize) -> Result<(), InvalidTarget> {
        let range = at..at + text.len();
        if let Some(user) = text.find('@') {
            let help = "RFC 9110 section 4.2.4 forbids user names in a Location: take it away".to_owned();
            return invalid(at..at + user + 1, "a user name in a target", help);
        }
        let colon = match text.rfind(':') {
            Some(colon) if !text[colon..].contains(']') => colon,
            _ => text.len(),
        };
        let (host, port) = text.split_at(colon);
        if host.is_empty() {
            return invalid(range, "the host of the target is empty", None);
        }
        if !host.contains('{') {
            let host = normalise(host).or_else(|error| invalid(at..at + host.len(), error.what, error.help))?;
            self.push(Landing::Host, What::Literal(host));
        } else {
            self.host_template(host, at)?;
        }
        match port {
            "" | ":" => {}
            ":{port}" => {
                self.push(Landing::Port, What::Part(Part::Port));
            }
            port => {
                let place = at + colon + 1..at + text.len();
                let Ok(number @ 1..) = port[1..].parse::<u16>() else {
                    return invalid(
                        place,
                        format!("`{}` is no port", &port[1..]),
                        "a port is a number from 1 to 65535".to_owned(),
                    );
                };
                let written = self.pieces.first().map(|piece| &piece.what);
                let default = match written {
                    Some(What::Literal(text)) if text == "https://" => 443,
                    Some(What::Literal(_)) => 80,
                    _ => 0,
                };
                if number != default {
                    self.push(Landing::Port, What::Literal(Cow::Owned(format!(":{number}"))));
                }
            }
        }
        Ok(())
    }

    fn host_template(&mut self, text: &'a str, at: usize) -> Result<(), InvalidTarget> {
        let mut from = 0;
        while from < text.len() {
            let open = text[from..].find('{').map_or(text.len(), |found| from + found);
            if open > from {
                let literal = &text[from..open];
                let label = literal.trim_matches('.');
                if !label.is_empty() && !matches!(normalise(label), Ok(Cow::Borrowed(_))) {
                    return invalid(
                        at + from..at + open,
                        format!("`{literal}` is no part of a host"),
                        "write it in small letters".to_owned(),
                    );
                }
                self.push(Landing::Host, What::Literal(Cow::Borrowed(literal)));
            }
            if open == text.len() {
                break;
            }
            let close = self.closing(at + open)?;
            let whole_label = (open == 0 || text.as_bytes()[open - 1] == b'.')
                && matches!(text.as_bytes().get(close + 1 - at), None | Some(b'.'));
            if !whole_label {
                let help = "write `/` between the host and the capture, or `.` on either side of it".to_owned();
                return invalid(at + open..close + 1, "a capture would lengthen the host", help);
            }
            let what = self.lookup(at + open, close)?;
            self.push(Landing::Host, what);
            from = close + 1 - at;
        }
        Ok(())
    }

    fn path(&mut self, from: usize, to: usize) -> Result<(), InvalidTarget> {
        let text = &self.text[from..to];
        let mut at = from;
        let mut segments = text.split('/').peekable();
        let mut first = true;
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            let slash = if first { "" } else { "/" };
            self.segment(slash, segment, at, last)?;
            at += segment.len() + 1;
            first = false;
        }
        Ok(())
    }

    fn segment(&mut self, slash: &'static str, text: &'a str, at: usize, last: bool) -> Result<(), InvalidTarget> {
        if text == "*" || text == ":splat" && !self.captures.iter().any(|name| name == "splat") {
            return self.star(slash, at, text.len(), last);
        }
        self.literal(Landing::Path, slash);
        if let Some(name) = text.strip_prefix(':') {
            if let Some(literal) = name.strip_prefix(':') {
                self.literal(Landing::Path, ":");
                return self.inserts(Landing::Path, literal, at + 2);
            }
            if is_capture_name(name) {
                let index = self.capture(name).map_or_else(|| self.unknown(name, at..at + text.len(), ':'), Ok)?;
                self.push(Landing::Path, What::Capture(index));
                return Ok(());
            }
        }
        if let Some(star) = text.find('*').filter(|&star| !text[..star].ends_with('{')) {
            let help = "`*` stands for a whole segment; `{*}` inserts what it took beside other text".to_owned();
            return invalid(at + star..at + star + 1, "`*` beside other text", help);
        }
        self.inserts(Landing::Path, text, at)
    }

    fn star(&mut self, slash: &'static str, at: usize, len: usize, last: bool) -> Result<(), InvalidTarget> {
        let what = match self.tail {
            Some(tail) if last => What::Tail(tail),
            _ => {
                let nth = self.stars;
                self.stars += 1;
                let found = self.captures.iter().enumerate().filter(|(_, name)| *name == "*").nth(nth);
                match found {
                    None => return self.no_star(at..at + len),
                    Some((index, _)) if self.tail == Some(index as u8) => What::TailText(index as u8),
                    Some((index, _)) => What::Capture(index as u8),
                }
            }
        };
        if !matches!(what, What::Tail(_)) {
            self.literal(Landing::Path, slash);
        }
        self.push(Landing::Path, what);
        Ok(())
    }

    fn no_star(&self, at: Range<usize>) -> Result<(), InvalidTarget> {
        let help = match self.captures.as_slice() {
            [] => format!("`{}` captures nothing; write `{}/*` there to take what is below", self.source, self.source),
            names => format!("the source has {}", listed(names)),
        };
        invalid(at, "`*` in the target has no `*` in the source", help)
    }

    fn text_part(&mut self, place: Landing, from: usize, to: usize) -> Result<(), InvalidTarget> {
        self.inserts(place, &self.text[from..to], from)
    }

    /// Text with `{name}` in it.
    fn inserts(&mut self, place: Landing, text: &'a str, at: usize) -> Result<(), InvalidTarget> {
        let mut from = 0;
        while let Some(found) = text[from..].find(['{', '}']).map(|found| from + found) {
            self.escaped(place, &text[from..found], at + from)?;
            if text[found..].starts_with("{{") || text[found..].starts_with("}}") {
                self.push(
                    place,
                    What::Literal(Cow::Borrowed(if text.as_bytes()[found] == b'{' { "%7B" } else { "%7D" })),
                );
                from = found + 2;
                continue;
            }
            if text.as_bytes()[found] == b'}' {
                return invalid(at + found..at + found + 1, "`}` without `{`", "write `}}` for a brace".to_owned());
            }
            let close = self.closing(at + found)?;
            let what = self.lookup(at + found, close)?;
            self.push(place, what);
            from = close + 1 - at;
        }
        self.escaped(place, &text[from..], at + from)
    }

    fn closing(&self, open: usize) -> Result<usize, InvalidTarget> {
        // A name holds none of these, and what belongs to the next segment cannot close this one.
        match self.text[open + 1..].find(['}', '{', '/', '?', '#']).map(|found| open + 1 + found) {
            Some(close) if self.text.as_bytes()[close] == b'}' => Ok(close),
            _ => invalid(open..self.text.len(), "`{` without `}`", "write `{{` for a brace".to_owned()),
        }
    }

    fn lookup(&self, open: usize, close: usize) -> Result<What<'a>, InvalidTarget> {
        let name = &self.text[open + 1..close];
        if let Some(index) = self.capture(name) {
            return Ok(if self.tail == Some(index) { What::TailText(index) } else { What::Capture(index) });
        }
        if let Some((_, part)) = Part::NAMED.iter().find(|(known, _)| *known == name) {
            return Ok(What::Part(*part));
        }
        if let Some(Ok(number @ 1..=9)) = name.strip_prefix("when.").map(str::parse::<u8>) {
            return Ok(What::ConditionCapture(number));
        }
        match name.strip_prefix("query.") {
            Some(key) if !key.is_empty() => Ok(What::QueryValue(Cow::Borrowed(key))),
            _ => self.unknown(name, open..close + 1, '{'),
        }
    }

    fn capture(&self, name: &str) -> Option<u8> {
        let found = self.captures.iter().position(|known| known == name);
        let splat = || match name {
            "splat" | "*" => self.tail.map(usize::from).or_else(|| self.captures.iter().position(|known| known == "*")),
            _ => None,
        };
        let numbered = || name.parse::<usize>().ok()?.checked_sub(1).filter(|&index| index < self.captures.len());
        match name {
            "*" => splat(),
            _ => found.or_else(splat).or_else(numbered),
        }
        .map(|index| index as u8)
    }

    fn unknown<T>(&self, name: &str, at: Range<usize>, form: char) -> Result<T, InvalidTarget> {
        let written = if form == ':' { format!(":{name}") } else { format!("{{{name}}}") };
        let help = match self.captures.as_slice() {
            [] => "the source captures nothing; of the request there are `{scheme}`, `{host}`, `{port}`, `{path}`, `{query}` and `{query.NAME}`".to_owned(),
            names => format!("the source has {}; of the request there are `{{scheme}}`, `{{host}}`, `{{port}}`, `{{path}}`, `{{query}}` and `{{query.NAME}}`", listed(names)),
        };
        invalid(at, format!("`{written}` is no capture of the source"), help)
    }

    /// Literal text, escaped for its place.
    fn escaped(&mut self, place: Landing, text: &'a str, at: usize) -> Result<(), InvalidTarget> {
        let bytes = text.as_bytes();
        let fits = |byte: u8| match place {
            Landing::Path => is_path_byte(byte),
            // The mark that opens the part stands in its text.
            _ => is_query_byte(byte) || byte == b'#',
        };
        if bytes.iter().all(|&byte| fits(byte)) {
            self.push(place, What::Literal(Cow::Borrowed(text)));
            return Ok(());
        }
        let mut out = Vec::with_capacity(bytes.len() + 8);
        for (index, &byte) in bytes.iter().enumerate() {
            match byte {
                b'%' if !is_escape(bytes, index) => {
                    let range = at + index..at + index + 1;
                    return invalid(
                        range,
                        "a `%` without two hexadecimal digits",
                        "write `%25` for a percent sign".to_owned(),
                    );
                }
                b'#' if place == Landing::Fragment && index > 0 => push_escaped(byte, &mut out),
                byte if fits(byte) || byte == b'%' => out.push(byte),
                byte => push_escaped(byte, &mut out),
            }
        }
        let text = String::from_utf8(out).unwrap_or_default();
        self.push(place, What::Literal(Cow::Owned(text)));
        Ok(())
    }

    fn literal(&mut self, place: Landing, text: &'static str) {
        self.push(place, What::Literal(Cow::Borrowed(text)));
    }

    fn push(&mut self, place: Landing, what: What<'a>) {
        if !matches!(&what, What::Literal(text) if text.is_empty()) {
            self.pieces.push(Piece { place, what });
        }
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().map(|name| format!("`{{{name}}}`")).collect();
    shown.join(", ")
}

/// Where `wanted` stands outside of braces, or the length.
fn find_outside(text: &str, wanted: u8) -> usize {
    let mut inside = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => inside = true,
            b'}' => inside = false,
            byte if byte == wanted && !inside => return at,
            _ => {}
        }
    }
    text.len()
}
