//! The truth of a run: what was published, by any publisher, and what ended how.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{
    FullTrackName, GroupId, Location, ObjectId, Priority, PropertyValue, SubgroupId,
};

use crate::content::{After, Batch, Carriage, payload, properties};

/// One object as published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// What carried it.
    pub carriage: Carriage,
    /// Publisher priority of its subgroup; `None` inherits the track's.
    pub priority: Option<Priority>,
    /// Its properties.
    pub properties: Vec<(u64, PropertyValue)>,
    /// Its bytes.
    pub payload: Bytes,
    /// When the first publisher sent it.
    pub at: Instant,
}

/// One track as published.
#[derive(Clone, Debug, Default)]
pub struct TrackLedger {
    /// Every object.
    pub objects: BTreeMap<Location, Published>,
    /// Every subgroup with its objects, in the order of their ids.
    pub subgroups: BTreeMap<(GroupId, SubgroupId), BTreeSet<ObjectId>>,
    /// Subgroups that some publisher finished.
    pub finished: BTreeSet<(GroupId, SubgroupId)>,
    /// Subgroups that some publisher reset.
    pub reset: BTreeSet<(GroupId, SubgroupId)>,
    /// Groups that some publisher marked the end of.
    pub ended_groups: BTreeSet<GroupId>,
    /// Some publisher's draft cannot say of a fetched object that it was a datagram: it gives the
    /// object's id as that of its subgroup.
    pub unflagged: bool,
}

/// Everything published in a run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    tracks: BTreeMap<FullTrackName, TrackLedger>,
}

impl Ledger {
    /// What was published of a track.
    pub fn track(&self, track: &FullTrackName) -> Option<&TrackLedger> {
        self.tracks.get(track)
    }

    /// Enters a batch and returns its objects. An object that another publisher sent before is the
    /// same object.
    pub fn publish(
        &mut self,
        track: &FullTrackName,
        batch: &Batch,
        now: Instant,
    ) -> Vec<(Location, Published)> {
        let entry = self.tracks.entry(track.clone()).or_default();
        if batch.end_of_group {
            entry.ended_groups.insert(batch.group);
        }
        let mut sent = Vec::with_capacity(batch.objects.len());
        for location in batch.locations() {
            let object = entry.objects.entry(location).or_insert_with(|| Published {
                carriage: batch.carriage,
                priority: batch.priority,
                properties: if batch.properties { properties(location) } else { Vec::new() },
                payload: payload(track, location, batch.bytes_of(location)),
                at: now,
            });
            if let Carriage::Subgroup(subgroup) = batch.carriage {
                let key = (location.group, subgroup);
                entry.subgroups.entry(key).or_default().insert(location.object);
            }
            sent.push((location, object.clone()));
        }
        if let Carriage::Subgroup(subgroup) = batch.carriage {
            let key = (batch.group, subgroup);
            match batch.after {
                After::Open => {}
                After::Finish => drop(entry.finished.insert(key)),
                After::Reset => drop(entry.reset.insert(key)),
            }
        }
        sent
    }

    /// Notes that a publisher of a track speaks a draft that does not tell datagrams in a fetch.
    pub fn unflag(&mut self, track: &FullTrackName) {
        self.tracks.entry(track.clone()).or_default().unflagged = true;
    }

    /// What was published of a subgroup.
    pub fn objects_of(
        &self,
        track: &FullTrackName,
        group: GroupId,
        subgroup: SubgroupId,
    ) -> BTreeSet<Location> {
        let facts = self.tracks.get(track);
        let ids = facts.and_then(|facts| facts.subgroups.get(&(group, subgroup)));
        ids.into_iter().flatten().map(|object| Location { group, object: *object }).collect()
    }

    /// All tracks, in order of name.
    pub fn tracks(&self) -> impl Iterator<Item = (&FullTrackName, &TrackLedger)> {
        self.tracks.iter()
    }
}

impl TrackLedger {
    /// The largest location published.
    pub fn largest(&self) -> Option<Location> {
        self.objects.keys().next_back().copied()
    }
}
