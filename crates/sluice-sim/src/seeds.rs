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

/// Shards of the relay in the runs of every seed.
pub const RELAY_SHARDS: [usize; 2] = [1, 3];

/// What a seed is run with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cast {
    /// A relay and its peers.
    Relay {
        /// Shards of the relay.
        shards: usize,
        /// What carries the connections.
        lane: LaneKind,
    },
    /// Two sessions without a relay.
    Duet(LaneKind),
}

impl Cast {
    /// The relay on this lane, as every seed runs it.
    pub fn relays(lane: LaneKind) -> Vec<Cast> {
        RELAY_SHARDS.map(|shards| Cast::Relay { shards, lane }).into()
    }
}

impl FromStr for Cast {
    type Err = String;

    /// `relay-3`, `relay-3-quic`, `duet`, `duet-quic`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, lane) = match text.strip_suffix("-quic") {
            Some(name) => (name, LaneKind::Quic),
            None => (text, LaneKind::Model),
        };
        let shards = name.strip_prefix("relay-").and_then(|shards| shards.parse().ok());
        match shards {
            Some(shards) => Ok(Cast::Relay { shards, lane }),
            None if name == "duet" => Ok(Cast::Duet(lane)),
            None => Err(format!("{text:?} is none of relay-1, relay-3, duet, or these with -quic")),
        }
    }
}

impl fmt::Display for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lane = match self {
            Cast::Relay { shards, lane } => {
                write!(f, "relay-{shards}")?;
                lane
            }
            Cast::Duet(lane) => {
                f.write_str("duet")?;
                lane
            }
        };
        f.write_str(if *lane == LaneKind::Quic { "-quic" } else { "" })
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
    /// No seeds, the relay on the modelled network, all cores.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { from: 0, count: 0, casts: Cast::relays(LaneKind::Model), threads }
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
        let kept = match cast {
            Cast::Relay { lane: LaneKind::Quic, .. } => "seeds-quic.txt",
            _ => "seeds.txt",
        };
        write!(
            f,
            "seed {seed} of {cast}: {message}\n  replay: cargo xtask sim --seed {seed} --cast \
             {cast}\n  keep it: a line \"{seed} and what it found\" in crates/sluice-sim/{kept}"
        )
    }
}

/// What is told while many seeds run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress<'a> {
    /// A run broke an invariant.
    Failed(&'a Failure),
    /// So many seeds are done.
    Done(u64),
}

/// Runs them all; the failures in order of seed. Each is told when it is found, too.
pub fn run_many(options: &Options, tell: impl Fn(Progress<'_>) + Sync) -> Vec<Failure> {
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
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
                    found.iter().for_each(|failure| tell(Progress::Failed(failure)));
                    tell(Progress::Done(done.fetch_add(1, Ordering::Relaxed) + 1));
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
        Cast::Relay { shards, lane } => scenario::run(seed, shards, lane),
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

/// The line of a list of seeds from which on they are of all drafts. Those before it found what
/// they found with every second one, and mean that still.
const ALL_DRAFTS: &str = "# With all drafts";

/// Whether a kept seed was found when the relay spoke every second draft.
pub(crate) fn is_of_few_drafts(seed: u64) -> bool {
    let lists = [include_str!("../seeds.txt"), include_str!("../seeds-quic.txt")];
    let few =
        |list: &str| list.split(ALL_DRAFTS).next().is_some_and(|l| parse_list(l).contains(&seed));
    lists.into_iter().any(few)
}

/// The seeds of a list: a number a line, the rest of a line is for people.
pub fn parse_list(list: &str) -> Vec<u64> {
    list.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}
