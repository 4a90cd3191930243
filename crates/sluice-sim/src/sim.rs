//! A whole relay and its peers in virtual time.
//!
//! [`Sim`] is the one driver that keeps every contract: time moves to the next thing that happens,
//! every session is drained after every input, shards run in an order and with mailbox delays that
//! the seed decides, and the invariants are checked after every step. Times of a run are
//! differences from its beginning; nothing reads a clock.

use std::time::{Duration, Instant};

use sluice_proto::model::{
    DoneCode, FullTrackName, GroupOrder, Interest, LocationFilter, PublishNamespace, Request,
    RequestId, RequestUpdate, Subscribe, SubscribeNamespace, TrackName, TrackNamespace,
    TrackStatus,
};
use sluice_proto::transport::PathStats;
use sluice_proto::wire::Draft;

use crate::content::Batch;
use crate::hostile::Hostile;
use crate::lane::{Dialed, End, Lane, LaneKind, Wire};
use crate::ledger::{Ledger, TrackLedger};
use crate::link::LinkConfig;
use crate::peer::{FetchId, FetchView, Peer, View, ViewId};
use crate::relay::{Relay, RelayConfig, Served};
use crate::rng::Rng;

/// Steps after which a run counts as endless.
const STEPS_MAX: u64 = 20_000_000;

/// A peer of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PeerId(pub(crate) usize);

/// A peer that publishes a track.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Camera {
    /// The peer.
    pub peer: PeerId,
    track: usize,
}

/// A subscription of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// The peer.
    pub peer: PeerId,
    pub(crate) view: ViewId,
}

/// A fetch of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errand {
    /// The peer.
    pub peer: PeerId,
    pub(crate) fetch: FetchId,
}

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Shards of the relay.
    pub shards: usize,
    /// The links of peers that are given none of their own.
    pub link: LinkConfig,
    /// The relay's own settings.
    pub relay: RelayConfig,
    /// What carries the connections.
    pub lane: LaneKind,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            shards: 1,
            link: LinkConfig::default(),
            relay: RelayConfig::default(),
            lane: LaneKind::default(),
        }
    }
}

/// One run.
#[derive(Debug)]
pub struct Sim {
    seed: u64,
    config: SimConfig,
    rng: Rng,
    network: Lane,
    pub(crate) relay: Relay,
    pub(crate) peers: Vec<Peer>,
    hostiles: Vec<Hostile>,
    pub(crate) ledger: Ledger,
    tracks: Vec<FullTrackName>,
    /// What peers do once their session is ready.
    plans: Vec<(Camera, Plan)>,
    steps: u64,
}

/// What a publisher does once its session is ready.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Announce,
    Offer { forward: bool },
}

impl Sim {
    /// A relay of one shard, without peers.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, SimConfig::default())
    }

    /// A relay of this many shards.
    pub fn sharded(seed: u64, shards: usize) -> Self {
        Self::with(seed, SimConfig { shards, ..SimConfig::default() })
    }

    /// A relay of this configuration.
    pub fn with(seed: u64, config: SimConfig) -> Self {
        let mut rng = Rng::new(seed);
        let network = Lane::new(config.lane, rng.next_u64(), config.shards);
        let relay = Relay::new(config.shards, config.relay.clone(), rng.fork(), network.now());
        Self {
            seed,
            config,
            rng,
            network,
            relay,
            peers: Vec::new(),
            hostiles: Vec::new(),
            ledger: Ledger::default(),
            tracks: Vec::new(),
            plans: Vec::new(),
            steps: 0,
        }
    }

    /// Names the run by another seed than its own: the one that replays it.
    pub fn named(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Shards of the relay.
    pub fn shards(&self) -> usize {
        self.config.shards
    }

    /// A shard does nothing for this long.
    pub fn stall_shard(&mut self, shard: usize, duration: Duration) {
        let until = self.now() + duration;
        self.relay.stall(shard, until);
    }

    /// The relay winds down: GOAWAY to everybody, nothing new, an end after this long.
    pub fn drain(&mut self, longest: Duration) {
        let now = self.now();
        self.relay.drain(longest, now);
    }

    // Peers.

    /// Connects a peer that speaks `draft` over a link of the run's default kind.
    pub fn peer(&mut self, draft: Draft) -> PeerId {
        let link = self.config.link.clone();
        self.peer_over(draft, link)
    }

    /// Connects a peer over a link of its own. Returns once its session is ready, or refused.
    pub fn peer_over(&mut self, draft: Draft, link: LinkConfig) -> PeerId {
        let peer = self.dial(draft, link);
        self.run_until(Duration::from_secs(30), |sim| {
            let peer = sim.at(peer);
            peer.ready.is_some() || peer.closed.is_some()
        });
        peer
    }

    /// Connects two peers to each other, without a relay between them: the client and the server.
    /// Returns once both sessions are ready.
    pub fn pair(&mut self, draft: Draft, link: LinkConfig) -> (PeerId, PeerId) {
        let (wire, client, server) = self.connect_to(0, link.protocol(draft.token()));
        let now = self.now();
        self.peers.push(Peer::new(self.peers.len(), draft, wire.clone(), client, now));
        self.peers.push(Peer::new(self.peers.len(), draft, wire, server, now));
        let ids = (PeerId(self.peers.len() - 2), PeerId(self.peers.len() - 1));
        let both = |sim: &Sim| sim.at(ids.0).ready.is_some() && sim.at(ids.1).ready.is_some();
        assert!(self.run_until(Duration::from_secs(30), both), "no session: {}", self.replay());
        ids
    }

    /// Begins to connect a peer. With real QUIC this returns after its handshake.
    pub fn dial(&mut self, draft: Draft, link: LinkConfig) -> PeerId {
        // Real QUIC drops datagrams for more reasons than loss.
        let model = self.config.lane == LaneKind::Model;
        let lossless = model && link.up.loss_permille == 0 && link.down.loss_permille == 0;
        let (wire, client, served) = self.connect(draft, link);
        let now = self.now();
        let mut peer = Peer::new(self.peers.len(), draft, wire, client, now);
        peer.served = Some(served);
        peer.lossless = lossless;
        self.peers.push(peer);
        PeerId(self.peers.len() - 1)
    }

    /// Connects a peer that keeps no rule.
    pub fn hostile(&mut self, draft: Draft, link: LinkConfig) {
        let (_, client, _) = self.connect(draft, link);
        let now = self.now();
        self.hostiles.push(Hostile::new(draft, client, self.rng.fork(), now));
    }

    /// Sets a peer that keeps no rule upon a session of its own.
    pub fn besiege(&mut self, draft: Draft, link: LinkConfig) -> PeerId {
        let (wire, client, server) = self.connect_to(0, link.protocol(draft.token()));
        let now = self.now();
        let mut peer = Peer::new(self.peers.len(), draft, wire, server, now);
        peer.besieged = true;
        self.peers.push(peer);
        self.hostiles.push(Hostile::new(draft, client, self.rng.fork(), now));
        PeerId(self.peers.len() - 1)
    }

    fn connect(&mut self, draft: Draft, link: LinkConfig) -> (Wire, End, Served) {
        let shard = self.rng.index(self.config.shards);
        let (wire, client, server) = self.connect_to(shard, link.protocol(draft.token()));
        let now = self.now();
        let served = self.relay.accept(shard, server, now);
        (wire, client, served)
    }

    /// Makes a connection; with real QUIC that takes its handshake's time.
    fn connect_to(&mut self, shard: usize, link: LinkConfig) -> (Wire, End, End) {
        loop {
            let port = match self.network.dial(shard, link.clone()) {
                Dialed::Now(wire, client, server) => return (wire, client, server),
                Dialed::Soon(port) => port,
            };
            let mut ends = (None, None);
            // A client whose handshake failed for its lost packets tries again.
            while !self.network.failed(port) {
                ends.0 = ends.0.or_else(|| self.network.connected(port));
                ends.1 = ends.1.or_else(|| self.network.accepted(shard));
                if let (Some((wire, client)), Some(server)) = ends {
                    return (wire, client, server);
                }
                self.step();
            }
        }
    }

    /// A peer that announces the namespace of a track, and serves the track. `name` is the
    /// namespace's fields and the track's name, with slashes between.
    pub fn publisher(&mut self, name: &str) -> Camera {
        let peer = self.peer(Draft::ALL[0]);
        self.announce(peer, name)
    }

    /// Like [`Sim::publisher`], of this draft.
    pub fn publisher_of(&mut self, draft: Draft, name: &str) -> Camera {
        let peer = self.peer(draft);
        self.announce(peer, name)
    }

    /// Announces the namespace of a track and serves the track. Returns once the relay accepted.
    pub fn announce(&mut self, peer: PeerId, name: &str) -> Camera {
        let camera = self.serve(peer, name);
        if let Some(request) = self.ask_announce(camera) {
            self.run_until(Duration::from_secs(30), |sim| {
                let peer = sim.at(peer);
                peer.closed.is_some() || peer.answers.iter().any(|(id, _)| *id == request)
            });
        }
        camera
    }

    /// Serves a track to whoever asks, without telling anybody.
    pub fn serve(&mut self, peer: PeerId, name: &str) -> Camera {
        let track = track_name(name);
        let index = self.tracks.iter().position(|known| *known == track).unwrap_or_else(|| {
            self.tracks.push(track.clone());
            self.tracks.len() - 1
        });
        self.peers[peer.0].publisher().0.serve(track);
        Camera { peer, track: index }
    }

    /// Sends PUBLISH_NAMESPACE for the namespace of a camera's track.
    pub fn ask_announce(&mut self, camera: Camera) -> Option<RequestId> {
        let namespace = self.tracks[camera.track].namespace().clone();
        let request = Request::PublishNamespace(PublishNamespace { namespace, tokens: Vec::new() });
        let id = self.request(camera.peer, request)?;
        self.peers[camera.peer.0].announced = Some(id);
        self.peers[camera.peer.0].announced_name =
            Some(self.tracks[camera.track].namespace().clone());
        Some(id)
    }

    /// Offers a camera's track by PUBLISH.
    pub fn offer(&mut self, camera: Camera, forward: bool) {
        let track = self.tracks[camera.track].clone();
        let (publisher, session, _) = self.peers[camera.peer.0].publisher();
        publisher.offer(session, &track, forward);
        self.kick(camera.peer);
    }

    /// Announces the namespace of a camera's track once its session is ready.
    pub fn announce_when_ready(&mut self, camera: Camera) {
        self.plans.push((camera, Plan::Announce));
    }

    /// Offers a camera's track once its session is ready.
    pub fn offer_when_ready(&mut self, camera: Camera, forward: bool) {
        self.plans.push((camera, Plan::Offer { forward }));
    }

    fn carry_out_plans(&mut self) {
        let ready = |sim: &Sim, camera: Camera| sim.at(camera.peer).ready.is_some();
        while let Some(index) = self.plans.iter().position(|(camera, _)| ready(self, *camera)) {
            let (camera, plan) = self.plans.remove(index);
            match plan {
                Plan::Announce => drop(self.ask_announce(camera)),
                Plan::Offer { forward } => self.offer(camera, forward),
            }
        }
    }

    /// Sends a request of a peer.
    pub fn request(&mut self, peer: PeerId, request: Request) -> Option<RequestId> {
        let id = self.peers[peer.0].session.request(request).ok();
        self.kick(peer);
        id
    }

    /// Cancels a request of a peer that is neither a subscription nor a fetch.
    pub fn withdraw(&mut self, peer: PeerId, request: RequestId) {
        let peer_state = &mut self.peers[peer.0];
        peer_state.session.cancel(request, sluice_proto::model::ResetCode::Cancelled);
        peer_state.can_be_found &= peer_state.announced != Some(request);
        self.kick(peer);
    }

    /// Withdraws the namespace that a peer announced last.
    pub fn withdraw_namespace(&mut self, peer: PeerId) {
        if let Some(request) = self.at(peer).announced {
            self.withdraw(peer, request);
        }
    }

    /// Asks for the tracks, the namespaces, or both under a prefix. Offered tracks are accepted.
    pub fn interest(
        &mut self,
        peer: PeerId,
        prefix: &str,
        interest: Interest,
    ) -> Option<RequestId> {
        self.peers[peer.0].viewer().0.accepts = Some(true);
        let prefix = TrackNamespace::from_path(prefix).expect("a test's own name");
        let request = SubscribeNamespace::new(prefix.clone(), interest);
        let id = self.request(peer, Request::SubscribeNamespace(request))?;
        self.peers[peer.0].asked.push(id);
        self.peers[peer.0].interests.push((id, prefix, interest));
        Some(id)
    }

    /// Sends TRACK_STATUS; `None` if the session cannot any more.
    pub fn track_status(&mut self, peer: PeerId, name: &str) -> Option<RequestId> {
        let request =
            TrackStatus { track: track_name(name), include_properties: None, tokens: Vec::new() };
        let id = self.request(peer, Request::TrackStatus(request))?;
        self.peers[peer.0].asked.push(id);
        Some(id)
    }

    /// Sends objects, as far as the connection takes them, now.
    pub fn send(&mut self, camera: Camera, batch: Batch) {
        let now = self.now();
        let track = self.tracks[camera.track].clone();
        let ledger = &mut self.ledger;
        let (publisher, session, end) = self.peers[camera.peer.0].publisher();
        publisher.send(session, end, &track, &batch, ledger, now);
        self.kick(camera.peer);
    }

    /// Sends what [`Batch::hold_after`] held back.
    pub fn resume(&mut self, camera: Camera) {
        self.peers[camera.peer.0].publisher().0.resume();
        self.kick(camera.peer);
    }

    /// Ends a camera's track: PUBLISH_DONE after all its data.
    pub fn end_track(&mut self, camera: Camera) {
        let track = self.tracks[camera.track].clone();
        self.peers[camera.peer.0].publisher().0.end_track(&track, DoneCode::TrackEnded);
        self.kick(camera.peer);
    }

    // Viewers.

    /// A viewer of the newest draft. Returns once its subscription is answered.
    pub fn subscriber(&mut self, name: &str, filter: LocationFilter) -> Seat {
        self.subscriber_of(Draft::ALL[0], name, filter)
    }

    /// A viewer of this draft. Returns once its subscription is answered.
    pub fn subscriber_of(&mut self, draft: Draft, name: &str, filter: LocationFilter) -> Seat {
        let peer = self.peer(draft);
        let seat = self.ask(peer, subscribe(name, filter), None).expect("the session is ready");
        self.run_until_answered(seat);
        seat
    }

    /// A viewer that joins with the groups so far: `back` more than the current one. Returns once
    /// its subscription is answered.
    pub fn joiner_of(&mut self, draft: Draft, name: &str, back: u64) -> Seat {
        let peer = self.peer(draft);
        let request = subscribe(name, LocationFilter::NextObject);
        let seat = self.ask(peer, request, Some(back)).expect("the session is ready");
        self.run_until_answered(seat);
        seat
    }

    /// Sends SUBSCRIBE; `None` if the session cannot any more.
    pub fn ask(&mut self, peer: PeerId, subscribe: Subscribe, join: Option<u64>) -> Option<Seat> {
        let now = self.now();
        let (viewer, session) = self.peers[peer.0].viewer();
        let view = viewer.subscribe(session, subscribe, join, now).ok()?;
        self.kick(peer);
        Some(Seat { peer, view })
    }

    /// Sends FETCH; `None` if the session cannot any more.
    pub fn fetch(
        &mut self,
        peer: PeerId,
        name: &str,
        filter: LocationFilter,
        order: GroupOrder,
    ) -> Option<Errand> {
        let now = self.now();
        let (viewer, session) = self.peers[peer.0].viewer();
        let fetch = viewer.fetch(session, &track_name(name), filter, order, now).ok()?;
        self.kick(peer);
        Some(Errand { peer, fetch })
    }

    /// Cancels a fetch.
    pub fn cancel_fetch(&mut self, errand: Errand) {
        let (viewer, session) = self.peers[errand.peer.0].viewer();
        viewer.cancel_fetch(session, errand.fetch);
        self.kick(errand.peer);
    }

    /// Cancels all fetches of a peer.
    pub fn cancel_fetches(&mut self, peer: PeerId) {
        for fetch in 0..self.at(peer).fetches().len() {
            self.cancel_fetch(Errand { peer, fetch: FetchId(fetch) });
        }
    }

    /// Changes a subscription.
    pub fn update(&mut self, seat: Seat, update: RequestUpdate) {
        let (viewer, session) = self.peers[seat.peer.0].viewer();
        let _ = viewer.update(session, seat.view, update);
        self.kick(seat.peer);
    }

    /// Pauses or resumes a subscription.
    pub fn forward(&mut self, seat: Seat, forward: bool) {
        self.update(seat, RequestUpdate { forward: Some(forward), ..RequestUpdate::default() });
    }

    /// Ends a subscription.
    pub fn leave(&mut self, seat: Seat) {
        let (viewer, session) = self.peers[seat.peer.0].viewer();
        viewer.leave(session, seat.view);
        self.kick(seat.peer);
    }

    /// The peer stops looking at its connection, or looks again.
    pub fn set_reading(&mut self, peer: PeerId, reading: bool) {
        self.peers[peer.0].reading = reading;
        self.kick(peer);
    }

    /// Closes a peer's session without error.
    pub fn close(&mut self, peer: PeerId) {
        self.peers[peer.0].session.close(sluice_proto::model::SessionCode::NoError, "");
        self.kick(peer);
    }

    /// A peer says that it goes away.
    pub fn goaway(&mut self, peer: PeerId, timeout: Option<Duration>) {
        self.peers[peer.0].goaway(timeout);
        self.kick(peer);
    }

    /// Closes every session.
    pub fn close_all(&mut self) {
        for index in 0..self.peers.len() {
            self.set_reading(PeerId(index), true);
            if self.peers[index].closed.is_none() {
                self.close(PeerId(index));
            }
        }
        self.close_hostiles();
    }

    /// Closes the connections of peers that keep no rule.
    pub fn close_hostiles(&mut self) {
        let now = self.now();
        for hostile in &mut self.hostiles {
            hostile.close(now);
        }
    }

    // Looking.

    /// A peer.
    pub fn at(&self, peer: PeerId) -> &Peer {
        &self.peers[peer.0]
    }

    /// The connection of a peer, to do harm to it.
    pub fn wire(&self, peer: PeerId) -> Wire {
        self.peers[peer.0].wire.clone()
    }

    /// The path to a peer as the relay sees it; `None` once its session is gone.
    pub fn path(&self, peer: PeerId) -> Option<PathStats> {
        self.relay.path(self.at(peer).served?)
    }

    /// A subscription.
    pub fn view(&self, seat: Seat) -> &View {
        &self.at(seat.peer).views()[seat.view.0]
    }

    /// A fetch.
    pub fn fetched(&self, errand: Errand) -> &FetchView {
        &self.at(errand.peer).fetches()[errand.fetch.0]
    }

    /// The fetch or fill that came with a subscription.
    pub fn joined(&self, seat: Seat) -> Option<&FetchView> {
        self.view(seat).join.map(|fetch| &self.at(seat.peer).fetches()[fetch.0])
    }

    /// What was published of a track.
    pub fn published(&self, track: &FullTrackName) -> &TrackLedger {
        self.ledger.track(track).expect("something was published")
    }

    /// The name of a camera's track.
    pub fn track(&self, camera: Camera) -> &FullTrackName {
        &self.tracks[camera.track]
    }

    /// Asserts which objects a subscription received whole: `"8/0 8/1"`, in the order of the track.
    #[track_caller]
    pub fn check(&self, seat: Seat, expected: &str) {
        let received: Vec<_> = self.view(seat).received.complete.keys().collect();
        let received = received.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(received, expected, "{}", self.replay());
    }

    /// Asserts which objects a fetch received, in the order in which they came.
    #[track_caller]
    pub fn check_fetched(&self, fetch: &FetchView, expected: &str) {
        let objects = &fetch.received.objects;
        let received = objects.iter().map(|(at, _)| at.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(received, expected, "{:?}: {}", fetch.answer, self.replay());
    }

    /// Time of the run.
    pub fn now(&self) -> Instant {
        self.network.now()
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.network.elapsed()
    }

    /// What names this run.
    pub fn replay(&self) -> String {
        let drafts: Vec<_> = self.peers.iter().map(|peer| peer.draft.to_string()).collect();
        format!(
            "seed {}, {} shard(s), at {:?}, peers of drafts {}",
            self.seed,
            self.config.shards,
            self.elapsed(),
            drafts.join(" ")
        )
    }

    // Time.

    /// Runs until nothing is under way; timers further ahead do not count.
    pub fn run_until_idle(&mut self) {
        if self.config.lane == LaneKind::Quic {
            // Lost packets wait for timers, and keep-alives never end: long enough stands for idle.
            return self.run_for(Duration::from_secs(5));
        }
        while self.network.is_busy() || self.relay.is_busy() || self.is_dirty() {
            self.step();
        }
    }

    /// Runs for this long.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now() + duration;
        self.run_to(end);
    }

    /// Runs until `end`.
    pub fn run_to(&mut self, end: Instant) {
        while self.next_time().is_some_and(|time| time <= end) {
            self.step();
        }
        self.network.advance_to(end);
        self.turn();
    }

    /// Runs until `done`, at most this long.
    pub fn run_until(&mut self, longest: Duration, done: impl Fn(&Sim) -> bool) -> bool {
        let end = self.now() + longest;
        while !done(self) {
            if self.next_time().is_none_or(|time| time > end) {
                return false;
            }
            self.step();
        }
        true
    }

    /// Runs until a subscription is answered.
    pub fn run_until_answered(&mut self, seat: Seat) {
        self.run_until(Duration::from_secs(60), |sim| {
            sim.view(seat).answered_at.is_some() || sim.at(seat.peer).closed.is_some()
        });
    }

    fn is_dirty(&self) -> bool {
        let now = self.now();
        self.peers.iter().any(|peer| peer.wants_drive(now))
            || self.hostiles.iter().any(|hostile| hostile.wants_drive())
    }

    fn next_time(&self) -> Option<Instant> {
        if self.is_dirty() {
            return Some(self.now());
        }
        let peers = self.peers.iter().filter_map(Peer::next_timeout);
        let hostiles = self.hostiles.iter().filter_map(Hostile::next_time);
        let times = [self.network.next_event_time(), self.relay.next_time(self.now())];
        times.into_iter().flatten().chain(peers).chain(hostiles).min()
    }

    /// Moves to the next thing that happens, and lets everybody act on it.
    pub fn step(&mut self) {
        if let Some(time) = self.next_time() {
            self.network.advance_to(time);
        }
        self.turn();
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "the run does not end: {}", self.replay());
    }

    fn turn(&mut self) {
        let now = self.now();
        let first = self.rng.index(self.peers.len());
        for offset in 0..self.peers.len() {
            let index = (first + offset) % self.peers.len();
            if self.peers[index].wants_drive(now) {
                self.peers[index].drive(&mut self.ledger, now);
            }
        }
        for hostile in &mut self.hostiles {
            hostile.drive(now);
        }
        self.carry_out_plans();
        self.relay.turn(now);
        self.network.flush();
        self.check_step();
    }

    /// Lets a peer act on a command at once.
    fn kick(&mut self, peer: PeerId) {
        let now = self.now();
        self.peers[peer.0].drive(&mut self.ledger, now);
    }
}

/// `a/b/c` as the track `c` of the namespace `(a, b)`.
pub fn track_name(path: &str) -> FullTrackName {
    let (namespace, name) = path.rsplit_once('/').unwrap_or(("", path));
    let namespace = TrackNamespace::from_path(namespace).expect("a test's own name");
    let name = TrackName::new(name.as_bytes().to_vec()).expect("a test's own name");
    FullTrackName::new(namespace, name).expect("a test's own name")
}

/// A SUBSCRIBE with nothing but a filter.
pub fn subscribe(name: &str, filter: LocationFilter) -> Subscribe {
    Subscribe { track: track_name(name), filter, ..Subscribe::default() }
}
