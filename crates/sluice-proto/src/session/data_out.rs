//! Data streams and datagrams that we send.

use bytes::{Bytes, BytesMut};

use super::requests::{Maker, Phase};
use super::{CommandError, SendDatagramError, Session};
use crate::model::{DatagramHead, FetchHead, RequestId, RequestKind, ResetCode, SubgroupHead};
use crate::transport::{StreamId, StreamKind, Transport};

impl Session {
    /// Opens a subgroup stream of a subscription that we publish to. Returns the stream and its
    /// encoded head, which has to be written first; `None` without stream credit
    /// (`StreamsAvailable` follows). `head.alias` is replaced by the subscription's; `order` is
    /// the stream's priority, higher first.
    pub fn open_subgroup(
        &mut self,
        transport: &mut dyn Transport,
        id: RequestId,
        head: &SubgroupHead,
        order: i32,
    ) -> Result<Option<(StreamId, Bytes)>, CommandError> {
        let dialect = self.dialect.ok_or(CommandError::NotReady)?;
        let entry = self.requests.get(id).ok_or(CommandError::NotOpen(id))?;
        let alias = entry.alias.ok_or(CommandError::NotOpen(id))?;
        let head = SubgroupHead { alias, ..head.clone() };
        let mut bytes = BytesMut::with_capacity(32);
        dialect.encode_subgroup_head(&head, &mut bytes)?;
        Ok(self.open_data(transport, id, order).map(|stream| (stream, bytes.freeze())))
    }

    /// Opens the stream that answers the peer's FETCH, or that fills a subscription: `id` is the
    /// FETCH, or the SUBSCRIBE or update that carried the fill.
    pub fn open_fetch(
        &mut self,
        transport: &mut dyn Transport,
        id: RequestId,
        order: i32,
    ) -> Result<Option<(StreamId, Bytes)>, CommandError> {
        let dialect = self.dialect.ok_or(CommandError::NotReady)?;
        let owner = self.fill_updates.get(&id).copied().unwrap_or(id);
        self.requests.get(owner).ok_or(CommandError::NotOpen(id))?;
        let mut bytes = BytesMut::with_capacity(16);
        dialect.encode_fetch_head(&FetchHead { request: id }, &mut bytes)?;
        Ok(self.open_data(transport, owner, order).map(|stream| (stream, bytes.freeze())))
    }

    pub(super) fn open_data(
        &mut self,
        transport: &mut dyn Transport,
        id: RequestId,
        order: i32,
    ) -> Option<StreamId> {
        let stream = transport.open(StreamKind::Uni)?;
        transport.set_priority(stream, order);
        self.data_out.insert(stream, id);
        if let Some(entry) = self.requests.get_mut(id) {
            entry.streams_open += 1;
            entry.streams_total += 1;
        }
        Some(stream)
    }

    /// Ends a data stream after what was written. `OutAcked` follows when all of it arrived.
    pub fn finish_data(&mut self, transport: &mut dyn Transport, stream: StreamId) {
        transport.finish(stream);
        self.data_stream_ended(stream);
    }

    /// Abandons a data stream.
    pub fn reset_data(&mut self, transport: &mut dyn Transport, stream: StreamId, code: ResetCode) {
        transport.reset(stream, self.reset_code(code));
        self.data_stream_ended(stream);
        self.data_out.remove(&stream);
    }

    /// Abandons a data stream that was finished, if the peer does not have all of it yet.
    pub fn expire_data(&mut self, transport: &mut dyn Transport, stream: StreamId) {
        if self.data_out.remove(&stream).is_some() {
            transport.reset(stream, self.reset_code(ResetCode::DeliveryTimeout));
        }
    }

    /// Whether a data stream was not reset, and the peer does not have all of it yet.
    pub fn is_sending(&self, stream: StreamId) -> bool {
        self.data_out.contains_key(&stream)
    }

    /// A data stream of ours carries nothing more: its subscription may end.
    pub(super) fn data_stream_ended(&mut self, stream: StreamId) {
        let Some(id) = self.data_out.get(&stream).copied() else { return };
        let Some(entry) = self.requests.get_mut(id) else { return };
        entry.streams_open = entry.streams_open.saturating_sub(1);
        if entry.kind == RequestKind::Fetch {
            return self.retire_fetch(id);
        }
        self.say_done_if_drained(id);
    }

    /// A fetch of the peer is over once it was accepted and its stream has ended.
    pub(super) fn retire_fetch(&mut self, id: RequestId) {
        let over = self.requests.get(id).is_some_and(|entry| {
            let answered = entry.phase == Phase::Open && entry.maker == Maker::Peer;
            answered && entry.streams_total > 0 && entry.streams_open == 0
        });
        if over {
            self.finish_stream(id);
            self.retire(id);
        }
    }

    /// Asks the peer to stop sending a data stream.
    pub fn stop_data(&mut self, transport: &mut dyn Transport, stream: StreamId, code: ResetCode) {
        self.streams.remove(&stream);
        self.readable.remove(&stream);
        transport.stop(stream, self.reset_code(code));
    }

    /// Sends an object in a datagram. `head.alias` is replaced by the subscription's.
    pub fn send_datagram(
        &mut self,
        transport: &mut dyn Transport,
        id: RequestId,
        head: &DatagramHead,
        payload: &[Bytes],
    ) -> Result<(), SendDatagramError> {
        let dialect = self.dialect.ok_or(CommandError::NotReady)?;
        if self.speaks_names() {
            return self.send_datagram_as_stream(transport, id, head, payload);
        }
        let entry = self.requests.get(id).ok_or(CommandError::NotOpen(id))?;
        let alias = entry.alias.ok_or(CommandError::NotOpen(id))?;
        let head = DatagramHead { alias, ..head.clone() };
        let length: usize = payload.iter().map(Bytes::len).sum();
        let mut bytes = BytesMut::with_capacity(64 + length);
        dialect.encode_datagram(&head, &mut bytes).map_err(CommandError::from)?;
        for part in payload {
            bytes.extend_from_slice(part);
        }
        transport.send_datagram(bytes.freeze())?;
        Ok(())
    }
}
