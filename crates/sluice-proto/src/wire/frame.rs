//! From frames to messages and back: which body belongs to which type, and where ids stand
//! (MOQT-18 §10).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::layout::body::{Body, Writer};
use super::layout::name::NamespacePlace;
use super::layout::response::{ResponseForm, per_request};
use super::varint::ReadError;
use super::{
    About, Context, Dialect, Field, Inexpressible, InterestForm, Message, MessageKind,
    MessageStream, RequestTransport, Violation,
};
use crate::model::{Interest, Request, RequestId, RequestKind};
use crate::session::Response;
use crate::transport::Side;

/// Where a message may travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Streams {
    /// On the control stream.
    Control,
    /// As the first message of a request's own stream.
    Opens,
    /// On a request's own stream, after the request.
    Within,
    /// On the control stream or, after the request, on a request's own.
    ControlOrWithin,
}

impl Streams {
    fn allow(self, stream: MessageStream) -> bool {
        match stream {
            MessageStream::Control => matches!(self, Streams::Control | Streams::ControlOrWithin),
            MessageStream::NewRequest => self == Streams::Opens,
            MessageStream::Request(_) => matches!(self, Streams::Within | Streams::ControlOrWithin),
        }
    }
}

/// A row of a draft's table of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageRow {
    pub(crate) code: u64,
    pub(crate) message: MessageKind,
    pub(crate) on: Streams,
}

impl MessageRow {
    pub(crate) const fn new(code: u64, message: MessageKind, on: Streams) -> Self {
        Self { code, message, on }
    }
}

/// Bytes of the length that follows a frame's type.
const LENGTH_BYTES: usize = 2;

impl Dialect {
    /// Takes one message off the start of `buf`: its type and body. `None` if it is not complete;
    /// at most 65,535 bytes and a header are ever waited for.
    pub fn split_frame(&self, buf: &mut BytesMut) -> Result<Option<(u64, Bytes)>, Violation> {
        let field = Field::MessageType;
        let fault = |error| match error {
            ReadError::InvalidInteger(first) => {
                Violation::InvalidInteger { message: None, field, first }
            }
            // `read` has another way to say that bytes are missing.
            ReadError::Truncated => Violation::InvalidInteger { message: None, field, first: 0 },
        };
        let Some((kind, type_bytes)) = self.integers.read(buf).map_err(fault)? else {
            return Ok(None);
        };
        // Nobody waits for the body of a message that nobody knows.
        self.message_row(kind)?;
        let Some(length) = buf.get(type_bytes..type_bytes + LENGTH_BYTES) else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let head = type_bytes + LENGTH_BYTES;
        if buf.len() < head + length {
            return Ok(None);
        }
        buf.advance(head);
        Ok(Some((kind, buf.split_to(length).freeze())))
    }

    /// Reads the body of a message of type `kind`.
    pub fn decode(&self, kind: u64, body: Bytes, context: &Context) -> Result<Message, Violation> {
        let row = self.message_row(kind)?;
        if !row.on.allow(context.stream) {
            return Err(Violation::MisplacedMessage { message: row.message });
        }
        let mut body = Body::new(self, row.message, body);
        let message = body.message(context)?;
        body.finish()?;
        Ok(message)
    }

    /// Appends one message with its frame. On error nothing is appended.
    pub fn encode(
        &self,
        message: &Message,
        context: &Context,
        out: &mut BytesMut,
    ) -> Result<(), Inexpressible> {
        let before = out.len();
        self.encode_frame(message, context, out).inspect_err(|_| out.truncate(before))
    }

    fn encode_frame(
        &self,
        message: &Message,
        context: &Context,
        out: &mut BytesMut,
    ) -> Result<(), Inexpressible> {
        let kind = self.kind_of(message, context)?;
        let row = self.message_rows().find(|row| row.message == kind);
        let row = row.ok_or(Inexpressible::Message(kind))?;
        let mut writer = Writer { dialect: self, out };
        writer.int(row.code)?;
        let head = writer.out.len();
        writer.out.put_u16(0);
        writer.message(message, kind, context)?;
        let body_bytes = out.len() - head - LENGTH_BYTES;
        let length =
            u16::try_from(body_bytes).map_err(|_| Inexpressible::MessageTooLong(body_bytes))?;
        out[head..head + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    pub(crate) fn message_rows(&self) -> impl Iterator<Item = &'static MessageRow> + use<> {
        self.messages.iter().flat_map(|part| part.iter())
    }

    /// The kind of request that messages of this type make, if they make one.
    pub fn request_kind(&self, code: u64) -> Option<RequestKind> {
        match self.message_row(code).ok()?.message {
            MessageKind::Subscribe => Some(RequestKind::Subscribe),
            MessageKind::Publish => Some(RequestKind::Publish),
            MessageKind::Fetch => Some(RequestKind::Fetch),
            MessageKind::TrackStatus => Some(RequestKind::TrackStatus),
            MessageKind::PublishNamespace => Some(RequestKind::PublishNamespace),
            MessageKind::SubscribeNamespace | MessageKind::SubscribeTracks => {
                Some(RequestKind::SubscribeNamespace)
            }
            _ => None,
        }
    }

    fn message_row(&self, code: u64) -> Result<&'static MessageRow, Violation> {
        let row = self.message_rows().find(|row| row.code == code);
        row.ok_or(Violation::UnknownMessage { code })
    }

    /// The name under which the draft sends a message.
    fn kind_of(&self, message: &Message, context: &Context) -> Result<MessageKind, Inexpressible> {
        match message {
            Message::Request { request: Request::SubscribeNamespace(request), .. } => {
                match (self.interests, request.interest) {
                    (InterestForm::Separate, Interest::Both) => Err(Inexpressible::BothInterests),
                    (InterestForm::Separate, Interest::Tracks) => Ok(MessageKind::SubscribeTracks),
                    _ => Ok(MessageKind::SubscribeNamespace),
                }
            }
            Message::Response { response, .. } => self.kind_of_response(response, context.about),
            other => Ok(other.kind()),
        }
    }

    fn kind_of_response(
        &self,
        response: &Response,
        about: Option<About>,
    ) -> Result<MessageKind, Inexpressible> {
        let about = about.ok_or(Inexpressible::ResponseToNothing)?;
        if matches!(about, About::Update(_)) && !self.updates_answered {
            return Err(Inexpressible::UpdateAnswer);
        }
        let (ok, error) = match self.responses {
            ResponseForm::PerRequest => per_request(about.kind()),
            ResponseForm::Shared | ResponseForm::SharedWithPublish => {
                (MessageKind::RequestOk, MessageKind::RequestError)
            }
        };
        Ok(match response {
            Response::Subscribe(_) => MessageKind::SubscribeOk,
            Response::Fetch(_) => MessageKind::FetchOk,
            Response::Publish(_) if self.responses == ResponseForm::SharedWithPublish => ok,
            Response::Publish(_) => MessageKind::PublishOk,
            Response::Ok(_) => ok,
            Response::Error(_) => error,
        })
    }
}

impl Body<'_> {
    fn message(&mut self, context: &Context) -> Result<Message, Violation> {
        use MessageKind as M;
        let wrong_side = [(M::ClientSetup, Side::Server), (M::ServerSetup, Side::Client)];
        if wrong_side.contains(&(self.message, context.from)) {
            return Err(Violation::SetupOrder { message: self.message });
        }
        Ok(match self.message {
            M::ClientSetup | M::ServerSetup | M::Setup => self.setup(context.from)?,
            M::Goaway => Message::Goaway(self.goaway(context)?),
            M::MaxRequestId => Message::RequestIdLimit(self.int(Field::RequestId)?),
            M::RequestsBlocked => Message::RequestsBlocked(self.int(Field::RequestId)?),
            M::Unsubscribe => Message::Unsubscribe(self.request_id()?),
            M::FetchCancel => Message::FetchCancel(self.request_id()?),
            M::Namespace => Message::Namespace { suffix: self.namespace(NamespacePlace::Suffix)? },
            M::NamespaceDone => {
                Message::NamespaceDone { suffix: self.namespace(NamespacePlace::Suffix)? }
            }
            M::PublishBlocked => self.publish_blocked()?,
            M::PublishNamespaceDone => {
                let form = self.dialect.publish_namespace_ref;
                Message::PublishNamespaceDone(self.namespace_ref(form)?)
            }
            M::PublishNamespaceCancel => self.publish_namespace_cancel()?,
            M::UnsubscribeNamespace => {
                let form = self.dialect.unsubscribe_namespace_ref;
                Message::UnsubscribeNamespace(self.namespace_ref(form)?)
            }
            M::RequestUpdate => {
                let id = self.new_request_id()?;
                let existing = self.concerned_id(Field::ExistingRequestId, context)?;
                Message::Update { id, existing, update: self.update(context.about)? }
            }
            M::PublishDone => {
                let id = self.concerned_id(Field::RequestId, context)?;
                Message::PublishDone { id, done: self.publish_done()? }
            }
            M::PublishStateNotify => {
                let id = self.concerned_id(Field::RequestId, context)?;
                Message::StateNotify { id, notify: self.state_notify()? }
            }
            M::Subscribe
            | M::Publish
            | M::Fetch
            | M::TrackStatus
            | M::PublishNamespace
            | M::SubscribeNamespace
            | M::SubscribeTracks => {
                let id = self.new_request_id()?;
                Message::Request { id, request: self.request()? }
            }
            M::SubscribeOk
            | M::SubscribeError
            | M::PublishOk
            | M::PublishError
            | M::FetchOk
            | M::FetchError
            | M::TrackStatusOk
            | M::TrackStatusError
            | M::PublishNamespaceOk
            | M::PublishNamespaceError
            | M::SubscribeNamespaceOk
            | M::SubscribeNamespaceError
            | M::RequestOk
            | M::RequestError => {
                let id = self.concerned_id(Field::RequestId, context)?;
                Message::Response { id, response: self.response(id, context)? }
            }
        })
    }

    fn request_id(&mut self) -> Result<RequestId, Violation> {
        Ok(RequestId(self.int(Field::RequestId)?))
    }

    /// The id of a request or update that begins. The one that it needs, if it says so, is told by half
    /// their distance; [`Dialect::needed_request`] reads it.
    fn new_request_id(&mut self) -> Result<RequestId, Violation> {
        let id = self.request_id()?;
        if self.dialect.required_requests {
            let delta = self.int(Field::RequiredRequestId)?;
            if delta > id.0 / 2 {
                return Err(Violation::RequiredRequestId { id: id.0, delta });
            }
        }
        Ok(id)
    }

    /// The request that a message is about: named in it, or known by its stream.
    fn concerned_id(&mut self, field: Field, context: &Context) -> Result<RequestId, Violation> {
        match (self.dialect.requests, context.stream) {
            (RequestTransport::ControlStream, _) => Ok(RequestId(self.int(field)?)),
            (RequestTransport::OwnStream, MessageStream::Request(id)) => Ok(id),
            (RequestTransport::OwnStream, _) => {
                Err(Violation::MisplacedMessage { message: self.message })
            }
        }
    }

    fn request(&mut self) -> Result<Request, Violation> {
        Ok(match self.message {
            MessageKind::Publish => Request::Publish(self.publish()?),
            MessageKind::Fetch => Request::Fetch(self.fetch()?),
            MessageKind::TrackStatus => Request::TrackStatus(self.track_status()?),
            MessageKind::PublishNamespace => Request::PublishNamespace(self.publish_namespace()?),
            MessageKind::SubscribeNamespace | MessageKind::SubscribeTracks => {
                Request::SubscribeNamespace(self.subscribe_namespace()?)
            }
            _ => Request::Subscribe(self.subscribe()?),
        })
    }

    fn response(&mut self, id: RequestId, context: &Context) -> Result<Response, Violation> {
        let unexpected = Violation::UnexpectedResponse { message: self.message, id: id.0 };
        // What a response on a request's own stream answers is known; one that names a request is
        // checked by who knows them.
        let own_stream = self.dialect.requests == RequestTransport::OwnStream;
        let about = if own_stream { Some(context.about.ok_or(unexpected)?) } else { None };
        let fits = |kind| about.is_none_or(|about| about == About::Request(kind));
        let response = match self.message {
            MessageKind::SubscribeOk if fits(RequestKind::Subscribe) => {
                Response::Subscribe(self.subscribe_ok()?)
            }
            MessageKind::FetchOk if fits(RequestKind::Fetch) => Response::Fetch(self.fetch_ok()?),
            MessageKind::PublishOk if fits(RequestKind::Publish) => {
                let ok = self.publish_ok()?;
                self.no_properties()?;
                Response::Publish(ok)
            }
            MessageKind::RequestOk
                if about != Some(About::Request(RequestKind::Subscribe))
                    && about != Some(About::Request(RequestKind::Fetch)) =>
            {
                self.request_ok(about)?
            }
            MessageKind::TrackStatusOk => Response::Ok(self.track_status_ok()?),
            MessageKind::PublishNamespaceOk | MessageKind::SubscribeNamespaceOk => {
                Response::Ok(Default::default())
            }
            other => match kind_refused_by(other, context.about) {
                Some(kind) => Response::Error(self.request_error(kind, context)?),
                None => return Err(unexpected),
            },
        };
        Ok(response)
    }
}

/// The kind of request that a refusal is for, as far as the code's meaning depends on it.
fn kind_refused_by(message: MessageKind, about: Option<About>) -> Option<RequestKind> {
    match message {
        MessageKind::RequestError => Some(about.map_or(RequestKind::Subscribe, About::kind)),
        other => RequestKind::ALL.into_iter().find(|&kind| per_request(kind).1 == other),
    }
}

impl Writer<'_, '_> {
    fn message(
        &mut self,
        message: &Message,
        kind: MessageKind,
        context: &Context,
    ) -> Result<(), Inexpressible> {
        match message {
            Message::ClientSetup { versions, options } => self.client_setup(versions, options),
            Message::ServerSetup { version, options } => self.server_setup(*version, options),
            Message::Setup(options) => self.options(options, context.from),
            Message::Goaway(goaway) => self.goaway(goaway, context),
            Message::RequestIdLimit(limit) | Message::RequestsBlocked(limit) => self.int(*limit),
            Message::Request { id, request } => {
                self.new_request_id(*id)?;
                self.request(request)
            }
            Message::Response { id, response } => {
                self.concerned_id(*id)?;
                self.response(response, kind, context.about)
            }
            Message::Update { id, existing, update } => {
                self.new_request_id(*id)?;
                self.concerned_id(*existing)?;
                self.update(update, context.about)
            }
            Message::PublishDone { id, done } => {
                self.concerned_id(*id)?;
                self.publish_done(done)
            }
            Message::StateNotify { id, notify } => {
                self.concerned_id(*id)?;
                self.state_notify(notify)
            }
            Message::Namespace { suffix } | Message::NamespaceDone { suffix } => {
                self.namespace(suffix, NamespacePlace::Suffix)
            }
            Message::PublishBlocked { suffix, name } => {
                self.namespace(suffix, NamespacePlace::Suffix)?;
                self.prefixed(name.as_bytes())
            }
            Message::Unsubscribe(id) | Message::FetchCancel(id) => self.int(id.0),
            Message::PublishNamespaceDone(which) => {
                let form = self.dialect.publish_namespace_ref;
                self.namespace_ref(which, form, NamespacePlace::Whole)
            }
            Message::PublishNamespaceCancel { which, code, reason } => {
                self.publish_namespace_cancel(which, *code, reason)
            }
            Message::UnsubscribeNamespace(which) => {
                let form = self.dialect.unsubscribe_namespace_ref;
                self.namespace_ref(which, form, NamespacePlace::Prefix)
            }
        }
    }

    fn new_request_id(&mut self, id: RequestId) -> Result<(), Inexpressible> {
        self.int(id.0)?;
        match self.dialect.required_requests {
            true => self.int(0),
            false => Ok(()),
        }
    }

    fn concerned_id(&mut self, id: RequestId) -> Result<(), Inexpressible> {
        match self.dialect.requests {
            RequestTransport::ControlStream => self.int(id.0),
            RequestTransport::OwnStream => Ok(()),
        }
    }

    fn request(&mut self, request: &Request) -> Result<(), Inexpressible> {
        match request {
            Request::Subscribe(request) => self.subscribe(request),
            Request::Publish(request) => self.publish(request),
            Request::Fetch(request) => self.fetch(request),
            Request::TrackStatus(request) => self.track_status(request),
            Request::PublishNamespace(request) => self.publish_namespace(request),
            Request::SubscribeNamespace(request) => self.subscribe_namespace(request),
        }
    }

    fn response(
        &mut self,
        response: &Response,
        kind: MessageKind,
        about: Option<About>,
    ) -> Result<(), Inexpressible> {
        match (response, kind) {
            (Response::Subscribe(ok), _) => self.subscribe_ok(ok),
            (Response::Publish(ok), _) => self.publish_ok(ok),
            (Response::Fetch(ok), _) => self.fetch_ok(ok),
            (Response::Ok(ok), MessageKind::TrackStatusOk) => self.track_status_ok(ok),
            (Response::Ok(ok), MessageKind::RequestOk) => self.request_ok(ok, about),
            // The oldest draft's OKs of namespace requests say nothing more.
            (Response::Ok(_), _) => Ok(()),
            (Response::Error(error), _) => {
                let kind = about.ok_or(Inexpressible::ResponseToNothing)?.kind();
                self.request_error(error, kind)
            }
        }
    }
}
