//! Paths of another server's rules: two at once, and as our own sources write them.

use std::borrow::Cow;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::regex::{Anchoring, Flavour, Pattern};
use byway_core::source::{PathPattern, Source};
use byway_core::target::{Landing, Part, Piece, What};

use super::Why;
use super::held::{Alternative, Within};
use crate::writing::perl;
use crate::writing::rank::{Region, region};

/// A pattern for paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathOf {
    pub(super) path: PathPattern<'static>,
    pub(super) case: LetterCase,
    /// Whether it sees the whole path, and not what is left of it in a folder.
    pub(super) is_whole: bool,
}

pub(super) fn is_any_path(path: &PathPattern<'_>) -> bool {
    match path {
        PathPattern::BytePrefix { prefix, .. } | PathPattern::Prefix(prefix) => prefix.is_empty(),
        PathPattern::Regex(pattern) => matches!(&*pattern.text, "" | "^" | ".*" | "^.*" | "^.*$"),
        _ => false,
    }
}

/// Where a pattern may fit in a folder, or where one fits that leads to it.
pub(super) fn region_of(path: &PathPattern<'_>, strip: &str, within: &Within) -> Region {
    let own = |path: &PathPattern<'_>, case, strip: &str| {
        let text = path_text(path, case, strip, false).ok()?;
        Source::parse(&text).ok().map(|source| region(&source))
    };
    let everywhere = Region::new(b"", false);
    match (is_any_path(path), within.alternatives.as_slice()) {
        (true, [Alternative { path: Some(outer), .. }]) => {
            own(&outer.path, outer.case, if outer.is_whole { "" } else { strip }).unwrap_or(everywhere)
        }
        _ => own(path, LetterCase::Significant, strip).unwrap_or(everywhere),
    }
}

/// A pattern that lives as long as it likes.
pub(super) fn owned_path(path: &PathPattern<'_>) -> Result<PathPattern<'static>, Why> {
    let bytes = |path: &[u8]| Cow::Owned(path.to_vec());
    Ok(match path {
        PathPattern::Exact(path) => PathPattern::Exact(bytes(path)),
        PathPattern::Prefix(path) => PathPattern::Prefix(bytes(path)),
        // Whether it keeps patterns out is a matter of order, which is known where this is asked.
        PathPattern::BytePrefix { prefix, .. } => PathPattern::BytePrefix { prefix: bytes(prefix), is_final: false },
        PathPattern::Regex(pattern) => PathPattern::Regex(owned(pattern.clone())),
        PathPattern::Segments { .. } => {
            return Err("its pattern for the path is of a kind that byway.toml does not have".into());
        }
    })
}

/// Why two patterns are not one.
pub(super) const TWO: &str = "two patterns compare the path at once: write one that says both";

/// A pattern for the whole path as a condition on it.
pub(super) fn asked(one: &PathOf) -> Option<Condition> {
    let pattern = match &one.path {
        PathPattern::Regex(pattern) if one.is_whole => pattern.clone(),
        PathPattern::BytePrefix { prefix, .. } if one.is_whole => Pattern {
            text: format!("^{}", perl::fitting(prefix)).into(),
            case: one.case,
            anchoring: Anchoring::Anywhere,
            flavour: Flavour::Pcre,
        },
        _ => return None,
    };
    let path = Piece { place: Landing::Path, what: What::Part(Part::WorkingPath) };
    Some(Condition { subject: Subject::Text(vec![path]), test: Test::Regex(pattern), negate: false, or_next: false })
}

/// What is in both; `None` where nothing is.
pub(super) fn both(outer: Option<PathOf>, inner: PathOf) -> Result<Option<PathOf>, Why> {
    let Some(outer) = outer else { return Ok(Some(inner)) };
    if outer == inner {
        return Ok(Some(inner));
    }
    // Every path begins with a slash.
    if outer.is_whole && matches!(&outer.path, PathPattern::BytePrefix { prefix, .. } if **prefix == *b"/") {
        return Ok(Some(inner));
    }
    if outer.is_whole != inner.is_whole {
        return Err(TWO.into());
    }
    match (&outer.path, &inner.path) {
        (PathPattern::Exact(path), _) => Ok(fits(&inner, path)?.then_some(outer)),
        (_, PathPattern::Exact(path)) => Ok(fits(&outer, path)?.then_some(inner)),
        _ => {
            let ((one, one_whole), (other, other_whole)) = (begin(&outer), begin(&inner));
            let is_folded = outer.ignores_case() || inner.ignores_case();
            let starts = |text: &[u8], begin: &[u8]| match text.get(..begin.len()) {
                Some(head) if is_folded => head.eq_ignore_ascii_case(begin),
                head => head == Some(begin),
            };
            // Letters of either case go on where a prefix in one case does not.
            let is_same_case = |prefix: &[u8]| !is_folded || !prefix.iter().any(u8::is_ascii_alphabetic);
            let (is_below, is_above) = (starts(&other, &one), starts(&one, &other));
            match (is_below, is_above) {
                (false, false) => Ok(None),
                // A prefix says no more than that others begin with it.
                (true, _) if one_whole && is_same_case(&one) => Ok(Some(inner)),
                (_, true) if other_whole && is_same_case(&other) => Ok(Some(outer)),
                _ if let Some(joined) = joined(&outer, &inner) => Ok(Some(joined)),
                _ => Err(TWO.into()),
            }
        }
    }
}

impl PathOf {
    fn ignores_case(&self) -> bool {
        match &self.path {
            PathPattern::Regex(pattern) => pattern.case == LetterCase::Ignored,
            _ => self.case == LetterCase::Ignored,
        }
    }
}

/// A pattern and what a path begins with, as one pattern.
fn joined(outer: &PathOf, inner: &PathOf) -> Option<PathOf> {
    let (PathPattern::BytePrefix { prefix, .. }, PathPattern::Regex(pattern)) = (&outer.path, &inner.path) else {
        return None;
    };
    let path = PathPattern::Regex(below(prefix, pattern).filter(|_| outer.case == LetterCase::Significant)?);
    Some(PathOf { path, case: LetterCase::Significant, is_whole: inner.is_whole })
}

/// Whether a pattern fits one path.
fn fits(one: &PathOf, path: &[u8]) -> Result<bool, Why> {
    let same = |own: &[u8], path: &[u8]| match one.case {
        LetterCase::Significant => own == path,
        LetterCase::Ignored => own.eq_ignore_ascii_case(path),
    };
    let begins = |own: &[u8]| path.get(..own.len()).is_some_and(|begin| same(own, begin));
    Ok(match &one.path {
        PathPattern::Exact(own) => same(own, path),
        PathPattern::BytePrefix { prefix, .. } => begins(prefix),
        PathPattern::Prefix(own) => begins(own) && matches!(path.get(own.len()), None | Some(b'/')),
        PathPattern::Regex(pattern) => {
            pattern.finds(path).map_err(|_| "its pattern for the path is of a kind that byway.toml does not have")?
        }
        PathPattern::Segments { .. } => {
            return Err("its pattern for the path is of a kind that byway.toml does not have".into());
        }
    })
}

/// What every path of a pattern begins with, and whether that is all that it asks.
pub(super) fn begin(one: &PathOf) -> (Vec<u8>, bool) {
    match &one.path {
        PathPattern::Exact(path) => (path.to_vec(), false),
        PathPattern::BytePrefix { prefix, .. } => (prefix.to_vec(), one.case == LetterCase::Significant),
        PathPattern::Prefix(prefix) => (prefix.to_vec(), false),
        PathPattern::Regex(pattern) => {
            let Some(text) = pattern.text.strip_prefix('^') else { return (Vec::new(), false) };
            if perl::has_alternatives(text) {
                return (Vec::new(), false);
            }
            let bytes = text.as_bytes();
            let len = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(byte)).count();
            // What a sign of repetition stands behind may be missing.
            let is_optional = matches!(bytes.get(len), Some(b'?' | b'*' | b'{'));
            let is_whole = len == bytes.len() && pattern.case == LetterCase::Significant;
            (bytes[..len - usize::from(is_optional && len > 0)].to_vec(), is_whole)
        }
        _ => (Vec::new(), false),
    }
}

/// A path as our sources write it; `strip` was taken from its front.
pub(super) fn path_text(path: &PathPattern<'_>, case: LetterCase, strip: &str, captures: bool) -> Result<String, Why> {
    let tilde = if case == LetterCase::Ignored { "~*" } else { "~" };
    let rest = if captures { "(.*)" } else { ".*" };
    let whole_path = |path: &[u8]| [strip.as_bytes(), path].concat();
    Ok(match path {
        PathPattern::Exact(path) if case == LetterCase::Significant => escaped(&whole_path(path), false),
        PathPattern::Exact(path) => format!("{tilde}{}", escaped(&whole_path(path), true)),
        PathPattern::Regex(pattern) if is_literal(pattern) && !captures => {
            let text = pattern.text.trim_start_matches('^').trim_end_matches("(?:\\n?$)").trim_end_matches('$');
            escaped(&whole_path(text.replace('\\', "").as_bytes()), false)
        }
        any if is_any_path(any) && captures => format!("{tilde}{}{rest}", escaped(strip.as_bytes(), true)),
        any if is_any_path(any) => format!("{}/*", escaped(strip.trim_end_matches('/').as_bytes(), false)),
        PathPattern::Prefix(path) if case == LetterCase::Significant => {
            format!("{}/*", escaped(&whole_path(path), false))
        }
        PathPattern::BytePrefix { prefix, .. } if &whole_path(prefix)[..] == b"/" && !captures => "/*".to_owned(),
        PathPattern::BytePrefix { prefix, .. } => format!("{tilde}{}{rest}", escaped(&whole_path(prefix), true)),
        PathPattern::Regex(pattern) => {
            let tilde = if pattern.case == LetterCase::Ignored { "~*" } else { tilde };
            format!("{tilde}{}{}", escaped(strip.as_bytes(), true), whole(pattern, captures)?)
        }
        _ => return Err("its pattern for the path is of a kind that byway.toml does not have".into()),
    })
}

/// Whether a pattern is one path and nothing else.
fn is_literal(pattern: &Pattern<'_>) -> bool {
    let text = pattern.text.strip_prefix('^').and_then(|text| {
        text.strip_suffix("(?:\\n?$)").or_else(|| text.strip_suffix('$').filter(|text| !text.ends_with('\\')))
    });
    let Some(text) = text.filter(|_| pattern.case == LetterCase::Significant) else { return false };
    let plain = text.replace("\\.", "").replace("\\-", "").replace("\\/", "");
    plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_~,=@!".contains(&byte))
}

/// A pattern that is found anywhere, as one over the whole path.
fn whole(pattern: &Pattern<'_>, captures: bool) -> Result<String, Why> {
    // nginx's end may have a line feed behind it, which no path of ours holds.
    let text = match pattern.text.strip_suffix("(?:\\n?$)") {
        Some(rest) => format!("{rest}$"),
        None => pattern.text.to_string(),
    };
    let text = &*text.replace("(?:\\n?$)", "$").replace("(?s:.*)", ".*");
    if perl::has_alternatives(text) {
        return Err("its pattern has `|` outside of parentheses: put them around it, `(?:a|b)`".into());
    }
    // What begins a name stands at the beginning of the path or behind a slash, wherever.
    if let Some(text) = at_a_name(text) {
        // Its group would hold all that stands before the name.
        if captures && text.starts_with("(|") {
            return Err(
                "its target takes a group of a pattern that begins with `(^|/)`: write `(?:^|/)`, and count on".into(),
            );
        }
        return Ok(match text.strip_suffix('$').filter(|rest| !rest.ends_with('\\')) {
            Some(text) => text.to_owned(),
            None => format!("{text}.*"),
        });
    }
    let (head, inner) = match text.strip_prefix('^') {
        Some(rest) => ("", rest),
        // What takes anything begins where the path does.
        None if ["(.*", "(.+", ".*", ".+"].iter().any(|begin| text.starts_with(begin)) => ("", text),
        None => (".*", text),
    };
    let (inner, tail) = match inner.strip_suffix('$').filter(|rest| !rest.ends_with('\\')) {
        Some(rest) => (rest, ""),
        None => (inner, ".*"),
    };
    Ok(format!("{head}{inner}{tail}"))
}

/// A pattern that asks for the beginning of a name, as one over the whole path.
fn at_a_name(text: &str) -> Option<String> {
    let begins = [("(^|/)", "(|.*/)"), ("(/|^)", "(|.*/)"), ("(?:^|/)", "(?:|.*/)"), ("(?:/|^)", "(?:|.*/)")];
    begins.into_iter().find_map(|(begin, whole)| text.strip_prefix(begin).map(|rest| format!("{whole}{rest}")))
}

/// A pattern that is found anywhere, below what a path begins with; `None` where it may be found in that beginning.
fn below(prefix: &[u8], pattern: &Pattern<'_>) -> Option<Pattern<'static>> {
    let text = &*pattern.text;
    let first = match text.as_bytes() {
        [b'\\', sign, ..] if sign.is_ascii_punctuation() => *sign,
        [sign, ..] if sign.is_ascii_alphanumeric() || b"-_/".contains(sign) => *sign,
        _ => return None,
    };
    let behind = if text.starts_with('\\') { 2 } else { 1 };
    let is_optional = text.as_bytes().get(behind).is_some_and(|sign| b"?*{".contains(sign));
    let is_apart = !prefix.iter().any(|byte| byte.eq_ignore_ascii_case(&first));
    let (open, close) = if pattern.case == LetterCase::Ignored { ("(?i:", ")") } else { ("", "") };
    // A line feed of the path may stand between.
    let text = format!("^{}(?s:.*){open}{text}{close}", perl::fitting(prefix));
    let fits = is_apart && !is_optional && !perl::has_alternatives(&pattern.text);
    fits.then(|| Pattern { text: text.into(), case: LetterCase::Significant, ..pattern.clone() }).map(owned)
}

fn owned(pattern: Pattern<'_>) -> Pattern<'static> {
    Pattern { text: Cow::Owned(pattern.text.to_string()), ..pattern }
}

/// A decoded path as it is sent; in a regex with what means something there escaped.
pub(super) fn escaped(path: &[u8], is_regex: bool) -> String {
    let mut out = String::new();
    for &byte in path {
        match byte {
            b'.' | b'+' | b'*' | b'(' | b')' | b'$' if is_regex => out.push_str(&format!("\\{}", char::from(byte))),
            b'*' => out.push_str("%2A"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'+' | b',' | b';' | b'=' | b'@' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
