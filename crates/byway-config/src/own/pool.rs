//! `[pool.NAME]`: origins of which some may be down.

use std::ops::Range;
use std::time::Duration;

use byway_core::pool::{Balance, By, Down, Health, Member, Pool};
use byway_core::source::Source;
use byway_core::target::{Target, TargetHost};
use toml::de::DeValue;

use super::keys::{DOWN, HEALTH, MEMBER, POOL};
use super::named::Thing;
use super::page::{Page, Record, Value, in_order, integer, shortened};
use super::server;
use crate::diagnostic::Diagnostic;
use crate::intake::Intake;

/// Reads every `[pool.NAME]`.
pub(crate) fn read_all<'p>(page: &mut Page<'p>, value: &Value<'p>, intake: &mut Intake) {
    for (name, value) in in_order(value.get_ref().as_table().unwrap_or(&Default::default())) {
        let at = page.span(name.span());
        if let Some(again) = intake.names.describe(Thing::Pool, name.get_ref(), at.clone()) {
            page.push(again);
        }
        let Some(table) = value.get_ref().as_table() else { continue };
        let before = page.errors;
        let record = page.open(table, value.span(), &POOL);
        let pool = read(page, name.get_ref(), &record, intake);
        if pool.tiers.iter().all(Vec::is_empty) && page.errors == before {
            let diagnostic = Diagnostic::error("empty-pool", format!("the pool `{}` has no members", name.get_ref()));
            page.push(diagnostic.at(at).help("write `members = [\"https://eu1.example.com\"]`"));
        }
        intake.builder.define_pool(pool);
    }
}

fn read<'p>(page: &mut Page<'p>, name: &str, record: &Record<'_, 'p>, intake: &Intake) -> Pool {
    let mut tiers = Vec::new();
    let mut known = Vec::new();
    if let Some(value) = record.get("members") {
        tiers.push(members(page, value, intake, &mut known));
    }
    if let Some(value) = record.get("standby") {
        tiers.extend(standby(page, value, intake, &mut known));
    }
    tiers.retain(|tier| !tier.is_empty());
    let health = record.get("health").and_then(|value| health(page, value, intake));
    let balance = balance(page, record);
    let is_weighted = tiers.iter().flatten().any(|member| member.weight > 1);
    if balance == Balance::First && is_weighted {
        let at = record.key_at("members").or(record.key_at("standby")).unwrap_or(record.at.clone());
        let diagnostic = Diagnostic::warning("idle-weight", "weights say nothing where the first that is up is chosen");
        page.push(diagnostic.at(page.span(at)).help("write `balance = \"round-robin\"` or `balance = \"hash\"`"));
    }
    let retry_after = health.as_ref().map_or(30, |health| health.interval.div_ceil(1_000) * u32::from(health.rise));
    Pool {
        name: name.to_owned(),
        tiers,
        balance,
        down: record.get("down").and_then(|value| down(page, value)).unwrap_or(Down::Reply { retry_after }),
        slow_start: seconds(server::duration(page, record, "slow_start")).unwrap_or(0),
        health,
    }
}

fn seconds(time: Option<Duration>) -> Option<u32> {
    time.map(|time| u32::try_from(time.as_secs() + u64::from(time.subsec_nanos() > 0)).unwrap_or(u32::MAX))
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// A flat list is one tier; lists in a list are tiers one after the other.
fn standby<'p>(page: &mut Page<'p>, value: &Value<'p>, intake: &Intake, known: &mut Vec<String>) -> Vec<Vec<Member>> {
    let Some(items) = value.get_ref().as_array() else { return Vec::new() };
    let lists = items.iter().filter(|item| item.get_ref().is_array()).count();
    if lists == 0 {
        return vec![members(page, value, intake, known)];
    }
    if lists < items.len() {
        let diagnostic = Diagnostic::error("bad-member", "members and lists of members in one list");
        page.push(
            diagnostic
                .at(page.span(value.span()))
                .help("write a list for each tier: `[[\"https://a\"], [\"https://b\"]]`"),
        );
        return Vec::new();
    }
    items.iter().map(|item| members(page, item, intake, known)).collect()
}

fn members<'p>(page: &mut Page<'p>, value: &Value<'p>, intake: &Intake, known: &mut Vec<String>) -> Vec<Member> {
    let items = value.get_ref().as_array().map(|items| items.iter()).into_iter().flatten();
    let mut members = Vec::new();
    for item in items {
        let (url, weight) = match item.get_ref() {
            DeValue::String(_) => (item, 1),
            DeValue::Table(table) => {
                let record = page.open(table, item.span(), &MEMBER);
                let weight = record.number("weight").unwrap_or(1);
                let Some(url) = record.get("url") else { continue };
                if weight == 0 {
                    let at = record.get("weight").map_or(item.span(), |value| value.span());
                    let diagnostic = Diagnostic::error("zero-weight", "a member of weight 0 is never chosen");
                    page.push(diagnostic.at(page.span(at)).help(
                        "write a weight from 1, take the member out, or make it a standby; `byway pool drain` takes one out for a while",
                    ));
                }
                (url, u16::try_from(weight).unwrap_or(1))
            }
            other => {
                let message =
                    format!("a member is a URL or `{{ url = \"…\", weight = 2 }}`, not {}", super::page::found(other));
                page.push(
                    Diagnostic::error("bad-member", message)
                        .at(page.span(item.span()))
                        .help("write `\"https://eu1.example.com\"`"),
                );
                continue;
            }
        };
        let Some(origin) = origin(page, url, intake) else { continue };
        if known.contains(&origin) {
            let diagnostic = Diagnostic::error("member-twice", format!("`{origin}` is a member twice"));
            page.push(diagnostic.at(page.span(url.span())).help("take one of the two out; a weight gives it more"));
            continue;
        }
        known.push(origin.clone());
        members.push(Member { origin, weight });
    }
    members
}

/// Scheme, host and port, and nothing else.
fn origin<'p>(page: &mut Page<'p>, value: &Value<'p>, intake: &Intake) -> Option<String> {
    let text = value.get_ref().as_str()?;
    let bad = |page: &mut Page<'p>, what: String, help: &str| {
        page.push(Diagnostic::error("bad-member", what).at(page.span(value.span())).help(help));
        None
    };
    let help = "write scheme, host and perhaps a port, as `https://eu1.example.com` or `http://10.0.0.7:8080`";
    let any = Source::parse("/").expect("the shortest source is one");
    let target = match Target::parse(text, &any) {
        Ok(target) => target,
        Err(error) => return bad(page, error.what, help),
    };
    let (TargetHost::Fixed(_), Some(whole)) = (target.host(), target.constant()) else {
        return bad(page, format!("`{}` is no origin", shortened(text)), help);
    };
    match whole.strip_suffix('/').filter(|origin| origin.matches('/').count() == 2 && !origin.contains(['?', '#'])) {
        Some(_) if !intake.policy.allows(&target) => {
            let message = format!("`{text}` is not in `[policy] target_hosts`");
            page.push(
                Diagnostic::error("target-host", message).at(page.span(value.span())).help("add its host to the list"),
            );
            None
        }
        Some(origin) => Some(origin.to_owned()),
        None => bad(
            page,
            format!("`{}` is more than an origin", shortened(text)),
            "a member supplies scheme, host and port; the path is the rule's: write it in `to`",
        ),
    }
}

fn balance<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>) -> Balance {
    let word = record.text("balance");
    let by = record.get("by");
    match (word, by) {
        (Some("hash"), None) => {
            let at = record.get("balance").map_or(record.at.clone(), |value| value.span());
            let diagnostic = Diagnostic::error("bad-balance", "`balance = \"hash\"` does not say of what");
            page.push(diagnostic.at(page.span(at)).help(
                "write `by = \"cookie:NAME\"`, `\"header:NAME\"`, `\"query:NAME\"`, `\"address\"` or `\"path\"`",
            ));
            Balance::First
        }
        (Some("hash"), Some(by)) => hashed_by(page, by).map_or(Balance::First, Balance::Hash),
        (_, Some(by)) => {
            let diagnostic = Diagnostic::error("bad-balance", "`by` without `balance = \"hash\"`");
            page.push(diagnostic.at(page.span(by.span())).help("write `balance = \"hash\"`, or take `by` out"));
            Balance::First
        }
        (Some("round-robin"), None) => Balance::RoundRobin,
        _ => Balance::First,
    }
}

fn hashed_by<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<By> {
    let text = value.get_ref().as_str()?;
    let is_token = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    match text.split_once(':') {
        None if text == "address" => return Some(By::Address),
        None if text == "path" => return Some(By::Path),
        Some(("cookie", name)) if is_token(name) => return Some(By::Cookie(name.to_owned())),
        Some(("header", name)) if is_token(name) => return Some(By::Header(name.to_ascii_lowercase())),
        Some(("query", name)) if !name.is_empty() => return Some(By::Query(name.to_owned())),
        _ => {}
    }
    let message = format!("`{}` is nothing to hash", shortened(text));
    let help = "write `cookie:NAME`, `header:NAME`, `query:NAME`, `address` or `path`";
    page.push(Diagnostic::error("bad-balance", message).at(page.span(value.span())).help(help));
    None
}

fn down<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Down> {
    match value.get_ref() {
        DeValue::Table(table) => {
            let record = page.open(table, value.span(), &DOWN);
            let retry_after = match record.get("retry_after").map(|value| value.get_ref()) {
                Some(DeValue::Integer(_)) => record.number("retry_after").and_then(|number| u32::try_from(number).ok()),
                _ => seconds(server::duration(page, &record, "retry_after")),
            };
            Some(Down::Reply { retry_after: retry_after.unwrap_or(30) })
        }
        _ => Some(Down::LastStandby),
    }
}

fn health<'p>(page: &mut Page<'p>, value: &Value<'p>, intake: &Intake) -> Option<Health> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &HEALTH);
    let time = |page: &mut Page<'p>, name, usual| server::duration(page, &record, name).map_or(usual, milliseconds);
    let (interval, timeout) = (time(page, "interval", 5_000), time(page, "timeout", 2_000));
    if interval == 0 || timeout == 0 {
        let key = if interval == 0 { "interval" } else { "timeout" };
        let at = record.get(key).map_or(record.at.clone(), |value| value.span());
        page.push(
            Diagnostic::error("bad-value", format!("`{key}` is no time"))
                .at(page.span(at))
                .help("write at least `100ms`"),
        );
    }
    let count = |name: &str, usual| record.number(name).and_then(|n| u16::try_from(n).ok()).unwrap_or(usual);
    Some(Health {
        path: record.get("path").and_then(|value| path(page, value)).unwrap_or_else(|| "/".to_owned()),
        interval,
        timeout,
        fall: count("fall", 3),
        rise: count("rise", 2),
        jitter: record.number("jitter").and_then(|number| u8::try_from(number).ok()).unwrap_or(10),
        statuses: record.get("status").map(|value| statuses(page, value)).unwrap_or_default(),
        body: record.text("body").map(str::to_owned),
        ca: record.text("ca").map(|file| intake.folder.join(file).to_string_lossy().into_owned()),
    })
}

fn path<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<String> {
    let text = value.get_ref().as_str()?;
    let sent = |b: u8| (0x21..=0x7E).contains(&b) && b != b'#';
    let what = match text.bytes().position(|b| !sent(b)) {
        _ if text.starts_with("http://") || text.starts_with("https://") => {
            "it is a URL, and members bring their own origins"
        }
        _ if !text.starts_with('/') || text.starts_with("//") => "it does not begin with one `/`",
        Some(_) => "it holds what may not be sent",
        None => return Some(text.to_owned()),
    };
    let message = format!("`{}` is no path: {what}", shortened(text));
    let span: Range<usize> = value.span();
    page.push(Diagnostic::error("bad-health-path", message).at(page.span(span)).help("write `path = \"/healthz\"`"));
    None
}

fn statuses<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Vec<u16> {
    let items: Vec<&Value<'p>> = match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut statuses = Vec::new();
    for item in items {
        match integer(item.get_ref()).and_then(|number| u16::try_from(number).ok()).filter(|n| (200..=599).contains(n))
        {
            Some(status) => statuses.push(status),
            None => {
                let diagnostic = Diagnostic::error("bad-status", "this is no status of an answer");
                page.push(
                    diagnostic.at(page.span(item.span())).help("write a number from 200 to 599, or several in a list"),
                );
            }
        }
    }
    statuses
}
