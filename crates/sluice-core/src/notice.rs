//! What a shard has to say to people: for logs and counters, never for control.

use std::net::SocketAddr;
use std::time::Duration;

use sluice_proto::model::FullTrackName;
use sluice_proto::session::SessionEnd;
use sluice_proto::wire::{Place, Violation};

use crate::ids::SessionKey;
use crate::origin::OriginId;
use crate::placement::ShardId;

/// Who did something: a session and where it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerName {
    /// The session.
    pub session: SessionKey,
    /// The peer's address when its connection began.
    pub remote: SocketAddr,
}

/// Something worth a line.
#[derive(Clone, PartialEq, Debug)]
pub enum Notice {
    /// Setup with a peer is done.
    SessionReady {
        /// The session.
        session: SessionKey,
        /// What the peer calls itself.
        implementation: Option<String>,
    },
    /// A session is over.
    SessionClosed {
        /// Whose.
        peer: PeerName,
        /// Why.
        end: SessionEnd,
    },
    /// A peer broke a rule that costs less than its session.
    PeerFault {
        /// The peer.
        peer: PeerName,
        /// The rule, with the values that broke it.
        violation: Violation,
        /// Where in the peer's bytes.
        place: Place,
        /// The last fault of this session that is told.
        last: bool,
    },
    /// A viewer asks for a track that nobody publishes. Told once for each session.
    Unpublished {
        /// The viewer.
        peer: PeerName,
        /// The track.
        track: FullTrackName,
        /// How long it waits for a publisher; `None` if it was refused.
        waits: Option<Duration>,
    },
    /// An origin turned out to be this very relay. Its session is closed.
    OriginIsThisRelay {
        /// The origin.
        origin: OriginId,
    },
    /// An origin is going away and says where else it can be had. Its session goes on until it ends.
    OriginMoves {
        /// The origin.
        origin: OriginId,
        /// A URI of the peer's making.
        uri: String,
    },
    /// A track has its first publisher.
    TrackStarted {
        /// The track.
        track: FullTrackName,
    },
    /// A track is over.
    TrackEnded {
        /// The track.
        track: FullTrackName,
        /// Why.
        reason: String,
    },
    /// What was published under a track's name contradicts itself.
    MalformedTrack {
        /// Who published it so.
        peer: PeerName,
        /// The track.
        track: FullTrackName,
        /// The rule.
        reason: String,
    },
    /// A viewer was moved on to a track's newest group.
    ViewerBehind {
        /// The viewer.
        session: SessionKey,
        /// The track.
        track: FullTrackName,
        /// What it missed.
        undelivered_bytes: u64,
    },
    /// The connection to another shard of this relay broke, which no peer can cause.
    ShardLost {
        /// The shard.
        shard: ShardId,
        /// Why.
        end: SessionEnd,
    },
    /// Stored groups outlived the age that they may have.
    GroupsExpired {
        /// Groups.
        groups: usize,
    },
    /// Stored groups were given up for lack of memory.
    MemoryReclaimed {
        /// Groups.
        groups: usize,
        /// What they cost.
        freed_bytes: usize,
    },
}

/// How much a shard holds. All zero when everyone left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Sessions.
    pub sessions: usize,
    /// Tracks.
    pub tracks: usize,
    /// Subscriptions that the shard makes or accepted from publishers.
    pub upstreams: usize,
    /// Subscriptions of viewers.
    pub downstreams: usize,
    /// Fetches and fills of viewers.
    pub fetches: usize,
    /// Namespaces published.
    pub namespaces: usize,
    /// Prefixes that someone wants to hear of.
    pub interests: usize,
    /// Memory of stored objects.
    pub store_bytes: usize,
    /// Memory that sessions hold.
    pub held_bytes: usize,
    /// Deadlines set.
    pub timers: usize,
}
