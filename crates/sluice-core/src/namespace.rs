//! Who publishes which namespaces, and who wants to hear of what appears under which prefix.
//!
//! Matching is by whole fields (MOQT-18 §9.5). Look-ups cost the number of fields of the name
//! asked for, whatever else is published.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use sluice_proto::model::{Interest, TrackNamespace};

use crate::ids::{RequestKey, ScopeId};
use crate::origin::OriginId;

/// Who has a namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Source {
    /// A session published it.
    Peer(RequestKey),
    /// An origin told of it.
    Origin(OriginId),
}

/// Namespaces published and prefixes wanted, of all scopes.
#[derive(Debug, Default)]
pub(crate) struct NamespaceTree {
    published: BTreeMap<(ScopeId, TrackNamespace), BTreeSet<Source>>,
    wanted: BTreeMap<(ScopeId, TrackNamespace), BTreeMap<RequestKey, Interest>>,
}

impl NamespaceTree {
    /// Someone has a namespace.
    pub fn publish(&mut self, scope: ScopeId, namespace: &TrackNamespace, who: Source) {
        self.published.entry((scope, namespace.clone())).or_default().insert(who);
    }

    /// Someone has it no more.
    pub fn withdraw(&mut self, scope: ScopeId, namespace: &TrackNamespace, who: Source) {
        let key = (scope, namespace.clone());
        let Some(sources) = self.published.get_mut(&key) else { return };
        sources.remove(&who);
        if sources.is_empty() {
            self.published.remove(&key);
        }
    }

    /// Who has this very namespace.
    pub fn sources(
        &self,
        scope: ScopeId,
        namespace: &TrackNamespace,
    ) -> impl Iterator<Item = &Source> {
        self.published.get(&(scope, namespace.clone())).into_iter().flatten()
    }

    /// Sessions that publish `namespace` or a prefix of it, nearest first.
    pub fn publishers(&self, scope: ScopeId, namespace: &TrackNamespace) -> Vec<RequestKey> {
        let mut found = Vec::new();
        for prefix in prefixes(namespace) {
            found.extend(self.sources(scope, &prefix).filter_map(|source| match source {
                Source::Peer(who) => Some(*who),
                Source::Origin(_) => None,
            }));
        }
        found
    }

    /// Namespaces published under a prefix, in order.
    pub fn under(&self, scope: ScopeId, prefix: &TrackNamespace) -> Vec<TrackNamespace> {
        self.published
            .range((scope, prefix.clone())..)
            .take_while(|((of, namespace), _)| *of == scope && prefix.is_prefix_of(namespace))
            .map(|((_, namespace), _)| namespace.clone())
            .collect()
    }

    /// Namespaces of a scope after one, in order, with who has each.
    pub fn published_after<'a>(
        &'a self,
        scope: ScopeId,
        after: Option<&TrackNamespace>,
    ) -> impl Iterator<Item = (&'a TrackNamespace, &'a BTreeSet<Source>)> + use<'a> {
        let from = match after {
            Some(after) => Bound::Excluded((scope, after.clone())),
            None => Bound::Included((scope, TrackNamespace::default())),
        };
        self.published
            .range((from, Bound::Unbounded))
            .take_while(move |((of, _), _)| *of == scope)
            .map(|((_, namespace), sources)| (namespace, sources))
    }

    /// Someone wants to hear of a prefix.
    pub fn want(
        &mut self,
        scope: ScopeId,
        prefix: &TrackNamespace,
        who: RequestKey,
        interest: Interest,
    ) {
        self.wanted.entry((scope, prefix.clone())).or_default().insert(who, interest);
    }

    /// Someone does not any more.
    pub fn unwant(&mut self, scope: ScopeId, prefix: &TrackNamespace, who: RequestKey) {
        let key = (scope, prefix.clone());
        if let Some(wanting) = self.wanted.get_mut(&key) {
            wanting.remove(&who);
            if wanting.is_empty() {
                self.wanted.remove(&key);
            }
        }
    }

    /// Those who want to hear of `namespace`, with the prefix that each asked for.
    pub fn interested(
        &self,
        scope: ScopeId,
        namespace: &TrackNamespace,
    ) -> Vec<(RequestKey, Interest, TrackNamespace)> {
        let mut found = Vec::new();
        for prefix in prefixes(namespace) {
            let Some(wanting) = self.wanted.get(&(scope, prefix.clone())) else { continue };
            found.extend(wanting.iter().map(|(who, interest)| (*who, *interest, prefix.clone())));
        }
        found
    }

    /// Whether someone whom `counts` says to count wants tracks under a prefix, or under a shorter or
    /// longer one.
    pub fn wants_tracks(
        &self,
        scope: ScopeId,
        prefix: &TrackNamespace,
        counts: impl Fn(&RequestKey) -> bool,
    ) -> bool {
        let above = prefixes(prefix).filter_map(|shorter| self.wanted.get(&(scope, shorter)));
        let below = self
            .wanted
            .range((scope, prefix.clone())..)
            .take_while(|((of, longer), _)| *of == scope && prefix.is_prefix_of(longer))
            .map(|(_, wanting)| wanting);
        above.chain(below).flatten().any(|(who, interest)| interest.tracks() && counts(who))
    }

    /// Namespaces published and prefixes wanted.
    pub fn counts(&self) -> (usize, usize) {
        (self.published.len(), self.wanted.len())
    }
}

/// The namespace and all its prefixes, the longest first.
fn prefixes(namespace: &TrackNamespace) -> impl Iterator<Item = TrackNamespace> + '_ {
    (0..=namespace.len())
        .rev()
        .filter_map(|fields| TrackNamespace::new(namespace.fields()[..fields].iter().cloned()).ok())
}

#[cfg(test)]
mod tests {
    use sluice_proto::model::RequestId;

    use super::*;
    use crate::ids::SessionKey;

    const SCOPE: ScopeId = ScopeId(0);

    fn who(request: u64) -> RequestKey {
        let session = SessionKey { index: 0, generation: 0 };
        RequestKey { session, request: RequestId(request) }
    }

    fn peer(who: RequestKey) -> Source {
        Source::Peer(who)
    }

    fn name(path: &str) -> TrackNamespace {
        TrackNamespace::from_path(path).unwrap()
    }

    #[test]
    fn publishers_of_a_namespace_are_those_of_its_prefixes_too() {
        let mut tree = NamespaceTree::default();
        tree.publish(SCOPE, &name("foo"), peer(who(0)));
        tree.publish(SCOPE, &name("foobar"), peer(who(2)));
        tree.publish(SCOPE, &name("foo/bar"), peer(who(4)));
        assert_eq!(tree.publishers(SCOPE, &name("foo/bar/x")), [who(4), who(0)]);
        assert_eq!(tree.publishers(SCOPE, &name("foobar")), [who(2)]);
        assert!(tree.publishers(ScopeId(1), &name("foo")).is_empty());
    }

    #[test]
    fn namespaces_under_a_prefix_are_found_by_whole_fields() {
        let mut tree = NamespaceTree::default();
        for path in ["a", "a/b", "a/c", "ab", "b"] {
            tree.publish(SCOPE, &name(path), peer(who(0)));
        }
        assert_eq!(tree.under(SCOPE, &name("a")), [name("a"), name("a/b"), name("a/c")]);
        assert_eq!(tree.under(SCOPE, &name("")).len(), 5);
    }

    #[test]
    fn a_namespace_is_gone_when_its_last_source_is() {
        let mut tree = NamespaceTree::default();
        let sources = [Source::Peer(who(0)), Source::Peer(who(2)), Source::Origin(OriginId(0))];
        for source in sources {
            tree.publish(SCOPE, &name("a"), source);
        }
        assert_eq!(tree.publishers(SCOPE, &name("a")), [who(0), who(2)], "sessions alone");
        for (at, source) in sources.into_iter().enumerate() {
            assert_eq!(tree.under(SCOPE, &name("")).len(), 1, "{at} are gone");
            tree.withdraw(SCOPE, &name("a"), source);
        }
        assert_eq!(tree.counts(), (0, 0));
    }
}
