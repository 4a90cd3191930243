//! The relay of a run: its shards, their mailboxes, and the turns they take.

use std::time::{Duration, Instant};

use crate::lane::End;
use crate::rng::Rng;

/// The relay's own settings.
#[derive(Clone, Debug, Default)]
pub struct RelayConfig {}

/// The shards under test. Until the core has any, connections stay unanswered.
#[derive(Debug)]
pub(crate) struct Relay {
    unanswered: Vec<End>,
}

impl Relay {
    pub(crate) fn new(_shards: usize, _config: RelayConfig, _rng: Rng, _now: Instant) -> Self {
        Self { unanswered: Vec::new() }
    }

    pub(crate) fn accept(&mut self, _shard: usize, end: End, _now: Instant) {
        self.unanswered.push(end);
    }

    pub(crate) fn is_busy(&self) -> bool {
        false
    }

    pub(crate) fn next_time(&self, _now: Instant) -> Option<Instant> {
        None
    }

    pub(crate) fn turn(&mut self, _now: Instant) {}

    pub(crate) fn drain(&mut self, _longest: Duration, _now: Instant) {}

    pub(crate) fn stall(&mut self, _shard: usize, _until: Instant) {}

    pub(crate) fn check_memory(&self) -> Result<(), String> {
        Ok(())
    }

    pub(crate) fn check_empty(&self) -> Result<(), String> {
        Ok(())
    }
}
