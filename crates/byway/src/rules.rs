//! Rule files as commands take them: which ones, read how, and what is said of their text.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use byway_config::diagnostic::{Diagnostic, Severity, grouped};
use byway_config::foreign::{ForeignOptions, Purpose, Strictness};
use byway_config::formats::{Format, NAMES};
use byway_config::load::{LoadOptions, Loaded, Reach, load};
use byway_config::own::suggest::nearest;
use byway_config::render::{Colour, render};
use byway_core::RuleSet;
use byway_core::dialect::BYWAY;
use byway_core::status::{RedirectStatus, StatusByMethod};

use crate::disk::Disk;
use crate::exit::{Exit, Failure};
use crate::misspoken;
use crate::terminal::say;

/// How rule files are read, for every command that reads some.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Reading {
    /// The status of list rows that name none: 301, 302, 303, 307, 308, or `get=301,other=307`
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    status: Option<StatusByMethod>,
    /// The format of the files, where name and content leave doubt; `byway formats` names all
    #[arg(long, visible_alias = "format", value_name = "FORMAT", value_parser = parse_format)]
    from: Option<&'static Format>,
    /// Let includes lead out of the folder of the root file
    #[arg(long)]
    allow_outside: bool,
    /// Let another server's configuration include files below this folder, repeatable
    #[arg(long, value_name = "DIR")]
    allow_include: Vec<PathBuf>,
    /// The document root that another server's rules ask for files
    #[arg(long, value_name = "DIR", value_parser = parse_root)]
    root: Option<PathBuf>,
    /// A name that is defined for another server's configuration, as Apache's -D, repeatable
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = parse_define)]
    define: Vec<(String, String)>,
    /// Make what is passed over in another server's configuration an error
    #[arg(long)]
    strict: bool,
}

impl Reading {
    /// How the readers are told; the seed is drawn here.
    pub(crate) fn options(&self) -> LoadOptions {
        LoadOptions {
            status: self.status,
            format: self.from,
            foreign: ForeignOptions {
                root: self.root.clone(),
                defines: self.define.clone(),
                allowed: self.allow_include.clone(),
                purpose: Purpose::Answering,
                strictness: if self.strict { Strictness::Strict } else { Strictness::Lenient },
            },
            reach: if self.allow_outside { Reach::Anywhere } else { Reach::RootFolder },
            now: Some(now()),
            seed: seed(),
        }
    }

    /// Reads the files.
    pub(crate) fn load(&self, roots: &[PathBuf]) -> Loaded {
        let roots: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
        load(&Disk, &roots, &self.options())
    }

    /// Reads the files for another server, which asks its own document root.
    pub(crate) fn load_for_another(&self, roots: &[PathBuf]) -> Loaded {
        let roots: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
        let mut options = self.options();
        options.foreign.purpose = Purpose::Writing;
        load(&Disk, &roots, &options)
    }

    /// Reads the files, says what is wrong with them, and goes on only with rules.
    pub(crate) fn rules(&self, roots: &[PathBuf], colour: Colour) -> Result<(RuleSet, Loaded), Failure> {
        let mut loaded = self.load(roots);
        let said = drawn(&loaded, Severity::Warning, colour);
        if !said.is_empty() {
            say(&said);
        }
        match loaded.rules.take() {
            Some(rules) => Ok((rules, loaded)),
            None => Err(refusal(&loaded)),
        }
    }
}

/// The files that were named, or `byway.toml` of this folder.
pub(crate) fn roots(named: &[PathBuf], or_else: &str) -> Result<Vec<PathBuf>, Failure> {
    if let Some(url) = named.iter().filter_map(|name| name.to_str()).find(|name| misspoken::is_url(name)) {
        return Err(Failure::usage(format!("`{url}` is no file: rules are read from files, and nothing is fetched"))
            .help(format!("what they say of a URL: byway explain {url} -c FILE")));
    }
    if named.iter().any(|name| name.as_os_str() == "-") {
        return Err(Failure::usage(
            "`-` is no file: rules are read from files, whose names are shown with what is found",
        )
        .help("write what comes in into a file first: `… > rules.conf`"));
    }
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let usual = PathBuf::from("byway.toml");
    match usual.try_exists() {
        Ok(true) => Ok(vec![usual]),
        Ok(false) => Err(Failure::usage("there is no byway.toml in this folder, and no file was named").help(or_else)),
        Err(error) => Err(Failure::no_verdict(format!("byway.toml cannot be looked at: {error}"))),
    }
}

/// Refuses to write over a file that was read: what the new text cannot say would be gone.
pub(crate) fn spare(loaded: &Loaded, out: &Path) -> Result<(), Failure> {
    let Ok(target) = fs::canonicalize(out) else { return Ok(()) };
    let is_read = |path: &Path| fs::canonicalize(path).is_ok_and(|path| path == target);
    match loaded.files.iter().any(|(_, file)| is_read(&file.path)) {
        true => Err(Failure::usage(format!("{} is one of the files that are read", out.display()))
            .help("write to another file with `--out`")),
        false => Ok(()),
    }
}

/// What was said that is at least this bad, drawn.
pub(crate) fn drawn(loaded: &Loaded, least: Severity, colour: Colour) -> String {
    let bad = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity >= least);
    bad.map(|diagnostic| render(diagnostic, &loaded.files, &Disk, colour)).collect()
}

/// Why there are no rules: the text is wrong, or a file that the person named cannot be read.
pub(crate) fn refusal(loaded: &Loaded) -> Failure {
    let is_disk = |diagnostic: &Diagnostic| {
        diagnostic.severity == Severity::Error
            && diagnostic.primary.is_none()
            && matches!(diagnostic.code, "no-file" | "unreadable")
    };
    if loaded.diagnostics.iter().any(is_disk) {
        return Failure::said(Exit::NoVerdict);
    }
    Failure {
        exit: Exit::Usage,
        ..Failure::usage(format!("the rules were not loaded: {}", count(loaded.errors, "error")))
    }
}

/// `1 rule`, `2 rules`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", grouped(number))
}

/// Now, in seconds since 1970 UTC.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A number that nobody outside can guess: the standard library's own seed, from the system.
fn seed() -> u64 {
    RandomState::new().hash_one(0_u64)
}

fn parse_format(text: &str) -> Result<&'static Format, String> {
    Format::named(text).ok_or_else(|| meant(text, &NAMES))
}

/// A document root is there, or every file of it would be taken to be missing.
fn parse_root(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match fs::metadata(&path) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err("it is no folder: name the document root, as `--root public`".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err("no such folder is there: name the document root, as `--root public`".to_owned())
        }
        Err(error) => Err(format!("it cannot be looked at: {error}")),
    }
}

/// The name that was perhaps meant, and all that there are.
pub(crate) fn meant(text: &str, known: &[&str]) -> String {
    let all = format!("there are {}", known.join(", "));
    match nearest(text, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {all}"),
        None => all,
    }
}

/// How many rules a person wrote: another server's are made into more, one after the other as it takes its steps.
pub(crate) fn written(loaded: &Loaded, rules: &RuleSet) -> u64 {
    let spoken = loaded.remarks.total();
    if spoken == 0 {
        return rules.len() as u64;
    }
    let own = rules.rules().filter(|rule| *rule.dialect() == BYWAY).count() as u64;
    spoken - loaded.remarks.refused + own
}

fn parse_define(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    match name.is_empty() || name.contains(char::is_whitespace) {
        true => Err("write a name, or a name, `=` and its value".to_owned()),
        false => Ok((name.to_owned(), value.to_owned())),
    }
}

/// `307`, or `get=301,other=307`.
pub(crate) fn parse_status(text: &str) -> Result<StatusByMethod, String> {
    let one = |text: &str| {
        let number = text.trim().parse().ok();
        number
            .and_then(RedirectStatus::from_number)
            .ok_or_else(|| format!("`{text}` is no redirect; there are 301, 302, 303, 307 and 308"))
    };
    match text.strip_prefix("get=").and_then(|rest| rest.split_once(",other=")) {
        Some((get, other)) => Ok(StatusByMethod { get: one(get)?, other: one(other)? }),
        None => Ok(StatusByMethod::always(one(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_on_the_command_line() {
        assert_eq!(parse_status("308"), Ok(StatusByMethod::always(RedirectStatus::PermanentRedirect)));
        let pair = parse_status("get=301,other=307").expect("a pair");
        assert_eq!((pair.get.number(), pair.other.number()), (301, 307));
        assert_eq!(parse_status("304"), Err("`304` is no redirect; there are 301, 302, 303, 307 and 308".to_owned()));
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([count(1, "rule"), count(0, "rule"), count(45_000, "rule")], ["1 rule", "0 rules", "45,000 rules"]);
    }
}
