//! `byway maintenance`: how windows stand, and opening and closing them by hand up to an end.
//!
//! With `--control` a running server is told, at once. Without it the file of `[server] state` is written, which a running server
//! sees within a second, and `byway explain` as well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use byway_config::own::server::parse_duration;
use byway_core::RuleSet;
use serde_json::{Value, json};

use super::pool::told;
use super::{Run, parse_instant};
use crate::exit::{Ended, Exit, Failure};
use crate::rules::{self, Reading};
use crate::standing::{self, Moved, Refused, State, encoded};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits: 0 done · 1 listed, and a window is open · 2 no such window, or no end · 3 no server")]
pub(crate) struct Maintenance {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show every window: whether it is open, until when, and when it opens next
    List {
        /// When, with its offset, as 2027-03-01T00:00+01:00; now by default
        #[arg(long, value_name = "TIME", value_parser = parse_instant, conflicts_with = "control")]
        at: Option<i64>,
        #[command(flatten)]
        place: Place,
    },
    /// Open a window now, up to an end
    Start {
        #[command(flatten)]
        named: Named,
    },
    /// Close a window: up to an end, or for the span that is open
    Stop {
        #[command(flatten)]
        named: Named,
    },
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The window
    #[arg(value_name = "NAME")]
    window: String,
    /// The end, with its offset, as 2027-03-01T00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = parse_instant, conflicts_with = "lasts")]
    until: Option<i64>,
    /// The end, as so long from now: 30m, 2h, 1d
    #[arg(long = "for", value_name = "TIME", value_parser = parse_lasts)]
    lasts: Option<Duration>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The socket that `byway serve --control PATH` opened
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// The rule files, without a socket; ./byway.toml by default
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The folder of `serve --state`; that of `[server] state` by default
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

fn parse_lasts(text: &str) -> Result<Duration, String> {
    let lasts = parse_duration(text).filter(|time| time.as_secs() > 0);
    lasts.ok_or_else(|| "write a number and `s`, `m`, `h` or `d`, as `2h`".to_owned())
}

impl Run for Maintenance {
    fn run(self, terminal: &mut Terminal) -> Ended {
        match self.what {
            What::List { at, place } => {
                let windows = match &place.control {
                    Some(path) => told(path, "GET", "/v1/maintenance", &Value::Null)?,
                    None => {
                        let (rules, folder) = place.load(terminal)?;
                        let state = folder.as_deref().map(standing::read_state).transpose()?.unwrap_or_default();
                        standing::windows(&rules, &state, at.unwrap_or_else(rules::now))
                    }
                };
                show(&windows, place.json, terminal)
            }
            What::Start { named } => {
                let Some(until) = named.until() else {
                    return Err(Failure::usage("until when? What is opened by hand carries its end")
                        .help("write `--for 2h` or `--until 2027-03-01T02:00Z`"));
                };
                let open = |rules: &RuleSet, _: &State, now| standing::opened(rules, &named.window, now, until);
                named.change("start", Some(until), open, terminal)
            }
            What::Stop { named } => {
                let until = named.until();
                let close =
                    |rules: &RuleSet, state: &State, now| standing::closed(rules, state, &named.window, now, until);
                named.change("stop", until, close, terminal)
            }
        }
    }
}

impl Named {
    fn until(&self) -> Option<i64> {
        let lasts =
            self.lasts.map(|lasts| rules::now().saturating_add(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX)));
        self.until.or(lasts)
    }

    fn change(
        &self,
        word: &str,
        until: Option<i64>,
        moved: impl Fn(&RuleSet, &State, i64) -> Result<Moved, Refused>,
        terminal: &mut Terminal,
    ) -> Ended {
        let window = match &self.place.control {
            Some(path) => {
                let target = format!("/v1/maintenance/{}/{word}", encoded(&self.window));
                told(path, "POST", &target, &json!({ "until": until }))?
            }
            None => self.write(moved, terminal)?,
        };
        show(&json!([window]), self.place.json, terminal)?;
        Ok(Exit::Done)
    }

    /// Without a server: into the file that it reads.
    fn write(
        &self,
        moved: impl Fn(&RuleSet, &State, i64) -> Result<Moved, Refused>,
        terminal: &mut Terminal,
    ) -> Result<Value, Failure> {
        let (rules, folder) = self.place.load(terminal)?;
        let Some(folder) = folder else {
            return Err(Failure::usage("there is no place to keep it").help(
                "name a running server with `--control PATH`, or a folder: `[server] state = \"state\"` or `--state DIR`",
            ));
        };
        let now = rules::now();
        let mut state = standing::read_state(&folder)?;
        let moved = moved(&rules, &state, now).map_err(|refused| {
            let (Refused::Missing(why) | Refused::Cannot(why) | Refused::Unkept(why)) = refused;
            Failure::usage(why)
        })?;
        state.move_window(moved, now);
        let failed =
            |error| Failure::no_verdict(format!("{} cannot be written: {error}", State::file(&folder).display()));
        state.write(&folder).map_err(failed)?;
        let windows = standing::windows(&rules, &state, now);
        let found = windows.as_array().and_then(|all| all.iter().find(|one| one["window"] == *self.window).cloned());
        Ok(found.unwrap_or_default())
    }
}

impl Place {
    fn load(&self, terminal: &Terminal) -> Result<(RuleSet, Option<PathBuf>), Failure> {
        let roots = rules::roots(&self.config, "name one with -c FILE, or a running server with `--control PATH`")?;
        let (rules, loaded) = self.reading.rules(&roots, terminal.message_colour)?;
        let written = loaded.settings.state.as_deref().map(Path::new).map(Path::to_owned);
        Ok((rules, self.state.clone().or(written)))
    }
}

fn show(windows: &Value, json: bool, terminal: &mut Terminal) -> Ended {
    let list = windows.as_array().cloned().unwrap_or_default();
    let text = match json {
        true => format!("{windows:#}\n"),
        false => list.iter().map(line).collect(),
    };
    terminal.print(&text)?;
    Ok(if list.iter().any(|window| window["open"] == true) { Exit::Something } else { Exit::Done })
}

fn line(window: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = match (&window["open"], &window["next"]) {
        (Value::Bool(true), _) => format!("open until {}", text(&window["ends"])),
        (_, Value::Null) => "closed, and never opens again".to_owned(),
        (_, next) => format!("closed; opens {} until {}", text(&next["from"]), text(&next["until"])),
    };
    let by_hand = match &window["by_hand"] {
        Value::Null => String::new(),
        moved => {
            let word = if moved["open"] == true { "opened" } else { "closed" };
            format!(" ({word} by hand until {})", text(&moved["until"]))
        }
    };
    format!("{}  {state}{by_hand}\n", text(&window["window"]))
}
