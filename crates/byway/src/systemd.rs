//! systemd: sockets that it made, and telling it how we are.
//!
//! Sockets come as `LISTEN_FDS` says; they stay open while one byway ends and the next begins, so that nobody is refused in
//! between. What is told goes to `NOTIFY_SOCKET`; where there is none, nobody listens and nothing happens.

use std::time::Duration;

use byway_server::{ListenAddr, Listener};
use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::exit::Failure;

/// The sockets that were handed over.
pub(crate) fn sockets(threads: usize) -> Result<Vec<Listener>, Failure> {
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::with_capacity(handed.len());
    for at in 0..handed.len() {
        listeners.push(adopt(&mut handed, at, threads).map_err(|error| {
            Failure::no_verdict(format!("socket {} of those that were handed over cannot be used: {error}", at + 3))
                .help("byway takes listening stream sockets: ListenStream= in the unit")
        })?);
    }
    Ok(listeners)
}

fn adopt(handed: &mut ListenFd, at: usize, threads: usize) -> std::io::Result<Listener> {
    // Asking for the wrong kind is an error and leaves the socket where it is.
    if let Ok(Some(socket)) = handed.take_unix_listener(at) {
        return Listener::adopt_unix(socket, threads);
    }
    match handed.take_tcp_listener(at)? {
        Some(socket) => Listener::adopt_tcp(socket, threads),
        None => Err(std::io::ErrorKind::NotFound.into()),
    }
}

/// The one of them at an address.
pub(crate) fn take(handed: &mut Vec<Listener>, address: &ListenAddr) -> Option<Listener> {
    let at = handed.iter().position(|listener| listener.address() == address)?;
    Some(handed.remove(at))
}

/// What systemd may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    /// Requests are answered; the rules are in service.
    Ready,
    /// Rules are being read again.
    Reloading,
    /// What is open is being finished.
    Stopping,
    /// All is well.
    Alive,
}

/// Tells it.
pub(crate) fn tell(now: Now) {
    // Where nobody listens there is nothing to tell.
    let _ = match now {
        Now::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Now::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Now::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Now::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|moment| sd_notify::notify(&[NotifyState::Reloading, moment]))
        }
    };
}

/// How often it wants to hear that all is well: twice in its own time, so that one late word is not the end.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|time| time / 2)
}
