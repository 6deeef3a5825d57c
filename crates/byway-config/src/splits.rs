//! The splits of a load against the rules that ask for them: all must be there, and should be asked for.

use std::collections::{BTreeMap, BTreeSet};

use byway_core::split::{By, Given, SPLITS, Split};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::own::split::SplitDraft;
use crate::own::suggest::nearest;
use crate::span::Span;

/// A rule that asks for variants of a split.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub(crate) split: String,
    /// Those that it names.
    pub(crate) variants: Vec<String>,
    /// Whether it is for all others.
    pub(crate) negated: bool,
    pub(crate) span: Span,
}

/// Splits and uses as they are read.
#[derive(Debug, Default)]
pub(crate) struct Splits {
    known: Vec<(Split, Span, Vec<Span>)>,
    used: Vec<Used>,
    /// Those that are written, whether or not they could be read.
    named: BTreeSet<String>,
}

impl Splits {
    /// Notes the names of splits that are written: one that could not be read is there all the same.
    pub(crate) fn name(&mut self, names: impl Iterator<Item = String>) {
        self.named.extend(names);
    }

    /// Takes a split, unless one of its name is there.
    pub(crate) fn take(&mut self, draft: SplitDraft, diagnostics: &mut Diagnostics) {
        let SplitDraft { split, span, variants, .. } = draft;
        let clash = self.known.iter().find_map(|(known, at, _)| {
            if known.name == split.name {
                return Some((format!("the split `{}` is there twice", split.name), "give one another name", at));
            }
            match (cookie(known), cookie(&split)) {
                (Some(first), Some(second)) if first == second => Some((
                    format!("two splits keep their variants in the cookie `{first}`"),
                    "give each a cookie of its own, or write `draw = false` in both where somebody else sets it",
                    at,
                )),
                _ => None,
            }
        });
        if let Some((message, help, at)) = clash {
            let diagnostic = Diagnostic::error("bad-split", message).at(span).also(at.clone(), "it is here already");
            return diagnostics.push(diagnostic.help(help));
        }
        if self.known.len() >= SPLITS {
            let diagnostic = Diagnostic::error("bad-split", format!("more than {SPLITS} splits")).at(span);
            return diagnostics.push(diagnostic.help("take out those that have ended"));
        }
        self.known.push((split, span, variants));
    }

    /// Notes what a rule asks for; of many rules that ask for the same, the first.
    pub(crate) fn note(&mut self, used: Vec<Used>) {
        for used in used {
            let is_known = |known: &Used| {
                known.split == used.split && known.variants == used.variants && known.negated == used.negated
            };
            if !self.used.iter().any(is_known) {
                self.used.push(used);
            }
        }
    }

    /// Says what does not fit, and hands the splits over.
    pub(crate) fn settle(self, diagnostics: &mut Diagnostics) -> Vec<Split> {
        let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for used in &self.used {
            let Some((split, ..)) = self.known.iter().find(|(split, ..)| split.name == used.split) else {
                if self.named.contains(&used.split) {
                    continue;
                }
                let names = self.known.iter().map(|(split, ..)| split.name.as_str());
                unknown(format!("there is no split `{}`", used.split), &used.split, names, &used.span, diagnostics);
                continue;
            };
            for variant in used.variants.iter().filter(|variant| !split.has(variant)) {
                let names = split.variants.iter().map(|variant| variant.name.as_str()).chain([split.control.as_str()]);
                let message = format!("the split `{}` has no variant `{variant}`", used.split);
                unknown(message, variant, names, &used.span, diagnostics);
            }
            let all = asked.entry(&used.split).or_default();
            all.extend(used.variants.iter().map(String::as_str));
            if used.negated || used.variants.is_empty() {
                all.extend(split.variants.iter().map(|variant| variant.name.as_str()));
            }
        }
        for (split, _, spans) in &self.known {
            let asked = asked.get(split.name.as_str()).map_or(&[][..], Vec::as_slice);
            for (variant, span) in split.variants.iter().zip(spans) {
                // A share of nothing is how a variant is retired.
                let needs_rule = variant.from < variant.until && variant.name != split.control;
                if needs_rule && !asked.contains(&variant.name.as_str()) {
                    let message = format!("no rule is for the variant `{}`: its visitors pass", variant.name);
                    let help =
                        format!("write a rule with `split = \"{}\"` and `variant = \"{}\"`", split.name, variant.name);
                    diagnostics.push(Diagnostic::note("unused-variant", message).at(span.clone()).help(help));
                }
            }
        }
        self.known.into_iter().map(|(split, ..)| split).collect()
    }
}

/// The cookie that a split gives to visitors.
fn cookie(split: &Split) -> Option<&str> {
    match &split.by {
        By::Cookie { name, given: Given::ByUs } => Some(name),
        _ => None,
    }
}

fn unknown<'n>(
    message: String,
    name: &str,
    known: impl Iterator<Item = &'n str> + Clone,
    span: &Span,
    diagnostics: &mut Diagnostics,
) {
    let help = match (nearest(name, known.clone()), known.clone().next()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, Some(_)) => format!("there are `{}`", known.collect::<Vec<_>>().join("`, `")),
        (None, None) => format!("write `[split.{name}]`"),
    };
    diagnostics.push(Diagnostic::error("unknown-split", message).at(span.clone()).help(help));
}
