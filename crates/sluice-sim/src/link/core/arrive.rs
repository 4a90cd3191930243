//! What a packet does to the end it reaches, and the credit that goes back.

use std::time::Duration;

use bytes::Bytes;
use sluice_proto::transport::{CloseReason, Side, StreamId, StreamKind, TransportEvent};

use super::{Core, DATAGRAM_INBOX_BYTES_MAX, End, Packet, facts, id, slot};
use crate::link::half::{RecvHalf, SendHalf};

impl Core {
    pub(super) fn arrive(&mut self, side: Side, packet: Packet) {
        if self.end(side).closed {
            return;
        }
        match packet {
            Packet::Stream { stream, offset, data, fin } => {
                self.send_control(
                    side,
                    Packet::Ack { stream, bytes: data.len(), fin },
                    Duration::ZERO,
                );
                self.arrive_data(side, stream, offset, data, fin);
            }
            Packet::Reset { stream, code, final_bytes } => {
                self.send_control(side, Packet::AckReset(stream), Duration::ZERO);
                self.arrive_reset(side, stream, code, final_bytes);
            }
            Packet::Stop { stream, code } => {
                self.open_remote(side, stream);
                let end = self.end(side);
                if let Some(half) = end.send.get_mut(&stream)
                    && half.stopped.is_none()
                    && half.can_reset()
                {
                    half.stopped = Some(code);
                    end.blocked.remove(&stream);
                    end.events.push_back(TransportEvent::Stopped(stream, code));
                }
            }
            Packet::Datagram(payload) => self.arrive_datagram(side, payload),
            Packet::Ack { stream, bytes, fin } => {
                let lane = self.lane(side);
                lane.in_flight_bytes = lane.in_flight_bytes.saturating_sub(bytes);
                let end = self.end(side);
                if end.send.get_mut(&stream).is_some_and(|half| half.ack(bytes, fin)) {
                    end.events.push_back(TransportEvent::Acked(stream));
                    end.send.remove(&stream);
                    self.stream_over(side, stream);
                }
                self.wake_blocked(side);
            }
            Packet::AckDatagram(bytes) => {
                let lane = self.lane(side);
                lane.in_flight_bytes = lane.in_flight_bytes.saturating_sub(bytes);
                self.wake_blocked(side);
            }
            Packet::AckReset(stream) => {
                self.end(side).send.remove(&stream);
                self.stream_over(side, stream);
            }
            Packet::MaxData(limit) => {
                let end = self.end(side);
                end.send_limit = end.send_limit.max(limit);
                self.wake_blocked(side);
            }
            Packet::MaxStreamData(stream, limit) => {
                if let Some(half) = self.end(side).send.get_mut(&stream) {
                    half.limit = half.limit.max(limit);
                    self.wake_blocked(side);
                }
            }
            Packet::MaxStreams(kind, limit) => {
                let end = self.end(side);
                end.allowed[slot(kind)] = end.allowed[slot(kind)].max(limit);
                if std::mem::take(&mut end.wants_stream[slot(kind)]) {
                    end.events.push_back(TransportEvent::Available(kind));
                }
            }
            Packet::Close { code, reason } => {
                self.end_connection(side, CloseReason::Peer { code, reason });
            }
            Packet::Silence => self.end_connection(side, CloseReason::TimedOut),
            Packet::Wake(stream) => {
                if self.end(side).blocked.remove(&stream) {
                    self.tell(side, TransportEvent::Writable(stream));
                }
            }
        }
    }

    fn arrive_data(&mut self, side: Side, stream: StreamId, offset: u64, data: Bytes, fin: bool) {
        self.open_remote(side, stream);
        let end = self.end(side);
        let Some(half) = end.recv.get_mut(&stream) else { return };
        if half.reset.is_some() {
            return;
        }
        let len = data.len() as u64;
        let readable = half.insert(offset, data, fin);
        if half.stopped {
            half.discard();
            let complete = half.is_complete();
            if complete {
                end.recv.remove(&stream);
            }
            self.consume(side, len);
            if complete {
                self.stream_over(side, stream);
            }
        } else if readable && std::mem::take(&mut half.armed) {
            self.tell(side, TransportEvent::Readable(stream));
        }
    }

    fn arrive_reset(&mut self, side: Side, stream: StreamId, code: u64, final_bytes: u64) {
        self.open_remote(side, stream);
        let end = self.end(side);
        let Some(half) = end.recv.get_mut(&stream) else { return };
        let owed = final_bytes.saturating_sub(half.credited_bytes);
        half.discard();
        if half.stopped {
            end.recv.remove(&stream);
            self.stream_over(side, stream);
        } else {
            half.reset = Some(code);
            end.events.push_back(TransportEvent::Reset(stream, code));
        }
        self.consume(side, owed);
    }

    fn arrive_datagram(&mut self, side: Side, payload: Bytes) {
        let end = self.end(side);
        end.inbox_bytes += payload.len();
        end.inbox.push_back(payload);
        while end.inbox_bytes > DATAGRAM_INBOX_BYTES_MAX {
            let Some(oldest) = end.inbox.pop_front() else { break };
            end.inbox_bytes -= oldest.len();
        }
        if !end.events.contains(&TransportEvent::Datagram) {
            end.events.push_back(TransportEvent::Datagram);
        }
    }

    /// A stream id of the peer opens that stream and every earlier one of its kind (RFC 9000 §3.2).
    fn open_remote(&mut self, side: Side, stream: StreamId) {
        let (initiator, kind) = facts(stream);
        if initiator == side {
            return;
        }
        let window = u64::from(self.config.stream_window_bytes);
        let end = self.end(side);
        while end.peer_opened[slot(kind)] <= stream.0 / 4 {
            let id = id(end.peer_opened[slot(kind)], initiator, kind);
            end.peer_opened[slot(kind)] += 1;
            end.recv.insert(id, RecvHalf::new(window, false));
            if kind == StreamKind::Bidi {
                end.send.insert(id, SendHalf::new(window));
            }
            end.events.push_back(TransportEvent::Opened(id, kind));
        }
    }

    /// Returns connection credit for bytes that left the buffer.
    pub(super) fn consume(&mut self, side: Side, bytes: u64) {
        self.end(side).consumed_bytes += bytes;
        self.grant_window(side);
    }

    pub(super) fn grant_window(&mut self, side: Side) {
        let end = self.end(side);
        let window = end.credit.map_or(0, |credit| u64::from(credit.window_bytes));
        let limit = end.consumed_bytes + window;
        if limit >= end.granted_bytes + (window / 8).max(1) {
            end.granted_bytes = limit;
            self.send_control(side, Packet::MaxData(limit), Duration::ZERO);
        }
    }

    pub(super) fn grant_streams(&mut self, side: Side, kind: StreamKind) {
        let late = self.config.quirks.late_credit;
        let end = self.end(side);
        let count = end.credit.map_or(0, |credit| match kind {
            StreamKind::Uni => u64::from(credit.uni_streams),
            StreamKind::Bidi => u64::from(credit.bidi_streams),
        });
        let limit = end.peer_closed[slot(kind)] + count;
        if limit > end.granted_streams[slot(kind)] {
            end.granted_streams[slot(kind)] = limit;
            let late = self.rng.duration(late);
            self.send_control(side, Packet::MaxStreams(kind, limit), late);
        }
    }

    /// Returns a stream of the peer's to its credit once both halves are over.
    pub(super) fn stream_over(&mut self, side: Side, stream: StreamId) {
        let (initiator, kind) = facts(stream);
        let end = self.end(side);
        let over = !end.send.contains_key(&stream) && !end.recv.contains_key(&stream);
        if initiator != side && over {
            end.peer_closed[slot(kind)] += 1;
            self.grant_streams(side, kind);
        }
    }

    /// Tells owners of blocked streams that there is room again.
    pub(super) fn wake_blocked(&mut self, side: Side) {
        if self.end(side).room_wanted && self.lane(side).send_room() > 0 {
            let end = self.end(side);
            end.room_wanted = false;
            end.events.push_back(TransportEvent::SendRoom);
        }
        if self.lane(side).buffer_room() == 0 {
            return;
        }
        let end = self.end(side);
        if end.accepted_bytes >= end.send_limit {
            return;
        }
        let End { blocked, send, events, .. } = end;
        blocked.retain(|stream| {
            let waits = send.get(stream).is_some_and(|half| half.room() == 0);
            if !waits {
                events.push_back(TransportEvent::Writable(*stream));
            }
            waits
        });
    }

    pub(super) fn end_connection(&mut self, side: Side, reason: CloseReason) {
        let end = self.end(side);
        if std::mem::replace(&mut end.closed, true) {
            return;
        }
        end.send.clear();
        end.recv.clear();
        end.blocked.clear();
        end.inbox.clear();
        end.events.push_back(TransportEvent::Closed(reason));
        self.lane(side).clear();
    }
}
