//! `byway explain`: the decision for one request, the rule that made it, and why nearer rules stood aside.
//!
//! The request is built by hand as the edge would build it, and the same walk that serves is run with someone watching. What is
//! printed is put together in `explained.rs`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use byway_config::places::Databases;
use byway_config::span::FileTable;
use byway_core::host::{normalise, split_authority};
use byway_core::path::{BadTarget, PathQuery, TargetForm, request_target};
use byway_core::place::{Code, Place, Places};
use byway_core::ruleset::Scratch;
use byway_core::status::RedirectStatus;
use byway_core::surroundings::Outlook;
use byway_core::{Decision, Outcome, Request, RuleSet, Scheme, Surroundings};
use byway_server::Downgrade;

use super::Run;
use crate::exit::{Ended, Exit, Failure};
use crate::explained::{Explained, Watched};
use crate::misspoken::is_url;
use crate::rules::{self, Reading};
use crate::standing;
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "byway explain [OPTIONS] [METHOD] <URL>",
    after_help = "A URL that begins with / is asked of http://localhost. Exits with 1 where no rule takes the request."
)]
pub(crate) struct Explain {
    /// The method, GET by default, and the URL: `POST https://example.com/api/v1/x?a=1`
    #[arg(value_name = "URL", num_args = 1..=2, required = true)]
    words: Vec<String>,
    /// A rule file, repeatable; without one ./byway.toml
    #[arg(short, long = "config", value_name = "FILE")]
    config: Vec<PathBuf>,
    /// A header field, repeatable: --header 'Cookie: beta=1'
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(String, String)>,
    /// Who asks; 127.0.0.1 by default
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// When, with its offset, as 2027-03-01T00:00+01:00; now by default
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    at: Option<i64>,
    /// The country of the address, as DE, whatever a database says
    #[arg(long, value_name = "CODE", value_parser = parse_code)]
    country: Option<Code>,
    /// The continent of the address, as EU; that of the country by default
    #[arg(long, value_name = "CODE", value_parser = parse_continent)]
    continent: Option<Code>,
    /// The autonomous system of the address, as 3320
    #[arg(long, value_name = "NUMBER", value_parser = parse_asn)]
    asn: Option<u32>,
    /// The key by which splits know the visitor, or the variant that its cookie holds; consent is taken as given
    #[arg(long, value_name = "KEY")]
    visitor: Option<String>,
    /// Suppose that this member of a pool is down, repeatable: `https://eu1.example.com`
    #[arg(long, value_name = "URL")]
    down: Vec<String>,
    /// The folder of `serve --state`; that of `[server] state` by default
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

impl Run for Explain {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let (method, url) = match self.words.as_slice() {
            [url, file] if is_asked(url) && !is_asked(file) => {
                return Err(Failure::usage(format!("`{file}` stands where a method or a URL is expected"))
                    .help(format!("name rule files with -c: byway explain {url} -c {file}")));
            }
            [name] if byway_config::lints::named(name).is_some() => {
                return Err(Failure::usage(format!("`{name}` is the name of a lint, and no URL"))
                    .help(format!("its page: byway check --explain {name}")));
            }
            [method, url] => (method.as_str(), url.as_str()),
            words => ("GET", words.first().map_or("/", String::as_str)),
        };
        let wanted = Wanted {
            method,
            url,
            fields: &self.header,
            address: self.address,
            at: self.at,
            place: self.place(),
            places: None,
            databases: None,
            visitor: self.visitor.as_deref(),
            downgrade_308: &[],
        };
        wanted.check()?;
        let roots = rules::roots(&self.config, "name one with -c FILE")?;
        let (rules, loaded) = self.reading.rules(&roots, terminal.message_colour)?;
        let wanted = Wanted {
            places: loaded.places(),
            databases: loaded.place_databases.as_deref(),
            downgrade_308: &loaded.settings.downgrade_308,
            ..wanted
        };
        let folder = self.state.clone().or(loaded.settings.state.as_ref().map(PathBuf::from));
        let state = folder.as_deref().map(standing::read_state).transpose()?.unwrap_or_default();
        known_members(&rules, &self.down)?;
        let outlook = standing::supposed(&rules, &state, self.at.unwrap_or_else(rules::now), &self.down);
        let (text, passes) = wanted.explain(&rules, &outlook, &loaded.files, |explained| {
            let text = if self.json { format!("{:#}\n", explained.json()) } else { explained.text() };
            (text, explained.decision.outcome == Outcome::Pass)
        })?;
        terminal.print(&text)?;
        Ok(if passes { Exit::Something } else { Exit::Done })
    }
}

impl Explain {
    /// The place that was given by hand.
    fn place(&self) -> Option<Place> {
        let place = Place { country: self.country, continent: self.continent, is_eu: None, asn: self.asn };
        (place != Place::default()).then(|| place.completed())
    }
}

/// A request that is to be explained.
pub(crate) struct Wanted<'w> {
    /// Its method.
    pub(crate) method: &'w str,
    /// Its URL, or its path alone.
    pub(crate) url: &'w str,
    /// Its fields.
    pub(crate) fields: &'w Vec<(String, String)>,
    /// Who asks; this machine by default.
    pub(crate) address: Option<IpAddr>,
    /// When; now by default.
    pub(crate) at: Option<i64>,
    /// Where the address is, said by hand.
    pub(crate) place: Option<Place>,
    /// Who knows where addresses are, and which databases those are where that is known.
    pub(crate) places: Option<&'w dyn Places>,
    pub(crate) databases: Option<&'w Databases>,
    /// The key of the visitor.
    pub(crate) visitor: Option<&'w str>,
    /// Who gets 307 where the rules say 308.
    pub(crate) downgrade_308: &'w [String],
}

impl Wanted<'_> {
    /// Whether it is a request at all.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        parts(&with_a_labels(self.url))?;
        check_method(self.method)
    }

    /// Decides it with someone watching, and hands over what was seen.
    pub(crate) fn explain<T>(
        &self,
        rules: &RuleSet,
        outlook: &Outlook,
        files: &FileTable,
        show: impl FnOnce(&Explained<'_>) -> T,
    ) -> Result<T, Failure> {
        let url = with_a_labels(self.url);
        let (scheme, host, port, parts) = parts(&url)?;
        check_method(self.method)?;
        let request = Request {
            method: self.method,
            scheme,
            host: self.host().unwrap_or(host),
            port,
            path: parts.path,
            query: parts.query,
            fields: self.fields,
            address: self.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            local_port: port,
        };
        let places = self.place.as_ref().map(|place| place as &dyn Places).or(self.places);
        let around = Surroundings::at(self.at.unwrap_or_else(rules::now)).with(outlook);
        let around = around.with_places(places).with_visitor(self.visitor);
        let (mut scratch, mut watched, vary) = (Scratch::new(), Watched::of(&request), OnceCell::new());
        let mut decision = rules.decide_watched(&request, &around, &mut scratch, &mut watched);
        let place = places.filter(|_| rules.needs_places()).map(|places| places.place(request.address).completed());
        let databases = if self.place.is_some() { None } else { self.databases };
        let is_downgraded = self.downgrade(&mut decision, &vary);
        let (decision, watched) = (&decision, &watched);
        Ok(show(&Explained { rules, files, request: &request, decision, watched, place, databases, is_downgraded }))
    }

    /// Makes a 307 of a 308, as the server does, for a client that stops at 308.
    fn downgrade<'s>(&self, decision: &mut Decision<'s>, vary: &'s OnceCell<String>) -> bool {
        let Outcome::Redirect(redirect) = &mut decision.outcome else { return false };
        if redirect.status != RedirectStatus::PermanentRedirect || self.downgrade_308.is_empty() {
            return false;
        }
        let downgrade = Downgrade::of(self.downgrade_308, self.fields, decision.vary);
        decision.vary = vary.get_or_init(|| downgrade.vary);
        if downgrade.is_needed {
            (redirect.status, redirect.cache_control) = (RedirectStatus::TemporaryRedirect, Downgrade::CACHE_CONTROL);
        }
        downgrade.is_needed
    }

    /// The host of a Host field that was given, as a proxy in front would send it.
    fn host(&self) -> Option<&str> {
        let host = self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
        host.and_then(|(_, value)| split_authority(value).ok()).map(|(host, _)| host)
    }
}

/// The URL with its host as a client sends it: people write `bücher.example`.
fn with_a_labels(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://").filter(|_| !url.is_ascii()) else { return Cow::Borrowed(url) };
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = authority.split_at(authority.rfind(':').unwrap_or(authority.len()));
    match normalise(host) {
        Ok(host) => Cow::Owned(format!("{scheme}://{host}{port}{behind}")),
        // What is wrong with it is said when it is taken apart.
        Err(_) => Cow::Borrowed(url),
    }
}

/// Whether a word is what is asked for, and neither a method nor a file.
fn is_asked(word: &str) -> bool {
    word.starts_with('/') || is_url(word)
}

type Parts<'u> = (Scheme, &'u str, u16, PathQuery<'u>);

/// What a client would send for this URL; the fragment stays at home.
fn parts(url: &str) -> Result<Parts<'_>, Failure> {
    let sent = url.split_once('#').map_or(url, |(sent, _)| sent);
    match request_target(sent.as_bytes()) {
        Ok(TargetForm::Origin(parts)) => Ok((Scheme::Http, "localhost", 80, parts)),
        Ok(TargetForm::Asterisk) => Ok((Scheme::Http, "localhost", 80, PathQuery { path: b"*", query: None })),
        Ok(TargetForm::Absolute { scheme, authority, path_query }) => match split_authority(authority) {
            Ok((host, port)) => Ok((scheme, host, port.unwrap_or(scheme.default_port()), path_query)),
            Err(_) => Err(no_url(url, &format!("`{authority}` is no host"))),
        },
        Ok(TargetForm::Authority(_)) | Err(BadTarget::Form) => {
            let failure = no_url(url, "it is neither a path nor a URL");
            let host = url.split(['/', '?']).next().unwrap_or_default();
            let is_host = host.contains('.') && split_authority(host).is_ok();
            Err(if is_host { failure.help(format!("write `http://{url}` or `https://{url}`")) } else { failure })
        }
        Err(BadTarget::Byte(b' ')) => Err(no_url(url, "a space may not be sent; it is written %20")),
        Err(BadTarget::Byte(byte)) => {
            Err(no_url(url, &format!("byte 0x{byte:02X} may not be sent; it is written %{byte:02X}")))
        }
        Err(BadTarget::Escape) => Err(no_url(url, "a `%` is not followed by two hexadecimal digits")),
        Err(BadTarget::Userinfo) => Err(no_url(url, "a server is not sent `user@`")),
        Err(BadTarget::Scheme) => Err(no_url(url, "only http and https are asked")),
    }
}

fn no_url(url: &str, why: &str) -> Failure {
    Failure::usage(format!("`{url}` cannot be asked: {why}")).help("write `/path` or `https://example.com/path`")
}

fn check_method(method: &str) -> Result<(), Failure> {
    // RFC 9110 §9.1: a method is a token, and its case counts.
    match is_token(method) {
        true if method.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            let capital = method.to_ascii_uppercase();
            Err(Failure::usage(format!("`{method}` is not the method {capital}: the case of methods counts"))
                .help(format!("write `{capital}`")))
        }
        true => Ok(()),
        false => {
            Err(Failure::usage(format!("`{method}` is no method"))
                .help("write the method first, then the URL: POST /path"))
        }
    }
}

/// Whether a text is a token (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether every one that is supposed to be down is a member of a pool: a misspelt one would be up in silence.
fn known_members(rules: &RuleSet, down: &[String]) -> Result<(), Failure> {
    let pools = rules.pools();
    let members: Vec<&str> =
        pools.iter().flat_map(|pool| pool.tiers.iter().flatten()).map(|member| member.origin.as_str()).collect();
    match down.iter().find(|down| !members.contains(&down.trim_end_matches('/'))) {
        None => Ok(()),
        Some(stranger) => {
            let help = match members.as_slice() {
                [] => "these rules have no pool: leave `--down` out".to_owned(),
                members => format!("the members are `{}`", members.join("`, `")),
            };
            Err(Failure::usage(format!("`{stranger}` is no member of a pool")).help(help))
        }
    }
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, _)) if !name.trim().is_empty() && !is_token(name.trim()) => {
            Err("the name of a field holds letters, digits and `-`, as 'Accept-Language: de'".to_owned())
        }
        Some((_, value)) if value.trim().bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') => {
            Err("the value of a field holds no line end and no other control; give each field a `--header` of its own"
                .to_owned())
        }
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write the name, a colon and the value, as 'Cookie: beta=1'".to_owned()),
    }
}

fn parse_code(text: &str) -> Result<Code, String> {
    Code::new(text).ok_or_else(|| "write two letters, as DE".to_owned())
}

fn parse_continent(text: &str) -> Result<Code, String> {
    let known = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"].contains(&text.to_ascii_uppercase().as_str());
    Code::new(text).filter(|_| known).ok_or_else(|| "write AF, AN, AS, EU, NA, OC or SA".to_owned())
}

fn parse_asn(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("AS").unwrap_or(text);
    digits.parse().map_err(|_| "write the number of the system, as 3320".to_owned())
}

pub(crate) fn parse_instant(text: &str) -> Result<i64, String> {
    let with_offset =
        text.parse::<jiff::Timestamp>().or_else(|_| text.parse::<jiff::Zoned>().map(|zoned| zoned.timestamp()));
    with_offset
        .map(jiff::Timestamp::as_second)
        .map_err(|_| "write date, time and offset, as 2027-03-01T00:00+01:00 or 2027-03-01T00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_as_a_client_would() {
        let (scheme, host, port, parts) = parts("https://example.com:8443/a?b#c").expect("a URL");
        assert_eq!((scheme, host, port), (Scheme::Https, "example.com", 8443));
        assert_eq!((parts.path, parts.query), (&b"/a"[..], Some(&b"b"[..])));
        assert_eq!(super::parts("https://example.com").expect("a URL").3.path, b"/");
    }

    #[test]
    fn a_host_is_written_as_people_write_it() {
        assert_eq!(with_a_labels("http://bücher.example:81/a"), "http://xn--bcher-kva.example:81/a");
        assert_eq!(with_a_labels("/ü"), "/ü");
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        for (url, why) in [
            ("example.com/a", "neither"),
            ("/a b", "%20"),
            ("/ü", "%C3"),
            ("ftp://x/", "http"),
            ("http://u@x/", "user@"),
        ] {
            let failure = parts(url).map(|_| ()).expect_err(url);
            assert!(failure.message.contains(why), "{url}: {}", failure.message);
        }
    }

    #[test]
    fn fields_are_such_as_a_client_may_send() {
        assert_eq!(parse_header("Cookie: beta=1"), Ok(("Cookie".to_owned(), "beta=1".to_owned())));
        for text in ["Bad Name: x", "X: a\r\nb", "X: a\0b", ": x", "x"] {
            assert!(parse_header(text).is_err(), "{text:?}");
        }
        assert!(parse_continent("EU").is_ok() && parse_continent("ZZ").is_err());
    }

    #[test]
    fn instants_need_their_offset() {
        assert_eq!(parse_instant("2027-03-01T00:00+01:00"), Ok(1_803_855_600));
        assert!(parse_instant("2027-03-01").is_err());
    }
}
