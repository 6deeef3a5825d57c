//! The tables of a list of mod_rewrite filled: each rule in each state that it is reached in, and where it leads.

use byway_core::condition::{Condition, Subject, Test};
use byway_core::dialect::{LetterCase, QueryPolicy};
use byway_core::rule::{Action, Then};
use byway_core::ruleset::{After, TableId};
use byway_core::source::Source;
use byway_core::status::{RedirectStatus, ReplyStatus, StatusByMethod};
use byway_core::target::{Landing, Part, Piece, Target, What};

use super::beginnings::is_that;
use super::expand::Unplaced;
use super::left_out::LeftOut;
use super::lower::{Facts, Lowering, Phase, any, no_span, path_piece};
use super::maps;
use super::onward::{constant, may_go_on};
use super::pattern::pattern;
use super::plan::{Plan, State, chain_end};
use super::rewriting::NOT_UTF8;
use super::rounds::{BARE, slot_is, working_query};
use super::rule::RewriteRule;
use super::steps::{self, Around, BEGAN, FILE, HERE, INFO, MACHINE, TAKEN, WROTE_QUERY};

/// Why a redirect without `L` to a relative target is not quite said.
const BELOW_BASE: &str = "without L a rule below sees the URL of this one, in which the folder's path on the disk stands where RewriteBase comes later";

/// Why a redirect without `L` to a path is not quite said in a virtual host without a name.
const NAMELESS: &str =
    "without L a rule below sees the URL of this one, whose port is that of a virtual host without ServerName";

/// Where a list may end.
#[derive(Clone, Copy)]
struct Exits {
    /// The list is through.
    end: TableId,
    /// Nothing was changed, or what was is the path that was there.
    same: TableId,
    /// The path was.
    changed: TableId,
    /// It was, and is one of the folder where `RewriteBase` says another.
    rebased: TableId,
    /// It was, and is the path of the request now.
    passed: TableId,
    /// It was, and mod_rewrite is through with it.
    for_good: TableId,
    root: Root,
}

/// What is known of the root of the machine's disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    Unknown,
    Open,
    /// Nobody may ask for it.
    Shut,
}

impl Lowering<'_, '_> {
    /// Fills the tables of a list; `end` comes after it where nothing was changed, `for_good` after `[END]`.
    pub(super) fn fill<'s>(&mut self, plan: &Plan<'s>, facts: &Facts<'_>, end: TableId, for_good: TableId) {
        let changed = plan.changed.unwrap_or(end);
        let around = Around {
            folder: plan.folder,
            is_section: plan.is_section,
            is_asked: facts.is_asked,
            has_turned: false,
            has_disk: facts.has_disk,
            keeps_uri: plan.is_section || facts.keeps_uri && plan.folder.is_some(),
            base: plan.base.as_deref(),
            root: facts.root,
            is_for_another: self.reading.is_for_writing(),
            name: facts.name,
            is_canonical: facts.is_canonical,
            names: &plan.names,
            disk: facts.disk,
            maps: facts.maps,
            is_astray: false,
        };
        let mut left_out = LeftOut::default();
        let root = match (facts.writes_root, facts.is_root_shut) {
            (false, _) => Root::Unknown,
            (true, false) => Root::Open,
            (true, true) => Root::Shut,
        };
        let rebased = plan.rebase.unwrap_or(changed);
        for (state, table) in &plan.settle {
            let here = (*state == State::Relative).then(|| is_that(&[path_piece(What::Slot(FILE))], What::Slot(BEGAN)));
            if let Some(here) = here.flatten() {
                let target = Target::of_pieces(vec![path_piece(What::Slot(BEGAN))]);
                let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(end) };
                self.push(*table, any(), &[here], action, &no_span());
            }
            self.write_slot(*table, FILE, if *state == State::Relative { rebased } else { changed });
        }
        if let Some(rebase) = plan.rebase {
            self.rebase(plan, rebase, changed);
        }
        for (state, table) in &plan.finish {
            self.reading.set_after(*table, After::Table(changed));
            if let State::Url(status, is_bare) = state {
                if *is_bare {
                    self.refuse(*table, What::Part(Part::WorkingQuery), BARE, ReplyStatus::Forbidden);
                }
                self.finish(*table, *status);
            }
        }
        for (&(segment, state), &table) in &plan.tables {
            let exit = match state {
                State::Same => end,
                State::Absolute | State::Relative => plan.settle.get(&state).copied().unwrap_or(changed),
                State::Url(..) => plan.finish.get(&state).copied().unwrap_or(changed),
            };
            if segment == 0 && state == State::Same {
                self.begin(plan, table, &around, facts, &mut left_out);
            }
            let is_astray = matches!(state, State::Absolute | State::Url(..)) && plan.folder.is_some();
            let around = Around { is_astray: is_astray && !plan.is_section, ..around.clone() };
            // A chain is left behind its end.
            let range = plan.rules_of(segment);
            let next = match range.clone().last() {
                Some(last) if plan.rules[last].flags.chain => chain_end(&plan.rules, last),
                _ => range.end,
            };
            let next = plan.tables.get(&(plan.segment_of(next), state)).copied().filter(|_| next < plan.rules.len());
            self.reading.set_after(table, After::Table(next.unwrap_or(exit)));
            for at in range {
                let to = Exits {
                    end: exit,
                    same: end,
                    changed,
                    rebased,
                    passed: plan.passed.unwrap_or(changed),
                    for_good,
                    root,
                };
                let rule = &plan.rules[at];
                let verdict = match left_out.takes_along(rule, at) {
                    Some(why) => Err(why),
                    None => self.rewrite_rule(plan, at, rule, state, table, &around, to),
                };
                let verdict = verdict.map(|approximates| approximates.or(left_out.approximates(at)));
                if let Err(why) = &verdict {
                    left_out.note(plan, at, why);
                }
                self.say(&rule.span, &rule.text, verdict);
            }
        }
    }

    /// Makes the rules of one rule in one state.
    #[expect(clippy::too_many_arguments, reason = "a rule, where it stands, and where it may lead")]
    fn rewrite_rule<'s>(
        &mut self,
        plan: &Plan<'s>,
        at: usize,
        rule: &RewriteRule,
        state: State,
        table: TableId,
        around: &Around<'_>,
        to: Exits,
    ) -> Result<Option<&'static str>, Unplaced> {
        let flags = &rule.flags;
        let is_changed = state != State::Same;
        if flags.is_odd {
            return Err(NOT_UTF8.into());
        }
        if plan.is_section && around.root.is_none() && steps::sees_disk(rule) {
            return Err(steps::NO_ROOT.into());
        }
        if maps::asks(rule) {
            let missed = self.look_up(rule, table, around, is_changed)?;
            return match missed.rule {
                Some(rule) => {
                    let verdict = self.rewrite_rule(plan, at, &rule, state, table, around, to)?;
                    Ok(missed.approximates.or(verdict))
                }
                None => Ok(missed.approximates),
            };
        }
        let ready = steps::ready(rule, around, is_changed)?;
        let mut approximates = ready.approximates;
        if flags.passes_on && plan.has_sections {
            approximates =
                approximates.or(Some("sections are chosen by the path that this rule writes, not by the one before"));
        }
        if flags.cookie {
            approximates = approximates.or(Some("its cookie is not set"));
        }
        let table_at = |rule: usize, state: State| plan.tables.get(&(plan.segment_of(rule), state)).copied();
        let after_skip = at + 1 + flags.skip as usize;
        let stops = steps::stops(rule);
        if let Some(status) = flags.status {
            let action = self.error_in(plan, status)?;
            self.push(table, ready.source, &ready.conditions, action, &rule.span);
            return Ok(approximates);
        }
        if flags.proxy {
            let target = Target::of_pieces(vec![path_piece(What::Part(Part::WorkingPath))]);
            let action = Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::End };
            self.push(table, ready.source, &ready.conditions, action, &rule.span);
            return Err("it hands the request to another server (`P`): what it takes passes".into());
        }
        let sends_for_good = steps::substitutes(rule) && flags.redirect.is_some() && stops;
        if !sends_for_good {
            self.environment(rule, &ready, table, around, is_changed)?;
        }
        if !steps::substitutes(rule) {
            let next = if stops {
                Some(to.end)
            } else if flags.skip > 0 {
                Some(table_at(after_skip, state).filter(|_| after_skip < plan.rules.len()).unwrap_or(to.end))
            } else if flags.chain {
                table_at(at + 1, state)
            } else {
                None
            };
            if flags.again {
                return Err("`N` without a substitution never ends".into());
            }
            if let Some(next) = next {
                self.push(table, ready.source, &ready.conditions, Action::Enter(next), &rule.span);
            }
            return Ok(approximates);
        }
        for written in steps::written(rule, &ready, around, is_changed)? {
            approximates = approximates.or(written.approximates);
            let mut conditions = ready.conditions.clone();
            if let Some((slot, value)) = &written.when {
                let kept = Subject::Text(vec![path_piece(What::Slot(*slot))]);
                let test = match value.is_empty() {
                    true => Test::Regex(pattern("^$", LetterCase::Significant)),
                    false => Test::Is(value.clone()),
                };
                // Before the others: they may leave groups behind.
                match Condition::new(kept, test, false) {
                    Ok(condition) => conditions.insert(0, condition),
                    Err(error) => return Err(error.what.into()),
                }
            }
            conditions.extend(written.condition.clone());
            if written.is_forbidden {
                let action = self.error_in(plan, 403)?;
                self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                continue;
            }
            // httpd hands a URL on as it would a path, and finds that it is none.
            if written.is_redirect && flags.passes_on {
                self.forbid_question_mark(
                    rule,
                    plan,
                    &written.placed.pieces,
                    (table, &ready.source, &conditions),
                    true,
                );
                let action = Action::Reply { status: ReplyStatus::BadRequest, retry_after: None };
                self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                continue;
            }
            // Of what was kept, or changed by a map, the core asks no question mark where it becomes a path.
            let is_kept = |piece: &Piece<'static>| {
                piece.place < Landing::Query && matches!(piece.what, What::Slot(_) | What::Changed(..))
            };
            let is_blind = !written.is_redirect && written.placed.pieces.iter().any(is_kept);
            let place = (table, &ready.source, conditions.as_slice());
            self.forbid_question_mark(rule, plan, &written.placed.pieces, place, is_blind);
            let target = Target::of_pieces(written.placed.pieces.clone());
            if written.is_redirect {
                let number = flags.redirect.unwrap_or(302);
                let goes_on = !stops
                    && plan.rules.len() > after_skip
                    && may_go_on(
                        plan.behind(after_skip),
                        written.inside.as_ref().unwrap_or(&written.placed),
                        plan.folder.is_some(),
                    );
                let next = table_at(after_skip, State::Url(number, flags.noescape)).filter(|_| goes_on);
                if goes_on && !written.placed.is_url && around.name.is_none() {
                    approximates = approximates.or(Some(NAMELESS));
                }
                if goes_on && written.is_relative && around.base.is_some() && !plan.is_section {
                    approximates = approximates.or(Some(BELOW_BASE));
                }
                if let (Some(next), Some(inside)) = (next, &written.inside) {
                    let place = (table, ready.source.clone(), conditions.as_slice());
                    self.write_on(plan, rule, place, (&inside.pieces, written.query), next);
                    continue;
                }
                let status =
                    RedirectStatus::from_number(number).ok_or("a status with which no client follows a Location")?;
                let status = StatusByMethod::always(status);
                // What a rule before wrote as its query is escaped, what came is not.
                let is_kept = written.query == QueryPolicy::Replace && !written.placed.has_query;
                let may_have_written = match state {
                    State::Same => false,
                    State::Url(..) => true,
                    State::Absolute | State::Relative => plan.hands_query_on(),
                };
                if may_have_written
                    && is_kept
                    && let Some(wrote) = slot_is(WROTE_QUERY, "1")
                {
                    let conditions = [conditions.as_slice(), &[wrote]].concat();
                    let target = Target::of_pieces([written.placed.pieces.clone(), working_query()].concat());
                    let action = Action::Redirect { status, target, query: QueryPolicy::Drop };
                    self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                }
                let action = Action::Redirect { status, target, query: written.query };
                self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                if goes_on {
                    approximates = approximates
                        .or(Some("without L a later pattern may fit the URL that this rule made; here it is sent"));
                }
                continue;
            }
            if matches!(state, State::Url(..)) {
                let text = Target::of_pieces(vec![path_piece(What::Literal("s".into()))]);
                let action = Action::Set { slot: TAKEN, text, then: Then::Next };
                self.push(table, ready.source.clone(), &conditions, action, &rule.span);
            }
            let new = if written.is_relative { State::Relative } else { State::Absolute };
            let new = if around.folder.is_none() || plan.is_section { State::Absolute } else { new };
            if flags.again {
                approximates = approximates.or(Some("`N` begins again at most ten times"));
            }
            let last = if new == State::Relative { to.rebased } else { to.changed };
            let then = if flags.passes_on && around.folder.is_none() {
                to.passed
            } else if flags.end {
                to.for_good
            } else if stops {
                to.changed
            } else if flags.again {
                table_at(0, new).unwrap_or(to.changed)
            } else if flags.skip > 0 {
                table_at(after_skip, new).filter(|_| after_skip < plan.rules.len()).unwrap_or(last)
            } else {
                table_at(at + 1, new).filter(|_| at + 1 < plan.rules.len()).unwrap_or(last)
            };
            // A file that is asked for and written again is no change, and begins no round.
            let is_through = [to.changed, to.rebased].contains(&then);
            if new == State::Relative && is_through && then != to.for_good {
                let began = match state {
                    State::Same => What::Part(Part::WorkingPath),
                    _ => What::Slot(BEGAN),
                };
                let (path, rest): (Vec<Piece<'static>>, Vec<Piece<'static>>) =
                    written.placed.pieces.iter().cloned().partition(|piece| piece.place < Landing::Query);
                let path = in_folder(path, around);
                let text = constant(&path);
                if let Some(condition) =
                    text.map_or_else(|| is_that(&path, began.clone()), |text| begins_with(&text, began.clone()))
                {
                    let mut conditions = conditions.clone();
                    conditions.push(condition);
                    // The path stays as it is, with what stands behind its file.
                    let pieces = [vec![path_piece(began)], rest].concat();
                    let (target, query) = (Target::of_pieces(pieces), written.query.clone());
                    let action = Action::Rewrite { target, query, then: Then::Table(to.same) };
                    self.push(table, ready.source.clone(), &conditions, action, &rule.span);
                }
            }
            if around.folder.is_some() && ![to.changed, to.rebased, to.passed, to.for_good].contains(&then) {
                let place = (table, ready.source.clone(), conditions.as_slice());
                self.write_on(plan, rule, place, (&written.placed.pieces, written.query), then);
                continue;
            }
            if around.folder.is_none() {
                let is_kept = state != State::Same && !written.placed.has_query;
                let kept = [Piece { place: Landing::Query, what: What::Part(Part::WorkingQuery) }];
                let pieces = if is_kept { &kept[..] } else { &written.placed.pieces };
                self.forbid_bare_query(rule, pieces, (table, &ready.source, &conditions));
                let place = (table, &ready.source, conditions.as_slice());
                if ![to.changed, to.for_good, to.passed].contains(&then) {
                    self.note_query(rule, &written.placed.pieces, place);
                } else if then != to.passed && to.root != Root::Unknown && steps::may_write_root(rule) {
                    let to = (then, to.root == Root::Shut);
                    self.write_root(rule, (&written.placed.pieces, &written.query), place, to);
                }
            }
            let action = Action::Rewrite { target, query: written.query, then: Then::Table(then) };
            self.push(table, ready.source.clone(), &conditions, action, &rule.span);
        }
        Ok(approximates)
    }

    /// What an error does that a rule of a list makes. Which URL it leads to is asked of the path of the URL.
    fn error_in(&self, plan: &Plan<'_>, status: u16) -> Result<Action<'static>, Unplaced> {
        match self.error(Phase::of(plan.folder.is_some()), status)? {
            Action::Enter(table) if plan.is_section => {
                let target = Target::of_pieces(vec![path_piece(What::Slot(HERE))]);
                Ok(Action::Rewrite { target, query: QueryPolicy::Replace, then: Then::Table(table) })
            }
            action => Ok(action),
        }
    }

    /// A blank or a control that a rule of a server writes into a query inside is answered with 403; folders look behind their list.
    fn forbid_bare_query(
        &mut self,
        rule: &RewriteRule,
        pieces: &[Piece<'static>],
        (table, source, conditions): (TableId, &Source<'static>, &[Condition]),
    ) {
        let of_request = |piece: &&Piece<'static>| !matches!(piece.what, What::Literal(_) | What::PortElse(_));
        let query = pieces.iter().filter(|piece| piece.place == Landing::Query).filter(of_request);
        let query: Vec<Piece<'static>> = query.map(|piece| path_piece(piece.what.clone())).collect();
        if query.is_empty() || rule.flags.escape_captures {
            return;
        }
        let found = Condition::new(Subject::Text(query), Test::Regex(pattern(BARE, LetterCase::Significant)), false);
        if let (Ok(found), Ok(action)) = (found, self.error(Phase::Server, 403)) {
            self.push(table, source.clone(), &[conditions, &[found]].concat(), action, &rule.span);
        }
    }

    /// Keeps in mind that a rule wrote a query.
    fn note_query(
        &mut self,
        rule: &RewriteRule,
        pieces: &[Piece<'static>],
        (table, source, conditions): (TableId, &Source<'static>, &[Condition]),
    ) {
        if pieces.iter().any(|piece| piece.place == Landing::Query) {
            let text = Target::of_pieces(vec![path_piece(What::Literal("1".into()))]);
            let action = Action::Set { slot: WROTE_QUERY, text, then: Then::Next };
            self.push(table, source.clone(), conditions, action, &rule.span);
        }
    }

    /// A path of slashes alone is that of the machine's disk, which is a folder.
    fn write_root(
        &mut self,
        rule: &RewriteRule,
        (pieces, query): (&[Piece<'static>], &QueryPolicy),
        (table, source, conditions): (TableId, &Source<'static>, &[Condition]),
        (then, is_root_shut): (TableId, bool),
    ) {
        let (path, rest): (Vec<_>, Vec<_>) = pieces.iter().cloned().partition(|piece| piece.place < Landing::Query);
        let test = Test::Regex(pattern("^(?!/+$)", LetterCase::Significant));
        let Ok(is_root) = Condition::new(Subject::Text(path), test, true) else { return };
        let pieces = [vec![path_piece(What::Literal(MACHINE.into()))], rest].concat();
        let (target, query) = (Target::of_pieces(pieces), query.clone());
        let shut = is_root_shut.then(|| self.error(Phase::Server, 403).ok()).flatten();
        let action = shut.unwrap_or(Action::Rewrite { target, query, then: Then::Table(then) });
        self.push(table, source.clone(), &[conditions, &[is_root]].concat(), action, &rule.span);
    }

    /// Where `ErrorDocument` has a URL for 403, it is for a `?` too that a text of the request brings into a path; and where what
    /// follows would not answer so.
    fn forbid_question_mark(
        &mut self,
        rule: &RewriteRule,
        plan: &Plan<'_>,
        pieces: &[Piece<'static>],
        (table, source, conditions): (TableId, &Source<'static>, &[Condition]),
        is_blind: bool,
    ) {
        let is_inside = plan.folder.is_some();
        let leads = match is_inside {
            true => self.errors_at.contains_key(&403),
            false => self.errors_early.contains_key(&403) || matches!(self.errors.get(&(None, 403)), Some(Some(_))),
        };
        if !(leads || is_blind) || rule.flags.unsafe_question || rule.flags.escape_captures {
            return;
        }
        let of_request = |piece: &&Piece<'static>| !matches!(piece.what, What::Literal(_) | What::PortElse(_));
        let path = pieces.iter().take_while(|piece| piece.place < Landing::Query).filter(of_request);
        let path: Vec<Piece<'static>> = path.map(|piece| path_piece(piece.what.clone())).collect();
        if path.is_empty() {
            return;
        }
        let found = Condition::new(Subject::Text(path), Test::Regex(pattern("\\?", LetterCase::Significant)), false);
        if let (Ok(found), Ok(action)) = (found, self.error_in(plan, 403)) {
            self.push(table, source.clone(), &[conditions, &[found]].concat(), action, &rule.span);
        }
    }

    /// What a rule writes for those behind it in its list: what stood behind the file is hung on it again.
    fn write_on<'s>(
        &mut self,
        plan: &Plan<'s>,
        rule: &RewriteRule,
        place: (TableId, Source<'static>, &[Condition]),
        written: (&[Piece<'static>], QueryPolicy),
        then: TableId,
    ) {
        let (table, source, conditions) = place;
        let (pieces, query) = written;
        let (mut path, rest): (Vec<_>, Vec<_>) = pieces.iter().cloned().partition(|piece| piece.place < Landing::Query);
        let set = |slot, text| Action::Set { slot, text, then: Then::Next };
        self.push(table, source.clone(), conditions, set(FILE, Target::of_pieces(path.clone())), &rule.span);
        if !rest.is_empty() {
            let yes = Target::of_pieces(vec![path_piece(What::Literal("1".into()))]);
            self.push(table, source.clone(), conditions, set(WROTE_QUERY, yes), &rule.span);
        }
        if !rule.flags.unsafe_question {
            let file = Subject::Text(vec![path_piece(What::Slot(FILE))]);
            if let Ok(condition) = Condition::new(file, Test::Regex(pattern("\\?", LetterCase::Significant)), false) {
                let conditions = [conditions, &[condition]].concat();
                let reply = Action::Reply { status: ReplyStatus::Forbidden, retry_after: None };
                let action = self.error_in(plan, 403).unwrap_or(reply);
                self.push(table, source.clone(), &conditions, action, &rule.span);
            }
        }
        if rule.flags.discards_path_info {
            self.push(table, source.clone(), conditions, set(INFO, Target::of_pieces(Vec::new())), &rule.span);
        } else if plan.folder.is_some() {
            path.push(path_piece(What::Slot(INFO)));
        }
        path.extend(rest);
        let action = Action::Rewrite { target: Target::of_pieces(path), query, then: Then::Table(then) };
        self.push(table, source, conditions, action, &rule.span);
    }

    /// `E=name:value`, before whatever else the rule does.
    fn environment(
        &mut self,
        rule: &RewriteRule,
        ready: &steps::Ready,
        table: TableId,
        around: &Around<'_>,
        is_changed: bool,
    ) -> Result<(), Unplaced> {
        for (name, value) in &rule.flags.env {
            let Some(slot) = around.names.known(name) else { continue };
            let asked = format!("ENV:{name}}}").to_ascii_uppercase();
            let uses_it = |text: &str| text.to_ascii_uppercase().contains(&asked);
            let others = rule.flags.env.len() > 1 || steps::substitutes(rule);
            if others && (rule.conds.iter().any(|cond| uses_it(&cond.test)) || uses_it(&rule.substitution)) {
                return Err("it sets a variable that it also asks for".into());
            }
            let text = steps::kept(value.as_deref().unwrap_or_default(), ready, around, is_changed)?;
            let action = Action::Set { slot, text: Target::of_pieces(text), then: Then::Next };
            self.push(table, ready.source.clone(), &ready.conditions, action, &rule.span);
        }
        Ok(())
    }
}

/// A path that a rule of a folder writes, before `RewriteBase` takes the place of the folder.
fn in_folder(mut path: Vec<Piece<'static>>, around: &Around<'_>) -> Vec<Piece<'static>> {
    if let (Some(folder), Some(base)) = (around.folder, around.base)
        && let Some(Piece { what: What::Literal(text), .. }) = path.first_mut()
        && let Some(rest) = text.strip_prefix(base)
    {
        *text = format!("{folder}{rest}").into();
    }
    path
}

/// Whether a path is this one, with what stands behind its file.
fn begins_with(text: &str, path: What<'static>) -> Option<Condition> {
    let here = Subject::Text(vec![path_piece(path)]);
    let differs = format!("^(?!{}(?:/|$))", super::pattern::quoted(text));
    Condition::new(here, Test::Regex(pattern(&differs, LetterCase::Significant)), true).ok()
}
