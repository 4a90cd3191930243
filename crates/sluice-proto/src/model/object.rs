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

/// Which of several objects that wait is sent first: that with the larger number, as publishers of
/// 2023/24 mean it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SendOrder(pub u64);

impl SendOrder {
    /// What a publisher of a later draft means by `priority`; of one priority the object with the
    /// larger `count` goes first.
    pub fn of_priority(priority: Priority, count: u64) -> SendOrder {
        let urgency = u64::from(255 - priority.0);
        SendOrder(urgency << COUNT_BITS | count & ((1 << COUNT_BITS) - 1))
    }

    /// The nearest that a later draft can say.
    pub fn priority(self) -> Priority {
        Priority(255 - u8::try_from(self.0 >> COUNT_BITS).unwrap_or(u8::MAX))
    }
}

/// Publishers of 2023/24 count video from 0 and audio from 2^52: eight bits below 2^52 tell them
/// apart and leave room for a count.
const COUNT_BITS: u32 = 44;

/// The header of a stream with one object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ObjectStreamHead {
    /// The track, by the sender's alias.
    pub alias: TrackAlias,
    /// Where the object stands.
    pub location: Location,
    /// Its urgency.
    pub order: SendOrder,
    /// Its length; `None` if that is not known before the stream ends.
    pub payload_bytes: Option<u64>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pages_of_2024_send_has_the_ends_of_the_priorities() {
        let (video, audio) = (SendOrder(1_000_000), SendOrder((1 << 52) - 1));
        assert_eq!((video.priority(), audio.priority()), (Priority(255), Priority(0)));
        assert_eq!(SendOrder((1 << 53) - 1).priority(), Priority(0));
        assert_eq!(SendOrder(1 << 44).priority(), Priority(254));
    }

    #[test]
    fn every_priority_comes_back_from_a_send_order_that_a_page_can_hold() {
        for priority in (0..=255).map(Priority) {
            for count in [0, 1, 1 << 44, u64::MAX] {
                let order = SendOrder::of_priority(priority, count);
                assert_eq!(order.priority(), priority);
                assert!(order.0 < 1 << 53);
            }
        }
    }
}
