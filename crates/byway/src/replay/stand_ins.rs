//! What a run has put into the texts that it replays: folders of its own, whose names no other run has.
//!
//! Requests are made from texts and rules with fixed names in their place, so that they repeat with their seed; what was left of those
//! names when a request is finished becomes the folders of this run again.

use std::path::PathBuf;

use super::ask::Ask;

/// The folders of a run, each with the name that stands for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StandIns(Vec<(String, String)>);

impl StandIns {
    /// Names for these folders.
    pub(crate) fn of(folders: &[PathBuf]) -> StandIns {
        let name = |(at, folder): (usize, &PathBuf)| (folder.display().to_string(), format!("/tmp/replayed-{at}"));
        StandIns(folders.iter().enumerate().map(name).collect())
    }

    /// A text with the names in place of the folders.
    pub(crate) fn hide(&self, text: Vec<u8>) -> Vec<u8> {
        self.0.iter().fold(text, |text, (folder, name)| replaced(text, folder, name))
    }

    /// A request with the folders in place of the names.
    pub(crate) fn show(&self, ask: Ask) -> Ask {
        let target = self.0.iter().fold(ask.target, |text, (folder, name)| replaced(text, name, folder));
        Ask { target, ..ask }
    }
}

fn replaced(text: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    if memchr::memmem::find(&text, from.as_bytes()).is_none() {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(at) = memchr::memmem::find(rest, from.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::super::draw::Draw;
    use super::super::sampler::Sampler;
    use super::*;
    use byway_core::dialect::APACHE;
    use byway_core::rule::{Action, Rule};
    use byway_core::ruleset::{After, Builder, Order, TableSpec};
    use byway_core::source::{PathPattern, Source};

    /// What is asked of a rule set that names a folder, in texts and rules.
    fn asked(folder: &str) -> Vec<Ask> {
        let mut builder = Builder::new(1);
        let table =
            builder.table(&TableSpec { dialect: &APACHE, order: Order::Listed, after: After::NextRoot, strip: b"" });
        for text in [format!("{folder}/www/a"), "/b".to_owned()] {
            let source = Source::of_path(PathPattern::Prefix(text.into_bytes().into()));
            builder.push(table, &Rule::new(source, Action::Pass)).expect("a rule");
        }
        let rules = builder.finish();
        let stand_ins = StandIns::of(&[folder.into()]);
        let texts = vec![format!("DocumentRoot \"{folder}/www\"\nRedirect /old /new\n").into_bytes()];
        let sampler = Sampler::new(&rules, &texts, stand_ins);
        let mut draw = Draw::new(5);
        (0..400).map(|turn| sampler.ask(turn, &mut draw)).collect()
    }

    #[test]
    fn requests_do_not_hang_on_the_folder_of_the_run() {
        let (one, other) = ("/var/run-1", "/home/somebody/a-longer-name-2");
        let named = |folder: &str, ask: &Ask| ask.target.starts_with(format!("{folder}/www").as_bytes());
        let (first, second) = (asked(one), asked(other));
        assert!(first.iter().any(|ask| named(one, ask)), "the folder itself is asked for");
        for (first, second) in first.iter().zip(&second) {
            let again = replaced(second.target.clone(), other, one);
            assert_eq!((&first.target, &first.host, first.method), (&again, &second.host, second.method));
        }
    }
}
