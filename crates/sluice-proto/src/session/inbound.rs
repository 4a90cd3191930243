//! Streams that are read: what each is, and what was read of it but not used.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use crate::model::{DatagramHead, RequestId, TrackAlias};
use crate::transport::StreamId;
use crate::wire::data::{FetchDecoder, SubgroupDecoder, UniHead};

/// A stream that is read.
#[derive(Debug)]
pub(super) enum Inbound {
    /// The peer's control stream.
    Control(BytesMut),
    /// A unidirectional stream whose head is not complete.
    NewUni(Bytes),
    /// A bidirectional stream of the peer whose first message is not complete.
    NewRequest(BytesMut),
    /// The peer's half of a request's stream.
    Request(RequestId, BytesMut),
    /// A subgroup of a subscription.
    Subgroup(SubgroupStream),
    /// One object.
    Object(ObjectStream),
    /// An answer to a fetch, or a fill.
    Fetch(FetchStream),
    /// A data stream whose track or fetch is not known yet; not read on until it is.
    Early(UniHead, Bytes),
    /// Bytes to throw away.
    Discard,
}

impl Inbound {
    /// Bytes read and not used.
    fn unused_bytes(&self) -> usize {
        match self {
            Inbound::Control(bytes) | Inbound::NewRequest(bytes) | Inbound::Request(_, bytes) => {
                bytes.len()
            }
            Inbound::NewUni(bytes) | Inbound::Early(_, bytes) => bytes.len(),
            Inbound::Subgroup(subgroup) => subgroup.payload.unread.len(),
            Inbound::Fetch(fetch) => fetch.payload.unread.len(),
            Inbound::Object(object) => object.unread.len(),
            Inbound::Discard => 0,
        }
    }
}

/// What a stream costs besides the bytes that were read of it, in QUIC and here.
const STREAM_COST_BYTES: usize = 1024;

/// The streams that are read, and what they hold.
#[derive(Debug, Default)]
pub(super) struct InboundStreams {
    streams: HashMap<StreamId, Inbound>,
    unused_bytes: usize,
}

impl InboundStreams {
    pub fn insert(&mut self, stream: StreamId, inbound: Inbound) {
        self.unused_bytes += inbound.unused_bytes();
        if let Some(before) = self.streams.insert(stream, inbound) {
            self.unused_bytes -= before.unused_bytes();
        }
    }

    pub fn remove(&mut self, stream: &StreamId) -> Option<Inbound> {
        let removed = self.streams.remove(stream)?;
        self.unused_bytes -= removed.unused_bytes();
        Some(removed)
    }

    pub fn get(&self, stream: &StreamId) -> Option<&Inbound> {
        self.streams.get(stream)
    }

    pub fn contains_key(&self, stream: &StreamId) -> bool {
        self.streams.contains_key(stream)
    }

    pub fn keys(&self) -> impl Iterator<Item = &StreamId> {
        self.streams.keys()
    }

    /// Memory that all of them take.
    pub fn held_bytes(&self) -> usize {
        self.unused_bytes + self.streams.len() * STREAM_COST_BYTES
    }
}

/// Where a data stream is between its objects.
#[derive(Debug, Default)]
pub(super) struct Payload {
    /// Read, not used: the start of a head, or payload.
    pub unread: Bytes,
    /// Bytes of the current object's payload that did not arrive.
    pub bytes_left: u64,
}

impl Payload {
    /// Adds bytes. Copies only while a head is cut in two.
    pub fn push(&mut self, data: Bytes) {
        if self.unread.is_empty() {
            self.unread = data;
        } else {
            let mut joined = BytesMut::with_capacity(self.unread.len() + data.len());
            joined.extend_from_slice(&self.unread);
            joined.extend_from_slice(&data);
            self.unread = joined.freeze();
        }
    }

    /// The next part of the payload, if one is due and there.
    pub fn take(&mut self) -> Option<Bytes> {
        if self.bytes_left == 0 || self.unread.is_empty() {
            return None;
        }
        let bytes = usize::try_from(self.bytes_left).unwrap_or(usize::MAX).min(self.unread.len());
        self.bytes_left -= bytes as u64;
        Some(self.unread.split_to(bytes))
    }
}

#[derive(Debug)]
pub(super) struct SubgroupStream {
    pub request: RequestId,
    pub decoder: SubgroupDecoder,
    pub payload: Payload,
}

#[derive(Debug)]
pub(super) struct ObjectStream {
    /// How much of its payload has still to come; `None` if that is not known.
    pub left: Option<u64>,
    /// Read, not used.
    pub unread: Bytes,
}

#[derive(Debug)]
pub(super) struct FetchStream {
    /// What the stream's head names.
    pub request: RequestId,
    pub decoder: FetchDecoder,
    pub payload: Payload,
}

/// What a kept datagram costs besides its payload.
const DATAGRAM_COST_BYTES: usize = 128;

/// Data that came before what says whose it is (MOQT-18 §11.1, §11.4.2).
#[derive(Debug, Default)]
pub(super) struct EarlyData {
    streams: VecDeque<(StreamId, usize, Instant)>,
    /// Bytes read of those streams, as long as they are kept.
    stream_bytes: usize,
    datagrams: VecDeque<(DatagramHead, Bytes, Instant)>,
    datagram_bytes: usize,
    /// Streams to stop at the next flush.
    stops: Vec<(StreamId, u64)>,
}

impl EarlyData {
    pub fn deadline(&self) -> Option<Instant> {
        let stream = self.streams.front().map(|(.., until)| *until);
        let datagram = self.datagrams.front().map(|(.., until)| *until);
        stream.into_iter().chain(datagram).min()
    }

    /// Keeps a stream of which `bytes` were read; false if that is too much.
    pub fn keep_stream(
        &mut self,
        stream: StreamId,
        bytes: usize,
        until: Instant,
        max: usize,
        bytes_max: usize,
    ) -> bool {
        if self.streams.len() >= max || self.held_bytes() + bytes > bytes_max {
            return false;
        }
        self.streams.push_back((stream, bytes, until));
        self.stream_bytes += bytes;
        true
    }

    /// Bytes kept.
    pub fn held_bytes(&self) -> usize {
        self.stream_bytes + self.datagram_bytes
    }

    /// Keeps a datagram, unless that would be too many bytes.
    pub fn keep_datagram(
        &mut self,
        head: DatagramHead,
        payload: Bytes,
        until: Instant,
        bytes_max: usize,
    ) {
        let cost = payload.len() + DATAGRAM_COST_BYTES;
        if self.held_bytes() + cost > bytes_max {
            return;
        }
        self.datagram_bytes += cost;
        self.datagrams.push_back((head, payload, until));
    }

    pub fn forget_stream(&mut self, stream: StreamId) {
        self.streams.retain(|(kept, bytes, _)| {
            if *kept == stream {
                self.stream_bytes -= bytes;
            }
            *kept != stream
        });
    }

    /// Streams kept, oldest first.
    pub fn streams(&self) -> Vec<StreamId> {
        self.streams.iter().map(|(stream, ..)| *stream).collect()
    }

    /// Takes the datagrams of a track that is now known.
    pub fn datagrams_of(&mut self, alias: TrackAlias) -> Vec<(DatagramHead, Bytes)> {
        let mut taken = Vec::new();
        self.datagrams.retain(|(head, payload, _)| {
            if head.alias == alias {
                self.datagram_bytes -= payload.len() + DATAGRAM_COST_BYTES;
                taken.push((head.clone(), payload.clone()));
            }
            head.alias != alias
        });
        taken
    }

    /// Streams that waited too long; datagrams that did are dropped.
    pub fn expired(&mut self, now: Instant) -> Vec<StreamId> {
        while self.datagrams.front().is_some_and(|(.., until)| now >= *until) {
            if let Some((_, payload, _)) = self.datagrams.pop_front() {
                self.datagram_bytes -= payload.len() + DATAGRAM_COST_BYTES;
            }
        }
        let mut expired = Vec::new();
        while self.streams.front().is_some_and(|(.., until)| now >= *until) {
            if let Some((stream, bytes, _)) = self.streams.pop_front() {
                self.stream_bytes -= bytes;
                expired.push(stream);
            }
        }
        expired
    }

    pub fn stop_later(&mut self, stream: StreamId, code: u64) {
        self.stops.push((stream, code));
    }

    pub fn has_stops(&self) -> bool {
        !self.stops.is_empty()
    }

    pub fn take_stops(&mut self) -> Vec<(StreamId, u64)> {
        std::mem::take(&mut self.stops)
    }
}
