//! One rule of another server in words of our own.

use byway_core::condition::Condition;
use byway_core::dialect::QueryPolicy;
use byway_core::rule::{Action, RetryAfter};
use byway_core::ruleset::RuleView;
use byway_core::source::{PathPattern, Source};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::conditions;
use super::held::{Alternative, Within, constant, owned_piece};
use super::paths::{PathOf, path_text};
use super::{Spot, Way, Why, host_text, made_at};
use crate::writing::own::{Does, OwnRule};

/// What comes of a rule: its words, and why they are not quite the rule.
pub(super) type Translated<'s> = (Vec<OwnRule<'s>>, Option<Why>);

/// A rule at a spot, once for each way in which it may be come to.
pub(super) fn translated<'s>(
    rule: RuleView<'s>,
    spot: &Spot,
    steps: usize,
    is_pass: bool,
) -> Result<Translated<'s>, Why> {
    let source = rule.source();
    if !source.query.is_empty() || source.port.is_some() {
        return Err("a source with more than host and path".into());
    }
    let own = Way { host: host_text(&source.host), scheme: source.scheme };
    let way = spot.way.and(&own).ok_or("a host inside of another host")?;
    let within = spot.within.under(&rule, spot.strip.is_empty())?;
    let mut made = Vec::new();
    let mut why = None;
    for alternative in within.alternatives.iter().cloned() {
        for (alternative, does) in does(&rule, &within, alternative, is_pass)? {
            why = why.or(alternative.why);
            let host = Way { host: alternative.host.clone().unwrap_or_default(), scheme: None };
            // A host that is asked beside another one is never both.
            let Some(way) = way.and(&host) else { continue };
            let conditions: Result<Vec<Condition>, Why> =
                alternative.conditions.iter().map(conditions::condition).collect();
            let (from, does) = with_path(&way, alternative.path.as_ref(), &spot.strip, does)?;
            made.push(OwnRule { from, does, conditions: conditions?, ..made_at(rule, spot, steps) });
        }
    }
    Ok((made, why.map(Why::from)))
}

/// What a rule does, before it is known how its path is written.
enum Doing {
    Redirect { status: byway_core::status::StatusByMethod, to: String, query: QueryPolicy, captures: bool },
    Other(Does),
}

fn does(
    rule: &RuleView<'_>,
    within: &Within,
    alternative: Alternative,
    is_pass: bool,
) -> Result<Vec<(Alternative, Doing)>, Why> {
    if is_pass {
        return Ok(vec![(alternative, Doing::Other(Does::Pass))]);
    }
    match rule.action() {
        Action::Redirect { status, target, query } => {
            if let Some(to) = target.constant() {
                let doing = Doing::Redirect { status, to: to.to_owned(), query, captures: false };
                return Ok(vec![(alternative, doing)]);
            }
            let mut out = Vec::new();
            for (alternative, pieces) in within.texts(alternative, target.pieces())? {
                // Where a list has nothing to say, nobody is sent anywhere.
                if constant(&pieces).is_some_and(|text| text.is_empty()) {
                    continue;
                }
                let captures = pieces.iter().any(|piece| is_capture(&piece.what));
                let (to, query) = target_text(&pieces, query.clone(), alternative.groups_of_path)?;
                out.push((alternative, Doing::Redirect { status, to, query, captures }));
            }
            Ok(out)
        }
        Action::Reply { status, retry_after } => {
            let retry_after = retry_after.filter(|retry| *retry != RetryAfter::Window);
            Ok(vec![(alternative, Doing::Other(Does::Reply { status, retry_after }))])
        }
        Action::Pass => Ok(vec![(alternative, Doing::Other(Does::Pass))]),
        Action::Rewrite { .. } => Err("a path that is written anew inside, which own rules do not do".into()),
        _ => Err("a step between rules, which own rules do not take".into()),
    }
}

fn is_capture(what: &What<'_>) -> bool {
    matches!(what, What::Capture(_) | What::ConditionCapture(_))
}

fn with_path(way: &Way, path: Option<&PathOf>, strip: &str, doing: Doing) -> Result<(String, Does), Why> {
    let captures = matches!(doing, Doing::Redirect { captures: true, .. });
    let any = PathPattern::BytePrefix { prefix: b"".as_slice().into(), is_final: false };
    let text = match path {
        Some(path) => path_text(&path.path, path.case, if path.is_whole { "" } else { strip }, captures)?,
        None => path_text(&any, byway_core::dialect::LetterCase::Significant, strip, captures)?,
    };
    let from = way.text(&text);
    let read = Source::parse(&from).map_err(|_| "a pattern that own rules cannot say")?;
    let does = match doing {
        Doing::Other(does) => does,
        Doing::Redirect { status, to, query, .. } => {
            Target::parse(&to, &read).map_err(|_| "a target that own rules cannot say")?;
            Does::Redirect { status, to, query }
        }
    };
    Ok((from, does))
}

/// A target as ours are written; path and query as sent are the path, with the query kept.
fn target_text(pieces: &[Piece<'_>], query: QueryPolicy, groups_of_path: bool) -> Result<(String, QueryPolicy), Why> {
    let (mut out, mut query) = (String::new(), query);
    let pieces: Vec<Piece<'static>> = pieces.iter().map(owned_piece).collect::<Result<_, _>>()?;
    let (pieces, keeps) = without_query(without_origin(&pieces));
    if keeps && query == QueryPolicy::Drop {
        query = QueryPolicy::Keep;
    }
    for (at, piece) in pieces.iter().enumerate() {
        let is_last = at + 1 == pieces.len();
        match &piece.what {
            What::Literal(text) => out.push_str(&text.replace('{', "{{")),
            What::ConditionCapture(number @ 1..) if groups_of_path => out.push_str(&format!("{{{number}}}")),
            What::Capture(index) => out.push_str(&format!("{{{}}}", u16::from(*index) + 1)),
            What::Tail(_) => out.push_str("/*"),
            What::Part(Part::PathAndQuery) if is_last && piece.place == Landing::Path && query == QueryPolicy::Drop => {
                out.push_str("{path}");
                query = QueryPolicy::Keep;
            }
            // The signs behind it belong to the piece.
            What::Part(Part::Scheme) if piece.place == Landing::Scheme => out.push_str("{scheme}://"),
            What::Part(Part::Scheme) => out.push_str("{scheme}"),
            What::Part(Part::Host | Part::HostField) => out.push_str("{host}"),
            What::Part(Part::Port) => out.push_str(":{port}"),
            What::Part(Part::Path | Part::WorkingPath) => out.push_str("{path}"),
            What::Part(Part::Query | Part::WorkingQuery) => out.push_str("{query}"),
            _ => return Err("a target with a text that own rules do not have".into()),
        }
    }
    Ok((out, query))
}

/// The pieces of a target without the request's query at its end, as nginx writes it, and whether it stood there.
fn without_query<'p, 's>(pieces: &'p [Piece<'s>]) -> (&'p [Piece<'s>], bool) {
    let is_query = |piece: &Piece<'_>| matches!(piece.what, What::Part(Part::Query | Part::WorkingQuery));
    let has_own = |pieces: &[Piece<'_>]| {
        pieces.iter().any(|piece| matches!(&piece.what, What::Literal(text) if text.contains(['?', '#'])))
    };
    match pieces {
        [rest @ .., mark, query]
            if is_query(query) && matches!(mark.what, What::Part(Part::QueryMark)) && !has_own(rest) =>
        {
            (rest, true)
        }
        [rest @ .., mark, query]
            if is_query(query) && matches!(&mark.what, What::Literal(text) if text == "?") && !has_own(rest) =>
        {
            (rest, true)
        }
        pieces => (pieces, false),
    }
}

/// The pieces of a target without the request's own scheme, host and port in front of a path: ours are sent relative.
fn without_origin<'p, 's>(pieces: &'p [Piece<'s>]) -> &'p [Piece<'s>] {
    let is_own = |piece: &Piece<'_>| match &piece.what {
        What::Part(Part::Scheme | Part::Host | Part::HostField | Part::Port) | What::PortElse(_) => true,
        What::Literal(text) => text == "://" || text == ":",
        _ => false,
    };
    let count = pieces.iter().take_while(|piece| piece.place < Landing::Path && is_own(piece)).count();
    let (origin, rest) = pieces.split_at(count);
    let has_host = origin.iter().any(|piece| matches!(piece.what, What::Part(Part::Host | Part::HostField)));
    let has_scheme = matches!(origin.first(), Some(Piece { what: What::Part(Part::Scheme), .. }));
    let is_path = matches!(rest.first(), Some(Piece { place: Landing::Path, what: What::Literal(text) }) if text.starts_with('/'));
    let has_own_port = origin.iter().any(|piece| matches!(piece.what, What::PortElse(_)));
    if has_host && has_scheme && has_own_port && is_path { rest } else { pieces }
}
