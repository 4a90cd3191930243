//! The two halves of a stream: what one end still has to send, and what it has received.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

/// The sending half of a stream at the end that sends.
#[derive(Debug)]
pub(super) struct SendHalf {
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    sent_bytes: u64,
    acked_bytes: u64,
    /// Largest offset the peer allows.
    pub(super) limit: u64,
    pub(super) order: i32,
    end: SendEnd,
    pub(super) stopped: Option<u64>,
}

/// How far the end of a sending half has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SendEnd {
    Open,
    FinQueued,
    FinSent,
    FinAcked,
    ResetSent,
}

/// What leaves in one packet.
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) data: Bytes,
    pub(super) fin: bool,
}

impl SendHalf {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            queue: VecDeque::new(),
            queued_bytes: 0,
            sent_bytes: 0,
            acked_bytes: 0,
            limit,
            order: 0,
            end: SendEnd::Open,
            stopped: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.end == SendEnd::Open
    }

    /// Bytes that the stream's own flow control still accepts.
    pub(super) fn room(&self) -> usize {
        let accepted = self.sent_bytes + self.queued_bytes as u64;
        usize::try_from(self.limit.saturating_sub(accepted)).unwrap_or(usize::MAX)
    }

    pub(super) fn push(&mut self, data: Bytes) {
        self.queued_bytes += data.len();
        self.queue.push_back(data);
    }

    pub(super) fn finish(&mut self) {
        self.end = SendEnd::FinQueued;
    }

    /// Abandons the half: what had left, and how many accepted bytes never will.
    pub(super) fn reset(&mut self) -> (u64, usize) {
        let unsent = self.queued_bytes;
        self.queue.clear();
        self.queued_bytes = 0;
        self.end = SendEnd::ResetSent;
        (self.sent_bytes, unsent)
    }

    pub(super) fn can_reset(&self) -> bool {
        !matches!(self.end, SendEnd::ResetSent | SendEnd::FinAcked)
    }

    pub(super) fn has_pending(&self) -> bool {
        self.queued_bytes > 0 || self.end == SendEnd::FinQueued
    }

    /// Takes the next at most `max_bytes` off the queue.
    pub(super) fn take(&mut self, max_bytes: usize) -> Segment {
        let offset = self.sent_bytes;
        let data = match self.queue.front_mut() {
            None => Bytes::new(),
            Some(front) if front.len() > max_bytes => front.split_to(max_bytes),
            Some(_) => self.queue.pop_front().unwrap_or_default(),
        };
        self.queued_bytes -= data.len();
        self.sent_bytes += data.len() as u64;
        let fin = self.queued_bytes == 0 && self.end == SendEnd::FinQueued;
        if fin {
            self.end = SendEnd::FinSent;
        }
        Segment { offset, data, fin }
    }

    /// Whether everything and the FIN are acknowledged now.
    pub(super) fn ack(&mut self, bytes: usize, fin: bool) -> bool {
        self.acked_bytes += bytes as u64;
        if fin && self.end == SendEnd::FinSent {
            self.end = SendEnd::FinAcked;
        }
        self.end == SendEnd::FinAcked && self.acked_bytes == self.sent_bytes
    }
}

/// The receiving half of a stream at the end that reads.
#[derive(Debug, Default)]
pub(super) struct RecvHalf {
    /// Segments that arrived ahead of a missing one.
    ahead: BTreeMap<u64, Bytes>,
    ready: VecDeque<Bytes>,
    contiguous_bytes: u64,
    read_bytes: u64,
    final_bytes: Option<u64>,
    pub(super) reset: Option<u64>,
    /// The owner read until `Blocked` and waits for `Readable`.
    pub(super) armed: bool,
    pub(super) stopped: bool,
    /// Bytes for which flow control credit was returned.
    pub(super) credited_bytes: u64,
    /// Stream credit last granted.
    pub(super) granted: u64,
}

/// What a read found.
pub(super) enum Taken {
    Data(Bytes),
    Fin,
    Nothing,
}

impl RecvHalf {
    pub(super) fn new(granted: u64, armed: bool) -> Self {
        Self { granted, armed, ..Self::default() }
    }

    /// Takes in a segment; whether a read finds something now.
    pub(super) fn insert(&mut self, offset: u64, data: Bytes, fin: bool) -> bool {
        if fin {
            self.final_bytes = Some(offset + data.len() as u64);
        }
        if !data.is_empty() {
            self.ahead.insert(offset, data);
        }
        while let Some(segment) = self.ahead.remove(&self.contiguous_bytes) {
            self.contiguous_bytes += segment.len() as u64;
            self.ready.push_back(segment);
        }
        !self.ready.is_empty() || self.is_complete()
    }

    /// Whether everything up to the FIN has arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.final_bytes == Some(self.contiguous_bytes)
    }

    pub(super) fn take(&mut self, max_bytes: usize) -> Taken {
        let Some(front) = self.ready.front_mut() else {
            return if self.is_complete() { Taken::Fin } else { Taken::Nothing };
        };
        let data = if front.len() > max_bytes {
            front.split_to(max_bytes)
        } else {
            self.ready.pop_front().unwrap_or_default()
        };
        self.read_bytes += data.len() as u64;
        self.credited_bytes += data.len() as u64;
        Taken::Data(data)
    }

    /// Throws away what arrived and was not read; how many bytes that were.
    pub(super) fn discard(&mut self) -> u64 {
        let received: u64 =
            self.ready.iter().chain(self.ahead.values()).map(|b| b.len() as u64).sum();
        self.ready.clear();
        self.ahead.clear();
        self.credited_bytes += received;
        received
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }
}
