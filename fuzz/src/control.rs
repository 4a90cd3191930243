//! Control messages.

use bytes::BytesMut;
use sluice_proto::model::{RequestId, RequestKind};
use sluice_proto::transport::Side;
use sluice_proto::wire::{About, Context, Inexpressible};

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
        let mut out = BytesMut::new();
        match dialect.encode(&message, &context, &mut out) {
            Ok(()) => {}
            // Reading a response needs less than writing it.
            Err(Inexpressible::ResponseToNothing) if context.about.is_none() => continue,
            Err(reason) => panic!("what was read cannot be written: {reason}: {message:?}"),
        }
        let frame = dialect.split_frame(&mut out).expect("a frame").expect("all of it");
        assert!(out.is_empty(), "one message is one frame");
        let again = dialect.decode(frame.0, frame.1, &context);
        assert_eq!(again.as_ref(), Ok(&message));
    }
}
