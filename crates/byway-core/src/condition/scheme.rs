//! The effective scheme: `http` or `https`, after trusted proxies.

use super::{Depends, SubjectRow, same_bytes};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "scheme",
    takes_name: false,
    help: "`http` or `https`, after trusted proxies.",
    depends: Depends::OnNothing,
    values: |request, _, visit| visit(request.scheme.as_str().as_bytes()),
    equals: same_bytes,
    check: |text| match text {
        "http" | "https" => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no scheme: write `http` or `https`")),
    },
};
