//! What a load needs to know of visitors: databases of places, keys of splits, and whether all that rules ask for is there.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use byway_core::split::Key;

use super::Loader;
use crate::diagnostic::Diagnostic;
use crate::files::tidy_path;
use crate::own::geo::Geo;
use crate::own::instant::shown;
use crate::own::split::SplitDraft;
use crate::places::{BadDatabase, Database, Databases, FILE_LIMIT};
use crate::span::Span;
use crate::writing::KeySource;

/// After so many days a database is named: a twentieth of the addresses have moved by then.
const OLD_DAYS: i64 = 90;
/// How long a key is at least, and at most, in bytes.
const KEY_LEAST: usize = 16;
const KEY_MOST: u64 = 4_096;

impl Loader<'_> {
    /// Opens the databases of `[geo]`.
    pub(super) fn take_geo(&mut self, geo: &Geo, folder: &Path) {
        let mut databases = Vec::new();
        for (name, span) in &geo.databases {
            let path = tidy_path(&folder.join(name));
            self.place_files.push(path.clone());
            match self.open_database(name, &path) {
                Ok(database) => {
                    self.say_age(&database, geo, span);
                    databases.push(database);
                }
                Err(bad) => {
                    let diagnostic = Diagnostic::error("bad-database", bad.what).at(span.clone());
                    self.diagnostics.push(diagnostic.help(bad.help));
                }
            }
        }
        self.places = Some(Arc::new(Databases::new(databases)));
    }

    fn open_database(&self, name: &str, path: &Path) -> Result<Database, BadDatabase> {
        let help = "name a file that is there, from the folder of this file";
        let unread = |error| BadDatabase { what: format!("{name} cannot be read: {error}"), help };
        let mut bytes = Vec::new();
        let file = self.files.open(path).map_err(unread)?;
        file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(unread)?;
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(BadDatabase { what: format!("{name} is longer than 2 GiB"), help: "name a smaller database" });
        }
        Database::open(name, bytes)
    }

    fn say_age(&mut self, database: &Database, geo: &Geo, span: &Span) {
        let Some(now) = self.options.now else { return };
        let (name, built) = (database.name(), database.built());
        let age = now.saturating_sub(built);
        let most = geo.max_age.and_then(|age| i64::try_from(age.as_secs()).ok());
        let days = age / 86_400;
        let help = "fetch a newer one, and put it in place by renaming: a running server takes it up by itself";
        let diagnostic = match most {
            Some(most) if age > most => {
                Diagnostic::error("old-database", format!("{name} is {days} days old, more than `max_age`"))
            }
            None if days > OLD_DAYS => {
                Diagnostic::warning("old-database", format!("{name} is of {}, {days} days old", shown(built)))
            }
            _ => return,
        };
        self.diagnostics.push(diagnostic.at(span.clone()).help(help));
    }

    /// Takes a split, with the key of its file.
    pub(super) fn take_split(&mut self, mut draft: SplitDraft, folder: &Path) {
        if let Some(salt) = &draft.salt {
            self.split_keys.insert(draft.split.name.clone(), KeySource::Salt(salt.clone()));
        }
        if let Some((name, span)) = &draft.key_file {
            self.split_keys.insert(draft.split.name.clone(), KeySource::File(name.clone()));
            match self.read_key(&tidy_path(&folder.join(name))) {
                Ok(key) => draft.split.key = key,
                Err(why) => {
                    let diagnostic = Diagnostic::error("bad-key", format!("{name} {why}")).at(span.clone());
                    let help = "write 16 bytes or more that nobody can guess: `openssl rand -hex 32 > FILE`, mode 0600";
                    self.diagnostics.push(diagnostic.help(help));
                }
            }
            self.has_secrets = true;
        }
        self.intake.splits.take(draft, &mut self.diagnostics);
    }

    fn read_key(&self, path: &Path) -> Result<Key, String> {
        let mut bytes = Vec::new();
        let file = self.files.open(path).map_err(|error| format!("cannot be read: {error}"))?;
        file.take(KEY_MOST + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
        match bytes.trim_ascii() {
            key if key.len() < KEY_LEAST => {
                Err(format!("holds {} bytes, and a key has {KEY_LEAST} at least", key.len()))
            }
            key if key.len() as u64 > KEY_MOST => Err(format!("holds more than {KEY_MOST} bytes")),
            key => Ok(Key::of(key)),
        }
    }

    /// Says what rules ask for that is not there, and hands the splits to the builder.
    pub(super) fn settle_visitors(&mut self) {
        let splits = std::mem::take(&mut self.intake.splits).settle(&mut self.diagnostics);
        splits.into_iter().for_each(|split| self.intake.builder.define_split(split));
        let known = self.places.as_deref();
        let knows = |what: fn(&Database) -> bool| known.is_some_and(|places| places.iter().any(what));
        let missing = [
            (self.intake.asks_country.take(), knows(Database::knows_countries), "countries"),
            (self.intake.asks_system.take(), knows(Database::knows_systems), "autonomous systems"),
        ];
        // A database that could not be opened has been named.
        if self.diagnostics.errors() > 0 {
            return;
        }
        for (asked, is_known, what) in missing {
            if let (Some(span), false) = (asked, is_known) {
                let message = format!("nothing here knows {what}: this rule takes nobody");
                let help = "name a database in the root file: `[geo]` and `database = \"GeoLite2-Country.mmdb\"`";
                self.diagnostics.push(Diagnostic::warning("no-places", message).at(span).help(help));
            }
        }
    }
}
