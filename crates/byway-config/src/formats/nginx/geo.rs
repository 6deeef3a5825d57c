//! `geo`: a list that is looked up by the client's address, from networks or, with `ranges`, from spans of addresses.
//!
//! Of networks the longest that fits counts, of spans the last; `delete` takes back what was said before. The values are texts
//! without variables. Where it looks at another variable (`geo $arg_ip $x`), that is a text, and networks are patterns of it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use byway_core::Action;
use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::LetterCase;
use byway_core::network::Network;
use byway_core::rule::Then;
use byway_core::ruleset::TableId;
use byway_core::source::Source;
use byway_core::target::What;

use super::lex::Word;
use super::lists::{LIST_LIMIT, entries};
use super::lower::{Lower, any, of_regex, piece};
use super::model::List;
use super::pcre::Regex;

/// The addresses of an entry: a network with how long it is, or a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses {
    Network(IpAddr, u8),
    Span(u32, u32),
}

impl Addresses {
    fn read(text: &str, is_spans: bool) -> Option<Addresses> {
        if is_spans {
            let (first, last) = text.split_once('-')?;
            let (first, last): (Ipv4Addr, Ipv4Addr) = (first.parse().ok()?, last.parse().ok()?);
            return (first <= last).then(|| Addresses::Span(first.into(), last.into()));
        }
        Network::parse(text)?;
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let longest = if address.contains(':') { 128 } else { 32 };
        let bits = bits.parse().unwrap_or(longest);
        let address = match address.parse().ok()? {
            IpAddr::V4(address) => {
                IpAddr::V4((u32::from(address) & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).into())
            }
            IpAddr::V6(address) => {
                IpAddr::V6((u128::from(address) & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)).into())
            }
        };
        Some(Addresses::Network(address, bits))
    }

    /// How close it is: what is closer counts first.
    fn length(self) -> u8 {
        match self {
            Addresses::Network(_, bits) => bits,
            Addresses::Span(..) => 0,
        }
    }

    /// Whether it holds the address as which nginx looks up what is none, or a kind that patterns do not know.
    fn is_of_no_text(self) -> bool {
        match self {
            Addresses::Network(IpAddr::V4(address), bits) => {
                u32::from(address) | u32::MAX.checked_shr(bits.into()).unwrap_or(0) == u32::MAX
            }
            Addresses::Network(IpAddr::V6(_), _) => true,
            Addresses::Span(_, last) => last == u32::MAX,
        }
    }

    /// The networks that it consists of.
    fn networks(self) -> Vec<String> {
        match self {
            Addresses::Network(address, bits) => vec![format!("{address}/{bits}")],
            Addresses::Span(first, last) => networks_of(first, last),
        }
    }
}

/// The fewest networks that are a span.
fn networks_of(first: u32, last: u32) -> Vec<String> {
    let mut found = Vec::new();
    let (mut at, end) = (u64::from(first), u64::from(last) + 1);
    while at < end {
        let mut bits = if at == 0 { 32 } else { at.trailing_zeros().min(32) };
        while at + (1 << bits) > end {
            bits -= 1;
        }
        found.push(format!("{}/{}", Ipv4Addr::from(at as u32), 32 - bits));
        at += 1 << bits;
    }
    found
}

/// The most networks of a `geo` that looks at a text.
const TEXT_LIMIT: usize = 100;

/// A pattern of the addresses of some networks, as nginx reads them: zeros in front are nothing, and so is a number left out.
fn pattern_of(networks: &[String]) -> Option<String> {
    let of_network = |text: &String| {
        let (address, bits) = text.split_once('/')?;
        let (address, bits): (Ipv4Addr, u32) = (address.parse().ok()?, bits.parse().ok()?);
        let numbers = address.octets().into_iter().zip([0u32, 8, 16, 24]);
        let numbers = numbers.map(|(first, before)| {
            let fixed = bits.saturating_sub(before).min(8);
            number_of(first, first | u8::MAX.checked_shr(fixed).unwrap_or(0))
        });
        Some(numbers.collect::<Vec<_>>().join("\\."))
    };
    let all: Option<Vec<String>> = networks.iter().map(of_network).collect();
    Some(format!("^(?:{})$", all?.join("|")))
}

/// A pattern of the numbers from one to another.
fn number_of(first: u8, last: u8) -> String {
    let numbers = || (first.max(1)..=last).map(|number| number.to_string()).collect::<Vec<_>>().join("|");
    match (first, last) {
        (0, 0) => "0*".to_owned(),
        (0, u8::MAX) => "0*(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])?".to_owned(),
        (0, _) => format!("0*(?:{})?", numbers()),
        _ => format!("0*(?:{})", numbers()),
    }
}

impl<'t> Lower<'t, '_, '_> {
    /// Whether a `geo` looks at another text than the client's address.
    fn is_of_text(&self, list: &List) -> bool {
        list.source.is_some_and(|source| !matches!(&*self.tree.word(source), b"$remote_addr" | b"${remote_addr}"))
    }

    /// Why a `geo` cannot be said, if it cannot.
    pub(super) fn geo_refusal(&self, list: &List) -> Option<&'static str> {
        let (is_of_text, mut is_spans) = (self.is_of_text(list), false);
        // Which of several patterns of a text comes first is lost where they are laid flat.
        if is_of_text && self.reading.is_for_writing() {
            return Some("a `geo` of something else than the client's address: write it there by hand");
        }
        let (mut count, mut networks, mut why) = (0usize, 0usize, None);
        for (text, range) in &list.entries {
            entries(self.tree.bytes(*text), *text, range.clone(), |entry, _| {
                count += 1;
                let key = self.tree.word(entry.key);
                match &*key {
                    b"proxy" | b"proxy_recursive" => why = Some("a `geo` behind proxies"),
                    b"ranges" if entry.value.is_none() => is_spans = true,
                    key if is_of_text && networks <= TEXT_LIMIT => {
                        let found = Addresses::read(&String::from_utf8_lossy(key), is_spans);
                        networks += found.map_or(0, |found| found.networks().len());
                        if found.is_some_and(Addresses::is_of_no_text) {
                            why = Some("a `geo` of a text, with 255.255.255.255 or with addresses of IPv6");
                        }
                    }
                    _ => {}
                }
            });
        }
        let too_many = match is_of_text {
            true => (networks > TEXT_LIMIT).then_some("a `geo` of a text with more than 100 networks"),
            false => (count > LIST_LIMIT).then_some("a `geo` of more than 10,000 networks"),
        };
        why.or(too_many)
    }

    /// A pattern of the text that a `geo` looks at.
    fn in_networks(&self, networks: &[String]) -> Result<Source<'static>, String> {
        let pattern = pattern_of(networks).ok_or("a network that is none")?;
        Ok(of_regex(&Regex::read(&pattern, LetterCase::Significant)?))
    }

    pub(super) fn geo(&mut self, list: &'t List, table: TableId, value: u16) {
        let (found, default) = self.geo_entries(list);
        let is_of_text = self.is_of_text(list);
        let kept =
            |text: String| Action::Set { slot: value, text: piece(What::Literal(Cow::Owned(text))), then: Then::End };
        let mut at = 0;
        while let Some(&(_, word)) = found.get(at) {
            let text = self.tree.str(word).into_owned();
            let same = found[at..].iter().take_while(|(_, other)| *self.tree.str(*other) == text).count();
            let networks: Vec<String> = found[at..at + same].iter().flat_map(|(key, _)| key.networks()).collect();
            at += same;
            if is_of_text {
                let span = self.span(word);
                match self.in_networks(&networks) {
                    Ok(source) => self.push(table, source, &[], kept(text), &span),
                    Err(what) => self.fault(span, what),
                }
                continue;
            }
            let condition =
                Subject::parse("address", None).and_then(|subject| Condition::new(subject, Test::In(networks), false));
            let span = self.span(word);
            match condition {
                Ok(condition) => self.push(table, any(), &[condition], kept(text), &span),
                Err(error) => self.fault(span, error.what),
            }
        }
        let span = self.span(list.word);
        let text = default.map(|word| self.tree.str(word).into_owned()).unwrap_or_default();
        self.push(table, any(), &[], kept(text), &span);
        match is_of_text {
            true => {
                let why =
                    "an address of IPv4 that is spelt as one of IPv6 (`::ffff:10.0.0.1`) is in none of its networks";
                self.reading.approximated(&span, &list.rule, why);
            }
            false => self.reading.exact(&span, &list.rule),
        }
    }

    /// The entries that count, in the order in which they are asked, and the default.
    fn geo_entries(&mut self, list: &'t List) -> (Vec<(Addresses, Word)>, Option<Word>) {
        let tree = self.tree;
        let (mut found, mut default, mut is_spans): (Vec<(Addresses, Word)>, _, _) = (Vec::new(), None, false);
        let mut wrong = Vec::new();
        for (text, range) in &list.entries {
            entries(tree.bytes(*text), *text, range.clone(), |entry, _| {
                let key = tree.str(entry.key).into_owned();
                let Some(value) = entry.value else {
                    is_spans |= key == "ranges";
                    return;
                };
                let takes_back = key == "delete";
                let named = if takes_back { tree.str(value).into_owned() } else { key };
                if named == "default" {
                    default = Some(value);
                    return;
                }
                let Some(addresses) = Addresses::read(&named, is_spans) else {
                    return wrong.push((entry.key, named));
                };
                found.retain(|(known, _)| *known != addresses);
                if !takes_back {
                    found.push((addresses, value));
                }
            });
        }
        for (word, named) in wrong {
            let span = self.span(word);
            let what = if is_spans { "range" } else { "network" };
            self.fault(span, format!("invalid {what} \"{named}\""));
        }
        match is_spans {
            true => found.reverse(),
            false => found.sort_by_key(|(addresses, _)| std::cmp::Reverse(addresses.length())),
        }
        (found, default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_the_fewest_networks() {
        let networks =
            |text: &str| Addresses::read(text, true).map(|span| span.networks().join(" ")).unwrap_or_default();
        assert_eq!(networks("10.0.0.0-10.0.0.255"), "10.0.0.0/24");
        assert_eq!(networks("10.0.0.1-10.0.0.4"), "10.0.0.1/32 10.0.0.2/31 10.0.0.4/32");
        assert_eq!(networks("0.0.0.0-255.255.255.255"), "0.0.0.0/0");
        assert_eq!(networks("10.0.0.2-10.0.0.1"), "");
    }

    #[test]
    fn a_network_is_a_pattern_of_addresses() {
        let networks = ["10.1.0.0/16", "172.16.0.0/12", "0.0.0.0/7", "192.168.1.1/32"].map(str::to_owned);
        let pattern = pattern_of(&networks).expect("networks");
        let regex = Regex::read(&pattern, LetterCase::Significant).expect("a pattern");
        let fits = |text: &str| regex.pattern.finds(text.as_bytes()).expect("a pattern");
        for text in ["10.1.0.0", "10.1.255.255", "010.001..7", "172.31.9.9", "1.2.3.4", "0.0.0.0", "192.168.1.1"] {
            assert!(fits(text), "{text}");
        }
        for text in ["10.2.0.0", "10.1.256.1", "172.32.0.1", "2.0.0.0", "192.168.1.11", "10.1.1", "", "10.1.1.1.1", "x"]
        {
            assert!(!fits(text), "{text}");
        }
    }
}
