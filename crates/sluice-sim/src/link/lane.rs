//! One direction of a link: what leaves next, and when.
//!
//! Bytes leave one packet after another at the lane's bandwidth, the stream of the highest order
//! first. A stream's order counts from the moment it is queued, as in the QUIC library.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_proto::transport::StreamId;

use super::config::PathConfig;
use crate::rng::Rng;

/// Bytes of datagrams that wait to leave before `Blocked`.
const DATAGRAM_QUEUE_BYTES_MAX: usize = 64 * 1024;
/// What a packet costs on the lane besides its payload.
const PACKET_OVERHEAD_BYTES: usize = 40;

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) config: PathConfig,
    /// When the last packet has left entirely.
    free_at: Instant,
    /// Nothing leaves before this.
    pub(super) stalled_until: Instant,
    /// Bytes that left and are not acknowledged.
    pub(super) in_flight_bytes: usize,
    /// Stream bytes that wait to leave.
    pub(super) queued_bytes: usize,
    pending: BTreeSet<(Reverse<i32>, u64, StreamId)>,
    queued: u64,
    pub(super) datagrams: VecDeque<Bytes>,
    datagram_bytes: usize,
    pub(super) datagrams_blocked: bool,
    pub(super) lost_packets: u64,
    /// Stream and datagram bytes that left so far.
    pub(super) departed_bytes: u64,
    /// The link is cut when this many bytes have left.
    pub(super) cut_at_bytes: Option<u64>,
}

impl Lane {
    pub(super) fn new(config: PathConfig, now: Instant) -> Self {
        Self {
            config,
            free_at: now,
            stalled_until: now,
            in_flight_bytes: 0,
            queued_bytes: 0,
            pending: BTreeSet::new(),
            queued: 0,
            datagrams: VecDeque::new(),
            datagram_bytes: 0,
            datagrams_blocked: false,
            lost_packets: 0,
            departed_bytes: 0,
            cut_at_bytes: None,
        }
    }

    /// Puts a stream in line behind those of its order.
    pub(super) fn enqueue(&mut self, stream: StreamId, order: i32) {
        self.queued += 1;
        self.pending.insert((Reverse(order), self.queued, stream));
    }

    /// The stream to send from, taken out of the line, and its place there.
    pub(super) fn dequeue(&mut self) -> Option<(StreamId, u64)> {
        self.pending.pop_first().map(|(_, place, stream)| (stream, place))
    }

    /// Puts a stream back at its place, with its order of now.
    pub(super) fn requeue(&mut self, stream: StreamId, order: i32, place: u64) {
        self.pending.insert((Reverse(order), place, stream));
    }

    /// Bytes that the connection's send buffer still accepts.
    pub(super) fn buffer_room(&self) -> usize {
        (2 * self.config.window_bytes).saturating_sub(self.queued_bytes + self.in_flight_bytes)
    }

    /// Bytes that would leave within one congestion window.
    pub(super) fn send_room(&self) -> usize {
        self.config.window_bytes.saturating_sub(self.queued_bytes + self.in_flight_bytes)
    }

    pub(super) fn push_datagram(&mut self, payload: Bytes) -> bool {
        if self.datagram_bytes + payload.len() > DATAGRAM_QUEUE_BYTES_MAX {
            self.datagrams_blocked = true;
            return false;
        }
        self.datagram_bytes += payload.len();
        self.datagrams.push_back(payload);
        true
    }

    pub(super) fn pop_datagram(&mut self) -> Option<Bytes> {
        let payload = self.datagrams.pop_front()?;
        self.datagram_bytes -= payload.len();
        Some(payload)
    }

    /// When the next packet can leave, if one waits.
    pub(super) fn next_departure(&self, now: Instant) -> Option<Instant> {
        let waiting = !self.pending.is_empty() || !self.datagrams.is_empty();
        let window_open =
            self.in_flight_bytes == 0 || self.in_flight_bytes < self.config.window_bytes;
        (waiting && window_open).then(|| now.max(self.free_at).max(self.stalled_until))
    }

    /// Books the lane for a packet that leaves at `now`.
    pub(super) fn depart(&mut self, payload_bytes: usize, now: Instant) {
        self.departed_bytes += payload_bytes as u64;
        if let Some(rate) = self.config.bits_per_second {
            let bits = (payload_bytes + PACKET_OVERHEAD_BYTES) as u64 * 8;
            let nanos = bits.saturating_mul(1_000_000_000) / rate.max(1);
            self.free_at = now + Duration::from_nanos(nanos);
        }
    }

    /// How long a packet that leaves at `now` is under way, and whether it was lost on the way
    /// (and, if it is resent, arrives that much later).
    pub(super) fn transit(&mut self, resent: bool, rng: &mut Rng) -> (Duration, bool) {
        let mut time = self.config.delay + rng.duration(self.config.jitter);
        let mut lost = false;
        while rng.chance(self.config.loss_permille) {
            self.lost_packets += 1;
            lost = true;
            if !resent {
                break;
            }
            // What a loss costs: a round trip to hear of it, and the way once more.
            time += self.config.delay * 3 + Duration::from_millis(1);
        }
        (time, lost)
    }

    pub(super) fn is_cut_point(&self) -> bool {
        self.cut_at_bytes.is_some_and(|at| self.departed_bytes >= at)
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
        self.datagrams.clear();
        self.datagram_bytes = 0;
        self.queued_bytes = 0;
    }
}
