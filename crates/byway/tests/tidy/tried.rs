//! The rules, tried on small texts, so that none of them is asleep.

use super::*;

/// What a rule says of these files, one text per complaint.
fn said(rule: fn(&Tree) -> Vec<Complaint>, files: &[(&str, &str)]) -> Vec<String> {
    rule(&Tree::of(files.iter().copied())).iter().map(Complaint::to_string).collect()
}

/// Where a rule finds something in one file of the core, as line numbers.
fn lines_in_core(rule: fn(&Tree) -> Vec<Complaint>, text: &str) -> Vec<usize> {
    let place = |complaint: &Complaint| complaint.place.rsplit_once(':').and_then(|(_, line)| line.parse().ok());
    let found = rule(&Tree::of([("crates/byway-core/src/x.rs", text)]));
    found.iter().map(|complaint| place(complaint).expect("a place ends with its line")).collect()
}

#[test]
fn an_arrow_that_points_the_wrong_way() {
    let manifest = "[package]\nname = \"byway-core\"\n[dependencies]\nbyway-config.workspace = true\n";
    let said = said(arrows, &[("crates/byway-core/Cargo.toml", manifest)]);
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("crates/byway-core/Cargo.toml:4: byway-core must not depend on byway-config; "));
}

#[test]
fn the_testkit_is_for_tests() {
    let manifest =
        |table: &str| format!("[package]\nname = \"byway-core\"\n[{table}]\nbyway-testkit.workspace = true\n");
    assert_eq!(said(arrows, &[("crates/a/Cargo.toml", &manifest("dependencies"))]).len(), 1);
    assert_eq!(said(arrows, &[("crates/a/Cargo.toml", &manifest("dev-dependencies"))]).len(), 0);
}

#[test]
fn a_closed_crate_is_closed_to_families_and_under_every_table() {
    let manifest = "[package]\nname = \"byway-core\"\n[target.'cfg(unix)'.dependencies]\nhttp-body.workspace = true\n\
                    [dependencies.serde_json]\nworkspace = true\n[dev-dependencies]\ntokio.workspace = true\n";
    assert_eq!(said(closed_crates, &[("crates/a/Cargo.toml", manifest)]).len(), 2);
    assert_eq!(said(reasons_of_dependencies, &[("crates/a/Cargo.toml", manifest)]).len(), 0);
}

#[test]
fn the_standard_library_is_seen_through_groups_and_over_lines() {
    let text = "use std::{fmt, fs};\nuse std::net::{\n    IpAddr,\n    TcpStream,\n};\nlet now = std::time::Instant::now();\n\
                use std::time::{Duration, SystemTime as Now};\nuse std::time::Duration;\n";
    assert_eq!(lines_in_core(standard_library, text), [1, 2, 6, 7]);
}

#[test]
fn comments_literals_and_tests_may_name_anything() {
    let text = "//! A clock is no `std::time::Instant`.\nconst A: &str = \"std::fs 307\";\n/* std::env /* 307 */ 308 */\n\
                const B: &str = r#\"\" std::fs 301\"#;\nconst C: char = '\"'; // 302\nfn f<'a>(x: &'a str) {}\n\
                #[cfg(test)]\nmod tests {\n    use std::fs;\n    const X: u16 = 307;\n}\nconst D: u16 = 307;\n";
    assert_eq!(lines_in_core(standard_library, text), Vec::<usize>::new());
    assert_eq!(lines_in_core(status_numbers, text), [12]);
}

#[test]
fn numbers_are_read_with_underscores_and_suffixes() {
    assert_eq!(lines_in_core(status_numbers, "f(3_07);\nf(308u16);\nf(13070);\nf(x307);\nf(0x307);\n"), [1, 2]);
}

#[test]
fn an_opening_is_a_sentence() {
    assert_eq!(lines_in_core(openings, "//! What it is for,\n//! told on two lines.\n//!\n//! more\n"), []);
    assert_eq!(lines_in_core(openings, "//! (to come)\n"), [1]);
    assert_eq!(lines_in_core(openings, "use std::fmt;\n"), [1]);
}

#[test]
fn unsafe_is_a_word_of_code() {
    let text = "#![deny(unsafe_code)]\n// unsafe\nlet unsafely = \"unsafe\";\nunsafe { f() }\n";
    assert_eq!(lines_in_core(unsafe_code, text), [4]);
}

#[test]
fn a_library_does_not_print() {
    assert_eq!(lines_in_core(printing, "println!(\"x\");\nlet print = 1;\nwriteln!(f)?;\n"), [1]);
}

#[test]
fn a_long_file_needs_words() {
    let long = "fn f() {}\n".repeat(LONG + 1);
    assert_eq!(lines_in_core(long_files, &long), [1]);
    assert_eq!(lines_in_core(long_files, &format!("// Long because it is one table.\n{long}")), []);
}

#[test]
fn a_kind_without_a_row() {
    let folder = "crates/byway-config/src/lints";
    let lint = [format!("{folder}/loops.rs"), format!("{folder}/mod.rs")];
    let with_table = |table: &str| said(rows_of_kinds, &[(&lint[0], ""), (&lint[1], table)]).len();
    assert_eq!(with_table(""), 1);
    assert_eq!(with_table("mod loops; // loops\n"), 1);
    assert_eq!(with_table("mod loops;\nconst ALL: &[Lint] = &[loops::LINT];\n"), 0);
    assert_eq!(with_table("lints! { loops }\n"), 0);
}

#[test]
fn a_dependency_without_a_reason() {
    let root = "[workspace.dependencies]\nbyway-core = { path = \"crates/byway-core\" }\n# tests\n\
                url = \"2\" # as browsers do\nidna = \"1\"\n";
    assert_eq!(said(reasons_of_dependencies, &[("Cargo.toml", root)]).len(), 1);
    let member = "[package]\nname = \"byway-core\"\n[dependencies]\nurl = \"2\"\nidna = { workspace = true }\n";
    assert_eq!(said(reasons_of_dependencies, &[("crates/byway-core/Cargo.toml", member)]).len(), 1);
}

#[test]
fn an_exception_without_a_reason() {
    let text = "#[allow(dead_code)]\n#[expect(dead_code, reason = \"to come\")]\n#[ignore]\n#[ignore = \"slow\"]\n\
                #[allow(dead_code)] // one day\n#![allow(\n    dead_code\n)]\n#[cfg_attr(test, allow(dead_code))]\n\
                x.expect(\"[\");\n#[should_panic(expected = \"allow\")]\n";
    assert_eq!(lines_in_core(reasons_of_exceptions, text), [1, 3, 6, 9]);
}

#[test]
fn a_folder_of_one_machine() {
    let [here, root] = MACHINE_FOLDERS else { panic!("two folders") };
    let text = format!("cd {here}main\nhttps://example.com{here}\n\"{root}x\"\na{root}\n");
    assert_eq!(said(machine_folders, &[("README.md", &text)]).len(), 2);
}
