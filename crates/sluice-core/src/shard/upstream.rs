//! What the shard asks of publishers: one subscription for all viewers of a track.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sluice_proto::model::{
    DoneCode, Location, LocationFilter, Request, RequestCode, RequestError, RequestId,
    RequestUpdate, ResetCode, StreamCount, Subscribe,
};
use sluice_proto::session::{CommandError, RequestEnd, Response};
use sluice_proto::wire::{Dialect, Family};

use super::origins::Asked;
use super::{InStream, Role, Shard, TimerKey};
use crate::downstream::Phase;
use crate::ids::{Part, RequestKey, SessionKey, TrackId};
use crate::numbering::Counter;
use crate::track::{Origin, Upstream};

impl Shard {
    /// Subscribes to a track at every publisher of its namespace that is not asked yet
    /// (MOQT-18 §9.5), and where there is none, at its origins. Whether anyone was asked now.
    pub(super) fn subscribe_upstream(&mut self, track_id: TrackId) -> bool {
        let asked = |session| Asked { session, origin: None, tokens: Vec::new() };
        let publishers = self.publishers_of(track_id).into_iter().map(asked).collect();
        let any = self.ask(track_id, publishers);
        self.ask_origins(track_id) || any
    }

    /// Subscribes to a track at those of `sources` that are not asked yet. Whether any was.
    pub(super) fn ask(&mut self, track_id: TrackId, mut sources: Vec<Asked>) -> bool {
        let Some(track) = self.tracks.get(&track_id) else { return false };
        let key = track.key.clone();
        let wanted = track.wants_objects();
        let rendezvous = if key.part == Part::Replica { track.rendezvous() } else { None };
        let new_group = if track.is_established() { None } else { track.asked_group() };
        sources.retain(|asked| !track.is_asked_of(asked.session));
        sources.sort_by_key(|asked| asked.session);
        sources.dedup_by_key(|asked| asked.session);
        let shown = track.shown_tokens();
        let is_new = track.store.largest().is_none();
        let mut any = false;
        for Asked { session, origin, mut tokens } in sources {
            // A shard that offered the track brings objects already, or does once it is told.
            let offered = self
                .tracks
                .get(&track_id)
                .is_some_and(|t| t.upstreams.keys().any(|w| w.session == session));
            let forward = wanted && !offered;
            let Some(entry) = self.entry_mut(session) else { continue };
            if entry.session.peer_going_away() {
                continue;
            }
            // A publisher that judges viewers itself has to see what they show.
            let passes = entry.link.is_some()
                || entry.session.dialect().is_some_and(|d| d.family == Family::Names);
            if passes && tokens.is_empty() {
                tokens = shown.clone();
            }
            let is_named = |dialect: &Dialect| dialect.family == Family::Names;
            let filter = match entry.session.dialect().is_some_and(is_named) {
                // It has no FETCH. Asked again, it would bring groups that are here already, and
                // they would be taken for new ones.
                true if origin.is_some() && is_new => LocationFilter::RelativeGroup(1),
                // The start is the live edge whatever viewers ask: their filters are applied here,
                // and the past is fetched.
                _ => LocationFilter::NextObject,
            };
            let request = Subscribe {
                track: key.name.clone(),
                filter,
                forward: Some(forward),
                rendezvous_timeout: rendezvous,
                new_group,
                tokens,
                ..Subscribe::default()
            };
            let Ok(id) = entry.session.request(Request::Subscribe(request)) else { continue };
            let of_shard = entry.link.is_some();
            entry.requests.insert(id, Role::Upstream(track_id));
            self.dirty.insert(session);
            let mut upstream = Upstream::new(Origin::Subscribe, None, forward);
            upstream.rendezvous = rendezvous;
            upstream.of_shard = of_shard;
            upstream.origin_priority = origin;
            if origin.is_some() {
                self.asked_origins.push((track_id, Self::request_key(session, id)));
            }
            if let Some(track) = self.tracks.get_mut(&track_id) {
                track.new_group.ask(new_group);
                track.upstreams.insert(Self::request_key(session, id), upstream);
            }
            any = true;
        }
        any
    }

    /// Who may be asked for a track: its home if that is elsewhere, else those who publish its
    /// namespace; for the home only those here, as it asks the others itself.
    fn publishers_of(&self, track_id: TrackId) -> Vec<SessionKey> {
        let Some(track) = self.tracks.get(&track_id) else { return Vec::new() };
        let key = &track.key;
        if key.part == Part::Replica {
            return self.link_home(track_id).into_iter().collect();
        }
        self.namespaces
            .publishers(key.scope, key.name.namespace())
            .into_iter()
            .map(|who| who.session)
            .filter(|session| key.part == Part::Home || !self.is_link(*session))
            .collect()
    }

    pub(super) fn handle_response(
        &mut self,
        key: SessionKey,
        id: RequestId,
        response: Response,
        now: Instant,
    ) {
        let role = self.entry(key).and_then(|entry| entry.requests.get(&id).cloned());
        match (role, response) {
            (Some(Role::Upstream(track)), Response::Subscribe(ok)) => {
                if let Some(kind) = ok.properties.mandatory() {
                    let reason = format!("track property {kind:#x} must be understood");
                    let error = RequestError::new(RequestCode::UnsupportedExtension, reason);
                    if let Some(entry) = self.entry_mut(key) {
                        entry.session.cancel(id, ResetCode::Cancelled);
                    }
                    return self.upstream_refused(key, id, track, error, now);
                }
                let rules = self.source_rules(key);
                let counter = self.counter_of(key, id);
                let counts = self.counts_anew(key);
                if let Some(track) = self.tracks.get_mut(&track) {
                    if counts && track.key.part != Part::Replica {
                        track.numbering.accepted(counter);
                    }
                    let source = track.store.add_source(rules);
                    if let Some(upstream) = track.upstream_of(key, id) {
                        upstream.answer_by = None;
                        upstream.source = Some(source);
                    }
                }
                self.established(track, ok.largest, &ok.properties, now);
            }
            (Some(Role::Upstream(track)), Response::Error(error)) => {
                self.upstream_refused(key, id, track, error, now);
            }
            (Some(Role::Downstream(track)), response) if self.is_link(key) => {
                self.link_answered(Self::request_key(key, id), track, response, now);
            }
            (Some(Role::Spread(spread)), _) => self.spread_answered(key, id, &spread),
            (Some(Role::StatusFor(who)), response) => self.status_answered(key, id, who, response),
            (Some(Role::Probe(track)), Response::Ok(ok)) => {
                self.probe_answered(key, id, track, Some(ok), now);
            }
            (Some(Role::Probe(track)), _) => self.probe_answered(key, id, track, None, now),
            (Some(Role::Downstream(track)), response) => {
                self.offer_answered(key, id, track, response, now);
            }
            (Some(Role::UpFetch(track)), Response::Fetch(ok)) => {
                let who = Self::request_key(key, id);
                if let Some(fetch) =
                    self.tracks.get_mut(&track).and_then(|track| track.up_fetches.get_mut(&who))
                {
                    fetch.end = Some(ok.end);
                    if fetch.finished {
                        let inbound = InStream { track, request: id, feed: fetch.feed };
                        self.finish_up_fetch(key, inbound, now);
                    }
                }
            }
            (Some(Role::UpFetch(track)), Response::Error(error)) => {
                if error.code == RequestCode::NoObjects {
                    self.up_fetch_empty(key, id, track, now);
                } else {
                    self.up_fetch_failed(key, id, track);
                }
            }
            _ => {}
        }
    }

    /// Whether a publisher may count groups from the start whenever it starts.
    fn counts_anew(&self, key: SessionKey) -> bool {
        let dialect = self.entry(key).and_then(|entry| entry.session.dialect());
        dialect.is_some_and(|dialect| dialect.object_streams)
    }

    pub(super) fn counter_of(&self, key: SessionKey, id: RequestId) -> Counter {
        match self.is_link(key) {
            true => Counter::Shard(Self::request_key(key, id)),
            false => Counter::Session(key),
        }
    }

    pub(super) fn upstream_refused(
        &mut self,
        key: SessionKey,
        id: RequestId,
        track_id: TrackId,
        error: RequestError,
        now: Instant,
    ) {
        self.forget(key, id);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let refused = track.upstreams.remove(&Self::request_key(key, id));
        if refused.as_ref().is_some_and(|upstream| upstream.origin_priority.is_some()) {
            self.note_refusal(track_id, key);
        }
        let asked = refused.and_then(|upstream| upstream.rendezvous);
        let Some(track) = self.tracks.get(&track_id) else { return };
        if track.key.part == Part::Replica && self.home_waits_more(track_id, &error, asked) {
            return;
        }
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        track.refusal = Some(match track.refusal.take() {
            Some(before) if rank(before.code) >= rank(error.code) => before,
            _ => error,
        });
        if track.is_established() || track.is_pending() {
            return self.update_forward(track_id);
        }
        if self.ask_origins(track_id) {
            return;
        }
        let refusal = self.tracks.get_mut(&track_id).and_then(|track| track.refusal.take());
        let error = refusal
            .unwrap_or_else(|| RequestError::new(RequestCode::DoesNotExist, "nobody publishes it"));
        self.fail_waiting(track_id, &error, now);
        self.without_source(track_id, now);
    }

    /// The home waited in vain for a publisher, or did not wait: some viewers wait longer.
    fn home_waits_more(
        &mut self,
        track_id: TrackId,
        error: &RequestError,
        asked: Option<Duration>,
    ) -> bool {
        let Some(track) = self.tracks.get(&track_id) else { return false };
        let held = track.downstreams.values().any(|d| matches!(d.phase, Phase::Held { .. }));
        let worth = match error.code {
            RequestCode::Timeout => true,
            RequestCode::DoesNotExist => asked.is_none(),
            _ => false,
        };
        held && worth && !track.is_established() && self.subscribe_upstream(track_id)
    }

    /// No publisher accepted: everyone who waits is told.
    fn fail_waiting(&mut self, track_id: TrackId, error: &RequestError, now: Instant) {
        let Some(track) = self.tracks.get(&track_id) else { return };
        let waiting: Vec<RequestKey> = track
            .downstreams
            .iter()
            .filter(|(_, down)| match down.phase {
                Phase::Waiting => true,
                // The home holds them, and does so no more.
                Phase::Held { .. } => track.key.part == Part::Replica,
                _ => false,
            })
            .map(|(who, _)| *who)
            .collect();
        for who in waiting {
            self.refuse_downstream(who, track_id, error.clone(), now);
        }
        self.fail_pending(track_id, error, now);
    }

    /// Notes that upstream may have to be told whether objects are wanted. Told once a turn: a
    /// viewer that changes its mind in between costs the publisher nothing.
    pub(super) fn update_forward(&mut self, track_id: TrackId) {
        self.reforward.insert(track_id);
    }

    /// Tells upstream whether objects are wanted (MOQT-18 §9.2), where that changed, and asks for
    /// the group that a viewer wants to begin.
    pub(super) fn tell_forward(&mut self) {
        let mut again = BTreeSet::new();
        for track_id in std::mem::take(&mut self.reforward) {
            let Some(track) = self.tracks.get_mut(&track_id) else { continue };
            if track.linger_until.is_some() && track.downstreams.is_empty() {
                // Whoever comes back soon finds what passed meanwhile.
                continue;
            }
            let new_group = track.take_new_group();
            let wanted = track.wants_objects();
            let established: Vec<RequestKey> = track
                .upstreams
                .iter()
                .filter(|(_, up)| up.is_established())
                .map(|(who, _)| *who)
                .collect();
            for who in established {
                // What one of a shard's two is told decides about the other.
                let Some(track) = self.tracks.get(&track_id) else { continue };
                let Some(up) = track.upstreams.get(&who) else { continue };
                let carries = track.carries(&who);
                let forward = Some(wanted && carries).filter(|forward| *forward != up.forward);
                let new_group = new_group.filter(|_| carries);
                if forward.is_none() && new_group.is_none() {
                    continue;
                }
                let update = RequestUpdate { forward, new_group, ..RequestUpdate::default() };
                let Some(entry) = self.entry_mut(who.session) else { continue };
                // A session that ends takes its subscription along; nothing else fails here.
                let told = entry.session.update(who.request, update);
                let Some(track) = self.tracks.get_mut(&track_id) else { continue };
                if told == Err(CommandError::NoCredit) {
                    track.new_group.want_again(new_group);
                    again.insert(track_id);
                    continue;
                }
                if let Some(up) = track.upstreams.get_mut(&who)
                    && let Some(wanted) = forward
                {
                    up.forward = wanted;
                    up.resuming = told.ok().filter(|_| wanted && up.of_shard);
                }
                self.dirty.insert(who.session);
            }
        }
        self.reforward = again;
    }

    /// A publisher ended its subscription.
    pub(super) fn upstream_ended(
        &mut self,
        key: SessionKey,
        id: RequestId,
        track_id: TrackId,
        end: RequestEnd,
        now: Instant,
    ) {
        let (until, doubt) = (now + self.limits.done_wait, self.limits.done_doubt);
        match end {
            RequestEnd::Done(done) => {
                let Some(track) = self.tracks.get_mut(&track_id) else { return };
                let Some(upstream) = track.upstream_of(key, id) else { return };
                // Some publishers say how many subscribers they have, which to them is one. Its
                // streams may be on their way still.
                let doubtful = matches!(done.streams, StreamCount::Known(..=1));
                upstream.doubted_until = doubtful.then_some(now + doubt);
                upstream.done = Some((done.code, done.reason, done.streams, until));
                if upstream.source.is_none() {
                    upstream.done = None;
                    let error = RequestError::new(RequestCode::DoesNotExist, "the track ended");
                    return self.upstream_refused(key, id, track_id, error, now);
                }
                self.touched.insert(track_id);
                self.finish_upstreams(track_id, now);
            }
            RequestEnd::Cancelled(_) | RequestEnd::Lost(_) | RequestEnd::Revoked(_) => {
                self.upstream_lost(key, id, track_id, now);
            }
        }
    }

    /// Forgets publishers that said their last word and whose streams have all come.
    pub(super) fn finish_upstreams(&mut self, track_id: TrackId, now: Instant) {
        let subgroup_hold = self.limits.subgroup_hold;
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        for upstream in track.upstreams.values_mut() {
            upstream.doubted_until.take_if(|at| now >= *at);
        }
        let finished: Vec<RequestKey> = track
            .upstreams
            .iter()
            .filter(|(who, upstream)| upstream.is_finished(now) && !track.is_asked_for_past(who))
            .map(|(who, _)| *who)
            .collect();
        for who in finished {
            let counter = self.counter_of(who.session, who.request);
            let Some(track) = self.tracks.get_mut(&track_id) else { return };
            let Some(upstream) = track.upstreams.remove(&who) else { continue };
            track.numbering.gone(counter);
            track.is_of_origin = upstream.origin_priority.is_some();
            if let Some(source) = upstream.source {
                track.lose_source(source, now + subgroup_hold);
            }
            if let Some(entry) = self.entry_mut(who.session) {
                entry.session.forget(who.request);
                self.dirty.insert(who.session);
            }
            self.forget(who.session, who.request);
            self.fresh.insert(track_id);
            if upstream.origin_priority.is_some() && !self.is_link(who.session) {
                self.note_refusal(track_id, who.session);
            }
            let (code, reason) = match upstream.done {
                Some((code, reason, ..)) => (code, reason),
                None => (DoneCode::Internal, String::new()),
            };
            self.source_gone(track_id, Some((code, reason)), now);
        }
    }

    /// A publisher is gone. If it had said its last word, that counts.
    pub(super) fn upstream_lost(
        &mut self,
        key: SessionKey,
        id: RequestId,
        track_id: TrackId,
        now: Instant,
    ) {
        self.forget(key, id);
        let counter = self.counter_of(key, id);
        let subgroup_hold = self.limits.subgroup_hold;
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let Some(upstream) = track.upstreams.remove(&Self::request_key(key, id)) else { return };
        track.numbering.gone(counter);
        track.is_of_origin = upstream.origin_priority.is_some();
        match upstream.source {
            Some(source) => {
                track.lose_source(source, now + subgroup_hold);
                self.fresh.insert(track_id);
                let word = upstream.done.map(|(code, reason, ..)| (code, reason));
                self.source_gone(track_id, word, now);
            }
            None => {
                if !track.is_established() && !track.is_pending() && !self.ask_origins(track_id) {
                    let error = RequestError::new(RequestCode::DoesNotExist, "the publisher left");
                    self.fail_waiting(track_id, &error, now);
                    self.without_source(track_id, now);
                }
            }
        }
    }

    /// One source less. Without any, viewers are told the last word, or are kept a while for
    /// another publisher if there was none.
    fn source_gone(&mut self, track_id: TrackId, word: Option<(DoneCode, String)>, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        self.touched.insert(track_id);
        if track.upstreams.values().any(|up| up.source.is_some()) || track.is_pending() {
            if track.is_established() {
                self.accept_waiting(track_id, now);
            }
            self.update_forward(track_id);
            return;
        }
        match word {
            Some((DoneCode::GoingAway, _)) | None => {
                if self.subscribe_upstream(track_id) {
                    return;
                }
                return self.without_source(track_id, now);
            }
            // This one lost its publisher; another may have it.
            Some((DoneCode::Internal, _)) if self.ask_origins(track_id) => return,
            Some((code, reason)) => {
                let Some(track) = self.tracks.get_mut(&track_id) else { return };
                track.described = false;
                self.end_track(track_id, code, &reason);
            }
        }
        self.track_unwanted(track_id, now);
    }

    /// Nobody publishes a track any more and nobody else can be asked: whoever takes it is kept a
    /// while. It is the home that keeps them.
    fn without_source(&mut self, track_id: TrackId, now: Instant) {
        let hold = self.limits.source_hold;
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let flows = |down: &crate::downstream::Downstream| {
            matches!(down.phase, Phase::Live | Phase::Offered)
        };
        let has_takers = track.downstreams.values().any(flows);
        if track.upstreams.is_empty() && track.hold_until.is_none() && has_takers {
            if track.key.part == Part::Ingest {
                track.described = false;
                self.end_track(track_id, DoneCode::GoingAway, "its publisher left");
            } else if !track.is_of_origin {
                track.hold_until = Some(now + hold);
            }
        }
        self.schedule_retry(track_id, now);
        self.track_unwanted(track_id, now);
    }

    /// Looks whether a track is still taken, and lets it linger if not.
    pub(super) fn track_unwanted(&mut self, track_id: TrackId, now: Instant) {
        let linger = self.limits.linger;
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        self.touched.insert(track_id);
        if track.is_wanted() || track.linger_until.is_some() {
            return;
        }
        if track.upstreams.is_empty() && track.downstreams.is_empty() {
            return self.drop_track(track_id);
        }
        // It is the home that keeps a track for those who come back.
        let lingers = track.key.part == Part::Home;
        track.linger_until = Some(if lingers { now + linger } else { now });
    }

    /// A deadline of a track has come.
    pub(super) fn track_due(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        self.touched.insert(track_id);
        let expired: Vec<RequestKey> = track
            .downstreams
            .iter()
            .filter(|(_, down)| matches!(down.phase, Phase::Held { until } if now >= until))
            .map(|(who, _)| *who)
            .collect();
        for who in expired {
            let error = RequestError::new(RequestCode::Timeout, "no publisher appeared in time");
            self.refuse_downstream(who, track_id, error, now);
        }
        self.expire_fetches(track_id, now);
        self.origins_due(track_id, now);
        self.finish_upstreams(track_id, now);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        if track.release_at.take_if(|at| now >= *at).is_some() {
            track.store.release();
            self.fresh.insert(track_id);
        }
        if track.hold_until.is_some_and(|at| now >= at) {
            track.hold_until = None;
            track.described = false;
            self.end_track(track_id, DoneCode::Internal, "the publisher was lost");
            self.track_unwanted(track_id, now);
        }
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        if track.linger_until.is_some_and(|at| now >= at) {
            track.linger_until = None;
            if !track.is_wanted() {
                self.leave_upstream(track_id, now);
            }
        }
    }

    /// Nobody wants the track: our own subscriptions end, offered tracks stay, paused.
    fn leave_upstream(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get(&track_id) else { return };
        let ours: Vec<RequestKey> = track
            .upstreams
            .iter()
            .filter(|(_, upstream)| upstream.origin == Origin::Subscribe)
            .map(|(who, _)| *who)
            .collect();
        self.leave(track_id, &ours);
        let Some(track) = self.tracks.get(&track_id) else { return };
        let is_left = track.upstreams.is_empty();
        let empty = is_left && track.downstreams.is_empty();
        if empty {
            self.drop_track(track_id);
        } else if is_left {
            self.without_source(track_id, now);
        } else {
            self.update_forward(track_id);
        }
    }

    /// Ends subscriptions of ours.
    pub(super) fn leave(&mut self, track_id: TrackId, ours: &[RequestKey]) {
        for who in ours {
            let Some(track) = self.tracks.get_mut(&track_id) else { return };
            if let Some(upstream) = track.upstreams.remove(who)
                && let Some(source) = upstream.source
            {
                track.store.remove_source(source, ResetCode::Cancelled);
                self.fresh.insert(track_id);
            }
            if let Some(entry) = self.entry_mut(who.session) {
                entry.session.cancel(who.request, ResetCode::Cancelled);
                entry.requests.remove(&who.request);
                entry
                    .streams_in
                    .retain(|_, stream| stream.track != track_id || stream.request != who.request);
                self.dirty.insert(who.session);
            }
        }
    }

    /// Which source is the best to fetch from: the one that is furthest, and better one that has
    /// not said its last word. For long after that it is not asked any more.
    pub(super) fn fetch_source(&self, track_id: TrackId, now: Instant) -> Option<RequestKey> {
        let track = self.tracks.get(&track_id)?;
        let best = track.store.largest_source();
        let in_time = |up: &Upstream| up.done.as_ref().is_none_or(|(.., until)| now < *until);
        let accepted = track.upstreams.iter().filter(|(_, up)| up.source.is_some() && in_time(up));
        let rank = |(_, up): &(&RequestKey, &Upstream)| (up.done.is_some(), up.source != best);
        accepted.min_by_key(rank).map(|(who, _)| *who)
    }

    /// The largest location of a track as viewers are told it.
    pub(super) fn largest_of(&self, track_id: TrackId) -> Option<Location> {
        self.tracks.get(&track_id).and_then(|track| track.store.largest())
    }

    pub(super) fn note_stream(&mut self, track_id: TrackId, key: SessionKey, id: RequestId) {
        if let Some(upstream) =
            self.tracks.get_mut(&track_id).and_then(|track| track.upstream_of(key, id))
        {
            upstream.streams_seen += 1;
            upstream.feeds_open += 1;
        }
    }

    pub(super) fn note_stream_end(
        &mut self,
        track_id: TrackId,
        key: SessionKey,
        id: RequestId,
        now: Instant,
    ) {
        if let Some(upstream) =
            self.tracks.get_mut(&track_id).and_then(|track| track.upstream_of(key, id))
        {
            upstream.feeds_open = upstream.feeds_open.saturating_sub(1);
            if upstream.done.is_some() {
                self.finish_upstreams(track_id, now);
            }
        }
    }

    pub(super) fn set_session_timer(&mut self, key: SessionKey) {
        let at = self.entry(key).and_then(|entry| entry.session.poll_timeout()).map(|(at, _)| at);
        self.timers.set(TimerKey::Session(key), at);
    }
}

/// Which of several refusals tells a viewer most.
fn rank(code: RequestCode) -> u8 {
    match code {
        RequestCode::Unauthorized => 4,
        RequestCode::DoesNotExist => 3,
        RequestCode::Timeout => 2,
        _ => 1,
    }
}
