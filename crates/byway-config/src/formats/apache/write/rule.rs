//! One rule in Apache's words: a line of mod_alias where that says the same, and the lines of mod_rewrite.

// Long because conditions, path and target of one rule hang on the same groups.

use std::borrow::Cow;

use byway_core::dialect::{BYWAY, LetterCase, QueryPolicy, QuestionMark, TrailingSlash, View};
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::source::{PathPattern, Segment, Source};
use byway_core::status::StatusByMethod;
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::Context;
use super::conditions;
use super::text::{alias_word, is_left_alone, kept, seen, unescaped, word};
use crate::writing::aside::{Aside, aside};
use crate::writing::own::{Does, OwnRule, STRANGER, case_of, in_our_words, takes_host};
use crate::writing::perl::{fitting, has_alternatives, perl};
use crate::writing::rank::{Region, region};

type Why = Cow<'static, str>;

/// A rule in Apache's words.
pub(super) struct Lines {
    /// One line of mod_alias, where it can say the rule.
    pub(super) alias: Option<String>,
    /// Whether it was one there, so that nothing of mod_rewrite's behind it ever went before it.
    pub(super) is_alias: bool,
    /// The lines of mod_rewrite.
    pub(super) rewrite: Vec<String>,
    /// What a list says of it, where it is one path and one target.
    pub(super) entry: Option<Entry>,
    /// Whether it is one path that is found without case, or without its last slash.
    pub(super) is_loose: bool,
    /// Where it may fit.
    pub(super) region: Region,
    /// Why it is not quite the rule.
    pub(super) why: Option<Why>,
}

/// A line of a `RewriteMap`.
pub(super) struct Entry {
    pub(super) status: u16,
    /// Whether the request's query is dropped.
    pub(super) drops_query: bool,
    /// Whether its path is found in letters of either case: its key has small ones then.
    pub(super) ignores_case: bool,
    /// What stands before its value, which a list cannot hold.
    pub(super) origin: &'static str,
    pub(super) key: String,
    pub(super) value: String,
}

/// The scheme and the host of the request.
const ORIGIN: &str = "%{REQUEST_SCHEME}://%{SERVER_NAME}";

/// The most bytes of a line: httpd reads no more than 1,023 in one go.
const LINE: usize = 1_000;

const CAPTURES: &str = "Apache writes what it captures decoded and escaped anew, and answers `%2F` in it with 404";
const DECODED: &str = "Apache's patterns see the path decoded";
const ADDRESS: &str = "Apache compares an address in a host as it was sent, and one has many spellings";
const TIME: &str = "Apache compares its own local time: the instants are written in UTC";
const ITSELF: &str = "where the redirect leads to the URL that was asked, Apache sends it";
const RETRY: &str = "`Retry-After` is not sent";
const CACHE: &str = "how long the answer may be kept is not said";
const PAIR: &str = "Apache finds a pair of the query as it was sent, and sends its value on so";
const ESCAPED_TWICE: &str =
    "escapes in the request's query are escaped once more where it is joined to one of the target";

/// The rule in Apache's words, or why it has none.
pub(super) fn lines(rule: &OwnRule<'_>, context: Context) -> Result<Lines, Why> {
    if let Some(why) = rule.only_seen() {
        return Err(why);
    }
    let mut source =
        Source::parse(&rule.from).map_err(|_| "its host and path make no `from` that byway.toml can hold")?;
    source.slash = rule.slash;
    let case = case_of(rule, &source);
    crate::own::rule::set_case(&mut source, case);
    let is_apache = rule.view.dialect().name == "apache";
    // What a rule of mod_rewrite looked up was none of mod_alias.
    let is_looked_up = rule.view.dialect().view == View::Given;
    let is_alias = is_apache && !is_looked_up && rule.view.dialect().question != QuestionMark::Forbidden;
    let mut saying = Saying { conditions: Vec::new(), last: None, is_apache, is_alias, why: None };
    saying.asked(rule, &source)?;
    match &rule.does {
        Does::Redirect { status, to, query } => {
            let target = Target::parse(to, &source).map_err(|_| "its target is none that byway.toml can hold")?;
            if *rule.view.dialect() == BYWAY && takes_host(&target, &rule.conditions) {
                return Err(STRANGER.into());
            }
            if *rule.view.dialect() == BYWAY {
                saying.stand_aside(&source, &target, query)?;
            }
            saying.redirect(&source, *status, &target, query, context)
        }
        Does::Reply { status, retry_after } => {
            saying.note(retry_after.and(Some(RETRY)));
            saying.reply(&source, status.number(), context)
        }
        Does::Rewrite { to, query } => {
            let target =
                Target::parse(to, &source).map_err(|_| "the path that it leads to is none that byway.toml can hold")?;
            saying.rewrite(&source, &target, query, context)
        }
        Does::Pass => saying.pass(&source, context),
    }
}

/// A rule being said.
struct Saying {
    /// Lines of `RewriteCond`.
    conditions: Vec<String>,
    /// The one whose groups the target takes: it stands behind all others.
    last: Option<String>,
    /// Whether the rule was Apache's already, and whether it was one of mod_alias.
    is_apache: bool,
    is_alias: bool,
    why: Option<Why>,
}

/// How a path is said in Apache's patterns.
struct Path {
    /// What mod_rewrite is asked here.
    pattern: String,
    /// What mod_alias is asked.
    whole: String,
    /// A condition that takes the place of the pattern: it must stand last.
    condition: Option<String>,
    /// `$` or `%` before the number of a group.
    sign: char,
    tail: Tail,
    region: Region,
}

/// How the rest below a prefix is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Nobody asks for it.
    Unused,
    /// With its slash.
    Slashed,
    /// Without.
    Bare,
    /// Both, the one inside of the other.
    Both,
    /// Below the root, where the slash is always there.
    Root,
}

impl Saying {
    fn note(&mut self, why: Option<&'static str>) {
        if let Some(why) = why {
            self.why.get_or_insert(why.into());
        }
    }

    /// What is asked of a request beside its path.
    fn asked(&mut self, rule: &OwnRule<'_>, source: &Source<'_>) -> Result<(), Why> {
        if source.host != HostPattern::Any {
            self.conditions.push(conditions::is_host(std::slice::from_ref(&source.host), false)?);
            self.note(source.host.to_string().starts_with('[').then_some(ADDRESS));
        }
        if let Some(scheme) = source.scheme {
            self.conditions.push(conditions::scheme(scheme == Scheme::Https, false));
        }
        if let Some(port) = source.port {
            self.conditions.push(format!("RewriteCond %{{SERVER_PORT}} ={port}"));
        }
        for pair in &source.query {
            self.conditions.push(conditions::pair(&pair.name, &pair.value)?);
            self.note(Some("Apache compares the query as it was sent: needless escapes hide a pair"));
        }
        for condition in &rule.conditions {
            let (lines, why) = conditions::lines(&in_our_words(condition)?)?;
            self.conditions.extend(lines);
            self.note(why);
        }
        for (seconds, operator) in [(rule.view.since(), ">="), (rule.view.until(), "<")] {
            let Some(seconds) = seconds else { continue };
            let instant = jiff::Timestamp::from_second(seconds).map_err(|_| "a time that no calendar has")?;
            let digits: String = instant.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
            self.conditions.push(format!("RewriteCond %{{TIME}} {operator}{digits}"));
            self.note(Some(TIME));
        }
        self.note(rule.view.cache_control().and(Some(CACHE)));
        Ok(())
    }

    /// A redirect to the URL that was asked stands aside in our rules; Apache would send it, and the next, and the next.
    fn stand_aside(&mut self, source: &Source<'_>, target: &Target<'_>, query: &QueryPolicy) -> Result<(), Why> {
        match aside(source, target, query) {
            Aside::Never => {}
            Aside::Perhaps => self.note(Some(ITSELF)),
            Aside::Always { origin } if origin.is_empty() => {
                return Err("it leads to the URL that was asked: Apache would send it again and again".into());
            }
            Aside::Always { origin } => {
                let pattern = format!("^{}$", fitting(origin.as_bytes()));
                let line = conditions::line("%{REQUEST_SCHEME}://%{HTTP_HOST}", &pattern, true, " [NC]")?;
                self.conditions.push(line);
            }
            Aside::At { origin, path, query } => {
                let path = String::from_utf8(seen(path.as_bytes())?).map_err(|_| "a path that is not UTF-8")?;
                let before = if origin.is_empty() { "" } else { "%{REQUEST_SCHEME}://%{HTTP_HOST}" };
                let mut asked = format!("{before}%{{REQUEST_URI}}");
                let mut wanted = format!("={origin}{path}");
                if let Some(query) = query {
                    asked.push_str("?%{QUERY_STRING}");
                    wanted.push_str(&format!("?{query}"));
                }
                self.conditions.push(conditions::line(&asked, &wanted, true, "")?);
            }
        }
        Ok(())
    }

    fn redirect(
        mut self,
        source: &Source<'_>,
        status: StatusByMethod,
        target: &Target<'_>,
        query: &QueryPolicy,
        context: Context,
    ) -> Result<Lines, Why> {
        let path = path(source, tail_of(target), context)?;
        self.note((matches!(source.path, PathPattern::Regex(_))).then_some(DECODED));
        let is_one = self.conditions.is_empty() && status.get == status.other;
        let alias = if is_one { alias(source, &path, status.get.number(), target, query) } else { None };
        let entry = if is_one { entry(source, status.get.number(), target, query) } else { None };
        self.takes(target, &path)?;
        // What is taken out of the query is escaped as it was sent. Apache's own rules escape it once more, and mean that.
        let is_query = |line: &String| line.starts_with("RewriteCond %{QUERY_STRING} ");
        let is_raw = !self.is_apache && self.last.as_ref().is_some_and(is_query);
        let mut said = substitution(target, &path, is_raw)?;
        self.note(said.takes_captures.then_some(CAPTURES));
        self.note(said.why);
        let keeps = matches!(query, QueryPolicy::Keep | QueryPolicy::Replace);
        // Apache would put the request's query behind the fragment, and an empty one would leave its sign there.
        let mut without = None;
        // What Apache escapes itself begins no fragment.
        let has_fragment = target.constant().is_some_and(|to| to.contains('#'))
            || target.pieces().iter().any(|piece| piece.place == Landing::Fragment);
        let is_behind = keeps && has_fragment && !(said.has_query && *query == QueryPolicy::Replace);
        if let Some(fragment) = said.text.find('#').filter(|_| is_behind) {
            without = Some(said.text.clone());
            let sign = if said.has_query { '&' } else { '?' };
            said.text.insert_str(fragment, &format!("{sign}%{{QUERY_STRING}}"));
            said.has_query = true;
        } else if said.has_query && *query == QueryPolicy::Keep {
            said.flags.push("QSA");
            // Without NE the request's query would be escaped once more.
            match (said.takes_captures, said.flags.contains(&"NE")) {
                (true, _) => self.note(Some(ESCAPED_TWICE)),
                (false, false) => said.flags.push("NE"),
                (false, true) => {}
            }
        }
        let alias = match alias {
            None if is_one && self.is_alias && said.is_for_alias(&path, query) => {
                let words = |whole: String| format!("RedirectMatch {} {whole} {}", status.get.number(), said.text);
                alias_word(&path.whole).map(words)
            }
            alias => alias,
        };
        match query {
            QueryPolicy::Drop if !said.has_query => said.flags.push("QSD"),
            QueryPolicy::Drop | QueryPolicy::Keep | QueryPolicy::Replace => {}
            QueryPolicy::Merge(_) | QueryPolicy::Only(_) => {
                return Err("a query that is merged by name, or of which only some pairs are kept".into());
            }
        }
        let rule = |status: u16, text: &str| -> Result<String, Why> {
            let mut flags = format!("R={status},L");
            for flag in nocase(source).into_iter().chain(said.flags.iter().copied()) {
                flags.push_str(&format!(",{flag}"));
            }
            Ok(format!("RewriteRule {} {} [{flags}]", word(&path.pattern)?, word(text)?))
        };
        let reads = "RewriteCond %{REQUEST_METHOD} ^(?:GET|HEAD)$";
        let statuses = match status.get == status.other {
            true => vec![(None, status.other.number())],
            false => vec![(Some(reads), status.get.number()), (None, status.other.number())],
        };
        let mut texts = vec![(None, said.text.as_str())];
        if let Some(without) = &without {
            texts = vec![(Some("RewriteCond %{QUERY_STRING} ."), said.text.as_str()), (None, without)];
        }
        let mut rewrite = Vec::new();
        for (method, number) in statuses {
            for (has_query, text) in &texts {
                rewrite.extend(method.into_iter().chain(*has_query).map(str::to_owned));
                rewrite.extend(self.conditions.iter().cloned());
                // The last condition is the one whose groups are read.
                rewrite.extend(path.condition.clone());
                rewrite.extend(self.last.clone());
                rewrite.push(rule(number, text)?);
            }
        }
        let is_loose = is_loose(source);
        let is_alias = self.is_alias;
        Ok(Lines { alias, is_alias, rewrite, entry, is_loose, region: path.region, why: self.why })
    }

    /// A path that becomes another one inside the server.
    fn rewrite(
        mut self,
        source: &Source<'_>,
        target: &Target<'_>,
        query: &QueryPolicy,
        context: Context,
    ) -> Result<Lines, Why> {
        let path = path(source, tail_of(target), context)?;
        self.takes(target, &path)?;
        let said = substitution(target, &path, false)?;
        let mut flags = match context {
            // Else httpd would take the path for one of its disk.
            Context::Server => "PT,L".to_owned(),
            Context::Folder => "L".to_owned(),
        };
        match query {
            QueryPolicy::Keep if said.has_query => flags.push_str(",QSA"),
            QueryPolicy::Drop if !said.has_query => flags.push_str(",QSD"),
            _ => {}
        }
        if source.case == LetterCase::Ignored {
            flags.push_str(",NC");
        }
        let mut rewrite = std::mem::take(&mut self.conditions);
        rewrite.extend(path.condition.clone());
        rewrite.extend(self.last.take());
        // Of a path that is there already httpd makes no new round where it is named from its folder.
        let to = match context {
            Context::Folder => {
                said.text.strip_prefix('/').filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
            }
            Context::Server => None,
        };
        let to = word(to.unwrap_or(&said.text))?;
        rewrite.push(format!("RewriteRule {} {to} [{flags}]", word(&path.pattern)?));
        let is_loose = is_loose(source);
        let is_alias = false;
        Ok(Lines { alias: None, is_alias, rewrite, entry: None, is_loose, region: path.region, why: self.why })
    }

    /// Puts the condition last whose groups a target takes, or one that takes a pair out of the query.
    fn takes(&mut self, target: &Target<'_>, path: &Path) -> Result<(), Why> {
        const ONE: &str =
            "it takes parts out of several texts of the request, and Apache keeps those of the last condition";
        let mut pairs: Vec<&str> = Vec::new();
        let mut groups = false;
        for piece in target.pieces() {
            match &piece.what {
                What::QueryValue(name) if !pairs.contains(&&**name) => pairs.push(name),
                What::ConditionCapture(_) => groups = true,
                _ => {}
            }
        }
        let captures = target.pieces().iter().any(|piece| matches!(piece.what, What::Capture(_) | What::Tail(_)));
        match pairs.as_slice() {
            [] if !groups => return Ok(()),
            _ if path.sign == '%' && captures => return Err(ONE.into()),
            [] => self.last = self.conditions.pop(),
            [name] if !groups => {
                self.last = Some(conditions::value_of_pair(name)?);
                self.note(Some(PAIR));
            }
            _ => return Err(ONE.into()),
        }
        Ok(())
    }

    fn reply(self, source: &Source<'_>, status: u16, context: Context) -> Result<Lines, Why> {
        let path = path(source, Tail::Unused, context)?;
        let alias = self.conditions.is_empty().then(|| match &source.path {
            PathPattern::Prefix(prefix) if source.case == LetterCase::Significant => {
                let prefix = seen(prefix).ok().and_then(|path| String::from_utf8(path).ok())?;
                let prefix = if prefix.is_empty() { "/" } else { &prefix };
                Some(format!("Redirect {status} {}", alias_word(prefix)?))
            }
            _ => alias_word(&path.whole).map(|path| format!("RedirectMatch {status} {path}")),
        });
        let flags = if status == 410 { "G".to_owned() } else { format!("R={status},L") };
        self.stops(source, path, alias.flatten(), &flags)
    }

    fn pass(self, source: &Source<'_>, context: Context) -> Result<Lines, Why> {
        let path = path(source, Tail::Unused, context)?;
        self.stops(source, path, None, "L")
    }

    /// A rule that writes nothing.
    fn stops(mut self, source: &Source<'_>, path: Path, alias: Option<String>, flags: &str) -> Result<Lines, Why> {
        self.note((matches!(source.path, PathPattern::Regex(_))).then_some(DECODED));
        let mut rewrite = std::mem::take(&mut self.conditions);
        rewrite.extend(path.condition.clone());
        let nocase = nocase(source).map(|flag| format!(",{flag}")).unwrap_or_default();
        rewrite.push(format!("RewriteRule {} - [{flags}{nocase}]", word(&path.pattern)?));
        let is_loose = is_loose(source);
        let is_alias = self.is_alias;
        Ok(Lines { alias, is_alias, rewrite, entry: None, is_loose, region: path.region, why: self.why })
    }
}

fn is_loose(source: &Source<'_>) -> bool {
    source.case == LetterCase::Ignored || source.slash == TrailingSlash::Either
}

fn nocase(source: &Source<'_>) -> Option<&'static str> {
    (source.case == LetterCase::Ignored).then_some("NC")
}

/// What a target asks of the rest below a prefix.
fn tail_of(target: &Target<'_>) -> Tail {
    let (mut slashed, mut bare) = (false, false);
    let mut before = false;
    for piece in target.pieces() {
        match &piece.what {
            // Behind a host alone its slash is written, so that it is there for the prefix itself.
            What::Tail(_) if before => slashed = true,
            What::Tail(_) | What::TailText(_) => bare = true,
            _ => {}
        }
        before |= piece.place == Landing::Path;
    }
    match (slashed, bare) {
        (false, false) => Tail::Unused,
        (true, false) => Tail::Slashed,
        (false, true) => Tail::Bare,
        (true, true) => Tail::Both,
    }
}

fn path(source: &Source<'_>, tail: Tail, context: Context) -> Result<Path, Why> {
    let region = region(source);
    let folded = if source.case == LetterCase::Ignored { "(?i)" } else { "" };
    let made = |middle: String, tail: Tail| {
        let below = if context == Context::Folder { middle.strip_prefix('/').unwrap_or(&middle) } else { &middle };
        let pattern = format!("^{below}");
        Path { pattern, whole: format!("{folded}^{middle}"), condition: None, sign: '$', tail, region: region.clone() }
    };
    let rest = match tail {
        Tail::Unused => "(?:/|$)",
        Tail::Slashed => "(/.*)?$",
        Tail::Bare | Tail::Root => "(?:/(.*))?$",
        Tail::Both => "(/(.*))?$",
    };
    match &source.path {
        PathPattern::Exact(path) => {
            let path = seen(path)?;
            let either = source.slash == TrailingSlash::Either && path != b"/";
            let (path, end) = match path.strip_suffix(b"/") {
                Some(bare) if either => (bare, "/?$"),
                _ if either => (&path[..], "/?$"),
                _ => (&path[..], "$"),
            };
            Ok(made(format!("{}{end}", fitting(path)), tail))
        }
        PathPattern::Prefix(prefix) if prefix.is_empty() && tail == Tail::Unused => Ok(made("/".to_owned(), tail)),
        PathPattern::Prefix(prefix) if prefix.is_empty() => Ok(made("/(.*)$".to_owned(), Tail::Root)),
        PathPattern::Prefix(prefix) => Ok(made(format!("{}{rest}", fitting(&seen(prefix)?)), tail)),
        PathPattern::Segments { segments, tail: has_tail } => {
            let mut middle = String::new();
            for segment in segments {
                middle.push('/');
                match segment {
                    Segment::Literal(text) => middle.push_str(&fitting(&seen(text)?)),
                    Segment::Named(_) | Segment::Star => middle.push_str("([^/]+)"),
                }
            }
            let end = if source.slash == TrailingSlash::Either { "/?$" } else { "$" };
            middle.push_str(if *has_tail { rest } else { end });
            Ok(made(middle, tail))
        }
        PathPattern::Regex(pattern) => {
            let text = perl(pattern)?;
            if text.contains('%') {
                return Err(
                    "its pattern asks for `%`, and Apache's see the path decoded: write the character itself".into()
                );
            }
            // A rest that nobody asks for needs no words.
            let (text, end) = match text.strip_suffix(".*").filter(|rest| !rest.is_empty() && !rest.ends_with('\\')) {
                Some(rest) if !has_alternatives(text) => (rest, ""),
                _ => (text, "$"),
            };
            let whole = match has_alternatives(text) {
                true => format!("^(?:{text}){end}"),
                false => format!("^{text}{end}"),
            };
            let whole_path = format!("{folded}{whole}");
            let below = text
                .strip_prefix('/')
                .filter(|rest| !rest.starts_with(['?', '*', '+', '{']) && !has_alternatives(text));
            let (pattern, condition) = match (context, below) {
                (Context::Server, _) => (whole, None),
                (Context::Folder, Some(rest)) => (format!("^{rest}{end}"), None),
                // Only with its slash is the path what the pattern is for.
                (Context::Folder, None) => {
                    let flags = if folded.is_empty() { "" } else { " [NC]" };
                    ("^".to_owned(), Some(conditions::line("%{REQUEST_URI}", &whole, false, flags)?))
                }
            };
            let sign = if condition.is_some() { '%' } else { '$' };
            Ok(Path { pattern, whole: whole_path, condition, sign, tail, region })
        }
        PathPattern::BytePrefix { .. } => {
            Err("its prefix ends in the middle of a name, as `/doc` for `/docs`: write a pattern after `~`".into())
        }
    }
}

/// The line of mod_alias, where it says the same.
fn alias(source: &Source<'_>, path: &Path, status: u16, target: &Target<'_>, query: &QueryPolicy) -> Option<String> {
    let keeps = matches!(query, QueryPolicy::Keep | QueryPolicy::Replace);
    // httpd asks mod_alias for the index of a folder as well, and mod_rewrite not.
    if let PathPattern::Regex(pattern) = &source.path
        && pattern.finds(b"/index.html") != pattern.finds(b"/")
    {
        return None;
    }
    if let Some(to) = target.constant() {
        let has_query = to.contains('?');
        let fits = match query {
            QueryPolicy::Keep => !has_query,
            QueryPolicy::Replace => true,
            QueryPolicy::Drop => has_query,
            QueryPolicy::Merge(_) | QueryPolicy::Only(_) => false,
        };
        // A fragment would come before the request's query.
        if !fits || to.contains('#') || !is_left_alone(to) {
            return None;
        }
        return Some(format!("RedirectMatch {status} {} {}", alias_word(&path.whole)?, to.replace('$', "\\$")));
    }
    let PathPattern::Prefix(prefix) = &source.path else { return None };
    let (last, first) = target.pieces().split_last()?;
    let base: Option<String> = first
        .iter()
        .map(|piece| match &piece.what {
            What::Literal(text) if piece.place <= Landing::Path => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    let base = base.filter(|base| !base.is_empty() && !base.ends_with('/'))?;
    let is_rest = match last.what {
        What::Tail(_) => true,
        What::Part(Part::Path) => prefix.is_empty(),
        _ => false,
    };
    if source.case == LetterCase::Ignored || !keeps || !is_rest || last.place != Landing::Path {
        return None;
    }
    let prefix = String::from_utf8(seen(prefix).ok()?).ok()?;
    match prefix.is_empty() {
        true => Some(format!("Redirect {status} / {base}/")),
        false => Some(format!("Redirect {status} {} {base}", alias_word(&prefix)?)),
    }
}

/// The line of a list, where it says the same: no blank parts it otherwise, and a `?` in a value would be answered with 403.
fn entry(source: &Source<'_>, status: u16, target: &Target<'_>, query: &QueryPolicy) -> Option<Entry> {
    let PathPattern::Exact(path) = &source.path else { return None };
    let (origin, value) = match (target.constant(), target.pieces()) {
        (Some(to), _) => ("", to),
        (None, [head @ .., Piece { place: Landing::Path, what: What::Literal(path) }]) if is_origin(head) => {
            (ORIGIN, path.as_ref())
        }
        _ => return None,
    };
    if value.contains(['?', '#']) {
        return None;
    }
    let key = String::from_utf8(seen(path).ok()?).ok()?;
    let drops_query = match query {
        QueryPolicy::Keep | QueryPolicy::Replace => false,
        QueryPolicy::Drop => true,
        QueryPolicy::Merge(_) | QueryPolicy::Only(_) => return None,
    };
    let ignores_case = source.case == LetterCase::Ignored;
    // `int:tolower` knows the letters of ASCII.
    let is_plain = source.slash == TrailingSlash::Significant && (!ignores_case || key.is_ascii());
    let key = if ignores_case { key.to_ascii_lowercase() } else { key };
    let fits =
        is_plain && !key.contains(|c: char| c.is_whitespace() || c.is_control()) && key.len() + value.len() < LINE;
    fits.then(|| Entry { status, drops_query, ignores_case, origin, key, value: value.to_owned() })
}

/// Whether pieces are the scheme and the host of the request.
fn is_origin(pieces: &[Piece<'_>]) -> bool {
    let parts: Vec<&What<'_>> = pieces
        .iter()
        .map(|piece| &piece.what)
        .filter(|what| !matches!(what, What::Literal(text) if text == "://"))
        .collect();
    matches!(parts.as_slice(), [What::Part(Part::Scheme), What::Part(Part::Host)])
}

impl Substitution {
    /// Whether mod_alias says it with the same words.
    fn is_for_alias(&self, path: &Path, query: &QueryPolicy) -> bool {
        let fits = match query {
            QueryPolicy::Keep => !self.has_query,
            QueryPolicy::Replace => true,
            _ => false,
        };
        fits && path.sign == '$' && path.condition.is_none() && !self.text.contains(['%', '#', '\\', ' ', '"'])
    }
}

/// A target as mod_rewrite takes it.
struct Substitution {
    text: String,
    flags: Vec<&'static str>,
    has_query: bool,
    takes_captures: bool,
    why: Option<&'static str>,
}

/// `is_raw` says that what a condition takes is escaped already.
fn substitution(target: &Target<'_>, path: &Path, is_raw: bool) -> Result<Substitution, Why> {
    if let Some(to) = target.constant() {
        // What Apache would escape once more goes out as it is.
        let flags = if is_left_alone(to) { Vec::new() } else { vec!["NE"] };
        return Ok(Substitution {
            text: kept(to),
            flags,
            has_query: to.split('#').next().is_some_and(|to| to.contains('?')),
            takes_captures: false,
            why: None,
        });
    }
    let mut said =
        Substitution { text: String::new(), flags: Vec::new(), has_query: false, takes_captures: true, why: None };
    let mut has_path = false;
    // Text of the request that needs Apache's escaping, so that literal text gets it as well.
    let is_escaped = |what: &What<'_>| match what {
        What::Literal(_) => true,
        What::ConditionCapture(_) | What::QueryValue(_) => is_raw,
        _ => false,
    };
    let escapes = target.pieces().iter().any(|piece| piece.place >= Landing::Path && !is_escaped(&piece.what));
    if is_raw && !escapes {
        said.flags.push("NE");
    }
    for piece in target.pieces() {
        let is_path = piece.place == Landing::Path;
        said.has_query |= piece.place == Landing::Query;
        let text: Cow<'_, str> = match &piece.what {
            What::Literal(text) if !escapes => {
                if !is_left_alone(text) && !said.flags.contains(&"NE") {
                    said.flags.push("NE");
                }
                kept(text).into()
            }
            What::Literal(_) if piece.place == Landing::Fragment => {
                return Err("its target has a fragment behind text of the request, and Apache escapes both or neither".into());
            }
            What::Literal(text) if piece.place == Landing::Query => {
                let rest = text.strip_prefix('?').unwrap_or(text);
                match is_left_alone(rest) && !rest.contains('?') {
                    true => kept(text).into(),
                    false => return Err("its target has an escape in the query beside text of the request, which Apache would escape once more".into()),
                }
            }
            What::Literal(text) if is_path => kept(&unescaped(text)?).into(),
            What::Literal(text) => kept(text).into(),
            What::Capture(index) if piece.place >= Landing::Path => {
                if piece.place == Landing::Query {
                    said.why = Some("`&`, `=` and `+` of a capture arrive in the query unescaped");
                }
                group(path, *index, 1)?.into()
            }
            What::Tail(index) if is_path => match path.tail {
                Tail::Root => format!("/{}", group(path, *index, 1)?).into(),
                // The prefix alone leads to the root then.
                Tail::Bare if !has_path => format!("/{}", group(path, *index, 1)?).into(),
                Tail::Both if !has_path => format!("/{}", group(path, *index, 2)?).into(),
                _ => group(path, *index, 1)?.into(),
            },
            What::TailText(index) if piece.place >= Landing::Path => {
                group(path, *index, if path.tail == Tail::Both { 2 } else { 1 })?.into()
            }
            What::ConditionCapture(number) if piece.place >= Landing::Host && piece.place <= Landing::Query => {
                format!("%{number}").into()
            }
            What::QueryValue(_) if piece.place >= Landing::Path && piece.place <= Landing::Query => "%1".into(),
            What::Part(Part::Path) if is_path => "%{REQUEST_URI}".into(),
            What::Part(Part::Scheme) if piece.place == Landing::Scheme => "%{REQUEST_SCHEME}".into(),
            What::Part(Part::Host) if piece.place == Landing::Host => "%{SERVER_NAME}".into(),
            What::Part(Part::Port) if piece.place == Landing::Port => {
                said.why = Some("the port is written even where it is the scheme's own");
                ":%{SERVER_PORT}".into()
            }
            _ => return Err("its target holds text of the request where Apache would not escape it: take it out of host, query or fragment".into()),
        };
        has_path |= is_path;
        said.text.push_str(&text);
    }
    said.takes_captures = escapes;
    Ok(said)
}

/// A capture by its number among those of the source; `offset` is 2 for the one inside of it.
fn group(path: &Path, index: u8, offset: u8) -> Result<String, Why> {
    match index.saturating_add(offset) {
        number @ 1..=9 => Ok(format!("{}{number}", path.sign)),
        _ => Err("it uses a tenth group, and Apache knows nine: write the rest without parentheses".into()),
    }
}
