//! What a session tells its owner.

use bytes::Bytes;

use crate::model::{
    DatagramHead, FetchItem, FetchOk, Goaway, ObjectHead, ObjectStreamHead, PublishDone, PublishOk,
    Request, RequestError, RequestId, RequestOk, RequestUpdate, ResetCode, SessionCode,
    SetupOptions, StateNotify, SubgroupHead, SubscribeOk, TrackName, TrackNamespace,
};
use crate::transport::StreamId;
use crate::wire::{Place, Violation};

/// Something the owner of a session has to know. In order, never about another session.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "queued briefly; the large ones are rare")]
pub enum SessionEvent {
    /// Both SETUPs are done; the peer's options.
    Ready(SetupOptions),

    /// The peer asks for something. Answer it exactly once.
    Request {
        /// Names the request from now on.
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// The peer changes a request of its own, or a subscription it took by PUBLISH.
    Update {
        /// The request that changes.
        id: RequestId,
        /// Names the update in [`answer_update`](super::Session::answer_update) and its fill.
        update_id: RequestId,
        /// What changes.
        update: RequestUpdate,
    },
    /// An update that needs another request, which did not come in time: answer it with an error.
    UpdateLapsed {
        /// The request that was to change.
        id: RequestId,
        /// The update.
        update_id: RequestId,
    },
    /// A request ended by the peer's will. Nothing follows for it, except data still on its way
    /// after [`RequestEnd::Done`].
    Ended {
        /// The request, ours or the peer's.
        id: RequestId,
        /// How.
        end: RequestEnd,
    },

    /// The peer answered a request of ours.
    Response {
        /// Our request.
        id: RequestId,
        /// The answer.
        response: Response,
    },
    /// The peer answered an update of ours. Never comes from the draft whose updates have no
    /// answer.
    UpdateResponse {
        /// The request that changes.
        id: RequestId,
        /// Our update.
        update_id: RequestId,
        /// The answer.
        result: Result<RequestOk, RequestError>,
    },
    /// A namespace appeared under a prefix we subscribed to.
    Namespace {
        /// Our namespace subscription.
        id: RequestId,
        /// What follows the prefix.
        suffix: TrackNamespace,
    },
    /// A namespace announced before is gone.
    NamespaceDone {
        /// Our namespace subscription.
        id: RequestId,
        /// What follows the prefix.
        suffix: TrackNamespace,
    },
    /// The peer will not offer this track by PUBLISH.
    PublishBlocked {
        /// Our namespace subscription.
        id: RequestId,
        /// The track's namespace after the prefix.
        suffix: TrackNamespace,
        /// The track's name.
        name: TrackName,
    },
    /// A publisher's state changed.
    StateNotify {
        /// The subscription.
        id: RequestId,
        /// What changed.
        notify: StateNotify,
    },
    /// The peer wants us gone: start no new requests here, look for another source.
    Goaway {
        /// One request only, or the whole session.
        id: Option<RequestId>,
        /// Where to and how soon.
        goaway: Goaway,
    },

    /// A subgroup stream of a subscription began.
    SubgroupOpened {
        /// Names the stream in the events that follow.
        stream: StreamId,
        /// Our SUBSCRIBE or the peer's PUBLISH.
        id: RequestId,
        /// Its header. `alias` is the peer's.
        head: SubgroupHead,
    },
    /// An object began on a stream of its own. Its payload follows as [`SessionEvent::Payload`], its
    /// end is [`SessionEvent::DataFinished`].
    ObjectOpened {
        /// Names the stream in the events that follow.
        stream: StreamId,
        /// Our SUBSCRIBE.
        id: RequestId,
        /// Its header. `alias` is the peer's.
        head: ObjectStreamHead,
    },
    /// An object began on a subgroup stream. Its payload follows as [`SessionEvent::Payload`].
    Object {
        /// The stream.
        stream: StreamId,
        /// Id, properties, status and payload length.
        head: ObjectHead,
    },
    /// A fetch or fill stream began.
    FetchOpened {
        /// Names the stream in the events that follow.
        stream: StreamId,
        /// Our FETCH, or the SUBSCRIBE or update that carried a fill.
        id: RequestId,
    },
    /// The next item on a fetch stream. An object's payload follows.
    FetchItem {
        /// The stream.
        stream: StreamId,
        /// Object or mark.
        item: FetchItem,
    },
    /// The next payload bytes of the stream's last object; never empty, never beyond its length.
    Payload {
        /// The stream.
        stream: StreamId,
        /// The bytes.
        data: Bytes,
    },
    /// The stream ended with FIN, between objects.
    DataFinished {
        /// The stream.
        stream: StreamId,
    },
    /// The stream was reset, or held more than we take; an object that was arriving stays
    /// incomplete.
    DataReset {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: ResetCode,
    },
    /// Data that makes its track malformed (MOQT-18 §2.4.2): end the subscriptions and fetches
    /// that this publisher serves. The stream it came on was stopped.
    Malformed {
        /// Our SUBSCRIBE or FETCH, or the peer's PUBLISH.
        id: RequestId,
        /// The rule, with the values that broke it.
        violation: Violation,
    },
    /// The peer broke a rule that costs less than its session. Dealt with already; for logs.
    Fault {
        /// The rule, with the values that broke it.
        violation: Violation,
        /// Where in the peer's bytes.
        place: Place,
    },
    /// An object in a datagram.
    Datagram {
        /// Our SUBSCRIBE or the peer's PUBLISH.
        id: RequestId,
        /// Its header. `alias` is the peer's.
        head: DatagramHead,
        /// Its payload.
        payload: Bytes,
    },

    /// A data stream of ours accepts bytes again.
    OutWritable {
        /// The stream.
        stream: StreamId,
    },
    /// The peer does not want a data stream of ours any more. The session has reset it.
    OutStopped {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: ResetCode,
    },
    /// Everything on a finished data stream of ours arrived.
    OutAcked {
        /// The stream.
        stream: StreamId,
    },
    /// Unidirectional streams can be opened again.
    StreamsAvailable,
    /// Datagrams can be sent again.
    DatagramsWritable,

    /// The session is over. Nothing follows.
    Closed(SessionEnd),
}

/// How a request ended by the peer's will.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestEnd {
    /// The peer cancelled or withdrew a request of its own: it left a subscription or a fetch,
    /// withdrew a namespace, lost interest in a prefix.
    Cancelled(ResetCode),
    /// The publisher ended a subscription, ours or one it offered.
    Done(PublishDone),
    /// The peer revoked a request of ours it had accepted: a namespace, or a track we publish.
    Revoked(RequestError),
    /// The stream of a request of ours failed before or without an answer.
    Lost(ResetCode),
}

/// The answer to a request of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Response {
    /// To SUBSCRIBE.
    Subscribe(SubscribeOk),
    /// To PUBLISH.
    Publish(PublishOk),
    /// To FETCH.
    Fetch(FetchOk),
    /// To TRACK_STATUS and the namespace requests.
    Ok(RequestOk),
    /// A refusal.
    Error(RequestError),
}

/// Why a session is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEnd {
    /// The peer closed it.
    Peer {
        /// The code, if it is one of ours to know.
        code: Option<SessionCode>,
        /// The number on the wire.
        wire_code: u64,
        /// What it said.
        reason: String,
    },
    /// The peer broke a rule that costs the session.
    Violation {
        /// What it was told.
        code: SessionCode,
        /// The rule, with the values that broke it.
        violation: Violation,
        /// Where in the peer's bytes.
        place: Place,
    },
    /// We closed it.
    Local {
        /// The code.
        code: SessionCode,
        /// Why.
        reason: String,
    },
    /// The connection under it failed or fell silent.
    Lost(String),
}
