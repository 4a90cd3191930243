//! What owners tell a session to do: requests, answers, ends.

use bytes::{Bytes, BytesMut};

use super::inbound::Inbound;
use super::requests::{Entry, Maker, Phase};
use super::{CommandError, REQUEST_ORDER, Response, Session};
use crate::model::{
    DoneCode, FetchOk, FetchRange, FullTrackName, GroupOrder, Interest, LocationFilter,
    PublishDone, PublishNamespace, PublishOk, Request, RequestError, RequestId, RequestKind,
    RequestOk, RequestUpdate, ResetCode, StateNotify, StreamCount, SubscribeOk, TrackAlias,
    TrackName, TrackNamespace, message::clip_reason,
};
use crate::transport::{StreamId, StreamKind, Transport};
use crate::wire::{
    About, Context, InterestForm, Message, MessageStream, NamespaceRef, RequestTransport,
};

/// Ended subscriptions whose late data is told from unknown data; the oldest are forgotten.
const ENDED_ALIASES_MAX: usize = 256;

impl Session {
    /// Makes a request. It is sent when the peer grants credit for it; the answer is a
    /// `Response` event.
    pub fn request(&mut self, request: Request) -> Result<RequestId, CommandError> {
        if self.is_closed() {
            return Err(CommandError::Closed);
        }
        let dialect = self.dialect.filter(|_| self.is_ready()).ok_or(CommandError::NotReady)?;
        let waiting = self.requests.waiting.len();
        if waiting >= self.config.limits.waiting_requests_max {
            return Err(CommandError::TooManyWaiting(waiting));
        }
        if self.speaks_names() {
            return self.request_named(request);
        }
        if let Request::SubscribeNamespace(interest) = &request
            && interest.interest == Interest::Both
            && dialect.interests == InterestForm::Separate
        {
            return self.request_both(interest.clone());
        }
        self.request_one(request, false)
    }

    /// Namespaces and tracks take a request each; the owner sees one.
    fn request_both(
        &mut self,
        both: crate::model::SubscribeNamespace,
    ) -> Result<RequestId, CommandError> {
        let half = |interest| {
            Request::SubscribeNamespace(crate::model::SubscribeNamespace {
                interest,
                ..both.clone()
            })
        };
        let first = self.request_one(half(Interest::Namespaces), false)?;
        let second = self.request_one(half(Interest::Tracks), true)?;
        for (id, twin) in [(first, second), (second, first)] {
            if let Some(entry) = self.requests.get_mut(id) {
                entry.twin = Some(twin);
            }
        }
        Ok(first)
    }

    fn request_one(&mut self, request: Request, hidden: bool) -> Result<RequestId, CommandError> {
        let dialect = self.dialect.ok_or(CommandError::NotReady)?;
        let kind = request.kind();
        let own_stream = dialect.requests == RequestTransport::OwnStream
            || kind == RequestKind::SubscribeNamespace && dialect.namespaces_on_own_stream;
        let context =
            if own_stream { Context::new_request(self.side) } else { Context::control(self.side) };
        let id = self.requests.peek_id();
        let mut bytes = BytesMut::new();
        let mut entry = Entry::new(kind, Maker::Us, Phase::Waiting);
        entry.hidden = hidden;
        self.remember(&request, id, &mut entry);
        dialect.encode(&Message::Request { id, request }, &context, &mut bytes)?;
        let id = self.requests.next_id();
        entry.unsent = Some(bytes.freeze());
        self.requests.insert(id, entry);
        self.requests.waiting.push_back(id);
        Ok(id)
    }

    /// Keeps what later messages about the request need.
    pub(super) fn remember(&mut self, request: &Request, id: RequestId, entry: &mut Entry) {
        match request {
            Request::Subscribe(subscribe) => {
                entry.track = Some(subscribe.track.clone());
                entry.settings.filter = subscribe.filter;
                entry.settings.priority = subscribe.priority.unwrap_or_default();
                entry.settings.forward = subscribe.forward.unwrap_or(true);
                if let Some(fill) = &subscribe.fill {
                    let order = fill.order.or(subscribe.order).unwrap_or_default();
                    self.fetches_in.insert(id, (id, order));
                }
            }
            Request::Publish(publish) => {
                entry.track = Some(publish.track.clone());
                entry.alias = Some(publish.alias);
                entry.settings.largest = publish.largest;
            }
            Request::Fetch(fetch) => {
                entry.order = fetch.order.unwrap_or_default();
                self.fetches_in.insert(id, (id, entry.order));
                if let FetchRange::Standalone(track, filter) = &fetch.range {
                    entry.track = Some(track.clone());
                    entry.settings.filter = *filter;
                }
            }
            Request::TrackStatus(status) => entry.track = Some(status.track.clone()),
            Request::PublishNamespace(publish) => {
                entry.namespace = Some(publish.namespace.clone());
            }
            Request::SubscribeNamespace(subscribe) => {
                entry.namespace = Some(subscribe.prefix.clone());
                entry.interest = Some(subscribe.interest);
            }
        }
    }

    /// Changes a request of ours, or a subscription that the peer offered by PUBLISH.
    pub fn update(
        &mut self,
        id: RequestId,
        mut update: RequestUpdate,
    ) -> Result<RequestId, CommandError> {
        let dialect = self.dialect.ok_or(CommandError::NotReady)?;
        let entry = self.requests.get(id).ok_or(CommandError::NotOpen(id))?;
        let answered = dialect.updates_answered;
        let on_control = dialect.requests == RequestTransport::ControlStream;
        let unanswered = entry.updates.len() as u64;
        let max = match self.peer_updates_max {
            0 => u64::from(self.config.limits.updates_max),
            told => told,
        };
        let too_many = unanswered >= max;
        if too_many || on_control && !self.requests.may_send_next() {
            return Err(CommandError::NoCredit);
        }
        let entry = self.requests.get_mut(id).ok_or(CommandError::NotOpen(id))?;
        if !answered && entry.phase != Phase::Open {
            // Its updates repeat where the subscription starts, and that is not known yet.
            return Err(CommandError::NotOpen(id));
        }
        if !answered {
            // A draft whose updates repeat every setting.
            let settings = &mut entry.settings;
            if let Some(filter) = update.filter {
                settings.filter = filter;
            }
            settings.priority = update.priority.unwrap_or(settings.priority);
            settings.forward = update.forward.unwrap_or(settings.forward);
            let (start, end) = settings.filter.resolve(settings.largest);
            update.filter = Some(match end {
                Some(end) => LocationFilter::Range(start, end),
                None => LocationFilter::From(start),
            });
            update.priority = Some(settings.priority);
            update.forward = Some(settings.forward);
        }
        let fill = update.fill.as_ref().map(|fill| fill.order.unwrap_or(GroupOrder::Ascending));
        let update_id = self.requests.peek_id();
        let message = Message::Update { id: update_id, existing: id, update };
        let about = About::Update(self.kind(id)?);
        self.send_on_request(id, &message, about)?;
        let update_id = self.requests.next_id();
        if let Some(order) = fill {
            self.fetches_in.insert(update_id, (id, order));
        }
        if answered && let Some(entry) = self.requests.get_mut(id) {
            entry.updates.push_back(update_id);
        }
        Ok(update_id)
    }

    /// Ends a request of ours, leaves a track that the peer offered, or withdraws a namespace.
    /// Nothing more is heard of it.
    pub fn cancel(&mut self, id: RequestId, code: ResetCode) {
        let Some(dialect) = self.dialect else { return };
        if self.speaks_names() {
            return self.cancel_named(id);
        }
        let Some(entry) = self.requests.get_mut(id) else { return };
        if entry.phase == Phase::Waiting {
            entry.cancelled = true;
            entry.phase = Phase::Over;
            // Ids of one stream have no gaps: it is sent and taken back. On a stream of its own
            // it is never sent.
            if dialect.requests == RequestTransport::OwnStream {
                self.requests.waiting.retain(|waiting| *waiting != id);
                self.retire(id);
            }
            return;
        }
        let twin = entry.twin.take();
        if entry.stream.is_some() {
            entry.phase = Phase::Over;
            self.abandon_stream(id, code);
        } else {
            self.send_cancel(id);
        }
        self.retire(id);
        if let Some(twin) = twin {
            if let Some(entry) = self.requests.get_mut(twin) {
                entry.twin = None;
            }
            self.cancel(twin, code);
        }
    }

    fn send_cancel(&mut self, id: RequestId) {
        let Some(dialect) = self.dialect else { return };
        let Some(entry) = self.requests.get(id) else { return };
        let by_name = |name: &Option<TrackNamespace>| match name {
            Some(name) if dialect.ends_by_name(entry.kind) => NamespaceRef::Name(name.clone()),
            _ => NamespaceRef::Request(id),
        };
        let message = match entry.kind {
            RequestKind::Subscribe | RequestKind::Publish => Message::Unsubscribe(id),
            RequestKind::Fetch => Message::FetchCancel(id),
            RequestKind::PublishNamespace => {
                Message::PublishNamespaceDone(by_name(&entry.namespace))
            }
            RequestKind::SubscribeNamespace => {
                Message::UnsubscribeNamespace(by_name(&entry.namespace))
            }
            RequestKind::TrackStatus => return,
        };
        self.send_control(&message);
    }

    /// A number for a track that we publish on this session; never given twice.
    pub fn next_alias(&mut self) -> TrackAlias {
        let alias = TrackAlias(self.next_alias);
        self.next_alias += 1;
        alias
    }

    /// Accepts a SUBSCRIBE.
    pub fn subscribe_ok(&mut self, id: RequestId, ok: SubscribeOk) {
        if let Some(entry) = self.requests.get_mut(id) {
            entry.alias = Some(ok.alias);
            entry.settings.largest = ok.largest;
        }
        self.answer(id, Response::Subscribe(ok));
    }

    /// Accepts a PUBLISH. Where the draft's answer cannot carry settings, an update follows.
    pub fn publish_ok(&mut self, id: RequestId, ok: PublishOk) {
        let Some(dialect) = self.dialect else { return };
        if dialect.publish_ok_settings {
            return self.answer(id, Response::Publish(ok));
        }
        let bare = PublishOk { expires: ok.expires, ..PublishOk::default() };
        self.answer(id, Response::Publish(bare));
        let offered = self.requests.get(id).map(|entry| entry.settings.forward);
        let update = RequestUpdate {
            filter: ok.filter,
            // What PUBLISH said already needs no update.
            forward: ok.forward.filter(|forward| Some(*forward) != offered),
            priority: ok.priority,
            object_timeout: ok.object_timeout,
            subgroup_timeout: ok.subgroup_timeout,
            new_group: ok.new_group,
            range_filters: ok.range_filters,
            ..RequestUpdate::default()
        };
        if update != RequestUpdate::default() {
            // What does not fit the draft was never promised to the owner either.
            let _ = self.update(id, update);
        }
    }

    /// Accepts a FETCH.
    pub fn fetch_ok(&mut self, id: RequestId, ok: FetchOk) {
        self.answer(id, Response::Fetch(ok));
    }

    /// Accepts a namespace request, or answers TRACK_STATUS.
    pub fn request_ok(&mut self, id: RequestId, ok: RequestOk) {
        self.answer(id, Response::Ok(ok));
        if self.kind(id) == Ok(RequestKind::TrackStatus) {
            self.finish_stream(id);
            self.retire(id);
        }
    }

    /// Refuses a request.
    pub fn refuse(&mut self, id: RequestId, mut error: RequestError) {
        error.reason = clip_reason(&error.reason).to_owned();
        self.answer(id, Response::Error(error));
        self.finish_stream(id);
        self.retire(id);
    }

    fn answer(&mut self, id: RequestId, response: Response) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        if entry.maker != Maker::Peer || entry.phase != Phase::Pending {
            debug_assert!(entry.maker == Maker::Peer, "answered a request of our own");
            return;
        }
        entry.phase = Phase::Open;
        let about = About::Request(entry.kind);
        let is_fetch = entry.kind == RequestKind::Fetch;
        let accepted = !matches!(response, Response::Error(_));
        let early = std::mem::take(&mut entry.early_answers);
        let message = Message::Response { id, response };
        let sent = self.send_on_request(id, &message, about);
        if sent.is_ok() && accepted {
            for (update_id, result) in early {
                self.answer_update(id, update_id, result);
            }
        }
        if is_fetch && accepted {
            self.retire_fetch(id);
        }
        if let Err(error) = sent {
            let refusal =
                RequestError::new(crate::model::RequestCode::NotSupported, error.to_string());
            let message = Message::Response { id, response: Response::Error(refusal) };
            let _ = self.send_on_request(id, &message, about);
        }
    }

    /// Answers an update of the peer. Drafts whose updates have no answer send nothing. Before the
    /// answer to the request itself nobody could tell which of the two this is: it waits for that.
    pub fn answer_update(
        &mut self,
        id: RequestId,
        update_id: RequestId,
        result: Result<RequestOk, RequestError>,
    ) {
        if let Some(entry) = self.requests.get_mut(id) {
            if entry.maker == Maker::Peer && entry.phase == Phase::Pending {
                return entry.early_answers.push((update_id, result));
            }
            entry.updates.retain(|waiting| *waiting != update_id);
        }
        self.send_update_answer(id, update_id, result);
    }

    pub(super) fn send_update_answer(
        &mut self,
        id: RequestId,
        update_id: RequestId,
        result: Result<RequestOk, RequestError>,
    ) {
        let Some(dialect) = self.dialect.filter(|dialect| dialect.updates_answered) else { return };
        let Ok(kind) = self.kind(id) else { return };
        let response = match result {
            Ok(ok) => Response::Ok(ok),
            Err(error) => Response::Error(error),
        };
        // On a stream of its own the answer needs no id; else it has the update's.
        let answered = match dialect.requests {
            RequestTransport::OwnStream => id,
            RequestTransport::ControlStream => update_id,
        };
        let message = Message::Response { id: answered, response };
        let _ = self.send_on_request(id, &message, About::Update(kind));
    }

    /// Ends a subscription that we publish to. Said once all its data streams are finished or
    /// reset; the stream count is filled in.
    pub fn publish_done(&mut self, id: RequestId, code: DoneCode, reason: &str) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        if !entry.is_publisher() || entry.done.is_some() {
            return;
        }
        entry.done = Some((code, clip_reason(reason).to_owned()));
        self.say_done_if_drained(id);
    }

    pub(super) fn say_done_if_drained(&mut self, id: RequestId) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        if entry.streams_open > 0 || entry.phase == Phase::Over {
            return;
        }
        let Some((code, reason)) = entry.done.clone() else { return };
        entry.phase = Phase::Over;
        let streams = StreamCount::Known(entry.streams_total);
        let about = About::Update(entry.kind);
        let message = Message::PublishDone { id, done: PublishDone { code, streams, reason } };
        let _ = self.send_on_request(id, &message, about);
        self.finish_stream(id);
        self.retire(id);
    }

    /// Nothing more is expected of a subscription that its publisher ended, or of a fetch: its
    /// owner has what was announced, or waits no longer.
    pub fn forget(&mut self, id: RequestId) {
        if self.requests.get(id).is_some_and(|entry| entry.phase == Phase::Over) {
            self.finish_stream(id);
            self.retire(id);
        }
    }

    /// Ends a request of the peer that was accepted, after what is queued for it: a fetch or an
    /// interest whose update was refused. Where requests share a stream there is nothing to say.
    pub fn end_request(&mut self, id: RequestId) {
        self.finish_stream(id);
        self.retire(id);
    }

    /// Takes back the acceptance of a namespace that the peer publishes.
    pub fn revoke(&mut self, id: RequestId, error: RequestError) {
        let Some(dialect) = self.dialect else { return };
        let Some(entry) = self.requests.get(id) else { return };
        if entry.stream.is_some() {
            self.abandon_stream(id, ResetCode::Cancelled);
        } else {
            let which = match &entry.namespace {
                Some(name) if dialect.ends_by_name(entry.kind) => NamespaceRef::Name(name.clone()),
                _ => NamespaceRef::Request(id),
            };
            let reason = clip_reason(&error.reason).to_owned();
            let code = error.code;
            self.send_control(&Message::PublishNamespaceCancel { which, code, reason });
        }
        self.retire(id);
    }

    /// Announces a namespace to a peer that is interested in its prefix.
    pub fn namespace(&mut self, id: RequestId, suffix: TrackNamespace) {
        let Some(dialect) = self.dialect.filter(|_| self.wants_namespaces(id)) else { return };
        let Some(entry) = self.requests.get(id) else { return };
        if entry.announced.contains_key(&suffix) {
            return;
        }
        let about = About::Update(entry.kind);
        let announcement = if dialect.namespaces_on_own_stream {
            let message = Message::Namespace { suffix: suffix.clone() };
            if self.send_on_request(id, &message, about).is_err() {
                return;
            }
            None
        } else {
            let prefix = entry.namespace.clone().unwrap_or_default();
            let Ok(namespace) = prefix.join(&suffix) else { return };
            let request = PublishNamespace { namespace, tokens: Vec::new() };
            match self.request_one(Request::PublishNamespace(request), true) {
                Ok(request) => Some(request),
                Err(_) => return,
            }
        };
        if let Some(entry) = self.requests.get_mut(id) {
            entry.announced.insert(suffix, announcement);
        }
    }

    /// Takes an announced namespace back.
    pub fn namespace_done(&mut self, id: RequestId, suffix: TrackNamespace) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        let about = About::Update(entry.kind);
        match entry.announced.remove(&suffix) {
            Some(Some(request)) => self.cancel(request, ResetCode::Cancelled),
            Some(None) => {
                let message = Message::NamespaceDone { suffix };
                let _ = self.send_on_request(id, &message, about);
            }
            None => {}
        }
    }

    /// Says that a track will not be offered; drafts that cannot say so stay silent.
    pub fn publish_blocked(&mut self, id: RequestId, suffix: TrackNamespace, name: TrackName) {
        let Ok(kind) = self.kind(id) else { return };
        let message = Message::PublishBlocked { suffix, name };
        let _ = self.send_on_request(id, &message, About::Update(kind));
    }

    /// Tells a subscriber what changed; drafts that cannot say so stay silent.
    pub fn state_notify(&mut self, id: RequestId, notify: StateNotify) {
        let Ok(kind) = self.kind(id) else { return };
        let _ = self.send_on_request(id, &Message::StateNotify { id, notify }, About::Update(kind));
    }

    fn kind(&self, id: RequestId) -> Result<RequestKind, CommandError> {
        self.requests.get(id).map(|entry| entry.kind).ok_or(CommandError::NotOpen(id))
    }

    /// The track of a request, if it names one.
    pub fn track_of(&self, id: RequestId) -> Option<&FullTrackName> {
        self.requests.get(id)?.track.as_ref()
    }

    fn send_control(&mut self, message: &Message) {
        let Some(dialect) = self.dialect.filter(|_| !self.speaks_names()) else { return };
        let mut bytes = BytesMut::new();
        if dialect.encode(message, &Context::control(self.side), &mut bytes).is_ok() {
            self.control.push(bytes.freeze());
        }
    }

    /// Queues a message about a request, wherever the draft sends it.
    fn send_on_request(
        &mut self,
        id: RequestId,
        message: &Message,
        about: About,
    ) -> Result<(), CommandError> {
        let dialect = self.dialect.ok_or(CommandError::NotReady)?;
        if self.speaks_names() {
            return self.say_named(id, message);
        }
        let entry = self.requests.get_mut(id).ok_or(CommandError::NotOpen(id))?;
        let own = entry.stream.is_some() || dialect.requests == RequestTransport::OwnStream;
        let stream = if own { MessageStream::Request(id) } else { MessageStream::Control };
        let context = Context { from: self.side, stream, about: Some(about) };
        let mut bytes = BytesMut::new();
        dialect.encode(message, &context, &mut bytes)?;
        if own {
            entry.outbox.push(bytes.freeze());
            self.dirty.insert(id);
        } else if let Some(unsent) = &mut entry.unsent {
            // The request itself still waits for credit: this goes right behind it.
            let mut joined = BytesMut::from(&unsent[..]);
            joined.extend_from_slice(&bytes);
            *unsent = joined.freeze();
        } else {
            self.control.push(bytes.freeze());
        }
        Ok(())
    }

    /// Nothing more is said on a request's stream.
    pub(super) fn finish_stream(&mut self, id: RequestId) {
        if let Some(entry) = self.requests.get_mut(id)
            && entry.stream.is_some()
        {
            entry.outbox.finish();
            self.dirty.insert(id);
        }
    }

    /// Resets our half of a request's stream and stops the peer's.
    fn abandon_stream(&mut self, id: RequestId, code: ResetCode) {
        let code = self.reset_code(code);
        if let Some(entry) = self.requests.get_mut(id)
            && let Some(stream) = entry.stream
        {
            entry.outbox.clear();
            self.resets.push((stream, code));
            // Once stopped there is nothing more to hear of it.
            self.streams.remove(&stream);
            self.readable.remove(&stream);
        }
    }

    /// Forgets a request. Its outbox lives on until it is written; late data of its track is
    /// told from unknown data.
    pub(super) fn retire(&mut self, id: RequestId) {
        let Some(mut entry) = self.requests.remove(id) else { return };
        self.dirty.remove(&id);
        if let Some(stream) = entry.stream {
            entry.outbox.finish();
            if entry.outbox.queued_bytes() > 0 || entry.outbox.is_finishing() {
                self.leaving.push((stream, std::mem::take(&mut entry.outbox)));
            }
            if matches!(self.streams.get(&stream), Some(Inbound::Request(..))) {
                self.streams.insert(stream, Inbound::Discard);
                self.readable.insert(stream);
                self.lingering_new.push(stream);
            }
        }
        for (_, announcement) in std::mem::take(&mut entry.announced) {
            if let Some(request) = announcement {
                self.cancel(request, ResetCode::Cancelled);
            }
        }
        self.named.forget(id);
        self.fetches_in.remove(&id);
        self.fill_updates.retain(|_, owner| *owner != id);
        if let Some(alias) = entry.alias.filter(|_| entry.is_subscriber())
            && self.aliases_in.get(&alias) == Some(&id)
        {
            self.aliases_in.remove(&alias);
            self.ended_aliases.push_back(alias);
            while self.ended_aliases.len() > ENDED_ALIASES_MAX {
                self.ended_aliases.pop_front();
            }
        }
        self.grant_more(0);
    }

    /// Gives the peer new ids for those it used up, once there are enough of them: `updates` more
    /// for updates, whose ids are free at once.
    pub(super) fn grant_more(&mut self, updates: u64) {
        self.requests.earn(updates);
        if let Some(limit) = self.requests.renewed_grant(self.config.limits.requests_max as usize) {
            self.send_control(&Message::RequestIdLimit(limit));
        }
    }

    /// Sends requests that wait for credit, in order.
    pub(super) fn send_waiting(&mut self, transport: &mut dyn Transport) {
        // Who waits for one answer would take anything else for it.
        while let Some(id) = self.requests.waiting.front().copied()
            && !self.named.owes_announce_answer()
        {
            if !self.requests.may_send(id) {
                return self.say_blocked();
            }
            let Some(entry) = self.requests.get(id) else {
                self.requests.waiting.pop_front();
                continue;
            };
            let own_stream = self.dialect.is_some_and(|dialect| {
                dialect.requests == RequestTransport::OwnStream
                    || entry.kind == RequestKind::SubscribeNamespace
                        && dialect.namespaces_on_own_stream
            });
            if own_stream {
                let Some(stream) = transport.open(StreamKind::Bidi) else { return };
                transport.set_priority(stream, REQUEST_ORDER);
                self.begin_request_stream(id, stream);
            } else {
                self.send_unsent(id);
            }
            self.requests.waiting.pop_front();
        }
        if let Some(stream) = self.control_out {
            self.control.flush(stream, transport);
        }
    }

    fn begin_request_stream(&mut self, id: RequestId, stream: StreamId) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        entry.stream = Some(stream);
        entry.phase = Phase::Pending;
        // Messages queued while it waited stand behind the request.
        let mut queued = std::mem::take(&mut entry.outbox);
        if let Some(unsent) = entry.unsent.take() {
            entry.outbox.push(unsent);
        }
        entry.outbox.append(&mut queued);
        self.dirty.insert(id);
        self.streams.insert(stream, Inbound::Request(id, BytesMut::new()));
        self.readable.insert(stream);
    }

    fn send_unsent(&mut self, id: RequestId) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        let (cancelled, unsent) = (entry.cancelled, entry.unsent.take());
        entry.phase = Phase::Pending;
        self.control.push(unsent.unwrap_or_else(Bytes::new));
        if self.speaks_names() {
            self.note_named_sent(id);
        }
        if cancelled {
            self.send_cancel(id);
            self.retire(id);
        }
    }

    fn say_blocked(&mut self) {
        let limit = self.requests.limit;
        if limit.is_some() && self.requests.blocked_at != limit {
            self.requests.blocked_at = limit;
            self.send_control(&Message::RequestsBlocked(limit.unwrap_or(0)));
        }
    }

    pub(super) fn flush_requests(&mut self, transport: &mut dyn Transport) {
        for (stream, code) in std::mem::take(&mut self.resets) {
            transport.reset(stream, code);
            transport.stop(stream, code);
        }
        let dirty = std::mem::take(&mut self.dirty);
        for id in dirty {
            let Some(entry) = self.requests.get_mut(id) else { continue };
            let Some(stream) = entry.stream else {
                self.dirty.insert(id);
                continue;
            };
            // What a full stream keeps goes at its next Writable.
            entry.outbox.flush(stream, transport);
        }
        self.leaving.retain_mut(|(stream, outbox)| !outbox.flush(*stream, transport));
    }
}
