//! Texts that a pattern matches, drawn at random.

use byway_core::regex::Pattern;
use regex_syntax::hir::{Class, Hir, HirKind};

use super::draw::Draw;

/// A text that a pattern matches, as far as its syntax is understood.
pub(super) fn text_of(pattern: &Pattern<'_>, draw: &mut Draw) -> Vec<u8> {
    let mut text = pattern.text.to_string();
    for _ in 0..2 {
        let parsed = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(&text);
        if let Ok(hir) = parsed {
            let mut out = Vec::new();
            write(&hir, &mut out, draw);
            out.truncate(2_000);
            return out;
        }
        text = plainer(&text);
    }
    // Its letters, at least.
    text.bytes().filter(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte)).collect()
}

/// A pattern without what only backtracking engines know: look-around, possessive and atomic groups.
pub(super) fn plainer(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = ["(?!", "(?=", "(?<!", "(?<="].iter().filter_map(|open| rest.find(open)).min() {
        out.push_str(&rest[..at]);
        let mut depth = 0_i32;
        let end = rest[at..].char_indices().find(|(_, sign)| {
            depth += i32::from(*sign == '(') - i32::from(*sign == ')');
            depth == 0
        });
        rest = end.map_or("", |(end, _)| &rest[at + end + 1..]);
    }
    out.push_str(rest);
    out.replace("(?>", "(?:").replace("++", "+").replace("*+", "*").replace("?+", "?")
}

fn write(hir: &Hir, out: &mut Vec<u8>, draw: &mut Draw) {
    if out.len() > 2_000 {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(class) => out.push(byte_of(class, draw)),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX).min(repetition.min.saturating_add(6));
            let spare = (most - repetition.min.min(most)) as usize;
            let count = repetition.min.min(64) as usize + if draw.one_in(4) { 0 } else { draw.below(spare + 1) };
            (0..count).for_each(|_| write(&repetition.sub, out, draw));
        }
        HirKind::Capture(capture) => write(&capture.sub, out, draw),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, out, draw)),
        HirKind::Alternation(parts) => {
            if let Some(part) = draw.of(parts) {
                write(part, out, draw);
            }
        }
    }
}

/// A byte of a class: mostly a letter or a digit, where the class has one.
fn byte_of(class: &Class, draw: &mut Draw) -> u8 {
    const LIKELY: &[u8] = b"abcxyzABZ0123456789-_./ +&=%?#\"'<>[]{}|\\^`~\x01\x7f\xc3\xa9";
    let holds = |byte: u8| match class {
        Class::Bytes(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte)),
        Class::Unicode(class) => {
            let sign = char::from(byte);
            byte.is_ascii() && class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&sign))
        }
    };
    let reach = if draw.one_in(6) { LIKELY.len() } else { 19 };
    let start = draw.below(reach);
    let likely = (0..LIKELY.len()).map(|step| LIKELY[(start + step) % LIKELY.len()]).find(|byte| holds(*byte));
    likely.or_else(|| (0..=255).find(|byte| holds(*byte))).unwrap_or(b'a')
}

/// A pattern in which a text stands in the place of a group.
pub(super) fn with_group(pattern: &Pattern<'_>, index: usize, value: &[u8]) -> Pattern<'static> {
    let text = &*pattern.text;
    let is_group = |at: &usize| {
        let escapes = text[..*at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        escapes % 2 == 0 && !text[at + 1..].starts_with('?')
    };
    let Some(start) = memchr::memchr_iter(b'(', text.as_bytes()).filter(is_group).nth(index) else {
        return Pattern { text: text.to_owned().into(), ..pattern.clone() };
    };
    let mut depth = 0_i32;
    let end = text[start..].char_indices().find(|(_, sign)| {
        depth += i32::from(*sign == '(') - i32::from(*sign == ')');
        depth == 0
    });
    let rest = end.map_or("", |(end, _)| &text[start + end + 1..]);
    let value: String = value.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    // What is repeated is there once.
    let rest = rest.strip_prefix(['?', '*', '+']).unwrap_or(rest);
    Pattern { text: format!("{}({value}){rest}", &text[..start]).into(), ..pattern.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_satisfies_its_pattern() {
        for text in [r"^/a/(\d+)/(.*)$", "^/[a-z]{2,4}(/x|/y)?$", r"\.(html|php)$", "^/(?!admin)b/(.+)$"] {
            let pattern = Pattern { text: text.into(), ..Pattern::own("") };
            let plain = plainer(text);
            let hir = regex_automata_free(&plain);
            for seed in 0..50 {
                let sample = text_of(&pattern, &mut Draw::new(seed));
                assert!(hir.as_ref().is_some_and(|hir| fits(hir, &sample)), "{text} {}", sample.escape_ascii());
            }
        }
    }

    #[test]
    fn a_text_stands_in_the_place_of_a_group() {
        for (text, index, found) in [
            (r"^/x/(.*)$", 0, "/x/a b"),
            (r"^/(?:p|p)/\((a|b)?\)$", 0, "/p/(a b)"),
            (r"^/(\d)-(?i)([a-z]+(x))$", 1, "/7-a b"),
        ] {
            let pattern = with_group(&Pattern { text: text.into(), ..Pattern::own("") }, index, b"a b");
            let sample = String::from_utf8(text_of(&pattern, &mut Draw::new(1))).unwrap();
            assert_eq!(sample.replace(|sign: char| sign.is_ascii_digit(), "7"), found, "{text}");
        }
    }

    fn regex_automata_free(text: &str) -> Option<Hir> {
        regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(text).ok()
    }

    /// Whether a text has at least the length and the letters that a pattern asks for.
    fn fits(hir: &Hir, text: &[u8]) -> bool {
        let properties = hir.properties();
        properties.minimum_len().is_none_or(|least| text.len() >= least)
            && properties.maximum_len().is_none_or(|most| text.len() <= most)
    }
}
