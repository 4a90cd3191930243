//! Fetches: what comes back on fetch streams, and cursors that walk stored groups by object id.

use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{
    Delivery, FetchItem, FetchedObject, GroupId, GroupOrder, Location, ObjectId, ObjectStatus,
    RangeEnd, RangeMark,
};

use super::TrackStore;
use super::cursor::ObjectKey;
use super::feed::{Change, Current, FeedKey, FeedKind, LiveArrival, PriorityRule, SourceId};
use super::group::{Group, Verdict, differs};
use super::malformed::MalformedTrack;

/// The part of a track a fetch is about, and the order of its groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchSpan {
    /// The first location.
    pub start: Location,
    /// The last location.
    pub end: RangeEnd,
    /// Order of the groups; objects of a group always ascend.
    pub order: GroupOrder,
}

impl FetchSpan {
    /// The object ids of `group` that are in the span.
    fn objects(&self, group: GroupId) -> Option<(u64, u64)> {
        if group < self.start.group || group > self.end.group {
            return None;
        }
        let first = if group == self.start.group { self.start.object.0 } else { 0 };
        let last = match self.end.object {
            Some(last) if group == self.end.group => last.0,
            _ => u64::MAX,
        };
        (first <= last).then_some((first, last))
    }

    fn contains(&self, at: Location) -> bool {
        self.objects(at.group).is_some_and(|(first, last)| (first..=last).contains(&at.object.0))
    }

    /// Where the walk begins.
    fn first_group(&self) -> GroupId {
        match self.order {
            GroupOrder::Ascending => self.start.group,
            GroupOrder::Descending => self.end.group,
        }
    }

    /// The group that comes after `group`.
    fn group_after(&self, group: GroupId) -> Option<GroupId> {
        match self.order {
            GroupOrder::Ascending => group.next().filter(|&next| next <= self.end.group),
            GroupOrder::Descending => {
                group.0.checked_sub(1).map(GroupId).filter(|&next| next >= self.start.group)
            }
        }
    }
}

/// Whether gaps of a fetch stream are evidence that the objects do not exist.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Absence {
    /// They are, once the stream ends with FIN.
    Evidence,
    /// They are not: filters left objects out.
    Filtered,
}

#[derive(Debug)]
pub(super) struct FetchFeed {
    span: FetchSpan,
    absence: Absence,
    /// The last location the stream has come to.
    reached: Option<Location>,
    /// Stretches that were taken for absent; undone if the stream fails.
    gaps: Vec<Gap>,
}

/// A stretch that does not exist: objects of one group, or whole groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Gap {
    Objects(GroupId, u64, u64),
    Groups(u64, u64),
}

impl FetchFeed {
    /// How many gaps are remembered.
    #[cfg(any(test, feature = "model"))]
    pub(super) fn gaps_len(&self) -> usize {
        self.gaps.len()
    }

    /// The objects of `group` that the stream can still bring.
    fn remaining(&self, group: GroupId) -> Option<(u64, u64)> {
        let (first, last) = self.span.objects(group)?;
        match self.reached {
            Some(reached) if reached.group == group => {
                let first = reached.object.0.checked_add(1)?.max(first);
                (first <= last).then_some((first, last))
            }
            Some(reached) => {
                let ahead = match self.span.order {
                    GroupOrder::Ascending => group > reached.group,
                    GroupOrder::Descending => group < reached.group,
                };
                ahead.then_some((first, last))
            }
            None => Some((first, last)),
        }
    }

    /// Whether the stream can still bring `at`.
    fn may_bring(&self, at: Location) -> bool {
        self.remaining(at.group).is_some_and(|(first, last)| (first..=last).contains(&at.object.0))
    }
}

impl TrackStore {
    /// A source was asked for `span`. Call when the request goes out: fetch cursors then wait for
    /// it instead of asking again. Items and payload follow, then [`finish_fetch`](Self::finish_fetch)
    /// or [`reset`](Self::reset).
    pub fn begin_fetch(&mut self, source: SourceId, span: FetchSpan, absence: Absence) -> FeedKey {
        let feed = FetchFeed { span, absence, reached: None, gaps: Vec::new() };
        let key = self.add_feed(source, FeedKind::Fetch(feed));
        self.fetches.push(key.index());
        key
    }

    /// The next item on a fetch stream. An object's payload follows by
    /// [`handle_payload`](Self::handle_payload).
    ///
    /// # Errors
    /// It contradicts what is known. It is not stored, and the track is malformed.
    pub fn handle_fetch_item(
        &mut self,
        key: FeedKey,
        item: &FetchItem,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        let result = self.accept_fetch_item(key, item, now);
        self.record(result)
    }

    fn accept_fetch_item(
        &mut self,
        key: FeedKey,
        item: &FetchItem,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        if let Some(malformed) = &self.malformed {
            return Err(malformed.clone());
        }
        self.end_current(key);
        let at = match item {
            FetchItem::Object(object) => object.location,
            FetchItem::EndOfRange(location, _) => *location,
        };
        let Some((source, feed)) = self.fetch_feed(key) else { return Ok(Change::None) };
        if !feed.span.contains(at) {
            return Err(MalformedTrack::FetchGroupOrder { object: at });
        }
        let before = feed.reached;
        if !feed.may_bring(at) {
            let previous = before.unwrap_or(at);
            return Err(if previous.group == at.group {
                MalformedTrack::FetchObjectOrder { previous, object: at }
            } else {
                MalformedTrack::FetchGroupOrder { object: at }
            });
        }
        feed.reached = Some(at);
        match item {
            FetchItem::EndOfRange(_, RangeMark::Unknown | RangeMark::TimedOut) => {
                Ok(Change::Stored)
            }
            FetchItem::EndOfRange(_, RangeMark::NonExistent) => {
                self.note_fetch_gap(key, before, at, true, now);
                Ok(Change::Stored)
            }
            FetchItem::Object(object) => {
                self.note_fetch_gap(key, before, at, false, now);
                self.accept_fetched(key, source, object, now)
            }
        }
    }

    fn accept_fetched(
        &mut self,
        key: FeedKey,
        source: SourceId,
        object: &FetchedObject,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        let arrival = LiveArrival {
            source,
            location: object.location,
            delivery: object.delivery,
            priority: Some(object.priority),
            properties: &object.properties,
            status: object.status,
            payload_bytes: object.payload_bytes,
            end_of_group: false,
        };
        if object.status == ObjectStatus::DoesNotExist {
            let at = object.location;
            self.note_gap(key, Gap::Objects(at.group, at.object.0, at.object.0), now);
            return Ok(Change::Stored);
        }
        let Some(incoming) = self.judge_object(&arrival)? else { return Ok(Change::Stored) };
        let group = self.ensure_group(object.location.group, now);
        let (priority, default) = (Some(object.priority), self.default_priority);
        let strict = self.rules(source).priority != PriorityRule::Free;
        let verdict = self.with_group(group, |group| {
            if let Delivery::Subgroup(subgroup) = object.delivery {
                let at = group.ensure_subgroup(subgroup, priority);
                let pinned = group.subgroups[at as usize].priority;
                if strict && differs(pinned, priority, default) {
                    return Err(MalformedTrack::SubgroupPriority { group: group.id, subgroup });
                }
            }
            group.judge(&incoming)
        });
        let Some(verdict) = verdict.transpose()? else { return Ok(Change::None) };
        if verdict == Verdict::Absent {
            return Ok(Change::Stored);
        }
        self.note_track_facts(&arrival, &incoming);
        let cache_duration = self.cache_duration;
        let slot = self.with_group(group, |group| {
            let slot = match verdict {
                Verdict::Copy(slot) => {
                    group.refine(slot, &incoming);
                    slot
                }
                Verdict::New | Verdict::Absent => group.insert(&incoming, now),
            };
            group.last_arrival = group.last_arrival.max(now);
            if let Some(stored) = group.object_mut(slot) {
                if incoming.payload_bytes > 0 {
                    stored.feeders += 1;
                }
                // The publisher vouches for it anew.
                if cache_duration.is_some_and(|max| now.duration_since(stored.arrived) >= max) {
                    stored.arrived = now;
                }
            }
            slot
        });
        if let (Some(slot), Some(feed)) = (slot, self.feed_mut(key))
            && object.payload_bytes > 0
        {
            feed.current = Some(Current { group, slot, offset: 0 });
        }
        Ok(Change::Stored)
    }

    /// A fetch stream ended with FIN. `end` is the last location that the answer is about (of
    /// FETCH_OK); with `None` nothing is concluded for what follows the stream's last item.
    ///
    /// # Errors
    /// None today; fetches end like all feeds.
    pub fn finish_fetch(
        &mut self,
        key: FeedKey,
        end: Option<RangeEnd>,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        let whole = self.feed_mut(key).is_some_and(|feed| feed.current.is_none());
        if whole
            && let Some(end) = end
            && let Some((_, feed)) = self.fetch_feed(key)
        {
            let (before, span) = (feed.reached, feed.span);
            let last = match span.order {
                GroupOrder::Ascending => last_location(end).min(last_location(span.end)),
                GroupOrder::Descending => {
                    let group = span.start.group;
                    let last = span.objects(group).map_or(u64::MAX, |(_, last)| last);
                    Location { group, object: ObjectId(last) }
                }
            };
            if before.is_none_or(|_| span_may_continue(&span, before, last)) {
                self.note_fetch_gap(key, before, last, true, now);
            }
        }
        self.finish(key)
    }

    /// Between `before` and `at` the stream brought nothing, nor `at` itself if `inclusive`.
    fn note_fetch_gap(
        &mut self,
        key: FeedKey,
        before: Option<Location>,
        at: Location,
        inclusive: bool,
        now: Instant,
    ) {
        let Some((_, feed)) = self.fetch_feed(key) else { return };
        let span = feed.span;
        if feed.absence == Absence::Filtered {
            return;
        }
        let last = if inclusive { Some(at.object.0) } else { at.object.0.checked_sub(1) };
        let from = match before {
            Some(before) => before.object.0.checked_add(1).map(|next| (before.group, next)),
            None => {
                let group = span.first_group();
                span.objects(group).map(|(first, _)| (group, first))
            }
        };
        let begin = before.map_or(span.first_group(), |before| before.group);
        if begin == at.group {
            if let (Some((group, first)), Some(last)) = (from, last) {
                self.note_gap(key, Gap::Objects(group, first, last), now);
            }
            return;
        }
        if let Some((group, first)) = from
            && let Some((_, last)) = span.objects(group)
        {
            self.note_gap(key, Gap::Objects(group, first, last), now);
        }
        let (low, high) = (begin.min(at.group).0, begin.max(at.group).0);
        if high - low > 1 {
            self.note_gap(key, Gap::Groups(low + 1, high - 1), now);
        }
        if let (Some((first, _)), Some(last)) = (span.objects(at.group), last) {
            self.note_gap(key, Gap::Objects(at.group, first, last), now);
        }
    }

    fn note_gap(&mut self, key: FeedKey, gap: Gap, now: Instant) {
        let max = self.limits.fetch_gaps_max;
        let gap = match gap {
            Gap::Objects(_, first, last) if first > last => return,
            Gap::Objects(group, 0, u64::MAX) => Gap::Groups(group.0, group.0),
            gap => gap,
        };
        let Some((_, feed)) = self.fetch_feed(key) else { return };
        if feed.gaps.len() >= max {
            return;
        }
        feed.gaps.push(gap);
        self.used_bytes += super::cost::RANGE_BYTES;
        match gap {
            Gap::Objects(group, first, last) => {
                let group = self.ensure_group(group, now);
                self.with_group(group, |group| group.note_absent(first, last));
            }
            Gap::Groups(first, last) => self.note_absent_groups(first, last),
        }
    }

    pub(super) fn finish_fetch_feed(&mut self, index: u32, feed: FetchFeed) -> Change {
        self.fetches.retain(|&fetch| fetch != index);
        self.used_bytes -= feed.gaps.len() * super::cost::RANGE_BYTES;
        Change::Stored
    }

    pub(super) fn reset_fetch_feed(&mut self, index: u32, feed: FetchFeed) -> Change {
        for gap in &feed.gaps {
            match *gap {
                Gap::Objects(group, first, last) => {
                    if let Some((key, _)) = self.group_by_id(group) {
                        self.with_group(key, |group| group.forget_absent(first, last));
                    }
                }
                Gap::Groups(first, last) => self.forget_absent_groups(first, last),
            }
        }
        self.finish_fetch_feed(index, feed)
    }

    fn fetch_feed(&mut self, key: FeedKey) -> Option<(SourceId, &mut FetchFeed)> {
        let feed = self.feed_mut(key)?;
        let source = feed.source;
        match &mut feed.kind {
            FeedKind::Fetch(fetch) => Some((source, fetch)),
            FeedKind::Subgroup(_) => None,
        }
    }

    /// Whether some fetch under way can still bring `at`.
    fn is_being_fetched(&self, at: Location) -> bool {
        self.fetches_under_way().any(|fetch| fetch.may_bring(at))
    }
}

fn last_location(end: RangeEnd) -> Location {
    Location { group: end.group, object: end.object.unwrap_or(ObjectId(u64::MAX)) }
}

/// Whether `last` still lies ahead of a walk that has come to `before`.
fn span_may_continue(span: &FetchSpan, before: Option<Location>, last: Location) -> bool {
    before.is_none_or(|before| match span.order {
        GroupOrder::Ascending => before < last,
        GroupOrder::Descending => {
            before.group > last.group || before.group == last.group && before.object < last.object
        }
    })
}

/// A reader's place in a fetch. Keyed by ids, so it survives inserts, evictions and refetches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchCursor {
    span: FetchSpan,
    /// Where it stands; `None` at the end.
    at: Option<Location>,
    stage: Stage,
    /// When the fetch began: what arrived since is served whatever its age.
    begun: Instant,
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
        let mut cursor = FetchCursor { span, at, stage: Stage::Frame(0), begun: now };
        if at.is_none() {
            cursor.leave_group(group);
        }
        cursor
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
        if offset >= total {
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
            if store.is_group_absent(at.group) {
                self.leave_group(at.group);
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
        if stored.status != ObjectStatus::Normal {
            self.move_past(location);
            return None;
        }
        let usable = stored.is_complete() || stored.feeders > 0;
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

    /// Whether nothing exists in `group`, which is not stored.
    fn is_group_absent(&self, group: GroupId) -> bool {
        let start = Location { group, object: ObjectId(0) };
        self.absent_groups.contains(group.0) || self.end.is_some_and(|end| start >= end)
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

    fn fetches_under_way(&self) -> impl Iterator<Item = &FetchFeed> {
        self.fetches.iter().filter_map(|&index| match &self.feeds.get(index as usize)?.kind {
            FeedKind::Fetch(fetch) => Some(fetch),
            FeedKind::Subgroup(_) => None,
        })
    }
}
