//! `decoded-capture`: text of the request is written into a Location decoded.

use byway_core::dialect::CaptureForm;
use byway_core::rule::Action;
use byway_core::source::PathPattern;
use byway_core::target::{Landing, Part, What};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Lint, Scene, Seen, Watcher};
use crate::diagnostic::{Diagnostic, Severity};

/// The row.
pub(super) static LINT: Lint = Lint {
    name: "decoded-capture",
    severity: Severity::Note,
    summary: "text of the request is written into a Location decoded",
    page: r#"# decoded-capture

nginx compares a path that it has decoded, and `return` writes what a group took from there as it is: `/x/a%20b` leaves a blank in the
Location, and `/x/50%25` a lone `%`. `.` leaves out the line feed alone: `/x/a%0db` leaves a bare carriage return, which some programs
that read the answer take for the end of the field. byway escapes those bytes; nginx does not. Where line feeds can get in as well, that
is `header-split`.

## Example

```nginx
server {
    listen 80;
    location ~ ^/x/(.*)$ { return 307 https://www.example.com/$1; }
}
```

## Instead

`$request_uri` holds the path and the query as they were sent, and its parts do.

```nginx
server {
    listen 80;
    location /x/ { if ($request_uri ~ "^/x/(.*)$") { return 307 https://www.example.com/$1; } }
}
```
"#,
};

pub(super) struct DecodedCapture;

impl Watcher for DecodedCapture {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_, '_>) {
        let Some(Written::Blanks { returns }) = written(seen) else { return };
        scene.report(&LINT, &seen.rule, |locator| {
            let parts = locator.parts(&seen.rule);
            let what = match returns {
                true => {
                    "nginx writes what it decoded into the Location as it is: a bare carriage return (`%0d`) as well"
                }
                false => "nginx writes what it decoded into the Location as it is",
            };
            let mut diagnostic = Diagnostic::note(LINT.name, what).help(
                "take it from `$request_uri`, which is not decoded: `if ($request_uri ~ \"^/x/(.*)$\") { return … }`",
            );
            diagnostic.primary = parts.target.or(parts.source);
            diagnostic
        });
    }
}

/// What decoded text brings into a Location.
pub(super) enum Written {
    /// Line breaks, by this group, from 1, or by `$uri`.
    Breaks(Option<u8>),
    /// Blanks and the like, and carriage returns where this is so: `.` leaves out the line feed alone.
    Blanks { returns: bool },
}

/// What a rule of nginx writes decoded into its Location, where that is certain.
pub(super) fn written(seen: &Seen<'_>) -> Option<Written> {
    let Action::Redirect { target, .. } = &seen.action else { return None };
    let dialect = seen.rule.dialect();
    // The slash behind a folder's name is of nginx's own making, and escaped.
    if dialect.name != "nginx" || dialect.captures != CaptureForm::Decoded || seen.rule.place().line == 0 {
        return None;
    }
    let mut found = None;
    for piece in target.pieces().iter().filter(|piece| piece.place >= Landing::Path) {
        match piece.what {
            What::Part(Part::WorkingPath) if seen.may_be_anything() => return Some(Written::Breaks(None)),
            What::Capture(group) => match group_holds(seen, group) {
                Some(holds) if holds(b'\n') => return Some(Written::Breaks(Some(group + 1))),
                Some(holds) if holds(b' ') || holds(b'\r') => {
                    let known = matches!(found, Some(Written::Blanks { returns: true }));
                    found = Some(Written::Blanks { returns: known || holds(b'\r') });
                }
                _ => {}
            },
            _ => {}
        }
    }
    found
}

/// Whether a group of a pattern may take a line feed, or its syntax is not understood; groups are counted from 1.
pub(crate) fn may_hold_line_feed(pattern: &str, group: u8) -> bool {
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build();
    let found = { parser }.parse(pattern).ok();
    let found = found.as_ref().and_then(|found| capture(found, u32::from(group)));
    found.is_none_or(|found| may_hold(found, b'\n'))
}

/// Whether a group of a pattern may take a control character, or its syntax is not understood; groups are counted from 1.
pub(crate) fn may_hold_control(pattern: &str, group: u8) -> bool {
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build();
    let found = { parser }.parse(pattern).ok();
    let found = found.as_ref().and_then(|found| capture(found, u32::from(group)));
    found.is_none_or(|found| (0..0x20).chain([0x7F]).any(|byte| may_hold(found, byte)))
}

type Holds = Box<dyn Fn(u8) -> bool>;

/// Which bytes a group of a rule's pattern may take, as far as its syntax is understood.
fn group_holds(seen: &Seen<'_>, group: u8) -> Option<Holds> {
    let found = group_of(seen, group)?;
    Some(Box::new(move |byte| may_hold(&found, byte)))
}

/// A group of a rule's pattern, as far as its syntax is understood.
pub(super) fn group_of(seen: &Seen<'_>, group: u8) -> Option<Hir> {
    let PathPattern::Regex(pattern) = &seen.source.path else { return None };
    let parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(50).build();
    let hir = { parser }.parse(&pattern.text).ok()?;
    capture(&hir, u32::from(group) + 1).cloned()
}

fn capture(hir: &Hir, index: u32) -> Option<&Hir> {
    match hir.kind() {
        HirKind::Capture(group) if group.index == index => Some(&group.sub),
        HirKind::Capture(group) => capture(&group.sub, index),
        HirKind::Repetition(repetition) => capture(&repetition.sub, index),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().find_map(|part| capture(part, index)),
        _ => None,
    }
}

fn may_hold(hir: &Hir, byte: u8) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&byte),
        HirKind::Class(Class::Bytes(class)) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let sign = char::from(byte);
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&sign))
        }
        HirKind::Repetition(repetition) => may_hold(&repetition.sub, byte),
        HirKind::Capture(capture) => may_hold(&capture.sub, byte),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(|part| may_hold(part, byte)),
    }
}
