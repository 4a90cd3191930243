//! The state machine of one worker: sessions, tracks, and what flows between them.
//!
//! `links` is what joins shards, `spread` what all of them know, `remote` what one does for another;
//! `publisher` is what publishers do, `subscriber` and `updates` what viewers do, `upstream` what
//! the shard asks of publishers, `origins` of other relays, `namespaces` who is told of namespaces,
//! `data` objects coming in, `retain` what of the past is kept, `report` what people are told who
//! ask, `fetching` fetches and fills, `deliver` objects going out.

mod data;
mod deliver;
mod fetching;
mod held;
mod links;
mod message;
mod namespaces;
mod origins;
mod publisher;
mod remote;
mod report;
mod retain;
mod spread;
mod subscriber;
mod updates;
mod upstream;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use slab::Slab;
use sluice_proto::model::{
    DoneCode, FullTrackName, Request, RequestCode, RequestError, RequestId, RequestOk, ResetCode,
    SessionCode, TrackNamespace,
};
use sluice_proto::session::{
    ReadProgress, RequestEnd, Response, Session, SessionConfig, SessionEnd, SessionEvent,
};
use sluice_proto::transport::{PeerInfo, StreamId, Transport};
use sluice_proto::wire::{Place, Violation};

use crate::ids::{Part, RequestKey, ScopeId, SessionKey, TrackId, TrackKey};
use crate::limits::Limits;
use crate::namespace::NamespaceTree;
use crate::notice::{Census, Notice, PeerName};
use crate::origin::{Offer, OriginId, Origins, RelayId};
use crate::placement::{Placement, ShardId};
use crate::report::Traffic;
use crate::store::{FeedKey, Payloads, TrackStore};
use crate::timers::Timers;
use crate::track::Track;
use links::Links;
pub use message::ShardMessage;
use spread::{Spread, SpreadKey};

/// What sets sessions apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scoping {
    /// Nothing: every session sees every track.
    One,
    /// Authority and path.
    ByAuthorityAndPath,
}

/// The connections of a shard's sessions, lent for a turn.
pub trait Transports {
    /// Calls `work` with the connection of a session; not at all if it is gone.
    fn with(&mut self, session: SessionKey, work: &mut dyn FnMut(&mut dyn Transport));
}

/// What a request of a session is to the shard.
#[derive(Clone, Debug)]
enum Role {
    /// The peer's PUBLISH_NAMESPACE.
    Namespace(TrackNamespace),
    /// The peer's interest in a prefix.
    Interest(TrackNamespace),
    /// A subscription of the peer, by its SUBSCRIBE or our PUBLISH.
    Downstream(TrackId),
    /// A subscription of ours, by our SUBSCRIBE or the peer's PUBLISH.
    Upstream(TrackId),
    /// The peer's FETCH.
    Fetch(TrackId),
    /// A FETCH of ours.
    UpFetch(TrackId),
    /// The peer's TRACK_STATUS, waiting.
    Status(TrackId),
    /// The peer's TRACK_STATUS, passed on to the home of the track.
    StatusAway(RequestKey),
    /// A TRACK_STATUS of ours to the home, for a session here.
    StatusFor(RequestKey),
    /// A TRACK_STATUS of ours to the home, for fetches that wait here.
    Probe(TrackId),
    /// An interest of ours in namespaces or tracks of an origin.
    OriginInterest(Offer),
    /// A request of ours that tells another shard of what a session here asked for.
    Spread(SpreadKey),
}

/// A data stream that comes in.
#[derive(Clone, Copy, Debug)]
struct InStream {
    track: TrackId,
    request: RequestId,
    feed: FeedKey,
}

struct SessionEntry {
    generation: u32,
    session: Session,
    scope: ScopeId,
    /// The shard at the other end, if it is no peer but one of ours.
    link: Option<ShardId>,
    /// The origin at the other end, if it is one.
    origin: Option<OriginId>,
    /// The relay at the other end, if it says that it is one.
    relay: Option<RelayId>,
    /// Setup is done and its scope known.
    is_greeted: bool,
    requests: BTreeMap<RequestId, Role>,
    streams_in: HashMap<StreamId, InStream>,
    /// Parameters of interests, for the tracks offered in return.
    interests: BTreeMap<RequestId, subscriber::Wanted>,
    namespaces: usize,
    /// Faults that were told to people.
    faults: u32,
    /// Whether it ever asked for anything.
    has_asked: bool,
    /// Whether it was said that it wants a track that nobody publishes.
    told_unpublished: bool,
    /// What it holds, as last counted in the shard's sum.
    held_bytes: usize,
    /// Whether it has a publisher's window.
    has_window: bool,
    /// What the peer calls itself.
    implementation: Option<String>,
    /// What it brought, and bytes of objects that it was sent.
    arrived: Traffic,
    sent_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum TimerKey {
    Session(SessionKey),
    Track(TrackId),
    /// A delivery that time decides about: timeouts, slow viewers.
    Delivery(SessionKey),
}

#[derive(Clone, Copy, Debug)]
enum Drain {
    /// Not draining.
    No,
    /// Running tracks go on until then.
    Until(Instant),
    /// PUBLISH_DONE was said; sessions close at the given time.
    Closing(Instant),
    /// All sessions were closed.
    Done,
}

/// One worker's relay. See the crate's documentation for how it is driven.
pub struct Shard {
    limits: Limits,
    /// Those for links to other shards: these are not moved on, they lag.
    link_limits: Limits,
    scoping: Scoping,
    placement: Placement,
    links: Links,
    spreads: BTreeMap<SpreadKey, Spread>,
    origins: Origins,
    /// Subscriptions that origins were asked for in this turn.
    asked_origins: Vec<(TrackId, RequestKey)>,
    sessions: Slab<SessionEntry>,
    generations: u32,
    /// Of authority and path, as long as a session has them.
    scopes: BTreeMap<(String, String), ScopeId>,
    next_scope: u32,
    tracks: BTreeMap<TrackId, Track>,
    names: BTreeMap<TrackKey, TrackId>,
    next_track: u64,
    namespaces: NamespaceTree,
    timers: Timers<TimerKey>,
    /// Sessions to flush.
    dirty: BTreeSet<SessionKey>,
    /// Tracks with new objects, and tracks whose deadlines or memory changed.
    fresh: BTreeSet<TrackId>,
    touched: BTreeSet<TrackId>,
    /// Tracks whose publishers may have to be told whether objects are wanted.
    reforward: BTreeSet<TrackId>,
    /// Tracks that may have lost their last taker.
    idle: BTreeSet<TrackId>,
    /// Streams of requests that are over, to be reset.
    orphans: Vec<(SessionKey, StreamId)>,
    store_bytes: usize,
    /// When expired groups are looked for, while there are tracks.
    sweep_at: Option<Instant>,
    /// What all sessions hold.
    held_bytes: usize,
    /// Sessions with a publisher's window.
    windows: usize,
    /// What publishers brought, and bytes that viewers were sent, since the start.
    arrived: Traffic,
    sent_bytes: u64,
    drain: Drain,
    drain_linger: Duration,
    notices: VecDeque<Notice>,
}

/// What is kept of a peer's name for itself; the rest is cut off.
const IMPLEMENTATION_CHARS_MAX: usize = 100;

/// Lines for people that wait; the oldest are dropped.
const NOTICES_MAX: usize = 4096;

impl Shard {
    /// A shard without sessions.
    pub fn new(limits: Limits, scoping: Scoping, placement: Placement) -> Self {
        Self {
            link_limits: links::limits_of_links(&limits),
            limits,
            scoping,
            placement,
            links: Links::default(),
            spreads: BTreeMap::new(),
            origins: Origins::default(),
            asked_origins: Vec::new(),
            sessions: Slab::new(),
            generations: 0,
            scopes: BTreeMap::new(),
            next_scope: 0,
            tracks: BTreeMap::new(),
            names: BTreeMap::new(),
            next_track: 0,
            namespaces: NamespaceTree::default(),
            timers: Timers::new(),
            dirty: BTreeSet::new(),
            fresh: BTreeSet::new(),
            touched: BTreeSet::new(),
            reforward: BTreeSet::new(),
            idle: BTreeSet::new(),
            orphans: Vec::new(),
            store_bytes: 0,
            sweep_at: None,
            held_bytes: 0,
            windows: 0,
            arrived: Traffic::default(),
            sent_bytes: 0,
            drain: Drain::No,
            drain_linger: Duration::from_millis(250),
            notices: VecDeque::new(),
        }
    }

    /// A connection is ready for MOQT.
    pub fn open_session(
        &mut self,
        config: &SessionConfig,
        info: &PeerInfo,
        now: Instant,
    ) -> SessionKey {
        self.enter_session(Session::new(config, info, now), None)
    }

    fn enter_session(&mut self, session: Session, link: Option<ShardId>) -> SessionKey {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let entry = SessionEntry {
            generation,
            session,
            scope: ScopeId::default(),
            link,
            origin: None,
            relay: None,
            is_greeted: false,
            requests: BTreeMap::new(),
            streams_in: HashMap::new(),
            interests: BTreeMap::new(),
            namespaces: 0,
            faults: 0,
            has_asked: false,
            told_unpublished: false,
            held_bytes: 0,
            has_window: false,
            implementation: None,
            arrived: Traffic::default(),
            sent_bytes: 0,
        };
        let index = self.sessions.insert(entry) as u32;
        let key = SessionKey { index, generation };
        self.dirty.insert(key);
        key
    }

    /// A session's connection has something to say.
    pub fn handle_session(
        &mut self,
        key: SessionKey,
        transport: &mut dyn Transport,
        now: Instant,
    ) -> ReadProgress {
        let Some(entry) = self.entry_mut(key) else { return ReadProgress::Idle };
        let progress = entry.session.handle_transport(transport, now);
        self.drain_events(key, now);
        progress
    }

    /// The connection of a session is gone without a word to the session.
    pub fn lose_session(&mut self, key: SessionKey, reason: &str, now: Instant) {
        match self.entry(key).map(|entry| entry.session.is_closed()) {
            Some(false) => self.end_session(key, SessionEnd::Lost(reason.to_owned()), now),
            // Its end was told already, or is about to be.
            Some(true) => self.drain_events(key, now),
            None => {}
        }
    }

    fn drain_events(&mut self, key: SessionKey, now: Instant) {
        while self.may_act(key)
            && let Some(event) = self.entry_mut(key).and_then(|e| e.session.poll_event())
        {
            self.handle_event(key, event, now);
        }
        self.count_held(key);
        self.dirty.insert(key);
    }

    fn handle_event(&mut self, key: SessionKey, event: SessionEvent, now: Instant) {
        match event {
            SessionEvent::Ready(options) => self.handle_ready(key, options.implementation, now),
            SessionEvent::Request { id, request } => self.handle_request(key, id, request, now),
            SessionEvent::UpdateLapsed { id, update_id } => {
                self.lapse_update(Self::request_key(key, id), update_id);
            }
            SessionEvent::Update { id, update_id, update } => {
                self.handle_update(key, id, update_id, update, now);
            }
            SessionEvent::Ended { id, end } => self.handle_ended(key, id, end, now),
            SessionEvent::Response { id, response } => self.handle_response(key, id, response, now),
            SessionEvent::Goaway { id, goaway } => self.handle_goaway(key, id, goaway.uri),
            SessionEvent::Closed(end) => self.end_session(key, end, now),
            SessionEvent::Fault { violation, place } => self.tell_fault(key, violation, place),
            SessionEvent::OutStopped { stream, .. } => self.handle_out_stopped(key, stream),
            SessionEvent::UpdateResponse { id, update_id, result } => {
                self.handle_update_response(key, (id, update_id), result, now);
            }
            SessionEvent::Namespace { id, suffix } => {
                self.handle_namespace_news(key, id, &suffix, true);
            }
            SessionEvent::NamespaceDone { id, suffix } => {
                self.handle_namespace_news(key, id, &suffix, false);
            }
            SessionEvent::PublishBlocked { .. }
            | SessionEvent::StateNotify { .. }
            | SessionEvent::OutWritable { .. }
            | SessionEvent::OutAcked { .. }
            | SessionEvent::StreamsAvailable
            | SessionEvent::DatagramsWritable => {}
            data => self.handle_data(key, data, now),
        }
    }

    fn handle_ready(&mut self, session: SessionKey, implementation: Option<String>, now: Instant) {
        let Some(entry) = self.entry_mut(session) else { return };
        entry.is_greeted = true;
        if entry.link.is_some() {
            return self.link_ready(session, now);
        }
        let info = entry.session.info();
        let name = (
            info.authority.clone().unwrap_or_default(),
            info.path.clone().unwrap_or_else(|| "/".to_owned()),
        );
        let scope = match self.scoping {
            Scoping::One => ScopeId::default(),
            Scoping::ByAuthorityAndPath => self.scope_of(&name),
        };
        if self.scopes.len() > self.limits.linked_scopes_max && !self.placement.is_alone() {
            self.scopes.remove(&name);
            if let Some(entry) = self.entry_mut(session) {
                entry.session.close(SessionCode::Internal, "this relay has too many scopes");
            }
            return;
        }
        if let Some(entry) = self.entry_mut(session) {
            entry.scope = scope;
            entry.implementation = implementation.as_deref().map(shortened);
        }
        self.open_links(scope, now);
        self.greet_relay(session, implementation.as_deref().and_then(RelayId::of));
        self.notice(Notice::SessionReady { session, implementation });
    }

    /// The scope of a name. The nameless one is everyone's when scopes are not kept apart.
    fn scope_of(&mut self, name: &(String, String)) -> ScopeId {
        if name.1.is_empty() {
            return ScopeId::default();
        }
        *self.scopes.entry(name.clone()).or_insert_with(|| {
            self.next_scope += 1;
            ScopeId(self.next_scope)
        })
    }

    fn handle_request(&mut self, key: SessionKey, id: RequestId, request: Request, now: Instant) {
        if let Some(entry) = self.entry_mut(key) {
            entry.has_asked = true;
        }
        // Other shards ask for what runs there already: new requests were refused by them.
        if !matches!(self.drain, Drain::No) && !self.is_link(key) {
            let error = RequestError::new(RequestCode::GoingAway, "this relay is draining");
            return self.refuse(key, id, error);
        }
        if self.held_bytes > self.limits.held_bytes_max && !self.is_link(key) {
            let reason = "this relay holds as much as it may";
            let mut error = RequestError::new(RequestCode::ExcessiveLoad, reason);
            error.retry_after = Some(Duration::from_secs(1));
            return self.refuse(key, id, error);
        }
        match request {
            Request::Subscribe(request) => self.handle_subscribe(key, id, request, now),
            Request::Publish(request) => self.handle_publish(key, id, request, now),
            Request::Fetch(request) => self.handle_fetch(key, id, request, now),
            Request::TrackStatus(request) => self.handle_track_status(key, id, &request, now),
            Request::PublishNamespace(request) => {
                self.handle_publish_namespace(key, id, request.namespace, now);
            }
            Request::SubscribeNamespace(request) => {
                self.handle_interest(key, id, &request, now);
            }
        }
    }

    fn handle_ended(&mut self, key: SessionKey, id: RequestId, end: RequestEnd, now: Instant) {
        let role = self.entry(key).and_then(|entry| entry.requests.get(&id).cloned());
        match role {
            Some(Role::Namespace(namespace)) => self.namespace_gone(key, id, &namespace),
            Some(Role::Interest(prefix)) => self.interest_gone(key, id, &prefix),
            Some(Role::Downstream(track)) => self.downstream_gone(key, id, track, now),
            Some(Role::Upstream(track)) => self.upstream_ended(key, id, track, end, now),
            Some(Role::Fetch(track)) => self.fetch_gone(key, id, track),
            Some(Role::UpFetch(track)) => self.up_fetch_lost(key, id, track),
            Some(Role::Status(track)) => {
                if let Some(track) = self.tracks.get_mut(&track) {
                    track.pending_status.retain(|who| who.request != id || who.session != key);
                }
                self.forget(key, id);
            }
            Some(Role::StatusAway(away)) => {
                self.forget(key, id);
                self.cancel_request(away);
            }
            Some(Role::StatusFor(who)) => {
                let error = RequestError::new(RequestCode::Internal, "the answer was lost");
                self.status_answered(key, id, who, Response::Error(error));
            }
            Some(Role::Probe(track)) => self.probe_answered(key, id, track, None, now),
            Some(Role::OriginInterest(offer)) => self.origin_interest_over(key, id, &offer),
            Some(Role::Spread(_)) => self.forget(key, id),
            None => {}
        }
    }

    /// Ends a session and everything it published or took.
    fn end_session(&mut self, key: SessionKey, end: SessionEnd, now: Instant) {
        self.origin_session_gone(key);
        let Some(entry) = self.entry_mut(key) else { return };
        let streams: Vec<InStream> = entry.streams_in.drain().map(|(_, stream)| stream).collect();
        let roles: Vec<(RequestId, Role)> =
            entry.requests.iter().map(|(id, role)| (*id, role.clone())).collect();
        let until = now + self.limits.subgroup_hold;
        for stream in streams {
            if let Some(track) = self.tracks.get_mut(&stream.track) {
                track.lose_feed(stream.feed, ResetCode::SessionClosed, until);
                self.fresh.insert(stream.track);
            }
        }
        for (id, role) in roles {
            match role {
                Role::Upstream(track) => self.upstream_lost(key, id, track, now),
                _ => {
                    let gone = RequestEnd::Cancelled(ResetCode::SessionClosed);
                    self.handle_ended(key, id, gone, now);
                }
            }
        }
        self.timers.set(TimerKey::Session(key), None);
        self.timers.set(TimerKey::Delivery(key), None);
        // A close of ours still has to be written: the entry goes at the next flush.
        self.dirty.insert(key);
        if let Some(shard) = self.entry(key).and_then(|entry| entry.link) {
            return self.link_lost(key, shard, &end);
        }
        if let Some(peer) = self.peer_name(key) {
            self.notice(Notice::SessionClosed { peer, end });
        }
    }

    /// GOAWAY: what this peer publishes goes on, but another source is asked first.
    fn handle_goaway(&mut self, key: SessionKey, of: Option<RequestId>, uri: String) {
        let Some(entry) = self.entry(key) else { return };
        if let Some(origin) = entry.origin.filter(|_| of.is_none() && !uri.is_empty()) {
            self.notice(Notice::OriginMoves { origin, uri });
        }
        let Some(entry) = self.entry(key) else { return };
        let tracks: Vec<TrackId> = entry
            .requests
            .values()
            .filter_map(|role| match role {
                Role::Upstream(track) => Some(*track),
                _ => None,
            })
            .collect();
        for track in tracks {
            self.subscribe_upstream(track);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.timers.pop_due(now) {
            match key {
                TimerKey::Session(session) => {
                    if let Some(entry) = self.entry_mut(session) {
                        entry.session.handle_timeout(now);
                        self.drain_events(session, now);
                    }
                }
                TimerKey::Track(track) => self.track_due(track, now),
                TimerKey::Delivery(session) => {
                    self.dirty.insert(session);
                }
            }
        }
        self.sweep(now);
        self.advance_drain(now);
    }

    /// When [`Shard::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let drain = match self.drain {
            Drain::Until(at) | Drain::Closing(at) => Some(at),
            Drain::No | Drain::Done => None,
        };
        self.timers.next().into_iter().chain(drain).chain(self.sweep_at).min()
    }

    /// Begins to drain: GOAWAY to every session, new requests are refused, running tracks go on
    /// until `deadline` or until nobody takes anything.
    pub fn drain(&mut self, uri: &str, deadline: Instant) {
        if !matches!(self.drain, Drain::No) {
            return;
        }
        self.drain = Drain::Until(deadline);
        for key in self.peer_keys() {
            if let Some(entry) = self.entry_mut(key) {
                entry.session.goaway(uri, None);
                self.dirty.insert(key);
            }
        }
    }

    /// Whether draining is over: every session was told and closed.
    pub fn is_drained(&self) -> bool {
        matches!(self.drain, Drain::Done) && self.peer_keys().is_empty()
    }

    fn advance_drain(&mut self, now: Instant) {
        match self.drain {
            Drain::Until(deadline) => {
                let busy = self.tracks.values().any(|track| !track.downstreams.is_empty());
                if busy && now < deadline && !self.sessions.is_empty() {
                    return;
                }
                let tracks: Vec<TrackId> = self.tracks.keys().copied().collect();
                for id in tracks {
                    self.end_track(id, DoneCode::GoingAway, "the relay is going away");
                }
                self.drain = Drain::Closing(now + self.drain_linger);
            }
            Drain::Closing(at) if now >= at => {
                for key in self.peer_keys() {
                    if let Some(entry) = self.entry_mut(key) {
                        entry.session.close(SessionCode::NoError, "the relay is going away");
                        self.drain_events(key, now);
                    }
                }
                self.drain = Drain::Done;
            }
            Drain::No | Drain::Closing(_) | Drain::Done => {}
        }
    }

    /// The next thing to tell people.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// How much there is of everything.
    pub fn census(&self) -> Census {
        let tracks = || self.tracks.values();
        let (namespaces, interests) = self.namespaces.counts();
        Census {
            sessions: self.peer_keys().len(),
            tracks: self.tracks.len(),
            upstreams: tracks().map(|track| track.upstreams.len()).sum(),
            downstreams: tracks().map(|track| track.downstreams.len()).sum(),
            fetches: tracks().map(|t| t.fetches.len() + t.pending_fetches.len()).sum(),
            namespaces,
            interests,
            store_bytes: self.store_bytes,
            held_bytes: self.held_bytes,
            timers: self.timers.len() - self.link_timers(),
        }
    }

    /// A session, for its facts.
    pub fn session(&self, key: SessionKey) -> Option<&Session> {
        self.entry(key).map(|entry| &entry.session)
    }

    // What the other parts share.

    fn entry(&self, key: SessionKey) -> Option<&SessionEntry> {
        self.sessions.get(key.index as usize).filter(|entry| entry.generation == key.generation)
    }

    fn entry_mut(&mut self, key: SessionKey) -> Option<&mut SessionEntry> {
        self.sessions.get_mut(key.index as usize).filter(|entry| entry.generation == key.generation)
    }

    fn session_keys(&self) -> impl Iterator<Item = SessionKey> + '_ {
        self.sessions
            .iter()
            .map(|(index, entry)| SessionKey { index: index as u32, generation: entry.generation })
    }

    /// Sessions with peers, not those with other shards.
    fn peer_keys(&self) -> Vec<SessionKey> {
        self.session_keys().filter(|key| !self.is_link(*key)).collect()
    }

    /// What this shard is to a track that a session asks for.
    fn key_for_taker(&self, session: SessionKey, name: FullTrackName) -> TrackKey {
        self.key_for(session, name, Part::Replica, Part::Ingest)
    }

    /// What this shard is to a track that a session offers.
    fn key_for_publisher(&self, session: SessionKey, name: FullTrackName) -> TrackKey {
        self.key_for(session, name, Part::Ingest, Part::Replica)
    }

    fn key_for(
        &self,
        session: SessionKey,
        name: FullTrackName,
        of_peer: Part,
        of_link: Part,
    ) -> TrackKey {
        let scope = self.entry(session).map_or(ScopeId::default(), |entry| entry.scope);
        let part = if self.home_of(scope, &name) == self.placement.own() {
            Part::Home
        } else if self.is_link(session) {
            of_link
        } else {
            of_peer
        };
        TrackKey { scope, name, part }
    }

    /// Answers a request that asks for nothing but the answer.
    fn grant(&mut self, who: RequestKey, ok: RequestOk) {
        if let Some(entry) = self.entry_mut(who.session) {
            entry.session.request_ok(who.request, ok);
            entry.requests.remove(&who.request);
            self.dirty.insert(who.session);
        }
    }

    fn refuse(&mut self, key: SessionKey, id: RequestId, error: RequestError) {
        if let Some(entry) = self.entry_mut(key) {
            entry.session.refuse(id, error);
            entry.requests.remove(&id);
            self.dirty.insert(key);
        }
    }

    fn forget(&mut self, key: SessionKey, id: RequestId) {
        if let Some(entry) = self.entry_mut(key) {
            entry.requests.remove(&id);
        }
    }

    fn notice(&mut self, notice: Notice) {
        if self.notices.len() >= NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    fn peer_name(&self, key: SessionKey) -> Option<PeerName> {
        let remote = self.entry(key)?.session.info().remote;
        Some(PeerName { session: key, remote })
    }

    /// Says once for each session that it asks for what nobody publishes.
    fn tell_unpublished(&mut self, key: SessionKey, track: TrackId, waits: Option<Duration>) {
        let Some(peer) = self.peer_name(key) else { return };
        let Some(track) = self.tracks.get(&track).map(|track| track.key.name.clone()) else {
            return;
        };
        let Some(entry) = self.entry_mut(key).filter(|entry| !entry.told_unpublished) else {
            return;
        };
        entry.told_unpublished = true;
        self.notice(Notice::Unpublished { peer, track, waits });
    }

    /// The peer of a session that is set up and never asked for anything.
    pub fn quiet_peer(&self, key: SessionKey) -> Option<PeerName> {
        let entry = self.entry(key)?;
        (entry.session.is_ready() && !entry.has_asked).then(|| self.peer_name(key))?
    }

    fn tell_fault(&mut self, key: SessionKey, violation: Violation, place: Place) {
        let max = self.limits.faults_told_max;
        let Some(peer) = self.peer_name(key) else { return };
        let Some(entry) = self.entry_mut(key).filter(|entry| entry.faults < max) else { return };
        debug_assert!(entry.link.is_none(), "one shard broke a rule of another: {violation:?}");
        entry.faults += 1;
        let last = entry.faults == max;
        self.notice(Notice::PeerFault { peer, violation, place, last });
    }

    /// The track of this name, made if it is new and there is room.
    fn track_of(&mut self, key: TrackKey) -> Option<TrackId> {
        if let Some(id) = self.names.get(&key) {
            return Some(*id);
        }
        if self.tracks.len() >= self.limits.tracks_max {
            return None;
        }
        let id = TrackId(self.next_track);
        self.next_track += 1;
        let payloads = if key.part == Part::Replica { Payloads::Share } else { Payloads::Copy };
        let store = TrackStore::new(self.limits.store, payloads);
        self.names.insert(key.clone(), id);
        self.tracks.insert(id, Track::new(key, store));
        self.touched.insert(id);
        Some(id)
    }

    fn drop_track(&mut self, id: TrackId) {
        let Some(track) = self.tracks.remove(&id) else { return };
        self.store_bytes -= track.counted_bytes.min(self.store_bytes);
        self.names.remove(&track.key);
        self.timers.set(TimerKey::Track(id), None);
        self.fresh.remove(&id);
        self.reforward.remove(&id);
        self.touched.remove(&id);
        if track.described && track.key.part == Part::Home {
            let reason = "nobody publishes or takes it any more".to_owned();
            self.notice(Notice::TrackEnded { track: track.key.name, reason });
        }
    }

    fn request_key(session: SessionKey, request: RequestId) -> RequestKey {
        RequestKey { session, request }
    }
}

/// A peer's name for itself, as far as it is kept.
fn shortened(name: &str) -> String {
    name.chars().take(IMPLEMENTATION_CHARS_MAX).collect()
}
