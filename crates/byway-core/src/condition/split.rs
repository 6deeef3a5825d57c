//! The variant of the visitor in a split, by the split's name.

use super::{Depends, SubjectRow, any_text, same_bytes};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "split",
    takes_name: true,
    help: "The visitor's variant in a split, as in `split.checkout = \"b\"`; the answer is not stored.",
    depends: Depends::OnVisitor,
    values: |seen, _, visit| visit(seen.variant.as_bytes()),
    equals: same_bytes,
    check: any_text,
};
