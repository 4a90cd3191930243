//! What the shard tells of itself. Lists are cut: whoever asks goes on after the last that was told.

use std::ops::Bound;

use sluice_proto::model::{FullTrackName, RequestId, TrackNamespace};

use super::{Role, SessionEntry, Shard};
use crate::downstream::Phase;
use crate::ids::{Part, RequestKey, ScopeId, SessionKey, TrackKey};
use crate::namespace::Source;
use crate::report::{
    Gauge, GaugeOf, NamespaceReport, Overview, RequestReport, ScopeName, SessionReport,
    SubscriptionId, SubscriptionReport, TrackReport,
};
use crate::track::Track;

impl Shard {
    /// The shard at a glance. Costs a few steps for each session and track.
    pub fn overview(&self) -> Overview {
        let mut told = Overview {
            arrived: self.arrived,
            sent_bytes: self.sent_bytes,
            gauges: self.gauges(),
            ..Overview::default()
        };
        for (_, entry) in self.sessions.iter().filter(|(_, entry)| entry.link.is_none()) {
            told.sessions += 1;
            let draft = entry.session.dialect().map(|dialect| dialect.draft().to_string());
            *told.kinds.entry((draft, entry.session.info().carrier)).or_default() += 1;
        }
        for track in self.tracks.values() {
            told.tracks += usize::from(track.key.part == Part::Home);
            told.publishers += self.upstream_peers(track).count();
            told.viewers += self.viewers_len(track);
            told.fetches += track.fetches.len() + track.pending_fetches.len();
        }
        told
    }

    fn gauges(&self) -> Vec<Gauge> {
        let Self { limits, .. } = self;
        let peers = || self.sessions.iter().map(|(_, e)| e).filter(|entry| entry.link.is_none());
        let most = |of: fn(&SessionEntry) -> usize| peers().map(of).max().unwrap_or(0);
        let largest = self.tracks.values().map(|track| track.counted_bytes).max().unwrap_or(0);
        let gauge = |name, of, used: usize, max: usize| Gauge {
            name,
            of,
            used: used as u64,
            max: max as u64,
        };
        vec![
            gauge("store_bytes_max", GaugeOf::Shard, self.store_bytes, limits.store_bytes_max),
            gauge("held_bytes_max", GaugeOf::Shard, self.held_bytes, limits.held_bytes_max),
            gauge("tracks_max", GaugeOf::Shard, self.tracks.len(), limits.tracks_max),
            gauge(
                "publisher_windows_max",
                GaugeOf::Shard,
                self.windows,
                limits.publisher_windows_max,
            ),
            gauge("linked_scopes_max", GaugeOf::Shard, self.scopes.len(), limits.linked_scopes_max),
            gauge("track_share_bytes", GaugeOf::Track, largest, limits.track_share_bytes),
            gauge(
                "namespaces_max",
                GaugeOf::Session,
                most(|e| e.namespaces),
                limits.namespaces_max,
            ),
            gauge(
                "interests_max",
                GaugeOf::Session,
                most(|e| e.interests.len()),
                limits.interests_max,
            ),
        ]
    }

    /// Sessions with peers after one, at most `max`.
    pub fn sessions_after(&self, after: Option<SessionKey>, max: usize) -> Vec<SessionReport> {
        let first = after.map_or(0, |key| key.index as usize + 1);
        let keys = (first..self.sessions.capacity()).filter_map(|index| {
            let generation = self.sessions.get(index)?.generation;
            Some(SessionKey { index: index as u32, generation })
        });
        keys.filter_map(|key| self.session_report(key)).take(max).collect()
    }

    /// One session with a peer.
    pub fn session_report(&self, key: SessionKey) -> Option<SessionReport> {
        let entry = self.entry(key).filter(|entry| entry.link.is_none())?;
        let info = entry.session.info();
        let mut report = SessionReport {
            key,
            remote: info.remote,
            carrier: info.carrier,
            draft: entry.session.dialect().map(|dialect| dialect.draft().to_string()),
            implementation: entry.implementation.clone(),
            path: info.path.clone(),
            origin: entry.origin,
            namespaces: entry.namespaces,
            publishes: 0,
            views: 0,
            fetches: 0,
            held_bytes: entry.held_bytes,
            faults: entry.faults,
            arrived: entry.arrived,
            sent_bytes: entry.sent_bytes,
            rtt: None,
        };
        for role in entry.requests.values() {
            match role {
                Role::Upstream(_) => report.publishes += 1,
                Role::Downstream(_) => report.views += 1,
                Role::Fetch(_) => report.fetches += 1,
                _ => {}
            }
        }
        Some(report)
    }

    /// Requests of a session after one, at most `max`.
    pub fn requests_after(
        &self,
        key: SessionKey,
        after: Option<RequestId>,
        max: usize,
    ) -> Vec<RequestReport> {
        let Some(entry) = self.entry(key).filter(|entry| entry.link.is_none()) else {
            return Vec::new();
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        entry
            .requests
            .range((from, Bound::Unbounded))
            .take(max)
            .map(|(id, role)| {
                let (kind, namespace, track) = match role {
                    Role::Namespace(namespace) => ("publishes namespace", Some(namespace), None),
                    Role::Interest(prefix) => ("watches prefix", Some(prefix), None),
                    Role::Upstream(track) => ("publishes", None, Some(track)),
                    Role::Downstream(track) => ("views", None, Some(track)),
                    Role::Fetch(track) => ("fetches", None, Some(track)),
                    Role::UpFetch(track) => ("is asked for the past of", None, Some(track)),
                    _ => ("asks", None, None),
                };
                let track = track.and_then(|track| self.tracks.get(track));
                let track =
                    track.map(|track| (self.scope_name(track.key.scope), track.key.name.clone()));
                RequestReport { id: *id, kind, namespace: namespace.cloned(), track }
            })
            .collect()
    }

    /// The scopes from one on, by name.
    fn scopes_from(&self, first: Option<&ScopeName>) -> Vec<(ScopeName, ScopeId)> {
        let nameless = (ScopeName::default(), ScopeId::default());
        let all = std::iter::once(nameless)
            .chain(self.scopes.iter().map(|(name, scope)| (name.clone(), *scope)));
        all.filter(|(name, _)| first.is_none_or(|first| name >= first)).collect()
    }

    fn scope_name(&self, scope: ScopeId) -> ScopeName {
        let named = self.scopes.iter().find(|(_, of)| **of == scope);
        named.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn scope_id(&self, name: &ScopeName) -> ScopeId {
        self.scopes.get(name).copied().unwrap_or_default()
    }

    /// Tracks after one, at most `max`, by scope and name.
    pub fn tracks_after(
        &self,
        after: Option<&(ScopeName, FullTrackName)>,
        max: usize,
    ) -> Vec<TrackReport> {
        let mut told: Vec<TrackReport> = Vec::new();
        for (scope, id) in self.scopes_from(after.map(|(scope, _)| scope)) {
            let behind = after.filter(|(of, _)| *of == scope).map(|(_, name)| name.clone());
            // All parts of a track stand together, this one last.
            let from = match behind {
                Some(name) => Bound::Excluded(TrackKey { scope: id, name, part: Part::Ingest }),
                None => Bound::Included(TrackKey {
                    scope: id,
                    name: FullTrackName::default(),
                    part: Part::Home,
                }),
            };
            let of_scope = self.names.range((from, Bound::Unbounded));
            for (key, track) in of_scope.take_while(|(key, _)| key.scope == id) {
                let Some(track) = self.tracks.get(track) else { continue };
                let is_full = told.len() == max;
                match told.last_mut().filter(|last| last.scope == scope && last.name == key.name) {
                    Some(last) => last.add(&self.track_part(&scope, track)),
                    None if is_full => return told,
                    None => told.push(self.track_part(&scope, track)),
                }
            }
        }
        told
    }

    /// One track.
    pub fn track_report(&self, scope: &ScopeName, name: &FullTrackName) -> Option<TrackReport> {
        let mut parts = self.parts_of(scope, name).map(|track| self.track_part(scope, track));
        let mut report = parts.next()?;
        parts.for_each(|part| report.add(&part));
        Some(report)
    }

    fn parts_of(&self, scope: &ScopeName, name: &FullTrackName) -> impl Iterator<Item = &Track> {
        let scope = self.scope_id(scope);
        let keys = [Part::Home, Part::Replica, Part::Ingest].map(|part| TrackKey {
            scope,
            name: name.clone(),
            part,
        });
        keys.into_iter().filter_map(|key| self.tracks.get(self.names.get(&key)?))
    }

    fn track_part(&self, scope: &ScopeName, track: &Track) -> TrackReport {
        let waiting = track.downstreams.iter().filter(|(_, down)| down.asked.is_some());
        TrackReport {
            scope: scope.clone(),
            name: track.key.name.clone(),
            publishers: self.upstream_peers(track).count(),
            viewers: self.viewers_len(track),
            waiting: waiting.filter(|(who, _)| !self.is_link(who.session)).count(),
            fetches: track.fetches.keys().filter(|who| !self.is_link(who.session)).count(),
            stored_bytes: track.counted_bytes,
            groups: if track.key.part == Part::Home { track.store.groups_len() } else { 0 },
            largest: track.store.largest(),
            arrived: track.arrived,
            sent_bytes: track.sent_bytes,
        }
    }

    /// Who brings a track to this shard, other shards left out.
    pub fn publishers(&self, scope: &ScopeName, name: &FullTrackName) -> Vec<SubscriptionReport> {
        let parts: Vec<&Track> = self.parts_of(scope, name).collect();
        let all = parts.into_iter().flat_map(|track| {
            self.upstream_peers(track).map(|(who, up)| {
                let state = match (&up.done, up.source) {
                    (Some(_), _) => "ended",
                    (None, Some(_)) => "established",
                    (None, None) => "asked",
                };
                (who, up.forward, state)
            })
        });
        all.filter_map(|(who, forward, state)| self.subscription(*who, state, forward)).collect()
    }

    /// Who takes a track from this shard after one, at most `max`, other shards left out.
    pub fn viewers_after(
        &self,
        scope: &ScopeName,
        name: &FullTrackName,
        after: Option<SubscriptionId>,
        max: usize,
    ) -> Vec<SubscriptionReport> {
        let after = after.map(|id| RequestKey { session: id.session, request: id.request });
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut told = Vec::new();
        // Peers take a track from one part alone; the others have shards for viewers.
        for track in self.parts_of(scope, name) {
            for (who, down) in track.downstreams.range((from, Bound::Unbounded)) {
                if told.len() == max {
                    break;
                }
                let state = match down.phase {
                    Phase::Held { .. } => "waits for a publisher",
                    Phase::Waiting => "waits for an answer",
                    Phase::Offered => "offered",
                    Phase::Live => "live",
                    Phase::Ending { .. } => "ending",
                };
                let Some(report) = self.subscription(*who, state, down.forward) else { continue };
                let (waiting_bytes, sent_bytes) = (down.lag_bytes(&track.store), down.sent_bytes);
                told.push(SubscriptionReport { sent_bytes, waiting_bytes, ..report });
            }
        }
        told
    }

    fn subscription(
        &self,
        who: RequestKey,
        state: &'static str,
        forward: bool,
    ) -> Option<SubscriptionReport> {
        let entry = self.entry(who.session).filter(|entry| entry.link.is_none())?;
        Some(SubscriptionReport {
            id: SubscriptionId { session: who.session, request: who.request },
            remote: entry.session.info().remote,
            state,
            forward,
            sent_bytes: 0,
            waiting_bytes: 0,
        })
    }

    /// Namespaces after one, at most `max`, that peers of this shard published or origins have.
    pub fn namespaces_after(
        &self,
        after: Option<&(ScopeName, TrackNamespace)>,
        max: usize,
    ) -> Vec<NamespaceReport> {
        let mut told = Vec::new();
        for (scope, id) in self.scopes_from(after.map(|(scope, _)| scope)) {
            let behind = after.filter(|(of, _)| *of == scope).map(|(_, namespace)| namespace);
            for (namespace, sources) in self.namespaces.published_after(id, behind) {
                if told.len() == max {
                    return told;
                }
                let peer = |source: &&Source| matches!(source, Source::Peer(who) if !self.is_link(who.session));
                let origin = |source: &&Source| matches!(source, Source::Origin(_));
                let (publishers, origins) =
                    (sources.iter().filter(peer).count(), sources.iter().filter(origin).count());
                if publishers + origins > 0 {
                    let (scope, namespace) = (scope.clone(), namespace.clone());
                    told.push(NamespaceReport { scope, namespace, publishers, origins });
                }
            }
        }
        told
    }

    fn upstream_peers<'a>(
        &'a self,
        track: &'a Track,
    ) -> impl Iterator<Item = (&'a RequestKey, &'a crate::track::Upstream)> {
        track.upstreams.iter().filter(|(_, upstream)| !upstream.of_shard)
    }

    /// Viewers that are peers.
    fn viewers_len(&self, track: &Track) -> usize {
        if self.placement.is_alone() {
            return track.downstreams.len();
        }
        track.downstreams.keys().filter(|who| !self.is_link(who.session)).count()
    }
}

impl TrackReport {
    /// Adds another part of the same track.
    pub fn add(&mut self, part: &TrackReport) {
        self.publishers += part.publishers;
        self.viewers += part.viewers;
        self.waiting += part.waiting;
        self.fetches += part.fetches;
        self.stored_bytes += part.stored_bytes;
        self.groups += part.groups;
        self.largest = self.largest.max(part.largest);
        self.arrived += part.arrived;
        self.sent_bytes += part.sent_bytes;
    }
}
