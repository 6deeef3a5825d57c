//! Reloads of a running server: by signal, by the control socket, by watching.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::running::{Running, byway, put, text};

fn rule(from: &str, to: &str) -> String {
    format!("[[redirect]]\nfrom = \"{from}\"\nto = \"{to}\"\n\n")
}

/// So many rules, of which the first leads there.
fn rules(count: usize, first: &str) -> String {
    let mut text = rule("/0", first);
    for number in 1..count {
        text.push_str(&rule(&format!("/{number}"), "/there"));
    }
    text
}

fn without_time(line: &str) -> String {
    let mut shown = String::new();
    for word in line.split(' ') {
        let word =
            if word.bytes().all(|byte| byte.is_ascii_digit()) && shown.ends_with("unchanged, ") { "N" } else { word };
        _ = write!(shown, "{word} ");
    }
    shown.trim_end().to_owned()
}

#[test]
fn a_signal_puts_the_new_rules_in_service_and_says_what_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", &rules(20, "/a"));
    let server = Running::start(folder.path(), &[]);
    assert_eq!(server.gets("POST", "/0"), "307 /a");
    let changed =
        rules(20, "/b").replace(&rule("/7", "/there"), "") + &rule("/new", "/there") + &rule("/newer", "/there");
    put(folder.path(), "byway.toml", &changed);
    server.signal("HUP");
    let said = server.wait_for("reloaded");
    assert_eq!(without_time(&said), "reloaded: +2 −1 ~1, 18 unchanged, N ms, generation 2");
    assert_eq!(server.gets("POST", "/0"), "307 /b");
    assert_eq!(server.gets("POST", "/7"), "404");
    assert_eq!(server.gets("POST", "/new"), "307 /there");
}

#[test]
fn a_reload_with_a_mistake_changes_nothing_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", &rule("/a", "/b"));
    let server = Running::start(folder.path(), &["--control", "control.sock"]);
    put(folder.path(), "byway.toml", "[[redirect]]\nfrom = \"/a\"\nto = \"/c\"\nstatus = 304\n");
    server.signal("HUP");
    server.wait_for("304 is no status of a redirect");
    server.wait_for("the reload failed and changed nothing");
    assert_eq!(server.gets("GET", "/a"), "307 /b");
    let asked = byway(folder.path(), &["reload", "--control", "control.sock"]);
    assert_eq!(asked.status.code(), Some(2));
    assert!(text(&asked.stderr).contains("byway.toml:4:10"), "{}", text(&asked.stderr));
    std::fs::remove_file(folder.path().join("byway.toml")).expect("a file to remove");
    let asked = byway(folder.path(), &["reload", "--control", "control.sock"]);
    assert_eq!(asked.status.code(), Some(3), "{}", text(&asked.stderr));
    assert_eq!(server.gets("GET", "/a"), "307 /b");
}

#[test]
fn more_than_a_tenth_gone_is_refused_unless_forced() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", &rules(20, "/a"));
    let server = Running::start(folder.path(), &["--control", "control.sock"]);
    let mode = std::fs::metadata(folder.path().join("control.sock")).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    put(folder.path(), "byway.toml", &rules(17, "/b"));
    let asked = byway(folder.path(), &["reload", "--control", "control.sock"]);
    assert_eq!(asked.status.code(), Some(1));
    assert!(
        text(&asked.stderr)
            .starts_with("the reload would remove 3 of 20 rules, more than a tenth; nothing was changed\n")
    );
    assert_eq!((server.gets("GET", "/0"), server.gets("GET", "/19")), ("307 /a".to_owned(), "307 /there".to_owned()));
    let asked = byway(folder.path(), &["reload", "--control", "control.sock", "--force"]);
    assert_eq!(asked.status.code(), Some(0));
    assert_eq!(without_time(text(&asked.stdout).trim_end()), "reloaded: +0 −3 ~1, 16 unchanged, N ms, generation 2");
    assert_eq!((server.gets("GET", "/0"), server.gets("GET", "/19")), ("307 /b".to_owned(), "404".to_owned()));
}

#[test]
fn a_watched_file_is_read_again_when_it_changes_an_included_one_too() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", &format!("include = [\"more.toml\"]\n{}", rule("/a", "/b")));
    put(folder.path(), "more.toml", &rule("/c", "/d"));
    let server = Running::start(folder.path(), &["--watch"]);
    server.wait_for("serving 2 rules");
    put(folder.path(), "more.toml", &rule("/c", "/e"));
    server.wait_for("generation 2");
    assert_eq!(server.gets("GET", "/c"), "307 /e");
    put(folder.path(), "byway.toml", &format!("include = [\"more.toml\"]\n{}", rule("/a", "/f")));
    server.wait_for("generation 3");
    assert_eq!(server.gets("GET", "/a"), "307 /f");
}

#[test]
fn a_compiled_file_is_served_read_or_mapped_and_replaced_under_the_server() {
    for how in [&["rules.byway"][..], &["--map", "rules.byway"]] {
        let folder = tempfile::tempdir().expect("a folder");
        compile(folder.path(), &rules(20, "/a"));
        let server = Running::start(folder.path(), how);
        server.wait_for("serving 20 rules");
        assert_eq!(server.gets("GET", "/0"), "307 /a");
        compile(folder.path(), &rules(20, "/b"));
        assert_eq!(server.gets("GET", "/0"), "307 /a");
        server.signal("HUP");
        server.wait_for("+0 −0 ~1, 19 unchanged");
        assert_eq!(server.gets("GET", "/0"), "307 /b");
    }
}

fn compile(folder: &Path, rules: &str) {
    put(folder, "byway.toml", rules);
    let done = byway(folder, &["compile", "-o", "rules.byway"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}

#[test]
fn what_the_server_section_says_takes_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", &rule("/a", "/b"));
    let server = Running::start(folder.path(), &[]);
    put(folder.path(), "byway.toml", &format!("[server]\nunmatched = 410\n\n{}", rule("/a", "/b")));
    server.signal("HUP");
    server.wait_for("[server] differs from what it was at the start; that takes a restart");
}
