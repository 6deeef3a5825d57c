//! Files as the readers see them: opened, listed, and brought into one spelling by somebody else.
//!
//! Nothing in this crate touches a disk. The binary hands in a [`Files`] over the real one; tests and fixtures hand in
//! [`MemoryFiles`]. Patterns of includes are expanded here, component by component, so that a folder is listed only where a
//! pattern asks for it.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use globset::GlobBuilder;

/// Something that is read forwards and, for one window of a diagnostic, from a place.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// Whether it is a folder itself.
    pub kind: EntryKind,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A file, or what a link to a file leads to.
    File,
    /// A folder.
    Folder,
}

/// Where rule text comes from.
pub trait Files {
    /// Opens a file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadSeek + '_>>;

    /// The one spelling of a path: absolute, symbolic links followed. It fails where nothing is there.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// What stands in a folder, in any order.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// Whether a path is a file or a folder, links followed. It fails where nothing is there.
    fn kind(&self, path: &Path) -> io::Result<EntryKind>;
}

/// The files that a pattern names, sorted. `*` and `?` stay inside one component, `**` crosses folders; hidden names are
/// found only by a pattern that begins with a dot, as in a shell.
///
/// ```
/// use byway_config::files::{MemoryFiles, expand};
/// use std::path::Path;
/// let files = MemoryFiles::new([("site/rules/b.toml", ""), ("site/rules/a.toml", ""), ("site/rules/.x.toml", "")]);
/// let found = expand(&files, Path::new("site"), "rules/*.toml").unwrap();
/// assert_eq!(found, [Path::new("site/rules/a.toml"), Path::new("site/rules/b.toml")]);
/// ```
pub fn expand(files: &dyn Files, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, BadPattern> {
    let mut found = Vec::new();
    let components: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let start = if pattern.starts_with('/') { PathBuf::from("/") } else { folder.to_owned() };
    expand_into(files, &start, &components, 0, &mut found)?;
    found.sort();
    found.dedup();
    Ok(found)
}

/// Whether a text is a pattern at all.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Why a pattern could not be expanded.
#[derive(Debug)]
pub enum BadPattern {
    /// The pattern itself is broken.
    Syntax(String),
    /// A folder could not be listed.
    Folder(PathBuf, io::Error),
}

/// How deep `**` goes: deeper than any rule folder, and an end for folders that contain themselves.
const DEPTH: usize = 32;

fn expand_into(
    files: &dyn Files,
    folder: &Path,
    components: &[&str],
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), BadPattern> {
    let Some((first, rest)) = components.split_first() else { return Ok(()) };
    if !is_pattern(first) {
        let path = folder.join(first);
        if !rest.is_empty() {
            return expand_into(files, &path, rest, depth, found);
        }
        if files.canonical(&path).is_ok() {
            found.push(path);
        }
        return Ok(());
    }
    if *first == "**" {
        expand_into(files, folder, rest, depth, found)?;
    }
    let glob = GlobBuilder::new(first)
        .literal_separator(true)
        .build()
        .map_err(|error| BadPattern::Syntax(error.to_string()))?;
    let matcher = glob.compile_matcher();
    let mut entries = match files.list(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BadPattern::Folder(folder.to_owned(), error)),
    };
    entries.sort();
    for entry in entries {
        let hidden = entry.name.starts_with('.') && !first.starts_with('.');
        if hidden || !matcher.is_match(&entry.name) {
            continue;
        }
        let path = folder.join(&entry.name);
        match (entry.kind, *first) {
            (EntryKind::Folder, "**") if depth < DEPTH => expand_into(files, &path, components, depth + 1, found)?,
            (EntryKind::Folder, _) if !rest.is_empty() => expand_into(files, &path, rest, depth, found)?,
            (EntryKind::File, "**") if !rest.is_empty() => {}
            (EntryKind::File, _) if rest.is_empty() => found.push(path),
            _ => {}
        }
    }
    Ok(())
}

/// `a/b/../c` as `a/c`, for what is shown and for files in memory; links are not looked at.
pub fn tidy_path(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some() => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

/// Files that exist in memory only.
///
/// ```
/// use byway_config::files::{Files, MemoryFiles};
/// let files = MemoryFiles::new([("byway.toml", "[[redirect]]\n")]);
/// assert!(files.open("byway.toml".as_ref()).is_ok());
/// assert!(files.open("moves.csv".as_ref()).is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles {
    files: BTreeMap<PathBuf, Arc<[u8]>>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl MemoryFiles {
    /// Files by path.
    pub fn new<P: Into<PathBuf>, T: AsRef<[u8]>>(files: impl IntoIterator<Item = (P, T)>) -> MemoryFiles {
        let mut memory = MemoryFiles::default();
        for (path, text) in files {
            memory.insert(path, text);
        }
        memory
    }

    /// Adds or replaces a file.
    pub fn insert<P: Into<PathBuf>, T: AsRef<[u8]>>(&mut self, path: P, text: T) {
        self.files.insert(tidy_path(&path.into()), text.as_ref().into());
    }

    /// Adds a symbolic link.
    pub fn link<P: Into<PathBuf>, T: Into<PathBuf>>(&mut self, path: P, to: T) {
        self.links.insert(tidy_path(&path.into()), tidy_path(&to.into()));
    }

    /// The text of a file.
    pub fn get(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(&self.resolve(path)).map(|text| &**text)
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        let path = tidy_path(path);
        self.links.get(&path).cloned().unwrap_or(path)
    }
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such file")
}

impl Files for MemoryFiles {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadSeek + '_>> {
        let text = self.files.get(&self.resolve(path)).ok_or_else(missing)?;
        Ok(Box::new(Cursor::new(Arc::clone(text))))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let path = self.resolve(path);
        let is_folder = path.as_os_str().is_empty() || self.files.keys().any(|file| file.starts_with(&path));
        if is_folder { Ok(path) } else { Err(missing()) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let folder = self.resolve(folder);
        let mut entries: Vec<Entry> = Vec::new();
        for path in self.files.keys().chain(self.links.keys()) {
            let Ok(rest) = path.strip_prefix(&folder) else { continue };
            let mut components = rest.components();
            let Some(name) = components.next() else { continue };
            let kind = if components.next().is_some() { EntryKind::Folder } else { EntryKind::File };
            let entry = Entry { name: name.as_os_str().to_string_lossy().into_owned(), kind };
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        if entries.is_empty() { Err(missing()) } else { Ok(entries) }
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        let path = self.canonical(path)?;
        Ok(if self.files.contains_key(&path) { EntryKind::File } else { EntryKind::Folder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_told_apart() {
        let files = MemoryFiles::new([("a/x.csv", "")]);
        assert_eq!(files.kind(Path::new("a")).ok(), Some(EntryKind::Folder));
        assert_eq!(files.kind(Path::new("a/x.csv")).ok(), Some(EntryKind::File));
        assert!(files.kind(Path::new("b")).is_err());
    }

    #[test]
    fn two_stars_cross_folders() {
        let files = MemoryFiles::new([("a/x.csv", ""), ("a/b/y.csv", ""), ("a/b/c/z.csv", ""), ("a/.git/n.csv", "")]);
        let found = expand(&files, Path::new("a"), "**/*.csv").expect("a good pattern");
        assert_eq!(found, [Path::new("a/b/c/z.csv"), Path::new("a/b/y.csv"), Path::new("a/x.csv")]);
    }

    #[test]
    fn parents_are_walked_by_name() {
        assert_eq!(tidy_path(Path::new("a/./b/../c")), Path::new("a/c"));
        assert_eq!(tidy_path(Path::new("../x")), Path::new("../x"));
    }
}
