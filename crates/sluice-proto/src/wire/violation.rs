//! What a peer can do wrong: one variant per rule, holding numbers and names, never a text.
//!
//! [`Violation::reach`] says how far the damage goes, [`Violation::session_code`] and
//! [`Violation::request_code`] what it costs, [`Violation::section`] where the rule stands. The
//! resolved table is `tests/snapshots/violations.txt`.

use super::data::DataViolation;
use super::{MessageKind, NamedViolation};
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
    MessageType,
    MessageLength,
    Versions,
    OptionType,
    OptionValue,
    Parameters,
    ParameterType,
    ParameterLength,
    ParameterValue,
    Properties,
    RequestId,
    RequiredRequestId,
    ExistingRequestId,
    JoiningRequestId,
    JoiningStart,
    TrackAlias,
    Namespace,
    TrackName,
    Location,
    EndGroup,
    EndOfTrack,
    ContentExists,
    Expires,
    Forward,
    SubscriberPriority,
    PublisherPriority,
    GroupOrder,
    DynamicGroups,
    DeliveryTimeout,
    IncludeProperties,
    SubscribeOptions,
    FilterType,
    FetchType,
    ErrorCode,
    RetryInterval,
    Reason,
    RedirectUri,
    StatusCode,
    StreamCount,
    Uri,
    Timeout,
    StreamType,
    DatagramType,
    GroupId,
    SubgroupId,
    ObjectId,
    ObjectStatus,
    PayloadLength,
    SerializationFlags,
    Role,
    TrackId,
}

/// What is wrong with a range filter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RangeFilterFault {
    /// The value ends inside a field, or an integer is not valid.
    Truncated,
    /// A start or an end lies beyond the largest number.
    Overflow,
    /// A priority above 255.
    Priority,
    /// A property type that is odd: its values are no integers.
    OddProperty,
    /// A set without any range.
    Empty,
    /// The same type, set and property twice.
    Repeated,
}

/// A rule that a peer broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Violation {
    // Frames and fields.
    /// A message type that the draft does not have.
    #[error("unknown message type {code:#x}")]
    UnknownMessage {
        /// The type.
        code: u64,
    },
    /// A message on a kind of stream where it has no place.
    #[error("{message:?} does not belong on this stream")]
    MisplacedMessage {
        /// The message.
        message: MessageKind,
    },
    /// An integer in a form that the draft forbids.
    #[error("{field:?}{} starts with {first:#04x}, which no integer may", of(*message))]
    InvalidInteger {
        /// The message; `None` in a header that is not read yet.
        message: Option<MessageKind>,
        /// The field.
        field: Field,
        /// The first byte.
        first: u8,
    },
    /// The body ends inside a field.
    #[error("{message:?} ends inside {field:?}")]
    Truncated {
        /// The message.
        message: MessageKind,
        /// The field.
        field: Field,
    },
    /// The body goes on after its last field.
    #[error("{message:?} goes on for {bytes} bytes after its last field")]
    TrailingBytes {
        /// The message.
        message: MessageKind,
        /// How many.
        bytes: usize,
    },
    /// A field with a value that has no meaning.
    #[error("{field:?} of {message:?} cannot be {value}")]
    InvalidValue {
        /// The message.
        message: MessageKind,
        /// The field.
        field: Field,
        /// The value.
        value: u64,
    },
    /// A text longer than the draft allows.
    #[error("{field:?} of {message:?} is {bytes} bytes")]
    TextTooLong {
        /// The message.
        message: MessageKind,
        /// Reason or uri.
        field: Field,
        /// Its length.
        bytes: u64,
    },

    // Names.
    /// A namespace with more or fewer fields than the draft allows here.
    #[error("a namespace of {fields} fields in {message:?}")]
    NamespaceFields {
        /// The message.
        message: MessageKind,
        /// How many.
        fields: u64,
    },
    /// A namespace field without bytes.
    #[error("an empty namespace field in {message:?}")]
    EmptyNamespaceField {
        /// The message.
        message: MessageKind,
    },
    /// More bytes of names than allowed.
    #[error("names of {bytes} bytes in {message:?}")]
    NameTooLong {
        /// The message.
        message: MessageKind,
        /// Namespace and name together.
        bytes: u64,
    },

    // Key-value pairs and parameters.
    /// A value longer than 65,535 bytes.
    #[error("the value of type {code:#x} in {message:?} is {bytes} bytes")]
    PairTooLong {
        /// The message.
        message: MessageKind,
        /// The type.
        code: u64,
        /// The announced length.
        bytes: u64,
    },
    /// Type deltas that add up beyond the largest number.
    #[error("types of {message:?} overflow")]
    PairTypeOverflow {
        /// The message.
        message: MessageKind,
    },
    /// A parameter that the draft does not have.
    #[error("unknown parameter {code:#x} in {message:?}")]
    UnknownParameter {
        /// The message.
        message: MessageKind,
        /// The type.
        code: u64,
    },
    /// A parameter in a message it is not defined for.
    #[error("parameter {code:#x} does not belong into {message:?}")]
    MisplacedParameter {
        /// The message.
        message: MessageKind,
        /// The type.
        code: u64,
    },
    /// A parameter or setup option twice.
    #[error("parameter {code:#x} twice in {message:?}")]
    RepeatedParameter {
        /// The message.
        message: MessageKind,
        /// The type.
        code: u64,
    },
    /// A value that does not have the form of its type.
    #[error("the value of parameter {code:#x} in {message:?} is not well formed")]
    ParameterFormat {
        /// The message.
        message: MessageKind,
        /// The type.
        code: u64,
    },
    /// A location filter with more or fewer fields than it may have.
    #[error("the location filter in {message:?} is not well formed")]
    FilterFormat {
        /// The message.
        message: MessageKind,
    },
    /// An end group beyond the largest number.
    #[error("the end group {start} + {delta} in {message:?} overflows")]
    FilterOverflow {
        /// The message.
        message: MessageKind,
        /// The start group.
        start: u64,
        /// The delta.
        delta: u64,
    },
    /// A range filter that makes no sense. Costs the request only.
    #[error("range filter {code:#x} in {message:?}: {fault:?}")]
    RangeFilter {
        /// The message.
        message: MessageKind,
        /// The parameter's type.
        code: u64,
        /// What is wrong.
        fault: RangeFilterFault,
    },
    /// More ranges than we announced to accept. Costs the request only.
    #[error("{ranges} ranges in filters, {max} are accepted")]
    TooManyRanges {
        /// How many.
        ranges: u64,
        /// The limit announced.
        max: u64,
    },
    /// Properties that are no properties.
    #[error("properties of {message:?}: {error}")]
    Properties {
        /// The message.
        message: MessageKind,
        /// What is wrong.
        error: PropertyError,
    },
    /// A track property with a value that has no meaning.
    #[error("track property {code:#x} in {message:?} cannot be {value}")]
    TrackPropertyValue {
        /// The message.
        message: MessageKind,
        /// The property's type.
        code: u64,
        /// The value.
        value: u64,
    },
    /// Track properties in an answer that may not have them.
    #[error("track properties in {message:?}, which answers no track status")]
    UnexpectedProperties {
        /// The message.
        message: MessageKind,
    },

    // Setup.
    /// No version in CLIENT_SETUP that we speak.
    #[error("no version in common")]
    NoCommonVersion,
    /// SERVER_SETUP chose a version that was not offered.
    #[error("version {version:#x} was not offered")]
    UnknownVersion {
        /// The version.
        version: u64,
    },
    /// A message other than the setup came first, or a setup came twice.
    #[error("{message:?} has no place at this point of the setup")]
    SetupOrder {
        /// The message.
        message: MessageKind,
    },
    /// PATH from a server, or over a transport that says it in another way.
    #[error("PATH is not allowed here")]
    UnexpectedPath,
    /// PATH is no path.
    #[error("PATH is malformed")]
    MalformedPath,
    /// AUTHORITY from a server, or over a transport that says it in another way.
    #[error("AUTHORITY is not allowed here")]
    UnexpectedAuthority,
    /// AUTHORITY is no authority.
    #[error("AUTHORITY is malformed")]
    MalformedAuthority,
    /// A token in SETUP that refers to an alias.
    #[error("a token in SETUP cannot refer to an alias")]
    SetupTokenAlias,

    // Tokens.
    /// A token that cannot be read.
    #[error("the token in {message:?} is not well formed")]
    TokenFormat {
        /// The message.
        message: MessageKind,
    },
    /// A token alias that is in use.
    #[error("token alias {alias} is in use")]
    DuplicateTokenAlias {
        /// The alias.
        alias: u64,
    },
    /// A token alias that was never registered.
    #[error("token alias {alias} is not known")]
    UnknownTokenAlias {
        /// The alias.
        alias: u64,
    },
    /// More tokens registered than we announced to keep.
    #[error("registered tokens take {bytes} bytes, {max} are kept")]
    TokenCacheOverflow {
        /// Bytes with the new one.
        bytes: u64,
        /// The limit announced.
        max: u64,
    },

    // Requests.
    /// A request id of the wrong parity.
    #[error("request id {id} is not of the sender's parity")]
    RequestIdParity {
        /// The id.
        id: u64,
    },
    /// A request id that is not the next one.
    #[error("request id {id}, {expected} was expected")]
    RequestIdOrder {
        /// The id.
        id: u64,
        /// What had to come.
        expected: u64,
    },
    /// A request id for the second time.
    #[error("request id {id} for the second time")]
    RequestIdRepeated {
        /// The id.
        id: u64,
    },
    /// A request beyond the limit that we announced.
    #[error("request id {id} is beyond the limit {limit}")]
    TooManyRequests {
        /// The id.
        id: u64,
        /// One more than the largest allowed.
        limit: u64,
    },
    /// MAX_REQUEST_ID that does not raise the limit.
    #[error("MAX_REQUEST_ID {limit} does not raise {before}")]
    RequestLimitNotRaised {
        /// The new limit.
        limit: u64,
        /// The one before.
        before: u64,
    },
    /// A message about a request that does not exist or is of another kind.
    #[error("{message:?} concerns request {id}, which cannot have it")]
    UnsuitableRequest {
        /// The message.
        message: MessageKind,
        /// The request.
        id: u64,
    },
    /// A response to something that awaits none, or of a kind that does not fit.
    #[error("nothing awaits {message:?} for request {id}")]
    UnexpectedResponse {
        /// The message.
        message: MessageKind,
        /// The request.
        id: u64,
    },
    /// An update that widens a subscription where it may not: draft 14 forbids it at both ends, draft 15
    /// at the start.
    #[error("an update widens subscription {id}")]
    UpdateWidens {
        /// The subscription.
        id: u64,
    },
    /// More updates without answer than we announced to accept.
    #[error("{count} updates of request {id} without an answer, {max} are accepted")]
    TooManyUpdates {
        /// The request.
        id: u64,
        /// How many.
        count: u64,
        /// The limit announced.
        max: u64,
    },
    /// NAMESPACE_DONE without NAMESPACE.
    #[error("NAMESPACE_DONE for a namespace that was not announced on request {id}")]
    NamespaceDoneFirst {
        /// The namespace subscription.
        id: u64,
    },
    /// A request that needs one before the first.
    #[error("request {id} needs the request {delta} before it, and there are not so many")]
    RequiredRequestId {
        /// The request.
        id: u64,
        /// How many requests before it the other one was.
        delta: u64,
    },
    /// A joining fetch of a subscription that it may not join. Costs the session up to draft 17.
    #[error("a fetch cannot join request {id} in its state")]
    Joining {
        /// The subscription.
        id: u64,
    },
    /// FETCH_OK whose end lies before the start that was asked for.
    #[error("FETCH_OK of request {id} ends before its start")]
    FetchEndBeforeStart {
        /// The fetch.
        id: u64,
    },
    /// A track alias that already names another track.
    #[error("track alias {alias} already names another track")]
    DuplicateTrackAlias {
        /// The alias.
        alias: u64,
    },
    /// A redirect that the request cannot have: a uri from a client, or a track name for a
    /// namespace.
    #[error("{field:?} is not allowed in this redirect")]
    Redirect {
        /// The field.
        field: Field,
    },

    // The session.
    /// A second GOAWAY on a stream.
    #[error("a second GOAWAY")]
    SecondGoaway,
    /// GOAWAY with a uri from a client.
    #[error("GOAWAY from a client cannot name a uri")]
    GoawayUri,
    /// GOAWAY with a request id that is none of the receiver's.
    #[error("GOAWAY names request {id}, which is not of the receiver's parity")]
    GoawayRequestId {
        /// The id.
        id: u64,
    },
    /// The control stream ended or was reset.
    #[error("the control stream was closed")]
    ControlStreamClosed,
    /// A second control stream.
    #[error("a second control stream")]
    SecondControlStream,
    /// A bidirectional stream where the draft has none.
    #[error("a bidirectional stream, where there are none")]
    UnexpectedStream,
    /// A request's stream ended inside a message.
    #[error("the stream of request {id} ended inside a message")]
    MessageCut {
        /// The request.
        id: u64,
    },
    /// A message was not complete in time.
    #[error("a control message was not complete in time")]
    ControlMessageTimeout,
    /// A data stream's header was not complete in time.
    #[error("the header of a data stream was not complete in time")]
    DataStreamTimeout,

    /// A rule of the data plane.
    #[error(transparent)]
    Data(DataViolation),
    /// A rule of a draft whose requests are known by their names.
    #[error(transparent)]
    Named(NamedViolation),
}

impl From<NamedViolation> for Violation {
    fn from(violation: NamedViolation) -> Self {
        Violation::Named(violation)
    }
}

fn of(message: Option<MessageKind>) -> String {
    message.map_or_else(String::new, |message| format!(" of {message:?}"))
}

impl Violation {
    /// How far the damage goes.
    pub fn reach(&self) -> Reach {
        match self {
            Violation::RangeFilter { .. } | Violation::TooManyRanges { .. } => Reach::Request,
            Violation::UnknownMessage { .. }
            | Violation::MisplacedMessage { .. }
            | Violation::InvalidInteger { .. }
            | Violation::Truncated { .. }
            | Violation::TrailingBytes { .. }
            | Violation::InvalidValue { .. }
            | Violation::TextTooLong { .. }
            | Violation::NamespaceFields { .. }
            | Violation::EmptyNamespaceField { .. }
            | Violation::NameTooLong { .. }
            | Violation::PairTooLong { .. }
            | Violation::PairTypeOverflow { .. }
            | Violation::UnknownParameter { .. }
            | Violation::MisplacedParameter { .. }
            | Violation::RepeatedParameter { .. }
            | Violation::ParameterFormat { .. }
            | Violation::FilterFormat { .. }
            | Violation::FilterOverflow { .. }
            | Violation::Properties { .. }
            | Violation::TrackPropertyValue { .. }
            | Violation::UnexpectedProperties { .. }
            | Violation::NoCommonVersion
            | Violation::UnknownVersion { .. }
            | Violation::SetupOrder { .. }
            | Violation::UnexpectedPath
            | Violation::MalformedPath
            | Violation::UnexpectedAuthority
            | Violation::MalformedAuthority
            | Violation::SetupTokenAlias
            | Violation::TokenFormat { .. }
            | Violation::DuplicateTokenAlias { .. }
            | Violation::UnknownTokenAlias { .. }
            | Violation::TokenCacheOverflow { .. }
            | Violation::RequestIdParity { .. }
            | Violation::RequestIdOrder { .. }
            | Violation::RequestIdRepeated { .. }
            | Violation::TooManyRequests { .. }
            | Violation::RequestLimitNotRaised { .. }
            | Violation::UnsuitableRequest { .. }
            | Violation::UnexpectedResponse { .. }
            | Violation::UpdateWidens { .. }
            | Violation::TooManyUpdates { .. }
            | Violation::NamespaceDoneFirst { .. }
            | Violation::Joining { .. }
            | Violation::RequiredRequestId { .. }
            | Violation::FetchEndBeforeStart { .. }
            | Violation::DuplicateTrackAlias { .. }
            | Violation::Redirect { .. }
            | Violation::SecondGoaway
            | Violation::GoawayUri
            | Violation::GoawayRequestId { .. }
            | Violation::ControlStreamClosed
            | Violation::SecondControlStream
            | Violation::UnexpectedStream
            | Violation::MessageCut { .. }
            | Violation::ControlMessageTimeout
            | Violation::DataStreamTimeout => Reach::Session,
            Violation::Data(violation) => violation.reach(),
            Violation::Named(violation) => violation.reach(),
        }
    }

    /// Where the rule stands: in draft 18 unless only another one has it.
    pub fn section(&self) -> &'static str {
        match self {
            Violation::UnknownMessage { .. }
            | Violation::Truncated { .. }
            | Violation::TrailingBytes { .. }
            | Violation::InvalidValue { .. } => "MOQT-18 §10",
            Violation::MisplacedMessage { .. }
            | Violation::ControlStreamClosed
            | Violation::SecondControlStream
            | Violation::UnexpectedStream
            | Violation::MessageCut { .. } => "MOQT-18 §3.3",
            Violation::InvalidInteger { .. } => "MOQT-17 §1.4.1",
            Violation::TextTooLong { .. } => "MOQT-18 §1.4.4",
            Violation::NamespaceFields { .. }
            | Violation::EmptyNamespaceField { .. }
            | Violation::NameTooLong { .. } => "MOQT-18 §2.4.1",
            Violation::PairTooLong { .. }
            | Violation::PairTypeOverflow { .. }
            | Violation::ParameterFormat { .. }
            | Violation::Properties { .. } => "MOQT-18 §1.4.3",
            Violation::UnknownParameter { .. } | Violation::RepeatedParameter { .. } => {
                "MOQT-18 §10.2"
            }
            Violation::MisplacedParameter { .. } => "MOQT-18 §10.2.1",
            Violation::FilterFormat { .. } | Violation::FilterOverflow { .. } => "MOQT-18 §5.1.2",
            Violation::RangeFilter { .. } | Violation::TooManyRanges { .. } => "MOQT-19 §5.1.3",
            Violation::TrackPropertyValue { .. } => "MOQT-18 §12",
            Violation::UnexpectedProperties { .. } => "MOQT-18 §10.5",
            Violation::NoCommonVersion | Violation::UnknownVersion { .. } => "MOQT-14 §9.3",
            Violation::SetupOrder { .. } => "MOQT-18 §10.3",
            Violation::UnexpectedPath | Violation::MalformedPath => "MOQT-18 §10.3.1.2",
            Violation::UnexpectedAuthority | Violation::MalformedAuthority => "MOQT-18 §10.3.1",
            Violation::SetupTokenAlias => "MOQT-18 §10.3.1.4",
            Violation::TokenFormat { .. }
            | Violation::DuplicateTokenAlias { .. }
            | Violation::UnknownTokenAlias { .. }
            | Violation::TokenCacheOverflow { .. } => "MOQT-18 §10.2.2",
            Violation::RequestIdParity { .. }
            | Violation::RequestIdOrder { .. }
            | Violation::RequestIdRepeated { .. } => "MOQT-18 §10.1",
            Violation::RequiredRequestId { .. } => "MOQT-17 §9.2",
            Violation::TooManyRequests { .. } | Violation::RequestLimitNotRaised { .. } => {
                "MOQT-16 §9.5"
            }
            Violation::UnsuitableRequest { .. }
            | Violation::UpdateWidens { .. }
            | Violation::TooManyUpdates { .. } => "MOQT-18 §10.9",
            Violation::UnexpectedResponse { .. } => "MOQT-18 §10.5",
            Violation::NamespaceDoneFirst { .. } => "MOQT-18 §10.19",
            Violation::Joining { .. } => "MOQT-18 §10.12",
            Violation::FetchEndBeforeStart { .. } => "MOQT-18 §10.13",
            Violation::DuplicateTrackAlias { .. } => "MOQT-18 §11.1",
            Violation::Redirect { .. } => "MOQT-18 §10.6.2",
            Violation::SecondGoaway | Violation::GoawayUri | Violation::GoawayRequestId { .. } => {
                "MOQT-18 §10.4"
            }
            Violation::ControlMessageTimeout | Violation::DataStreamTimeout => "MOQT-18 §3.5",
            Violation::Data(violation) => violation.section(),
            Violation::Named(violation) => violation.section(),
        }
    }

    /// What the session is closed with, if it comes to that. [`Dialect::session_code`] has the
    /// number.
    ///
    /// [`Dialect::session_code`]: super::Dialect::session_code
    pub fn session_code(&self) -> SessionCode {
        match self {
            Violation::ParameterFormat { .. } | Violation::TokenFormat { .. } => {
                SessionCode::KeyValueFormatting
            }
            Violation::NoCommonVersion | Violation::UnknownVersion { .. } => {
                SessionCode::VersionNegotiationFailed
            }
            Violation::UnexpectedPath => SessionCode::InvalidPath,
            Violation::MalformedPath => SessionCode::MalformedPath,
            Violation::UnexpectedAuthority => SessionCode::InvalidAuthority,
            Violation::MalformedAuthority => SessionCode::MalformedAuthority,
            Violation::DuplicateTokenAlias { .. } => SessionCode::DuplicateAuthTokenAlias,
            Violation::UnknownTokenAlias { .. } => SessionCode::UnknownAuthTokenAlias,
            Violation::TokenCacheOverflow { .. } => SessionCode::AuthTokenCacheOverflow,
            Violation::RequestIdParity { .. }
            | Violation::RequestIdOrder { .. }
            | Violation::RequestIdRepeated { .. }
            | Violation::GoawayRequestId { .. } => SessionCode::InvalidRequestId,
            Violation::RequiredRequestId { .. } => SessionCode::InvalidRequiredRequestId,
            Violation::TooManyRequests { .. } => SessionCode::TooManyRequests,
            Violation::TooManyUpdates { .. } => SessionCode::TooManyRequestUpdates,
            Violation::DuplicateTrackAlias { .. } => SessionCode::DuplicateTrackAlias,
            Violation::ControlMessageTimeout => SessionCode::ControlMessageTimeout,
            Violation::DataStreamTimeout => SessionCode::DataStreamTimeout,
            _ => SessionCode::ProtocolViolation,
        }
    }

    /// What the request is refused with, where [`Violation::reach`] is [`Reach::Request`].
    pub fn request_code(&self) -> RequestCode {
        match self {
            Violation::RangeFilter { .. } | Violation::TooManyRanges { .. } => {
                RequestCode::InvalidFilter
            }
            _ => RequestCode::Internal,
        }
    }
}
