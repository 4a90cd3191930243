//! What a simulated link is like.

use std::time::Duration;

use sluice_proto::transport::{Carrier, PeerCredit};

/// One direction of a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathConfig {
    /// Time a packet is on its way.
    pub delay: Duration,
    /// Most that chance adds to `delay`, packet by packet, so that packets overtake each other.
    pub jitter: Duration,
    /// Bits that leave per second; `None` for no limit.
    pub bits_per_second: Option<u64>,
    /// Packets lost, in a thousand. A lost stream packet arrives later, a lost datagram never.
    pub loss_permille: u16,
    /// Congestion window: bytes under way before the sender waits for acknowledgements.
    pub window_bytes: usize,
    /// Largest packet payload.
    pub mtu_bytes: usize,
    /// What the bottleneck queues before it drops; only of the lane with real QUIC.
    pub queue: Duration,
}

impl Default for PathConfig {
    /// 10 ms, no jitter, no loss, no bandwidth limit, a window of 256 KiB.
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            bits_per_second: None,
            loss_permille: 0,
            window_bytes: 256 * 1024,
            mtu_bytes: 1200,
            queue: Duration::from_millis(150),
        }
    }
}

/// Liberties that a transport has within its contract and that owners forget about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Quirks {
    /// Reads, in a thousand, that return a single byte.
    pub tiny_reads_permille: u16,
    /// Writes, in a thousand, that accept only a part although there was room.
    pub partial_writes_permille: u16,
    /// `Readable`s and `Writable`s, in a thousand, that are told twice.
    pub stale_events_permille: u16,
    /// Most that chance adds before new stream credit reaches the peer.
    pub late_credit: Duration,
}

/// A link between a client and a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkConfig {
    /// What the client sends.
    pub up: PathConfig,
    /// What the server sends.
    pub down: PathConfig,
    /// Credit that the server gives the client before it says otherwise.
    pub server_grants: PeerCredit,
    /// Credit that the client gives the server before it says otherwise.
    pub client_grants: PeerCredit,
    /// Bytes in flight on one stream, both ways.
    pub stream_window_bytes: u32,
    /// Largest datagram; `None` for a link without datagrams.
    pub datagram_max: Option<usize>,
    /// How long an end takes to notice that a cut link is silent.
    pub idle_timeout: Duration,
    /// Liberties taken.
    pub quirks: Quirks,
    /// How MOQT is carried.
    pub carrier: Carrier,
    /// What was negotiated below MOQT.
    pub protocol: Option<String>,
    /// `:path`, seen by the server of a WebTransport session.
    pub path: Option<String>,
    /// Authority, seen by the server.
    pub authority: Option<String>,
}

impl Default for LinkConfig {
    /// Raw QUIC without a negotiated protocol, two default paths, 100 streams and 1 MiB each way.
    fn default() -> Self {
        let grants = PeerCredit { uni_streams: 100, bidi_streams: 100, window_bytes: 1 << 20 };
        Self {
            up: PathConfig::default(),
            down: PathConfig::default(),
            server_grants: grants,
            client_grants: grants,
            stream_window_bytes: 256 * 1024,
            datagram_max: Some(1180),
            idle_timeout: Duration::from_secs(5),
            quirks: Quirks::default(),
            carrier: Carrier::Quic,
            protocol: None,
            path: None,
            authority: None,
        }
    }
}

impl LinkConfig {
    /// No delay at all: what is written has arrived after the next advance.
    pub fn instant() -> Self {
        Self::default().delay(Duration::ZERO)
    }

    /// The negotiated ALPN or WebTransport protocol.
    pub fn protocol(mut self, protocol: impl Into<String>) -> Self {
        self.protocol = Some(protocol.into());
        self
    }

    /// Carried in a WebTransport session at this path.
    pub fn web_transport(mut self, path: &str) -> Self {
        self.carrier = Carrier::WebTransport;
        self.path = Some(path.into());
        self.authority = Some("relay.test".into());
        self
    }

    /// One-way delay, both ways.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.up.delay = delay;
        self.down.delay = delay;
        self
    }

    /// Jitter, both ways.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.up.jitter = jitter;
        self.down.jitter = jitter;
        self
    }

    /// Loss, both ways.
    pub fn loss_permille(mut self, permille: u16) -> Self {
        self.up.loss_permille = permille;
        self.down.loss_permille = permille;
        self
    }

    /// Bandwidth of what the server sends.
    pub fn down_bits_per_second(mut self, bits: u64) -> Self {
        self.down.bits_per_second = Some(bits);
        self
    }

    /// Liberties taken.
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }
}
