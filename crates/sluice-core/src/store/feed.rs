//! What upstream brings: sources, their streams (*feeds*) and datagrams.
//!
//! A feed is one incoming stream, of a subscription or of a fetch. Its objects come one after the
//! other, each followed by its payload. Any number of feeds may bring the same objects: bytes that
//! are stored already are compared, further ones are kept, so that an incomplete object is filled
//! by whichever feed is ahead.

use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{
    Delivery, GroupId, Location, ObjectHead, ObjectId, ObjectStatus, Priority, ResetCode,
    SendOrder, SubgroupId, SubgroupIdField,
};

use super::arrival::LiveArrival;
use super::fetch::FetchFeed;
use super::group::{Slot, Verdict, differs};
use super::malformed::MalformedTrack;
use super::object::StreamFacts;
use super::source::{PriorityRule, SourceId};
use super::subgroup::{Feeding, Settled};
use super::{GroupKey, Payloads, TrackStore};

/// An incoming stream. Keys of ended streams name nothing, and what is said of them is ignored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FeedKey {
    index: u32,
    generation: u32,
}

/// The header of a subgroup stream, without the alias.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubgroupStart {
    /// The group.
    pub group: GroupId,
    /// The subgroup.
    pub subgroup: SubgroupIdField,
    /// Publisher priority; `None` inherits the track's.
    pub priority: Option<Priority>,
    /// Whether every object on the stream carries a property block.
    pub properties: bool,
    /// Whether the last object before FIN is the group's last.
    pub end_of_group: bool,
    /// Whether the first object on the stream is known to be the subgroup's first.
    pub first_object: bool,
    /// Its urgency, if the stream carries one object that has its own.
    pub order: Option<SendOrder>,
}

/// Whom an arrival concerns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Change {
    /// Nobody.
    #[default]
    None,
    /// Fetch cursors only.
    Stored,
    /// Live cursors too.
    Live,
}

impl FeedKey {
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

#[derive(Debug)]
pub(super) struct Feed {
    generation: u32,
    pub(super) source: SourceId,
    pub(super) kind: FeedKind,
    /// The object it is bringing.
    pub(super) current: Option<Current>,
}

impl Feed {
    /// How many gaps are remembered of it.
    #[cfg(any(test, feature = "model"))]
    pub(super) fn gaps_len(&self) -> usize {
        match &self.kind {
            FeedKind::Subgroup(_) => 0,
            FeedKind::Fetch(fetch) => fetch.gaps_len(),
        }
    }
}

#[derive(Debug)]
pub(super) enum FeedKind {
    Subgroup(SubgroupFeed),
    Fetch(FetchFeed),
}

/// The object a feed is in the middle of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current {
    pub(super) group: GroupKey,
    pub(super) slot: Slot,
    /// Bytes of it that came on this feed.
    pub(super) offset: u64,
    /// It ends with the feed.
    pub(super) to_end: bool,
}

#[derive(Debug)]
pub(super) struct SubgroupFeed {
    start: SubgroupStart,
    /// Group and place of the subgroup in it, once something of it is stored.
    pub(super) attached: Option<(GroupKey, u32)>,
    /// The last object that is stored or was, to tell what follows it.
    previous: Option<ObjectId>,
    /// The last object id on the stream, whatever became of it.
    last: Option<ObjectId>,
    /// Whether any object came.
    begun: bool,
}

impl TrackStore {
    // Feeds.

    pub(super) fn add_feed(&mut self, source: SourceId, kind: FeedKind) -> FeedKey {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let index = self.feeds.insert(Feed { generation, source, kind, current: None }) as u32;
        FeedKey { index, generation }
    }

    pub(super) fn feed_mut(&mut self, key: FeedKey) -> Option<&mut Feed> {
        self.feeds.get_mut(key.index as usize).filter(|feed| feed.generation == key.generation)
    }

    /// The streams of a source.
    pub(super) fn feeds_of(&self, source: SourceId) -> Vec<FeedKey> {
        self.feeds
            .iter()
            .filter(|(_, feed)| feed.source == source)
            .map(|(index, feed)| FeedKey { index: index as u32, generation: feed.generation })
            .collect()
    }

    fn take_feed(&mut self, key: FeedKey) -> Option<Feed> {
        self.feed_mut(key)?;
        self.feeds.try_remove(key.index as usize)
    }

    pub(super) fn subgroup_feed(&mut self, key: FeedKey) -> Option<&mut SubgroupFeed> {
        match &mut self.feed_mut(key)?.kind {
            FeedKind::Subgroup(feed) => Some(feed),
            FeedKind::Fetch(_) => None,
        }
    }

    /// A subgroup stream of a subscription began.
    ///
    /// # Errors
    /// The subgroup is known with another priority. The stream is not taken.
    pub fn begin_subgroup(
        &mut self,
        source: SourceId,
        start: SubgroupStart,
    ) -> Result<FeedKey, MalformedTrack> {
        let feed = SubgroupFeed { start, attached: None, previous: None, last: None, begun: false };
        let key = self.add_feed(source, FeedKind::Subgroup(feed));
        if let SubgroupIdField::Id(subgroup) = start.subgroup
            && let Some((group, _)) = self.group_by_id(start.group)
            && let Err(malformed) = self.attach(key, source, group, subgroup)
        {
            self.take_feed(key);
            return self.record(Err(malformed));
        }
        Ok(key)
    }

    /// Makes a feed one of those that bring `subgroup`.
    fn attach(
        &mut self,
        key: FeedKey,
        source: SourceId,
        group: GroupKey,
        subgroup: SubgroupId,
    ) -> Result<Option<u32>, MalformedTrack> {
        let (rules, default) = (self.rules(source), self.default_priority);
        let Some(feed) = self.subgroup_feed(key) else { return Ok(None) };
        if let Some((attached, at)) = feed.attached
            && attached == group
        {
            return Ok(Some(at));
        }
        let (priority, reached) = (feed.start.priority, feed.last);
        let at = self.with_group(group, |group| {
            let at = group.ensure_subgroup(subgroup, priority);
            let pinned = group.subgroups[at as usize].priority;
            if rules.priority == PriorityRule::Everywhere && differs(pinned, priority, default) {
                return Err(MalformedTrack::SubgroupPriority { group: group.id, subgroup });
            }
            group.subgroups[at as usize].is_held = false;
            group.subgroups[at as usize].feeding.push(Feeding { feed: key.index, reached });
            group.feeds += 1;
            Ok(at)
        });
        let Some(at) = at.transpose()? else { return Ok(None) };
        if let Some(feed) = self.subgroup_feed(key) {
            feed.attached = Some((group, at));
        }
        Ok(Some(at))
    }

    /// An object began on a subgroup stream. Its payload follows.
    ///
    /// # Errors
    /// It contradicts what is known. It is not stored, and the track is malformed.
    pub fn handle_object(
        &mut self,
        key: FeedKey,
        head: &ObjectHead,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        let result = self.accept_object(key, head, Some(head.payload_bytes), now);
        self.record(result)
    }

    /// The same for an object that ends with its stream: its length is not known yet, and what
    /// `head` says of it does not count.
    ///
    /// # Errors
    /// It contradicts what is known. It is not stored, and the track is malformed.
    pub fn handle_object_to_end(
        &mut self,
        key: FeedKey,
        head: &ObjectHead,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        let result = self.accept_object(key, head, None, now);
        self.record(result)
    }

    fn accept_object(
        &mut self,
        key: FeedKey,
        head: &ObjectHead,
        payload_bytes: Option<u64>,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        self.refuse_malformed()?;
        self.end_current(key);
        let Some((subgroup, stream, arrival)) = self.read_head(key, head, payload_bytes) else {
            return Ok(Change::None);
        };
        if head.status == ObjectStatus::DoesNotExist {
            return self.accept_absent(key, subgroup, &arrival, now);
        }
        let Some(incoming) = self.judge_arrival(&arrival)? else {
            return Ok(self.pass_over(key, head.object));
        };
        let group = self.ensure_group(arrival.location.group, now);
        let Some(at) = self.attach(key, arrival.source, group, subgroup)? else {
            return Ok(Change::None);
        };
        let verdict = match self.group(group) {
            Some(group) => group.judge(&incoming)?,
            None => return Ok(Change::None),
        };
        if verdict == Verdict::Absent {
            return Ok(self.pass_over(key, head.object));
        }
        self.note_arrival(&arrival, &incoming);
        let previous = self.subgroup_feed(key).and_then(|feed| {
            feed.last = Some(head.object);
            feed.previous.replace(head.object)
        });
        let slot = self.with_group(group, |group| {
            let slot = group.place(verdict, &incoming, now);
            if let Some(object) = group.object_mut(slot) {
                object.came_live(stream, previous, verdict == Verdict::New);
            }
            group.reach(at, key.index, head.object);
            group.make_live(at, slot);
            slot
        });
        if let Some(slot) = slot {
            self.begin_payload(key, group, slot, payload_bytes);
        }
        let stored = if verdict == Verdict::New { Change::Stored } else { Change::None };
        Ok(stored.max(self.settle(group, at)))
    }

    /// What an object header says together with the header of its stream.
    fn read_head<'a>(
        &mut self,
        key: FeedKey,
        head: &'a ObjectHead,
        payload_bytes: Option<u64>,
    ) -> Option<(SubgroupId, StreamFacts, LiveArrival<'a>)> {
        let source = self.feed_mut(key)?.source;
        let feed = self.subgroup_feed(key)?;
        let start = feed.start;
        let first = !std::mem::replace(&mut feed.begun, true);
        let mode_first = start.subgroup == SubgroupIdField::FirstObject;
        let subgroup = match start.subgroup {
            SubgroupIdField::Id(subgroup) => subgroup,
            SubgroupIdField::FirstObject => SubgroupId(head.object.0),
        };
        feed.start.subgroup = SubgroupIdField::Id(subgroup);
        let stream = StreamFacts {
            properties: start.properties,
            end_of_group: start.end_of_group,
            first_object: head.object.0 == 0 || first && (start.first_object || mode_first),
            order: start.order,
        };
        let arrival = LiveArrival {
            source,
            location: Location { group: start.group, object: head.object },
            delivery: Delivery::Subgroup(subgroup),
            priority: start.priority,
            properties: &head.properties,
            status: head.status,
            payload_bytes,
            end_of_group: false,
        };
        Some((subgroup, stream, arrival))
    }

    /// The feed brings the payload of the object in `slot` next.
    pub(super) fn begin_payload(
        &mut self,
        key: FeedKey,
        group: GroupKey,
        slot: Slot,
        payload_bytes: Option<u64>,
    ) {
        if payload_bytes == Some(0) {
            return;
        }
        let Some(feed) = self.feed_mut(key) else { return };
        let to_end = payload_bytes.is_none();
        feed.current = Some(Current { group, slot, offset: 0, to_end });
        self.with_group(group, |group| {
            if let Some(object) = group.object_mut(slot) {
                object.feeders += 1;
            }
        });
    }

    /// The next payload bytes of a stream's last object.
    ///
    /// # Errors
    /// They differ from another copy's. The track is malformed.
    pub fn handle_payload(&mut self, key: FeedKey, data: &Bytes) -> Result<Change, MalformedTrack> {
        let result = self.accept_payload(key, data);
        self.record(result)
    }

    fn accept_payload(&mut self, key: FeedKey, data: &Bytes) -> Result<Change, MalformedTrack> {
        self.refuse_malformed()?;
        let share = self.payloads == Payloads::Share;
        let Some(Current { group, slot, offset, to_end }) =
            self.feed_mut(key).and_then(|f| f.current)
        else {
            return Ok(Change::None);
        };
        let took = self.with_group(group, |group| {
            let new = group.take_payload(slot, offset, data, share)?;
            let at = group.subgroup_of(slot);
            let object = group.object(slot);
            let logged = object.is_some_and(|object| object.is_logged());
            let reached = offset.saturating_add(data.len() as u64);
            let (is_gone, known) = (object.is_none(), object.and_then(|it| it.payload_bytes));
            if to_end && known.is_some_and(|known| reached > known) {
                group.end_payload(slot, reached)?;
            }
            let done = is_gone || known.is_some_and(|known| reached >= known && !to_end);
            Ok((new, logged, done, at))
        });
        let Some((new, logged, done, at)) = took.transpose()? else {
            // The group was evicted; the rest of this object has nowhere to go.
            if let Some(feed) = self.feed_mut(key) {
                feed.current = None;
            }
            return Ok(Change::None);
        };
        let mut change = match (new, logged) {
            (false, _) => Change::None,
            (true, false) => Change::Stored,
            (true, true) => Change::Live,
        };
        if done {
            self.end_current(key);
            if let Some(at) = at {
                change = change.max(self.settle(group, at));
            }
        } else if let Some(feed) = self.feed_mut(key)
            && let Some(current) = &mut feed.current
        {
            current.offset = offset + data.len() as u64;
        }
        Ok(change)
    }

    /// A stream ended with FIN. One that ends inside an object counts as reset.
    ///
    /// # Errors
    /// Its end contradicts what is known.
    pub fn finish(&mut self, key: FeedKey) -> Result<Change, MalformedTrack> {
        match self.feed_mut(key).and_then(|feed| feed.current) {
            Some(Current { group, slot, offset, to_end: true }) => {
                self.end_current(key);
                let ended = self.with_group(group, |group| group.end_payload(slot, offset));
                self.record(ended.unwrap_or(Ok(())))?;
            }
            Some(_) => return Ok(self.reset(key, ResetCode::Internal)),
            None => {}
        }
        let Some(feed) = self.take_feed(key) else { return Ok(Change::None) };
        match feed.kind {
            FeedKind::Fetch(fetch) => Ok(self.finish_fetch_feed(key.index, fetch)),
            FeedKind::Subgroup(feed) => {
                let Some((group, at)) = feed.attached else { return Ok(Change::None) };
                let judged = self
                    .with_group(group, |group| {
                        group.leave(at, key.index);
                        group.finish_subgroup(at, feed.last, feed.start.end_of_group)
                    })
                    .unwrap_or(Ok(()));
                self.record(judged)?;
                Ok(self.settle(group, at))
            }
        }
    }

    /// A stream was reset, or is given up. An object that was arriving stays incomplete.
    pub fn reset(&mut self, key: FeedKey, code: ResetCode) -> Change {
        let current = self.feed_mut(key).and_then(|feed| feed.current);
        self.end_current(key);
        let Some(feed) = self.take_feed(key) else { return Change::None };
        match feed.kind {
            FeedKind::Fetch(fetch) => {
                let mut change = self.reset_fetch_feed(key.index, fetch);
                if let Some(current) = current
                    && let Some(Some(at)) =
                        self.with_group(current.group, |group| group.subgroup_of(current.slot))
                {
                    change = change.max(self.settle(current.group, at));
                }
                change
            }
            FeedKind::Subgroup(feed) => {
                let Some((group, at)) = feed.attached else { return Change::None };
                self.with_group(group, |group| {
                    group.leave(at, key.index);
                    if let Some(subgroup) = group.subgroups.get_mut(at as usize) {
                        subgroup.failure = Some(code);
                    }
                });
                // Whoever waited for the rest of an object must ask for it now.
                self.settle(group, at).max(Change::Stored)
            }
        }
    }

    /// The feed is no longer in the middle of an object.
    pub(super) fn end_current(&mut self, key: FeedKey) {
        let Some(current) = self.feed_mut(key).and_then(|feed| feed.current.take()) else { return };
        self.with_group(current.group, |group| {
            if let Some(object) = group.object_mut(current.slot) {
                object.feeders = object.feeders.saturating_sub(1);
            }
        });
    }

    /// An object came that is known not to exist: it is not stored, the stream goes on after it.
    fn pass_over(&mut self, key: FeedKey, object: ObjectId) -> Change {
        let index = key.index;
        let Some(feed) = self.subgroup_feed(key) else { return Change::None };
        feed.last = Some(object);
        let Some((group, at)) = feed.attached else { return Change::None };
        self.with_group(group, |group| group.reach(at, index, object));
        self.settle(group, at)
    }

    /// An object is said not to exist.
    fn accept_absent(
        &mut self,
        key: FeedKey,
        subgroup: SubgroupId,
        arrival: &LiveArrival<'_>,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        let group = self.ensure_group(arrival.location.group, now);
        self.attach(key, arrival.source, group, subgroup)?;
        self.note_nonexistent(arrival.location);
        let last = self.subgroup_feed(key).and_then(|feed| feed.last);
        let change = self.pass_over(key, arrival.location.object);
        // Not an object, so it is not the subgroup's last one.
        if let Some(feed) = self.subgroup_feed(key) {
            feed.last = last;
        }
        Ok(change.max(Change::Stored))
    }

    /// Brings a subgroup's logs up to date and announces new ones.
    pub(super) fn settle(&mut self, key: GroupKey, at: u32) -> Change {
        let pending_max = self.limits.pending_objects_max;
        let mut settled = Settled::default();
        self.with_group(key, |group| group.settle(at, pending_max, &mut settled));
        for log in settled.opened {
            self.announce(key, log);
        }
        if settled.live { Change::Live } else { Change::None }
    }
}
