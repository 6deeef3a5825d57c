//! `docs/byway.toml.md` against the reader: its tables are those of the reader, its examples can be loaded.
//!
//! `UPDATE=1` writes the tables anew.

use std::fmt::Write as _;

use byway_config::files::MemoryFiles;
use byway_config::load::{LoadOptions, load};
use byway_config::own::keys::{Need, SECTIONS};
use byway_core::condition::{SUBJECTS, TESTS};
use byway_testkit::{Document, updating, workspace_root};

const PAGE: &str = "docs/byway.toml.md";

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn keys() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let title = section.title.trim_matches('`');
        let _ = write!(text, "\n### `{title}`\n\n{}\n\n| key | |\n| --- | --- |\n", section.help);
        for key in section.keys {
            let must = if key.need == Need::Required { " (required)" } else { "" };
            let _ = writeln!(text, "| `{}`{must} | {} |", key.name, cell(key.help));
        }
    }
    text.push('\n');
    text
}

fn conditions() -> String {
    let mut text = "\n| subject | |\n| --- | --- |\n".to_owned();
    for row in SUBJECTS {
        let name = if row.takes_name { ".NAME" } else { "" };
        let _ = writeln!(text, "| `{}{name}` | {} |", row.key, cell(row.help));
    }
    text.push_str("\n| test | |\n| --- | --- |\n");
    for row in TESTS {
        let _ = writeln!(text, "| `{}` | {} |", row.key, cell(row.help));
    }
    text.push('\n');
    text
}

fn with(page: &str, name: &str, table: &str) -> String {
    let mark = format!("<!-- {name} -->\n");
    let (before, rest) = page.split_once(&mark).expect("the mark of a table");
    let (_, after) = rest.split_once("<!-- end -->").expect("the end of a table");
    format!("{before}{mark}{table}<!-- end -->{after}")
}

#[test]
fn the_tables_are_those_of_the_reader() {
    let path = workspace_root().join(PAGE);
    let page = std::fs::read_to_string(&path).expect("the reference");
    let new = with(&with(&page, "keys", &keys()), "conditions", &conditions());
    if updating() {
        std::fs::write(&path, new).expect("the reference can be written");
    } else {
        assert!(page == new, "{PAGE} is not what the tables say: run with UPDATE=1");
    }
}

#[test]
fn every_example_can_be_loaded() {
    let page = std::fs::read_to_string(workspace_root().join(PAGE)).expect("the reference");
    for (section, block) in Document::parse(&page).blocks("toml") {
        let files = MemoryFiles::new([("byway.toml", block.text.as_str()), ("moves.csv", "from,to\n/a,/b\n")]);
        let loaded = load(&files, &["byway.toml".as_ref()], &LoadOptions::default());
        assert!(loaded.rules.is_some(), "{}: {:?}", section.name(), loaded.diagnostics);
    }
}
