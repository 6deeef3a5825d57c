//! What a walk came to, and the decision that it makes of it.

use crate::decision::{Decision, FieldLines, Outcome, Redirect, Refusal, Reply, Storing};
use crate::location::Location;
use crate::ruleset::{RuleRef, Sections};
use crate::status::{RedirectStatus, ReplyStatus};

/// What a walk came to.
pub(super) struct Verdict {
    pub(super) rule: Option<RuleRef>,
    pub(super) what: What,
}

/// What is done.
pub(super) enum What {
    Redirect(RedirectStatus),
    Reply(ReplyStatus, Option<u32>),
    Pass,
    Refuse(Refusal),
}

const PERMANENT_CACHE: &str = "max-age=3600";
const TEMPORARY_CACHE: &str = "no-store";

impl Verdict {
    pub(super) fn pass() -> Verdict {
        Verdict { rule: None, what: What::Pass }
    }

    pub(super) fn refuse(rule: RuleRef, why: Refusal) -> Verdict {
        Verdict { rule: Some(rule), what: What::Refuse(why) }
    }

    pub(super) fn decision<'s>(self, rules: Sections<'s>, location: &'s [u8], said: Said<'s>) -> Decision<'s> {
        let shape = self.rule.map(|rule| rules.shape(rules.blob(rule).shape));
        let cache_control = || match shape {
            _ if said.storing == Storing::Forbidden => TEMPORARY_CACHE,
            Some(shape) => shape.cache_control(),
            None => "",
        };
        // Who is up today is no answer to keep, unless the rule says so; that nobody is, never.
        let pooled = || shape.is_some_and(|shape| shape.pool().is_some());
        let outcome = match self.what {
            What::Pass => Outcome::Pass,
            What::Refuse(why) => Outcome::Refuse(why),
            What::Reply(status, retry_after) => {
                let said = Some(cache_control()).filter(|text| !text.is_empty() && !pooled());
                let cache_control = said.unwrap_or(TEMPORARY_CACHE);
                Outcome::Reply(Reply { status, retry_after, cache_control })
            }
            What::Redirect(status) => match written(location, said.is_looked_at) {
                None => Outcome::Refuse(Refusal::InvalidLocation),
                Some(location) => {
                    let usual = if status.is_permanent() && !pooled() { PERMANENT_CACHE } else { TEMPORARY_CACHE };
                    let cache_control = Some(cache_control()).filter(|text| !text.is_empty()).unwrap_or(usual);
                    Outcome::Redirect(Redirect { status, location, cache_control })
                }
            },
        };
        Decision {
            outcome,
            rule: self.rule,
            vary: said.vary,
            storing: said.storing,
            fields: said.fields,
            variants: said.variants,
        }
    }
}

fn written(location: &[u8], is_looked_at: bool) -> Option<Location<'_>> {
    if is_looked_at { Location::of_looked_at(location) } else { Location::of_written(location) }
}

/// What an answer says of caches, and beside.
pub(super) struct Said<'s> {
    pub(super) vary: &'s str,
    pub(super) storing: Storing,
    pub(super) fields: FieldLines<'s>,
    pub(super) variants: &'s str,
    /// Whether the location passed every test of one already.
    pub(super) is_looked_at: bool,
}
