//! Streams that MOQT does not see, or does not see yet: what was read of each so far.
//!
//! Every stream has its own reader, so preambles may arrive in any order and mixture, and each
//! reader asks for exactly the bytes that it is sure to own: what follows a preamble is left in
//! the stream for MOQT.

use bytes::Bytes;
use sluice_proto::transport::StreamKind;

use super::capsule::{Capsule, CapsuleReader};
use super::codes::HttpCode;
use super::element::{ElementReader, Part};
use super::header_section::{HeaderFault, HeaderSection};
use super::settings::{FRAME_SETTINGS, HEADER_SECTION_BYTES_MAX, PeerSettings, SettingsReader};
use super::varint::PartialVarint;

/// Types of unidirectional streams, RFC 9114 §6.2 and draft-ietf-webtrans-http3 §4.
const STREAM_CONTROL: u64 = 0x00;
pub(crate) const STREAM_WEBTRANSPORT: u64 = 0x54;
/// Frame types, RFC 9114 §7.2; the last opens a bidirectional stream of a session.
pub(crate) const FRAME_DATA: u64 = 0x00;
pub(crate) const FRAME_HEADERS: u64 = 0x01;
pub(crate) const FRAME_GOAWAY: u64 = 0x07;
pub(crate) const FRAME_WEBTRANSPORT: u64 = 0x41;

/// Where the reading of a stream stands.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// The type of a unidirectional stream, or the first frame type of a bidirectional one.
    Kind(StreamKind, PartialVarint),
    /// The session of a WebTransport stream.
    SessionId(StreamKind, PartialVarint),
    /// The peer's control stream.
    Control(ControlReader),
    /// A request to us, or the response to ours.
    Headers(HeadersReader),
    /// The session's own stream after its CONNECT.
    Session(SessionReader),
    /// Nothing of interest, to its end.
    Skipped,
}

/// What a reader found out.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing yet.
    More,
    /// A stream of a WebTransport session: MOQT's, from here on.
    Stream { kind: StreamKind, session: u64 },
    /// The peer's SETTINGS.
    Settings(PeerSettings),
    /// The peer wants to be rid of the connection.
    GoAway,
    /// A request or response is complete.
    Headers(HeaderSection),
    /// A request or response is too large to decode.
    HeadersTooLarge,
    /// Something about the session.
    Capsule(Capsule),
    /// The peer broke HTTP/3 in a way that ends the connection.
    Fault(HttpCode, &'static str),
}

impl Incoming {
    /// A stream that the peer has opened.
    pub(crate) fn opened(kind: StreamKind) -> Incoming {
        Incoming::Kind(kind, PartialVarint::default())
    }

    /// Whether it is still open to whom the stream belongs.
    pub(crate) fn is_preamble(&self) -> bool {
        match self {
            Incoming::Kind(..) | Incoming::SessionId(..) => true,
            Incoming::Headers(reader) => !reader.is_response,
            Incoming::Control(_) | Incoming::Session(_) | Incoming::Skipped => false,
        }
    }

    /// The most bytes to read next.
    pub(crate) fn wanted(&self) -> usize {
        match self {
            Incoming::Kind(_, partial) | Incoming::SessionId(_, partial) => partial.missing(),
            Incoming::Control(reader) => reader.elements.wanted(),
            Incoming::Headers(reader) => reader.wanted(),
            Incoming::Session(reader) => reader.frames.wanted(),
            Incoming::Skipped => usize::MAX,
        }
    }

    /// The next bytes of the stream, at most [`Incoming::wanted`].
    pub(crate) fn feed(&mut self, bytes: Bytes) -> Found {
        match self {
            Incoming::Kind(kind, partial) => {
                let kind = *kind;
                if let Some(number) = partial.feed(&bytes) {
                    *self = Incoming::of_kind(kind, number);
                }
                Found::More
            }
            Incoming::SessionId(kind, partial) => match partial.feed(&bytes) {
                Some(session) => Found::Stream { kind: *kind, session },
                None => Found::More,
            },
            Incoming::Control(reader) => reader.feed(bytes),
            Incoming::Headers(reader) => reader.feed(bytes),
            Incoming::Session(reader) => reader.feed(bytes),
            Incoming::Skipped => Found::More,
        }
    }

    fn of_kind(kind: StreamKind, number: u64) -> Incoming {
        match (kind, number) {
            (StreamKind::Uni, STREAM_WEBTRANSPORT) | (StreamKind::Bidi, FRAME_WEBTRANSPORT) => {
                Incoming::SessionId(kind, PartialVarint::default())
            }
            (StreamKind::Uni, STREAM_CONTROL) => Incoming::Control(ControlReader::default()),
            // QPACK's streams say nothing without a dynamic table; others are unknown.
            (StreamKind::Uni, _) => Incoming::Skipped,
            (StreamKind::Bidi, frame) => Incoming::Headers(HeadersReader::request(frame)),
        }
    }
}

/// Reads the peer's control stream.
#[derive(Default, Debug)]
pub(crate) struct ControlReader {
    elements: ElementReader,
    settings_done: bool,
    frame: ControlFrame,
}

#[derive(Default, Debug)]
enum ControlFrame {
    #[default]
    Skipped,
    Settings(SettingsReader),
}

impl ControlReader {
    fn feed(&mut self, bytes: Bytes) -> Found {
        match self.elements.feed(bytes) {
            None => Found::More,
            Some(Part::Header { kind, length }) => self.begin(kind, length),
            Some(Part::Payload { bytes, last }) => {
                let ControlFrame::Settings(reader) = &mut self.frame else {
                    return Found::More;
                };
                if reader.feed(&bytes).is_err() {
                    return Found::Fault(HttpCode::Settings, "forbidden setting");
                }
                if last { self.end_settings() } else { Found::More }
            }
        }
    }

    fn begin(&mut self, kind: u64, length: u64) -> Found {
        self.frame = ControlFrame::Skipped;
        match (kind, self.settings_done) {
            (FRAME_SETTINGS, false) => {
                self.settings_done = true;
                self.frame = ControlFrame::Settings(SettingsReader::default());
                if length == 0 { self.end_settings() } else { Found::More }
            }
            (FRAME_SETTINGS, true) => Found::Fault(HttpCode::FrameUnexpected, "second SETTINGS"),
            (_, false) => Found::Fault(HttpCode::MissingSettings, "SETTINGS does not come first"),
            (FRAME_DATA | FRAME_HEADERS, true) => {
                Found::Fault(HttpCode::FrameUnexpected, "request on the control stream")
            }
            (FRAME_GOAWAY, true) => Found::GoAway,
            (_, true) => Found::More,
        }
    }

    fn end_settings(&mut self) -> Found {
        match std::mem::take(&mut self.frame) {
            ControlFrame::Settings(reader) => match reader.finish() {
                Ok(settings) => Found::Settings(settings),
                Err(_) => Found::Fault(HttpCode::Frame, "SETTINGS ends inside a setting"),
            },
            ControlFrame::Skipped => Found::More,
        }
    }
}

/// Reads up to the end of the first HEADERS frame of a request or response.
#[derive(Debug)]
pub(crate) struct HeadersReader {
    /// The first frame's type, when it was read to learn what the stream is.
    first_frame: Option<u64>,
    first_length: PartialVarint,
    elements: ElementReader,
    section: Option<Vec<u8>>,
    is_response: bool,
}

impl HeadersReader {
    fn request(first_frame: u64) -> HeadersReader {
        HeadersReader { first_frame: Some(first_frame), ..HeadersReader::response_reader(false) }
    }

    pub(crate) fn response() -> HeadersReader {
        HeadersReader::response_reader(true)
    }

    fn response_reader(is_response: bool) -> HeadersReader {
        HeadersReader {
            first_frame: None,
            first_length: PartialVarint::default(),
            elements: ElementReader::default(),
            section: None,
            is_response,
        }
    }

    fn wanted(&self) -> usize {
        match self.first_frame {
            Some(_) => self.first_length.missing(),
            None => self.elements.wanted(),
        }
    }

    fn feed(&mut self, bytes: Bytes) -> Found {
        if let Some(kind) = self.first_frame {
            let Some(length) = self.first_length.feed(&bytes) else {
                return Found::More;
            };
            self.first_frame = None;
            if length > 0 {
                self.elements = ElementReader::Payload { remaining: length };
            }
            return self.begin(kind, length);
        }
        match self.elements.feed(bytes) {
            None => Found::More,
            Some(Part::Header { kind, length }) => self.begin(kind, length),
            Some(Part::Payload { bytes, last }) => {
                let Some(section) = &mut self.section else {
                    return Found::More;
                };
                section.extend_from_slice(&bytes);
                if last { self.end_section() } else { Found::More }
            }
        }
    }

    fn begin(&mut self, kind: u64, length: u64) -> Found {
        self.section = None;
        match kind {
            FRAME_HEADERS if length > HEADER_SECTION_BYTES_MAX as u64 => Found::HeadersTooLarge,
            FRAME_HEADERS => {
                self.section = Some(Vec::new());
                if length == 0 { self.end_section() } else { Found::More }
            }
            FRAME_DATA | FRAME_SETTINGS | FRAME_GOAWAY => {
                Found::Fault(HttpCode::FrameUnexpected, "request does not begin with HEADERS")
            }
            _ => Found::More,
        }
    }

    fn end_section(&mut self) -> Found {
        let section = self.section.take().unwrap_or_default();
        match HeaderSection::decode(&section) {
            Ok(fields) => Found::Headers(fields),
            Err(HeaderFault::TooLarge) => Found::HeadersTooLarge,
            Err(HeaderFault::Malformed) => {
                Found::Fault(HttpCode::QpackDecompression, "header section does not decode")
            }
        }
    }
}

/// Reads the capsules inside the DATA frames of the session's stream.
#[derive(Default, Debug)]
pub(crate) struct SessionReader {
    frames: ElementReader,
    in_data: bool,
    capsules: CapsuleReader,
}

impl SessionReader {
    fn feed(&mut self, bytes: Bytes) -> Found {
        match self.frames.feed(bytes) {
            Some(Part::Header { kind, .. }) => self.in_data = kind == FRAME_DATA,
            Some(Part::Payload { bytes, .. }) if self.in_data => {
                // Of several in one piece a CLOSE is what matters.
                let mut found = None;
                self.capsules.feed(bytes, |capsule| {
                    if !matches!(found, Some(Capsule::Close { .. })) {
                        found = Some(capsule);
                    }
                });
                if let Some(capsule) = found {
                    return Found::Capsule(capsule);
                }
            }
            _ => {}
        }
        Found::More
    }
}
