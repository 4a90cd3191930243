//! Handles of an interest in a prefix.

use sluice_proto::model::{FullTrackName, SubscribeOk, TrackNamespace};
use tokio::sync::mpsc;

use crate::client::{Client, ToDriver};
use crate::peer::{PeerCommand, SubscriptionKey, WatchKey};
use crate::reader::{Inbox, Reader, TrackNews};

/// News of a watch that its owner has not taken. Beyond them the watch ends.
pub(crate) const NEWS_MAX: usize = 1024;

/// What a driver tells a watch.
pub(crate) enum WatchNews {
    Announced(TrackNamespace),
    Withdrawn(TrackNamespace),
    Offered(Box<OfferedTrack>),
}

/// A track that was offered and accepted.
pub(crate) struct OfferedTrack {
    pub track: FullTrackName,
    pub key: SubscriptionKey,
    pub accepted: SubscribeOk,
    pub news: mpsc::UnboundedReceiver<TrackNews>,
}

/// A change to what is published under a prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamespaceNews {
    /// Somebody publishes this namespace.
    Announced(TrackNamespace),
    /// Nobody does any more.
    Withdrawn(TrackNamespace),
}

/// Tells which namespaces are published under a prefix. Dropping it ends the interest.
pub struct NamespaceWatch(Watch);

/// Brings the tracks that are offered under a prefix. Dropping it ends the interest; tracks that
/// were brought go on.
pub struct TrackWatch(Watch);

pub(crate) struct Watch {
    key: WatchKey,
    client: Client,
    news: mpsc::Receiver<WatchNews>,
}

impl Watch {
    pub fn new(key: WatchKey, client: Client, news: mpsc::Receiver<WatchNews>) -> Self {
        Self { key, client, news }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.client.send(ToDriver::Command(PeerCommand::Unwatch(self.key)));
    }
}

impl NamespaceWatch {
    pub(crate) fn new(watch: Watch) -> Self {
        Self(watch)
    }

    /// The next change, first what is there already; `None` when the session is over, the relay
    /// revoked the interest, or more than 1,024 changes were not taken. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Option<NamespaceNews> {
        loop {
            match self.0.news.recv().await? {
                WatchNews::Announced(namespace) => {
                    return Some(NamespaceNews::Announced(namespace));
                }
                WatchNews::Withdrawn(namespace) => {
                    return Some(NamespaceNews::Withdrawn(namespace));
                }
                WatchNews::Offered(..) => {}
            }
        }
    }
}

impl TrackWatch {
    pub(crate) fn new(watch: Watch) -> Self {
        Self(watch)
    }

    /// The next track with its new objects, first those that are there already; `None` as for
    /// [`NamespaceWatch::next`]. Dropping the future loses nothing; dropping the reader leaves
    /// the track.
    pub async fn next(&mut self) -> Option<(FullTrackName, Reader)> {
        loop {
            if let WatchNews::Offered(offered) = self.0.news.recv().await? {
                let OfferedTrack { track, key, accepted, news } = *offered;
                let inbox = Inbox::new(key, self.0.client.clone(), news);
                return Some((track, Reader::new(inbox, accepted)));
            }
        }
    }
}
