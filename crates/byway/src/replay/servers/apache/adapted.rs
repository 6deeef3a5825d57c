//! A person's configuration as it is laid out: with ports of ours, includes and lists found where they lie now, and nothing that
//! concerns the machine or reaches out into the network.
//!
//! A line that goes becomes an empty one, and one that changes stays one: places stay what they are.

use std::path::{Component, Path, PathBuf};

use super::super::Ports;

/// Directives that concern the machine, by their beginning in small letters.
const LEFT_OUT: &[&str] = &[
    "listen",
    "loadmodule",
    "serverroot",
    "user ",
    "group ",
    "pidfile",
    "errorlog",
    "customlog",
    "transferlog",
    "logformat",
    "loglevel",
    "mutex",
    "ssl",
    "startservers",
    "maxrequestworkers",
    "threadsperchild",
    "serverlimit",
];

/// Where what a proxy asks is sent: nobody listens there, and what is asked of it is content that cannot be had.
const NOWHERE: &str = "http://127.0.0.1:1/";

/// Where the files of a configuration lie, and where they are laid out.
pub(super) struct Tree {
    /// The folder of the first file, from the root.
    base: PathBuf,
}

impl Tree {
    pub(super) fn of(named: &Path) -> Tree {
        let here = std::env::current_dir().unwrap_or_default();
        let named = plain(&here.join(named));
        Tree { base: named.parent().unwrap_or(Path::new("/")).to_owned() }
    }

    /// Where a file is laid out, below the folder of the first: under the whole of its path where it lies elsewhere.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        let here = std::env::current_dir().unwrap_or_default();
        self.within(&plain(&here.join(path)))
    }

    /// Where a file is laid out that the text names, relative to the first one's folder.
    fn named(&self, path: &str) -> String {
        self.within(&plain(&self.base.join(path))).display().to_string()
    }

    fn within(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.base) {
            Ok(below) => below.to_owned(),
            Err(_) => Path::new("elsewhere").join(path.strip_prefix("/").unwrap_or(path)),
        }
    }
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = out.pop(),
            part => out.push(part),
        }
    }
    out
}

/// The text as it is laid out.
pub(super) fn adapted(text: &str, tree: &Tree, ports: &mut Ports) -> Result<String, String> {
    let mut out = String::new();
    let mut in_proxy = false;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let small = trimmed.to_ascii_lowercase();
        let is_proxy = small.starts_with("<proxy");
        in_proxy |= is_proxy;
        if in_proxy {
            in_proxy = !small.starts_with("</proxy");
        } else if small.starts_with("<virtualhost") {
            out.push_str(&format!("<VirtualHost{}>", addresses(&small, ports)?));
        } else if !LEFT_OUT.iter().any(|head| small.starts_with(head)) {
            out.push_str(&changed(line, &small, tree));
        }
        out.push('\n');
    }
    Ok(out)
}

/// A directive with its files found and its proxies pointed nowhere.
fn changed(line: &str, small: &str, tree: &Tree) -> String {
    let words = words(line.trim_start());
    let head = small.split_whitespace().next().unwrap_or_default();
    match (head, words.as_slice()) {
        ("include" | "includeoptional", [name, path]) => format!("{name} \"{}\"", tree.named(path)),
        ("rewritemap", [name, map, from, rest @ ..]) => match from.split_once(':') {
            Some(("txt", path)) => {
                let line = format!("{name} {map} \"txt:{}\" {}", tree.named(path), rest.join(" "));
                line.trim_end().to_owned()
            }
            _ => line.to_owned(),
        },
        ("proxypass" | "proxypassmatch", [name, path, to, ..]) if *to != "!" => {
            format!("{name} \"{path}\" {NOWHERE}")
        }
        // In a location it takes its path.
        ("proxypass" | "proxypassmatch", [name, to]) if *to != "!" => format!("{name} {NOWHERE}"),
        ("proxypass" | "proxypassmatch", _) => line.to_owned(),
        ("sethandler", [name, to]) if to.starts_with("proxy:") => format!("{name} \"proxy:{NOWHERE}\""),
        ("rewriterule", [.., flags]) if is_proxied(flags) => nowhere(line),
        (head, _) if head.starts_with("proxy") || head == "balancermember" => String::new(),
        _ => line.to_owned(),
    }
}

/// Whether flags of mod_rewrite hand the request to another server.
fn is_proxied(flags: &str) -> bool {
    let inside = flags.strip_prefix('[').and_then(|flags| flags.strip_suffix(']'));
    let mut flags = inside.unwrap_or_default().split(',').map(str::trim);
    flags.any(|flag| flag.eq_ignore_ascii_case("p") || flag.eq_ignore_ascii_case("proxy"))
}

/// A rule whose target is nobody's.
fn nowhere(line: &str) -> String {
    let Some(at) = line.find("://") else { return line.to_owned() };
    let is_before = |(_, sign): &(usize, char)| !sign.is_ascii_alphanumeric() && !"+:/.".contains(*sign);
    let before = line[..at].char_indices().rfind(is_before);
    let start = before.map_or(0, |(before, sign)| before + sign.len_utf8());
    let rest = &line[at + 3..];
    let end = rest.find(|sign: char| sign == '/' || sign == '"' || sign.is_whitespace()).unwrap_or(rest.len());
    format!("{}{}{}", &line[..start], NOWHERE.trim_end_matches('/'), &rest[end..])
}

/// The words of a line, without their quotes.
fn words(line: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            quote @ ('"' | '\'') => rest[1..].split_once(quote).unwrap_or((&rest[1..], "")),
            _ => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        out.push(word);
        rest = behind.trim_start();
    }
    out
}

/// The addresses of a virtual host on loopback, with the ports that stand for theirs; one that names none stands for 80.
fn addresses(line: &str, ports: &mut Ports) -> Result<String, String> {
    let mut wanted = Vec::new();
    for address in line.trim_start_matches("<virtualhost").trim_end_matches('>').split_whitespace() {
        let port = ports.get(address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(80))?;
        if !wanted.contains(&port) {
            wanted.push(port);
        }
    }
    Ok(wanted.iter().map(|port| format!(" 127.0.0.1:{port}")).collect())
}

/// The lists that a text names, as they are laid out.
pub(super) fn lists(text: &str, tree: &Tree) -> Vec<PathBuf> {
    let maps = text.lines().map(|line| words(line.trim_start()));
    maps.filter_map(|words| match words.as_slice() {
        [name, _, from, ..] if name.eq_ignore_ascii_case("rewritemap") => {
            Some(tree.named(from.strip_prefix("txt:").unwrap_or(from)).into())
        }
        _ => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(text: &str) -> (String, Vec<u16>) {
        let mut ports = Ports::default();
        let out = adapted(text, &Tree::of(Path::new("/etc/site/a.conf")), &mut ports).expect("a configuration");
        (out, ports.given())
    }

    #[test]
    fn places_stay_what_they_are() {
        let (out, ports) = laid("ServerRoot /etc\n<VirtualHost *:80>\nRedirect 307 /a /b\n</VirtualHost>\n");
        let port = ports[0];
        assert_eq!(out, format!("\n<VirtualHost 127.0.0.1:{port}>\nRedirect 307 /a /b\n</VirtualHost>\n"));
    }

    #[test]
    fn each_port_has_one_of_ours() {
        let (out, ports) =
            laid("<VirtualHost *:80>\n</VirtualHost>\n<VirtualHost a:443 [::]:443 b:80>\n</VirtualHost>\n");
        let [http, https] = ports[..] else { panic!("{out}") };
        let both = format!("<VirtualHost 127.0.0.1:{https} 127.0.0.1:{http}>");
        assert!(out.starts_with(&format!("<VirtualHost 127.0.0.1:{http}>")) && out.contains(&both), "{out}");
    }

    #[test]
    fn files_are_found_where_they_are_laid_out() {
        let text = "Include inc/*.conf\n  IncludeOptional \"/etc/site/more/b.conf\"\nInclude ../shared/c.conf\n\
                    RewriteMap m txt:/etc/site/m.txt\nRewriteMap n \"txt:/srv/n.txt\"\nRewriteMap o int:tolower\n";
        let (out, _) = laid(text);
        let wanted = "Include \"inc/*.conf\"\nIncludeOptional \"more/b.conf\"\nInclude \"elsewhere/etc/shared/c.conf\"\n\
                      RewriteMap m \"txt:m.txt\"\nRewriteMap n \"txt:elsewhere/srv/n.txt\"\nRewriteMap o int:tolower\n";
        assert_eq!(out, wanted);
        let tree = Tree::of(Path::new("/etc/site/a.conf"));
        assert_eq!(tree.place(Path::new("/srv/n.txt")), Path::new("elsewhere/srv/n.txt"));
        assert_eq!(lists(text, &tree)[..2], [PathBuf::from("m.txt"), PathBuf::from("elsewhere/srv/n.txt")]);
    }

    #[test]
    fn proxies_lead_nowhere() {
        let text = "ProxyPass /api http://backend.test/x retry=0\nProxyPass /own !\nProxyPassReverse /api http://backend.test/\n\
                    <Proxy balancer://b>\nBalancerMember http://one.test\n</Proxy>\n\
                    SetHandler \"proxy:unix:/run/php.sock|fcgi://localhost\"\n\
                    RewriteRule ^/p/(.*)$ https://backend.test/$1 [P,L]\nRewriteRule ^/q https://q.test/ [R,L]\n";
        let wanted = "ProxyPass \"/api\" http://127.0.0.1:1/\nProxyPass /own !\n\n\n\n\nSetHandler \"proxy:http://127.0.0.1:1/\"\n\
                      RewriteRule ^/p/(.*)$ http://127.0.0.1:1/$1 [P,L]\nRewriteRule ^/q https://q.test/ [R,L]\n";
        assert_eq!(laid(text).0, wanted);
    }
}
