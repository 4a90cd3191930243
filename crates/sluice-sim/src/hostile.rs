//! Peers that keep no rule. Each is its own little program over a raw transport; none of them may
//! cost anybody else anything.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    Fetch, FetchRange, LocationFilter, ObjectHead, ObjectStatus, Priority, Properties,
    PublishNamespace, Request, RequestId, ResetCode, SubgroupHead, SubgroupIdField, SubscribeOk,
    TrackAlias,
};
use sluice_proto::session::{ReadProgress, Session, SessionConfig, SessionEvent};
use sluice_proto::transport::{Read, StreamId, StreamKind, Transport, TransportEvent};
use sluice_proto::wire::Draft;

use crate::lane::End;
use crate::rng::Rng;
use crate::sim::{subscribe, track_name};

/// What a hostile peer does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Attack {
    /// Random bytes on random streams, from the first one on.
    Noise,
    /// A proper SETUP, then random bytes on new streams, in datagrams and on the control stream.
    NoiseAfterSetup,
    /// Requests that are cancelled or reset as soon as they are sent.
    RapidCancel,
    /// Subscriptions and fetches of tracks that do not exist.
    UnknownTracks,
    /// Namespaces, as many as it can.
    Namespaces,
    /// Streams that are opened and left alone.
    IdleStreams,
    /// Subscriptions of live tracks, and a reader that never reads.
    NeverReads,
    /// A track of its own, which it watches itself: objects of impossible length, that contradict
    /// each other, or that stop half way.
    BadObjects,
}

const ATTACKS: [Attack; 8] = [
    Attack::BadObjects,
    Attack::Noise,
    Attack::NoiseAfterSetup,
    Attack::RapidCancel,
    Attack::UnknownTracks,
    Attack::Namespaces,
    Attack::IdleStreams,
    Attack::NeverReads,
];

/// One hostile peer.
pub struct Hostile {
    attack: Attack,
    end: End,
    session: Session,
    rng: Rng,
    /// Sets its own names apart from others'.
    name: u64,
    ready: bool,
    next: Option<Instant>,
    acts_left: u32,
    streams: Vec<StreamId>,
    /// Subscriptions of its own track.
    watched: Vec<RequestId>,
}

impl fmt::Debug for Hostile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hostile").field("attack", &self.attack).finish_non_exhaustive()
    }
}

impl Hostile {
    pub(crate) fn new(draft: Draft, end: End, mut rng: Rng, now: Instant) -> Self {
        let config = SessionConfig { drafts: vec![draft], ..SessionConfig::default() };
        let session = Session::new(&config, end.info(), now);
        let attack = *rng.pick(&ATTACKS);
        let acts_left = rng.range(5..60) as u32;
        let name = rng.range(0..1 << 30);
        Self {
            attack,
            end,
            session,
            rng,
            name,
            ready: false,
            next: Some(now),
            acts_left,
            streams: Vec::new(),
            watched: Vec::new(),
        }
    }

    pub(crate) fn wants_drive(&self) -> bool {
        self.reads() && self.end.has_events()
    }

    pub(crate) fn next_time(&self) -> Option<Instant> {
        self.next
    }

    fn reads(&self) -> bool {
        !(self.attack == Attack::NeverReads && self.ready && self.acts_left == 0)
    }

    pub(crate) fn drive(&mut self, now: Instant) {
        if self.reads() {
            self.read(now);
        }
        if self.next.is_some_and(|at| at <= now) {
            self.next = None;
            if self.acts_left > 0 {
                self.acts_left -= 1;
                self.act();
                let pause = self.rng.duration(Duration::from_millis(60));
                self.next = Some(now + pause);
            }
        }
        if self.attack != Attack::Noise {
            self.session.flush(&mut self.end, now);
        }
    }

    fn read(&mut self, now: Instant) {
        if self.attack == Attack::Noise {
            while let Some(event) = self.end.poll_event() {
                if let TransportEvent::Opened(stream, _) | TransportEvent::Readable(stream) = event
                {
                    while let Ok(Read::Data(_)) = self.end.read(stream, 1 << 16) {}
                }
            }
            return;
        }
        while self.session.handle_transport(&mut self.end, now) == ReadProgress::More {}
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Ready(_) => self.ready = true,
                SessionEvent::Request { id, request: Request::Subscribe(_) } => {
                    let alias = self.session.next_alias();
                    self.session.subscribe_ok(id, SubscribeOk { alias, ..SubscribeOk::default() });
                    self.watched.push(id);
                }
                SessionEvent::Closed(_) => self.acts_left = 0,
                _ => {}
            }
        }
    }

    fn act(&mut self) {
        match self.attack {
            Attack::Noise => self.noise(),
            _ if !self.ready => {}
            Attack::NoiseAfterSetup => self.noise(),
            Attack::RapidCancel => self.rapid_cancel(),
            Attack::UnknownTracks => self.unknown_tracks(),
            Attack::Namespaces => self.namespaces(),
            Attack::IdleStreams => {
                if let Some(stream) = self.end.open(StreamKind::Uni) {
                    // A type that promises a subgroup, and never its rest.
                    let _ = self.end.write(stream, &mut [Bytes::from_static(&[0x10])]);
                }
            }
            Attack::BadObjects => self.bad_objects(),
            Attack::NeverReads => {
                let track = ["live/cam", "live/mic", "studio/one"][self.rng.index(3)];
                let request = subscribe(track, LocationFilter::NextObject);
                let _ = self.session.request(Request::Subscribe(request));
            }
        }
    }

    /// Bytes that are nearly messages: small types, small lengths, then anything.
    fn bytes(&mut self) -> Bytes {
        let len = self.rng.range(1..64) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| self.rng.next_u64() as u8).collect();
        if self.rng.chance(700) {
            let types = [0x00, 0x02, 0x03, 0x05, 0x06, 0x10, 0x11, 0x14, 0x16, 0x1D, 0x20, 0x2F];
            bytes[0] = *self.rng.pick(&types);
            if len > 2 {
                bytes[1] = 0;
                bytes[2] = self.rng.range(0..len as u64) as u8;
            }
        }
        bytes.into()
    }

    fn noise(&mut self) {
        let bytes = self.bytes();
        match self.rng.range(0..8) {
            0 => {
                let _ = self.end.send_datagram(bytes);
            }
            1 | 2 if !self.streams.is_empty() => {
                let stream = *self.rng.pick(&self.streams);
                let _ = self.end.write(stream, &mut [bytes]);
            }
            3 if !self.streams.is_empty() => {
                let stream = *self.rng.pick(&self.streams);
                let code = self.rng.range(0..1 << 32);
                match self.rng.range(0..3) {
                    0 => self.end.finish(stream),
                    1 => self.end.reset(stream, code),
                    _ => self.end.stop(stream, code),
                }
            }
            choice => {
                let kind = if choice < 6 { StreamKind::Uni } else { StreamKind::Bidi };
                if let Some(stream) = self.end.open(kind) {
                    let _ = self.end.write(stream, &mut [bytes]);
                    self.streams.push(stream);
                }
            }
        }
    }

    fn rapid_cancel(&mut self) {
        for _ in 0..self.rng.range(1..20) {
            let request = subscribe("live/cam", LocationFilter::NextObject);
            if let Ok(id) = self.session.request(Request::Subscribe(request)) {
                self.session.cancel(id, ResetCode::Cancelled);
            }
        }
    }

    fn unknown_tracks(&mut self) {
        let name = format!("nowhere/{}", self.rng.range(0..1000));
        let request = if self.rng.chance(500) {
            Request::Subscribe(subscribe(&name, LocationFilter::All))
        } else {
            Request::Fetch(Fetch {
                range: FetchRange::Standalone(track_name(&name), LocationFilter::All),
                priority: None,
                order: None,
                fill_timeout: None,
                range_filters: Vec::new(),
                include_properties: None,
                tokens: Vec::new(),
            })
        };
        let _ = self.session.request(request);
    }

    fn namespaces(&mut self) {
        for _ in 0..20 {
            let name = format!("flood/{}/x", self.rng.range(0..1 << 20));
            let namespace = track_name(&name).namespace().clone();
            let request = PublishNamespace { namespace, tokens: Vec::new() };
            let _ = self.session.request(Request::PublishNamespace(request));
        }
    }

    fn bad_objects(&mut self) {
        let name = format!("evil/{}/cam", self.name);
        let Some(id) = self.watched.first().copied() else {
            let namespace = track_name(&name).namespace().clone();
            let announce = PublishNamespace { namespace, tokens: Vec::new() };
            let _ = self.session.request(Request::PublishNamespace(announce));
            let mut watch = subscribe(&name, LocationFilter::NextObject);
            watch.rendezvous_timeout = Some(Duration::from_secs(5));
            let _ = self.session.request(Request::Subscribe(watch));
            return;
        };
        let head = SubgroupHead {
            alias: TrackAlias(0),
            group: self.rng.range(0..3).into(),
            subgroup: SubgroupIdField::Id(self.rng.range(0..2).into()),
            priority: Some(Priority(self.rng.range(0..256) as u8)),
            properties: self.rng.chance(300),
            end_of_group: self.rng.chance(300),
            first_object: self.rng.chance(300),
        };
        let opened = self.session.open_subgroup(&mut self.end, id, &head, 0);
        let (Ok(Some((stream, bytes))), Some(dialect)) = (opened, self.session.dialect()) else {
            return;
        };
        let mut out = BytesMut::from(&bytes[..]);
        let mut previous = None;
        for _ in 0..self.rng.range(1..4) {
            let lengths = [0, 5, 5, 70_000, 1 << 30, (1 << 62) - 1];
            let object = ObjectHead {
                object: self.rng.range(0..6).into(),
                properties: Properties::default(),
                status: ObjectStatus::Normal,
                payload_bytes: *self.rng.pick(&lengths),
            };
            // Out of order it is refused here already; then noise takes its place.
            if dialect.encode_object(&head, previous, &object, &mut out).is_err() {
                let noise = self.bytes();
                out.extend_from_slice(&noise);
            }
            previous = Some(object.object);
            let sent = self.rng.range(0..object.payload_bytes.min(2000) + 1);
            out.extend((0..sent).map(|_| self.rng.next_u64() as u8));
        }
        let _ = self.end.write(stream, &mut [out.freeze()]);
        match self.rng.range(0..3) {
            0 => self.session.finish_data(&mut self.end, stream),
            1 => self.session.reset_data(&mut self.end, stream, ResetCode::Cancelled),
            _ => {}
        }
    }

    pub(crate) fn close(&mut self, now: Instant) {
        self.acts_left = 0;
        self.next = None;
        self.end.close(0, "");
        let _ = self.session.handle_transport(&mut self.end, now);
        while self.session.poll_event().is_some() {}
    }
}
