//! One rule of mod_rewrite as rules of the core: its pattern, its conditions, and what it does in the state it is reached in.
// Long because what a rule sees and what it writes depend on the same place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE_B, APACHE_B_NE, APACHE_NE, APACHE_REWRITE, Dialect, LetterCase, QueryPolicy};
use byway_core::source::{PathPattern, Source};
use byway_core::target::{Landing, Part, Piece, What};

use super::beginnings::{Beginning, Standing, beginnings};
use super::cond::{self, Disk};
use super::expand::{self, Escaping, Known, Placed, Token, Unplaced, tokens};
use super::maps::{self, Map};
use super::pattern::{Shape, pattern, shape};
use super::rebase::rebased;
use super::rule::RewriteRule;

/// The slot that keeps the path of a round's beginning.
pub(super) const URI: u16 = 0;
/// The slot that keeps what stands behind the first name that is no folder: httpd hangs it on whatever a rule writes, while
/// further rules look at it.
pub(super) const INFO: u16 = 1;
/// The slot that keeps what a rule wrote, without that.
pub(super) const FILE: u16 = 2;
/// The slot that says whether a rule that made a URL and went on wrote its query too: then it is escaped, else it is as it came.
pub(super) const WROTE_QUERY: u16 = 3;

/// The slot that keeps the name of the file that is asked for: the first name that is no folder.
pub(super) const NAME: u16 = 4;
/// The slot that keeps the path up to that name.
pub(super) const DISK: u16 = 5;
/// The slot that keeps the path of the URL where the working path is one of the disk.
pub(super) const HERE: u16 = 6;
/// The slot that keeps the deepest folder that is there, with its slash.
pub(super) const FOLDER: u16 = 7;
/// The slot that says whether a URL that a rule had made was taken back: `s`, and `1` where httpd has begun anew since. There it
/// answers the status that the rule gave, without a Location, whatever another module has to say.
pub(super) const TAKEN: u16 = 8;
/// The slot that keeps the path of a round's beginning while httpd asks of itself for another.
pub(super) const ASKER: u16 = 9;
/// The slots that keep what a rule hands to maps that change a text; the first four of them begin as the path does.
pub(super) const KEYS: Range<u16> = 10..18;
/// How many of those begin as the path does.
pub(super) const KEYS_OF_PATH: u16 = 4;
/// The slot that says for which status a page of the server's own is asked for, `-` where it is that of a file.
pub(super) const ERROR: u16 = 18;
/// The slot that keeps what a rule of a folder wrote of an index that httpd asks of itself for, and the same for `[END]`.
pub(super) const WROTE: u16 = 19;
pub(super) const WROTE_FOR_GOOD: u16 = 20;
/// The slot that keeps the path that a folder's rules began with.
pub(super) const BEGAN: u16 = 21;
/// The slot that keeps the folder that is asked for its index, and the one that keeps the folder whose index was found.
pub(super) const INDEXED: u16 = 22;
pub(super) const FOUND: u16 = 23;
/// The slot that counts how often httpd has begun anew, by its length.
pub(super) const ROUNDS: u16 = 24;
/// The slot that keeps whether the engine runs in sections that do not say so.
pub(super) const ENGINE: u16 = 25;
/// The slot that keeps the file that folders and sections are asked for, where the server's own rules may have written it.
pub(super) const ORIGIN: u16 = 26;
/// The first slot of those that variables have.
const FIRST_NAME: u16 = ORIGIN + 1;
/// What stands for the root of the machine's disk where a rule of a server has written that: no path of the document root does.
pub(super) const MACHINE: &str = "*";
/// What the name of a variable begins with that stands for a text so changed: no name in a file does.
pub(super) const CHANGED: char = '\u{1}';

/// Why a rule of a section cannot be said.
pub(super) const NO_ROOT: &str = "rules in a section see the path of the file on the disk, and no document root is known (`--root DIR`, or write `RewriteRule ^` with `%{REQUEST_URI}`)";

/// Where rules stand, and what is known there.
#[derive(Clone, Debug)]
pub(super) struct Around<'l> {
    /// The folder whose part is taken off; none in a server.
    pub(super) folder: Option<&'l str>,
    /// Whether that is the name of a section, in which the path of the file on the disk is seen.
    pub(super) is_section: bool,
    /// Whether httpd asks of itself: with GET, whatever the method was.
    pub(super) is_asked: bool,
    /// Whether the query that came is asked for, whatever a rule has written since.
    pub(super) has_turned: bool,
    /// Whether it was looked up which file is meant.
    pub(super) has_disk: bool,
    /// Whether the path as it came is in its slot from the beginning.
    pub(super) keeps_uri: bool,
    /// `RewriteBase`.
    pub(super) base: Option<&'l str>,
    /// The document root, without a slash at its end.
    pub(super) root: Option<&'l str>,
    /// Whether the rules are read for another server, in whose URLs no path of this machine stands.
    pub(super) is_for_another: bool,
    /// Host and port of `ServerName`.
    pub(super) name: Option<(&'l str, Option<u16>)>,
    pub(super) is_canonical: bool,
    pub(super) names: &'l Names,
    pub(super) disk: &'l Disk,
    pub(super) maps: &'l BTreeMap<String, Rc<Map>>,
    /// Whether a rule before has written what httpd takes for the whole path of a file: a URL, or a path of the server.
    pub(super) is_astray: bool,
}

/// Variables of the environment that the rules set; httpd does not tell large letters in their names from small ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    slots: BTreeMap<String, u16>,
    /// The values that a variable is given, where all are plain texts.
    values: BTreeMap<String, Option<Vec<String>>>,
}

impl Names {
    pub(super) fn slot(&mut self, name: &str) -> u16 {
        let next = self.slots.len() as u16 + FIRST_NAME;
        *self.slots.entry(name.to_ascii_uppercase()).or_insert(next)
    }

    pub(super) fn known(&self, name: &str) -> Option<u16> {
        self.slots.get(&name.to_ascii_uppercase()).copied()
    }

    /// The values of a variable that has a slot; none within where the request chooses them.
    pub(super) fn values(&self, name: &str) -> Option<&Option<Vec<String>>> {
        self.values.get(&name.to_ascii_uppercase())
    }

    /// All, in the order of their names.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, u16)> {
        self.slots.iter().map(|(name, slot)| (name.as_str(), *slot))
    }

    pub(super) fn note(&mut self, name: &str, value: &[Token]) {
        self.slot(name);
        let values = self.values.entry(name.to_ascii_uppercase()).or_insert_with(|| Some(Vec::new()));
        match (value, values) {
            (_, None) => {}
            ([], Some(values)) => values.push(String::new()),
            ([Token::Text(text)], Some(values)) => values.push(text.clone()),
            (_, values) => *values = None,
        }
    }
}

/// A rule made ready: what it is for, and on what conditions.
pub(super) struct Ready {
    pub(super) source: Source<'static>,
    pub(super) conditions: Vec<Condition>,
    /// Why it is not quite what httpd does.
    pub(super) approximates: Option<&'static str>,
    groups: Groups,
}

/// How `$0` to `$9` are taken.
#[derive(Clone, Debug)]
enum Groups {
    /// By number, the first `n` of them; shifted by one where the whole was made a group.
    Captures { count: u8, shift: u8 },
    /// The whole is this text and there are no others.
    Fixed(String),
    /// The whole is this text and the first capture of the source.
    Begins(String, bool),
}

impl Groups {
    fn take(&self, number: u8) -> Vec<Known> {
        match self {
            Groups::Captures { shift: 1, .. } if number == 0 => vec![Known::Insert(What::Capture(0))],
            Groups::Captures { count, shift } if number > 0 && number <= *count => {
                vec![Known::Insert(What::Capture(number - 1 + shift))]
            }
            Groups::Fixed(text) if number == 0 => vec![Known::Text(text.clone())],
            Groups::Begins(text, _) if number == 0 => {
                vec![Known::Text(text.clone()), Known::Insert(What::Capture(0))]
            }
            Groups::Begins(_, true) if number == 1 => vec![Known::Insert(What::Capture(0))],
            _ => Vec::new(),
        }
    }
}

/// The row that a rule lives by.
pub(super) fn dialect(rule: &RewriteRule) -> &'static Dialect {
    match (rule.flags.escape_captures, rule.flags.noescape) {
        (true, true) => &APACHE_B_NE,
        (true, false) => &APACHE_B,
        (false, true) => &APACHE_NE,
        (false, false) => &APACHE_REWRITE,
    }
}

/// Whether a rule is the last of its list that is run.
pub(super) fn stops(rule: &RewriteRule) -> bool {
    rule.flags.last || rule.flags.end || rule.flags.passes_on
}

/// Whether a rule changes the path or sends away.
pub(super) fn substitutes(rule: &RewriteRule) -> bool {
    rule.substitution != "-" && rule.flags.status.is_none()
}

/// Whether a rule of a server may write nothing but slashes: httpd finds the root of the disk where it looks for such a file, if
/// the rule itself begins with a slash.
pub(super) fn may_write_root(rule: &RewriteRule) -> bool {
    let path = rule.substitution.split('?').next().unwrap_or_default();
    let mut parts = tokens(path).into_iter();
    let is_slashes = |part: Token| match part {
        Token::Text(text) => text.bytes().all(|byte| byte == b'/'),
        Token::Variable(_) | Token::Map { .. } | Token::Group(_) | Token::CondGroup(_) => true,
    };
    rule.flags.redirect.is_none() && substitutes(rule) && path.starts_with('/') && parts.all(is_slashes)
}

/// Makes a rule ready. `is_changed` says whether a rule before it has written the path.
pub(super) fn ready(rule: &RewriteRule, around: &Around<'_>, is_changed: bool) -> Result<Ready, Unplaced> {
    let case = if rule.flags.nocase { LetterCase::Ignored } else { LetterCase::Significant };
    let mut approximates = None;
    let found = shape(&rule.pattern);
    let whole = uses_whole(rule);
    let mut conditions = Vec::new();
    let (path, groups) = if rule.is_negated {
        // What is seen is all of the first capture; a pattern that must not fit is asked for it.
        let denied = Condition::new(
            Subject::Text(vec![Piece { place: Landing::Path, what: What::Capture(0) }]),
            Test::Regex(pattern(&rule.pattern, case)),
            true,
        );
        conditions.push(denied.map_err(|error| unread(&error.what))?);
        (PathPattern::BytePrefix { prefix: b"".as_slice().into(), is_final: false }, Groups::Fixed(String::new()))
    } else {
        let has_group = rule.pattern.contains('(');
        match (&found, found.path(&rule.pattern, case)) {
            (Shape::Any, path) => {
                let groups = if has_group || whole {
                    Groups::Begins(String::new(), has_group)
                } else {
                    Groups::Fixed(String::new())
                };
                (path, groups)
            }
            (Shape::Exact(text), path @ PathPattern::Exact(_)) => (path, Groups::Fixed(text.clone())),
            (Shape::Begins(text), path @ PathPattern::BytePrefix { .. }) => {
                let takes_rest = rule.pattern.contains('*');
                let groups =
                    if takes_rest { Groups::Begins(text.clone(), has_group) } else { Groups::Fixed(text.clone()) };
                (path, groups)
            }
            _ => {
                let text = match whole {
                    true if rule.pattern.contains("\\1") => return Err("`$0` beside a back-reference".into()),
                    true => format!("({})", rule.pattern),
                    false => rule.pattern.clone(),
                };
                let pattern = pattern(&text, case);
                let count = pattern.group_names().map_err(|error| unread(&error.what))?.len();
                let shift = u8::from(whole);
                (PathPattern::Regex(pattern), Groups::Captures { count: (count as u8).saturating_sub(shift), shift })
            }
        }
    };
    if let Some(why) = possessive(&rule.pattern) {
        approximates = Some(why);
    }
    let mut ready = Ready { source: Source::of_path(path), conditions, approximates, groups };
    for (at, cond) in rule.conds.iter().enumerate() {
        if cond.test.eq_ignore_ascii_case("expr") {
            let clauses = super::expr::read(&cond.pattern, around, is_changed)?;
            let is_beside = cond.or_next || at.checked_sub(1).is_some_and(|before| rule.conds[before].or_next);
            if is_beside && clauses.len() != 1 {
                return Err("an expression of several conditions beside `OR`".into());
            }
            let mut made = super::expr::conditions(clauses).ok_or("an expression that never holds")?;
            if let Some(last) = made.last_mut() {
                last.or_next = cond.or_next;
            }
            ready.conditions.append(&mut made);
            continue;
        }
        let mut parts = Vec::new();
        known(&tokens(&cond.test), around, &ready.groups, is_changed, &mut parts, &mut ready.approximates)?;
        let mut is_astray = false;
        if cond.pattern.starts_with('-') && cond.pattern.len() == 2 {
            let is_below = strip_root(&mut parts, around.root);
            is_astray = !is_below && begins_at_root_of_disk(&cond.test, around);
        }
        // Nothing of a site lies at the root of the disk.
        let nothing = Disk { files: Some(Vec::new()), folders: Some(vec!["/".to_owned()]), is_left: false };
        let made = cond::condition(cond, &parts, if is_astray { &nothing } else { around.disk })?;
        ready.approximates = ready.approximates.or(made.approximates);
        ready.conditions.push(made.condition);
    }
    Ok(ready)
}

/// A path inside that begins with the document root is one of the URL behind it.
fn strip_disk(parts: &mut Vec<Known>, around: &Around<'_>) {
    let Some(root) = around.root.filter(|root| !root.is_empty()) else { return };
    let is_more = matches!(parts.get(1), Some(Known::Insert(What::Slot(_) | What::Part(Part::WorkingPath))));
    if let Some(Known::Text(text)) = parts.first_mut()
        && let Some(rest) = text.strip_prefix(root)
    {
        if rest.starts_with('/') {
            *text = rest.to_owned();
        } else if rest.is_empty() && is_more {
            parts.remove(0);
        }
    }
}

/// Whether it matters to a rule what the path of the file on the disk is.
pub(super) fn sees_disk(rule: &RewriteRule) -> bool {
    let texts = std::iter::once(&rule.substitution)
        .chain(rule.conds.iter().map(|cond| &cond.test))
        .chain(rule.flags.env.iter().filter_map(|(_, value)| value.as_ref()));
    let takes = |token: Token| match token {
        Token::Group(_) | Token::Map { .. } => true,
        Token::Variable(name) => ["REQUEST_FILENAME", "SCRIPT_FILENAME", "DOCUMENT_ROOT"].contains(&name.as_str()),
        _ => false,
    };
    rule.is_negated || shape(&rule.pattern) != Shape::Any || texts.flat_map(|text| tokens(text)).any(takes)
}

/// Whether a text that is no path below the document root is one at the root of the disk: a path of the URL, and in a server the
/// name of the file too, since no file is known yet.
fn begins_at_root_of_disk(test: &str, around: &Around<'_>) -> bool {
    let test = test.to_ascii_uppercase();
    let is_file = test.starts_with("%{REQUEST_FILENAME}") || test.starts_with("%{SCRIPT_FILENAME}");
    is_file && (around.is_astray || around.folder.is_none()) || test.starts_with("%{REQUEST_URI}")
}

/// Whether a rule asks for the file.
pub(super) fn asks_file(rule: &RewriteRule) -> bool {
    let texts = std::iter::once(&rule.substitution).chain(rule.conds.iter().map(|cond| &cond.test));
    let is_one = |token: Token| match token {
        Token::Variable(name) => ["REQUEST_FILENAME", "SCRIPT_FILENAME"].contains(&&*name.to_ascii_uppercase()),
        _ => false,
    };
    texts.flat_map(|text| tokens(text)).any(is_one)
}

fn unread(what: &str) -> Unplaced {
    format!("its pattern cannot be read here: {what}").into()
}

/// Repetitions that never give back are read as those that do.
fn possessive(pattern: &str) -> Option<&'static str> {
    let bytes = pattern.as_bytes();
    let found = bytes
        .windows(3)
        .any(|three| three[0] != b'\\' && matches!(three[1], b'*' | b'+' | b'?' | b'}') && three[2] == b'+');
    found.then_some("a possessive repetition is read as one that gives back")
}

fn uses_whole(rule: &RewriteRule) -> bool {
    let texts = std::iter::once(&rule.substitution)
        .chain(rule.conds.iter().map(|cond| &cond.test))
        .chain(rule.flags.env.iter().filter_map(|(_, value)| value.as_ref()));
    texts.into_iter().any(|text| text.contains("$0"))
}

/// A path of the disk as a path of the document root; returns whether it was one below.
fn strip_root(parts: &mut Vec<Known>, root: Option<&str>) -> bool {
    let (Some(Known::Text(text)), Some(root)) = (parts.first_mut(), root) else { return false };
    let Some(rest) = text.strip_prefix(root) else { return false };
    *text = rest.to_owned();
    if text.is_empty() {
        parts.remove(0);
    }
    true
}

/// Replaces the parts of a text by what the core knows them as.
fn known(
    tokens: &[Token],
    around: &Around<'_>,
    groups: &Groups,
    is_changed: bool,
    out: &mut Vec<Known>,
    approximates: &mut Option<&'static str>,
) -> Result<(), Unplaced> {
    for token in tokens {
        match token {
            Token::Text(text) => out.push(Known::Text(text.clone())),
            Token::Group(number) => out.extend(groups.take(*number)),
            Token::CondGroup(number) => out.push(Known::Insert(What::ConditionCapture(*number))),
            Token::Variable(name) => variable(name, around, is_changed, out, approximates)?,
            Token::Map { name, .. } => {
                return Err(match around.maps.get(name).map(|map| &**map) {
                    Some(Map::Refused(why)) => (*why).into(),
                    _ => "a look-up in a place where byway makes none".into(),
                });
            }
        }
    }
    Ok(())
}

pub(super) fn variable(
    name: &str,
    around: &Around<'_>,
    is_changed: bool,
    out: &mut Vec<Known>,
    approximates: &mut Option<&'static str>,
) -> Result<(), Unplaced> {
    if let Some(changed) = maps::changed_text(name) {
        out.push(Known::Insert(changed));
        return Ok(());
    }
    let upper = name.to_ascii_uppercase();
    let field = |name: &str| What::Field(name.to_ascii_lowercase().into());
    let uri = || match is_changed || around.keeps_uri {
        true => What::Slot(URI),
        false => What::Part(Part::WorkingPath),
    };
    if let Some(name) = upper.strip_prefix("HTTP:") {
        out.push(Known::Insert(field(name)));
        return Ok(());
    }
    if upper.starts_with("ENV:") {
        return environment(&name["ENV:".len()..], around, out, approximates);
    }
    let what = match upper.as_str() {
        "HTTP_HOST" => What::Part(Part::HostField),
        "HTTP_USER_AGENT" => field("user-agent"),
        "HTTP_REFERER" => field("referer"),
        "HTTP_COOKIE" => field("cookie"),
        "HTTP_FORWARDED" => field("forwarded"),
        "HTTP_ACCEPT" => field("accept"),
        "HTTP_PROXY_CONNECTION" => field("proxy-connection"),
        "REQUEST_METHOD" if around.is_asked => What::Literal("GET".into()),
        "REQUEST_METHOD" => What::Part(Part::Method),
        "REQUEST_SCHEME" => What::Part(Part::Scheme),
        "HTTPS" => What::Part(Part::Https),
        "QUERY_STRING" if around.has_turned => What::Part(Part::Query),
        "QUERY_STRING" => What::Part(Part::WorkingQuery),
        "REQUEST_URI" => uri(),
        "REMOTE_ADDR" | "REMOTE_HOST" | "CONN_REMOTE_ADDR" => What::Part(Part::Address),
        "SERVER_NAME" => match (around.is_canonical, around.name) {
            (true, Some((name, _))) => return text(out, name),
            _ => What::Part(Part::Host),
        },
        "SERVER_PORT" => match around.name {
            Some((_, Some(port))) if around.is_canonical => return text(out, &port.to_string()),
            _ => What::Part(Part::Port),
        },
        "REQUEST_FILENAME" | "SCRIPT_FILENAME" => {
            match (around.folder, around.root) {
                _ if around.is_astray => {}
                (Some(_), Some(root)) => out.push(Known::Text(root.to_owned())),
                (Some(_), None) => {
                    *approximates = Some("no document root is known (`--root DIR`): file names begin at it");
                }
                (None, _) => {}
            }
            match (around.folder.is_some(), is_changed) {
                // What stands behind the name of the file is none of it.
                (true, false) if around.has_disk => What::Slot(DISK),
                (true, false) if around.is_section => What::Slot(HERE),
                (true, true) if around.is_section => {
                    // What a rule has written stands alone.
                    out.truncate(out.len() - usize::from(around.root.is_some()));
                    What::Part(Part::WorkingPath)
                }
                _ => What::Part(Part::WorkingPath),
            }
        }
        "DOCUMENT_ROOT" => match around.root {
            Some(root) => return text(out, root),
            None => {
                *approximates = Some("no document root is known (`--root DIR`): file names begin at it");
                return Ok(());
            }
        },
        "THE_REQUEST" => {
            out.push(Known::Insert(What::Part(Part::Method)));
            out.push(Known::Text(" ".to_owned()));
            out.push(Known::Insert(What::Part(Part::PathAndQuery)));
            return text(out, " HTTP/1.1");
        }
        "SERVER_PROTOCOL" => {
            *approximates = Some("the protocol is taken to be HTTP/1.1");
            return text(out, "HTTP/1.1");
        }
        "IS_SUBREQ" => return text(out, if around.is_asked { "true" } else { "false" }),
        "REMOTE_USER" | "AUTH_TYPE" | "REMOTE_IDENT" | "PATH_INFO" | "CONTEXT_PREFIX" => {
            *approximates = Some("nobody is asked for a password here: users and the like are empty");
            return Ok(());
        }
        other if other.starts_with("LA-U:") || other.starts_with("LA-F:") => {
            return Err("it looks ahead into the server (`LA-U`, `LA-F`)".into());
        }
        other if other.starts_with("SSL:") => return Err("it asks for certificates".into()),
        other if other.starts_with("TIME") => return Err("it asks for the time".into()),
        // httpd takes a name that it does not know for the empty text.
        _ => return Ok(()),
    };
    out.push(Known::Insert(what));
    Ok(())
}

fn text(out: &mut Vec<Known>, text: &str) -> Result<(), Unplaced> {
    out.push(Known::Text(text.to_owned()));
    Ok(())
}

fn environment(
    name: &str,
    around: &Around<'_>,
    out: &mut Vec<Known>,
    approximates: &mut Option<&'static str>,
) -> Result<(), Unplaced> {
    match around.names.known(name) {
        Some(slot) => out.push(Known::Insert(What::Slot(slot))),
        None => *approximates = Some("a variable that nothing here sets is taken for empty"),
    }
    Ok(())
}

/// What a rule writes: a Location or a path inside.
pub(super) struct Written {
    pub(super) placed: Placed,
    pub(super) query: QueryPolicy,
    /// Whether it sends the client away.
    pub(super) is_redirect: bool,
    /// Whether the path inside is one of the folder, not of the server.
    pub(super) is_relative: bool,
    /// The text of a variable on which it is written so, and that variable's slot.
    pub(super) when: Option<(u16, String)>,
    /// What its beginning must be for it to be written so.
    pub(super) condition: Option<Condition>,
    /// The same as a text that further rules look at, where it sends the client away and they may.
    pub(super) inside: Option<Placed>,
    /// Whether httpd answers 403 instead.
    pub(super) is_forbidden: bool,
    pub(super) approximates: Option<&'static str>,
}

/// What a rule that substitutes writes: once, or once for each value of the variable that it begins with.
pub(super) fn written(
    rule: &RewriteRule,
    ready: &Ready,
    around: &Around<'_>,
    is_changed: bool,
) -> Result<Vec<Written>, Unplaced> {
    let tokens = tokens(&rule.substitution);
    let Some(Token::Variable(name)) = tokens.first() else {
        return each(rule, &tokens, ready, around, is_changed);
    };
    let env = name.get(..4).filter(|head| head.eq_ignore_ascii_case("ENV:")).map(|_| &name[4..]);
    let Some((slot, values)) = env.and_then(|name| Some((around.names.known(name)?, around.names.values(name)?)))
    else {
        return each(rule, &tokens, ready, around, is_changed);
    };
    let Some(values) = values else { return each(rule, &tokens, ready, around, is_changed) };
    let mut values = values.clone();
    values.push(String::new());
    values.sort();
    values.dedup();
    if values.len() > 64 {
        return Err("its target begins with a variable of more than 64 values".into());
    }
    let mut out = Vec::new();
    for value in values {
        let mut tokens = tokens.clone();
        tokens[0] = Token::Text(value.clone());
        // A `?` of a variable is none of the rule's own (`UnsafeAllow3F`).
        let is_forbidden = value.contains('?') && !rule.flags.unsafe_question;
        let written = each(rule, &tokens, ready, around, is_changed)?;
        out.extend(written.into_iter().map(|written| Written {
            when: Some((slot, value.clone())),
            is_forbidden,
            ..written
        }));
    }
    Ok(out)
}

/// One for each thing that the target may turn out to be.
fn each(
    rule: &RewriteRule,
    tokens: &[Token],
    ready: &Ready,
    around: &Around<'_>,
    is_changed: bool,
) -> Result<Vec<Written>, Unplaced> {
    let mut parts = Vec::new();
    let mut approximates = None;
    known(tokens, around, &ready.groups, is_changed, &mut parts, &mut approximates)?;
    merge_texts(&mut parts);
    server_port(&mut parts, around);
    let standing = Standing { in_folder: around.folder.is_some(), is_changed };
    let mut out: Vec<Written> = Vec::new();
    let all = beginnings(rule, parts, standing).into_iter().flat_map(|beginning| rebased(rule, beginning, around));
    for (beginning, why) in all {
        let is_odd = beginning.is_odd;
        match one(rule, beginning, around, approximates.or(why)) {
            Ok(written) => out.push(written),
            Err(_) if is_odd => {
                let last = out.last_mut().map(|written| &mut written.approximates);
                last.into_iter().for_each(|why| *why = why.or(Some("a path with a line break is left alone")));
            }
            Err(why) => return Err(why),
        }
    }
    Ok(out)
}

fn one(
    rule: &RewriteRule,
    beginning: Beginning,
    around: &Around<'_>,
    mut approximates: Option<&'static str>,
) -> Result<Written, Unplaced> {
    let flags = &rule.flags;
    let Beginning { condition, mut parts, is_absolute, may_be_url, .. } = beginning;
    let is_url = match expand::scheme_of(&parts) {
        Some(Err(why)) => return Err(why),
        found => found.is_some(),
    };
    let is_redirect = is_url || flags.redirect.is_some();
    if !is_redirect {
        strip_disk(&mut parts, around);
    }
    let is_absolute = is_absolute
        || is_url
        || matches!(parts.first(), Some(Known::Text(text)) if text.starts_with('/'))
        || matches!(parts.first(), Some(Known::Insert(What::Part(Part::WorkingPath) | What::Slot(URI | DISK | HERE))));
    if around.is_section && !is_absolute && matches!(parts.first(), Some(Known::Insert(_))) {
        return Err("its target begins with a text of the request, or with a path of the disk".into());
    }
    if !is_absolute {
        if may_be_url && is_redirect {
            approximates = Some(crate::foreign::TAKEN_FOR_PATH);
        }
        let prefix = match (around.folder, around.base, is_redirect) {
            (None, _, _) => "/".to_owned(),
            (Some(name), base, _) if around.is_section => {
                let base = base.filter(|_| is_redirect || name.starts_with('/'));
                let name = base.unwrap_or(name);
                if name.contains(['?', '#', '%', '\\']) {
                    return Err("a relative target in a section of which the name is no path".into());
                }
                match is_redirect && !name.starts_with('/') {
                    true => format!("/{name}"),
                    false => name.to_owned(),
                }
            }
            // What goes on is a path of the folder until the list is through.
            (Some(folder), Some(_), false) if !stops(rule) => folder.to_owned(),
            (Some(_), Some(base), _) => base.to_owned(),
            (Some(folder), None, false) => folder.to_owned(),
            (Some(folder), None, true) => match around.root {
                // It begins with a slash whatever the configuration calls it: nothing of it may run into the host.
                Some(root) => format!("/{}{folder}", root.trim_start_matches('/')),
                None => return Err("a redirect to a relative target shows the path of the folder, which is not known (`--root DIR`, or write RewriteBase)".into()),
            },
        };
        parts.insert(0, Known::Text(prefix));
    }
    let escaping = match (is_redirect, flags.noescape) {
        (false, _) => Escaping::Inside,
        (true, true) => Escaping::None,
        (true, false) => Escaping::All,
    };
    if is_redirect && !is_url {
        prepend_server(&mut parts, around.name, around.is_canonical);
    }
    let mut placed = expand::place(&parts, escaping, flags.qsl)?;
    let mut inside = match is_redirect && !(flags.last || flags.end || flags.passes_on) {
        true => {
            // Rules below see a whole URL, be the port one that nobody knows.
            if !is_url {
                prepend_server(&mut parts, around.name.is_none().then_some(("", None)), false);
            }
            Some(expand::place(&parts, Escaping::Inside, flags.qsl)?)
        }
        false => None,
    };
    let query = match (placed.has_query, flags.qsd, flags.qsa) {
        (false, true, _) => QueryPolicy::Drop,
        (false, false, _) => QueryPolicy::Replace,
        (true, true, _) | (true, false, false) => QueryPolicy::Drop,
        (true, false, true) => QueryPolicy::Keep,
    };
    // A bare `?` drops the query, and is not sent.
    if placed.has_query && placed.query_is_empty && query == QueryPolicy::Drop {
        for placed in std::iter::once(&mut placed).chain(&mut inside) {
            placed.pieces.retain(|piece| piece.place != Landing::Query);
        }
    }
    let is_text = |part: &Known| match part {
        Known::Text(_) | Known::Insert(What::PortElse(_)) => false,
        Known::Insert(What::Part(part)) => !matches!(part, Part::Scheme | Part::Host | Part::Port | Part::LocalPort),
        Known::Insert(_) => true,
    };
    // With QSA too a `?` at the end is the one that counts.
    let is_at_end = flags.qsa && matches!(parts.last(), Some(Known::Text(text)) if text.ends_with('?'));
    let is_last = flags.qsl && parts.iter().any(|part| matches!(part, Known::Text(text) if text.contains('?')));
    if flags.unsafe_question && parts.iter().any(is_text) {
        approximates = Some("a `?` that a text of the request brings is answered with 403, as without UnsafeAllow3F");
    }
    if (is_last || is_at_end) && parts.iter().any(is_text) {
        approximates =
            Some("a `?` that a text of the request brings is answered with 403 wherever it stands before the query");
    }
    if flags.escapes_some || flags.blank_as_escape {
        approximates = Some("some characters are escaped in another way than B alone does");
    }
    Ok(Written {
        placed,
        query,
        is_redirect,
        is_relative: !is_absolute,
        when: None,
        condition,
        inside,
        is_forbidden: false,
        approximates,
    })
}

/// A port behind a host is that of the Host field, else that of `ServerName`.
fn server_port(parts: &mut [Known], around: &Around<'_>) {
    let Some((_, port)) = around.name else { return };
    for at in 1..parts.len() {
        let is_port = parts[at] == Known::Insert(What::Part(Part::Port));
        if is_port && matches!(&parts[at - 1], Known::Text(text) if text.ends_with(':')) {
            parts[at] = Known::Insert(What::PortElse(port.unwrap_or(0)));
        }
    }
}

fn merge_texts(parts: &mut Vec<Known>) {
    let mut out: Vec<Known> = Vec::with_capacity(parts.len());
    for part in parts.drain(..) {
        match (out.last_mut(), part) {
            (Some(Known::Text(before)), Known::Text(text)) => before.push_str(&text),
            (_, part) => out.push(part),
        }
    }
    *parts = out;
}

/// A target of one's own host, where the configuration says which host and port that is.
pub(super) fn prepend_server(parts: &mut Vec<Known>, name: Option<(&str, Option<u16>)>, is_canonical: bool) {
    let Some((name, port)) = name else { return };
    let mut head = vec![Known::Insert(What::Part(Part::Scheme)), Known::Text("://".to_owned())];
    if is_canonical {
        head.push(Known::Text(match port {
            Some(port) => format!("{name}:{port}"),
            None => name.to_owned(),
        }));
    } else {
        head.push(Known::Insert(What::Part(Part::Host)));
        head.push(Known::Insert(What::PortElse(port.unwrap_or(0))));
    }
    parts.splice(0..0, head);
    merge_texts(parts);
}

/// The text of a variable's value, as it is kept.
pub(super) fn kept(
    value: &str,
    ready: &Ready,
    around: &Around<'_>,
    is_changed: bool,
) -> Result<Vec<Piece<'static>>, Unplaced> {
    let mut parts = Vec::new();
    known(&tokens(value), around, &ready.groups, is_changed, &mut parts, &mut None)?;
    Ok(cond::pieces(&parts))
}
