//! The form of the demonstration in a real browser: what it sends again after a 307, and what after a 302.

use std::fs;
use std::path::Path;
use std::process::Command;

use byway_testkit::testbed;

use crate::running::{Running, text};

/// The page that a browser shows in the end, after it sent a form there by POST.
fn after_a_form(chromium: &Path, server: &Running, action: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let form = folder.path().join("form.html");
    let page = format!(
        "<!doctype html><form id=form method=post action=\"{}{action}\"><input name=item value=kettle></form>\
         <script>document.getElementById('form').submit()</script>",
        server.base
    );
    fs::write(&form, page).expect("a page");
    let done = Command::new("timeout")
        .arg("60")
        .arg(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", form.display()))
        .output()
        .expect("chromium runs");
    text(&done.stdout)
}

#[test]
fn a_form_keeps_its_method_and_body_through_307_and_loses_both_at_302() {
    let Some(chromium) = testbed::find("chromium") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let server = Running::start(folder.path(), &["--demo"]);
    let kept = after_a_form(&chromium, &server, "/api/v1/orders?from=form");
    assert!(
        kept.contains("The order arrived.") && kept.contains(">POST<") && kept.contains("a body of 11 bytes"),
        "{kept}"
    );
    let lost = after_a_form(&chromium, &server, "/orders-by-302");
    assert!(
        lost.contains("The order did not arrive.") && lost.contains(">GET<") && lost.contains("without a body"),
        "{lost}"
    );
}
