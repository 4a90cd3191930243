//! Whole objects, as programs send and receive them.

use bytes::Bytes;
use sluice_proto::model::{
    Delivery, DoneCode, Location, ObjectStatus, Priority, Properties, SubgroupId,
};

/// An object with its payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// Where it stands in its track.
    pub location: Location,
    /// How its publisher sent it.
    pub delivery: Delivery,
    /// Publisher priority; `None` is the track's.
    pub priority: Option<Priority>,
    /// Properties.
    pub properties: Properties,
    /// Status; other than `Normal` only with an empty payload.
    pub status: ObjectStatus,
    /// The payload.
    pub payload: Bytes,
}

impl Object {
    /// A normal object of subgroup 0.
    pub fn new(group: u64, object: u64, payload: impl Into<Bytes>) -> Self {
        Self {
            location: Location::new(group, object),
            delivery: Delivery::Subgroup(SubgroupId(0)),
            priority: None,
            properties: Properties::default(),
            status: ObjectStatus::Normal,
            payload: payload.into(),
        }
    }
}

/// How a track ended for a subscriber.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackEnd {
    /// What the publisher said.
    pub code: DoneCode,
    /// For people.
    pub reason: String,
    /// Whether every object between the join and the end arrived: no stream was reset, no group
    /// is missing without the publisher saying that it does not exist, and the track ended
    /// regularly.
    pub complete: bool,
}
