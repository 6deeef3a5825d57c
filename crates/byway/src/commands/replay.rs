//! `byway replay`: the same requests to byway and to the real server, and what differs.
//!
//! The work is in `replay/`; here stand the arguments and the table that is printed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use byway_config::diagnostic::grouped;
use byway_config::formats::Format;
use serde_json::{Value, json};

use super::Run;
use crate::exit::{Ended, Exit, Failure};
use crate::replay::{Asked, Over, Plan, Tally, Why, generated, named};
use crate::rules::Reading;
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits: 0 all agreed but for differences with a name · 1 something differs · 2 arguments · 3 a server could not be started"
)]
pub(crate) struct Replay {
    /// Configurations of a server that is installed here, each a file or a folder
    #[arg(value_name = "FILE", required_unless_present = "generate")]
    files: Vec<PathBuf>,
    /// Make so many configurations of the format that --from names
    #[arg(long, value_name = "N", requires = "from")]
    generate: Option<usize>,
    /// Requests for each configuration
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    requests: usize,
    /// The seed of requests and generated configurations
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Ask byway as a server of its own, and compare bodies too
    #[arg(long)]
    wire: bool,
    /// How many differences of each configuration to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    show: usize,
    /// Write the rules in this format first, ask its server, and compare with the rules themselves
    #[arg(long = "as", value_name = "FORMAT", value_parser = super::convert::parse_to, conflicts_with_all = ["generate", "wire"])]
    written_as: Option<&'static Format>,
    /// Print for each rule how many requests it decided, and how many of them differed
    #[arg(long)]
    rules: bool,
    /// Leave what is laid out for the server in this folder, a numbered one below it for each configuration
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

impl Run for Replay {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let reading = self.reading.options();
        let from = reading.format;
        let plan = Plan {
            requests: self.requests,
            seed: self.seed,
            over: if self.wire { Over::Wire } else { Over::Process },
            shown: self.show,
            now: crate::rules::now(),
            written_as: self.written_as,
            reading,
            keep: self.keep,
            folders: Vec::new(),
        };
        let mut tallies = named(&self.files, &plan);
        if let (Some(count), Some(format)) = (self.generate, from) {
            tallies.extend(generated(format.name, count, &plan).map_err(Failure::usage)?);
        }
        let text = if self.json { format!("{:#}\n", as_json(&tallies)) } else { as_text(&tallies, self.rules) };
        terminal.print(&text)?;
        let is_any = |test: fn(&Tally) -> bool| tallies.values().any(test);
        Ok(match (is_any(|tally| !tally.skipped.is_empty()), is_any(|tally| tally.differ > 0)) {
            (true, _) => Exit::NoVerdict,
            (_, true) => Exit::Something,
            _ => Exit::Done,
        })
    }
}

fn as_text(tallies: &BTreeMap<&'static str, Tally>, with_rules: bool) -> String {
    let mut out = String::new();
    for (name, tally) in tallies {
        for line in &tally.skipped {
            _ = writeln!(out, "not replayed: {line}");
        }
        for line in &tally.differences {
            _ = writeln!(out, "{line}");
        }
        if tally.configurations == 0 {
            continue;
        }
        if tally.differ > tally.differences.len() as u64 && !tally.differences.is_empty() {
            let shown = grouped(tally.differences.len() as u64);
            _ = writeln!(out, "of {} differences {shown} are shown, one for each rule", grouped(tally.differ));
        }
        for asked in tally.asked.iter().filter(|_| with_rules) {
            let (verdict, rule) = (asked.verdict.as_str(), &asked.rule);
            let rule: String = rule.chars().map(|sign| if sign.is_control() { '\u{FFFD}' } else { sign }).collect();
            let why = asked.why.as_ref().map(|why| format!("  ({})", why.words())).unwrap_or_default();
            _ = writeln!(
                out,
                "{:>6} asked {:>4} differ  {verdict:<12}  {}  {rule}{why}",
                asked.requests, asked.differed, asked.place
            );
        }
        let [exact, approximated, refused] = tally.rules.map(grouped);
        _ = writeln!(
            out,
            "{name}: {} in {}, {} of them with a Location: {} agree, {} differ with a name, {} differ; {:.1} s",
            count(tally.requests, "request"),
            count(tally.configurations, "configuration"),
            grouped(tally.redirects),
            grouped(tally.agreed),
            grouped(tally.named_count()),
            grouped(tally.differ),
            tally.took.as_secs_f64()
        );
        let [agreed, differed, never, hidden, idle, https, unasked] = tally.exact_rules().map(grouped);
        _ = writeln!(
            out,
            "  rules: {exact} exact, {approximated} approximated, {refused} refused; {} taken out",
            count(tally.taken_out, "line")
        );
        _ = writeln!(
            out,
            "  exact ones: {agreed} had a part in requests and always agreed, {differed} differed; of those that nothing comes to, {never} never fit, {hidden} are hidden by an earlier rule, {idle} do nothing, {https} are over https alone; {unasked} not reached"
        );
        if tally.announced > 0 {
            _ = writeln!(
                out,
                "  {} more by rules that are approximated or refused",
                count(tally.announced, "difference")
            );
        }
        if tally.behind > 0 {
            let more = count(tally.behind, "difference");
            _ = writeln!(
                out,
                "  {more} more where a rule that is left out may have decided: `--rules` has the exact ones among them"
            );
        }
        for (difference, times) in &tally.named {
            _ = writeln!(out, "  {difference}: {}", grouped(*times));
        }
    }
    out
}

fn asked_as_json(asked: &Asked) -> Value {
    json!({
        "place": asked.place,
        "rule": asked.rule,
        "verdict": asked.verdict.as_str(),
        "requests": asked.requests,
        "differed": asked.differed,
        "why": asked.why.as_ref().map(Why::words),
    })
}

fn count(number: u64, thing: &str) -> String {
    crate::rules::count(number, thing)
}

fn as_json(tallies: &BTreeMap<&'static str, Tally>) -> Value {
    let items = tallies.iter().map(|(name, tally)| {
        let value = json!({
            "configurations": tally.configurations,
            "skipped": tally.skipped,
            "requests": tally.requests,
            "redirects": tally.redirects,
            "agreed": tally.agreed,
            "named": tally.named,
            "differ": tally.differ,
            "announced": tally.announced,
            "behind_left_out": tally.behind,
            "differences": tally.differences,
            "taken_out": tally.taken_out,
            "rules": { "exact": tally.rules[0], "approximated": tally.rules[1], "refused": tally.rules[2] },
            "asked": tally.asked.iter().map(asked_as_json).collect::<Vec<_>>(),
            "seconds": tally.took.as_secs_f64(),
        });
        ((*name).to_owned(), value)
    });
    Value::from_iter(items)
}
