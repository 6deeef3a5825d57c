//! Diagnostics and findings for programs: JSON of our own, and SARIF 2.1.0 for code scanning.
//!
//! Lines and columns count from 1, columns in characters; offsets are bytes from 0. Texts are what a person would read, with the
//! controls replaced. Edits come with the finding, so that a program can make them as `--fix` does.

use serde_json::{Value, json};

use crate::check::Report;
use crate::diagnostic::{Diagnostic, Edit, Severity};
use crate::lints::LINTS;
use crate::render::printable;
use crate::span::{FileTable, Span};

/// A report as one JSON object: `findings`, `counts`, `examples`.
///
/// ```
/// use byway_config::check::Report;
/// use byway_config::diagnostic::Diagnostic;
/// use byway_config::report::json;
/// use byway_config::span::FileTable;
/// let report = Report { findings: vec![Diagnostic::error("no-file", "x.csv is not there")], ..Report::default() };
/// let value = json(&report, &FileTable::default());
/// assert_eq!(value["findings"][0]["code"], "no-file");
/// ```
pub fn json(report: &Report, files: &FileTable) -> Value {
    let findings: Vec<Value> = report.findings.iter().map(|finding| diagnostic_json(finding, files)).collect();
    let counts: Vec<Value> = report
        .counts
        .iter()
        .map(|count| json!({ "severity": count.severity.as_str(), "code": count.code, "count": count.count }))
        .collect();
    json!({ "findings": findings, "counts": counts, "examples": report.examples })
}

/// One diagnostic as a JSON object.
pub fn diagnostic_json(diagnostic: &Diagnostic, files: &FileTable) -> Value {
    let place = |span: &Span| place_json(span, files);
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| json!({ "place": place(&label.span), "text": printable(&label.text) }))
        .collect();
    let edits: Vec<Value> =
        diagnostic.fix.iter().map(|edit| json!({ "place": place(&edit.span), "text": edit.text })).collect();
    json!({
        "severity": diagnostic.severity.as_str(),
        "code": diagnostic.code,
        "message": printable(&diagnostic.message),
        "place": diagnostic.primary.as_ref().map(place),
        "label": diagnostic.label.as_deref().map(printable),
        "labels": labels,
        "help": diagnostic.help.iter().map(|help| printable(help)).collect::<Vec<_>>(),
        "fix": edits,
    })
}

fn place_json(span: &Span, files: &FileTable) -> Value {
    json!({ "file": files.name(span.file), "line": span.line, "column": span.column, "start": span.start, "end": span.end })
}

/// A report as a SARIF 2.1.0 log with one run. `version` is that of the program.
///
/// ```
/// use byway_config::check::Report;
/// use byway_config::report::sarif;
/// use byway_config::span::FileTable;
/// let log = sarif(&Report::default(), &FileTable::default(), "0.1.0");
/// assert_eq!(log["version"], "2.1.0");
/// ```
pub fn sarif(report: &Report, files: &FileTable, version: &str) -> Value {
    let rules: Vec<Value> = LINTS
        .iter()
        .map(|lint| {
            json!({
                "id": lint.name,
                "shortDescription": { "text": lint.summary },
                "help": { "text": lint.page, "markdown": lint.page },
                "defaultConfiguration": { "level": level(lint.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = report.findings.iter().map(|finding| result(finding, files)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "byway", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

const fn level(severity: Severity) -> &'static str {
    // SARIF has the same three words.
    severity.as_str()
}

fn result(finding: &Diagnostic, files: &FileTable) -> Value {
    let mut message = printable(&finding.message);
    for help in &finding.help {
        message.push_str("\nhelp: ");
        message.push_str(&printable(help));
    }
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": { "text": message },
        "locations": finding.primary.iter().map(|span| location(span, finding.label.as_deref(), files)).collect::<Vec<_>>(),
    });
    if !finding.labels.is_empty() {
        let related: Vec<Value> =
            finding.labels.iter().map(|label| location(&label.span, Some(&label.text), files)).collect();
        result["relatedLocations"] = related.into();
    }
    if !finding.fix.is_empty() {
        let changes: Vec<Value> = finding.fix.iter().map(|edit| change(edit, files)).collect();
        result["fixes"] = json!([{ "artifactChanges": changes }]);
    }
    result
}

fn location(span: &Span, text: Option<&str>, files: &FileTable) -> Value {
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(files.name(span.file)) },
            "region": { "startLine": span.line, "startColumn": span.column, "byteOffset": span.start, "byteLength": span.end - span.start },
        },
    });
    if let Some(text) = text {
        location["message"] = json!({ "text": printable(text) });
    }
    location
}

fn change(edit: &Edit, files: &FileTable) -> Value {
    json!({
        "artifactLocation": { "uri": uri(files.name(edit.span.file)) },
        "replacements": [{
            "deletedRegion": { "byteOffset": edit.span.start, "byteLength": edit.span.end - edit.span.start },
            "insertedContent": { "text": edit.text },
        }],
    })
}

/// A path as a relative reference: what a URI may not hold is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            b'\\' => uri.push('/'),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CheckOptions, check};
    use crate::files::MemoryFiles;
    use crate::load::{LoadOptions, load};

    #[test]
    fn places_and_edits_are_written() {
        let text = "[[redirect]]\nfrom = \"/ä/*\"\nto = \"/b\"\nstatus = 308\n";
        let files = MemoryFiles::new([("my rules/byway.toml", text)]);
        let loaded = load(&files, &["my rules/byway.toml".as_ref()], &LoadOptions::default());
        let report = check(&loaded, &files, &CheckOptions::at(0));
        let log = sarif(&report, &loaded.files, "0.1.0");
        let result = &log["runs"][0]["results"][0];
        assert_eq!(result["ruleId"], "tail-dropped");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "my%20rules/byway.toml");
        assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&json!(3), &json!(7)));
        let replacement = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
        assert_eq!(replacement["insertedContent"]["text"], "/b/*");
        let offset = replacement["deletedRegion"]["byteOffset"].as_u64().expect("a number") as usize;
        assert_eq!(&text[offset..offset + 2], "/b");
    }
}
