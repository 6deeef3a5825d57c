//! Pools, windows and splits as `byway.toml` writes them, and the sections that are no rules.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use byway_core::pool::{Balance, By, Down, Health, Member, Pool};
use byway_core::split::{self, Given, Key, Split};
use byway_core::window::Window;

use super::own::instant;
use super::toml::{bare, list, quoted};
use crate::calendar::{Calendar, Days, WEEKDAYS};

/// Where the key of a split comes from, where that is not its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A text in the file.
    Salt(String),
    /// A file of its own.
    File(String),
}

/// Writes `[pool.NAME]`.
pub(super) fn pool(pool: &Pool, out: &mut String) {
    _ = writeln!(out, "\n[pool.{}]", bare(&pool.name));
    let mut tiers = pool.tiers.iter();
    let tier = |tier: &Vec<Member>| format!("[{}]", tier.iter().map(member).collect::<Vec<_>>().join(", "));
    let members = tiers.next().map_or_else(|| "[]".to_owned(), tier);
    _ = writeln!(out, "members = {members}");
    match tiers.as_slice() {
        [] => {}
        [one] => _ = writeln!(out, "standby = {}", tier(one)),
        several => _ = writeln!(out, "standby = [{}]", several.iter().map(tier).collect::<Vec<_>>().join(", ")),
    }
    match &pool.balance {
        Balance::First => {}
        Balance::RoundRobin => out.push_str("balance = \"round-robin\"\n"),
        Balance::Hash(by) => {
            let by = match by {
                By::Cookie(name) => format!("cookie:{name}"),
                By::Header(name) => format!("header:{name}"),
                By::Query(name) => format!("query:{name}"),
                By::Address => "address".to_owned(),
                By::Path => "path".to_owned(),
            };
            _ = writeln!(out, "balance = \"hash\"\nby = {}", quoted(&by));
        }
    }
    match pool.down {
        Down::LastStandby => out.push_str("down = \"last-standby\"\n"),
        Down::Reply { retry_after } => _ = writeln!(out, "down = {{ status = 503, retry_after = {retry_after} }}"),
    }
    if pool.slow_start > 0 {
        _ = writeln!(out, "slow_start = \"{}s\"", pool.slow_start);
    }
    if let Some(health) = &pool.health {
        _ = writeln!(out, "health = {}", health_text(health));
    }
}

fn member(member: &Member) -> String {
    match member.weight {
        1 => quoted(&member.origin),
        weight => format!("{{ url = {}, weight = {weight} }}", quoted(&member.origin)),
    }
}

fn health_text(health: &Health) -> String {
    let Health { path, interval, timeout, fall, rise, jitter, statuses, body, ca } = health;
    let mut text = format!(
        "{{ path = {}, interval = \"{interval}ms\", timeout = \"{timeout}ms\", fall = {fall}, rise = {rise}, jitter = {jitter}",
        quoted(path)
    );
    if !statuses.is_empty() {
        let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
        _ = write!(text, ", status = [{}]", statuses.join(", "));
    }
    for (key, value) in [("body", body), ("ca", ca)] {
        if let Some(value) = value {
            _ = write!(text, ", {key} = {}", quoted(value));
        }
    }
    text + " }"
}

/// Writes `[window.NAME]`; a window that says nothing, of a damaged file, has no text.
pub(super) fn window(window: &Window, out: &mut String) -> Result<(), Cow<'static, str>> {
    let calendar: Calendar = window.when.parse().map_err(|()| "a window that does not say when it is")?;
    _ = writeln!(out, "\n[window.{}]", bare(&window.name));
    let zone = |zone: &jiff::tz::TimeZone| quoted(zone.iana_name().unwrap_or("UTC"));
    match &calendar {
        Calendar::Once(span) => {
            let [from, until] = [span.from, span.until].map(instant);
            let unknown = "a time that no calendar has";
            _ = writeln!(out, "from = {}\nuntil = {}", from.ok_or(unknown)?, until.ok_or(unknown)?);
        }
        Calendar::Days { days, at, zone: stated, lasts } => {
            match days {
                Days::Weekly(0b111_1111) => {}
                Days::Weekly(bits) => {
                    let held = WEEKDAYS.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
                    let names: Vec<String> = held.map(|(_, (name, _))| (*name).to_owned()).collect();
                    _ = writeln!(out, "weekdays = {}", list(&names));
                }
                Days::MonthDay(day) if *day > 0 => _ = writeln!(out, "monthly = {day}"),
                monthly => _ = writeln!(out, "monthly = {}", quoted(&monthly.to_string())),
            }
            _ = writeln!(out, "at = \"{at}\"\nfor = \"{lasts}s\"\nzone = {}", zone(stated));
        }
        Calendar::Cron { line, zone: stated, lasts } => {
            _ = writeln!(out, "cron = {}\nfor = \"{lasts}s\"\nzone = {}", quoted(line.as_str()), zone(stated));
        }
    }
    Ok(())
}

/// Writes `[split.NAME]`, unless its key is not known any more.
pub(super) fn split(
    split: &Split,
    keys: &BTreeMap<String, KeySource>,
    out: &mut String,
) -> Result<(), Cow<'static, str>> {
    let key = match keys.get(&split.name) {
        Some(KeySource::Salt(salt)) => format!("salt = {}\n", quoted(salt)),
        Some(KeySource::File(file)) => format!("key_file = {}\n", quoted(file)),
        None if split.key == Key::of(split.name.as_bytes()) => String::new(),
        None => return Err("a split of a compiled file, which does not hold its salt".into()),
    };
    _ = writeln!(out, "\n[split.{}]", bare(&split.name));
    let by = match &split.by {
        split::By::Cookie { name, .. } => format!("cookie:{name}"),
        split::By::Header(name) => format!("header:{name}"),
        split::By::Address => "address".to_owned(),
    };
    _ = writeln!(out, "by = {}", quoted(&by));
    let range = |variant: &split::Variant| format!("{} = \"{}..{}\"", bare(&variant.name), variant.from, variant.until);
    _ = writeln!(out, "variants = {{ {} }}", split.variants.iter().map(range).collect::<Vec<_>>().join(", "));
    _ = writeln!(out, "control = {}", quoted(&split.control));
    if matches!(split.by, split::By::Cookie { given: Given::ByOthers, .. }) {
        out.push_str("draw = false\n");
    }
    for (name, second) in [("start", split.start), ("end", split.end)] {
        if let Some(second) = second {
            _ = writeln!(out, "{name} = {}", instant(second).ok_or("a time that no calendar has")?);
        }
    }
    if let Some(consent) = &split.consent {
        let value = consent.value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
        _ = writeln!(out, "consent = {}", quoted(&format!("cookie:{}{value}", consent.cookie)));
    }
    out.push_str(&key);
    if let Some(field) = &split.exposure {
        _ = writeln!(out, "exposure = {}", quoted(field));
    }
    Ok(())
}
