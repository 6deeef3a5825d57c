//! What the reader of another server's configuration works with: confined files, tables to fill, and words for every rule.
//!
//! A reader never touches [`Files`] itself. It opens what lies below the first file's folder, or below a folder that was allowed,
//! with links resolved; everything that is quoted anywhere was opened this way. Environment, programs and network do not exist
//! here.

// Long because all that a reader may do stands in one type: what it opens, what it fills, and what it says.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use byway_core::rule::{Place, Rule};
use byway_core::ruleset::{After, TableId, TableSpec};

use crate::accepted::{Accepted, Style};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, grouped};
use crate::files::{BadPattern, Entry, EntryKind, Files, ReadSeek, expand, is_pattern, tidy_path};
use crate::formats::Format;
use crate::intake::Intake;
use crate::remarks::{Beyond, Remarks, Verdict};
use crate::span::{FileId, FileTable, LineIndex, Span};
use crate::template;
use crate::written::{self, Door, Written};

/// Whether what is passed over is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// Unknown directives and refused rules are warnings.
    #[default]
    Lenient,
    /// They are errors.
    Strict,
}

/// What rules of another server are read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To be answered here.
    #[default]
    Answering,
    /// To be written for a server that has files and ports of its own: the document root is not asked for files, and a port that is
    /// no scheme's own is kept.
    Writing,
}

/// How configurations of other servers are read.
#[derive(Clone, Debug, Default)]
pub struct ForeignOptions {
    /// The document root, where the configuration's own is not to be asked (`--root`).
    pub root: Option<PathBuf>,
    /// Names that are defined (`--define NAME[=VALUE]`), as Apache's `-D`.
    pub defines: Vec<(String, String)>,
    /// Folders in which included files may lie beside the first file's own (`--allow-include`).
    pub allowed: Vec<PathBuf>,
    /// What the rules are read for.
    pub purpose: Purpose,
    /// Whether what is passed over is an error (`--strict`).
    pub strictness: Strictness,
}

/// What is said of a target that is a path here and may be anything there.
pub(crate) const TAKEN_FOR_PATH: &str = "its target begins with a text of the request, which is taken for a path";

/// The most bytes of configuration that one load reads, lists of maps aside.
pub const TEXT_LIMIT: u64 = 256 * 1024 * 1024;
/// The most files of one load: their numbers have 16 bits.
pub const FILE_LIMIT: usize = 65_000;
/// The most entries of a document root that are looked at.
pub const TREE_LIMIT: usize = 1_000_000;

/// A text that was opened, with its places.
#[derive(Debug)]
pub struct Text {
    /// Its number.
    pub file: FileId,
    /// As it was opened.
    pub path: PathBuf,
    /// The bytes, whatever their encoding.
    pub bytes: Vec<u8>,
    lines: LineIndex,
}

impl Text {
    /// The line of some bytes, for entries of which there are a million, perhaps all on one line: the column is not counted.
    pub fn line(&self, range: Range<usize>) -> Span {
        let (start, end) = (range.start, range.end);
        Span { file: self.file, line: self.lines.line(start), column: 1, start, end }
    }

    /// The place of some bytes.
    pub fn span(&self, range: Range<usize>) -> Span {
        self.lines.span_of_bytes(self.file, &self.bytes, range)
    }
}

/// Where things are put together while one configuration is read.
pub(crate) struct Workshop<'r> {
    pub(crate) files: &'r dyn Files,
    pub(crate) intake: &'r mut Intake,
    pub(crate) diagnostics: &'r mut Diagnostics,
    pub(crate) table: &'r mut FileTable,
    pub(crate) remarks: &'r mut Remarks,
    pub(crate) beyond: &'r mut Beyond,
    pub(crate) written: &'r mut Vec<Written>,
    pub(crate) doors: &'r mut Vec<Door>,
    pub(crate) accepted: &'r mut Accepted,
    pub(crate) options: &'r ForeignOptions,
}

/// One configuration being read.
pub struct Reading<'r> {
    with: Workshop<'r>,
    format: &'static Format,
    named: PathBuf,
    kind: EntryKind,
    /// The folders in which files may lie, in the one spelling.
    reach: Vec<PathBuf>,
    bytes_left: u64,
    /// What unknown words were meant to be: a million lines may begin with the same one.
    meant: BTreeMap<String, Option<&'static str>>,
    /// Whether no more files are opened: there were too many, or they include one another.
    is_full: bool,
    /// The files of which it was said that they include themselves.
    cycles: BTreeSet<PathBuf>,
    /// How many mistakes were said, and words that are no directives.
    mistakes: u64,
    /// How many files were opened since.
    opened_since: usize,
}

/// After how many mistakes a text is read no further.
const HOPELESS: u64 = 100_000;
/// How many files are opened once some include one another.
const OPENED_SINCE: usize = 1_000;
/// For how many unknown words a known one is looked for.
const MEANT_LIMIT: usize = 1_000;

impl<'r> Reading<'r> {
    /// A reading of a file or folder; `folder` is that below which all files must lie, where it is not the file's own.
    pub(crate) fn new(
        with: Workshop<'r>,
        format: &'static Format,
        named: &Path,
        kind: EntryKind,
        folder: Option<&Path>,
    ) -> Reading<'r> {
        let own = with.files.canonical(named).ok().and_then(|path| match kind {
            EntryKind::Folder => Some(path),
            EntryKind::File => path.parent().map(Path::to_owned),
        });
        let allowed = with.options.allowed.iter().filter_map(|folder| with.files.canonical(folder).ok());
        let reach = folder.map(Path::to_owned).or(own).into_iter().chain(allowed).collect();
        Reading {
            with,
            format,
            named: named.to_owned(),
            kind,
            reach,
            bytes_left: TEXT_LIMIT,
            meant: BTreeMap::new(),
            is_full: false,
            cycles: BTreeSet::new(),
            mistakes: 0,
            opened_since: 0,
        }
    }

    /// The format that it is read as: two formats may share a reader.
    pub fn format(&self) -> &'static Format {
        self.format
    }

    /// What the person named, or an include led to.
    pub fn named(&self) -> &Path {
        &self.named
    }

    /// Whether that is a file, or a folder that is a document root.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// Whether it is one `.htaccess`, of which nobody knows what stands in folders above.
    pub(crate) fn is_lone(&self) -> bool {
        self.format.name == "htaccess" && self.kind == EntryKind::File
    }

    /// A place in words, as `site/.htaccess:3`.
    pub(crate) fn place_of(&self, span: &Span) -> String {
        format!("{}:{}", self.with.table.name(span.file), span.line)
    }

    /// Whether what is passed over is an error.
    pub fn is_strict(&self) -> bool {
        self.with.options.strictness == Strictness::Strict
    }

    /// The names that are defined, and their values.
    pub fn defines(&self) -> &'r [(String, String)] {
        &self.with.options.defines
    }

    // Files

    /// Opens a text: the named file, an include, a list. What hinders it is said, at the place that asked for it.
    pub fn open(&mut self, path: &Path, from: Option<&Span>) -> Option<Text> {
        let (file, mut reader) = self.open_stream(path, from)?;
        let path = tidy_path(path);
        let mut bytes = Vec::new();
        if let Err(error) = (&mut reader).take(self.bytes_left + 1).read_to_end(&mut bytes) {
            self.hindered("unreadable", format!("{} cannot be read: {error}", path.display()), from);
            return None;
        }
        drop(reader);
        if bytes.len() as u64 > self.bytes_left {
            let message = format!("the configuration is longer than {} MiB", TEXT_LIMIT / 1024 / 1024);
            self.hindered("too-long", message, from);
            return None;
        }
        if let Some(zero) = memchr::memchr(0, &bytes) {
            let message = format!("{} is no text: it has zero bytes", path.display());
            let help = match bytes.as_slice() {
                [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, b'!'..=b'~', ..] | [b'!'..=b'~', 0, ..] => {
                    "save it as UTF-8: this is UTF-16"
                }
                _ => "name a configuration file, which is text",
            };
            let place = LineIndex::of_bytes(&bytes[..=zero]).span_of_bytes(file, &bytes, zero..zero + 1);
            let diagnostic = Diagnostic::error("not-text", message).at(place).label("the first of them");
            let diagnostic = from.into_iter().fold(diagnostic, |said, from| said.also(from.clone(), "included here"));
            self.say(diagnostic.help(help));
            return None;
        }
        self.bytes_left -= bytes.len() as u64;
        // As rules take about so much more than their text; what they do not need costs nothing.
        self.with.intake.builder.reserve(bytes.len() + bytes.len() / 2);
        let lines = LineIndex::of_bytes(&bytes);
        let text = Text { file, path, bytes, lines };
        match template::recognise(&text.path, &text.bytes) {
            Some(found) => {
                let message = format!("{} is {}", text.path.display(), found.kind);
                let diagnostic = Diagnostic::error("template", message).help(found.help);
                self.say(if found.at.is_empty() { diagnostic } else { diagnostic.at(text.span(found.at)) });
                None
            }
            None => {
                if text.bytes.starts_with(b"\xEF\xBB\xBF") {
                    let message = "the file begins with a byte order mark, which nginx and httpd take for a part of its first word and do not know";
                    let help = "save it as UTF-8 without one; here it is passed over";
                    self.say(Diagnostic::warning("byte-order-mark", message).at(text.span(0..3)).help(help));
                }
                self.accept(&text);
                Some(text)
            }
        }
    }

    /// Takes note of the findings that a text accepts.
    fn accept(&mut self, text: &Text) {
        let style = if self.format.name == "nginx" { Style::Braces } else { Style::Lines };
        for (line, what, help) in self.with.accepted.read(text.file, &text.bytes, style) {
            let start = text.lines.start(line);
            let end = memchr::memchr(b'\n', &text.bytes[start..]).map_or(text.bytes.len(), |end| start + end);
            let span = text.span(start..end);
            self.say_often(&span, Severity::Warning, "bad-allow", || (what, Some(help)));
        }
    }

    /// Opens a long list (a map file) to be read as it comes; its bytes are not counted against [`TEXT_LIMIT`].
    pub fn open_stream(&mut self, path: &Path, from: Option<&Span>) -> Option<(FileId, Box<dyn ReadSeek + 'r>)> {
        let path = tidy_path(path);
        if let Err(why) = self.confined(&path) {
            match why {
                Unreachable::Missing => {
                    let message = format!("{} is not there", path.display());
                    let help = "look at its name: relative ones begin at the first file's folder";
                    self.say(at(Diagnostic::error("no-file", message), from).help(help));
                }
                Unreachable::Outside => {
                    let message = format!("{} is outside of the first file's folder", path.display());
                    let help = "move it below that folder, or allow its folder with `--allow-include DIR`";
                    let diagnostic = Diagnostic::error("include-outside", message).help(help);
                    self.say(at(diagnostic, from));
                }
            }
            return None;
        }
        self.opened_since += usize::from(!self.cycles.is_empty());
        // The error is said; files that include one another would go on in every order that there is.
        self.is_full |= self.opened_since > OPENED_SINCE;
        if self.is_full {
            return None;
        }
        if self.with.table.len() >= FILE_LIMIT {
            self.is_full = true;
            let message = format!("more than {FILE_LIMIT} files are read, those that are included again counted again");
            let help = "put what stands in them into fewer, and see whether some include one another";
            self.say(at(Diagnostic::error("too-many-files", message), from).help(help));
            return None;
        }
        let files = self.with.files;
        match files.open(&path) {
            Ok(reader) => Some((self.add_file(&path), reader)),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                let help = "name a file that holds text, and that this user may read";
                self.say(at(Diagnostic::error("unreadable", message), from).help(help));
                None
            }
        }
    }

    /// Says that a file includes itself, once for each file: files that include one another do so in very many ways.
    pub(crate) fn cycle(&mut self, path: &Path, message: String, from: Option<&Span>) {
        if self.cycles.insert(path.to_owned()) {
            self.say(at(Diagnostic::error("include-cycle", message), from).help("take one of these includes out"));
        }
    }

    /// Opens no more files.
    pub(crate) fn open_no_more(&mut self) {
        self.is_full = true;
    }

    fn add_file(&mut self, path: &Path) -> FileId {
        let file = self.with.table.add_of(path, Some(self.format));
        self.with.intake.builder.file(self.with.table.name(file));
        file
    }

    fn hindered(&mut self, code: &'static str, message: String, from: Option<&Span>) {
        self.say(at(Diagnostic::error(code, message), from));
    }

    /// Whether a file lies where files may lie, links resolved.
    fn confined(&self, path: &Path) -> Result<(), Unreachable> {
        let canonical = self.with.files.canonical(path).map_err(|_| Unreachable::Missing)?;
        match self.reach.iter().any(|folder| canonical.starts_with(folder)) {
            true => Ok(()),
            false => Err(Unreachable::Outside),
        }
    }

    /// Whether something is there, among the files that may be read: a configuration learns nothing of others.
    pub fn is_there(&self, path: &Path) -> bool {
        self.confined(path).is_ok()
    }

    /// The files that an include names, sorted: one, or all that fit a pattern. Files that lie outside are named here, and said
    /// when they are opened. `None` where what hinders it was said.
    pub fn expand(&mut self, folder: &Path, pattern: &str, from: &Span) -> Option<Vec<PathBuf>> {
        if self.is_full {
            return Some(Vec::new());
        }
        let path = tidy_path(&folder.join(pattern));
        if !is_pattern(pattern) {
            return Some(vec![path]);
        }
        // A pattern that leads outside would list folders that are not ours to list.
        let fixed: PathBuf =
            path.components().take_while(|part| !is_pattern(&part.as_os_str().to_string_lossy())).collect();
        if let Err(Unreachable::Outside) = self.confined(&fixed) {
            let message = format!("{} is outside of the first file's folder", path.display());
            let help = "move it below that folder, or allow its folder with `--allow-include DIR`";
            self.say(Diagnostic::error("include-outside", message).at(from.clone()).help(help));
            return None;
        }
        match expand(self.with.files, folder, pattern) {
            Ok(paths) => Some(paths),
            Err(BadPattern::Syntax(error)) => {
                self.hindered("bad-include", format!("`{pattern}` is no pattern: {error}"), Some(from));
                None
            }
            Err(BadPattern::Folder(folder, error)) => {
                self.hindered("bad-include", format!("{} cannot be listed: {error}", folder.display()), Some(from));
                None
            }
        }
    }

    /// What stands in a folder that may be read, sorted.
    pub fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        if self.confined(folder).is_err() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "outside of the first file's folder"));
        }
        let mut entries = self.with.files.list(folder)?;
        entries.sort();
        Ok(entries)
    }

    /// The document root that is asked for the names of files: `--root`, else the one that the configuration names, if that is
    /// a folder here.
    pub fn document_root(&self, configured: Option<&Path>) -> Option<PathBuf> {
        if self.is_for_writing() && self.kind != EntryKind::Folder {
            return None;
        }
        let named = self.with.options.root.as_deref();
        let root = named.or(configured).or((self.kind == EntryKind::Folder).then_some(self.named.as_path()))?;
        (self.with.files.kind(root).ok()? == EntryKind::Folder).then(|| root.to_owned())
    }

    /// Whether rules are read to be written for another server, which has files and ports of its own.
    pub fn is_for_writing(&self) -> bool {
        self.with.options.purpose == Purpose::Writing
    }

    /// Why a rule is left out that asks for files.
    pub(crate) fn of_files(&self) -> &'static str {
        match self.is_for_writing() {
            true => {
                "it depends on files on the disk, which only the server that has them knows: write it there by hand"
            }
            false => "it depends on files on the disk: give their folder with `--root DIR`",
        }
    }

    /// A document root as its server would name it: from the root of the file system.
    pub fn root_name(&self, root: &Path) -> String {
        let whole = match root.has_root() {
            true => root.to_owned(),
            false => self.with.files.canonical(root).unwrap_or_else(|_| root.to_owned()),
        };
        Path::new("/").join(whole).display().to_string()
    }

    /// What is in a document root at a path, if anything: names and kinds only, never contents.
    pub fn kind_of(&self, path: &Path) -> Option<EntryKind> {
        self.with.files.kind(path).ok()
    }

    /// All that is below a document root, as paths below it, sorted; `None` where it cannot be listed or has more than
    /// [`TREE_LIMIT`] entries. Links to folders are not entered.
    pub fn tree(&self, root: &Path) -> Option<Vec<(PathBuf, EntryKind)>> {
        let mut found = Vec::new();
        let mut open = vec![PathBuf::new()];
        while let Some(folder) = open.pop() {
            let here = self.with.files.canonical(&root.join(&folder)).ok()?;
            for entry in self.with.files.list(&root.join(&folder)).ok()? {
                let path = folder.join(&entry.name);
                let is_own =
                    || self.with.files.canonical(&root.join(&path)).is_ok_and(|whole| whole.starts_with(&here));
                if entry.kind == EntryKind::Folder && is_own() {
                    open.push(path.clone());
                }
                found.push((path, entry.kind));
                if found.len() > TREE_LIMIT {
                    return None;
                }
            }
        }
        found.sort();
        Some(found)
    }

    // Rules

    /// Makes a table; [`Reading::root`] makes it one that is tried.
    pub fn table(&mut self, spec: &TableSpec<'_>) -> TableId {
        self.with.intake.builder.table(spec)
    }

    /// Sets what comes after a table.
    pub fn set_after(&mut self, table: TableId, after: After) {
        self.with.intake.builder.set_after(table, after);
    }

    /// Adds a table to those that are tried.
    pub fn root(&mut self, table: TableId) {
        self.with.intake.builder.root(table);
    }

    /// Takes a rule, at the place where it is written. What hinders it (the policy, a limit) is said there.
    pub fn push(&mut self, table: TableId, rule: &Rule<'_>, span: &Span) -> bool {
        let rule = Rule { place: Place { file: span.file, line: span.line }, ..rule.clone() };
        match self.with.intake.push(table, &rule) {
            Ok(()) => true,
            Err(refused) => {
                self.say_often(span, Severity::Error, refused.code, || (refused.what, refused.help));
                false
            }
        }
    }

    // Words

    /// Says something.
    pub fn say(&mut self, diagnostic: Diagnostic) {
        self.with.diagnostics.push(diagnostic);
    }

    /// Says a mistake of the text: a file may hold very many of one kind, and of those with the same words the first are kept.
    pub fn say_mistake(&mut self, diagnostic: Diagnostic) {
        match diagnostic.primary.as_ref().map(|span| span.file) {
            Some(file) => {
                let (code, severity) = (diagnostic.code, diagnostic.severity);
                self.with.diagnostics.push_of_text(file, code, severity, || diagnostic);
            }
            None => self.say(diagnostic),
        }
    }

    /// Says something that a file may give cause for a thousand times: the same message is kept a few times and counted.
    pub fn say_often(
        &mut self,
        span: &Span,
        severity: Severity,
        code: &'static str,
        what: impl FnOnce() -> (String, Option<String>),
    ) {
        if matches!(code, "apache-syntax" | "unknown-directive") {
            self.count_mistake(span);
        }
        self.with.diagnostics.push_of_text(span.file, code, severity, || {
            let (message, help) = what();
            Diagnostic::new(severity, code, message).at(span.clone()).maybe_help(help)
        });
    }

    /// Counts a mistake; at very many of them the text is none of this format, and that is said once.
    fn count_mistake(&mut self, span: &Span) {
        self.mistakes += 1;
        if self.mistakes == HOPELESS {
            let message = format!("there are {} mistakes up to here: this is no configuration", grouped(HOPELESS));
            let help = "name the configuration itself, or its format with `--from`";
            self.say(Diagnostic::error("no-configuration", message).at(span.clone()).help(help));
        }
    }

    /// Whether a text has so many mistakes that reading on would tell nobody anything.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.mistakes >= HOPELESS
    }

    /// The known word that an unknown one is a misspelling of, as `find` finds it.
    pub(crate) fn meant(&mut self, word: &str, find: fn(&str) -> Option<&'static str>) -> Option<&'static str> {
        if let Some(known) = self.meant.get(word) {
            return *known;
        }
        if self.meant.len() >= MEANT_LIMIT {
            return None;
        }
        let found = find(word);
        self.meant.insert(word.to_owned(), found);
        found
    }

    /// Says that a directive is not known and was passed over: a warning, or an error with `--strict`. One that is `meant` to be
    /// another stops the server that it was written for; how bad that is here depends on what was meant.
    pub fn unknown(&mut self, span: &Span, directive: &str, meant: Option<(&str, Severity)>) {
        let is_strict = self.is_strict();
        let severity = meant.map(|(_, severity)| severity).filter(|_| !is_strict);
        let severity = severity.unwrap_or(if is_strict { Severity::Error } else { Severity::Warning });
        let server = if self.format.name == "nginx" { "nginx" } else { "httpd" };
        self.say_often(span, severity, "unknown-directive", || match meant {
            Some((meant, _)) => {
                (format!("`{directive}` is no directive: did you mean `{meant}`?"), Some(format!("write `{meant}`")))
            }
            None => (
                format!("`{directive}` is not known and was passed over"),
                Some(format!("take it out, unless it is of a module that your {server} loads")),
            ),
        });
    }

    /// Says that a rule of the text decides here as it does there.
    pub fn exact(&mut self, span: &Span, rule: &str) {
        self.with.remarks.push(Some(span.clone()), rule, Verdict::Exact);
    }

    /// Says that a rule of the text decides nearly the same here. Reasons are grouped: no detail of the one rule belongs in.
    pub fn approximated(&mut self, span: &Span, rule: &str, why: impl Into<Cow<'static, str>>) {
        let why = why.into();
        self.say_often(span, Severity::Note, "approximated", || (format!("this rule is approximated: {why}"), None));
        self.with.remarks.push(Some(span.clone()), rule, Verdict::Approximated(why));
    }

    /// Says that a rule of the text cannot be said here, and is left out: a warning, or an error with `--strict`.
    pub fn refused(&mut self, span: &Span, rule: &str, why: impl Into<Cow<'static, str>>) {
        let why = why.into();
        let severity = if self.is_strict() { Severity::Error } else { Severity::Warning };
        self.say_often(span, severity, "refused", || {
            (format!("this rule is left out: {why}"), instead(&why).map(str::to_owned))
        });
        self.with.remarks.push(Some(span.clone()), rule, Verdict::Refused(why));
    }

    /// Notes what a statement that sends people on looks like, for lints.
    pub(crate) fn written(&mut self, written: Written) {
        if self.with.written.len() < written::KEPT {
            self.with.written.push(written);
        }
    }

    /// Notes a server, for lints.
    pub(crate) fn door(&mut self, door: Door) {
        if self.with.doors.len() < written::KEPT {
            self.with.doors.push(door);
        }
    }

    /// Notes something that is not a redirect: `serve` counts these and wants `--redirects-only`.
    pub fn beyond(&mut self, span: &Span, what: &str) {
        self.with.beyond.push(span.clone(), what);
    }
}

/// What to do about a rule that is left out; none where the reason says it.
fn instead(why: &str) -> Option<&'static str> {
    match why {
        _ if why.contains("`--") || why.contains("by hand") => None,
        _ if why.contains("a host that is none") => {
            Some("write the host as browsers send it: no `user@`, and letters beyond ASCII as `xn--…`")
        }
        _ if why.starts_with("a connection that is closed") => Some(
            "such requests get 404 from byway: leave them to nginx, or write `return 403;` where they are to be refused",
        ),
        _ if why.starts_with("an answer that is no redirect") => {
            Some("such requests get 404 from byway: leave this answer to the server that gives it")
        }
        _ if why.starts_with("a Location relative to the page") => {
            Some("write a path with a slash in front, as `/foo`, or a whole URL, as `https://example.com/foo`")
        }
        _ if why.starts_with("bytes that are not UTF-8 stand") => {
            Some("save the file as UTF-8, or write `%E9` for such a byte in the target of a `Redirect`")
        }
        _ if why.starts_with("an empty Location") => Some("write where to behind the status, as `return 302 /new;`"),
        _ if why.starts_with("its pattern cannot be read here") => {
            Some("write it without recursion and with fewer repetitions, or leave it to the server itself")
        }
        _ => Some("`byway explain URL -c FILE` shows what its requests get without it"),
    }
}

/// Why a file is not opened.
enum Unreachable {
    Missing,
    Outside,
}

fn at(diagnostic: Diagnostic, from: Option<&Span>) -> Diagnostic {
    match from {
        Some(span) => diagnostic.at(span.clone()),
        None => diagnostic,
    }
}
