//! Runs scenarios of many seeds side by side, one run to a thread at a time.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::lane::LaneKind;
use crate::{duet, scenario};

/// Failures after which no new run begins: they are usually the same one.
const FAILURES_MAX: usize = 20;

/// What a seed is run with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cast {
    /// A relay of this many shards, on the modelled network.
    Relay(usize),
    /// A relay of this many shards, on real QUIC.
    RelayQuic(usize),
    /// Two sessions without a relay.
    Duet(LaneKind),
}

impl Cast {
    /// The relay as every seed runs it.
    pub const RELAY: [Cast; 1] = [Cast::Relay(1)];
    const NAMES: [(&'static str, Cast); 6] = [
        ("relay-1", Cast::Relay(1)),
        ("relay-3", Cast::Relay(3)),
        ("relay-1-quic", Cast::RelayQuic(1)),
        ("relay-3-quic", Cast::RelayQuic(3)),
        ("duet", Cast::Duet(LaneKind::Model)),
        ("duet-quic", Cast::Duet(LaneKind::Quic)),
    ];
}

impl FromStr for Cast {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Cast::NAMES.into_iter().find(|(name, _)| *name == text);
        let names = || Cast::NAMES.map(|(name, _)| name).join(", ");
        known.map(|(_, cast)| cast).ok_or_else(|| format!("{text:?} is none of {}", names()))
    }
}

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Cast::NAMES.into_iter().find(|(_, cast)| cast == self);
        f.write_str(known.map_or("relay", |(name, _)| name))
    }
}

/// Which runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first seed.
    pub from: u64,
    /// How many seeds.
    pub count: u64,
    /// Each seed runs with each of these.
    pub casts: Vec<Cast>,
    /// Threads.
    pub threads: usize,
}

impl Default for Options {
    /// No seeds, the relay with one and with three shards, all cores.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { from: 0, count: 0, casts: Cast::RELAY.into(), threads }
    }
}

/// A run that broke an invariant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What it was run with.
    pub cast: Cast,
    /// What broke.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, cast, message } = self;
        write!(
            f,
            "seed {seed} of {cast}: {message}\n  replay: cargo run -p sluice-sim -- --seed {seed} \
             --cast {cast}"
        )
    }
}

/// Runs them all; the failures in order of seed.
pub fn run_many(options: &Options) -> Vec<Failure> {
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= options.count {
                        break;
                    }
                    let found = options
                        .casts
                        .iter()
                        .filter_map(|cast| run_one(options.from + index, *cast).err());
                    let found: Vec<Failure> = found.collect();
                    let mut list = failures.lock().unwrap_or_else(PoisonError::into_inner);
                    list.extend(found);
                    if list.len() >= FAILURES_MAX {
                        break;
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort();
    failures
}

/// One run.
pub fn run_one(seed: u64, cast: Cast) -> Result<(), Failure> {
    let run = || match cast {
        Cast::Relay(shards) => scenario::run(seed, shards, LaneKind::Model),
        Cast::RelayQuic(shards) => scenario::run(seed, shards, LaneKind::Quic),
        Cast::Duet(lane) => duet::run(seed, lane),
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let message = match panic.downcast_ref::<String>() {
            Some(message) => message.clone(),
            None => panic.downcast_ref::<&str>().map_or("a panic", |text| text).to_owned(),
        };
        Failure { seed, cast, message }
    })
}

/// The seeds of a list: a number a line, the rest of a line is for people.
pub fn parse_list(list: &str) -> Vec<u64> {
    list.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}
