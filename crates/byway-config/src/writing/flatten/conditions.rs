//! Conditions of another server as ours.

use byway_core::condition::{Condition, SUBJECTS, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::regex::Pattern;
use byway_core::target::{Part, Piece, What};

use super::Why;
use crate::formats::apache::asks_for_file;

/// Of conditions of which one is enough, where they ask the same text, one pattern.
pub(super) fn joined(several: &[Condition]) -> Result<Condition, Why> {
    const BESIDE: &str = "conditions joined by `[OR]` that do not compare one text";
    let [first, ..] = several else { return Err(BESIDE.into()) };
    let mut texts = Vec::new();
    let mut pattern = None;
    for one in several {
        match &one.test {
            Test::Regex(own) if one.subject == first.subject && !one.negate => {
                if pattern.as_ref().is_some_and(|known: &Pattern<'_>| known.case != own.case) {
                    return Err(BESIDE.into());
                }
                texts.push(own.text.to_string());
                pattern = Some(own.clone());
            }
            _ => return Err(BESIDE.into()),
        }
    }
    let pattern = pattern.ok_or(BESIDE)?;
    let test = Test::Regex(Pattern { text: texts.join("|").into(), ..pattern });
    Ok(Condition { subject: first.subject.clone(), test, negate: false, or_next: false })
}

/// Whether a text is the query as a whole.
pub(super) fn asks_query(pieces: &[Piece<'_>]) -> bool {
    matches!(pieces, [Piece { what: What::Part(Part::Query | Part::WorkingQuery), .. }])
}

/// Whether a text is the path.
pub(super) fn asks_path(pieces: &[Piece<'_>]) -> bool {
    matches!(pieces, [Piece { what: What::Part(Part::Path | Part::WorkingPath), .. }])
}

/// Whether paths are left alone that other rules may take.
pub(super) fn leaves_paths(all: &[Condition]) -> bool {
    let leaves = |one: &Condition| {
        matches!(&one.subject, Subject::Text(pieces) if one.negate && asks_path(pieces)) && asks_for_file(one).is_none()
    };
    all.iter().any(leaves)
}

/// Whether a condition asks for a text that our files ask for by other words, and nginx by its own.
fn is_variable(condition: &Condition) -> bool {
    let is_value = |what: &What<'_>| matches!(what, What::Argument(_) | What::Field(_) | What::Cookie(_));
    let is_asked = matches!(condition.test, Test::Is(_) | Test::In(_) | Test::Regex(_));
    matches!(&condition.subject, Subject::Text(pieces) if is_asked && matches!(pieces.as_slice(), [one] if is_value(&one.what)))
}

/// A condition that was kept for nginx, in the words of our files.
pub(crate) fn in_our_words(condition: &Condition) -> Result<Condition, Why> {
    if is_variable(condition) { self::condition(condition) } else { Ok(condition.clone()) }
}

/// A condition on a subject of ours, or as it is where other servers ask for its text as well and our files do not.
pub(super) fn kept(condition: &Condition, is_nginx: bool) -> Result<Condition, Why> {
    let is_request =
        |pieces: &[Piece<'_>]| pieces.iter().any(|piece| matches!(piece.what, What::Part(Part::PathAndQuery)));
    match &condition.subject {
        _ if asks_for_file(condition).is_some() => Ok(condition.clone()),
        _ if is_nginx && is_variable(condition) => Ok(condition.clone()),
        Subject::Text(pieces) if asks_query(pieces) || asks_path(pieces) || is_request(pieces) => Ok(condition.clone()),
        _ => self::condition(condition),
    }
}

/// A condition on a text of another server, as one on a subject of ours.
pub(super) fn condition(condition: &Condition) -> Result<Condition, Why> {
    if let (Subject::Text(pieces), Test::Regex(pattern)) = (&condition.subject, &condition.test)
        && let [Piece { what, .. }] = pieces.as_slice()
    {
        match (what, &*pattern.text) {
            (What::Part(Part::Https), text) => return https(text, condition.negate),
            (What::Field(name), "^$") => return present(name, !condition.negate),
            (What::Field(name), "." | ".+" | "^.+$") => return present(name, condition.negate),
            // What is not there has no value for us, and is the empty text there.
            (What::Field(_), _) if !condition.negate && pattern.finds(b"").unwrap_or(true) => {
                return Err("it holds where a field is missing, which byway tells from an empty one: ask for the field with `present`".into());
            }
            _ => {}
        }
    }
    if let (Subject::Text(pieces), Test::Is(text)) = (&condition.subject, &condition.test)
        && let [Piece { what: What::Part(Part::Https), .. }] = pieces.as_slice()
    {
        return https(text, condition.negate);
    }
    let (key, name) = match &condition.subject {
        Subject::Of { row, name } => (SUBJECTS.get(usize::from(*row)).map_or("", |row| row.key), name.clone()),
        Subject::Text(pieces) => match pieces.as_slice() {
            [Piece { what: What::Part(Part::Method), .. }] => ("method", String::new()),
            [Piece { what: What::Part(Part::Host), .. }] => ("host", String::new()),
            [Piece { what: What::Part(Part::HostField), .. }] => match &condition.test {
                // A pattern for the port would never fit: ours see the host alone.
                Test::Regex(pattern) if pattern.text.replace("(?:", "").contains(':') => {
                    return Err(
                        "it compares the port behind the host: ask for the host alone, and for the port in `from`"
                            .into(),
                    );
                }
                _ => ("host", String::new()),
            },
            [Piece { what: What::Part(Part::Address), .. }] => ("address", String::new()),
            [Piece { what: What::Part(Part::Scheme), .. }] => ("scheme", String::new()),
            [Piece { what: What::Field(name), .. }] => ("header", name.to_string()),
            [Piece { what: What::QueryValue(name) | What::Argument(name), .. }] => ("query", name.to_string()),
            [Piece { what: What::Cookie(name), .. }] => ("cookie", name.to_string()),
            [Piece { what: What::Part(Part::LocalPort | Part::Port), .. }] => {
                return port(&condition.test, condition.negate);
            }
            _ => return Err("it compares a text that is put together, or one that only its own server knows".into()),
        },
    };
    let test = match &condition.test {
        // nginx's `if ($x)`: neither nothing nor `0`.
        Test::In(texts) if texts.iter().any(String::is_empty) && !matches!(key, "method" | "host" | "scheme") => {
            return some(key, &name, texts, condition.negate);
        }
        Test::Is(text) if text.is_empty() && matches!(key, "header" | "cookie" | "query") => {
            return made(key, &name, Test::Present, !condition.negate);
        }
        Test::Regex(pattern) => {
            let flags = if pattern.case == LetterCase::Ignored { "(?i)" } else { "" };
            Test::regex(&format!("{flags}{}", pattern.text))
        }
        test => test.clone(),
    };
    made(key, &name, test, condition.negate)
}

/// Whether the request came over https, as Apache asks it.
fn https(text: &str, negate: bool) -> Result<Condition, Why> {
    let scheme = match text.trim_start_matches('^').trim_end_matches('$') {
        "on" => "https",
        "off" => "http",
        _ => return Err("it compares `%{HTTPS}` with something that is neither `on` nor `off`".into()),
    };
    made("scheme", "", Test::Is(scheme.to_owned()), negate)
}

/// Whether a value is one of several texts, the empty one among them.
fn some(key: &str, name: &str, texts: &[String], negate: bool) -> Result<Condition, Why> {
    match texts.iter().all(|text| text.is_empty() || text == "0") {
        true => made(key, name, Test::Present, !negate),
        false => Err("it holds where a value is missing or one of others: write a rule for each".into()),
    }
}

/// A port that a server listens on is, for us, a scheme.
fn port(test: &Test, negate: bool) -> Result<Condition, Why> {
    let scheme = match test {
        Test::Is(port) if port == "443" => "https",
        Test::Is(port) if port == "80" => "http",
        _ => return Err("it compares the port with more than one number: write a rule for each port".into()),
    };
    made("scheme", "", Test::Is(scheme.to_owned()), negate)
}

fn present(name: &str, negate: bool) -> Result<Condition, Why> {
    made("header", name, Test::Present, negate)
}

pub(super) fn made(key: &str, name: &str, test: Test, negate: bool) -> Result<Condition, Why> {
    let name = Some(name).filter(|name| !name.is_empty());
    let made = Subject::parse(key, name).and_then(|subject| Condition::new(subject, test, negate));
    made.map_err(|_| "it asks for something that byway.toml has no condition for".into())
}
