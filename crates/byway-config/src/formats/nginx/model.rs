//! A configuration as what nginx makes of it: servers, locations, and the statements that are run.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::lex::Word;
use super::pcre::Regex;

/// A statement of the rewrite module.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Set {
        name: String,
        text: Word,
        word: Word,
    },
    /// Inside a location an `if` is a location of its own, with settings of its own.
    If {
        test: IfTest,
        body: Vec<Statement>,
        word: Word,
        scope: Option<Box<Scope>>,
    },
    Return {
        status: Option<u16>,
        text: Option<Word>,
        word: Word,
        rule: String,
    },
    Rewrite {
        pattern: Word,
        regex: Regex,
        target: Word,
        flag: Flag,
        word: Word,
        rule: String,
    },
    Break {
        word: Word,
    },
}

/// The flag of a `rewrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    None,
    Last,
    Break,
    Redirect,
    Permanent,
}

/// What an `if` asks.
#[derive(Clone, Debug)]
pub(super) enum IfTest {
    /// The text of a variable is neither empty nor `0`.
    True(Vec<u8>),
    /// Two texts are the same.
    Same { left: Vec<u8>, right: Vec<u8>, negate: bool },
    /// A pattern is found.
    Found { left: Vec<u8>, regex: Regex, negate: bool },
    /// Something is on the disk.
    File { what: u8, path: Vec<u8>, negate: bool },
}

/// What an error is answered with.
#[derive(Clone, Debug)]
pub(super) struct ErrorPage {
    pub(super) codes: Vec<u16>,
    /// `=307`, or `Some(0)` for `=`.
    pub(super) overwrite: Option<u16>,
    pub(super) target: Word,
    pub(super) word: Word,
    pub(super) rule: String,
}

/// What a level hands down to those inside it.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) absolute: bool,
    pub(super) port: bool,
    pub(super) server_name: bool,
    pub(super) merges: bool,
    pub(super) root: Option<Root>,
    pub(super) error_pages: Rc<Vec<ErrorPage>>,
    /// Whether an error behind an error page has its own page again.
    pub(super) is_recursive: bool,
    /// Who may ask, by address, as listed.
    pub(super) access: Rc<Vec<Access>>,
    /// `satisfy any`: an address or a password is enough.
    pub(super) satisfies_any: bool,
    /// Whether a password is asked for.
    pub(super) has_password: bool,
    /// Whether somebody else is asked who may ask.
    pub(super) asks_elsewhere: bool,
    pub(super) index: Rc<Vec<Word>>,
    pub(super) lists_folders: bool,
    /// Whether only nginx itself leads requests here.
    pub(super) is_internal: bool,
}

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            absolute: true,
            port: true,
            server_name: false,
            merges: true,
            root: None,
            error_pages: Rc::default(),
            is_recursive: false,
            access: Rc::default(),
            satisfies_any: false,
            has_password: false,
            asks_elsewhere: false,
            index: Rc::default(),
            lists_folders: false,
            is_internal: false,
        }
    }
}

/// Where files lie.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) word: Word,
    /// With `alias`, what of the path is not looked for: the prefix of its location, or all of it.
    pub(super) alias: Option<Option<Rc<[u8]>>>,
}

/// A line of `allow` or `deny`: whether it lets in, and whom; `None` is everybody.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) lets_in: bool,
    pub(super) network: Option<String>,
    pub(super) word: Word,
    pub(super) rule: String,
}

/// `limit_except`: the methods that it leaves alone, and what holds for the others.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) methods: Vec<String>,
    pub(super) scope: Scope,
    pub(super) answers: Answers,
}

/// Who answers where no statement does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answers {
    /// Files.
    #[default]
    Files,
    /// Another server.
    Server,
    /// A program, or a page that nginx makes.
    Program,
}

/// How a location is found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Exact(Vec<u8>),
    Prefix { prefix: Vec<u8>, is_final: bool },
    Regex(Regex),
    Named(String),
}

#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) found: Found,
    pub(super) word: Word,
    /// What it is for, as it is written, and whether the modifier is part of the same word.
    pub(super) path: Word,
    pub(super) is_joined: bool,
    pub(super) scope: Scope,
    pub(super) statements: Vec<Statement>,
    pub(super) locations: Vec<Location>,
    pub(super) try_files: Option<Vec<Word>>,
    pub(super) answers: Answers,
    pub(super) limit: Option<Box<Limit>>,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Port {
    pub(super) number: u16,
    pub(super) is_tls: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) ports: Vec<(Port, bool)>,
    /// The ports on which clear text is an error.
    pub(super) tls_alone: Vec<String>,
    pub(super) names: Vec<Word>,
    pub(super) scope: Scope,
    pub(super) statements: Vec<Statement>,
    pub(super) locations: Vec<Location>,
    pub(super) try_files: Option<Vec<Word>>,
}

/// A `map`, `geo` or `split_clients`.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) kind: ListKind,
    pub(super) source: Option<Word>,
    pub(super) word: Word,
    pub(super) entries: Vec<(u16, std::ops::Range<usize>)>,
    pub(super) rule: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    Map,
    Geo,
    Split,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) servers: Vec<Server>,
    pub(super) lists: HashMap<String, List>,
    /// The names of the lists, as they stand.
    pub(super) list_names: Vec<String>,
    /// Variables that directives of other modules set.
    pub(super) others: HashSet<String>,
    /// Variables that are set where a pattern cannot be read.
    pub(super) unread: HashSet<String>,
}
