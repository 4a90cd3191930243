//! Objects of a track in order, from streams that arrive in any order.
//!
//! A group travels on its own stream, so the next group may begin before the last object of the one
//! before is there, and a group may be lost altogether. [`ObjectSorter`] gives objects out by group
//! and object id, counts what never came, and after a hole goes on at the start of a group, for
//! what lies between cannot be decoded.
//!
//! Contract: drain [`ObjectSorter::poll`] after each input.

use std::collections::BTreeMap;

/// Bounds of what a sorter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortLimits {
    /// Objects that wait behind a hole; one more, and the hole is given up.
    pub held_objects_max: usize,
    /// Bytes that wait, likewise.
    pub held_bytes_max: usize,
    /// Groups that wait, likewise; they may be empty.
    pub held_groups_max: usize,
}

impl Default for SortLimits {
    fn default() -> Self {
        Self { held_objects_max: 1_024, held_bytes_max: 16 << 20, held_groups_max: 256 }
    }
}

/// What was found missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holes {
    /// Groups of which nothing came although later ones did.
    pub groups: u64,
    /// Groups that broke off before their end.
    pub broken_groups: u64,
    /// Objects that stood behind a hole of their group, and were dropped.
    pub dropped_objects: u64,
}

impl Holes {
    /// Whether nothing is missing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Brings the objects of one track into order.
#[derive(Debug)]
pub struct ObjectSorter<T> {
    limits: SortLimits,
    groups: BTreeMap<u64, Group<T>>,
    /// The next object to give out.
    next: Option<(u64, u64)>,
    held_objects: usize,
    held_bytes: usize,
    holes: Holes,
    finished: bool,
}

#[derive(Debug)]
struct Group<T> {
    objects: BTreeMap<u64, (usize, T)>,
    end: GroupEnd,
}

/// How far a group goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupEnd {
    Open,
    /// Nothing more comes; how many objects there were meant to be is not known.
    Closed,
    /// This many objects.
    At(u64),
}

impl<T> ObjectSorter<T> {
    /// A sorter that begins with the first object it sees.
    pub fn new(limits: SortLimits) -> Self {
        Self {
            limits,
            groups: BTreeMap::new(),
            next: None,
            held_objects: 0,
            held_bytes: 0,
            holes: Holes::default(),
            finished: false,
        }
    }

    /// Begins at a location that is known from elsewhere, such as the start of a joining fetch.
    pub fn starting_at(group: u64, object: u64, limits: SortLimits) -> Self {
        Self { next: Some((group, object)), ..Self::new(limits) }
    }

    /// Takes an object; `bytes` counts towards the limit. One that came
    /// before, or whose hole was given up, is dropped.
    pub fn handle_object(&mut self, group: u64, object: u64, bytes: usize, value: T) {
        let next = *self.next.get_or_insert((group, object));
        if (group, object) < next {
            return;
        }
        let held = self.group(group).objects.insert(object, (bytes, value));
        self.held_bytes += bytes;
        match held {
            Some((bytes, _)) => self.held_bytes -= bytes,
            None => self.held_objects += 1,
        }
    }

    /// Tells that a group has no more objects. `objects`: how many it has, where the publisher said.
    pub fn handle_group_end(&mut self, group: u64, objects: Option<u64>) {
        if self.next.is_some_and(|(next, _)| group < next) {
            return;
        }
        self.next.get_or_insert((group, 0));
        let end = objects.map_or(GroupEnd::Closed, GroupEnd::At);
        let known = &mut self.group(group).end;
        if !matches!((*known, end), (GroupEnd::At(_), GroupEnd::Closed)) {
            *known = end;
        }
    }

    /// Tells that nothing more comes: holes are given up.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// What was missing so far.
    pub fn holes(&self) -> Holes {
        self.holes
    }

    /// The next object with its group and object id; `None` until more comes.
    pub fn poll(&mut self) -> Option<(u64, u64, T)> {
        loop {
            let (group, object) = self.next?;
            if let Some(state) = self.groups.get_mut(&group) {
                if let Some((bytes, value)) = state.objects.remove(&object) {
                    self.held_objects -= 1;
                    self.held_bytes -= bytes;
                    self.next = Some((group, object + 1));
                    return Some((group, object, value));
                }
                let complete = match state.end {
                    GroupEnd::At(objects) => object >= objects,
                    GroupEnd::Closed => state.objects.is_empty(),
                    GroupEnd::Open => false,
                };
                if complete && self.follows(group) {
                    self.leave(group, true);
                    continue;
                }
            }
            if !self.gives_up() {
                return None;
            }
            let later = self.groups.range(group + 1..).next().is_some();
            let broken = self.groups.get(&group).is_some_and(|state| !state.objects.is_empty());
            if !later && !broken {
                return None;
            }
            self.leave(group, false);
        }
    }

    fn group(&mut self, group: u64) -> &mut Group<T> {
        let empty = || Group { objects: BTreeMap::new(), end: GroupEnd::Open };
        self.groups.entry(group).or_insert_with(empty)
    }

    /// Whether the group right behind is there, so that nothing needs waiting for.
    fn follows(&self, group: u64) -> bool {
        self.groups.contains_key(&(group + 1)) || self.gives_up()
    }

    fn gives_up(&self) -> bool {
        self.finished
            || self.held_objects > self.limits.held_objects_max
            || self.held_bytes > self.limits.held_bytes_max
            || self.groups.len() > self.limits.held_groups_max
    }

    /// Goes on to the next group that is there and has a start.
    fn leave(&mut self, group: u64, complete: bool) {
        if !complete {
            self.holes.broken_groups += 1;
        }
        let left = self.groups.remove(&group);
        self.drop_objects(left);
        let Some(following) = self.groups.keys().next().copied() else {
            self.next = group.checked_add(1).map(|group| (group, 0));
            return;
        };
        self.holes.groups += following - group - 1;
        self.next = Some((following, 0));
    }

    fn drop_objects(&mut self, group: Option<Group<T>>) {
        for (bytes, _) in group.into_iter().flat_map(|group| group.objects.into_values()) {
            self.held_objects -= 1;
            self.held_bytes -= bytes;
            self.holes.dropped_objects += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(sorter: &mut ObjectSorter<()>) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| sorter.poll()).map(|(group, object, ())| (group, object)).collect()
    }

    fn sorter(held_objects_max: usize) -> ObjectSorter<()> {
        ObjectSorter::new(SortLimits { held_objects_max, ..SortLimits::default() })
    }

    #[test]
    fn a_group_that_overtakes_waits_for_the_one_before() {
        let mut sorter = sorter(10);
        sorter.handle_object(5, 0, 1, ());
        sorter.handle_object(6, 0, 1, ());
        assert_eq!(order(&mut sorter), [(5, 0)]);
        sorter.handle_object(5, 1, 1, ());
        sorter.handle_group_end(5, Some(2));
        assert_eq!(order(&mut sorter), [(5, 1), (6, 0)]);
        assert!(sorter.holes().is_none());
    }

    #[test]
    fn behind_a_hole_it_goes_on_at_the_next_group() {
        let mut sorter = sorter(2);
        for (group, object) in [(5, 0), (5, 2), (5, 3), (7, 0), (7, 1)] {
            sorter.handle_object(group, object, 1, ());
        }
        assert_eq!(order(&mut sorter), [(5, 0), (7, 0), (7, 1)]);
        let expected = Holes { groups: 1, broken_groups: 1, dropped_objects: 2 };
        assert_eq!(sorter.holes(), expected);
    }

    #[test]
    fn at_the_end_a_group_without_a_mark_counts_as_complete_only_without_holes() {
        let mut whole = sorter(10);
        whole.handle_object(1, 0, 1, ());
        whole.finish();
        assert_eq!(order(&mut whole), [(1, 0)]);
        assert!(whole.holes().is_none());

        let mut cut = sorter(10);
        cut.handle_object(1, 0, 1, ());
        cut.handle_object(1, 2, 1, ());
        cut.finish();
        assert_eq!(order(&mut cut), [(1, 0)]);
        assert_eq!(cut.holes().broken_groups, 1);
    }
}
