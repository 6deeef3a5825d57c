//! Targets that begin with a text of the request: whether they are URLs, paths of the server or paths of the folder is asked of
//! the text itself.

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::target::{Landing, Part, Piece, What};

use super::cond;
use super::expand::Known;
use super::pattern::pattern;
use super::rule::{Cond, RewriteRule};
use super::steps::{DISK, HERE, KEYS, KEYS_OF_PATH, URI};

/// One of the things that a target may turn out to be.
#[derive(Clone)]
pub(super) struct Beginning {
    /// On which condition; it comes behind those of the rule and leaves their groups alone.
    pub(super) condition: Option<Condition>,
    pub(super) parts: Vec<Known>,
    pub(super) is_absolute: bool,
    /// Whether the text might be a URL, which is taken for a path.
    pub(super) may_be_url: bool,
    /// Whether only a line break in the path leads here.
    pub(super) is_odd: bool,
}

/// Where a target stands.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    pub(super) in_folder: bool,
    pub(super) is_changed: bool,
}

/// What a target may turn out to be, in the order in which it is asked; one thing where the configuration says it.
pub(super) fn beginnings(rule: &RewriteRule, parts: Vec<Known>, standing: Standing) -> Vec<Beginning> {
    let plain =
        |parts, condition, is_absolute| Beginning { condition, parts, is_absolute, may_be_url: false, is_odd: false };
    if let Some(schemes) = schemes(&parts) {
        let mut out: Vec<Beginning> =
            schemes.into_iter().map(|(condition, parts)| plain(parts, Some(condition), true)).collect();
        let is_text = matches!(parts.first(), Some(Known::Text(_)));
        out.push(Beginning { may_be_url: !is_text, ..plain(parts, None, false) });
        return out;
    }
    let Some(Known::Insert(what)) = parts.first() else {
        let is_absolute = matches!(parts.first(), Some(Known::Text(text)) if text.starts_with('/'));
        return vec![plain(parts, None, is_absolute)];
    };
    match what {
        What::Part(Part::WorkingPath) | What::Slot(URI | DISK | HERE) => return vec![plain(parts, None, true)],
        What::Capture(_) | What::ConditionCapture(_) | What::Slot(_) | What::Changed(..) => {}
        _ => return vec![Beginning { may_be_url: true, ..plain(parts, None, false) }],
    }
    let number = match what {
        What::ConditionCapture(number) => Some(*number),
        _ => None,
    };
    let is_kept = match what {
        What::Changed(_, slot) => *slot >= KEYS.start + KEYS_OF_PATH,
        what => matches!(what, What::Slot(_)),
    };
    let is_path =
        !is_kept && !standing.is_changed && number.is_none_or(|_| conditions_with_groups(rule).all(asks_path));
    // The rest behind a folder's name, or behind the slash of a server, begins with none.
    let begins = rule.pattern.starts_with("^(") || !rule.pattern.contains(['^', '(']) || rule.pattern.starts_with("(.");
    if number.is_none() && standing.in_folder && !standing.is_changed && begins && *what == What::Capture(0) {
        return vec![plain(parts, None, false)];
    }
    let Some(condition) = begins_with_slash(&parts) else {
        return vec![Beginning { may_be_url: true, ..plain(parts, None, false) }];
    };
    let is_sure = is_path && number == Some(1) && conditions_with_groups(rule).all(takes_slash);
    vec![
        plain(parts.clone(), Some(condition), true),
        Beginning { may_be_url: !is_path, is_odd: is_sure, ..plain(parts, None, false) },
    ]
}

/// The conditions that leave groups behind.
fn conditions_with_groups(rule: &RewriteRule) -> impl Iterator<Item = &Cond> {
    rule.conds.iter().filter(|cond| !cond.is_negated && cond.pattern.contains('('))
}

fn asks_path(cond: &Cond) -> bool {
    cond.test.eq_ignore_ascii_case("%{REQUEST_URI}")
}

/// Whether the first group of its pattern begins where the path does.
fn takes_slash(cond: &Cond) -> bool {
    let text = cond.pattern.strip_prefix('^').unwrap_or(&cond.pattern);
    ["(.*", "(.+", "(/"].iter().any(|head| text.starts_with(head)) && !text.contains('|')
}

/// `http%1://…` and `%1://…`: the scheme is a text of the request.
fn schemes(parts: &[Known]) -> Option<Vec<(Condition, Vec<Known>)>> {
    let (head, what, rest, behind) = match parts {
        [Known::Text(head), Known::Insert(what), Known::Text(rest), behind @ ..] => (head.as_str(), what, rest, behind),
        [Known::Insert(what), Known::Text(rest), behind @ ..] => ("", what, rest, behind),
        _ => return None,
    };
    let endings: [&str; 2] = match head.to_ascii_lowercase().as_str() {
        "" => ["https", "http"],
        "http" => ["s", ""],
        _ => return None,
    };
    if !rest.starts_with("://") || *what == What::Part(Part::Scheme) {
        return None;
    }
    let of_ending = |ending: &str| {
        let subject = Subject::Text(vec![Piece { place: Landing::Path, what: what.clone() }]);
        let condition = match ending.is_empty() {
            true => Condition::new(subject, something(), true),
            false => Condition::new(subject, Test::Is(ending.to_owned()), false),
        };
        let mut parts = vec![Known::Text(format!("{head}{ending}{rest}"))];
        parts.extend(behind.iter().cloned());
        Some((condition.ok()?, parts))
    };
    endings.into_iter().map(of_ending).collect()
}

/// Whether a target that is put together begins with a slash: denied, since a pattern that fits leaves its own groups behind.
pub(super) fn begins_with_slash(parts: &[Known]) -> Option<Condition> {
    let text = Subject::Text(cond::pieces(parts));
    Condition::new(text, Test::Regex(pattern("^(?!/)", LetterCase::Significant)), true).ok()
}

/// Whether a path that a rule writes is this one, or stands before what is behind its file.
pub(super) fn is_that(pieces: &[Piece<'static>], that: What<'static>) -> Option<Condition> {
    let end = [What::Literal("\0".into()), that];
    let end = end.map(|what| Piece { place: Landing::Path, what });
    let both = Subject::Text(pieces.iter().cloned().chain(end).collect());
    let differs = pattern("^(?!([^\\x00]*)\\x00\\1(?:/|$))", LetterCase::Significant);
    Condition::new(both, Test::Regex(differs), true).ok()
}

fn something() -> Test {
    Test::Regex(pattern("[\\x00-\\xff]", LetterCase::Significant))
}
