//! Configurations of nginx made by its grammar: lists, servers, statements, locations inside locations, error pages.
//!
//! What stands in them is what people write, put together as nobody would: every block may hold every kind of statement. What
//! byway says only nearly (groups beside a list with patterns) or not at all is not made here.

use crate::replay::draw::Draw;

const SEGMENTS: &[&str] = &["a", "b", "old", "new", "docs", "api", "v1", "v2", "x-y", "download", "index.html", "img"];
const REGEXES: &[&str] = &[
    "^/a/(.*)$",
    "^/(old|docs)/(.+)\\.html$",
    "\\.php$",
    "^/api/v(\\d)/(.*)$",
    "/img/",
    "^/([a-z]+)/([0-9]+)/?$",
    "^/x-y(/.*)?$",
    "(?<name>[^/]+)/page$",
    "^/DOCS",
    "^/b/?(?<rest>.*)",
    "^(.*)/index\\.html$",
    "^/(.+)/$",
    "(?i)^/New/",
    "^/r/(.*)$",
    "^/[a-z]{2}(-[a-z]+)?/",
];
const TARGETS: &[&str] = &[
    "https://new.example/$1",
    "/moved/$1",
    "https://new.example$request_uri",
    "https://$host/s$uri",
    "/t?u=$1",
    "https://new.example/fixed",
    "/fixed?own=1",
    "http://other.example/$1?",
    "$scheme://$http_host/w$request_uri",
    "/q?$args",
    "https://new.example/$1?a=$arg_a",
    "/by/$request_method/$v",
    "https://new.example$uri$is_args$args",
    "/named/$rest?n=$name",
    "/l/$lang?c=$cookie_c&h=$http_x_beta",
    "/g/$near/$span/$site",
    "/s/$server_name/$server_port/$remote_addr",
    "/c/$content_type/$nginx_version/$sent_http_x",
    "/two/$2$1",
    "/login?next=$request_uri",
    "https://sso.example/in?back=$scheme://$host$request_uri&a=1",
    "/q?x=$uri",
    "https://new.example/?$args&u=$uri",
    "/m?x=$arg_a&y=$arg_b",
];
const STATUSES: &[&str] = &["301", "302", "303", "307", "308", "307", "308"];
/// What an `if` asks.
const TESTS: &[&str] = &[
    "$request_method = POST",
    "$request_method !~ ^(GET|HEAD)$",
    "$args ~ \"a=(\\d+)\"",
    "$args ~ b",
    "$arg_a",
    "$arg_a = $arg_b",
    "$arg_b != 2",
    "$http_accept ~* \"text/(html|turtle)\"",
    "$http_x_beta",
    "$cookie_c = 1",
    "$host ~ ^(www\\.)?(.+)$",
    "$host != b.test",
    "$uri ~* ^/(?<first>[^/]+)/X",
    "$uri !~ ^/(a|b|docs)",
    "$request_uri ~ \"\\?.\"",
    "$scheme = http",
    "$https",
    "$ssl_protocol = \"\"",
    "$v",
    "$v = 2",
    "$lang = de",
    "$near = lo",
    "$site ~ ^w",
    "$is_args = \"\"",
];

/// What a level has to say of errors, with the named locations that it needs.
const PAGES: &[&str] = &[
    "error_page 410 https://gone.example/;",
    "error_page 410 =308 https://gone.example$request_uri;",
    "error_page 410 418 = @named;",
    "error_page 418 =301 /docs/err?e=$args;",
    "error_page 410 /old/gone;",
    "error_page 403 =307 https://$host/login?to=$uri;",
    "error_page 405 =307 https://files.example$request_uri;",
    "error_page 301 302 =303 https://all.example$uri;",
    "error_page 308 = @other;",
    "error_page 418 $v;",
    "error_page 410 @missing;",
];
const SETTINGS: &[&str] = &[
    "absolute_redirect off;",
    "port_in_redirect off;",
    "server_name_in_redirect on;",
    "merge_slashes off;",
    "recursive_error_pages on;",
];
const ACCESS: &[&str] = &[
    "deny all;",
    "allow 127.0.0.1; deny all;",
    "deny 127.0.0.0/8; allow all;",
    "allow 10.0.0.0/8; allow 2001:db8::/32; deny all;",
    "deny 10.0.0.1; deny ::1;",
];

const NAMES: &[&str] =
    &["example.com www.example.com", "*.wild.test", ".dot.test", "~^re(?<n>\\d+)\\.test$", "b.test", "mail.*"];

/// A configuration of lists, servers and locations.
pub(super) fn generate(_format: &str, draw: &mut Draw) -> (&'static str, String) {
    let mut out = lists(draw);
    for server in 0..1 + draw.below(3) {
        let name = draw.word(NAMES);
        let listen = if server == 0 { "listen 80 default_server" } else { "listen 80" };
        out.push_str(&format!("server {{\n    {listen};\n    server_name s{server}.test {name};\n    set $v \"\";\n"));
        if draw.one_in(4) {
            out.push_str(&format!("    {}\n", draw.word(SETTINGS)));
        }
        if draw.one_in(3) {
            out.push_str(&format!("    {}\n", draw.word(PAGES)));
        }
        if draw.one_in(8) {
            out.push_str(&format!("    {}\n", draw.word(ACCESS)));
        }
        for _ in 0..draw.below(4) {
            out.push_str(&format!("    {}\n", rewrite(draw)));
        }
        if draw.one_in(3) {
            out.push_str("    if ($moved) { return 308 $moved; }\n");
        }
        if draw.one_in(6) {
            out.push_str(&format!("    {}\n", condition(draw, false)));
        }
        locations(draw, "", 0, &mut out);
        for name in ["named", "other"] {
            out.push_str(&format!("    location @{name} {{\n{}    }}\n", body(draw)));
        }
        out.push_str("}\n");
    }
    ("generated.conf", out)
}

fn lists(draw: &mut Draw) -> String {
    let mut out = String::from("map $uri $moved {\n");
    let mut keys = Vec::new();
    for _ in 0..draw.below(6) {
        let key = path(draw);
        // nginx takes no key twice.
        if !keys.contains(&key) {
            out.push_str(&format!("    {key} /m/{};\n", draw.below(9)));
            keys.push(key);
        }
    }
    out.push_str("    ~^/map/(?<tail>.+)$ /mapped/$tail;\n    ~^/(?<name>zz)/(?<rest>.*)$ /$rest/$name;\n}\n");
    out.push_str("map $http_accept $lang { default en; ~*turtle de; \"text/html\" fr; ~^\\* \"x$arg_a\"; }\n");
    out.push_str(
        "map $host $site { hostnames; default none; .dot.test dot; *.wild.test w; www.* www; b.test \"b-$lang\"; ~^s(\\d)\\. s; }\n",
    );
    let geo = draw.word(&[
        "default far; 127.0.0.0/8 lo; 127.0.0.1 one;",
        "10.0.0.0/8 ten; ::1 six;",
        "127.0.0.1 a; delete 127.0.0.1; 0.0.0.0/0 all;",
    ]);
    out.push_str(&format!("geo $near {{ {geo} }}\n"));
    let spans = draw.word(&["127.0.0.0-127.0.0.255 r;", "default d; 126.0.0.0-128.0.0.0 y; 127.0.0.1-127.0.0.1 x;"]);
    out.push_str(&format!("geo $span {{ ranges; {spans} }}\n"));
    out
}

/// Locations below a path, some of them with locations inside.
fn locations(draw: &mut Draw, below: &str, depth: usize, out: &mut String) {
    let mut seen = Vec::new();
    let count = if depth == 0 { 1 + draw.below(8) } else { 1 + draw.below(2) };
    for _ in 0..count {
        let path = format!("{below}{}", path(draw));
        let (location, is_prefix) = match draw.below(5) {
            0 => (format!("= {path}"), false),
            1 => (format!("^~ {path}"), true),
            2 => (format!("~ {}", quoted(draw.word(REGEXES))), false),
            3 => (format!("~* {}", quoted(draw.word(REGEXES))), false),
            _ => (path.clone(), true),
        };
        // nginx takes no location twice, with or without `^~`.
        let key = location.trim_start_matches("^~ ").to_owned();
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        out.push_str(&format!("    location {location} {{\n{}", body(draw)));
        if is_prefix && depth < 2 && draw.one_in(5) {
            locations(draw, path.trim_end_matches('/'), depth + 1, out);
        }
        out.push_str("    }\n");
    }
}

/// A pattern whose braces are no block.
fn quoted(pattern: &str) -> String {
    if pattern.contains('{') { format!("\"{pattern}\"") } else { pattern.to_owned() }
}

fn path(draw: &mut Draw) -> String {
    let mut path = String::new();
    for _ in 0..1 + draw.below(3) {
        path.push('/');
        path.push_str(draw.word(SEGMENTS));
    }
    if draw.one_in(3) {
        path.push('/');
    }
    path
}

fn rewrite(draw: &mut Draw) -> String {
    let flag = draw.word(&["", " last", " break", " redirect", " permanent", " permanent"]);
    let target = match flag {
        " redirect" | " permanent" => draw.word(TARGETS).to_owned(),
        _ => {
            let end = draw.word(&["", "", "?", "?x=$1", "?y=1&$args?"]);
            format!("/{}/{}$1{end}", draw.word(&["r", "a", "docs", "m"]), draw.word(SEGMENTS))
        }
    };
    format!("rewrite {} {target}{flag};", quoted(draw.word(REGEXES)))
}

/// An `if` with one to three statements; in a location it may have an error page of its own.
fn condition(draw: &mut Draw, is_in_location: bool) -> String {
    let mut inside = String::new();
    if is_in_location && draw.one_in(8) {
        inside.push_str(draw.word(PAGES));
        inside.push_str(&format!(" return {};", draw.word(&["410", "418"])));
    } else {
        for _ in 0..1 + draw.below(2) {
            inside.push_str(&statement(draw));
            inside.push(' ');
        }
    }
    format!("if ({}) {{ {inside}}}", draw.word(TESTS))
}

/// A statement that stands anywhere.
fn statement(draw: &mut Draw) -> String {
    match draw.below(9) {
        0 => format!("set $v {};", draw.word(&["1", "2", "\"\"", "$1", "\"$v$2\"", "/a/$lang", "$arg_a"])),
        1 => format!("set $args {};", draw.word(&["\"\"", "a=7", "\"$args&z=1\"", "b=$v"])),
        2 | 3 => rewrite(draw),
        4 => "break;".to_owned(),
        5 => format!("return {};", draw.word(&["410", "404", "403", "418", "410"])),
        _ => format!("return {} {};", draw.word(STATUSES), draw.word(TARGETS)),
    }
}

fn body(draw: &mut Draw) -> String {
    let mut out = String::new();
    let mut line = |text: &str| out.push_str(&format!("        {text}\n"));
    if draw.one_in(12) {
        line("internal;");
    }
    if draw.one_in(8) {
        line(draw.word(PAGES));
    }
    if draw.one_in(10) {
        line(draw.word(&SETTINGS[..3]));
    }
    if draw.one_in(12) {
        line(draw.word(ACCESS));
    }
    if draw.one_in(14) {
        line(draw.word(&["limit_except GET { deny all; }", "limit_except POST PUT { allow 127.0.0.1; deny all; }"]));
    }
    let (status, target) = (draw.word(STATUSES), draw.word(TARGETS));
    match draw.below(9) {
        0 => line(&rewrite(draw)),
        1 => line(&format!("if ($request_method = POST) {{ return 307 {target}; }} return {status} {target};")),
        2 => line(&format!("if ($args ~ \"a=(\\d+)\") {{ return {status} /by/$1; }}")),
        3 => line("return 410;"),
        4 => line(&format!("set $v {}; return {status} https://new.example/$v;", draw.word(SEGMENTS))),
        5 | 6 => {
            for _ in 0..1 + draw.below(4) {
                let text = if draw.one_in(2) { condition(draw, true) } else { statement(draw) };
                line(&text);
            }
        }
        7 => {}
        _ => line(&format!("return {status} {target};")),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_repeats_with_its_seed() {
        for seed in 0..50 {
            let (_, text) = generate("nginx", &mut Draw::new(seed));
            assert_eq!(text, generate("nginx", &mut Draw::new(seed)).1);
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
        }
    }
}
