//! From the files that a person named to one rule set: formats told apart, includes followed, tables put in order.
//!
//! All text of our own that is reached from one root file is one table; every other file is a table of its own after it, in the
//! order of the includes. Includes stay below the folder of the root file, links resolved. Everything that is wrong anywhere is
//! gathered; rules come out only where there is no error.
// Long because what one load gathers is carried through from its first file to its last in one struct.

mod bytes;
mod visitors;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use byway_core::place::Places;
use byway_core::ruleset::{RuleSet, TableId, TableSpec};
use byway_core::status::StatusByMethod;

use self::bytes::{BINARY, WRONG_LIMIT, binary, read_whole, replaced};
use crate::accepted::Accepted;
use crate::diagnostic::{Diagnostic, Diagnostics, grouped};
use crate::examples::Example;
use crate::files::{BadPattern, EntryKind, Files, expand, is_pattern, tidy_path};
use crate::foreign::{ForeignOptions, Reading, Workshop};
use crate::formats::{self, Doubt, Folders, Format, Reader};
use crate::intake::Intake;
use crate::lints::Targets;
use crate::list::{List, latin_help};
use crate::own::include::{Include, ListOptions};
use crate::own::server::{HstsSetting, ServerSettings};
use crate::own::{self, Standing};
use crate::places::Databases;
use crate::remarks::{Beyond, Remarks};
use crate::span::{FileId, FileTable, LineIndex, Span};
use crate::writing::KeySource;
use crate::written::{Door, Written};

/// Where includes may lead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Below the folder of the root file.
    #[default]
    RootFolder,
    /// Anywhere.
    Anywhere,
}

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The status of list rows that name none.
    pub status: Option<StatusByMethod>,
    /// The format of the named files, where name and content leave doubt.
    pub format: Option<&'static Format>,
    /// Where includes may lead.
    pub reach: Reach,
    /// How configurations of other servers are read.
    pub foreign: ForeignOptions,
    /// Now, in seconds since 1970 UTC, for databases that are too old; `None` does not ask.
    pub now: Option<i64>,
    /// The seed of the rule set's hashes.
    pub seed: u64,
}

/// What came of loading.
#[derive(Debug)]
pub struct Loaded {
    /// The rules; `None` where there was an error.
    pub rules: Option<RuleSet>,
    /// What `[server]` says.
    pub settings: ServerSettings,
    /// Where the rules may lead.
    pub targets: Targets,
    /// How old a temporary redirect may be, in seconds, where `[policy]` says so.
    pub temporary_max_age: Option<i64>,
    /// Who knows where addresses are, where `[geo]` says so.
    pub place_databases: Option<Arc<Databases>>,
    /// The files of `[geo]`.
    pub place_files: Vec<PathBuf>,
    /// Whether a key of a split came from a file: such rules must not be written to one that others read.
    pub has_secrets: bool,
    /// Where the keys of splits come from, where that is not their names.
    pub split_keys: BTreeMap<String, KeySource>,
    /// The sections of root files that are no rules: `server`, `admin`, `policy`, `geo`, `upgrade`.
    pub beside: toml::Table,
    /// What was said of the text, in the order in which it was read.
    pub diagnostics: Vec<Diagnostic>,
    /// How many errors there were, those counted but not kept among them.
    pub errors: u64,
    /// The cases that the rules carry.
    pub examples: Vec<Example>,
    /// The files that were read, by number.
    pub files: FileTable,
    /// What was said of each rule of another server's configuration.
    pub remarks: Remarks,
    /// What those configurations do beside redirecting.
    pub beyond: Beyond,
    /// What their redirects look like where they are written.
    pub(crate) written: Vec<Written>,
    /// The servers of those configurations.
    pub(crate) doors: Vec<Door>,
    /// The findings that their comments accept.
    pub(crate) accepted: Accepted,
    /// Why rules that ask for a place have no way past them, by the file and line of each.
    pub no_way_past: BTreeMap<(FileId, u32), String>,
    /// When it was loaded, where that was said: [`LoadOptions::now`].
    pub now: Option<i64>,
}

impl Loaded {
    /// Who knows where addresses are.
    pub fn places(&self) -> Option<&dyn Places> {
        self.place_databases.as_deref().map(|places| places as &dyn Places)
    }

    /// The ports on which the servers of other servers' configurations listen, each once.
    ///
    /// ```
    /// use byway_config::files::MemoryFiles;
    /// use byway_config::load::{LoadOptions, load};
    /// let text = "server { listen 443 ssl; return 404; } server { listen 80; return 307 https://$host$request_uri; }";
    /// let files = MemoryFiles::new([("nginx.conf", text)]);
    /// let loaded = load(&files, &["nginx.conf".as_ref()], &LoadOptions::default());
    /// assert_eq!(loaded.ports(), [80, 443]);
    /// ```
    pub fn ports(&self) -> Vec<u16> {
        let ports: BTreeSet<u16> = self.doors.iter().flat_map(|door| &door.ports).map(|(_, port)| *port).collect();
        ports.into_iter().collect()
    }
}

/// Loads rule files.
///
/// ```
/// use byway_config::files::MemoryFiles;
/// use byway_config::load::{LoadOptions, load};
/// let files = MemoryFiles::new([("byway.toml", "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\n")]);
/// let loaded = load(&files, &["byway.toml".as_ref()], &LoadOptions::default());
/// assert_eq!(loaded.rules.unwrap().len(), 1);
/// ```
pub fn load(files: &dyn Files, roots: &[&Path], options: &LoadOptions) -> Loaded {
    let mut loader = Loader::new(files, options);
    // A policy holds for every file, whatever its place on the command line.
    for root in roots {
        loader.read_policy(&tidy_path(root));
    }
    for root in roots {
        loader.root(&tidy_path(root), roots.len());
    }
    loader.finish()
}

struct Loader<'l> {
    files: &'l dyn Files,
    options: &'l LoadOptions,
    intake: Intake,
    diagnostics: Diagnostics,
    table: FileTable,
    /// The own files that are being read, outermost first.
    stack: Vec<(PathBuf, FileId)>,
    /// The files that were read under the present root.
    done: Vec<PathBuf>,
    server: Option<(ServerSettings, Span)>,
    places: Option<Arc<Databases>>,
    place_files: Vec<PathBuf>,
    split_keys: BTreeMap<String, KeySource>,
    beside: toml::Table,
    has_secrets: bool,
    hsts: Option<HstsSetting>,
    /// Whether the root file that comes has an `[upgrade]`.
    upgrades: bool,
    /// Whether another server's configuration was read.
    foreign_seen: bool,
    compiled: Option<RuleSet>,
    remarks: Remarks,
    beyond: Beyond,
    written: Vec<Written>,
    doors: Vec<Door>,
    accepted: Accepted,
}

/// What an included file is read under.
struct Under {
    /// The folder of the root file, in the one spelling.
    folder: PathBuf,
    /// The table of our own text.
    own: TableId,
}

type Opened<'l> = (&'static Format, Content<'l>);

/// A file being read, with its length where the reader knows it.
struct Content<'l> {
    reader: Box<dyn Read + 'l>,
    len: u64,
}

impl Read for Content<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.read(into)
    }
}

/// How many files of a folder are looked into, and how many are named, where it is no document root.
const LOOKED_INTO: usize = 50;
const NAMED: usize = 3;

/// How a format is named where a file was named.
fn said_so(name: &str, from: Option<&Span>) -> String {
    match from {
        Some(_) => format!("`format = \"{name}\"`"),
        None => format!("`--from {name}`"),
    }
}

/// Why a file is not read.
fn unopened(path: &Path, error: &io::Error, from: Option<&Span>) -> Diagnostic {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            let diagnostic = Diagnostic::error("no-file", format!("{path} is not there"));
            match from {
                Some(_) => diagnostic.help("paths begin at the folder of the file that includes"),
                None => diagnostic.help("paths begin at the folder that the command is started in: look at the name"),
            }
        }
        io::ErrorKind::InvalidData => Diagnostic::error("not-text", format!("{path} is {error}"))
            .help("name a file of rules: text in UTF-8, or what `byway compile` wrote"),
        kind => {
            let help = match kind {
                io::ErrorKind::PermissionDenied => "let the user who starts byway read it",
                _ => "see that it is a file and can be read, as with `cat`",
            };
            Diagnostic::error("unreadable", format!("{path} cannot be read: {error}")).help(help)
        }
    }
}

impl<'l> Loader<'l> {
    fn new(files: &'l dyn Files, options: &'l LoadOptions) -> Loader<'l> {
        Loader {
            files,
            options,
            intake: Intake::new(options.seed),
            diagnostics: Diagnostics::default(),
            table: FileTable::default(),
            stack: Vec::new(),
            done: Vec::new(),
            server: None,
            places: None,
            place_files: Vec::new(),
            has_secrets: false,
            split_keys: BTreeMap::new(),
            beside: toml::Table::new(),
            hsts: None,
            upgrades: false,
            foreign_seen: false,
            compiled: None,
            remarks: Remarks::default(),
            beyond: Beyond::default(),
            written: Vec::new(),
            doors: Vec::new(),
            accepted: Accepted::default(),
        }
    }

    /// Takes the policy of a root file before any rule is read; what is wrong with it is said when the file itself is read.
    fn read_policy(&mut self, path: &Path) {
        let Ok((Ok(format), mut reader)) = self.open(path, self.options.format) else { return };
        if !matches!(format.reader, Reader::Own) {
            return;
        }
        let mut bytes = Vec::new();
        if reader.read_to_end(&mut bytes).is_ok() {
            let known = own::foreknown(&String::from_utf8_lossy(&bytes));
            self.intake.policy = known.policy;
            self.upgrades = known.upgrades;
        }
    }

    fn root(&mut self, path: &Path, count: usize) {
        self.done.clear();
        if matches!(self.files.kind(path), Ok(EntryKind::Folder)) {
            return self.folder(path);
        }
        let Some((format, mut reader)) = self.open_or_say(path, self.options.format, None) else { return };
        match format.reader {
            Reader::Own => {
                if std::mem::take(&mut self.upgrades) {
                    let table = self.intake.builder.table(&TableSpec::OWN);
                    self.intake.builder.root(table);
                    self.intake.upgrade_table = Some(table);
                }
                let own = self.intake.builder.table(&TableSpec::OWN);
                self.intake.builder.root(own);
                let folder = self
                    .files
                    .canonical(path)
                    .ok()
                    .and_then(|path| path.parent().map(Path::to_owned))
                    .unwrap_or_default();
                self.own_file(path, &mut reader, Standing::Root, &Under { folder, own });
            }
            Reader::Compiled if count == 1 => self.open_compiled(path, &mut reader),
            Reader::Compiled => {
                let message = format!("{} is compiled and holds a whole rule set", path.display());
                let help = "name it alone, or compile the others with it";
                self.diagnostics.push(Diagnostic::error("compiled-alone", message).help(help));
            }
            Reader::List(..) => {
                let how = ListOptions { status: self.options.status, ..ListOptions::default() };
                self.list(path, format, &mut reader, &how);
            }
            Reader::Foreign(read) => self.foreign(path, format, read, EntryKind::File, None),
        }
    }

    /// A folder that was named: a document root, for formats whose files lie in one.
    fn folder(&mut self, path: &Path) {
        let format = self.options.format.or_else(formats::of_folder);
        match format.map(|format| (format, format.reader, format.folders)) {
            Some((format, Reader::Foreign(read), Folders::DocumentRoot)) => {
                let before = self.table.iter().count();
                self.foreign(path, format, read, EntryKind::Folder, None);
                if self.table.iter().count() == before {
                    let message = format!(
                        "there is no `.htaccess` in {} or in a folder of it: no rules are there",
                        path.display()
                    );
                    let help = self.instead_of_folder(path).unwrap_or_else(|| {
                        "name the document root of a site that has one, or the rule files themselves".to_owned()
                    });
                    self.diagnostics.push(Diagnostic::warning("no-htaccess", message).help(help));
                }
            }
            _ => {
                let message = format!("{} cannot be read: it is a folder", path.display());
                self.diagnostics.push(Diagnostic::error("unreadable", message).help("name the files in it"));
            }
        }
    }

    /// What to name instead of a folder that is no document root: the files of rules in it.
    fn instead_of_folder(&self, folder: &Path) -> Option<String> {
        let mut entries = self.files.list(folder).ok()?;
        entries.sort();
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File).map(|entry| folder.join(&entry.name));
        let files: Vec<PathBuf> = files.filter(|path| formats::may_hold_rules(path)).take(LOOKED_INTO).collect();
        let found = |path: &PathBuf| {
            let (format, _, head) = self.open_with_head(path, None).ok()?;
            let format = match format {
                Err(Doubt::Several(formats)) => formats::apache_of(&formats),
                format => format.ok(),
            };
            let format = format.filter(|format| formats::holds_rules(format, path, &head))?;
            Some((path.display().to_string(), format))
        };
        let found: Vec<(String, &Format)> = files.iter().filter_map(found).take(NAMED).collect();
        if let Some((first, _)) = found.first() {
            let all = found.iter().map(|(name, format)| format!("`{name}` ({})", format.name)).collect::<Vec<_>>();
            let all = all.join(" and ");
            return Some(format!(
                "{all} is there: name the file and not its folder, as `byway serve {first}` or `byway check {first}`"
            ));
        }
        let (path, program) = files.iter().find_map(|path| Some((path, formats::elsewhere::program(path)?)))?;
        Some(format!("{} is a file of {program}, whose redirects are not read here", path.display()))
    }

    /// Reads another server's configuration; `folder` is that of the root file, where it was included.
    fn foreign(
        &mut self,
        path: &Path,
        format: &'static Format,
        read: fn(&mut Reading<'_>),
        kind: EntryKind,
        folder: Option<&Path>,
    ) {
        self.foreign_seen = true;
        let with = Workshop {
            files: self.files,
            intake: &mut self.intake,
            diagnostics: &mut self.diagnostics,
            table: &mut self.table,
            remarks: &mut self.remarks,
            beyond: &mut self.beyond,
            written: &mut self.written,
            doors: &mut self.doors,
            accepted: &mut self.accepted,
            options: &self.options.foreign,
        };
        read(&mut Reading::new(with, format, path, kind, folder));
    }

    /// Opens a file and recognises its format.
    fn open(
        &self,
        path: &Path,
        format: Option<&'static Format>,
    ) -> io::Result<(Result<&'static Format, Doubt>, Content<'l>)> {
        let (format, content, _) = self.open_with_head(path, format)?;
        Ok((format, content))
    }

    /// The same, with the first bytes, by which it was recognised.
    #[allow(clippy::type_complexity, reason = "what came of looking, and what was looked at")]
    fn open_with_head(
        &self,
        path: &Path,
        format: Option<&'static Format>,
    ) -> io::Result<(Result<&'static Format, Doubt>, Content<'l>, Vec<u8>)> {
        let mut reader = self.files.open(path)?;
        // A pipe has no length; it is read all the same.
        let len = reader.seek(SeekFrom::End(0)).and_then(|len| reader.rewind().map(|()| len)).unwrap_or(0);
        let mut head = Vec::new();
        (&mut reader).take(formats::HEAD as u64).read_to_end(&mut head)?;
        let is_compiled = format.is_some_and(|format| matches!(format.reader, Reader::Compiled));
        if let Some(what) = binary(&head).filter(|_| !is_compiled) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let format = format.map_or_else(|| formats::recognise(path, &head), Ok);
        let content = Content { reader: Box::new(io::Cursor::new(head.clone()).chain(reader)), len };
        Ok((format, content, head))
    }

    fn open_or_say(&mut self, path: &Path, format: Option<&'static Format>, from: Option<&Span>) -> Option<Opened<'l>> {
        let diagnostic = match self.open_with_head(path, format) {
            Ok((Ok(found), reader, head)) => {
                let other = format.and_then(|said| formats::reads_like(said, &head));
                other.into_iter().for_each(|other| self.reads_like_another(path, [found, other], &head, from));
                return Some((found, reader));
            }
            // A part of a server's configuration is what such a name is for.
            Ok((Err(Doubt::Several(formats)), reader, _)) if let Some(format) = formats::apache_of(&formats) => {
                let message = format!(
                    "{} could be a part of Apache's configuration or a `.htaccess`: it is read as the first",
                    path.display()
                );
                let help = match from {
                    Some(_) => "say `format = \"htaccess\"` if it is a `.htaccess` under another name",
                    None => {
                        "say `--from htaccess` if it is a `.htaccess` under another name, whose patterns see no slash in front"
                    }
                };
                let diagnostic = Diagnostic::warning("read-as-apache", message).help(help);
                self.diagnostics.push(match from {
                    Some(span) => diagnostic.at(span.clone()),
                    None => diagnostic,
                });
                return Some((format, reader));
            }
            Ok((Err(doubt), _, head)) => {
                let (message, help) = doubt.message(path, |name| said_so(name, from));
                let diagnostic = Diagnostic::error("unknown-format", message).help(help);
                match doubt {
                    Doubt::Mismatch { content, .. } => self.with_line(diagnostic, path, content, &head, from),
                    _ => diagnostic,
                }
            }
            Err(error) => unopened(path, &error, from),
        };
        self.diagnostics.push(match from {
            Some(span) => diagnostic.at(span.clone()),
            None => diagnostic,
        });
        None
    }

    /// Says of a file that it was said to be what it does not read like.
    fn reads_like_another(
        &mut self,
        path: &Path,
        [said, other]: [&'static Format; 2],
        head: &[u8],
        from: Option<&Span>,
    ) {
        let (key, better) = (said_so(said.name, from), said_so(other.name, from));
        let message = format!("{} is read as {key} says, and reads like a file of `{}`", path.display(), other.name);
        let diagnostic = Diagnostic::warning("reads-like-another", message).help(format!("say {better}"));
        let diagnostic = self.with_line(diagnostic, path, other, head, from);
        self.diagnostics.push(diagnostic);
    }

    /// Shows the line by which a file is told to be of a format.
    fn with_line(
        &mut self,
        diagnostic: Diagnostic,
        path: &Path,
        content: &'static Format,
        head: &[u8],
        from: Option<&Span>,
    ) -> Diagnostic {
        let Some(line) = formats::telling_line(content, head) else { return diagnostic };
        let file = self.add_file(path, content);
        let span = LineIndex::of_bytes(head).span_of_bytes(file, head, line);
        let text = format!("this is a line of `{}`", content.name);
        match from {
            Some(from) => diagnostic.at(from.clone()).also(span, text),
            None => diagnostic.at(span).label(text),
        }
    }

    fn add_file(&mut self, path: &Path, format: &'static Format) -> FileId {
        let file = self.table.add_of(path, Some(format));
        self.intake.builder.file(self.table.name(file));
        file
    }

    fn own_file(&mut self, path: &Path, reader: &mut dyn Read, standing: Standing, under: &Under) {
        let file = self.add_file(path, formats::OWN);
        let Some(text) = self.read_text(path, file, reader) else { return };
        self.intake.folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let said = own::read(&text, file, standing, under.own, &mut self.intake, &mut self.diagnostics);
        self.hsts = said.hsts.or(self.hsts.take());
        self.beside.extend(said.beside);
        if let Some((mut settings, span)) = said.server {
            let folder = path.parent().unwrap_or(Path::new(""));
            for pair in &mut settings.tls {
                pair.cert = folder.join(&pair.cert).to_string_lossy().into_owned();
                pair.key = folder.join(&pair.key).to_string_lossy().into_owned();
            }
            self.take_server(settings, span);
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        if let Some(geo) = said.geo {
            self.take_geo(&geo, &folder);
        }
        for draft in said.splits {
            self.take_split(draft, &folder);
        }
        let canonical = self.files.canonical(path).unwrap_or_else(|_| path.to_owned());
        self.done.push(canonical.clone());
        self.stack.push((canonical, file));
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        for include in &said.includes {
            self.include(include, &folder, under);
        }
        self.stack.pop();
    }

    /// The last rules of an `[upgrade]`. Which hosts another server's configuration is for is its own affair, so that none is
    /// refused where there is one.
    fn finish_upgrade(&mut self) {
        let Some(upgrading) = self.intake.upgrading.take().filter(|_| !self.foreign_seen) else { return };
        if let Err(what) = upgrading.finish(&mut self.intake) {
            self.diagnostics.push(Diagnostic::error("bad-rule", what));
        }
    }

    fn take_server(&mut self, settings: ServerSettings, span: Span) {
        if let Some((_, first)) = &self.server {
            let diagnostic = Diagnostic::error("server-twice", "`[server]` stands in two files")
                .at(span)
                .also(first.clone(), "it is here already");
            return self.diagnostics.push(diagnostic.help("keep one of the two"));
        }
        self.server = Some((settings, span));
    }

    /// The text of a file, with every byte that is not UTF-8 named and replaced, so that the rest can be read.
    fn read_text(&mut self, path: &Path, file: FileId, reader: &mut dyn Read) -> Option<String> {
        let mut bytes = Vec::new();
        if let Err(error) = reader.read_to_end(&mut bytes) {
            let message = format!("{} cannot be read: {error}", path.display());
            self.diagnostics.push(Diagnostic::error("unreadable", message));
            return None;
        }
        if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
            let message = format!("{} is UTF-16", path.display());
            self.diagnostics.push(Diagnostic::error("not-utf8", message).help("save the file as UTF-8"));
            return None;
        }
        if bytes.contains(&0) {
            let message = format!("{} is {BINARY}", path.display());
            let help = "name a file of rules: text in UTF-8";
            self.diagnostics.push(Diagnostic::error("not-text", message).help(help));
            return None;
        }
        let wrong = replaced(&mut bytes);
        let text = String::from_utf8(bytes).ok()?;
        let lines = LineIndex::new(&text);
        if wrong.len() > WRONG_LIMIT {
            let message =
                format!("reading stopped: {} bytes of {} are not UTF-8", grouped(wrong.len() as u64), path.display());
            let help = "save the file as UTF-8, or look whether it is text at all";
            self.diagnostics.push(Diagnostic::error("not-read", message).help(help));
        }
        let is_text = wrong.len() <= WRONG_LIMIT;
        for (at, byte) in wrong.into_iter().take(WRONG_LIMIT) {
            let span = lines.span(file, &text, at..at + 1);
            self.diagnostics.push_of_list(file, "not-utf8", crate::diagnostic::Severity::Error, || {
                Diagnostic::error("not-utf8", format!("byte 0x{byte:02X} is not UTF-8")).at(span).help(latin_help(byte))
            });
        }
        is_text.then_some(text)
    }

    fn include(&mut self, include: &Include, folder: &Path, under: &Under) {
        if !is_pattern(&include.file) {
            return self.include_one(&tidy_path(&folder.join(&include.file)), include, under);
        }
        let message = match expand(self.files, folder, &include.file) {
            Ok(paths) if !paths.is_empty() => {
                // A pattern may well find the file that it stands in.
                let itself = self.stack.last().map(|(path, _)| path.clone());
                for path in paths {
                    if self.files.canonical(&path).ok() != itself {
                        self.include_one(&tidy_path(&path), include, under);
                    }
                }
                return;
            }
            Ok(_) => {
                let diagnostic = Diagnostic::warning("no-match", format!("no file fits `{}`", include.file))
                    .at(include.span.clone());
                return self
                    .diagnostics
                    .push(diagnostic.help("patterns begin at the folder of the file that includes"));
            }
            Err(BadPattern::Syntax(error)) => format!("`{}` is no pattern: {error}", include.file),
            Err(BadPattern::Folder(folder, error)) => format!("{} cannot be listed: {error}", folder.display()),
        };
        self.diagnostics.push(Diagnostic::error("bad-include", message).at(include.span.clone()));
    }

    fn include_one(&mut self, path: &Path, include: &Include, under: &Under) {
        let canonical = self.files.canonical(path).ok();
        if let Some(canonical) = &canonical {
            if self.options.reach == Reach::RootFolder && !canonical.starts_with(&under.folder) {
                let message = format!("{} is outside of the root file's folder", path.display());
                let help = "move it below that folder, or allow it with `--allow-outside`";
                return self
                    .diagnostics
                    .push(Diagnostic::error("include-outside", message).at(include.span.clone()).help(help));
            }
            if self.is_known(canonical, path, include) {
                return;
            }
        }
        let Some((format, mut reader)) = self.open_or_say(path, include.how.format, Some(&include.span)) else {
            return;
        };
        match format.reader {
            Reader::Own => self.own_file(path, &mut reader, Standing::Included, under),
            Reader::Compiled => {
                let message = format!("{} is compiled and holds a whole rule set", path.display());
                let help = "include the text that it was compiled from";
                self.diagnostics.push(Diagnostic::error("compiled-alone", message).at(include.span.clone()).help(help));
            }
            Reader::Foreign(read) => {
                self.done.extend(canonical);
                let folder = (self.options.reach == Reach::RootFolder).then_some(under.folder.as_path());
                self.foreign(path, format, read, EntryKind::File, folder);
            }
            Reader::List(..) => {
                self.done.extend(canonical);
                let how = ListOptions { status: include.how.status.or(self.options.status), ..include.how.clone() };
                self.list(path, format, &mut reader, &how);
            }
        }
    }

    /// Whether a file is being read, or was; both are said.
    fn is_known(&mut self, canonical: &Path, path: &Path, include: &Include) -> bool {
        if let Some(place) = self.stack.iter().position(|(open, _)| open == canonical) {
            let ring: Vec<&str> = self.stack[place..].iter().map(|(_, file)| self.table.name(*file)).collect();
            let message = format!("{} includes itself: {} → {}", path.display(), ring.join(" → "), path.display());
            let diagnostic = Diagnostic::error("include-cycle", message)
                .at(include.span.clone())
                .help("take one of these includes out");
            self.diagnostics.push(diagnostic);
            return true;
        }
        let is_done = self.done.iter().any(|done| done == canonical);
        if is_done {
            let message = format!("{} is included twice and read once", path.display());
            self.diagnostics.push(
                Diagnostic::warning("included-twice", message).at(include.span.clone()).help("take one of the two out"),
            );
        }
        is_done
    }

    /// Reads a list into a table of its own.
    fn list(&mut self, path: &Path, format: &'static Format, reader: &mut Content<'_>, how: &ListOptions) {
        // A row takes its text and some twenty bytes; what is not written costs nothing.
        self.intake.builder.reserve(usize::try_from(reader.len + reader.len / 2).unwrap_or(0));
        let Reader::List(order, read) = format.reader else { return };
        let file = self.add_file(path, format);
        let table = self.intake.builder.table(&TableSpec { order, ..TableSpec::OWN });
        self.intake.builder.root(table);
        let name = self.table.name(file).to_owned();
        let mut list =
            List { file, name: &name, table, how, intake: &mut self.intake, diagnostics: &mut self.diagnostics };
        if let Err(error) = read(reader, &mut list) {
            let message = format!("{name} cannot be read to its end: {error}");
            self.diagnostics.push(Diagnostic::error("unreadable", message));
        }
    }

    fn open_compiled(&mut self, path: &Path, reader: &mut Content<'_>) {
        let message = match read_whole(reader) {
            Err(error) => format!("{} cannot be read: {error}", path.display()),
            Ok(memory) => match RuleSet::open(memory) {
                Ok(rules) => {
                    for name in rules.files() {
                        self.table.add(Path::new(name));
                    }
                    self.compiled = Some(rules);
                    return;
                }
                Err(error) => format!("{} is no rule set: {error}", path.display()),
            },
        };
        self.diagnostics.push(Diagnostic::error("bad-compiled", message).help("compile the rules again"));
    }

    fn finish(mut self) -> Loaded {
        self.finish_upgrade();
        self.intake.names.finish(&mut self.diagnostics);
        self.settle_visitors();
        let errors = self.diagnostics.errors();
        let targets = self.intake.policy.target_hosts.clone();
        let rules = match (errors, self.compiled) {
            (0, Some(compiled)) => Some(compiled),
            (0, None) => Some(self.intake.builder.finish()),
            _ => None,
        };
        let table = self.table;
        self.written.sort_by_key(|written| (written.span.file, written.span.start));
        let targets = match targets {
            Some(hosts) if !hosts.iter().any(|host| host == "*") => Targets::Listed,
            _ => Targets::Anywhere,
        };
        Loaded {
            targets,
            temporary_max_age: self.intake.policy.temporary_max_age,
            rules,
            place_databases: self.places,
            place_files: self.place_files,
            has_secrets: self.has_secrets,
            split_keys: self.split_keys,
            beside: self.beside,
            settings: ServerSettings {
                hsts: self.hsts,
                downgrade_308: self.intake.policy.downgrade_308,
                ..self.server.map(|(settings, _)| settings).unwrap_or_default()
            },
            diagnostics: self.diagnostics.finish(|file| table.name(file)),
            errors,
            examples: self.intake.examples,
            no_way_past: self.intake.no_way_past,
            files: table,
            remarks: self.remarks,
            beyond: self.beyond,
            written: self.written,
            doors: self.doors,
            accepted: self.accepted,
            now: self.options.now,
        }
    }
}
