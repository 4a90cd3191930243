//! Properties of tracks and objects: key-value pairs that travel from publisher to viewer.
//!
//! A block keeps the bytes it came in together with the encoding they are in, so that a relay
//! between peers of the same encoding copies them untouched; another encoding is produced from
//! the parsed pairs. Blocks that exist are well formed: `wire` parses them once on arrival.

use bytes::Bytes;

mod object;
mod track;

pub use object::MalformedProperties;
pub use track::{TrackProperties, TrackPropertyError, TrackSettings};

/// How a block of key-value pairs is written. Only `wire` knows which draft uses which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PropertyEncoding {
    /// Absolute types, integers of RFC 9000.
    Absolute,
    /// Delta types, integers of RFC 9000.
    Delta,
    /// Delta types, MOQT integers without the 7-byte form.
    DeltaVi64Short,
    /// Delta types, MOQT integers.
    DeltaVi64,
}

/// A value: even types hold an integer, odd types bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PropertyValue {
    /// Of an even type.
    Int(u64),
    /// Of an odd type, at most 65,535 bytes.
    Bytes(Bytes),
}

/// Why bytes are not a block of properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PropertyError {
    /// The block ends inside a pair, or an integer is not valid in the encoding.
    #[error("the block ends inside a pair")]
    Truncated,
    /// A value of an odd type is longer than 65,535 bytes.
    #[error("value of type {kind:#x} is {length} bytes, at most 65535 are allowed")]
    TooLong {
        /// The property's type.
        kind: u64,
        /// The announced length.
        length: u64,
    },
    /// Deltas add up beyond the largest type.
    #[error("property types overflow")]
    TypeOverflow,
    /// An integer cannot be written in the encoding.
    #[error("value {value} of type {kind:#x} does not fit the encoding")]
    DoesNotFit {
        /// The property's type.
        kind: u64,
        /// The value.
        value: u64,
    },
    /// An integer for an odd type, or bytes for an even one.
    #[error("type {kind:#x} holds {}", if kind.is_multiple_of(2) { "an integer" } else { "bytes" })]
    WrongForm {
        /// The property's type.
        kind: u64,
    },
}

/// A block of properties. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Properties {
    encoding: PropertyEncoding,
    raw: Bytes,
}

impl Default for Properties {
    fn default() -> Self {
        Self { encoding: PropertyEncoding::DeltaVi64, raw: Bytes::new() }
    }
}

impl Properties {
    /// A block that is known to be well formed in `encoding`. `wire` calls this after parsing.
    pub(crate) fn from_parsed(encoding: PropertyEncoding, raw: Bytes) -> Self {
        Self { encoding, raw }
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The bytes as they came.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The same block in other memory: `raw` holds the same bytes.
    pub fn moved_to(&self, raw: Bytes) -> Self {
        debug_assert_eq!(self.raw, raw);
        Self { encoding: self.encoding, raw }
    }

    /// How the bytes are encoded.
    pub fn encoding(&self) -> PropertyEncoding {
        self.encoding
    }
}

/// Types with a meaning for the transport.
pub mod kind {
    /// Object delivery timeout of a track, milliseconds.
    pub const OBJECT_DELIVERY_TIMEOUT: u64 = 0x02;
    /// Longest time an object is served from a cache, milliseconds.
    pub const MAX_CACHE_DURATION: u64 = 0x04;
    /// Subgroup delivery timeout of a track, milliseconds.
    pub const SUBGROUP_DELIVERY_TIMEOUT: u64 = 0x06;
    /// A nested block that nobody on the way may change.
    pub const IMMUTABLE: u64 = 0x0B;
    /// Default publisher priority of a track.
    pub const DEFAULT_PUBLISHER_PRIORITY: u64 = 0x0E;
    /// Default group order of a track, 1 or 2.
    pub const DEFAULT_GROUP_ORDER: u64 = 0x22;
    /// Whether a subscriber may ask for a new group.
    pub const DYNAMIC_GROUPS: u64 = 0x30;
    /// Number of groups just before this one that do not exist.
    pub const PRIOR_GROUP_ID_GAP: u64 = 0x3C;
    /// Number of objects just before this one that do not exist.
    pub const PRIOR_OBJECT_ID_GAP: u64 = 0x3E;
    /// Track properties that must be understood, from the first to the last type.
    pub const MANDATORY: std::ops::RangeInclusive<u64> = 0x4000..=0x7FFF;
}
