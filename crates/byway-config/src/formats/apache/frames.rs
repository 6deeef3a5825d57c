//! Sections as they begin: what is asked of a module, a name or a version now, and what becomes a place for rules.
// Long because each section is one arm of one table.

use super::lines::words;
use super::read::{Frame, Reader};
use super::site::{Place, Scope, Section, Server};
use crate::diagnostic::Severity;
use crate::pcre;
use crate::span::Span;

impl<'a, 'r> Reader<'a, 'r> {
    pub(super) fn frame(&mut self, lower: &str, name: &str, inside: &str, span: &Span) -> Frame {
        let arguments: Vec<String> = words(inside, 0).into_iter().map(|word| word.text).collect();
        let first = arguments.first().cloned().unwrap_or_default();
        let tells = |is_true: bool| if is_true { Frame::Through } else { Frame::Skipped };
        match lower {
            "ifmodule" => {
                let (negated, module) = first.strip_prefix('!').map_or((false, first.as_str()), |rest| (true, rest));
                tells(is_loaded(module) != negated)
            }
            "ifdefine" => {
                let (negated, key) = first.strip_prefix('!').map_or((false, first.as_str()), |rest| (true, rest));
                tells(self.defines.contains_key(key) != negated)
            }
            "ifversion" => {
                let (operator, version) = match arguments.as_slice() {
                    [version] => ("=", version.as_str()),
                    [operator, version, ..] => (operator.as_str(), version.as_str()),
                    [] => ("=", ""),
                };
                tells(version_fits(operator, version))
            }
            "iffile" | "ifsection" | "ifdirective" => {
                Frame::Refused("whether a section counts is asked of the server's disk")
            }
            "virtualhost" | "directory" | "directorymatch" | "location" | "locationmatch"
                if self.folder.is_some() || self.around().is_some() =>
            {
                let what = match self.around() {
                    Some(around) if lower == "virtualhost" => {
                        format!("<VirtualHost> cannot occur within <{}> section", spelt(around))
                    }
                    Some(around) => format!("<{} not allowed in <{}> context", spelt(lower), spelt(around)),
                    None => format!("<{} not allowed here", spelt(lower)),
                };
                self.mistake(span, what, Some("it stands in the server or in a virtual host".to_owned()));
                Frame::Skipped
            }
            "virtualhost" if self.open.iter().any(|open| matches!(open.frame, Frame::Server(_))) => {
                let what = "<VirtualHost> cannot occur within <VirtualHost> section".to_owned();
                self.mistake(span, what, Some("close the one before with `</VirtualHost>`".to_owned()));
                Frame::Skipped
            }
            "files" | "filesmatch" if self.is_in(&["location", "locationmatch", "files", "filesmatch"]) => {
                let around = self.around().map_or("Location", spelt).to_owned();
                self.mistake(span, format!("<{}> cannot occur within <{around}> section", spelt(lower)), None);
                Frame::Skipped
            }
            // httpd takes it and never looks at it.
            "files" | "filesmatch" if self.is_in(&["if", "elseif", "else"]) => {
                self.reading.say_often(span, Severity::Warning, "section-without-effect", || {
                    let what = "httpd does not look at files in an expression: what stands here has no effect";
                    (what.to_owned(), Some("put the expression into the section of the files".to_owned()))
                });
                Frame::Skipped
            }
            "directory" | "directorymatch" | "location" | "locationmatch" | "files" | "filesmatch"
                if arguments.is_empty() =>
            {
                let what = format!("<{}> directive requires additional arguments", spelt(lower));
                self.mistake(span, what, Some(format!("write what it is for: `<{} …>`", spelt(lower))));
                Frame::Skipped
            }
            "directorymatch" | "locationmatch" | "filesmatch" if pcre::refused_by_httpd(&first).is_some() => {
                let help =
                    pcre::refused_by_httpd(&first).map(|refused| format!("{}: {}", refused.what, refused.help()));
                self.mistake(span, "Regex could not be compiled".to_owned(), help);
                Frame::Skipped
            }
            "virtualhost" => {
                if arguments.is_empty() {
                    let help = "write where it listens, as `<VirtualHost *:80>`".to_owned();
                    self.mistake(span, "<VirtualHost> directive requires additional arguments".to_owned(), Some(help));
                }
                let ports = arguments.iter().filter_map(|address| address.rsplit_once(':')?.1.parse().ok()).collect();
                let is_everywhere = |address: &String| address.starts_with('*') || address.starts_with("_default_:");
                let opened = arguments.iter().all(is_everywhere).then(|| span.clone());
                self.site.servers.push(Server { ports, span: opened, ..Server::default() });
                Frame::Server(self.site.servers.len() - 1)
            }
            "directory" => match (first.as_str(), arguments.get(1)) {
                ("~", Some(pattern)) => self.begin(Place::Disk(pattern.clone()), pattern),
                (path, _) if path.contains(['*', '?', '[']) => {
                    // Each level of a path is compared with all of it.
                    let levels = glob(path.trim_end_matches('/'));
                    self.begin(Place::Folders(format!("^{levels}/")), path)
                }
                (path, _) => self.directory(path),
            },
            "directorymatch" => self.begin(Place::Disk(first.clone()), &first),
            "location" => match (first.as_str(), arguments.get(1)) {
                ("~", Some(pattern)) => self.begin(Place::Pattern(pattern.clone()), pattern),
                (path, _) if path.contains(['*', '?', '[']) => {
                    self.begin(Place::Pattern(format!("^{}$", glob(path))), path)
                }
                (path, _) => self.begin(Place::Path(path.to_owned()), path),
            },
            "locationmatch" => self.begin(Place::Pattern(first.clone()), &first),
            "files" | "filesmatch" => {
                let (pattern, name) = match (lower, first.as_str(), arguments.get(1)) {
                    ("files", "~", Some(pattern)) => (pattern.clone(), pattern),
                    ("files", name, _) => (format!("^{}$", glob(name)), &first),
                    (_, pattern, _) => (pattern.to_owned(), &first),
                };
                self.begin(Place::Name(pattern), name)
            }
            "if" | "elseif" | "else" => self.if_section(lower, inside, span),
            // They say who may ask, and nothing of what else stands in them.
            "limit" | "limitexcept" => Frame::Through,
            "macro" => {
                self.reading.beyond(span, &format!("<{name}{inside}>"));
                Frame::Skipped
            }
            "proxy" | "proxymatch" => {
                self.reading.beyond(span, &format!("<{name}{inside}>"));
                Frame::Skipped
            }
            // What stands in it must all hold.
            "requireall" if !self.is_in(&["requireall", "requireany", "requirenone"]) => {
                self.scope().access.read("require", &[]);
                self.reading.beyond(span, &format!("<{name}{inside}>"));
                Frame::Through
            }
            "requireall" | "requireany" | "requirenone" if self.is_in(&["requireall"]) => Frame::Skipped,
            "requireall" | "requireany" | "requirenone" => {
                self.scope().access.read("require", &[]);
                self.reading.beyond(span, &format!("<{name}{inside}>"));
                Frame::Skipped
            }
            "authnprovideralias" | "authzprovideralias" => Frame::Skipped,
            _ => {
                let what = format!(
                    "Invalid command '<{name}', perhaps misspelled or defined by a module not included in the server configuration"
                );
                self.invalid(span, what, &format!("<{name}>"));
                Frame::Skipped
            }
        }
    }

    pub(super) fn directory(&mut self, path: &str) -> Frame {
        let server = self.server();
        server.directories.push((path.to_owned(), Scope::default()));
        Frame::Folder(server.directories.len() - 1)
    }

    /// `<If>`, and what stands behind it: there the expressions before it must not hold.
    fn if_section(&mut self, lower: &str, inside: &str, span: &Span) -> Frame {
        let text = match inside.trim_start().starts_with(['"', '\'']) {
            true => words(inside, 0).into_iter().next().map(|word| word.text).unwrap_or_default(),
            false => inside.trim().to_owned(),
        };
        let before = match self.open.last_mut() {
            Some(open) => &mut open.asked,
            None => &mut self.asked,
        };
        let mut asked = match before.take().filter(|_| lower != "if") {
            // The last of them is the one that held there.
            Some(before) => before.into_iter().map(|(text, _)| (text, false)).collect(),
            None if lower == "if" => Vec::new(),
            None => {
                self.mistake(span, format!("<{}> without <If> before it", spelt(lower)), None);
                return Frame::Skipped;
            }
        };
        if lower != "else" {
            asked.push((text, true));
        }
        match self.open.last_mut() {
            Some(open) => open.asked = Some(asked.clone()),
            None => self.asked = Some(asked.clone()),
        }
        self.begin(Place::If(asked), "*If")
    }

    /// A section begins, in those that are open.
    pub(super) fn begin(&mut self, place: Place, name: &str) -> Frame {
        let around = self.open.iter().rev().find_map(|open| match open.frame {
            Frame::Section(at) => Some(at),
            _ => None,
        });
        let folder = self.folder_here();
        let name = if name.ends_with('/') { name.to_owned() } else { format!("{name}/") };
        let server = self.server();
        let mut places = around.map(|at| server.sections[at].places.clone()).unwrap_or_default();
        places.push(place);
        server.sections.push(Section { places, name, folder, scope: Scope::default() });
        Frame::Section(server.sections.len() - 1)
    }
}

/// A name with `*`, `?` and `[…]` as a pattern: none of them is a slash.
fn glob(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let class = after.find(']').filter(|end| c == '[' && *end > 0);
        rest = match (c, class) {
            ('[', Some(end)) => {
                let members = &after[..end];
                let (sign, members) = match members.strip_prefix(['!', '^']) {
                    Some(members) => ("^", members),
                    None => ("", members),
                };
                out.push_str(&format!("[{sign}{}]", members.replace('\\', "\\\\")));
                &after[end + 1..]
            }
            ('*', _) => {
                out.push_str("[^/]*");
                after
            }
            ('?', _) => {
                out.push_str("[^/]");
                after
            }
            _ => {
                out.push_str(&super::pattern::quoted(&rest[..c.len_utf8()]));
                after
            }
        };
    }
    out
}

/// How httpd writes the name of a section.
pub(super) fn spelt(lower: &str) -> &str {
    super::known::own().find(|name| name.eq_ignore_ascii_case(lower)).unwrap_or(lower)
}

/// The modules that are there: those whose directives are read, and those whose directives are passed over.
fn is_loaded(module: &str) -> bool {
    let name = module.trim_end_matches(".c").trim_start_matches("mod_").trim_end_matches("_module");
    matches!(
        name,
        "rewrite"
            | "alias"
            | "dir"
            | "setenvif"
            | "mime"
            | "authz_core"
            | "headers"
            | "env"
            | "negotiation"
            | "core"
            | "so"
            | "expires"
            | "deflate"
            | "autoindex"
            | "filter"
            | "version"
            | "log_config"
            | "access_compat"
            | "ssl"
            | "macro"
    )
}

/// The version that is answered for.
const VERSION: [u32; 3] = [2, 4, 71];

fn version_fits(operator: &str, version: &str) -> bool {
    let (negated, operator) = operator.strip_prefix('!').map_or((false, operator), |rest| (true, rest));
    let mut wanted = [0; 3];
    for (slot, part) in wanted.iter_mut().zip(version.split('.')) {
        *slot = part.parse().unwrap_or(0);
    }
    let fits = match operator {
        ">" => VERSION > wanted,
        ">=" => VERSION >= wanted,
        "<" => VERSION < wanted,
        "<=" => VERSION <= wanted,
        _ => VERSION == wanted,
    };
    fits != negated
}
