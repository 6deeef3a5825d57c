//! Rules that were written in another format, asked the same as those they came from: what a verdict does not know is seen.
//!
//! Another server's rules are laid flat before they are written, and a rule that was left out leaves its requests to others. So
//! both are asked requests made from the rules, in this process, over http and https, and a row of the report whose requests are
//! answered otherwise says so with one of them. Requests that are oddly spelt are left out: of these every format says what it
//! makes.

use std::collections::{BTreeMap, BTreeSet};

use byway_config::files::MemoryFiles;
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_config::remarks::Verdict;
use byway_config::writing::{Row, Writing, is_of_all};
use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::BYWAY;
use byway_core::rule::{FileId, Place};
use byway_core::ruleset::{RuleView, Scratch};
use byway_core::target::{Part, Piece, What};
use byway_core::{RuleSet, Scheme};

use super::answer::{self, Answer, Ours, compare};
use super::ask::Ask;
use super::draw::Draw;
use super::sampler::Sampler;
use super::stand_ins::StandIns;

/// How many requests are made for each rule, and of all at least and at most.
const EACH: usize = 30;
const LEAST: usize = 300;
const MOST: usize = 3_000;
/// How many hosts that the rules name are tried in the place of one that is made up.
const HOSTS: usize = 8;

/// Says in the rows which rules' requests are answered otherwise by what was written; whether there are any. What cannot be read
/// again (it names files of this machine) is not asked.
pub(crate) fn note_changes(loaded: &Loaded, writing: &Writing<'_>, to: &Format, now: i64, rows: &mut Vec<Row>) -> bool {
    let is_foreign = loaded.files.iter().any(|(_, file)| file.format.is_some_and(Format::is_foreign));
    let (Some(before), true) = (&loaded.rules, is_foreign) else { return false };
    let Some(name) = name_of(to) else { return false };
    let lists = writing.lists.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let files = MemoryFiles::new(std::iter::once((name, writing.text.as_str())).chain(lists));
    let options = LoadOptions { format: Format::named(to.name), ..LoadOptions::default() };
    let Some(after) = load(&files, &[name.as_ref()], &options).rules else { return false };
    let changes = changes(loaded, before, &after, now);
    let mut others = BTreeSet::new();
    for (place, change) in &changes {
        let is_of = |row: &&mut Row| row.place.is_some() && row.place.map(Key::of) == *place;
        match rows.iter_mut().find(is_of) {
            Some(row) => row.verdict = changed(&row.verdict, change),
            // Of a list whose entries are no rows, one is enough.
            None if !others.insert(place.map(|place| place.file)) => {}
            None => rows.push(Row {
                place: None,
                rule: "requests that no rule of the file decides".to_owned(),
                verdict: Verdict::Approximated(change.clone().into()),
            }),
        }
    }
    !changes.is_empty()
}

/// The name under which a format's text is read again.
fn name_of(format: &Format) -> Option<&'static str> {
    match format.name {
        "toml" => Some("converted.toml"),
        "csv" => Some("converted.csv"),
        "nginx" => Some("nginx.conf"),
        "apache" => Some("httpd.conf"),
        "htaccess" => Some(".htaccess"),
        _ => None,
    }
}

fn changed(verdict: &Verdict, change: &str) -> Verdict {
    match verdict {
        Verdict::Refused(why) => Verdict::Refused(format!("{why}; {change}").into()),
        Verdict::Approximated(why) if !is_of_all(why) => Verdict::Approximated(format!("{why}; {change}").into()),
        _ => Verdict::Approximated(change.to_owned().into()),
    }
}

/// One request of each rule that is answered otherwise, in words; of those that no rule took, under no place.
fn changes(loaded: &Loaded, before: &RuleSet, after: &RuleSet, now: i64) -> BTreeMap<Option<Key>, String> {
    let texts: Vec<Vec<u8>> = loaded.files.iter().filter_map(|(_, file)| std::fs::read(&file.path).ok()).collect();
    let sampler = Sampler::new(before, &texts, StandIns::default());
    let mut draw = Draw::new(1);
    let ports = ports(before);
    let (mut one, mut other) = (Scratch::new(), Scratch::new());
    let mut found = BTreeMap::new();
    for turn in 0..(before.len() * EACH).clamp(LEAST, MOST) {
        let ask = sampler.ask(turn, &mut draw);
        if !is_plain(&ask) {
            continue;
        }
        for &(scheme, port) in &ports {
            let mut difference = |ask: &Ask| {
                let old = ask.over(scheme, before, (port, now), &mut one, &mut ());
                let new = ask.over(scheme, after, (port, now), &mut other, &mut ());
                // A path that its rules change again and again, as where files are taken not to be there, is no answer.
                let is_none = old.edge
                    || old.answer == Answer::Status(500)
                    || is_itself(ask, scheme, &old)
                    || is_alike(ask, scheme, &old, &new);
                let place = old.rule.filter(|place| place.line > 0).map(Key::of);
                (!is_none).then_some((place, old, new))
            };
            let asked = at_port(&ask, port);
            let Some((place, old, new)) = difference(&asked) else { continue };
            // The plainest request is the best example, and one for a host that somebody has.
            let is_made_up = !sampler.names(&ask.host);
            let strangeness = |ask: &Ask, is_made_up: bool| {
                1_000 * usize::from(is_made_up) + 100 * usize::from(ask.method != "GET") + ask.words().len()
            };
            let is_plainer = |ask: &Ask, is_made_up: bool| {
                found.get(&place).is_none_or(|(held, _): &(usize, String)| strangeness(ask, is_made_up) < *held)
            };
            // Where the host does not matter, the same is asked of one that the rules name.
            let hosts = sampler.named().iter().filter(|_| is_made_up && is_plainer(&asked, false)).take(HOSTS);
            let named = hosts.map(|host| at_port(&Ask { host: host.clone(), ..ask.clone() }, port)).find_map(|ask| {
                let (of, old, new) = difference(&ask)?;
                (of == place).then_some((ask, old, new, false))
            });
            let (ask, old, new, is_made_up) = named.unwrap_or((asked, old, new, is_made_up));
            let strangeness = strangeness(&ask, is_made_up);
            if found.get(&place).is_none_or(|(held, _): &(usize, String)| strangeness < *held) {
                let url = ask.words().replacen("http:", &format!("{}:", scheme.as_str()), 1);
                found.insert(place, (strangeness, format!("`{url}` got {} and now gets {}", words(&old), words(&new))));
            }
        }
    }
    let shown = if sampler.named().iter().any(|host| host == "example.com") { "other.example" } else { "example.com" };
    found.into_iter().map(|(place, (_, said))| (place, said.replace(&sampler.host(), shown))).collect()
}

/// The ports that servers listen on, each with a scheme; those of http and https where no other is named.
fn ports(rules: &RuleSet) -> Vec<(Scheme, u16)> {
    let of_condition = |condition: &Condition| match (&condition.subject, &condition.test) {
        (Subject::Text(pieces), Test::Is(port)) => {
            let is_port = matches!(pieces.as_slice(), [Piece { what: What::Part(Part::LocalPort), .. }]);
            port.parse().ok().filter(|_| is_port)
        }
        _ => None,
    };
    let own = |rule: RuleView<'_>| {
        let conditions = rule.conditions();
        rule.source().port.into_iter().chain(conditions.iter().filter_map(of_condition)).collect::<Vec<u16>>()
    };
    let listed: BTreeSet<u16> = rules.rules().filter(|rule| rule.dialect().name != BYWAY.name).flat_map(own).collect();
    if listed.iter().all(|port| matches!(port, 80 | 443)) {
        return vec![(Scheme::Http, 80), (Scheme::Https, 443)];
    }
    listed.into_iter().map(|port| (if port == 443 { Scheme::Https } else { Scheme::Http }, port)).collect()
}

/// A request at a port, which its Host field names where that is not the scheme's.
fn at_port(ask: &Ask, port: u16) -> Ask {
    let host = if matches!(port, 80 | 443) { ask.host.clone() } else { format!("{}:{port}", ask.host) };
    Ask { host, ..ask.clone() }
}

/// Whether what was asked is sent to itself: other rules stand aside there, and nobody misses it.
fn is_itself(ask: &Ask, scheme: Scheme, old: &Ours) -> bool {
    let asked = [scheme.as_str().as_bytes(), b"://", ask.host.to_ascii_lowercase().as_bytes(), &ask.target].concat();
    matches!(whole(ask, scheme, &old.answer), Answer::Redirect(_, location) if location == asked)
}

/// Where a rule stands, in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    file: FileId,
    line: u32,
}

impl Key {
    fn of(place: Place) -> Key {
        Key { file: place.file, line: place.line }
    }
}

/// Whether nobody disagrees about what is asked, letter case aside.
fn is_plain(ask: &Ask) -> bool {
    let text = &ask.target;
    !text.iter().any(|byte| b"%+[]\\^|{}".contains(byte))
        && !text.ends_with(b"?")
        && !ask.host.ends_with('.')
        && !text.windows(2).any(|two| two == b"//" || two == b"/.")
        && ask.fields.iter().all(|(_, value)| !value.is_empty())
        && !ask.host.contains(':')
}

fn is_alike(ask: &Ask, scheme: Scheme, old: &Ours, new: &Ours) -> bool {
    let [old, new] = [old, new].map(|said| whole(ask, scheme, &said.answer));
    // Both are rules: a status that is left to nobody is no content of a server's.
    if matches!((&old, &new), (Answer::Status(_), Answer::Passes)) {
        return false;
    }
    let new = Ours { answer: new, edge: false, has_control: false, rule: None };
    !matches!(compare(&old, &new), answer::Verdict::Differ)
}

/// An answer with the whole URL that a client makes of a Location; nothing decided and nothing there are one.
fn whole(ask: &Ask, scheme: Scheme, answer: &Answer) -> Answer {
    match answer {
        Answer::Redirect(status, location) if location.starts_with(b"/") => {
            let host = ask.host.to_ascii_lowercase();
            let origin = format!("{}://{host}", scheme.as_str()).into_bytes();
            Answer::Redirect(*status, [origin, location.clone()].concat())
        }
        // A host has no letter case.
        Answer::Redirect(status, location) => {
            let begin = location.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
            let len = location[begin..].iter().position(|byte| b"/?#".contains(byte)).unwrap_or(location.len() - begin);
            let mut location = location.clone();
            location[..begin + len].make_ascii_lowercase();
            Answer::Redirect(*status, location)
        }
        Answer::Status(404) => Answer::Passes,
        answer => answer.clone(),
    }
}

fn words(ours: &Ours) -> String {
    match &ours.answer {
        Answer::Passes => "no redirect".to_owned(),
        answer => answer.words(),
    }
}
