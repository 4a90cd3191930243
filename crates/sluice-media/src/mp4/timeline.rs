//! Where a written file's time begins.

use std::num::NonZeroU32;

/// How a muxer treats times that do not begin at zero, as of a viewer who joined late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Times stay as they were sent.
    AsSent,
    /// The earliest track begins at zero and the others keep their distance to it.
    Zero,
}

/// A moment in ticks of some track, comparable over tracks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) ticks: i64,
    pub(crate) timescale: NonZeroU32,
}

impl Moment {
    /// The same moment in another timescale, rounded down.
    pub(crate) fn in_ticks(self, timescale: NonZeroU32) -> i64 {
        let scaled = i128::from(self.ticks) * i128::from(timescale.get());
        let ticks = scaled.div_euclid(i128::from(self.timescale.get()));
        i64::try_from(ticks).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
    }

    pub(crate) fn is_before(self, other: Self) -> bool {
        i128::from(self.ticks) * i128::from(other.timescale.get())
            < i128::from(other.ticks) * i128::from(self.timescale.get())
    }

    pub(crate) fn earliest(moments: impl Iterator<Item = Self>) -> Option<Self> {
        moments.reduce(|first, next| if next.is_before(first) { next } else { first })
    }

    /// Nanoseconds, rounded down and held within 64 bits.
    pub(crate) fn nanoseconds(self) -> i64 {
        self.in_ticks(NonZeroU32::new(1_000_000_000).expect("a billion is not zero"))
    }
}
