//! Deadlines of many things: one each, the soonest first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// One deadline per key.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    due: BTreeSet<(Instant, K)>,
    set: BTreeMap<K, Instant>,
}

impl<K: Copy + Ord> Timers<K> {
    pub fn new() -> Self {
        Self { due: BTreeSet::new(), set: BTreeMap::new() }
    }

    /// Replaces the deadline of `key`; `None` takes it away.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        if self.set.get(&key).copied() == at {
            return;
        }
        if let Some(before) = self.set.remove(&key) {
            self.due.remove(&(before, key));
        }
        if let Some(at) = at {
            self.set.insert(key, at);
            self.due.insert((at, key));
        }
    }

    /// The soonest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes one that is due.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, key));
        self.set.remove(&key);
        Some(key)
    }

    /// Whether `key` has a deadline.
    pub fn is_set(&self, key: K) -> bool {
        self.set.contains_key(&key)
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.set.len()
    }
}
