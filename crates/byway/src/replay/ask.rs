//! One request as it is sent, byte for byte, and asked of rules in this process.

use std::net::{IpAddr, Ipv4Addr};

use byway_core::host::{normalise, split_authority};
use byway_core::path::{TargetForm, request_target};
use byway_core::ruleset::{Scratch, Watch};
use byway_core::{Outcome, Request, RuleSet, Scheme, Surroundings};

use super::answer::{Answer, Ours, holds_control};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    /// Path and query as sent.
    pub(crate) target: Vec<u8>,
    /// The Host field as sent.
    pub(crate) host: String,
    /// Further fields.
    pub(crate) fields: Vec<(String, String)>,
}

impl Ask {
    /// The bytes of HTTP/1.1.
    pub(crate) fn bytes(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.method.as_bytes());
        into.push(b' ');
        into.extend_from_slice(&self.target);
        into.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        into.extend_from_slice(self.host.as_bytes());
        into.extend_from_slice(b"\r\n");
        for (name, value) in self.sent() {
            into.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        into.extend_from_slice(b"\r\n");
    }

    /// The fields behind Host: its own, and that of a body which is empty.
    fn sent(&self) -> impl Iterator<Item = (&str, &str)> {
        let has_body = matches!(self.method, "POST" | "PUT" | "PATCH");
        let own = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(has_body.then_some(("Content-Length", "0")))
    }

    /// As a person reads it.
    pub(crate) fn words(&self) -> String {
        let fields: String = self.fields.iter().map(|(name, value)| format!(" [{name}: {value}]")).collect();
        format!("{} http://{}{}{fields}", self.method, self.host, self.target.escape_ascii())
    }

    /// Whether the path begins with a folder or file of this machine, from its root.
    pub(super) fn names_machine(&self) -> bool {
        let path = self.target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let path = byway_core::query::decoded(path);
        let path = String::from_utf8_lossy(&path);
        let first = path.split('/').find(|segment| !segment.is_empty() && *segment != ".");
        first.is_some_and(|first| first != ".." && std::path::Path::new("/").join(first).exists())
    }

    /// A text of nginx with the request's own words in the place of its variables; none where it has one of another kind.
    pub(crate) fn filled(&self, text: &str) -> Option<String> {
        let host = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, _)| host).to_ascii_lowercase();
        let target = String::from_utf8_lossy(&self.target);
        let values = [("$request_uri", &*target), ("$http_host", &self.host), ("$host", &host), ("$scheme", "http")];
        let put = |by: fn(&str) -> &str| {
            values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, by(value)))
        };
        // A sign that the request brings is no variable.
        (!put(|_| "").contains('$')).then(|| put(|value| value))
    }

    /// What these rules say at a moment (seconds of Unix time), as the edge would answer over http.
    pub(crate) fn watched<W: Watch>(
        &self,
        rules: &RuleSet,
        at: (u16, i64),
        scratch: &mut Scratch,
        watch: &mut W,
    ) -> Ours {
        self.over(Scheme::Http, rules, at, scratch, watch)
    }

    /// The same over either scheme.
    pub(crate) fn over<W: Watch>(
        &self,
        scheme: Scheme,
        rules: &RuleSet,
        (local_port, now): (u16, i64),
        scratch: &mut Scratch,
        watch: &mut W,
    ) -> Ours {
        let has_control = holds_control(&self.target);
        let refused = Ours { answer: Answer::Status(400), edge: true, has_control, rule: None };
        let Ok(TargetForm::Origin(parts)) = request_target(&self.target) else { return refused };
        let Ok((host, port)) = split_authority(&self.host) else { return refused };
        if !host.is_empty() && normalise(host).is_err() {
            return refused;
        }
        let sent = std::iter::once(("Host", self.host.as_str())).chain(self.sent());
        let fields: Vec<(String, String)> = sent.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let request = Request {
            method: self.method,
            scheme,
            host,
            port: port.unwrap_or(scheme.default_port()),
            path: parts.path,
            query: parts.query,
            fields: &fields,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            local_port,
        };
        let decision = rules.decide_watched(&request, &Surroundings::at(now), scratch, watch);
        let answer = match &decision.outcome {
            Outcome::Redirect(redirect) => {
                Answer::Redirect(redirect.status.number(), redirect.location.as_str().as_bytes().to_vec())
            }
            Outcome::Reply(reply) => Answer::Status(reply.status.number()),
            Outcome::Refuse(refusal) => Answer::Status(refusal.status()),
            Outcome::Pass => Answer::Passes,
        };
        let rule = decision.rule.map(|rule| rules.rule(rule).place());
        Ours { answer, edge: false, has_control, rule }
    }
}
