//! A scripted peer: a real session over one end of a simulated link, with a publisher's and a
//! viewer's part. Its driver keeps the session's contract: events drained after every input,
//! one flush at the end.

mod outgoing;
mod publisher;
mod viewer;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use sluice_proto::model::{
    FullTrackName, Goaway, Interest, Location, RequestId, SetupOptions, TrackNamespace,
};
use sluice_proto::session::{
    ReadProgress, RequestEnd, Response, Session, SessionConfig, SessionEnd, SessionEvent,
};
use sluice_proto::transport::Transport;
use sluice_proto::wire::Draft;

use crate::lane::{End, Wire};
use crate::ledger::Ledger;
use crate::record::Fault;
use crate::relay::Served;

pub use publisher::Demand;
use publisher::Publisher;
use viewer::Viewer;
pub use viewer::{FetchId, FetchView, View, ViewId, ViewState};

/// Most turns of one drive: more means that session and transport keep each other busy.
const TURNS_MAX: usize = 10_000;

/// One scripted peer.
pub struct Peer {
    number: usize,
    /// The draft it speaks.
    pub draft: Draft,
    pub(crate) wire: Wire,
    pub(crate) session: Session,
    pub(crate) end: End,
    publisher: Publisher,
    viewer: Viewer,
    more: bool,
    /// Whether it looks at its connection at all.
    pub(crate) reading: bool,
    /// The peer's options, once both SETUPs are done.
    pub ready: Option<SetupOptions>,
    /// GOAWAYs received.
    pub goaways: Vec<Goaway>,
    /// Namespaces that appeared (true) and went (false), as they were told.
    pub namespaces: Vec<(RequestId, TrackNamespace, bool)>,
    /// Answers to requests that are neither subscriptions nor fetches.
    pub answers: Vec<(RequestId, Response)>,
    /// Answers to updates.
    pub updates: Vec<(RequestId, bool)>,
    /// How the session ended.
    pub closed: Option<SessionEnd>,
    pub(crate) faults: Vec<Fault>,
    /// The other side keeps no rule: its violations are its own.
    pub(crate) besieged: bool,
    /// Whether it announced a namespace that was accepted and is not withdrawn.
    pub(crate) can_be_found: bool,
    pub(crate) announced: Option<RequestId>,
    /// The namespace of that.
    pub(crate) announced_name: Option<TrackNamespace>,
    /// Namespaces that the relay announces by requests of its own, as some drafts do.
    pub(crate) heard: BTreeMap<RequestId, TrackNamespace>,
    /// Whether its link loses nothing.
    pub(crate) lossless: bool,
    /// Requests that are neither subscriptions nor fetches, and want an answer.
    pub(crate) asked: Vec<RequestId>,
    /// Its interests in namespaces or tracks.
    pub(crate) interests: Vec<(RequestId, TrackNamespace, Interest)>,
    /// Its session at the relay.
    pub(crate) served: Option<Served>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("draft", &self.draft).finish_non_exhaustive()
    }
}

impl Peer {
    pub(crate) fn new(number: usize, draft: Draft, wire: Wire, end: End, now: Instant) -> Self {
        let config = SessionConfig { drafts: vec![draft], ..SessionConfig::default() };
        let session = Session::new(&config, end.info(), now);
        Self {
            number,
            draft,
            wire,
            session,
            end,
            publisher: Publisher::default(),
            viewer: Viewer::default(),
            more: true,
            reading: true,
            ready: None,
            goaways: Vec::new(),
            namespaces: Vec::new(),
            answers: Vec::new(),
            updates: Vec::new(),
            closed: None,
            faults: Vec::new(),
            besieged: false,
            can_be_found: false,
            announced: None,
            announced_name: None,
            heard: BTreeMap::new(),
            lossless: false,
            asked: Vec::new(),
            interests: Vec::new(),
            served: None,
        }
    }

    /// When it wants to be driven again, whatever arrives.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        if self.closed.is_some() {
            return None;
        }
        let session = self.session.poll_timeout().map(|(at, _)| at);
        session.into_iter().chain(self.publisher.next_timeout()).min()
    }

    pub(crate) fn wants_drive(&self, now: Instant) -> bool {
        let due = self.next_timeout().is_some_and(|at| at <= now);
        // Not `needs_flush`: it stays true while the peer gives no credit.
        due || self.reading && (self.more || self.end.has_events())
    }

    /// One turn: what happened, what it means, what goes out.
    pub(crate) fn drive(&mut self, ledger: &mut Ledger, now: Instant) {
        for _ in 0..TURNS_MAX {
            if self.next_timeout().is_some_and(|at| at <= now) {
                self.session.handle_timeout(now);
            }
            if self.reading && (self.more || self.end.has_events()) {
                let progress = self.session.handle_transport(&mut self.end, now);
                self.more = progress == ReadProgress::More;
            }
            while let Some(event) = self.session.poll_event() {
                self.handle(event, ledger, now);
            }
            // Control first: data takes all the room there is.
            self.session.flush(&mut self.end, now);
            self.publisher.pump(&mut self.session, &mut self.end, now);
            if let Some(error) = self.publisher.poll_refused() {
                self.faults.push(format!("the session opens no stream: {error}"));
            }
            self.session.flush(&mut self.end, now);
            if !self.wants_drive(now) {
                return;
            }
        }
        self.faults.push(format!(
            "a session wants turns without end (more {}, events {}, timeout {:?})",
            self.more,
            self.end.has_events(),
            self.session.poll_timeout()
        ));
    }

    fn handle(&mut self, event: SessionEvent, ledger: &mut Ledger, now: Instant) {
        crate::trace::peer(self.number, &event, now);
        if self.closed.is_some() {
            return;
        }
        match event {
            SessionEvent::Ready(options) => self.ready = Some(options),
            SessionEvent::Request { id, request } => self.request(id, request, now),
            SessionEvent::Update { id, update_id, update } => {
                self.publisher.update(&mut self.session, id, update_id, &update);
            }
            SessionEvent::Ended { id, end } => {
                self.heard.remove(&id);
                if !self.viewer.ended(id, &end) || matches!(end, RequestEnd::Revoked(_)) {
                    self.publisher.ended(&mut self.session, &mut self.end, id);
                }
            }
            SessionEvent::Response { id, response } => self.response(id, response, now),
            SessionEvent::UpdateResponse { id, result, .. } => {
                self.updates.push((id, result.is_ok()));
            }
            SessionEvent::Namespace { id, suffix } => self.namespaces.push((id, suffix, true)),
            SessionEvent::NamespaceDone { id, suffix } => {
                self.namespaces.push((id, suffix, false));
            }
            SessionEvent::Goaway { goaway, .. } => self.goaways.push(goaway),
            SessionEvent::OutStopped { stream, .. } => self.publisher.stopped(stream),
            SessionEvent::Closed(end) => {
                self.closed = Some(end);
                self.publisher.clear();
                self.viewer.clear();
            }
            SessionEvent::PublishBlocked { .. }
            | SessionEvent::StateNotify { .. }
            | SessionEvent::OutWritable { .. }
            | SessionEvent::OutAcked { .. }
            | SessionEvent::StreamsAvailable
            | SessionEvent::DatagramsWritable => {}
            data => {
                if let Err(fault) = self.viewer.data(&data, ledger, now) {
                    self.faults.push(fault);
                }
            }
        }
    }

    fn request(&mut self, id: RequestId, request: sluice_proto::model::Request, now: Instant) {
        use sluice_proto::model::{Request, RequestCode, RequestError, RequestOk};
        let session = &mut self.session;
        match request {
            Request::Subscribe(request) => {
                self.publisher.subscribe(session, id, &request, now);
            }
            Request::Fetch(request) => self.publisher.fetch(session, id, &request, now),
            Request::TrackStatus(request) => self.publisher.track_status(session, id, &request),
            Request::Publish(publish) => self.viewer.offered(session, id, &publish, now),
            Request::PublishNamespace(request) => {
                self.heard.insert(id, request.namespace);
                session.request_ok(id, RequestOk::default());
            }
            Request::SubscribeNamespace(_) => {
                session.refuse(id, RequestError::new(RequestCode::NotSupported, "a client"));
            }
        }
    }

    fn response(&mut self, id: RequestId, response: Response, now: Instant) {
        match response {
            Response::Subscribe(ok) => self.viewer.accepted(id, &ok, now),
            Response::Fetch(ok) => self.viewer.fetch_accepted(id, &ok),
            Response::Publish(ok) => {
                let says_all = self.session.dialect().is_some_and(|d| d.publish_ok_settings);
                self.publisher.publish_accepted(id, &ok, says_all);
                self.answers.push((id, Response::Publish(ok)));
            }
            Response::Error(error) => {
                self.viewer.refused(id, &error, now);
                self.publisher.ended(&mut self.session, &mut self.end, id);
                self.answers.push((id, Response::Error(error)));
            }
            Response::Ok(ok) => {
                self.can_be_found |= self.announced == Some(id);
                self.answers.push((id, Response::Ok(ok)));
            }
        }
    }

    /// Asks the relay to go away, or tells it that this peer does.
    pub(crate) fn goaway(&mut self, timeout: Option<Duration>) {
        self.session.goaway("", timeout);
    }

    pub(crate) fn publisher(&mut self) -> (&mut Publisher, &mut Session, &mut End) {
        (&mut self.publisher, &mut self.session, &mut self.end)
    }

    pub(crate) fn viewer(&mut self) -> (&mut Viewer, &mut Session) {
        (&mut self.viewer, &mut self.session)
    }

    /// Its subscriptions, in the order they were made.
    pub fn views(&self) -> &[View] {
        &self.viewer.views
    }

    /// Its fetches, in the order they were made.
    pub fn fetches(&self) -> &[FetchView] {
        &self.viewer.fetches
    }

    /// What the relay takes of a track from this peer.
    pub fn demand(&self, track: &FullTrackName) -> Vec<Demand> {
        self.publisher.demand(track)
    }

    /// How many fetches it answered.
    pub fn fetches_served(&self) -> usize {
        self.publisher.fetches_served
    }

    /// What it sent of a track.
    pub(crate) fn sent(&self, track: &FullTrackName) -> impl Iterator<Item = &Location> {
        self.publisher.sent(track)
    }

    /// Since when it has an object, if its session lives.
    pub(crate) fn has_since(&self, track: &FullTrackName, location: Location) -> Option<Instant> {
        let lives = self.closed.is_none();
        lives.then(|| self.publisher.has_since(track, location)).flatten()
    }

    /// Since when it had an object, whether or not its session lives.
    pub(crate) fn had_since(&self, track: &FullTrackName, location: Location) -> Option<Instant> {
        self.publisher.has_since(track, location)
    }

    /// Whether it offered a track by PUBLISH.
    pub(crate) fn offers(&self, track: &FullTrackName) -> bool {
        self.publisher.offers(track)
    }

    /// Whether it serves a track and its session lives.
    pub fn serves(&self, track: &FullTrackName) -> bool {
        self.closed.is_none() && self.publisher.serves(track)
    }
}
