//! One track: its store, who publishes it, who takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sluice_proto::model::{
    DoneCode, GroupId, Location, RangeEnd, RequestError, RequestId, ResetCode, StreamCount,
    Subscribe, Token, TrackProperties,
};

use crate::downstream::{Downstream, Phase, Timeouts};
use crate::fetch::{DownFetch, PendingFetch};
use crate::ids::{Part, RequestKey, SessionKey, TrackKey};
use crate::new_group::NewGroup;
use crate::numbering::Numbering;
use crate::origin::OriginId;
use crate::report::Traffic;
use crate::store::{FeedKey, FetchSpan, SourceId, TrackStore};

/// How an upstream subscription came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// We subscribed.
    Subscribe,
    /// The publisher offered it by PUBLISH.
    Publish,
}

/// A publisher of the track.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub origin: Origin,
    /// Its place in the store once it was accepted.
    pub source: Option<SourceId>,
    /// What it was last told.
    pub forward: bool,
    /// Data streams of it that began.
    pub streams_seen: u64,
    /// Its last word, with the time until which its streams may still come.
    pub done: Option<(DoneCode, String, StreamCount, Instant)>,
    /// Until then a count of streams in its last word is not trusted.
    pub doubted_until: Option<Instant>,
    /// Streams that have not ended.
    pub feeds_open: usize,
    /// It is another shard.
    pub of_shard: bool,
    /// The priority of the origin that it is, or that the other shard was asked for.
    pub origin_priority: Option<u8>,
    /// An origin that did not answer until then is given up.
    pub answer_by: Option<Instant>,
    /// The update by which that shard was told to go on, until it says from where.
    pub resuming: Option<RequestId>,
    /// How long the home was asked to wait for a publisher.
    pub rendezvous: Option<Duration>,
}

impl Upstream {
    /// A subscription that was just asked for, or offered.
    pub fn new(origin: Origin, source: Option<SourceId>, forward: bool) -> Self {
        Self {
            origin,
            source,
            forward,
            streams_seen: 0,
            done: None,
            doubted_until: None,
            feeds_open: 0,
            of_shard: false,
            origin_priority: None,
            answer_by: None,
            resuming: None,
            rendezvous: None,
        }
    }

    pub fn is_established(&self) -> bool {
        self.source.is_some() && self.done.is_none()
    }

    /// Whether it brings objects as they are published.
    pub fn flows(&self) -> bool {
        self.is_established() && self.forward && self.resuming.is_none()
    }

    /// Whether everything it owed has come, or was waited for.
    pub fn is_finished(&self, now: Instant) -> bool {
        let Some((_, _, streams, until)) = &self.done else { return false };
        let all = match streams {
            // Fewer than came: it does not count its streams, so more may be on their way.
            StreamCount::Known(count) => self.streams_seen == *count,
            StreamCount::Unknown => false,
        };
        let doubted = self.doubted_until.is_some_and(|at| now < at);
        self.feeds_open == 0 && all && !doubted || now >= *until
    }
}

/// A fetch of ours that fills the store.
#[derive(Debug)]
pub(crate) struct UpFetch {
    pub feed: FeedKey,
    pub span: FetchSpan,
    /// What FETCH_OK said, once it came.
    pub end: Option<RangeEnd>,
    /// Its stream ended with FIN, which may overtake FETCH_OK.
    pub finished: bool,
    pub until: Instant,
}

/// One track.
#[derive(Debug)]
pub(crate) struct Track {
    pub key: TrackKey,
    pub store: TrackStore,
    pub properties: TrackProperties,
    /// Whether properties came from a publisher yet.
    pub described: bool,
    /// The publisher's limit on the age of what is sent.
    pub timeouts: Timeouts,
    pub upstreams: BTreeMap<RequestKey, Upstream>,
    pub numbering: Numbering,
    pub downstreams: BTreeMap<RequestKey, Downstream>,
    pub fetches: BTreeMap<RequestKey, DownFetch>,
    /// Fetches that wait for a publisher's answer.
    pub pending_fetches: Vec<PendingFetch>,
    /// TRACK_STATUS requests that wait for a publisher's answer.
    pub pending_status: Vec<RequestKey>,
    /// Interests that are offered it once other shards said how far it is.
    pub pending_offers: BTreeSet<RequestKey>,
    /// Other shards that were asked how far the track is, for those who wait, and did not say yet.
    pub probes: usize,
    pub up_fetches: BTreeMap<RequestKey, UpFetch>,
    /// PUBLISH requests that are answered once the home answered.
    pub unanswered: Vec<RequestKey>,
    /// The best refusal so far, while others may still accept.
    pub refusal: Option<RequestError>,
    /// The last that brought it was an origin.
    pub is_of_origin: bool,
    /// Origins that do not have it, as far as is known.
    pub refused_by: BTreeSet<OriginId>,
    /// When origins are asked for it again, as viewers are kept although nobody brings it.
    pub retry_at: Option<Instant>,
    /// How often they were.
    pub retries: u32,
    /// Until then subgroups of a publisher that is gone are kept open.
    pub release_at: Option<Instant>,
    /// Where its home was when it left: what came since was not passed on. Of what a publisher on
    /// this shard brings.
    pub left_at: Option<Location>,
    /// Groups that viewers ask for.
    pub new_group: NewGroup,
    /// Until then worse origins are kept beside a better source.
    pub spare_until: Option<Instant>,
    /// Nobody takes it: until then it is kept.
    pub linger_until: Option<Instant>,
    /// Nobody publishes it any more: until then viewers are kept.
    pub hold_until: Option<Instant>,
    /// Memory as last counted in the shard's sum.
    pub counted_bytes: usize,
    /// What publishers brought, and bytes that viewers were sent; other shards are neither.
    pub arrived: Traffic,
    pub sent_bytes: u64,
}

impl Track {
    pub fn new(key: TrackKey, store: TrackStore) -> Self {
        Self {
            key,
            store,
            properties: TrackProperties::default(),
            described: false,
            timeouts: Timeouts::default(),
            upstreams: BTreeMap::new(),
            numbering: Numbering::default(),
            downstreams: BTreeMap::new(),
            fetches: BTreeMap::new(),
            pending_fetches: Vec::new(),
            pending_status: Vec::new(),
            pending_offers: BTreeSet::new(),
            probes: 0,
            up_fetches: BTreeMap::new(),
            unanswered: Vec::new(),
            refusal: None,
            is_of_origin: false,
            refused_by: BTreeSet::new(),
            retry_at: None,
            retries: 0,
            release_at: None,
            left_at: None,
            new_group: NewGroup::default(),
            spare_until: None,
            linger_until: None,
            hold_until: None,
            counted_bytes: 0,
            arrived: Traffic::default(),
            sent_bytes: 0,
        }
    }

    /// Whether a publisher accepted.
    pub fn is_established(&self) -> bool {
        self.upstreams.values().any(Upstream::is_established)
    }

    /// Whether a publisher offered it.
    pub fn is_offered(&self) -> bool {
        let offers = |up: &Upstream| up.origin == Origin::Publish && up.is_established();
        self.upstreams.values().any(offers)
    }

    /// Whether other shards may know more of the track than this one, as they do not feed it now:
    /// its largest location may be of the past.
    pub fn is_stale(&self) -> bool {
        match self.key.part {
            Part::Replica => !self.upstreams.values().any(Upstream::flows),
            _ => !self.silent_shards().is_empty(),
        }
    }

    /// Shards whose publishers were paused: what these sent before is known there alone.
    pub fn silent_shards(&self) -> BTreeSet<SessionKey> {
        let shards = || self.upstreams.iter().filter(|(_, up)| up.of_shard && up.is_established());
        let fed = |of: SessionKey| shards().any(|(who, up)| who.session == of && up.flows());
        shards().map(|(who, _)| who.session).filter(|session| !fed(*session)).collect()
    }

    /// What viewers ask for who wait for an answer.
    fn asked(&self) -> impl Iterator<Item = &Subscribe> {
        self.downstreams.values().filter_map(|down| down.asked.as_deref())
    }

    /// The longest wait for a publisher that a viewer asked for.
    pub fn rendezvous(&self) -> Option<Duration> {
        self.asked()
            .filter_map(|asked| asked.rendezvous_timeout)
            .filter(|wait| !wait.is_zero())
            .max()
    }

    /// A publisher is gone; what it was bringing is kept open until `until` if there are others.
    pub fn lose_source(&mut self, source: SourceId, until: Instant) {
        self.store.lose_source(source, ResetCode::Cancelled);
        self.release_by(until);
    }

    /// The same for one stream of a publisher that is gone.
    pub fn lose_feed(&mut self, feed: FeedKey, code: ResetCode, until: Instant) {
        self.store.lose_feed(feed, code);
        self.release_by(until);
    }

    fn release_by(&mut self, until: Instant) {
        let at = self.release_at.map_or(until, |at| at.min(until));
        self.release_at = self.store.is_holding().then_some(at);
    }

    /// The largest group that a viewer who waits for an answer asks for.
    pub fn asked_group(&self) -> Option<GroupId> {
        self.asked().filter_map(|asked| asked.new_group).max()
    }

    /// The group that upstream has to be asked for now.
    pub fn take_new_group(&mut self) -> Option<GroupId> {
        let is_dynamic = self.properties.settings().unwrap_or_default().dynamic_groups;
        self.new_group.take(is_dynamic == Some(true), self.largest_group())
    }

    /// The group of its largest location.
    pub fn largest_group(&self) -> Option<GroupId> {
        self.store.largest().map(|largest| largest.group)
    }

    /// What a viewer that waits for an answer showed.
    pub fn shown_tokens(&self) -> Vec<Token> {
        let shown = self.asked().map(|asked| &asked.tokens).find(|tokens| !tokens.is_empty());
        shown.cloned().unwrap_or_default()
    }

    /// Whether objects are to come by this upstream. Another shard may be one by its offer and by
    /// our subscription: objects come by one of them, the other only says that the track is taken.
    pub fn carries(&self, who: &RequestKey) -> bool {
        let Some(upstream) = self.upstreams.get(who).filter(|up| up.of_shard) else { return true };
        let same = || self.upstreams.iter().filter(|(of, _)| of.session == who.session);
        if same().any(|(_, up)| up.forward) {
            return upstream.forward;
        }
        let offered = same().any(|(_, up)| up.origin == Origin::Publish && up.is_established());
        !offered || upstream.origin == Origin::Publish
    }

    /// Whether a session is to bring objects already.
    pub fn is_fed_by(&self, session: SessionKey) -> bool {
        self.upstreams.iter().any(|(who, up)| who.session == session && up.forward)
    }

    /// Whether a session is asked for the track, or need not be as it is a peer that offered it.
    pub fn is_asked_of(&self, session: SessionKey) -> bool {
        let asked = |up: &Upstream| up.origin == Origin::Subscribe || !up.of_shard;
        self.upstreams.iter().any(|(who, up)| who.session == session && asked(up))
    }

    /// Whether a source is being fetched from. Its end, which would end that too, waits for it.
    pub fn is_asked_for_past(&self, who: &RequestKey) -> bool {
        self.up_fetches.keys().any(|fetch| fetch.session == who.session)
    }

    /// Subscriptions at origins beside which there are better sources: publishers of this relay, or
    /// origins of a better priority.
    pub fn spare_upstreams(&self) -> Vec<RequestKey> {
        let established = self.upstreams.values().filter(|up| up.is_established());
        let Some(best) = established.map(|up| up.origin_priority).min() else { return Vec::new() };
        let worse = |up: &Upstream| up.origin_priority > best && up.origin == Origin::Subscribe;
        self.upstreams.iter().filter(|(_, up)| worse(up)).map(|(who, _)| *who).collect()
    }

    /// Whether a publisher is being asked.
    pub fn is_pending(&self) -> bool {
        self.upstreams.values().any(|upstream| upstream.source.is_none())
    }

    /// Whether anyone wants objects now.
    pub fn wants_objects(&self) -> bool {
        self.downstreams.values().any(Downstream::wants_objects)
    }

    /// Whether exactly one viewer takes it, or a shard that has some.
    pub fn has_one_taker(&self) -> bool {
        self.downstreams.values().filter(|down| down.offer.is_none()).take(2).count() == 1
    }

    /// Begins to serve a fetch or fill that waits for publishers no longer than `patience`.
    pub fn begin_fetch(
        &mut self,
        who: RequestKey,
        mut fetch: DownFetch,
        patience: Option<Duration>,
        now: Instant,
    ) {
        fetch.until = patience.map(|patience| now + patience);
        fetch.asks_home = self.key.part == Part::Replica;
        self.fetches.insert(who, fetch);
    }

    /// Whether anyone takes it or waits for it. A shard that was offered it and pauses has nobody
    /// who does.
    pub fn is_wanted(&self) -> bool {
        let takes = |d: &Downstream| d.offer.is_none() || d.forward || d.resuming.is_some();
        self.downstreams.values().any(takes)
            || !self.fetches.is_empty()
            || !self.pending_fetches.is_empty()
            || !self.pending_status.is_empty()
    }

    /// The upstream that a session's request is.
    pub fn upstream_of(
        &mut self,
        session: SessionKey,
        request: RequestId,
    ) -> Option<&mut Upstream> {
        self.upstreams.get_mut(&RequestKey { session, request })
    }

    /// The next time something is due.
    pub fn deadline(&self) -> Option<Instant> {
        let held = self.downstreams.values().filter_map(|down| match down.phase {
            Phase::Held { until } => Some(until),
            _ => None,
        });
        let ends = self.upstreams.iter().filter(|(who, _)| !self.is_asked_for_past(who));
        let done = ends.filter_map(|(_, up)| up.done.as_ref().map(|done| done.3));
        let doubts = self.upstreams.values().filter_map(|up| up.doubted_until);
        let answers = self.upstreams.values().filter_map(|up| up.answer_by);
        let fetches = self.up_fetches.values().map(|fetch| fetch.until);
        let pending = self.pending_fetches.iter().map(|fetch| fetch.until);
        let asking = self.fetches.values().filter_map(DownFetch::deadline);
        held.chain(done)
            .chain(doubts)
            .chain(fetches)
            .chain(pending)
            .chain(self.linger_until)
            .chain(self.hold_until)
            .chain(self.retry_at)
            .chain(self.spare_until)
            .chain(self.release_at)
            .chain(answers)
            .chain(asking)
            .min()
    }
}
