//! The publishers of a track, and what their drafts demand of it.

use sluice_proto::model::ResetCode;

use super::feed::{Change, FeedKey};
use super::{GroupKey, TrackStore};

/// A publisher of the track, as one store knows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SourceId(u32);

/// Where a publisher's draft wants one priority for all of a subgroup.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum PriorityRule {
    /// Nowhere: the first one seen counts.
    Free,
    /// On fetch streams; elsewhere the first one seen counts.
    Fetched,
    /// Everywhere: another one makes the track malformed.
    #[default]
    Everywhere,
}

/// Whether a publisher's draft lets streams and datagrams mix in one track.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum DeliveryRule {
    /// One kind for the whole track; both make it malformed.
    PerTrack,
    /// Each object has its own.
    #[default]
    PerObject,
}

/// What a publisher's draft demands of its track's objects. The default is the newest draft's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SourceRules {
    /// One priority per subgroup.
    pub priority: PriorityRule,
    /// One delivery per track.
    pub delivery: DeliveryRule,
}

impl TrackStore {
    /// A publisher of the track appeared.
    pub fn add_source(&mut self, rules: SourceRules) -> SourceId {
        SourceId(self.sources.insert(rules) as u32)
    }

    /// A publisher is gone: all its streams end as if reset with `code`.
    pub fn remove_source(&mut self, source: SourceId, code: ResetCode) -> Change {
        let mut change = Change::None;
        for key in self.feeds_of(source) {
            change = change.max(self.reset(key, code));
        }
        self.sources.try_remove(source.0 as usize);
        if self.largest_source == Some(source) {
            self.largest_source = None;
        }
        if self.sources.is_empty() { change.max(self.release()) } else { change }
    }

    /// A publisher is gone, as by [`remove_source`](Self::remove_source). If the track has others,
    /// subgroups that it was bringing stay open until another brings them, or
    /// [`release`](Self::release).
    pub fn lose_source(&mut self, source: SourceId, code: ResetCode) -> Change {
        for key in self.feeds_of(source) {
            self.hold(key);
        }
        self.remove_source(source, code)
    }

    /// A stream was reset as its publisher is gone, which is another's: as by
    /// [`lose_source`](Self::lose_source).
    pub fn lose_feed(&mut self, key: FeedKey, code: ResetCode) -> Change {
        self.hold(key);
        self.reset(key, code)
    }

    /// Whether some subgroup is kept open for another publisher.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    fn hold(&mut self, key: FeedKey) {
        if self.sources.len() > 1
            && let Some((group, at)) = self.subgroup_feed(key).and_then(|feed| feed.attached)
        {
            self.set_held(group, at, true);
            self.held.push((group, at));
        }
    }

    /// No other publisher went on with the subgroups of one that is gone: they end.
    pub fn release(&mut self) -> Change {
        let mut change = Change::None;
        for (group, at) in std::mem::take(&mut self.held) {
            self.set_held(group, at, false);
            change = change.max(self.settle(group, at));
        }
        change
    }

    fn set_held(&mut self, group: GroupKey, at: u32, held: bool) {
        self.with_group(group, |group| {
            if let Some(subgroup) = group.subgroups.get_mut(at as usize) {
                subgroup.is_held = held;
            }
        });
    }

    /// How many publishers there are.
    pub fn sources_len(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn rules(&self, source: SourceId) -> SourceRules {
        self.sources.get(source.0 as usize).copied().unwrap_or_default()
    }
}
