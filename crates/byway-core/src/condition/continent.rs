//! The continent of the client's address.

use super::{Depends, SubjectRow};
use crate::place::CONTINENTS;

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "continent",
    takes_name: false,
    help: "The continent of the client's address: AF, AN, AS, EU, NA, OC or SA; the answer is not stored.",
    depends: Depends::OnPlace,
    values: |seen, _, visit| {
        if let Some(continent) = seen.place.continent {
            visit(continent.as_str().as_bytes());
        }
    },
    equals: super::same_bytes,
    check: |text| {
        let code = text.to_ascii_uppercase();
        match CONTINENTS.iter().any(|(known, _)| *known == code) {
            true => Ok(code),
            false => Err(format!("`{text}` is no continent: there are AF, AN, AS, EU, NA, OC and SA")),
        }
    },
};
