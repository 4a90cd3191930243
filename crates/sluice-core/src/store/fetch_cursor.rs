//! Positions of readers of stored groups.
//!
//! A fetch cursor walks groups by object id. What is known not to exist it passes over; where
//! nothing is known it says so, and its owner asks upstream or gives that part up.

use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{GroupId, GroupOrder, Location, ObjectId, ObjectStatus, RangeEnd};

use super::TrackStore;
use super::cursor::ObjectKey;
use super::fetch::{FetchSpan, last_location};
use super::group::Group;

/// A reader's place in a fetch. Keyed by ids, so it survives inserts, evictions and refetches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchCursor {
    span: FetchSpan,
    /// Where it stands; `None` at the end.
    at: Option<Location>,
    stage: Stage,
    /// When the fetch began: what arrived since is served whatever its age.
    begun: Instant,
    /// Whether it passes over what live readers find.
    beside_logs: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Looking for the next object at or after this one; bytes of its frame taken already.
    Frame(usize),
    /// In the payload of this object.
    Payload(u64),
}

/// What a fetch cursor found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchStep {
    /// The next object. Its payload follows.
    Object {
        /// The object.
        key: ObjectKey,
        /// Where it stands.
        location: Location,
        /// Bytes of its frame that were taken already.
        frame_taken_bytes: usize,
    },
    /// The next bytes of its payload.
    Payload(Bytes),
    /// The next object, or the rest of one, is on its way.
    Wait,
    /// Of these locations nothing is known: ask upstream, or give them up with
    /// [`FetchCursor::give_up`].
    Unknown(UnknownSpan),
    /// The object the cursor is inside of turned out not to exist. The stream cannot go on.
    Broken,
    /// Everything was taken.
    End,
}

/// Locations of which nothing is known, in ascending order whatever the fetch's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownSpan {
    /// The first.
    pub start: Location,
    /// The last.
    pub end: RangeEnd,
}

impl FetchCursor {
    /// A cursor at the beginning of `span`. The caller has cut the span at the largest location.
    pub fn new(span: FetchSpan, now: Instant) -> FetchCursor {
        let group = span.first_group();
        let at = span
            .objects(group)
            .filter(|_| span.start.group <= span.end.group)
            .map(|(first, _)| Location { group, object: ObjectId(first) });
        let stage = Stage::Frame(0);
        let mut cursor = FetchCursor { span, at, stage, begun: now, beside_logs: false };
        if at.is_none() {
            cursor.leave_group(group);
        }
        cursor
    }

    /// Passes over what is in a log, or waits for one: its reader has that from there.
    pub fn beside_logs(self) -> FetchCursor {
        FetchCursor { beside_logs: true, ..self }
    }

    /// What it walks.
    pub fn span(&self) -> FetchSpan {
        self.span
    }

    /// The object it is at or inside of, or looks for; `None` at the end.
    pub fn location(&self) -> Option<Location> {
        self.at
    }

    /// Whether it stands inside an object.
    pub fn is_inside(&self) -> bool {
        self.stage != Stage::Frame(0)
    }

    /// Corrects a cursor that was put back to before a step, of which `bytes` were taken after
    /// all: of the object's frame, or of the payload.
    pub fn stand_in(&mut self, bytes: usize) {
        match &mut self.stage {
            Stage::Frame(taken) => *taken += bytes,
            Stage::Payload(offset) => *offset += bytes as u64,
        }
    }

    /// Goes on after locations that stay unknown. The reader has to be told of them.
    pub fn give_up(&mut self, unknown: &UnknownSpan) {
        let edge = match self.span.order {
            GroupOrder::Ascending => last_location(unknown.end),
            GroupOrder::Descending if unknown.start.group == unknown.end.group => {
                last_location(unknown.end)
            }
            GroupOrder::Descending => {
                Location { group: unknown.start.group, object: ObjectId(u64::MAX) }
            }
        };
        self.stage = Stage::Frame(0);
        self.move_past(edge);
    }

    /// Leaves out the object that it is at or inside of.
    pub fn pass_object(&mut self) {
        self.stage = Stage::Frame(0);
        if let Some(at) = self.at {
            self.move_past(at);
        }
    }

    /// Takes the next step. At most `max_bytes` of payload, in one piece.
    pub fn next(&mut self, store: &mut TrackStore, max_bytes: usize, now: Instant) -> FetchStep {
        loop {
            let Some(at) = self.at else { return FetchStep::End };
            let step = match self.stage {
                Stage::Payload(offset) => self.read(store, at, offset, max_bytes),
                Stage::Frame(taken) => self.look(store, at, taken, now),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Inside an object.
    fn read(
        &mut self,
        store: &mut TrackStore,
        at: Location,
        offset: u64,
        max_bytes: usize,
    ) -> Option<FetchStep> {
        let found = store
            .group_by_id(at.group)
            .and_then(|(key, group)| Some((key, group, group.slot_of(at.object)?)));
        let Some((group, slot, total, coming)) = found.and_then(|(key, group, slot)| {
            let object = group.object(slot)?;
            Some((key, slot, object.payload_bytes, object.feeders > 0))
        }) else {
            if store.is_absent(at) {
                return Some(FetchStep::Broken);
            }
            return Some(self.missing(store, at, at));
        };
        if total.is_some_and(|total| offset >= total) {
            self.stage = Stage::Frame(0);
            self.move_past(at);
            return None;
        }
        let key = ObjectKey { group, slot };
        match store.payload(key, offset, max_bytes) {
            Some(bytes) => {
                self.stage = Stage::Payload(offset + bytes.len() as u64);
                Some(FetchStep::Payload(bytes))
            }
            None if coming => Some(FetchStep::Wait),
            None => Some(self.missing(store, at, at)),
        }
    }

    /// Between objects.
    fn look(
        &mut self,
        store: &TrackStore,
        at: Location,
        taken: usize,
        now: Instant,
    ) -> Option<FetchStep> {
        let Some((first, last)) = self.span.objects(at.group) else {
            self.leave_group(at.group);
            return None;
        };
        let first = first.max(at.object.0);
        let Some((key, group)) = store.group_by_id(at.group) else {
            if let Some((low, high)) = store.absent_groups_around(at.group) {
                self.leave_group(match self.span.order {
                    GroupOrder::Ascending => high.min(self.span.end.group),
                    GroupOrder::Descending => low.max(self.span.start.group),
                });
                return None;
            }
            let last = self.last_unknown_group(store, at.group);
            return Some(self.missing_groups(store, at, last));
        };
        let next = group.next_stored(first, last);
        let until = next.map_or(Some(last), |(object, _)| object.0.checked_sub(1));
        if let Some(until) = until
            && let Some((from, to)) = store.unknown_in(group, first, until)
        {
            let from = Location { group: at.group, object: ObjectId(from) };
            let to = Location { group: at.group, object: ObjectId(to) };
            self.at = Some(from);
            return Some(self.missing(store, from, to));
        }
        let Some((object, slot)) = next else {
            self.leave_group(at.group);
            return None;
        };
        let location = Location { group: at.group, object };
        let stored = group.object(slot)?;
        self.at = Some(location);
        let elsewhere = self.beside_logs && stored.is_for_logs();
        if stored.status != ObjectStatus::Normal || elsewhere {
            self.move_past(location);
            return None;
        }
        if stored.payload_bytes.is_none() && stored.feeders > 0 {
            // Its head says a length, which only its end will tell.
            return Some(FetchStep::Wait);
        }
        let usable = stored.is_complete() || stored.payload_bytes.is_some() && stored.feeders > 0;
        if !usable || store.is_expired(stored.arrived, self.begun, now) && taken == 0 {
            return Some(self.missing(store, location, location));
        }
        self.stage = Stage::Payload(0);
        Some(FetchStep::Object {
            key: ObjectKey { group: key, slot },
            location,
            frame_taken_bytes: taken,
        })
    }

    /// `from..=to` of one group is not here.
    fn missing(&self, store: &TrackStore, from: Location, to: Location) -> FetchStep {
        if store.is_being_fetched(from) {
            return FetchStep::Wait;
        }
        let to = store.before_fetched(from, to);
        let object = (to.object.0 != u64::MAX).then_some(to.object);
        FetchStep::Unknown(UnknownSpan { start: from, end: RangeEnd { group: to.group, object } })
    }

    /// From `at` on, whole groups up to and including `last` are not here.
    fn missing_groups(&self, store: &TrackStore, at: Location, last: GroupId) -> FetchStep {
        if store.is_being_fetched(at) {
            return FetchStep::Wait;
        }
        let (low, high) = (at.group.min(last), at.group.max(last));
        let start = if low == at.group {
            at
        } else {
            let first = self.span.objects(low).map_or(0, |(first, _)| first);
            Location { group: low, object: ObjectId(first) }
        };
        let object = self.span.objects(high).map(|(_, last)| ObjectId(last));
        let object = object.filter(|last| last.0 != u64::MAX);
        FetchStep::Unknown(UnknownSpan { start, end: RangeEnd { group: high, object } })
    }

    /// The last group of the stretch of unknown groups that begins at `group`.
    fn last_unknown_group(&self, store: &TrackStore, group: GroupId) -> GroupId {
        let (from, to) = (group.0, self.span.end.group.0);
        let last = match self.span.order {
            GroupOrder::Ascending => {
                let stored = group
                    .next()
                    .and_then(|next| store.by_id.range(next..).next())
                    .map_or(u64::MAX, |(id, _)| id.0 - 1);
                let absent =
                    store.absent_groups.next_above(from).map_or(u64::MAX, |(start, _)| start - 1);
                let fetched = store.fetches_above(group).map_or(u64::MAX, |id| id.0 - 1);
                stored.min(absent).min(fetched).min(to)
            }
            GroupOrder::Descending => {
                let stored = store.by_id.range(..group).next_back().map_or(0, |(id, _)| id.0 + 1);
                let absent = store.absent_groups.next_below(from).map_or(0, |(_, end)| end + 1);
                let fetched = store.fetches_below(group).map_or(0, |id| id.0 + 1);
                stored.max(absent).max(fetched).max(self.span.start.group.0)
            }
        };
        GroupId(last)
    }

    fn move_past(&mut self, at: Location) {
        let last = self.span.objects(at.group).map_or(0, |(_, last)| last);
        match at.object.next() {
            Some(object) if object.0 <= last => {
                self.at = Some(Location { group: at.group, object });
            }
            Some(_) | None => self.leave_group(at.group),
        }
    }

    fn leave_group(&mut self, group: GroupId) {
        let mut group = group;
        self.stage = Stage::Frame(0);
        self.at = None;
        while let Some(next) = self.span.group_after(group) {
            if let Some((first, _)) = self.span.objects(next) {
                self.at = Some(Location { group: next, object: ObjectId(first) });
                return;
            }
            group = next;
        }
    }
}

impl TrackStore {
    /// Whether `at` is known not to exist.
    pub fn is_absent(&self, at: Location) -> bool {
        if self.end.is_some_and(|end| at >= end) {
            return true;
        }
        match self.group_by_id(at.group) {
            Some((_, group)) => group.is_absent(at.object),
            None => self.absent_groups.contains(at.group.0),
        }
    }

    /// The stretch of groups without objects that holds `group`, which is not stored.
    fn absent_groups_around(&self, group: GroupId) -> Option<(GroupId, GroupId)> {
        if let Some(end) = self.end {
            let first = if end.object.0 == 0 { Some(end.group) } else { end.group.next() };
            if let Some(first) = first
                && group >= first
            {
                return Some((first, GroupId(u64::MAX)));
            }
        }
        let (low, high) = self.absent_groups.around(group.0)?;
        Some((GroupId(low), GroupId(high)))
    }

    /// What to ask upstream for, of a fetch that found `unknown` first: everything up to the
    /// span's end in that group if more of it is unknown. A group of many holes costs one round
    /// trip then, and what is asked for again is known to be a copy.
    pub fn widen_unknown(&self, unknown: UnknownSpan, span: FetchSpan) -> UnknownSpan {
        let UnknownSpan { start, end } = unknown;
        let known = self.group_by_id(start.group).zip(span.objects(start.group));
        let (Some(((_, group), (_, last))), true, Some(asked)) =
            (known, start.group == end.group, end.object)
        else {
            return unknown;
        };
        let more = asked.0 < last && self.unknown_in(group, asked.0 + 1, last).is_some();
        if !more {
            return unknown;
        }
        let object = (last != u64::MAX).then_some(ObjectId(last));
        UnknownSpan { start, end: RangeEnd { group: end.group, object } }
    }

    /// Since when nothing came of a group whose rest is `unknown`, if it is one that its objects
    /// alone tell of: no mark will end it. A later group has begun. Only for what nobody can be
    /// asked about.
    pub fn quiet_since(&self, unknown: &UnknownSpan) -> Option<Instant> {
        let (_, group) = self.group_by_id(unknown.start.group)?;
        let last = group.subgroups.iter().filter_map(|(_, subgroup)| subgroup.highest).max()?;
        let object = group.object(group.slot_of(last)?)?;
        let has_later = self.largest.is_some_and(|largest| largest.group > group.id);
        let is_rest = unknown.end.group == group.id && unknown.start.object > last;
        let is_over = has_later && is_rest && object.stream.order.is_some() && group.feeds == 0;
        is_over.then_some(group.last_arrival)
    }

    /// The first stretch in `first..=last` of `group` of which nothing is known.
    fn unknown_in(&self, group: &Group, first: u64, last: u64) -> Option<(u64, u64)> {
        let last = match self.end {
            Some(end) if end.group < group.id => return None,
            Some(end) if end.group == group.id => last.min(end.object.0.checked_sub(1)?),
            Some(_) | None => last,
        };
        group.first_unknown(first, last)
    }

    /// MAX_CACHE_DURATION: a fetch does not start on an object that is older, unless it came to
    /// answer this very fetch.
    fn is_expired(&self, arrived: Instant, begun: Instant, now: Instant) -> bool {
        self.cache_duration.is_some_and(|max| arrived < begun && now.duration_since(arrived) >= max)
    }

    /// The last location of `from..=to` before one that a fetch under way brings.
    fn before_fetched(&self, from: Location, to: Location) -> Location {
        let mut to = to;
        for feed in self.fetches_under_way() {
            let Some((first, _)) = feed.remaining(from.group) else { continue };
            if first > from.object.0 && first <= to.object.0 {
                to.object = ObjectId(first - 1);
            }
        }
        to
    }

    /// The first group above `group` that a fetch under way brings.
    fn fetches_above(&self, group: GroupId) -> Option<GroupId> {
        self.fetches_under_way()
            .filter_map(|feed| {
                let first = feed.span.start.group.max(group.next()?);
                (first <= feed.span.end.group).then_some(first)
            })
            .min()
    }

    /// The last group below `group` that a fetch under way brings.
    fn fetches_below(&self, group: GroupId) -> Option<GroupId> {
        self.fetches_under_way()
            .filter_map(|feed| {
                let last = feed.span.end.group.min(GroupId(group.0.checked_sub(1)?));
                (last >= feed.span.start.group).then_some(last)
            })
            .max()
    }
}
