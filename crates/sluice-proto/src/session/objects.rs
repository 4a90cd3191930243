//! Streams that carry one object each: their beginning says whose it is, their end that it is whole.

use bytes::Bytes;

use super::inbound::{Inbound, ObjectStream};
use super::outbox::Outbox;
use super::streams::Flow;
use super::{CommandError, SendDatagramError, Session, SessionEvent};
use crate::model::{
    DatagramHead, ObjectStatus, ObjectStreamHead, Priority, RequestId, ResetCode, SendOrder,
};
use crate::transport::{DatagramError, StreamId, Transport};
use crate::wire::{Inexpressible, MessageKind, NamedFault, NamedViolation};

impl Session {
    /// Opens a stream for one object of a subscription that we publish to, as
    /// [`open_subgroup`](Self::open_subgroup) does for a subgroup. The object ends with it.
    pub fn open_object(
        &mut self,
        transport: &mut dyn Transport,
        id: RequestId,
        head: &ObjectStreamHead,
        order: i32,
    ) -> Result<Option<(StreamId, Bytes)>, CommandError> {
        let dialect = self.dialect.ok_or(CommandError::NotReady)?;
        let entry = self.requests.get_mut(id).ok_or(CommandError::NotOpen(id))?;
        let alias = entry.alias.ok_or(CommandError::NotOpen(id))?;
        let head = ObjectStreamHead { alias, ..*head };
        let mut bytes = bytes::BytesMut::with_capacity(48);
        dialect.encode_object_stream_head(&head, &mut bytes)?;
        entry.settings.largest = entry.settings.largest.max(Some(head.location));
        Ok(self.open_data(transport, id, order).map(|stream| (stream, bytes.freeze())))
    }

    /// The send order for an object whose publisher gave it none.
    pub fn next_send_order(&mut self, priority: Priority) -> SendOrder {
        self.named.next_send_order(priority)
    }

    /// An object that came in a datagram, for a peer that takes every object on a stream. What has
    /// no payload there is left out.
    pub(super) fn send_datagram_as_stream(
        &mut self,
        transport: &mut dyn Transport,
        id: RequestId,
        datagram: &DatagramHead,
        payload: &[Bytes],
    ) -> Result<(), SendDatagramError> {
        if datagram.status != ObjectStatus::Normal || payload.iter().all(Bytes::is_empty) {
            let nothing = Inexpressible::Message(MessageKind::Publish);
            return Err(CommandError::Inexpressible(nothing).into());
        }
        if transport.send_room() == 0 {
            return Err(DatagramError::Blocked.into());
        }
        let priority = datagram.priority.unwrap_or_default();
        let head = ObjectStreamHead {
            alias: datagram.alias,
            location: datagram.location,
            order: self.next_send_order(priority),
            payload_bytes: None,
        };
        let order = i32::from(255 - priority.0);
        let opened = self.open_object(transport, id, &head, order)?;
        let Some((stream, head)) = opened else { return Err(DatagramError::Blocked.into()) };
        let mut outbox = Outbox::default();
        outbox.push(head);
        payload.iter().for_each(|part| outbox.push(part.clone()));
        outbox.finish();
        if !outbox.flush(stream, transport) {
            self.leaving.push((stream, outbox));
        }
        self.data_stream_ended(stream);
        Ok(())
    }

    /// The head of a stream with one object is complete; whether its track is known.
    pub(super) fn start_object(
        &mut self,
        stream: StreamId,
        head: &ObjectStreamHead,
        rest: &Bytes,
    ) -> bool {
        if self.named.is_untaken(head.alias) {
            self.streams.insert(stream, Inbound::Discard);
            return true;
        }
        let Some(id) = self.aliases_in.get(&head.alias).copied() else { return false };
        let object = ObjectStream { left: head.payload_bytes, unread: rest.clone() };
        self.streams.insert(stream, Inbound::Object(object));
        if let Some(entry) = self.requests.get_mut(id) {
            entry.streams_in += 1;
        }
        self.events.push_back(SessionEvent::ObjectOpened { stream, id, head: *head });
        true
    }

    pub(super) fn read_object(&mut self, stream: StreamId, object: &mut ObjectStream) -> Flow {
        let mut data = std::mem::take(&mut object.unread);
        let mut long = false;
        if let Some(left) = &mut object.left {
            let takes = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
            long = takes < data.len();
            data.truncate(takes);
            *left -= takes as u64;
        }
        if !data.is_empty() {
            self.events.push_back(SessionEvent::Payload { stream, data });
        }
        if long {
            return self.object_broken(stream, NamedFault::Long);
        }
        Flow::On
    }

    fn object_broken(&mut self, stream: StreamId, fault: NamedFault) -> Flow {
        let code = ResetCode::Internal;
        self.events.push_back(SessionEvent::DataReset { stream, code });
        self.faulted(NamedViolation::Object { fault }.into());
        Flow::Drop
    }

    /// The stream of an object ended with FIN.
    pub(super) fn object_finished(&mut self, stream: StreamId, object: &ObjectStream) {
        if object.left.is_some_and(|left| left > 0) {
            self.object_broken(stream, NamedFault::Cut);
        } else {
            self.events.push_back(SessionEvent::DataFinished { stream });
        }
    }
}
