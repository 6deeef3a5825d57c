//! What would keep a server from starting here with what `[server]` and `[admin]` say, found without opening or writing anything.

use std::path::Path;

use byway_config::own::server::ServerSettings;

use crate::admin;
use crate::exit::Failure;
use crate::listening::{self, Listening};

/// Each thing that stands in the way, in the words in which the server would say it.
pub(crate) fn obstacles(written: &ServerSettings) -> Vec<Failure> {
    let log = written.access_log.as_ref().map(|log| ("the access log", log.path.as_str()));
    let hits = written.hits.as_deref().map(|path| ("the database of hits", path));
    let folders = log.into_iter().chain(hits).map(|(what, path)| in_a_folder(what, Path::new(path)));
    [
        listening::planned(written, &Listening::default()).map(drop),
        listening::trust(written).map(drop),
        admin::planned(&written.admin).map(drop),
    ]
    .into_iter()
    .chain(folders)
    .filter_map(Result::err)
    .collect()
}

fn in_a_folder(what: &str, path: &Path) -> Result<(), Failure> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            let message =
                format!("{what} {} cannot be opened: there is no folder {}", path.display(), folder.display());
            Err(Failure::no_verdict(message).help(format!("mkdir -p {}", folder.display())))
        }
        _ => Ok(()),
    }
}
