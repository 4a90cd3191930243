//! Load for a Media over QUIC relay, and what the relay did with it.
//!
//! [`run`] connects publishers and viewers to a relay, lets them work for a while, and returns a
//! [`Report`]. It knows relays by their address alone, so any relay can be measured; given the
//! relay's process id it also reads what the relay costs from the system.
//!
//! One thread publishes, one fetches, and one or more others hold the viewers. Each
//! has a socket of its own and drives its connections as a relay's shard would, without an async runtime, so that a core
//! of load is worth more than a core of relay.
//!
//! - [`load`] says what is asked of the relay.
//! - [`stamp`] is what a payload begins with: which object it is and when it was due.
//! - [`meter`] counts what arrives.
//! - [`process`] reads what another process uses.
//! - [`report`] is the result, for people and for machines.
//! - [`series`] is what happened second by second.
//! - [`floor`] sends the same payloads without a relay: what any relay on this QUIC library costs at least.

pub mod floor;
pub mod load;
pub mod meter;
pub mod process;
pub mod report;
pub mod series;
pub mod stamp;

mod control;
mod fetcher;
mod fleet;
mod publisher;
mod run;
mod viewer;

pub use load::{Load, Relay};
pub use report::Report;
pub use run::{BenchError, Progress, run};
