//! Splits: visitors divided stably among variants.
//!
//! A visitor's key is hashed with the key of the split to one of 1,000 slots; each variant owns a range of them, the control
//! whatever is left. So weights may change, and a variant be added, without anybody moving but those who must; and nodes agree
//! without talking. Whose cookie it is, and whether a visitor may be remembered, is decided here; drawing is left to the edge.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher24 as SipHasher24of128};

use crate::request::Request;
use crate::wire::{Cursor, Put};

/// How many slots the line has.
pub const SLOTS: u16 = 1_000;
/// How many variants a split may have beside its control.
pub const VARIANTS: usize = 100;
/// How many splits a rule set may have.
pub const SPLITS: usize = 250;

/// Draws, for visitors whom nobody has seen.
pub trait Draws: fmt::Debug {
    /// 64 bits that nobody can foresee, other ones each time.
    fn draw(&self) -> u64;
}

/// A split, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The name by which rules know it.
    pub name: String,
    /// By what visitors are known.
    pub by: By,
    /// The variants beside the control.
    pub variants: Vec<Variant>,
    /// The variant of all other slots, and of whoever has no key.
    pub control: String,
    /// The first second in which visitors are divided; before it all get the control.
    pub start: Option<i64>,
    /// The first second in which they no longer are.
    pub end: Option<i64>,
    /// What must be there before a visitor is divided.
    pub consent: Option<Consent>,
    /// The key of its hash.
    pub key: Key,
    /// The field of the answer that names the variant.
    pub exposure: Option<String>,
}

/// By what visitors are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// This cookie. Where it holds the name of a variant, that is the variant.
    Cookie {
        /// Its name.
        name: String,
        /// Who gives it to visitors that have none.
        given: Given,
    },
    /// This header field.
    Header(String),
    /// The address; of IPv6 the first 64 bits, since the rest changes every day.
    Address,
}

/// Who gives a cookie to visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// We do, with a variant that is drawn.
    ByUs,
    /// Somebody else: who has none gets the control.
    ByOthers,
}

/// A variant and its slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// The first slot.
    pub from: u16,
    /// The first slot behind it.
    pub until: u16,
}

/// What a visitor must have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The cookie in which it stands.
    pub cookie: String,
    /// Its value; `None` is any.
    pub value: Option<String>,
}

/// The key of a hash, made of a text that is known or of bytes that are secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// The key that follows from these bytes.
    pub fn of(bytes: &[u8]) -> Key {
        let mut hasher = SipHasher24of128::new_with_keys(0x6279_7761_7920_7370, 0x6c69_7420_6b65_7931);
        hasher.write(bytes);
        Key(hasher.finish128().as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may have come from a file that is secret.
        f.write_str("Key(…)")
    }
}

/// The slot of a visitor's key, in the split of this name.
///
/// ```
/// use byway_core::split::{Key, SLOTS, slot};
/// let key = Key::of(b"checkout");
/// assert_eq!(slot(&key, "checkout", b"visitor-7"), slot(&key, "checkout", b"visitor-7"));
/// assert!(slot(&key, "checkout", b"visitor-7") < SLOTS);
/// ```
pub fn slot(key: &Key, split: &str, visitor: &[u8]) -> u16 {
    let mut hasher = SipHasher24::new_with_key(&key.0);
    hasher.write(split.as_bytes());
    hasher.write(&[0]);
    hasher.write(visitor);
    in_slots(hasher.finish())
}

/// A slot of uniform bits, uniform but for 1,000 parts in 2^64.
fn in_slots(bits: u64) -> u16 {
    (bits % u64::from(SLOTS)) as u16
}

impl Split {
    /// The variant of a slot.
    pub fn variant_of(&self, slot: u16) -> &str {
        let owns = |variant: &&Variant| variant.from <= slot && slot < variant.until;
        self.variants.iter().find(owns).map_or(&self.control, |variant| &variant.name)
    }

    /// Whether it has a variant of this name.
    pub fn has(&self, variant: &str) -> bool {
        self.control == variant || self.variants.iter().any(|known| known.name == variant)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_bytes(self.name.as_bytes());
        let (by, name) = match &self.by {
            By::Cookie { name, given: Given::ByUs } => (0, name.as_str()),
            By::Cookie { name, given: Given::ByOthers } => (1, name.as_str()),
            By::Header(name) => (2, name.as_str()),
            By::Address => (3, ""),
        };
        out.put_u8(by);
        out.put_bytes(name.as_bytes());
        out.put_i64(self.start.unwrap_or(i64::MIN));
        out.put_i64(self.end.unwrap_or(i64::MAX));
        out.extend_from_slice(&self.key.0);
        let consent = self.consent.as_ref();
        out.put_bytes(consent.map_or("", |consent| &consent.cookie).as_bytes());
        out.put_u8(u8::from(consent.is_some_and(|consent| consent.value.is_some())));
        out.put_bytes(consent.and_then(|consent| consent.value.as_deref()).unwrap_or_default().as_bytes());
        out.put_bytes(self.exposure.as_deref().unwrap_or_default().as_bytes());
        out.put_bytes(self.control.as_bytes());
        out.put_u16(self.variants.len() as u16);
        for variant in &self.variants {
            out.put_bytes(variant.name.as_bytes());
            out.put_u16(variant.from);
            out.put_u16(variant.until);
        }
    }
}

/// A split in a rule set, borrowed.
#[derive(Clone, Copy)]
pub(crate) struct RawSplit<'s> {
    pub(crate) name: &'s str,
    by: u8,
    by_name: &'s str,
    start: i64,
    end: i64,
    key: Key,
    consent: &'s str,
    consent_value: Option<&'s str>,
    pub(crate) exposure: &'s str,
    control: &'s str,
    count: u16,
    variants: Cursor<'s>,
}

/// What came of dividing a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assigned<'s> {
    pub(crate) variant: &'s str,
    /// Whether the visitor is one of those who are divided, and counted.
    pub(crate) counts: bool,
    /// The cookie that is to remember it.
    pub(crate) remember: Option<&'s str>,
}

impl<'s> RawSplit<'s> {
    pub(crate) fn read(cursor: &mut Cursor<'s>) -> RawSplit<'s> {
        let name = cursor.str();
        let (by, by_name, start, end) = (cursor.u8(), cursor.str(), cursor.i64(), cursor.i64());
        let key = Key(cursor.take(16).try_into().unwrap_or_default());
        let (consent, has_value, value) = (cursor.str(), cursor.u8() == 1, cursor.str());
        let (exposure, control, count) = (cursor.str(), cursor.str(), cursor.u16());
        let variants = *cursor;
        for _ in 0..count {
            cursor.str();
            cursor.take(4);
            if !cursor.is_sound() {
                break;
            }
        }
        let consent_value = has_value.then_some(value);
        RawSplit { name, by, by_name, start, end, key, consent, consent_value, exposure, control, count, variants }
    }

    pub(crate) fn owned(&self) -> Split {
        let name = self.by_name.to_owned();
        Split {
            name: self.name.to_owned(),
            by: match self.by {
                0 => By::Cookie { name, given: Given::ByUs },
                1 => By::Cookie { name, given: Given::ByOthers },
                2 => By::Header(name),
                _ => By::Address,
            },
            variants: self
                .variants()
                .map(|(name, from, until)| Variant { name: name.to_owned(), from, until })
                .collect(),
            control: self.control.to_owned(),
            start: Some(self.start).filter(|&start| start != i64::MIN),
            end: Some(self.end).filter(|&end| end != i64::MAX),
            consent: (!self.consent.is_empty())
                .then(|| Consent { cookie: self.consent.to_owned(), value: self.consent_value.map(str::to_owned) }),
            key: self.key,
            exposure: Some(self.exposure.to_owned()).filter(|name| !name.is_empty()),
        }
    }

    /// Whether visitors are divided at this moment.
    pub(crate) fn is_on(&self, now: i64) -> bool {
        self.start <= now && now < self.end
    }

    fn variants(&self) -> impl Iterator<Item = (&'s str, u16, u16)> + use<'s> {
        let mut cursor = self.variants;
        (0..self.count).map_while(move |_| cursor.is_sound().then(|| (cursor.str(), cursor.u16(), cursor.u16())))
    }

    fn variant_of(&self, slot: u16) -> &'s str {
        let owner = self.variants().find(|(_, from, until)| *from <= slot && slot < *until);
        owner.map_or(self.control, |(name, ..)| name)
    }

    /// The variant of this very name.
    fn named(&self, name: &[u8]) -> Option<&'s str> {
        let all = self.variants().map(|(name, ..)| name).chain([self.control]);
        all.into_iter().find(|known| known.as_bytes() == name)
    }

    /// The control, for whoever is not divided.
    pub(crate) fn control(&self) -> Assigned<'s> {
        Assigned { variant: self.control, counts: false, remember: None }
    }

    fn hashed(&self, visitor: &[u8]) -> Assigned<'s> {
        let variant = self.variant_of(slot(&self.key, self.name, visitor));
        Assigned { variant, counts: true, remember: None }
    }

    /// Divides a visitor: by a key that is known beforehand, by what the request says, or by a draw.
    pub(crate) fn assign(
        &self,
        request: &Request<'_>,
        visitor: Option<&str>,
        draws: Option<&dyn Draws>,
    ) -> Assigned<'s> {
        if let Some(visitor) = visitor {
            return match self.named(visitor.as_bytes()).filter(|_| self.by == 0) {
                Some(variant) => Assigned { variant, counts: true, remember: None },
                None => self.hashed(visitor.as_bytes()),
            };
        }
        if !self.has_consent(request) {
            return self.control();
        }
        match self.by {
            0 | 1 => self.by_cookie(request, draws),
            2 => match first_value(request, self.by_name) {
                Some(assigned) if !assigned.is_empty() => self.hashed(&assigned),
                _ => self.control(),
            },
            _ => match request.address.to_canonical() {
                IpAddr::V4(address) => self.hashed(&address.octets()),
                IpAddr::V6(address) => self.hashed(&address.octets()[..8]),
            },
        }
    }

    fn by_cookie(&self, request: &Request<'_>, draws: Option<&dyn Draws>) -> Assigned<'s> {
        let mut found = None;
        crate::condition::each_cookie(request, self.by_name, &mut |value| {
            if found.is_none() && !value.is_empty() {
                let own = if self.by == 0 { self.named(value) } else { None };
                found = Some(match own {
                    Some(variant) => Assigned { variant, counts: true, remember: None },
                    None => self.hashed(value),
                });
            }
        });
        match (found, draws) {
            (Some(assigned), _) => assigned,
            (None, Some(draws)) if self.by == 0 && !hides_cookies(request) => {
                let variant = self.variant_of(in_slots(draws.draw()));
                Assigned { variant, counts: true, remember: Some(self.by_name) }
            }
            _ => self.control(),
        }
    }

    fn has_consent(&self, request: &Request<'_>) -> bool {
        if self.consent.is_empty() {
            return true;
        }
        let mut given = false;
        crate::condition::each_cookie(request, self.consent, &mut |value| {
            given |= self.consent_value.is_none_or(|wanted| wanted.as_bytes() == value);
        });
        given
    }
}

/// Whether splits can be read to the end of a section.
pub(crate) fn are_sound(mut cursor: Cursor<'_>) -> bool {
    while cursor.is_sound() && cursor.left() > 0 {
        RawSplit::read(&mut cursor);
    }
    cursor.is_sound()
}

fn first_value(request: &Request<'_>, name: &str) -> Option<Vec<u8>> {
    let mut first = None;
    request.fields.for_each(name, &mut |value| {
        first.get_or_insert_with(|| value.to_vec());
    });
    first
}

/// Whether a browser keeps a cookie of `SameSite=Lax` back from this request: it comes from another site and is no visit of a
/// page (RFC 6265bis §5.6.7.1). Whoever has no cookie here may well have one.
fn hides_cookies(request: &Request<'_>) -> bool {
    let is = |name: &str, wanted: &[u8]| {
        let mut found = None;
        request.fields.for_each(name, &mut |value| found = Some(value == wanted));
        found
    };
    let is_cross_site = is("sec-fetch-site", b"cross-site").unwrap_or_else(|| {
        // Older browsers say where a POST comes from, and nothing else.
        let mut foreign = false;
        request.fields.for_each("origin", &mut |origin| foreign |= !is_own_origin(request, origin));
        foreign
    });
    let is_visit = matches!(request.method, "GET" | "HEAD") && is("sec-fetch-mode", b"navigate").unwrap_or(true);
    is_cross_site && !is_visit
}

/// Whether an origin names the host that was asked.
fn is_own_origin(request: &Request<'_>, origin: &[u8]) -> bool {
    let authority = std::str::from_utf8(origin).ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
    let host = authority.and_then(|authority| crate::host::split_authority(authority).ok()).map(|(host, _)| host);
    host.is_some_and(|host| host.eq_ignore_ascii_case(request.host))
}
