//! Variables of an nginx file: `map` and `geo` blocks, each once, under names that say what they hold.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use crate::writing::one_line;

/// The most bytes of a name: nginx keeps variables in a hash with small buckets.
const LENGTH: usize = 40;

/// What was named so far.
#[derive(Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    known: HashMap<String, String>,
    /// The blocks, in the order in which they were needed.
    pub(super) text: String,
}

/// A block that makes a variable.
pub(super) struct Block<'b> {
    /// `map` and what it looks at, or `geo`.
    pub(super) head: String,
    /// Keys and values.
    pub(super) entries: &'b [(String, String)],
    /// The value of everything else.
    pub(super) default: &'b str,
    /// What it is for, over the block.
    pub(super) comment: Option<String>,
}

impl Names {
    /// The variable of a block, which is written unless the same was written before.
    pub(super) fn of(&mut self, block: &Block<'_>, wish: &str) -> String {
        let entries: Vec<String> = block.entries.iter().map(|(key, value)| format!("{key} {value}")).collect();
        let key = format!("{} {} {}", block.head, block.default, entries.join(";"));
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = self.free(wish);
        let width = block.entries.iter().map(|(key, _)| key.chars().count()).chain([7]).max().unwrap_or(7).min(44);
        self.text.push('\n');
        if let Some(comment) = &block.comment {
            _ = writeln!(self.text, "# {}", one_line(comment));
        }
        _ = writeln!(self.text, "{} {name} {{", block.head);
        _ = writeln!(self.text, "    {:width$} {};", "default", block.default);
        for (key, value) in block.entries {
            _ = writeln!(self.text, "    {key:width$} {value};");
        }
        self.text.push_str("}\n");
        self.known.insert(key, name.clone());
        name
    }

    /// The variable of something that is written once, whoever asks for it, and whether it is new.
    pub(super) fn once(&mut self, what: &str, wish: &str) -> (String, bool) {
        if let Some(name) = self.known.get(what) {
            return (name.clone(), false);
        }
        let name = self.free(wish);
        self.known.insert(what.to_owned(), name.clone());
        (name, true)
    }

    /// A name that nobody has, with its dollar sign.
    pub(super) fn free(&mut self, wish: &str) -> String {
        let mut plain = String::new();
        for sign in wish.chars() {
            match sign.is_ascii_alphanumeric() {
                true => plain.push(sign.to_ascii_lowercase()),
                false if plain.ends_with('_') || plain.is_empty() => {}
                false => plain.push('_'),
            }
        }
        plain.truncate(LENGTH);
        let plain = plain.trim_end_matches('_');
        // These are nginx's own, with any ending.
        let is_family =
            ["arg_", "http_", "cookie_", "sent_http_", "upstream_"].iter().any(|begin| plain.starts_with(begin));
        let plain = if is_family { format!("is_{plain}") } else { plain.to_owned() };
        let mut name = format!("${plain}");
        let mut number = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("${plain}_{number}");
            number += 1;
        }
        name
    }
}
