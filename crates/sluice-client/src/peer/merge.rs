//! The order in which the objects of one subscription are handed on.
//!
//! Fetched objects come first, then live ones by group: a later group waits while an earlier one
//! is still arriving, so that a reader sees groups in order although each has a stream of its
//! own. Within a group, objects are handed on as their streams deliver them. What waits is
//! bounded by a number of groups; beyond it the oldest missing group is given up.

use std::collections::BTreeMap;

use sluice_proto::model::GroupId;

use crate::object::Object;

#[derive(Default)]
struct Waiting {
    objects: Vec<Object>,
    open_streams: usize,
    streams_seen: usize,
}

impl Waiting {
    fn is_over(&self) -> bool {
        self.streams_seen > 0 && self.open_streams == 0
    }
}

/// Orders the objects of one subscription.
pub(super) struct Merge {
    fetching: bool,
    /// The group being handed on; none before the first.
    current: Option<GroupId>,
    groups: BTreeMap<GroupId, Waiting>,
    groups_ahead_max: usize,
    lost: bool,
}

impl Merge {
    pub fn new(groups_ahead_max: usize) -> Self {
        Self {
            fetching: false,
            current: None,
            groups: BTreeMap::new(),
            groups_ahead_max,
            lost: false,
        }
    }

    /// Live objects wait from now on until [`Merge::fetched`].
    pub fn fetch_begins(&mut self, first_live_group: GroupId) {
        self.fetching = true;
        self.current = Some(first_live_group);
    }

    /// Whether an object came too late for its place and was left out.
    pub fn has_lost(&self) -> bool {
        self.lost
    }

    /// A live stream of a group began.
    pub fn stream_opened(&mut self, group: GroupId) {
        let waiting = self.groups.entry(group).or_default();
        waiting.open_streams += 1;
        waiting.streams_seen += 1;
    }

    /// A live stream of a group ended, in whatever way.
    pub fn stream_closed(&mut self, group: GroupId, out: &mut Vec<Object>) {
        if let Some(waiting) = self.groups.get_mut(&group) {
            waiting.open_streams = waiting.open_streams.saturating_sub(1);
        }
        self.release(out);
    }

    /// A live object is whole.
    pub fn live(&mut self, object: Object, out: &mut Vec<Object>) {
        let group = object.location.group;
        if self.current.is_some_and(|current| group < current) {
            self.lost = true;
            return;
        }
        self.groups.entry(group).or_default().objects.push(object);
        self.release(out);
    }

    /// The past has been handed on, or cannot be had.
    pub fn fetched(&mut self, out: &mut Vec<Object>) {
        self.fetching = false;
        self.release(out);
    }

    /// Nothing follows: hands on what still waits.
    pub fn flush(&mut self, out: &mut Vec<Object>) {
        for (_, waiting) in std::mem::take(&mut self.groups) {
            out.extend(waiting.objects);
        }
    }

    fn release(&mut self, out: &mut Vec<Object>) {
        if self.fetching {
            return;
        }
        loop {
            let Some((&first, _)) = self.groups.iter().next() else { return };
            let current = *self.current.get_or_insert(first);
            if let Some(waiting) = self.groups.get_mut(&current) {
                out.append(&mut waiting.objects);
                let later = self.groups.range(current..).nth(1).map(|(group, _)| *group);
                let Some(later) = later else { return };
                let over = self.groups.get(&current).is_some_and(Waiting::is_over);
                if !over && self.groups.len() <= self.groups_ahead_max {
                    return;
                }
                self.groups.remove(&current);
                // The next number may still be on its way; without it, go to what there is.
                let next = GroupId(current.0.saturating_add(1));
                self.current =
                    Some(if self.groups.contains_key(&next) { next } else { next.min(later) });
            } else if self.groups.len() >= self.groups_ahead_max.max(1) || self.only_over_groups() {
                self.current = Some(first);
            } else {
                return;
            }
        }
    }

    /// Whether every waiting group is complete, so that nothing tells that an earlier one comes.
    fn only_over_groups(&self) -> bool {
        self.groups.len() >= 2 && self.groups.values().all(Waiting::is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(group: u64, object: u64) -> Object {
        Object::new(group, object, vec![1])
    }

    fn places(objects: &[Object]) -> Vec<String> {
        objects.iter().map(|object| object.location.to_string()).collect()
    }

    #[test]
    fn a_later_group_waits_for_the_earlier_one() {
        let mut merge = Merge::new(4);
        let mut out = Vec::new();
        merge.stream_opened(GroupId(1));
        merge.live(object(1, 0), &mut out);
        merge.stream_opened(GroupId(2));
        merge.live(object(2, 0), &mut out);
        merge.live(object(1, 1), &mut out);
        assert_eq!(places(&out), ["1/0", "1/1"]);
        merge.stream_closed(GroupId(1), &mut out);
        assert_eq!(places(&out), ["1/0", "1/1", "2/0"]);
        assert!(!merge.has_lost());
    }

    #[test]
    fn live_objects_wait_for_the_past() {
        let mut merge = Merge::new(4);
        let mut out = Vec::new();
        merge.fetch_begins(GroupId(5));
        merge.stream_opened(GroupId(5));
        merge.live(object(5, 3), &mut out);
        assert!(out.is_empty());
        merge.fetched(&mut out);
        assert_eq!(places(&out), ["5/3"]);
    }

    #[test]
    fn a_group_that_never_comes_is_given_up_when_too_many_wait() {
        let mut merge = Merge::new(3);
        let mut out = Vec::new();
        merge.stream_opened(GroupId(1));
        merge.live(object(1, 0), &mut out);
        for group in [3, 4, 5] {
            merge.stream_opened(GroupId(group));
            merge.live(object(group, 0), &mut out);
        }
        merge.stream_closed(GroupId(1), &mut out);
        assert_eq!(places(&out), ["1/0", "3/0"]);
    }

    #[test]
    fn the_end_hands_on_everything_in_order() {
        let mut merge = Merge::new(4);
        let mut out = Vec::new();
        merge.stream_opened(GroupId(2));
        merge.live(object(2, 0), &mut out);
        merge.stream_opened(GroupId(3));
        merge.live(object(3, 0), &mut out);
        merge.flush(&mut out);
        assert_eq!(places(&out), ["2/0", "3/0"]);
    }
}
