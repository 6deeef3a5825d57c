//! Asking targets while serving: a round now and then, what came of it kept, changes said.
//!
//! A thread of its own at the lowest priority. Without a database of hits what is known of targets is forgotten at the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use byway_server::Live;
use byway_server::live::give_way;
use byway_server::metrics::{Figures, Kind, Page};

use crate::exit::Failure;
use crate::hits::store::{Store, TargetState};
use crate::listing;
use crate::probe::{self, Asked, Target};
use crate::rules::now;
use crate::terminal::say;

/// The thread; dropped, it ends after the request that it waits for, and nobody waits for it.
pub(crate) struct Prober {
    figures: Arc<Found>,
    _stop: Sender<()>,
}

#[derive(Debug, Default)]
struct Found {
    targets: AtomicU64,
    dead: AtomicU64,
    rounds: AtomicU64,
}

impl Prober {
    /// Starts it.
    pub(crate) fn start(every: Duration, live: &Live, store: Option<Store>) -> Result<Prober, Failure> {
        let (stop, stopped) = channel::<()>();
        let figures = Arc::new(Found::default());
        let (live, found) = (live.clone(), figures.clone());
        let thread = std::thread::Builder::new().name("byway-probe".to_owned()).spawn(move || {
            give_way();
            let mut known = Known::read(store);
            loop {
                known.round(&live, &found);
                if stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        thread.map_err(|error| Failure::no_verdict(format!("targets cannot be asked: {error}")))?;
        Ok(Prober { figures, _stop: stop })
    }

    /// What it has to say to those who watch.
    pub(crate) fn figures(&self) -> Arc<dyn Figures> {
        self.figures.clone()
    }
}

struct Known {
    store: Option<Store>,
    states: HashMap<String, TargetState>,
}

impl Known {
    fn read(store: Option<Store>) -> Known {
        // What cannot be read is asked anew.
        let states = store.as_ref().and_then(|store| store.targets().ok()).unwrap_or_default();
        Known { store, states: states.into_iter().map(|state| (state.url.clone(), state)).collect() }
    }

    fn round(&mut self, live: &Live, found: &Found) {
        // The rule set is not held while hosts are waited for.
        let asked = probe::plan(&live.current().rules, None).and_then(probe::ask_all);
        let Asked { targets, .. } = match asked {
            Ok(asked) => asked,
            Err(failure) => return say(&format!("byway: {}", failure.message)),
        };
        let mut dead = 0;
        for (target, said) in &targets {
            let before = self.states.get(&target.url);
            let after = probe::next(before, &target.url, said, now());
            dead += u64::from(after.is_dead);
            if let Some(store) = &mut self.store {
                // It is asked again in the next round, and written then.
                let _ = store.write_target(&after);
            }
            // Whoever hears of it finds it written.
            if before.is_some_and(|before| before.is_dead) != after.is_dead {
                tell(live, target, &after);
            }
            self.states.insert(target.url.clone(), after);
        }
        self.states.retain(|url, _| targets.iter().any(|(target, _)| target.url == *url));
        found.targets.store(targets.len() as u64, Relaxed);
        found.dead.store(dead, Relaxed);
        found.rounds.fetch_add(1, Relaxed);
    }
}

fn tell(live: &Live, target: &Target, state: &TargetState) {
    let url = &target.url;
    if !state.is_dead {
        return say(&format!("byway: the target {url} answers again ({})", state.said));
    }
    say(&format!("byway: the target {url} is dead: {}", state.said));
    let generation = live.current();
    let rules = generation.rules.rules().filter(|rule| target.rules.contains(&rule.number()));
    for rule in rules.filter(|rule| probe::urls(*rule, None).contains(url)).take(5) {
        say(&format!("  from {}", listing::named(rule)));
    }
}

impl Figures for Found {
    fn write(&self, page: &mut Page) {
        let help = "Distinct targets that were asked in the last round.";
        page.family("byway_targets", help, Kind::Gauge).value(&[], self.targets.load(Relaxed));
        let help = "Targets that answered 404, 410, 5xx or nothing, several rounds in a row.";
        page.family("byway_targets_dead", help, Kind::Gauge).value(&[], self.dead.load(Relaxed));
        let help = "Rounds in which targets were asked.";
        page.family("byway_probe_rounds_total", help, Kind::Counter).value(&[], self.rounds.load(Relaxed));
    }
}
