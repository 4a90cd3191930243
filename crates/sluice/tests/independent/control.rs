//! One MOQT client of `moqtap-client`, whatever its draft: what a test asks of it.
//!
//! Each draft of the library has types of its own. [`Client`] names the drafts once; adding one is
//! its line in `drafts!` below, its lines in `data.rs` and `fetch.rs`, and, if its requests are
//! shaped like no other draft's, a file beside this one.

use anyhow::{Context, Result, bail};
use moqtap_codec::kvp::{KeyValuePair, KvpValue};
use moqtap_codec::types::TrackNamespace;
use moqtap_codec::varint::VarInt;
use moqtap_codec::version::DraftVersion;

use super::dial::{Carrier, Link};
use super::object::{Properties, Value};
use super::{
    control_stream_14, control_stream_15, control_stream_16, request_streams_18, request_streams_20,
};

/// A request of either side, by its id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Request(pub u64);

/// What SUBSCRIBE_OK or PUBLISH tells a subscriber.
#[derive(Clone, PartialEq, Debug)]
pub struct Accepted {
    /// Alias on this session.
    pub alias: u64,
    /// Track properties; empty where the draft has none.
    pub properties: Properties,
}

/// What a publisher is offered to answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    /// The request.
    pub request: Request,
    /// Track name.
    pub track: Vec<u8>,
}

/// A publisher's SUBSCRIBE_OK.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Alias on this session.
    pub alias: u64,
    /// Track properties; left out where the draft has none.
    pub properties: Properties,
    /// Largest group and id, if there is any object.
    pub largest: Option<(u64, u64)>,
}

impl Answer {
    /// The largest location as two integers of a draft.
    pub fn largest_bytes(&self, draft: DraftVersion) -> Option<Vec<u8>> {
        self.largest.map(|(group, id)| {
            let mut bytes = Vec::new();
            draft.encode_varint(number(group), &mut bytes);
            draft.encode_varint(number(id), &mut bytes);
            bytes
        })
    }
}

/// What FETCH_OK says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// Whether the track is known to end there.
    pub end_of_track: bool,
}

/// From which object to which, both included; no end id is the whole group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// First group and id.
    pub from: (u64, u64),
    /// Last group.
    pub group: u64,
    /// Last id.
    pub id: Option<u64>,
}

impl Range {
    /// As drafts up to 19 write it: the id after the last, 0 for the whole group.
    pub fn up_to(from: (VarInt, VarInt), group: VarInt, after: VarInt) -> Range {
        Range {
            from: (from.0.into_inner(), from.1.into_inner()),
            group: group.into_inner(),
            id: after.into_inner().checked_sub(1),
        }
    }

    /// Whether a location is in it.
    pub fn contains(&self, group: u64, id: u64) -> bool {
        (group, id) >= self.from
            && (group < self.group || group == self.group && self.id.is_none_or(|last| id <= last))
    }
}

macro_rules! drafts {
    ($($draft:ident => $client:path),+ $(,)?) => {
        /// A client that speaks one draft.
        pub enum Client {
            $(#[doc = stringify!($draft)] $draft(Box<$client>),)+
        }

        impl Client {
            /// Sets up a session on a connection.
            pub async fn connect(
                link: &Link,
                carrier: Carrier,
                draft: DraftVersion,
            ) -> Result<Client> {
                match draft {
                    $(DraftVersion::$draft => {
                        let client = <$client>::connect(link.transport(), carrier).await;
                        Ok(Client::$draft(Box::new(client.context("SETUP")?)))
                    })+
                    other => bail!("{other:?} has no line here yet"),
                }
            }
        }

        /// The same call on the client of whichever draft.
        macro_rules! each {
            ($self:ident, $peer:ident => $call:expr) => {
                match $self {
                    $(Client::$draft($peer) => $call.await,)+
                }
            };
        }
    };
}

drafts! {
    Draft14 => control_stream_14::Client,
    Draft15 => control_stream_15::Client,
    Draft16 => control_stream_16::Client,
    Draft17 => request_streams_18::draft17::Client,
    Draft18 => request_streams_18::draft18::Client,
    Draft19 => request_streams_18::draft19::Client,
    Draft20 => request_streams_20::draft20::Client,
    Draft21 => request_streams_20::draft21::Client,
    Draft22 => request_streams_20::draft22::Client,
}

impl Client {
    /// Asks for the namespaces and the tracks under a prefix.
    pub async fn watch(&mut self, prefix: &[&str]) -> Result<()> {
        each!(self, peer => peer.watch(prefix)).context("SUBSCRIBE_NAMESPACE")
    }

    /// Waits for a namespace under the prefix that is watched.
    pub async fn next_namespace(&mut self) -> Result<Vec<Vec<u8>>> {
        each!(self, peer => peer.next_namespace()).context("waiting for a namespace")
    }

    /// Accepts the next PUBLISH, to be forwarded.
    pub async fn accept_publish(&mut self) -> Result<(Asked, Accepted)> {
        each!(self, peer => peer.accept_publish()).context("waiting for PUBLISH")
    }

    /// Sends SUBSCRIBE for new objects; with `fill`, where a draft can, also for the current group.
    pub async fn subscribe(
        &mut self,
        namespace: &[&str],
        track: &str,
        fill: bool,
    ) -> Result<Request> {
        each!(self, peer => peer.subscribe(namespace, track, fill)).context("SUBSCRIBE")
    }

    /// Waits for its answer.
    pub async fn subscribed(&mut self, request: Request) -> Result<Accepted> {
        each!(self, peer => peer.subscribed(request)).context("waiting for SUBSCRIBE_OK")
    }

    /// Sends FETCH for the current group's past, in the drafts that have joining fetches.
    pub async fn join(&mut self, subscription: Request) -> Result<Option<Request>> {
        each!(self, peer => peer.join(subscription)).context("joining FETCH")
    }

    /// Sends FETCH for a range.
    pub async fn fetch(
        &mut self,
        namespace: &[&str],
        track: &str,
        range: Range,
    ) -> Result<Request> {
        each!(self, peer => peer.fetch(namespace, track, range)).context("FETCH")
    }

    /// Waits for its answer.
    pub async fn fetched(&mut self, request: Request) -> Result<Fetched> {
        each!(self, peer => peer.fetched(request)).context("waiting for FETCH_OK")
    }

    /// Waits for PUBLISH_DONE; returns status and number of streams.
    pub async fn done(&mut self, request: Request) -> Result<(u64, u64)> {
        each!(self, peer => peer.done(request)).context("waiting for PUBLISH_DONE")
    }

    /// Publishes a namespace and waits for the answer.
    pub async fn publish_namespace(&mut self, namespace: &[&str]) -> Result<()> {
        each!(self, peer => peer.publish_namespace(namespace)).context("PUBLISH_NAMESPACE")
    }

    /// Waits for a SUBSCRIBE.
    pub async fn next_subscribe(&mut self) -> Result<Asked> {
        each!(self, peer => peer.next_subscribe()).context("waiting for SUBSCRIBE")
    }

    /// Answers it.
    pub async fn accept_subscribe(&mut self, request: Request, answer: &Answer) -> Result<()> {
        each!(self, peer => peer.accept_subscribe(request, answer)).context("SUBSCRIBE_OK")
    }

    /// Sends PUBLISH.
    pub async fn publish(
        &mut self,
        namespace: &[&str],
        track: &str,
        alias: u64,
        properties: &Properties,
    ) -> Result<Request> {
        each!(self, peer => peer.publish(namespace, track, alias, properties)).context("PUBLISH")
    }

    /// Waits until its objects are wanted.
    pub async fn wanted(&mut self, request: Request) -> Result<()> {
        each!(self, peer => peer.wanted(request)).context("waiting for FORWARD 1")
    }

    /// Waits for a FETCH.
    pub async fn next_fetch(&mut self) -> Result<(Asked, Range)> {
        each!(self, peer => peer.next_fetch()).context("waiting for FETCH")
    }

    /// Answers it with its last location.
    pub async fn accept_fetch(
        &mut self,
        request: Request,
        end: (u64, u64),
        ends_track: bool,
    ) -> Result<()> {
        each!(self, peer => peer.accept_fetch(request, end, ends_track)).context("FETCH_OK")
    }

    /// Ends a track with "track ended".
    pub async fn finish(&mut self, request: Request, streams: u64) -> Result<()> {
        each!(self, peer => peer.finish(request, streams)).context("PUBLISH_DONE")
    }
}

/// A namespace.
pub fn namespace(fields: &[&str]) -> TrackNamespace {
    TrackNamespace(fields.iter().map(|field| field.as_bytes().to_vec()).collect())
}

/// A number.
pub fn number(value: u64) -> VarInt {
    VarInt::from_u64_moqt(value)
}

/// A parameter with a number.
pub fn parameter(key: u64, value: u64) -> KeyValuePair {
    KeyValuePair { key: number(key), value: KvpValue::Varint(number(value)) }
}

/// A parameter with bytes.
pub fn parameter_bytes(key: u64, value: &[u8]) -> KeyValuePair {
    KeyValuePair { key: number(key), value: KvpValue::Bytes(value.to_vec()) }
}

/// The number of a parameter.
pub fn value_of(parameters: &[KeyValuePair], key: u64) -> Option<u64> {
    parameters.iter().find_map(|pair| match &pair.value {
        KvpValue::Varint(value) if pair.key.into_inner() == key => Some(value.into_inner()),
        _ => None,
    })
}

/// Properties as pairs of the library.
pub fn to_pairs(properties: &Properties) -> Vec<KeyValuePair> {
    let pair = |(kind, value): &(u64, Value)| match value {
        Value::Number(value) => parameter(*kind, *value),
        Value::Bytes(bytes) => parameter_bytes(*kind, bytes),
    };
    properties.iter().map(pair).collect()
}

/// And back.
pub fn from_pairs(pairs: &[KeyValuePair]) -> Properties {
    let property = |pair: &KeyValuePair| {
        let value = match &pair.value {
            KvpValue::Varint(value) => Value::Number(value.into_inner()),
            KvpValue::Bytes(bytes) => Value::Bytes(bytes.clone()),
        };
        (pair.key.into_inner(), value)
    };
    pairs.iter().map(property).collect()
}

/// The namespace that a prefix and a suffix make.
pub fn joined(prefix: &TrackNamespace, suffix: &TrackNamespace) -> Vec<Vec<u8>> {
    prefix.0.iter().chain(&suffix.0).cloned().collect()
}
