//! Asking the members of pools whether they are well.
//!
//! A [`Monitor`] has a thread and a runtime of its own. Every member is asked by a task of its own, at its interval with some
//! jitter, so that many nodes do not ask at once; redirects are answers and are not followed. What comes of each question is
//! told to whoever started the monitor; who is sent to is not decided here.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use byway_core::pool::Health;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::answer::Answer;
use crate::transport::{Ask, Limits, Transport};

/// A member that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The pool that it is of.
    pub pool: String,
    /// Scheme, host and port.
    pub origin: String,
    /// How it is asked.
    pub health: Health,
    /// The certificates (PEM) of the file that its health names, or why they cannot be read.
    pub trusted: Option<Result<Vec<u8>, String>>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The pool of the member.
    pub pool: String,
    /// The member.
    pub origin: String,
    /// Whether it counts as up after this.
    pub up: bool,
    /// Whether that is other than before.
    pub is_change: bool,
    /// Why it was not well, if it was not.
    pub trouble: Option<String>,
}

/// How often in a row a member was well, or was not.
///
/// ```
/// use byway_net::Tally;
/// let mut tally = Tally::new(2, 3);
/// assert_eq!([tally.note(false), tally.note(false)], [false, true]); // the second failure in a row takes it out
/// assert!(!tally.is_up());
/// assert_eq!([true, true, true].map(|well| tally.note(well)), [false, false, true]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    fall: u16,
    rise: u16,
    up: bool,
    row: u16,
}

impl Tally {
    /// A member counts as up until it fell.
    pub const fn new(fall: u16, rise: u16) -> Tally {
        Tally { fall, rise, up: true, row: 0 }
    }

    /// Notes an answer; whether it changed what the member counts as.
    pub const fn note(&mut self, well: bool) -> bool {
        if well == self.up {
            self.row = 0;
            return false;
        }
        self.row += 1;
        let changes = self.row >= if self.up { self.fall } else { self.rise };
        if changes {
            self.up = well;
            self.row = 0;
        }
        changes
    }

    /// Whether it counts as up.
    pub const fn is_up(&self) -> bool {
        self.up
    }
}

/// Asks members until it is dropped.
#[derive(Debug)]
pub struct Monitor {
    members: UnboundedSender<Vec<Asked>>,
}

impl Monitor {
    /// Starts the thread; `tell` is called on it with what came of each question.
    ///
    /// The error is that of a thread or a runtime that could not be had.
    pub fn start(agent: &str, tell: impl Fn(Report) + Send + Sync + 'static) -> io::Result<Monitor> {
        let (members, wanted) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let agent = agent.to_owned();
        let thread = std::thread::Builder::new().name("byway-health".to_owned());
        thread.spawn(move || runtime.block_on(run(agent, Arc::new(tell), wanted)))?;
        Ok(Monitor { members })
    }

    /// Says who is asked from now on. Who was asked before in the same way keeps its place.
    pub fn ask(&self, members: Vec<Asked>) {
        // The thread ends with this sender only.
        let _ = self.members.send(members);
    }
}

type Tell = Arc<dyn Fn(Report) + Send + Sync>;

async fn run(agent: String, tell: Tell, mut wanted: UnboundedReceiver<Vec<Asked>>) {
    let mut tasks: HashMap<(String, String), (Asked, JoinHandle<()>)> = HashMap::new();
    while let Some(members) = wanted.recv().await {
        let mut kept = HashMap::new();
        for asked in members {
            let key = (asked.pool.clone(), asked.origin.clone());
            let task = match tasks.remove(&key) {
                Some((before, task)) if before == asked => task,
                old => {
                    old.inspect(|(_, task)| task.abort());
                    tokio::spawn(watch(agent.clone(), asked.clone(), tell.clone()))
                }
            };
            kept.insert(key, (asked, task));
        }
        tasks.values().for_each(|(_, task)| task.abort());
        tasks = kept;
    }
}

async fn watch(agent: String, asked: Asked, tell: Tell) {
    let health = &asked.health;
    let mut tally = Tally::new(health.fall, health.rise);
    let random = RandomState::new();
    let mut count = 0u64;
    loop {
        let trouble = ask(&agent, &asked).await.err();
        let is_change = tally.note(trouble.is_none());
        let (pool, origin) = (asked.pool.clone(), asked.origin.clone());
        tell(Report { pool, origin, up: tally.is_up(), is_change, trouble });
        count += 1;
        tokio::time::sleep(jittered(health, random.hash_one(count))).await;
    }
}

/// The interval, longer or shorter by up to its jitter.
fn jittered(health: &Health, draw: u64) -> Duration {
    let interval = u64::from(health.interval) * 1_000;
    let spread = interval * u64::from(health.jitter.min(50)) / 100;
    Duration::from_micros(interval - spread + draw % (2 * spread + 1))
}

/// Asks once, and says what is wrong with the answer.
pub async fn ask(agent: &str, asked: &Asked) -> Result<(), String> {
    let health = &asked.health;
    let time = Duration::from_millis(u64::from(health.timeout));
    let limits = Limits {
        resolve: time,
        connect: time,
        first_byte: time,
        body_time: time,
        body: if health.body.is_some() { Health::BODY_LIMIT } else { 0 },
        ..Limits::default()
    };
    let mut transport = Transport::new(agent, limits);
    if let Some(trusted) = &asked.trusted {
        transport = transport.trusting(trusted.clone()?);
    }
    let uri = format!("{}{}", asked.origin, health.path).parse().map_err(|error| format!("no URL: {error}"))?;
    match tokio::time::timeout(time, transport.send(Ask::get(uri))).await {
        Err(_) => Err(format!("nothing within {time:?}")),
        Ok(Err(fault)) => Err(fault.to_string()),
        Ok(Ok(answer)) => judge(health, &answer),
    }
}

fn judge(health: &Health, answer: &Answer) -> Result<(), String> {
    let is_well = match health.statuses.as_slice() {
        [] => (200..300).contains(&answer.status),
        listed => listed.contains(&answer.status),
    };
    if !is_well {
        return Err(format!("it answered {}", answer.status));
    }
    match &health.body {
        Some(text) if memmem(&answer.body, text.as_bytes()).is_none() => {
            Err("its body does not hold what was asked for".to_owned())
        }
        _ => Ok(()),
    }
}

fn memmem(body: &[u8], text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    body.windows(text.len()).position(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(interval: u32, jitter: u8) -> Health {
        let path = "/".to_owned();
        Health { path, interval, timeout: 1, fall: 1, rise: 1, jitter, statuses: Vec::new(), body: None, ca: None }
    }

    #[test]
    fn questions_are_spread_evenly_around_their_interval() {
        let health = of(5_000, 10);
        let (least, most) = (Duration::from_millis(4_500), Duration::from_millis(5_500));
        let random = RandomState::new();
        let pauses: Vec<Duration> = (0..10_000u64).map(|turn| jittered(&health, random.hash_one(turn))).collect();
        assert!(pauses.iter().all(|pause| (least..=most).contains(pause)));
        let early = pauses.iter().filter(|pause| **pause < Duration::from_millis(4_750)).count();
        assert!((2_200..2_800).contains(&early), "a quarter of the time, a quarter of the questions: {early}");
        assert_eq!([jittered(&health, 0), jittered(&health, 1_000_000)], [least, most]);
        // Without jitter to the microsecond, and never more than half.
        assert_eq!(jittered(&of(5_000, 0), u64::MAX), Duration::from_secs(5));
        assert!((0..1_000).all(|draw| jittered(&of(1, 255), draw) >= Duration::from_micros(500)));
    }
}
