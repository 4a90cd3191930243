//! Peers that do too much of what is allowed, beside neighbours that must not notice.

use std::time::Duration;

use bytes::BytesMut;
use sluice_proto::model::{
    Fetch, FetchRange, FullTrackName, GroupId, Interest, Location, LocationFilter, Priority,
    RangeEnd, Request, RequestId, RequestKind, RequestUpdate, SubscribeNamespace, TrackName,
    TrackNamespace,
};
use sluice_proto::transport::Side;
use sluice_proto::wire::{About, Context, Draft, InterestForm, Message, RequestTransport};

use crate::attacker::{
    Attacker, Carrier, PATIENCE, hex, long_namespace, message, number, object, request_id, subgroup,
};
use crate::neighbours::Neighbours;
use crate::support::{self, Relay};

/// What a relay that holds nothing of a flood may grow by.
#[cfg(target_os = "linux")]
const NOTHING_BYTES: u64 = 24 << 20;

/// Floods a relay in every draft, and checks that nobody else noticed and nothing stayed.
fn flood(arguments: &[&str], attack: impl AsyncFn(&Relay, Draft)) -> Relay {
    let relay = Relay::start(arguments);
    let neighbours = Neighbours::beside(&relay);
    #[cfg(target_os = "linux")]
    let before = relay.peak_bytes();
    support::runtime().block_on(async {
        for draft in Draft::ALL {
            let attack = tokio::time::timeout(PATIENCE * 2, attack(&relay, draft));
            attack.await.unwrap_or_else(|_| panic!("draft {draft} takes too long"));
        }
    });
    neighbours.check();
    #[cfg(target_os = "linux")]
    {
        let grown = relay.peak_bytes() - before;
        assert!(grown < NOTHING_BYTES, "grown by {} KiB", grown >> 10);
    }
    relay
}

fn subscribe(draft: Draft, request: u64, name: &str, forward: bool) -> Vec<u8> {
    let id = request_id(draft, 2 * request);
    let rest = match (draft, forward) {
        (Draft::D14, true) => "80 00 01 02 00",
        (Draft::D14, false) => "80 00 00 02 00",
        (_, true) => "00",
        (_, false) => "01 10 00",
    };
    message(0x03, &format!("{id} 01 0161 {name} {rest}"))
}

/// Sends requests that are each answered before the next but `window`, and counts refusals.
async fn ask(
    peer: &mut Attacker,
    count: u64,
    request: impl Fn(Draft, u64) -> Vec<u8>,
) -> (u64, Option<u64>) {
    let (mut refused, mut code) = (0, None);
    let own_stream = peer.draft.dialect().requests == RequestTransport::OwnStream;
    for index in 0..count {
        peer.write_request(&request(peer.draft, index)).await;
        let (kind, body) = loop {
            let (kind, body) = peer.read_answer().await.expect("an answer");
            // MAX_REQUEST_ID comes as ids are used up.
            if kind != 0x15 {
                break (kind, body);
            }
        };
        let is_error = match peer.draft {
            Draft::D14 => [0x05, 0x08].contains(&kind),
            _ => kind == 0x05,
        };
        if is_error {
            refused += 1;
            let integers = peer.draft.dialect().integers;
            let id_bytes = if own_stream { 0 } else { number(peer.draft, 2 * index).len() };
            code = integers.read(&body[id_bytes..]).expect("a code").map(|(code, _)| code);
            if own_stream {
                peer.streams.pop();
            }
        }
    }
    (refused, code)
}

/// That the session still is, and everything before request number `next` was dealt with.
async fn still_serves(peer: &mut Attacker, next: u64) {
    let bytes = subscribe(peer.draft, next, "04 6C617374", true);
    peer.write_request(&bytes).await;
    loop {
        let answer = peer.read_answer().await;
        let (kind, _) = answer.unwrap_or_else(|| panic!("draft {}: no answer", peer.draft));
        // SUBSCRIBE_ERROR and REQUEST_ERROR.
        if kind == 0x05 {
            return;
        }
    }
}

#[test]
fn h13_subscriptions_to_unknown_tracks_are_refused_and_leave_nothing() {
    flood(&[], async |relay, draft| {
        let mut peer = Attacker::ready(relay, Carrier::Quic, draft).await;
        let name = |index: u64| format!("04 {index:08X}");
        let (refused, _) =
            ask(&mut peer, 3000, |draft, at| subscribe(draft, at, &name(at), true)).await;
        assert_eq!(refused, 3000, "draft {draft}");
        peer.leave().await;
    });
}

#[test]
fn h15_paused_subscriptions_to_unknown_tracks_are_refused_too() {
    flood(&[], async |relay, draft| {
        let mut peer = Attacker::ready(relay, Carrier::WebTransport, draft).await;
        let name = |index: u64| format!("04 {index:08X}");
        let (refused, _) =
            ask(&mut peer, 1000, |draft, at| subscribe(draft, at, &name(at), false)).await;
        assert_eq!(refused, 1000, "draft {draft}");
        peer.leave().await;
    });
}

#[test]
fn h17_namespaces_beyond_the_limit_are_refused_and_the_session_goes_on() {
    flood(&["--namespaces-max", "50"], async |relay, draft| {
        let mut peer = Attacker::ready(relay, Carrier::Quic, draft).await;
        let (refused, code) = ask(&mut peer, 200, long_namespace).await;
        assert_eq!(refused, 150, "draft {draft}");
        // EXCESSIVE_LOAD, where the draft has it.
        let expected = if draft <= Draft::D16 { 0x0 } else { 0x9 };
        assert_eq!(code, Some(expected), "draft {draft}");
        assert!(peer.session.close_reason().is_none(), "draft {draft}");
        peer.leave().await;
    });
}

#[test]
fn h11_requests_that_are_reset_at_once_leave_nothing() {
    flood(&[], async |relay, draft| {
        if draft.dialect().requests == RequestTransport::ControlStream {
            return;
        }
        let mut peer = Attacker::ready(relay, Carrier::Quic, draft).await;
        for index in 0..3000 {
            let bytes = subscribe(draft, index, "04 61626364", true);
            peer.write_bidi(&bytes).await;
            let (mut send, mut receive) = peer.streams.pop().expect("a stream");
            let _ = send.reset(1);
            let _ = receive.stop(1);
        }
        still_serves(&mut peer, 3000).await;
        peer.leave().await;
    });
}

/// PUBLISH of ("a"), "v" under alias 5.
fn publish(draft: Draft) -> Vec<u8> {
    let rest = if draft == Draft::D14 { "01 00 01 00" } else { "00" };
    message(0x1D, &format!("{} 01 0161 01 76 05 {rest}", request_id(draft, 0)))
}

#[test]
fn h23_idle_streams_end_at_the_credit_and_harm_nobody() {
    flood(&[], async |relay, draft| {
        let mut peer = Attacker::ready(relay, Carrier::Quic, draft).await;
        peer.write_request(&publish(draft)).await;
        peer.read_answer().await.expect("an answer");
        let streams = async {
            for group in 0..10_000 {
                peer.write_uni(&subgroup(draft, 5, group)).await;
            }
        };
        // Beyond the credit a stream cannot be opened.
        let all = tokio::time::timeout(Duration::from_secs(1), streams).await;
        assert!(all.is_err(), "draft {draft}");
        assert!((400..=512).contains(&peer.unis.len()), "draft {draft}: {}", peer.unis.len());
        peer.leave().await;
    });
}

#[test]
fn h24_an_announced_length_costs_nothing() {
    flood(&[], async |relay, draft| {
        let mut peer = Attacker::ready(relay, Carrier::WebTransport, draft).await;
        peer.write_request(&publish(draft)).await;
        peer.read_answer().await.expect("an answer");
        let largest = (1 << 62) - 1;
        for group in 0..200 {
            let mut bytes = subgroup(draft, 5, group);
            bytes.extend([&[0][..], &number(draft, largest), b"only this"].concat());
            peer.write_uni(&bytes).await;
            let _ = peer.unis.pop().expect("a stream").reset(1);
        }
        assert!(peer.session.close_reason().is_none(), "draft {draft}");
        peer.leave().await;
    });
}

#[test]
fn h26_datagrams_of_unknown_tracks_are_dropped() {
    flood(&[], async |relay, draft| {
        let peer = Attacker::ready(relay, Carrier::Quic, draft).await;
        let head = [&[0][..], &number(draft, 9999), &hex("00 00 80")].concat();
        let largest = [&head[..], &vec![7; 1100]].concat();
        for _ in 0..10_000 {
            for datagram in [&head, &largest] {
                let sent = peer.session.send_datagram_wait(datagram.clone().into()).await;
                sent.unwrap_or_else(|error| panic!("draft {draft}: {error}"));
            }
        }
        peer.leave().await;
    });
}

#[test]
fn early_streams_of_unknown_tracks_are_held_for_a_while_and_stopped() {
    flood(&[], async |relay, draft| {
        let mut peer = Attacker::ready(relay, Carrier::Quic, draft).await;
        for group in 0..300 {
            let bytes = [subgroup(draft, 9999, group), object(draft, 100)].concat();
            peer.write_uni(&bytes).await;
        }
        for stream in &peer.unis {
            let stopped = tokio::time::timeout(PATIENCE, stream.stopped()).await;
            assert!(stopped.expect("stopped").is_ok(), "draft {draft}");
        }
        peer.leave().await;
    });
}

/// The bytes of a message without fault.
fn encoded(draft: Draft, message: &Message, context: Context) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let encoded = draft.dialect().encode(message, &context, &mut bytes);
    encoded.unwrap_or_else(|error| panic!("draft {draft}: {error}"));
    bytes.to_vec()
}

/// A request as the draft's first message of it.
fn request(draft: Draft, id: u64, request: Request) -> Vec<u8> {
    let context = match draft.dialect().requests {
        RequestTransport::OwnStream => Context::new_request(Side::Client),
        RequestTransport::ControlStream => Context::control(Side::Client),
    };
    encoded(draft, &Message::Request { id: RequestId(id), request }, context)
}

/// The track that the neighbours publish.
fn next_door() -> FullTrackName {
    let namespace = TrackNamespace::from_path("next/door").expect("a namespace");
    FullTrackName::new(namespace, TrackName::new("video").expect("a name")).expect("a full name")
}

#[test]
fn h16_updates_without_end_change_one_subscription_only() {
    flood(&[], async |relay, draft| {
        let mut peer = Attacker::ready(relay, Carrier::Quic, draft).await;
        let subscribe = sluice_proto::model::Subscribe {
            track: next_door(),
            filter: LocationFilter::NextObject,
            ..Default::default()
        };
        let own_stream = draft.dialect().requests == RequestTransport::OwnStream;
        peer.write_request(&request(draft, 0, Request::Subscribe(subscribe))).await;
        peer.read_answer().await.expect("an answer");
        // As many as ids are granted from the start, where they are.
        let count: u64 = if own_stream { 3000 } else { 1000 };
        for index in 1..count {
            let update = RequestUpdate {
                filter: Some(LocationFilter::From(Location::new(1 << 20, 0))),
                forward: Some(index.is_multiple_of(2)),
                priority: Some(Priority((index % 256) as u8)),
                ..RequestUpdate::default()
            };
            let existing = RequestId(0);
            let message = Message::Update { id: RequestId(2 * index), existing, update };
            let about = About::Update(RequestKind::Subscribe);
            if own_stream {
                let context = Context::request(Side::Client, existing, about);
                let bytes = encoded(draft, &message, context);
                let (send, _) = peer.streams.last_mut().expect("the subscription");
                send.write_all(&bytes).await.expect("the relay reads");
            } else {
                let context = Context::control(Side::Client).about(about);
                let bytes = encoded(draft, &message, context);
                peer.write_control(&bytes).await;
            }
        }
        still_serves(&mut peer, count).await;
        peer.leave().await;
    });
}

#[test]
fn h18_a_prefix_with_too_many_namespaces_is_refused_and_a_small_one_is_told() {
    flood(&[], async |relay, draft| {
        let mut publisher = Attacker::ready(relay, Carrier::Quic, draft).await;
        let (refused, _) = ask(&mut publisher, 200, long_namespace).await;
        assert_eq!(refused, 0, "draft {draft}");
        let mut asker = Attacker::ready(relay, Carrier::Quic, draft).await;
        let dialect = draft.dialect();
        let interest = match dialect.interests {
            InterestForm::Combined => Interest::Both,
            _ => Interest::Namespaces,
        };
        let mut ask = async |id, prefix: TrackNamespace| {
            let interest = SubscribeNamespace::new(prefix, interest);
            let bytes = request_of_namespaces(draft, id, interest);
            let own =
                dialect.namespaces_on_own_stream || dialect.requests == RequestTransport::OwnStream;
            match own {
                true => asker.write_bidi(&bytes).await,
                false => asker.write_control(&bytes).await,
            }
            let (kind, _) = match own {
                true => asker.read_stream().await.expect("an answer"),
                false => asker.read_control().await.expect("an answer"),
            };
            kind
        };
        let field = bytes::Bytes::from(vec![0x62; 4000]);
        let large = TrackNamespace::new([field]).expect("a namespace");
        let small = TrackNamespace::from_path("next").expect("a namespace");
        let error = if draft == Draft::D14 { 0x13 } else { 0x05 };
        assert_eq!(ask(0, large).await, error, "draft {draft}");
        assert_ne!(ask(2, small).await, error, "draft {draft}");
        publisher.leave().await;
        asker.leave().await;
    });
}

fn request_of_namespaces(draft: Draft, id: u64, interest: SubscribeNamespace) -> Vec<u8> {
    let own = draft.dialect().namespaces_on_own_stream;
    let message =
        Message::Request { id: RequestId(id), request: Request::SubscribeNamespace(interest) };
    match draft.dialect().requests {
        RequestTransport::ControlStream if !own => {
            encoded(draft, &message, Context::control(Side::Client))
        }
        _ => encoded(draft, &message, Context::new_request(Side::Client)),
    }
}

#[test]
fn h27_fetches_of_everything_that_are_cancelled_leave_nothing() {
    flood(&[], async |relay, draft| {
        let mut peer = Attacker::ready(relay, Carrier::WebTransport, draft).await;
        for index in 0..300 {
            let end = RangeEnd { group: GroupId(1000), object: None };
            let range =
                FetchRange::Standalone(next_door(), LocationFilter::Range(Location::ZERO, end));
            let fetch = Fetch {
                range,
                priority: Some(Priority(0)),
                order: None,
                fill_timeout: None,
                range_filters: Default::default(),
                include_properties: None,
                tokens: Vec::new(),
            };
            peer.write_request(&request(draft, 2 * index, Request::Fetch(fetch))).await;
            match peer.streams.pop() {
                Some((mut send, mut receive)) => {
                    let _ = send.reset(1);
                    let _ = receive.stop(1);
                }
                None => {
                    let cancel = Message::FetchCancel(RequestId(2 * index));
                    let bytes = encoded(draft, &cancel, Context::control(Side::Client));
                    peer.write_control(&bytes).await;
                }
            }
        }
        still_serves(&mut peer, 300).await;
        peer.leave().await;
    });
}
