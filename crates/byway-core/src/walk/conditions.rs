//! What more a rule asks: scheme, port, time, query pairs, conditions; and what that does to caches.

use super::{Aside, Walk, Watch};
use crate::condition::{Depends, SUBJECTS, Seen, Tried, glob_matches, is_field_name};
use crate::decision::Storing;
use crate::dialect::QueryPolicy;
use crate::location::TargetBytes;
use crate::query;
use crate::regex::Match;
use crate::ruleset::RuleRef;
use crate::ruleset::shape::{RawCondition, RawTest, Shape};
use crate::window::{Span, WindowId, span_at};

impl<'w, W: Watch> Walk<'w, W> {
    pub(super) fn gate(&mut self, rule: RuleRef, shape: Shape<'_>) -> Option<Aside> {
        if shape.scheme().is_some_and(|scheme| scheme != self.request.scheme) {
            return Some(Aside::Scheme);
        }
        if shape.port().is_some_and(|port| port != self.request.port) {
            return Some(Aside::Port);
        }
        let (since, until) = shape.span();
        if self.around.now < since {
            return Some(Aside::NotYet(since));
        }
        if self.around.now >= until {
            return Some(Aside::Over(until));
        }
        if let Some(why) = self.outside_windows(shape) {
            return Some(why);
        }
        for (name, value) in shape.pairs() {
            let sent = query::pairs(self.query().unwrap_or_default())
                .any(|(_, n, v)| query::is_same(n, name.as_bytes()) && query::is_same(v, value.as_bytes()));
            if !sent {
                return Some(Aside::QueryPair(name.to_owned()));
            }
        }
        self.conditions(rule)
    }

    fn outside_windows(&self, shape: Shape<'_>) -> Option<Aside> {
        let (window, unless) = (shape.window(), shape.unless_window());
        if let Some(window) = window
            && self.open_span(window).is_none()
        {
            let opens = self.spans(window).iter().map(|span| span.from).find(|from| *from > self.around.now);
            return Some(Aside::WindowClosed { window: WindowId(window), opens });
        }
        let (unless, span) = unless.and_then(|window| Some((window, self.open_span(window)?)))?;
        Some(Aside::WindowOpen { window: WindowId(unless), ends: span.until })
    }

    fn spans(&self, window: u16) -> &'w [Span] {
        let known = self.around.outlook.and_then(|outlook| outlook.windows.get(usize::from(window)));
        known.map(Vec::as_slice).unwrap_or_default()
    }

    /// The span of a window that is open now.
    pub(super) fn open_span(&self, window: u16) -> Option<Span> {
        span_at(self.spans(window), self.around.now)
    }

    /// The first condition that does not hold; of conditions joined by or, the last.
    fn conditions(&mut self, rule: RuleRef) -> Option<Aside> {
        let rules = self.rules;
        let mut already = false;
        for (at, condition) in rules.shape(rules.blob(rule).shape).conditions().enumerate() {
            let holds = already || self.holds(rule, at, &condition);
            already = condition.or_next && holds;
            if !holds && !condition.or_next {
                return Some(Aside::Condition(at));
            }
        }
        None
    }

    fn holds(&mut self, rule: RuleRef, at: usize, condition: &RawCondition<'_>) -> bool {
        // Matchers of conditions are known by rule and place, odd where those of sources are even.
        let key = (u64::from(rule.0) << 1 | 1) ^ ((at as u64 + 1) << 40);
        let mut found = false;
        let Some(row) = SUBJECTS.get(usize::from(condition.row)) else {
            let mut value = std::mem::take(&mut self.scratch.spare);
            let dialect = self.rules.dialect_of(self.rules.shape(self.rules.blob(rule).shape).table());
            let text = TargetBytes::Template(condition.name);
            // A text that no client sees cannot be refused.
            let _ = self.write_text(text, dialect, &QueryPolicy::Drop, &mut value);
            found = self.passes(key, &condition.test, &value, |value, wanted| value == wanted.as_bytes());
            self.scratch.spare = value;
            return found != condition.negate;
        };
        let name = std::str::from_utf8(condition.name).unwrap_or_default();
        let mut seen = Seen::of(self.request);
        match row.depends {
            Depends::OnPlace => seen.place = self.place(),
            Depends::OnVisitor => match self.variant(name) {
                Some(variant) => seen.variant = variant,
                // A preflight says nothing of the visitor: it is answered where any of them may follow.
                None => return true,
            },
            _ => {}
        }
        self.note_dependence(row.depends, name);
        (row.values)(&seen, name, &mut |value| {
            found = found || self.passes(key, &condition.test, value, row.equals);
        });
        found != condition.negate
    }

    fn passes(&mut self, key: u64, test: &RawTest<'_>, value: &[u8], equals: fn(&[u8], &str) -> bool) -> bool {
        let tried = match test {
            RawTest::Present => Tried::Holds,
            RawTest::Is(wanted) => tried(equals(value, wanted)),
            RawTest::In(list) => tried(list.texts().any(|wanted| equals(value, wanted))),
            RawTest::Glob(glob) => tried(glob_matches(glob.as_bytes(), value)),
            RawTest::Range(first, last) => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
                tried(number.is_some_and(|number| (first..=last).contains(&&number)))
            }
            RawTest::Regex(pattern) => self.regex_test(key, pattern, value),
        };
        self.pattern_failed |= tried == Tried::TooCostly;
        tried == Tried::Holds
    }

    fn regex_test(&mut self, key: u64, pattern: &[u8], value: &[u8]) -> Tried {
        let mut spans = std::mem::take(&mut self.scratch.condition_spans);
        let tried = match self.scratch.matchers.run(key, pattern, value, &mut spans) {
            Match::Yes => {
                self.scratch.condition_groups.hold(value, &spans);
                Tried::Holds
            }
            Match::No => Tried::Fails,
            Match::TooCostly => Tried::TooCostly,
        };
        self.scratch.condition_spans = spans;
        tried
    }

    pub(super) fn note_dependence(&mut self, depends: Depends, name: &str) {
        let field = match depends {
            // What depends on the visitor says so itself: between a split's start and end.
            Depends::OnNothing | Depends::OnVisitor => return,
            Depends::OnClient | Depends::OnPlace => {
                self.storing = Storing::Forbidden;
                return;
            }
            Depends::OnField(field) => field,
            Depends::OnNamedField => name,
        };
        let vary = &mut self.scratch.vary;
        if vary.split(',').any(|held| held.trim_start_matches(' ') == field) {
            return;
        }
        // A name that no field can have, from a file that was not checked, is not written into an answer.
        if !is_field_name(field) {
            self.storing = Storing::Forbidden;
            return;
        }
        if !vary.is_empty() {
            vary.push_str(", ");
        }
        vary.push_str(field);
    }
}

fn tried(holds: bool) -> Tried {
    if holds { Tried::Holds } else { Tried::Fails }
}
