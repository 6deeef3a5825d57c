//! The servers and clients that are not ours: found, or missed with words.
//!
//! `scripts/test` installs them where it may and hands the tests three variables: `BYWAY_TESTBED`, the folder of what comes
//! from npm and PyPI; `BYWAY_SKIP`, what is missing; `BYWAY_REQUIRE`, what must not be. A test asks for what it needs and
//! returns early if it is not there; the words of the skip go to stderr. Under a plain `cargo test` the folder is
//! `target/testbed`, nothing is required, and what is not found is skipped.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where a server or client is, or nothing if the test must be skipped, which is then said on stderr.
///
/// - a program (`nginx`, `apache2`, `haproxy`, `caddy`, `php`, `curl`, `wget`, `python3`, `node`, `chromium`): its file;
/// - `requests`: the Python that can import it;
/// - `axios`, `got`: the package's folder, importable by its path.
///
/// # Panics
///
/// If it is missing and `BYWAY_REQUIRE` names it: there a skip is a failure.
///
/// ```no_run
/// let Some(nginx) = byway_testkit::testbed::find("nginx") else { return };
/// std::process::Command::new(nginx).arg("-v").status().unwrap();
/// ```
pub fn find(tool: &str) -> Option<PathBuf> {
    let found = Testbed::of_this_process().find(tool);
    match &found {
        Found::At(path) => return Some(path.clone()),
        Found::Missing { required: false } => eprintln!("skipped: this test needs {tool}; scripts/test installs it"),
        Found::Missing { required: true } => panic!("{tool} is required here and is missing; scripts/test installs it"),
    }
    None
}

/// The folder of what comes from npm and PyPI: `node_modules` and `venv` are in it once `scripts/test` has run.
///
/// ```
/// assert!(byway_testkit::testbed::folder().ends_with("testbed") || std::env::var_os("BYWAY_TESTBED").is_some());
/// ```
pub fn folder() -> PathBuf {
    Testbed::of_this_process().folder
}

/// What the tests were told of this machine.
struct Testbed {
    folder: PathBuf,
    path: OsString,
    skip: Vec<String>,
    require: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    At(PathBuf),
    Missing { required: bool },
}

/// Programs that go by another name on some systems.
const ALIASES: &[(&str, &[&str])] = &[
    ("apache2", &["apache2", "httpd"]),
    ("chromium", &["chromium", "chromium-browser", "google-chrome"]),
    ("node", &["node", "nodejs"]),
];

impl Testbed {
    fn of_this_process() -> Testbed {
        let folder = env::var_os("BYWAY_TESTBED").map(PathBuf::from);
        Testbed {
            folder: folder.unwrap_or_else(|| crate::workspace_root().join("target/testbed")),
            path: env::var_os("PATH").unwrap_or_default(),
            skip: names(&env::var("BYWAY_SKIP").unwrap_or_default()),
            require: names(&env::var("BYWAY_REQUIRE").unwrap_or_default()),
        }
    }

    fn find(&self, tool: &str) -> Found {
        let said_to_be_missing = self.skip.iter().any(|name| name == tool);
        let place = if said_to_be_missing { None } else { self.place(tool) };
        let required = self.require.iter().any(|name| name == tool);
        place.map_or(Found::Missing { required }, Found::At)
    }

    fn place(&self, tool: &str) -> Option<PathBuf> {
        match tool {
            "requests" => existing(self.folder.join("venv/bin/python")),
            "axios" | "got" => existing(self.folder.join("node_modules").join(tool)),
            program => self.program(program),
        }
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let itself = [name];
        let names = ALIASES.iter().find(|(tool, _)| *tool == name).map_or(itself.as_slice(), |(_, names)| names);
        names.iter().find_map(|name| self.folders().find_map(|folder| existing(folder.join(name))))
    }

    /// The search path, and where Debian keeps its servers, which is in nobody's search path but root's.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let servers = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
        env::split_paths(&self.path).filter(|folder| folder.is_absolute()).chain(servers)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn existing(path: PathBuf) -> Option<PathBuf> {
    Path::new(&path).exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn testbed(skip: &str, require: &str) -> Testbed {
        let root = crate::workspace_root();
        Testbed { folder: root.clone(), path: root.into_os_string(), skip: names(skip), require: names(require) }
    }

    #[test]
    fn a_program_is_found_on_the_search_path() {
        let file = crate::workspace_root().join("Cargo.toml");
        assert_eq!(testbed("", "").find("Cargo.toml"), Found::At(file));
    }

    #[test]
    fn what_is_said_to_be_missing_is_not_looked_for() {
        assert_eq!(testbed("a, Cargo.toml", "").find("Cargo.toml"), Found::Missing { required: false });
    }

    #[test]
    fn what_is_required_says_so() {
        assert_eq!(testbed("", "no-such-program,b").find("no-such-program"), Found::Missing { required: true });
    }

    #[test]
    fn a_package_is_not_looked_for_on_the_search_path() {
        assert_eq!(testbed("", "").find("axios"), Found::Missing { required: false });
    }
}
