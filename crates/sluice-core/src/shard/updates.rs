//! REQUEST_UPDATE: what changes while it runs, and what an update that is not granted costs
//! (MOQT-18 §10.9).

use std::time::Instant;

use sluice_proto::model::{
    DoneCode, Fill, Location, LocationFilter, RangeFilter, RequestCode, RequestError, RequestId,
    RequestOk, RequestUpdate, TrackNamespace,
};

use super::{Role, Shard, SpreadKey};
use crate::downstream::Phase;
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
            Role::Downstream(track) => self.update_downstream(who, *track, update_id, &update, now),
            Role::Interest(prefix) => self.update_interest(who, prefix, &update),
            Role::Fetch(track) => self.update_fetch(who, *track, &update),
            _ => Ok(RequestOk::default()),
        };
        let failed = result.is_err();
        if let Some(entry) = self.entry_mut(key) {
            entry.session.answer_update(id, update_id, result);
            self.dirty.insert(key);
        }
        if failed {
            self.end_by_update(who, &role);
        }
    }

    /// What was not granted ends: the peer goes by what it asked for, the relay cannot.
    fn end_by_update(&mut self, who: RequestKey, role: &Role) {
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
                self.end_request(who);
            }
            Role::Interest(prefix) => {
                self.interest_gone(who.session, who.request, prefix);
                self.end_request(who);
            }
            _ => {}
        }
    }

    fn end_request(&mut self, who: RequestKey) {
        if let Some(entry) = self.entry_mut(who.session) {
            entry.session.end_request(who.request);
        }
    }

    fn update_downstream(
        &mut self,
        who: RequestKey,
        track_id: TrackId,
        update_id: RequestId,
        update: &RequestUpdate,
        now: Instant,
    ) -> Result<RequestOk, RequestError> {
        no_range_filters(&update.range_filters, update.fill.as_ref())?;
        let Some(track) = self.tracks.get(&track_id) else { return Ok(RequestOk::default()) };
        let largest = track.store.largest();
        let fault =
            update.filter.and_then(|filter| self.filter_fault(who.session, filter, largest));
        if let Some(error) = fault {
            return Err(error);
        }
        let Some(track) = self.tracks.get_mut(&track_id) else { return Ok(RequestOk::default()) };
        let Some(down) = track.downstreams.get_mut(&who) else { return Ok(RequestOk::default()) };
        down.priority = update.priority.unwrap_or(down.priority);
        down.object_timeout = update.object_timeout.or(down.object_timeout);
        let flowed = down.forward;
        down.forward = update.forward.unwrap_or(flowed);
        let mut cut = Vec::new();
        let live = down.phase == Phase::Live;
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
        self.orphans.extend(cut.into_iter().map(|stream| (who.session, stream)));
        self.idle.insert(track_id);
        self.update_forward(track_id);
        if let Some(fill) = update.fill.as_ref().filter(|_| forward && live) {
            self.begin_fill(who, update_id, track_id, fill, now);
        }
        Ok(RequestOk { largest, ..RequestOk::default() })
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
        entry.requests.insert(who.request, Role::Interest(changed.clone()));
        self.namespaces.unwant(scope, prefix, who);
        self.namespaces.want(scope, &changed, who, interest);
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
