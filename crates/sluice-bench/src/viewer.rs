//! The threads that view.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::model::{LocationFilter, Request, RequestId, ResetCode, SessionCode, Subscribe};
use sluice_proto::session::{ReadProgress, Response, Session, SessionConfig, SessionEvent};
use sluice_proto::transport::{PeerInfo, StreamId, Transport};

use crate::control::{Control, Phase};
use crate::fleet::{Fleet, Member};
use crate::load::{Load, Relay};
use crate::meter::{Arrivals, Crowd, Meter, Times};
use crate::publisher::track_name;
use crate::run::BenchError;
use crate::stamp::{self, Stamp};

/// How long a guest stays.
const STAY: Duration = Duration::from_secs(1);
/// Between two times that a slow viewer reads what came.
const SIP: Duration = Duration::from_secs(1);
/// Window of slow viewers that read nothing: a larger one would take the stream for long.
const UNREAD_BYTES: u32 = 16 * 1024;
/// Between two times that a thread tells the others how late objects came.
const TELL: Duration = Duration::from_millis(200);

/// What kind of viewer one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Takes everything from beginning to end.
    Steady,
    /// Subscribes and then hardly reads, or not at all.
    Slow,
    /// Stops each stream after its first object.
    Stopping,
    /// Comes and leaves while others view.
    Guest,
}

struct Scene {
    control: Arc<Control>,
    meter: Meter,
    load: Load,
    run: String,
    measures: bool,
    recent: Times,
    tell_at: Instant,
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
    /// What may be unread, if it is not as much as others have.
    window_bytes: Option<u32>,
    tracks: Vec<usize>,
    began: Instant,
    session: Option<Session>,
    taken: Vec<Taken>,
    requests: HashMap<RequestId, usize>,
    streams: HashMap<StreamId, Arriving>,
    accepted: usize,
    /// When it sent SUBSCRIBE.
    asked: Option<Instant>,
    /// When it reads again, if it is a slow one.
    sip_at: Option<Instant>,
    /// Streams of which it wants no more.
    stops: Vec<StreamId>,
    has_any: bool,
    is_finished: bool,
    is_leaving: bool,
}

impl Viewer {
    fn new(kind: Kind, number: usize, load: &Load) -> Self {
        let tracks = (0..load.tracks_per_viewer)
            .map(|n| (number * load.tracks_per_viewer + n) % load.tracks_total());
        let window = if load.slow_bytes == 0 { UNREAD_BYTES } else { load.slow_bytes };
        Viewer {
            kind,
            window_bytes: (kind == Kind::Slow).then_some(window),
            tracks: tracks.collect(),
            began: Instant::now(),
            session: None,
            taken: Vec::new(),
            requests: HashMap::new(),
            streams: HashMap::new(),
            accepted: 0,
            asked: None,
            sip_at: None,
            stops: Vec::new(),
            has_any: false,
            is_finished: false,
            is_leaving: false,
        }
    }

    fn subscribe(&mut self, now: Instant, scene: &mut Scene) {
        let Some(session) = &mut self.session else { return };
        self.asked = Some(now);
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
            SessionEvent::Ready(_) => self.subscribe(now, scene),
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
                scene.meter.crowd(self.kind).resets += 1;
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
            if self.kind == Kind::Stopping {
                self.stops.push(stream);
            }
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
        let latency = stamp.latency(scene.control.start, now);
        if scene.measures {
            let crowd = scene.meter.crowd(self.kind);
            crowd.objects += 1;
            crowd.bytes += bytes;
            crowd.latency.record(latency);
        }
        if self.kind == Kind::Steady {
            scene.recent.record(latency);
        }
        if !std::mem::replace(&mut self.has_any, true) && self.kind == Kind::Guest {
            scene.meter.join.record(now.saturating_duration_since(self.began));
            let asked = self.asked.unwrap_or(now);
            scene.meter.first_object.record(now.saturating_duration_since(asked));
        }
        if let Some(taken) = self.taken.get_mut(taken) {
            taken.arrivals.take(stamp.number);
        }
    }

    /// Whether it reads now. A slow viewer reads once in a while what its window let in, and
    /// not before objects flow.
    fn reads(&mut self, now: Instant, scene: &Scene) -> bool {
        let is_slow = self.kind == Kind::Slow
            && self.accepted == self.tracks.len()
            && scene.control.phase() > Phase::Connect;
        if !is_slow {
            return true;
        }
        if scene.load.slow_bytes == 0 {
            self.sip_at = None;
            return false;
        }
        let is_due = self.sip_at.is_none_or(|at| now >= at);
        if is_due {
            self.sip_at = Some(now + SIP);
        }
        is_due
    }

    /// Whether it has everything that was published.
    fn has_all(&self, control: &Control) -> bool {
        self.taken.iter().all(|taken| taken.arrivals.has_all(control.published(taken.track)))
    }

    /// What it saw in the end.
    fn settle(&self, scene: &mut Scene) {
        for Taken { track, arrivals } in &self.taken {
            let lost = match self.kind {
                Kind::Steady => arrivals.lost(scene.control.published(*track)),
                Kind::Guest => arrivals.holes(),
                // They would have it so.
                Kind::Slow | Kind::Stopping => 0,
            };
            scene.meter.crowd(self.kind).close(arrivals, lost);
        }
    }
}

impl Member for Viewer {
    type Scene = Scene;

    fn connected(&mut self, setup: &SessionConfig, info: &PeerInfo, now: Instant) {
        let mut setup = setup.clone();
        if let Some(window) = self.window_bytes {
            setup.limits.window_bytes = window;
        }
        self.session = Some(Session::new(&setup, info, now));
        if self.is_leaving {
            self.leave(now);
        }
    }

    fn turn(&mut self, transport: &mut dyn Transport, now: Instant, scene: &mut Scene) -> bool {
        let reads = self.reads(now, scene);
        let mut more = false;
        if let Some(session) = self.session.as_mut().filter(|_| reads) {
            more = session.handle_transport(transport, now) == ReadProgress::More;
            session.handle_timeout(now);
        }
        while let Some(event) = self.session.as_mut().and_then(Session::poll_event) {
            self.take(event, now, scene);
        }
        if let Some(session) = &mut self.session {
            for stream in self.stops.drain(..) {
                self.streams.remove(&stream);
                session.stop_data(transport, stream, ResetCode::Cancelled);
            }
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
        let session = self.session.as_ref().and_then(Session::poll_timeout).map(|(at, _)| at);
        [session, self.sip_at].into_iter().flatten().min()
    }
}

impl Meter {
    fn crowd(&mut self, kind: Kind) -> &mut Crowd {
        match kind {
            Kind::Steady => &mut self.steady,
            Kind::Guest => &mut self.guests,
            Kind::Slow => &mut self.slow,
            Kind::Stopping => &mut self.stopping,
        }
    }
}

impl Scene {
    /// Tells the others once in a while how late objects came.
    fn tell(&mut self, now: Instant) {
        if now >= self.tell_at {
            self.tell_at = now + TELL;
            self.control.recent().add(&self.recent);
            self.recent.clear();
        }
    }

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
    for number in share(load.stopping_viewers) {
        fleet.join(Viewer::new(Kind::Stopping, number, load));
    }
    let mut scene = Scene {
        control: control.clone(),
        meter: Meter::default(),
        load: load.clone(),
        run: run.to_owned(),
        measures: false,
        recent: Times::default(),
        tell_at: control.start,
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
        scene.tell(now);
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
