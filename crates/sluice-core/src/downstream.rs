//! One viewer's subscription of one track: what it asked for, and its streams.
//!
//! Each open stream walks one log of the store with a cursor. Nothing is queued for a viewer but
//! the chunk that its connection took only a part of.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::model::{
    DatagramHead, DoneCode, Fill, GroupId, GroupOrder, Location, LocationFilter, ObjectId,
    Priority, RangeEnd, RequestId, ResetCode, Subscribe, TrackAlias,
};
use sluice_proto::session::{SendDatagramError, Session};
use sluice_proto::transport::{DatagramError, StreamId, Transport};
use sluice_proto::wire::Family;
use smallvec::SmallVec;

use crate::limits::Limits;
use crate::out_stream::{Carriage, OutStream, Served};
use crate::store::{ArrivalCursor, DatagramCursor, LiveCursor, TrackStore};

/// How far a subscription is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Phase {
    /// SUBSCRIBE waits for a publisher to appear.
    Held { until: Instant },
    /// SUBSCRIBE waits for an upstream's answer.
    Waiting,
    /// Our PUBLISH waits for an answer. What is published meanwhile is sent after it.
    Offered,
    /// Objects flow.
    Live,
    /// The track is over; what is left is still delivered.
    Ending { code: DoneCode, reason: String },
}

/// An update that lets objects flow again, while another shard has still to say from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Resuming {
    pub update: RequestId,
    pub fill: Option<Box<Fill>>,
}

/// A track offered to another shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offer {
    /// It did not answer yet. Objects flow already, so that none is lost meanwhile.
    Asked,
    /// It knows the track.
    Accepted,
}

/// Finished streams of one subscription that are watched for their delivery timeout. Of more the
/// oldest are let go.
const FINISHED_MAX: usize = 64;

/// How long objects and subgroups may be on their way (MOQT-18 §8). Zero means no limit, as does
/// `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Timeouts {
    /// For an object, from the arrival of its first byte until it is handed over.
    pub object: Option<Duration>,
    /// For a subgroup, from the arrival of its end until the peer has all of it.
    pub subgroup: Option<Duration>,
}

impl Timeouts {
    /// The shorter ones of both sides.
    pub fn with(self, other: Timeouts) -> Timeouts {
        let shorter = |one: Option<Duration>, other: Option<Duration>| {
            one.into_iter().chain(other).filter(|timeout| !timeout.is_zero()).min()
        };
        Timeouts {
            object: shorter(self.object, other.object),
            subgroup: shorter(self.subgroup, other.subgroup),
        }
    }

    /// These, where an update says nothing else.
    pub fn updated(self, object: Option<Duration>, subgroup: Option<Duration>) -> Timeouts {
        Timeouts { object: object.or(self.object), subgroup: subgroup.or(self.subgroup) }
    }

    /// For a datagram, which is an object and a subgroup at once.
    fn of_datagram(self) -> Option<Duration> {
        self.with(Timeouts { object: self.subgroup, subgroup: None }).object
    }
}

/// What a subscription brings of what is stored when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Past {
    /// All from its start on.
    Stored,
    /// Nothing, as it is fetched.
    Fetched,
}

/// The sooner of two.
fn sooner(next: Option<Instant>, due: Instant) -> Option<Instant> {
    Some(next.map_or(due, |next| next.min(due)))
}

/// What carries objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Subgroups,
    Datagrams,
}

/// Whether all objects of a track are of one kind in the peer's draft.
fn one_kind(session: &Session) -> bool {
    session
        .dialect()
        .is_some_and(|dialect| dialect.family == Family::Requests && !dialect.track_properties)
}

/// A viewer's subscription.
#[derive(Debug)]
pub(crate) struct Downstream {
    pub phase: Phase,
    /// What it asked, until it is answered.
    pub asked: Option<Box<Subscribe>>,
    pub forward: bool,
    /// An update that lets objects flow, not answered yet; until then `forward` is false.
    pub resuming: Option<Resuming>,
    pub filter: LocationFilter,
    pub start: Location,
    pub end: Option<RangeEnd>,
    pub priority: Priority,
    pub order: GroupOrder,
    pub timeouts: Timeouts,
    carriage: Carriage,
    /// It is a PUBLISH of ours to another shard, and whether that shard accepted it.
    pub offer: Option<Offer>,
    /// The largest location that it was told: where a joining fetch ends.
    pub join: Option<Location>,
    arrivals: ArrivalCursor,
    datagrams: DatagramCursor,
    pub streams: Vec<OutStream>,
    /// Streams that were finished, oldest first, and since when all of them is known.
    finished: VecDeque<(StreamId, Instant)>,
    /// What was sent first, for a draft to which a track with objects of both kinds is malformed.
    /// What is of the other kind is left out.
    kind: Option<Kind>,
    /// Since when nothing could be delivered although there was something.
    stuck_since: Option<Instant>,
    /// Bytes handed over since we gave up some that had been handed over: these may only have
    /// taken their place.
    replacing: Option<u64>,
    /// Bytes that the connection took.
    pub sent_bytes: u64,
}

impl Downstream {
    pub fn new(phase: Phase, carriage: Carriage, store: &TrackStore) -> Self {
        Self {
            phase,
            carriage,
            asked: None,
            forward: true,
            resuming: None,
            filter: LocationFilter::All,
            start: Location::ZERO,
            end: None,
            priority: Priority::default(),
            order: GroupOrder::Ascending,
            timeouts: Timeouts::default(),
            offer: None,
            join: None,
            arrivals: store.arrivals_end(),
            datagrams: store.datagrams_end(),
            streams: Vec::new(),
            finished: VecDeque::new(),
            kind: None,
            stuck_since: None,
            replacing: None,
            sent_bytes: 0,
        }
    }

    /// What a SUBSCRIBE asks for, before it is answered.
    pub fn asked(request: Subscribe, carriage: Carriage, store: &TrackStore) -> Self {
        Self {
            forward: request.forward.unwrap_or(true),
            filter: request.filter,
            priority: request.priority.unwrap_or_default(),
            order: request.order.unwrap_or_default(),
            timeouts: Timeouts {
                object: request.object_timeout,
                subgroup: request.subgroup_timeout,
            },
            asked: Some(Box::new(request)),
            ..Self::new(Phase::Waiting, carriage, store)
        }
    }

    /// Whether it wants objects now, or will once it is answered.
    pub fn wants_objects(&self) -> bool {
        (self.forward || self.resuming.is_some()) && !matches!(self.phase, Phase::Ending { .. })
    }

    /// Begins at what is published from now on.
    pub fn go_live(&mut self, store: &TrackStore) {
        self.phase = Phase::Live;
        self.begin(store);
    }

    /// Begins at what is stored after `passed`. Only for the home of what a publisher on this shard
    /// brings: the home may have let viewers in before this publisher's answer came, and what came
    /// ahead of that is new to them.
    pub fn go_live_after(&mut self, passed: Option<Location>, store: &TrackStore) {
        self.phase = Phase::Live;
        self.join = store.largest();
        (_, self.end) = self.filter.resolve(self.join);
        (self.start, _) = LocationFilter::NextObject.resolve(passed);
        self.follow(store, Past::Stored);
    }

    /// Takes its place at what is published from now on, whether or not it may be sent yet.
    pub fn begin(&mut self, store: &TrackStore) {
        self.join = store.largest();
        (self.start, self.end) = self.filter.resolve(self.join);
        self.follow(store, self.past());
    }

    /// Goes on after a pause: what passed meanwhile is past, and its filter's end still counts.
    pub fn resume(&mut self, store: &TrackStore) {
        self.join = store.largest();
        let (next, _) = LocationFilter::NextObject.resolve(self.join);
        self.start = self.start.max(next);
        self.follow(store, self.past());
    }

    fn past(&self) -> Past {
        match self.has_past_in_logs() {
            true => Past::Stored,
            false => Past::Fetched,
        }
    }

    /// Whether it has no FETCH, so that its start may lie in the past: what is stored comes from
    /// there on as it came live, and a fill brings what else there is.
    pub fn has_past_in_logs(&self) -> bool {
        self.carriage == Carriage::Objects
    }

    fn follow(&mut self, store: &TrackStore, past: Past) {
        self.arrivals = store.arrivals_end();
        self.datagrams = store.datagrams_end();
        debug_assert!(self.streams.is_empty(), "streams are taken before a subscription begins");
        if self.forward {
            let cursors: Vec<LiveCursor> = match past {
                Past::Stored => store.stored_cursors(self.start).collect(),
                Past::Fetched => store.live_cursors(self.start).collect(),
            };
            for cursor in cursors {
                self.add_stream(store, cursor);
            }
        }
    }

    fn add_stream(&mut self, store: &TrackStore, mut cursor: LiveCursor) {
        let Some(group) = store.log_group(cursor.log()) else { return };
        if let Some(end) = self.end {
            if group > end.group {
                return;
            }
            if group == end.group {
                cursor.end_after(end.object);
            }
        }
        self.streams.push(OutStream::new(group, cursor, self.carriage, store));
    }

    /// A filter that changed. Returns the streams that cannot go on in it, to be reset.
    pub fn refilter(&mut self, filter: LocationFilter, store: &TrackStore) -> Vec<StreamId> {
        // A log that began just now is not found a second time below.
        self.refresh(store);
        self.filter = filter;
        (self.start, self.end) = filter.resolve(store.largest());
        let (start, end) = (self.start, self.end);
        let mut cut = Vec::new();
        self.streams.retain_mut(|out| {
            if out.group < start.group || end.is_some_and(|end| out.group > end.group) {
                cut.extend(out.stream());
                return false;
            }
            let first = if out.group == start.group { start.object } else { ObjectId(0) };
            let last = end.filter(|end| out.group == end.group).and_then(|end| end.object);
            out.cursor.end_after(last);
            if !out.cursor.begin_at(first) {
                cut.extend(out.give_up_stream());
            }
            true
        });
        if self.forward && matches!(self.phase, Phase::Live | Phase::Offered) {
            // What the filter kept out before, from now on.
            let cursors: Vec<LiveCursor> = store.live_cursors(start).collect();
            for cursor in cursors {
                if self.streams.iter().all(|out| out.cursor.log() != cursor.log()) {
                    self.add_stream(store, cursor);
                }
            }
        }
        cut
    }

    /// Gives up all streams: those that are open are to be reset.
    pub fn take_streams(&mut self) -> impl Iterator<Item = StreamId> {
        std::mem::take(&mut self.streams).into_iter().filter_map(|out| out.stream())
    }

    /// Stops sending: what is open is reset.
    pub fn pause(&mut self, session: &mut Session, transport: &mut dyn Transport, code: ResetCode) {
        for out in self.streams.drain(..) {
            if let Some(stream) = out.stream() {
                session.reset_data(transport, stream, code);
            }
        }
    }

    /// Looks for logs that began since the last time.
    pub fn refresh(&mut self, store: &TrackStore) {
        let follows = matches!(self.phase, Phase::Live | Phase::Offered | Phase::Ending { .. });
        if !self.forward || !follows {
            // What passes meanwhile is past when it goes on.
            self.arrivals = store.arrivals_end();
            self.datagrams = store.datagrams_end();
            return;
        }
        while let Some(log) = store.next_log(&mut self.arrivals) {
            if let Some(cursor) = store.cursor(log, self.start) {
                self.add_stream(store, cursor);
            }
        }
    }

    /// The peer does not want a stream any more: it is not opened again.
    pub fn stopped(&mut self, stream: StreamId) -> bool {
        let Some(index) = self.streams.iter().position(|out| out.stream() == Some(stream)) else {
            return false;
        };
        if !self.streams[index].pass_object() {
            self.streams.remove(index);
        }
        true
    }

    /// Whether everything there is has been handed over.
    pub fn is_drained(&self) -> bool {
        self.streams.is_empty()
    }

    /// Order of stream `index` among all of a session: lower goes first.
    pub fn rank(&self, index: usize, store: &TrackStore) -> (u8, u8, u64, u64) {
        let (publisher, group, subgroup) = self.streams[index].rank(self.order, store);
        (self.priority.0, publisher, group, subgroup)
    }

    /// Gives up what a delivery timeout forbids to send (MOQT-18 §8). Returns when to look again.
    pub fn expire(
        &mut self,
        timeouts: Timeouts,
        store: &TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
        now: Instant,
    ) -> Option<Instant> {
        let (mut next, mut gave_up) = (None, false);
        self.streams.retain_mut(|out| {
            let waiting = store.waiting_since(&out.cursor).zip(timeouts.object);
            if timeouts.subgroup.is_some() && store.log_end(out.cursor.log()).is_some() {
                out.ended.get_or_insert(now);
            }
            let ended = out.ended.zip(timeouts.subgroup);
            let due =
                waiting.into_iter().chain(ended).map(|(since, timeout)| since + timeout).min();
            let Some(due) = due else { return true };
            if due > now {
                next = sooner(next, due);
                return true;
            }
            if let Some(stream) = out.stream() {
                session.reset_data(transport, stream, ResetCode::DeliveryTimeout);
                gave_up = true;
            }
            false
        });
        self.finished.retain(|(stream, since)| {
            let Some(due) = timeouts.subgroup.map(|timeout| *since + timeout) else { return false };
            if due <= now {
                session.expire_data(transport, *stream);
            }
            due > now && session.is_sending(*stream)
        });
        self.replacing = if gave_up { Some(0) } else { self.replacing };
        next
    }

    /// When the oldest of its finished streams has to have arrived.
    pub fn finished_deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        let (_, since) = self.finished.front()?;
        timeouts.subgroup.map(|timeout| *since + timeout)
    }

    /// Bytes that wait for its connection.
    pub fn lag_bytes(&self, store: &TrackStore) -> u64 {
        self.lag(store).0
    }

    /// Bytes that wait, the groups they are of, and since when the oldest waits.
    fn lag(&self, store: &TrackStore) -> (u64, usize, Option<Instant>) {
        let mut groups: SmallVec<[GroupId; 8]> = SmallVec::new();
        let mut bytes = 0;
        let mut since: Option<Instant> = None;
        for out in &self.streams {
            let lag = store.lag_bytes(&out.cursor);
            if lag == 0 {
                continue;
            }
            bytes += lag;
            if !groups.contains(&out.group) {
                groups.push(out.group);
            }
            if let Some(waiting) = store.waiting_since(&out.cursor) {
                since = Some(since.map_or(waiting, |since| since.min(waiting)));
            }
        }
        (bytes, groups.len(), since)
    }

    /// Moves a viewer that is behind to the newest group; what it missed, if it was.
    pub fn catch_up(
        &mut self,
        store: &TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
        limits: &Limits,
        now: Instant,
    ) -> Option<u64> {
        let (bytes, groups, since) = self.lag(store);
        let long = since.is_some_and(|since| now.duration_since(since) >= limits.behind_wait);
        let behind = bytes > limits.behind_bytes_max || groups > limits.behind_groups_max && long;
        if !behind {
            return None;
        }
        let newest = self.streams.iter().map(|out| out.group).max()?;
        let older = |out: &OutStream| out.group < newest;
        if !self.streams.iter().any(older) {
            return None;
        }
        self.streams.retain(|out| {
            if let Some(stream) = out.stream().filter(|_| older(out)) {
                session.reset_data(transport, stream, ResetCode::TooFarBehind);
            }
            !older(out)
        });
        self.replacing = Some(0);
        Some(bytes)
    }

    /// Notes whether anything could be sent; true once nothing could for too long.
    pub fn is_stuck(&mut self, full: bool, limits: &Limits, now: Instant) -> bool {
        if !full {
            if self.replacing.is_none() {
                self.stuck_since = None;
            }
            return false;
        }
        let since = *self.stuck_since.get_or_insert(now);
        now.duration_since(since) >= limits.behind_max
    }

    /// When it will have been stuck for too long.
    pub fn stuck_deadline(&self, limits: &Limits) -> Option<Instant> {
        self.stuck_since.map(|since| since + limits.behind_max)
    }

    /// Notes that so many bytes were handed over. What fills the place of bytes that we gave up
    /// ourselves is no progress: the viewer may not have taken anything.
    fn made_progress(&mut self, bytes: u64, transport: &dyn Transport) {
        if let Some(replaced) = &mut self.replacing {
            *replaced += bytes;
            if *replaced <= 2 * transport.stats().window_bytes {
                return;
            }
            self.replacing = None;
        }
        self.stuck_since = None;
    }

    /// Sends the datagrams that arrived since the last time.
    pub fn serve_datagrams(
        &mut self,
        id: RequestId,
        store: &mut TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
        timeouts: Timeouts,
        now: Instant,
    ) {
        if !self.forward || !matches!(self.phase, Phase::Live | Phase::Ending { .. }) {
            return;
        }
        loop {
            let before = self.datagrams;
            let Some(key) = store.next_datagram(&mut self.datagrams) else { return };
            let Some(object) = store.object(key) else { continue };
            let location = Location { group: object.group, object: object.id };
            let in_range =
                location >= self.start && self.end.is_none_or(|end| end.includes(location));
            let late =
                timeouts.of_datagram().is_some_and(|timeout| object.arrived + timeout <= now);
            if !in_range || late || self.kind == Some(Kind::Subgroups) && one_kind(session) {
                continue;
            }
            let resolves = session.dialect().is_some_and(|dialect| !dialect.inherits_priority());
            let default = store.default_priority().unwrap_or_default();
            let head = DatagramHead {
                alias: TrackAlias(0),
                location,
                priority: object.priority.or(resolves.then_some(default)),
                properties: object.properties.clone(),
                status: object.status,
                end_of_group: object.end_of_group,
            };
            let (mut offset, total) = (0, object.received_bytes);
            let mut payload: SmallVec<[Bytes; 2]> = SmallVec::new();
            while offset < total {
                let Some(part) = store.payload(key, offset, usize::MAX) else { break };
                offset += part.len() as u64;
                payload.push(part);
            }
            // Too large for this peer, or not expressible, means dropped, as the draft says.
            if let Err(SendDatagramError::Transport(DatagramError::Blocked)) =
                session.send_datagram(transport, id, &head, &payload)
            {
                self.datagrams = before;
                return;
            }
            self.sent_bytes += total;
            self.kind.get_or_insert(Kind::Datagrams);
        }
    }

    /// Hands over what stream `index` has.
    pub fn serve(
        &mut self,
        index: usize,
        id: RequestId,
        store: &mut TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
        limits: &Limits,
    ) -> Served {
        let priority = self.priority;
        if self.kind == Some(Kind::Datagrams) && one_kind(session) {
            self.streams.remove(index);
            return Served::Over;
        }
        let served = self.streams[index].serve(id, priority, store, session, transport, limits);
        if matches!(served, (Served::Over, _)) {
            let out = self.streams.remove(index);
            if let Some((stream, since)) = out.stream().zip(out.ended) {
                if self.finished.len() == FINISHED_MAX {
                    self.finished.pop_front();
                }
                self.finished.push_back((stream, since));
            }
        }
        if served.1 > 0 {
            self.kind.get_or_insert(Kind::Subgroups);
            self.sent_bytes += served.1;
            self.made_progress(served.1, transport);
        }
        served.0
    }
}
