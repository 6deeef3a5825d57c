//! Databases of places in every form that is read, whole and damaged.

use std::net::IpAddr;

use byway_config::diagnostic::{Diagnostic, Severity};
use byway_config::files::MemoryFiles;
use byway_config::load::{LoadOptions, load};
use byway_config::places::{Database, Databases};
use byway_core::place::{Code, Place, Places};
use byway_testkit::mmdb::{Value, file};

use Value::{Flag, Map, Number, Text};

const BUILT: u64 = 1_700_000_000;

fn place(databases: &Databases, address: &str) -> Place {
    databases.place(address.parse::<IpAddr>().expect("an address"))
}

fn open(networks: &[(&str, Value)]) -> Database {
    Database::open("test.mmdb", file("test", BUILT, networks)).expect("a database")
}

fn code(text: &str) -> Option<Code> {
    Code::new(text)
}

#[test]
fn the_nested_form_of_maxmind() {
    let german = Map(vec![
        ("continent", Map(vec![("code", Text("EU"))])),
        ("country", Map(vec![("iso_code", Text("DE")), ("is_in_european_union", Flag(true))])),
    ]);
    let swiss =
        Map(vec![("continent", Map(vec![("code", Text("EU"))])), ("country", Map(vec![("iso_code", Text("CH"))]))]);
    let system = Map(vec![("autonomous_system_number", Number(3320)), ("autonomous_system_organization", Text("T"))]);
    let countries = open(&[("192.0.2.0/24", german), ("192.0.2.128/25", swiss), ("2001:db8::/32", Map(vec![]))]);
    let systems = open(&[("192.0.2.0/24", system)]);
    assert!(countries.knows_countries() && !countries.knows_systems());
    assert!(!systems.knows_countries() && systems.knows_systems());
    assert_eq!((countries.kind(), countries.built()), ("test", 1_700_000_000));
    let both = Databases::new(vec![countries, systems]);
    let here = Place { country: code("DE"), continent: code("EU"), is_eu: Some(true), asn: Some(3320) };
    assert_eq!(place(&both, "192.0.2.1"), here);
    assert_eq!(place(&both, "::ffff:192.0.2.1").country, None, "the walk takes such addresses apart");
    assert_eq!(place(&both, "192.0.2.200").completed().country, code("CH"));
    assert_eq!(place(&both, "192.0.2.200").completed().is_eu, Some(false));
    assert_eq!(place(&both, "198.51.100.1"), Place::default());
    assert_eq!(place(&both, "2001:db8::1"), Place::default());
}

#[test]
fn the_flat_forms() {
    let lite = open(&[(
        "192.0.2.0/24",
        Map(vec![
            ("country", Text("Austria")),
            ("country_code", Text("AT")),
            ("continent_code", Text("EU")),
            ("asn", Text("AS8447")),
        ]),
    )]);
    let wanted = Place { country: code("AT"), continent: code("EU"), is_eu: None, asn: Some(8447) };
    assert_eq!(place(&Databases::new(vec![lite]), "192.0.2.1"), wanted);
    let short = open(&[("2001:db8::/32", Map(vec![("country", Text("US")), ("continent", Text("NA"))]))]);
    let found = place(&Databases::new(vec![short]), "2001:db8::1");
    assert_eq!((found.country, found.continent), (code("US"), code("NA")));
    let code_alone = open(&[("0.0.0.0/0", Map(vec![("country_code", Text("JP"))]))]);
    let found = place(&Databases::new(vec![code_alone]), "203.0.113.9").completed();
    assert_eq!((found.country, found.continent, found.is_eu), (code("JP"), code("AS"), Some(false)));
}

#[test]
fn what_is_no_database_says_so() {
    for (bytes, why) in [
        (Vec::new(), "damaged, or no MMDB file"),
        (b"no database at all".to_vec(), "damaged, or no MMDB file"),
        (file("test", BUILT, &[("192.0.2.0/24", Map(vec![("city", Text("Bonn"))]))]), "knows neither"),
    ] {
        let bad = Database::open("places.mmdb", bytes).map(|_| ()).expect_err(why);
        assert!(bad.what.starts_with("places.mmdb ") && bad.what.contains(why), "{}", bad.what);
    }
}

#[test]
fn a_damaged_file_is_refused_or_answers_something_and_never_more() {
    let record = Map(vec![("country", Map(vec![("iso_code", Text("DE"))])), ("asn", Text("AS3320"))]);
    let whole = file("test", BUILT, &[("192.0.2.0/24", record.clone()), ("10.0.0.0/8", record)]);
    let mut opened = 0;
    for cut in 0..whole.len() {
        assert!(Database::open("cut", whole[..cut].to_vec()).is_err() || cut > whole.len() - 20, "{cut}");
    }
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            if let Ok(database) = Database::open("changed", bytes) {
                opened += 1;
                let databases = Databases::new(vec![database]);
                for address in ["192.0.2.1", "10.1.1.1", "::1", "255.255.255.255"] {
                    place(&databases, address);
                }
            }
        }
    }
    assert!(opened > 0, "some changes only change what is said");
}

#[test]
fn a_database_that_is_too_old_is_said_as_it_was_asked_for() {
    const DAY: i64 = 86_400;
    let record = Map(vec![("country_code", Text("DE"))]);
    let database = file("test", BUILT, &[("192.0.2.0/24", record)]);
    let said = |max_age: &str, days: i64| -> Vec<(Severity, String, Vec<String>, u32)> {
        let text = format!("[geo]\ndatabase = \"places.mmdb\"\n{max_age}\n[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\n");
        let files = MemoryFiles::new([("byway.toml", text.as_bytes()), ("places.mmdb", &database)]);
        let options = LoadOptions { now: Some(BUILT as i64 + days * DAY), ..LoadOptions::default() };
        let loaded = load(&files, &["byway.toml".as_ref()], &options);
        assert_eq!(loaded.rules.is_none(), loaded.diagnostics.iter().any(|one| one.severity == Severity::Error));
        let line = |one: &Diagnostic| one.primary.as_ref().map_or(0, |span| span.line);
        loaded.diagnostics.iter().map(|one| (one.severity, one.message.clone(), one.help.clone(), line(one))).collect()
    };
    let help = "fetch a newer one, and put it in place by renaming: a running server takes it up by itself";
    let help = || vec![help.to_owned()];
    assert_eq!(said("", 90), []);
    let message = "places.mmdb is of 2023-11-14T22:13:20Z, 91 days old".to_owned();
    assert_eq!(said("", 91), [(Severity::Warning, message, help(), 2)]);
    assert_eq!(said("max_age = \"1440h\"", 60), []);
    let message = "places.mmdb is 61 days old, more than `max_age`".to_owned();
    assert_eq!(said("max_age = \"1440h\"", 61), [(Severity::Error, message, help(), 2)]);
}
