//! Which objects a subscription, a fetch or a fill is about. All ends are inclusive.

use super::id::{GroupId, Location, ObjectId};

/// Where a range ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RangeEnd {
    /// The last group.
    pub group: GroupId,
    /// The last object of that group; `None` for the whole group.
    pub object: Option<ObjectId>,
}

impl RangeEnd {
    /// Whether `location` lies at or before this end.
    pub fn includes(self, location: Location) -> bool {
        location.group < self.group
            || location.group == self.group
                && self.object.is_none_or(|last| location.object <= last)
    }
}

/// LOCATION_FILTER: the part of a track that a request is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum LocationFilter {
    /// No filter: everything.
    #[default]
    All,
    /// From just after the largest object; everything if there is none.
    NextObject,
    /// From the start of the group `largest + 1 - n`, clamped at 0: 0 is the next group, 1 the
    /// current one.
    RelativeGroup(u64),
    /// From a location on.
    From(Location),
    /// From a location to an end.
    Range(Location, RangeEnd),
}

impl LocationFilter {
    /// Start and end of the filter once the largest location is known.
    pub fn resolve(self, largest: Option<Location>) -> (Location, Option<RangeEnd>) {
        match (self, largest) {
            (LocationFilter::All, _) => (Location::ZERO, None),
            (LocationFilter::NextObject | LocationFilter::RelativeGroup(_), None) => {
                (Location::ZERO, None)
            }
            (LocationFilter::NextObject, Some(largest)) => (after(largest), None),
            (LocationFilter::RelativeGroup(back), Some(largest)) => {
                // The sum is taken before the difference, so the largest group id still has a
                // next one: nothing can follow it, and the start stays beyond every object.
                let start = match (largest.group.0.checked_add(1), back) {
                    (Some(next), back) => Location::new(next.saturating_sub(back), 0),
                    (None, 0) => Location::new(u64::MAX, u64::MAX),
                    (None, back) => Location::new(u64::MAX - (back - 1), 0),
                };
                (start, None)
            }
            (LocationFilter::From(start), _) => (start, None),
            (LocationFilter::Range(start, end), _) => (start, Some(end)),
        }
    }
}

impl LocationFilter {
    /// The filter without what an absolute start has before `first`.
    pub fn begin_at(self, first: Location) -> LocationFilter {
        match self {
            LocationFilter::From(start) => LocationFilter::From(start.max(first)),
            LocationFilter::Range(start, end) => LocationFilter::Range(start.max(first), end),
            LocationFilter::All => LocationFilter::From(first),
            relative => relative,
        }
    }

    /// Whether a range that ends at `end` lies wholly before this filter. Relative starts are
    /// the publisher's to know.
    pub fn starts_after(self, end: RangeEnd) -> bool {
        match self {
            LocationFilter::From(start) | LocationFilter::Range(start, _) => !end.includes(start),
            _ => false,
        }
    }
}

/// The location just after `location`, which is the start of the next group at the largest id.
fn after(location: Location) -> Location {
    match location.object.next() {
        Some(object) => Location { group: location.group, object },
        None => {
            Location { group: GroupId(location.group.0.saturating_add(1)), object: ObjectId(0) }
        }
    }
}

/// What a [`RangeFilter`] looks at (MOQT-19 §5.1.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RangeFilterKind {
    /// Subgroup ids.
    Subgroup,
    /// Object ids.
    Object,
    /// Publisher priorities.
    Priority,
    /// The value of an object property of this (even) type.
    ObjectProperty(u64),
    /// The value of a track property of this (even) type; only for track interests.
    TrackProperty(u64),
}

/// One range filter: ranges of one kind. Filters of one set are ANDed, sets are ORed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RangeFilter {
    /// What is compared.
    pub kind: RangeFilterKind,
    /// The set it belongs to.
    pub set: u8,
    /// Inclusive ranges, ascending; `None` is open.
    pub ranges: Vec<(u64, Option<u64>)>,
}

/// All range filters of a request.
pub type RangeFilters = Vec<RangeFilter>;

/// FILL_PARAMETERS: past objects asked for together with a subscription.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Fill {
    /// The range; `None` takes the subscription's.
    pub filter: Option<LocationFilter>,
    /// Subscriber priority, if unlike the subscription's.
    pub priority: Option<super::Priority>,
    /// Group order, if unlike the subscription's.
    pub order: Option<super::GroupOrder>,
    /// Longest wait for upstream.
    pub timeout: Option<std::time::Duration>,
    /// Range filters.
    pub range_filters: RangeFilters,
}
