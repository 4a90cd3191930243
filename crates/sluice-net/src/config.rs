//! What a [`Net`](crate::Net) is told once: its limits, its secrets, its place among shards.

use std::sync::Arc;
use std::time::Duration;

use quinn_proto::congestion::CubicConfig;
use quinn_proto::{IdleTimeout, TransportConfig, VarInt};
use ring::hmac;
use rustls::pki_types::PrivateKeyDer;
use sluice_proto::transport::PeerCredit;

use crate::congestion::MeteredFactory;
use crate::tls::ServerTls;

/// Everything that a peer can make us hold, with the act when it is reached.
#[derive(Clone, Debug)]
pub struct NetLimits {
    /// Connections at once, closing ones included. Reached: new ones are refused.
    pub connections_max: usize,
    /// Incoming connections whose handshake is unfinished. Half of it reached: an unvalidated
    /// address has to answer a Retry first. Reached: new ones are refused.
    pub handshakes_max: usize,
    /// From the first datagram to the end of the handshake, on WebTransport to the answered
    /// CONNECT. Reached: the connection is closed.
    pub handshake_timeout: Duration,
    /// What a peer may use until `Transport::set_credit` says otherwise.
    pub stranger_credit: PeerCredit,
    /// Bytes that one stream may have in flight towards us. The connection's window, part of
    /// [`PeerCredit`], bounds the sum.
    pub stream_window_bytes: u32,
    /// Bytes that one connection may have handed over and not acknowledged, however large its
    /// congestion window grows. Reached: writing accepts nothing.
    pub send_window_bytes_max: u64,
    /// Bytes of unread datagrams. Reached: the oldest are dropped.
    pub datagram_receive_bytes: usize,
    /// Bytes of unsent datagrams. Reached: sending answers `Blocked`.
    pub datagram_send_bytes: usize,
    /// Silence after which a connection is over.
    pub idle_timeout: Duration,
    /// Silence after which we ask whether the peer is there.
    pub keep_alive: Duration,
    /// WebTransport: streams whose preamble has begun and is incomplete. Reached: a new one is
    /// refused. Streams without a byte are bounded by the credit for streams.
    pub preambles_max: usize,
    /// WebTransport: time for a preamble from its first byte. Reached: the stream is refused.
    pub preamble_timeout: Duration,
    /// WebTransport: streams held until the CONNECT they belong to is answered. Reached: a new
    /// one is refused with WEBTRANSPORT_BUFFERED_STREAM_REJECTED.
    pub early_streams_max: usize,
    /// Answers to datagrams of no connection (refusals, version negotiation, stateless resets)
    /// that wait for the socket. Reached: further ones are not sent.
    pub answers_max: usize,
}

impl Default for NetLimits {
    fn default() -> NetLimits {
        NetLimits {
            connections_max: 10_000,
            handshakes_max: 1_000,
            handshake_timeout: Duration::from_secs(10),
            stranger_credit: PeerCredit {
                uni_streams: 16,
                bidi_streams: 16,
                window_bytes: 64 * 1024,
            },
            stream_window_bytes: 1024 * 1024,
            send_window_bytes_max: 8 * 1024 * 1024,
            datagram_receive_bytes: 128 * 1024,
            datagram_send_bytes: 64 * 1024,
            idle_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(10),
            preambles_max: 256,
            preamble_timeout: Duration::from_secs(10),
            early_streams_max: 32,
            answers_max: 64,
        }
    }
}

impl NetLimits {
    /// The QUIC parameters that follow from these limits.
    ///
    /// Differs from the library's defaults where those suit a single trusted peer: a finite
    /// connection window, no fairness among streams (priorities decide), short datagram queues.
    pub(crate) fn transport(&self) -> TransportConfig {
        let mut config = TransportConfig::default();
        config
            .max_concurrent_uni_streams(self.stranger_credit.uni_streams.into())
            .max_concurrent_bidi_streams(self.stranger_credit.bidi_streams.into())
            .receive_window(self.stranger_credit.window_bytes.into())
            .stream_receive_window(self.stream_window_bytes.into())
            .send_fairness(false)
            .datagram_receive_buffer_size(Some(self.datagram_receive_bytes))
            .datagram_send_buffer_size(self.datagram_send_bytes)
            .max_idle_timeout(Some(idle_timeout(self.idle_timeout)))
            .keep_alive_interval(Some(self.keep_alive))
            .initial_rtt(Duration::from_millis(100))
            .congestion_controller_factory(Arc::new(MeteredFactory::new(Arc::new(
                CubicConfig::default(),
            ))));
        config
    }
}

fn idle_timeout(after: Duration) -> IdleTimeout {
    let millis = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    IdleTimeout::from(VarInt::from_u32(millis))
}

/// The randomness of a [`Net`](crate::Net), given from outside so that a simulation repeats.
#[derive(Clone)]
pub struct NetSecrets {
    /// Equal on all shards of a port: stateless-reset and address-token keys derive from it.
    pub shared: [u8; 32],
    /// Different on each shard and in each process: connection ids and padding derive from it.
    pub seed: [u8; 32],
}

impl NetSecrets {
    /// A shared secret for the owner of a private key, the same after each start. With it, peers of
    /// a server that died learn from the next one at its address that their connection is over (RFC
    /// 9000 §10.3.2), instead of waiting for their idle timeout.
    pub fn shared_of(key: &PrivateKeyDer<'_>) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.secret_der());
        let mut secret = [0; 32];
        secret.copy_from_slice(hmac::sign(&key, b"sluice shared secret").as_ref());
        secret
    }
}

/// Everything that a [`Net`](crate::Net) is told when it is made.
#[derive(Clone)]
pub struct NetConfig {
    /// Bounds of what peers can make us hold.
    pub limits: NetLimits,
    /// Keys and seed.
    pub secrets: NetSecrets,
    /// Index of the shard, carried (masked) by its connection ids. See
    /// [`shard_of`](crate::ids::shard_of).
    pub shard: u8,
    /// Certificate and protocols when connections are to be accepted.
    pub server: Option<ServerTls>,
    /// Whether the socket never fragments, which path MTU discovery needs.
    pub discover_mtu: bool,
}

impl NetConfig {
    /// A configuration with default limits that only dials.
    pub fn new(secrets: NetSecrets) -> NetConfig {
        NetConfig {
            limits: NetLimits::default(),
            secrets,
            shard: 0,
            server: None,
            discover_mtu: true,
        }
    }
}
