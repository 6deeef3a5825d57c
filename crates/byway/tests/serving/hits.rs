//! Hits over restarts and reloads, and what `byway rules` makes of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::running::{Running, ask_of, byway, put, text};

const RULES: &str = r#"
[[redirect]]
id = "moved"
from = "/api/v1/*"
to = "/api/v2/*"
owner = "web"

[[redirect]]
id = "idle"
from = "/idle"
to = "https://www.example.com/there"
status = { get = 301, other = 307 }
until = "2099-01-01T00:00Z"

[[redirect]]
from = "/twice"
to = "/a"

[[redirect]]
from = "/twice"
to = "/b"
"#;

fn rules_json(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["rules", "--json"];
    all.extend(arguments);
    let done = byway(folder, &all);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    match serde_json::from_slice(&done.stdout).expect("JSON") {
        Value::Array(rows) => rows,
        other => panic!("no list: {other}"),
    }
}

fn hits(rows: &[Value], from: &str) -> Value {
    rows.iter().find(|row| row["from"] == from).unwrap_or_else(|| panic!("{from} is not listed"))["hits"].clone()
}

#[test]
fn hits_outlive_reloads_and_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    for round in 1..=2 {
        let server = Running::start(folder.path(), &["--hits", "byway.db"]);
        server.gets("POST", "/api/v1/a");
        server.gets("GET", "/api/v1/a");
        server.gets("GET", "/twice");
        put(folder.path(), "byway.toml", &format!("# changed\n{RULES}"));
        server.signal("HUP");
        server.wait_for("generation 2");
        server.gets("POST", "/api/v1/b");
        assert!(server.end("TERM").success());
        let rows = rules_json(folder.path(), &["--hits", "byway.db"]);
        assert_eq!(hits(&rows, "/api/v1/*")["total"], 3 * round);
        assert_eq!(hits(&rows, "/api/v1/*")["by_method"]["post"], 2 * round);
        assert_eq!(hits(&rows, "/idle")["total"], 0);
        // Two rules of one source are two rules.
        let twice: Vec<&Value> =
            rows.iter().filter(|row| row["from"] == "/twice").map(|row| &row["hits"]["total"]).collect();
        assert_eq!(twice.iter().filter_map(|hits| hits.as_i64()).sum::<i64>(), round);
    }
    let rows = rules_json(folder.path(), &["--hits", "byway.db"]);
    let moved = rows.iter().find(|row| row["identity"] == "moved").expect("a row");
    assert_eq!((&moved["owner"], &moved["age_days"]), (&"web".into(), &0.into()));
    for moment in ["last_hit", "first_seen", "observed_since", "unchanged_since"] {
        assert!(moved[moment].as_str().is_some_and(|at| at.ends_with('Z')), "{moment}: {moved}");
    }
}

#[test]
fn a_review_counts_from_since_or_from_when_a_server_saw_the_rule() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "[[redirect]]\nid = \"due\"\nfrom = \"/a\"\nto = \"/b\"\nsince = 2020-01-01T00:00:00Z\nreview = \"90d\"\n\n\
                 [[redirect]]\nid = \"seen\"\nfrom = \"/c\"\nto = \"/d\"\nreview = \"90d\"\n";
    put(folder.path(), "byway.toml", rules);
    let review = |arguments: &[&str]| {
        let rows = rules_json(folder.path(), arguments);
        ["due", "seen"].map(|id| rows.iter().find(|row| row["identity"] == id).expect("a row")["review"].clone())
    };
    assert_eq!(review(&[]), [Value::from("2020-03-31T00:00:00Z"), Value::Null]);
    assert!(Running::start(folder.path(), &["--hits", "byway.db"]).end("TERM").success());
    let [_, seen] = review(&["--hits", "byway.db"]);
    assert!(seen.as_str().is_some_and(|day| day > "2026-01-01"), "{seen}");
    let listed = text(&byway(folder.path(), &["rules"]).stdout);
    assert!(listed.contains("byway.toml:3)  to be looked at since 2020-03-31\n"), "{listed}");
}

#[test]
fn unused_is_said_only_where_somebody_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", &format!("[server]\nhits = \"byway.db\"\n{RULES}"));
    let server = Running::start(folder.path(), &[]);
    server.gets("POST", "/api/v1/a");
    assert!(server.end("TERM").success());
    let verdict = |arguments: &[&str]| -> Vec<(String, String)> {
        let rows = rules_json(folder.path(), arguments);
        let of = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        rows.iter().filter(|row| row["from"] != "/twice").map(|row| (of(row, "from"), of(row, "verdict"))).collect()
    };
    let pair = |from: &str, verdict: &str| (from.to_owned(), verdict.to_owned());
    assert_eq!(verdict(&["--unused", "90d"]), [pair("/idle", "unknown")]);
    assert_eq!(verdict(&["--unused", "0d"]).last(), Some(&pair("/idle", "unused")));
    // Without hits nothing is known.
    put(folder.path(), "byway.toml", RULES);
    assert_eq!(verdict(&["--unused", "90d"]), [pair("/api/v1/*", "unknown"), pair("/idle", "unknown")]);
    assert_eq!(byway(folder.path(), &["rules", "--unused", "90"]).status.code(), Some(2));
}

#[test]
fn logs_of_other_servers_are_decided_by_the_rules_and_merged() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    let log = r#"192.0.2.7 - - [22/Nov/2024:16:36:50 +0100] "POST /api/v1/x?y HTTP/1.1" 200 12 "-" "curl/8"
192.0.2.7 - - [22/Nov/2024:16:36:51 +0100] "GET /nothing HTTP/1.1" 404 12 "-" "curl/8"
what is this?
192.0.2.7 - - [22/Nov/2024:16:36:52 +0100] "GET /idle HTTP/1.1" 404 12 "-" "curl/8"
"#;
    put(folder.path(), "access.log", log);
    let server = Running::start(folder.path(), &["--hits", "byway.db"]);
    server.gets("POST", "/api/v1/a");
    assert!(server.end("TERM").success());
    let rows = rules_json(folder.path(), &["--hits", "byway.db", "--merge", "access.log"]);
    assert_eq!((&hits(&rows, "/api/v1/*")["total"], &hits(&rows, "/idle")["total"]), (&2.into(), &1.into()));
    let idle = rows.iter().find(|row| row["from"] == "/idle").expect("a row");
    assert_eq!(idle["last_hit"], "2024-11-22T15:36:52Z");
    // The log ended long ago: since then nobody has watched there.
    assert_eq!(idle["observed_since"], Value::Null);
    let said = byway(folder.path(), &["rules", "--merge", "access.log"]);
    assert!(
        text(&said.stderr).contains("access.log:3: this line is no request that is understood"),
        "{}",
        text(&said.stderr)
    );
    // The database twice, as if of two nodes: hits are added up.
    fs::copy(folder.path().join("byway.db"), folder.path().join("other.db")).expect("a copy");
    let rows = rules_json(folder.path(), &["--hits", "byway.db", "--merge", "other.db"]);
    assert_eq!(hits(&rows, "/api/v1/*")["total"], 2);
    assert!(rows[0]["observed_since"].is_string());
}

#[test]
fn a_damaged_database_stops_the_start_unless_told_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    put(folder.path(), "byway.db", &"no database ".repeat(1_000));
    let refused = byway(folder.path(), &["serve", "--hits", "byway.db", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(3));
    let said = text(&refused.stderr);
    assert!(said.contains("the database of hits byway.db is damaged") && said.contains("--hits-fresh"), "{said}");
    let refused = byway(folder.path(), &["rules", "--hits", "byway.db"]);
    assert_eq!(refused.status.code(), Some(3));
    let server = Running::start(folder.path(), &["--hits", "byway.db", "--hits-fresh"]);
    server.gets("POST", "/api/v1/a");
    assert!(server.end("TERM").success());
    assert_eq!(hits(&rules_json(folder.path(), &["--hits", "byway.db"]), "/api/v1/*")["total"], 1);
    let aside = fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok);
    assert!(aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("byway.db.damaged-")).count() == 1);
}

#[test]
fn a_database_that_cannot_be_written_is_counted_and_nothing_is_lost_when_it_can_be_again() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    let server = Running::start(folder.path(), &["--hits", "byway.db", "--metrics", "127.0.0.1:0"]);
    let watched = server.wait_for("metrics on ").replace("metrics on ", "");
    let other = rusqlite::Connection::open(folder.path().join("byway.db")).expect("the database");
    other.execute_batch("BEGIN EXCLUSIVE").expect("nobody else writes");
    assert_eq!(server.gets("POST", "/api/v1/a"), "307 /api/v2/a");
    server.wait_for("hits cannot be written to the database");
    assert_eq!(server.gets("POST", "/api/v1/a"), "307 /api/v2/a");
    let page = ask_of(&watched, "GET", "/metrics", &[], "").body;
    assert!(page.contains("byway_hits_lost_total 0\n") && !page.contains("byway_hits_faults_total 0\n"), "{page}");
    other.execute_batch("ROLLBACK").expect("all may write");
    assert!(server.end("TERM").success());
    assert_eq!(hits(&rules_json(folder.path(), &["--hits", "byway.db"]), "/api/v1/*")["total"], 2);
}

#[test]
fn origins_are_listed_with_what_may_go_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = "[[redirect]]\nfrom = \"/x/*\"\nto = \"http://127.0.0.1:81/*\"\nstatus = 302\n\n\
                [[redirect]]\nfrom = \"/y\"\nto = \"http://no-such-name.invalid/\"\n";
    put(folder.path(), "byway.toml", &format!("{RULES}\n{more}"));
    let rows = rules_json(folder.path(), &["--targets"]);
    let of = |origin: &str| {
        let row = rows.iter().find(|row| row["origin"] == origin).unwrap_or_else(|| panic!("no {origin}"));
        (row["rules"].as_u64(), row["bodies"].as_bool(), row["resolves"].as_bool())
    };
    assert_eq!(of("(the origin that was asked)"), (Some(3), Some(true), None));
    assert_eq!(of("http://127.0.0.1:81"), (Some(1), Some(false), Some(true)));
    assert_eq!(of("http://no-such-name.invalid"), (Some(1), Some(true), Some(false)));
}

#[test]
fn members_of_pools_are_listed_and_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "there.toml", "[[reply]]\nfrom = \"/gone\"\nstatus = 410\n");
    let there = Running::start(folder.path(), &["there.toml"]);
    let rules = format!(
        "[pool.p]\nmembers = [\"{}\"]\nstandby = [\"http://no-such-name.invalid\"]\n\n\
         [[redirect]]\nfrom = \"/a/*\"\nto = \"/b/*\"\npool = \"p\"\n\n\
         [[redirect]]\nid = \"fast\"\nfrom = \"/c\"\nto = \"/gone\"\nstatus = 302\npool = \"p\"\n",
        there.base
    );
    put(folder.path(), "byway.toml", &rules);
    let rows = rules_json(folder.path(), &["--targets"]);
    assert_eq!(rows.len(), 2, "{rows:?}");
    let first = rows.iter().find(|row| row["origin"] == there.base.as_str()).expect("the member");
    assert_eq!(
        (&first["rules"], &first["rules_with_bodies"], &first["resolves"]),
        (&2.into(), &1.into(), &true.into())
    );
    assert_eq!(first["pools"], serde_json::json!(["p"]));
    let listed = text(&byway(folder.path(), &["rules", "--targets"]).stdout);
    assert!(listed.contains("http://no-such-name.invalid  (pool p)\n"), "{listed}");
    let done = byway(folder.path(), &["rules", "--probe", "--json"]);
    let said: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let urls: Vec<&str> =
        said["targets"].as_array().expect("targets").iter().filter_map(|one| one["url"].as_str()).collect();
    assert_eq!(urls, [format!("{}/gone", there.base).as_str(), "http://no-such-name.invalid/gone"]);
    assert!(said["targets"][0]["verdict"] == "dead" && said["targets"][0]["rules"][0]["identity"] == "fast", "{said}");
}

#[test]
fn a_rule_that_says_so_is_not_asked_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "[[redirect]]\nid = \"left\"\nfrom = \"/a\"\nto = \"http://127.0.0.1:9/\"\nprobe = false\n";
    put(folder.path(), "byway.toml", rules);
    let done = byway(folder.path(), &["rules", "--probe"]);
    assert_eq!(text(&done.stdout), "0 targets, 0 dead; 1 rule left alone: `probe = false`\n");
    let compiled = byway(folder.path(), &["compile", "byway.toml", "-o", "rules.byway"]);
    assert_eq!(compiled.status.code(), Some(0), "{}", text(&compiled.stderr));
    let done = byway(folder.path(), &["rules", "rules.byway", "--probe", "--json"]);
    let said: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!((&said["targets"], &said["left_alone"][0]["identity"]), (&serde_json::json!([]), &"left".into()));
    put(folder.path(), "byway.toml", &rules.replace("false", "1"));
    assert_eq!(byway(folder.path(), &["rules", "--probe"]).status.code(), Some(2));
}

#[test]
fn targets_are_asked_over_tls_and_whom_nobody_vouches_for_is_dead() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    put(folder.path(), "cert.pem", &made.cert.pem());
    put(folder.path(), "key.pem", &made.signing_key.serialize_pem());
    put(folder.path(), "there.toml", "[[redirect]]\nfrom = \"/on\"\nto = \"/else\"\n");
    let arguments = ["there.toml", "--listen-tls", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let there = Running::start(folder.path(), &arguments);
    let port = there.wait_for("listening on https://").rsplit(':').next().expect("a port").to_owned();
    put(folder.path(), "byway.toml", &format!("[[redirect]]\nfrom = \"/a\"\nto = \"https://localhost:{port}/on\"\n"));
    let asked = |trusted: &str| -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_byway"));
        command.args(["rules", "--probe", "--json"]).current_dir(folder.path());
        command.env("SSL_CERT_FILE", folder.path().join(trusted)).env_remove("SSL_CERT_DIR");
        let said: Value = serde_json::from_slice(&command.output().expect("it runs").stdout).expect("JSON");
        said["targets"][0].clone()
    };
    assert_eq!((&asked("cert.pem")["verdict"], &asked("cert.pem")["said"]), (&"alive".into(), &"307".into()));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    put(folder.path(), "other.pem", &other.cert.pem());
    let said = asked("other.pem");
    assert_eq!(said["verdict"], "dead");
    assert!(said["said"].as_str().is_some_and(|why| why.starts_with("agreeing on TLS: ")), "{said}");
}

#[test]
fn dead_targets_are_found_and_those_who_say_no_are_alive() {
    let folder = tempfile::tempdir().expect("a folder");
    put(
        folder.path(),
        "there.toml",
        "[[reply]]\nfrom = \"/gone\"\nstatus = 410\n\n[[redirect]]\nfrom = \"/on\"\nto = \"/gone\"\n",
    );
    let there = Running::start(folder.path(), &["there.toml"]);
    let rules = format!(
        "[[redirect]]\nid = \"dead\"\nfrom = \"/a\"\nto = \"{base}/gone\"\n\n\
         [[redirect]]\nid = \"alive\"\nfrom = \"/b\"\nto = \"{base}/on#x\"\n\n\
         [[redirect]]\nid = \"open\"\nfrom = \"/c/*\"\nto = \"{base}/*\"\n",
        base = there.base
    );
    put(folder.path(), "byway.toml", &rules);
    let done = byway(folder.path(), &["rules", "--probe", "--json"]);
    let said: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let targets = said["targets"].as_array().expect("targets");
    let found: Vec<(&str, &str)> = targets
        .iter()
        .map(|target| (target["rules"][0]["identity"].as_str().unwrap_or(""), target["verdict"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(found, [("dead", "dead"), ("alive", "alive")]);
    assert_eq!(said["not_asked"][0]["identity"], "open");
}

#[test]
fn a_server_asks_targets_and_says_which_died() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "there.toml", "[[reply]]\nfrom = \"/gone\"\nstatus = 410\n");
    let there = Running::start(folder.path(), &["there.toml"]);
    put(folder.path(), "byway.toml", &format!("[[redirect]]\nfrom = \"/a\"\nto = \"{}/gone\"\n", there.base));
    let server = Running::start(folder.path(), &["--probe", "1s", "--hits", "byway.db"]);
    let said = server.wait_for("is dead: 410");
    assert!(said.contains("/gone"), "{said}");
    let said = server.wait_for("from /a");
    assert!(said.contains("byway.toml:2"), "{said}");
    let rows = rules_json(folder.path(), &["--hits", "byway.db"]);
    assert_eq!(rows[0]["target"]["dead"], true);
    assert!(text(&byway(folder.path(), &["rules", "--hits", "byway.db"]).stdout).contains("its target is dead since"));
    assert!(server.end("TERM").success());
}
