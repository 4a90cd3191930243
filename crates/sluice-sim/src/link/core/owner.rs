//! What the owner of an end does to it: the verbs of `Transport`.

use std::time::Duration;

use bytes::Bytes;
use sluice_proto::transport::{
    CloseReason, DatagramError, PeerCredit, Read, Side, StreamError, StreamId, StreamKind,
    TransportEvent, Written,
};

use super::{Core, Packet, id, index, slot};
use crate::link::half::{RecvHalf, SendHalf, Taken};

impl Core {
    pub(in crate::link) fn poll_event(&mut self, side: Side) -> Option<TransportEvent> {
        let event = self.end(side).events.pop_front()?;
        if let TransportEvent::Reset(stream, _) = event {
            self.end(side).recv.remove(&stream);
            self.stream_over(side, stream);
        }
        Some(event)
    }

    pub(in crate::link) fn open(&mut self, side: Side, kind: StreamKind) -> Option<StreamId> {
        let window = u64::from(self.config.stream_window_bytes);
        let end = self.end(side);
        if end.closed {
            return None;
        }
        if end.opened[slot(kind)] >= end.allowed[slot(kind)] {
            end.wants_stream[slot(kind)] = true;
            return None;
        }
        let stream = id(end.opened[slot(kind)], side, kind);
        end.opened[slot(kind)] += 1;
        end.send.insert(stream, SendHalf::new(window));
        if kind == StreamKind::Bidi {
            end.recv.insert(stream, RecvHalf::new(window, true));
        }
        Some(stream)
    }

    pub(in crate::link) fn read(
        &mut self,
        side: Side,
        stream: StreamId,
        max_bytes: usize,
    ) -> Result<Read, StreamError> {
        let tiny = self.rng.chance(self.config.quirks.tiny_reads_permille);
        let window = u64::from(self.config.stream_window_bytes);
        let end = self.end(side);
        let half = end.recv.get_mut(&stream).ok_or(StreamError::Closed)?;
        if half.stopped {
            return Err(StreamError::Closed);
        }
        if let Some(code) = half.reset {
            end.recv.remove(&stream);
            end.events.retain(|event| *event != TransportEvent::Reset(stream, code));
            self.stream_over(side, stream);
            return Err(StreamError::Reset(code));
        }
        match half.take(if tiny { 1 } else { max_bytes.max(1) }) {
            Taken::Data(data) => {
                let limit = half.read_bytes() + window;
                let grant = limit >= half.granted + window / 8;
                if grant {
                    half.granted = limit;
                }
                if grant {
                    self.send_control(side, Packet::MaxStreamData(stream, limit), Duration::ZERO);
                }
                self.consume(side, data.len() as u64);
                Ok(Read::Data(data))
            }
            Taken::Fin => {
                end.recv.remove(&stream);
                self.stream_over(side, stream);
                Ok(Read::Fin)
            }
            Taken::Nothing => {
                half.armed = true;
                Ok(Read::Blocked)
            }
        }
    }

    pub(in crate::link) fn write(
        &mut self,
        side: Side,
        stream: StreamId,
        chunks: &mut [Bytes],
    ) -> Result<Written, StreamError> {
        let partial = self.rng.chance(self.config.quirks.partial_writes_permille);
        let buffer_room = self.lane(side).buffer_room();
        let Core { ends, lanes, rng, .. } = self;
        let (end, lane) = (&mut ends[index(side)], &mut lanes[index(side)]);
        let half = end.send.get_mut(&stream).ok_or(StreamError::Closed)?;
        if let Some(code) = half.stopped {
            return Err(StreamError::Stopped(code));
        }
        if !half.is_open() {
            return Err(StreamError::Closed);
        }
        let offered: usize = chunks.iter().map(Bytes::len).sum();
        let window = usize::try_from(end.send_limit - end.accepted_bytes).unwrap_or(usize::MAX);
        let room = half.room().min(buffer_room).min(window);
        let mut accept = offered.min(room);
        let cut_short = partial && accept > 0;
        if cut_short {
            accept = rng.range(0..accept as u64 + 1) as usize;
        }
        let was_pending = half.has_pending();
        let mut left = accept;
        for chunk in chunks.iter_mut() {
            let part = chunk.split_to(chunk.len().min(left));
            left -= part.len();
            if !part.is_empty() {
                half.push(part);
            }
        }
        end.accepted_bytes += accept as u64;
        lane.queued_bytes += accept;
        if accept > 0 && !was_pending {
            lane.enqueue(stream, half.order);
        }
        end.room_wanted |= lane.send_room() == 0;
        let complete = accept == offered;
        if !complete {
            end.blocked.insert(stream);
            if cut_short {
                let at = self.now + Duration::from_micros(self.rng.range(0..500));
                self.schedule(side, at, Packet::Wake(stream));
            }
        }
        Ok(Written { bytes: accept, complete })
    }

    pub(in crate::link) fn finish(&mut self, side: Side, stream: StreamId) {
        let (end, lane) = (&mut self.ends[index(side)], &mut self.lanes[index(side)]);
        let Some(half) = end.send.get_mut(&stream).filter(|half| half.is_open()) else { return };
        let was_pending = half.has_pending();
        half.finish();
        end.blocked.remove(&stream);
        if !was_pending {
            lane.enqueue(stream, half.order);
        }
    }

    pub(in crate::link) fn reset(&mut self, side: Side, stream: StreamId, code: u64) {
        let (end, lane) = (&mut self.ends[index(side)], &mut self.lanes[index(side)]);
        let Some(half) = end.send.get_mut(&stream).filter(|half| half.can_reset()) else { return };
        let (final_bytes, unsent) = half.reset();
        end.blocked.remove(&stream);
        end.accepted_bytes -= unsent as u64;
        lane.queued_bytes -= unsent;
        self.send_control(side, Packet::Reset { stream, code, final_bytes }, Duration::ZERO);
        self.wake_blocked(side);
    }

    pub(in crate::link) fn stop(&mut self, side: Side, stream: StreamId, code: u64) {
        let end = self.end(side);
        let Some(half) = end.recv.get_mut(&stream).filter(|half| !half.stopped) else { return };
        half.stopped = true;
        let discarded = half.discard();
        let over = half.is_complete() || half.reset.is_some();
        let was_reset = half.reset.is_some();
        if over {
            end.recv.remove(&stream);
            end.events.retain(|e| !matches!(e, TransportEvent::Reset(s, _) if *s == stream));
            self.stream_over(side, stream);
        } else {
            self.send_control(side, Packet::Stop { stream, code }, Duration::ZERO);
        }
        if !was_reset {
            self.consume(side, discarded);
        }
    }

    pub(in crate::link) fn set_priority(&mut self, side: Side, stream: StreamId, order: i32) {
        if let Some(half) = self.end(side).send.get_mut(&stream) {
            half.order = order;
        }
    }

    pub(in crate::link) fn send_datagram(
        &mut self,
        side: Side,
        payload: Bytes,
    ) -> Result<(), DatagramError> {
        let max = self.config.datagram_max.ok_or(DatagramError::Unavailable)?;
        if self.is_closed(side) {
            return Err(DatagramError::Unavailable);
        }
        if payload.len() > max {
            return Err(DatagramError::TooLarge);
        }
        if self.lane(side).push_datagram(payload) { Ok(()) } else { Err(DatagramError::Blocked) }
    }

    pub(in crate::link) fn recv_datagram(&mut self, side: Side) -> Option<Bytes> {
        let end = self.end(side);
        let payload = end.inbox.pop_front()?;
        end.inbox_bytes -= payload.len();
        Some(payload)
    }

    pub(in crate::link) fn set_credit(&mut self, side: Side, credit: PeerCredit) {
        let end = self.end(side);
        if end.closed {
            return;
        }
        end.credit = Some(credit);
        self.grant_window(side);
        self.grant_streams(side, StreamKind::Uni);
        self.grant_streams(side, StreamKind::Bidi);
    }

    pub(in crate::link) fn close(&mut self, side: Side, code: u64, reason: &str) {
        if self.is_closed(side) {
            return;
        }
        let reason = sluice_proto::model::message::clip_reason(reason).to_owned();
        self.end_connection(side, CloseReason::Local);
        self.send_control(side, Packet::Close { code, reason }, Duration::ZERO);
    }
}
