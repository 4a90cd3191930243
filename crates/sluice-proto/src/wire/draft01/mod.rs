//! Draft 01 as it is deployed: the bytes of moq-go-server and of the encoder and player pages of
//! 2023/24, where they differ from the draft's text.
//!
//! It is of another generation than the drafts beside it, so nothing of their tables serves it:
//! messages have no length around them, requests are known by the names in them, and every object
//! has a stream of its own, to whose end its payload runs. What it shares with them is in
//! [`DIALECT`]: capabilities that owners of a session ask for, and codes.
//!
//! [`NamedMessage`] is its control messages, [`NamedViolation`] what a peer can do wrong. Its data
//! streams are read and written with those of other drafts.
//!
//! Where the text and what is deployed disagree, what is deployed counts: type 0x00 is the object
//! without a length and 0x02 the one with it, SUBSCRIBE names its track by two strings, its
//! parameters have a count, ROLE says what its sender is and both sides send it.

mod fields;
mod location;
mod message;
mod name;
mod violation;

pub use location::Locations;
pub use message::{NamedKind, NamedMessage, Role};
pub use name::{joined_namespace, split_namespace};
pub use violation::{NamedFault, NamedViolation};

use super::codes::{self, CodePart, RequestCodes};
use super::dialect::{Dialect, Draft, Family};
use super::draft14;
use crate::model::{DoneCode, RequestCode, SessionCode};

/// The number of the draft in CLIENT_SETUP and SERVER_SETUP.
pub const VERSION: u64 = 0xff00_0001;

/// MOQT-01 §3.5.
const SESSION_CODES: CodePart<SessionCode> = &[
    (SessionCode::NoError, 0x0),
    (SessionCode::Internal, 0x1),
    (SessionCode::Unauthorized, 0x2),
    (SessionCode::ProtocolViolation, 0x3),
    (SessionCode::GoawayTimeout, 0x10),
];

/// The draft has no list of them; these are what the deployed relay sends, and two more.
const REQUEST_CODES: CodePart<RequestCode> = &[
    (RequestCode::Internal, 0x1),
    (RequestCode::ExcessiveLoad, 0x2),
    (RequestCode::DoesNotExist, 0x3),
    (RequestCode::Timeout, 0x4),
    (RequestCode::Unauthorized, 0x5),
];

/// Of SUBSCRIBE_RST, for which the draft has no list either.
const DONE_CODES: CodePart<DoneCode> =
    &[(DoneCode::Internal, 0x1), (DoneCode::Unauthorized, 0x5), (DoneCode::GoingAway, 0x10)];

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D01,
    // Nobody offers it by name: who offers nothing and opens with its SETUP speaks it.
    token: "",
    version: None,
    family: Family::Names,
    object_streams: true,
    session_codes: &[SESSION_CODES],
    request_codes: RequestCodes::Shared(&[REQUEST_CODES]),
    done_codes: &[DONE_CODES],
    reset_codes: &[codes::RESET],
    ..draft14::DIALECT
};
