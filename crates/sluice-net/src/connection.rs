//! One QUIC connection from its first datagram to its end, whatever carries MOQT on it.
//!
//! ```text
//! Opening ──ready──► Open ──closed, lost──► Over
//!    └──────failed, too slow──────────────────┘
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use quinn_proto::crypto::rustls::HandshakeData;
use quinn_proto::{ConnectionError, Event, StreamEvent, Transmit, VarInt};
use sluice_proto::transport::{
    Carrier, CloseReason, PathStats, PeerInfo, Side, StreamId, TransportEvent,
};

use crate::config::NetLimits;
use crate::congestion::{self, send_window_bytes};
use crate::dial::Via;
use crate::net::{ConnectionKey, NetEvent, Shared};
use crate::quic_streams;
use crate::stream_credit::StreamCredit;
use crate::timers::TimerSlot;
use crate::tls::ALPN_H3;
use crate::web::codes::{self, HttpCode};
use crate::web::{Connect, Ending, Outcome, Role, WebTransport, Wire};

/// Code of a close that MOQT did not ask for.
const NO_CODE: VarInt = VarInt::from_u32(0);

/// What a connection was begun for.
pub(crate) enum Opening {
    /// A peer came; these are our protocols, best first.
    Accepted(Arc<[String]>),
    /// We dialed.
    Dialed(Via),
}

enum Life {
    /// The handshake is running, until this moment at the latest.
    Opening { deadline: Instant },
    /// MOQT can use it.
    Open,
    /// `Closed` has been queued; QUIC may still be saying goodbye.
    Over,
}

/// What carries MOQT, known from the ALPN on.
pub(crate) enum Layer {
    Undecided,
    Quic,
    Web(Box<WebTransport>),
}

pub(crate) struct Connection {
    pub(crate) key: ConnectionKey,
    pub(crate) quic: quinn_proto::Connection,
    pub(crate) layer: Layer,
    pub(crate) events: VecDeque<TransportEvent>,
    pub(crate) timer: TimerSlot,
    pub(crate) transmit_queued: bool,
    pub(crate) active_queued: bool,
    /// The owner found no send room, and is told once there is some.
    pub(crate) room_wanted: bool,
    pub(crate) counted_as_handshake: bool,
    /// QUIC has nothing more to say on this connection.
    pub(crate) drained: bool,
    /// The owner has heard of the end, or never of the beginning.
    pub(crate) told_closed: bool,
    /// Streams that the peer may have open.
    pub(crate) stream_credit: StreamCredit,
    /// Written since the library was last asked for everything it has to send.
    pub(crate) written_bytes: u64,
    opening: Opening,
    limits: Arc<NetLimits>,
    life: Life,
    info: Option<PeerInfo>,
}

impl Connection {
    pub(crate) fn new(
        now: Instant,
        key: ConnectionKey,
        quic: quinn_proto::Connection,
        opening: Opening,
        limits: Arc<NetLimits>,
    ) -> Connection {
        Connection {
            key,
            quic,
            layer: Layer::Undecided,
            events: VecDeque::new(),
            timer: TimerSlot::default(),
            transmit_queued: false,
            active_queued: false,
            room_wanted: false,
            counted_as_handshake: true,
            drained: false,
            told_closed: false,
            stream_credit: StreamCredit::default(),
            written_bytes: 0,
            opening,
            life: Life::Opening { deadline: now + limits.handshake_timeout },
            limits,
            info: None,
        }
    }

    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.life, Life::Opening { .. })
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.life, Life::Over)
    }

    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.opening, Opening::Accepted(_))
    }

    pub(crate) fn info(&self) -> Option<&PeerInfo> {
        self.info.as_ref()
    }

    /// Turns what the library reports into transport events. True if it reported anything.
    pub(crate) fn pump(&mut self, now: Instant, shared: &mut Shared) -> bool {
        let mut active = false;
        while let Some(event) = self.quic.poll() {
            active = true;
            match event {
                Event::HandshakeDataReady => {}
                Event::Connected => self.handle_connected(now, shared),
                Event::ConnectionLost { reason } => self.end(self.close_reason(reason), shared),
                Event::Stream(event) => self.handle_stream_event(event, now),
                Event::DatagramReceived => match &mut self.layer {
                    Layer::Web(web) => web.handle_datagram(&mut Wire {
                        now,
                        quic: &mut self.quic,
                        events: &mut self.events,
                    }),
                    Layer::Undecided | Layer::Quic => {
                        self.events.push_back(TransportEvent::Datagram);
                    }
                },
                Event::DatagramsUnblocked => {
                    self.events.push_back(TransportEvent::DatagramsWritable);
                }
            }
            self.obey_web(now, shared);
        }
        if self.is_over() {
            self.keep_only_the_end();
        }
        self.quic.set_send_window(self.send_window_bytes());
        self.note_send_room();
        self.announce_activity(shared);
        active
    }

    /// Our own deadlines; the library's have been handled.
    pub(crate) fn handle_timeout(&mut self, now: Instant, shared: &mut Shared) {
        if let Life::Opening { deadline } = self.life
            && deadline <= now
        {
            return self.fail(now, NO_CODE, "the handshake took too long", shared);
        }
        if let Layer::Web(web) = &mut self.layer {
            let ending = web.handle_timeout(&mut Wire {
                now,
                quic: &mut self.quic,
                events: &mut self.events,
            });
            if ending == Ending::CloseConnection {
                // Does nothing if the peer was faster.
                self.quic.close(now, HttpCode::NoError.into(), Bytes::new());
                self.layer = Layer::Undecided;
            }
            self.obey_web(now, shared);
        }
    }

    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        max_datagrams: usize,
        buffer: &mut Vec<u8>,
    ) -> Option<Transmit> {
        buffer.clear();
        let transmit = self.quic.poll_transmit(now, max_datagrams.max(1), buffer);
        if transmit.is_none() {
            self.written_bytes = 0;
        }
        transmit
    }

    pub(crate) fn queue_transmit(&mut self, shared: &mut Shared) {
        if !self.transmit_queued {
            self.transmit_queued = true;
            shared.transmit.push_back(self.key.index as usize);
        }
    }

    pub(crate) fn arm(&mut self, shared: &mut Shared) {
        let own = match self.life {
            Life::Opening { deadline } => Some(deadline),
            Life::Open | Life::Over => None,
        };
        let web = match &self.layer {
            Layer::Web(web) => web.poll_timeout(),
            Layer::Undecided | Layer::Quic => None,
        };
        let all = [own, web, self.quic.poll_timeout()];
        let deadline = all.into_iter().flatten().min();
        let index = self.key.index as usize;
        shared.timers.arm(index, &mut self.timer, deadline);
    }

    /// Remembers that there is no send room, or tells that there is some again.
    pub(crate) fn note_send_room(&mut self) {
        if self.is_over() || self.info.is_none() {
            return;
        }
        if self.send_room_bytes() == 0 {
            self.room_wanted = true;
        } else if std::mem::take(&mut self.room_wanted) {
            self.events.push_back(TransportEvent::SendRoom);
        }
    }

    fn send_window_bytes(&self) -> u64 {
        send_window_bytes(&self.quic).min(self.limits.send_window_bytes_max)
    }

    pub(crate) fn send_room_bytes(&self) -> u64 {
        let in_flight = congestion::in_flight_bytes(self.quic.congestion_state());
        self.send_window_bytes().saturating_sub(in_flight).saturating_sub(self.written_bytes)
    }

    /// Closes in the name of MOQT.
    pub(crate) fn close(&mut self, now: Instant, code: u64, reason: &str, shared: &mut Shared) {
        if self.is_over() {
            return;
        }
        match &mut self.layer {
            Layer::Web(web) => web.close(now, &mut self.quic, code, reason),
            Layer::Undecided | Layer::Quic => {
                let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
                let reason = Bytes::copy_from_slice(reason.as_bytes());
                self.quic.close(now, code, reason);
            }
        }
        self.end(CloseReason::Local, shared);
    }

    /// Ends a connection that cannot serve MOQT.
    fn fail(&mut self, now: Instant, code: VarInt, what: &str, shared: &mut Shared) {
        let reason = Bytes::copy_from_slice(what.as_bytes());
        self.quic.close(now, code, reason);
        self.end(CloseReason::Transport(what.to_string()), shared);
    }

    fn handle_connected(&mut self, now: Instant, shared: &mut Shared) {
        let handshake = self
            .quic
            .crypto_session()
            .handshake_data()
            .and_then(|data| data.downcast::<HandshakeData>().ok());
        let Some(protocol) = handshake.as_ref().and_then(|data| data.protocol.clone()) else {
            return self.fail(now, NO_CODE, "no application protocol negotiated", shared);
        };
        match &self.opening {
            Opening::Accepted(protocols)
                if protocol == ALPN_H3
                    && !protocols.iter().any(|ours| ours.as_bytes() == ALPN_H3) =>
            {
                return self.start_web(Role::Server(protocols.clone()));
            }
            Opening::Dialed(Via::WebTransport { authority, path, protocols }) => {
                return self.start_web(Role::Client(Connect {
                    authority: authority.clone(),
                    path: path.clone(),
                    protocols: protocols.clone(),
                    wants_draft_02: true,
                }));
            }
            Opening::Accepted(_) | Opening::Dialed(Via::Quic { .. }) => {}
        }
        self.layer = Layer::Quic;
        let (side, authority) = match &self.opening {
            Opening::Accepted(_) => (Side::Server, handshake.and_then(|data| data.server_name)),
            Opening::Dialed(_) => (Side::Client, None),
        };
        let info = PeerInfo {
            side,
            carrier: Carrier::Quic,
            protocol: Some(String::from_utf8_lossy(&protocol).into_owned()),
            path: None,
            authority,
            remote: self.quic.remote_address(),
        };
        self.open(info, shared);
    }

    fn start_web(&mut self, role: Role) {
        let mut web = Box::new(WebTransport::new(role, &self.limits));
        web.start(&mut self.quic);
        self.layer = Layer::Web(web);
    }

    /// Does what the WebTransport session has come to.
    fn obey_web(&mut self, now: Instant, shared: &mut Shared) {
        let Layer::Web(web) = &mut self.layer else {
            return;
        };
        match web.take_outcome() {
            None => {}
            Some(Outcome::Opened { protocol, path, authority }) => {
                let side = match self.opening {
                    Opening::Accepted(_) => Side::Server,
                    Opening::Dialed(_) => Side::Client,
                };
                let info = PeerInfo {
                    side,
                    carrier: Carrier::WebTransport,
                    protocol,
                    path: Some(path),
                    authority: Some(authority),
                    remote: self.quic.remote_address(),
                };
                self.open(info, shared);
            }
            Some(Outcome::Ended(reason)) => self.end(reason, shared),
            Some(Outcome::Failed(code, what)) => {
                self.layer = Layer::Undecided;
                self.fail(now, code.into(), &what, shared);
            }
        }
    }

    fn open(&mut self, info: PeerInfo, shared: &mut Shared) {
        self.life = Life::Open;
        self.info = Some(info.clone());
        shared.events.push_back(NetEvent::Connected { key: self.key, info });
    }

    fn handle_stream_event(&mut self, event: StreamEvent, now: Instant) {
        if let StreamEvent::Opened { dir } = event {
            self.stream_credit.widen(&mut self.quic, dir);
        }
        if let Layer::Web(web) = &mut self.layer {
            let mut wire = Wire { now, quic: &mut self.quic, events: &mut self.events };
            return web.handle_event(&mut wire, event);
        }
        match event {
            StreamEvent::Opened { dir } => {
                while let Some(stream) = quic_streams::accept(&mut self.quic, dir) {
                    let kind = quic_streams::kind(dir);
                    self.events.push_back(TransportEvent::Opened(stream, kind));
                    if let Some(code) = quic_streams::take_reset(&mut self.quic, stream) {
                        self.events.push_back(TransportEvent::Reset(stream, code.into_inner()));
                    }
                }
            }
            StreamEvent::Readable { id } => {
                let stream = quic_streams::from_quic(id);
                let event = match quic_streams::take_reset(&mut self.quic, stream) {
                    Some(code) => TransportEvent::Reset(stream, code.into_inner()),
                    None => TransportEvent::Readable(stream),
                };
                self.events.push_back(event);
            }
            StreamEvent::Writable { id } => {
                let stream = quic_streams::from_quic(id);
                self.events.push_back(TransportEvent::Writable(stream));
            }
            StreamEvent::Finished { id } => {
                let stream = quic_streams::from_quic(id);
                self.events.push_back(TransportEvent::Acked(stream));
            }
            StreamEvent::Stopped { id, error_code } => {
                let stream = quic_streams::from_quic(id);
                self.answer_stop(stream, error_code);
                self.events.push_back(TransportEvent::Stopped(stream, error_code.into_inner()));
            }
            StreamEvent::Available { dir } => {
                let kind = quic_streams::kind(dir);
                self.events.push_back(TransportEvent::Available(kind));
            }
        }
    }

    /// RFC 9000 §3.5: a stopped stream is reset with the code of the request. The library would
    /// keep it until then.
    fn answer_stop(&mut self, stream: StreamId, code: VarInt) {
        quic_streams::reset(&mut self.quic, stream, code);
    }

    fn end(&mut self, reason: CloseReason, shared: &mut Shared) {
        if self.is_over() {
            return;
        }
        self.life = Life::Over;
        let was_known = self.info.is_some() || matches!(self.opening, Opening::Dialed(_));
        if was_known {
            self.events.push_back(TransportEvent::Closed(reason.clone()));
            self.announce_activity(shared);
            shared.events.push_back(NetEvent::Closed { key: self.key, reason });
        } else {
            tracing::debug!(remote = %self.quic.remote_address(), ?reason, "handshake failed");
            self.told_closed = true;
        }
    }

    fn announce_activity(&mut self, shared: &mut Shared) {
        if !self.events.is_empty() && !self.active_queued && self.info.is_some() {
            self.active_queued = true;
            shared.events.push_back(NetEvent::Active { key: self.key });
        }
    }

    /// Nothing follows `Closed`.
    fn keep_only_the_end(&mut self) {
        let end = self.events.iter().position(|event| matches!(event, TransportEvent::Closed(_)));
        self.events.truncate(end.map_or(0, |at| at + 1));
    }

    fn close_reason(&self, error: ConnectionError) -> CloseReason {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let reason = cut_reason(&close.reason);
                let wire_code = close.error_code;
                let code = match &self.layer {
                    Layer::Undecided | Layer::Quic => Some(wire_code.into_inner()),
                    Layer::Web(_) if wire_code == HttpCode::NoError.into() => Some(0),
                    Layer::Web(_) => codes::from_http(wire_code),
                };
                match code {
                    Some(code) => CloseReason::Peer { code, reason },
                    None => CloseReason::Transport(format!(
                        "closed with HTTP/3 code {:#x}: {reason}",
                        wire_code.into_inner()
                    )),
                }
            }
            ConnectionError::TimedOut => CloseReason::TimedOut,
            ConnectionError::LocallyClosed => CloseReason::Local,
            other => CloseReason::Transport(other.to_string()),
        }
    }

    /// What is known of the path.
    pub(crate) fn path_stats(&self) -> PathStats {
        let path = self.quic.stats().path;
        PathStats {
            rtt: path.rtt,
            window_bytes: path.cwnd,
            lost_packets: path.lost_packets,
            mtu_bytes: path.current_mtu,
            remote: self.quic.remote_address(),
        }
    }

    /// Whether MOQT may use it: after `Connected` and before `Closed` was told.
    pub(crate) fn is_usable(&self) -> bool {
        !self.told_closed && self.info.is_some()
    }

    /// Largest payload of a datagram now.
    pub(crate) fn datagram_max(&mut self) -> Option<usize> {
        let prefix = match &self.layer {
            Layer::Web(web) => web.datagram_prefix_bytes(),
            Layer::Undecided | Layer::Quic => 0,
        };
        self.quic.datagrams().max_size()?.checked_sub(prefix)
    }
}

/// Longest close reason sent or passed on.
pub(crate) const REASON_BYTES_MAX: usize = 1024;

/// A reason from a peer, cut and lossily decoded.
pub(crate) fn cut_reason(reason: &[u8]) -> String {
    let cut = &reason[..reason.len().min(REASON_BYTES_MAX)];
    String::from_utf8_lossy(cut).into_owned()
}
