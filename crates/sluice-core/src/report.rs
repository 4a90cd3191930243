//! What a shard tells of itself when it is asked: facts for people, never for control.
//!
//! Nothing is kept for it but a few counters; a report is made when it is asked for and costs what
//! it lists.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sluice_proto::model::{FullTrackName, Location, RequestId, TrackNamespace};
use sluice_proto::transport::Carrier;

use crate::ids::SessionKey;
use crate::origin::OriginId;

/// A scope by authority and path, both empty where scopes are not kept apart. Numbers of scopes
/// differ from shard to shard.
pub type ScopeName = (String, String);

/// Objects and bytes of payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Objects that began.
    pub objects: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl Traffic {
    /// An object that begins.
    pub(crate) const OBJECT: Traffic = Traffic { objects: 1, bytes: 0 };

    /// Payload.
    pub(crate) fn payload(bytes: usize) -> Traffic {
        Traffic { objects: 0, bytes: bytes as u64 }
    }
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, more: Traffic) {
        self.objects += more.objects;
        self.bytes += more.bytes;
    }
}

/// How much there is of what can run out, with the most there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gauge {
    /// Name of the limit.
    pub name: &'static str,
    /// Of what one may have this much.
    pub of: GaugeOf,
    /// How much there is; of sessions and tracks, how much the one that has most has.
    pub used: u64,
    /// How much there may be.
    pub max: u64,
}

/// Whose limit it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GaugeOf {
    /// The shard's.
    Shard,
    /// Each session's.
    Session,
    /// Each track's.
    Track,
}

/// A shard at a glance. What belongs to other shards of the relay is not counted, so that those of
/// all shards add up.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Overview {
    /// Sessions with peers.
    pub sessions: usize,
    /// Tracks whose home is here.
    pub tracks: usize,
    /// Subscriptions by which publishers bring tracks.
    pub publishers: usize,
    /// Subscriptions of viewers.
    pub viewers: usize,
    /// Fetches of viewers.
    pub fetches: usize,
    /// Sessions by draft and what carries them.
    pub kinds: BTreeMap<(Option<String>, Carrier), usize>,
    /// What publishers brought since the start.
    pub arrived: Traffic,
    /// Bytes of objects handed to viewers' connections since the start, with their headers.
    pub sent_bytes: u64,
    /// Limits.
    pub gauges: Vec<Gauge>,
}

/// A session with a peer.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionReport {
    /// The session.
    pub key: SessionKey,
    /// The peer's address when the connection began.
    pub remote: SocketAddr,
    /// What carries it.
    pub carrier: Carrier,
    /// The draft, once it is known.
    pub draft: Option<String>,
    /// What the peer calls itself.
    pub implementation: Option<String>,
    /// The path that it asked for.
    pub path: Option<String>,
    /// The origin that the peer is.
    pub origin: Option<OriginId>,
    /// Namespaces that it published.
    pub namespaces: usize,
    /// Tracks that it brings.
    pub publishes: usize,
    /// Tracks that it takes.
    pub views: usize,
    /// Fetches under way.
    pub fetches: usize,
    /// Memory of requests, streams and unread messages.
    pub held_bytes: usize,
    /// Rules that it broke.
    pub faults: u32,
    /// What it brought.
    pub arrived: Traffic,
    /// What it was sent, as in [`Overview::sent_bytes`].
    pub sent_bytes: u64,
    /// Round-trip time, if whoever has the connection filled it in.
    pub rtt: Option<Duration>,
}

/// What a session's request is about.
#[derive(Clone, PartialEq, Debug)]
pub struct RequestReport {
    /// Its id in the session.
    pub id: RequestId,
    /// What it does.
    pub kind: &'static str,
    /// The namespace or prefix.
    pub namespace: Option<TrackNamespace>,
    /// The track with its scope.
    pub track: Option<(ScopeName, FullTrackName)>,
}

/// A track, as far as one shard has it. The parts of all shards add up.
#[derive(Clone, PartialEq, Debug)]
pub struct TrackReport {
    /// Its scope.
    pub scope: ScopeName,
    /// Its full name.
    pub name: FullTrackName,
    /// Subscriptions by which publishers bring it.
    pub publishers: usize,
    /// Subscriptions of viewers.
    pub viewers: usize,
    /// Those that wait for a publisher.
    pub waiting: usize,
    /// Fetches.
    pub fetches: usize,
    /// Memory of stored objects.
    pub stored_bytes: usize,
    /// Groups stored.
    pub groups: usize,
    /// The largest location known.
    pub largest: Option<Location>,
    /// What publishers brought.
    pub arrived: Traffic,
    /// What viewers were sent, as in [`Overview::sent_bytes`].
    pub sent_bytes: u64,
}

/// Names a subscription within a shard, in the order in which they are listed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SubscriptionId {
    /// Whose it is.
    pub session: SessionKey,
    /// The request.
    pub request: RequestId,
}

/// Who brings a track, or takes it.
#[derive(Clone, PartialEq, Debug)]
pub struct SubscriptionReport {
    /// Which.
    pub id: SubscriptionId,
    /// The peer's address when the connection began.
    pub remote: SocketAddr,
    /// How it stands.
    pub state: &'static str,
    /// Whether objects are to flow.
    pub forward: bool,
    /// Bytes handed to its connection, for a viewer.
    pub sent_bytes: u64,
    /// Bytes stored that it was not sent yet, for a viewer.
    pub waiting_bytes: u64,
}

/// A namespace that peers or origins have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamespaceReport {
    /// Its scope.
    pub scope: ScopeName,
    /// The namespace.
    pub namespace: TrackNamespace,
    /// Sessions of this shard that published it.
    pub publishers: usize,
    /// Origins that told of it.
    pub origins: usize,
}
