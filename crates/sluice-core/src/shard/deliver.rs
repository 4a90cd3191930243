//! Objects going out: each session that has something, once a turn.

use std::collections::BTreeMap;
use std::time::Instant;

use sluice_proto::model::{DoneCode, RequestId, ResetCode};
use sluice_proto::transport::Transport;

use super::{Drain, Role, SessionEntry, Shard, Transports};
use crate::downstream::{Phase, Timeouts};
use crate::fetch::Fetched;
use crate::ids::{RequestKey, SessionKey, TrackId};
use crate::limits::Limits;
use crate::notice::Notice;
use crate::out_stream::Served;
use crate::placement::ShardId;
use crate::store::UnknownSpan;
use crate::track::Track;

/// What serving a session leaves to do when its connection is given back.
#[derive(Default)]
struct After {
    asks: Vec<(TrackId, RequestKey, UnknownSpan)>,
    over: Vec<(TrackId, RequestKey)>,
    ended: Vec<(TrackId, RequestId, DoneCode, String)>,
    behind: Vec<(TrackId, u64)>,
    wake: Option<Instant>,
}

/// One thing that can be sent: smaller ranks go first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: (u8, u8, u64, u64),
    track: TrackId,
    request: RequestId,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Fetch,
    Subgroup(usize),
}

impl Shard {
    /// Writes to every session that has something to send, as far as its connection takes it.
    pub fn flush(&mut self, transports: &mut dyn Transports, now: Instant) {
        self.relieve();
        // Serving may ask upstream, whose request then has to be written too.
        for _ in 0..3 {
            self.hear_links(now);
            self.tell_forward();
            self.await_origins(now);
            self.mark_viewers();
            self.settle_tracks();
            if self.dirty.is_empty() {
                break;
            }
            for key in std::mem::take(&mut self.dirty) {
                let mut after = After::default();
                let mut closed = false;
                let mut served = false;
                let mut serve = |shard: &mut Self, transport: &mut dyn Transport| {
                    served = true;
                    shard.flush_session(key, transport, &mut after, now);
                    closed = shard.entry(key).is_none_or(|entry| entry.session.is_closed());
                };
                if self.is_link(key) {
                    self.with_link(key, |shard, transport| serve(shard, transport));
                } else {
                    transports.with(key, &mut |transport| serve(self, transport));
                }
                let over = self.entry(key).is_some_and(|entry| entry.session.is_closed());
                if closed || !served && over {
                    self.remove_session(key, now);
                } else {
                    self.count_held(key);
                    self.set_session_timer(key);
                    self.set_delivery_timer(key, after.wake);
                }
                self.finish_serving(key, after, now);
            }
            for track in std::mem::take(&mut self.idle) {
                self.track_unwanted(track, now);
            }
        }
        self.settle_tracks();
        self.schedule_sweep(now);
        if matches!(self.drain, Drain::Until(_)) {
            self.advance_drain(now);
        }
    }

    /// Sessions that take a track with new objects have something to send.
    fn mark_viewers(&mut self) {
        for id in std::mem::take(&mut self.fresh) {
            let Some(track) = self.tracks.get(&id) else { continue };
            self.dirty.extend(track.downstreams.keys().map(|who| who.session));
            self.dirty.extend(track.fetches.keys().map(|who| who.session));
            self.touched.insert(id);
        }
    }

    fn remove_session(&mut self, key: SessionKey, now: Instant) {
        // Closed by a command: its requests are still entered.
        let open = self.entry(key).is_some_and(|entry| !entry.requests.is_empty());
        if open {
            self.drain_events(key, now);
            self.dirty.remove(&key);
        }
        if self.entry(key).is_some() {
            self.uncount_held(key);
            self.sessions.remove(key.index as usize);
        }
        self.timers.set(super::TimerKey::Session(key), None);
        self.timers.set(super::TimerKey::Delivery(key), None);
    }

    fn flush_session(
        &mut self,
        key: SessionKey,
        transport: &mut dyn Transport,
        after: &mut After,
        now: Instant,
    ) {
        let orphans: Vec<_> = self.orphans.extract_if(.., |(of, _)| *of == key).collect();
        let Self { sessions, tracks, limits, link_limits, .. } = self;
        let Some(entry) = sessions.get_mut(key.index as usize) else { return };
        if entry.generation != key.generation {
            return;
        }
        for (_, stream) in orphans {
            entry.session.reset_data(transport, stream, ResetCode::Cancelled);
        }
        let (is_peer, before) = (entry.link.is_none(), entry.sent_bytes);
        let limits = if is_peer { limits } else { link_limits };
        entry.session.flush(transport, now);
        if entry.session.is_closed() {
            return;
        }
        let mut serving = Serving { key, entry, tracks, limits, transport, after, now };
        let candidates = serving.candidates();
        let full = serving.serve(candidates);
        serving.settle(full);
        entry.session.flush(transport, now);
        if is_peer {
            self.sent_bytes += entry.sent_bytes - before;
        }
    }

    fn finish_serving(&mut self, key: SessionKey, after: After, now: Instant) {
        for (track, id, code, reason) in after.ended {
            if let Some(entry) = self.entry_mut(key) {
                entry.session.publish_done(id, code, &reason);
                entry.requests.remove(&id);
                self.dirty.insert(key);
            }
            if let Some(track) = self.tracks.get_mut(&track) {
                track.downstreams.remove(&Self::request_key(key, id));
            }
            self.update_forward(track);
            self.track_unwanted(track, now);
        }
        for (track, undelivered_bytes) in after.behind {
            if let Some(name) = self.tracks.get(&track).map(|track| track.key.name.clone())
                && !self.is_link(key)
            {
                self.notice(Notice::ViewerBehind { session: key, track: name, undelivered_bytes });
            }
        }
        for (track, who) in after.over {
            if matches!(
                self.entry(key).and_then(|entry| entry.requests.get(&who.request)),
                Some(Role::Fetch(_))
            ) {
                self.forget(key, who.request);
            }
            self.dirty.insert(key);
            self.track_unwanted(track, now);
        }
        for (track_id, who, span) in after.asks {
            if !self.ask_upstream(track_id, who, span, now) {
                self.ask_later(track_id, who, now);
            }
        }
    }
}

/// One session being served.
struct Serving<'a> {
    key: SessionKey,
    entry: &'a mut SessionEntry,
    tracks: &'a mut BTreeMap<TrackId, Track>,
    limits: &'a Limits,
    transport: &'a mut dyn Transport,
    after: &'a mut After,
    now: Instant,
}

impl Serving<'_> {
    fn who(&self, request: RequestId) -> RequestKey {
        RequestKey { session: self.key, request }
    }

    /// What can be sent, best first. Subscriptions give up here what they are late with.
    fn candidates(&mut self) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let Self { key, entry, tracks, limits, transport, after, now } = self;
        for (id, role) in &entry.requests {
            let (Role::Downstream(track_id) | Role::Fetch(track_id)) = role else { continue };
            let Some(track) = tracks.get_mut(track_id) else { continue };
            let who = RequestKey { session: *key, request: *id };
            for (of, fetch) in track.fetches.range(who..) {
                // Fills of a subscription stand under the ids of the updates that asked for them.
                if of.session != *key {
                    break;
                }
                if of.request == *id || fetch.subscription == Some(*id) {
                    candidates.push(Candidate {
                        rank: (fetch.priority.0, 0, 0, 0),
                        track: *track_id,
                        request: of.request,
                        what: What::Fetch,
                    });
                }
            }
            let Some(down) = track.downstreams.get_mut(&who) else { continue };
            let session = &mut entry.session;
            if !down.forward {
                down.pause(session, *transport, ResetCode::Cancelled);
            }
            down.refresh(&track.store);
            let before = down.sent_bytes;
            let timeouts = down.timeouts.with(track.timeouts);
            down.serve_datagrams(*id, &mut track.store, session, *transport, timeouts, *now);
            let sent = down.sent_bytes - before;
            count_sent(&mut entry.sent_bytes, &mut track.sent_bytes, entry.link, sent);
            if timeouts != Timeouts::default() {
                let wake = down.expire(timeouts, &track.store, session, *transport, *now);
                after.wake = after.wake.into_iter().chain(wake).min();
            }
            let missed = down.catch_up(&track.store, session, *transport, limits, *now);
            after.behind.extend(missed.map(|bytes| (*track_id, bytes)));
            if down.phase == Phase::Offered {
                continue;
            }
            candidates.extend((0..down.streams.len()).map(|index| Candidate {
                rank: down.rank(index, &track.store),
                track: *track_id,
                request: *id,
                what: What::Subgroup(index),
            }));
        }
        candidates.sort_unstable();
        candidates
    }

    /// Serves the best first, until the connection takes no more. Whether that came.
    fn serve(&mut self, candidates: Vec<Candidate>) -> bool {
        let mut removed: Vec<(TrackId, RequestId, usize)> = Vec::new();
        for candidate in candidates {
            let full = match candidate.what {
                What::Fetch => self.serve_fetch(candidate),
                What::Subgroup(index) => self.serve_subgroup(candidate, index, &mut removed),
            };
            if full {
                return true;
            }
        }
        false
    }

    fn serve_fetch(&mut self, candidate: Candidate) -> bool {
        let who = self.who(candidate.request);
        let Some(track) = self.tracks.get_mut(&candidate.track) else { return false };
        let Some(fetch) = track.fetches.get_mut(&who) else { return false };
        let (store, session) = (&mut track.store, &mut self.entry.session);
        let (limits, now) = (self.limits, self.now);
        let before = fetch.sent_bytes;
        let fetched = fetch.serve(candidate.request, store, session, self.transport, limits, now);
        let (entry, sent) = (&mut self.entry, fetch.sent_bytes - before);
        count_sent(&mut entry.sent_bytes, &mut track.sent_bytes, entry.link, sent);
        match fetched {
            Fetched::Full => return true,
            Fetched::Ask(span) => self.after.asks.push((candidate.track, who, span)),
            Fetched::Over => {
                track.fetches.remove(&who);
                self.after.over.push((candidate.track, who));
            }
            Fetched::Settle(at) => {
                self.after.wake = self.after.wake.into_iter().chain([at]).min();
            }
            Fetched::Wait | Fetched::NoCredit => {}
        }
        false
    }

    fn serve_subgroup(
        &mut self,
        candidate: Candidate,
        index: usize,
        removed: &mut Vec<(TrackId, RequestId, usize)>,
    ) -> bool {
        let who = self.who(candidate.request);
        let Some(track) = self.tracks.get_mut(&candidate.track) else { return false };
        let Some(down) = track.downstreams.get_mut(&who) else { return false };
        // Streams that ended before shifted this one.
        let of_same = |(track, request, _): &&(TrackId, RequestId, usize)| {
            *track == candidate.track && *request == candidate.request
        };
        let shift = removed.iter().filter(of_same).filter(|(.., at)| *at < index).count();
        let (store, session) = (&mut track.store, &mut self.entry.session);
        let request = candidate.request;
        let before = down.sent_bytes;
        let at = index - shift;
        let served = down.serve(at, request, store, session, self.transport, self.limits);
        let (entry, sent) = (&mut self.entry, down.sent_bytes - before);
        count_sent(&mut entry.sent_bytes, &mut track.sent_bytes, entry.link, sent);
        match served {
            Served::Full => return true,
            Served::Over => removed.push((candidate.track, request, index)),
            Served::Idle | Served::NoCredit => {}
        }
        false
    }

    /// Notes which subscriptions are stuck and which are over.
    fn settle(&mut self, full: bool) {
        let Self { key, entry, tracks, limits, transport, after, now } = self;
        for (id, role) in &entry.requests {
            let Role::Downstream(track_id) = role else { continue };
            let Some(track) = tracks.get_mut(track_id) else { continue };
            let who = RequestKey { session: *key, request: *id };
            let Some(down) = track.downstreams.get_mut(&who) else { continue };
            let arrives_by = down.finished_deadline(down.timeouts.with(track.timeouts));
            after.wake = after.wake.into_iter().chain(arrives_by).min();
            let stuck = full && !down.streams.is_empty() && down.phase != Phase::Offered;
            if down.is_stuck(stuck, limits, *now) {
                down.pause(&mut entry.session, *transport, ResetCode::TooFarBehind);
                let reason = "nothing could be delivered for too long".to_owned();
                down.phase = Phase::Ending { code: DoneCode::TooFarBehind, reason };
            }
            if stuck {
                let soon = *now + limits.behind_wait;
                let wake = down.stuck_deadline(limits).map(|at| at.min(soon));
                after.wake = after.wake.into_iter().chain(wake).min();
            }
            // Other sessions use the same ids.
            let mut fetches = track.fetches.iter().filter(|(of, _)| of.session == *key);
            if let Phase::Ending { code, reason } = &down.phase
                && (down.is_drained() || !down.forward)
                && !fetches.any(|(_, fetch)| fetch.subscription == Some(*id))
            {
                after.ended.push((*track_id, *id, *code, reason.clone()));
            }
        }
    }
}

/// Counts bytes of objects that a connection took, for their track too if it is not another shard.
fn count_sent(of_session: &mut u64, of_track: &mut u64, link: Option<ShardId>, bytes: u64) {
    *of_session += bytes;
    if link.is_none() {
        *of_track += bytes;
    }
}
