//! The rule set that is served, and how it is replaced while requests are on their way.
//!
//! A [`Live`] holds one [`Generation`] at a time and swaps it whole. Serving threads keep a copy of the pointer and look, per
//! request, whether it changed; a request keeps the generation it began with. Reading rule text is not done here: whoever can
//! builds a [`RuleSet`] and hands it in. An old generation is dropped on a thread of its own, once nobody uses it any more:
//! giving back a gigabyte takes time, and its hits are carried over by identity first.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use byway_core::RuleSet;
use byway_core::place::Places;
use byway_core::ruleset::{IdentityNumbers, RuleRef};
use byway_core::surroundings::Outlook;

use crate::hits::{BLOCK, Hits, RuleHits};
use crate::method::MethodClass;

/// A rule set in service.
pub struct Generation {
    /// The rules.
    pub rules: RuleSet,
    /// Counted from 1.
    pub number: u64,
    /// When it was put in service.
    pub loaded_at: SystemTime,
    hits: Box<[RuleHits]>,
    /// Hits of rules of the same identity in generations before.
    carried: Mutex<HashMap<u32, Hits>>,
    /// Made when somebody asks first.
    identities: OnceLock<IdentityNumbers>,
    /// Whether any rule may ask for a pool or a window.
    looks: bool,
    outlook: ArcSwapOption<Outlook>,
}

impl Generation {
    fn new(rules: RuleSet, number: u64, threads: usize) -> Generation {
        let hits = (0..threads.max(1)).map(|_| RuleHits::new(rules.len())).collect();
        let looks = !rules.pools().is_empty() || !rules.windows().is_empty();
        Generation {
            looks,
            outlook: ArcSwapOption::empty(),
            rules,
            number,
            loaded_at: SystemTime::now(),
            hits,
            carried: Mutex::default(),
            identities: OnceLock::new(),
        }
    }

    /// What is known of its windows and pools; nothing where it has none, and then it costs nothing.
    pub(crate) fn outlook(&self) -> Option<Guard<Option<Arc<Outlook>>>> {
        self.looks.then(|| self.outlook.load())
    }

    fn look(&self, lookout: Option<&Lookout>) {
        if let (true, Some(lookout)) = (self.looks, lookout) {
            self.outlook.store(Some(Arc::new(lookout(&self.rules))));
        }
    }

    pub(crate) fn hit(&self, thread: usize, rule: RuleRef, method: MethodClass, second: i64) {
        self.hits[thread].hit(self.rules.rule(rule).number(), method, second);
    }

    /// How often a rule decided, since the server started; `rule` is its number in this generation.
    pub fn hits(&self, rule: u32) -> u64 {
        self.tally(rule).total()
    }

    /// The same by method, with the last time.
    pub fn tally(&self, rule: u32) -> Hits {
        let mut hits = self.carried().get(&rule).copied().unwrap_or_default();
        hits.add(&self.own_tally(rule));
        hits
    }

    /// All rules that were hit, with their hits, in the order of their numbers.
    pub fn all_hits(&self) -> Vec<(u32, u64)> {
        self.tallies().into_iter().map(|(rule, hits)| (rule, hits.total())).collect()
    }

    /// What was counted in this generation alone, for every rule that it was counted of, in the order of their numbers:
    /// all of it, or what lies near a rule that was hit since somebody asked for changes last.
    pub fn each_own(&self, which: Which, visit: &mut dyn FnMut(u32, Hits)) {
        let blocks = self.hits.first().map_or(0, RuleHits::blocks);
        for block in 0..blocks {
            // Every thread is asked, so that no mark is left behind.
            let is_wanted = self.hits.iter().fold(false, |wanted, hits| {
                wanted | if which == Which::All { hits.is_touched(block) } else { hits.take_changed(block) }
            });
            if !is_wanted {
                continue;
            }
            let first = (block * BLOCK) as u32;
            for rule in first..(first + BLOCK as u32).min(self.rules.len() as u32) {
                match self.own_tally(rule) {
                    hits if hits.total() > 0 => visit(rule, hits),
                    _ => {}
                }
            }
        }
    }

    /// The numbers of the identities of these rules, which are in the order of their own numbers.
    pub fn with_identities<T>(&self, by_number: Vec<(u32, T)>) -> Vec<(u64, T)> {
        let mut identified = Vec::with_capacity(by_number.len());
        if by_number.is_empty() {
            return identified;
        }
        let numbers = self.numbers();
        let mut wanted = by_number.into_iter().peekable();
        for rule in self.rules.rules() {
            match wanted.next_if(|(number, _)| *number == rule.number()) {
                Some((_, what)) => identified.push((numbers.of(rule), what)),
                None if wanted.peek().is_none() => break,
                None => {}
            }
        }
        identified
    }

    fn numbers(&self) -> &IdentityNumbers {
        self.identities.get_or_init(|| self.rules.identity_numbers())
    }

    fn own_tally(&self, rule: u32) -> Hits {
        let mut sum = Hits::default();
        self.hits.iter().for_each(|hits| sum.add(&hits.get(rule)));
        sum
    }

    fn tallies(&self) -> std::collections::BTreeMap<u32, Hits> {
        let mut sums: std::collections::BTreeMap<u32, Hits> =
            self.carried().iter().map(|(rule, hits)| (*rule, *hits)).collect();
        self.each_own(Which::All, &mut |rule, hits| sums.entry(rule).or_default().add(&hits));
        sums
    }

    fn carried(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Hits>> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

/// Which tallies of a generation are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// Those that changed since they were asked for so last; only one may ask for them.
    Changed,
}

/// Whether a reload may take away more than a tenth of the rules; a single one may always go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// No: such a reload is refused.
    AtMostATenth,
    /// Yes: somebody said so.
    Any,
}

/// What a reload changed.
///
/// ```
/// use byway_server::ReloadReport;
/// let report = ReloadReport { added: 12, removed: 3, changed: 5, unchanged: 199_988, generation: 2, took: Default::default() };
/// assert_eq!(report.to_string(), "+12 −3 ~5, 199,988 unchanged, 0 ms, generation 2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadReport {
    /// Rules whose identity is new.
    pub added: u64,
    /// Rules whose identity is gone.
    pub removed: u64,
    /// Rules of the same identity that do something else now.
    pub changed: u64,
    /// Rules that are as they were.
    pub unchanged: u64,
    /// The generation in service after it.
    pub generation: u64,
    /// How long comparing and swapping took.
    pub took: Duration,
}

impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReloadReport { added, removed, changed, unchanged, generation, took } = self;
        let [added, removed, changed, unchanged] = [added, removed, changed, unchanged].map(|&count| grouped(count));
        let took = took.as_millis();
        write!(f, "+{added} −{removed} ~{changed}, {unchanged} unchanged, {took} ms, generation {generation}")
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A reload that was refused: more than a tenth of the rules would have vanished. The old generation goes on serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuchLost {
    /// What it would have changed; its generation is the one that stays.
    pub report: ReloadReport,
}

impl fmt::Display for TooMuchLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.report.removed + self.report.changed + self.report.unchanged;
        let removed = grouped(self.report.removed);
        write!(
            f,
            "the reload would remove {removed} of {} rules, more than a tenth; nothing was changed",
            grouped(before)
        )
    }
}

impl std::error::Error for TooMuchLost {}

/// Who knows where addresses are, for all threads.
pub type SharedPlaces = Arc<dyn Places + Send + Sync>;

/// The rule set in service; clones are the same one.
#[derive(Clone)]
pub struct Live {
    current: Arc<ArcSwap<Generation>>,
    places: Arc<ArcSwapOption<SharedPlaces>>,
    /// Held while one is replaced, so that two reloads come one after the other.
    replacing: Arc<Mutex<()>>,
    /// Told of every generation that has served its time.
    retired: Arc<OnceLock<Retired>>,
    /// Generations that are out of service and not dropped yet.
    retiring: Arc<(Mutex<usize>, Condvar)>,
    lookout: Arc<OnceLock<Box<Lookout>>>,
}

type Retired = Box<dyn Fn(&Generation) + Send + Sync>;

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.load().fmt(f)
    }
}

/// Says what is known of the windows and pools of a rule set now.
pub type Lookout = dyn Fn(&RuleSet) -> Outlook + Send + Sync;

impl Live {
    /// Puts a first rule set in service, counted by so many threads ([`crate::Settings::threads`]).
    pub fn new(rules: RuleSet, threads: usize) -> Live {
        let first = Generation::new(rules, 1, threads);
        Live {
            current: Arc::new(ArcSwap::from_pointee(first)),
            places: Arc::default(),
            replacing: Arc::default(),
            retired: Arc::default(),
            retiring: Arc::default(),
            lookout: Arc::default(),
        }
    }

    /// Has somebody say what is known of windows and pools, now, before every new rule set is put in service, and whenever
    /// [`Live::look`] is called. The first who offers is asked.
    pub fn when_looking(&self, lookout: impl Fn(&RuleSet) -> Outlook + Send + Sync + 'static) {
        // Whoever offered before goes on.
        let _ = self.lookout.set(Box::new(lookout));
        self.look();
    }

    /// Asks anew what is known of windows and pools; requests that come after it see the answer.
    pub fn look(&self) {
        self.current().look(self.lookout.get().map(|lookout| &**lookout));
    }

    /// Has somebody told of every generation that no request uses any more, before it is dropped: its hits are final then.
    /// The first who asks is told, on a thread that may take its time.
    pub fn when_retired(&self, tell: impl Fn(&Generation) + Send + Sync + 'static) {
        // Whoever asked before is told, and nobody else.
        let _ = self.retired.set(Box::new(tell));
    }

    /// Puts those in service who know where addresses are, or nobody. They stay over reloads of the rules.
    pub fn set_places(&self, places: Option<SharedPlaces>) {
        self.places.store(places.map(Arc::new));
    }

    /// Those in service who know where addresses are.
    pub fn places_in_service(&self) -> Option<SharedPlaces> {
        self.places.load_full().map(|places| places.as_ref().clone())
    }

    pub(crate) fn places(&self) -> Arc<ArcSwapOption<SharedPlaces>> {
        self.places.clone()
    }

    /// The generation in service now.
    pub fn current(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Swaps the rule set whole and says what changed, or refuses and changes nothing. It compares every rule, so call it on a
    /// thread that may take its time.
    pub fn replace(&self, rules: RuleSet, loss: Loss) -> Result<ReloadReport, TooMuchLost> {
        let _one_at_a_time = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, old) = (Instant::now(), self.current());
        let new = Arc::new(Generation::new(rules, old.number + 1, old.hits.len()));
        let mut report = compare(&fingerprints(&old), &fingerprints(&new));
        report.generation = old.number;
        report.took = began.elapsed();
        if loss == Loss::AtMostATenth && report.removed > 1.max(old.rules.len() as u64 / 10) {
            return Err(TooMuchLost { report });
        }
        new.look(self.lookout.get().map(|lookout| &**lookout));
        report.generation = new.number;
        self.current.store(new.clone());
        report.took = began.elapsed();
        self.retire(old, new);
        Ok(report)
    }

    /// Waits until every generation that is out of service has been told of and dropped, but no longer than so long.
    pub fn settle(&self, patience: Duration) {
        let (count, none) = &*self.retiring;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever ran out of patience goes on all the same.
        drop(none.wait_timeout_while(count, patience, |count| *count > 0));
    }

    /// Waits until no thread uses the old generation, carries its hits over, tells of it and drops it.
    fn retire(&self, old: Arc<Generation>, new: Arc<Generation>) {
        let (retired, retiring) = (self.retired.clone(), self.retiring.clone());
        *retiring.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        background("byway-retire", move || {
            // Serving threads let go at their next request or tick; a minute is far beyond any of them.
            for _ in 0..600 {
                if Arc::strong_count(&old) == 1 {
                    break;
                }
                // The last hold but ours sends no event when it is let go.
                std::thread::park_timeout(Duration::from_millis(100));
            }
            carry_hits(&old, &new);
            if let Some(tell) = retired.get() {
                tell(&old);
            }
            drop(old);
            *retiring.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            retiring.1.notify_all();
        });
    }

    pub(crate) fn cache(&self) -> LiveCache {
        arc_swap::Cache::new(self.current.clone())
    }
}

/// One thread's copy of the pointer.
pub(crate) type LiveCache = arc_swap::Cache<Arc<ArcSwap<Generation>>, Arc<Generation>>;

fn carry_hits(old: &Generation, new: &Generation) {
    let numbers = old.tallies();
    if numbers.is_empty() {
        return;
    }
    let (before, after) = (old.numbers(), new.numbers());
    let mut by_identity: HashMap<u64, Hits> = HashMap::with_capacity(numbers.len());
    for rule in old.rules.rules() {
        if let Some(hits) = numbers.get(&rule.number()) {
            by_identity.insert(before.of(rule), *hits);
        }
    }
    for rule in new.rules.rules() {
        if let Some(hits) = by_identity.get(&after.of(rule)) {
            new.carried().entry(rule.number()).or_default().add(hits);
        }
    }
}

/// Runs something on a thread of its own at the lowest priority, beside the serving threads.
///
/// If no thread can be had, it runs on this one.
pub fn background(name: &str, work: impl FnOnce() + Send + 'static) {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = work.clone();
    let spawned = std::thread::Builder::new().name(name.into()).spawn(move || {
        give_way();
        if let Some(work) = take(&theirs) {
            work();
        }
    });
    if spawned.is_err()
        && let Some(work) = take(&work)
    {
        work();
    }
}

/// Gives this thread the lowest priority.
pub fn give_way() {
    // On Linux a priority is a thread's own, in spite of the name. Without the right to lower it, it stays.
    let _ = rustix::process::setpriority_process(None, 19);
}

/// Identity and content of every rule as two hashes, sorted: 16 bytes a rule, and only while two sets are compared.
fn fingerprints(generation: &Generation) -> Vec<(u64, u64)> {
    let numbers = generation.numbers();
    let mut prints = Vec::with_capacity(generation.rules.len());
    prints.extend(generation.rules.rules().map(|rule| (numbers.of(rule), rule.content())));
    prints.sort_unstable();
    prints
}

fn compare(old: &[(u64, u64)], new: &[(u64, u64)]) -> ReloadReport {
    let mut report =
        ReloadReport { added: 0, removed: 0, changed: 0, unchanged: 0, generation: 0, took: Duration::ZERO };
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    while let (Some(before), Some(after)) = (old.peek(), new.peek()) {
        match before.0.cmp(&after.0) {
            std::cmp::Ordering::Less => {
                report.removed += 1;
                old.next();
            }
            std::cmp::Ordering::Greater => {
                report.added += 1;
                new.next();
            }
            std::cmp::Ordering::Equal => {
                *if before.1 == after.1 { &mut report.unchanged } else { &mut report.changed } += 1;
                old.next();
                new.next();
            }
        }
    }
    report.removed += old.count() as u64;
    report.added += new.count() as u64;
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_compared_by_identity_and_content() {
        let report = compare(&[(1, 1), (2, 2), (3, 3), (5, 5)], &[(0, 0), (2, 2), (3, 9), (9, 9)]);
        assert_eq!((report.added, report.removed, report.changed, report.unchanged), (2, 2, 1, 1));
    }

    #[test]
    fn rules_that_share_an_identity_are_counted_apart() {
        use byway_core::{Action, Builder, Rule, ruleset::TableSpec, source::Source, status::ReplyStatus};
        let set = |statuses: &[ReplyStatus]| {
            let mut builder = Builder::new(1);
            let table = builder.table(&TableSpec::OWN);
            for &status in statuses {
                let source = Source::parse("/a").expect("a source");
                let rule = Rule::new(source, Action::Reply { status, retry_after: None });
                builder.push(table, &rule).expect("a rule");
            }
            fingerprints(&Generation::new(builder.finish(), 1, 1))
        };
        let report = compare(
            &set(&[ReplyStatus::Gone, ReplyStatus::NotFound]),
            &set(&[ReplyStatus::Gone, ReplyStatus::Gone, ReplyStatus::Gone]),
        );
        assert_eq!((report.added, report.removed, report.changed, report.unchanged), (1, 0, 1, 1));
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1_000, 1_234_567].map(grouped).each_ref().map(|text| text.as_str())
        );
    }
}
