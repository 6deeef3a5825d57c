//! Where a server listens and with what: addresses, certificates, and who is believed about the client.
//!
//! The command line wins over `[server]`, address by address: who names one listener there names them all. Certificates are read
//! before anything is served, and again when their files change.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use byway_config::own::server::{ForwardedFields, ListenSetting, ServerSettings};
use byway_server::forwarded::{Family, Trust};
use byway_server::listen::{ListenFault, ProxyProtocol};
use byway_server::metrics::{Figures, Kind, Page};
use byway_server::tls::{CertificateError, CertificateFiles, EXPIRES_SOON, Tls};
use byway_server::watch::{self, Patience, Watch};
use byway_server::{ListenAddr, ListenError, Listener};

use crate::exit::Failure;
use crate::systemd;
use crate::terminal::say;

/// What the command line says of listening.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listening {
    /// Addresses, perhaps with `http://` or `https://` before them.
    pub(crate) plain: Vec<String>,
    /// Addresses that speak TLS.
    pub(crate) tls: Vec<String>,
    /// What is shown there.
    pub(crate) certificate: Shown,
}

impl Listening {
    fn names_any(&self) -> bool {
        !self.plain.is_empty() || !self.tls.is_empty() || !matches!(self.certificate, Shown::None)
    }
}

/// Which certificate the command line names.
#[derive(Clone, Debug, Default)]
pub(crate) enum Shown {
    /// None.
    #[default]
    None,
    /// One from files.
    Files(CertificateFiles),
    /// One that is made now.
    SelfSigned,
}

/// Open sockets, and the certificates that they show.
pub(crate) struct Open {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) tls: Option<Tls>,
}

/// The listeners that are asked for, before any of them is opened.
pub(crate) struct Planned {
    wanted: Vec<ListenSetting>,
    addresses: Vec<ListenAddr>,
    tls: Option<Tls>,
}

/// Reads what listening needs: addresses, and certificates.
pub(crate) fn planned(written: &ServerSettings, wishes: &Listening) -> Result<Planned, Failure> {
    plan(wanted(written, wishes), written, wishes)
}

fn plan(wanted: Vec<ListenSetting>, written: &ServerSettings, wishes: &Listening) -> Result<Planned, Failure> {
    let addresses = wanted.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    if written.trusted_proxies.is_empty()
        && let Some(setting) = wanted.iter().find(|setting| setting.proxy_protocol)
    {
        let message = format!("{} asks for the PROXY protocol, and `trusted_proxies` names nobody", setting.address);
        return Err(Failure::usage(message).help("name the balancer: `trusted_proxies = [\"10.0.0.7\"]`"));
    }
    let tls = match wanted.iter().any(|setting| setting.tls) {
        true => Some(certificates(written, wishes, &addresses)?),
        false => None,
    };
    if tls.is_none() && !written.tls.is_empty() {
        say(
            "warning: `[server.tls]` names certificates, and no listener speaks TLS; write `https://` before an address",
        );
    }
    Ok(Planned { wanted, addresses, tls })
}

/// Opens every listener, or says which one cannot be had.
pub(crate) fn open(written: &ServerSettings, wishes: &Listening, threads: usize) -> Result<Open, Failure> {
    let mut handed = systemd::sockets(threads)?;
    let wanted = match handed.is_empty() || wishes.names_any() || !written.listen.is_empty() {
        true => wanted(written, wishes),
        // Nobody names an address: what was handed over is all there is.
        false => Vec::new(),
    };
    let Planned { wanted, addresses, tls } = plan(wanted, written, wishes)?;
    let mut listeners = Vec::with_capacity(wanted.len());
    for (setting, address) in wanted.iter().zip(&addresses) {
        let listener = match systemd::take(&mut handed, address) {
            Some(listener) => listener,
            None => Listener::open(address, threads).map_err(|error| blame(&error))?,
        };
        let proxy_protocol = if setting.proxy_protocol { ProxyProtocol::Required } else { ProxyProtocol::No };
        let listener = listener.with_proxy_protocol(proxy_protocol);
        listeners.push(match &tls {
            Some(tls) if setting.tls => listener.with_tls(tls.clone()),
            _ => listener,
        });
    }
    // What was handed over and not named is served as it is.
    listeners.extend(handed);
    Ok(Open { listeners, tls })
}

/// The listeners that are asked for. A certificate on the command line is meant for somebody: where nobody is named, for all.
fn wanted(written: &ServerSettings, wishes: &Listening) -> Vec<ListenSetting> {
    let plain = wishes.plain.iter().map(|text| ListenSetting::of(text));
    let tls = wishes.tls.iter().map(|text| ListenSetting { tls: true, ..ListenSetting::of(text) });
    let mut wanted: Vec<ListenSetting> = plain.chain(tls).collect();
    if wanted.is_empty() {
        wanted = written.listen.clone();
    }
    if wanted.is_empty() {
        wanted.push(ListenSetting::of(ListenAddr::DEFAULT));
    }
    if !matches!(wishes.certificate, Shown::None) && !wanted.iter().any(|setting| setting.tls) {
        wanted.iter_mut().for_each(|setting| setting.tls = !setting.address.starts_with("unix:"));
    }
    wanted
}

fn address(setting: &ListenSetting) -> Result<ListenAddr, Failure> {
    let address: ListenAddr = setting.address.parse().map_err(|error| Failure::usage(format!("{error}")))?;
    match (&address, setting.tls) {
        (ListenAddr::Unix(_), true) => {
            let message = format!("{} is a socket of this machine, and TLS is not spoken there", setting.address);
            Err(Failure::usage(message).help("take `tls` away, or listen on a port"))
        }
        _ => Ok(address),
    }
}

fn certificates(written: &ServerSettings, wishes: &Listening, addresses: &[ListenAddr]) -> Result<Tls, Failure> {
    let tls = match &wishes.certificate {
        Shown::SelfSigned => Tls::self_signed(&names(addresses).iter().map(String::as_str).collect::<Vec<_>>()),
        Shown::Files(files) => Tls::of_files(vec![files.clone()], SystemTime::now()),
        Shown::None if written.tls.is_empty() => {
            let help = "name one: `[server.tls]` with `cert` and `key`, or `--tls-cert FILE --tls-key FILE`; `--tls-self-signed` is for trying out";
            return Err(Failure::usage("a listener speaks TLS, and there is no certificate").help(help));
        }
        Shown::None => {
            let pair = |pair: &byway_config::own::server::TlsSetting| CertificateFiles {
                cert: PathBuf::from(&pair.cert),
                key: PathBuf::from(&pair.key),
            };
            Tls::of_files(written.tls.iter().map(pair).collect(), SystemTime::now())
        }
    };
    let tls = tls.map_err(|error| refused(&error))?;
    if matches!(wishes.certificate, Shown::SelfSigned) {
        let names = tls.certificates().into_iter().flat_map(|info| info.names).collect::<Vec<_>>().join(", ");
        say(&format!("a certificate was made for {names}; nobody trusts it: `curl -k` does not ask"));
    }
    warn_of_ends(&tls);
    Ok(tls)
}

/// One certificate and its key, for a listener of operators.
pub(crate) fn certificate(cert: &str, key: &str) -> Result<Tls, Failure> {
    let files = CertificateFiles { cert: PathBuf::from(cert), key: PathBuf::from(key) };
    let tls = Tls::of_files(vec![files], SystemTime::now()).map_err(|error| refused(&error))?;
    warn_of_ends(&tls);
    Ok(tls)
}

fn refused(error: &CertificateError) -> Failure {
    let failure = Failure::no_verdict(error.to_string());
    match error.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}

/// This machine by its usual names, and the addresses that are listened on.
fn names(addresses: &[ListenAddr]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    for address in addresses {
        if let ListenAddr::Tcp(address) = address
            && !address.ip().is_unspecified()
            && !names.contains(&address.ip().to_string())
        {
            names.push(IpAddr::to_string(&address.ip()));
        }
    }
    names
}

/// Names the certificates that expire soon.
fn warn_of_ends(tls: &Tls) {
    let now = SystemTime::now();
    for info in tls.certificates() {
        let (Some(file), left) = (&info.file, info.left(now)) else { continue };
        if left < EXPIRES_SOON {
            let days = left.as_secs() / 86_400;
            say(&format!("warning: {} expires in {days} days, at {}", file.display(), info.expires()));
        }
    }
}

/// Reads the certificates again, and says what is wrong with them; nothing where all is well.
pub(crate) fn reload(tls: &Tls) -> Option<String> {
    match tls.reload(SystemTime::now()) {
        Ok(()) => {
            warn_of_ends(tls);
            None
        }
        Err(error) => {
            let help = error.help().map(|help| format!("  help: {help}\n")).unwrap_or_default();
            Some(format!("error: {error}\n{help}the certificates in use stay in use\n"))
        }
    }
}

/// Reads certificates again whenever their files change.
pub(crate) fn watch(tls: &Tls) -> Result<Option<Watch>, Failure> {
    let files = tls.files();
    if files.is_empty() {
        return Ok(None);
    }
    let (tls, watched) = (tls.clone(), files.clone());
    let changed = move || {
        say(reload(&tls).as_deref().unwrap_or("the certificates changed and were read again"));
        watched.clone()
    };
    let watch = watch::watch(files, Patience::default(), changed);
    watch.map(Some).map_err(|error| Failure::no_verdict(format!("the certificates cannot be watched: {error}")))
}

/// The certificates of a server, for those who watch it.
pub(crate) struct Shows(pub(crate) Vec<Tls>);

impl Figures for Shows {
    fn write(&self, page: &mut Page) {
        // Two listeners may show the same certificate.
        let mut ends: BTreeMap<(String, String), u64> = BTreeMap::new();
        for info in self.0.iter().flat_map(Tls::certificates) {
            let file = info.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
            let end = info.not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            ends.insert((file, info.names.first().cloned().unwrap_or_default()), end);
        }
        let help = "When the first link of a certificate's chain expires, by its file and the first of its names.";
        let mut family = page.family("byway_certificate_expiry_timestamp_seconds", help, Kind::Gauge);
        for ((file, name), end) in &ends {
            family = family.value(&[("file", file), ("name", name)], end);
        }
        let help = "Certificates that were read again and could not be used; the old ones stay in use.";
        let errors: u64 = self.0.iter().map(Tls::failed_reloads).sum();
        page.family("byway_certificate_errors_total", help, Kind::Counter).value(&[], errors);
    }
}

/// Who is believed about the client.
pub(crate) fn trust(written: &ServerSettings) -> Result<Trust, Failure> {
    let family = match written.forwarded {
        ForwardedFields::XForwarded => Family::XForwarded,
        ForwardedFields::Forwarded => Family::Forwarded,
    };
    Trust::parse(&written.trusted_proxies, family).map_err(|error| Failure::usage(error.to_string()))
}

/// Why an address cannot be listened on, and what to do.
pub(crate) fn blame(error: &ListenError) -> Failure {
    let failure = Failure::no_verdict(error.to_string());
    match (error.why, &error.address) {
        (ListenFault::InUse, ListenAddr::Tcp(address)) => failure.help(format!(
            "`ss -ltnp sport = :{}` shows who, perhaps another byway: stop it, or listen elsewhere: `--listen 127.0.0.1:0` takes a free port",
            address.port()
        )),
        (ListenFault::InUse, ListenAddr::Unix(path)) => failure.help(format!(
            "another byway may hold it; if {} is no socket, move it away, or listen elsewhere: `--listen 127.0.0.1:0` takes a free port",
            path.display()
        )),
        (ListenFault::NotPermitted, ListenAddr::Tcp(_)) => failure.help(
            "ports below 1024 need a right to them (CAP_NET_BIND_SERVICE, or root); `--listen 127.0.0.1:8307` does not",
        ),
        (ListenFault::NotPermitted, ListenAddr::Unix(_)) => {
            failure.help("the folder must be writable for the user that runs byway; `--listen 127.0.0.1:8307` needs none")
        }
        (ListenFault::Other, _) => {
            failure.help("the address must be one of this machine, as `ip address` lists them; `--listen :8307` takes all of them")
        }
    }
}
