//! Counts per status, decision and refusal: written by one thread each, summed when somebody asks.
//!
//! No cache line is shared on the way of a request: every thread has counters in an allocation of its own, writes them without
//! a locked instruction, and others only read. Hits per rule are in `hits`, what is printed of the sums in `metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use byway_core::{Outcome, Refusal};

use crate::method::MethodClass;

/// Adds without a locked instruction: there is one writer.
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// How reading on after an early answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingered {
    /// There was no body, or it had arrived with the head.
    NotNeeded,
    /// The body was read to its end, and the connection lives on.
    Read,
    /// The budget was spent: too slow, too long, or too many.
    Cut,
    /// The client gave up first, or broke the framing.
    Broken,
    /// The client waited for `100 Continue`; no byte of the body was sent.
    Spared,
}

impl Lingered {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Lingered; 5] =
        [Lingered::NotNeeded, Lingered::Read, Lingered::Cut, Lingered::Broken, Lingered::Spared];

    /// The word in logs and metrics.
    ///
    /// ```
    /// assert_eq!(byway_server::Lingered::Read.as_str(), "read");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Lingered::NotNeeded => "none",
            Lingered::Read => "read",
            Lingered::Cut => "cut",
            Lingered::Broken => "broken",
            Lingered::Spared => "spared",
        }
    }
}

/// What rules said of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Decided {
    /// Go elsewhere.
    Redirect,
    /// An answer without a Location.
    Reply,
    /// Nothing.
    Pass,
    /// A rule took it and could not be carried out.
    Refuse,
}

impl Decided {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Decided; 4] = [Decided::Redirect, Decided::Reply, Decided::Pass, Decided::Refuse];

    /// The word in metrics.
    ///
    /// ```
    /// assert_eq!(byway_server::Decided::Pass.as_str(), "pass");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Decided::Redirect => "redirect",
            Decided::Reply => "reply",
            Decided::Pass => "pass",
            Decided::Refuse => "refuse",
        }
    }

    fn of(outcome: &Outcome<'_>) -> Decided {
        match outcome {
            Outcome::Redirect(_) => Decided::Redirect,
            Outcome::Reply(_) => Decided::Reply,
            Outcome::Pass => Decided::Pass,
            Outcome::Refuse(_) => Decided::Refuse,
        }
    }
}

const STATUSES: usize = 600;
const METHODS: usize = MethodClass::ALL.len();

/// The upper ends of the buckets of answer times, in nanoseconds; what is longer is in the last one, which has none.
pub const TIMES: [u64; 14] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    25_000_000,
    100_000_000,
    1_000_000_000,
];

/// Everything one thread counts beside hits per rule.
pub(crate) struct CoreCounters {
    /// Per listener, method and status.
    answers: Box<[AtomicU64]>,
    decided: [AtomicU64; Decided::ALL.len()],
    refusals: [AtomicU64; Refusal::ALL.len()],
    times: [AtomicU64; TIMES.len() + 1],
    time_sum: AtomicU64,
    lingered: [AtomicU64; Lingered::ALL.len()],
    bodies: AtomicU64,
    malformed: AtomicU64,
    handshakes: AtomicU64,
    failed_handshakes: AtomicU64,
    unannounced: AtomicU64,
    accepted: AtomicU64,
    closed: AtomicU64,
}

impl CoreCounters {
    pub(crate) fn new(listeners: usize) -> CoreCounters {
        CoreCounters {
            answers: (0..listeners.max(1) * METHODS * STATUSES).map(|_| AtomicU64::new(0)).collect(),
            decided: [const { AtomicU64::new(0) }; Decided::ALL.len()],
            refusals: [const { AtomicU64::new(0) }; Refusal::ALL.len()],
            times: [const { AtomicU64::new(0) }; TIMES.len() + 1],
            time_sum: AtomicU64::new(0),
            lingered: [const { AtomicU64::new(0) }; Lingered::ALL.len()],
            bodies: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            failed_handshakes: AtomicU64::new(0),
            unannounced: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            closed: AtomicU64::new(0),
        }
    }

    /// Counts an answer by the number of its listener, the class of its method and its status.
    pub(crate) fn answer(&self, listener: u16, method: MethodClass, status: u16) {
        if let Some(counter) = self.answers.get(place(usize::from(listener), method as usize, usize::from(status))) {
            bump(counter, 1);
        }
    }

    /// Counts what the rules said.
    pub(crate) fn decided(&self, outcome: &Outcome<'_>) {
        bump(&self.decided[Decided::of(outcome) as usize], 1);
        if let Outcome::Refuse(refusal) = outcome
            && let Some(at) = Refusal::ALL.iter().position(|one| one == refusal)
        {
            bump(&self.refusals[at], 1);
        }
    }

    /// Counts how long an answer took, from the end of its head.
    pub(crate) fn took(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = TIMES.iter().position(|&end| nanos <= end).unwrap_or(TIMES.len());
        bump(&self.times[bucket], 1);
        bump(&self.time_sum, nanos);
    }

    /// Counts a body that is read on after its answer; [`CoreCounters::lingered`] ends it.
    pub(crate) fn lingers(&self) {
        bump(&self.bodies, 1);
    }

    pub(crate) fn lingered(&self, lingered: Lingered) {
        bump(&self.lingered[lingered as usize], 1);
    }

    /// Counts a request that was no request.
    pub(crate) fn malformed(&self, listener: u16, status: u16) {
        bump(&self.malformed, 1);
        self.answer(listener, MethodClass::Other, status);
    }

    pub(crate) fn shook_hands(&self) {
        bump(&self.handshakes, 1);
    }

    pub(crate) fn failed_to_shake_hands(&self) {
        bump(&self.failed_handshakes, 1);
    }

    /// A connection without the PROXY protocol that its listener asks for, or from somebody who is not trusted.
    pub(crate) fn unannounced(&self) {
        bump(&self.unannounced, 1);
    }

    pub(crate) fn accepted(&self) {
        bump(&self.accepted, 1);
    }

    pub(crate) fn closed(&self) {
        bump(&self.closed, 1);
    }
}

/// Statuses of one method lie side by side: a server that answers alike touches few lines of the cache.
fn place(listener: usize, method: usize, status: usize) -> usize {
    match status < STATUSES {
        true => (listener * METHODS + method) * STATUSES + status,
        false => usize::MAX,
    }
}

/// Answers of one listener to one class of methods with one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The listener, in the order in which they were opened.
    pub listener: usize,
    /// The class of the method.
    pub method: MethodClass,
    /// The status.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// What was counted since the start, summed over all threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answers per status that was sent at least once, ascending.
    pub statuses: Vec<(u16, u64)>,
    /// The same by listener and method.
    pub answers: Vec<Answers>,
    /// What the rules said, in the order of [`Decided::ALL`].
    pub decided: [u64; Decided::ALL.len()],
    /// Requests that a rule took and could not carry out, in the order of [`Refusal::ALL`].
    pub refusals: [u64; Refusal::ALL.len()],
    /// Answers by the time they took, in the buckets of [`TIMES`]; the last is what was longer. Nothing unless
    /// [`crate::Settings::timing`] asks for it.
    pub times: [u64; TIMES.len() + 1],
    /// All these times together, in nanoseconds.
    pub time_sum: u64,
    /// Requests that were malformed and never decided.
    pub malformed: u64,
    /// How reading on after an early answer ended: none, read, cut, broken, spared.
    pub lingered: [u64; Lingered::ALL.len()],
    /// Bodies that are being read on now, after their answer.
    pub lingering: u64,
    /// TLS handshakes that came to their end.
    pub handshakes: u64,
    /// TLS handshakes that did not: the client gave up, took too long, or spoke something else.
    pub failed_handshakes: u64,
    /// Connections hung up on because the PROXY protocol was asked for, and not there or not from a trusted proxy.
    pub unannounced: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
}

impl Counts {
    pub(crate) fn sum<'c>(cores: impl Iterator<Item = &'c CoreCounters> + Clone) -> Counts {
        let sum = |of: &dyn Fn(&CoreCounters) -> u64| cores.clone().map(of).sum::<u64>();
        let listeners = cores.clone().next().map_or(0, |core| core.answers.len() / (METHODS * STATUSES));
        let answers = answers(listeners, |at| sum(&|core| core.answers[at].load(Relaxed)));
        let accepted = sum(&|core| core.accepted.load(Relaxed));
        let lingered = std::array::from_fn(|at| sum(&|core| core.lingered[at].load(Relaxed)));
        Counts {
            statuses: by_status(&answers),
            answers,
            decided: std::array::from_fn(|at| sum(&|core| core.decided[at].load(Relaxed))),
            refusals: std::array::from_fn(|at| sum(&|core| core.refusals[at].load(Relaxed))),
            times: std::array::from_fn(|at| sum(&|core| core.times[at].load(Relaxed))),
            time_sum: sum(&|core| core.time_sum.load(Relaxed)),
            malformed: sum(&|core| core.malformed.load(Relaxed)),
            lingered,
            lingering: sum(&|core| core.bodies.load(Relaxed)).saturating_sub(lingered.iter().sum()),
            handshakes: sum(&|core| core.handshakes.load(Relaxed)),
            failed_handshakes: sum(&|core| core.failed_handshakes.load(Relaxed)),
            unannounced: sum(&|core| core.unannounced.load(Relaxed)),
            accepted,
            open: accepted.saturating_sub(sum(&|core| core.closed.load(Relaxed))),
        }
    }

    /// How often a status was answered.
    ///
    /// ```
    /// let counts = byway_server::Counts { statuses: vec![(307, 5)], ..Default::default() };
    /// assert_eq!((counts.of(307), counts.of(404)), (5, 0));
    /// ```
    pub fn of(&self, status: u16) -> u64 {
        self.statuses.iter().find(|(one, _)| *one == status).map_or(0, |(_, count)| *count)
    }
}

fn answers(listeners: usize, count: impl Fn(usize) -> u64) -> Vec<Answers> {
    let mut answers = Vec::new();
    for listener in 0..listeners {
        for method in MethodClass::ALL {
            for status in 0..STATUSES {
                match count(place(listener, method as usize, status)) {
                    0 => {}
                    count => answers.push(Answers { listener, method, status: status as u16, count }),
                }
            }
        }
    }
    answers
}

fn by_status(answers: &[Answers]) -> Vec<(u16, u64)> {
    let mut sums = std::collections::BTreeMap::new();
    for answer in answers {
        *sums.entry(answer.status).or_insert(0) += answer.count;
    }
    sums.into_iter().collect()
}
