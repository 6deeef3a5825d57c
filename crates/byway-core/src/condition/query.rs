//! A parameter of the request's query by name, percent-encoding and `+` undone.

use super::{Depends, SubjectRow, any_text, same_bytes};
use crate::query::{decoded, is_same, pairs};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "query",
    takes_name: true,
    help: "A parameter of the query, as in `query.lang`, decoded.",
    depends: Depends::OnNothing,
    values: |request, name, visit| {
        for (_, key, value) in pairs(request.query.unwrap_or_default()) {
            if is_same(key, name.as_bytes()) {
                visit(&decoded(value));
            }
        }
    },
    equals: same_bytes,
    check: any_text,
};
