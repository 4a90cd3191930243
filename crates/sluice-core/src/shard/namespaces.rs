//! Who has which namespace, and who is told of it: publishers here, and origins that are asked.

use sluice_proto::model::{
    Interest, Request, RequestId, RequestOk, SubscribeNamespace, TrackNamespace,
};
use sluice_proto::wire::InterestForm;

use super::{Role, Shard};
use crate::ids::{RequestKey, ScopeId, SessionKey};
use crate::namespace::{NamespaceTree, Source};
use crate::origin::{Offer, OriginId, OriginNews, Place};

impl Shard {
    /// Asks an origin for the namespaces that it may be asked for. One whose draft cannot tell counts
    /// as having those that are named exactly.
    pub(super) fn ask_namespaces(&mut self, key: SessionKey, id: OriginId) {
        let Some(origin) = self.origins.get(id) else { return };
        let terms = origin.terms.clone();
        for offer in terms.offers {
            let Some(entry) = self.entry_mut(key) else { return };
            // Where one request has to mean tracks too, it always does: else it would have to be ended
            // for another one whenever somebody wants to be offered tracks, or nobody does any more.
            let separate =
                entry.session.dialect().is_some_and(|d| d.interests == InterestForm::Separate);
            let interest = if separate { Interest::Namespaces } else { Interest::Both };
            let request = SubscribeNamespace {
                forward: (!separate).then_some(false),
                tokens: terms.tokens.clone(),
                ..SubscribeNamespace::new(offer.prefix().clone(), interest)
            };
            match (entry.session.request(Request::SubscribeNamespace(request)), offer) {
                (Ok(request), offer) => {
                    entry.requests.insert(request, Role::OriginInterest(offer));
                }
                (Err(_), Offer::Exactly(namespace)) => self.origin_tells(id, namespace),
                (Err(_), Offer::Under(_)) => {}
            }
        }
        self.dirty.insert(key);
        self.follow_interests();
    }

    /// NAMESPACE or NAMESPACE_DONE from a peer, which may be an origin.
    pub(super) fn handle_namespace_news(
        &mut self,
        key: SessionKey,
        request: RequestId,
        suffix: &TrackNamespace,
        is_there: bool,
    ) {
        let Some(entry) = self.entry(key) else { return };
        let Some(Role::OriginInterest(offer)) = entry.requests.get(&request) else { return };
        let (Some(id), Ok(namespace)) = (entry.origin, offer.prefix().join(suffix)) else { return };
        if !self.is_had_by(id, key) {
            return;
        }
        match is_there {
            true => self.origin_tells(id, namespace),
            false => self.origin_untells(id, &namespace),
        }
    }

    /// PUBLISH_NAMESPACE from an origin: so older drafts tell of namespaces.
    pub(super) fn accept_origin_namespace(
        &mut self,
        who: RequestKey,
        id: OriginId,
        namespace: TrackNamespace,
    ) {
        if let Some(entry) = self.entry_mut(who.session) {
            entry.requests.insert(who.request, Role::Namespace(namespace.clone()));
            entry.session.request_ok(who.request, RequestOk::default());
            self.dirty.insert(who.session);
        }
        self.origin_tells(id, namespace);
    }

    /// An origin of this shard has a namespace; more than it is configured for does not count.
    fn origin_tells(&mut self, id: OriginId, namespace: TrackNamespace) {
        let max = self.limits.namespaces_max;
        let counts = |origin: &crate::origin::Origin| {
            origin.offers(&namespace) && origin.namespaces.len() < max
        };
        if self.origins.get(id).is_some_and(counts) {
            self.tell_shards(id, OriginNews::Namespace(namespace.clone()));
            self.origin_has(id, namespace);
        }
    }

    /// An origin of this shard has a namespace no more.
    pub(super) fn origin_untells(&mut self, id: OriginId, namespace: &TrackNamespace) {
        self.tell_shards(id, OriginNews::NamespaceDone(namespace.clone()));
        self.origin_has_not(id, namespace);
    }

    /// An origin tells no more of its namespaces: those it told of under this offer count as gone
    /// (MOQT-18 §6.1).
    pub(super) fn origin_interest_over(&mut self, key: SessionKey, id: RequestId, offer: &Offer) {
        self.forget(key, id);
        let who = Self::request_key(key, id);
        let Some(id) = self.entry(key).and_then(|entry| entry.origin) else { return };
        let is_current = self.is_had_by(id, key);
        let Some(origin) = self.origins.get_mut(id).filter(|_| is_current) else { return };
        let before = origin.track_interests.len();
        origin.track_interests.retain(|_, asked| *asked != who);
        if origin.track_interests.len() < before {
            // That was about tracks alone.
            return;
        }
        let gone: Vec<TrackNamespace> = origin
            .namespaces
            .iter()
            .filter(|namespace| offer.prefix().is_prefix_of(namespace))
            .cloned()
            .collect();
        for namespace in gone {
            self.origin_untells(id, &namespace);
        }
    }

    /// Whether an origin is had by this session: one that is ending may have been replaced.
    fn is_had_by(&self, id: OriginId, key: SessionKey) -> bool {
        let place = self.origins.get(id).map(|origin| origin.place);
        matches!(place, Some(Place::Here(session, _)) if session == key)
    }

    pub(super) fn origin_has(&mut self, id: OriginId, namespace: TrackNamespace) {
        let Some(origin) = self.origins.get_mut(id) else { return };
        if origin.namespaces.insert(namespace.clone()) {
            let scope = ScopeId::default();
            self.change_namespace(scope, &namespace, |tree| {
                tree.publish(scope, &namespace, Source::Origin(id));
            });
            self.ask_newcomer(id, &namespace);
        }
    }

    pub(super) fn origin_has_not(&mut self, id: OriginId, namespace: &TrackNamespace) {
        let Some(origin) = self.origins.get_mut(id) else { return };
        if origin.namespaces.remove(namespace) {
            let scope = ScopeId::default();
            self.change_namespace(scope, namespace, |tree| {
                tree.withdraw(scope, namespace, Source::Origin(id));
            });
        }
    }

    /// Changes who publishes a namespace, and tells those who want to hear of it.
    pub(super) fn change_namespace(
        &mut self,
        scope: ScopeId,
        namespace: &TrackNamespace,
        change: impl FnOnce(&mut NamespaceTree),
    ) {
        let mut interested = self.namespaces.interested(scope, namespace);
        interested.retain(|(_, interest, _)| interest.namespaces());
        let seen =
            |shard: &Self, who: &RequestKey| shard.sees_namespace(who.session, scope, namespace);
        let before: Vec<bool> = interested.iter().map(|(who, ..)| seen(self, who)).collect();
        change(&mut self.namespaces);
        for ((who, _, prefix), before) in interested.into_iter().zip(before) {
            let after = seen(self, &who);
            let Some(suffix) = namespace.suffix(&prefix) else { continue };
            let Some(entry) = self.entry_mut(who.session).filter(|_| before != after) else {
                continue;
            };
            match after {
                true => entry.session.namespace(who.request, suffix),
                false => entry.session.namespace_done(who.request, suffix),
            }
            self.dirty.insert(who.session);
        }
    }

    /// Whether a session is to know of a namespace: a relay is not told what it told itself.
    pub(super) fn sees_namespace(
        &self,
        session: SessionKey,
        scope: ScopeId,
        namespace: &TrackNamespace,
    ) -> bool {
        let relay = self.relay_of(session);
        self.namespaces.sources(scope, namespace).any(|source| match source {
            Source::Peer(_) => true,
            Source::Origin(id) => {
                relay.is_none() || self.origins.get(*id).and_then(|o| o.place.relay()) != relay
            }
        })
    }
}
