//! One worker: a socket, the connections on it, and a shard, in one thread.
//!
//! A turn: mailbox, datagrams, what connections have to say, timeouts, flush, send, sleep.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use sluice_core::{Limits, Scoping, SessionKey, Shard, Transports};
use sluice_net::{ConnectionKey, Net, NetConfig, NetEvent};
use sluice_proto::session::{ReadProgress, SessionConfig};
use sluice_proto::transport::{Carrier, PeerInfo, Transport};
use sluice_udp::UdpLoop;

use super::log;

/// What other threads tell a worker.
pub enum WorkerMessage {
    /// Accept nothing more, send everyone away, and end.
    Drain {
        /// Where to.
        uri: String,
        /// How long running tracks may go on.
        at_most: Duration,
    },
}

/// A worker.
pub struct Worker {
    udp: UdpLoop,
    net: Net,
    shard: Shard,
    config: SessionConfig,
    inbox: Receiver<WorkerMessage>,
    sessions: HashMap<ConnectionKey, SessionKey>,
    connections: HashMap<SessionKey, ConnectionKey>,
    /// Connections that have more to read than one turn takes.
    unread: BTreeSet<ConnectionKey>,
    draining: bool,
}

struct Lent<'a> {
    net: &'a mut Net,
    connections: &'a HashMap<SessionKey, ConnectionKey>,
    now: Instant,
}

impl Transports for Lent<'_> {
    fn with(&mut self, session: SessionKey, work: &mut dyn FnMut(&mut dyn Transport)) {
        let Some(connection) = self.connections.get(&session) else { return };
        if let Some(mut transport) = self.net.transport(*connection, self.now) {
            work(&mut transport);
        }
    }
}

impl Worker {
    /// A worker that is not running yet.
    pub fn new(
        udp: UdpLoop,
        net: NetConfig,
        config: SessionConfig,
        limits: Limits,
        scoping: Scoping,
        inbox: Receiver<WorkerMessage>,
    ) -> Self {
        Self {
            udp,
            net: Net::new(net),
            shard: Shard::new(limits, scoping),
            config,
            inbox,
            sessions: HashMap::new(),
            connections: HashMap::new(),
            unread: BTreeSet::new(),
            draining: false,
        }
    }

    /// Runs until it is drained, or until the socket fails.
    pub fn run(mut self) {
        loop {
            let deadline = self.next_deadline();
            if let Err(error) = self.udp.wait(deadline) {
                tracing::error!(%error, "cannot wait for the socket");
                return;
            }
            let now = Instant::now();
            self.take_messages(now);
            if let Err(error) = self.udp.receive_into(&mut self.net, now) {
                tracing::error!(%error, "cannot read the socket");
                return;
            }
            self.net.handle_timeout(now);
            self.take_net_events(now);
            self.shard.handle_timeout(now);
            let connections = &self.connections;
            let mut lent = Lent { net: &mut self.net, connections, now };
            self.shard.flush(&mut lent, now);
            self.udp.transmit_from(&mut self.net, now);
            self.log();
            if self.draining && self.shard.is_drained() && self.net.connections() == 0 {
                return;
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        if !self.unread.is_empty() {
            return Some(Instant::now());
        }
        self.net.poll_timeout().into_iter().chain(self.shard.poll_timeout()).min()
    }

    fn take_messages(&mut self, now: Instant) {
        while let Ok(message) = self.inbox.try_recv() {
            match message {
                WorkerMessage::Drain { uri, at_most } => {
                    self.draining = true;
                    self.net.set_accepting(false);
                    self.shard.drain(&uri, now + at_most);
                    for connection in self.sessions.keys() {
                        if let Some(mut transport) = self.net.transport(*connection, now) {
                            transport.drain();
                        }
                    }
                }
            }
        }
    }

    fn take_net_events(&mut self, now: Instant) {
        let unread = std::mem::take(&mut self.unread);
        for connection in unread {
            self.serve(connection, now);
        }
        while let Some(event) = self.net.poll_event() {
            match event {
                NetEvent::Connected { key, info } => self.connected(key, &info, now),
                NetEvent::Active { key } => self.serve(key, now),
                NetEvent::Closed { key, reason } => {
                    self.unread.remove(&key);
                    if let Some(session) = self.sessions.remove(&key) {
                        self.shard.lose_session(session, &format!("{reason:?}"), now);
                        self.connections.remove(&session);
                    }
                }
            }
        }
    }

    fn connected(&mut self, key: ConnectionKey, info: &PeerInfo, now: Instant) {
        let carrier = match info.carrier {
            Carrier::Quic => "quic",
            Carrier::WebTransport => "webtransport",
        };
        let session = self.shard.open_session(&self.config, info, now);
        tracing::info!(
            %session,
            remote = %info.remote,
            carrier,
            protocol = info.protocol.as_deref().unwrap_or("none"),
            path = info.path.as_deref().unwrap_or(""),
            "connected"
        );
        self.sessions.insert(key, session);
        self.connections.insert(session, key);
        self.serve(key, now);
    }

    fn serve(&mut self, key: ConnectionKey, now: Instant) {
        let Some(session) = self.sessions.get(&key).copied() else { return };
        let Some(mut transport) = self.net.transport(key, now) else { return };
        if self.shard.handle_session(session, &mut transport, now) == ReadProgress::More {
            self.unread.insert(key);
        }
    }

    fn log(&mut self) {
        while let Some(notice) = self.shard.poll_notice() {
            log::write(&notice);
        }
    }
}
