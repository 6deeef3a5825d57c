//! Who asks: where they are, looked up once, and their variant in each split, divided once.

use super::{Walk, Watch};
use crate::decision::Storing;
use crate::extras::push_line;
use crate::place::Place;
use crate::split::{Assigned, RawSplit};

/// A split that a rule asked about, and what came of it.
pub(super) struct Divided<'w> {
    split: RawSplit<'w>,
    assigned: Assigned<'w>,
}

impl<'w, W: Watch> Walk<'w, W> {
    /// The place of the client's address.
    pub(super) fn place(&mut self) -> Place {
        let (around, request) = (self.around, self.request);
        *self.place.get_or_insert_with(|| {
            let place = around.places.map(|places| places.place(request.address.to_canonical()));
            place.unwrap_or_default().completed()
        })
    }

    /// The visitor's variant in a split; `None` on a preflight, which comes without cookies.
    pub(super) fn variant(&mut self, name: &str) -> Option<&'w str> {
        if self.asked.is_some() {
            return None;
        }
        let known = self.divided.iter().find(|divided| divided.split.name == name);
        if let Some(divided) = known {
            return Some(divided.assigned.variant);
        }
        let Some(split) = self.rules.split(name) else { return Some("") };
        if !split.is_on(self.around.now) {
            return Some(split.control().variant);
        }
        let assigned = split.assign(self.request, self.around.visitor, self.around.draws);
        self.storing = Storing::Forbidden;
        self.divided.push(Divided { split, assigned });
        Some(assigned.variant)
    }

    /// Writes what the answer says of the visitor's variants: the field that a split asks for, and the cookie that remembers.
    pub(super) fn say_variants(&mut self) {
        let (fields, variants) = (&mut self.scratch.fields, &mut self.scratch.variants);
        for Divided { split, assigned } in &self.divided {
            if !assigned.counts {
                continue;
            }
            if !variants.is_empty() {
                variants.push(',');
            }
            [split.name, "=", assigned.variant].into_iter().for_each(|part| variants.push_str(part));
            if !split.exposure.is_empty() {
                push_line(fields, split.exposure, &[assigned.variant]);
            }
            if let Some(cookie) = assigned.remember {
                // RFC 6265 §4.1; without Max-Age it lives as long as the browser is open.
                let rest = "; Path=/; Secure; HttpOnly; SameSite=Lax";
                push_line(fields, "Set-Cookie", &[cookie, "=", assigned.variant, rest]);
            }
        }
    }
}
