//! The only source of chance: a small seeded generator (SplitMix64).
//!
//! Written here so that a seed means the same run on every machine and with every version of
//! every dependency.

use std::ops::Range;
use std::time::Duration;

/// A stream of numbers that its seed decides.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
    /// Draws that are decided, two bytes each, the last one first.
    decided: Vec<u8>,
}

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        // Small seeds differ in few bits: one mixing step separates them before the first draw.
        let mut rng = Self { state: seed ^ 0x51_1C_E0_5E_ED, decided: Vec::new() };
        rng.next_u64();
        rng
    }

    /// A stream whose first draws `decisions` decides, two bytes each, so that whoever searches
    /// for a failure steers every choice of a run. Seed 0 decides what comes after.
    pub fn decided(decisions: &[u8]) -> Self {
        let decided = decisions.iter().rev().copied().collect();
        Self { decided, ..Self::new(0) }
    }

    /// A stream of its own, so that draws of one part do not shift another's.
    pub fn fork(&mut self) -> Rng {
        Rng::new(self.next_u64())
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        if let Some(high) = self.decided.pop() {
            let low = self.decided.pop().unwrap_or_default();
            return u64::from(u16::from_be_bytes([high, low]));
        }
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of the range; its start if the range is empty.
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start);
        if width == 0 {
            return range.start;
        }
        range.start + self.next_u64() % width
    }

    /// An index below `len`; 0 if `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        self.range(0..len as u64) as usize
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// True `permille` times in a thousand. Draws nothing for 0, so that a switched-off fault
    /// leaves the rest of the run as it was.
    pub fn chance(&mut self, permille: u16) -> bool {
        permille > 0 && self.range(0..1000) < u64::from(permille)
    }

    /// A time from zero up to and including `max`.
    pub fn duration(&mut self, max: Duration) -> Duration {
        if max.is_zero() {
            return max;
        }
        Duration::from_nanos(self.range(0..max.as_nanos() as u64 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_draw_equal_numbers_and_neighbours_differ() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..8).map(|_| rng.next_u64()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7)[0] & 0xFFFF, draw(8)[0] & 0xFFFF);
    }

    #[test]
    fn decisions_come_first_and_chance_after_them() {
        let mut rng = Rng::decided(&[0, 5, 1, 0, 7]);
        assert_eq!([rng.next_u64(), rng.next_u64(), rng.next_u64()], [5, 256, 7 << 8]);
        assert_eq!(rng.next_u64(), Rng::new(0).next_u64());
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut rng = Rng::new(1);
        for _ in 0..1000 {
            assert!((3..9).contains(&rng.range(3..9)));
            assert!(rng.duration(Duration::from_millis(2)) <= Duration::from_millis(2));
        }
        assert!(!rng.chance(0) && rng.chance(1000));
    }
}
