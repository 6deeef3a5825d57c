//! What a running server shows to those who watch it: `/metrics`, `/healthz` and `/readyz` on a listener of their own.
//!
//! Nobody is asked for a password there, so it is this machine's alone unless an address says otherwise, and it tells nothing
//! of single requests or rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use byway_server::metrics::{self, Figures, Kind, Page};
use byway_server::operators::{Asked, Desk, Door, Operators, Reply};
use byway_server::{Handle, ListenAddr};

use crate::exit::{Exit, Failure};
use crate::listening::blame;

/// Opens the place for metrics, where one is wanted.
pub(crate) fn door(wanted: Option<&str>) -> Result<Option<Door>, Failure> {
    let Some(text) = wanted else { return Ok(None) };
    // Unlike where the world is served, a lone port means this machine.
    let text_or_here = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_owned() };
    let address: ListenAddr = text_or_here.parse().map_err(|_| {
        Failure::usage(format!("`{text}` is no address for metrics"))
            .help("write `127.0.0.1:9307`, `[::1]:9307`, `:9307` (this machine alone) or `unix:/path.sock`")
    })?;
    Door::open(&address).map(Some).map_err(|error| blame(&error))
}

/// Answers there.
pub(crate) fn start(door: Door, handle: Arc<Handle>, figures: Vec<Arc<dyn Figures>>) -> Result<Operators, Failure> {
    let started = Operators::start("metrics", door, Arc::new(Watched { handle, figures }));
    started.map_err(|error| Failure::no_verdict(format!("metrics cannot be served: {error}")))
}

struct Watched {
    handle: Arc<Handle>,
    figures: Vec<Arc<dyn Figures>>,
}

impl Desk for Watched {
    fn answer(&self, asked: &Asked) -> Reply {
        let is_reading = asked.method == "GET" || asked.method == "HEAD";
        match asked.path.as_str() {
            "/metrics" | "/healthz" | "/readyz" if !is_reading => {
                Reply { allow: Some("GET, HEAD"), ..Reply::text(405, "Only GET and HEAD are answered here.\n") }
            }
            "/metrics" => {
                let figures: Vec<&dyn Figures> = self.figures.iter().map(Arc::as_ref).collect();
                let page = metrics::page(&self.handle, &figures);
                Reply { content_type: metrics::CONTENT_TYPE, ..Reply::text(200, page.text()) }
            }
            "/healthz" => Reply::text(200, "ok\n"),
            "/readyz" if self.handle.is_ready() => Reply::text(200, "ready\n"),
            "/readyz" => Reply::text(503, "stopping\n"),
            _ => Reply::text(404, "There are /metrics, /healthz and /readyz.\n"),
        }
    }
}

/// How loading went since the start.
#[derive(Debug)]
pub(crate) struct Loads {
    errors: AtomicU64,
    took_millis: AtomicU64,
}

impl Loads {
    /// After the first load, which went well.
    pub(crate) fn first(began: SystemTime) -> Loads {
        Loads { errors: AtomicU64::new(0), took_millis: AtomicU64::new(millis_since(began)) }
    }

    /// Counts a reload.
    pub(crate) fn note(&self, began: SystemTime, exit: Exit) {
        match exit {
            Exit::Done => self.took_millis.store(millis_since(began), Relaxed),
            _ => drop(self.errors.fetch_add(1, Relaxed)),
        }
    }
}

fn millis_since(began: SystemTime) -> u64 {
    u64::try_from(began.elapsed().unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl Figures for Loads {
    fn write(&self, page: &mut Page) {
        let help = "How long reading and compiling the rules in service took.";
        let seconds = self.took_millis.load(Relaxed) as f64 / 1_000.0;
        page.family("byway_load_seconds", help, Kind::Gauge).value(&[], seconds);
        let help = "Reloads that changed nothing, since the text was wrong or too much would have vanished.";
        page.family("byway_load_errors_total", help, Kind::Counter).value(&[], self.errors.load(Relaxed));
        let help = "The version of byway, as a label.";
        page.family("byway_build_info", help, Kind::Gauge).value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    }
}
