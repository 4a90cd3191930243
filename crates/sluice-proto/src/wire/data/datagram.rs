//! Datagrams: an object each (MOQT-18 §11.3).

use bytes::{Bytes, BytesMut};

use super::cursor::{Cursor, Reading, Stop, all_or_nothing};
use super::{DataInexpressible, DataViolation, StatusWithoutId};
use crate::model::{
    DatagramHead, GroupId, Location, ObjectId, ObjectStatus, Priority, Properties, TrackAlias,
};
use crate::wire::{Dialect, Inexpressible, Violation};

/// Bits of a datagram's type.
mod bit {
    pub(super) const PROPERTIES: u64 = 0x01;
    pub(super) const END_OF_GROUP: u64 = 0x02;
    pub(super) const OBJECT_IS_ZERO: u64 = 0x04;
    pub(super) const INHERITED_PRIORITY: u64 = 0x08;
    pub(super) const STATUS: u64 = 0x20;
}

const PADDING_TYPE: u64 = 0x132B_3E29;

impl Dialect {
    /// Reads one datagram: its head and its payload. `None` if it is padding.
    pub fn decode_datagram(
        &self,
        datagram: Bytes,
    ) -> Result<Option<(DatagramHead, Bytes)>, Violation> {
        match self.read_datagram(&datagram) {
            Ok(Some((head, read))) => Ok(Some((head, datagram.slice(read..)))),
            Ok(None) => Ok(None),
            Err(Stop::Broken(violation)) => Err(violation.into()),
            Err(Stop::Incomplete) => Err(DataViolation::TruncatedDatagram.into()),
        }
    }

    fn read_datagram(&self, datagram: &Bytes) -> Reading<Option<(DatagramHead, usize)>> {
        let mut cursor = Cursor::new(self.integers, datagram);
        let code = cursor.int()?;
        if code == PADDING_TYPE && self.data.padding {
            return Ok(None);
        }
        if !self.has_datagram_type(code) {
            return Err(DataViolation::UnknownDatagramType { code }.into());
        }
        let alias = TrackAlias(cursor.int()?);
        let group = GroupId(cursor.int()?);
        let object = match code & bit::OBJECT_IS_ZERO {
            0 => ObjectId(cursor.int()?),
            _ => ObjectId(0),
        };
        let location = Location { group, object };
        let priority = match code & bit::INHERITED_PRIORITY {
            0 => Some(Priority(cursor.byte()?)),
            _ => None,
        };
        let properties = match code & bit::PROPERTIES {
            0 => Properties::default(),
            _ => self.read_properties(&mut cursor, datagram)?,
        };
        if properties.is_empty() && code & bit::PROPERTIES != 0 {
            return Err(DataViolation::EmptyDatagramProperties.into());
        }
        let status = match code & bit::STATUS {
            0 => ObjectStatus::Normal,
            _ => self.read_status(&mut cursor)?,
        };
        if code & bit::STATUS != 0 && cursor.remaining() > 0 {
            return Err(DataViolation::PayloadAfterStatus { bytes: cursor.remaining() }.into());
        }
        self.check_properties(&properties, status, location)?;
        let end_of_group = code & bit::END_OF_GROUP != 0;
        let head = DatagramHead { alias, location, priority, properties, status, end_of_group };
        Ok(Some((head, cursor.read())))
    }

    fn has_datagram_type(&self, code: u64) -> bool {
        let mut known = bit::PROPERTIES | bit::END_OF_GROUP | bit::OBJECT_IS_ZERO | bit::STATUS;
        if self.data.inherited_priority {
            known |= bit::INHERITED_PRIORITY;
        }
        let is = |bits| code & bits == bits;
        let without_id = self.data.status_without_id != StatusWithoutId::Refused;
        code & !known == 0
            && !is(bit::STATUS | bit::END_OF_GROUP)
            && (without_id || !is(bit::STATUS | bit::OBJECT_IS_ZERO))
    }

    /// Appends a datagram up to its payload, which only a normal object may have.
    pub fn encode_datagram(
        &self,
        head: &DatagramHead,
        out: &mut BytesMut,
    ) -> Result<(), Inexpressible> {
        if head.priority.is_none() && !self.data.inherited_priority {
            return Err(DataInexpressible::InheritedPriority.into());
        }
        let properties = self.sent_properties(&head.properties, head.status);
        let is_status = head.status != ObjectStatus::Normal;
        let without_id = head.location.object.0 == 0
            && (!is_status || self.data.status_without_id == StatusWithoutId::Used);
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let code = flag(!properties.is_empty(), bit::PROPERTIES)
            // A status that ends the group needs no second word for it.
            | flag(head.end_of_group && !is_status, bit::END_OF_GROUP)
            | flag(without_id, bit::OBJECT_IS_ZERO)
            | flag(head.priority.is_none(), bit::INHERITED_PRIORITY)
            | flag(is_status, bit::STATUS);
        all_or_nothing(self.integers, out, |writer| {
            writer.int(code)?;
            writer.int(head.alias.0)?;
            writer.int(head.location.group.0)?;
            if !without_id {
                writer.int(head.location.object.0)?;
            }
            if let Some(priority) = head.priority {
                writer.byte(priority.0);
            }
            if !properties.is_empty() {
                writer.block(properties.raw())?;
            }
            if is_status {
                self.write_status(head.status, writer)?;
            }
            Ok(())
        })
    }
}
