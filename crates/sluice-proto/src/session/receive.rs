//! Control messages as they arrive, on the control stream and on requests' own streams.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::dependents::Held;
use super::inbound::Inbound;
use super::requests::{Entry, IdFault, Maker, Phase, REQUEST_COST_BYTES};
use super::streams::Flow;
use super::{RequestEnd, Response, Session, SessionEvent};
use crate::model::{
    FetchRange, Interest, LocationFilter, Request, RequestCode, RequestError, RequestId,
    RequestKind, RequestOk, ResetCode,
};
use crate::transport::{Side, StreamId, Transport};
use crate::wire::{
    About, Context, Field, JoiningFetch, Message, MessageKind, MessageStream, NamespaceRef, Reach,
    RequestTransport, Violation,
};

impl Session {
    pub(super) fn handle_control_bytes(&mut self, buffer: &mut BytesMut, now: Instant) -> Flow {
        if !self.recognise(buffer) {
            return Flow::On;
        }
        if self.speaks_names() {
            return self.handle_named_bytes(buffer, now);
        }
        loop {
            // Before the version is agreed in band, CLIENT_SETUP is framed as in its draft.
            match self.fallback_dialect().split_frame(buffer) {
                Ok(Some((kind, body))) => self.handle_control_message(kind, body, now),
                Ok(None) => return Flow::On,
                Err(violation) => self.violated(violation),
            }
            if self.is_closed() {
                return Flow::Hold;
            }
        }
    }

    fn handle_control_message(&mut self, kind: u64, body: Bytes, now: Instant) {
        let context = Context::control(self.side.peer());
        self.reading_bytes = body.len();
        let decoded = self.decode(kind, body.clone(), &context);
        let message = match decoded {
            Ok(message) => message,
            Err(violation) => return self.control_violated(violation, kind, body),
        };
        self.reading = Some(message.kind());
        match message {
            Message::ClientSetup { .. } | Message::ServerSetup { .. } | Message::Setup(_) => {
                self.handle_setup(message);
            }
            _ if !self.setup.has_received() => {
                self.violated(Violation::SetupOrder { message: message.kind() });
            }
            Message::Goaway(goaway) => self.handle_goaway(goaway, None),
            Message::RequestIdLimit(limit) => self.handle_request_id_limit(limit),
            Message::RequestsBlocked(_) => {}
            message if self.requests_on_control() => self.handle_request_message(message, now),
            message => {
                let message = message.kind();
                self.violated(Violation::MisplacedMessage { message });
            }
        }
    }

    pub(super) fn requests_on_control(&self) -> bool {
        self.fallback_dialect().requests == RequestTransport::ControlStream
    }

    fn decode(&self, kind: u64, body: Bytes, context: &Context) -> Result<Message, Violation> {
        self.fallback_dialect().decode(kind, body, context)
    }

    /// A violation on the control stream. What costs only a request is refused by id.
    fn control_violated(&mut self, violation: Violation, kind: u64, body: Bytes) {
        match (violation.reach(), self.request_head(kind, &body)) {
            (Reach::Request, Some((id, kind))) => self.refuse_unread(id, kind, &violation, None),
            _ => self.violated(violation),
        }
    }

    /// Id and kind of a request whose body makes no sense further on.
    fn request_head(&self, kind: u64, body: &[u8]) -> Option<(RequestId, RequestKind)> {
        let dialect = self.fallback_dialect();
        let kind = dialect.request_kind(kind)?;
        let (id, _) = dialect.integers.read(body).ok()??;
        Some((RequestId(id), kind))
    }

    /// Refuses a request that could not be read.
    fn refuse_unread(
        &mut self,
        id: RequestId,
        kind: RequestKind,
        violation: &Violation,
        stream: Option<(StreamId, BytesMut)>,
    ) {
        if self.take_request(id, kind, stream).is_some() {
            self.faulted(*violation);
            let reason = format!("{violation} ({})", violation.section());
            self.refuse(id, RequestError::new(violation.request_code(), reason));
        }
    }

    fn handle_request_id_limit(&mut self, limit: u64) {
        let previous = self.requests.limit.unwrap_or(0);
        if limit <= previous {
            return self.violated(Violation::RequestLimitNotRaised { limit, before: previous });
        }
        self.requests.limit = Some(limit);
        self.requests.blocked_at = None;
    }

    /// The first message of a bidirectional stream that the peer opened.
    pub(super) fn handle_new_request(
        &mut self,
        stream: StreamId,
        mut buffer: BytesMut,
        _transport: &mut dyn Transport,
        now: Instant,
    ) -> bool {
        if !self.setup.has_received() {
            self.streams.insert(stream, Inbound::NewRequest(buffer));
            return false;
        }
        if self.speaks_names() {
            // MOQT-01 §3.3 has one; deployed peers do not look at others.
            self.streams.insert(stream, Inbound::Discard);
            return true;
        }
        let dialect = self.fallback_dialect();
        let (kind, body) = match dialect.split_frame(&mut buffer) {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                self.streams.insert(stream, Inbound::NewRequest(buffer));
                return true;
            }
            Err(violation) => {
                self.violated(violation);
                return false;
            }
        };
        let context = Context::new_request(self.side.peer());
        self.reading_bytes = body.len();
        self.reading_needs = dialect.needed_request(&body);
        let decoded = dialect.decode(kind, body.clone(), &context);
        self.reading = decoded.as_ref().ok().map(Message::kind);
        match decoded {
            Ok(Message::Request { id, request }) => {
                self.handle_request(id, request, Some((stream, buffer)), now);
                !self.is_closed()
            }
            Ok(other) => {
                self.violated(Violation::MisplacedMessage { message: other.kind() });
                false
            }
            Err(violation) => {
                match (violation.reach(), self.request_head(kind, &body)) {
                    (Reach::Request, Some((id, kind))) => {
                        self.refuse_unread(id, kind, &violation, Some((stream, buffer)));
                    }
                    _ => self.violated(violation),
                }
                !self.is_closed()
            }
        }
    }

    pub(super) fn handle_request_bytes(
        &mut self,
        id: RequestId,
        buffer: &mut BytesMut,
        now: Instant,
    ) -> Flow {
        loop {
            let dialect = self.fallback_dialect();
            let (kind, body) = match dialect.split_frame(buffer) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Flow::On,
                Err(violation) => {
                    self.violated(violation);
                    return Flow::Hold;
                }
            };
            // What ended here may still have messages on their way.
            if let Some(about) = self.about(id) {
                let stream = MessageStream::Request(id);
                let context = Context { from: self.side.peer(), stream, about: Some(about) };
                self.reading_needs = dialect.needed_request(&body);
                let decoded = dialect.decode(kind, body, &context);
                self.reading = decoded.as_ref().ok().map(Message::kind);
                match decoded {
                    Ok(Message::Goaway(goaway)) => self.handle_goaway(goaway, Some(id)),
                    Ok(message) => self.handle_stream_message(id, message, now),
                    Err(violation) => self.violated(violation),
                }
            }
            if self.is_closed() {
                return Flow::Hold;
            }
        }
    }

    /// What the next response on a request's stream answers.
    fn about(&self, id: RequestId) -> Option<About> {
        let entry = self.requests.get(id)?;
        Some(match entry.phase {
            Phase::Waiting | Phase::Pending => About::Request(entry.kind),
            Phase::Open | Phase::Over => About::Update(entry.kind),
        })
    }

    /// A message on the stream of request `id`.
    fn handle_stream_message(&mut self, id: RequestId, message: Message, now: Instant) {
        let first_answer = self.requests.get(id).is_some_and(|entry| {
            entry.maker == Maker::Us
                && entry.phase == Phase::Pending
                && !matches!(message, Message::Response { .. } | Message::Update { .. })
                && entry.kind == RequestKind::SubscribeNamespace
        });
        if first_answer {
            return self.violated(Violation::MisplacedMessage { message: message.kind() });
        }
        match message {
            Message::Namespace { suffix } => {
                if let Some(entry) = self.requests.get_mut(id) {
                    entry.announced.insert(suffix.clone(), None);
                }
                let owner = self.merged(id);
                self.events.push_back(SessionEvent::Namespace { id: owner, suffix });
            }
            Message::NamespaceDone { suffix } => {
                let announced = self.requests.get_mut(id).map(|entry| &mut entry.announced);
                if announced.is_some_and(|announced| announced.remove(&suffix).is_none()) {
                    return self.violated(Violation::NamespaceDoneFirst { id: id.0 });
                }
                let owner = self.merged(id);
                self.events.push_back(SessionEvent::NamespaceDone { id: owner, suffix });
            }
            Message::PublishBlocked { suffix, name } => {
                let owner = self.merged(id);
                self.events.push_back(SessionEvent::PublishBlocked { id: owner, suffix, name });
            }
            Message::Response { response, .. } => self.handle_response(id, response),
            Message::Update { id: update_id, update, .. } => {
                self.handle_update(id, update_id, update, now);
            }
            other => self.handle_request_message(other, now),
        }
    }

    /// A message about a request, named by its id.
    pub(super) fn handle_request_message(&mut self, message: Message, now: Instant) {
        match message {
            Message::Request { id, request } => self.handle_request(id, request, None, now),
            Message::Response { id, response } => self.handle_response(id, response),
            Message::Update { id, existing, update } => {
                self.handle_update(existing, id, update, now);
            }
            Message::PublishDone { id, done } => {
                let Some(entry) = self.requests.get_mut(id).filter(|e| e.is_subscriber()) else {
                    return;
                };
                if entry.peer_done.is_some() {
                    return;
                }
                entry.peer_done = Some(done.clone());
                entry.phase = Phase::Over;
                self.events.push_back(SessionEvent::Ended { id, end: RequestEnd::Done(done) });
                self.finish_stream(id);
            }
            Message::StateNotify { id, notify } => {
                if self.requests.get(id).is_some_and(Entry::is_subscriber) {
                    self.events.push_back(SessionEvent::StateNotify { id, notify });
                } else {
                    let message = MessageKind::PublishStateNotify;
                    self.violated(Violation::MisplacedMessage { message });
                }
            }
            Message::Unsubscribe(id) | Message::FetchCancel(id) => {
                if self.requests.get(id).is_some_and(|entry| entry.phase != Phase::Over) {
                    self.peer_cancelled(id, ResetCode::Cancelled);
                }
            }
            Message::PublishNamespaceDone(which) => {
                if let Some(id) =
                    self.find_namespace(&which, RequestKind::PublishNamespace, Maker::Peer)
                {
                    self.peer_cancelled(id, ResetCode::Cancelled);
                }
            }
            Message::UnsubscribeNamespace(which) => {
                if let Some(id) =
                    self.find_namespace(&which, RequestKind::SubscribeNamespace, Maker::Peer)
                {
                    self.peer_cancelled(id, ResetCode::Cancelled);
                }
            }
            Message::PublishNamespaceCancel { which, code, reason } => {
                let found = self.find_namespace(&which, RequestKind::PublishNamespace, Maker::Us);
                let Some(id) = found else { return };
                let hidden = self.requests.get(id).is_some_and(|entry| entry.hidden);
                self.retire(id);
                if !hidden {
                    let end = RequestEnd::Revoked(RequestError::new(code, reason));
                    self.events.push_back(SessionEvent::Ended { id, end });
                }
            }
            other => self.violated(Violation::MisplacedMessage { message: other.kind() }),
        }
    }

    fn find_namespace(
        &self,
        which: &NamespaceRef,
        kind: RequestKind,
        maker: Maker,
    ) -> Option<RequestId> {
        self.requests
            .iter()
            .find(|(id, entry)| {
                entry.kind == kind
                    && entry.maker == maker
                    && match which {
                        NamespaceRef::Name(name) => entry.namespace.as_ref() == Some(name),
                        NamespaceRef::Request(request) => id == request,
                    }
            })
            .map(|(id, _)| id)
    }

    /// Takes an id of the peer and enters its request; `None` if that closed the session or was
    /// refused here.
    fn take_request(
        &mut self,
        id: RequestId,
        kind: RequestKind,
        stream: Option<(StreamId, BytesMut)>,
    ) -> Option<()> {
        if !self.take_peer_id(id, stream.is_none()) {
            return None;
        }
        let mut entry = Entry::new(kind, Maker::Peer, Phase::Pending);
        // Names and properties live as long as the request, in its message or copied.
        entry.held_bytes = REQUEST_COST_BYTES + 2 * self.reading_bytes;
        if let Some((stream, rest)) = stream {
            entry.stream = Some(stream);
            self.streams.insert(stream, Inbound::Request(id, rest));
            self.readable.insert(stream);
        }
        self.requests.insert(id, entry);
        if self.goaway_sent {
            self.refuse(id, RequestError::new(RequestCode::GoingAway, "this relay is draining"));
            return None;
        }
        if let Some(reason) = self.excess() {
            let mut error = RequestError::new(RequestCode::ExcessiveLoad, reason);
            error.retry_after = Some(std::time::Duration::from_secs(1));
            self.refuse(id, error);
            return None;
        }
        Some(())
    }

    /// What the peer has too much of, its newest request included.
    fn excess(&self) -> Option<String> {
        let (limits, requests) = (&self.config.limits, &self.requests);
        let too_many = |open: usize, max: u32, what: &str| {
            (open > max as usize).then(|| format!("{max} {what} are open"))
        };
        if self.held_bytes() > limits.held_bytes_max {
            return Some(format!("this session holds {} bytes", limits.held_bytes_max));
        }
        too_many(requests.open_peer(), limits.requests_max, "requests")
            .or(too_many(requests.open_tracks(), limits.subscriptions_max, "subscriptions"))
            .or(too_many(requests.open_namespaces(), limits.namespaces_max, "namespace requests"))
    }

    pub(super) fn take_peer_id(&mut self, id: RequestId, on_control: bool) -> bool {
        let dialect = self.fallback_dialect();
        let in_order = on_control && !dialect.namespaces_on_own_stream;
        match self.requests.take_peer_id(id, in_order) {
            Ok(()) => true,
            Err(fault) => {
                let id = id.0;
                self.violated(match fault {
                    IdFault::Parity => Violation::RequestIdParity { id },
                    IdFault::Order { expected } => Violation::RequestIdOrder { id, expected },
                    IdFault::Repeated => Violation::RequestIdRepeated { id },
                    IdFault::TooMany { limit } => Violation::TooManyRequests { id, limit },
                });
                false
            }
        }
    }

    fn handle_request(
        &mut self,
        id: RequestId,
        mut request: Request,
        stream: Option<(StreamId, BytesMut)>,
        now: Instant,
    ) {
        let resolved = self.tokens.resolve(tokens_of(&mut request));
        if self.take_request(id, request.kind(), stream).is_none() {
            return self.dependents.note(id);
        }
        if let Err(violation) = resolved {
            return self.violated(violation);
        }
        match self.reading_needs.filter(|needed| self.is_missing(*needed)) {
            Some(needed) => self.wait_for(needed, id, Held::Request(request), now),
            None => self.enter_request(id, request, now),
        }
    }

    /// Acts on a request of the peer.
    pub(super) fn enter_request(&mut self, id: RequestId, request: Request, now: Instant) {
        let offered = match &request {
            Request::Publish(publish) => Some(publish.alias),
            _ => None,
        };
        if let Some(alias) = offered
            && !self.alias_is_free(alias, id, &request)
        {
            return;
        }
        let Some(entry) = self.requests.get_mut(id) else { return };
        match &request {
            Request::Subscribe(subscribe) => {
                entry.track = Some(subscribe.track.clone());
                entry.settings.filter = subscribe.filter;
                entry.settings.began_next = subscribe.filter == LocationFilter::NextObject;
                entry.settings.forward = subscribe.forward.unwrap_or(true);
            }
            Request::TrackStatus(status) => entry.track = Some(status.track.clone()),
            Request::Publish(publish) => {
                entry.track = Some(publish.track.clone());
                entry.alias = Some(publish.alias);
                entry.settings.forward = publish.forward.unwrap_or(true);
            }
            Request::Fetch(fetch) => {
                entry.order = fetch.order.unwrap_or_default();
                if let FetchRange::Standalone(track, _) = &fetch.range {
                    entry.track = Some(track.clone());
                }
            }
            Request::PublishNamespace(publish) => {
                entry.namespace = Some(publish.namespace.clone());
            }
            Request::SubscribeNamespace(subscribe) => {
                entry.namespace = Some(subscribe.prefix.clone());
                entry.interest = Some(subscribe.interest);
            }
        }
        if let Some(joined) = joined_by(&request) {
            return self.handle_joining_fetch(id, joined, request, now);
        }
        self.tell_request(id, request);
        if let Some(alias) = offered {
            self.alias_known(alias, id);
        }
    }

    /// Tells the owner of a request.
    pub(super) fn tell_request(&mut self, id: RequestId, request: Request) {
        self.events.push_back(SessionEvent::Request { id, request });
        self.dependents.note(id);
    }

    /// A fetch that joins a subscription of the same session, which on a stream of its own it may
    /// have overtaken (MOQT-18 §10.12.2).
    fn handle_joining_fetch(
        &mut self,
        id: RequestId,
        joined: RequestId,
        request: Request,
        now: Instant,
    ) {
        let rule = self.fallback_dialect().joining_fetch;
        if let Some(entry) = self.requests.get(joined)
            && match rule {
                JoiningFetch::OfNextObject => {
                    entry.kind == RequestKind::Subscribe && !entry.settings.began_next
                }
                JoiningFetch::OfForwardingOnly => {
                    entry.kind == RequestKind::Subscribe && !entry.settings.forward
                }
                JoiningFetch::OfForwarding | JoiningFetch::None => false,
            }
        {
            return self.violated(Violation::Joining { id: joined.0 });
        }
        if self.is_missing(joined) {
            return self.wait_for(joined, id, Held::Joining(request), now);
        }
        self.tell_request(id, request);
    }

    /// MOQT-18 §11.1: two live tracks of one publisher cannot share an alias.
    fn alias_is_free(
        &mut self,
        alias: crate::model::TrackAlias,
        id: RequestId,
        request: &Request,
    ) -> bool {
        let track = match request {
            Request::Publish(publish) => Some(&publish.track),
            _ => None,
        };
        self.check_alias(alias, id, track.cloned())
    }

    pub(super) fn check_alias(
        &mut self,
        alias: crate::model::TrackAlias,
        id: RequestId,
        track: Option<crate::model::FullTrackName>,
    ) -> bool {
        let holder = self.aliases_in.get(&alias).filter(|holder| **holder != id);
        let Some(entry) = holder.and_then(|holder| self.requests.get(*holder)) else { return true };
        if entry.phase == Phase::Over || entry.track == track {
            return true;
        }
        self.violated(Violation::DuplicateTrackAlias { alias: alias.0 });
        false
    }

    /// The request that the owner knows an interest by.
    fn merged(&self, id: RequestId) -> RequestId {
        match self.requests.get(id) {
            Some(entry) if entry.hidden => entry.twin.unwrap_or(id),
            _ => id,
        }
    }

    pub(super) fn handle_response(&mut self, id: RequestId, response: Response) {
        // Where responses carry ids, the id may be that of an update.
        if let Some(owner) = self.owner_of_update(id) {
            return self.handle_update_response(owner, id, response);
        }
        let Some(entry) = self.requests.get_mut(id) else { return };
        match entry.phase {
            // Of a request of the peer only our updates are answered: those of a track it offered.
            _ if entry.maker == Maker::Peer => {
                if let Some(update_id) = entry.updates.front().copied() {
                    self.handle_update_response(id, update_id, response);
                }
            }
            Phase::Pending => self.handle_first_response(id, response),
            Phase::Open | Phase::Over => {
                if let Some(update_id) = entry.updates.front().copied() {
                    self.handle_update_response(id, update_id, response);
                }
            }
            Phase::Waiting => {}
        }
    }

    fn owner_of_update(&self, update_id: RequestId) -> Option<RequestId> {
        if self.requests.get(update_id).is_some() {
            return None;
        }
        self.requests.iter().find(|(_, entry)| entry.updates.contains(&update_id)).map(|(id, _)| id)
    }

    fn handle_update_response(&mut self, id: RequestId, update_id: RequestId, response: Response) {
        if let Some(entry) = self.requests.get_mut(id) {
            entry.updates.retain(|waiting| *waiting != update_id);
        }
        let result = match response {
            Response::Ok(ok) => Ok(ok),
            Response::Error(error) => Err(error),
            _ => Ok(RequestOk::default()),
        };
        self.events.push_back(SessionEvent::UpdateResponse { id, update_id, result });
    }

    fn handle_first_response(&mut self, id: RequestId, response: Response) {
        if let Response::Error(error) = &response {
            if self.side == Side::Server
                && error.redirect.as_ref().is_some_and(|redirect| !redirect.uri.is_empty())
            {
                let field = Field::RedirectUri;
                return self.violated(Violation::Redirect { field });
            }
            let hidden = self.requests.get(id).is_some_and(|entry| entry.hidden);
            let twin = self.requests.get(id).and_then(|entry| entry.twin);
            self.retire(id);
            match twin {
                Some(twin) => self.twin_refused(id, twin, hidden, response),
                None if hidden => {}
                None => self.events.push_back(SessionEvent::Response { id, response }),
            }
            return;
        }
        let Some(entry) = self.requests.get_mut(id) else { return };
        entry.phase = Phase::Open;
        if let Response::Fetch(ok) = &response
            && entry.settings.filter.starts_after(ok.end)
        {
            return self.violated(Violation::FetchEndBeforeStart { id: id.0 });
        }
        if let Response::Publish(ok) = &response {
            entry.settings.filter = ok.filter.unwrap_or_default();
        }
        if let Response::Subscribe(ok) = &response {
            entry.alias = Some(ok.alias);
            entry.settings.largest = ok.largest;
            let (alias, track) = (ok.alias, entry.track.clone());
            if !self.check_alias(alias, id, track) {
                return;
            }
            self.events.push_back(SessionEvent::Response { id, response });
            return self.alias_known(alias, id);
        }
        let fetched = entry.kind == RequestKind::Fetch && entry.streams_in > 0;
        if entry.kind == RequestKind::TrackStatus || fetched {
            self.retire(id);
        } else if let Some(twin) = entry.twin {
            return self.twin_accepted(id, twin, response);
        } else if entry.hidden {
            return;
        }
        self.events.push_back(SessionEvent::Response { id, response });
    }

    /// One half of an interest was accepted; the owner hears of it when both are.
    fn twin_accepted(&mut self, id: RequestId, twin: RequestId, response: Response) {
        let both = self.requests.get(twin).is_some_and(|entry| entry.phase == Phase::Open);
        if both {
            let id = self.merged(id);
            self.events.push_back(SessionEvent::Response { id, response });
        }
    }

    /// One half of an interest was refused: the other half goes too.
    fn twin_refused(&mut self, id: RequestId, twin: RequestId, hidden: bool, response: Response) {
        self.cancel(twin, ResetCode::Cancelled);
        let id = if hidden { twin } else { id };
        self.events.push_back(SessionEvent::Response { id, response });
    }

    /// Whether the peer's interest wants namespaces.
    pub(super) fn wants_namespaces(&self, id: RequestId) -> bool {
        let interest = self.requests.get(id).and_then(|entry| entry.interest);
        interest.is_some_and(Interest::namespaces)
    }
}

fn joined_by(request: &Request) -> Option<RequestId> {
    match request {
        Request::Fetch(fetch) => match fetch.range {
            FetchRange::Joining(joined, _) => Some(joined),
            FetchRange::Standalone(..) => None,
        },
        _ => None,
    }
}

fn tokens_of(request: &mut Request) -> &mut Vec<crate::model::Token> {
    match request {
        Request::Subscribe(r) => &mut r.tokens,
        Request::Publish(r) => &mut r.tokens,
        Request::Fetch(r) => &mut r.tokens,
        Request::TrackStatus(r) => &mut r.tokens,
        Request::PublishNamespace(r) => &mut r.tokens,
        Request::SubscribeNamespace(r) => &mut r.tokens,
    }
}
