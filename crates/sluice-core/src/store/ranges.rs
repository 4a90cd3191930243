//! A set of numbers kept as ranges: which objects of a group, or groups of a track, are known not
//! to exist.

use std::collections::BTreeMap;

/// Disjoint inclusive ranges, never adjacent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RangeSet {
    /// Start to end, both inclusive.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// Adds `first..=last`; nothing if `first > last`.
    pub(crate) fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        if let Some((&start, &end)) = self.ranges.range(..=first).next_back()
            && end.saturating_add(1) >= first
        {
            first = start;
            last = last.max(end);
        }
        while let Some((&start, &end)) = self.ranges.range(first..).next() {
            if start > last.saturating_add(1) {
                break;
            }
            self.ranges.remove(&start);
            last = last.max(end);
        }
        self.ranges.insert(first, last);
    }

    /// Takes `first..=last` out.
    pub(crate) fn remove(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        if let Some((&start, &end)) = self.ranges.range(..first).next_back()
            && end >= first
        {
            self.ranges.insert(start, first - 1);
            if end > last {
                self.ranges.insert(last + 1, end);
            }
        }
        while let Some((&start, &end)) = self.ranges.range(first..=last).next() {
            self.ranges.remove(&start);
            if end > last {
                self.ranges.insert(last + 1, end);
            }
        }
    }

    /// The range that holds `value`.
    pub(crate) fn around(&self, value: u64) -> Option<(u64, u64)> {
        let (&start, &end) = self.ranges.range(..=value).next_back()?;
        (end >= value).then_some((start, end))
    }

    /// Whether `value` is in the set.
    pub(crate) fn contains(&self, value: u64) -> bool {
        self.around(value).is_some()
    }

    /// The first range that starts above `value`.
    pub(crate) fn next_above(&self, value: u64) -> Option<(u64, u64)> {
        let above = value.checked_add(1)?;
        self.ranges.range(above..).next().map(|(&start, &end)| (start, end))
    }

    /// The last range that ends below `value`, if `value` itself is not in the set.
    pub(crate) fn next_below(&self, value: u64) -> Option<(u64, u64)> {
        self.ranges.range(..value).next_back().map(|(&start, &end)| (start, end))
    }

    /// The range with the smallest numbers.
    pub(crate) fn lowest(&self) -> Option<(u64, u64)> {
        self.ranges.first_key_value().map(|(&start, &end)| (start, end))
    }

    /// Fills gaps, the lowest first, until there are at most `ranges_max` ranges.
    pub(crate) fn coarsen(&mut self, ranges_max: usize) {
        while self.ranges.len() > ranges_max.max(1) {
            let Some((start, _)) = self.ranges.pop_first() else { break };
            let Some((_, end)) = self.ranges.pop_first() else { break };
            self.ranges.insert(start, end);
        }
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::RangeSet;

    fn ranges(set: &RangeSet) -> Vec<(u64, u64)> {
        set.ranges.iter().map(|(&start, &end)| (start, end)).collect()
    }

    #[test]
    fn touching_ranges_become_one() {
        let mut set = RangeSet::default();
        set.insert(5, 6);
        set.insert(9, 9);
        set.insert(7, 8);
        assert_eq!(ranges(&set), [(5, 9)]);
        set.insert(0, u64::MAX);
        assert_eq!(ranges(&set), [(0, u64::MAX)]);
    }

    #[test]
    fn removing_the_middle_leaves_both_ends() {
        let mut set = RangeSet::default();
        set.insert(0, u64::MAX);
        set.remove(3, 5);
        assert_eq!(ranges(&set), [(0, 2), (6, u64::MAX)]);
        set.remove(1, 7);
        assert_eq!(ranges(&set), [(0, 0), (8, u64::MAX)]);
        assert!(set.contains(8) && !set.contains(7));
        assert_eq!(set.next_above(0), Some((8, u64::MAX)));
        assert_eq!(set.next_below(5), Some((0, 0)));
    }
}
