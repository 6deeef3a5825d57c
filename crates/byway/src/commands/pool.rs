//! `byway pool`: the pools of a running server, and members taken out and in by hand.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Run;
use crate::control;
use crate::exit::{Ended, Exit, Failure};
use crate::standing::encoded;
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits: 0 done · 1 listed, and a member is down · 2 no such pool or member · 3 no server")]
pub(crate) struct Pool {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show every pool with its members
    List(Server),
    /// Send nobody to a member any more, whatever its health; without a member, to none of the pool
    Drain(Named),
    /// Let a member be sent to again
    Restore(Named),
}

#[derive(Debug, clap::Args)]
struct Server {
    /// The socket that `byway serve --control PATH` opened
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The pool
    #[arg(value_name = "NAME")]
    pool: String,
    /// The member: its URL, or its host with its port
    #[arg(value_name = "MEMBER")]
    member: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Run for Pool {
    fn run(self, terminal: &mut Terminal) -> Ended {
        match self.what {
            What::List(server) => list(&server, terminal),
            What::Drain(named) => change(&named, "drain", terminal),
            What::Restore(named) => change(&named, "restore", terminal),
        }
    }
}

/// The socket that was named.
pub(super) fn socket(control: Option<&Path>) -> Result<&Path, Failure> {
    control.ok_or_else(|| Failure::usage("which server? `--control PATH` names the socket it was started with"))
}

/// What the server says, unless it refuses.
pub(super) fn told(path: &Path, method: &str, target: &str, body: &Value) -> Result<Value, Failure> {
    let (status, value) = control::call(path, method, target, body)?;
    match status {
        200..=299 => Ok(value),
        503 => Err(control::refused(path, status, &value)),
        _ => {
            let detail = value["detail"].as_str().unwrap_or("the server refused, and does not say why");
            Err(Failure::usage(detail.to_owned()))
        }
    }
}

fn list(server: &Server, terminal: &mut Terminal) -> Ended {
    let pools = told(socket(server.control.as_deref())?, "GET", "/v1/pools", &Value::Null)?;
    let members = |pool: &Value| pool["members"].as_array().cloned().unwrap_or_default();
    let pools_list = pools.as_array().cloned().unwrap_or_default();
    let text = match server.json {
        true => format!("{pools:#}\n"),
        false => pools_list.iter().map(|pool| shown(pool, &members(pool))).collect(),
    };
    terminal.print(&text)?;
    let is_whole = pools_list.iter().flat_map(members).all(|member| member["up"] == true);
    Ok(if is_whole { Exit::Done } else { Exit::Something })
}

fn shown(pool: &Value, members: &[Value]) -> String {
    let mut text = format!("{}\n", pool["pool"].as_str().unwrap_or_default());
    for member in members {
        let state = match (&member["draining"], &member["up"], &member["asked"]) {
            (Value::Bool(true), ..) => "drained".to_owned(),
            (_, Value::Bool(false), _) => match member["trouble"].as_str() {
                Some(trouble) => format!("down: {trouble}"),
                None => "down, and answering again".to_owned(),
            },
            (.., Value::Bool(false)) => "not asked".to_owned(),
            _ => match member["trouble"].as_str() {
                Some(trouble) => format!("up, in trouble: {trouble}"),
                None => "up".to_owned(),
            },
        };
        let tier = if member["tier"].as_u64().unwrap_or(0) > 0 { "standby, " } else { "" };
        let weight = match member["weight"].as_u64().unwrap_or(1) {
            1 => String::new(),
            weight => format!(", weight {weight}"),
        };
        text.push_str(&format!("  {}  {tier}{state}{weight}\n", member["origin"].as_str().unwrap_or_default()));
    }
    text
}

fn change(named: &Named, word: &str, terminal: &mut Terminal) -> Ended {
    let target = format!("/v1/pools/{}/{word}", encoded(&named.pool));
    let path = socket(named.server.control.as_deref())?;
    let value = told(path, "POST", &target, &json!({ "member": named.member }))?;
    if named.server.json {
        terminal.print(&format!("{value:#}\n"))?;
        return Ok(Exit::Done);
    }
    let done = if word == "drain" { "drained" } else { "restored" };
    for member in value["members"].as_array().into_iter().flatten() {
        terminal.print(&format!("{}: {} {done}\n", named.pool, member.as_str().unwrap_or_default()))?;
    }
    if value["kept"] == false {
        terminal.say("a restart forgets it: `[server] state` or `serve --state DIR` would keep it\n");
    }
    Ok(Exit::Done)
}
