//! MOQT as one peer sees it: names and messages, wire formats, one session.
//!
//! What lives here:
//! - [`model`]: names, ids, requests, objects and codes, with the newest draft's meaning.
//! - [`wire`]: the bytes of every draft, as tables.
//! - [`session`]: the state machine of one peer.
//! - [`transport`]: the non-blocking view of one connection that everything else is driven by.
//!
//! What must not: sockets, clocks (`Instant::now`), tasks, randomness of its own, and anything
//! about *other* sessions.

pub mod model;
pub mod session;
pub mod transport;
pub mod wire;
