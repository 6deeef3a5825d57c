//! Whether the client's address is in the European Union: a value that is there or not.

use super::{Depends, SubjectRow};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "eu",
    takes_name: false,
    help: "`true` where the client's address is known to be in the European Union; the answer is not stored.",
    depends: Depends::OnPlace,
    values: |seen, _, visit| {
        if seen.place.is_eu == Some(true) {
            visit(b"true");
        }
    },
    equals: super::same_bytes,
    check: |text| match text {
        "true" => Ok(text.to_owned()),
        _ => Err("write `eu = true` or `eu = false`".to_owned()),
    },
};
