//! Requests that are over leave nothing behind: neither ids, nor streams, nor memory.

use bytes::Bytes;
use sluice_proto::model::*;
use sluice_proto::session::*;
use sluice_proto::transport::Transport;
use sluice_proto::wire::Draft;

use crate::pair::{End, Pair};
use crate::track;

/// More than may be open at a time, so that whatever stays behind is missed.
const ROUNDS: usize = 100;

fn narrow(draft: Draft) -> Pair {
    let limits = SessionLimits {
        requests_max: 8,
        bidi_streams_max: 8,
        uni_streams_max: 8,
        ..SessionLimits::default()
    };
    Pair::limited(draft, limits)
}

/// Makes a request and returns its id once the server has it.
fn ask(pair: &mut Pair, request: Request) -> RequestId {
    let kind = request.kind();
    let id = pair.client.session.request(request).unwrap();
    pair.run();
    let heard = pair.server.events.pop_front();
    assert!(
        matches!(&heard, Some(SessionEvent::Request { id: seen, .. }) if *seen == id),
        "{kind:?}: {heard:?}"
    );
    id
}

/// Both sides hold what they held before.
fn nothing_is_left(pair: &mut Pair, before: (usize, usize), what: &str) {
    pair.run();
    let after = (pair.client.session.held_bytes(), pair.server.session.held_bytes());
    assert_eq!(after, before, "{what}");
}

fn rounds(what: &str, mut round: impl FnMut(&mut Pair)) {
    for draft in Draft::ALL {
        let mut pair = narrow(draft);
        let before = (pair.client.session.held_bytes(), pair.server.session.held_bytes());
        for _ in 0..ROUNDS {
            round(&mut pair);
            pair.run();
            pair.client.events.clear();
            pair.server.events.clear();
        }
        nothing_is_left(&mut pair, before, &format!("{what} on draft {draft}"));
    }
}

fn subscribe() -> Request {
    Request::Subscribe(Subscribe { track: track(), ..Subscribe::default() })
}

fn whole() -> Request {
    let end = RangeEnd { group: GroupId(1), object: None };
    let filter = LocationFilter::Range(Location::ZERO, end);
    Request::Fetch(Fetch::new(FetchRange::Standalone(track(), filter)))
}

fn fetch_ok() -> FetchOk {
    FetchOk {
        end_of_track: false,
        end: RangeEnd { group: GroupId(1), object: None },
        order: Some(GroupOrder::Ascending),
        properties: TrackProperties::default(),
    }
}

#[test]
fn refused_requests_leave_nothing() {
    rounds("refused", |pair| {
        let id = ask(pair, subscribe());
        let error = RequestError::new(RequestCode::DoesNotExist, "");
        pair.server.session.refuse(id, error);
    });
}

#[test]
fn answered_track_status_leaves_nothing() {
    rounds("track status", |pair| {
        let status = TrackStatus { track: track(), ..TrackStatus::default() };
        let id = ask(pair, Request::TrackStatus(status));
        pair.server.session.request_ok(id, RequestOk::default());
    });
}

#[test]
fn fetches_that_were_answered_leave_nothing() {
    rounds("fetch", |pair| {
        let id = ask(pair, whole());
        let End { session, transport, .. } = &mut pair.server;
        session.fetch_ok(id, fetch_ok());
        let (stream, head) = session.open_fetch(transport, id, 0).unwrap().expect("credit");
        assert!(transport.write(stream, &mut [head]).unwrap().complete);
        session.finish_data(transport, stream);
    });
}

#[test]
fn fetches_that_were_cancelled_leave_nothing() {
    rounds("cancelled fetch", |pair| {
        let id = ask(pair, whole());
        let End { session, transport, .. } = &mut pair.server;
        session.fetch_ok(id, fetch_ok());
        let (stream, head) = session.open_fetch(transport, id, 0).unwrap().expect("credit");
        assert!(transport.write(stream, &mut [head]).unwrap().complete);
        pair.run();
        pair.client.session.cancel(id, ResetCode::Cancelled);
        pair.run();
        let End { session, transport, .. } = &mut pair.server;
        session.reset_data(transport, stream, ResetCode::Cancelled);
    });
}

#[test]
fn subscriptions_that_were_left_leave_nothing() {
    rounds("left", |pair| {
        let id = ask(pair, subscribe());
        let alias = pair.server.session.next_alias();
        pair.server.session.subscribe_ok(id, SubscribeOk { alias, ..SubscribeOk::default() });
        pair.run();
        pair.client.session.cancel(id, ResetCode::Cancelled);
    });
}

#[test]
fn subscriptions_that_were_ended_leave_nothing() {
    rounds("ended", |pair| {
        let id = ask(pair, subscribe());
        let alias = pair.server.session.next_alias();
        pair.server.session.subscribe_ok(id, SubscribeOk { alias, ..SubscribeOk::default() });
        let stream = crate::send_group(pair, id, 0, &[b"object"]);
        let End { session, transport, .. } = &mut pair.server;
        session.finish_data(transport, stream);
        session.publish_done(id, DoneCode::TrackEnded, "");
        pair.run();
        // Its owner has waited for the streams that were announced.
        pair.client.session.forget(id);
    });
}

#[test]
fn offers_that_were_ended_leave_nothing() {
    rounds("offered", |pair| {
        let alias = pair.client.session.next_alias();
        let publish = Publish { track: track(), alias, ..Publish::default() };
        let id = ask(pair, Request::Publish(publish));
        pair.server.session.publish_ok(id, PublishOk::default());
        pair.run();
        pair.client.session.publish_done(id, DoneCode::TrackEnded, "");
        pair.run();
        pair.server.session.forget(id);
    });
}

#[test]
fn namespaces_that_were_withdrawn_leave_nothing() {
    rounds("withdrawn", |pair| {
        let namespace = TrackNamespace::from_path("live/cam").unwrap();
        let publish = PublishNamespace { namespace, tokens: Vec::new() };
        let id = ask(pair, Request::PublishNamespace(publish));
        pair.server.session.request_ok(id, RequestOk::default());
        pair.run();
        pair.client.session.cancel(id, ResetCode::Cancelled);
    });
}

#[test]
fn interests_that_ended_leave_nothing() {
    rounds("interest", |pair| {
        let prefix = TrackNamespace::from_path("live").unwrap();
        let interest = SubscribeNamespace::new(prefix, Interest::Namespaces);
        let interest = match pair.client.session.dialect().unwrap().interests {
            sluice_proto::wire::InterestForm::Combined => {
                SubscribeNamespace { interest: Interest::Both, ..interest }
            }
            _ => interest,
        };
        let id = ask(pair, Request::SubscribeNamespace(interest));
        pair.server.session.request_ok(id, RequestOk::default());
        pair.server.session.namespace(id, TrackNamespace::from_path("cam").unwrap());
        pair.run();
        let announced = pair.client.events.iter().find_map(|event| match event {
            SessionEvent::Request { id, request: Request::PublishNamespace(_) } => Some(*id),
            _ => None,
        });
        if let Some(announced) = announced {
            pair.client.session.request_ok(announced, RequestOk::default());
        }
        pair.run();
        pair.client.session.cancel(id, ResetCode::Cancelled);
    });
}

#[test]
fn datagrams_of_a_track_that_was_left_are_dropped_in_silence() {
    for draft in Draft::ALL {
        let mut pair = Pair::ready(draft);
        let id = crate::subscribed(&mut pair);
        pair.client.session.cancel(id, ResetCode::Cancelled);
        let head = DatagramHead {
            alias: TrackAlias(0),
            location: Location::new(1, 1),
            priority: Some(Priority(1)),
            properties: Properties::default(),
            status: ObjectStatus::Normal,
            end_of_group: false,
        };
        // The publisher does not know yet.
        let End { session, transport, .. } = &mut pair.server;
        let payload = [Bytes::from_static(b"late")];
        session.send_datagram(transport, id, &head, &payload).unwrap();
        crate::send_group(&mut pair, id, 7, &[b"late"]);
        pair.run();
        assert!(pair.client.events.is_empty(), "{draft}: {:?}", pair.client.events);
        assert!(!pair.client.session.is_closed(), "{draft}");
    }
}
