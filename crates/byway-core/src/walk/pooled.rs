//! What a rule answers with that the edge knows: the member of a pool that is up, and what is left of a window.

use super::{Verdict, Walk, Watch, What};
use crate::condition::{Depends, SUBJECTS, Seen};
use crate::decision::Refusal;
use crate::location;
use crate::pool::{Balance, By, Down, MemberState, PoolId, PoolOutlook};
use crate::rule::RetryAfter;
use crate::ruleset::RuleRef;
use crate::ruleset::shape::Shape;
use crate::status::ReplyStatus;

impl<'w, W: Watch> Walk<'w, W> {
    /// Puts the origin of a member before the location; the verdict where nobody is up.
    pub(super) fn place_in_pool(&mut self, rule: RuleRef, pool: u16) -> Result<(), Verdict> {
        let unseen;
        let known = match self.around.outlook.and_then(|outlook| outlook.pools.get(usize::from(pool))) {
            Some(known) => known,
            // Nobody has looked: all are supposed to be up.
            None => {
                let written = self.rules.pools().nth(usize::from(pool));
                unseen = written.map(|pool| PoolOutlook::of(&pool, |_| MemberState::UNSEEN));
                match &unseen {
                    Some(unseen) => unseen,
                    None => return Err(Verdict::refuse(rule, Refusal::InvalidLocation)),
                }
            }
        };
        let origin = match &known.balance {
            Balance::First | Balance::RoundRobin => known.at_turn(self.around.turn),
            Balance::Hash(by) => self.of_key(known, by),
        };
        self.watch.pooled(PoolId(pool), origin);
        let Some(origin) = origin else {
            let retry_after = match known.down {
                Down::Reply { retry_after } => Some(retry_after),
                Down::LastStandby => None,
            };
            let what = What::Reply(ReplyStatus::ServiceUnavailable, retry_after);
            return Err(Verdict { rule: Some(rule), what });
        };
        self.scratch.location.splice(0..0, origin.bytes());
        match self.scratch.location.len() > location::LENGTH_LIMIT {
            true => Err(Verdict::refuse(rule, Refusal::LocationTooLong)),
            false => Ok(()),
        }
    }

    /// What a reply says of when to come back.
    pub(super) fn retry_after(&self, shape: Shape<'_>) -> Option<u32> {
        match shape.retry_after()? {
            RetryAfter::Seconds(seconds) => Some(seconds),
            RetryAfter::Window => {
                let left = self.open_span(shape.window()?)?.until.saturating_sub(self.around.now);
                Some(u32::try_from(left).unwrap_or(u32::MAX))
            }
        }
    }

    /// The member to which something of the request belongs; without it, the client's address.
    fn of_key<'o>(&mut self, known: &'o PoolOutlook, by: &By) -> Option<&'o str> {
        let (key, name) = match by {
            By::Path => return known.of_key(self.request.path),
            By::Address => ("address", ""),
            By::Cookie(name) => ("cookie", name.as_str()),
            By::Header(name) => ("header", name.as_str()),
            By::Query(name) => ("query", name.as_str()),
        };
        let row = SUBJECTS.iter().find(|row| row.key == key)?;
        self.note_dependence(row.depends, name);
        let mut found = None;
        let mut seen = false;
        (row.values)(&Seen::of(self.request), name, &mut |value| {
            if !seen {
                found = known.of_key(value);
                seen = true;
            }
        });
        if !seen {
            self.note_dependence(Depends::OnClient, "");
            found = known.of_key(self.request.address.to_canonical().to_string().as_bytes());
        }
        found
    }
}
