//! Whole configurations of Apache, made by a grammar: virtual hosts, folders, locations, files, expressions, errors, maps, names.

use super::super::{FILE_MARK, ROOT_MARK};
use super::{CONDITIONS, REGEXES, SEGMENTS, TARGETS, folder_text, front_controller};
use crate::replay::draw::Draw;

const STATUSES: &[&str] = &["301", "302", "303", "307", "308", "307"];
const FLAGS: &[&str] = &[
    "R=307,L",
    "R=308,L",
    "R,L",
    "R=301,L,QSA",
    "R=302,NE,L",
    "R=303,NC,L",
    "R=307,L,QSD",
    "L",
    "PT",
    "R=307,B,L",
    "G",
    "F",
    "END",
    "R=404",
    "S=1",
    "R=308",
    "R",
    "L,E=seen:$1",
    "C",
];
const EXPRESSIONS: &[&str] = &[
    "%{QUERY_STRING} == 'q'",
    "%{REQUEST_URI} =~ m#^/(old|docs)/#",
    "%{HTTP_HOST} != 'b.test'",
    "%{REQUEST_METHOD} in {'GET', 'HEAD'}",
    "-n %{HTTP:X-Beta}",
    "!(%{REQUEST_URI} =~ /html$/) && %{HTTPS} == 'off'",
    "true",
];
/// What stands in the document root.
const FILES: &[&str] = &["docs/index.html", "docs/page.html", "old/a.html", "img/x.png", "a/b/c.txt", "new/.keep"];
const FOLDERS: &[&str] = &["docs", "old", "a", "a/b", "img", "new", "nowhere"];

/// A configuration, and behind it the files of its document root.
pub(super) fn configuration(draw: &mut Draw) -> String {
    let mut out = String::from("Define NEW new.example\n");
    out.push_str(&format!("DocumentRoot \"{ROOT_MARK}\"\n"));
    out.push_str(&format!("<Directory \"{ROOT_MARK}\">\nAllowOverride All\nRequire all granted\n</Directory>\n"));
    if draw.one_in(3) {
        out.push_str(&place(draw, false));
    }
    for host in ["a.test", "b.test", "c.test"].iter().take(1 + draw.below(3)) {
        out.push_str(&format!("<VirtualHost *:80>\nServerName {host}\nDocumentRoot \"{ROOT_MARK}\"\n"));
        if draw.one_in(2) {
            out.push_str(&format!("ServerAlias www.{host} *.wild-{host}\n"));
        }
        if draw.one_in(3) {
            out.push_str(&format!("RewriteMap names \"txt:{ROOT_MARK}/../conf/names.txt\"\n"));
            out.push_str("RewriteEngine On\nRewriteCond ${names:$1|none} !=none\n");
            out.push_str("RewriteRule ^/map/(.*)$ ${names:$1} [R=307,L]\n");
        }
        if draw.one_in(4) {
            out.push_str(&changed_text(draw));
        }
        rules(draw, false, &mut out);
        if draw.one_in(5) {
            out.push_str(&front_controller(draw));
        }
        for _ in 0..draw.below(4) {
            out.push_str(&place(draw, true));
        }
        if draw.one_in(2) {
            out.push_str(&error(draw));
        }
        out.push_str("</VirtualHost>\n");
    }
    for file in FILES {
        out.push_str(&format!("\n{FILE_MARK}{file}\n"));
    }
    out.push_str(&format!(
        "\n{FILE_MARK}../conf/names.txt\na https://m.example/a\nb https://n.example/b?x=1\nold/c /c\n"
    ));
    for folder in FOLDERS.iter().filter(|folder| **folder != "nowhere") {
        if draw.one_in(5) {
            out.push_str(&format!("\n{FILE_MARK}{folder}/.htaccess\n{}", folder_text(draw)));
        }
    }
    out
}

/// A map that changes a text of the request, and a rule that asks it.
fn changed_text(draw: &mut Draw) -> String {
    let kind = draw.word(&["tolower", "toupper", "escape", "unescape"]);
    let target = draw.word(&["/${M:$1}", "https://m.example/${M:$1}?q=${M:%{QUERY_STRING}}", "${M:%{REQUEST_URI}}x"]);
    let flags = draw.word(&["R=307,L", "R=301,L,NE", "L", "R=302"]);
    let pattern = draw.word(&["^/(.*[A-Z].*)$", "^/(.*%.*)$", "^/api/(.*)$"]);
    format!("RewriteEngine On\nRewriteMap M int:{kind}\nRewriteRule {pattern} {target} [{flags}]\n")
}

/// A section that a `.htaccess` may hold.
pub(super) fn section_of_folder(draw: &mut Draw) -> String {
    let mut inside = String::new();
    rules(draw, true, &mut inside);
    match draw.below(3) {
        0 => format!("<Files \"{}\">\n{inside}</Files>\n", draw.word(&["a.html", "*.php", "b", "old"])),
        1 => format!("<FilesMatch \"{}\">\n{inside}</FilesMatch>\n", draw.word(&["\\.html$", "^(a|b)", "^$", "x"])),
        _ => expression(draw, &inside),
    }
}

fn expression(draw: &mut Draw, inside: &str) -> String {
    let mut out = format!("<If \"{}\">\n{inside}</If>\n", draw.word(EXPRESSIONS));
    if draw.one_in(3) {
        let mut other = String::new();
        rules(draw, true, &mut other);
        out.push_str(&format!("<Else>\n{other}</Else>\n"));
    }
    out
}

/// A section of a server.
fn place(draw: &mut Draw, may_nest: bool) -> String {
    let mut inside = String::new();
    rules(draw, true, &mut inside);
    if draw.one_in(3) {
        inside.push_str(&error(draw));
    }
    if may_nest && draw.one_in(4) {
        inside.push_str(&expression(draw, "Redirect 307 / https://nested.example/\n"));
    }
    match draw.below(8) {
        0 | 1 => {
            format!("<Location \"/{}\">\n{inside}</Location>\n", draw.word(&["old", "docs/", "a", "a/b", "img", "x-y"]))
        }
        2 => format!("<Location \"/{}\">\n{inside}</Location>\n", draw.word(&["o*", "?ocs", "a/[bc]", "*"])),
        3 => {
            let pattern = draw.word(&["^/(?<first>old|docs)", "^/a(?<second>/.*)?$", "html$", "^/[^/]+/$"]);
            format!("<LocationMatch \"{pattern}\">\n{inside}</LocationMatch>\n")
        }
        4 => {
            format!("<Directory \"{ROOT_MARK}/{}\">\nAllowOverride All\n{inside}</Directory>\n", draw.word(FOLDERS))
        }
        5 => format!(
            "<DirectoryMatch \"/{}\">\n{inside}</DirectoryMatch>\n",
            draw.word(&["docs", "a/b", "(old|new)/", "img$"])
        ),
        6 => format!("<Files \"{}\">\n{}</Files>\n", draw.word(&["a.html", "*.html", "none", "docs"]), inside),
        _ => expression(draw, &inside),
    }
}

fn error(draw: &mut Draw) -> String {
    let status = draw.word(&["404", "404", "403", "410", "405"]);
    match draw.below(5) {
        0 => format!("ErrorDocument {status} /page.txt\n"),
        1 => format!("ErrorDocument {status} default\n"),
        _ => format!("ErrorDocument {status} https://errors.example/{status}?x=1\n"),
    }
}

/// Rules of both modules; patterns with a slash in front in servers, without one in folders, both in sections.
fn rules(draw: &mut Draw, in_section: bool, out: &mut String) {
    if !draw.one_in(4) {
        out.push_str("RewriteEngine On\n");
    }
    if in_section && draw.one_in(5) {
        out.push_str("RewriteBase /base\n");
    }
    if in_section && draw.one_in(6) {
        let who = ["Require all denied", "Require all granted", "Order allow,deny\nDeny from all", "Deny from all"];
        out.push_str(&format!("{}\n", draw.word(&who)));
    }
    for _ in 0..1 + draw.below(4) {
        match draw.below(6) {
            0 => {
                let (status, path) = (draw.word(STATUSES), draw.word(SEGMENTS));
                out.push_str(&format!("Redirect {status} \"/{path}\" https://${{NEW}}/d\n"));
            }
            1 => {
                let target = draw.word(&["https://${NEW}/m/$1", "/m?x=$1", "https://new.example/m"]);
                out.push_str(&format!("RedirectMatch {} \"^/{}\" {target}\n", draw.word(STATUSES), draw.word(REGEXES)));
            }
            2 if in_section && draw.one_in(2) => {
                out.push_str(&format!("Redirect {} https://${{NEW}}/whole\n", draw.word(STATUSES)));
            }
            _ => {
                for _ in 0..[0, 0, 1, 1, 2][draw.below(5)] {
                    out.push_str(draw.word(CONDITIONS));
                    out.push('\n');
                }
                let flags = draw.word(FLAGS);
                let target = match flags {
                    "G" | "F" | "R=404" => "-",
                    _ => draw.word(TARGETS),
                };
                let head = if in_section { draw.word(&["", "", "/", "^"]) } else { "^/" };
                let pattern = draw.word(REGEXES);
                let pattern = if head == "^" { "" } else { pattern };
                let engine = format!("RewriteRule \"{head}{pattern}\" \"{target}\" [{flags}]\n");
                match draw.one_in(6) {
                    true => out.push_str(&format!("<IfModule mod_rewrite.c>\n{engine}</IfModule>\n")),
                    false => out.push_str(&engine),
                }
            }
        }
    }
}
