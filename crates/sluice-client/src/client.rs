//! The async face: handles that talk to the driver thread. They run on any executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sluice_proto::model::{
    FetchOk, FullTrackName, GroupId, Interest, LocationFilter, Priority, RequestError, SessionCode,
    SubscribeOk, TrackNamespace, TrackProperties,
};
use sluice_proto::session::SessionEnd;
use sluice_proto::wire::Draft;
use tokio::sync::{mpsc, oneshot, watch};

use crate::driver::{self, ConnectError, Mailbox, Trust};
use crate::object::Object;
use crate::peer::{Join, PeerCommand, PeerLimits, PublicationKey, SubscriptionKey, WatchKey};
use crate::reader::{Inbox, Past, Reader, TrackNews};
use crate::target::Target;
use crate::watch::{NEWS_MAX, NamespaceWatch, TrackWatch, Watch, WatchNews};

/// How to connect.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Drafts to offer, newest first.
    pub drafts: Vec<Draft>,
    /// Which relays to believe.
    pub trust: Trust,
    /// What to keep at most.
    pub limits: PeerLimits,
    /// Give up connecting after this long.
    pub timeout: Duration,
    /// What to call ourselves in SETUP.
    pub implementation: String,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            drafts: Draft::ALL.to_vec(),
            trust: Trust::System,
            limits: PeerLimits::default(),
            timeout: Duration::from_secs(10),
            implementation: concat!("sluice-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What went wrong after the connection was made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// The relay refused the request.
    #[error("refused by the relay: {code:?}, {reason:?}", code = .0.code, reason = .0.reason)]
    Refused(RequestError),
    /// The session is over.
    #[error("the session ended: {0}")]
    Ended(String),
}

/// Facts of a published track that its writer waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct WriterState {
    pub demand: usize,
    pub backlog: usize,
    pub delivered: bool,
    pub closed: bool,
}

/// A request to the driver thread.
pub(crate) enum ToDriver {
    Command(PeerCommand),
    PublishNamespace(TrackNamespace, oneshot::Sender<Result<(), RequestError>>),
    OpenTrack {
        key: PublicationKey,
        track: FullTrackName,
        properties: TrackProperties,
        state: watch::Sender<WriterState>,
    },
    Offer(PublicationKey, oneshot::Sender<Result<(), RequestError>>),
    Subscribe {
        key: SubscriptionKey,
        track: FullTrackName,
        join: Join,
        priority: Option<Priority>,
        rendezvous_timeout: Option<Duration>,
        answer: oneshot::Sender<Result<SubscribeOk, RequestError>>,
        news: mpsc::UnboundedSender<TrackNews>,
    },
    Fetch {
        key: SubscriptionKey,
        track: FullTrackName,
        filter: LocationFilter,
        answer: oneshot::Sender<Result<FetchOk, RequestError>>,
        news: mpsc::UnboundedSender<TrackNews>,
    },
    Watch {
        key: WatchKey,
        prefix: TrackNamespace,
        interest: Interest,
        answer: oneshot::Sender<Result<(), RequestError>>,
        news: mpsc::Sender<WatchNews>,
    },
    Close(SessionCode, String, oneshot::Sender<()>),
}

/// A connection to a relay. Cheap to clone; the last clone dropped closes it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    mailbox: Mailbox,
    next_key: AtomicU64,
    ended: watch::Receiver<Option<SessionEnd>>,
    goaway: watch::Receiver<Option<String>>,
    draft: Option<Draft>,
    backlog_max: usize,
}

impl Client {
    /// Connects and waits for setup.
    pub async fn connect(target: &Target, options: ConnectOptions) -> Result<Client, ConnectError> {
        let backlog_max = options.limits.backlog_bytes_max;
        let connected = driver::start(target.clone(), options).await?;
        Ok(Client {
            shared: Arc::new(Shared {
                mailbox: connected.mailbox,
                next_key: AtomicU64::new(0),
                ended: connected.ended,
                goaway: connected.goaway,
                draft: connected.draft,
                backlog_max,
            }),
        })
    }

    /// The draft in use.
    pub fn draft(&self) -> Option<Draft> {
        self.shared.draft
    }

    /// Announces that this client serves tracks under `namespace`; returns when the relay took
    /// it.
    pub async fn publish_namespace(&self, namespace: TrackNamespace) -> Result<(), ClientError> {
        let (answer, answered) = oneshot::channel();
        self.send(ToDriver::PublishNamespace(namespace, answer));
        self.answer(answered).await
    }

    /// Begins a track. It is served to whoever subscribes to it under a published namespace, and
    /// can be [offered](TrackWriter::offer). A namespace is better published after its tracks are
    /// open: a subscriber may be waiting already.
    pub fn open_track(&self, track: FullTrackName, properties: TrackProperties) -> TrackWriter {
        let key = PublicationKey(self.key());
        let (state, watched) = watch::channel(WriterState::default());
        self.send(ToDriver::OpenTrack { key, track, properties, state });
        TrackWriter { key, client: self.clone(), state: watched }
    }

    /// Subscribes to a track.
    pub async fn subscribe(&self, track: FullTrackName, join: Join) -> Result<Reader, ClientError> {
        self.subscribe_with(track, join, None, None).await
    }

    /// Subscribes to a track with a priority (lower goes first), and a time that the relay waits
    /// for a publisher where the draft can say so.
    pub async fn subscribe_with(
        &self,
        track: FullTrackName,
        join: Join,
        priority: Option<Priority>,
        rendezvous_timeout: Option<Duration>,
    ) -> Result<Reader, ClientError> {
        let key = SubscriptionKey(self.key());
        let (answer, answered) = oneshot::channel();
        let (news, inbox) = mpsc::unbounded_channel();
        let inbox = Inbox::new(key, self.clone(), inbox);
        self.send(ToDriver::Subscribe {
            key,
            track,
            join,
            priority,
            rendezvous_timeout,
            answer,
            news,
        });
        Ok(Reader::new(inbox, self.answer(answered).await?))
    }

    /// Fetches a part of a track's past: what the relay holds, or gets from the publisher.
    /// Without an end in `filter` it goes up to the largest object.
    pub async fn fetch(
        &self,
        track: FullTrackName,
        filter: LocationFilter,
    ) -> Result<Past, ClientError> {
        let key = SubscriptionKey(self.key());
        let (answer, answered) = oneshot::channel();
        let (news, inbox) = mpsc::unbounded_channel();
        let inbox = Inbox::new(key, self.clone(), inbox);
        self.send(ToDriver::Fetch { key, track, filter, answer, news });
        Ok(Past::new(inbox, self.answer(answered).await?))
    }

    /// Learns which namespaces are published under `prefix`; an empty one is a prefix of
    /// everything, which the oldest draft forbids.
    pub async fn watch_namespaces(
        &self,
        prefix: TrackNamespace,
    ) -> Result<NamespaceWatch, ClientError> {
        Ok(NamespaceWatch::new(self.watch(prefix, Interest::Namespaces).await?))
    }

    /// Takes every track that is offered (by PUBLISH) under `prefix`, from its next object on.
    pub async fn watch_tracks(&self, prefix: TrackNamespace) -> Result<TrackWatch, ClientError> {
        Ok(TrackWatch::new(self.watch(prefix, Interest::Tracks).await?))
    }

    async fn watch(
        &self,
        prefix: TrackNamespace,
        interest: Interest,
    ) -> Result<Watch, ClientError> {
        let key = WatchKey(self.key());
        let (answer, answered) = oneshot::channel();
        let (news, inbox) = mpsc::channel(NEWS_MAX);
        let watch = Watch::new(key, self.clone(), inbox);
        self.send(ToDriver::Watch { key, prefix, interest, answer, news });
        self.answer(answered).await?;
        Ok(watch)
    }

    /// Takes a published namespace back. Tracks under it go on for who has them.
    pub fn withdraw_namespace(&self, namespace: TrackNamespace) {
        self.send(ToDriver::Command(PeerCommand::WithdrawNamespace(namespace)));
    }

    /// Waits until the session is over and says why.
    pub async fn closed(&self) -> String {
        let mut ended = self.shared.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => describe(end.as_ref()),
            Err(_) => describe(None),
        }
    }

    /// The address that the relay asked to move to, once it did; empty for the same one.
    pub fn goaway(&self) -> Option<String> {
        self.shared.goaway.borrow().clone()
    }

    /// Waits until the relay asks to move, and tells where to; `None` when the session ends first.
    pub async fn going_away(&self) -> Option<String> {
        let mut goaway = self.shared.goaway.clone();
        let asked = goaway.wait_for(Option::is_some).await.ok()?;
        asked.clone()
    }

    /// Ends the session after what was written has been sent.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        self.send(ToDriver::Close(SessionCode::NoError, String::new(), done));
        let _ = closed.await;
    }

    fn key(&self) -> u64 {
        self.shared.next_key.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn send(&self, message: ToDriver) {
        self.shared.mailbox.send(message);
    }

    async fn answer<T>(
        &self,
        answered: oneshot::Receiver<Result<T, RequestError>>,
    ) -> Result<T, ClientError> {
        match answered.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(ClientError::Refused(error)),
            Err(_) => Err(self.ended()),
        }
    }

    pub(crate) fn ended(&self) -> ClientError {
        ClientError::Ended(describe(self.shared.ended.borrow().as_ref()))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let (done, _) = oneshot::channel();
        self.mailbox.send(ToDriver::Close(SessionCode::NoError, String::new(), done));
    }
}

fn describe(end: Option<&SessionEnd>) -> String {
    end.map_or_else(|| "closed".to_owned(), driver::describe_end)
}

/// Writes the objects of one track.
pub struct TrackWriter {
    key: PublicationKey,
    client: Client,
    state: watch::Receiver<WriterState>,
}

impl TrackWriter {
    /// Offers the track by PUBLISH, without a namespace; returns when the relay took it. The relay
    /// says later whether anybody wants objects; those written before are the track's past.
    pub async fn offer(&mut self) -> Result<(), ClientError> {
        let (answer, answered) = oneshot::channel();
        self.client.send(ToDriver::Offer(self.key, answer));
        self.client.answer(answered).await
    }

    /// Adds an object. Waits while more than `PeerLimits::backlog_bytes_max` is unsent.
    pub async fn write(&mut self, object: Object) -> Result<(), ClientError> {
        let max = self.client.shared.backlog_max;
        self.wait(|state| state.backlog <= max).await?;
        self.client.send(ToDriver::Command(PeerCommand::Write(self.key, object)));
        Ok(())
    }

    /// Finishes the streams of a group: nothing more comes in it.
    pub fn end_group(&mut self, group: GroupId) {
        self.client.send(ToDriver::Command(PeerCommand::EndGroup(self.key, group)));
    }

    /// Waits until at least one subscriber wants objects.
    pub async fn wanted(&mut self) -> Result<(), ClientError> {
        self.wait(|state| state.demand > 0).await
    }

    /// Waits until no subscriber wants objects.
    pub async fn unwanted(&mut self) -> Result<(), ClientError> {
        self.wait(|state| state.demand == 0).await
    }

    /// Ends the track and waits until every subscriber has all of it.
    pub async fn finish(mut self) -> Result<(), ClientError> {
        self.client.send(ToDriver::Command(PeerCommand::EndTrack(self.key)));
        self.wait(|state| state.delivered).await
    }

    async fn wait(&mut self, ready: impl Fn(&WriterState) -> bool) -> Result<(), ClientError> {
        let state = self.state.wait_for(|state| ready(state) || state.closed).await;
        match state {
            Ok(state) if state.delivered || !state.closed => Ok(()),
            _ => Err(self.client.ended()),
        }
    }
}
