//! The connections of one UDP port and the clockless machine that drives them.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use quinn_proto::{ConnectionHandle, DatagramEvent, EndpointEvent, Incoming};
use ring::{hkdf, hmac};
use sluice_proto::transport::{CloseReason, PathStats, PeerInfo};

use crate::config::{NetConfig, NetLimits};
use crate::connection::{Connection, Opening};
use crate::dial::{Dial, DialError};
use crate::ids::{SeededBytes, ShardIds};
use crate::timers::Timers;
use crate::tls::ServerTls;
use crate::transport::ConnTransport;

pub use quinn_proto::{EcnCodepoint, Transmit};

/// Names one connection of a [`Net`]. Never reused, so a stale key finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// What happened to a connection since the last poll.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NetEvent {
    /// A connection is ready for MOQT: its [`Net::transport`] can be used from here on.
    Connected {
        /// The connection.
        key: ConnectionKey,
        /// What was settled before MOQT's first byte.
        info: PeerInfo,
    },
    /// `Transport::poll_event` has something to say.
    Active {
        /// The connection.
        key: ConnectionKey,
    },
    /// The connection is over and its key finds nothing any more. Follows `Connected`, or a
    /// [`Net::connect`] that failed.
    Closed {
        /// The connection.
        key: ConnectionKey,
        /// Why, as in `TransportEvent::Closed`.
        reason: CloseReason,
    },
}

/// Longest silence before a server is asked whether it is there, where the dial says how patient to be.
const KEEP_ALIVE_MAX: Duration = Duration::from_secs(1);

/// Counters of a [`Net`] since it was made.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct NetCounters {
    /// Incoming connections that were let in.
    pub accepted: u64,
    /// Incoming connections refused because of a limit or while not accepting.
    pub refused: u64,
    /// Incoming connections that were asked to prove their address first.
    pub retried: u64,
    /// Incoming connections that ended before they were ready.
    pub failed_handshakes: u64,
}

/// QUIC and WebTransport connections of one port: datagrams and time in, datagrams, events and a
/// deadline out. See the crate's documentation for the order of calls.
pub struct Net {
    endpoint: quinn_proto::Endpoint,
    server: Option<ServerTls>,
    limits: Arc<NetLimits>,
    client_transport: Arc<quinn_proto::TransportConfig>,
    dial_ids: SeededBytes,
    token_key: Arc<hkdf::Prk>,
    slots: Vec<Slot>,
    shared: Shared,
    answers: VecDeque<(Transmit, Vec<u8>)>,
    accepting: bool,
    handshakes: usize,
    open: usize,
    counters: NetCounters,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

impl Slot {
    fn has(&self, key: ConnectionKey) -> bool {
        self.generation == key.generation
    }

    fn of_mut(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.has(key).then_some(self.connection.as_deref_mut()?)
    }
}

/// What connections hand to their [`Net`] while they are borrowed.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) events: VecDeque<NetEvent>,
    pub(crate) transmit: VecDeque<usize>,
    pub(crate) timers: Timers,
}

impl Net {
    /// A port without connections, accepting if the configuration has a server part.
    pub fn new(config: NetConfig) -> Net {
        let reset_key =
            hmac::Key::new(hmac::HMAC_SHA256, &derived(&config.secrets.shared, "stateless reset"));
        let token_key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sluice address tokens")
            .extract(&derived(&config.secrets.shared, "address tokens"));
        let (shard, seed) = (config.shard, config.secrets.seed);
        let mut endpoint_config = quinn_proto::EndpointConfig::new(Arc::new(reset_key));
        endpoint_config
            .cid_generator(move || Box::new(ShardIds::new(shard, &seed)))
            .rng_seed(Some(derived(&seed, "endpoint")));
        let transport = Arc::new(config.limits.transport());
        let mut net = Net {
            endpoint: quinn_proto::Endpoint::new(
                Arc::new(endpoint_config),
                None,
                config.discover_mtu,
                None,
            ),
            server: None,
            limits: Arc::new(config.limits),
            client_transport: transport,
            dial_ids: SeededBytes::new(&seed, "dialed connection ids"),
            token_key: Arc::new(token_key),
            slots: Vec::new(),
            shared: Shared::default(),
            answers: VecDeque::new(),
            accepting: false,
            handshakes: 0,
            open: 0,
            counters: NetCounters::default(),
        };
        net.set_server(config.server);
        net
    }

    /// Replaces certificate and protocols for connections that begin from now on. `None` stops
    /// accepting.
    pub fn set_server(&mut self, server: Option<ServerTls>) {
        let config = server.as_ref().map(|tls| {
            let mut config =
                quinn_proto::ServerConfig::new(tls.crypto.clone(), self.token_key.clone());
            config
                .transport_config(self.client_transport.clone())
                .max_incoming(self.limits.handshakes_max)
                .incoming_buffer_size(64 * 1024)
                .incoming_buffer_size_total(4 * 1024 * 1024);
            Arc::new(config)
        });
        self.endpoint.set_server_config(config);
        self.accepting = server.is_some();
        self.server = server;
    }

    /// Accepts new connections, or refuses them while draining.
    pub fn set_accepting(&mut self, accepting: bool) {
        self.accepting = accepting && self.server.is_some();
    }

    /// Connections that exist, those handshaking and closing included.
    pub fn connections(&self) -> usize {
        self.open
    }

    /// What happened so far.
    pub fn counters(&self) -> NetCounters {
        self.counters
    }

    /// Starts a connection. `Connected` or `Closed` follows with the returned key.
    pub fn connect(&mut self, now: Instant, dial: Dial<'_>) -> Result<ConnectionKey, DialError> {
        if self.open >= self.limits.connections_max {
            return Err(DialError::TooManyConnections);
        }
        let mut id = [0; 16];
        self.dial_ids.fill(&mut id);
        let id = quinn_proto::ConnectionId::new(&id);
        let (limits, transport) = match dial.patience {
            None => (self.limits.clone(), self.client_transport.clone()),
            Some(patience) => {
                let limits = NetLimits {
                    handshake_timeout: patience,
                    idle_timeout: patience,
                    keep_alive: (patience / 4).min(KEEP_ALIVE_MAX),
                    ..(*self.limits).clone()
                };
                let transport = Arc::new(limits.transport());
                (Arc::new(limits), transport)
            }
        };
        let mut config = quinn_proto::ClientConfig::new(dial.crypto()?);
        config.transport_config(transport).initial_dst_cid_provider(Arc::new(move || id));
        let (handle, quic) = self.endpoint.connect(now, config, dial.remote, dial.server_name)?;
        let opening = Opening::Dialed(dial.via);
        Ok(self.insert(now, handle, quic, opening, limits))
    }

    /// One UDP datagram arrived. `local_ip` is the address it was sent to, if known.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        local_ip: Option<IpAddr>,
        ecn: Option<EcnCodepoint>,
        datagram: BytesMut,
    ) {
        let mut answer = Vec::new();
        match self.endpoint.handle(now, remote, local_ip, ecn, datagram, &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(connection) = self.connection_at(handle.0) {
                    connection.quic.handle_event(event);
                    self.settle(now, handle.0, Wake::Always);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.handle_incoming(now, incoming),
            Some(DatagramEvent::Response(transmit)) => self.answer(transmit, answer),
            None => {}
        }
    }

    /// Time has passed: fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Each once, so that no deadline can keep this call from returning.
        for index in self.shared.timers.due(now) {
            let Some(connection) = slot_mut(&mut self.slots, index) else {
                debug_assert!(false, "a freed connection left a timer");
                continue;
            };
            self.shared.timers.disarm(index, &mut connection.timer);
            connection.quic.handle_timeout(now);
            connection.handle_timeout(now, &mut self.shared);
            self.settle(now, index, Wake::Always);
        }
    }

    /// When [`Net::handle_timeout`] is to be called next; nothing may be due by then.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shared.timers.poll_timeout()
    }

    /// The next send: up to `max_datagrams` equal datagrams of one connection in `buffer`, which
    /// is overwritten. Connections take turns.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        buffer: &mut Vec<u8>,
        max_datagrams: usize,
    ) -> Option<Transmit> {
        buffer.clear();
        if let Some((transmit, bytes)) = self.answers.pop_front() {
            buffer.extend_from_slice(&bytes);
            return Some(transmit);
        }
        while let Some(index) = self.shared.transmit.pop_front() {
            let Some(connection) = slot_mut(&mut self.slots, index) else {
                continue;
            };
            connection.transmit_queued = false;
            if let Some(transmit) = connection.poll_transmit(now, max_datagrams, buffer) {
                connection.queue_transmit(&mut self.shared);
                return Some(transmit);
            }
            self.settle(now, index, Wake::IfActive);
        }
        None
    }

    /// The next thing that happened; `None` until more input arrives.
    pub fn poll_event(&mut self) -> Option<NetEvent> {
        loop {
            let event = self.shared.events.pop_front()?;
            match event {
                NetEvent::Connected { .. } => {}
                NetEvent::Active { key } => match self.connection(key) {
                    Some(connection) => connection.active_queued = false,
                    None => continue,
                },
                NetEvent::Closed { key, .. } => {
                    if let Some(connection) = self.connection(key) {
                        connection.told_closed = true;
                        self.release_if_done(key.index as usize);
                    }
                }
            }
            return Some(event);
        }
    }

    /// The connection as MOQT sees it, for one turn at `now`. `None` before `Connected` and
    /// after `Closed`.
    pub fn transport(&mut self, key: ConnectionKey, now: Instant) -> Option<ConnTransport<'_>> {
        let slot = self.slots.get_mut(key.index as usize)?;
        let connection = slot.of_mut(key).filter(|connection| connection.is_usable())?;
        Some(ConnTransport::new(connection, &mut self.shared, now))
    }

    /// What is known of a connection's path. Unlike a transport, whose use may leave something to
    /// send, looking costs nothing else.
    pub fn path_stats(&self, key: ConnectionKey) -> Option<PathStats> {
        let slot = self.slots.get(key.index as usize).filter(|slot| slot.has(key))?;
        let connection = slot.connection.as_deref()?;
        connection.is_usable().then(|| connection.path_stats())
    }

    fn handle_incoming(&mut self, now: Instant, incoming: Incoming) {
        let mut answer = Vec::new();
        let full = self.open >= self.limits.connections_max
            || self.handshakes >= self.limits.handshakes_max;
        let Some(protocols) = self
            .server
            .as_ref()
            .filter(|_| self.accepting && !full)
            .map(|tls| tls.protocols.clone())
        else {
            self.counters.refused += 1;
            let transmit = self.endpoint.refuse(incoming, &mut answer);
            self.answer(transmit, answer);
            return;
        };
        let crowded = self.handshakes >= self.limits.handshakes_max / 2;
        if crowded && !incoming.remote_address_validated() && incoming.may_retry() {
            self.counters.retried += 1;
            match self.endpoint.retry(incoming, &mut answer) {
                Ok(transmit) => self.answer(transmit, answer),
                Err(error) => self.endpoint.ignore(error.into_incoming()),
            }
            return;
        }
        match self.endpoint.accept(incoming, now, &mut answer, None) {
            Ok((handle, quic)) => {
                self.counters.accepted += 1;
                let limits = self.limits.clone();
                self.insert(now, handle, quic, Opening::Accepted(protocols), limits);
            }
            Err(error) => {
                self.counters.failed_handshakes += 1;
                tracing::debug!(cause = %error.cause, "incoming connection not accepted");
                if let Some(transmit) = error.response {
                    self.answer(transmit, answer);
                }
            }
        }
    }

    fn answer(&mut self, transmit: Transmit, bytes: Vec<u8>) {
        if self.answers.len() < self.limits.answers_max {
            self.answers.push_back((transmit, bytes));
        }
    }

    fn insert(
        &mut self,
        now: Instant,
        handle: ConnectionHandle,
        quic: quinn_proto::Connection,
        opening: Opening,
        limits: Arc<NetLimits>,
    ) -> ConnectionKey {
        let index = handle.0;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        let slot = &mut self.slots[index];
        debug_assert!(slot.connection.is_none(), "the library reused a live handle");
        let key = ConnectionKey { index: index as u32, generation: slot.generation };
        slot.connection = Some(Box::new(Connection::new(now, key, quic, opening, limits)));
        self.open += 1;
        self.handshakes += 1;
        self.settle(now, index, Wake::Always);
        key
    }

    /// Moves what a connection has produced to where it belongs, after every input to it.
    fn settle(&mut self, now: Instant, index: usize, wake: Wake) {
        let Some(connection) = slot_mut(&mut self.slots, index) else {
            return;
        };
        while let Some(event) = connection.quic.poll_endpoint_events() {
            if event.is_drained() {
                connection.drained = true;
            } else if let Some(back) = self.endpoint.handle_event(ConnectionHandle(index), event) {
                connection.quic.handle_event(back);
            }
        }
        let active = connection.pump(now, &mut self.shared);
        if active || wake == Wake::Always {
            connection.queue_transmit(&mut self.shared);
        }
        connection.arm(&mut self.shared);
        if connection.counted_as_handshake && !connection.is_opening() {
            connection.counted_as_handshake = false;
            self.handshakes -= 1;
            if connection.info().is_none() && connection.is_accepted() {
                self.counters.failed_handshakes += 1;
            }
        }
        self.release_if_done(index);
    }

    /// Frees a connection that QUIC has forgotten and whose end the owner has heard of. Only
    /// then may the library reuse its handle.
    fn release_if_done(&mut self, index: usize) {
        let Some(connection) = slot_mut(&mut self.slots, index) else {
            return;
        };
        if !(connection.drained && connection.told_closed) {
            return;
        }
        self.shared.timers.disarm(index, &mut connection.timer);
        self.endpoint.handle_event(ConnectionHandle(index), EndpointEvent::drained());
        let slot = &mut self.slots[index];
        slot.connection = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.open -= 1;
    }

    fn connection_at(&mut self, index: usize) -> Option<&mut Connection> {
        slot_mut(&mut self.slots, index)
    }

    fn connection(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.slots.get_mut(key.index as usize)?.of_mut(key)
    }
}

/// Whether a connection that settles may have something to send.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wake {
    /// It was given input.
    Always,
    /// It has just said that it has nothing; only an event can change that.
    IfActive,
}

fn slot_mut(slots: &mut [Slot], index: usize) -> Option<&mut Connection> {
    slots.get_mut(index)?.connection.as_deref_mut()
}

fn derived(secret: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    SeededBytes::new(secret, purpose).fill(&mut key);
    key
}
