//! The whole view that MOQT has of the network: one peer's connection, non-blocking.
//!
//! `sluice-net` implements [`Transport`] for raw QUIC and for WebTransport, `sluice-sim` for
//! simulated links. A driver hands `&mut dyn Transport` to a session, which drains
//! [`Transport::poll_event`] and then reads and writes.
//!
//! Contract:
//! - Events are edges. After `Opened` or `Readable`, read until [`Read::Blocked`], `Fin` or an
//!   error, or come back to the same stream next turn. `Opened` implies readable.
//! - `Writable` follows a write that accepted less than everything; `Available` follows an
//!   [`Transport::open`] that returned `None`; `SendRoom` follows when a write or a turn left
//!   [`Transport::send_room`] at 0.
//! - Reset and stop codes are the application's own 32-bit codes: the WebTransport adapter maps
//!   them to and from HTTP/3 codes.
//! - Nothing here blocks, allocates per call on the hot path, or reads a clock: the adapter
//!   holds the `now` of the turn it was built for.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

/// A stream of one connection. The value is the QUIC stream id (RFC 9000 §2.1), so direction and
/// initiator can be read from its low bits, and ids are never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u64);

/// Direction of a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StreamKind {
    /// One direction: only the initiator sends.
    Uni,
    /// Both directions.
    Bidi,
}

/// Which of the two peers an endpoint is on this connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// Opened the connection.
    Client,
    /// Accepted the connection.
    Server,
}

impl Side {
    /// The other one.
    pub fn peer(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// What happened on a connection since the last poll.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransportEvent {
    /// The peer opened a stream; it may already hold data.
    Opened(StreamId, StreamKind),
    /// A stream that was [`Read::Blocked`] has data, a FIN or a reset.
    Readable(StreamId),
    /// A stream that accepted less than offered accepts bytes again.
    Writable(StreamId),
    /// The peer granted credit for streams of this kind after `open` had returned `None`.
    Available(StreamKind),
    /// The peer reset a stream it sends on. Data not yet read is gone.
    Reset(StreamId, u64),
    /// The peer asked to stop sending on a stream. May precede the first write.
    Stopped(StreamId, u64),
    /// Everything written to a finished stream has been acknowledged.
    Acked(StreamId),
    /// At least one datagram can be received.
    Datagram,
    /// There is [`Transport::send_room`] again after there was none.
    SendRoom,
    /// Datagrams can be sent again after [`DatagramError::Blocked`].
    DatagramsWritable,
    /// The peer asked, below MOQT, to wind the session down (DRAIN_WEBTRANSPORT_SESSION or an
    /// HTTP/3 GOAWAY).
    Draining,
    /// The connection or session is over. Nothing follows.
    Closed(CloseReason),
}

/// Why a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The peer closed it with an application code.
    Peer {
        /// The MOQT session code, or the WebTransport session's close code.
        code: u64,
        /// What the peer said, cut to 1,024 bytes, lossily decoded.
        reason: String,
    },
    /// We closed it.
    Local,
    /// Nothing was heard for the idle timeout.
    TimedOut,
    /// QUIC, TLS or HTTP/3 failed; the text is for people.
    Transport(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Peer { code, reason } => {
                write!(f, "closed by the peer with code {code:#x} {reason}")
            }
            CloseReason::Local => f.write_str("closed here"),
            CloseReason::TimedOut => f.write_str("nothing was heard for too long"),
            CloseReason::Transport(text) => f.write_str(text),
        }
    }
}

/// Result of a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// The next bytes in order; never empty.
    Data(Bytes),
    /// Everything has been read and the peer finished the stream.
    Fin,
    /// Nothing to read now; a `Readable` follows.
    Blocked,
}

/// Result of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// Bytes accepted. Chunks are advanced in place, fully written ones left empty.
    pub bytes: usize,
    /// Whether everything offered was accepted. If not, `Writable` follows.
    pub complete: bool,
}

/// Why a stream refuses an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StreamError {
    /// The peer reset its sending side with this code.
    #[error("reset by the peer with code {0:#x}")]
    Reset(u64),
    /// The peer stopped our sending side with this code.
    #[error("stopped by the peer with code {0:#x}")]
    Stopped(u64),
    /// Finished, reset by us, of the wrong direction, or never existed.
    #[error("no such open stream")]
    Closed,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DatagramError {
    /// Larger than [`Transport::datagram_max`].
    #[error("datagram too large for the path")]
    TooLarge,
    /// The send buffer is full; `DatagramsWritable` follows.
    #[error("datagram buffer full")]
    Blocked,
    /// The peer does not take datagrams, or the connection is closed.
    #[error("datagrams not available")]
    Unavailable,
}

/// What the peer may use before it has to wait for us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerCredit {
    /// Concurrent unidirectional streams.
    pub uni_streams: u32,
    /// Concurrent bidirectional streams.
    pub bidi_streams: u32,
    /// Bytes in flight over all streams of the connection.
    pub window_bytes: u32,
}

/// Measurements of the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathStats {
    /// Smoothed round-trip time.
    pub rtt: Duration,
    /// Congestion window in bytes.
    pub window_bytes: u64,
    /// Packets declared lost so far.
    pub lost_packets: u64,
    /// Largest UDP payload in use.
    pub mtu_bytes: u16,
    /// The peer's address now.
    pub remote: SocketAddr,
}

/// How MOQT is carried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Carrier {
    /// MOQT straight over QUIC, chosen by ALPN (`moqt://`).
    Quic,
    /// MOQT in a WebTransport session over HTTP/3 (`https://`).
    WebTransport,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Carrier::Quic => "quic",
            Carrier::WebTransport => "webtransport",
        })
    }
}

/// What was settled before MOQT's first byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerInfo {
    /// Our side.
    pub side: Side,
    /// How MOQT is carried.
    pub carrier: Carrier,
    /// The ALPN of raw QUIC, or the protocol chosen through `WT-Protocol`; `None` when the
    /// WebTransport client offered none that we know.
    pub protocol: Option<String>,
    /// `:path` of the WebTransport request. `None` on raw QUIC, where SETUP carries it.
    pub path: Option<String>,
    /// `:authority` of the WebTransport request, or the TLS server name on raw QUIC.
    pub authority: Option<String>,
    /// Address of the peer when the connection began.
    pub remote: SocketAddr,
}

/// One peer's connection as MOQT sees it. See the module documentation for the contract.
pub trait Transport {
    /// The next thing that happened; `None` until more input arrives.
    fn poll_event(&mut self) -> Option<TransportEvent>;

    /// Opens a stream. `None`: no stream credit, `Available` follows.
    fn open(&mut self, kind: StreamKind) -> Option<StreamId>;

    /// Reads the next chunk, at most `max_bytes` long.
    fn read(&mut self, stream: StreamId, max_bytes: usize) -> Result<Read, StreamError>;

    /// Hands over as much as the connection accepts, advancing `chunks` in place.
    fn write(&mut self, stream: StreamId, chunks: &mut [Bytes]) -> Result<Written, StreamError>;

    /// Ends our sending side after what was written. Nothing happens on a closed stream.
    fn finish(&mut self, stream: StreamId);

    /// Abandons our sending side. Nothing happens on a closed stream.
    fn reset(&mut self, stream: StreamId, code: u64);

    /// Asks the peer to stop sending. Nothing happens on a closed stream.
    fn stop(&mut self, stream: StreamId, code: u64);

    /// Order among streams with data to send: higher goes first. Counts from the next queueing.
    fn set_priority(&mut self, stream: StreamId, order: i32);

    /// Queues a datagram.
    fn send_datagram(&mut self, payload: Bytes) -> Result<(), DatagramError>;

    /// The oldest datagram not yet received.
    fn recv_datagram(&mut self) -> Option<Bytes>;

    /// Largest datagram payload that can be sent now; `None` when the peer takes none.
    fn datagram_max(&self) -> Option<usize>;

    /// Changes what the peer may use: small for a stranger, larger after setup.
    fn set_credit(&mut self, credit: PeerCredit);

    /// Bytes that can be handed over now and would leave within about one congestion window.
    /// What is handed over is past recall, so a scheduler stops here.
    fn send_room(&self) -> usize;

    /// Measurements of the path.
    fn stats(&self) -> PathStats;

    /// What was settled before MOQT's first byte.
    fn info(&self) -> &PeerInfo;

    /// Ends the connection, or the WebTransport session, with a code and a reason (cut to 1,024
    /// bytes). `Closed(Local)` follows.
    fn close(&mut self, code: u64, reason: &str);
}
