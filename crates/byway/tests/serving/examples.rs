//! The sites in `examples/`: each checks clean, and a server answers its cases over the wire as its README says.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use byway_config::examples::{Case, Expected, case_lines};
use byway_core::Scheme;

use crate::running::{Running, byway, text};

fn sites() -> Vec<PathBuf> {
    let folder = byway_testkit::workspace_root().join("examples");
    let found = fs::read_dir(&folder).expect("the examples").map(|entry| entry.expect("an entry").path());
    let mut sites: Vec<PathBuf> = found.filter(|path| path.join("byway.toml").is_file()).collect();
    sites.sort();
    assert!(sites.len() >= 3, "{sites:?}");
    sites
}

#[test]
fn every_site_checks_clean() {
    for site in sites() {
        let done = byway(&site, &["check", "byway.toml", "--cases", "README.md", "--fail-on", "note"]);
        assert_eq!(done.status.code(), Some(0), "{}\n{}{}", site.display(), text(&done.stdout), text(&done.stderr));
    }
}

/// The places of the example, which are nobody's: networks of documentation, and this machine.
#[test]
fn the_places_of_the_example_are_made_here() {
    use byway_testkit::mmdb::{Value, file};
    let country = |code| Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Text(code))]))]);
    let networks = [
        ("127.0.0.0/8", country("AT")),
        ("192.0.2.0/24", country("DE")),
        ("198.51.100.0/24", country("FR")),
        ("203.0.113.0/24", country("US")),
        ("2001:db8::/32", country("DE")),
    ];
    let made = file("byway-example-Country", 1_793_000_000, &networks);
    let path = byway_testkit::workspace_root().join("examples/geography/places.mmdb");
    if byway_testkit::updating() {
        fs::write(&path, &made).expect("the example can be written");
    }
    assert!(fs::read(&path).expect("the example") == made, "{}: run with UPDATE=1", path.display());
}

#[test]
fn every_site_is_served_as_its_cases_say() {
    for site in sites() {
        let server = Running::start(&site, &["byway.toml"]);
        let page = fs::read_to_string(site.join("README.md")).expect("a README");
        let cases: Vec<Case> = case_lines(&page).map(|range| Case::parse(&page[range]).expect("a case")).collect();
        let asked = cases.iter().filter(|case| can_be_asked(case)).map(|case| ask(&server, &site, case)).count();
        assert!(asked >= 5, "{}: only {asked} of {} cases can be asked in plain HTTP", site.display(), cases.len());
    }
}

/// A plain connection from this machine, now.
fn can_be_asked(case: &Case) -> bool {
    case.scheme == Scheme::Http
        && case.at.is_none()
        && case.place.is_none()
        && case.address == IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn ask(server: &Running, site: &Path, case: &Case) {
    let query = case.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let host = if case.port == 80 { case.host.clone() } else { format!("{}:{}", case.host, case.port) };
    let mut fields = vec![("Host", host.as_str())];
    fields.extend(case.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let got = server.ask_with(&case.method, &format!("{}{query}", case.path), &fields, "");
    let (status, location) = match &case.expected {
        Expected::Pass => (404, None),
        Expected::Redirect { status, location } => (*status, location.clone()),
        Expected::Reply(status) => (*status, None),
        Expected::Refuse(status) => (status.unwrap_or(got.status), None),
    };
    assert_eq!((got.status, &got.location), (status, &location), "{}: {case:?}", site.display());
}
