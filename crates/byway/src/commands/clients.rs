//! `byway clients`: what each client sends after each status, as the core's rows say.

use std::fmt::Write;

use byway_core::client::{Becomes, BodyFate, CLIENTS, Client, Gets, Then};
use byway_core::status::RedirectStatus;
use serde_json::{Value, json};

use super::Run;
use crate::exit::{Ended, Exit, Failure};
use crate::terminal::Terminal;

/// The methods that are shown: one without a body, and those with one.
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Clients {
    /// One client by its id, as curl; without it all of them
    #[arg(value_name = "CLIENT")]
    id: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Run for Clients {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let shown: Vec<&Client> = match &self.id {
            None => CLIENTS.to_vec(),
            Some(id) => vec![Client::by_id(id).ok_or_else(|| unknown(id))?],
        };
        let text = match self.json {
            true => format!("{:#}\n", Value::from_iter(shown.into_iter().map(as_json))),
            false => shown.into_iter().map(as_text).collect::<Vec<_>>().join("\n"),
        };
        terminal.print(&text)?;
        Ok(Exit::Done)
    }
}

fn unknown(id: &str) -> Failure {
    let known: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
    Failure::usage(format!("there is no client `{id}`")).help(format!("there are {}", known.join(", ")))
}

fn as_text(client: &Client) -> String {
    let mut text = format!("{}: {}, {}\n", client.id, client.name, client.version);
    let heads = RedirectStatus::ALL.map(|status| format!("{:<16}", status.number()));
    _ = writeln!(text, "  {:8}{}", "", heads.concat().trim_end());
    for method in METHODS {
        let cells = RedirectStatus::ALL.map(|status| format!("{:<16}", cell(client, status, method)));
        _ = writeln!(text, "  {method:8}{}", cells.concat().trim_end());
    }
    _ = writeln!(text, "  follows {}; known from {}", limit(client), client.basis);
    text
}

/// What is sent next, in few words: the method, and what became of the body where there was one.
fn cell(client: &Client, status: RedirectStatus, method: &str) -> String {
    match client.then(status.number(), method) {
        None => "the answer".to_owned(),
        Some(Then::Refuse(Gets::AnError)) => "an error".to_owned(),
        Some(Then::Refuse(Gets::TheAnswer)) => "not followed".to_owned(),
        Some(Then::Send { method: becomes, body, .. }) => {
            let next = next_method(becomes, method);
            match body {
                BodyFate::Dropped if method != "GET" && next == method => format!("{next}, no body"),
                _ => next.to_owned(),
            }
        }
    }
}

fn next_method(becomes: Becomes, method: &str) -> &str {
    match becomes {
        Becomes::This(other) => other,
        // The first request of the chain is the one that is shown.
        Becomes::Same | Becomes::First => method,
    }
}

fn limit(client: &Client) -> String {
    match client.limit {
        Some(limit) => format!("at most {limit}"),
        None => "any number".to_owned(),
    }
}

fn as_json(client: &Client) -> Value {
    let statuses = RedirectStatus::ALL.map(|status| {
        let methods =
            METHODS.map(|method| (method.to_owned(), then_as_json(client.then(status.number(), method), method)));
        (status.to_string(), Value::from_iter(methods))
    });
    json!({
        "id": client.id,
        "name": client.name,
        "version": client.version,
        "basis": client.basis,
        "limit": client.limit,
        "then": Value::from_iter(statuses),
    })
}

fn then_as_json(then: Option<Then>, method: &str) -> Value {
    match then {
        None => json!({ "follows": false, "gets": "answer" }),
        Some(Then::Refuse(Gets::TheAnswer)) => json!({ "follows": false, "gets": "answer" }),
        Some(Then::Refuse(Gets::AnError)) => json!({ "follows": false, "gets": "error" }),
        Some(Then::Send { method: becomes, body, without }) => json!({
            "follows": true,
            "method": next_method(becomes, method),
            "body": body == BodyFate::Kept,
            "without": without,
        }),
    }
}
