//! REQUEST_UPDATE: what changes while it runs, and what an update that is not granted costs
//! (MOQT-18 §10.9).

use std::time::Instant;

use sluice_proto::model::{
    DoneCode, Fill, Location, LocationFilter, RangeFilter, RequestCode, RequestError, RequestId,
    RequestOk, RequestUpdate, TrackNamespace,
};

use super::{Role, Shard, SpreadKey};
use crate::downstream::{Phase, Resuming};
use crate::ids::{RequestKey, SessionKey, TrackId};

impl Shard {
    pub(super) fn handle_update(
        &mut self,
        key: SessionKey,
        id: RequestId,
        update_id: RequestId,
        update: RequestUpdate,
        now: Instant,
    ) {
        let Some(role) = self.entry(key).and_then(|entry| entry.requests.get(&id).cloned()) else {
            return;
        };
        let who = Self::request_key(key, id);
        let result = match &role {
            Role::Downstream(track) => {
                match self.update_downstream(who, *track, update_id, &update, now) {
                    Ok(None) => return,
                    Ok(Some(ok)) => Ok(ok),
                    Err(error) => Err(error),
                }
            }
            Role::Interest(prefix) => self.update_interest(who, prefix, &update),
            Role::Fetch(track) => self.update_fetch(who, *track, &update),
            _ => Ok(RequestOk::default()),
        };
        let failed = result.as_ref().err().cloned();
        if let Some(entry) = self.entry_mut(key) {
            entry.session.answer_update(id, update_id, result);
            self.dirty.insert(key);
        }
        if let Some(error) = failed {
            self.end_by_update(who, &role, error);
        }
    }

    /// An update waited in vain for the request that it needs.
    pub(super) fn lapse_update(&mut self, who: RequestKey, update_id: RequestId) {
        let Some(entry) = self.entry_mut(who.session) else { return };
        let Some(role) = entry.requests.get(&who.request).cloned() else { return };
        let error = RequestError::new(RequestCode::Timeout, "what it needs did not come in time");
        entry.session.answer_update(who.request, update_id, Err(error.clone()));
        self.dirty.insert(who.session);
        self.end_by_update(who, &role, error);
    }

    /// What was not granted ends: the peer goes by what it asked for, the relay cannot.
    fn end_by_update(&mut self, who: RequestKey, role: &Role, error: RequestError) {
        match role {
            Role::Downstream(track_id) => {
                let Some(down) = self.downstream_mut(who, *track_id) else { return };
                let reason = "an update was refused".to_owned();
                down.phase = Phase::Ending { code: DoneCode::UpdateFailed, reason };
                down.forward = false;
                let cut: Vec<_> = down.take_streams().collect();
                self.orphans.extend(cut.into_iter().map(|stream| (who.session, stream)));
                self.update_forward(*track_id);
            }
            Role::Fetch(track) => {
                self.fetch_gone(who.session, who.request, *track);
                // Where it was not answered yet, this is the answer.
                self.refuse(who.session, who.request, error);
            }
            Role::Interest(prefix) => {
                self.interest_gone(who.session, who.request, prefix);
                if let Some(entry) = self.entry_mut(who.session) {
                    entry.session.end_request(who.request);
                }
            }
            _ => {}
        }
    }

    /// What the update is answered with, or nothing where that has to wait for another shard.
    fn update_downstream(
        &mut self,
        who: RequestKey,
        track_id: TrackId,
        update_id: RequestId,
        update: &RequestUpdate,
        now: Instant,
    ) -> Result<Option<RequestOk>, RequestError> {
        // Updates are answered in their order, so one that waits is answered with what is known.
        let earlier = self.downstream_mut(who, track_id).and_then(|down| down.resuming.take());
        let waited = earlier.is_some();
        if let Some(earlier) = earlier {
            self.end_wait(who, track_id, earlier, now);
        }
        no_range_filters(&update.range_filters, update.fill.as_ref())?;
        let Some(track) = self.tracks.get(&track_id) else { return Ok(Some(RequestOk::default())) };
        let largest = track.store.largest();
        let fault =
            update.filter.and_then(|filter| self.filter_fault(who.session, filter, largest));
        if let Some(error) = fault {
            return Err(error);
        }
        let over = Ok(Some(RequestOk::default()));
        let Some(track) = self.tracks.get_mut(&track_id) else { return over };
        let is_stale = track.is_stale();
        let Some(down) = track.downstreams.get_mut(&who) else { return over };
        track.new_group.want(update.new_group);
        down.priority = update.priority.unwrap_or(down.priority);
        down.timeouts = down.timeouts.updated(update.object_timeout, update.subgroup_timeout);
        let flowed = down.forward;
        let live = down.phase == Phase::Live;
        let wanted = update.forward.unwrap_or(flowed || waited);
        let waits = live && wanted && !flowed && is_stale;
        down.forward = wanted && !waits;
        let mut cut = Vec::new();
        if live && flowed != down.forward {
            // MOQT-18 §11.4.3: where objects were left out a stream does not go on.
            cut.extend(down.take_streams());
        }
        if live && down.forward && !flowed {
            down.resume(&track.store);
        }
        if let Some(filter) = update.filter {
            cut.extend(down.refilter(filter, &track.store));
        }
        let forward = down.forward;
        let fill = update.fill.clone();
        if waits {
            down.resuming = Some(Resuming { update: update_id, fill: fill.map(Box::new) });
        } else if let Some(fill) = fill.filter(|_| forward && live) {
            self.begin_fill(who, update_id, track_id, &fill, now);
        }
        self.orphans.extend(cut.into_iter().map(|stream| (who.session, stream)));
        self.idle.insert(track_id);
        self.update_forward(track_id);
        Ok((!waits).then(|| RequestOk { largest, ..RequestOk::default() }))
    }

    /// Another shard said from where a track goes on: so do those who waited for it.
    pub(super) fn resume_waiting(&mut self, track_id: TrackId, now: Instant) {
        let Some(track) = self.tracks.get_mut(&track_id) else { return };
        if track.is_stale() {
            return;
        }
        let mut resumed = Vec::new();
        for (who, down) in &mut track.downstreams {
            let Some(resuming) = down.resuming.take() else { continue };
            if down.phase == Phase::Live {
                down.forward = true;
                down.resume(&track.store);
            }
            resumed.push((*who, resuming));
        }
        for (who, resuming) in resumed {
            self.end_wait(who, track_id, resuming, now);
            self.idle.insert(track_id);
        }
    }

    /// An update waits no more: it is answered with what is known now, and its fill begins.
    fn end_wait(&mut self, who: RequestKey, track: TrackId, waited: Resuming, now: Instant) {
        self.answer_resuming(who, track, waited.update);
        if let Some(fill) = waited.fill {
            self.begin_fill(who, waited.update, track, &fill, now);
        }
    }

    pub(super) fn answer_resuming(&mut self, who: RequestKey, track: TrackId, update: RequestId) {
        let ok = RequestOk { largest: self.largest_of(track), ..RequestOk::default() };
        let Some(entry) = self.entry_mut(who.session) else { return };
        entry.session.answer_update(who.request, update, Ok(ok));
        self.dirty.insert(who.session);
    }

    /// Why a filter cannot be had, if it cannot (MOQT-18 §5.1.2).
    pub(super) fn filter_fault(
        &self,
        session: SessionKey,
        filter: LocationFilter,
        largest: Option<Location>,
    ) -> Option<RequestError> {
        let LocationFilter::Range(start, end) = filter else { return None };
        let invalid = |reason: String| Some(RequestError::new(RequestCode::InvalidRange, reason));
        if !end.includes(start) {
            return invalid(format!("the filter ends before it starts at {start}"));
        }
        // From draft 20 on a subscription to the past is one that nothing comes for.
        let ends = self.entry(session)?.session.dialect()?.filter_end_ends_subscription;
        let past = largest.filter(|largest| ends && largest.group > end.group);
        past.and_then(|largest| {
            invalid(format!("the filter ends in group {}, the track is at {largest}", end.group))
        })
    }

    fn update_fetch(
        &mut self,
        who: RequestKey,
        track_id: TrackId,
        update: &RequestUpdate,
    ) -> Result<RequestOk, RequestError> {
        no_range_filters(&update.range_filters, None)?;
        let Some(track) = self.tracks.get_mut(&track_id) else { return Ok(RequestOk::default()) };
        if let Some(fetch) = track.fetches.get_mut(&who) {
            fetch.priority = update.priority.unwrap_or(fetch.priority);
        }
        let mut pending = track.pending_fetches.iter_mut();
        if let Some(pending) = pending.find(|pending| pending.who == who) {
            pending.fetch.priority = update.priority.or(pending.fetch.priority);
        }
        Ok(RequestOk::default())
    }

    fn update_interest(
        &mut self,
        who: RequestKey,
        prefix: &TrackNamespace,
        update: &RequestUpdate,
    ) -> Result<RequestOk, RequestError> {
        no_range_filters(&update.range_filters, None)?;
        let Some(entry) = self.entry_mut(who.session) else { return Ok(RequestOk::default()) };
        let scope = entry.scope;
        let Some(wanted) = entry.interests.get_mut(&who.request) else {
            return Ok(RequestOk::default());
        };
        wanted.forward = update.forward.unwrap_or(wanted.forward);
        let interest = wanted.interest;
        let Some(changed) = update.prefix.clone().filter(|changed| changed != prefix) else {
            return Ok(RequestOk::default());
        };
        if entry.has_overlap(who.request, interest, &changed) {
            let reason = "this session is interested in an overlapping prefix already";
            return Err(RequestError::new(RequestCode::PrefixOverlap, reason));
        }
        if let Some(error) = self.listing_fault(scope, &changed, interest) {
            return Err(error);
        }
        let Some(entry) = self.entry_mut(who.session) else { return Ok(RequestOk::default()) };
        entry.requests.insert(who.request, Role::Interest(changed.clone()));
        self.namespaces.unwant(scope, prefix, who);
        self.namespaces.want(scope, &changed, who, interest);
        self.follow_interests();
        if interest.tracks() {
            self.unspread(&SpreadKey::Interest(scope, prefix.clone()), who);
            self.spread(SpreadKey::Interest(scope, changed.clone()), who);
        }
        self.tell_interested(who, scope, &changed, interest);
        Ok(RequestOk::default())
    }
}

/// The relay announces no range filters (MOQT-19 §5.1.3), neither for a request nor for its fill;
/// taking one away that is not there does no harm.
pub(super) fn no_range_filters(
    filters: &[RangeFilter],
    fill: Option<&Fill>,
) -> Result<(), RequestError> {
    let of_fill = fill.into_iter().flat_map(|fill| &fill.range_filters);
    if filters.iter().chain(of_fill).any(|filter| !filter.ranges.is_empty()) {
        let reason = "this relay announced no range filters";
        return Err(RequestError::new(RequestCode::InvalidFilter, reason));
    }
    Ok(())
}
