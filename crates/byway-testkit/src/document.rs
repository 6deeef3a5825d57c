//! A Markdown page as a list of sections with their fenced blocks.
//!
//! Of CommonMark it knows what a fixture needs: headings that begin with `#` and fences of backticks or tildes, indented by
//! at most three spaces. Underlined headings, lists, quotes and HTML comments are prose, and prose is not kept. The one
//! difference is on purpose: a fence that is never closed is a mistake here, since it would swallow the tests below it.

use std::fmt;
use std::ops::Range;

/// A page: its sections from top to bottom.
///
/// ```
/// let page = byway_testkit::Document::parse(concat!(
///     "# Moves\n",
///     "The API moved.\n",
///     "## The method stays\n",
///     "```requests\n",
///     "POST /old -> 307 /new\n",
///     "```\n",
/// ));
/// let section = &page.sections[1];
/// assert_eq!(section.title, "The method stays");
/// assert_eq!(section.path, ["Moves", "The method stays"]);
/// assert_eq!(section.line, 3);
///
/// let block = &section.blocks[0];
/// assert_eq!(block.info, "requests");
/// assert_eq!(block.text, "POST /old -> 307 /new\n");
/// assert_eq!(block.line, 4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// One for each heading, in order. What stands above the first heading is a section without a title, kept only if it
    /// has a block.
    pub sections: Vec<Section>,
}

/// A heading, and the blocks between it and the next heading of any level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading's text, as written; empty above the first heading.
    pub title: String,
    /// The titles of the headings that this one stands under, outermost first, and then its own.
    pub path: Vec<String>,
    /// The number of `#`: 1 to 6, or 0 above the first heading.
    pub level: usize,
    /// The heading's line, counted from 1.
    pub line: usize,
    /// The fenced blocks, in order.
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What follows the opening fence, trimmed: `requests`, `toml`, or nothing.
    pub info: String,
    /// The lines between the fences, each with its line end, without the fence's own indentation.
    pub text: String,
    /// The line of the opening fence, counted from 1: the block's first line is the next.
    pub line: usize,
    /// Where the lines between the fences stand in the page, in bytes.
    pub(crate) range: Range<usize>,
    /// What opened the block, and closes it.
    pub(crate) fence: Fence,
}

/// The sign of a fence, how many of them, and by how many spaces it is indented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    sign: char,
    length: usize,
    pub(crate) indent: usize,
}

impl Document {
    /// Reads a page.
    ///
    /// # Panics
    ///
    /// If a fence is never closed, with its line.
    pub fn parse(text: &str) -> Document {
        let mut sections = vec![Section::above_the_first_heading()];
        let mut lines = numbered(text);
        while let Some((line, at, written)) = lines.next() {
            if let Some((level, title)) = heading(written) {
                let section = Section::under(&sections, level, title, line);
                sections.push(section);
            } else if let Some((fence, info)) = Fence::opening(written) {
                let start = at + written.len();
                let closing = lines.find(|(_, _, written)| fence.is_closed_by(written));
                let Some((_, end, _)) = closing else {
                    panic!("line {line}: this fence is never closed; end the block with a fence of its own");
                };
                let block = Block::between(text, start..end, line, info, fence);
                sections.last_mut().expect("there is always a section").blocks.push(block);
            }
        }
        if sections[0].blocks.is_empty() {
            sections.remove(0);
        }
        Document { sections }
    }

    /// Every block whose info string begins with this word, with the section it stands in.
    ///
    /// ```
    /// let page = byway_testkit::Document::parse("# A\n```toml rules\nx = 1\n```\n```text\nnot this\n```\n");
    /// let found: Vec<_> = page.blocks("toml").map(|(section, block)| (section.name(), block.text.as_str())).collect();
    /// assert_eq!(found, [("A".to_owned(), "x = 1\n")]);
    /// ```
    pub fn blocks<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a Section, &'a Block)> {
        self.sections
            .iter()
            .flat_map(|section| section.blocks.iter().map(move |block| (section, block)))
            .filter(move |(_, block)| block.kind() == kind)
    }
}

impl Section {
    /// The titles of its path with ` / ` between them: a name for a test.
    ///
    /// ```
    /// let page = byway_testkit::Document::parse("# Moves\n## Trailing slash\n");
    /// assert_eq!(page.sections[1].name(), "Moves / Trailing slash");
    /// ```
    pub fn name(&self) -> String {
        self.path.join(" / ")
    }

    /// The first block whose info string begins with this word.
    ///
    /// ```
    /// let page = byway_testkit::Document::parse("# A\n```toml\nx = 1\n```\n");
    /// assert_eq!(page.sections[0].block("toml").unwrap().text, "x = 1\n");
    /// assert!(page.sections[0].block("requests").is_none());
    /// ```
    pub fn block(&self, kind: &str) -> Option<&Block> {
        self.blocks.iter().find(|block| block.kind() == kind)
    }

    fn above_the_first_heading() -> Section {
        Section { title: String::new(), path: Vec::new(), level: 0, line: 1, blocks: Vec::new() }
    }

    /// The section that a heading of this level opens: it stands under the last heading of a smaller level.
    fn under(above: &[Section], level: usize, title: String, line: usize) -> Section {
        let parent = above.iter().rev().find(|section| section.level < level);
        let mut path = parent.map(|section| section.path.clone()).unwrap_or_default();
        path.push(title.clone());
        Section { title, path, level, line, blocks: Vec::new() }
    }
}

impl Block {
    /// The first word of the info string: what the block is.
    ///
    /// ```
    /// let page = byway_testkit::Document::parse("```toml as=moves.toml\n```\n");
    /// assert_eq!(page.sections[0].blocks[0].kind(), "toml");
    /// ```
    pub fn kind(&self) -> &str {
        self.info.split_whitespace().next().unwrap_or("")
    }

    /// The lines that say something, each with its number in the page: one line is one case.
    ///
    /// ```
    /// let page = byway_testkit::Document::parse("```requests\nGET /a -> pass\n\nGET /b -> pass\n```\n");
    /// let cases: Vec<_> = page.sections[0].blocks[0].lines().collect();
    /// assert_eq!(cases, [(2, "GET /a -> pass"), (4, "GET /b -> pass")]);
    /// ```
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(number, line)| (self.line + 1 + number, line))
            .filter(|(_, line)| !line.trim().is_empty())
    }

    fn between(page: &str, range: Range<usize>, line: usize, info: &str, fence: Fence) -> Block {
        let lines = page[range.clone()].split_inclusive('\n');
        let text = lines.map(|written| without_indent(written, fence.indent)).collect();
        Block { info: info.to_owned(), text, line, range, fence }
    }
}

impl fmt::Display for Section {
    /// The name, and the line to look at.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.name(), self.line)
    }
}

impl Fence {
    /// The fence that this line opens, and its info string.
    fn opening(line: &str) -> Option<(Fence, &str)> {
        let (indent, rest) = indented(line)?;
        let sign = rest.chars().next().filter(|sign| ['`', '~'].contains(sign))?;
        let info = rest.trim_start_matches(sign);
        let length = rest.len() - info.len();
        let inline_code = sign == '`' && info.contains('`');
        (length >= 3 && !inline_code).then(|| (Fence { sign, length, indent }, info.trim()))
    }

    pub(crate) fn is_closed_by(self, line: &str) -> bool {
        Fence::opening(line)
            .is_some_and(|(fence, info)| fence.sign == self.sign && fence.length >= self.length && info.is_empty())
    }
}

/// A heading's level and text: `## Like this ##`.
fn heading(line: &str) -> Option<(usize, String)> {
    let (_, rest) = indented(line)?;
    let title = rest.trim_start_matches('#');
    let level = rest.len() - title.len();
    let separated = title.trim().is_empty() || title.starts_with([' ', '\t']);
    if !(1..=6).contains(&level) || !separated {
        return None;
    }
    Some((level, without_closing_hashes(title.trim()).to_owned()))
}

fn without_closing_hashes(title: &str) -> &str {
    let bare = title.trim_end_matches('#');
    if bare.is_empty() || bare.ends_with([' ', '\t']) { bare.trim_end() } else { title }
}

/// A line's indentation and what follows it, unless it is indented like code.
fn indented(line: &str) -> Option<(usize, &str)> {
    let rest = line.trim_start_matches(' ');
    let indent = line.len() - rest.len();
    (indent <= 3).then_some((indent, rest))
}

fn without_indent(line: &str, indent: usize) -> &str {
    let spaces = line.len() - line.trim_start_matches(' ').len();
    &line[spaces.min(indent)..]
}

/// Every line with its number from 1 and the byte at which it begins; line ends are kept.
fn numbered(text: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').enumerate().map(move |(index, line)| {
        at += line.len();
        (index + 1, at - line.len(), line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(text: &str) -> Vec<String> {
        Document::parse(text).sections.iter().map(Section::name).collect()
    }

    fn only_block(text: &str) -> Block {
        let page = Document::parse(text);
        let [section] = page.sections.as_slice() else { panic!("one section: {page:?}") };
        let [block] = section.blocks.as_slice() else { panic!("one block: {page:?}") };
        block.clone()
    }

    #[test]
    fn headings_form_a_path() {
        assert_eq!(titles("# A\n## B\n### C\n## D\n# E\n"), ["A", "A / B", "A / B / C", "A / D", "E"]);
    }

    #[test]
    fn a_skipped_level_stands_under_what_is_above() {
        assert_eq!(titles("# A\n### C\n## B\n"), ["A", "A / C", "A / B"]);
    }

    #[test]
    fn what_looks_like_a_heading_and_is_none() {
        assert!(titles("#no space\n####### seven\n    # code\ntext # here\n").is_empty());
    }

    #[test]
    fn closing_hashes_are_no_part_of_the_title() {
        assert_eq!(titles("## A ##\n# C#\n#\n"), ["A", "C#", ""]);
    }

    #[test]
    fn a_heading_inside_a_block_is_text() {
        assert_eq!(only_block("```toml\n# a comment\n```\n").text, "# a comment\n");
    }

    #[test]
    fn a_longer_fence_holds_a_shorter_one() {
        let block = only_block("````markdown\n```\ninside\n```\n````\n");
        assert_eq!(block.text, "```\ninside\n```\n");
    }

    #[test]
    fn tildes_and_backticks_do_not_close_each_other() {
        assert_eq!(only_block("~~~ text\n```\n~~~\n").text, "```\n");
    }

    #[test]
    fn a_fence_with_words_does_not_close() {
        assert_eq!(only_block("```a\n``` b\n```\n").text, "``` b\n");
    }

    #[test]
    fn the_indentation_of_the_fence_is_not_part_of_the_text() {
        let block = only_block("  ```toml\n  a\n    b\n c\n  ```\n");
        assert_eq!(block.text, "a\n  b\nc\n");
    }

    #[test]
    fn inline_code_is_no_fence() {
        assert!(Document::parse("```not a fence```\n").sections.is_empty());
    }

    #[test]
    fn lines_are_counted_with_other_line_ends_too() {
        let block = only_block("one\r\n```text\r\nthree\r\n```\r\n");
        assert_eq!((block.line, block.info.as_str(), block.text.as_str()), (2, "text", "three\r\n"));
    }

    #[test]
    fn an_empty_block_at_the_end_without_a_line_end() {
        assert_eq!(only_block("```text\n```").text, "");
    }

    #[test]
    #[should_panic(expected = "line 3: this fence is never closed")]
    fn a_fence_that_is_never_closed_is_a_mistake() {
        Document::parse("# A\n\n```text\n# B\n");
    }
}
