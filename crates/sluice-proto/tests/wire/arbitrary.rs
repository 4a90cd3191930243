//! Bytes that nobody meant as a message: nothing panics, and what is read can be said again.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_proto::model::{RequestId, RequestKind};
use sluice_proto::transport::Side;
use sluice_proto::wire::{About, Context, Draft, Message, MessageStream};

use super::differential::generate;
use super::support::{decode, encode};

fn contexts() -> impl Strategy<Value = Context> {
    let about = (any::<bool>(), proptest::sample::select(RequestKind::ALL.to_vec()))
        .prop_map(|(update, kind)| if update { About::Update(kind) } else { About::Request(kind) });
    let stream = prop_oneof![
        Just(MessageStream::Control),
        Just(MessageStream::NewRequest),
        (0..100_u64).prop_map(|id| MessageStream::Request(RequestId(id))),
    ];
    let from = prop_oneof![Just(Side::Client), Just(Side::Server)];
    (from, stream, proptest::option::of(about)).prop_map(|(from, stream, about)| Context {
        from,
        stream,
        about,
    })
}

fn drafts() -> impl Strategy<Value = Draft> {
    proptest::sample::select(Draft::ALL.to_vec())
}

/// A message with some bytes changed, and where it travels.
fn damaged() -> impl Strategy<Value = (Draft, Vec<u8>, Context)> {
    drafts().prop_flat_map(|draft| {
        let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
        (generate::messages(draft), changes).prop_map(move |((message, context), changes)| {
            let mut bytes = encode(draft, &message, &context);
            // Type and length stay, so that the body is reached.
            let head = draft.dialect().integers.read(&bytes).unwrap().unwrap().1 + 2;
            for (at, byte) in changes {
                if bytes.len() > head {
                    let at = head + at.index(bytes.len() - head);
                    bytes[at] = byte;
                }
            }
            (draft, bytes, context)
        })
    })
}

/// A message that was read says the same when it is written and read again, in as far as the
/// draft can write it.
fn says_the_same(draft: Draft, message: Message, context: Context) -> Result<(), TestCaseError> {
    // A response that names its request is read without knowing its kind, but not written.
    let kind = match &message {
        Message::Response { .. } => RequestKind::TrackStatus,
        _ => return rewritten(draft, message, context),
    };
    match context.about {
        Some(_) => rewritten(draft, message, context),
        None => rewritten(draft, message, context.about(About::Request(kind))),
    }
}

fn rewritten(draft: Draft, message: Message, context: Context) -> Result<(), TestCaseError> {
    let mut out = BytesMut::new();
    if draft.dialect().encode(&message, &context, &mut out).is_err() {
        return Ok(());
    }
    let again = decode(draft, &out, &context);
    prop_assert_eq!(again, Ok(message), "draft {}", draft);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bodies_never_panic(
        draft in drafts(),
        kind in prop_oneof![0..0x60_u64, Just(0x2F00), any::<u64>()],
        body in vec(any::<u8>(), 0..80),
        context in contexts(),
    ) {
        if let Ok(message) = draft.dialect().decode(kind, Bytes::from(body), &context) {
            // Reading again what is written is checked where contexts fit their messages.
            let mut out = BytesMut::new();
            let _ = draft.dialect().encode(&message, &context, &mut out);
        }
    }

    #[test]
    fn arbitrary_streams_of_frames_never_panic(
        draft in drafts(),
        bytes in vec(any::<u8>(), 0..200),
    ) {
        let mut buf = BytesMut::from(&bytes[..]);
        while let Ok(Some((kind, body))) = draft.dialect().split_frame(&mut buf) {
            let _ = draft.dialect().decode(kind, body, &Context::control(Side::Client));
        }
    }

    #[test]
    fn what_a_damaged_message_says_is_said_the_same_again((draft, bytes, context) in damaged()) {
        if let Ok(message) = decode(draft, &bytes, &context) {
            says_the_same(draft, message, context)?;
        }
    }
}
