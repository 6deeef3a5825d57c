//! What the writer of a format works with: the rules one after the other, a text that grows, and a remark for each rule.
//!
//! A writer says of every rule how well its format carries it; what it cannot say it leaves out and refuses by name. A status is
//! never changed for one that the format can say.

pub(crate) mod aside;
pub(crate) mod csv;
mod fallen;
mod flatten;
pub(crate) mod named;
mod nearer;
pub(crate) mod own;
pub(crate) mod perl;
pub(crate) mod rank;
pub(crate) mod report;
pub(crate) mod toml;

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use byway_core::RuleSet;
use byway_core::dialect::BYWAY;
use byway_core::rule::{Action, FileId, Place};
use byway_core::ruleset::{RuleView, TableId};

use crate::formats::Format;
use crate::load::Loaded;
use crate::remarks::{Remarks, Verdict};
use crate::span::FileTable;
use flatten::NOT_FOLLOWED;
pub use named::KeySource;
use own::instant;
pub use report::{Named, Row, html, json, rows, rows_beside, text};

/// A text being written.
#[derive(Debug)]
pub struct Writing<'w> {
    /// The rules.
    pub rules: &'w RuleSet,
    /// The files that they were read from.
    pub files: &'w FileTable,
    /// What was written.
    pub text: String,
    /// What was said of each rule.
    pub remarks: Remarks,
    /// Where the rules of the remarks were written, in the same order.
    pub places: Vec<Place>,
    /// The file that the text is for, as an absolute path, where there is one: long lists may then lie beside it.
    pub file: Option<PathBuf>,
    /// The folder of the first file that was read, as an absolute path, where it matters: what is named from there is named
    /// whole where the text is for another folder.
    pub home: Option<PathBuf>,
    /// Lists beside the text: the name of a file in the same folder, and what stands in it.
    pub lists: Vec<(String, String)>,
    /// All that was loaded beside the rules, where that is known.
    pub loaded: Option<&'w Loaded>,
    /// What was said of rules so far, by their numbers.
    said: Vec<(u32, Verdict)>,
    /// Rules that decide something and were written, by place and words: a copy that no request comes to takes nothing from them.
    carried: HashSet<(FileId, u32, String)>,
    /// Rules of another server that decide something, in the order of their numbers: where they stand, their words, and what is
    /// said of them.
    decided: Vec<(Place, String, Verdict)>,
}

impl<'w> Writing<'w> {
    /// Nothing written yet.
    pub fn new(rules: &'w RuleSet, files: &'w FileTable) -> Writing<'w> {
        Writing {
            rules,
            files,
            text: String::new(),
            remarks: Remarks::default(),
            places: Vec::new(),
            file: None,
            home: None,
            lists: Vec::new(),
            loaded: None,
            said: Vec::new(),
            carried: HashSet::new(),
            decided: Vec::new(),
        }
    }

    /// A path that is named from the folder of the first file, as the folder of the text names it.
    fn named_from_here(&self, path: &str) -> String {
        match (&self.home, self.file.as_deref().and_then(Path::parent)) {
            (Some(home), Some(folder)) if home != folder => home.join(path).to_string_lossy().into_owned(),
            _ => path.to_owned(),
        }
    }

    /// Says how a rule was written. Reasons are grouped: no detail of the one rule belongs in.
    pub fn say(&mut self, rule: &RuleView<'_>, verdict: Verdict) {
        let decides = matches!(rule.action(), Action::Redirect { .. } | Action::Reply { .. });
        if decides && *rule.dialect() != BYWAY && !matches!(verdict, Verdict::Refused(_)) {
            self.carried.insert(carried_as(rule));
        }
        self.said.push((rule.number(), verdict));
    }

    /// Makes remarks of what was said: a rule that now takes what a refused one went before is not exact.
    fn finish(&mut self) {
        let mut said = std::mem::take(&mut self.said);
        said.sort_by_key(|(number, _)| *number);
        let nearer = nearer::Nearer::of(self.rules, &said);
        // What is said of an entry of a list is said of the rule that looks it up, and once.
        let called = self.rules.rules().filter_map(|rule| match rule.action() {
            Action::Call { table, text: Some(_) } => Some((table, rule.place())),
            _ => None,
        });
        let called: HashMap<TableId, Place> = called.collect();
        let mut listed: HashSet<(FileId, u32, Verdict)> = HashSet::new();
        let mut said = said.into_iter().peekable();
        for rule in self.rules.rules() {
            while let Some((_, mut verdict)) = said.next_if(|(number, _)| *number == rule.number()) {
                if matches!(&verdict, Verdict::Refused(why) if why == NOT_FOLLOWED)
                    && self.carried.contains(&carried_as(&rule))
                {
                    continue;
                }
                if verdict == Verdict::Exact
                    && let Some((words, place)) = nearer.of_rule(&rule)
                {
                    let place = format!("{}:{}", self.files.name(place.file), place.line);
                    let why = format!("it now takes requests that `{words}` ({place}) goes before, which is refused");
                    verdict = Verdict::Approximated(why.into());
                }
                if *rule.dialect() != BYWAY {
                    if matches!(rule.action(), Action::Redirect { .. } | Action::Reply { .. }) {
                        self.decided.push((rule.place(), words(&rule), verdict.clone()));
                    }
                    // What another server does between rules is said by the rules that it leads to.
                    if verdict == Verdict::Exact {
                        continue;
                    }
                }
                let list = called.get(&rule.table()).copied().filter(|_| *rule.dialect() != BYWAY);
                let place = list.unwrap_or(rule.place());
                if list.is_some() && !listed.insert((place.file, place.line, verdict.clone())) {
                    continue;
                }
                let before = self.remarks.kept.len();
                self.remarks.push(None, &words(&rule), verdict);
                if self.remarks.kept.len() > before {
                    self.places.push(place);
                }
            }
        }
    }

    /// The first line of a text, for formats in which `#` begins a comment: where it came from.
    pub fn headline(&mut self) {
        let names: Vec<&str> = self.files.iter().map(|(_, file)| file.name.as_str()).take(3).collect();
        let more = self.files.iter().count().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let from = if names.is_empty() { "rules".to_owned() } else { names.join(", ") + &more };
        // A name may hold a line break, and what follows it would not be a comment.
        let from = from.replace(char::is_control, "?");
        _ = writeln!(self.text, "# Written by byway {} from {from}.", env!("CARGO_PKG_VERSION"));
    }
}

/// By what a rule is known that was written, and copies of it.
fn carried_as(rule: &RuleView<'_>) -> (FileId, u32, String) {
    (rule.place().file, rule.place().line, words(rule))
}

/// A rule in the words of our own files, for remarks.
pub fn words(rule: &RuleView<'_>) -> String {
    match rule.target_text() {
        target if target.is_empty() && rule.source().to_string().is_empty() => "a step of its server".to_owned(),
        target if target.is_empty() => rule.source().to_string(),
        target => format!("{} → {target}", rule.source()),
    }
}

/// Why a rule of another server is not exact, where it is written for the server with the format `to`: both see paths decoded.
pub(crate) fn foreign(verdict: &Verdict, view: &RuleView<'_>, to: &str) -> std::borrow::Cow<'static, str> {
    match verdict {
        Verdict::Approximated(why) if why != own::SEEN => why.clone(),
        _ => match (view.dialect().name, to) {
            ("apache", "nginx") => FROM_APACHE.into(),
            ("nginx", "apache") => FROM_NGINX.into(),
            _ => FOREIGN.into(),
        },
    }
}

/// Whether nothing is said of a rule of another server but that byway sees paths otherwise: its own server does not.
pub(crate) fn is_as_seen(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Exact => true,
        Verdict::Approximated(why) => why == own::SEEN,
        Verdict::Refused(_) => false,
    }
}

const FOREIGN: &str = "read from another server's file: host, path and order are said anew";
const FROM_APACHE: &str = "Apache answers `%2F` in a path with 404 and escapes anew what it captures; nginx takes it for a slash, and escapes stay as they were sent";
const FROM_NGINX: &str = "nginx takes `%2F` in a path for a slash, and Apache answers it with 404";

/// Whether a reason holds for every rule of another server, and says nothing of the one.
///
/// ```
/// assert!(!byway_config::writing::is_of_all("keys of a `map` ignore case, and this path does not"));
/// ```
pub fn is_of_all(why: &str) -> bool {
    [FOREIGN, FROM_APACHE, FROM_NGINX, own::SEEN].contains(&why)
}

/// What stands over a rule: its name, its note, its time.
pub(crate) fn comment(view: &RuleView<'_>) -> Option<String> {
    let time = |seconds: Option<i64>| seconds.and_then(instant);
    let span = match (time(view.since()), time(view.until())) {
        (None, None) => None,
        (Some(since), None) => Some(format!("from {since}")),
        (None, Some(until)) => Some(format!("until {until}")),
        (Some(since), Some(until)) => Some(format!("from {since} until {until}")),
    };
    let words = match (view.id(), view.note()) {
        (Some(id), Some(note)) => Some(format!("{id}: {note}")),
        (one, other) => one.or(other).map(str::to_owned),
    };
    let text = match (words, span) {
        (Some(words), Some(span)) => format!("{words} ({span})"),
        (words, span) => words.or(span)?,
    };
    Some(one_line(&text))
}

/// A text as a comment: what ends a line in it would make directives of the rest.
pub(crate) fn one_line(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    // A backslash at the end of a comment would make the next line part of it.
    text.trim_end_matches(['\\', ' ']).to_owned()
}

/// Writes what was loaded in another format; `None` where the format is not written, or where there are no rules.
///
/// ```
/// use byway_config::files::MemoryFiles;
/// use byway_config::formats::Format;
/// use byway_config::load::{LoadOptions, load};
/// use byway_config::writing::write;
/// let files = MemoryFiles::new([("moves.csv", "from,to,status\n/a,/b,308\n")]);
/// let loaded = load(&files, &["moves.csv".as_ref()], &LoadOptions::default());
/// let written = write(&loaded, Format::named("toml").unwrap()).unwrap();
/// assert!(written.text.ends_with("[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\nstatus = 308\n"));
/// assert_eq!((written.remarks.exact, written.remarks.refused), (1, 0));
/// ```
pub fn write<'w>(loaded: &'w Loaded, format: &Format) -> Option<Writing<'w>> {
    write_for(loaded, format, None)
}

/// The same for a file, as an absolute path: what a server would rather read from a list then stands in [`Writing::lists`].
pub fn write_for<'w>(loaded: &'w Loaded, format: &Format, file: Option<&Path>) -> Option<Writing<'w>> {
    write_moved(loaded, format, file, None)
}

/// The same, for rules whose first file lies in the folder `home`, an absolute path too.
pub fn write_moved<'w>(
    loaded: &'w Loaded,
    format: &Format,
    file: Option<&Path>,
    home: Option<&Path>,
) -> Option<Writing<'w>> {
    let mut writing = Writing::new(loaded.rules.as_ref()?, &loaded.files);
    writing.file = file.map(Path::to_owned);
    writing.home = home.map(Path::to_owned);
    writing.loaded = Some(loaded);
    format.write?(&mut writing);
    writing.finish();
    Some(writing)
}
