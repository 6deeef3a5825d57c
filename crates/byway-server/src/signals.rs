//! The signals that a server answers to, as events: reload, reopen the log, stop.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// SIGHUP: read the rules again.
    Reload,
    /// SIGUSR1: open the access log again.
    ReopenLog,
    /// SIGTERM: stop and finish what is open.
    Terminate,
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
}

/// Whether more signals are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Yes.
    GoOn,
    /// No; from then on signals are caught and ignored.
    End,
}

/// Calls back for every signal, on a thread of its own, until told to end.
///
/// The error is that of a handler that could not be set. Signals that arrive after this returns are not missed; those of one
/// kind that arrive while the callback runs are one.
pub fn watch(mut callback: impl FnMut(Event) -> Then + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut hangup, mut user, mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::hangup())?,
            signal(SignalKind::user_defined1())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    std::thread::Builder::new().name("byway-signals".into()).spawn(move || {
        runtime.block_on(async move {
            loop {
                let event = tokio::select! {
                    _ = hangup.recv() => Event::Reload,
                    _ = user.recv() => Event::ReopenLog,
                    _ = terminate.recv() => Event::Terminate,
                    _ = interrupt.recv() => Event::Interrupt,
                };
                if callback(event) == Then::End {
                    return;
                }
            }
        });
    })
}
