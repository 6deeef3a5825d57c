//! `byway codes`: what each status is on the two axes, who does what with it, and when to use it.

use byway_core::codes::{Documented, ReplyFacts, facts, render_reply, render_text, reply_facts};
use byway_core::status::{RedirectStatus, ReplyStatus};
use serde_json::{Value, json};

use super::Run;
use crate::exit::{Ended, Exit, Failure};
use crate::terminal::Terminal;

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Codes {
    /// One status, as 307; without it the overview
    #[arg(value_name = "STATUS")]
    status: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Run for Codes {
    fn run(self, terminal: &mut Terminal) -> Ended {
        let text = match (&self.status, self.json) {
            (None, false) => render_text(None),
            (None, true) => format!("{:#}\n", all_json()),
            (Some(written), false) => one(written).ok_or_else(|| unknown(written))?,
            (Some(written), true) => format!("{:#}\n", one_json(written).ok_or_else(|| unknown(written))?),
        };
        terminal.print(&text)?;
        Ok(Exit::Done)
    }
}

fn one(written: &str) -> Option<String> {
    let number = written.parse().ok()?;
    match RedirectStatus::from_number(number) {
        Some(status) => Some(render_text(Some(status))),
        None => ReplyStatus::from_number(number).and_then(render_reply),
    }
}

fn one_json(written: &str) -> Option<Value> {
    let number = written.parse().ok()?;
    match RedirectStatus::from_number(number) {
        Some(status) => Some(redirect_json(status)),
        None => ReplyStatus::from_number(number).and_then(reply_facts).map(reply_json),
    }
}

fn all_json() -> Value {
    json!({
        "redirects": RedirectStatus::ALL.map(redirect_json),
        "replies": ReplyStatus::OWN.into_iter().filter_map(reply_facts).map(reply_json).collect::<Value>(),
    })
}

fn redirect_json(status: RedirectStatus) -> Value {
    let facts = facts(status);
    let engine = |known: Documented| json!({ "says": known.says, "source": known.source });
    let claims = facts.claims.iter().map(|one| json!({ "claim": one.claim, "known": one.known }));
    let fails = facts.fails.iter().map(|one| json!({ "who": one.who, "does": one.does }));
    let lines = facts.lines.iter().map(|one| json!({ "server": one.server, "text": one.text }));
    json!({
        "status": status.number(),
        "reason": status.reason(),
        "permanent": status.is_permanent(),
        "preserves_method": status.preserves_method(),
        "section": facts.section,
        "says": facts.says,
        "method": facts.method,
        "body": facts.body,
        "caching": facts.caching,
        "google": engine(facts.google),
        "bing": engine(facts.bing),
        "claims": claims.collect::<Value>(),
        "when": facts.when,
        "never": facts.never,
        "fails": fails.collect::<Value>(),
        "lines": lines.collect::<Value>(),
    })
}

fn reply_json(facts: &ReplyFacts) -> Value {
    json!({
        "status": facts.status.number(),
        "reason": facts.status.reason(),
        "section": facts.section,
        "says": facts.says,
        "caching": facts.caching,
        "when": facts.when,
        "never": facts.never,
    })
}

fn unknown(written: &str) -> Failure {
    let redirects = RedirectStatus::ALL.map(|status| status.to_string());
    let replies = ReplyStatus::OWN.map(|status| status.number().to_string());
    if written.parse() == Ok(304_u16) {
        return Failure::usage("304 Not Modified is no redirect: it says that a cached answer is still good")
            .help("304 sends nobody anywhere (RFC 9110 section 15.4.5); for a place to go write 307 or 308");
    }
    Failure::usage(format!("`{written}` is no status that a rule gives")).help(format!(
        "there are {}, and the replies {}",
        redirects.join(", "),
        replies.join(", ")
    ))
}
