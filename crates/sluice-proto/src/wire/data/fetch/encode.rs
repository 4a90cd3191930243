//! Writing fetch streams.

use bytes::BytesMut;

use super::super::cursor::{Writer, all_or_nothing};
use super::super::{DataInexpressible, FetchForm, IdForm, MarkReading};
use super::{
    MARKS, Prior, SUBGROUP_AS_BEFORE, SUBGROUP_IN_FIELD, SUBGROUP_IS_ZERO, SUBGROUP_NEXT, bit,
    follows,
};
use crate::model::{
    Delivery, FetchItem, FetchedObject, GroupOrder, Location, ObjectId, ObjectStatus, RangeMark,
    SubgroupId,
};
use crate::wire::{Dialect, Inexpressible};

/// Writes the items of one fetch stream, in the order of the fetch.
///
/// An object that cannot be written is left out without a trace; the next one is written against
/// the last that was.
#[derive(Clone, Debug)]
pub struct FetchEncoder {
    dialect: &'static Dialect,
    order: GroupOrder,
    reading: Option<MarkReading>,
    prior: Prior,
    before: Before,
}

/// What stands before an object. Drafts and implementations differ about what may be referred to
/// after anything but an object of a subgroup, so less is then left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Before {
    Nothing,
    Subgroup,
    Datagram,
    Mark,
}

impl FetchEncoder {
    /// For the answer to a fetch that asked for groups in `order`.
    pub fn new(dialect: &'static Dialect, order: GroupOrder) -> Self {
        let reading = dialect.data.fetch.marks.map(|marks| marks.reading);
        Self { dialect, order, reading, prior: Prior::default(), before: Before::Nothing }
    }

    /// Tells how the peer understands records of ranges without objects.
    pub fn with_reading(self, reading: MarkReading) -> Self {
        Self { reading: self.reading.map(|_| reading), ..self }
    }

    /// Appends one item; an object up to its payload.
    pub fn encode(&mut self, item: &FetchItem, out: &mut BytesMut) -> Result<(), Inexpressible> {
        let location = match item {
            FetchItem::Object(object) => object.location,
            FetchItem::EndOfRange(location, _) => *location,
        };
        if self.prior.location.is_some_and(|prior| !follows(self.order, prior, location)) {
            return Err(DataInexpressible::Disorder.into());
        }
        all_or_nothing(self.dialect.integers, out, |writer| match item {
            FetchItem::Object(object) => self.write_object(object, writer),
            FetchItem::EndOfRange(location, mark) => self.write_mark(*location, *mark, writer),
        })?;
        self.prior.location = Some(location);
        self.before = Before::Mark;
        if let FetchItem::Object(object) = item {
            self.prior.priority = Some(object.priority);
            self.prior.subgroup = self.subgroup(object);
            self.before = match self.prior.subgroup {
                Some(_) => Before::Subgroup,
                None => Before::Datagram,
            };
        }
        Ok(())
    }

    fn write_object(
        &self,
        object: &FetchedObject,
        writer: &mut Writer<'_>,
    ) -> Result<(), Inexpressible> {
        if object.status != ObjectStatus::Normal {
            if !self.dialect.data.fetch.status {
                return Err(DataInexpressible::FetchStatus.into());
            }
            if object.payload_bytes != 0 {
                return Err(DataInexpressible::PayloadWithStatus.into());
            }
        }
        match self.dialect.data.fetch.form {
            FetchForm::AllFields => self.write_plain(object, writer)?,
            FetchForm::FlagByte | FetchForm::FlagInteger => self.write_flagged(object, writer)?,
        }
        writer.int(object.payload_bytes)?;
        if object.payload_bytes == 0 && self.dialect.data.fetch.status {
            self.dialect.write_status(object.status, writer)?;
        }
        Ok(())
    }

    fn write_plain(
        &self,
        object: &FetchedObject,
        writer: &mut Writer<'_>,
    ) -> Result<(), Inexpressible> {
        let subgroup = self.subgroup(object).unwrap_or(SubgroupId(object.location.object.0));
        writer.int(object.location.group.0)?;
        writer.int(subgroup.0)?;
        writer.int(object.location.object.0)?;
        writer.byte(object.priority.0);
        let properties = self.dialect.sent_properties(&object.properties, object.status);
        writer.block(properties.raw())
    }

    fn write_flagged(
        &self,
        object: &FetchedObject,
        writer: &mut Writer<'_>,
    ) -> Result<(), Inexpressible> {
        let (group, object_id) = self.ids(object.location);
        let (subgroup_form, subgroup) = self.subgroup_form(object);
        let known = self.prior.priority.filter(|_| self.before != Before::Mark);
        let priority = Some(object.priority).filter(|&priority| known != Some(priority));
        let properties = self.dialect.sent_properties(&object.properties, object.status);
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let flags = subgroup_form
            | flag(group.is_some(), bit::GROUP)
            | flag(object_id.is_some(), bit::OBJECT)
            | flag(priority.is_some(), bit::PRIORITY)
            | flag(!properties.is_empty(), bit::PROPERTIES);
        match self.dialect.data.fetch.form {
            FetchForm::FlagByte => writer.byte(flags as u8),
            _ => writer.int(flags)?,
        }
        for id in [group, subgroup, object_id].into_iter().flatten() {
            writer.int(id)?;
        }
        if let Some(priority) = priority {
            writer.byte(priority.0);
        }
        if !properties.is_empty() {
            writer.block(properties.raw())?;
        }
        Ok(())
    }

    /// Group and object as fields. A new group always comes with its object: that the object may
    /// be left out there, counting on across groups, is too easily read otherwise.
    fn ids(&self, location: Location) -> (Option<u64>, Option<u64>) {
        let (group, object) = (location.group.0, location.object.0);
        let Some(prior) = self.prior.location else { return (Some(group), Some(object)) };
        let ids = self.dialect.data.fetch.ids;
        if prior.group == location.group {
            let object = match ids {
                _ if prior.object.next() == Some(ObjectId(object)) => None,
                IdForm::Absolute => Some(object),
                IdForm::Delta => Some(object - prior.object.0),
            };
            return (None, object);
        }
        let group = match ids {
            IdForm::Absolute => group,
            IdForm::Delta => group.abs_diff(prior.group.0) - 1,
        };
        (Some(group), Some(object))
    }

    /// The subgroup that stands for the object's delivery, if any does.
    fn subgroup(&self, object: &FetchedObject) -> Option<SubgroupId> {
        match object.delivery {
            Delivery::Subgroup(id) | Delivery::Unknown(id) => Some(id),
            Delivery::Datagram if self.dialect.data.fetch.tells_datagrams() => None,
            Delivery::Datagram => Some(SubgroupId(object.location.object.0)),
        }
    }

    fn subgroup_form(&self, object: &FetchedObject) -> (u64, Option<u64>) {
        let Some(subgroup) = self.subgroup(object) else { return (bit::DATAGRAM, None) };
        let prior =
            self.prior.subgroup.filter(|_| self.before == Before::Subgroup).map(|prior| prior.0);
        match subgroup.0 {
            id if prior == Some(id) => (SUBGROUP_AS_BEFORE, None),
            0 => (SUBGROUP_IS_ZERO, None),
            id if prior == id.checked_sub(1) => (SUBGROUP_NEXT, None),
            id => (SUBGROUP_IN_FIELD, Some(id)),
        }
    }

    fn write_mark(
        &self,
        location: Location,
        mark: RangeMark,
        writer: &mut Writer<'_>,
    ) -> Result<(), Inexpressible> {
        let inexpressible = DataInexpressible::RangeMark(mark);
        let layout = self.dialect.data.fetch.marks.filter(|marks| marks.has(mark));
        let reading = self.reading.filter(|_| layout.is_some()).ok_or(inexpressible)?;
        let flags = MARKS.iter().find(|(_, value)| *value == mark).map(|(flags, _)| *flags);
        let group = match (reading.ids, self.prior.location) {
            (IdForm::Delta, Some(prior)) if prior.group == location.group => {
                return Err(DataInexpressible::RangeMarkInGroup.into());
            }
            (IdForm::Delta, Some(prior)) => location.group.0.abs_diff(prior.group.0) - 1,
            (IdForm::Delta, None) | (IdForm::Absolute, _) => location.group.0,
        };
        writer.int(flags.ok_or(inexpressible)?)?;
        writer.int(group)?;
        writer.int(location.object.0)?;
        if reading.length {
            writer.int(0)?;
        }
        Ok(())
    }
}
