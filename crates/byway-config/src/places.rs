//! Databases that know where addresses are: MMDB files, in MaxMind's nested form and in the flat ones.
//!
//! A file is checked whole when it is opened, so that a damaged one is found before anybody is sent by it. Which of the forms it
//! has is found once, from what stands in it.

mod tree;

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use byway_core::place::{Code, Place, Places};
use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions};
use tree::Tree;

/// How many networks of a file are looked at to find its form.
const LOOKED_AT: usize = 2_000;
/// The longest file that is read.
pub const FILE_LIMIT: u64 = 2 << 30;

/// One open database.
pub struct Database {
    name: String,
    /// Tells what was read from it from what was read from others.
    serial: u64,
    bytes: Bytes,
    tree: Option<Tree>,
    reader: Reader<Bytes>,
    form: Form,
}

/// A file, for its reader and for those who look into its tree.
#[derive(Clone)]
struct Bytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Where a file keeps what; `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Form {
    country: Option<Path>,
    continent: Option<Path>,
    eu: Option<Path>,
    asn: Option<Path>,
}

type Path = &'static [&'static str];

const COUNTRY: [Path; 3] = [&["country", "iso_code"], &["country_code"], &["country"]];
const CONTINENT: [Path; 3] = [&["continent", "code"], &["continent_code"], &["continent"]];
const UNION: [Path; 1] = [&["country", "is_in_european_union"]];
const ASN: [Path; 2] = [&["autonomous_system_number"], &["asn"]];

/// Why a file is no database.
#[derive(Debug)]
pub struct BadDatabase {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub help: &'static str,
}

impl Database {
    /// Opens the bytes of a file of this name, and checks all of them.
    pub fn open(name: &str, bytes: Vec<u8>) -> Result<Database, BadDatabase> {
        let bad = |error: MaxMindDbError| BadDatabase {
            what: format!("{name} is damaged, or no MMDB file: {error}"),
            help: "fetch it again, whole, and put it in place by renaming",
        };
        let bytes = Bytes(Arc::new(bytes));
        let reader = Reader::from_source(bytes.clone()).map_err(bad)?;
        match reader.verify() {
            // Some makers leave out what only people read.
            Err(error) if is_about_words(&error) => {}
            verified => verified.map_err(bad)?,
        }
        let form = form(&reader);
        if form == Form::default() {
            return Err(BadDatabase {
                what: format!("{name} knows neither countries nor autonomous systems"),
                help: "name a database of countries, cities or autonomous systems",
            });
        }
        let tree = Tree::of(bytes.as_ref(), reader.metadata());
        Ok(Database { name: name.to_owned(), serial: OPENED.fetch_add(1, Relaxed) + 1, bytes, tree, reader, form })
    }

    /// The name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its maker calls it.
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// When it was made, in seconds since 1970 UTC.
    pub fn built(&self) -> i64 {
        i64::try_from(self.reader.metadata().build_epoch).unwrap_or(i64::MAX)
    }

    /// Whether it knows countries or continents.
    pub fn knows_countries(&self) -> bool {
        self.form.country.is_some() || self.form.continent.is_some()
    }

    /// Whether it knows autonomous systems.
    pub fn knows_systems(&self) -> bool {
        self.form.asn.is_some()
    }

    fn place(&self, address: IpAddr) -> Place {
        match (&self.tree, address) {
            (Some(tree), IpAddr::V4(short)) => match tree.record(self.bytes.as_ref(), short) {
                Some(record) => remembered((self.serial, record), || self.read(address)),
                None => Place::default(),
            },
            _ => self.read(address),
        }
    }

    fn read(&self, address: IpAddr) -> Place {
        let Ok(found) = self.reader.lookup(address) else { return Place::default() };
        let form = &self.form;
        let code = |path: Option<Path>| path.and_then(|path| code_at(&found, path));
        Place {
            country: code(form.country),
            continent: code(form.continent),
            // Where the country says nothing of the union, its code does.
            is_eu: form.eu.and_then(|path| flag_at(&found, path)),
            asn: form.asn.and_then(|path| system_at(&found, path)),
        }
    }
}

/// How many databases were opened.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// How many records a thread remembers.
const REMEMBERED: usize = 1_024;

/// A record by the serial number of its database and its number there.
type Record = (u64, u32);

thread_local! {
    /// Many networks share a record, and reading one means going through names in every language: what was read last is kept.
    static READ: RefCell<Vec<(Record, Place)>> = const { RefCell::new(Vec::new()) };
}

/// What a record holds: as it was read before, or read now.
fn remembered(record: Record, read: impl FnOnce() -> Place) -> Place {
    READ.with_borrow_mut(|known| {
        if known.is_empty() {
            known.resize(REMEMBERED, ((0, 0), Place::default())); // no database has the number 0
        }
        // Records lie a few bytes apart: Fibonacci's multiplier spreads them.
        let at = (u64::from(record.1) ^ record.0 << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
        let slot = &mut known[at as usize % REMEMBERED];
        if slot.0 != record {
            *slot = (record, read());
        }
        slot.1
    })
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("name", &self.name).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

fn is_about_words(error: &MaxMindDbError) -> bool {
    let text = error.to_string();
    text.contains("description - ") || text.contains("database_type - ")
}

/// What stands at a path of a record, if it is of this kind.
macro_rules! at {
    ($found:expr, $path:expr) => {
        match $path {
            [outer] => $found.decode_path(&[PathElement::Key(outer)]).ok().flatten(),
            [outer, inner] => $found.decode_path(&[PathElement::Key(outer), PathElement::Key(inner)]).ok().flatten(),
            _ => None,
        }
    };
}

fn code_at(found: &LookupResult<'_, Bytes>, path: Path) -> Option<Code> {
    let text: Option<&str> = at!(found, path);
    text.and_then(Code::new)
}

fn flag_at(found: &LookupResult<'_, Bytes>, path: Path) -> Option<bool> {
    at!(found, path)
}

/// A number, or a text such as `AS3320`.
fn system_at(found: &LookupResult<'_, Bytes>, path: Path) -> Option<u32> {
    let number: Option<u32> = at!(found, path);
    number.or_else(|| {
        let text: Option<&str> = at!(found, path);
        text.and_then(|text| text.trim_start_matches("AS").parse().ok())
    })
}

/// The form of a file: where the first networks that say something keep it.
fn form(reader: &Reader<Bytes>) -> Form {
    let mut form = Form::default();
    let Ok(networks) = reader.networks(WithinOptions::default()) else { return form };
    for found in networks.take(LOOKED_AT).flatten() {
        let code = |paths: &[Path]| paths.iter().copied().find(|path| code_at(&found, path).is_some());
        form.country = form.country.or_else(|| code(&COUNTRY));
        form.continent = form.continent.or_else(|| code(&CONTINENT));
        form.eu = form.eu.or_else(|| UNION.into_iter().find(|path| flag_at(&found, path).is_some()));
        form.asn = form.asn.or_else(|| ASN.into_iter().find(|path| system_at(&found, path).is_some()));
    }
    form
}

/// Databases that complete one another: what the first does not know the next is asked.
#[derive(Debug, Default)]
pub struct Databases(Vec<Database>);

impl Databases {
    /// These, in this order.
    pub fn new(databases: Vec<Database>) -> Databases {
        Databases(databases)
    }

    /// The databases.
    pub fn iter(&self) -> impl Iterator<Item = &Database> {
        self.0.iter()
    }
}

impl Places for Databases {
    fn place(&self, address: IpAddr) -> Place {
        let mut place = Place::default();
        for database in &self.0 {
            let found = database.place(address);
            place.country = place.country.or(found.country);
            place.continent = place.continent.or(found.continent);
            place.is_eu = place.is_eu.or(found.is_eu);
            place.asn = place.asn.or(found.asn);
        }
        place
    }
}
