//! Tracks that origins publish, asked for while someone here wants to be offered such tracks.
//!
//! An origin is asked for all tracks under a prefix that it may be asked for, not for the prefixes that
//! viewers name: of those some overlap, which drafts refuse. Its PUBLISH is then like any publisher's.
//! Where one request always means namespaces too, it is made with them, when the origin is there.

use std::collections::BTreeSet;

use sluice_proto::model::{Interest, Request, SubscribeNamespace, TrackNamespace};
use sluice_proto::wire::InterestForm;

use super::{Role, Shard};
use crate::ids::{RequestKey, ScopeId, SessionKey, TrackId};
use crate::origin::{Offer, OriginId, Place};

impl Shard {
    /// Interests changed, or an origin came: asks origins for tracks, or for none any more.
    pub(super) fn follow_interests(&mut self) {
        let ids: Vec<OriginId> = self.origins.ids().collect();
        for id in ids {
            self.follow_interests_at(id);
        }
    }

    fn follow_interests_at(&mut self, id: OriginId) {
        let Some((key, prefixes)) = self.origins.get(id).and_then(|origin| match origin.place {
            Place::Here(key, _) => Some((key, shortest(&origin.terms.offers))),
            _ => None,
        }) else {
            return;
        };
        let dialect = self.entry(key).and_then(|entry| entry.session.dialect());
        if dialect.is_none_or(|dialect| dialect.interests != InterestForm::Separate) {
            return;
        }
        for prefix in prefixes {
            // What the origin wants itself is not asked of it.
            let relay = self.relay_of(key);
            let counts = |who: &RequestKey| relay.is_none() || self.relay_of(who.session) != relay;
            let wanted = self.namespaces.wants_tracks(ScopeId::default(), &prefix, counts);
            let asked = self.origins.get(id).and_then(|o| o.track_interests.get(&prefix)).copied();
            match (wanted, asked) {
                (true, None) => self.ask_for_tracks(id, key, prefix),
                (false, Some(asked)) => {
                    self.cancel_request(asked);
                    if let Some(origin) = self.origins.get_mut(id) {
                        origin.track_interests.remove(&prefix);
                    }
                }
                _ => {}
            }
        }
    }

    fn ask_for_tracks(&mut self, id: OriginId, key: SessionKey, prefix: TrackNamespace) {
        let tokens = self.tokens_for(key);
        let Some(entry) = self.entry_mut(key) else { return };
        // Objects flow once a viewer takes them.
        let interest = SubscribeNamespace {
            forward: Some(false),
            tokens,
            ..SubscribeNamespace::new(prefix.clone(), Interest::Tracks)
        };
        let Ok(asked) = entry.session.request(Request::SubscribeNamespace(interest)) else {
            return;
        };
        entry.requests.insert(asked, Role::OriginInterest(Offer::Under(prefix.clone())));
        self.dirty.insert(key);
        if let Some(origin) = self.origins.get_mut(id) {
            origin.track_interests.insert(prefix, Self::request_key(key, asked));
        }
    }

    /// Whether a session is of the relay that alone brings a track: it is not offered that.
    pub(super) fn is_of_its_relay(&self, session: SessionKey, track_id: TrackId) -> bool {
        let Some(relay) = self.relay_of(session) else { return false };
        let Some(track) = self.tracks.get(&track_id) else { return false };
        let mut sources = track.upstreams.keys();
        !track.upstreams.is_empty() && sources.all(|who| self.relay_of(who.session) == Some(relay))
    }
}

/// The prefixes of offers without those that another one includes.
fn shortest(offers: &[Offer]) -> Vec<TrackNamespace> {
    let prefixes: BTreeSet<&TrackNamespace> = offers.iter().map(Offer::prefix).collect();
    let mut kept: Vec<TrackNamespace> = Vec::new();
    for prefix in prefixes {
        if !kept.iter().any(|shorter| shorter.is_prefix_of(prefix)) {
            kept.push(prefix.clone());
        }
    }
    kept
}
