//! byway's own text as a format: `byway.toml`, read by [`crate::own`].

use super::{Folders, Format, Reader, Says, has_extension, never};

pub(super) const ROW: Format = Format {
    name: "toml",
    title: "byway.toml",
    files: &["byway.toml", "*.toml"],
    says: Says {
        statuses: "301 302 303 307 308, a pair by method, replies without a Location",
        default: "307",
        sources: "exact, prefix, pattern, regex; scheme, host, port, query pairs",
        conditions: "method, scheme, host, header, cookie, query, address, language, time",
        query: "keep, drop, replace, merge, only",
    },
    is_named: |path| has_extension(path, &["toml"]),
    is_like: never,
    folders: Folders::No,
    reader: Reader::Own,
    write: Some(crate::writing::toml::write),
};
