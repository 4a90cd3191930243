//! Fetches: what comes back on fetch streams, and cursors that walk stored groups by object id.

use std::time::Instant;

use sluice_proto::model::{
    Delivery, FetchItem, FetchedObject, GroupId, GroupOrder, Location, ObjectId, ObjectStatus,
    RangeEnd, RangeMark,
};

use super::TrackStore;
use super::arrival::LiveArrival;
use super::feed::{Change, FeedKey, FeedKind};
use super::group::{Verdict, differs};
use super::malformed::MalformedTrack;
use super::source::{PriorityRule, SourceId};

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
    pub(super) fn objects(&self, group: GroupId) -> Option<(u64, u64)> {
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

    /// Whether a location is in the span.
    pub fn contains(&self, at: Location) -> bool {
        self.objects(at.group).is_some_and(|(first, last)| (first..=last).contains(&at.object.0))
    }

    /// Where the walk begins.
    pub(super) fn first_group(&self) -> GroupId {
        match self.order {
            GroupOrder::Ascending => self.start.group,
            GroupOrder::Descending => self.end.group,
        }
    }

    /// The group that comes after `group`.
    pub(super) fn group_after(&self, group: GroupId) -> Option<GroupId> {
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
    pub(super) span: FetchSpan,
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
    pub(super) fn remaining(&self, group: GroupId) -> Option<(u64, u64)> {
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
            payload_bytes: Some(object.payload_bytes),
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
            let slot = group.place(verdict, &incoming, now);
            group.last_arrival = group.last_arrival.max(now);
            if let Some(stored) = group.object_mut(slot) {
                // The publisher vouches for it anew.
                if cache_duration.is_some_and(|max| now.duration_since(stored.arrived) >= max) {
                    stored.arrived = now;
                }
            }
            slot
        });
        if let Some(slot) = slot {
            self.begin_payload(key, group, slot, Some(object.payload_bytes));
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

    /// Fetches that have not ended.
    pub(super) fn fetches_under_way(&self) -> impl Iterator<Item = &FetchFeed> {
        self.fetches.iter().filter_map(|&index| match &self.feeds.get(index as usize)?.kind {
            FeedKind::Fetch(fetch) => Some(fetch),
            FeedKind::Subgroup(_) => None,
        })
    }

    /// Whether some fetch under way can still bring `at`.
    pub(crate) fn is_being_fetched(&self, at: Location) -> bool {
        self.fetches_under_way().any(|fetch| fetch.may_bring(at))
    }
}

pub(super) fn last_location(end: RangeEnd) -> Location {
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
