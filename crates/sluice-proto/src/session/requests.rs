//! The table of requests of a session, ours and the peer's, and who may use which id.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::outbox::Outbox;
use crate::model::{
    DoneCode, FullTrackName, GroupOrder, Interest, Location, LocationFilter, Priority, PublishDone,
    RequestError, RequestId, RequestKind, RequestOk, TrackAlias, TrackNamespace,
};
use crate::transport::{Side, StreamId};

/// Who made a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Maker {
    Us,
    Peer,
}

/// How far a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Ours, waiting for credit.
    Waiting,
    /// Sent or received, not answered.
    Pending,
    /// Accepted.
    Open,
    /// Ended; kept only until its streams are.
    Over,
}

/// What a subscriber last asked for, repeated in updates of drafts that need all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Settings {
    pub filter: LocationFilter,
    /// It began at the next object, whatever it was narrowed to since.
    pub began_next: bool,
    pub largest: Option<Location>,
    pub priority: Priority,
    pub forward: bool,
}

/// What a request of the peer costs besides its message, here and at whoever acts on it.
pub(super) const REQUEST_COST_BYTES: usize = 2048;

/// One request.
#[derive(Debug)]
pub(super) struct Entry {
    pub kind: RequestKind,
    pub maker: Maker,
    pub phase: Phase,
    /// Its own stream, where the draft gives it one.
    pub stream: Option<StreamId>,
    /// What waits for that stream.
    pub outbox: Outbox,
    /// The encoded request while it waits for credit.
    pub unsent: Option<Bytes>,
    /// Whether it was cancelled while waiting.
    pub cancelled: bool,
    /// Updates without an answer, oldest first: ours or the peer's.
    pub updates: VecDeque<RequestId>,
    /// Answers to updates of the peer that wait for the answer to the request itself.
    pub early_answers: Vec<(RequestId, Result<RequestOk, RequestError>)>,
    /// The track of a subscription, publication or fetch.
    pub track: Option<FullTrackName>,
    /// The track's alias, once known.
    pub alias: Option<TrackAlias>,
    /// Namespace or prefix.
    pub namespace: Option<TrackNamespace>,
    /// What a namespace subscription wants.
    pub interest: Option<Interest>,
    /// Namespaces announced in answer, with the requests that did it where the draft needs them.
    pub announced: BTreeMap<TrackNamespace, Option<RequestId>>,
    /// The other half of an interest that took two requests.
    pub twin: Option<RequestId>,
    /// Made by the session itself: its events stay inside.
    pub hidden: bool,
    /// Group order of a fetch.
    pub order: GroupOrder,
    /// What the subscriber last asked for.
    pub settings: Settings,
    /// Memory that it takes, of the peer's requests.
    pub held_bytes: usize,
    /// Data streams of ours that are open.
    pub streams_open: u64,
    /// Data streams of ours that were ever opened.
    pub streams_total: u64,
    /// Our last word, waiting for the streams to end.
    pub done: Option<(DoneCode, String)>,
    /// Data streams of the peer that have begun.
    pub streams_in: u64,
    /// The peer's last word.
    pub peer_done: Option<PublishDone>,
    /// Whether the peer sent GOAWAY for it.
    pub goaway_received: bool,
}

impl Entry {
    pub fn new(kind: RequestKind, maker: Maker, phase: Phase) -> Self {
        Self {
            kind,
            maker,
            phase,
            stream: None,
            outbox: Outbox::default(),
            unsent: None,
            cancelled: false,
            updates: VecDeque::new(),
            early_answers: Vec::new(),
            track: None,
            alias: None,
            namespace: None,
            interest: None,
            announced: BTreeMap::new(),
            twin: None,
            hidden: false,
            order: GroupOrder::default(),
            settings: Settings { forward: true, ..Settings::default() },
            held_bytes: 0,
            streams_open: 0,
            streams_total: 0,
            done: None,
            streams_in: 0,
            peer_done: None,
            goaway_received: false,
        }
    }

    /// Whether we receive the objects of this request.
    pub fn is_subscriber(&self) -> bool {
        matches!(
            (self.kind, self.maker),
            (RequestKind::Subscribe | RequestKind::Fetch, Maker::Us)
                | (RequestKind::Publish, Maker::Peer)
        )
    }

    /// Whether we send the objects of a subscription.
    pub fn is_publisher(&self) -> bool {
        matches!(
            (self.kind, self.maker),
            (RequestKind::Subscribe, Maker::Peer) | (RequestKind::Publish, Maker::Us)
        )
    }
}

/// Why an id of the peer cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum IdFault {
    /// Not of the peer's parity.
    Parity,
    /// Not the next one, where there is an order.
    Order { expected: u64 },
    /// Used before.
    Repeated,
    /// At or above what was granted.
    TooMany { limit: u64 },
}

/// All requests of a session.
#[derive(Debug)]
pub(super) struct RequestTable {
    entries: BTreeMap<RequestId, Entry>,
    side: Side,
    next_ours: u64,
    /// Smallest id of the peer that was not used yet.
    next_peer: u64,
    /// Ids of the peer above it that were used.
    used_peer: BTreeSet<u64>,
    /// One more than the largest id that we granted, where ids are granted.
    granted: Option<u64>,
    /// Grants earned by requests that ended, not yet sent.
    earned: u64,
    /// One more than the largest id that the peer granted.
    pub limit: Option<u64>,
    /// Ours that wait for credit.
    pub waiting: VecDeque<RequestId>,
    /// The limit that we last said we are stuck at.
    pub blocked_at: Option<u64>,
    /// Requests of the peer that are open, of each kind.
    open_peer: [usize; RequestKind::ALL.len()],
    held_bytes: usize,
}

/// Ids used out of order that are remembered; older ones count as used.
const USED_MAX: usize = 4096;

impl RequestTable {
    pub fn new(side: Side) -> Self {
        let (ours, peer) = match side {
            Side::Client => (0, 1),
            Side::Server => (1, 0),
        };
        Self {
            entries: BTreeMap::new(),
            side,
            next_ours: ours,
            next_peer: peer,
            used_peer: BTreeSet::new(),
            granted: None,
            earned: 0,
            limit: None,
            waiting: VecDeque::new(),
            blocked_at: None,
            open_peer: [0; RequestKind::ALL.len()],
            held_bytes: 0,
        }
    }

    pub fn get(&self, id: RequestId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub fn get_mut(&mut self, id: RequestId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (RequestId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    pub fn insert(&mut self, id: RequestId, entry: Entry) {
        if entry.maker == Maker::Peer {
            self.open_peer[entry.kind as usize] += 1;
        }
        self.held_bytes += entry.held_bytes;
        self.entries.insert(id, entry);
    }

    pub fn remove(&mut self, id: RequestId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.held_bytes -= entry.held_bytes;
        if entry.maker == Maker::Peer {
            self.open_peer[entry.kind as usize] -= 1;
            self.earned += 1;
        }
        Some(entry)
    }

    /// Requests of the peer that are open.
    pub fn open_peer(&self) -> usize {
        self.open_peer.iter().sum()
    }

    /// Subscriptions among them.
    pub fn open_tracks(&self) -> usize {
        self.open_of(&[RequestKind::Subscribe, RequestKind::Publish])
    }

    /// Namespace requests among them.
    pub fn open_namespaces(&self) -> usize {
        self.open_of(&[RequestKind::PublishNamespace, RequestKind::SubscribeNamespace])
    }

    fn open_of(&self, kinds: &[RequestKind]) -> usize {
        kinds.iter().map(|kind| self.open_peer[*kind as usize]).sum()
    }

    /// Memory that the peer's requests take.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The id that [`RequestTable::next_id`] gives next.
    pub fn peek_id(&self) -> RequestId {
        RequestId(self.next_ours)
    }

    /// A new id of ours.
    pub fn next_id(&mut self) -> RequestId {
        let id = RequestId(self.next_ours);
        self.next_ours += 2;
        id
    }

    /// Smallest id of the peer that was not used.
    pub fn first_unprocessed(&self) -> RequestId {
        RequestId(self.next_peer)
    }

    /// Starts granting ids: how many requests the peer may have made.
    pub fn grant(&mut self, requests: usize) -> u64 {
        let first = match self.side {
            Side::Client => 1,
            Side::Server => 0,
        };
        let limit = first + 2 * requests as u64;
        self.granted = Some(limit);
        limit
    }

    /// Ids of the peer that are free again besides those of requests.
    pub fn earn(&mut self, ids: u64) {
        self.earned += ids;
    }

    /// A new limit to send, once enough was earned.
    pub fn renewed_grant(&mut self, requests_max: usize) -> Option<u64> {
        let granted = self.granted?;
        if self.earned * 4 < requests_max as u64 {
            return None;
        }
        let renewed = granted + 2 * self.earned;
        self.earned = 0;
        self.granted = Some(renewed);
        Some(renewed)
    }

    /// Takes an id of the peer. `in_order` where ids arrive on one stream.
    pub fn take_peer_id(&mut self, id: RequestId, in_order: bool) -> Result<(), IdFault> {
        if id.0 % 2 != self.next_peer % 2 {
            return Err(IdFault::Parity);
        }
        if in_order && id.0 != self.next_peer {
            return Err(IdFault::Order { expected: self.next_peer });
        }
        if id.0 < self.next_peer {
            return Err(IdFault::Repeated);
        }
        if let Some(limit) = self.granted.filter(|limit| id.0 >= *limit) {
            return Err(IdFault::TooMany { limit });
        }
        if !self.used_peer.insert(id.0) {
            return Err(IdFault::Repeated);
        }
        while self.used_peer.remove(&self.next_peer) {
            self.next_peer = self.next_peer.saturating_add(2);
        }
        if self.used_peer.len() > USED_MAX
            && let Some(oldest) = self.used_peer.pop_first()
        {
            self.next_peer = oldest.saturating_add(2);
        }
        Ok(())
    }

    /// Whether a message with the next id of ours may be sent at once: ids of one stream are in
    /// order, so none that was given out may still wait.
    pub fn may_send_next(&self) -> bool {
        self.waiting.is_empty() && self.may_send(self.peek_id())
    }

    /// Whether the peer made a request of this id.
    pub fn is_used_by_peer(&self, id: RequestId) -> bool {
        id.0 < self.next_peer && id.0 % 2 == self.next_peer % 2 || self.used_peer.contains(&id.0)
    }

    /// Whether this is an id of ours, used or not.
    pub fn is_ours(&self, id: RequestId) -> bool {
        id.0 % 2 == self.next_ours % 2
    }

    /// Whether a request of this id was ever made, by either side.
    pub fn has_been(&self, id: RequestId) -> bool {
        self.is_used_by_peer(id) || self.is_ours(id) && id.0 < self.next_ours
    }

    /// Whether our next waiting request may be sent, as far as ids go.
    pub fn may_send(&self, id: RequestId) -> bool {
        self.limit.is_none_or(|limit| id.0 < limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_stream_come_in_order() {
        let mut table = RequestTable::new(Side::Server);
        assert_eq!(table.take_peer_id(RequestId(0), true), Ok(()));
        let skipped = table.take_peer_id(RequestId(4), true);
        assert_eq!(skipped, Err(IdFault::Order { expected: 2 }));
        let odd = table.take_peer_id(RequestId(3), true);
        assert_eq!(odd, Err(IdFault::Parity));
    }

    #[test]
    fn ids_of_own_streams_come_in_any_order_but_once() {
        let mut table = RequestTable::new(Side::Server);
        for id in [4, 0, 2] {
            assert_eq!(table.take_peer_id(RequestId(id), false), Ok(()));
        }
        for id in [0, 2, 4] {
            assert!(table.take_peer_id(RequestId(id), false).is_err());
        }
        assert_eq!(table.take_peer_id(RequestId(6), false), Ok(()));
    }

    #[test]
    fn a_peer_that_ends_requests_is_granted_more() {
        let mut table = RequestTable::new(Side::Server);
        assert_eq!(table.grant(4), 8);
        assert_eq!(table.take_peer_id(RequestId(8), false), Err(IdFault::TooMany { limit: 8 }));
        table.take_peer_id(RequestId(0), true).unwrap();
        let entry = Entry::new(RequestKind::Subscribe, Maker::Peer, Phase::Pending);
        table.insert(RequestId(0), entry);
        assert_eq!(table.renewed_grant(4), None);
        table.remove(RequestId(0));
        assert_eq!(table.renewed_grant(4), Some(10));
    }
}
