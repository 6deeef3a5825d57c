//! A file replaced whole: written beside, put on the disk, then renamed.
//!
//! Whoever has the old file open or mapped keeps it; a full disk or a power cut leaves the old bytes under the name, or the new.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file so that its name shows the old bytes or the new ones, whatever happens.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = Beside::create(path)?;
    (&beside.file).write_all(bytes)?;
    beside.file.sync_all()?;
    beside.rename_to(path)
}

/// A file that is not yet where it belongs; dropped, it is removed.
struct Beside {
    path: PathBuf,
    file: File,
}

impl Beside {
    /// In the same folder, since only there a rename is one step.
    fn create(path: &Path) -> io::Result<Beside> {
        let Some(name) = path.file_name() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no name of a file"));
        };
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}", std::process::id()));
        let path = path.with_file_name(beside);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Beside { path, file })
    }

    fn rename_to(self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The new name must outlive a power cut as well; where folders cannot be synchronised, that is as good as it gets.
        File::open(folder).and_then(|folder| folder.sync_all()).or(Ok(()))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After the rename the name is gone, and that is well.
        let _ = fs::remove_file(&self.path);
    }
}
