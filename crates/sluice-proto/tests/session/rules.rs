//! What a peer must not do, and what it costs; what it may do although it looks odd.

use std::time::Duration;

use bytes::Bytes;
use sluice_proto::model::*;
use sluice_proto::session::*;
use sluice_proto::transport::{Side, Transport};
use sluice_proto::wire::{About, Context, Draft, Message, MessageKind, MessageStream, Violation};
use sluice_sim::link::{LinkConfig, Network};

use crate::pair::{End, Pair, Raw};
use crate::{next, subscribed, track};

/// Drafts whose requests have streams of their own.
const OWN_STREAMS: [Draft; 2] = [Draft::D18, Draft::D20];

fn violation(end: &mut End) -> Violation {
    match end.events.pop_back() {
        Some(SessionEvent::Closed(SessionEnd::Violation { violation, .. })) => violation,
        other => panic!("{other:?}"),
    }
}

fn filter(filter: LocationFilter) -> RequestUpdate {
    RequestUpdate { filter: Some(filter), ..RequestUpdate::default() }
}

#[test]
fn updates_of_draft_14_only_narrow() {
    // Subscribed at the next object after 300/4.
    let from = |group, object| LocationFilter::From(Location::new(group, object));
    let to = |group| {
        let end = RangeEnd { group: GroupId(group), object: None };
        LocationFilter::Range(Location::new(301, 0), end)
    };
    let mut pair = Pair::ready(Draft::D14);
    let id = subscribed(&mut pair);
    // A start that the subscriber may not know yet is not held against it.
    for narrower in [from(0, 0), from(300, 5), from(301, 0), to(400), to(350)] {
        pair.client.session.update(id, filter(narrower)).unwrap();
        pair.run();
        assert!(matches!(next(&mut pair.server), SessionEvent::Update { .. }), "{narrower:?}");
    }
    for wider in [from(300, 9), to(351), from(301, 0)] {
        let mut pair = Pair::ready(Draft::D14);
        let id = subscribed(&mut pair);
        pair.client.session.update(id, filter(to(350))).unwrap();
        pair.client.session.update(id, filter(wider)).unwrap();
        pair.run();
        let violation = violation(&mut pair.server);
        assert_eq!(violation, Violation::UpdateWidens { id: id.0 }, "{wider:?}");
    }
}

#[test]
fn updates_of_draft_15_do_not_begin_earlier() {
    let from = |group, object| LocationFilter::From(Location::new(group, object));
    let range = |group| {
        let end = RangeEnd { group: GroupId(group), object: None };
        LocationFilter::Range(Location::new(400, 0), end)
    };
    // Subscribed at the next object after 300/4, whose place the subscriber may not know yet.
    let mut pair = Pair::ready(Draft::D15);
    let id = subscribed(&mut pair);
    for allowed in [from(0, 0), range(410), range(450), from(400, 0), from(401, 0)] {
        pair.client.session.update(id, filter(allowed)).unwrap();
        pair.run();
        assert!(matches!(next(&mut pair.server), SessionEvent::Update { .. }), "{allowed:?}");
    }
    pair.client.session.update(id, filter(from(400, 9))).unwrap();
    pair.run();
    assert_eq!(violation(&mut pair.server), Violation::UpdateWidens { id: id.0 });
    // Later drafts let it.
    let mut pair = Pair::ready(Draft::D16);
    let id = subscribed(&mut pair);
    for allowed in [from(401, 0), from(400, 9)] {
        pair.client.session.update(id, filter(allowed)).unwrap();
        pair.run();
        assert!(matches!(next(&mut pair.server), SessionEvent::Update { .. }), "{allowed:?}");
    }
}

/// Ids of requests and updates in the order in which they were told of.
fn told(raw: &mut Raw) -> Vec<u64> {
    let id = |event: &SessionEvent| match event {
        SessionEvent::Request { id, .. } => id.0,
        SessionEvent::Update { update_id, .. } => update_id.0,
        other => panic!("{other:?}"),
    };
    raw.heard().iter().map(id).collect()
}

fn asking(id: u64, name: &str) -> Message {
    let track = FullTrackName::new(
        TrackNamespace::from_path("live/cam").unwrap(),
        TrackName::new(name.to_owned()).unwrap(),
    );
    let subscribe = Subscribe { track: track.unwrap(), ..Subscribe::default() };
    Message::Request { id: RequestId(id), request: Request::Subscribe(subscribe) }
}

#[test]
fn a_request_of_draft_17_is_told_of_after_the_one_that_it_needs() {
    let mut raw = Raw::ready(Draft::D17);
    raw.request_needing(&asking(6, "d"), 1);
    raw.request_needing(&asking(4, "c"), 2);
    raw.request(&asking(2, "b"));
    // 6 needs 4, which needs 0.
    assert_eq!(told(&mut raw), [2]);
    raw.request(&asking(0, "a"));
    assert_eq!(told(&mut raw), [0, 4, 6]);
    raw.request_needing(&asking(8, "e"), 4);
    assert_eq!(told(&mut raw), [8], "what it needs is there");
}

#[test]
fn an_update_of_draft_17_waits_for_the_request_that_it_needs_and_those_behind_it_wait_too() {
    let mut raw = Raw::ready(Draft::D17);
    let stream = raw.request(&asking(0, "a"));
    assert_eq!(told(&mut raw), [0]);
    let about = Some(About::Update(RequestKind::Subscribe));
    let on = MessageStream::Request(RequestId(0));
    let context = Context { from: Side::Client, stream: on, about };
    let update = |id| Message::Update {
        id: RequestId(id),
        existing: RequestId(0),
        update: RequestUpdate { forward: Some(false), ..RequestUpdate::default() },
    };
    raw.write_needing(stream, &update(4), &context, 1);
    raw.write(stream, &update(6), &context);
    assert_eq!(told(&mut raw), [0; 0]);
    raw.request(&asking(2, "b"));
    assert_eq!(told(&mut raw), [2, 4, 6]);
    // One that waits in vain is told as such.
    raw.write_needing(stream, &update(10), &context, 1);
    assert_eq!(told(&mut raw), [0; 0]);
    raw.wait(Duration::from_secs(2));
    let heard = raw.heard();
    let lapsed = SessionEvent::UpdateLapsed { id: RequestId(0), update_id: RequestId(10) };
    assert_eq!(format!("{heard:?}"), format!("{:?}", [lapsed]));
}

#[test]
fn a_request_of_draft_17_that_waits_in_vain_is_refused() {
    let mut raw = Raw::ready(Draft::D17);
    let stream = raw.request_needing(&asking(4, "b"), 1);
    assert_eq!(told(&mut raw), [0; 0]);
    raw.wait(Duration::from_secs(2));
    assert_eq!(raw.refusal(stream), RequestCode::Timeout);
    raw.request(&asking(2, "a"));
    assert_eq!(told(&mut raw), [2], "the session goes on");
}

#[test]
fn a_fetch_joins_what_the_draft_lets_it_join() {
    for draft in Draft::ALL.into_iter().filter(|draft| *draft < Draft::D20) {
        let joins = |filter, forward| {
            let mut pair = Pair::ready(draft);
            let forward = Some(forward);
            let subscribe = Subscribe { track: track(), filter, forward, ..Subscribe::default() };
            let id = pair.client.session.request(Request::Subscribe(subscribe)).unwrap();
            let joining = FetchRange::Joining(id, JoiningStart::Relative(1));
            pair.client.session.request(Request::Fetch(Fetch::new(joining))).unwrap();
            pair.run();
            assert!(matches!(next(&mut pair.server), SessionEvent::Request { .. }), "{draft}");
            match next(&mut pair.server) {
                SessionEvent::Request { .. } => true,
                SessionEvent::Closed(SessionEnd::Violation { violation, .. }) => {
                    assert_eq!(violation, Violation::Joining { id: id.0 }, "{draft}");
                    false
                }
                other => panic!("{draft}: {other:?}"),
            }
        };
        assert!(joins(LocationFilter::NextObject, true), "{draft}");
        let from = LocationFilter::From(Location::new(3, 0));
        assert_eq!(joins(from, true), draft >= Draft::D17, "{draft}");
        // From 18 on its owner refuses it.
        assert_eq!(joins(LocationFilter::NextObject, false), draft != Draft::D17, "{draft}");
    }
}

#[test]
fn the_end_of_a_request_stream_ends_an_interest_only_in_older_drafts() {
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D17) {
        let mut raw = Raw::ready(draft);
        let prefix = TrackNamespace::from_path("live").unwrap();
        let interest = SubscribeNamespace::new(prefix, interest_of(draft));
        let request = Request::SubscribeNamespace(interest);
        let stream = raw.request(&Message::Request { id: RequestId(0), request });
        assert!(matches!(raw.heard()[..], [SessionEvent::Request { .. }]), "{draft}");
        raw.finish(stream);
        match &raw.heard()[..] {
            [] => assert!(draft >= Draft::D19, "{draft}: it should have ended"),
            [SessionEvent::Ended { id: RequestId(0), .. }] => {
                assert!(draft < Draft::D19, "{draft}: it should go on");
            }
            other => panic!("{draft}: {other:?}"),
        }
    }
}

/// What an interest is about in a draft, or one of the two kinds.
fn interest_of(draft: Draft) -> Interest {
    if draft < Draft::D18 { Interest::Both } else { Interest::Namespaces }
}

#[test]
fn nothing_is_told_of_a_prefix_before_the_request_was_answered() {
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D17) {
        let mut raw = Raw::ready(draft);
        let prefix = TrackNamespace::from_path("live").unwrap();
        let interest = SubscribeNamespace::new(prefix, interest_of(draft));
        let id = raw.session().request(Request::SubscribeNamespace(interest)).unwrap();
        let stream = raw.accept();
        let about = Some(About::Request(RequestKind::SubscribeNamespace));
        let context = Context { from: Side::Client, stream: MessageStream::Request(id), about };
        let suffix = TrackNamespace::from_path("cam").unwrap();
        raw.write(stream, &Message::Namespace { suffix }, &context);
        let message = MessageKind::Namespace;
        assert_eq!(raw.violation(), Violation::MisplacedMessage { message }, "{draft}");
    }
}

#[test]
fn a_request_that_overtakes_setup_is_kept_until_then() {
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D17) {
        let subscribe = Request::Subscribe(Subscribe { track: track(), ..Subscribe::default() });
        let request = Message::Request { id: RequestId(0), request: subscribe };
        let heard = Raw::hasty(draft, &request).heard();
        assert!(
            matches!(heard[..], [SessionEvent::Ready(_), SessionEvent::Request { .. }]),
            "{draft}: {heard:?}"
        );
    }
}

#[test]
fn a_joining_fetch_that_overtakes_its_subscription_waits_for_it() {
    let mut raw = Raw::ready(Draft::D18);
    let range = FetchRange::Joining(RequestId(0), JoiningStart::Relative(0));
    let fetch = Request::Fetch(Fetch::new(range));
    raw.request(&Message::Request { id: RequestId(2), request: fetch });
    assert!(raw.heard().is_empty());
    let subscribe = Request::Subscribe(Subscribe { track: track(), ..Subscribe::default() });
    raw.request(&Message::Request { id: RequestId(0), request: subscribe });
    let ids: Vec<u64> = raw
        .heard()
        .iter()
        .map(|event| match event {
            SessionEvent::Request { id, .. } => id.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [0, 2]);
}

#[test]
fn a_joining_fetch_whose_subscription_never_comes_is_told_to_the_owner_in_time() {
    let mut pair = Pair::ready(Draft::D18);
    let range = FetchRange::Joining(RequestId(44), JoiningStart::Relative(0));
    pair.client.session.request(Request::Fetch(Fetch::new(range))).unwrap();
    pair.run();
    assert!(pair.server.events.is_empty());
    pair.wait(Duration::from_secs(2));
    assert!(matches!(
        next(&mut pair.server),
        SessionEvent::Request { request: Request::Fetch(_), .. }
    ));
}

#[test]
fn a_peer_that_only_updates_is_granted_new_ids() {
    for draft in [Draft::D14, Draft::D16] {
        let limits = SessionLimits { requests_max: 8, ..SessionLimits::default() };
        let mut pair = Pair::limited(draft, limits);
        let id = subscribed(&mut pair);
        for round in 0..100 {
            let forward = Some(round % 2 == 0);
            let update = RequestUpdate { forward, ..RequestUpdate::default() };
            pair.client.session.update(id, update).unwrap_or_else(|e| panic!("{draft}: {e}"));
            pair.run();
            let SessionEvent::Update { update_id, .. } = next(&mut pair.server) else { panic!() };
            pair.server.session.answer_update(id, update_id, Ok(RequestOk::default()));
            pair.run();
            pair.client.events.clear();
        }
    }
}

#[test]
fn a_token_of_the_configuration_is_in_the_setup_of_who_dials() {
    let token = Token::UseValue { kind: 0, value: Bytes::from_static(b"my super secret") };
    for draft in Draft::ALL {
        let mut network = Network::new(1);
        let link = LinkConfig { protocol: Some(draft.token().to_owned()), ..LinkConfig::default() };
        let (_, mut client, mut server) = network.connect(link);
        let now = network.now();
        let drafts = vec![draft];
        let plain = SessionConfig { drafts, ..SessionConfig::default() };
        let dialing = SessionConfig { tokens: vec![token.clone()], ..plain.clone() };
        let mut dials = Session::new(&dialing, client.info(), now);
        let mut hears = Session::new(&plain, server.info(), now);
        while network.advance() || dials.poll_event().is_none() {
            let now = network.now();
            for (session, end) in [(&mut dials, &mut client), (&mut hears, &mut server)] {
                while session.handle_transport(end, now) == ReadProgress::More {}
                session.flush(end, now);
            }
        }
        let told = hears.poll_event();
        let Some(SessionEvent::Ready(options)) = told else { panic!("{draft}: {told:?}") };
        assert_eq!(options.tokens, std::slice::from_ref(&token), "{draft}");
    }
}

#[test]
fn no_more_updates_go_out_than_the_peer_said_it_takes() {
    let options = SetupOptions { request_updates: Some(1), ..SetupOptions::default() };
    let mut raw = Raw::with_options(Draft::D20, options);
    let subscribe = Request::Subscribe(Subscribe { track: track(), ..Subscribe::default() });
    let id = raw.session().request(subscribe).unwrap();
    raw.heard();
    let pause = || RequestUpdate { forward: Some(false), ..RequestUpdate::default() };
    raw.session().update(id, pause()).unwrap();
    assert_eq!(raw.session().update(id, pause()), Err(CommandError::NoCredit));
}

#[test]
fn updates_that_nobody_answers_are_not_remembered_without_end() {
    let mut raw = Raw::ready(Draft::D20);
    let subscribe = Request::Subscribe(Subscribe { track: track(), ..Subscribe::default() });
    let id = raw.session().request(subscribe).unwrap();
    raw.heard();
    let pause = || RequestUpdate { forward: Some(false), ..RequestUpdate::default() };
    for _ in 0..SessionLimits::default().updates_max {
        raw.session().update(id, pause()).unwrap();
    }
    assert_eq!(raw.session().update(id, pause()), Err(CommandError::NoCredit));
}

#[test]
fn an_update_of_what_cannot_be_updated_costs_the_session() {
    for draft in OWN_STREAMS {
        let mut raw = Raw::ready(draft);
        let namespace = TrackNamespace::from_path("live").unwrap();
        let publish = PublishNamespace { namespace, tokens: Vec::new() };
        let id = raw.session().request(Request::PublishNamespace(publish)).unwrap();
        let stream = raw.accept();
        let update = RequestUpdate::default();
        let message = Message::Update { id: RequestId(0), existing: id, update };
        let about = Some(About::Update(RequestKind::PublishNamespace));
        let on = MessageStream::Request(id);
        let context = Context { from: Side::Client, stream: on, about };
        raw.write(stream, &message, &context);
        let violation = raw.violation();
        assert!(matches!(violation, Violation::UnsuitableRequest { .. }), "{draft}: {violation}");
    }
}

#[test]
fn a_namespace_cannot_go_before_it_came() {
    for draft in OWN_STREAMS {
        let mut raw = Raw::ready(draft);
        let prefix = TrackNamespace::from_path("live").unwrap();
        let interest = SubscribeNamespace::new(prefix, Interest::Namespaces);
        let id = raw.session().request(Request::SubscribeNamespace(interest)).unwrap();
        let stream = raw.accept();
        let on = MessageStream::Request(id);
        let kind = RequestKind::SubscribeNamespace;
        let context = |about| Context { from: Side::Client, stream: on, about: Some(about) };
        let ok = Message::Response { id, response: Response::Ok(RequestOk::default()) };
        raw.write(stream, &ok, &context(About::Request(kind)));
        let suffix = TrackNamespace::from_path("cam").unwrap();
        let came = Message::Namespace { suffix: suffix.clone() };
        let gone = Message::NamespaceDone { suffix };
        raw.write(stream, &came, &context(About::Update(kind)));
        raw.write(stream, &gone, &context(About::Update(kind)));
        assert_eq!(raw.heard().len(), 3, "{draft}");
        raw.write(stream, &gone, &context(About::Update(kind)));
        assert_eq!(raw.violation(), Violation::NamespaceDoneFirst { id: id.0 }, "{draft}");
    }
}

#[test]
fn goaway_comes_once_on_a_stream_and_names_a_request_of_its_receiver() {
    for draft in OWN_STREAMS {
        let mut raw = Raw::ready(draft);
        let first_unprocessed = Some(RequestId(1));
        let goaway = Goaway { first_unprocessed, ..Goaway::default() };
        raw.control(&Message::Goaway(goaway.clone()));
        assert!(matches!(raw.heard()[..], [SessionEvent::Goaway { id: None, .. }]), "{draft}");
        raw.control(&Message::Goaway(goaway));
        assert_eq!(raw.violation(), Violation::SecondGoaway, "{draft}");
    }
    let mut raw = Raw::ready(Draft::D18);
    let first_unprocessed = Some(RequestId(2));
    raw.control(&Message::Goaway(Goaway { first_unprocessed, ..Goaway::default() }));
    assert_eq!(raw.violation(), Violation::GoawayRequestId { id: 2 });
}

#[test]
fn goaway_of_one_request_names_it_and_comes_once() {
    for draft in OWN_STREAMS {
        let mut raw = Raw::ready(draft);
        let subscribe = Request::Subscribe(Subscribe { track: track(), ..Subscribe::default() });
        let id = raw.session().request(subscribe).unwrap();
        let stream = raw.accept();
        let about = Some(About::Request(RequestKind::Subscribe));
        let on = MessageStream::Request(id);
        let context = Context { from: Side::Client, stream: on, about };
        let goaway = Message::Goaway(Goaway::default());
        raw.write(stream, &goaway, &context);
        match &raw.heard()[..] {
            [SessionEvent::Goaway { id: Some(of), .. }] => assert_eq!(*of, id, "{draft}"),
            other => panic!("{draft}: {other:?}"),
        }
        assert!(!raw.session().peer_going_away(), "{draft}: only one request goes");
        raw.write(stream, &goaway, &context);
        assert_eq!(raw.violation(), Violation::SecondGoaway, "{draft}");
    }
}

#[test]
fn fetch_ok_cannot_end_before_the_fetch_starts() {
    for draft in OWN_STREAMS {
        let mut raw = Raw::ready(draft);
        let start = Location::new(5, 0);
        let end = RangeEnd { group: GroupId(9), object: None };
        let range = FetchRange::Standalone(track(), LocationFilter::Range(start, end));
        let id = raw.session().request(Request::Fetch(Fetch::new(range))).unwrap();
        let stream = raw.accept();
        let ok = FetchOk {
            end_of_track: false,
            end: RangeEnd { group: GroupId(4), object: Some(ObjectId(3)) },
            order: None,
            properties: TrackProperties::default(),
        };
        let about = Some(About::Request(RequestKind::Fetch));
        let on = MessageStream::Request(id);
        let context = Context { from: Side::Client, stream: on, about };
        raw.write(stream, &Message::Response { id, response: Response::Fetch(ok) }, &context);
        assert_eq!(raw.violation(), Violation::FetchEndBeforeStart { id: id.0 }, "{draft}");
    }
}

#[test]
fn an_accepted_offer_is_followed_by_an_update_only_where_something_changes() {
    for (forward, updates) in [(None, 0), (Some(true), 0), (Some(false), 1)] {
        let mut pair = Pair::ready(Draft::D20);
        let alias = pair.client.session.next_alias();
        let publish = Publish { track: track(), alias, ..Publish::default() };
        let id = pair.client.session.request(Request::Publish(publish)).unwrap();
        pair.run();
        pair.server.session.publish_ok(id, PublishOk { forward, ..PublishOk::default() });
        pair.run();
        let updated = |event: &&SessionEvent| matches!(event, SessionEvent::Update { .. });
        assert_eq!(pair.client.events.iter().filter(updated).count(), updates, "{forward:?}");
    }
}
