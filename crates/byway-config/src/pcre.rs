//! What PCRE2 would not compile, in its own words: nginx and Apache stop at such a pattern, whatever our engines make of it.
//!
//! A scan from left to right, as PCRE2's own parser goes. What is not known here is let through: an engine says the rest. At what
//! changes how all behind it is read (`\Q`, `(?|`, the options `x` and `J`) the scan ends, and nothing is said.

/// Why PCRE2 refuses a pattern, and from which byte on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

impl Refused {
    /// What to write instead.
    pub(crate) fn help(&self) -> &'static str {
        match self.what {
            what if what.contains("parenthes") => "close each `(` with `)`; for the sign itself write `\\(` or `\\)`",
            what if what.contains("terminating ]") => "close each `[` with `]`; for the sign itself write `\\[`",
            what if what.starts_with("quantifier does not") => {
                "`*`, `+` and `?` repeat what stands before them, and there is nothing: write `.*`, or `\\*` for a star"
            }
            what if what.contains("quantifier") => "write the smaller number first, and none above 65535",
            what if what.contains("range out of order") => "write the smaller sign first, or `\\-` for the sign itself",
            what if what.contains("lookbehind") => {
                "what stands behind `(?<=` must have one length: leave out `*`, `+`, `?`"
            }
            what if what.contains("subpattern name") || what.contains("same name") => {
                "a group's name begins with a letter, ends with `>`, and stands once: `(?<name>…)`"
            }
            what if what.contains("POSIX") => "there are `[:alpha:]`, `[:digit:]`, `[:alnum:]` and their like",
            what if what.contains("end of pattern") => "write `\\\\` for a backslash, or take it out",
            what if what.contains("non-existent") => "count the groups: `\\1` is the first `(…)` of this pattern",
            _ => "for a sign itself write a backslash before it",
        }
    }
}

/// The greatest number in `{…}`.
const MOST_REPEATED: u32 = 65_535;
/// How deep parentheses may stand inside one another (`PARENS_NEST_LIMIT`).
const DEEPEST: usize = 250;

/// Looks at a pattern.
pub(crate) fn refused(pattern: &str) -> Option<Refused> {
    let mut scan = Scan {
        bytes: pattern.as_bytes(),
        at: 0,
        open: Vec::new(),
        names: Vec::new(),
        groups: 0,
        refers: None,
        varies: None,
        may_repeat: false,
    };
    scan.run().err().flatten()
}

/// How long the name of a class is that a text begins with behind its `[`: `:alpha:]`.
pub(crate) fn named_class(text: &str) -> Option<usize> {
    let name = text.strip_prefix(':')?;
    let end = name.find(|sign: char| !sign.is_ascii_alphabetic() && sign != '^')?;
    name[end..].starts_with(":]").then_some(end + 3)
}

/// Looks at a pattern of httpd, which lets a name stand twice (`PCRE2_DUPNAMES`).
pub(crate) fn refused_by_httpd(pattern: &str) -> Option<Refused> {
    refused(pattern).filter(|refused| !refused.what.contains("same name"))
}

/// Why a scan ends before its pattern does: it is refused, or nothing is said of it.
type Stop = Option<Refused>;

/// What a group is to a look-behind around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    /// Its length counts.
    Plain,
    /// It takes nothing, however much it looks at.
    Ahead,
    Behind,
}

struct Scan<'p> {
    bytes: &'p [u8],
    at: usize,
    /// The groups that are open, and where each begins.
    open: Vec<(usize, Group)>,
    names: Vec<&'p [u8]>,
    /// How many groups were opened.
    groups: usize,
    /// The greatest number of a back-reference, and where it stands.
    refers: Option<(usize, usize)>,
    /// The first look-behind with something of no fixed length in it.
    varies: Option<usize>,
    may_repeat: bool,
}

fn refuse<T>(what: &'static str, at: usize) -> Result<T, Stop> {
    Err(Some(Refused { what, at }))
}

impl<'p> Scan<'p> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn run(&mut self) -> Result<(), Stop> {
        while let Some(sign) = self.peek(0) {
            let here = self.at;
            self.at += 1;
            match sign {
                b'\\' => self.escape()?,
                b'^' | b'$' => self.may_repeat = false,
                b'[' => {
                    self.class()?;
                    self.may_repeat = true;
                }
                b'(' => self.group()?,
                b')' => match self.open.pop() {
                    None => return refuse("unmatched closing parenthesis", here),
                    Some(_) => self.may_repeat = true,
                },
                b'|' => self.may_repeat = false,
                b'*' | b'+' | b'?' => self.repeats(here, true)?,
                b'{' => match count(&self.bytes[here..]) {
                    Some((length, least, most)) => {
                        self.at = here + length;
                        let brace = self.at - 1;
                        if least > MOST_REPEATED || most.is_some_and(|most| most > MOST_REPEATED) {
                            return refuse("number too big in {} quantifier", brace);
                        }
                        if most.is_some_and(|most| most < least) {
                            return refuse("numbers out of order in {} quantifier", brace);
                        }
                        self.repeats(brace, most != Some(least))?;
                    }
                    None => self.may_repeat = true,
                },
                _ => self.may_repeat = true,
            }
        }
        match (self.open.is_empty(), self.varies, self.refers) {
            (false, ..) => refuse("missing closing parenthesis", self.bytes.len()),
            (true, Some(at), _) => refuse("lookbehind assertion is not fixed length", at),
            (true, None, Some((number, at))) if number > self.groups => {
                refuse("reference to non-existent subpattern", at)
            }
            _ => Ok(()),
        }
    }

    fn repeats(&mut self, here: usize, varies: bool) -> Result<(), Stop> {
        if !self.may_repeat {
            return refuse("quantifier does not follow a repeatable item", here);
        }
        if varies {
            self.has_no_length();
        }
        // Lazy and possessive.
        if matches!(self.peek(0), Some(b'?' | b'+')) {
            self.at += 1;
        }
        // What was repeated may be repeated no more, but by a group around it.
        self.may_repeat = false;
        Ok(())
    }

    /// Something of no fixed length: a look-behind around it may not hold it.
    fn has_no_length(&mut self) {
        let around = self.open.iter().rev().find(|(_, group)| *group != Group::Plain);
        if let (Some((begin, Group::Behind)), None) = (around, self.varies) {
            self.varies = Some(*begin);
        }
    }

    /// Behind a backslash.
    fn escape(&mut self) -> Result<(), Stop> {
        let Some(sign) = self.peek(0) else { return refuse("\\ at end of pattern", self.at) };
        if let (b'1'..=b'9', false) = (sign, self.peek(1).is_some_and(|next| next.is_ascii_digit())) {
            let number = usize::from(sign - b'0');
            if self.refers.is_none_or(|(most, _)| number > most) {
                self.refers = Some((number, self.at));
            }
        }
        self.at += 1;
        match sign {
            b'Q' => return Err(None),
            // It ends what did not begin, and is not there.
            b'E' => return Ok(()),
            // Whatever follows is part of it.
            b'c' => self.at += 1,
            b'R' | b'X' => self.has_no_length(),
            _ => self.at = behind_name(self.bytes, self.at, sign),
        }
        self.may_repeat = !b"bBAzZGK".contains(&sign);
        Ok(())
    }

    fn class(&mut self) -> Result<(), Stop> {
        let open_end = || refuse("missing terminating ] for character class", self.bytes.len());
        let mut at = self.at + usize::from(self.peek(0) == Some(b'^'));
        let mut first = true;
        // The last single sign, which may begin a range; 0 where it is not known.
        let mut last: Option<u8> = None;
        let mut ends_range = false;
        loop {
            let Some(&sign) = self.bytes.get(at) else { return open_end() };
            match sign {
                b']' if !first => break,
                b'[' if self.bytes.get(at + 1) == Some(&b':') => {
                    let rest = &self.bytes[at + 2..];
                    let end = memchr::memmem::find(rest, b":]");
                    let name = end.map(|end| &rest[..end]);
                    if let (Some(end), Some(name)) = (end, name)
                        && name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'^')
                    {
                        let bare = name.strip_prefix(b"^").unwrap_or(name);
                        if !POSIX.iter().any(|known| known.as_bytes() == bare) {
                            return refuse("unknown POSIX class name", at + 2);
                        }
                        at += 2 + end + 2;
                        last = None;
                    } else {
                        at += 1;
                        last = Some(b'[');
                    }
                }
                b'\\' => {
                    let Some(&next) = self.bytes.get(at + 1) else { return refuse("\\ at end of pattern", at + 1) };
                    if next == b'Q' {
                        return Err(None);
                    }
                    at = behind_name(self.bytes, at + 2, next);
                    at += match next {
                        b'c' => 1,
                        b'x' => digits(&self.bytes[at..], 2, u8::is_ascii_hexdigit),
                        b'0'..=b'9' => digits(&self.bytes[at..], 2, u8::is_ascii_digit),
                        _ => 0,
                    };
                    last = match next {
                        _ if b"dDsSwWhHvVNRXpPE".contains(&next) => None,
                        _ if next.is_ascii_alphanumeric() => Some(0),
                        _ => Some(next),
                    };
                }
                // The end of a range that is not judged.
                b'-' if last.is_some() && matches!(self.bytes.get(at + 1), Some(b'\\' | b'[')) => {
                    at += 1;
                    first = false;
                    ends_range = true;
                    continue;
                }
                b'-' if last.is_some() && !matches!(self.bytes.get(at + 1), None | Some(b']')) => {
                    let end = self.bytes[at + 1];
                    if end < 0x80 && last.is_some_and(|begin| begin < 0x80 && begin > end) {
                        return refuse("range out of order in character class", at + 1);
                    }
                    at += 2;
                    last = None;
                }
                sign => {
                    at += 1;
                    last = Some(sign);
                }
            }
            first = false;
            if std::mem::take(&mut ends_range) {
                last = None;
            }
        }
        self.at = at + 1;
        Ok(())
    }

    fn group(&mut self) -> Result<(), Stop> {
        if self.open.len() >= DEEPEST {
            return refuse("parentheses are too deeply nested", self.at);
        }
        let could_repeat = std::mem::replace(&mut self.may_repeat, false);
        let begin = self.at - 1;
        let mut group = Group::Plain;
        match (self.peek(0), self.peek(1), self.peek(2)) {
            // Something asserted, by its name in letters.
            (Some(b'*'), Some(b'a'..=b'z'), _) => return Err(None),
            (Some(b'*'), ..) => {
                // A verb: what stands in it is a name.
                let end = memchr::memchr(b')', &self.bytes[self.at..]);
                self.at = end.map_or(self.bytes.len(), |end| self.at + end);
            }
            (Some(b'?'), Some(b'#'), _) => {
                let Some(end) = memchr::memchr(b')', &self.bytes[self.at..]) else {
                    return refuse("missing ) after (?# comment", self.bytes.len());
                };
                self.at += end + 1;
                self.may_repeat = could_repeat;
                return Ok(());
            }
            (Some(b'?'), Some(b'<'), Some(b'=' | b'!' | b'*')) => {
                group = Group::Behind;
                self.at += 3;
            }
            (Some(b'?'), Some(b'=' | b'!' | b'*'), _) => {
                group = Group::Ahead;
                self.at += 2;
            }
            (Some(b'?'), Some(b'<' | b'\''), _) => {
                self.groups += 1;
                self.name(2)?;
            }
            (Some(b'?'), Some(b'P'), Some(b'<')) => {
                self.groups += 1;
                self.name(3)?;
            }
            (Some(b'?'), Some(b'('), next) => self.condition(next),
            // Its groups are numbered and named in a way of their own.
            (Some(b'?'), Some(b'|'), _) => return Err(None),
            // A call, or a group as any.
            (Some(b'?'), Some(b'P' | b':' | b'>' | b'&' | b'R' | b'C' | b'+'), _) => self.at += 2,
            (Some(b'?'), Some(b'-'), Some(b'0'..=b'9')) => self.at += 2,
            (Some(b'?'), Some(sign), _) if sign.is_ascii_digit() => self.at += 1,
            (Some(b'?'), ..) => return self.options(),
            _ => self.groups += 1,
        }
        self.open.push((begin, group));
        Ok(())
    }

    /// Behind `(?(`: a number or a name is passed over, something that is asserted is a group like others.
    fn condition(&mut self, next: Option<u8>) {
        self.at += 1;
        if !matches!(next, Some(b'?' | b'*')) {
            let end = memchr::memchr(b')', &self.bytes[self.at..]);
            self.at = end.map_or(self.bytes.len(), |end| self.at + end + 1);
        }
    }

    /// Letters of options behind `(?`: for the rest of the group around, or for a group of their own.
    fn options(&mut self) -> Result<(), Stop> {
        let begin = self.at - 1;
        self.at += 1;
        while self.peek(0).is_some_and(|sign| b"imsxnJUa-^".contains(&sign)) {
            self.at += 1;
        }
        // Blanks that count for nothing, comments, names that may stand twice.
        if self.bytes[begin..self.at].iter().any(|sign| b"xJ".contains(sign)) {
            return Err(None);
        }
        match self.peek(0) {
            Some(b')') => self.at += 1,
            Some(b':') => {
                self.at += 1;
                self.open.push((begin, Group::Plain));
            }
            None => return refuse("missing closing parenthesis", self.bytes.len()),
            Some(_) => return refuse("unrecognized character after (? or (?-", self.at),
        }
        Ok(())
    }

    /// A name, so many bytes ahead.
    fn name(&mut self, ahead: usize) -> Result<(), Stop> {
        let begin = self.at + ahead;
        let end = if self.bytes.get(begin - 1) == Some(&b'\'') { b'\'' } else { b'>' };
        let rest = self.bytes.get(begin..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        match rest.first() {
            Some(sign) if sign.is_ascii_digit() => return refuse("subpattern name must start with a non-digit", begin),
            _ if length == 0 => return refuse("subpattern name expected", begin),
            _ => {}
        }
        if rest.get(length) != Some(&end) {
            return refuse("syntax error in subpattern name (missing terminator?)", begin + length);
        }
        let name = &rest[..length];
        if self.names.contains(&name) {
            return refuse("two named subpatterns have the same name (PCRE2_DUPNAMES not set)", begin + length + 1);
        }
        self.names.push(name);
        self.at = begin + length + 1;
        Ok(())
    }
}

const POSIX: [&str; 14] = [
    "alpha", "lower", "upper", "alnum", "ascii", "blank", "cntrl", "digit", "graph", "print", "punct", "space", "word",
    "xdigit",
];

/// `{3}`, `{3,}` or `{3,5}` at the beginning of a text: its length and its numbers. Anything else is text.
fn count(text: &[u8]) -> Option<(usize, u32, Option<u32>)> {
    let end = memchr::memchr(b'}', text.get(..32.min(text.len()))?)?;
    let inner = std::str::from_utf8(&text[1..end]).ok()?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u32>().unwrap_or(u32::MAX))
    };
    let (least, most) = match inner.split_once(',') {
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
        None => (number(inner)?, Some(number(inner)?)),
    };
    Some((end + 1, least, most))
}

/// The place behind what an escape by this letter has in brackets, if anything.
fn behind_name(bytes: &[u8], at: usize, letter: u8) -> usize {
    let end = match bytes.get(at) {
        Some(b'{') if b"xogkNpP".contains(&letter) => b'}',
        Some(b'<') if b"gk".contains(&letter) => b'>',
        Some(b'\'') if b"gk".contains(&letter) => b'\'',
        _ => return at,
    };
    memchr::memchr(end, &bytes[at + 1..]).map_or(at, |length| at + length + 2)
}

/// How many bytes at the beginning of a text are digits, at most so many.
fn digits(text: &[u8], most: usize, is_digit: fn(&u8) -> bool) -> usize {
    text.iter().take(most).take_while(|byte| is_digit(byte)).count()
}

/// How many groups a pattern numbers, where it can be known.
pub(crate) fn groups(pattern: &str) -> Option<usize> {
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build();
    { parser }.parse(pattern).ok().map(|hir| hir.properties().explicit_captures_len())
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn patterns_that_pcre_refuses_are_refused_in_its_words() {
        for (pattern, what, rest) in [
            ("^/a(b", "missing closing parenthesis", ""),
            ("a)b", "unmatched closing parenthesis", ")b"),
            ("^/a[b", "missing terminating ] for character class", ""),
            ("[", "missing terminating ] for character class", ""),
            ("[]", "missing terminating ] for character class", ""),
            ("*a", "quantifier does not follow a repeatable item", "*a"),
            ("a|*", "quantifier does not follow a repeatable item", "*"),
            ("(+a)", "quantifier does not follow a repeatable item", "+a)"),
            ("^/[z-a]$", "range out of order in character class", "a]$"),
            ("(?<=a{2,3})x", "lookbehind assertion is not fixed length", "(?<=a{2,3})x"),
            ("x(?<=(?<=a*))b", "lookbehind assertion is not fixed length", "(?<=a*))b"),
            (r"(?<=a|\R)b", "lookbehind assertion is not fixed length", r"(?<=a|\R)b"),
            (r"[\x2f-9z-a]", "range out of order in character class", "a]"),
            ("(?<=a+)b", "lookbehind assertion is not fixed length", "(?<=a+)b"),
            ("(?<1a>b)", "subpattern name must start with a non-digit", "1a>b)"),
            ("[[:foo:]]", "unknown POSIX class name", "foo:]]"),
            ("^*a", "quantifier does not follow a repeatable item", "*a"),
            ("a**", "quantifier does not follow a repeatable item", "*"),
            ("a{2}{3}", "quantifier does not follow a repeatable item", "}"),
            ("(?i)*", "quantifier does not follow a repeatable item", "*"),
            (r"\b*", "quantifier does not follow a repeatable item", "*"),
            ("(?z)", "unrecognized character after (? or (?-", "z)"),
            ("(?i-", "missing closing parenthesis", ""),
            (r"(a)\2", "reference to non-existent subpattern", "2"),
            ("^/a{3,1}", "numbers out of order in {} quantifier", "}"),
            ("a{70000}", "number too big in {} quantifier", "}"),
            ("a\\", "\\ at end of pattern", ""),
            ("(?<a>x)(?<a>y)", "two named subpatterns have the same name (PCRE2_DUPNAMES not set)", "y)"),
        ] {
            let found = refused(pattern).unwrap_or_else(|| panic!("{pattern} is refused"));
            assert_eq!((found.what, &pattern[found.at..]), (what, rest), "{pattern}");
        }
    }

    #[test]
    fn httpd_lets_a_name_stand_twice() {
        assert_eq!(super::refused_by_httpd("(?<a>x)(?<a>y)"), None);
        assert!(super::refused_by_httpd("(?<a>x)(").is_some());
    }

    #[test]
    fn what_pcre_takes_is_let_through() {
        for pattern in [
            "",
            "(?=a)*",
            r"\x{41}*",
            r"\o{101}*",
            r"(a)\g{1}*",
            r"(a)\g<+1>(b)",
            r"(?<n>a)\k{n}+",
            r"\p{L}*",
            r"\c*",
            r"a\E*",
            "(?<=[]+])b",
            "(?<=[^]+])b",
            "(?<=[[:alpha:]+])b",
            "(?<=a(?=b*))c",
            "(?<!a(?!b+))c",
            "(?<=a(?#*))b",
            r"(?<=\Q+\E)b",
            "(?<=a{2})b",
            "(?|(?<a>x)|(?<a>y))",
            "(?J)(?<a>x)(?<a>y)",
            "(a)(?-1)",
            "(a)(?+1)(b)",
            "(?x)a # (",
            "(*pla:(a))b",
            "(?<*a)b",
            r"[\x2f-9]",
            r"[\x2f-9-+]",
            r"[\x{41}-Z]",
            r"[\07-+]",
            r"[!-\]-+]",
            "a(?#x)*",
            "(?:a)?",
            "[]*(]+",
            "[^](]",
            r"\(a",
            "(?<n>x)+",
            "a{2}",
            "a{b}",
            "a{,3}",
            "()",
            "(|a)",
            "[[:alpha:]*]",
            "(?i)^/a",
            "(?i:a)b",
            "(?=a)*",
            "(?!/old)a",
            "(?<!a)b",
            "(?<=a|bc)d",
            "a++",
            "a*?",
            "[a-]",
            "[-a]",
            r"[\d-z]",
            "[+--]",
            "(?P<x>a)",
            "(?P=x)",
            "(?>a+)b",
            "(?|a|b)",
            r"\Q*(\E",
            "(*ANYCRLF)a",
            "(?#x)a",
            "(a)(?(1)a|b)",
            r"(a)\1",
            "(?R)?",
            "()*",
            "[a[:digit:]b]",
            "[é-ü]",
            "x{0,65535}",
            r"[\]]a",
            "a?b",
            "(?<a>.)(?<b>.)",
        ] {
            assert_eq!(refused(pattern), None, "{pattern}");
        }
    }
}
