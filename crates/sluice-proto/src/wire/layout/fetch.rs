//! FETCH and FETCH_OK (MOQT-18 §10.12 and §10.13).

use super::body::{Body, Writer};
use super::filter::from;
use super::name::NamespacePlace;
use super::parameter::{Carrier, Parameters};
use crate::model::{
    Fetch, FetchOk, FetchRange, GroupId, JoiningStart, Location, LocationFilter, ObjectId,
    RangeEnd, RequestId,
};
use crate::wire::{Field, Inexpressible, Violation};

/// How FETCH says what it wants, and how ends of a range are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FetchRequestLayout {
    /// A type, then a range or the subscription to join. Ends are one past the last object; 0 is
    /// the whole group.
    TypedExclusiveEnd,
    /// A track; the range is a location filter. Ends are the last object.
    FilterInclusiveEnd,
}

const STANDALONE: u64 = 0x1;
const RELATIVE_JOINING: u64 = 0x2;
const ABSOLUTE_JOINING: u64 = 0x3;

/// Where a whole group ends, in a draft that has to name an object: at the largest id of the older
/// drafts, which nobody's sum overflows.
const WHOLE_GROUP: ObjectId = ObjectId((1 << 62) - 1);

impl Body<'_> {
    pub(in crate::wire) fn fetch(&mut self) -> Result<Fetch, Violation> {
        let mut given = Parameters::default();
        self.fixed(Carrier::Fetch, &mut given)?;
        let mut range = match self.dialect.fetch {
            FetchRequestLayout::TypedExclusiveEnd => self.typed_fetch()?,
            FetchRequestLayout::FilterInclusiveEnd => {
                FetchRange::Standalone(self.track(NamespacePlace::Whole)?, LocationFilter::All)
            }
        };
        self.parameters(&[Carrier::Fetch], &mut given)?;
        if let (FetchRange::Standalone(_, range), Some(filter)) = (&mut range, given.filter) {
            *range = filter;
        }
        Ok(Fetch {
            range,
            priority: given.priority,
            order: given.order,
            fill_timeout: given.fill_timeout,
            range_filters: given.range_filters,
            include_properties: given.include_properties,
            tokens: given.tokens,
        })
    }

    fn typed_fetch(&mut self) -> Result<FetchRange, Violation> {
        let kind = self.int(Field::FetchType)?;
        if kind == STANDALONE {
            let track = self.track(NamespacePlace::Whole)?;
            let start = self.location()?;
            let end = self.exclusive_end()?;
            // To the largest group there can be is to the end of what there is.
            let open = end.group.0 == self.dialect.integers.max() && end.object.is_none();
            let range = if open { from(start) } else { LocationFilter::Range(start, end) };
            return Ok(FetchRange::Standalone(track, range));
        }
        if kind != RELATIVE_JOINING && kind != ABSOLUTE_JOINING {
            return Err(self.invalid(Field::FetchType, kind));
        }
        let subscription = RequestId(self.int(Field::JoiningRequestId)?);
        let start = self.int(Field::JoiningStart)?;
        let start = match kind {
            RELATIVE_JOINING => JoiningStart::Relative(start),
            _ => JoiningStart::Absolute(GroupId(start)),
        };
        Ok(FetchRange::Joining(subscription, start))
    }

    fn exclusive_end(&mut self) -> Result<RangeEnd, Violation> {
        let end = self.location()?;
        let object = end.object.0.checked_sub(1).map(ObjectId);
        Ok(RangeEnd { group: end.group, object })
    }

    /// The body of FETCH_OK after a request id.
    pub(in crate::wire) fn fetch_ok(&mut self) -> Result<FetchOk, Violation> {
        let mut given = Parameters::default();
        self.fixed(Carrier::FetchOk, &mut given)?;
        let end_of_track = self.byte(Field::EndOfTrack)?;
        let end_of_track = self.flag(Field::EndOfTrack, end_of_track.into())?;
        let end = match self.dialect.fetch {
            FetchRequestLayout::TypedExclusiveEnd => self.exclusive_end()?,
            FetchRequestLayout::FilterInclusiveEnd => {
                let end = self.location()?;
                let object = Some(end.object).filter(|last| *last < WHOLE_GROUP);
                RangeEnd { group: end.group, object }
            }
        };
        self.parameters(&[Carrier::FetchOk], &mut given)?;
        // The order of a fetch is its own, not the track's.
        let order = given.order.take();
        let properties = self.track_properties(&given)?;
        Ok(FetchOk { end_of_track, end, order, properties })
    }
}

impl Writer<'_, '_> {
    pub(in crate::wire) fn fetch(&mut self, fetch: &Fetch) -> Result<(), Inexpressible> {
        let mut given = Parameters {
            priority: fetch.priority,
            order: fetch.order,
            fill_timeout: fetch.fill_timeout,
            range_filters: fetch.range_filters.clone(),
            include_properties: fetch.include_properties,
            tokens: fetch.tokens.clone(),
            ..Parameters::default()
        };
        self.fixed(Carrier::Fetch, &given)?;
        match (self.dialect.fetch, &fetch.range) {
            (FetchRequestLayout::TypedExclusiveEnd, range) => self.typed_fetch(range)?,
            (FetchRequestLayout::FilterInclusiveEnd, FetchRange::Standalone(track, range)) => {
                self.track(track, NamespacePlace::Whole)?;
                let everything = [LocationFilter::All, LocationFilter::From(Location::ZERO)];
                given.filter = Some(*range).filter(|range| !everything.contains(range));
            }
            (FetchRequestLayout::FilterInclusiveEnd, FetchRange::Joining(..)) => {
                return Err(Inexpressible::JoiningFetch);
            }
        }
        self.parameters(&[Carrier::Fetch], &given)
    }

    fn typed_fetch(&mut self, range: &FetchRange) -> Result<(), Inexpressible> {
        let (track, range) = match range {
            FetchRange::Joining(subscription, start) => {
                let (kind, start) = match *start {
                    JoiningStart::Relative(groups) => (RELATIVE_JOINING, groups),
                    JoiningStart::Absolute(group) => (ABSOLUTE_JOINING, group.0),
                };
                self.int(kind)?;
                self.int(subscription.0)?;
                return self.int(start);
            }
            FetchRange::Standalone(track, range) => (track, *range),
        };
        // There is no open end, but one may lie beyond the largest object.
        let last = RangeEnd { group: GroupId(self.dialect.integers.max()), object: None };
        let (start, end) = match range {
            LocationFilter::All => (Location::ZERO, last),
            LocationFilter::From(start) => (start, last),
            LocationFilter::Range(start, end) => (start, end),
            LocationFilter::NextObject | LocationFilter::RelativeGroup(_) => {
                return Err(Inexpressible::RelativeFetch);
            }
        };
        self.int(STANDALONE)?;
        self.track(track, NamespacePlace::Whole)?;
        self.location(start)?;
        self.exclusive_end(end)
    }

    fn exclusive_end(&mut self, end: RangeEnd) -> Result<(), Inexpressible> {
        self.int(end.group.0)?;
        // One past the largest object id is no number; nothing in the group lies beyond it.
        let past = end.object.and_then(ObjectId::next).map_or(0, |past| past.0);
        self.int(if past > self.dialect.integers.max() { 0 } else { past })
    }

    /// The body of FETCH_OK after a request id.
    pub(in crate::wire) fn fetch_ok(&mut self, ok: &FetchOk) -> Result<(), Inexpressible> {
        let mut given = Parameters { order: ok.order, ..Parameters::default() };
        self.fixed(Carrier::FetchOk, &given)?;
        self.byte(ok.end_of_track.into());
        match self.dialect.fetch {
            FetchRequestLayout::TypedExclusiveEnd => self.exclusive_end(ok.end)?,
            FetchRequestLayout::FilterInclusiveEnd => {
                let object = ok.end.object.unwrap_or(WHOLE_GROUP);
                self.location(Location { group: ok.end.group, object })?;
            }
        }
        self.settings_of(&ok.properties, &mut given);
        self.parameters(&[Carrier::FetchOk], &given)?;
        self.track_properties(&ok.properties)
    }
}
