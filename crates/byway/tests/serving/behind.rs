//! The recipes of `docs/behind.md`, each run with the real server in front of a real byway. Bodies go through them in
//! `tests/clients/behind.py`.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use byway_testkit::{Document, testbed, workspace_root};

use crate::running::{Running, ask_of, put};

const RULES: &str = r#"
[server]
trusted_proxies = ["127.0.0.0/8"]

[[redirect]]
from = "/api/v1/*"
to = "/api/v2/*"

[[redirect]]
from = "//old.example/old"
to = "https://{host}/new"

[[redirect]]
from = "/old/mine"
to = "/yours"
when = { address = "127.0.0.1" }
"#;

/// A server that is not ours; dropped, it is killed.
struct Front {
    child: Child,
    base: String,
}

impl Drop for Front {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// A block of the page, by its language and its name.
fn recipe(language: &str, name: &str) -> String {
    let text = fs::read_to_string(workspace_root().join("docs/behind.md")).expect("the page");
    let document = Document::parse(&text);
    let mut blocks = document.sections.iter().flat_map(|section| &section.blocks);
    let wanted = format!("{language} as={name}");
    blocks.find(|block| block.info == wanted).unwrap_or_else(|| panic!("no block `{wanted}`")).text.clone()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// Starts a server with its configuration, and waits until it answers.
fn start(program: &Path, arguments: &[&str], folder: &Path, port: u16) -> Front {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("HOME", folder).stdin(Stdio::null());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let front = Front { child, base: format!("http://127.0.0.1:{port}") };
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "{} does not listen", program.display());
        std::thread::yield_now();
    }
    front
}

struct Behind {
    folder: tempfile::TempDir,
    byway: Running,
    site: Running,
}

/// A byway with the rules, and another one as the site: it has `/page`, which it answers with 410, and nothing else.
fn behind() -> Behind {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path(), "byway.toml", RULES);
    put(folder.path(), "site.toml", "[[reply]]\nfrom = \"/page\"\nstatus = 410\n");
    let byway = Running::start(folder.path(), &["byway.toml"]);
    let site = Running::start(folder.path(), &["site.toml"]);
    Behind { folder, byway, site }
}

impl Behind {
    fn filled(&self, recipe: &str, port: u16) -> String {
        let bare = |running: &Running| running.base.replace("http://", "");
        recipe
            .replace("UPSTREAM", &bare(&self.byway))
            .replace("SITE", &bare(&self.site))
            .replace("LISTEN", &format!("127.0.0.1:{port}"))
    }

    /// What every recipe must do: redirects with method and host kept, the site's own pages, and the client's real address.
    fn is_held_to(&self, front: &Front) {
        let ask = |method: &str, target: &str, fields: &[(&str, &str)]| {
            let got = ask_of(&front.base, method, target, fields, if method == "POST" { "a=b" } else { "" });
            format!("{} {}", got.status, got.location.unwrap_or_default()).trim_end().to_owned()
        };
        assert_eq!(ask("POST", "/api/v1/x?y=z", &[]), "307 /api/v2/x?y=z");
        assert_eq!(ask("GET", "/old", &[("Host", "old.example")]), "307 https://old.example/new");
        assert_eq!(ask("GET", "/old/mine", &[]), "307 /yours");
        assert_eq!(ask("GET", "/page", &[]), "410");
        // What a client says of itself does not get through.
        assert_eq!(ask("GET", "/old/mine", &[("X-Forwarded-For", "192.0.2.1")]), "307 /yours");
        assert_eq!(ask("GET", "/old", &[("Host", "x"), ("X-Forwarded-Host", "old.example")]), "404");
    }
}

fn nginx(names: &[&str]) {
    let Some(nginx) = testbed::find("nginx") else { return };
    let (behind, port) = (behind(), free_port());
    let inner: String = names.iter().map(|name| behind.filled(&recipe("nginx", name), port)).collect();
    let folder = behind.folder.path();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|part| format!("{part}_temp_path {0}/{part};", folder.display()))
        .join(" ");
    let text = format!(
        "pid {0}/nginx.pid; error_log stderr; daemon off; master_process off;\nevents {{}}\nhttp {{\n\
         access_log off; {temporary}\nserver {{ listen 127.0.0.1:{port};\n{inner}\n}}\n}}\n",
        folder.display()
    );
    put(folder, "nginx.conf", &text);
    let conf = folder.join("nginx.conf");
    let front = start(&nginx, &["-p", &folder.display().to_string(), "-c", &conf.display().to_string()], folder, port);
    behind.is_held_to(&front);
}

#[test]
fn nginx_asks_byway_first() {
    nginx(&["first-stop"]);
}

#[test]
fn nginx_hands_bodies_on_where_byway_takes_all() {
    nginx(&["first-stop", "early"]);
}

#[test]
fn nginx_asks_byway_when_nothing_is_found() {
    nginx(&["fallback"]);
}

#[test]
fn haproxy_asks_byway_for_what_moved() {
    let Some(haproxy) = testbed::find("haproxy") else { return };
    let (behind, port) = (behind(), free_port());
    let times = "defaults\n    mode http\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\n";
    put(
        behind.folder.path(),
        "haproxy.cfg",
        &format!("{times}{}", behind.filled(&recipe("haproxy", "first-stop"), port)),
    );
    let front = start(&haproxy, &["-f", "haproxy.cfg"], behind.folder.path(), port);
    behind.is_held_to(&front);
}

fn caddy(name: &str) {
    let Some(caddy) = testbed::find("caddy") else { return };
    let (behind, port) = (behind(), free_port());
    // `http://127.0.0.1:PORT` would be that host alone; other hosts must come through as well.
    let text = behind
        .filled(&recipe("caddy", name), port)
        .replace(&format!("http://127.0.0.1:{port}"), &format!("http://:{port}"));
    put(behind.folder.path(), "Caddyfile", &format!("{{\n    admin off\n    auto_https off\n}}\n{text}"));
    let front = start(&caddy, &["run", "--config", "Caddyfile", "--adapter", "caddyfile"], behind.folder.path(), port);
    behind.is_held_to(&front);
}

#[test]
fn caddy_asks_byway_first() {
    caddy("first-stop");
}

#[test]
fn caddy_asks_byway_for_what_moved() {
    caddy("moved");
}
