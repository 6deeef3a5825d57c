//! A real Apache httpd for tests: one process, one port for each text, and what it answers.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use byway_config::examples::{Case, Expected};

/// A text that is run.
pub(crate) struct Site {
    /// Whether it is the `.htaccess` of the document root; else it stands in a virtual host.
    pub(crate) is_folder: bool,
    pub(crate) text: String,
}

/// The server, until it is dropped.
pub(crate) struct Httpd {
    child: Child,
    folder: PathBuf,
    ports: Vec<u16>,
}

const MODULES: &[&str] = &["mpm_event", "authz_core", "alias", "rewrite", "dir", "mime"];
const FOLDERS: &[&str] = &["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2"];

impl Httpd {
    /// Starts `program`, or says what it said.
    pub(crate) fn start(program: &Path, sites: &[Site]) -> Httpd {
        let folder = std::env::temp_dir().join(format!("byway-httpd-{}", std::process::id()));
        let listeners: Vec<TcpListener> =
            sites.iter().map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports: Vec<u16> =
            listeners.iter().map(|listener| listener.local_addr().expect("an address").port()).collect();
        drop(listeners);
        fs::create_dir_all(folder.join("empty")).expect("a folder");
        fs::write(folder.join("httpd.conf"), configuration(&folder, sites, &ports)).expect("a file");
        let base = folder.display().to_string();
        let conf = folder.join("httpd.conf").display().to_string();
        let arguments = ["-d", &base, "-f", &conf, "-DFOREGROUND"];
        let log = fs::File::create(folder.join("said.log")).expect("a file");
        let child = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(log).spawn().expect("a server");
        let mut httpd = Httpd { child, folder, ports };
        httpd.wait();
        httpd
    }

    /// Until the last port answers.
    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", *self.ports.last().expect("a port"))).is_err() {
            let is_over = self.child.try_wait().expect("a child").is_some();
            assert!(!is_over && Instant::now() < until, "{}", self.said());
            std::thread::yield_now();
        }
    }

    fn said(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("said.log") + &read("error.log")
    }

    /// What the site of this number answers; what is no redirect is its status.
    pub(crate) fn ask(&self, site: usize, case: &Case) -> Expected {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[site])).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let query = case.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let port = if case.port == case.scheme.default_port() { String::new() } else { format!(":{}", case.port) };
        let mut request = format!("{} {}{query} HTTP/1.1\r\nHost: {}{port}\r\n", case.method, case.path, case.host);
        for (name, value) in &case.fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("Connection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
        let field = head.lines().find_map(|line| line.strip_prefix("Location: "));
        match (status, field) {
            (300..=399, location) => Expected::Redirect { status, location: location.map(str::to_owned) },
            (404, _) => Expected::Pass,
            (status, _) => Expected::Reply(status),
        }
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        // Told to end and not killed: only so does it take its own children along.
        _ = Command::new("kill").arg(self.child.id().to_string()).status();
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.folder);
    }
}

fn configuration(folder: &Path, sites: &[Site], ports: &[u16]) -> String {
    let modules = FOLDERS.iter().find(|folder| Path::new(folder).join("mod_rewrite.so").exists());
    let modules = modules.expect("the modules of Apache");
    let base = folder.display();
    let mut text = format!(
        "ServerRoot \"{base}\"\nServerName httpd.test\nPidFile \"{base}/pid\"\nErrorLog \"{base}/error.log\"\n\
         DefaultRuntimeDir \"{base}\"\nMutex \"file:{base}\" default\n"
    );
    for module in MODULES.iter().filter(|module| Path::new(modules).join(format!("mod_{module}.so")).exists()) {
        text.push_str(&format!("LoadModule {module}_module {modules}/mod_{module}.so\n"));
    }
    text.push_str("TypesConfig /dev/null\nStartServers 1\nServerLimit 1\nThreadsPerChild 4\nMaxRequestWorkers 4\n");
    if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        text.push_str("User nobody\nGroup nogroup\n");
    }
    for (at, (site, port)) in sites.iter().zip(ports).enumerate() {
        let root = folder.join(format!("site{at}"));
        fs::create_dir_all(&root).expect("a folder");
        let inside = match site.is_folder {
            true => {
                fs::write(root.join(".htaccess"), &site.text).expect("a file");
                ""
            }
            false => &site.text,
        };
        let root = root.display();
        text.push_str(&format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nServerName httpd.test:80\nDocumentRoot \"{root}\"\n\
             <Directory \"{root}\">\nAllowOverride All\nOptions FollowSymLinks\nRequire all granted\n</Directory>\n\
             {inside}</VirtualHost>\n"
        ));
    }
    text
}
