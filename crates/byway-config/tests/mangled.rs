//! Text that nobody would write: pieces of the pages of this folder and of the lints, cut, doubled and mixed with bytes. Nothing may
//! panic, every diagnostic can be drawn, and what a fix makes of another server's text is read without an error, if that was.

use std::path::Path;

use byway_config::check::{CheckOptions, check, fixed};
use byway_config::files::MemoryFiles;
use byway_config::formats::Format;
use byway_config::lints::LINTS;
use byway_config::load::{LoadOptions, load};
use byway_config::render::{Colour, render};
use byway_config::report::sarif;
use byway_testkit::Document;

/// How many texts are tried.
const TRIED: usize = 4_000;

/// The same numbers in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn texts() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut pages: Vec<_> =
        std::fs::read_dir(folder).expect("the folder of this test").flatten().map(|entry| entry.path()).collect();
    pages.sort();
    let mut texts = Vec::new();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let document = Document::parse(&std::fs::read_to_string(page).expect("a page"));
        for block in document.sections.iter().flat_map(|section| &section.blocks) {
            if let Some(name) = block.info.split_whitespace().nth(1) {
                texts.push((name.to_owned(), block.text.clone().into_bytes()));
            }
        }
    }
    for lint in LINTS {
        for (opening, name) in
            [("```nginx\n", "nginx.conf"), ("```apache\n", "httpd.conf"), ("```htaccess\n", ".htaccess")]
        {
            let blocks = lint.page.split(opening).skip(1).filter_map(|rest| rest.split("```").next());
            texts.extend(blocks.map(|block| (name.to_owned(), block.as_bytes().to_vec())));
        }
    }
    texts
}

fn mangle(numbers: &mut Numbers, text: &mut Vec<u8>, other: &[u8]) {
    const BYTES: &[u8] = b"\"\n\r,;:*~{}[]()<>?#=/\\ \0\x1B\x7F\xC3\xE9\xFF'|^$.+-09aZ";
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(text.len() + 1);
        match numbers.below(5) {
            0 => text.insert(at, BYTES[numbers.below(BYTES.len())]),
            1 if at < text.len() => drop(text.remove(at)),
            2 if at < text.len() => text[at] = BYTES[numbers.below(BYTES.len())],
            3 => {
                let end = (at + numbers.below(20)).min(text.len());
                text.drain(at..end);
            }
            _ if !other.is_empty() => {
                let from = numbers.below(other.len());
                let to = (from + numbers.below(30)).min(other.len());
                text.splice(at..at, other[from..to].iter().copied());
            }
            _ => {}
        }
    }
}

#[test]
fn nothing_panics() {
    let texts = texts();
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    for _ in 0..TRIED {
        let (name, text) = &texts[numbers.below(texts.len())];
        let mut text = text.clone();
        let other = &texts[numbers.below(texts.len())].1;
        mangle(&mut numbers, &mut text, other);
        let files = MemoryFiles::new([(name.as_str(), &text)]);
        let loaded = load(&files, &[name.as_ref()], &LoadOptions::default());
        let report = check(&loaded, &files, &CheckOptions::at(1_800_000_000));
        for finding in &report.findings {
            let drawn = render(finding, &loaded.files, &files, Colour::Never);
            assert!(!drawn.contains('\x1B') && !drawn.contains('\0'), "{drawn:?}");
        }
        let log = sarif(&report, &loaded.files, "0").to_string();
        assert!(log.contains("2.1.0"));
        for (file, text) in fixed(&report, &loaded.files, &files).expect("memory can be read") {
            let source = loaded.files.get(file).expect("a file that was read");
            if loaded.rules.is_some() && source.format.is_some_and(Format::is_foreign) {
                let again = MemoryFiles::new([(name.as_str(), &text)]);
                let again = load(&again, &[name.as_ref()], &LoadOptions::default());
                assert_eq!(again.errors, 0, "{}\n{:?}", String::from_utf8_lossy(&text), again.diagnostics);
            }
        }
    }
}
