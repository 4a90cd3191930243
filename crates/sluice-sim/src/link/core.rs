//! The state both ends of a link share: what is under way, and what each end has seen of it.

mod arrive;
mod owner;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::transport::{PeerCredit, Side, StreamId, StreamKind, TransportEvent};

use super::config::LinkConfig;
use super::half::{RecvHalf, SendHalf};
use super::lane::Lane;
use crate::rng::Rng;

/// Bytes of received datagrams that wait for their reader; the oldest go first.
const DATAGRAM_INBOX_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) now: Instant,
    config: LinkConfig,
    rng: Rng,
    ends: [End; 2],
    lanes: [Lane; 2],
    /// What is under way: when it arrives, in order of departure if that is equal.
    arrivals: BTreeMap<(Instant, u64), (Side, Packet)>,
    departures: u64,
    cut: bool,
}

/// What one end knows of the connection.
#[derive(Debug, Default)]
struct End {
    events: VecDeque<TransportEvent>,
    send: BTreeMap<StreamId, SendHalf>,
    recv: BTreeMap<StreamId, RecvHalf>,
    /// Streams whose owner waits for `Writable`.
    blocked: BTreeSet<StreamId>,
    /// The owner found no send room, and is told once there is some.
    room_wanted: bool,
    /// By kind: streams opened here, and how many the peer allows.
    opened: [u64; 2],
    allowed: [u64; 2],
    wants_stream: [bool; 2],
    /// By kind: streams the peer opened, how many of them are over, and how many we allowed.
    peer_opened: [u64; 2],
    peer_closed: [u64; 2],
    granted_streams: [u64; 2],
    /// Connection flow control: what we may send and handed over, what we read and granted.
    send_limit: u64,
    accepted_bytes: u64,
    consumed_bytes: u64,
    granted_bytes: u64,
    credit: Option<PeerCredit>,
    inbox: VecDeque<Bytes>,
    inbox_bytes: usize,
    closed: bool,
}

#[derive(Debug)]
enum Packet {
    Stream {
        stream: StreamId,
        offset: u64,
        data: Bytes,
        fin: bool,
    },
    Reset {
        stream: StreamId,
        code: u64,
        final_bytes: u64,
    },
    Stop {
        stream: StreamId,
        code: u64,
    },
    Datagram(Bytes),
    Ack {
        stream: StreamId,
        bytes: usize,
        fin: bool,
    },
    AckDatagram(usize),
    AckReset(StreamId),
    MaxData(u64),
    MaxStreamData(StreamId, u64),
    MaxStreams(StreamKind, u64),
    Close {
        code: u64,
        reason: String,
    },
    /// The idle timer of the end it reaches.
    Silence,
    /// A stream that accepted less than it could takes more.
    Wake(StreamId),
}

impl Core {
    pub(super) fn new(seed: u64, config: LinkConfig, now: Instant) -> Self {
        let mut core = Self {
            now,
            rng: Rng::new(seed),
            ends: [End::default(), End::default()],
            lanes: [Lane::new(config.up.clone(), now), Lane::new(config.down.clone(), now)],
            arrivals: BTreeMap::new(),
            departures: 0,
            cut: false,
            config,
        };
        for side in [Side::Client, Side::Server] {
            let grants = match side {
                Side::Client => core.config.client_grants,
                Side::Server => core.config.server_grants,
            };
            let streams = [u64::from(grants.uni_streams), u64::from(grants.bidi_streams)];
            let own = core.end(side);
            own.credit = Some(grants);
            own.granted_streams = streams;
            own.granted_bytes = u64::from(grants.window_bytes);
            let peer = core.end(side.peer());
            peer.allowed = streams;
            peer.send_limit = u64::from(grants.window_bytes);
        }
        core
    }

    fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[index(side)]
    }

    pub(super) fn lane(&mut self, side: Side) -> &mut Lane {
        &mut self.lanes[index(side)]
    }

    pub(super) fn lane_ref(&self, side: Side) -> &Lane {
        &self.lanes[index(side)]
    }

    pub(super) fn config(&self) -> &LinkConfig {
        &self.config
    }

    pub(super) fn has_events(&self, side: Side) -> bool {
        !self.ends[index(side)].events.is_empty()
    }

    pub(super) fn is_closed(&self, side: Side) -> bool {
        self.ends[index(side)].closed
    }

    // Time.

    pub(super) fn next_event_time(&self) -> Option<Instant> {
        let arrival = self.arrivals.keys().next().map(|key| key.0);
        let departures = [Side::Client, Side::Server].map(|side| self.next_departure(side));
        arrival.into_iter().chain(departures.into_iter().flatten()).min()
    }

    fn next_departure(&self, side: Side) -> Option<Instant> {
        let open = !self.cut && !self.is_closed(side);
        open.then(|| self.lane_ref(side).next_departure(self.now)).flatten()
    }

    /// Lets everything happen that is due until `now`, in order.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(time) = self.next_event_time().filter(|time| *time <= now) {
            self.now = self.now.max(time);
            if self.arrivals.keys().next().is_some_and(|key| key.0 == time) {
                if let Some((_, (side, packet))) = self.arrivals.pop_first() {
                    self.arrive(side, packet);
                }
                continue;
            }
            for side in [Side::Client, Side::Server] {
                if self.next_departure(side) == Some(time) {
                    self.depart(side);
                    break;
                }
            }
        }
        self.now = self.now.max(now);
    }

    fn schedule(&mut self, to: Side, at: Instant, packet: Packet) {
        self.departures += 1;
        self.arrivals.insert((at, self.departures), (to, packet));
    }

    /// Sends one packet's worth of what waits at `side`.
    fn depart(&mut self, side: Side) {
        let now = self.now;
        if let Some(payload) = self.lane(side).pop_datagram() {
            let Core { lanes, rng, .. } = self;
            let lane = &mut lanes[index(side)];
            lane.depart(payload.len(), now);
            lane.in_flight_bytes += payload.len();
            let (time, lost) = lane.transit(false, rng);
            let unblocked = lane.datagrams_blocked && lane.datagrams.is_empty();
            if unblocked {
                lane.datagrams_blocked = false;
                self.end(side).events.push_back(TransportEvent::DatagramsWritable);
            }
            let ack_at = now + time + self.lanes[index(side.peer())].config.delay;
            self.schedule(side, ack_at, Packet::AckDatagram(payload.len()));
            if !lost {
                self.schedule(side.peer(), now + time, Packet::Datagram(payload));
            }
        } else if let Some((stream, place)) = self.lane(side).dequeue() {
            let Core { lanes, rng, ends, .. } = self;
            let lane = &mut lanes[index(side)];
            let Some(half) = ends[index(side)].send.get_mut(&stream) else { return };
            if !half.has_pending() {
                return;
            }
            let segment = half.take(lane.config.mtu_bytes);
            lane.depart(segment.data.len(), now);
            lane.queued_bytes -= segment.data.len();
            lane.in_flight_bytes += segment.data.len();
            if half.has_pending() {
                lane.requeue(stream, half.order, place);
            }
            let (time, _) = lane.transit(true, rng);
            let packet = Packet::Stream {
                stream,
                offset: segment.offset,
                data: segment.data,
                fin: segment.fin,
            };
            self.schedule(side.peer(), now + time, packet);
        }
        if self.lane(side).is_cut_point() {
            self.cut();
        }
    }

    /// Sends what is not subject to congestion control.
    fn send_control(&mut self, from: Side, packet: Packet, extra: Duration) {
        if self.cut {
            return;
        }
        let Core { lanes, rng, .. } = self;
        let lane = &mut lanes[index(from)];
        let (time, _) = lane.transit(true, rng);
        let at = self.now.max(lane.stalled_until) + time + extra;
        self.schedule(from.peer(), at, packet);
    }

    /// Tells an owner of an edge; sometimes twice.
    fn tell(&mut self, side: Side, event: TransportEvent) {
        if self.rng.chance(self.config.quirks.stale_events_permille) {
            self.end(side).events.push_back(event.clone());
        }
        self.end(side).events.push_back(event);
    }

    // Faults from outside.

    /// Nothing arrives any more; both ends notice after the idle timeout.
    pub(super) fn cut(&mut self) {
        if std::mem::replace(&mut self.cut, true) {
            return;
        }
        self.arrivals.clear();
        let at = self.now + self.config.idle_timeout;
        for side in [Side::Client, Side::Server] {
            self.schedule(side, at, Packet::Silence);
        }
    }

    pub(super) fn inject(&mut self, side: Side, event: TransportEvent) {
        self.end(side).events.push_back(event);
    }
}

fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

fn slot(kind: StreamKind) -> usize {
    match kind {
        StreamKind::Uni => 0,
        StreamKind::Bidi => 1,
    }
}

/// The id of the `number`th stream of a kind (RFC 9000 §2.1).
fn id(number: u64, initiator: Side, kind: StreamKind) -> StreamId {
    let server = u64::from(initiator == Side::Server);
    let uni = u64::from(kind == StreamKind::Uni);
    StreamId(number * 4 + uni * 2 + server)
}

fn facts(stream: StreamId) -> (Side, StreamKind) {
    let initiator = if stream.0 & 1 == 0 { Side::Client } else { Side::Server };
    let kind = if stream.0 & 2 == 0 { StreamKind::Bidi } else { StreamKind::Uni };
    (initiator, kind)
}
