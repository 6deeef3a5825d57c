//! What is worth saying of a rule of Apache's beside how it is carried over: dead patterns, prefixes, statuses left to chance.

use super::alias::{Alias, AliasSource};
use super::rule::RewriteRule;
use crate::diagnostic::Severity;
use crate::foreign::Reading;

/// Says what is odd about a rule of mod_rewrite where it stands.
pub(super) fn of_rule(rule: &RewriteRule, in_folder: bool, reading: &mut Reading<'_>) {
    let mut letters = rule.pattern.chars();
    let after = (letters.next() == Some('^')).then(|| (letters.next(), letters.next()));
    let dead = match (after, in_folder) {
        (Some((Some('/'), next)), true) if !matches!(next, Some('?' | '*' | '{')) => Some((
            "this pattern never fits: in a folder, patterns see the path below it, without a slash in front",
            format!("write `^{}`", &rule.pattern[2..]),
        )),
        (Some((Some(first), next)), false)
            if (first.is_ascii_alphanumeric() || first == '_') && !matches!(next, Some('?' | '*' | '{')) =>
        {
            Some((
                "this pattern never fits: in a server, patterns see the whole path with its slash",
                format!("write `^/{}`, or `^/?{}` to fit in both places", &rule.pattern[1..], &rule.pattern[1..]),
            ))
        }
        _ => None,
    };
    if let Some((what, help)) = dead.filter(|_| !rule.is_negated && !rule.pattern.contains('|')) {
        reading.say_often(&rule.span, Severity::Warning, "dead-pattern", || (what.to_owned(), Some(help)));
    }
    let stops = rule.flags.last || rule.flags.end || rule.flags.passes_on;
    if rule.flags.redirect.is_some() && !stops && rule.substitution != "-" {
        reading.say_often(&rule.span, Severity::Note, "redirect-without-last", || {
            let what = "R without L: the rules below still run, on the URL that this one made";
            (what.to_owned(), Some("write L behind R".to_owned()))
        });
    }
}

/// Says what is odd about a rule of mod_alias.
pub(super) fn of_alias(alias: &Alias, reading: &mut Reading<'_>) {
    if alias.target.is_none() {
        return;
    }
    if let AliasSource::Prefix(path) = &alias.source
        && !path.ends_with('/')
    {
        reading.say_often(&alias.span, Severity::Note, "prefix-for-one", || {
            let what = format!("this is a prefix: all below `{path}` is sent along, with what follows it");
            let pattern = super::pattern::quoted(path);
            (what, Some(format!("for this one path write `RedirectMatch {} ^{pattern}$ …`", alias.status)))
        });
    }
    if alias.is_default {
        reading.say_often(&alias.span, Severity::Note, "default-status", || {
            let what = "no status is written, so it is 302, with which a POST may arrive as a GET";
            (what.to_owned(), Some("write 307, or 302 if that is meant".to_owned()))
        });
    }
}
