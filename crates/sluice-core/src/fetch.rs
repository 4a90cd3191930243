//! A viewer's fetch or fill: a cursor over the store, and the stream it is written to, or a stream for
//! each object.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    Fetch, FetchItem, FetchOk, FetchedObject, Location, ObjectStatus, Priority, RequestCode,
    RequestError, RequestId, ResetCode,
};
use sluice_proto::session::Session;
use sluice_proto::transport::{StreamId, Transport};
use sluice_proto::wire::Dialect;
use sluice_proto::wire::data::FetchEncoder;
use smallvec::SmallVec;

use crate::ids::RequestKey;
use crate::limits::Limits;
use crate::out_stream::{CHUNK_BYTES_MIN, is_carried, open_object};
use crate::store::{FetchCursor, FetchSpan, FetchStep, TrackStore, UnknownSpan};

/// Times that upstream is asked in vain for one location before a fetch is given up.
const VAIN_ASKS_MAX: u8 = 3;
/// Why a fetch of what nobody knows is refused.
const UNTOLD: &str = "no publisher can tell what is in the range";
/// Times that upstream is asked in all for one fetch.
const ASKS_MAX: u8 = 100;
/// Time from the head of a stream to its reset: a reset overtakes what was written before.
const HEAD_ARRIVES: Duration = Duration::from_secs(1);

/// A FETCH that cannot be answered before a publisher is known.
#[derive(Debug)]
pub(crate) struct PendingFetch {
    pub who: RequestKey,
    pub fetch: Fetch,
    pub until: Instant,
}

/// A fetch or fill being served.
#[derive(Debug)]
pub(crate) struct DownFetch {
    pub priority: Priority,
    /// The subscription that it fills.
    pub subscription: Option<RequestId>,
    /// FETCH_OK. It waits for the first object: what turns out to be unknown is refused, as a reset
    /// may overtake the head of a stream that says which fetch it ends.
    pub answer: Option<Box<FetchOk>>,
    /// Until when it may wait for upstream.
    pub until: Option<Instant>,
    /// Upstream is the track's home, which minds the time.
    pub asks_home: bool,
    /// It is given up.
    failed: Option<ResetCode>,
    cursor: FetchCursor,
    /// Whether each object has a stream of its own, for a draft that has no others.
    each: bool,
    encoder: Option<FetchEncoder>,
    pub stream: Option<StreamId>,
    /// When the stream was opened.
    opened: Option<Instant>,
    pending: SmallVec<[Bytes; 4]>,
    asks: u8,
    /// Where it stood when it last asked, and how often it asked there.
    asked_at: Option<(Location, u8)>,
    /// Nobody can be asked now; until then it waits for a publisher.
    pub waits_until: Option<Instant>,
    /// Bytes that the connection took.
    pub sent_bytes: u64,
}

/// What came of serving a fetch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fetched {
    /// It waits for what is on its way.
    Wait,
    /// The connection takes no more now.
    Full,
    /// No credit for its stream.
    NoCredit,
    /// Upstream has to be asked for this.
    Ask(UnknownSpan),
    /// Something may still come until then.
    Settle(Instant),
    /// It is over.
    Over,
}

impl DownFetch {
    pub fn new(span: FetchSpan, priority: Priority, now: Instant) -> Self {
        Self {
            priority,
            subscription: None,
            answer: None,
            until: None,
            asks_home: false,
            failed: None,
            cursor: FetchCursor::new(span, now),
            each: false,
            encoder: None,
            stream: None,
            opened: None,
            pending: SmallVec::new(),
            asks: 0,
            asked_at: None,
            waits_until: None,
            sent_bytes: 0,
        }
    }

    /// The past of a subscription whose draft has no FETCH: what is stored of it comes from its
    /// logs, and this is the rest.
    pub fn beside_logs(self) -> Self {
        Self { cursor: self.cursor.beside_logs(), each: true, ..self }
    }

    /// What it covers.
    pub fn span(&self) -> FetchSpan {
        self.cursor.span()
    }

    /// When it will have waited for a publisher or its answer for as long as it may.
    pub fn deadline(&self) -> Option<Instant> {
        let patience = self.until.filter(|_| self.asks < ASKS_MAX && !self.asks_home);
        patience.into_iter().chain(self.waits_until).min()
    }

    /// Whether what it needs next is in `span`.
    pub fn stands_in(&self, span: FetchSpan) -> bool {
        self.cursor.location().is_some_and(|at| span.contains(at))
    }

    /// Abandons it.
    pub fn abandon(
        &mut self,
        session: &mut Session,
        transport: &mut dyn Transport,
        code: ResetCode,
    ) {
        if let Some(stream) = self.stream.take() {
            session.reset_data(transport, stream, code);
        }
    }

    /// Hands over what there is. `id` is the request that the stream's head names.
    pub fn serve(
        &mut self,
        id: RequestId,
        store: &mut TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
        limits: &Limits,
        now: Instant,
    ) -> Fetched {
        if self.each {
            return self.serve_each(id, store, session, transport, limits, now);
        }
        if self.answer.is_some()
            && let Some(other) = self.answer(id, store, session, limits, now)
        {
            return other;
        }
        if self.stream.is_none() {
            let Some(dialect) = session.dialect() else { return Fetched::Over };
            let order = i32::from(255 - self.priority.0) << 8;
            match session.open_fetch(transport, id, order) {
                Ok(Some((stream, head))) => {
                    self.stream = Some(stream);
                    self.opened = Some(now);
                    self.encoder = Some(FetchEncoder::new(dialect, self.cursor.span().order));
                    self.pending.push(head);
                }
                Ok(None) => return Fetched::NoCredit,
                Err(_) => return Fetched::Over,
            }
        }
        let Some(stream) = self.stream else { return Fetched::Over };
        if let Some(code) = self.failed {
            // The head at least, if there is room.
            let _ = self.write_pending(transport, limits);
            return self.break_off(session, transport, code, now);
        }
        loop {
            let chunk = match self.write_pending(transport, limits) {
                Ok(room) => room,
                Err(fetched) => return fetched,
            };
            let mut cursor = self.cursor;
            let step = self.step(&mut cursor, store, chunk, limits, now);
            self.cursor = cursor;
            match step {
                Err(held) => return held,
                Ok(FetchStep::Object { key, location, .. }) => {
                    if !self.encode(key, location, store) {
                        self.abandon(session, transport, ResetCode::Internal);
                        return Fetched::Over;
                    }
                }
                Ok(FetchStep::Payload(bytes)) => self.pending.push(bytes),
                // A gap would say that nothing exists there.
                Ok(FetchStep::Unknown(_) | FetchStep::Wait) => {
                    return self.break_off(session, transport, ResetCode::UnknownObjectStatus, now);
                }
                Ok(FetchStep::Broken) => {
                    self.abandon(session, transport, ResetCode::Internal);
                    return Fetched::Over;
                }
                Ok(FetchStep::End) => {
                    session.finish_data(transport, stream);
                    return Fetched::Over;
                }
            }
        }
    }

    /// A step of `cursor`, or what has to come about first. `Unknown` and `Wait` are steps for which
    /// nothing more can be done.
    fn step(
        &mut self,
        cursor: &mut FetchCursor,
        store: &mut TrackStore,
        bytes_max: usize,
        limits: &Limits,
        now: Instant,
    ) -> Result<FetchStep, Fetched> {
        loop {
            let step = cursor.next(store, bytes_max, now);
            if let Some(held) = self.awaited(&step, store, now) {
                return Err(held);
            }
            let FetchStep::Unknown(span) = &step else { return Ok(step) };
            let Some(since) = store.quiet_since(span) else { return Ok(step) };
            let settled = since + limits.group_settle;
            if now < settled {
                return Err(Fetched::Settle(settled));
            }
            cursor.give_up(span);
        }
    }

    /// What a step has to wait for, as long as it may.
    fn awaited(&mut self, step: &FetchStep, store: &TrackStore, now: Instant) -> Option<Fetched> {
        match step {
            FetchStep::Wait if !self.is_late(store, now) => Some(Fetched::Wait),
            FetchStep::Unknown(_) if self.waits(now) => Some(Fetched::Wait),
            FetchStep::Unknown(span) if self.may_ask(span.start, now) => Some(Fetched::Ask(*span)),
            _ => None,
        }
    }

    /// Resets the stream, once its head had the time to arrive.
    fn break_off(
        &mut self,
        session: &mut Session,
        transport: &mut dyn Transport,
        code: ResetCode,
        now: Instant,
    ) -> Fetched {
        let arrived = self.opened.map(|opened| opened + HEAD_ARRIVES);
        if let Some(at) = arrived.filter(|at| now < *at) {
            return Fetched::Settle(at);
        }
        self.abandon(session, transport, code);
        Fetched::Over
    }

    /// Writes what is left over: how much may follow, or what stands against it.
    fn write_pending(
        &mut self,
        transport: &mut dyn Transport,
        limits: &Limits,
    ) -> Result<usize, Fetched> {
        if let Some(stream) = self.stream.filter(|_| !self.pending.is_empty()) {
            let Ok(written) = transport.write(stream, &mut self.pending) else {
                return Err(Fetched::Over);
            };
            self.sent_bytes += written.bytes as u64;
            if !written.complete {
                self.pending.retain(|chunk| !chunk.is_empty());
                return Err(Fetched::Full);
            }
            self.pending.clear();
        }
        match transport.send_room() {
            0 => Err(Fetched::Full),
            room => Ok(room.clamp(CHUNK_BYTES_MIN, limits.chunk_bytes_max)),
        }
    }

    /// The same for a draft in which each object has a stream. Nothing is said there of what is
    /// missing, so what nobody knows is passed over.
    fn serve_each(
        &mut self,
        id: RequestId,
        store: &mut TrackStore,
        session: &mut Session,
        transport: &mut dyn Transport,
        limits: &Limits,
        now: Instant,
    ) -> Fetched {
        loop {
            let chunk = match self.write_pending(transport, limits) {
                Ok(room) => room,
                Err(fetched) => return fetched,
            };
            let before = self.cursor;
            let step = self.cursor.next(store, chunk, now);
            let goes_on = self.cursor.is_inside() && !matches!(step, FetchStep::Object { .. });
            if let Some(stream) = self.stream.take_if(|_| !goes_on) {
                session.finish_data(transport, stream);
            }
            if let Some(held) = self.awaited(&step, store, now) {
                return held;
            }
            match step {
                FetchStep::Object { key, .. } if is_carried(key, store, session) => {
                    match open_object(key, id, self.priority, store, session, transport) {
                        Ok(Some((stream, head))) => {
                            self.stream = Some(stream);
                            self.pending.push(head);
                        }
                        Ok(None) => {
                            self.cursor = before;
                            return Fetched::NoCredit;
                        }
                        // It is left out for this viewer.
                        Err(_) => {}
                    }
                }
                FetchStep::Object { .. } => {}
                FetchStep::Payload(bytes) if self.stream.is_some() => self.pending.push(bytes),
                FetchStep::Payload(_) => {}
                FetchStep::Wait => return Fetched::Wait,
                FetchStep::Unknown(span) => {
                    self.abandon(session, transport, ResetCode::Cancelled);
                    self.cursor.give_up(&span);
                }
                FetchStep::Broken => {
                    self.abandon(session, transport, ResetCode::Cancelled);
                    self.cursor.pass_object();
                }
                FetchStep::End => return Fetched::Over,
            }
        }
    }

    /// The peer does not want the stream any more; whether that is all there is to it.
    pub fn stopped(&mut self) -> bool {
        self.pending.clear();
        self.stream = None;
        !self.each
    }

    /// Answers a fetch, once it can be told whether it brings anything: what nobody knows is refused,
    /// and what is empty where the draft does that (MOQT-14 §9.18). What to do instead of serving it,
    /// if anything.
    fn answer(
        &mut self,
        id: RequestId,
        store: &mut TrackStore,
        session: &mut Session,
        limits: &Limits,
        now: Instant,
    ) -> Option<Fetched> {
        let refuses_empty = session.dialect().is_some_and(Dialect::refuses_empty_fetches);
        let mut refuse = |code, reason: &str| {
            session.refuse(id, RequestError::new(code, reason));
            Some(Fetched::Over)
        };
        if self.failed.is_some() {
            return refuse(RequestCode::MalformedTrack, "the track is malformed");
        }
        // A look ahead: the cursor stays where it is.
        let mut ahead = self.cursor;
        match self.step(&mut ahead, store, CHUNK_BYTES_MIN, limits, now) {
            Err(held) => return Some(held),
            Ok(FetchStep::Unknown(_) | FetchStep::Wait | FetchStep::Broken) => {
                return refuse(RequestCode::UnknownStatusInRange, UNTOLD);
            }
            Ok(FetchStep::End) if refuses_empty => {
                return refuse(RequestCode::NoObjects, "there are no objects in the range");
            }
            Ok(FetchStep::Object { .. } | FetchStep::Payload(_) | FetchStep::End) => {}
        }
        if let Some(ok) = self.answer.take() {
            session.fetch_ok(id, *ok);
        }
        None
    }

    /// Whether it waits for upstream although its time is over.
    fn is_late(&self, store: &TrackStore, now: Instant) -> bool {
        self.is_out_of_time(now)
            && self.cursor.location().is_some_and(|at| store.is_being_fetched(at))
    }

    /// Whether it waits for a publisher that can be asked.
    fn waits(&self, now: Instant) -> bool {
        self.waits_until.is_some() && !self.is_out_of_time(now)
    }

    fn is_out_of_time(&self, now: Instant) -> bool {
        !self.asks_home && self.until.is_some_and(|until| now >= until)
    }

    /// Gives it up, whatever it waits for; its reader is told when it is served.
    pub fn fail(&mut self, code: ResetCode) {
        self.failed = Some(code);
    }

    /// Whether upstream is worth another question about what begins at `start`; counts it.
    fn may_ask(&mut self, start: Location, now: Instant) -> bool {
        let here = self.asked_at.filter(|(at, _)| *at == start).map_or(0, |(_, times)| times);
        if self.asks >= ASKS_MAX || here >= VAIN_ASKS_MAX || self.is_out_of_time(now) {
            return false;
        }
        self.asks += 1;
        self.asked_at = Some((start, here + 1));
        true
    }

    /// Nobody can be asked: the next unknown range ends it.
    pub fn stop_asking(&mut self) {
        self.asks = ASKS_MAX;
        self.waits_until = None;
    }

    /// A publisher may come until then who can be asked.
    pub fn await_source(&mut self, until: Instant) {
        self.waits_until = Some(until);
    }

    /// Another publisher can be asked now, also for what one was asked for in vain.
    pub fn source_came(&mut self) {
        (self.waits_until, self.asked_at) = (None, None);
    }

    fn encode(
        &mut self,
        key: crate::store::ObjectKey,
        location: Location,
        store: &TrackStore,
    ) -> bool {
        let (Some(object), Some(encoder)) = (store.object(key), &mut self.encoder) else {
            return false;
        };
        if object.status != ObjectStatus::Normal {
            // Ends of groups and tracks are told by FETCH_OK and by what is missing.
            return true;
        }
        let default = store.default_priority().unwrap_or_default();
        let item = FetchItem::Object(FetchedObject {
            location,
            delivery: object.delivery,
            priority: object.priority.unwrap_or(default),
            properties: object.properties.clone(),
            status: object.status,
            payload_bytes: object.payload_bytes.unwrap_or(object.received_bytes),
        });
        let mut frame = BytesMut::with_capacity(64);
        if encoder.encode(&item, &mut frame).is_err() {
            return false;
        }
        self.pending.push(frame.freeze());
        true
    }
}
