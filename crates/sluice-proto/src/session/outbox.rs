//! Bytes that wait for one stream, in order, and how the stream then ends.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::transport::{StreamId, Transport};

/// What waits for one stream.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    chunks: VecDeque<Bytes>,
    queued_bytes: usize,
    fin: bool,
    finished: bool,
}

impl Outbox {
    /// Adds bytes. Nothing happens once the stream is to be finished.
    pub fn push(&mut self, bytes: Bytes) {
        if !self.fin && !bytes.is_empty() {
            self.queued_bytes += bytes.len();
            self.chunks.push_back(bytes);
        }
    }

    /// Takes over what waits in another.
    pub fn append(&mut self, other: &mut Outbox) {
        for chunk in std::mem::take(&mut other.chunks) {
            self.push(chunk);
        }
        self.fin |= other.fin;
    }

    /// Finishes the stream after what is queued.
    pub fn finish(&mut self) {
        self.fin = true;
    }

    /// Whether the stream has been, or will be, finished.
    pub fn is_finishing(&self) -> bool {
        self.fin
    }

    /// Bytes not yet taken.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Forgets everything: the stream is gone.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.queued_bytes = 0;
        self.fin = true;
        self.finished = true;
    }

    /// Hands over what the stream takes. True when nothing is left.
    pub fn flush(&mut self, stream: StreamId, transport: &mut dyn Transport) -> bool {
        if !self.chunks.is_empty() {
            match transport.write(stream, self.chunks.make_contiguous()) {
                Ok(written) => self.queued_bytes -= written.bytes.min(self.queued_bytes),
                Err(_) => self.clear(),
            }
            self.chunks.retain(|chunk| !chunk.is_empty());
        }
        if self.chunks.is_empty() && self.fin && !self.finished {
            transport.finish(stream);
            self.finished = true;
        }
        self.chunks.is_empty()
    }
}
