//! Where a subscription starts and ends (MOQT-01 §6.4.1).

use bytes::BytesMut;

use super::NamedViolation;
use super::fields::{Fields, Reading, put_int};
use crate::model::{GroupId, Location, LocationFilter, ObjectId, RangeEnd};
use crate::wire::{Field, Inexpressible};

/// One number of a start or an end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Mark {
    /// Not said.
    None,
    /// The number itself.
    Absolute(u64),
    /// So many before the largest.
    Previous(u64),
    /// So many after the one that follows the largest.
    Next(u64),
}

/// The four locations of SUBSCRIBE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Locations {
    start_group: Mark,
    start_object: Mark,
    end_group: Mark,
    end_object: Mark,
}

impl Mark {
    fn read(fields: &mut Fields<'_>, field: Field) -> Reading<Mark> {
        Ok(match fields.int()? {
            0 => Mark::None,
            1 => Mark::Absolute(fields.int()?),
            2 => Mark::Previous(fields.int()?),
            3 => Mark::Next(fields.int()?),
            mode => return Err(NamedViolation::LocationMode { field, mode }.into()),
        })
    }

    fn put(self, out: &mut BytesMut) -> Result<(), Inexpressible> {
        let (mode, value) = match self {
            Mark::None => return put_int(0, out),
            Mark::Absolute(value) => (1, value),
            Mark::Previous(value) => (2, value),
            Mark::Next(value) => (3, value),
        };
        put_int(mode, out)?;
        put_int(value, out)
    }
}

impl Locations {
    /// The start of the next group, without an end: what the deployed player asks for, and what
    /// deployed publishers do whatever they are asked.
    pub const NEXT_GROUP: Locations = Locations {
        start_group: Mark::Next(0),
        start_object: Mark::Absolute(0),
        end_group: Mark::None,
        end_object: Mark::None,
    };

    /// The newest group from its start, and what follows it.
    pub const NEWEST_GROUP: Locations =
        Locations { start_group: Mark::Previous(0), ..Locations::NEXT_GROUP };

    pub(super) fn read(fields: &mut Fields<'_>) -> Reading<Locations> {
        Ok(Locations {
            start_group: Mark::read(fields, Field::Location)?,
            start_object: Mark::read(fields, Field::Location)?,
            end_group: Mark::read(fields, Field::EndGroup)?,
            end_object: Mark::read(fields, Field::EndGroup)?,
        })
    }

    pub(super) fn put(self, out: &mut BytesMut) -> Result<(), Inexpressible> {
        for mark in [self.start_group, self.start_object, self.end_group, self.end_object] {
            mark.put(out)?;
        }
        Ok(())
    }

    /// The filter that they mean. The end, whose object is exclusive here, is inclusive there.
    ///
    /// # Errors
    /// Locations that contradict themselves, or that no filter expresses. They cost the request.
    pub fn filter(self) -> Result<LocationFilter, NamedViolation> {
        let fault = NamedViolation::LocationRange;
        let end = match (self.end_group, self.end_object) {
            (Mark::None, Mark::None) => None,
            (Mark::Absolute(group), Mark::Absolute(0)) => {
                let group = GroupId(group.checked_sub(1).ok_or(fault)?);
                Some(RangeEnd { group, object: None })
            }
            (Mark::Absolute(group), Mark::Absolute(object)) => {
                Some(RangeEnd { group: GroupId(group), object: Some(ObjectId(object - 1)) })
            }
            _ => return Err(fault),
        };
        match (self.start_group, self.start_object, end) {
            (Mark::Next(0), Mark::Absolute(0), None) => Ok(LocationFilter::RelativeGroup(0)),
            (Mark::Previous(0), Mark::Next(0), None) => Ok(LocationFilter::NextObject),
            (Mark::Previous(back), Mark::Absolute(0), None) => {
                Ok(LocationFilter::RelativeGroup(back.saturating_add(1)))
            }
            (Mark::Absolute(group), Mark::Absolute(object), None) => {
                Ok(LocationFilter::From(Location::new(group, object)))
            }
            (Mark::Absolute(group), Mark::Absolute(object), Some(end)) => {
                let start = Location::new(group, object);
                if !end.includes(start) {
                    return Err(fault);
                }
                Ok(LocationFilter::Range(start, end))
            }
            _ => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mark::{Absolute, Next, Previous};

    fn filter(start: (Mark, Mark), end: (Mark, Mark)) -> Result<LocationFilter, NamedViolation> {
        let (start_group, start_object) = start;
        let (end_group, end_object) = end;
        Locations { start_group, start_object, end_group, end_object }.filter()
    }

    const OPEN: (Mark, Mark) = (Mark::None, Mark::None);

    #[test]
    fn what_the_draft_shows_as_examples_has_a_filter() {
        let now = filter((Previous(0), Next(0)), OPEN);
        assert_eq!(now, Ok(LocationFilter::NextObject));
        let current = filter((Previous(0), Absolute(0)), OPEN);
        assert_eq!(current, Ok(LocationFilter::RelativeGroup(1)));
        let previous = filter((Previous(1), Absolute(0)), OPEN);
        assert_eq!(previous, Ok(LocationFilter::RelativeGroup(2)));
        assert_eq!(Locations::NEXT_GROUP.filter(), Ok(LocationFilter::RelativeGroup(0)));
        assert_eq!(Locations::NEWEST_GROUP.filter(), Ok(LocationFilter::RelativeGroup(1)));
        let group_3 = filter((Absolute(3), Absolute(0)), (Absolute(4), Absolute(0)));
        let end = RangeEnd { group: GroupId(3), object: None };
        assert_eq!(group_3, Ok(LocationFilter::Range(Location::new(3, 0), end)));
    }

    #[test]
    fn an_end_object_is_exclusive() {
        let range = filter((Absolute(3), Absolute(1)), (Absolute(3), Absolute(5)));
        let end = RangeEnd { group: GroupId(3), object: Some(ObjectId(4)) };
        assert_eq!(range, Ok(LocationFilter::Range(Location::new(3, 1), end)));
    }

    #[test]
    fn locations_that_contradict_themselves_are_refused() {
        let refused = Err(NamedViolation::LocationRange);
        assert_eq!(filter((Mark::None, Absolute(0)), OPEN), refused);
        assert_eq!(filter((Next(0), Mark::None), OPEN), refused);
        assert_eq!(filter((Absolute(3), Absolute(0)), (Absolute(4), Mark::None)), refused);
        assert_eq!(filter((Absolute(3), Absolute(0)), (Mark::None, Absolute(1))), refused);
        assert_eq!(filter((Absolute(3), Absolute(0)), (Absolute(0), Absolute(0))), refused);
        assert_eq!(filter((Absolute(3), Absolute(5)), (Absolute(3), Absolute(5))), refused);
        assert_eq!(filter((Next(0), Absolute(0)), (Absolute(4), Absolute(0))), refused);
    }
}
