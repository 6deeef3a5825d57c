//! `cors`, `deprecation`, `sunset` and `successor`: what an answer says beside status and location.

use byway_core::extras::{Cors, Extras, check_origin};
use toml::de::DeValue;

use super::instant;
use super::keys::CORS;
use super::page::{Page, Record, Value, shortened};
use super::rule::Setting;
use super::server::parse_duration;
use crate::diagnostic::Diagnostic;

/// The methods that a preflight is told where none are written.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// How many origins, methods or fields a rule may list.
const LISTED: usize = 1_000;

/// Reads what a rule says beside its action.
pub(crate) fn read<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, setting: &Setting<'_>) -> Extras {
    let cors = match record.get("cors") {
        Some(value) => cors(page, value),
        None => setting.cors.cloned(),
    };
    let mut instant =
        |key| record.get(key).and_then(|value| instant::read(page, key, value, setting.zone).map(|at| (at, value)));
    let (deprecation, sunset) = (instant("deprecation"), instant("sunset"));
    if let (Some((deprecation, _)), Some((sunset, value))) = (deprecation, sunset)
        && sunset < deprecation
    {
        let diagnostic = Diagnostic::error("bad-time", "the address stops answering before it is deprecated")
            .at(page.span(value.span()))
            .help("write a `sunset` that is not earlier than `deprecation` (RFC 9745)");
        page.push(diagnostic);
    }
    Extras {
        cors,
        deprecation: deprecation.map(|(at, _)| at),
        sunset: sunset.map(|(at, _)| at),
        successor: record.get("successor").and_then(|value| successor(page, value)),
    }
}

/// A URI reference that may stand between the angle brackets of `Link`.
fn successor<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<String> {
    let text = value.get_ref().as_str()?;
    let begins = text.starts_with("https://") || text.starts_with("http://") || text.starts_with('/');
    let may_stand = |b: u8| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b);
    if begins && !text.starts_with("//") && text.bytes().all(may_stand) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is no address", shortened(text));
    let help = "write `https://…` or a path that begins with `/`, with anything else escaped; it takes no captures";
    refuse(page, value, message, help)
}

/// Reads `[cors]` or `cors` of a rule; `false` is none.
pub(crate) fn cors<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Cors> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &CORS);
    let credentials = matches!(record.get("credentials").map(|value| value.get_ref()), Some(DeValue::Boolean(true)));
    let origins = origins(page, record.get("origins")?, credentials);
    let methods = match record.get("methods") {
        Some(value) => tokens(page, "methods", value, credentials),
        None => METHODS.map(str::to_owned).to_vec(),
    };
    let headers = record.get("headers").map(|value| tokens(page, "headers", value, credentials)).unwrap_or_default();
    let max_age = record.get("max_age").and_then(|value| max_age(page, value));
    Some(Cors { origins, methods, headers, max_age, credentials })
}

fn origins<'p>(page: &mut Page<'p>, value: &Value<'p>, credentials: bool) -> Vec<String> {
    let texts = page.texts("origins", value);
    if texts.is_empty() || texts.len() > LISTED {
        let message = if texts.is_empty() { "no origin is listed" } else { "more than 1,000 origins are listed" };
        refuse(page, value, message.to_owned(), "list the origins, or write `cors = false`")
    } else {
        Some(())
    };
    let several = texts.len() > 1;
    let mut origins = Vec::new();
    for (text, item) in texts {
        let why = match text {
            "*" if credentials => {
                Some("with `credentials` name each origin: browsers refuse `*`, and any page could act as the visitor")
            }
            "null" if credentials => {
                Some("take it out: any page can make a frame whose origin is `null`, and act as the visitor")
            }
            "*" if several => Some("`*` is every origin: write it alone, or take it out"),
            _ => check_origin(text).err(),
        };
        match why {
            Some(why) => _ = refuse::<()>(page, item, format!("`{}` cannot be an origin here", shortened(text)), why),
            None => origins.push(text.to_owned()),
        }
    }
    origins
}

/// Methods or names of fields.
fn tokens<'p>(page: &mut Page<'p>, name: &'static str, value: &Value<'p>, credentials: bool) -> Vec<String> {
    let mut tokens = Vec::new();
    for (text, item) in page.texts(name, value) {
        let is_token =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        let why = match text {
            _ if tokens.len() >= LISTED => Some("list at most 1,000"),
            "*" if credentials => Some("with `credentials` name each: browsers take `*` literally"),
            _ if !is_token => Some("write one name, without blanks and commas"),
            _ if name == "methods" && text != text.to_ascii_uppercase() => {
                Some("methods are case-sensitive: write it in capitals")
            }
            _ => None,
        };
        match why {
            Some(why) => _ = refuse::<()>(page, item, format!("`{}` cannot stand in `{name}`", shortened(text)), why),
            None => tokens.push(text.to_owned()),
        }
    }
    tokens
}

fn max_age<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<u32> {
    let text = value.get_ref().as_str()?;
    match parse_duration(text).and_then(|time| u32::try_from(time.as_secs()).ok()) {
        Some(seconds) => Some(seconds),
        None => refuse(
            page,
            value,
            format!("`{}` is no time", shortened(text)),
            "write a number and `s`, `m` or `h`, as `10m`",
        ),
    }
}

fn refuse<T>(page: &mut Page<'_>, value: &Value<'_>, message: String, help: &str) -> Option<T> {
    let diagnostic = Diagnostic::error("bad-value", message).at(page.span(value.span())).help(help);
    page.push(diagnostic);
    None
}
