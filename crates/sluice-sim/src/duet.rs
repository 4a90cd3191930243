//! Scenarios by seed of two sessions without a relay: a publisher and a viewer, either the client,
//! over either lane.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_proto::model::{GroupOrder, Location, LocationFilter, Priority, RangeEnd};
use sluice_proto::transport::Side;
use sluice_proto::wire::Draft;

use crate::content::Batch;
use crate::lane::LaneKind;
use crate::plan;
use crate::rng::Rng;
use crate::sim::{Camera, PeerId, Seat, Sim, SimConfig, subscribe};

const TRACKS: [&str; 3] = ["live/cam", "live/mic", "studio/one"];

/// One generated run. Panics with the seed when an invariant breaks.
pub fn run(seed: u64, lane: LaneKind) {
    let mut rng = Rng::new(seed);
    let shards = usize::from(lane == LaneKind::Quic);
    let mut sim =
        Sim::with(rng.next_u64(), SimConfig { shards, lane, ..SimConfig::default() }).named(seed);
    let (client, server) = sim.pair(*rng.pick(&Draft::ALL), plan::link(&mut rng));
    let (publisher, viewer) = if rng.chance(500) { (client, server) } else { (server, client) };
    let mut duet = Duet {
        sim,
        rng,
        publisher,
        viewer,
        due: BTreeMap::new(),
        cameras: Vec::new(),
        seats: Vec::new(),
        cut: false,
    };
    duet.plan(seed);
    duet.play();
    duet.judge();
}

struct Duet {
    sim: Sim,
    rng: Rng,
    publisher: PeerId,
    viewer: PeerId,
    due: BTreeMap<(Instant, usize), Act>,
    cameras: Vec<Camera>,
    seats: Vec<Seat>,
    cut: bool,
}

enum Act {
    Send(Camera, Batch),
    EndTrack(Camera),
    Watch(usize),
    Forward(bool),
    Leave,
    Fetch(usize),
    Cut,
    Goaway(PeerId),
}

impl Duet {
    fn at(&mut self, after: Duration, act: Act) {
        let key = (self.sim.now() + after, self.due.len());
        self.due.insert(key, act);
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.range(range))
    }

    fn plan(&mut self, seed: u64) {
        for (number, name) in TRACKS.iter().enumerate() {
            let camera = self.sim.serve(self.publisher, name);
            self.cameras.push(camera);
            for (after, batch) in plan::track(seed ^ number as u64) {
                self.at(after, Act::Send(camera, batch));
            }
            let when = self.millis(0..3000);
            self.at(when, Act::Watch(number));
            if self.rng.chance(300) {
                let when = self.millis(8000..9000);
                self.at(when, Act::EndTrack(camera));
            }
        }
        for _ in 0..self.rng.range(0..6) {
            let when = self.millis(0..5000);
            let act = match self.rng.range(0..6) {
                0 => Act::Forward(self.rng.chance(500)),
                1 => Act::Leave,
                2 => Act::Goaway(*self.rng.pick(&[self.publisher, self.viewer])),
                _ => Act::Fetch(self.rng.index(TRACKS.len())),
            };
            self.at(when, act);
        }
        if self.rng.chance(150) {
            let when = self.millis(0..4000);
            self.at(when, Act::Cut);
        }
    }

    fn play(&mut self) {
        while let Some(((time, _), act)) = self.due.pop_first() {
            self.sim.run_to(time);
            match act {
                Act::Send(camera, batch) => self.sim.send(camera, batch),
                Act::EndTrack(camera) => self.sim.end_track(camera),
                Act::Watch(track) => self.watch(track),
                Act::Forward(forward) => {
                    for seat in self.seats.clone() {
                        self.sim.forward(seat, forward);
                    }
                }
                Act::Leave => {
                    if let Some(seat) = self.seats.first() {
                        self.sim.leave(*seat);
                    }
                }
                Act::Fetch(track) => self.fetch(track),
                Act::Cut => {
                    self.cut = true;
                    let bytes = self.rng.range(1..5000);
                    self.sim.wire(self.publisher).cut_after(Side::Server, bytes);
                }
                Act::Goaway(peer) => self.sim.goaway(peer, None),
            }
        }
        self.sim.run_for(Duration::from_secs(20));
    }

    fn watch(&mut self, track: usize) {
        let start = Location::new(self.rng.range(0..5), self.rng.range(0..4));
        let end = RangeEnd { group: (start.group.0 + 2).into(), object: None };
        let filter = match self.rng.range(0..8) {
            0 => LocationFilter::All,
            1 => LocationFilter::RelativeGroup(0),
            2 => LocationFilter::From(start),
            3 => LocationFilter::Range(start, end),
            _ => LocationFilter::NextObject,
        };
        let join = (filter == LocationFilter::NextObject && self.rng.chance(600))
            .then(|| self.rng.range(0..3));
        let mut request = subscribe(TRACKS[track], filter);
        request.forward = Some(join.is_some() || self.rng.chance(900));
        request.priority = self.rng.chance(300).then(|| Priority(self.rng.range(0..256) as u8));
        self.seats.extend(self.sim.ask(self.viewer, request, join));
    }

    fn fetch(&mut self, track: usize) {
        let start = Location::new(self.rng.range(0..4), self.rng.range(0..3));
        let end = RangeEnd { group: (start.group.0 + self.rng.range(0..4)).into(), object: None };
        let order =
            if self.rng.chance(300) { GroupOrder::Descending } else { GroupOrder::Ascending };
        let filter = LocationFilter::Range(start, end);
        self.sim.fetch(self.viewer, TRACKS[track], filter, order);
    }

    fn judge(&self) {
        if self.cut {
            return;
        }
        for peer in [self.publisher, self.viewer] {
            self.sim.check_session(peer);
        }
        self.sim.check_answered();
        for seat in &self.seats {
            self.sim.check_complete(*seat, &[self.publisher]);
        }
        for fetch in self.sim.at(self.viewer).fetches() {
            self.sim.check_fetch(self.viewer, fetch);
        }
        for track in TRACKS {
            self.sim.check_demand(&crate::sim::track_name(track));
        }
    }
}
