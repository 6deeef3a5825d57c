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
        seen.fields.for_each("user-agent", &mut |agent| {
            for name in KNOWN {
                let holds = |part: &[u8]| part.eq_ignore_ascii_case(name.as_bytes());
                if agent.windows(name.len()).any(holds) {
                    visit(name.as_bytes());
                }
            }
        });
    },
    equals: super::same_bytes,
    check: |text| match KNOWN.contains(&text.to_ascii_lowercase().as_str()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("`{text}` is none of the known crawlers: {}", KNOWN.join(", "))),
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Seen;

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
