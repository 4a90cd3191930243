//! The second lane: real QUIC, TLS and WebTransport over simulated datagrams.
//!
//! A [`Cloud`] holds the relay's ports (one a shard) and one port for each client, and carries
//! their datagrams with delay, jitter, loss, duplication, reordering and a bottleneck with a
//! finite queue. A [`NetEnd`] is one connection of a port as a session sees it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use sluice_net::dev_certificate::DevCertificate;
use sluice_net::dial::{Dial, Via};
use sluice_net::tls::{ClientTls, FixedTime, ServerTls, Trust};
use sluice_net::{ConnectionKey, EcnCodepoint, Net, NetConfig, NetEvent, NetLimits, NetSecrets};
use sluice_proto::transport::{
    Carrier, CloseReason, DatagramError, PathStats, PeerCredit, PeerInfo, Read, Side, StreamError,
    StreamId, StreamKind, Transport, TransportEvent, Written,
};
use sluice_proto::wire::Draft;

use crate::link::{LinkConfig, PathConfig};
use crate::rng::Rng;

/// Datagrams of one send.
const SEGMENTS_MAX: usize = 10;

/// Ports, and what flies between them.
pub struct Cloud {
    now: Rc<Cell<Instant>>,
    ports: Vec<Port>,
    servers: usize,
    flying: BTreeMap<(Instant, u64), Flying>,
    launched: u64,
    paths: Vec<Rc<RefCell<Path>>>,
    rng: Rng,
    client_tls: ClientTls,
    buffer: Vec<u8>,
}

/// One UDP port and its connections.
struct Port {
    net: Rc<RefCell<Net>>,
    address: SocketAddr,
    /// The access link of a client; the relay's ports have none.
    path: Option<usize>,
    news: Rc<RefCell<News>>,
}

/// What a port's events said, until somebody asks.
#[derive(Default)]
struct News {
    connected: VecDeque<(ConnectionKey, PeerInfo)>,
    active: BTreeSet<ConnectionKey>,
    closed: BTreeMap<ConnectionKey, CloseReason>,
}

struct Flying {
    from: SocketAddr,
    to: SocketAddr,
    ecn: Option<EcnCodepoint>,
    datagram: BytesMut,
}

/// One client's access link.
#[derive(Debug)]
pub struct Path {
    up: Tube,
    down: Tube,
    cut: bool,
}

#[derive(Debug)]
struct Tube {
    config: PathConfig,
    free_at: Instant,
    departed_bytes: u64,
    cut_at_bytes: Option<u64>,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("ports", &self.ports.len()).finish_non_exhaustive()
    }
}

impl Cloud {
    /// A relay with one port for each of its shards, and nobody else.
    pub fn new(seed: u64, shards: usize, now: Instant) -> Self {
        let mut rng = Rng::new(seed);
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let dev = DevCertificate::generate(made, &["relay.test"]).expect("a certificate");
        let clock = FixedTime { since_epoch: Duration::from_secs(1_700_000_100) };
        let client_tls = ClientTls::new(Trust::CertificateHashes(vec![dev.hash]), Arc::new(clock))
            .expect("settings of our own");
        let protocols = Draft::ALL.map(Draft::token);
        let server_tls = ServerTls::new(vec![dev.certificate], dev.key, &protocols)
            .expect("key and certificate");
        let shared = secret(&mut rng);
        let mut cloud = Self {
            now: Rc::new(Cell::new(now)),
            ports: Vec::new(),
            servers: shards,
            flying: BTreeMap::new(),
            launched: 0,
            paths: Vec::new(),
            rng: rng.fork(),
            client_tls,
            buffer: Vec::new(),
        };
        for shard in 0..shards {
            let mut config = NetConfig::new(NetSecrets { shared, seed: secret(&mut rng) });
            config.shard = shard as u8;
            config.server = Some(server_tls.clone());
            config.limits.idle_timeout = Duration::from_secs(5);
            config.limits.keep_alive = Duration::from_secs(2);
            let address = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1 + shard as u8), 4433));
            cloud.add(config, address, None);
        }
        cloud
    }

    fn add(&mut self, config: NetConfig, address: SocketAddr, path: Option<usize>) -> usize {
        let net = Rc::new(RefCell::new(Net::new(config)));
        self.ports.push(Port { net, address, path, news: Rc::default() });
        self.ports.len() - 1
    }

    /// Begins a connection of a new client to this shard. Its number asks for the rest.
    pub fn dial(&mut self, shard: usize, link: &LinkConfig) -> usize {
        let now = self.now.get();
        let secrets = NetSecrets { shared: secret(&mut self.rng), seed: secret(&mut self.rng) };
        let limits = NetLimits {
            stranger_credit: link.client_grants,
            stream_window_bytes: link.stream_window_bytes,
            idle_timeout: link.idle_timeout,
            keep_alive: link.idle_timeout / 3,
            ..NetLimits::default()
        };
        let config = NetConfig { limits, ..NetConfig::new(secrets) };
        let tube = |config: &PathConfig| Tube {
            config: config.clone(),
            free_at: now,
            departed_bytes: 0,
            cut_at_bytes: None,
        };
        self.paths.push(Rc::new(RefCell::new(Path {
            up: tube(&link.up),
            down: tube(&link.down),
            cut: false,
        })));
        let number = self.ports.len() - self.servers;
        let host = Ipv4Addr::new(10, 1, (number >> 8) as u8, number as u8);
        let port = self.add(config, SocketAddr::from((host, 5000)), Some(self.paths.len() - 1));
        let protocols: Vec<String> = link.protocol.clone().into_iter().collect();
        let via = match link.carrier {
            Carrier::Quic => Via::Quic { protocols },
            Carrier::WebTransport => Via::WebTransport {
                authority: link.authority.clone().unwrap_or_else(|| "relay.test".into()),
                path: link.path.clone().unwrap_or_else(|| "/moq".into()),
                protocols,
            },
        };
        let remote = self.ports[shard].address;
        let dial =
            Dial { remote, server_name: "relay.test", tls: &self.client_tls, via, patience: None };
        let net = self.ports[port].net.clone();
        net.borrow_mut().connect(now, dial).expect("a first connection of a fresh port");
        self.exchange();
        port
    }

    /// The next connection of a port that is ready: a client's, or one that a shard (the first ports)
    /// accepted.
    pub fn connected(&mut self, port: usize) -> Option<NetEnd> {
        let (key, info) = self.ports[port].news.borrow_mut().connected.pop_front()?;
        Some(self.end(port, key, info))
    }

    /// Whether a client's connection ended.
    pub fn failed(&self, port: usize) -> bool {
        !self.ports[port].news.borrow().closed.is_empty()
    }

    fn end(&self, port: usize, key: ConnectionKey, info: PeerInfo) -> NetEnd {
        NetEnd {
            net: self.ports[port].net.clone(),
            news: self.ports[port].news.clone(),
            now: self.now.clone(),
            key,
            info,
        }
    }

    /// The access link of a client's port.
    pub fn path(&self, port: usize) -> Option<Rc<RefCell<Path>>> {
        self.ports[port].path.map(|path| self.paths[path].clone())
    }

    /// When something happens next.
    pub fn next_event_time(&self) -> Option<Instant> {
        let flying = self.flying.keys().next().map(|key| key.0);
        let timeouts = self.ports.iter().filter_map(|port| port.net.borrow().poll_timeout());
        timeouts.chain(flying).min()
    }

    /// Whether a datagram is under way.
    pub fn is_busy(&self) -> bool {
        !self.flying.is_empty()
    }

    /// Moves to `now` and lets everything happen that is due until then.
    pub fn advance_to(&mut self, now: Instant) {
        self.exchange();
        while let Some(time) = self.next_event_time().filter(|time| *time <= now) {
            self.now.set(self.now.get().max(time));
            self.deliver();
            let now = self.now.get();
            for port in &self.ports {
                let mut net = port.net.borrow_mut();
                if net.poll_timeout().is_some_and(|at| at <= now) {
                    net.handle_timeout(now);
                }
            }
            self.exchange();
        }
        self.now.set(self.now.get().max(now));
    }

    fn deliver(&mut self) {
        let now = self.now.get();
        while self.flying.keys().next().is_some_and(|key| key.0 <= now) {
            let Some((_, flying)) = self.flying.pop_first() else { return };
            let port = self.ports.iter().find(|port| port.address == flying.to);
            let Some(port) = port else { continue };
            let Flying { from, ecn, datagram, .. } = flying;
            port.net.borrow_mut().handle_datagram(now, from, None, ecn, datagram);
        }
    }

    /// Collects what every port has to say and to send at this moment.
    pub fn exchange(&mut self) {
        for index in 0..self.ports.len() {
            let net = self.ports[index].net.clone();
            let mut net = net.borrow_mut();
            loop {
                self.collect(index, &mut net);
                let mut buffer = std::mem::take(&mut self.buffer);
                let transmit = net.poll_transmit(self.now.get(), &mut buffer, SEGMENTS_MAX);
                if let Some(transmit) = &transmit {
                    let segment = transmit.segment_size.unwrap_or(transmit.size).max(1);
                    for datagram in buffer[..transmit.size].chunks(segment) {
                        self.launch(index, transmit.destination, transmit.ecn, datagram);
                    }
                }
                self.buffer = buffer;
                if transmit.is_none() {
                    break;
                }
            }
            self.collect(index, &mut net);
        }
    }

    fn collect(&self, port: usize, net: &mut Net) {
        let mut news = self.ports[port].news.borrow_mut();
        while let Some(event) = net.poll_event() {
            match event {
                NetEvent::Connected { key, info } => news.connected.push_back((key, info)),
                NetEvent::Active { key } => drop(news.active.insert(key)),
                NetEvent::Closed { key, reason } => drop(news.closed.insert(key, reason)),
            }
        }
    }

    fn launch(&mut self, from: usize, to: SocketAddr, ecn: Option<EcnCodepoint>, datagram: &[u8]) {
        let now = self.now.get();
        let up = self.ports[from].path;
        let path = up.or_else(|| {
            self.ports.iter().find(|port| port.address == to).and_then(|port| port.path)
        });
        let Some(path) = path.map(|path| self.paths[path].clone()) else { return };
        let mut path = path.borrow_mut();
        if path.cut {
            return;
        }
        let tube = if up.is_some() { &mut path.up } else { &mut path.down };
        tube.departed_bytes += datagram.len() as u64;
        let cut = tube.cut_at_bytes.is_some_and(|at| tube.departed_bytes >= at);
        let from = self.ports[from].address;
        for time in tube.pass(datagram.len(), now, &mut self.rng) {
            self.launched += 1;
            let flying = Flying { from, to, ecn, datagram: BytesMut::from(datagram) };
            self.flying.insert((time, self.launched), flying);
        }
        path.cut |= cut;
    }
}

impl Tube {
    /// When a datagram arrives: never if lost, twice if duplicated.
    fn pass(&mut self, bytes: usize, now: Instant, rng: &mut Rng) -> Vec<Instant> {
        if self.free_at > now + self.config.queue || rng.chance(self.config.loss_permille) {
            return Vec::new();
        }
        let mut leaves = self.free_at.max(now);
        if let Some(rate) = self.config.bits_per_second {
            leaves += Duration::from_nanos(bytes as u64 * 8 * 1_000_000_000 / rate.max(1));
            self.free_at = leaves;
        }
        let copies = 1 + usize::from(rng.chance(self.config.loss_permille / 4));
        let delay = self.config.delay;
        (0..copies).map(|_| leaves + delay + rng.duration(self.config.jitter)).collect()
    }
}

impl Path {
    fn tube(&mut self, side: Side) -> &mut Tube {
        match side {
            Side::Client => &mut self.up,
            Side::Server => &mut self.down,
        }
    }

    /// Nothing arrives any more.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// Nothing arrives any more once `side` has sent this many more bytes.
    pub fn cut_after(&mut self, side: Side, bytes: u64) {
        let tube = self.tube(side);
        tube.cut_at_bytes = Some(tube.departed_bytes + bytes);
    }

    /// Changes the bandwidth of what `side` sends; `None` is no limit.
    pub fn set_bits_per_second(&mut self, side: Side, bits: Option<u64>) {
        self.tube(side).config.bits_per_second = bits;
    }

    /// Nothing that `side` sends leaves before `until`.
    pub fn stall(&mut self, side: Side, until: Instant) {
        let tube = self.tube(side);
        tube.free_at = tube.free_at.max(until);
    }

    /// Bytes that `side` sent so far.
    pub fn departed_bytes(&mut self, side: Side) -> u64 {
        self.tube(side).departed_bytes
    }
}

fn secret(rng: &mut Rng) -> [u8; 32] {
    let mut secret = [0; 32];
    for chunk in secret.chunks_mut(8) {
        chunk.copy_from_slice(&rng.next_u64().to_le_bytes());
    }
    secret
}

/// One connection of a port.
pub struct NetEnd {
    net: Rc<RefCell<Net>>,
    news: Rc<RefCell<News>>,
    now: Rc<Cell<Instant>>,
    key: ConnectionKey,
    info: PeerInfo,
}

impl fmt::Debug for NetEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetEnd").field("key", &self.key).finish_non_exhaustive()
    }
}

impl NetEnd {
    /// Whether there are events to poll.
    pub fn has_events(&self) -> bool {
        let news = self.news.borrow();
        news.active.contains(&self.key) || news.closed.contains_key(&self.key)
    }

    /// Does something to the connection, if it still exists.
    fn with<R>(&self, gone: R, act: impl FnOnce(&mut dyn Transport) -> R) -> R {
        let mut net = self.net.borrow_mut();
        match net.transport(self.key, self.now.get()) {
            Some(mut transport) => act(&mut transport),
            None => gone,
        }
    }
}

impl Transport for NetEnd {
    fn poll_event(&mut self) -> Option<TransportEvent> {
        if let Some(event) = self.with(None, |t| t.poll_event()) {
            return Some(event);
        }
        let mut news = self.news.borrow_mut();
        news.active.remove(&self.key);
        news.closed.remove(&self.key).map(TransportEvent::Closed)
    }

    fn open(&mut self, kind: StreamKind) -> Option<StreamId> {
        self.with(None, |t| t.open(kind))
    }

    fn read(&mut self, stream: StreamId, max_bytes: usize) -> Result<Read, StreamError> {
        self.with(Err(StreamError::Closed), |t| t.read(stream, max_bytes))
    }

    fn write(&mut self, stream: StreamId, chunks: &mut [Bytes]) -> Result<Written, StreamError> {
        self.with(Err(StreamError::Closed), |t| t.write(stream, chunks))
    }

    fn finish(&mut self, stream: StreamId) {
        self.with((), |t| t.finish(stream));
    }

    fn reset(&mut self, stream: StreamId, code: u64) {
        self.with((), |t| t.reset(stream, code));
    }

    fn stop(&mut self, stream: StreamId, code: u64) {
        self.with((), |t| t.stop(stream, code));
    }

    fn set_priority(&mut self, stream: StreamId, order: i32) {
        self.with((), |t| t.set_priority(stream, order));
    }

    fn send_datagram(&mut self, payload: Bytes) -> Result<(), DatagramError> {
        self.with(Err(DatagramError::Unavailable), |t| t.send_datagram(payload))
    }

    fn recv_datagram(&mut self) -> Option<Bytes> {
        self.with(None, |t| t.recv_datagram())
    }

    fn datagram_max(&self) -> Option<usize> {
        self.with(None, |t| t.datagram_max())
    }

    fn set_credit(&mut self, credit: PeerCredit) {
        self.with((), |t| t.set_credit(credit));
    }

    fn send_room(&self) -> usize {
        self.with(0, |t| t.send_room())
    }

    fn stats(&self) -> PathStats {
        let gone = PathStats {
            rtt: Duration::ZERO,
            window_bytes: 0,
            lost_packets: 0,
            mtu_bytes: 0,
            remote: self.info.remote,
        };
        self.with(gone, |t| t.stats())
    }

    fn info(&self) -> &PeerInfo {
        &self.info
    }

    fn close(&mut self, code: u64, reason: &str) {
        self.with((), |t| t.close(code, reason));
    }
}
