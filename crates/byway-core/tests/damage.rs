//! Compiled files that were cut, changed or forged: they are refused, or answer something; nothing panics and nothing hangs.

#![allow(clippy::unwrap_used, reason = "what cannot be built fails the test")]

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{APACHE, NGINX_RETURN, QueryPolicy};
use byway_core::rule::Then;
use byway_core::ruleset::{After, OpenError, Order, TableSpec};
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, NO_FIELDS, Request, Rule, RuleSet, Scheme, Scratch, Surroundings};
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

/// A rule set in which every section has something.
fn whole() -> Vec<u8> {
    let mut builder = Builder::new(11);
    let file = builder.file("rules.toml");
    let own = builder.table(&TableSpec::OWN);
    let nginx = builder.table(&TableSpec { dialect: &NGINX_RETURN, order: Order::NginxLocation, ..TableSpec::OWN });
    let apache =
        builder.table(&TableSpec { dialect: &APACHE, order: Order::Listed, after: After::NextRoot, strip: b"/" });
    builder.root(own);
    builder.root(nginx);
    let when = [Condition::new(Subject::parse("header", Some("x")).unwrap(), Test::regex("^a(.)"), false).unwrap()];
    let status = StatusByMethod::always(RedirectStatus::Found);
    for (at, text) in
        ["/a", "/a/*", "/:x/b", "/:x/b/*", "~/re-(.*)/long", "~.*", "//h.test/a?k=1", "//*.h.test/a/*", "/a?k=1&l=2"]
            .into_iter()
            .enumerate()
    {
        let source = Source::parse(text).unwrap();
        let target = Target::parse(if at % 2 == 0 { "/to?x={query.k}" } else { "/constant" }, &source).unwrap();
        let conditions = if at % 3 == 0 { &when[..] } else { &[] };
        let rule = Rule {
            conditions,
            note: Some("why"),
            cache_control: Some("max-age=1"),
            place: byway_core::rule::Place { file, line: at as u32 },
            priority: (at % 2) as i32,
            ..Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Only(vec!["k".into()]) })
        };
        builder.push(own, &rule).unwrap();
    }
    let any = Source::parse("~^/n(.*)$").unwrap();
    builder.push(nginx, &Rule::new(any.clone(), Action::Enter(apache))).unwrap();
    let target = Target::parse("/n/x{1}", &any).unwrap();
    let again = Action::Rewrite { target, query: QueryPolicy::Keep, then: Then::Table(nginx) };
    builder.push(apache, &Rule::new(Source::parse("~n(.*)").unwrap(), again)).unwrap();
    builder.finish().as_bytes().to_vec()
}

/// The hash of the header, recomputed as someone would who forges a file.
fn forge(bytes: &mut [u8]) {
    let seed = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
    let hash = rapidhash_v3_seeded(&bytes[32..], &RapidSecrets::seed(seed));
    bytes[24..32].copy_from_slice(&hash.to_le_bytes());
}

fn use_all(rules: &RuleSet, scratch: &mut Scratch) {
    for view in rules.rules().take(100) {
        let _ = (
            view.source().to_string(),
            view.target_text(),
            view.conditions().len(),
            view.identity(),
            view.file_name(),
            format!("{view:?}"),
        );
    }
    for (host, path, query) in [
        ("h.test", &b"/a"[..], Some(&b"k=1&l=2"[..])),
        ("x.h.test", b"/a/b", None),
        ("o.test", b"/q/b/c", None),
        ("", b"/n/y", None),
        ("", b"/re-1/long", Some(b"k=%")),
    ] {
        let request = Request {
            method: "GET",
            scheme: Scheme::Http,
            host,
            port: 80,
            path,
            query,
            fields: NO_FIELDS,
            address: [127, 0, 0, 1].into(),
            local_port: 80,
        };
        let _ = rules.decide(&request, &Surroundings::at(0), scratch);
    }
}

#[test]
fn a_file_cut_short_is_refused() {
    let bytes = whole();
    assert!(RuleSet::open(bytes.clone()).is_ok());
    for len in (0..bytes.len()).step_by(7) {
        assert!(RuleSet::open(bytes[..len].to_vec()).is_err(), "{len}");
    }
    assert!(RuleSet::open([bytes.as_slice(), b"x"].concat()).is_err());
}

#[test]
fn a_changed_byte_is_refused() {
    let bytes = whole();
    for at in (0..bytes.len()).step_by(3) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        assert!(RuleSet::open(changed).is_err(), "{at}");
    }
}

#[test]
fn a_forged_file_answers_something() {
    let bytes = whole();
    let mut scratch = Scratch::new();
    let mut opened = 0;
    let (step, flips) = (bytes.len() / 400, [0x01u8, 0xFF]);
    for at in (32..bytes.len()).step_by(step.max(1)) {
        for flip in flips {
            let mut forged = bytes.clone();
            forged[at] ^= flip;
            forge(&mut forged);
            match RuleSet::open(forged.clone()) {
                Ok(rules) => {
                    opened += 1;
                    use_all(&rules, &mut scratch);
                }
                Err(OpenError::Hash) => panic!("the hash was not forged well"),
                Err(_) => {}
            }
            // The same without the checks of every reference, as a mapped file is opened.
            if let Ok(rules) = RuleSet::open_shared(forged) {
                use_all(&rules, &mut scratch);
            }
        }
    }
    assert!(opened > 20, "{opened}");
}

#[test]
fn tables_that_follow_one_another_in_a_circle_are_refused() {
    let mut builder = Builder::new(1);
    let [first, second, third] = [(); 3].map(|()| builder.table(&TableSpec::OWN));
    builder.root(first);
    // Backwards is no circle.
    builder.set_after(third, After::Table(first));
    builder.set_after(first, After::Table(second));
    assert!(RuleSet::open(builder.finish().as_bytes().to_vec()).is_ok());
    let mut builder = Builder::new(1);
    let [first, second, third] = [(); 3].map(|()| builder.table(&TableSpec::OWN));
    builder.root(first);
    builder.set_after(first, After::Table(second));
    builder.set_after(second, After::Table(third));
    builder.set_after(third, After::Table(second));
    let rules = builder.finish();
    let why = "tables follow one another in a circle";
    assert_eq!(RuleSet::open(rules.as_bytes().to_vec()).unwrap_err(), OpenError::Broken(why));
    // Unchecked, as a mapped file is: it ends all the same.
    use_all(&RuleSet::open_shared(rules.as_bytes().to_vec()).unwrap(), &mut Scratch::new());
}
