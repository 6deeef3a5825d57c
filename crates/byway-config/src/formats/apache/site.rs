//! What an Apache configuration says, before it becomes tables: servers, folders, locations, and what stands in each.

use std::collections::BTreeMap;
use std::rc::Rc;

use byway_core::dialect::EncodedSlash;

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
    /// Folders by their path in the URL, `/` at both ends.
    pub(super) folders: BTreeMap<String, Scope>,
    /// `<Location>`, `<If>` and `<Files>` sections.
    pub(super) locations: Vec<(Place, Scope)>,
    /// Folders that are there: they get their slash.
    pub(super) known: Vec<String>,
}

/// What a section is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `<Location>`.
    Path(String),
    /// `<LocationMatch>`.
    Pattern(String),
    /// `<If>`: expressions, each of which must hold or must not, below a folder.
    If { asked: Vec<(String, bool)>, folder: Option<String> },
    /// `<Files>`: a pattern for the name of a file, below a folder.
    Name { pattern: String, folder: Option<String> },
}

impl Place {
    /// Which sections go before which: those that httpd merges last come first.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Place::If { .. } => 0,
            Place::Path(_) | Place::Pattern(_) => 1,
            Place::Name { .. } => 2,
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
    /// `ErrorDocument` with a URL, by status.
    pub(super) errors: BTreeMap<u16, String>,
    /// Whether `.htaccess` files below may redirect (`AllowOverride`).
    pub(super) allows_files: Option<bool>,
    /// Why httpd answers everything here with 500.
    pub(super) broken: Option<Span>,
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
}

impl Rewriting {
    /// What holds here below a folder whose rules are those.
    pub(super) fn below(&self, above: Option<&Effective>) -> Effective {
        let parents = || above.map(|above| above.rules.clone()).unwrap_or_default();
        let handed = above.and_then(|above| above.hands_down).filter(|_| self.is_there && !self.ignores);
        let rules = match self.inherits.or(handed) {
            None => self.rules.clone(),
            Some(Inherits::After) => self.rules.iter().cloned().chain(parents()).collect(),
            Some(Inherits::Before) => parents().into_iter().chain(self.rules.iter().cloned()).collect(),
        };
        let is_on = self.engine.unwrap_or_else(|| above.is_some_and(|above| above.is_on));
        let has_options = self.inherits.is_some() || self.hands_down.is_some() || self.ignores;
        let hands_down = match has_options {
            true => self.hands_down,
            false => above.and_then(|above| above.hands_down),
        };
        Effective { rules, is_on, base: self.base.clone(), hands_down }
    }
}
