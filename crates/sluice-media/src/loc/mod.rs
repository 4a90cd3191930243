//! LOC (draft-ietf-moq-loc-04): one encoded frame an object, its facts in object properties.
//!
//! Properties are a plain list here, [`LocProperties`]; how they are coded on the wire belongs to
//! the transport draft of the session. Versions differ in their numbers, see [`LocDialect`].

mod frame;
mod mux;
mod order;
mod packager;

use bytes::Bytes;

pub use frame::{FrameMarking, LocDialect, LocHeader};
pub use mux::{LocMuxer, LocTrack};
pub use packager::{LocObject, LocPackager, LocStyle, Origin};

/// The value of an object property: an integer where the type is even, bytes where it is odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocValue {
    /// Of an even type.
    Int(u64),
    /// Of an odd type.
    Bytes(Bytes),
}

/// Object properties in wire order, which is rising by type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocProperties(pub Vec<(u64, LocValue)>);

impl LocProperties {
    /// The first integer of a type.
    pub fn int(&self, kind: u64) -> Option<u64> {
        self.0.iter().find_map(|(found, value)| match value {
            LocValue::Int(value) if *found == kind => Some(*value),
            _ => None,
        })
    }

    /// The first bytes of a type.
    pub fn bytes(&self, kind: u64) -> Option<&Bytes> {
        self.0.iter().find_map(|(found, value)| match value {
            LocValue::Bytes(value) if *found == kind => Some(value),
            _ => None,
        })
    }
}
