//! The order in which the objects of one subscription are handed on.
//!
//! Fetched objects come first, then live ones by group: a later group waits while an earlier one
//! is still arriving, so that a reader sees groups in order although each has a stream of its
//! own. Within a group, objects are handed on as their streams deliver them. A group that makes no
//! progress, or does not come at all, is waited for within [`MergeLimits`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_proto::model::property::kind;
use sluice_proto::model::{GroupId, PropertyValue};

use crate::object::Object;

/// What is held back, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct MergeLimits {
    /// Longest wait for a group without progress while later ones are there.
    pub wait: Duration,
    /// Bytes held back; beyond them the group waited for is given up.
    pub bytes_max: usize,
    /// Groups held back, likewise.
    pub groups_max: usize,
    /// Wait for the first group of a track that has nothing yet: a later one may overtake it, and
    /// nobody said what its number is.
    pub first_wait: Duration,
}

#[derive(Default)]
struct Waiting {
    objects: Vec<Object>,
    bytes: usize,
    open_streams: usize,
    streams_seen: usize,
}

impl Waiting {
    fn is_over(&self) -> bool {
        self.streams_seen > 0 && self.open_streams == 0
    }

    /// Groups just before this one that do not exist, as far as its objects say.
    fn gap_before(&self) -> u64 {
        let stated = |object: &Object| match object.properties.get(kind::PRIOR_GROUP_ID_GAP) {
            Some(PropertyValue::Int(gap)) => gap,
            _ => 0,
        };
        self.objects.iter().map(stated).max().unwrap_or(0)
    }
}

/// Orders the objects of one subscription.
pub(super) struct Merge {
    fetching: bool,
    /// The group being handed on; none before the first.
    current: Option<GroupId>,
    /// Nothing of the track was published when it was subscribed to.
    is_new: bool,
    /// Whether the current group was fetched: it may be over without a live stream saying so.
    current_fetched: bool,
    groups: BTreeMap<GroupId, Waiting>,
    limits: MergeLimits,
    held_bytes: usize,
    /// Since when later groups wait for the current one without it making progress.
    stalled: Option<Instant>,
    lost: bool,
}

impl Merge {
    pub fn new(limits: MergeLimits) -> Self {
        Self {
            fetching: false,
            current: None,
            is_new: false,
            current_fetched: false,
            groups: BTreeMap::new(),
            limits,
            held_bytes: 0,
            stalled: None,
            lost: false,
        }
    }

    /// Nothing was published yet: whatever comes is to be handed on.
    pub fn begins_new(&mut self) {
        self.is_new = true;
    }

    /// Live objects wait from now on until [`Merge::fetched`].
    pub fn fetch_begins(&mut self, first_live_group: GroupId) {
        (self.fetching, self.current_fetched) = (true, true);
        self.current = Some(first_live_group);
    }

    /// Whether an object came too late for its place and was left out, or a group never came.
    pub fn has_lost(&self) -> bool {
        self.lost
    }

    /// When a wait ends.
    pub fn deadline(&self) -> Option<Instant> {
        let wait = if self.current.is_none() { self.limits.first_wait } else { self.limits.wait };
        self.stalled.map(|since| since + wait)
    }

    /// Reading stood still until now, so nobody was late meanwhile.
    pub fn resume(&mut self, now: Instant) {
        self.stalled = self.stalled.map(|_| now);
    }

    /// Hands on what need not wait any longer.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Object>) {
        self.release(now, out);
    }

    /// A live stream of a group began.
    pub fn stream_opened(&mut self, group: GroupId, now: Instant) {
        self.progress(group, now);
        if self.current.is_some_and(|current| group < current) {
            return;
        }
        let waiting = self.groups.entry(group).or_default();
        waiting.open_streams += 1;
        waiting.streams_seen += 1;
    }

    /// A live stream of a group ended, in whatever way.
    pub fn stream_closed(&mut self, group: GroupId, now: Instant, out: &mut Vec<Object>) {
        if let Some(waiting) = self.groups.get_mut(&group) {
            waiting.open_streams = waiting.open_streams.saturating_sub(1);
        }
        self.release(now, out);
    }

    /// A part of an object of a group arrived.
    pub fn progress(&mut self, group: GroupId, now: Instant) {
        if self.stalled.is_some() && self.current == Some(group) {
            self.stalled = Some(now);
        }
    }

    /// A live object is whole.
    pub fn live(&mut self, object: Object, now: Instant, out: &mut Vec<Object>) {
        let group = object.location.group;
        if self.current.is_some_and(|current| group < current) {
            self.lost = true;
            return;
        }
        self.progress(group, now);
        let waiting = self.groups.entry(group).or_default();
        waiting.bytes += object.payload.len();
        self.held_bytes += object.payload.len();
        waiting.objects.push(object);
        self.release(now, out);
    }

    /// The past has been handed on, or cannot be had.
    pub fn fetched(&mut self, now: Instant, out: &mut Vec<Object>) {
        self.fetching = false;
        self.release(now, out);
    }

    /// Nothing follows: hands on what still waits.
    pub fn flush(&mut self, out: &mut Vec<Object>) {
        while let Some((&group, waiting)) = self.groups.first_key_value() {
            let expected = group.0.saturating_sub(waiting.gap_before());
            self.lost |= self.expects().is_some_and(|next| next.0 < expected);
            self.hand_on(group, out);
            self.groups.remove(&group);
            self.go_to(following(group));
        }
        self.stalled = None;
    }

    fn release(&mut self, now: Instant, out: &mut Vec<Object>) {
        while self.groups.first_key_value().is_some() {
            let full = self.held_bytes > self.limits.bytes_max
                || self.groups.len() > self.limits.groups_max;
            if self.fetching {
                if !full {
                    return;
                }
                (self.fetching, self.lost) = (false, true);
            }
            let gives_up = full || self.deadline().is_some_and(|deadline| now >= deadline);
            if !self.step(gives_up, now, out) {
                return;
            }
        }
        self.stalled = None;
    }

    /// Hands on the current group and goes to the next, if it may; whether there may be more.
    fn step(&mut self, gives_up: bool, now: Instant, out: &mut Vec<Object>) -> bool {
        let Some((&first, waiting)) = self.groups.first_key_value() else { return false };
        let Some(current) = self.current else {
            if self.is_new && first > GroupId(0) && !gives_up {
                self.stalled.get_or_insert(now);
                return false;
            }
            self.go_to(first);
            return true;
        };
        if first > current {
            // The next number may still be on its way, unless it is said not to exist.
            let explained = first.0.saturating_sub(waiting.gap_before()) <= current.0;
            if !explained && !gives_up {
                self.stalled.get_or_insert(now);
                return false;
            }
            let missing = self.expects().is_some_and(|next| next < first);
            self.lost |= missing && !explained;
            self.go_to(first);
            return true;
        }
        self.hand_on(current, out);
        if self.groups.len() == 1 {
            self.stalled = None;
            return false;
        }
        if !self.groups.get(&current).is_some_and(Waiting::is_over) && !gives_up {
            self.stalled.get_or_insert(now);
            return false;
        }
        self.groups.remove(&current);
        self.go_to(following(current));
        true
    }

    fn go_to(&mut self, group: GroupId) {
        (self.current, self.current_fetched, self.stalled) = (Some(group), false, None);
    }

    /// The first group of which something must come.
    fn expects(&self) -> Option<GroupId> {
        self.current.map(|current| if self.current_fetched { following(current) } else { current })
    }

    fn hand_on(&mut self, group: GroupId, out: &mut Vec<Object>) {
        if let Some(waiting) = self.groups.get_mut(&group) {
            self.held_bytes -= std::mem::take(&mut waiting.bytes);
            out.append(&mut waiting.objects);
        }
    }
}

fn following(group: GroupId) -> GroupId {
    GroupId(group.0.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_proto::model::{Properties, PropertyEncoding};

    const LIMITS: MergeLimits = MergeLimits {
        wait: Duration::from_millis(500),
        bytes_max: 1_000,
        groups_max: 8,
        first_wait: Duration::from_millis(300),
    };

    fn object(group: u64, object: u64) -> Object {
        Object::new(group, object, vec![1])
    }

    fn places(objects: &[Object]) -> Vec<String> {
        objects.iter().map(|object| object.location.to_string()).collect()
    }

    /// A merge, what it handed on, and a clock that stands still unless moved.
    struct Scene {
        merge: Merge,
        out: Vec<Object>,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self { merge: Merge::new(LIMITS), out: Vec::new(), now: Instant::now() }
        }

        fn open(&mut self, group: u64) {
            self.merge.stream_opened(GroupId(group), self.now);
        }

        fn close(&mut self, group: u64) {
            self.merge.stream_closed(GroupId(group), self.now, &mut self.out);
        }

        fn live(&mut self, group: u64, id: u64) {
            self.merge.live(object(group, id), self.now, &mut self.out);
        }

        fn wait(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
            self.merge.handle_timeout(self.now, &mut self.out);
        }
    }

    #[test]
    fn a_later_group_waits_for_the_earlier_one() {
        let mut scene = Scene::new();
        scene.open(1);
        scene.live(1, 0);
        scene.open(2);
        scene.live(2, 0);
        scene.wait(400);
        scene.live(1, 1);
        scene.wait(400);
        assert_eq!(places(&scene.out), ["1/0", "1/1"]);
        scene.close(1);
        assert_eq!(places(&scene.out), ["1/0", "1/1", "2/0"]);
        assert!(!scene.merge.has_lost());
        assert_eq!(scene.merge.deadline(), None);
    }

    #[test]
    fn live_objects_wait_for_the_past() {
        let mut scene = Scene::new();
        scene.merge.fetch_begins(GroupId(5));
        scene.open(5);
        scene.live(5, 3);
        scene.wait(10_000);
        assert!(scene.out.is_empty());
        scene.merge.fetched(scene.now, &mut scene.out);
        assert_eq!(places(&scene.out), ["5/3"]);
    }

    #[test]
    fn after_the_past_the_next_group_may_follow_at_once() {
        let mut scene = Scene::new();
        scene.merge.fetch_begins(GroupId(5));
        scene.merge.fetched(scene.now, &mut scene.out);
        scene.open(6);
        scene.live(6, 0);
        scene.wait(500);
        assert_eq!(places(&scene.out), ["6/0"]);
        assert!(!scene.merge.has_lost());
    }

    #[test]
    fn many_small_groups_at_once_lose_nothing() {
        let mut scene = Scene::new();
        for group in (1..8).rev() {
            scene.open(group);
        }
        for group in (1..8).rev() {
            scene.merge.current.get_or_insert(GroupId(1));
            scene.live(group, 0);
            scene.close(group);
        }
        let expected: Vec<String> = (1..8).map(|group| format!("{group}/0")).collect();
        assert_eq!(places(&scene.out), expected);
        assert!(!scene.merge.has_lost());
    }

    #[test]
    fn the_first_group_of_a_new_track_may_be_overtaken() {
        let mut scene = Scene::new();
        scene.merge.begins_new();
        for group in [2, 1] {
            scene.open(group);
            scene.live(group, 0);
            scene.close(group);
        }
        assert!(scene.out.is_empty());
        scene.wait(300);
        assert_eq!(places(&scene.out), ["1/0", "2/0"]);
        assert!(!scene.merge.has_lost());
    }

    #[test]
    fn the_very_first_group_waits_for_nothing() {
        let mut scene = Scene::new();
        scene.merge.begins_new();
        scene.open(0);
        scene.live(0, 0);
        assert_eq!(places(&scene.out), ["0/0"]);
    }

    #[test]
    fn a_group_that_never_comes_is_given_up_after_a_while() {
        let mut scene = Scene::new();
        scene.open(1);
        scene.live(1, 0);
        scene.close(1);
        scene.open(3);
        scene.live(3, 0);
        assert_eq!(places(&scene.out), ["1/0"]);
        scene.wait(499);
        assert_eq!(places(&scene.out), ["1/0"]);
        scene.wait(1);
        assert_eq!(places(&scene.out), ["1/0", "3/0"]);
        assert!(scene.merge.has_lost());
    }

    #[test]
    fn a_group_that_does_not_exist_is_not_waited_for() {
        let mut scene = Scene::new();
        scene.open(1);
        scene.live(1, 0);
        scene.close(1);
        let gap = [(kind::PRIOR_GROUP_ID_GAP, PropertyValue::Int(2))];
        let mut next = object(4, 0);
        next.properties = Properties::from_entries(PropertyEncoding::DeltaVi64, gap).unwrap();
        scene.open(4);
        scene.merge.live(next, scene.now, &mut scene.out);
        assert_eq!(places(&scene.out), ["1/0", "4/0"]);
        assert!(!scene.merge.has_lost());
    }

    #[test]
    fn a_group_that_stalls_is_given_up_when_too_much_waits() {
        let mut scene = Scene::new();
        scene.open(1);
        scene.live(1, 0);
        scene.open(2);
        scene.merge.live(Object::new(2, 0, vec![0; 1_001]), scene.now, &mut scene.out);
        assert_eq!(places(&scene.out), ["1/0", "2/0"]);
        scene.live(1, 1);
        assert!(scene.merge.has_lost(), "what comes too late is left out and counted");
    }

    #[test]
    fn the_end_hands_on_everything_in_order() {
        let mut scene = Scene::new();
        scene.open(2);
        scene.live(2, 0);
        scene.open(3);
        scene.live(3, 0);
        scene.merge.flush(&mut scene.out);
        assert_eq!(places(&scene.out), ["2/0", "3/0"]);
        assert!(!scene.merge.has_lost());
    }
}
