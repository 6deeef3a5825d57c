//! What a server serves: rule files, a mapped file or the demonstration; read at the start and at every reload.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use byway_config::check::{CheckOptions, check};
use byway_config::diagnostic::Severity;
use byway_config::files::MemoryFiles;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_config::own::server::ServerSettings;
use byway_config::places::Databases;
use byway_config::render::{Colour, render};
use byway_core::RuleSet;

use crate::demo;
use crate::disk::Disk;
use crate::exit::{Exit, Failure};
use crate::map;
use crate::rules::{self, Reading, count};

/// Where the rules come from.
#[derive(Clone, Debug)]
pub(crate) enum Served {
    /// Rule files.
    Files {
        /// Those that were named.
        roots: Vec<PathBuf>,
        /// How they are read.
        reading: Reading,
        /// Whether what is more than a redirect may be left undone.
        scope: Scope,
    },
    /// One compiled file, mapped.
    Mapped(PathBuf),
    /// The built-in rules.
    Demo,
}

/// What of another server's configuration must be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of it: where it does more than redirect, it is not served.
    Whole,
    /// Its redirects.
    RedirectsOnly,
}

/// Rules to serve.
pub(crate) struct Fresh {
    /// The rules.
    pub(crate) rules: RuleSet,
    /// How many of them a person wrote.
    pub(crate) written: u64,
    /// What `[server]` says.
    pub(crate) settings: ServerSettings,
    /// Who knows where addresses are, and the files that it was read from, with the names that were written.
    pub(crate) places: Option<Arc<Databases>>,
    pub(crate) place_files: Vec<PathBuf>,
}

impl Fresh {
    /// Rules without files around them.
    fn of(rules: RuleSet) -> Fresh {
        let written = rules.len() as u64;
        Fresh { rules, written, settings: ServerSettings::default(), places: None, place_files: Vec::new() }
    }
}

/// What came of reading.
pub(crate) struct Read {
    /// The rules, or why there are none.
    pub(crate) fresh: Result<Fresh, Failure>,
    /// What was said of the text, drawn.
    pub(crate) said: String,
    /// The files that were read, for whoever watches them.
    pub(crate) files: Vec<PathBuf>,
}

impl Served {
    /// Reads the rules.
    pub(crate) fn read(&self, colour: Colour) -> Read {
        match self {
            Served::Files { roots, reading, scope } => read_files(roots, reading, *scope, colour),
            Served::Mapped(path) => Read { fresh: read_mapped(path), said: String::new(), files: vec![path.clone()] },
            Served::Demo => Read { fresh: read_demo(), said: String::new(), files: Vec::new() },
        }
    }
}

fn read_files(roots: &[PathBuf], reading: &Reading, scope: Scope, colour: Colour) -> Read {
    let mut loaded = reading.load(roots);
    let mut said = rules::drawn(&loaded, Severity::Warning, colour);
    said.push_str(&findings(&loaded, colour));
    said.push_str(&unbound(&loaded.ports()));
    if loaded.beyond.count > 0 && loaded.rules.is_some() {
        said.push_str(&undone(&loaded));
    }
    let fresh = match loaded.rules.take() {
        Some(_) if loaded.beyond.count > 0 && scope == Scope::Whole => {
            let failure = Failure::usage("the configuration does more than redirect");
            Err(failure.help("`--redirects-only` serves its redirects, and nothing else of it"))
        }
        Some(rules) => Ok(Fresh {
            written: rules::written(&loaded, &rules),
            rules,
            settings: std::mem::take(&mut loaded.settings),
            places: loaded.place_databases.take(),
            place_files: std::mem::take(&mut loaded.place_files),
        }),
        None => Err(rules::refusal(&loaded)),
    };
    // The roots too: a root that is a compiled file names the files that it was made from.
    let read = loaded.files.iter().map(|(_, file)| file.path.clone());
    let mut files: Vec<PathBuf> = roots.iter().cloned().chain(read).collect();
    files.sort();
    files.dedup();
    Read { fresh, said, files }
}

/// Up to how many rules the lints are asked at the start: beyond it they would be waited for.
const CHECKED: usize = 20_000;

/// Rules that are not there, and one line on those that load and do not do what they should; serving them is still what the
/// person asked for.
fn findings(loaded: &Loaded, colour: Colour) -> String {
    if loaded.rules.as_ref().is_none_or(|rules| rules.len() > CHECKED) {
        return String::new();
    }
    let report = check(loaded, &Disk, &CheckOptions::at(rules::now()));
    let missing = report.findings.iter().filter(|finding| finding.code == "no-rules");
    let missing: String = missing.map(|finding| render(finding, &loaded.files, &Disk, colour)).collect();
    match report.count(Severity::Error) {
        0 => missing,
        errors => {
            format!("`byway check` finds {} in these rules; they are served as they stand\n", count(errors, "error"))
        }
    }
}

/// One line on ports that a configuration names and nobody opens here, where they choose among its servers.
fn unbound(ports: &[u16]) -> String {
    let Some((last, others)) = ports.split_last().filter(|(_, others)| !others.is_empty()) else {
        return String::new();
    };
    let others = others.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "the configuration listens on {others} and {last}, and none of these is bound: the port that a request comes in on chooses \
         among its servers, and where none listens there, 80 stands for http and 443 for https\n"
    )
}

/// What a configuration does that byway will not do, with examples.
fn undone(loaded: &Loaded) -> String {
    let beyond = &loaded.beyond;
    let mut text = format!("{} will not be carried out:\n", count(beyond.count, "directive"));
    for (span, what) in &beyond.examples {
        let what = what.replace(char::is_control, "\u{FFFD}");
        text.push_str(&format!("  {}:{}  {what}\n", loaded.files.name(span.file), span.line));
    }
    if beyond.count > beyond.examples.len() as u64 {
        text.push_str("  …\n");
    }
    text
}

fn read_mapped(path: &Path) -> Result<Fresh, Failure> {
    let mapped = map::open(path)
        .map_err(|error| Failure::no_verdict(format!("{} cannot be mapped: {error}", path.display())))?;
    match RuleSet::open_shared(mapped) {
        Ok(rules) => Ok(Fresh::of(rules)),
        Err(error) => {
            let failure = Failure { exit: Exit::Usage, ..Failure::usage(format!("{}: {error}", path.display())) };
            Err(failure.help("`--map` is for what `byway compile` wrote"))
        }
    }
}

fn read_demo() -> Result<Fresh, Failure> {
    let files = MemoryFiles::new([("demo.toml", demo::RULES)]);
    match load(&files, &["demo.toml".as_ref()], &LoadOptions::default()).rules {
        Some(rules) => Ok(Fresh::of(rules)),
        None => Err(Failure::no_verdict("the built-in rules are broken: this is a bug of byway")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_demonstration_are_sound() {
        assert_eq!(read_demo().map(|fresh| fresh.rules.len()).map_err(|failure| failure.message), Ok(5));
    }
}
