//! What the tests of decisions share: requests written as one line, and outcomes written as one word or two.

#![allow(unreachable_pub, dead_code, reason = "each test is a crate of its own and uses a part")]

pub mod measured;

use std::net::IpAddr;

use byway_core::path::{PathQuery, TargetForm, request_target};
use byway_core::ruleset::Watch;
use byway_core::{Decision, Outcome, Request, RuleSet, Scheme, Scratch, Surroundings};

/// A request as a fixture writes it: `POST http://t.test/a?b [X-Test: 1] [now=5]`.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub url: String,
    pub fields: Vec<(String, String)>,
    pub now: i64,
    pub address: IpAddr,
    pub local_port: u16,
}

impl Asked {
    pub fn parse(text: &str) -> Asked {
        let (line, brackets) = split_brackets(text);
        let (method, url) = line.split_once(char::is_whitespace).unwrap_or_else(|| panic!("no method: {text}"));
        let mut asked = Asked {
            method: method.to_owned(),
            url: url.trim().to_owned(),
            fields: Vec::new(),
            now: 0,
            address: [192, 0, 2, 1].into(),
            local_port: 80,
        };
        for bracket in brackets {
            match bracket.split_once('=') {
                Some(("now", now)) => asked.now = now.parse().expect("a number of seconds"),
                Some(("address", address)) => asked.address = address.parse().expect("an address"),
                _ => {
                    let (name, value) = bracket.split_once(':').unwrap_or_else(|| panic!("no field: {bracket}"));
                    asked.fields.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
        }
        asked
    }

    /// Decides, and hands on what came of it; an error is a target that no server takes.
    pub fn decided<T>(&self, rules: &RuleSet, with: impl FnOnce(Result<Decision<'_>, ()>) -> T) -> T {
        self.watched(rules, &mut (), with)
    }

    /// The same, with someone watching.
    pub fn watched<T, W: Watch>(
        &self,
        rules: &RuleSet,
        watch: &mut W,
        with: impl FnOnce(Result<Decision<'_>, ()>) -> T,
    ) -> T {
        let (scheme, authority, target) = match self.url.split_once("://") {
            Some((scheme, rest)) if !self.url.starts_with('/') => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
                (scheme, &rest[..end], &rest[end..])
            }
            _ => (Scheme::Http, "site.test", self.url.as_str()),
        };
        let slash = if target.starts_with(['/', '*']) { "" } else { "/" };
        let bytes = unescaped(&format!("{slash}{target}"));
        let PathQuery { path, query } = match request_target(&bytes) {
            Ok(TargetForm::Origin(path_query)) => path_query,
            Ok(TargetForm::Asterisk) => PathQuery { path: b"*", query: None },
            _ => return with(Err(())),
        };
        let Ok((host, port)) = byway_core::host::split_authority(authority) else { return with(Err(())) };
        let mut fields = self.fields.clone();
        fields.push(("host".to_owned(), authority.to_owned()));
        let request = Request {
            method: &self.method,
            scheme,
            host,
            port: port.unwrap_or(scheme.default_port()),
            path,
            query,
            fields: &fields,
            address: self.address,
            local_port: self.local_port,
        };
        with(Ok(rules.decide_watched(&request, &Surroundings::at(self.now), &mut Scratch::new(), watch)))
    }
}

/// The line before the brackets at its end, and what stands in them.
pub fn split_brackets(text: &str) -> (&str, Vec<&str>) {
    let mut rest = text.trim();
    let mut found = Vec::new();
    while let Some(open) = rest.strip_suffix(']').and_then(|inner| inner.rfind(" [")) {
        found.push(&rest[open + 2..rest.len() - 1]);
        rest = rest[..open].trim_end();
    }
    found.reverse();
    (rest, found)
}

/// `307 /x`, `410`, `pass`, `refuse 414`.
pub fn outcome(outcome: &Outcome<'_>) -> String {
    match outcome {
        Outcome::Redirect(redirect) => format!("{} {}", redirect.status, redirect.location),
        Outcome::Reply(reply) => reply.status.number().to_string(),
        Outcome::Pass => "pass".to_owned(),
        Outcome::Refuse(why) => format!("refuse {}", why.status()),
    }
}

/// `\xNN` undone.
pub fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        match u8::from_str_radix(rest.get(at + 2..at + 4).unwrap_or_default(), 16) {
            Ok(byte) => {
                out.extend_from_slice(&rest.as_bytes()[..at]);
                out.push(byte);
                rest = &rest[at + 4..];
            }
            Err(_) => {
                out.extend_from_slice(&rest.as_bytes()[..at + 2]);
                rest = &rest[at + 2..];
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}
