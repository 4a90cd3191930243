//! Which shard is home of a track. All code asks here; none computes a shard.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use sluice_proto::model::FullTrackName;

/// A shard of a relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A shard's place among the shards of its relay, and where tracks live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placement {
    own: ShardId,
    shards: u16,
    key: u64,
}

impl Placement {
    /// The only shard of a relay: home of everything.
    pub fn alone() -> Self {
        Self { own: ShardId(0), shards: 1, key: 0 }
    }

    /// Shard `own` of `shards`, numbered from 0. All of a relay get the same `key`, which nobody
    /// else knows: so no one can choose names that all fall on one shard.
    pub fn new(own: ShardId, shards: u16, key: u64) -> Self {
        debug_assert!(own.0 < shards, "shards are numbered from 0");
        Self { own, shards: shards.max(1), key }
    }

    /// This shard.
    pub fn own(&self) -> ShardId {
        self.own
    }

    /// Whether there is no other shard.
    pub fn is_alone(&self) -> bool {
        self.shards == 1
    }

    /// The other shards.
    pub fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let own = self.own;
        (0..self.shards).map(ShardId).filter(move |shard| *shard != own)
    }

    /// The shard that has the sessions to all origins. One for all: which origin is asked is then
    /// decided by the one that knows which are there and how far they are.
    pub fn origins(&self) -> ShardId {
        ShardId(0)
    }

    /// Where the store and the upstream subscriptions of a track are. A scope is told by its name
    /// (authority and path), as its number differs from shard to shard.
    pub(crate) fn home(&self, scope: &(String, String), track: &FullTrackName) -> ShardId {
        if self.is_alone() {
            return self.own;
        }
        let mut hasher = DefaultHasher::new();
        self.key.hash(&mut hasher);
        scope.hash(&mut hasher);
        track.hash(&mut hasher);
        ShardId((hasher.finish() % u64::from(self.shards)) as u16)
    }
}
