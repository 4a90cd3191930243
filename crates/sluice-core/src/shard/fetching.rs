//! Fetches and fills of viewers, and fetches of ours that fill the store for them.

use std::time::Instant;

use sluice_proto::model::{
    Fetch, FetchOk, FetchRange, Fill, GroupOrder, JoiningStart, Location, LocationFilter, RangeEnd,
    Request, RequestCode, RequestError, RequestId, ResetCode, TrackProperties,
};
use sluice_proto::transport::StreamId;
use sluice_proto::wire::JoiningFetch;

use super::updates::no_range_filters;
use super::{InStream, Role, Shard};
use crate::downstream::Phase;
use crate::fetch::{DownFetch, PendingFetch};
use crate::ids::{Part, RequestKey, SessionKey, TrackId};
use crate::store::{Absence, FetchSpan, UnknownSpan};
use crate::track::{Track, UpFetch};

impl Shard {
    pub(super) fn handle_fetch(
        &mut self,
        key: SessionKey,
        id: RequestId,
        fetch: Fetch,
        now: Instant,
    ) {
        if let Err(error) = no_range_filters(&fetch.range_filters, None) {
            return self.refuse(key, id, error);
        }
        let track_id = match &fetch.range {
            FetchRange::Standalone(name, _) => {
                let name = self.key_for_taker(key, name.clone());
                if self.is_loop(key, &name) {
                    return self.refuse(key, id, Self::loop_refusal());
                }
                self.track_of(name)
            }
            FetchRange::Joining(subscription, _) => {
                match self.entry(key).and_then(|entry| entry.requests.get(subscription)) {
                    Some(Role::Downstream(track)) => Some(*track),
                    _ => {
                        let code = RequestCode::InvalidJoiningRequestId;
                        let reason = format!("request {subscription} is no subscription");
                        return self.refuse(key, id, RequestError::new(code, reason));
                    }
                }
            }
        };
        let Some(track_id) = track_id else {
            let error = RequestError::new(RequestCode::ExcessiveLoad, "too many tracks");
            return self.refuse(key, id, error);
        };
        if let Some(entry) = self.entry_mut(key) {
            entry.requests.insert(id, Role::Fetch(track_id));
        }
        let who = Self::request_key(key, id);
        let wait = self.limits.fetch_wait;
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        track.linger_until = None;
        let joins = matches!(fetch.range, FetchRange::Joining(..));
        let probes = track.is_established() && track.is_stale() && !joins;
        let waits = joins_what_waits(track, who, &fetch);
        if track.is_established() && !probes && !waits {
            return self.answer_fetch(who, track_id, &fetch, now);
        }
        // What the home of a track has is here, whatever the shard.
        let patience = fetch.fill_timeout.filter(|_| track.key.part != Part::Replica);
        let until = now + patience.map_or(wait, |patience| patience.min(wait));
        track.pending_fetches.push(PendingFetch { who, fetch, until });
        self.touched.insert(track_id);
        if waits || probes && self.probe(track_id) {
            return;
        }
        let asked = self.subscribe_upstream(track_id);
        let waits = asked || self.awaits_origin(track_id);
        if !waits && !self.tracks.get(&track_id).is_some_and(|track| track.is_pending()) {
            let error = RequestError::new(RequestCode::DoesNotExist, "nobody publishes it");
            self.fail_pending(track_id, &error, now);
        }
    }

    /// A publisher is known now: fetches and status requests that waited go on.
    pub(super) fn answer_pending(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        if track.probes > 0 {
            return;
        }
        let pending = std::mem::take(&mut track.pending_fetches);
        let waits = |fetch: &PendingFetch| joins_what_waits(track, fetch.who, &fetch.fetch);
        let (waiting, fetches): (Vec<_>, Vec<_>) = pending.into_iter().partition(waits);
        track.pending_fetches = waiting;
        let status = std::mem::take(&mut track.pending_status);
        for pending in fetches {
            self.answer_fetch(pending.who, track_id, &pending.fetch, now);
        }
        for who in status {
            self.answer_status(who, Some(track_id));
        }
        self.track_unwanted(track_id, now);
    }

    pub(super) fn fail_pending(&mut self, track_id: TrackId, error: &RequestError, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let fetches = std::mem::take(&mut track.pending_fetches);
        let status = std::mem::take(&mut track.pending_status);
        let waiting = fetches.into_iter().map(|pending| pending.who).chain(status);
        for who in waiting.collect::<Vec<_>>() {
            self.refuse(who.session, who.request, error.clone());
        }
        self.track_unwanted(track_id, now);
    }

    fn answer_fetch(&mut self, who: RequestKey, track_id: TrackId, fetch: &Fetch, now: Instant) {
        let (start, end) = match self.fetch_bounds(who, track_id, fetch) {
            Ok(bounds) => bounds,
            Err(error) => {
                self.refuse(who.session, who.request, error);
                return self.track_unwanted(track_id, now);
            }
        };
        let order = fetch.order.unwrap_or(GroupOrder::Ascending);
        let wait = self.limits.fetch_wait;
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let wants_properties = fetch.include_properties.unwrap_or(true);
        let properties =
            if wants_properties { track.properties.clone() } else { TrackProperties::default() };
        let end_of_track =
            track.store.end_of_track().is_some_and(|track_end| end.includes(before(track_end)));
        let ok = FetchOk { end_of_track, end, order: Some(order), properties };
        let span = FetchSpan { start, end, order };
        let mut down = DownFetch::new(span, fetch.priority.unwrap_or_default(), now);
        down.answer = Some(Box::new(ok));
        let patience = fetch.fill_timeout.map(|patience| patience.min(wait));
        track.begin_fetch(who, down, patience, now);
        self.dirty.insert(who.session);
        self.touched.insert(track_id);
    }

    /// First and last location of a fetch, cut at the largest object.
    fn fetch_bounds(
        &self,
        who: RequestKey,
        track_id: TrackId,
        fetch: &Fetch,
    ) -> Result<(Location, RangeEnd), RequestError> {
        let invalid = |reason: String| RequestError::new(RequestCode::InvalidRange, reason);
        let nothing = || invalid("nothing has been published yet".to_owned());
        let (start, end, largest) = match &fetch.range {
            FetchRange::Standalone(_, filter) => {
                let largest = self.largest_of(track_id).ok_or_else(nothing)?;
                let (start, end) = filter.resolve(Some(largest));
                (start, end, largest)
            }
            FetchRange::Joining(subscription, joining) => {
                let of = Self::request_key(who.session, *subscription);
                let track = self.tracks.get(&track_id).ok_or_else(nothing)?;
                let down = track.downstreams.get(&of).ok_or_else(nothing)?;
                let join = down.join.ok_or_else(nothing)?;
                if !down.forward && !self.joins_paused(who.session) {
                    return Err(invalid("the subscription is paused".to_owned()));
                }
                let group = match joining {
                    JoiningStart::Relative(back) => join.group.0.saturating_sub(*back),
                    JoiningStart::Absolute(group) => group.0,
                };
                (Location::new(group, 0), None, join)
            }
        };
        if start > largest {
            return Err(invalid(format!("it starts at {start}, the largest object is {largest}")));
        }
        let whole = RangeEnd { group: largest.group, object: Some(largest.object) };
        let end = end.filter(|end| !end.includes(largest)).unwrap_or(whole);
        if end.group < start.group
            || end.group == start.group && end.object.is_some_and(|last| last < start.object)
        {
            return Err(invalid(format!("it ends before it starts at {start}")));
        }
        Ok((start, end))
    }

    /// Whether a session may join a subscription that is paused: its draft asks for a subscription
    /// that began at the next object, and nothing more.
    fn joins_paused(&self, session: SessionKey) -> bool {
        let dialect = self.entry(session).and_then(|entry| entry.session.dialect());
        dialect.is_some_and(|dialect| dialect.joining_fetch == JoiningFetch::OfNextObject)
    }

    /// A fill: what lies between its start and what the subscriber was told is largest.
    pub(super) fn begin_fill(
        &mut self,
        who: RequestKey,
        carrier: RequestId,
        track_id: TrackId,
        fill: &Fill,
        now: Instant,
    ) {
        let wait = self.limits.fetch_wait;
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let Some(down) = track.downstreams.get(&who) else { return };
        let largest = if carrier == who.request { down.join } else { track.store.largest() };
        let Some(largest) = largest else { return };
        let filter = fill.filter.unwrap_or(down.filter);
        let (start, end) = filter.resolve(Some(largest));
        if start > largest {
            return;
        }
        let whole = RangeEnd { group: largest.group, object: Some(largest.object) };
        let end = end.filter(|end| !end.includes(largest)).unwrap_or(whole);
        let order = fill.order.unwrap_or(down.order);
        let priority = fill.priority.unwrap_or(down.priority);
        let mut fetch = DownFetch::new(FetchSpan { start, end, order }, priority, now);
        fetch.subscription = Some(who.request);
        if down.has_past_in_logs() {
            fetch = fetch.beside_logs();
        }
        let patience = fill.timeout.map(|patience| patience.min(wait));
        track.begin_fetch(Self::request_key(who.session, carrier), fetch, patience, now);
        self.touched.insert(track_id);
        self.dirty.insert(who.session);
    }

    /// A viewer gave a fetch up.
    pub(super) fn fetch_gone(&mut self, key: SessionKey, id: RequestId, track_id: TrackId) {
        self.forget(key, id);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let who = Self::request_key(key, id);
        track.pending_fetches.retain(|pending| pending.who != who);
        if let Some(fetch) = track.fetches.remove(&who) {
            self.orphans.extend(fetch.stream.map(|stream| (key, stream)));
        }
        self.idle.insert(track_id);
    }

    /// Asks a publisher for what is not known; false if there is none to ask.
    pub(super) fn ask_upstream(
        &mut self,
        track_id: TrackId,
        whose: RequestKey,
        unknown: UnknownSpan,
        now: Instant,
    ) -> bool {
        let Some(who) = self.fetch_source(track_id, now) else { return false };
        let wait = self.limits.fetch_wait;
        let Some(track) = self.tracks.get(&track_id) else { return false };
        let name = track.key.name.clone();
        let unknown = match track.fetches.get(&whose) {
            Some(fetch) => track.store.widen_unknown(unknown, fetch.span()),
            None => unknown,
        };
        let source = track.upstreams.get(&who).and_then(|upstream| upstream.source);
        // The home of a track asks in its turn, for no longer than who waits for it.
        let waits = track.fetches.get(&whose).filter(|fetch| fetch.asks_home);
        let until = waits.and_then(|fetch| fetch.until);
        let patience = until.map(|until| until.saturating_duration_since(now));
        let tokens = self.tokens_for(who.session);
        let Some((entry, source)) = self.entry_mut(who.session).zip(source) else { return false };
        let filter = LocationFilter::Range(unknown.start, unknown.end);
        let fetch = Fetch {
            range: FetchRange::Standalone(name, filter),
            priority: None,
            order: Some(GroupOrder::Ascending),
            fill_timeout: patience,
            range_filters: Vec::new(),
            include_properties: None,
            tokens,
        };
        let Ok(id) = entry.session.request(Request::Fetch(fetch)) else { return false };
        entry.requests.insert(id, Role::UpFetch(track_id));
        self.dirty.insert(who.session);
        let span =
            FetchSpan { start: unknown.start, end: unknown.end, order: GroupOrder::Ascending };
        if let Some(track) = self.tracks.get_mut(&track_id) {
            let feed = track.store.begin_fetch(source, span, Absence::Evidence);
            let up = UpFetch { feed, span, end: None, finished: false, until: now + wait };
            track.up_fetches.insert(Self::request_key(who.session, id), up);
        }
        self.touched.insert(track_id);
        true
    }

    pub(super) fn fetch_stream_opened(&mut self, key: SessionKey, stream: StreamId, id: RequestId) {
        let who = Self::request_key(key, id);
        let Some(Role::UpFetch(track_id)) =
            self.entry(key).and_then(|entry| entry.requests.get(&id)).cloned()
        else {
            return;
        };
        let feed = self
            .tracks
            .get(&track_id)
            .and_then(|track| track.up_fetches.get(&who))
            .map(|fetch| fetch.feed);
        if let (Some(feed), Some(entry)) = (feed, self.entry_mut(key)) {
            let inbound = InStream { track: track_id, request: id, feed };
            entry.streams_in.insert(stream, inbound);
        }
    }

    /// The stream of a fetch of ours ended with FIN; false if it was none.
    pub(super) fn finish_up_fetch(
        &mut self,
        key: SessionKey,
        inbound: InStream,
        now: Instant,
    ) -> bool {
        let who = Self::request_key(key, inbound.request);
        let Some(track) = self.tracks.get_mut(&inbound.track) else { return false };
        let Some(fetch) = track.up_fetches.get_mut(&who) else { return false };
        // Only FETCH_OK tells how much was covered: this publisher may have less than another
        // that told the largest location.
        let Some(end) = fetch.end else {
            fetch.finished = true;
            return true;
        };
        track.up_fetches.remove(&who);
        let result = track.store.finish_fetch(inbound.feed, Some(end), now);
        self.forget(key, inbound.request);
        self.changed(inbound.track, key, result);
        self.fresh.insert(inbound.track);
        self.touched.insert(inbound.track);
        self.finish_upstreams(inbound.track, now);
        true
    }

    /// A fetch of ours has nothing in it: that is an answer too.
    pub(super) fn up_fetch_empty(
        &mut self,
        key: SessionKey,
        id: RequestId,
        track_id: TrackId,
        now: Instant,
    ) {
        let who = Self::request_key(key, id);
        let track = self.tracks.get_mut(&track_id);
        if let Some(fetch) = track.and_then(|track| track.up_fetches.get_mut(&who)) {
            fetch.end = Some(fetch.span.end);
            let feed = fetch.feed;
            let inbound = InStream { track: track_id, request: id, feed };
            self.finish_up_fetch(key, inbound, now);
        }
    }

    /// A fetch of ours was refused: whoever waits for it gives up.
    pub(super) fn up_fetch_failed(&mut self, key: SessionKey, id: RequestId, track_id: TrackId) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        if let Some(refused) = track.up_fetches.get(&Self::request_key(key, id)) {
            let waits = |fetch: &&mut DownFetch| fetch.stands_in(refused.span);
            track.fetches.values_mut().filter(waits).for_each(DownFetch::stop_asking);
        }
        self.up_fetch_lost(key, id, track_id);
    }

    /// A fetch of ours broke off, mostly with its publisher: another one can be asked.
    pub(super) fn up_fetch_lost(&mut self, key: SessionKey, id: RequestId, track_id: TrackId) {
        self.forget(key, id);
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        if let Some(fetch) = track.up_fetches.remove(&Self::request_key(key, id)) {
            track.store.reset(fetch.feed, ResetCode::Cancelled);
        }
        self.fresh.insert(track_id);
        self.touched.insert(track_id);
    }

    /// Nobody can be asked now for what a viewer's fetch needs. If a publisher may come soon, it waits
    /// for that one.
    pub(super) fn ask_later(&mut self, track_id: TrackId, whose: RequestKey, now: Instant) {
        let until = now + self.limits.fetch_wait;
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        let may_come = track.is_pending() || track.retry_at.is_some() || track.hold_until.is_some();
        if let Some(fetch) = track.fetches.get_mut(&whose) {
            match may_come {
                true => fetch.await_source(until),
                false => fetch.stop_asking(),
            }
            self.touched.insert(track_id);
            self.dirty.insert(whose.session);
        }
    }

    /// Fetches that waited for too long.
    pub(super) fn expire_fetches(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        for (who, fetch) in &mut track.fetches {
            if fetch.deadline().is_some_and(|deadline| now >= deadline) {
                fetch.stop_asking();
                self.dirty.insert(who.session);
            }
        }
        let late: Vec<RequestKey> = track
            .up_fetches
            .iter()
            .filter(|(_, fetch)| now >= fetch.until)
            .map(|(who, _)| *who)
            .collect();
        let pending: Vec<RequestKey> = track
            .pending_fetches
            .iter()
            .filter(|pending| now >= pending.until)
            .map(|pending| pending.who)
            .collect();
        for who in late {
            if let Some(entry) = self.entry_mut(who.session) {
                entry.session.cancel(who.request, ResetCode::Cancelled);
                self.dirty.insert(who.session);
            }
            self.up_fetch_failed(who.session, who.request, track_id);
        }
        for who in pending {
            if let Some(track) = self.tracks.get_mut(&track_id) {
                track.pending_fetches.retain(|pending| pending.who != who);
            }
            let error = RequestError::new(RequestCode::Timeout, "no publisher answered in time");
            self.refuse(who.session, who.request, error);
        }
    }
}

/// Whether a fetch joins a subscription that is not answered yet: where it ends is not known.
fn joins_what_waits(track: &Track, who: RequestKey, fetch: &Fetch) -> bool {
    let FetchRange::Joining(subscription, _) = &fetch.range else { return false };
    let of = RequestKey { session: who.session, request: *subscription };
    let down = track.downstreams.get(&of);
    down.is_some_and(|down| {
        matches!(down.phase, Phase::Waiting | Phase::Held { .. }) || down.resuming.is_some()
    })
}

/// The location just before `end`.
fn before(end: Location) -> Location {
    match end.object.0.checked_sub(1) {
        Some(object) => Location::new(end.group.0, object),
        None => Location::new(end.group.0.saturating_sub(1), u64::MAX),
    }
}
