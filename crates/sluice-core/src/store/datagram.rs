//! Datagrams: one list for the whole track, in the order they arrived.
//!
//! Most tracks of datagrams have one object in a group, so a list for each group would cost every
//! reader a cursor for every object.

use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{DatagramHead, Delivery, ObjectId, ObjectStatus};

use super::arrival::LiveArrival;
use super::cursor::ObjectKey;
use super::feed::Change;
use super::group::{Slot, Verdict};
use super::malformed::MalformedTrack;
use super::object::LogPlace;
use super::source::SourceId;
use super::{GroupKey, Payloads, TrackStore};

/// Where a reader of a track's datagrams stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DatagramCursor(u64);

#[derive(Clone, Copy, Debug)]
pub(super) struct DatagramEntry {
    sequence: u64,
    pub(super) key: ObjectKey,
    object: ObjectId,
}

impl TrackStore {
    /// An object in a datagram. `head.alias` means nothing here.
    ///
    /// # Errors
    /// It contradicts what is known. It is not stored, and the track is malformed.
    pub fn handle_datagram(
        &mut self,
        source: SourceId,
        head: &DatagramHead,
        payload: &Bytes,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        let result = self.accept_datagram(source, head, payload, now);
        self.record(result)
    }

    fn accept_datagram(
        &mut self,
        source: SourceId,
        head: &DatagramHead,
        payload: &Bytes,
        now: Instant,
    ) -> Result<Change, MalformedTrack> {
        self.refuse_malformed()?;
        let arrival = LiveArrival {
            source,
            location: head.location,
            delivery: Delivery::Datagram,
            priority: head.priority,
            properties: &head.properties,
            status: head.status,
            payload_bytes: Some(payload.len() as u64),
            end_of_group: head.end_of_group,
        };
        if head.status == ObjectStatus::DoesNotExist {
            self.note_nonexistent(head.location);
            return Ok(Change::Stored);
        }
        let Some(incoming) = self.judge_arrival(&arrival)? else { return Ok(Change::None) };
        let group = self.ensure_group(head.location.group, now);
        let verdict = match self.group(group) {
            Some(group) => group.judge(&incoming)?,
            None => return Ok(Change::None),
        };
        if verdict == Verdict::Absent {
            return Ok(Change::None);
        }
        let share = self.payloads == Payloads::Share;
        let took = self.with_group(group, |group| {
            let slot = match verdict {
                Verdict::Copy(slot) => slot,
                Verdict::New | Verdict::Absent => group.place(verdict, &incoming, now),
            };
            group.take_payload(slot, 0, payload, share)?;
            group.place(Verdict::Copy(slot), &incoming, now);
            let sent = group.was_sent(incoming.id);
            let fresh = group.object(slot).is_some_and(|object| !sent && !object.is_logged());
            if fresh && let Some(object) = group.object_mut(slot) {
                object.place = LogPlace::Datagrams;
            }
            Ok((slot, fresh))
        });
        let Some((slot, fresh)) = took.transpose()? else { return Ok(Change::None) };
        self.note_arrival(&arrival, &incoming);
        if !fresh {
            return Ok(Change::None);
        }
        self.log_datagram(group, slot, head.location.object);
        Ok(Change::Live)
    }

    /// A reader of datagrams that arrive from now on.
    pub fn datagrams_end(&self) -> DatagramCursor {
        DatagramCursor(self.datagrams_next)
    }

    /// The next datagram that arrived and is still stored. It is whole.
    pub fn next_datagram(&self, cursor: &mut DatagramCursor) -> Option<ObjectKey> {
        let from = self.datagrams.partition_point(|entry| entry.sequence < cursor.0);
        for entry in self.datagrams.range(from..) {
            cursor.0 = entry.sequence + 1;
            if self.holds(entry) {
                return Some(entry.key);
            }
        }
        cursor.0 = self.datagrams_next;
        None
    }

    fn holds(&self, entry: &DatagramEntry) -> bool {
        self.group(entry.key.group)
            .and_then(|group| group.object(entry.key.slot))
            .is_some_and(|object| object.id == entry.object)
    }

    pub(super) fn log_datagram(&mut self, group: GroupKey, slot: Slot, object: ObjectId) {
        let sequence = self.datagrams_next;
        self.datagrams_next += 1;
        self.datagrams.push_back(DatagramEntry {
            sequence,
            key: ObjectKey { group, slot },
            object,
        });
    }
}
