//! A file replaced whole: written beside, put on the disk, then renamed.
//!
//! Whoever has the old file open or mapped keeps it; a full disk or a power cut leaves the old bytes under the name, or the new.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

/// Writes a file so that its name shows the old bytes or the new ones, whatever happens.
///
/// A link stays a link, and the file that it leads to keeps its owner and its permissions. What is no file (a pipe, `/dev/null`) is
/// written to as it is: renamed over, it would be gone for everyone on the machine.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => None,
        Err(error) => return Err(error),
    };
    let path = match &old {
        Some(old) if old.is_file() => fs::canonicalize(path)?,
        Some(_) => return OpenOptions::new().write(true).open(path)?.write_all(bytes),
        None => path.to_owned(),
    };
    let beside = Beside::create(&path)?;
    if let Some(old) = old {
        beside.be_like(&old)?;
    }
    (&beside.file).write_all(bytes)?;
    beside.file.sync_all()?;
    beside.rename_to(&path)
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
        // One of the same name was left by a process of this number that did not come to its end.
        let _ = fs::remove_file(&path);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Beside { path, file })
    }

    /// Before there are bytes in it, so that nobody reads the new ones who could not read the old.
    fn be_like(&self, old: &Metadata) -> io::Result<()> {
        // Only root can give a file away; whoever else writes it owns it.
        let _ = fchown(&self.file, Some(old.uid()), Some(old.gid()));
        self.file.set_permissions(old.permissions())
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_link_stays_and_its_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let (file, link) = (folder.join("file"), folder.join("link"));
        fs::write(&file, "old").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("its permissions");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        replace(&link, b"new").expect("a written file");
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).expect("the file"), b"new");
        assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder).expect("the folder").count(), 2);
        fs::remove_file(&file).expect("no file");
        replace(&link, b"new").expect_err("a link that leads nowhere");
        assert!(link.is_symlink());
    }

    #[test]
    fn a_pipe_is_written_to_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let pipe = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut text = String::new();
                File::open(pipe).expect("the pipe").read_to_string(&mut text).expect("its text");
                text
            }
        });
        replace(&pipe, b"text").expect("a written pipe");
        assert!(fs::metadata(&pipe).expect("the pipe").file_type().is_fifo());
        assert_eq!(reader.join().expect("a reader"), "text");
        replace(folder, b"text").expect_err("a folder is no file");
    }
}
