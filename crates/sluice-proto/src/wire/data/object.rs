//! What objects have in common wherever they travel: properties and status (MOQT-18 §11.2.1).

use bytes::Bytes;

use super::cursor::{Cursor, Reading, Writer};
use super::{DataInexpressible, DataViolation};
use crate::model::{Location, ObjectStatus, Properties, PropertyEncoding};
use crate::wire::{Dialect, Inexpressible};

const NORMAL: u64 = 0x0;
const DOES_NOT_EXIST: u64 = 0x1;
const END_OF_GROUP: u64 = 0x3;
const END_OF_TRACK: u64 = 0x4;

/// What the bytes of an object on a subgroup stream depend on. Dialects with equal layouts write
/// equal bytes, so an object is written once for all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectLayout {
    properties: PropertyEncoding,
    absence_status: bool,
    end_properties: bool,
}

impl ObjectLayout {
    /// A small number for it, unlike that of every other layout.
    pub fn number(self) -> u16 {
        let properties = match self.properties {
            PropertyEncoding::Absolute => 0,
            PropertyEncoding::Delta => 1,
            PropertyEncoding::DeltaVi64Short => 2,
            PropertyEncoding::DeltaVi64 => 3,
        };
        properties << 2 | u16::from(self.absence_status) << 1 | u16::from(self.end_properties)
    }
}

impl Dialect {
    /// What the bytes of an object on a subgroup stream depend on.
    pub fn object_layout(&self) -> ObjectLayout {
        ObjectLayout {
            properties: self.properties,
            absence_status: self.data.absence_status,
            end_properties: self.data.end_properties,
        }
    }

    /// Whether a stream or datagram head may inherit the track's priority; else it has to be
    /// filled in.
    pub fn inherits_priority(&self) -> bool {
        self.data.inherited_priority
    }

    /// Reads a block of properties with its length out of `source`, which `cursor` reads.
    pub(super) fn read_properties(
        &self,
        cursor: &mut Cursor<'_>,
        source: &Bytes,
    ) -> Reading<Properties> {
        let block = cursor.block(source)?;
        let parsed = Properties::parse(self.properties, block);
        Ok(parsed.map_err(DataViolation::Properties)?)
    }

    /// Reads the status of an object without payload.
    pub(super) fn read_status(&self, cursor: &mut Cursor<'_>) -> Reading<ObjectStatus> {
        match cursor.int()? {
            NORMAL => Ok(ObjectStatus::Normal),
            DOES_NOT_EXIST if self.data.absence_status => Ok(ObjectStatus::DoesNotExist),
            END_OF_GROUP => Ok(ObjectStatus::EndOfGroup),
            END_OF_TRACK => Ok(ObjectStatus::EndOfTrack),
            status => Err(DataViolation::UnknownStatus { status }.into()),
        }
    }

    /// Whether an object with this status may have properties.
    fn allows_properties(&self, status: ObjectStatus) -> bool {
        match status {
            ObjectStatus::Normal => true,
            ObjectStatus::DoesNotExist => false,
            ObjectStatus::EndOfGroup | ObjectStatus::EndOfTrack => self.data.end_properties,
        }
    }

    /// Checks the properties of a received object.
    pub(super) fn check_properties(
        &self,
        properties: &Properties,
        status: ObjectStatus,
        location: Location,
    ) -> Result<(), DataViolation> {
        if !properties.is_empty() && !self.allows_properties(status) {
            return Err(DataViolation::PropertiesOnStatus { status });
        }
        let malformed = |error| DataViolation::MalformedProperties { location, error };
        properties.check_object(location).map_err(malformed)
    }

    /// The properties of an object to be sent: in the draft's encoding, or none where the status
    /// forbids them.
    pub(super) fn sent_properties(
        &self,
        properties: &Properties,
        status: ObjectStatus,
    ) -> Properties {
        match self.allows_properties(status) {
            true => properties.to_encoding(self.properties),
            false => Properties::default(),
        }
    }

    pub(super) fn write_status(
        &self,
        status: ObjectStatus,
        writer: &mut Writer<'_>,
    ) -> Result<(), Inexpressible> {
        writer.int(match status {
            ObjectStatus::Normal => NORMAL,
            ObjectStatus::DoesNotExist if self.data.absence_status => DOES_NOT_EXIST,
            ObjectStatus::DoesNotExist => return Err(DataInexpressible::Absence.into()),
            ObjectStatus::EndOfGroup => END_OF_GROUP,
            ObjectStatus::EndOfTrack => END_OF_TRACK,
        })
    }
}
