//! What the payload of a measured object begins with.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

/// Bytes of a stamp.
pub const BYTES: usize = 16;

/// Which object of its track this is, and when it was due. Due, not sent: a publisher that is late
/// must not make the relay look quick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Objects of the track before this one.
    pub number: u64,
    /// When it was due, since the run began.
    pub due: Duration,
}

impl Stamp {
    /// A payload of `size` bytes, at least [`BYTES`], that begins with the stamp.
    pub fn payload(&self, size: usize) -> Bytes {
        let mut payload = BytesMut::zeroed(size.max(BYTES));
        payload[..8].copy_from_slice(&self.number.to_be_bytes());
        let due = u64::try_from(self.due.as_nanos()).unwrap_or(u64::MAX);
        payload[8..BYTES].copy_from_slice(&due.to_be_bytes());
        payload.freeze()
    }

    /// The stamp that these bytes are.
    pub fn read(bytes: [u8; BYTES]) -> Stamp {
        let mut number = [0; 8];
        let mut due = [0; 8];
        number.copy_from_slice(&bytes[..8]);
        due.copy_from_slice(&bytes[8..]);
        let due = Duration::from_nanos(u64::from_be_bytes(due));
        Stamp { number: u64::from_be_bytes(number), due }
    }

    /// How long after it was due the object is there.
    pub fn latency(&self, start: Instant, now: Instant) -> Duration {
        now.saturating_duration_since(start).saturating_sub(self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let stamp = Stamp { number: 7, due: Duration::from_micros(1_234_567) };
        let payload = stamp.payload(100);
        assert_eq!(payload.len(), 100);
        assert_eq!(Stamp::read(payload[..BYTES].try_into().unwrap()), stamp);
        assert_eq!(stamp.payload(0).len(), BYTES, "a payload too small for it grows");
    }

    #[test]
    fn latency_counts_from_when_the_object_was_due() {
        let start = Instant::now();
        let stamp = Stamp { number: 0, due: Duration::from_millis(20) };
        let latency = |at| stamp.latency(start, start + Duration::from_millis(at)).as_millis();
        assert_eq!(latency(25), 5);
        assert_eq!(latency(10), 0, "clocks of one machine do not run backwards");
    }
}
