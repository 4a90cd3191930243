//! Where in a peer's bytes a violation stands: message and field, as the drafts call them.

use std::fmt;

use super::data::{DataViolation, FetchField};
use super::{Field, MessageKind, NamedKind, Violation};

/// What a log line says of the place of a violation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The message, or the kind of stream or datagram; `None` where the rule holds for several.
    pub message: Option<PlaceMessage>,
    /// The field; `None` where it is the message as a whole.
    pub field: Option<Field>,
}

/// A unit of the protocol that can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PlaceMessage {
    /// A control message.
    Control(MessageKind),
    /// A control message of a draft whose requests are known by their names.
    Named(NamedKind),
    /// The head or an object of a subgroup stream.
    Subgroup,
    /// The head or an object of a fetch stream.
    Fetch,
    /// An object in a datagram.
    Datagram,
    /// An object, wherever it travels.
    Object,
    /// A stream as a whole.
    Stream,
}

impl From<MessageKind> for PlaceMessage {
    fn from(kind: MessageKind) -> Self {
        PlaceMessage::Control(kind)
    }
}

impl fmt::Display for PlaceMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlaceMessage::Control(kind) => kind.fmt(f),
            PlaceMessage::Named(kind) => kind.fmt(f),
            PlaceMessage::Subgroup => f.write_str("subgroup stream"),
            PlaceMessage::Fetch => f.write_str("fetch stream"),
            PlaceMessage::Datagram => f.write_str("object datagram"),
            PlaceMessage::Object => f.write_str("object"),
            PlaceMessage::Stream => f.write_str("stream"),
        }
    }
}

impl fmt::Display for MessageKind {
    /// The drafts' spelling: `SUBSCRIBE_OK`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_message(f, &format!("{self:?}"))
    }
}

impl fmt::Display for NamedKind {
    /// The draft's spelling: `ANNOUNCE_OK`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_message(f, &format!("{self:?}"))
    }
}

fn write_message(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            f.write_str("_")?;
        }
        write!(f, "{}", letter.to_ascii_uppercase())?;
    }
    Ok(())
}

impl fmt::Display for Field {
    /// The drafts' spelling: `Track Alias`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in format!("{self:?}").char_indices() {
            if at > 0 && letter.is_ascii_uppercase() {
                f.write_str(" ")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

impl Violation {
    /// Where it stands. A message that the rule does not name is `None` here; the session knows
    /// which one it was reading.
    pub fn place(&self) -> Place {
        let (message, field) = match *self {
            Violation::Data(violation) => return violation.place(),
            Violation::Named(violation) => return violation.place(),
            Violation::InvalidInteger { message, field, .. } => {
                return Place { message: message.map(Into::into), field: Some(field) };
            }
            Violation::UnknownMessage { .. } => (None, Some(Field::MessageType)),
            Violation::MisplacedMessage { message } | Violation::SetupOrder { message } => {
                (Some(message), Some(Field::MessageType))
            }
            Violation::Truncated { message, field }
            | Violation::InvalidValue { message, field, .. }
            | Violation::TextTooLong { message, field, .. } => (Some(message), Some(field)),
            Violation::TrailingBytes { message, .. } => (Some(message), Some(Field::MessageLength)),
            Violation::NamespaceFields { message, .. }
            | Violation::EmptyNamespaceField { message }
            | Violation::NameTooLong { message, .. } => (Some(message), Some(Field::Namespace)),
            Violation::PairTooLong { message, .. } => (Some(message), Some(Field::ParameterLength)),
            Violation::PairTypeOverflow { message }
            | Violation::UnknownParameter { message, .. }
            | Violation::MisplacedParameter { message, .. }
            | Violation::RepeatedParameter { message, .. } => {
                (Some(message), Some(Field::ParameterType))
            }
            Violation::ParameterFormat { message, .. }
            | Violation::RangeFilter { message, .. }
            | Violation::TokenFormat { message } => (Some(message), Some(Field::ParameterValue)),
            Violation::FilterFormat { message } => (Some(message), Some(Field::FilterType)),
            Violation::FilterOverflow { message, .. } => (Some(message), Some(Field::EndGroup)),
            Violation::Properties { message, .. }
            | Violation::TrackPropertyValue { message, .. }
            | Violation::UnexpectedProperties { message } => {
                (Some(message), Some(Field::Properties))
            }
            Violation::TooManyRanges { .. }
            | Violation::DuplicateTokenAlias { .. }
            | Violation::UnknownTokenAlias { .. }
            | Violation::TokenCacheOverflow { .. } => (None, Some(Field::ParameterValue)),
            Violation::NoCommonVersion => (Some(MessageKind::ClientSetup), Some(Field::Versions)),
            Violation::UnknownVersion { .. } => {
                (Some(MessageKind::ServerSetup), Some(Field::Versions))
            }
            Violation::UnexpectedPath
            | Violation::MalformedPath
            | Violation::UnexpectedAuthority
            | Violation::MalformedAuthority
            | Violation::SetupTokenAlias => (Some(MessageKind::Setup), Some(Field::OptionValue)),
            Violation::RequestIdParity { .. }
            | Violation::RequestIdOrder { .. }
            | Violation::RequestIdRepeated { .. }
            | Violation::TooManyRequests { .. } => (None, Some(Field::RequestId)),
            Violation::RequestLimitNotRaised { .. } => {
                (Some(MessageKind::MaxRequestId), Some(Field::RequestId))
            }
            Violation::UnsuitableRequest { message, .. }
            | Violation::UnexpectedResponse { message, .. } => {
                (Some(message), Some(Field::RequestId))
            }
            Violation::UpdateWidens { .. } => {
                (Some(MessageKind::RequestUpdate), Some(Field::FilterType))
            }
            Violation::TooManyUpdates { .. } => {
                (Some(MessageKind::RequestUpdate), Some(Field::RequestId))
            }
            Violation::NamespaceDoneFirst { .. } => {
                (Some(MessageKind::NamespaceDone), Some(Field::Namespace))
            }
            Violation::RequiredRequestId { .. } => (None, Some(Field::RequiredRequestId)),
            Violation::Joining { .. } => (Some(MessageKind::Fetch), Some(Field::JoiningRequestId)),
            Violation::FetchEndBeforeStart { .. } => {
                (Some(MessageKind::FetchOk), Some(Field::Location))
            }
            Violation::DuplicateTrackAlias { .. } => (None, Some(Field::TrackAlias)),
            Violation::Redirect { field } => (Some(MessageKind::RequestError), Some(field)),
            Violation::SecondGoaway => (Some(MessageKind::Goaway), Some(Field::MessageType)),
            Violation::GoawayUri => (Some(MessageKind::Goaway), Some(Field::Uri)),
            Violation::GoawayRequestId { .. } => {
                (Some(MessageKind::Goaway), Some(Field::RequestId))
            }
            Violation::ControlStreamClosed
            | Violation::SecondControlStream
            | Violation::UnexpectedStream
            | Violation::MessageCut { .. }
            | Violation::ControlMessageTimeout
            | Violation::DataStreamTimeout => {
                return Place { message: Some(PlaceMessage::Stream), field: None };
            }
        };
        Place { message: message.map(Into::into), field }
    }
}

impl DataViolation {
    fn place(&self) -> Place {
        let (message, field) = match *self {
            DataViolation::UnknownStreamType { .. } => {
                (PlaceMessage::Stream, Some(Field::StreamType))
            }
            DataViolation::ReservedSubgroupForm { .. } => {
                (PlaceMessage::Subgroup, Some(Field::StreamType))
            }
            DataViolation::ObjectIdOverflow { .. } => {
                (PlaceMessage::Subgroup, Some(Field::ObjectId))
            }
            DataViolation::UnknownDatagramType { .. } => {
                (PlaceMessage::Datagram, Some(Field::DatagramType))
            }
            DataViolation::TruncatedDatagram => (PlaceMessage::Datagram, None),
            DataViolation::PayloadAfterStatus { .. } => {
                (PlaceMessage::Datagram, Some(Field::ObjectStatus))
            }
            DataViolation::EmptyDatagramProperties => {
                (PlaceMessage::Datagram, Some(Field::Properties))
            }
            DataViolation::InvalidInteger { .. } | DataViolation::CutByFin => {
                (PlaceMessage::Object, None)
            }
            DataViolation::Properties(_)
            | DataViolation::PropertiesTooLong { .. }
            | DataViolation::MalformedProperties { .. } => {
                (PlaceMessage::Object, Some(Field::Properties))
            }
            DataViolation::UnknownStatus { .. } | DataViolation::PropertiesOnStatus { .. } => {
                (PlaceMessage::Object, Some(Field::ObjectStatus))
            }
            DataViolation::UnknownFetchFlags { .. } => {
                (PlaceMessage::Fetch, Some(Field::SerializationFlags))
            }
            DataViolation::NoPriorObject { field }
            | DataViolation::FetchIdOutOfRange { field, .. } => {
                (PlaceMessage::Fetch, Some(of_fetch(field)))
            }
            DataViolation::FetchOrder { .. } => (PlaceMessage::Fetch, Some(Field::Location)),
            DataViolation::MarkWithPayload { .. } => {
                (PlaceMessage::Fetch, Some(Field::PayloadLength))
            }
        };
        Place { message: Some(message), field }
    }
}

fn of_fetch(field: FetchField) -> Field {
    match field {
        FetchField::Group => Field::GroupId,
        FetchField::Subgroup => Field::SubgroupId,
        FetchField::Object => Field::ObjectId,
        FetchField::Priority => Field::PublisherPriority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_in_the_drafts() {
        assert_eq!(MessageKind::PublishNamespaceDone.to_string(), "PUBLISH_NAMESPACE_DONE");
        assert_eq!(Field::JoiningRequestId.to_string(), "Joining Request Id");
    }
}
