//! The crawler that asks, by its `User-Agent`: those that index pages for others, and say who they are.
//!
//! It is no proof, and needs none: whoever claims to be a crawler is spared a detour.

use super::{Depends, SubjectRow};

/// What their `User-Agent` holds, in small letters, as their own pages say.
const KNOWN: [&str; 38] = [
    "adsbot-google",
    "ahrefsbot",
    "amazonbot",
    "apis-google",
    "applebot",
    "archive.org_bot",
    "baiduspider",
    "bingbot",
    "bytespider",
    "ccbot",
    "claudebot",
    "dotbot",
    "duckduckbot",
    "facebookexternalhit",
    "feedfetcher-google",
    "google-inspectiontool",
    "googlebot",
    "googleother",
    "gptbot",
    "ia_archiver",
    "linkedinbot",
    "mediapartners-google",
    "meta-externalagent",
    "mj12bot",
    "mojeekbot",
    "oai-searchbot",
    "perplexitybot",
    "petalbot",
    "pinterestbot",
    "qwant",
    "semrushbot",
    "seznambot",
    "slurp",
    "sogou",
    "storebot-google",
    "twitterbot",
    "yandexbot",
    "yeti/",
];

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "crawler",
    takes_name: false,
    help: "A known crawler by its `User-Agent`, as `googlebot`, or any with `true`; the answer varies with `User-Agent`.",
    depends: Depends::OnField("user-agent"),
    values: |seen, _, visit| {
        seen.fields.for_each("user-agent", &mut |agent| each_in(agent, visit));
    },
    equals: super::same_bytes,
    check: |text| match KNOWN.contains(&text.to_ascii_lowercase().as_str()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("`{text}` is none of the known crawlers: {}", KNOWN.join(", "))),
    },
};

/// Calls `visit` with every known name that a `User-Agent` holds, in whatever case. It is gone through once: two letters tell
/// which names may begin there, and nearly always none does.
fn each_in(agent: &[u8], visit: &mut dyn FnMut(&[u8])) {
    let mut before = NO_LETTER;
    for (end, &letter) in agent.iter().enumerate() {
        let one = std::mem::replace(&mut before, number_of(letter));
        let pair = one * LETTERS + before;
        let Some(first) = FIRST[pair].checked_sub(1) else { continue };
        let begin_alike = KNOWN[usize::from(first)..].iter().take_while(|name| first_pair(name.as_bytes()) == pair);
        for name in begin_alike {
            if agent[end - 1..].get(..name.len()).is_some_and(|part| part.eq_ignore_ascii_case(name.as_bytes())) {
                visit(name.as_bytes());
            }
        }
    }
}

/// For every two letters the place of the first name that begins with them, counted from 1; 0 where none does. The names are
/// sorted, so that those stand together.
static FIRST: [u8; LETTERS * LETTERS] = {
    let mut first = [0; LETTERS * LETTERS];
    let mut at = KNOWN.len();
    while at > 0 {
        first[first_pair(KNOWN[at - 1].as_bytes())] = at as u8;
        at -= 1;
    }
    first
};

/// Letters have a number in either case, and all else has one together.
const LETTERS: usize = 27;
const NO_LETTER: usize = 26;

const fn number_of(letter: u8) -> usize {
    let small = letter | 0x20;
    if small.is_ascii_lowercase() { (small - b'a') as usize } else { NO_LETTER }
}

const fn first_pair(name: &[u8]) -> usize {
    number_of(name[0]) * LETTERS + number_of(name[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Seen;

    #[test]
    fn every_name_is_found_wherever_it_stands() {
        assert!(KNOWN.is_sorted() && KNOWN.iter().all(|name| name.bytes().take(2).all(|b| b.is_ascii_lowercase())));
        for name in KNOWN {
            for agent in [name.to_owned(), format!("xx {} 1.0", name.to_ascii_uppercase()), format!("y{name}")] {
                let mut found = Vec::new();
                each_in(agent.as_bytes(), &mut |value| found.push(value.to_vec()));
                let holds = |known: &&&str| agent.to_ascii_lowercase().contains(**known);
                let mut wanted: Vec<_> = KNOWN.iter().filter(holds).map(|known| known.as_bytes().to_vec()).collect();
                found.sort_unstable();
                wanted.sort_unstable();
                assert_eq!(found, wanted, "{agent}");
            }
            let cut = &name[..name.len() - 1];
            each_in(cut.as_bytes(), &mut |value| {
                assert!(cut.as_bytes().windows(value.len()).any(|part| part == value))
            });
        }
    }

    #[test]
    fn crawlers_say_who_they_are() {
        let name = |agent: &str| {
            let fields = [("user-agent", agent)];
            let request = crate::Request { fields: &fields, ..crate::condition::tests::request() };
            let seen = Seen::of(&request);
            let mut found = String::new();
            (ROW.values)(&seen, "", &mut |value| found = String::from_utf8_lossy(value).into_owned());
            found
        };
        assert_eq!(name("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), "googlebot");
        assert_eq!(name("Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0 Safari/537.36"), "");
    }
}
