//! What appears under a prefix: namespaces that others announce, tracks that they offer.

use sluice_proto::model::{
    Interest, Publish, PublishOk, Request, RequestCode, RequestError, RequestId, RequestOk,
    ResetCode, SubscribeNamespace, SubscribeOk, TrackNamespace,
};

use super::subscription::Subscription;
use super::{Join, Owner, Peer, PeerEvent, SubscriptionKey, refused};

/// An interest in a prefix. Chosen by the owner, unique for the life of the peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WatchKey(pub u64);

/// An interest in a prefix.
pub(super) struct Watch {
    id: RequestId,
    prefix: TrackNamespace,
    interest: Interest,
}

impl Peer {
    pub(super) fn watch(&mut self, key: WatchKey, prefix: TrackNamespace, interest: Interest) {
        let request = SubscribeNamespace::new(prefix.clone(), interest);
        match self.session.request(Request::SubscribeNamespace(request)) {
            Ok(id) => {
                self.requests.insert(id, Owner::Watch(key));
                self.watches.insert(key, Watch { id, prefix, interest });
            }
            Err(error) => self.events.push_back(PeerEvent::Watching(key, Err(refused(&error)))),
        }
    }

    pub(super) fn unwatch(&mut self, key: WatchKey) {
        if let Some(watch) = self.watches.remove(&key) {
            self.requests.remove(&watch.id);
            self.session.cancel(watch.id, ResetCode::Cancelled);
        }
    }

    /// A watch whose request was refused or revoked.
    pub(super) fn watch_failed(&mut self, key: WatchKey, error: RequestError) {
        self.watches.remove(&key);
        self.events.push_back(PeerEvent::Watching(key, Err(error)));
    }

    /// A namespace after the prefix of one of our watches.
    pub(super) fn namespace_news(&mut self, id: RequestId, suffix: &TrackNamespace, gone: bool) {
        let Some(Owner::Watch(key)) = self.requests.get(&id) else { return };
        let Some(watch) = self.watches.get(key) else { return };
        // Longer than a name can be, so nobody can ask for it either.
        let Ok(namespace) = watch.prefix.join(suffix) else { return };
        self.events.push_back(match gone {
            false => PeerEvent::Announced(*key, namespace),
            true => PeerEvent::Withdrawn(*key, namespace),
        });
    }

    /// Some drafts tell of a namespace by a request of its own.
    pub(super) fn namespace_published(&mut self, id: RequestId, namespace: TrackNamespace) {
        let Some(key) = self.watch_of(&namespace, Interest::namespaces) else {
            return self.refuse_uninterested(id);
        };
        self.session.request_ok(id, RequestOk::default());
        self.requests.insert(id, Owner::Announced(key, namespace.clone()));
        self.events.push_back(PeerEvent::Announced(key, namespace));
    }

    /// A track is offered: the owner accepts or declines it.
    pub(super) fn track_offered(&mut self, id: RequestId, offer: Publish) {
        match self.watch_of(offer.track.namespace(), Interest::tracks) {
            Some(watch) => {
                self.requests.insert(id, Owner::Offered { forward: offer.forward });
                self.events.push_back(PeerEvent::Offered { watch, id, offer });
            }
            None => self.refuse_uninterested(id),
        }
    }

    pub(super) fn accept(&mut self, id: RequestId, key: SubscriptionKey) {
        // Gone meanwhile, or never offered.
        let Some(Owner::Offered { forward }) = self.requests.get(&id) else { return };
        // Saying again what is so already could count as a change.
        let forward = (*forward == Some(false)).then_some(true);
        self.requests.insert(id, Owner::Subscription(key));
        self.subscriptions.insert(key, Subscription::new(id, Join::NextObject, &self.limits));
        self.session.publish_ok(id, PublishOk { forward, ..PublishOk::default() });
    }

    pub(super) fn decline(&mut self, id: RequestId) {
        if let Some(Owner::Offered { .. }) = self.requests.remove(&id) {
            self.refuse_uninterested(id);
        }
    }

    fn refuse_uninterested(&mut self, id: RequestId) {
        let error = RequestError::new(RequestCode::Uninterested, "nothing is wanted here");
        self.session.refuse(id, error);
    }

    fn watch_of(
        &self,
        namespace: &TrackNamespace,
        wants: impl Fn(Interest) -> bool,
    ) -> Option<WatchKey> {
        let found = self
            .watches
            .iter()
            .filter(|(_, watch)| wants(watch.interest) && watch.prefix.is_prefix_of(namespace))
            .max_by_key(|(_, watch)| watch.prefix.len());
        found.map(|(key, _)| *key)
    }
}

/// What an offer says in the words of an accepted subscription.
pub(crate) fn accepted(offer: &Publish) -> SubscribeOk {
    SubscribeOk {
        alias: offer.alias,
        expires: offer.expires,
        largest: offer.largest,
        order: offer.order,
        properties: offer.properties.clone(),
    }
}
