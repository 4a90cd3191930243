//! Origins: other relays that this one may ask for what no publisher of its own has.
//!
//! Which they are is configuration, and every shard knows it. The sessions to them live on one shard
//! ([`Placement::origins`](crate::Placement)), whose owner dials them; the others are told which are
//! there and what namespaces they have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sluice_proto::model::{Token, TrackNamespace};

use crate::ids::{RequestKey, SessionKey};

/// An origin, by its place in the list that [`Shard::set_origins`](crate::Shard::set_origins) got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OriginId(pub u16);

/// Namespaces that an origin may be asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Offer {
    /// This one.
    Exactly(TrackNamespace),
    /// All that begin with this one.
    Under(TrackNamespace),
}

impl Offer {
    /// Whether `namespace` is among them.
    pub fn includes(&self, namespace: &TrackNamespace) -> bool {
        match self {
            Offer::Exactly(only) => only == namespace,
            Offer::Under(prefix) => prefix.is_prefix_of(namespace),
        }
    }

    /// What is asked for to hear of them.
    pub fn prefix(&self) -> &TrackNamespace {
        match self {
            Offer::Exactly(namespace) | Offer::Under(namespace) => namespace,
        }
    }
}

/// What an origin may be asked for, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OriginTerms {
    /// Namespaces.
    pub offers: Vec<Offer>,
    /// Smaller goes first. Origins of equal priority are asked together, so that the loss of one
    /// costs nothing.
    pub priority: u8,
    /// Sent with each request.
    pub tokens: Vec<Token>,
}

/// A running relay, so that two that list each other notice it. Told in SETUP with its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RelayId(pub u64);

impl RelayId {
    const LABEL: &str = "relay/";

    /// What a relay calls itself.
    pub fn sign(self, implementation: &str) -> String {
        format!("{implementation} {self}")
    }

    /// Which relay calls itself so, if it says.
    pub fn of(implementation: &str) -> Option<RelayId> {
        let last = implementation.rsplit(' ').next()?.strip_prefix(Self::LABEL)?;
        u64::from_str_radix(last, 16).ok().map(RelayId)
    }
}

impl fmt::Display for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016x}", Self::LABEL, self.0)
    }
}

/// Where an origin is to be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// There is no session to it.
    Away,
    /// By a session of this shard.
    Here(SessionKey, Option<RelayId>),
    /// By a session of the shard that has all of them.
    Elsewhere(Option<RelayId>),
}

impl Place {
    pub fn relay(&self) -> Option<RelayId> {
        match self {
            Place::Away => None,
            Place::Here(_, relay) | Place::Elsewhere(relay) => *relay,
        }
    }
}

/// One origin.
#[derive(Debug)]
pub(crate) struct Origin {
    pub terms: OriginTerms,
    pub place: Place,
    /// Namespaces that it told of.
    pub namespaces: BTreeSet<TrackNamespace>,
    /// Requests for the tracks under prefixes, on the shard that has its session.
    pub track_interests: BTreeMap<TrackNamespace, RequestKey>,
}

impl Origin {
    pub fn offers(&self, namespace: &TrackNamespace) -> bool {
        self.terms.offers.iter().any(|offer| offer.includes(namespace))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// This relay.
    pub own: Option<RelayId>,
    list: Vec<Origin>,
}

impl Origins {
    pub fn new(own: RelayId, terms: Vec<OriginTerms>) -> Self {
        let origin = |terms| Origin {
            terms,
            place: Place::Away,
            namespaces: BTreeSet::new(),
            track_interests: BTreeMap::new(),
        };
        Self { own: Some(own), list: terms.into_iter().map(origin).collect() }
    }

    pub fn get(&self, id: OriginId) -> Option<&Origin> {
        self.list.get(usize::from(id.0))
    }

    pub fn get_mut(&mut self, id: OriginId) -> Option<&mut Origin> {
        self.list.get_mut(usize::from(id.0))
    }

    /// All of them.
    pub fn ids(&self) -> impl Iterator<Item = OriginId> + use<> {
        (0..self.list.len()).map(|at| OriginId(at as u16))
    }

    /// Those that may be asked for a namespace, there or not.
    pub fn offering(
        &self,
        namespace: &TrackNamespace,
    ) -> impl Iterator<Item = (OriginId, &Origin)> {
        let with_id =
            self.list.iter().enumerate().map(|(at, origin)| (OriginId(at as u16), origin));
        with_id.filter(move |(_, origin)| origin.offers(namespace))
    }
}

/// What the shard that has the origins tells the others.
#[derive(Clone, Debug)]
pub(crate) enum OriginNews {
    /// A session to it is there.
    Came(Option<RelayId>),
    /// It is gone.
    Left,
    /// It has a namespace.
    Namespace(TrackNamespace),
    /// It has it no more.
    NamespaceDone(TrackNamespace),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_known_by_what_it_calls_itself() {
        let id = RelayId(0xabc);
        assert_eq!(RelayId::of(&id.sign("sluice/0.1.0")), Some(id));
        for other in ["", "sluice/0.1.0", "relay/", "relay/xyz", "relay/1 beta"] {
            assert_eq!(RelayId::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn an_exact_offer_is_not_a_prefix() {
        let name = |path| TrackNamespace::from_path(path).unwrap();
        let exact = Offer::Exactly(name("live"));
        let under = Offer::Under(name("live"));
        assert!(exact.includes(&name("live")) && under.includes(&name("live")));
        assert!(!exact.includes(&name("live/cam")) && under.includes(&name("live/cam")));
        assert!(!under.includes(&name("lively")));
    }
}
