//! The ways in which a track contradicts itself.
//!
//! A malformed track costs the track, never the session: the caller cancels what it has from the
//! publisher that sent the trigger and ends the track downstream. The trigger itself is not stored
//! (MOQT-18 §2.4.2).

use sluice_proto::model::{
    Delivery, GroupId, Location, MalformedProperties, ObjectId, ObjectStatus, SubgroupId,
};

/// One variant per condition under which a track is malformed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MalformedTrack {
    /// A fetch stream repeats an object id or goes back inside a group.
    #[error("fetched object {object} does not follow {previous} in its group")]
    FetchObjectOrder {
        /// The object before.
        previous: Location,
        /// The object.
        object: Location,
    },
    /// A fetch stream changes to a group against the order asked for, or leaves its range.
    #[error("fetched object {object} stands against the order or the range of the fetch")]
    FetchGroupOrder {
        /// The object.
        object: Location,
    },
    /// Two streams of one subgroup carry different publisher priorities.
    #[error("subgroup {subgroup} of group {group} has two priorities")]
    SubgroupPriority {
        /// The group.
        group: GroupId,
        /// The subgroup.
        subgroup: SubgroupId,
    },
    /// An object beyond the last object of its subgroup.
    #[error("object {object} follows the last object {last} of its subgroup {subgroup}")]
    BeyondSubgroupEnd {
        /// The subgroup.
        subgroup: SubgroupId,
        /// The object.
        object: Location,
        /// The last object before FIN.
        last: ObjectId,
    },
    /// Two finished streams of one subgroup end with different objects.
    #[error("subgroup {subgroup} of group {group} ends with object {first} and with {second}")]
    SubgroupEndsDiffer {
        /// The group.
        group: GroupId,
        /// The subgroup.
        subgroup: SubgroupId,
        /// The last object as known.
        first: ObjectId,
        /// The last object of the other stream.
        second: ObjectId,
    },
    /// An object at or beyond the end of its group.
    #[error("object {object} lies beyond the end of its group")]
    BeyondGroupEnd {
        /// The object.
        object: Location,
    },
    /// An object at or beyond the end of the track.
    #[error("object {object} lies beyond the end of the track at {end}")]
    BeyondTrackEnd {
        /// The object.
        object: Location,
        /// The first location that cannot exist.
        end: Location,
    },
    /// Two copies of an object have different payload bytes.
    #[error("two copies of object {object} differ at payload byte {offset} or after")]
    PayloadDiffers {
        /// The object.
        object: Location,
        /// Where the compared part starts.
        offset: u64,
    },
    /// Two copies of an object have different payload lengths.
    #[error("two copies of object {object} have {first} and {second} payload bytes")]
    LengthDiffers {
        /// The object.
        object: Location,
        /// The length as stored.
        first: u64,
        /// The other length.
        second: u64,
    },
    /// Two copies of an object have different immutable properties.
    #[error("two copies of object {object} have different immutable properties")]
    ImmutableDiffers {
        /// The object.
        object: Location,
    },
    /// Two copies of an object have different statuses.
    #[error("two copies of object {object} have status {first:?} and {second:?}")]
    StatusDiffers {
        /// The object.
        object: Location,
        /// The status as stored.
        first: ObjectStatus,
        /// The other status.
        second: ObjectStatus,
    },
    /// Two copies of an object came by different deliveries, or in different subgroups.
    #[error("two copies of object {object} came as {first:?} and {second:?}")]
    DeliveryDiffers {
        /// The object.
        object: Location,
        /// The delivery as stored.
        first: Delivery,
        /// The other delivery.
        second: Delivery,
    },
    /// Two copies of an object have different priorities.
    #[error("two copies of object {object} have different priorities")]
    PriorityDiffers {
        /// The object.
        object: Location,
    },
    /// Streams and datagrams in one track, from a publisher whose draft allows only one of them.
    #[error("object {object} came as {delivery:?} in a track of the other kind")]
    MixedDelivery {
        /// The object.
        object: Location,
        /// Its delivery.
        delivery: Delivery,
    },
    /// The properties of an object contradict themselves or their object.
    #[error("the properties of object {object} are malformed: {fault}")]
    Properties {
        /// The object.
        object: Location,
        /// What is wrong.
        fault: MalformedProperties,
    },
    /// Two objects of a group claim different gaps before the group.
    #[error("group {group} claims gaps of {first} and {second} groups before it")]
    GroupGapsDiffer {
        /// The group.
        group: GroupId,
        /// The gap as known.
        first: u64,
        /// The other gap.
        second: u64,
    },
    /// A gap covers an object that was received.
    #[error("the gap before object {object} covers the received object {received}")]
    GapCoversObject {
        /// The object with the property.
        object: Location,
        /// The object in the gap.
        received: Location,
    },
    /// An object inside a gap that an earlier property announced.
    #[error("object {object} lies in an announced gap")]
    ObjectInGap {
        /// The object.
        object: Location,
    },
}
