//! Databases of places in service: taken up when their files are replaced, kept when what replaced them is bad.
//!
//! Files are looked at every two seconds, on a thread beside the serving ones; what is looked at is their size, time and
//! identity, so that a file renamed into place is seen. Rules are not read again for that.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use byway_config::places::{Database, Databases, FILE_LIMIT};
use byway_server::Live;
use byway_server::live::background;
use byway_server::metrics::{Figures, Kind, Page};

use crate::terminal::say;

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// The databases of a server; clones are the same ones.
#[derive(Clone)]
pub(crate) struct PlaceKeeper {
    live: Live,
    held: Arc<Mutex<Held>>,
    /// How often a file that was put in place could not be taken up.
    refused: Arc<AtomicU64>,
}

#[derive(Default)]
struct Held {
    files: Vec<PathBuf>,
    stamps: Vec<Stamp>,
    is_watched: bool,
}

/// What changes when a file is replaced; `None` where there is none.
type Stamp = Option<(u64, i64, i64, u64)>;

fn stamp(path: &PathBuf) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.size(), found.mtime(), found.mtime_nsec(), found.ino()))
}

impl PlaceKeeper {
    /// Keeps nothing yet.
    pub(crate) fn new(live: Live) -> PlaceKeeper {
        PlaceKeeper { live, held: Arc::default(), refused: Arc::default() }
    }

    /// Takes up what was read with the rules.
    pub(crate) fn take(&self, places: Option<Arc<Databases>>, files: Vec<PathBuf>) {
        let mut held = self.held();
        held.stamps = files.iter().map(stamp).collect();
        held.files = files;
        self.live.set_places(places.map(|places| places as byway_server::SharedPlaces));
        if !held.files.is_empty() && !std::mem::replace(&mut held.is_watched, true) {
            let keeper = self.clone();
            background("byway-places", move || {
                loop {
                    std::thread::park_timeout(EVERY);
                    keeper.look();
                }
            });
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files, and takes them up where one was replaced.
    fn look(&self) {
        let mut held = self.held();
        let stamps: Vec<Stamp> = held.files.iter().map(stamp).collect();
        if stamps == held.stamps {
            return;
        }
        held.stamps = stamps;
        match held.files.iter().map(|file| open(file)).collect::<Result<Vec<_>, _>>() {
            Ok(databases) => {
                let said: Vec<String> = databases.iter().map(in_words).collect();
                self.live.set_places(Some(Arc::new(Databases::new(databases))));
                say(&format!("places are of {}", said.join(", ")));
            }
            Err(why) => {
                let times = self.refused.fetch_add(1, Relaxed) + 1;
                say(&format!("{why}; the databases that were read before stay in service ({times} refused so far)"));
            }
        }
    }
}

impl Figures for PlaceKeeper {
    fn write(&self, page: &mut Page) {
        let help = "Databases of places that were put in place and could not be taken up.";
        page.family("byway_places_refused_total", help, Kind::Counter).value(&[], self.refused.load(Relaxed));
    }
}

fn in_words(database: &Database) -> String {
    let built = jiff::Timestamp::from_second(database.built());
    let built = built.map_or_else(|_| database.built().to_string(), |built| built.to_string());
    format!("{} of {built}", database.name())
}

fn open(path: &Path) -> Result<Database, String> {
    let name = path.display().to_string();
    let unread = |error| format!("{name} cannot be read: {error}");
    let mut bytes = Vec::new();
    File::open(path).map_err(unread)?.take(FILE_LIMIT).read_to_end(&mut bytes).map_err(unread)?;
    Database::open(&name, bytes).map_err(|bad| bad.what)
}
