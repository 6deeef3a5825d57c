//! What a block expects against what came of it: compared, or written anew.
//!
//! A test gathers pairs of a block and the text that it should hold, and settles the page once at its end. With `UPDATE=1`
//! the page is rewritten in place and the person reads the difference in their version control; without it each difference
//! is a [`Mismatch`]. CI never sets it, and there it is not obeyed.

use crate::Block;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs};

/// A block that does not hold what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The page.
    pub file: PathBuf,
    /// The first line that differs, counted from 1.
    pub line: usize,
    /// What the block holds.
    pub expected: String,
    /// What came of it.
    pub found: String,
}

/// Compares each block of the page at `file` with what was found, or writes what was found with `UPDATE=1`.
///
/// # Errors
///
/// One mismatch for each block that holds something else, in the order given.
///
/// # Panics
///
/// If the page cannot be read or written, or has changed since its blocks were read.
///
/// ```no_run
/// use byway_testkit::{Document, settle, workspace_root};
/// let file = workspace_root().join("tests/codes.md");
/// let page = Document::parse(&std::fs::read_to_string(&file).unwrap());
/// let found: Vec<_> = page.blocks("text").map(|(_, block)| (block, block.text.to_uppercase())).collect();
/// if let Err(mismatches) = settle(&file, &found) {
///     for mismatch in &mismatches {
///         eprintln!("{mismatch}");
///     }
///     panic!("{} blocks differ", mismatches.len());
/// }
/// ```
pub fn settle(file: &Path, found: &[(&Block, String)]) -> Result<(), Vec<Mismatch>> {
    let mismatches = compare(file, found);
    if mismatches.is_empty() {
        return Ok(());
    }
    if !updating() {
        return Err(mismatches);
    }
    let page = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    fs::write(file, rewrite(&page, found)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Ok(())
}

/// The page with new text in these blocks, everything else as it was.
///
/// A missing line end after the text is supplied, and the fence's own indentation is put back.
///
/// # Panics
///
/// If a block is not of this page, or the text would close its fence.
///
/// ```
/// use byway_testkit::{Document, rewrite};
/// let page = "# A\n```text\nold\n```\nprose\n";
/// let document = Document::parse(page);
/// let block = &document.sections[0].blocks[0];
/// assert_eq!(rewrite(page, &[(block, "new".to_owned())]), "# A\n```text\nnew\n```\nprose\n");
/// ```
pub fn rewrite(page: &str, found: &[(&Block, String)]) -> String {
    let mut edits: Vec<_> = found.iter().collect();
    edits.sort_by_key(|(block, _)| block.range.start);
    let mut rewritten = String::with_capacity(page.len());
    let mut at = 0;
    for (block, text) in edits {
        let kept = page.get(at..block.range.start).expect("each block is of this page and is given once");
        rewritten.push_str(kept);
        assert!(
            !text.lines().any(|line| block.fence.is_closed_by(line)),
            "line {}: the new text would close the block's fence: use a longer fence there",
            block.line
        );
        rewritten.push_str(&indented(text, block.fence.indent));
        at = block.range.end;
    }
    rewritten.push_str(page.get(at..).expect("each block is of this page"));
    rewritten
}

/// Whether a person asked for expectations to be rewritten: `UPDATE=1`, and this is not CI.
///
/// ```
/// # if std::env::var_os("UPDATE").is_none() {
/// assert!(!byway_testkit::updating());
/// # }
/// ```
pub fn updating() -> bool {
    asked_to_update(env::var("UPDATE").ok().as_deref(), env::var_os("CI").is_some())
}

fn asked_to_update(update: Option<&str>, ci: bool) -> bool {
    update == Some("1") && !ci
}

fn compare(file: &Path, found: &[(&Block, String)]) -> Vec<Mismatch> {
    found
        .iter()
        .map(|(block, text)| (block, with_line_end(text)))
        .filter(|(block, text)| block.text != *text)
        .map(|(block, text)| Mismatch {
            file: file.to_path_buf(),
            line: block.line + 1 + first_difference(&block.text, &text),
            expected: block.text.clone(),
            found: text,
        })
        .collect()
}

/// How many lines are equal from the start.
fn first_difference(one: &str, other: &str) -> usize {
    one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count()
}

fn with_line_end(text: &str) -> String {
    let complete = text.is_empty() || text.ends_with('\n');
    format!("{text}{}", if complete { "" } else { "\n" })
}

fn indented(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    with_line_end(text)
        .split_inclusive('\n')
        .map(|line| if line.trim().is_empty() { line.to_owned() } else { format!("{margin}{line}") })
        .collect()
}

impl fmt::Display for Mismatch {
    /// `file:line`, both texts, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: this block does not hold what came of it", self.file.display(), self.line)?;
        for line in self.expected.lines() {
            writeln!(f, "  expected | {line}")?;
        }
        for line in self.found.lines() {
            writeln!(f, "  found    | {line}")?;
        }
        write!(f, "  If what was found is right, run the test with UPDATE=1 and read the difference.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    const PAGE: &str = "# A\n\n```text\none\n```\n\n## B\n\n  ~~~text\n  two\n  ~~~\n";

    fn blocks(page: &Document) -> Vec<&Block> {
        page.blocks("text").map(|(_, block)| block).collect()
    }

    #[test]
    fn several_blocks_are_rewritten_at_once_in_any_order() {
        let page = Document::parse(PAGE);
        let found = blocks(&page);
        let edits = [(found[1], "2\n\nmore\n".to_owned()), (found[0], "a longer one".to_owned())];
        let expected = "# A\n\n```text\na longer one\n```\n\n## B\n\n  ~~~text\n  2\n\n  more\n  ~~~\n";
        assert_eq!(rewrite(PAGE, &edits), expected);
    }

    #[test]
    fn what_is_rewritten_is_read_back() {
        let page = Document::parse(PAGE);
        let rewritten = Document::parse(&rewrite(PAGE, &[(blocks(&page)[1], "x\n  y\n".to_owned())]));
        assert_eq!(blocks(&rewritten)[1].text, "x\n  y\n");
    }

    #[test]
    fn a_block_can_become_empty() {
        let page = Document::parse(PAGE);
        assert!(rewrite(PAGE, &[(blocks(&page)[0], String::new())]).contains("```text\n```\n"));
    }

    #[test]
    #[should_panic(expected = "use a longer fence")]
    fn text_that_would_close_the_fence_is_refused() {
        let page = Document::parse(PAGE);
        rewrite(PAGE, &[(blocks(&page)[0], "```\n# C\n".to_owned())]);
    }

    #[test]
    fn a_mismatch_names_the_first_line_that_differs() {
        let page = Document::parse("```text\nsame\nold\n```\n");
        let block = &page.sections[0].blocks[0];
        let found = compare(Path::new("page.md"), &[(block, "same\nnew".to_owned())]);
        assert_eq!(found[0].line, 3);
        let said = found[0].to_string();
        assert!(said.starts_with("page.md:3: ") && said.contains("expected | old") && said.contains("found    | new"));
    }

    #[test]
    fn what_is_equal_is_settled_without_touching_the_file() {
        let page = Document::parse(PAGE);
        assert_eq!(settle(Path::new("no such file"), &[(blocks(&page)[0], "one".to_owned())]), Ok(()));
    }

    #[test]
    fn ci_never_updates() {
        assert!(asked_to_update(Some("1"), false));
        assert!(!asked_to_update(Some("1"), true));
        assert!(!asked_to_update(Some("0"), false));
        assert!(!asked_to_update(None, false));
    }
}
