//! One track we receive: its streams, the fetch of its past, its end.

use std::collections::HashMap;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    DatagramHead, Delivery, DoneCode, Fetch, FetchItem, FetchRange, Fill, FullTrackName, GroupId,
    GroupOrder, JoiningStart, LocationFilter, ObjectStatus, Priority, Request, RequestId,
    RequestUpdate, ResetCode, StreamCount, SubgroupHead, SubgroupId, SubgroupIdField, Subscribe,
    SubscribeOk,
};
use sluice_proto::session::{RequestEnd, SessionEvent};
use sluice_proto::transport::{StreamId, Transport};
use sluice_proto::wire::Violation;

use super::merge::{Merge, MergeLimits};
use super::{Join, Owner, Peer, PeerEvent, PeerLimits, SubscriptionKey, refused};
use crate::object::{Object, TrackEnd};

/// An object that is arriving.
struct Partial {
    object: Object,
    bytes_left: u64,
    payload: BytesMut,
}

/// A stream of a subscription.
struct Incoming {
    group: GroupId,
    subgroup: Option<SubgroupId>,
    priority: Option<Priority>,
    is_fetch: bool,
    partial: Option<Partial>,
}

enum End {
    /// Running.
    No,
    /// PUBLISH_DONE came; streams may still be owed until the instant.
    Done { code: DoneCode, reason: String, owed: StreamCount, until: Instant },
}

/// A track we receive.
pub(super) struct Subscription {
    id: RequestId,
    join: Join,
    merge: Merge,
    streams: HashMap<StreamId, Incoming>,
    streams_opened: u64,
    fetch: Option<RequestId>,
    /// Whether there is nothing but the fetch.
    only_past: bool,
    end: End,
    complete: bool,
    track_ended: bool,
}

impl Subscription {
    pub fn new(id: RequestId, join: Join, limits: &PeerLimits) -> Self {
        Self {
            id,
            join,
            merge: Merge::new(MergeLimits {
                wait: limits.group_wait,
                bytes_max: limits.held_bytes_max,
                groups_max: limits.held_groups_max,
                first_wait: limits.first_wait,
            }),
            streams: HashMap::new(),
            streams_opened: 0,
            fetch: None,
            only_past: false,
            end: End::No,
            complete: true,
            track_ended: false,
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let end = match self.end {
            End::No => None,
            End::Done { until, .. } => Some(until),
        };
        end.into_iter().chain(self.merge.deadline()).min()
    }

    pub fn ended(&mut self, end: RequestEnd, now: Instant, limits: &PeerLimits) {
        let (code, reason, owed) = match end {
            RequestEnd::Done(done) => (done.code, done.reason, done.streams),
            RequestEnd::Cancelled(_) | RequestEnd::Lost(_) => {
                self.complete = false;
                let reason = "the request's stream was reset".to_owned();
                (DoneCode::Internal, reason, StreamCount::Unknown)
            }
            RequestEnd::Revoked(error) => {
                self.complete = false;
                (DoneCode::Internal, error.reason, StreamCount::Unknown)
            }
        };
        self.end = End::Done { code, reason, owed, until: now + limits.end_wait };
    }

    /// Something arrived: what else is owed may take its time again.
    fn touch(&mut self, now: Instant, limits: &PeerLimits) {
        if let End::Done { until, .. } = &mut self.end {
            *until = now + limits.end_wait;
        }
    }

    /// The past cannot be had: go on with what is live.
    pub fn fetch_failed(&mut self) {
        self.complete = false;
        self.fetch = None;
    }

    fn is_over(&self, now: Instant) -> bool {
        let End::Done { owed, until, .. } = &self.end else { return false };
        let settled = self.streams.is_empty()
            && self.fetch.is_none()
            && match owed {
                StreamCount::Known(count) => self.streams_opened >= *count,
                StreamCount::Unknown => self.track_ended,
            };
        settled || now >= *until
    }
}

impl Peer {
    pub(super) fn subscribe(
        &mut self,
        key: SubscriptionKey,
        track: FullTrackName,
        join: Join,
        priority: Option<Priority>,
        rendezvous_timeout: Option<std::time::Duration>,
    ) {
        let fills = self.session.dialect().is_some_and(|dialect| dialect.fill);
        let filter = match join {
            Join::CurrentGroup | Join::NextObject => LocationFilter::NextObject,
            Join::NextGroup => LocationFilter::RelativeGroup(0),
            Join::Filter(filter) => filter,
        };
        let current = Fill { filter: Some(LocationFilter::RelativeGroup(1)), ..Fill::default() };
        let fill = (join == Join::CurrentGroup && fills).then_some(current);
        let request =
            Subscribe { track, filter, priority, rendezvous_timeout, fill, ..Subscribe::default() };
        match self.session.request(Request::Subscribe(request)) {
            Ok(id) => {
                self.requests.insert(id, Owner::Subscription(key));
                self.subscriptions.insert(key, Subscription::new(id, join, &self.limits));
            }
            Err(error) => {
                self.events.push_back(PeerEvent::Subscribed(key, Err(refused(&error))));
            }
        }
    }

    pub(super) fn fetch(
        &mut self,
        key: SubscriptionKey,
        track: FullTrackName,
        filter: LocationFilter,
        order: Option<GroupOrder>,
        priority: Option<Priority>,
    ) {
        let range = FetchRange::Standalone(track, filter);
        let request = Fetch { order, priority, ..Fetch::new(range) };
        match self.session.request(Request::Fetch(request)) {
            Ok(id) => {
                self.requests.insert(id, Owner::Past(key));
                let mut past = Subscription::new(id, Join::NextObject, &self.limits);
                (past.fetch, past.only_past) = (Some(id), true);
                self.subscriptions.insert(key, past);
            }
            Err(error) => {
                self.events.push_back(PeerEvent::Fetching(key, Err(refused(&error))));
            }
        }
    }

    pub(super) fn update_subscription(
        &mut self,
        key: SubscriptionKey,
        forward: Option<bool>,
        priority: Option<Priority>,
    ) {
        let Some(subscription) = self.subscriptions.get(&key) else { return };
        let update = RequestUpdate { forward, priority, ..RequestUpdate::default() };
        // A subscription that is just ending needs no change any more.
        let _ = self.session.update(subscription.id, update);
    }

    /// The owner took bytes: reading may go on.
    pub(super) fn taken(&mut self, bytes: usize, now: Instant) {
        let was_paused = self.is_paused();
        self.unread_bytes = self.unread_bytes.saturating_sub(bytes);
        if was_paused && !self.is_paused() {
            for subscription in self.subscriptions.values_mut() {
                subscription.touch(now, &self.limits);
                subscription.merge.resume(now);
            }
        }
    }

    /// The publisher contradicts itself: what it serves is left.
    pub(super) fn malformed(&mut self, id: RequestId, violation: &Violation, now: Instant) {
        let Some(key) = self.subscription_of(id) else { return };
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        subscription.complete = false;
        subscription.end = End::Done {
            code: DoneCode::MalformedTrack,
            reason: violation.to_string(),
            owed: StreamCount::Unknown,
            until: now,
        };
        let id = subscription.id;
        self.requests.remove(&id);
        self.session.cancel(id, ResetCode::MalformedTrack);
    }

    pub(super) fn unsubscribe(&mut self, key: SubscriptionKey) {
        let Some(subscription) = self.subscriptions.remove(&key) else { return };
        self.requests.remove(&subscription.id);
        self.session.cancel(subscription.id, ResetCode::Cancelled);
        if let Some(fetch) = subscription.fetch.filter(|fetch| *fetch != subscription.id) {
            self.requests.remove(&fetch);
            self.session.cancel(fetch, ResetCode::Cancelled);
        }
        for stream in subscription.streams.keys() {
            self.incoming.remove(stream);
        }
    }

    pub(super) fn handle_subscribe_ok(
        &mut self,
        id: RequestId,
        key: SubscriptionKey,
        ok: SubscribeOk,
        now: Instant,
    ) {
        let fills = self.session.dialect().is_some_and(|dialect| dialect.fill);
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        if ok.largest.is_none() {
            subscription.merge.begins_new();
        }
        if let (Join::CurrentGroup, Some(largest)) = (subscription.join, ok.largest) {
            subscription.merge.fetch_begins(largest.group);
            if fills {
                subscription.fetch = Some(id);
            } else {
                let fetch = Fetch::new(FetchRange::Joining(id, JoiningStart::Relative(0)));
                match self.session.request(Request::Fetch(fetch)) {
                    Ok(fetch) => {
                        subscription.fetch = Some(fetch);
                        self.requests.insert(fetch, Owner::JoiningFetch(key));
                    }
                    Err(_) => subscription.complete = false,
                }
            }
        }
        self.events.push_back(PeerEvent::Subscribed(key, Ok(ok)));
        self.release(key, now);
    }

    /// Hands on what waited for a fetch that is over, or long enough.
    fn release(&mut self, key: SubscriptionKey, now: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        let mut out = Vec::new();
        if subscription.fetch.is_none() {
            subscription.merge.fetched(now, &mut out);
        } else {
            subscription.merge.handle_timeout(now, &mut out);
        }
        self.hand_on(key, out);
    }

    fn hand_on(&mut self, key: SubscriptionKey, objects: Vec<Object>) {
        for object in objects {
            self.unread_bytes += object.payload.len();
            if object.status == ObjectStatus::EndOfTrack
                && let Some(subscription) = self.subscriptions.get_mut(&key)
            {
                subscription.track_ended = true;
            }
            self.events.push_back(PeerEvent::Object(key, object));
        }
    }

    pub(super) fn finish_subscriptions(&mut self, now: Instant) {
        if self.is_paused() {
            return;
        }
        let waiting: Vec<SubscriptionKey> = self.subscriptions.keys().copied().collect();
        for key in waiting {
            self.release(key, now);
            if self.subscriptions.get(&key).is_some_and(|subscription| subscription.is_over(now)) {
                self.finish_subscription(key);
            }
        }
    }

    fn finish_subscription(&mut self, key: SubscriptionKey) {
        let mut rest = Vec::new();
        if let Some(subscription) = self.subscriptions.get_mut(&key) {
            subscription.merge.flush(&mut rest);
        }
        self.hand_on(key, rest);
        let Some(subscription) = self.subscriptions.remove(&key) else { return };
        self.session.forget(subscription.id);
        for stream in subscription.streams.keys() {
            self.incoming.remove(stream);
        }
        if let End::Done { code, reason, owed, .. } = subscription.end {
            let all_streams = match owed {
                StreamCount::Known(count) => subscription.streams_opened >= count,
                StreamCount::Unknown => true,
            };
            let complete = subscription.complete
                && all_streams
                && subscription.streams.is_empty()
                && !subscription.merge.has_lost()
                && code == DoneCode::TrackEnded;
            self.events.push_back(PeerEvent::Ended(key, TrackEnd { code, reason, complete }));
        }
    }

    pub(super) fn handle_data(
        &mut self,
        event: SessionEvent,
        transport: &mut dyn Transport,
        now: Instant,
    ) {
        match event {
            SessionEvent::SubgroupOpened { stream, id, head } => {
                self.subgroup_opened(stream, id, &head, now);
            }
            SessionEvent::FetchOpened { stream, id } => self.fetch_opened(stream, id),
            SessionEvent::Object { stream, head } => {
                let Some(key) = self.incoming.get(&stream).copied() else { return };
                let Some(incoming) = self.stream_mut(key, stream) else { return };
                let group = incoming.group;
                let subgroup = *incoming.subgroup.get_or_insert(SubgroupId(head.object.0));
                let object = Object {
                    location: sluice_proto::model::Location { group, object: head.object },
                    delivery: Delivery::Subgroup(subgroup),
                    priority: incoming.priority,
                    properties: head.properties,
                    status: head.status,
                    payload: Bytes::new(),
                };
                self.object_began(key, stream, object, head.payload_bytes, transport, now);
            }
            SessionEvent::FetchItem { stream, item } => {
                let Some(key) = self.incoming.get(&stream).copied() else { return };
                match item {
                    FetchItem::Object(fetched) => {
                        let object = Object {
                            location: fetched.location,
                            delivery: fetched.delivery,
                            priority: Some(fetched.priority),
                            properties: fetched.properties,
                            status: fetched.status,
                            payload: Bytes::new(),
                        };
                        self.object_began(
                            key,
                            stream,
                            object,
                            fetched.payload_bytes,
                            transport,
                            now,
                        );
                    }
                    FetchItem::EndOfRange(_, mark) => {
                        if mark != sluice_proto::model::RangeMark::NonExistent
                            && let Some(subscription) = self.subscriptions.get_mut(&key)
                        {
                            subscription.complete = false;
                        }
                    }
                }
            }
            SessionEvent::Payload { stream, data } => self.payload(stream, &data, now),
            SessionEvent::DataFinished { stream } => self.stream_closed(stream, None, now),
            SessionEvent::DataReset { stream, code } => self.stream_closed(stream, Some(code), now),
            SessionEvent::Datagram { id, head, payload } => self.datagram(id, head, payload),
            _ => {}
        }
    }

    fn subscription_of(&self, id: RequestId) -> Option<SubscriptionKey> {
        match self.requests.get(&id) {
            Some(Owner::Subscription(key) | Owner::JoiningFetch(key) | Owner::Past(key)) => {
                Some(*key)
            }
            // After PUBLISH_DONE the request is gone, but its streams may still arrive.
            _ => self
                .subscriptions
                .iter()
                .find(|(_, subscription)| subscription.id == id)
                .map(|(key, _)| *key),
        }
    }

    fn subgroup_opened(
        &mut self,
        stream: StreamId,
        id: RequestId,
        head: &SubgroupHead,
        now: Instant,
    ) {
        let Some(key) = self.subscription_of(id) else { return };
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        subscription.streams_opened += 1;
        subscription.merge.stream_opened(head.group, now);
        let subgroup = match head.subgroup {
            SubgroupIdField::Id(subgroup) => Some(subgroup),
            SubgroupIdField::FirstObject => None,
        };
        let incoming = Incoming {
            group: head.group,
            subgroup,
            priority: head.priority,
            is_fetch: false,
            partial: None,
        };
        subscription.streams.insert(stream, incoming);
        self.incoming.insert(stream, key);
    }

    fn fetch_opened(&mut self, stream: StreamId, id: RequestId) {
        let Some(key) = self.subscription_of(id) else { return };
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        // A fill is one of the streams that PUBLISH_DONE counts.
        if id == subscription.id {
            subscription.streams_opened += 1;
        }
        let incoming = Incoming {
            group: GroupId(0),
            subgroup: None,
            priority: None,
            is_fetch: true,
            partial: None,
        };
        subscription.streams.insert(stream, incoming);
        self.incoming.insert(stream, key);
    }

    fn stream_mut(&mut self, key: SubscriptionKey, stream: StreamId) -> Option<&mut Incoming> {
        self.subscriptions.get_mut(&key)?.streams.get_mut(&stream)
    }

    fn object_began(
        &mut self,
        key: SubscriptionKey,
        stream: StreamId,
        object: Object,
        payload_bytes: u64,
        transport: &mut dyn Transport,
        now: Instant,
    ) {
        if payload_bytes > self.limits.object_bytes_max {
            self.session.stop_data(transport, stream, ResetCode::ExcessiveLoad);
            self.stream_closed(stream, Some(ResetCode::ExcessiveLoad), now);
            return;
        }
        if payload_bytes == 0 {
            self.object_whole(key, stream, object, now);
        } else if let Some(incoming) = self.stream_mut(key, stream) {
            let payload = BytesMut::new();
            incoming.partial = Some(Partial { object, bytes_left: payload_bytes, payload });
        }
    }

    fn payload(&mut self, stream: StreamId, data: &Bytes, now: Instant) {
        let Some(key) = self.incoming.get(&stream).copied() else { return };
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        subscription.touch(now, &self.limits);
        let Some(incoming) = subscription.streams.get_mut(&stream) else { return };
        if !incoming.is_fetch {
            subscription.merge.progress(incoming.group, now);
        }
        let Some(partial) = &mut incoming.partial else { return };
        partial.payload.extend_from_slice(data);
        partial.bytes_left = partial.bytes_left.saturating_sub(data.len() as u64);
        if partial.bytes_left == 0
            && let Some(partial) = incoming.partial.take()
        {
            let object = Object { payload: partial.payload.freeze(), ..partial.object };
            self.object_whole(key, stream, object, now);
        }
    }

    fn object_whole(
        &mut self,
        key: SubscriptionKey,
        stream: StreamId,
        object: Object,
        now: Instant,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        let is_fetch = subscription.streams.get(&stream).is_some_and(|s| s.is_fetch);
        let mut out = Vec::new();
        if is_fetch {
            out.push(object);
        } else {
            subscription.merge.live(object, now, &mut out);
        }
        self.hand_on(key, out);
    }

    fn stream_closed(&mut self, stream: StreamId, reset: Option<ResetCode>, now: Instant) {
        let Some(key) = self.incoming.remove(&stream) else { return };
        let Some(subscription) = self.subscriptions.get_mut(&key) else { return };
        let Some(incoming) = subscription.streams.remove(&stream) else { return };
        subscription.complete &= reset.is_none();
        subscription.touch(now, &self.limits);
        if subscription.only_past {
            subscription.fetch = None;
            subscription.end = End::Done {
                code: DoneCode::TrackEnded,
                reason: "the range ended".to_owned(),
                owed: StreamCount::Known(0),
                until: now,
            };
            let id = subscription.id;
            self.requests.remove(&id);
        } else if incoming.is_fetch {
            if let Some(fetch) = subscription.fetch.take()
                && fetch != subscription.id
            {
                self.requests.remove(&fetch);
            }
            self.release(key, now);
        } else {
            let mut out = Vec::new();
            subscription.merge.stream_closed(incoming.group, now, &mut out);
            self.hand_on(key, out);
        }
    }

    fn datagram(&mut self, id: RequestId, head: DatagramHead, payload: Bytes) {
        let Some(key) = self.subscription_of(id) else { return };
        let object = Object {
            location: head.location,
            delivery: Delivery::Datagram,
            priority: head.priority,
            properties: head.properties,
            status: head.status,
            payload,
        };
        // Datagrams have no stream that says when a group is over: they are handed on at once.
        self.hand_on(key, vec![object]);
    }
}
