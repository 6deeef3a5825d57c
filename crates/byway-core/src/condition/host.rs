//! The host of the request in its compared form; a value may be a pattern such as `*.example.com`.

use super::{Depends, SubjectRow};
use crate::host::{HostPattern, normalise};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "host",
    takes_name: false,
    help: "The host without port, in small letters; `*.example.com` is every host below that one.",
    depends: Depends::OnNothing,
    values: |request, _, visit| visit(normalise(request.host).unwrap_or_default().as_bytes()),
    equals: |value, wanted| match (std::str::from_utf8(value), HostPattern::parse(wanted)) {
        (Ok(host), Ok(pattern)) => pattern.matches(host),
        _ => false,
    },
    check: |text| HostPattern::parse(text).map(|pattern| pattern.to_string()).map_err(|error| error.what),
};
