//! The four families of codes, as names. Numbers per draft live in `wire`.

/// Why a session is closed (MOQT-18 §3.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the drafts' own")]
pub enum SessionCode {
    NoError,
    Internal,
    Unauthorized,
    ProtocolViolation,
    InvalidRequestId,
    DuplicateTrackAlias,
    KeyValueFormatting,
    TooManyRequests,
    InvalidPath,
    MalformedPath,
    GoawayTimeout,
    ControlMessageTimeout,
    DataStreamTimeout,
    AuthTokenCacheOverflow,
    DuplicateAuthTokenAlias,
    VersionNegotiationFailed,
    MalformedAuthToken,
    UnknownAuthTokenAlias,
    ExpiredAuthToken,
    InvalidAuthority,
    MalformedAuthority,
    TooManyRequestUpdates,
    InvalidRequiredRequestId,
}

/// Why a request is refused. Unknown numbers from a peer become `Internal`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the drafts' own")]
pub enum RequestCode {
    Internal,
    Unauthorized,
    Timeout,
    NotSupported,
    MalformedAuthToken,
    ExpiredAuthToken,
    GoingAway,
    ExcessiveLoad,
    DoesNotExist,
    InvalidRange,
    /// A fetch whose range holds nothing: an error in the oldest draft, an empty answer since.
    NoObjects,
    MalformedTrack,
    UnknownStatusInRange,
    DuplicateSubscription,
    Uninterested,
    PrefixOverlap,
    NamespaceTooLarge,
    InvalidJoiningRequestId,
    UnsupportedExtension,
    Redirect,
    ConflictingFilters,
    InvalidFilter,
}

/// Why a subscription ended (PUBLISH_DONE). Unknown numbers become `Internal`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the drafts' own")]
pub enum DoneCode {
    Internal,
    Unauthorized,
    TrackEnded,
    /// The end of the filter was reached.
    SubscriptionEnded,
    GoingAway,
    Expired,
    TooFarBehind,
    MalformedTrack,
    UpdateFailed,
    ExcessiveLoad,
}

/// Why a stream is reset or stopped. Unknown numbers become `Internal`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the drafts' own")]
pub enum ResetCode {
    Internal,
    Cancelled,
    DeliveryTimeout,
    SessionClosed,
    UnknownObjectStatus,
    GoingAway,
    TooFarBehind,
    ExpiredAuthToken,
    ExcessiveLoad,
    MalformedTrack,
}

impl SessionCode {
    /// All of them.
    pub const ALL: [SessionCode; 23] = [
        SessionCode::NoError,
        SessionCode::Internal,
        SessionCode::Unauthorized,
        SessionCode::ProtocolViolation,
        SessionCode::InvalidRequestId,
        SessionCode::DuplicateTrackAlias,
        SessionCode::KeyValueFormatting,
        SessionCode::TooManyRequests,
        SessionCode::InvalidPath,
        SessionCode::MalformedPath,
        SessionCode::GoawayTimeout,
        SessionCode::ControlMessageTimeout,
        SessionCode::DataStreamTimeout,
        SessionCode::AuthTokenCacheOverflow,
        SessionCode::DuplicateAuthTokenAlias,
        SessionCode::VersionNegotiationFailed,
        SessionCode::MalformedAuthToken,
        SessionCode::UnknownAuthTokenAlias,
        SessionCode::ExpiredAuthToken,
        SessionCode::InvalidAuthority,
        SessionCode::MalformedAuthority,
        SessionCode::TooManyRequestUpdates,
        SessionCode::InvalidRequiredRequestId,
    ];
}

impl RequestCode {
    /// All of them.
    pub const ALL: [RequestCode; 22] = [
        RequestCode::Internal,
        RequestCode::Unauthorized,
        RequestCode::Timeout,
        RequestCode::NotSupported,
        RequestCode::MalformedAuthToken,
        RequestCode::ExpiredAuthToken,
        RequestCode::GoingAway,
        RequestCode::ExcessiveLoad,
        RequestCode::DoesNotExist,
        RequestCode::InvalidRange,
        RequestCode::NoObjects,
        RequestCode::MalformedTrack,
        RequestCode::UnknownStatusInRange,
        RequestCode::DuplicateSubscription,
        RequestCode::Uninterested,
        RequestCode::PrefixOverlap,
        RequestCode::NamespaceTooLarge,
        RequestCode::InvalidJoiningRequestId,
        RequestCode::UnsupportedExtension,
        RequestCode::Redirect,
        RequestCode::ConflictingFilters,
        RequestCode::InvalidFilter,
    ];
}

impl DoneCode {
    /// All of them.
    pub const ALL: [DoneCode; 10] = [
        DoneCode::Internal,
        DoneCode::Unauthorized,
        DoneCode::TrackEnded,
        DoneCode::SubscriptionEnded,
        DoneCode::GoingAway,
        DoneCode::Expired,
        DoneCode::TooFarBehind,
        DoneCode::MalformedTrack,
        DoneCode::UpdateFailed,
        DoneCode::ExcessiveLoad,
    ];
}

impl ResetCode {
    /// All of them.
    pub const ALL: [ResetCode; 10] = [
        ResetCode::Internal,
        ResetCode::Cancelled,
        ResetCode::DeliveryTimeout,
        ResetCode::SessionClosed,
        ResetCode::UnknownObjectStatus,
        ResetCode::GoingAway,
        ResetCode::TooFarBehind,
        ResetCode::ExpiredAuthToken,
        ResetCode::ExcessiveLoad,
        ResetCode::MalformedTrack,
    ];
}
