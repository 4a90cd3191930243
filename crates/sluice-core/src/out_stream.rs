//! A log on its way to a viewer: what is taken from its cursor and handed to the connection.
//!
//! Nothing is queued but the chunk that the connection took only a part of.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    GroupId, GroupOrder, Location, ObjectHead, ObjectId, ObjectStatus, ObjectStreamHead, Priority,
    RequestId, ResetCode, SubgroupHead, SubgroupIdField, TrackAlias,
};
use sluice_proto::session::{CommandError, Session};
use sluice_proto::transport::{StreamId, Transport};
use sluice_proto::wire::Family;
use smallvec::SmallVec;

use crate::limits::Limits;
use crate::store::{FrameKey, LiveCursor, LiveEnd, LiveStep, ObjectKey, TrackStore};

/// Bytes gathered for one write.
const WRITE_BYTES: usize = 64 << 10;

/// Least payload that is worth a piece of its own: about a packet. More than there is room for is
/// not handed over, as it could not be taken back.
pub(crate) const CHUNK_BYTES_MIN: usize = 1200;

/// What gives objects to a viewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carriage {
    /// A stream for each subgroup.
    Subgroups,
    /// A stream for each object.
    Objects,
    /// Each object as its publisher sent it.
    AsItCame,
}

impl Carriage {
    /// What a peer's draft has.
    pub fn of(session: &Session) -> Carriage {
        match session.dialect() {
            Some(dialect) if dialect.family == Family::Names => Carriage::Objects,
            Some(dialect) if dialect.object_streams => Carriage::AsItCame,
            _ => Carriage::Subgroups,
        }
    }
}

/// A log on its way to a viewer: on a stream, or a stream for each of its objects.
#[derive(Debug)]
pub(crate) struct OutStream {
    pub group: GroupId,
    pub cursor: LiveCursor,
    /// Whether each object has a stream, and the object that the stream now has.
    each: bool,
    carrying: Option<ObjectKey>,
    stream: Option<StreamId>,
    /// Since when its end is known, if that matters.
    pub ended: Option<Instant>,
    head: Option<SubgroupHead>,
    /// Handed to the connection, which did not take it yet.
    pending: SmallVec<[Bytes; 4]>,
}

/// What came of serving a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Served {
    /// Everything there was is handed over.
    Idle,
    /// The connection takes no more now.
    Full,
    /// No credit for a further stream.
    NoCredit,
    /// It is over and forgotten.
    Over,
}

impl OutStream {
    /// A log of `group` from `cursor` on.
    pub fn new(
        group: GroupId,
        mut cursor: LiveCursor,
        carriage: Carriage,
        store: &TrackStore,
    ) -> Self {
        let each = match carriage {
            Carriage::Subgroups => false,
            Carriage::Objects => true,
            Carriage::AsItCame => store.log_order(cursor.log()).is_some(),
        };
        if !each {
            cursor.need_length();
        }
        let pending = SmallVec::new();
        Self { group, cursor, each, carrying: None, stream: None, ended: None, head: None, pending }
    }

    /// Begins anew: what was open is returned, to be reset.
    pub fn give_up_stream(&mut self) -> Option<StreamId> {
        self.pending.clear();
        (self.head, self.carrying) = (None, None);
        self.stream.take()
    }

    /// Leaves out the object that its stream carries; false if that is all there is to it.
    pub fn pass_object(&mut self) -> bool {
        if self.each {
            self.cursor.pass_object();
            self.give_up_stream();
        }
        self.each
    }

    /// Publisher priority, group and subgroup, or what stands for them: lower goes first.
    pub fn rank(&self, groups: GroupOrder, store: &TrackStore) -> (u8, u64, u64) {
        let log = store.log_head(&self.cursor);
        let own = self.head.as_ref().and_then(|head| head.priority);
        let publisher = own.or_else(|| log.and_then(|log| log.priority));
        let publisher = publisher.or(store.default_priority()).unwrap_or_default();
        if let Some(order) = log.and_then(|log| log.order).filter(|_| self.each) {
            return (publisher.0, u64::MAX - order.0, 0);
        }
        let group = match groups {
            GroupOrder::Ascending => self.group.0,
            GroupOrder::Descending => u64::MAX - self.group.0,
        };
        let subgroup = match self.head.as_ref().map(|head| head.subgroup) {
            Some(SubgroupIdField::Id(id)) => id.0,
            _ => log.map_or(0, |head| head.subgroup.0),
        };
        (publisher.0, group, subgroup)
    }

    /// The stream, once it is open.
    pub fn stream(&self) -> Option<StreamId> {
        self.stream
    }

    /// What came of it, and how many bytes were handed over.
    pub fn serve(
        &mut self,
        id: RequestId,
        priority: Priority,
        store: &mut TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
        limits: &Limits,
    ) -> (Served, u64) {
        let mut progress = 0;
        loop {
            if !self.pending.is_empty() {
                let Some(stream) = self.stream else { return (Served::Over, progress) };
                match transport.write(stream, &mut self.pending) {
                    Ok(written) => {
                        progress += written.bytes as u64;
                        if !written.complete {
                            self.pending.retain(|chunk| !chunk.is_empty());
                            return (Served::Full, progress);
                        }
                    }
                    // Reset below us; its Stopped event is on the way.
                    Err(_) => return (Served::Over, progress),
                }
                self.pending.clear();
            }
            if transport.send_room() == 0 {
                return (Served::Full, progress);
            }
            match self.gather(id, priority, store, session, transport, limits) {
                Some(served) if self.pending.is_empty() => return (served, progress),
                Some(_) | None => {}
            }
        }
    }

    /// Takes steps until a write is worth it; what stopped it, if something did.
    fn gather(
        &mut self,
        id: RequestId,
        priority: Priority,
        store: &mut TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
        limits: &Limits,
    ) -> Option<Served> {
        let room = transport.send_room().min(WRITE_BYTES);
        let mut gathered = 0;
        while gathered < room {
            let before = self.cursor;
            let chunk = (room - gathered).clamp(CHUNK_BYTES_MIN, limits.chunk_bytes_max);
            let step = self.cursor.next(store, chunk);
            if self.is_past_carried(&step) {
                if !self.pending.is_empty() {
                    // Written first; what comes after it is found again.
                    self.cursor = before;
                    return None;
                }
                self.finish_carried(session, transport);
            }
            match step {
                LiveStep::Object { key, .. } if self.each && !is_carried(key, store, session) => {}
                LiveStep::Object { key, .. } if self.each => {
                    let inside = std::mem::replace(&mut self.cursor, before);
                    match self.open_each(key, id, priority, store, session, transport) {
                        // It has no frame: its payload is next.
                        Some(Served::Idle) => self.cursor = inside,
                        other => return other.or(Some(Served::Over)),
                    }
                }
                LiveStep::Object { key, previous, .. } => {
                    if self.stream.is_none() {
                        self.cursor = before;
                        match self.open(id, priority, store, session, transport) {
                            Some(Served::Idle) => continue,
                            other => return other.or(Some(Served::Over)),
                        }
                    }
                    let Some(frame) = self.frame(key, previous, store, session) else {
                        self.abandon(session, transport, ResetCode::Internal);
                        return Some(Served::Over);
                    };
                    gathered += frame.len();
                    self.pending.push(frame);
                }
                LiveStep::Payload(bytes) => {
                    gathered += bytes.len();
                    self.pending.push(bytes);
                }
                LiveStep::Wait => return Some(Served::Idle),
                LiveStep::End(_) if !self.pending.is_empty() => {
                    // Written first; the end is found again.
                    self.cursor = before;
                    return None;
                }
                LiveStep::End(end) => {
                    match (end, self.stream) {
                        (LiveEnd::Fin, Some(stream)) => session.finish_data(transport, stream),
                        (LiveEnd::Reset(code), _) => self.abandon(session, transport, code),
                        (LiveEnd::RangeEnd, _) => {
                            self.abandon(session, transport, ResetCode::Cancelled);
                        }
                        (LiveEnd::Gone, _) => {
                            self.abandon(session, transport, ResetCode::TooFarBehind);
                        }
                        (LiveEnd::Fin, None) => {}
                    }
                    return Some(Served::Over);
                }
            }
        }
        None
    }

    /// Whether the object that the stream carries is whole: the cursor is at what follows it.
    fn is_past_carried(&self, step: &LiveStep) -> bool {
        let Some(carried) = self.carrying else { return false };
        match step {
            LiveStep::Object { key, .. } => *key != carried,
            LiveStep::Wait | LiveStep::End(LiveEnd::Fin | LiveEnd::RangeEnd) => {
                !self.cursor.is_inside()
            }
            LiveStep::Payload(_) | LiveStep::End(_) => false,
        }
    }

    /// Ends the stream of the object that was carried.
    fn finish_carried(&mut self, session: &mut Session, transport: &mut dyn Transport) {
        self.carrying = None;
        if let Some(stream) = self.stream.take() {
            session.finish_data(transport, stream);
        }
    }

    /// Opens a stream for one object: `Idle` if it is open, else what stands against it.
    fn open_each(
        &mut self,
        key: ObjectKey,
        id: RequestId,
        subscriber: Priority,
        store: &TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
    ) -> Option<Served> {
        match open_object(key, id, subscriber, store, session, transport) {
            Ok(Some((stream, bytes))) => {
                (self.stream, self.carrying) = (Some(stream), Some(key));
                self.pending.push(bytes);
                Some(Served::Idle)
            }
            Ok(None) => Some(Served::NoCredit),
            // This draft has no number so large: the log is left out for this viewer.
            Err(_) => Some(Served::Over),
        }
    }

    fn abandon(&mut self, session: &mut Session, transport: &mut dyn Transport, code: ResetCode) {
        self.pending.clear();
        if let Some(stream) = self.stream {
            session.reset_data(transport, stream, code);
        }
    }

    /// Opens the stream: `Idle` if it is open, else what stands against it.
    fn open(
        &mut self,
        id: RequestId,
        subscriber: Priority,
        store: &TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
    ) -> Option<Served> {
        let log = store.log_head(&self.cursor)?;
        let resolves = session.dialect().is_some_and(|dialect| !dialect.inherits_priority());
        let default = store.default_priority().unwrap_or_default();
        let head = SubgroupHead {
            alias: TrackAlias(0),
            group: log.group,
            subgroup: SubgroupIdField::Id(log.subgroup),
            priority: log.priority.or(resolves.then_some(default)),
            properties: log.properties,
            end_of_group: log.end_of_group,
            first_object: log.first_object,
        };
        let publisher = head.priority.unwrap_or(default);
        let order = stream_order(subscriber, publisher);
        match session.open_subgroup(transport, id, &head, order) {
            Ok(Some((stream, bytes))) => {
                self.stream = Some(stream);
                self.head = Some(head);
                self.pending.push(bytes);
                Some(Served::Idle)
            }
            Ok(None) => Some(Served::NoCredit),
            // This draft cannot name the group: it is left out for this viewer.
            Err(_) => Some(Served::Over),
        }
    }

    /// The object's frame, shared by all viewers of the same layout.
    fn frame(
        &self,
        key: ObjectKey,
        previous: Option<ObjectId>,
        store: &mut TrackStore,
        session: &Session,
    ) -> Option<Bytes> {
        let dialect = session.dialect()?;
        let head = self.head.as_ref()?;
        let layout = dialect.object_layout().number();
        let frame = FrameKey { layout, previous, properties: head.properties };
        let bytes = store.frame(key, frame, |object, out| {
            let object = ObjectHead {
                object: object.id,
                properties: object.properties.clone(),
                status: object.status,
                // Streams with lengths wait for an object's own.
                payload_bytes: object.payload_bytes.unwrap_or(object.received_bytes),
            };
            let mut bytes = BytesMut::with_capacity(64);
            if dialect.encode_object(head, previous, &object, &mut bytes).is_ok() {
                out.extend_from_slice(&bytes);
            }
        })?;
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// Opens a stream for one object; its head, or `None` without credit.
///
/// # Errors
/// The draft has no number so large, or the object is gone.
pub(crate) fn open_object(
    key: ObjectKey,
    id: RequestId,
    subscriber: Priority,
    store: &TrackStore,
    session: &mut Session,
    transport: &mut dyn Transport,
) -> Result<Option<(StreamId, Bytes)>, CommandError> {
    let object = store.object(key).ok_or(CommandError::NotOpen(id))?;
    let priority = object.priority.or(store.default_priority()).unwrap_or_default();
    let head = ObjectStreamHead {
        alias: TrackAlias(0),
        location: Location { group: object.group, object: object.id },
        order: object.order.unwrap_or_else(|| session.next_send_order(priority)),
        payload_bytes: object.payload_bytes,
    };
    session.open_object(transport, id, &head, stream_order(subscriber, priority))
}

/// Whether a stream of its own can carry an object: not a mark, and for deployed peers, which cannot
/// read it, not one without a payload.
pub(crate) fn is_carried(key: ObjectKey, store: &TrackStore, session: &Session) -> bool {
    let deployed = session.dialect().is_some_and(|dialect| dialect.family == Family::Names);
    store.object(key).is_some_and(|object| {
        let is_empty = object.payload_bytes == Some(0);
        object.status == ObjectStatus::Normal && !(deployed && is_empty)
    })
}

/// The order of a stream among those of a connection: higher goes first.
fn stream_order(subscriber: Priority, publisher: Priority) -> i32 {
    i32::from(255 - subscriber.0) << 8 | i32::from(255 - publisher.0)
}

#[cfg(test)]
mod tests {
    use sluice_proto::model::SendOrder;

    use super::*;
    use crate::store::{Payloads, SourceRules, StoreLimits, SubgroupStart};

    /// A track of objects with streams of their own, as (group, send order).
    fn track(objects: &[(u64, u64)]) -> TrackStore {
        let mut store = TrackStore::new(StoreLimits::default(), Payloads::Copy);
        let source = store.add_source(SourceRules::default());
        for &(group, order) in objects {
            let order = SendOrder(order);
            let start = SubgroupStart {
                group: GroupId(group),
                subgroup: SubgroupIdField::FirstObject,
                priority: Some(order.priority()),
                properties: false,
                end_of_group: false,
                first_object: true,
                order: Some(order),
            };
            let object = ObjectHead {
                object: ObjectId(0),
                properties: Default::default(),
                status: ObjectStatus::Normal,
                payload_bytes: 0,
            };
            let feed = store.begin_subgroup(source, start).expect("a subgroup");
            store.handle_object_to_end(feed, &object, Instant::now()).expect("an object");
        }
        store
    }

    /// The groups in the order in which their streams are served.
    fn served(store: &TrackStore, carriage: Carriage) -> Vec<u64> {
        let mut streams: Vec<OutStream> = store
            .open_logs()
            .filter_map(|log| Some((log, store.cursor(log, Location::ZERO)?)))
            .map(|(log, cursor)| {
                let group = store.log_group(log).expect("it is stored");
                OutStream::new(group, cursor, carriage, store)
            })
            .collect();
        streams.sort_by_key(|stream| stream.rank(GroupOrder::Ascending, store));
        streams.iter().map(|stream| stream.group.0).collect()
    }

    #[test]
    fn the_larger_send_order_is_served_first_where_it_can_be_said() {
        let audio = 1 << 52;
        let store = track(&[(1, 7), (2, audio), (3, 8), (4, audio + 1)]);
        assert_eq!(served(&store, Carriage::Objects), [4, 2, 3, 1]);
        // Others know eight bits of it, and the order of groups.
        assert_eq!(served(&store, Carriage::Subgroups), [2, 4, 1, 3]);
    }

    #[test]
    fn only_who_has_to_say_a_length_waits_for_it() {
        let mut store = track(&[(1, 0)]);
        let log = store.open_logs().next().expect("a log");
        for (carriage, waits) in [(Carriage::Objects, false), (Carriage::Subgroups, true)] {
            let cursor = store.cursor(log, Location::ZERO).expect("it is stored");
            let mut stream = OutStream::new(GroupId(1), cursor, carriage, &store);
            let step = stream.cursor.next(&mut store, 100);
            assert_eq!(step == LiveStep::Wait, waits, "{carriage:?}: {step:?}");
        }
    }
}
