//! What holds for any object that arrives, whatever brings it: whether the track allows it, and
//! what it tells about the track.

use sluice_proto::model::{Delivery, GroupId, Location, ObjectStatus, Priority, Properties};

use super::budget::cost;
use super::facts::ObjectFacts;
use super::group::Incoming;
use super::malformed::MalformedTrack;
use super::source::{DeliveryRule, SourceId};
use super::{GroupKey, TrackStore};

/// An object as a source brought it.
#[derive(Debug)]
pub(super) struct LiveArrival<'a> {
    pub(super) source: SourceId,
    pub(super) location: Location,
    pub(super) delivery: Delivery,
    pub(super) priority: Option<Priority>,
    pub(super) properties: &'a Properties,
    pub(super) status: ObjectStatus,
    /// `None` if only the end of its stream will tell.
    pub(super) payload_bytes: Option<u64>,
    pub(super) end_of_group: bool,
}

impl TrackStore {
    pub(super) fn refuse_malformed(&self) -> Result<(), MalformedTrack> {
        self.malformed.clone().map_or(Ok(()), Err)
    }

    /// Whether the track as a whole allows the arrival; `None` if its group is known not to exist.
    pub(super) fn judge_arrival<'a>(
        &self,
        arrival: &LiveArrival<'a>,
    ) -> Result<Option<Incoming<'a>>, MalformedTrack> {
        let rules = self.rules(arrival.source);
        if rules.delivery == DeliveryRule::PerTrack {
            let mixed = match arrival.delivery {
                Delivery::Datagram => self.seen.0,
                Delivery::Subgroup(_) | Delivery::Unknown(_) => self.seen.1,
            };
            if mixed {
                let (object, delivery) = (arrival.location, arrival.delivery);
                return Err(MalformedTrack::MixedDelivery { object, delivery });
            }
        }
        self.judge_object(arrival)
    }

    /// [`judge_arrival`](Self::judge_arrival) without what only live objects are subject to.
    pub(super) fn judge_object<'a>(
        &self,
        arrival: &LiveArrival<'a>,
    ) -> Result<Option<Incoming<'a>>, MalformedTrack> {
        let object = arrival.location;
        let facts = ObjectFacts::read(arrival.properties, object)?;
        if let Some(end) = self.end
            && object >= end
        {
            if arrival.status == ObjectStatus::Normal {
                return Err(MalformedTrack::BeyondTrackEnd { object, end });
            }
            if object > end {
                return Ok(None);
            }
        }
        if arrival.status == ObjectStatus::EndOfTrack {
            self.judge_track_end(object)?;
        }
        if self.group_gaps.contains(object.group.0) {
            return Err(MalformedTrack::ObjectInGap { object });
        }
        if self.absent_groups.contains(object.group.0) && !self.by_id.contains_key(&object.group) {
            return Ok(None);
        }
        self.judge_group_gap(object, facts.group_gap)?;
        Ok(Some(Incoming {
            id: object.object,
            delivery: arrival.delivery,
            priority: arrival.priority,
            properties: arrival.properties,
            facts,
            status: arrival.status,
            payload_bytes: arrival.payload_bytes,
            end_of_group: arrival.end_of_group,
            default_priority: self.default_priority,
        }))
    }

    fn judge_group_gap(&self, object: Location, gap: Option<u64>) -> Result<(), MalformedTrack> {
        let Some(gap) = gap.filter(|&gap| gap > 0) else { return Ok(()) };
        let first = GroupId(object.group.0.saturating_sub(gap));
        for &slot in self.by_id.range(first..object.group).map(|(_, slot)| slot) {
            let Some(group) = self.groups.get(slot as usize) else { continue };
            if let Some((received, _)) = group.next_stored(0, u64::MAX) {
                let received = group.at(received);
                return Err(MalformedTrack::GapCoversObject { object, received });
            }
        }
        Ok(())
    }

    /// Facts that a live object brings for the track. Call once it is known to be accepted.
    pub(super) fn note_arrival(&mut self, arrival: &LiveArrival<'_>, incoming: &Incoming<'_>) {
        match arrival.delivery {
            Delivery::Datagram => self.seen.1 = true,
            Delivery::Subgroup(_) | Delivery::Unknown(_) => self.seen.0 = true,
        }
        // An end-of-track mark may stand in a group that has no objects; it is no object to join.
        if arrival.status != ObjectStatus::EndOfTrack && self.largest < Some(arrival.location) {
            self.largest = Some(arrival.location);
            self.largest_source = Some(arrival.source);
        }
        self.note_track_facts(arrival, incoming);
    }

    /// Facts that any object brings for the track.
    pub(super) fn note_track_facts(&mut self, arrival: &LiveArrival<'_>, incoming: &Incoming<'_>) {
        let object = arrival.location;
        if arrival.status == ObjectStatus::EndOfTrack {
            self.end = Some(self.end.map_or(object, |known| known.min(object)));
        }
        if let Some(gap) = incoming.facts.group_gap
            && gap > 0
            && gap <= object.group.0
        {
            self.group_gaps.insert(object.group.0 - gap, object.group.0 - 1);
            self.note_absent_groups(object.group.0 - gap, object.group.0 - 1);
        }
    }

    pub(super) fn note_nonexistent(&mut self, location: Location) {
        if let Some((key, _)) = self.group_by_id(location.group) {
            self.with_group(key, |group| group.withdraw(location.object));
        }
    }

    /// Records that nothing exists in these groups, where none is stored.
    pub(super) fn note_absent_groups(&mut self, first: u64, last: u64) {
        let before = self.absent_groups.len();
        let stored: Vec<GroupKey> = self
            .by_id
            .range(GroupId(first)..=GroupId(last))
            .filter_map(|(&id, _)| self.group_by_id(id))
            .map(|(key, _)| key)
            .collect();
        self.absent_groups.insert(first, last);
        for key in stored {
            if let Some(id) = self.with_group(key, |group| {
                group.note_absent(0, u64::MAX);
                group.id.0
            }) {
                self.absent_groups.remove(id, id);
            }
        }
        while self.absent_groups.len() > self.limits.absent_ranges_max {
            let Some((start, end)) = self.absent_groups.lowest() else { break };
            self.absent_groups.remove(start, end);
            self.group_gaps.remove(start, end);
        }
        self.recost_groups(before);
    }

    pub(super) fn forget_absent_groups(&mut self, first: u64, last: u64) {
        let before = self.absent_groups.len();
        self.absent_groups.remove(first, last);
        self.recost_groups(before);
        let stored: Vec<GroupKey> = self
            .by_id
            .range(GroupId(first)..=GroupId(last))
            .filter_map(|(&id, _)| self.group_by_id(id))
            .map(|(key, _)| key)
            .collect();
        for key in stored {
            self.with_group(key, |group| group.forget_absent(0, u64::MAX));
        }
    }

    fn recost_groups(&mut self, before: usize) {
        self.used_bytes += self.absent_groups.len() * cost::RANGE_BYTES;
        self.used_bytes -= before * cost::RANGE_BYTES;
    }
}
