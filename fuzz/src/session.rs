//! A session against a peer that sends anything.
//!
//! The input is the draft, a byte of choices, then operations of the peer: bytes on streams and in
//! datagrams, ends of streams, time. The owner of the session answers what it is asked and asks
//! for things itself, so that the peer gets everywhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    Fetch, FetchItem, FetchOk, FetchRange, GroupId, Interest, Location, LocationFilter, PublishOk,
    RangeEnd, Request, RequestCode, RequestError, RequestId, RequestOk, ResetCode, SetupOptions,
    SubscribeNamespace, SubscribeOk, TrackNamespace,
};
use sluice_proto::session::{ReadProgress, Session, SessionConfig, SessionEvent};
use sluice_proto::transport::{Read, Side, StreamId, StreamKind, Transport, TransportEvent};
use sluice_proto::wire::{
    Context, Dialect, Family, Message, NAMED_VERSION, NamedMessage, Role, SetupExchange,
};
use sluice_sim::link::{Link, LinkConfig, LinkEnd};
use sluice_sim::sim::{subscribe, track_name};

use crate::input::Input;

/// What an object lacks that runs to the end of its stream: always more than can come.
const TO_END: u64 = u64::MAX;

/// Turns of reading that an input of a few kilobytes can need at most.
const TURNS_MAX: usize = 10_000;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let dialect = input.served_dialect();
    let choice = input.byte();
    let mut world = World::new(dialect, choice);
    if choice & 0x02 != 0 {
        world.setup();
    }
    while !input.is_empty() {
        world.step(&mut input);
        world.drive();
    }
    world.end();
}

/// Of a peer that may do everything.
fn named_setup() -> NamedMessage {
    let (versions, role) = (vec![NAMED_VERSION], Some(Role::Both));
    NamedMessage::ClientSetup { versions, role, implementation: None }
}

struct World {
    dialect: &'static Dialect,
    link: Link,
    now: Instant,
    session: Session,
    end: LinkEnd,
    peer: LinkEnd,
    /// Streams that the peer can write to.
    streams: Vec<StreamId>,
    sent_bytes: u64,
    owner: Owner,
}

impl World {
    fn new(dialect: &'static Dialect, choice: u8) -> Self {
        let now = Instant::now();
        let side = if choice & 0x01 == 0 { Side::Server } else { Side::Client };
        let config = LinkConfig::instant().protocol(dialect.draft().token());
        let link = Link::new(u64::from(choice), config, now);
        let (end, peer) = (link.transport(side), link.transport(side.peer()));
        let config = SessionConfig { drafts: vec![dialect.draft()], ..SessionConfig::default() };
        let session = Session::new(&config, end.info(), now);
        let owner = Owner { agrees: choice & 0x04 == 0, ..Owner::default() };
        let streams = Vec::new();
        Self { dialect, link, now, session, end, peer, streams, sent_bytes: 0, owner }
    }

    /// A proper SETUP of the peer, with all the credit it can give.
    fn setup(&mut self) {
        let options = SetupOptions { request_id_limit: Some(1 << 20), ..SetupOptions::default() };
        let from = self.peer.side();
        let versions = self.dialect.draft().version();
        let message = match (self.dialect.setup, from) {
            (SetupExchange::Both, _) => Message::Setup(options),
            (_, Side::Client) => {
                Message::ClientSetup { versions: versions.into_iter().collect(), options }
            }
            (_, Side::Server) => Message::ServerSetup { version: versions, options },
        };
        let kind = match self.dialect.setup {
            SetupExchange::Both => StreamKind::Uni,
            _ => StreamKind::Bidi,
        };
        self.drive();
        let answers = kind == StreamKind::Bidi && from == Side::Server;
        let stream = match answers {
            true => self.streams.first().copied(),
            false => self.peer.open(kind),
        };
        let Some(stream) = stream else { return };
        if !answers {
            self.streams.push(stream);
        }
        let mut out = BytesMut::new();
        let context = Context::control(from);
        let written = match (self.dialect.family, from) {
            (Family::Requests, _) => self.dialect.encode(&message, &context, &mut out),
            (Family::Names, Side::Client) => named_setup().encode(&mut out),
            (Family::Names, Side::Server) => {
                let (version, role) = (NAMED_VERSION, Some(Role::Both));
                let implementation = None;
                NamedMessage::ServerSetup { version, role, implementation }.encode(&mut out)
            }
        };
        written.expect("every draft has a SETUP");
        self.write(stream, out.freeze());
        self.drive();
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let operation = input.byte();
        match operation & 0x07 {
            0 | 1 => {
                let kind = if operation & 1 == 0 { StreamKind::Uni } else { StreamKind::Bidi };
                let chunk = input.chunk();
                if let Some(stream) = self.peer.open(kind) {
                    self.streams.push(stream);
                    self.write(stream, chunk);
                }
            }
            2 | 3 => {
                let stream = self.stream(input.byte());
                let chunk = input.chunk();
                if let Some(stream) = stream {
                    self.write(stream, chunk);
                }
            }
            4 => {
                let Some(stream) = self.stream(input.byte()) else { return };
                match operation >> 3 & 3 {
                    0 | 1 => self.peer.finish(stream),
                    2 => self.peer.reset(stream, u64::from(operation >> 5)),
                    _ => self.peer.stop(stream, u64::from(operation >> 5)),
                }
            }
            5 => {
                let chunk = input.chunk();
                self.sent_bytes += chunk.len() as u64;
                let _ = self.peer.send_datagram(chunk);
            }
            6 => self.owner.ask(&mut self.session, input.byte()),
            _ => self.now += Duration::from_millis(100 * u64::from(input.byte())),
        }
    }

    fn stream(&self, choice: u8) -> Option<StreamId> {
        let index = usize::from(choice).checked_rem(self.streams.len())?;
        Some(self.streams[index])
    }

    fn write(&mut self, stream: StreamId, chunk: Bytes) {
        self.sent_bytes += chunk.len() as u64;
        let _ = self.peer.write(stream, &mut [chunk]);
    }

    /// Lets everything arrive and be dealt with.
    fn drive(&mut self) {
        for _ in 0..3 {
            self.link.advance(self.now);
            if self.session.poll_timeout().is_some_and(|(at, _)| at <= self.now) {
                self.session.handle_timeout(self.now);
            }
            let mut turns = 0;
            loop {
                let progress = self.session.handle_transport(&mut self.end, self.now);
                while let Some(event) = self.session.poll_event() {
                    self.owner.handle(&mut self.session, event);
                }
                self.session.flush(&mut self.end, self.now);
                if progress == ReadProgress::Idle {
                    break;
                }
                turns += 1;
                assert!(turns < TURNS_MAX, "reading never ends");
            }
            self.link.advance(self.now);
            self.read_peer();
        }
        assert!(self.owner.payload_bytes <= self.sent_bytes, "payload came from nowhere");
    }

    /// The peer reads everything and learns of the session's streams.
    fn read_peer(&mut self) {
        while let Some(event) = self.peer.poll_event() {
            match event {
                TransportEvent::Opened(stream, kind) => {
                    if kind == StreamKind::Bidi {
                        self.streams.push(stream);
                    }
                    while let Ok(Read::Data(_)) = self.peer.read(stream, 1 << 16) {}
                }
                TransportEvent::Readable(stream) => {
                    while let Ok(Read::Data(_)) = self.peer.read(stream, 1 << 16) {}
                }
                TransportEvent::Datagram => while self.peer.recv_datagram().is_some() {},
                _ => {}
            }
        }
    }

    /// The connection ends; the session must notice, once.
    fn end(&mut self) {
        self.peer.close(0, "");
        self.now += Duration::from_secs(1);
        self.drive();
        assert!(self.session.is_closed(), "the connection is gone and the session is not");
        assert!(self.owner.closed, "nobody was told of the end");
    }
}

/// Whoever owns the session: answers, asks, and checks that events keep to their contract.
#[derive(Default)]
struct Owner {
    agrees: bool,
    closed: bool,
    payload_bytes: u64,
    /// Payload that the last object of a stream still lacks.
    open: BTreeMap<StreamId, u64>,
    ours: Vec<RequestId>,
}

impl Owner {
    fn handle(&mut self, session: &mut Session, event: SessionEvent) {
        assert!(!self.closed, "{event:?} after the end");
        match event {
            SessionEvent::Request { id, request } => self.answer(session, id, &request),
            SessionEvent::Update { id, update_id, .. } => {
                session.answer_update(id, update_id, Ok(RequestOk::default()));
            }
            SessionEvent::SubgroupOpened { stream, .. }
            | SessionEvent::FetchOpened { stream, .. } => {
                assert_eq!(self.open.insert(stream, 0), None, "a stream opens once");
            }
            SessionEvent::ObjectOpened { stream, head, .. } => {
                let missing = head.payload_bytes.unwrap_or(TO_END);
                assert_eq!(self.open.insert(stream, missing), None, "a stream opens once");
            }
            SessionEvent::Object { stream, head } => self.begin(stream, head.payload_bytes),
            SessionEvent::FetchItem { stream, item: FetchItem::Object(object) } => {
                self.begin(stream, object.payload_bytes);
            }
            SessionEvent::FetchItem { stream, item: FetchItem::EndOfRange(..) } => {
                self.begin(stream, 0);
            }
            SessionEvent::Payload { stream, data } => {
                let missing = self.open.get_mut(&stream).expect("of an open stream");
                let bytes = data.len() as u64;
                assert!(bytes > 0 && bytes <= *missing, "payload within its object");
                *missing -= bytes;
                self.payload_bytes += bytes;
            }
            SessionEvent::DataFinished { stream } => {
                let missing = self.open.remove(&stream).expect("of an open stream");
                assert!(missing == 0 || missing > TO_END / 2, "FIN between objects");
            }
            SessionEvent::DataReset { stream, .. } => {
                self.open.remove(&stream);
            }
            SessionEvent::Datagram { payload, .. } => self.payload_bytes += payload.len() as u64,
            SessionEvent::Closed(_) => self.closed = true,
            _ => {}
        }
    }

    fn begin(&mut self, stream: StreamId, payload_bytes: u64) {
        let before = self.open.insert(stream, payload_bytes);
        assert_eq!(before, Some(0), "an object begins after the one before it");
    }

    fn answer(&mut self, session: &mut Session, id: RequestId, request: &Request) {
        if !self.agrees {
            let code = RequestCode::Internal;
            let reason = String::new();
            return session
                .refuse(id, RequestError { code, retry_after: None, reason, redirect: None });
        }
        match request {
            Request::Subscribe(_) => {
                let alias = session.next_alias();
                let largest = Some(Location::new(3, 4));
                let (expires, order, properties) = Default::default();
                let ok = SubscribeOk { alias, expires, largest, order, properties };
                session.subscribe_ok(id, ok);
            }
            Request::Publish(_) => session.publish_ok(id, PublishOk::default()),
            Request::Fetch(_) => session.fetch_ok(
                id,
                FetchOk {
                    end_of_track: false,
                    end: RangeEnd { group: GroupId(3), object: None },
                    order: None,
                    properties: Default::default(),
                },
            ),
            Request::TrackStatus(_)
            | Request::PublishNamespace(_)
            | Request::SubscribeNamespace(_) => session.request_ok(id, RequestOk::default()),
        }
    }

    /// Asks for something, or takes an earlier wish back.
    fn ask(&mut self, session: &mut Session, choice: u8) {
        let request = match choice % 4 {
            0 => Request::Subscribe(subscribe("live/cam", LocationFilter::NextObject)),
            1 => Request::Fetch(Fetch {
                range: FetchRange::Standalone(track_name("live/cam"), LocationFilter::All),
                priority: None,
                order: None,
                fill_timeout: None,
                range_filters: Vec::new(),
                include_properties: None,
                tokens: Vec::new(),
            }),
            2 => Request::SubscribeNamespace(SubscribeNamespace::new(
                TrackNamespace::from_path("live").expect("a namespace"),
                Interest::Namespaces,
            )),
            _ => {
                let Some(&id) = self.ours.get(usize::from(choice / 4)) else { return };
                return session.cancel(id, ResetCode::Cancelled);
            }
        };
        if let Ok(id) = session.request(request) {
            self.ours.push(id);
        }
    }
}
