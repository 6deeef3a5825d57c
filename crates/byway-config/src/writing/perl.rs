//! Patterns as PCRE reads them, which nginx and Apache share: texts that stand for themselves, cookies, pairs of a query, and
//! our own patterns where PCRE reads them as we do.

use byway_core::condition::Test;
use byway_core::regex::Pattern;

type Why = &'static str;

/// Where a cookie is found among the others of its field.
pub(crate) fn cookie(name: &str, test: &Test) -> Result<String, Why> {
    let name = fitting(name.as_bytes());
    let value = match test {
        Test::Present => return Ok(format!("(?:^|;)\\s*{name}(?:=|\\s*(?:;|$))")),
        Test::Is(value) if value.is_empty() => return Ok(format!("(?:^|;)\\s*{name}=?\\s*(?:;|$)")),
        Test::Is(value) => fitting(value.as_bytes()),
        Test::In(values) => alternatives(&values.iter().map(|value| fitting(value.as_bytes())).collect::<Vec<_>>()),
        Test::Glob(glob) => globbed(glob, "[^;]"),
        Test::Regex(_) | Test::Range(..) => {
            return Err(
                "a pattern or a number asked of one cookie: the field holds all of them; ask for a value with `is`, `in` or `glob`",
            );
        }
    };
    Ok(format!("(?:^|;)\\s*{name}={value}\\s*(?:;|$)"))
}

/// Where a pair is found in a query.
pub(crate) fn pair(name: &str, test: &Test) -> Result<String, Why> {
    let name = sent(name);
    let value = match test {
        Test::Present => return Ok(format!("(?:^|&){name}(?:=|&|$)")),
        Test::Is(value) if value.is_empty() => return Ok(format!("(?:^|&){name}=?(?:&|$)")),
        Test::Is(value) => sent(value),
        Test::In(values) => alternatives(&values.iter().map(|value| sent(value)).collect::<Vec<_>>()),
        Test::Glob(glob) => globbed(glob, "[^&]"),
        Test::Regex(pattern) => in_pair(perl(pattern)?)?,
        Test::Range(..) => return Err("a number in a range, asked of one pair of the query: write a pattern"),
    };
    Ok(format!("(?:^|&){name}={value}(?:&|$)"))
}

/// A pattern for a value, as a part of one for the query.
fn in_pair(pattern: &str) -> Result<String, Why> {
    const WHOLE: &str =
        "a pattern for a pair of the query that does not say where the value begins and ends: write `^…$`";
    if pattern == "." {
        return Ok("[^&]+".to_owned());
    }
    // nginx's end may have a line feed behind it, which no query holds as it is sent.
    let begun = pattern.strip_prefix('^').ok_or(WHOLE)?;
    let inner = begun.strip_suffix("(?:\\n?$)").or_else(|| begun.strip_suffix('$')).ok_or(WHOLE)?;
    // What any sign fits would go on in the next pair.
    let is_bounded = !inner.replace("\\.", "").contains('.') && !inner.contains("[^") && !has_alternatives(inner);
    if is_bounded && !inner.ends_with('\\') { Ok(inner.to_owned()) } else { Err(WHOLE) }
}

/// A pattern of another server, which is PCRE's already; nginx's end is written as people write it.
pub(crate) fn pcre(pattern: &Pattern<'_>) -> Result<String, Why> {
    let text = match pattern.text.strip_suffix("(?:\\n?$)") {
        Some(rest) => format!("{rest}$"),
        None => pattern.text.to_string(),
    };
    match text.contains(['"', '\n', '\r']) {
        true => Err("a quote or a line break in a pattern: write it as `\\x22` or `\\n`"),
        false => Ok(text),
    }
}

/// A pattern of nginx's as a person wrote it: our engines are told what its end is, and PCRE is not.
pub(crate) fn as_nginx(pattern: &Pattern<'_>) -> Result<String, Why> {
    let text = pattern.text.replace("(?:\\n?$)", "$");
    match text.contains(['\n', '\r']) {
        true => Err("a line break in a pattern: write it as `\\n`"),
        false => Ok(text),
    }
}

/// Text, decoded, as the part of a pattern that fits it and nothing else.
pub(crate) fn fitting(text: &[u8]) -> String {
    let is_text = std::str::from_utf8(text).is_ok();
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        match byte {
            b if b.is_ascii_alphanumeric() || b"/_-~,=@&:!;%'<> ".contains(&b) || !b.is_ascii() && is_text => {
                out.push(b)
            }
            b if b.is_ascii_graphic() && b != b'"' => out.extend([b'\\', b]),
            b => out.extend(format!("\\x{b:02x}").bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A name or value as it may be sent: with and without the escapes that people write.
pub(crate) fn sent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b == b'_' || b == b'-' => out.push(char::from(b)),
            b'.' => out.push_str("\\."),
            b' ' => out.push_str("(?:\\+|%20)"),
            b'&' | b'+' | b'#' | b'%' => out.push_str(&format!("%{}", either_case(byte))),
            b if b.is_ascii_graphic() => {
                out.push_str(&format!("(?:{}|%{})", fitting(&[b]), either_case(byte)));
            }
            b => out.push_str(&format!("%{}", either_case(b))),
        }
    }
    out
}

/// One of several patterns.
pub(crate) fn alternatives(texts: &[String]) -> String {
    match texts {
        [one] => one.clone(),
        several => format!("(?:{})", several.join("|")),
    }
}

/// The hex of a byte in letters of either case.
pub(crate) fn either_case(byte: u8) -> String {
    let digit = |digit: char| match digit.is_ascii_digit() {
        true => digit.to_string(),
        false => format!("[{digit}{}]", digit.to_ascii_lowercase()),
    };
    format!("{byte:02X}").chars().map(digit).collect()
}

/// A glob as a pattern; `any` is what one of its signs stands for.
pub(crate) fn globbed(glob: &str, any: &str) -> String {
    let mut out = String::new();
    for piece in glob.split_inclusive(['*', '?']) {
        let (text, sign) = match piece.strip_suffix(['*', '?']) {
            Some(text) => (text, &piece[text.len()..]),
            None => (piece, ""),
        };
        out.push_str(&fitting(text.as_bytes()));
        match sign {
            "*" => out.push_str(&format!("{any}*")),
            "?" => out.push_str(any),
            _ => {}
        }
    }
    out
}

/// Whether alternatives stand outside of all groups, so that an anchor would be that of one of them.
pub(crate) fn has_alternatives(pattern: &str) -> bool {
    split_alternatives(pattern).len() > 1
}

/// The alternatives that stand outside of all groups.
pub(crate) fn split_alternatives(pattern: &str) -> Vec<&str> {
    let (mut all, mut begin) = (Vec::new(), pattern);
    let mut depth = 0_i32;
    let mut rest = pattern;
    while let Some(sign) = rest.chars().next() {
        let behind = &rest[sign.len_utf8()..];
        match sign {
            '|' if depth == 0 => {
                all.push(&begin[..begin.len() - rest.len()]);
                begin = behind;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        rest = behind_sign(sign, behind);
    }
    all.push(begin);
    all
}

/// A pattern with the slash that a group begins with before that group; `None` where the group need not begin so.
pub(crate) fn slash_before(pattern: &str, number: u8) -> Option<String> {
    let (mut rest, mut seen) = (pattern, 0);
    while let Some(sign) = rest.chars().next() {
        let behind = &rest[sign.len_utf8()..];
        let is_named = ["?<", "?P<"].iter().any(|begin| behind.starts_with(begin))
            && !behind.starts_with("?<=")
            && !behind.starts_with("?<!");
        let name = match is_named {
            true => behind.find('>').map(|end| behind.split_at(end + 1)),
            false => (!behind.starts_with('?')).then_some(("", behind)),
        };
        if let ('(', Some((name, inner))) = (sign, name) {
            seen += 1;
            if seen == number {
                let inner = inner.strip_prefix('/')?;
                // What may be missing, or come again, has no one beginning.
                let (own, behind) = inner.split_at(end_of_group(inner)?);
                let is_once = !behind[1..].starts_with(['?', '*', '+', '{']);
                let is_plain = is_once && !own.starts_with(['?', '*', '+', '{']) && !has_alternatives(own);
                return is_plain.then(|| format!("{}/({name}{inner}", &pattern[..pattern.len() - rest.len()]));
            }
        }
        rest = behind_sign(sign, behind);
    }
    None
}

/// Where the parenthesis stands that closes a group of which the opening one was read.
fn end_of_group(inner: &str) -> Option<usize> {
    let (mut rest, mut depth) = (inner, 0_u32);
    while let Some(sign) = rest.chars().next() {
        let behind = &rest[sign.len_utf8()..];
        match sign {
            ')' if depth == 0 => return Some(inner.len() - rest.len()),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        rest = behind_sign(sign, behind);
    }
    None
}

/// What stands behind a sign of a pattern, a class or an escape as a whole.
fn behind_sign(sign: char, behind: &str) -> &str {
    match sign {
        '\\' => behind.get(behind.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default(),
        '[' => behind_class(behind),
        _ => behind,
    }
}

/// What stands behind a class of which the opening bracket was read: a closing one that comes first belongs to it.
fn behind_class(inner: &str) -> &str {
    let inner = inner.strip_prefix('^').unwrap_or(inner);
    let mut rest = inner.strip_prefix(']').unwrap_or(inner);
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        match sign {
            ']' => return rest,
            '\\' => rest = rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default(),
            '[' if rest.starts_with(':') => rest = rest.split_once(":]").map_or(rest, |(_, behind)| behind),
            _ => {}
        }
    }
    rest
}

/// A pattern of ours, where PCRE reads it as we do.
pub(crate) fn perl<'p>(pattern: &'p Pattern<'_>) -> Result<&'p str, Why> {
    const OTHER: &str = "its pattern has a sign that PCRE reads otherwise: look at it by hand";
    let text = &*pattern.text;
    let mut in_class = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = after;
        match c {
            '\\' => {
                let Some(next) = after.chars().next() else { return Err(OTHER) };
                // `\p` asks for Unicode, `\z` and `\<` are written otherwise, `\x{…}` is a character there.
                if next.is_ascii_alphanumeric() && !"dDwWsSbBntrfvaxA".contains(next) || "<>".contains(next) {
                    return Err(OTHER);
                }
                rest = &after[next.len_utf8()..];
                if next == 'x' && rest.starts_with('{') {
                    return Err(OTHER);
                }
            }
            '[' if !in_class => in_class = true,
            '[' if !after.starts_with(':') => return Err(OTHER),
            ']' => in_class = false,
            '&' | '~' | '-' if in_class && after.starts_with(c) => return Err(OTHER),
            '(' if !in_class && after.starts_with('?') => {
                let is_plain = after.starts_with("?:") || after.starts_with("?i)") || after.starts_with("?i:");
                if !is_plain && !after.starts_with("?<") && !after.starts_with("?P<") {
                    return Err(OTHER);
                }
            }
            '"' | '\n' | '\r' => return Err("a quote or a line break in a pattern: write it as `\\x22` or `\\n`"),
            c if !c.is_ascii() && in_class => return Err(OTHER),
            _ => {}
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_for_themselves() {
        assert_eq!(fitting(b"/a.b c\"\x01"), "/a\\.b c\\x22\\x01");
        assert_eq!(fitting("/straße".as_bytes()), "/straße");
        assert_eq!(fitting(b"/\xff"), "/\\xff");
        assert_eq!(sent("a b/é"), "a(?:\\+|%20)b(?:/|%2[Ff])%[Cc]3%[Aa]9");
        assert_eq!(globbed("a*.?", "."), "a.*\\..");
    }

    #[test]
    fn values_end_where_nginx_says() {
        for text in ["^[0-9]+$", "^[0-9]+(?:\\n?$)"] {
            assert_eq!(in_pair(text).as_deref(), Ok("[0-9]+"));
        }
        assert!(in_pair("[0-9]+$").is_err());
    }

    #[test]
    fn patterns_of_ours_alone_are_refused() {
        assert!(has_alternatives("a|b") && !has_alternatives(r"(a|b)\|[|]"));
        for text in ["/a[(]|/b", "[](]|b", "[^](]|b", "[[:alpha:](]|b", r"\[(a)|b"] {
            assert!(has_alternatives(text), "{text}");
        }
        for text in ["/a(?x) b", "[a&&b]", r"\pL", "[a[b]]", r"\x{41}"] {
            assert!(perl(&Pattern::own(text)).is_err(), "{text}");
        }
        for text in [r"/(\d+)/(?<name>[^/]+)", "[[:alpha:]]", "(?i)a|b"] {
            assert_eq!(perl(&Pattern::own(text)), Ok(text));
        }
    }

    #[test]
    fn the_slash_of_a_group_stands_before_it() {
        for (pattern, number, made) in [
            ("(/.*)/+", 1, Some("/(.*)/+")),
            ("~/old(?<rest>/[a-z(]+)x", 1, Some("~/old/(?<rest>[a-z(]+)x")),
            ("/(en|de)(/a(b|c))", 2, Some("/(en|de)/(a(b|c))")),
            ("\\(/x(/a)", 1, Some("\\(/x/(a)")),
            ("(?:/x)(/a)?", 1, None),
            ("(/a|b)", 1, None),
            ("(/+a)", 1, None),
            ("(a)", 1, None),
            ("(/a)", 2, None),
        ] {
            assert_eq!(slash_before(pattern, number).as_deref(), made, "{pattern}");
        }
    }
}
