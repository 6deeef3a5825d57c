//! What trusted proxies say of the client: its address, scheme, host and port.
//!
//! Anybody can write these fields, so they count only where the connection comes from a network that was named, and only those of
//! one family, since a proxy that sets one passes the other through. A list is walked from the right, which is the end that the
//! nearest proxy wrote: the first address that is not trusted is the client, and what stands further left is hearsay.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use byway_core::Scheme;
use byway_core::network::Network;

/// Who is trusted, and which fields are read of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    networks: Vec<Network>,
    unix: Unix,
    family: Family,
}

/// Whether connections over Unix sockets are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Unix {
    #[default]
    Distrusted,
    Trusted,
}

/// Which fields are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// A text that names no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidNetwork {
    /// The text.
    pub text: String,
}

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no network; write an address, `10.0.0.0/8`, or `unix` for Unix sockets", self.text)
    }
}

impl std::error::Error for InvalidNetwork {}

impl Trust {
    /// Reads networks as people write them: an address, `10.0.0.0/8`, or `unix` for whoever connects over a Unix socket.
    ///
    /// ```
    /// use byway_server::forwarded::{Family, Trust};
    /// let trust = Trust::parse(["10.0.0.0/8", "unix"], Family::XForwarded).unwrap();
    /// assert!(trust.covers(Some([10, 1, 2, 3].into())) && trust.covers(None));
    /// assert!(Trust::parse(["ten"], Family::XForwarded).is_err());
    /// ```
    pub fn parse<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
        family: Family,
    ) -> Result<Trust, InvalidNetwork> {
        let mut trust = Trust { family, ..Trust::default() };
        for text in networks {
            match (text.as_ref(), Network::parse(text.as_ref())) {
                ("unix", _) => trust.unix = Unix::Trusted,
                (_, Some(network)) => trust.networks.push(network),
                (text, None) => return Err(InvalidNetwork { text: text.to_owned() }),
            }
        }
        Ok(trust)
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.unix == Unix::Distrusted
    }

    /// Whether somebody at this address is trusted; `None` is the other end of a Unix socket.
    pub fn covers(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.networks.iter().any(|network| network.contains(address.to_canonical())),
            None => self.unix == Unix::Trusted,
        }
    }
}

/// Header fields whose values outlive the visit.
pub(crate) trait Lines<'a> {
    /// Calls `visit` with the value of every field of this name, which is lower case, in order.
    fn lines(&self, name: &str, visit: impl FnMut(&'a [u8]));
}

/// What trusted proxies said; what they did not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    pub(crate) address: Option<IpAddr>,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) host: Option<&'a str>,
    pub(crate) port: Option<u16>,
}

impl<'a> Said<'a> {
    /// Reads the fields of a request whose connection comes from somebody trusted.
    pub(crate) fn of(fields: &impl Lines<'a>, trust: &Trust) -> Said<'a> {
        match trust.family {
            Family::XForwarded => of_x_forwarded(fields, trust),
            Family::Forwarded => of_forwarded(fields, trust).unwrap_or_default(),
        }
    }
}

/// The elements of a list, which may stand in several lines.
fn list<'a>(fields: &impl Lines<'a>, name: &str) -> Vec<&'a [u8]> {
    let mut elements = Vec::new();
    fields.lines(name, |value| elements.extend(value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)));
    elements
}

fn of_x_forwarded<'a>(fields: &impl Lines<'a>, trust: &Trust) -> Said<'a> {
    let hops = list(fields, "x-forwarded-for");
    let (address, at) = client(hops.iter().map(|hop| node(hop)), trust);
    // Proxies that append do so to every list: then the places correspond. A single value is the nearest one's own.
    let beside = |name| {
        let values = list(fields, name);
        let at = if values.len() == hops.len() { at } else { values.len().checked_sub(1) };
        at.and_then(|at| values.get(at).copied()).filter(|value| !value.is_empty())
    };
    Said {
        address,
        scheme: beside("x-forwarded-proto").and_then(scheme),
        host: beside("x-forwarded-host").and_then(|host| str::from_utf8(host).ok()),
        port: beside("x-forwarded-port").and_then(|port| str::from_utf8(port).ok()?.parse().ok()),
    }
}

/// The client among the hops of a list, and its place: the first from the right that is not trusted, or the leftmost. A hop that
/// says no address ends what can be known, and the one to its right is the last that is.
fn client(
    hops: impl DoubleEndedIterator<Item = Option<IpAddr>> + ExactSizeIterator,
    trust: &Trust,
) -> (Option<IpAddr>, Option<usize>) {
    let (mut known, mut place) = (None, None);
    for (at, hop) in hops.enumerate().rev() {
        place = Some(at);
        let Some(address) = hop else { break };
        known = Some(address);
        if !trust.covers(known) {
            break;
        }
    }
    (known, place)
}

fn scheme(text: &[u8]) -> Option<Scheme> {
    match text {
        text if text.eq_ignore_ascii_case(b"https") => Some(Scheme::Https),
        text if text.eq_ignore_ascii_case(b"http") => Some(Scheme::Http),
        _ => None,
    }
}

/// An address, perhaps with its port, IPv6 perhaps in brackets. `unknown` and made-up names are none.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(bracketed).or_else(with_port);
    address.map(|address| address.to_canonical())
}

/// One element of `Forwarded`: what one proxy said of who connected to it.
#[derive(Clone, Copy, Default)]
struct Element<'a> {
    node: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<&'a str>,
}

/// A `Forwarded` that cannot be read says nothing at all.
fn of_forwarded<'a>(fields: &impl Lines<'a>, trust: &Trust) -> Option<Said<'a>> {
    let (mut elements, mut valid) = (Vec::new(), true);
    fields.lines("forwarded", |value| {
        for text in unquoted(value, b',') {
            match element(text) {
                Some(element) => elements.push(element),
                None => valid = false,
            }
        }
    });
    let (address, at) = client(elements.iter().map(|element| element.node), trust);
    let element = elements.get(at?).filter(|_| valid)?;
    Some(Said { address, scheme: element.scheme, host: element.host, port: None })
}

fn element(text: &[u8]) -> Option<Element<'_>> {
    let mut element = Element::default();
    for pair in unquoted(text, b';') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_at_checked(pair.iter().position(|&byte| byte == b'=')?)?;
        let value = plain(&value[1..])?;
        match () {
            () if name.eq_ignore_ascii_case(b"for") => element.node = node(value),
            () if name.eq_ignore_ascii_case(b"proto") => element.scheme = scheme(value),
            () if name.eq_ignore_ascii_case(b"host") => element.host = Some(str::from_utf8(value).ok()?),
            () => {}
        }
    }
    Some(element)
}

/// A token, or the inside of a quoted string. What is escaped in there is no address and no host.
fn plain(value: &[u8]) -> Option<&[u8]> {
    match value {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'"') && !inner.contains(&b'\\') => Some(inner),
        [] => None,
        value if value.contains(&b'"') => None,
        value => Some(value),
    }
}

/// Splits at a byte wherever it stands outside of quotes.
fn unquoted(text: &[u8], at: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    text.split(move |&byte| {
        quoted ^= byte == b'"';
        byte == at && !quoted
    })
    .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sent<'a>(&'a [(&'a str, &'a str)]);

    impl<'a> Lines<'a> for Sent<'a> {
        fn lines(&self, name: &str, mut visit: impl FnMut(&'a [u8])) {
            self.0.iter().filter(|(field, _)| *field == name).for_each(|(_, value)| visit(value.as_bytes()));
        }
    }

    fn said(family: Family, fields: &[(&str, &str)]) -> (String, &'static str, String, u16) {
        let trust = Trust::parse(["10.0.0.0/8", "fd00::/8"], family).expect("networks");
        let Said { address, scheme, host, port } = Said::of(&Sent(fields), &trust);
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        (address, scheme.map_or("", Scheme::as_str), host.unwrap_or_default().to_owned(), port.unwrap_or_default())
    }

    #[test]
    fn lists_are_walked_from_the_right() {
        let address = |list| said(Family::XForwarded, &[("x-forwarded-for", list)]).0;
        assert_eq!(address("6.6.6.6, 1.2.3.4, 10.0.0.7"), "1.2.3.4");
        assert_eq!(address("1.2.3.4"), "1.2.3.4");
        assert_eq!(address("10.0.0.1, 10.0.0.2"), "10.0.0.1");
        assert_eq!(address("6.6.6.6, unknown, 10.0.0.2"), "10.0.0.2");
        assert_eq!(address("6.6.6.6, nonsense"), "");
        assert_eq!(address("1.2.3.4:5555, 10.0.0.1:80"), "1.2.3.4");
        assert_eq!(address("[2001:db8::1]:443, [fd00::2]"), "2001:db8::1");
        assert_eq!(address("2001:db8::1, ::ffff:10.0.0.1"), "2001:db8::1");
        assert_eq!(address(""), "");
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4, 10.0.0.1")];
        assert_eq!(said(Family::XForwarded, &lines).0, "1.2.3.4");
    }

    #[test]
    fn what_stands_beside_the_client_counts() {
        let fields = [
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.7"),
            ("x-forwarded-proto", "https, http, https"),
            ("x-forwarded-host", "a.test"),
            ("x-forwarded-port", "1, 2"),
            ("forwarded", "for=9.9.9.9;proto=https"),
        ];
        // The forged `https` on the left counts as little as the address beside it.
        assert_eq!(said(Family::XForwarded, &fields), ("1.2.3.4".into(), "http", "a.test".into(), 2));
        let alone = [("x-forwarded-proto", "HTTPS"), ("x-forwarded-port", "443x")];
        assert_eq!(said(Family::XForwarded, &alone), (String::new(), "https", "".into(), 0));
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let of = |value| said(Family::Forwarded, &[("forwarded", value), ("x-forwarded-for", "9.9.9.9")]);
        assert_eq!(of("for=192.0.2.60;proto=https;by=203.0.113.43"), ("192.0.2.60".into(), "https", "".into(), 0));
        assert_eq!(of("For=\"[2001:db8:cafe::17]:4711\""), ("2001:db8:cafe::17".into(), "", "".into(), 0));
        let two = "for=6.6.6.6;proto=https, for=1.2.3.4;proto=http;host=\"a.test:81\", for=10.0.0.2;proto=https";
        assert_eq!(of(two), ("1.2.3.4".into(), "http", "a.test:81".into(), 0));
        assert_eq!(of("for=_hidden;proto=https, for=10.0.0.2"), ("10.0.0.2".into(), "https", "".into(), 0));
        assert_eq!(of("for=\"a,b;c\";proto=https"), (String::new(), "https", "".into(), 0));
        for broken in ["for", "for=\"1.2.3.4", "for=1.2.3.4, x=\"\\\"\"", "for="] {
            assert_eq!(of(broken), (String::new(), "", "".into(), 0), "{broken}");
        }
    }
}
