//! Rules written in another format and read again decide the same, or a remark says that they do not.

use std::path::{Path, PathBuf};

use byway_config::examples::{Case, case_lines};
use byway_config::files::MemoryFiles;
use byway_config::formats::{FORMATS, Format};
use byway_config::load::{LoadOptions, Loaded, load};
use byway_config::remarks::Verdict;
use byway_config::writing::{self, write};
use byway_core::Scratch;
use byway_testkit::{Document, Section};

/// 2027-01-15T08:00:00Z
const NOW: i64 = 1_800_000_000;

/// The pages with rules and requests.
fn pages() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = ["byway-core/tests/decide.md", "byway-config/tests/byway-toml.md", "byway-config/tests/lists.md"];
    let more = ["byway-config/tests/includes.md", "byway/tests/cli/explain.md"];
    names.into_iter().chain(more).map(|name| crates.join(name)).collect()
}

/// A line of the core's page as text of our own: `SOURCE -> STATUS TARGET [option]…`.
fn as_toml(line: &str) -> Option<String> {
    let (from, does) = line.split_once(" -> ")?;
    let (does, options) = does.split_at(does.find(" [").unwrap_or(does.len()));
    let mut text = match does.trim().split_once(' ') {
        None => "[[pass]]\n".to_owned(),
        Some(("reply", status)) => format!("[[reply]]\nstatus = {status}\n"),
        Some((status, to)) => {
            let status = match status.split_once('/') {
                Some((get, other)) => format!("{{ get = {get}, other = {other} }}"),
                None => status.to_owned(),
            };
            format!("[[redirect]]\nto = '{to}'\nstatus = {status}\n")
        }
    };
    text.push_str(&format!("from = '{from}'\n"));
    let mut conditions = [Vec::new(), Vec::new()];
    for option in options.split(" [").filter_map(|option| option.strip_suffix(']')) {
        match option.split_once(['=', ' ']) {
            Some(("slash", word)) => text.push_str(&format!("slash = '{word}'\n")),
            Some(("case", _)) => text.push_str("case = 'ignore'\n"),
            Some(("query", "merge")) => text.push_str("query = { merge = 'target' }\n"),
            Some(("query", "merge-request")) => text.push_str("query = { merge = 'request' }\n"),
            Some(("query", word)) => match word.strip_prefix("only:") {
                Some(names) => text.push_str(&format!("query = {{ only = ['{}'] }}\n", names.replace(',', "', '"))),
                None => text.push_str(&format!("query = '{word}'\n")),
            },
            Some(("priority", number)) => text.push_str(&format!("priority = {number}\n")),
            Some(("when", condition)) => conditions[0].push(condition),
            Some(("unless", condition)) => conditions[1].push(condition),
            _ => return None,
        }
    }
    for (key, all) in ["when", "unless"].into_iter().zip(conditions) {
        for condition in all {
            let (subject, test) = condition.split_once(' ')?;
            let value = match test.split_once(' ') {
                None => "true".to_owned(),
                Some(("in", list)) => format!("['{}']", list.replace(',', "', '")),
                Some(("range", ends)) => format!("{{ range = [{}] }}", ends.replace("..", ", ")),
                Some((test, value)) => format!("{{ {test} = '{value}' }}"),
            };
            text.push_str(&format!("{key}.{subject} = {value}\n"));
        }
    }
    Some(text)
}

fn loaded_of(section: &Section) -> Option<Loaded> {
    let mut files = MemoryFiles::default();
    let mut first = None;
    if let Some(block) = section.block("rules") {
        let text: Vec<String> = block.lines().map(|(_, line)| as_toml(line)).collect::<Option<_>>()?;
        files.insert("site/byway.toml", text.concat());
        first = Some(PathBuf::from("site/byway.toml"));
    }
    for block in &section.blocks {
        let Some(name) = block.info.split_whitespace().nth(1) else { continue };
        files.insert(format!("site/{name}"), &block.text);
        first.get_or_insert_with(|| PathBuf::from(format!("site/{name}")));
    }
    let loaded = load(&files, &[&first?], &LoadOptions::default());
    loaded.rules.is_some().then_some(loaded)
}

fn cases_of(section: &Section) -> Vec<Case> {
    let blocks = section.blocks.iter().filter(|block| block.kind() == "requests");
    let pages = blocks.map(|block| format!("```requests\n{}```\n", block.text));
    pages
        .flat_map(|page| {
            let lines = case_lines(&page);
            lines.into_iter().filter_map(|range| Case::parse(&page[range]).ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// The name under which a written text is read again.
fn name_of(format: &Format) -> Option<&'static str> {
    match format.name {
        "toml" => Some("again.toml"),
        "csv" => Some("again.csv"),
        _ => None,
    }
}

#[test]
fn what_was_written_decides_the_same_or_a_remark_says_otherwise() {
    let mut failed = Vec::new();
    let mut asked = 0;
    for page in pages() {
        let document = Document::parse(&std::fs::read_to_string(&page).expect("a page"));
        for section in &document.sections {
            let Some(loaded) = loaded_of(section) else { continue };
            for (format, name) in FORMATS.into_iter().filter_map(|format| Some((format, name_of(format)?))) {
                asked += cases_of(section).len();
                compare(section, &loaded, format, name, &mut failed);
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(asked > 300, "only {asked} requests were asked");
}

fn compare(section: &Section, loaded: &Loaded, format: &Format, name: &str, failed: &mut Vec<String>) {
    let written = write(loaded, format).expect("a format that is written");
    let rules = loaded.rules.as_ref().expect("rules");
    assert_eq!(written.remarks.total(), rules.len() as u64, "{}: a remark for each rule", section.name());
    let files = MemoryFiles::new([(name, written.text.clone())]);
    let again = load(&files, &[name.as_ref()], &LoadOptions::default());
    let Some(read) = &again.rules else {
        let said: Vec<&str> = again.diagnostics.iter().map(|said| said.message.as_str()).collect();
        return failed.push(format!("{} as {}: {}\n{}", section.name(), format.name, said.join("; "), written.text));
    };
    let (mut first, mut second) = (Scratch::new(), Scratch::new());
    for case in cases_of(section) {
        let (before, rule) = case.decide(rules, NOW, &mut first);
        let (after, _) = case.decide(read, NOW, &mut second);
        let place = rule.map(|rule| rules.rule(rule).place());
        let is_said = written
            .remarks
            .kept
            .iter()
            .zip(&written.places)
            .any(|(remark, at)| Some(*at) == place && remark.verdict != Verdict::Exact);
        if before != after && !is_said {
            failed.push(format!(
                "{} as {}: {} {} gets {after}, not {before}\n{}",
                section.name(),
                format.name,
                case.method,
                case.path,
                written.text
            ));
        }
    }
}

fn as_format(text: &str, name: &str, to: &str) -> (String, Vec<(String, Option<String>)>) {
    let files = MemoryFiles::new([(name, text)]);
    let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
    let written = write(&loaded, Format::named(to).expect("a format")).expect("rules and a writer");
    let remarks = written.remarks.kept.iter();
    let remarks =
        remarks.map(|remark| (remark.verdict.as_str().to_owned(), remark.verdict.why().map(str::to_owned))).collect();
    (written.text, remarks)
}

#[test]
fn a_listed_order_becomes_priorities_only_where_it_must() {
    let lines = "/a /1 301\n/b/* /2 301\n/b/c /3 301\n/d /4 301\n";
    let (text, _) = as_format(lines, "_redirects", "toml");
    // `/b/c` is hidden by what stands before it, and so are the lines after it.
    let priorities: Vec<&str> = text.lines().filter(|line| line.starts_with("priority")).collect();
    assert_eq!(priorities, ["priority = 1", "priority = 1"], "{text}");
}

#[test]
fn what_a_list_cannot_say_is_refused_by_name() {
    let rules = "[[redirect]]\nfrom = \"/a\"\nto = \"/b\"\nstatus = { get = 301, other = 307 }\n\
                 [[reply]]\nfrom = \"/c\"\nstatus = 410\n[[redirect]]\nfrom = \"/d\"\nto = \"/e\"\n";
    let (text, remarks) = as_format(rules, "byway.toml", "csv");
    assert_eq!(text, "from,to,status\n/d,/e,307\n");
    let verdicts: Vec<&str> = remarks.iter().map(|(verdict, _)| verdict.as_str()).collect();
    assert_eq!(verdicts, ["refused", "refused", "exact"]);
}

#[test]
fn a_report_says_what_stood_in_the_file_and_runs_nothing_of_it() {
    let rules = "[[redirect]]\nfrom = \"/<script>alert(1)</script>\"\nto = \"/b\"\nunless = { method = \"POST\" }\n";
    let files = MemoryFiles::new([("byway.toml", rules)]);
    let loaded = load(&files, &["byway.toml".as_ref()], &LoadOptions::default());
    let csv = Format::named("csv").expect("a format");
    let written = write(&loaded, csv).expect("rules");
    let rows = writing::rows(&loaded, &written);
    let page = writing::html(&rows, &loaded, &written, csv);
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("refused") && page.contains("a row has no conditions"), "{page}");
    let json = writing::json(&rows, &loaded, &written, csv);
    assert_eq!((&json["refused"], &json["rules"][0]["line"]), (&1.into(), &2.into()));
    assert!(
        writing::text(&rows, &loaded, &written, writing::Named::All).ends_with("0 exact, 0 approximated, 1 refused\n")
    );
}
