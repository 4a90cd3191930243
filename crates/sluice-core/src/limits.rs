//! Bounds of a shard, each with its act when it is reached.

use std::time::Duration;

use crate::store::StoreLimits;

/// What a shard holds at most, and how patient it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Memory for stored objects. Reached: the oldest groups go, the newest group of a watched
    /// track last.
    pub store_bytes_max: usize,
    /// A track that holds more than this loses its oldest groups before others do.
    pub track_share_bytes: usize,
    /// A group whose newest object arrived longer ago than this is given up, but for the newest group
    /// of a track: a catalog may be one object.
    pub object_age_max: Duration,
    /// How often such groups are looked for, as well as those past the cache duration that their
    /// publisher set. Zero: never.
    pub sweep_every: Duration,
    /// Memory that all sessions together may hold: requests, streams, early data, unread control
    /// messages. Beyond it requests are refused with EXCESSIVE_LOAD; an eighth beyond it, the
    /// session that holds most is closed.
    pub held_bytes_max: usize,
    /// Sessions at once with a publisher's receive window. Further publishers keep the small one.
    pub publisher_windows_max: usize,
    /// Tracks at once. Reached: requests for further ones are refused with EXCESSIVE_LOAD.
    pub tracks_max: usize,
    /// Namespaces that one session may publish. Reached: refused with EXCESSIVE_LOAD.
    pub namespaces_max: usize,
    /// Namespace interests that one session may have. Reached: refused with EXCESSIVE_LOAD.
    pub interests_max: usize,
    /// Bytes of namespaces that one interest is told of at once. An interest in a prefix that has
    /// more is refused with NAMESPACE_TOO_LARGE: it has to ask for longer prefixes.
    pub listing_bytes_max: usize,
    /// How long an upstream subscription is kept after its last viewer.
    pub linger: Duration,
    /// How long viewers of a track are kept after its last publisher was lost, and a new viewer
    /// while an origin that may have its track is away. Viewers of a track that an origin brought are
    /// kept for as long as they like.
    pub source_hold: Duration,
    /// How long subgroups that a publisher left in the middle are kept open for another one.
    pub subgroup_hold: Duration,
    /// How long nothing may come of a group that no mark ends, once a later one has begun, until a
    /// FETCH takes it for over. Only where no publisher can be asked.
    pub group_settle: Duration,
    /// How long an origin may take to answer. Then another is asked, or who waits is told.
    pub origin_wait: Duration,
    /// Longest wait for a publisher that a SUBSCRIBE may ask for.
    pub rendezvous_max: Duration,
    /// Wait for streams that a publisher still owes after PUBLISH_DONE.
    pub done_wait: Duration,
    /// Wait for more streams than a publisher says it opened, if it says none or one.
    pub done_doubt: Duration,
    /// Longest wait of a fetch for upstream, unless it asks for less.
    pub fetch_wait: Duration,
    /// A viewer is behind on a track with more than this undelivered: it goes on at the newest
    /// group.
    pub behind_bytes_max: u64,
    /// A viewer is behind on a track with more than this many groups undelivered.
    pub behind_groups_max: usize,
    /// Being behind by groups counts once the oldest of them has waited this long: a burst of
    /// short groups is not a slow viewer.
    pub behind_wait: Duration,
    /// A subscription that could deliver nothing for this long ends with TOO_FAR_BEHIND.
    pub behind_max: Duration,
    /// Most bytes of payload taken from a cursor at once.
    pub chunk_bytes_max: usize,
    /// Bytes under way from one shard to another. Reached: the reader's cursors stay where they are,
    /// like those of a slow viewer.
    pub shard_credit_bytes: usize,
    /// Scopes that shards share links for, which are kept. Reached: sessions that name a further one
    /// are closed. One shard alone forgets a scope with its last session instead.
    pub linked_scopes_max: usize,
    /// Faults of one session that are told to people. Further ones are dealt with in silence.
    pub faults_told_max: u32,
    /// Of one track's store.
    pub store: StoreLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            store_bytes_max: 512 << 20,
            track_share_bytes: 64 << 20,
            object_age_max: Duration::from_secs(180),
            sweep_every: Duration::from_secs(10),
            held_bytes_max: 128 << 20,
            publisher_windows_max: 256,
            tracks_max: 100_000,
            namespaces_max: 1024,
            interests_max: 256,
            listing_bytes_max: 512 << 10,
            linger: Duration::from_secs(5),
            source_hold: Duration::from_secs(5),
            subgroup_hold: Duration::from_secs(1),
            group_settle: Duration::from_secs(2),
            origin_wait: Duration::from_secs(5),
            rendezvous_max: Duration::from_secs(30),
            done_wait: Duration::from_secs(2),
            done_doubt: Duration::from_millis(200),
            fetch_wait: Duration::from_secs(10),
            behind_bytes_max: 4 << 20,
            behind_groups_max: 2,
            behind_wait: Duration::from_millis(500),
            behind_max: Duration::from_secs(120),
            chunk_bytes_max: 16 << 10,
            shard_credit_bytes: 1 << 20,
            linked_scopes_max: 1024,
            faults_told_max: 16,
            store: StoreLimits::default(),
        }
    }
}
