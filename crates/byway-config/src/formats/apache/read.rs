//! From the lines of files to a [`Site`]: sections opened and closed, names defined, files included, directives put in their
//! place. What httpd would refuse is said in its words; a `.htaccess` in a tree with such a mistake answers 500, as it does there.
// Long because each directive is one arm of one table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use byway_core::dialect::EncodedSlash;

use super::alias::{self, Kind};
use super::lines::{Line, Lines, Word, words};
use super::maps::{self, Internal, Map};
use super::names::{self, Known};
use super::rule::{self, Wrong, wrong};
use super::site::{Around, ErrorUrl, Inherits, Place, Scope, Section, Server, SetEnv, Site};
use crate::diagnostic::{Diagnostic, Severity};
use crate::files::EntryKind;
use crate::foreign::{Reading, Text};
use crate::pcre;
use crate::span::Span;

/// How deep sections go; real files nest three or four.
const DEPTH: usize = 64;
/// How deep files include files; httpd's own limit is 128.
const INCLUDES: usize = 32;

/// What is open around a line.
#[derive(Clone, Debug)]
enum Frame {
    /// It changes nothing.
    Through,
    /// What stands in it is not read.
    Skipped,
    /// What redirects in it is refused, for this reason.
    Refused(&'static str),
    Server(usize),
    Folder(usize),
    Section(usize),
}

struct Open {
    name: String,
    frame: Frame,
    span: Span,
    /// What the last `<If>` in here asked.
    asked: Option<Vec<(String, bool)>>,
}

impl Open {
    fn new(name: String, frame: Frame, span: Span) -> Open {
        Open { name, frame, span, asked: None }
    }
}

struct Reader<'a, 'r> {
    reading: &'a mut Reading<'r>,
    site: Site,
    open: Vec<Open>,
    /// Sections that are open beyond [`DEPTH`].
    deeper: usize,
    /// What the last `<If>` outside of sections asked.
    asked: Option<Vec<(String, bool)>>,
    defines: BTreeMap<String, String>,
    /// The folder whose `.htaccess` is read.
    folder: Option<String>,
    /// Whether it is one of a tree.
    in_tree: bool,
    depth: usize,
    /// Whether the line that is read stands in its file just so.
    is_plain: bool,
    /// Where relative includes begin.
    base: PathBuf,
}

/// A configuration of a server.
pub(super) fn configuration(reading: &mut Reading<'_>, path: &Path) -> Option<Site> {
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut reader = Reader::new(reading, base, None);
    reader.file(path, None)?;
    reader.close_all();
    reader.open.clear();
    for at in 0..reader.site.servers.len() {
        reader.tree_of(at);
    }
    Some(reader.site)
}

/// One file of a folder, by itself: the folder is the document root.
pub(super) fn htaccess(reading: &mut Reading<'_>, path: &Path) -> Option<Site> {
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let root = reading.document_root(None);
    let mut reader = Reader::new(reading, base, Some("/".to_owned()));
    reader.site.servers[0].root = root.map(|root| reader.reading.root_name(&root));
    reader.site.servers[0].known.push("/".to_owned());
    reader.file(path, None)?;
    reader.close_all();
    if let Some(tree) = reader.reading.document_root(None).and_then(|root| reader.reading.tree(&root)) {
        reader.note_tree(0, &tree);
    }
    Some(reader.site)
}

/// A document root with its tree.
pub(super) fn folder(reading: &mut Reading<'_>, path: &Path) -> Option<Site> {
    let root = reading.document_root(None)?;
    let tree = reading.tree(&root);
    let mut reader = Reader::new(reading, path.to_owned(), None);
    reader.in_tree = true;
    reader.site.servers[0].root = Some(reader.reading.root_name(&root));
    reader.site.servers[0].known.push("/".to_owned());
    let Some(tree) = tree else {
        let message = format!("{} cannot be listed, or has more than a million entries", root.display());
        reader.reading.say(Diagnostic::error("unreadable", message));
        return None;
    };
    if super::is_folder_file(Path::new(super::FOLDER_FILE)) && reader.reading.is_there(&root.join(super::FOLDER_FILE)) {
        reader.one_of_tree(&root, Path::new(""));
    }
    for (below, kind) in &tree {
        if *kind == EntryKind::File && super::is_folder_file(below) && below.parent() != Some(Path::new("")) {
            reader.one_of_tree(&root, below.parent().unwrap_or(Path::new("")));
        }
    }
    reader.note_tree(0, &tree);
    Some(reader.site)
}

impl<'a, 'r> Reader<'a, 'r> {
    fn new(reading: &'a mut Reading<'r>, base: PathBuf, folder: Option<String>) -> Reader<'a, 'r> {
        let defines = reading.defines().iter().cloned().collect();
        let site = Site { servers: vec![Server::default()] };
        let asked = None;
        let mut reader = Reader {
            reading,
            site,
            open: Vec::new(),
            deeper: 0,
            asked,
            defines,
            folder,
            in_tree: false,
            depth: 0,
            is_plain: false,
            base,
        };
        reader.begin_folder();
        reader
    }

    /// A `.htaccess` says what it says beside what a `<Directory>` says of the same folder.
    fn begin_folder(&mut self) {
        if let Some(folder) = self.folder.clone() {
            self.server().folders.entry(folder).or_default();
        }
    }

    /// Keeps what is there below a document root.
    fn note_tree(&mut self, at: usize, tree: &[(PathBuf, EntryKind)]) {
        let server = &mut self.site.servers[at];
        let mut files = Vec::new();
        for (below, kind) in tree {
            match kind {
                EntryKind::Folder => server.known.push(format!("/{}/", below.display())),
                EntryKind::File => files.push(format!("/{}", below.display())),
            }
        }
        server.files = Some(files);
    }

    /// The `.htaccess` files below the document root of a server, where it lets them redirect.
    fn tree_of(&mut self, at: usize) {
        let server = &self.site.servers[at];
        let root = server.root.clone().or_else(|| self.site.servers[0].root.clone());
        let Some(root) = self.reading.document_root(root.as_deref().map(Path::new)) else { return };
        // Names are listed where the person said so, or where files may be read; texts are read there alone.
        let may_read = self.reading.is_there(&root);
        if !may_read && self.reading.document_root(None).is_none() {
            return;
        }
        let Some(tree) = self.reading.tree(&root) else { return };
        self.site.servers[at].known.push("/".to_owned());
        self.note_tree(at, &tree);
        let reads = if may_read { self.reads(at) } else { Vec::new() };
        self.in_tree = true;
        self.open.push(Open::new(String::new(), Frame::Server(at), no_span()));
        for (below, _) in tree.iter().filter(|(below, kind)| *kind == EntryKind::File && super::is_folder_file(below)) {
            let folder = below.parent().unwrap_or(Path::new("")).to_owned();
            let url = url_of(&folder);
            // The nearest section that says anything of it says whether the file is read; where none does, it is not.
            let nearest =
                reads.iter().filter(|(path, _)| url.starts_with(path.as_str())).max_by_key(|(path, _)| path.len());
            if !nearest.is_some_and(|(_, is_read)| *is_read) {
                continue;
            }
            self.folder = Some(url);
            self.begin_folder();
            self.file(&root.join(&folder).join(super::FOLDER_FILE), None);
            self.open.truncate(1);
        }
        self.open.clear();
        self.folder = None;
        self.in_tree = false;
    }

    /// What is said of the `.htaccess` files in folders (`AllowOverride`), by their paths in the URL.
    fn reads(&self, at: usize) -> Vec<(String, bool)> {
        let (main, server) = (&self.site.servers[0], &self.site.servers[at]);
        let main = (at > 0).then_some(main);
        let root = server.root.as_deref().or(main.and_then(|main| main.root.as_deref()));
        let said = |layers: &[&Scope]| layers.iter().rev().find_map(|scope| scope.allows_files);
        let mut out: Vec<(String, bool)> =
            server.layers(main).into_iter().filter_map(|(path, layers)| Some((path, said(&layers)?))).collect();
        let sections = main.iter().flat_map(|main| &main.sections).chain(&server.sections);
        for section in sections {
            let Some(allows) = section.scope.allows_files else { continue };
            let root = root.unwrap_or_default().trim_end_matches('/');
            for folder in &server.known {
                if let Some(Place::Folders(text) | Place::Disk(text)) = section.places.last()
                    && super::pattern::pattern(text, byway_core::dialect::LetterCase::Significant)
                        .finds(format!("{root}{folder}").as_bytes())
                        .unwrap_or(false)
                {
                    out.push((folder.clone(), allows));
                }
            }
        }
        out
    }

    fn one_of_tree(&mut self, root: &Path, below: &Path) {
        self.folder = Some(url_of(below));
        self.begin_folder();
        self.file(&root.join(below).join(super::FOLDER_FILE), None);
        self.close_all();
        self.open.clear();
    }

    fn file(&mut self, path: &Path, from: Option<&Span>) -> Option<()> {
        let text = self.reading.open(path, from)?;
        self.depth += 1;
        let lines: Lines<'_> = Lines::new(&text.bytes);
        for line in lines {
            self.line(&line, &text);
        }
        self.depth -= 1;
        Some(())
    }

    /// Says what httpd would say of sections that are still open.
    fn close_all(&mut self) {
        while let Some(open) = self.open.pop() {
            if !matches!(open.name.as_str(), "ifmodule" | "ifdefine" | "ifversion") {
                let what = format!("<{}> was not closed.", spelt(&open.name));
                self.mistake(&open.span, what, Some(format!("write `</{}>` where it ends", spelt(&open.name))));
            }
        }
    }

    fn mistake(&mut self, span: &Span, what: String, help: Option<String>) {
        let severity = if self.in_tree { Severity::Warning } else { Severity::Error };
        self.reading.say_often(span, severity, "apache-syntax", || (what, help));
        if let Some(folder) = self.folder.clone().filter(|_| self.in_tree) {
            let span = span.clone();
            self.server().folders.entry(folder).or_default().broken.get_or_insert(span);
        }
    }

    fn line(&mut self, line: &Line<'_>, text: &Text) {
        let span = text.span(line.whole());
        if line.is_odd {
            let what = "a line with bytes that are not UTF-8: they are taken for Latin-1".to_owned();
            self.reading.say_often(&span, Severity::Warning, "not-utf8", || (what, None));
        }
        if line.is_cut {
            let help = "see whether this is a configuration, or end its lines".to_owned();
            return self.mistake(&span, "a line of more than 1 MiB".to_owned(), Some(help));
        }
        let end = line.text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(line.text.len());
        let first = &line.text[..end];
        if let Some(name) = first.strip_prefix("</") {
            return self.close(name.trim_end_matches('>'), &span);
        }
        let skipped = self.open.iter().any(|open| matches!(open.frame, Frame::Skipped));
        if let Some(name) = first.strip_prefix('<') {
            return self.section(name, line, end, text, skipped);
        }
        if skipped || self.deeper > 0 {
            return;
        }
        let resolved = self.resolved(&line.text);
        self.is_plain = resolved == line.text && line.whole().len() == resolved.len();
        let result = self.directive(&resolved, end, line, text, &span);
        if let Err(Wrong { at, what, help }) = result {
            // Where names were put in, only the line as a whole has a place.
            let place = if resolved == line.text { text.span(line.place(at)) } else { span };
            self.mistake(&place, what, help);
        }
    }

    /// `${NAME}` replaced, where it is defined; the environment is never asked.
    fn resolved(&self, text: &str) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let Some(end) = rest[at..].find('}') else { break };
            let name = &rest[at + 2..at + end];
            out.push_str(&rest[..at]);
            match self.defines.get(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&rest[at..=at + end]),
            }
            rest = &rest[at + end + 1..];
            if out.len() > super::lines::LINE_LIMIT {
                break;
            }
        }
        out.push_str(rest);
        out
    }

    fn close(&mut self, name: &str, span: &Span) {
        if self.deeper > 0 {
            self.deeper -= 1;
            return;
        }
        let lower = name.to_ascii_lowercase();
        match self.open.pop() {
            Some(open) if open.name == lower => {}
            Some(open) => {
                let what = format!("Expected </{}> but saw </{name}>", spelt(&open.name));
                self.mistake(span, what, Some(format!("write `</{}>` first", spelt(&open.name))));
            }
            None => {
                let what = format!("</{name}> without matching <{name}> section");
                self.mistake(span, what, Some(format!("take it out, or open it with `<{name} …>` before")));
            }
        }
    }

    fn section(&mut self, name: &str, line: &Line<'_>, end: usize, text: &Text, skipped: bool) {
        let span = text.span(line.whole());
        let (name, empty) = match name.strip_suffix('>') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let lower = name.to_ascii_lowercase();
        if self.open.len() >= DEPTH {
            if self.deeper == 0 {
                let what = format!("sections nest deeper than {DEPTH}");
                self.mistake(&span, what, Some("close those that are over".to_owned()));
            }
            self.deeper += 1;
            return;
        }
        let resolved = self.resolved(&line.text);
        let frame = if skipped {
            Frame::Skipped
        } else if !empty && !resolved.trim_end().ends_with('>') {
            let help = "end the line with `>`".to_owned();
            self.mistake(&span, format!("<{name}> directive missing closing '>'"), Some(help));
            Frame::Skipped
        } else {
            let inside = if empty { "" } else { resolved[end.min(resolved.len())..].trim_end().trim_end_matches('>') };
            self.frame(&lower, name, inside, &span)
        };
        self.open.push(Open::new(lower, frame, span));
    }

    fn frame(&mut self, lower: &str, name: &str, inside: &str, span: &Span) -> Frame {
        let arguments: Vec<String> = words(inside, 0).into_iter().map(|word| word.text).collect();
        let first = arguments.first().cloned().unwrap_or_default();
        let tells = |is_true: bool| if is_true { Frame::Through } else { Frame::Skipped };
        match lower {
            "ifmodule" => {
                let (negated, module) = first.strip_prefix('!').map_or((false, first.as_str()), |rest| (true, rest));
                tells(is_loaded(module) != negated)
            }
            "ifdefine" => {
                let (negated, key) = first.strip_prefix('!').map_or((false, first.as_str()), |rest| (true, rest));
                tells(self.defines.contains_key(key) != negated)
            }
            "ifversion" => {
                let (operator, version) = match arguments.as_slice() {
                    [version] => ("=", version.as_str()),
                    [operator, version, ..] => (operator.as_str(), version.as_str()),
                    [] => ("=", ""),
                };
                tells(version_fits(operator, version))
            }
            "iffile" | "ifsection" | "ifdirective" => {
                Frame::Refused("whether a section counts is asked of the server's disk")
            }
            "virtualhost" | "directory" | "directorymatch" | "location" | "locationmatch"
                if self.folder.is_some() || self.around().is_some() =>
            {
                let what = match self.around() {
                    Some(around) if lower == "virtualhost" => {
                        format!("<VirtualHost> cannot occur within <{}> section", spelt(around))
                    }
                    Some(around) => format!("<{} not allowed in <{}> context", spelt(lower), spelt(around)),
                    None => format!("<{} not allowed here", spelt(lower)),
                };
                self.mistake(span, what, Some("it stands in the server or in a virtual host".to_owned()));
                Frame::Skipped
            }
            "virtualhost" if self.open.iter().any(|open| matches!(open.frame, Frame::Server(_))) => {
                let what = "<VirtualHost> cannot occur within <VirtualHost> section".to_owned();
                self.mistake(span, what, Some("close the one before with `</VirtualHost>`".to_owned()));
                Frame::Skipped
            }
            "files" | "filesmatch" if self.is_in(&["location", "locationmatch", "files", "filesmatch"]) => {
                let around = self.around().map_or("Location", spelt).to_owned();
                self.mistake(span, format!("<{}> cannot occur within <{around}> section", spelt(lower)), None);
                Frame::Skipped
            }
            // httpd takes it and never looks at it.
            "files" | "filesmatch" if self.is_in(&["if", "elseif", "else"]) => {
                self.reading.say_often(span, Severity::Warning, "section-without-effect", || {
                    let what = "httpd does not look at files in an expression: what stands here has no effect";
                    (what.to_owned(), Some("put the expression into the section of the files".to_owned()))
                });
                Frame::Skipped
            }
            "directory" | "directorymatch" | "location" | "locationmatch" | "files" | "filesmatch"
                if arguments.is_empty() =>
            {
                let what = format!("<{}> directive requires additional arguments", spelt(lower));
                self.mistake(span, what, Some(format!("write what it is for: `<{} …>`", spelt(lower))));
                Frame::Skipped
            }
            "directorymatch" | "locationmatch" | "filesmatch" if pcre::refused_by_httpd(&first).is_some() => {
                let help =
                    pcre::refused_by_httpd(&first).map(|refused| format!("{}: {}", refused.what, refused.help()));
                self.mistake(span, "Regex could not be compiled".to_owned(), help);
                Frame::Skipped
            }
            "virtualhost" => {
                if arguments.is_empty() {
                    let help = "write where it listens, as `<VirtualHost *:80>`".to_owned();
                    self.mistake(span, "<VirtualHost> directive requires additional arguments".to_owned(), Some(help));
                }
                let ports = arguments.iter().filter_map(|address| address.rsplit_once(':')?.1.parse().ok()).collect();
                self.site.servers.push(Server { ports, ..Server::default() });
                Frame::Server(self.site.servers.len() - 1)
            }
            "directory" => match (first.as_str(), arguments.get(1)) {
                ("~", Some(pattern)) => self.begin(Place::Disk(pattern.clone()), pattern),
                (path, _) if path.contains(['*', '?', '[']) => {
                    // Each level of a path is compared with all of it.
                    let levels = glob(path.trim_end_matches('/'));
                    self.begin(Place::Folders(format!("^{levels}/")), path)
                }
                (path, _) => self.directory(path),
            },
            "directorymatch" => self.begin(Place::Disk(first.clone()), &first),
            "location" => match (first.as_str(), arguments.get(1)) {
                ("~", Some(pattern)) => self.begin(Place::Pattern(pattern.clone()), pattern),
                (path, _) if path.contains(['*', '?', '[']) => {
                    self.begin(Place::Pattern(format!("^{}$", glob(path))), path)
                }
                (path, _) => self.begin(Place::Path(path.to_owned()), path),
            },
            "locationmatch" => self.begin(Place::Pattern(first.clone()), &first),
            "files" | "filesmatch" => {
                let (pattern, name) = match (lower, first.as_str(), arguments.get(1)) {
                    ("files", "~", Some(pattern)) => (pattern.clone(), pattern),
                    ("files", name, _) => (format!("^{}$", glob(name)), &first),
                    (_, pattern, _) => (pattern.to_owned(), &first),
                };
                self.begin(Place::Name(pattern), name)
            }
            "if" | "elseif" | "else" => self.if_section(lower, inside, span),
            // They say who may ask, and nothing of what else stands in them.
            "limit" | "limitexcept" => Frame::Through,
            "macro" => {
                self.reading.beyond(span, &format!("<{name}{inside}>"));
                Frame::Skipped
            }
            "proxy" | "proxymatch" => {
                self.reading.beyond(span, &format!("<{name}{inside}>"));
                Frame::Skipped
            }
            "requireall" | "requireany" | "requirenone" | "authnprovideralias" | "authzprovideralias" => Frame::Skipped,
            _ => {
                let what = format!(
                    "Invalid command '<{name}', perhaps misspelled or defined by a module not included in the server configuration"
                );
                self.invalid(span, what, &format!("<{name}>"));
                Frame::Skipped
            }
        }
    }

    fn directory(&mut self, path: &str) -> Frame {
        let server = self.server();
        server.directories.push((path.to_owned(), Scope::default()));
        Frame::Folder(server.directories.len() - 1)
    }

    /// `<If>`, and what stands behind it: there the expressions before it must not hold.
    fn if_section(&mut self, lower: &str, inside: &str, span: &Span) -> Frame {
        let text = match inside.trim_start().starts_with(['"', '\'']) {
            true => words(inside, 0).into_iter().next().map(|word| word.text).unwrap_or_default(),
            false => inside.trim().to_owned(),
        };
        let before = match self.open.last_mut() {
            Some(open) => &mut open.asked,
            None => &mut self.asked,
        };
        let mut asked = match before.take().filter(|_| lower != "if") {
            // The last of them is the one that held there.
            Some(before) => before.into_iter().map(|(text, _)| (text, false)).collect(),
            None if lower == "if" => Vec::new(),
            None => {
                self.mistake(span, format!("<{}> without <If> before it", spelt(lower)), None);
                return Frame::Skipped;
            }
        };
        if lower != "else" {
            asked.push((text, true));
        }
        match self.open.last_mut() {
            Some(open) => open.asked = Some(asked.clone()),
            None => self.asked = Some(asked.clone()),
        }
        self.begin(Place::If(asked), "*If")
    }

    /// The folder around a line.
    fn folder_here(&mut self) -> Option<Around> {
        let open = self.open.iter().rev().find_map(|open| match open.frame {
            Frame::Folder(at) => Some(at),
            _ => None,
        });
        match open {
            Some(at) => Some(Around::Disk(self.server().directories[at].0.clone())),
            None => self.folder.clone().map(Around::Url),
        }
    }

    /// The section around a line that is one of places, by its name in small letters.
    fn around(&self) -> Option<&str> {
        let is_place = |open: &&Open| matches!(open.frame, Frame::Folder(_) | Frame::Section(_));
        self.open.iter().rev().find(is_place).map(|open| open.name.as_str())
    }

    fn is_in(&self, names: &[&str]) -> bool {
        self.open.iter().any(|open| names.contains(&open.name.as_str()))
    }

    /// A section begins, in those that are open.
    fn begin(&mut self, place: Place, name: &str) -> Frame {
        let around = self.open.iter().rev().find_map(|open| match open.frame {
            Frame::Section(at) => Some(at),
            _ => None,
        });
        let folder = self.folder_here();
        let name = if name.ends_with('/') { name.to_owned() } else { format!("{name}/") };
        let server = self.server();
        let mut places = around.map(|at| server.sections[at].places.clone()).unwrap_or_default();
        places.push(place);
        server.sections.push(Section { places, name, folder, scope: Scope::default() });
        Frame::Section(server.sections.len() - 1)
    }

    fn server(&mut self) -> &mut Server {
        let at = self.open.iter().rev().find_map(|open| match open.frame {
            Frame::Server(at) => Some(at),
            _ => None,
        });
        &mut self.site.servers[at.unwrap_or(0)]
    }

    /// The place that a directive here is for.
    fn scope(&mut self) -> &mut Scope {
        let innermost = self.open.iter().rev().find_map(|open| match &open.frame {
            Frame::Folder(_) | Frame::Section(_) | Frame::Server(_) => Some(open.frame.clone()),
            _ => None,
        });
        let folder = self.folder.clone();
        let server = self.server();
        match (innermost, folder) {
            (Some(Frame::Section(at)), _) => &mut server.sections[at].scope,
            (Some(Frame::Folder(at)), _) => &mut server.directories[at].1,
            (_, Some(path)) => server.folders.entry(path).or_default(),
            _ => &mut server.own,
        }
    }

    fn in_section(&self) -> bool {
        self.open.iter().rev().any(|open| matches!(open.frame, Frame::Section(_)))
    }

    /// Whether rules here see the path below a folder.
    fn in_folder(&self) -> bool {
        let is_one = |open: &Open| matches!(open.frame, Frame::Folder(_) | Frame::Section(_));
        self.folder.is_some() || self.open.iter().any(is_one)
    }

    fn refusal(&self) -> Option<&'static str> {
        self.open.iter().rev().find_map(|open| match open.frame {
            Frame::Refused(why) => Some(why),
            _ => None,
        })
    }

    /// What httpd does not know: there it is an error that stops everything, here it is passed over.
    fn invalid(&mut self, span: &Span, what: String, directive: &str) {
        let meant = self.reading.meant(directive, names::meant);
        match self.in_tree {
            true => {
                let help = match meant {
                    Some(meant) => format!("write `{meant}`: httpd answers everything below this folder with 500"),
                    None => "httpd answers everything below this folder with 500".to_owned(),
                };
                self.mistake(span, what, Some(help));
            }
            false => self.reading.unknown(span, directive, meant),
        }
    }

    fn directive(
        &mut self,
        resolved: &str,
        end: usize,
        line: &Line<'_>,
        text: &Text,
        span: &Span,
    ) -> Result<(), Wrong> {
        let name = &resolved[..end.min(resolved.len())];
        let lower = name.to_ascii_lowercase();
        let taken = || words(resolved, end);
        match lower.as_str() {
            "redirect" => self.alias(Kind::Redirect, resolved, &taken(), span),
            "redirectpermanent" => self.alias(Kind::Permanent, resolved, &taken(), span),
            "redirecttemp" => self.alias(Kind::Temp, resolved, &taken(), span),
            "redirectmatch" => self.alias(Kind::Match, resolved, &taken(), span),
            _ if lower.starts_with("rewrite")
                && !matches!(lower.as_str(), "rewritelog" | "rewriteloglevel" | "rewritelock") =>
            {
                self.rewriting(&lower, name, resolved, end, span)
            }
            "servername" => {
                let words = taken();
                if words.len() != 1 {
                    let what = "ServerName takes one argument, The hostname and port of the server";
                    return wrong(end..resolved.len(), what, Some("write one name, as `ServerName www.example.com`"));
                }
                let text = words.first().map(|word| word.text.clone()).unwrap_or_default();
                let text = text.split_once("://").map_or(text.clone(), |(_, rest)| rest.to_owned());
                let (host, port) = match text.rsplit_once(':') {
                    Some((host, port)) => (host.to_owned(), port.parse().ok()),
                    None => (text, None),
                };
                self.server().name = Some((host.to_ascii_lowercase(), port));
                Ok(())
            }
            "serveralias" => {
                let aliases = taken().into_iter().map(|word| word.text.to_ascii_lowercase());
                self.server().aliases.extend(aliases);
                Ok(())
            }
            "documentroot" if taken().len() != 1 => {
                let what = "DocumentRoot takes one argument, Root directory of the document tree";
                let help = "write one folder, in quotes where its name has blanks";
                wrong(end..resolved.len(), what, Some(help))
            }
            "documentroot" => {
                let root = taken().first().map(|word| word.text.clone());
                self.server().root = root;
                Ok(())
            }
            "usecanonicalname"
                if !taken()
                    .first()
                    .is_some_and(|word| ["on", "off", "dns"].contains(&word.text.to_ascii_lowercase().as_str())) =>
            {
                let help = "write `UseCanonicalName On` where `ServerName` goes into Locations";
                wrong(end..resolved.len(), "parameter must be 'on', 'off', or 'dns'", Some(help))
            }
            "usecanonicalname" => {
                let is_on = taken().first().is_some_and(|word| word.text.eq_ignore_ascii_case("on"));
                self.server().is_canonical = is_on;
                Ok(())
            }
            "sslengine" => {
                let is_on = taken().first().is_some_and(|word| word.text.eq_ignore_ascii_case("on"));
                self.server().is_tls = is_on;
                Ok(())
            }
            "allowencodedslashes" => {
                let words = taken();
                let slashes = match words.first().map(|word| word.text.to_ascii_lowercase()).as_deref() {
                    Some("on") => EncodedSlash::Decoded,
                    Some("off") => EncodedSlash::NotFound,
                    Some("nodecode") => EncodedSlash::Kept,
                    _ => {
                        let what = "AllowEncodedSlashes must be On, Off, or NoDecode";
                        return wrong(end..resolved.len(), what, Some("write one of the three behind it"));
                    }
                };
                self.server().slashes = Some(slashes);
                Ok(())
            }
            "mergeslashes" | "regexdefaultoptions" => {
                self.reading.refused(span, resolved, "it changes what all patterns see, and is not read");
                Ok(())
            }
            "directoryslash" => {
                let words = taken();
                let is_on = on_off(&words, "DirectorySlash", end..resolved.len())?;
                self.scope().directory_slash = Some(is_on);
                Ok(())
            }
            "options" => {
                for word in taken() {
                    let word = word.text.to_ascii_lowercase();
                    let (is_on, name) = match word.strip_prefix(['+', '-']) {
                        Some(name) => (word.starts_with('+'), name),
                        None => (true, word.as_str()),
                    };
                    // Without a sign in front, what is not named is off.
                    let is_whole = name.len() == word.len();
                    let says = |wanted: &str| (name == wanted || name == "all" && wanted == "indexes").then_some(is_on);
                    let scope = self.scope();
                    scope.lists = says("indexes").or(scope.lists).or(is_whole.then_some(false));
                    scope.completes = says("multiviews").or(scope.completes).or(is_whole.then_some(false));
                }
                Ok(())
            }
            "directoryindex" => {
                let names = taken().into_iter().map(|word| word.text);
                self.scope().indexes = Some(names.filter(|name| !name.eq_ignore_ascii_case("disabled")).collect());
                Ok(())
            }
            "fallbackresource" => {
                let name = taken().first().map(|word| word.text.clone()).unwrap_or_default();
                let name = if name.eq_ignore_ascii_case("disabled") { String::new() } else { name };
                self.scope().fallback = Some((span.clone(), name));
                self.reading.beyond(span, resolved);
                Ok(())
            }
            "allowoverride" => {
                let allows =
                    taken().iter().any(|word| ["all", "fileinfo"].contains(&word.text.to_ascii_lowercase().as_str()));
                self.scope().allows_files = Some(allows);
                Ok(())
            }
            "errordocument" => self.error_document(&taken(), resolved, end, span),
            "setenvif" | "setenvifnocase" | "browsermatch" | "browsermatchnocase" => {
                self.set_env_if(&lower, name, &taken(), span, end..resolved.len())
            }
            "setenvifexpr" => {
                self.reading.beyond(span, resolved);
                Ok(())
            }
            "define" => {
                let words = taken();
                if !(1..=2).contains(&words.len()) {
                    let what = "Define takes 1-2 arguments, Define a variable, optionally to a value.  Same as passing -D to the command line.";
                    return wrong(end..resolved.len(), what, Some("write a name, and its value behind it"));
                }
                if let Some(key) = words.first() {
                    let value = words.get(1).map(|word| word.text.clone()).unwrap_or_default();
                    self.defines.insert(key.text.clone(), value);
                }
                Ok(())
            }
            "include" | "includeoptional" => {
                let words = taken();
                self.include(&words, lower == "include", text, line, span);
                Ok(())
            }
            "use" => {
                self.reading.refused(span, resolved, "macros are not expanded");
                Ok(())
            }
            _ => {
                self.server().serves_more |= names::serves_more(&lower);
                match names::known(&lower) {
                    Known::Passive => {}
                    Known::Beyond => self.reading.beyond(span, resolved),
                    Known::Not => {
                        let what = format!(
                            "Invalid command '{name}', perhaps misspelled or defined by a module not included in the server configuration"
                        );
                        self.invalid(span, what, name);
                    }
                }
                Ok(())
            }
        }
    }

    fn alias(&mut self, kind: Kind, line: &str, words: &[Word], span: &Span) -> Result<(), Wrong> {
        let mut found = alias::read(kind, line, words, span.clone(), self.in_folder())?;
        found.is_plain = self.is_plain;
        match self.refusal() {
            Some(why) => self.reading.refused(span, line, why),
            // A target alone is for all that is asked in a folder, and goes before what is for a path.
            None if found.source == alias::AliasSource::Section && !self.in_section() => {
                let folder = self.folder_here();
                let scope = Scope { aliases: vec![found], ..Scope::default() };
                self.server().sections.push(Section { places: Vec::new(), name: String::new(), folder, scope });
            }
            None => self.scope().aliases.push(found),
        }
        Ok(())
    }

    fn rewriting(&mut self, lower: &str, name: &str, line: &str, end: usize, span: &Span) -> Result<(), Wrong> {
        let all = end..line.len();
        let words = || words(line, end);
        let refused = self.refusal();
        if lower != "rewritemap" && refused.is_none() {
            self.scope().rewriting.is_there = true;
        }
        match lower {
            "rewriteengine" => {
                let is_on = on_off(&words(), "RewriteEngine", all)?;
                if refused.is_none() {
                    self.scope().rewriting.engine = Some(is_on);
                }
            }
            "rewritebase" => {
                let words = words();
                if !self.in_folder() {
                    return wrong(
                        all,
                        "RewriteBase: only valid in per-directory config files",
                        Some("leave it out: here patterns and targets are whole paths"),
                    );
                }
                let Some(base) = words.first().filter(|_| words.len() == 1) else {
                    return wrong(
                        all,
                        "RewriteBase takes one argument, the base URL of the per-directory context",
                        Some("write the path of the folder, as `RewriteBase /docs/`"),
                    );
                };
                if !base.text.starts_with('/') {
                    let help = format!("write `/{}`", base.text);
                    return wrong(base.at.clone(), "RewriteBase: argument is not a valid URL", Some(&help));
                }
                let base = format!("{}/", base.text.trim_end_matches('/'));
                if refused.is_none() {
                    self.scope().rewriting.base = Some(base);
                }
            }
            "rewriteoptions" => {
                if words().is_empty() {
                    let what = "RewriteOptions requires at least one argument, List of option strings to set";
                    return wrong(all, what, Some("write one behind it, as `RewriteOptions Inherit`"));
                }
                self.scope().rewriting.says_options |= refused.is_none();
                for word in words() {
                    let inherits = match word.text.to_ascii_lowercase().as_str() {
                        "inherit" => Some(Inherits::After),
                        "inheritbefore" => Some(Inherits::Before),
                        option @ ("inheritdown" | "inheritdownbefore") => {
                            if refused.is_none() {
                                let is_before = option.ends_with("before");
                                let way = if is_before { Inherits::Before } else { Inherits::After };
                                self.scope().rewriting.hands_down = Some(way);
                            }
                            None
                        }
                        "ignoreinherit" => {
                            if refused.is_none() {
                                self.scope().rewriting.ignores = true;
                            }
                            None
                        }
                        "mergebase" => {
                            self.reading.refused(span, line, "a `RewriteBase` that is handed down is not read");
                            None
                        }
                        "allownoslash" => {
                            self.scope().rewriting.takes_bare |= refused.is_none();
                            None
                        }
                        option
                            if option.starts_with("maxredirects=")
                                || [
                                    "allowanyuri",
                                    "ignorecontextinfo",
                                    "legacyprefixdocroot",
                                    "longurloptimization",
                                    "unsafeprefixstat",
                                ]
                                .contains(&option) =>
                        {
                            None
                        }
                        _ => {
                            let what = format!("RewriteOptions: unknown option '{}'", word.text);
                            return wrong(
                                word.at,
                                what,
                                Some("those that hand rules down are `Inherit` and `InheritDown`"),
                            );
                        }
                    };
                    if inherits.is_some() && refused.is_none() {
                        self.scope().rewriting.inherits = inherits;
                    }
                }
            }
            "rewritecond" => {
                let cond = rule::read_cond(line, end)?;
                if refused.is_none() {
                    let rewriting = &mut self.scope().rewriting;
                    rewriting.waiting.push(cond);
                    rewriting.waiting_at = Some(span.clone());
                }
            }
            "rewriterule" => {
                if let Some(why) = refused {
                    rule::read_rule(line, end, span.clone(), Vec::new())?;
                    self.reading.refused(span, line, why);
                    return Ok(());
                }
                let conds = std::mem::take(&mut self.scope().rewriting.waiting);
                let mut rule = rule::read_rule(line, end, span.clone(), conds)?;
                rule.is_plain = self.is_plain;
                self.scope().rewriting.rules.push(std::rc::Rc::new(rule));
            }
            "rewritemap" => return self.map(&words(), line, all, span),
            _ => {
                let what = format!(
                    "Invalid command '{name}', perhaps misspelled or defined by a module not included in the server configuration"
                );
                self.invalid(span, what, name);
            }
        }
        Ok(())
    }

    fn map(&mut self, words: &[Word], line: &str, all: std::ops::Range<usize>, span: &Span) -> Result<(), Wrong> {
        let [name, from, ..] = words else {
            let what = "RewriteMap takes two or three arguments, a mapname and a filename and options";
            return wrong(all, what, Some("write a name, then a list: `RewriteMap moves txt:moves.txt`"));
        };
        if self.in_folder() {
            return wrong(all, "RewriteMap not allowed here", Some("it stands in the server or virtual host"));
        }
        let map = match from.text.split_once(':') {
            Some(("txt", path)) => match maps::read(self.reading, &self.base.join(path), span) {
                Some(list) => Map::List(list),
                None => return Ok(()),
            },
            Some(("int", "tolower")) => Map::Internal(Internal::Lower),
            Some(("int", "toupper")) => Map::Internal(Internal::Upper),
            Some(("int", "escape")) => Map::Internal(Internal::Escape),
            Some(("int", "unescape")) => Map::Internal(Internal::Unescape),
            Some(("int", other)) => {
                let help = "there are `tolower`, `toupper`, `escape` and `unescape`";
                return wrong(from.at.clone(), format!("RewriteMap: internal map not found:{other}"), Some(help));
            }
            Some(("prg", _)) => Map::Refused("a map that runs a program"),
            Some(("rnd", _)) => Map::Refused("a map that draws"),
            Some(("dbm" | "dbd" | "fastdbd", _)) => Map::Refused("a map that asks a database"),
            // Without a kind it is a text.
            _ => match maps::read(self.reading, &self.base.join(&from.text), span) {
                Some(list) => Map::List(list),
                None => return Ok(()),
            },
        };
        if let Map::Refused(why) = map {
            self.reading.refused(span, line, why);
        }
        self.server().maps.insert(name.text.clone(), std::rc::Rc::new(map));
        Ok(())
    }

    fn error_document(&mut self, words: &[Word], line: &str, end: usize, span: &Span) -> Result<(), Wrong> {
        let [status, target, ..] = words else {
            let help = "write a status, then where to: `ErrorDocument 404 /missing`";
            let what = "ErrorDocument takes two arguments, Change responses for HTTP errors";
            return wrong(end..line.len(), what, Some(help));
        };
        let number: u16 = status.text.parse().unwrap_or(0);
        if !rule::is_known(number) {
            let help = "name the status of an error, as `ErrorDocument 404 /missing`";
            return wrong(status.at.clone(), format!("Unsupported HTTP response code {}", status.text), Some(help));
        }
        // Taken, and asked for by no error.
        if !(400..=599).contains(&number) {
            return Ok(());
        }
        // httpd takes a text with a blank for what it is to say.
        let is_page = !alias::is_url(&target.text) || target.text.contains(' ');
        match self.refusal() {
            _ if is_page => {
                self.reading.beyond(span, line);
                if target.text.starts_with('/') {
                    self.scope().pages.push((span.clone(), line.to_owned(), target.text.clone()));
                }
                self.scope().errors.insert(number, None);
            }
            Some(why) => self.reading.refused(span, line, why),
            None if target.text.contains("%{") => {
                self.reading.refused(span, line, "an expression in the URL for an error");
                self.scope().errors.insert(number, None);
            }
            None => {
                let url = ErrorUrl { span: span.clone(), text: line.to_owned(), url: target.text.clone() };
                self.scope().errors.insert(number, Some(url));
            }
        }
        Ok(())
    }

    fn set_env_if(
        &mut self,
        lower: &str,
        name: &str,
        words: &[Word],
        span: &Span,
        all: std::ops::Range<usize>,
    ) -> Result<(), Wrong> {
        let agent = Word { text: "User-Agent".to_owned(), at: 0..0 };
        let words: Vec<Word> = match lower.starts_with("browser") {
            true => std::iter::once(agent).chain(words.iter().cloned()).collect(),
            false => words.to_vec(),
        };
        let help = "write a field, a pattern and a name: `SetEnvIf User-Agent bot is_bot`";
        let [attribute, pattern, names @ ..] = words.as_slice() else {
            let missing = if words.is_empty() { "header-field name" } else { "regular expression" };
            return wrong(all, format!("Missing {missing} for {name}"), Some(help));
        };
        if let Some(refused) = pcre::refused_by_httpd(&pattern.text) {
            let help = format!("{}: {}", refused.what, refused.help());
            return wrong(pattern.at.clone(), format!("{name} regex could not be compiled."), Some(&help));
        }
        if names.is_empty() {
            return wrong(all, format!("Missing envariable expression for {name}"), Some(help));
        }
        let pairs = names.iter().map(|word| match (word.text.strip_prefix('!'), word.text.split_once('=')) {
            (Some(name), _) => (name.to_owned(), None),
            (None, Some((name, value))) => (name.to_owned(), Some(value.to_owned())),
            (None, None) => (word.text.clone(), Some("1".to_owned())),
        });
        let set = SetEnv {
            span: span.clone(),
            attribute: attribute.text.clone(),
            pattern: pattern.text.clone(),
            ignores_case: lower.ends_with("nocase"),
            pairs: pairs.collect(),
        };
        let refused = self.refusal().or(self.in_section().then_some("a variable that a section sets"));
        match refused {
            Some(why) => self.reading.refused(span, &format!("{name} {} {}", set.attribute, set.pattern), why),
            None => self.scope().sets.push(set),
        }
        Ok(())
    }

    fn include(&mut self, words: &[Word], must_be_there: bool, text: &Text, line: &Line<'_>, span: &Span) {
        let Some(word) = words.first() else {
            let name = if must_be_there { "Include" } else { "IncludeOptional" };
            let fails = match must_be_there {
                true => "; fails if the wildcard does not match at least one file",
                false => "",
            };
            let what = format!("{name} takes one argument, Name(s) of the config file(s) to be included{fails}");
            return self.mistake(span, what, Some(format!("write a file behind it, as `{name} sites/*.conf`")));
        };
        let place = text.span(line.place(word.at.clone()));
        if self.depth >= INCLUDES {
            let what = format!("files include files more than {INCLUDES} deep: a file may include itself");
            return self.mistake(span, what, Some("take one of these includes out".to_owned()));
        }
        let base = self.base.clone();
        let Some(paths) = self.reading.expand(&base, &word.text, &place) else { return };
        if paths.is_empty() && must_be_there && crate::files::is_pattern(&word.text) {
            let what = format!(
                "Include/IncludeOptional: No matches for the wildcard '{}' in '{}', failing",
                word.text,
                self.base.display()
            );
            let help = "write `IncludeOptional` where there may be none".to_owned();
            return self.mistake(&place, what, Some(help));
        }
        for path in paths {
            if !must_be_there && !self.reading.is_there(&path) {
                continue;
            }
            self.file(&path, Some(&place));
        }
    }
}

/// A name with `*`, `?` and `[…]` as a pattern: none of them is a slash.
fn glob(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let class = after.find(']').filter(|end| c == '[' && *end > 0);
        rest = match (c, class) {
            ('[', Some(end)) => {
                let members = &after[..end];
                let (sign, members) = match members.strip_prefix(['!', '^']) {
                    Some(members) => ("^", members),
                    None => ("", members),
                };
                out.push_str(&format!("[{sign}{}]", members.replace('\\', "\\\\")));
                &after[end + 1..]
            }
            ('*', _) => {
                out.push_str("[^/]*");
                after
            }
            ('?', _) => {
                out.push_str("[^/]");
                after
            }
            _ => {
                out.push_str(&super::pattern::quoted(&rest[..c.len_utf8()]));
                after
            }
        };
    }
    out
}

fn url_of(folder: &Path) -> String {
    match folder.as_os_str().is_empty() {
        true => "/".to_owned(),
        false => format!("/{}/", folder.display()),
    }
}

fn no_span() -> Span {
    Span { file: crate::span::FileId(0), line: 0, column: 0, start: 0, end: 0 }
}

fn on_off(words: &[Word], name: &str, all: std::ops::Range<usize>) -> Result<bool, Wrong> {
    match words.first().map(|word| word.text.to_ascii_lowercase()).as_deref() {
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        _ => wrong(all, format!("{name} must be On or Off"), Some(&format!("write `{name} On` or `{name} Off`"))),
    }
}

/// How httpd writes the name of a section.
fn spelt(lower: &str) -> &str {
    match lower {
        "directory" => "Directory",
        "virtualhost" => "VirtualHost",
        "location" => "Location",
        "locationmatch" => "LocationMatch",
        "directorymatch" => "DirectoryMatch",
        "files" => "Files",
        "filesmatch" => "FilesMatch",
        "limitexcept" => "LimitExcept",
        "ifmodule" => "IfModule",
        "ifdefine" => "IfDefine",
        "if" => "If",
        "elseif" => "ElseIf",
        "else" => "Else",
        "limit" => "Limit",
        other => other,
    }
}

/// The modules that are there: those whose directives are read, and those whose directives are passed over.
fn is_loaded(module: &str) -> bool {
    let name = module.trim_end_matches(".c").trim_start_matches("mod_").trim_end_matches("_module");
    matches!(
        name,
        "rewrite"
            | "alias"
            | "dir"
            | "setenvif"
            | "mime"
            | "authz_core"
            | "headers"
            | "env"
            | "negotiation"
            | "core"
            | "so"
            | "expires"
            | "deflate"
            | "autoindex"
            | "filter"
            | "version"
            | "log_config"
            | "access_compat"
            | "ssl"
            | "macro"
    )
}

/// The version that is answered for.
const VERSION: [u32; 3] = [2, 4, 71];

fn version_fits(operator: &str, version: &str) -> bool {
    let (negated, operator) = operator.strip_prefix('!').map_or((false, operator), |rest| (true, rest));
    let mut wanted = [0; 3];
    for (slot, part) in wanted.iter_mut().zip(version.split('.')) {
        *slot = part.parse().unwrap_or(0);
    }
    let fits = match operator {
        ">" => VERSION > wanted,
        ">=" => VERSION >= wanted,
        "<" => VERSION < wanted,
        "<=" => VERSION <= wanted,
        _ => VERSION == wanted,
    };
    fits != negated
}
