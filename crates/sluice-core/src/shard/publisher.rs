//! What publishers do: namespaces and offered tracks.

use std::time::Instant;

use sluice_proto::model::{
    Publish, PublishOk, RequestCode, RequestError, RequestId, ResetCode, TrackNamespace,
};

use sluice_proto::wire::RequestTransport;

use super::{Role, Shard, SpreadKey};
use crate::downstream::{Phase, Timeouts};
use crate::ids::{Part, RequestKey, SessionKey, TrackId};
use crate::namespace::Source;
use crate::notice::Notice;
use crate::store::{DeliveryRule, PriorityRule, SourceRules};
use crate::track::{Origin, Upstream};

impl Shard {
    pub(super) fn handle_publish_namespace(
        &mut self,
        key: SessionKey,
        id: RequestId,
        namespace: TrackNamespace,
        now: Instant,
    ) {
        let max = self.limits.namespaces_max;
        let Some(entry) = self.entry_mut(key) else { return };
        if is_reserved(&namespace) {
            let error = RequestError::new(RequestCode::DoesNotExist, "a reserved namespace");
            return self.refuse(key, id, error);
        }
        let of_shard = entry.link.is_some();
        if entry.namespaces >= max && !of_shard {
            let reason = format!("{max} namespaces are published by this session");
            let error = RequestError::new(RequestCode::ExcessiveLoad, reason);
            return self.refuse(key, id, error);
        }
        entry.namespaces += 1;
        let who = Self::request_key(key, id);
        if let Some(origin) = entry.origin {
            return self.accept_origin_namespace(who, origin, namespace);
        }
        entry.requests.insert(id, Role::Namespace(namespace.clone()));
        let scope = entry.scope;
        self.grant_window(key);
        if of_shard || self.spread(SpreadKey::Namespace(scope, namespace.clone(), who), who) {
            self.namespace_known(who);
        }
        self.change_namespace(scope, &namespace, |tree| {
            tree.publish(scope, &namespace, Source::Peer(who));
        });
        // Tracks that someone takes or waits for are asked of the new publisher too.
        let wanted: Vec<TrackId> = self
            .tracks
            .iter()
            .filter(|(_, track)| {
                track.key.scope == scope
                    && track.is_wanted()
                    && namespace.is_prefix_of(track.key.name.namespace())
            })
            .map(|(id, _)| *id)
            .collect();
        for track in wanted {
            self.subscribe_upstream(track);
        }
        let _ = now;
    }

    pub(super) fn namespace_gone(
        &mut self,
        key: SessionKey,
        id: RequestId,
        namespace: &TrackNamespace,
    ) {
        self.forget(key, id);
        let Some(entry) = self.entry_mut(key) else { return };
        entry.namespaces = entry.namespaces.saturating_sub(1);
        let (scope, origin) = (entry.scope, entry.origin);
        let who = Self::request_key(key, id);
        if let Some(origin) = origin {
            return self.origin_untells(origin, namespace);
        }
        self.unspread(&SpreadKey::Namespace(scope, namespace.clone(), who), who);
        self.change_namespace(scope, namespace, |tree| {
            tree.withdraw(scope, namespace, Source::Peer(who));
        });
    }

    pub(super) fn handle_publish(
        &mut self,
        key: SessionKey,
        id: RequestId,
        publish: Publish,
        now: Instant,
    ) {
        if is_reserved(publish.track.namespace()) {
            let error = RequestError::new(RequestCode::DoesNotExist, "a reserved namespace");
            return self.refuse(key, id, error);
        }
        if let Some(kind) = publish.properties.mandatory() {
            let reason = format!("track property {kind:#x} must be understood and is not");
            let error = RequestError::new(RequestCode::UnsupportedExtension, reason);
            return self.refuse(key, id, error);
        }
        let origin = self.entry(key).and_then(|entry| entry.origin);
        let origin = origin.and_then(|id| self.origins.get(id));
        if origin.is_some_and(|origin| !origin.offers(publish.track.namespace())) {
            let error = RequestError::new(RequestCode::Uninterested, "not of this origin");
            return self.refuse(key, id, error);
        }
        let origin_priority = origin.map(|origin| origin.terms.priority);
        let name = self.key_for_publisher(key, publish.track.clone());
        let part = name.part;
        let Some(track_id) = self.track_of(name) else {
            let error = RequestError::new(RequestCode::ExcessiveLoad, "too many tracks");
            return self.refuse(key, id, error);
        };
        let rules = self.source_rules(key);
        let of_shard = self.is_link(key);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let twice = track.upstreams.iter().any(|(who, up)| {
            who.session == key && up.origin == Origin::Publish && up.done.is_none()
        });
        if twice {
            let error = RequestError::new(RequestCode::Uninterested, "this track is published");
            return self.refuse(key, id, error);
        }
        let forward = track.wants_objects() && !(of_shard && track.is_fed_by(key));
        self.end_crossing(key, track_id);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let source = track.store.add_source(rules);
        let who = Self::request_key(key, id);
        let mut upstream = Upstream::new(Origin::Publish, Some(source), forward);
        upstream.of_shard = of_shard;
        upstream.origin_priority = origin_priority;
        track.upstreams.insert(who, upstream);
        if let Some(entry) = self.entry_mut(key) {
            entry.requests.insert(id, Role::Upstream(track_id));
        }
        if part == Part::Ingest {
            self.grant_window(key);
            self.established(track_id, publish.largest, &publish.properties, now);
            return self.offer_home(track_id, who, now);
        }
        if let Some(entry) = self.entry_mut(key) {
            let ok = PublishOk { forward: Some(forward), ..PublishOk::default() };
            entry.session.publish_ok(id, ok);
        }
        self.grant_window(key);
        self.established(track_id, publish.largest, &publish.properties, now);
        self.offer_to_interested(track_id);
    }

    /// A publisher offers a track that we asked it for and that it did not answer. Where a session
    /// takes a track only once ours ends first (MOQT-18 §5.1).
    fn end_crossing(&mut self, key: SessionKey, track_id: TrackId) {
        let dialect = self.entry(key).and_then(|entry| entry.session.dialect());
        if self.is_link(key) || dialect.is_none_or(|dialect| dialect.several_subscriptions) {
            return;
        }
        let Some(track) = self.tracks.get(&track_id) else { return };
        let crossing: Vec<RequestKey> = track
            .upstreams
            .iter()
            .filter(|(who, up)| {
                who.session == key && up.origin == Origin::Subscribe && up.source.is_none()
            })
            .map(|(who, _)| *who)
            .collect();
        self.leave(track_id, &crossing);
    }

    /// A publisher accepted, or offered: its facts, and the viewers that waited for it.
    pub(super) fn established(
        &mut self,
        track_id: TrackId,
        largest: Option<sluice_proto::model::Location>,
        properties: &sluice_proto::model::TrackProperties,
        now: Instant,
    ) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        track.hold_until = None;
        track.refusal = None;
        track.refused_by.clear();
        (track.retry_at, track.retries) = (None, 0);
        if !track.spare_upstreams().is_empty() {
            track.spare_until = Some(now + self.limits.linger);
        }
        if let Some(largest) = largest {
            track.store.report_largest(largest);
        }
        // The first publisher's word counts until the track begins anew.
        let first = !track.described;
        if first {
            track.described = true;
            track.properties = properties.clone();
            let settings = properties.settings().unwrap_or_default();
            track.timeouts =
                Timeouts { object: settings.object_timeout, subgroup: settings.subgroup_timeout };
            if let Some(priority) = settings.priority {
                track.store.set_default_priority(priority);
            }
            track.store.set_cache_duration(settings.max_cache);
            track.new_group.begin(track.largest_group());
        }
        for fetch in track.fetches.values_mut().filter(|fetch| fetch.waits_until.is_some()) {
            fetch.source_came();
            self.fresh.insert(track_id);
        }
        let (name, part) = (track.key.name.clone(), track.key.part);
        self.touched.insert(track_id);
        if first && part == Part::Home {
            self.notice(Notice::TrackStarted { track: name });
        }
        self.accept_waiting(track_id, now);
        self.answer_pending(track_id, now);
        self.update_forward(track_id);
    }

    /// Viewers that waited for a publisher are accepted, unless another shard has still to say how
    /// far the track is.
    pub(super) fn accept_waiting(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get(&track_id) else { return };
        let (is_stale, asks) = (track.is_stale(), track.probes > 0);
        let waiting: Vec<_> = track
            .downstreams
            .iter()
            .filter(|(_, down)| matches!(down.phase, Phase::Held { .. } | Phase::Waiting))
            .filter(|(_, down)| !is_stale || !down.forward && !asks)
            .map(|(who, _)| *who)
            .collect();
        for who in waiting {
            self.accept_subscribe(who, track_id, now);
        }
        self.resume_waiting(track_id, now);
    }

    /// What the peer's draft demands of a track's objects.
    pub(super) fn source_rules(&self, key: SessionKey) -> SourceRules {
        let dialect = self.entry(key).and_then(|entry| entry.session.dialect());
        let Some(dialect) = dialect else { return SourceRules::default() };
        let own_streams = dialect.requests == RequestTransport::OwnStream;
        SourceRules {
            priority: match (own_streams, dialect.track_properties) {
                (true, _) => PriorityRule::Everywhere,
                (false, true) => PriorityRule::Fetched,
                (false, false) => PriorityRule::Free,
            },
            delivery: if dialect.track_properties {
                DeliveryRule::PerObject
            } else {
                DeliveryRule::PerTrack
            },
        }
    }

    /// Ends a track for everyone: viewers get what is left and PUBLISH_DONE.
    pub(super) fn end_track(
        &mut self,
        id: TrackId,
        code: sluice_proto::model::DoneCode,
        reason: &str,
    ) {
        let Some(track) = self.tracks.get_mut(&id) else { return };
        let (mut refused, mut resuming) = (Vec::new(), Vec::new());
        for (who, down) in &mut track.downstreams {
            match down.phase {
                Phase::Held { .. } | Phase::Waiting => refused.push(*who),
                Phase::Ending { .. } => {}
                Phase::Offered | Phase::Live => {
                    down.phase = Phase::Ending { code, reason: reason.to_owned() };
                    resuming.extend(down.resuming.take().map(|waits| (*who, waits.update)));
                    self.dirty.insert(who.session);
                }
            }
        }
        if code == sluice_proto::model::DoneCode::MalformedTrack {
            for (who, fetch) in &mut track.fetches {
                fetch.fail(ResetCode::MalformedTrack);
                self.dirty.insert(who.session);
            }
        }
        for (who, update) in resuming {
            self.answer_resuming(who, id, update);
        }
        for who in refused {
            let error = RequestError::new(RequestCode::DoesNotExist, "the track ended");
            if let Some(track) = self.tracks.get_mut(&id) {
                track.downstreams.remove(&who);
            }
            self.refuse(who.session, who.request, error);
        }
        self.touched.insert(id);
    }

    /// What is published under a track's name contradicts itself (MOQT-18 §2.4.2).
    pub(super) fn malformed(&mut self, id: TrackId, by: SessionKey, reason: &str) {
        let Some(track) = self.tracks.get(&id) else { return };
        let name = track.key.name.clone();
        let of_peer: Vec<RequestId> =
            track.upstreams.keys().filter(|who| who.session == by).map(|who| who.request).collect();
        if let Some(peer) = self.peer_name(by) {
            self.notice(Notice::MalformedTrack { peer, track: name, reason: reason.to_owned() });
        }
        for request in of_peer {
            if let Some(entry) = self.entry_mut(by) {
                entry.session.cancel(request, ResetCode::MalformedTrack);
                entry.requests.remove(&request);
            }
            self.dirty.insert(by);
            if let Some(track) = self.tracks.get_mut(&id)
                && let Some(upstream) = track.upstreams.remove(&Self::request_key(by, request))
                && let Some(source) = upstream.source
            {
                track.store.remove_source(source, ResetCode::MalformedTrack);
            }
        }
        self.end_track(id, sluice_proto::model::DoneCode::MalformedTrack, reason);
    }
}

/// MOQT-18 §3.2: a first field that begins with a dot is not for relays.
pub(super) fn is_reserved(namespace: &TrackNamespace) -> bool {
    namespace.fields().first().is_some_and(|field| field.starts_with(b"."))
}
