//! Sluice in virtual time: simulated links, scripted peers and the checks that hold after every
//! step. Used by tests only; nothing here is part of the product.
//!
//! What lives here, in reading order:
//! - [`sim`]: a whole relay and its peers; start with [`Sim`].
//! - [`scenario`], [`duet`] (two sessions without a relay) and [`seeds`]: random runs by seed, and
//!   how to run many of them.
//! - [`peer`] and [`hostile`]: scripted peers, with rules and without.
//! - [`content`], [`ledger`], [`record`], [`invariant`]: what is published, what arrived, and what
//!   has to agree.
//! - [`relay`]: the shards under test, with their mailboxes.
//! - [`link`]: a seeded network between two [`Transport`](sluice_proto::transport::Transport)s,
//!   with QUIC's streams, credit, priorities, delay, loss, stalls and ends of connections.
//! - [`quic`]: the same peers over real QUIC, TLS and WebTransport on simulated datagrams.
//! - [`rng`]: the one source of chance.
//!
//! What must not be here: production code paths, sockets, threads in a run, and clocks. The one
//! `Instant` that the standard library cannot make without reading a clock is read once by
//! [`link::Network::new`]; everything after it is arithmetic, so two runs of one seed differ in
//! no difference of times.

pub mod content;
pub mod duet;
pub mod hostile;
pub mod invariant;
pub mod lane;
pub mod ledger;
pub mod link;
pub mod peer;
pub mod plan;
pub mod quic;
pub mod record;
pub mod relay;
pub mod rng;
pub mod scenario;
pub mod seeds;
pub mod sim;
mod trace;

pub use content::group;
pub use sim::Sim;
