//! The one walk over the rules: what a server says of a request, and, with someone watching, why.
//!
//! `decide` and `explain` are the same code; [`Watch`] has an empty implementation, so that serving pays nothing for it. The
//! walk goes from table to table, in each takes the candidates that the index proposes in the table's order, matches them
//! against their source, asks their conditions, and carries out the first that holds.

use crate::condition::Depends;
use crate::decision::{Decision, FieldLines, Outcome, Refusal, Storing};
mod candidates;
mod conditions;
mod matching;
mod order;
mod pairs;
mod pooled;
mod preflight;
mod scratch;
mod verdict;
mod visitor;

pub(crate) use candidates::{cell_hash, key_hash};
pub use scratch::Scratch;

use verdict::{Said, Verdict, What};

use crate::dialect::{BYWAY, CaptureForm, Dialect, Preflight, QueryPolicy, QuestionMark, RelativeForm, SelfRedirect};
use crate::location::{self, Expansion, Relation, TargetBytes};
use crate::path;
use crate::place::Place;
use crate::pool::PoolId;
use crate::request::Request;
use crate::rule::Then;
use crate::ruleset::shape::{self, Does, Shape};
use crate::ruleset::{After, Blob, Order, RuleRef, RuleSet, Sections, Table, TableId};
use crate::surroundings::Surroundings;
use crate::window::WindowId;

/// Why a rule whose source matched stood aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aside {
    /// Its source is for the other scheme.
    Scheme,
    /// Its source is for another port.
    Port,
    /// A query pair that its source asks for is missing.
    QueryPair(String),
    /// It holds from this second on.
    NotYet(i64),
    /// It held before this second.
    Over(i64),
    /// Its window is closed; when it opens next, where that is known.
    WindowClosed {
        /// The window.
        window: WindowId,
        /// Its next first second.
        opens: Option<i64>,
    },
    /// A window is open in which it does not hold.
    WindowOpen {
        /// The window.
        window: WindowId,
        /// The first second behind it.
        ends: i64,
    },
    /// This condition does not hold, by its place in the rule.
    Condition(usize),
    /// Its Location is the very URI that was asked.
    SelfRedirect,
    /// It says pass: the table has nothing to say.
    Pass,
}

/// Someone who watches a walk.
pub trait Watch {
    /// A table is entered.
    fn table(&mut self, _table: TableId) {}
    /// A table was left out: the request is a CORS preflight.
    fn preflight(&mut self, _table: TableId) {}
    /// A rule whose source matched stood aside.
    fn aside(&mut self, _rule: RuleRef, _why: Aside) {}
    /// A rule did its part without deciding: it led elsewhere, kept a text, or wrote the path.
    fn acted(&mut self, _rule: RuleRef) {}
    /// A rule kept a text for later.
    fn kept(&mut self, _rule: RuleRef, _text: &[u8]) {}
    /// A rule rewrote the working path and query.
    fn rewritten(&mut self, _rule: RuleRef, _path: &[u8], _query: Option<&[u8]>) {}
    /// A rule asked its pool; the member that it sends to, if anybody is up.
    fn pooled(&mut self, _pool: PoolId, _origin: Option<&str>) {}
    /// A rule decided; its captures by position, as the pattern saw them.
    fn taken(&mut self, _rule: RuleRef, _captures: &[&[u8]]) {}
}

/// Nobody watches.
impl Watch for () {}

impl RuleSet {
    /// What the rules say of a request. Total, and free of allocation once the scratch space is warm.
    ///
    /// ```
    /// use byway_core::{NO_FIELDS, Outcome, Request, RuleSet, Scheme, Scratch, Surroundings};
    /// let rules = RuleSet::default();
    /// let request = Request {
    ///     method: "POST",
    ///     scheme: Scheme::Http,
    ///     host: "example.com",
    ///     port: 80,
    ///     path: b"/old",
    ///     query: None,
    ///     fields: NO_FIELDS,
    ///     address: [127, 0, 0, 1].into(),
    ///     local_port: 80,
    /// };
    /// let mut scratch = Scratch::new();
    /// let decision = rules.decide(&request, &Surroundings::at(0), &mut scratch);
    /// assert_eq!(decision.outcome, Outcome::Pass);
    /// ```
    pub fn decide<'s>(
        &'s self,
        request: &Request<'_>,
        around: &Surroundings<'_>,
        scratch: &'s mut Scratch,
    ) -> Decision<'s> {
        self.decide_watched(request, around, scratch, &mut ())
    }

    /// The same, with someone watching.
    pub fn decide_watched<'s, W: Watch>(
        &'s self,
        request: &Request<'_>,
        around: &Surroundings<'_>,
        scratch: &'s mut Scratch,
        watch: &mut W,
    ) -> Decision<'s> {
        scratch.matchers.belong_to(self.serial());
        scratch.vary.clear();
        scratch.fields.clear();
        scratch.variants.clear();
        scratch.text_of = None;
        scratch.candidates.clear();
        scratch.cells.clear();
        scratch.ranked.clear();
        scratch.forget_texts();
        if !scratch.takes_host(request.host) {
            return Decision {
                outcome: Outcome::Refuse(Refusal::InvalidLocation),
                rule: None,
                vary: "",
                storing: Storing::Forbidden,
                fields: FieldLines::default(),
                variants: "",
            };
        }
        let rules = self.sections();
        let (sent, host) = (std::mem::take(&mut scratch.host_sent), std::mem::take(&mut scratch.host));
        let method = if rules.has_cors() { preflight::method(request) } else { None };
        let asked = method.as_deref().map(|method| Request { method, ..*request });
        let mut walk = Walk {
            rules,
            request,
            asked: asked.as_ref(),
            host: &host,
            around,
            scratch,
            watch,
            storing: Storing::Allowed,
            place: None,
            divided: Vec::new(),
            rewrites: 0,
            paths: 0,
            tables: 0,
            calls: 0,
            pattern_failed: false,
            is_looked_at: false,
        };
        let verdict = walk.run();
        if !walk.divided.is_empty() {
            walk.say_variants();
        }
        let (storing, is_looked_at) = (walk.storing, walk.is_looked_at);
        (scratch.host_sent, scratch.host) = (sent, host);
        let said = Said {
            vary: &scratch.vary,
            storing,
            fields: FieldLines(&scratch.fields),
            variants: &scratch.variants,
            is_looked_at,
        };
        verdict.decision(rules, &scratch.location, said)
    }
}

/// How the search of a table goes on after a candidate.
enum Flow {
    /// With the next candidate.
    On,
    /// Nowhere: the verdict is found.
    Done(Verdict),
    /// In another table, from its beginning.
    Goto(TableId),
    /// In this table, with the rules behind this one.
    Next(RuleRef),
    /// The table has nothing to say.
    Leave,
}

/// The most tables that one request is led through; rules written by hand come nowhere near. Every way from one table to another
/// is counted here, a call's as well, and inside a table the rules are gone through once for each new path, so that a walk ends
/// whatever a file holds.
const TABLE_LIMIT: u32 = 10_000;
/// How deep calls go: each is a frame of the stack.
const CALL_LIMIT: u32 = 32;
/// The most bytes of a text that is kept: longer than any head of a request.
const TEXT_LIMIT: usize = 64 * 1024;

struct Walk<'w, W> {
    rules: Sections<'w>,
    request: &'w Request<'w>,
    /// The request that a preflight asks about, where some rule answers preflights.
    asked: Option<&'w Request<'w>>,
    /// The request's host in its compared form.
    host: &'w str,
    around: &'w Surroundings<'w>,
    scratch: &'w mut Scratch,
    watch: &'w mut W,
    storing: Storing,
    /// Where the client is, once a rule wanted to know.
    place: Option<Place>,
    divided: Vec<visitor::Divided<'w>>,
    rewrites: u8,
    /// How often the path was written anew.
    paths: u32,
    tables: u32,
    calls: u32,
    pattern_failed: bool,
    /// Whether the location as it stands passed every test of one already.
    is_looked_at: bool,
}

impl<'w, W: Watch> Walk<'w, W> {
    fn run(&mut self) -> Verdict {
        for root in self.rules.roots() {
            let mut at = Some(root);
            while let Some(table) = at {
                match self.table(table) {
                    Flow::Done(verdict) => return verdict,
                    Flow::Goto(next) => at = Some(next),
                    _ => {
                        at = match self.rules.table(table).after {
                            After::Table(next) => Some(next),
                            After::NextRoot => None,
                        }
                    }
                }
            }
        }
        Verdict::pass()
    }

    fn table(&mut self, id: TableId) -> Flow {
        let table = self.rules.table(id);
        self.watch.table(id);
        self.tables += 1;
        if self.tables > TABLE_LIMIT {
            return Flow::Done(Verdict { rule: None, what: What::Refuse(Refusal::RewriteLimit) });
        }
        if table.dialect.view.is_normalised()
            && self.scratch.working.is_none()
            && let Some(why) = path::refused_when_normalised(self.request.path, table.dialect)
        {
            return Flow::Done(Verdict { rule: None, what: What::Refuse(why) });
        }
        if table.dialect.preflight == Preflight::Passes && preflight::is_one(self.request) {
            return self.preflight(id, table);
        }
        self.search(table)
    }

    fn search(&mut self, table: &Table) -> Flow {
        match table.order {
            Order::Specific => self.specific(table),
            Order::Listed => self.listed(table),
            Order::NginxLocation => self.nginx_location(table),
        }
    }

    // One rule.

    fn shape_of(&self, rule: RuleRef) -> Shape<'w> {
        self.rules.shape(self.rules.blob(rule).shape)
    }
    /// A rule whose source matched: asks the rest, and carries it out.
    fn consider(&mut self, rule: RuleRef) -> Flow {
        self.consider_read(self.rules.blob(rule))
    }

    /// The same of a rule that was read already.
    fn consider_read(&mut self, blob: Blob<'w>) -> Flow {
        let rule = blob.reference;
        let shape = self.rules.shape(blob.shape);
        self.scratch.condition_groups.clear();
        if std::mem::take(&mut self.pattern_failed) {
            return Flow::Done(Verdict::refuse(rule, Refusal::PatternTooCostly));
        }
        if shape.is_gated()
            && let Some(why) = self.gate(rule, shape)
        {
            if std::mem::take(&mut self.pattern_failed) {
                return Flow::Done(Verdict::refuse(rule, Refusal::PatternTooCostly));
            }
            self.watch.aside(rule, why);
            return Flow::On;
        }
        if !matches!(shape.does(), Does::Redirect | Does::Reply | Does::Pass) {
            self.watch.acted(rule);
        }
        match shape.does() {
            Does::Redirect => self.redirect(rule, &blob, shape),
            Does::Reply => {
                self.tell_taken(rule);
                self.say_extras(shape);
                let retry_after = self.retry_after(shape);
                Flow::Done(Verdict { rule: Some(rule), what: What::Reply(shape.reply_status(), retry_after) })
            }
            Does::Pass => {
                self.watch.aside(rule, Aside::Pass);
                Flow::Leave
            }
            Does::Enter => Flow::Goto(shape.table_argument()),
            Does::Rewrite => self.rewrite(rule, &blob, shape),
            Does::Set => self.set(rule, &blob, shape),
            Does::Call => self.call(rule, &blob, shape),
        }
    }

    fn tell_taken(&mut self, rule: RuleRef) {
        let text = &self.scratch.text;
        let captures = self.scratch.spans.iter().skip(1).map(|span| match span {
            Some((start, end)) => text.get(*start as usize..*end as usize).unwrap_or_default(),
            None => &[],
        });
        // Nobody watching costs nothing: the list is made only for a watcher that has a size.
        if size_of::<W>() > 0 {
            self.watch.taken(rule, &captures.collect::<Vec<_>>());
        }
    }

    fn redirect(&mut self, rule: RuleRef, blob: &Blob<'_>, shape: Shape<'_>) -> Flow {
        let dialect = self.rules.dialect_of(shape.table());
        if let Err(why) = self.expand(blob, shape, dialect) {
            self.tell_taken(rule);
            return Flow::Done(Verdict::refuse(rule, why));
        }
        if let Some(pool) = shape.pool()
            && let Err(verdict) = self.place_in_pool(rule, pool)
        {
            self.tell_taken(rule);
            return Flow::Done(verdict);
        }
        match location::relation(&self.scratch.location, self.request, self.host) {
            Relation::Same if dialect.self_redirect == SelfRedirect::StandsAside => {
                self.watch.aside(rule, Aside::SelfRedirect);
                return Flow::On;
            }
            Relation::Upgrade if dialect.self_redirect == SelfRedirect::StandsAside && says_https(self.request) => {
                self.tell_taken(rule);
                return Flow::Done(Verdict::refuse(rule, Refusal::UpgradeLoop));
            }
            _ => {}
        }
        self.tell_taken(rule);
        self.say_extras(shape);
        Flow::Done(Verdict { rule: Some(rule), what: What::Redirect(shape.status().of(self.request.method)) })
    }

    fn expand(&mut self, blob: &Blob<'_>, shape: Shape<'_>, dialect: &Dialect) -> Result<(), Refusal> {
        let target = target_bytes(blob, shape);
        if let TargetBytes::Constant(text) = target
            && dialect.relative == RelativeForm::AsWritten
            && self.query().is_none_or(<[u8]>::is_empty)
            && location::is_sent_as_written(text)
        {
            self.scratch.location.clear();
            self.scratch.location.extend_from_slice(text);
            self.is_looked_at = shape.pool().is_none();
            return Ok(());
        }
        self.is_looked_at = false;
        let mut out = std::mem::take(&mut self.scratch.location);
        let with = self.expansion(dialect, dialect.captures);
        let result = location::write(target, &with, &shape.query_policy(), &mut out);
        self.scratch.location = out;
        if matches!(target, TargetBytes::Template(_)) && *dialect != BYWAY {
            self.note_fields(target);
        }
        result
    }

    fn expansion<'e>(&'e self, dialect: &'e Dialect, form: CaptureForm) -> Expansion<'e> {
        let raw = self.raw_path();
        let text = &self.scratch.text;
        Expansion {
            request: self.request,
            host: self.host,
            raw,
            text,
            spans: &self.scratch.spans,
            condition_groups: &self.scratch.condition_groups,
            working: self.scratch.working.as_deref(),
            slots: &self.scratch.slots,
            query: self.query(),
            form,
            relative: dialect.relative,
            dialect,
        }
    }

    fn rewrite(&mut self, rule: RuleRef, blob: &Blob<'_>, shape: Shape<'_>) -> Flow {
        let dialect = self.rules.dialect_of(shape.table());
        // The limit is on starting again, not on rewriting: rules that follow one another may each do their part.
        if matches!(shape.then(), Then::Table(next) if next <= shape.table()) {
            self.rewrites += 1;
            if self.rewrites > dialect.rewrite_limit {
                return Flow::Done(Verdict::refuse(rule, Refusal::RewriteLimit));
            }
        }
        let target = target_bytes(blob, shape);
        let mut path = self.scratch.buffer();
        let mark = match self.write_text(target, dialect, &shape.query_policy(), &mut path) {
            Ok(mark) => mark,
            Err(why) => return Flow::Done(Verdict::refuse(rule, why)),
        };
        let query = mark.map(|mark| {
            let mut query = self.scratch.buffer();
            query.extend_from_slice(path.get(mark + 1..).unwrap_or_default());
            path.truncate(mark);
            query
        });
        if dialect.question == QuestionMark::Forbidden && path.contains(&b'?') && !takes_kept(target) {
            return Flow::Done(Verdict::refuse(rule, Refusal::QuestionMark));
        }
        self.watch.rewritten(rule, &path, query.as_deref());
        let before = [self.scratch.working.replace(path), self.scratch.working_query.replace(query).flatten()];
        before.into_iter().flatten().for_each(|buffer| self.scratch.give_back(buffer));
        self.scratch.text_of = None;
        self.paths += 1;
        go_on(rule, shape.then())
    }

    fn set(&mut self, rule: RuleRef, blob: &Blob<'_>, shape: Shape<'_>) -> Flow {
        let dialect = self.rules.dialect_of(shape.table());
        let mut text = self.scratch.buffer();
        if let Err(why) = self.write_text(target_bytes(blob, shape), dialect, &QueryPolicy::Drop, &mut text) {
            return Flow::Done(Verdict::refuse(rule, why));
        }
        // Texts may be put together of themselves.
        if text.len() > TEXT_LIMIT {
            return Flow::Done(Verdict::refuse(rule, Refusal::RewriteLimit));
        }
        self.watch.kept(rule, &text);
        let slot = usize::from(shape.slot());
        if self.scratch.slots.len() <= slot {
            self.scratch.slots.resize(slot + 1, Vec::new());
        }
        // The text may have been made of what the slot held.
        let before = std::mem::replace(&mut self.scratch.slots[slot], text);
        self.scratch.give_back(before);
        self.scratch.filled.push(shape.slot());
        go_on(rule, shape.then())
    }

    fn call(&mut self, rule: RuleRef, blob: &Blob<'_>, shape: Shape<'_>) -> Flow {
        if self.calls == CALL_LIMIT {
            return Flow::Done(Verdict::refuse(rule, Refusal::RewriteLimit));
        }
        let mut text = None;
        if shape.has_text() {
            let dialect = self.rules.dialect_of(shape.table());
            let mut written = self.scratch.buffer();
            if let Err(why) = self.write_text(target_bytes(blob, shape), dialect, &QueryPolicy::Drop, &mut written) {
                return Flow::Done(Verdict::refuse(rule, why));
            }
            text = Some(written);
        }
        let is_lookup = text.is_some();
        let outer = match is_lookup {
            true => std::mem::replace(&mut self.scratch.given, text),
            false => None,
        };
        self.scratch.text_of = None;
        self.calls += 1;
        let mut at = Some(shape.table_argument());
        let mut flow = Flow::Next(rule);
        while let Some(table) = at {
            match self.table(table) {
                Flow::Done(Verdict { what: What::Pass, .. }) if is_lookup => break,
                Flow::Goto(next) if is_lookup => at = Some(next),
                end @ (Flow::Done(_) | Flow::Goto(_)) => {
                    flow = end;
                    break;
                }
                _ => {
                    at = match self.rules.table(table).after {
                        After::Table(next) => Some(next),
                        After::NextRoot => None,
                    }
                }
            }
        }
        self.calls -= 1;
        self.scratch.text_of = None;
        if is_lookup && let Some(text) = std::mem::replace(&mut self.scratch.given, outer) {
            self.scratch.give_back(text);
        }
        flow
    }

    /// Writes a text that no client sees, byte for byte.
    fn write_text(
        &mut self,
        text: TargetBytes<'_>,
        dialect: &Dialect,
        policy: &QueryPolicy,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, Refusal> {
        self.note_fields(text);
        location::write_parts(text, &self.expansion(dialect, CaptureForm::Verbatim), policy, out)
    }

    /// What a text takes from header fields, the answer varies with.
    fn note_fields(&mut self, text: TargetBytes<'_>) {
        let TargetBytes::Template(bytes) = text else { return };
        for piece in shape::pieces(bytes) {
            match &piece.what {
                crate::target::What::Field(name) => self.note_dependence(Depends::OnNamedField, name),
                crate::target::What::Cookie(_) => self.note_dependence(Depends::OnField("cookie"), ""),
                crate::target::What::Part(crate::target::Part::Address) => {
                    self.note_dependence(Depends::OnClient, "");
                }
                _ => {}
            }
        }
    }
}

/// Whether a text takes what a rule before has kept: that was looked at when it was.
fn takes_kept(target: TargetBytes<'_>) -> bool {
    let TargetBytes::Template(bytes) = target else { return false };
    let is_kept = |what: &crate::target::What<'_>| {
        matches!(what, crate::target::What::Slot(_) | crate::target::What::Changed(..))
    };
    shape::pieces(bytes).any(|piece| is_kept(&piece.what))
}

fn go_on(rule: RuleRef, then: Then) -> Flow {
    match then {
        Then::Next => Flow::Next(rule),
        Then::Table(table) => Flow::Goto(table),
        Then::End => Flow::Done(Verdict { rule: Some(rule), what: What::Pass }),
    }
}

fn target_bytes<'t>(blob: &Blob<'t>, shape: Shape<'_>) -> TargetBytes<'t> {
    match shape.is_constant() {
        true => TargetBytes::Constant(blob.target),
        false => TargetBytes::Template(blob.target),
    }
}

/// Whether someone in front says that the client came over https. Where that one is trusted, the scheme is https already.
fn says_https(request: &Request<'_>) -> bool {
    let (mut says, mut says_more) = (false, false);
    let last = |value: &[u8], at: u8| value.rsplit(|&b| b == at).next().unwrap_or_default().trim_ascii().to_vec();
    request.fields.for_each("x-forwarded-proto", &mut |value| {
        says = last(value, b',').eq_ignore_ascii_case(b"https");
    });
    request.fields.for_each("forwarded", &mut |value| {
        let nearest = last(value, b',').to_ascii_lowercase();
        let mut pairs = nearest.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        says_more = pairs.any(|pair| pair == b"proto=https" || pair == b"proto=\"https\"");
    });
    says || says_more
}
