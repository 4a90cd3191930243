//! A client without I/O: one session, the tracks it publishes, the subscriptions it holds.
//!
//! Driven like the session under it: [`Peer::handle_transport`] or [`Peer::handle_timeout`], then
//! drain [`Peer::poll_event`], give [`Peer::handle_command`]s, [`Peer::flush`], and sleep until
//! the transport has events or [`Peer::poll_timeout`].
//!
//! State is cut by role: [`publication`] is one track we publish and everyone who takes it,
//! [`outgoing`] one of those takers, [`subscription`] one track we receive, [`merge`] the order
//! in which its objects are handed on, [`watch`] what others publish under a prefix.

mod log;
mod merge;
mod outgoing;
mod publication;
mod subscription;
mod watch;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use sluice_proto::model::{
    FetchOk, FullTrackName, GroupOrder, Interest, LocationFilter, Priority, Publish,
    PublishNamespace, PublishOk, Request, RequestCode, RequestError, RequestId, RequestOk,
    ResetCode, SessionCode, SubscribeOk, TrackNamespace, TrackProperties,
};
use sluice_proto::session::{
    CommandError, ReadProgress, RequestEnd, Response, Session, SessionConfig, SessionEnd,
    SessionEvent,
};
use sluice_proto::transport::{PeerInfo, StreamId, Transport};

use crate::object::{Object, TrackEnd};
use publication::Publication;
use subscription::Subscription;
use watch::Watch;
pub use watch::WatchKey;
pub(crate) use watch::accepted;

/// A track we publish. Chosen by the owner, unique for the life of the peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PublicationKey(pub u64);

/// A track we receive. Chosen by the owner, unique for the life of the peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscriptionKey(pub u64);

/// What a peer keeps at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerLimits {
    /// Groups of a published track kept for subscribers that join later, beyond which the oldest
    /// goes once everyone has it.
    pub groups_retained_max: usize,
    /// Bytes of a published track kept at most: the beginning of a group that grows beyond them is
    /// forgotten once everyone has it.
    pub retained_bytes_max: usize,
    /// Unsent bytes of a published track above which its writer should wait.
    pub backlog_bytes_max: usize,
    /// Received bytes not yet taken by the owner above which the connection is not read.
    pub unread_bytes_max: usize,
    /// A received object larger than this is refused by stopping its stream.
    pub object_bytes_max: u64,
    /// Longest wait for a received group that makes no progress, or does not come, while later
    /// ones are there.
    pub group_wait: Duration,
    /// Wait for the first group of a track of which nothing was published yet, unless it is group 0:
    /// a later group may overtake it.
    pub first_wait: Duration,
    /// Bytes of later groups held back meanwhile; beyond them the earlier one is given up.
    pub held_bytes_max: usize,
    /// Later groups held back, likewise.
    pub held_groups_max: usize,
    /// Wait for streams that a finished track still owes.
    pub end_wait: Duration,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            groups_retained_max: 2,
            retained_bytes_max: 64 << 20,
            backlog_bytes_max: 8 << 20,
            unread_bytes_max: 32 << 20,
            object_bytes_max: 256 << 20,
            group_wait: Duration::from_secs(1),
            first_wait: Duration::from_millis(300),
            held_bytes_max: 32 << 20,
            held_groups_max: 4_096,
            end_wait: Duration::from_secs(2),
        }
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Join {
    /// At the start of the current group: what is past of it is fetched, then objects follow
    /// as they are published, without gap or overlap. With nothing published yet, at the start.
    CurrentGroup,
    /// With the next object.
    NextObject,
    /// With the next group.
    NextGroup,
    /// As the filter says, new objects only.
    Filter(LocationFilter),
}

/// What the owner wants done.
#[derive(Clone, Debug)]
pub enum PeerCommand {
    /// Announce that we serve tracks under this namespace.
    PublishNamespace(TrackNamespace),
    /// Take that back.
    WithdrawNamespace(TrackNamespace),
    /// Begin a track. It is served to whoever subscribes.
    OpenTrack {
        /// Names it from now on.
        key: PublicationKey,
        /// Its name.
        track: FullTrackName,
        /// Its properties.
        properties: TrackProperties,
    },
    /// Offer a track by PUBLISH. What was written before is its past.
    Offer(PublicationKey),
    /// Add an object to a track.
    Write(PublicationKey, Object),
    /// No more objects follow in a group; its streams are finished.
    EndGroup(PublicationKey, sluice_proto::model::GroupId),
    /// No more objects follow: End of Track is sent, then PUBLISH_DONE.
    EndTrack(PublicationKey),
    /// Receive a track.
    Subscribe {
        /// Names it from now on.
        key: SubscriptionKey,
        /// Its name.
        track: FullTrackName,
        /// Where to begin.
        join: Join,
        /// Subscriber priority.
        priority: Option<Priority>,
        /// How long the relay should wait for a publisher, where the draft can say so.
        rendezvous_timeout: Option<Duration>,
    },
    /// Change it. What is `None` stays as it is.
    Update {
        /// Which one.
        key: SubscriptionKey,
        /// Whether objects are wanted now.
        forward: Option<bool>,
        /// Subscriber priority.
        priority: Option<Priority>,
    },
    /// Leave it, or stop fetching.
    Unsubscribe(SubscriptionKey),
    /// Receive a part of a track's past.
    Fetch {
        /// Names it from now on, like a subscription.
        key: SubscriptionKey,
        /// Its name.
        track: FullTrackName,
        /// Which part; without an end, up to the largest object.
        filter: LocationFilter,
        /// Which groups come first.
        order: Option<GroupOrder>,
        /// Subscriber priority.
        priority: Option<Priority>,
    },
    /// Learn what others publish under a prefix.
    Watch {
        /// Names it from now on.
        key: WatchKey,
        /// The prefix; empty for everything.
        prefix: TrackNamespace,
        /// Namespaces, or tracks that are offered.
        interest: Interest,
    },
    /// Learn no more.
    Unwatch(WatchKey),
    /// Receive an offered track, new objects only.
    Accept {
        /// The offer.
        id: RequestId,
        /// Names the subscription from now on.
        key: SubscriptionKey,
    },
    /// Do not receive an offered track.
    Decline(RequestId),
    /// The owner took this many payload bytes of received objects.
    Taken(usize),
    /// End the session.
    Close(SessionCode, String),
}

/// What the owner learns.
#[derive(Clone, PartialEq, Debug)]
pub enum PeerEvent {
    /// Setup is done.
    Ready,
    /// The peer took a namespace, or refused it.
    NamespaceAnswered(TrackNamespace, Result<(), RequestError>),
    /// The peer took an offered track, or refused it.
    OfferAnswered(PublicationKey, Result<(), RequestError>),
    /// How many subscribers that want objects a published track has.
    Demand(PublicationKey, usize),
    /// Unsent bytes of a published track.
    Backlog(PublicationKey, usize),
    /// An ended track has been delivered to everyone who took it.
    Delivered(PublicationKey),
    /// A subscription was accepted, or refused.
    Subscribed(SubscriptionKey, Result<SubscribeOk, RequestError>),
    /// A fetch was accepted, or refused. Its objects and its end come as of a subscription.
    Fetching(SubscriptionKey, Result<FetchOk, RequestError>),
    /// A watch was accepted, or refused, or revoked later.
    Watching(WatchKey, Result<(), RequestError>),
    /// A namespace is published.
    Announced(WatchKey, TrackNamespace),
    /// It is not any more.
    Withdrawn(WatchKey, TrackNamespace),
    /// A track is offered: accept or decline it.
    Offered {
        /// Who may be interested.
        watch: WatchKey,
        /// Names the offer.
        id: RequestId,
        /// What is offered.
        offer: Publish,
    },
    /// An object arrived.
    Object(SubscriptionKey, Object),
    /// A subscription is over.
    Ended(SubscriptionKey, TrackEnd),
    /// The relay wants us gone; the address is empty for the same one.
    Goaway(String),
    /// The session is over.
    Closed(SessionEnd),
}

/// Who a request or a data stream of the session belongs to.
#[derive(Clone, Debug)]
enum Owner {
    Namespace(TrackNamespace),
    Offer(PublicationKey),
    Taker(PublicationKey),
    Subscription(SubscriptionKey),
    JoiningFetch(SubscriptionKey),
    Past(SubscriptionKey),
    Watch(WatchKey),
    /// An offer that the owner has not answered.
    Offered {
        forward: Option<bool>,
    },
    /// A namespace of a watch, in drafts that tell of it by a request.
    Announced(WatchKey, TrackNamespace),
}

/// A client without I/O. See the module documentation.
pub struct Peer {
    session: Session,
    limits: PeerLimits,
    publications: BTreeMap<PublicationKey, Publication>,
    subscriptions: BTreeMap<SubscriptionKey, Subscription>,
    watches: BTreeMap<WatchKey, Watch>,
    requests: HashMap<RequestId, Owner>,
    incoming: HashMap<StreamId, SubscriptionKey>,
    events: VecDeque<PeerEvent>,
    unread_bytes: usize,
}

impl Peer {
    /// A client of the connection that `info` describes.
    pub fn new(config: &SessionConfig, limits: PeerLimits, info: &PeerInfo, now: Instant) -> Self {
        Self {
            session: Session::new(config, info, now),
            limits,
            publications: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            watches: BTreeMap::new(),
            requests: HashMap::new(),
            incoming: HashMap::new(),
            events: VecDeque::new(),
            unread_bytes: 0,
        }
    }

    /// The session, for its facts.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Reads what the connection has, unless the owner is too far behind in taking objects.
    pub fn handle_transport(
        &mut self,
        transport: &mut dyn Transport,
        now: Instant,
    ) -> ReadProgress {
        if self.unread_bytes > self.limits.unread_bytes_max {
            return ReadProgress::More;
        }
        let progress = self.session.handle_transport(transport, now);
        self.handle_session_events(transport, now);
        progress
    }

    /// Whether reading waits for [`PeerCommand::Taken`].
    pub fn is_paused(&self) -> bool {
        self.unread_bytes > self.limits.unread_bytes_max
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, transport: &mut dyn Transport, now: Instant) {
        self.session.handle_timeout(now);
        self.handle_session_events(transport, now);
        self.finish_subscriptions(now);
    }

    /// The next deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let session = self.session.poll_timeout().map(|(at, _)| at);
        // What is not read cannot be late.
        let reading = (!self.is_paused()).then_some(&self.subscriptions);
        let subscriptions = reading.into_iter().flat_map(BTreeMap::values);
        session.into_iter().chain(subscriptions.filter_map(Subscription::deadline)).min()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// Sends what is due: control messages, then objects as far as the connection takes them.
    pub fn flush(&mut self, transport: &mut dyn Transport, now: Instant) {
        self.session.flush(transport, now);
        let Self { session, publications, limits, events, .. } = self;
        let mut ended = Vec::new();
        // What is more urgent goes first when there is not room for all.
        let mut by_priority: Vec<_> = publications.iter_mut().collect();
        by_priority.sort_by_key(|(key, publication)| (publication.priority(), **key));
        for (key, publication) in by_priority {
            publication.pump(session, transport, limits);
            if let Some(backlog) = publication.changed_backlog() {
                events.push_back(PeerEvent::Backlog(*key, backlog));
            }
            if publication.is_delivered() {
                ended.push(*key);
            }
        }
        for key in ended {
            if let Some(publication) = publications.remove(&key) {
                publication.done(session);
            }
            events.push_back(PeerEvent::Delivered(key));
        }
        self.session.flush(transport, now);
    }

    /// Does what the owner wants. A command that the session cannot carry out becomes an event.
    pub fn handle_command(&mut self, command: PeerCommand, now: Instant) {
        match command {
            PeerCommand::PublishNamespace(namespace) => self.publish_namespace(namespace),
            PeerCommand::WithdrawNamespace(namespace) => self.withdraw_namespace(&namespace),
            PeerCommand::OpenTrack { key, track, properties } => {
                let alias = self.session.next_alias();
                self.publications.insert(key, Publication::new(track, alias, properties));
            }
            PeerCommand::Offer(key) => self.offer(key),
            PeerCommand::Write(key, object) => {
                if let Some(publication) = self.publications.get_mut(&key) {
                    publication.write(object);
                }
            }
            PeerCommand::EndGroup(key, group) => {
                if let Some(publication) = self.publications.get_mut(&key) {
                    publication.end_group(group);
                }
            }
            PeerCommand::EndTrack(key) => {
                if let Some(publication) = self.publications.get_mut(&key) {
                    publication.end();
                }
            }
            PeerCommand::Subscribe { key, track, join, priority, rendezvous_timeout } => {
                self.subscribe(key, track, join, priority, rendezvous_timeout);
            }
            PeerCommand::Update { key, forward, priority } => {
                self.update_subscription(key, forward, priority);
            }
            PeerCommand::Unsubscribe(key) => self.unsubscribe(key),
            PeerCommand::Fetch { key, track, filter, order, priority } => {
                self.fetch(key, track, filter, order, priority);
            }
            PeerCommand::Watch { key, prefix, interest } => self.watch(key, prefix, interest),
            PeerCommand::Unwatch(key) => self.unwatch(key),
            PeerCommand::Accept { id, key } => self.accept(id, key),
            PeerCommand::Decline(id) => self.decline(id),
            PeerCommand::Taken(bytes) => self.taken(bytes, now),
            PeerCommand::Close(code, reason) => self.session.close(code, &reason),
        }
        self.finish_subscriptions(now);
    }

    fn publish_namespace(&mut self, namespace: TrackNamespace) {
        let request = PublishNamespace { namespace: namespace.clone(), tokens: Vec::new() };
        match self.session.request(Request::PublishNamespace(request)) {
            Ok(id) => {
                self.requests.insert(id, Owner::Namespace(namespace));
            }
            Err(error) => {
                let error = refused(&error);
                self.events.push_back(PeerEvent::NamespaceAnswered(namespace, Err(error)));
            }
        }
    }

    fn withdraw_namespace(&mut self, namespace: &TrackNamespace) {
        let id = self.requests.iter().find_map(|(id, owner)| match owner {
            Owner::Namespace(published) if published == namespace => Some(*id),
            _ => None,
        });
        if let Some(id) = id {
            self.requests.remove(&id);
            self.session.cancel(id, ResetCode::Cancelled);
        }
    }

    fn offer(&mut self, key: PublicationKey) {
        let Some(publication) = self.publications.get_mut(&key) else { return };
        match self.session.request(Request::Publish(publication.offer())) {
            Ok(id) => {
                self.requests.insert(id, Owner::Offer(key));
                publication.offered(id);
            }
            Err(error) => {
                self.events.push_back(PeerEvent::OfferAnswered(key, Err(refused(&error))));
            }
        }
    }

    fn handle_session_events(&mut self, transport: &mut dyn Transport, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            self.handle_session_event(event, transport, now);
        }
        self.finish_subscriptions(now);
    }

    fn handle_session_event(
        &mut self,
        event: SessionEvent,
        transport: &mut dyn Transport,
        now: Instant,
    ) {
        match event {
            SessionEvent::Ready(_) => self.events.push_back(PeerEvent::Ready),
            SessionEvent::Request { id, request } => self.handle_request(id, request),
            SessionEvent::Update { id, update_id, update } => {
                let result = self.handle_update(id, update_id, &update);
                self.session.answer_update(id, update_id, result);
            }
            SessionEvent::UpdateLapsed { id, update_id } => {
                let error = RequestError::new(RequestCode::Timeout, "it came too early");
                self.session.answer_update(id, update_id, Err(error));
            }
            SessionEvent::Ended { id, end } => self.handle_end(id, end, now),
            SessionEvent::Response { id, response } => self.handle_response(id, response, now),
            SessionEvent::Namespace { id, suffix } => self.namespace_news(id, &suffix, false),
            SessionEvent::NamespaceDone { id, suffix } => self.namespace_news(id, &suffix, true),
            SessionEvent::Malformed { id, violation } => self.malformed(id, &violation, now),
            SessionEvent::UpdateResponse { .. }
            | SessionEvent::PublishBlocked { .. }
            | SessionEvent::StateNotify { .. }
            | SessionEvent::StreamsAvailable
            | SessionEvent::DatagramsWritable
            | SessionEvent::OutWritable { .. } => {}
            SessionEvent::OutAcked { stream } => {
                for publication in self.publications.values_mut() {
                    publication.acked(stream);
                }
            }
            SessionEvent::Goaway { goaway, .. } => {
                self.events.push_back(PeerEvent::Goaway(goaway.uri));
            }
            SessionEvent::OutStopped { stream, .. } => {
                for publication in self.publications.values_mut() {
                    publication.stopped(stream);
                }
            }
            SessionEvent::Closed(end) => self.events.push_back(PeerEvent::Closed(end)),
            data => self.handle_data(data, transport, now),
        }
    }

    fn handle_request(&mut self, id: RequestId, request: Request) {
        match request {
            Request::Subscribe(request) => {
                let Some((key, publication)) = self.find_track(&request.track) else {
                    return self.refuse_unknown(id, &request.track);
                };
                let fill = request.fill.clone();
                let ok = publication.subscribed(id, &request);
                self.requests.insert(id, Owner::Taker(key));
                self.session.subscribe_ok(id, ok);
                if let (Some(fill), Some(publication)) = (fill, self.publications.get_mut(&key)) {
                    publication.fill(id, id, &fill);
                }
                self.demand_changed(key);
            }
            Request::TrackStatus(request) => {
                let Some((_, publication)) = self.find_track(&request.track) else {
                    return self.refuse_unknown(id, &request.track);
                };
                let largest = publication.largest();
                let properties = publication.properties().clone();
                self.session.request_ok(id, RequestOk { expires: None, largest, properties });
            }
            Request::Fetch(request) => self.handle_fetch(id, &request),
            Request::Publish(offer) => self.track_offered(id, offer),
            Request::PublishNamespace(published) => {
                self.namespace_published(id, published.namespace);
            }
            Request::SubscribeNamespace(_) => {
                let error = RequestError::new(
                    RequestCode::NotSupported,
                    "this client announces its namespaces by itself",
                );
                self.session.refuse(id, error);
            }
        }
    }

    fn handle_fetch(&mut self, id: RequestId, request: &sluice_proto::model::Fetch) {
        use sluice_proto::model::FetchRange;
        let found = match &request.range {
            FetchRange::Standalone(track, _) => self
                .publications
                .iter()
                .find(|(_, publication)| publication.track() == track)
                .map(|(key, _)| *key),
            FetchRange::Joining(subscription, _) => match self.requests.get(subscription) {
                Some(Owner::Taker(key)) => Some(*key),
                _ => None,
            },
        };
        let Some(publication) = found.and_then(|key| self.publications.get_mut(&key)) else {
            let error = RequestError::new(RequestCode::DoesNotExist, "no such track here");
            return self.session.refuse(id, error);
        };
        match publication.fetch(id, request) {
            Ok(ok) => {
                if let Some(key) = found {
                    self.requests.insert(id, Owner::Taker(key));
                }
                self.session.fetch_ok(id, ok);
            }
            Err(error) => self.session.refuse(id, error),
        }
    }

    fn refuse_unknown(&mut self, id: RequestId, track: &FullTrackName) {
        let reason = format!("{track} is not published here");
        self.session.refuse(id, RequestError::new(RequestCode::DoesNotExist, reason));
    }

    fn find_track(&mut self, track: &FullTrackName) -> Option<(PublicationKey, &mut Publication)> {
        self.publications
            .iter_mut()
            .find(|(_, publication)| publication.track() == track)
            .map(|(key, publication)| (*key, publication))
    }

    fn handle_update(
        &mut self,
        id: RequestId,
        update_id: RequestId,
        update: &sluice_proto::model::RequestUpdate,
    ) -> Result<RequestOk, RequestError> {
        let Some(Owner::Taker(key) | Owner::Offer(key)) = self.requests.get(&id).cloned() else {
            return Ok(RequestOk::default());
        };
        let Some(publication) = self.publications.get_mut(&key) else {
            return Ok(RequestOk::default());
        };
        publication.update(id, update);
        if let Some(fill) = &update.fill {
            publication.fill(id, update_id, fill);
        }
        let largest = publication.largest();
        self.demand_changed(key);
        Ok(RequestOk { largest, ..RequestOk::default() })
    }

    fn demand_changed(&mut self, key: PublicationKey) {
        if let Some(publication) = self.publications.get(&key) {
            self.events.push_back(PeerEvent::Demand(key, publication.demand()));
        }
    }

    fn handle_end(&mut self, id: RequestId, end: RequestEnd, now: Instant) {
        match self.requests.get(&id).cloned() {
            Some(Owner::Taker(key) | Owner::Offer(key)) => {
                self.requests.remove(&id);
                if let Some(publication) = self.publications.get_mut(&key) {
                    publication.left(id);
                }
                self.demand_changed(key);
            }
            Some(Owner::Subscription(key) | Owner::Past(key)) => {
                self.requests.remove(&id);
                let limits = self.limits;
                if let Some(subscription) = self.subscriptions.get_mut(&key) {
                    subscription.ended(end, now, &limits);
                }
            }
            Some(Owner::JoiningFetch(key)) => {
                self.requests.remove(&id);
                if let Some(subscription) = self.subscriptions.get_mut(&key) {
                    subscription.fetch_failed();
                }
            }
            Some(Owner::Watch(key)) => {
                self.requests.remove(&id);
                self.watch_failed(key, revocation(end));
            }
            Some(Owner::Announced(key, namespace)) => {
                self.requests.remove(&id);
                self.events.push_back(PeerEvent::Withdrawn(key, namespace));
            }
            Some(Owner::Namespace(namespace)) => {
                self.requests.remove(&id);
                let error = revocation(end);
                self.events.push_back(PeerEvent::NamespaceAnswered(namespace, Err(error)));
            }
            Some(Owner::Offered { .. }) => {
                self.requests.remove(&id);
            }
            None => {}
        }
    }

    fn handle_response(&mut self, id: RequestId, response: Response, now: Instant) {
        let owner = match &response {
            Response::Error(_) => self.requests.remove(&id),
            _ => self.requests.get(&id).cloned(),
        };
        match (owner, response) {
            (Some(Owner::Namespace(namespace)), Response::Error(error)) => {
                self.events.push_back(PeerEvent::NamespaceAnswered(namespace, Err(error)));
            }
            (Some(Owner::Namespace(namespace)), _) => {
                self.events.push_back(PeerEvent::NamespaceAnswered(namespace, Ok(())));
            }
            (Some(Owner::Offer(key)), response) => self.handle_offer_answer(id, key, response),
            (Some(Owner::Subscription(key)), Response::Subscribe(ok)) => {
                self.handle_subscribe_ok(id, key, ok, now);
            }
            (Some(Owner::Subscription(key)), Response::Error(error)) => {
                self.subscriptions.remove(&key);
                self.events.push_back(PeerEvent::Subscribed(key, Err(error)));
            }
            (Some(Owner::Past(key)), Response::Fetch(ok)) => {
                self.events.push_back(PeerEvent::Fetching(key, Ok(ok)));
            }
            (Some(Owner::Past(key)), Response::Error(error)) => {
                self.subscriptions.remove(&key);
                self.events.push_back(PeerEvent::Fetching(key, Err(error)));
            }
            (Some(Owner::Watch(key)), Response::Error(error)) => self.watch_failed(key, error),
            (Some(Owner::Watch(key)), _) => {
                self.events.push_back(PeerEvent::Watching(key, Ok(())));
            }
            (Some(Owner::JoiningFetch(key)), Response::Error(_)) => {
                if let Some(subscription) = self.subscriptions.get_mut(&key) {
                    subscription.fetch_failed();
                }
            }
            _ => {}
        }
    }

    fn handle_offer_answer(&mut self, id: RequestId, key: PublicationKey, response: Response) {
        let result = match response {
            Response::Publish(ok) => {
                self.offer_accepted(id, key, &ok);
                Ok(())
            }
            Response::Error(error) => {
                if let Some(publication) = self.publications.get_mut(&key) {
                    publication.left(id);
                }
                Err(error)
            }
            _ => Ok(()),
        };
        self.events.push_back(PeerEvent::OfferAnswered(key, result));
        self.demand_changed(key);
    }

    fn offer_accepted(&mut self, id: RequestId, key: PublicationKey, ok: &PublishOk) {
        let says_all = self.session.dialect().is_some_and(|dialect| dialect.publish_ok_settings);
        if let Some(publication) = self.publications.get_mut(&key) {
            publication.offer_accepted(id, ok, says_all);
        }
    }
}

/// Why the peer took back what it had accepted.
fn revocation(end: RequestEnd) -> RequestError {
    match end {
        RequestEnd::Revoked(error) => error,
        _ => RequestError::new(RequestCode::Internal, "the relay dropped the request"),
    }
}

/// What a refused command says as an error.
fn refused(error: &CommandError) -> RequestError {
    RequestError::new(RequestCode::NotSupported, error.to_string())
}
