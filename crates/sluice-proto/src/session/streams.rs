//! Reading streams: what the transport says, and where the bytes go.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::inbound::{FetchStream, Inbound, Payload, SubgroupStream};
use super::requests::{Maker, Phase};
use super::{
    CONTROL_ORDER, Drain, REQUEST_ORDER, ReadProgress, RequestEnd, Session, SessionEnd,
    SessionEvent,
};
use crate::model::{
    FetchItem, Goaway, RequestId, RequestKind, ResetCode, SessionCode, SubgroupHead, TrackAlias,
};
use crate::transport::{
    CloseReason, Read, Side, StreamError, StreamId, StreamKind, Transport, TransportEvent,
};
use crate::wire::data::{FetchDecoder, HEAD_BYTES_MAX, SubgroupDecoder, UniHead};
use crate::wire::{
    Dialect, FinMeaning, NamedFault, NamedViolation, Reach, RequestTransport, Violation,
};

/// Largest chunk taken from a stream at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Streams of finished requests that may wait for their peers' halves. Of more the oldest are
/// stopped.
const LINGERING_MAX: usize = 1024;

/// What became of a stream in one read.
pub(super) enum Flow {
    /// Go on reading it.
    On,
    /// Leave it until something else happens.
    Hold,
    /// It is of no use any more.
    Drop,
}

impl Session {
    /// Takes what happened on the connection and reads what there is, within the read budget.
    pub fn handle_transport(
        &mut self,
        transport: &mut dyn Transport,
        now: Instant,
    ) -> ReadProgress {
        while let Some(event) = transport.poll_event() {
            self.handle_transport_event(event, transport);
        }
        let mut budget = self.config.limits.event_read_bytes;
        // Control first: what it says decides what data means.
        if let Some(control) = self.control_in.filter(|control| self.readable.remove(control)) {
            self.read_stream(control, transport, &mut budget, now);
        }
        self.read_datagrams(transport, &mut budget, now);
        while budget > 0 && !self.is_closed() {
            let Some(stream) = self.next_readable() else { break };
            self.readable.remove(&stream);
            self.read_stream(stream, transport, &mut budget, now);
        }
        // Those that came together with the peer's SETUP have no event of their own any more.
        self.read_datagrams(transport, &mut budget, now);
        self.release_dependents(now);
        self.tell_drain();
        let more = self.next_readable().is_some() || self.may_read_datagrams();
        if more && !self.is_closed() { ReadProgress::More } else { ReadProgress::Idle }
    }

    /// The transport asked to wind down. A GOAWAY that came with it says more.
    fn tell_drain(&mut self) {
        if self.transport_drain == Drain::Asked {
            self.transport_drain = Drain::Told;
            if !self.goaway_received {
                let goaway = Goaway::default();
                self.events.push_back(SessionEvent::Goaway { id: None, goaway });
            }
        }
    }

    fn may_read_datagrams(&self) -> bool {
        self.datagrams_readable && self.setup.has_received()
    }

    /// The next stream to read; before setup is done only those that setup may come on.
    fn next_readable(&self) -> Option<StreamId> {
        if self.setup.has_received() {
            return self.readable.first().copied();
        }
        self.readable.iter().copied().find(|stream| match self.streams.get(stream) {
            Some(Inbound::Control(_) | Inbound::NewUni(_)) => {
                self.dialect.is_some()
                    || matches!(self.streams.get(stream), Some(Inbound::Control(_)))
            }
            _ => false,
        })
    }

    /// Setup is done: streams that were left alone are looked at.
    pub(super) fn wake_all_streams(&mut self) {
        self.readable.extend(self.streams.keys().copied());
    }

    fn handle_transport_event(&mut self, event: TransportEvent, transport: &mut dyn Transport) {
        match event {
            TransportEvent::Opened(stream, kind) => self.handle_opened(stream, kind, transport),
            TransportEvent::Readable(stream) => {
                if self.streams.contains_key(&stream) {
                    self.readable.insert(stream);
                }
            }
            TransportEvent::Writable(stream) => {
                if self.data_out.contains_key(&stream) {
                    self.events.push_back(SessionEvent::OutWritable { stream });
                } else if let Some(Inbound::Request(id, _)) = self.streams.get(&stream) {
                    self.dirty.insert(*id);
                }
            }
            TransportEvent::Available(StreamKind::Uni) => {
                self.events.push_back(SessionEvent::StreamsAvailable);
            }
            // The driver flushes after every event; what waits for room is its own affair.
            TransportEvent::Available(StreamKind::Bidi) | TransportEvent::SendRoom => {}
            TransportEvent::Reset(stream, code) => self.handle_reset(stream, code),
            TransportEvent::Stopped(stream, code) => self.handle_stopped(stream, code, transport),
            TransportEvent::Acked(stream) => {
                if self.data_out.remove(&stream).is_some() {
                    self.events.push_back(SessionEvent::OutAcked { stream });
                }
            }
            TransportEvent::Datagram => self.datagrams_readable = true,
            TransportEvent::DatagramsWritable => {
                self.events.push_back(SessionEvent::DatagramsWritable);
            }
            TransportEvent::Draining => self.transport_drain = Drain::Asked,
            TransportEvent::Closed(reason) => self.handle_closed(reason),
        }
    }

    fn handle_closed(&mut self, reason: CloseReason) {
        let end = match reason {
            CloseReason::Peer { code, reason } => SessionEnd::Peer {
                code: self.fallback_dialect().session_code_of(code),
                wire_code: code,
                reason,
            },
            CloseReason::Local => {
                SessionEnd::Local { code: SessionCode::NoError, reason: String::new() }
            }
            CloseReason::TimedOut | CloseReason::Transport(_) => {
                SessionEnd::Lost(reason.to_string())
            }
        };
        self.lost(end);
    }

    fn handle_opened(&mut self, stream: StreamId, kind: StreamKind, transport: &mut dyn Transport) {
        let requests = self.fallback_dialect().requests;
        let inbound = match (kind, requests) {
            (StreamKind::Uni, _) => Inbound::NewUni(Bytes::new()),
            (StreamKind::Bidi, RequestTransport::OwnStream) => {
                transport.set_priority(stream, REQUEST_ORDER);
                Inbound::NewRequest(BytesMut::new())
            }
            (StreamKind::Bidi, RequestTransport::ControlStream) => {
                if self.side == Side::Server && self.control_in.is_none() {
                    self.control_out = Some(stream);
                    transport.set_priority(stream, CONTROL_ORDER);
                    self.begin_control_in(stream);
                    return;
                }
                transport.set_priority(stream, REQUEST_ORDER);
                Inbound::NewRequest(BytesMut::new())
            }
        };
        self.streams.insert(stream, inbound);
        self.readable.insert(stream);
    }

    pub(super) fn begin_control_in(&mut self, stream: StreamId) {
        self.control_in = Some(stream);
        self.streams.insert(stream, Inbound::Control(BytesMut::new()));
        self.readable.insert(stream);
    }

    fn read_stream(
        &mut self,
        stream: StreamId,
        transport: &mut dyn Transport,
        budget: &mut usize,
        now: Instant,
    ) {
        // Streams that were held may have bytes that were read before.
        if !self.resume(stream, transport, now) {
            return;
        }
        loop {
            if *budget == 0 {
                self.readable.insert(stream);
                return;
            }
            if matches!(self.streams.get(&stream), Some(Inbound::Early(..)) | None) {
                return;
            }
            match transport.read(stream, CHUNK_BYTES.min(*budget)) {
                Ok(Read::Data(data)) => {
                    *budget = budget.saturating_sub(data.len());
                    if !self.handle_bytes(stream, data, transport, now) {
                        return;
                    }
                }
                Ok(Read::Fin) => return self.handle_fin(stream),
                Ok(Read::Blocked) => return,
                Err(StreamError::Reset(code)) => return self.handle_reset(stream, code),
                Err(StreamError::Stopped(_) | StreamError::Closed) => {
                    self.streams.remove(&stream);
                    return;
                }
            }
        }
    }

    /// Uses bytes that were read before and left; false if the stream is not to be read now.
    fn resume(&mut self, stream: StreamId, transport: &mut dyn Transport, now: Instant) -> bool {
        match self.streams.get(&stream) {
            Some(Inbound::Early(..)) | None => false,
            Some(Inbound::Subgroup(subgroup)) if !subgroup.payload.unread.is_empty() => {
                self.handle_bytes(stream, Bytes::new(), transport, now)
            }
            Some(Inbound::Fetch(fetch)) if !fetch.payload.unread.is_empty() => {
                self.handle_bytes(stream, Bytes::new(), transport, now)
            }
            Some(Inbound::Object(object)) if !object.unread.is_empty() => {
                self.handle_bytes(stream, Bytes::new(), transport, now)
            }
            Some(_) => true,
        }
    }

    /// Bytes of a stream; whether to read on.
    fn handle_bytes(
        &mut self,
        stream: StreamId,
        data: Bytes,
        transport: &mut dyn Transport,
        now: Instant,
    ) -> bool {
        let Some(inbound) = self.streams.remove(&stream) else { return false };
        let (flow, inbound) = match inbound {
            Inbound::Control(mut buffer) => {
                buffer.extend_from_slice(&data);
                (self.handle_control_bytes(&mut buffer, now), Inbound::Control(buffer))
            }
            Inbound::NewRequest(mut buffer) => {
                buffer.extend_from_slice(&data);
                return self.handle_new_request(stream, buffer, transport, now);
            }
            Inbound::Request(id, mut buffer) => {
                buffer.extend_from_slice(&data);
                (self.handle_request_bytes(id, &mut buffer, now), Inbound::Request(id, buffer))
            }
            Inbound::NewUni(buffer) => {
                let mut payload = Payload { unread: buffer, bytes_left: 0 };
                payload.push(data);
                return self.handle_new_uni(stream, payload.unread, transport, now);
            }
            Inbound::Subgroup(mut subgroup) => {
                subgroup.payload.push(data);
                (self.read_subgroup(stream, &mut subgroup), Inbound::Subgroup(subgroup))
            }
            Inbound::Object(mut object) => {
                if !data.is_empty() {
                    object.unread = data;
                }
                (self.read_object(stream, &mut object), Inbound::Object(object))
            }
            Inbound::Fetch(mut fetch) => {
                fetch.payload.push(data);
                (self.read_fetch(stream, &mut fetch), Inbound::Fetch(fetch))
            }
            Inbound::Early(head, bytes) => (Flow::Hold, Inbound::Early(head, bytes)),
            Inbound::Discard => (Flow::On, Inbound::Discard),
        };
        match flow {
            Flow::On => {
                self.streams.insert(stream, inbound);
                true
            }
            Flow::Hold => {
                self.streams.insert(stream, inbound);
                false
            }
            Flow::Drop => {
                transport.stop(stream, self.reset_code(ResetCode::Internal));
                false
            }
        }
    }

    fn handle_new_uni(
        &mut self,
        stream: StreamId,
        bytes: Bytes,
        transport: &mut dyn Transport,
        now: Instant,
    ) -> bool {
        let Some(dialect) = self.dialect else {
            self.streams.insert(stream, Inbound::NewUni(bytes));
            return false;
        };
        let (head, read) = match dialect.decode_uni_head(&bytes) {
            Ok(Some(found)) => found,
            Ok(None) if bytes.len() < HEAD_BYTES_MAX => {
                self.streams.insert(stream, Inbound::NewUni(bytes));
                return true;
            }
            Ok(None) => {
                transport.stop(stream, self.reset_code(ResetCode::Internal));
                return false;
            }
            Err(violation) if violation.reach() == Reach::Stream => {
                self.faulted(violation);
                transport.stop(stream, self.reset_code(ResetCode::Internal));
                return false;
            }
            Err(violation) => {
                self.violated(violation);
                return false;
            }
        };
        if !self.setup.has_received() && !matches!(head, UniHead::Control) {
            // The peer's SETUP was overtaken; this stream is looked at again after it.
            self.streams.insert(stream, Inbound::NewUni(bytes));
            return false;
        }
        let rest = bytes.slice(read..);
        match head {
            UniHead::Control => {
                if self.control_in.is_some() {
                    self.violated(Violation::SecondControlStream);
                    return false;
                }
                self.begin_control_in(stream);
                self.readable.remove(&stream);
                self.handle_bytes(stream, rest, transport, now)
            }
            UniHead::Padding => {
                self.streams.insert(stream, Inbound::Discard);
                true
            }
            data => self.begin_data(stream, data, rest, transport, now),
        }
    }

    /// A data stream whose head is complete: starts it, or keeps it until it is known.
    fn begin_data(
        &mut self,
        stream: StreamId,
        head: UniHead,
        rest: Bytes,
        transport: &mut dyn Transport,
        now: Instant,
    ) -> bool {
        let known = match &head {
            UniHead::Subgroup(head) => self.start_subgroup(stream, head, rest.clone()),
            UniHead::Object(head) => self.start_object(stream, head, &rest),
            UniHead::Fetch(head) => self.start_fetch(stream, head.request, rest.clone()),
            UniHead::Control | UniHead::Padding => false,
        };
        if known {
            return self.handle_bytes(stream, Bytes::new(), transport, now);
        }
        let limits = &self.config.limits;
        let late = match &head {
            UniHead::Subgroup(head) => self.ended_aliases.contains(&head.alias),
            UniHead::Object(head) => self.ended_aliases.contains(&head.alias),
            _ => false,
        };
        let until = now + limits.early_wait;
        let (max, bytes_max) = (limits.early_streams_max, limits.early_bytes_max);
        if late || !self.early.keep_stream(stream, rest.len(), until, max, bytes_max) {
            transport.stop(stream, self.reset_code(ResetCode::Cancelled));
        } else {
            self.streams.insert(stream, Inbound::Early(head, rest));
        }
        false
    }

    fn start_subgroup(&mut self, stream: StreamId, head: &SubgroupHead, rest: Bytes) -> bool {
        let Some(dialect) = self.dialect else { return false };
        let Some(id) = self.aliases_in.get(&head.alias).copied() else { return false };
        let payload = Payload { unread: rest, bytes_left: 0 };
        let decoder = SubgroupDecoder::new(dialect, head);
        let subgroup = SubgroupStream { request: id, decoder, payload };
        self.streams.insert(stream, Inbound::Subgroup(subgroup));
        if let Some(entry) = self.requests.get_mut(id) {
            entry.streams_in += 1;
        }
        let event = SessionEvent::SubgroupOpened { stream, id, head: head.clone() };
        self.events.push_back(event);
        true
    }

    fn start_fetch(&mut self, stream: StreamId, request: RequestId, rest: Bytes) -> bool {
        let Some(dialect) = self.dialect else { return false };
        let Some((_, order)) = self.fetches_in.remove(&request) else { return false };
        let payload = Payload { unread: rest, bytes_left: 0 };
        let decoder = FetchDecoder::new(dialect, order);
        self.streams.insert(stream, Inbound::Fetch(FetchStream { request, decoder, payload }));
        self.events.push_back(SessionEvent::FetchOpened { stream, id: request });
        true
    }

    /// A track alias became known: data that waited for it goes on.
    pub(super) fn alias_known(&mut self, alias: TrackAlias, id: RequestId) {
        self.aliases_in.insert(alias, id);
        self.ended_aliases.retain(|ended| *ended != alias);
        for (head, payload) in self.early.datagrams_of(alias) {
            self.events.push_back(SessionEvent::Datagram { id, head, payload });
        }
        self.retry_early();
    }

    /// Something became known: starts the early streams that it concerns.
    pub(super) fn retry_early(&mut self) {
        for stream in self.early.streams() {
            let Some(Inbound::Early(head, rest)) = self.streams.remove(&stream) else {
                self.early.forget_stream(stream);
                continue;
            };
            let started = match &head {
                UniHead::Subgroup(head) => self.start_subgroup(stream, head, rest.clone()),
                UniHead::Object(head) => self.start_object(stream, head, &rest),
                UniHead::Fetch(head) => self.start_fetch(stream, head.request, rest.clone()),
                UniHead::Control | UniHead::Padding => false,
            };
            if started {
                self.early.forget_stream(stream);
                self.readable.insert(stream);
            } else {
                self.streams.insert(stream, Inbound::Early(head, rest));
            }
        }
    }

    pub(super) fn drop_early_data(&mut self, now: Instant) {
        let code = self.reset_code(ResetCode::Cancelled);
        for stream in self.early.expired(now) {
            self.streams.remove(&stream);
            self.early.stop_later(stream, code);
        }
    }

    /// Streams of requests that are over since the last flush: their peers have a while to close
    /// their halves.
    pub(super) fn note_lingering(&mut self, now: Instant) {
        let until = now + self.config.limits.late_wait;
        self.lingering.extend(self.lingering_new.drain(..).map(|stream| (stream, until)));
        while self.lingering.len() > LINGERING_MAX {
            self.stop_longest_lingering();
        }
    }

    pub(super) fn stop_lingering(&mut self, now: Instant) {
        while self.lingering.front().is_some_and(|(_, until)| now >= *until) {
            self.stop_longest_lingering();
        }
    }

    fn stop_longest_lingering(&mut self) {
        let Some((stream, _)) = self.lingering.pop_front() else { return };
        if self.streams.remove(&stream).is_some() {
            self.early.stop_later(stream, self.reset_code(ResetCode::Cancelled));
        }
    }

    /// A stream is closed: what lingered before it and is closed too is forgotten.
    fn forget_lingering(&mut self) {
        while self.lingering.front().is_some_and(|(first, _)| !self.streams.contains_key(first)) {
            self.lingering.pop_front();
        }
    }

    pub(super) fn apply_stops(&mut self, transport: &mut dyn Transport) {
        for (stream, code) in self.early.take_stops() {
            transport.stop(stream, code);
        }
    }

    fn read_subgroup(&mut self, stream: StreamId, subgroup: &mut SubgroupStream) -> Flow {
        loop {
            while let Some(data) = subgroup.payload.take() {
                self.events.push_back(SessionEvent::Payload { stream, data });
            }
            if subgroup.payload.bytes_left > 0 || subgroup.payload.unread.is_empty() {
                return Flow::On;
            }
            match subgroup.decoder.decode_object(&subgroup.payload.unread) {
                Ok(Some((head, read))) => {
                    let _ = subgroup.payload.unread.split_to(read);
                    subgroup.payload.bytes_left = head.payload_bytes;
                    self.events.push_back(SessionEvent::Object { stream, head });
                }
                Ok(None) if subgroup.payload.unread.len() <= HEAD_BYTES_MAX => return Flow::On,
                Ok(None) => return self.data_dropped(stream),
                Err(violation) => {
                    return self.data_violated(stream, violation, Some(subgroup.request));
                }
            }
        }
    }

    fn read_fetch(&mut self, stream: StreamId, fetch: &mut FetchStream) -> Flow {
        loop {
            while let Some(data) = fetch.payload.take() {
                self.events.push_back(SessionEvent::Payload { stream, data });
            }
            if fetch.payload.bytes_left > 0 || fetch.payload.unread.is_empty() {
                return Flow::On;
            }
            match fetch.decoder.decode_item(&fetch.payload.unread) {
                Ok(Some((item, read))) => {
                    let _ = fetch.payload.unread.split_to(read);
                    if let FetchItem::Object(object) = &item {
                        fetch.payload.bytes_left = object.payload_bytes;
                    }
                    self.events.push_back(SessionEvent::FetchItem { stream, item });
                }
                Ok(None) if fetch.payload.unread.len() <= HEAD_BYTES_MAX => return Flow::On,
                Ok(None) => return self.data_dropped(stream),
                Err(violation) => return self.data_violated(stream, violation, None),
            }
        }
    }

    fn data_dropped(&mut self, stream: StreamId) -> Flow {
        let code = ResetCode::Internal;
        self.events.push_back(SessionEvent::DataReset { stream, code });
        Flow::Drop
    }

    fn data_violated(
        &mut self,
        stream: StreamId,
        violation: Violation,
        request: Option<RequestId>,
    ) -> Flow {
        match violation.reach() {
            Reach::Session => {
                self.violated(violation);
                Flow::Hold
            }
            Reach::Stream | Reach::Request | Reach::Track => {
                let code = ResetCode::MalformedTrack;
                self.events.push_back(SessionEvent::DataReset { stream, code });
                self.faulted(violation);
                if let Some(id) = request.filter(|_| violation.reach() == Reach::Track) {
                    self.events.push_back(SessionEvent::Malformed { id, violation });
                }
                Flow::Drop
            }
        }
    }

    fn read_datagrams(&mut self, transport: &mut dyn Transport, budget: &mut usize, now: Instant) {
        let Some(dialect) = self.dialect.filter(|_| self.may_read_datagrams()) else { return };
        while *budget > 0 && !self.is_closed() {
            let Some(datagram) = transport.recv_datagram() else {
                self.datagrams_readable = false;
                return;
            };
            *budget = budget.saturating_sub(datagram.len().max(64));
            self.handle_datagram(dialect, datagram, now);
        }
    }

    fn handle_datagram(&mut self, dialect: &'static Dialect, datagram: Bytes, now: Instant) {
        if self.speaks_names() {
            // The draft has none.
            return;
        }
        match dialect.decode_datagram(datagram) {
            Ok(None) => {}
            Ok(Some((head, payload))) => match self.aliases_in.get(&head.alias).copied() {
                Some(id) => self.events.push_back(SessionEvent::Datagram { id, head, payload }),
                None if self.ended_aliases.contains(&head.alias) => {}
                None => {
                    let limits = &self.config.limits;
                    let until = now + limits.early_wait;
                    self.early.keep_datagram(head, payload, until, limits.early_bytes_max);
                }
            },
            Err(violation) if violation.reach() == Reach::Session => self.violated(violation),
            Err(violation) => self.faulted(violation),
        }
    }

    fn handle_fin(&mut self, stream: StreamId) {
        let Some(inbound) = self.streams.remove(&stream) else { return };
        match inbound {
            Inbound::Control(_) if self.speaks_names() => {
                // How pages stop, before they close the session.
                self.close(SessionCode::NoError, "the control stream ended");
            }
            Inbound::Control(_) => {
                self.violated(Violation::ControlStreamClosed);
            }
            Inbound::Request(id, buffer) => {
                if buffer.is_empty() {
                    self.handle_request_fin(id);
                } else {
                    self.violated(Violation::MessageCut { id: id.0 });
                }
            }
            Inbound::NewUni(_) if self.speaks_names() => {
                self.faulted(NamedViolation::Object { fault: NamedFault::Cut }.into());
            }
            Inbound::NewUni(_) | Inbound::NewRequest(_) => {}
            Inbound::Discard => self.forget_lingering(),
            Inbound::Object(object) => self.object_finished(stream, &object),
            Inbound::Subgroup(subgroup) => {
                let Payload { unread, bytes_left } = &subgroup.payload;
                match subgroup.decoder.end(unread.len(), *bytes_left) {
                    Ok(()) => self.events.push_back(SessionEvent::DataFinished { stream }),
                    Err(violation) => self.violated(violation),
                }
            }
            Inbound::Fetch(mut fetch) => {
                let Payload { unread, bytes_left } = &fetch.payload;
                match fetch.decoder.end(unread, *bytes_left) {
                    Ok(()) => self.events.push_back(SessionEvent::DataFinished { stream }),
                    Err(violation) => return self.violated(violation),
                }
                self.own_fetch_ended(fetch.request);
            }
            // Not read on, so its FIN is not seen before it starts.
            Inbound::Early(..) => {}
        }
    }

    /// The stream that answers a fetch of ours ended. The fetch is over once it was accepted too.
    pub(super) fn own_fetch_ended(&mut self, id: RequestId) {
        let Some(entry) = self.requests.get_mut(id) else { return };
        if entry.kind != RequestKind::Fetch || entry.maker != Maker::Us {
            return;
        }
        entry.streams_in += 1;
        if entry.phase == Phase::Open {
            self.retire(id);
        }
    }

    /// The peer says nothing more on a request's stream.
    fn handle_request_fin(&mut self, id: RequestId) {
        let fin = self.fallback_dialect().fin;
        let Some(entry) = self.requests.get(id) else { return };
        match (entry.maker, entry.kind) {
            (Maker::Peer, RequestKind::SubscribeNamespace | RequestKind::PublishNamespace)
                if fin == FinMeaning::CancelsNamespaces =>
            {
                self.peer_cancelled(id, ResetCode::Cancelled);
            }
            (Maker::Peer, RequestKind::Publish) if entry.peer_done.is_none() => {
                self.request_lost(id, ResetCode::Cancelled);
            }
            (Maker::Us, RequestKind::Subscribe)
                if entry.peer_done.is_none() && entry.phase != Phase::Over =>
            {
                self.request_lost(id, ResetCode::Cancelled);
            }
            (Maker::Us, RequestKind::SubscribeNamespace) => {
                self.request_lost(id, ResetCode::Cancelled);
            }
            (Maker::Us, _) if entry.phase == Phase::Pending => {
                self.request_lost(id, ResetCode::Cancelled);
            }
            _ => {}
        }
    }

    fn handle_reset(&mut self, stream: StreamId, code: u64) {
        self.readable.remove(&stream);
        let Some(inbound) = self.streams.remove(&stream) else { return };
        let code = self.fallback_dialect().reset_code_of(code);
        match inbound {
            Inbound::Control(_) => {
                self.violated(Violation::ControlStreamClosed);
            }
            Inbound::Request(id, _) => self.request_stream_gone(id, code),
            Inbound::Subgroup(_) | Inbound::Object(_) => {
                self.events.push_back(SessionEvent::DataReset { stream, code });
            }
            Inbound::Fetch(fetch) => {
                self.events.push_back(SessionEvent::DataReset { stream, code });
                self.own_fetch_ended(fetch.request);
            }
            Inbound::Early(..) => self.early.forget_stream(stream),
            Inbound::NewUni(_) | Inbound::NewRequest(_) => {}
            Inbound::Discard => self.forget_lingering(),
        }
    }

    fn handle_stopped(&mut self, stream: StreamId, code: u64, transport: &mut dyn Transport) {
        if self.data_out.remove(&stream).is_some() {
            transport.reset(stream, code);
            let code = self.fallback_dialect().reset_code_of(code);
            self.data_stream_ended(stream);
            self.events.push_back(SessionEvent::OutStopped { stream, code });
            return;
        }
        if self.control_out == Some(stream) {
            return self.violated(Violation::ControlStreamClosed);
        }
        transport.reset(stream, code);
        let code = self.fallback_dialect().reset_code_of(code);
        let id = match self.streams.get(&stream) {
            Some(Inbound::Request(id, _)) => Some(*id),
            _ => self.request_of_stream(stream),
        };
        if let Some(id) = id.filter(|id| !self.answers_come_on(*id)) {
            self.request_stream_gone(id, code);
        }
    }

    /// Whether what matters of a request of ours comes on the peer's half of its stream: then a
    /// peer that reads no more of ours has not ended it.
    fn answers_come_on(&self, id: RequestId) -> bool {
        let entry = self.requests.get(id).filter(|entry| entry.maker == Maker::Us);
        entry.is_some_and(|entry| {
            !matches!(entry.kind, RequestKind::Publish | RequestKind::PublishNamespace)
        })
    }

    fn request_of_stream(&self, stream: StreamId) -> Option<RequestId> {
        self.requests.iter().find(|(_, entry)| entry.stream == Some(stream)).map(|(id, _)| id)
    }

    /// The peer reset or stopped a request's stream.
    fn request_stream_gone(&mut self, id: RequestId, code: ResetCode) {
        match self.requests.get(id).map(|entry| entry.maker) {
            Some(Maker::Peer) if self.is_offer_of_peer(id) => self.request_lost(id, code),
            Some(Maker::Peer) => self.peer_cancelled(id, code),
            Some(Maker::Us) => self.request_lost(id, code),
            None => {}
        }
    }

    fn is_offer_of_peer(&self, id: RequestId) -> bool {
        self.requests.get(id).is_some_and(|entry| entry.kind == RequestKind::Publish)
    }

    /// The peer cancelled a request of its own.
    pub(super) fn peer_cancelled(&mut self, id: RequestId, code: ResetCode) {
        let was_over = self.requests.get(id).is_none_or(|entry| entry.phase == Phase::Over);
        self.retire(id);
        if !was_over {
            self.events.push_back(SessionEvent::Ended { id, end: RequestEnd::Cancelled(code) });
        }
    }

    /// A request whose answers come from the peer lost its stream.
    pub(super) fn request_lost(&mut self, id: RequestId, code: ResetCode) {
        let Some(entry) = self.requests.get(id) else { return };
        if entry.peer_done.is_some() {
            // Its data may still be on its way: the owner says when it waits no longer.
            return;
        }
        let (hidden, over) = (entry.hidden, entry.phase == Phase::Over);
        self.retire(id);
        if !hidden && !over {
            self.events.push_back(SessionEvent::Ended { id, end: RequestEnd::Lost(code) });
        }
    }
}
