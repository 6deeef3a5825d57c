//! The printed schema against the reader, over every page of fixtures: what the reader takes the schema takes, and what the
//! schema refuses the reader refuses.

use std::path::Path;

use byway_config::diagnostic::Severity;
use byway_config::files::MemoryFiles;
use byway_config::load::{LoadOptions, load};
use byway_config::schema::schema;
use byway_testkit::Document;
use serde_json::Value;

/// Causes that a schema sees: shapes and words. The others need the reader.
const SHAPES: &[&str] = &["unknown-key", "wrong-type", "missing-key"];

fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(as_json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, as_json(value))).collect(),
    }
}

#[test]
fn the_schema_and_the_reader_agree() {
    let validator = jsonschema::draft202012::new(&schema()).expect("a schema");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (mut accepted, mut refused) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("the folder of this test").flatten() {
        if entry.path().extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let page = Document::parse(&std::fs::read_to_string(entry.path()).expect("a page"));
        for (section, block) in page.blocks("toml") {
            let Ok(table) = block.text.parse::<toml::Table>() else { continue };
            let takes = validator.is_valid(&as_json(toml::Value::Table(table)));
            // Alone, so that what an included file says is not counted for the file that includes it.
            let files = MemoryFiles::new([("byway.toml", &block.text)]);
            let loaded = load(&files, &["byway.toml".as_ref()], &LoadOptions::default());
            let errors: Vec<&str> = loaded
                .diagnostics
                .iter()
                .filter(|said| said.severity == Severity::Error)
                .map(|said| said.code)
                .collect();
            let has_shape_error = errors.iter().any(|code| SHAPES.contains(code));
            let name = section.name();
            assert!(takes || !errors.is_empty(), "{name}: the schema refuses what the reader takes");
            assert!(!takes || !has_shape_error, "{name}: the schema takes what the reader refuses: {errors:?}");
            if takes { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted >= 10 && refused >= 5, "{accepted} accepted, {refused} refused: too few to say anything");
}
