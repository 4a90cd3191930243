//! What a peer can do wrong on the data plane, and what a draft cannot say there.

use crate::model::{Location, MalformedProperties, ObjectStatus, PropertyError, RangeMark};
use crate::wire::{Inexpressible, Reach, Violation};

/// A field of a fetched object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the drafts' own")]
pub enum FetchField {
    Group,
    Subgroup,
    Object,
    Priority,
}

/// A rule of the data plane that a peer broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DataViolation {
    /// A unidirectional stream of no type that the draft has.
    #[error("unknown stream type {code:#x}")]
    UnknownStreamType {
        /// The type.
        code: u64,
    },
    /// A subgroup head that uses the reserved way to name the subgroup.
    #[error("stream type {code:#x} names its subgroup in the reserved way")]
    ReservedSubgroupForm {
        /// The type.
        code: u64,
    },
    /// A datagram of no type that the draft has.
    #[error("unknown datagram type {code:#x}")]
    UnknownDatagramType {
        /// The type.
        code: u64,
    },
    /// An integer starts with a byte that the draft forbids.
    #[error("no integer starts with {byte:#04x}")]
    InvalidInteger {
        /// The byte.
        byte: u8,
    },
    /// A datagram ends inside a field.
    #[error("the datagram ends inside a field")]
    TruncatedDatagram,
    /// Something follows the status of a datagram.
    #[error("{bytes} bytes follow the status of a datagram")]
    PayloadAfterStatus {
        /// How much.
        bytes: usize,
    },
    /// A datagram announces properties and has none.
    #[error("a datagram with an empty block of properties")]
    EmptyDatagramProperties,
    /// Properties that are no properties.
    #[error("object properties: {0}")]
    Properties(PropertyError),
    /// More properties than are read.
    #[error("a block of properties of {bytes} bytes is longer than our limit")]
    PropertiesTooLong {
        /// The announced length.
        bytes: u64,
    },
    /// Properties that make the track malformed.
    #[error("object {location}: {error}")]
    MalformedProperties {
        /// The object.
        location: Location,
        /// What is wrong.
        error: MalformedProperties,
    },
    /// A status that the draft does not have.
    #[error("unknown object status {status:#x}")]
    UnknownStatus {
        /// The status.
        status: u64,
    },
    /// Properties on an object whose status forbids them.
    #[error("properties on an object with status {status:?}")]
    PropertiesOnStatus {
        /// The status.
        status: ObjectStatus,
    },
    /// Object ids of a subgroup pass the largest one that the draft can write.
    #[error("object id {previous} and {delta} more pass the largest id")]
    ObjectIdOverflow {
        /// The object before.
        previous: u64,
        /// The announced difference.
        delta: u64,
    },
    /// The stream ended inside a head or an object.
    #[error("the stream ended inside an object")]
    CutByFin,
    /// Flags of a fetched object that the draft does not have.
    #[error("unknown serialization flags {flags:#x}")]
    UnknownFetchFlags {
        /// The flags.
        flags: u64,
    },
    /// A fetched object refers to an object before it, and there is none.
    #[error("{field:?} refers to an object before the first one")]
    NoPriorObject {
        /// The field that is left out.
        field: FetchField,
    },
    /// An id of a fetched object passes the smallest or largest one.
    #[error("{field:?} {prior} and a difference of {delta} pass the range of ids")]
    FetchIdOutOfRange {
        /// The field.
        field: FetchField,
        /// The value before.
        prior: u64,
        /// The announced difference.
        delta: u64,
    },
    /// A fetched object that does not come after the one before it.
    #[error("fetched object {location} after {prior} is against the order of the fetch")]
    FetchOrder {
        /// The record before.
        prior: Location,
        /// The object.
        location: Location,
    },
    /// A record of a range without objects that announces a payload.
    #[error("a range without objects announces a payload of {bytes} bytes")]
    MarkWithPayload {
        /// The announced length.
        bytes: u64,
    },
}

impl DataViolation {
    /// How far the damage goes.
    pub fn reach(&self) -> Reach {
        match self {
            DataViolation::UnknownStreamType { .. }
            | DataViolation::ReservedSubgroupForm { .. }
            | DataViolation::UnknownDatagramType { .. }
            | DataViolation::InvalidInteger { .. }
            | DataViolation::TruncatedDatagram
            | DataViolation::PayloadAfterStatus { .. }
            | DataViolation::EmptyDatagramProperties
            | DataViolation::Properties(_)
            | DataViolation::UnknownStatus { .. }
            | DataViolation::PropertiesOnStatus { .. }
            | DataViolation::ObjectIdOverflow { .. }
            | DataViolation::CutByFin
            | DataViolation::UnknownFetchFlags { .. }
            | DataViolation::NoPriorObject { .. }
            | DataViolation::FetchIdOutOfRange { .. }
            | DataViolation::MarkWithPayload { .. } => Reach::Session,
            DataViolation::MalformedProperties { .. } | DataViolation::FetchOrder { .. } => {
                Reach::Track
            }
            // A limit of ours and no rule of the draft.
            DataViolation::PropertiesTooLong { .. } => Reach::Stream,
        }
    }

    /// Where the rule stands, in draft 18.
    pub fn section(&self) -> &'static str {
        match self {
            DataViolation::UnknownStreamType { .. } => "MOQT-18 §11",
            DataViolation::ReservedSubgroupForm { .. }
            | DataViolation::ObjectIdOverflow { .. }
            | DataViolation::CutByFin => "MOQT-18 §11.4.2",
            DataViolation::UnknownDatagramType { .. }
            | DataViolation::TruncatedDatagram
            | DataViolation::PayloadAfterStatus { .. }
            | DataViolation::EmptyDatagramProperties => "MOQT-18 §11.3",
            DataViolation::InvalidInteger { .. } => "MOQT-17 §1.4.1",
            DataViolation::Properties(_) => "MOQT-18 §1.4.3",
            DataViolation::PropertiesTooLong { .. } => "a limit of Sluice",
            DataViolation::MalformedProperties { .. } | DataViolation::FetchOrder { .. } => {
                "MOQT-18 §2.4.2"
            }
            DataViolation::UnknownStatus { .. } | DataViolation::PropertiesOnStatus { .. } => {
                "MOQT-18 §11.2.1"
            }
            DataViolation::UnknownFetchFlags { .. } => "MOQT-18 §11.4.4",
            DataViolation::NoPriorObject { .. } | DataViolation::FetchIdOutOfRange { .. } => {
                "MOQT-18 §11.4.4.1"
            }
            DataViolation::MarkWithPayload { .. } => "MOQT-18 §11.4.4.2",
        }
    }
}

impl From<DataViolation> for Violation {
    fn from(violation: DataViolation) -> Self {
        Violation::Data(violation)
    }
}

/// What a draft cannot say on its data plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DataInexpressible {
    /// The draft wants a priority in every head, so the inherited one has to be filled in.
    #[error("the draft cannot leave out a priority")]
    InheritedPriority,
    /// The draft has no status for an object that does not exist.
    #[error("the draft cannot say that an object does not exist")]
    Absence,
    /// Objects on fetch streams have no status in the draft.
    #[error("fetched objects have no status in the draft")]
    FetchStatus,
    /// The draft has no such record for a range without objects.
    #[error("the draft has no record for a range that is {0:?}")]
    RangeMark(RangeMark),
    /// A record for a range without objects cannot end in the group of the record before it.
    #[error("the range ends in the group of the record before it")]
    RangeMarkInGroup,
    /// The stream began without room for properties.
    #[error("the stream has no room for properties")]
    PropertiesOnPlainStream,
    /// The object does not come after the one before it on the stream.
    #[error("the object does not come after the one before it")]
    Disorder,
    /// Only normal objects have a payload.
    #[error("an object with a status has a payload")]
    PayloadWithStatus,
}

impl From<DataInexpressible> for Inexpressible {
    fn from(what: DataInexpressible) -> Self {
        Inexpressible::Data(what)
    }
}
