//! Subgroups and their live logs: the order in which viewers get a subgroup's objects.
//!
//! A log lists objects in the order they became sendable and is what one downstream stream
//! carries. All its objects are whole but the last, which may still be arriving. The next object
//! is appended under the next-object rule (MOQT-18 §11.4.3, [`Group::follows`]); where nothing can
//! show that rule to hold, the log ends with a reset and a further log of the same subgroup begins.
//!
//! ```text
//!            first object                last object of the subgroup is in
//!   (none) ───────────────► open log ──────────────────────────────────────► Fin
//!     ▲                        │  no stream can bring what is missing
//!     │   next live object     ▼
//!     └─────────────────── Reset(code)
//! ```

use std::collections::BTreeMap;

use sluice_proto::model::{Delivery, ObjectId, Priority, ResetCode, SubgroupId};
use smallvec::SmallVec;

use super::budget::cost;
use super::group::{Group, Slot};
use super::malformed::MalformedTrack;
use super::numbered::Numbered;
use super::object::{LogPlace, StoredObject, StreamFacts};

/// How a live log ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LogEnd {
    /// It holds every object of the subgroup from its first one on.
    Fin,
    /// Objects may be missing after it.
    Reset(ResetCode),
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) subgroup: SubgroupId,
    /// Its objects by position.
    pub(super) entries: Numbered<Slot>,
    pub(super) end: Option<LogEnd>,
    /// What the header of a stream with this log says. `first_object` is the first entry's.
    pub(super) stream: StreamFacts,
    /// The id of the newest entry.
    pub(super) last: Option<ObjectId>,
    /// Payload bytes of all objects before the newest that is stored.
    pub(super) settled_bytes: u64,
    /// The highest object id in earlier logs of the subgroup, and of what was trimmed.
    floor: Option<ObjectId>,
}

impl Log {
    pub(super) fn slot_at(&self, position: u64) -> Option<Slot> {
        self.entries.get(position).copied()
    }
}

/// An upstream stream that is bringing a subgroup.
#[derive(Debug)]
pub(super) struct Feeding {
    pub(super) feed: u32,
    /// The last object it began.
    pub(super) reached: Option<ObjectId>,
}

#[derive(Debug)]
pub(super) struct Subgroup {
    pub(super) id: SubgroupId,
    /// Publisher priority, from the first stream or object seen.
    pub(super) priority: Option<Priority>,
    /// The last object, from a stream that ended with FIN.
    pub(super) last_object: Option<ObjectId>,
    /// The log that objects are appended to.
    pub(super) open: Option<u64>,
    /// Streams that are bringing it.
    pub(super) feeding: SmallVec<[Feeding; 2]>,
    /// Live objects above the newest log's end that wait for what comes before them.
    pub(super) pending: BTreeMap<ObjectId, Slot>,
    /// The highest object id in any of its logs.
    pub(super) logged: Option<ObjectId>,
    /// The highest stored object of it, however it came.
    pub(super) highest: Option<ObjectId>,
    /// How many of its objects are stored.
    pub(super) objects: u64,
    /// How the last of its streams that failed did so.
    pub(super) failure: Option<ResetCode>,
    /// Its publisher left, and another may go on with it.
    pub(super) is_held: bool,
}

impl Subgroup {
    pub(super) fn new(id: SubgroupId, priority: Option<Priority>) -> Subgroup {
        Subgroup {
            id,
            priority,
            last_object: None,
            open: None,
            feeding: SmallVec::new(),
            pending: BTreeMap::new(),
            logged: None,
            highest: None,
            objects: 0,
            failure: None,
            is_held: false,
        }
    }

    /// Whether nothing of it is stored, arriving or awaited.
    pub(super) fn is_spent(&self) -> bool {
        self.objects == 0 && self.feeding.is_empty() && self.open.is_none()
    }

    /// Whether a stream of it may still begin, or has.
    fn is_awaited(&self) -> bool {
        self.is_held || !self.feeding.is_empty()
    }

    /// Whether some stream has not come to `object` yet.
    fn may_still_bring(&self, object: ObjectId) -> bool {
        self.is_held
            || self
                .feeding
                .iter()
                .any(|feeding| feeding.reached.is_none_or(|reached| reached < object))
    }
}

/// What settling a subgroup did.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Some log grew or ended.
    pub(super) live: bool,
    /// Logs that began.
    pub(super) opened: SmallVec<[u64; 1]>,
}

impl Group {
    /// A stream of a subgroup ended with FIN after `last`.
    pub(super) fn judge_last(&self, at: u32, last: ObjectId) -> Result<(), MalformedTrack> {
        let Some(subgroup) = self.subgroups.get(at as usize) else { return Ok(()) };
        let id = subgroup.id;
        if let Some(first) = subgroup.last_object {
            if first != last {
                let (group, second) = (self.id, last);
                return Err(MalformedTrack::SubgroupEndsDiffer {
                    group,
                    subgroup: id,
                    first,
                    second,
                });
            }
            return Ok(());
        }
        match subgroup.highest {
            Some(object) if object > last => Err(MalformedTrack::BeyondSubgroupEnd {
                subgroup: id,
                object: self.at(object),
                last,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The object in `slot` came on a live stream: it goes to a log unless one has passed it.
    pub(super) fn make_live(&mut self, at: u32, slot: Slot) {
        let Some(object) = self.object(slot) else { return };
        let (id, logged) = (object.id, object.is_logged() || self.was_sent(object.id));
        let Some(subgroup) = self.subgroups.get_mut(at as usize) else { return };
        if !logged && subgroup.logged.is_none_or(|last| id > last) {
            subgroup.pending.insert(id, slot);
            self.set_place(slot, LogPlace::Pending);
        }
    }

    fn set_place(&mut self, slot: Slot, place: LogPlace) {
        if let Some(object) = self.object_mut(slot) {
            object.place = place;
        }
    }

    /// Brings the logs of a subgroup up to date with what is stored and what may still come.
    pub(super) fn settle(&mut self, at: u32, pending_max: usize, settled: &mut Settled) {
        self.drop_orphans(at);
        while self.settle_once(at, pending_max, settled) {}
    }

    /// One step of [`settle`](Self::settle); whether there may be another.
    fn settle_once(&mut self, at: u32, pending_max: usize, settled: &mut Settled) -> bool {
        let Some(subgroup) = self.subgroups.get(at as usize) else { return false };
        let next = subgroup.pending.first_key_value().map(|(&id, &slot)| (id, slot));
        let crowded = subgroup.pending.len() > pending_max;
        let Some(log) = subgroup.open else {
            let Some((id, slot)) = next else { return false };
            let log = self.open_log(at, slot);
            self.append_to_log(at, log, id, slot);
            settled.opened.push(log);
            settled.live = true;
            return true;
        };
        if let Some(tail) = self.incomplete_tail(log) {
            if self.is_coming(at, tail) && !crowded {
                return false;
            }
            self.cut_tail(at, log);
            self.close_log(at, log, settled);
            return true;
        }
        if self.holds_all(at, log) {
            self.end_log(at, log, LogEnd::Fin, settled);
            return true;
        }
        let subgroup = &self.subgroups[at as usize];
        match next {
            Some((id, slot)) if self.follows(at, log, slot) => {
                self.append_to_log(at, log, id, slot);
                settled.live = true;
                true
            }
            Some((id, _)) if subgroup.may_still_bring(id) && !crowded => false,
            None if subgroup.is_awaited() => false,
            Some(_) | None => {
                self.close_log(at, log, settled);
                true
            }
        }
    }

    /// Live objects that stopped arriving halfway and wait for a log are not sendable: they come
    /// back when another stream brings them.
    fn drop_orphans(&mut self, at: u32) {
        let Some(subgroup) = self.subgroups.get(at as usize) else { return };
        let orphan = |slot: &Slot| {
            self.object(*slot).is_none_or(|object| object.feeders == 0 && !object.is_complete())
        };
        let orphans: SmallVec<[ObjectId; 2]> =
            subgroup.pending.iter().filter(|(_, slot)| orphan(slot)).map(|(&id, _)| id).collect();
        for id in orphans {
            if let Some(slot) = self.subgroups[at as usize].pending.remove(&id) {
                self.set_place(slot, LogPlace::None);
            }
        }
    }

    fn incomplete_tail(&self, log: u64) -> Option<Slot> {
        let slot = *self.logs[log].entries.newest()?;
        self.object(slot).is_some_and(|object| !object.is_complete()).then_some(slot)
    }

    /// Whether the rest of an incomplete object may come on a live stream.
    fn is_coming(&self, at: u32, slot: Slot) -> bool {
        self.object(slot).is_some_and(|object| {
            object.feeders > 0 || self.subgroups[at as usize].may_still_bring(object.id)
        })
    }

    /// Whether the log's newest object is the subgroup's last.
    fn holds_all(&self, at: u32, log: u64) -> bool {
        let subgroup = &self.subgroups[at as usize];
        let (Some(end), Some(last)) = (subgroup.last_object, self.logs[log].last) else {
            return false;
        };
        last >= end || self.none_of_subgroup(subgroup.id, last.0 + 1, end.0)
    }

    /// The next-object rule (MOQT-18 §11.4.3): an object may follow the log's newest one if its id
    /// is the next, if both came one after the other on one upstream stream, or if every id in
    /// between is known to be no object of the subgroup. And the stream's header must allow it:
    /// without property blocks no object with properties can follow.
    fn follows(&self, at: u32, log: u64, slot: Slot) -> bool {
        let log = &self.logs[log];
        let (Some(last), Some(object)) = (log.last, self.object(slot)) else { return false };
        if !log.stream.properties && !object.properties.is_empty() {
            return false;
        }
        if object.id <= last {
            return false;
        }
        last.next() == Some(object.id)
            || object.predecessor == Some(last)
            || self.none_of_subgroup(self.subgroups[at as usize].id, last.0 + 1, object.id.0 - 1)
    }

    fn open_log(&mut self, at: u32, first: Slot) -> u64 {
        let number = self.logs.end();
        let subgroup = &mut self.subgroups[at as usize];
        subgroup.open = Some(number);
        let (id, floor) = (subgroup.id, subgroup.logged);
        let stream = self.object(first).map_or_else(StreamFacts::default, |object| StreamFacts {
            properties: object.stream.properties || !object.properties.is_empty(),
            ..object.stream
        });
        self.logs.push(Log {
            subgroup: id,
            entries: Numbered::default(),
            end: None,
            stream,
            last: None,
            settled_bytes: 0,
            floor,
        });
        self.used_bytes += cost::LOG_BYTES;
        number
    }

    fn append_to_log(&mut self, at: u32, log: u64, id: ObjectId, slot: Slot) {
        let before = self.logs[log]
            .entries
            .newest()
            .and_then(|&last| self.object(last))
            .map_or(0, |object| object.bytes());
        let grown = &mut self.logs[log];
        grown.settled_bytes += before;
        let offset = grown.settled_bytes;
        grown.entries.push(slot);
        grown.last = Some(id);
        if let Some(object) = self.object_mut(slot) {
            object.place = LogPlace::Log(log);
            object.log_offset = offset;
        }
        let subgroup = &mut self.subgroups[at as usize];
        subgroup.pending.remove(&id);
        subgroup.logged = subgroup.logged.max(Some(id));
    }

    /// Takes the incomplete last object out of a log that is about to be closed: nobody has all
    /// of it, and a later log may carry it whole.
    fn cut_tail(&mut self, at: u32, log: u64) {
        let Some(slot) = self.logs[log].entries.pop_newest() else { return };
        let before = self.logs[log].entries.newest().copied();
        let before = before.and_then(|slot| self.object(slot));
        let (last, bytes) = before.map_or((None, 0), |object| (Some(object.id), object.bytes()));
        let log = &mut self.logs[log];
        log.last = last;
        log.settled_bytes = log.settled_bytes.saturating_sub(bytes);
        let logged = last.or(log.floor);
        self.subgroups[at as usize].logged = logged;
        if let Some(object) = self.object_mut(slot) {
            object.place = LogPlace::None;
        }
    }

    /// Ends a log to which nothing more can be appended: with FIN if the whole group is known to
    /// be here and nothing of the subgroup comes after the log, else with a reset.
    fn close_log(&mut self, at: u32, log: u64, settled: &mut Settled) {
        let subgroup = &self.subgroups[at as usize];
        // Objects that only a fetch brought, or that were sent before the group was given up, are
        // here, but in no log.
        let holds_last = self.logs[log].last >= subgroup.highest;
        let end = if subgroup.pending.is_empty() && holds_last && self.is_complete() {
            LogEnd::Fin
        } else {
            LogEnd::Reset(subgroup.failure.unwrap_or(ResetCode::Cancelled))
        };
        self.end_log(at, log, end, settled);
    }

    fn end_log(&mut self, at: u32, log: u64, end: LogEnd, settled: &mut Settled) {
        self.logs[log].end = Some(end);
        self.subgroups[at as usize].open = None;
        settled.live = true;
    }
}

impl Group {
    /// Takes trimmed objects off the front of a log.
    pub(super) fn pass_trimmed(&mut self, log: u64, slot: Slot, object: &StoredObject) {
        let kept = self.oldest_slot();
        let Some(log) = self.logs.get_mut(log) else { return };
        if log.entries.newest() == Some(&slot) {
            log.settled_bytes = object.log_offset + object.bytes();
        }
        log.floor = log.floor.max(Some(object.id));
        while log.entries.oldest().is_some_and(|&slot| slot < kept) {
            log.entries.pop_oldest();
        }
    }

    /// The place of the subgroup that the object in `slot` belongs to.
    pub(super) fn subgroup_of(&self, slot: Slot) -> Option<u32> {
        match self.object(slot)?.delivery {
            Delivery::Subgroup(id) => self.place_of(id),
            _ => None,
        }
    }

    /// A stream of a subgroup began object `object`.
    pub(super) fn reach(&mut self, at: u32, feed: u32, object: ObjectId) {
        let Some(subgroup) = self.subgroups.get_mut(at as usize) else { return };
        for feeding in subgroup.feeding.iter_mut().filter(|feeding| feeding.feed == feed) {
            feeding.reached = Some(object);
        }
    }

    /// A stream brings no more of a subgroup.
    pub(super) fn leave(&mut self, at: u32, feed: u32) {
        let Some(subgroup) = self.subgroups.get_mut(at as usize) else { return };
        subgroup.feeding.retain(|feeding| feeding.feed != feed);
        self.feeds = self.feeds.saturating_sub(1);
    }

    /// A stream of a subgroup ended with FIN after `last`; `end_of_group` if that is also the last
    /// object of the group.
    pub(super) fn finish_subgroup(
        &mut self,
        at: u32,
        last: Option<ObjectId>,
        end_of_group: bool,
    ) -> Result<(), MalformedTrack> {
        let Some(last) = last else { return Ok(()) };
        self.judge_last(at, last)?;
        if end_of_group {
            self.judge_end(u128::from(last.0) + 1)?;
            self.note_end(u128::from(last.0) + 1);
        }
        if let Some(subgroup) = self.subgroups.get_mut(at as usize) {
            subgroup.last_object = Some(last);
        }
        Ok(())
    }
}
