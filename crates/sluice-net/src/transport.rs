//! A connection borrowed for one turn, as MOQT sees it.

use std::time::Instant;

use bytes::Bytes;
use quinn_proto::{SendDatagramError, VarInt};
use sluice_proto::transport::{
    DatagramError, PathStats, PeerCredit, PeerInfo, Read, StreamError, StreamId, StreamKind,
    Transport, TransportEvent, Written,
};

use crate::connection::{Connection, Layer, REASON_BYTES_MAX};
use crate::net::Shared;
use crate::quic_streams::{self, RawError};
use crate::web::codes;

/// Streams that HTTP/3 keeps open for itself: control, QPACK's two and one of a kind to come.
const HTTP_UNI_STREAMS: u32 = 4;
/// The session's own stream.
const HTTP_BIDI_STREAMS: u32 = 1;

/// The [`Transport`] of one connection for one turn, from [`Net::transport`](crate::Net::transport).
///
/// What was written leaves with the next [`Net::poll_transmit`](crate::Net::poll_transmit).
pub struct ConnTransport<'a> {
    connection: &'a mut Connection,
    shared: &'a mut Shared,
    now: Instant,
    datagram_max: Option<usize>,
}

impl<'a> ConnTransport<'a> {
    pub(crate) fn new(
        connection: &'a mut Connection,
        shared: &'a mut Shared,
        now: Instant,
    ) -> ConnTransport<'a> {
        ConnTransport { datagram_max: connection.datagram_max(), connection, shared, now }
    }
}

impl Drop for ConnTransport<'_> {
    fn drop(&mut self) {
        self.connection.queue_transmit(self.shared);
        self.connection.arm(self.shared);
    }
}

impl ConnTransport<'_> {
    /// Asks the peer, below MOQT, to wind the session down: DRAIN_WEBTRANSPORT_SESSION and an
    /// HTTP/3 GOAWAY. Raw QUIC has no such thing; there MOQT's GOAWAY does it.
    pub fn drain(&mut self) {
        if let Layer::Web(web) = &mut self.connection.layer {
            web.drain(&mut self.connection.quic);
        }
    }

    fn wire_code(&self, code: u64) -> VarInt {
        match self.connection.layer {
            Layer::Web(_) => codes::to_http(code),
            Layer::Undecided | Layer::Quic => VarInt::from_u64(code).unwrap_or(VarInt::MAX),
        }
    }

    fn stream_error(&self, error: RawError) -> StreamError {
        let code = |code: VarInt| match self.connection.layer {
            // A code that is not the application's says nothing to it.
            Layer::Web(_) => codes::from_http(code).unwrap_or(0),
            Layer::Undecided | Layer::Quic => code.into_inner(),
        };
        match error {
            RawError::Reset(wire) => StreamError::Reset(code(wire)),
            RawError::Stopped(wire) => StreamError::Stopped(code(wire)),
            RawError::Closed => StreamError::Closed,
        }
    }
}

impl Transport for ConnTransport<'_> {
    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.connection.events.pop_front()
    }

    fn open(&mut self, kind: StreamKind) -> Option<StreamId> {
        let Connection { quic, layer, .. } = &mut *self.connection;
        match layer {
            Layer::Web(web) => web.open(quic, kind),
            Layer::Undecided | Layer::Quic => quic_streams::open(quic, kind),
        }
    }

    fn read(&mut self, stream: StreamId, max_bytes: usize) -> Result<Read, StreamError> {
        quic_streams::read(&mut self.connection.quic, stream, max_bytes)
            .map_err(|error| self.stream_error(error))
    }

    fn write(&mut self, stream: StreamId, chunks: &mut [Bytes]) -> Result<Written, StreamError> {
        let Connection { quic, layer, .. } = &mut *self.connection;
        let written = match layer {
            Layer::Web(web) => web.write(quic, stream, chunks),
            Layer::Undecided | Layer::Quic => quic_streams::write(quic, stream, chunks),
        }
        .map_err(|error| self.stream_error(error))?;
        self.connection.written_bytes += written.bytes as u64;
        if self.connection.send_room_bytes() == 0 {
            self.connection.room_wanted = true;
        }
        Ok(written)
    }

    fn finish(&mut self, stream: StreamId) {
        let Connection { quic, layer, .. } = &mut *self.connection;
        match layer {
            Layer::Web(web) => web.finish(quic, stream),
            Layer::Undecided | Layer::Quic => quic_streams::finish(quic, stream),
        }
    }

    fn reset(&mut self, stream: StreamId, code: u64) {
        let code = self.wire_code(code);
        let Connection { quic, layer, .. } = &mut *self.connection;
        match layer {
            Layer::Web(web) => web.reset(quic, stream, code),
            Layer::Undecided | Layer::Quic => quic_streams::reset(quic, stream, code),
        }
    }

    fn stop(&mut self, stream: StreamId, code: u64) {
        let code = self.wire_code(code);
        quic_streams::stop(&mut self.connection.quic, stream, code);
    }

    fn set_priority(&mut self, stream: StreamId, order: i32) {
        quic_streams::set_priority(&mut self.connection.quic, stream, order);
    }

    fn send_datagram(&mut self, payload: Bytes) -> Result<(), DatagramError> {
        let Connection { quic, layer, .. } = &mut *self.connection;
        let datagram = match layer {
            Layer::Web(web) => web.wrap_datagram(&payload).ok_or(DatagramError::Unavailable)?,
            Layer::Undecided | Layer::Quic => payload,
        };
        match quic.datagrams().send(datagram, false) {
            Ok(()) => Ok(()),
            Err(SendDatagramError::Blocked(_)) => Err(DatagramError::Blocked),
            Err(SendDatagramError::TooLarge) => Err(DatagramError::TooLarge),
            Err(SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled) => {
                Err(DatagramError::Unavailable)
            }
        }
    }

    fn recv_datagram(&mut self) -> Option<Bytes> {
        let Connection { quic, layer, .. } = &mut *self.connection;
        loop {
            let datagram = quic.datagrams().recv()?;
            match layer {
                Layer::Web(web) => {
                    if let Some(payload) = web.unwrap_datagram(datagram) {
                        return Some(payload);
                    }
                }
                Layer::Undecided | Layer::Quic => return Some(datagram),
            }
        }
    }

    fn datagram_max(&self) -> Option<usize> {
        self.datagram_max
    }

    fn set_credit(&mut self, credit: PeerCredit) {
        let (more_uni, more_bidi) = match self.connection.layer {
            Layer::Web(_) => (HTTP_UNI_STREAMS, HTTP_BIDI_STREAMS),
            Layer::Undecided | Layer::Quic => (0, 0),
        };
        let uni_streams = credit.uni_streams.saturating_add(more_uni);
        let bidi_streams = credit.bidi_streams.saturating_add(more_bidi);
        let quic = &mut self.connection.quic;
        self.connection.stream_credit.allow(quic, uni_streams, bidi_streams);
        quic.set_receive_window(credit.window_bytes.into());
    }

    fn send_room(&self) -> usize {
        usize::try_from(self.connection.send_room_bytes()).unwrap_or(usize::MAX)
    }

    fn stats(&self) -> PathStats {
        self.connection.path_stats()
    }

    fn info(&self) -> &PeerInfo {
        self.connection.info().expect("a transport is lent only after `Connected`")
    }

    fn close(&mut self, code: u64, reason: &str) {
        let cut = reason.floor_char_boundary(REASON_BYTES_MAX);
        self.connection.close(self.now, code, &reason[..cut], self.shared);
    }
}
