//! The store's own books, counted anew.

use sluice_proto::model::Location;

use super::super::budget::cost;
use super::super::feed::FeedKind;
use super::super::group::Group;
use super::super::object::LogPlace;
use super::super::*;

impl TrackStore {
    /// The stored object at a location.
    pub(super) fn find(&self, at: Location) -> Option<ObjectView<'_>> {
        let (_, group) = self.group_by_id(at.group)?;
        group.view(group.slot_of(at.object)?)
    }

    /// Panics where counters and indexes disagree with what they count.
    pub(super) fn audit(&self) {
        let groups: usize = self.groups.iter().map(|(_, group)| group.audit()).sum();
        let evicted: usize = self.evicted.values().map(cost::evicted).sum();
        let gaps: usize = self.feeds.iter().map(|(_, feed)| feed.gaps_len()).sum();
        let ranges = (gaps + self.absent_groups.len()) * cost::RANGE_BYTES;
        assert_eq!(self.used_bytes, cost::TRACK_BYTES + groups + evicted + ranges);
        assert_eq!(self.by_id.len(), self.groups.len());
        assert!(self.evicted.len() <= self.limits.evicted_groups_max);
        self.audit_feeds();
    }

    fn audit_feeds(&self) {
        for (_, group) in self.groups.iter() {
            for slot in group.slots() {
                let feeding = |feed: &&super::super::feed::Feed| {
                    feed.current.is_some_and(|current| {
                        current.slot == slot && current.group.epoch == group.epoch
                    })
                };
                let feeders = self.feeds.iter().map(|(_, feed)| feed).filter(feeding).count();
                let object = group.object(slot).expect("slots are stored");
                assert_eq!(object.feeders as usize, feeders, "feeders of {}", object.id);
            }
            let streams: usize =
                group.subgroups.iter().map(|(_, subgroup)| subgroup.feeding.len()).sum();
            assert_eq!(group.feeds as usize, streams);
        }
        for &fetch in &self.fetches {
            assert!(matches!(self.feeds[fetch as usize].kind, FeedKind::Fetch(_)));
        }
    }
}

impl Group {
    /// Checks the logs and returns what the group costs.
    fn audit(&self) -> usize {
        for (log, number) in self.logs.iter().zip(self.logs.first()..) {
            let objects: Vec<_> =
                log.entries.iter().filter_map(|&slot| self.object(slot)).collect();
            let trimmed = log.entries.iter().any(|&slot| self.object(slot).is_none())
                || log.entries.first() > 0;
            let oldest = log.entries.oldest();
            assert!(oldest.is_none_or(|&slot| self.object(slot).is_some()));
            assert!(objects.is_sorted_by(|a, b| a.id < b.id), "a log ascends");
            let whole = objects.len() - usize::from(log.end.is_none() && !objects.is_empty());
            assert!(objects[..whole].iter().all(|object| object.is_complete()));
            assert!(objects.iter().all(|object| object.place == LogPlace::Log(number)));
            if !trimmed {
                assert_eq!(log.last, objects.last().map(|object| object.id));
                let before: u64 = objects.iter().rev().skip(1).map(|object| object.bytes()).sum();
                assert_eq!(log.settled_bytes, before);
            }
        }
        for (_, subgroup) in &self.subgroups {
            let here = |slot: &u64| {
                self.object(*slot).is_some_and(|object| {
                    object.delivery == sluice_proto::model::Delivery::Subgroup(subgroup.id)
                })
            };
            assert_eq!(subgroup.objects, self.slots().filter(here).count() as u64);
            assert!(subgroup.open.is_none_or(|log| self.logs[log].end.is_none()));
            for slot in subgroup.pending.values() {
                let object = self.object(*slot).expect("what waits is kept");
                assert_eq!(object.place, LogPlace::Pending);
            }
            let waiting = subgroup.pending.keys().next();
            assert!(waiting.is_none_or(|&id| subgroup.logged.is_none_or(|last| id > last)));
        }
        let open = self.logs.iter().filter(|log| log.end.is_none()).count();
        assert_eq!(open, self.subgroups.iter().filter(|(_, s)| s.open.is_some()).count());
        self.recount()
    }

    fn recount(&self) -> usize {
        let extents: usize = self
            .slots()
            .filter_map(|slot| self.object(slot))
            .map(|o| o.extents.len() + o.frames.len())
            .sum();
        let (payload, side) = self.pages_cost();
        let sealed: u64 =
            self.slots().filter_map(|slot| self.object(slot)).map(|o| o.sealed_bytes()).sum();
        assert!(payload == 0 || payload as u64 >= sealed, "payload lies in pages");
        cost::GROUP_BYTES
            + self.ranges_len() * cost::RANGE_BYTES
            + self.subgroups.len() * cost::SUBGROUP_BYTES
            + self.logs.len() * cost::LOG_BYTES
            + self.objects_len() * cost::OBJECT_BYTES
            + extents * cost::EXTENT_BYTES
            + payload
            + side
    }
}
