//! Files of other programs that redirect, by name: what is said of one that is not read here.
//!
//! A row is a name and its program. Nothing is read from such a file; who names one hears what it is, and no word of formats that
//! it is not in.

use std::path::Path;

use super::file_name;

/// The programs whose files are known by their names, which may go on behind a `*`.
const PROGRAMS: &[(&str, &str)] = &[
    ("vercel.json", "Vercel"),
    ("now.json", "Vercel"),
    ("netlify.toml", "Netlify"),
    ("firebase.json", "Firebase"),
    ("staticwebapp.config.json", "Azure Static Web Apps"),
    ("web.config", "IIS"),
    ("caddyfile", "Caddy"),
    ("haproxy.cfg", "HAProxy"),
    ("lighttpd.conf", "lighttpd"),
    ("traefik.toml", "Traefik"),
    ("traefik.yaml", "Traefik"),
    ("traefik.yml", "Traefik"),
    ("next.config.*", "Next.js"),
    ("nuxt.config.*", "Nuxt"),
    ("gatsby-config.*", "Gatsby"),
    ("astro.config.*", "Astro"),
];

/// The program that a file's name says it is for.
pub(crate) fn program(path: &Path) -> Option<&'static str> {
    let name = file_name(path);
    let is_called = |pattern: &str| match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == pattern,
    };
    PROGRAMS.iter().find(|(pattern, _)| is_called(pattern)).map(|(_, program)| *program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        for (name, known) in [
            ("site/vercel.json", Some("Vercel")),
            ("Caddyfile", Some("Caddy")),
            ("next.config.mjs", Some("Next.js")),
            ("my-vercel.json", None),
            ("next.conf", None),
            ("traefik.csv", None),
        ] {
            assert_eq!(program(Path::new(name)), known, "{name}");
        }
    }
}
