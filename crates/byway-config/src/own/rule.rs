//! `[[redirect]]`, `[[reply]]` and `[[pass]]`: one table of TOML as one rule.

use std::ops::Range;

use byway_core::condition::Condition;
use byway_core::dialect::{LetterCase, MergeWinner, QueryPolicy, TrailingSlash};
use byway_core::extras::{Cors, Extras};
use byway_core::rule::{Action, Place, Probing, RetryAfter, Rule};
use byway_core::ruleset::TableId;
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::Target;
use toml::de::DeValue;

use super::instant::{self, Zone};
use super::keys::{DEFAULTS, MERGE_WORDS, PASS, QUERY_WORDS, REDIRECT, REPLY, Section};
use super::named::Thing;
use super::page::{Page, Record, Value, integer, listed, shortened};
use super::suggest::nearest;
use super::{cache_control, extras, review, status, visitor, when};
use crate::diagnostic::Diagnostic;
use crate::examples::Example;
use crate::intake::{Intake, Refused};

/// What the rules of a file have where they say nothing.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    status: StatusByMethod,
    query: QueryPolicy,
    slash: TrailingSlash,
    case: LetterCase,
    cache: Option<String>,
    is_absolute: bool,
    group: Option<String>,
    owner: Option<String>,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults {
            status: StatusByMethod::always(RedirectStatus::TemporaryRedirect),
            query: QueryPolicy::Keep,
            slash: TrailingSlash::Significant,
            case: LetterCase::Significant,
            cache: None,
            is_absolute: false,
            group: None,
            owner: None,
        }
    }
}

/// Reads `[defaults]`.
pub(crate) fn defaults<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Defaults> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &DEFAULTS);
    let known = Defaults::default();
    Some(Defaults {
        status: record.get("status").and_then(|value| status::read(page, value)).unwrap_or(known.status),
        query: record.get("query").and_then(|value| query(page, value)).unwrap_or(known.query),
        slash: slash(&record).unwrap_or(known.slash),
        case: case(&record).unwrap_or(known.case),
        cache: record.get("cache").and_then(|value| cache(page, value)),
        is_absolute: record.text("location") == Some("absolute"),
        group: record.text("group").map(str::to_owned),
        owner: record.text("owner").map(str::to_owned),
    })
}

/// What a rule of any kind says beside its action.
struct Parts<'t> {
    source: Source<'t>,
    from_at: Range<usize>,
    conditions: Vec<Condition>,
    cache: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
    extras: Extras,
}

/// What the rules of one file are read with.
pub(crate) struct Setting<'s> {
    pub(crate) zone: &'s Zone,
    pub(crate) defaults: &'s Defaults,
    /// What `[cors]` of the file says.
    pub(crate) cors: Option<&'s Cors>,
    pub(crate) table: TableId,
}

/// Which of the three a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleKind {
    Redirect,
    Reply,
    Pass,
}

impl RuleKind {
    pub(crate) const ALL: [(&'static str, RuleKind); 3] =
        [("redirect", RuleKind::Redirect), ("reply", RuleKind::Reply), ("pass", RuleKind::Pass)];

    fn section(self) -> &'static Section {
        match self {
            RuleKind::Redirect => &REDIRECT,
            RuleKind::Reply => &REPLY,
            RuleKind::Pass => &PASS,
        }
    }
}

/// Reads one rule and hands it in. Everything that is wrong with it is reported, and then it is left out.
pub(crate) fn read<'p>(
    page: &mut Page<'p>,
    kind: RuleKind,
    value: &Value<'p>,
    setting: &Setting<'_>,
    intake: &mut Intake,
) {
    let Some(table) = value.get_ref().as_table() else { return };
    let record = page.open(table, value.span(), kind.section());
    examples(page, &record, intake);
    let parts = parts(page, &record, kind, setting, intake);
    match kind {
        RuleKind::Redirect => redirect(page, &record, parts, setting, intake),
        RuleKind::Reply => reply(page, &record, parts, setting, intake),
        RuleKind::Pass => finish(page, &record, parts, Some(Action::Pass), setting, intake),
    }
}

fn parts<'t, 'p>(
    page: &mut Page<'p>,
    record: &Record<'t, 'p>,
    kind: RuleKind,
    setting: &Setting<'_>,
    intake: &mut Intake,
) -> Option<Parts<'t>> {
    let mut conditions = when::read(page, record);
    // What is left alone is sent nowhere.
    visitor::complete(page, record, &mut conditions, kind != RuleKind::Pass, intake);
    let cache = record.get("cache").and_then(|value| cache(page, value));
    let since = record.get("since").and_then(|value| instant::read(page, "since", value, setting.zone));
    let until = record.get("until").and_then(|value| instant::read(page, "until", value, setting.zone));
    if let (Some(since), Some(until), Some(value)) = (since, until, record.get("until"))
        && since >= until
    {
        let help = "`until` is the first instant in which it no longer holds: write a later one";
        let diagnostic = Diagnostic::error("bad-time", "this rule never holds: it ends before it begins")
            .at(page.span(value.span()))
            .help(help);
        page.push(diagnostic);
    }
    let extras = extras::read(page, record, setting);
    let from = record.get("from").filter(|value| !page.is_guessed(value))?;
    let mut source = match Source::parse(from.get_ref().as_str()?) {
        Ok(source) => source,
        Err(error) => {
            let diagnostic =
                Diagnostic::error("bad-source", error.what).at(page.within(from, error.at)).maybe_help(error.help);
            page.push(diagnostic);
            return None;
        }
    };
    source.slash = slash(record).unwrap_or(setting.defaults.slash);
    // A regex after `~*` ignores case whatever the key says.
    if source.case == LetterCase::Significant {
        set_case(&mut source, case(record).unwrap_or(setting.defaults.case));
    }
    Some(Parts { source, from_at: from.span(), conditions, cache, since, until, extras })
}

/// Letter case of a source, and of its regex if it is one.
pub(crate) fn set_case(source: &mut Source<'_>, case: LetterCase) {
    source.case = case;
    if let byway_core::source::PathPattern::Regex(pattern) = &mut source.path {
        pattern.case = case;
    }
}

fn redirect<'p>(
    page: &mut Page<'p>,
    record: &Record<'_, 'p>,
    parts: Option<Parts<'_>>,
    setting: &Setting<'_>,
    intake: &mut Intake,
) {
    let status = match record.get("status") {
        Some(value) => status::read(page, value),
        None => Some(setting.defaults.status),
    };
    let query = match record.get("query") {
        Some(value) => query(page, value),
        None => Some(setting.defaults.query.clone()),
    };
    let Some(to) = record.get("to").filter(|value| !page.is_guessed(value)) else { return };
    let Some(written) = to.get_ref().as_str() else { return };
    let is_relative = written.starts_with('/') && !written.starts_with("//");
    if !fits_pool(page, record, is_relative) {
        // It is named all the same.
        named(page, record, "pool", Thing::Pool, intake);
        return;
    }
    let Some(origin) = origin(page, record, setting, intake) else { return };
    let full = if is_relative { format!("{origin}{written}") } else { written.to_owned() };
    let added = full.len() - written.len();
    // Without a source its captures are not known: the target is looked at again once there is one.
    let Some(parts) = parts else { return };
    let action = match Target::parse(&full, &parts.source) {
        Ok(target) => status.zip(query).map(|(status, query)| Action::Redirect { status, target, query }),
        Err(error) => {
            let at = error.at.start.saturating_sub(added)..error.at.end.saturating_sub(added);
            let diagnostic = Diagnostic::error("bad-target", error.what).at(page.within(to, at)).maybe_help(error.help);
            page.push(diagnostic);
            None
        }
    };
    finish(page, record, Some(parts), action, setting, intake);
}

/// The origin to put before a relative target: nothing, unless the rule asks for an absolute location.
fn origin<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, setting: &Setting<'_>, intake: &Intake) -> Option<String> {
    let is_absolute = match record.text("location") {
        Some(word) => word == "absolute",
        None => setting.defaults.is_absolute && record.get("pool").is_none(),
    };
    if !is_absolute {
        return Some(String::new());
    }
    if let Some(origin) = &intake.policy.origin {
        return Some(origin.clone());
    }
    let at = record.get("location").map_or(record.at.clone(), |value| value.span());
    let help = "write the public origin in the root file: `[policy]` and `origin = \"https://www.example.com\"`";
    let diagnostic =
        Diagnostic::error("no-origin", "`location = \"absolute\"` without an origin").at(page.span(at)).help(help);
    page.push(diagnostic);
    None
}

fn reply<'p>(
    page: &mut Page<'p>,
    record: &Record<'_, 'p>,
    parts: Option<Parts<'_>>,
    setting: &Setting<'_>,
    intake: &mut Intake,
) {
    let Some(value) = record.get("status") else { return };
    let number = integer(value.get_ref()).unwrap_or_default();
    let status = u16::try_from(number)
        .ok()
        .and_then(ReplyStatus::from_number)
        .filter(|status| ReplyStatus::OWN.contains(status));
    let retry_after = retry_after(record);
    if let (Some(RetryAfter::Window), None, Some(at)) = (retry_after, record.get("window"), record.get("retry_after")) {
        let diagnostic = Diagnostic::error("bad-value", "`retry_after = \"window\"` without a window");
        page.push(diagnostic.at(page.span(at.span())).help("say which: `window = \"NAME\"`"));
        return;
    }
    if let (Some(status), Some(_), Some(at)) = (status, retry_after, record.key_at("retry_after"))
        && status != ReplyStatus::ServiceUnavailable
    {
        let message = format!("`retry_after` with {}", status.number());
        let diagnostic = Diagnostic::error("bad-value", message)
            .at(page.span(at))
            .help("only 503 says when to come back: take it out, or write `status = 503`");
        page.push(diagnostic);
    }
    if status.is_none() {
        let message = format!("{number} is no status of a reply");
        let help = match u16::try_from(number).ok().and_then(RedirectStatus::from_number) {
            Some(_) => format!("{number} redirects: write a `[[redirect]]` with a `to`"),
            None => "write 404, 410 (gone for good), 451 (legal reasons) or 503 (for now)".to_owned(),
        };
        let diagnostic = Diagnostic::error("bad-status", message).at(page.span(value.span())).help(help);
        page.push(diagnostic);
    }
    finish(page, record, parts, status.map(|status| Action::Reply { status, retry_after }), setting, intake);
}

/// Seconds, a time, or what is left of the window.
fn retry_after(record: &Record<'_, '_>) -> Option<RetryAfter> {
    if let Some(seconds) = record.number("retry_after") {
        return u32::try_from(seconds).ok().map(RetryAfter::Seconds);
    }
    match record.text("retry_after")? {
        "window" => Some(RetryAfter::Window),
        text => {
            let time = super::server::parse_duration(text)?;
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            Some(RetryAfter::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX)))
        }
    }
}

/// Whether the target leaves scheme, host and port to the pool, where there is one.
fn fits_pool<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, is_relative: bool) -> bool {
    let (Some(_), Some(to)) = (record.get("pool"), record.get("to")) else { return true };
    let at = match (is_relative, record.text("location")) {
        (false, _) => to.span(),
        (true, Some("absolute")) => record.get("location").map_or(to.span(), |value| value.span()),
        (true, _) => return true,
    };
    let diagnostic = Diagnostic::error("pool-target", "a pool supplies scheme, host and port, and this names its own");
    page.push(diagnostic.at(page.span(at)).help("write `to` from its path on, as `/checkout/*`, or take `pool` out"));
    false
}

/// The name of a pool or a window, noted as used.
fn named<'t, 'p>(
    page: &mut Page<'p>,
    record: &Record<'t, 'p>,
    key: &str,
    thing: Thing,
    intake: &mut Intake,
) -> Option<&'t str> {
    let value = record.get(key)?;
    let name = value.get_ref().as_str()?;
    intake.names.name(thing, name, page.within(value, 0..name.len()));
    Some(name)
}

fn finish<'p>(
    page: &mut Page<'p>,
    record: &Record<'_, 'p>,
    parts: Option<Parts<'_>>,
    action: Option<Action<'_>>,
    setting: &Setting<'_>,
    intake: &mut Intake,
) {
    let (Some(parts), Some(action)) = (parts, action) else { return };
    let allow = record.get("allow").and_then(|value| review::allow(page, value));
    let rule = Rule {
        source: parts.source,
        conditions: &parts.conditions,
        action,
        priority: record.number("priority").and_then(|number| i32::try_from(number).ok()).unwrap_or(0),
        since: parts.since,
        until: parts.until,
        window: named(page, record, "window", Thing::Window, intake).map(|name| intake.builder.window(name)),
        unless_window: named(page, record, "unless_window", Thing::Window, intake)
            .map(|name| intake.builder.window(name)),
        pool: named(page, record, "pool", Thing::Pool, intake).map(|name| intake.builder.pool(name)),
        review: record.get("review").and_then(|value| review::read(page, value, setting.zone)),
        allow: allow.as_deref(),
        probing: if record.flag("probe") == Some(false) { Probing::Refused } else { Probing::Allowed },
        cache_control: parts.cache.as_deref().or(setting.defaults.cache.as_deref()),
        extras: Some(&parts.extras),
        id: record.text("id"),
        group: record.text("group").or(setting.defaults.group.as_deref()),
        owner: record.text("owner").or(setting.defaults.owner.as_deref()),
        note: record.text("note"),
        place: Place { file: page.file, line: page.line(parts.from_at.start) },
    };
    if let Some(why) = visitor::no_way_past(record) {
        intake.no_way_past.insert((rule.place.file, rule.place.line), why.to_owned());
    }
    if let Err(Refused { code, what, help }) = intake.push(setting.table, &rule) {
        let at = match (code, record.get("to")) {
            ("target-host", Some(to)) => to.span(),
            _ => parts.from_at,
        };
        let diagnostic = Diagnostic::error(code, what).at(page.span(at)).maybe_help(help);
        page.push(diagnostic);
    }
}

/// Reads the cases of `examples`.
pub(crate) fn examples<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, intake: &mut Intake) {
    let Some(value) = record.get("examples") else { return };
    for (text, item) in page.texts("examples", value) {
        match Example::parse(text, page.within(item, 0..text.len())) {
            Ok(example) => intake.examples.push(example),
            Err(error) => {
                let diagnostic =
                    Diagnostic::error("bad-example", error.what).at(page.within(item, error.at)).help(error.help);
                page.push(diagnostic);
            }
        }
    }
}

fn slash(record: &Record<'_, '_>) -> Option<TrailingSlash> {
    slash_word(record.text("slash")?)
}

/// What a word of `slash` means.
pub(crate) fn slash_word(word: &str) -> Option<TrailingSlash> {
    match word {
        "exact" => Some(TrailingSlash::Significant),
        "either" => Some(TrailingSlash::Either),
        _ => None,
    }
}

fn case(record: &Record<'_, '_>) -> Option<LetterCase> {
    case_word(record.text("case")?)
}

/// What a word of `case` means.
pub(crate) fn case_word(word: &str) -> Option<LetterCase> {
    match word {
        "exact" => Some(LetterCase::Significant),
        "ignore" => Some(LetterCase::Ignored),
        _ => None,
    }
}

/// Reads a query policy: a word, `{ merge = … }` or `{ only = […] }`.
pub(crate) fn query<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<QueryPolicy> {
    match value.get_ref() {
        DeValue::String(word) => query_word(page, value, word),
        DeValue::Table(table) => match (table.len(), table.get("merge"), table.get("only")) {
            (1, Some(winner), _) => merge(page, winner),
            (1, _, Some(names)) if names.get_ref().is_array() => {
                let names = page.texts("only", names).into_iter().map(|(name, _)| name.to_owned()).collect();
                Some(QueryPolicy::Only(names))
            }
            _ => bad_query(page, value, "this is no query policy".to_owned(), None),
        },
        _ => None,
    }
}

fn query_word<'p>(page: &mut Page<'p>, value: &Value<'p>, word: &str) -> Option<QueryPolicy> {
    match word {
        "keep" => Some(QueryPolicy::Keep),
        "drop" => Some(QueryPolicy::Drop),
        "replace" => Some(QueryPolicy::Replace),
        "merge" => bad_query(page, value, "`merge` does not say who wins".to_owned(), None),
        _ => bad_query(
            page,
            value,
            format!("`{}` is no query policy", shortened(word)),
            nearest(word, QUERY_WORDS.iter().copied()),
        ),
    }
}

fn merge<'p>(page: &mut Page<'p>, winner: &Value<'p>) -> Option<QueryPolicy> {
    match winner.get_ref().as_str() {
        Some("target") => Some(QueryPolicy::Merge(MergeWinner::Target)),
        Some("request") => Some(QueryPolicy::Merge(MergeWinner::Request)),
        _ => bad_query(page, winner, format!("`merge` is won by {}", listed(MERGE_WORDS.iter().copied())), None),
    }
}

fn bad_query<T>(page: &mut Page<'_>, value: &Value<'_>, message: String, near: Option<&str>) -> Option<T> {
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write \"keep\", \"drop\", \"replace\", `{ merge = \"target\" }` or `{ only = [\"lang\"] }`".to_owned(),
    };
    let diagnostic = Diagnostic::error("bad-query", message).at(page.span(value.span())).help(help);
    page.push(diagnostic);
    None
}

/// Reads `cache`: a value of `Cache-Control`, or seconds.
fn cache<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<String> {
    if let Some(seconds) = integer(value.get_ref()) {
        if seconds >= 0 {
            return Some(format!("max-age={seconds}"));
        }
    } else if let Some(text) = value.get_ref().as_str() {
        let Some((at, what, help)) = cache_control::fault(text) else { return Some(text.to_owned()) };
        page.push(Diagnostic::error("bad-cache", what).at(page.within(value, at)).help(help));
        return None;
    }
    let message = "this is no `Cache-Control`".to_owned();
    let help = "write `no-store`, `max-age=60`, or a number of seconds";
    let diagnostic = Diagnostic::error("bad-cache", message).at(page.span(value.span())).help(help);
    page.push(diagnostic);
    None
}
