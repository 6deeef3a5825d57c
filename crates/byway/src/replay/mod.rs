//! The same requests to byway and to the real server, and what differs.
//!
//! A configuration is laid out in a temporary folder with ports of loopback; the real server and byway read the same text from
//! there. Requests are made from the rules ([`sampler`]) and changed ([`mutations`]); both answers are compared byte for byte
//! ([`answer`]). byway is asked in this process, or over the wire where bodies are compared too.

mod answer;
mod ask;
mod draw;
mod mutations;
mod sampler;
mod servers;
mod wire;

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use byway_config::foreign::ForeignOptions;
use byway_config::formats::Format;
use byway_config::load::{LoadOptions, Loaded, load};
use byway_core::RuleSet;
use byway_core::ruleset::Scratch;

use crate::disk::Disk;
use answer::{Answer, Ours, Verdict, compare};
use ask::Ask;
use draw::Draw;
use sampler::Sampler;
use servers::{Folder, Server, Source};
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
    /// How configurations are read.
    pub(crate) reading: LoadOptions,
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
    /// Source rules that were called exact, and with which a request disagreed.
    pub(crate) exact_and_wrong: u64,
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
        self.exact_and_wrong += other.exact_and_wrong;
        self.took += other.took;
    }

    pub(crate) fn named_count(&self) -> u64 {
        self.named.values().sum()
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
        let folder = Folder::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let (name, text) = (server.generate)(&mut Draw::new(seed));
        let file = folder.write(name, text)?;
        match one(&file, plan, seed) {
            Ok((_, mut tally)) => {
                tally.differences.iter_mut().for_each(|line| line.insert_str(0, &format!("[seed {seed}] ")));
                total.add(tally);
            }
            Err(why) => total.skipped.push(format!("generated with seed {seed}: {why}")),
        }
    }
    Ok(BTreeMap::from([(server.name, total)]))
}

fn one(file: &Path, plan: &Plan, seed: u64) -> Result<(&'static str, Tally), String> {
    let began = Instant::now();
    let first = read(file, plan, None)?;
    let format = format_of(&first, plan)?;
    let server = Server::of(format.name).ok_or_else(|| format!("there is no real server for `{}`", format.name))?;
    let folder = Folder::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let files: Vec<PathBuf> = first.files.iter().map(|(_, file)| file.path.clone()).collect();
    let laid = (server.lay_out)(&Source { named: file, format: format.name, files: &files }, &folder)?;
    let running = server.start(&folder, &laid)?;
    let loaded = read(&laid.named, plan, Some(format))?;
    let port = laid.ports.first().copied().ok_or("no port")?;
    let mut tally = Tally { configurations: 1, taken_out: running.taken_out.len() as u64, ..Tally::default() };
    tally.rules = [loaded.remarks.exact, loaded.remarks.approximated, loaded.remarks.refused];
    ask_all(&loaded, &laid.named, format, port, plan, seed, &mut tally)?;
    drop(running);
    tally.took = began.elapsed();
    Ok((server.name, tally))
}

fn read(file: &Path, plan: &Plan, format: Option<&'static Format>) -> Result<Loaded, String> {
    let mut options = plan.reading.clone();
    options.format = format.or(options.format);
    // A document root that is replayed whole says itself which of its files are there.
    let loaded = load(&Disk, &[file], &options);
    match &loaded.rules {
        Some(_) => Ok(loaded),
        None => {
            let said: Vec<String> = loaded.diagnostics.iter().take(3).map(|said| said.message.clone()).collect();
            Err(said.join("; "))
        }
    }
}

fn format_of(loaded: &Loaded, plan: &Plan) -> Result<&'static Format, String> {
    let read_as = loaded.files.iter().find_map(|(_, file)| file.format);
    read_as.or(plan.reading.format).ok_or_else(|| "its format is not known".to_owned())
}

/// What both say of each request; byway over the wire where that was asked.
fn ask_all(
    loaded: &Loaded,
    named: &Path,
    format: &'static Format,
    port: u16,
    plan: &Plan,
    seed: u64,
    tally: &mut Tally,
) -> Result<(), String> {
    let rules = loaded.rules.as_ref().ok_or("no rules")?;
    let texts: Vec<Vec<u8>> = loaded.files.iter().filter_map(|(_, file)| std::fs::read(&file.path).ok()).collect();
    let sampler = Sampler::new(rules, &texts);
    let mut served = match plan.over {
        Over::Process => None,
        Over::Wire => Some(Served::start(named, format, &plan.reading.foreign)?),
    };
    let mut wire = Wire::new(SocketAddr::from(([127, 0, 0, 1], port)));
    let mut scratch = Scratch::new();
    let mut draw = Draw::new(seed);
    let mut seen = HashSet::new();
    let mut wrong = HashSet::new();
    let mut turn = 0;
    // Small configurations have fewer different requests than were asked for.
    while tally.requests < plan.requests as u64 && turn < plan.requests * 4 {
        let ask = sampler.ask(turn, &mut draw);
        turn += 1;
        if !seen.insert(ask.clone()) {
            continue;
        }
        let theirs = wire.ask(&ask).map_err(|error| format!("{}: {error}", ask.words()))?;
        let mut ours = ask.decided(rules, port, &mut scratch);
        let mut bodies_differ = false;
        if let Some(served) = &mut served {
            let heard = served.wire.ask(&ask).map_err(|error| format!("byway, {}: {error}", ask.words()))?;
            bodies_differ = matches!((&theirs.answer, &heard.answer), (Answer::Redirect(..), Answer::Redirect(..)))
                && theirs.has_body != heard.has_body;
            ours.answer = over_the_wire(heard.answer, &ours);
        }
        tally.requests += 1;
        tally.redirects +=
            u64::from(matches!((&theirs.answer, &ours.answer), (Answer::Redirect(..), _) | (_, Answer::Redirect(..))));
        match compare(&theirs.answer, &ours) {
            Verdict::Agree if !bodies_differ => tally.agreed += 1,
            Verdict::Named(name) => *tally.named.entry(name).or_default() += 1,
            Verdict::Agree | Verdict::Differ => {
                tally.differ += 1;
                let place = ours.rule.map(|place| (place.file, place.line));
                if wrong.insert(place) && tally.differences.len() < plan.shown {
                    tally.differences.push(words(&ask, &theirs.answer, &ours, rules));
                }
            }
        }
    }
    let is_exact = |place: &(byway_core::rule::FileId, u32)| {
        loaded.remarks.kept.iter().any(|remark| {
            remark.verdict == byway_config::remarks::Verdict::Exact
                && remark.span.as_ref().is_some_and(|span| (span.file, span.line) == *place)
        })
    };
    tally.exact_and_wrong = wrong.iter().flatten().filter(|place| is_exact(place)).count() as u64;
    Ok(())
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

/// byway as a server of its own.
struct Served {
    child: Child,
    wire: Wire,
}

impl Served {
    fn start(named: &Path, format: &Format, foreign: &ForeignOptions) -> Result<Served, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg("serve").arg(named).args(["--from", format.name, "--redirects-only", "--listen", "127.0.0.1:0"]);
        if let Some(root) = &foreign.root {
            command.arg("--root").arg(root);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let said = child.stderr.take().ok_or("byway says nothing")?;
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on ")?.rsplit('/').next()?.parse().ok());
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        match address {
            Some(address) => Ok(Served { child, wire: Wire::new(address) }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err("byway does not serve it".to_owned())
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
