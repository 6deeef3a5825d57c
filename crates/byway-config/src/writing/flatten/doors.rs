//! Tables that do no more than choose another one: by host, by port and scheme, or by folder.

use byway_core::condition::{Condition, Subject, Test};
use byway_core::host::HostPattern;
use byway_core::request::Scheme;
use byway_core::rule::Action;
use byway_core::ruleset::RuleView;
use byway_core::source::PathPattern;
use byway_core::target::{Part, Piece, What};

use super::paths::is_any_path;

pub(super) fn leads_by_host(rule: &RuleView<'_>) -> bool {
    let source = rule.source();
    let leads = matches!(rule.action(), Action::Enter(_)) && rule.conditions().is_empty();
    leads && is_any_path(&source.path) && source.query.is_empty()
}

/// For what a rule opens a table.
pub(super) enum Door {
    Of(Scheme),
    /// A scheme whose port nobody listens on, where servers listen on others.
    Else(Scheme),
    /// A port that has no scheme of its own.
    Port(u16),
    Rest,
}

pub(super) fn door(rule: &RuleView<'_>) -> Option<Door> {
    let source = rule.source();
    let is_plain = matches!(rule.action(), Action::Enter(_))
        && is_any_path(&source.path)
        && source.query.is_empty()
        && source.host == HostPattern::Any
        && source.scheme.is_none()
        && source.port.is_none();
    match rule.conditions().as_slice() {
        _ if !is_plain => None,
        [] => Some(Door::Rest),
        [Condition { subject: Subject::Text(pieces), test: Test::Is(text), negate: false, .. }] => {
            let [Piece { what: What::Part(part), .. }] = pieces.as_slice() else { return None };
            match (part, text.as_str()) {
                (Part::LocalPort, "80") => Some(Door::Of(Scheme::Http)),
                (Part::LocalPort, "443") => Some(Door::Of(Scheme::Https)),
                (Part::Scheme, "http") => Some(Door::Else(Scheme::Http)),
                (Part::Scheme, "https") => Some(Door::Else(Scheme::Https)),
                (Part::LocalPort, port) => port.parse().ok().map(Door::Port),
                _ => None,
            }
        }
        _ => None,
    }
}

pub(super) fn is_choice_by_scheme(rules: &[RuleView<'_>]) -> bool {
    let doors: Option<Vec<Door>> = rules.iter().map(door).collect();
    doors.is_some_and(|doors| doors.iter().any(|door| !matches!(door, Door::Rest)))
}

/// Whether all rules lead to folders, as those of Apache do.
pub(super) fn is_choice_by_path(rules: &[RuleView<'_>]) -> bool {
    let leads = |rule: &RuleView<'_>| {
        let source = rule.source();
        matches!(rule.action(), Action::Enter(_))
            && rule.place().line == 0
            && rule.conditions().is_empty()
            && source.host == HostPattern::Any
            && !matches!(source.path, PathPattern::Regex(_))
    };
    !rules.is_empty() && rules.iter().all(leads)
}
