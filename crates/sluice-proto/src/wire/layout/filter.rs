//! Location filters: which part of a track (MOQT-18 §5.1.2; MOQT-20 for the form without a type).

use super::body::{Body, Writer};
use crate::model::{GroupId, Location, LocationFilter, ObjectId, RangeEnd};
use crate::wire::{Field, Inexpressible, Violation};

/// How a location filter is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FilterLayout {
    /// A type, then its fields; a range ends with a group, by number.
    TypedAbsoluteEnd,
    /// A type, then its fields; a range ends with a group, counted from the start's.
    TypedDeltaEnd,
    /// No type: the number of fields, found by parsing to the end, says what they mean. The end is
    /// counted from the start's group and may name an object.
    CountedFields,
    /// A type that says which fields follow. They mean what they do in the form without.
    TypedFields,
}

/// Types of [`FilterLayout::TypedFields`].
mod kind {
    pub(super) const NONE: u64 = 0x0;
    pub(super) const RELATIVE_GROUP: u64 = 0x1;
    pub(super) const START: u64 = 0x2;
    pub(super) const GROUPS: u64 = 0x3;
    pub(super) const OBJECTS: u64 = 0x4;
    pub(super) const NEXT_OBJECT: u64 = 0x5;
}

const NEXT_GROUP: u64 = 0x1;
const NEXT_OBJECT: u64 = 0x2;
const ABSOLUTE_START: u64 = 0x3;
const ABSOLUTE_RANGE: u64 = 0x4;

impl Body<'_> {
    /// A filter, which with [`FilterLayout::CountedFields`] takes the whole part.
    pub(in crate::wire) fn filter(&mut self) -> Result<LocationFilter, Violation> {
        match self.dialect.filter {
            FilterLayout::CountedFields => self.counted_filter(),
            FilterLayout::TypedFields => self.filter_of_kind(),
            FilterLayout::TypedAbsoluteEnd | FilterLayout::TypedDeltaEnd => self.typed_filter(),
        }
    }

    fn typed_filter(&mut self) -> Result<LocationFilter, Violation> {
        Ok(match self.int(Field::FilterType)? {
            NEXT_GROUP => LocationFilter::RelativeGroup(0),
            NEXT_OBJECT => LocationFilter::NextObject,
            ABSOLUTE_START => from(self.location()?),
            ABSOLUTE_RANGE => {
                let start = self.location()?;
                let end = self.int(Field::EndGroup)?;
                let absolute = self.dialect.filter == FilterLayout::TypedAbsoluteEnd;
                // Some senders of the drafts with an absolute end write a delta. An end before its
                // start makes no sense, so there it can only be that.
                let group = if absolute && end >= start.group.0 {
                    GroupId(end)
                } else {
                    self.group_after(start, end)?
                };
                LocationFilter::Range(start, RangeEnd { group, object: None })
            }
            other => return Err(self.invalid(Field::FilterType, other)),
        })
    }

    fn counted_filter(&mut self) -> Result<LocationFilter, Violation> {
        let mut fields = [0; 4];
        let mut count = 0;
        while !self.is_empty() {
            let format = Violation::FilterFormat { message: self.message };
            let field = fields.get_mut(count).ok_or(format)?;
            *field = self.int(Field::Location).map_err(|_| format)?;
            count += 1;
        }
        let [group, object, delta, end_object] = fields;
        let start = Location::new(group, object);
        Ok(match count {
            0 => LocationFilter::All,
            1 => LocationFilter::RelativeGroup(group),
            // "From 0/0" needs no filter at all, so its bytes are free to mean this.
            2 if start == Location::ZERO => LocationFilter::NextObject,
            2 => LocationFilter::From(start),
            _ => {
                let group = self.group_after(start, delta)?;
                let object = (count == 4).then_some(ObjectId(end_object));
                LocationFilter::Range(start, RangeEnd { group, object })
            }
        })
    }

    fn filter_of_kind(&mut self) -> Result<LocationFilter, Violation> {
        let code = self.int(Field::FilterType)?;
        Ok(match code {
            kind::NONE => LocationFilter::All,
            kind::RELATIVE_GROUP => LocationFilter::RelativeGroup(self.int(Field::Location)?),
            kind::START => from(self.location()?),
            kind::GROUPS | kind::OBJECTS => {
                let start = self.location()?;
                let delta = self.int(Field::EndGroup)?;
                let group = self.group_after(start, delta)?;
                let object = match code {
                    kind::OBJECTS => Some(ObjectId(self.int(Field::Location)?)),
                    _ => None,
                };
                LocationFilter::Range(start, RangeEnd { group, object })
            }
            kind::NEXT_OBJECT => LocationFilter::NextObject,
            other => return Err(self.invalid(Field::FilterType, other)),
        })
    }

    fn group_after(&self, start: Location, delta: u64) -> Result<GroupId, Violation> {
        let (message, start) = (self.message, start.group.0);
        let sum = start.checked_add(delta).filter(|&sum| sum <= self.dialect.integers.max());
        sum.map(GroupId).ok_or(Violation::FilterOverflow { message, start, delta })
    }
}

/// "From 0/0" is everything.
pub(in crate::wire) fn from(start: Location) -> LocationFilter {
    if start == Location::ZERO { LocationFilter::All } else { LocationFilter::From(start) }
}

impl Writer<'_, '_> {
    /// A filter without a length before it.
    pub(in crate::wire) fn filter(&mut self, filter: LocationFilter) -> Result<(), Inexpressible> {
        match self.dialect.filter {
            FilterLayout::CountedFields => self.counted_filter(filter),
            FilterLayout::TypedFields => self.filter_of_kind(filter),
            FilterLayout::TypedAbsoluteEnd | FilterLayout::TypedDeltaEnd => {
                self.typed_filter(filter)
            }
        }
    }

    fn typed_filter(&mut self, filter: LocationFilter) -> Result<(), Inexpressible> {
        match filter {
            LocationFilter::All => {
                self.int(ABSOLUTE_START)?;
                self.location(Location::ZERO)
            }
            LocationFilter::NextObject => self.int(NEXT_OBJECT),
            LocationFilter::RelativeGroup(0) => self.int(NEXT_GROUP),
            LocationFilter::RelativeGroup(_) => Err(Inexpressible::RelativeGroup),
            LocationFilter::From(start) => {
                self.int(ABSOLUTE_START)?;
                self.location(start)
            }
            LocationFilter::Range(_, RangeEnd { object: Some(_), .. }) => {
                Err(Inexpressible::EndObject)
            }
            LocationFilter::Range(start, end) => {
                let delta = group_delta(start, end)?;
                self.int(ABSOLUTE_RANGE)?;
                self.location(start)?;
                match self.dialect.filter {
                    FilterLayout::TypedAbsoluteEnd => self.int(end.group.0),
                    _ => self.int(delta),
                }
            }
        }
    }

    fn counted_filter(&mut self, filter: LocationFilter) -> Result<(), Inexpressible> {
        match filter {
            LocationFilter::All | LocationFilter::From(Location::ZERO) => Ok(()),
            LocationFilter::NextObject => self.location(Location::ZERO),
            LocationFilter::RelativeGroup(back) => self.int(back),
            LocationFilter::From(start) => self.location(start),
            LocationFilter::Range(start, end) => {
                let delta = group_delta(start, end)?;
                self.location(start)?;
                self.int(delta)?;
                end.object.map_or(Ok(()), |object| self.int(object.0))
            }
        }
    }
}

impl Writer<'_, '_> {
    fn filter_of_kind(&mut self, filter: LocationFilter) -> Result<(), Inexpressible> {
        let code = match filter {
            LocationFilter::All | LocationFilter::From(Location::ZERO) => kind::NONE,
            LocationFilter::NextObject => return self.int(kind::NEXT_OBJECT),
            LocationFilter::RelativeGroup(_) => kind::RELATIVE_GROUP,
            LocationFilter::From(_) => kind::START,
            LocationFilter::Range(_, RangeEnd { object: None, .. }) => kind::GROUPS,
            LocationFilter::Range(..) => kind::OBJECTS,
        };
        self.int(code)?;
        // What follows the type are the fields of the form without one.
        self.counted_filter(filter)
    }
}

fn group_delta(start: Location, end: RangeEnd) -> Result<u64, Inexpressible> {
    end.group.0.checked_sub(start.group.0).ok_or(Inexpressible::EndBeforeStart)
}
