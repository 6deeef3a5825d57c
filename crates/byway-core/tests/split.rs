//! Splits through the decisions that they are for: uniform, stable, and silent about whoever may not be divided.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use byway_core::condition::{Condition, Subject, Test};
use byway_core::decision::Storing;
use byway_core::dialect::QueryPolicy;
use byway_core::ruleset::TableSpec;
use byway_core::source::Source;
use byway_core::split::{By, Consent, Draws, Given, Key, SLOTS, Split, Variant, slot};
use byway_core::status::{RedirectStatus, StatusByMethod};
use byway_core::target::Target;
use byway_core::{Action, Builder, Request, Rule, RuleSet, Scheme, Scratch, Surroundings};

const VISITORS: u32 = 100_000;

fn variant(name: &str, from: u16, until: u16) -> Variant {
    Variant { name: name.to_owned(), from, until }
}

fn cookie(given: Given) -> By {
    By::Cookie { name: "visitor".to_owned(), given }
}

fn split(by: By, variants: Vec<Variant>) -> Split {
    Split {
        name: "form".to_owned(),
        by,
        variants,
        control: "a".to_owned(),
        start: None,
        end: None,
        consent: None,
        key: Key::of(b"form"),
        exposure: Some("X-Variant".to_owned()),
    }
}

/// `/form` goes to `/VARIANT` for each variant beside the control.
fn rules(split: &Split, seed: u64) -> RuleSet {
    let mut builder = Builder::new(seed);
    let table = builder.table(&TableSpec::OWN);
    builder.root(table);
    for variant in &split.variants {
        let subject = Subject::parse("split", Some(&split.name)).expect("a subject");
        let condition = Condition::new(subject, Test::Is(variant.name.clone()), false).expect("a condition");
        let source = Source::parse("/form").expect("a source");
        let to = format!("/{}", variant.name);
        let target = Target::parse(&to, &source).expect("a target");
        let status = StatusByMethod::always(RedirectStatus::TemporaryRedirect);
        let rule = Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep });
        builder.push(table, &Rule { conditions: &[condition], ..rule }).expect("a rule");
    }
    builder.define_split(split.clone());
    builder.finish()
}

/// Where a visitor is sent, what the answer says beside, and whether it may be kept.
struct Answer {
    location: String,
    fields: String,
    variants: String,
    storing: Storing,
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a str,
    fields: &'a [(&'a str, &'a str)],
    address: IpAddr,
}

const GET: Asked<'_> = Asked { method: "GET", fields: &[], address: IpAddr::V6(Ipv6Addr::LOCALHOST) };

fn ask(rules: &RuleSet, asked: Asked<'_>, around: &Surroundings<'_>) -> Answer {
    let fields: Vec<(String, String)> =
        asked.fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = Request {
        method: asked.method,
        scheme: Scheme::Https,
        host: "example.com",
        port: 443,
        path: b"/form",
        query: None,
        fields: &fields,
        address: asked.address,
        local_port: 443,
    };
    let mut scratch = Scratch::new();
    let decision = rules.decide(&request, around, &mut scratch);
    let location = match &decision.outcome {
        byway_core::Outcome::Redirect(redirect) => redirect.location.as_str().to_owned(),
        outcome => format!("{outcome:?}"),
    };
    Answer {
        location,
        fields: decision.fields.as_str().to_owned(),
        variants: decision.variants.to_owned(),
        storing: decision.storing,
    }
}

/// Rules, a method, and the fields of a request.
type Case<'a> = (&'a RuleSet, &'a str, &'a [(&'a str, &'a str)]);

/// Draws that count themselves.
#[derive(Debug, Default)]
struct Counting(Cell<u64>);

impl Draws for Counting {
    fn draw(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get() - 1
    }
}

/// Pearson's statistic of counts that should all be the same.
fn chi_square(counts: &[u32]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

#[test]
fn a_hundred_thousand_visitors_fill_the_slots_evenly() {
    // Mean 999, standard deviation 44.7: 1,143 is passed by chance once in a thousand times, and chance is fixed here.
    let names: [&dyn Fn(u32) -> Vec<u8>; 3] = [
        &|number| number.to_string().into_bytes(),
        &|number| format!("visitor-{number:08x}-of-a-site").into_bytes(),
        &|number| std::net::Ipv4Addr::from(0x0A00_0000 + number).octets().to_vec(),
    ];
    for name in names {
        for salt in ["form", "another"] {
            let key = Key::of(salt.as_bytes());
            let mut counts = vec![0; usize::from(SLOTS)];
            (0..VISITORS).for_each(|number| counts[usize::from(slot(&key, "form", &name(number)))] += 1);
            let statistic = chi_square(&counts);
            assert!(statistic < 1_143.0, "{salt}: {statistic}");
        }
    }
}

#[test]
fn shares_are_those_of_the_weights_by_cookie_header_and_address() {
    for by in [cookie(Given::ByOthers), By::Header("x-user".to_owned()), By::Address] {
        let rules = rules(&split(by.clone(), vec![variant("b", 0, 100), variant("c", 100, 350)]), 1);
        let mut counts: HashMap<String, u32> = HashMap::new();
        for number in 0..20_000u32 {
            let (name, id) = (format!("visitor=id-{number}"), format!("user-{number}"));
            let fields = [("cookie", name.as_str()), ("x-user", id.as_str())];
            let address = IpAddr::V4((0x0A00_0000 + number).into());
            let answer = ask(&rules, Asked { fields: &fields, address, ..GET }, &Surroundings::at(0));
            assert_eq!(answer.storing, Storing::Forbidden);
            *counts.entry(answer.variants).or_default() += 1;
        }
        for (name, wanted) in [("form=a", 13_000.0_f64), ("form=b", 2_000.0), ("form=c", 5_000.0)] {
            let count = f64::from(counts[name]);
            // Four standard deviations of a share.
            let spread = 4.0 * (wanted * (1.0 - wanted / 20_000.0)).sqrt();
            assert!((count - wanted).abs() < spread, "{by:?} {name}: {count}");
        }
    }
}

#[test]
fn nodes_agree_and_a_new_variant_takes_from_the_control_alone() {
    let before = split(By::Header("x-user".to_owned()), vec![variant("b", 0, 100)]);
    let after = Split { variants: vec![variant("b", 0, 100), variant("c", 100, 300)], ..before.clone() };
    let (first, second, later) = (rules(&before, 1), rules(&before, 0xDEAD_BEEF), rules(&after, 7));
    let reopened = RuleSet::open(first.as_bytes().to_vec()).expect("the same rules");
    let mut moved = 0;
    for number in 0..20_000 {
        let id = format!("user-{number}");
        let fields = [("x-user", id.as_str())];
        let of = |rules: &RuleSet| ask(rules, Asked { fields: &fields, ..GET }, &Surroundings::at(0)).variants;
        let was = of(&first);
        assert_eq!((of(&second), of(&reopened)), (was.clone(), was.clone()), "{id}");
        let is = of(&later);
        assert!(is == was || (was == "form=a" && is == "form=c"), "{id}: {was} to {is}");
        moved += u32::from(is != was);
    }
    assert!((3_700..4_300).contains(&moved), "{moved} of 20,000 moved for a fifth of the line");
}

#[test]
fn a_first_visit_is_drawn_remembered_and_kept() {
    let rules = rules(&split(cookie(Given::ByUs), vec![variant("b", 0, 500)]), 1);
    let draws = Counting::default();
    let around = Surroundings::at(0).with_draws(Some(&draws));
    let first = ask(&rules, GET, &around);
    assert_eq!((first.location.as_str(), draws.0.get()), ("/b", 1));
    assert_eq!(first.fields, "X-Variant: b\r\nSet-Cookie: visitor=b; Path=/; Secure; HttpOnly; SameSite=Lax\r\n");
    let again = ask(&rules, Asked { fields: &[("cookie", "x=1; visitor=b")], ..GET }, &around);
    assert_eq!((again.location.as_str(), again.fields.as_str()), ("/b", "X-Variant: b\r\n"));
    let control = ask(&rules, Asked { fields: &[("cookie", "visitor=a")], ..GET }, &around);
    assert_eq!((control.location.as_str(), control.variants.as_str()), ("Pass", "form=a"));
    assert_eq!(draws.0.get(), 1, "who is known is not drawn again");
}

#[test]
fn whoever_has_no_key_gets_the_control_and_no_draw() {
    let consent = Some(Consent { cookie: "consent".to_owned(), value: Some("yes".to_owned()) });
    let gated = rules(&Split { consent, ..split(cookie(Given::ByUs), vec![variant("b", 0, 1_000)]) }, 1);
    let open = rules(&split(cookie(Given::ByUs), vec![variant("b", 0, 1_000)]), 1);
    let by_others = rules(&split(cookie(Given::ByOthers), vec![variant("b", 0, 1_000)]), 1);
    let by_header = rules(&split(By::Header("x-user".to_owned()), vec![variant("b", 0, 1_000)]), 1);
    let draws = Counting::default();
    let around = Surroundings::at(0).with_draws(Some(&draws));
    let cases: [Case<'_>; 9] = [
        (&gated, "GET", &[]),
        (&gated, "GET", &[("cookie", "visitor=b")]),
        (&gated, "GET", &[("cookie", "consent=no; visitor=b")]),
        (&open, "POST", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]),
        (&open, "POST", &[("origin", "https://shop.example.net")]),
        (&open, "POST", &[("origin", "null")]),
        (&open, "GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]),
        (&by_others, "GET", &[]),
        (&by_header, "GET", &[("x-user", "")]),
    ];
    for (rules, method, fields) in cases {
        let answer = ask(rules, Asked { method, fields, ..GET }, &around);
        assert_eq!((answer.location.as_str(), answer.fields.as_str()), ("Pass", ""), "{method} {fields:?}");
        assert_eq!((answer.variants.as_str(), answer.storing), ("", Storing::Forbidden), "{method} {fields:?}");
    }
    assert_eq!(draws.0.get(), 0);
    let drawn: [Case<'_>; 4] = [
        (&gated, "GET", &[("cookie", "consent=yes")]),
        (&open, "GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]),
        (&open, "POST", &[("sec-fetch-site", "same-origin"), ("origin", "https://example.com")]),
        (&open, "POST", &[("origin", "https://example.com")]),
    ];
    for (rules, method, fields) in drawn {
        assert_eq!(ask(rules, Asked { method, fields, ..GET }, &around).location, "/b", "{method} {fields:?}");
    }
}

#[test]
fn before_the_start_and_from_the_end_on_everybody_gets_the_control_and_caches_may_keep_it() {
    let split = Split { start: Some(10), end: Some(20), ..split(By::Address, vec![variant("b", 0, 1_000)]) };
    let rules = rules(&split, 1);
    for (now, location, storing) in [
        (9, "Pass", Storing::Allowed),
        (10, "/b", Storing::Forbidden),
        (19, "/b", Storing::Forbidden),
        (20, "Pass", Storing::Allowed),
    ] {
        let answer = ask(&rules, GET, &Surroundings::at(now));
        assert_eq!((answer.location.as_str(), answer.storing), (location, storing), "{now}");
    }
}

#[test]
fn an_address_is_one_visitor_and_so_is_a_network_of_ipv6() {
    let rules = rules(&split(By::Address, vec![variant("b", 0, 500)]), 1);
    let of = |address: &str| {
        let address = address.parse().expect("an address");
        ask(&rules, Asked { address, ..GET }, &Surroundings::at(0)).variants
    };
    for network in ["2001:db8:0:1", "2001:db8:0:2", "2001:db8:0:3"] {
        assert_eq!(of(&format!("{network}::1")), of(&format!("{network}:abcd:1:2:3")));
    }
    for last in 0..50 {
        assert_eq!(of(&format!("192.0.2.{last}")), of(&format!("::ffff:192.0.2.{last}")));
    }
}

#[test]
fn splits_come_back_as_they_were_given() {
    let split = Split {
        consent: Some(Consent { cookie: "c".to_owned(), value: None }),
        start: Some(5),
        ..split(By::Header("x-user".to_owned()), vec![variant("b", 0, 5), variant("c", 900, 1_000)])
    };
    assert_eq!(rules(&split, 1).splits().collect::<Vec<_>>(), [split]);
}
