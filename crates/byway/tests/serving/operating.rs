//! A running server as operators see it: metrics by the rules of their format, health, readiness.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use byway_net::{Ask, Limits, Transport};

use crate::running::{Running, ask_of, byway, put};

const RULES: &str = r#"
[[redirect]]
from = "/api/v1/*"
to = "/api/v2/*"

[[redirect]]
from = "/long/*"
to = "/longer/{path}{path}{path}"

[[reply]]
from = "/gone"
status = 410
"#;

/// What a page of metrics says, read strictly: every family has its help and type, in this order, once, and its samples
/// follow; no series twice; every value is a number; buckets only grow and end at the count.
fn read(page: &str) -> HashMap<String, f64> {
    let (mut samples, mut families, mut open) = (HashMap::new(), HashSet::new(), ("", ""));
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().expect("a name");
            let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type after the help");
            let (of, kind) = kind.split_once(' ').expect("a name and a type");
            assert_eq!(of, name);
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            assert!(families.insert(name), "{name} stands twice");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            open = (name, kind);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let name = series.split('{').next().expect("a name");
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        assert!(name == open.0 || open.1 == "histogram" && stem == Some(open.0), "{name} is not of {}", open.0);
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        labels(series);
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} stands twice");
    }
    assert!(page.ends_with('\n'));
    samples
}

/// Labels are `name="value"`, joined by commas, with quotes, backslashes and line ends escaped.
fn labels(series: &str) {
    let Some(labels) = series.split_once('{').map(|(_, rest)| rest.strip_suffix('}').expect("a closing brace")) else {
        return;
    };
    for label in labels.split("\",") {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label: {label}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(!value.trim_end_matches('"').contains('"'), "{value}");
    }
}

fn metrics(base: &str) -> HashMap<String, f64> {
    let page = ask_of(base, "GET", "/metrics", &[], "");
    assert_eq!(page.status, 200);
    read(&page.body)
}

#[test]
fn metrics_say_what_was_answered_and_hold_to_their_format() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    let server = Running::start(folder.path(), &["--metrics", "127.0.0.1:0"]);
    let watched = server.wait_for("metrics on ").replace("metrics on ", "");
    for _ in 0..3 {
        assert_eq!(server.gets("POST", "/api/v1/a"), "307 /api/v2/a");
    }
    assert_eq!(server.gets("GET", "/gone"), "410");
    assert_eq!(server.gets("GET", "/nothing"), "404");
    assert_eq!(server.gets("BREW", "/nothing"), "404");
    assert_eq!(server.gets("GET", &format!("/long/{}", "x".repeat(4_000))), "414");
    let said = metrics(&watched);
    let answers = |method: &str, status: u16| {
        let labels = format!("{{listener=\"{}\",method=\"{method}\",status=\"{status}\"}}", server.base);
        said.get(&format!("byway_requests_total{labels}")).copied()
    };
    assert_eq!(answers("post", 307), Some(3.0));
    assert_eq!(answers("get", 410), Some(1.0));
    assert_eq!((answers("get", 404), answers("other", 404)), (Some(1.0), Some(1.0)));
    let decided = |kind: &str| said[&format!("byway_decisions_total{{kind=\"{kind}\"}}")];
    assert_eq!(["redirect", "reply", "pass", "refuse"].map(decided), [3.0, 1.0, 2.0, 1.0]);
    assert_eq!(said["byway_refusals_total{reason=\"location_too_long\"}"], 1.0);
    assert_eq!(said["byway_answer_seconds_count"], 7.0);
    assert_eq!(said["byway_answer_seconds_bucket{le=\"+Inf\"}"], 7.0);
    assert!(said["byway_answer_seconds_sum"] > 0.0);
    assert_eq!((said["byway_rules"], said["byway_generation"], said["byway_load_errors_total"]), (3.0, 1.0, 0.0));
    assert!(said.keys().filter(|series| series.contains("_bucket")).count() > 10);
    assert_eq!(said["byway_connections_accepted_total"], 7.0);
}

#[test]
fn a_reload_shows_in_metrics_whether_it_failed_or_not() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", &format!("[server]\nmetrics = \":0\"\n{RULES}"));
    let server = Running::start(folder.path(), &[]);
    let watched = server.wait_for("metrics on http://127.0.0.1:").replace("metrics on ", "");
    put(folder.path(), "byway.toml", "[[redirect]]\n");
    server.signal("HUP");
    server.wait_for("the reload failed and changed nothing");
    // The count follows the words; the next reload comes after both.
    put(folder.path(), "byway.toml", &format!("{RULES}\n[[reply]]\nfrom = \"/more\"\nstatus = 404\n"));
    server.signal("HUP");
    server.wait_for("generation 2");
    let said = metrics(&watched);
    assert_eq!((said["byway_rules"], said["byway_generation"], said["byway_load_errors_total"]), (4.0, 2.0, 1.0));
}

#[test]
fn health_readiness_and_what_else_is_asked_there() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    let server = Running::start(folder.path(), &["--metrics", "127.0.0.1:0"]);
    let watched = server.wait_for("metrics on ").replace("metrics on ", "");
    let status = |method: &str, path: &str| ask_of(&watched, method, path, &[], "").status;
    assert_eq!((status("GET", "/healthz"), status("GET", "/readyz"), status("HEAD", "/metrics")), (200, 200, 200));
    assert_eq!((status("POST", "/metrics"), status("GET", "/")), (405, 404));
}

#[test]
fn a_place_for_metrics_that_cannot_be_had_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    let refused = byway(folder.path(), &["serve", "--metrics", "9307x", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`9307x` is no address for metrics"));
}

/// A server that has everything of which there are figures.
fn with_everything(folder: &Path) -> (Running, String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    put(folder, "cert.pem", &made.cert.pem());
    put(folder, "key.pem", &made.signing_key.serialize_pem());
    let pool = "[pool.p]\nmembers = [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"]\n\n\
                [[redirect]]\nfrom = \"/c\"\nto = \"/d\"\npool = \"p\"\n";
    put(folder, "byway.toml", &format!("{pool}{RULES}"));
    let arguments = ["--listen-tls", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let more = ["--metrics", "127.0.0.1:0", "--hits", "byway.db", "--probe", "1h", "--control", "control.sock"];
    let server = Running::start(folder, &[&arguments[..], &more].concat());
    let tls = server.wait_for("listening on https://").replace("listening on ", "").replace("127.0.0.1", "localhost");
    let watched = server.wait_for("metrics on ").replace("metrics on ", "");
    (server, tls, watched)
}

#[test]
fn certificates_handshakes_and_members_are_figures() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, tls, watched) = with_everything(folder.path());
    let certificate = "byway_certificate_expiry_timestamp_seconds{file=\"cert.pem\",name=\"localhost\"}";
    let said = metrics(&watched);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    assert!(said[certificate] > now, "{said:?}");
    assert_eq!((said["byway_certificate_errors_total"], said["byway_load_errors_total"]), (0.0, 0.0));
    let up = |said: &HashMap<String, f64>| {
        [1, 2].map(|port| said[&format!("byway_pool_member_up{{pool=\"p\",member=\"http://127.0.0.1:{port}\"}}")])
    };
    assert_eq!(up(&said), [1.0, 1.0]);
    let drained = byway(folder.path(), &["pool", "drain", "p", "127.0.0.1:2", "--control", "control.sock"]);
    assert_eq!((drained.status.code(), up(&metrics(&watched))), (Some(0), [1.0, 0.0]));
    put(folder.path(), "key.pem", "nonsense");
    server.wait_for("the certificates in use stay in use");
    let said = metrics(&watched);
    assert!(said["byway_certificate_errors_total"] >= 1.0 && said[certificate] > now, "{said:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let trusting = |pem: Vec<u8>| {
        let transport = Transport::new("test", Limits::default()).trusting(pem);
        runtime.block_on(transport.send(Ask::get(format!("{tls}/gone").parse().expect("a URL"))))
    };
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    assert!(trusting(other.cert.pem().into_bytes()).is_err());
    let trusted = std::fs::read(folder.path().join("cert.pem")).expect("the certificate");
    assert_eq!(trusting(trusted).expect("an answer").status, 410);
    let said = metrics(&watched);
    let shook = |end: &str| said[&format!("byway_tls_handshakes_total{{end=\"{end}\"}}")];
    assert_eq!((shook("done"), shook("failed")), (1.0, 1.0));
}

#[test]
fn the_dashboard_the_alerts_and_the_manual_name_families_that_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, _, watched) = with_everything(folder.path());
    server.gets("GET", "/gone");
    let served: HashSet<String> =
        metrics(&watched).keys().map(|series| series.split('{').next().expect("a name").to_owned()).collect();
    let stems = served.iter().filter_map(|name| name.strip_suffix("_bucket")).map(str::to_owned).collect::<Vec<_>>();
    let served: HashSet<String> = served.into_iter().chain(stems).collect();
    for file in ["examples/monitoring/alerts.yml", "examples/monitoring/dashboard.json", "docs/operations.md"] {
        let text = std::fs::read_to_string(byway_testkit::workspace_root().join(file)).expect("a file");
        let words = text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_');
        let named: HashSet<&str> = words.filter(|word| word.starts_with("byway_")).collect();
        assert!(named.len() > 3, "{file}: {named:?}");
        for name in named {
            assert!(served.contains(name), "{file} names {name}, which is not served");
        }
    }
}
