//! Reading fetch streams.

use bytes::Bytes;

use super::super::cursor::{Cursor, Reading, settle};
use super::super::{DataViolation, FetchField, FetchForm, IdForm, MarkReading};
use super::{
    Prior, SUBGROUP_AS_BEFORE, SUBGROUP_IS_ZERO, SUBGROUP_NEXT, bit, follows, group_after,
};
use crate::model::{
    Delivery, FetchItem, FetchedObject, GroupId, GroupOrder, Location, ObjectId, ObjectStatus,
    Priority, Properties, RangeMark, SubgroupId,
};
use crate::wire::{Dialect, Violation};

/// Reads the items of one fetch stream, in the order they stand.
///
/// Call [`decode_item`](Self::decode_item), take the payload that an object announces, and again;
/// at FIN call [`end`](Self::end).
///
/// Records for ranges without objects are written in several ways by implementations that all
/// claim the same draft. The decoder takes the way that makes sense here, else the one that the
/// peer used before, and remembers it: [`reading`](Self::reading).
#[derive(Clone, Debug)]
pub struct FetchDecoder {
    dialect: &'static Dialect,
    order: GroupOrder,
    range: Option<(Location, Location)>,
    reading: MarkReading,
    prior: Prior,
    after_mark: bool,
}

/// What one record turned out to be.
struct Record {
    item: FetchItem,
    prior: Prior,
    reading: MarkReading,
    read: usize,
}

impl FetchDecoder {
    /// For the answer to a fetch that asked for groups in `order`.
    pub fn new(dialect: &'static Dialect, order: GroupOrder) -> Self {
        let unused = MarkReading { ids: IdForm::Absolute, length: false };
        let reading = dialect.data.fetch.marks.map_or(unused, |marks| marks.reading);
        Self { dialect, order, range: None, reading, prior: Prior::default(), after_mark: false }
    }

    /// Tells the first and last location that were asked for. It helps to understand records of
    /// ranges without objects; nothing is refused for lying outside.
    pub fn with_range(self, first: Location, last: Location) -> Self {
        Self { range: Some((first, last)), ..self }
    }

    /// Tells how this peer wrote records of ranges without objects before.
    pub fn with_reading(self, reading: MarkReading) -> Self {
        Self { reading, ..self }
    }

    /// How the peer writes records of ranges without objects, as far as this stream has shown.
    pub fn reading(&self) -> MarkReading {
        self.reading
    }

    /// Reads the next item, an object up to its payload, from bytes that begin with it: the item
    /// and the bytes that it takes, payload not counted. `None` if more are needed.
    ///
    /// The properties keep a part of `bytes`.
    pub fn decode_item(&mut self, bytes: &Bytes) -> Result<Option<(FetchItem, usize)>, Violation> {
        let Some(record) = settle(self.read_record(bytes))? else { return Ok(None) };
        self.prior = record.prior;
        self.reading = record.reading;
        self.after_mark = matches!(record.item, FetchItem::EndOfRange(..));
        Ok(Some((record.item, record.read)))
    }

    /// The stream ended by FIN with `unread` still there and `payload_bytes` of a payload open.
    pub fn end(&mut self, unread: &[u8], payload_bytes: u64) -> Result<(), Violation> {
        match (unread, payload_bytes) {
            ([], 0) => Ok(()),
            // The payload length after a mark; an object would be longer.
            ([0], 0) if self.after_mark => {
                self.reading.length = true;
                Ok(())
            }
            _ => Err(DataViolation::CutByFin.into()),
        }
    }

    fn read_record(&self, bytes: &Bytes) -> Reading<Record> {
        let mut cursor = Cursor::new(self.dialect.integers, bytes);
        let mut reading = self.reading;
        if self.after_mark {
            reading.length = self.skip_mark_length(&mut cursor)?;
        }
        let layout = &self.dialect.data.fetch;
        let flags = match layout.form {
            FetchForm::AllFields => None,
            FetchForm::FlagByte => Some(u64::from(cursor.byte()?)),
            FetchForm::FlagInteger => Some(cursor.int()?),
        };
        let (item, prior) = match flags {
            None => self.read_plain(&mut cursor, bytes)?,
            Some(flags) => match layout.mark(flags) {
                Some(mark) => self.read_mark(mark, &mut cursor, &mut reading)?,
                None if flags & !layout.known_bits() == 0 => {
                    self.read_flagged(flags, &mut cursor, bytes)?
                }
                None => return Err(DataViolation::UnknownFetchFlags { flags }.into()),
            },
        };
        Ok(Record { item, prior, reading, read: cursor.read() })
    }

    /// An object with all fields.
    fn read_plain(&self, cursor: &mut Cursor<'_>, bytes: &Bytes) -> Reading<(FetchItem, Prior)> {
        let group = GroupId(cursor.int()?);
        let subgroup = SubgroupId(cursor.int()?);
        let object = ObjectId(cursor.int()?);
        let priority = Priority(cursor.byte()?);
        let location = Location { group, object };
        let properties = self.dialect.read_properties(cursor, bytes)?;
        let delivery = self.delivery(subgroup, object);
        self.read_tail(location, delivery, Some(subgroup), priority, properties, cursor)
    }

    /// An object whose flags say which fields it has.
    fn read_flagged(
        &self,
        flags: u64,
        cursor: &mut Cursor<'_>,
        bytes: &Bytes,
    ) -> Reading<(FetchItem, Prior)> {
        let is_datagram = flags & bit::DATAGRAM != 0;
        let group = match flags & bit::GROUP {
            0 => None,
            _ => Some(cursor.int()?),
        };
        let subgroup = match flags & bit::SUBGROUP_FORM {
            _ if is_datagram => None,
            SUBGROUP_IS_ZERO => Some(SubgroupId(0)),
            SUBGROUP_AS_BEFORE => Some(self.prior_subgroup()?),
            SUBGROUP_NEXT => Some(self.subgroup_after()?),
            _ => Some(SubgroupId(cursor.int()?)),
        };
        let object = match flags & bit::OBJECT {
            0 => None,
            _ => Some(cursor.int()?),
        };
        let location = match self.dialect.data.fetch.ids {
            IdForm::Absolute => self.absolute(group, object)?,
            IdForm::Delta => self.delta(group, object)?,
        };
        let no_priority = DataViolation::NoPriorObject { field: FetchField::Priority };
        let priority = match flags & bit::PRIORITY {
            0 => self.prior.priority.ok_or(no_priority)?,
            _ => Priority(cursor.byte()?),
        };
        let properties = match flags & bit::PROPERTIES {
            0 => Properties::default(),
            _ => self.dialect.read_properties(cursor, bytes)?,
        };
        let delivery = match subgroup {
            Some(subgroup) => self.delivery(subgroup, location.object),
            None => Delivery::Datagram,
        };
        self.read_tail(location, delivery, subgroup, priority, properties, cursor)
    }

    /// Payload length and status, and what the object leaves for those after it.
    fn read_tail(
        &self,
        location: Location,
        delivery: Delivery,
        subgroup: Option<SubgroupId>,
        priority: Priority,
        properties: Properties,
        cursor: &mut Cursor<'_>,
    ) -> Reading<(FetchItem, Prior)> {
        let payload_bytes = cursor.int()?;
        let status = match payload_bytes {
            0 if self.dialect.data.fetch.status => self.dialect.read_status(cursor)?,
            _ => ObjectStatus::Normal,
        };
        self.check_order(location)?;
        self.dialect.check_properties(&properties, status, location)?;
        let prior = Prior {
            location: Some(location),
            subgroup: subgroup.or(self.prior.subgroup),
            priority: Some(priority),
        };
        let object =
            FetchedObject { location, delivery, priority, properties, status, payload_bytes };
        Ok((FetchItem::Object(object), prior))
    }

    /// How an object of `subgroup` was sent, as far as the draft tells.
    fn delivery(&self, subgroup: SubgroupId, object: ObjectId) -> Delivery {
        if !self.dialect.data.fetch.tells_datagrams() && subgroup.0 == object.0 {
            return Delivery::Unknown(subgroup);
        }
        Delivery::Subgroup(subgroup)
    }

    fn prior_subgroup(&self) -> Result<SubgroupId, DataViolation> {
        let missing = DataViolation::NoPriorObject { field: FetchField::Subgroup };
        self.prior.subgroup.ok_or(missing)
    }

    fn subgroup_after(&self) -> Result<SubgroupId, DataViolation> {
        let prior = self.prior_subgroup()?.0;
        let field = FetchField::Subgroup;
        let out_of_range = DataViolation::FetchIdOutOfRange { field, prior, delta: 1 };
        self.writable(prior.checked_add(1)).map(SubgroupId).ok_or(out_of_range)
    }

    fn prior_location(&self, field: FetchField) -> Result<Location, DataViolation> {
        self.prior.location.ok_or(DataViolation::NoPriorObject { field })
    }

    /// The location of an object whose ids are written as they are.
    fn absolute(&self, group: Option<u64>, object: Option<u64>) -> Result<Location, DataViolation> {
        let group = match group {
            Some(group) => GroupId(group),
            None => self.prior_location(FetchField::Group)?.group,
        };
        Ok(Location { group, object: self.object_or_next(object)? })
    }

    /// The location of an object whose ids are differences. An object id next to a group is not:
    /// numbering starts anew there (MOQT-18 §11.4.4.1).
    fn delta(&self, group: Option<u64>, object: Option<u64>) -> Result<Location, DataViolation> {
        let Some(prior) = self.prior.location else { return self.absolute(group, object) };
        let Some(delta) = group else {
            let Some(delta) = object else { return self.absolute(None, None) };
            let object = self.writable(prior.object.0.checked_add(delta)).map(ObjectId);
            let out_of_range = DataViolation::FetchIdOutOfRange {
                field: FetchField::Object,
                prior: prior.object.0,
                delta,
            };
            return Ok(Location { group: prior.group, object: object.ok_or(out_of_range)? });
        };
        let out_of_range = DataViolation::FetchIdOutOfRange {
            field: FetchField::Group,
            prior: prior.group.0,
            delta,
        };
        let group = group_after(self.order, prior.group, delta).ok_or(out_of_range)?;
        Ok(Location { group, object: self.object_or_next(object)? })
    }

    fn object_or_next(&self, object: Option<u64>) -> Result<ObjectId, DataViolation> {
        if let Some(object) = object {
            return Ok(ObjectId(object));
        }
        let prior = self.prior_location(FetchField::Object)?.object;
        let field = FetchField::Object;
        let out_of_range = DataViolation::FetchIdOutOfRange { field, prior: prior.0, delta: 1 };
        self.writable(prior.0.checked_add(1)).map(ObjectId).ok_or(out_of_range)
    }

    /// An id that is counted on, unless it is beyond what the draft can write.
    fn writable(&self, id: Option<u64>) -> Option<u64> {
        id.filter(|&id| id <= self.dialect.integers.max())
    }

    fn check_order(&self, location: Location) -> Result<(), DataViolation> {
        match self.prior.location {
            Some(prior) if !follows(self.order, prior, location) => {
                Err(DataViolation::FetchOrder { prior, location })
            }
            _ => Ok(()),
        }
    }

    /// A range without objects: its last location, in whichever form lies ahead of the record
    /// before and within what was asked for; if both do, in the form the peer is known for.
    fn read_mark(
        &self,
        mark: RangeMark,
        cursor: &mut Cursor<'_>,
        reading: &mut MarkReading,
    ) -> Reading<(FetchItem, Prior)> {
        let (group, object) = (Some(cursor.int()?), Some(cursor.int()?));
        let resolve = |form| match form {
            IdForm::Absolute => self.absolute(group, object),
            IdForm::Delta => self.delta(group, object),
        };
        let other = match reading.ids {
            IdForm::Absolute => IdForm::Delta,
            IdForm::Delta => IdForm::Absolute,
        };
        let fits = |form: &IdForm| resolve(*form).is_ok_and(|location| self.is_ahead(location));
        let form = [reading.ids, other].into_iter().find(fits).unwrap_or(reading.ids);
        let location = resolve(form)?;
        self.check_order(location)?;
        reading.ids = form;
        let prior = Prior { location: Some(location), ..self.prior };
        Ok((FetchItem::EndOfRange(location, mark), prior))
    }

    /// Whether a record may stand at `location`: after the one before it, within the range.
    fn is_ahead(&self, location: Location) -> bool {
        let after = self.prior.location.is_none_or(|prior| follows(self.order, prior, location));
        let within = self.range.is_none_or(|(first, last)| first <= location && location <= last);
        after && within
    }

    /// Takes the payload length after a mark, if the peer writes one, and tells whether it does.
    fn skip_mark_length(&self, cursor: &mut Cursor<'_>) -> Reading<bool> {
        if cursor.peek()? != 0 {
            // Peers that write the length write 0.
            return Ok(false);
        }
        // Flags of 0 are an object right after the range, in subgroup 0 and with the priority of
        // an object before: without such an object, or with no place there, it is a length.
        let next = self.absolute(None, None);
        let may_be_object =
            self.prior.priority.is_some() && next.is_ok_and(|location| self.is_ahead(location));
        if may_be_object && !self.reading.length {
            return Ok(false);
        }
        cursor.byte()?;
        Ok(true)
    }
}
