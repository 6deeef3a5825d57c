//! A target as nginx says it: text, variables and groups, what of them stands at a place, and the pattern that must fit first.

use byway_core::dialect::{LetterCase, QueryPolicy};
use byway_core::regex::Anchoring;
use byway_core::source::{PathPattern, Source};
use byway_core::status::StatusByMethod;
use byway_core::target::{Landing, Part, Target, What};

use super::rule::{On, Open};
use super::words::{REST, Sent, decoded_pattern, pattern};
use crate::lints::{may_hold_control, may_hold_line_feed};

type Why = std::borrow::Cow<'static, str>;

const AS_SENT: &str = "a pattern with escapes sees them as they were sent, in capitals or not";
const EMPTY_BETWEEN: &str = "where nothing was captured between two slashes, nginx sends both";
const VALUE: &str = "a pair of the query is found by its name as it was sent, whatever its case, and arrives in the path as it was sent";
const ARGUMENT: &str = "nginx finds a pair of the query by its name as it was sent, whatever its case";
const CAPTURE_IN_QUERY: &str = "`&`, `=` and `+` of a capture arrive in the query unescaped";

/// A target.
pub(super) struct To {
    bits: Vec<Bit>,
    /// The request's query, as variables.
    query: &'static str,
    /// What stands behind it.
    fragment: String,
    /// The source, as a pattern on the path as it was sent.
    sent: Option<Sent>,
    /// What that pattern is asked of.
    on: On,
    ignores_case: bool,
    prefix: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bit {
    Text(String),
    Variable(String),
    Group(u8),
    /// A group of the pattern that a condition asks.
    Kept(u8),
    /// What is below a prefix, with its slash.
    Rest,
    /// The same without.
    BareRest,
    /// The same without all its slashes: it would open another host.
    NakedRest,
}

/// A target at a place: its text, and the pattern that must fit first.
pub(super) struct Written {
    pub(super) path: String,
    pub(super) query: &'static str,
    pub(super) fragment: String,
    pub(super) pattern: Option<Fits>,
}

/// A pattern that is asked first.
#[derive(Clone, Debug)]
pub(super) struct Fits {
    pub(super) on: On,
    pub(super) pattern: String,
    pub(super) ignores_case: bool,
}

impl Fits {
    /// The pattern with what it makes of letter case, where no sign beside it says that.
    pub(super) fn whole(&self) -> String {
        format!("{}{}", if self.ignores_case { "(?i)" } else { "" }, self.pattern)
    }
}

impl Written {
    /// The words behind the pattern of a `rewrite`, which joins the request's query unless a `?` ends them.
    pub(super) fn rewritten(&self) -> String {
        format!("{}{}{}", self.path, self.fragment, if self.query.is_empty() { "?" } else { "" })
    }

    /// The words behind a `return`.
    pub(super) fn text(&self) -> String {
        let text = format!("{}{}{}", self.path, self.query, self.fragment);
        match text.contains("$request_path$is_args$args") {
            true => text.replace("$request_path$is_args$args", "$request_uri"),
            false => text,
        }
    }
}

/// What becomes of a `?` that ends a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// nginx's `return` sends it, and is to do so again.
    Sent,
    LeftOut,
}

/// Whether the pattern of a source is one on the path as nginx sees it.
pub(super) fn is_seen(source: &Source<'_>) -> bool {
    matches!(&source.path, PathPattern::Regex(pattern) if pattern.anchoring == Anchoring::Anywhere)
}

pub(super) fn to_text(
    source: &Source<'_>,
    target: &Target<'_>,
    query: &QueryPolicy,
    (path_variable, mark): (&str, Mark),
    note: &mut impl FnMut(Option<&'static str>),
) -> Result<To, Why> {
    let mut to = To {
        bits: Vec::new(),
        query: "",
        fragment: String::new(),
        sent: None,
        on: On::Sent,
        ignores_case: source.case == LetterCase::Ignored,
        prefix: match (&source.path, source.case) {
            (PathPattern::Prefix(prefix), LetterCase::Significant) => Some(prefix.to_vec()),
            _ => None,
        },
    };
    let mut has_query = false;
    if let Some(text) = target.constant() {
        let (before, behind) = text.split_at(text.find('#').unwrap_or(text.len()));
        let before = before.strip_suffix('?').filter(|_| mark == Mark::LeftOut).unwrap_or(before);
        has_query = before.contains('?');
        to.bits.push(Bit::Text(dollars(before)));
        to.fragment.push_str(&dollars(behind));
    }
    let is_relative = target.pieces().first().is_some_and(|piece| piece.place == Landing::Path);
    let (mut path, mut follows) = (String::new(), false);
    for piece in target.pieces() {
        has_query |= piece.place == Landing::Query;
        let is_path = piece.place == Landing::Path;
        // Nothing but one slash stands before it, and what it brings would be a host.
        let is_open = is_relative && is_path && matches!(path.as_str(), "" | "/") && !is_seen(source);
        match &piece.what {
            What::Literal(text) if piece.place == Landing::Fragment => to.fragment.push_str(&dollars(text)),
            What::Literal(text) => {
                if is_path {
                    path.push_str(text);
                }
                to.bits.push(Bit::Text(dollars(text)));
                continue;
            }
            What::Capture(index) if piece.place >= Landing::Path && piece.place <= Landing::Query => {
                note((piece.place == Landing::Query && !is_seen(source)).then_some(CAPTURE_IN_QUERY));
                if *index >= 9 {
                    return Err("it uses a tenth group, and nginx knows nine: write the rest without parentheses".into());
                }
                match &source.path {
                    PathPattern::Segments { .. } if is_open && *index == 0 => follows = true,
                    _ if is_open => to.bits.insert(0, Bit::Text("$scheme://$http_host".to_owned())),
                    _ => {}
                }
                to.bits.push(Bit::Group(index + 1));
            }
            What::Tail(_) if is_path && path.is_empty() && is_relative => {
                to.bits.extend([Bit::Text("/".to_owned()), Bit::NakedRest]);
            }
            What::Tail(_) if is_path && path.is_empty() => to.bits.extend([Bit::Text("/".to_owned()), Bit::BareRest]),
            What::Tail(_) if is_path => to.bits.push(Bit::Rest),
            What::TailText(_) if is_open => to.bits.push(Bit::NakedRest),
            What::TailText(_) if is_path || piece.place == Landing::Query => {
                note((piece.place == Landing::Query).then_some(CAPTURE_IN_QUERY));
                to.bits.push(Bit::BareRest);
            }
            What::Part(Part::Path) if is_path => {
                if is_open {
                    to.bits.insert(0, Bit::Text("$scheme://$http_host".to_owned()));
                }
                to.bits.push(Bit::Variable(path_variable.to_owned()));
            }
            What::Part(Part::Path) if piece.place == Landing::Query => {
                note((path_variable != "uri").then_some(CAPTURE_IN_QUERY));
                to.bits.push(Bit::Variable(path_variable.to_owned()));
            }
            What::Part(Part::Query) if piece.place == Landing::Query => to.bits.push(Bit::Variable("args".to_owned())),
            What::Part(Part::Scheme) if piece.place == Landing::Scheme => {
                to.bits.push(Bit::Variable("scheme".to_owned()))
            }
            What::Part(Part::Host) if piece.place == Landing::Host => to.bits.push(Bit::Variable("host".to_owned())),
            What::ConditionCapture(number)
                if piece.place >= Landing::Path && piece.place <= Landing::Query || is_label(&to.bits) =>
            {
                if is_open {
                    to.bits.insert(0, Bit::Text("$scheme://$http_host".to_owned()));
                }
                to.bits.push(Bit::Kept(*number));
            }
            What::QueryValue(name) if is_path && is_word(name) => {
                if is_open {
                    to.bits.insert(0, Bit::Text("$scheme://$http_host".to_owned()));
                }
                note(Some(VALUE));
                to.bits.push(Bit::Variable(format!("arg_{}", name.to_ascii_lowercase())));
            }
            What::QueryValue(name)
                if piece.place == Landing::Query && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                note(Some(ARGUMENT));
                to.bits.push(Bit::Variable(format!("arg_{}", name.to_ascii_lowercase())));
            }
            _ => return Err("its target holds text of the request where nginx would not escape it: take it out of host, query or fragment".into()),
        }
        if is_path {
            path.push('…');
        }
    }
    let ends_open = target.constant().is_some_and(|text| text.split('#').next().unwrap_or_default().ends_with('&'));
    to.query = match query {
        QueryPolicy::Keep if ends_open => "$args",
        QueryPolicy::Keep if has_query => "$and_args",
        QueryPolicy::Replace if has_query => "",
        QueryPolicy::Drop => "",
        QueryPolicy::Keep | QueryPolicy::Replace => "$is_args$args",
        QueryPolicy::Merge(_) | QueryPolicy::Only(_) => {
            return Err("a query that is merged by name, or of which only some pairs are kept".into());
        }
    };
    let is_between = to.bits.windows(3).any(|three| match three {
        [Bit::Text(before), taken, Bit::Text(behind)] => {
            let may_be_empty = match taken {
                Bit::BareRest | Bit::NakedRest => true,
                Bit::Group(_) => matches!(source.path, PathPattern::Regex(_)),
                _ => false,
            };
            may_be_empty && before.ends_with('/') && behind.starts_with('/')
        }
        _ => false,
    });
    note((is_between && !is_seen(source)).then_some(EMPTY_BETWEEN));
    if !matches!(source.path, PathPattern::Exact(_)) || source.case == LetterCase::Ignored {
        to.sent = Some(pattern(source, follows)?);
    }
    let has_escapes = matches!(&source.path, PathPattern::Regex(pattern) if pattern.text.contains('%'));
    note((has_escapes && !is_seen(source)).then_some(AS_SENT));
    Ok(to)
}

fn is_word(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether what comes next is a label of a host, and does not lengthen one.
fn is_label(before: &[Bit]) -> bool {
    matches!(before.last(), Some(Bit::Text(text)) if text.ends_with("://") || text.ends_with('.'))
}

/// A text with its dollar signs as nginx can say them.
fn dollars(text: &str) -> String {
    text.replace('$', "${dollar}")
}

/// Where a target is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot<'p> {
    /// At this path and no other.
    At(&'p [u8]),
    /// Below the prefix of the rule, or somewhere below that.
    Below,
    /// Where the pattern must be asked whether it fits.
    Somewhere,
}

impl To {
    /// Whether it has no host.
    pub(super) fn is_relative(&self) -> bool {
        match self.bits.first() {
            Some(Bit::Text(text)) => text.starts_with('/'),
            Some(Bit::Variable(name)) => name == "uri",
            first => matches!(first, Some(Bit::Group(_))),
        }
    }

    /// The same without the slash before its first group, or before the path.
    pub(super) fn without_slash(mut self) -> To {
        let is_taken = |bit: &Bit| match bit {
            Bit::Variable(name) => name == "uri" || name == "request_path",
            bit => matches!(bit, Bit::Group(_)),
        };
        let group = self.bits.iter().position(is_taken);
        if let Some(Bit::Text(text)) = group.and_then(|at| at.checked_sub(1)).and_then(|at| self.bits.get_mut(at)) {
            text.pop();
        }
        self.bits.retain(|bit| !matches!(bit, Bit::Text(text) if text.is_empty()));
        self
    }

    /// The same with its pattern asked of this.
    pub(super) fn asked_of(self, on: On) -> To {
        To { on, ..self }
    }

    /// The same as a path inside the server, which has no host.
    pub(super) fn inside(mut self) -> Result<To, Why> {
        let is_origin = |bit: &Bit| matches!(bit, Bit::Text(text) if text == "$scheme://$http_host");
        if self.bits.first().is_some_and(is_origin) {
            self.bits.remove(0);
        }
        match self.bits.iter().any(|bit| matches!(bit, Bit::Variable(name) if name == "request_path")) {
            true => Err("it leads to the path as it was sent, which `rewrite` has no word for".into()),
            false => Ok(self),
        }
    }

    /// The target at a place.
    pub(super) fn at(&self, spot: Spot<'_>, kept: &[(u8, String)]) -> Written {
        let rest = match (&self.prefix, spot) {
            (Some(prefix), Spot::At(path)) => path.get(prefix.len()..).and_then(|rest| std::str::from_utf8(rest).ok()),
            _ => None,
        };
        let is_root = self.prefix.as_ref().is_some_and(Vec::is_empty);
        let mut groups = matches!(spot, Spot::Somewhere);
        let mut parts: Vec<(bool, String)> = Vec::new();
        let uses = |bit: Bit| self.bits.contains(&bit);
        let is_naked = uses(Bit::NakedRest);
        let (has_rest, has_bare) = (uses(Bit::Rest), uses(Bit::BareRest) || is_naked);
        let with = self.sent.as_ref().map(|sent| sent.rest).unwrap_or_default();
        let without = if has_rest { with + 1 } else { with };
        let mut bits = self.bits.as_slice();
        let mut swallows = false;
        while let [bit, others @ ..] = bits {
            bits = others;
            let had_nothing = std::mem::take(&mut swallows);
            match bit {
                // The whole path, as it was sent.
                Bit::Text(text)
                    if text == "/" && is_root && others.first() == Some(&Bit::BareRest) && rest.is_none() =>
                {
                    parts.push((true, "request_path".to_owned()));
                    bits = &others[1..];
                }
                Bit::Text(text) => {
                    // Nothing between two slashes leaves one.
                    let text = if had_nothing { text.strip_prefix('/').unwrap_or(text) } else { text };
                    parts.push((false, text.to_owned()));
                }
                Bit::Variable(name) => parts.push((true, name.clone())),
                Bit::Group(number) => {
                    groups = true;
                    parts.push((true, number.to_string()));
                }
                Bit::Kept(number) => {
                    let name = kept.iter().find(|(known, _)| known == number).map(|(_, name)| name.clone());
                    parts.push((true, name.unwrap_or_else(|| number.to_string())));
                }
                Bit::Rest | Bit::BareRest | Bit::NakedRest if rest.is_some() => {
                    let rest = rest.unwrap_or_default();
                    let rest = match bit {
                        Bit::Rest => rest,
                        Bit::BareRest => rest.strip_prefix('/').unwrap_or(rest),
                        _ => rest.trim_start_matches('/'),
                    };
                    swallows = rest.is_empty() && parts.last().is_some_and(|(_, text)| text.ends_with('/'));
                    parts.push((false, dollars(rest)));
                    continue;
                }
                Bit::Rest if is_root => parts.push((true, "request_path".to_owned())),
                Bit::Rest => {
                    groups = true;
                    parts.push((true, with.to_string()));
                }
                Bit::BareRest | Bit::NakedRest => {
                    groups = true;
                    parts.push((true, without.to_string()));
                }
            }
        }
        let rest = match (has_rest, has_bare, is_naked) {
            (true, false, _) => "(/.*)",
            (true, true, false) => "(/(.*))",
            (true, true, true) => "(/[/\\\\]*(.*))",
            (false, true, false) => "/(.*)",
            (false, true, true) => "/[/\\\\]*(.*)",
            (false, false, _) => "",
        };
        let rest = match (rest, spot) {
            ("", _) => "(?:/|$)".to_owned(),
            (rest, Spot::Below) => format!("{rest}$"),
            (rest, _) if rest.starts_with('(') => format!("{rest}?$"),
            (rest, _) => format!("(?:{rest})?$"),
        };
        let pattern = self.sent.as_ref().filter(|_| groups);
        let made = |sent: &Sent| match self.on {
            On::Sent => sent.pattern.replace(REST, &rest),
            On::Decoded if sent.is_seen => sent.pattern.clone(),
            On::Decoded => decoded_pattern(&sent.pattern.replace(REST, &rest)),
        };
        let pattern = pattern.map(|sent| Fits { on: self.on, pattern: made(sent), ignores_case: self.ignores_case });
        Written { path: joined(&parts), query: self.query, fragment: self.fragment.clone(), pattern }
    }

    /// Whether it takes something out of the path.
    pub(super) fn takes_groups(&self) -> bool {
        let of_path = |bit: &Bit| matches!(bit, Bit::Group(_) | Bit::Rest | Bit::BareRest | Bit::NakedRest);
        self.bits.iter().any(of_path)
    }

    /// Whether it sends the path decoded.
    pub(super) fn sends_path(&self) -> bool {
        self.bits.iter().any(|bit| matches!(bit, Bit::Variable(name) if name == "uri"))
    }

    /// Whether it takes something out of the path into its query.
    pub(super) fn takes_groups_there(&self) -> bool {
        let is_mark = |bit: &Bit| matches!(bit, Bit::Text(text) if text.contains('?'));
        let behind = self.bits.iter().skip_while(|bit| !is_mark(bit));
        behind.into_iter().any(|bit| matches!(bit, Bit::Group(_) | Bit::Rest | Bit::BareRest | Bit::NakedRest))
    }

    /// Whether `rewrite` says the same: it has two statuses, and makes something of its own of escapes in its text.
    /// `is_nginx` says that it was written for nginx.
    pub(super) fn fits_rewrite(&self, status: StatusByMethod, is_nginx: bool) -> bool {
        let is_plain = |bit: &Bit| match bit {
            Bit::Text(text) => !text.contains('%'),
            Bit::Variable(name) => name == "scheme" || name == "host" || name == "uri",
            Bit::Kept(_) => false,
            _ => true,
        };
        let has_word = status.get == status.other && matches!(status.get.number(), 301 | 302);
        has_word && (is_nginx || self.fragment.is_empty()) && self.query != "$args" && self.bits.iter().all(is_plain)
    }

    /// Whether a control character of the request may come into it, decoded: `.` leaves out the line feed alone.
    pub(super) fn may_break(&self, source: &Source<'_>) -> Open {
        let is_root = self.prefix.as_deref().is_some_and(<[u8]>::is_empty);
        let may = |bit: &Bit, may_hold: fn(&str, u8) -> bool| match (bit, &source.path) {
            (Bit::Variable(name), _) => name == "uri",
            // The end of nginx's patterns takes no line feed with it.
            (Bit::Group(number), PathPattern::Regex(pattern)) => {
                may_hold(&pattern.text.replace("(?:\\n?$)", "$"), *number)
            }
            (Bit::Group(_), _) => true,
            (Bit::Rest | Bit::BareRest | Bit::NakedRest, _) => !is_root,
            (Bit::Text(_) | Bit::Kept(_), _) => false,
        };
        let any = |may_hold| self.bits.iter().any(|bit| may(bit, may_hold));
        match (any(may_hold_line_feed), any(may_hold_control)) {
            (true, _) => Open::Always,
            (false, true) => Open::ButLineFeed,
            (false, false) => Open::Never,
        }
    }

    /// The groups that it takes out of the pattern of a condition.
    pub(super) fn kept(&self) -> Vec<u8> {
        let mut all: Vec<u8> = Vec::new();
        for bit in &self.bits {
            all.extend(match bit {
                Bit::Kept(number) if !all.contains(number) => Some(*number),
                _ => None,
            });
        }
        all
    }

    /// What takes nothing of the request's path, and nothing but scheme and host beside it: its path and what stands behind it.
    pub(super) fn constant(&self) -> Option<(String, &'static str)> {
        let is_plain = |bit: &Bit| match bit {
            Bit::Text(text) => !text.contains('$'),
            Bit::Variable(name) => name == "scheme" || name == "host",
            _ => false,
        };
        if !self.fragment.is_empty() || !self.bits.iter().all(is_plain) {
            return None;
        }
        let parts: Vec<(bool, String)> = self
            .bits
            .iter()
            .filter_map(|bit| match bit {
                Bit::Text(text) => Some((false, text.clone())),
                Bit::Variable(name) => Some((true, name.clone())),
                _ => None,
            })
            .collect();
        Some((joined(&parts), self.query))
    }
}

/// Texts and variables; a name that a letter follows stands in braces.
fn joined(parts: &[(bool, String)]) -> String {
    let mut out = String::new();
    for (at, (is_variable, text)) in parts.iter().enumerate() {
        let next = parts.get(at + 1).and_then(|(is_variable, text)| text.chars().next().filter(|_| !is_variable));
        let is_digit = text.len() == 1 && text.as_bytes()[0].is_ascii_digit();
        let runs_on = next.is_some_and(|sign| sign.is_ascii_alphanumeric() || sign == '_');
        match is_variable {
            false => out.push_str(text),
            true if runs_on && !is_digit => out.push_str(&format!("${{{text}}}")),
            true => out.push_str(&format!("${text}")),
        }
    }
    out
}
