//! Data streams that a scripted publisher has open, and what still waits to be written on them.
//! A script may run ahead of its connection: what the transport does not accept waits here.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use sluice_proto::model::{RequestId, ResetCode, SubgroupHead};
use sluice_proto::session::{CommandError, Session};
use sluice_proto::transport::{StreamId, Transport};

/// Names a stream before it has an id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct OutKey(u64);

/// What a stream carries.
#[derive(Clone, Debug)]
pub(super) enum OutKind {
    Subgroup(SubgroupHead),
    Fetch,
}

#[derive(Debug)]
struct OutStream {
    request: RequestId,
    kind: OutKind,
    order: i32,
    stream: Option<StreamId>,
    queue: VecDeque<Bytes>,
    finish: bool,
    /// Bytes after this many wait for [`Outgoing::resume`].
    held: VecDeque<Bytes>,
}

/// All of a publisher's streams, oldest first.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    streams: BTreeMap<OutKey, OutStream>,
    opened: u64,
    /// Streams that the session would not open though their request is open.
    pub(super) refused: Vec<CommandError>,
}

impl Outgoing {
    pub(super) fn open(&mut self, request: RequestId, kind: OutKind, order: i32) -> OutKey {
        self.opened += 1;
        let key = OutKey(self.opened);
        let stream = OutStream {
            request,
            kind,
            order,
            stream: None,
            queue: VecDeque::new(),
            finish: false,
            held: VecDeque::new(),
        };
        self.streams.insert(key, stream);
        key
    }

    pub(super) fn push(&mut self, key: OutKey, data: Bytes) {
        if let Some(stream) = self.streams.get_mut(&key)
            && !data.is_empty()
        {
            let held = !stream.held.is_empty();
            if held { stream.held.push_back(data) } else { stream.queue.push_back(data) }
        }
    }

    /// Like [`Outgoing::push`], but everything from here on waits for [`Outgoing::resume`].
    pub(super) fn hold(&mut self, key: OutKey, data: Bytes) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.held.push_back(data);
        }
    }

    pub(super) fn resume(&mut self) {
        for stream in self.streams.values_mut() {
            stream.queue.append(&mut stream.held);
        }
    }

    pub(super) fn finish(&mut self, key: OutKey) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.finish = true;
        }
    }

    pub(super) fn reset(
        &mut self,
        key: OutKey,
        session: &mut Session,
        transport: &mut dyn Transport,
        code: ResetCode,
    ) {
        if let Some(OutStream { stream: Some(stream), .. }) = self.streams.remove(&key) {
            session.reset_data(transport, stream, code);
        }
    }

    /// Ends every stream of a request that is over.
    pub(super) fn cancel(
        &mut self,
        request: RequestId,
        session: &mut Session,
        transport: &mut dyn Transport,
    ) {
        let keys: Vec<_> = self.of_request(request).collect();
        for key in keys {
            self.reset(key, session, transport, ResetCode::Cancelled);
        }
    }

    fn of_request(&self, request: RequestId) -> impl Iterator<Item = OutKey> + '_ {
        self.streams.iter().filter(move |(_, s)| s.request == request).map(|(key, _)| *key)
    }

    /// The peer stopped a stream; the session has reset it.
    pub(super) fn stopped(&mut self, stream: StreamId) {
        self.streams.retain(|_, out| out.stream != Some(stream));
    }

    pub(super) fn clear(&mut self) {
        self.streams.clear();
    }

    pub(super) fn has_streams_of(&self, request: RequestId) -> bool {
        self.of_request(request).next().is_some()
    }

    /// Writes what the transport accepts.
    pub(super) fn pump(&mut self, session: &mut Session, transport: &mut dyn Transport) {
        let mut starved = false;
        let Outgoing { streams, refused, .. } = self;
        streams.retain(|_, out| {
            if out.stream.is_none() {
                if starved || out.queue.is_empty() && !out.finish {
                    return true;
                }
                let opened = match &out.kind {
                    OutKind::Subgroup(head) => {
                        session.open_subgroup(transport, out.request, head, out.order)
                    }
                    OutKind::Fetch => session.open_fetch(transport, out.request, out.order),
                };
                match opened {
                    Ok(Some((stream, head))) => {
                        out.stream = Some(stream);
                        out.queue.push_front(head);
                    }
                    Ok(None) => {
                        starved = true;
                        return true;
                    }
                    // The request ended meanwhile.
                    Err(CommandError::NotOpen(_) | CommandError::Closed) => return false,
                    Err(error) => {
                        refused.push(error);
                        return false;
                    }
                }
            }
            out.write(session, transport)
        });
    }
}

impl OutStream {
    /// Writes; whether the stream goes on.
    fn write(&mut self, session: &mut Session, transport: &mut dyn Transport) -> bool {
        let Some(stream) = self.stream else { return true };
        let chunks = self.queue.make_contiguous();
        if !chunks.is_empty() {
            match transport.write(stream, chunks) {
                Ok(_) => self.queue.retain(|chunk| !chunk.is_empty()),
                // Stopped: the event follows. Closed: the connection is over.
                Err(_) => return false,
            }
        }
        let done = self.finish && self.queue.is_empty() && self.held.is_empty();
        if done {
            session.finish_data(transport, stream);
        }
        !done
    }
}
