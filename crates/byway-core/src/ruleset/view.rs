//! One rule of a rule set, read back: what explain, checks and lists see.

use std::borrow::Cow;
use std::fmt;

use super::shape::{self, Does, Kind, RawTest};
use super::{After, Blob, HostKind, Order, RuleRef, Sections, TableId};
use crate::condition::{Condition, Subject, Test};
use crate::dialect::Dialect;
use crate::extras::{Extras, RawExtras};
use crate::host::HostPattern;
use crate::identity::Identity;
use crate::pool::Pool;
use crate::regex::Pattern;
use crate::rule::{Action, Place, Probing, Review};
use crate::source::{PathPattern, QueryPair, Segment, Source};
use crate::window::Window;
use crate::wire::Cursor;

/// One table of a rule set.
#[derive(Clone, Copy, Debug)]
pub struct TableView<'s> {
    /// Its number.
    pub id: TableId,
    /// The dialect by which its rules live.
    pub dialect: &'static Dialect,
    /// How its rules are tried.
    pub order: Order,
    /// What comes after it.
    pub after: After,
    /// Bytes taken from the front of the path before patterns see it.
    pub strip: &'s [u8],
    /// Whether it is one of those that are tried.
    pub is_root: bool,
}

/// One rule of a rule set.
#[derive(Clone, Copy)]
pub struct RuleView<'s> {
    sections: Sections<'s>,
    blob: Blob<'s>,
}

impl fmt::Debug for RuleView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.source(), self.file_name(), self.place().line)
    }
}

impl<'s> RuleView<'s> {
    pub(super) fn new(sections: Sections<'s>, reference: RuleRef) -> RuleView<'s> {
        RuleView { sections, blob: sections.blob(reference) }
    }

    fn shape(&self) -> shape::Shape<'s> {
        self.sections.shape(self.blob.shape)
    }

    /// Its number, from 0 without gaps, in the order in which rules were given: the place of its counters.
    pub fn number(&self) -> u32 {
        self.blob.number
    }

    /// What decisions know it by.
    pub fn reference(&self) -> RuleRef {
        self.blob.reference
    }

    /// Its table.
    pub fn table(&self) -> TableId {
        self.shape().table()
    }

    /// The dialect of its table.
    pub fn dialect(&self) -> &'static Dialect {
        self.sections.table(self.table()).dialect
    }

    /// Its source.
    pub fn source(&self) -> Source<'s> {
        let shape = self.shape();
        let key = self.blob.key;
        let (path, query) = match shape.kind() {
            Kind::Exact => {
                let (path, pairs) = shape.split_key(key);
                (path, pairs.map(pairs_of_key).unwrap_or_default())
            }
            _ => {
                (key, shape.pairs().map(|(name, value)| QueryPair { name: name.into(), value: value.into() }).collect())
            }
        };
        Source {
            scheme: shape.scheme(),
            host: self.host(),
            port: shape.port(),
            path: match shape.kind() {
                Kind::Exact => PathPattern::Exact(path.into()),
                Kind::Prefix => PathPattern::Prefix(path.into()),
                Kind::BytePrefix => PathPattern::BytePrefix { prefix: path.into(), is_final: shape.is_final() },
                Kind::Segments => {
                    let (segments, tail) = segments(path);
                    PathPattern::Segments { segments: segments.collect(), tail }
                }
                Kind::Regex => PathPattern::Regex(shape::decode_pattern(path)),
            },
            query,
            slash: shape.slash(),
            case: shape.case(),
        }
    }

    fn host(&self) -> HostPattern<'s> {
        let cell = self.sections.cell(self.blob.cell);
        match cell.kind {
            HostKind::Any => HostPattern::Any,
            HostKind::Exact => HostPattern::Exact(Cow::Borrowed(self.sections.host_of(&cell))),
            HostKind::Below => HostPattern::Below(Cow::Borrowed(self.sections.host_of(&cell))),
        }
    }

    /// Its conditions.
    pub fn conditions(&self) -> Vec<Condition> {
        self.shape().conditions().map(owned_condition).collect()
    }

    /// What it does.
    pub fn action(&self) -> Action<'s> {
        let shape = self.shape();
        let target = || shape::decode_target(self.blob.target, shape.is_constant());
        match shape.does() {
            Does::Redirect => {
                Action::Redirect { status: shape.status(), target: target(), query: shape.query_policy() }
            }
            Does::Reply => Action::Reply { status: shape.reply_status(), retry_after: shape.retry_after() },
            Does::Pass => Action::Pass,
            Does::Enter => Action::Enter(shape.table_argument()),
            Does::Rewrite => Action::Rewrite { target: target(), query: shape.query_policy(), then: shape.then() },
            Does::Set => Action::Set { slot: shape.slot(), text: target(), then: shape.then() },
            Does::Call => Action::Call { table: shape.table_argument(), text: shape.has_text().then(target) },
        }
    }

    /// Its priority.
    pub fn priority(&self) -> i32 {
        self.shape().priority()
    }

    /// The first second in which it holds.
    pub fn since(&self) -> Option<i64> {
        Some(self.shape().span().0).filter(|&since| since != i64::MIN)
    }

    /// The first second in which it no longer holds.
    pub fn until(&self) -> Option<i64> {
        Some(self.shape().span().1).filter(|&until| until != i64::MAX)
    }

    /// The window in which it holds.
    pub fn window(&self) -> Option<Window> {
        self.sections.windows().nth(usize::from(self.shape().window()?))
    }

    /// The window in which it does not hold.
    pub fn unless_window(&self) -> Option<Window> {
        self.sections.windows().nth(usize::from(self.shape().unless_window()?))
    }

    /// The pool whose member supplies scheme, host and port.
    pub fn pool(&self) -> Option<Pool> {
        self.sections.pools().nth(usize::from(self.shape().pool()?))
    }

    /// Whether a window has a say in whether it holds.
    pub fn has_window(&self) -> bool {
        self.shape().window().is_some() || self.shape().unless_window().is_some()
    }

    /// When somebody wants to look at it again.
    pub fn review(&self) -> Option<Review> {
        self.shape().cold().review
    }

    /// The first second in which somebody should have looked at it again; `None` where that depends on when it was first seen.
    pub fn review_on(&self) -> Option<i64> {
        match (self.review()?, self.since()) {
            (Review::On(second), _) => Some(second),
            (Review::After(seconds), Some(since)) => Some(since.saturating_add(seconds)),
            (Review::After(_), None) => None,
        }
    }

    /// The findings that somebody has accepted for it, by their names.
    pub fn allowed(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.shape().cold().allow.split(',').filter(|name| !name.is_empty())
    }

    /// Whether somebody has accepted a finding of this name for it.
    pub fn allows(&self, finding: &str) -> bool {
        self.shape().cold().allow.split(',').any(|name| name == finding)
    }

    /// Whether its target may be asked whether it is there.
    pub fn probing(&self) -> Probing {
        self.shape().cold().probing
    }

    /// The `Cache-Control` it was given.
    pub fn cache_control(&self) -> Option<&'s str> {
        Some(self.shape().cold().cache_control).filter(|text| !text.is_empty())
    }

    /// What its answer says beside status, location and `Cache-Control`.
    pub fn extras(&self) -> Option<Extras> {
        self.shape().cold().extras.map(RawExtras::owned)
    }

    /// The name it was given.
    pub fn id(&self) -> Option<&'s str> {
        Some(self.shape().cold().id).filter(|text| !text.is_empty())
    }

    /// The group it is counted with.
    pub fn group(&self) -> Option<&'s str> {
        Some(self.shape().cold().group).filter(|text| !text.is_empty())
    }

    /// Who answers for it.
    pub fn owner(&self) -> Option<&'s str> {
        Some(self.shape().cold().owner).filter(|text| !text.is_empty())
    }

    /// Why it is there.
    pub fn note(&self) -> Option<&'s str> {
        Some(self.shape().cold().note).filter(|text| !text.is_empty())
    }

    /// Where it was written.
    pub fn place(&self) -> Place {
        Place { file: self.shape().file(), line: self.blob.line }
    }

    /// The name of the file it was written in.
    pub fn file_name(&self) -> &'s str {
        self.sections.files().nth(usize::from(self.place().file.0)).unwrap_or_default()
    }

    /// The name by which it is counted.
    pub fn identity(&self) -> Identity<'s> {
        if let Some(id) = self.id() {
            return Identity::Named(id);
        }
        let mut text = self.dialect().name.as_bytes().to_vec();
        let shape = self.shape();
        let cell = self.sections.cell(self.blob.cell);
        text.extend_from_slice(&[0, shape.kind() as u8, cell.kind as u8, shape.case() as u8, shape.slash() as u8]);
        text.extend_from_slice(self.sections.host_of(&cell).as_bytes());
        text.push(0);
        text.extend_from_slice(match shape.kind() {
            // How a pattern is run is nothing that a person wrote.
            Kind::Regex => shape::split_program(self.blob.key).0,
            _ => self.blob.key,
        });
        if shape.is_gated() {
            let source = self.source();
            text.extend_from_slice(format!("\0{:?}{:?}{:?}", source.scheme, source.port, source.query).as_bytes());
            for condition in self.conditions() {
                text.extend_from_slice(format!("\0{condition}").as_bytes());
            }
            for window in [self.window(), self.unless_window()].into_iter().flatten() {
                text.extend_from_slice(format!("\0window {}", window.name).as_bytes());
            }
        }
        Identity::Hashed(crate::identity::hash(&text))
    }

    /// A hash of all that the rule does and says, beside its identity: two rules with the same identity and content are one
    /// unchanged rule.
    pub fn content(&self) -> u64 {
        let mut text = self.blob.target.to_vec();
        let mut shape = self.shape().0.to_vec();
        // Neither the file nor the table by number belongs to what a rule says.
        if let Some(place) = shape.get_mut(16..20) {
            place.fill(0);
        }
        // Nor do windows and pools, but by what they say.
        if let Some(numbers) = shape.get_mut(26..32) {
            numbers.fill(0);
        }
        for window in [self.window(), self.unless_window()].into_iter().flatten() {
            text.extend_from_slice(format!("\0{}\0{}", window.name, window.when).as_bytes());
        }
        if let Some(pool) = self.pool() {
            pool.encode(&mut text);
        }
        text.append(&mut shape);
        crate::identity::hash(&text)
    }

    /// Its target as a person would write it, with the names of the captures; empty where it has none.
    ///
    /// ```
    /// # use byway_core::{Action, Builder, Rule, dialect::QueryPolicy, ruleset::TableSpec, source::Source, target::Target};
    /// # use byway_core::status::{RedirectStatus, StatusByMethod};
    /// # let mut builder = Builder::new(1);
    /// # let table = builder.table(&TableSpec::OWN);
    /// let source = Source::parse("/:slug/*").unwrap();
    /// let target = Target::parse("/x/:slug/*", &source).unwrap();
    /// # let status = StatusByMethod::always(RedirectStatus::Found);
    /// # builder.push(table, &Rule::new(source, Action::Redirect { status, target, query: QueryPolicy::Keep })).unwrap();
    /// assert_eq!(builder.finish().rules().next().unwrap().target_text(), "/x/{slug}/*");
    /// ```
    pub fn target_text(&self) -> String {
        match self.action() {
            Action::Redirect { target, .. }
            | Action::Rewrite { target, .. }
            | Action::Set { text: target, .. }
            | Action::Call { text: Some(target), .. } => target.text(&self.source().capture_names()),
            _ => String::new(),
        }
    }
}

fn pairs_of_key(text: &[u8]) -> Vec<QueryPair<'static>> {
    let owned = |bytes: &[u8]| Cow::Owned(String::from_utf8_lossy(&crate::query::decoded(bytes)).into_owned());
    crate::query::pairs(text).map(|(_, name, value)| QueryPair { name: owned(name), value: owned(value) }).collect()
}

/// The segments of a key, and whether a tail follows.
pub(crate) fn segments(key: &[u8]) -> (impl Iterator<Item = Segment<'_>>, bool) {
    let mut cursor = Cursor::new(key);
    let tail = cursor.u8() == 1;
    let mut left = key.len().saturating_sub(1);
    let iterator = std::iter::from_fn(move || {
        left = left.checked_sub(3)?;
        let tag = cursor.u8();
        let len = usize::from(cursor.u16());
        let text = cursor.take(len);
        left = left.saturating_sub(len);
        if !cursor.is_sound() {
            return None;
        }
        Some(match tag {
            0 => Segment::Literal(text.into()),
            1 => Segment::Named(std::str::from_utf8(text).unwrap_or_default().into()),
            _ => Segment::Star,
        })
    });
    (iterator, tail)
}

fn owned_condition(raw: shape::RawCondition<'_>) -> Condition {
    let subject = match raw.row {
        u8::MAX => Subject::Text(shape::pieces(raw.name).map(crate::target::Piece::into_owned).collect()),
        row => Subject::Of { row, name: String::from_utf8_lossy(raw.name).into_owned() },
    };
    let test = match raw.test {
        RawTest::Is(text) => Test::Is(text.to_owned()),
        RawTest::In(list) => Test::In(list.texts().map(str::to_owned).collect()),
        RawTest::Glob(text) => Test::Glob(text.to_owned()),
        RawTest::Regex(bytes) => {
            let pattern = shape::decode_pattern(bytes);
            Test::Regex(Pattern { text: Cow::Owned(pattern.text.into_owned()), ..pattern })
        }
        RawTest::Range(first, last) => Test::Range(first, last),
        RawTest::Present => Test::Present,
    };
    Condition { subject, test, negate: raw.negate, or_next: raw.or_next }
}
