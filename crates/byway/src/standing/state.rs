//! What people did by hand and what must survive a restart: windows opened and closed, members taken out.
//!
//! One small JSON file in the folder of `[server] state`, replaced whole. Every entry about a window carries its end; what is
//! over is left out at the next writing.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use byway_core::window::Span;
use serde_json::{Value, json};

/// The name of the file in its folder.
const FILE: &str = "byway-state.json";

/// What people did by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Windows opened or closed; later ones win.
    pub(crate) moved: Vec<Moved>,
    /// Members taken out, by pool and origin.
    pub(crate) drained: Vec<(String, String)>,
}

/// A window that was opened or closed by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Its name.
    pub(crate) window: String,
    /// Which of the two.
    pub(crate) to: Door,
    /// From when to when.
    pub(crate) span: Span,
}

/// Open or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    Closed,
}

impl State {
    /// The file in a folder.
    pub(crate) fn file(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Reads the file of a folder; nothing where there is none yet.
    pub(crate) fn read(folder: &Path) -> io::Result<State> {
        let text = match std::fs::read_to_string(State::file(folder)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::default()),
            Err(error) => return Err(error),
        };
        let value: Value =
            serde_json::from_str(&text).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let entries = |key: &str| value[key].as_array().cloned().unwrap_or_default();
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let moved = |entry: &Value| {
            let to = if entry["open"].as_bool()? { Door::Open } else { Door::Closed };
            let span = Span { from: entry["from"].as_i64()?, until: entry["until"].as_i64()? };
            Some(Moved { window: text(entry, "window")?, to, span })
        };
        let drained = |entry: &Value| Some((text(entry, "pool")?, text(entry, "origin")?));
        let all = (entries("windows").iter().map(moved).collect::<Option<_>>())
            .zip(entries("drained").iter().map(drained).collect::<Option<_>>());
        match all {
            Some((moved, drained)) => Ok(State { moved, drained }),
            None => Err(io::Error::new(ErrorKind::InvalidData, "an entry is not as byway writes it")),
        }
    }

    /// Writes the file of a folder, which is made if it is not there.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let windows = self.moved.iter().map(|moved| {
            let Span { from, until } = moved.span;
            json!({ "window": moved.window, "open": moved.to == Door::Open, "from": from, "until": until })
        });
        let drained = self.drained.iter().map(|(pool, origin)| json!({ "pool": pool, "origin": origin }));
        let value = json!({ "windows": windows.collect::<Value>(), "drained": drained.collect::<Value>() });
        crate::replace::replace(&State::file(folder), format!("{value:#}\n").as_bytes())
    }

    /// Notes that a window was opened or closed; what is over is forgotten.
    pub(crate) fn move_window(&mut self, moved: Moved, now: i64) {
        self.moved.retain(|old| old.span.until > now);
        self.moved.push(moved);
    }

    /// The spans of a window by its calendar, as people changed them.
    pub(crate) fn applied(&self, window: &str, mut spans: Vec<Span>) -> Vec<Span> {
        for moved in self.moved.iter().filter(|moved| moved.window == window) {
            spans = without(&spans, moved.span);
            if moved.to == Door::Open {
                spans.push(moved.span);
            }
            spans.sort();
            spans = joined(&spans);
        }
        spans
    }
}

/// What is left of spans beside one.
fn without(spans: &[Span], out: Span) -> Vec<Span> {
    let pieces = spans.iter().flat_map(|span| {
        let before = Span { from: span.from, until: span.until.min(out.from) };
        let behind = Span { from: span.from.max(out.until), until: span.until };
        [before, behind]
    });
    pieces.filter(|span| span.from < span.until).collect()
}

/// Ascending spans, those that touch as one.
fn joined(spans: &[Span]) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    for span in spans {
        match out.last_mut() {
            Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
            _ => out.push(*span),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, until: i64) -> Span {
        Span { from, until }
    }

    fn moved(to: Door, from: i64, until: i64) -> Moved {
        Moved { window: "w".to_owned(), to, span: span(from, until) }
    }

    #[test]
    fn what_a_person_did_wins_for_as_long_as_it_says() {
        let spans = vec![span(10, 20), span(30, 40)];
        let after = |moves: &[Moved]| State { moved: moves.to_vec(), ..State::default() }.applied("w", spans.clone());
        assert_eq!(after(&[moved(Door::Closed, 12, 25)]), [span(10, 12), span(30, 40)]);
        assert_eq!(after(&[moved(Door::Open, 15, 35)]), [span(10, 40)]);
        assert_eq!(after(&[moved(Door::Open, 0, 50), moved(Door::Closed, 20, 30)]), [span(0, 20), span(30, 50)]);
        assert_eq!(State::default().applied("w", spans.clone()), spans);
    }

    #[test]
    fn the_file_is_read_back_and_a_strange_one_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut state = State::default();
        assert_eq!(State::read(folder.path()).expect("nothing yet"), state);
        state.move_window(moved(Door::Open, 5, 9), 0);
        state.move_window(moved(Door::Closed, 10, 20), 9);
        state.drained.push(("p".to_owned(), "https://a.test".to_owned()));
        state.write(folder.path()).expect("written");
        let read = State::read(folder.path()).expect("read");
        assert_eq!((read.moved.len(), &read), (1, &state));
        std::fs::write(State::file(folder.path()), "{\"windows\": [{}]}").expect("written");
        assert!(State::read(folder.path()).is_err());
    }
}
