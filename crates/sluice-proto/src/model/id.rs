//! Numbers that name things. A newtype each, so that none is taken for another.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<u64> for $name {
            fn from(value: u64) -> Self {
                Self(value)
            }
        }
    };
}

id! {
    /// A request of one session. Clients use even ids, servers odd ones, so an id names a request
    /// of the session whoever made it (MOQT-18 §10.1).
    RequestId
}
id! {
    /// The number a track's publisher gave it on one session (MOQT-18 §11.1).
    TrackAlias
}
id! {
    /// A group of a track.
    GroupId
}
id! {
    /// A subgroup of a group.
    SubgroupId
}
id! {
    /// An object of a group.
    ObjectId
}

impl ObjectId {
    /// The next object, or `None` at the largest id.
    pub fn next(self) -> Option<ObjectId> {
        self.0.checked_add(1).map(ObjectId)
    }
}

impl GroupId {
    /// The next group, or `None` at the largest id.
    pub fn next(self) -> Option<GroupId> {
        self.0.checked_add(1).map(GroupId)
    }
}

/// Where an object stands in its track.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Location {
    /// The group.
    pub group: GroupId,
    /// The object within the group.
    pub object: ObjectId,
}

impl Location {
    /// `{group, object}`.
    pub const fn new(group: u64, object: u64) -> Self {
        Self { group: GroupId(group), object: ObjectId(object) }
    }

    /// The first location of any track.
    pub const ZERO: Location = Location::new(0, 0);
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.object)
    }
}

/// A sending priority. Lower numbers go first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Priority(pub u8);

impl Default for Priority {
    /// 128, the default of subscriber and publisher priority alike.
    fn default() -> Self {
        Self(128)
    }
}
