//! A request for one rule: what its pattern and its conditions ask, and a way past each rule that takes the request before it.
//!
//! A request is made, asked of the rules in this process, and where another rule took it, that one is to be avoided as well: by a
//! path that it does not fit, or by a condition that does not hold. Where no way is left, and every step was one that the rules
//! themselves force, the rule is out of reach, and the rule that was in the way last hides it.

// Long because what is wished for, and what proves that nothing can be, hang on each kind of condition alike.

use std::collections::{BTreeMap, HashMap};

use byway_core::RuleSet;
use byway_core::condition::{Condition, SUBJECTS, Subject, Test};
use byway_core::dialect::{LetterCase, View};
use byway_core::regex::{Anchoring, Flavour, Pattern};
use byway_core::rule::{Action, Place, Then};
use byway_core::ruleset::{After, RuleRef, RuleView, Scratch, TableId, Watch};
use byway_core::source::PathPattern;
use byway_core::target::{Part, Piece, Target, What};

use super::ask::Ask;
use super::automata::{Automata, Unknown, Wanted};
use super::lists::{Lists, asked};

/// How many requests are tried for one rule.
const TRIES: usize = 200;
/// Bytes of texts, in the order in which they are liked.
const LIKED: &[u8] =
    b"abcdefghijklmnopqrstuvwxyz0123456789-_/.ABCDEFGHIJKLMNOPQRSTUVWXYZ ~+=&,;:@!$'()*?%#\"<>[]{}|\\^`";
/// What no path holds that patterns see: two slashes, segments of dots.
const NOWHERE: &[&str] = &["//", "(^|/)\\.{1,2}(/|$)", "\\x00"];

/// What became of the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This request comes to it.
    Asked(Box<Ask>),
    /// There is none: its pattern and its conditions never hold, or not together.
    Never,
    /// There is none: this rule takes all that it would take.
    Hidden(Place),
    /// It makes no rule of its own.
    Nothing,
    /// There is none but over https.
    Https,
    /// None was found, and it is not proved that there is none.
    Unknown,
}

/// What a request must be.
#[derive(Clone, Default)]
struct Wish {
    path: Vec<Wanted>,
    /// By the name of a field, or what else is looked at.
    texts: BTreeMap<String, Vec<Wanted>>,
    /// Whether something more is asked that cannot be wished for: what is wished for is wider than what is asked.
    is_vague: bool,
    /// Whether there are ways beside this one that were not looked at: that it cannot be proves nothing.
    is_partial: bool,
}

impl Wish {
    fn says(&self) -> (&[Wanted], &BTreeMap<String, Vec<Wanted>>) {
        (&self.path, &self.texts)
    }
}

/// The rules that took part, in their order, and the tables that were entered.
#[derive(Default)]
pub(crate) struct Trail {
    steps: Vec<Step>,
}

impl Trail {
    /// The rules that took part.
    pub(crate) fn rules(&self) -> impl Iterator<Item = RuleRef> {
        self.steps.iter().filter_map(|step| match step {
            Step::Rule(rule) => Some(*rule),
            Step::Table(_) => None,
        })
    }
}

enum Step {
    Table(TableId),
    Rule(RuleRef),
}

impl Watch for Trail {
    fn table(&mut self, table: TableId) {
        self.steps.push(Step::Table(table));
    }

    fn acted(&mut self, rule: RuleRef) {
        self.steps.push(Step::Rule(rule));
    }

    fn taken(&mut self, rule: RuleRef, _captures: &[&[u8]]) {
        self.steps.push(Step::Rule(rule));
    }
}

/// The search.
pub(crate) struct Reacher<'r> {
    rules: &'r RuleSet,
    views: Vec<RuleView<'r>>,
    at: HashMap<(u16, u32), Vec<usize>>,
    /// The rules that keep a text, by its slot.
    keepers: HashMap<u16, Vec<usize>>,
    lists: Lists<'r>,
    strips: Vec<&'r [u8]>,
    /// Where each table leads, those before it left out.
    ways: Vec<Vec<usize>>,
    automata: Automata,
    scratch: Scratch,
    host: String,
    port: u16,
    now: i64,
    /// Whether a condition was met that only https fulfils.
    is_https: bool,
    /// Whether some patterns see two slashes that stand together.
    sees_two_slashes: bool,
}

/// One search for one rule.
struct Goal {
    place: Place,
    /// Where its first rule stands.
    first: (TableId, u32),
    strip: Vec<u8>,
    /// Whether the table can be reached from each table.
    leads: Vec<bool>,
    tries: usize,
    blocker: Option<Place>,
    is_proof: bool,
    /// Whether some way leads over https.
    is_https: bool,
}

impl<'r> Reacher<'r> {
    /// Rules that are asked under this host, at a server on this port.
    pub(crate) fn new(rules: &'r RuleSet, host: String, port: u16, now: i64) -> Reacher<'r> {
        let views: Vec<RuleView<'r>> = rules.rules().collect();
        let mut at: HashMap<(u16, u32), Vec<usize>> = HashMap::new();
        let mut keepers: HashMap<u16, Vec<usize>> = HashMap::new();
        let mut ways: Vec<Vec<usize>> = Vec::new();
        for table in rules.tables() {
            ways.push(match table.after {
                After::Table(next) => vec![usize::from(next.0)],
                After::NextRoot => Vec::new(),
            });
        }
        for (number, rule) in views.iter().enumerate() {
            at.entry((rule.place().file.0, rule.place().line)).or_default().push(number);
            let action = rule.action();
            if let Action::Set { slot, .. } = &action {
                keepers.entry(*slot).or_default().push(number);
            }
            let to = match action {
                Action::Enter(to) | Action::Call { table: to, .. } => to,
                Action::Rewrite { then: Then::Table(to), .. } | Action::Set { then: Then::Table(to), .. } => to,
                _ => continue,
            };
            ways[usize::from(rule.table().0)].push(usize::from(to.0));
        }
        Reacher {
            sees_two_slashes: views.iter().any(|rule| rule.dialect().view == View::Apart),
            rules,
            views,
            at,
            keepers,
            lists: Lists::of(rules),
            strips: rules.tables().map(|table| table.strip).collect(),
            ways,
            automata: Automata::default(),
            scratch: Scratch::new(),
            host,
            port,
            now,
            is_https: false,
        }
    }

    /// A request for what stands at a place.
    pub(crate) fn reach(&mut self, place: Place) -> Reach {
        let own: Vec<RuleView<'r>> =
            self.at.get(&(place.file.0, place.line)).into_iter().flatten().map(|at| self.views[*at]).collect();
        // The first of its tables is the one that sees the path as it came.
        let Some(table) = own.iter().map(RuleView::table).min() else { return Reach::Nothing };
        let first = own.iter().map(|rule| (rule.table(), rule.number())).min().unwrap_or((table, 0));
        let mut goal = Goal {
            place,
            first,
            strip: self.strips[usize::from(table.0)].to_vec(),
            leads: self.leading_to(table),
            tries: TRIES,
            blocker: None,
            is_proof: true,
            is_https: false,
        };
        self.is_https = false;
        for rule in weakest(own.into_iter().filter(|rule| rule.table() == table)) {
            for wish in self.wishes(&rule, &goal.strip, Wish::default(), 0) {
                if let Some(ask) = self.search(&mut goal, &wish) {
                    return Reach::Asked(Box::new(ask));
                }
            }
        }
        goal.is_https |= self.is_https;
        match (goal.is_proof, goal.blocker) {
            (true, _) if goal.is_https => Reach::Https,
            (false, _) => Reach::Unknown,
            (true, Some(place)) => Reach::Hidden(place),
            (true, None) => Reach::Never,
        }
    }

    /// From which tables a table is reached, without going back.
    fn leading_to(&self, table: TableId) -> Vec<bool> {
        let mut leads = vec![false; self.ways.len()];
        leads[usize::from(table.0)] = true;
        for from in (0..=usize::from(table.0)).rev() {
            let led = self.ways[from].iter().any(|to| *to > from && leads.get(*to).copied().unwrap_or_default());
            leads[from] |= led;
        }
        leads
    }

    /// What a request of a rule must be, in each way in which its conditions can hold.
    fn wishes(&mut self, rule: &RuleView<'r>, strip: &[u8], wish: Wish, depth: usize) -> Vec<Wish> {
        let mut start = wish;
        let sees_before = self.strips[usize::from(rule.table().0)] != strip;
        match self.lists.asking(rule).first().copied() {
            Some(asking) => self.wish_text(&asking, rule, &mut start),
            None => self.wish_path(&rule.source().path, true, sees_before, &mut start),
        }
        let mut out = vec![start];
        for clause in clauses(&rule.conditions()) {
            let mut next = Vec::new();
            for wish in &out {
                for condition in &clause {
                    next.extend(self.with(condition, true, wish, rule.table(), depth));
                }
            }
            if next.len() > 64 {
                next.truncate(64);
                next.iter_mut().for_each(|wish| wish.is_partial = true);
            }
            out = next;
        }
        out
    }

    /// What is wished for of the text that a list is asked for; where that is put together, nothing that proves anything.
    fn wish_text(&mut self, asking: &RuleView<'r>, entry: &RuleView<'r>, wish: &mut Wish) {
        let text = asked(asking);
        let subject = match text.as_ref().map(|text| text.pieces()) {
            Some([Piece { what, .. }]) => key(what),
            _ => None,
        };
        let mut of_text = Wish::default();
        self.wish_path(&entry.source().path, true, true, &mut of_text);
        match subject {
            Some("path") => wish.path.extend(of_text.path),
            Some(subject) => wish.texts.entry(subject.to_ascii_lowercase()).or_default().extend(of_text.path),
            None => wish.is_vague = true,
        }
        wish.is_vague |= of_text.is_vague;
        wish.is_partial |= of_text.is_partial || subject.is_none() || self.lists.asking(entry).len() > 1;
    }

    fn wish_path(&mut self, path: &PathPattern<'_>, is_found: bool, sees_before: bool, wish: &mut Wish) {
        let quoted = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let automaton = match path {
            PathPattern::Exact(text) => self.automata.plain(&format!("^{}$", quoted(text))),
            PathPattern::Prefix(text) => self.automata.plain(&format!("^{}(/|$)", quoted(text))),
            PathPattern::BytePrefix { prefix, .. } => self.automata.plain(&format!("^{}", quoted(prefix))),
            PathPattern::Regex(pattern) => match self.automata.of(pattern) {
                None if is_found => {
                    wish.is_vague = true;
                    wish.is_partial = true;
                    self.automata.of(&nearly(pattern))
                }
                known => known,
            },
            PathPattern::Segments { .. } => None,
        };
        match automaton {
            Some(automaton) => wish.path.push(Wanted { automaton, is_found, sees_before }),
            None => wish.is_vague = true,
        }
    }

    /// A wish with a condition that holds or does not, in each way that is known.
    fn with(&mut self, condition: &Condition, holds: bool, wish: &Wish, table: TableId, depth: usize) -> Vec<Wish> {
        let mut out = wish.clone();
        let is_found = holds != condition.negate;
        let Some(pattern) = pattern_of(&condition.test) else {
            out.is_vague = true;
            return vec![out];
        };
        let subject = match &condition.subject {
            Subject::Of { row, name } => match SUBJECTS.get(usize::from(*row)).map(|row| row.key) {
                Some("header") => name.to_ascii_lowercase(),
                _ => String::new(),
            },
            Subject::Text(pieces) => match pieces.as_slice() {
                [Piece { what: What::Slot(slot), .. }] => {
                    return self.with_kept(*slot, &pattern, is_found, wish, table, depth);
                }
                [Piece { what: What::Part(part @ (Part::Https | Part::Scheme)), .. }] => {
                    let text: &[u8] = if *part == Part::Https { b"off" } else { b"http" };
                    let holds = pattern.finds(text).unwrap_or_default() == is_found;
                    self.is_https |= !holds;
                    return if holds { vec![out] } else { Vec::new() };
                }
                [Piece { what, .. }] => key(what).unwrap_or_default().to_owned(),
                _ => String::new(),
            },
        };
        let mut automaton = if subject.is_empty() { None } else { self.automata.of(&pattern) };
        if automaton.is_none() && is_found && !subject.is_empty() {
            out.is_vague = true;
            out.is_partial = true;
            automaton = self.automata.of(&nearly(&pattern));
        }
        match automaton {
            Some(automaton) if subject == "path" => out.path.push(Wanted { automaton, is_found, sees_before: true }),
            Some(automaton) => {
                out.texts.entry(subject).or_default().push(Wanted { automaton, is_found, sees_before: false });
            }
            None => out.is_vague = true,
        }
        vec![out]
    }

    /// A text that was kept holds what the rules that keep it say: one of those must have its way.
    fn with_kept(
        &mut self,
        slot: u16,
        pattern: &Pattern<'_>,
        is_found: bool,
        wish: &Wish,
        table: TableId,
        depth: usize,
    ) -> Vec<Wish> {
        let mut out = Vec::new();
        let own_strip = self.strips[usize::from(table.0)];
        let fits_nothing = pattern.finds(b"").unwrap_or_default() == is_found;
        if fits_nothing && !self.always_keeps(slot, own_strip, table) {
            out.push(Wish { is_vague: true, ..wish.clone() });
        }
        let strip = self.strips[usize::from(table.0)];
        let keepers: Vec<RuleView<'r>> =
            self.keepers.get(&slot).into_iter().flatten().map(|at| self.views[*at]).collect();
        let fits = |rule: &&RuleView<'r>| {
            let own = self.strips[usize::from(rule.table().0)];
            rule.table() <= table && (own == strip || own.is_empty())
        };
        let keepers: Vec<&RuleView<'r>> = keepers.iter().filter(fits).collect();
        let is_partial = keepers.len() > 24 || depth >= 3;
        for rule in keepers.into_iter().take(24).filter(|_| depth < 3) {
            let Action::Set { text, .. } = rule.action() else { continue };
            if constant_of(&text).is_none_or(|text| pattern.finds(text.as_bytes()).unwrap_or(true) == is_found) {
                let wishes = self.wishes(rule, strip, wish.clone(), depth + 1);
                // What is put together may be the text that is asked for, or not.
                let is_open = constant_of(&text).is_none();
                let vague = |wish: Wish| Wish { is_vague: true, is_partial: wish.is_partial || is_open, ..wish };
                out.extend(wishes.into_iter().map(vague));
            }
        }
        let is_partial = is_partial || out.len() > 24;
        out.truncate(24);
        out.iter_mut().for_each(|wish| wish.is_partial |= is_partial);
        out
    }

    /// Whether some rule keeps a text in a slot whatever is asked, before a table is reached.
    fn always_keeps(&mut self, slot: u16, strip: &[u8], table: TableId) -> bool {
        let keepers: Vec<RuleView<'r>> =
            self.keepers.get(&slot).into_iter().flatten().map(|at| self.views[*at]).collect();
        keepers.into_iter().take(100).any(|rule| {
            let is_here = self.strips[usize::from(rule.table().0)] == strip && rule.table() <= table;
            let source = rule.source();
            let is_any = matches!(&source.path, PathPattern::BytePrefix { prefix, .. } if prefix.is_empty());
            let conditions = rule.conditions();
            let always = |condition: &Condition| {
                let Some(automaton) = pattern_of(&condition.test).and_then(|pattern| self.automata.of(&pattern)) else {
                    return false;
                };
                let bytes: Vec<u8> = (0..=255).collect();
                let other = [Wanted { automaton, is_found: condition.negate, sees_before: false }];
                matches!(self.automata.text(&other, b"", &bytes), Ok(None))
            };
            is_here && is_any && conditions.iter().all(always)
        })
    }

    /// Asks what was wished for, and wishes for more where another rule took it.
    fn search(&mut self, goal: &mut Goal, wish: &Wish) -> Option<Ask> {
        if goal.tries == 0 {
            goal.is_proof = false;
            return None;
        }
        goal.tries -= 1;
        let ask = match self.made(wish, &goal.strip) {
            Ok(Some(ask)) => ask,
            Ok(None) => {
                goal.is_proof &= !wish.is_partial;
                return None;
            }
            Err(Unknown) => {
                goal.is_proof = false;
                return None;
            }
        };
        let mut trail = Trail::default();
        let ours = ask.watched(self.rules, (self.port, self.now), &mut self.scratch, &mut trail);
        let is_own = |rule: &RuleRef| self.rules.rule(*rule).place() == goal.place;
        let took = |step: &Step| matches!(step, Step::Rule(rule) if is_own(rule));
        if ours.rule == Some(goal.place) || trail.steps.iter().any(took) {
            return Some(ask);
        }
        let blocker = if ours.edge { None } else { self.blocker(goal, &trail) };
        let Some(blocker) = blocker else {
            goal.is_proof = false;
            return None;
        };
        let rule = self.rules.rule(blocker);
        // What is not wished for may be what the rule itself asks: it was passed by, and nobody stood before it.
        goal.is_proof &= !wish.is_vague || (rule.table(), rule.number()) < goal.first;
        goal.blocker = Some(rule.place()).filter(|place| place.line > 0).or(goal.blocker);
        let mut aside = wish.clone();
        let sees_before = self.strips[usize::from(rule.table().0)] != goal.strip;
        self.wish_path(&rule.source().path, false, sees_before, &mut aside);
        if aside.says() == wish.says() {
            goal.is_proof = false;
        } else if let Some(ask) = self.search(goal, &aside) {
            return Some(ask);
        }
        for clause in clauses(&rule.conditions()) {
            let mut wishes = vec![wish.clone()];
            for condition in &clause {
                wishes = wishes.iter().flat_map(|wish| self.with(condition, false, wish, rule.table(), 2)).collect();
                goal.is_proof &= wishes.len() <= 4;
                wishes.truncate(4);
            }
            for other in wishes {
                // What cannot be wished for is no way past.
                if other.says() == wish.says() {
                    goal.is_proof = false;
                } else if let Some(ask) = self.search(goal, &other) {
                    return Some(ask);
                }
            }
        }
        None
    }

    /// The rule that led away from the goal.
    fn blocker(&self, goal: &Goal, trail: &Trail) -> Option<RuleRef> {
        let mut steps = trail.steps.iter().peekable();
        while let Some(step) = steps.next() {
            let Step::Rule(rule) = step else { continue };
            let goes_on = match self.rules.rule(*rule).action() {
                Action::Set { then: Then::Next, .. } => true,
                Action::Redirect { .. } | Action::Reply { .. } => false,
                _ => match steps.peek() {
                    Some(Step::Table(next)) => {
                        goal.leads[usize::from(next.0)] && *next > self.rules.rule(*rule).table()
                    }
                    Some(Step::Rule(_)) => true,
                    None => false,
                },
            };
            if !goes_on {
                return Some(*rule);
            }
        }
        None
    }

    /// The request that a wish is; none where there is none.
    fn made(&mut self, wish: &Wish, strip: &[u8]) -> Result<Option<Ask>, Unknown> {
        let mut path = wish.path.clone();
        let begins = if strip.is_empty() { "^/" } else { "^(?:[^/]|$)" };
        let nowhere = NOWHERE.iter().filter(|text| !self.sees_two_slashes || **text != "//");
        for (text, is_found) in nowhere.map(|text| (*text, false)).chain([(begins, true)]) {
            let automaton = self.automata.plain(text).ok_or(Unknown)?;
            path.push(Wanted { automaton, is_found, sees_before: false });
        }
        let every: Vec<u8> = LIKED.iter().copied().chain((1..=255).filter(|byte| !LIKED.contains(byte))).collect();
        let Some(text) = self.automata.text(&path, strip, &every)? else { return Ok(None) };
        let path = [strip, &text].concat();
        let mut ask = Ask { method: "GET", target: Vec::new(), host: self.host.clone(), fields: Vec::new() };
        let mut query = Vec::new();
        for (key, wanted) in &wish.texts {
            let mut wanted = wanted.clone();
            let edges = self.automata.plain("^ | $").ok_or(Unknown)?;
            wanted.push(Wanted { automaton: edges, is_found: false, sees_before: false });
            let visible: Vec<u8> = match key.as_str() {
                "query" => LIKED.iter().copied().filter(|byte| !b" #\"<>%^`{}|\\[]".contains(byte)).collect(),
                "host" => {
                    LIKED.iter().copied().filter(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte)).collect()
                }
                _ => LIKED.to_vec(),
            };
            let Some(text) = self.automata.text(&wanted, b"", &visible)? else {
                // Other bytes may be sent as well, where they are escaped.
                return if key == "query" || key == "host" { Err(Unknown) } else { Ok(None) };
            };
            let text = String::from_utf8_lossy(&text).into_owned();
            match key.as_str() {
                _ if text.is_empty() => {}
                "query" => query = text.into_bytes(),
                "host" => ask.host = text,
                "method" => match super::sampler::METHODS.iter().find(|method| **method == text) {
                    Some(method) => ask.method = method,
                    None => return Err(Unknown),
                },
                name => ask.fields.push((name.to_owned(), text)),
            }
        }
        ask.target = super::mutations::encoded(&path);
        if !query.is_empty() {
            ask.target.push(b'?');
            ask.target.extend_from_slice(&query);
        }
        Ok(Some(ask))
    }
}

/// A text that takes nothing of the request.
fn constant_of(text: &Target<'_>) -> Option<String> {
    let literal = |piece: &Piece<'_>| match &piece.what {
        What::Literal(text) => Some(text.to_string()),
        _ => None,
    };
    text.constant().map(str::to_owned).or_else(|| text.pieces().iter().map(literal).collect())
}

/// The conditions of a rule, those together of which one is enough.
fn clauses(conditions: &[Condition]) -> Vec<Vec<Condition>> {
    let mut out: Vec<Vec<Condition>> = Vec::new();
    let mut is_open = false;
    for condition in conditions {
        match out.last_mut().filter(|_| is_open) {
            Some(clause) => clause.push(condition.clone()),
            None => out.push(vec![condition.clone()]),
        }
        is_open = condition.or_next;
    }
    // Where the last is joined to nothing, one that fails does no harm.
    if is_open {
        out.pop();
    }
    out
}

/// Of rules that stand for one, those that ask no more than another.
fn weakest<'r>(own: impl Iterator<Item = RuleView<'r>>) -> Vec<RuleView<'r>> {
    let said = |rule: &RuleView<'_>| {
        let conditions: Vec<String> = rule.conditions().iter().map(|condition| format!("{condition:?}")).collect();
        (rule.source().to_string(), conditions)
    };
    let mut own: Vec<RuleView<'r>> = own.collect();
    own.sort_by_key(|rule| rule.conditions().len());
    let mut out: Vec<RuleView<'r>> = Vec::new();
    for rule in own {
        let (source, conditions) = said(&rule);
        let asks_more = out
            .iter()
            .map(said)
            .any(|(other, less)| other == source && less.iter().all(|condition| conditions.contains(condition)));
        if !asks_more {
            out.push(rule);
        }
    }
    out
}

/// A pattern that an automaton can know in place of one that it cannot: without look-around, and with what is referred back to
/// written out.
fn nearly(pattern: &Pattern<'_>) -> Pattern<'static> {
    let mut text = super::matching::plainer(&pattern.text);
    if let Some(start) = text.find('(').filter(|_| text.contains("\\1")) {
        let end = text[start..].find(')').map_or(text.len(), |end| start + end + 1);
        let group = if text[start..end].contains("[0-9]") { "1" } else { "a" };
        text = format!("{}{group}{}", &text[..start], &text[end..]).replace("\\1", group);
    }
    Pattern { text: text.into(), case: pattern.case, anchoring: pattern.anchoring, flavour: pattern.flavour }
}

/// A test as a pattern.
fn pattern_of(test: &Test) -> Option<Pattern<'static>> {
    let quoted = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let text = match test {
        Test::Regex(pattern) => return Some(pattern.clone()),
        Test::Is(text) => format!("^{}$", quoted(text)),
        Test::In(texts) if texts.len() <= 200 => {
            format!("^(?:{})$", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join("|"))
        }
        Test::Present => ".".to_owned(),
        _ => return None,
    };
    let (case, anchoring) = (LetterCase::Significant, Anchoring::Anywhere);
    Some(Pattern { text: text.into(), case, anchoring, flavour: Flavour::PcreDotAll })
}

/// What is wished for where a text is looked at.
fn key<'w>(what: &'w What<'_>) -> Option<&'w str> {
    match what {
        What::Field(name) if name.eq_ignore_ascii_case("host") => Some("host"),
        What::Field(name) => Some(name),
        What::Part(Part::Query | Part::WorkingQuery) => Some("query"),
        What::Part(Part::Host | Part::HostField) => Some("host"),
        What::Part(Part::Method) => Some("method"),
        What::Part(Part::Path | Part::WorkingPath) => Some("path"),
        _ => None,
    }
}
