//! Sessions between shards.
//!
//! Shards of one relay speak as two relays would: by a [`Session`] for each pair and scope, over
//! an in-memory [`LinkTransport`]. So a replica is a track whose publisher happens to be another
//! shard, a home serves another shard as it serves a viewer, and everything that holds between a
//! publisher and a viewer (order, cut-through, flow control, resets, FORWARD, fetches, fills,
//! PUBLISH_DONE) holds between shards because it is the same code.
//!
//! ```text
//!  publisher ─► shard P: Ingest ══link══► shard H: Home ══link══► shard S: Replica ─► viewers
//!                                              └─► viewers of H
//!
//!  SUBSCRIBE   viewer → S ─(SUBSCRIBE)→ H ─(SUBSCRIBE)→ P → publisher
//!              and each OK, with the largest location, goes back the same way
//!  object      publisher → P's store → H's store → S's store → viewer, a chunk as it comes
//! ```
//!
//! What a peer asks is acted on once the links of its scope are there, to every other shard: it then
//! reaches all of them. Until then it waits in its session, within that session's limits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sluice_proto::model::FullTrackName;
use sluice_proto::session::{ReadProgress, Session, SessionConfig, SessionEnd, SessionLimits};
use sluice_proto::transport::{Side, Transport as _};

use super::message::{Item, LinkId, ShardMessage};
use super::{Shard, TimerKey};
use crate::ids::{ScopeId, SessionKey};
use crate::limits::Limits;
use crate::link::LinkTransport;
use crate::notice::Notice;
use crate::placement::ShardId;

/// A year: links do not give up on a shard.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The links of a shard.
#[derive(Default)]
pub(super) struct Links {
    ends: BTreeMap<SessionKey, LinkEnd>,
    by_id: BTreeMap<(ShardId, LinkId), SessionKey>,
    by_scope: BTreeMap<(ScopeId, ShardId), SessionKey>,
    scope_names: BTreeMap<ScopeId, (String, String)>,
    /// Scopes whose links were asked for, and those whose links are all there.
    asked: BTreeSet<ScopeId>,
    complete: BTreeSet<ScopeId>,
    next_id: u32,
    outbox: BTreeMap<ShardId, Vec<Item>>,
}

struct LinkEnd {
    peer: ShardId,
    id: LinkId,
    transport: LinkTransport,
}

impl Links {
    pub(super) fn tell(&mut self, shard: ShardId, item: Item) {
        self.outbox.entry(shard).or_default().push(item);
    }
}

/// A link is not moved on as a slow viewer is: only what is evicted is skipped. It never ends.
pub(super) fn limits_of_links(limits: &Limits) -> Limits {
    Limits {
        behind_bytes_max: u64::MAX,
        behind_groups_max: usize::MAX,
        behind_max: NEVER,
        ..*limits
    }
}

impl Shard {
    /// Another shard said something.
    pub fn handle_message(&mut self, from: ShardId, message: ShardMessage, now: Instant) {
        for item in message.items {
            match item {
                Item::Want(scope) => {
                    let scope = self.scope_of(&scope);
                    self.open_link(scope, from, now);
                }
                Item::Open(id, scope) => {
                    let scope = self.scope_of(&scope);
                    self.enter_link(scope, from, id, Side::Server, now);
                }
                Item::Origin(id, news) => self.handle_origin_news(id, news),
                Item::Frame(id, frame) => {
                    let Some(key) = self.links.by_id.get(&(from, id)).copied() else { continue };
                    if let Some(end) = self.links.ends.get_mut(&key) {
                        end.transport.handle_frame(frame);
                    }
                    // One by one: what was said first is heard first.
                    self.hear_link(key, now);
                }
            }
        }
    }

    /// The next message for another shard. Ask after every turn, until there is none.
    pub fn poll_message(&mut self) -> Option<(ShardId, ShardMessage)> {
        let (shard, items) = self.links.outbox.pop_first()?;
        Some((shard, ShardMessage { items }))
    }

    /// The home of a track.
    pub(super) fn home_of(&self, scope: ScopeId, track: &FullTrackName) -> ShardId {
        if self.placement.is_alone() {
            return self.placement.own();
        }
        let nameless = (String::new(), String::new());
        let name = self.links.scope_names.get(&scope).unwrap_or(&nameless);
        self.placement.home(name, track)
    }

    /// Whether a session is with another shard.
    pub(super) fn is_link(&self, key: SessionKey) -> bool {
        self.entry(key).is_some_and(|entry| entry.link.is_some())
    }

    /// The session with another shard for a scope.
    pub(super) fn link_to(&self, scope: ScopeId, shard: ShardId) -> Option<SessionKey> {
        self.links.by_scope.get(&(scope, shard)).copied()
    }

    /// The sessions with all other shards for a scope.
    pub(super) fn links_of(&self, scope: ScopeId) -> Vec<SessionKey> {
        self.placement.others().filter_map(|shard| self.link_to(scope, shard)).collect()
    }

    /// Whether what a session says may be acted on.
    pub(super) fn may_act(&self, key: SessionKey) -> bool {
        self.placement.is_alone()
            || self.entry(key).is_none_or(|entry| {
                entry.link.is_some()
                    || !entry.is_greeted
                    || self.links.complete.contains(&entry.scope)
            })
    }

    /// Sees to it that there is a link to every other shard for a scope.
    pub(super) fn open_links(&mut self, scope: ScopeId, now: Instant) {
        if self.placement.is_alone() || !self.links.asked.insert(scope) {
            return;
        }
        self.name_scope(scope);
        let name = self.links.scope_names.get(&scope).cloned().unwrap_or_default();
        for shard in self.placement.others() {
            if self.placement.own() < shard {
                self.open_link(scope, shard, now);
            } else if self.link_to(scope, shard).is_none() {
                self.links.tell(shard, Item::Want(name.clone()));
            }
        }
        self.complete_scope(scope, now);
    }

    fn name_scope(&mut self, scope: ScopeId) {
        if self.links.scope_names.contains_key(&scope) {
            return;
        }
        let name = self.scopes.iter().find(|(_, id)| **id == scope).map(|(name, _)| name.clone());
        self.links.scope_names.insert(scope, name.unwrap_or_default());
    }

    fn open_link(&mut self, scope: ScopeId, shard: ShardId, now: Instant) {
        if self.link_to(scope, shard).is_some() {
            return;
        }
        self.name_scope(scope);
        let id = LinkId(self.links.next_id);
        self.links.next_id += 1;
        let name = self.links.scope_names.get(&scope).cloned().unwrap_or_default();
        self.links.tell(shard, Item::Open(id, name));
        self.enter_link(scope, shard, id, Side::Client, now);
    }

    fn enter_link(&mut self, scope: ScopeId, shard: ShardId, id: LinkId, side: Side, now: Instant) {
        self.name_scope(scope);
        let config = link_config();
        let Some(draft) = config.drafts.first() else { return };
        let transport = LinkTransport::new(side, draft.token(), self.limits.shard_credit_bytes);
        let key = self.enter_session(Session::new(&config, transport.info(), now), Some(shard));
        if let Some(entry) = self.entry_mut(key) {
            entry.scope = scope;
        }
        self.links.by_id.insert((shard, id), key);
        self.links.by_scope.insert((scope, shard), key);
        self.links.ends.insert(key, LinkEnd { peer: shard, id, transport });
    }

    /// Lends the transport of a link, and takes along what it has to tell.
    pub(super) fn with_link(
        &mut self,
        key: SessionKey,
        work: impl FnOnce(&mut Self, &mut LinkTransport),
    ) {
        let Some(mut end) = self.links.ends.remove(&key) else { return };
        work(self, &mut end.transport);
        for frame in end.transport.take_frames() {
            self.links.tell(end.peer, Item::Frame(end.id, frame));
        }
        self.links.ends.insert(key, end);
    }

    /// Reads what came on a link, all of it: credit bounds that.
    fn hear_link(&mut self, key: SessionKey, now: Instant) {
        self.with_link(key, |shard, transport| {
            let Some(entry) = shard.entry_mut(key) else { return };
            while entry.session.handle_transport(transport, now) == ReadProgress::More {}
        });
        self.drain_events(key, now);
    }

    /// What links have to say about what was written to them.
    pub(super) fn hear_links(&mut self, now: Instant) {
        let heard =
            |(key, end): (&SessionKey, &LinkEnd)| end.transport.has_events().then_some(*key);
        let links: Vec<SessionKey> = self.links.ends.iter().filter_map(heard).collect();
        for key in links {
            self.hear_link(key, now);
        }
    }

    pub(super) fn link_ready(&mut self, key: SessionKey, now: Instant) {
        if let Some(scope) = self.entry(key).map(|entry| entry.scope) {
            self.complete_scope(scope, now);
        }
    }

    /// Lets the sessions of a scope act once all its links are there.
    fn complete_scope(&mut self, scope: ScopeId, now: Instant) {
        let links = self.links_of(scope);
        let greeted = |key: &SessionKey| self.entry(*key).is_some_and(|entry| entry.is_greeted);
        let complete = links.len() == self.placement.others().count() && links.iter().all(greeted);
        if !complete || !self.links.complete.insert(scope) {
            return;
        }
        let of_scope = |key: &SessionKey| self.entry(*key).is_some_and(|e| e.scope == scope);
        let sessions: Vec<SessionKey> = self.peer_keys().into_iter().filter(of_scope).collect();
        for session in sessions {
            self.drain_events(session, now);
        }
    }

    /// A shard closed its end: something in this relay is broken, and everything it published and
    /// took is gone.
    pub(super) fn link_lost(&mut self, key: SessionKey, shard: ShardId, end: &SessionEnd) {
        debug_assert!(false, "the link to shard {shard} broke: {end:?}");
        self.links.ends.remove(&key);
        self.links.by_id.retain(|_, link| *link != key);
        self.links.by_scope.retain(|_, link| *link != key);
        self.notice(Notice::ShardLost { shard, end: end.clone() });
    }

    /// Deadlines of links, which are no sign of a peer.
    pub(super) fn link_timers(&self) -> usize {
        let links = || self.links.ends.keys().copied();
        let of_sessions = links().filter(|key| self.timers.is_set(TimerKey::Session(*key)));
        let of_deliveries = links().filter(|key| self.timers.is_set(TimerKey::Delivery(*key)));
        of_sessions.count() + of_deliveries.count()
    }
}

/// Shards trust each other: what peers may cost was decided where they are.
fn link_config() -> SessionConfig {
    let limits = SessionLimits {
        requests_max: u32::MAX,
        subscriptions_max: u32::MAX,
        namespaces_max: u32::MAX,
        updates_max: u32::MAX,
        waiting_requests_max: usize::MAX,
        early_streams_max: usize::MAX,
        early_bytes_max: usize::MAX,
        setup_timeout: NEVER,
        ..SessionLimits::default()
    };
    let drafts = SessionConfig::default().drafts.into_iter().take(1).collect();
    SessionConfig { drafts, limits, is_link: true, ..SessionConfig::default() }
}
