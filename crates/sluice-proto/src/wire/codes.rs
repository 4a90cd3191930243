//! The numbers of the four code families, and what stands in where a draft has none.
//!
//! A table lists what a draft defines. A name without a number is replaced by the nearest name
//! that has one; a number without a name becomes `Internal`, which MOQT-18 §15.10 demands and
//! earlier drafts do not forbid.

use super::Dialect;
use crate::model::{DoneCode, RequestCode, RequestKind, ResetCode, SessionCode};

/// Names and numbers of one family, in parts of which drafts share some.
pub(crate) type Codes<T> = &'static [CodePart<T>];
pub(crate) type CodePart<T> = &'static [(T, u64)];

fn number<T: PartialEq>(codes: Codes<T>, code: T) -> Option<u64> {
    let mut rows = codes.iter().flat_map(|part| part.iter());
    rows.find(|(name, _)| *name == code).map(|&(_, number)| number)
}

fn name<T: Copy>(codes: Codes<T>, number: u64) -> Option<T> {
    let mut rows = codes.iter().flat_map(|part| part.iter());
    rows.find(|&&(_, row)| row == number).map(|&(name, _)| name)
}

/// Session codes that every draft has.
pub(crate) const SESSION: CodePart<SessionCode> = &[
    (SessionCode::NoError, 0x0),
    (SessionCode::Internal, 0x1),
    (SessionCode::Unauthorized, 0x2),
    (SessionCode::ProtocolViolation, 0x3),
    (SessionCode::InvalidRequestId, 0x4),
    (SessionCode::DuplicateTrackAlias, 0x5),
    (SessionCode::KeyValueFormatting, 0x6),
    (SessionCode::InvalidPath, 0x8),
    (SessionCode::MalformedPath, 0x9),
    (SessionCode::GoawayTimeout, 0x10),
    (SessionCode::ControlMessageTimeout, 0x11),
    (SessionCode::DataStreamTimeout, 0x12),
    (SessionCode::AuthTokenCacheOverflow, 0x13),
    (SessionCode::DuplicateAuthTokenAlias, 0x14),
    (SessionCode::MalformedAuthToken, 0x16),
    (SessionCode::UnknownAuthTokenAlias, 0x17),
    (SessionCode::ExpiredAuthToken, 0x18),
    (SessionCode::InvalidAuthority, 0x19),
    (SessionCode::MalformedAuthority, 0x1A),
];

/// Ends of a subscription with one number in every draft.
pub(crate) const DONE: CodePart<DoneCode> = &[
    (DoneCode::Internal, 0x0),
    (DoneCode::Unauthorized, 0x1),
    (DoneCode::TrackEnded, 0x2),
    (DoneCode::GoingAway, 0x4),
];

/// Resets with one number in every draft.
pub(crate) const RESET: CodePart<ResetCode> = &[
    (ResetCode::Internal, 0x0),
    (ResetCode::Cancelled, 0x1),
    (ResetCode::DeliveryTimeout, 0x2),
    (ResetCode::SessionClosed, 0x3),
];

/// How a draft numbers the refusals of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestCodes {
    /// A space for each kind of request.
    PerRequest,
    /// One space.
    Shared(Codes<RequestCode>),
}

/// Refusals with one number in every draft and for every request.
pub(crate) const REFUSED: CodePart<RequestCode> = &[
    (RequestCode::Internal, 0x0),
    (RequestCode::Unauthorized, 0x1),
    (RequestCode::Timeout, 0x2),
    (RequestCode::NotSupported, 0x3),
];

/// Refusals with one number in every draft that has one space for them.
pub(crate) const SHARED: CodePart<RequestCode> = &[
    (RequestCode::MalformedAuthToken, 0x4),
    (RequestCode::ExpiredAuthToken, 0x5),
    (RequestCode::DoesNotExist, 0x10),
    (RequestCode::InvalidRange, 0x11),
    (RequestCode::MalformedTrack, 0x12),
    (RequestCode::Uninterested, 0x20),
    (RequestCode::PrefixOverlap, 0x30),
];

/// SUBSCRIBE_ERROR and TRACK_STATUS_ERROR of a draft with a space for each.
const OF_SUBSCRIBE: Codes<RequestCode> = &[
    REFUSED,
    &[
        (RequestCode::DoesNotExist, 0x4),
        (RequestCode::InvalidRange, 0x5),
        (RequestCode::MalformedAuthToken, 0x10),
        (RequestCode::ExpiredAuthToken, 0x12),
    ],
];

/// PUBLISH_ERROR.
const OF_PUBLISH: Codes<RequestCode> = &[REFUSED, &[(RequestCode::Uninterested, 0x4)]];

/// FETCH_ERROR.
const OF_FETCH: Codes<RequestCode> = &[
    REFUSED,
    &[
        (RequestCode::DoesNotExist, 0x4),
        (RequestCode::InvalidRange, 0x5),
        (RequestCode::NoObjects, 0x6),
        (RequestCode::InvalidJoiningRequestId, 0x7),
        (RequestCode::UnknownStatusInRange, 0x8),
        (RequestCode::MalformedTrack, 0x9),
        (RequestCode::MalformedAuthToken, 0x10),
        (RequestCode::ExpiredAuthToken, 0x12),
    ],
];

/// PUBLISH_NAMESPACE_ERROR and PUBLISH_NAMESPACE_CANCEL.
const OF_PUBLISH_NAMESPACE: Codes<RequestCode> = &[
    REFUSED,
    &[
        (RequestCode::Uninterested, 0x4),
        (RequestCode::MalformedAuthToken, 0x10),
        (RequestCode::ExpiredAuthToken, 0x12),
    ],
];

/// SUBSCRIBE_NAMESPACE_ERROR. 0x4 is its NAMESPACE_PREFIX_UNKNOWN.
const OF_SUBSCRIBE_NAMESPACE: Codes<RequestCode> = &[
    REFUSED,
    &[
        (RequestCode::DoesNotExist, 0x4),
        (RequestCode::PrefixOverlap, 0x5),
        (RequestCode::MalformedAuthToken, 0x10),
        (RequestCode::ExpiredAuthToken, 0x12),
    ],
];

impl RequestCodes {
    fn table(self, kind: RequestKind) -> Codes<RequestCode> {
        match (self, kind) {
            (RequestCodes::Shared(table), _) => table,
            (_, RequestKind::Subscribe | RequestKind::TrackStatus) => OF_SUBSCRIBE,
            (_, RequestKind::Publish) => OF_PUBLISH,
            (_, RequestKind::Fetch) => OF_FETCH,
            (_, RequestKind::PublishNamespace) => OF_PUBLISH_NAMESPACE,
            (_, RequestKind::SubscribeNamespace) => OF_SUBSCRIBE_NAMESPACE,
        }
    }
}

/// The code that says nearly the same in a draft or message that lacks `code`.
fn instead_of_request(code: RequestCode, kind: RequestKind) -> RequestCode {
    use RequestCode::*;
    let offers = matches!(kind, RequestKind::Publish | RequestKind::PublishNamespace);
    match code {
        UnsupportedExtension | ConflictingFilters => NotSupported,
        Redirect => DoesNotExist,
        DoesNotExist if offers => Uninterested,
        Uninterested if !offers => DoesNotExist,
        InvalidFilter | NoObjects | InvalidJoiningRequestId | UnknownStatusInRange => InvalidRange,
        MalformedAuthToken | ExpiredAuthToken => Unauthorized,
        _ => Internal,
    }
}

fn instead_of_done(code: DoneCode) -> Option<DoneCode> {
    match code {
        // MOQT-20: a subscription stays open past the end of its filter. Any code would be a lie.
        DoneCode::SubscriptionEnded => None,
        DoneCode::ExcessiveLoad => Some(DoneCode::TooFarBehind),
        _ => Some(DoneCode::Internal),
    }
}

fn instead_of_reset(code: ResetCode) -> ResetCode {
    match code {
        ResetCode::GoingAway | ResetCode::TooFarBehind | ResetCode::ExpiredAuthToken => {
            ResetCode::Cancelled
        }
        _ => ResetCode::Internal,
    }
}

impl Dialect {
    /// The number of a session code.
    pub fn session_code(&self, code: SessionCode) -> u64 {
        number(self.session_codes, code)
            // What a draft has no number for, it counts among its violations.
            .unwrap_or_else(|| self.session_code(SessionCode::ProtocolViolation))
    }

    /// The session code of a number, if the draft has one.
    pub fn session_code_of(&self, number: u64) -> Option<SessionCode> {
        name(self.session_codes, number)
    }

    /// The number that refuses a request of this kind.
    pub fn request_code(&self, code: RequestCode, kind: RequestKind) -> u64 {
        let table = self.request_codes.table(kind);
        number(table, code)
            .unwrap_or_else(|| self.request_code(instead_of_request(code, kind), kind))
    }

    /// Whether a fetch that finds nothing is refused; else it is answered with nothing.
    pub fn refuses_empty_fetches(&self) -> bool {
        let table = self.request_codes.table(RequestKind::Fetch);
        number(table, RequestCode::NoObjects).is_some()
    }

    /// What a refusal of a request of this kind means.
    pub fn request_code_of(&self, number: u64, kind: RequestKind) -> RequestCode {
        name(self.request_codes.table(kind), number).unwrap_or(RequestCode::Internal)
    }

    /// The number of the end of a subscription, or `None` if the draft does not end one for it.
    pub fn done_code(&self, code: DoneCode) -> Option<u64> {
        number(self.done_codes, code)
            .or_else(|| instead_of_done(code).and_then(|code| self.done_code(code)))
    }

    /// What the end of a subscription means.
    pub fn done_code_of(&self, number: u64) -> DoneCode {
        name(self.done_codes, number).unwrap_or(DoneCode::Internal)
    }

    /// The number of a reset, and of a STOP_SENDING.
    pub fn reset_code(&self, code: ResetCode) -> u64 {
        number(self.reset_codes, code).unwrap_or_else(|| self.reset_code(instead_of_reset(code)))
    }

    /// What a reset or STOP_SENDING means.
    pub fn reset_code_of(&self, number: u64) -> ResetCode {
        name(self.reset_codes, number).unwrap_or(ResetCode::Internal)
    }
}
