//! Directives as they stand inside one another, includes followed.
//!
//! Reading is a loop, not a recursion, so that braces without end cost memory in proportion to the text and nothing else. What a
//! `map` or `geo` holds is kept as ranges of text: a list of a million entries is split into words when it is lowered, entry by
//! entry. A file ends at its first syntax error, as nginx does; the others are read on.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::faults;
use super::lex::{self, Fault, Lexer, Token, Word, fault};
use super::names::{self, Shape};
use crate::diagnostic::Diagnostic;
use crate::foreign::{Reading, Text};
use crate::span::{Span, column};

/// How deep blocks may stand inside one another.
pub(super) const DEPTH_LIMIT: usize = 64;
/// The most words of one directive: no list of names comes near it.
const WORD_LIMIT: usize = 100_000;
/// The most directives of one text: a million locations have two each.
const DIRECTIVE_LIMIT: usize = 3_000_000;
/// How deep files may include one another.
const INCLUDE_LIMIT: usize = 32;

/// A directive.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) name: Word,
    pub(super) args: Vec<Word>,
    pub(super) body: Body,
}

/// What follows the words of a directive.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// `;`
    None,
    /// `{ … }`
    Block(Vec<Directive>),
    /// A list of entries: ranges of texts.
    Entries(Vec<(u16, Range<usize>)>),
    /// What is in another language.
    Foreign,
}

/// A configuration.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) texts: Vec<Text>,
    pub(super) directives: Vec<Directive>,
}

impl Tree {
    /// The bytes of a word.
    pub(super) fn word(&self, word: Word) -> Cow<'_, [u8]> {
        word.of(self.bytes(word.text))
    }

    /// A word as text, for names and messages.
    pub(super) fn str(&self, word: Word) -> Cow<'_, str> {
        match self.word(word) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }

    pub(super) fn bytes(&self, text: u16) -> &[u8] {
        self.texts.get(usize::from(text)).map(|text| text.bytes.as_slice()).unwrap_or_default()
    }

    pub(super) fn span(&self, word: Word) -> Span {
        self.place(word.text, word.outer())
    }

    /// The line of a word.
    pub(super) fn line(&self, word: Word) -> Span {
        self.texts[usize::from(word.text)].line(word.outer())
    }

    pub(super) fn place(&self, text: u16, range: Range<usize>) -> Span {
        self.texts[usize::from(text)].span(range)
    }

    /// The words of a directive, for remarks.
    pub(super) fn words(&self, directive: &Directive) -> String {
        let end = directive.args.last().copied().unwrap_or(directive.name).outer().end;
        let bytes = self.bytes(directive.name.text).get(directive.name.outer().start..end).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// Reads a file and all that it includes.
pub(super) fn read(reading: &mut Reading<'_>) -> Option<Tree> {
    let named = reading.named().to_owned();
    let folder = named.parent().unwrap_or(Path::new("")).to_owned();
    let mut reader = Reader { reading, tree: Tree::default(), folder, stack: Vec::new() };
    let directives = reader.file(&named, None)?;
    reader.tree.directives = directives;
    Some(reader.tree)
}

struct Reader<'r, 'l> {
    reading: &'r mut Reading<'l>,
    tree: Tree,
    /// The folder of the first file: every relative include begins there, as in nginx.
    folder: PathBuf,
    /// The files that are being read.
    stack: Vec<PathBuf>,
}

/// A block that is being read.
struct Open {
    directive: Directive,
    before: Vec<Directive>,
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &Path, from: Option<&Span>) -> Option<Vec<Directive>> {
        if self.stack.iter().any(|open| open == path) || self.stack.len() >= INCLUDE_LIMIT {
            let message = match self.stack.iter().any(|open| open == path) {
                true => format!("{} includes itself", path.display()),
                false => format!("files include one another deeper than {INCLUDE_LIMIT}"),
            };
            self.reading.cycle(path, message, from);
            return None;
        }
        let text = self.open(path, from)?;
        self.stack.push(path.to_owned());
        let directives = self.directives(text);
        self.stack.pop();
        Some(directives)
    }

    fn open(&mut self, path: &Path, from: Option<&Span>) -> Option<u16> {
        let text = self.reading.open(path, from)?;
        self.tree.texts.push(text);
        u16::try_from(self.tree.texts.len() - 1).ok()
    }

    /// The directives of one text.
    fn directives(&mut self, text: u16) -> Vec<Directive> {
        // The text is lent to the lexer while included files are added behind it.
        let bytes = std::mem::take(&mut self.tree.texts[usize::from(text)].bytes);
        let mut lexer = Lexer::new(&bytes, text, 0..bytes.len());
        let (mut open, mut here) = (Vec::new(), Vec::new());
        let ended = self.loop_of(&mut lexer, &mut open, &mut here);
        self.tree.texts[usize::from(text)].bytes = bytes;
        if let Err(fault) = ended {
            self.say(text, fault);
        }
        // What was read before the error is kept: the rest of the configuration is looked at all the same.
        while let Some(Open { mut directive, before }) = open.pop() {
            directive.body = Body::Block(std::mem::replace(&mut here, before));
            here.push(directive);
        }
        here
    }

    fn say(&mut self, text: u16, fault: Fault) {
        let span = self.tree.place(text, fault.at);
        let diagnostic = match fault.help {
            Some(help) => faults::syntax_with(fault.what, help, span),
            None => faults::syntax(fault.what, span),
        };
        self.reading.say_mistake(match fault.seen_at {
            Some((label, seen)) => {
                let seen = self.tree.place(text, seen);
                let stops = format!("nginx would stop here, in line {}", seen.line);
                diagnostic.label(label).also(seen, stops)
            }
            None => diagnostic,
        });
    }

    fn loop_of(&mut self, lexer: &mut Lexer<'_>, open: &mut Vec<Open>, here: &mut Vec<Directive>) -> Result<(), Fault> {
        let mut words: Vec<Word> = Vec::new();
        let mut count = 0;
        loop {
            match lexer.next().map_err(|fault| unended(lexer, &words, fault))? {
                Token::Word(word) if words.len() >= WORD_LIMIT => {
                    return fault(word.outer(), format!("a directive of more than {WORD_LIMIT} words"));
                }
                Token::Word(word) => words.push(word),
                Token::End(end) if count == DIRECTIVE_LIMIT => {
                    let what = format!("more than {DIRECTIVE_LIMIT} directives in one file");
                    let help = Some("put some of them into a file that is included, if this is a configuration");
                    return Err(Fault { at: end..end + 1, what, help, seen_at: None });
                }
                Token::End(end) => {
                    count += 1;
                    let missing = forgotten(lexer, &words);
                    let directive = self.directive(lexer, &mut words, Body::None);
                    let directive = directive.map_err(|fault| merged(fault, missing, end))?;
                    if let Some((at, swallowed)) = missing.filter(|_| directive.is_some()) {
                        self.swallowed(lexer, at, swallowed);
                    }
                    match directive {
                        Some(directive) => here.push(directive),
                        None => self.include(lexer, std::mem::take(&mut words), here)?,
                    }
                }
                Token::Open(at) if lex::counts(lexer.bytes(), at) => return Err(of_pattern(lexer, &words, at)),
                Token::Open(at) => {
                    let missing = forgotten(lexer, &words);
                    let directive = self.directive(lexer, &mut words, Body::Block(Vec::new()));
                    let Some(directive) = directive.map_err(|fault| merged(fault, missing, at))? else {
                        return fault(at..at + 1, "directive \"include\" is not terminated by \";\"");
                    };
                    let name = String::from_utf8_lossy(&directive.name.of(lexer.bytes())).into_owned();
                    match names::body_of(&name) {
                        names::BodyKind::Entries => {
                            let entries = self.entries(lexer)?;
                            here.push(Directive { body: Body::Entries(entries), ..directive });
                        }
                        names::BodyKind::Foreign => {
                            lexer.skip_foreign()?;
                            here.push(Directive { body: Body::Foreign, ..directive });
                        }
                        names::BodyKind::Block if open.len() >= DEPTH_LIMIT => {
                            return fault(
                                at..at + 1,
                                format!("blocks stand inside one another deeper than {DEPTH_LIMIT}"),
                            );
                        }
                        names::BodyKind::Block => open.push(Open { directive, before: std::mem::take(here) }),
                    }
                }
                Token::Close(at) => match open.pop() {
                    Some(Open { mut directive, before }) => {
                        directive.body = Body::Block(std::mem::replace(here, before));
                        here.push(directive);
                    }
                    None => return fault(at..at + 1, "unexpected \"}\""),
                },
                Token::Over => {
                    let end = lexer.bytes().len();
                    return match open.last() {
                        Some(last) => fault(end..end, "unexpected end of file, expecting \"}\"")
                            .map_err(|fault| fault.made_at(last.directive.name.outer(), "this block is not closed")),
                        None => Ok(()),
                    };
                }
            }
        }
    }

    /// A directive of the words that were gathered; `None` for an include, whose words are left.
    fn directive(&mut self, lexer: &Lexer<'_>, words: &mut Vec<Word>, body: Body) -> Result<Option<Directive>, Fault> {
        let Some(&name) = words.first() else { return fault(0..0, "unexpected \";\"") };
        let text = name.of(lexer.bytes());
        let shown = String::from_utf8_lossy(&text);
        match (names::shape_of(&shown), &body) {
            (Some(Shape::Line), Body::Block(_)) => {
                return fault(name.outer(), format!("directive \"{shown}\" is not terminated by \";\""));
            }
            (Some(Shape::Block), Body::None) => {
                return fault(name.outer(), format!("directive \"{shown}\" has no opening \"{{\""));
            }
            _ => {}
        }
        if let Some(takes) = names::arguments_of(&shown)
            && !takes.contains(&(words.len() - 1))
        {
            return fault(name.outer(), format!("invalid number of arguments in \"{shown}\" directive"));
        }
        if *text == *b"include" && matches!(body, Body::None) {
            return Ok(None);
        }
        let args = words[1..].to_vec();
        words.clear();
        Ok(Some(Directive { name, args, body }))
    }

    /// Says that a directive took the next line for words of its own: nginx may take that, and nobody meant it.
    fn swallowed(&mut self, lexer: &Lexer<'_>, end: usize, swallowed: Word) {
        let name = String::from_utf8_lossy(&swallowed.of(lexer.bytes())).into_owned();
        let what = format!("`{name}` is taken for a word of the line before it, which has no `;`");
        let diagnostic = Diagnostic::warning("missing-end", what).at(self.span(lexer, end..end)).label(NO_END);
        let other = self.span(lexer, swallowed.outer());
        self.reading.say_mistake(diagnostic.also(other, "no directive for nginx").help(faults::END));
    }

    /// A place in the text that is being read: its bytes are with the lexer meanwhile.
    fn span(&self, lexer: &Lexer<'_>, range: Range<usize>) -> Span {
        let before = &lexer.bytes()[..range.start];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let line = self.tree.texts[usize::from(lexer.text())].line(range);
        Span { column: column(&before[line_start..]), ..line }
    }

    fn include(&mut self, lexer: &Lexer<'_>, words: Vec<Word>, here: &mut Vec<Directive>) -> Result<(), Fault> {
        for (path, span) in self.included(lexer, &words) {
            here.extend(self.file(&path, Some(&span)).unwrap_or_default());
        }
        Ok(())
    }

    /// The files that an include names.
    fn included(&mut self, lexer: &Lexer<'_>, words: &[Word]) -> Vec<(PathBuf, Span)> {
        let Some(&word) = words.get(1) else { return Vec::new() };
        let pattern = String::from_utf8_lossy(&word.of(lexer.bytes())).into_owned();
        let span = self.span(lexer, word.outer());
        let last = pattern.rsplit('/').next().unwrap_or_default();
        let paths = self.reading.expand(&self.folder, &pattern, &span).unwrap_or_default();
        // Lists of types and of parameters for other programs hold no redirects; a configuration is often read without them.
        let harmless = names::HARMLESS_INCLUDES.contains(&last);
        paths
            .into_iter()
            .filter(|path| !harmless || self.reading.is_there(path))
            .map(|path| (path, span.clone()))
            .collect()
    }

    /// The entries of a list, behind its `{`: where they stand, with the included files in their places.
    fn entries(&mut self, lexer: &mut Lexer<'_>) -> Result<Vec<(u16, Range<usize>)>, Fault> {
        let mut found = Vec::new();
        let text = lexer.text();
        let mut from = lexer.place();
        let opened = from.saturating_sub(1);
        let mut words: Vec<Word> = Vec::new();
        loop {
            let before = lexer.place();
            match lexer.next()? {
                Token::Word(word) => {
                    // An entry has few words: what has many is another mistake.
                    if words.len() < 64 {
                        words.push(word);
                    }
                }
                Token::End(end) => {
                    if words.len() == 2 && *words[0].of(lexer.bytes()) == *b"include" {
                        found.push((text, from..words[0].outer().start));
                        for (path, span) in self.included(lexer, &words) {
                            found.extend(self.list(&path, &span));
                        }
                        from = end + 1;
                    }
                    words.clear();
                }
                Token::Open(at) => {
                    let help = lex::counts(lexer.bytes(), at).then_some(faults::BRACE);
                    return Err(Fault { at: at..at + 1, what: "unexpected \"{\"".to_owned(), help, seen_at: None });
                }
                Token::Close(end) => {
                    found.push((text, from..end));
                    return Ok(found);
                }
                Token::Over => return fault(opened..before.max(opened), "unexpected end of file, expecting \"}\""),
            }
        }
    }

    /// A file of entries.
    fn list(&mut self, path: &Path, span: &Span) -> Vec<(u16, Range<usize>)> {
        if self.stack.len() >= INCLUDE_LIMIT || self.stack.iter().any(|open| open == path) {
            self.reading.cycle(path, format!("{} includes itself", path.display()), Some(span));
            return Vec::new();
        }
        let Some(text) = self.open(path, Some(span)) else { return Vec::new() };
        self.stack.push(path.to_owned());
        let mut bytes = std::mem::take(&mut self.tree.texts[usize::from(text)].bytes);
        // The end of the file ends the list.
        bytes.push(b'}');
        let mut lexer = Lexer::new(&bytes, text, 0..bytes.len());
        let found = self.entries(&mut lexer);
        let rest = bytes.len() - lexer.place();
        bytes.pop();
        self.tree.texts[usize::from(text)].bytes = bytes;
        self.stack.pop();
        let found = match found {
            Ok(_) if rest > 0 => fault(lexer_end(rest, &self.tree, text), "unexpected \"}\""),
            other => other,
        };
        found.unwrap_or_else(|fault| {
            self.say(text, fault);
            Vec::new()
        })
    }
}

/// What is said of a `;` that was forgotten.
const NO_END: &str = "`;` is missing here";

/// Where a directive was to end whose next line begins with the name of another, and that name.
fn forgotten(lexer: &Lexer<'_>, words: &[Word]) -> Option<(usize, Word)> {
    let bytes = lexer.bytes();
    let begins =
        |word: Word| lex::begins_line(bytes, word) && names::decides(&String::from_utf8_lossy(&word.of(bytes)));
    let at = words.iter().skip(1).position(|word| begins(*word))?;
    Some((words[at].outer().end, words[at + 1]))
}

/// A fault of a directive that is two: it was made where the first of them was to end, and nginx sees it at `seen`.
fn merged(fault: Fault, missing: Option<(usize, Word)>, seen: usize) -> Fault {
    match missing {
        Some((end, _)) => Fault { at: seen..seen + 1, help: Some(faults::END), ..fault }.made_at(end..end, NO_END),
        None => fault,
    }
}

/// A fault behind words that no `;` ends.
fn unended(lexer: &Lexer<'_>, words: &[Word], fault: Fault) -> Fault {
    let is_end = fault.what == "unexpected \"}\"" || fault.what.ends_with("expecting \";\" or \"}\"");
    let last = words.last().filter(|_| is_end && fault.seen_at.is_none());
    match last.map(|last| forgotten(lexer, words).map_or(last.outer().end, |(end, _)| end)) {
        Some(end) => Fault { help: Some(faults::END), ..fault }.made_at(end..end, NO_END),
        None => fault,
    }
}

/// What nginx says of a block that opens inside of a pattern: that depends on the directive.
fn of_pattern(lexer: &Lexer<'_>, words: &[Word], at: usize) -> Fault {
    let bytes = lexer.bytes();
    let text = |word: Option<&Word>| word.map(|word| String::from_utf8_lossy(&word.of(bytes)).into_owned());
    let name = text(words.first()).unwrap_or_default();
    let what = match &*name {
        "if" => format!("invalid condition \"{}\"", text(words.last()).unwrap_or_default()),
        name if names::shape_of(name) == Some(Shape::Line) => {
            format!("directive \"{name}\" is not terminated by \";\"")
        }
        _ => {
            let rest = &bytes[at + 1..];
            let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b';' | b'{');
            let end = rest.iter().position(ends).unwrap_or(rest.len()).min(100);
            format!("unknown directive \"{}\"", String::from_utf8_lossy(&rest[..end]))
        }
    };
    Fault { at: at..at + 1, what, help: Some(faults::BRACE), seen_at: None }
}

fn lexer_end(rest: usize, tree: &Tree, text: u16) -> Range<usize> {
    let at = tree.bytes(text).len().saturating_sub(rest);
    at..at + 1
}
