//! A connection borrowed for one turn, as MOQT sees it.

use std::time::Instant;

use bytes::Bytes;
use quinn_proto::{Dir, SendDatagramError, VarInt};
use sluice_proto::transport::{
    DatagramError, PathStats, PeerCredit, PeerInfo, Read, StreamError, StreamId, StreamKind,
    Transport, TransportEvent, Written,
};

use crate::connection::{Connection, REASON_BYTES_MAX};
use crate::net::Shared;
use crate::quic_streams::{self, RawError};

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

impl Transport for ConnTransport<'_> {
    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.connection.events.pop_front()
    }

    fn open(&mut self, kind: StreamKind) -> Option<StreamId> {
        self.connection.open_stream(kind)
    }

    fn read(&mut self, stream: StreamId, max_bytes: usize) -> Result<Read, StreamError> {
        quic_streams::read(&mut self.connection.quic, stream, max_bytes).map_err(stream_error)
    }

    fn write(&mut self, stream: StreamId, chunks: &mut [Bytes]) -> Result<Written, StreamError> {
        let written =
            quic_streams::write(&mut self.connection.quic, stream, chunks).map_err(stream_error)?;
        self.connection.written_bytes += written.bytes as u64;
        Ok(written)
    }

    fn finish(&mut self, stream: StreamId) {
        quic_streams::finish(&mut self.connection.quic, stream);
    }

    fn reset(&mut self, stream: StreamId, code: u64) {
        quic_streams::reset(&mut self.connection.quic, stream, wire_code(code));
    }

    fn stop(&mut self, stream: StreamId, code: u64) {
        quic_streams::stop(&mut self.connection.quic, stream, wire_code(code));
    }

    fn set_priority(&mut self, stream: StreamId, order: i32) {
        quic_streams::set_priority(&mut self.connection.quic, stream, order);
    }

    fn send_datagram(&mut self, payload: Bytes) -> Result<(), DatagramError> {
        match self.connection.quic.datagrams().send(payload, false) {
            Ok(()) => Ok(()),
            Err(SendDatagramError::Blocked(_)) => Err(DatagramError::Blocked),
            Err(SendDatagramError::TooLarge) => Err(DatagramError::TooLarge),
            Err(SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled) => {
                Err(DatagramError::Unavailable)
            }
        }
    }

    fn recv_datagram(&mut self) -> Option<Bytes> {
        self.connection.quic.datagrams().recv()
    }

    fn datagram_max(&self) -> Option<usize> {
        self.datagram_max
    }

    fn set_credit(&mut self, credit: PeerCredit) {
        let quic = &mut self.connection.quic;
        quic.set_max_concurrent_streams(Dir::Uni, credit.uni_streams.into());
        quic.set_max_concurrent_streams(Dir::Bi, credit.bidi_streams.into());
        quic.set_receive_window(credit.window_bytes.into());
    }

    fn send_room(&self) -> usize {
        usize::try_from(self.connection.send_room_bytes()).unwrap_or(usize::MAX)
    }

    fn stats(&self) -> PathStats {
        let path = self.connection.quic.stats().path;
        PathStats {
            rtt: path.rtt,
            window_bytes: path.cwnd,
            lost_packets: path.lost_packets,
            mtu_bytes: path.current_mtu,
            remote: self.connection.quic.remote_address(),
        }
    }

    fn info(&self) -> &PeerInfo {
        self.connection.info().expect("a transport is lent only after `Connected`")
    }

    fn close(&mut self, code: u64, reason: &str) {
        let cut = reason.floor_char_boundary(REASON_BYTES_MAX);
        self.connection.close(self.now, code, &reason[..cut], self.shared);
    }
}

fn wire_code(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

fn stream_error(error: RawError) -> StreamError {
    match error {
        RawError::Reset(code) => StreamError::Reset(code.into_inner()),
        RawError::Stopped(code) => StreamError::Stopped(code.into_inner()),
        RawError::Closed => StreamError::Closed,
    }
}
