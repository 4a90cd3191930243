//! Control messages.

use bytes::BytesMut;
use sluice_proto::model::{Request, RequestId, RequestKind};
use sluice_proto::session::Response;
use sluice_proto::transport::Side;
use sluice_proto::wire::{About, Context, Dialect, Draft, Message, RequestTransport};

use crate::input::Input;

const KINDS: [RequestKind; 6] = [
    RequestKind::Subscribe,
    RequestKind::Publish,
    RequestKind::Fetch,
    RequestKind::TrackStatus,
    RequestKind::PublishNamespace,
    RequestKind::SubscribeNamespace,
];

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let dialect = input.dialect();
    let choice = input.byte();
    let from = if choice & 0x80 == 0 { Side::Client } else { Side::Server };
    let kind = KINDS[usize::from(choice & 0x07) % KINDS.len()];
    let about = if choice & 0x08 == 0 || !dialect.updates_answered {
        About::Request(kind)
    } else {
        About::Update(kind)
    };
    let mut context = match choice & 0x30 {
        0x00 => Context::control(from),
        0x10 => Context::new_request(from),
        0x20 => Context::request(from, RequestId(4), about),
        _ => Context::control(from).about(about),
    };
    if choice & 0x40 != 0 {
        context.about = None;
    }
    let mut buffer = BytesMut::from(input.rest());
    while let Ok(Some((code, body))) = dialect.split_frame(&mut buffer) {
        let Ok(message) = dialect.decode(code, body, &context) else { continue };
        if is_only_read(dialect, &message) {
            continue;
        }
        let contexts = writable_in(dialect, &context, &message);
        let again: Vec<_> =
            contexts.iter().map(|context| send(dialect, &message, context)).collect();
        assert!(
            again.iter().any(|again| again.as_ref() == Ok(&message)),
            "{message:?} in {context:?} became {again:?}"
        );
    }
}

/// Where the message may be written. Reading an answer that names its request needs no knowledge of
/// that request, writing it does; then every kind that the answer may be for is tried.
fn writable_in(dialect: &Dialect, context: &Context, message: &Message) -> Vec<Context> {
    let own_stream = dialect.requests == RequestTransport::OwnStream;
    let Message::Response { response, .. } = message else { return vec![*context] };
    if own_stream {
        return vec![*context];
    }
    let fits = |kind| match response {
        Response::Subscribe(_) => kind == RequestKind::Subscribe,
        Response::Publish(_) => kind == RequestKind::Publish,
        Response::Fetch(_) => kind == RequestKind::Fetch,
        Response::Ok(_) | Response::Error(_) => true,
    };
    let requests = KINDS.into_iter().filter(|&kind| fits(kind)).map(About::Request);
    let updates = [About::Update(RequestKind::Subscribe)];
    requests.chain(updates).map(|about| context.about(about)).collect()
}

/// Whether a message says something that is understood for the sake of other libraries and never
/// sent: parameters in messages that the draft's own lists do not name for them.
fn is_only_read(dialect: &Dialect, message: &Message) -> bool {
    let draft = dialect.draft();
    match message {
        Message::Request { request: Request::SubscribeNamespace(interest), .. } => {
            let times = interest.object_timeout.or(interest.subgroup_timeout);
            let of_19 = times.is_some() || interest.priority.is_some();
            interest.filter.is_some() || interest.fill.is_some() || draft == Draft::D19 && of_19
        }
        Message::Request { request: Request::Publish(publish), .. } => {
            draft == Draft::D19 && publish.order.is_some()
        }
        _ => false,
    }
}

/// Writes and reads a message; an error says why that is not possible.
fn send(dialect: &Dialect, message: &Message, context: &Context) -> Result<Message, String> {
    let mut out = BytesMut::new();
    dialect.encode(message, context, &mut out).map_err(|reason| reason.to_string())?;
    let frame = dialect.split_frame(&mut out).expect("a frame").expect("all of it");
    assert!(out.is_empty(), "one message is one frame");
    dialect.decode(frame.0, frame.1, context).map_err(|fault| fault.to_string())
}
