//! What happened second by second.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::process::{self, Usage};

/// Between two samples.
const EVERY: Duration = Duration::from_secs(1);

/// One moment of a run, and what happened since the moment before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since measuring began.
    pub at: f64,
    /// Objects that arrived in a second.
    pub objects_per_second: f64,
    /// Latency that half of the objects did not exceed, in microseconds.
    pub p50_us: u64,
    /// That 99 of 100 did not exceed.
    pub p99_us: u64,
    /// Cores that the relay used, if its process was given.
    pub cores: Option<f64>,
    /// Its memory, if its process was given.
    pub resident_bytes: Option<u64>,
}

/// Samples while it is measured.
pub struct Series {
    pid: Option<u32>,
    samples: Vec<Sample>,
    began: Option<Instant>,
    last: Option<Last>,
}

struct Last {
    at: Instant,
    delivered: u64,
    usage: Option<Usage>,
}

impl Series {
    /// No sample yet.
    pub fn new(pid: Option<u32>) -> Series {
        Series { pid, samples: Vec::new(), began: None, last: None }
    }

    /// It is measured from now on.
    pub fn begin(&mut self) {
        self.began = Some(Instant::now());
    }

    /// It is measured no more.
    pub fn end(&mut self) {
        self.began = None;
    }

    /// Takes a sample if it is time.
    pub fn look(&mut self, control: &Control) {
        let Some(began) = self.began else { return };
        let now = Instant::now();
        let since = self.last.as_ref().map(|last| now.saturating_duration_since(last.at));
        if since.is_some_and(|since| since < EVERY) {
            return;
        }
        let last = Last {
            at: now,
            delivered: control.delivered.load(Ordering::Relaxed),
            usage: self.pid.and_then(process::usage),
        };
        let mut recent = control.recent();
        if let (Some(before), Some(since)) = (&self.last, since) {
            let cores = last.usage.as_ref().zip(before.usage.as_ref()).map(|(usage, before)| {
                usage.since(before).iter().sum::<Duration>().as_secs_f64() / since.as_secs_f64()
            });
            self.samples.push(Sample {
                at: now.saturating_duration_since(began).as_secs_f64(),
                objects_per_second: (last.delivered - before.delivered) as f64
                    / since.as_secs_f64(),
                p50_us: recent.quantile(0.5).as_micros() as u64,
                p99_us: recent.quantile(0.99).as_micros() as u64,
                cores,
                resident_bytes: last.usage.as_ref().map(|usage| usage.resident_bytes),
            });
        }
        recent.clear();
        self.last = Some(last);
    }

    /// All of them.
    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }
}
