//! One subscriber of a track we publish: its streams, and how far each is.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    DatagramHead, FetchItem, FetchedObject, GroupId, GroupOrder, Location, LocationFilter,
    ObjectHead, ObjectId, ObjectStatus, Priority, PublishOk, RangeEnd, RequestId, RequestUpdate,
    ResetCode, SubgroupHead, SubgroupId, SubgroupIdField, TrackAlias,
};
use sluice_proto::session::{SendDatagramError, Session};
use sluice_proto::transport::{DatagramError, StreamId, Transport};
use sluice_proto::wire::data::FetchEncoder;

use super::log::Log;
use super::publication::LocalGroup;
use crate::object::Object;

type Groups = BTreeMap<GroupId, LocalGroup>;

/// Bytes handed to a stream that it did not take yet.
#[derive(Default)]
struct Pending(Vec<Bytes>);

impl Pending {
    fn bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Writes; whether everything was taken. A stream that is gone takes everything.
    fn write(&mut self, stream: StreamId, transport: &mut dyn Transport) -> bool {
        let complete = match transport.write(stream, &mut self.0) {
            Ok(written) => written.complete,
            Err(_) => true,
        };
        if complete {
            self.0.clear();
        } else {
            self.0.retain(|chunk| !chunk.is_empty());
        }
        complete
    }
}

enum StreamState {
    /// Not opened yet, or out of stream credit.
    Waiting,
    Open(StreamId),
    /// FIN handed over.
    Finished(StreamId),
    /// Everything arrived, or nobody wants it.
    Over,
}

struct OutStream {
    state: StreamState,
    /// Next object of the subgroup to encode.
    next: usize,
    previous: Option<ObjectId>,
    pending: Pending,
    head: SubgroupHead,
}

/// One subscriber of a track we publish.
pub(super) struct Outgoing {
    id: RequestId,
    alias: TrackAlias,
    start: Location,
    end: Option<RangeEnd>,
    forward: bool,
    join: Option<Location>,
    left: bool,
    streams: BTreeMap<(GroupId, SubgroupId), OutStream>,
    datagrams: BTreeMap<GroupId, usize>,
}

impl Outgoing {
    pub fn subscribed(
        id: RequestId,
        alias: TrackAlias,
        start: Location,
        end: Option<RangeEnd>,
        forward: bool,
    ) -> Self {
        Self {
            id,
            alias,
            start,
            end,
            forward,
            join: None,
            left: false,
            streams: BTreeMap::new(),
            datagrams: BTreeMap::new(),
        }
    }

    /// A track offered by PUBLISH: nothing is sent before the answer says what is wanted.
    pub fn offered(id: RequestId, alias: TrackAlias, start: Location) -> Self {
        Self::subscribed(id, alias, start, None, false)
    }

    pub fn joined_at(&mut self, largest: Option<Location>) {
        self.join = largest;
    }

    /// Largest location that was said to this subscriber.
    pub fn join(&self) -> Option<Location> {
        self.join
    }

    pub fn accepted(&mut self, ok: &PublishOk, says_all: bool, largest: Option<Location>) {
        if let Some(filter) = ok.filter {
            (self.start, self.end) = filter.resolve(largest);
        }
        self.set_forward(ok.forward.unwrap_or(says_all), largest);
    }

    pub fn update(&mut self, update: &RequestUpdate, largest: Option<Location>) {
        if let Some(filter) = update.filter {
            (self.start, self.end) = filter.resolve(largest);
        }
        if let Some(forward) = update.forward {
            self.set_forward(forward, largest);
        }
    }

    fn set_forward(&mut self, forward: bool, largest: Option<Location>) {
        if forward && !self.forward {
            // What was published while nobody looked is past: it is fetched, not pushed.
            let (next, _) = LocationFilter::NextObject.resolve(largest);
            self.start = self.start.max(next);
            self.join = largest;
        }
        self.forward = forward;
    }

    pub fn wants_objects(&self) -> bool {
        self.forward && !self.left
    }

    pub fn leave(&mut self) {
        self.left = true;
    }

    pub fn has_left(&self) -> bool {
        self.left
    }

    pub fn stopped(&mut self, stream: StreamId) {
        for out in self.streams.values_mut() {
            match out.state {
                StreamState::Open(id) | StreamState::Finished(id) if id == stream => {
                    out.state = StreamState::Over;
                    out.pending = Pending::default();
                }
                _ => {}
            }
        }
    }

    pub fn acked(&mut self, stream: StreamId) {
        for out in self.streams.values_mut() {
            if matches!(out.state, StreamState::Finished(id) if id == stream) {
                out.state = StreamState::Over;
            }
        }
    }

    /// Forgets the streams of a group that is no longer kept.
    pub fn forget(&mut self, group: GroupId) {
        self.streams.retain(|(id, _), _| *id != group);
        self.datagrams.remove(&group);
    }

    /// Whether nothing of a group is left to send.
    pub fn has_passed(&self, group: GroupId, groups: &Groups) -> bool {
        let Some(local) = groups.get(&group) else { return true };
        let over = |subgroup: &SubgroupId| {
            let sent = self.streams.get(&(group, *subgroup));
            sent.is_some_and(|out| {
                matches!(out.state, StreamState::Over | StreamState::Finished(_))
            })
        };
        !self.forward
            || group < self.start.group
            || self.end.is_some_and(|end| group > end.group)
            || local.subgroups.keys().all(over)
    }

    /// Whether the object at a position of a subgroup is not needed for this subscriber any more.
    pub fn is_past(&self, key: (GroupId, SubgroupId), position: usize, location: Location) -> bool {
        if !self.wants_objects() || !self.passes(location) {
            return true;
        }
        self.streams.get(&key).is_some_and(|out| {
            out.next > position || matches!(out.state, StreamState::Finished(_) | StreamState::Over)
        })
    }

    /// Whether everything due has arrived.
    pub fn is_drained(&self, groups: &Groups) -> bool {
        if !self.wants_objects() {
            return true;
        }
        groups.iter().all(|(group, local)| {
            local.subgroups.iter().all(|(subgroup, log)| {
                let due = log.iter().any(|object| self.passes(object.location));
                let sent = self.streams.get(&(*group, *subgroup));
                !due || sent.is_some_and(|out| matches!(out.state, StreamState::Over))
            })
        })
    }

    fn passes(&self, location: Location) -> bool {
        location >= self.start && self.end.is_none_or(|end| end.includes(location))
    }

    /// Bytes due but not handed over.
    pub fn backlog(&self, groups: &Groups) -> usize {
        if !self.wants_objects() {
            return 0;
        }
        let mut bytes = 0;
        for (group, local) in groups.range(self.start.group..) {
            for (subgroup, log) in &local.subgroups {
                let (next, pending) = match self.streams.get(&(*group, *subgroup)) {
                    Some(out) if matches!(out.state, StreamState::Over) => continue,
                    Some(out) => (out.next, out.pending.bytes()),
                    None => (0, 0),
                };
                bytes += pending
                    + log
                        .from(next)
                        .filter(|object| self.passes(object.location))
                        .map(|object| object.payload.len())
                        .sum::<usize>();
            }
        }
        bytes
    }

    /// Hands over what the connection takes, oldest group first.
    pub fn pump(&mut self, groups: &Groups, session: &mut Session, transport: &mut dyn Transport) {
        if !self.wants_objects() {
            if self.left || !self.forward {
                self.abandon(session, transport);
            }
            return;
        }
        for (group, local) in groups.range(self.start.group..) {
            self.pump_datagrams(*group, local, session, transport);
            for (subgroup, log) in &local.subgroups {
                if transport.send_room() == 0 {
                    return;
                }
                let key = (*group, *subgroup);
                self.pump_subgroup(key, log, local.ended, session, transport);
            }
        }
    }

    /// Resets streams in the middle of a group: the subscriber paused or left.
    fn abandon(&mut self, session: &mut Session, transport: &mut dyn Transport) {
        for out in self.streams.values_mut() {
            if let StreamState::Open(stream) = out.state {
                session.reset_data(transport, stream, ResetCode::Cancelled);
                out.state = StreamState::Over;
            }
        }
    }

    fn pump_datagrams(
        &mut self,
        group: GroupId,
        local: &LocalGroup,
        session: &mut Session,
        transport: &mut dyn Transport,
    ) {
        if local.datagrams.is_empty() {
            return;
        }
        let next = *self.datagrams.entry(group).or_default();
        let mut sent = next;
        for object in &local.datagrams[next.min(local.datagrams.len())..] {
            if self.passes(object.location) {
                let head = DatagramHead {
                    alias: self.alias,
                    location: object.location,
                    priority: stated_priority(object.priority, session),
                    properties: object.properties.clone(),
                    status: object.status,
                    end_of_group: false,
                };
                let payload = [object.payload.clone()];
                if let Err(SendDatagramError::Transport(DatagramError::Blocked)) =
                    session.send_datagram(transport, self.id, &head, &payload)
                {
                    break;
                }
            }
            sent += 1;
        }
        self.datagrams.insert(group, sent);
    }

    fn pump_subgroup(
        &mut self,
        key: (GroupId, SubgroupId),
        log: &Log,
        ended: bool,
        session: &mut Session,
        transport: &mut dyn Transport,
    ) {
        if !self.streams.contains_key(&key) {
            let Some(first) = log.position(|object| self.passes(object.location)) else { return };
            let priority = log.get(first).and_then(|object| object.priority);
            let out = OutStream::new(key, first, priority, self.alias);
            self.streams.insert(key, out);
        }
        let (start, end) = (self.start, self.end);
        let passes =
            |location: Location| location >= start && end.is_none_or(|end| end.includes(location));
        if let Some(out) = self.streams.get_mut(&key) {
            out.pump(self.id, log, ended, &passes, session, transport);
        }
    }
}

impl OutStream {
    fn new(
        (group, subgroup): (GroupId, SubgroupId),
        first: usize,
        priority: Option<Priority>,
        alias: TrackAlias,
    ) -> Self {
        let head = SubgroupHead {
            alias,
            group,
            subgroup: SubgroupIdField::Id(subgroup),
            priority,
            // Later objects may have properties where the first has none.
            properties: true,
            end_of_group: false,
            first_object: first == 0,
        };
        Self {
            state: StreamState::Waiting,
            next: first,
            previous: None,
            pending: Pending::default(),
            head,
        }
    }

    fn pump(
        &mut self,
        id: RequestId,
        log: &Log,
        ended: bool,
        passes: &dyn Fn(Location) -> bool,
        session: &mut Session,
        transport: &mut dyn Transport,
    ) {
        if matches!(self.state, StreamState::Waiting) {
            // Higher goes first; a lower priority number is more urgent.
            let order = 255 - i32::from(self.head.priority.unwrap_or_default().0);
            self.head.priority = stated_priority(self.head.priority, session);
            match session.open_subgroup(transport, id, &self.head, order) {
                Ok(Some((stream, head))) => {
                    self.state = StreamState::Open(stream);
                    self.pending.0.push(head);
                }
                Ok(None) => return,
                Err(_) => {
                    self.state = StreamState::Over;
                    return;
                }
            }
        }
        let StreamState::Open(stream) = self.state else { return };
        loop {
            if !self.pending.0.is_empty() && !self.pending.write(stream, transport) {
                return;
            }
            let Some(object) = log.get(self.next) else { break };
            if transport.send_room() == 0 {
                return;
            }
            self.next += 1;
            if passes(object.location) && !self.encode(object, session) {
                session.reset_data(transport, stream, ResetCode::Internal);
                self.state = StreamState::Over;
                return;
            }
        }
        if ended {
            session.finish_data(transport, stream);
            self.state = StreamState::Finished(stream);
        }
    }

    fn encode(&mut self, object: &Object, session: &Session) -> bool {
        let Some(dialect) = session.dialect() else { return false };
        let head = ObjectHead {
            object: object.location.object,
            properties: object.properties.clone(),
            status: object.status,
            payload_bytes: object.payload.len() as u64,
        };
        let mut frame = BytesMut::new();
        if dialect.encode_object(&self.head, self.previous, &head, &mut frame).is_err() {
            return false;
        }
        self.previous = Some(object.location.object);
        self.pending.0.push(frame.freeze());
        if !object.payload.is_empty() {
            self.pending.0.push(object.payload.clone());
        }
        true
    }
}

/// A priority as the draft needs it: some cannot leave it to the track.
fn stated_priority(priority: Option<Priority>, session: &Session) -> Option<Priority> {
    let inherits = session.dialect().is_some_and(|dialect| dialect.inherits_priority());
    priority.or_else(|| (!inherits).then(Priority::default))
}

/// One answer to a FETCH, or one fill.
pub(super) struct OutFetch {
    id: RequestId,
    order: GroupOrder,
    objects: std::vec::IntoIter<Object>,
    encoder: Option<FetchEncoder>,
    state: StreamState,
    pending: Pending,
    cancelled: bool,
}

impl OutFetch {
    pub fn new(id: RequestId, order: GroupOrder, objects: Vec<Object>) -> Self {
        Self {
            id,
            order,
            objects: objects.into_iter(),
            encoder: None,
            state: StreamState::Waiting,
            pending: Pending::default(),
            cancelled: false,
        }
    }

    pub fn id(&self) -> RequestId {
        self.id
    }

    pub fn cancel(&mut self) {
        self.cancelled = true;
    }

    pub fn is_done(&self) -> bool {
        matches!(self.state, StreamState::Over)
    }

    pub fn stopped(&mut self, stream: StreamId) {
        if matches!(self.state, StreamState::Open(id) | StreamState::Finished(id) if id == stream) {
            self.state = StreamState::Over;
        }
    }

    pub fn acked(&mut self, stream: StreamId) {
        if matches!(self.state, StreamState::Finished(id) if id == stream) {
            self.state = StreamState::Over;
        }
    }

    pub fn pump(&mut self, session: &mut Session, transport: &mut dyn Transport) {
        if self.cancelled {
            if let StreamState::Open(stream) = self.state {
                session.reset_data(transport, stream, ResetCode::Cancelled);
            }
            self.state = StreamState::Over;
            return;
        }
        if matches!(self.state, StreamState::Waiting) {
            let Some(dialect) = session.dialect() else { return };
            let encoder = FetchEncoder::new(dialect, self.order);
            match session.open_fetch(transport, self.id, 0) {
                Ok(Some((stream, head))) => {
                    self.state = StreamState::Open(stream);
                    self.encoder = Some(encoder);
                    self.pending.0.push(head);
                }
                Ok(None) => return,
                Err(_) => {
                    self.state = StreamState::Over;
                    return;
                }
            }
        }
        let StreamState::Open(stream) = self.state else { return };
        while self.pending.0.is_empty() || self.pending.write(stream, transport) {
            let Some(object) = self.objects.next() else {
                session.finish_data(transport, stream);
                self.state = StreamState::Finished(stream);
                return;
            };
            if !self.encode(&object) {
                session.reset_data(transport, stream, ResetCode::Internal);
                self.state = StreamState::Over;
                return;
            }
        }
    }

    fn encode(&mut self, object: &Object) -> bool {
        let Some(encoder) = &mut self.encoder else { return false };
        debug_assert_eq!(object.status, ObjectStatus::Normal, "statuses are not fetched");
        let item = FetchItem::Object(FetchedObject {
            location: object.location,
            delivery: object.delivery,
            priority: object.priority.unwrap_or_default(),
            properties: object.properties.clone(),
            status: object.status,
            payload_bytes: object.payload.len() as u64,
        });
        let mut frame = BytesMut::new();
        if encoder.encode(&item, &mut frame).is_err() {
            return false;
        }
        self.pending.0.push(frame.freeze());
        if !object.payload.is_empty() {
            self.pending.0.push(object.payload.clone());
        }
        true
    }
}
