//! A client for Media over QUIC relays: publish tracks, subscribe to them, fetch the past.
//!
//! Three layers, each usable alone:
//! - [`Target`] says where to connect: `https://host/path` is WebTransport, `moqt://host/path`
//!   raw QUIC.
//! - [`Peer`] is the client without I/O: one session, the tracks it publishes and the
//!   subscriptions it holds. It is driven like the session under it and runs in simulation.
//! - [`Client`] is the face for programs: a thread drives a `Peer` over a UDP socket, and async
//!   methods, which run on any executor, talk to it.
//!
//! What it does not do: media (see `sluice-media`), reconnecting, or choosing tracks.
//!
//! ```no_run
//! use sluice_client::{Client, ConnectOptions, Join, Target};
//! use sluice_proto::model::{FullTrackName, TrackName, TrackNamespace};
//!
//! # async fn watch() -> Result<(), Box<dyn std::error::Error>> {
//! let target: Target = "moqt://localhost:4433/moq".parse()?;
//! let client = Client::connect(&target, ConnectOptions::default()).await?;
//! let track = FullTrackName::new(TrackNamespace::from_path("live/cam")?, TrackName::new("video0")?)?;
//! let mut reader = client.subscribe(track, Join::CurrentGroup).await?;
//! while let Some(object) = reader.next().await? {
//!     println!("{} {} bytes", object.location, object.payload.len());
//! }
//! # Ok(())
//! # }
//! ```

mod client;
mod driver;
mod object;
mod peer;
mod reader;
mod target;
mod watch;

pub use client::{Client, ClientError, ConnectOptions, TrackWriter};
pub use driver::{ConnectError, Trust};
pub use object::{Object, TrackEnd};
pub use peer::{
    Join, Peer, PeerCommand, PeerEvent, PeerLimits, PublicationKey, SubscriptionKey, WatchKey,
};
pub use reader::{Past, Reader};
pub use target::{Target, TargetError};
pub use watch::{NamespaceNews, NamespaceWatch, TrackWatch};
