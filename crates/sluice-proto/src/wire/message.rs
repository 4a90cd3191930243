//! A control message, and what one must know to read or write it.

use crate::model::{
    Goaway, PublishDone, Request, RequestCode, RequestId, RequestKind, RequestUpdate, SetupOptions,
    StateNotify, TrackName, TrackNamespace,
};
use crate::session::Response;
use crate::transport::Side;

/// A control message with the newest draft's meaning.
///
/// Where a draft puts no request id into a message, the id is the one of the message's stream.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, never stored in bulk")]
pub enum Message {
    /// CLIENT_SETUP.
    ClientSetup {
        /// Versions that the client speaks, best first; empty where the draft was agreed before.
        versions: Vec<u64>,
        /// Its options.
        options: SetupOptions,
    },
    /// SERVER_SETUP.
    ServerSetup {
        /// The chosen version, where the draft is agreed here.
        version: Option<u64>,
        /// The server's options.
        options: SetupOptions,
    },
    /// SETUP of either side.
    Setup(SetupOptions),
    /// GOAWAY, of the session or, on a request's own stream, of that request.
    Goaway(Goaway),
    /// MAX_REQUEST_ID: one more than the largest request id that the receiver may use.
    RequestIdLimit(u64),
    /// REQUESTS_BLOCKED: the limit at which the sender is stuck.
    RequestsBlocked(u64),
    /// SUBSCRIBE, PUBLISH, FETCH, TRACK_STATUS, PUBLISH_NAMESPACE, SUBSCRIBE_NAMESPACE or
    /// SUBSCRIBE_TRACKS.
    Request {
        /// The new request.
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// An acceptance or a refusal of a request or an update, in whichever message the draft has
    /// for it.
    Response {
        /// The request or update that is answered; on a request's own stream always the request.
        id: RequestId,
        /// The answer.
        response: Response,
    },
    /// REQUEST_UPDATE or SUBSCRIBE_UPDATE.
    Update {
        /// The id of the update itself.
        id: RequestId,
        /// The request that changes.
        existing: RequestId,
        /// What changes.
        update: RequestUpdate,
    },
    /// PUBLISH_DONE.
    PublishDone {
        /// The subscription.
        id: RequestId,
        /// The publisher's last word.
        done: PublishDone,
    },
    /// PUBLISH_STATE_NOTIFY.
    StateNotify {
        /// The subscription.
        id: RequestId,
        /// What changed.
        notify: StateNotify,
    },
    /// NAMESPACE, on the stream of a namespace subscription.
    Namespace {
        /// What follows the prefix.
        suffix: TrackNamespace,
    },
    /// NAMESPACE_DONE, on the stream of a namespace subscription.
    NamespaceDone {
        /// What follows the prefix.
        suffix: TrackNamespace,
    },
    /// PUBLISH_BLOCKED or PUBLISH_SKIPPED, on the stream of a track interest.
    PublishBlocked {
        /// The track's namespace after the prefix.
        suffix: TrackNamespace,
        /// The track's name.
        name: TrackName,
    },
    /// UNSUBSCRIBE.
    Unsubscribe(RequestId),
    /// FETCH_CANCEL.
    FetchCancel(RequestId),
    /// PUBLISH_NAMESPACE_DONE.
    PublishNamespaceDone(NamespaceRef),
    /// PUBLISH_NAMESPACE_CANCEL.
    PublishNamespaceCancel {
        /// The namespace that is not wanted any more.
        which: NamespaceRef,
        /// Why.
        code: RequestCode,
        /// For people; at most 1,024 bytes.
        reason: String,
    },
    /// UNSUBSCRIBE_NAMESPACE.
    UnsubscribeNamespace(NamespaceRef),
}

impl Message {
    /// The message's name. A response has the name that the newest draft gives it.
    pub fn kind(&self) -> MessageKind {
        match self {
            Message::ClientSetup { .. } => MessageKind::ClientSetup,
            Message::ServerSetup { .. } => MessageKind::ServerSetup,
            Message::Setup(_) => MessageKind::Setup,
            Message::Goaway(_) => MessageKind::Goaway,
            Message::RequestIdLimit(_) => MessageKind::MaxRequestId,
            Message::RequestsBlocked(_) => MessageKind::RequestsBlocked,
            Message::Request { request, .. } => match request {
                Request::Subscribe(_) => MessageKind::Subscribe,
                Request::Publish(_) => MessageKind::Publish,
                Request::Fetch(_) => MessageKind::Fetch,
                Request::TrackStatus(_) => MessageKind::TrackStatus,
                Request::PublishNamespace(_) => MessageKind::PublishNamespace,
                Request::SubscribeNamespace(_) => MessageKind::SubscribeNamespace,
            },
            Message::Response { response, .. } => match response {
                Response::Subscribe(_) => MessageKind::SubscribeOk,
                Response::Publish(_) => MessageKind::PublishOk,
                Response::Fetch(_) => MessageKind::FetchOk,
                Response::Ok(_) => MessageKind::RequestOk,
                Response::Error(_) => MessageKind::RequestError,
            },
            Message::Update { .. } => MessageKind::RequestUpdate,
            Message::PublishDone { .. } => MessageKind::PublishDone,
            Message::StateNotify { .. } => MessageKind::PublishStateNotify,
            Message::Namespace { .. } => MessageKind::Namespace,
            Message::NamespaceDone { .. } => MessageKind::NamespaceDone,
            Message::PublishBlocked { .. } => MessageKind::PublishBlocked,
            Message::Unsubscribe(_) => MessageKind::Unsubscribe,
            Message::FetchCancel(_) => MessageKind::FetchCancel,
            Message::PublishNamespaceDone(_) => MessageKind::PublishNamespaceDone,
            Message::PublishNamespaceCancel { .. } => MessageKind::PublishNamespaceCancel,
            Message::UnsubscribeNamespace(_) => MessageKind::UnsubscribeNamespace,
        }
    }
}

/// How a draft names a namespace request that ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamespaceRef {
    /// By the namespace or prefix.
    Name(TrackNamespace),
    /// By the request.
    Request(RequestId),
}

/// The messages by name, for tables, logs and violations.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the drafts' own")]
pub enum MessageKind {
    ClientSetup,
    ServerSetup,
    Setup,
    Goaway,
    MaxRequestId,
    RequestsBlocked,
    Subscribe,
    SubscribeOk,
    SubscribeError,
    Publish,
    PublishOk,
    PublishError,
    PublishDone,
    PublishStateNotify,
    Fetch,
    FetchOk,
    FetchError,
    FetchCancel,
    TrackStatus,
    TrackStatusOk,
    TrackStatusError,
    PublishNamespace,
    PublishNamespaceOk,
    PublishNamespaceError,
    PublishNamespaceDone,
    PublishNamespaceCancel,
    SubscribeNamespace,
    SubscribeNamespaceOk,
    SubscribeNamespaceError,
    UnsubscribeNamespace,
    SubscribeTracks,
    Namespace,
    NamespaceDone,
    PublishBlocked,
    Unsubscribe,
    RequestUpdate,
    RequestOk,
    RequestError,
}

/// The stream a control message travels on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MessageStream {
    /// The control stream, of either form.
    Control,
    /// A bidirectional stream of which this is the first message.
    NewRequest,
    /// The stream of this request, in either direction.
    Request(RequestId),
}

/// What a response or update is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum About {
    /// A request of this kind that has no answer yet.
    Request(RequestKind),
    /// An update of a request of this kind, or a change to it.
    Update(RequestKind),
}

impl About {
    /// The kind of the request.
    pub fn kind(self) -> RequestKind {
        match self {
            About::Request(kind) | About::Update(kind) => kind,
        }
    }
}

/// What must be known to read or write a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Context {
    /// Who sends it.
    pub from: Side,
    /// Where it travels.
    pub stream: MessageStream,
    /// For responses: what they answer. Needed to write any, and to read those on a request's own
    /// stream, where the answer to the request comes first and the rest answer updates. For
    /// updates on a request's own stream: the request's kind. Else `None`.
    pub about: Option<About>,
}

impl Context {
    /// A message on the control stream that is not a response.
    pub fn control(from: Side) -> Self {
        Self { from, stream: MessageStream::Control, about: None }
    }

    /// The first message on a bidirectional stream.
    pub fn new_request(from: Side) -> Self {
        Self { from, stream: MessageStream::NewRequest, about: None }
    }

    /// A later message on the stream of request `id`.
    pub fn request(from: Side, id: RequestId, about: About) -> Self {
        Self { from, stream: MessageStream::Request(id), about: Some(about) }
    }

    /// The same, about something.
    pub fn about(self, about: About) -> Self {
        Self { about: Some(about), ..self }
    }
}

/// What a draft has no bytes for. The session emulates it or refuses the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Inexpressible {
    /// Something of the data plane.
    #[error(transparent)]
    Data(super::data::DataInexpressible),
    /// The draft has no such message.
    #[error("the draft has no {0:?}")]
    Message(MessageKind),
    /// Updates are not answered in the draft.
    #[error("the draft does not answer updates")]
    UpdateAnswer,
    /// The context does not say what a response answers.
    #[error("nothing is known of what the response answers")]
    ResponseToNothing,
    /// A number is larger than the draft's integers.
    #[error("{0} does not fit the draft's integers")]
    TooLarge(u64),
    /// The draft cannot write a namespace without fields here.
    #[error("the draft has no namespace without fields here")]
    EmptyNamespace,
    /// The draft cannot write an empty namespace field.
    #[error("the draft has no empty namespace fields")]
    EmptyNamespaceField,
    /// A namespace request ends by name in the draft, or by request, and the other was given.
    #[error("the draft names the ended namespace request in another way")]
    NamespaceRef,
    /// The draft cannot ask for namespaces and tracks in one request.
    #[error("the draft needs one request for namespaces and one for tracks")]
    BothInterests,
    /// A filter relative to the largest group; only newer drafts have it.
    #[error("the draft has no filter relative to the largest group")]
    RelativeGroup,
    /// A filter that cannot be the range of a fetch.
    #[error("a fetch in the draft needs an absolute range")]
    RelativeFetch,
    /// An end inside a group; only newer drafts have it in filters.
    #[error("filters of the draft end with a group")]
    EndObject,
    /// An end before the start has no bytes.
    #[error("the range ends before it starts")]
    EndBeforeStart,
    /// A fetch that joins a subscription.
    #[error("the draft has no joining fetch")]
    JoiningFetch,
    /// Past objects asked for with a subscription.
    #[error("the draft has no fill")]
    Fill,
    /// Range filters.
    #[error("the draft has no range filters")]
    RangeFilters,
    /// The draft's update repeats filter, forward state and priority, and one is missing.
    #[error("the draft's update repeats filter, forward state and priority")]
    IncompleteUpdate,
    /// The draft keeps a subscription open past the end of its filter.
    #[error("the draft does not end a subscription with its filter")]
    FilterEnd,
    /// A change that the draft's update cannot make.
    #[error("the draft's update cannot change this")]
    Update,
    /// A property has no bytes in the draft's encoding.
    #[error("the properties do not fit the draft's encoding")]
    Properties,
    /// A text or value is longer than the draft allows.
    #[error("a value of {0} bytes is longer than the draft allows")]
    TooLong(usize),
    /// The message would not fit the frame.
    #[error("the message is {0} bytes, at most 65535 fit a frame")]
    MessageTooLong(usize),
}
