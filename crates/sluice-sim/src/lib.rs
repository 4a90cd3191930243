//! Sluice in virtual time: simulated links, scripted peers and the checks that hold after every
//! step. Used by tests only; nothing here is part of the product.
//!
//! What lives here:
//! - [`link`]: a seeded network between two [`Transport`](sluice_proto::transport::Transport)s,
//!   with QUIC's streams, credit, priorities, delay, loss, stalls and ends of connections.
//! - [`quic`]: real QUIC, TLS and WebTransport on simulated datagrams.
//! - [`rng`]: the one source of chance.
//!
//! What must not be here: production code paths, sockets, threads in a run, and clocks. The one
//! `Instant` that the standard library cannot make without reading a clock is read once by
//! [`link::Network::new`]; everything after it is arithmetic, so two runs of one seed differ in
//! no difference of times.
//!
//! Start with [`link::Network`].

pub mod link;
pub mod quic;
pub mod rng;
