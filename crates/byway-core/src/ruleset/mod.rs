//! A rule set: tables of rules compiled into flat bytes, the same in memory and in a file.
//!
//! [`Builder`] takes one borrowed rule after the other; [`RuleSet`] answers ([`RuleSet::decide`]), lists ([`RuleSet::rules`]),
//! and is its own file ([`RuleSet::as_bytes`], [`RuleSet::open`]). The layout of the bytes is in [`format`](self), the walk over
//! them in `walk`.

mod build;
mod format;
mod memory;
mod named;
mod numbers;
mod outline;
mod rule_error;
pub(crate) mod shape;
mod texts;
mod traits;
mod view;
mod writing;

use std::fmt;

use crate::dialect::Dialect;
use crate::pool::Pool;
use crate::split::Split;
use crate::window::Window;
pub use build::Builder;
#[cfg(fuzzing)]
pub use format::reseal;
pub(crate) use format::{Blob, Sections};
pub use format::{MAGIC, OpenError};
pub use memory::Memory;
pub use numbers::IdentityNumbers;
pub(crate) use outline::{Cell, HostKind, Plane, Table};
pub use rule_error::RuleError;
pub(crate) use view::segments as segments_of;
pub use view::{RuleView, TableView};

pub use crate::walk::{Aside, Scratch, Watch};

/// A table of a rule set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u16);

/// How the rules of a table are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Order {
    /// The most specific first: priority, then host before no host, then exact, longest prefix, pattern, regex, then what asks
    /// more, then the order given.
    Specific = 0,
    /// As given, the first that matches.
    Listed = 1,
    /// nginx's locations: exact; the longest prefix if it is marked `^~`; regexes as listed; the longest prefix.
    NginxLocation = 2,
}

/// What is tried when a table has nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next root table.
    NextRoot,
    /// That table.
    Table(TableId),
}

/// A table to be made.
#[derive(Clone, Copy, Debug)]
pub struct TableSpec<'a> {
    /// The dialect by which its rules live.
    pub dialect: &'static Dialect,
    /// How its rules are tried.
    pub order: Order,
    /// What comes after it.
    pub after: After,
    /// Bytes taken from the front of the path before patterns see it (Apache's per-directory prefix); empty for none.
    pub strip: &'a [u8],
}

impl TableSpec<'static> {
    /// byway's own: its dialect, the most specific first.
    pub const OWN: TableSpec<'static> =
        TableSpec { dialect: &crate::dialect::BYWAY, order: Order::Specific, after: After::NextRoot, strip: b"" };
}

/// A rule of a rule set; it means nothing in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef(pub(crate) u32);

/// A compiled rule set.
pub struct RuleSet {
    data: Data,
    /// Tells caches of matchers apart.
    serial: u64,
    secrets: rapidhash::v3::RapidSecrets,
    places: format::Places,
    outline: outline::Outline,
}

enum Data {
    Owned(Memory),
    Shared(Box<dyn AsRef<[u8]> + Send + Sync>),
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.len()).field("bytes", &self.as_bytes().len()).finish()
    }
}

impl RuleSet {
    /// The bytes of its file.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.data {
            Data::Owned(bytes) => bytes,
            Data::Shared(bytes) => (**bytes).as_ref(),
        }
    }

    /// How many rules it has.
    pub fn len(&self) -> usize {
        self.sections().rule_count() as usize
    }

    /// Whether it has no rule.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rules, in the order in which they were given.
    pub fn rules(&self) -> impl Iterator<Item = RuleView<'_>> {
        let sections = self.sections();
        sections.blobs().map(move |reference| RuleView::new(sections, reference))
    }

    /// One rule.
    pub fn rule(&self, reference: RuleRef) -> RuleView<'_> {
        RuleView::new(self.sections(), reference)
    }

    /// The pools that its rules may name, by [`crate::pool::PoolId`].
    pub fn pools(&self) -> Vec<Pool> {
        self.sections().pools().collect()
    }

    /// The windows that its rules may name, by [`crate::window::WindowId`].
    pub fn windows(&self) -> Vec<Window> {
        self.sections().windows().collect()
    }

    /// The tables, in the order in which they were made: their numbers are their places.
    pub fn tables(&self) -> impl Iterator<Item = TableView<'_>> {
        let sections = self.sections();
        let roots: Vec<TableId> = sections.roots().collect();
        (0..sections.table_count().min(usize::from(u16::MAX)) as u16).map(TableId).map(move |id| {
            let table = sections.table(id);
            TableView {
                id,
                dialect: table.dialect,
                order: table.order,
                after: table.after,
                strip: sections.strip_of(table),
                is_root: roots.contains(&id),
            }
        })
    }

    /// The tables that are tried, in this order, until one does not pass.
    pub fn roots(&self) -> impl Iterator<Item = TableId> {
        self.sections().roots()
    }

    /// The names of the files that the rules were read from, by [`crate::rule::FileId`].
    pub fn files(&self) -> Vec<&str> {
        self.sections().files().collect()
    }

    /// Whether some rule asks where addresses are: without one nobody needs to know.
    pub fn needs_places(&self) -> bool {
        self.sections().needs_places()
    }

    /// Whether some rule divides visitors, and may want a draw.
    pub fn needs_draws(&self) -> bool {
        self.sections().needs_draws()
    }

    /// The splits.
    pub fn splits(&self) -> impl Iterator<Item = Split> + '_ {
        self.sections().splits().map(|split| split.owned())
    }

    pub(crate) fn sections(&self) -> Sections<'_> {
        Sections::new(self.as_bytes(), &self.places, &self.secrets, &self.outline)
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

impl Default for RuleSet {
    /// A rule set without rules.
    fn default() -> RuleSet {
        Builder::new(0).finish()
    }
}
