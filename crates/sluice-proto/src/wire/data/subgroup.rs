//! Subgroup streams: a head, then objects with ascending ids (MOQT-18 §11.4.2).

use bytes::{Bytes, BytesMut};

use super::cursor::{Cursor, Reading, Writer, all_or_nothing, settle};
use super::{DataInexpressible, DataViolation};
use crate::model::{
    GroupId, Location, ObjectHead, ObjectId, ObjectStatus, Priority, Properties, SubgroupHead,
    SubgroupId, SubgroupIdField, TrackAlias,
};
use crate::wire::{Dialect, Inexpressible, Violation};

/// Bits of a subgroup stream's type.
mod bit {
    pub(super) const PROPERTIES: u64 = 0x01;
    /// Two bits: how the subgroup is named.
    pub(super) const ID_FORM: u64 = 0x06;
    pub(super) const END_OF_GROUP: u64 = 0x08;
    /// Always set.
    pub(super) const SUBGROUP: u64 = 0x10;
    pub(super) const INHERITED_PRIORITY: u64 = 0x20;
    pub(super) const FIRST_OBJECT: u64 = 0x40;
}

const ID_IS_ZERO: u64 = 0x00;
const ID_IS_FIRST_OBJECT: u64 = 0x02;
const ID_IN_FIELD: u64 = 0x04;

impl SubgroupIdField {
    /// The shortest legal way to name `subgroup` on a stream whose first object is known, or not
    /// known yet.
    pub fn shortest(subgroup: SubgroupId, first_object: Option<ObjectId>) -> Self {
        match first_object {
            Some(first) if subgroup.0 != 0 && first.0 == subgroup.0 => SubgroupIdField::FirstObject,
            _ => SubgroupIdField::Id(subgroup),
        }
    }
}

impl Dialect {
    pub(super) fn read_subgroup_head(
        &self,
        code: u64,
        cursor: &mut Cursor<'_>,
    ) -> Reading<SubgroupHead> {
        let mut known = bit::PROPERTIES | bit::ID_FORM | bit::END_OF_GROUP | bit::SUBGROUP;
        if self.data.inherited_priority {
            known |= bit::INHERITED_PRIORITY;
        }
        if self.data.first_object {
            known |= bit::FIRST_OBJECT;
        }
        if code & !known != 0 || code & bit::SUBGROUP == 0 {
            return Err(DataViolation::UnknownStreamType { code }.into());
        }
        let id_form = code & bit::ID_FORM;
        if id_form == bit::ID_FORM {
            return Err(DataViolation::ReservedSubgroupForm { code }.into());
        }
        let alias = TrackAlias(cursor.int()?);
        let group = GroupId(cursor.int()?);
        let subgroup = match id_form {
            ID_IS_ZERO => SubgroupIdField::Id(SubgroupId(0)),
            ID_IS_FIRST_OBJECT => SubgroupIdField::FirstObject,
            _ => SubgroupIdField::Id(SubgroupId(cursor.int()?)),
        };
        let priority = match code & bit::INHERITED_PRIORITY {
            0 => Some(Priority(cursor.byte()?)),
            _ => None,
        };
        Ok(SubgroupHead {
            alias,
            group,
            subgroup,
            priority,
            properties: code & bit::PROPERTIES != 0,
            end_of_group: code & bit::END_OF_GROUP != 0,
            first_object: code & bit::FIRST_OBJECT != 0,
        })
    }

    /// Appends the head of a subgroup stream. What is merely good to know and the draft has no
    /// bit for is left out.
    pub fn encode_subgroup_head(
        &self,
        head: &SubgroupHead,
        out: &mut BytesMut,
    ) -> Result<(), Inexpressible> {
        if head.priority.is_none() && !self.data.inherited_priority {
            return Err(DataInexpressible::InheritedPriority.into());
        }
        let (id_form, id) = match head.subgroup {
            SubgroupIdField::Id(SubgroupId(0)) => (ID_IS_ZERO, None),
            SubgroupIdField::Id(id) => (ID_IN_FIELD, Some(id)),
            SubgroupIdField::FirstObject => (ID_IS_FIRST_OBJECT, None),
        };
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let code = bit::SUBGROUP
            | id_form
            | flag(head.properties, bit::PROPERTIES)
            | flag(head.end_of_group, bit::END_OF_GROUP)
            | flag(head.priority.is_none(), bit::INHERITED_PRIORITY)
            | flag(head.first_object && self.data.first_object, bit::FIRST_OBJECT);
        all_or_nothing(self.integers, out, |writer| {
            writer.int(code)?;
            writer.int(head.alias.0)?;
            writer.int(head.group.0)?;
            if let Some(id) = id {
                writer.int(id.0)?;
            }
            if let Some(priority) = head.priority {
                writer.byte(priority.0);
            }
            Ok(())
        })
    }

    /// Appends one object of a subgroup stream up to its payload. `previous` is the object before
    /// it on the same stream. The bytes depend on `head` only by whether it has properties.
    pub fn encode_object(
        &self,
        head: &SubgroupHead,
        previous: Option<ObjectId>,
        object: &ObjectHead,
        out: &mut BytesMut,
    ) -> Result<(), Inexpressible> {
        let delta = match previous {
            None => Some(object.object.0),
            Some(previous) => {
                object.object.0.checked_sub(previous.0).and_then(|step| step.checked_sub(1))
            }
        };
        let delta = delta.ok_or(DataInexpressible::Disorder)?;
        // A delta that fits may still lead to an id that the draft does not have.
        if object.object.0 > self.integers.max() {
            return Err(Inexpressible::TooLarge(object.object.0));
        }
        if object.status != ObjectStatus::Normal && object.payload_bytes != 0 {
            return Err(DataInexpressible::PayloadWithStatus.into());
        }
        let properties = self.sent_properties(&object.properties, object.status);
        if !head.properties && !properties.is_empty() {
            return Err(DataInexpressible::PropertiesOnPlainStream.into());
        }
        all_or_nothing(self.integers, out, |writer: &mut Writer<'_>| {
            writer.int(delta)?;
            if head.properties {
                writer.block(properties.raw())?;
            }
            writer.int(object.payload_bytes)?;
            if object.payload_bytes == 0 {
                self.write_status(object.status, writer)?;
            }
            Ok(())
        })
    }
}

/// Reads the objects of one subgroup stream, in the order they stand.
///
/// Call [`decode_object`](Self::decode_object), take the payload it announces, and again; at FIN
/// call [`end`](Self::end).
#[derive(Clone, Debug)]
pub struct SubgroupDecoder {
    dialect: &'static Dialect,
    group: GroupId,
    properties: bool,
    previous: Option<ObjectId>,
}

impl SubgroupDecoder {
    /// For the stream that began with `head`.
    pub fn new(dialect: &'static Dialect, head: &SubgroupHead) -> Self {
        Self { dialect, group: head.group, properties: head.properties, previous: None }
    }

    /// Reads the next object up to its payload from bytes that begin with it: the object and the
    /// bytes that it takes, payload not counted. `None` if more are needed.
    ///
    /// The properties keep a part of `bytes`.
    pub fn decode_object(
        &mut self,
        bytes: &Bytes,
    ) -> Result<Option<(ObjectHead, usize)>, Violation> {
        let read = settle(self.read_object(bytes))?;
        if let Some((object, _)) = &read {
            self.previous = Some(object.object);
        }
        Ok(read)
    }

    fn read_object(&self, bytes: &Bytes) -> Reading<(ObjectHead, usize)> {
        let dialect = self.dialect;
        let mut cursor = Cursor::new(dialect.integers, bytes);
        let object = self.object_after(cursor.int()?)?;
        let properties = match self.properties {
            true => dialect.read_properties(&mut cursor, bytes)?,
            false => Properties::default(),
        };
        let payload_bytes = cursor.int()?;
        let status = match payload_bytes {
            0 => dialect.read_status(&mut cursor)?,
            _ => ObjectStatus::Normal,
        };
        let location = Location { group: self.group, object };
        dialect.check_properties(&properties, status, location)?;
        Ok((ObjectHead { object, properties, status, payload_bytes }, cursor.read()))
    }

    fn object_after(&self, delta: u64) -> Result<ObjectId, DataViolation> {
        let Some(previous) = self.previous else { return Ok(ObjectId(delta)) };
        let max = self.dialect.integers.max();
        let next = previous.0.checked_add(delta).and_then(|id| id.checked_add(1));
        let next = next.filter(|&id| id <= max);
        let overflow = DataViolation::ObjectIdOverflow { previous: previous.0, delta };
        next.map(ObjectId).ok_or(overflow)
    }

    /// The last object read.
    pub fn previous(&self) -> Option<ObjectId> {
        self.previous
    }

    /// The stream ended by FIN with `unread` bytes of a head and `payload_bytes` of a payload
    /// still open.
    pub fn end(&self, unread: usize, payload_bytes: u64) -> Result<(), Violation> {
        match (unread, payload_bytes) {
            (0, 0) => Ok(()),
            _ => Err(DataViolation::CutByFin.into()),
        }
    }
}
