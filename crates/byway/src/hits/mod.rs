//! Hits that outlive the server: a thread that writes what the serving threads count into a database (`store.rs`).
//!
//! It wakes every few seconds, writes the rules that were hit since, and sleeps again; a request never waits for it. What a
//! crash can lose is what was counted since it woke last. A write that fails is counted, and tried again with all there is.

pub(crate) mod store;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use byway_server::live::give_way;
use byway_server::metrics::{Figures, Kind, Page};
use byway_server::{Generation, Hits, Live, Which};

use crate::exit::Failure;
use crate::rules::now;
use crate::terminal::say;
use store::{RunId, Store, StoreError, Why};

/// How often hits are written; a crash loses no more than what was counted in this time.
const EVERY: Duration = Duration::from_secs(5);

/// How long an end waits for the last counts of an old generation.
const SETTLE: Duration = Duration::from_secs(2);

/// What becomes of a damaged database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfDamaged {
    /// The server does not start.
    Refuse,
    /// It is set aside, and a new one is begun.
    SetAside,
}

/// Opens the database for a server.
pub(crate) fn open(path: &Path, damaged: IfDamaged) -> Result<Store, Failure> {
    match Store::open(path) {
        Err(error) if matches!(error.why, Why::Damaged(_)) && damaged == IfDamaged::SetAside => {
            let aside = set_aside(path)?;
            say(&format!("byway: {error}; it is now {}, and a new one is begun", aside.display()));
            Store::open(path).map_err(|error| refusal(&error))
        }
        opened => opened.map_err(|error| refusal(&error)),
    }
}

/// What a person is told of a database that cannot be used.
pub(crate) fn refusal(error: &StoreError) -> Failure {
    let failure = Failure::no_verdict(error.to_string());
    match error.why {
        Why::Damaged(_) => failure.help("`serve --hits-fresh` sets it aside and begins a new one"),
        Why::Missing => failure.help("`serve --hits FILE` makes one, and `[server] hits` names it"),
        Why::Foreign => failure.help("name another file"),
        Why::Newer(_) => failure.help("use the byway that wrote it, or a later one"),
        Why::Refused(_) => failure,
    }
}

fn set_aside(path: &Path) -> Result<PathBuf, Failure> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let aside = with(&format!(".damaged-{}", now()));
    std::fs::rename(path, &aside)
        .map_err(|error| Failure::no_verdict(format!("{} cannot be set aside: {error}", path.display())))?;
    for part in ["-wal", "-shm"] {
        // They belong to the damaged file, and may not be there.
        let _ = std::fs::remove_file(with(part));
    }
    Ok(aside)
}

/// The thread that writes; dropped, it writes the rest and ends.
pub(crate) struct Keeper {
    keeping: Arc<Keeping>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Keeping {
    live: Live,
    writer: Mutex<Writer>,
    figures: KeeperFigures,
}

struct Writer {
    store: Store,
    /// The generations that are counted, each with its run; all but the last wait for their last request.
    runs: Vec<(u64, RunId)>,
    /// The generation whose rules were noted last.
    noted: u64,
    which: Which,
}

#[derive(Debug, Default)]
struct KeeperFigures {
    faults: AtomicU64,
    lost: AtomicU64,
    written: AtomicI64,
}

impl Keeper {
    /// Starts the thread.
    pub(crate) fn start(store: Store, live: &Live) -> Result<Keeper, Failure> {
        let writer = Writer { store, runs: Vec::new(), noted: 0, which: Which::All };
        let figures = KeeperFigures::default();
        let keeping = Arc::new(Keeping { live: live.clone(), writer: Mutex::new(writer), figures });
        let final_counts = Arc::downgrade(&keeping);
        live.when_retired(move |generation| {
            if let Some(keeping) = final_counts.upgrade() {
                keeping.finish(generation);
            }
        });
        let (stop, stopped) = channel();
        let theirs = keeping.clone();
        let thread = std::thread::Builder::new().name("byway-hits".to_owned()).spawn(move || {
            give_way();
            theirs.write();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(EVERY) {
                theirs.write();
            }
        });
        let thread = thread.map_err(|error| Failure::no_verdict(format!("hits cannot be kept: {error}")))?;
        Ok(Keeper { keeping, stop: Some(stop), thread: Some(thread) })
    }

    /// What it has to say to those who watch.
    pub(crate) fn figures(&self) -> Arc<dyn Figures> {
        self.keeping.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked writes no more; what it had not written is lost.
            let _ = thread.join();
        }
        // After a reload the old generation is written by whoever retires it.
        self.keeping.live.settle(SETTLE);
        self.keeping.finish(&self.keeping.live.current());
    }
}

impl Keeping {
    /// Writes what changed.
    fn write(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.live.current();
        self.attempt(&mut writer, &generation);
    }

    /// Writes the last counts of a generation, and ends its run.
    fn finish(&self, generation: &Generation) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let done = writer.run(generation.number).and_then(|run| {
            writer.store.write(run, &rows(generation, Which::All), now())?;
            writer.store.end(run)
        });
        match done {
            Ok(()) => {
                writer.runs.retain(|(number, _)| *number != generation.number);
                self.figures.written.store(now(), Relaxed);
            }
            Err(error) => {
                let lost: u64 = rows(generation, Which::All).iter().map(|(_, hits)| hits.total()).sum();
                self.figures.lost.fetch_add(lost, Relaxed);
                self.fault(&error);
            }
        }
    }

    fn attempt(&self, writer: &mut Writer, generation: &Generation) {
        match writer.write(generation) {
            Ok(()) => {
                writer.which = Which::Changed;
                self.figures.written.store(now(), Relaxed);
            }
            Err(error) => {
                writer.which = Which::All;
                self.fault(&error);
            }
        }
    }

    /// Counts a fault, and says the first of them: a disk that is full stays so for a while.
    fn fault(&self, error: &rusqlite::Error) {
        if self.figures.faults.fetch_add(1, Relaxed) == 0 {
            say(&format!(
                "byway: hits cannot be written to the database ({error}); serving goes on, and it is tried again"
            ));
        }
    }
}

impl Writer {
    fn write(&mut self, generation: &Generation) -> rusqlite::Result<()> {
        if self.noted != generation.number {
            self.which = Which::All;
            self.store.note_rules(&generation.rules, now())?;
            self.noted = generation.number;
        }
        let run = self.run(generation.number)?;
        self.store.write(run, &rows(generation, self.which), now())
    }

    /// The run of a generation. One that came and went between two writes has been counted as well.
    fn run(&mut self, generation: u64) -> rusqlite::Result<RunId> {
        if let Some((_, run)) = self.runs.iter().find(|(number, _)| *number == generation) {
            return Ok(*run);
        }
        let run = self.store.begin(now())?;
        self.runs.push((generation, run));
        Ok(run)
    }
}

/// Counts by identity.
fn rows(generation: &Generation, which: Which) -> Vec<(u64, Hits)> {
    let mut by_number = Vec::new();
    generation.each_own(which, &mut |rule, hits| by_number.push((rule, hits)));
    generation.with_identities(by_number)
}

impl Figures for Keeping {
    fn write(&self, page: &mut Page) {
        let figures = &self.figures;
        let help = "Hits that were counted and could not be kept in the database.";
        page.family("byway_hits_lost_total", help, Kind::Counter).value(&[], figures.lost.load(Relaxed));
        let help = "Writes to the database of hits that failed, and are tried again.";
        page.family("byway_hits_faults_total", help, Kind::Counter).value(&[], figures.faults.load(Relaxed));
        let help = "When hits were written last.";
        page.family("byway_hits_written_timestamp_seconds", help, Kind::Gauge)
            .value(&[], figures.written.load(Relaxed));
    }
}
