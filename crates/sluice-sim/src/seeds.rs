//! Runs scenarios of many seeds side by side, one run to a thread at a time.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::scenario;

/// Failures after which no new run begins: they are usually the same one.
const FAILURES_MAX: usize = 20;

/// Which runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first seed.
    pub from: u64,
    /// How many seeds.
    pub count: u64,
    /// Each seed runs with each of these numbers of shards.
    pub shards: Vec<usize>,
    /// Threads.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { from: 0, count: 0, shards: vec![1, 3], threads }
    }
}

/// A run that broke an invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Its shards.
    pub shards: usize,
    /// What broke.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, shards, message } = self;
        write!(
            f,
            "seed {seed} with {shards} shard(s): {message}\n  replay: cargo run -p sluice-sim -- \
             --seed {seed} --shards {shards}"
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
                    let enough =
                        failures.lock().is_ok_and(|list: std::sync::MutexGuard<'_, Vec<_>>| {
                            list.len() >= FAILURES_MAX
                        });
                    if index >= options.count || enough {
                        break;
                    }
                    for shards in &options.shards {
                        if let Err(failure) = run_one(options.from + index, *shards)
                            && let Ok(mut list) = failures.lock()
                        {
                            list.push(failure);
                        }
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_default();
    failures.sort_by_key(|failure: &Failure| (failure.seed, failure.shards));
    failures
}

/// One run.
pub fn run_one(seed: u64, shards: usize) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(|| scenario::run(seed, shards))).map_err(|panic| {
        let message = match panic.downcast_ref::<String>() {
            Some(message) => message.clone(),
            None => panic.downcast_ref::<&str>().map_or("a panic", |text| text).to_owned(),
        };
        Failure { seed, shards, message }
    })
}

/// The seeds of a list: a number a line, the rest of a line is for people.
pub fn parse_list(list: &str) -> Vec<u64> {
    list.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}
