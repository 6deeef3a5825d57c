//! What a conversion says of each rule: exact, approximated and why, refused and why.
//!
//! Reading another server's file says it of each source rule, writing says it of each rule that is written. All are counted;
//! of very many only the first are kept, the refused before all others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::span::Span;

/// How well a rule was carried over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It decides the same.
    Exact,
    /// It decides nearly the same.
    Approximated(Cow<'static, str>),
    /// It cannot be said, and is left out.
    Refused(Cow<'static, str>),
}

impl Verdict {
    /// `exact`, `approximated` or `refused`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Verdict::Exact => "exact",
            Verdict::Approximated(_) => "approximated",
            Verdict::Refused(_) => "refused",
        }
    }

    /// Why, where it is not exact.
    pub fn why(&self) -> Option<&str> {
        match self {
            Verdict::Exact => None,
            Verdict::Approximated(why) | Verdict::Refused(why) => Some(why),
        }
    }
}

/// What is said of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Where it was written, where that is known.
    pub span: Option<Span>,
    /// The rule, shortened to [`TEXT_LIMIT`].
    pub rule: String,
    /// How well it was carried over.
    pub verdict: Verdict,
}

/// How many bytes of a rule are kept in a remark.
pub const TEXT_LIMIT: usize = 160;
/// How many remarks of one verdict are kept.
pub const KEPT: usize = 100_000;

/// Remarks as they are gathered.
///
/// ```
/// use byway_config::remarks::{Remarks, Verdict};
/// let mut remarks = Remarks::default();
/// remarks.push(None, "rewrite ^/a /b", Verdict::Exact);
/// remarks.push(None, "content_by_lua_block", Verdict::Refused("Lua is not run".into()));
/// assert_eq!((remarks.exact, remarks.refused), (1, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Remarks {
    /// Those that are kept, in the order of the text.
    pub kept: Vec<Remark>,
    /// How many are exact.
    pub exact: u64,
    /// How many are approximated.
    pub approximated: u64,
    /// How many were refused.
    pub refused: u64,
    /// How often each reason was given.
    pub reasons: BTreeMap<(&'static str, String), u64>,
}

impl Remarks {
    /// Says something of a rule.
    pub fn push(&mut self, span: Option<Span>, rule: &str, verdict: Verdict) {
        let count = match verdict {
            Verdict::Exact => &mut self.exact,
            Verdict::Approximated(_) => &mut self.approximated,
            Verdict::Refused(_) => &mut self.refused,
        };
        *count += 1;
        let is_kept = *count <= KEPT as u64;
        if let Some(why) = verdict.why()
            && (is_kept || self.reasons.len() < KEPT)
        {
            *self.reasons.entry((verdict.as_str(), why.to_owned())).or_default() += 1;
        }
        if is_kept {
            self.kept.push(Remark { span, rule: shortened(rule), verdict });
        }
    }

    /// How many rules were spoken of.
    pub fn total(&self) -> u64 {
        self.exact + self.approximated + self.refused
    }
}

/// A rule in one line of at most [`TEXT_LIMIT`] bytes.
fn shortened(rule: &str) -> String {
    let line = rule.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= TEXT_LIMIT {
        return line;
    }
    let end = (0..=TEXT_LIMIT).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &line[..end])
}

/// What a file does beside redirecting, which byway will not do.
#[derive(Clone, Debug, Default)]
pub struct Beyond {
    /// How often.
    pub count: u64,
    /// The first few: where, and the directive in its own words.
    pub examples: Vec<(Span, String)>,
}

impl Beyond {
    /// How many examples are kept.
    pub const EXAMPLES: usize = 5;

    /// Notes something that is not a redirect.
    pub fn push(&mut self, span: Span, what: &str) {
        self.count += 1;
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push((span, shortened(what)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_rule_is_one_short_line() {
        let mut remarks = Remarks::default();
        remarks.push(None, &format!("rewrite\n   {}", "ü".repeat(200)), Verdict::Exact);
        let rule = &remarks.kept[0].rule;
        assert!(rule.starts_with("rewrite ü") && rule.ends_with('…') && rule.len() < TEXT_LIMIT + 4, "{rule}");
    }
}
