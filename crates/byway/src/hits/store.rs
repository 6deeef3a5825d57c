//! The database of hits: SQLite with a write-ahead log, one row for each rule.
//!
//! Counts are written as they stand and not as differences: a *run* is one generation of one server, its rows are replaced by
//! later ones, and when it ends they are added to run 0. So nothing is counted twice, whatever is written again after a fault,
//! and two servers may write to one file while one takes over from the other. A rule is known by the number of its identity.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use byway_core::RuleSet;
use byway_server::Hits;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

/// `bywa`, as SQLite keeps it in the head of the file.
const APPLICATION: i32 = 0x6279_7761;
const VERSION: i32 = 1;

/// How long nobody may have watched before watching begins anew.
pub(crate) const GAP: i64 = 24 * 3_600;
/// How long the rows of rules that are gone are kept.
const KEPT: i64 = 400 * 24 * 3_600;
/// A run of which nothing was heard for so long is over: its server died.
const DEAD: i64 = 24 * 3_600;
/// How long is waited for somebody else who writes.
const BUSY: Duration = Duration::from_secs(2);
/// Rows in one transaction: others may write in between.
const ROWS: usize = 10_000;

const SCHEMA: &str = "
CREATE TABLE rule (
  identity INTEGER PRIMARY KEY, first_seen INTEGER NOT NULL, present_since INTEGER NOT NULL,
  unchanged_since INTEGER NOT NULL, content INTEGER NOT NULL, load INTEGER NOT NULL);
CREATE TABLE load (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL);
CREATE TABLE run (id INTEGER PRIMARY KEY AUTOINCREMENT, written INTEGER NOT NULL);
CREATE TABLE hits (
  run INTEGER NOT NULL, identity INTEGER NOT NULL, get INTEGER NOT NULL, head INTEGER NOT NULL, post INTEGER NOT NULL,
  put INTEGER NOT NULL, patch INTEGER NOT NULL, del INTEGER NOT NULL, other INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (run, identity)) WITHOUT ROWID;
CREATE TABLE watched (began INTEGER PRIMARY KEY, ended INTEGER NOT NULL);
CREATE TABLE target (
  url TEXT PRIMARY KEY, asked INTEGER NOT NULL, said TEXT NOT NULL, bad INTEGER NOT NULL, good INTEGER NOT NULL,
  dead INTEGER NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;
";

/// Why a database cannot be used.
#[derive(Debug)]
pub(crate) struct StoreError {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is the matter.
    pub(crate) why: Why,
}

/// What is the matter with a database.
#[derive(Debug)]
pub(crate) enum Why {
    /// It is not there, and reading makes none.
    Missing,
    /// Its bytes are not those of a database, or not any more.
    Damaged(String),
    /// It is the database of something else.
    Foreign,
    /// It was written by a later version.
    Newer(i32),
    /// The system said no.
    Refused(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Missing => write!(f, "there is no database of hits at {path}"),
            Why::Damaged(what) => write!(f, "the database of hits {path} is damaged: {what}"),
            Why::Foreign => write!(f, "{path} is a database of something else, not of hits"),
            Why::Newer(version) => {
                write!(f, "the database of hits {path} has version {version}, and this byway knows up to {VERSION}")
            }
            Why::Refused(what) => write!(f, "the database of hits {path} cannot be used: {what}"),
        }
    }
}

/// What was kept of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// How often it decided, by method, and when last.
    pub(crate) hits: Hits,
    /// When it was first in service.
    pub(crate) first_seen: Option<i64>,
    /// From when on it was watched without a gap.
    pub(crate) observed_since: Option<i64>,
    /// Since when it does what it does.
    pub(crate) unchanged_since: Option<i64>,
}

/// What is known of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetState {
    /// The URL that is asked.
    pub(crate) url: String,
    /// When it was asked last.
    pub(crate) asked: i64,
    /// What came of it, in words.
    pub(crate) said: String,
    /// How often it failed in a row.
    pub(crate) bad: u32,
    /// How often it answered in a row.
    pub(crate) good: u32,
    /// Whether it counts as dead.
    pub(crate) is_dead: bool,
    /// Since when it counts as what it does.
    pub(crate) since: i64,
}

/// An open database of hits.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    path: PathBuf,
}

/// A generation that is being counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId(i64);

type Written<T> = rusqlite::Result<T>;

impl Store {
    /// Opens it to write; a file that is not there is made.
    pub(crate) fn open(path: &Path) -> Result<Store, StoreError> {
        let blamed = |error| blame(path, &error);
        let mut connection = Connection::open(path).map_err(blamed)?;
        prepare(&mut connection).map_err(blamed)?;
        let store = Store { connection, path: path.to_owned() };
        store.check()?;
        Ok(store)
    }

    /// Opens it to read.
    pub(crate) fn look(path: &Path) -> Result<Store, StoreError> {
        if !path.exists() {
            return Err(StoreError { path: path.to_owned(), why: Why::Missing });
        }
        let blamed = |error| blame(path, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(blamed)?;
        connection.busy_timeout(BUSY).map_err(blamed)?;
        let store = Store { connection, path: path.to_owned() };
        store.check()?;
        Ok(store)
    }

    /// Whether it is ours, of a version that is known, and whole.
    fn check(&self) -> Result<(), StoreError> {
        let number = |name: &str| self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
        let told = |why| StoreError { path: self.path.clone(), why };
        let blamed = |error| blame(&self.path, &error);
        if number("application_id").map_err(blamed)? != APPLICATION {
            return Err(told(Why::Foreign));
        }
        let version = number("user_version").map_err(blamed)?;
        if version > VERSION {
            return Err(told(Why::Newer(version)));
        }
        let found: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(blamed)?;
        if found != "ok" {
            Err(told(Why::Damaged(found.lines().next().unwrap_or_default().to_owned())))
        } else {
            Ok(())
        }
    }

    /// Notes that a rule set went into service: new rules are seen from now on, changed ones unchanged from now on, and those
    /// that had been away are watched anew.
    pub(crate) fn note_rules(&mut self, rules: &RuleSet, now: i64) -> Written<()> {
        self.connection.execute("INSERT INTO load (at) VALUES (?1)", [now])?;
        let load = self.connection.last_insert_rowid();
        let numbers = rules.identity_numbers();
        let mut views = rules.rules().peekable();
        while views.peek().is_some() {
            let transaction = self.connection.transaction()?;
            {
                let mut statement = transaction.prepare(
                    "INSERT INTO rule (identity, first_seen, present_since, unchanged_since, content, load)
                     VALUES (?1, ?2, ?2, ?2, ?3, ?4) ON CONFLICT (identity) DO UPDATE SET
                       present_since = CASE WHEN rule.load < excluded.load - 1 THEN excluded.present_since ELSE rule.present_since END,
                       unchanged_since = CASE WHEN rule.content <> excluded.content THEN excluded.unchanged_since ELSE rule.unchanged_since END,
                       content = excluded.content, load = excluded.load",
                )?;
                for view in views.by_ref().take(ROWS) {
                    let (identity, content) = (numbers.of(view) as i64, view.content() as i64);
                    statement.execute(params![identity, now, content, load])?;
                }
            }
            transaction.commit()?;
        }
        self.forget(now, load)
    }

    /// Lets go of rules that have long been gone, and of runs whose server died.
    fn forget(&mut self, now: i64, load: i64) -> Written<()> {
        let dead: Vec<i64> = self
            .connection
            .prepare("SELECT id FROM run WHERE written < ?1")?
            .query_map([now - DEAD], |row| row.get(0))?
            .collect::<Written<_>>()?;
        for run in dead {
            self.end(RunId(run))?;
        }
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "DELETE FROM rule WHERE load < ?1 - 1 AND load < (SELECT coalesce(max(id), 0) FROM load WHERE at < ?2)",
            params![load, now - KEPT],
        )?;
        transaction.execute("DELETE FROM hits WHERE run = 0 AND identity NOT IN (SELECT identity FROM rule)", [])?;
        transaction.execute("DELETE FROM load WHERE at < ?1 - 86400 AND id < ?2 - 1", params![now - KEPT, load])?;
        transaction.execute("DELETE FROM watched WHERE ended < ?1", [now - KEPT])?;
        transaction.commit()
    }

    /// Begins a run.
    pub(crate) fn begin(&mut self, now: i64) -> Written<RunId> {
        self.connection.execute("INSERT INTO run (written) VALUES (?1)", [now])?;
        Ok(RunId(self.connection.last_insert_rowid()))
    }

    /// Writes how counts of a run stand now.
    pub(crate) fn write(&mut self, run: RunId, rows: &[(u64, Hits)], now: i64) -> Written<()> {
        for rows in rows.chunks(ROWS) {
            let transaction = self.connection.transaction()?;
            {
                let mut statement = transaction
                    .prepare("INSERT OR REPLACE INTO hits VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
                for (identity, Hits { methods, last }) in rows {
                    let [get, head, post, put, patch, delete, other] = methods.map(|count| count as i64);
                    let last = last.unwrap_or(0);
                    let identity = *identity as i64;
                    statement.execute(params![run.0, identity, get, head, post, put, patch, delete, other, last])?;
                }
            }
            transaction.commit()?;
        }
        self.connection.execute("UPDATE run SET written = ?2 WHERE id = ?1", params![run.0, now])?;
        let again = self.connection.execute(
            "UPDATE watched SET ended = max(ended, ?1) WHERE began = (SELECT max(began) FROM watched) AND ended >= ?1 - ?2",
            params![now, GAP],
        )?;
        if again == 0 {
            self.connection.execute("INSERT OR REPLACE INTO watched VALUES (?1, ?1)", [now])?;
        }
        Ok(())
    }

    /// Ends a run: its counts are final, and added to those before.
    pub(crate) fn end(&mut self, run: RunId) -> Written<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO hits SELECT 0, identity, get, head, post, put, patch, del, other, last FROM hits WHERE run = ?1
             ON CONFLICT (run, identity) DO UPDATE SET get = get + excluded.get, head = head + excluded.head,
               post = post + excluded.post, put = put + excluded.put, patch = patch + excluded.patch,
               del = del + excluded.del, other = other + excluded.other, last = max(last, excluded.last)",
            [run.0],
        )?;
        transaction.execute("DELETE FROM hits WHERE run = ?1", [run.0])?;
        transaction.execute("DELETE FROM run WHERE id = ?1", [run.0])?;
        transaction.commit()
    }

    /// All that is kept, by the number of the identity.
    pub(crate) fn read(&self, now: i64) -> Result<HashMap<u64, Kept>, StoreError> {
        self.read_all(now).map_err(|error| blame(&self.path, &error))
    }

    fn read_all(&self, now: i64) -> Written<HashMap<u64, Kept>> {
        // What nobody has watched for a day is not being observed.
        let watched: Option<i64> =
            self.connection
                .query_row("SELECT max(began) FROM watched WHERE ended >= ?1", [now - GAP], |row| row.get(0))?;
        let mut kept: HashMap<u64, Kept> = HashMap::new();
        let mut statement =
            self.connection.prepare("SELECT identity, first_seen, present_since, unchanged_since FROM rule")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let present: i64 = row.get(2)?;
            let known = Kept {
                hits: Hits::default(),
                first_seen: Some(row.get(1)?),
                // Rules are noted a moment before the first count is written.
                observed_since: watched.map(|watched| if watched - present <= 60 { present } else { watched }),
                unchanged_since: Some(row.get(3)?),
            };
            kept.insert(row.get::<_, i64>(0)? as u64, known);
        }
        let mut statement = self.connection.prepare(
            "SELECT identity, sum(get), sum(head), sum(post), sum(put), sum(patch), sum(del), sum(other), max(last)
             FROM hits GROUP BY identity",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut hits = Hits::default();
            for (at, count) in hits.methods.iter_mut().enumerate() {
                *count = row.get::<_, i64>(at + 1)? as u64;
            }
            hits.last = Some(row.get::<_, i64>(8)?).filter(|&last| last > 0);
            kept.entry(row.get::<_, i64>(0)? as u64).or_default().hits = hits;
        }
        Ok(kept)
    }

    /// What is known of targets.
    pub(crate) fn targets(&self) -> Result<Vec<TargetState>, StoreError> {
        self.read_targets().map_err(|error| blame(&self.path, &error))
    }

    fn read_targets(&self) -> Written<Vec<TargetState>> {
        let mut statement =
            self.connection.prepare("SELECT url, asked, said, bad, good, dead, since FROM target ORDER BY url")?;
        let states = statement.query_map([], |row| {
            Ok(TargetState {
                url: row.get(0)?,
                asked: row.get(1)?,
                said: row.get(2)?,
                bad: row.get(3)?,
                good: row.get(4)?,
                is_dead: row.get(5)?,
                since: row.get(6)?,
            })
        })?;
        states.collect()
    }

    /// Keeps what is known of a target.
    pub(crate) fn write_target(&mut self, state: &TargetState) -> Written<()> {
        let TargetState { url, asked, said, bad, good, is_dead, since } = state;
        self.connection.execute(
            "INSERT OR REPLACE INTO target VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![url, asked, said, bad, good, is_dead, since],
        )?;
        Ok(())
    }
}

/// A new file becomes a database of hits; every commit is on the disk when it is done.
fn prepare(connection: &mut Connection) -> Written<()> {
    connection.busy_timeout(BUSY)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        connection.execute_batch(&format!("BEGIN;{SCHEMA}COMMIT;"))?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")
}

fn blame(path: &Path, error: &rusqlite::Error) -> StoreError {
    let why = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Why::Damaged("these are not the bytes of a database".to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => Why::Damaged("its pages contradict each other".to_owned()),
        Some(ErrorCode::CannotOpen) => Why::Refused(unopened(path)),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Why::Refused("this user may not write to it, or to its folder".to_owned())
        }
        Some(ErrorCode::DatabaseBusy) => Why::Refused("somebody else has been writing to it for too long".to_owned()),
        Some(ErrorCode::DiskFull) => Why::Refused("the disk is full".to_owned()),
        _ => Why::Refused(error.to_string()),
    };
    StoreError { path: path.to_owned(), why }
}

fn unopened(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => format!("there is no folder {}", folder.display()),
        _ if path.is_dir() => "it is a folder".to_owned(),
        _ => "this user may not read and write it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byway_config::files::MemoryFiles;
    use byway_config::load::{LoadOptions, load};

    fn rules(text: &str) -> RuleSet {
        let files = MemoryFiles::new([("byway.toml", text)]);
        load(&files, &["byway.toml".as_ref()], &LoadOptions::default()).rules.expect("rules")
    }

    fn hits(count: u64, last: i64) -> Hits {
        Hits { methods: [count, 0, 1, 0, 0, 0, 0], last: Some(last) }
    }

    const DAY: i64 = 86_400;
    const A: &str = "[[redirect]]\nid = \"a\"\nfrom = \"/a\"\nto = \"/b\"\n";
    const B: &str = "[[redirect]]\nid = \"b\"\nfrom = \"/b\"\nto = \"/c\"\n";

    fn number(id: &str) -> u64 {
        byway_core::identity::Identity::Named(id).number()
    }

    #[test]
    fn what_is_written_again_is_not_counted_again_and_runs_are_added_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(&folder.path().join("byway.db")).expect("a database");
        store.note_rules(&rules(A), 1_000).expect("noted");
        let first = store.begin(1_000).expect("a run");
        store.write(first, &[(number("a"), hits(5, 1_001))], 1_001).expect("written");
        store.write(first, &[(number("a"), hits(7, 1_002))], 1_002).expect("written");
        let second = store.begin(1_003).expect("a run");
        store.write(second, &[(number("a"), hits(1, 1_010))], 1_010).expect("written");
        let before = store.read(1_010).expect("rows")[&number("a")];
        store.end(first).expect("ended");
        let after = store.read(1_010).expect("rows")[&number("a")];
        assert_eq!(before, after);
        assert_eq!(after.hits, Hits { methods: [8, 0, 2, 0, 0, 0, 0], last: Some(1_010) });
        assert_eq!((after.first_seen, after.observed_since), (Some(1_000), Some(1_000)));
    }

    #[test]
    fn a_rule_that_was_away_and_a_gap_in_watching_begin_it_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(&folder.path().join("byway.db")).expect("a database");
        let run = store.begin(0).expect("a run");
        store.note_rules(&rules(&format!("{A}{B}")), 10).expect("noted");
        store.write(run, &[], 10).expect("written");
        store.note_rules(&rules(A), 20).expect("noted");
        store.note_rules(&rules(&format!("{A}{}", B.replace("/c", "/d"))), 30).expect("noted");
        store.write(run, &[], 30).expect("written");
        let kept = store.read(30).expect("rows");
        let of = |id: &str| (kept[&number(id)].observed_since, kept[&number(id)].unchanged_since);
        assert_eq!((of("a"), of("b")), ((Some(10), Some(10)), (Some(30), Some(30))));
        store.write(run, &[], 30 + 2 * DAY).expect("written");
        let kept = store.read(30 + 2 * DAY).expect("rows");
        assert_eq!(kept[&number("a")].observed_since, Some(30 + 2 * DAY));
        assert_eq!(kept[&number("a")].first_seen, Some(10));
    }

    #[test]
    fn damage_is_told_from_other_databases() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("byway.db");
        std::fs::write(&path, vec![b'x'; 8_192]).expect("a file");
        assert!(matches!(Store::open(&path).expect_err("damaged").why, Why::Damaged(_)));
        let other = folder.path().join("other.db");
        Connection::open(&other).and_then(|db| db.execute_batch("CREATE TABLE x (y)")).expect("a database");
        assert!(matches!(Store::open(&other).expect_err("foreign").why, Why::Foreign));
        assert!(matches!(Store::look(&folder.path().join("none.db")).expect_err("missing").why, Why::Missing));
        let nowhere = Store::open(&folder.path().join("no/byway.db")).expect_err("no folder");
        assert!(nowhere.to_string().ends_with(&format!("there is no folder {}", folder.path().join("no").display())));
    }
}
