//! The `.htaccess` files of a tree: which of them are read, and what is there beside them.

use std::path::{Path, PathBuf};

use super::read::{Frame, Open, Reader, no_span};
use super::site::{Place, Scope};
use crate::files::EntryKind;

impl<'a, 'r> Reader<'a, 'r> {
    /// Keeps what is there below a document root.
    pub(super) fn note_tree(&mut self, at: usize, tree: &[(PathBuf, EntryKind)]) {
        if self.reading.is_for_writing() {
            return;
        }
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
    pub(super) fn tree_of(&mut self, at: usize) {
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

    pub(super) fn one_of_tree(&mut self, root: &Path, below: &Path) {
        self.folder = Some(url_of(below));
        self.begin_folder();
        self.file(&root.join(below).join(super::FOLDER_FILE), None);
        self.close_all();
        self.open.clear();
    }
}

fn url_of(folder: &Path) -> String {
    match folder.as_os_str().is_empty() {
        true => "/".to_owned(),
        false => format!("/{}/", folder.display()),
    }
}
