//! What a peer can do wrong: one variant per rule, never a text.

use super::MessageKind;
use super::data::DataViolation;
use crate::model::{PropertyError, RequestCode, SessionCode};

/// How far the damage of a violation goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reach {
    /// The stream it came on is of no use any more.
    Stream,
    /// The request is refused or ended.
    Request,
    /// The track is malformed: its subscriptions and fetches end.
    Track,
    /// The session is closed.
    Session,
}

/// A field of a message, as the drafts call it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the drafts' own")]
pub enum Field {
    Body,
    Versions,
    RequestId,
    Parameters,
    Properties,
}

/// A rule that a peer broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Violation {
    /// A message type that the draft does not have.
    #[error("unknown message type {code:#x}")]
    UnknownMessage {
        /// The type.
        code: u64,
    },
    /// A message on a stream where it has no place.
    #[error("{message:?} does not belong on this stream")]
    MisplacedMessage {
        /// The message.
        message: MessageKind,
    },
    /// The body ends inside a field.
    #[error("{message:?} ends inside {field:?}")]
    Truncated {
        /// The message.
        message: MessageKind,
        /// The field.
        field: Field,
    },
    /// Properties that are no properties.
    #[error("properties of {message:?}: {error}")]
    Properties {
        /// The message.
        message: MessageKind,
        /// What is wrong.
        error: PropertyError,
    },
    /// A rule of the data plane.
    #[error(transparent)]
    Data(DataViolation),
}

impl Violation {
    /// How far the damage goes.
    pub fn reach(&self) -> Reach {
        match self {
            Violation::UnknownMessage { .. }
            | Violation::MisplacedMessage { .. }
            | Violation::Truncated { .. }
            | Violation::Properties { .. } => Reach::Session,
            Violation::Data(violation) => violation.reach(),
        }
    }

    /// Where the rule stands, in draft 18 unless it says otherwise.
    pub fn section(&self) -> &'static str {
        match self {
            Violation::UnknownMessage { .. }
            | Violation::MisplacedMessage { .. }
            | Violation::Truncated { .. } => "MOQT-18 §10",
            Violation::Properties { .. } => "MOQT-18 §1.4.3",
            Violation::Data(violation) => violation.section(),
        }
    }

    /// What the session is closed with, if it comes to that.
    pub fn session_code(&self) -> SessionCode {
        SessionCode::ProtocolViolation
    }

    /// What the request is refused with, where [`Violation::reach`] is [`Reach::Request`].
    pub fn request_code(&self) -> RequestCode {
        RequestCode::Internal
    }
}
