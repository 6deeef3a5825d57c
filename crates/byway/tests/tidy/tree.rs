//! The workspace as the rules see it: its manifests, its Rust, and every other text.
//!
//! A tree is made from the files on disk, or from a few texts when a rule is tried. Manifests are read by the line: ours are
//! plain enough. How Rust is read is in [`crate::source`].

use crate::source::Source;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt, fs};

/// The workspace: its manifests, its Rust, and every other text.
pub(crate) struct Tree {
    pub(crate) root: Manifest,
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) sources: Vec<Source>,
    pub(crate) texts: BTreeMap<String, String>,
}

/// A `Cargo.toml`. Ours are plain enough to be read by the line.
pub(crate) struct Manifest {
    pub(crate) path: String,
    pub(crate) package: String,
    pub(crate) dependencies: Vec<Dependency>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) section: Section,
    pub(crate) line: usize,
    pub(crate) text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// `dependencies`, `build-dependencies`, and the workspace's own.
    Normal,
    Dev,
}

pub(crate) struct Complaint {
    pub(crate) place: String,
    pub(crate) what: String,
    pub(crate) help: String,
}

impl Tree {
    pub(crate) fn of_this_workspace() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let paths = files(&root);
        let texts =
            paths.into_iter().filter_map(|path| Some((path.clone(), fs::read_to_string(root.join(path)).ok()?)));
        Tree::of(texts)
    }

    /// A tree of these files: path from the root, and text.
    pub(crate) fn of<T: Into<String>>(texts: impl IntoIterator<Item = (T, T)>) -> Tree {
        let texts: BTreeMap<String, String> =
            texts.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
        let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs"));
        let sources = rust.map(|(path, text)| Source::read(path, text)).collect();
        let crates = texts.iter().filter(|(path, _)| path.starts_with("crates/") && path.ends_with("/Cargo.toml"));
        let manifests = crates.map(|(path, text)| Manifest::read(path, text)).collect();
        let root = Manifest::read("Cargo.toml", texts.get("Cargo.toml").map_or("", String::as_str));
        Tree { root, manifests, sources, texts }
    }

    pub(crate) fn held_to(&self, rule: fn(&Tree) -> Vec<Complaint>) {
        let complaints = rule(self);
        let said: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
        assert!(said.is_empty(), "{} to put right:\n{}", said.len(), said.join("\n"));
    }

    pub(crate) fn dependencies(&self) -> impl Iterator<Item = (&Manifest, &Dependency)> {
        self.manifests.iter().flat_map(|manifest| manifest.dependencies.iter().map(move |found| (manifest, found)))
    }

    /// The files that become part of a crate, without those that are only compiled for its tests.
    pub(crate) fn library_sources(&self) -> impl Iterator<Item = &Source> {
        let in_src =
            self.sources.iter().filter(|source| source.path.starts_with("crates/") && source.path.contains("/src/"));
        in_src.filter(|source| !source.path.ends_with("/tests.rs") && !source.path.contains("/tests/"))
    }
}

/// The files of the workspace that are or could be committed; without git, all but what is made.
fn files(root: &Path) -> Vec<String> {
    let git = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    if let Some(listed) = git.ok().filter(|output| output.status.success() && !output.stdout.is_empty()) {
        let names = String::from_utf8_lossy(&listed.stdout);
        return names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    }
    let mut found = Vec::new();
    walk(root, Path::new(""), &mut found);
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let entries = fs::read_dir(root.join(folder)).expect("a folder of the workspace can be read");
    for entry in entries.flatten() {
        let path: PathBuf = folder.join(entry.file_name());
        let made = ["target", "node_modules", ".git"].iter().any(|name| path.ends_with(name));
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !made => walk(root, &path, found),
            Ok(kind) if kind.is_file() => found.push(path.to_string_lossy().into_owned()),
            _ => {}
        }
    }
}

impl Manifest {
    pub(crate) fn read(path: &str, text: &str) -> Manifest {
        let mut manifest = Manifest { path: path.to_owned(), package: String::new(), dependencies: Vec::new() };
        let mut table = String::new();
        for (line, written) in (1..).zip(text.lines()) {
            let bare = written.trim();
            if let Some(header) = bare.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                table = header.to_owned();
                if let Some(name) = table_of_one_dependency(&table) {
                    manifest.dependencies.push(Dependency::new(name, &table, line, written));
                }
            } else if let Some((key, value)) = bare.split_once('=').filter(|_| !bare.starts_with('#')) {
                let name = key.split('.').next().unwrap_or(key).trim();
                if table == "package" && name == "name" {
                    manifest.package = value.trim().trim_matches('"').to_owned();
                } else if table.ends_with("dependencies") {
                    manifest.dependencies.push(Dependency::new(name, &table, line, written));
                } else if table_of_one_dependency(&table).is_some() {
                    let dependency = manifest.dependencies.last_mut().expect("its table made it");
                    dependency.text.push_str(written);
                }
            }
        }
        manifest
    }

    pub(crate) fn complaint(&self, line: usize, what: String, help: &str) -> Complaint {
        Complaint::new(&self.path, line, what, help)
    }
}

/// The name in `[dependencies.name]`.
fn table_of_one_dependency(table: &str) -> Option<&str> {
    table.rsplit_once("dependencies.").map(|(_, name)| name.trim_matches('"'))
}

impl Dependency {
    pub(crate) fn new(name: &str, table: &str, line: usize, text: &str) -> Dependency {
        let section = if table.contains("dev-dependencies") { Section::Dev } else { Section::Normal };
        Dependency { name: name.to_owned(), section, line, text: text.to_owned() }
    }
}

impl Complaint {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>, help: &str) -> Complaint {
        Complaint { place: format!("{path}:{line}"), what: what.into(), help: help.to_owned() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.help)
    }
}
