//! Requests that are known by the names in them (draft 01).
//!
//! The rest of the session knows requests by ids. Here each name that arrives gets one, and what is
//! said of an id is said of its name. Deployed peers forgive little, and so:
//!
//! - A publisher hears nothing between its ANNOUNCE and ANNOUNCE_OK, and after it only SUBSCRIBE:
//!   pages stop listening at anything else. So a track that nobody takes any more stays subscribed;
//!   its objects are dropped here, and whoever wants it again has it at once.
//! - A viewer gets exactly one answer to each SUBSCRIBE, also if it sends several for one track, as
//!   a relay does that asks for each of its viewers.
//! - A page that does not know a track or does not like an authorization does not answer. So
//!   SUBSCRIBE has a limit of time, and carries an authorization: that of whoever asks, else the
//!   one that the publisher showed itself.
//! - The end of a subscription, and GOAWAY, are told to pages, which do not mind, but not to a peer
//!   that is both publisher and subscriber: the deployed relay closes the session then.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use super::requests::{Entry, Maker, Phase};
use super::streams::Flow;
use super::{CommandError, Response, Session, SessionEvent};
use crate::model::{
    DoneCode, FullTrackName, GroupOrder, Location, LocationFilter, Priority, PublishDone,
    PublishNamespace, Request, RequestCode, RequestError, RequestId, RequestKind, RequestOk,
    ResetCode, SendOrder, SessionCode, SetupOptions, StreamCount, Subscribe, SubscribeOk, Token,
    TrackAlias, TrackNamespace, TrackProperties, TrackSettings, message::clip_reason,
};
use crate::transport::Side;
use crate::wire::{
    Dialect, Family, Inexpressible, Locations, Message, MessageKind, NAMED_VERSION, NamedKind,
    NamedMessage, NamedViolation, Role,
};

/// How long a viewer waits for a publisher to appear, if the relay lets it: pages ask once and
/// never again.
const RENDEZVOUS: Duration = Duration::from_secs(24 * 3600);

/// Tracks of one publisher that were asked for, those included that nobody takes now. Further
/// ones are not asked for.
const TRACKS_MAX: usize = 4096;

/// What is kept of names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// What the peer is.
    role: Option<Role>,
    /// The program that it is, if it says so: then it reads more than deployed ones do.
    implementation: Option<String>,
    /// Requests of the peer that are open or wait for an answer.
    asked: BTreeMap<Name, Asked>,
    names: BTreeMap<RequestId, Name>,
    /// Tracks of the peer that we asked for.
    tracks: BTreeMap<FullTrackName, PeerTrack>,
    /// SUBSCRIBEs of ours that were sent since the last flush, and until when an answer may come.
    sent: Vec<RequestId>,
    unanswered: Vec<(RequestId, Instant)>,
    /// Objects sent in place of those of a later draft.
    objects_sent: u64,
}

/// What a request is known by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Name {
    Namespace(TrackNamespace),
    Track(FullTrackName),
}

/// A request of the peer.
#[derive(Debug)]
struct Asked {
    id: RequestId,
    /// Answers that are owed.
    owed: u32,
    /// What came with it.
    authorization: Option<Bytes>,
}

/// A track of the peer.
#[derive(Debug, Default)]
struct PeerTrack {
    /// Our subscription, if somebody takes the track.
    id: Option<RequestId>,
    /// Its number on data streams, once the peer accepted.
    track_id: Option<u64>,
}

impl Named {
    /// When the next SUBSCRIBE without an answer is given up.
    pub fn deadline(&self) -> Option<Instant> {
        self.unanswered.iter().map(|(_, until)| *until).min()
    }

    /// Whether SUBSCRIBEs went out that have no limit of time yet.
    pub fn has_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Whether it may be told of ends: a deployed relay closes the session.
    fn hears_of_ends(&self) -> bool {
        self.role != Some(Role::Both) || self.implementation.is_some()
    }

    /// Whether a page waits for ANNOUNCE_OK, and would take anything else for it.
    pub fn owes_announce_answer(&self) -> bool {
        let waits =
            |(name, asked): (&Name, &Asked)| asked.owed > 0 && matches!(name, Name::Namespace(_));
        self.asked.iter().any(waits)
    }

    /// Whether a data stream is of a track that nobody takes now.
    pub fn is_untaken(&self, alias: TrackAlias) -> bool {
        let of = |track: &PeerTrack| track.track_id == Some(alias.0);
        self.tracks.values().find(|track| of(track)).is_some_and(|track| track.id.is_none())
    }

    /// A request is over.
    pub fn forget(&mut self, id: RequestId) {
        if let Some(name) = self.names.remove(&id) {
            self.asked.remove(&name);
        }
        self.unanswered.retain(|(waiting, _)| *waiting != id);
        self.sent.retain(|sent| *sent != id);
        for track in self.tracks.values_mut().filter(|track| track.id == Some(id)) {
            track.id = None;
        }
    }

    /// A number of ours for the next object that came without one.
    pub fn next_send_order(&mut self, priority: Priority) -> SendOrder {
        self.objects_sent += 1;
        SendOrder::of_priority(priority, self.objects_sent)
    }
}

// What arrives.

impl Session {
    /// The dialect whose requests are known by names, if it may be spoken.
    pub(super) fn named_dialect(&self) -> Option<&'static Dialect> {
        let mut dialects = self.config.drafts.iter().map(|draft| draft.dialect());
        dialects.find(|dialect| dialect.family == Family::Names)
    }

    /// Whether requests are known by names.
    pub(super) fn speaks_names(&self) -> bool {
        self.dialect.is_some_and(|dialect| dialect.family == Family::Names)
    }

    /// The first bytes of a control stream on which the draft is agreed: whether they can be read.
    pub(super) fn recognise(&mut self, bytes: &[u8]) -> bool {
        let Some(dialect) = self.named_dialect().filter(|_| self.dialect.is_none()) else {
            return true;
        };
        let begins = NamedMessage::begins(bytes);
        if begins == Some(true) {
            self.dialect = Some(dialect);
        }
        begins.is_some()
    }

    pub(super) fn handle_named_bytes(&mut self, buffer: &mut BytesMut, now: Instant) -> Flow {
        loop {
            match NamedMessage::decode(buffer) {
                Ok(Some((message, read))) => {
                    buffer.advance(read);
                    self.reading_bytes = read;
                    self.handle_named(message, now);
                }
                Ok(None) => return Flow::On,
                Err(violation) => self.violated(violation.into()),
            }
            if self.is_closed() {
                return Flow::Hold;
            }
        }
    }

    fn handle_named(&mut self, message: NamedMessage, now: Instant) {
        if let Err(violation) = self.judge_named(&message) {
            return self.violated(violation.into());
        }
        let kind = message.kind();
        match message {
            NamedMessage::ClientSetup { versions, role, implementation } => {
                self.named.implementation = implementation;
                self.named_client(&versions, role);
            }
            NamedMessage::ServerSetup { version, role, implementation } => {
                self.named.implementation = implementation;
                self.named_server(version, role);
            }
            NamedMessage::Announce { namespace, authorization } => {
                self.handle_announce(namespace, authorization, now);
            }
            NamedMessage::Subscribe { track, locations, authorization } => {
                self.handle_named_subscribe(track, locations, authorization, now);
            }
            NamedMessage::Unannounce { namespace } => {
                self.peer_ended(kind, &Name::Namespace(namespace));
            }
            NamedMessage::Unsubscribe { track } => self.peer_ended(kind, &Name::Track(track)),
            NamedMessage::SubscribeOk { track, track_id, .. } => {
                self.handle_subscribe_ok(track, track_id);
            }
            NamedMessage::SubscribeError { track, code, reason } => {
                let code = self.fallback_dialect().request_code_of(code, RequestKind::Subscribe);
                let Some(asked) = self.named.tracks.remove(&track) else {
                    return self.nothing_open(kind);
                };
                if let Some(id) = asked.id {
                    self.named_response(id, Response::Error(RequestError::new(code, reason)));
                }
            }
            NamedMessage::SubscribeFin { track, .. } => {
                self.handle_named_end(kind, &track, DoneCode::TrackEnded, String::new(), now);
            }
            NamedMessage::SubscribeRst { track, code, reason, .. } => {
                let code = self.fallback_dialect().done_code_of(code);
                self.handle_named_end(kind, &track, code, reason, now);
            }
            NamedMessage::Goaway { uri } => {
                let goaway = crate::model::Goaway { uri, ..Default::default() };
                self.handle_goaway(goaway, None);
            }
            // We announce nothing.
            NamedMessage::AnnounceOk { .. } | NamedMessage::AnnounceError { .. } => {
                self.nothing_open(kind);
            }
        }
    }

    /// Whether the peer may say this now.
    fn judge_named(&self, message: &NamedMessage) -> Result<(), NamedViolation> {
        use NamedKind as Kind;
        let message = message.kind();
        let setup = match self.side {
            Side::Server => Kind::ClientSetup,
            Side::Client => Kind::ServerSetup,
        };
        if (message == setup) == self.setup.has_received() {
            return Err(NamedViolation::SetupOrder { message });
        }
        let role = self.named.role.unwrap_or(Role::Both);
        let allowed = match message {
            Kind::ClientSetup | Kind::ServerSetup | Kind::Goaway => {
                let of_side = match self.side {
                    Side::Server => message == Kind::ClientSetup,
                    Side::Client => message != Kind::ClientSetup,
                };
                return if of_side { Ok(()) } else { Err(NamedViolation::WrongSide { message }) };
            }
            Kind::Announce
            | Kind::Unannounce
            | Kind::SubscribeOk
            | Kind::SubscribeError
            | Kind::SubscribeFin
            | Kind::SubscribeRst => role.publishes(),
            Kind::AnnounceOk | Kind::AnnounceError | Kind::Subscribe | Kind::Unsubscribe => {
                role.subscribes()
            }
        };
        if allowed { Ok(()) } else { Err(NamedViolation::NotOfRole { message, role }) }
    }

    fn named_client(&mut self, versions: &[u64], role: Option<Role>) {
        if !versions.contains(&NAMED_VERSION) {
            return self.violated(NamedViolation::NoCommonVersion.into());
        }
        let Some(role) = role else {
            return self
                .violated(NamedViolation::NoRole { message: NamedKind::ClientSetup }.into());
        };
        self.named.role = Some(role);
        let role = Some(role.mirrored());
        let told = self.named.implementation.is_some();
        let implementation = self.own_implementation().filter(|_| told);
        self.say(&NamedMessage::ServerSetup { version: NAMED_VERSION, role, implementation });
        self.setup.note_sent();
        self.named_set_up();
    }

    fn named_server(&mut self, version: u64, role: Option<Role>) {
        if version != NAMED_VERSION {
            return self.violated(NamedViolation::UnknownVersion { version }.into());
        }
        let Some(role) = role else {
            return self
                .violated(NamedViolation::NoRole { message: NamedKind::ServerSetup }.into());
        };
        self.named.role = Some(role);
        self.named_set_up();
    }

    fn named_set_up(&mut self) {
        self.setup.note_received();
        let implementation = self.named.implementation.clone();
        let options = SetupOptions { implementation, ..SetupOptions::default() };
        self.events.push_back(SessionEvent::Ready(options));
        self.wake_all_streams();
    }

    fn handle_announce(
        &mut self,
        namespace: TrackNamespace,
        authorization: Option<Bytes>,
        now: Instant,
    ) {
        if namespace.is_empty() {
            let message = NamedKind::Announce;
            self.faulted(NamedViolation::EmptyNamespace { message }.into());
            let (code, reason) = self.named_refusal("an empty namespace");
            return self.say(&NamedMessage::AnnounceError { namespace, code, reason });
        }
        let name = Name::Namespace(namespace.clone());
        if let Some(asked) = self.named.asked.get_mut(&name) {
            // Announced again: what is asked of it goes on.
            asked.authorization = authorization;
            return self.answer_again(&name);
        }
        let id = self.enter_name(name, authorization.clone());
        let tokens = tokens_of(authorization);
        let request = Request::PublishNamespace(PublishNamespace { namespace, tokens });
        self.handle_request_message(Message::Request { id, request }, now);
    }

    fn handle_named_subscribe(
        &mut self,
        track: FullTrackName,
        locations: Locations,
        authorization: Option<Bytes>,
        now: Instant,
    ) {
        let filter = match locations.filter() {
            _ if track.namespace().is_empty() => {
                Err(NamedViolation::EmptyNamespace { message: NamedKind::Subscribe })
            }
            filter => filter,
        };
        let filter = match filter {
            Ok(filter) => filter,
            Err(violation) => {
                self.faulted(violation.into());
                let (code, reason) = self.named_refusal(&violation.to_string());
                return self.say(&NamedMessage::SubscribeError { track, code, reason });
            }
        };
        let name = Name::Track(track.clone());
        if self.named.asked.contains_key(&name) {
            return self.answer_again(&name);
        }
        let id = self.enter_name(name, None);
        let request = Request::Subscribe(Subscribe {
            track,
            filter,
            rendezvous_timeout: Some(RENDEZVOUS),
            tokens: tokens_of(authorization),
            ..Subscribe::default()
        });
        self.handle_request_message(Message::Request { id, request }, now);
    }

    /// Gives a name of the peer an id.
    fn enter_name(&mut self, name: Name, authorization: Option<Bytes>) -> RequestId {
        let id = self.requests.first_unprocessed();
        self.named.names.insert(id, name.clone());
        self.named.asked.insert(name, Asked { id, owed: 1, authorization });
        id
    }

    /// A request for what was asked already gets the same answer, once there is one.
    fn answer_again(&mut self, name: &Name) {
        let Some(asked) = self.named.asked.get_mut(name) else { return };
        let id = asked.id;
        asked.owed = asked.owed.saturating_add(1);
        let Some(entry) = self.requests.get(id).filter(|entry| entry.phase != Phase::Pending)
        else {
            if asked.owed > self.config.limits.requests_max {
                let reason = "too many requests of one name wait for an answer";
                self.close(SessionCode::ProtocolViolation, reason);
            }
            return;
        };
        let response = match (name, entry.alias) {
            (Name::Track(_), Some(alias)) => {
                Response::Subscribe(SubscribeOk { alias, ..SubscribeOk::default() })
            }
            _ => Response::Ok(RequestOk::default()),
        };
        // An accepted request has the bytes for it.
        let _ = self.say_named(id, &Message::Response { id, response });
    }

    /// The peer ended a request of its own.
    fn peer_ended(&mut self, kind: NamedKind, name: &Name) {
        match self.named.asked.get(name).map(|asked| asked.id) {
            Some(id) => self.peer_cancelled(id, ResetCode::Cancelled),
            None => self.nothing_open(kind),
        }
    }

    fn handle_subscribe_ok(&mut self, track: FullTrackName, track_id: u64) {
        let named = &mut self.named;
        let taken = |(name, of): (&FullTrackName, &PeerTrack)| {
            of.track_id == Some(track_id) && *name != track
        };
        if named.tracks.iter().any(taken) {
            return self.violated(NamedViolation::DuplicateTrackId { id: track_id }.into());
        }
        let open = named.tracks.get_mut(&track).filter(|track| track.track_id.is_none());
        let Some(asked) = open else { return self.nothing_open(NamedKind::SubscribeOk) };
        asked.track_id = Some(track_id);
        if let Some(id) = asked.id {
            self.named_response(id, accepted(track_id));
        }
    }

    fn named_response(&mut self, id: RequestId, response: Response) {
        self.named.unanswered.retain(|(waiting, _)| *waiting != id);
        self.handle_response(id, response);
    }

    /// The publisher ended a subscription of ours.
    fn handle_named_end(
        &mut self,
        kind: NamedKind,
        track: &FullTrackName,
        code: DoneCode,
        reason: String,
        now: Instant,
    ) {
        let Some(ended) = self.named.tracks.remove(track) else { return self.nothing_open(kind) };
        if let Some(id) = ended.id {
            let done = PublishDone { code, streams: StreamCount::Unknown, reason };
            self.handle_request_message(Message::PublishDone { id, done }, now);
        }
    }

    fn nothing_open(&mut self, message: NamedKind) {
        self.faulted(NamedViolation::NothingOpen { message }.into());
    }

    fn named_refusal(&self, reason: &str) -> (u64, String) {
        let dialect = self.fallback_dialect();
        let code = dialect.request_code(RequestCode::NotSupported, RequestKind::Subscribe);
        (code, clip_reason(reason).to_owned())
    }

    /// Gives up SUBSCRIBEs without an answer, and answers those of tracks that are subscribed
    /// still.
    pub(super) fn expire_named(&mut self, now: Instant) {
        let due = self.named.unanswered.extract_if(.., |(_, until)| now >= *until);
        let due: Vec<RequestId> = due.map(|(id, _)| id).collect();
        for id in due {
            let track = self.named.tracks.values().find(|track| track.id == Some(id));
            let response = match track.map(|track| track.track_id) {
                Some(Some(track_id)) => accepted(track_id),
                Some(None) => {
                    let reason = "the publisher did not answer SUBSCRIBE";
                    Response::Error(RequestError::new(RequestCode::Timeout, reason))
                }
                None => continue,
            };
            self.handle_response(id, response);
        }
    }
}

// What is said.

impl Session {
    /// CLIENT_SETUP. Who dials may want anything.
    pub(super) fn send_named_setup(&mut self) {
        let versions = vec![NAMED_VERSION];
        let (role, implementation) = (Some(Role::Both), self.own_implementation());
        self.say(&NamedMessage::ClientSetup { versions, role, implementation });
        self.setup.note_sent();
    }

    /// Makes a request. Only SUBSCRIBE of a track under a namespace that the peer announced.
    pub(super) fn request_named(&mut self, request: Request) -> Result<RequestId, CommandError> {
        let Request::Subscribe(subscribe) = &request else {
            return Err(Inexpressible::Message(message_of(request.kind())).into());
        };
        let track = subscribe.track.clone();
        // A server is asked for anything; a client only for what it announced, to the letter.
        let namespace = Name::Namespace(track.namespace().clone());
        let shown = match self.named.asked.get(&namespace) {
            Some(announced) => announced.authorization.clone(),
            None if self.side == Side::Client => None,
            None => return Err(Inexpressible::Message(MessageKind::Subscribe).into()),
        };
        self.make_room_for_track();
        let known = self.named.tracks.get(&track);
        let is_taken = known.is_some_and(|track| track.id.is_some());
        if is_taken || known.is_none() && self.named.tracks.len() >= TRACKS_MAX {
            return Err(CommandError::TooManyWaiting(self.named.tracks.len()));
        }
        let is_subscribed = known.is_some_and(|track| track.track_id.is_some());
        let message = NamedMessage::Subscribe {
            track: track.clone(),
            locations: match subscribe.filter {
                LocationFilter::RelativeGroup(1) => Locations::NEWEST_GROUP,
                // What deployed publishers do whatever they are asked.
                _ => Locations::NEXT_GROUP,
            },
            authorization: authorization_of(&subscribe.tokens).or(shown),
        };
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes)?;
        let id = self.requests.next_id();
        let phase = if is_subscribed { Phase::Pending } else { Phase::Waiting };
        let mut entry = Entry::new(RequestKind::Subscribe, Maker::Us, phase);
        self.remember(&request, id, &mut entry);
        if is_subscribed {
            self.named.sent.push(id);
        } else {
            entry.unsent = Some(bytes.freeze());
            self.requests.waiting.push_back(id);
        }
        self.requests.insert(id, entry);
        self.named.tracks.entry(track).or_default().id = Some(id);
        Ok(id)
    }

    /// Forgets a track that was asked for in vain, if there are too many.
    fn make_room_for_track(&mut self) {
        if self.named.tracks.len() < TRACKS_MAX {
            return;
        }
        let vain = |track: &PeerTrack| track.id.is_none() && track.track_id.is_none();
        let found = self.named.tracks.iter().find(|(_, track)| vain(track));
        if let Some(name) = found.map(|(name, _)| name.clone()) {
            self.named.tracks.remove(&name);
        }
    }

    /// Ends a request of ours. Nothing is said: a page would listen to nothing more.
    pub(super) fn cancel_named(&mut self, id: RequestId) {
        let Some(entry) = self.requests.get(id) else { return };
        if entry.phase == Phase::Waiting {
            self.requests.waiting.retain(|waiting| *waiting != id);
            self.named.tracks.retain(|_, track| track.id != Some(id));
        }
        self.retire(id);
    }

    /// A SUBSCRIBE went out: its answer has a limit of time from the next flush on.
    pub(super) fn note_named_sent(&mut self, id: RequestId) {
        self.named.sent.push(id);
    }

    pub(super) fn flush_named(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.named.sent) {
            let subscribed = |track: &PeerTrack| track.id == Some(id) && track.track_id.is_some();
            let wait = match self.named.tracks.values().any(subscribed) {
                true => Duration::ZERO,
                false => self.config.limits.answer_wait,
            };
            self.named.unanswered.push((id, now + wait));
        }
    }

    /// Says of a name what is said of its id.
    pub(super) fn say_named(
        &mut self,
        id: RequestId,
        message: &Message,
    ) -> Result<(), CommandError> {
        let Some(name) = self.named.names.get(&id).cloned() else {
            return Err(Inexpressible::Message(message.kind()).into());
        };
        let said = match (message, name) {
            (Message::Response { response, .. }, name) => {
                let said = self.named_answer(response, &name)?;
                // All answers that are owed at once: they are the same.
                let asked = self.named.asked.get_mut(&name);
                let owed = asked.map_or(1, |asked| std::mem::take(&mut asked.owed).max(1));
                let mut bytes = BytesMut::new();
                for _ in 0..owed {
                    said.encode(&mut bytes)?;
                }
                self.control.push(bytes.freeze());
                return Ok(());
            }
            (Message::PublishDone { done, .. }, Name::Track(track)) => {
                self.named_done(id, done, track)
            }
            (other, _) => return Err(Inexpressible::Message(other.kind()).into()),
        };
        if self.named.hears_of_ends() {
            self.say(&said);
        }
        Ok(())
    }

    fn named_answer(&self, response: &Response, name: &Name) -> Result<NamedMessage, CommandError> {
        let dialect = self.fallback_dialect();
        Ok(match (response, name.clone()) {
            (Response::Subscribe(ok), Name::Track(track)) => {
                NamedMessage::SubscribeOk { track, track_id: ok.alias.0, expires: 0 }
            }
            (Response::Ok(_), Name::Namespace(namespace)) => NamedMessage::AnnounceOk { namespace },
            (Response::Error(error), Name::Track(track)) => NamedMessage::SubscribeError {
                track,
                code: dialect.request_code(error.code, RequestKind::Subscribe),
                reason: clip_reason(&error.reason).to_owned(),
            },
            (Response::Error(error), Name::Namespace(namespace)) => NamedMessage::AnnounceError {
                namespace,
                code: dialect.request_code(error.code, RequestKind::PublishNamespace),
                reason: clip_reason(&error.reason).to_owned(),
            },
            _ => return Err(Inexpressible::ResponseToNothing.into()),
        })
    }

    fn named_done(&self, id: RequestId, done: &PublishDone, track: FullTrackName) -> NamedMessage {
        let largest = self.requests.get(id).and_then(|entry| entry.settings.largest);
        let Location { group, object } = largest.unwrap_or_default();
        let last = (group.0, object.0);
        match done.code {
            DoneCode::TrackEnded | DoneCode::SubscriptionEnded => {
                NamedMessage::SubscribeFin { track, last }
            }
            code => NamedMessage::SubscribeRst {
                track,
                code: self.fallback_dialect().done_code(code).unwrap_or_default(),
                reason: done.reason.clone(),
                last,
            },
        }
    }

    /// GOAWAY; whether it was said.
    pub(super) fn say_named_goaway(&mut self, uri: String) -> bool {
        let says = self.side == Side::Server && self.named.hears_of_ends();
        if says {
            self.say(&NamedMessage::Goaway { uri });
        }
        says
    }

    fn say(&mut self, message: &NamedMessage) {
        let mut bytes = BytesMut::new();
        if message.encode(&mut bytes).is_ok() {
            self.control.push(bytes.freeze());
        }
    }
}

/// What a SUBSCRIBE_OK means. Publishers of this draft want what is new before what is old.
fn accepted(track_id: u64) -> Response {
    let order = Some(GroupOrder::Descending);
    let settings = TrackSettings { order, ..TrackSettings::default() };
    Response::Subscribe(SubscribeOk {
        alias: TrackAlias(track_id),
        order,
        properties: TrackProperties::from_settings(&settings),
        ..SubscribeOk::default()
    })
}

/// A text that only the two ends understand.
fn tokens_of(authorization: Option<Bytes>) -> Vec<Token> {
    authorization.map(|value| Token::UseValue { kind: 0, value }).into_iter().collect()
}

fn authorization_of(tokens: &[Token]) -> Option<Bytes> {
    tokens.iter().find_map(|token| match token {
        Token::UseValue { kind: 0, value } if !value.is_empty() => Some(value.clone()),
        _ => None,
    })
}

fn message_of(kind: RequestKind) -> MessageKind {
    match kind {
        RequestKind::Subscribe => MessageKind::Subscribe,
        RequestKind::Publish => MessageKind::Publish,
        RequestKind::Fetch => MessageKind::Fetch,
        RequestKind::TrackStatus => MessageKind::TrackStatus,
        RequestKind::PublishNamespace => MessageKind::PublishNamespace,
        RequestKind::SubscribeNamespace => MessageKind::SubscribeNamespace,
    }
}
