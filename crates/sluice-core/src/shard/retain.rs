//! What the shard keeps of the past: counted, and given up when it is too old or too much.

use std::time::Instant;

use super::{Shard, TimerKey};
use crate::notice::Notice;
use crate::store::{Demand, reclaim};

impl Shard {
    /// Counts memory and deadlines of tracks that changed, and frees memory if there is too much.
    pub(super) fn settle_tracks(&mut self) {
        for id in std::mem::take(&mut self.touched) {
            let Some(track) = self.tracks.get_mut(&id) else { continue };
            let used = track.store.used_bytes();
            self.store_bytes = self.store_bytes + used - track.counted_bytes;
            track.counted_bytes = used;
            let deadline = track.deadline();
            self.timers.set(TimerKey::Track(id), deadline);
        }
        let max = self.limits.store_bytes_max;
        if self.store_bytes <= max {
            return;
        }
        // Some headroom, so that this is not done for every object.
        let wanted = self.store_bytes - max + max / 16;
        let stores = self.tracks.iter_mut().map(|(id, track)| {
            let demand = if track.wants_objects() { Demand::Subscribed } else { Demand::Idle };
            (*id, &mut track.store, demand)
        });
        let done = reclaim(stores, wanted, self.limits.track_share_bytes);
        for (_, track) in self.tracks.iter_mut() {
            let used = track.store.used_bytes();
            self.store_bytes = self.store_bytes + used - track.counted_bytes;
            track.counted_bytes = used;
        }
        self.notice(Notice::MemoryReclaimed { groups: done.groups, freed_bytes: done.freed_bytes });
    }

    /// Gives up groups that outlived their age, if it is time to look for them.
    pub(super) fn sweep(&mut self, now: Instant) {
        if self.sweep_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let mut groups = 0;
        for (id, track) in &mut self.tracks {
            let expired = track.store.expire(now, self.limits.object_age_max);
            groups += expired;
            if expired > 0 {
                self.touched.insert(*id);
            }
        }
        if groups > 0 {
            self.notice(Notice::GroupsExpired { groups });
        }
    }

    /// Sets when the next look is, while there are tracks.
    pub(super) fn schedule_sweep(&mut self, now: Instant) {
        let every = self.limits.sweep_every;
        if self.tracks.is_empty() || every.is_zero() {
            self.sweep_at = None;
        } else if self.sweep_at.is_none() {
            self.sweep_at = now.checked_add(every);
        }
    }
}
