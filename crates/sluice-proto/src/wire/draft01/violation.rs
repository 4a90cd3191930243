//! What a peer that speaks draft 01 can do wrong.

use super::{NamedKind, Role};
use crate::wire::place::PlaceMessage;
use crate::wire::{Field, Place, Reach};

/// What is wrong with an answer, an end, or an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NamedFault {
    /// Its stream ended inside its head or before its length.
    Cut,
    /// Its stream goes on past its length.
    Long,
}

/// A rule that a peer broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NamedViolation {
    /// A message type that the draft does not have.
    #[error("unknown message type {code:#x}")]
    UnknownMessage {
        /// The type.
        code: u64,
    },
    /// An object on the control stream.
    #[error("an object on the control stream")]
    ObjectOnControl,
    /// A name or text longer than anybody takes.
    #[error("{field} of {message} is {bytes} bytes, at most 1024 are taken")]
    TextTooLong {
        /// The message.
        message: NamedKind,
        /// The field.
        field: Field,
        /// Its length.
        bytes: u64,
    },
    /// More parameters than anybody takes.
    #[error("{count} parameters in {message}, at most 256 are taken")]
    TooManyParameters {
        /// The message.
        message: NamedKind,
        /// How many.
        count: u64,
    },
    /// More versions than anybody takes.
    #[error("{count} versions in CLIENT_SETUP, at most 10 are taken")]
    TooManyVersions {
        /// How many.
        count: u64,
    },
    /// CLIENT_SETUP in this form without the version that is deployed in it.
    #[error("no version in CLIENT_SETUP is 0xff000001")]
    NoCommonVersion,
    /// SERVER_SETUP chose a version that was not offered.
    #[error("version {version:#x} was not offered")]
    UnknownVersion {
        /// The version.
        version: u64,
    },
    /// A ROLE that does not exist.
    #[error("ROLE {role} does not exist")]
    UnknownRole {
        /// The value.
        role: u64,
    },
    /// SETUP without ROLE.
    #[error("{message} without ROLE")]
    NoRole {
        /// The message.
        message: NamedKind,
    },
    /// A message that the peer's role does not have.
    #[error("{message} from a peer whose ROLE is {role}")]
    NotOfRole {
        /// The message.
        message: NamedKind,
        /// The role.
        role: Role,
    },
    /// Anything before CLIENT_SETUP or SERVER_SETUP, or such a message a second time.
    #[error("{message} has no place at this point of the setup")]
    SetupOrder {
        /// The message.
        message: NamedKind,
    },
    /// A message that only the other side sends.
    #[error("{message} from this side")]
    WrongSide {
        /// The message.
        message: NamedKind,
    },
    /// A location of a mode that does not exist.
    #[error("{field} of SUBSCRIBE has mode {mode}")]
    LocationMode {
        /// The location.
        field: Field,
        /// The mode.
        mode: u64,
    },
    /// Locations that contradict themselves, or that no newer draft expresses. Costs the request.
    #[error("the locations of SUBSCRIBE are no range that can be had")]
    LocationRange,
    /// A namespace without a byte, which newer drafts cannot have. Costs the request.
    #[error("the namespace of {message} is empty")]
    EmptyNamespace {
        /// The message.
        message: NamedKind,
    },
    /// An answer or an end of something that is not open. Ignored.
    #[error("{message} for what is not open")]
    NothingOpen {
        /// The message.
        message: NamedKind,
    },
    /// A track id that already names another track.
    #[error("track id {id} already names another track")]
    DuplicateTrackId {
        /// The id.
        id: u64,
    },
    /// A data stream of no type that the draft has. Costs the stream.
    #[error("unknown stream type {code:#x}")]
    UnknownStreamType {
        /// The type.
        code: u64,
    },
    /// An object whose stream ends too early or too late. Costs the stream.
    #[error("the stream of an object {}", match fault {
        NamedFault::Cut => "ends inside it",
        NamedFault::Long => "goes on past its length",
    })]
    Object {
        /// Which of the two.
        fault: NamedFault,
    },
}

impl NamedViolation {
    /// How far the damage goes.
    pub fn reach(&self) -> Reach {
        match self {
            NamedViolation::UnknownMessage { .. }
            | NamedViolation::ObjectOnControl
            | NamedViolation::TextTooLong { .. }
            | NamedViolation::TooManyParameters { .. }
            | NamedViolation::TooManyVersions { .. }
            | NamedViolation::NoCommonVersion
            | NamedViolation::UnknownVersion { .. }
            | NamedViolation::UnknownRole { .. }
            | NamedViolation::NoRole { .. }
            | NamedViolation::NotOfRole { .. }
            | NamedViolation::SetupOrder { .. }
            | NamedViolation::WrongSide { .. }
            | NamedViolation::LocationMode { .. }
            | NamedViolation::DuplicateTrackId { .. } => Reach::Session,
            NamedViolation::LocationRange
            | NamedViolation::EmptyNamespace { .. }
            | NamedViolation::NothingOpen { .. } => Reach::Request,
            NamedViolation::UnknownStreamType { .. } | NamedViolation::Object { .. } => {
                Reach::Stream
            }
        }
    }

    /// Where the rule stands in draft 01.
    pub fn section(&self) -> &'static str {
        match self {
            NamedViolation::UnknownMessage { .. } => "MOQT-01 §6",
            NamedViolation::TextTooLong { .. } => "MOQT-01 §1.3",
            NamedViolation::TooManyParameters { .. } => "MOQT-01 §6.1",
            NamedViolation::NoCommonVersion
            | NamedViolation::UnknownVersion { .. }
            | NamedViolation::TooManyVersions { .. } => "MOQT-01 §6.2.1",
            NamedViolation::UnknownRole { .. }
            | NamedViolation::NoRole { .. }
            | NamedViolation::NotOfRole { .. } => "MOQT-01 §6.2.2.1",
            NamedViolation::SetupOrder { .. } => "MOQT-01 §6.2",
            NamedViolation::WrongSide { message } => message.section(),
            NamedViolation::LocationMode { .. } => "MOQT-01 §6.4.1",
            NamedViolation::LocationRange => "MOQT-01 §6.4.2",
            NamedViolation::EmptyNamespace { .. } => "MOQT-01 §2.4.1",
            NamedViolation::NothingOpen { message } => message.section(),
            NamedViolation::DuplicateTrackId { .. } => "MOQT-01 §6.5",
            NamedViolation::ObjectOnControl
            | NamedViolation::UnknownStreamType { .. }
            | NamedViolation::Object { .. } => "MOQT-01 §6.3",
        }
    }

    /// Where in the peer's bytes.
    pub(in crate::wire) fn place(&self) -> Place {
        let named = PlaceMessage::Named;
        let setup = named(NamedKind::ClientSetup);
        let (message, field) = match *self {
            NamedViolation::UnknownMessage { .. } => (None, Some(Field::MessageType)),
            NamedViolation::ObjectOnControl => {
                (Some(PlaceMessage::Object), Some(Field::MessageType))
            }
            NamedViolation::TextTooLong { message, field, .. } => {
                (Some(named(message)), Some(field))
            }
            NamedViolation::TooManyParameters { message, .. } => {
                (Some(named(message)), Some(Field::Parameters))
            }
            NamedViolation::TooManyVersions { .. } | NamedViolation::NoCommonVersion => {
                (Some(setup), Some(Field::Versions))
            }
            NamedViolation::UnknownVersion { .. } => {
                (Some(named(NamedKind::ServerSetup)), Some(Field::Versions))
            }
            NamedViolation::UnknownRole { .. } => (None, Some(Field::Role)),
            NamedViolation::NoRole { message } => (Some(named(message)), Some(Field::Role)),
            NamedViolation::NotOfRole { message, .. }
            | NamedViolation::SetupOrder { message }
            | NamedViolation::WrongSide { message } => {
                (Some(named(message)), Some(Field::MessageType))
            }
            NamedViolation::LocationMode { field, .. } => {
                (Some(named(NamedKind::Subscribe)), Some(field))
            }
            NamedViolation::LocationRange => {
                (Some(named(NamedKind::Subscribe)), Some(Field::Location))
            }
            NamedViolation::EmptyNamespace { message }
            | NamedViolation::NothingOpen { message } => {
                (Some(named(message)), Some(Field::Namespace))
            }
            NamedViolation::DuplicateTrackId { .. } => {
                (Some(named(NamedKind::SubscribeOk)), Some(Field::TrackId))
            }
            NamedViolation::UnknownStreamType { .. } => {
                (Some(PlaceMessage::Stream), Some(Field::StreamType))
            }
            NamedViolation::Object { .. } => {
                (Some(PlaceMessage::Object), Some(Field::PayloadLength))
            }
        };
        Place { message, field }
    }
}
