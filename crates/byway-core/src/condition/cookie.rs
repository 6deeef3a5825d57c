//! A cookie by name, from every `Cookie` field (RFC 6265 §4.2); the answer varies with `Cookie`.

use super::{Depends, SubjectRow, any_text, same_bytes};
use crate::request::Request;

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "cookie",
    takes_name: true,
    help: "A cookie, as in `cookie.session`; the answer varies with `Cookie`.",
    depends: Depends::OnField("cookie"),
    values: |seen, name, visit| each(seen, name, visit),
    equals: same_bytes,
    check: any_text,
};

/// Calls `visit` with every value that a cookie has in a request.
pub(crate) fn each(request: &Request<'_>, name: &str, visit: &mut dyn FnMut(&[u8])) {
    request.fields.for_each("cookie", &mut |field| {
        for pair in field.split(|&b| b == b';') {
            let pair = pair.trim_ascii();
            let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            if &pair[..end] == name.as_bytes() {
                visit(pair.get(end + 1..).unwrap_or_default());
            }
        }
    });
}
