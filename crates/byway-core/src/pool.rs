//! Pools: targets of which some may be down, and which of them a request is sent to.
//!
//! A [`Pool`] is what was written; a [`PoolOutlook`] what the edge knows of it at a moment: who may be sent to, with which
//! weight, and in which order turns go round. The edge makes one whenever something changes, so that choosing costs next to
//! nothing: `first` and `round-robin` look one member up, `hash` weighs the members of one tier. Asking members whether they are
//! well is left to whoever has a network.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::location::is_sound;
use crate::wire::{Cursor, Put};

/// A pool of a rule set, as [`crate::ruleset::Builder::pool`] numbered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub u16);

/// A pool, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The name by which rules know it.
    pub name: String,
    /// Its members; a tier is asked for only when nobody of those before it is up.
    pub tiers: Vec<Vec<Member>>,
    /// Who of a tier is chosen.
    pub balance: Balance,
    /// What is done when nobody is up.
    pub down: Down,
    /// How many seconds a member that came back takes to its full weight.
    pub slow_start: u32,
    /// How members are asked whether they are well; `None` is never.
    pub health: Option<Health>,
}

/// A member of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Scheme, host and port, as `https://eu1.example.com`.
    pub origin: String,
    /// Its share beside the others of its tier, from 1.
    pub weight: u16,
}

/// Who of the members that are up is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// The first.
    First,
    /// Each in turn, by weight.
    RoundRobin,
    /// By rendezvous hashing of something of the request, so that a member's loss moves only its own share.
    Hash(By),
}

/// What of a request is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The value of this cookie; who has none goes by address.
    Cookie(String),
    /// The value of this field; who sends none goes by address.
    Header(String),
    /// The value of this parameter of the query; who sends none goes by address.
    Query(String),
    /// The client's address.
    Address,
    /// The path.
    Path,
}

/// What is done when nobody is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// 503, with this `Retry-After` in seconds.
    Reply {
        /// The seconds.
        retry_after: u32,
    },
    /// The last tier is sent to all the same.
    LastStandby,
}

/// How members are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What is asked for, with GET.
    pub path: String,
    /// Milliseconds between two questions.
    pub interval: u32,
    /// Milliseconds in which an answer must have come.
    pub timeout: u32,
    /// So many failures in a row take a member out.
    pub fall: u16,
    /// So many successes in a row take it in again.
    pub rise: u16,
    /// By how many hundredths an interval may be shorter or longer.
    pub jitter: u8,
    /// The statuses that are well; empty is 200 to 299.
    pub statuses: Vec<u16>,
    /// What the beginning of the body must hold.
    pub body: Option<String>,
    /// A file of certificates that are trusted beside those of the system.
    pub ca: Option<String>,
}

impl Health {
    /// How many bytes of a body are looked at.
    pub const BODY_LIMIT: usize = 64 * 1024;
}

impl Pool {
    /// All members, with the number of their tier.
    pub fn members(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.tiers.iter().enumerate().flat_map(|(tier, members)| members.iter().map(move |member| (tier, member)))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_bytes(self.name.as_bytes());
        let (kind, name) = match &self.balance {
            Balance::First => (0, ""),
            Balance::RoundRobin => (1, ""),
            Balance::Hash(By::Path) => (2, ""),
            Balance::Hash(By::Address) => (3, ""),
            Balance::Hash(By::Cookie(name)) => (4, name.as_str()),
            Balance::Hash(By::Header(name)) => (5, name.as_str()),
            Balance::Hash(By::Query(name)) => (6, name.as_str()),
        };
        out.put_u8(kind);
        out.put_bytes(name.as_bytes());
        out.put_u64(match self.down {
            Down::LastStandby => u64::MAX,
            Down::Reply { retry_after } => u64::from(retry_after),
        });
        out.put_u32(self.slow_start);
        out.put_u32(self.tiers.len() as u32);
        for tier in &self.tiers {
            out.put_u32(tier.len() as u32);
            for member in tier {
                out.put_bytes(member.origin.as_bytes());
                out.put_u16(member.weight);
            }
        }
        out.put_u8(u8::from(self.health.is_some()));
        if let Some(health) = &self.health {
            health.encode(out);
        }
    }

    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Pool {
        let name = cursor.str().to_owned();
        let kind = cursor.u8();
        let by = cursor.str().to_owned();
        let balance = match kind {
            0 => Balance::First,
            1 => Balance::RoundRobin,
            2 => Balance::Hash(By::Path),
            4 => Balance::Hash(By::Cookie(by)),
            5 => Balance::Hash(By::Header(by)),
            6 => Balance::Hash(By::Query(by)),
            _ => Balance::Hash(By::Address),
        };
        let down = match cursor.u64() {
            u64::MAX => Down::LastStandby,
            seconds => Down::Reply { retry_after: u32::try_from(seconds).unwrap_or(u32::MAX) },
        };
        let slow_start = cursor.u32();
        let tiers = cursor.u32();
        let tiers = (0..tiers).map_while(|_| cursor.is_sound().then(|| tier(cursor))).collect();
        let health = (cursor.u8() == 1).then(|| Health::decode(cursor));
        Pool { name, tiers, balance, down, slow_start, health }
    }
}

fn tier(cursor: &mut Cursor<'_>) -> Vec<Member> {
    let members = cursor.u32();
    (0..members)
        .map_while(|_| {
            let member = Member { origin: cursor.str().to_owned(), weight: cursor.u16() };
            (cursor.is_sound() && is_sound(member.origin.as_bytes())).then_some(member)
        })
        .collect()
}

impl Health {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_bytes(self.path.as_bytes());
        out.put_u32(self.interval);
        out.put_u32(self.timeout);
        out.put_u16(self.fall);
        out.put_u16(self.rise);
        out.put_u8(self.jitter);
        out.put_u16(self.statuses.len() as u16);
        self.statuses.iter().for_each(|status| out.put_u16(*status));
        for text in [&self.body, &self.ca] {
            out.put_u8(u8::from(text.is_some()));
            out.put_bytes(text.as_deref().unwrap_or_default().as_bytes());
        }
    }

    fn decode(cursor: &mut Cursor<'_>) -> Health {
        let path = cursor.str().to_owned();
        let (interval, timeout) = (cursor.u32(), cursor.u32());
        let (fall, rise, jitter) = (cursor.u16(), cursor.u16(), cursor.u8());
        let statuses = cursor.u16();
        let statuses = (0..statuses).map_while(|_| cursor.is_sound().then(|| cursor.u16())).collect();
        let mut text = || {
            let there = cursor.u8() == 1;
            Some(cursor.str().to_owned()).filter(|_| there)
        };
        Health { path, interval, timeout, fall, rise, jitter, statuses, body: text(), ca: text() }
    }
}

/// What is known of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberState {
    /// Whether it answers as it should.
    pub up: bool,
    /// Whether a person took it out.
    pub draining: bool,
    /// Its part of its weight, of [`MemberState::WHOLE`]: less while it starts slowly.
    pub share: u8,
}

impl MemberState {
    /// All of its weight.
    pub const WHOLE: u8 = 20;

    /// What is supposed of a member that nobody has asked.
    pub const UNSEEN: MemberState = MemberState { up: true, draining: false, share: MemberState::WHOLE };
}

/// The most turns until they begin again; weights that ask for more are rounded.
const TURNS: u64 = 1_000;

/// What is known of a pool at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOutlook {
    /// Who may be sent to: those of the first tier in which anybody may.
    chosen: Vec<Chosen>,
    /// Places among them, in the order of turns.
    turns: Vec<u16>,
    pub(crate) balance: Balance,
    pub(crate) down: Down,
    /// Which tier they are of, from 0.
    tier: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    origin: String,
    weight: u32,
    id: u64,
}

impl PoolOutlook {
    /// What follows for a pool from what is known of its members, by their origins.
    ///
    /// ```
    /// use byway_core::pool::{Balance, Down, Member, MemberState, Pool, PoolOutlook};
    /// let member = |origin: &str| Member { origin: origin.into(), weight: 1 };
    /// let tiers = vec![vec![member("https://a.test"), member("https://b.test")]];
    /// let down = Down::Reply { retry_after: 30 };
    /// let pool = Pool { name: "p".into(), tiers, balance: Balance::First, down, slow_start: 0, health: None };
    /// let a_is_down = |origin: &str| MemberState { up: origin != "https://a.test", ..MemberState::UNSEEN };
    /// let outlook = PoolOutlook::of(&pool, a_is_down);
    /// assert_eq!(outlook.origins().collect::<Vec<_>>(), ["https://b.test"]);
    /// ```
    pub fn of(pool: &Pool, state: impl Fn(&str) -> MemberState) -> PoolOutlook {
        let fit = |member: &Member| {
            let known = state(&member.origin);
            (known.up && !known.draining).then(|| Chosen::of(member, known.share))
        };
        let able = |tier: &Vec<Member>| tier.iter().filter_map(fit).collect::<Vec<_>>();
        let found = pool.tiers.iter().enumerate().map(|(at, tier)| (at, able(tier))).find(|(_, able)| !able.is_empty());
        let (tier, chosen) = match (found, pool.down) {
            (Some(found), _) => found,
            (None, Down::Reply { .. }) => (0, Vec::new()),
            // Whoever was taken out by hand is not sent to even now.
            (None, Down::LastStandby) => {
                let asked = |tier: &Vec<Member>| {
                    let kept = tier.iter().filter(|member| !state(&member.origin).draining);
                    kept.map(|member| Chosen::of(member, MemberState::WHOLE)).collect::<Vec<_>>()
                };
                let last = pool.tiers.iter().enumerate().rev().map(|(at, tier)| (at, asked(tier)));
                last.into_iter().find(|(_, kept)| !kept.is_empty()).unwrap_or_default()
            }
        };
        let turns = match pool.balance {
            Balance::RoundRobin => turns(&chosen.iter().map(|one| one.weight).collect::<Vec<_>>()),
            _ => Vec::new(),
        };
        PoolOutlook { chosen, turns, balance: pool.balance.clone(), down: pool.down, tier }
    }

    /// Who may be sent to.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.chosen.iter().map(|one| one.origin.as_str())
    }

    /// Which tier is in use, from 0; standbys are those above.
    pub fn tier(&self) -> usize {
        self.tier
    }

    /// The member whose turn it is.
    pub(crate) fn at_turn(&self, turn: u32) -> Option<&str> {
        let at = match self.turns.len() {
            0 => 0,
            len => usize::from(self.turns[turn as usize % len]),
        };
        self.chosen.get(at).map(|one| one.origin.as_str())
    }

    /// The member to which a key belongs.
    pub(crate) fn of_key(&self, key: &[u8]) -> Option<&str> {
        let hash = hashed(key);
        let scored = self.chosen.iter().map(|one| (score(hash ^ one.id, one.weight), one));
        scored.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, one)| one.origin.as_str())
    }
}

impl Chosen {
    fn of(member: &Member, share: u8) -> Chosen {
        let share = u32::from(share.clamp(1, MemberState::WHOLE));
        let origin = member.origin.clone();
        Chosen { id: hashed(origin.as_bytes()), weight: u32::from(member.weight.max(1)) * share, origin }
    }
}

/// A hash that is the same on every machine and in every version: shares must not move at an update.
fn hashed(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(0x6279_7761_7920_706f, 0x6f6c_2073_6861_7265);
    hasher.write(bytes);
    hasher.finish()
}

/// Weighted rendezvous: the highest of `weight / -ln(u)` wins, with `u` drawn from key and member. One that leaves moves only
/// its own keys, and a weight that grows only draws keys to it.
fn score(mixed: u64, weight: u32) -> f64 {
    let mut z = mixed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let unit = ((z >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    f64::from(weight) / -unit.ln()
}

/// Whose turn it is, turn by turn, each as often as its weight says and never bunched (smooth weighted round robin).
fn turns(weights: &[u32]) -> Vec<u16> {
    let divisor = weights.iter().fold(0, |a, &b| gcd(a, u64::from(b))).max(1);
    let sum: u64 = weights.iter().map(|&weight| u64::from(weight) / divisor).sum();
    let rounded = |weight: u32| match u64::from(weight) / divisor {
        weight if sum > TURNS => (weight * TURNS / sum).max(1) as i64,
        weight => weight as i64,
    };
    let weights: Vec<i64> = weights.iter().map(|&weight| rounded(weight)).collect();
    let total: i64 = weights.iter().sum();
    let mut credits = vec![0; weights.len()];
    let mut order = Vec::with_capacity(total as usize);
    for _ in 0..total {
        let mut best = 0;
        for (at, weight) in weights.iter().enumerate() {
            credits[at] += weight;
            if credits[at] > credits[best] {
                best = at;
            }
        }
        credits[best] -= total;
        order.push(best as u16);
    }
    order
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(tiers: &[&[(&str, u16)]], balance: Balance, down: Down) -> Pool {
        let member = |(name, weight): &(&str, u16)| Member { origin: format!("https://{name}.test"), weight: *weight };
        let tiers = tiers.iter().map(|tier| tier.iter().map(member).collect()).collect();
        Pool { name: "p".into(), tiers, balance, down, slow_start: 0, health: None }
    }

    fn down(names: &'static [&'static str]) -> impl Fn(&str) -> MemberState {
        move |origin| MemberState {
            up: !names.iter().any(|name| origin == format!("https://{name}.test")),
            ..MemberState::UNSEEN
        }
    }

    const REPLY: Down = Down::Reply { retry_after: 30 };

    #[test]
    fn tiers_are_asked_in_order() {
        let pool = pool(&[&[("a", 1), ("b", 1)], &[("c", 1)]], Balance::First, REPLY);
        let first = |names| PoolOutlook::of(&pool, down(names)).at_turn(7).map(str::to_owned);
        assert_eq!(first(&[]).as_deref(), Some("https://a.test"));
        assert_eq!(first(&["a"]).as_deref(), Some("https://b.test"));
        assert_eq!(first(&["a", "b"]).as_deref(), Some("https://c.test"));
        assert_eq!(first(&["a", "b", "c"]), None);
        let stubborn = Pool { down: Down::LastStandby, ..pool.clone() };
        assert_eq!(PoolOutlook::of(&stubborn, down(&["a", "b", "c"])).at_turn(0), Some("https://c.test"));
        let drained = |origin: &str| MemberState { draining: origin == "https://c.test", up: false, share: 1 };
        assert_eq!(PoolOutlook::of(&stubborn, drained).at_turn(0), Some("https://a.test"));
    }

    #[test]
    fn turns_go_round_smoothly_and_by_weight() {
        assert_eq!(turns(&[1, 1]), [0, 1]);
        assert_eq!(turns(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[20, 20, 20]), [0, 1, 2]);
        let rounded = turns(&[65_535, 1, 64_000]);
        assert!(rounded.len() <= TURNS as usize + 3 && rounded.contains(&1));
        assert_eq!(turns(&[]), [0u16; 0]);
    }

    #[test]
    fn a_lost_member_moves_only_its_own_share() {
        let pool = pool(&[&[("a", 1), ("b", 2), ("c", 1)]], Balance::Hash(By::Path), REPLY);
        let (all, without) = (PoolOutlook::of(&pool, down(&[])), PoolOutlook::of(&pool, down(&["b"])));
        let mut counts = [0u32; 3];
        for key in 0..40_000u32 {
            let key = format!("visitor-{key}");
            let before = all.of_key(key.as_bytes()).expect("somebody is up");
            counts[usize::from(before.as_bytes()[8] - b'a')] += 1;
            let after = without.of_key(key.as_bytes()).expect("somebody is up");
            assert!(before == after || before == "https://b.test", "{key} moved from {before} to {after}");
        }
        for (count, wanted) in counts.into_iter().zip([10_000, 20_000, 10_000]) {
            assert!(count.abs_diff(wanted) < 450, "{counts:?}");
        }
    }

    #[test]
    fn a_weight_that_grows_only_draws_keys_to_it() {
        let pool = pool(&[&[("a", 1), ("b", 1)]], Balance::Hash(By::Path), REPLY);
        let share = |share| {
            let state = move |origin: &str| MemberState {
                share: if origin == "https://b.test" { share } else { MemberState::WHOLE },
                ..MemberState::UNSEEN
            };
            PoolOutlook::of(&pool, state)
        };
        let (little, whole) = (share(2), share(MemberState::WHOLE));
        let mut held = 0;
        for key in 0..10_000u32 {
            let key = key.to_be_bytes();
            if little.of_key(&key) == Some("https://b.test") {
                held += 1;
                assert_eq!(whole.of_key(&key), Some("https://b.test"));
            }
        }
        assert!((700..1_150).contains(&held), "{held}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let health = Health {
            path: "/healthz".into(),
            interval: 5_000,
            timeout: 2_000,
            fall: 3,
            rise: 2,
            jitter: 10,
            statuses: vec![200, 204],
            body: Some("ok".into()),
            ca: None,
        };
        for balance in [Balance::First, Balance::RoundRobin, Balance::Hash(By::Cookie("sid".into()))] {
            let pool = Pool { health: Some(health.clone()), ..pool(&[&[("a", 3)], &[("b", 1)]], balance, REPLY) };
            let mut bytes = Vec::new();
            pool.encode(&mut bytes);
            assert_eq!(Pool::decode(&mut Cursor::new(&bytes)), pool);
            for cut in 0..bytes.len() {
                Pool::decode(&mut Cursor::new(&bytes[..cut]));
            }
        }
    }
}
