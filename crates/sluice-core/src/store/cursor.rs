//! Positions of readers of live data.
//!
//! A cursor is a small `Copy` value: take a copy before [`LiveCursor::next`] and put it back, or
//! [`stand_in`](LiveCursor::stand_in) the middle of a step, when the transport accepted less
//! than was offered. Nothing is looked up by name and nothing is allocated on these paths.

use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{
    GroupId, Location, ObjectId, Priority, ResetCode, SendOrder, SubgroupId,
};

use super::group::{Group, Slot};
use super::object::StoredObject;
use super::subgroup::{Log, LogEnd};
use super::{GroupKey, TrackStore};

/// Names a live log: what one downstream stream carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogKey {
    pub(super) group: GroupKey,
    pub(super) log: u64,
}

/// Names a stored object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectKey {
    pub(super) group: GroupKey,
    pub(super) slot: Slot,
}

/// What the header of a stream with a log says, besides the alias.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogHead {
    /// The group.
    pub group: GroupId,
    /// The subgroup.
    pub subgroup: SubgroupId,
    /// Publisher priority; `None` inherits the track's.
    pub priority: Option<Priority>,
    /// Whether objects carry property blocks.
    pub properties: bool,
    /// Whether the last object before FIN is the group's last.
    pub end_of_group: bool,
    /// Whether the cursor's first object is known to be the subgroup's first.
    pub first_object: bool,
    /// Urgency of the cursor's first object, if its publisher says one of each object.
    pub order: Option<SendOrder>,
}

/// Where a reader of the list of logs stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ArrivalCursor(u64);

#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    sequence: u64,
    key: LogKey,
}

/// A reader's place in one live log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveCursor {
    log: LogKey,
    position: u64,
    stage: Stage,
    /// Objects below are left out; only ever at the log's beginning.
    first: ObjectId,
    /// Objects above are left out: the reader's range ends.
    last: ObjectId,
    /// The last object taken.
    previous: Option<ObjectId>,
    /// Objects of unknown length are waited for: the reader has to say a length first.
    needs_length: bool,
}

/// Where in an object a cursor stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Before its frame, of which so many bytes are taken already.
    Frame(u32),
    /// In its payload.
    Payload(u64),
}

/// What a live cursor found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LiveStep {
    /// The next object. Its payload follows.
    Object {
        /// The object.
        key: ObjectKey,
        /// Its id.
        id: ObjectId,
        /// The object taken before it on this stream.
        previous: Option<ObjectId>,
        /// Bytes of its frame that were taken already.
        frame_taken_bytes: usize,
    },
    /// The next bytes of its payload.
    Payload(Bytes),
    /// Nothing yet.
    Wait,
    /// Nothing more.
    End(LiveEnd),
}

/// Why a live cursor has nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiveEnd {
    /// Everything from the cursor's first object on was taken: FIN.
    Fin,
    /// The log ended early.
    Reset(ResetCode),
    /// The next object lies past the reader's range.
    RangeEnd,
    /// The data was evicted.
    Gone,
}

impl LiveCursor {
    /// The log it walks.
    pub fn log(&self) -> LogKey {
        self.log
    }

    /// Whether an object, or a part of one, was taken.
    pub fn has_begun(&self) -> bool {
        self.previous.is_some() || self.stage != Stage::Frame(0)
    }

    /// Whether it stands inside an object.
    pub fn is_inside(&self) -> bool {
        self.stage != Stage::Frame(0)
    }

    /// Waits for the end of objects of unknown length from now on, instead of beginning them.
    pub fn need_length(&mut self) {
        self.needs_length = true;
    }

    /// Leaves out the rest of the object that it is in.
    pub fn pass_object(&mut self) {
        if std::mem::replace(&mut self.stage, Stage::Frame(0)) != Stage::Frame(0) {
            self.position += 1;
        }
    }

    /// Leaves out objects above `last` from now on.
    pub fn end_after(&mut self, last: Option<ObjectId>) {
        self.last = last.unwrap_or(ObjectId(u64::MAX));
    }

    /// Leaves out objects below `first` from now on. False if objects were taken already that are
    /// left out now: then the cursor stands as at the beginning of another stream.
    pub fn begin_at(&mut self, first: ObjectId) -> bool {
        let passed = self.previous.is_some_and(|previous| previous.next() >= Some(first));
        let goes_on = !self.has_begun() || passed || first <= self.first;
        if !goes_on {
            self.stage = Stage::Frame(0);
            self.previous = None;
        }
        self.first = first;
        goes_on
    }

    /// Whether an object cannot be taken before its end.
    fn waits_for(&self, object: &StoredObject) -> bool {
        self.needs_length && object.payload_bytes.is_none()
    }

    /// Takes the next step. At most `max_bytes` of payload, in one piece.
    pub fn next(&mut self, store: &mut TrackStore, max_bytes: usize) -> LiveStep {
        loop {
            let Some(group) = store.group(self.log.group) else {
                return LiveStep::End(LiveEnd::Gone);
            };
            let Some(log) = group.logs.get(self.log.log) else {
                return LiveStep::End(LiveEnd::Gone);
            };
            if self.position < log.entries.first() {
                return LiveStep::End(LiveEnd::Gone);
            }
            let Some(slot) = log.slot_at(self.position) else {
                return match log.end {
                    Some(LogEnd::Fin) => LiveStep::End(LiveEnd::Fin),
                    Some(LogEnd::Reset(code)) => LiveStep::End(LiveEnd::Reset(code)),
                    None => LiveStep::Wait,
                };
            };
            let Some(object) = group.object(slot) else { return LiveStep::End(LiveEnd::Gone) };
            match self.stage {
                Stage::Frame(_) if object.id < self.first => self.position += 1,
                Stage::Frame(_) if object.id > self.last => {
                    return LiveStep::End(LiveEnd::RangeEnd);
                }
                Stage::Frame(_) if self.waits_for(object) => return LiveStep::Wait,
                Stage::Frame(taken) => {
                    self.stage = Stage::Payload(0);
                    return LiveStep::Object {
                        key: ObjectKey { group: self.log.group, slot },
                        id: object.id,
                        previous: self.previous,
                        frame_taken_bytes: taken as usize,
                    };
                }
                Stage::Payload(offset) if object.payload_bytes.is_some_and(|end| offset >= end) => {
                    self.previous = Some(object.id);
                    self.position += 1;
                    self.stage = Stage::Frame(0);
                }
                Stage::Payload(offset) => {
                    let key = ObjectKey { group: self.log.group, slot };
                    let Some(bytes) = store.payload(key, offset, max_bytes) else {
                        return LiveStep::Wait;
                    };
                    self.stage = Stage::Payload(offset + bytes.len() as u64);
                    return LiveStep::Payload(bytes);
                }
            }
        }
    }

    /// Corrects a cursor that was put back to before a step, of which `bytes` were taken after
    /// all: of the object's frame, or of the payload.
    pub fn stand_in(&mut self, bytes: usize) {
        match &mut self.stage {
            Stage::Frame(taken) => *taken += u32::try_from(bytes).unwrap_or(u32::MAX),
            Stage::Payload(offset) => *offset += bytes as u64,
        }
    }
}

impl TrackStore {
    // Logs.

    /// A reader of logs that begin from now on.
    pub fn arrivals_end(&self) -> ArrivalCursor {
        ArrivalCursor(self.arrivals_next)
    }

    /// The next log that began and is still stored.
    pub fn next_log(&self, cursor: &mut ArrivalCursor) -> Option<LogKey> {
        let from = self.arrivals.partition_point(|arrival| arrival.sequence < cursor.0);
        for arrival in self.arrivals.range(from..) {
            cursor.0 = arrival.sequence + 1;
            if self.log(arrival.key).is_some() {
                return Some(arrival.key);
            }
        }
        cursor.0 = self.arrivals_next;
        None
    }

    /// The logs of `group`, in the order they began.
    pub fn logs(&self, group: GroupId) -> impl Iterator<Item = LogKey> {
        self.group_by_id(group).into_iter().flat_map(|(key, group)| {
            (group.logs.first()..group.logs.end()).map(move |log| LogKey { group: key, log })
        })
    }

    /// The logs that can still grow.
    pub fn open_logs(&self) -> impl Iterator<Item = LogKey> {
        self.by_id
            .values()
            .filter_map(|&slot| self.groups.get(slot as usize).map(|g| (slot, g)))
            .flat_map(|(slot, group)| {
                let key = GroupKey { slot, epoch: group.epoch };
                let open = group.subgroups.iter().filter_map(|(_, subgroup)| subgroup.open);
                open.map(move |log| LogKey { group: key, log })
            })
    }

    /// The group of a log.
    pub fn log_group(&self, key: LogKey) -> Option<GroupId> {
        self.group(key.group).map(|group| group.id)
    }

    /// The urgency of the objects of a log, if their publisher says one of each.
    pub fn log_order(&self, key: LogKey) -> Option<SendOrder> {
        self.log(key)?.1.stream.order
    }

    /// How the log ended; `None` if it can still grow or is gone.
    pub fn log_end(&self, key: LogKey) -> Option<LogEnd> {
        self.log(key)?.1.end
    }

    fn log(&self, key: LogKey) -> Option<(&Group, &Log)> {
        let group = self.group(key.group)?;
        Some((group, group.logs.get(key.log)?))
    }

    /// A cursor from the beginning of a log, leaving out objects before `start`; `None` if the
    /// whole log lies before `start` or is gone. For logs that began after the subscription did,
    /// and for readers that begin a group anew from the cache.
    pub fn cursor(&self, key: LogKey, start: Location) -> Option<LiveCursor> {
        let (group, log) = self.log(key)?;
        self.cursor_at(key, group, log.entries.first(), start)
    }

    /// A cursor at the end of a log, for a subscription that begins now: an object whose first
    /// byte has arrived is past, even if it is still arriving (MOQT-18 §5.1.2).
    pub fn cursor_from_now(&self, key: LogKey, start: Location) -> Option<LiveCursor> {
        let (group, log) = self.log(key)?;
        self.cursor_at(key, group, log.entries.end(), start)
    }

    fn cursor_at(
        &self,
        key: LogKey,
        group: &Group,
        position: u64,
        start: Location,
    ) -> Option<LiveCursor> {
        let first = match group.id.cmp(&start.group) {
            std::cmp::Ordering::Less => return None,
            std::cmp::Ordering::Equal => start.object,
            std::cmp::Ordering::Greater => ObjectId(0),
        };
        Some(LiveCursor {
            log: key,
            position,
            stage: Stage::Frame(0),
            first,
            last: ObjectId(u64::MAX),
            previous: None,
            needs_length: false,
        })
    }

    /// Where a subscription that starts at `start` and begins now finds its data: cursors at the
    /// ends of the logs that can still grow. Later logs come from [`next_log`](Self::next_log).
    pub fn live_cursors(&self, start: Location) -> impl Iterator<Item = LiveCursor> {
        self.open_logs().filter_map(move |key| self.cursor_from_now(key, start))
    }

    /// Cursors at the beginnings of all logs that are stored from `start` on, those included that
    /// can still grow. Later logs come from [`next_log`](Self::next_log).
    pub fn stored_cursors(&self, start: Location) -> impl Iterator<Item = LiveCursor> {
        let groups = self.by_id.range(start.group..).map(|(&id, _)| id);
        groups.flat_map(|id| self.logs(id)).filter_map(move |key| self.cursor(key, start))
    }

    /// What the header of a stream says on which `cursor` is the first to write. Ask when its
    /// first object is there; `None` if it is not, or is gone.
    pub fn log_head(&self, cursor: &LiveCursor) -> Option<LogHead> {
        let (group, log) = self.log(cursor.log)?;
        let mut position = cursor.position;
        let object = loop {
            let object = group.object(log.slot_at(position)?)?;
            if object.id >= cursor.first {
                break object;
            }
            position += 1;
        };
        let subgroup = group.subgroup(log.subgroup)?;
        // Built from the cache, the last object may be known to be the group's last although the
        // upstream stream did not say so.
        let ends_group = log.end == Some(LogEnd::Fin)
            && log.last.is_some_and(|last| group.end() == Some(u128::from(last.0) + 1));
        Some(LogHead {
            group: group.id,
            subgroup: log.subgroup,
            priority: subgroup.priority,
            properties: log.stream.properties,
            end_of_group: log.stream.end_of_group || ends_group,
            first_object: object.stream.first_object,
            order: object.stream.order,
        })
    }

    /// How much payload lies between a cursor and the newest byte of its log. 0 if it is gone, or
    /// waits itself for the length of an object.
    pub fn lag_bytes(&self, cursor: &LiveCursor) -> u64 {
        let Some((group, log)) = self.log(cursor.log) else { return 0 };
        let Some(next) = log.slot_at(cursor.position).and_then(|slot| group.object(slot)) else {
            return 0;
        };
        if cursor.waits_for(next) {
            return 0;
        }
        let newest = log.entries.newest().and_then(|&slot| group.object(slot));
        let end = log.settled_bytes + newest.map_or(0, |object| object.received_bytes);
        let taken = match cursor.stage {
            Stage::Frame(_) => 0,
            Stage::Payload(offset) => offset,
        };
        end.saturating_sub(next.log_offset + taken)
    }

    /// When the first byte of the object arrived that a cursor takes next or is inside of. Not of
    /// one that it waits for itself.
    pub fn waiting_since(&self, cursor: &LiveCursor) -> Option<Instant> {
        let (group, log) = self.log(cursor.log)?;
        let slot = log.slot_at(cursor.position)?;
        group.object(slot).filter(|object| !cursor.waits_for(object)).map(|object| object.arrived)
    }

    pub(super) fn announce(&mut self, group: GroupKey, log: u64) {
        let sequence = self.arrivals_next;
        self.arrivals_next += 1;
        self.arrivals.push_back(Arrival { sequence, key: LogKey { group, log } });
    }

    /// Forgets logs and datagrams that are gone. Each eviction walks the lists once, so they never
    /// outgrow what is stored.
    pub(super) fn prune_arrivals(&mut self) {
        let groups = &self.groups;
        let stored =
            |key: GroupKey| groups.get(key.slot as usize).filter(|group| group.epoch == key.epoch);
        self.arrivals.retain(|arrival| {
            stored(arrival.key.group).is_some_and(|group| group.logs.get(arrival.key.log).is_some())
        });
        self.datagrams.retain(|entry| {
            stored(entry.key.group).is_some_and(|group| group.object(entry.key.slot).is_some())
        });
    }
}
