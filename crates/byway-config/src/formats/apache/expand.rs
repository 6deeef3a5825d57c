//! Substitutions, test strings and targets: their variables, and how they become the pieces of a target.
//!
//! A text is first taken apart as mod_rewrite does (`$1`, `%1`, `%{NAME}`, `${map:key}`, a backslash keeps what follows), then
//! each part finds its place in the URL: scheme, host, port, path, query, fragment. Literal text is escaped here as httpd would
//! escape it on its way out; what is taken from the request is escaped by the core.

use std::borrow::Cow;
use std::collections::HashMap;

use byway_core::target::{Landing, Part, Piece, What};

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Text that stands for itself.
    Text(String),
    /// `$1`: a group of the rule's pattern.
    Group(u8),
    /// `%1`: a group of the last condition.
    CondGroup(u8),
    /// `%{NAME}`.
    Variable(String),
    /// `${map:key|default}`.
    Map { name: String, key: Vec<Token>, default: Vec<Token> },
}

/// How deep `${a:${b:…}}` may go.
const MAP_DEPTH: usize = 4;

/// Takes a text of mod_rewrite apart.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    tokens_at(text, MAP_DEPTH)
}

fn tokens_at(text: &str, depth: usize) -> Vec<Token> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    let closings = closings(text);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let closing = closings.get(&(text.len() - rest.len() + 1));
        let next = after.chars().next();
        match (c, next) {
            ('\\', Some(kept)) => {
                literal.push(kept);
                rest = &after[kept.len_utf8()..];
            }
            ('$' | '%', Some(digit @ '0'..='9')) => {
                flush(&mut literal, &mut out);
                let number = digit as u8 - b'0';
                out.push(if c == '$' { Token::Group(number) } else { Token::CondGroup(number) });
                rest = &after[1..];
            }
            ('$' | '%', Some('{')) if closing.is_some() => {
                let inner = closing.map_or("", |end| &text[text.len() - after.len() + 1..*end]);
                rest = &after[inner.len() + 2..];
                flush(&mut literal, &mut out);
                if c == '%' {
                    out.push(Token::Variable(inner.to_owned()));
                    continue;
                }
                match inner.split_once(':').filter(|_| depth > 0) {
                    Some((name, key)) => {
                        let (key, default) = split_default(key);
                        out.push(Token::Map {
                            name: name.to_owned(),
                            key: tokens_at(key, depth - 1),
                            default: tokens_at(default, depth - 1),
                        });
                    }
                    None => literal.push_str(&format!("${{{inner}}}")),
                }
            }
            _ => {
                literal.push(c);
                rest = after;
            }
        }
    }
    flush(&mut literal, &mut out);
    out
}

fn flush(literal: &mut String, out: &mut Vec<Token>) {
    if !literal.is_empty() {
        out.push(Token::Text(std::mem::take(literal)));
    }
}

/// Where each brace of a text closes, if it does. They are found in one go: a text may be a megabyte of open ones.
pub(super) fn closings(text: &str) -> HashMap<usize, usize> {
    let mut open = Vec::new();
    let mut found = HashMap::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open.push(at),
            b'}' => found.extend(open.pop().map(|opened| (opened, at))),
            _ => {}
        }
    }
    found
}

/// How deep braces stand inside one another.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// Where the brace that is open closes.
pub(super) fn closing(text: &str) -> Option<usize> {
    let mut depth = 1usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// `key|default` at the bar outside of braces.
pub(super) fn split_default(text: &str) -> (&str, &str) {
    let mut depth = 0i32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b'|' if depth == 0 => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

/// Takes the target of `RedirectMatch` apart: `$1`, and a backslash that keeps `$` or `&`.
pub(super) fn alias_tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('$', Some(digit @ '0'..='9')) => {
                flush(&mut literal, &mut out);
                out.push(Token::Group(digit as u8 - b'0'));
                chars.next();
            }
            ('\\', Some(kept @ ('$' | '&'))) => {
                literal.push(kept);
                chars.next();
            }
            _ => literal.push(c),
        }
    }
    flush(&mut literal, &mut out);
    out
}

/// A part of which it is known what the request brings: literal text, or what to insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Text(String),
    Insert(What<'static>),
}

/// How literal text is escaped on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escaping {
    /// As `ap_escape_uri` does, in path, query and fragment.
    All,
    /// In the path alone: `RedirectMatch`.
    Path,
    /// Not at all: `[NE]`, `Redirect`. What no Location may hold is escaped all the same.
    None,
    /// Not at all, and it is no Location: a path inside.
    Inside,
}

/// A target, and what it says of the query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) pieces: Vec<Piece<'static>>,
    /// Whether it has a query of its own, be it empty.
    pub(super) has_query: bool,
    /// Whether that is empty.
    pub(super) query_is_empty: bool,
    /// The text before the first part of the request.
    pub(super) beginning: String,
    /// Whether it is a whole URL.
    pub(super) is_url: bool,
}

/// Why a text is no target of ours.
pub(super) type Unplaced = Cow<'static, str>;

/// Whether parts begin as a URL does: with `http://` or `https://`, or with the request's scheme.
pub(super) fn scheme_of(parts: &[Known]) -> Option<Result<(), Unplaced>> {
    match parts {
        [Known::Insert(What::Part(Part::Scheme)), Known::Text(text), ..] if text.starts_with("://") => Some(Ok(())),
        [Known::Text(text), ..] => {
            let scheme = text
                .split_once("://")
                .map(|(scheme, _)| scheme)
                .filter(|scheme| super::alias::is_url(&format!("{scheme}:")));
            match scheme.map(str::to_ascii_lowercase).as_deref() {
                Some("http" | "https") => Some(Ok(())),
                Some(
                    "ajp" | "balancer" | "fcgi" | "ftp" | "gopher" | "h2" | "h2c" | "ldap" | "ldaps" | "nntp" | "scgi"
                    | "ws" | "wss" | "uwsgi",
                ) => Some(Err("its target has a scheme that no redirect of ours goes to".into())),
                _ if ["mailto:", "news:"].iter().any(|scheme| text.to_ascii_lowercase().starts_with(scheme)) => {
                    Some(Err("its target has a scheme that no redirect of ours goes to".into()))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Gives each part its place in a URL.
pub(super) fn place(parts: &[Known], escaping: Escaping, last_mark: bool) -> Result<Placed, Unplaced> {
    let mut to = Placing { escaping, at: Landing::Path, placed: empty() };
    let mut parts: Vec<Known> = joined(parts);
    match scheme_of(&parts) {
        Some(Err(why)) => return Err(why),
        Some(Ok(())) => {
            to.authority(&mut parts)?;
            to.placed.is_url = true;
        }
        None => {}
    }
    // QSL: the last `?` is the one that begins the query.
    let mark = last_mark.then(|| {
        let with_mark = |part: &Known| matches!(part, Known::Text(text) if text.contains('?'));
        parts.iter().rposition(with_mark)
    });
    for (at, part) in parts.iter().enumerate() {
        match part {
            Known::Text(text) => {
                let skips = mark.flatten().is_some_and(|mark| at < mark);
                let tail = mark.flatten() == Some(at);
                to.text(
                    text,
                    if skips {
                        Mark::Nowhere
                    } else if tail {
                        Mark::Last
                    } else {
                        Mark::First
                    },
                );
            }
            Known::Insert(what) => to.insert(what.clone()),
        }
    }
    Ok(to.placed)
}

fn empty() -> Placed {
    Placed { pieces: Vec::new(), has_query: false, query_is_empty: true, beginning: String::new(), is_url: false }
}

fn joined(parts: &[Known]) -> Vec<Known> {
    let mut out: Vec<Known> = Vec::new();
    for part in parts {
        match (out.last_mut(), part) {
            (Some(Known::Text(before)), Known::Text(text)) => before.push_str(text),
            _ => out.push(part.clone()),
        }
    }
    out
}

/// Which `?` begins the query.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    First,
    Last,
    Nowhere,
}

struct Placing {
    escaping: Escaping,
    at: Landing,
    placed: Placed,
}

impl Placing {
    fn push(&mut self, place: Landing, what: What<'static>) {
        if let (What::Literal(text), true) =
            (&what, self.placed.pieces.iter().all(|piece| matches!(piece.what, What::Literal(_))))
        {
            self.placed.beginning.push_str(text);
        }
        self.placed.pieces.push(Piece { place, what });
    }

    /// Takes scheme, host and port from the front.
    fn authority(&mut self, parts: &mut Vec<Known>) -> Result<(), Unplaced> {
        let rest = match parts.remove(0) {
            Known::Insert(what) => {
                self.push(Landing::Scheme, what);
                let Known::Text(text) = parts.remove(0) else { return Err("its target has no host".into()) };
                self.push(Landing::Scheme, What::Literal("://".into()));
                text["://".len()..].to_owned()
            }
            Known::Text(text) => {
                let end = text.find("://").map_or(0, |at| at + 3);
                self.push(Landing::Scheme, What::Literal(text[..end].to_ascii_lowercase().into()));
                text[end..].to_owned()
            }
        };
        let mut rest = Some(rest);
        let mut has_host = false;
        let mut in_port = false;
        loop {
            let text = match rest.take() {
                Some(text) => text,
                None => match parts.first() {
                    None => break,
                    Some(Known::Text(_)) => match parts.remove(0) {
                        Known::Text(text) => text,
                        Known::Insert(_) => break,
                    },
                    Some(Known::Insert(what)) => {
                        let before = self.placed.pieces.last();
                        let open = match before {
                            Some(Piece { place: Landing::Host, what: What::Literal(text) }) => {
                                text.ends_with(['.', '-'])
                            }
                            Some(Piece { place: Landing::Host, .. }) => false,
                            Some(Piece { place: Landing::Port, .. }) => true,
                            _ => true,
                        };
                        let is_port = matches!(what, What::Part(Part::Port | Part::LocalPort) | What::PortElse(_));
                        if !is_port && (in_port || !open) {
                            // A text right behind a whole host begins the path.
                            break;
                        }
                        let what = what.clone();
                        parts.remove(0);
                        // What follows a port begins the path.
                        in_port |= matches!(what, What::PortElse(_));
                        self.push(if is_port { Landing::Port } else { Landing::Host }, what);
                        has_host = true;
                        continue;
                    }
                },
            };
            let end = text.find(['/', '?', '#']).unwrap_or(text.len());
            let authority = &text[..end];
            if authority.contains(['@', '\\', ' ']) || !authority.is_ascii() {
                return Err("its target names a user, or a host that is none".into());
            }
            let (host, port) = match authority.rfind(':') {
                Some(colon) if !authority.ends_with(']') => (&authority[..colon], Some(&authority[colon..])),
                _ => (authority, None),
            };
            if !host.is_empty() {
                if in_port {
                    return Err("its target has no host that is one".into());
                }
                self.push(Landing::Host, What::Literal(host.to_ascii_lowercase().into()));
                has_host = true;
            }
            if let Some(port) = port {
                in_port = true;
                let is_open = end == text.len() && port == ":";
                if !is_open {
                    self.push(Landing::Port, What::Literal(port.to_owned().into()));
                }
            }
            if end < text.len() {
                parts.insert(0, Known::Text(text[end..].to_owned()));
                break;
            }
        }
        if !has_host {
            return Err("its target has no host".into());
        }
        if !matches!(parts.first(), Some(Known::Text(text)) if text.starts_with(['/', '?', '#'])) && !parts.is_empty() {
            self.push(Landing::Path, What::Literal("".into()));
        }
        Ok(())
    }

    fn text(&mut self, text: &str, mark: Mark) {
        let mut rest = text;
        while !rest.is_empty() {
            let is_in_fragment = self.at == Landing::Fragment;
            // httpd looks for a `?` wherever it stands; behind a `#` it stays part of the fragment.
            if is_in_fragment && rest.contains('?') {
                self.placed.has_query = true;
                self.placed.query_is_empty = false;
            }
            let hash =
                if self.escaping == Escaping::None || self.escaping == Escaping::Path { rest.find('#') } else { None };
            let question = match mark {
                Mark::Nowhere => None,
                Mark::First => rest.find('?'),
                Mark::Last => rest.rfind('?'),
            };
            let cut = match self.at {
                Landing::Path => [hash, question].into_iter().flatten().min(),
                Landing::Query => hash,
                _ => None,
            };
            let end = cut.unwrap_or(rest.len());
            let at = self.at;
            self.literal(&rest[..end], at);
            rest = &rest[end..];
            let Some(sign) = rest.chars().next().filter(|_| cut.is_some() && !is_in_fragment) else { break };
            rest = &rest[1..];
            if sign == '?' {
                self.at = Landing::Query;
                self.placed.has_query = true;
                self.push(Landing::Query, What::Literal("?".into()));
            } else {
                self.at = Landing::Fragment;
                self.push(Landing::Fragment, What::Literal("#".into()));
            }
        }
    }

    fn literal(&mut self, text: &str, place: Landing) {
        if text.is_empty() {
            return;
        }
        if place == Landing::Query {
            self.placed.query_is_empty = false;
        }
        let escaped = match (self.escaping, place) {
            (Escaping::All, _) | (Escaping::Path, Landing::Path) => escape_uri(text),
            (Escaping::Inside, _) => text.to_owned(),
            _ => escape_unsound(text),
        };
        self.push(place, What::Literal(escaped.into()));
    }

    fn insert(&mut self, what: What<'static>) {
        if self.at == Landing::Query {
            self.placed.query_is_empty = false;
        }
        let at = self.at;
        self.push(at, what);
    }
}

/// As httpd's `ap_escape_uri`: small letters in the hex.
pub(super) fn escape_uri(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b"$-_.+!*'(),:;@&=/~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02x}")),
        }
    }
    out
}

/// Escapes what no Location may hold, and nothing else.
fn escape_unsound(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            0x21..=0x7E => out.push(char::from(byte)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_taken_apart_as_the_server_does() {
        assert_eq!(
            tokens(r"/a$1\$2%{HTTP_HOST}%3x%%{"),
            [
                Token::Text("/a".into()),
                Token::Group(1),
                Token::Text("$2".into()),
                Token::Variable("HTTP_HOST".into()),
                Token::CondGroup(3),
                Token::Text("x%%{".into()),
            ]
        );
        assert_eq!(
            tokens("${m:$1|none}"),
            [Token::Map { name: "m".into(), key: vec![Token::Group(1)], default: vec![Token::Text("none".into())] }]
        );
    }

    fn written(text: &str, escaping: Escaping) -> Vec<(Landing, String)> {
        let parts: Vec<Known> = tokens(text)
            .into_iter()
            .map(|token| match token {
                Token::Text(text) => Known::Text(text),
                Token::Group(number) => Known::Insert(What::Capture(number - 1)),
                _ => Known::Insert(What::Part(Part::HostField)),
            })
            .collect();
        let placed = place(&parts, escaping, false).expect("a target");
        placed
            .pieces
            .into_iter()
            .map(|piece| match piece.what {
                What::Literal(text) => (piece.place, text.into_owned()),
                other => (piece.place, format!("{other:?}")),
            })
            .collect()
    }

    #[test]
    fn parts_find_their_places() {
        use Landing::{Fragment, Host, Path, Port, Query, Scheme};
        let pieces = written("https://T.test:81/a b/$1?x=$2#y", Escaping::All);
        assert_eq!(
            pieces,
            [
                (Scheme, "https://".into()),
                (Host, "t.test".into()),
                (Port, ":81".into()),
                (Path, "/a%20b/".into()),
                (Path, "Capture(0)".into()),
                (Query, "?".into()),
                (Query, "x=".into()),
                (Query, "Capture(1)".into()),
                (Query, "%23y".into()),
            ]
        );
        assert_eq!(written("/a#$1", Escaping::None)[1], (Fragment, "#".into()));
        assert_eq!(written("https://%{HTTP_HOST}$1", Escaping::All)[1].0, Host);
        assert_eq!(written("https://t.test$1", Escaping::All)[3], (Path, "Capture(0)".into()));
    }
}
