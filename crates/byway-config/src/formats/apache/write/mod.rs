//! Writes rules as a good engineer of Apache's would: `Redirect` and `RedirectMatch` where they say the same, `RewriteRule` for
//! the rest, in the order in which byway tries them.
//!
//! mod_rewrite goes before mod_alias, whatever stands first. So the rules are looked through from the last to the first, and one
//! stays with mod_alias only where nothing behind it that mod_rewrite says could fit the same path. A status is always written.

mod conditions;
mod lists;
mod rule;
mod text;

use byway_core::dialect::BYWAY;
use byway_core::ruleset::RuleView;

use crate::remarks::Verdict;
use crate::writing::own::{Does, Plan, own};
use crate::writing::rank::{Rank, Region, Taken};
use crate::writing::{Writing, comment, foreign};
use rule::Lines;
pub(crate) use text::{alias_word, word as rewrite_word};

/// Where the text is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    /// In a server or virtual host: patterns see the whole path.
    Server,
    /// In the folder of the document root: patterns see the path without its slash.
    Folder,
}

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
    /// Whether it writes a path anew inside.
    is_inside: bool,
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
    leave_out_needless(&mut placed);
    if let Some(file) = writing.file.as_deref().filter(|_| context == Context::Server) {
        writing.lists = lists::taken(&mut placed, file);
    }
    writing.headline();
    writing.text.push_str(match context {
        Context::Server => "# It belongs inside <VirtualHost>: what stands beside one is not handed down to it.\n",
        Context::Folder => "# It belongs into the document root, as .htaccess.\n",
    });
    let (rewrites, aliases) = divided(placed, context);
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
    let (rules, verdict) = own(view, plan)?;
    let foreign = (*view.dialect() != BYWAY && !rules.is_empty()).then(|| foreign(&verdict, &view, "apache"));
    let mut why = None;
    let mut placed = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let lines = rule::lines(rule, context)?;
        why = why.or_else(|| lines.why.clone());
        let comment = comment(&rule.view).filter(|_| at == 0);
        let is_pass = matches!(rule.does, Does::Pass);
        let is_inside = matches!(rule.does, Does::Rewrite { .. });
        placed.push(Placed { rank: Rank::of(rule, at)?, lines, comment, is_pass, is_inside, more: Vec::new() });
    }
    Ok((placed, why.or(foreign).map_or(Verdict::Exact, Verdict::Approximated)))
}

/// Takes out what leaves alone paths that no rule behind it takes.
fn leave_out_needless(placed: &mut Vec<Placed>) {
    let mut taken = Taken::default();
    let is_needed = |rule: &Placed| {
        let is_met = taken.meets(&rule.lines.region);
        if !rule.is_pass {
            rule.more.iter().chain([&rule.lines.region]).for_each(|region| taken.take(region.clone()));
        }
        !rule.is_pass || is_met || rule.comment.is_some()
    };
    let needed: Vec<bool> = placed.iter().rev().map(is_needed).collect();
    let mut needed = needed.into_iter().rev();
    placed.retain(|_| needed.next().unwrap_or(true));
}

type Rewrites = Vec<(Option<String>, Vec<String>)>;
type Aliases = Vec<(Option<String>, String)>;

/// Which rules are mod_rewrite's and which mod_alias's, each in their order.
fn divided(placed: Vec<Placed>, context: Context) -> (Rewrites, Aliases) {
    // In a folder mod_alias is asked before a path is written anew.
    let is_first = |rule: &Placed| rule.is_inside && context == Context::Folder;
    let has_exceptions = placed.iter().any(|rule| rule.is_pass || is_first(rule));
    let (mut rewrites, mut aliases) = (Vec::new(), Vec::new());
    let mut taken = Taken::default();
    for Placed { lines, comment, more, .. } in placed.into_iter().rev() {
        match lines.alias {
            Some(line) if lines.is_alias => aliases.push((comment, line)),
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
