//! The driver: a thread with one UDP socket, one connection and one [`Peer`].
//!
//! It sleeps until the socket, a message from a handle, or the next deadline, and then takes one
//! turn: messages, datagrams, timeouts, the peer, flush, send.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use sluice_net::dial::{Dial, DialError};
use sluice_net::tls::{
    CertificateDer, ClientTls, DefaultTimeProvider, RootCertStore, TlsError, certificate_fault,
};
use sluice_net::{ConnectionKey, Net, NetEvent};
use sluice_proto::model::{
    FetchOk, Publish, RequestCode, RequestError, RequestId, SessionCode, SubscribeOk,
    TrackNamespace,
};
use sluice_proto::session::{ReadProgress, SessionConfig, SessionEnd};
use sluice_proto::transport::{CloseReason, PeerInfo, Transport};
use sluice_proto::wire::Draft;
use sluice_udp::{LoopWaker, UdpLoop};
use tokio::sync::{mpsc, oneshot, watch};

use crate::client::{ConnectOptions, ToDriver, WriterState};
use crate::endpoint::endpoint;
use crate::object::Object;
use crate::peer::{
    Peer, PeerCommand, PeerEvent, PublicationKey, SubscriptionKey, WatchKey, accepted,
};
use crate::reader::TrackNews;
use crate::target::Target;
use crate::watch::{OfferedTrack, WatchNews};

/// Which relays to believe.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Those with a certificate that a public root vouches for.
    System,
    /// Those with a certificate that a public root vouches for, or one of these, or that is one of
    /// these. Names and dates have to be right.
    SystemAnd(Vec<CertificateDer<'static>>),
    /// Those with a certificate that one of these authorities vouches for.
    Authorities(Vec<CertificateDer<'static>>),
    /// Those with a certificate of one of these SHA-256 hashes.
    CertificateHashes(Vec<[u8; 32]>),
    /// All of them. Anyone on the path can read and change everything.
    InsecureAcceptAnyCertificate,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("cannot find {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// No UDP socket.
    #[error(transparent)]
    Socket(#[from] sluice_udp::BindError),
    /// No thread, poll or randomness to be had.
    #[error("cannot start: {0}")]
    Thread(std::io::Error),
    /// The trust settings cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The dial was refused locally.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The relay's certificate is not one to trust.
    #[error("the certificate of {target} is not trusted: {reason}")]
    Certificate {
        /// Where to.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The relay speaks none of the drafts offered.
    #[error("{target} speaks none of the drafts offered")]
    NoCommonDraft {
        /// Where to.
        target: String,
    },
    /// The handshake failed, or setup did.
    #[error("cannot connect to {target}: {reason}")]
    Failed {
        /// Where to.
        target: String,
        /// What happened.
        reason: String,
    },
    /// It took too long.
    #[error("no answer from {target} within {} s: is it there, and is UDP let through?", .after.as_secs())]
    TimedOut {
        /// Where to.
        target: String,
        /// How long was waited.
        after: Duration,
    },
}

/// Sends messages to the driver and wakes it.
#[derive(Clone)]
pub(crate) struct Mailbox {
    sender: Sender<ToDriver>,
    waker: LoopWaker,
}

impl Mailbox {
    /// Delivers a message. A driver that is gone has told its handles already.
    pub fn send(&self, message: ToDriver) {
        if self.sender.send(message).is_ok() {
            // A loop that cannot be woken looks at its mailbox at the next deadline.
            let _ = self.waker.wake();
        }
    }
}

/// What a handle needs of a driver that is connected.
pub(crate) struct Connected {
    pub mailbox: Mailbox,
    pub ended: watch::Receiver<Option<SessionEnd>>,
    pub goaway: watch::Receiver<Option<String>>,
    pub draft: Option<Draft>,
}

/// Connects to whichever address of the target answers: a name may have one of each family, and
/// a relay may listen on one alone.
pub(crate) async fn start(
    target: Target,
    options: ConnectOptions,
) -> Result<Connected, ConnectError> {
    let (addresses, resolved) = oneshot::channel();
    let host = target.clone();
    std::thread::Builder::new()
        .name("sluice-resolve".into())
        .spawn(move || drop(addresses.send(resolve(&host))))
        .map_err(ConnectError::Thread)?;
    let gone = || ConnectError::Thread(std::io::Error::other("the resolver's thread ended"));
    let (first, second) = resolved.await.map_err(|_| gone())??;
    let Some(second) = second else { return start_at(first, target, options).await };
    let mut first = Box::pin(start_at(first, target.clone(), options.clone()));
    let mut second = Box::pin(start_at(second, target, options));
    tokio::select! {
        connected = &mut first => match connected {
            Ok(connected) => Ok(connected),
            Err(_) => second.await,
        },
        connected = &mut second => match connected {
            Ok(connected) => Ok(connected),
            Err(_) => first.await,
        },
    }
}

/// Starts a driver and waits for setup. A driver that is no longer waited for ends by itself.
async fn start_at(
    remote: SocketAddr,
    target: Target,
    options: ConnectOptions,
) -> Result<Connected, ConnectError> {
    let (sender, inbox) = channel();
    let (ready, is_ready) = oneshot::channel();
    let (ended, ended_watch) = watch::channel(None);
    let (goaway, goaway_watch) = watch::channel(None);
    let (waker, waker_ready) = oneshot::channel();
    let spawned =
        std::thread::Builder::new().name("sluice-client".into()).spawn(move || match Driver::dial(
            remote, &target, &options, inbox, ended, goaway,
        ) {
            Ok(mut driver) => {
                if waker.send(driver.udp.waker()).is_ok() {
                    driver.run(ready);
                }
            }
            Err(error) => drop(ready.send(Err(error))),
        });
    spawned.map_err(ConnectError::Thread)?;
    let gone = || ConnectError::Failed {
        target: String::new(),
        reason: "the connection's thread ended".to_owned(),
    };
    let Ok(waker) = waker_ready.await else {
        return Err(is_ready.await.ok().and_then(Result::err).unwrap_or_else(gone));
    };
    let draft = is_ready.await.map_err(|_| gone())??;
    let mailbox = Mailbox { sender, waker };
    Ok(Connected { mailbox, ended: ended_watch, goaway: goaway_watch, draft })
}

type Ready = oneshot::Sender<Result<Option<Draft>, ConnectError>>;

struct Closing {
    at: Instant,
    code: SessionCode,
    reason: String,
    done: oneshot::Sender<()>,
}

struct ReaderSide {
    answer: Option<Answer>,
    news: mpsc::UnboundedSender<TrackNews>,
}

enum Answer {
    Subscribe(oneshot::Sender<Result<SubscribeOk, RequestError>>),
    Fetch(oneshot::Sender<Result<FetchOk, RequestError>>),
}

struct WatchSide {
    answer: Option<oneshot::Sender<Result<(), RequestError>>>,
    news: mpsc::Sender<WatchNews>,
}

/// Keys of tracks that were offered to us; handles count theirs from 0.
const FIRST_OFFERED_KEY: u64 = 1 << 63;

struct WriterSide {
    offer: Option<oneshot::Sender<Result<(), RequestError>>>,
    state: watch::Sender<WriterState>,
}

struct Driver {
    target: String,
    options: ConnectOptions,
    udp: UdpLoop,
    net: Net,
    key: ConnectionKey,
    peer: Option<Peer>,
    inbox: Receiver<ToDriver>,
    early: Vec<ToDriver>,
    setup: SessionConfig,
    readers: HashMap<SubscriptionKey, ReaderSide>,
    writers: HashMap<PublicationKey, WriterSide>,
    watches: HashMap<WatchKey, WatchSide>,
    next_offered_key: u64,
    namespaces: Vec<(TrackNamespace, oneshot::Sender<Result<(), RequestError>>)>,
    ended: watch::Sender<Option<SessionEnd>>,
    goaway: watch::Sender<Option<String>>,
    deadline: Instant,
    closing: Option<Closing>,
    has_more: bool,
}

impl Driver {
    fn dial(
        remote: SocketAddr,
        target: &Target,
        options: &ConnectOptions,
        inbox: Receiver<ToDriver>,
        ended: watch::Sender<Option<SessionEnd>>,
        goaway: watch::Sender<Option<String>>,
    ) -> Result<Driver, ConnectError> {
        let (udp, mut net) = endpoint(remote)?;
        let tls = options.trust.tls()?;
        let now = Instant::now();
        let via = target.via(&options.drafts);
        let dial = Dial { remote, server_name: &target.host, tls: &tls, via, patience: None };
        let key = net.connect(now, dial)?;
        let base = SessionConfig {
            implementation: options.implementation.clone(),
            ..SessionConfig::default()
        };
        let setup = target.session(&options.drafts, base);
        Ok(Driver {
            target: target.to_string(),
            deadline: now + options.timeout,
            options: options.clone(),
            udp,
            net,
            key,
            peer: None,
            inbox,
            early: Vec::new(),
            setup,
            readers: HashMap::new(),
            writers: HashMap::new(),
            watches: HashMap::new(),
            next_offered_key: FIRST_OFFERED_KEY,
            namespaces: Vec::new(),
            ended,
            goaway,
            closing: None,
            has_more: false,
        })
    }

    /// Runs until the session is over.
    fn run(&mut self, ready: Ready) {
        let mut ready = Some(ready);
        loop {
            let now = Instant::now();
            self.take_messages(now);
            if let Err(error) = self.udp.receive_into(&mut self.net, now) {
                self.tell_end(SessionEnd::Lost(error.to_string()), &mut ready);
                return;
            }
            self.net.handle_timeout(now);
            let over = self.take_net_events(now);
            self.turn(now, &mut ready);
            self.udp.transmit_from(&mut self.net, now);
            if let Some(end) = over {
                self.tell_end(end, &mut ready);
                return;
            }
            if ready.as_ref().is_some_and(oneshot::Sender::is_closed) {
                return;
            }
            if ready.is_some() && now >= self.deadline {
                let after = self.options.timeout;
                let error = ConnectError::TimedOut { target: self.target.clone(), after };
                if let Some(ready) = ready.take() {
                    let _ = ready.send(Err(error));
                }
                return;
            }
            if self.close_if_due(now) {
                return;
            }
            let until = self.next_deadline(ready.is_some(), now);
            if let Err(error) = self.udp.wait(until) {
                self.tell_end(SessionEnd::Lost(error.to_string()), &mut ready);
                return;
            }
        }
    }

    fn next_deadline(&self, connecting: bool, now: Instant) -> Option<Instant> {
        if self.has_more {
            return Some(now);
        }
        let peer = self.peer.as_ref().and_then(Peer::poll_timeout);
        let closing = self.closing.as_ref().map(|closing| closing.at);
        let connect = connecting.then_some(self.deadline);
        [self.net.poll_timeout(), peer, closing, connect].into_iter().flatten().min()
    }

    fn take_messages(&mut self, now: Instant) {
        loop {
            match self.inbox.try_recv() {
                Ok(message) => self.take_message(message, now),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn take_message(&mut self, message: ToDriver, now: Instant) {
        let Some(peer) = &mut self.peer else {
            self.early.push(message);
            return;
        };
        match message {
            ToDriver::Command(command) => peer.handle_command(command, now),
            ToDriver::PublishNamespace(namespace, answer) => {
                self.namespaces.push((namespace.clone(), answer));
                peer.handle_command(PeerCommand::PublishNamespace(namespace), now);
            }
            ToDriver::OpenTrack { key, track, properties, state } => {
                self.writers.insert(key, WriterSide { offer: None, state });
                peer.handle_command(PeerCommand::OpenTrack { key, track, properties }, now);
            }
            ToDriver::Offer(key, answer) => {
                if let Some(side) = self.writers.get_mut(&key) {
                    side.offer = Some(answer);
                }
                peer.handle_command(PeerCommand::Offer(key), now);
            }
            ToDriver::Subscribe {
                key,
                track,
                join,
                priority,
                rendezvous_timeout,
                answer,
                news,
            } => {
                let answer = Some(Answer::Subscribe(answer));
                self.readers.insert(key, ReaderSide { answer, news });
                let command =
                    PeerCommand::Subscribe { key, track, join, priority, rendezvous_timeout };
                peer.handle_command(command, now);
            }
            ToDriver::Fetch { key, track, filter, answer, news } => {
                let answer = Some(Answer::Fetch(answer));
                self.readers.insert(key, ReaderSide { answer, news });
                let (order, priority) = (None, None);
                let command = PeerCommand::Fetch { key, track, filter, order, priority };
                peer.handle_command(command, now);
            }
            ToDriver::Watch { key, prefix, interest, answer, news } => {
                self.watches.insert(key, WatchSide { answer: Some(answer), news });
                peer.handle_command(PeerCommand::Watch { key, prefix, interest }, now);
            }
            ToDriver::Close(code, reason, done) => {
                if self.closing.is_none() {
                    // What was written last is on its way: give it a few round trips.
                    let rtt = self.net.transport(self.key, now).map(|t| t.stats().rtt);
                    let linger = rtt.unwrap_or_default() * 3 + Duration::from_millis(50);
                    self.closing = Some(Closing { at: now + linger, code, reason, done });
                }
            }
        }
    }

    /// What the connection says; the end of the session if it is over.
    fn take_net_events(&mut self, now: Instant) -> Option<SessionEnd> {
        let mut over = None;
        while let Some(event) = self.net.poll_event() {
            match event {
                NetEvent::Connected { info, .. } => self.connected(&info, now),
                NetEvent::Active { .. } => self.has_more = true,
                NetEvent::Closed { reason, .. } => over = Some(self.end_of(reason)),
            }
        }
        over
    }

    /// How the end of a connection ends the session on it.
    fn end_of(&self, reason: CloseReason) -> SessionEnd {
        let CloseReason::Peer { code: wire_code, reason } = reason else {
            return SessionEnd::Lost(reason.to_string());
        };
        // Without a session there is no draft yet; the newest offered one names the number.
        let dialect = self.peer.as_ref().and_then(|peer| peer.session().dialect());
        let dialect = dialect.or_else(|| self.options.drafts.first().map(|draft| draft.dialect()));
        let code = dialect.and_then(|dialect| dialect.session_code_of(wire_code));
        SessionEnd::Peer { code, wire_code, reason }
    }

    fn connected(&mut self, info: &PeerInfo, now: Instant) {
        self.peer = Some(Peer::new(&self.setup, self.options.limits, info, now));
        for message in std::mem::take(&mut self.early) {
            self.take_message(message, now);
        }
    }

    fn turn(&mut self, now: Instant, ready: &mut Option<Ready>) {
        let Some(peer) = &mut self.peer else { return };
        let Some(mut transport) = self.net.transport(self.key, now) else { return };
        self.has_more =
            peer.handle_transport(&mut transport, now) == ReadProgress::More && !peer.is_paused();
        peer.handle_timeout(&mut transport, now);
        peer.flush(&mut transport, now);
        drop(transport);
        while let Some(event) = self.peer.as_mut().and_then(Peer::poll_event) {
            self.take_event(event, ready, now);
        }
    }

    fn command(&mut self, command: PeerCommand, now: Instant) {
        if let Some(peer) = &mut self.peer {
            peer.handle_command(command, now);
        }
        // What it queued is flushed in the next turn.
        self.has_more = true;
    }

    fn take_event(&mut self, event: PeerEvent, ready: &mut Option<Ready>, now: Instant) {
        match event {
            PeerEvent::Ready => {
                let session = self.peer.as_ref().map(Peer::session);
                let draft = session.and_then(|session| session.dialect()).map(|d| d.draft());
                if let Some(ready) = ready.take()
                    && ready.send(Ok(draft)).is_err()
                {
                    // Another address answered first.
                    self.command(PeerCommand::Close(SessionCode::NoError, String::new()), now);
                }
            }
            PeerEvent::NamespaceAnswered(namespace, result) => {
                let found = self.namespaces.iter().position(|(waiting, _)| *waiting == namespace);
                if let Some(index) = found {
                    let _ = self.namespaces.swap_remove(index).1.send(result);
                }
            }
            PeerEvent::OfferAnswered(key, result) => {
                let side = self.writers.get_mut(&key);
                if let Some(offer) = side.and_then(|side| side.offer.take()) {
                    let _ = offer.send(result);
                }
            }
            PeerEvent::Demand(key, demand) => {
                self.writer(key, |state| state.demand = demand);
            }
            PeerEvent::Backlog(key, backlog) => self.writer(key, |state| state.backlog = backlog),
            PeerEvent::Delivered(key) => {
                self.writer(key, |state| state.delivered = true);
                self.writers.remove(&key);
            }
            PeerEvent::Subscribed(key, result) => {
                self.take_answer(key, result.is_err(), |answer| match answer {
                    Answer::Subscribe(answer) => drop(answer.send(result)),
                    Answer::Fetch(_) => {}
                });
            }
            PeerEvent::Fetching(key, result) => {
                self.take_answer(key, result.is_err(), |answer| match answer {
                    Answer::Fetch(answer) => drop(answer.send(result)),
                    Answer::Subscribe(_) => {}
                });
            }
            PeerEvent::Object(key, object) => self.take_object(key, object, now),
            PeerEvent::Ended(key, end) => {
                if let Some(side) = self.readers.remove(&key) {
                    let _ = side.news.send(TrackNews::Ended(end));
                }
            }
            PeerEvent::Watching(key, result) => {
                let failed = result.is_err();
                let side = self.watches.get_mut(&key);
                if let Some(answer) = side.and_then(|side| side.answer.take()) {
                    let _ = answer.send(result);
                }
                if failed {
                    self.watches.remove(&key);
                }
            }
            PeerEvent::Announced(key, namespace) => {
                self.tell_watch(key, WatchNews::Announced(namespace), now);
            }
            PeerEvent::Withdrawn(key, namespace) => {
                self.tell_watch(key, WatchNews::Withdrawn(namespace), now);
            }
            PeerEvent::Offered { watch, id, offer } => self.take_offer(watch, id, &offer, now),
            PeerEvent::Goaway(uri) => {
                self.goaway.send_replace(Some(uri));
            }
            PeerEvent::Closed(end) => {
                self.ended.send_replace(Some(end));
            }
        }
    }

    /// Passes an answer on. A handle that was refused hears nothing more.
    fn take_answer(&mut self, key: SubscriptionKey, refused: bool, tell: impl FnOnce(Answer)) {
        if let Some(answer) = self.readers.get_mut(&key).and_then(|side| side.answer.take()) {
            tell(answer);
        }
        if refused {
            self.readers.remove(&key);
        }
    }

    fn take_object(&mut self, key: SubscriptionKey, object: Object, now: Instant) {
        let bytes = object.payload.len();
        let news = TrackNews::Object(object);
        let heard = self.readers.get(&key).is_some_and(|side| side.news.send(news).is_ok());
        if !heard {
            self.readers.remove(&key);
            self.command(PeerCommand::Taken(bytes), now);
            self.command(PeerCommand::Unsubscribe(key), now);
        }
    }

    fn take_offer(&mut self, watch: WatchKey, id: RequestId, offer: &Publish, now: Instant) {
        if !self.watches.contains_key(&watch) {
            return self.command(PeerCommand::Decline(id), now);
        }
        let key = SubscriptionKey(self.next_offered_key);
        self.next_offered_key += 1;
        let (news, inbox) = mpsc::unbounded_channel();
        self.readers.insert(key, ReaderSide { answer: None, news });
        let offered = OfferedTrack {
            track: offer.track.clone(),
            key,
            accepted: accepted(offer),
            news: inbox,
        };
        self.command(PeerCommand::Accept { id, key }, now);
        self.tell_watch(watch, WatchNews::Offered(Box::new(offered)), now);
    }

    /// A watch whose owner is too far behind, or gone, ends.
    fn tell_watch(&mut self, key: WatchKey, news: WatchNews, now: Instant) {
        let heard = self.watches.get(&key).is_some_and(|side| side.news.try_send(news).is_ok());
        if !heard {
            self.watches.remove(&key);
            self.command(PeerCommand::Unwatch(key), now);
        }
    }

    fn writer(&mut self, key: PublicationKey, change: impl FnOnce(&mut WriterState)) {
        if let Some(side) = self.writers.get(&key) {
            side.state.send_modify(change);
        }
    }

    fn close_if_due(&mut self, now: Instant) -> bool {
        let Some(closing) = self.closing.take_if(|closing| now >= closing.at) else { return false };
        if let (Some(peer), Some(mut transport)) =
            (&mut self.peer, self.net.transport(self.key, now))
        {
            peer.handle_command(PeerCommand::Close(closing.code, closing.reason), now);
            peer.flush(&mut transport, now);
        }
        self.udp.transmit_from(&mut self.net, now);
        let _ = closing.done.send(());
        true
    }

    fn tell_end(&mut self, end: SessionEnd, ready: &mut Option<Ready>) {
        // A violation or the peer's own words say more than the connection's end.
        let said = self.ended.borrow().clone();
        let end = said.unwrap_or(end);
        if let Some(ready) = ready.take() {
            let _ = ready.send(Err(refusal(self.target.clone(), &end)));
        }
        self.ended.send_replace(Some(end));
        for side in self.writers.values() {
            side.state.send_modify(|state| state.closed = true);
        }
        for (_, answer) in self.namespaces.drain(..) {
            let gone = RequestError::new(RequestCode::GoingAway, "the session ended");
            let _ = answer.send(Err(gone));
        }
        self.readers.clear();
        self.watches.clear();
        if let Some(closing) = self.closing.take() {
            let _ = closing.done.send(());
        }
    }
}

fn resolve(target: &Target) -> Result<(SocketAddr, Option<SocketAddr>), ConnectError> {
    let failed = |reason| ConnectError::Resolve { host: target.host.clone(), reason };
    target.addresses().map_err(failed)
}

impl Trust {
    /// What TLS has to be told of it.
    pub fn tls(&self) -> Result<ClientTls, TlsError> {
        let trust = match self {
            Trust::System => sluice_net::tls::Trust::Roots(Arc::new(system_roots())),
            Trust::SystemAnd(certificates) => {
                let mut roots = system_roots();
                for certificate in certificates {
                    roots.add(certificate.clone()).map_err(TlsError::Certificate)?;
                }
                sluice_net::tls::Trust::RootsAndCertificates(Arc::new(roots), certificates.clone())
            }
            Trust::Authorities(certificates) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates {
                    roots.add(certificate.clone()).map_err(TlsError::Certificate)?;
                }
                sluice_net::tls::Trust::Roots(Arc::new(roots))
            }
            Trust::CertificateHashes(hashes) => {
                sluice_net::tls::Trust::CertificateHashes(hashes.clone())
            }
            Trust::InsecureAcceptAnyCertificate => {
                sluice_net::tls::Trust::InsecureAcceptAnyCertificate
            }
        };
        ClientTls::new(trust, Arc::new(DefaultTimeProvider))
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for root in rustls_native_certs::load_native_certs().certs {
        // A root that the library cannot read vouches for nobody.
        let _ = roots.add(root);
    }
    roots
}

/// What the end of a session that never began says. The TLS library tells its faults in words
/// alone.
fn refusal(target: String, end: &SessionEnd) -> ConnectError {
    const NO_COMMON_ALPN: &str = "handshake failed: error 120";
    match end {
        SessionEnd::Lost(text) if let Some(said) = certificate_fault(text) => {
            let reason = match said {
                "ApplicationVerificationFailure" => "another hash".to_owned(),
                "UnknownIssuer" => "nobody known vouches for it".to_owned(),
                other => other.to_owned(),
            };
            ConnectError::Certificate { target, reason }
        }
        SessionEnd::Lost(text) if text.contains(NO_COMMON_ALPN) => {
            ConnectError::NoCommonDraft { target }
        }
        SessionEnd::Peer { code: Some(SessionCode::VersionNegotiationFailed), .. } => {
            ConnectError::NoCommonDraft { target }
        }
        other => ConnectError::Failed { target, reason: describe_end(other) },
    }
}

/// The end of a session in words.
pub(crate) fn describe_end(end: &SessionEnd) -> String {
    match end {
        SessionEnd::Peer { code: Some(code), wire_code, reason } => {
            format!("closed by the relay with {code:?} ({wire_code:#x}) {reason}")
        }
        SessionEnd::Peer { code: None, wire_code, reason } => {
            format!("closed by the relay with code {wire_code:#x} {reason}")
        }
        SessionEnd::Violation { code, violation, .. } => {
            format!("the relay broke a rule ({code:?}): {violation}")
        }
        SessionEnd::Local { code, reason } => format!("closed here ({code:?}) {reason}"),
        SessionEnd::Lost(reason) => format!("connection lost: {reason}"),
    }
}
