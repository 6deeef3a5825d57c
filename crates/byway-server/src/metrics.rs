//! What Prometheus reads: a page of families, and those that the server itself has.
//!
//! The text exposition format 0.0.4, written by hand since it is a dozen lines. Every family has its help and type and stands
//! once; labels have few values by construction, and no rule is a label. Others add families of their own through [`Figures`].

use std::fmt::{Display, Write};
use std::time::UNIX_EPOCH;

use byway_core::Refusal;

use crate::counters::{Counts, Decided, Lingered, TIMES};
use crate::server::Handle;

/// The media type of a page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Adds families to a page, whenever it is asked for.
pub trait Figures: Send + Sync {
    /// Writes them as they are now.
    fn write(&self, page: &mut Page);
}

/// What the values of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever more.
    Counter,
    /// More or less.
    Gauge,
}

/// A page of families.
///
/// ```
/// use byway_server::metrics::{Kind, Page};
/// let mut page = Page::default();
/// page.family("byway_pool_members_up", "Members that are up.", Kind::Gauge).value(&[("pool", "shop")], 2);
/// assert!(page.text().ends_with("byway_pool_members_up{pool=\"shop\"} 2\n"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Page {
    text: String,
}

/// A family to which values are added.
#[derive(Debug)]
pub struct Family<'p> {
    page: &'p mut Page,
    name: &'static str,
}

impl Page {
    /// Begins a family; the name is one of `[a-z0-9_]` and stands on a page once.
    pub fn family(&mut self, name: &'static str, help: &str, kind: Kind) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.head(name, help, kind);
        Family { page: self, name }
    }

    /// The page.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing into a String cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {}\n# TYPE {name} {kind}", help.replace('\\', r"\\"));
    }

    fn histogram(&mut self, name: &str, help: &str, counts: &Counts) {
        self.head(name, help, "histogram");
        let mut sum = 0;
        for (count, end) in counts.times.iter().zip(TIMES) {
            sum += count;
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{}\"}} {sum}", seconds(end));
        }
        let count: u64 = counts.times.iter().sum();
        let _ = writeln!(self.text, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(self.text, "{name}_sum {}\n{name}_count {count}", seconds(counts.time_sum));
    }
}

impl Family<'_> {
    /// Adds a value with its labels; what a label holds is escaped.
    pub fn value(self, labels: &[(&str, &str)], value: impl Display) -> Self {
        let text = &mut self.page.text;
        text.push_str(self.name);
        for (at, (name, value)) in labels.iter().enumerate() {
            let _ = write!(text, "{}{name}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(value));
        }
        if !labels.is_empty() {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
        self
    }
}

/// Backslash, quote and line end.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// The page of a server.
pub fn page(handle: &Handle, more: &[&dyn Figures]) -> Page {
    let (mut page, counts) = (Page::default(), handle.counts());
    requests(&mut page, handle, &counts);
    decisions(&mut page, &counts);
    page.histogram(
        "byway_answer_seconds",
        "Time from the end of a request's head to its answer, as decided here.",
        &counts,
    );
    connections(&mut page, &counts);
    rules(&mut page, handle);
    let lost = "Lines of the access log that were dropped because the disk could not keep up.";
    page.family("byway_access_log_lines_lost_total", lost, Kind::Counter).value(&[], handle.log_lines_lost());
    more.iter().for_each(|figures| figures.write(&mut page));
    page
}

fn requests(page: &mut Page, handle: &Handle, counts: &Counts) {
    let listeners: Vec<String> = handle.addresses().iter().map(ToString::to_string).collect();
    let mut family = page.family("byway_requests_total", "Answers by listener, method and status.", Kind::Counter);
    for answers in &counts.answers {
        let listener = listeners.get(answers.listener).map_or("", String::as_str);
        let status = answers.status.to_string();
        let labels = [("listener", listener), ("method", answers.method.as_str()), ("status", &status)];
        family = family.value(&labels, answers.count);
    }
    let help = "Requests that were no HTTP, or not whole, and were refused undecided.";
    page.family("byway_malformed_requests_total", help, Kind::Counter).value(&[], counts.malformed);
}

fn decisions(page: &mut Page, counts: &Counts) {
    let mut family = page.family("byway_decisions_total", "What the rules said of requests.", Kind::Counter);
    for (kind, count) in Decided::ALL.iter().zip(counts.decided) {
        family = family.value(&[("kind", kind.as_str())], count);
    }
    let help = "Requests that a rule took and could not carry out, by the reason.";
    let mut family = page.family("byway_refusals_total", help, Kind::Counter);
    for (refusal, count) in Refusal::ALL.iter().zip(counts.refusals) {
        family = family.value(&[("reason", refusal.name())], count);
    }
}

fn connections(page: &mut Page, counts: &Counts) {
    page.family("byway_connections_accepted_total", "Connections accepted.", Kind::Counter).value(&[], counts.accepted);
    page.family("byway_connections_open", "Connections open now.", Kind::Gauge).value(&[], counts.open);
    let help =
        "TLS handshakes by how they ended; failed is a client that gave up, took too long or spoke something else.";
    page.family("byway_tls_handshakes_total", help, Kind::Counter)
        .value(&[("end", "done")], counts.handshakes)
        .value(&[("end", "failed")], counts.failed_handshakes);
    let help =
        "Connections without the PROXY protocol that was asked for, or with it from somebody who is not trusted.";
    page.family("byway_unannounced_connections_total", help, Kind::Counter).value(&[], counts.unannounced);
    let help = "Request bodies that are read on now, after their answer left.";
    page.family("byway_bodies_lingering", help, Kind::Gauge).value(&[], counts.lingering);
    let help = "How reading on after an early answer ended.";
    let mut family = page.family("byway_lingered_total", help, Kind::Counter);
    for (end, count) in Lingered::ALL.iter().zip(counts.lingered).filter(|(end, _)| **end != Lingered::NotNeeded) {
        family = family.value(&[("end", end.as_str())], count);
    }
}

fn rules(page: &mut Page, handle: &Handle) {
    let generation = handle.live().current();
    page.family("byway_rules", "Rules in service.", Kind::Gauge).value(&[], generation.rules.len());
    page.family("byway_generation", "The rule set in service, counted from 1 since the start.", Kind::Gauge)
        .value(&[], generation.number);
    let loaded = generation.loaded_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    page.family("byway_loaded_timestamp_seconds", "When the rule set in service was put there.", Kind::Gauge)
        .value(&[], format_args!("{loaded:.3}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.family("a", "b", Kind::Gauge).value(&[("x", "1\"\\\n")], 1).value(&[], 0.5);
        assert_eq!(page.text(), "# HELP a b\n# TYPE a gauge\na{x=\"1\\\"\\\\\\n\"} 1\na 0.5\n");
    }
}
