//! The thread that fetches: every group of a track once, when it is past.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sluice_proto::model::{
    Fetch, FetchItem, FetchRange, GroupId, Location, LocationFilter, ObjectId, RangeEnd, Request,
    SessionCode,
};
use sluice_proto::session::{ReadProgress, Response, Session, SessionConfig, SessionEvent};
use sluice_proto::transport::{PeerInfo, StreamId, Transport};

use crate::control::{Control, Phase};
use crate::fleet::{Fleet, Member};
use crate::load::{Load, Relay};
use crate::meter::Fetched;
use crate::publisher::track_name;
use crate::run::BenchError;
use crate::stamp::{self, Stamp};

/// Between two looks whether a group is past.
const LOOK: Duration = Duration::from_millis(50);

struct Scene {
    control: Arc<Control>,
    load: Load,
    run: String,
    fetched: Fetched,
}

impl Scene {
    fn fail(&mut self, text: String) {
        self.control.failed.fetch_add(1, Ordering::Relaxed);
        self.fetched.failures.push(text);
    }
}

/// The group that is asked for.
struct Asked {
    group: u64,
    since: Instant,
    came: u64,
    begin: Vec<u8>,
    have: u64,
    wanted: u64,
    is_wrong: bool,
}

struct Reader {
    track: usize,
    session: Option<Session>,
    is_ready: bool,
    /// The next group to ask for; at first the newest that is past.
    next: Option<u64>,
    asked: Option<Asked>,
    streams: HashSet<StreamId>,
    is_leaving: bool,
}

impl Reader {
    /// Asks for the next group if it is past: when the one after it is complete, too, so that
    /// nothing of it is on its way to the relay any more.
    fn ask(&mut self, now: Instant, scene: &mut Scene) {
        let length = scene.load.group_objects;
        let complete = scene.control.published(self.track) / length;
        let Some(newest) = complete.checked_sub(2) else { return };
        let group = *self.next.get_or_insert(newest);
        let publishes = scene.control.phase() < Phase::Quiet;
        if !self.is_ready || self.asked.is_some() || group > newest || !publishes {
            return;
        }
        let Some(session) = &mut self.session else { return };
        let track = track_name(&scene.run, &scene.load, self.track);
        let begin = Location { group: GroupId(group), object: ObjectId(0) };
        let end = RangeEnd { group: GroupId(group), object: None };
        let range = LocationFilter::Range(begin, end);
        let request = Fetch::new(FetchRange::Standalone(track, range));
        match session.request(Request::Fetch(request)) {
            Ok(_) => {
                self.next = Some(group + 1);
                self.asked = Some(Asked {
                    group,
                    since: now,
                    came: 0,
                    begin: Vec::new(),
                    have: 0,
                    wanted: 0,
                    is_wrong: false,
                });
            }
            Err(error) => {
                self.is_ready = false;
                scene.fail(format!("cannot fetch: {error}"));
            }
        }
    }

    fn take(&mut self, event: SessionEvent, now: Instant, scene: &mut Scene) {
        match event {
            SessionEvent::Ready(_) => self.is_ready = true,
            SessionEvent::Response { response: Response::Error(error), .. } => {
                scene.fail(format!("a fetch was refused: {}", error.reason));
                self.end(false, now, scene);
            }
            SessionEvent::FetchOpened { stream, .. } => {
                self.streams.insert(stream);
            }
            SessionEvent::FetchItem { stream, item } if self.streams.contains(&stream) => {
                if let Some(asked) = &mut self.asked {
                    asked.item(&item);
                }
            }
            SessionEvent::Payload { stream, data } if self.streams.contains(&stream) => {
                let length = scene.load.group_objects;
                let Some(asked) = &mut self.asked else { return };
                if asked.payload(&data, length) {
                    scene.fetched.objects += u64::from(!asked.is_wrong);
                    let measured = scene.control.phase() == Phase::Measure;
                    scene.fetched.measured += u64::from(measured);
                }
            }
            SessionEvent::DataFinished { stream } if self.streams.remove(&stream) => {
                self.end(true, now, scene);
            }
            SessionEvent::DataReset { stream, .. } if self.streams.remove(&stream) => {
                self.end(false, now, scene);
            }
            _ => {}
        }
    }

    /// An answer is over.
    fn end(&mut self, whole: bool, now: Instant, scene: &mut Scene) {
        let Some(asked) = self.asked.take() else { return };
        let missing = scene.load.group_objects.saturating_sub(asked.came);
        scene.fetched.wrong += missing + u64::from(asked.is_wrong);
        if whole {
            scene.fetched.groups += 1;
            scene.fetched.time.record(now.saturating_duration_since(asked.since));
        }
        self.ask(now, scene);
    }
}

impl Asked {
    fn item(&mut self, item: &FetchItem) {
        // A mark says that objects are missing, which are counted in the end.
        let FetchItem::Object(object) = item else { return };
        let Location { group, object: id } = object.location;
        self.is_wrong |= (group.0, id.0) != (self.group, self.came);
        (self.have, self.wanted) = (0, object.payload_bytes);
        self.begin.clear();
    }

    /// Whether an object is complete.
    fn payload(&mut self, data: &[u8], length: u64) -> bool {
        let room = stamp::BYTES - self.begin.len();
        self.begin.extend_from_slice(&data[..data.len().min(room)]);
        self.have += data.len() as u64;
        if self.have < self.wanted {
            return false;
        }
        let begin = <[u8; stamp::BYTES]>::try_from(&self.begin[..]).map(Stamp::read);
        let number = self.group * length + self.came;
        self.is_wrong |= !begin.is_ok_and(|stamp| stamp.number == number);
        self.came += 1;
        true
    }
}

impl Member for Reader {
    type Scene = Scene;

    fn connected(&mut self, setup: &SessionConfig, info: &PeerInfo, now: Instant) {
        self.session = Some(Session::new(setup, info, now));
        if self.is_leaving {
            self.leave(now);
        }
    }

    fn turn(&mut self, transport: &mut dyn Transport, now: Instant, scene: &mut Scene) -> bool {
        let Some(session) = &mut self.session else { return false };
        let more = session.handle_transport(transport, now) == ReadProgress::More;
        session.handle_timeout(now);
        while let Some(event) = self.session.as_mut().and_then(Session::poll_event) {
            self.take(event, now, scene);
        }
        self.ask(now, scene);
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
        if !self.is_leaving && scene.control.phase() < Phase::Leave {
            scene.fail(format!("a fetch reader: {reason}"));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.as_ref().and_then(Session::poll_timeout).map(|(at, _)| at)
    }
}

/// Fetches until the run is over.
pub fn fetch(
    relay: &Relay,
    load: &Load,
    run: &str,
    control: &Arc<Control>,
) -> Result<Fetched, BenchError> {
    let mut fleet = Fleet::new(relay, &load.drafts, Instant::now())?;
    for number in 0..load.fetch_readers {
        fleet.join(Reader {
            // A viewer takes it, so that the relay holds its past.
            track: (number % load.viewers) * load.tracks_per_viewer % load.tracks_total(),
            session: None,
            is_ready: false,
            next: None,
            asked: None,
            streams: HashSet::new(),
            is_leaving: false,
        });
    }
    let mut scene = Scene {
        control: control.clone(),
        load: load.clone(),
        run: run.to_owned(),
        fetched: Fetched::default(),
    };
    let mut look_at = control.start;
    loop {
        let now = Instant::now();
        if control.phase() >= Phase::Leave {
            fleet.close(&mut scene)?;
            return Ok(scene.fetched);
        }
        if now >= look_at {
            look_at = now + LOOK;
            fleet.rouse();
        }
        fleet.turn(now, &mut scene)?;
        fleet.wait(now, Some(look_at))?;
    }
}
