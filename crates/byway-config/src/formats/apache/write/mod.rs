//! Writes rules as a good engineer of Apache's would: `Redirect` and `RedirectMatch` where they say the same, `RewriteRule` for
//! the rest, in the order in which byway tries them.
//!
//! mod_rewrite goes before mod_alias, whatever stands first. So the rules are looked through from the last to the first, and one
//! stays with mod_alias only where nothing behind it that mod_rewrite says could fit the same path. A status is always written.

mod conditions;
mod lists;
mod rule;
mod text;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use byway_core::dialect::BYWAY;
use byway_core::host::HostPattern;
use byway_core::ruleset::RuleView;
use byway_core::source::{PathPattern, Segment, Source};

use crate::remarks::Verdict;
use crate::writing::Writing;
use crate::writing::own::{Does, OwnRule, Plan, instant, own};
use rule::Lines;

/// Where the text is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    /// In a server or virtual host: patterns see the whole path.
    Server,
    /// In the folder of the document root: patterns see the path without its slash.
    Folder,
}

/// Paths that a rule may fit, in small letters and without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Region {
    prefix: Vec<u8>,
    is_exact: bool,
}

impl Region {
    fn new(path: &[u8], is_exact: bool) -> Region {
        let path = path.to_ascii_lowercase();
        Region { prefix: path.strip_suffix(b"/").unwrap_or(&path).to_vec(), is_exact }
    }
}

/// Why a rule of another server is not exact.
const FOREIGN: &str = "a rule of another server, said by host, path and order";

/// Writes a part of a server's configuration.
pub(super) fn server(writing: &mut Writing<'_>) {
    write(writing, Context::Server);
}

/// Writes the `.htaccess` of a document root.
pub(super) fn folder(writing: &mut Writing<'_>) {
    write(writing, Context::Folder);
}

/// A rule with its lines, where it stands among the others, and the comment over it.
struct Placed {
    rank: Rank,
    lines: Lines,
    comment: Option<String>,
    is_pass: bool,
    /// Where else it may fit, for a list.
    more: Vec<Region>,
}

fn write(writing: &mut Writing<'_>, context: Context) {
    let plan = Plan::of(writing.rules);
    let mut placed = Vec::new();
    for view in writing.rules.rules() {
        match of_rule(view, &plan, context) {
            Ok((lines, verdict)) => {
                placed.extend(lines);
                writing.say(&view, verdict);
            }
            Err(why) => writing.say(&view, Verdict::Refused(why)),
        }
    }
    placed.sort_by(|one, other| one.rank.cmp(&other.rank));
    if let Some(file) = writing.file.as_deref().filter(|_| context == Context::Server) {
        writing.lists = lists::taken(&mut placed, file);
    }
    writing.headline();
    writing.text.push_str(match context {
        Context::Server => "# It belongs inside <VirtualHost>: what stands beside one is not handed down to it.\n",
        Context::Folder => "# It belongs into the document root, as .htaccess.\n",
    });
    let (rewrites, aliases) = divided(placed);
    if !rewrites.is_empty() {
        writing.text.push_str("\nRewriteEngine On\n");
    }
    let mut was_block = false;
    for (comment, lines) in rewrites {
        // Lines that belong together stand together.
        let is_block = comment.is_some() || lines.len() > 1;
        if is_block || was_block {
            writing.text.push('\n');
        }
        was_block = is_block;
        block(comment, &lines, &mut writing.text);
    }
    let mut is_first = true;
    for (comment, line) in aliases {
        if std::mem::take(&mut is_first) || comment.is_some() {
            writing.text.push('\n');
        }
        block(comment, &[line], &mut writing.text);
    }
}

fn block(comment: Option<String>, lines: &[String], text: &mut String) {
    if let Some(comment) = comment {
        text.push_str(&format!("# {comment}\n"));
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}

type Said = Result<(Vec<Placed>, Verdict), std::borrow::Cow<'static, str>>;

fn of_rule(view: RuleView<'_>, plan: &Plan, context: Context) -> Said {
    let (rules, _) = own(view, plan)?;
    let foreign = (*view.dialect() != BYWAY && !rules.is_empty()).then_some(FOREIGN.into());
    let mut why = None;
    let mut placed = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let lines = rule::lines(rule, context)?;
        why = why.or_else(|| lines.why.clone());
        let comment = comment(&rule.view).filter(|_| at == 0);
        let is_pass = matches!(rule.does, Does::Pass);
        placed.push(Placed { rank: Rank::of(rule, at)?, lines, comment, is_pass, more: Vec::new() });
    }
    Ok((placed, why.or(foreign).map_or(Verdict::Exact, Verdict::Approximated)))
}

/// What stands over a rule: its name, its note, its time.
fn comment(view: &RuleView<'_>) -> Option<String> {
    let time = |seconds: Option<i64>| seconds.and_then(instant);
    let span = match (time(view.since()), time(view.until())) {
        (None, None) => None,
        (Some(since), None) => Some(format!("from {since}")),
        (None, Some(until)) => Some(format!("until {until}")),
        (Some(since), Some(until)) => Some(format!("from {since} until {until}")),
    };
    let words = match (view.id(), view.note()) {
        (Some(id), Some(note)) => Some(format!("{id}: {note}")),
        (one, other) => one.or(other).map(str::to_owned),
    };
    let text = match (words, span) {
        (Some(words), Some(span)) => format!("{words} ({span})"),
        (words, span) => words.or(span)?,
    };
    let text = text.replace(char::is_control, " ");
    // A backslash at the end of a comment would make the next line part of it.
    Some(text.trim_end_matches(['\\', ' ']).to_owned())
}

type Rewrites = Vec<(Option<String>, Vec<String>)>;
type Aliases = Vec<(Option<String>, String)>;

/// Which rules are mod_rewrite's and which mod_alias's, each in their order.
fn divided(placed: Vec<Placed>) -> (Rewrites, Aliases) {
    let has_exceptions = placed.iter().any(|rule| rule.is_pass);
    let (mut rewrites, mut aliases) = (Vec::new(), Vec::new());
    let mut taken = Taken::default();
    for Placed { lines, comment, more, .. } in placed.into_iter().rev() {
        match lines.alias {
            // An exception of mod_rewrite's would not hold back mod_alias.
            Some(line) if !has_exceptions && !taken.meets(&lines.region) => aliases.push((comment, line)),
            _ => {
                more.into_iter().chain([lines.region]).for_each(|region| taken.take(region));
                rewrites.push((comment, lines.rewrite));
            }
        }
    }
    rewrites.reverse();
    aliases.reverse();
    (rewrites, aliases)
}

/// Where rules of mod_rewrite may fit.
#[derive(Default)]
struct Taken {
    exacts: BTreeSet<Vec<u8>>,
    prefixes: BTreeSet<Vec<u8>>,
}

impl Taken {
    fn take(&mut self, region: Region) {
        match region.is_exact {
            true => self.exacts.insert(region.prefix),
            false => self.prefixes.insert(region.prefix),
        };
    }

    /// Whether one of them may fit a path of this region.
    fn meets(&self, region: &Region) -> bool {
        let path = &region.prefix;
        let ends = memchr::memchr_iter(b'/', path).chain([path.len()]);
        let above = || ends.clone().any(|end| self.prefixes.contains(&path[..end]));
        if self.exacts.contains(path) || above() {
            return true;
        }
        let below = [path, b"/".as_slice()].concat();
        let is_below =
            |set: &BTreeSet<Vec<u8>>| set.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below));
        !region.is_exact && (is_below(&self.exacts) || is_below(&self.prefixes))
    }
}

/// The place of a rule in the order of our own dialect: priority, host, kind of path, what it asks more, then as given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    priority: Reverse<i32>,
    host: (u8, Reverse<usize>),
    kind: u8,
    len: Reverse<usize>,
    segments: Vec<u8>,
    asks: Reverse<usize>,
    given: (u32, usize),
}

impl Rank {
    /// Whether nothing but the order in which they were given puts one before the other.
    fn is_beside(&self, other: &Rank) -> bool {
        Rank { given: other.given, ..self.clone() } == *other
    }

    fn of(rule: &OwnRule<'_>, at: usize) -> Result<Rank, &'static str> {
        let source = Source::parse(&rule.from).map_err(|_| "a source that no file of our own can hold")?;
        let host = match &source.host {
            HostPattern::Exact(_) => (0, Reverse(0)),
            HostPattern::Below(parent) => (1, Reverse(parent.len())),
            HostPattern::Any => (2, Reverse(0)),
        };
        let (kind, len, segments) = match &source.path {
            PathPattern::Exact(_) => (0, 0, Vec::new()),
            PathPattern::Prefix(prefix) => (1, prefix.len(), Vec::new()),
            PathPattern::BytePrefix { prefix, .. } => (2, prefix.len(), Vec::new()),
            PathPattern::Segments { segments, tail } => {
                let tags = segments.iter().map(|segment| u8::from(!matches!(segment, Segment::Literal(_))));
                (3, 0, tags.chain([2 + u8::from(*tail)]).collect())
            }
            PathPattern::Regex(_) => (4, 0, Vec::new()),
        };
        let asks = rule.conditions.len()
            + usize::from(source.scheme.is_some())
            + usize::from(source.port.is_some())
            + source.query.len();
        Ok(Rank {
            priority: Reverse(rule.priority),
            host,
            kind,
            len: Reverse(len),
            segments,
            asks: Reverse(asks),
            given: (rule.view.number(), at),
        })
    }
}
