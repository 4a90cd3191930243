//! What stored things cost, and what goes first when memory runs short.

use std::time::Instant;

use sluice_proto::model::GroupId;

use super::TrackStore;

/// Fixed costs, in bytes, over and above pages: the structures and their place in maps and logs,
/// with what an allocator rounds up and collections keep free. `tests/memory.rs` measures them.
pub(super) mod cost {
    /// A track, with the first allocation of its tables.
    pub(in crate::store) const TRACK_BYTES: usize = 3072;
    /// A group, with the first allocation of its tables.
    pub(in crate::store) const GROUP_BYTES: usize = 2816;
    /// A subgroup of a group.
    pub(in crate::store) const SUBGROUP_BYTES: usize = 256;
    /// A live log.
    pub(in crate::store) const LOG_BYTES: usize = 192;
    /// An object.
    pub(in crate::store) const OBJECT_BYTES: usize = 384;
    /// A frozen part of a payload or an encoded frame.
    pub(in crate::store) const EXTENT_BYTES: usize = 80;
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
/// `share_bytes`; the oldest objects of such tracks' newest groups; settled groups of any track; older groups that are still arriving; the newest
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
    for pass in [Pass::OverShare, Pass::Trim, Pass::All] {
        for &(rank, at, group) in &victims {
            if done.freed_bytes >= wanted_bytes {
                return done;
            }
            let (name, store, _) = &mut stores[at];
            match (pass, rank) {
                (Pass::OverShare, Rank::Settled(_)) if over_share(store) => {}
                (Pass::Trim, Rank::NewestIdle(_) | Rank::NewestSubscribed(_))
                    if over_share(store) =>
                {
                    let over_bytes = store.used_bytes() - share_bytes;
                    let wanted_bytes = wanted_bytes - done.freed_bytes;
                    done.freed_bytes += store.trim(group, over_bytes.min(wanted_bytes));
                    continue;
                }
                (Pass::OverShare | Pass::Trim, _) => continue,
                (Pass::All, _) => {}
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    OverShare,
    Trim,
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Settled(Instant),
    Arriving(Instant),
    NewestIdle(Instant),
    NewestSubscribed(std::cmp::Reverse<usize>),
}

#[cfg(test)]
mod tests {
    use super::cost;
    use crate::store::group::Group;
    use crate::store::object::{Extent, Frame, StoredObject};
    use crate::store::subgroup::{Log, Subgroup};
    use crate::store::{RangeSet, TrackStore};

    /// A node of a map holds a few entries and is never quite full.
    const MAP_ENTRY_BYTES: usize = 2 * (size_of::<u64>() + size_of::<u64>());

    #[test]
    fn fixed_costs_cover_what_the_structures_take() {
        let slack = |cost: usize, structure: usize| {
            assert!((structure..3 * structure).contains(&cost), "{cost} for {structure}");
        };
        let evicted = size_of::<RangeSet>() + MAP_ENTRY_BYTES;
        // The first allocation of a table has room for four; half of it is put down to its owner.
        let tables = 4 * (size_of::<Subgroup>() + size_of::<Log>() + size_of::<StoredObject>());
        slack(cost::TRACK_BYTES, size_of::<TrackStore>() + 2 * size_of::<Group>());
        slack(cost::GROUP_BYTES, size_of::<Group>() + tables / 2 + MAP_ENTRY_BYTES);
        slack(cost::SUBGROUP_BYTES, size_of::<Subgroup>() + MAP_ENTRY_BYTES);
        slack(cost::LOG_BYTES, size_of::<Log>() + 3 * size_of::<u64>());
        slack(cost::OBJECT_BYTES, size_of::<StoredObject>() + MAP_ENTRY_BYTES + 16);
        slack(cost::EXTENT_BYTES, size_of::<Extent>().max(size_of::<Frame>()));
        slack(cost::RANGE_BYTES, MAP_ENTRY_BYTES);
        slack(cost::evicted(&RangeSet::default()), evicted);
    }
}
