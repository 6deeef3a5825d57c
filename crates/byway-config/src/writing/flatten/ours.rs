//! What byway's own files say of a rule that asks for more than they have: pairs of a query in place of the whole query, and an
//! exception in place of a path that is left alone.

use byway_core::condition::{Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::source::{PathPattern, Source};
use byway_core::target::{Part, Piece, What};

use super::Why;
use super::conditions::{asks_path, asks_query, in_our_words, made};
use super::paths::{TWO, path_text};
use crate::formats::apache::asks_for_file;
use crate::writing::own::{Does, OwnRule};
use crate::writing::perl;
use crate::writing::rank::{Region, region};

/// Why a rule about the query is not quite that.
const BESIDE: &str = "byway finds a pair of the query wherever it stands, whatever stands beside it";

const FILES: &str = "byway does not look into the document root: files and folders are taken not to be there";

/// The rules in place of one, and why they are not quite it.
pub(super) type Ours<'s> = (Vec<OwnRule<'s>>, Option<Why>);

/// A rule as our own files can say it. `is_taken` says whether rules behind it may fit a region; `at` writes a path at its host.
pub(super) fn ours<'s>(
    rule: &OwnRule<'s>,
    is_taken: &dyn Fn(&Region) -> bool,
    at: &dyn Fn(&str) -> String,
) -> Result<Ours<'s>, Why> {
    let source = Source::parse(&rule.from).map_err(|_| "its host and path make no `from` that byway.toml can hold")?;
    let own = region(&source);
    let mut out = OwnRule { conditions: Vec::new(), ours: None, ..rule.again() };
    let (mut exceptions, mut why) = (Vec::new(), None);
    let conditions = rule.conditions.iter().map(in_our_words).collect::<Result<Vec<_>, _>>()?;
    for (turn, condition) in conditions.iter().enumerate() {
        let is_last = turn + 1 == rule.conditions.len();
        match &condition.subject {
            _ if asks_for_file(condition).is_some() => {
                match condition.negate {
                    true => why = Some(FILES.into()),
                    false => return Err(
                        "it asks for a file that is there, and byway does not look into the document root of a server"
                            .into(),
                    ),
                }
            }
            Subject::Of { .. } => out.conditions.push(condition.clone()),
            Subject::Text(pieces) if asks_query(pieces) => {
                let pairs = Pairs::of(&condition.test, condition.negate)?;
                why = Some(BESIDE.into());
                if let (Does::Redirect { to, .. }, true) = (&mut out.does, is_last && !condition.negate) {
                    *to = pairs.target(to)?;
                }
                for pair in pairs.0 {
                    out.conditions.push(made("query", &pair.name, pair.test, condition.negate)?);
                }
            }
            Subject::Text(pieces) if asks_path(pieces) && condition.negate => {
                let text = left_path(&condition.test)?;
                let from = at(&text);
                let left = region(&Source::parse(&from).map_err(|_| PATTERN)?);
                if !left.may_meet(&own) || are_apart(&text, &rule.from) {
                    continue;
                }
                if is_taken(&left) {
                    return Err(format!("it leaves `{text}` to the rules behind it, and an exception of byway.toml leaves it to none: write those rules with the path that they are for").into());
                }
                let does = Does::Pass;
                exceptions.push(OwnRule { from, does, priority: rule.priority + 1, ..out.again_bare() });
            }
            Subject::Text(pieces) if asks_path(pieces) => {
                out.from = in_folder(&out.from, &condition.test).ok_or(TWO)?;
                why = Some(FOLDER.into());
            }
            Subject::Text(pieces) => return Err(other(pieces).into()),
        }
    }
    exceptions.push(out);
    Ok((exceptions, why))
}

const FOLDER: &str = "its pattern is for the whole path, and is looked for below its folder alone";

/// A source whose pattern is found anywhere, below a folder; nothing where either is another.
fn in_folder(from: &str, test: &Test) -> Option<String> {
    let Test::Regex(pattern) = test else { return None };
    let folder = pattern.text.strip_prefix('^').filter(|text| is_folder(text))?;
    let (before, rest) = from.split_once("~.*")?;
    let folder = if rest.starts_with('/') { folder.trim_end_matches('/') } else { folder };
    Some(format!("{before}~{folder}.*{rest}"))
}

/// Whether two sources begin with texts of which neither goes on with the other.
fn are_apart(one: &str, other: &str) -> bool {
    let begin = |text: &str| {
        let path =
            text.find("//").map_or(text, |at| text[at + 2..].find(['/', '~']).map_or("", |end| &text[at + 2 + end..]));
        let text = path.strip_prefix('~').unwrap_or(path);
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_".contains(byte);
        let len = text.bytes().take_while(|byte| is_plain(byte)).count();
        // What a sign of repetition stands behind may be missing, and what stands before `|` is one of several.
        match text.as_bytes().get(len) {
            _ if perl::has_alternatives(text) || path.starts_with("~*") => String::new(),
            Some(b'?' | b'*' | b'{') => text[..len.saturating_sub(1)].to_owned(),
            _ => text[..len].to_owned(),
        }
    };
    let (one, other) = (begin(one), begin(other));
    !one.starts_with(&other) && !other.starts_with(&one)
}

const PATTERN: &str = "a pattern for paths that byway.toml cannot hold";

/// Why a text is not asked for.
fn other(pieces: &[Piece<'_>]) -> &'static str {
    let has_request = pieces.iter().any(|piece| matches!(piece.what, What::Part(Part::PathAndQuery)));
    match (pieces.len(), has_request) {
        (1, true) => {
            "it compares path and query as one text: write `from` with the path, and the pairs of the query behind `?`"
        }
        (_, true) => {
            "it asks for the request line (`THE_REQUEST`): byway sees the path as it was sent anyway, so that `from` with that path is enough"
        }
        _ => {
            "it compares a pattern with path or query of the request, which byway.toml asks for in `from` and `when.query`"
        }
    }
}

/// A path that is left alone, as a source.
fn left_path(test: &Test) -> Result<String, Why> {
    let (path, case) = match test {
        Test::Is(text) => (PathPattern::Exact(text.clone().into_bytes().into()), LetterCase::Significant),
        Test::Regex(pattern) => {
            let begin = pattern
                .text
                .strip_prefix('^')
                .filter(|rest| is_folder(rest) && pattern.case == LetterCase::Significant);
            if let Some(folder) = begin {
                return Ok(format!("{}/*", folder.trim_end_matches('/').replace("\\.", ".")));
            }
            (PathPattern::Regex(pattern.clone()), pattern.case)
        }
        _ => return Err(PATTERN.into()),
    };
    path_text(&path, case, "", false)
}

/// Whether a pattern is a folder with its slash and nothing else.
fn is_folder(text: &str) -> bool {
    let plain = text.replace("\\.", "");
    let is_plain = plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte));
    is_plain && text.len() > 1 && text.starts_with('/') && text.ends_with('/')
}

/// Pairs of a query that must all be there.
struct Pairs(Vec<Pair>);

struct Pair {
    name: String,
    test: Test,
    /// The groups of the whole pattern that stand in its value: the first, how many, and whether the one is the whole value.
    first: usize,
    groups: usize,
    is_whole: bool,
}

const QUERY: &str =
    "it compares the query as one text, and byway.toml asks for pairs by name: write `when = { query = { NAME = … } }`";

impl Pairs {
    fn of(test: &Test, negate: bool) -> Result<Pairs, Why> {
        let one = |name: &str, test: Test| Pair { name: name.to_owned(), test, first: 1, groups: 0, is_whole: false };
        let pairs = match test {
            Test::Is(text) if text.is_empty() => return Err(EMPTY.into()),
            Test::Is(text) => {
                let pairs = text.split('&').map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    one(name, Test::Is(value.to_owned()))
                });
                pairs.collect()
            }
            Test::Regex(pattern) if matches!(&*pattern.text, "^$" | "." | ".+" | "^.+$" | "^.") => {
                return Err(EMPTY.into());
            }
            Test::Regex(pattern) => {
                let flags = if pattern.case == LetterCase::Ignored { "(?i)" } else { "" };
                let (rest, mut group, is_begun) = begun(&pattern.text);
                let (rest, is_ended) = ended(rest);
                let texts = split(rest);
                if texts.len() > 1 && !(is_begun && is_ended) {
                    return Err(QUERY.into());
                }
                let mut pairs = Vec::new();
                for text in texts {
                    let (name, value) = text.split_once('=').ok_or(QUERY)?;
                    if name.is_empty()
                        || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
                    {
                        return Err(QUERY.into());
                    }
                    pairs.push(pair(name, value, flags, is_ended, &mut group)?);
                }
                pairs
            }
            _ => return Err(QUERY.into()),
        };
        match pairs.len() {
            0 => Err(QUERY.into()),
            2.. if negate => Err(QUERY.into()),
            _ => Ok(Pairs(pairs)),
        }
    }

    /// A target with the values of pairs where it had groups of the query.
    fn target(&self, to: &str) -> Result<String, Why> {
        let mut out = to.to_owned();
        for number in (1..=9_usize).filter(|number| to.contains(&format!("{{when.{number}}}"))) {
            let pair =
                self.0.iter().find(|pair| (pair.first..pair.first + pair.groups).contains(&number)).ok_or(QUERY)?;
            let new = match (pair.is_whole, self.0.len()) {
                (true, _) => format!("{{query.{}}}", pair.name),
                (false, 1) => format!("{{when.{}}}", number + 1 - pair.first),
                _ => return Err(QUERY.into()),
            };
            out = out.replace(&format!("{{when.{number}}}"), &new);
        }
        Ok(out)
    }
}

const EMPTY: &str = "it asks whether there is a query at all, which byway.toml does not: name the pairs that are meant";

/// What stands behind the beginning of a pair, the number of the next group, and whether the query begins there.
fn begun(pattern: &str) -> (&str, usize, bool) {
    for begin in ["(^|&)", "(&|^)"] {
        if let Some(rest) = pattern.strip_prefix(begin) {
            return (rest, 2, false);
        }
    }
    for begin in ["(?:^|&)", "(?:&|^)", "\\b"] {
        if let Some(rest) = pattern.strip_prefix(begin) {
            return (rest, 1, false);
        }
    }
    let rest = pattern.strip_prefix('^').unwrap_or(pattern);
    (rest, 1, rest.len() < pattern.len())
}

/// What stands before the end of a pair, and whether there is one.
fn ended(pattern: &str) -> (&str, bool) {
    for end in ["(&|$)", "($|&)", "(?:&|$)", "(?:$|&)", "(&.*)?$", "(?:&.*)?$", "(&.*|)$", "&?$", "\\b"] {
        if let Some(rest) = pattern.strip_suffix(end) {
            return (rest, true);
        }
    }
    match pattern.strip_suffix('$').filter(|rest| !rest.ends_with('\\')) {
        Some(rest) => (rest, true),
        None => (pattern, false),
    }
}

/// The pairs of a pattern.
fn split(pattern: &str) -> Vec<&str> {
    let (mut out, mut depth, mut from) = (Vec::new(), 0_i32, 0);
    let mut in_class = false;
    let mut is_escaped = false;
    for (at, byte) in pattern.bytes().enumerate() {
        match byte {
            _ if std::mem::take(&mut is_escaped) => {}
            b'\\' => is_escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => depth += 1,
            b')' if !in_class => depth -= 1,
            b'&' if depth == 0 && !in_class => {
                out.push(&pattern[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(&pattern[from..]);
    out
}

fn pair(name: &str, value: &str, flags: &str, is_ended: bool, group: &mut usize) -> Result<Pair, Why> {
    let first = *group;
    let groups = value.matches('(').count() - value.matches("(?").count() - value.matches("\\(").count();
    *group += groups;
    let inner =
        value.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).filter(|inner| !inner.contains(['(', ')']));
    let bare = inner.unwrap_or(value);
    let is_plain = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let any = matches!(bare, ".*" | "[^&]*");
    let some = matches!(bare, ".+" | "[^&]+" | "[^&]+?" | ".+?");
    let (test, is_whole) = match (is_plain && is_ended, any, some) {
        (true, ..) => (Test::Is(bare.to_owned()), true),
        (_, true, _) => (Test::Present, true),
        (_, _, true) => (Test::regex("."), true),
        _ if perl::has_alternatives(value) => return Err(QUERY.into()),
        _ => {
            let end = if is_ended { "$" } else { "" };
            (Test::regex(&format!("{flags}^{value}{end}")), is_ended)
        }
    };
    Ok(Pair { name: name.to_owned(), test, first, groups, is_whole: is_whole && inner.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_begin_otherwise_are_apart() {
        for (one, other, apart) in [
            ("~/legal.*", "~/blog/(.*)", true),
            ("~/legal.*", "~/.*", false),
            ("/a/*", "//a.test/ab", false),
            ("/b", "https://a.test:81/a", true),
            ("~/ab?", "/a", false),
            ("~/a|/b", "/b", false),
        ] {
            assert_eq!(are_apart(one, other), apart, "{one} {other}");
        }
    }

    #[test]
    fn pairs_are_found_in_patterns_for_a_query() {
        let target = |pattern: &str, to: &str| match Pairs::of(&Test::regex(pattern), false) {
            Ok(pairs) => pairs.target(to).unwrap_or_else(|why| why.into_owned()),
            Err(why) => why.into_owned(),
        };
        for (pattern, to, made) in [
            ("^id=(\\d+)$", "/i/{when.1}", "/i/{query.id}"),
            ("(^|&)p=([^&]+)(&|$)", "/i/{when.2}", "/i/{query.p}"),
            ("(?:^|&)cat=([^&]+)", "/c/{when.1}", "/c/{query.cat}"),
            ("^a=(\\d+)&b=(\\w+)$", "/{when.2}/{when.1}", "/{query.b}/{query.a}"),
            ("^id=(\\d+)", "/i/{when.1}", "/i/{when.1}"),
            ("^id=x(\\d+)$", "/i/{when.1}", "/i/{when.1}"),
            ("^$", "/", EMPTY),
            ("^(a|b)$", "/", QUERY),
        ] {
            assert_eq!(target(pattern, to), made, "{pattern}");
        }
    }
}
