//! Cookies that answers set along a chain, so that a page which sets one and asks to come again is no loop.
//!
//! RFC 6265 without a clock and without a list of public suffixes: a cookie lives as long as the chain, `Max-Age` of nothing
//! or an `Expires` in the last century deletes it, and a `Domain` of one label is not taken.

use std::fmt;
use url::Url;

/// Cookies by the URLs that they are for.
///
/// ```
/// use byway_core::client::Jar;
/// let url = "https://a.test/shop/cart".parse().unwrap();
/// let mut jar = Jar::default();
/// jar.take(&url, b"seen=1; Path=/shop; Secure");
/// assert_eq!(jar.cookie_for(&url).as_deref(), Some("seen=1"));
/// assert_eq!(jar.cookie_for(&"https://a.test/shopping".parse().unwrap()), None);
/// assert_eq!(jar.cookie_for(&"http://a.test/shop/".parse().unwrap()), None);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Jar(Vec<Cookie>);

#[derive(Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    reach: Reach,
    path: String,
    channel: Channel,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    ThisHost,
    AndBelow,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Channel {
    Any,
    Secure,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Set,
    Deleted,
}

impl Jar {
    /// Takes one `Set-Cookie` value of an answer from `url`; what cannot be read is not taken.
    pub fn take(&mut self, url: &Url, value: &[u8]) {
        let Some((cookie, life)) = Cookie::read(url, &String::from_utf8_lossy(value)) else {
            return;
        };
        let at = self.0.iter().position(|old| old.is_named_as(&cookie));
        match (at, life) {
            (Some(at), Life::Set) => self.0[at] = cookie,
            (Some(at), Life::Deleted) => drop(self.0.remove(at)),
            (None, Life::Set) => self.0.push(cookie),
            (None, Life::Deleted) => {}
        }
    }

    /// The value of `Cookie` for a request to `url`: longest paths first, then in the order of their setting.
    pub fn cookie_for(&self, url: &Url) -> Option<String> {
        let mut cookies: Vec<_> = self.0.iter().filter(|cookie| cookie.is_for(url)).collect();
        cookies.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// Shows how many cookies there are, not what they say.
impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jar({} cookies)", self.0.len())
    }
}

impl Cookie {
    fn read(url: &Url, text: &str) -> Option<(Cookie, Life)> {
        let mut parts = text.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let host = url.host_str()?.to_owned();
        let path = default_path(url.path());
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        let mut cookie = Cookie { name, value, domain: host, reach: Reach::ThisHost, path, channel: Channel::Any };
        let mut life = Life::Set;
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            cookie.attribute(&key.trim().to_ascii_lowercase(), value.trim(), url, &mut life)?;
        }
        Some((cookie, life))
    }

    /// One attribute; `None` where it forbids the cookie.
    fn attribute(&mut self, key: &str, value: &str, url: &Url, life: &mut Life) -> Option<()> {
        match key {
            "path" if value.starts_with('/') => self.path = value.to_owned(),
            "secure" if url.scheme() != "https" => return None,
            "secure" => self.channel = Channel::Secure,
            "max-age" if value.parse().is_ok_and(|seconds: i64| seconds <= 0) => *life = Life::Deleted,
            "expires" if is_last_century(value) => *life = Life::Deleted,
            "domain" if !value.is_empty() => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                let inside = domain.contains('.') && url.domain().is_some_and(|host| is_in(host, &domain));
                (self.domain, self.reach) = inside.then_some((domain, Reach::AndBelow))?;
            }
            _ => {}
        }
        Some(())
    }

    fn is_named_as(&self, other: &Cookie) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }

    fn is_for(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let host_fits = host == self.domain || (self.reach == Reach::AndBelow && is_in(host, &self.domain));
        let channel_fits = self.channel == Channel::Any || url.scheme() == "https";
        let path_fits = url
            .path()
            .strip_prefix(self.path.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'));
        host_fits && channel_fits && path_fits
    }
}

/// RFC 6265 §5.1.4: up to the last slash, without it.
fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => path[..end].to_owned(),
    }
}

fn is_in(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The usual way to delete: a date in 1970 or so. No clock is needed to see it.
fn is_last_century(date: &str) -> bool {
    date.split([' ', '-'])
        .any(|word| word.len() == 4 && word.starts_with("19") && word.bytes().all(|b| b.is_ascii_digit()))
}
