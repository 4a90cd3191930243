//! Handles of what is received: a subscription, a part of the past.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use sluice_proto::model::{FetchOk, Priority, SubscribeOk};
use tokio::sync::mpsc;

use crate::client::{Client, ClientError, ToDriver};
use crate::object::{Object, TrackEnd};
use crate::peer::{PeerCommand, SubscriptionKey};

/// What a driver tells a handle.
pub(crate) enum TrackNews {
    Object(Object),
    Ended(TrackEnd),
}

/// Objects on their way from the driver. Their bytes are bounded by `PeerLimits::unread_bytes_max`.
pub(crate) struct Inbox {
    key: SubscriptionKey,
    client: Client,
    news: mpsc::UnboundedReceiver<TrackNews>,
    end: Option<TrackEnd>,
}

impl Inbox {
    pub fn new(
        key: SubscriptionKey,
        client: Client,
        news: mpsc::UnboundedReceiver<TrackNews>,
    ) -> Self {
        Self { key, client, news, end: None }
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Object>, ClientError>> {
        if self.end.is_some() {
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(match ready!(self.news.poll_recv(context)) {
            Some(TrackNews::Object(object)) => {
                self.command(PeerCommand::Taken(object.payload.len()));
                Ok(Some(object))
            }
            Some(TrackNews::Ended(end)) => {
                self.end = Some(end);
                Ok(None)
            }
            None => Err(self.client.ended()),
        })
    }

    fn command(&self, command: PeerCommand) {
        self.client.send(ToDriver::Command(command));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if self.end.is_none() {
            self.command(PeerCommand::Unsubscribe(self.key));
        }
        // What nobody reads any more must not hold up what others read.
        self.news.close();
        while let Ok(news) = self.news.try_recv() {
            if let TrackNews::Object(object) = news {
                self.command(PeerCommand::Taken(object.payload.len()));
            }
        }
    }
}

/// Reads the objects of one track, groups in order. Dropping it ends the subscription.
pub struct Reader {
    inbox: Inbox,
    accepted: SubscribeOk,
}

impl Reader {
    pub(crate) fn new(inbox: Inbox, accepted: SubscribeOk) -> Self {
        Self { inbox, accepted }
    }

    /// What the relay said when it accepted: largest location, properties.
    pub fn accepted(&self) -> &SubscribeOk {
        &self.accepted
    }

    /// The next object; `None` when the track is over, see [`Reader::end`]. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> Result<Option<Object>, ClientError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// [`Reader::next`] for who reads several tracks at once.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Object>, ClientError>> {
        self.inbox.poll_next(context)
    }

    /// How the track ended, once [`Reader::next`] returned `None`.
    pub fn end(&self) -> Option<&TrackEnd> {
        self.inbox.end.as_ref()
    }

    /// Asks for no more objects until [`Reader::resume`]; those on their way still come.
    pub fn pause(&mut self) {
        self.update(Some(false), None);
    }

    /// Asks for new objects again. Those published meanwhile are past: see `Client::fetch`.
    pub fn resume(&mut self) {
        self.update(Some(true), None);
    }

    /// Changes the subscriber priority: when the connection is slow, lower goes first.
    pub fn set_priority(&mut self, priority: Priority) {
        self.update(None, Some(priority));
    }

    fn update(&mut self, forward: Option<bool>, priority: Option<Priority>) {
        self.inbox.command(PeerCommand::Update { key: self.inbox.key, forward, priority });
    }
}

/// Reads a part of a track's past. Dropping it ends the fetch.
pub struct Past {
    inbox: Inbox,
    accepted: FetchOk,
}

impl Past {
    pub(crate) fn new(inbox: Inbox, accepted: FetchOk) -> Self {
        Self { inbox, accepted }
    }

    /// What the relay said when it accepted: where the answer ends, whether the track ends there.
    pub fn accepted(&self) -> &FetchOk {
        &self.accepted
    }

    /// The next object; `None` at the end of the range. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Object>, ClientError> {
        poll_fn(|context| self.inbox.poll_next(context)).await
    }

    /// Whether everything that exists in the range came, once [`Past::next`] returned `None`.
    pub fn is_complete(&self) -> bool {
        self.inbox.end.as_ref().is_some_and(|end| end.complete)
    }
}
