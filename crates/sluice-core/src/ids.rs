//! Names of what a shard owns.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use sluice_proto::model::{FullTrackName, RequestId};

/// A session of a shard. Never reused: a stale key finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

impl FromStr for SessionKey {
    type Err = ParseIntError;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (index, generation) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self { index: index.parse()?, generation: generation.parse()? })
    }
}

/// A set of sessions that see each other's tracks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ScopeId(pub u32);

/// A track of a shard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(pub(crate) u64);

/// What a shard is to a track.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Part {
    /// Its home: all publishers feed it, everyone takes it from here.
    Home,
    /// A copy for viewers of this shard, fed by the home.
    Replica,
    /// What publishers of this shard bring, for the home.
    Ingest,
}

/// A track by name: full names are unique within a scope (MOQT-18 §2.4.3). A shard that has both
/// publishers and viewers of a track whose home is elsewhere has it twice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TrackKey {
    /// The scope.
    pub scope: ScopeId,
    /// The full name.
    pub name: FullTrackName,
    /// What this shard is to it.
    pub part: Part,
}

/// A request of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct RequestKey {
    pub session: SessionKey,
    pub request: RequestId,
}
