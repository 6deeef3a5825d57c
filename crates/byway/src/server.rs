//! A server that runs: from rules and wishes to listeners, through reloads, to a clean end.
//!
//! The main thread waits for what happens (signals, the end) and does nothing else; reloads happen one after the other on a
//! thread of their own at the lowest priority, whoever asked for them.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

use byway_config::own::server::{AccessLogFormat, AccessLogQueries, AdminSettings, ServerSettings};
use byway_core::host::HostPattern;
use byway_server::metrics::Figures;
use byway_server::operators::{Door, Operators};
use byway_server::settings::{Added, Hsts, Log, LogFormat, Queries, Timing};
use byway_server::signals::{self, Event, Then};
use byway_server::tls::Tls;
use byway_server::watch::{self, Patience};
use byway_server::{Handle, ListenAddr, ListenError, Listener, Live, Loss, Server, Settings, Unmatched};

use crate::admin::{self, Admin, AdminDesk, Entrance, Guard};
use crate::demo::{self, Demo};
use crate::disk::not_made;
use crate::exit::{Ended, Exit, Failure};
use crate::hits::{self, IfDamaged, Keeper};
use crate::listening::{self, Listening, Shows};
use crate::observe::{self, Loads};
use crate::places::PlaceKeeper;
use crate::prober::Prober;
use crate::reloader::Reloader;
use crate::rules::count;
use crate::served::{Fresh, Served};
use crate::standing;
use crate::systemd::{self, Now};
use crate::terminal::{Terminal, say};

/// What the command line asks for; it wins over `[server]`.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) listening: Listening,
    pub(crate) workers: Option<usize>,
    pub(crate) watch: bool,
    pub(crate) allow_loss: bool,
    pub(crate) added: Added,
    pub(crate) control: Option<PathBuf>,
    pub(crate) metrics: Option<String>,
    pub(crate) hits: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
    pub(crate) probe: Option<Duration>,
    pub(crate) damaged_hits: IfDamaged,
    pub(crate) log: Option<Log>,
}

impl Wishes {
    fn loss(&self) -> Loss {
        if self.allow_loss { Loss::Any } else { Loss::AtMostATenth }
    }
}

/// Something that the main thread waits for.
enum Happened {
    Signal(Event),
    Ended,
}

/// Serves until told to stop.
pub(crate) fn run(served: Served, wishes: &Wishes, terminal: &Terminal) -> Ended {
    let colour = terminal.message_colour;
    let began = SystemTime::now();
    let read = served.read(colour);
    say_some(&read.said);
    let Fresh { rules, written: size, settings: written, places, place_files } = read.fresh?;
    let mut settings = settings(&written, wishes)?;
    let listening::Open { listeners, tls } = listening::open(&written, &wishes.listening, settings.threads())?;
    let addresses: Vec<String> = listeners.iter().map(Listener::url).collect();
    if matches!(served, Served::Demo)
        && let Some(first) = addresses.first()
    {
        settings.unmatched = Unmatched::Pages(Arc::new(Demo::at(first)));
    }
    check_log(&settings)?;
    let kept = wishes.hits.clone().or(written.hits.as_ref().map(PathBuf::from));
    let hits_file = kept.clone();
    let kept = kept.map(|path| hits::open(&path, wishes.damaged_hits)).transpose()?;
    let doors = admin_doors(wishes, &written.admin)?;
    let metrics = observe::door(wishes.metrics.as_deref().or(written.metrics.as_deref()))?;
    if metrics.is_some() {
        settings.timing = Timing::On;
    }
    let (happens, happened) = channel();
    signal_to(happens.clone()).map_err(|error| Failure::no_verdict(format!("signals cannot be caught: {error}")))?;
    let live = Live::new(rules, settings.threads());
    let place_keeper = PlaceKeeper::new(live.clone());
    place_keeper.take(places, place_files);
    let is_demo = matches!(served, Served::Demo);
    let loads = Arc::new(Loads::first(began));
    let written_probe = written.probe;
    let folder = wishes.state.clone().or(written.state.as_ref().map(PathBuf::from));
    let keeping = standing::start(&live, folder.as_deref())?;
    let certificates: Vec<Tls> =
        tls.iter().chain(doors.iter().filter_map(|(_, _, tls)| tls.as_ref())).cloned().collect();
    let reloader = Reloader::start(
        served,
        written,
        live.clone(),
        place_keeper.clone(),
        loads.clone(),
        certificates.clone(),
        colour,
    );
    let _watch = watch(wishes, read.files, began, &reloader)?;
    let _certificates = certificates.iter().map(listening::watch).collect::<Result<Vec<_>, _>>()?;
    let downgrade_308 = settings.downgrade_308.clone();
    let handle = Server::start(settings, live, listeners);
    let handle = Arc::new(handle.map_err(|error| Failure::no_verdict(format!("the server cannot start: {error}")))?);
    let keeper = kept.map(|store| Keeper::start(store, handle.live())).transpose()?;
    let mut figures: Vec<Arc<dyn Figures>> =
        vec![loads, Arc::new(place_keeper), keeping.standing.clone(), Arc::new(Shows(certificates))];
    figures.extend(keeper.as_ref().map(Keeper::figures));
    let admin = Admin {
        handle: handle.clone(),
        reloader: reloader.clone(),
        usual: wishes.loss(),
        downgrade_308,
        hits: hits_file.clone(),
        levers: vec![Box::new(keeping.standing.clone())],
    };
    let administered = administer(doors, admin)?;
    let prober = prober(wishes.probe.or(written_probe), handle.live(), hits_file.as_deref())?;
    figures.extend(prober.as_ref().map(Prober::figures));
    let _metrics = metrics.map(|door| observe::start(door, handle.clone(), figures)).transpose()?;
    addresses.iter().for_each(|address| say(&format!("listening on {address}")));
    if let Some(metrics) = &_metrics {
        say(&format!("metrics on {}", metrics.address()));
    }
    // The socket was named by the one who started the server.
    for admin in administered.iter().filter(|admin| matches!(admin.address(), ListenAddr::Tcp(_))) {
        say(&format!("admin on {}", admin.url()));
    }
    match is_demo {
        true => greet(addresses.first().map(String::as_str)),
        false => say(&format!("serving {}", count(size, "rule"))),
    }
    systemd::tell(Now::Ready);
    let watchdog = systemd::watchdog();
    let mut is_stopping = false;
    while let Some(event) = next(&happened, watchdog) {
        match event {
            Happened::Signal(Event::Reload) => reloader.ask(wishes.loss(), |_| {}),
            Happened::Signal(Event::ReopenLog) => handle.reopen_log(),
            // Whoever presses Ctrl-C twice will not wait for slow clients.
            Happened::Signal(Event::Interrupt) if is_stopping => return Ok(Exit::Done),
            Happened::Signal(Event::Terminate | Event::Interrupt) if !is_stopping => {
                is_stopping = true;
                systemd::tell(Now::Stopping);
                stop(handle.clone(), happens.clone());
            }
            Happened::Signal(_) => {}
            Happened::Ended => break,
        }
    }
    Ok(Exit::Done)
}

/// Waits for what happens next, and says now and then that all is well where systemd wants to hear it.
fn next(happened: &Receiver<Happened>, watchdog: Option<Duration>) -> Option<Happened> {
    let Some(every) = watchdog else { return happened.recv().ok() };
    loop {
        match happened.recv_timeout(every) {
            Err(RecvTimeoutError::Timeout) => systemd::tell(Now::Alive),
            event => return event.ok(),
        }
    }
}

/// Asks targets, where that is wanted.
fn prober(every: Option<Duration>, live: &Live, hits: Option<&Path>) -> Result<Option<Prober>, Failure> {
    let Some(every) = every else { return Ok(None) };
    let store = hits.map(|path| hits::open(path, IfDamaged::Refuse)).transpose()?;
    Prober::start(every, live, store).map(Some)
}

fn say_some(text: &str) {
    if !text.is_empty() {
        say(text);
    }
}

fn greet(address: Option<&str>) {
    let Some(address) = address else { return };
    say("Open it in a browser, or try:");
    demo::curl_lines(address).iter().for_each(|line| say(&format!("  {line}")));
}

fn signal_to(happens: Sender<Happened>) -> std::io::Result<()> {
    let sent = move |event| match happens.send(Happened::Signal(event)) {
        Ok(()) => Then::GoOn,
        Err(_) => Then::End,
    };
    signals::watch(sent).map(|_| ())
}

/// Stops in the background, so that a second Ctrl-C is heard.
fn stop(handle: Arc<Handle>, happens: Sender<Happened>) {
    handle.stop();
    let waits = move || {
        handle.wait();
        // Whoever went away before needs not be told.
        let _ = happens.send(Happened::Ended);
    };
    std::thread::spawn(waits);
}

/// The places of the admin API that are wanted: the socket, and what `[admin]` names.
fn admin_doors(wishes: &Wishes, written: &AdminSettings) -> Result<Vec<Entrance>, Failure> {
    let mut doors = Vec::new();
    if let Some(path) = &wishes.control {
        let opened = Door::open(&ListenAddr::Unix(path.clone()));
        let refused = |error: ListenError| {
            let why = not_made(path, &error.error);
            Failure::no_verdict(format!("the control socket {} cannot be opened: {why}", path.display()))
        };
        doors.push((opened.map_err(refused)?, Guard::Socket, None));
    }
    doors.extend(admin::door(written)?);
    Ok(doors)
}

fn administer(doors: Vec<Entrance>, admin: Admin) -> Result<Vec<Operators>, Failure> {
    let admin = Arc::new(admin);
    let start = |(door, guard, _)| {
        let started = Operators::start("admin", door, Arc::new(AdminDesk { admin: admin.clone(), guard }));
        started.map_err(|error| Failure::no_verdict(format!("the admin API cannot start: {error}")))
    };
    doors.into_iter().map(start).collect()
}

/// Watches the files from when they were read.
fn watch(
    wishes: &Wishes,
    files: Vec<PathBuf>,
    began: SystemTime,
    reloader: &Reloader,
) -> Result<Option<watch::Watch>, Failure> {
    if !wishes.watch || files.is_empty() {
        return Ok(None);
    }
    let modified = |file: &PathBuf| std::fs::metadata(file).and_then(|found| found.modified());
    let read = files.clone();
    let (again, reloader, loss) = (reloader, reloader.clone(), wishes.loss());
    let changed = move || {
        reloader.ask_and_wait(loss);
        reloader.files()
    };
    let watch = watch::watch(files, Patience::default(), changed);
    let watch = watch.map_err(|error| Failure::no_verdict(format!("the files cannot be watched: {error}")))?;
    // Nobody watched while they were read.
    if read.iter().any(|file| modified(file).is_ok_and(|modified| modified >= began)) {
        again.ask(loss, |_| {});
    }
    Ok(Some(watch))
}

/// The server's settings: what the command line says, else what `[server]` says, else the defaults.
fn settings(written: &ServerSettings, wishes: &Wishes) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    settings.added = wishes.added;
    set(&mut settings.threads, wishes.workers.or(written.workers));
    set(&mut settings.stop_time, written.stop_time);
    set(&mut settings.unmatched, written.unmatched.map(Unmatched::Status));
    let limits = &written.limits;
    set(&mut settings.connections, limits.connections);
    set(&mut settings.request_line, limits.request_line.map(bytes));
    set(&mut settings.head, limits.head.map(bytes));
    set(&mut settings.fields, limits.fields);
    set(&mut settings.header_time, limits.header_time);
    set(&mut settings.handshake_time, limits.handshake_time);
    set(&mut settings.idle_time, limits.idle_time);
    set(&mut settings.streams, limits.streams);
    let linger = &written.linger;
    set(&mut settings.linger.body, linger.body);
    set(&mut settings.linger.window, linger.window);
    set(&mut settings.linger.window_bytes, linger.window_bytes);
    set(&mut settings.linger.discard, linger.discard);
    set(&mut settings.linger.slots_one_in, linger.slots_one_in);
    set(&mut settings.linger.per_address, linger.per_address);
    settings.trust = listening::trust(written)?;
    settings.hsts = written.hsts.as_ref().map(|hsts| Hsts {
        value: hsts.value.clone(),
        // They were read once already.
        hosts: hsts
            .hosts
            .iter()
            .filter_map(|host| HostPattern::parse(host).ok().map(HostPattern::into_owned))
            .collect(),
    });
    settings.downgrade_308 = written.downgrade_308.clone();
    settings.log = wishes.log.clone().or_else(|| written_log(written));
    Ok(settings)
}

/// A log that cannot be written is said by its name, before anything is served.
fn check_log(settings: &Settings) -> Result<(), Failure> {
    let Some(log) = &settings.log else { return Ok(()) };
    let opened = OpenOptions::new().create(true).append(true).open(&log.path);
    opened.map(|_| ()).map_err(|error| {
        let why = not_made(&log.path, &error);
        Failure::no_verdict(format!("the access log {} cannot be opened: {why}", log.path.display()))
    })
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

fn written_log(written: &ServerSettings) -> Option<Log> {
    written.access_log.as_ref().map(|log| Log {
        path: PathBuf::from(&log.path),
        format: match log.format {
            AccessLogFormat::Common => LogFormat::Common,
            AccessLogFormat::Combined => LogFormat::Combined,
            AccessLogFormat::Json => LogFormat::Json,
        },
        queries: match log.queries {
            AccessLogQueries::Hidden => Queries::Hidden,
            AccessLogQueries::Shown => Queries::Shown,
        },
    })
}
