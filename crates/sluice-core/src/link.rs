//! One end of the connection between two shards: what a session takes for a transport, and what
//! becomes frames in the other shard's mailbox.
//!
//! Bytes travel within a credit that the reader returns as it reads. Without credit
//! [`Transport::send_room`] is 0, so cursors keep their places and nothing is queued. Control
//! messages are taken all the same: the tables that they describe bound them.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use sluice_proto::transport::{
    Carrier, CloseReason, DatagramError, PathStats, PeerCredit, PeerInfo, Read, Side, StreamError,
    StreamId, StreamKind, Transport, TransportEvent, Written,
};

/// What one end tells the other. In order, and never lost.
#[derive(Debug)]
pub(crate) enum Frame {
    Opened(StreamId),
    Data(StreamId, Bytes),
    Finished(StreamId),
    Reset(StreamId, u64),
    Stopped(StreamId, u64),
    Datagram(Bytes),
    /// So many bytes were read: as many may follow.
    Credit(usize),
    Closed(u64, String),
}

/// Bytes of a stream that have come and are not read.
#[derive(Debug, Default)]
struct Receiving {
    chunks: VecDeque<Bytes>,
    is_finished: bool,
    /// The reader was told that there is nothing, and waits for word.
    is_awaited: bool,
}

impl Receiving {
    fn unread_bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

/// One end.
#[derive(Debug)]
pub(crate) struct LinkTransport {
    info: PeerInfo,
    events: VecDeque<TransportEvent>,
    opened_uni: u64,
    opened_bidi: u64,
    /// Streams that we send on, with the code by which the peer stopped them.
    sending: HashMap<StreamId, Option<u64>>,
    receiving: HashMap<StreamId, Receiving>,
    datagrams: VecDeque<Bytes>,
    window_bytes: usize,
    /// Below zero: control messages took more than there was.
    credit_bytes: i64,
    /// Read since credit was last returned.
    read_bytes: usize,
    frames: Vec<Frame>,
}

impl LinkTransport {
    /// An end with nothing on it. `window_bytes` are under way at most, besides control messages.
    pub fn new(side: Side, protocol: &str, window_bytes: usize) -> Self {
        let info = PeerInfo {
            side,
            // The carrier whose path and authority are not said again in SETUP.
            carrier: Carrier::WebTransport,
            protocol: Some(protocol.to_owned()),
            path: Some("/".to_owned()),
            authority: Some("shard".to_owned()),
            remote: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        };
        Self {
            info,
            events: VecDeque::new(),
            opened_uni: 0,
            opened_bidi: 0,
            sending: HashMap::new(),
            receiving: HashMap::new(),
            datagrams: VecDeque::new(),
            window_bytes,
            credit_bytes: window_bytes as i64,
            read_bytes: 0,
            frames: Vec::new(),
        }
    }

    /// The other end said something.
    pub fn handle_frame(&mut self, frame: Frame) {
        match frame {
            Frame::Opened(stream) => {
                self.receiving.insert(stream, Receiving::default());
                let kind = kind_of(stream);
                if kind == StreamKind::Bidi {
                    self.sending.insert(stream, None);
                }
                self.events.push_back(TransportEvent::Opened(stream, kind));
            }
            Frame::Data(stream, data) => match self.receiving.get_mut(&stream) {
                Some(receiving) => {
                    receiving.chunks.push_back(data);
                    self.tell_readable(stream);
                }
                None => self.read_bytes += data.len(),
            },
            Frame::Finished(stream) => {
                if let Some(receiving) = self.receiving.get_mut(&stream) {
                    receiving.is_finished = true;
                    self.tell_readable(stream);
                }
            }
            Frame::Reset(stream, code) => {
                if let Some(receiving) = self.receiving.remove(&stream) {
                    self.read_bytes += receiving.unread_bytes();
                    self.events.push_back(TransportEvent::Reset(stream, code));
                }
            }
            Frame::Stopped(stream, code) => {
                if let Some(stopped) = self.sending.get_mut(&stream) {
                    *stopped = Some(code);
                    self.events.push_back(TransportEvent::Stopped(stream, code));
                }
            }
            Frame::Datagram(data) => {
                self.datagrams.push_back(data);
                self.events.push_back(TransportEvent::Datagram);
            }
            Frame::Credit(bytes) => {
                let had_none = self.credit_bytes <= 0;
                self.credit_bytes += bytes as i64;
                if had_none && self.credit_bytes > 0 {
                    self.events.push_back(TransportEvent::SendRoom);
                    self.events.push_back(TransportEvent::DatagramsWritable);
                }
            }
            Frame::Closed(code, reason) => {
                let reason = CloseReason::Peer { code, reason };
                self.events.push_back(TransportEvent::Closed(reason));
            }
        }
    }

    /// What is to be told to the other end.
    pub fn take_frames(&mut self) -> Vec<Frame> {
        // A message for every read would cost more than it carries.
        if self.read_bytes >= self.window_bytes / 8 {
            self.frames.push(Frame::Credit(std::mem::take(&mut self.read_bytes)));
        }
        std::mem::take(&mut self.frames)
    }

    /// Whether the session has not heard everything yet.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    fn tell_readable(&mut self, stream: StreamId) {
        let Some(receiving) = self.receiving.get_mut(&stream) else { return };
        if std::mem::take(&mut receiving.is_awaited) {
            self.events.push_back(TransportEvent::Readable(stream));
        }
    }

    fn spend(&mut self, bytes: usize) {
        self.credit_bytes -= bytes as i64;
    }
}

/// RFC 9000 §2.1: the second bit tells the direction.
fn kind_of(stream: StreamId) -> StreamKind {
    if stream.0 & 2 == 0 { StreamKind::Bidi } else { StreamKind::Uni }
}

impl Transport for LinkTransport {
    fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    fn open(&mut self, kind: StreamKind) -> Option<StreamId> {
        let initiator = u64::from(self.info.side == Side::Server);
        let (count, bit) = match kind {
            StreamKind::Uni => (&mut self.opened_uni, 2),
            StreamKind::Bidi => (&mut self.opened_bidi, 0),
        };
        let stream = StreamId(*count << 2 | bit | initiator);
        *count += 1;
        self.sending.insert(stream, None);
        if kind == StreamKind::Bidi {
            self.receiving.insert(stream, Receiving { is_awaited: true, ..Receiving::default() });
        }
        self.frames.push(Frame::Opened(stream));
        Some(stream)
    }

    fn read(&mut self, stream: StreamId, max_bytes: usize) -> Result<Read, StreamError> {
        let receiving = self.receiving.get_mut(&stream).ok_or(StreamError::Closed)?;
        let Some(front) = receiving.chunks.front_mut() else {
            if receiving.is_finished {
                self.receiving.remove(&stream);
                return Ok(Read::Fin);
            }
            receiving.is_awaited = true;
            return Ok(Read::Blocked);
        };
        let data = front.split_to(front.len().min(max_bytes));
        if front.is_empty() {
            receiving.chunks.pop_front();
        }
        self.read_bytes += data.len();
        Ok(Read::Data(data))
    }

    fn write(&mut self, stream: StreamId, chunks: &mut [Bytes]) -> Result<Written, StreamError> {
        match self.sending.get(&stream) {
            Some(None) => {}
            Some(Some(code)) => return Err(StreamError::Stopped(*code)),
            None => return Err(StreamError::Closed),
        }
        let mut bytes = 0;
        for chunk in chunks.iter_mut().filter(|chunk| !chunk.is_empty()) {
            bytes += chunk.len();
            self.frames.push(Frame::Data(stream, std::mem::take(chunk)));
        }
        self.spend(bytes);
        Ok(Written { bytes, complete: true })
    }

    fn finish(&mut self, stream: StreamId) {
        if self.sending.remove(&stream).is_some() {
            self.frames.push(Frame::Finished(stream));
            self.events.push_back(TransportEvent::Acked(stream));
        }
    }

    fn reset(&mut self, stream: StreamId, code: u64) {
        if self.sending.remove(&stream).is_some() {
            self.frames.push(Frame::Reset(stream, code));
        }
    }

    fn stop(&mut self, stream: StreamId, code: u64) {
        if let Some(receiving) = self.receiving.remove(&stream) {
            self.read_bytes += receiving.unread_bytes();
            self.frames.push(Frame::Stopped(stream, code));
        }
    }

    fn set_priority(&mut self, _stream: StreamId, _order: i32) {}

    fn send_datagram(&mut self, payload: Bytes) -> Result<(), DatagramError> {
        if self.credit_bytes <= 0 {
            return Err(DatagramError::Blocked);
        }
        self.spend(payload.len());
        self.frames.push(Frame::Datagram(payload));
        Ok(())
    }

    fn recv_datagram(&mut self) -> Option<Bytes> {
        let data = self.datagrams.pop_front()?;
        self.read_bytes += data.len();
        Some(data)
    }

    fn datagram_max(&self) -> Option<usize> {
        Some(self.window_bytes)
    }

    fn set_credit(&mut self, _credit: PeerCredit) {}

    fn send_room(&self) -> usize {
        self.credit_bytes.max(0) as usize
    }

    fn stats(&self) -> PathStats {
        PathStats {
            rtt: Duration::ZERO,
            window_bytes: self.window_bytes as u64,
            lost_packets: 0,
            mtu_bytes: u16::MAX,
            remote: self.info.remote,
        }
    }

    fn info(&self) -> &PeerInfo {
        &self.info
    }

    fn close(&mut self, code: u64, reason: &str) {
        self.frames.push(Frame::Closed(code, reason.to_owned()));
        self.events.push_back(TransportEvent::Closed(CloseReason::Local));
    }
}
