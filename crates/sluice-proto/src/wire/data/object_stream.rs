//! A stream with one object: a head, then payload to the end of the stream (MOQT-01 §6.3).

use bytes::BytesMut;

use super::UniHead;
use super::cursor::{Cursor, Reading, all_or_nothing, settle};
use crate::model::{Location, ObjectStreamHead, SendOrder, TrackAlias};
use crate::wire::{Dialect, Family, Inexpressible, NamedViolation, Violation};

/// Payload to the end of the stream.
pub(in crate::wire) const TO_END: u64 = 0x00;
/// Payload with its length.
pub(in crate::wire) const WITH_LENGTH: u64 = 0x02;

/// Pages of 2023/24 hold numbers as doubles: larger ones lose their last digits there.
const EXACT_MAX: u64 = (1 << 53) - 1;

impl Dialect {
    /// Reads the first bytes of a stream of a draft that has no other kind.
    pub(super) fn decode_object_stream(
        &self,
        bytes: &[u8],
    ) -> Result<Option<(UniHead, usize)>, Violation> {
        let mut cursor = Cursor::new(self.integers, bytes);
        let Some(code) = settle(cursor.int())? else { return Ok(None) };
        if !matches!(code, TO_END | WITH_LENGTH) {
            return Err(NamedViolation::UnknownStreamType { code }.into());
        }
        let head = settle(self.read_object_stream_head(code, &mut cursor))?;
        Ok(head.map(|head| (UniHead::Object(head), cursor.read())))
    }

    /// Reads the rest of a head of type `code`.
    pub(super) fn read_object_stream_head(
        &self,
        code: u64,
        cursor: &mut Cursor<'_>,
    ) -> Reading<ObjectStreamHead> {
        let alias = TrackAlias(cursor.int()?);
        let location = Location::new(cursor.int()?, cursor.int()?);
        let order = SendOrder(cursor.int()?);
        let payload_bytes = if code == WITH_LENGTH { Some(cursor.int()?) } else { None };
        Ok(ObjectStreamHead { alias, location, order, payload_bytes })
    }

    /// Appends the head of a stream with one object. Whoever is of the oldest generation is never
    /// told a length: its readers expect none.
    pub fn encode_object_stream_head(
        &self,
        head: &ObjectStreamHead,
        out: &mut BytesMut,
    ) -> Result<(), Inexpressible> {
        let Location { group, object } = head.location;
        let numbers = [head.alias.0, group.0, object.0, head.order.0];
        let oldest = self.family == Family::Names;
        if let Some(&large) = numbers.iter().find(|number| oldest && **number > EXACT_MAX) {
            return Err(Inexpressible::TooLarge(large));
        }
        let length = head.payload_bytes.filter(|_| !oldest);
        all_or_nothing(self.integers, out, |writer| {
            writer.int(if length.is_some() { WITH_LENGTH } else { TO_END })?;
            numbers.into_iter().chain(length).try_for_each(|number| writer.int(number))
        })
    }
}
