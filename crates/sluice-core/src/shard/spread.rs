//! What every shard has to know: namespaces that sessions publish, and prefixes whose tracks they
//! want. An entry goes to every other shard as a request on its link (an interest once for all
//! sessions here that have it), and they are answered when all shards have answered: whoever acts on the
//! answer finds every shard knowing. Withdrawals wait for nobody.

use sluice_proto::model::{
    Interest, PublishNamespace, Request, RequestId, RequestOk, ResetCode, SubscribeNamespace,
    TrackNamespace,
};
use std::collections::{BTreeMap, BTreeSet};

use super::{Role, Shard};
use crate::ids::{RequestKey, ScopeId, SessionKey};

/// What is told to all shards.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum SpreadKey {
    /// A session here publishes a namespace. Told for each of them: whoever was refused by one asks
    /// the next.
    Namespace(ScopeId, TrackNamespace, RequestKey),
    /// Someone here wants tracks under a prefix.
    Interest(ScopeId, TrackNamespace),
}

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct Spread {
    /// Requests of sessions here, and whether they were answered.
    owners: BTreeMap<RequestKey, bool>,
    /// Our requests to other shards, and those without an answer.
    requests: BTreeSet<RequestKey>,
    unanswered: BTreeSet<RequestKey>,
}

impl Shard {
    /// Tells all shards; true if all know already, else `owner` is answered when they do.
    pub(super) fn spread(&mut self, key: SpreadKey, owner: RequestKey) -> bool {
        if self.placement.is_alone() {
            return true;
        }
        if let Some(spread) = self.spreads.get_mut(&key) {
            let known = spread.unanswered.is_empty();
            spread.owners.insert(owner, known);
            return known;
        }
        let (scope, request) = match &key {
            SpreadKey::Namespace(scope, namespace, _) => {
                let publish =
                    PublishNamespace { namespace: namespace.clone(), ..Default::default() };
                (*scope, Request::PublishNamespace(publish))
            }
            SpreadKey::Interest(scope, prefix) => {
                let want = SubscribeNamespace {
                    forward: Some(true),
                    ..SubscribeNamespace::new(prefix.clone(), Interest::Tracks)
                };
                (*scope, Request::SubscribeNamespace(want))
            }
        };
        let mut spread = Spread::default();
        for link in self.links_of(scope) {
            let Some(entry) = self.entry_mut(link) else { continue };
            let Ok(id) = entry.session.request(request.clone()) else { continue };
            entry.requests.insert(id, Role::Spread(key.clone()));
            self.dirty.insert(link);
            spread.requests.insert(Self::request_key(link, id));
        }
        spread.unanswered = spread.requests.clone();
        let known = spread.unanswered.is_empty();
        spread.owners.insert(owner, known);
        self.spreads.insert(key, spread);
        known
    }

    /// `owner` does not ask for it any more.
    pub(super) fn unspread(&mut self, key: &SpreadKey, owner: RequestKey) {
        let Some(spread) = self.spreads.get_mut(key) else { return };
        spread.owners.remove(&owner);
        if !spread.owners.is_empty() {
            return;
        }
        let Some(spread) = self.spreads.remove(key) else { return };
        for request in spread.requests {
            self.cancel_request(request);
        }
    }

    /// A shard knows; if it is the last, those who wait are answered.
    pub(super) fn spread_answered(&mut self, link: SessionKey, id: RequestId, key: &SpreadKey) {
        let Some(spread) = self.spreads.get_mut(key) else { return };
        spread.unanswered.remove(&Self::request_key(link, id));
        if !spread.unanswered.is_empty() {
            return;
        }
        let waiting: Vec<RequestKey> = spread
            .owners
            .iter_mut()
            .filter_map(|(owner, answered)| (!std::mem::replace(answered, true)).then_some(*owner))
            .collect();
        for owner in waiting {
            match key {
                SpreadKey::Namespace(..) => self.namespace_known(owner),
                SpreadKey::Interest(..) => self.interest_known(owner),
            }
        }
    }

    pub(super) fn namespace_known(&mut self, who: RequestKey) {
        if let Some(entry) = self.entry_mut(who.session) {
            entry.session.request_ok(who.request, RequestOk::default());
            self.dirty.insert(who.session);
        }
    }

    /// Ends a request of ours.
    pub(super) fn cancel_request(&mut self, who: RequestKey) {
        if let Some(entry) = self.entry_mut(who.session) {
            entry.session.cancel(who.request, ResetCode::Cancelled);
            entry.requests.remove(&who.request);
            self.dirty.insert(who.session);
        }
    }
}
