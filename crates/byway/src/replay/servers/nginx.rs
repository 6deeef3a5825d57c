//! nginx: a configuration with its ports on loopback, without what concerns the machine, inside of a frame of ours.

mod made;

use std::ffi::OsString;
use std::fs;

use super::{Folder, Laid, Ports, Server, Source, below, is_root};

pub(super) const ROW: Server = Server {
    name: "nginx",
    programs: &["nginx"],
    formats: &["nginx"],
    lay_out,
    arguments,
    check: &["-t", "-q"],
    run: &["-g", "daemon off;"],
    generate: made::generate,
};

fn arguments(folder: &Folder) -> Vec<OsString> {
    let path = folder.path();
    ["-p", "", "-c", "", "-e", ""]
        .iter()
        .enumerate()
        .map(|(at, word)| match at {
            1 => path.into(),
            3 => path.join("frame.conf").into(),
            5 => path.join("error.log").into(),
            _ => OsString::from(word),
        })
        .collect()
}

/// A statement, as text.
enum Statement {
    Simple(String),
    Block(String, Vec<Statement>),
}

/// What concerns the machine, the log, or what a server without the rest of its site cannot have.
const LEFT_OUT: &[&str] = &[
    "user",
    "pid",
    "error_log",
    "access_log",
    "log_format",
    "worker_processes",
    "worker_rlimit_nofile",
    "load_module",
    "daemon",
    "master_process",
    "resolver",
    "http2",
    "keepalive_requests",
    "keepalive_timeout",
    "limit_req",
    "limit_conn",
    "limit_req_zone",
    "limit_conn_zone",
    "proxy_cache_path",
    "events",
    "types",
    "mime",
];
/// Families of directives that are left out, by their beginning.
const FAMILIES: &[&str] = &[
    "ssl_",
    "ssl ",
    "proxy_",
    "fastcgi_",
    "uwsgi_",
    "scgi_",
    "grpc_",
    "memcached_",
    "dav_",
    "create_full_put_path",
    "js_",
    "lua_",
    "auth_",
    "gzip",
    "brotli",
];
/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";
/// Contexts that stand directly in `http`.
const OF_HTTP: &[&str] = &["server", "map", "geo", "upstream", "split_clients", "include"];

fn lay_out(source: &Source<'_>, folder: &Folder) -> Result<Laid, String> {
    let mut ports = Ports::default();
    let mut first = None;
    for file in source.files {
        let text = fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let is_first = first.is_none();
        let name = below(file, source.named).to_owned();
        // Lists of maps are taken as they are.
        let laid = match is_first || text.contains(';') && text.contains('{') {
            true => adapted(&text, is_first, &mut ports)?,
            false => text,
        };
        let path = folder.write(std::path::Path::new("conf").join(name), laid)?;
        first.get_or_insert(path);
    }
    let named = first.ok_or("no file was read")?;
    let user = if is_root() { "user nobody nogroup;\n" } else { "" };
    let base = folder.path().display();
    // What a configuration says itself of hashes, the frame must not say again.
    let own = fs::read_to_string(&named).unwrap_or_default();
    let hashes = ["server_names_hash_bucket_size 256", "server_names_hash_max_size 65536"]
        .into_iter()
        .chain(["map_hash_bucket_size 512", "map_hash_max_size 262144"])
        .filter(|line| !own.contains(line.split(' ').next().unwrap_or_default()))
        .map(|line| format!("{line};\n"))
        .collect::<String>();
    let frame = format!(
        "{user}master_process off;\npid {base}/nginx.pid;\nerror_log {base}/error.log crit;\n\
         events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\nlog_not_found off;\n\
         keepalive_requests 100000000;\nkeepalive_timeout 60s;\n{hashes}\
         client_body_temp_path {base}/t1;\nproxy_temp_path {base}/t2;\nfastcgi_temp_path {base}/t3;\n\
         uwsgi_temp_path {base}/t4;\nscgi_temp_path {base}/t5;\ninclude {};\n}}\n",
        named.display()
    );
    folder.write("frame.conf", frame)?;
    Ok(Laid { named, ports: ports.given() })
}

fn adapted(text: &str, is_first: bool, ports: &mut Ports) -> Result<String, String> {
    let mut rest = text;
    let mut statements = parse(&mut rest, 0)?;
    if let Some(at) = statements.iter().position(|one| matches!(one, Statement::Block(head, _) if head == "http"))
        && let Statement::Block(_, inner) = statements.swap_remove(at)
    {
        statements = inner;
    }
    let is_of_http = |one: &Statement| OF_HTTP.contains(&head_of(one));
    let mut out = String::new();
    if is_first && !statements.iter().any(is_of_http) {
        // A pasted fragment: it belongs into a server.
        out.push_str(&format!("server {{\nlisten 127.0.0.1:{};\n", ports.get(80)?));
        write(&statements, ports, &mut out)?;
        out.push_str("}\n");
    } else {
        write(&statements, ports, &mut out)?;
    }
    Ok(out)
}

fn head_of(statement: &Statement) -> &str {
    let (Statement::Simple(text) | Statement::Block(text, _)) = statement;
    text.split_whitespace().next().unwrap_or_default()
}

fn write(statements: &[Statement], ports: &mut Ports, out: &mut String) -> Result<(), String> {
    for statement in statements {
        let head = head_of(statement);
        let text = match statement {
            Statement::Simple(text) | Statement::Block(text, _) => text,
        };
        let is_out = LEFT_OUT.contains(&head)
            || is_page_of_missing(text) && !answers_with(statements, text)
            || head != "proxy_pass" && FAMILIES.iter().any(|family| text.starts_with(family))
            || head.contains("_by_lua");
        if is_out {
            continue;
        }
        match statement {
            Statement::Simple(text) if head == "listen" => {
                if let Some(line) = listen(text, ports)? {
                    out.push_str(&line);
                }
            }
            // Nobody else is to be asked, as nobody meant the requests of a replay.
            Statement::Simple(_) if head == "proxy_pass" => out.push_str(&format!("proxy_pass http://{NOWHERE};\n")),
            Statement::Simple(text) => out.push_str(&format!("{text};\n")),
            Statement::Block(text, _) if head == "upstream" => {
                out.push_str(&format!("{text} {{\nserver {NOWHERE};\n}}\n"));
            }
            Statement::Block(text, inner) => {
                out.push_str(&format!("{text} {{\n"));
                if head == "server" && !inner.iter().any(|one| head_of(one) == "listen") {
                    out.push_str(&format!("listen 127.0.0.1:{};\n", ports.get(80)?));
                }
                write(inner, ports, out)?;
                out.push_str("}\n");
            }
        }
    }
    Ok(())
}

/// Whether a statement names a page of the site for files that are not there: here none is, and every request would get it.
fn is_page_of_missing(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_local = words.last().is_some_and(|page| page.starts_with(['/', '@']));
    matches!(words.as_slice(), ["error_page", codes @ .., _] if is_local && codes.iter().all(|code| ["403", "404"].contains(code) || code.starts_with('=')))
}

/// Whether statements beside a page, or inside of those, answer with one of its codes themselves.
fn answers_with(statements: &[Statement], page: &str) -> bool {
    statements.iter().any(|one| match one {
        Statement::Simple(text) => {
            let mut words = text.split_whitespace();
            let code = match words.next() {
                Some("return") => words.next(),
                Some("deny") => Some("403"),
                _ => None,
            };
            code.is_some_and(|code| page.split_whitespace().skip(1).any(|own| own == code))
        }
        Statement::Block(_, inner) => answers_with(inner, page),
    })
}

/// `listen` on loopback, with the port that stands for the one that is written; a second address of the same port is left out.
fn listen(text: &str, ports: &mut Ports) -> Result<Option<String>, String> {
    let mut words = text.split_whitespace().skip(1);
    let address = words.next().unwrap_or("80");
    if address.starts_with("unix:") || address.starts_with("[::]") || address.contains("]:") {
        return Ok(None);
    }
    let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(80);
    let is_default = words.any(|word| word == "default_server" || word == "default");
    let port = ports.get(port)?;
    Ok(Some(format!("listen 127.0.0.1:{port}{};\n", if is_default { " default_server" } else { "" })))
}

/// Reads statements up to the brace that closes them.
fn parse(rest: &mut &str, depth: usize) -> Result<Vec<Statement>, String> {
    let mut found = Vec::new();
    let mut text = String::new();
    if depth > 100 {
        return Err("too many braces".to_owned());
    }
    while let Some(sign) = rest.chars().next() {
        match sign {
            '#' if text.is_empty() || text.ends_with(char::is_whitespace) => {
                *rest = rest.find('\n').map_or("", |end| &rest[end..]);
                continue;
            }
            '"' | '\'' if text.is_empty() || text.ends_with(char::is_whitespace) => {
                let end = quote_end(rest, sign);
                text.push_str(&rest[..end]);
                *rest = &rest[end..];
                continue;
            }
            '\\' => {
                let end = rest.chars().take(2).map(char::len_utf8).sum();
                text.push_str(&rest[..end]);
                *rest = &rest[end..];
                continue;
            }
            ';' => found.push(Statement::Simple(std::mem::take(&mut text).trim().to_owned())),
            '{' if !text.ends_with('$')
                && (text.trim().is_empty() || text.ends_with(char::is_whitespace) || !is_regex_brace(rest)) =>
            {
                *rest = &rest[1..];
                let head = std::mem::take(&mut text).trim().to_owned();
                if head.contains("_by_lua") {
                    skip_block(rest);
                } else {
                    let inner = parse(rest, depth + 1)?;
                    found.push(Statement::Block(head, inner));
                }
                continue;
            }
            '}' if !text.contains("${") || text.trim().is_empty() || text.rfind("${") < text.rfind('}') => {
                if text.trim().is_empty() {
                    *rest = &rest[1..];
                    return Ok(found);
                }
                text.push('}');
            }
            sign => text.push(sign),
        }
        *rest = &rest[sign.len_utf8()..];
    }
    if !text.trim().is_empty() {
        found.push(Statement::Simple(text.trim().to_owned()));
    }
    Ok(found)
}

/// Whether a brace inside of a word counts repetitions: `[a-z]{2}`.
fn is_regex_brace(rest: &str) -> bool {
    let inside = rest[1..].split('}').next().unwrap_or_default();
    !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit() || byte == b',')
}

fn quote_end(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, sign) in rest.char_indices().skip(1) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            sign if sign == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn skip_block(rest: &mut &str) {
    let mut depth = 1;
    for (at, sign) in rest.char_indices() {
        depth += i32::from(sign == '{') - i32::from(sign == '}');
        if depth == 0 {
            *rest = &rest[at + 1..];
            return;
        }
    }
    *rest = "";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_keeps_its_rules_and_gets_our_ports() {
        let text = "user www;\nhttp {\n  server { listen 443 ssl http2; listen [::]:443; ssl_certificate x;\n\
                    location ~ ^/[a-z]{2}/(?<x>.*)$ { return 307 https://e.test/${x}; } # c }\n } }\n";
        let mut ports = Ports::default();
        let out = adapted(text, true, &mut ports).expect("a configuration");
        let port = ports.given()[0];
        assert_eq!(
            out,
            format!(
                "server {{\nlisten 127.0.0.1:{port};\nlocation ~ ^/[a-z]{{2}}/(?<x>.*)$ {{\nreturn 307 https://e.test/${{x}};\n}}\n}}\n"
            )
        );
    }

    #[test]
    fn nobody_else_is_asked_and_no_file_is_changed() {
        let text = "upstream u { server app:3000; keepalive 4; }\nserver { location / { proxy_pass http://u/x/; \
                    dav_methods PUT DELETE; create_full_put_path on; fastcgi_pass php:9000; } }\n";
        let out = adapted(text, true, &mut Ports::default()).expect("a configuration");
        assert!(out.contains("upstream u {\nserver 127.0.0.1:1;\n}\n"), "{out}");
        assert!(out.contains("location / {\nproxy_pass http://127.0.0.1:1;\n}\n"), "{out}");
    }

    #[test]
    fn a_fragment_stands_in_a_server() {
        let mut ports = Ports::default();
        let out = adapted("location /a { return 307 /b; }", true, &mut ports).expect("a fragment");
        assert!(out.starts_with("server {\nlisten 127.0.0.1:"), "{out}");
    }
}
