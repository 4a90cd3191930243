//! The relay without its surroundings: what is published, who wants it, what is stored.
//!
//! What lives here:
//! - [`Shard`]: the state machine of one worker: sessions, tracks, subscriptions, fetches.
//! - [`Placement`]: which shard of several is home of a track.
//! - [`store`]: the objects of one track, fan-out buffer and cache in one structure.
//! - [`Limits`]: everything that is bounded.
//!
//! What must not: draft numbers, byte layouts, sockets, clocks, files, `async`, locks.
//!
//! A shard is driven in turns: [`Shard::open_session`] when a connection is ready,
//! [`Shard::handle_session`] when it has something to say, [`Shard::handle_timeout`] when
//! [`Shard::poll_timeout`] has come, and then [`Shard::flush`], which writes to each session that
//! has something to send, once. Events of one session never write to another: they mark it, and
//! `flush` acts. Several shards make one relay: what [`Shard::poll_message`] returns goes to the
//! other shard's [`Shard::handle_message`].

mod downstream;
mod fetch;
mod ids;
mod limits;
mod link;
mod namespace;
mod new_group;
mod notice;
mod numbering;
mod origin;
mod out_stream;
mod placement;
mod report;
mod shard;
pub mod store;
mod timers;
mod track;

pub use ids::{ScopeId, SessionKey};
pub use limits::Limits;
pub use notice::{Census, Notice, PeerName};
pub use origin::{Offer, OriginId, OriginTerms, RelayId};
pub use placement::{Placement, ShardId};
pub use report::{
    Gauge, GaugeOf, NamespaceReport, Overview, RequestReport, ScopeName, SessionReport,
    SubscriptionId, SubscriptionReport, TrackReport, Traffic,
};
pub use shard::{Scoping, Shard, ShardMessage, Transports};
