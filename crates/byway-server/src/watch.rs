//! Files watched for change: their folders, since that is where a replaced file and a swapped ConfigMap show.
//!
//! A watch on a file follows the file, and misses that another took its place: editors and deployments write beside and rename,
//! Kubernetes swaps a symlink in the folder above. So the parent folder of every file is watched, and that of what it resolves
//! to. Events are let settle before the content is compared; only changed content is worth a reload. Where no event comes (network
//! file systems), a slow look at the content finds the change.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use rapidhash::v3::rapidhash_v3;

/// How patient a watch is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long nothing must have happened before files are read. Ten times that is waited at most.
    pub settle: Duration,
    /// How often the content is looked at even though nothing was heard.
    pub poll: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { settle: Duration::from_millis(300), poll: Duration::from_secs(60) }
    }
}

/// A watch that runs; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    sender: Sender<Heard>,
    thread: Option<JoinHandle<()>>,
}

enum Heard {
    Something,
    End,
}

/// Calls back whenever the content of any of these files changed and settled. The callback says which files are to be watched
/// from then on, since a reload may include others; it runs on the watching thread.
///
/// The error is that of a watch that could not be set up.
pub fn watch(
    files: Vec<PathBuf>,
    patience: Patience,
    changed: impl FnMut() -> Vec<PathBuf> + Send + 'static,
) -> io::Result<Watch> {
    let (sender, receiver) = channel();
    let mut folders = Folders::new(sender.clone())?;
    folders.follow(&files);
    let before = fingerprint(&files);
    let thread = std::thread::Builder::new()
        .name("byway-watch".into())
        .spawn(move || run(files, before, folders, patience, &receiver, changed))?;
    Ok(Watch { sender, thread: Some(thread) })
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A thread that has ended hears nothing, and need not.
        let _ = self.sender.send(Heard::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    mut files: Vec<PathBuf>,
    mut before: u64,
    mut folders: Folders,
    patience: Patience,
    heard: &Receiver<Heard>,
    mut changed: impl FnMut() -> Vec<PathBuf>,
) {
    loop {
        match heard.recv_timeout(patience.poll) {
            Ok(Heard::Something) if settles(heard, patience.settle) => {}
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        let now = fingerprint(&files);
        if now != before {
            let read = changed();
            // As it was before it was read: what changed meanwhile is different still, and its event is on the way.
            before = if read == files { now } else { fingerprint(&read) };
            files = read;
        }
        folders.follow(&files);
    }
}

/// Waits until nothing has been heard for a while; false where the end was.
fn settles(heard: &Receiver<Heard>, settle: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < settle * 10 {
        match heard.recv_timeout(settle) {
            Ok(Heard::Something) => {}
            Ok(Heard::End) | Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => return true,
        }
    }
    true
}

/// The folders that are watched now.
struct Folders {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
}

impl Folders {
    fn new(sender: Sender<Heard>) -> io::Result<Folders> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is not changing: our own reads would wake us for ever. An error is a reason to look.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = sender.send(Heard::Something);
            }
        });
        Ok(Folders { watcher: watcher.map_err(io::Error::other)?, watched: BTreeSet::new() })
    }

    /// Watches the folders of these files and no others. A folder that is not there is tried again at the next look.
    fn follow(&mut self, files: &[PathBuf]) {
        let wanted: BTreeSet<PathBuf> = files.iter().flat_map(|file| folders_of(file)).collect();
        let gone: Vec<_> = self.watched.difference(&wanted).cloned().collect();
        for folder in gone {
            // It may be gone from the disk as well.
            let _ = self.watcher.unwatch(&folder);
            self.watched.remove(&folder);
        }
        for folder in wanted {
            if !self.watched.contains(&folder) && self.watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
                self.watched.insert(folder);
            }
        }
    }
}

fn folders_of(file: &Path) -> impl Iterator<Item = PathBuf> {
    let resolved = file.canonicalize().ok();
    let folder = |path: &Path| match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Some(PathBuf::from(".")),
        folder => folder.map(Path::to_path_buf),
    };
    folder(file).into_iter().chain(resolved.as_deref().and_then(folder))
}

/// The content of all files as one number; a file that cannot be read counts as such.
fn fingerprint(files: &[PathBuf]) -> u64 {
    files.iter().fold(0, |sum: u64, file| sum.rotate_left(7) ^ file_fingerprint(file).unwrap_or(1))
}

fn file_fingerprint(file: &Path) -> io::Result<u64> {
    let (mut file, mut piece, mut sum) = (File::open(file)?, vec![0; 64 * 1024], 0u64);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(sum),
            // Pieces depend on the reads; a file on disk gives full ones.
            read => sum = sum.rotate_left(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ rapidhash_v3(&piece[..read]),
        }
    }
}
