//! One MOQT session: setup, the table of requests, control and data streams.
//!
//! A session is driven; it does nothing by itself:
//!
//! 1. Something happened on the connection: [`Session::handle_transport`]; or a deadline passed:
//!    [`Session::handle_timeout`].
//! 2. Drain [`Session::poll_event`], acting on each. Commands (`request`, `subscribe_ok`,
//!    `cancel`, …) only queue.
//! 3. [`Session::flush`] writes what the commands queued. Data goes through
//!    [`Session::open_subgroup`], [`Session::open_fetch`] and `Transport::write` directly.
//! 4. Sleep until the transport has events or [`Session::poll_timeout`].
//!
//! Events and commands are canonical (`model`). What a draft cannot express is emulated here or
//! refused with [`CommandError`]; owners never ask which draft a peer speaks. A peer's
//! fault costs what [`Violation::reach`](crate::wire::Violation::reach) says: a stream, a request, or the session.

mod command;
mod config;
mod deadline;
mod event;
mod limits;

pub use command::{CommandError, SendDatagramError};
pub use config::SessionConfig;
pub use deadline::SessionDeadline;
pub use event::{RequestEnd, Response, SessionEnd, SessionEvent};
pub use limits::SessionLimits;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::model::{
    DatagramHead, DoneCode, FetchOk, PublishOk, Request, RequestError, RequestId, RequestOk,
    RequestUpdate, ResetCode, SessionCode, StateNotify, SubgroupHead, SubscribeOk, TrackAlias,
    TrackName, TrackNamespace,
};
use crate::transport::{PeerInfo, StreamId, Transport};
use crate::wire::Dialect;

/// Whether a session has read everything there was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadProgress {
    /// Nothing more until the transport has events.
    Idle,
    /// The read budget is used up: call again next turn, events or not.
    More,
}

/// One peer. See the module's documentation for how to drive it.
#[derive(Debug)]
pub struct Session {
    events: VecDeque<SessionEvent>,
    closed: bool,
    next_alias: u64,
}

impl Session {
    /// A session over a connection that was just established.
    pub fn new(_config: &SessionConfig, _info: &PeerInfo, _now: Instant) -> Self {
        Self { events: VecDeque::new(), closed: false, next_alias: 1 }
    }

    /// Takes what happened on the connection, at most
    /// [`event_read_bytes`](SessionLimits::event_read_bytes) of data.
    pub fn handle_transport(&mut self, _t: &mut dyn Transport, _now: Instant) -> ReadProgress {
        ReadProgress::Idle
    }

    /// The next thing the owner has to know.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, SessionDeadline)> {
        deadline::soonest([])
    }

    /// Time has passed. Flush afterwards.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// Writes what is queued, as far as the connection takes it.
    pub fn flush(&mut self, _t: &mut dyn Transport, _now: Instant) {}

    /// Whether [`flush`](Self::flush) has something to do.
    pub fn needs_flush(&self) -> bool {
        false
    }

    /// Whether the session is over. Drop it when its events are drained and it is flushed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether both SETUPs are done.
    pub fn is_ready(&self) -> bool {
        false
    }

    /// The peer's draft; `None` until it is known.
    pub fn dialect(&self) -> Option<&'static Dialect> {
        None
    }

    /// Whether the peer sent GOAWAY: start nothing new here if there is another source.
    pub fn peer_going_away(&self) -> bool {
        false
    }

    /// Asks the peer for something. Waits inside the session while the peer gives no credit.
    ///
    /// Interest in namespaces and tracks at once is one request here also where the draft needs
    /// two. A joining fetch, a fill or a filter that the draft lacks is refused: resolve it first.
    pub fn request(&mut self, _request: Request) -> Result<RequestId, CommandError> {
        Err(CommandError::NotReady)
    }

    /// Changes a request of ours, or a subscription taken by the peer's PUBLISH. The id names the
    /// update in the answer and its fill. Where updates have no answer it applies at once.
    pub fn update(
        &mut self,
        id: RequestId,
        _update: RequestUpdate,
    ) -> Result<RequestId, CommandError> {
        Err(CommandError::NotOpen(id))
    }

    /// Ends our SUBSCRIBE, FETCH, namespace interest or namespace publication, or leaves a track
    /// taken by the peer's PUBLISH. Nothing more is reported of it. A PUBLISH of ours ends by
    /// [`publish_done`](Self::publish_done).
    pub fn cancel(&mut self, _id: RequestId, _code: ResetCode) {}

    /// An alias that no track published on this session has.
    pub fn next_alias(&mut self) -> TrackAlias {
        let alias = TrackAlias(self.next_alias);
        self.next_alias += 1;
        alias
    }

    /// Accepts the peer's SUBSCRIBE.
    ///
    /// Answers to a request that the peer has ended meanwhile are ignored, here and below. An
    /// answer that the peer's draft cannot express becomes a refusal, and the request is reported
    /// as cancelled.
    pub fn subscribe_ok(&mut self, _id: RequestId, _ok: SubscribeOk) {}

    /// Accepts the peer's PUBLISH. Where the draft has no room for the settings, an update follows
    /// by itself.
    pub fn publish_ok(&mut self, _id: RequestId, _ok: PublishOk) {}

    /// Accepts the peer's FETCH; objects may have been sent before.
    pub fn fetch_ok(&mut self, _id: RequestId, _ok: FetchOk) {}

    /// Accepts the peer's namespace publication or interest, or answers its TRACK_STATUS.
    pub fn request_ok(&mut self, _id: RequestId, _ok: RequestOk) {}

    /// Refuses a request of the peer. Data streams opened for it are reset.
    pub fn refuse(&mut self, _id: RequestId, _error: RequestError) {}

    /// Answers an update of the peer; ignored where updates have no answer. A refused update of a
    /// subscription ends it: [`publish_done`](Self::publish_done) has to follow, with
    /// [`DoneCode::UpdateFailed`].
    pub fn answer_update(
        &mut self,
        _id: RequestId,
        _update_id: RequestId,
        _result: Result<RequestOk, RequestError>,
    ) {
    }

    /// Ends a subscription that we serve: the peer's SUBSCRIBE or our PUBLISH. It is sent, with
    /// the number of streams, once all data streams opened for it are finished or reset by their
    /// owner. Where the draft does not end a subscription for this reason it stays open.
    pub fn publish_done(&mut self, _id: RequestId, _code: DoneCode, _reason: &str) {}

    /// Withdraws the acceptance of a namespace that the peer publishes.
    pub fn revoke(&mut self, _id: RequestId, _error: RequestError) {}

    /// Announces a namespace under the prefix of the peer's interest `id`. Where the draft has no
    /// message for it, a PUBLISH_NAMESPACE of ours stands in.
    pub fn namespace(&mut self, _id: RequestId, _suffix: TrackNamespace) {}

    /// Takes back what [`namespace`](Self::namespace) announced; ignored if nothing was.
    pub fn namespace_done(&mut self, _id: RequestId, _suffix: TrackNamespace) {}

    /// Says that a track under the prefix of the peer's interest `id` will not be offered by
    /// PUBLISH. Left out where the draft cannot say it.
    pub fn publish_blocked(&mut self, _id: RequestId, _suffix: TrackNamespace, _name: TrackName) {}

    /// Tells a subscriber what changed. Left out where the draft cannot say it.
    pub fn state_notify(&mut self, _id: RequestId, _notify: StateNotify) {}

    /// Asks the peer to leave: its new requests are refused from now on. With a timeout the
    /// session is closed when that has passed. Only a server can name a uri; a second call is
    /// ignored.
    pub fn goaway(&mut self, _uri: &str, _timeout: Option<Duration>) {}

    /// Ends the session. [`SessionEvent::Closed`] follows at once.
    pub fn close(&mut self, _code: SessionCode, _reason: &str) {}

    /// Opens a data stream for subscription `id`, the peer's SUBSCRIBE or our PUBLISH, and counts
    /// it. Returns the stream and its encoded head, which has to be written first, best in one
    /// write with the first object. The alias in `head` is replaced by the subscription's.
    ///
    /// `None`: no stream credit; [`SessionEvent::StreamsAvailable`] follows. `order` is as in
    /// [`Transport::set_priority`].
    pub fn open_subgroup(
        &mut self,
        _t: &mut dyn Transport,
        id: RequestId,
        _head: &SubgroupHead,
        _order: i32,
    ) -> Result<Option<(StreamId, Bytes)>, CommandError> {
        Err(CommandError::NotOpen(id))
    }

    /// The same for the peer's FETCH, or its SUBSCRIBE or update that asked for a fill.
    pub fn open_fetch(
        &mut self,
        _t: &mut dyn Transport,
        id: RequestId,
        _order: i32,
    ) -> Result<Option<(StreamId, Bytes)>, CommandError> {
        Err(CommandError::NotOpen(id))
    }

    /// Ends a data stream of ours after what was written on it.
    pub fn finish_data(&mut self, _t: &mut dyn Transport, _stream: StreamId) {}

    /// Abandons a data stream of ours.
    pub fn reset_data(&mut self, _t: &mut dyn Transport, _stream: StreamId, _code: ResetCode) {}

    /// Asks the peer to stop sending on one of its data streams. Nothing more is reported of it.
    pub fn stop_data(&mut self, _t: &mut dyn Transport, _stream: StreamId, _code: ResetCode) {}

    /// Sends an object of subscription `id` in a datagram. The alias in `head` is replaced by the
    /// subscription's.
    pub fn send_datagram(
        &mut self,
        _t: &mut dyn Transport,
        id: RequestId,
        _head: &DatagramHead,
        _payload: &[Bytes],
    ) -> Result<(), SendDatagramError> {
        Err(CommandError::NotOpen(id).into())
    }
}
