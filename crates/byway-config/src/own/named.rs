//! Names of pools and windows: where each is described, and where rules name it. Whatever is missing or unused is said at the end.

use std::collections::BTreeMap;

use super::suggest::nearest;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::span::Span;

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Pool,
    Window,
}

impl Thing {
    fn word(self) -> &'static str {
        match self {
            Thing::Pool => "pool",
            Thing::Window => "window",
        }
    }
}

/// Where a name stands.
#[derive(Debug, Default)]
struct Places {
    described: Option<Span>,
    named: Option<Span>,
}

/// All names of a load.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<(Thing, String), Places>);

impl Names {
    /// Notes that something is described here; an error where it was before.
    pub(crate) fn describe(&mut self, thing: Thing, name: &str, at: Span) -> Option<Diagnostic> {
        let places = self.0.entry((thing, name.to_owned())).or_default();
        if let Some(first) = &places.described {
            let message = format!("`[{}.{name}]` stands in two files", thing.word());
            let diagnostic =
                Diagnostic::error("described-twice", message).at(at).also(first.clone(), "it is here already");
            return Some(diagnostic.help("keep one of the two, or give one another name"));
        }
        places.described = Some(at);
        None
    }

    /// Notes that a rule names something.
    pub(crate) fn name(&mut self, thing: Thing, name: &str, at: Span) {
        self.0.entry((thing, name.to_owned())).or_default().named.get_or_insert(at);
    }

    /// Says which names lead nowhere, and which are never used.
    pub(crate) fn finish(&self, diagnostics: &mut Diagnostics) {
        for ((thing, name), places) in &self.0 {
            let word = thing.word();
            match (&places.described, &places.named) {
                (None, Some(at)) => {
                    let described =
                        self.0.iter().filter(|((other, _), places)| other == thing && places.described.is_some());
                    let known: Vec<&str> = described.map(|((_, name), _)| name.as_str()).collect();
                    let code = if *thing == Thing::Pool { "unknown-pool" } else { "unknown-window" };
                    let diagnostic = Diagnostic::error(code, format!("there is no {word} `{name}`")).at(at.clone());
                    diagnostics.push(match nearest(name, known.iter().copied()) {
                        Some(near) => {
                            diagnostic.label(format!("did you mean `{near}`?")).help(format!("write `{near}`"))
                        }
                        None => diagnostic.help(format!("describe it: `[{word}.{name}]`")),
                    });
                }
                (Some(at), None) => {
                    let code = if *thing == Thing::Pool { "unused-pool" } else { "unused-window" };
                    let diagnostic =
                        Diagnostic::warning(code, format!("no rule names the {word} `{name}`")).at(at.clone());
                    diagnostics.push(diagnostic.help(format!("write `{word} = \"{name}\"` in a rule, or take it out")));
                }
                _ => {}
            }
        }
    }
}
