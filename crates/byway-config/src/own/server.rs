//! `[server]`: what the root file says of listening, as plain data.
//!
//! What is not written is `None`; defaults and the command line are the binary's business.

use std::time::Duration;

use byway_core::network::Network;

use super::keys::{ACCESS_LOG, ADMIN, LIMITS, LINGER, LISTEN, SERVER, TLS};
use super::page::{Page, Record, Value, found, integer, shortened};
use crate::diagnostic::Diagnostic;

/// What `[server]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// Where to listen.
    pub listen: Vec<ListenSetting>,
    /// Certificates, in order.
    pub tls: Vec<TlsSetting>,
    /// Serving threads.
    pub workers: Option<usize>,
    /// The status of what no rule takes.
    pub unmatched: Option<u16>,
    /// Networks whose forwarding fields count, as written.
    pub trusted_proxies: Vec<String>,
    /// The folder for what must survive restarts.
    pub state: Option<String>,
    /// Which forwarding fields are read.
    pub forwarded: ForwardedFields,
    /// What `[policy] downgrade_308` says: beginnings of `User-Agent`.
    pub downgrade_308: Vec<String>,
    /// What `[upgrade] hsts` says.
    pub hsts: Option<HstsSetting>,
    /// How long open requests may take once the server is told to stop.
    pub stop_time: Option<Duration>,
    /// The database in which hits are kept.
    pub hits: Option<String>,
    /// How often targets are asked whether they are there.
    pub probe: Option<Duration>,
    /// Where metrics are served, as written.
    pub metrics: Option<String>,
    /// `[admin]`
    pub admin: AdminSettings,
    /// `[server.limits]`
    pub limits: LimitSettings,
    /// `[server.linger]`
    pub linger: LingerSettings,
    /// `[server.access_log]`
    pub access_log: Option<AccessLogSettings>,
}

/// What every answer over https says for some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HstsSetting {
    /// The value of `Strict-Transport-Security`.
    pub value: String,
    /// The hosts as patterns; `*` is any.
    pub hosts: Vec<String>,
}

/// One entry of `listen`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenSetting {
    /// The address as written, without its scheme.
    pub address: String,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// Whether connections begin with the PROXY protocol.
    pub proxy_protocol: bool,
}

impl ListenSetting {
    /// An address as people write it: `https://` before it asks for TLS, `http://` for none.
    ///
    /// ```
    /// use byway_config::own::server::ListenSetting;
    /// let setting = ListenSetting::of("https://[::]:443");
    /// assert_eq!((setting.address.as_str(), setting.tls), ("[::]:443", true));
    /// ```
    pub fn of(text: &str) -> ListenSetting {
        let (address, tls) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(address), _) => (address, true),
            (_, Some(address)) => (address, false),
            _ => (text, false),
        };
        let address = if address.len() < text.len() { address.trim_end_matches('/') } else { address };
        ListenSetting { address: address.to_owned(), tls, proxy_protocol: false }
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        match self.address.starts_with("unix:") {
            true => None,
            false => self.address.rsplit_once(':')?.1.parse().ok(),
        }
    }
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSetting {
    /// The file of the chain, as written.
    pub cert: String,
    /// The file of the key, as written.
    pub key: String,
}

/// Which forwarding fields are read of trusted proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedFields {
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// What `[admin]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// Where the API is served, as written.
    pub listen: Option<String>,
    /// The file with the token.
    pub token_file: Option<String>,
    /// Hosts that requests may name.
    pub hosts: Vec<String>,
    /// The certificate that is shown there.
    pub tls: Option<TlsSetting>,
}

/// What `[server.limits]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Connections open at a time.
    pub connections: Option<usize>,
    /// The longest request line, in bytes.
    pub request_line: Option<u64>,
    /// The longest head, in bytes.
    pub head: Option<u64>,
    /// How many fields a head may have.
    pub fields: Option<usize>,
    /// How long a head may take.
    pub header_time: Option<Duration>,
    /// How long PROXY protocol and TLS handshake may take.
    pub handshake_time: Option<Duration>,
    /// How long a connection may be idle.
    pub idle_time: Option<Duration>,
    /// HTTP/2 streams open at a time on one connection.
    pub streams: Option<u32>,
}

/// What `[server.linger]` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LingerSettings {
    /// How many bytes of one body are read at most.
    pub body: Option<u64>,
    /// The length of a window.
    pub window: Option<Duration>,
    /// How many bytes must arrive in every window.
    pub window_bytes: Option<u64>,
    /// How long is discarded after the half-close.
    pub discard: Option<Duration>,
    /// Which part of the connections may linger: one in so many.
    pub slots_one_in: Option<usize>,
    /// How many connections of one address may linger.
    pub per_address: Option<usize>,
}

/// What `[server.access_log]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// The file.
    pub path: String,
    /// What a line looks like.
    pub format: AccessLogFormat,
    /// Whether queries are written.
    pub queries: AccessLogQueries,
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// The Common Log Format.
    Common,
    /// Common, with Referer and User-Agent.
    #[default]
    Combined,
    /// One JSON object a line.
    Json,
}

/// Whether queries are written to the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogQueries {
    /// Left out.
    #[default]
    Hidden,
    /// Written.
    Shown,
}

/// Reads `[server]`.
pub(crate) fn read<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<ServerSettings> {
    let server = page.open(value.get_ref().as_table()?, value.span(), &SERVER);
    let workers = server.number("workers").and_then(|number| usize::try_from(number).ok());
    Some(ServerSettings {
        listen: server.get("listen").map(|value| listens(page, value)).unwrap_or_default(),
        tls: server.get("tls").map(|value| certificates(page, value)).unwrap_or_default(),
        workers,
        unmatched: server.number("unmatched").and_then(|number| u16::try_from(number).ok()),
        state: server.text("state").map(str::to_owned),
        trusted_proxies: server.get("trusted_proxies").map(|value| networks(page, value)).unwrap_or_default(),
        forwarded: match server.text("forwarded") {
            Some("forwarded") => ForwardedFields::Forwarded,
            _ => ForwardedFields::XForwarded,
        },
        hsts: None,
        downgrade_308: Vec::new(),
        stop_time: duration(page, &server, "stop_time"),
        hits: server.text("hits").map(str::to_owned),
        probe: duration(page, &server, "probe"),
        metrics: server.text("metrics").map(str::to_owned),
        admin: AdminSettings::default(),
        limits: section(page, &server, "limits", limits).unwrap_or_default(),
        linger: section(page, &server, "linger", linger).unwrap_or_default(),
        access_log: section(page, &server, "access_log", access_log).flatten(),
    })
}

/// Reads `[admin]`.
pub(crate) fn admin<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<AdminSettings> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &ADMIN);
    let hosts = record.get("hosts").map(|value| page.texts("hosts", value)).unwrap_or_default();
    Some(AdminSettings {
        listen: record.text("listen").map(str::to_owned),
        token_file: record.text("token_file").map(str::to_owned),
        hosts: hosts.into_iter().map(|(text, _)| text.to_owned()).collect(),
        tls: record.get("tls").and_then(|value| certificate(page, value)),
    })
}

fn section<'p, T>(
    page: &mut Page<'p>,
    server: &Record<'_, 'p>,
    name: &str,
    read: fn(&mut Page<'p>, &Value<'p>) -> Option<T>,
) -> Option<T> {
    read(page, server.get(name)?)
}

fn limits<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<LimitSettings> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &LIMITS);
    Some(LimitSettings {
        connections: count(&record, "connections"),
        request_line: size(page, &record, "request_line"),
        head: size(page, &record, "head"),
        fields: count(&record, "fields"),
        header_time: duration(page, &record, "header_time"),
        handshake_time: duration(page, &record, "handshake_time"),
        idle_time: duration(page, &record, "idle_time"),
        streams: record.number("streams").and_then(|number| u32::try_from(number).ok()),
    })
}

fn linger<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<LingerSettings> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &LINGER);
    Some(LingerSettings {
        body: size(page, &record, "body"),
        window: duration(page, &record, "window"),
        window_bytes: size(page, &record, "window_bytes"),
        discard: duration(page, &record, "discard"),
        slots_one_in: count(&record, "slots_one_in"),
        per_address: count(&record, "per_address"),
    })
}

fn access_log<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Option<Option<AccessLogSettings>> {
    let record = page.open(value.get_ref().as_table()?, value.span(), &ACCESS_LOG);
    let format = match record.text("format") {
        Some("common") => AccessLogFormat::Common,
        Some("json") => AccessLogFormat::Json,
        _ => AccessLogFormat::Combined,
    };
    let queries = match record.text("query") {
        Some("show") => AccessLogQueries::Shown,
        _ => AccessLogQueries::Hidden,
    };
    Some(record.text("path").map(|path| AccessLogSettings { path: path.to_owned(), format, queries }))
}

/// `listen`: a text, or a list of texts and tables.
fn listens<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Vec<ListenSetting> {
    let items = match value.get_ref().as_array() {
        Some(items) => items.iter().collect(),
        None => vec![value],
    };
    items.into_iter().filter_map(|item| listen(page, item)).collect()
}

fn listen<'p>(page: &mut Page<'p>, item: &Value<'p>) -> Option<ListenSetting> {
    if let Some(text) = item.get_ref().as_str() {
        return Some(ListenSetting::of(text));
    }
    let Some(table) = item.get_ref().as_table() else {
        let message = format!("an entry of `listen` is an address or a table, and this is {}", found(item.get_ref()));
        let diagnostic = Diagnostic::error("wrong-type", message)
            .at(page.span(item.span()))
            .help("write \"127.0.0.1:8307\", or { address = \"0.0.0.0:443\", tls = true }");
        page.push(diagnostic);
        return None;
    };
    let record = page.open(table, item.span(), &LISTEN);
    let setting = ListenSetting::of(record.text("address")?);
    let flag = |name| record.flag(name);
    if let (true, Some(false), Some(value)) = (setting.tls, flag("tls"), record.get("tls")) {
        let diagnostic = Diagnostic::error("bad-value", "`https://` and `tls = false` say two things")
            .at(page.span(value.span()))
            .help("keep one of the two");
        page.push(diagnostic);
    }
    let tls = setting.tls || flag("tls").unwrap_or(false);
    Some(ListenSetting { tls, proxy_protocol: flag("proxy_protocol").unwrap_or(false), ..setting })
}

/// `tls`: a table or several.
fn certificates<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Vec<TlsSetting> {
    let items = match value.get_ref().as_array() {
        Some(items) => items.iter().collect(),
        None => vec![value],
    };
    items.into_iter().filter_map(|item| certificate(page, item)).collect()
}

fn certificate<'p>(page: &mut Page<'p>, item: &Value<'p>) -> Option<TlsSetting> {
    let record = page.open(item.get_ref().as_table()?, item.span(), &TLS);
    Some(TlsSetting { cert: record.text("cert")?.to_owned(), key: record.text("key")?.to_owned() })
}

/// Networks, of which each is read, so that a misspelt one is named at once.
fn networks<'p>(page: &mut Page<'p>, value: &Value<'p>) -> Vec<String> {
    let mut networks = Vec::new();
    for (text, item) in page.texts("trusted_proxies", value) {
        if text == "unix" || Network::parse(text).is_some() {
            networks.push(text.to_owned());
            continue;
        }
        let message = format!("`{}` is no network", shortened(text));
        let diagnostic = Diagnostic::error("bad-value", message)
            .at(page.within(item, 0..text.len()))
            .help("write an address, a network as `10.0.0.0/8` or `fd00::/8`, or `unix` for Unix sockets");
        page.push(diagnostic);
    }
    networks
}

fn count(record: &Record<'_, '_>, name: &str) -> Option<usize> {
    record.number(name).and_then(|number| usize::try_from(number).ok())
}

pub(crate) fn duration<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, name: &str) -> Option<Duration> {
    let value = record.get(name)?;
    let text = value.get_ref().as_str()?;
    parse_duration(text).or_else(|| {
        bad(
            page,
            value,
            format!("`{}` is no time", shortened(text)),
            "write a number and `ms`, `s`, `m`, `h` or `d`, as `10s`",
        )
    })
}

fn size<'p>(page: &mut Page<'p>, record: &Record<'_, 'p>, name: &str) -> Option<u64> {
    let value = record.get(name)?;
    let Some(text) = value.get_ref().as_str() else {
        return integer(value.get_ref()).and_then(|number| u64::try_from(number).ok());
    };
    parse_size(text).or_else(|| {
        bad(
            page,
            value,
            format!("`{}` is no size", shortened(text)),
            "write a number and `B`, `KiB`, `MiB` or `GiB`, as `64KiB`",
        )
    })
}

fn bad<T>(page: &mut Page<'_>, value: &Value<'_>, message: String, help: &str) -> Option<T> {
    let diagnostic = Diagnostic::error("bad-value", message).at(page.span(value.span())).help(help);
    page.push(diagnostic);
    None
}

/// `250ms`, `10s`, `2m`, `1h`, `30d`.
///
/// ```
/// use byway_config::own::server::parse_duration;
/// assert_eq!(parse_duration("250ms"), Some(std::time::Duration::from_millis(250)));
/// assert_eq!(parse_duration("10"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..unit_at].parse().ok()?;
    let milliseconds = match text[unit_at..].trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// `512B`, `64KiB`, `1MiB`, `4GiB`, and the decimal `kB`, `MB`, `GB`.
///
/// ```
/// use byway_config::own::server::parse_size;
/// assert_eq!(parse_size("64KiB"), Some(65_536));
/// assert_eq!(parse_size("64 apples"), None);
/// ```
pub fn parse_size(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..unit_at].parse().ok()?;
    let bytes: u64 = match text[unit_at..].trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(bytes)
}
