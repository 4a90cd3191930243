//! The canonical requests, responses and notices, with the newest draft's meaning.
//!
//! `None` in an optional setting means that the message does not say; the default of the field is
//! named in its documentation. Durations are milliseconds on the wire.

use std::time::Duration;

use super::filter::{Fill, LocationFilter, RangeEnd, RangeFilters};
use super::id::{GroupId, Location, Priority, RequestId, TrackAlias};
use super::name::{FullTrackName, TrackNamespace};
use super::property::TrackProperties;
use super::token::Token;
use super::{DoneCode, RequestCode};

/// Order in which groups are sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum GroupOrder {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// Options of SETUP. Unknown ones are ignored on receipt.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SetupOptions {
    /// PATH; raw QUIC clients only.
    pub path: Option<String>,
    /// AUTHORITY; raw QUIC clients only.
    pub authority: Option<String>,
    /// One more than the largest request id the peer may use, where the draft limits requests so.
    /// Absent means that the peer may make none.
    pub request_id_limit: Option<u64>,
    /// Bytes of tokens that the peer may register.
    pub token_cache_bytes: Option<u64>,
    /// Ranges that the peer may use in range filters.
    pub filter_ranges: Option<u64>,
    /// Outstanding updates per request; absent or 0 is unlimited.
    pub request_updates: Option<u64>,
    /// MOQT_IMPLEMENTATION, for people.
    pub implementation: Option<String>,
    /// Tokens.
    pub tokens: Vec<Token>,
}

/// What the sender of a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "one per message, never stored in bulk")]
pub enum Request {
    /// SUBSCRIBE.
    Subscribe(Subscribe),
    /// PUBLISH.
    Publish(Publish),
    /// FETCH.
    Fetch(Fetch),
    /// TRACK_STATUS.
    TrackStatus(TrackStatus),
    /// PUBLISH_NAMESPACE.
    PublishNamespace(PublishNamespace),
    /// SUBSCRIBE_NAMESPACE and SUBSCRIBE_TRACKS.
    SubscribeNamespace(SubscribeNamespace),
}

/// The kind of a [`Request`], which decides what its answers look like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the variants of Request")]
pub enum RequestKind {
    Subscribe,
    Publish,
    Fetch,
    TrackStatus,
    PublishNamespace,
    SubscribeNamespace,
}

impl RequestKind {
    /// All of them.
    pub const ALL: [RequestKind; 6] = [
        RequestKind::Subscribe,
        RequestKind::Publish,
        RequestKind::Fetch,
        RequestKind::TrackStatus,
        RequestKind::PublishNamespace,
        RequestKind::SubscribeNamespace,
    ];
}

impl Request {
    /// Which kind of request this is.
    pub fn kind(&self) -> RequestKind {
        match self {
            Request::Subscribe(_) => RequestKind::Subscribe,
            Request::Publish(_) => RequestKind::Publish,
            Request::Fetch(_) => RequestKind::Fetch,
            Request::TrackStatus(_) => RequestKind::TrackStatus,
            Request::PublishNamespace(_) => RequestKind::PublishNamespace,
            Request::SubscribeNamespace(_) => RequestKind::SubscribeNamespace,
        }
    }

    /// The tokens that came with it.
    pub fn tokens(&self) -> &[Token] {
        match self {
            Request::Subscribe(r) => &r.tokens,
            Request::Publish(r) => &r.tokens,
            Request::Fetch(r) => &r.tokens,
            Request::TrackStatus(r) => &r.tokens,
            Request::PublishNamespace(r) => &r.tokens,
            Request::SubscribeNamespace(r) => &r.tokens,
        }
    }
}

/// SUBSCRIBE: new objects of a track.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subscribe {
    /// The track.
    pub track: FullTrackName,
    /// Which objects.
    pub filter: LocationFilter,
    /// Whether to send objects now. Default true.
    pub forward: Option<bool>,
    /// Subscriber priority. Default 128.
    pub priority: Option<Priority>,
    /// Group order. Default: the publisher's.
    pub order: Option<GroupOrder>,
    /// Give up on an object after this long.
    pub object_timeout: Option<Duration>,
    /// Give up on a finished subgroup after this long.
    pub subgroup_timeout: Option<Duration>,
    /// How long to wait for a publisher. Default: not at all.
    pub rendezvous_timeout: Option<Duration>,
    /// Asks the publisher to start a group: largest known group + 1, 0 if unknown.
    pub new_group: Option<GroupId>,
    /// Past objects wanted as well.
    pub fill: Option<Fill>,
    /// Range filters.
    pub range_filters: RangeFilters,
    /// Whether the answer carries the track's properties. Default true.
    pub include_properties: Option<bool>,
    /// Tokens.
    pub tokens: Vec<Token>,
}

/// TRACK_STATUS: facts of a track, without a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrackStatus {
    /// The track.
    pub track: FullTrackName,
    /// Whether the answer carries the track's properties. Default true.
    pub include_properties: Option<bool>,
    /// Tokens.
    pub tokens: Vec<Token>,
}

/// PUBLISH: a publisher offers a track; its acceptance is a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Publish {
    /// The track.
    pub track: FullTrackName,
    /// The publisher's alias for it.
    pub alias: TrackAlias,
    /// Largest location published so far.
    pub largest: Option<Location>,
    /// Whether objects are sent before the subscriber says otherwise. Default true.
    pub forward: Option<bool>,
    /// Group order in which it will send.
    pub order: Option<GroupOrder>,
    /// Initial filter of the subscription, in drafts where PUBLISH states it.
    pub filter: Option<LocationFilter>,
    /// Initial subscriber priority, in drafts where PUBLISH states it.
    pub priority: Option<Priority>,
    /// How long the offer holds.
    pub expires: Option<Duration>,
    /// Subscriber's object timeout, in drafts where PUBLISH states it.
    pub object_timeout: Option<Duration>,
    /// Subscriber's subgroup timeout, in drafts where PUBLISH states it.
    pub subgroup_timeout: Option<Duration>,
    /// The track's properties.
    pub properties: TrackProperties,
    /// Tokens.
    pub tokens: Vec<Token>,
}

/// PUBLISH_NAMESPACE: the sender serves tracks under a namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PublishNamespace {
    /// The namespace.
    pub namespace: TrackNamespace,
    /// Tokens.
    pub tokens: Vec<Token>,
}

/// What a namespace subscription wants to learn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Interest {
    /// Tracks, by PUBLISH (SUBSCRIBE_TRACKS in newer drafts).
    Tracks,
    /// Namespaces, by NAMESPACE or PUBLISH_NAMESPACE.
    Namespaces,
    /// Both; newer drafts need two requests for it.
    Both,
}

impl Interest {
    /// Whether tracks are wanted.
    pub fn tracks(self) -> bool {
        matches!(self, Interest::Tracks | Interest::Both)
    }

    /// Whether namespaces are wanted.
    pub fn namespaces(self) -> bool {
        matches!(self, Interest::Namespaces | Interest::Both)
    }
}

/// SUBSCRIBE_NAMESPACE or SUBSCRIBE_TRACKS: what appears under a prefix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubscribeNamespace {
    /// The prefix; empty for everything.
    pub prefix: TrackNamespace,
    /// What is wanted.
    pub interest: Interest,
    /// Whether tracks offered in return send objects at once. Default true.
    pub forward: Option<bool>,
    /// Group order for the tracks offered in return.
    pub order: Option<GroupOrder>,
    /// Filter for the tracks offered in return.
    pub filter: Option<LocationFilter>,
    /// Subscriber priority for the tracks offered in return.
    pub priority: Option<Priority>,
    /// Object timeout for the tracks offered in return.
    pub object_timeout: Option<Duration>,
    /// Subgroup timeout for the tracks offered in return.
    pub subgroup_timeout: Option<Duration>,
    /// Fill for the tracks offered in return.
    pub fill: Option<Fill>,
    /// Range filters for the tracks offered in return.
    pub range_filters: RangeFilters,
    /// Whether PUBLISH carries the tracks' properties. Default true.
    pub include_properties: Option<bool>,
    /// Tokens.
    pub tokens: Vec<Token>,
}

impl SubscribeNamespace {
    /// An interest in everything under `prefix`, with all settings at their defaults.
    pub fn new(prefix: TrackNamespace, interest: Interest) -> Self {
        Self {
            prefix,
            interest,
            forward: None,
            order: None,
            filter: None,
            priority: None,
            object_timeout: None,
            subgroup_timeout: None,
            fill: None,
            range_filters: RangeFilters::new(),
            include_properties: None,
            tokens: Vec::new(),
        }
    }
}

impl Fetch {
    /// A fetch with all settings at their defaults.
    pub fn new(range: FetchRange) -> Self {
        Self {
            range,
            priority: None,
            order: None,
            fill_timeout: None,
            range_filters: RangeFilters::new(),
            include_properties: None,
            tokens: Vec::new(),
        }
    }
}

/// Where a joining fetch starts; it ends where its subscription began.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JoiningStart {
    /// This many groups before the joining location's group.
    Relative(u64),
    /// At the start of this group.
    Absolute(GroupId),
}

/// What a fetch asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchRange {
    /// A part of a track; unbounded filters end at the largest object.
    Standalone(FullTrackName, LocationFilter),
    /// What precedes a subscription of the same session.
    Joining(RequestId, JoiningStart),
}

/// FETCH: past objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetch {
    /// Track and range.
    pub range: FetchRange,
    /// Subscriber priority. Default 128.
    pub priority: Option<Priority>,
    /// Group order. Default ascending.
    pub order: Option<GroupOrder>,
    /// Longest wait for upstream; 0 takes only what is at hand. Default: the relay's choice.
    pub fill_timeout: Option<Duration>,
    /// Range filters.
    pub range_filters: RangeFilters,
    /// Whether the answer carries the track's properties. Default true.
    pub include_properties: Option<bool>,
    /// Tokens.
    pub tokens: Vec<Token>,
}

/// SUBSCRIBE_OK.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubscribeOk {
    /// The publisher's alias for the track on this session.
    pub alias: TrackAlias,
    /// How long the subscription lasts; `None` for ever.
    pub expires: Option<Duration>,
    /// Largest location published; `None` if nothing was.
    pub largest: Option<Location>,
    /// Order in which groups will be sent, where the draft says so.
    pub order: Option<GroupOrder>,
    /// The track's properties.
    pub properties: TrackProperties,
}

/// Acceptance of a PUBLISH. From draft 20 on it only says how long; the rest follows in an update.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PublishOk {
    /// Which objects.
    pub filter: Option<LocationFilter>,
    /// Whether to send objects now. Default true.
    pub forward: Option<bool>,
    /// Subscriber priority. Default 128.
    pub priority: Option<Priority>,
    /// Group order.
    pub order: Option<GroupOrder>,
    /// Object timeout.
    pub object_timeout: Option<Duration>,
    /// Subgroup timeout.
    pub subgroup_timeout: Option<Duration>,
    /// How long the subscription lasts.
    pub expires: Option<Duration>,
    /// Asks for a new group.
    pub new_group: Option<GroupId>,
    /// Range filters.
    pub range_filters: RangeFilters,
}

/// FETCH_OK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchOk {
    /// Whether the end is the end of the track.
    pub end_of_track: bool,
    /// Last location that the answer accounts for; without an object it is the whole group.
    pub end: RangeEnd,
    /// Group order, where the draft says so.
    pub order: Option<GroupOrder>,
    /// The track's properties.
    pub properties: TrackProperties,
}

/// REQUEST_OK in answer to an update, a namespace request or a track status.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestOk {
    /// How long it lasts.
    pub expires: Option<Duration>,
    /// Largest location of the track.
    pub largest: Option<Location>,
    /// The track's properties; only in answer to TRACK_STATUS.
    pub properties: TrackProperties,
}

/// REQUEST_ERROR, in whichever message the draft puts it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestError {
    /// Why.
    pub code: RequestCode,
    /// When a retry makes sense; `None` for never.
    pub retry_after: Option<Duration>,
    /// For people; at most 1,024 bytes.
    pub reason: String,
    /// With [`RequestCode::Redirect`]: where else.
    pub redirect: Option<Redirect>,
}

impl RequestError {
    /// An error without retry or redirect.
    pub fn new(code: RequestCode, reason: impl Into<String>) -> Self {
        Self { code, retry_after: None, reason: reason.into(), redirect: None }
    }
}

/// Where a redirected request should go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Redirect {
    /// The session; empty for the same one.
    pub uri: String,
    /// The track there; before draft 20 one without namespace and name is the one asked for.
    pub track: FullTrackName,
}

/// REQUEST_UPDATE. Absent settings keep their value.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestUpdate {
    /// New filter; `All` removes it where the draft can.
    pub filter: Option<LocationFilter>,
    /// Whether to send objects.
    pub forward: Option<bool>,
    /// Subscriber priority.
    pub priority: Option<Priority>,
    /// Object timeout.
    pub object_timeout: Option<Duration>,
    /// Subgroup timeout.
    pub subgroup_timeout: Option<Duration>,
    /// Asks for a new group.
    pub new_group: Option<GroupId>,
    /// Past objects wanted.
    pub fill: Option<Fill>,
    /// Range filters that replace the ones of the same kind and set; `None` of an entry removes.
    pub range_filters: RangeFilters,
    /// New prefix of a namespace request.
    pub prefix: Option<TrackNamespace>,
    /// Tokens.
    pub tokens: Vec<Token>,
}

/// How many data streams a publisher opened for a subscription.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StreamCount {
    /// This many.
    Known(u64),
    /// It does not say.
    Unknown,
}

/// PUBLISH_DONE: the publisher's last word on a subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishDone {
    /// Why.
    pub code: DoneCode,
    /// Streams to expect.
    pub streams: StreamCount,
    /// For people; at most 1,024 bytes.
    pub reason: String,
}

/// PUBLISH_STATE_NOTIFY: what changed at the publisher.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StateNotify {
    /// Largest location.
    pub largest: Option<Location>,
    /// Forward state.
    pub forward: Option<bool>,
    /// Filter in force.
    pub filter: Option<LocationFilter>,
}

/// GOAWAY.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Goaway {
    /// Where to go; empty for the same address again. At most 8,192 bytes.
    pub uri: String,
    /// How long the sender waits before it closes; `None` if it does not say.
    pub timeout: Option<Duration>,
    /// The smallest request of the receiver that was not processed, where the draft says so.
    pub first_unprocessed: Option<RequestId>,
}

/// Bytes of a reason phrase that are kept; longer ones break the draft's limit.
pub const REASON_BYTES_MAX: usize = 1024;
/// Bytes of a GOAWAY uri.
pub const URI_BYTES_MAX: usize = 8192;

/// Cuts a text to [`REASON_BYTES_MAX`] bytes at a character boundary.
pub fn clip_reason(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}
