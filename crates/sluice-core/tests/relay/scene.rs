//! A relay of one or several shards, and peers whose every message a test decides.
#![allow(dead_code, reason = "a stage has more than each play needs")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sluice_core::{
    Limits, OriginId, OriginTerms, Placement, RelayId, Scoping, SessionKey, Shard, ShardId,
    ShardMessage, Transports,
};
use sluice_proto::model::*;
use sluice_proto::session::*;
use sluice_proto::transport::{StreamId, Transport};
use sluice_proto::wire::Draft;
use sluice_proto::wire::data::FetchEncoder;
use sluice_sim::link::{Link, LinkConfig, LinkEnd, Network};

pub use crate::stage::*;

/// A peer of the relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerId(usize);

/// An object that a peer received whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Got {
    /// The subscription or fetch.
    pub request: RequestId,
    /// Where it stands.
    pub at: (u64, u64),
    /// Whether it came on a fetch stream.
    pub fetched: bool,
    pub status: ObjectStatus,
    pub payload: Vec<u8>,
}

/// How a data stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamEnd {
    Fin,
    Reset(ResetCode),
}

struct Incoming {
    request: RequestId,
    group: u64,
    fetched: bool,
    current: Option<(Got, u64)>,
}

struct Peer {
    session: Session,
    transport: LinkEnd,
    link: Link,
    /// The shard that serves it, and its session there.
    shard: usize,
    key: SessionKey,
    events: VecDeque<SessionEvent>,
    incoming: HashMap<StreamId, Incoming>,
    got: Vec<Got>,
    marks: Vec<(Location, RangeMark)>,
    heads: Vec<SubgroupHead>,
    ends: Vec<(RequestId, u64, StreamEnd)>,
}

struct Ends(BTreeMap<SessionKey, LinkEnd>);

impl Transports for Ends {
    fn with(&mut self, session: SessionKey, work: &mut dyn FnMut(&mut dyn Transport)) {
        if let Some(end) = self.0.get_mut(&session) {
            work(end);
        }
    }
}

/// A shard and the connections that it serves.
struct Worker {
    shard: Shard,
    ends: Ends,
    /// What it told other shards and they did not hear yet.
    outbox: VecDeque<(ShardId, ShardMessage)>,
    /// Whether what it says is held back.
    is_held: bool,
}

pub struct Scene {
    network: Network,
    workers: Vec<Worker>,
    peers: Vec<Peer>,
    config: SessionConfig,
}

impl Scene {
    pub fn new() -> Scene {
        Scene::with(Limits::default(), SessionLimits::default())
    }

    pub fn with(limits: Limits, session: SessionLimits) -> Scene {
        Scene::of(1, limits, session)
    }

    /// A relay of this many shards.
    pub fn sharded(shards: usize) -> Scene {
        Scene::of(shards, Limits::default(), SessionLimits::default())
    }

    fn of(shards: usize, limits: Limits, session: SessionLimits) -> Scene {
        let worker = |own| Worker {
            shard: Shard::new(
                limits,
                Scoping::One,
                Placement::new(ShardId(own as u16), shards as u16, 1),
            ),
            ends: Ends(BTreeMap::new()),
            outbox: VecDeque::new(),
            is_held: false,
        };
        Scene {
            network: Network::new(1),
            workers: (0..shards).map(worker).collect(),
            peers: Vec::new(),
            config: SessionConfig { limits: session, ..SessionConfig::default() },
        }
    }

    /// Its shards.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.workers.iter().map(|worker| &worker.shard)
    }

    /// A peer of `draft`, set up.
    pub fn peer(&mut self, draft: Draft) -> PeerId {
        self.peer_at(0, draft)
    }

    /// A peer of `draft` that `shard` serves, set up.
    pub fn peer_at(&mut self, shard: usize, draft: Draft) -> PeerId {
        self.client_at(shard, &speaking(draft), LinkConfig::default())
    }

    /// A peer of `draft` whose connection is like this, set up.
    pub fn peer_over(&mut self, draft: Draft, link: LinkConfig) -> PeerId {
        self.client_at(0, &speaking(draft), link)
    }

    /// A peer of `draft` that takes one request at a time, set up.
    pub fn peer_of_one_request(&mut self, draft: Draft) -> PeerId {
        let mut limits = SessionLimits { bidi_streams_max: 1, ..SessionLimits::default() };
        if draft < Draft::D17 {
            limits.requests_max = 1;
        }
        let mut link = LinkConfig::default();
        link.client_grants.bidi_streams = 1;
        self.client_at(0, &SessionConfig { limits, ..speaking(draft) }, link)
    }

    fn client_at(&mut self, shard: usize, config: &SessionConfig, link: LinkConfig) -> PeerId {
        let protocol = config.drafts.first().map(|draft| draft.token().to_owned());
        let link = LinkConfig { protocol, ..link };
        let (link, client, server) = self.network.connect(link);
        let now = self.network.now();
        let worker = &mut self.workers[shard];
        let key = worker.shard.open_session(&self.config, server.info(), now);
        worker.ends.0.insert(key, server);
        self.enter(shard, key, link, client, config)
    }

    /// A peer that calls itself this relay.
    pub fn relay_at(&mut self, shard: usize, relay: RelayId) -> PeerId {
        self.client_at(shard, &named(Draft::D18, relay), LinkConfig::default())
    }

    /// Says which origins there are.
    pub fn set_origins(&mut self, origins: Vec<OriginTerms>) {
        for worker in &mut self.workers {
            worker.shard.set_origins(THIS_RELAY, origins.clone());
        }
    }

    /// The relay connects to an origin, which speaks `draft` and calls itself `relay`.
    pub fn origin(&mut self, origin: u16, draft: Draft, relay: RelayId) -> PeerId {
        let protocol = Some(draft.token().to_owned());
        let link = LinkConfig { protocol, ..LinkConfig::default() };
        let (link, client, server) = self.network.connect(link);
        let now = self.network.now();
        let worker = &mut self.workers[0];
        let (id, config) = (OriginId(origin), &self.config);
        let key = worker.shard.open_origin(id, config, client.info(), now);
        worker.ends.0.insert(key, client);
        self.enter(0, key, link, server, &named(draft, relay))
    }

    fn enter(
        &mut self,
        shard: usize,
        key: SessionKey,
        link: Link,
        transport: LinkEnd,
        config: &SessionConfig,
    ) -> PeerId {
        let session = Session::new(config, transport.info(), self.network.now());
        self.peers.push(Peer {
            session,
            transport,
            link,
            shard,
            key,
            events: VecDeque::new(),
            incoming: HashMap::new(),
            got: Vec::new(),
            marks: Vec::new(),
            heads: Vec::new(),
            ends: Vec::new(),
        });
        let peer = PeerId(self.peers.len() - 1);
        self.run();
        let ready = self.peers[peer.0].events.pop_front();
        assert!(matches!(ready, Some(SessionEvent::Ready(_))), "{config:?}: {ready:?}");
        peer
    }

    // Time.

    pub fn now(&self) -> Instant {
        self.network.now()
    }

    fn turn(&mut self) {
        let now = self.network.now();
        for Worker { shard, ends, outbox, .. } in &mut self.workers {
            for (key, end) in &mut ends.0 {
                while shard.handle_session(*key, end, now) == ReadProgress::More {}
            }
            shard.handle_timeout(now);
            shard.flush(ends, now);
            outbox.extend(std::iter::from_fn(|| shard.poll_message()));
        }
        for peer in &mut self.peers {
            peer.turn(now);
        }
    }

    /// Lets shards hear what others told them; false if there was nothing.
    fn deliver_mail(&mut self) -> bool {
        let mut mail = Vec::new();
        for (from, worker) in self.workers.iter_mut().enumerate().filter(|(_, w)| !w.is_held) {
            let told = worker.outbox.drain(..);
            mail.extend(told.map(|(to, message)| (ShardId(from as u16), to, message)));
        }
        let any = !mail.is_empty();
        let now = self.network.now();
        for (from, to, message) in mail {
            self.workers[usize::from(to.0)].shard.handle_message(from, message, now);
        }
        any
    }

    /// Other shards do not hear what a shard says, until [`Scene::release`].
    pub fn hold(&mut self, shard: usize) {
        self.workers[shard].is_held = true;
    }

    pub fn release(&mut self, shard: usize) {
        self.workers[shard].is_held = false;
        self.run();
    }

    /// Runs until nothing is on its way.
    pub fn run(&mut self) {
        loop {
            self.turn();
            if !self.deliver_mail() && !self.network.advance() {
                return;
            }
        }
    }

    /// Runs for `time`, deadlines included.
    pub fn wait(&mut self, time: Duration) {
        let until = self.network.now() + time;
        loop {
            self.turn();
            if self.deliver_mail() {
                continue;
            }
            let shards = self.workers.iter().filter_map(|worker| worker.shard.poll_timeout());
            let sessions = self.peers.iter().filter_map(|peer| peer.session.poll_timeout());
            let next = sessions
                .map(|(at, _)| at)
                .chain(shards)
                .chain(self.network.next_event_time())
                .min();
            match next.filter(|next| *next <= until) {
                Some(next) => self.network.advance_to(next.max(self.network.now())),
                None => break,
            }
        }
        self.network.advance_to(until);
        self.turn();
    }

    // What peers say.

    pub fn session(&mut self, peer: PeerId) -> &mut Session {
        &mut self.peers[peer.0].session
    }

    pub fn link(&self, peer: PeerId) -> &Link {
        &self.peers[peer.0].link
    }

    /// The connection is gone without a word.
    pub fn lose(&mut self, peer: PeerId) {
        let now = self.now();
        let Peer { shard, key, .. } = self.peers[peer.0];
        let worker = &mut self.workers[shard];
        worker.shard.lose_session(key, "cut", now);
        worker.ends.0.remove(&key);
        self.run();
    }

    pub fn request(&mut self, peer: PeerId, request: Request) -> RequestId {
        let id = self.peers[peer.0].session.request(request).expect("the draft can say it");
        self.run();
        id
    }

    pub fn subscribe(&mut self, peer: PeerId, subscribe: Subscribe) -> RequestId {
        self.request(peer, Request::Subscribe(subscribe))
    }

    pub fn cancel(&mut self, peer: PeerId, id: RequestId) {
        self.peers[peer.0].session.cancel(id, ResetCode::Cancelled);
        self.run();
    }

    pub fn update(&mut self, peer: PeerId, id: RequestId, update: RequestUpdate) -> RequestId {
        let id = self.peers[peer.0].session.update(id, update).expect("the draft can say it");
        self.run();
        id
    }

    /// Publishes a namespace; the relay accepts it.
    pub fn announce(&mut self, peer: PeerId, path: &str) -> RequestId {
        let namespace = namespace(path);
        let publish = PublishNamespace { namespace, tokens: Vec::new() };
        let id = self.request(peer, Request::PublishNamespace(publish));
        assert!(matches!(self.response(peer, id), Response::Ok(_)));
        id
    }

    /// Offers a track; the relay accepts it.
    pub fn publish(&mut self, peer: PeerId, publish: Publish) -> RequestId {
        let alias = self.session(peer).next_alias();
        let id = self.request(peer, Request::Publish(Publish { alias, ..publish }));
        let response = self.response(peer, id);
        assert!(matches!(response, Response::Publish(_)), "{response:?}");
        id
    }

    /// Accepts the SUBSCRIBE that the relay sent to this publisher.
    pub fn accept(&mut self, peer: PeerId, ok: SubscribeOk) -> RequestId {
        let (id, request) = self.asked(peer).expect("the relay asks");
        assert!(matches!(request, Request::Subscribe(_)), "{request:?}");
        let alias = self.session(peer).next_alias();
        self.session(peer).subscribe_ok(id, SubscribeOk { alias, ..ok });
        self.run();
        id
    }

    /// Opens a subgroup stream and writes objects whole.
    pub fn send(
        &mut self,
        peer: PeerId,
        id: RequestId,
        at: (u64, u64),
        objects: &[(u64, &str)],
    ) -> OutGroup {
        let mut out = self.begin(peer, id, at);
        self.more(&mut out, objects);
        out
    }

    /// Sends streams of one object at the same time.
    pub fn send_together(&mut self, peer: PeerId, id: RequestId, sent: &[((u64, u64), u64, &str)]) {
        self.hand_over(peer, id, sent);
        self.run();
    }

    /// The same, without waiting for them to arrive.
    pub fn hand_over(&mut self, peer: PeerId, id: RequestId, sent: &[((u64, u64), u64, &str)]) {
        for (at, object, payload) in sent {
            let mut out = self.begin(peer, id, *at);
            self.write_object(&mut out, *object, ObjectStatus::Normal, payload);
            let Peer { session, transport, .. } = &mut self.peers[peer.0];
            session.finish_data(transport, out.stream);
        }
    }

    fn begin(&mut self, peer: PeerId, id: RequestId, at: (u64, u64)) -> OutGroup {
        let head = SubgroupHead {
            alias: TrackAlias(0),
            group: GroupId(at.0),
            subgroup: SubgroupIdField::Id(SubgroupId(at.1)),
            priority: Some(Priority(128)),
            properties: false,
            end_of_group: false,
            first_object: true,
        };
        let Peer { session, transport, .. } = &mut self.peers[peer.0];
        let (stream, bytes) = session.open_subgroup(transport, id, &head, 0).unwrap().unwrap();
        assert!(transport.write(stream, &mut [bytes]).unwrap().complete);
        OutGroup { peer, stream, head, previous: None }
    }

    /// Writes further objects.
    pub fn more(&mut self, out: &mut OutGroup, objects: &[(u64, &str)]) {
        for (object, payload) in objects {
            self.write_object(out, *object, ObjectStatus::Normal, payload);
        }
        self.run();
    }

    /// Writes an object without a payload.
    pub fn mark(&mut self, out: &mut OutGroup, object: u64, status: ObjectStatus) {
        self.write_object(out, object, status, "");
        self.run();
    }

    fn write_object(
        &mut self,
        out: &mut OutGroup,
        object: u64,
        status: ObjectStatus,
        payload: &str,
    ) {
        let Peer { session, transport, .. } = &mut self.peers[out.peer.0];
        let head = ObjectHead {
            object: ObjectId(object),
            properties: Properties::default(),
            status,
            payload_bytes: payload.len() as u64,
        };
        let mut frame = BytesMut::new();
        let dialect = session.dialect().unwrap();
        dialect.encode_object(&out.head, out.previous, &head, &mut frame).unwrap();
        out.previous = Some(head.object);
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        assert!(transport.write(out.stream, &mut [frame.freeze(), payload]).unwrap().complete);
    }

    pub fn finish(&mut self, out: &OutGroup) {
        let Peer { session, transport, .. } = &mut self.peers[out.peer.0];
        session.finish_data(transport, out.stream);
        self.run();
    }

    /// Gives a stream up.
    pub fn reset(&mut self, out: &OutGroup, code: ResetCode) {
        let Peer { session, transport, .. } = &mut self.peers[out.peer.0];
        session.reset_data(transport, out.stream, code);
        self.run();
    }

    pub fn send_datagram(&mut self, peer: PeerId, id: RequestId, at: (u64, u64), payload: &str) {
        let head = DatagramHead {
            alias: TrackAlias(0),
            location: Location::new(at.0, at.1),
            priority: Some(Priority(128)),
            properties: Properties::default(),
            status: ObjectStatus::Normal,
            end_of_group: false,
        };
        let Peer { session, transport, .. } = &mut self.peers[peer.0];
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        session.send_datagram(transport, id, &head, &[payload]).unwrap();
        self.run();
    }

    /// Answers the relay's FETCH with these objects, all of subgroup 0, and FIN.
    pub fn answer_fetch(
        &mut self,
        peer: PeerId,
        id: RequestId,
        end: RangeEnd,
        items: &[(u64, u64, &str)],
    ) {
        let stream = self.begin_fetch_answer(peer, id, end, items);
        let Peer { session, transport, .. } = &mut self.peers[peer.0];
        session.finish_data(transport, stream);
        self.run();
    }

    /// The same without FIN.
    pub fn begin_fetch_answer(
        &mut self,
        peer: PeerId,
        id: RequestId,
        end: RangeEnd,
        items: &[(u64, u64, &str)],
    ) -> StreamId {
        let ok = FetchOk {
            end_of_track: false,
            end,
            order: Some(GroupOrder::Ascending),
            properties: TrackProperties::default(),
        };
        let Peer { session, transport, .. } = &mut self.peers[peer.0];
        session.fetch_ok(id, ok);
        let (stream, head) = session.open_fetch(transport, id, 0).unwrap().unwrap();
        let mut chunks = vec![head];
        let mut encoder = FetchEncoder::new(session.dialect().unwrap(), GroupOrder::Ascending);
        for (group, object, payload) in items {
            let item = FetchItem::Object(FetchedObject {
                location: Location::new(*group, *object),
                delivery: Delivery::Subgroup(SubgroupId(0)),
                priority: Priority(128),
                properties: Properties::default(),
                status: ObjectStatus::Normal,
                payload_bytes: payload.len() as u64,
            });
            let mut frame = BytesMut::new();
            encoder.encode(&item, &mut frame).unwrap();
            chunks.push(frame.freeze());
            chunks.push(Bytes::copy_from_slice(payload.as_bytes()));
        }
        assert!(transport.write(stream, &mut chunks).unwrap().complete);
        self.run();
        stream
    }

    // What peers hear.

    /// Takes the first event that `pick` wants.
    pub fn take<T>(
        &mut self,
        peer: PeerId,
        mut pick: impl FnMut(&SessionEvent) -> Option<T>,
    ) -> Option<T> {
        let events = &mut self.peers[peer.0].events;
        let (at, found) = events.iter().enumerate().find_map(|(i, e)| Some((i, pick(e)?)))?;
        events.remove(at);
        Some(found)
    }

    /// The answer to a request.
    pub fn response(&mut self, peer: PeerId, id: RequestId) -> Response {
        match self.answered(peer, id) {
            Some(response) => response,
            None => panic!("no answer to {id}; heard {:?}", self.peers[peer.0].events),
        }
    }

    pub fn answered(&mut self, peer: PeerId, id: RequestId) -> Option<Response> {
        self.take(peer, |event| match event {
            SessionEvent::Response { id: of, response } if *of == id => Some(response.clone()),
            _ => None,
        })
    }

    /// The code a request was refused with.
    pub fn refusal(&mut self, peer: PeerId, id: RequestId) -> RequestCode {
        match self.response(peer, id) {
            Response::Error(error) => error.code,
            other => panic!("{id} was accepted: {other:?}"),
        }
    }

    pub fn subscribe_ok(&mut self, peer: PeerId, id: RequestId) -> SubscribeOk {
        match self.response(peer, id) {
            Response::Subscribe(ok) => ok,
            other => panic!("{other:?}"),
        }
    }

    pub fn update_answer(
        &mut self,
        peer: PeerId,
        id: RequestId,
    ) -> Result<RequestOk, RequestError> {
        self.take(peer, |event| match event {
            SessionEvent::UpdateResponse { update_id, result, .. } if *update_id == id => {
                Some(result.clone())
            }
            _ => None,
        })
        .expect("an answer to the update")
    }

    /// The next request that the relay made of this peer.
    pub fn asked(&mut self, peer: PeerId) -> Option<(RequestId, Request)> {
        self.take(peer, |event| match event {
            SessionEvent::Request { id, request } => Some((*id, request.clone())),
            _ => None,
        })
    }

    /// The next update that the relay made of this peer.
    pub fn asked_update(&mut self, peer: PeerId) -> Option<(RequestId, RequestUpdate)> {
        self.take(peer, |event| match event {
            SessionEvent::Update { id, update, .. } => Some((*id, update.clone())),
            _ => None,
        })
    }

    /// The next namespace heard of under an interest.
    pub fn heard_namespace(&mut self, peer: PeerId, id: RequestId) -> Option<TrackNamespace> {
        self.take(peer, |event| match event {
            SessionEvent::Namespace { id: of, suffix } if *of == id => Some(suffix.clone()),
            _ => None,
        })
    }

    /// How a request ended.
    pub fn end(&mut self, peer: PeerId, id: RequestId) -> Option<RequestEnd> {
        self.take(peer, |event| match event {
            SessionEvent::Ended { id: of, end } if *of == id => Some(end.clone()),
            _ => None,
        })
    }

    /// PUBLISH_DONE of a subscription.
    pub fn done(&mut self, peer: PeerId, id: RequestId) -> PublishDone {
        match self.end(peer, id) {
            Some(RequestEnd::Done(done)) => done,
            other => panic!("{other:?}; heard {:?}", self.peers[peer.0].events),
        }
    }

    /// Why the session is over, if it is.
    pub fn closed(&mut self, peer: PeerId) -> Option<SessionCode> {
        self.take(peer, |event| match event {
            SessionEvent::Closed(SessionEnd::Peer { code, .. }) => Some(*code),
            _ => None,
        })
        .flatten()
    }

    /// Places of the objects received for a request, in order of arrival; taken.
    pub fn places(&mut self, peer: PeerId, id: RequestId) -> Vec<(u64, u64)> {
        self.objects(peer, id).into_iter().map(|got| got.at).collect()
    }

    /// The objects received for a request, in order of arrival; taken.
    pub fn objects(&mut self, peer: PeerId, id: RequestId) -> Vec<Got> {
        self.peers[peer.0].got.extract_if(.., |got| got.request == id).collect()
    }

    /// How the data streams of a request ended: group (none for a fetch) and end; taken.
    pub fn stream_ends(&mut self, peer: PeerId, id: RequestId) -> Vec<(u64, StreamEnd)> {
        self.peers[peer.0]
            .ends
            .extract_if(.., |(of, ..)| *of == id)
            .map(|(_, group, end)| (group, end))
            .collect()
    }

    /// Marks received on fetch streams; taken.
    pub fn marks(&mut self, peer: PeerId) -> Vec<(Location, RangeMark)> {
        std::mem::take(&mut self.peers[peer.0].marks)
    }

    /// Headers of the subgroup streams received; taken.
    pub fn heads(&mut self, peer: PeerId) -> Vec<SubgroupHead> {
        std::mem::take(&mut self.peers[peer.0].heads)
    }
}

/// A subgroup stream of a scripted publisher.
pub struct OutGroup {
    peer: PeerId,
    stream: StreamId,
    head: SubgroupHead,
    previous: Option<ObjectId>,
}

impl Peer {
    fn turn(&mut self, now: Instant) {
        while self.session.handle_transport(&mut self.transport, now) == ReadProgress::More {}
        self.session.handle_timeout(now);
        while let Some(event) = self.session.poll_event() {
            self.note(event);
        }
        self.session.flush(&mut self.transport, now);
    }

    fn note(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::SubgroupOpened { stream, id, head } => {
                let group = head.group.0;
                let incoming = Incoming { request: id, group, fetched: false, current: None };
                self.incoming.insert(stream, incoming);
                self.heads.push(head);
            }
            SessionEvent::FetchOpened { stream, id } => {
                let incoming = Incoming { request: id, group: 0, fetched: true, current: None };
                self.incoming.insert(stream, incoming);
            }
            SessionEvent::Object { stream, head } => {
                let group = self.incoming[&stream].group;
                let at = (group, head.object.0);
                self.begin(stream, at, head.status, head.payload_bytes);
            }
            SessionEvent::FetchItem { stream, item } => match item {
                FetchItem::Object(object) => {
                    let at = (object.location.group.0, object.location.object.0);
                    self.begin(stream, at, object.status, object.payload_bytes);
                }
                FetchItem::EndOfRange(location, mark) => self.marks.push((location, mark)),
            },
            SessionEvent::Payload { stream, data } => {
                let Some(incoming) = self.incoming.get_mut(&stream) else { return };
                let Some((got, left)) = &mut incoming.current else { return };
                got.payload.extend_from_slice(&data);
                *left -= data.len() as u64;
                if *left == 0 {
                    let (got, _) = incoming.current.take().unwrap();
                    self.got.push(got);
                }
            }
            SessionEvent::Datagram { id, head, payload } => self.got.push(Got {
                request: id,
                at: (head.location.group.0, head.location.object.0),
                fetched: false,
                status: head.status,
                payload: payload.to_vec(),
            }),
            SessionEvent::DataFinished { stream } => self.ended(stream, StreamEnd::Fin),
            SessionEvent::DataReset { stream, code } => self.ended(stream, StreamEnd::Reset(code)),
            other => self.events.push_back(other),
        }
    }

    fn begin(&mut self, stream: StreamId, at: (u64, u64), status: ObjectStatus, bytes: u64) {
        let incoming = self.incoming.get_mut(&stream).expect("the stream has begun");
        let (request, fetched) = (incoming.request, incoming.fetched);
        let got = Got { request, at, fetched, status, payload: Vec::new() };
        if bytes == 0 {
            self.got.push(got);
        } else {
            incoming.current = Some((got, bytes));
        }
    }

    fn ended(&mut self, stream: StreamId, end: StreamEnd) {
        if let Some(incoming) = self.incoming.remove(&stream) {
            self.ends.push((incoming.request, incoming.group, end));
        }
    }
}

/// What the relay of a scene is called.
pub const THIS_RELAY: RelayId = RelayId(1);

fn speaking(draft: Draft) -> SessionConfig {
    SessionConfig { drafts: vec![draft], ..SessionConfig::default() }
}

fn named(draft: Draft, relay: RelayId) -> SessionConfig {
    let implementation = relay.sign("a relay");
    SessionConfig { implementation, ..speaking(draft) }
}
