//! The floor under a relay's cost: a loop that only sends, on the same QUIC library, with the same
//! settings, crypto and sockets as the relay.
//!
//! There is no MOQT here: no session, no subscription, no store. [`Sender::send`] writes the same
//! payloads behind a frame of four bytes to every viewer that connected, on a unidirectional stream
//! for each group. What a relay costs above that is the relay's own; what a publisher costs it is
//! not part of the floor.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sluice_client::{Target, Trust};
use sluice_net::dev_certificate::DevCertificate;
use sluice_net::tls::{ServerTls, TlsError};
use sluice_net::{ConnectionKey, Net, NetConfig, NetEvent, NetSecrets};
use sluice_proto::session::SessionConfig;
use sluice_proto::transport::{
    Carrier, PeerCredit, PeerInfo, Read, StreamId, StreamKind, Transport, TransportEvent,
};
use sluice_proto::wire::Draft;
use sluice_udp::{BindError, Socket, SocketOptions, UdpLoop};

use crate::fleet::{Fleet, Member};
use crate::load::Relay;
use crate::process::{self, Usage};
use crate::run::BenchError;

/// Bytes before each payload: about what an object's head takes.
const FRAME_BYTES: usize = 4;
/// Longest wait for all viewers, and in the end for all of them to have everything.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a connection may have been sent and not acknowledged: the relay's default.
const SEND_WINDOW_BYTES_MAX: u64 = 256 << 10;
/// What a viewer reads at once.
const READ_BYTES: usize = 64 * 1024;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct FloorLoad {
    /// Connections that are sent everything.
    pub viewers: usize,
    /// Payload of an object.
    pub object_bytes: usize,
    /// Objects a second, to each viewer.
    pub rate: f64,
    /// Objects in a group, which has a stream of its own.
    pub group_objects: u64,
    /// Whether viewers get their objects one after the other, spread over the time between two
    /// objects, as those of different tracks do, and not all at once.
    pub spread: bool,
    /// Load before anything is measured.
    pub warmup: Duration,
    /// Time that is measured.
    pub duration: Duration,
}

/// What it cost.
#[derive(Clone, Copy, Debug)]
pub struct FloorReport {
    /// CPU time of the whole sending process for each object written in the measured time.
    pub cpu_per_object: Duration,
    /// Objects written in the measured time.
    pub objects: u64,
    /// Objects of the whole run, those cut off because QUIC took no more among them.
    pub written: u64,
    /// Objects of the whole run that QUIC took no more of.
    pub cut: u64,
}

/// Why there is no floor.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// There is no socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refused something.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    /// The viewers' side failed.
    #[error(transparent)]
    View(#[from] BenchError),
    /// Not everyone came, or someone left.
    #[error("only {there} of {wanted} viewers are there")]
    Viewers {
        /// How many are there.
        there: usize,
        /// How many should be.
        wanted: usize,
    },
    /// `/proc` does not tell.
    #[error("the system does not tell what this process uses")]
    Usage,
}

/// The side that sends.
pub struct Sender {
    udp: UdpLoop,
    net: Net,
    viewers: Vec<Outgoing>,
    places: HashMap<ConnectionKey, usize>,
    gone: usize,
}

/// What is on its way to one viewer.
struct Outgoing {
    key: ConnectionKey,
    stream: Option<StreamId>,
    /// Of this stream, what QUIC did not take yet.
    unsent: Vec<Bytes>,
    /// Streams finished and not acknowledged.
    open: usize,
}

impl Sender {
    /// A port of IPv4 loopback.
    pub fn new() -> Result<Sender, FloorError> {
        let socket = Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default())?;
        let dev = DevCertificate::generate(SystemTime::now(), &["localhost"])?;
        let mut secrets = NetSecrets { shared: [0; 32], seed: [0; 32] };
        for secret in [&mut secrets.shared, &mut secrets.seed] {
            getrandom::fill(secret).map_err(std::io::Error::other)?;
        }
        let mut config = NetConfig::new(secrets);
        // A name that a viewer's target offers; nothing of that draft is spoken.
        config.server =
            Some(ServerTls::new(vec![dev.certificate], dev.key, &[Draft::ALL[0].token()])?);
        config.discover_mtu = socket.never_fragments();
        config.limits.send_window_bytes_max = SEND_WINDOW_BYTES_MAX;
        let udp = UdpLoop::new(socket)?;
        let net = Net::new(config);
        Ok(Sender { udp, net, viewers: Vec::new(), places: HashMap::new(), gone: 0 })
    }

    /// Where viewers connect.
    pub fn address(&self) -> Result<SocketAddr, FloorError> {
        Ok(self.udp.socket().local_address()?)
    }

    /// Waits for all viewers, sends, and waits until they have everything.
    pub fn send(mut self, load: &FloorLoad) -> Result<FloorReport, FloorError> {
        let until = Instant::now() + PATIENCE;
        while self.viewers.len() < load.viewers && Instant::now() < until {
            self.turn(until)?;
        }
        self.check(load)?;
        let usage = || process::usage(std::process::id()).ok_or(FloorError::Usage);
        let begun = Instant::now();
        let mut pace = Pace { load: *load, begun, next: 0, payload: Bytes::new(), cut: 0 };
        self.run(&mut pace, begun + load.warmup)?;
        let (before, first) = (usage()?, pace.next);
        self.run(&mut pace, begun + load.warmup + load.duration)?;
        let (cpu, objects) = (cpu_between(&before, &usage()?), pace.next - first);
        self.check(load)?;
        self.finish()?;
        let per = objects.max(1) as f64;
        let cpu_per_object = Duration::from_secs_f64(cpu.as_secs_f64() / per);
        Ok(FloorReport { cpu_per_object, objects, written: pace.next, cut: pace.cut })
    }

    fn check(&self, load: &FloorLoad) -> Result<(), FloorError> {
        let there = self.viewers.len() - self.gone;
        let all = there == load.viewers;
        if all { Ok(()) } else { Err(FloorError::Viewers { there, wanted: load.viewers }) }
    }

    fn run(&mut self, pace: &mut Pace, until: Instant) -> Result<(), FloorError> {
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            while pace.due() <= now {
                let (viewer, index, payload) = pace.take();
                if !self.write(viewer, index, payload, now) {
                    pace.cut += 1;
                }
            }
            self.turn(pace.due().min(until))?;
        }
    }

    /// Writes an object to one viewer. Whether QUIC took it or will.
    fn write(&mut self, viewer: usize, index: u64, payload: Bytes, now: Instant) -> bool {
        let Some(viewer) = self.viewers.get_mut(viewer) else { return false };
        let Some(mut transport) = self.net.transport(viewer.key, now) else { return false };
        let mut whole = true;
        if index == 0 {
            whole = viewer.end_group(&mut transport);
            viewer.stream = transport.open(StreamKind::Uni);
        }
        if viewer.stream.is_none() {
            return false;
        }
        viewer.unsent.extend([Bytes::from_static(&[0; FRAME_BYTES]), payload]);
        viewer.push(&mut transport);
        whole
    }

    /// Sends what is written, sleeps, and hears what viewers say.
    fn turn(&mut self, until: Instant) -> Result<(), FloorError> {
        let now = Instant::now();
        self.udp.transmit_from(&mut self.net, now);
        let timer = self.net.poll_timeout();
        self.udp.wait(Some(timer.map_or(until, |at| at.min(until))))?;
        let now = Instant::now();
        self.udp.receive_into(&mut self.net, now)?;
        self.net.handle_timeout(now);
        while let Some(event) = self.net.poll_event() {
            match event {
                NetEvent::Connected { key, .. } => {
                    self.places.insert(key, self.viewers.len());
                    self.viewers.push(Outgoing { key, stream: None, unsent: vec![], open: 0 });
                }
                NetEvent::Active { key } => self.hear(key, now),
                NetEvent::Closed { .. } => self.gone += 1,
            }
        }
        Ok(())
    }

    fn hear(&mut self, key: ConnectionKey, now: Instant) {
        let Some(mut transport) = self.net.transport(key, now) else { return };
        let Some(viewer) = self.places.get(&key).and_then(|at| self.viewers.get_mut(*at)) else {
            return;
        };
        while let Some(event) = transport.poll_event() {
            match event {
                TransportEvent::Writable(_) => viewer.push(&mut transport),
                TransportEvent::Acked(_) => viewer.open -= 1,
                _ => {}
            }
        }
    }

    /// Ends the last streams, and the connections once viewers have all of them.
    fn finish(&mut self) -> Result<(), FloorError> {
        let until = Instant::now() + PATIENCE;
        while self.viewers.iter().any(|viewer| viewer.stream.is_some() || viewer.open > 0)
            && Instant::now() < until
        {
            let now = Instant::now();
            for viewer in self.viewers.iter_mut().filter(|viewer| viewer.unsent.is_empty()) {
                if let Some(mut transport) = self.net.transport(viewer.key, now) {
                    viewer.end_group(&mut transport);
                }
            }
            self.turn(until)?;
        }
        let now = Instant::now();
        for viewer in &self.viewers {
            if let Some(mut transport) = self.net.transport(viewer.key, now) {
                transport.close(0, "");
            }
        }
        self.udp.transmit_from(&mut self.net, now);
        Ok(())
    }
}

impl Outgoing {
    fn push(&mut self, transport: &mut dyn Transport) {
        let Some(stream) = self.stream else { return };
        if transport.write(stream, &mut self.unsent).is_ok_and(|written| written.complete) {
            self.unsent.clear();
        } else {
            self.unsent.retain(|chunk| !chunk.is_empty());
        }
    }

    /// Ends the stream. False if that cuts something off.
    fn end_group(&mut self, transport: &mut dyn Transport) -> bool {
        let Some(stream) = self.stream.take() else { return true };
        let whole = self.unsent.is_empty();
        if whole {
            transport.finish(stream);
            self.open += 1;
        } else {
            transport.reset(stream, 0);
            self.unsent.clear();
        }
        whole
    }
}

/// Which object goes to whom when.
struct Pace {
    load: FloorLoad,
    begun: Instant,
    /// Objects taken, over all viewers.
    next: u64,
    payload: Bytes,
    cut: u64,
}

impl Pace {
    fn due(&self) -> Instant {
        let viewers = self.load.viewers as u64;
        let (object, viewer) = (self.next / viewers, self.next % viewers);
        let part = if self.load.spread { viewer as f64 / viewers as f64 } else { 0.0 };
        self.begun + Duration::from_secs_f64((object as f64 + part) / self.load.rate)
    }

    /// The next one's viewer, place in its group, and payload, which all viewers share.
    fn take(&mut self) -> (usize, u64, Bytes) {
        let viewers = self.load.viewers as u64;
        let (object, viewer) = (self.next / viewers, self.next % viewers);
        if viewer == 0 {
            self.payload = Bytes::from(vec![0; self.load.object_bytes]);
        }
        self.next += 1;
        (viewer as usize, object % self.load.group_objects, self.payload.clone())
    }
}

fn cpu_between(before: &Usage, after: &Usage) -> Duration {
    after.since(before).iter().sum()
}

/// A viewer that reads and counts.
struct Reader {
    has_credit: bool,
}

#[derive(Default)]
struct Seen {
    bytes: u64,
    left: usize,
}

impl Member for Reader {
    type Scene = Seen;

    fn connected(&mut self, _: &SessionConfig, _: &PeerInfo, _: Instant) {}

    fn turn(&mut self, transport: &mut dyn Transport, _: Instant, seen: &mut Seen) -> bool {
        if !std::mem::replace(&mut self.has_credit, true) {
            let limits = SessionConfig::default().limits;
            transport.set_credit(PeerCredit {
                uni_streams: limits.uni_streams_max,
                bidi_streams: limits.bidi_streams_max,
                window_bytes: limits.window_bytes,
            });
        }
        while let Some(event) = transport.poll_event() {
            if let TransportEvent::Opened(stream, _) | TransportEvent::Readable(stream) = event {
                while let Ok(Read::Data(data)) = transport.read(stream, READ_BYTES) {
                    seen.bytes += data.len() as u64;
                }
            }
        }
        false
    }

    fn leave(&mut self, _: Instant) {}

    fn closed(&mut self, _: &str, seen: &mut Seen) {
        seen.left += 1;
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// Connects so many viewers to a [`Sender`] and reads until it closes them. The objects that came.
pub fn view(address: SocketAddr, viewers: usize, object_bytes: usize) -> Result<u64, FloorError> {
    let target = Target {
        carrier: Carrier::Quic,
        host: address.ip().to_string(),
        port: address.port(),
        path: String::new(),
    };
    let trust = Trust::InsecureAcceptAnyCertificate;
    let relay = Relay { target, trust, pid: None };
    let mut fleet = Fleet::new(&relay, &Draft::ALL[..1], Instant::now())?;
    for _ in 0..viewers {
        fleet.join(Reader { has_credit: false });
    }
    let mut seen = Seen::default();
    while seen.left < viewers {
        let now = Instant::now();
        fleet.turn(now, &mut seen)?;
        fleet.wait(now, None)?;
    }
    Ok(seen.bytes / (FRAME_BYTES + object_bytes) as u64)
}
