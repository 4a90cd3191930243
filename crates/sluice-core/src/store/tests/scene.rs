//! Helpers: publishers, streams and readers of one store, written as text.
//!
//! A reader's trace is what came over its stream: `3:abc` is object 3 with payload `abc`, a
//! payload still arriving ends in `…`, then `FIN`, `RESET(code)`, `RANGE END` or `GONE`.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::model::{
    DatagramHead, Delivery, FetchItem, FetchedObject, GroupId, GroupOrder, Location, ObjectHead,
    ObjectId, ObjectStatus, Priority, Properties, RangeEnd, RangeMark, SubgroupId, SubgroupIdField,
    TrackAlias,
};

use crate::store::*;

pub(super) struct Scene {
    pub(super) store: TrackStore,
    pub(super) now: Instant,
}

pub(super) fn subgroup(group: u64, subgroup: u64) -> SubgroupStart {
    SubgroupStart {
        group: GroupId(group),
        subgroup: SubgroupIdField::Id(SubgroupId(subgroup)),
        priority: Some(Priority(128)),
        properties: true,
        end_of_group: false,
        first_object: false,
        order: None,
    }
}

pub(super) fn head(object: u64, payload_bytes: usize) -> ObjectHead {
    ObjectHead {
        object: ObjectId(object),
        properties: Properties::default(),
        status: ObjectStatus::Normal,
        payload_bytes: payload_bytes as u64,
    }
}

pub(super) fn marker(object: u64, status: ObjectStatus) -> ObjectHead {
    ObjectHead { status, ..head(object, 0) }
}

pub(super) fn datagram(group: u64, object: u64) -> DatagramHead {
    DatagramHead {
        alias: TrackAlias(0),
        location: Location::new(group, object),
        priority: None,
        properties: Properties::default(),
        status: ObjectStatus::Normal,
        end_of_group: false,
    }
}

pub(super) fn fetched(group: u64, object: u64, payload: &str) -> FetchedObject {
    FetchedObject {
        location: Location::new(group, object),
        delivery: Delivery::Subgroup(SubgroupId(0)),
        priority: Priority(128),
        properties: Properties::default(),
        status: ObjectStatus::Normal,
        payload_bytes: payload.len() as u64,
    }
}

pub(super) fn span(start: (u64, u64), end: (u64, Option<u64>)) -> FetchSpan {
    FetchSpan {
        start: Location::new(start.0, start.1),
        end: RangeEnd { group: GroupId(end.0), object: end.1.map(ObjectId) },
        order: GroupOrder::Ascending,
    }
}

pub(super) fn descending(start: (u64, u64), end: (u64, Option<u64>)) -> FetchSpan {
    FetchSpan { order: GroupOrder::Descending, ..span(start, end) }
}

impl Scene {
    pub(super) fn new() -> Scene {
        Scene {
            store: TrackStore::new(StoreLimits::default(), Payloads::Copy),
            now: Instant::now(),
        }
    }

    pub(super) fn source(&mut self) -> SourceId {
        self.store.add_source(SourceRules::default())
    }

    pub(super) fn later(&mut self, by: Duration) {
        self.now += by;
    }

    pub(super) fn open(&mut self, source: SourceId, start: SubgroupStart) -> FeedKey {
        self.store.begin_subgroup(source, start).expect("the priority agrees")
    }

    /// A whole object.
    pub(super) fn put(&mut self, feed: FeedKey, object: u64, payload: &str) {
        self.begin(feed, object, payload.len());
        self.bytes(feed, payload);
    }

    pub(super) fn begin(&mut self, feed: FeedKey, object: u64, payload_bytes: usize) {
        self.head(feed, &head(object, payload_bytes)).expect("the object agrees");
    }

    pub(super) fn head(
        &mut self,
        feed: FeedKey,
        head: &ObjectHead,
    ) -> Result<Change, MalformedTrack> {
        self.store.handle_object(feed, head, self.now)
    }

    pub(super) fn bytes(&mut self, feed: FeedKey, payload: &str) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let _ = self.store.handle_payload(feed, &payload).expect("the bytes agree");
    }

    pub(super) fn finish(&mut self, feed: FeedKey) {
        let _ = self.store.finish(feed).expect("the end agrees");
    }

    pub(super) fn reset(&mut self, feed: FeedKey) {
        let _ = self.store.reset(feed, sluice_proto::model::ResetCode::Cancelled);
    }

    pub(super) fn datagram(&mut self, source: SourceId, head: &DatagramHead, payload: &str) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let _ = self
            .store
            .handle_datagram(source, head, &payload, self.now)
            .expect("the datagram agrees");
    }

    pub(super) fn fetch(&mut self, source: SourceId, span: FetchSpan) -> FeedKey {
        self.store.begin_fetch(source, span, Absence::Evidence)
    }

    pub(super) fn fetched(&mut self, feed: FeedKey, group: u64, object: u64, payload: &str) {
        let item = FetchItem::Object(fetched(group, object, payload));
        let _ =
            self.store.handle_fetch_item(feed, &item, self.now).expect("the fetched object agrees");
        self.bytes(feed, payload);
    }

    pub(super) fn mark(&mut self, feed: FeedKey, group: u64, object: u64, mark: RangeMark) {
        let item = FetchItem::EndOfRange(Location::new(group, object), mark);
        let _ = self.store.handle_fetch_item(feed, &item, self.now).expect("the mark agrees");
    }

    pub(super) fn fetch_done(&mut self, feed: FeedKey, end: (u64, Option<u64>)) {
        let end = RangeEnd { group: GroupId(end.0), object: end.1.map(ObjectId) };
        let _ = self.store.finish_fetch(feed, Some(end), self.now).expect("the end agrees");
    }

    // Readers.

    /// The logs of a group, each as a new reader gets it from the start.
    pub(super) fn logs(&mut self, group: u64) -> Vec<String> {
        let logs: Vec<LogKey> = self.store.logs(GroupId(group)).collect();
        let cursors: Vec<LiveCursor> =
            logs.iter().filter_map(|&log| self.store.cursor(log, Location::ZERO)).collect();
        cursors.into_iter().map(|mut cursor| self.read(&mut cursor)).collect()
    }

    /// A cursor at the start of a group's first log.
    pub(super) fn cursor(&mut self, group: u64) -> LiveCursor {
        let log = self.store.logs(GroupId(group)).next().expect("the group has a log");
        self.store.cursor(log, Location::ZERO).expect("the log is there")
    }

    /// What a cursor gets now.
    pub(super) fn read(&mut self, cursor: &mut LiveCursor) -> String {
        let mut trace = Trace::default();
        loop {
            match cursor.next(&mut self.store, 7) {
                LiveStep::Object { key, id, .. } => {
                    let view = self.store.object(key).expect("a step's object is there");
                    trace.object(
                        id.0.to_string(),
                        view.status,
                        view.payload_bytes.expect("a length"),
                    );
                }
                LiveStep::Payload(bytes) => trace.payload(&bytes),
                LiveStep::Wait => return trace.end(None),
                LiveStep::End(LiveEnd::Fin) => return trace.end(Some("FIN".into())),
                LiveStep::End(LiveEnd::Reset(code)) => {
                    return trace.end(Some(format!("RESET({code:?})")));
                }
                LiveStep::End(LiveEnd::RangeEnd) => return trace.end(Some("RANGE END".into())),
                LiveStep::End(LiveEnd::Gone) => return trace.end(Some("GONE".into())),
            }
        }
    }

    /// What a fetch cursor gets now.
    pub(super) fn fetch_read(&mut self, cursor: &mut FetchCursor) -> String {
        let mut trace = Trace::default();
        loop {
            match cursor.next(&mut self.store, 7, self.now) {
                FetchStep::Object { key, location, .. } => {
                    let view = self.store.object(key).expect("a step's object is there");
                    trace.object(
                        location.to_string(),
                        view.status,
                        view.payload_bytes.expect("a length"),
                    );
                }
                FetchStep::Payload(bytes) => trace.payload(&bytes),
                FetchStep::Wait => return trace.end(None),
                FetchStep::Unknown(UnknownSpan { start, end }) => {
                    let object = end.object.map_or("*".into(), |object| object.to_string());
                    return trace.end(Some(format!("? {start}..{}/{object}", end.group)));
                }
                FetchStep::Broken => return trace.end(Some("BROKEN".into())),
                FetchStep::End => return trace.end(Some("END".into())),
            }
        }
    }

    /// Everything in a span, read at once.
    pub(super) fn fetch_all(&mut self, span: FetchSpan) -> String {
        let mut cursor = FetchCursor::new(span, self.now);
        self.fetch_read(&mut cursor)
    }

    /// Datagrams from a cursor on.
    pub(super) fn datagrams(&mut self, cursor: &mut DatagramCursor) -> String {
        let mut words = Vec::new();
        while let Some(key) = self.store.next_datagram(cursor) {
            let view = self.store.object(key).expect("a datagram's object is there");
            let name = format!("{}/{}", view.group, view.id);
            let bytes = self.store.payload(key, 0, usize::MAX).unwrap_or_default();
            words.push(format!("{name}:{}", String::from_utf8_lossy(&bytes)));
        }
        words.join(" ")
    }
}

#[derive(Default)]
struct Trace {
    words: Vec<String>,
    missing: u64,
}

impl Trace {
    fn object(&mut self, name: String, status: ObjectStatus, payload_bytes: u64) {
        let word = match status {
            ObjectStatus::Normal => format!("{name}:"),
            status => format!("{name}:{status:?}"),
        };
        self.words.push(word);
        self.missing = payload_bytes;
    }

    fn payload(&mut self, bytes: &[u8]) {
        if self.words.is_empty() {
            self.words.push(String::new());
        }
        let last = self.words.last_mut().expect("just pushed");
        last.push_str(&String::from_utf8_lossy(bytes));
        self.missing = self.missing.saturating_sub(bytes.len() as u64);
    }

    fn end(mut self, end: Option<String>) -> String {
        if self.missing > 0
            && let Some(last) = self.words.last_mut()
        {
            last.push('…');
        }
        self.words.extend(end);
        self.words.join(" ")
    }
}
