//! Fetch streams: objects of many groups, written against the object before (MOQT-18 §11.4.4).

mod decode;
mod encode;

pub use decode::FetchDecoder;
pub use encode::FetchEncoder;

use super::{FetchForm, FetchLayout, MarkLayout};
use crate::model::{GroupId, GroupOrder, Location, Priority, RangeMark, SubgroupId};

/// Bits of a fetched object's flags.
mod bit {
    /// Two bits: how the subgroup is named.
    pub(super) const SUBGROUP_FORM: u64 = 0x03;
    pub(super) const OBJECT: u64 = 0x04;
    pub(super) const GROUP: u64 = 0x08;
    pub(super) const PRIORITY: u64 = 0x10;
    pub(super) const PROPERTIES: u64 = 0x20;
    pub(super) const DATAGRAM: u64 = 0x40;
}

const SUBGROUP_IS_ZERO: u64 = 0;
const SUBGROUP_AS_BEFORE: u64 = 1;
const SUBGROUP_NEXT: u64 = 2;
const SUBGROUP_IN_FIELD: u64 = 3;

/// Flags that stand for a range without objects. They are whole values, no bits of their own.
const MARKS: [(u64, RangeMark); 3] =
    [(0x8C, RangeMark::NonExistent), (0x10C, RangeMark::Unknown), (0x20C, RangeMark::TimedOut)];

impl FetchLayout {
    /// Bits that flags of an object may have.
    fn known_bits(&self) -> u64 {
        let all = bit::SUBGROUP_FORM | bit::OBJECT | bit::GROUP | bit::PRIORITY | bit::PROPERTIES;
        match self.form {
            FetchForm::AllFields | FetchForm::FlagByte => all,
            FetchForm::FlagInteger => all | bit::DATAGRAM,
        }
    }

    /// Whether objects that were datagrams look different from others.
    fn tells_datagrams(&self) -> bool {
        self.form == FetchForm::FlagInteger
    }

    /// The mark that flags of this value stand for.
    fn mark(&self, flags: u64) -> Option<RangeMark> {
        let marks = self.marks.as_ref()?;
        let found = MARKS.iter().find(|&&(value, _)| value == flags)?.1;
        marks.has(found).then_some(found)
    }
}

impl MarkLayout {
    fn has(&self, mark: RangeMark) -> bool {
        self.timed_out || mark != RangeMark::TimedOut
    }
}

/// What later records of a fetch stream refer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Prior {
    /// Of the record before, object or mark.
    location: Option<Location>,
    /// Of the last object that had one. Marks and datagrams leave it.
    subgroup: Option<SubgroupId>,
    /// Of the last object.
    priority: Option<Priority>,
}

/// Whether `location` comes after `prior` in a fetch with this order.
fn follows(order: GroupOrder, prior: Location, location: Location) -> bool {
    match order {
        _ if prior.group == location.group => prior.object < location.object,
        GroupOrder::Ascending => prior.group < location.group,
        GroupOrder::Descending => prior.group > location.group,
    }
}

/// The group that lies `delta` groups further than the one next to `prior`.
fn group_after(order: GroupOrder, prior: GroupId, delta: u64) -> Option<GroupId> {
    let step = delta.checked_add(1)?;
    match order {
        GroupOrder::Ascending => prior.0.checked_add(step),
        GroupOrder::Descending => prior.0.checked_sub(step),
    }
    .map(GroupId)
}
