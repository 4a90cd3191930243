//! Streams of the QUIC library under the contract of `Transport`, with raw 62-bit codes.
//!
//! Hides that the library panics for a stream of the wrong direction, names no ids when streams
//! open, stays silent when a partly accepted write could go on, and keeps a stopped stream until
//! it is reset.

use bytes::Bytes;
use quinn_proto::{
    Connection, Dir, FinishError, ReadError, Side, StreamId as QuicId, VarInt, WriteError,
};
use sluice_proto::transport::{Read, StreamId, StreamKind, Written};

/// Why a stream refuses an operation, with the code on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RawError {
    Reset(VarInt),
    Stopped(VarInt),
    Closed,
}

pub(crate) fn read(
    quic: &mut Connection,
    stream: StreamId,
    max_bytes: usize,
) -> Result<Read, RawError> {
    let id = receiving(quic, stream).ok_or(RawError::Closed)?;
    let mut stream = quic.recv_stream(id);
    let mut chunks = stream.read(true).map_err(|_| RawError::Closed)?;
    let result = match chunks.next(max_bytes.max(1)) {
        Ok(Some(chunk)) => Ok(Read::Data(chunk.bytes)),
        Ok(None) => Ok(Read::Fin),
        Err(ReadError::Blocked) => Ok(Read::Blocked),
        Err(ReadError::Reset(code)) => Err(RawError::Reset(code)),
    };
    // Whatever credit this frees goes out with the connection's next transmit.
    let _ = chunks.finalize();
    result
}

pub(crate) fn write(
    quic: &mut Connection,
    stream: StreamId,
    chunks: &mut [Bytes],
) -> Result<Written, RawError> {
    let id = sending(quic, stream).ok_or(RawError::Closed)?;
    let mut stream = quic.send_stream(id);
    let mut written = Written { bytes: 0, complete: chunks.iter().all(Bytes::is_empty) };
    // Repeated until refused, because only a refusal makes the library say `Writable` later.
    while !written.complete {
        match stream.write_chunks(chunks) {
            Ok(accepted) => {
                written.bytes += accepted.bytes;
                written.complete = chunks.iter().all(Bytes::is_empty);
            }
            Err(WriteError::Blocked) => break,
            Err(WriteError::Stopped(code)) => return Err(RawError::Stopped(code)),
            Err(WriteError::ClosedStream) => return Err(RawError::Closed),
        }
    }
    Ok(written)
}

pub(crate) fn open(quic: &mut Connection, kind: StreamKind) -> Option<StreamId> {
    quic.streams().open(dir(kind)).map(from_quic)
}

pub(crate) fn accept(quic: &mut Connection, dir: Dir) -> Option<StreamId> {
    quic.streams().accept(dir).map(from_quic)
}

pub(crate) fn finish(quic: &mut Connection, stream: StreamId) {
    let Some(id) = sending(quic, stream) else {
        return;
    };
    if let Err(FinishError::Stopped(code)) = quic.send_stream(id).finish() {
        let _ = quic.send_stream(id).reset(code);
    }
}

pub(crate) fn reset(quic: &mut Connection, stream: StreamId, code: VarInt) {
    if let Some(id) = sending(quic, stream) {
        let _ = quic.send_stream(id).reset(code);
    }
}

pub(crate) fn stop(quic: &mut Connection, stream: StreamId, code: VarInt) {
    if let Some(id) = receiving(quic, stream) {
        let _ = quic.recv_stream(id).stop(code);
    }
}

/// The code of a reset that has arrived. Asking forgets the receiving side.
pub(crate) fn take_reset(quic: &mut Connection, stream: StreamId) -> Option<VarInt> {
    let id = receiving(quic, stream)?;
    quic.recv_stream(id).received_reset().ok().flatten()
}

pub(crate) fn set_priority(quic: &mut Connection, stream: StreamId, order: i32) {
    if let Some(id) = sending(quic, stream) {
        let _ = quic.send_stream(id).set_priority(order);
    }
}

pub(crate) fn from_quic(id: QuicId) -> StreamId {
    StreamId(VarInt::from(id).into_inner())
}

pub(crate) fn kind(dir: Dir) -> StreamKind {
    match dir {
        Dir::Uni => StreamKind::Uni,
        Dir::Bi => StreamKind::Bidi,
    }
}

fn dir(kind: StreamKind) -> Dir {
    match kind {
        StreamKind::Uni => Dir::Uni,
        StreamKind::Bidi => Dir::Bi,
    }
}

fn to_quic(stream: StreamId) -> Option<QuicId> {
    VarInt::from_u64(stream.0).ok().map(QuicId::from)
}

fn side(quic: &Connection) -> Side {
    quic.side()
}

fn receiving(quic: &Connection, stream: StreamId) -> Option<QuicId> {
    to_quic(stream).filter(|id| id.dir() == Dir::Bi || id.initiator() != side(quic))
}

fn sending(quic: &Connection, stream: StreamId) -> Option<QuicId> {
    to_quic(stream).filter(|id| id.dir() == Dir::Bi || id.initiator() == side(quic))
}
