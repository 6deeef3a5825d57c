//! Who may use the admin API: the owner of the Unix socket, or whoever holds the token, from this machine.
//!
//! On TCP, which other machines reach with TLS alone, a request must name a host of the list (a page of the web that had its name resolved to 127.0.0.1 does not), must
//! not come from a page at all, and must hold the token, compared in a time that does not depend on where it differs.

use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;

use byway_config::own::server::{AdminSettings, ListenSetting};
use byway_server::ListenAddr;
use byway_server::operators::{Asked, Door};
use byway_server::tls::Tls;

use super::Problem;
use crate::disk::in_words;
use crate::exit::Failure;
use crate::listening::{self, blame};

/// What stands before an API.
pub(crate) enum Guard {
    /// The mode of the socket.
    Socket,
    /// A token and a list of hosts.
    Token {
        /// The token.
        token: String,
        /// The hosts that requests may name, lower case, without a port.
        hosts: Vec<String>,
    },
}

/// Names of this machine.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Guard {
    /// Whether a request may go on.
    pub(crate) fn admit(&self, asked: &Asked) -> Result<(), Problem> {
        let Guard::Token { token, hosts } = self else { return Ok(()) };
        let field = |name: &str| asked.fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let problem = |status, detail: &str| Err(Problem { status, detail: detail.to_owned(), allow: None });
        let host = field("host").to_ascii_lowercase();
        let bare = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|sign| sign.is_ascii_digit()));
        let bare = bare.map_or(host.as_str(), |(bare, _)| bare);
        if !hosts.iter().any(|known| known == bare) {
            return problem(421, "this host is not in the list; `[admin] hosts` adds one");
        }
        if asked.fields.contains_key("origin") {
            return problem(403, "pages of the web are not answered");
        }
        match field("authorization").split_once(' ') {
            Some((scheme, given)) if scheme.eq_ignore_ascii_case("bearer") && same(given.trim(), token) => Ok(()),
            _ => problem(401, "send `Authorization: Bearer` and the token of `[admin] token_file`"),
        }
    }
}

/// Whether two texts are the same, in a time that tells only their lengths.
fn same(one: &str, other: &str) -> bool {
    let differing = one.bytes().zip(other.bytes()).fold(0, |seen, (one, other)| black_box(seen | (one ^ other)));
    one.len() == other.len() && differing == 0
}

/// A place of the API: its door, what stands before it, and the certificates that it shows.
pub(crate) type Entrance = (Door, Guard, Option<Tls>);

/// Opens what `[admin]` asks for.
pub(crate) fn door(written: &AdminSettings) -> Result<Option<Entrance>, Failure> {
    let Some((address, guard, tls)) = planned(written)? else { return Ok(None) };
    let door = Door::open(&address).map_err(|error| blame(&error))?;
    let door = match &tls {
        Some(tls) => door.with_tls(tls),
        None => door,
    };
    Ok(Some((door, guard, tls)))
}

/// What `[admin]` asks for, before its door is opened.
pub(crate) fn planned(written: &AdminSettings) -> Result<Option<(ListenAddr, Guard, Option<Tls>)>, Failure> {
    let Some(listen) = &written.listen else { return Ok(None) };
    let ListenSetting { address: text, tls: wants_tls, .. } = ListenSetting::of(listen);
    let text = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text };
    let address: ListenAddr = text.parse().map_err(|_| {
        Failure::usage(format!("`{listen}` is no address for the admin API"))
            .help("write `127.0.0.1:9308`, or `unix:/path.sock`")
    })?;
    let guard = match &address {
        ListenAddr::Unix(_) if written.tls.is_some() || wants_tls => {
            return Err(Failure::usage(format!("{listen} is a socket of this machine, and TLS is not spoken there"))
                .help("take `tls` out of `[admin]`, or listen on a port"));
        }
        ListenAddr::Unix(_) => Guard::Socket,
        ListenAddr::Tcp(place) if written.tls.is_none() && (wants_tls || !place.ip().is_loopback()) => {
            return Err(Failure::usage(format!(
                "the admin API is not served at {place}: it would be without TLS there"
            ))
            .help(
                "name a certificate, `tls = { cert = \"admin.pem\", key = \"admin.key\" }` in `[admin]`; or listen on \
                 127.0.0.1 and reach it through ssh -L, or use the Unix socket of `--control`",
            ));
        }
        ListenAddr::Tcp(place) => {
            let Some(file) = &written.token_file else {
                return Err(Failure::usage("`[admin] listen` wants a token")
                    .help("write one: openssl rand -hex 32 > admin.token, and name it: token_file = \"admin.token\""));
            };
            let hosts = HERE.iter().map(|host| (*host).to_owned());
            let hosts = hosts.chain(written.hosts.iter().map(|host| host.to_ascii_lowercase()));
            // A page that had a name resolved to this address names the name.
            let here = Some(place.ip()).filter(|ip| !ip.is_unspecified()).map(|ip| match ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
            Guard::Token { token: token(Path::new(file))?, hosts: hosts.chain(here).collect() }
        }
    };
    let tls = written.tls.as_ref().map(|pair| listening::certificate(&pair.cert, &pair.key)).transpose()?;
    Ok(Some((address, guard, tls)))
}

fn token(path: &Path) -> Result<String, Failure> {
    let read = std::fs::read_to_string(path).map_err(|error| {
        Failure::no_verdict(format!("the token file {} cannot be read: {}", path.display(), in_words(&error)))
    })?;
    let token = read.trim();
    if !is_long_enough(token) {
        return Err(Failure::usage(format!(
            "the token in {} is too short: it wants 128 bits at least",
            path.display()
        ))
        .help(format!("openssl rand -hex 32 > {}", path.display())));
    }
    if let Some(mode) = open_to_others(path) {
        crate::terminal::say(&format!(
            "byway: others can read the token in {} (mode {mode:04o})\n  help: chmod 600 {}",
            path.display(),
            path.display()
        ));
    }
    Ok(token.to_owned())
}

/// The mode of a file that others than its owner may read or write.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}

/// 128 bits: 32 hexadecimal digits, or 22 signs of Base64, visible ASCII either way, and not one sign over and over.
fn is_long_enough(token: &str) -> bool {
    let is_hex = token.bytes().all(|sign| sign.is_ascii_hexdigit());
    let mut signs: Vec<u8> = token.bytes().collect();
    signs.sort_unstable();
    signs.dedup();
    token.bytes().all(|sign| sign.is_ascii_graphic()) && token.len() >= if is_hex { 32 } else { 22 } && signs.len() >= 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_128_bits() {
        assert!(is_long_enough("0123456789abcdef0123456789abcdef"));
        assert!(is_long_enough("Zm9vYmFyYmF6cXV4MTIzNA"));
        assert!(!is_long_enough("0123456789abcdef0123456789abcde"));
        assert!(!is_long_enough(&"x".repeat(64)));
        assert!(!is_long_enough("secret secret secret secret secret"));
        assert!(!is_long_enough(""));
    }

    #[test]
    fn comparing() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd") && !same("abc", "abcd") && !same("", "a"));
    }
}
