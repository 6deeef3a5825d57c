//! `geo`: a list that is looked up by the client's address, from networks or, with `ranges`, from spans of addresses.
//!
//! Of networks the longest that fits counts, of spans the last; `delete` takes back what was said before. The values are texts
//! without variables.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use byway_core::Action;
use byway_core::condition::{Condition, Subject, Test};
use byway_core::network::Network;
use byway_core::rule::Then;
use byway_core::ruleset::TableId;
use byway_core::target::What;

use super::lex::Word;
use super::lists::{LIST_LIMIT, entries};
use super::lower::{Lower, any, piece};
use super::model::List;

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

impl<'t> Lower<'t, '_, '_> {
    /// Why a `geo` cannot be said, if it cannot.
    pub(super) fn geo_refusal(&self, list: &List) -> Option<&'static str> {
        if list.source.is_some_and(|source| !matches!(&*self.tree.word(source), b"$remote_addr" | b"${remote_addr}")) {
            return Some("a `geo` of something else than the client's address");
        }
        let (mut count, mut why) = (0usize, None);
        for (text, range) in &list.entries {
            entries(self.tree.bytes(*text), *text, range.clone(), |entry, _| {
                count += 1;
                if matches!(&*self.tree.word(entry.key), b"proxy" | b"proxy_recursive") {
                    why = Some("a `geo` behind proxies");
                }
            });
        }
        why.or((count > LIST_LIMIT).then_some("a `geo` of more than 10,000 networks"))
    }

    pub(super) fn geo(&mut self, list: &'t List, table: TableId, value: u16) {
        let (found, default) = self.geo_entries(list);
        let kept =
            |text: String| Action::Set { slot: value, text: piece(What::Literal(Cow::Owned(text))), then: Then::End };
        let mut at = 0;
        while let Some(&(_, word)) = found.get(at) {
            let text = self.tree.str(word).into_owned();
            let same = found[at..].iter().take_while(|(_, other)| *self.tree.str(*other) == text).count();
            let networks: Vec<String> = found[at..at + same].iter().flat_map(|(key, _)| key.networks()).collect();
            at += same;
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
        self.reading.exact(&span, &list.rule);
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
}
