//! What each path of the admin API answers.

use std::collections::HashMap;
use std::net::IpAddr;

use byway_config::span::FileTable;
use byway_core::place::Places;
use byway_core::ruleset::RuleView;
use byway_server::{Hits, Loss};
use serde_json::{Value, json};

use super::{Admin, Call, Problem};
use crate::commands::{Wanted, parse_instant};
use crate::exit::Exit;
use crate::hits::store::{Kept, Store};
use crate::listing::{hits_json, instant, rule_json};
use crate::rules::now;

type Answered = Result<(u16, Value), Problem>;

/// How many rows a page has at most, and unless asked for.
const MOST: usize = 1_000;
const USUAL: usize = 100;

/// How the server is.
pub(super) fn status(admin: &Admin, _call: &Call<'_>) -> Answered {
    let (generation, counts) = (admin.handle.live().current(), admin.handle.counts());
    let loaded = generation.loaded_at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok((
        200,
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "ready": admin.handle.is_ready(),
            "listeners": admin.handle.addresses().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "generation": generation.number,
            "rules": generation.rules.len(),
            "loaded_at": instant(i64::try_from(loaded).unwrap_or(i64::MAX)),
            "connections": counts.open,
            "answers": counts.statuses.iter().map(|(_, count)| count).sum::<u64>(),
        }),
    ))
}

/// The rules, a page at a time, those with a text in them or all.
pub(super) fn rules(admin: &Admin, call: &Call<'_>) -> Answered {
    let (offset, limit) = page(call, &["search"])?;
    let search = call.query("search").unwrap_or_default().to_lowercase();
    let generation = admin.handle.live().current();
    let (mut total, mut rows) = (0_usize, Vec::new());
    for rule in generation.rules.rules().filter(|rule| search.is_empty() || is_about(*rule, &search)) {
        if total >= offset && rows.len() < limit {
            rows.push(with_hits(rule, generation.tally(rule.number())));
        }
        total += 1;
    }
    Ok((200, json!({ "total": total, "offset": offset, "limit": limit, "rules": rows })))
}

fn is_about(rule: RuleView<'_>, search: &str) -> bool {
    let told = [rule.id(), rule.group(), rule.owner(), rule.note()];
    told.into_iter().flatten().any(|text| text.to_lowercase().contains(search))
        || rule.source().to_string().to_lowercase().contains(search)
        || rule.target_text().to_lowercase().contains(search)
}

/// A rule with its hits since the server started.
fn with_hits(rule: RuleView<'_>, hits: Hits) -> Value {
    let mut value = rule_json(rule);
    value["hits"] = hits_json(&Kept { hits, ..Kept::default() });
    value["last_hit"] = hits.last.map(instant).into();
    value
}

/// Every rule of one identity.
pub(super) fn rule(admin: &Admin, call: &Call<'_>) -> Answered {
    let generation = admin.handle.live().current();
    let name = call.parts.last().map(String::as_str).unwrap_or_default();
    let named = generation.rules.rules().filter(|rule| rule.identity().to_string() == name);
    let rows: Vec<Value> = named.take(MOST).map(|rule| with_hits(rule, generation.tally(rule.number()))).collect();
    match rows.is_empty() {
        true => Err(Problem::missing("no rule has this identity")),
        false => Ok((200, json!({ "rules": rows }))),
    }
}

/// Hits by identity, most first; over all starts where they are kept.
pub(super) fn hits(admin: &Admin, call: &Call<'_>) -> Answered {
    let (offset, limit) = page(call, &[])?;
    let generation = admin.handle.live().current();
    let kept = kept(admin)?;
    let numbers = generation.rules.identity_numbers();
    let since_start: HashMap<u32, u64> = generation.all_hits().into_iter().collect();
    let mut rows: Vec<(u64, RuleView<'_>, Kept)> = Vec::new();
    for rule in generation.rules.rules() {
        let stored = kept.as_ref().and_then(|kept| kept.get(&numbers.of(rule)).copied());
        let live = || Kept { hits: generation.tally(rule.number()), ..Kept::default() };
        let found = match (stored, since_start.contains_key(&rule.number())) {
            (Some(stored), _) => stored,
            (None, true) => live(),
            (None, false) => continue,
        };
        if found.hits.total() > 0 {
            rows.push((found.hits.total(), rule, found));
        }
    }
    rows.sort_by_key(|(total, rule, _)| (std::cmp::Reverse(*total), rule.number()));
    let total = rows.len();
    let row = |(_, rule, kept): &(u64, RuleView<'_>, Kept)| {
        json!({
            "identity": rule.identity().to_string(),
            "from": rule.source().to_string(),
            "hits": hits_json(kept),
            "last_hit": kept.hits.last.map(instant),
            "observed_since": kept.observed_since.map(instant),
        })
    };
    let page: Vec<Value> = rows.iter().skip(offset).take(limit).map(row).collect();
    Ok((200, json!({ "total": total, "offset": offset, "limit": limit, "kept": kept.is_some(), "hits": page })))
}

fn kept(admin: &Admin) -> Result<Option<HashMap<u64, Kept>>, Problem> {
    let Some(path) = &admin.hits else { return Ok(None) };
    let read = Store::look(path).and_then(|store| store.read(now()));
    read.map(Some).map_err(|error| Problem { status: 503, detail: error.to_string(), allow: None })
}

/// What a request would get, and why.
pub(super) fn explain(admin: &Admin, call: &Call<'_>) -> Answered {
    let known = ["method", "url", "headers", "address", "at", "visitor"];
    let body = call.object(&known)?;
    let text = |name: &str| -> Result<Option<&str>, Problem> {
        match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::bad(format!("`{name}` is a text"))),
        }
    };
    let url = text("url")?.ok_or_else(|| Problem::bad("`url` must be there: a URL, or a path of this server"))?;
    let address = text("address")?
        .map(|address| address.parse::<IpAddr>().map_err(|_| Problem::bad(format!("`{address}` is no address"))));
    let at = text("at")?.map(|at| parse_instant(at).map_err(Problem::bad));
    let fields = headers(body.get("headers"))?;
    let places = admin.handle.live().places_in_service();
    let wanted = Wanted {
        method: text("method")?.unwrap_or("GET"),
        url,
        fields: &fields,
        address: address.transpose()?,
        at: at.transpose()?,
        place: None,
        places: places.as_deref().map(|places| places as &dyn Places),
        databases: None,
        visitor: text("visitor")?,
        downgrade_308: &admin.downgrade_308,
    };
    let generation = admin.handle.live().current();
    let at = wanted.at.unwrap_or_else(now);
    let outlook = admin.levers.iter().find_map(|levers| levers.outlook(&generation.rules, at)).unwrap_or_default();
    let explained = wanted.explain(&generation.rules, &outlook, &FileTable::default(), |explained| explained.json());
    explained.map(|value| (200, value)).map_err(|failure| Problem::bad(failure.message))
}

/// `{ "name": "value" }`
fn headers(value: Option<&Value>) -> Result<Vec<(String, String)>, Problem> {
    let bad = || Problem::bad("`headers` is an object of texts");
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(fields)) => fields
            .iter()
            .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(bad),
        Some(_) => Err(bad()),
    }
}

/// Reads the rules again.
pub(super) fn reload(admin: &Admin, call: &Call<'_>) -> Answered {
    let body = call.object(&["force"])?;
    let loss = match body.get("force") {
        None | Some(Value::Bool(false)) => admin.usual,
        Some(Value::Bool(true)) => Loss::Any,
        Some(_) => return Err(Problem::bad("`force` is true or false")),
    };
    let answer = admin.reloader.ask_and_wait(loss);
    let status = match answer.exit {
        Exit::Done => 200,
        Exit::Something => 409,
        Exit::Usage => 422,
        Exit::NoVerdict => 503,
    };
    let generation = admin.handle.live().current().number;
    Ok((status, json!({ "exit": answer.exit as u8, "text": answer.text, "generation": generation })))
}

/// `offset` and `limit`, and no parameter that is not known.
fn page(call: &Call<'_>, more: &[&str]) -> Result<(usize, usize), Problem> {
    for (at, (name, _)) in call.query.iter().enumerate() {
        if !["offset", "limit"].contains(&name.as_str()) && !more.contains(&name.as_str()) {
            return Err(Problem::bad(format!("there is no parameter `{}`", name.escape_debug())));
        }
        if call.query[..at].iter().any(|(other, _)| other == name) {
            return Err(Problem::bad(format!("`{name}` stands twice")));
        }
    }
    let number = |name: &str, usual: usize, fits: fn(usize) -> bool| match call.query(name) {
        None => Ok(usual),
        Some(text) if !text.bytes().all(|sign| sign.is_ascii_digit()) => {
            Err(Problem::bad(format!("`{name}` is a whole number")))
        }
        Some(text) => text
            .parse()
            .ok()
            .filter(|&number| fits(number))
            .ok_or_else(|| Problem::bad(format!("`{name}` is out of range"))),
    };
    Ok((
        number("offset", 0, |offset| offset <= u32::MAX as usize)?,
        number("limit", USUAL, |limit| (1..=MOST).contains(&limit))?,
    ))
}

impl Call<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// The body as an object with no other keys than these; nothing at all is an empty one.
    pub(crate) fn object(&self, known: &[&str]) -> Result<serde_json::Map<String, Value>, Problem> {
        let object = match &self.body {
            Value::Null => serde_json::Map::new(),
            Value::Object(object) => object.clone(),
            _ => return Err(Problem::bad("the body is a JSON object")),
        };
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Problem::bad(format!("there is no key `{}`", key.escape_debug()))),
            None => Ok(object),
        }
    }
}
