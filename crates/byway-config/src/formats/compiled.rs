//! What `byway compile` wrote, as a format: known by its first bytes, opened by the core.

use byway_core::ruleset::MAGIC;

use super::{Folders, Format, Reader, Says};

pub(super) const ROW: Format = Format {
    name: "compiled",
    title: "a compiled rule set",
    files: &["*.byway"],
    says: Says {
        statuses: "all that byway knows",
        default: "none: every rule has one",
        sources: "all that byway knows",
        conditions: "all that byway knows",
        query: "all that byway knows",
    },
    is_named: |_| false,
    is_like: |head| head.starts_with(MAGIC),
    folders: Folders::No,
    reader: Reader::Compiled,
    write: None,
};
