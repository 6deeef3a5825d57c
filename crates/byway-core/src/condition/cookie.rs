//! A cookie by name, from every `Cookie` field (RFC 6265 §4.2); the answer varies with `Cookie`.

use super::{Depends, SubjectRow, any_text, same_bytes};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "cookie",
    takes_name: true,
    help: "A cookie, as in `cookie.session`; the answer varies with `Cookie`.",
    depends: Depends::OnField("cookie"),
    values: |request, name, visit| {
        request.fields.for_each("cookie", &mut |field| {
            for pair in field.split(|&b| b == b';') {
                let pair = pair.trim_ascii();
                let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
                if &pair[..end] == name.as_bytes() {
                    visit(pair.get(end + 1..).unwrap_or_default());
                }
            }
        });
    },
    equals: same_bytes,
    check: any_text,
};
