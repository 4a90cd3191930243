//! What viewers do: SUBSCRIBE, interests, updates, TRACK_STATUS.

use std::time::{Duration, Instant};

use sluice_proto::model::{
    Fill, GroupOrder, Interest, LocationFilter, Priority, Publish, Request, RequestCode,
    RequestError, RequestId, RequestOk, Subscribe, SubscribeNamespace, SubscribeOk, TrackNamespace,
    TrackProperties, TrackStatus,
};
use sluice_proto::session::{CommandError, Response};
use sluice_proto::wire::InterestForm;

use super::publisher::is_reserved;
use super::updates::no_range_filters;
use super::{Role, SessionEntry, Shard, SpreadKey, TimerKey};
use crate::downstream::{Downstream, Phase, Timeouts};
use crate::ids::{Part, RequestKey, ScopeId, SessionKey, TrackId, TrackKey};
use crate::out_stream::Carriage;
use crate::track::Track;

/// What an interest says of the tracks offered in return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub interest: Interest,
    pub forward: bool,
    pub filter: LocationFilter,
    pub priority: Priority,
    pub order: Option<GroupOrder>,
    pub timeouts: Timeouts,
    pub properties: bool,
}

impl SessionEntry {
    /// Whether a prefix overlaps that of another interest of the session. Where namespaces and
    /// tracks are requests of their own, each has its own space (MOQT-18 §10.19, §10.20).
    pub(super) fn has_overlap(
        &self,
        id: RequestId,
        interest: Interest,
        prefix: &TrackNamespace,
    ) -> bool {
        let separate =
            self.session.dialect().is_some_and(|d| d.interests == InterestForm::Separate);
        let same_kind = |other: &RequestId| {
            !separate || self.interests.get(other).is_some_and(|w| w.interest == interest)
        };
        let overlaps = |(other, role): (&RequestId, &Role)| {
            let Role::Interest(of) = role else { return false };
            *other != id && same_kind(other) && (of.is_prefix_of(prefix) || prefix.is_prefix_of(of))
        };
        self.link.is_none() && self.requests.iter().any(overlaps)
    }
}

impl Shard {
    pub(super) fn handle_subscribe(
        &mut self,
        key: SessionKey,
        id: RequestId,
        request: Subscribe,
        now: Instant,
    ) {
        let Some(entry) = self.entry(key) else { return };
        let several = entry.link.is_some()
            || entry.session.dialect().is_some_and(|d| d.several_subscriptions);
        let carriage = Carriage::of(&entry.session);
        let name = self.key_for_taker(key, request.track.clone());
        if let Some(error) = self.refusal_of(key, &name, &request, several) {
            return self.refuse(key, id, error);
        }
        let Some(track_id) = self.track_of(name) else {
            let error = RequestError::new(RequestCode::ExcessiveLoad, "too many tracks");
            return self.refuse(key, id, error);
        };
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        track.linger_until = None;
        let rendezvous = request.rendezvous_timeout.map(|t| t.min(self.limits.rendezvous_max));
        let down = Downstream::asked(request, carriage, &track.store);
        let forward = down.forward;
        let who = Self::request_key(key, id);
        track.downstreams.insert(who, down);
        let first = track.has_one_taker();
        let established = track.is_established() && !track.is_stale();
        let is_behind = track.is_established() && !established;
        let is_ingest = track.key.part == Part::Ingest;
        if let Some(entry) = self.entry_mut(key) {
            entry.requests.insert(id, Role::Downstream(track_id));
        }
        self.touched.insert(track_id);
        // Who wants nothing yet does not make another shard say how far it is: it has to be asked.
        if established || is_behind && !forward && !self.probe(track_id) {
            self.accept_subscribe(who, track_id, now);
            self.update_forward(track_id);
            if first || is_ingest {
                // One publisher is there; viewers shall lose nothing when it goes.
                self.subscribe_upstream(track_id);
            }
            return;
        }
        if is_behind {
            // The other shard says from where it goes on, and that is what the viewer is told.
            self.update_forward(track_id);
            self.subscribe_upstream(track_id);
            return;
        }
        self.await_publisher(who, track_id, rendezvous, now);
    }

    /// Nobody is known to publish what a viewer wants: whoever may is asked, and the viewer waits
    /// for the answer, or for as long as it said.
    fn await_publisher(
        &mut self,
        who: RequestKey,
        track_id: TrackId,
        rendezvous: Option<Duration>,
        now: Instant,
    ) {
        let asked = self.subscribe_upstream(track_id);
        let Some(track) = self.tracks.get(&track_id) else { return };
        let pending = track.is_pending();
        let is_replica = track.key.part == Part::Replica;
        let mut rendezvous = rendezvous.filter(|wait| !wait.is_zero());
        if self.awaits_origin(track_id) {
            rendezvous = rendezvous.max(Some(self.limits.source_hold));
        }
        // A home that waits for a publisher does so for the most patient viewer; an origin is asked
        // again meanwhile.
        let asks_again = is_replica || self.may_ask_origins(track_id);
        if (asked || pending) && !(asks_again && rendezvous.is_some()) {
            return;
        }
        if !(asked || pending || self.is_link(who.session)) {
            self.tell_unpublished(who.session, track_id, rendezvous);
        }
        match rendezvous {
            Some(wait) => {
                if let Some(down) = self.downstream_mut(who, track_id) {
                    down.phase = Phase::Held { until: now + wait };
                }
                self.schedule_retry(track_id, now);
            }
            None => {
                let error = RequestError::new(RequestCode::DoesNotExist, "nobody publishes it");
                self.refuse_downstream(who, track_id, error, now);
            }
        }
    }

    /// Why a SUBSCRIBE is refused at once, if it is.
    fn refusal_of(
        &self,
        key: SessionKey,
        name: &TrackKey,
        request: &Subscribe,
        several: bool,
    ) -> Option<RequestError> {
        if is_reserved(request.track.namespace()) {
            return Some(RequestError::new(RequestCode::DoesNotExist, "a reserved namespace"));
        }
        if self.is_loop(key, name) {
            return Some(Self::loop_refusal());
        }
        if let Err(error) = no_range_filters(&request.range_filters, request.fill.as_ref()) {
            return Some(error);
        }
        let track = self.names.get(name).and_then(|id| self.tracks.get(id))?;
        let twice = !several && track.downstreams.keys().any(|who| who.session == key);
        twice.then(|| {
            RequestError::new(RequestCode::DuplicateSubscription, "subscribed to it already")
        })
    }

    pub(super) fn downstream_mut(
        &mut self,
        who: RequestKey,
        track: TrackId,
    ) -> Option<&mut Downstream> {
        self.tracks.get_mut(&track)?.downstreams.get_mut(&who)
    }

    pub(super) fn refuse_downstream(
        &mut self,
        who: RequestKey,
        track_id: TrackId,
        error: RequestError,
        now: Instant,
    ) {
        if let Some(track) = self.tracks.get_mut(&track_id) {
            track.downstreams.remove(&who);
        }
        self.refuse(who.session, who.request, error);
        self.track_unwanted(track_id, now);
    }

    /// Answers a SUBSCRIBE with what is known of the track, fixed once: where the subscription
    /// starts, where a joining fetch ends, and what a fill covers all come from it.
    pub(super) fn accept_subscribe(&mut self, who: RequestKey, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let largest = track.store.largest();
        let settings = track.properties.settings().unwrap_or_default();
        let Some(filter) = track.downstreams.get(&who).map(|down| down.filter) else { return };
        if let Some(error) = self.filter_fault(who.session, filter, largest) {
            return self.refuse_downstream(who, track_id, error, now);
        }
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let Some(down) = track.downstreams.get_mut(&who) else { return };
        let Some(asked) = down.asked.take() else { return };
        track.new_group.want(asked.new_group);
        down.order = asked.order.or(settings.order).unwrap_or_default();
        match track.key.part {
            Part::Ingest => down.go_live_after(track.left_at, &track.store),
            Part::Home | Part::Replica => down.go_live(&track.store),
        }
        let order = down.order;
        let forward = down.forward;
        let past = down.has_past_in_logs() && down.filter != LocationFilter::NextObject;
        let fill = asked.fill.or(past.then(Fill::default));
        let wants_properties = asked.include_properties.unwrap_or(true);
        let properties =
            if wants_properties { track.properties.clone() } else { TrackProperties::default() };
        let Some(entry) = self.entry_mut(who.session) else { return };
        let alias = entry.session.next_alias();
        let ok = SubscribeOk { alias, expires: None, largest, order: Some(order), properties };
        entry.session.subscribe_ok(who.request, ok);
        self.dirty.insert(who.session);
        if let Some(fill) = fill.filter(|_| forward) {
            self.begin_fill(who, who.request, track_id, &fill, now);
        }
    }

    /// A viewer left, or was refused.
    pub(super) fn downstream_gone(
        &mut self,
        key: SessionKey,
        id: RequestId,
        track_id: TrackId,
        now: Instant,
    ) {
        self.forget(key, id);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let who = Self::request_key(key, id);
        if track.key.part == Part::Ingest {
            track.left_at = track.store.largest();
        }
        if let Some(down) = track.downstreams.remove(&who) {
            self.orphans.extend(
                down.streams.iter().filter_map(|out| out.stream()).map(|stream| (key, stream)),
            );
        }
        let fills: Vec<RequestKey> = track
            .fetches
            .iter()
            .filter(|(of, fetch)| of.session == key && fetch.subscription == Some(id))
            .map(|(of, _)| *of)
            .collect();
        for fill in fills {
            if let Some(fetch) = track.fetches.remove(&fill) {
                self.orphans.extend(fetch.stream.map(|stream| (key, stream)));
            }
        }
        self.update_forward(track_id);
        self.track_unwanted(track_id, now);
    }

    pub(super) fn handle_interest(
        &mut self,
        key: SessionKey,
        id: RequestId,
        request: &SubscribeNamespace,
        _now: Instant,
    ) {
        let max = self.limits.interests_max;
        let Some(entry) = self.entry(key) else { return };
        let Some(dialect) = entry.session.dialect() else { return };
        let default = dialect.interest_says_forward();
        let of_shard = entry.link.is_some();
        let overlaps = entry.has_overlap(id, request.interest, &request.prefix);
        if let Err(error) = no_range_filters(&request.range_filters, None) {
            return self.refuse(key, id, error);
        }
        if overlaps {
            let reason = "this session is interested in an overlapping prefix already";
            let error = RequestError::new(RequestCode::PrefixOverlap, reason);
            return self.refuse(key, id, error);
        }
        if entry.interests.len() >= max && !of_shard {
            let reason = format!("{max} interests of this session");
            let error = RequestError::new(RequestCode::ExcessiveLoad, reason);
            return self.refuse(key, id, error);
        }
        let listing = self.listing_fault(entry.scope, &request.prefix, request.interest);
        if let Some(error) = listing {
            return self.refuse(key, id, error);
        }
        // Where nothing can be said of forwarding, a client that only browses should not be flooded: it
        // asks in its PUBLISH_OK. Elsewhere left out is 1 (MOQT-15 §9.2.1.10).
        let wanted = Wanted {
            interest: request.interest,
            forward: request.forward.unwrap_or(default),
            filter: request.filter.unwrap_or(LocationFilter::NextObject),
            priority: request.priority.unwrap_or_default(),
            order: request.order,
            timeouts: Timeouts {
                object: request.object_timeout,
                subgroup: request.subgroup_timeout,
            },
            properties: request.include_properties.unwrap_or(true),
        };
        let scope = entry.scope;
        let who = Self::request_key(key, id);
        if let Some(entry) = self.entry_mut(key) {
            entry.requests.insert(id, Role::Interest(request.prefix.clone()));
            entry.interests.insert(id, wanted);
        }
        let known = of_shard
            || !request.interest.tracks()
            || self.spread(SpreadKey::Interest(scope, request.prefix.clone()), who);
        if known {
            self.interest_known(who);
        }
    }

    /// Why a prefix cannot be told of, if there is too much under it.
    pub(super) fn listing_fault(
        &self,
        scope: ScopeId,
        prefix: &TrackNamespace,
        interest: Interest,
    ) -> Option<RequestError> {
        if !interest.namespaces() {
            return None;
        }
        let published = self.namespaces.under(scope, prefix);
        let listing: usize = published.iter().map(|name| name.bytes() + 2 * name.len()).sum();
        (listing > self.limits.listing_bytes_max).then(|| {
            let reason = format!("{} namespaces: ask for a longer prefix", published.len());
            RequestError::new(RequestCode::NamespaceTooLarge, reason)
        })
    }

    /// Every shard knows of an interest: it is answered, and told of what there is.
    pub(super) fn interest_known(&mut self, who: RequestKey) {
        let Some(entry) = self.entry_mut(who.session) else { return };
        let scope = entry.scope;
        let Some(Role::Interest(prefix)) = entry.requests.get(&who.request).cloned() else {
            return;
        };
        let Some(interest) = entry.interests.get(&who.request).map(|w| w.interest) else { return };
        entry.session.request_ok(who.request, RequestOk::default());
        self.namespaces.want(scope, &prefix, who, interest);
        self.follow_interests();
        self.tell_interested(who, scope, &prefix, interest);
    }

    /// Tells a new interest of what there is already.
    pub(super) fn tell_interested(
        &mut self,
        who: RequestKey,
        scope: ScopeId,
        prefix: &TrackNamespace,
        interest: Interest,
    ) {
        if interest.namespaces() {
            let mut known = self.namespaces.under(scope, prefix);
            known.retain(|namespace| self.sees_namespace(who.session, scope, namespace));
            for namespace in known {
                let Some(suffix) = namespace.suffix(prefix) else { continue };
                if let Some(entry) = self.entry_mut(who.session) {
                    entry.session.namespace(who.request, suffix);
                }
            }
        }
        if interest.tracks() {
            let of_shard = self.is_link(who.session);
            let offered: Vec<TrackId> = self
                .tracks
                .iter()
                .filter(|(_, track)| {
                    track.key.scope == scope
                        && track.key.part != Part::Ingest
                        && (track.key.part == Part::Home || !of_shard)
                        && prefix.is_prefix_of(track.key.name.namespace())
                        && track.is_offered()
                })
                .map(|(id, _)| *id)
                .collect();
            for track in offered {
                self.offer(who, track);
            }
        }
        self.dirty.insert(who.session);
    }

    pub(super) fn interest_gone(
        &mut self,
        key: SessionKey,
        id: RequestId,
        prefix: &TrackNamespace,
    ) {
        self.forget(key, id);
        let Some(entry) = self.entry_mut(key) else { return };
        entry.interests.remove(&id);
        let scope = entry.scope;
        let who = Self::request_key(key, id);
        self.unspread(&SpreadKey::Interest(scope, prefix.clone()), who);
        self.namespaces.unwant(scope, prefix, who);
        self.follow_interests();
    }

    /// Offers a track that was published to everyone interested in its namespace.
    pub(super) fn offer_to_interested(&mut self, track_id: TrackId) {
        let Some(track) = self.tracks.get(&track_id) else { return };
        let (scope, namespace) = (track.key.scope, track.key.name.namespace().clone());
        let is_home = track.key.part == Part::Home;
        for (who, interest, _) in self.namespaces.interested(scope, &namespace) {
            if interest.tracks() && (is_home || !self.is_link(who.session)) {
                self.offer(who, track_id);
            }
        }
    }

    /// Offers a track to one who is interested, once the largest location is known: that of a
    /// paused track may be known to another shard alone.
    fn offer(&mut self, interest: RequestKey, track_id: TrackId) {
        if self.is_link(interest.session) {
            self.offer_link(interest.session, track_id);
            return;
        }
        if self.tracks.get(&track_id).is_some_and(Track::is_stale) && self.probe(track_id) {
            if let Some(track) = self.tracks.get_mut(&track_id) {
                track.pending_offers.insert(interest);
            }
            return;
        }
        self.offer_viewer(interest, track_id);
    }

    /// Offers a track to those who waited until its largest location was known.
    pub(super) fn offer_pending(&mut self, track_id: TrackId) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        if track.probes > 0 {
            return;
        }
        let mut pending = std::mem::take(&mut track.pending_offers);
        if !track.is_offered() {
            pending.clear();
        }
        for interest in pending {
            self.offer_viewer(interest, track_id);
        }
    }

    fn offer_viewer(&mut self, interest: RequestKey, track_id: TrackId) {
        let session = interest.session;
        let own = self.publishes(session, track_id);
        let comes_from_it = self.is_of_its_relay(session, track_id);
        let Some(track) = self.tracks.get(&track_id) else { return };
        let takes = track.downstreams.keys().any(|who| who.session == session);
        let largest = track.store.largest();
        let facts = track.properties.clone();
        let name = track.key.name.clone();
        let order = track.properties.settings().unwrap_or_default().order.unwrap_or_default();
        let Some(entry) = self.entry_mut(session) else { return };
        let echo = entry.session.dialect().is_some_and(|dialect| dialect.echo_own_tracks);
        if takes || comes_from_it || own && !echo {
            return;
        }
        let Some(wanted) = entry.interests.get(&interest.request).copied() else { return };
        let properties = if wanted.properties { facts } else { TrackProperties::default() };
        let alias = entry.session.next_alias();
        let publish = Publish {
            track: name,
            alias,
            largest,
            forward: Some(wanted.forward),
            order: Some(wanted.order.unwrap_or(order)),
            properties,
            ..Publish::default()
        };
        let id = match entry.session.request(Request::Publish(publish.clone())) {
            Ok(id) => id,
            Err(CommandError::Inexpressible(_)) => return,
            Err(_) => {
                let prefix = match entry.requests.get(&interest.request) {
                    Some(Role::Interest(prefix)) => prefix.clone(),
                    _ => return,
                };
                if let Some(suffix) = publish.track.namespace().suffix(&prefix) {
                    let name = publish.track.name().clone();
                    entry.session.publish_blocked(interest.request, suffix, name);
                }
                return;
            }
        };
        entry.requests.insert(id, Role::Downstream(track_id));
        let carriage = Carriage::of(&entry.session);
        self.dirty.insert(session);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let mut down = Downstream::new(Phase::Offered, carriage, &track.store);
        down.forward = wanted.forward;
        down.filter = wanted.filter;
        down.priority = wanted.priority;
        down.order = wanted.order.unwrap_or(order);
        down.timeouts = wanted.timeouts;
        // From here on objects are the viewer's, if it takes them.
        down.begin(&track.store);
        track.downstreams.insert(Self::request_key(session, id), down);
        track.linger_until = None;
        self.touched.insert(track_id);
        if self.tracks.get(&track_id).is_some_and(Track::has_one_taker) {
            self.subscribe_upstream(track_id);
        }
    }

    /// A viewer answered our PUBLISH.
    pub(super) fn offer_answered(
        &mut self,
        key: SessionKey,
        id: RequestId,
        track_id: TrackId,
        response: Response,
        now: Instant,
    ) {
        let who = Self::request_key(key, id);
        match response {
            Response::Publish(ok) => {
                let dialect = self.entry(key).and_then(|entry| entry.session.dialect());
                let says_all = dialect.is_some_and(|dialect| dialect.publish_ok_settings);
                let Some(track) = self.tracks.get_mut(&track_id) else { return };
                let Some(down) = track.downstreams.get_mut(&who) else { return };
                let flowed = down.forward;
                track.new_group.want(ok.new_group);
                // MOQT-18 §10.2.12: left out it is 1, where it can be said.
                down.forward = ok.forward.unwrap_or(says_all || flowed);
                down.priority = ok.priority.unwrap_or(down.priority);
                down.order = ok.order.unwrap_or(down.order);
                down.timeouts = down.timeouts.updated(ok.object_timeout, ok.subgroup_timeout);
                let mut cut = Vec::new();
                if down.phase == Phase::Offered {
                    down.phase = Phase::Live;
                    if !down.forward || !flowed {
                        cut.extend(down.take_streams());
                        down.begin(&track.store);
                    }
                    if let Some(filter) = ok.filter {
                        cut.extend(down.refilter(filter, &track.store));
                    }
                }
                self.orphans.extend(cut.into_iter().map(|stream| (key, stream)));
                self.dirty.insert(key);
                self.update_forward(track_id);
            }
            _ => self.downstream_gone(key, id, track_id, now),
        }
    }

    pub(super) fn handle_track_status(
        &mut self,
        key: SessionKey,
        id: RequestId,
        request: &TrackStatus,
        now: Instant,
    ) {
        let name = self.key_for_taker(key, request.track.clone());
        let who = Self::request_key(key, id);
        if name.part == Part::Replica {
            return self.ask_status(who, request);
        }
        let known = self.names.get(&name).copied();
        let established = known.and_then(|id| self.tracks.get(&id)).filter(|t| t.is_established());
        if established.is_some_and(|track| !track.is_stale()) {
            return self.answer_status(who, known);
        }
        let is_known = established.is_some();
        if self.is_loop(key, &name) {
            return self.refuse(key, id, Self::loop_refusal());
        }
        let published = !self.namespaces.publishers(name.scope, name.name.namespace()).is_empty()
            || self.has_origin(name.name.namespace());
        let track = if is_known || published { self.track_of(name) } else { None };
        let Some(track_id) = track else {
            let error = RequestError::new(RequestCode::DoesNotExist, "nobody publishes it");
            return self.refuse(key, id, error);
        };
        if let Some(track) = self.tracks.get_mut(&track_id) {
            track.pending_status.push(who);
        }
        if let Some(entry) = self.entry_mut(key) {
            entry.requests.insert(id, Role::Status(track_id));
        }
        if is_known && self.probe(track_id) {
            return;
        }
        if !self.subscribe_upstream(track_id)
            && !self.tracks.get(&track_id).is_some_and(|track| track.is_pending())
        {
            let error = RequestError::new(RequestCode::DoesNotExist, "nobody publishes it");
            self.fail_pending(track_id, &error, now);
        }
    }

    pub(super) fn answer_status(&mut self, who: RequestKey, track: Option<TrackId>) {
        let Some(track) = track.and_then(|id| self.tracks.get(&id)) else { return };
        let ok = RequestOk {
            expires: None,
            largest: track.store.largest(),
            properties: track.properties.clone(),
        };
        self.grant(who, ok);
    }

    /// Sets when time decides about a session's deliveries.
    pub(super) fn set_delivery_timer(&mut self, key: SessionKey, at: Option<Instant>) {
        self.timers.set(TimerKey::Delivery(key), at);
    }
}
