//! Bytes of our own on the way out: preambles, SETTINGS, requests, responses and capsules.
//!
//! They are few and go past our own send window, which is for MOQT's data. What the peer's
//! window does not admit is kept here, and goes before anything else on its stream.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use quinn_proto::{Connection as Quic, VarInt};
use sluice_proto::transport::StreamId;

use super::element::encode_element;
use super::incoming::FRAME_HEADERS;
use crate::congestion::send_window_bytes;
use crate::quic_streams;

/// Control and session streams go before everything of MOQT's.
const OWN_PRIORITY: i32 = i32::MAX;

#[derive(Default)]
struct Unsent {
    bytes: BytesMut,
    finish: bool,
}

/// What is ours to send, and which sending sides are ours.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Streams whose sending side is not MOQT's. The peer's stream credit bounds them.
    own: BTreeSet<StreamId>,
    unsent: BTreeMap<StreamId, Unsent>,
}

impl Outgoing {
    /// Sends the HEADERS frame of a request or response.
    pub(crate) fn send_headers(
        &mut self,
        quic: &mut Quic,
        stream: StreamId,
        section: &[u8],
        finish: bool,
    ) {
        let mut frame = Vec::new();
        encode_element(FRAME_HEADERS, section, &mut frame);
        self.send_own(quic, stream, &frame, finish);
    }

    /// Sends on a stream whose sending side is not MOQT's.
    pub(crate) fn send_own(
        &mut self,
        quic: &mut Quic,
        stream: StreamId,
        bytes: &[u8],
        finish: bool,
    ) {
        self.claim(stream);
        quic_streams::set_priority(quic, stream, OWN_PRIORITY);
        self.send(quic, stream, bytes, finish);
    }

    /// Sends on any stream.
    pub(crate) fn send(&mut self, quic: &mut Quic, stream: StreamId, bytes: &[u8], finish: bool) {
        let unsent = self.unsent.entry(stream).or_default();
        unsent.bytes.extend_from_slice(bytes);
        unsent.finish |= finish;
        quic.set_send_window(u64::MAX);
        self.flush(quic, stream);
        quic.set_send_window(send_window_bytes(quic));
    }

    /// Sends what was kept for a stream. True when nothing is left.
    pub(crate) fn flush(&mut self, quic: &mut Quic, stream: StreamId) -> bool {
        let Some(mut unsent) = self.unsent.remove(&stream) else {
            return true;
        };
        let mut chunks = [unsent.bytes.freeze()];
        match quic_streams::write(quic, stream, &mut chunks) {
            Ok(written) if !written.complete => {
                let [rest] = chunks;
                unsent.bytes = BytesMut::from(rest);
                self.unsent.insert(stream, unsent);
                false
            }
            Ok(_) => {
                if unsent.finish {
                    quic_streams::finish(quic, stream);
                }
                true
            }
            // Stopped or gone: whoever writes next is told.
            Err(_) => true,
        }
    }

    /// Finishes a stream after what was kept for it.
    pub(crate) fn finish(&mut self, quic: &mut Quic, stream: StreamId) {
        match self.unsent.get_mut(&stream) {
            Some(unsent) => unsent.finish = true,
            None => quic_streams::finish(quic, stream),
        }
    }

    /// Resets a stream, with what was kept for it.
    pub(crate) fn reset(&mut self, quic: &mut Quic, stream: StreamId, code: VarInt) {
        self.unsent.remove(&stream);
        quic_streams::reset(quic, stream, code);
    }

    /// From here on the sending side is ours.
    pub(crate) fn claim(&mut self, stream: StreamId) {
        self.own.insert(stream);
    }

    /// Whether the sending side is ours.
    pub(crate) fn is_own(&self, stream: StreamId) -> bool {
        self.own.contains(&stream)
    }

    /// The sending side has ended; whether it was ours.
    pub(crate) fn forget_own(&mut self, stream: StreamId) -> bool {
        self.own.remove(&stream)
    }
}
