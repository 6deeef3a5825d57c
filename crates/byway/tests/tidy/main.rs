//! Holds the layout: what a reader may rely on without reading the code is tested here, over every manifest and source file.
//!
//! Each rule is a function from the tree to complaints; a complaint says file and line, what is wrong and what to do. The
//! tables at the top are the rules' data: to allow something, change a row and say why beside it. The sources are not parsed
//! but read with comments and literals blanked out, which is enough to ask for words and paths. What the compiler or clippy
//! can hold is left to them.

mod source;
mod tree;
mod tried;

use tree::{Complaint, Section, Tree};

/// Which byway crates a byway crate may depend on. In dev-dependencies any arrow is allowed but for the core, which sees
/// only the testkit.
const ARROWS: &[(&str, &[&str])] = &[
    ("byway", &["byway-config", "byway-server", "byway-net", "byway-tower", "byway-core"]),
    ("byway-server", &["byway-tower", "byway-core"]),
    ("byway-config", &["byway-core"]),
    ("byway-tower", &["byway-core"]),
    ("byway-net", &["byway-core"]),
    ("byway-core", &[]),
    ("byway-testkit", &[]),
];

/// Which crates from outside a byway crate may not depend on: `serde` stands for `serde_json` and `serde-value` too.
const CLOSED_TO: &[(&str, &[&str])] = &[
    ("byway-core", &["tokio", "serde", "hyper", "http", "httparse", "bytes", "jiff", "rand", "getrandom", "socket2"]),
    ("byway-config", &["tokio", "hyper", "http", "socket2", "rustls"]),
    ("byway-tower", &["tokio", "hyper", "serde", "toml", "jiff"]),
    ("byway-net", &["toml"]),
];

/// Which parts of the standard library a crate may not name outside its tests, and why.
const WITHOUT: &[(&str, &[&str], &str)] = &[
    (
        "byway-core",
        &[
            "std::time::SystemTime",
            "std::time::Instant",
            "std::fs",
            "std::net::Tcp",
            "std::net::Udp",
            "std::env",
            "std::thread",
            "std::process",
        ],
        "the core is pure: clocks, files, environment and threads are arguments",
    ),
    (
        "byway-config",
        &["std::fs", "std::env", "std::net::Tcp", "std::thread", "std::process", "std::time::SystemTime"],
        "text comes through the `Files` trait, so that it can be read from anywhere",
    ),
    (
        "byway-tower",
        &["std::time::SystemTime", "std::time::Instant", "std::fs", "std::env", "std::thread", "std::process"],
        "the layer has no clock and spawns nothing",
    ),
    ("byway-server", &["std::env", "std::process"], "only the binary reads environment and arguments, or exits"),
    ("byway-net", &["std::fs", "std::env", "std::process"], "what is kept goes through the `Store` trait"),
];

/// Files that may name what their crate may not, with the reason.
const WITHOUT_BUT_FOR: &[(&str, &str)] = &[];

/// The crates that may print: results and messages are the binary's, skips are the testkit's.
const MAY_PRINT: &[&str] = &["byway", "byway-testkit"];

/// The files that may hold `unsafe`, each with its proof inside.
const MAY_BE_UNSAFE: &[&str] = &["crates/byway/src/map.rs"];

/// The numbers of the redirects, and the modules of the core that are the home of some fact about them.
const STATUS_NUMBERS: &[&str] = &["301", "302", "303", "307", "308"];
const HOMES_OF_STATUS_NUMBERS: &[&str] = &["status", "codes", "client"];

/// Folders where a kind is one file and one row: the row is in the folder's `mod.rs`, or in the file named as the folder.
const KINDS: &[(&str, &str)] = &[
    ("crates/byway-config/src/lints", "lint"),
    ("crates/byway-config/src/formats", "format"),
    ("crates/byway-core/src/condition", "condition"),
    ("crates/byway/src/commands", "command"),
    ("crates/byway/src/replay/servers", "server"),
];

/// How long a file may be before it must say why.
const LONG: usize = 600;

/// Folders of one machine, in two pieces each so that this file does not name them.
const MACHINE_FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

#[test]
fn arrows_between_our_crates() {
    Tree::of_this_workspace().held_to(arrows);
}

#[test]
fn crates_are_closed_to_what_they_must_not_know() {
    Tree::of_this_workspace().held_to(closed_crates);
}

#[test]
fn the_standard_library_is_used_only_where_it_may_be() {
    Tree::of_this_workspace().held_to(standard_library);
}

#[test]
fn only_the_binary_prints() {
    Tree::of_this_workspace().held_to(printing);
}

#[test]
fn every_file_says_what_it_is_for() {
    Tree::of_this_workspace().held_to(openings);
}

#[test]
fn unsafe_code_is_in_named_files() {
    Tree::of_this_workspace().held_to(unsafe_code);
}

#[test]
fn status_numbers_have_a_home() {
    Tree::of_this_workspace().held_to(status_numbers);
}

#[test]
fn a_long_file_says_why() {
    Tree::of_this_workspace().held_to(long_files);
}

#[test]
fn every_kind_has_its_row() {
    Tree::of_this_workspace().held_to(rows_of_kinds);
}

#[test]
fn every_dependency_has_its_reason() {
    Tree::of_this_workspace().held_to(reasons_of_dependencies);
}

#[test]
fn every_exception_has_its_reason() {
    Tree::of_this_workspace().held_to(reasons_of_exceptions);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    Tree::of_this_workspace().held_to(machine_folders);
}

fn arrows(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (manifest, dependency) in tree.dependencies() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == manifest.package) else {
            let what = format!("`{}` has no row in ARROWS", manifest.package);
            complaints.push(manifest.complaint(1, what, "add one to crates/byway/tests/tidy/main.rs"));
            continue;
        };
        let ours = ARROWS.iter().any(|(name, _)| *name == dependency.name);
        let fits = match dependency.section {
            Section::Dev => manifest.package != "byway-core" && manifest.package != "byway-testkit",
            Section::Normal => allowed.contains(&dependency.name.as_str()),
        };
        let testkit_in_tests = dependency.name == "byway-testkit" && dependency.section == Section::Dev;
        if ours && !fits && !testkit_in_tests {
            let what = format!("{} must not depend on {}", manifest.package, dependency.name);
            complaints.push(manifest.complaint(dependency.line, what, "move the code to a crate that may know both"));
        }
    }
    complaints
}

fn closed_crates(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (manifest, dependency) in tree.dependencies().filter(|(_, found)| found.section == Section::Normal) {
        let closed = CLOSED_TO.iter().find(|(name, _)| *name == manifest.package).map_or(&[][..], |(_, closed)| closed);
        let family = dependency.name.split(['-', '_']).next().unwrap_or_default();
        // `http` is the family of `http-body`, and `tokio` that of `tokio-rustls`.
        if closed.contains(&dependency.name.as_str()) || closed.contains(&family) {
            let what = format!("{} must not depend on {}", manifest.package, dependency.name);
            complaints.push(manifest.complaint(dependency.line, what, "what needs it belongs to another crate"));
        }
    }
    complaints
}

fn standard_library(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in tree.library_sources() {
        let Some((_, closed, why)) = WITHOUT.iter().find(|(name, ..)| *name == source.package()) else { continue };
        if WITHOUT_BUT_FOR.iter().any(|(file, _)| *file == source.path) {
            continue;
        }
        for (line, path) in source.std_paths() {
            if let Some(part) = closed.iter().find(|part| is_inside(&path, part)) {
                let what = format!("`{part}` is not for {}: {why}", source.package());
                complaints.push(source.complaint(line, what, "take it as an argument, or let the caller do it"));
            }
        }
    }
    complaints
}

/// Whether a path is this part, is in it, takes it in with a `*`, or begins like it: `std::net::Tcp` stands for
/// `std::net::TcpStream`.
fn is_inside(path: &str, part: &str) -> bool {
    if let Some(folder) = path.strip_suffix('*') {
        return part.starts_with(folder) || folder.starts_with(part);
    }
    path.strip_prefix(part)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(':') || part.ends_with("Tcp") || part.ends_with("Udp"))
}

fn printing(tree: &Tree) -> Vec<Complaint> {
    let sources = tree.library_sources().filter(|source| !MAY_PRINT.contains(&source.package()));
    sources
        .flat_map(|source| {
            let printed = source.words(&["print", "println", "eprint", "eprintln"]);
            printed.filter(|(_, _, after)| after.starts_with('!')).map(|(line, word, _)| {
                source.complaint(line, format!("`{word}!` outside the binary"), "return it, and let the binary print")
            })
        })
        .collect()
}

fn openings(tree: &Tree) -> Vec<Complaint> {
    let sources = tree.sources.iter().filter(|source| source.path.contains("/src/"));
    sources
        .filter(|source| !source.opening().ends_with('.'))
        .map(|source| {
            let what = "the file does not open with a sentence that says what it is for";
            source.complaint(1, what, "begin it with `//! …` whose first paragraph ends with a full stop")
        })
        .collect()
}

fn unsafe_code(tree: &Tree) -> Vec<Complaint> {
    let sources = tree.sources.iter().filter(|source| !MAY_BE_UNSAFE.contains(&source.path.as_str()));
    sources
        .flat_map(|source| {
            source.words(&["unsafe"]).map(|(line, ..)| {
                source.complaint(
                    line,
                    "`unsafe` outside the files that may hold it",
                    "find a safe way, or a crate that did",
                )
            })
        })
        .collect()
}

fn status_numbers(tree: &Tree) -> Vec<Complaint> {
    let core = tree.library_sources().filter(|source| source.package() == "byway-core");
    let homeless = core.filter(|source| !HOMES_OF_STATUS_NUMBERS.contains(&source.module()));
    homeless
        .flat_map(|source| {
            let numbers = source.numbers().filter(|(_, number)| STATUS_NUMBERS.contains(&number.as_str()));
            numbers.map(|(line, number)| {
                let what = format!("the bare number {number}");
                source.complaint(line, what, "name the status: `RedirectStatus` in status.rs is the home of the number")
            })
        })
        .collect()
}

fn long_files(tree: &Tree) -> Vec<Complaint> {
    tree.sources
        .iter()
        .filter(|source| source.lines.len() > LONG && !source.says_why_it_is_long())
        .map(|source| {
            let what = format!("{} lines, and no reason for more than {LONG}", source.lines.len());
            source.complaint(1, what, "split it, or say `// Long because …` near its top")
        })
        .collect()
}

fn rows_of_kinds(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (folder, kind) in KINDS {
        let files = tree.sources.iter().filter(|source| source.folder() == *folder);
        let places = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
        let table = tree.sources.iter().find(|source| places.contains(&source.path));
        let table_path = table.map_or(&places[1], |table| &table.path);
        for source in files.filter(|source| !["mod.rs", "tests.rs"].contains(&source.file_name())) {
            let name = source.file_name().trim_end_matches(".rs");
            let mentions = table.map_or(0, |table| table.words(&[name]).count());
            let declared = table.is_some_and(|table| table.code.iter().any(|line| declares(line, name)));
            // A macro may make the `mod` line from the row: then one mention is both.
            if mentions == 0 || (declared && mentions == 1) {
                let what = format!("the {kind} `{name}` has no row");
                complaints.push(source.complaint(1, what, &format!("add it to the table in {table_path}")));
            }
        }
    }
    complaints
}

fn declares(code: &str, module: &str) -> bool {
    let declaration = code.trim().rsplit_once("mod ").map(|(_, rest)| rest);
    declaration.and_then(|rest| rest.trim_end().strip_suffix(';')) == Some(module)
}

fn reasons_of_dependencies(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for dependency in &tree.root.dependencies {
        let ours = dependency.text.contains("path = \"crates/");
        let reason = dependency.text.rsplit_once(" # ").is_some_and(|(_, reason)| !reason.trim().is_empty());
        if !ours && !reason {
            let what = format!("{} has no reason", dependency.name);
            complaints.push(tree.root.complaint(dependency.line, what, "end the line with `# why we need it`"));
        }
    }
    for (manifest, dependency) in tree.dependencies().filter(|(_, found)| !found.text.contains("workspace = true")) {
        let what = format!("{} is not taken from the workspace", dependency.name);
        complaints.push(manifest.complaint(
            dependency.line,
            what,
            "give version and reason in the root Cargo.toml, and say `workspace = true` here",
        ));
    }
    complaints
}

fn reasons_of_exceptions(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for source in &tree.sources {
        for attribute in source.attributes().filter(|attribute| attribute.is_exception() && !attribute.has_reason()) {
            let what = format!("`{}` without a reason", attribute.written.trim());
            complaints.push(source.complaint(
                attribute.line,
                what,
                "add `reason = \"…\"`, or a comment on the same line",
            ));
        }
    }
    complaints
}

fn machine_folders(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in &tree.texts {
        for (line, written) in (1..).zip(text.lines()) {
            if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| names_folder(written, folder)) {
                let what = format!("`{folder}` is a folder of one machine");
                complaints.push(Complaint::new(path, line, what, "say where it is from the root of the workspace"));
            }
        }
    }
    complaints
}

/// Whether the folder stands in the line as an absolute path, not as a part of a longer path or URL.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|sign| !sign.is_alphanumeric() && !"/.-_*}$)~".contains(sign))
    })
}
