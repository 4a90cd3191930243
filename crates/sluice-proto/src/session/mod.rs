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
//! fault costs what [`Violation::reach`](crate::wire::Violation::reach) says: a stream, a request,
//! or the session.
//!
//! State is cut by what owns it: `requests` is the table of requests, `inbound` the streams that
//! are read, `outbox` what waits for a stream, `tokens` the peer's token aliases. `commands` and
//! `data_out` are what owners call, `receive` and `updates` what messages do. `named` is what is
//! different where requests are known by names, `objects` what is where objects have streams.

mod command;
mod commands;
mod config;
mod data_out;
mod deadline;
mod dependents;
mod event;
mod inbound;
mod limits;
mod named;
mod objects;
mod outbox;
mod receive;
mod requests;
mod setup;
mod streams;
mod tokens;
mod updates;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

pub use command::{CommandError, SendDatagramError};
pub use config::SessionConfig;
pub use deadline::SessionDeadline;
pub use event::{RequestEnd, Response, SessionEnd, SessionEvent};
pub use limits::SessionLimits;

use crate::model::{GroupOrder, RequestId, ResetCode, SessionCode, TrackAlias};
use crate::transport::{PeerInfo, Side, StreamId, Transport};
use crate::wire::{Dialect, Field, MessageKind, Place, Violation};
use dependents::Dependents;
use inbound::{EarlyData, InboundStreams};
use named::Named;
use outbox::Outbox;
use requests::RequestTable;
use setup::Setup;
use tokens::TokenCache;

/// Control streams go before everything, requests and their answers before objects (MOQT-18 §7).
const CONTROL_ORDER: i32 = i32::MAX;
const REQUEST_ORDER: i32 = i32::MAX - 1;

/// Whether a call of [`Session::handle_transport`] read everything there was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadProgress {
    /// Everything; a transport event comes first.
    Idle,
    /// The read budget was used up: call again next turn.
    More,
}

/// One MOQT session. See the module documentation for how it is driven.
pub struct Session {
    config: SessionConfig,
    info: PeerInfo,
    side: Side,
    dialect: Option<&'static Dialect>,
    setup: Setup,
    requests: RequestTable,
    tokens: TokenCache,
    named: Named,
    events: VecDeque<SessionEvent>,

    control_in: Option<StreamId>,
    control_out: Option<StreamId>,
    control: Outbox,
    /// Half-closed streams of requests that are forgotten, and what waits for them.
    leaving: Vec<(StreamId, Outbox)>,
    /// Streams of finished requests whose peer has not closed its half, and until when it may
    /// take; those that were added since the last flush.
    lingering: VecDeque<(StreamId, Instant)>,
    lingering_new: Vec<StreamId>,
    /// Streams to reset and stop at the next flush.
    resets: Vec<(StreamId, u64)>,
    /// Requests with something in their outbox.
    dirty: BTreeSet<RequestId>,
    /// Control streams and request streams to close after what is queued was written.
    streams: InboundStreams,
    readable: BTreeSet<StreamId>,
    datagrams_readable: bool,

    aliases_in: HashMap<TrackAlias, RequestId>,
    /// Aliases of subscriptions that ended here: their late data is not early data.
    ended_aliases: VecDeque<TrackAlias>,
    fetches_in: BTreeMap<RequestId, (RequestId, GroupOrder)>,
    early: EarlyData,

    data_out: HashMap<StreamId, RequestId>,
    next_alias: u64,

    goaway_sent: bool,
    goaway_received: bool,
    transport_drain: Drain,
    goaway_timeout: Option<Duration>,
    goaway_deadline: Option<Instant>,
    /// The message that is being acted on, for violations that do not name one.
    reading: Option<MessageKind>,
    /// The size of its body.
    reading_bytes: usize,
    /// The request that it says it needs.
    reading_needs: Option<RequestId>,
    /// Whether the publisher's window is to be granted.
    wants_window: bool,
    /// Updates of the peer that carried a fill, and what they update.
    fill_updates: BTreeMap<RequestId, RequestId>,
    /// Requests of the peer that need one which is not here yet.
    dependents: Dependents,
    /// Updates of one request that the peer accepts before it has answered them; 0 for any number.
    peer_updates_max: u64,
    closing: Option<Closing>,
    closed: bool,
}

/// Whether the peer asked, below MOQT, to wind the session down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Drain {
    No,
    /// The owner does not know yet.
    Asked,
    /// The owner was told.
    Told,
}

/// A close that the transport does not know of yet.
struct Closing {
    wire_code: u64,
    reason: String,
}

impl Session {
    /// A session on the connection that `info` describes.
    pub fn new(config: &SessionConfig, info: &PeerInfo, now: Instant) -> Self {
        let side = info.side;
        let mut session = Self {
            config: config.clone(),
            info: info.clone(),
            side,
            dialect: None,
            setup: Setup::new(now + config.limits.setup_timeout),
            requests: RequestTable::new(side),
            tokens: TokenCache::new(
                usize::try_from(config.limits.token_cache_bytes).unwrap_or(usize::MAX),
            ),
            named: Named::default(),
            events: VecDeque::new(),
            control_in: None,
            control_out: None,
            control: Outbox::default(),
            leaving: Vec::new(),
            lingering: VecDeque::new(),
            lingering_new: Vec::new(),
            resets: Vec::new(),
            dirty: BTreeSet::new(),
            streams: InboundStreams::default(),
            readable: BTreeSet::new(),
            datagrams_readable: false,
            aliases_in: HashMap::new(),
            ended_aliases: VecDeque::new(),
            fetches_in: BTreeMap::new(),
            early: EarlyData::default(),
            data_out: HashMap::new(),
            next_alias: 1,
            goaway_sent: false,
            goaway_received: false,
            transport_drain: Drain::No,
            goaway_timeout: None,
            goaway_deadline: None,
            reading: None,
            reading_bytes: 0,
            reading_needs: None,
            wants_window: false,
            fill_updates: BTreeMap::new(),
            dependents: Dependents::default(),
            peer_updates_max: 0,
            closing: None,
            closed: false,
        };
        session.choose_dialect();
        session
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// The next deadline and what it is for.
    pub fn poll_timeout(&self) -> Option<(Instant, SessionDeadline)> {
        if self.closed {
            return None;
        }
        deadline::soonest([
            (self.setup.deadline(), SessionDeadline::Setup),
            (self.early.deadline(), SessionDeadline::EarlyData),
            (self.named.deadline(), SessionDeadline::Answer),
            (self.dependents.deadline(), SessionDeadline::Dependent),
            (self.goaway_deadline, SessionDeadline::Goaway),
            (self.lingering.front().map(|(_, until)| *until), SessionDeadline::StreamLinger),
        ])
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        if self.setup.deadline().is_some_and(|at| now >= at) {
            return self.close(SessionCode::ControlMessageTimeout, "no SETUP in time");
        }
        if self.goaway_deadline.is_some_and(|at| now >= at) {
            return self.close(SessionCode::GoawayTimeout, "still here after GOAWAY");
        }
        self.drop_early_data(now);
        self.expire_named(now);
        self.expire_dependents(now);
        self.stop_lingering(now);
    }

    /// Writes what the commands queued.
    pub fn flush(&mut self, transport: &mut dyn Transport, now: Instant) {
        if let Some(timeout) = self.goaway_timeout.take() {
            self.goaway_deadline = Some(now + timeout);
        }
        self.open_control(transport);
        if let Some(stream) = self.control_out {
            self.control.flush(stream, transport);
        }
        self.send_waiting(transport);
        self.flush_requests(transport);
        self.note_lingering(now);
        self.flush_named(now);
        self.apply_stops(transport);
        let limit = self.config.limits.control_buffer_bytes_max;
        if self.unread_bytes() > limit && self.closing.is_none() {
            self.close(SessionCode::Internal, "too many control messages are unread");
        }
        if let Some(closing) = self.closing.take() {
            transport.close(closing.wire_code, &closing.reason);
            self.closed = true;
        }
    }

    /// Whether `flush` has something to write.
    pub fn needs_flush(&self) -> bool {
        self.closing.is_some()
            || self.control.queued_bytes() > 0
            || !self.dirty.is_empty()
            || !self.resets.is_empty()
            || !self.leaving.is_empty()
            || !self.requests.waiting.is_empty()
            || self.early.has_stops()
            || self.wants_window
            || self.named.has_sent()
            || self.setup.needs_control(self.control_out.is_some())
    }

    /// Memory that the peer makes us hold: its requests, its streams and what was read of them,
    /// data whose track is not known, and control messages that it does not read. Stored objects
    /// and the transport's buffers are counted by their owners.
    pub fn held_bytes(&self) -> usize {
        let leaving: usize = self.leaving.iter().map(|(_, left)| left.queued_bytes()).sum();
        self.requests.held_bytes()
            + self.streams.held_bytes()
            + self.early.held_bytes()
            + self.unread_bytes()
            + leaving
    }

    /// Control bytes that wait for the peer to read.
    fn unread_bytes(&self) -> usize {
        let of_requests = self.dirty.iter().filter_map(|id| self.requests.get(*id));
        self.control.queued_bytes()
            + of_requests.map(|entry| entry.outbox.queued_bytes()).sum::<usize>()
    }

    /// The peer publishes: from the next flush on it may have as much in flight as
    /// [`SessionLimits::publisher_window_bytes`] says.
    pub fn widen_window(&mut self) {
        self.wants_window = true;
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        self.closed || self.closing.is_some()
    }

    /// Whether setup is done.
    pub fn is_ready(&self) -> bool {
        self.setup.is_done()
    }

    /// The draft's table, once the draft is known.
    pub fn dialect(&self) -> Option<&'static Dialect> {
        self.dialect
    }

    /// What was settled before MOQT's first byte.
    pub fn info(&self) -> &PeerInfo {
        &self.info
    }

    /// Whether the peer sent GOAWAY: no new requests should be made here.
    pub fn peer_going_away(&self) -> bool {
        self.goaway_received || self.transport_drain != Drain::No
    }

    /// Closes the session. `Closed` is the last event.
    pub fn close(&mut self, code: SessionCode, reason: &str) {
        let end = SessionEnd::Local { code, reason: reason.to_owned() };
        self.end(code, reason.to_owned(), end);
    }

    /// The peer broke a rule that costs the session.
    fn violated(&mut self, violation: Violation) {
        let code = violation.session_code();
        self.violated_with(violation, code);
    }

    fn violated_with(&mut self, violation: Violation, code: SessionCode) {
        let reason = format!("{violation} ({})", violation.section());
        let place = self.place_of(&violation);
        self.end(code, reason, SessionEnd::Violation { code, violation, place });
    }

    /// The peer broke a rule that costs less than the session.
    fn faulted(&mut self, violation: Violation) {
        let place = self.place_of(&violation);
        self.events.push_back(SessionEvent::Fault { violation, place });
    }

    fn place_of(&self, violation: &Violation) -> Place {
        let place = violation.place();
        // A frame that cannot be split belongs to no message that was read.
        let reading = self.reading.filter(|_| place.field != Some(Field::MessageType));
        Place { message: place.message.or(reading.map(Into::into)), ..place }
    }

    fn end(&mut self, code: SessionCode, reason: String, end: SessionEnd) {
        if self.is_closed() {
            return;
        }
        let wire_code = self.fallback_dialect().session_code(code);
        self.closing = Some(Closing { wire_code, reason });
        self.events.push_back(SessionEvent::Closed(end));
    }

    /// The connection is over, whoever ended it.
    fn lost(&mut self, end: SessionEnd) {
        if self.is_closed() {
            self.closing = None;
            self.closed = true;
            return;
        }
        self.closed = true;
        self.events.push_back(SessionEvent::Closed(end));
    }

    /// The dialect, or the one whose numbers are used before the draft is known.
    fn fallback_dialect(&self) -> &'static Dialect {
        self.dialect.unwrap_or_else(setup::oldest_dialect)
    }

    fn reset_code(&self, code: ResetCode) -> u64 {
        self.fallback_dialect().reset_code(code)
    }
}
