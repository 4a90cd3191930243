//! What one peer may cost, with the defaults in one place.

use std::time::Duration;

/// The bounds of one session, each with what happens when it is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionLimits {
    /// Requests that the peer may have open at a time, updates without an answer included. One
    /// more is refused with [`ExcessiveLoad`], or closes the session where a draft announces the
    /// limit.
    ///
    /// [`ExcessiveLoad`]: crate::model::RequestCode::ExcessiveLoad
    pub requests_max: u32,
    /// Open subscriptions among them, by SUBSCRIBE or PUBLISH. One more is refused.
    pub subscriptions_max: u32,
    /// Open namespace publications and interests among them. One more is refused.
    pub namespaces_max: u32,
    /// Updates of one request that may be without an answer. One more of the peer closes the session,
    /// one more of ours waits, for fewer where the peer says so. As many as one read may bring wait
    /// for an owner that answers at once, so it is larger than that.
    pub updates_max: u32,
    /// Ranges in the range filters of a request. More refuse it. 0: range filters are refused.
    pub filter_ranges_max: u32,
    /// Own requests that may wait for the peer's credit. One more is a
    /// [`CommandError`](super::CommandError).
    pub waiting_requests_max: usize,

    /// Memory that the peer makes the session hold: requests, streams, early data, unread control
    /// messages. Beyond it new requests are refused with EXCESSIVE_LOAD.
    pub held_bytes_max: usize,

    /// Data streams held whose track alias is not known yet. One more is stopped.
    pub early_streams_max: usize,
    /// Bytes read from them, and of datagrams without a known alias. Further streams are stopped,
    /// further datagrams are dropped.
    pub early_bytes_max: usize,
    /// How long they are held. Then the streams are stopped and the datagrams dropped.
    pub early_wait: Duration,
    /// How long the alias of an ended subscription is remembered for data still on its way, and
    /// how long a peer may leave its half of a finished request's stream open.
    pub late_wait: Duration,

    /// Time for a publisher's answer to SUBSCRIBE where publishers are known to give none. Then the
    /// request counts as refused.
    pub answer_wait: Duration,
    /// Time for the peer's SETUP. Then the session is closed.
    pub setup_timeout: Duration,
    /// Outgoing control bytes that may wait for the peer to read. More close the session.
    pub control_buffer_bytes_max: usize,
    /// Bytes taken from the transport in one call of
    /// [`Session::handle_transport`](super::Session::handle_transport).
    pub event_read_bytes: usize,
    /// Bytes of tokens that the peer may register, each counted with 16 bytes more. More close
    /// the session.
    pub token_cache_bytes: u64,

    /// Credit for unidirectional streams after setup. A live audio track is 100 streams a second.
    pub uni_streams_max: u32,
    /// Credit for bidirectional streams after setup: one for each open request in newer drafts.
    pub bidi_streams_max: u32,
    /// Bytes in flight on the connection after setup.
    pub window_bytes: u32,
    /// Bytes in flight on the connection of a peer that publishes, once
    /// [`Session::widen_window`](super::Session::widen_window) was called.
    pub publisher_window_bytes: u32,
    /// Credit for unidirectional streams before setup.
    pub setup_uni_streams_max: u32,
    /// Credit for bidirectional streams before setup.
    pub setup_bidi_streams_max: u32,
    /// Bytes in flight on the connection before setup.
    pub setup_window_bytes: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            requests_max: 1024,
            subscriptions_max: 1024,
            namespaces_max: 1024,
            updates_max: 65_536,
            filter_ranges_max: 0,
            waiting_requests_max: 4096,
            held_bytes_max: 16 * 1024 * 1024,
            early_streams_max: 256,
            early_bytes_max: 512 * 1024,
            early_wait: Duration::from_secs(1),
            late_wait: Duration::from_secs(5),
            answer_wait: Duration::from_secs(10),
            setup_timeout: Duration::from_secs(10),
            control_buffer_bytes_max: 1024 * 1024,
            event_read_bytes: 256 * 1024,
            token_cache_bytes: 0,
            uni_streams_max: 512,
            bidi_streams_max: 1024,
            window_bytes: 4 * 1024 * 1024,
            publisher_window_bytes: 4 * 1024 * 1024,
            setup_uni_streams_max: 16,
            setup_bidi_streams_max: 16,
            setup_window_bytes: 128 * 1024,
        }
    }
}
