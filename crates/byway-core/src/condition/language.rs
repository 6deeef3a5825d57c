//! The language that the visitor prefers, by `Accept-Language` with its quality values (RFC 9110 §12.5.4).
//!
//! The one value is the range of the highest quality above 0, the first one where several are equal; `*` is no language. A
//! written `de` is met by `de` and by `de-CH` (basic filtering, RFC 4647 §3.3.1, in the direction of the visitor's detail).

use super::{Depends, SubjectRow};

pub(super) const ROW: SubjectRow = SubjectRow {
    key: "language",
    takes_name: false,
    help: "The language the visitor likes best by `Accept-Language`; `de` is met by `de-CH`.",
    depends: Depends::OnField("accept-language"),
    values: |request, _, visit| {
        let mut best: Option<(u16, Vec<u8>)> = None;
        request.fields.for_each("accept-language", &mut |field| {
            for range in field.split(|&b| b == b',') {
                let (tag, quality) = weighed(range);
                let better = best.as_ref().is_none_or(|(held, _)| quality > *held);
                if quality > 0 && better && !tag.is_empty() && tag != b"*" {
                    best = Some((quality, tag.to_ascii_lowercase()));
                }
            }
        });
        if let Some((_, tag)) = best {
            visit(&tag);
        }
    },
    equals: |value, wanted| {
        value.get(..wanted.len()).is_some_and(|head| head.eq_ignore_ascii_case(wanted.as_bytes()))
            && matches!(value.get(wanted.len()), None | Some(b'-'))
    },
    check: |text| {
        let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        match text.split('-').all(subtag) && text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            true => Ok(text.to_ascii_lowercase()),
            false => Err(format!("`{text}` is no language tag such as `de` or `pt-BR`")),
        }
    },
};

/// A range and its quality in thousandths; a quality that does not parse is 0.
fn weighed(range: &[u8]) -> (&[u8], u16) {
    let mut parts = range.split(|&b| b == b';');
    let tag = parts.next().unwrap_or_default().trim_ascii();
    for parameter in parts {
        let parameter = parameter.trim_ascii();
        if let Some(value) = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q=")) {
            return (tag, thousandths(value));
        }
    }
    (tag, 1_000)
}

fn thousandths(value: &[u8]) -> u16 {
    let text = std::str::from_utf8(value).unwrap_or_default().trim();
    match text.parse::<f32>() {
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1_000.0) as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(field: &str) -> String {
        let fields = [("accept-language", field)];
        let request = crate::Request { fields: &fields, ..crate::condition::tests::request() };
        let seen = crate::condition::Seen::of(&request);
        let mut found = String::new();
        (ROW.values)(&seen, "", &mut |value| found = String::from_utf8_lossy(value).into_owned());
        found
    }

    #[test]
    fn the_highest_quality_wins_and_the_first_of_equals() {
        assert_eq!(preferred("en;q=0.8, de-CH, fr;q=0.9"), "de-ch");
        assert_eq!(preferred("en;q=0.8, fr;q=0.8"), "en");
        assert_eq!(preferred("de;q=0, *"), "");
        assert_eq!(preferred("da, en-gb;q=0.8, en;q=0.7"), "da");
        assert_eq!(preferred("x;q=nan"), "");
    }

    #[test]
    fn a_language_is_met_by_its_regions() {
        assert!((ROW.equals)(b"de-ch", "de") && (ROW.equals)(b"de", "de"));
        assert!(!(ROW.equals)(b"den", "de") && !(ROW.equals)(b"de", "de-ch"));
        assert!((ROW.check)("").is_err() && (ROW.check)("d e").is_err());
    }
}
