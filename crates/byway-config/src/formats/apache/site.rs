//! What an Apache configuration says, before it becomes tables: servers, folders, locations, and what stands in each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use byway_core::dialect::EncodedSlash;

use super::access::Access;
use super::alias::Alias;
use super::maps::Map;
use super::rule::{Cond, RewriteRule, Rules};
use crate::span::Span;

/// A whole configuration.
#[derive(Debug, Default)]
pub(super) struct Site {
    /// The main server, then the virtual hosts in their order.
    pub(super) servers: Vec<Server>,
}

/// A server or virtual host.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// Ports of its addresses; none where any will do.
    pub(super) ports: Vec<u16>,
    pub(super) is_tls: bool,
    /// Where it begins, where it is a virtual host of every address: which of those of one address are asked is not known.
    pub(super) span: Option<Span>,
    /// Host and port of `ServerName`.
    pub(super) name: Option<(String, Option<u16>)>,
    pub(super) aliases: Vec<String>,
    pub(super) root: Option<String>,
    pub(super) is_canonical: bool,
    pub(super) slashes: Option<EncodedSlash>,
    /// `RewriteMap` by name.
    pub(super) maps: BTreeMap<String, Rc<Map>>,
    /// What stands in the server itself.
    pub(super) own: Scope,
    /// `<Directory>` sections, by paths of the disk.
    pub(super) directories: Vec<(String, Scope)>,
    /// `.htaccess` files, by their folder's path in the URL, `/` at both ends.
    pub(super) folders: BTreeMap<String, Scope>,
    /// `<Location>`, `<If>`, `<Files>` and `<DirectoryMatch>` sections.
    pub(super) sections: Vec<Section>,
    /// Folders that are there: they get their slash.
    pub(super) known: Vec<String>,
    /// Files that are there, as paths of URLs; `None` where nobody has looked.
    pub(super) files: Option<Vec<String>>,
    /// Whether something beside the files of the document root is served (`Alias`, `ProxyPass` and the like).
    pub(super) serves_more: bool,
    /// Whether some of that is found by its path, where what folders say does not hold.
    pub(super) maps_paths: bool,
    /// Paths that `ProxyPass` takes, and those that it leaves alone (`!`): the first that fits has the word.
    pub(super) proxied: Vec<(String, bool)>,
}

/// A section: all of these must hold.
#[derive(Debug)]
pub(super) struct Section {
    /// From the outermost to its own.
    pub(super) places: Vec<Place>,
    /// What httpd takes for its folder where rules of mod_rewrite stand in it: what is written behind its name, and a slash.
    pub(super) name: String,
    /// The folder that it stands in.
    pub(super) folder: Option<Around>,
    pub(super) scope: Scope,
}

/// The folder that a section stands in.
#[derive(Clone, Debug)]
pub(super) enum Around {
    /// Of a `.htaccess`, by its path in the URL.
    Url(String),
    /// Of a `<Directory>`.
    Disk(String),
}

/// The path in the URL of a folder of the disk; what holds above the document root holds in all of it.
pub(super) fn url_of(root: Option<&str>, path: &str) -> Option<String> {
    let path = path.trim_end_matches('/');
    let Some(root) = root else { return path.is_empty().then(|| "/".to_owned()) };
    let root = root.trim_end_matches('/');
    match path.strip_prefix(root) {
        Some("") => Some("/".to_owned()),
        Some(below) if below.starts_with('/') => Some(format!("{below}/")),
        _ => root.starts_with(&format!("{path}/")).then(|| "/".to_owned()),
    }
}

impl Around {
    /// Its path in the URL, where it is below a document root.
    pub(super) fn url(&self, root: Option<&str>) -> Option<String> {
        match self {
            Around::Url(path) => Some(path.clone()),
            Around::Disk(path) => url_of(root, path),
        }
    }
}

/// What a section is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `<Location>`.
    Path(String),
    /// `<LocationMatch>`.
    Pattern(String),
    /// `<If>`: expressions, each of which must hold or must not.
    If(Vec<(String, bool)>),
    /// `<Files>`: a pattern for the name of a file.
    Name(String),
    /// `<DirectoryMatch>`: a pattern for the path of a file on the disk.
    Disk(String),
    /// `<Directory>` with `*` and the like: a pattern for the path of a folder on the disk.
    Folders(String),
}

impl Section {
    /// Which sections go before which: those that httpd merges last come first.
    pub(super) fn rank(&self, root: Option<&str>) -> (u8, Reverse<usize>, u8, Reverse<usize>) {
        let of_place = |place: &Place| match place {
            Place::If(_) => 0,
            Place::Path(_) | Place::Pattern(_) => 1,
            Place::Name(_) => 2,
            Place::Disk(_) => 3,
            Place::Folders(_) => 4,
        };
        let own = self.places.last().map_or(5, of_place);
        // Expressions inside of others are asked when all of those around them are merged.
        let depth = self.places.iter().filter(|place| matches!(place, Place::If(_))).count();
        // Of sections in sections, those of what is merged last.
        let around = self.places.iter().rev().skip(1).map(of_place).filter(|around| *around > 0).min().unwrap_or(5);
        (own, Reverse(depth), around, Reverse(self.url(root).map_or(0, |url| url.len())))
    }

    /// Whether it is known which section holds before it is known which file is meant.
    pub(super) fn is_early(&self) -> bool {
        !self.places.is_empty() && self.folder.is_none() && !self.asks_disk()
    }

    /// Whether it asks which file is meant.
    pub(super) fn asks_disk(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Name(_) | Place::Disk(_) | Place::Folders(_)))
    }

    /// The folder that it stands in, as a path of the URL.
    pub(super) fn url(&self, root: Option<&str>) -> Option<String> {
        self.folder.as_ref().and_then(|folder| folder.url(root))
    }

    /// Whether it stands in no folder, or in one that is below a document root.
    pub(super) fn is_below(&self, root: Option<&str>) -> bool {
        self.folder.is_none() || self.url(root).is_some()
    }

    /// The pattern of paths whose groups become variables.
    pub(super) fn pattern(&self) -> Option<&str> {
        match self.places.last()? {
            Place::Pattern(text) => Some(text),
            _ => None,
        }
    }
}

/// What stands in one place.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) rewriting: Rewriting,
    pub(super) aliases: Vec<Alias>,
    pub(super) sets: Vec<SetEnv>,
    pub(super) directory_slash: Option<bool>,
    /// `ErrorDocument` by status; none where it is a text of the server's own.
    pub(super) errors: BTreeMap<u16, Option<ErrorUrl>>,
    /// Whether folders without an index are listed (`Options Indexes`), and whether names are completed (`MultiViews`).
    pub(super) lists: Option<bool>,
    pub(super) completes: Option<bool>,
    /// `DirectoryIndex`.
    pub(super) indexes: Option<Vec<String>>,
    /// `FallbackResource`; an empty one is none.
    pub(super) fallback: Option<(Span, String)>,
    /// Whether `.htaccess` files below may redirect (`AllowOverride`).
    pub(super) allows_files: Option<bool>,
    /// Who may ask.
    pub(super) access: Access,
    /// Why httpd answers everything here with 500.
    pub(super) broken: Option<Span>,
}

/// A URL of `ErrorDocument`.
#[derive(Clone, Debug)]
pub(super) struct ErrorUrl {
    pub(super) span: Span,
    /// The line, for remarks.
    pub(super) text: String,
    pub(super) url: String,
    /// Whether it is a page of the server's own, by its path.
    pub(super) is_page: bool,
}

impl ErrorUrl {
    /// Whether somebody may be sent away for it: where it is a page, one of those that rules send on.
    pub(super) fn leads(&self, sent: &BTreeSet<String>) -> bool {
        !self.is_page || sent.contains(&self.url)
    }
}

/// What mod_rewrite is told in one place.
#[derive(Debug, Default)]
pub(super) struct Rewriting {
    /// Whether anything is.
    pub(super) is_there: bool,
    pub(super) engine: Option<bool>,
    pub(super) base: Option<String>,
    pub(super) inherits: Option<Inherits>,
    /// `InheritDown`, `InheritDownBefore`: what stands below gets these rules, behind or before its own.
    pub(super) hands_down: Option<Inherits>,
    /// Whether there are `RewriteOptions`: where there are none, those above hold.
    pub(super) says_options: bool,
    /// `IgnoreInherit`: not here.
    pub(super) ignores: bool,
    /// Whether the folder's own name without its slash is looked at (`RewriteOptions AllowNoSlash`).
    pub(super) takes_bare: bool,
    pub(super) rules: Rules,
    /// Conditions that wait for their rule.
    pub(super) waiting: Vec<Cond>,
    /// Where the last of them stands.
    pub(super) waiting_at: Option<Span>,
}

/// Which way the rules of the folder above go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inherits {
    After,
    Before,
}

/// `SetEnvIf`.
#[derive(Clone, Debug)]
pub(super) struct SetEnv {
    pub(super) span: Span,
    pub(super) attribute: String,
    pub(super) pattern: String,
    pub(super) ignores_case: bool,
    /// Names and values; no value takes the name away.
    pub(super) pairs: Vec<(String, Option<String>)>,
}

/// The rules of a folder with those it inherits, and whether they run.
#[derive(Clone, Debug, Default)]
pub(super) struct Effective {
    pub(super) rules: Vec<Rc<RewriteRule>>,
    pub(super) is_on: bool,
    pub(super) base: Option<String>,
    pub(super) hands_down: Option<Inherits>,
    pub(super) inherits: Option<Inherits>,
}

impl Server {
    /// The folders of which something is said in sections or files, each with what is said in the order in which it is merged.
    pub(super) fn layers<'s>(&'s self, main: Option<&'s Server>) -> BTreeMap<String, Vec<&'s Scope>> {
        let root = self.root.as_deref().or(main.and_then(|main| main.root.as_deref()));
        let mut out: BTreeMap<String, Vec<&Scope>> = BTreeMap::new();
        let mut directories: Vec<&(String, Scope)> =
            main.iter().flat_map(|main| &main.directories).chain(&self.directories).collect();
        // Of folders above the document root the nearer ones hold more.
        directories.sort_by_key(|(path, _)| path.trim_end_matches('/').len());
        for (path, scope) in directories {
            if let Some(url) = url_of(root, path) {
                out.entry(url).or_default().push(scope);
            }
        }
        for (path, scope) in &self.folders {
            out.entry(path.clone()).or_default().push(scope);
        }
        out
    }
}

impl Rewriting {
    /// What holds here below a folder whose rules are those.
    pub(super) fn below(&self, above: Option<&Effective>) -> Effective {
        let parents = || above.map(|above| above.rules.clone()).unwrap_or_default();
        let handed = above.and_then(|above| above.hands_down).filter(|_| self.is_there && !self.ignores);
        let inherits = match self.says_options {
            true => self.inherits,
            false => above.and_then(|above| above.inherits),
        };
        let rules = match inherits.or(handed) {
            None => self.rules.clone(),
            Some(Inherits::After) => self.rules.iter().cloned().chain(parents()).collect(),
            Some(Inherits::Before) => parents().into_iter().chain(self.rules.iter().cloned()).collect(),
        };
        let is_on = self.engine.unwrap_or_else(|| above.is_some_and(|above| above.is_on));
        let hands_down = match self.says_options {
            true => self.hands_down,
            false => above.and_then(|above| above.hands_down),
        };
        Effective { rules, is_on, base: self.base.clone(), hands_down, inherits }
    }
}
