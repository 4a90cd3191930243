//! Byte vectors: messages with bytes that the rules of each draft give by hand. Those marked with
//! a draft's name in the reference were decoded by an independent codec as well.

use bytes::BytesMut;
use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::transport::Side;
use sluice_proto::wire::{About, Context, Draft, Message};

use super::support::*;
use Draft::{D16, D18, D20};

mod requests;
mod session;

struct Vector {
    drafts: &'static [Draft],
    bytes: &'static str,
    context: fn(Draft) -> Context,
    message: Message,
}

fn client(_: Draft) -> Context {
    Context::control(Side::Client)
}

fn server(_: Draft) -> Context {
    Context::control(Side::Server)
}

fn namespace_stream(draft: Draft) -> Context {
    let about = About::Request(RequestKind::SubscribeNamespace);
    Context { about: None, ..later(draft, Side::Server, 0, about) }
}

fn own_stream(_: Draft) -> Context {
    let about = About::Update(RequestKind::SubscribeNamespace);
    Context::request(Side::Server, RequestId(0), about)
}

fn namespace_request(_: Draft) -> Context {
    Context::new_request(Side::Client)
}

fn of_subscription(draft: Draft) -> Context {
    later(draft, Side::Server, 0, About::Update(RequestKind::Subscribe))
}

fn by_subscriber(draft: Draft) -> Context {
    later(draft, Side::Client, 0, About::Update(RequestKind::Subscribe))
}

fn subscribe_answer(draft: Draft) -> Context {
    answer(draft, 0, RequestKind::Subscribe)
}

fn publish_answer(draft: Draft) -> Context {
    answer(draft, 1, RequestKind::Publish)
}

fn fetch_answer(draft: Draft) -> Context {
    answer(draft, 2, RequestKind::Fetch)
}

fn row(
    drafts: &'static [Draft],
    context: fn(Draft) -> Context,
    bytes: &'static str,
    message: Message,
) -> Vector {
    Vector { drafts, bytes, context, message }
}

fn vectors() -> Vec<Vector> {
    let parts = [
        session::setup_vectors(),
        session::session_vectors(),
        requests::subscribe_vectors(),
        requests::subscribe_ok_vectors(),
        requests::publish_vectors(),
        requests::fetch_vectors(),
        session::refusal_vectors(),
        session::namespace_vectors(),
        session::track_status_vectors(),
    ];
    parts.into_iter().flatten().collect()
}

/// Every vector with each of its drafts.
fn each(mut check: impl FnMut(Draft, &Context, Vec<u8>, Message)) {
    for vector in vectors() {
        for &draft in vector.drafts {
            let context = (vector.context)(draft);
            check(draft, &context, hex(vector.bytes), vector.message.clone());
        }
    }
}

#[test]
fn vectors_decode_to_the_messages_they_say() {
    each(|draft, context, bytes, message| {
        let decoded = decode(draft, &bytes, context);
        assert_eq!(decoded, Ok(message), "draft {draft}: {}", show(&bytes));
    });
}

#[test]
fn messages_encode_to_the_bytes_of_their_vectors() {
    let mut wrong = Vec::new();
    each(|draft, context, bytes, message| {
        let encoded = encode(draft, &message, context);
        if encoded != bytes {
            wrong.push(format!("draft {draft}: {} not {}", show(&encoded), show(&bytes)));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_message_that_is_still_arriving_is_waited_for() {
    each(|draft, _, bytes, _| {
        for cut in 0..bytes.len() {
            let mut buf = BytesMut::from(&bytes[..cut]);
            let split = draft.dialect().split_frame(&mut buf);
            assert_eq!(split, Ok(None), "draft {draft}: {} cut at {cut}", show(&bytes));
            assert_eq!(buf.len(), cut, "nothing is taken before all is there");
        }
    });
}

#[test]
fn a_body_with_a_byte_too_many_is_refused() {
    each(|draft, context, bytes, message| {
        let decoded = decode(draft, &longer(&bytes, draft), context);
        assert!(decoded.is_err(), "draft {draft}: {message:?} became {decoded:?}");
    });
}

#[test]
fn a_body_cut_short_never_says_the_same() {
    each(|draft, context, bytes, message| {
        let mut buf = BytesMut::from(&bytes[..]);
        let (kind, body) = draft.dialect().split_frame(&mut buf).unwrap().unwrap();
        for cut in 0..body.len() {
            let decoded = draft.dialect().decode(kind, body.slice(..cut), context);
            assert_ne!(decoded.as_ref(), Ok(&message), "draft {draft} cut at {cut}");
        }
    });
}

#[test]
fn both_marks_of_an_unknown_stream_count_are_understood_in_every_draft() {
    let of = |bytes: &str, draft| decode(draft, &hex(bytes), &of_subscription(draft));
    let cases =
        [(D18, "0B 000B 02 FFFFFFFFFFFFFFFFFF 00"), (D20, "0B 000B 02 FF3FFFFFFFFFFFFFFF 00")];
    for (draft, bytes) in cases {
        let Ok(Message::PublishDone { done, .. }) = of(bytes, draft) else {
            panic!("draft {draft} refuses {bytes}");
        };
        assert_eq!(done.streams, StreamCount::Unknown);
    }
}

#[test]
fn the_oldest_form_of_publish_ok_is_understood_in_draft_18() {
    let decoded = decode(D18, &hex("1E 0003 01 10 00"), &publish_answer(D18));
    let ok = PublishOk { forward: Some(false), ..PublishOk::default() };
    let response = Response::Publish(ok);
    assert_eq!(decoded, Ok(Message::Response { id: RequestId(1), response }));
}

#[test]
fn an_end_group_before_its_start_is_read_as_a_delta_where_ends_are_absolute() {
    let bytes = hex("03 0010 00 02 0161 0162 01 76 01 21 05 04 412C 02 0A");
    let Ok(Message::Request { request: Request::Subscribe(subscribe), .. }) =
        decode(D16, &bytes, &new_request(D16))
    else {
        panic!("draft 16 refuses a delta");
    };
    let end = RangeEnd { group: GroupId(310), object: None };
    assert_eq!(subscribe.filter, LocationFilter::Range(Location::new(300, 2), end));
}
