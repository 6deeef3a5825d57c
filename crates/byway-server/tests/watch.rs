//! Watching: a file replaced, a ConfigMap swapped, and a touch that changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use byway_server::watch::{Patience, Watch, watch};

const SOON: Duration = Duration::from_secs(10);

fn patience() -> Patience {
    Patience { settle: Duration::from_millis(30), poll: Duration::from_secs(3_600) }
}

fn watched(file: &Path) -> (Watch, Receiver<String>) {
    let (sender, receiver) = channel();
    let path = file.to_path_buf();
    let watching = watch(vec![path.clone()], patience(), move || {
        sender.send(fs::read_to_string(&path).unwrap_or_default()).expect("the test waits for it");
        vec![path.clone()]
    });
    (watching.expect("a watch can be set up"), receiver)
}

#[test]
fn a_file_renamed_into_place_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, beside) = (folder.path().join("rules.toml"), folder.path().join("rules.new"));
    fs::write(&file, "one").expect("written");
    let (_watch, changes) = watched(&file);
    fs::write(&beside, "two").expect("written");
    fs::rename(&beside, &file).expect("renamed");
    assert_eq!(changes.recv_timeout(SOON).as_deref(), Ok("two"));
    fs::write(&file, "two").expect("written again");
    fs::write(&file, "three").expect("written");
    assert_eq!(changes.recv_timeout(SOON).as_deref(), Ok("three"), "the same content again is no change");
}

#[test]
fn a_swapped_config_map_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for (version, text) in [("..one", "one"), ("..two", "two")] {
        fs::create_dir(at(version)).expect("made");
        fs::write(at(version).join("rules.toml"), text).expect("written");
    }
    symlink("..one", at("..data")).expect("linked");
    symlink("..data/rules.toml", at("rules.toml")).expect("linked");
    let (_watch, changes) = watched(&at("rules.toml"));
    symlink("..two", at("..data_tmp")).expect("linked");
    fs::rename(at("..data_tmp"), at("..data")).expect("swapped");
    assert_eq!(changes.recv_timeout(SOON).as_deref(), Ok("two"));
}
