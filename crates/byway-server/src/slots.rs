//! The open connections of one thread: their deadlines, and who may linger.
//!
//! No timer is registered per request. A connection writes its deadline into its slot, and the thread's tick goes over all slots
//! and wakes those that are due: a few microseconds a tick, and nothing per request. The same slots hold the meters of lingering
//! connections, so that the slowest can be cut when there are too many. How many linger is counted for the whole server
//! ([`Lingerers`]), and touched only when lingering begins or ends; who is cut is sought among this thread's own. A crowd of one
//! address is thinned by the sweep and not at the door: what an earlier connection left behind is gone by then, as are bodies
//! that are read in no time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::clock::Tick;
use crate::settings::Linger;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A next request; nothing of it is there.
    Idle,
    /// The rest of a head, or room to write.
    Busy,
    /// The rest of a body whose answer has left.
    Linger,
    /// The client's end of a connection that is half-closed.
    Goodbye,
}

/// So many sweeps must have found a body in a crowd before it is cut for it. They are counted, not timed: between two of them
/// the thread has read what had come, however long it was kept from running.
const SWEEPS: u8 = 2;

/// How fast a body arrives.
#[derive(Clone, Copy, Default)]
struct Meter {
    began: Tick,
    window_began: Tick,
    window_bytes: u64,
    bytes: u64,
    in_crowd: u8,
    cut_for_crowd: bool,
}

/// Whether a speed means anything yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Measured,
    Young,
}

/// One open connection.
pub(crate) struct Slot {
    phase: Cell<Phase>,
    deadline: Cell<Tick>,
    due: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    meter: Cell<Meter>,
    address: Cell<Option<IpAddr>>,
    at: Cell<usize>,
    lingers_at: Cell<Option<usize>>,
}

impl Slot {
    /// A slot for something that lingers inside of a connection: a stream of HTTP/2. It has no deadline and takes no room among
    /// the connections.
    pub(crate) fn of_stream(address: Option<IpAddr>) -> Rc<Slot> {
        Rc::new(Slot::new(address, Tick::MAX, usize::MAX))
    }

    fn new(address: Option<IpAddr>, deadline: Tick, at: usize) -> Slot {
        Slot {
            phase: Cell::new(Phase::Busy),
            deadline: Cell::new(deadline),
            due: Cell::new(false),
            waker: RefCell::new(None),
            meter: Cell::default(),
            address: Cell::new(address),
            at: Cell::new(at),
            lingers_at: Cell::new(None),
        }
    }

    /// The address that it lingers for.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address.get()
    }

    /// Says the address that it will linger for, before it ever does.
    pub(crate) fn belongs_to(&self, address: Option<IpAddr>) {
        self.address.set(address);
    }

    /// Says what is waited for, and until when.
    pub(crate) fn wait(&self, phase: Phase, deadline: Tick) {
        self.phase.set(phase);
        self.deadline.set(deadline);
    }

    /// What is waited for.
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether the time was up; asking clears it.
    pub(crate) fn take_due(&self) -> bool {
        self.due.take()
    }

    /// Keeps the waker of the task that this connection lives in; it is the same for all its life.
    pub(crate) fn keep_waker(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if kept.as_ref().is_none_or(|kept| !kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }

    fn call(&self) {
        self.due.set(true);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Counts bytes of a body that were read and thrown away.
    pub(crate) fn lingered(&self, bytes: u64) {
        let meter = self.meter.get();
        self.meter.set(Meter { window_bytes: meter.window_bytes + bytes, bytes: meter.bytes + bytes, ..meter });
    }

    /// Who is cut first: bytes per second, and those that have just begun last, since nobody can say how fast they are.
    fn speed(&self, now: Tick) -> (Age, u64) {
        let meter = self.meter.get();
        let millis = now.saturating_sub(meter.began);
        let age = if millis < 1_000 { Age::Young } else { Age::Measured };
        (age, meter.bytes.saturating_mul(1_000) / millis.max(1))
    }

    /// Whether another sweep that finds it in a crowd has found it there often enough.
    fn stays_in_crowd(&self) -> bool {
        let meter = self.meter.get();
        self.meter.set(Meter { in_crowd: meter.in_crowd.saturating_add(1), ..meter });
        meter.in_crowd.saturating_add(1) >= SWEEPS && !self.due.get()
    }

    fn cut_for_crowd(&self) {
        self.meter.set(Meter { cut_for_crowd: true, ..self.meter.get() });
        self.call();
    }

    /// Whether a window ended with too few bytes in it; a window that ended well is followed by the next.
    fn starves(&self, now: Tick, budget: &Linger) -> bool {
        let meter = self.meter.get();
        if u128::from(now.saturating_sub(meter.window_began)) < budget.window.as_millis() {
            return false;
        }
        self.meter.set(Meter { window_began: now, window_bytes: 0, ..meter });
        meter.window_bytes < budget.window_bytes
    }
}

/// All open connections of one thread.
#[derive(Default)]
pub(crate) struct Slots {
    open: RefCell<Vec<Rc<Slot>>>,
    lingering: RefCell<Vec<Rc<Slot>>>,
}

impl Slots {
    pub(crate) fn enter(&self, address: Option<IpAddr>, deadline: Tick) -> Rc<Slot> {
        let mut open = self.open.borrow_mut();
        let slot = Rc::new(Slot::new(address, deadline, open.len()));
        open.push(slot.clone());
        slot
    }

    pub(crate) fn leave(&self, slot: &Slot, lingerers: &Lingerers) {
        self.linger_over(slot, lingerers);
        let mut open = self.open.borrow_mut();
        open.swap_remove(slot.at.get());
        if let Some(moved) = open.get(slot.at.get()) {
            moved.at.set(slot.at.get());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// Wakes every connection whose time is up, and cuts the slowest of addresses for which too many linger.
    pub(crate) fn sweep(&self, now: Tick, budget: &Linger, lingerers: &Lingerers) {
        for slot in &*self.open.borrow() {
            let due = match slot.phase.get() {
                Phase::Linger => slot.starves(now, budget),
                _ => slot.deadline.get() <= now,
            };
            if due {
                slot.call();
            }
        }
        if lingerers.are_crowded() {
            self.thin(now, lingerers);
        }
    }

    fn thin(&self, now: Tick, lingerers: &Lingerers) {
        let lingering = self.lingering.borrow();
        let crowd = lingering.iter().filter(|slot| lingerers.crowd(slot.address()));
        let mut long: Vec<_> = crowd.filter(|slot| slot.stays_in_crowd()).collect();
        long.sort_by_key(|slot| slot.speed(now));
        long.into_iter().filter(|slot| lingerers.one_less(slot.address())).for_each(|slot| slot.cut_for_crowd());
    }

    /// Closes what is idle: all of it when the server stops.
    pub(crate) fn call_idle(&self) {
        self.open.borrow().iter().filter(|slot| slot.phase.get() == Phase::Idle).for_each(|slot| slot.call());
    }

    /// Closes the connection that has been idle longest, to make room for a new one.
    pub(crate) fn call_idlest(&self) {
        let open = self.open.borrow();
        let idle = open.iter().filter(|slot| slot.phase.get() == Phase::Idle && !slot.due.get());
        if let Some(slot) = idle.min_by_key(|slot| slot.deadline.get()) {
            slot.call();
        }
    }

    /// Lets a connection or a stream linger; where that is more than there is room for, the slowest is cut, which may be this one.
    pub(crate) fn linger(&self, slot: &Rc<Slot>, now: Tick, room: usize, lingerers: &Lingerers) {
        if slot.lingers_at.get().is_some() {
            return;
        }
        let all = lingerers.enter(slot.address());
        slot.meter.set(Meter { began: now, window_began: now, ..slot.meter.get() });
        slot.wait(Phase::Linger, Tick::MAX);
        let mut lingering = self.lingering.borrow_mut();
        slot.lingers_at.set(Some(lingering.len()));
        lingering.push(slot.clone());
        if all > room {
            cut_slowest(lingering.iter(), now);
        }
    }

    /// The body is over, or its budget is.
    pub(crate) fn linger_over(&self, slot: &Slot, lingerers: &Lingerers) {
        let meter = slot.meter.take();
        let Some(at) = slot.lingers_at.take() else { return };
        lingerers.leave(slot.address(), meter.cut_for_crowd);
        let mut lingering = self.lingering.borrow_mut();
        lingering.swap_remove(at);
        if let Some(moved) = lingering.get(at) {
            moved.lingers_at.set(Some(at));
        }
    }
}

/// Those already called do not count: their place is as good as free.
fn cut_slowest<'s>(slots: impl Iterator<Item = &'s Rc<Slot>>, now: Tick) {
    if let Some(slot) = slots.filter(|slot| !slot.due.get()).min_by_key(|slot| slot.speed(now)) {
        slot.call();
    }
}

/// How many linger, in all and for each address, over all threads. Touched when a body has to be waited for, never otherwise.
#[derive(Clone)]
pub(crate) struct Lingerers(Arc<Counted>);

struct Counted {
    /// How many may linger for one address.
    per_address: usize,
    all: AtomicUsize,
    /// How many addresses have more than that.
    crowds: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, Count>>,
}

/// How many linger for one address, and how many of them have been told to stop.
#[derive(Default)]
struct Count {
    lingering: usize,
    cut: usize,
}

impl Lingerers {
    /// None yet, and so many for one address at most.
    pub(crate) fn new(per_address: usize) -> Lingerers {
        let (all, crowds, addresses) = Default::default();
        Lingerers(Arc::new(Counted { per_address, all, crowds, addresses }))
    }

    /// One more; how many there are now.
    fn enter(&self, address: Option<IpAddr>) -> usize {
        if let Some(address) = address {
            let mut counts = self.counts();
            let count = counts.entry(address).or_default();
            count.lingering += 1;
            if count.lingering == self.0.per_address + 1 {
                self.0.crowds.fetch_add(1, Relaxed);
            }
        }
        self.0.all.fetch_add(1, Relaxed) + 1
    }

    fn leave(&self, address: Option<IpAddr>, cut: bool) {
        self.0.all.fetch_sub(1, Relaxed);
        let Some(address) = address else { return };
        let mut counts = self.counts();
        let Some(count) = counts.get_mut(&address) else { return };
        count.lingering -= 1;
        count.cut -= usize::from(cut);
        if count.lingering == self.0.per_address {
            self.0.crowds.fetch_sub(1, Relaxed);
        }
        if count.lingering == 0 {
            counts.remove(&address);
        }
    }

    /// Whether more linger than may for some address.
    fn are_crowded(&self) -> bool {
        self.0.crowds.load(Relaxed) > 0
    }

    /// Whether more linger for this address than may.
    fn crowd(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| {
            self.counts().get(&address).is_some_and(|count| count.lingering > self.0.per_address)
        })
    }

    /// Whether one of this address has to stop, who then counts as told.
    fn one_less(&self, address: Option<IpAddr>) -> bool {
        let mut counts = self.counts();
        let Some(count) = address.and_then(|address| counts.get_mut(&address)) else { return false };
        let many = count.lingering - count.cut > self.0.per_address;
        count.cut += usize::from(many);
        many
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 4] = [127, 0, 0, 1];
    const OTHER: [u8; 4] = [127, 0, 0, 2];

    fn lingering(slots: &Slots, lingerers: &Lingerers, address: [u8; 4], room: usize) -> Rc<Slot> {
        let slot = slots.enter(Some(address.into()), 0);
        slots.linger(&slot, 0, room, lingerers);
        slot
    }

    fn sweep(slots: &Slots, lingerers: &Lingerers) {
        slots.sweep(0, &Linger::default(), lingerers);
    }

    #[test]
    fn the_slowest_of_a_crowded_address_is_cut() {
        let (slots, lingerers) = (Slots::default(), Lingerers::new(2));
        let first = lingering(&slots, &lingerers, ONE, 100);
        first.lingered(10);
        let second = lingering(&slots, &lingerers, ONE, 100);
        second.lingered(5);
        let other = lingering(&slots, &lingerers, OTHER, 100);
        let third = lingering(&slots, &lingerers, ONE, 100);
        sweep(&slots, &lingerers);
        assert_eq!([&first, &second, &other, &third].map(|slot| slot.due.get()), [false; 4], "a crowd may pass");
        sweep(&slots, &lingerers);
        sweep(&slots, &lingerers);
        assert_eq!([&first, &second, &other, &third].map(|slot| slot.take_due()), [false, false, false, true]);
        for slot in [first, second, other, third] {
            slots.leave(&slot, &lingerers);
        }
        assert_eq!((slots.len(), lingerers.counts().len(), lingerers.are_crowded()), (0, 0, false));
    }

    #[test]
    fn who_comes_while_a_broken_connection_still_counts_is_not_cut_for_it() {
        let (here, there, lingerers) = (Slots::default(), Slots::default(), Lingerers::new(2));
        let broken = [(); 2].map(|()| lingering(&there, &lingerers, ONE, 100));
        let new = lingering(&here, &lingerers, ONE, 100);
        sweep(&here, &lingerers);
        broken.iter().for_each(|slot| there.leave(slot, &lingerers));
        [(); 3].iter().for_each(|()| sweep(&here, &lingerers));
        assert!(!new.take_due());
    }

    #[test]
    fn threads_together_cut_no_more_than_are_too_many() {
        let (here, there, lingerers) = (Slots::default(), Slots::default(), Lingerers::new(2));
        let slots = [&here, &there, &here, &there, &here].map(|slots| lingering(slots, &lingerers, ONE, 100));
        for slots in [&here, &there, &here, &there, &here] {
            sweep(slots, &lingerers);
        }
        assert_eq!(slots.iter().filter(|slot| slot.due.get()).count(), 3);
    }

    #[test]
    fn the_slowest_of_all_is_cut_when_slots_run_out() {
        let (slots, lingerers) = (Slots::default(), Lingerers::new(16));
        let fast = lingering(&slots, &lingerers, ONE, 1);
        fast.lingered(1_000_000);
        let slow = lingering(&slots, &lingerers, OTHER, 1);
        assert_eq!((fast.take_due(), slow.take_due()), (false, true));
    }

    #[test]
    fn all_threads_and_all_streams_share_the_slots() {
        let (here, there, lingerers) = (Slots::default(), Slots::default(), Lingerers::new(16));
        let fast = lingering(&here, &lingerers, ONE, 1);
        let stream = Slot::of_stream(Some(OTHER.into()));
        there.linger(&stream, 0, 1, &lingerers);
        assert_eq!((fast.take_due(), stream.take_due()), (false, true));
        there.linger_over(&stream, &lingerers);
        here.leave(&fast, &lingerers);
        assert_eq!(lingerers.0.all.load(Relaxed), 0);
    }
}
