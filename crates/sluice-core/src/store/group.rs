//! One group: its objects by id, what is known not to exist, and the pages of their payloads.
//!
//! The map is what fetches read. The order in which viewers get objects is in
//! [`subgroup`](super::subgroup), whose logs point into the same objects by slot: the number of
//! the object's arrival. Objects are inserted anywhere and never changed; a slot never moves.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use slab::Slab;
use sluice_proto::model::{
    Delivery, GroupId, Location, ObjectId, ObjectStatus, Priority, Properties, SubgroupId,
};

use super::budget::cost;
use super::facts::ObjectFacts;
use super::malformed::MalformedTrack;
use super::numbered::Numbered;
use super::object::{Frame, FrameKey, LogPlace, ObjectView, StoredObject};
use super::page::{PageNumber, Pages, Run};
use super::ranges::RangeSet;
use super::subgroup::{Log, Subgroup};

/// Arrival number of an object within its group.
pub(super) type Slot = u64;

/// An object that arrives.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) id: ObjectId,
    pub(super) delivery: Delivery,
    pub(super) priority: Option<Priority>,
    pub(super) properties: &'a Properties,
    pub(super) facts: ObjectFacts,
    pub(super) status: ObjectStatus,
    /// `None` if only the end of its stream will tell.
    pub(super) payload_bytes: Option<u64>,
    /// Nothing larger exists in the group. Datagrams only.
    pub(super) end_of_group: bool,
    /// What an inherited priority stands for, if that is known.
    pub(super) default_priority: Option<Priority>,
}

/// What an arriving object is to the group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Not stored yet.
    New,
    /// Another copy of what is stored in this slot.
    Copy(Slot),
    /// Known not to exist: not an error, not stored.
    Absent,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    /// Tells this group from one of the same id that was evicted.
    pub(super) epoch: u64,
    objects: Numbered<StoredObject>,
    index: BTreeMap<ObjectId, Slot>,
    pub(super) subgroups: Slab<Subgroup>,
    by_subgroup: BTreeMap<SubgroupId, u32>,
    pub(super) logs: Numbered<Log>,
    /// Known not to exist.
    absent: RangeSet,
    /// The part of `absent` that gap properties announced: an object there is a contradiction.
    gaps: RangeSet,
    /// The first object id that cannot exist.
    end: Option<u128>,
    /// Groups before this one that do not exist, as its objects say.
    group_gap: Option<u64>,
    pages: Pages,
    frame_pages: Pages,
    pub(super) first_arrival: Instant,
    pub(super) last_arrival: Instant,
    /// Objects that went live before an earlier eviction of this group. They never do so again.
    sent: RangeSet,
    /// Streams that are bringing objects of this group.
    pub(super) feeds: u32,
    /// What the group costs. See [`cost`].
    pub(super) used_bytes: usize,
}

impl Group {
    /// A group without objects, of which `sent` went live before it was evicted.
    pub(super) fn new(id: GroupId, epoch: u64, sent: RangeSet, now: Instant) -> Group {
        let used_bytes = cost::GROUP_BYTES + sent.len() * cost::RANGE_BYTES;
        Group {
            id,
            epoch,
            objects: Numbered::default(),
            index: BTreeMap::new(),
            subgroups: Slab::new(),
            by_subgroup: BTreeMap::new(),
            logs: Numbered::default(),
            absent: RangeSet::default(),
            gaps: RangeSet::default(),
            end: None,
            group_gap: None,
            pages: Pages::default(),
            frame_pages: Pages::default(),
            first_arrival: now,
            last_arrival: now,
            sent,
            feeds: 0,
            used_bytes,
        }
    }

    pub(super) fn at(&self, object: ObjectId) -> Location {
        Location { group: self.id, object }
    }

    pub(super) fn object(&self, slot: Slot) -> Option<&StoredObject> {
        self.objects.get(slot)
    }

    pub(super) fn object_mut(&mut self, slot: Slot) -> Option<&mut StoredObject> {
        self.objects.get_mut(slot)
    }

    pub(super) fn oldest_slot(&self) -> Slot {
        self.objects.first()
    }

    pub(super) fn slot_of(&self, id: ObjectId) -> Option<Slot> {
        self.index.get(&id).copied()
    }

    /// The first stored object in `from..=last`.
    pub(super) fn next_stored(&self, from: u64, last: u64) -> Option<(ObjectId, Slot)> {
        if from > last {
            return None;
        }
        self.index
            .range(ObjectId(from)..=ObjectId(last))
            .next()
            .map(|(&object, &slot)| (object, slot))
    }

    /// The slots in use.
    #[cfg(any(test, feature = "model"))]
    pub(super) fn slots(&self) -> std::ops::Range<Slot> {
        self.objects.first()..self.objects.end()
    }

    /// How many ranges are remembered.
    #[cfg(any(test, feature = "model"))]
    pub(super) fn ranges_len(&self) -> usize {
        self.absent.len() + self.gaps.len() + self.sent.len()
    }

    /// What the pages of payloads and of everything else cost.
    #[cfg(any(test, feature = "model"))]
    pub(super) fn pages_cost(&self) -> (usize, usize) {
        (self.pages.cost_bytes(), self.frame_pages.cost_bytes())
    }

    /// How many objects are stored.
    pub(super) fn objects_len(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn view(&self, slot: Slot) -> Option<ObjectView<'_>> {
        let object = self.object(slot)?;
        let priority = match object.delivery {
            Delivery::Subgroup(id) => {
                self.subgroup(id).map_or(object.priority, |subgroup| subgroup.priority)
            }
            Delivery::Datagram | Delivery::Unknown(_) => object.priority,
        };
        Some(ObjectView {
            group: self.id,
            id: object.id,
            delivery: object.delivery,
            priority,
            order: object.stream.order,
            properties: &object.properties,
            status: object.status,
            payload_bytes: object.payload_bytes,
            received_bytes: object.received_bytes,
            arrived: object.arrived,
            end_of_group: object.end_of_group,
        })
    }

    /// Whether the object went live before this group was evicted and came back.
    pub(super) fn was_sent(&self, id: ObjectId) -> bool {
        self.sent.contains(id.0)
    }

    /// What has gone live, in at most `ranges_max` ranges; rather too much than too little.
    pub(super) fn sent(mut self, ranges_max: usize) -> RangeSet {
        for object in self.objects.iter().filter(|object| object.went_live()) {
            self.sent.insert(object.id.0, object.id.0);
        }
        self.sent.coarsen(ranges_max);
        self.sent
    }

    // Subgroups.

    pub(super) fn subgroup(&self, id: SubgroupId) -> Option<&Subgroup> {
        self.subgroups.get(*self.by_subgroup.get(&id)? as usize)
    }

    pub(super) fn place_of(&self, id: SubgroupId) -> Option<u32> {
        self.by_subgroup.get(&id).copied()
    }

    /// The place of subgroup `id`, made if it is new.
    pub(super) fn ensure_subgroup(&mut self, id: SubgroupId, priority: Option<Priority>) -> u32 {
        if let Some(&at) = self.by_subgroup.get(&id) {
            return at;
        }
        let at = self.subgroups.insert(Subgroup::new(id, priority)) as u32;
        self.by_subgroup.insert(id, at);
        self.used_bytes += cost::SUBGROUP_BYTES;
        at
    }

    // Arrivals.

    /// What `incoming` is to this group, or why it cannot be. Changes nothing.
    pub(super) fn judge(&self, incoming: &Incoming<'_>) -> Result<Verdict, MalformedTrack> {
        let object = self.at(incoming.id);
        if let Some(slot) = self.slot_of(incoming.id) {
            self.compare(slot, incoming)?;
            self.judge_gaps(incoming)?;
            return Ok(Verdict::Copy(slot));
        }
        if self.gaps.contains(incoming.id.0) {
            return Err(MalformedTrack::ObjectInGap { object });
        }
        let marks_end =
            matches!(incoming.status, ObjectStatus::EndOfGroup | ObjectStatus::EndOfTrack);
        if !marks_end {
            if self.end.is_some_and(|end| u128::from(incoming.id.0) >= end) {
                return Err(MalformedTrack::BeyondGroupEnd { object });
            }
            if self.absent.contains(incoming.id.0) {
                return Ok(Verdict::Absent);
            }
        }
        if let Delivery::Subgroup(subgroup) = incoming.delivery
            && let Some(last) = self.subgroup(subgroup).and_then(|subgroup| subgroup.last_object)
            && incoming.id > last
        {
            return Err(MalformedTrack::BeyondSubgroupEnd { subgroup, object, last });
        }
        self.judge_gaps(incoming)?;
        if marks_end {
            self.judge_end(u128::from(incoming.id.0))?;
        } else if incoming.end_of_group {
            self.judge_end(u128::from(incoming.id.0) + 1)?;
        }
        Ok(Verdict::New)
    }

    /// Whether the group may end before `end`.
    pub(super) fn judge_end(&self, end: u128) -> Result<(), MalformedTrack> {
        match self.normal_from(end) {
            Some(object) => Err(MalformedTrack::BeyondGroupEnd { object: self.at(object) }),
            None => Ok(()),
        }
    }

    /// The first stored object with a payload at or after `from`.
    fn normal_from(&self, from: u128) -> Option<ObjectId> {
        let from = u64::try_from(from).ok()?;
        self.index
            .range(ObjectId(from)..)
            .find(|&(_, &slot)| {
                self.object(slot).is_some_and(|object| object.status == ObjectStatus::Normal)
            })
            .map(|(&object, _)| object)
    }

    fn judge_gaps(&self, incoming: &Incoming<'_>) -> Result<(), MalformedTrack> {
        if let Some(gap) = incoming.facts.object_gap
            && gap > 0
        {
            let first = incoming.id.0.saturating_sub(gap);
            if let Some((received, _)) = self.next_stored(first, incoming.id.0.saturating_sub(1))
                && received < incoming.id
            {
                let object = self.at(incoming.id);
                let received = self.at(received);
                return Err(MalformedTrack::GapCoversObject { object, received });
            }
        }
        if let (Some(first), Some(second)) = (self.group_gap, incoming.facts.group_gap)
            && first != second
        {
            return Err(MalformedTrack::GroupGapsDiffer { group: self.id, first, second });
        }
        Ok(())
    }

    /// Whether `incoming` and the object in `slot` are copies of one object. MOQT-18 §2.4.2:
    /// what a copy may not change is its delivery, priority, status, payload and immutable
    /// properties; other properties may differ, and the first copy's are kept.
    fn compare(&self, slot: Slot, incoming: &Incoming<'_>) -> Result<(), MalformedTrack> {
        let Some(stored) = self.object(slot) else { return Ok(()) };
        let object = self.at(incoming.id);
        if !same_delivery(stored.delivery, incoming.delivery) {
            let (first, second) = (stored.delivery, incoming.delivery);
            return Err(MalformedTrack::DeliveryDiffers { object, first, second });
        }
        if stored.status != incoming.status {
            let (first, second) = (stored.status, incoming.status);
            return Err(MalformedTrack::StatusDiffers { object, first, second });
        }
        let known = stored.payload_bytes.or(Some(stored.received_bytes));
        if let (Some(first), Some(second)) = (known, incoming.payload_bytes)
            && (first > second || first < second && stored.payload_bytes.is_some())
        {
            return Err(MalformedTrack::LengthDiffers { object, first, second });
        }
        // A subgroup has one priority, compared when a stream of it begins.
        if stored.delivery == Delivery::Datagram
            && incoming.delivery == Delivery::Datagram
            && differs(stored.priority, incoming.priority, incoming.default_priority)
        {
            return Err(MalformedTrack::PriorityDiffers { object });
        }
        if !stored.properties.immutable_equivalent(incoming.properties) {
            return Err(MalformedTrack::ImmutableDiffers { object });
        }
        Ok(())
    }

    /// Takes an object in as [`judge`](Self::judge) has said.
    pub(super) fn place(
        &mut self,
        verdict: Verdict,
        incoming: &Incoming<'_>,
        now: Instant,
    ) -> Slot {
        match verdict {
            Verdict::Copy(slot) => {
                self.refine(slot, incoming);
                slot
            }
            Verdict::New | Verdict::Absent => self.insert(incoming, now),
        }
    }

    /// Stores an object that [`judge`](Self::judge) called new. Its payload follows.
    fn insert(&mut self, incoming: &Incoming<'_>, now: Instant) -> Slot {
        let slot = self.objects.end();
        let (properties, properties_page) = self.keep_properties(slot, incoming.properties);
        self.objects.push(StoredObject {
            id: incoming.id,
            delivery: incoming.delivery,
            priority: incoming.priority,
            properties,
            properties_page,
            status: incoming.status,
            payload_bytes: incoming.payload_bytes,
            received_bytes: 0,
            arrived: now,
            end_of_group: incoming.end_of_group,
            stream: Default::default(),
            predecessor: None,
            feeders: 0,
            place: LogPlace::None,
            log_offset: 0,
            extents: Default::default(),
            frames: Default::default(),
        });
        self.index.insert(incoming.id, slot);
        self.count_in(incoming.delivery, incoming.id);
        self.used_bytes += cost::OBJECT_BYTES;
        self.last_arrival = self.last_arrival.max(now);
        match incoming.status {
            ObjectStatus::EndOfGroup | ObjectStatus::EndOfTrack => {
                self.note_end(u128::from(incoming.id.0));
            }
            ObjectStatus::Normal if incoming.end_of_group => {
                self.note_end(u128::from(incoming.id.0) + 1);
            }
            ObjectStatus::Normal | ObjectStatus::DoesNotExist => {}
        }
        self.note_gaps(incoming);
        slot
    }

    /// A copy may tell what the first one could not: its length, its delivery.
    fn refine(&mut self, slot: Slot, incoming: &Incoming<'_>) {
        self.note_gaps(incoming);
        if let Some(object) = self.object_mut(slot) {
            object.payload_bytes = object.payload_bytes.or(incoming.payload_bytes);
        }
        if let Some(object) = self.object_mut(slot)
            && matches!(object.delivery, Delivery::Unknown(_))
            && !matches!(incoming.delivery, Delivery::Unknown(_))
        {
            object.delivery = incoming.delivery;
            object.priority = incoming.priority;
            object.end_of_group = incoming.end_of_group;
            self.count_in(incoming.delivery, incoming.id);
        }
    }

    /// Counts an object into its subgroup.
    fn count_in(&mut self, delivery: Delivery, id: ObjectId) {
        if let Delivery::Subgroup(subgroup) = delivery
            && let Some(&at) = self.by_subgroup.get(&subgroup)
        {
            let subgroup = &mut self.subgroups[at as usize];
            subgroup.highest = subgroup.highest.max(Some(id));
            subgroup.objects += 1;
        }
    }

    fn note_gaps(&mut self, incoming: &Incoming<'_>) {
        if let Some(gap) = incoming.facts.object_gap
            && gap > 0
            && gap <= incoming.id.0
        {
            let before = self.gaps.len();
            self.gaps.insert(incoming.id.0 - gap, incoming.id.0 - 1);
            self.recost_ranges(before, self.gaps.len());
            self.note_absent(incoming.id.0 - gap, incoming.id.0 - 1);
        }
        if incoming.facts.group_gap.is_some() {
            self.group_gap = incoming.facts.group_gap;
        }
    }

    /// Properties arrive as a slice of a receive buffer; they are kept as a slice of a page.
    fn keep_properties(
        &mut self,
        slot: Slot,
        properties: &Properties,
    ) -> (Properties, Option<PageNumber>) {
        if properties.is_empty() {
            return (properties.clone(), None);
        }
        let (raw, page) = self.keep_side_bytes(slot, properties.raw());
        (properties.moved_to(raw), page)
    }

    // Knowledge of what does not exist.

    /// Nothing at or after `end` exists.
    pub(super) fn note_end(&mut self, end: u128) {
        self.end = Some(self.end.map_or(end, |known| known.min(end)));
    }

    /// The first object id that cannot exist, if that is known.
    pub(super) fn end(&self) -> Option<u128> {
        self.end
    }

    /// Records that `first..=last` does not exist, where nothing is stored.
    pub(super) fn note_absent(&mut self, first: u64, last: u64) {
        let before = self.absent.len();
        let mut from = first;
        while from <= last {
            let Some((stored, _)) = self.next_stored(from, last) else {
                self.absent.insert(from, last);
                break;
            };
            if stored.0 > from {
                self.absent.insert(from, stored.0 - 1);
            }
            match stored.0.checked_add(1) {
                Some(next) => from = next,
                None => break,
            }
        }
        self.recost_ranges(before, self.absent.len());
    }

    /// Whether the object is known not to exist.
    pub(super) fn is_absent(&self, id: ObjectId) -> bool {
        self.end.is_some_and(|end| u128::from(id.0) >= end) || self.absent.contains(id.0)
    }

    /// Forgets that `first..=last` does not exist.
    pub(super) fn forget_absent(&mut self, first: u64, last: u64) {
        let before = self.absent.len();
        self.absent.remove(first, last);
        self.recost_ranges(before, self.absent.len());
    }

    /// The object turned out not to exist (the oldest drafts can say so of any object). Viewers
    /// whose log holds it may still get it; fetches do not.
    pub(super) fn withdraw(&mut self, id: ObjectId) {
        let slot = self.index.remove(&id);
        self.note_absent(id.0, id.0);
        let delivery = slot.and_then(|slot| self.object(slot)).map(|object| object.delivery);
        let Some(Delivery::Subgroup(subgroup)) = delivery else { return };
        let Some(&at) = self.by_subgroup.get(&subgroup) else { return };
        let highest = self.index.iter().rev().find(|&(_, &slot)| {
            self.object(slot).is_some_and(|o| o.delivery == Delivery::Subgroup(subgroup))
        });
        let highest = highest.map(|(&object, _)| object);
        let subgroup = &mut self.subgroups[at as usize];
        subgroup.highest = highest;
        subgroup.pending.remove(&id);
    }

    fn recost_ranges(&mut self, before: usize, after: usize) {
        self.used_bytes += after * cost::RANGE_BYTES;
        self.used_bytes -= before * cost::RANGE_BYTES;
    }

    /// Whether nothing is arriving in this group.
    pub(super) fn is_settled(&self) -> bool {
        self.feeds == 0
    }

    /// Whether every object that exists in the group is here, whole, and that is known.
    pub(super) fn is_complete(&self) -> bool {
        let Some(end) = self.end else { return false };
        let Some(last) = end.checked_sub(1) else { return true };
        let last = u64::try_from(last).unwrap_or(u64::MAX);
        self.first_unknown(0, last).is_none()
            && self
                .index
                .range(..=ObjectId(last))
                .all(|(_, &slot)| self.object(slot).is_some_and(StoredObject::is_complete))
    }

    /// The first stretch in `from..=last` of which nothing is known.
    pub(super) fn first_unknown(&self, from: u64, last: u64) -> Option<(u64, u64)> {
        let last = match self.end {
            Some(end) => match end.checked_sub(1) {
                Some(exists) => last.min(u64::try_from(exists).unwrap_or(u64::MAX)),
                None => return None,
            },
            None => last,
        };
        let mut at = from;
        while at <= last {
            if let Some((_, end)) = self.absent.around(at) {
                at = end.checked_add(1)?;
                continue;
            }
            let stored = self.next_stored(at, last).map(|(object, _)| object.0);
            if stored == Some(at) {
                at = at.checked_add(1)?;
                continue;
            }
            let mut until = stored.map_or(last, |stored| stored - 1);
            if let Some((start, _)) = self.absent.next_above(at) {
                until = until.min(start - 1);
            }
            return Some((at, until));
        }
        None
    }

    /// Whether every id in `first..=last` is known to be no object of `subgroup`.
    pub(super) fn none_of_subgroup(&self, subgroup: SubgroupId, first: u64, last: u64) -> bool {
        self.first_unknown(first, last).is_none()
            && self.index.range(ObjectId(first)..=ObjectId(last)).all(|(_, &slot)| {
                self.object(slot)
                    .is_some_and(|object| object.delivery != Delivery::Subgroup(subgroup))
            })
    }

    // Payload.

    /// Takes payload bytes of the object in `slot` that stand at `offset`: what is stored already
    /// is compared, the rest is kept. Returns whether anything new came.
    pub(super) fn take_payload(
        &mut self,
        slot: Slot,
        offset: u64,
        data: &Bytes,
        share: bool,
    ) -> Result<bool, MalformedTrack> {
        let Some(object) = self.object(slot) else { return Ok(false) };
        let received = object.received_bytes;
        let room = object.payload_bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(offset));
        let data = data.slice(..data.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
        let known = usize::try_from(received.saturating_sub(offset)).unwrap_or(usize::MAX);
        let known = known.min(data.len());
        if !object.agrees(offset, &data[..known], self.pages.unsealed(slot)) {
            let object = self.at(object.id);
            return Err(MalformedTrack::PayloadDiffers { object, offset });
        }
        if offset > received || known == data.len() {
            return Ok(false);
        }
        self.append(slot, data.slice(known..), share);
        Ok(true)
    }

    /// The stream of an object whose length nobody had said ended after `bytes` of it.
    pub(super) fn end_payload(&mut self, slot: Slot, bytes: u64) -> Result<(), MalformedTrack> {
        let Some(object) = self.object_mut(slot) else { return Ok(()) };
        let known = object.payload_bytes.or(Some(object.received_bytes).filter(|had| *had > bytes));
        match known {
            Some(first) if first != bytes => {
                let id = object.id;
                let object = self.at(id);
                Err(MalformedTrack::LengthDiffers { object, first, second: bytes })
            }
            _ => {
                object.payload_bytes = Some(bytes);
                Ok(())
            }
        }
    }

    fn append(&mut self, slot: Slot, mut data: Bytes, share: bool) {
        let Some(object) = self.object_mut(slot) else { return };
        let whole = object.delivery == Delivery::Datagram;
        object.received_bytes += data.len() as u64;
        let taken = object.received_bytes - data.len() as u64;
        let mut expected = object.payload_bytes.map_or(u64::MAX, |bytes| bytes - taken);
        if share {
            object.push(Run { owner: slot, page: None, bytes: data });
            self.used_bytes += cost::EXTENT_BYTES;
            return;
        }
        while !data.is_empty() {
            if self.pages.must_seal(slot, data.len(), whole) {
                self.seal();
            }
            let before = self.pages.cost_bytes();
            let written = self.pages.write(slot, &data, expected, whole);
            self.used_bytes = self.used_bytes + self.pages.cost_bytes() - before;
            expected -= written as u64;
            data = data.slice(written..);
        }
    }

    /// Freezes the unfrozen end of the newest page.
    fn seal(&mut self) {
        if let Some(run) = self.pages.seal() {
            self.used_bytes += cost::EXTENT_BYTES;
            if let Some(object) = self.object_mut(run.owner) {
                object.push(run);
            }
        }
    }

    /// Payload of the object in `slot` from `offset` on: at most `max_bytes`, at most one part.
    pub(super) fn payload(&mut self, slot: Slot, offset: u64, max_bytes: usize) -> Option<Bytes> {
        let object = self.object(slot)?;
        if offset >= object.received_bytes || max_bytes == 0 {
            return None;
        }
        if offset >= object.sealed_bytes() {
            self.seal();
        }
        self.object(slot)?.slice(offset, max_bytes)
    }

    /// The frame of the object in `slot` for `key`, encoded once and then shared.
    pub(super) fn frame(
        &mut self,
        slot: Slot,
        key: FrameKey,
        frames_max: usize,
        encode: impl FnOnce(ObjectView<'_>, &mut Vec<u8>),
        scratch: &mut Vec<u8>,
    ) -> Option<Bytes> {
        if let Some(bytes) = self.object(slot)?.frame(key) {
            return Some(bytes);
        }
        scratch.clear();
        encode(self.view(slot)?, scratch);
        if self.object(slot)?.frames.len() >= frames_max {
            return Some(Bytes::copy_from_slice(scratch));
        }
        let (bytes, page) = self.keep_side_bytes(slot, scratch);
        self.used_bytes += cost::EXTENT_BYTES;
        self.object_mut(slot)?.frames.push(Frame { key, page, bytes: bytes.clone() });
        Some(bytes)
    }

    /// Keeps frames and properties, in pages of their own.
    fn keep_side_bytes(&mut self, slot: Slot, data: &[u8]) -> (Bytes, Option<PageNumber>) {
        let before = self.frame_pages.cost_bytes();
        self.frame_pages.write(slot, data, data.len() as u64, true);
        self.used_bytes = self.used_bytes + self.frame_pages.cost_bytes() - before;
        self.frame_pages.seal().map_or((Bytes::new(), None), |run| (run.bytes, run.page))
    }

    // Trimming.

    /// Gives up the oldest objects until `wanted_bytes` are free, as far as nothing is still
    /// arriving in them. Readers that have not passed them learn it. Returns what that freed.
    pub(super) fn trim(&mut self, wanted_bytes: usize, ranges_max: usize) -> usize {
        let before = self.used_bytes;
        let freed = |group: &Group| before.saturating_sub(group.used_bytes);
        while freed(self) < wanted_bytes
            && self.objects.oldest().is_some_and(|object| object.is_idle())
        {
            let slot = self.objects.first();
            let Some(object) = self.objects.pop_oldest() else { break };
            self.give_up(slot, object);
        }
        if self.used_bytes == before {
            return 0;
        }
        let ranges = self.sent.len();
        self.sent.coarsen(ranges_max);
        self.recost_ranges(ranges, self.sent.len());
        self.forget_below();
        self.drop_spent();
        freed(self)
    }

    fn give_up(&mut self, slot: Slot, object: StoredObject) {
        let before = self.pages.cost_bytes() + self.frame_pages.cost_bytes();
        if self.pages.is_open_for(slot) {
            // The unfrozen end is this object's; nobody has seen it yet.
            let page = self.pages.seal().and_then(|run| run.page);
            page.into_iter().for_each(|page| self.pages.release(page));
        }
        if self.index.get(&object.id) == Some(&slot) {
            self.index.remove(&object.id);
        }
        if object.went_live() {
            let ranges = self.sent.len();
            self.sent.insert(object.id.0, object.id.0);
            self.recost_ranges(ranges, self.sent.len());
        }
        for page in object.extents.iter().filter_map(|extent| extent.page) {
            self.pages.release(page);
        }
        let frames = object.frames.iter().filter_map(|frame| frame.page);
        for page in frames.chain(object.properties_page) {
            self.frame_pages.release(page);
        }
        let after = self.pages.cost_bytes() + self.frame_pages.cost_bytes();
        let parts = object.extents.len() + object.frames.len();
        self.used_bytes -= before - after + cost::OBJECT_BYTES + parts * cost::EXTENT_BYTES;
        if let Delivery::Subgroup(id) = object.delivery
            && let Some(at) = self.place_of(id)
        {
            self.subgroups[at as usize].objects -= 1;
        }
        if let LogPlace::Log(log) = object.place {
            self.pass_trimmed(log, slot, &object);
        }
    }

    /// What does not exist before the oldest object left is not worth remembering.
    fn forget_below(&mut self) {
        let Some((&first, _)) = self.index.first_key_value() else { return };
        let Some(last) = first.0.checked_sub(1) else { return };
        self.forget_absent(0, last);
        let before = self.gaps.len();
        self.gaps.remove(0, last);
        self.recost_ranges(before, self.gaps.len());
    }

    /// Forgets subgroups and logs of which nothing is left.
    fn drop_spent(&mut self) {
        while self.logs.oldest().is_some_and(|log| log.end.is_some() && log.entries.len() == 0) {
            self.logs.pop_oldest();
            self.used_bytes -= cost::LOG_BYTES;
        }
        let (by_subgroup, used_bytes) = (&mut self.by_subgroup, &mut self.used_bytes);
        self.subgroups.retain(|_, subgroup| {
            let kept = !subgroup.is_spent();
            if !kept {
                by_subgroup.remove(&subgroup.id);
                *used_bytes -= cost::SUBGROUP_BYTES;
            }
            kept
        });
    }
}

/// Whether two copies may have come like this. A peer whose draft cannot tell calls a datagram a
/// subgroup of the object's own id.
fn same_delivery(first: Delivery, second: Delivery) -> bool {
    match (first, second) {
        (Delivery::Unknown(_), Delivery::Datagram) | (Delivery::Datagram, Delivery::Unknown(_)) => {
            true
        }
        (Delivery::Unknown(a) | Delivery::Subgroup(a), Delivery::Unknown(b))
        | (Delivery::Unknown(a), Delivery::Subgroup(b)) => a == b,
        (first, second) => first == second,
    }
}

/// Whether two priorities differ once inheritance is resolved; not if that cannot be told.
pub(super) fn differs(
    first: Option<Priority>,
    second: Option<Priority>,
    default: Option<Priority>,
) -> bool {
    match (first.or(default), second.or(default)) {
        (Some(first), Some(second)) => first != second,
        _ => false,
    }
}
