//! What rules name: pools, windows and splits, which may be described before or after the rules that name them.

use super::Builder;
use super::rule_error::{RuleError, refused};
use crate::pool::{Balance, Down, Pool, PoolId};
use crate::rule::{Action, RetryAfter, Rule};
use crate::split::Split;
use crate::target::TargetHost;
use crate::window::{Window, WindowId};
use crate::wire::Put;

/// The pools, windows and splits of a rule set that is being built.
#[derive(Default)]
pub(super) struct Named {
    pools: Vec<Pool>,
    windows: Vec<Window>,
    splits: Vec<Split>,
}

impl Builder {
    /// The pool of this name, which may be described later ([`Builder::define_pool`]); until then it has no members.
    pub fn pool(&mut self, name: &str) -> PoolId {
        let at = self.named.pools.iter().position(|pool| pool.name == name).unwrap_or_else(|| {
            let (balance, down) = (Balance::First, Down::Reply { retry_after: 0 });
            let tiers = Vec::new();
            self.named.pools.push(Pool { name: name.to_owned(), tiers, balance, down, slow_start: 0, health: None });
            self.named.pools.len() - 1
        });
        PoolId(at.min(usize::from(u16::MAX)) as u16)
    }

    /// Says what the pool of this name is.
    pub fn define_pool(&mut self, pool: Pool) -> PoolId {
        let id = self.pool(&pool.name);
        if let Some(place) = self.named.pools.get_mut(usize::from(id.0)) {
            *place = pool;
        }
        id
    }

    /// The window of this name, which may be described later ([`Builder::define_window`]); until then it is never open.
    pub fn window(&mut self, name: &str) -> WindowId {
        let at = self.named.windows.iter().position(|window| window.name == name).unwrap_or_else(|| {
            self.named.windows.push(Window { name: name.to_owned(), when: String::new() });
            self.named.windows.len() - 1
        });
        WindowId(at.min(usize::from(u16::MAX)) as u16)
    }

    /// Says when the window of this name is.
    pub fn define_window(&mut self, window: Window) -> WindowId {
        let id = self.window(&window.name);
        if let Some(place) = self.named.windows.get_mut(usize::from(id.0)) {
            *place = window;
        }
        id
    }

    /// Takes a split, by whose name conditions know it; one of the same name takes the place of the one before.
    pub fn define_split(&mut self, split: Split) {
        self.named.splits.retain(|known| known.name != split.name);
        self.named.splits.push(split);
    }
}

impl Named {
    /// Whether what a rule names is there, and fits what it does.
    pub(super) fn check(&self, rule: &Rule<'_>) -> Result<(), RuleError> {
        let windows = [rule.window, rule.unless_window];
        if windows.into_iter().flatten().any(|id| usize::from(id.0) >= self.windows.len())
            || rule.pool.is_some_and(|id| usize::from(id.0) >= self.pools.len())
            || self.pools.len().max(self.windows.len()) >= usize::from(u16::MAX)
        {
            return refused("a rule set has at most 65,534 pools and as many windows", None);
        }
        match &rule.action {
            Action::Redirect { target, .. } if rule.pool.is_some() && target.host() != TargetHost::Relative => refused(
                "a pool supplies scheme, host and port, and the target names its own",
                Some("write the target from its path on, as `/checkout/*`, or take `pool` out"),
            ),
            Action::Reply { retry_after: Some(RetryAfter::Window), .. } if rule.window.is_none() => {
                refused("`retry_after = \"window\"` without a window", Some("say which: `window = \"NAME\"`"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn pools(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32(self.pools.len() as u32);
        self.pools.iter().for_each(|pool| pool.encode(&mut out));
        out
    }

    pub(super) fn splits(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.splits.iter().for_each(|split| split.encode(&mut out));
        out
    }

    pub(super) fn windows(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32(self.windows.len() as u32);
        for window in &self.windows {
            out.put_bytes(window.name.as_bytes());
            out.put_bytes(window.when.as_bytes());
        }
        out
    }
}
