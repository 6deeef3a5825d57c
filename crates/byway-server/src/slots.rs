//! The open connections of one thread: their deadlines, and who may linger.
//!
//! No timer is registered per request. A connection writes its deadline into its slot, and the thread's tick goes over all slots
//! and wakes those that are due: a few microseconds a tick, and nothing per request. The same slots hold the meters of lingering
//! connections, so that the slowest can be cut when there are too many. How many linger is counted for the whole server
//! ([`Lingerers`]), and touched only when lingering begins or ends; who is cut is sought among this thread's own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
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

/// How fast a body arrives.
#[derive(Clone, Copy, Default)]
struct Meter {
    began: Tick,
    window_began: Tick,
    window_bytes: u64,
    bytes: u64,
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

    /// Wakes every connection whose time is up.
    pub(crate) fn sweep(&self, now: Tick, budget: &Linger) {
        for slot in &*self.open.borrow() {
            let due = match slot.phase.get() {
                Phase::Linger => slot.starves(now, budget),
                _ => slot.deadline.get() <= now,
            };
            if due {
                slot.call();
            }
        }
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

    /// Lets a connection or a stream linger; where that makes too many, the slowest is cut, which may be this one.
    pub(crate) fn linger(&self, slot: &Rc<Slot>, now: Tick, room: usize, budget: &Linger, lingerers: &Lingerers) {
        if slot.lingers_at.get().is_some() {
            return;
        }
        let (all, of_address) = lingerers.enter(slot.address());
        let crowded = of_address > budget.per_address;
        slot.meter.set(Meter { began: now, window_began: now, ..slot.meter.get() });
        slot.wait(Phase::Linger, Tick::MAX);
        let mut lingering = self.lingering.borrow_mut();
        if crowded {
            cut_slowest(lingering.iter().filter(|other| other.address() == slot.address()).chain([slot]), now);
        }
        slot.lingers_at.set(Some(lingering.len()));
        lingering.push(slot.clone());
        if all > room {
            cut_slowest(lingering.iter(), now);
        }
    }

    /// The body is over, or its budget is.
    pub(crate) fn linger_over(&self, slot: &Slot, lingerers: &Lingerers) {
        slot.meter.set(Meter::default());
        let Some(at) = slot.lingers_at.take() else { return };
        lingerers.leave(slot.address());
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
#[derive(Clone, Default)]
pub(crate) struct Lingerers(Arc<Counted>);

#[derive(Default)]
struct Counted {
    all: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

impl Lingerers {
    /// One more; how many there are now, in all and of this address.
    fn enter(&self, address: Option<IpAddr>) -> (usize, usize) {
        let all = self.0.all.fetch_add(1, Relaxed) + 1;
        let Some(address) = address else { return (all, 0) };
        let mut counts = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        *count += 1;
        (all, *count)
    }

    fn leave(&self, address: Option<IpAddr>) {
        self.0.all.fetch_sub(1, Relaxed);
        let Some(address) = address else { return };
        let mut counts = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lingering(slots: &Slots, lingerers: &Lingerers, address: [u8; 4], room: usize) -> Rc<Slot> {
        let slot = slots.enter(Some(address.into()), 0);
        let budget = Linger { per_address: 2, ..Linger::default() };
        slots.linger(&slot, 0, room, &budget, lingerers);
        slot
    }

    #[test]
    fn the_slowest_of_a_crowded_address_is_cut() {
        let (slots, lingerers) = (Slots::default(), Lingerers::default());
        let first = lingering(&slots, &lingerers, [127, 0, 0, 1], 100);
        first.lingered(10);
        let second = lingering(&slots, &lingerers, [127, 0, 0, 1], 100);
        second.lingered(5);
        let other = lingering(&slots, &lingerers, [127, 0, 0, 2], 100);
        let third = lingering(&slots, &lingerers, [127, 0, 0, 1], 100);
        assert_eq!([&first, &second, &other, &third].map(|slot| slot.take_due()), [false, false, false, true]);
        for slot in [first, second, other, third] {
            slots.leave(&slot, &lingerers);
        }
        assert_eq!((slots.len(), lingerers.0.addresses.lock().map(|counts| counts.len()).ok()), (0, Some(0)));
    }

    #[test]
    fn the_slowest_of_all_is_cut_when_slots_run_out() {
        let (slots, lingerers) = (Slots::default(), Lingerers::default());
        let fast = lingering(&slots, &lingerers, [127, 0, 0, 1], 1);
        fast.lingered(1_000_000);
        let slow = lingering(&slots, &lingerers, [127, 0, 0, 2], 1);
        assert_eq!((fast.take_due(), slow.take_due()), (false, true));
    }

    #[test]
    fn all_threads_and_all_streams_share_the_slots() {
        let (here, there, lingerers) = (Slots::default(), Slots::default(), Lingerers::default());
        let fast = lingering(&here, &lingerers, [127, 0, 0, 1], 1);
        let stream = Slot::of_stream(Some([127, 0, 0, 2].into()));
        there.linger(&stream, 0, 1, &Linger::default(), &lingerers);
        assert_eq!((fast.take_due(), stream.take_due()), (false, true));
        there.linger_over(&stream, &lingerers);
        here.leave(&fast, &lingerers);
        assert_eq!(lingerers.0.all.load(Relaxed), 0);
    }
}
