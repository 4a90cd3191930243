//! QUIC and WebTransport without sockets and clocks: datagrams and time go in, datagrams, events
//! and a deadline come out.
//!
//! [`Net`] owns the connections of one UDP port. Each connection, whether raw QUIC or a
//! WebTransport session, is lent for a turn as a [`ConnTransport`], which is the
//! [`Transport`](sluice_proto::transport::Transport) that MOQT sessions run on. What does not
//! belong here: sockets, clocks, threads, randomness of its own (but for TLS), and anything of
//! MOQT: names of its versions are strings that the caller passes in.
//!
//! # Driving it
//!
//! Give it every datagram and the time, then drain it; after touching a transport, drain
//! `poll_transmit` again. Every call takes the `now` of the turn.
//!
//! ```
//! use std::time::{Duration, Instant, SystemTime};
//!
//! use bytes::BytesMut;
//! use sluice_net::dev_certificate::DevCertificate;
//! use sluice_net::tls::ServerTls;
//! use sluice_net::{Net, NetConfig, NetEvent, NetSecrets};
//! use sluice_proto::transport::{Read, Transport, TransportEvent};
//!
//! # fn receive(_until: Option<Instant>) -> Option<(std::net::SocketAddr, BytesMut)> { None }
//! # fn send(_to: std::net::SocketAddr, _bytes: &[u8], _segment: Option<usize>) {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dev = DevCertificate::generate(SystemTime::now(), &["relay.test"])?;
//! // In a program both secrets are random; in a simulation they come from its seed.
//! let mut config = NetConfig::new(NetSecrets { shared: [1; 32], seed: [2; 32] });
//! config.server = Some(ServerTls::new(vec![dev.certificate], dev.key, &["moqt-18"])?);
//! let mut net = Net::new(config);
//! let mut buffer = Vec::new();
//!
//! # for _ in 0..1 {
//! // One turn of a loop that owns a socket.
//! if let Some((from, datagram)) = receive(net.poll_timeout()) {
//!     net.handle_datagram(Instant::now(), from, None, None, datagram);
//! }
//! let now = Instant::now();
//! net.handle_timeout(now);
//! while let Some(event) = net.poll_event() {
//!     match event {
//!         NetEvent::Connected { key, info } => println!("{key:?} speaks {:?}", info.protocol),
//!         NetEvent::Active { key } => {
//!             let Some(mut transport) = net.transport(key, now) else { continue };
//!             while let Some(event) = transport.poll_event() {
//!                 if let TransportEvent::Opened(stream, _) = event {
//!                     while let Ok(Read::Data(bytes)) = transport.read(stream, 64 * 1024) {
//!                         println!("{} bytes", bytes.len());
//!                     }
//!                 }
//!             }
//!         }
//!         NetEvent::Closed { key, reason } => println!("{key:?} is gone: {reason:?}"),
//!     }
//! }
//! while let Some(transmit) = net.poll_transmit(now, &mut buffer, 10) {
//!     send(transmit.destination, &buffer[..transmit.size], transmit.segment_size);
//! }
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # Determinism
//!
//! With the same secrets, inputs and times, two runs make the same decisions. Bytes differ, as
//! TLS draws its own keys, and a certificate's ECDSA signature may be a byte shorter or longer;
//! an Ed25519 certificate makes the sizes equal too.
//!
//! # Where to start
//!
//! [`config`] has every limit; `net.rs` the turn; `connection.rs` the life of one connection;
//! `quic_streams.rs` what the QUIC library needs hidden; `web/` everything of WebTransport, its
//! `session.rs` first.

pub mod config;
pub mod dev_certificate;
pub mod dial;
pub mod ids;
pub mod tls;

mod congestion;
mod connection;
mod net;
mod quic_streams;
mod stream_credit;
mod timers;
mod transport;
mod web;

#[doc(hidden)]
pub use web::fuzzing;

pub use config::{NetConfig, NetLimits, NetSecrets};
pub use net::{ConnectionKey, EcnCodepoint, Net, NetCounters, NetEvent, Transmit};
pub use transport::ConnTransport;
