//! What the threads of a run share.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::meter::Times;

/// Where a run stands. Each phase follows the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Publishers and viewers connect; nothing is published.
    Connect,
    /// Objects flow.
    Warm,
    /// What arrives is counted.
    Measure,
    /// Nothing new is published, and all threads have seen that.
    Quiet,
    /// What is on its way arrives.
    Drain,
    /// Viewers leave. Publishers stay, as the relay resets streams of one that is gone.
    Leave,
    /// Publishers leave too.
    Stop,
}

const PHASES: [Phase; 7] = [
    Phase::Connect,
    Phase::Warm,
    Phase::Measure,
    Phase::Quiet,
    Phase::Drain,
    Phase::Leave,
    Phase::Stop,
];

/// Facts of a run. Counters only grow.
#[derive(Debug)]
pub struct Control {
    /// Stamps count from here.
    pub start: Instant,
    phase: AtomicU8,
    /// Namespaces of publishers that the relay took.
    pub announced: AtomicUsize,
    /// Subscriptions that the relay accepted.
    pub subscribed: AtomicUsize,
    /// Viewers that have all there is to have.
    pub finished: AtomicUsize,
    /// Connections that ended too early, and requests that were refused.
    pub failed: AtomicUsize,
    /// Objects that arrived.
    pub delivered: AtomicU64,
    /// How late objects were that came since this was last looked at.
    recent: Mutex<Times>,
    /// Objects of each track that were published.
    pub published: Vec<AtomicU64>,
}

impl Control {
    /// A run that begins now.
    pub fn new(tracks: usize) -> Control {
        Control {
            start: Instant::now(),
            phase: AtomicU8::new(0),
            announced: AtomicUsize::new(0),
            subscribed: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            delivered: AtomicU64::new(0),
            recent: Mutex::new(Times::default()),
            published: (0..tracks).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Where the run stands.
    pub fn phase(&self) -> Phase {
        PHASES[usize::from(self.phase.load(Ordering::Acquire))]
    }

    /// Goes on to a phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// How late objects were that came since this was last looked at.
    pub fn recent(&self) -> MutexGuard<'_, Times> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Objects of a track that were published.
    pub fn published(&self, track: usize) -> u64 {
        self.published[track].load(Ordering::Acquire)
    }
}
