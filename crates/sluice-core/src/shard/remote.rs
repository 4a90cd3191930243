//! What one shard does for another: tracks offered to their home, and TRACK_STATUS asked of it.

use std::time::Instant;

use sluice_proto::model::{
    LocationFilter, Publish, PublishOk, Request, RequestCode, RequestError, RequestId, RequestOk,
    ResetCode, TrackStatus,
};
use sluice_proto::session::Response;

use super::{Role, Shard};
use crate::downstream::{Downstream, Offer, Phase};
use crate::ids::{Part, RequestKey, SessionKey, TrackId};
use crate::out_stream::Carriage;

impl Shard {
    /// The session with the home of a track that lives elsewhere.
    pub(super) fn link_home(&self, track: TrackId) -> Option<SessionKey> {
        let key = &self.tracks.get(&track)?.key;
        self.link_to(key.scope, self.home_of(key.scope, &key.name))
    }

    /// A session here publishes a track whose home is elsewhere: the home is offered it, and the
    /// session is answered when the home has answered.
    pub(super) fn offer_home(&mut self, track_id: TrackId, publish: RequestKey, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let offer = track
            .downstreams
            .values()
            .filter(|down| !matches!(down.phase, Phase::Ending { .. }))
            .find_map(|down| down.offer);
        match offer {
            Some(Offer::Accepted) => return self.publish_known(track_id, publish),
            Some(Offer::Asked) => return track.unanswered.push(publish),
            None => track.unanswered.push(publish),
        }
        let offered = self.link_home(track_id).is_some_and(|home| self.offer_link(home, track_id));
        if !offered {
            let error = RequestError::new(RequestCode::Internal, "the home shard is not there");
            self.home_refused(track_id, &error, now);
        }
    }

    /// Offers a track to another shard. Objects flow at once: between an offer and its answer none
    /// may be lost, as the other shard already tells viewers what the largest location was.
    pub(super) fn offer_link(&mut self, link: SessionKey, track_id: TrackId) -> bool {
        let Some(track) = self.tracks.get(&track_id) else { return false };
        let offered = |(who, down): (&RequestKey, &Downstream)| {
            who.session == link
                && down.offer.is_some()
                && !matches!(down.phase, Phase::Ending { .. })
        };
        if track.downstreams.iter().any(offered) {
            return true;
        }
        let largest = track.store.largest();
        let order = track.properties.settings().unwrap_or_default().order;
        let publish = Publish {
            track: track.key.name.clone(),
            largest,
            forward: Some(true),
            order,
            properties: track.properties.clone(),
            ..Publish::default()
        };
        let Some(entry) = self.entry_mut(link) else { return false };
        let carriage = Carriage::of(&entry.session);
        let publish = Publish { alias: entry.session.next_alias(), ..publish };
        let Ok(id) = entry.session.request(Request::Publish(publish)) else { return false };
        entry.requests.insert(id, Role::Downstream(track_id));
        self.dirty.insert(link);
        let Some(track) = self.tracks.get_mut(&track_id) else { return false };
        let mut down = Downstream::new(Phase::Live, carriage, &track.store);
        down.filter = LocationFilter::NextObject;
        down.offer = Some(Offer::Asked);
        down.go_live(&track.store);
        track.downstreams.insert(Self::request_key(link, id), down);
        track.linger_until = None;
        self.touched.insert(track_id);
        true
    }

    /// Another shard answered an offer.
    pub(super) fn link_answered(
        &mut self,
        who: RequestKey,
        track_id: TrackId,
        response: Response,
        now: Instant,
    ) {
        let ok = match response {
            Response::Publish(ok) => ok,
            Response::Error(error) => {
                self.downstream_gone(who.session, who.request, track_id, now);
                return self.home_refused(track_id, &error, now);
            }
            _ => return,
        };
        let Some(down) = self.downstream_mut(who, track_id) else { return };
        down.forward = ok.forward.unwrap_or(down.forward);
        down.offer = Some(Offer::Accepted);
        self.dirty.insert(who.session);
        self.idle.insert(track_id);
        self.update_forward(track_id);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        for publish in std::mem::take(&mut track.unanswered) {
            self.publish_known(track_id, publish);
        }
    }

    fn publish_known(&mut self, track_id: TrackId, publish: RequestKey) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let forward = track.wants_objects();
        let Some(upstream) = track.upstreams.get_mut(&publish) else { return };
        upstream.forward = forward;
        if let Some(entry) = self.entry_mut(publish.session) {
            let ok = PublishOk { forward: Some(forward), ..PublishOk::default() };
            entry.session.publish_ok(publish.request, ok);
            self.dirty.insert(publish.session);
        }
    }

    fn home_refused(&mut self, track_id: TrackId, error: &RequestError, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        for publish in std::mem::take(&mut track.unanswered) {
            let Some(track) = self.tracks.get_mut(&track_id) else { return };
            if let Some(source) = track.upstreams.remove(&publish).and_then(|up| up.source) {
                track.store.remove_source(source, ResetCode::Cancelled);
            }
            self.refuse(publish.session, publish.request, error.clone());
        }
        self.track_unwanted(track_id, now);
    }

    /// The home of a track knows of it what a copy may not.
    pub(super) fn ask_status(&mut self, who: RequestKey, request: &TrackStatus) {
        let Some(scope) = self.entry(who.session).map(|entry| entry.scope) else { return };
        let home = self.link_to(scope, self.home_of(scope, &request.track));
        let role = Role::StatusFor(who);
        match home.and_then(|home| self.request_status(home, request.clone(), role)) {
            Some(away) => {
                if let Some(entry) = self.entry_mut(who.session) {
                    entry.requests.insert(who.request, Role::StatusAway(away));
                }
            }
            None => {
                let error = RequestError::new(RequestCode::Internal, "the home shard is not there");
                self.refuse(who.session, who.request, error);
            }
        }
    }

    fn request_status(
        &mut self,
        home: SessionKey,
        request: TrackStatus,
        role: Role,
    ) -> Option<RequestKey> {
        let entry = self.entry_mut(home)?;
        let id = entry.session.request(Request::TrackStatus(request)).ok()?;
        entry.requests.insert(id, role);
        self.dirty.insert(home);
        Some(Self::request_key(home, id))
    }

    pub(super) fn status_answered(
        &mut self,
        key: SessionKey,
        id: RequestId,
        who: RequestKey,
        response: Response,
    ) {
        self.forget(key, id);
        match response {
            Response::Ok(ok) => self.grant(who, ok),
            Response::Error(error) => self.refuse(who.session, who.request, error),
            _ => {}
        }
    }

    /// Asks the shards that may know more how far a track is, for those who wait at one that is not
    /// fed now. Whether any was asked.
    pub(super) fn probe(&mut self, track_id: TrackId) -> bool {
        let Some(track) = self.tracks.get(&track_id) else { return false };
        if track.probes > 0 {
            return true;
        }
        let request = TrackStatus { track: track.key.name.clone(), ..TrackStatus::default() };
        let shards = match track.key.part {
            Part::Replica => self.link_home(track_id).into_iter().collect(),
            _ => track.silent_shards(),
        };
        let role = || Role::Probe(track_id);
        let asked = |shard: SessionKey| self.request_status(shard, request.clone(), role());
        let probes = shards.into_iter().filter_map(asked).count();
        if let Some(track) = self.tracks.get_mut(&track_id) {
            track.probes = probes;
        }
        probes > 0
    }

    pub(super) fn probe_answered(
        &mut self,
        key: SessionKey,
        id: RequestId,
        track_id: TrackId,
        ok: Option<RequestOk>,
        now: Instant,
    ) {
        self.forget(key, id);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        track.probes -= 1;
        if let Some(largest) = ok.and_then(|ok| ok.largest) {
            track.store.report_largest(largest);
        }
        if track.is_established() {
            self.accept_waiting(track_id, now);
        }
        self.answer_pending(track_id, now);
        self.offer_pending(track_id);
    }

    /// A publisher answered an update. Another shard goes on from the largest location that it tells:
    /// viewers who waited for that are accepted now.
    pub(super) fn handle_update_response(
        &mut self,
        key: SessionKey,
        (id, update_id): (RequestId, RequestId),
        result: Result<RequestOk, RequestError>,
        now: Instant,
    ) {
        let Some(Role::Upstream(track_id)) =
            self.entry(key).and_then(|entry| entry.requests.get(&id)).cloned()
        else {
            return;
        };
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let Some(upstream) = track.upstream_of(key, id) else { return };
        // The answer to an earlier update, before a pause, does not say from where it goes on now.
        if upstream.resuming != Some(update_id) {
            return;
        }
        upstream.resuming = None;
        let properties = track.properties.clone();
        self.established(track_id, result.ok().and_then(|ok| ok.largest), &properties, now);
    }

    /// Whether a session publishes a track, be it here or for a home elsewhere.
    pub(super) fn publishes(&self, session: SessionKey, track_id: TrackId) -> bool {
        let Some(track) = self.tracks.get(&track_id) else { return false };
        let mut key = track.key.clone();
        key.part = Part::Ingest;
        let ingest = self.names.get(&key).and_then(|id| self.tracks.get(id));
        let fed =
            |track: &crate::track::Track| track.upstreams.keys().any(|who| who.session == session);
        fed(track) || ingest.is_some_and(fed)
    }
}
