//! Apache httpd: a virtual host around a folder of `.htaccess` files, one such file, or a configuration of its own.

mod adapted;
mod whole;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use self::adapted::Tree;
use super::{Folder, Laid, Ports, Server, Source, is_root};
use crate::replay::draw::Draw;

pub(super) const ROW: Server = Server {
    name: "apache",
    programs: &["apache2", "httpd"],
    formats: &["apache", "htaccess"],
    lay_out,
    arguments,
    check: &["-t"],
    run: &["-DFOREGROUND"],
    generate,
};

fn arguments(folder: &Folder) -> Vec<OsString> {
    let path = folder.path();
    // What it complains of, it says where it is heard.
    vec!["-d".into(), path.into(), "-f".into(), path.join("frame.conf").into()]
}

const MODULES: &[&str] = &[
    "mpm_event",
    "authz_core",
    "authz_host",
    "authn_core",
    "authn_file",
    "authz_user",
    "auth_basic",
    "access_compat",
    "alias",
    "rewrite",
    "dir",
    "mime",
    "headers",
    "env",
    "setenvif",
    "expires",
    "filter",
    "negotiation",
    "autoindex",
    "proxy",
    "proxy_http",
];
const FOLDERS: &[&str] = &["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2"];

fn lay_out(source: &Source<'_>, folder: &Folder) -> Result<Laid, String> {
    let mut ports = Ports::default();
    let own_root = folder.path().join("www");
    let mut frame = frame(folder)?;
    let host = |port: u16, root: &Path, inside: &str| {
        format!(
            "<VirtualHost 127.0.0.1:{port}>\nServerName frame.test\nDocumentRoot \"{}\"\n{inside}</VirtualHost>\n",
            root.display()
        )
    };
    let named = if source.named.is_dir() {
        let root = fs::canonicalize(source.named).map_err(|error| error.to_string())?;
        frame.push_str(&directory(&root));
        frame.push_str(&host(ports.get(80)?, &root, ""));
        root
    } else if source.format == "htaccess" {
        let text = fs::read(source.named).map_err(|error| format!("{}: {error}", source.named.display()))?;
        folder.write("www/.htaccess", text)?;
        frame.push_str(&directory(&own_root));
        frame.push_str(&host(ports.get(80)?, &own_root, ""));
        own_root
    } else {
        folder.write("www/empty.txt", "")?;
        let tree = Tree::of(source.named);
        let mut first = None;
        let mut lists = Vec::new();
        for file in source.files {
            let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let place = tree.place(file);
            if lists.contains(&place) {
                folder.write(Path::new("conf").join(place), bytes)?;
                continue;
            }
            let text = String::from_utf8_lossy(&bytes);
            lists.extend(adapted::lists(&text, &tree));
            let text = adapted::adapted(&text, &tree, &mut ports)?;
            let text = match first.is_none() && !has_host(source)? {
                true => host(ports.get(80)?, &own_root, &text),
                false => text,
            };
            let path = folder.write(Path::new("conf").join(place), text)?;
            first.get_or_insert(path);
        }
        let named = first.ok_or("no file was read")?;
        frame.push_str(&directory(&own_root));
        // Relative includes begin where the first file lies.
        let base = folder.path().join("conf");
        frame.push_str(&format!("ServerRoot \"{}\"\nInclude \"{}\"\n", base.display(), named.display()));
        named
    };
    // Without a virtual host nobody asked for a port yet.
    if ports.given().is_empty() {
        ports.get(80)?;
    }
    let listens: String = ports.given().iter().map(|port| format!("Listen 127.0.0.1:{port}\n")).collect();
    folder.write("frame.conf", listens + &frame)?;
    Ok(Laid { named, ports: ports.given() })
}

/// Whether some file of a configuration has a virtual host.
fn has_host(source: &Source<'_>) -> Result<bool, String> {
    for file in source.files {
        let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        if String::from_utf8_lossy(&text).to_ascii_lowercase().contains("<virtualhost") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn frame(folder: &Folder) -> Result<String, String> {
    let modules = FOLDERS.iter().find(|folder| Path::new(folder).join("mod_rewrite.so").exists());
    let modules = modules.ok_or("the modules of Apache are in none of the folders where they are looked for")?;
    let base = folder.path().display();
    let mut text = format!(
        "ServerRoot \"{base}\"\nServerName frame.test\nPidFile \"{base}/apache.pid\"\nErrorLog \"{base}/error.log\"\n\
         LogLevel crit\nDefaultRuntimeDir \"{base}\"\nMutex \"file:{base}\" default\n"
    );
    for module in MODULES {
        let file = Path::new(modules).join(format!("mod_{module}.so"));
        if file.exists() {
            text.push_str(&format!("LoadModule {module}_module {}\n", file.display()));
        }
    }
    folder.write("mime.types", "text/html html\ntext/turtle ttl\n")?;
    text.push_str(&format!(
        "TypesConfig \"{base}/mime.types\"\nStartServers 1\nServerLimit 1\nThreadsPerChild 16\nMaxRequestWorkers 16\n\
         MinSpareThreads 1\nMaxSpareThreads 16\nKeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 60\n\
         AccessFileName .htaccess\n<Directory />\nAllowOverride None\n</Directory>\n<IfModule mod_proxy.c>\nProxyBlock *\n</IfModule>\n"
    ));
    if is_root() {
        text.push_str("User nobody\nGroup nogroup\n");
    }
    Ok(text)
}

fn directory(root: &Path) -> String {
    format!(
        "<Directory \"{}\">\nAllowOverride All\nOptions FollowSymLinks\nRequire all granted\n</Directory>\n",
        root.display()
    )
}

pub(super) const SEGMENTS: &[&str] =
    &["a", "b", "old", "new", "docs", "api/v1", "x-y", "index.html", "img", "A", "p q"];
pub(super) const REGEXES: &[&str] = &[
    "a/(.*)$",
    "(old|docs)/(.+)\\.html$",
    "\\.php$",
    "api/v(\\d)/(.*)$",
    "img/",
    "([a-z]+)/([0-9]+)/?$",
    "x-y(/.*)?$",
    "b$",
    "$",
    "(.*)",
    "DOCS",
    "new/(.*)/(.*)",
];
pub(super) const TARGETS: &[&str] = &[
    "https://new.example/$1",
    "/moved/$1",
    "https://new.example/fixed",
    "https://%{HTTP_HOST}/s/$1",
    "/t?u=$1",
    "https://new.example/x?own=1",
    "https://new.example/x?",
    "https://new.example/#frag",
    "/r/$1",
    "https://new.example%{REQUEST_URI}",
    "https://new.example/%1",
];
pub(super) const CONDITIONS: &[&str] = &[
    "RewriteCond %{HTTP_HOST} ^(www\\.)?example\\.com$ [NC]",
    "RewriteCond %{QUERY_STRING} ^id=(\\d+)",
    "RewriteCond %{HTTP_ACCEPT} text/turtle [OR]\nRewriteCond %{HTTP_ACCEPT} application/rdf\\+xml",
    "RewriteCond %{REQUEST_URI} !^/moved/",
    "RewriteCond %{REQUEST_METHOD} =POST",
    "RewriteCond %{HTTPS} off",
    "RewriteCond %{HTTP:X-Beta} .",
];

/// A `.htaccess` of mod_alias and mod_rewrite.
fn generate(format: &str, draw: &mut Draw) -> (&'static str, String) {
    match format {
        "apache" => ("httpd.conf", whole::configuration(draw)),
        _ => (".htaccess", folder_text(draw)),
    }
}

pub(super) fn folder_text(draw: &mut Draw) -> String {
    let mut out = String::from("RewriteEngine On\n");
    if draw.one_in(4) {
        out.push_str("RewriteBase /base\n");
    }
    for _ in 0..2 + draw.below(10) {
        let status = draw.word(&["301", "302", "303", "307", "308", "307", "permanent", "temp", "seeother"]);
        match draw.below(5) {
            0 => out.push_str(&format!(
                "Redirect {status} \"/{}\" {}\n",
                draw.word(SEGMENTS),
                draw.word(&["https://new.example/d", "/to/", "https://new.example"])
            )),
            1 => {
                let target = draw.word(&["https://new.example/m/$1", "/m?x=$1", "https://new.example/m"]);
                out.push_str(&format!("RedirectMatch {status} \"^/{}\" {target}\n", draw.word(REGEXES)));
            }
            2 => out.push_str(&format!("Redirect gone \"/gone/{}\"\n", draw.word(SEGMENTS))),
            _ => {
                for _ in 0..[0, 0, 1, 1, 2][draw.below(5)] {
                    out.push_str(draw.word(CONDITIONS));
                    out.push('\n');
                }
                // Not the flags of whole configurations: those stand in the same order with others between them, and what a seed
                // makes hangs on the place of each.
                let flags = draw.word(&[
                    "R=307,L",
                    "R=308,L",
                    "R,L",
                    "R=301,L,QSA",
                    "R=302,NE,L",
                    "R=303,NC,L",
                    "R=307,L,QSD",
                    "L",
                    "R=307,B,L",
                    "G",
                    "F",
                    "R=307,END",
                    "S=1",
                    "R=308",
                    "R",
                ]);
                let target = if matches!(flags, "G" | "F") { "-" } else { draw.word(TARGETS) };
                out.push_str(&format!("RewriteRule \"^{}\" \"{target}\" [{flags}]\n", draw.word(REGEXES)));
            }
        }
    }
    if draw.one_in(3) {
        out.push_str(&front_controller(draw));
    }
    if draw.one_in(4) {
        // Names that a server defines are not known in a folder by itself.
        out.push_str(&whole::section_of_folder(draw).replace("${NEW}", "new.example"));
    }
    if draw.one_in(6) {
        let status = draw.word(&["404", "403", "410", "405"]);
        out.push_str(&format!("ErrorDocument {status} https://errors.example/{status}\n"));
    }
    out
}

/// What stands at the end of most content systems' files: everything else is one page's. A redirect without `L` above it is lost.
fn front_controller(draw: &mut Draw) -> String {
    let mut out = String::new();
    if draw.one_in(2) {
        out.push_str("RewriteRule ^index\\.php$ - [L]\n");
    }
    if draw.one_in(3) {
        out.push_str("RewriteCond %{REQUEST_URI} !^/(old|img)/\n");
    }
    if !draw.one_in(3) {
        out.push_str("RewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\n");
    }
    let target = draw.word(&["/index.php", "index.php", "index.php?q=$1", "/", "/docs/"]);
    let flags = draw.word(&["L", "L,QSA", "END", "PT", "R=303", "NC"]);
    out.push_str(&format!("RewriteRule {} {target} [{flags}]\n", draw.word(&[".", "^(.*)$", "^", "^http"])));
    out
}
