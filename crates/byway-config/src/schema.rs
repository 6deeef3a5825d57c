//! The JSON Schema of `byway.toml` (2020-12), built from the table of keys that the reader uses.
//!
//! Editors show it while a person types. It describes shapes and words; what a source or a target may be only the reader knows.

use byway_core::condition::{SUBJECTS, TESTS};
use byway_core::status::RedirectStatus;
use serde_json::{Map, Value, json};

use crate::own::keys::{INCLUDE, Kind, LISTEN, MERGE_WORDS, Need, QUERY_WORDS, ROOT, Section};

/// The schema.
///
/// ```
/// let schema = byway_config::schema::schema();
/// assert_eq!(schema["properties"]["redirect"]["items"]["required"], serde_json::json!(["from", "to"]));
/// ```
pub fn schema() -> Value {
    let mut root = section(&ROOT);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("byway.toml");
    root
}

fn section(section: &Section) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in section.keys {
        let mut value = kind(&key.kind);
        value["description"] = json!(key.help);
        properties.insert(key.name.to_owned(), value);
        if key.need == Need::Required {
            required.push(key.name);
        }
    }
    let mut object = object(properties, section.help);
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn object(properties: Map<String, Value>, help: &str) -> Value {
    json!({ "type": "object", "description": help, "properties": properties, "additionalProperties": false })
}

fn texts() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Source | Kind::Target => json!({ "type": "string", "minLength": 1 }),
        Kind::Texts => texts(),
        Kind::TextOrTexts => json!({ "anyOf": [{ "type": "string" }, texts()] }),
        Kind::Status => status(),
        Kind::OneOf(numbers) => json!({ "enum": numbers }),
        Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Query => query(),
        Kind::Conditions => conditions(),
        // A TOML date arrives as a text.
        Kind::Instant => json!({ "type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}" }),
        Kind::Cache => json!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "integer", "minimum": 0 }] }),
        Kind::Duration => json!({ "type": "string", "pattern": "^\\d+ ?(ms|s|m|min|h|d)$" }),
        Kind::Size => {
            json!({ "anyOf": [{ "type": "string", "pattern": "^\\d+ ?(B|KiB|MiB|GiB|kB|MB|GB)?$" }, { "type": "integer", "minimum": 0 }] })
        }
        Kind::Listens => {
            let entry = json!({ "anyOf": [{ "type": "string" }, section(&LISTEN)] });
            json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": entry }] })
        }
        Kind::TableOrTables(table) => {
            json!({ "anyOf": [section(table), { "type": "array", "items": section(table) }] })
        }
        Kind::Includes => json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, section(&INCLUDE)] } }),
        Kind::Shares => json!({
            "type": "object",
            "additionalProperties": { "anyOf": [{ "type": "integer" }, { "type": "string" }] },
        }),
        Kind::WayPast => {
            let none = json!({ "type": "object", "properties": { "none": { "type": "string" } }, "required": ["none"], "additionalProperties": false });
            json!({ "anyOf": [{ "type": "string" }, texts(), none] })
        }
        Kind::TableOrFalse(table) => json!({ "anyOf": [section(table), { "const": false }] }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Period => json!({ "type": "string", "pattern": PERIOD }),
        Kind::Review => json!({ "type": "string", "pattern": format!("{PERIOD}|^\\d{{4}}-\\d{{2}}-\\d{{2}}") }),
        Kind::Clock => json!({ "type": "string", "pattern": "^\\d{2}:\\d{2}" }),
        Kind::RetryAfter => {
            json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^(window|\\d+ ?(ms|s|m|min|h|d))$" }] })
        }
        Kind::Members => members(),
        Kind::Tiers => json!({ "anyOf": [members(), { "type": "array", "items": members() }] }),
        Kind::MonthDay => {
            json!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 1, "maximum": 31 }] })
        }
        Kind::Numbers => {
            let number = json!({ "type": "integer" });
            json!({ "anyOf": [number, { "type": "array", "items": number }] })
        }
        Kind::Down => json!({ "anyOf": [{ "enum": ["last-standby"] }, section(&crate::own::keys::DOWN)] }),
        Kind::Named(table) => json!({ "type": "object", "additionalProperties": section(table) }),
        Kind::Table(table) => section(table),
        Kind::Tables(table) => json!({ "type": "array", "items": section(table) }),
    }
}

/// `90d`, `12w`, `6mo`, `1y`.
const PERIOD: &str = r"^\d+ ?(d|w|mo|y)$";

fn members() -> Value {
    json!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, section(&crate::own::keys::MEMBER)] } })
}

fn status() -> Value {
    let numbers = json!({ "enum": RedirectStatus::ALL.map(RedirectStatus::number) });
    json!({ "anyOf": [numbers, section(&crate::own::keys::STATUS_PAIR)] })
}

fn query() -> Value {
    let merge = json!({ "type": "object", "properties": { "merge": { "enum": MERGE_WORDS } }, "required": ["merge"], "additionalProperties": false });
    let only = json!({ "type": "object", "properties": { "only": texts() }, "required": ["only"], "additionalProperties": false });
    json!({ "anyOf": [{ "enum": QUERY_WORDS }, merge, only] })
}

/// Every subject with every test.
fn conditions() -> Value {
    let mut properties = Map::new();
    for row in SUBJECTS {
        let test = tests(row.help);
        let value = match row.takes_name {
            true => json!({ "type": "object", "description": row.help, "additionalProperties": test }),
            false => test,
        };
        properties.insert(row.key.to_owned(), value);
    }
    object(properties, "Conditions: a subject, and what must be true of it.")
}

fn tests(help: &str) -> Value {
    let mut properties = Map::new();
    for row in TESTS {
        let mut value = match row.key {
            "in" => texts(),
            "range" => json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2, "maxItems": 2 }),
            "present" => json!({ "type": "boolean" }),
            "is" => json!({ "type": ["string", "integer"] }),
            _ => json!({ "type": "string" }),
        };
        value["description"] = json!(row.help);
        properties.insert(row.key.to_owned(), value);
    }
    let named = object(properties, "Tests, which must all hold.");
    json!({ "description": help, "anyOf": [{ "type": ["string", "integer", "boolean"] }, texts(), named] })
}
