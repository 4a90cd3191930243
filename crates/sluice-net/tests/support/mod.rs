//! Two `Net`s joined by a network in memory and in virtual time.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use sluice_net::dev_certificate::DevCertificate;
use sluice_net::dial::{Dial, Via};
use sluice_net::tls::{ClientTls, FixedTime, ServerTls, Trust};
use sluice_net::{
    ConnTransport, ConnectionKey, EcnCodepoint, Net, NetConfig, NetEvent, NetLimits, NetSecrets,
};
use sluice_proto::transport::{
    CloseReason, PeerCredit, PeerInfo, Read, StreamId, StreamKind, Transport, TransportEvent,
};

pub const LATENCY: Duration = Duration::from_millis(10);
pub const PROTOCOLS: [&str; 2] = ["new", "old"];

/// One of the two ends.
pub struct End {
    pub net: Net,
    pub address: SocketAddr,
    /// What the net reported, oldest first, without `Active`.
    pub events: Vec<NetEvent>,
    /// What transports reported, oldest first.
    pub seen: Vec<TransportEvent>,
    pub key: Option<ConnectionKey>,
}

struct Flying {
    arrives: Instant,
    to: Who,
    ecn: Option<EcnCodepoint>,
    datagram: BytesMut,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Client,
    Server,
}

pub struct World {
    pub now: Instant,
    pub client: End,
    pub server: End,
    pub hash: [u8; 32],
    flying: VecDeque<Flying>,
    /// Sends so far, with their size, from the server.
    pub server_sends: Vec<(usize, Option<usize>)>,
}

pub fn limits() -> NetLimits {
    NetLimits::default()
}

impl World {
    pub fn new() -> World {
        World::with(limits(), limits())
    }

    pub fn with(client: NetLimits, server: NetLimits) -> World {
        World::with_protocols(client, server, &PROTOCOLS)
    }

    pub fn with_protocols(client: NetLimits, server: NetLimits, protocols: &[&str]) -> World {
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let dev = DevCertificate::generate(made, &[]).unwrap();
        let tls = ServerTls::new(vec![dev.certificate], dev.key, protocols).unwrap();
        let secrets = |byte| NetSecrets { shared: [byte; 32], seed: [byte + 1; 32] };
        let server = NetConfig { limits: server, server: Some(tls), ..NetConfig::new(secrets(1)) };
        let client = NetConfig { limits: client, ..NetConfig::new(secrets(3)) };
        World {
            now: Instant::now(),
            client: End::new(Net::new(client), "[::1]:1000"),
            server: End::new(Net::new(server), "[::1]:2000"),
            hash: dev.hash,
            flying: VecDeque::new(),
            server_sends: Vec::new(),
        }
    }

    /// A world with one raw QUIC connection.
    pub fn raw() -> World {
        World::connected(World::new(), raw())
    }

    pub fn connected(mut world: World, via: Via) -> World {
        let key = world.dial(via);
        world.client.key = Some(key);
        world.run(Duration::from_secs(1));
        assert!(world.client.info().is_some(), "{:?}", world.client.events);
        assert!(world.server.info().is_some(), "{:?}", world.server.events);
        world
    }

    pub fn dial(&mut self, via: Via) -> ConnectionKey {
        let clock = FixedTime { since_epoch: Duration::from_secs(1_700_000_100) };
        let tls =
            ClientTls::new(Trust::CertificateHashes(vec![self.hash]), Arc::new(clock)).unwrap();
        let dial = Dial {
            remote: self.server.address,
            server_name: "localhost",
            tls: &tls,
            via,
            patience: None,
        };
        self.client.net.connect(self.now, dial).unwrap()
    }

    /// Lets `duration` pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.exchange();
            let next = [
                self.flying.front().map(|flying| flying.arrives),
                self.client.net.poll_timeout(),
                self.server.net.poll_timeout(),
            ];
            match next.into_iter().flatten().min() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            self.deliver();
            self.client.net.handle_timeout(self.now);
            self.server.net.handle_timeout(self.now);
        }
        self.now = end;
    }

    /// A few round trips.
    pub fn settle(&mut self) {
        self.run(LATENCY * 10);
    }

    fn deliver(&mut self) {
        while self.flying.front().is_some_and(|next| next.arrives <= self.now) {
            let flying = self.flying.pop_front().unwrap();
            let (to, from) = match flying.to {
                Who::Client => (&mut self.client, self.server.address),
                Who::Server => (&mut self.server, self.client.address),
            };
            to.net.handle_datagram(self.now, from, None, flying.ecn, flying.datagram);
        }
    }

    fn exchange(&mut self) {
        let mut buffer = Vec::new();
        for (who, end) in [(Who::Client, &mut self.client), (Who::Server, &mut self.server)] {
            end.drain(self.now);
            while let Some(transmit) = end.net.poll_transmit(self.now, &mut buffer, 10) {
                if who == Who::Server {
                    self.server_sends.push((transmit.size, transmit.segment_size));
                }
                let segment = transmit.segment_size.unwrap_or(transmit.size);
                for datagram in buffer[..transmit.size].chunks(segment) {
                    self.flying.push_back(Flying {
                        arrives: self.now + LATENCY,
                        to: match who {
                            Who::Client => Who::Server,
                            Who::Server => Who::Client,
                        },
                        ecn: transmit.ecn,
                        datagram: BytesMut::from(datagram),
                    });
                }
            }
            end.drain(self.now);
        }
    }

    pub fn client(&mut self) -> ConnTransport<'_> {
        self.client.transport(self.now)
    }

    pub fn server(&mut self) -> ConnTransport<'_> {
        self.server.transport(self.now)
    }
}

impl End {
    fn new(net: Net, address: &str) -> End {
        End {
            net,
            address: address.parse().unwrap(),
            events: Vec::new(),
            seen: Vec::new(),
            key: None,
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.net.poll_event() {
            match event {
                NetEvent::Active { key } => {
                    if let Some(mut transport) = self.net.transport(key, now) {
                        while let Some(event) = transport.poll_event() {
                            self.seen.push(event);
                        }
                    }
                }
                NetEvent::Connected { key, info } => {
                    self.key.get_or_insert(key);
                    self.events.push(NetEvent::Connected { key, info });
                }
                other => self.events.push(other),
            }
        }
    }

    pub fn transport(&mut self, now: Instant) -> ConnTransport<'_> {
        let key = self.key.expect("connected");
        self.net.transport(key, now).expect("still there")
    }

    /// What the first connection settled.
    pub fn info(&self) -> Option<&PeerInfo> {
        self.events.iter().find_map(|event| match event {
            NetEvent::Connected { info, .. } => Some(info),
            _ => None,
        })
    }

    /// The streams that the peer opened, oldest first.
    pub fn opened(&self) -> Vec<StreamId> {
        self.seen
            .iter()
            .filter_map(|event| match event {
                TransportEvent::Opened(stream, _) => Some(*stream),
                _ => None,
            })
            .collect()
    }

    /// Why the transport ended, if it has.
    pub fn closed(&self) -> Option<CloseReason> {
        self.seen.iter().find_map(|event| match event {
            TransportEvent::Closed(reason) => Some(reason.clone()),
            _ => None,
        })
    }
}

pub fn raw() -> Via {
    Via::Quic { protocols: PROTOCOLS.map(str::to_string).to_vec() }
}

pub fn web(protocols: &[&str]) -> Via {
    Via::WebTransport {
        authority: "localhost:4433".into(),
        path: "/moq?room=1".into(),
        protocols: protocols.iter().map(|name| name.to_string()).collect(),
    }
}

/// Writes all of `bytes`, which has to fit.
pub fn write(transport: &mut impl Transport, stream: StreamId, bytes: &[u8]) {
    let written = transport.write(stream, &mut [Bytes::copy_from_slice(bytes)]);
    assert!(written.unwrap().complete, "no room for {} bytes", bytes.len());
}

/// Everything readable now, and whether the end was reached.
pub fn read(transport: &mut impl Transport, stream: StreamId) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match transport.read(stream, usize::MAX).unwrap() {
            Read::Data(bytes) => all.extend_from_slice(&bytes),
            Read::Fin => return (all, true),
            Read::Blocked => return (all, false),
        }
    }
}

/// Opens and uses all streams that the client may open now.
pub fn open_all(world: &mut World, kind: StreamKind) -> usize {
    let mut client = world.client();
    let opened = std::iter::from_fn(|| {
        let stream = client.open(kind)?;
        write(&mut client, stream, b"x");
        Some(())
    });
    opened.count()
}

pub const GENEROUS: PeerCredit =
    PeerCredit { uni_streams: 128, bidi_streams: 128, window_bytes: 4 * 1024 * 1024 };
