//! Reloads: one after the other, on a thread beside the serving ones, the new rules whole or the old ones with the reason.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use byway_config::own::server::ServerSettings;
use byway_config::render::Colour;
use byway_server::live::background;
use byway_server::tls::Tls;
use byway_server::{Live, Loss};

use crate::control::Answer;
use crate::exit::{Exit, Failure};
use crate::listening;
use crate::observe::Loads;
use crate::places::PlaceKeeper;
use crate::served::{Fresh, Served};
use crate::systemd::{self, Now};
use crate::terminal::say;

/// Takes wishes for reloads; clones are the same one.
#[derive(Clone)]
pub(crate) struct Reloader {
    jobs: Sender<Job>,
    files: Arc<Mutex<Vec<PathBuf>>>,
}

struct Job {
    loss: Loss,
    then: Box<dyn FnOnce(Answer) + Send>,
}

impl Reloader {
    /// Starts the thread. It ends when nobody can ask any more.
    pub(crate) fn start(
        served: Served,
        settings: ServerSettings,
        live: Live,
        places: PlaceKeeper,
        loads: Arc<Loads>,
        tls: Vec<Tls>,
        colour: Colour,
    ) -> Reloader {
        let (jobs, wanted) = channel();
        let files = Arc::default();
        let worker = Worker { served, settings, live, places, loads, tls, colour, files: Arc::clone(&files) };
        background("byway-reload", move || worker.work(&wanted));
        Reloader { jobs, files }
    }

    /// Asks for a reload and goes on; `then` is told what came of it, which has been said on stderr by then.
    pub(crate) fn ask(&self, loss: Loss, then: impl FnOnce(Answer) + Send + 'static) {
        // The worker lives as long as this sender, unless it panicked; then there is nothing left to ask.
        let _ = self.jobs.send(Job { loss, then: Box::new(then) });
    }

    /// Asks for a reload and waits for what comes of it.
    pub(crate) fn ask_and_wait(&self, loss: Loss) -> Answer {
        let (tell, told) = channel();
        self.ask(loss, move |answer| _ = tell.send(answer));
        let lost = |_| Answer { exit: Exit::NoVerdict, text: "the reload did not come to its end\n".to_owned() };
        told.recv().unwrap_or_else(lost)
    }

    /// The files that the last reload read.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Worker {
    served: Served,
    /// What `[server]` said at the start: it holds to the end.
    settings: ServerSettings,
    live: Live,
    places: PlaceKeeper,
    loads: Arc<Loads>,
    tls: Vec<Tls>,
    colour: Colour,
    files: Arc<Mutex<Vec<PathBuf>>>,
}

impl Worker {
    fn work(&self, wanted: &Receiver<Job>) {
        while let Ok(job) = wanted.recv() {
            let began = SystemTime::now();
            systemd::tell(Now::Reloading);
            let answer = self.reload_certificates(self.reload(job.loss));
            systemd::tell(Now::Ready);
            self.loads.note(began, answer.exit);
            say(&answer.text);
            (job.then)(answer);
        }
    }

    fn reload(&self, loss: Loss) -> Answer {
        let began = Instant::now();
        let read = self.served.read(self.colour);
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = read.files;
        let mut text = read.said;
        match read.fresh {
            Err(failure) => {
                text.push_str(&said(&failure));
                text.push_str("the reload failed and changed nothing\n");
                Answer { exit: failure.exit, text }
            }
            Ok(fresh) => {
                if fresh.settings != self.settings {
                    text.push_str("[server] differs from what it was at the start; that takes a restart\n");
                }
                self.replace(fresh, loss, began, text)
            }
        }
    }

    /// Rules and certificates are two things: one may be new while the other stays.
    fn reload_certificates(&self, answer: Answer) -> Answer {
        let said: String = self.tls.iter().filter_map(listening::reload).collect();
        if said.is_empty() {
            return answer;
        }
        let exit = if answer.exit == Exit::Done { Exit::Something } else { answer.exit };
        Answer { exit, text: answer.text + &said }
    }

    fn replace(&self, fresh: Fresh, loss: Loss, began: Instant, mut text: String) -> Answer {
        match self.live.replace(fresh.rules, loss) {
            Ok(mut report) => {
                self.places.take(fresh.places, fresh.place_files);
                // Reading is a part of what a person waits for.
                report.took = began.elapsed();
                text.push_str(&format!("reloaded: {report}\n"));
                Answer { exit: Exit::Done, text }
            }
            Err(refused) => {
                text.push_str(&format!("{refused}\n  help: `byway reload --force` does it all the same\n"));
                Answer { exit: Exit::Something, text }
            }
        }
    }
}

fn said(failure: &Failure) -> String {
    let message = if failure.message.is_empty() { String::new() } else { format!("{}\n", failure.message) };
    let help = failure.help.as_ref().map(|help| format!("  help: {help}\n"));
    message + &help.unwrap_or_default()
}
