//! Cases that were measured on a real server: what ours answers, and whether that is the same or safer in a way that has a name.

use std::collections::BTreeSet;

use byway_core::ruleset::{RuleRef, Watch};
use byway_core::{Outcome, RuleSet};

use super::{Asked, outcome, unescaped};

/// What came of a target that no server of ours takes.
pub const EDGE: &str = "refused before any rule";

type Mended = fn(&str) -> String;

/// In which ways a Location of ours is safer than the server's; each makes of theirs what ours is.
const SAFER: &[(&str, Mended)] = &[
    ("controls, blanks and bytes above 0x7E are escaped", escaped),
    ("a query stands before the fragment", before_fragment),
    ("no bare `?` is sent on", |text| text.strip_suffix('?').unwrap_or(text).to_owned()),
    ("what no URI may hold is escaped where it is sent on as it came", |text| {
        text.replace('"', "%22").replace('<', "%3C").replace('>', "%3E")
    }),
    ("hosts and schemes are in small letters", |text| {
        text.replace("HTTPS://", "https://")
            .replace("Example.TEST", "example.test")
            .replace("Example.test", "example.test")
    }),
    ("a host is followed by a slash", |text| {
        if text.matches('/').count() == 2 { format!("{text}/") } else { text.to_owned() }
    }),
    ("a path begins with one slash", |text| text.replacen(" //", " /", 1)),
];

fn escaped(text: &str) -> String {
    let (status, location) = text.split_once(' ').unwrap_or((text, ""));
    let mut out = format!("{status} ");
    for byte in unescaped(location) {
        match byte {
            0x21..=0x7E => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out.trim_end().to_owned()
}

fn before_fragment(text: &str) -> String {
    match text.split_once('#') {
        Some((before, after)) => match after.split_once('?') {
            Some((fragment, query)) if !before.contains('?') => format!("{before}?{query}#{fragment}"),
            _ => text.to_owned(),
        },
        None => text.to_owned(),
    }
}

/// Whether a case, or one request of it, stands in a list of those that are not said.
pub fn is_listed(list: &[(&str, &str)], title: &str, request: &str) -> bool {
    list.iter().any(|(case, _)| match case.split_once(" / ") {
        Some((case, part)) => case == title && request.contains(part),
        None => *case == title,
    })
}

/// The files that texts say are there (`# files: a b`), as paths.
pub fn files_named<'t>(texts: impl IntoIterator<Item = &'t str>) -> BTreeSet<String> {
    let lines = texts.into_iter().flat_map(str::lines);
    let named = lines.filter_map(|line| line.split_once("# files:")).flat_map(|(_, names)| names.split_whitespace());
    named.map(|name| format!("/{name}")).collect()
}

#[derive(Default)]
struct Rewritten(Option<Vec<u8>>);

impl Watch for Rewritten {
    fn rewritten(&mut self, _rule: RuleRef, path: &[u8], _query: Option<&[u8]>) {
        self.0 = Some(path.to_vec());
    }
}

/// What came of a request on port 8080; a pass is told with the path that the file would be looked for under.
pub fn answer(rules: &RuleSet, asked: &Asked) -> String {
    let path = asked.url.splitn(4, '/').nth(3).unwrap_or_default().split('?').next().unwrap_or_default();
    let mut watch = Rewritten::default();
    let asked = Asked { local_port: 8080, ..asked.clone() };
    let found = asked.watched(rules, &mut watch, |decision| match decision {
        Err(()) => EDGE.to_owned(),
        Ok(decision) => match decision.outcome {
            Outcome::Refuse(why) => why.status().to_string(),
            Outcome::Pass => String::new(),
            other => outcome(&other),
        },
    });
    match (found.as_str(), watch.0) {
        ("", Some(path)) => format!("pass {}", String::from_utf8_lossy(&path)),
        ("", None) => format!("pass /{path}"),
        _ => found,
    }
}

/// Whether what came of a request is what was measured, or safer; the ways in which it is are noted.
pub fn fits(
    request: &str,
    found: &str,
    expected: &str,
    files: &BTreeSet<String>,
    used: &mut BTreeSet<&'static str>,
) -> bool {
    // The core passes; whether there is a file under the working path is the server's to know.
    if let Some(path) = found.strip_prefix("pass ") {
        return match expected.strip_prefix("200 file ") {
            Some(file) => file == path,
            None => expected == "404" && !files.contains(path),
        };
    }
    if found == EDGE && request.contains(['"', '<', '>', '{', '`', '#', '\\']) {
        used.insert("a target outside of RFC 3986 is refused with 400");
        return true;
    }
    if found == expected || found == EDGE && expected == "400" {
        return true;
    }
    let mut safe = expected.to_owned();
    for (name, mend) in SAFER {
        let mended = mend(&safe);
        if mended != safe {
            used.insert(name);
            safe = mended;
        }
        if safe == found {
            return true;
        }
    }
    false
}
