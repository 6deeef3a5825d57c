//! Tables, planes and cells: the part of a rule set that every decision goes through, as values.
//!
//! Tables and planes are few and are read once, when a rule set is opened or built. Cells may be as many as there are hosts, and
//! are read from the bytes when they are needed.

use super::format::{CELL, PLANE, Section, Sections, TABLE};
use super::shape::Kind;
use super::{After, Order, TableId};
use crate::dialect::{BYWAY, DIALECTS, Dialect, LetterCase, TrailingSlash, View};
use crate::index::trie::NONE;
use crate::wire::{slice, u16_at, u32_at, u64_at};

/// What is read once.
#[derive(Debug)]
pub(super) struct Outline {
    tables: Vec<Table>,
    planes: Vec<Plane>,
}

/// The rules of a table with the same priority that look at a path in the same way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    /// The number by which cells know it.
    pub(crate) id: u16,
    pub(crate) priority: i32,
    pub(crate) view: View,
    pub(crate) case: LetterCase,
    pub(crate) slash: TrailingSlash,
    pub(crate) has_exact_hosts: bool,
    pub(crate) has_wildcard_hosts: bool,
    /// The rules for any host.
    pub(crate) any: Option<Cell>,
}

/// The rules of a plane for one host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) id: u32,
    pub(crate) kind: HostKind,
    /// Where in the texts its host is.
    host: (u32, u16),
    pub(crate) plane: u16,
    pub(crate) has_exact: bool,
    /// Whether exact sources in it ask for query pairs.
    pub(crate) has_pairs: bool,
    pub(crate) has_grams: bool,
    pub(crate) root: Option<u32>,
    pub(crate) depths: u64,
    pub(crate) always: (u32, u32),
    pub(crate) byte_lengths: (u32, u32),
}

impl Cell {
    /// Whether it has any source of a kind.
    #[inline]
    pub(crate) fn holds(&self, kind: Kind) -> bool {
        match kind {
            Kind::Exact => self.has_exact || self.has_pairs,
            Kind::Prefix => self.depths != 0,
            Kind::BytePrefix => self.byte_lengths.1 != 0,
            Kind::Segments => self.root.is_some(),
            Kind::Regex => self.has_grams || self.always.1 != 0,
        }
    }
}

/// What a cell's host means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum HostKind {
    Any = 0,
    Exact = 1,
    Below = 2,
}

/// A table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) dialect: &'static Dialect,
    pub(crate) order: Order,
    pub(crate) after: After,
    /// Where in the texts the folder is that is taken from the front of paths.
    pub(super) strip: (u32, u32),
    pub(crate) planes: (u32, u32),
}

/// What a table is that is not there: nothing is in it. Only a file that was not checked leads to one.
static NO_TABLE: Table = Table {
    id: TableId(u16::MAX),
    dialect: &BYWAY,
    order: Order::Specific,
    after: After::NextRoot,
    strip: (0, 0),
    planes: (0, 0),
};

impl Outline {
    /// Of nothing.
    pub(super) const NONE: Outline = Outline { tables: Vec::new(), planes: Vec::new() };

    pub(super) fn read(sections: Sections<'_>) -> Outline {
        let planes = (sections.section(Section::Planes).len() / PLANE) as u32;
        Outline {
            tables: (0..sections.table_count().min(usize::from(u16::MAX)) as u16)
                .map(|id| Table::read(sections, TableId(id), planes))
                .collect(),
            planes: (0..planes).map(|at| Plane::read(sections, at)).collect(),
        }
    }
}

impl Table {
    /// Whether it takes a folder from the front of paths.
    #[inline]
    pub(crate) fn strips(&self) -> bool {
        self.strip.1 > 0
    }

    fn read(sections: Sections<'_>, id: TableId, planes: u32) -> Table {
        let record = slice(sections.section(Section::Tables), usize::from(id.0) * TABLE, TABLE);
        let start = u32_at(record, 16);
        Table {
            id,
            dialect: DIALECTS.get(usize::from(u16_at(record, 0))).copied().unwrap_or(&BYWAY),
            order: match u16_at(record, 2) {
                1 => Order::Listed,
                2 => Order::NginxLocation,
                _ => Order::Specific,
            },
            after: match u16_at(record, 4) {
                0 => After::NextRoot,
                next => After::Table(TableId(next - 1)),
            },
            strip: (u32_at(record, 8), u32_at(record, 12)),
            // No more than there are: what was not checked when it was opened must still come to an end.
            planes: (start, u32_at(record, 20).min(planes.saturating_sub(start))),
        }
    }
}

impl Plane {
    fn read(sections: Sections<'_>, at: u32) -> Plane {
        let record = slice(sections.section(Section::Planes), at as usize * PLANE, PLANE);
        let byte = |at: usize| record.get(at).copied().unwrap_or(0);
        Plane {
            id: u32_at(record, 12) as u16,
            priority: u32_at(record, 4) as i32,
            view: View::ALL.get(usize::from(byte(0))).copied().unwrap_or(View::Raw),
            case: if byte(1) == 1 { LetterCase::Ignored } else { LetterCase::Significant },
            slash: if byte(2) == 1 { TrailingSlash::Either } else { TrailingSlash::Significant },
            has_exact_hosts: byte(3) & 1 != 0,
            has_wildcard_hosts: byte(3) & 2 != 0,
            any: Some(u32_at(record, 8)).filter(|&cell| cell != NONE).map(|cell| sections.cell(cell)),
        }
    }
}

impl<'s> Sections<'s> {
    #[inline]
    pub(crate) fn table(&self, table: TableId) -> &'s Table {
        self.outline().tables.get(usize::from(table.0)).unwrap_or(&NO_TABLE)
    }

    /// Some planes, by their places; as many as there are.
    #[inline]
    pub(crate) fn planes(&self, from: u32, to: u32) -> &'s [Plane] {
        self.outline().planes.get(from as usize..to as usize).unwrap_or_default()
    }

    pub(crate) fn plane(&self, at: u32) -> Option<&'s Plane> {
        self.outline().planes.get(at as usize)
    }

    #[inline]
    pub(crate) fn dialect_of(&self, table: TableId) -> &'static Dialect {
        self.table(table).dialect
    }

    /// Whether nobody comes back to a table by going on to what is after it.
    pub(super) fn follow_to_an_end(&self) -> bool {
        let tables = &self.outline().tables;
        // The walk that first came through each.
        let mut seen = vec![None; tables.len()];
        (0..tables.len()).all(|first| {
            let mut at = first;
            while let Some(place) = seen.get_mut(at) {
                match place.replace(first) {
                    Some(walk) if walk == first => return false,
                    Some(_) => return true,
                    None => {}
                }
                match tables[at].after {
                    After::Table(next) => at = usize::from(next.0),
                    After::NextRoot => return true,
                }
            }
            true
        })
    }

    /// The folder that a table takes from the front of paths.
    pub(crate) fn strip_of(&self, table: &Table) -> &'s [u8] {
        slice(self.section(Section::Texts), table.strip.0 as usize, table.strip.1 as usize)
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = TableId> + use<'s> {
        self.section(Section::Roots).chunks_exact(4).map(|bytes| TableId(u32_at(bytes, 0) as u16))
    }

    pub(crate) fn cell(&self, id: u32) -> Cell {
        let record = slice(self.section(Section::Cells), id as usize * CELL, CELL);
        let byte = |at: usize| record.get(at).copied().unwrap_or(0);
        let pair = |at: usize| (u32_at(record, at), u32_at(record, at + 4));
        Cell {
            id,
            kind: match byte(6) {
                1 => HostKind::Exact,
                2 => HostKind::Below,
                _ => HostKind::Any,
            },
            host: (u32_at(record, 0), u16_at(record, 4)),
            plane: u16_at(record, 8),
            has_exact: byte(7) & 1 != 0,
            has_grams: byte(7) & 2 != 0,
            has_pairs: byte(7) & 4 != 0,
            root: Some(u32_at(record, 12)).filter(|&root| root != NONE),
            depths: u64_at(record, 16),
            always: pair(24),
            byte_lengths: pair(32),
        }
    }

    pub(crate) fn host_of(&self, cell: &Cell) -> &'s str {
        let (from, len) = cell.host;
        let host = slice(self.section(Section::Texts), from as usize, usize::from(len));
        std::str::from_utf8(host).unwrap_or_default()
    }
}
