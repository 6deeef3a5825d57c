//! Starting, watching over and stopping the serving threads.
//!
//! Each thread is named `byway-N`, has a runtime of its own and one socket of every listener; a connection lives and dies on the
//! thread that accepted it. The thread that started the server is free: it waits, reloads, counts.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use byway_core::Scheme;
use socket2::Socket;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, watch};

use crate::access_log::LogWriter;
use crate::converse::{Entrance, Wire, converse};
use crate::core::{Core, Peer, Shared};
use crate::counters::{CoreCounters, Counts};
use crate::listen::{ListenAddr, Listener};
use crate::live::Live;
use crate::settings::Settings;
use crate::slots::{Lingerers, Slot};

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A server that runs.
pub struct Handle {
    live: Live,
    counters: Vec<Arc<CoreCounters>>,
    stop: watch::Sender<Running>,
    log: Option<LogWriter>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    addresses: Vec<ListenAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Running {
    Yes,
    Stopping,
}

impl Server {
    /// Starts the serving threads. The listeners must have been opened for [`Settings::threads`] threads.
    ///
    /// The error is that of a thread, a runtime or the log file that could not be had.
    ///
    /// ```
    /// use byway_core::Builder;
    /// use byway_server::{Listener, Live, Server, Settings};
    /// let settings = Settings { threads: 1, ..Default::default() };
    /// let live = Live::new(Builder::new(1).finish(), settings.threads());
    /// let listener = Listener::open(&"127.0.0.1:0".parse().unwrap(), settings.threads()).unwrap();
    /// let handle = Server::start(settings, live, vec![listener]).unwrap();
    /// handle.stop();
    /// handle.wait();
    /// ```
    pub fn start(settings: Settings, live: Live, listeners: Vec<Listener>) -> io::Result<Handle> {
        let threads = settings.threads();
        let log = settings.log.as_ref().map(LogWriter::start).transpose()?;
        let lingerers = Lingerers::new(settings.linger.per_address);
        let settings = Arc::new(settings);
        let (stop, stopping) = watch::channel(Running::Yes);
        let listening: Vec<_> = listeners.iter().map(|listener| listener.address().clone()).collect();
        let mut shares = shares(listeners, threads);
        let counters: Vec<_> = (0..threads).map(|_| Arc::new(CoreCounters::new(listening.len()))).collect();
        let mut joins = Vec::with_capacity(threads);
        for (number, counters) in counters.iter().enumerate() {
            let shared = Shared {
                lingerers: lingerers.clone(),
                counters: counters.clone(),
                log: log.as_ref().map(LogWriter::buffer),
            };
            let (settings, live, stopping) = (settings.clone(), live.clone(), stopping.clone());
            let sockets = std::mem::take(&mut shares[number]);
            let thread = std::thread::Builder::new().name(format!("byway-{number}"));
            joins.push(thread.spawn(move || serve(Core::new(number, settings, &live, shared), sockets, stopping))?);
        }
        Ok(Handle { live, counters, stop, log, threads: Mutex::new(joins), addresses: listening })
    }
}

impl Handle {
    /// The rule set in service.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Where it listens, in the order in which [`crate::Answers::listener`] counts.
    pub fn addresses(&self) -> &[ListenAddr] {
        &self.addresses
    }

    /// Whether it has not been told to stop.
    pub fn is_ready(&self) -> bool {
        *self.stop.borrow() == Running::Yes
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        Counts::sum(self.counters.iter().map(Arc::as_ref))
    }

    /// Lines of the access log that were dropped because the disk could not keep up.
    pub fn log_lines_lost(&self) -> u64 {
        self.log.as_ref().map_or(0, LogWriter::lost)
    }

    /// Opens the access log anew, after somebody renamed it.
    pub fn reopen_log(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// Stops accepting; idle connections are closed, open ones have [`Settings::stop_time`] to finish. Returns at once.
    pub fn stop(&self) {
        self.stop.send_replace(Running::Stopping);
    }

    /// Waits until all threads have ended, which they do after [`Handle::stop`], and the access log is written to its end.
    pub fn wait(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has ended as well; its message is on stderr.
            let _ = thread.join();
        }
        // Others may hold this handle when the process ends, and would end it with lines unwritten.
        if let Some(log) = &self.log {
            log.close();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
        self.wait();
    }
}

/// One thread's part of a listener.
struct Share {
    address: ListenAddr,
    socket: Socket,
    entrance: Entrance,
    /// The number of the listener.
    number: u16,
}

/// One socket of every listener for every thread.
fn shares(listeners: Vec<Listener>, threads: usize) -> Vec<Vec<Share>> {
    let mut shares: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
    for (number, listener) in listeners.into_iter().enumerate() {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        let (address, entrance) = (listener.address().clone(), listener.entrance());
        for (at, socket) in listener.into_sockets().into_iter().enumerate() {
            // More sockets than threads would leave connections unanswered: each finds a thread.
            shares[at % threads].push(Share { address: address.clone(), socket, entrance: entrance.clone(), number });
        }
    }
    shares
}

/// One serving thread, from start to end.
fn serve(core: Core, shares: Vec<Share>, stopping: watch::Receiver<Running>) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    match runtime {
        Ok(runtime) => runtime.block_on(run(Rc::new(core), shares, stopping)),
        Err(error) => panic!("no runtime for a serving thread: {error}"), // no file descriptors at start: nothing can be served
    }
}

async fn run(core: Rc<Core>, shares: Vec<Share>, mut stopping: watch::Receiver<Running>) {
    let room = Rc::new(Notify::new());
    let accepting: Vec<_> = shares
        .into_iter()
        .map(|share| tokio::task::spawn_local(accept_all(share, core.clone(), room.clone())))
        .collect();
    let ticking = tokio::task::spawn_local(tick(core.clone()));
    // An error means that the handle is gone, which is a reason to stop as well.
    let _ = stopping.wait_for(|running| *running == Running::Stopping).await;
    core.stopping.set(true);
    accepting.iter().for_each(|task| task.abort());
    core.slots.call_idle();
    let deadline = core.clock.after(core.settings.stop_time);
    while core.slots.len() > 0 && core.clock.tick() < deadline {
        tokio::time::sleep(core.settings.tick.min(Duration::from_millis(20))).await;
        core.clock.update();
        core.slots.call_idle();
    }
    ticking.abort();
    if let Some(log) = &core.log {
        log.borrow_mut().flush();
    }
}

async fn tick(core: Rc<Core>) {
    let mut ticks = tokio::time::interval(core.settings.tick);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        core.tick();
    }
}

async fn accept_all(share: Share, core: Rc<Core>, room: Rc<Notify>) {
    let Share { address, socket, entrance, number } = share;
    let door = Door { entrance: Rc::new(entrance), number, core, room };
    let accepted = match address {
        ListenAddr::Tcp(address) => match TcpListener::from_std(socket.into()) {
            Ok(listener) => accept_tcp(&listener, address.port(), &door).await,
            Err(error) => error,
        },
        ListenAddr::Unix(_) => match UnixListener::from_std(socket.into()) {
            Ok(listener) => accept_unix(&listener, &door).await,
            Err(error) => error,
        },
    };
    panic!("a listening socket that the runtime will not take: {accepted}"); // the socket is ours and open: a bug, not a fault
}

/// Where connections come in: what every one of them is given.
struct Door {
    entrance: Rc<Entrance>,
    number: u16,
    core: Rc<Core>,
    room: Rc<Notify>,
}

impl Door {
    fn peer(&self, address: Option<IpAddr>, local_port: u16) -> Peer {
        let is_trusted = self.core.settings.trust.covers(address);
        Peer { address, local_port, listener: self.number, scheme: Scheme::Http, is_trusted }
    }
}

async fn accept_tcp(listener: &TcpListener, local_port: u16, door: &Door) -> io::Error {
    loop {
        wait_for_room(&door.core, &door.room).await;
        match listener.accept().await {
            Ok((stream, from)) => {
                let peer = door.peer(Some(from.ip().to_canonical()), local_port);
                spawn(stream, peer, door);
            }
            Err(error) => pause_after(&error).await,
        }
    }
}

async fn accept_unix(listener: &UnixListener, door: &Door) -> io::Error {
    loop {
        wait_for_room(&door.core, &door.room).await;
        match listener.accept().await {
            Ok((stream, _)) => spawn(stream, door.peer(None, Scheme::Http.default_port()), door),
            Err(error) => pause_after(&error).await,
        }
    }
}

/// When all slots are taken, the connection that has been idle longest makes room; if none is idle, the backlog waits until one
/// is.
async fn wait_for_room(core: &Core, room: &Notify) {
    while core.slots.len() >= core.room() {
        core.slots.call_idlest();
        // Either a slot was given back, or it is time to look for an idle one again.
        let _ = tokio::time::timeout(core.settings.tick, room.notified()).await;
    }
}

/// A connection that was gone before it was accepted is nothing; no file descriptor left is worth a pause.
async fn pause_after(error: &io::Error) {
    let gone = matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset);
    if !gone {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn spawn<S: Wire>(stream: S, peer: Peer, door: &Door) {
    let Door { entrance, core, room, .. } = door;
    let slot = core.slots.enter(peer.lingers_for(), core.clock.after(core.settings.header_time));
    core.counters.accepted();
    let guard = Guard { core: core.clone(), slot: slot.clone(), room: room.clone() };
    let (core, entrance) = (core.clone(), entrance.clone());
    drop(tokio::task::spawn_local(async move {
        let _guard = guard;
        converse(stream, peer, &entrance, core, slot).await;
    }));
}

/// Gives the slot back, however a connection ends.
struct Guard {
    core: Rc<Core>,
    slot: Rc<Slot>,
    room: Rc<Notify>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.core.slots.leave(&self.slot, &self.core.lingerers);
        self.core.counters.closed();
        self.room.notify_one();
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("live", &self.live).finish_non_exhaustive()
    }
}
