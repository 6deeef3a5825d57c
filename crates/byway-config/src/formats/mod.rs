//! The formats that are read and written: one file or folder and one row each.
//!
//! A row says how a format is recognised, what it can say, and which functions read and write it; the loader, `byway formats`,
//! the schema and the command line are made from the table. Lists and text of our own become rules of our own dialect; another
//! server's configuration is read through [`Reading`] into tables of that server's dialect.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use byway_core::ruleset::Order;

use crate::foreign::Reading;
use crate::list::List;
use crate::writing::Writing;

pub(crate) mod apache;
mod cloudflare;
mod compiled;
pub(crate) mod csv;
pub(crate) mod elsewhere;
pub(crate) mod nginx;
mod redirects;
mod toml;

/// Every format, in the order in which people look for them.
pub const FORMATS: [&Format; 8] = [
    &toml::ROW,
    &csv::ROW,
    &redirects::ROW,
    &cloudflare::ROW,
    &nginx::ROW,
    &compiled::ROW,
    &apache::ROW,
    &apache::HTACCESS,
];

/// byway's own text.
pub const OWN: &Format = &toml::ROW;

/// The names of all formats.
pub const NAMES: [&str; FORMATS.len()] = {
    let mut names = [""; FORMATS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = FORMATS[at].name;
        at += 1;
    }
    names
};

/// A format: its row of the table.
pub struct Format {
    /// As `--from`, `--to` and `format` take it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// How its files are called, for people.
    pub files: &'static [&'static str],
    /// What it can say.
    pub says: Says,
    /// Whether a file's name is one of this format's.
    pub(crate) is_named: fn(&Path) -> bool,
    /// Whether a file begins as only files of this format do; it is shown the first [`HEAD`] bytes.
    pub(crate) is_like: fn(&[u8]) -> bool,
    /// Whether a folder can be named instead of a file.
    pub(crate) folders: Folders,
    /// How it is read.
    pub(crate) reader: Reader,
    /// How it is written, where it is.
    pub(crate) write: Option<fn(&mut Writing<'_>)>,
}

/// What a format can say, in words for people.
#[derive(Clone, Copy, Debug)]
pub struct Says {
    /// The statuses of its redirects.
    pub statuses: &'static str,
    /// The status where none is written.
    pub default: &'static str,
    /// What a rule can be for.
    pub sources: &'static str,
    /// What more can be asked of a request.
    pub conditions: &'static str,
    /// What becomes of the request's query.
    pub query: &'static str,
}

/// Whether a folder can be named as a file of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folders {
    /// It cannot.
    No,
    /// A folder is a document root with files of this format in it.
    #[allow(dead_code, reason = "the format whose files lie in document roots is on its way")]
    DocumentRoot,
}

/// How a format is read.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    /// Text of our own: into the table of the root that reaches it.
    Own,
    /// What `byway compile` wrote.
    Compiled,
    /// A list of our own dialect, into a table of its own with this order.
    List(Order, fn(&mut dyn Read, &mut List<'_>) -> io::Result<()>),
    /// Another server's configuration.
    #[allow(dead_code, reason = "the readers of servers' configurations are on their way")]
    Foreign(fn(&mut Reading<'_>)),
}

/// How many bytes of a file are looked at to recognise it.
pub const HEAD: usize = 64 * 1024;

impl Format {
    /// The format with this name.
    ///
    /// ```
    /// use byway_config::formats::Format;
    /// assert_eq!(Format::named("csv").map(|format| format.title), Some("CSV with a header"));
    /// assert!(Format::named("docx").is_none());
    /// ```
    pub fn named(name: &str) -> Option<&'static Format> {
        FORMATS.iter().copied().find(|format| format.name == name)
    }

    /// The format whose files are called like this one, where that says it.
    ///
    /// ```
    /// use byway_config::formats::Format;
    /// assert_eq!(Format::called(".htaccess".as_ref()).map(|format| format.name), Some("htaccess"));
    /// assert_eq!(Format::called("redirects.conf".as_ref()), None);
    /// ```
    pub fn called(path: &Path) -> Option<&'static Format> {
        FORMATS.iter().copied().find(|format| (format.is_named)(path))
    }

    /// Whether it can be written.
    pub fn is_written(&self) -> bool {
        self.write.is_some()
    }

    /// Whether it is the configuration of another server, which may do more than redirect.
    pub fn is_foreign(&self) -> bool {
        matches!(self.reader, Reader::Foreign(_))
    }

    /// The name, its article before it: `an nginx configuration` would be wrong in half of all messages.
    fn quoted(&self) -> String {
        format!("`{}`", self.name)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Format) -> bool {
        self.name == other.name
    }
}

impl Eq for Format {}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a file's format is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Neither name nor content says it.
    Unknown,
    /// It is a file of this program, which is not read here.
    OfAnother(&'static str),
    /// There is no content, and the name does not say it.
    Empty,
    /// Several could be meant.
    Several(Vec<&'static Format>),
    /// The name says one thing and the content another.
    Mismatch {
        /// What the name says.
        name: &'static Format,
        /// What the content says.
        content: &'static Format,
    },
}

impl Doubt {
    /// What is doubtful, and what to write; `key` is how a format is named there, as `--from`.
    pub(crate) fn message(&self, path: &Path, key: impl Fn(&str) -> String) -> (String, String) {
        let path = path.display();
        match self {
            Doubt::Unknown => (
                format!("neither the name of {path} nor what stands in it says its format"),
                format!(
                    "say {}, or one of {}",
                    key("csv"),
                    list(FORMATS.iter().copied().filter(|row| row.name != "csv"))
                ),
            ),
            Doubt::OfAnother(program) => (
                format!("{path} is a file of {program}, whose redirects are not read here"),
                "write them into a `byway.toml`, or a line for each into a CSV: `byway formats` names all that is read"
                    .to_owned(),
            ),
            Doubt::Empty => (
                format!("{path} is empty, and its name does not say what it is to hold"),
                format!("write rules into it, or say what it is, as {}", key("nginx")),
            ),
            Doubt::Several(formats) => (
                format!("{path} could be {}", list(formats.iter().copied())),
                format!("say {}", formats.iter().map(|format| key(format.name)).collect::<Vec<_>>().join(" or ")),
            ),
            Doubt::Mismatch { name, content } => (
                format!("{path} is called like a file of {} and reads like one of {}", name.quoted(), content.quoted()),
                format!("say {} if it is what it reads like, and {} if not", key(content.name), key(name.name)),
            ),
        }
    }
}

fn list(formats: impl Iterator<Item = &'static Format>) -> String {
    formats.map(Format::quoted).collect::<Vec<_>>().join(", ")
}

/// The format that a file's name and first bytes say, if they leave no doubt.
pub fn recognise(path: &Path, head: &[u8]) -> Result<&'static Format, Doubt> {
    let like: Vec<&'static Format> = FORMATS.into_iter().filter(|format| (format.is_like)(head)).collect();
    let named: Vec<&'static Format> = FORMATS.into_iter().filter(|format| (format.is_named)(path)).collect();
    let both: Vec<&'static Format> = named.iter().copied().filter(|format| like.contains(format)).collect();
    // What reads like one of ours is one, whatever it is called.
    let is_known = like.iter().any(|format| format.is_foreign() || matches!(format.reader, Reader::Compiled));
    if let Some(program) = elsewhere::program(path).filter(|_| !is_known) {
        return Err(Doubt::OfAnother(program));
    }
    match (both.as_slice(), named.as_slice(), like.as_slice()) {
        ([one], ..) | ([], [one], []) | ([], [], [one]) => Ok(one),
        // What was compiled is known by its first bytes, whatever its name.
        ([], _, [one]) if matches!(one.reader, Reader::Compiled) => Ok(one),
        ([], [], []) if head.is_empty() => Err(Doubt::Empty),
        ([], [], []) => Err(Doubt::Unknown),
        ([], [name, ..], [content, ..]) => Err(Doubt::Mismatch { name, content }),
        ([], [], several) | ([], several, []) | (several, ..) => Err(Doubt::Several(several.to_vec())),
    }
}

/// The first line by which a text is told to be of a format, if it is one.
pub(crate) fn telling_line(format: &Format, head: &[u8]) -> Option<Range<usize>> {
    (format.is_like)(head).then_some(())?;
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', head).chain([head.len()]).collect();
    // What is told by some lines is told by more of them.
    let at = ends.partition_point(|end| !(format.is_like)(&head[..*end]));
    let line = |at: usize| {
        let end = ends[at];
        let start = at.checked_sub(1).map_or(0, |before| ends[before] + 1).min(end);
        (start, &head[start..end])
    };
    // The brace of a block may have a line of its own.
    let is_brace = |at: &usize| matches!(line(*at).1.trim_ascii(), b"{" | b"");
    let (start, line) = line((0..=at.min(ends.len() - 1)).rev().find(|at| !is_brace(at))?);
    let blanks = line.len() - line.trim_ascii_start().len();
    Some(start + blanks..start + blanks + line.trim_ascii().len())
}

/// Whether a file's name is one of a file of rules, or may be.
pub(crate) fn may_hold_rules(path: &Path) -> bool {
    FORMATS.iter().any(|format| (format.is_named)(path))
        || has_extension(path, &["conf"])
        || elsewhere::program(path).is_some()
}

/// Whether a file that was come across surely holds rules: TOML and CSV are many things.
pub(crate) fn holds_rules(format: &Format, path: &Path, head: &[u8]) -> bool {
    let has = |words: &[u8]| memchr::memmem::find(head, words).is_some();
    let header = head.split(|byte| *byte == b'\n').next().unwrap_or_default().to_ascii_lowercase();
    match format.name {
        "toml" => file_name(path) == "byway.toml" || has(b"[[redirect]]"),
        "csv" => header.starts_with(b"from,") || memchr::memmem::find(&header, b",to").is_some(),
        _ => true,
    }
}

/// The format that a text reads like where it was said to be another, and surely is not that one.
pub(crate) fn reads_like(said: &Format, head: &[u8]) -> Option<&'static Format> {
    let is_apaches = |format: &Format| matches!(format.name, "apache" | "htaccess");
    let is_other = |format: &&'static Format| !(is_apaches(format) && is_apaches(said));
    let is_like = |format: &&'static Format| format.is_foreign() && (format.is_like)(head);
    let other = FORMATS.into_iter().filter(is_other).find(is_like);
    other.filter(|_| said.is_foreign() && !(said.is_like)(head))
}

/// Apache's, where a file could be nothing but a part of a server's configuration or a `.htaccess`.
pub(crate) fn apache_of(doubtful: &[&'static Format]) -> Option<&'static Format> {
    let is_apaches = |format: &&&'static Format| matches!(format.name, "apache" | "htaccess");
    let all = doubtful.iter().all(|format| is_apaches(&format));
    doubtful.iter().copied().find(|format| all && format.name == "apache")
}

/// The format that a folder is read as.
pub(crate) fn of_folder() -> Option<&'static Format> {
    FORMATS.into_iter().find(|format| format.folders != Folders::No)
}

/// The name of a file in lower case, for [`Format::is_named`].
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// Whether a file's name ends so, in any case.
pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| extensions.iter().any(|extension| found.eq_ignore_ascii_case(extension)))
}

/// For formats that no content gives away.
pub(crate) fn never(_: &[u8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_once() {
        for format in FORMATS {
            assert_eq!(Format::named(format.name), Some(format));
            assert_eq!(FORMATS.iter().filter(|other| other.name == format.name).count(), 1, "{}", format.name);
        }
    }

    #[test]
    fn a_compiled_file_is_known_whatever_its_name() {
        let head = [byway_core::ruleset::MAGIC, b"...".as_slice()].concat();
        assert_eq!(recognise(Path::new("rules.csv"), &head).map(|format| format.name), Ok("compiled"));
        assert_eq!(recognise(Path::new("rules"), b"from,to"), Err(Doubt::Unknown));
        assert_eq!(recognise(Path::new("rules"), b""), Err(Doubt::Empty));
    }

    #[test]
    fn a_map_alone_is_nginx() {
        for text in [
            "map $uri $n { /a /b; }\n",
            "map $uri $n # moves\n{\n  /a /b;\n}\n",
            "map $uri $n { # moves\n",
            "map \"$host$uri\" $n\n{\n",
            "upstream app { server 127.0.0.1:1; }",
            "server\n{\n  root /srv;\n}\n",
        ] {
            let found = recognise(Path::new("moves.conf"), text.as_bytes());
            assert_eq!(found.map(|format| format.name), Ok("nginx"), "{text}");
        }
        for text in ["map of the site, $5 { }", "server", "upstream"] {
            assert_eq!(recognise(Path::new("moves.conf"), text.as_bytes()), Err(Doubt::Unknown), "{text}");
        }
    }
}
