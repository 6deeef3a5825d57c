//! `status`: a number, or a pair by method; and why a number is none that redirects.

use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};

use super::keys::STATUS_PAIR;
use super::page::{Page, Record, Value, integer};
use crate::diagnostic::Diagnostic;

/// Reads a status of a redirect.
pub(crate) fn read<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<StatusByMethod> {
    if let Some(table) = value.get_ref().as_table() {
        let pair = page.open(table, value.span(), &STATUS_PAIR);
        let (get, other) = (of_pair(page, &pair, "get"), of_pair(page, &pair, "other"));
        return Some(StatusByMethod { get: get?, other: other? });
    }
    one(page, value).map(StatusByMethod::always)
}

fn of_pair<'p>(page: &mut Page<'p>, pair: &Record<'_, 'p>, key: &str) -> Option<RedirectStatus> {
    one(page, pair.get(key)?)
}

fn one<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<RedirectStatus> {
    let (message, help) = match (integer(value.get_ref()), value.get_ref().as_str()) {
        (Some(number), _) => match u16::try_from(number).ok().and_then(RedirectStatus::from_number) {
            Some(status) => return Some(status),
            None => (format!("{number} is no status of a redirect"), why_not(number)),
        },
        (None, Some(word)) => (format!("`{word}` is no status"), word_help(word)),
        (None, None) => ("this is no status".to_owned(), why_not(0)),
    };
    let diagnostic = Diagnostic::error("bad-status", message).at(page.span(value.span())).help(help);
    page.push(diagnostic);
    None
}

/// A status written as a number in a list.
pub(crate) fn from_text(text: &str) -> Result<RedirectStatus, (String, String)> {
    match text.parse::<u16>() {
        Ok(number) => RedirectStatus::from_number(number)
            .ok_or_else(|| (format!("{number} is no status of a redirect"), why_not(i64::from(number)))),
        Err(_) => Err((format!("`{}` is no status", super::page::shortened(text)), word_help(text))),
    }
}

/// Why a number is no status of a redirect, and what to write.
pub(crate) fn why_not(number: i64) -> String {
    let reply = u16::try_from(number).ok().and_then(ReplyStatus::from_number);
    match number {
        300 => "300 offers a choice and names no one place: write 307 (for now) or 308 (for good)".to_owned(),
        304 => "304 says that a cached answer is still good; it sends nobody anywhere: write 307 or 308".to_owned(),
        305 | 306 => format!("{number} is no longer used (RFC 9110 section 15.4): write 307 (for now) or 308 (for good)"),
        200 => "200 would show another page under this address, which a redirect does not do: write 307, or leave it to the server".to_owned(),
        401 | 403 => format!("{number} is an access rule, not a redirect: leave it to the server"),
        _ if reply.is_some_and(|reply| ReplyStatus::OWN.contains(&reply)) => {
            format!("write a `[[reply]]` with `status = {number}` and no `to`")
        }
        _ => "write 307 or 302 (for now), 308 or 301 (for good), or 303 (see other)".to_owned(),
    }
}

fn word_help(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "permanent" => "write 308, which keeps method and body, or 301, after which POST may become GET".to_owned(),
        "temporary" | "temp" | "redirect" => {
            "write 307, which keeps method and body, or 302, after which POST may become GET".to_owned()
        }
        number if number.parse::<i64>().is_ok() => format!("write `status = {number}`, without quotes"),
        _ => why_not(0),
    }
}
