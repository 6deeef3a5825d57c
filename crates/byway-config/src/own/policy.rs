//! `[policy]`: what no rule of a load may do, whatever file it stands in.

use byway_core::host::HostPattern;
use byway_core::target::{Part, Target, TargetHost, What, target_allowed};

use super::keys::POLICY;
use super::page::{Page, Value, shortened};
use super::review;
use crate::diagnostic::Diagnostic;

/// What no rule may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Where rules may send to, as written; `None` is anywhere.
    pub target_hosts: Option<Vec<String>>,
    /// The public origin, without a slash at the end.
    pub origin: Option<String>,
    /// How old a temporary redirect may be, in seconds, before `check` asks whether it is one.
    pub temporary_max_age: Option<i64>,
    /// Beginnings of `User-Agent` of clients that get 307 where rules say 308.
    pub downgrade_308: Vec<String>,
}

/// Clients that follow 307 and stop at 308, and how their `User-Agent` begins. Measured with JDK 17 and 25; `java.net.http` of the
/// same releases follows 308, and calls itself otherwise.
const STOP_AT_308: &[(&str, &str)] = &[("java-httpurlconnection", "Java/")];

impl Policy {
    /// Whether no request can be sent out of the list by this target.
    pub(crate) fn allows(&self, target: &Target<'_>) -> bool {
        let Some(hosts) = &self.target_hosts else { return true };
        if target.host() == TargetHost::Relative {
            return !begins_with_the_clients(target);
        }
        let allowed: Vec<HostPattern<'_>> = hosts.iter().filter_map(|host| HostPattern::parse(host).ok()).collect();
        target_allowed(target, &allowed)
    }
}

/// Whether the client sends what a target begins with, which may be another host (nginx's `return 302 $arg_next`).
fn begins_with_the_clients(target: &Target<'_>) -> bool {
    matches!(
        target.pieces().first().map(|piece| &piece.what),
        Some(
            What::Argument(_)
                | What::Cookie(_)
                | What::Field(_)
                | What::QueryValue(_)
                | What::Part(Part::Query | Part::WorkingQuery)
        )
    )
}

/// Reads `[policy]`.
pub(crate) fn read<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Policy> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &POLICY);
    let target_hosts = record.get("target_hosts").and_then(|value| hosts(page, value));
    let origin = record.get("origin").and_then(|value| origin(page, value));
    let temporary_max_age = record.get("temporary_max_age").and_then(|value| review::period(page, value));
    let downgrade_308 = record.get("downgrade_308").map(|value| agents(page, value)).unwrap_or_default();
    Some(Policy { target_hosts, origin, temporary_max_age, downgrade_308 })
}

/// `downgrade_308`: names of the table, or `agent:` and a beginning.
fn agents<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Vec<String> {
    let mut agents = Vec::new();
    for (text, item) in page.texts("downgrade_308", value) {
        let known = STOP_AT_308.iter().find(|(name, _)| *name == text).map(|(_, agent)| *agent);
        match known.or(text.strip_prefix("agent:").map(str::trim).filter(|agent| !agent.is_empty())) {
            Some(agent) => agents.push(agent.to_owned()),
            None => {
                let message = format!("`{}` is no client that is known to stop at 308", shortened(text));
                let names = STOP_AT_308.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("`, `");
                let help = format!("write `{names}`, or `agent:` and how its `User-Agent` begins");
                page.push(Diagnostic::error("bad-value", message).at(page.within(item, 0..text.len())).help(help));
            }
        }
    }
    agents
}

/// `None` where all are broken: loading stops at that, and no rule is measured by an empty list that is none.
fn hosts<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Vec<String>> {
    let before = page.errors;
    let mut hosts = Vec::new();
    for (text, item) in page.texts("target_hosts", value) {
        match HostPattern::parse(text) {
            Ok(_) => hosts.push(text.to_owned()),
            Err(error) => {
                let diagnostic =
                    Diagnostic::error("bad-host", error.what).at(page.within(item, error.at)).maybe_help(error.help);
                page.push(diagnostic);
            }
        }
    }
    (page.errors == before || !hosts.is_empty()).then_some(hosts)
}

fn origin<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<String> {
    let text = value.get_ref().as_str()?;
    let origin = text.strip_suffix('/').unwrap_or(text);
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_origin = host.is_some_and(|host| {
        byway_core::host::split_authority(host).is_ok_and(|(host, _)| byway_core::host::normalise(host).is_ok())
    });
    if is_origin {
        return Some(origin.to_owned());
    }
    let message = format!("`{}` is no origin", shortened(text));
    let help = "write scheme and host, and the port if it is another, as `https://www.example.com`";
    let diagnostic = Diagnostic::error("bad-origin", message).at(page.span(value.span())).help(help);
    page.push(diagnostic);
    None
}
