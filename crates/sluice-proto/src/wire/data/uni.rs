//! The head of a unidirectional stream: what the stream is (MOQT-18 §3.4, §11).

use bytes::BytesMut;

use super::DataViolation;
use super::cursor::{Cursor, Reading, all_or_nothing, settle};
use super::object_stream::{TO_END, WITH_LENGTH};
use crate::model::{FetchHead, ObjectStreamHead, RequestId, SubgroupHead};
use crate::wire::{Dialect, Family, Inexpressible, Violation};

const FETCH_TYPE: u64 = 0x05;
const PADDING_TYPE: u64 = 0x132B_3E28;

/// What a unidirectional stream is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UniHead {
    /// The peer's control stream. Its type is also that of the first message, so it is left in
    /// place.
    Control,
    /// Objects of one subgroup.
    Subgroup(SubgroupHead),
    /// One object, to the end of the stream.
    Object(ObjectStreamHead),
    /// Objects that answer a fetch or fill a subscription.
    Fetch(FetchHead),
    /// Nothing: what follows is to be thrown away.
    Padding,
}

impl Dialect {
    /// Reads the head of a unidirectional stream from its first bytes: what it is, and the bytes
    /// that the head takes. `None` if more are needed.
    pub fn decode_uni_head(&self, bytes: &[u8]) -> Result<Option<(UniHead, usize)>, Violation> {
        match self.family {
            Family::Names => self.decode_object_stream(bytes),
            Family::Requests => settle(self.read_uni_head(bytes)),
        }
    }

    fn read_uni_head(&self, bytes: &[u8]) -> Reading<(UniHead, usize)> {
        let mut cursor = Cursor::new(self.integers, bytes);
        let code = cursor.int()?;
        if Some(code) == self.data.control_stream {
            return Ok((UniHead::Control, 0));
        }
        let head = match code {
            FETCH_TYPE => UniHead::Fetch(FetchHead { request: RequestId(cursor.int()?) }),
            PADDING_TYPE if self.data.padding => UniHead::Padding,
            TO_END | WITH_LENGTH if self.object_streams => {
                UniHead::Object(self.read_object_stream_head(code, &mut cursor)?)
            }
            0x10..=0x7F => UniHead::Subgroup(self.read_subgroup_head(code, &mut cursor)?),
            _ => return Err(DataViolation::UnknownStreamType { code }.into()),
        };
        Ok((head, cursor.read()))
    }

    /// Appends the head of a fetch stream.
    pub fn encode_fetch_head(
        &self,
        head: &FetchHead,
        out: &mut BytesMut,
    ) -> Result<(), Inexpressible> {
        all_or_nothing(self.integers, out, |writer| {
            writer.int(FETCH_TYPE)?;
            writer.int(head.request.0)
        })
    }
}
