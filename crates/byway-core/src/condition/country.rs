//! The country of the client's address, by its two letters of ISO 3166-1.

use super::{Depends, SubjectRow};
use crate::place::{Code, is_country};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "country",
    takes_name: false,
    help: "The country of the client's address, as `DE`, by the databases of `[geo]`; the answer is not stored.",
    depends: Depends::OnPlace,
    values: |seen, _, visit| {
        if let Some(country) = seen.place.country {
            visit(country.as_str().as_bytes());
        }
    },
    equals: super::same_bytes,
    check: |text| match (text.to_ascii_uppercase().as_str(), Code::new(text)) {
        ("UK", _) => Err("the United Kingdom is `GB`".to_owned()),
        ("EU", _) => Err("the European Union is no country: write `eu = true`".to_owned()),
        (_, Some(code)) if is_country(code) => Ok(code.as_str().to_owned()),
        _ => Err(format!("`{text}` is no country: write two letters of ISO 3166-1, as `DE`")),
    },
};
