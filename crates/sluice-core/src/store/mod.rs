//! The store of one track: fan-out buffer and cache in one structure.
//!
//! A [`TrackStore`] takes what upstream streams bring (*feeds*, from any number of *sources*) and
//! lets *cursors* drain it. Live cursors walk a subgroup's log by position, fetch cursors walk the
//! groups by object id, a datagram cursor walks datagrams in order of arrival. Cursors are small
//! values that hold positions and no references, so nothing here ever waits for a reader; one
//! whose data was evicted learns it from its next step.
//!
//! What holds at all times:
//! - a stored byte never changes, and an object whose turn has come in a live log stays there;
//! - the first copy of an object wins, further copies complete it or are dropped, and one that
//!   differs makes the track malformed;
//! - a cursor never skips or reorders inside a subgroup's log: it continues, ends or is gone;
//! - absence comes from evidence only; a bare gap between ids means nothing.
//!
//! Serves MOQT-18 §9.1 (caching), §9.3 (several publishers), §11.4.3 (the next object) and §2.4.2
//! (malformed tracks).

mod arrival;
mod budget;
mod cursor;
mod datagram;
mod facts;
mod feed;
mod fetch;
mod fetch_cursor;
mod group;
mod malformed;
#[cfg(any(test, feature = "model"))]
#[doc(hidden)]
pub mod model_check;
mod numbered;
mod object;
mod page;
mod ranges;
mod source;
mod subgroup;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;
use sluice_proto::model::{GroupId, Location, Priority};

pub use budget::{Demand, Reclaimed, reclaim};
pub use cursor::{ArrivalCursor, LiveCursor, LiveEnd, LiveStep, LogHead, LogKey, ObjectKey};
pub use datagram::DatagramCursor;
pub use feed::{Change, FeedKey, SubgroupStart};
pub use fetch::{Absence, FetchSpan};
pub use fetch_cursor::{FetchCursor, FetchStep, UnknownSpan};
pub use malformed::MalformedTrack;
pub use object::{FrameKey, ObjectView};
pub use page::PAGE_BYTES_MAX;
pub use source::{DeliveryRule, PriorityRule, SourceId, SourceRules};
pub use subgroup::LogEnd;

use budget::cost;
use cursor::Arrival;
use datagram::DatagramEntry;
use feed::Feed;
use group::Group;
use ranges::RangeSet;

/// Limits of one track's store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreLimits {
    /// Objects of a subgroup that wait for what comes before them; with more, the log is reset and
    /// goes on without it.
    pub pending_objects_max: usize,
    /// Encoded frames kept with an object; with more, a frame is encoded for each reader.
    pub frames_per_object_max: usize,
    /// Gaps remembered from one fetch stream; what further ones tell is forgotten.
    pub fetch_gaps_max: usize,
    /// Evicted groups of which it is remembered what went live, so that a slower source that
    /// brings them again does not send it twice. Older ones never go live again.
    pub evicted_groups_max: usize,
    /// Ranges of object ids remembered of one evicted group; with more, gaps count as sent.
    pub evicted_ranges_max: usize,
    /// Ranges of absent groups remembered; the lowest are forgotten first.
    pub absent_ranges_max: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            pending_objects_max: 32,
            frames_per_object_max: 6,
            fetch_gaps_max: 1024,
            evicted_groups_max: 32,
            evicted_ranges_max: 16,
            absent_ranges_max: 1024,
        }
    }
}

/// Whose memory payload bytes are in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Payloads {
    /// They come from receive buffers and are copied into pages of this store.
    Copy,
    /// They are slices of another store's pages, and are shared.
    Share,
}

/// Names a group of a store. One that was evicted and came back has another key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupKey {
    slot: u32,
    epoch: u64,
}

/// What is stored of a group, in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupSummary {
    /// The group.
    pub id: GroupId,
    /// What it costs.
    pub used_bytes: usize,
    /// Objects stored.
    pub objects: usize,
    /// Whether no stream is bringing objects of it.
    pub settled: bool,
    /// When its first object arrived.
    pub first_arrival: Instant,
    /// When its newest object arrived.
    pub last_arrival: Instant,
}

/// Everything stored of one track.
#[derive(Debug)]
pub struct TrackStore {
    limits: StoreLimits,
    payloads: Payloads,
    groups: Slab<Group>,
    by_id: BTreeMap<GroupId, u32>,
    epochs: u64,
    feeds: Slab<Feed>,
    generations: u32,
    sources: Slab<SourceRules>,
    /// Subgroups that are kept open although their publisher is gone.
    held: Vec<(GroupKey, u32)>,
    /// Feeds of fetches that have not ended.
    fetches: Vec<u32>,
    /// Logs in the order they began.
    arrivals: VecDeque<Arrival>,
    arrivals_next: u64,
    /// Datagrams in the order they arrived.
    datagrams: VecDeque<DatagramEntry>,
    datagrams_next: u64,
    /// What of evicted groups went live.
    evicted: BTreeMap<GroupId, RangeSet>,
    /// Groups below never go live again.
    live_from: GroupId,
    largest: Option<Location>,
    largest_source: Option<SourceId>,
    end: Option<Location>,
    malformed: Option<MalformedTrack>,
    default_priority: Option<Priority>,
    cache_duration: Option<Duration>,
    /// Whether subgroups and whether datagrams were seen live.
    seen: (bool, bool),
    absent_groups: RangeSet,
    /// The part of `absent_groups` that gap properties announced.
    group_gaps: RangeSet,
    used_bytes: usize,
    scratch: Vec<u8>,
}

impl TrackStore {
    /// An empty store.
    pub fn new(limits: StoreLimits, payloads: Payloads) -> TrackStore {
        TrackStore {
            limits,
            payloads,
            groups: Slab::new(),
            by_id: BTreeMap::new(),
            epochs: 0,
            feeds: Slab::new(),
            generations: 0,
            sources: Slab::new(),
            held: Vec::new(),
            fetches: Vec::new(),
            arrivals: VecDeque::new(),
            arrivals_next: 0,
            datagrams: VecDeque::new(),
            datagrams_next: 0,
            evicted: BTreeMap::new(),
            live_from: GroupId(0),
            largest: None,
            largest_source: None,
            end: None,
            malformed: None,
            default_priority: None,
            cache_duration: None,
            seen: (false, false),
            absent_groups: RangeSet::default(),
            group_gaps: RangeSet::default(),
            used_bytes: cost::TRACK_BYTES,
            scratch: Vec::new(),
        }
    }

    // The track.

    /// The largest location: of live objects whose first byte arrived, and of what publishers
    /// reported. Fetched objects do not move it, nor does an end-of-track mark.
    pub fn largest(&self) -> Option<Location> {
        self.largest
    }

    /// The source that brought the largest live object first: the best one to fetch from.
    pub fn largest_source(&self) -> Option<SourceId> {
        self.largest_source
    }

    /// A publisher said what its largest location is. Never lowers [`largest`](Self::largest).
    pub fn report_largest(&mut self, largest: Location) {
        self.largest = self.largest.max(Some(largest));
    }

    /// The first location that cannot exist, once the track's end is known.
    pub fn end_of_track(&self) -> Option<Location> {
        self.end
    }

    /// A publisher said that nothing exists at or after `end`.
    ///
    /// # Errors
    /// An object from there on is stored.
    pub fn report_end_of_track(&mut self, end: Location) -> Result<(), MalformedTrack> {
        let judged = self.judge_track_end(end);
        self.record(judged)?;
        self.end = Some(self.end.map_or(end, |known| known.min(end)));
        Ok(())
    }

    /// The first contradiction found. Once there is one, nothing more is taken in.
    pub fn malformed(&self) -> Option<&MalformedTrack> {
        self.malformed.as_ref()
    }

    /// What an inherited publisher priority stands for, once known.
    pub fn default_priority(&self) -> Option<Priority> {
        self.default_priority
    }

    /// The track's properties say what an inherited publisher priority stands for.
    pub fn set_default_priority(&mut self, priority: Priority) {
        self.default_priority = Some(priority);
    }

    /// How long after an object's first byte a fetch may start to get it; `None` for ever, zero
    /// never from the cache.
    pub fn set_cache_duration(&mut self, duration: Option<Duration>) {
        self.cache_duration = duration;
    }

    /// What everything stored costs: pages, and a fixed amount for each thing.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    // Groups.

    /// The stored groups, smallest id first.
    pub fn group_summaries(&self) -> impl Iterator<Item = GroupSummary> {
        self.by_id.values().filter_map(|&slot| self.groups.get(slot as usize)).map(|group| {
            GroupSummary {
                id: group.id,
                used_bytes: group.used_bytes,
                objects: group.objects_len(),
                settled: group.is_settled(),
                first_arrival: group.first_arrival,
                last_arrival: group.last_arrival,
            }
        })
    }

    /// How many groups are stored.
    pub fn groups_len(&self) -> usize {
        self.by_id.len()
    }

    /// The largest group stored.
    pub fn newest_group(&self) -> Option<GroupId> {
        self.by_id.last_key_value().map(|(&id, _)| id)
    }

    /// Whether every object that exists in `group` is here, whole, and that is known.
    pub fn is_group_complete(&self, group: GroupId) -> bool {
        self.group_by_id(group).is_some_and(|(_, group)| group.is_complete())
    }

    /// The first object id that cannot exist in `group`, if that is known. `u64::MAX + 1` if the
    /// largest id may exist.
    pub fn end_of_group(&self, group: GroupId) -> Option<u128> {
        self.group_by_id(group).and_then(|(_, group)| group.end())
    }

    /// Forgets a group and returns what it cost; 0 if it is not stored. Its cursors learn it.
    /// Streams that are bringing it go on: what they bring from now on begins the group anew.
    pub fn evict(&mut self, group: GroupId) -> usize {
        let Some(slot) = self.by_id.remove(&group) else { return 0 };
        let Some(evicted) = self.groups.try_remove(slot as usize) else { return 0 };
        let freed = evicted.used_bytes;
        self.used_bytes -= freed;
        let sent = evicted.sent(self.limits.evicted_ranges_max);
        if sent.len() > 0 {
            self.used_bytes += cost::evicted(&sent);
            self.evicted.insert(group, sent);
        }
        while self.evicted.len() > self.limits.evicted_groups_max {
            let Some((group, sent)) = self.evicted.pop_first() else { break };
            self.used_bytes -= cost::evicted(&sent);
            self.live_from = self.live_from.max(GroupId(group.0.saturating_add(1)));
        }
        self.prune_arrivals();
        freed
    }

    /// Gives up the oldest objects of a group, in the order they arrived, until `wanted_bytes` are
    /// free, as far as nothing is still arriving in them. For groups that never end: those who
    /// have read the objects notice nothing, others learn it. Returns what was freed.
    pub fn trim(&mut self, group: GroupId, wanted_bytes: usize) -> usize {
        let Some((key, _)) = self.group_by_id(group) else { return 0 };
        let ranges_max = self.limits.evicted_ranges_max;
        let freed = self.with_group(key, |group| group.trim(wanted_bytes, ranges_max));
        self.prune_arrivals();
        freed.unwrap_or(0)
    }

    /// Forgets all groups. What is known of the track stays.
    pub fn evict_all(&mut self) -> usize {
        let groups: Vec<GroupId> = self.by_id.keys().copied().collect();
        groups.into_iter().map(|group| self.evict(group)).sum()
    }

    /// Evicts groups, but the newest, whose objects all outlived `age_max`, or the publisher's cache
    /// duration if nothing is arriving in them. Returns how many.
    pub fn expire(&mut self, now: Instant, age_max: Duration) -> usize {
        let newest = self.newest_group();
        let cache_duration = self.cache_duration;
        let is_old = |group: &GroupSummary| {
            let age = now.saturating_duration_since(group.last_arrival);
            age >= age_max || group.settled && cache_duration.is_some_and(|max| age >= max)
        };
        let expired: Vec<GroupId> = self
            .group_summaries()
            .filter(|group| Some(group.id) != newest && is_old(group))
            .map(|group| group.id)
            .collect();
        for group in &expired {
            self.evict(*group);
        }
        expired.len()
    }

    fn group_by_id(&self, id: GroupId) -> Option<(GroupKey, &Group)> {
        let slot = *self.by_id.get(&id)?;
        let group = self.groups.get(slot as usize)?;
        Some((GroupKey { slot, epoch: group.epoch }, group))
    }

    fn group(&self, key: GroupKey) -> Option<&Group> {
        self.groups.get(key.slot as usize).filter(|group| group.epoch == key.epoch)
    }

    /// Works on a group and keeps the sum of costs right.
    fn with_group<R>(&mut self, key: GroupKey, work: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let group =
            self.groups.get_mut(key.slot as usize).filter(|group| group.epoch == key.epoch)?;
        let before = group.used_bytes;
        let result = work(group);
        self.used_bytes = self.used_bytes + group.used_bytes - before;
        Some(result)
    }

    fn ensure_group(&mut self, id: GroupId, now: Instant) -> GroupKey {
        if let Some((key, _)) = self.group_by_id(id) {
            return key;
        }
        self.epochs += 1;
        let mut sent = self.evicted.remove(&id).unwrap_or_default();
        self.used_bytes -= if sent.len() > 0 { cost::evicted(&sent) } else { 0 };
        if id < self.live_from {
            sent = RangeSet::default();
            sent.insert(0, u64::MAX);
        }
        let group = Group::new(id, self.epochs, sent, now);
        self.used_bytes += group.used_bytes;
        let slot = self.groups.insert(group) as u32;
        self.by_id.insert(id, slot);
        GroupKey { slot, epoch: self.epochs }
    }

    /// Remembers the first contradiction.
    fn record<T>(&mut self, result: Result<T, MalformedTrack>) -> Result<T, MalformedTrack> {
        if let Err(malformed) = &result
            && self.malformed.is_none()
        {
            self.malformed = Some(malformed.clone());
        }
        result
    }

    fn judge_track_end(&self, end: Location) -> Result<(), MalformedTrack> {
        for &slot in self.by_id.range(end.group..).map(|(_, slot)| slot) {
            let Some(group) = self.groups.get(slot as usize) else { continue };
            let from = if group.id == end.group { u128::from(end.object.0) } else { 0 };
            if let Err(MalformedTrack::BeyondGroupEnd { object }) = group.judge_end(from) {
                return Err(MalformedTrack::BeyondTrackEnd { object, end });
            }
        }
        Ok(())
    }

    // Objects, for readers.

    /// The object a cursor named, unless it is gone.
    pub fn object(&self, key: ObjectKey) -> Option<ObjectView<'_>> {
        self.group(key.group)?.view(key.slot)
    }

    /// Payload of an object from `offset` on: at most `max_bytes` and at most one part of it.
    /// `None` if that byte is not here.
    pub fn payload(&mut self, key: ObjectKey, offset: u64, max_bytes: usize) -> Option<Bytes> {
        self.with_group(key.group, |group| group.payload(key.slot, offset, max_bytes))?
    }

    /// The object's frame on a subgroup stream. The first reader with this `frame` key encodes it,
    /// all others share the bytes. `None` if the object is gone.
    pub fn frame(
        &mut self,
        key: ObjectKey,
        frame: FrameKey,
        encode: impl FnOnce(ObjectView<'_>, &mut Vec<u8>),
    ) -> Option<Bytes> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let frames_max = self.limits.frames_per_object_max;
        let bytes = self.with_group(key.group, |group| {
            group.frame(key.slot, frame, frames_max, encode, &mut scratch)
        });
        self.scratch = scratch;
        bytes?
    }
}
