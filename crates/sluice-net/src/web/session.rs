//! The WebTransport session of one HTTP/3 connection.
//!
//! ```text
//!           server: CONNECT read               SETTINGS read: 200 sent
//! Starting ─────────────────────────► Asked ──────────────────────────► Open ──► Over
//!           client: SETTINGS read,             client: 200 read
//!                   CONNECT sent
//! ```
//!
//! Streams that arrive before `Open` are held, datagrams stay in QUIC's bounded queue. After
//! `Over` the connection lives on just long enough for the close to arrive.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quinn_proto::{Connection as Quic, StreamEvent, VarInt};
use sluice_proto::transport::{CloseReason, Read, StreamId, StreamKind, TransportEvent, Written};

use super::capsule::{Capsule, encode_capsule};
use super::codes::{self, HttpCode};
use super::element::encode_element;
use super::header_section::HeaderSection;
use super::incoming::{
    FRAME_DATA, FRAME_GOAWAY, FRAME_WEBTRANSPORT, Found, HeadersReader, Incoming,
    STREAM_WEBTRANSPORT, SessionReader,
};
use super::outgoing::Outgoing;
use super::request::{Connect, Refusal, Response};
use super::settings::{PeerSettings, encode_settings};
use super::varint::{encode_varint, take_varint, varint_bytes};
use crate::config::NetLimits;
use crate::quic_streams::{self, RawError};

/// Most bytes taken from a stream at once.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Bounds of the time that a close is given to arrive.
const LINGER_MIN: Duration = Duration::from_millis(100);
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Which end of the session this is, with what it brings.
pub(crate) enum Role {
    /// Answers the first CONNECT, choosing among these protocols, best first.
    Server(Arc<[String]>),
    /// Sends this CONNECT.
    Client(Connect),
}

/// What the connection has to do about the session.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The session is open.
    Opened { protocol: Option<String>, path: String, authority: String },
    /// The session is over; the connection follows when `poll_timeout` says so.
    Ended(CloseReason),
    /// The peer broke HTTP/3, or will not have the session: close the connection now.
    Failed(HttpCode, String),
}

/// What is left to do for a connection whose session is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Nothing, it goes on.
    None,
    /// Close it with H3_NO_ERROR: the session's close has had its time.
    CloseConnection,
}

enum Stage {
    Starting,
    Asked { stream: StreamId, connect: Connect },
    Open { stream: StreamId },
    Over { linger_until: Instant },
}

struct Reading {
    reader: Incoming,
    /// When the preamble has to be complete, once it has begun. Browsers open their QPACK streams
    /// without a byte, and a stream is opened with any above it.
    deadline: Option<Instant>,
}

impl Reading {
    fn new(reader: Incoming) -> Reading {
        Reading { reader, deadline: None }
    }

    /// When the preamble has to be complete, if it has begun and is not.
    fn preamble_deadline(&self) -> Option<Instant> {
        self.deadline.filter(|_| self.reader.is_preamble())
    }
}

/// The machine. Every call that touches the wire gets it as a [`Wire`].
pub(crate) struct WebTransport {
    role: Role,
    stage: Stage,
    settings: Option<PeerSettings>,
    control_out: Option<StreamId>,
    control_in: Option<StreamId>,
    /// Streams being read here, by id.
    incoming: BTreeMap<StreamId, Reading>,
    /// Streams of a session that is not open yet, in the order of their preambles.
    held: Vec<(StreamId, StreamKind, u64)>,
    outgoing: Outgoing,
    datagram_waits: bool,
    outcome: Option<Outcome>,
    preambles_max: usize,
    preamble_timeout: Duration,
    early_streams_max: usize,
}

/// The connection under the session and the events above it, for one turn.
pub(crate) struct Wire<'a> {
    pub(crate) now: Instant,
    pub(crate) quic: &'a mut Quic,
    pub(crate) events: &'a mut VecDeque<TransportEvent>,
}

impl WebTransport {
    pub(crate) fn new(role: Role, limits: &NetLimits) -> WebTransport {
        WebTransport {
            role,
            stage: Stage::Starting,
            settings: None,
            control_out: None,
            control_in: None,
            incoming: BTreeMap::new(),
            held: Vec::new(),
            outgoing: Outgoing::default(),
            datagram_waits: false,
            outcome: None,
            preambles_max: limits.preambles_max,
            preamble_timeout: limits.preamble_timeout,
            early_streams_max: limits.early_streams_max,
        }
    }

    /// QUIC is up: sends SETTINGS as soon as there is credit for a stream.
    pub(crate) fn start(&mut self, quic: &mut Quic) {
        if self.control_out.is_some() {
            return;
        }
        if let Some(stream) = quic_streams::open(quic, StreamKind::Uni) {
            self.control_out = Some(stream);
            let mut bytes = vec![0];
            bytes.extend_from_slice(&encode_settings());
            self.outgoing.send_own(quic, stream, &bytes, false);
        }
    }

    /// What there is to do, once.
    pub(crate) fn take_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if let Stage::Over { linger_until } = self.stage {
            return Some(linger_until);
        }
        self.incoming.values().filter_map(Reading::preamble_deadline).min()
    }

    pub(crate) fn handle_timeout(&mut self, wire: &mut Wire<'_>) -> Ending {
        if let Stage::Over { linger_until } = self.stage {
            return match linger_until <= wire.now {
                true => Ending::CloseConnection,
                false => Ending::None,
            };
        }
        let is_late =
            |reading: &Reading| reading.preamble_deadline().is_some_and(|at| at <= wire.now);
        let late: Vec<StreamId> = self
            .incoming
            .iter()
            .filter(|(_, reading)| is_late(reading))
            .map(|(stream, _)| *stream)
            .collect();
        for stream in late {
            self.incoming.remove(&stream);
            reject(wire.quic, stream, HttpCode::RequestIncomplete);
        }
        Ending::None
    }

    pub(crate) fn handle_event(&mut self, wire: &mut Wire<'_>, event: StreamEvent) {
        match event {
            StreamEvent::Opened { dir } => {
                while let Some(stream) = quic_streams::accept(wire.quic, dir) {
                    self.handle_opened(wire, stream, quic_streams::kind(dir));
                }
            }
            StreamEvent::Readable { id } => self.handle_readable(wire, quic_streams::from_quic(id)),
            StreamEvent::Writable { id } => self.handle_writable(wire, quic_streams::from_quic(id)),
            StreamEvent::Finished { id } => {
                let stream = quic_streams::from_quic(id);
                if !self.outgoing.forget_own(stream) {
                    wire.events.push_back(TransportEvent::Acked(stream));
                }
            }
            StreamEvent::Stopped { id, error_code } => {
                self.handle_stopped(wire, quic_streams::from_quic(id), error_code);
            }
            StreamEvent::Available { dir } => {
                self.start(wire.quic);
                match self.stage {
                    Stage::Starting | Stage::Asked { .. } => self.proceed(wire),
                    Stage::Open { .. } => {
                        let kind = quic_streams::kind(dir);
                        wire.events.push_back(TransportEvent::Available(kind));
                    }
                    Stage::Over { .. } => {}
                }
            }
        }
    }

    /// QUIC has at least one datagram.
    pub(crate) fn handle_datagram(&mut self, wire: &mut Wire<'_>) {
        match self.stage {
            Stage::Open { .. } => wire.events.push_back(TransportEvent::Datagram),
            _ => self.datagram_waits = true,
        }
    }

    /// Opens a stream of the session, its preamble on the way.
    pub(crate) fn open(&mut self, quic: &mut Quic, kind: StreamKind) -> Option<StreamId> {
        let Stage::Open { stream: session } = self.stage else {
            return None;
        };
        let stream = quic_streams::open(quic, kind)?;
        let mut preamble = Vec::new();
        let first = match kind {
            StreamKind::Uni => STREAM_WEBTRANSPORT,
            StreamKind::Bidi => FRAME_WEBTRANSPORT,
        };
        encode_varint(first, &mut preamble);
        encode_varint(session.0, &mut preamble);
        self.outgoing.send(quic, stream, &preamble, false);
        Some(stream)
    }

    /// MOQT's write, after what is left of the preamble.
    pub(crate) fn write(
        &mut self,
        quic: &mut Quic,
        stream: StreamId,
        chunks: &mut [Bytes],
    ) -> Result<Written, RawError> {
        if !self.outgoing.flush(quic, stream) {
            return Ok(Written { bytes: 0, complete: chunks.iter().all(Bytes::is_empty) });
        }
        quic_streams::write(quic, stream, chunks)
    }

    /// MOQT's finish, after what is left of the preamble.
    pub(crate) fn finish(&mut self, quic: &mut Quic, stream: StreamId) {
        self.outgoing.finish(quic, stream);
    }

    /// MOQT's reset.
    pub(crate) fn reset(&mut self, quic: &mut Quic, stream: StreamId, code: VarInt) {
        self.outgoing.reset(quic, stream, code);
    }

    /// The payload of a datagram, if it belongs to the session.
    pub(crate) fn unwrap_datagram(&self, mut datagram: Bytes) -> Option<Bytes> {
        let Stage::Open { stream } = self.stage else {
            return None;
        };
        (take_varint(&mut datagram)? == quarter(stream)).then_some(datagram)
    }

    /// A datagram of the session with this payload: the one copy it costs.
    pub(crate) fn wrap_datagram(&self, payload: &[u8]) -> Option<Bytes> {
        let Stage::Open { stream } = self.stage else {
            return None;
        };
        let mut datagram = BytesMut::with_capacity(self.datagram_prefix_bytes() + payload.len());
        encode_varint(quarter(stream), &mut datagram);
        datagram.extend_from_slice(payload);
        Some(datagram.freeze())
    }

    /// What a datagram of the session carries besides its payload.
    pub(crate) fn datagram_prefix_bytes(&self) -> usize {
        match self.stage {
            Stage::Open { stream } => varint_bytes(quarter(stream)),
            _ => 1,
        }
    }

    /// Ends the session from our side.
    pub(crate) fn close(&mut self, now: Instant, quic: &mut Quic, code: u64, reason: &str) {
        if let Stage::Open { stream } = self.stage {
            let reason = reason.to_string();
            let bytes = in_data_frame(&Capsule::Close { code, reason });
            self.outgoing.send_own(quic, stream, &bytes, true);
        }
        self.end(now, quic);
    }

    /// Asks the peer to wind the session down.
    pub(crate) fn drain(&mut self, quic: &mut Quic) {
        let Stage::Open { stream } = self.stage else {
            return;
        };
        self.outgoing.send_own(quic, stream, &in_data_frame(&Capsule::Drain), false);
        if let (Role::Server(_), Some(control)) = (&self.role, self.control_out) {
            // RFC 9114 §5.2: requests from this stream on are not served.
            let mut next_request = Vec::new();
            encode_varint(stream.0 + 4, &mut next_request);
            let mut frame = Vec::new();
            encode_element(FRAME_GOAWAY, &next_request, &mut frame);
            self.outgoing.send_own(quic, control, &frame, false);
        }
    }

    fn handle_opened(&mut self, wire: &mut Wire<'_>, stream: StreamId, kind: StreamKind) {
        if matches!(self.stage, Stage::Over { .. }) {
            return reject(wire.quic, stream, HttpCode::SessionGone);
        }
        self.advance(wire, stream, Reading::new(Incoming::opened(kind)));
    }

    fn handle_readable(&mut self, wire: &mut Wire<'_>, stream: StreamId) {
        if let Some(reading) = self.incoming.remove(&stream) {
            self.advance(wire, stream, reading);
        } else if self.session_stream() == Some(stream) {
            // A CONNECT that waits for SETTINGS; what follows it is read after the answer.
        } else if let Some(at) = self.held.iter().position(|(held, ..)| *held == stream) {
            if quic_streams::take_reset(wire.quic, stream).is_some() {
                self.held.remove(at);
                quic_streams::reset(wire.quic, stream, HttpCode::SessionGone.into());
            }
        } else if let Some(code) = quic_streams::take_reset(wire.quic, stream) {
            let code = codes::from_http(code).unwrap_or(0);
            wire.events.push_back(TransportEvent::Reset(stream, code));
        } else {
            wire.events.push_back(TransportEvent::Readable(stream));
        }
    }

    fn handle_writable(&mut self, wire: &mut Wire<'_>, stream: StreamId) {
        if self.outgoing.flush(wire.quic, stream) && !self.outgoing.is_own(stream) {
            wire.events.push_back(TransportEvent::Writable(stream));
        }
    }

    fn handle_stopped(&mut self, wire: &mut Wire<'_>, stream: StreamId, code: VarInt) {
        self.reset(wire.quic, stream, code);
        if self.control_out == Some(stream) {
            self.fail(HttpCode::ClosedCriticalStream, "control stream stopped");
        } else if self.session_stream() == Some(stream) {
            self.end_by_peer(wire, 0, String::new());
        } else if !self.outgoing.forget_own(stream)
            && !self.incoming.contains_key(&stream)
            && !self.held.iter().any(|(held, ..)| *held == stream)
        {
            let code = codes::from_http(code).unwrap_or(0);
            wire.events.push_back(TransportEvent::Stopped(stream, code));
        }
    }

    /// Reads a stream as far as it goes here, and keeps its reader if more is to come.
    fn advance(&mut self, wire: &mut Wire<'_>, stream: StreamId, mut reading: Reading) {
        let mut begins = false;
        loop {
            let wanted = reading.reader.wanted().min(READ_BYTES_MAX);
            let bytes = match quic_streams::read(wire.quic, stream, wanted) {
                Ok(Read::Data(bytes)) => bytes,
                Ok(Read::Blocked) => break,
                Ok(Read::Fin) | Err(_) => return self.handle_end(wire, stream, &reading.reader),
            };
            begins = reading.deadline.is_none();
            match reading.reader.feed(bytes) {
                Found::More => {}
                Found::Stream { kind, session } => {
                    return self.handle_session_stream(wire, stream, kind, session);
                }
                Found::Settings(settings) => {
                    self.settings = Some(settings);
                    self.proceed(wire);
                }
                Found::GoAway | Found::Capsule(Capsule::Drain) => {
                    wire.events.push_back(TransportEvent::Draining);
                }
                Found::Capsule(Capsule::Close { code, reason }) => {
                    return self.end_by_peer(wire, code, reason);
                }
                Found::Headers(fields) => match self.handle_headers(wire, stream, &fields) {
                    Some(next) => reading.reader = next,
                    None => return,
                },
                Found::HeadersTooLarge => match self.role {
                    Role::Server(_) => {
                        return self.refuse(wire.quic, stream, Refusal::FieldsTooLarge);
                    }
                    Role::Client(_) => {
                        return self.fail(HttpCode::ExcessiveLoad, "response header too large");
                    }
                },
                Found::Fault(code, what) => return self.fail(code, what),
            }
            if matches!(reading.reader, Incoming::Control(_))
                && *self.control_in.get_or_insert(stream) != stream
            {
                return self.fail(HttpCode::StreamCreation, "second control stream");
            }
            if matches!(self.stage, Stage::Over { .. }) || self.outcome_is_failure() {
                return;
            }
        }
        if begins && reading.reader.is_preamble() {
            let open = self.incoming.values().filter_map(Reading::preamble_deadline).count();
            if open >= self.preambles_max {
                return reject(wire.quic, stream, HttpCode::ExcessiveLoad);
            }
            reading.deadline = Some(wire.now + self.preamble_timeout);
        }
        self.incoming.insert(stream, reading);
    }

    /// The peer has finished or reset a stream that is read here.
    fn handle_end(&mut self, wire: &mut Wire<'_>, stream: StreamId, reader: &Incoming) {
        match reader {
            Incoming::Control(_) => {
                self.fail(HttpCode::ClosedCriticalStream, "control stream closed");
            }
            Incoming::Session(_) => self.end_by_peer(wire, 0, String::new()),
            Incoming::Headers(_) if self.session_stream() == Some(stream) => {
                self.fail(HttpCode::RequestIncomplete, "CONNECT without an answer");
            }
            // One that ends in its preamble concerns nobody else.
            Incoming::Kind(..) | Incoming::SessionId(..) | Incoming::Headers(_) => {
                quic_streams::reset(wire.quic, stream, HttpCode::RequestIncomplete.into());
            }
            Incoming::Skipped => {}
        }
    }

    /// A complete header section; what to read next on its stream.
    fn handle_headers(
        &mut self,
        wire: &mut Wire<'_>,
        stream: StreamId,
        fields: &HeaderSection,
    ) -> Option<Incoming> {
        if matches!(self.role, Role::Client(_)) {
            return self.handle_response(wire, stream, fields);
        }
        match Connect::from_fields(fields) {
            Ok(connect) if matches!(self.stage, Stage::Starting) => {
                self.stage = Stage::Asked { stream, connect };
                self.outgoing.claim(stream);
                self.proceed(wire);
            }
            Ok(_) => self.refuse(wire.quic, stream, Refusal::TooManyRequests),
            Err(refusal) => self.refuse(wire.quic, stream, refusal),
        }
        None
    }

    fn handle_response(
        &mut self,
        wire: &mut Wire<'_>,
        stream: StreamId,
        fields: &HeaderSection,
    ) -> Option<Incoming> {
        let Stage::Asked { stream: asked, connect } = &self.stage else {
            self.fail(HttpCode::StreamCreation, "request from a server");
            return None;
        };
        if *asked != stream {
            self.fail(HttpCode::StreamCreation, "request from a server");
            return None;
        }
        match Response::from_fields(fields, &connect.protocols) {
            Response::Interim => Some(Incoming::Headers(HeadersReader::response())),
            Response::Accepted(protocol) => {
                let connect = connect.clone();
                self.opened(wire, stream, connect, protocol);
                None
            }
            Response::Refused(status) => {
                let what = format!("the server answered CONNECT with status {status}");
                self.fail(HttpCode::NoError, &what);
                None
            }
        }
    }

    /// Takes the step that SETTINGS or a CONNECT was missing for.
    fn proceed(&mut self, wire: &mut Wire<'_>) {
        let Some(settings) = self.settings else {
            return;
        };
        match (&self.role, &self.stage) {
            (Role::Server(ours), Stage::Asked { stream, connect }) => {
                // A CONNECT for WebTransport is all the proof of support that a client needs to
                // give: some send no setting for it.
                let (stream, connect) = (*stream, connect.clone());
                let protocol = connect.choose(ours);
                let accept = connect.encode_accept(protocol.as_deref());
                self.outgoing.send_headers(wire.quic, stream, &accept, false);
                self.opened(wire, stream, connect, protocol);
            }
            (Role::Client(_), Stage::Starting) if !settings.webtransport => {
                self.fail(HttpCode::NoError, "the server does not offer WebTransport");
            }
            (Role::Client(connect), Stage::Starting) => {
                let connect = connect.clone();
                // Out of credit: again when there is some.
                let Some(stream) = quic_streams::open(wire.quic, StreamKind::Bidi) else {
                    return;
                };
                self.outgoing.send_headers(wire.quic, stream, &connect.encode(), false);
                self.stage = Stage::Asked { stream, connect };
                let reading = Reading::new(Incoming::Headers(HeadersReader::response()));
                self.incoming.insert(stream, reading);
            }
            _ => {}
        }
    }

    fn opened(
        &mut self,
        wire: &mut Wire<'_>,
        stream: StreamId,
        connect: Connect,
        protocol: Option<String>,
    ) {
        self.stage = Stage::Open { stream };
        self.outcome =
            Some(Outcome::Opened { protocol, path: connect.path, authority: connect.authority });
        for (held, kind, session) in std::mem::take(&mut self.held) {
            self.handle_session_stream(wire, held, kind, session);
        }
        if std::mem::take(&mut self.datagram_waits) {
            wire.events.push_back(TransportEvent::Datagram);
        }
        let reading = Reading::new(Incoming::Session(SessionReader::default()));
        self.advance(wire, stream, reading);
    }

    /// A stream whose preamble names a session.
    fn handle_session_stream(
        &mut self,
        wire: &mut Wire<'_>,
        stream: StreamId,
        kind: StreamKind,
        session: u64,
    ) {
        let is_client_bidi = session & 0b11 == 0;
        if !is_client_bidi {
            return self.fail(HttpCode::Id, "session id is no request's");
        }
        match self.stage {
            Stage::Open { stream: ours } if ours.0 == session => {
                wire.events.push_back(TransportEvent::Opened(stream, kind));
                if let Some(code) = quic_streams::take_reset(wire.quic, stream) {
                    let code = codes::from_http(code).unwrap_or(0);
                    wire.events.push_back(TransportEvent::Reset(stream, code));
                }
            }
            Stage::Open { .. } | Stage::Over { .. } => {
                reject(wire.quic, stream, HttpCode::SessionGone);
            }
            Stage::Starting | Stage::Asked { .. } => {
                if self.held.len() < self.early_streams_max {
                    self.held.push((stream, kind, session));
                } else {
                    reject(wire.quic, stream, HttpCode::BufferedStreamRejected);
                }
            }
        }
    }

    /// Answers a request that is not the session's CONNECT.
    fn refuse(&mut self, quic: &mut Quic, stream: StreamId, refusal: Refusal) {
        self.outgoing.send_headers(quic, stream, &refusal.encode(), true);
        let code = match refusal {
            Refusal::TooManyRequests => HttpCode::RequestRejected,
            _ => HttpCode::NoError,
        };
        quic_streams::stop(quic, stream, code.into());
    }

    fn end_by_peer(&mut self, wire: &mut Wire<'_>, code: u64, reason: String) {
        if matches!(self.stage, Stage::Over { .. }) {
            return;
        }
        if let Some(stream) = self.session_stream() {
            self.outgoing.send_own(wire.quic, stream, &[], true);
        }
        self.end(wire.now, wire.quic);
        self.outcome = Some(Outcome::Ended(CloseReason::Peer { code, reason }));
    }

    fn end(&mut self, now: Instant, quic: &mut Quic) {
        let linger = (quic.rtt() * 3).clamp(LINGER_MIN, LINGER_MAX);
        self.stage = Stage::Over { linger_until: now + linger };
        self.incoming.clear();
        self.held.clear();
    }

    fn fail(&mut self, code: HttpCode, what: &str) {
        if !matches!(self.stage, Stage::Over { .. }) && !self.outcome_is_failure() {
            self.outcome = Some(Outcome::Failed(code, what.to_string()));
        }
    }

    fn outcome_is_failure(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Failed(..)))
    }

    fn session_stream(&self) -> Option<StreamId> {
        match self.stage {
            Stage::Asked { stream, .. } | Stage::Open { stream } => Some(stream),
            Stage::Starting | Stage::Over { .. } => None,
        }
    }
}

/// Wants nothing of a stream, in either direction.
fn reject(quic: &mut Quic, stream: StreamId, code: HttpCode) {
    quic_streams::stop(quic, stream, code.into());
    quic_streams::reset(quic, stream, code.into());
}

fn in_data_frame(capsule: &Capsule) -> Vec<u8> {
    let mut value = Vec::new();
    encode_capsule(capsule, &mut value);
    let mut frame = Vec::new();
    encode_element(FRAME_DATA, &value, &mut frame);
    frame
}

/// RFC 9297 §2.1: what names the session in a datagram.
fn quarter(session: StreamId) -> u64 {
    session.0 / 4
}
