//! Two sessions against each other, for every draft: what each side says arrives at the other
//! with its meaning, on perfect links and on odd ones.

mod lifetimes;
mod named;
mod pair;
mod rules;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sluice_proto::model::*;
use sluice_proto::session::*;
use sluice_proto::transport::{StreamId, Transport};
use sluice_proto::wire::Draft;

use pair::{End, Pair};

fn track() -> FullTrackName {
    FullTrackName::new(
        TrackNamespace::from_path("live/cam").unwrap(),
        TrackName::new("video").unwrap(),
    )
    .unwrap()
}

fn next(end: &mut End) -> SessionEvent {
    end.events.pop_front().expect("an event")
}

/// The client subscribes; the server accepts with alias and largest.
fn subscribed(pair: &mut Pair) -> RequestId {
    let subscribe = Subscribe {
        track: track(),
        filter: LocationFilter::NextObject,
        priority: Some(Priority(7)),
        ..Subscribe::default()
    };
    let id = pair.client.session.request(Request::Subscribe(subscribe)).unwrap();
    pair.run();
    match next(&mut pair.server) {
        SessionEvent::Request { id: seen, request: Request::Subscribe(subscribe) } => {
            assert_eq!((seen, &subscribe.track), (id, &track()));
            assert_eq!(subscribe.filter, LocationFilter::NextObject);
            assert_eq!(subscribe.priority, Some(Priority(7)));
        }
        other => panic!("{other:?}"),
    }
    let alias = pair.server.session.next_alias();
    let largest = Some(Location::new(300, 4));
    let ok = SubscribeOk { alias, largest, ..SubscribeOk::default() };
    pair.server.session.subscribe_ok(id, ok);
    pair.run();
    match next(&mut pair.client) {
        SessionEvent::Response { id: answered, response: Response::Subscribe(ok) } => {
            assert_eq!((answered, ok.alias, ok.largest), (id, alias, largest));
        }
        other => panic!("{other:?}"),
    }
    id
}

fn send_group(pair: &mut Pair, id: RequestId, group: u64, payloads: &[&'static [u8]]) -> StreamId {
    let head = SubgroupHead {
        alias: TrackAlias(0),
        group: GroupId(group),
        subgroup: SubgroupIdField::Id(SubgroupId(0)),
        priority: Some(Priority(9)),
        properties: false,
        end_of_group: false,
        first_object: true,
    };
    let End { session, transport, .. } = &mut pair.server;
    let (stream, bytes) = session.open_subgroup(transport, id, &head, 0).unwrap().unwrap();
    let mut chunks = vec![bytes];
    let mut previous = None;
    for (index, payload) in payloads.iter().enumerate() {
        let object = ObjectHead {
            object: ObjectId(index as u64),
            properties: Properties::default(),
            status: ObjectStatus::Normal,
            payload_bytes: payload.len() as u64,
        };
        let mut frame = BytesMut::new();
        session.dialect().unwrap().encode_object(&head, previous, &object, &mut frame).unwrap();
        previous = Some(object.object);
        chunks.push(frame.freeze());
        chunks.push(Bytes::from_static(payload));
    }
    assert!(transport.write(stream, &mut chunks).unwrap().complete);
    stream
}

fn payloads(end: &mut End) -> Vec<u8> {
    let mut bytes = Vec::new();
    end.events.retain(|event| match event {
        SessionEvent::Payload { data, .. } => {
            bytes.extend_from_slice(data);
            false
        }
        _ => true,
    });
    bytes
}

#[test]
fn a_subscription_lives_and_ends_on_every_draft() {
    for draft in Draft::ALL {
        let mut pair = Pair::ready(draft);
        let id = subscribed(&mut pair);
        let stream = send_group(&mut pair, id, 300, &[b"hello ", b"world"]);
        pair.run();
        assert_eq!(payloads(&mut pair.client), b"hello world", "{draft}");
        assert!(matches!(
            next(&mut pair.client),
            SessionEvent::SubgroupOpened { id: from, ref head, .. }
                if from == id && head.group == GroupId(300)
        ));
        pair.client.events.clear();
        // PUBLISH_DONE waits for the stream.
        pair.server.session.publish_done(id, DoneCode::TrackEnded, "over");
        pair.run();
        assert!(pair.client.events.is_empty(), "{draft}: {:?}", pair.client.events);
        let End { session, transport, .. } = &mut pair.server;
        session.finish_data(transport, stream);
        pair.run();
        let events: Vec<_> = pair.client.events.drain(..).collect();
        assert!(
            events.iter().any(|event| matches!(event, SessionEvent::DataFinished { .. })),
            "{draft}: {events:?}"
        );
        let done = events.iter().find_map(|event| match event {
            SessionEvent::Ended { id: ended, end: RequestEnd::Done(done) } => Some((*ended, done)),
            _ => None,
        });
        let (ended, done) = done.unwrap_or_else(|| panic!("{draft}: {events:?}"));
        assert_eq!((ended, done.code), (id, DoneCode::TrackEnded));
        assert_eq!(done.streams, StreamCount::Known(1), "{draft}");
    }
}

#[test]
fn a_subscriber_that_leaves_is_heard_on_every_draft() {
    for draft in Draft::ALL {
        let mut pair = Pair::ready(draft);
        let id = subscribed(&mut pair);
        pair.client.session.cancel(id, ResetCode::Cancelled);
        pair.run();
        assert!(
            matches!(
                next(&mut pair.server),
                SessionEvent::Ended { id: left, end: RequestEnd::Cancelled(_) } if left == id
            ),
            "{draft}"
        );
        assert!(pair.client.events.is_empty() && pair.server.events.is_empty(), "{draft}");
    }
}

#[test]
fn a_refusal_arrives_with_code_and_reason_on_every_draft() {
    for draft in Draft::ALL {
        let mut pair = Pair::ready(draft);
        let request = Request::Subscribe(Subscribe { track: track(), ..Subscribe::default() });
        let id = pair.client.session.request(request).unwrap();
        pair.run();
        pair.server.events.clear();
        let error = RequestError::new(RequestCode::DoesNotExist, "no such track");
        pair.server.session.refuse(id, error.clone());
        pair.run();
        let expected = SessionEvent::Response { id, response: Response::Error(error) };
        assert_eq!(next(&mut pair.client), expected, "{draft}");
    }
}

#[test]
fn an_offered_track_is_taken_paused_and_ended_on_every_draft() {
    for draft in Draft::ALL {
        let mut pair = Pair::ready(draft);
        let alias = pair.client.session.next_alias();
        let publish = Publish { track: track(), alias, ..Publish::default() };
        let id = pair.client.session.request(Request::Publish(publish)).unwrap();
        pair.run();
        assert!(
            matches!(
                next(&mut pair.server),
                SessionEvent::Request { request: Request::Publish(_), .. }
            ),
            "{draft}"
        );
        let ok = PublishOk { forward: Some(false), ..PublishOk::default() };
        pair.server.session.publish_ok(id, ok);
        pair.run();
        let paused = pair.client.events.iter().any(|event| match event {
            SessionEvent::Response { response: Response::Publish(ok), .. } => {
                ok.forward == Some(false)
            }
            SessionEvent::Update { update, .. } => update.forward == Some(false),
            _ => false,
        });
        assert!(paused, "{draft}: {:?}", pair.client.events);
        pair.client.events.clear();
        let update = RequestUpdate { forward: Some(true), ..RequestUpdate::default() };
        pair.server.session.update(id, update).unwrap();
        pair.run();
        assert!(
            matches!(
                next(&mut pair.client),
                SessionEvent::Update { ref update, .. } if update.forward == Some(true)
            ),
            "{draft}"
        );
        pair.client.session.publish_done(id, DoneCode::TrackEnded, "");
        pair.run();
        let ended = pair
            .server
            .events
            .iter()
            .any(|event| matches!(event, SessionEvent::Ended { end: RequestEnd::Done(_), .. }));
        assert!(ended, "{draft}: {:?}", pair.server.events);
    }
}

#[test]
fn namespaces_are_announced_and_withdrawn_on_every_draft() {
    for draft in Draft::ALL {
        let mut pair = Pair::ready(draft);
        let namespace = TrackNamespace::from_path("live/cam").unwrap();
        let publish = PublishNamespace { namespace: namespace.clone(), tokens: Vec::new() };
        let id = pair.client.session.request(Request::PublishNamespace(publish)).unwrap();
        pair.run();
        assert!(
            matches!(next(&mut pair.server), SessionEvent::Request { id: seen, .. } if seen == id),
            "{draft}"
        );
        pair.server.session.request_ok(id, RequestOk::default());
        pair.run();
        assert!(
            matches!(
                next(&mut pair.client),
                SessionEvent::Response { response: Response::Ok(_), .. }
            ),
            "{draft}"
        );
        pair.client.session.cancel(id, ResetCode::Cancelled);
        pair.run();
        assert!(
            matches!(
                next(&mut pair.server),
                SessionEvent::Ended { id: gone, end: RequestEnd::Cancelled(_) } if gone == id
            ),
            "{draft}"
        );
    }
}

#[test]
fn interest_in_a_prefix_hears_of_namespaces_on_every_draft() {
    for draft in Draft::ALL {
        let mut pair = Pair::ready(draft);
        let prefix = TrackNamespace::from_path("live").unwrap();
        let interest = SubscribeNamespace::new(prefix, Interest::Both);
        let id = pair.client.session.request(Request::SubscribeNamespace(interest)).unwrap();
        pair.run();
        let mut heard = Vec::new();
        while let Some(event) = pair.server.events.pop_front() {
            match event {
                SessionEvent::Request { id, request: Request::SubscribeNamespace(interest) } => {
                    pair.server.session.request_ok(id, RequestOk::default());
                    heard.push((id, interest.interest));
                }
                other => panic!("{draft}: {other:?}"),
            }
        }
        pair.run();
        assert!(
            matches!(
                next(&mut pair.client),
                SessionEvent::Response { id: answered, response: Response::Ok(_) } if answered == id
            ),
            "{draft}"
        );
        let (namespaces, _) =
            heard.iter().find(|(_, interest)| interest.namespaces()).copied().unwrap();
        assert!(heard.iter().any(|(_, interest)| interest.tracks()), "{draft}: {heard:?}");
        let suffix = TrackNamespace::from_path("cam").unwrap();
        pair.server.session.namespace(namespaces, suffix.clone());
        pair.run();
        match next(&mut pair.client) {
            SessionEvent::Namespace { id: of, suffix: seen } => {
                assert_eq!((of, seen), (id, suffix.clone()), "{draft}");
            }
            SessionEvent::Request { request: Request::PublishNamespace(publish), .. } => {
                assert_eq!(publish.namespace.to_string(), "live/cam", "{draft}");
            }
            other => panic!("{draft}: {other:?}"),
        }
        pair.server.session.namespace_done(namespaces, suffix);
        pair.run();
        assert!(
            matches!(
                next(&mut pair.client),
                SessionEvent::NamespaceDone { .. } | SessionEvent::Ended { .. }
            ),
            "{draft}"
        );
    }
}

#[test]
fn goaway_is_heard_and_new_requests_are_refused_on_every_draft() {
    for draft in Draft::ALL {
        let mut pair = Pair::ready(draft);
        pair.server.session.goaway("https://other/moq", Some(Duration::from_secs(5)));
        pair.run();
        match next(&mut pair.client) {
            SessionEvent::Goaway { id: None, goaway } => {
                assert_eq!(goaway.uri, "https://other/moq", "{draft}");
            }
            other => panic!("{draft}: {other:?}"),
        }
        let request = Request::Subscribe(Subscribe { track: track(), ..Subscribe::default() });
        pair.client.session.request(request).unwrap();
        pair.run();
        let refused = pair.client.events.iter().any(|event| {
            matches!(event, SessionEvent::Response { response: Response::Error(_), .. })
        });
        assert!(refused, "{draft}: {:?}", pair.client.events);
    }
}
