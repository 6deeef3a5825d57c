//! "Did you mean": the known word that is nearest to the one that was written.
//!
//! Nearest by insertions, deletions, changes and swapped neighbours; a word that is too far away is not suggested.

/// The nearest of the known words, if one is near enough: a third of its letters may differ, and one always.
///
/// ```
/// use byway_config::own::suggest::nearest;
/// assert_eq!(nearest("stauts", ["status", "since"]), Some("status"));
/// assert_eq!(nearest("colour", ["status", "since"]), None);
/// ```
pub fn nearest<'w>(written: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let lower = written.to_ascii_lowercase().replace('-', "_");
    let mut best: Option<(usize, &str)> = None;
    for word in known {
        let distance = distance(&lower, word);
        let allowed = (word.len().max(lower.len()) / 3).max(1);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, word));
        }
    }
    best.map(|(_, word)| word)
}

/// The known word of which this is a misspelling, and not a word of its own: one edit, or two in longer words.
///
/// ```
/// use byway_config::own::suggest::misspelt;
/// assert_eq!(misspelt("retrun", ["return", "root"]), Some("return"));
/// assert_eq!(misspelt("Return", ["return", "root"]), Some("return"));
/// assert_eq!(misspelt("echo", ["geo", "set"]), None);
/// ```
pub fn misspelt<'w>(written: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    near(written, known, |word| if word.len() > 6 { 2 } else { 1 })
}

/// The known word of which this is a misspelling by one edit: where words of one's own are many, two may be another word.
///
/// ```
/// use byway_config::own::suggest::slip;
/// assert_eq!(slip("gzip_typs", ["gzip_types"]), Some("gzip_types"));
/// assert_eq!(slip("MyModule", ["IfModule"]), None);
/// ```
pub fn slip<'w>(written: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    near(written, known, |_| 1)
}

fn near<'w>(
    written: &str,
    known: impl IntoIterator<Item = &'w str>,
    allowed: impl Fn(&str) -> usize,
) -> Option<&'w str> {
    let lower = written.to_ascii_lowercase();
    // So many edits at the least are a difference in length.
    let alike = known.into_iter().filter(|word| word.len().abs_diff(lower.len()) <= allowed(word));
    let near = alike.map(|word| (distance(&lower, &word.to_ascii_lowercase()), word));
    near.filter(|(edits, word)| *edits <= allowed(word)).min_by_key(|(edits, _)| *edits).map(|(_, word)| word)
}

/// The distance between two words in edits; a swap of neighbours is one. Words longer than 64 bytes are far from everything.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let change = last[j] + usize::from(x != y);
            let mut least = change.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(distance("form", "from"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("form", ["to", "from"]), Some("from"));
        assert_eq!(nearest("retry-after", ["retry_after"]), Some("retry_after"));
    }
}
