//! One object as it is stored: its facts, and as much of its payload as has arrived.

use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{
    Delivery, GroupId, ObjectId, ObjectStatus, Priority, Properties, SendOrder,
};
use smallvec::SmallVec;

use super::page::{PageNumber, Run};

/// An object as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub struct ObjectView<'a> {
    /// The group.
    pub group: GroupId,
    /// The object.
    pub id: ObjectId,
    /// How its publisher sent it.
    pub delivery: Delivery,
    /// Publisher priority; `None` inherits the track's.
    pub priority: Option<Priority>,
    /// Its urgency, if its publisher sends each object on a stream of its own.
    pub order: Option<SendOrder>,
    /// Properties of the first copy.
    pub properties: &'a Properties,
    /// Status.
    pub status: ObjectStatus,
    /// Length of the payload; `None` while only the end of its stream will tell.
    pub payload_bytes: Option<u64>,
    /// How much of the payload is here.
    pub received_bytes: u64,
    /// When its first byte arrived.
    pub arrived: Instant,
    /// Whether its publisher said that nothing larger exists in the group. Datagrams only.
    pub end_of_group: bool,
}

impl ObjectView<'_> {
    /// Whether all of the payload is here.
    pub fn is_complete(&self) -> bool {
        self.payload_bytes == Some(self.received_bytes)
    }
}

/// Names one encoding of an object's frame: the bytes before its payload on a subgroup stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FrameKey {
    /// The wire layout.
    pub layout: u16,
    /// The object before it on the stream, if any.
    pub previous: Option<ObjectId>,
    /// Whether the stream carries property blocks.
    pub properties: bool,
}

/// What the header of the stream that brought an object said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct StreamFacts {
    /// Objects carry property blocks.
    pub(super) properties: bool,
    /// The last object before FIN is the group's last.
    pub(super) end_of_group: bool,
    /// This object is known to be the subgroup's first.
    pub(super) first_object: bool,
    /// Its urgency, if its publisher sends each object on a stream of its own.
    pub(super) order: Option<SendOrder>,
}

/// A part of a payload.
#[derive(Debug)]
pub(super) struct Extent {
    /// Payload offset just after this part.
    pub(super) end: u64,
    /// Its page, if it is one of the group's.
    pub(super) page: Option<PageNumber>,
    /// The bytes.
    pub(super) bytes: Bytes,
}

/// An encoded frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) key: FrameKey,
    pub(super) page: Option<PageNumber>,
    pub(super) bytes: Bytes,
}

/// Where live readers find an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LogPlace {
    /// Nowhere: it only came by fetch, or its turn has not come, or never will.
    None,
    /// In this log.
    Log(u64),
    /// In the track's list of datagrams.
    Datagrams,
    /// It waits for what comes before it.
    Pending,
}

#[derive(Debug)]
pub(super) struct StoredObject {
    pub(super) id: ObjectId,
    pub(super) delivery: Delivery,
    pub(super) priority: Option<Priority>,
    pub(super) properties: Properties,
    pub(super) properties_page: Option<PageNumber>,
    pub(super) status: ObjectStatus,
    /// Its length, once that is known.
    pub(super) payload_bytes: Option<u64>,
    pub(super) received_bytes: u64,
    pub(super) arrived: Instant,
    /// Datagram that ends its group.
    pub(super) end_of_group: bool,
    /// What the first live stream with this object said.
    pub(super) stream: StreamFacts,
    /// The object just before this one on some upstream stream; the nearest if there are several.
    pub(super) predecessor: Option<ObjectId>,
    /// Streams that are delivering it now.
    pub(super) feeders: u32,
    /// Where live readers find it.
    pub(super) place: LogPlace,
    /// Bytes of the objects before it in its log.
    pub(super) log_offset: u64,
    /// Frozen payload, in order.
    pub(super) extents: SmallVec<[Extent; 1]>,
    /// Encoded frames, newest last.
    pub(super) frames: SmallVec<[Frame; 1]>,
}

impl StoredObject {
    pub(super) fn is_complete(&self) -> bool {
        self.payload_bytes == Some(self.received_bytes)
    }

    /// Bytes of its payload, as far as its length is known.
    pub(super) fn bytes(&self) -> u64 {
        self.payload_bytes.unwrap_or(self.received_bytes)
    }

    /// It came on a live stream, after `previous`.
    pub(super) fn came_live(
        &mut self,
        stream: StreamFacts,
        previous: Option<ObjectId>,
        first_copy: bool,
    ) {
        if first_copy || !self.is_logged() && self.stream == StreamFacts::default() {
            self.stream = stream;
        }
        self.stream.first_object |= stream.first_object;
        self.predecessor = self.predecessor.max(previous);
    }

    /// Whether it stands where live readers find it.
    pub(super) fn is_logged(&self) -> bool {
        matches!(self.place, LogPlace::Log(_) | LogPlace::Datagrams)
    }

    /// Whether it stands in a log, or will.
    pub(super) fn is_for_logs(&self) -> bool {
        matches!(self.place, LogPlace::Log(_) | LogPlace::Pending)
    }

    /// Whether live readers could have all of it.
    pub(super) fn went_live(&self) -> bool {
        self.is_logged() && self.is_complete()
    }

    /// Whether nobody brings it and no log waits for it.
    pub(super) fn is_idle(&self) -> bool {
        self.feeders == 0
            && match self.place {
                LogPlace::None | LogPlace::Datagrams => true,
                LogPlace::Log(_) => self.is_complete(),
                LogPlace::Pending => false,
            }
    }

    /// Payload bytes that are frozen.
    pub(super) fn sealed_bytes(&self) -> u64 {
        self.extents.last().map_or(0, |extent| extent.end)
    }

    /// Takes the next frozen part.
    pub(super) fn push(&mut self, run: Run) {
        let end = self.sealed_bytes() + run.bytes.len() as u64;
        debug_assert!(end <= self.received_bytes);
        self.extents.push(Extent { end, page: run.page, bytes: run.bytes });
    }

    /// Frozen bytes from `offset` on, at most `max_bytes`, as far as one part reaches.
    pub(super) fn slice(&self, offset: u64, max_bytes: usize) -> Option<Bytes> {
        let at = self.extents.partition_point(|extent| extent.end <= offset);
        let extent = self.extents.get(at)?;
        let left = usize::try_from(extent.end - offset).ok()?;
        let from = extent.bytes.len() - left;
        Some(extent.bytes.slice(from..from + left.min(max_bytes)))
    }

    /// Whether `data` at `offset` agrees with the stored bytes, `unsealed` being those after the
    /// frozen ones. All of `data` must lie before `received_bytes`.
    pub(super) fn agrees(&self, offset: u64, data: &[u8], unsealed: &[u8]) -> bool {
        let mut at = self.extents.partition_point(|extent| extent.end <= offset);
        let (mut offset, mut data) = (offset, data);
        while !data.is_empty() {
            let rest = match self.extents.get(at) {
                Some(extent) => {
                    let left = (extent.end - offset) as usize;
                    &extent.bytes[extent.bytes.len() - left..]
                }
                None => &unsealed[(offset - self.sealed_bytes()) as usize..],
            };
            let common = rest.len().min(data.len());
            if common == 0 || rest[..common] != data[..common] {
                return false;
            }
            data = &data[common..];
            offset += common as u64;
            at += 1;
        }
        true
    }

    /// The encoded frame for `key`.
    pub(super) fn frame(&self, key: FrameKey) -> Option<Bytes> {
        self.frames.iter().find(|frame| frame.key == key).map(|frame| frame.bytes.clone())
    }
}
