//! From the lines of files to a [`Site`]: what is open around a line, and which place a directive is for.
//!
//! What httpd would refuse is said in its words; a `.htaccess` in a tree with such a mistake answers 500, as it does there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::frames::spelt;
use super::lines::{Line, Lines};
use super::names;
use super::rule::Wrong;
use super::site::{Around, Scope, Server, Site};
use crate::diagnostic::{Diagnostic, Severity};
use crate::files::EntryKind;
use crate::foreign::{Reading, Text};
use crate::span::Span;

/// How deep sections go; real files nest three or four.
const DEPTH: usize = 64;

/// What is open around a line.
#[derive(Clone, Debug)]
pub(super) enum Frame {
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

pub(super) struct Open {
    pub(super) name: String,
    pub(super) frame: Frame,
    pub(super) span: Span,
    /// What the last `<If>` in here asked.
    pub(super) asked: Option<Vec<(String, bool)>>,
}

impl Open {
    pub(super) fn new(name: String, frame: Frame, span: Span) -> Open {
        Open { name, frame, span, asked: None }
    }
}

pub(super) struct Reader<'a, 'r> {
    pub(super) reading: &'a mut Reading<'r>,
    pub(super) site: Site,
    pub(super) open: Vec<Open>,
    /// Sections that are open beyond [`DEPTH`].
    pub(super) deeper: usize,
    /// What the last `<If>` outside of sections asked.
    pub(super) asked: Option<Vec<(String, bool)>>,
    pub(super) defines: BTreeMap<String, String>,
    /// The folder whose `.htaccess` is read.
    pub(super) folder: Option<String>,
    /// Whether it is one of a tree.
    pub(super) in_tree: bool,
    pub(super) depth: usize,
    /// Whether the line that is read stands in its file just so.
    pub(super) is_plain: bool,
    /// Whether it holds bytes that are no UTF-8.
    pub(super) is_odd: bool,
    /// Where relative includes begin.
    pub(super) base: PathBuf,
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
    pub(super) fn new(reading: &'a mut Reading<'r>, base: PathBuf, folder: Option<String>) -> Reader<'a, 'r> {
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
            is_odd: false,
            base,
        };
        reader.begin_folder();
        reader
    }

    /// A `.htaccess` says what it says beside what a `<Directory>` says of the same folder.
    pub(super) fn begin_folder(&mut self) {
        if let Some(folder) = self.folder.clone() {
            self.server().folders.entry(folder).or_default();
        }
    }

    pub(super) fn file(&mut self, path: &Path, from: Option<&Span>) -> Option<()> {
        let text = self.reading.open(path, from)?;
        self.depth += 1;
        let lines: Lines<'_> = Lines::new(&text.bytes);
        for line in lines {
            self.line(&line, &text);
            if self.reading.is_hopeless() {
                break;
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Says what httpd would say of sections that are still open.
    pub(super) fn close_all(&mut self) {
        while let Some(open) = self.open.pop() {
            if !matches!(open.name.as_str(), "ifmodule" | "ifdefine" | "ifversion") {
                let what = format!("<{}> was not closed.", spelt(&open.name));
                self.mistake(&open.span, what, Some(format!("write `</{}>` where it ends", spelt(&open.name))));
            }
        }
    }

    pub(super) fn mistake(&mut self, span: &Span, what: String, help: Option<String>) {
        let severity = if self.in_tree { Severity::Warning } else { Severity::Error };
        self.reading.say_often(span, severity, "apache-syntax", || (what, help));
        if let Some(folder) = self.folder.clone().filter(|_| self.in_tree) {
            let span = span.clone();
            self.server().folders.entry(folder).or_default().broken.get_or_insert(span);
        }
    }

    /// What httpd does not know: there it is an error that stops everything, here it is passed over.
    pub(super) fn invalid(&mut self, span: &Span, what: String, directive: &str) {
        let other = match directive {
            text if text.starts_with('/') => Some("this reads like a line of `_redirects`: say `--from redirects`"),
            text if text.contains(',') => Some("this reads like a row of a list: say `--from csv`"),
            text if text.ends_with(['{', '}', ';']) => Some("this reads like nginx: say `--from nginx`"),
            _ => None,
        };
        if let Some(other) = other {
            let what = if self.in_tree { what } else { format!("`{directive}` is no directive") };
            if self.in_tree {
                return self.mistake(span, what, Some(other.to_owned()));
            }
            return self
                .reading
                .say_often(span, Severity::Error, "unknown-directive", || (what, Some(other.to_owned())));
        }
        let meant = self.reading.meant(directive, names::meant);
        match self.in_tree {
            true => {
                let help = match meant {
                    Some(meant) => format!("write `{meant}`: httpd answers everything below this folder with 500"),
                    None => "httpd answers everything below this folder with 500".to_owned(),
                };
                self.mistake(span, what, Some(help));
            }
            false => self.reading.unknown(span, directive, meant.map(|meant| (meant, names::gravity(meant)))),
        }
    }

    pub(super) fn line(&mut self, line: &Line<'_>, text: &Text) {
        let span = text.span(line.whole());
        if line.is_odd {
            let what = "a line with bytes that are not UTF-8, and browsers send letters as UTF-8".to_owned();
            let help = "save the file as UTF-8, unless old links hold these very bytes".to_owned();
            self.reading.say_often(&span, Severity::Warning, "not-utf8", || (what, Some(help)));
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
        self.is_odd = line.is_odd;
        self.is_plain = resolved == line.text && line.whole().len() == resolved.len();
        let result = self.directive(&resolved, end, line, text, &span);
        if let Err(Wrong { at, what, help }) = result {
            // Where names were put in, only the line as a whole has a place.
            let place = if resolved == line.text { text.span(line.place(at)) } else { span };
            self.mistake(&place, what, help);
        }
    }

    /// `${NAME}` replaced, where it is defined; the environment is never asked.
    pub(super) fn resolved(&self, text: &str) -> String {
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

    pub(super) fn close(&mut self, name: &str, span: &Span) {
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

    pub(super) fn section(&mut self, name: &str, line: &Line<'_>, end: usize, text: &Text, skipped: bool) {
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

    /// The folder around a line.
    pub(super) fn folder_here(&mut self) -> Option<Around> {
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
    pub(super) fn around(&self) -> Option<&str> {
        let is_place = |open: &&Open| matches!(open.frame, Frame::Folder(_) | Frame::Section(_));
        self.open.iter().rev().find(is_place).map(|open| open.name.as_str())
    }

    pub(super) fn is_in(&self, names: &[&str]) -> bool {
        self.open.iter().any(|open| names.contains(&open.name.as_str()))
    }

    pub(super) fn server(&mut self) -> &mut Server {
        let at = self.open.iter().rev().find_map(|open| match open.frame {
            Frame::Server(at) => Some(at),
            _ => None,
        });
        &mut self.site.servers[at.unwrap_or(0)]
    }

    /// The place that a directive here is for.
    pub(super) fn scope(&mut self) -> &mut Scope {
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

    pub(super) fn in_section(&self) -> bool {
        self.open.iter().rev().any(|open| matches!(open.frame, Frame::Section(_)))
    }

    /// Whether rules here see the path below a folder.
    pub(super) fn in_folder(&self) -> bool {
        let is_one = |open: &Open| matches!(open.frame, Frame::Folder(_) | Frame::Section(_));
        self.folder.is_some() || self.open.iter().any(is_one)
    }

    pub(super) fn refusal(&self) -> Option<&'static str> {
        self.open.iter().rev().find_map(|open| match open.frame {
            Frame::Refused(why) => Some(why),
            _ => None,
        })
    }
}

pub(super) fn no_span() -> Span {
    Span { file: crate::span::FileId(0), line: 0, column: 0, start: 0, end: 0 }
}
