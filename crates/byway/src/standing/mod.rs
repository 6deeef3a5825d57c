//! How things stand: which members of pools are up, what people opened, closed or took out, and what follows for the rules.
//!
//! A [`Standing`] is asked by the server whenever it wants an outlook, is told by the health monitor what members answered, and
//! is moved by hand through the control socket. It keeps what is known of a member by pool and origin, so that a reload forgets
//! nothing.

mod state;

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use byway_config::calendar;
use byway_core::RuleSet;
use byway_core::pool::MemberState;
use byway_core::surroundings::Outlook;
use byway_core::window::{Span, span_at};
use byway_net::{Asked, Monitor, Report};
use byway_server::Live;
use byway_server::metrics::{Figures, Kind, Page};
use serde_json::{Value, json};

use crate::admin::{ANY, Call, Levers, Path, Problem};
use crate::commands::parse_instant;
use crate::disk::in_words;
use crate::exit::Failure;
use crate::rules::now;
use crate::terminal::say;
pub(crate) use state::{Door, Moved, State};

/// How things stand.
pub(crate) struct Standing {
    known: Mutex<Known>,
    folder: Option<PathBuf>,
    live: Live,
}

#[derive(Default)]
struct Known {
    members: HashMap<(String, String), Member>,
    state: State,
    /// When the file of the state was changed last.
    read: Option<SystemTime>,
}

/// What is known of a member.
#[derive(Clone, Debug)]
struct Member {
    up: bool,
    /// When it came back; it starts slowly from then on.
    back: Option<Instant>,
    trouble: Option<String>,
}

/// The threads that keep it true; they end with it.
pub(crate) struct Keeping {
    pub(crate) standing: Arc<Standing>,
    _monitor: Arc<Monitor>,
}

/// How often it is looked whether anything has changed by itself.
const BEAT: Duration = Duration::from_secs(1);
/// How often windows are worked out anew; far more than an hour of them is known ahead.
const BEATS: u32 = 30;

/// Starts asking members, and answers the server's questions.
pub(crate) fn start(live: &Live, folder: Option<&FilePath>) -> Result<Keeping, Failure> {
    let state = folder.map(read_state).transpose()?.unwrap_or_default();
    let known = Known { state, read: folder.and_then(changed_at), ..Known::default() };
    let standing = Standing { known: Mutex::new(known), folder: folder.map(FilePath::to_owned), live: live.clone() };
    let standing = Arc::new(standing);
    let told = standing.clone();
    let agent = concat!("byway/", env!("CARGO_PKG_VERSION"), " (health)");
    let monitor = Monitor::start(agent, move |report| told.note(report));
    let monitor = monitor.map_err(|error| Failure::no_verdict(format!("the health checks cannot start: {error}")))?;
    let monitor = Arc::new(monitor);
    let (looked, asking) = (standing.clone(), monitor.clone());
    live.when_looking(move |rules| looked.look(rules, now(), &asking));
    let weak = Arc::downgrade(&standing);
    let thread = std::thread::Builder::new().name("byway-standing".to_owned());
    let beating = thread.spawn(move || {
        let mut beat = 0u32;
        loop {
            std::thread::park_timeout(BEAT);
            let Some(standing) = weak.upgrade() else { return };
            beat = beat.wrapping_add(1);
            standing.beat(beat.is_multiple_of(BEATS));
        }
    });
    beating.map_err(|error| Failure::no_verdict(format!("no thread for windows and pools: {error}")))?;
    Ok(Keeping { standing, _monitor: monitor })
}

/// What was done by hand, from the folder that the rules name.
pub(crate) fn read_state(folder: &FilePath) -> Result<State, Failure> {
    State::read(folder).map_err(|error| {
        let file = State::file(folder);
        Failure::no_verdict(format!("{} cannot be read: {error}", file.display()))
            .help("mend it, or move it away: then nothing counts as done by hand")
    })
}

fn changed_at(folder: &FilePath) -> Option<SystemTime> {
    std::fs::metadata(State::file(folder)).and_then(|found| found.modified()).ok()
}

/// Why something cannot be done by hand, and whether there is no such thing.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no pool, member or window of this name.
    Missing(String),
    /// It cannot be done.
    Cannot(String),
    /// It cannot be kept, so it is not done.
    Unkept(String),
}

impl Standing {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outlook of a rule set, whose members are asked from now on.
    fn look(&self, rules: &RuleSet, now: i64, monitor: &Monitor) -> Outlook {
        let pools = rules.pools();
        let asked = pools.iter().flat_map(|pool| {
            let health = pool.health.clone().into_iter();
            health.flat_map(|health| {
                let read = |file: &String| {
                    std::fs::read(file).map_err(|error| format!("{file} cannot be read: {}", in_words(&error)))
                };
                let trusted = health.ca.as_ref().map(read);
                let asked = |origin: &str| Asked {
                    pool: pool.name.clone(),
                    origin: origin.to_owned(),
                    health: health.clone(),
                    trusted: trusted.clone(),
                };
                pool.members().map(|(_, member)| asked(&member.origin)).collect::<Vec<_>>()
            })
        });
        monitor.ask(asked.collect());
        self.known().outlook(rules, now)
    }

    /// Takes what a member answered.
    fn note(&self, report: Report) {
        let Report { pool, origin, up, is_change, trouble } = report;
        let key = (pool, origin);
        {
            let mut known = self.known();
            let back =
                if is_change && up { Some(Instant::now()) } else { known.members.get(&key).and_then(|old| old.back) };
            known.members.insert(key.clone(), Member { up, back, trouble: trouble.clone() });
        }
        if is_change {
            self.live.look();
            let why = trouble.map(|why| format!(": {why}")).unwrap_or_default();
            say(&format!("pool {}: {} is {}{why}", key.0, key.1, if up { "up" } else { "down" }));
        }
    }

    fn beat(&self, is_due: bool) {
        let is_starting = {
            let known = self.known();
            let recently =
                |member: &Member| member.back.is_some_and(|back| back.elapsed() < Duration::from_secs(86_400));
            known.members.values().any(recently)
        };
        let has_changed = self.read_again();
        if is_due || is_starting || has_changed {
            self.live.look();
        }
    }

    /// Reads the state anew where somebody else has written it.
    fn read_again(&self) -> bool {
        let Some(folder) = &self.folder else { return false };
        let at = changed_at(folder);
        if at.is_none() || at == self.known().read {
            return false;
        }
        match State::read(folder) {
            Ok(state) => {
                let mut known = self.known();
                known.state = state;
                known.read = at;
                true
            }
            Err(error) => {
                self.known().read = at;
                say(&format!("{} cannot be read and changes nothing: {error}", State::file(folder).display()));
                false
            }
        }
    }

    /// Changes what was done by hand, keeps it, and lets it be seen.
    fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), Refused> {
        {
            let mut known = self.known();
            let mut state = known.state.clone();
            change(&mut state);
            if let Some(folder) = &self.folder {
                state.write(folder).map_err(|error| {
                    Refused::Unkept(format!("{} cannot be written: {error}", State::file(folder).display()))
                })?;
                known.read = changed_at(folder);
            }
            known.state = state;
        }
        self.live.look();
        Ok(())
    }

    /// Every pool with its members.
    pub(crate) fn pools(&self) -> Value {
        let generation = self.live.current();
        let known = self.known();
        let pools = generation.rules.pools().into_iter().map(|pool| {
            let members = pool.members().map(|(tier, member)| {
                let key = (pool.name.clone(), member.origin.clone());
                let seen = known.members.get(&key);
                let state = known.member(&pool.name, &member.origin, pool.slow_start);
                json!({
                    "origin": member.origin,
                    "tier": tier,
                    "weight": member.weight,
                    "share": f64::from(state.share) / f64::from(MemberState::WHOLE),
                    "up": state.up,
                    "asked": seen.is_some(),
                    "draining": state.draining,
                    "trouble": seen.and_then(|seen| seen.trouble.clone()),
                })
            });
            json!({ "pool": pool.name, "members": members.collect::<Value>() })
        });
        pools.collect()
    }

    /// Takes a member out, or in again; without a member all of the pool.
    pub(crate) fn drain(&self, pool: &str, member: Option<&str>, out: bool) -> Result<Value, Refused> {
        let generation = self.live.current();
        let pools = generation.rules.pools();
        let Some(found) = pools.iter().find(|known| known.name == pool) else {
            return Err(Refused::Missing(format!("there is no pool `{pool}`")));
        };
        let origins: Vec<String> = found.members().map(|(_, member)| member.origin.clone()).collect();
        let meant: Vec<String> = match member {
            None => origins,
            Some(member) => {
                let is_meant = |origin: &&String| {
                    let authority = origin.split_once("://").map_or(origin.as_str(), |(_, authority)| authority);
                    origin.as_str() == member.trim_end_matches('/') || authority == member
                };
                origins.iter().filter(is_meant).cloned().collect()
            }
        };
        if meant.is_empty() {
            let member = member.unwrap_or_default();
            return Err(Refused::Missing(format!("`{member}` is no member of the pool `{pool}`")));
        }
        self.change(|state| {
            state.drained.retain(|(of, origin)| of != pool || !meant.contains(origin));
            if out {
                state.drained.extend(meant.iter().map(|origin| (pool.to_owned(), origin.clone())));
            }
        })?;
        Ok(json!({ "pool": pool, "members": meant, "draining": out, "kept": self.folder.is_some() }))
    }

    /// Every window, and how it stands.
    pub(crate) fn windows(&self, now: i64) -> Value {
        windows(&self.live.current().rules, &self.known().state, now)
    }

    /// Opens a window by hand, up to an end.
    pub(crate) fn open(&self, window: &str, until: i64) -> Result<Value, Refused> {
        let now = now();
        let moved = opened(&self.live.current().rules, window, now, until)?;
        self.change(|state| state.move_window(moved, now))?;
        self.window(window, now)
    }

    /// Closes a window by hand: up to an end, or for the span that is open.
    pub(crate) fn close(&self, window: &str, until: Option<i64>) -> Result<Value, Refused> {
        let now = now();
        let moved = closed(&self.live.current().rules, &self.known().state, window, now, until)?;
        self.change(|state| state.move_window(moved, now))?;
        self.window(window, now)
    }

    fn window(&self, window: &str, now: i64) -> Result<Value, Refused> {
        let all = self.windows(now);
        let found = all.as_array().and_then(|all| all.iter().find(|one| one["window"] == window).cloned());
        found.ok_or_else(|| Refused::Missing(format!("there is no window `{window}`")))
    }
}

impl Known {
    fn outlook(&self, rules: &RuleSet, now: i64) -> Outlook {
        let pools = rules.pools();
        let slow: HashMap<&str, u32> = pools.iter().map(|pool| (pool.name.as_str(), pool.slow_start)).collect();
        Outlook::of(
            rules,
            |window| self.state.applied(&window.name, calendar::spans(&window.when, now)),
            |pool, origin| self.member(pool, origin, slow.get(pool).copied().unwrap_or_default()),
        )
    }

    fn member(&self, pool: &str, origin: &str, slow_start: u32) -> MemberState {
        let key = (pool.to_owned(), origin.to_owned());
        let member = self.members.get(&key);
        let share = match member.and_then(|member| member.back) {
            Some(back) if slow_start > 0 => {
                let part = back.elapsed().as_secs_f64() / f64::from(slow_start);
                (part * f64::from(MemberState::WHOLE)).clamp(1.0, f64::from(MemberState::WHOLE)) as u8
            }
            _ => MemberState::WHOLE,
        };
        MemberState { up: member.is_none_or(|member| member.up), draining: self.state.drained.contains(&key), share }
    }
}

impl Figures for Standing {
    fn write(&self, page: &mut Page) {
        let pools = self.pools();
        let help = "Whether a member of a pool may be sent to.";
        let mut family = page.family("byway_pool_member_up", help, Kind::Gauge);
        for pool in pools.as_array().into_iter().flatten() {
            for member in pool["members"].as_array().into_iter().flatten() {
                let labels = [("pool", pool["pool"].as_str()), ("member", member["origin"].as_str())];
                let labels = labels.map(|(name, value)| (name, value.unwrap_or_default()));
                let is_up = member["up"] == true && member["draining"] == false;
                family = family.value(&labels, u64::from(is_up));
            }
        }
    }
}

/// What operators do with pools and windows, below `/v1/`.
pub(crate) const PATHS: &[Path] = &[
    ("GET", &["pools"]),
    ("POST", &["pools", ANY, "drain"]),
    ("POST", &["pools", ANY, "restore"]),
    ("GET", &["maintenance"]),
    ("POST", &["maintenance", ANY, "start"]),
    ("POST", &["maintenance", ANY, "stop"]),
];

impl Levers for Arc<Standing> {
    fn paths(&self) -> &'static [Path] {
        PATHS
    }

    fn answer(&self, path: &Path, call: &Call<'_>) -> Result<Value, Problem> {
        let (_, parts) = path;
        let name = call.parts.get(1).map(String::as_str).unwrap_or_default();
        let done = match (parts[0], parts.get(2)) {
            ("pools", None) => Ok(self.pools()),
            ("pools", Some(verb)) => self.drain(name, member(call)?.as_deref(), *verb == "drain"),
            (_, None) => Ok(self.windows(now())),
            (_, Some(&"start")) => match until(call)? {
                Some(until) => self.open(name, until),
                None => return Err(Problem::bad("`until` must be there: what is opened by hand carries its end")),
            },
            _ => until(call).map(|until| self.close(name, until))?,
        };
        done.map_err(|refused| match refused {
            Refused::Missing(why) => Problem::missing(why),
            Refused::Cannot(why) => Problem::bad(why),
            Refused::Unkept(why) => Problem::unable(why),
        })
    }

    fn outlook(&self, rules: &RuleSet, at: i64) -> Option<Outlook> {
        Some(self.known().outlook(rules, at))
    }
}

/// `member`: a URL, or host and port; nothing is all of the pool.
fn member(call: &Call<'_>) -> Result<Option<String>, Problem> {
    match call.object(&["member"])?.get("member") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Problem::bad("`member` is a text: a URL, or host and port")),
    }
}

/// `until`: an instant with its offset, or seconds since 1970 UTC.
fn until(call: &Call<'_>) -> Result<Option<i64>, Problem> {
    let bad = || Problem::bad("`until` is an instant, as 2027-03-01T00:00Z");
    match call.object(&["until"])?.get("until") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => parse_instant(text).map(Some).map_err(Problem::bad),
        Some(other) => {
            let second = other.as_i64().filter(|second| jiff::Timestamp::from_second(*second).is_ok());
            second.map(Some).ok_or_else(bad)
        }
    }
}

/// A text as a part of a path.
pub(crate) fn encoded(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

/// Every window of a rule set, and how it stands at a moment.
pub(crate) fn windows(rules: &RuleSet, state: &State, now: i64) -> Value {
    let shown = |second: i64| jiff::Timestamp::from_second(second).map_or(Value::Null, |at| at.to_string().into());
    let windows = rules.windows().into_iter().map(|window| {
        let spans = state.applied(&window.name, calendar::spans(&window.when, now));
        let open = span_at(&spans, now);
        let next = spans.iter().find(|span| span.from > now);
        let moved = state.moved.iter().rev().find(|moved| moved.window == window.name && moved.span.until > now);
        json!({
            "window": window.name,
            "open": open.is_some(),
            "ends": open.map(|span| shown(span.until)),
            "next": next.map(|span| json!({ "from": shown(span.from), "until": shown(span.until) })),
            "by_hand": moved.map(|moved| json!({ "open": moved.to == Door::Open, "until": shown(moved.span.until) })),
        })
    });
    windows.collect()
}

/// The move that opens a window up to an end.
pub(crate) fn opened(rules: &RuleSet, window: &str, now: i64, until: i64) -> Result<Moved, Refused> {
    known_window(rules, window)?;
    if until <= now {
        return Err(Refused::Cannot("the end is over already: say a later one".to_owned()));
    }
    Ok(Moved { window: window.to_owned(), to: Door::Open, span: Span { from: now, until } })
}

/// The move that closes a window: up to an end, or for the span that is open.
pub(crate) fn closed(
    rules: &RuleSet,
    state: &State,
    window: &str,
    now: i64,
    until: Option<i64>,
) -> Result<Moved, Refused> {
    let when = known_window(rules, window)?;
    let spans = state.applied(window, calendar::spans(&when, now));
    let until = match (until, span_at(&spans, now)) {
        (Some(until), _) if until <= now => {
            return Err(Refused::Cannot("the end is over already: say a later one".to_owned()));
        }
        (Some(until), _) => until,
        (None, Some(span)) => span.until,
        (None, None) => {
            return Err(Refused::Cannot(format!(
                "the window `{window}` is not open: say until when it is to stay closed"
            )));
        }
    };
    Ok(Moved { window: window.to_owned(), to: Door::Closed, span: Span { from: now, until } })
}

fn known_window(rules: &RuleSet, window: &str) -> Result<String, Refused> {
    let found = rules.windows().into_iter().find(|known| known.name == window);
    found.map(|window| window.when).ok_or_else(|| {
        let windows = rules.windows();
        let known: Vec<&str> = windows.iter().map(|window| window.name.as_str()).collect();
        Refused::Missing(format!("there is no window `{window}`; there are {}", known.join(", ")))
    })
}

/// The outlook of a rule set at a moment, as a person supposes it: these origins are down, the rest is well.
pub(crate) fn supposed(rules: &RuleSet, state: &State, now: i64, down: &[String]) -> Outlook {
    Outlook::of(
        rules,
        |window| state.applied(&window.name, calendar::spans(&window.when, now)),
        |pool, origin| MemberState {
            up: !down.iter().any(|down| down.trim_end_matches('/') == origin),
            draining: state.drained.contains(&(pool.to_owned(), origin.to_owned())),
            ..MemberState::UNSEEN
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_came_back_starts_slowly() {
        let ago = |seconds: u64| Instant::now().checked_sub(Duration::from_secs(seconds));
        let share = |back: Option<Instant>, slow_start: u32| {
            let mut known = Known::default();
            let key = ("p".to_owned(), "http://a.test".to_owned());
            known.members.insert(key, Member { up: true, back, trouble: None });
            known.member("p", "http://a.test", slow_start).share
        };
        assert_eq!(share(None, 30), MemberState::WHOLE, "it was never away");
        assert_eq!((share(ago(0), 30), share(ago(0), 0)), (1, MemberState::WHOLE));
        let half = share(ago(15), 30);
        assert!((MemberState::WHOLE / 2..=MemberState::WHOLE / 2 + 2).contains(&half), "{half}");
        assert_eq!(share(ago(31), 30), MemberState::WHOLE);
        assert_eq!(Known::default().member("p", "http://b.test", 30), MemberState::UNSEEN);
    }
}
