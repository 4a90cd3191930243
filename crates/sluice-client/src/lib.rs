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
//! `examples/chat.rs` is a whole program. Each task in a few lines:
//!
//! # Connect, and subscribe
//!
//! A subscription alone brings new objects only; [`Join::CurrentGroup`] fetches what is past of
//! the current group too, so that video starts at its key frame.
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
//! let whole = reader.end().is_some_and(|end| end.complete);
//! # Ok(())
//! # }
//! ```
//!
//! # Trust a development relay
//!
//! ```
//! use sluice_client::{ConnectOptions, Trust};
//!
//! # let hash = [0; 32];
//! let trust = Trust::CertificateHashes(vec![hash]);
//! let options = ConnectOptions { trust, ..ConnectOptions::default() };
//! ```
//!
//! # Publish
//!
//! Tracks are opened before their namespace is published, as subscribers may be waiting for it.
//! [`TrackWriter::write`] waits while too much is unsent.
//!
//! ```no_run
//! use sluice_client::{Client, Object};
//! use sluice_proto::model::{
//!     FullTrackName, GroupId, Priority, TrackName, TrackNamespace, TrackProperties, TrackSettings,
//! };
//!
//! # async fn publish(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let namespace = TrackNamespace::from_path("live/clock")?;
//! let track = FullTrackName::new(namespace.clone(), TrackName::new("seconds")?)?;
//! let settings = TrackSettings { priority: Some(Priority(64)), ..TrackSettings::default() };
//! let mut writer = client.open_track(track, TrackProperties::from_settings(&settings));
//! client.publish_namespace(namespace).await?;
//! writer.wanted().await?;
//! for second in 0..60 {
//!     writer.write(Object::new(second, 0, second.to_string())).await?;
//!     writer.end_group(GroupId(second));
//! }
//! writer.finish().await?;
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Offer a track instead, and take what is offered
//!
//! ```no_run
//! # use sluice_client::{Client, TrackWriter};
//! # use sluice_proto::model::TrackNamespace;
//! # async fn offer(client: Client, mut writer: TrackWriter) -> Result<(), Box<dyn std::error::Error>> {
//! writer.offer().await?;
//!
//! let mut offers = client.watch_tracks(TrackNamespace::from_path("live")?).await?;
//! while let Some((track, mut reader)) = offers.next().await {
//!     println!("{track}: {:?}", reader.next().await?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Learn who publishes
//!
//! ```no_run
//! # use sluice_client::{Client, NamespaceNews};
//! # use sluice_proto::model::TrackNamespace;
//! # async fn watch(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let mut watch = client.watch_namespaces(TrackNamespace::from_path("live")?).await?;
//! while let Some(news) = watch.next().await {
//!     match news {
//!         NamespaceNews::Announced(namespace) => println!("+ {namespace}"),
//!         NamespaceNews::Withdrawn(namespace) => println!("- {namespace}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Fetch the past
//!
//! ```no_run
//! # use sluice_client::Client;
//! # use sluice_proto::model::{FullTrackName, GroupId, Location, LocationFilter, RangeEnd};
//! # async fn fetch(client: Client, track: FullTrackName) -> Result<(), Box<dyn std::error::Error>> {
//! let end = RangeEnd { group: GroupId(9), object: None };
//! let range = LocationFilter::Range(Location::new(7, 0), end);
//! let mut past = client.fetch(track, range).await?;
//! while let Some(object) = past.next().await? {
//!     println!("{}", object.location);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Subgroups, datagrams, properties, priorities
//!
//! ```
//! use sluice_client::Object;
//! use sluice_proto::model::{
//!     Delivery, Priority, Properties, PropertyEncoding, PropertyValue, SubgroupId,
//! };
//!
//! let mut layer = Object::new(7, 3, "an enhancement layer");
//! layer.delivery = Delivery::Subgroup(SubgroupId(1));
//! layer.priority = Some(Priority(200));
//! // Even types hold an integer, odd ones bytes; each draft gets its own encoding of them.
//! let timestamp = [(0x10, PropertyValue::Int(90_000))];
//! layer.properties = Properties::from_entries(PropertyEncoding::DeltaVi64, timestamp)?;
//!
//! let mut sample = Object::new(7, 4, "may be lost, is never late");
//! sample.delivery = Delivery::Datagram;
//! # Ok::<(), sluice_proto::model::PropertyError>(())
//! ```

mod client;
mod driver;
mod endpoint;
mod object;
mod peer;
mod reader;
mod target;
mod watch;

pub use client::{Client, ClientError, ConnectOptions, TrackWriter};
pub use driver::{ConnectError, Trust};
pub use endpoint::endpoint;
pub use object::{Object, TrackEnd};
pub use peer::{
    Join, Peer, PeerCommand, PeerEvent, PeerLimits, PublicationKey, SubscriptionKey, WatchKey,
};
pub use reader::{Past, Reader};
pub use target::{Target, TargetError};
pub use watch::{NamespaceNews, NamespaceWatch, TrackWatch};
