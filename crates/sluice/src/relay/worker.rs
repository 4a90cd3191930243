//! One worker: a socket, the connections on it, and a shard, in one thread.
//!
//! A turn: mailbox, datagrams, what connections have to say, timeouts, flush, messages to other
//! workers, send, sleep. Nothing is shared between workers but their mailboxes.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant, SystemTime};

use sluice_core::{Notice, OriginId, SessionKey, Shard, ShardId, ShardMessage, Transports};
use sluice_net::ids::shard_of;
use sluice_net::tls::ServerTls;
use sluice_net::{ConnectionKey, Net, NetConfig, NetEvent};
use sluice_proto::session::{ReadProgress, SessionConfig};
use sluice_proto::transport::{PeerInfo, Side, Transport};
use sluice_udp::{Datagram, LoopWaker, UdpLoop};

use super::faults::FaultBoard;
use super::log;
use super::origins::Origins;
use super::quiet::QuietSessions;
use super::survey::{Question, Seen};

/// What other threads tell a worker.
pub enum WorkerMessage {
    /// Accept nothing more, send everyone away, and end.
    Drain {
        /// Where to.
        uri: String,
        /// How long running tracks may go on.
        at_most: Duration,
    },
    /// From the shard of another worker.
    Shard(ShardId, ShardMessage),
    /// A datagram that came to another worker's socket, of a connection that is here.
    Datagram(Datagram),
    /// The addresses of an origin, the second of the other family, were looked up.
    Found(OriginId, std::io::Result<(SocketAddr, Option<SocketAddr>)>),
    /// What those who connect from now on are shown.
    Certificate(ServerTls),
    /// Someone wants to know what is here.
    Question(Question),
    /// Nothing but a reason to look up: all workers are drained.
    Finish,
}

/// Datagrams that wait in one worker's mailbox. Reached: further ones are dropped, which QUIC
/// treats as loss.
const STRAY_DATAGRAMS_MAX: usize = 1024;

/// How to reach a worker.
#[derive(Clone)]
pub struct Mailbox {
    sender: Sender<WorkerMessage>,
    waker: LoopWaker,
    stray: Arc<AtomicUsize>,
}

impl Mailbox {
    /// The mailbox that `sender` fills and whose owner `waker` wakes.
    pub fn new(sender: Sender<WorkerMessage>, waker: LoopWaker) -> Self {
        Self { sender, waker, stray: Arc::default() }
    }

    /// Puts a message in and wakes the worker.
    pub fn send(&self, message: WorkerMessage) {
        self.put(message);
        self.wake();
    }

    fn put(&self, message: WorkerMessage) {
        // A worker that ended needs nothing.
        let _ = self.sender.send(message);
    }

    fn wake(&self) {
        // One that cannot be woken looks at its mailbox at its next deadline.
        let _ = self.waker.wake();
    }

    /// Puts a datagram in if there is room for it.
    fn put_datagram(&self, datagram: Datagram) {
        if self.stray.fetch_add(1, Ordering::Relaxed) < STRAY_DATAGRAMS_MAX {
            self.put(WorkerMessage::Datagram(datagram));
        } else {
            self.stray.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What the workers of a relay have in common.
#[derive(Clone)]
pub struct Team {
    /// All of them, by the number of their shard.
    pub mailboxes: Vec<Mailbox>,
    /// How many are not drained yet.
    pub undrained: Arc<AtomicUsize>,
    /// What went wrong lately.
    pub faults: FaultBoard,
}

/// A worker.
pub struct Worker {
    udp: UdpLoop,
    net: Net,
    shard: Shard,
    config: SessionConfig,
    number: usize,
    team: Team,
    inbox: Receiver<WorkerMessage>,
    sessions: HashMap<ConnectionKey, SessionKey>,
    connections: HashMap<SessionKey, ConnectionKey>,
    /// Connections that have more to read than one turn takes.
    unread: BTreeSet<ConnectionKey>,
    quiet: QuietSessions,
    origins: Origins,
    draining: bool,
    /// The others were told that nothing is left here.
    drained: bool,
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
        (shard, origins): (Shard, Origins),
        team: Team,
        inbox: Receiver<WorkerMessage>,
    ) -> Self {
        Self {
            udp,
            number: usize::from(net.shard),
            net: Net::new(net),
            shard,
            config,
            team,
            inbox,
            sessions: HashMap::new(),
            connections: HashMap::new(),
            unread: BTreeSet::new(),
            quiet: QuietSessions::default(),
            origins,
            draining: false,
            drained: false,
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
            if let Err(error) = self.receive(now) {
                tracing::error!(%error, "cannot read the socket");
                return;
            }
            self.net.handle_timeout(now);
            self.take_net_events(now);
            self.look_up_origins(now);
            self.shard.handle_timeout(now);
            let connections = &self.connections;
            let mut lent = Lent { net: &mut self.net, connections, now };
            self.shard.flush(&mut lent, now);
            self.send_messages();
            self.udp.transmit_from(&mut self.net, now);
            self.log(now);
            if self.is_over() {
                return;
            }
        }
    }

    /// Reads the socket. A client whose address changed may come out at another worker's socket
    /// than its connection's, as the kernel picks one by addresses: its datagrams are passed on.
    fn receive(&mut self, now: Instant) -> std::io::Result<()> {
        let Self { udp, net, team, number, .. } = self;
        let mut strays = BTreeSet::new();
        udp.receive(|datagram| {
            let owner = shard_of(&datagram.bytes).map_or(*number, usize::from);
            match team.mailboxes.get(owner) {
                Some(mailbox) if owner != *number => {
                    mailbox.put_datagram(datagram);
                    strays.insert(owner);
                }
                _ => take_datagram(net, datagram, now),
            }
        })?;
        for owner in strays {
            team.mailboxes[owner].wake();
        }
        Ok(())
    }

    /// Hands over what the shard has for others, with one wake for each.
    fn send_messages(&mut self) {
        let own = ShardId(self.number as u16);
        let mut told = BTreeSet::new();
        while let Some((to, message)) = self.shard.poll_message() {
            let Some(mailbox) = self.team.mailboxes.get(usize::from(to.0)) else { continue };
            mailbox.put(WorkerMessage::Shard(own, message));
            told.insert(to);
        }
        for to in told {
            self.team.mailboxes[usize::from(to.0)].wake();
        }
    }

    /// Whether this worker may end: others may need its shard until they are drained too.
    fn is_over(&mut self) -> bool {
        if !self.draining || !self.shard.is_drained() || self.net.connections() > 0 {
            return false;
        }
        if !std::mem::replace(&mut self.drained, true)
            && self.team.undrained.fetch_sub(1, Ordering::AcqRel) == 1
        {
            for mailbox in &self.team.mailboxes {
                mailbox.send(WorkerMessage::Finish);
            }
        }
        self.team.undrained.load(Ordering::Acquire) == 0
    }

    fn next_deadline(&self) -> Option<Instant> {
        if !self.unread.is_empty() {
            return Some(Instant::now());
        }
        let own = [self.net.poll_timeout(), self.shard.poll_timeout(), self.quiet.poll_timeout()];
        let origins = self.origins.poll_timeout();
        own.into_iter().chain([origins]).flatten().min()
    }

    fn take_messages(&mut self, now: Instant) {
        while let Ok(message) = self.inbox.try_recv() {
            match message {
                WorkerMessage::Drain { uri, at_most } => {
                    self.draining = true;
                    self.origins.end();
                    self.net.set_accepting(false);
                    self.shard.drain(&uri, now + at_most);
                    for connection in self.sessions.keys() {
                        if let Some(mut transport) = self.net.transport(*connection, now) {
                            transport.drain();
                        }
                    }
                }
                WorkerMessage::Shard(from, message) => {
                    self.shard.handle_message(from, message, now);
                }
                WorkerMessage::Datagram(datagram) => {
                    self.team.mailboxes[self.number].stray.fetch_sub(1, Ordering::Relaxed);
                    take_datagram(&mut self.net, datagram, now);
                }
                WorkerMessage::Found(id, found) => {
                    self.origins.dial(id, found, &mut self.net, now);
                }
                WorkerMessage::Certificate(tls) => {
                    self.net.set_server(Some(tls));
                    self.net.set_accepting(!self.draining);
                }
                WorkerMessage::Question(question) => {
                    let Self { shard, net, connections, .. } = self;
                    question(Seen { shard, net, connections });
                }
                WorkerMessage::Finish => {}
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
                    self.origins.closed(key, &reason, now);
                    if let Some(session) = self.sessions.remove(&key) {
                        self.shard.lose_session(session, &format!("{reason:?}"), now);
                        self.connections.remove(&session);
                    }
                }
            }
        }
    }

    fn connected(&mut self, key: ConnectionKey, info: &PeerInfo, now: Instant) {
        let session = match self.origins.connected(key) {
            None => self.shard.open_session(&self.config, info, now),
            Some((origin, Some(config))) => {
                let session = self.shard.open_origin(origin, &config, info, now);
                self.origins.entered(key, session);
                session
            }
            Some((_, None)) => {
                if let Some(mut transport) = self.net.transport(key, now) {
                    transport.close(0, "another address was faster");
                }
                return;
            }
        };
        tracing::info!(
            %session,
            remote = %info.remote,
            carrier = info.carrier.to_string(),
            protocol = info.protocol.as_deref().unwrap_or("none"),
            path = info.path.as_deref().unwrap_or(""),
            "connected"
        );
        if info.side == Side::Server {
            self.quiet.watch(session, now);
        }
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
        if self.origins.awaits(key)
            && let Some(setup) = self.shard.session(session).filter(|setup| setup.is_ready())
            && let Some(dialect) = setup.dialect()
        {
            self.origins.is_up(key, &dialect.draft().to_string(), now);
        }
    }

    /// Asks the system for the addresses of origins whose time has come. That may take a while, so
    /// each question has a thread of its own.
    fn look_up_origins(&mut self, now: Instant) {
        while let Some((id, target)) = self.origins.poll_lookup(now) {
            let mailbox = self.team.mailboxes[self.number].clone();
            let look_up = move || mailbox.send(WorkerMessage::Found(id, target.addresses()));
            let spawned = std::thread::Builder::new().name("sluice-resolve".into()).spawn(look_up);
            if let Err(error) = spawned {
                self.origins.dial(id, Err(error), &mut self.net, now);
            }
        }
    }

    fn log(&mut self, now: Instant) {
        while let Some(session) = self.quiet.poll_due(now) {
            if let Some(peer) = self.shard.quiet_peer(session) {
                log::quiet(&peer);
            }
        }
        while let Some(notice) = self.shard.poll_notice() {
            if let Notice::SessionClosed { peer, end } = &notice {
                self.origins.note_end(peer.session, end);
            }
            if let Notice::OriginMoves { origin, uri } = &notice {
                self.origins.moves(*origin, uri, now);
            }
            log::write(&notice);
            self.team.faults.note(self.number, &notice, SystemTime::now());
        }
    }
}

fn take_datagram(net: &mut Net, datagram: Datagram, now: Instant) {
    let Datagram { from, local_ip, ecn, bytes, .. } = datagram;
    net.handle_datagram(now, from, local_ip, ecn, bytes);
}
