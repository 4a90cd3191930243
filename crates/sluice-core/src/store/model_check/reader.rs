//! Readers that hold what they get against the truth.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{GroupOrder, Location, ObjectId, ObjectStatus};

use super::super::*;
use super::truth::Truth;

/// A live subscription: every log it learns of, and datagrams.
pub(super) struct LiveReader {
    start: Location,
    logs: ArrivalCursor,
    datagrams_at: DatagramCursor,
    streams: Vec<LogReader>,
    /// Objects that came whole, by group and subgroup, in order.
    got: BTreeMap<(usize, usize), Vec<u64>>,
    /// The last of them.
    last: BTreeMap<(usize, usize), Option<u64>>,
    /// Groups of which something was evicted. What came before may come after it.
    evicted: BTreeSet<usize>,
    datagrams: Vec<Location>,
    seen: BTreeSet<Location>,
}

struct LogReader {
    cursor: LiveCursor,
    group: usize,
    subgroup: Option<usize>,
    /// The object it is inside of and what came of it.
    inside: Option<(u64, Vec<u8>, u64)>,
    /// Objects that came whole.
    got: Vec<u64>,
    end: Option<LiveEnd>,
}

impl LiveReader {
    pub(super) fn new(store: &TrackStore, start: Location) -> LiveReader {
        let streams = store.live_cursors(start).map(|cursor| LogReader::new(store, cursor));
        LiveReader {
            start,
            logs: store.arrivals_end(),
            datagrams_at: store.datagrams_end(),
            streams: streams.collect(),
            got: BTreeMap::new(),
            last: BTreeMap::new(),
            evicted: BTreeSet::new(),
            datagrams: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Takes up to about `budget_bytes`; whether anything came.
    pub(super) fn read(
        &mut self,
        store: &mut TrackStore,
        truth: &Truth,
        budget_bytes: usize,
    ) -> bool {
        while let Some(log) = store.next_log(&mut self.logs) {
            if let Some(cursor) = store.cursor(log, self.start) {
                self.streams.push(LogReader::new(store, cursor));
            }
        }
        let mut progress = self.read_datagrams(store, truth);
        let mut budget = budget_bytes;
        for stream in &mut self.streams {
            while stream.end.is_none() && budget > 0 {
                let step = stream.step(store, truth, &mut budget);
                if let Some(whole) = step.whole {
                    let at = Location::new(stream.group as u64, whole);
                    assert!(self.seen.insert(at), "{at} came twice");
                    let subgroup = stream.subgroup.expect("known from the first object on");
                    self.got.entry((stream.group, subgroup)).or_default().push(whole);
                    let last = self.last.entry((stream.group, subgroup)).or_default();
                    let ordered = !self.evicted.contains(&stream.group);
                    assert!(!ordered || last.is_none_or(|last| last < whole), "{at} goes back");
                    *last = Some(whole);
                }
                progress |= step.moved;
                if !step.moved {
                    break;
                }
            }
        }
        progress
    }

    fn read_datagrams(&mut self, store: &mut TrackStore, truth: &Truth) -> bool {
        let mut progress = false;
        while let Some(key) = store.next_datagram(&mut self.datagrams_at) {
            let view = store.object(key).expect("named just now");
            let at = Location { group: view.group, object: view.id };
            assert!(view.is_complete(), "datagrams are whole");
            let wanted = truth.payload(at);
            let got = read_all(store, key);
            assert!(got == wanted, "{at}: {} bytes of {}", got.len(), wanted.len());
            assert!(self.seen.insert(at), "{at} came twice");
            self.datagrams.push(at);
            progress = true;
        }
        progress
    }

    /// Something of `group` was evicted.
    pub(super) fn note_evicted(&mut self, group: usize) {
        self.evicted.insert(group);
    }

    pub(super) fn objects(&self, group: usize, subgroup: usize) -> &[u64] {
        self.got.get(&(group, subgroup)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn datagrams(&self) -> &[Location] {
        &self.datagrams
    }

    /// No log is left open once no stream feeds any.
    pub(super) fn check_all_ended(&self) {
        for stream in &self.streams {
            assert!(stream.end.is_some(), "a log without a source ended");
        }
    }
}

struct Step {
    moved: bool,
    whole: Option<u64>,
}

impl LogReader {
    fn new(store: &TrackStore, cursor: LiveCursor) -> LogReader {
        let group = store.log_group(cursor.log()).expect("the log is there").0 as usize;
        LogReader { cursor, group, subgroup: None, inside: None, got: Vec::new(), end: None }
    }

    fn step(&mut self, store: &mut TrackStore, truth: &Truth, budget: &mut usize) -> Step {
        let before = self.cursor;
        let head = store.log_head(&self.cursor);
        match self.cursor.next(store, (*budget).min(1_300)) {
            LiveStep::Object { key, id, previous, .. } => {
                let whole = self.settle_object();
                assert_eq!(previous.map(|id| id.0), self.got.last().copied());
                self.begin_object(store, truth, key, id, head);
                *budget = budget.saturating_sub(10);
                Step { moved: true, whole }
            }
            LiveStep::Payload(bytes) => {
                // Now and then a transport takes less than it was offered.
                let taken = if bytes.len() > 2 && bytes.len().is_multiple_of(3) {
                    self.cursor = before;
                    self.cursor.stand_in(bytes.len() / 2);
                    bytes.len() / 2
                } else {
                    bytes.len()
                };
                let inside = self.inside.as_mut().expect("payload follows an object");
                inside.1.extend_from_slice(&bytes[..taken]);
                *budget = budget.saturating_sub(taken);
                self.check_bytes(truth);
                Step { moved: true, whole: None }
            }
            LiveStep::Wait => {
                let whole = self.settle_object();
                Step { moved: false, whole }
            }
            LiveStep::End(end) => {
                let whole = self.settle_object();
                assert!(self.inside.is_none() || end != LiveEnd::Fin, "FIN stands between objects");
                if end == LiveEnd::Fin {
                    self.check_fin(truth);
                }
                self.end = Some(end);
                Step { moved: true, whole }
            }
        }
    }

    fn begin_object(
        &mut self,
        store: &TrackStore,
        truth: &Truth,
        key: ObjectKey,
        id: ObjectId,
        head: Option<LogHead>,
    ) {
        let view = store.object(key).expect("named just now");
        let at = Location::new(self.group as u64, id.0);
        assert_eq!(view.delivery, truth.delivery(at));
        assert_eq!(view.status, truth.status(at));
        assert!(view.properties.equivalent(&truth.properties(at)));
        assert_eq!(view.payload_bytes, Some(truth.payload(at).len() as u64));
        let head = head.expect("a log with a next object has a head");
        let subgroup = head.subgroup.0 as usize;
        assert_eq!(*self.subgroup.get_or_insert(subgroup), subgroup);
        assert_eq!(head.priority.map(|priority| priority.0 as usize), Some(subgroup));
        let ids = truth.subgroup(self.group, subgroup);
        let place = ids.iter().position(|&known| known == id.0).expect("of this subgroup");
        match self.got.last() {
            Some(&last) => {
                assert_eq!(place.checked_sub(1).map(|at| ids[at]), Some(last), "nothing skipped");
            }
            None => assert!(!head.first_object || place == 0, "{at} is not the first object"),
        }
        self.inside = Some((id.0, Vec::new(), view.payload_bytes.expect("a length")));
    }

    /// The object before is over: it came whole.
    fn settle_object(&mut self) -> Option<u64> {
        let (id, got, total) = self.inside.as_ref()?;
        if got.len() as u64 != *total {
            return None;
        }
        let id = *id;
        self.inside = None;
        self.got.push(id);
        Some(id)
    }

    fn check_bytes(&self, truth: &Truth) {
        let (id, got, _) = self.inside.as_ref().expect("inside");
        let wanted = truth.payload(Location::new(self.group as u64, *id));
        assert!(got[..] == wanted[..got.len()], "object {id}");
    }

    fn check_fin(&self, truth: &Truth) {
        let (Some(subgroup), Some(last)) = (self.subgroup, self.got.last()) else { return };
        let exists = |id: &u64| truth.exists(Location::new(self.group as u64, *id));
        let missing = truth.subgroup(self.group, subgroup).iter().filter(|&id| id > last);
        // The mark at the end is no object: FIN may stand for it once the group is known to end.
        assert_eq!(missing.filter(|id| exists(id)).count(), 0, "FIN after the last");
    }
}

/// A fetch held against the list of what its span holds.
pub(super) struct FetchReader {
    cursor: FetchCursor,
    rest: VecDeque<Location>,
    inside: Option<(Location, usize)>,
    ended: bool,
}

impl FetchReader {
    pub(super) fn new(span: FetchSpan, truth: &Truth, now: Instant) -> FetchReader {
        let rest = truth.span(&span).into();
        FetchReader { cursor: FetchCursor::new(span, now), rest, inside: None, ended: false }
    }

    pub(super) fn order(&self) -> GroupOrder {
        self.cursor.span().order
    }

    /// Takes up to about `budget_bytes`; returns what has to be asked upstream first.
    pub(super) fn read(
        &mut self,
        store: &mut TrackStore,
        truth: &Truth,
        budget_bytes: usize,
        now: Instant,
    ) -> Option<UnknownSpan> {
        let mut budget = budget_bytes;
        while budget > 0 && !self.ended {
            match self.cursor.next(store, budget.min(1_300), now) {
                FetchStep::Object { key, location, .. } => {
                    self.check_whole(truth);
                    let view = store.object(key).expect("named just now");
                    assert_eq!(view.status, ObjectStatus::Normal);
                    assert_eq!(view.delivery, truth.delivery(location));
                    assert_eq!(self.rest.pop_front(), Some(location), "nothing skipped");
                    self.inside = Some((location, 0));
                    budget = budget.saturating_sub(10);
                }
                FetchStep::Payload(bytes) => {
                    let (location, got) = self.inside.as_mut().expect("payload follows an object");
                    let wanted = truth.payload(*location);
                    assert!(bytes[..] == wanted[*got..*got + bytes.len()], "{location}");
                    *got += bytes.len();
                    budget = budget.saturating_sub(bytes.len());
                }
                FetchStep::Wait => return None,
                FetchStep::Unknown(unknown) => return Some(unknown),
                FetchStep::Broken => panic!("objects of the truth do not vanish"),
                FetchStep::End => {
                    self.check_whole(truth);
                    assert_eq!(self.rest, [], "the fetch brought everything");
                    self.ended = true;
                }
            }
        }
        None
    }

    pub(super) fn give_up(&mut self, unknown: &UnknownSpan) {
        self.inside = None;
        let lost = |at: &Location| *at >= unknown.start && unknown.end.includes(*at);
        self.rest.retain(|at| !lost(at));
        self.cursor.give_up(unknown);
    }

    fn check_whole(&mut self, truth: &Truth) {
        if let Some((location, got)) = self.inside.take() {
            assert_eq!(got, truth.payload(location).len(), "{location} came whole");
        }
    }

    pub(super) fn check_ended(&self) {
        assert!(self.ended, "a fetch without unknown parts comes to its end");
    }
}

fn read_all(store: &mut TrackStore, key: ObjectKey) -> Bytes {
    let mut all = Vec::new();
    while let Some(bytes) = store.payload(key, all.len() as u64, usize::MAX) {
        all.extend_from_slice(&bytes);
    }
    all.into()
}
