//! The same requests to byway and to the real server, and what differs.
//!
//! A configuration is laid out in a temporary folder with ports of loopback; the real server and byway read the same text from
//! there. Requests are made from the rules ([`sampler`]) and changed ([`mutations`]); both answers are compared byte for byte
//! ([`answer`]). byway is asked in this process, or over the wire where bodies are compared too.

mod answer;
mod ask;
mod asked;
mod automata;
pub(crate) mod converted;
mod draw;
mod lists;
mod matching;
mod mutations;
mod reach;
mod said;
mod sampler;
mod served;
mod servers;
mod spelling;
mod stand_ins;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use byway_config::diagnostic::Severity;
use byway_config::foreign::Purpose;
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_config::remarks::Verdict as SaidVerdict;
use byway_config::writing;
use byway_core::RuleSet;
use byway_core::rule::{FileId, Place};
use byway_core::ruleset::Scratch;

use crate::disk::Disk;
use answer::{Answer, Ours, Verdict, compare};
use ask::Ask;
pub(crate) use asked::{Asked, Why};
use draw::Draw;
use reach::{Reach, Reacher, Trail};
use said::Said;
use sampler::Sampler;
use served::Served;
use servers::{Folder, Server, Source};
use spelling::{as_seen, has_control, is_half_a_number, is_odd_path, plain};
use stand_ins::StandIns;
use wire::Wire;

/// How to replay.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How many requests each configuration is asked.
    pub(crate) requests: usize,
    /// The seed of the requests and of generated configurations.
    pub(crate) seed: u64,
    /// Whether byway is asked over the wire.
    pub(crate) over: Over,
    /// How many differences are shown.
    pub(crate) shown: usize,
    /// When rules are asked, in seconds of Unix time.
    pub(crate) now: i64,
    /// The format that rules are written in before they are asked of its server; the rules themselves are asked of byway.
    pub(crate) written_as: Option<&'static Format>,
    /// How configurations are read.
    pub(crate) reading: LoadOptions,
    /// Where what is laid out for a server stays when the replay is over.
    pub(crate) keep: Option<PathBuf>,
    /// The folders that this run has laid something out in, none of them named in what was given.
    pub(crate) folders: Vec<PathBuf>,
}

/// How byway is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// In this process.
    Process,
    /// As a server of its own, on loopback.
    Wire,
}

/// What came of a replay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Configurations that were replayed.
    pub(crate) configurations: u64,
    /// Configurations that could not be, and why.
    pub(crate) skipped: Vec<String>,
    /// Requests that both were asked.
    pub(crate) requests: u64,
    /// Those of them in which the server or byway sent a Location.
    pub(crate) redirects: u64,
    pub(crate) agreed: u64,
    /// Differences with a name.
    pub(crate) named: BTreeMap<&'static str, u64>,
    /// How many others there are, and the first of them, one for each rule.
    pub(crate) differ: u64,
    pub(crate) differences: Vec<String>,
    /// Lines that the server did not know, which were taken out for both.
    pub(crate) taken_out: u64,
    /// Source rules as the reader judged them: exact, approximated, refused.
    pub(crate) rules: [u64; 3],
    /// Differences where the rule that decided was said to be approximated or refused.
    pub(crate) announced: u64,
    /// Others where the request had come by a rule that is left out, which may have decided it.
    pub(crate) behind: u64,
    /// What came of each source rule.
    pub(crate) asked: Vec<Asked>,
    pub(crate) took: Duration,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.configurations += other.configurations;
        self.skipped.extend(other.skipped);
        self.requests += other.requests;
        self.redirects += other.redirects;
        self.agreed += other.agreed;
        for (name, count) in other.named {
            *self.named.entry(name).or_default() += count;
        }
        self.differ += other.differ;
        self.differences.extend(other.differences);
        self.taken_out += other.taken_out;
        self.rules.iter_mut().zip(other.rules).for_each(|(sum, count)| *sum += count);
        self.announced += other.announced;
        self.behind += other.behind;
        self.asked.extend(other.asked);
        self.took += other.took;
    }

    pub(crate) fn named_count(&self) -> u64 {
        self.named.values().sum()
    }

    /// Rules that were said to be exact: those that had a part in requests and always agreed, those that differed, those that
    /// never fit, those that another hides, those that do nothing, those over https alone, and those that no request came to.
    pub(crate) fn exact_rules(&self) -> [u64; 7] {
        let mut counts = [0; 7];
        for asked in self.asked.iter().filter(|asked| asked.verdict == SaidVerdict::Exact) {
            let at = match &asked.why {
                _ if asked.differed > 0 => 1,
                _ if asked.requests > 0 => 0,
                Some(Why::Never) => 2,
                Some(Why::Hidden(_)) => 3,
                Some(Why::Idle) => 4,
                Some(Why::Https) => 5,
                Some(Why::NotFound) | None => 6,
            };
            counts[at] += 1;
        }
        counts
    }
}

/// Replays the configurations that were named.
pub(crate) fn named(files: &[PathBuf], plan: &Plan) -> BTreeMap<&'static str, Tally> {
    let mut tallies: BTreeMap<&'static str, Tally> = BTreeMap::new();
    for file in files {
        let (name, tally) = match one(file, plan, plan.seed) {
            Ok((name, tally)) => (name, tally),
            Err(why) => {
                let skipped = vec![format!("{}: {why}", file.display())];
                ("skipped", Tally { skipped, ..Tally::default() })
            }
        };
        tallies.entry(name).or_default().add(tally);
    }
    tallies
}

/// Replays generated configurations of a server.
pub(crate) fn generated(format: &str, count: usize, plan: &Plan) -> Result<BTreeMap<&'static str, Tally>, String> {
    let server = Server::of(format).ok_or_else(|| format!("there is no real server for `{format}`"))?;
    let mut total = Tally::default();
    for number in 0..count as u64 {
        let seed = plan.seed.wrapping_mul(1_000_003).wrapping_add(number);
        let folder = Folder::new(plan.keep.as_deref()).map_err(|error| format!("no temporary folder: {error}"))?;
        let (name, text) = (server.generate)(format, &mut Draw::new(seed));
        let file = folder.write(name, servers::whole(&text, &folder)?)?;
        let mut plan = plan.clone();
        plan.reading.foreign.allowed.push(folder.path().to_owned());
        plan.folders.push(folder.path().to_owned());
        match one(&file, &plan, seed) {
            Ok((_, mut tally)) => {
                tally.differences.iter_mut().for_each(|line| line.insert_str(0, &format!("[seed {seed}] ")));
                total.add(tally);
            }
            Err(why) => total.skipped.push(format!("generated with seed {seed}: {why}")),
        }
    }
    Ok(BTreeMap::from([(server.name, total)]))
}

/// How many ports of one configuration are asked, the first in its text.
const MOST_PORTS: usize = 32;

fn one(file: &Path, plan: &Plan, seed: u64) -> Result<(&'static str, Tally), String> {
    let began = Instant::now();
    let first = read(file, plan, None)?;
    let folder = Folder::new(plan.keep.as_deref()).map_err(|error| format!("no temporary folder: {error}"))?;
    let (server, mut tally) = match plan.written_as {
        Some(format) => written(&first, format, plan, seed, &folder)?,
        None => as_it_is(file, &first, plan, seed, &folder)?,
    };
    tally.took = began.elapsed();
    Ok((server.name, tally))
}

/// Asks the server what byway reads, as it is.
fn as_it_is(
    file: &Path,
    first: &Loaded,
    plan: &Plan,
    seed: u64,
    folder: &Folder,
) -> Result<(&'static Server, Tally), String> {
    let format = format_of(first, plan)?;
    let server = server_of(format)?;
    let files: Vec<PathBuf> = first.files.iter().map(|(_, file)| file.path.clone()).collect();
    let laid = (server.lay_out)(&Source { named: file, format: format.name, files: &files }, folder)?;
    let running = server.start(folder, &laid)?;
    // The document root lies beside what was laid out.
    let mut plan = plan.clone();
    plan.reading.foreign.allowed.push(folder.path().to_owned());
    plan.folders.push(folder.path().to_owned());
    let plan = &plan;
    let loaded = read(&laid.named, plan, Some(format))?;
    let mut tally = Tally { configurations: 1, taken_out: running.taken_out.len() as u64, ..Tally::default() };
    tally.rules = [loaded.remarks.exact, loaded.remarks.approximated, loaded.remarks.refused];
    let said = Said::of_reading(&loaded);
    let served = match plan.over {
        Over::Process => None,
        Over::Wire => Some(Served::start(&laid.named, format, &plan.reading.foreign)?),
    };
    // As a server of its own byway listens on one port, and takes it for the first.
    let count = if served.is_some() { 1 } else { laid.ports.len().min(MOST_PORTS) };
    let ports = laid.ports.get(..count);
    ask_all(&loaded, &said, served, ports.ok_or("no port")?, plan, seed, &mut tally)?;
    Ok((server, tally))
}

/// Writes rules in the format of a server, and asks it what byway answers by the rules themselves.
fn written(
    loaded: &Loaded,
    format: &'static Format,
    plan: &Plan,
    seed: u64,
    folder: &Folder,
) -> Result<(&'static Server, Tally), String> {
    let server = server_of(format)?;
    let name = Path::new("export").join(server.file_of(format.name));
    let writing = writing::write_for(loaded, format, Some(&folder.path().join(&name))).ok_or("there are no rules")?;
    for (list, text) in &writing.lists {
        folder.write(Path::new("export").join(list), text)?;
    }
    let export = folder.write(name, &writing.text)?;
    let files = [export.clone()];
    let laid = (server.lay_out)(&Source { named: &export, format: format.name, files: &files }, folder)?;
    let running = server.start(folder, &laid)?;
    if let Some(line) = running.taken_out.first() {
        return Err(format!("{} does not take what was written: {line}", server.name));
    }
    let port = laid.ports.get(..1).ok_or("no port")?;
    let mut tally = Tally { configurations: 1, ..Tally::default() };
    tally.rules = [writing.remarks.exact, writing.remarks.approximated, writing.remarks.refused];
    let said = Said::of_writing(&writing);
    ask_all(loaded, &said, None, port, plan, seed, &mut tally)?;
    Ok((server, tally))
}

fn server_of(format: &Format) -> Result<&'static Server, String> {
    Server::of(format.name).ok_or_else(|| format!("there is no real server for `{}`", format.name))
}

fn read(file: &Path, plan: &Plan, format: Option<&'static Format>) -> Result<Loaded, String> {
    let mut options = plan.reading.clone();
    options.format = format.or(options.format);
    options.foreign.purpose = if plan.written_as.is_some() { Purpose::Writing } else { Purpose::Answering };
    // A document root that is replayed whole says itself which of its files are there.
    let loaded = load(&Disk, &[file], &options);
    match &loaded.rules {
        Some(_) => Ok(loaded),
        None => {
            let errors = loaded.diagnostics.iter().filter(|said| said.severity == Severity::Error);
            let said: Vec<String> = errors.take(3).map(|said| said.message.clone()).collect();
            Err(said.join("; "))
        }
    }
}

fn format_of(loaded: &Loaded, plan: &Plan) -> Result<&'static Format, String> {
    let read_as = loaded.files.iter().find_map(|(_, file)| file.format);
    read_as.or(plan.reading.format).ok_or_else(|| "its format is not known".to_owned())
}

/// What both say of each request; byway over the wire where it is a server of its own.
fn ask_all(
    loaded: &Loaded,
    said: &Said,
    served: Option<Served>,
    ports: &[u16],
    plan: &Plan,
    seed: u64,
    tally: &mut Tally,
) -> Result<(), String> {
    let rules = loaded.rules.as_ref().ok_or("no rules")?;
    let texts: Vec<Vec<u8>> = loaded.files.iter().filter_map(|(_, file)| std::fs::read(&file.path).ok()).collect();
    let sampler = Sampler::new(rules, &texts, StandIns::of(&plan.folders));
    let doors = ports.iter().map(|&port| (port, Wire::new(SocketAddr::from(([127, 0, 0, 1], port))))).collect();
    let looks_at_machine =
        format_of(loaded, plan).is_ok_and(|format| server_of(format).is_ok_and(|server| server.name == "apache"));
    let mut asking =
        Asking { rules, said, plan, doors, scratch: Scratch::new(), served, seen: HashSet::new(), looks_at_machine };
    let mut draw = Draw::new(seed);
    let mut turn = 0;
    // A part of the requests is for rules that nothing came to by chance.
    let by_chance = plan.requests as u64 - plan.requests as u64 / 10;
    let mut parts: Parts = BTreeMap::new();
    let mut shown = HashSet::new();
    let mut round = |asking: &mut Asking<'_>, most: u64, parts: &mut Parts, tally: &mut Tally| {
        // Small configurations have fewer different requests than were asked for.
        while tally.requests < most && turn < plan.requests * 4 {
            let ask = sampler.ask(turn, &mut draw);
            let door = if ports.len() > 1 { draw.below(ports.len()) } else { 0 };
            turn += 1;
            asking.one(door, &ask, parts, &mut shown, tally)?;
        }
        Ok::<(), String>(())
    };
    round(&mut asking, by_chance, &mut parts, tally)?;
    let mut reachers: Vec<Reacher<'_>> =
        ports.iter().map(|&port| Reacher::new(rules, sampler.host(), port, plan.now)).collect();
    let mut why: BTreeMap<(u16, u32), Why> = BTreeMap::new();
    let mut apart = HashSet::new();
    for place in said.places().filter(|place| !parts.contains_key(place)).collect::<Vec<_>>() {
        let rule = Place { file: FileId(place.0), line: place.1 };
        let mut best = Reach::Never;
        let mut door = None;
        for (at, reacher) in reachers.iter_mut().enumerate() {
            let found = reacher.reach(rule);
            if rank(&found) > rank(&best) {
                (best, door) = (found, Some(at));
            }
            if matches!(best, Reach::Asked(_)) {
                break;
            }
        }
        let found = match (best, door) {
            (Reach::Asked(ask), Some(door)) if tally.requests < plan.requests as u64 => {
                asking.one(door, &ask, &mut parts, &mut apart, tally)?;
                continue;
            }
            (Reach::Asked(_) | Reach::Unknown, _) => Why::NotFound,
            (Reach::Never, _) => Why::Never,
            (Reach::Https, _) => Why::Https,
            (Reach::Nothing, _) => Why::Idle,
            (Reach::Hidden(by), _) => Why::Hidden(words_of_place(loaded, by)),
        };
        why.insert(place, found);
    }
    round(&mut asking, plan.requests as u64, &mut parts, tally)?;
    tally.asked.extend(said.asked(&parts, &why, loaded));
    Ok(())
}

/// Which of the things that were found at the ports of a server is said of a rule.
fn rank(found: &Reach) -> u8 {
    match found {
        Reach::Never => 0,
        Reach::Https => 1,
        Reach::Nothing => 2,
        Reach::Hidden(_) => 3,
        Reach::Unknown => 4,
        Reach::Asked(_) => 5,
    }
}

/// Requests that a source rule had a part in, and how many of them differed.
type Parts = BTreeMap<(u16, u32), [u64; 2]>;

fn words_of_place(loaded: &Loaded, place: Place) -> String {
    format!("{}:{}", loaded.files.name(FileId(place.file.0)), place.line)
}

/// Both, while they are asked.
struct Asking<'a> {
    rules: &'a RuleSet,
    said: &'a Said,
    plan: &'a Plan,
    /// The ports of the server.
    doors: Vec<(u16, Wire)>,
    scratch: Scratch,
    served: Option<Served>,
    seen: HashSet<(usize, Ask)>,
    /// Whether the server asks the machine for files by the path of a URL, as Apache does in rules of a server.
    looks_at_machine: bool,
}

impl Asking<'_> {
    /// Asks both one request at a port, unless they were asked it there before.
    fn one(
        &mut self,
        door: usize,
        ask: &Ask,
        parts: &mut Parts,
        shown: &mut HashSet<Option<(u16, u32)>>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let (rules, plan) = (self.rules, self.plan);
        if !self.seen.insert((door, ask.clone())) {
            return Ok(());
        }
        let (port, wire) = self.doors.get_mut(door).ok_or("no port")?;
        let port = *port;
        let theirs = wire.ask(ask).map_err(|error| format!("{}: {error}", ask.words()))?;
        let mut trail = Trail::default();
        let mut ours = ask.watched(rules, (port, plan.now), &mut self.scratch, &mut trail);
        let mut bodies_differ = false;
        if let Some(served) = &mut self.served {
            let heard = served.wire.ask(ask).map_err(|error| format!("byway, {}: {error}", ask.words()))?;
            bodies_differ = matches!((&theirs.answer, &heard.answer), (Answer::Redirect(..), Answer::Redirect(..)))
                && theirs.has_body != heard.has_body;
            ours.answer = over_the_wire(heard.answer, &ours);
        }
        let mut verdict = compare(&theirs.answer, &ours);
        if verdict == Verdict::Differ && self.looks_at_machine && ask.names_machine() {
            verdict = Verdict::Named(answer::MACHINE);
        }
        if verdict == Verdict::Differ && theirs.answer == Answer::Status(400) && is_half_a_number(&ask.host) {
            verdict = Verdict::Named(answer::NO_HOST);
        }
        if plan.written_as.is_some() {
            resolve(&mut ours, &theirs.answer, ask, port);
            verdict = compare(&theirs.answer, &ours);
            if verdict == Verdict::Differ && is_as_seen(ask, &theirs.answer, rules, port, plan, &mut self.scratch) {
                verdict = Verdict::Named(answer::AS_SEEN);
            }
            if verdict == Verdict::Differ {
                verdict = the_other_way(&theirs.answer, &ours);
            }
            // What is written for nginx guards captures that may hold a control character.
            if verdict == Verdict::Differ && theirs.answer == Answer::Status(400) && has_control(&ask.target) {
                verdict = Verdict::Named(answer::CONTROL);
            }
        }
        tally.requests += 1;
        tally.redirects +=
            u64::from(matches!((&theirs.answer, &ours.answer), (Answer::Redirect(..), _) | (_, Answer::Redirect(..))));
        let place = ours.rule.map(|place| (place.file.0, place.line));
        let taking = trail.rules().map(|rule| rules.rule(rule).place()).map(|place| (place.file.0, place.line));
        let taking: BTreeSet<(u16, u32)> = taking.chain(place).collect();
        taking.iter().for_each(|place| parts.entry(*place).or_default()[0] += 1);
        let differs = match verdict {
            Verdict::Agree if !bodies_differ => {
                tally.agreed += 1;
                false
            }
            Verdict::Named(name) => {
                *tally.named.entry(name).or_default() += 1;
                false
            }
            Verdict::Agree | Verdict::Differ => true,
        };
        if differs {
            taking.iter().for_each(|place| parts.entry(*place).or_default()[1] += 1);
            if self.said.excuses(place, ask, plan) || self.is_of_missing_file(ask, &theirs.answer, &ours, port) {
                tally.announced += 1;
            } else if self.said.is_behind(&taking) {
                tally.behind += 1;
            } else {
                tally.differ += 1;
                if shown.insert(place) && tally.differences.len() < plan.shown {
                    tally.differences.push(words(ask, &theirs.answer, &ours, rules));
                }
            }
        }
        Ok(())
    }

    /// Whether a server sent somebody to its page for files that are not there, where byway knows no files and lets pass.
    fn is_of_missing_file(&mut self, ask: &Ask, theirs: &Answer, ours: &Ours, port: u16) -> bool {
        let (Answer::Redirect(status, location), Answer::Passes, None) = (theirs, &ours.answer, ours.rule) else {
            return false;
        };
        self.said.pages_of_files().any(|(page, of_page)| {
            if page.contains("://") {
                return *status == of_page && ask.filled(page).is_some_and(|page| page.as_bytes() == location);
            }
            // What the rules say of the page, as of any path.
            let inside = Ask { method: "GET", target: page.as_bytes().to_vec(), ..ask.clone() };
            let at = (port, self.plan.now);
            page.starts_with('/')
                && inside.watched(self.rules, at, &mut self.scratch, &mut Trail::default()).answer == *theirs
        })
    }
}

/// A relative Location of ours becomes the whole URL that a client makes of it, where the server sends one; and the other way, where
/// the rules are of a server that makes it whole.
fn resolve(ours: &mut Ours, theirs: &Answer, ask: &Ask, port: u16) {
    if let (Answer::Redirect(_, location), Answer::Redirect(_, theirs)) = (&mut ours.answer, theirs)
        && location.starts_with(b"/")
        && theirs.starts_with(b"http://")
    {
        let host = ask.host.to_ascii_lowercase();
        let host = host.strip_suffix(":80").unwrap_or(&host);
        location.splice(0..0, format!("http://{host}").into_bytes());
    } else if let (Answer::Redirect(_, location), Answer::Redirect(_, theirs)) = (&mut ours.answer, theirs)
        && theirs.starts_with(b"/")
    {
        let host = ask.host.to_ascii_lowercase();
        // The port of the listener is that of this replay.
        let listener = format!("{}:{port}", host.split(':').next().unwrap_or_default());
        let bare = host.strip_suffix(":80").unwrap_or(&host).to_owned();
        for origin in [host, listener, bare].map(|host| format!("http://{host}").into_bytes()) {
            if location.strip_prefix(&origin[..]).is_some_and(|path| path.starts_with(b"/")) {
                location.drain(..origin.len());
                break;
            }
        }
    } else if let (Answer::Redirect(_, location), Answer::Redirect(_, theirs)) = (&mut ours.answer, theirs) {
        let host = ask.host.to_ascii_lowercase();
        let bare = host.strip_suffix(":80").unwrap_or(&host);
        let listener = format!("http://{}:{port}", bare.split(':').next().unwrap_or_default()).into_bytes();
        // A client that names no port finds the server at the one that its rules listen on.
        let is_of_listener =
            |location: &[u8]| location.strip_prefix(&listener[..]).is_some_and(|path| path.starts_with(b"/"));
        if is_of_listener(location) && !is_of_listener(theirs) {
            location.splice(..listener.len(), format!("http://{bare}").into_bytes());
        }
    }
}

/// Where the rules are another server's, it is byway's Location that may be the one that was not mended.
fn the_other_way(theirs: &Answer, ours: &Ours) -> Verdict {
    if let (Answer::Redirect(status, theirs), Answer::Redirect(own, ours)) = (theirs, &ours.answer)
        && status == own
        && ours.strip_suffix(b"&") == Some(theirs)
    {
        return Verdict::Named(answer::LAST_AMPERSAND);
    }
    // One of them may be mended in one way, and the other in another.
    if let (Answer::Redirect(status, theirs), Answer::Redirect(own, ours)) = (theirs, &ours.answer)
        && status == own
        && answer::ended(theirs) == answer::ended(ours)
    {
        return Verdict::Named(answer::NO_PATH);
    }
    let mended = Ours { answer: theirs.clone(), ..ours.clone() };
    match (theirs, compare(&ours.answer, &mended)) {
        (Answer::Redirect(..), named @ Verdict::Named(_)) => named,
        _ => Verdict::Differ,
    }
}

/// Whether a server answers what the rules say of the path as the server sees it, or takes an odd spelling for no path of a rule.
fn is_as_seen(ask: &Ask, theirs: &Answer, rules: &RuleSet, port: u16, plan: &Plan, scratch: &mut Scratch) -> bool {
    let passes = Ours { answer: Answer::Passes, edge: false, rule: None, has_control: false };
    // Some spellings a server answers before any rule.
    let is_left = matches!(theirs, Answer::Status(400)) || compare(theirs, &passes) == Verdict::Agree;
    if is_left && is_odd_path(&ask.target) {
        return true;
    }
    as_seen(ask).is_some_and(|seen| {
        let mut ours = seen.watched(rules, (port, plan.now), scratch, &mut ());
        resolve(&mut ours, theirs, &seen, port);
        let same = compare(theirs, &ours) != Verdict::Differ;
        ours.answer = plain(&ours.answer);
        same || compare(&plain(theirs), &ours) != Verdict::Differ
    })
}

/// What came over the wire; what no rule took is 404 there.
fn over_the_wire(heard: Answer, ours: &Ours) -> Answer {
    match (heard, &ours.answer) {
        (Answer::Status(404 | 405), Answer::Passes) => Answer::Passes,
        (heard, _) => heard,
    }
}

fn words(ask: &Ask, theirs: &Answer, ours: &Ours, rules: &RuleSet) -> String {
    let files = rules.files();
    let place = ours.rule.map(|place| {
        let file = files.get(usize::from(place.file.0)).copied().unwrap_or_default();
        format!("  ({file}:{})", place.line)
    });
    let (theirs, ours) = (theirs.words(), ours.answer.words());
    format!("{}\n    server  {theirs}\n    byway   {ours}{}", ask.words(), place.unwrap_or_default())
}
