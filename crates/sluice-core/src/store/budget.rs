//! What stored things cost, and what goes first when memory runs short.

use std::time::Instant;

use sluice_proto::model::GroupId;

use super::TrackStore;

/// Fixed costs, in bytes, over and above pages: the structures and their place in maps and logs.
pub(super) mod cost {
    /// A track.
    pub(in crate::store) const TRACK_BYTES: usize = 1024;
    /// A group.
    pub(in crate::store) const GROUP_BYTES: usize = 768;
    /// A subgroup of a group.
    pub(in crate::store) const SUBGROUP_BYTES: usize = 256;
    /// A live log.
    pub(in crate::store) const LOG_BYTES: usize = 192;
    /// An object.
    pub(in crate::store) const OBJECT_BYTES: usize = 384;
    /// A frozen part of a payload or an encoded frame.
    pub(in crate::store) const EXTENT_BYTES: usize = 64;
    /// A range of what is known not to exist.
    pub(in crate::store) const RANGE_BYTES: usize = 48;

    /// What went live of an evicted group.
    pub(in crate::store) fn evicted(sent: &crate::store::RangeSet) -> usize {
        96 + sent.len() * RANGE_BYTES
    }
}

/// Whether anybody waits for new objects of a track.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Demand {
    /// No live subscription.
    Idle,
    /// At least one live subscription.
    Subscribed,
}

/// What [`reclaim`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reclaimed<K> {
    /// What the evicted groups cost.
    pub freed_bytes: usize,
    /// Groups evicted.
    pub groups: usize,
    /// Subscribed tracks that lost even their newest group.
    pub cut: Vec<K>,
}

/// Evicts groups until `wanted_bytes` are free or nothing is left, without regard to readers: their
/// cursors learn it. In this order, oldest first: settled groups of tracks that hold more than
/// `share_bytes`; settled groups of any track; older groups that are still arriving; the newest
/// group of idle tracks; the newest group of subscribed tracks, largest track first.
///
/// `K` names a track to the caller. Costs a walk over all groups, so call it with some headroom
/// wanted, not for every byte.
pub fn reclaim<'a, K: Copy + Ord>(
    stores: impl IntoIterator<Item = (K, &'a mut TrackStore, Demand)>,
    wanted_bytes: usize,
    share_bytes: usize,
) -> Reclaimed<K> {
    let mut stores: Vec<(K, &mut TrackStore, Demand)> = stores.into_iter().collect();
    let mut done = Reclaimed { freed_bytes: 0, groups: 0, cut: Vec::new() };
    let mut victims: Vec<(Rank, usize, GroupId)> = Vec::new();
    for (at, (_, store, demand)) in stores.iter().enumerate() {
        let newest = store.newest_group();
        for group in store.group_summaries() {
            let settled = group.settled;
            let rank = match (Some(group.id) == newest, demand) {
                (true, Demand::Subscribed) => {
                    Rank::NewestSubscribed(std::cmp::Reverse(store.used_bytes()))
                }
                (true, Demand::Idle) => Rank::NewestIdle(group.last_arrival),
                (false, _) if settled => Rank::Settled(group.last_arrival),
                (false, _) => Rank::Arriving(group.last_arrival),
            };
            victims.push((rank, at, group.id));
        }
    }
    victims.sort();
    let over_share = |store: &TrackStore| store.used_bytes() > share_bytes;
    for only_over_share in [true, false] {
        for &(rank, at, group) in &victims {
            if done.freed_bytes >= wanted_bytes {
                return done;
            }
            let (name, store, _) = &mut stores[at];
            if only_over_share && !(matches!(rank, Rank::Settled(_)) && over_share(store)) {
                continue;
            }
            let freed = store.evict(group);
            if freed == 0 {
                continue;
            }
            done.freed_bytes += freed;
            done.groups += 1;
            if matches!(rank, Rank::NewestSubscribed(_)) {
                done.cut.push(*name);
            }
        }
    }
    done
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Settled(Instant),
    Arriving(Instant),
    NewestIdle(Instant),
    NewestSubscribed(std::cmp::Reverse<usize>),
}
