//! Holds `docs/which-redirect.md` to the table of facts that it is made from; `UPDATE=1` rewrites it.

use byway_core::codes;
use byway_core::status::RedirectStatus;
use std::path::PathBuf;

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/which-redirect.md")
}

#[test]
fn the_page_is_what_the_table_says() {
    let made = codes::render_markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(page(), &made).expect("the page can be written where UPDATE is set");
    }
    let kept = std::fs::read_to_string(page()).unwrap_or_default();
    assert!(kept == made, "docs/which-redirect.md is not what byway-core's codes say: run this test with UPDATE=1");
}

#[test]
fn terminal_text_fits() {
    let texts = RedirectStatus::ALL.map(|status| codes::render_text(Some(status)));
    for line in texts.iter().flat_map(|text| text.lines()).chain(codes::render_text(None).lines()) {
        assert!(line.chars().count() <= 100, "longer than 100 columns: {line}");
        assert_eq!(line, line.trim_end(), "white space at the end of a line");
    }
}

#[test]
fn each_status_has_a_line_for_each_server_that_names_it() {
    for status in RedirectStatus::ALL {
        let facts = codes::facts(status);
        assert_eq!(facts.status, status);
        let servers: Vec<_> = facts.lines.iter().map(|line| line.server).collect();
        assert_eq!(servers, ["nginx", "Apache", "Next.js", "PHP", "byway"]);
        assert!(facts.lines[0].text.contains(&format!("return {status} ")), "nginx says {status} with return alone");
    }
}
