//! Scenarios by seed: a seed decides who comes, over what links, who publishes and watches what,
//! who fails when, and then the run is held to the invariants.
//!
//! Objects of a track are the same whoever publishes them. The first publisher of each track
//! survives, so everything it sent has to reach everyone who stayed and kept up; the others may
//! fail at any byte.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_proto::model::{
    GroupOrder, Interest, Location, LocationFilter, Priority, RangeEnd, RequestUpdate,
};
use sluice_proto::transport::Side;
use sluice_proto::wire::{Draft, Widening};

use crate::content::Batch;
use crate::lane::LaneKind;
use crate::plan;
use crate::rng::Rng;
use crate::seeds::is_of_few_drafts;
use crate::sim::{Camera, PeerId, Seat, Sim, SimConfig, subscribe, track_name};

const TRACKS: [&str; 3] = ["live/cam", "live/mic", "studio/one"];

/// One generated run. Panics with the seed when an invariant breaks.
pub fn run(seed: u64, shards: usize, lane: LaneKind) {
    play(Rng::new(seed), seed, shards, lane);
}

/// One run on the modelled network whose every choice `decisions` decides, two bytes each. Panics
/// when an invariant breaks.
pub fn run_decided(decisions: &[u8], shards: usize) {
    play(Rng::decided(decisions), 0, shards, LaneKind::Model);
}

fn play(mut rng: Rng, seed: u64, shards: usize, lane: LaneKind) {
    let relay_rng_seed = rng.next_u64();
    let mut config = SimConfig { shards, lane, link: plan::link(&mut rng), ..SimConfig::default() };
    let scarce = rng.chance(50);
    if scarce {
        config.relay.limits.store_bytes_max = rng.range(100_000..400_000) as usize;
    }
    let mut scenario = Scenario {
        sim: Sim::with(relay_rng_seed, config).named(seed),
        rng,
        due: BTreeMap::new(),
        planned: 0,
        cameras: Vec::new(),
        viewers: Vec::new(),
        solid: Vec::new(),
        plans: seed ^ 0xB1A7,
        watchers: Vec::new(),
        cut: Vec::new(),
        drained: false,
        scarce,
        neighbours: (!is_of_few_drafts(seed)).then(|| Rng::new(seed ^ 0xD2AF)),
    };
    scenario.plan();
    scenario.play();
    scenario.judge();
}

#[derive(Debug)]
struct Scenario {
    sim: Sim,
    rng: Rng,
    due: BTreeMap<(Instant, u64), Act>,
    planned: u64,
    cameras: Vec<Camera>,
    viewers: Vec<Viewing>,
    /// By track: the publisher that survives.
    solid: Vec<Option<PeerId>>,
    /// What decides the objects of every track.
    plans: u64,
    /// What decides which of several similar drafts a peer speaks, if not always the same one.
    neighbours: Option<Rng>,
    /// Peers that want to hear of what is published.
    watchers: Vec<PeerId>,
    /// Peers whose connections break once they have sent so much.
    cut: Vec<PeerId>,
    /// The relay went away by itself.
    drained: bool,
    /// The relay has too little memory to keep everything that its publishers sent.
    scarce: bool,
}

/// Whether a track of this draft may have datagrams beside subgroups.
fn tells_datagrams(draft: Draft) -> bool {
    draft.dialect().track_properties
}

/// A viewer as the scenario knows it.
#[derive(Debug)]
struct Viewing {
    peer: PeerId,
    seats: Vec<Seat>,
    track: usize,
    /// Nothing in its script excuses a missing object.
    healthy: bool,
}

#[derive(Clone, Debug)]
enum Act {
    Publisher { track: usize, solid: bool },
    Send { camera: usize, batch: Batch },
    EndTrack { camera: usize },
    Viewer { track: usize },
    Fail { peer: PeerId, how: Failure },
    Withdraw { peer: PeerId },
    Forward { viewer: usize, forward: bool },
    Update { viewer: usize },
    Refilter { viewer: usize },
    Status { viewer: usize },
    CancelFetches { viewer: usize },
    Drain,
    Leave { viewer: usize },
    Stall { viewer: usize, stalled: bool },
    Fetch { viewer: usize },
    Interest,
    Hostile,
    StallShard { shard: usize, for_: Duration },
}

#[derive(Clone, Copy, Debug)]
enum Failure {
    CutAfter(u64),
    Close,
    GoawayThenClose,
}

impl Scenario {
    fn draft(&mut self) -> Draft {
        // Every second draft has neighbours that differ from it in little.
        let family = self.rng.index(4);
        let newer =
            self.neighbours.as_mut().map_or(0, |rng| rng.index(2 + usize::from(family == 0)));
        Draft::ALL[2 + 2 * family - newer]
    }

    fn at(&mut self, after: Duration, act: Act) {
        self.planned += 1;
        let time = self.sim.now() + after;
        self.due.insert((time, self.planned), act);
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.range(range))
    }

    // The plan: who comes, and when.

    fn plan(&mut self) {
        let tracks = 1 + self.rng.index(TRACKS.len());
        self.solid = vec![None; tracks];
        for track in 0..tracks {
            let late = if self.rng.chance(150) { self.millis(0..1500) } else { Duration::ZERO };
            self.at(late, Act::Publisher { track, solid: true });
            for permille in [400, 150] {
                if self.rng.chance(permille) {
                    let when = self.millis(0..2500);
                    self.at(when, Act::Publisher { track, solid: false });
                }
            }
        }
        for _ in 0..1 + self.rng.index(6) {
            let track = self.rng.index(tracks);
            let when = self.millis(0..4000);
            self.at(when, Act::Viewer { track });
        }
        if self.rng.chance(250) {
            let when = self.millis(0..1000);
            self.at(when, Act::Interest);
        }
        for _ in 0..self.rng.index(3) {
            let when = self.millis(0..3000);
            self.at(when, Act::Hostile);
        }
        if self.rng.chance(80) {
            self.at(Duration::from_secs(12), Act::Drain);
        }
        for shard in 0..self.sim.shards() {
            if self.sim.shards() > 1 && self.rng.chance(500) {
                let (when, for_) = (self.millis(0..4000), self.millis(1..80));
                self.at(when, Act::StallShard { shard, for_ });
            }
        }
    }

    fn play(&mut self) {
        while let Some((&(time, number), _)) = self.due.iter().next() {
            let act = self.due.remove(&(time, number));
            self.sim.run_to(time);
            if let Some(act) = act {
                self.act(act);
            }
        }
        self.sim.close_hostiles();
        // Real QUIC sends even where nothing happens: a cut that has not come by now could come at
        // any time, and one of its ends might hear of it only after the judgement.
        for peer in &self.cut {
            self.sim.wire(*peer).cut_after(Side::Client, u64::from(u32::MAX));
        }
        // What a slow connection still owes has to come once it can.
        for viewing in &self.viewers {
            self.sim.wire(viewing.peer).set_bits_per_second(Side::Server, None);
        }
        // Time for retransmissions, idle timeouts and the linger of unwanted subscriptions.
        self.sim.run_for(Duration::from_secs(60));
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Publisher { track, solid } => self.publisher(track, solid),
            Act::Send { camera, batch } => self.sim.send(self.cameras[camera], batch),
            Act::EndTrack { camera } => self.sim.end_track(self.cameras[camera]),
            Act::Viewer { track } => self.viewer(track),
            Act::Fail { peer, how } => self.fail(peer, how),
            Act::Withdraw { peer } => self.sim.withdraw_namespace(peer),
            Act::Forward { viewer, forward } => {
                for seat in self.viewers[viewer].seats.clone() {
                    self.sim.forward(seat, forward);
                }
            }
            Act::Update { viewer } => {
                let priority = Some(Priority(self.rng.range(0..256) as u8));
                let update = RequestUpdate { priority, ..RequestUpdate::default() };
                for seat in self.viewers[viewer].seats.clone() {
                    self.sim.update(seat, update.clone());
                }
            }
            Act::Refilter { viewer } => {
                let draft = self.sim.at(self.viewers[viewer].peer).draft;
                if draft.dialect().widening != Widening::Free {
                    // Some other filter is hardly ever one that the draft allows.
                    return;
                }
                let filter = Some(self.filter(draft));
                for seat in self.viewers[viewer].seats.clone() {
                    self.sim.update(seat, RequestUpdate { filter, ..RequestUpdate::default() });
                }
            }
            Act::Status { viewer } => {
                let peer = self.viewers[viewer].peer;
                let track = *self.rng.pick(&["live/cam", "studio/one", "live/nothing", "no/one"]);
                self.sim.track_status(peer, track);
            }
            Act::CancelFetches { viewer } => {
                let peer = self.viewers[viewer].peer;
                self.sim.cancel_fetches(peer);
            }
            Act::Drain => {
                self.drained = true;
                self.sim.drain(Duration::from_secs(2));
            }
            Act::Leave { viewer } => {
                for seat in self.viewers[viewer].seats.clone() {
                    self.sim.leave(seat);
                }
            }
            Act::Stall { viewer, stalled } => {
                let peer = self.viewers[viewer].peer;
                self.sim.set_reading(peer, !stalled);
            }
            Act::Fetch { viewer } => self.fetch(viewer),
            Act::Interest => self.interest(),
            Act::Hostile => {
                let (draft, link) = (self.draft(), plan::link(&mut self.rng));
                self.sim.hostile(draft, link);
            }
            Act::StallShard { shard, for_ } => self.sim.stall_shard(shard, for_),
        }
    }

    // Publishers.

    fn publisher(&mut self, track: usize, solid: bool) {
        let (mut draft, link) = (self.draft(), plan::link(&mut self.rng));
        let mixed = plan::is_mixed(&plan::track(self.plans ^ track as u64));
        while mixed && !tells_datagrams(draft) {
            draft = self.draft();
        }
        let peer = self.sim.dial(draft, link);
        let camera = self.sim.serve(peer, TRACKS[track]);
        let index = self.cameras.len();
        self.cameras.push(camera);
        if solid {
            self.solid[track] = Some(peer);
        }
        let offers = self.rng.chance(350);
        if !offers || self.rng.chance(300) {
            self.sim.announce_when_ready(camera);
        }
        if offers {
            let forward = self.rng.chance(700);
            self.sim.offer_when_ready(camera, forward);
        }
        self.plan_track(track, index);
        if !solid {
            let how = match self.rng.range(0..5) {
                0..=2 => Failure::CutAfter(self.rng.range(1..40_000)),
                3 => Failure::Close,
                _ => Failure::GoawayThenClose,
            };
            let when = self.millis(0..4000);
            if self.rng.chance(200) {
                self.at(when, Act::Withdraw { peer });
            } else {
                self.at(when, Act::Fail { peer, how });
            }
        } else if self.rng.chance(400) {
            let when = self.millis(9000..9500);
            self.at(when, Act::EndTrack { camera: index });
        }
    }

    /// The objects of a track: the same for every publisher, whenever it starts.
    fn plan_track(&mut self, track: usize, camera: usize) {
        let offset = self.millis(200..500);
        for (after, batch) in plan::track(self.plans ^ track as u64) {
            self.at(offset + after, Act::Send { camera, batch });
        }
    }

    fn fail(&mut self, peer: PeerId, how: Failure) {
        match how {
            Failure::CutAfter(bytes) => {
                self.sim.wire(peer).cut_after(Side::Client, bytes);
                self.cut.push(peer);
            }
            Failure::Close => self.sim.close(peer),
            Failure::GoawayThenClose => {
                self.sim.goaway(peer, Some(Duration::from_secs(1)));
                self.at(Duration::from_millis(700), Act::Fail { peer, how: Failure::Close });
            }
        }
    }

    // Viewers.

    fn viewer(&mut self, track: usize) {
        let (draft, mut link) = (self.draft(), plan::link(&mut self.rng));
        let slow = self.rng.chance(150);
        if slow {
            link = link.down_bits_per_second(self.rng.range(20_000..400_000));
            // As congestion control would have found it; what is under way is past recall.
            link.down.window_bytes = 16 << 10;
        }
        let peer = self.sim.peer_over(draft, link);
        let index = self.viewers.len();
        // Objects of one kind are left out where a track can only have the other.
        let mixed = plan::is_mixed(&plan::track(self.plans ^ track as u64));
        let mut healthy = !slow && (!mixed || tells_datagrams(draft));
        let mut request = subscribe(TRACKS[track], self.filter(draft));
        let joins = request.filter == LocationFilter::NextObject && self.rng.chance(600);
        let join = joins.then(|| self.rng.range(0..3));
        if self.rng.chance(100) && join.is_none() {
            request.forward = Some(false);
        }
        if self.rng.chance(150) {
            request.object_timeout = Some(self.millis(50..2000));
            healthy = false;
        }
        if self.rng.chance(300) {
            request.priority = Some(Priority(self.rng.range(0..256) as u8));
        }
        if self.rng.chance(200) {
            request.order = Some(GroupOrder::Descending);
        }
        if self.rng.chance(300) {
            request.rendezvous_timeout = Some(self.millis(100..3000));
        }
        let seats = self.sim.ask(peer, request, join).into_iter().collect();
        self.misfortunes(index, peer, &mut healthy);
        self.viewers.push(Viewing { peer, seats, track, healthy });
    }

    fn misfortunes(&mut self, viewer: usize, peer: PeerId, healthy: &mut bool) {
        if self.rng.chance(200) {
            let first = self.millis(0..3000);
            let pause = self.millis(1..1500);
            let paused = self.rng.chance(500);
            self.at(first, Act::Forward { viewer, forward: paused });
            self.at(first + pause, Act::Forward { viewer, forward: !paused });
        }
        if self.rng.chance(200) {
            let when = self.millis(0..3000);
            self.at(when, Act::Update { viewer });
        }
        if self.rng.chance(100) {
            let when = self.millis(0..3000);
            self.at(when, Act::Refilter { viewer });
        }
        if self.rng.chance(150) {
            let when = self.millis(0..4000);
            self.at(when, Act::Status { viewer });
        }
        if self.rng.chance(250) {
            let when = self.millis(0..3000);
            self.at(when, Act::Fetch { viewer });
            if self.rng.chance(300) {
                let soon = self.millis(0..200);
                self.at(when + soon, Act::CancelFetches { viewer });
            }
        }
        if self.rng.chance(150) {
            let (when, length) = (self.millis(0..3000), self.millis(1..4000));
            self.at(when, Act::Stall { viewer, stalled: true });
            self.at(when + length, Act::Stall { viewer, stalled: false });
            *healthy = false;
        }
        if self.rng.chance(200) {
            let when = self.millis(0..4000);
            self.at(when, Act::Leave { viewer });
        } else if self.rng.chance(100) {
            let how = match self.rng.range(0..3) {
                0 => Failure::CutAfter(self.rng.range(1..2000)),
                1 => Failure::Close,
                _ => Failure::GoawayThenClose,
            };
            let when = self.millis(0..3000);
            self.at(when, Act::Fail { peer, how });
            if self.rng.chance(600) {
                let track = self.rng.index(self.solid.len());
                let back = self.millis(0..1000);
                self.at(when + back, Act::Viewer { track });
            }
            *healthy = false;
        }
    }

    fn filter(&mut self, _draft: Draft) -> LocationFilter {
        let start = Location::new(self.rng.range(0..5), self.rng.range(0..4));
        match self.rng.range(0..10) {
            0..=4 => LocationFilter::NextObject,
            5 | 6 => LocationFilter::RelativeGroup(0),
            7 => LocationFilter::All,
            8 => LocationFilter::From(start),
            _ => {
                let group = start.group.0 + self.rng.range(0..4);
                LocationFilter::Range(start, RangeEnd { group: group.into(), object: None })
            }
        }
    }

    fn fetch(&mut self, viewer: usize) {
        let Viewing { peer, track, .. } = self.viewers[viewer];
        let start = Location::new(self.rng.range(0..4), self.rng.range(0..3));
        let end = RangeEnd { group: (start.group.0 + self.rng.range(0..4)).into(), object: None };
        let order =
            if self.rng.chance(250) { GroupOrder::Descending } else { GroupOrder::Ascending };
        self.sim.fetch(peer, TRACKS[track], LocationFilter::Range(start, end), order);
    }

    fn interest(&mut self) {
        let (draft, link) = (self.draft(), plan::link(&mut self.rng));
        let peer = self.sim.peer_over(draft, link);
        let prefix = *self.rng.pick(&["live", "studio", ""]);
        let interest = *self.rng.pick(&[Interest::Tracks, Interest::Namespaces, Interest::Both]);
        self.sim.interest(peer, prefix, interest);
        self.watchers.push(peer);
    }

    // The judgement.

    fn judge(&mut self) {
        let sim = &self.sim;
        sim.check_answered();
        for viewing in &self.viewers {
            let healthy = viewing.healthy && !self.scarce;
            let Some(solid) = self.solid[viewing.track].filter(|_| healthy) else { continue };
            sim.check_session(viewing.peer);
            for seat in &viewing.seats {
                sim.check_complete(*seat, &[solid]);
            }
        }
        for solid in self.solid.iter().flatten() {
            sim.check_session(*solid);
        }
        for viewing in &self.viewers {
            for fetch in sim.at(viewing.peer).fetches() {
                sim.check_fetch(viewing.peer, fetch);
            }
        }
        let tracks: Vec<_> =
            TRACKS[..self.solid.len()].iter().map(|name| track_name(name)).collect();
        if !self.drained {
            for track in &tracks {
                sim.check_demand(track);
            }
            for watcher in &self.watchers {
                sim.check_interests(*watcher, &tracks);
            }
        }
        self.sim.check_all_gone();
    }
}
