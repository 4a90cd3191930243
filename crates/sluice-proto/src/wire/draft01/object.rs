//! The head of a data stream: one object, whose payload runs to the end of the stream
//! (MOQT-01 §6.3), and its send order (§4.2).

use bytes::{Bytes, BytesMut};

use super::NamedViolation;
use super::fields::{Fields, Reading, put_int, settle};
use crate::model::{Location, Priority, TrackAlias};
use crate::wire::Inexpressible;

/// Payload to the end of the stream.
pub(super) const TO_END: u64 = 0x00;
/// Payload with its length.
pub(super) const WITH_LENGTH: u64 = 0x02;

/// Pages hold numbers as doubles: larger ones lose their last digits there.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// The longest head: six integers in their longest form.
pub const OBJECT_HEAD_BYTES_MAX: usize = 6 * 8;

/// Which of several objects that wait is sent first: that with the larger number, as deployed
/// publishers mean it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SendOrder(pub u64);

impl SendOrder {
    /// What a publisher of a later draft means by `priority`; objects of one priority in the order
    /// of `count`.
    pub fn of_priority(priority: Priority, count: u64) -> SendOrder {
        SendOrder(u64::from(255 - priority.0) << PRIORITY_SHIFT | count & COUNT_MASK)
    }

    /// The nearest that a later draft can say.
    pub fn priority(self) -> Priority {
        let urgency = u8::try_from(self.0 >> PRIORITY_SHIFT).unwrap_or(u8::MAX);
        Priority(255 - urgency)
    }
}

/// Deployed publishers count video from 0 and audio from 2^52: eight bits below 2^52 tell them
/// apart and leave room to count objects.
const PRIORITY_SHIFT: u32 = 44;
const COUNT_MASK: u64 = (1 << PRIORITY_SHIFT) - 1;

/// The head of a stream with one object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ObjectStreamHead {
    /// The track, by the number that its publisher gave it on this session.
    pub alias: TrackAlias,
    /// Where the object stands.
    pub location: Location,
    /// Its urgency.
    pub order: SendOrder,
    /// Its length; `None` if it runs to the end of the stream.
    pub payload_bytes: Option<u64>,
}

impl ObjectStreamHead {
    /// Whether a stream of this type carries one object.
    pub(crate) fn is_type(code: u64) -> bool {
        matches!(code, TO_END | WITH_LENGTH)
    }

    /// Reads the head from the first bytes of a stream: the head and its length. `None` if more
    /// are needed.
    pub fn decode(bytes: &Bytes) -> Result<Option<(Self, usize)>, NamedViolation> {
        settle(Self::read(&mut Fields::new(bytes)))
    }

    fn read(fields: &mut Fields<'_>) -> Reading<(Self, usize)> {
        let code = fields.int()?;
        if !Self::is_type(code) {
            return Err(NamedViolation::UnknownStreamType { code }.into());
        }
        let alias = TrackAlias(fields.int()?);
        let location = Location::new(fields.int()?, fields.int()?);
        let order = SendOrder(fields.int()?);
        let payload_bytes = if code == WITH_LENGTH { Some(fields.int()?) } else { None };
        Ok((Self { alias, location, order, payload_bytes }, fields.read()))
    }

    /// Appends the head.
    ///
    /// # Errors
    /// A number that a page could not hold exactly.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), Inexpressible> {
        let Location { group, object } = self.location;
        let numbers = [self.alias.0, group.0, object.0, self.order.0];
        if let Some(&large) = numbers.iter().find(|number| **number > EXACT_MAX) {
            return Err(Inexpressible::TooLarge(large));
        }
        put_int(if self.payload_bytes.is_some() { WITH_LENGTH } else { TO_END }, out)?;
        for number in numbers.into_iter().chain(self.payload_bytes) {
            put_int(number, out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pages_send_has_the_ends_of_the_priorities() {
        let video = SendOrder(1_000_000);
        let audio = SendOrder((1 << 52) - 1);
        assert_eq!((video.priority(), audio.priority()), (Priority(255), Priority(0)));
        assert_eq!(SendOrder((1 << 53) - 1).priority(), Priority(0));
        assert_eq!(SendOrder(1 << 44).priority(), Priority(254));
    }

    #[test]
    fn every_priority_comes_back_and_a_page_can_hold_it() {
        for priority in (0..=255).map(Priority) {
            for count in [0, 1, COUNT_MASK, u64::MAX] {
                let order = SendOrder::of_priority(priority, count);
                assert_eq!(order.priority(), priority);
                assert!(order.0 <= EXACT_MAX);
            }
        }
    }

    #[test]
    fn a_number_that_no_page_can_hold_is_not_sent() {
        let head = ObjectStreamHead {
            alias: TrackAlias(1),
            location: Location::new(1 << 53, 0),
            order: SendOrder(0),
            payload_bytes: None,
        };
        let mut out = BytesMut::new();
        assert_eq!(head.encode(&mut out), Err(Inexpressible::TooLarge(1 << 53)));
        assert!(out.is_empty());
    }
}
