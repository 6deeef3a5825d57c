//! The disk as the readers see it: files opened, folders listed, paths brought into one spelling.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use byway_config::files::{Entry, EntryKind, Files, ReadSeek};

/// The real file system.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk;

impl Files for Disk {
    /// Readers read in large pieces of their own; a buffer here would only copy once more.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadSeek + '_>> {
        // Before it is opened: opening a pipe waits for somebody who writes into it, and a device may never end.
        if let Some(what) = no_file(&fs::metadata(path)?) {
            return Err(io::Error::other(what));
        }
        Ok(Box::new(File::open(path)?))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(here(path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(here(folder))? {
            let entry = entry?;
            // A link that leads nowhere counts as a file: opening it says what is wrong.
            let is_folder = fs::metadata(entry.path()).is_ok_and(|found| found.is_dir());
            let kind = if is_folder { EntryKind::Folder } else { EntryKind::File };
            entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), kind });
        }
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        Ok(if fs::metadata(here(path))?.is_dir() { EntryKind::Folder } else { EntryKind::File })
    }
}

/// What something is that is no file with a text in it.
fn no_file(found: &fs::Metadata) -> Option<&'static str> {
    match found.file_type() {
        kind if kind.is_file() => None,
        // Opening a folder works, and reading it says something that nobody understands.
        kind if kind.is_dir() => Some("it is a folder"),
        kind if kind.is_fifo() => Some("it is a pipe: write what comes out of it into a file"),
        kind if kind.is_socket() => Some("it is a socket"),
        _ => Some("it is a device"),
    }
}

/// A path as the system takes it: the folder that we are in has no name among the readers' paths.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Why a file cannot be made at a path, in words for people.
pub(crate) fn not_made(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if error.kind() == io::ErrorKind::NotFound => format!("there is no folder {}", folder.display()),
        _ => in_words(error),
    }
}

/// What the system said, in words for people and without its number.
pub(crate) fn in_words(error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::NotFound => "it is not there",
        io::ErrorKind::PermissionDenied => "this user may not",
        io::ErrorKind::IsADirectory => "it is a folder",
        io::ErrorKind::NotADirectory => "a part of its path is no folder",
        io::ErrorKind::StorageFull => "the disk is full",
        io::ErrorKind::FileTooLarge => "this user may not write so much into one file",
        io::ErrorKind::QuotaExceeded => "this user's share of the disk is full",
        io::ErrorKind::ReadOnlyFilesystem => "the disk can only be read",
        io::ErrorKind::AddrInUse => "something else is there",
        _ => {
            let said = error.to_string();
            return said.split_once(" (os error").map_or(said.clone(), |(words, _)| words.to_lowercase());
        }
    };
    words.to_owned()
}
