//! Where rules of every format go: through the policy, one by one, into core's builder.
//!
//! No list of rules is kept. A reader makes one borrowed [`Rule`], hands it in, and reuses its buffers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use byway_core::rule::{Action, Rule};
use byway_core::ruleset::{Builder, TableId};
use byway_core::target::{Target, TargetHost};

use crate::examples::Example;
use crate::own::named::Names;
use crate::own::policy::Policy;
use crate::own::upgrade::Upgrading;
use crate::span::{FileId, Span};
use crate::splits::Splits;

/// What is kept while rules are read.
pub(crate) struct Intake {
    pub(crate) builder: Builder,
    pub(crate) policy: Policy,
    pub(crate) examples: Vec<Example>,
    pub(crate) pushed: u64,
    /// Where an `[upgrade]` may put its rules, until it does.
    pub(crate) upgrade_table: Option<TableId>,
    /// An `[upgrade]` whose last rules are still to be made.
    pub(crate) upgrading: Option<Upgrading>,
    pub(crate) names: Names,
    /// The folder of the file that is being read.
    pub(crate) folder: PathBuf,
    /// The moment at which windows are looked at ahead.
    pub(crate) now: i64,
    pub(crate) splits: Splits,
    /// Where the first rule stands that asks for a place, and what it asks: countries, or systems.
    pub(crate) asks_country: Option<Span>,
    pub(crate) asks_system: Option<Span>,
    /// Why rules that ask for a place have no way past them, by file and line: nothing of a rule says it.
    pub(crate) no_way_past: BTreeMap<(FileId, u32), String>,
}

/// 2027-01-01T00:00:00Z: that a window never comes or overlaps itself is true of every year, so any moment shows it.
const LOOKED_AT: i64 = 1_798_761_600;

/// Why a rule was not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) what: String,
    pub(crate) help: Option<String>,
}

impl Intake {
    pub(crate) fn new(seed: u64) -> Intake {
        Intake {
            builder: Builder::new(seed),
            policy: Policy::default(),
            examples: Vec::new(),
            pushed: 0,
            upgrade_table: None,
            upgrading: None,
            names: Names::default(),
            folder: PathBuf::new(),
            now: LOOKED_AT,
            splits: Splits::default(),
            asks_country: None,
            asks_system: None,
            no_way_past: BTreeMap::new(),
        }
    }

    /// Takes a rule, unless the policy or the builder refuses it.
    pub(crate) fn push(&mut self, table: TableId, rule: &Rule<'_>) -> Result<(), Refused> {
        if let Action::Redirect { target, .. } = &rule.action
            && !self.policy.allows(target)
        {
            return Err(self.out_of_list(target));
        }
        if let Some(upgrading) = &mut self.upgrading {
            upgrading.see(table, &rule.source);
        }
        match self.builder.push(table, rule) {
            Ok(_) => {
                self.pushed += 1;
                Ok(())
            }
            Err(error) => Err(Refused { code: "bad-rule", what: error.what, help: error.help }),
        }
    }

    fn out_of_list(&self, target: &Target<'_>) -> Refused {
        let what = match target.host() {
            TargetHost::Fixed(host) => format!("`{host}` is not in `[policy] target_hosts`"),
            TargetHost::FromRequest => {
                "the host of the request may be any host, and `[policy] target_hosts` names some".to_owned()
            }
            _ => "a capture chooses the host, and `[policy] target_hosts` names some".to_owned(),
        };
        let help = match self.policy.target_hosts.as_deref().unwrap_or_default() {
            [] => "add the host to the list, which is empty".to_owned(),
            hosts => format!("send to `{}`, or add the host to the list", hosts.join("`, `")),
        };
        Refused { code: "target-host", what, help: Some(help) }
    }
}
