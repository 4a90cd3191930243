//! The threads that view.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::model::{LocationFilter, Request, RequestId, SessionCode, Subscribe};
use sluice_proto::session::{ReadProgress, Response, Session, SessionConfig, SessionEvent};
use sluice_proto::transport::{PeerInfo, StreamId, Transport};

use crate::control::{Control, Phase};
use crate::fleet::{Fleet, Member};
use crate::load::{Load, Relay};
use crate::meter::{Arrivals, Meter};
use crate::publisher::track_name;
use crate::run::BenchError;
use crate::stamp::{self, Stamp};

/// How long a guest stays.
const STAY: Duration = Duration::from_secs(1);

/// What kind of viewer one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Takes everything from beginning to end.
    Steady,
    /// Subscribes and reads no more.
    Slow,
    /// Comes and leaves while others view.
    Guest,
}

struct Scene {
    control: Arc<Control>,
    meter: Meter,
    load: Load,
    run: String,
    measures: bool,
}

struct Taken {
    track: usize,
    arrivals: Arrivals,
}

/// The object that arrives on a stream.
#[derive(Default)]
struct Arriving {
    taken: usize,
    begin: [u8; stamp::BYTES],
    have: u64,
    wanted: u64,
}

struct Viewer {
    kind: Kind,
    tracks: Vec<usize>,
    began: Instant,
    session: Option<Session>,
    taken: Vec<Taken>,
    requests: HashMap<RequestId, usize>,
    streams: HashMap<StreamId, Arriving>,
    accepted: usize,
    has_any: bool,
    is_finished: bool,
    is_leaving: bool,
}

impl Viewer {
    fn new(kind: Kind, number: usize, load: &Load) -> Self {
        let tracks = (0..load.tracks_per_viewer).map(|n| (number + n) % load.tracks_total());
        Viewer {
            kind,
            tracks: tracks.collect(),
            began: Instant::now(),
            session: None,
            taken: Vec::new(),
            requests: HashMap::new(),
            streams: HashMap::new(),
            accepted: 0,
            has_any: false,
            is_finished: false,
            is_leaving: false,
        }
    }

    fn subscribe(&mut self, scene: &mut Scene) {
        let Some(session) = &mut self.session else { return };
        for &track in &self.tracks {
            let request = Subscribe {
                track: track_name(&scene.run, &scene.load, track),
                filter: LocationFilter::NextObject,
                forward: Some(true),
                ..Subscribe::default()
            };
            match session.request(Request::Subscribe(request)) {
                Ok(id) => {
                    self.requests.insert(id, self.taken.len());
                    self.taken.push(Taken { track, arrivals: Arrivals::default() });
                }
                Err(error) => scene.fail(format!("cannot subscribe: {error}")),
            }
        }
    }

    fn take(&mut self, event: SessionEvent, now: Instant, scene: &mut Scene) {
        match event {
            SessionEvent::Ready(_) => self.subscribe(scene),
            SessionEvent::Response { response: Response::Subscribe(_), .. } => {
                self.accepted += 1;
                scene.control.subscribed.fetch_add(1, Ordering::Relaxed);
            }
            SessionEvent::Response { response: Response::Error(error), .. } => {
                scene.fail(format!("a subscription was refused: {}", error.reason));
            }
            SessionEvent::SubgroupOpened { stream, id, .. } => {
                let Some(&taken) = self.requests.get(&id) else { return };
                self.streams.insert(stream, Arriving { taken, ..Arriving::default() });
            }
            SessionEvent::Object { stream, head } => {
                if let Some(arriving) = self.streams.get_mut(&stream) {
                    (arriving.have, arriving.wanted) = (0, head.payload_bytes);
                }
            }
            SessionEvent::Payload { stream, data } => self.take_payload(stream, &data, now, scene),
            SessionEvent::Datagram { id, payload, .. } => {
                let begin = payload.get(..stamp::BYTES).and_then(|begin| begin.try_into().ok());
                if let (Some(&taken), Some(begin)) = (self.requests.get(&id), begin) {
                    self.take_object(taken, Stamp::read(begin), payload.len() as u64, now, scene);
                }
            }
            SessionEvent::DataFinished { stream } => {
                self.streams.remove(&stream);
            }
            SessionEvent::DataReset { stream, .. } => {
                self.streams.remove(&stream);
                scene.meter.resets += 1;
            }
            _ => {}
        }
    }

    fn take_payload(&mut self, stream: StreamId, data: &Bytes, now: Instant, scene: &mut Scene) {
        let Some(arriving) = self.streams.get_mut(&stream) else { return };
        let have = usize::try_from(arriving.have).unwrap_or(usize::MAX);
        if have < stamp::BYTES {
            let part = data.len().min(stamp::BYTES - have);
            arriving.begin[have..have + part].copy_from_slice(&data[..part]);
        }
        arriving.have += data.len() as u64;
        if arriving.have >= arriving.wanted && arriving.wanted >= stamp::BYTES as u64 {
            let (taken, bytes) = (arriving.taken, arriving.wanted);
            let stamp = Stamp::read(arriving.begin);
            self.take_object(taken, stamp, bytes, now, scene);
        }
    }

    fn take_object(
        &mut self,
        taken: usize,
        stamp: Stamp,
        bytes: u64,
        now: Instant,
        scene: &mut Scene,
    ) {
        scene.control.delivered.fetch_add(1, Ordering::Relaxed);
        if scene.measures {
            scene.meter.objects += 1;
            scene.meter.bytes += bytes;
            scene.meter.latency.record(stamp.latency(scene.control.start, now));
        }
        if !std::mem::replace(&mut self.has_any, true) && self.kind == Kind::Guest {
            scene.meter.join.record(now.saturating_duration_since(self.began));
        }
        if let Some(taken) = self.taken.get_mut(taken) {
            taken.arrivals.take(stamp.number);
        }
    }

    /// Whether it has everything that was published.
    fn has_all(&self, control: &Control) -> bool {
        self.taken.iter().all(|taken| taken.arrivals.has_all(control.published(taken.track)))
    }

    /// What it saw in the end.
    fn settle(&self, scene: &mut Scene) {
        for Taken { track, arrivals } in &self.taken {
            match self.kind {
                Kind::Steady => {
                    let lost = arrivals.lost(scene.control.published(*track));
                    scene.meter.close(arrivals, lost);
                }
                Kind::Guest => scene.meter.close(arrivals, arrivals.holes()),
                Kind::Slow => {}
            }
        }
    }
}

impl Member for Viewer {
    type Scene = Scene;

    fn connected(&mut self, setup: &SessionConfig, info: &PeerInfo, now: Instant) {
        self.session = Some(Session::new(setup, info, now));
        if self.is_leaving {
            self.leave(now);
        }
    }

    fn turn(&mut self, transport: &mut dyn Transport, now: Instant, scene: &mut Scene) -> bool {
        let is_stuck = self.kind == Kind::Slow
            && self.accepted == self.tracks.len()
            && scene.control.phase() > Phase::Connect;
        let mut more = false;
        if let Some(session) = self.session.as_mut().filter(|_| !is_stuck) {
            more = session.handle_transport(transport, now) == ReadProgress::More;
            session.handle_timeout(now);
        }
        while let Some(event) = self.session.as_mut().and_then(Session::poll_event) {
            self.take(event, now, scene);
        }
        if let Some(session) = &mut self.session {
            session.flush(transport, now);
        }
        more
    }

    fn leave(&mut self, _now: Instant) {
        self.is_leaving = true;
        if let Some(session) = &mut self.session {
            session.close(SessionCode::NoError, "");
        }
    }

    fn closed(&mut self, reason: &str, scene: &mut Scene) {
        self.settle(scene);
        if !self.is_leaving && scene.control.phase() < Phase::Leave {
            scene.fail(format!("a viewer: {reason}"));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.as_ref().and_then(Session::poll_timeout).map(|(at, _)| at)
    }
}

impl Scene {
    fn fail(&mut self, text: String) {
        self.control.failed.fetch_add(1, Ordering::Relaxed);
        self.meter.failures.push(text);
    }
}

/// Views until the run is over. `part` of `load.threads` is this thread's share of the viewers.
pub fn view(
    relay: &Relay,
    load: &Load,
    run: &str,
    part: usize,
    control: &Arc<Control>,
) -> Result<Meter, BenchError> {
    let mut fleet = Fleet::new(relay, &load.drafts, Instant::now())?;
    let share = |all: usize| (part..all).step_by(load.threads);
    for number in share(load.viewers) {
        fleet.join(Viewer::new(Kind::Steady, number, load));
    }
    for number in share(load.slow_viewers) {
        fleet.join(Viewer::new(Kind::Slow, number, load));
    }
    let mut scene = Scene {
        control: control.clone(),
        meter: Meter::default(),
        load: load.clone(),
        run: run.to_owned(),
        measures: false,
    };
    let mut guests = Guests::new(load);
    loop {
        let now = Instant::now();
        let phase = control.phase();
        scene.measures = phase == Phase::Measure;
        match phase {
            Phase::Connect | Phase::Quiet => {}
            Phase::Warm | Phase::Measure => guests.come_and_go(&mut fleet, load, now),
            Phase::Drain => finish(&mut fleet, control),
            Phase::Leave | Phase::Stop => {
                fleet.close(&mut scene)?;
                return Ok(scene.meter);
            }
        }
        fleet.turn(now, &mut scene)?;
        fleet.wait(now, guests.next)?;
    }
}

/// Tells once of each viewer that has everything.
fn finish(fleet: &mut Fleet<Viewer>, control: &Control) {
    for viewer in fleet.members().filter(|viewer| viewer.kind == Kind::Steady) {
        if !viewer.is_finished && viewer.has_all(control) {
            viewer.is_finished = true;
            control.finished.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Viewers that come and go.
struct Guests {
    interval: Option<Duration>,
    next: Option<Instant>,
    number: usize,
}

impl Guests {
    fn new(load: &Load) -> Self {
        let rate = load.joins_per_second / load.threads as f64;
        let interval = (rate > 0.0).then(|| Duration::from_secs_f64(1.0 / rate));
        Guests { interval, next: None, number: 0 }
    }

    fn come_and_go(&mut self, fleet: &mut Fleet<Viewer>, load: &Load, now: Instant) {
        let Some(interval) = self.interval else { return };
        let mut next = self.next.unwrap_or(now);
        if now < next {
            return;
        }
        while now >= next {
            fleet.join(Viewer::new(Kind::Guest, self.number, load));
            self.number += 1;
            next += interval;
        }
        self.next = Some(next);
        let mut left = false;
        for guest in fleet.members().filter(|viewer| viewer.kind == Kind::Guest) {
            if !guest.is_leaving && now.saturating_duration_since(guest.began) >= STAY {
                guest.leave(now);
                left = true;
            }
        }
        if left {
            fleet.rouse();
        }
    }
}
