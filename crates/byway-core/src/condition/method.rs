//! The request's method, case-sensitive (RFC 9110 §9.1).

use super::{Depends, SubjectRow, same_bytes};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "method",
    takes_name: false,
    help: "The method as sent; methods are case-sensitive.",
    depends: Depends::OnNothing,
    values: |request, _, visit| visit(request.method.as_bytes()),
    equals: same_bytes,
    check: |text| match text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        && !text.is_empty()
    {
        true if text.bytes().any(|b| b.is_ascii_lowercase()) && !text.bytes().any(|b| b.is_ascii_uppercase()) => {
            Err(format!("methods are case-sensitive: write `{}`", text.to_ascii_uppercase()))
        }
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is no method")),
    },
};
