//! The thread that publishes: every object when it is due.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sluice_client::{Object, Peer, PeerCommand, PeerEvent, PeerLimits, PublicationKey};
use sluice_proto::model::{
    Delivery, FullTrackName, GroupId, SessionCode, TrackName, TrackNamespace, TrackProperties,
};
use sluice_proto::session::{ReadProgress, SessionConfig};
use sluice_proto::transport::{PeerInfo, Transport};

use crate::control::{Control, Phase};
use crate::fleet::{Fleet, Member};
use crate::load::{Load, Relay};
use crate::meter::Times;
use crate::run::BenchError;
use crate::stamp::Stamp;

/// How far from its time an object was written, and what went wrong.
#[derive(Debug, Default)]
pub struct Published {
    /// How late objects were while it was measured.
    pub late: Times,
    /// Connections that ended too early, and what was refused.
    pub failures: Vec<String>,
}

/// Name of the *n*th track of all.
pub fn track_name(run: &str, load: &Load, number: usize) -> FullTrackName {
    let namespace = namespace(run, number / load.tracks);
    let name = TrackName::new(format!("t{}", number % load.tracks));
    let name = name.and_then(|name| FullTrackName::new(namespace, name));
    name.expect("a short name is a legal one")
}

fn namespace(run: &str, publisher: usize) -> TrackNamespace {
    let path = format!("bench/{run}/p{publisher}");
    TrackNamespace::from_path(&path).expect("a short namespace is a legal one")
}

struct Scene {
    control: Arc<Control>,
    published: Published,
}

struct Publisher {
    number: usize,
    run: String,
    load: Load,
    peer: Option<Peer>,
    is_leaving: bool,
}

impl Publisher {
    fn announce(&mut self, now: Instant) {
        let Some(peer) = &mut self.peer else { return };
        for own in 0..self.load.tracks {
            let number = self.number * self.load.tracks + own;
            let track = track_name(&self.run, &self.load, number);
            let (key, properties) = (PublicationKey(own as u64), TrackProperties::default());
            peer.handle_command(PeerCommand::OpenTrack { key, track, properties }, now);
        }
        let namespace = namespace(&self.run, self.number);
        peer.handle_command(PeerCommand::PublishNamespace(namespace), now);
    }

    fn write(&mut self, own: usize, stamp: Stamp, now: Instant) {
        let Some(peer) = &mut self.peer else { return };
        let key = PublicationKey(own as u64);
        let group_objects = self.load.group_objects;
        let (group, index) = (stamp.number / group_objects, stamp.number % group_objects);
        let mut object = Object::new(group, index, stamp.payload(self.load.object_bytes));
        if self.load.datagrams {
            object.delivery = Delivery::Datagram;
        }
        peer.handle_command(PeerCommand::Write(key, object), now);
        if index + 1 == group_objects {
            peer.handle_command(PeerCommand::EndGroup(key, GroupId(group)), now);
        }
    }
}

impl Member for Publisher {
    type Scene = Scene;

    fn connected(&mut self, setup: &SessionConfig, info: &PeerInfo, now: Instant) {
        self.peer = Some(Peer::new(setup, PeerLimits::default(), info, now));
        if self.is_leaving {
            self.leave(now);
        }
    }

    fn turn(&mut self, transport: &mut dyn Transport, now: Instant, scene: &mut Scene) -> bool {
        let Some(peer) = &mut self.peer else { return false };
        let more = peer.handle_transport(transport, now) == ReadProgress::More;
        peer.handle_timeout(transport, now);
        let mut is_ready = false;
        while let Some(event) = peer.poll_event() {
            match event {
                PeerEvent::Ready => is_ready = true,
                PeerEvent::NamespaceAnswered(_, Ok(())) => {
                    scene.control.announced.fetch_add(1, Ordering::Relaxed);
                }
                PeerEvent::NamespaceAnswered(namespace, Err(error)) => {
                    scene.control.failed.fetch_add(1, Ordering::Relaxed);
                    let text = format!("{namespace} was refused: {}", error.reason);
                    scene.published.failures.push(text);
                }
                _ => {}
            }
        }
        if is_ready {
            self.announce(now);
        }
        if let Some(peer) = &mut self.peer {
            peer.flush(transport, now);
        }
        more
    }

    fn leave(&mut self, now: Instant) {
        self.is_leaving = true;
        if let Some(peer) = &mut self.peer {
            peer.handle_command(PeerCommand::Close(SessionCode::NoError, String::new()), now);
        }
    }

    fn closed(&mut self, reason: &str, scene: &mut Scene) {
        if scene.control.phase() < Phase::Stop {
            scene.control.failed.fetch_add(1, Ordering::Relaxed);
            scene.published.failures.push(format!("publisher {}: {reason}", self.number));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.peer.as_ref().and_then(Peer::poll_timeout)
    }
}

/// When the next object of each track is due.
struct Schedule {
    interval: Duration,
    begun: Option<Instant>,
    written: Vec<u64>,
}

impl Schedule {
    /// Tracks begin one after the other, spread over one interval: publishers are not in phase.
    fn due(&self, track: usize) -> Option<Instant> {
        let offset = self.interval.mul_f64(track as f64 / self.written.len() as f64);
        Some(self.begun? + offset + self.interval.mul_f64(self.written[track] as f64))
    }

    fn next(&self) -> Option<Instant> {
        (0..self.written.len()).filter_map(|track| self.due(track)).min()
    }
}

/// Publishes until the run is over.
pub fn publish(
    relay: &Relay,
    load: &Load,
    run: &str,
    control: &Arc<Control>,
) -> Result<Published, BenchError> {
    let mut fleet = Fleet::new(relay, &load.drafts, Instant::now())?;
    for number in 0..load.publishers {
        let (run, load) = (run.to_owned(), load.clone());
        fleet.join(Publisher { number, run, load, peer: None, is_leaving: false });
    }
    let mut scene = Scene { control: control.clone(), published: Published::default() };
    let mut schedule =
        Schedule { interval: load.interval(), begun: None, written: vec![0; load.tracks_total()] };
    loop {
        let now = Instant::now();
        let phase = control.phase();
        if phase == Phase::Stop {
            fleet.close(&mut scene)?;
            return Ok(scene.published);
        }
        let publishes = phase == Phase::Warm || phase == Phase::Measure;
        if publishes {
            schedule.begun.get_or_insert(now);
            write_due(&mut fleet, &mut schedule, load, &mut scene, now);
        }
        fleet.turn(now, &mut scene)?;
        let next = if publishes { schedule.next() } else { None };
        fleet.wait(now, next)?;
    }
}

fn write_due(
    fleet: &mut Fleet<Publisher>,
    schedule: &mut Schedule,
    load: &Load,
    scene: &mut Scene,
    now: Instant,
) {
    let measures = scene.control.phase() == Phase::Measure;
    let mut wrote = false;
    for publisher in fleet.members() {
        for own in 0..load.tracks {
            let track = publisher.number * load.tracks + own;
            while let Some(due) = schedule.due(track).filter(|due| now >= *due) {
                let number = schedule.written[track];
                let since = due.saturating_duration_since(scene.control.start);
                publisher.write(own, Stamp { number, due: since }, now);
                schedule.written[track] += 1;
                scene.control.published[track].store(number + 1, Ordering::Release);
                if measures {
                    scene.published.late.record(now.saturating_duration_since(due));
                }
                wrote = true;
            }
        }
    }
    if wrote {
        fleet.rouse();
    }
}
