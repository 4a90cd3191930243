//! Counts of what arrives.

use std::collections::BTreeSet;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is told apart; what takes longer counts as this.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// Numbers ahead of a gap that a track remembers; beyond them the gap counts as lost.
const AHEAD_MAX: usize = 10_000;

/// Times, of which percentiles are wanted.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        let longest = LATENCY_MAX.as_micros() as u64;
        let histogram = Histogram::new_with_bounds(1, longest, 3);
        Times(histogram.expect("one microsecond to one minute at three digits is a valid range"))
    }
}

impl Times {
    /// One more.
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record((time.as_micros() as u64).max(1));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that this part of all does not exceed.
    pub fn quantile(&self, part: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(part))
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Those of another, too.
    pub fn add(&mut self, other: &Times) {
        self.0.add(&other.0).expect("both have the same range");
    }
}

/// What arrived of one track at one viewer.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    first: Option<u64>,
    /// Everything from `first` up to here arrived.
    next: u64,
    ahead: BTreeSet<u64>,
    given_up: u64,
    arrived: u64,
    /// That had arrived before.
    pub duplicates: u64,
    /// That a later one had overtaken.
    pub reordered: u64,
    newest: u64,
}

impl Arrivals {
    /// An object arrived.
    pub fn take(&mut self, number: u64) {
        if self.first.is_none() {
            self.first = Some(number);
            self.next = number;
        }
        if number < self.next || self.ahead.contains(&number) {
            // What came before the first was not waited for.
            self.duplicates += u64::from(self.first.is_some_and(|first| number >= first));
            return;
        }
        self.arrived += 1;
        self.reordered += u64::from(number < self.newest);
        self.newest = self.newest.max(number);
        self.ahead.insert(number);
        if self.ahead.len() > AHEAD_MAX
            && let Some(next) = self.ahead.first().copied()
        {
            self.given_up += next - self.next;
            self.next = next;
        }
        while self.ahead.remove(&self.next) {
            self.next += 1;
        }
    }

    /// Whether everything up to `count` objects of the track arrived, from the first that did.
    pub fn has_all(&self, count: u64) -> bool {
        self.next >= count
    }

    /// How many of the track's `count` objects are missing after the first that arrived.
    pub fn lost(&self, count: u64) -> u64 {
        let Some(first) = self.first else { return count };
        count.saturating_sub(first).saturating_sub(self.arrived)
    }

    /// How many are missing between the first and the newest that arrived.
    pub fn holes(&self) -> u64 {
        self.first.map_or(0, |_| self.lost(self.newest + 1))
    }
}

/// What viewers of one kind saw.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    /// Objects while it was measured.
    pub objects: u64,
    /// Their payload.
    pub bytes: u64,
    /// From when an object was due until all of it was there, while it was measured.
    pub latency: Times,
    /// Objects that never came, over the whole run.
    pub lost: u64,
    /// That came twice.
    pub duplicates: u64,
    /// That a later one of their track had overtaken.
    pub reordered: u64,
    /// Streams that were reset.
    pub resets: u64,
}

impl Crowd {
    fn add(&mut self, other: &Crowd) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.latency.add(&other.latency);
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.resets += other.resets;
    }

    /// Adds a track that is over, of which `lost` objects are missing.
    pub fn close(&mut self, arrivals: &Arrivals, lost: u64) {
        self.lost += lost;
        self.duplicates += arrivals.duplicates;
        self.reordered += arrivals.reordered;
    }
}

/// What fetch readers got.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Groups that were asked for and answered to the end.
    pub groups: u64,
    /// Objects that came and were the right ones.
    pub objects: u64,
    /// Of them, those that came while it was measured.
    pub measured: u64,
    /// That did not come, were not the right ones, or came out of order.
    pub wrong: u64,
    /// From a request until the last byte of its answer.
    pub time: Times,
    /// Connections that ended too early, and what was refused.
    pub failures: Vec<String>,
}

/// What one thread's viewers saw.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    /// Viewers that take everything.
    pub steady: Crowd,
    /// Viewers that came and left meanwhile.
    pub guests: Crowd,
    /// Viewers that hardly read.
    pub slow: Crowd,
    /// Viewers that stop streams.
    pub stopping: Crowd,
    /// From the first packet of a new viewer until it had all of an object.
    pub join: Times,
    /// From its SUBSCRIBE until it had all of an object.
    pub first_object: Times,
    /// Connections that ended too early, with what they said.
    pub failures: Vec<String>,
}

impl Meter {
    /// Adds what another thread saw.
    pub fn add(&mut self, other: Meter) {
        self.steady.add(&other.steady);
        self.guests.add(&other.guests);
        self.slow.add(&other.slow);
        self.stopping.add(&other.stopping);
        self.join.add(&other.join);
        self.first_object.add(&other.first_object);
        self.failures.extend(other.failures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(numbers: &[u64]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        numbers.iter().for_each(|number| arrivals.take(*number));
        arrivals
    }

    #[test]
    fn what_is_missing_between_the_first_and_the_end_is_lost() {
        let seen = arrivals(&[5, 6, 9, 8, 6]);
        assert_eq!((seen.lost(10), seen.duplicates, seen.reordered), (1, 1, 1));
        assert!(!seen.has_all(10));
        assert_eq!(seen.holes(), 1);
        let whole = arrivals(&[5, 6, 9, 8, 7]);
        assert_eq!((whole.lost(10), whole.has_all(10), whole.has_all(11)), (0, true, false));
        assert_eq!(whole.lost(12), 2, "the end is missing too");
    }

    #[test]
    fn a_viewer_that_got_nothing_lost_everything() {
        assert_eq!(arrivals(&[]).lost(4), 4);
    }

    #[test]
    fn a_gap_is_given_up_rather_than_remembered_for_ever() {
        let mut seen = arrivals(&[0]);
        (2..20_000).for_each(|number| seen.take(number));
        assert_eq!(seen.lost(20_000), 1);
        assert!(seen.ahead.len() <= AHEAD_MAX, "what is remembered is bounded");
    }

    #[test]
    fn quantiles_are_of_what_was_recorded() {
        let mut times = Times::default();
        (1..=1000).for_each(|millis| times.record(Duration::from_millis(millis)));
        let near = |part, millis: u64| {
            let got = times.quantile(part).as_millis() as u64;
            assert!(got.abs_diff(millis) <= 1, "{part}: {got}");
        };
        near(0.5, 500);
        near(0.99, 990);
        times.record(Duration::from_secs(3600));
        assert!(times.quantile(1.0) >= Duration::from_secs(59), "the longest are not left out");
    }
}
