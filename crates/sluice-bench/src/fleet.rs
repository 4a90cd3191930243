//! Many connections over one socket, driven by one thread.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sluice_client::{ConnectError, Target, endpoint};
use sluice_net::dial::Dial;
use sluice_net::tls::ClientTls;
use sluice_net::{ConnectionKey, Net, NetEvent};
use sluice_proto::session::SessionConfig;
use sluice_proto::transport::{CloseReason, PeerInfo, Transport};
use sluice_proto::wire::Draft;
use sluice_udp::UdpLoop;

use crate::load::Relay;
use crate::run::BenchError;

/// Handshakes of one thread at a time: more would measure the relay's handshakes.
const HANDSHAKES_MAX: usize = 32;
/// Between two looks at the deadlines of all sessions.
const SWEEP: Duration = Duration::from_millis(50);
/// Longest sleep, so that a new phase is seen.
const NAP: Duration = Duration::from_millis(20);
/// Longest wait in the end for connections to be closed on both sides.
const GOODBYE: Duration = Duration::from_secs(2);

/// One connection's part in a run.
pub trait Member {
    /// What all of a thread's members share.
    type Scene;

    /// The connection is there.
    fn connected(&mut self, setup: &SessionConfig, info: &PeerInfo, now: Instant);
    /// Reads, acts and writes. Whether there is more to read.
    fn turn(
        &mut self,
        transport: &mut dyn Transport,
        now: Instant,
        scene: &mut Self::Scene,
    ) -> bool;
    /// Closes the session in its next turn, or as soon as there is one.
    fn leave(&mut self, now: Instant);
    /// The connection is over. Called once, and last.
    fn closed(&mut self, reason: &str, scene: &mut Self::Scene);
    /// When the session wants a turn at the latest.
    fn deadline(&self) -> Option<Instant>;
}

/// The connections of one thread.
pub struct Fleet<M> {
    udp: UdpLoop,
    net: Net,
    remote: SocketAddr,
    target: Target,
    tls: ClientTls,
    setup: SessionConfig,
    members: HashMap<ConnectionKey, M>,
    waiting: VecDeque<M>,
    handshakes: BTreeSet<ConnectionKey>,
    ready: BTreeSet<ConnectionKey>,
    sweep_at: Instant,
}

impl<M: Member> Fleet<M> {
    /// No connection yet.
    pub fn new(relay: &Relay, drafts: &[Draft], now: Instant) -> Result<Self, BenchError> {
        let remote = resolve(&relay.target)?;
        let (udp, net) = endpoint(remote)?;
        let implementation = concat!("sluice-bench/", env!("CARGO_PKG_VERSION")).to_owned();
        let base = SessionConfig { implementation, ..SessionConfig::default() };
        Ok(Fleet {
            udp,
            net,
            remote,
            tls: relay.trust.tls().map_err(ConnectError::Tls)?,
            setup: relay.target.session(drafts, base),
            target: relay.target.clone(),
            members: HashMap::new(),
            waiting: VecDeque::new(),
            handshakes: BTreeSet::new(),
            ready: BTreeSet::new(),
            sweep_at: now,
        })
    }

    /// Connects when there is room for one more handshake.
    pub fn join(&mut self, member: M) {
        self.waiting.push_back(member);
    }

    /// All who are connected or about to be.
    pub fn members(&mut self) -> impl Iterator<Item = &mut M> {
        self.members.values_mut()
    }

    /// Everyone gets a turn.
    pub fn rouse(&mut self) {
        self.ready.extend(self.members.keys());
    }

    /// Gives a turn to everyone who needs one.
    pub fn turn(&mut self, now: Instant, scene: &mut M::Scene) -> Result<(), BenchError> {
        self.dial(now)?;
        self.udp.receive_into(&mut self.net, now)?;
        self.net.handle_timeout(now);
        self.take_events(now, scene);
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP;
            let due = |member: &M| member.deadline().is_some_and(|at| now >= at);
            let due = self.members.iter().filter(|(_, member)| due(member));
            self.ready.extend(due.map(|(key, _)| *key));
        }
        for key in std::mem::take(&mut self.ready) {
            let Some(member) = self.members.get_mut(&key) else { continue };
            let Some(mut transport) = self.net.transport(key, now) else { continue };
            if member.turn(&mut transport, now, scene) {
                self.ready.insert(key);
            }
        }
        self.udp.transmit_from(&mut self.net, now);
        Ok(())
    }

    /// Sleeps until there is something to do, `until` at the latest.
    pub fn wait(&mut self, now: Instant, until: Option<Instant>) -> Result<(), BenchError> {
        let at = if self.ready.is_empty() {
            [self.net.poll_timeout(), until].into_iter().flatten().fold(now + NAP, Instant::min)
        } else {
            now
        };
        self.udp.wait(Some(at))?;
        Ok(())
    }

    /// Ends all connections, so that the relay has none of them when the next run begins: turns
    /// until the last is closed and a lost goodbye could have been said again, or for [`GOODBYE`].
    pub fn close(mut self, scene: &mut M::Scene) -> Result<(), BenchError> {
        self.waiting.clear();
        let now = Instant::now();
        self.members.values_mut().for_each(|member| member.leave(now));
        self.rouse();
        let until = Instant::now() + GOODBYE;
        loop {
            let now = Instant::now();
            self.turn(now, scene)?;
            if self.net.connections() == 0 || now >= until {
                break;
            }
            self.wait(now, Some(until))?;
        }
        for mut member in self.members.into_values() {
            member.closed("no answer to a close", scene);
        }
        Ok(())
    }

    fn dial(&mut self, now: Instant) -> Result<(), BenchError> {
        while self.handshakes.len() < HANDSHAKES_MAX {
            let Some(member) = self.waiting.pop_front() else { return Ok(()) };
            let via = self.target.via(&self.setup.drafts);
            let server_name = &self.target.host;
            let (remote, tls) = (self.remote, &self.tls);
            let dial = Dial { remote, server_name, tls, via, patience: None };
            let key = self.net.connect(now, dial).map_err(ConnectError::Dial)?;
            self.members.insert(key, member);
            self.handshakes.insert(key);
        }
        Ok(())
    }

    fn take_events(&mut self, now: Instant, scene: &mut M::Scene) {
        while let Some(event) = self.net.poll_event() {
            match event {
                NetEvent::Connected { key, info } => {
                    self.handshakes.remove(&key);
                    if let Some(member) = self.members.get_mut(&key) {
                        member.connected(&self.setup, &info, now);
                        self.ready.insert(key);
                    }
                }
                NetEvent::Active { key } => {
                    self.ready.insert(key);
                }
                NetEvent::Closed { key, reason } => {
                    self.handshakes.remove(&key);
                    self.ready.remove(&key);
                    if let Some(mut member) = self.members.remove(&key) {
                        member.closed(&describe(&reason), scene);
                    }
                }
            }
        }
    }
}

fn describe(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Peer { code, reason } => format!("closed by the relay: {code:#x} {reason}"),
        other => other.to_string(),
    }
}

/// The first IPv4 address of a relay, or the first of all.
fn resolve(target: &Target) -> Result<SocketAddr, ConnectError> {
    let failed = |reason| ConnectError::Resolve { host: target.host.clone(), reason };
    let (first, other) = target.addresses().map_err(failed)?;
    Ok(other.filter(SocketAddr::is_ipv4).unwrap_or(first))
}
