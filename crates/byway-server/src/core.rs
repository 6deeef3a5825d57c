//! What one serving thread has to itself: its clock, buffers, scratch space, counters, slots and log buffer.
//!
//! Threads share nothing on the way of a request but the rule set, which is only read. Everything here is used by one thread,
//! hence `Cell` and `RefCell`; nothing is borrowed across a wait.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use byway_core::dialect::BYWAY;
use byway_core::place::Places;
use byway_core::status::RedirectStatus;
use byway_core::{Decision, Fields, Request, Scheme, Scratch, Surroundings};

use crate::access_log::{Line, LogBuffer};
use crate::answer::Answer;
use crate::asked::{Effective, Via};
use crate::clock::Clock;
use crate::counters::{CoreCounters, Lingered};
use crate::dice::Dice;
use crate::downgrade::Downgrade;
use crate::forwarded::{Lines, Said};
use crate::head::{BadHead, Glimpse};
use crate::live::{Generation, Live, LiveCache, SharedPlaces};
use crate::method::MethodClass;
use crate::settings::{Added, Asked, Settings, Timing};
use crate::slots::{Lingerers, Slots};

/// How much is read at a time. Bodies that are thrown away go through here as well; larger brings nothing more.
const READ: usize = 256 * 1024;

/// One serving thread's own.
pub(crate) struct Core {
    pub(crate) settings: Arc<Settings>,
    pub(crate) clock: Clock,
    pub(crate) slots: Slots,
    pub(crate) lingerers: Lingerers,
    pub(crate) counters: Arc<CoreCounters>,
    pub(crate) stopping: Cell<bool>,
    pub(crate) read_buffer: RefCell<Box<[u8]>>,
    pub(crate) write_buffer: RefCell<Vec<u8>>,
    pub(crate) log: Option<RefCell<LogBuffer>>,
    number: usize,
    turn: Cell<u32>,
    live: RefCell<LiveCache>,
    places: Arc<ArcSwapOption<SharedPlaces>>,
    dice: Dice,
    scratch: RefCell<Scratch>,
}

/// Between whom a connection is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The client's address; none on a Unix socket.
    pub(crate) address: Option<IpAddr>,
    /// The port that it connected to.
    pub(crate) local_port: u16,
    /// The listener, by number.
    pub(crate) listener: u16,
    /// What it speaks; with the PROXY protocol, what the client spoke.
    pub(crate) scheme: Scheme,
    /// Whether what it says of others counts.
    pub(crate) is_trusted: bool,
}

impl Peer {
    /// The address whose share of lingering a connection takes. Behind a trusted proxy are many clients, and it has no such limit.
    pub(crate) fn lingers_for(&self) -> Option<IpAddr> {
        self.address.filter(|_| !self.is_trusted)
    }
}

/// A request as an edge knows it, whatever protocol it came by.
pub(crate) struct Incoming<'a> {
    pub(crate) method: &'a str,
    pub(crate) version: &'static str,
    pub(crate) effective: Effective<'a>,
    pub(crate) fields: &'a dyn Fields,
    pub(crate) peer: Peer,
    /// The client's address, after trusted proxies; none on a Unix socket.
    pub(crate) client: Option<IpAddr>,
    pub(crate) content_length: Option<u64>,
    /// When its head was there; known only where a log wants it.
    pub(crate) began: Option<Instant>,
}

/// A request that is refused before anything is decided, as far as it could be read.
pub(crate) struct Refused<'a> {
    pub(crate) peer: Peer,
    pub(crate) seen: Glimpse<'a>,
    /// As sent; empty where it is not known.
    pub(crate) host: &'a str,
    pub(crate) bad: BadHead,
}

impl Core {
    pub(crate) fn new(number: usize, settings: Arc<Settings>, live: &Live, shared: Shared) -> Core {
        Core {
            settings,
            clock: Clock::new(),
            slots: Slots::default(),
            lingerers: shared.lingerers,
            counters: shared.counters,
            stopping: Cell::new(false),
            read_buffer: RefCell::new(vec![0; READ].into_boxed_slice()),
            write_buffer: RefCell::default(),
            log: shared.log.map(RefCell::new),
            number,
            // Threads begin apart, so that few requests are spread as well.
            turn: Cell::new(number as u32),
            live: RefCell::new(live.cache()),
            places: live.places(),
            dice: Dice::default(),
            scratch: RefCell::new(Scratch::new()),
        }
    }

    /// Decides a request, counts and logs it, and hands the answer to whoever writes it. A log line that has to wait for the
    /// body's end comes back.
    pub(crate) fn decide(
        &self,
        incoming: &Incoming<'_>,
        lingers: Lingers,
        write: impl FnOnce(&Answer<'_>),
    ) -> Option<Line> {
        let (mut live, mut scratch) = (self.live.borrow_mut(), self.scratch.borrow_mut());
        let generation: &Generation = live.load();
        let Effective { scheme, host, port, path, query } = incoming.effective;
        let address = incoming.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)); // a Unix socket: somebody on this machine
        let request = Request {
            method: incoming.method,
            scheme,
            host,
            port,
            path,
            query,
            fields: incoming.fields,
            address,
            local_port: incoming.peer.local_port,
        };
        let places = generation.rules.needs_places().then(|| self.places.load());
        let places = places.as_ref().and_then(|places| places.as_deref());
        let mut around = Surroundings::at(self.clock.second())
            .with_places(places.map(|places| &**places as &dyn Places))
            .with_draws(Some(&self.dice));
        let outlook = generation.outlook();
        if let Some(outlook) = outlook.as_ref().and_then(|outlook| outlook.as_deref()) {
            around = around.with(outlook);
            around.turn = self.turn.replace(self.turn.get().wrapping_add(1));
        }
        let decision = generation.rules.decide(&request, &around, &mut scratch);
        let mut answer = Answer::of(&decision, &self.settings.unmatched, incoming.method, || incoming.asked());
        let is_imported = |rule| generation.rules.rule(rule).dialect().name != BYWAY.name;
        if self.settings.added == Added::LeftOut && decision.rule.is_some_and(is_imported) {
            (answer.cache_control, answer.vary) = ("", "");
        }
        answer.hsts = self.settings.hsts.as_ref().and_then(|hsts| hsts.of(scheme, host));
        let vary;
        if answer.status == RedirectStatus::PermanentRedirect.number() && !self.settings.downgrade_308.is_empty() {
            let downgrade = Downgrade::of(&self.settings.downgrade_308, incoming.fields, answer.vary);
            if downgrade.is_needed {
                answer.become_temporary();
            }
            vary = downgrade.vary;
            answer.vary = &vary;
        }
        write(&answer);
        self.count(generation, &decision, incoming, answer.status);
        let log = self.log.as_ref()?;
        let mut line = log.borrow_mut().line(incoming, generation, &decision, &answer, &self.clock);
        if lingers == Lingers::Yes {
            return Some(line);
        }
        log.borrow_mut().finish(&mut line, Lingered::NotNeeded, 0);
        None
    }

    /// By which way a request came, and the address of its client.
    pub(crate) fn way<'a>(&self, peer: &Peer, fields: &impl Lines<'a>) -> (Via<'a>, Option<IpAddr>) {
        if !peer.is_trusted {
            return (Via::direct(peer.scheme), peer.address);
        }
        let said = Said::of(fields, &self.settings.trust);
        let scheme = said.scheme.unwrap_or(peer.scheme);
        (Via { spoken: peer.scheme, scheme, host: said.host, port: said.port }, said.address.or(peer.address))
    }

    /// Counts and logs a request that was refused.
    pub(crate) fn refused(&self, refused: &Refused<'_>, answer: &Answer<'_>) {
        self.counters.malformed(refused.peer.listener, answer.status);
        if let Some(log) = &self.log {
            log.borrow_mut().refused(refused, answer, &self.clock);
        }
    }

    fn count(&self, generation: &Generation, decision: &Decision<'_>, incoming: &Incoming<'_>, status: u16) {
        let method = MethodClass::of(incoming.method);
        if let Some(rule) = decision.rule {
            generation.hit(self.number, rule, method, self.clock.second());
        }
        self.counters.decided(&decision.outcome);
        self.counters.answer(incoming.peer.listener, method, status);
        if let (Timing::On, Some(began)) = (self.settings.timing, incoming.began) {
            self.counters.took(began.elapsed());
        }
    }

    /// Counts and logs how reading on ended.
    pub(crate) fn linger_ended(&self, line: Option<Line>, how: Lingered, bytes: u64) {
        self.counters.lingered(how);
        if let (Some(log), Some(mut line)) = (&self.log, line) {
            log.borrow_mut().finish(&mut line, how, bytes);
        }
    }

    /// A moment, where somebody wants to know how long a request took.
    pub(crate) fn moment(&self) -> Option<Instant> {
        (self.log.is_some() || self.settings.timing == Timing::On).then(Instant::now)
    }

    /// How many may linger, over all threads.
    pub(crate) fn linger_room(&self) -> usize {
        (self.settings.connections / self.settings.linger.slots_one_in.max(1)).max(1)
    }

    /// This thread's share of the connections.
    pub(crate) fn room(&self) -> usize {
        self.settings.connections.div_ceil(self.settings.threads()).max(1)
    }

    /// What happens every tick: the clocks, the deadlines, the log; and the last hold on an old rule set is let go.
    pub(crate) fn tick(&self) {
        self.clock.update();
        self.slots.sweep(self.clock.tick(), &self.settings.linger, &self.lingerers);
        self.live.borrow_mut().load();
        if let Some(log) = &self.log {
            log.borrow_mut().flush();
        }
    }
}

/// What a thread is given that others hold as well.
pub(crate) struct Shared {
    pub(crate) lingerers: Lingerers,
    pub(crate) counters: Arc<CoreCounters>,
    pub(crate) log: Option<LogBuffer>,
}

/// Whether a body is still on its way when the answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lingers {
    Yes,
    No,
}

impl Incoming<'_> {
    /// What pages made for a request are told of it. Targets are checked to be ASCII before they come here.
    fn asked(&self) -> Asked<'_> {
        Asked {
            method: self.method,
            path: str::from_utf8(self.effective.path).unwrap_or_default(),
            query: self.effective.query.and_then(|query| str::from_utf8(query).ok()),
            content_length: self.content_length,
        }
    }
}
