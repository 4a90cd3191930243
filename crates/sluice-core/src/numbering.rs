//! Where the groups of a track go on when its publisher begins to count anew.
//!
//! Publishers that know no resumption count groups from the start after each start of theirs, under
//! the same name. Viewers of later drafts take a group that comes again with other objects for a
//! malformed track, so what a publisher counts is moved behind what was there before it.
//!
//! Of several such publishers at once the one that was accepted last counts: usually the others are
//! the same one before it lost its connection. What they send is left out, as nobody could tell
//! whose object of a number is meant.

use sluice_proto::model::{GroupId, Location};

use crate::ids::{RequestKey, SessionKey};

/// Who counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counter {
    /// A publisher, as long as its session.
    Session(SessionKey),
    /// Whoever is behind another shard, as long as the subscription there.
    Shard(RequestKey),
}

/// How the groups of such publishers are numbered. Empty for a track of others.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    /// Whose objects are taken, newest last.
    publishers: Vec<Counter>,
    /// Of the newest: how its groups are moved, once its first object came.
    moved: Option<Moved>,
}

#[derive(Clone, Copy, Debug)]
struct Moved {
    /// Groups up to this one are of publishers before it.
    floor: Option<GroupId>,
    /// What is added to its own numbers.
    by: u64,
}

impl Numbering {
    /// A publisher was accepted.
    pub fn accepted(&mut self, counter: Counter) {
        if self.publishers.last() != Some(&counter) {
            self.publishers.retain(|publisher| *publisher != counter);
            self.publishers.push(counter);
            self.moved = None;
        }
    }

    /// A publisher is gone.
    pub fn gone(&mut self, counter: Counter) {
        if self.publishers.last() == Some(&counter) {
            self.moved = None;
        }
        self.publishers.retain(|publisher| *publisher != counter);
    }

    /// The group of an object that a publisher counts into `group`, while `largest` is the largest
    /// of the track; `None` if it is left out.
    pub fn place(
        &mut self,
        counter: Counter,
        group: GroupId,
        largest: Option<Location>,
    ) -> Option<GroupId> {
        if self.publishers.last() != Some(&counter) {
            // The home numbers for all its copies.
            return self.publishers.is_empty().then_some(group);
        }
        let moved = *self.moved.get_or_insert_with(|| {
            let floor = largest.map(|largest| largest.group);
            let behind = |floor: GroupId| floor.0.saturating_add(1);
            let by = floor.filter(|floor| group <= *floor).map_or(0, behind);
            Moved { floor, by }
        });
        let placed = group.0.checked_add(moved.by).map(GroupId);
        placed.filter(|placed| moved.floor.is_none_or(|floor| *placed > floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Counter = Counter::Session(SessionKey { index: 1, generation: 1 });
    const SECOND: Counter = Counter::Session(SessionKey { index: 1, generation: 2 });

    fn at(group: u64) -> Option<Location> {
        Some(Location::new(group, 3))
    }

    #[test]
    fn a_first_publisher_keeps_its_numbers() {
        let mut numbering = Numbering::default();
        numbering.accepted(FIRST);
        assert_eq!(numbering.place(FIRST, GroupId(1), None), Some(GroupId(1)));
        assert_eq!(numbering.place(FIRST, GroupId(0), at(1)), Some(GroupId(0)));
    }

    #[test]
    fn one_that_counts_anew_goes_on_behind_what_was_there() {
        let mut numbering = Numbering::default();
        numbering.accepted(FIRST);
        numbering.place(FIRST, GroupId(7), None);
        numbering.gone(FIRST);
        numbering.accepted(SECOND);
        // Streams overtake each other: its second group is seen first.
        assert_eq!(numbering.place(SECOND, GroupId(2), at(7)), Some(GroupId(10)));
        assert_eq!(numbering.place(SECOND, GroupId(1), at(10)), Some(GroupId(9)));
        assert_eq!(numbering.place(SECOND, GroupId(30), at(10)), Some(GroupId(38)));
    }

    #[test]
    fn one_that_counts_on_keeps_its_numbers_and_brings_nothing_of_the_past() {
        let mut numbering = Numbering::default();
        numbering.accepted(FIRST);
        numbering.place(FIRST, GroupId(7), None);
        numbering.accepted(SECOND);
        assert_eq!(numbering.place(SECOND, GroupId(9), at(7)), Some(GroupId(9)));
        assert_eq!(numbering.place(SECOND, GroupId(8), at(9)), Some(GroupId(8)));
        assert_eq!(numbering.place(SECOND, GroupId(7), at(9)), None);
    }

    #[test]
    fn of_two_at_once_the_newer_counts_and_then_the_other_again() {
        let mut numbering = Numbering::default();
        numbering.accepted(FIRST);
        numbering.accepted(SECOND);
        assert_eq!(numbering.place(FIRST, GroupId(1), None), None);
        assert_eq!(numbering.place(SECOND, GroupId(1), None), Some(GroupId(1)));
        numbering.gone(SECOND);
        assert_eq!(numbering.place(FIRST, GroupId(2), at(5)), Some(GroupId(8)));
    }
}
