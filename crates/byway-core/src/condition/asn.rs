//! The autonomous system of the client's address, by its number.

use super::{Depends, SubjectRow};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "asn",
    takes_name: false,
    help: "The number of the autonomous system of the client's address, as `3320`; the answer is not stored.",
    depends: Depends::OnPlace,
    values: |seen, _, visit| {
        if let Some(asn) = seen.place.asn {
            visit(asn.to_string().as_bytes());
        }
    },
    equals: super::same_bytes,
    check: |text| {
        let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
        match digits.parse::<u32>() {
            Ok(number) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(number.to_string()),
            _ => Err(format!("`{text}` is no number of an autonomous system, as `3320`")),
        }
    },
};
