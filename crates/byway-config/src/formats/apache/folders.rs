//! The folders of a server, each with what it inherits, and what is there below its document root.

use std::collections::{BTreeMap, BTreeSet};

use super::alias::Alias;
use super::cond::Disk;
use super::lower::ancestors;
use super::site::{Effective, ErrorUrl, Scope, Server, SetEnv};
use crate::foreign::Reading;
use crate::span::Span;

/// A folder with what holds in it.
pub(super) struct Folder<'s> {
    pub(super) path: &'s str,
    /// What sections and files say of it, in the order in which they are merged.
    pub(super) layers: Vec<&'s Scope>,
    /// The layer whose rules of mod_rewrite hold.
    pub(super) rules_of: Option<&'s Scope>,
    pub(super) effective: Effective,
    pub(super) rewrites: bool,
    pub(super) sets: Vec<&'s SetEnv>,
    pub(super) aliases: Vec<&'s Alias>,
    pub(super) broken: Option<&'s Span>,
    pub(super) takes_bare: bool,
    pub(super) directory_slash: Option<bool>,
}

/// The folders of a server, each with what it inherits.
pub(super) fn merged_folders<'s>(
    layers: &'s BTreeMap<String, Vec<&'s Scope>>,
    base: &Effective,
) -> BTreeMap<&'s str, Folder<'s>> {
    let mut out: BTreeMap<&'s str, Folder<'s>> = BTreeMap::new();
    let mut all: Vec<(&'s str, Vec<&'s Scope>)> =
        layers.iter().map(|(path, layers)| (path.as_str(), layers.clone())).collect();
    all.sort_by_key(|(path, _)| path.len());
    for (path, layers) in all {
        let mut parents: Vec<&Folder<'_>> = ancestors(path).filter_map(|parent| out.get(parent)).collect();
        parents.sort_by_key(|folder| folder.path.len());
        let above = parents.iter().rev().find(|folder| folder.rewrites).map(|folder| &folder.effective);
        let mut effective = Some(above.unwrap_or(base).clone());
        let mut rules_of = None;
        for layer in layers.iter().filter(|layer| layer.rewriting.is_there) {
            effective = Some(layer.rewriting.below(effective.as_ref()));
            rules_of = Some(*layer).filter(|layer| layer.rewriting.inherits.is_none());
        }
        let sets = parents.last().map(|folder| folder.sets.clone()).unwrap_or_default();
        let last = || layers.iter().rev();
        let folder = Folder {
            path,
            rules_of,
            rewrites: layers.iter().any(|layer| layer.rewriting.is_there),
            effective: effective.unwrap_or_default(),
            sets: sets.into_iter().chain(layers.iter().flat_map(|layer| &layer.sets)).collect(),
            aliases: last().flat_map(|layer| &layer.aliases).collect(),
            broken: last().find_map(|layer| layer.broken.as_ref()),
            takes_bare: last().any(|layer| layer.rewriting.takes_bare),
            directory_slash: last().find_map(|layer| layer.directory_slash),
            layers,
        };
        out.insert(path, folder);
    }
    out
}

/// Where errors send people, by folder and status; those of the server are those of no folder.
pub(super) fn errors(
    server: &Server,
    main: Option<&Server>,
    folders: &BTreeMap<&str, Folder<'_>>,
    sent: &BTreeSet<String>,
) -> BTreeMap<(Option<String>, u16), Option<ErrorUrl>> {
    let own = main.into_iter().chain([server]).map(|server| (None, &server.own));
    let below = folders.values().flat_map(|folder| folder.layers.iter().map(|layer| (Some(folder.path), *layer)));
    own.chain(below)
        .flat_map(|(at, scope)| {
            scope
                .errors
                .iter()
                .map(move |(status, url)| ((at.map(str::to_owned), *status), url.clone().filter(|url| url.leads(sent))))
        })
        .collect()
}

/// The files and folders of a document root, where it is known.
pub(super) fn disk(server: &Server, reading: &Reading<'_>) -> Disk {
    let asks = |scope: &Scope| {
        scope
            .rewriting
            .rules
            .iter()
            .flat_map(|rule| &rule.conds)
            .any(|cond| cond.pattern.starts_with('-') && cond.pattern.len() == 2)
    };
    let sections = server.sections.iter().map(|section| &section.scope);
    let folders = server.folders.values().chain(server.directories.iter().map(|(_, scope)| scope));
    if !asks(&server.own) && !folders.chain(sections).any(asks) {
        return Disk::default();
    }
    let root = server.root.as_ref().map(std::path::PathBuf::from);
    if reading.is_for_writing() {
        return Disk { is_left: true, ..Disk::default() };
    }
    let Some(root) = reading.document_root(root.as_deref()) else { return Disk::default() };
    let Some(tree) = reading.tree(&root) else { return Disk::default() };
    let of_kind = |wanted| {
        tree.iter()
            .filter(move |(_, kind)| *kind == wanted)
            .map(|(path, _)| format!("/{}", path.display()))
            .collect::<Vec<_>>()
    };
    let folders: Vec<String> = of_kind(crate::files::EntryKind::Folder);
    let with_slash = folders.iter().map(|path| format!("{path}/")).chain(["/".to_owned()]).collect::<Vec<_>>();
    Disk {
        files: Some(of_kind(crate::files::EntryKind::File)),
        folders: Some(folders.into_iter().chain(with_slash).collect()),
        is_left: false,
    }
}
