//! A header field by name: each of its lines is a value, without the blanks around it.

use super::{Depends, SubjectRow, any_text, same_bytes};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "header",
    takes_name: true,
    help: "A header field, as in `header.x-beta`; the answer varies with it.",
    depends: Depends::OnNamedField,
    values: |request, name, visit| request.each_field(name, visit),
    equals: same_bytes,
    check: any_text,
};
