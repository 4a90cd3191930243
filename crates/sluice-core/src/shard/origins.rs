//! What is asked of origins: tracks that no publisher here has, by priority.
//!
//! A track whose origins are gone keeps its viewers, and its home asks again, less and less often,
//! until one has it. Two relays that are each other's origin do no harm: neither asks the other for
//! what the other wants of it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use sluice_proto::model::{
    RequestCode, RequestError, ResetCode, SessionCode, Token, TrackNamespace,
};
use sluice_proto::session::SessionConfig;
use sluice_proto::transport::PeerInfo;

use super::Shard;
use super::message::Item;
use crate::downstream::Phase;
use crate::ids::{Part, RequestKey, SessionKey, TrackId, TrackKey};
use crate::notice::Notice;
use crate::origin::{OriginId, OriginNews, OriginTerms, Origins, Place, RelayId};

/// First wait before a track is asked for again. It doubles each time.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(8);

/// Someone to ask for a track.
pub(super) struct Asked {
    pub session: SessionKey,
    /// The priority of the origin, if it is one or leads to one.
    pub origin: Option<u8>,
    pub tokens: Vec<Token>,
}

impl Shard {
    /// Says which origins there are, before any session is. All shards of a relay are told the same.
    pub fn set_origins(&mut self, own: RelayId, origins: Vec<OriginTerms>) {
        self.origins = Origins::new(own, origins);
    }

    /// A connection to an origin is ready for MOQT. Only on the shard that has the origins.
    pub fn open_origin(
        &mut self,
        id: OriginId,
        config: &SessionConfig,
        info: &PeerInfo,
        now: Instant,
    ) -> SessionKey {
        let key = self.open_session(config, info, now);
        if let Some(entry) = self.entry_mut(key) {
            entry.origin = Some(id);
        }
        key
    }

    /// Setup with a peer is done: notes which relay it is, and if it is an origin, asks it.
    pub(super) fn greet_relay(&mut self, key: SessionKey, relay: Option<RelayId>) {
        let own = self.origins.own;
        let Some(entry) = self.entry_mut(key) else { return };
        entry.relay = relay;
        let Some(id) = entry.origin else { return };
        if relay.is_some() && relay == own {
            entry.session.close(SessionCode::NoError, "this relay is its own origin");
            return self.notice(Notice::OriginIsThisRelay { origin: id });
        }
        self.grant_window(key);
        let Some(origin) = self.origins.get_mut(id) else { return };
        // It may have been had elsewhere before, by a session that is ending.
        origin.track_interests.clear();
        origin.place = Place::Here(key, relay);
        self.tell_shards(id, OriginNews::Came(relay));
        self.ask_namespaces(key, id);
        self.origin_came(id);
    }

    /// The session to an origin ends.
    pub(super) fn origin_session_gone(&mut self, key: SessionKey) {
        let Some(id) = self.entry(key).and_then(|entry| entry.origin) else { return };
        let here = |place: Place| matches!(place, Place::Here(session, _) if session == key);
        if self.origins.get(id).is_some_and(|origin| here(origin.place)) {
            self.origin_left(id);
            self.tell_shards(id, OriginNews::Left);
        }
    }

    /// The shard that has the origins told something of one.
    pub(super) fn handle_origin_news(&mut self, id: OriginId, news: OriginNews) {
        match news {
            OriginNews::Came(relay) => {
                if let Some(origin) = self.origins.get_mut(id) {
                    origin.place = Place::Elsewhere(relay);
                }
                self.origin_came(id);
            }
            OriginNews::Left => self.origin_left(id),
            OriginNews::Namespace(namespace) => self.origin_has(id, namespace),
            OriginNews::NamespaceDone(namespace) => self.origin_has_not(id, &namespace),
        }
    }

    pub(super) fn tell_shards(&mut self, id: OriginId, news: OriginNews) {
        for shard in self.placement.others() {
            self.links.tell(shard, Item::Origin(id, news.clone()));
        }
    }

    /// An origin can be asked now: tracks that someone wants and nobody brings go to it.
    fn origin_came(&mut self, id: OriginId) {
        self.ask_newcomer(id, &TrackNamespace::default());
    }

    /// Asks an origin for what of a namespace it may have now.
    pub(super) fn ask_newcomer(&mut self, id: OriginId, namespace: &TrackNamespace) {
        let Some(origin) = self.origins.get(id) else { return };
        let is_of = |of: &TrackNamespace| namespace.is_prefix_of(of) && origin.offers(of);
        let wanted: Vec<TrackId> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.is_wanted() && is_of(track.key.name.namespace()))
            .map(|(track, _)| *track)
            .collect();
        for track in wanted {
            if let Some(track) = self.tracks.get_mut(&track) {
                track.refused_by.remove(&id);
                (track.retry_at, track.retries) = (None, 0);
            }
            self.subscribe_upstream(track);
        }
    }

    fn origin_left(&mut self, id: OriginId) {
        let Some(origin) = self.origins.get_mut(id) else { return };
        origin.place = Place::Away;
        origin.track_interests.clear();
        for namespace in origin.namespaces.clone() {
            self.origin_has_not(id, &namespace);
        }
    }

    /// Asks the best origins for a track, if no publisher brings it or is being asked. Whether any
    /// was asked now.
    pub(super) fn ask_origins(&mut self, track_id: TrackId) -> bool {
        let best = self.best_origins(track_id);
        self.ask(track_id, best)
    }

    /// Those of the best priority that have not refused the track and are no loop; none where
    /// something as good brings it already.
    fn best_origins(&self, track_id: TrackId) -> Vec<Asked> {
        let Some(track) = self.tracks.get(&track_id) else { return Vec::new() };
        if track.key.part == Part::Replica {
            return Vec::new();
        }
        let leaves = |key| self.entry(key).is_none_or(|entry| entry.session.peer_going_away());
        let mut best = None;
        for (who, upstream) in &track.upstreams {
            if upstream.done.is_some() || leaves(who.session) {
                continue;
            }
            let Some(priority) = upstream.origin_priority else { return Vec::new() };
            best = Some(best.map_or(priority, |best: u8| best.min(priority)));
        }
        let only_taker = self.only_taker(track_id);
        let mut found: Vec<Asked> = Vec::new();
        for (id, origin) in self.origins.offering(track.key.name.namespace()) {
            let is_loop = only_taker.is_some() && origin.place.relay() == only_taker;
            if is_loop || track.refused_by.contains(&id) {
                continue;
            }
            let (session, tokens) = match origin.place {
                Place::Away => continue,
                Place::Here(session, _) if leaves(session) => continue,
                Place::Here(session, _) => (session, origin.terms.tokens.clone()),
                // That shard knows which of them, and what to send along.
                Place::Elsewhere(_) if track.key.part == Part::Ingest => continue,
                Place::Elsewhere(_) => {
                    let shard = self.placement.origins();
                    let Some(link) = self.link_to(track.key.scope, shard) else { continue };
                    (link, Vec::new())
                }
            };
            let priority = origin.terms.priority;
            found.push(Asked { session, origin: Some(priority), tokens });
        }
        let first = found.iter().filter_map(|asked| asked.origin).chain(best).min();
        found.retain(|asked| asked.origin == first);
        found
    }

    /// The relay that alone takes a track, if no one else does.
    fn only_taker(&self, track_id: TrackId) -> Option<RelayId> {
        let track = self.tracks.get(&track_id)?;
        let downstreams = track.downstreams.keys().chain(track.fetches.keys());
        let pending = track.pending_fetches.iter().map(|pending| &pending.who);
        let takers = downstreams.chain(pending).chain(&track.pending_status);
        let relays: BTreeSet<Option<RelayId>> =
            takers.map(|who| self.relay_of(who.session)).collect();
        match relays.into_iter().collect::<Vec<_>>()[..] {
            [only] => only,
            _ => None,
        }
    }

    pub(super) fn relay_of(&self, key: SessionKey) -> Option<RelayId> {
        self.entry(key)?.relay
    }

    /// Whether a relay asks for what could only be had from itself.
    pub(super) fn is_loop(&self, key: SessionKey, name: &TrackKey) -> bool {
        let Some(relay) = self.relay_of(key) else { return false };
        let namespace = name.name.namespace();
        let mut offering = self.origins.offering(namespace).map(|(_, origin)| origin.place);
        let (mut asks_back, mut asks_others) = (false, false);
        for place in offering.by_ref().filter(|place| *place != Place::Away) {
            let same = place.relay() == Some(relay);
            asks_back |= same;
            asks_others |= !same;
        }
        if !asks_back
            || asks_others
            || !self.namespaces.publishers(name.scope, namespace).is_empty()
        {
            return false;
        }
        let track = self.names.get(name).and_then(|id| self.tracks.get(id));
        let from_others = |who: &RequestKey| self.relay_of(who.session) != Some(relay);
        !track.is_some_and(|track| track.upstreams.keys().any(from_others))
    }

    /// What to send along with a request to a session.
    pub(super) fn tokens_for(&self, key: SessionKey) -> Vec<Token> {
        let origin = self.entry(key).and_then(|entry| entry.origin);
        origin.and_then(|id| self.origins.get(id)).map_or(Vec::new(), |o| o.terms.tokens.clone())
    }

    /// The refusal of what would be a loop.
    pub(super) fn loop_refusal() -> RequestError {
        let reason = "only the relay that asks could have it";
        RequestError::new(RequestCode::DoesNotExist, reason)
    }

    /// Whether an origin may have what nobody has now, once there is a session to it.
    pub(super) fn awaits_origin(&self, track_id: TrackId) -> bool {
        let Some(track) = self.tracks.get(&track_id) else { return false };
        let away = |place| matches!(place, Place::Away);
        track.key.part == Part::Home
            && self.origins.offering(track.key.name.namespace()).any(|(_, o)| away(o.place))
    }

    /// Whether this shard asks origins for a track, or others for their sake.
    pub(super) fn may_ask_origins(&self, track_id: TrackId) -> bool {
        self.tracks.get(&track_id).is_some_and(|track| {
            track.key.part == Part::Home && self.has_origin(track.key.name.namespace())
        })
    }

    /// Whether any origin may be asked for a namespace.
    pub(super) fn has_origin(&self, namespace: &TrackNamespace) -> bool {
        self.origins.offering(namespace).next().is_some()
    }

    /// An origin does not have a track, or the shard that has the origins found none that does.
    pub(super) fn note_refusal(&mut self, track_id: TrackId, session: SessionKey) {
        let Some(track) = self.tracks.get(&track_id) else { return };
        let own = self.entry(session).and_then(|entry| entry.origin);
        let elsewhere = |place| matches!(place, Place::Elsewhere(_));
        let refusing: Vec<OriginId> = match own {
            Some(id) => vec![id],
            None => {
                let offering = self.origins.offering(track.key.name.namespace());
                offering.filter(|(_, origin)| elsewhere(origin.place)).map(|(id, _)| id).collect()
            }
        };
        if let Some(track) = self.tracks.get_mut(&track_id) {
            track.refused_by.extend(refusing);
        }
    }

    /// Sees to it that a track whose viewers are kept is asked for again.
    pub(super) fn schedule_retry(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get(&track_id) else { return };
        let kept =
            |phase: &Phase| matches!(phase, Phase::Live | Phase::Offered | Phase::Held { .. });
        let is_due = self.may_ask_origins(track_id)
            && track.upstreams.is_empty()
            && track.retry_at.is_none()
            && (track.downstreams.values().any(|down| kept(&down.phase))
                || !track.fetches.is_empty());
        if !is_due {
            return;
        }
        let wait = retry_wait(track.retries, (&track.key.name, self.origins.own));
        if let Some(track) = self.tracks.get_mut(&track_id) {
            track.retries = track.retries.saturating_add(1);
            track.retry_at = Some(now + wait);
        }
        self.touched.insert(track_id);
    }

    /// Asks again for a track, if it is time, and gives up origins that do not answer.
    pub(super) fn origins_due(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let silent: Vec<RequestKey> = track
            .upstreams
            .iter_mut()
            .filter_map(|(who, up)| up.answer_by.take_if(|at| *at <= now).map(|_| *who))
            .collect();
        let retries = track.retry_at.take_if(|at| *at <= now).is_some();
        if retries {
            track.refused_by.clear();
        }
        for who in silent {
            let pending = self.tracks.get(&track_id).and_then(|track| track.upstreams.get(&who));
            if pending.is_none_or(|upstream| upstream.source.is_some()) {
                continue;
            }
            if let Some(entry) = self.entry_mut(who.session) {
                entry.session.cancel(who.request, ResetCode::Cancelled);
                self.dirty.insert(who.session);
            }
            let error = RequestError::new(RequestCode::Timeout, "an origin did not answer");
            self.upstream_refused(who.session, who.request, track_id, error, now);
        }
        if retries && !self.subscribe_upstream(track_id) {
            self.schedule_retry(track_id, now);
        }
        self.leave_spare(track_id, now);
    }

    /// A better source brings a track: worse origins are left, once it had time to catch up.
    fn leave_spare(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        if track.spare_until.take_if(|at| *at <= now).is_some() {
            let spare = track.spare_upstreams();
            self.leave(track_id, &spare);
            self.update_forward(track_id);
        }
    }

    /// Sets by when origins that were asked in this turn have to answer.
    pub(super) fn await_origins(&mut self, now: Instant) {
        for (track_id, who) in std::mem::take(&mut self.asked_origins) {
            let by = now + self.limits.origin_wait;
            let track = self.tracks.get_mut(&track_id);
            if let Some(upstream) = track.and_then(|track| track.upstreams.get_mut(&who)) {
                upstream.answer_by = Some(by);
                self.touched.insert(track_id);
            }
        }
    }
}

/// How long to wait before a track is asked for again: growing, and spread by `what`, so that not all
/// tracks of all relays ask at once.
fn retry_wait(retries: u32, what: impl Hash) -> Duration {
    let mut hasher = DefaultHasher::new();
    (what, retries).hash(&mut hasher);
    let wait = RETRY_FIRST.saturating_mul(1 << retries.min(10)).min(RETRY_MAX);
    let spread = (hasher.finish() % 512) as u32;
    // From three quarters to five quarters of it.
    wait * 3 / 4 + wait / 2 * spread / 512
}
