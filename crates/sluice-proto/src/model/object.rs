//! Objects and the headers of what carries them.

use super::id::{GroupId, Location, ObjectId, Priority, RequestId, SubgroupId, TrackAlias};
use super::property::Properties;

/// What an object says besides its payload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum ObjectStatus {
    /// A payload, possibly empty.
    #[default]
    Normal,
    /// This object does not exist (only the oldest drafts can say so).
    DoesNotExist,
    /// No object at or above this id exists in the group.
    EndOfGroup,
    /// No object at or above this location exists in the track.
    EndOfTrack,
}

/// How a publisher sends an object; part of its identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Delivery {
    /// On a stream of this subgroup.
    Subgroup(SubgroupId),
    /// In a datagram.
    Datagram,
    /// Fetched from a peer whose draft cannot tell a datagram from a subgroup with this id.
    Unknown(SubgroupId),
}

/// How a subgroup header names the subgroup.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SubgroupIdField {
    /// By number (written as a field, or implied when 0).
    Id(SubgroupId),
    /// The id of the first object on the stream.
    FirstObject,
}

/// The header of a subgroup stream.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SubgroupHead {
    /// The track, by the sender's alias.
    pub alias: TrackAlias,
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
}

/// One object on a subgroup stream, without its payload.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ObjectHead {
    /// The object's id.
    pub object: ObjectId,
    /// Properties; empty if none.
    pub properties: Properties,
    /// Status; other than `Normal` only with an empty payload.
    pub status: ObjectStatus,
    /// Length of the payload that follows.
    pub payload_bytes: u64,
}

/// A datagram without its payload.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DatagramHead {
    /// The track, by the sender's alias.
    pub alias: TrackAlias,
    /// Where the object stands.
    pub location: Location,
    /// Publisher priority; `None` inherits the track's.
    pub priority: Option<Priority>,
    /// Properties; empty if none.
    pub properties: Properties,
    /// Status; other than `Normal` only with an empty payload.
    pub status: ObjectStatus,
    /// Whether nothing larger exists in the group.
    pub end_of_group: bool,
}

/// One object on a fetch stream, without its payload.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FetchedObject {
    /// Where the object stands.
    pub location: Location,
    /// How its publisher sent it.
    pub delivery: Delivery,
    /// Publisher priority.
    pub priority: Priority,
    /// Properties; empty if none.
    pub properties: Properties,
    /// Status; other than `Normal` only from the oldest drafts.
    pub status: ObjectStatus,
    /// Length of the payload that follows.
    pub payload_bytes: u64,
}

/// What is known of a range without objects on a fetch stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RangeMark {
    /// Nothing exists there.
    NonExistent,
    /// The sender does not know.
    Unknown,
    /// The sender gave up waiting for it.
    TimedOut,
}

/// What follows next on a fetch stream.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FetchItem {
    /// An object; its payload follows.
    Object(FetchedObject),
    /// From after the previous item up to and including this location.
    EndOfRange(Location, RangeMark),
}

/// The request a fetch stream answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FetchHead {
    /// A FETCH, or the SUBSCRIBE or REQUEST_UPDATE that carried a fill.
    pub request: RequestId,
}
