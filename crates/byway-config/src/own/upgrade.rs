//! `[upgrade]`: plain requests for named hosts are sent to https, lowered to ordinary rules that `explain` and `check` see.
//!
//! The rules stand in a table of their own that is tried before all others: what is exempt passes on, credentials in the clear may
//! be refused, a named host is sent to the same path and query over https, and a host that nothing names gets 421. HSTS is no
//! rule, since it goes with every answer over https: it is handed to the server as a setting.

use std::collections::BTreeSet;
use std::ops::Range;

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::QueryPolicy;
use byway_core::host::HostPattern;
use byway_core::rule::{Action, Place, Rule};
use byway_core::ruleset::{RuleView, TableId};
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::Target;

use super::keys::{HSTS, UPGRADE};
use super::page::{Page, Record, Value, shortened};
use super::server::{HstsSetting, ServerSettings, duration};
use super::status;
use crate::diagnostic::Diagnostic;
use crate::intake::Intake;

/// The group of the rules that are made here.
/// Whether a rule was made here.
pub(crate) fn is_made(rule: &RuleView<'_>) -> bool {
    rule.group() == Some(GROUP) && rule.note() == Some(NOTE)
}

const GROUP: &str = "upgrade";
/// Where certificates are proved: over plain http, and not to be sent away (RFC 8555 §8.3).
const ACME: &str = "/.well-known/acme-challenge/*";
const NOTE: &str = "made from [upgrade]; a body has crossed the network unencrypted before this answers";

/// What is tried in which order, above all by priority: an exempt path is exempt whatever else is said of it.
const EXEMPT: i32 = 2;
const REFUSED: i32 = 1;
const SENT: i32 = 0;
const UNKNOWN: i32 = -1;

/// An upgrade whose last rules are made when all other rules are known.
#[derive(Debug)]
pub(crate) struct Upgrading {
    table: TableId,
    place: Place,
    /// Hosts as patterns; none where any host is sent on.
    hosts: Option<Vec<String>>,
    /// Hosts that other rules name: they are known, though they are not sent on.
    named: BTreeSet<String>,
}

impl Upgrading {
    /// Notes the host that a rule of another table is for.
    pub(crate) fn see(&mut self, table: TableId, source: &Source<'_>) {
        if table == self.table || source.host == HostPattern::Any {
            return;
        }
        let host = source.host.to_string();
        if !self.named.contains(&host) {
            self.named.insert(host);
        }
    }

    /// The hosts that this refuses, as rules: all but those that are sent on or named elsewhere.
    pub(crate) fn finish(self, intake: &mut Intake) -> Result<(), String> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        for host in self.named.iter().filter(|host| !covered(host, hosts)) {
            push(intake, self.table, self.place, &format!("http://{host}/*"), UNKNOWN + 1, &[], |_| Ok(Action::Pass))?;
        }
        push(intake, self.table, self.place, "http://*/*", UNKNOWN, &[], |_| Ok(reply(ReplyStatus::MisdirectedRequest)))
    }
}

/// Whether every host of a pattern is one of these.
fn covered(host: &str, hosts: &[String]) -> bool {
    hosts.iter().any(|pattern| match (HostPattern::parse(pattern), HostPattern::parse(host)) {
        (Ok(HostPattern::Any), _) => true,
        (Ok(pattern), Ok(HostPattern::Exact(host))) => pattern.matches(&host),
        (Ok(HostPattern::Below(parent)), Ok(HostPattern::Below(below))) => {
            below == parent || below.strip_suffix(&*parent).is_some_and(|rest| rest.ends_with('.'))
        }
        _ => false,
    })
}

fn reply(status: ReplyStatus) -> Action<'static> {
    Action::Reply { status, retry_after: None }
}

/// Who is sent on, and how.
struct Sent<'s> {
    /// None where any host is asked for.
    hosts: Option<&'s [&'s str]>,
    status: StatusByMethod,
    port: u16,
}

/// Who is not.
struct Written {
    except: Vec<String>,
    refused: Vec<String>,
    refuses_credentials: bool,
}

/// Reads `[upgrade]` into rules of this table, and gives back what the server says over https.
pub(crate) fn read<'p>(
    page: &mut Page<'p>,
    value: &Value<'p>,
    server: Option<&ServerSettings>,
    table: TableId,
    intake: &mut Intake,
) -> Option<HstsSetting> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &UPGRADE);
    let at = record.key_at("hosts").unwrap_or(record.at.clone());
    let place = Place { file: page.file, line: page.line(at.start) };
    let hosts = hosts(page, &record);
    let status = match record.get("status") {
        Some(value) => status::read(page, value),
        None => Some(StatusByMethod::always(RedirectStatus::TemporaryRedirect)),
    };
    let port = port(page, &record, server);
    let written = Written {
        except: match record.get("except") {
            Some(value) => paths(page, "except", value),
            None => vec![ACME.to_owned()],
        },
        refused: record.get("credential_paths").map(|value| paths(page, "credential_paths", value)).unwrap_or_default(),
        refuses_credentials: record.text("http_credentials") == Some("refuse"),
    };
    let value = record.get("hsts").and_then(|value| hsts(page, value));
    if let (false, Some(at)) = (written.refuses_credentials, record.key_at("credential_paths")) {
        let diagnostic = Diagnostic::error("bad-value", "`credential_paths` without `http_credentials = \"refuse\"`")
            .at(page.span(at))
            .help("write `http_credentials = \"refuse\"` beside it");
        page.push(diagnostic);
    }
    let (hosts, status, port) = (hosts?, status?, port?);
    let sent = Sent { hosts: hosts.as_deref(), status, port };
    if let Err(what) = lower(&sent, &written, table, place, intake) {
        let diagnostic = Diagnostic::error("target-host", what).at(page.span(at)).help(
            "add the host to `[policy] target_hosts`, or take it out here: an upgrade sends to the host that was asked for",
        );
        page.push(diagnostic);
    }
    let named = hosts.as_ref().map(|hosts| hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>());
    intake.upgrading = Some(Upgrading { table, place, hosts: named.clone(), named: BTreeSet::new() });
    Some(HstsSetting { value: value?, hosts: named.unwrap_or_else(|| vec!["*".to_owned()]) })
}

fn lower(sent: &Sent<'_>, written: &Written, table: TableId, place: Place, intake: &mut Intake) -> Result<(), String> {
    let port = if sent.port == 443 { String::new() } else { format!(":{}", sent.port) };
    let any = ["*"];
    let authorization = || {
        let subject = Subject::parse("header", Some("authorization")).ok()?;
        Condition::new(subject, Test::Present, false).ok()
    };
    for &host in sent.hosts.unwrap_or(&any) {
        allowed(host, intake)?;
        for path in &written.except {
            push(intake, table, place, &format!("http://{host}{path}"), EXEMPT, &[], |_| Ok(Action::Pass))?;
        }
        if written.refuses_credentials {
            for path in &written.refused {
                let from = format!("http://{host}{path}");
                push(intake, table, place, &from, REFUSED, &[], |_| Ok(reply(ReplyStatus::Forbidden)))?;
            }
            if let (true, Some(condition)) = (written.refused.is_empty(), authorization()) {
                let from = format!("http://{host}/*");
                push(intake, table, place, &from, REFUSED, &[condition], |_| Ok(reply(ReplyStatus::Forbidden)))?;
            }
        }
        let to = match host.starts_with('*') {
            true => format!("https://{{host}}{port}/*"),
            false => format!("https://{host}{port}/*"),
        };
        push(intake, table, place, &format!("http://{host}/*"), SENT, &[], |source| {
            let target = Target::parse(&to, source).map_err(|error| error.what)?;
            Ok(Action::Redirect { status: sent.status, target, query: QueryPolicy::Keep })
        })?;
    }
    Ok(())
}

/// Whether the policy lets rules send to this host: it sends to itself, so it must be one of the list.
fn allowed(host: &str, intake: &Intake) -> Result<(), String> {
    match &intake.policy.target_hosts {
        Some(listed) if !covered(host, listed) => Err(format!("`{host}` is not in `[policy] target_hosts`")),
        _ => Ok(()),
    }
}

fn push<'t>(
    intake: &mut Intake,
    table: TableId,
    place: Place,
    from: &'t str,
    priority: i32,
    conditions: &[Condition],
    action: impl FnOnce(&Source<'t>) -> Result<Action<'t>, String>,
) -> Result<(), String> {
    let source = Source::parse(from).map_err(|error| error.what)?;
    let action = action(&source)?;
    let rule = Rule {
        conditions,
        priority,
        group: Some(GROUP),
        note: Some(NOTE),
        // The hosts are named, or any was asked for.
        allow: Some("host-echo"),
        place,
        ..Rule::new(source, action)
    };
    // The policy was asked for the hosts themselves, which says more than the targets do.
    intake.builder.push(table, &rule).map(|_| intake.pushed += 1).map_err(|error| error.what)
}

/// `hosts`: a list, one, or the word `any`. What is no host is said, and then nothing is lowered.
fn hosts<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>) -> Option<Option<Vec<&'p str>>> {
    let value = record.get("hosts")?;
    if value.get_ref().as_str() == Some("any") {
        return Some(None);
    }
    let listed: Vec<(String, Range<usize>)> =
        page.texts("hosts", value).into_iter().map(|(text, item)| (text.to_owned(), item.span())).collect();
    let mut hosts = Vec::new();
    let mut all_right = true;
    for (text, at) in listed {
        match host(&text) {
            Ok(()) => hosts.push(inside(page, &text, &at)),
            Err((what, help)) => {
                let diagnostic = Diagnostic::error("bad-host", what).at(page.span(at)).help(help);
                page.push(diagnostic);
                all_right = false;
            }
        }
    }
    if hosts.is_empty() && all_right {
        let diagnostic = Diagnostic::error("bad-value", "`hosts` names no host").at(page.span(value.span())).help(
            "name them: `hosts = [\"example.com\", \"*.example.com\"]`; `hosts = \"any\"` is every host there is",
        );
        page.push(diagnostic);
    }
    let hosts: Option<Vec<&'p str>> = hosts.into_iter().collect();
    hosts.filter(|hosts| all_right && !hosts.is_empty()).map(Some)
}

/// The text of a value as it stands in the page, which outlives the value.
fn inside<'p>(page: &Page<'p>, text: &str, at: &Range<usize>) -> Option<&'p str> {
    let written: &'p str = page.text;
    let written = written.get(at.clone())?;
    let from = written.find(text)?;
    written.get(from..from + text.len())
}

fn host(text: &str) -> Result<(), (String, String)> {
    if text == "*" || text == "any" {
        return Err((format!("`{text}` in a list of hosts"), "write `hosts = \"any\"`, if it is meant".to_owned()));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let bare = rest.split(['/', ':']).next().unwrap_or_default();
        return Err((format!("`{}` is more than a host", shortened(text)), format!("write `{bare}`")));
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err((format!("`{text}` is an address without its brackets"), format!("write `[{text}]`")));
    }
    if let (false, Some((bare, port))) = (text.starts_with('['), text.rsplit_once(':')) {
        let help = format!("write `{bare}`; the port of https is `public_port`");
        return Err((format!("`{}` names the port {port}", shortened(text)), help));
    }
    match HostPattern::parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err((error.what, error.help.unwrap_or_else(|| "write a host, as `example.com`".to_owned()))),
    }
}

/// The port of https as the world sees it: as written, or that of the listener that speaks TLS, or 443.
fn port(page: &mut Page<'_>, record: &Record<'_, '_>, server: Option<&ServerSettings>) -> Option<u16> {
    if record.get("public_port").is_some() {
        return record.number("public_port").and_then(|port| u16::try_from(port).ok());
    }
    let listens = server.map(|server| server.listen.as_slice()).unwrap_or_default();
    let ports: BTreeSet<u16> =
        listens.iter().filter(|setting| setting.tls).filter_map(|setting| setting.port()).collect();
    let mut ports = ports.into_iter().filter(|port| *port != 0);
    match (ports.next(), ports.next()) {
        (None, _) => Some(443),
        (Some(port), None) => Some(port),
        (Some(443), _) => Some(443),
        _ => {
            let message = "several listeners speak TLS, and none on 443: where is https for the world?";
            let diagnostic = Diagnostic::error("no-public-port", message)
                .at(page.span(record.at.clone()))
                .help("write `public_port`, as `public_port = 8443`; 443 is never written into a URL");
            page.push(diagnostic);
            None
        }
    }
}

/// Paths as sources write them.
fn paths<'p>(page: &mut Page<'p>, name: &str, value: &Value<'p>) -> Vec<String> {
    let mut paths = Vec::new();
    for (text, item) in page.texts(name, value) {
        let parsed = Source::parse(text);
        match parsed {
            Ok(_) if text.starts_with('/') && !text.starts_with("//") => paths.push(text.to_owned()),
            Ok(_) => {
                let diagnostic = Diagnostic::error("bad-source", format!("`{}` is more than a path", shortened(text)))
                    .at(page.within(item, 0..text.len()))
                    .help("it holds for every host of `hosts`: write the path alone, as `/login`");
                page.push(diagnostic);
            }
            Err(error) => {
                let diagnostic =
                    Diagnostic::error("bad-source", error.what).at(page.within(item, error.at)).maybe_help(error.help);
                page.push(diagnostic);
            }
        }
    }
    paths
}

/// One year, which the list of hosts that browsers bring along asks for.
const PRELOAD_LEAST: u64 = 365 * 86_400;

/// `hsts`: the value of `Strict-Transport-Security` (RFC 6797 §6.1).
fn hsts<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<String> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &HSTS);
    let seconds = duration(page, &record, "max_age")?.as_secs();
    let flag = |name| record.flag(name).unwrap_or(false);
    let (subdomains, preload) = (flag("include_subdomains"), flag("preload"));
    if preload && (!subdomains || seconds < PRELOAD_LEAST) {
        let diagnostic = Diagnostic::error("bad-value", "`preload` asks for more than is promised here")
            .at(page.span(record.key_at("preload").unwrap_or(record.at.clone())))
            .help("browsers take a host into their list with `include_subdomains = true` and `max_age = \"365d\"` or more, and letting it out again takes months");
        page.push(diagnostic);
    }
    let mut text = format!("max-age={seconds}");
    for (said, directive) in [(subdomains, "; includeSubDomains"), (preload, "; preload")] {
        if said {
            text.push_str(directive);
        }
    }
    Some(text)
}
