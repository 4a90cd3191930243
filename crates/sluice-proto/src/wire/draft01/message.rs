//! Control messages (MOQT-01 §6). They stand back to back on one bidirectional stream, with no
//! length around them: whether one is complete only reading it tells.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::fields::{Fields, Reading, put_int, put_text, settle};
use super::{Locations, NamedViolation};
use super::{joined_namespace, split_namespace};
use crate::model::{FullTrackName, TrackName, TrackNamespace};
use crate::wire::data::{TO_END, WITH_LENGTH};
use crate::wire::varint::Integers;
use crate::wire::{Field, Inexpressible};

/// Versions that CLIENT_SETUP may list.
const VERSIONS_MAX: u64 = 10;
/// Parameters of a message.
const PARAMETERS_MAX: u64 = 256;

/// Types of messages.
mod code {
    pub(super) const SUBSCRIBE: u64 = 0x03;
    pub(super) const SUBSCRIBE_OK: u64 = 0x04;
    pub(super) const SUBSCRIBE_ERROR: u64 = 0x05;
    pub(super) const ANNOUNCE: u64 = 0x06;
    pub(super) const ANNOUNCE_OK: u64 = 0x07;
    pub(super) const ANNOUNCE_ERROR: u64 = 0x08;
    pub(super) const UNANNOUNCE: u64 = 0x09;
    pub(super) const UNSUBSCRIBE: u64 = 0x0A;
    pub(super) const SUBSCRIBE_FIN: u64 = 0x0B;
    pub(super) const SUBSCRIBE_RST: u64 = 0x0C;
    pub(super) const GOAWAY: u64 = 0x10;
    pub(super) const CLIENT_SETUP: u64 = 0x40;
    pub(super) const SERVER_SETUP: u64 = 0x41;
}

/// Types of parameters. One space for all messages, as both deployed programs read them.
mod parameter {
    pub(super) const ROLE: u64 = 0x00;
    pub(super) const AUTHORIZATION: u64 = 0x02;
    /// MOQT_IMPLEMENTATION of drafts from 15 on. What does not know it skips it.
    pub(super) const IMPLEMENTATION: u64 = 0x07;
}

/// What a peer is, by its own word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// It announces namespaces, answers SUBSCRIBE and sends objects.
    Publisher,
    /// It sends SUBSCRIBE and takes objects.
    Subscriber,
    /// It does all of that. Deployed: a relay that pulls from another one.
    Both,
}

impl Role {
    /// What the other side of a session with this peer has to be.
    pub fn mirrored(self) -> Role {
        match self {
            Role::Publisher => Role::Subscriber,
            Role::Subscriber => Role::Publisher,
            Role::Both => Role::Both,
        }
    }

    /// Whether it publishes.
    pub fn publishes(self) -> bool {
        self != Role::Subscriber
    }

    /// Whether it subscribes.
    pub fn subscribes(self) -> bool {
        self != Role::Publisher
    }

    fn number(self) -> u64 {
        match self {
            Role::Publisher => 1,
            Role::Subscriber => 2,
            Role::Both => 3,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// The messages by name, for logs and violations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the draft's own")]
pub enum NamedKind {
    ClientSetup,
    ServerSetup,
    Announce,
    AnnounceOk,
    AnnounceError,
    Unannounce,
    Subscribe,
    SubscribeOk,
    SubscribeError,
    Unsubscribe,
    SubscribeFin,
    SubscribeRst,
    Goaway,
}

impl NamedKind {
    /// Where the draft has it.
    pub(super) fn section(self) -> &'static str {
        match self {
            NamedKind::ClientSetup | NamedKind::ServerSetup => "MOQT-01 §6.2",
            NamedKind::Subscribe => "MOQT-01 §6.4",
            NamedKind::SubscribeOk => "MOQT-01 §6.5",
            NamedKind::SubscribeError => "MOQT-01 §6.6",
            NamedKind::Unsubscribe => "MOQT-01 §6.7",
            NamedKind::SubscribeFin => "MOQT-01 §6.8",
            NamedKind::SubscribeRst => "MOQT-01 §6.9",
            NamedKind::Announce => "MOQT-01 §6.10",
            NamedKind::AnnounceOk => "MOQT-01 §6.11",
            NamedKind::AnnounceError => "MOQT-01 §6.12",
            NamedKind::Unannounce => "MOQT-01 §6.13",
            NamedKind::Goaway => "MOQT-01 §6.14",
        }
    }
}

/// A control message. Names are those of later drafts; see [`split_namespace`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamedMessage {
    /// CLIENT_SETUP.
    ClientSetup {
        /// Versions that the client speaks.
        versions: Vec<u64>,
        /// What the client is.
        role: Option<Role>,
        /// The program that it is. Deployed ones say and read nothing of it.
        implementation: Option<String>,
    },
    /// SERVER_SETUP.
    ServerSetup {
        /// The chosen version.
        version: u64,
        /// What the server is.
        role: Option<Role>,
        /// The program that it is, to a client that told its own.
        implementation: Option<String>,
    },
    /// ANNOUNCE.
    Announce {
        /// What its sender has tracks of.
        namespace: TrackNamespace,
        /// AUTHORIZATION INFO.
        authorization: Option<Bytes>,
    },
    /// ANNOUNCE_OK.
    AnnounceOk {
        /// The namespace of ANNOUNCE.
        namespace: TrackNamespace,
    },
    /// ANNOUNCE_ERROR.
    AnnounceError {
        /// The namespace of ANNOUNCE; the deployed relay leaves it empty.
        namespace: TrackNamespace,
        /// Why; the draft has no list.
        code: u64,
        /// For people.
        reason: String,
    },
    /// UNANNOUNCE.
    Unannounce {
        /// The namespace of ANNOUNCE.
        namespace: TrackNamespace,
    },
    /// SUBSCRIBE.
    Subscribe {
        /// The track.
        track: FullTrackName,
        /// Which of its objects.
        locations: Locations,
        /// AUTHORIZATION INFO.
        authorization: Option<Bytes>,
    },
    /// SUBSCRIBE_OK.
    SubscribeOk {
        /// The track.
        track: FullTrackName,
        /// The number that stands for it on data streams of this session.
        track_id: u64,
        /// Milliseconds after which the subscription ends; 0 for never.
        expires: u64,
    },
    /// SUBSCRIBE_ERROR.
    SubscribeError {
        /// The track.
        track: FullTrackName,
        /// Why; the draft has no list.
        code: u64,
        /// For people.
        reason: String,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// The track.
        track: FullTrackName,
    },
    /// SUBSCRIBE_FIN: everything was sent.
    SubscribeFin {
        /// The track.
        track: FullTrackName,
        /// Group and object of the last object.
        last: (u64, u64),
    },
    /// SUBSCRIBE_RST: the publisher gave up.
    SubscribeRst {
        /// The track.
        track: FullTrackName,
        /// Why; the draft has no list.
        code: u64,
        /// For people.
        reason: String,
        /// Group and object of the last object.
        last: (u64, u64),
    },
    /// GOAWAY.
    Goaway {
        /// Where to; empty for the same address.
        uri: String,
    },
}

/// What of a message's parameters anybody uses. The last of several of a type counts.
#[derive(Default)]
struct Parameters {
    role: Option<Role>,
    implementation: Option<String>,
    authorization: Option<Bytes>,
}

impl NamedMessage {
    /// Whether a control stream that begins so is of this draft, or of another one whose messages
    /// have the same form. `None` if more bytes are needed.
    pub fn begins(bytes: &[u8]) -> Option<bool> {
        let kind = Integers::Quic.read(bytes).ok().flatten();
        kind.map(|(kind, _)| kind == code::CLIENT_SETUP)
    }

    /// Reads a message from the start of `bytes`: the message and its length. `None` if more are
    /// needed.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, NamedViolation> {
        settle(Self::read(&mut Fields::new(bytes)))
    }

    fn read(fields: &mut Fields<'_>) -> Reading<(Self, usize)> {
        use NamedKind as Kind;
        let message = match fields.int()? {
            code::CLIENT_SETUP => Self::read_client_setup(fields)?,
            code::SERVER_SETUP => {
                let version = fields.int()?;
                let Parameters { role, implementation, .. } =
                    read_parameters(fields, Kind::ServerSetup)?;
                NamedMessage::ServerSetup { version, role, implementation }
            }
            code::ANNOUNCE => {
                let namespace = read_namespace(fields, Kind::Announce)?;
                let authorization = read_parameters(fields, Kind::Announce)?.authorization;
                NamedMessage::Announce { namespace, authorization }
            }
            code::ANNOUNCE_OK => {
                NamedMessage::AnnounceOk { namespace: read_namespace(fields, Kind::AnnounceOk)? }
            }
            code::ANNOUNCE_ERROR => NamedMessage::AnnounceError {
                namespace: read_namespace(fields, Kind::AnnounceError)?,
                code: fields.int()?,
                reason: fields.reason(Kind::AnnounceError, Field::Reason)?,
            },
            code::UNANNOUNCE => {
                NamedMessage::Unannounce { namespace: read_namespace(fields, Kind::Unannounce)? }
            }
            code::SUBSCRIBE => {
                let track = read_track(fields, Kind::Subscribe)?;
                let locations = Locations::read(fields)?;
                let authorization = read_parameters(fields, Kind::Subscribe)?.authorization;
                NamedMessage::Subscribe { track, locations, authorization }
            }
            code::SUBSCRIBE_OK => NamedMessage::SubscribeOk {
                track: read_track(fields, Kind::SubscribeOk)?,
                track_id: fields.int()?,
                expires: fields.int()?,
            },
            code::SUBSCRIBE_ERROR => NamedMessage::SubscribeError {
                track: read_track(fields, Kind::SubscribeError)?,
                code: fields.int()?,
                reason: fields.reason(Kind::SubscribeError, Field::Reason)?,
            },
            code::UNSUBSCRIBE => {
                NamedMessage::Unsubscribe { track: read_track(fields, Kind::Unsubscribe)? }
            }
            code::SUBSCRIBE_FIN => NamedMessage::SubscribeFin {
                track: read_track(fields, Kind::SubscribeFin)?,
                last: (fields.int()?, fields.int()?),
            },
            code::SUBSCRIBE_RST => NamedMessage::SubscribeRst {
                track: read_track(fields, Kind::SubscribeRst)?,
                code: fields.int()?,
                reason: fields.reason(Kind::SubscribeRst, Field::Reason)?,
                last: (fields.int()?, fields.int()?),
            },
            code::GOAWAY => NamedMessage::Goaway { uri: fields.reason(Kind::Goaway, Field::Uri)? },
            TO_END | WITH_LENGTH => return Err(NamedViolation::ObjectOnControl.into()),
            code => return Err(NamedViolation::UnknownMessage { code }.into()),
        };
        Ok((message, fields.read()))
    }

    fn read_client_setup(fields: &mut Fields<'_>) -> Reading<Self> {
        let count = fields.int()?;
        if count > VERSIONS_MAX {
            return Err(NamedViolation::TooManyVersions { count }.into());
        }
        let versions = (0..count).map(|_| fields.int()).collect::<Reading<_>>()?;
        let Parameters { role, implementation, .. } =
            read_parameters(fields, NamedKind::ClientSetup)?;
        Ok(NamedMessage::ClientSetup { versions, role, implementation })
    }

    /// Appends the message; if it cannot be said, nothing.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), Inexpressible> {
        let before = out.len();
        let written = self.write(out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    fn write(&self, out: &mut BytesMut) -> Result<(), Inexpressible> {
        match self {
            NamedMessage::ClientSetup { versions, role, implementation } => {
                put_int(code::CLIENT_SETUP, out)?;
                put_int(versions.len() as u64, out)?;
                for version in versions {
                    put_int(*version, out)?;
                }
                put_setup(*role, implementation.as_deref(), out)
            }
            NamedMessage::ServerSetup { version, role, implementation } => {
                put_int(code::SERVER_SETUP, out)?;
                put_int(*version, out)?;
                put_setup(*role, implementation.as_deref(), out)
            }
            NamedMessage::Announce { namespace, authorization } => {
                put_namespace(code::ANNOUNCE, namespace, out)?;
                put_authorization(authorization.as_ref(), out)
            }
            NamedMessage::AnnounceOk { namespace } => {
                put_namespace(code::ANNOUNCE_OK, namespace, out)
            }
            NamedMessage::AnnounceError { namespace, code, reason } => {
                put_namespace(code::ANNOUNCE_ERROR, namespace, out)?;
                put_int(*code, out)?;
                put_text(reason.as_bytes(), out)
            }
            NamedMessage::Unannounce { namespace } => {
                put_namespace(code::UNANNOUNCE, namespace, out)
            }
            NamedMessage::Subscribe { track, locations, authorization } => {
                put_track(code::SUBSCRIBE, track, out)?;
                locations.put(out)?;
                put_authorization(authorization.as_ref(), out)
            }
            NamedMessage::SubscribeOk { track, track_id, expires } => {
                put_track(code::SUBSCRIBE_OK, track, out)?;
                put_int(*track_id, out)?;
                put_int(*expires, out)
            }
            NamedMessage::SubscribeError { track, code, reason } => {
                put_track(code::SUBSCRIBE_ERROR, track, out)?;
                put_int(*code, out)?;
                put_text(reason.as_bytes(), out)
            }
            NamedMessage::Unsubscribe { track } => put_track(code::UNSUBSCRIBE, track, out),
            NamedMessage::SubscribeFin { track, last } => {
                put_track(code::SUBSCRIBE_FIN, track, out)?;
                put_int(last.0, out)?;
                put_int(last.1, out)
            }
            NamedMessage::SubscribeRst { track, code, reason, last } => {
                put_track(code::SUBSCRIBE_RST, track, out)?;
                put_int(*code, out)?;
                put_text(reason.as_bytes(), out)?;
                put_int(last.0, out)?;
                put_int(last.1, out)
            }
            NamedMessage::Goaway { uri } => {
                put_int(code::GOAWAY, out)?;
                put_text(uri.as_bytes(), out)
            }
        }
    }

    /// The message's name.
    pub fn kind(&self) -> NamedKind {
        match self {
            NamedMessage::ClientSetup { .. } => NamedKind::ClientSetup,
            NamedMessage::ServerSetup { .. } => NamedKind::ServerSetup,
            NamedMessage::Announce { .. } => NamedKind::Announce,
            NamedMessage::AnnounceOk { .. } => NamedKind::AnnounceOk,
            NamedMessage::AnnounceError { .. } => NamedKind::AnnounceError,
            NamedMessage::Unannounce { .. } => NamedKind::Unannounce,
            NamedMessage::Subscribe { .. } => NamedKind::Subscribe,
            NamedMessage::SubscribeOk { .. } => NamedKind::SubscribeOk,
            NamedMessage::SubscribeError { .. } => NamedKind::SubscribeError,
            NamedMessage::Unsubscribe { .. } => NamedKind::Unsubscribe,
            NamedMessage::SubscribeFin { .. } => NamedKind::SubscribeFin,
            NamedMessage::SubscribeRst { .. } => NamedKind::SubscribeRst,
            NamedMessage::Goaway { .. } => NamedKind::Goaway,
        }
    }
}

fn read_namespace(fields: &mut Fields<'_>, message: NamedKind) -> Reading<TrackNamespace> {
    Ok(split_namespace(&fields.text(message, Field::Namespace)?))
}

fn read_track(fields: &mut Fields<'_>, message: NamedKind) -> Reading<FullTrackName> {
    let namespace = read_namespace(fields, message)?;
    let name = fields.text(message, Field::TrackName)?;
    let bytes = (namespace.bytes() + name.len()) as u64;
    // Two texts together are shorter than any name may be.
    TrackName::new(name)
        .and_then(|name| FullTrackName::new(namespace, name))
        .map_err(|_| NamedViolation::TextTooLong { message, field: Field::TrackName, bytes }.into())
}

/// Parameters of any message. Those that nobody knows are skipped by their length.
fn read_parameters(fields: &mut Fields<'_>, message: NamedKind) -> Reading<Parameters> {
    let count = fields.int()?;
    if count > PARAMETERS_MAX {
        return Err(NamedViolation::TooManyParameters { message, count }.into());
    }
    let mut parameters = Parameters::default();
    let setup = matches!(message, NamedKind::ClientSetup | NamedKind::ServerSetup);
    for _ in 0..count {
        match fields.int()? {
            parameter::ROLE if setup => {
                // Deployed readers take one integer, whatever the length says.
                fields.int()?;
                parameters.role = Some(match fields.int()? {
                    1 => Role::Publisher,
                    2 => Role::Subscriber,
                    3 => Role::Both,
                    role => return Err(NamedViolation::UnknownRole { role }.into()),
                });
            }
            parameter::IMPLEMENTATION if setup => {
                let text = fields.text(message, Field::ParameterValue)?;
                parameters.implementation = Some(String::from_utf8_lossy(&text).into_owned());
            }
            parameter::AUTHORIZATION if !setup => {
                let text = fields.text(message, Field::ParameterValue)?;
                parameters.authorization = Some(text).filter(|text| !text.is_empty());
            }
            _ => {
                fields.text(message, Field::ParameterLength)?;
            }
        }
    }
    Ok(parameters)
}

fn put_namespace(
    code: u64,
    namespace: &TrackNamespace,
    out: &mut BytesMut,
) -> Result<(), Inexpressible> {
    put_int(code, out)?;
    put_text(&joined_namespace(namespace), out)
}

fn put_track(code: u64, track: &FullTrackName, out: &mut BytesMut) -> Result<(), Inexpressible> {
    put_namespace(code, track.namespace(), out)?;
    put_text(track.name().as_bytes(), out)
}

fn put_setup(
    role: Option<Role>,
    implementation: Option<&str>,
    out: &mut BytesMut,
) -> Result<(), Inexpressible> {
    put_int(u64::from(role.is_some()) + u64::from(implementation.is_some()), out)?;
    if let Some(role) = role {
        for number in [parameter::ROLE, 1, role.number()] {
            put_int(number, out)?;
        }
    }
    if let Some(implementation) = implementation {
        put_int(parameter::IMPLEMENTATION, out)?;
        put_text(implementation.as_bytes(), out)?;
    }
    Ok(())
}

/// One parameter, or none: pages throw on an empty one.
fn put_authorization(text: Option<&Bytes>, out: &mut BytesMut) -> Result<(), Inexpressible> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return put_int(0, out) };
    put_int(1, out)?;
    put_int(parameter::AUTHORIZATION, out)?;
    put_text(text, out)
}
