//! Origins: relays that are asked for what no publisher of this one has.

use std::time::Duration;

use sluice_core::{Offer, OriginTerms, RelayId};
use sluice_proto::model::*;
use sluice_proto::session::{RequestEnd, Response, SessionEvent};
use sluice_proto::wire::Draft;

use crate::scene::*;

const OTHER: RelayId = RelayId(2);
const THIRD: RelayId = RelayId(3);
/// Longer than any origin takes to be asked again.
const RETRY: Duration = Duration::from_secs(11);

fn terms(priority: u8) -> OriginTerms {
    let offers = vec![Offer::Under(namespace("live"))];
    OriginTerms { offers, priority, tokens: Vec::new() }
}

fn relay_with(origins: Vec<OriginTerms>) -> Scene {
    let mut scene = Scene::new();
    scene.set_origins(origins);
    scene
}

/// The next SUBSCRIBE that a peer heard of.
fn subscribed(scene: &mut Scene, peer: PeerId) -> Option<(RequestId, Subscribe)> {
    while let Some((id, request)) = scene.asked(peer) {
        if let Request::Subscribe(subscribe) = request {
            return Some((id, subscribe));
        }
    }
    None
}

/// The origin accepts the SUBSCRIBE that it was asked.
fn accept(scene: &mut Scene, peer: PeerId, ok: SubscribeOk) -> RequestId {
    let (id, _) = subscribed(scene, peer).expect("the origin is asked");
    let alias = scene.session(peer).next_alias();
    scene.session(peer).subscribe_ok(id, SubscribeOk { alias, ..ok });
    scene.run();
    id
}

fn refuse(scene: &mut Scene, peer: PeerId, code: RequestCode) {
    let (id, _) = subscribed(scene, peer).expect("the origin is asked");
    scene.session(peer).refuse(id, RequestError::new(code, "no"));
    scene.run();
}

#[test]
fn one_subscription_at_the_origin_serves_viewers_of_every_draft() {
    for draft in Draft::ALL {
        let mut scene = relay_with(vec![terms(0)]);
        let origin = scene.origin(0, draft, OTHER);
        let first = scene.peer(Draft::D18);
        let id = scene.subscribe(first, newest("video"));
        let upstream = accept(&mut scene, origin, SubscribeOk::default());
        scene.subscribe_ok(first, id);
        let mut viewers = vec![(first, id)];
        for to in Draft::ALL {
            let viewer = scene.peer(to);
            let id = scene.subscribe(viewer, newest("video"));
            scene.subscribe_ok(viewer, id);
            viewers.push((viewer, id));
        }
        assert!(subscribed(&mut scene, origin).is_none(), "{draft}: asked once");
        scene.send(origin, upstream, (3, 0), &[(0, "a"), (1, "b")]);
        for (viewer, id) in viewers {
            assert_eq!(scene.places(viewer, id), [(3, 0), (3, 1)], "from {draft}");
        }
    }
}

#[test]
fn what_a_publisher_of_this_relay_has_is_not_asked_of_an_origin() {
    let mut scene = relay_with(vec![terms(0)]);
    let origin = scene.origin(0, Draft::D18, OTHER);
    let publisher = scene.peer(Draft::D18);
    scene.announce(publisher, "live/cam");
    let viewer = scene.peer(Draft::D18);
    scene.subscribe(viewer, newest("video"));
    assert!(subscribed(&mut scene, origin).is_none());

    // It does not have this one, so the origin may.
    let other = scene.subscribe(viewer, newest("audio"));
    refuse(&mut scene, publisher, RequestCode::DoesNotExist);
    let (id, _) = subscribed(&mut scene, publisher).expect("the second track");
    scene.session(publisher).refuse(id, RequestError::new(RequestCode::DoesNotExist, "no"));
    scene.run();
    let asked: Vec<String> = std::iter::from_fn(|| subscribed(&mut scene, origin))
        .map(|(_, subscribe)| subscribe.track.name().to_string())
        .collect();
    assert_eq!(asked, ["video", "audio"]);
    assert!(scene.answered(viewer, other).is_none(), "the viewer waits for the origin");
}

#[test]
fn an_origin_is_asked_for_its_namespaces_only_and_with_its_token() {
    let token = secret();
    let offers = vec![Offer::Exactly(namespace("live/cam"))];
    for draft in Draft::ALL {
        let terms =
            OriginTerms { offers: offers.clone(), priority: 0, tokens: vec![token.clone()] };
        let mut scene = relay_with(vec![terms]);
        let origin = scene.origin(0, draft, OTHER);
        let viewer = scene.peer(Draft::D18);
        let elsewhere = FullTrackName::new(namespace("live/cam/2"), track("video").name().clone());
        let elsewhere = Subscribe { track: elsewhere.unwrap(), ..newest("video") };
        let id = scene.subscribe(viewer, elsewhere);
        assert_eq!(scene.refusal(viewer, id), RequestCode::DoesNotExist, "{draft}");
        scene.subscribe(viewer, newest("video"));
        let (_, asked) = subscribed(&mut scene, origin).expect("the origin is asked");
        assert_eq!((asked.track, asked.tokens), (track("video"), vec![token.clone()]), "{draft}");
    }
}

#[test]
fn a_viewer_is_told_what_the_last_origin_said() {
    let mut scene = relay_with(vec![terms(0), terms(1)]);
    let first = scene.origin(0, Draft::D18, OTHER);
    let second = scene.origin(1, Draft::D16, THIRD);
    let viewer = scene.peer(Draft::D18);
    let id = scene.subscribe(viewer, newest("video"));
    assert!(subscribed(&mut scene, second).is_none(), "the first is asked first");
    refuse(&mut scene, first, RequestCode::DoesNotExist);
    refuse(&mut scene, second, RequestCode::Unauthorized);
    assert_eq!(scene.refusal(viewer, id), RequestCode::Unauthorized);
    scene.wait(RETRY);
    assert!(subscribed(&mut scene, first).is_none(), "nobody waits any more");
}

#[test]
fn an_origin_that_does_not_answer_is_given_up() {
    let mut scene = relay_with(vec![terms(0), terms(1)]);
    let first = scene.origin(0, Draft::D18, OTHER);
    let second = scene.origin(1, Draft::D18, THIRD);
    let viewer = scene.peer(Draft::D18);
    let id = scene.subscribe(viewer, newest("video"));
    assert!(subscribed(&mut scene, first).is_some());
    scene.wait(Duration::from_secs(6));
    accept(&mut scene, second, SubscribeOk::default());
    scene.subscribe_ok(viewer, id);
}

#[test]
fn a_running_track_moves_to_another_origin_and_repeats_nothing() {
    for draft in Draft::ALL {
        let mut scene = relay_with(vec![terms(0), terms(1)]);
        let first = scene.origin(0, draft, OTHER);
        let second = scene.origin(1, draft, THIRD);
        let viewer = scene.peer(draft);
        let id = scene.subscribe(viewer, newest("video"));
        let upstream = accept(&mut scene, first, SubscribeOk::default());
        scene.subscribe_ok(viewer, id);
        scene.send(first, upstream, (1, 0), &[(0, "a"), (1, "b")]);
        assert_eq!(scene.places(viewer, id), [(1, 0), (1, 1)], "{draft}");

        scene.lose(first);
        let upstream = accept(&mut scene, second, largest(1, 1));
        // It brings again what the first brought, and more.
        scene.send(second, upstream, (1, 0), &[(0, "a"), (1, "b"), (2, "c")]);
        scene.send(second, upstream, (2, 0), &[(0, "d")]);
        assert_eq!(scene.places(viewer, id), [(1, 2), (2, 0)], "{draft}");
        assert!(scene.end(viewer, id).is_none(), "{draft}");
    }
}

#[test]
fn origins_of_equal_priority_are_asked_together_and_the_loss_of_one_costs_nothing() {
    let mut scene = relay_with(vec![terms(0), terms(0), terms(1)]);
    let origins = [OTHER, THIRD, RelayId(4)];
    let origins: Vec<PeerId> =
        (0u16..).zip(origins).map(|(id, relay)| scene.origin(id, Draft::D18, relay)).collect();
    let viewer = scene.peer(Draft::D18);
    let id = scene.subscribe(viewer, newest("video"));
    let one = accept(&mut scene, origins[0], SubscribeOk::default());
    let two = accept(&mut scene, origins[1], SubscribeOk::default());
    assert!(subscribed(&mut scene, origins[2]).is_none());
    let mut first = scene.send(origins[0], one, (1, 0), &[(0, "a")]);
    let mut second = scene.send(origins[1], two, (1, 0), &[(0, "a")]);
    scene.more(&mut first, &[(1, "b")]);
    scene.lose(origins[0]);
    scene.more(&mut second, &[(1, "b"), (2, "c")]);
    assert_eq!(scene.places(viewer, id), [(1, 0), (1, 1), (1, 2)]);
    assert!(subscribed(&mut scene, origins[2]).is_none(), "one is left");
}

#[test]
fn a_better_source_takes_over_and_the_worse_origin_is_left_after_a_while() {
    let mut scene = relay_with(vec![terms(0), terms(1)]);
    let worse = scene.origin(1, Draft::D18, THIRD);
    let viewer = scene.peer(Draft::D18);
    let id = scene.subscribe(viewer, newest("video"));
    let old = accept(&mut scene, worse, SubscribeOk::default());
    scene.subscribe_ok(viewer, id);
    let mut out = scene.send(worse, old, (1, 0), &[(0, "a")]);

    let better = scene.origin(0, Draft::D18, OTHER);
    let new = accept(&mut scene, better, largest(1, 0));
    scene.more(&mut out, &[(1, "b")]);
    let mut out = scene.send(better, new, (1, 0), &[(1, "b"), (2, "c")]);
    assert!(scene.end(worse, old).is_none(), "both bring it for a while");
    scene.wait(Duration::from_secs(6));
    assert!(matches!(scene.end(worse, old), Some(RequestEnd::Cancelled(_))));
    scene.more(&mut out, &[(3, "d")]);
    assert_eq!(scene.places(viewer, id), [(1, 0), (1, 1), (1, 2), (1, 3)]);

    let publisher = scene.peer(Draft::D18);
    scene.announce(publisher, "live/cam");
    let own = scene.accept(publisher, largest(1, 3));
    scene.wait(Duration::from_secs(6));
    assert!(matches!(scene.end(better, new), Some(RequestEnd::Cancelled(_))));
    scene.send(publisher, own, (2, 0), &[(0, "e")]);
    assert_eq!(scene.places(viewer, id), [(2, 0)]);
}

#[test]
fn an_origin_that_goes_away_is_asked_for_nothing_more_and_another_is() {
    let mut scene = relay_with(vec![terms(0), terms(1)]);
    let first = scene.origin(0, Draft::D18, OTHER);
    let second = scene.origin(1, Draft::D18, THIRD);
    let viewer = scene.peer(Draft::D18);
    let id = scene.subscribe(viewer, newest("video"));
    let old = accept(&mut scene, first, SubscribeOk::default());
    scene.subscribe_ok(viewer, id);
    scene.session(first).goaway("", None);
    scene.run();
    let new = accept(&mut scene, second, SubscribeOk::default());
    scene.send(first, old, (1, 0), &[(0, "a")]);
    scene.send(second, new, (1, 0), &[(0, "a"), (1, "b")]);
    assert_eq!(scene.places(viewer, id), [(1, 0), (1, 1)]);
    scene.subscribe(viewer, newest("audio"));
    assert!(subscribed(&mut scene, first).is_none());
    assert!(subscribed(&mut scene, second).is_some());
}

#[test]
fn a_viewer_that_waits_for_a_publisher_waits_for_one_at_an_origin_too() {
    let mut scene = relay_with(vec![terms(0)]);
    let origin = scene.origin(0, Draft::D18, OTHER);
    let (interest, _) = scene.asked(origin).expect("the origin is asked for namespaces");
    scene.session(origin).request_ok(interest, RequestOk::default());
    let viewer = scene.peer(Draft::D18);
    let wait = Some(Duration::from_secs(20));
    let id = scene.subscribe(viewer, Subscribe { rendezvous_timeout: wait, ..newest("video") });
    refuse(&mut scene, origin, RequestCode::DoesNotExist);
    scene.wait(Duration::from_millis(50));
    assert!(scene.answered(viewer, id).is_none());

    // It is asked as soon as it has the namespace.
    scene.session(origin).namespace(interest, namespace("cam"));
    scene.run();
    accept(&mut scene, origin, SubscribeOk::default());
    scene.subscribe_ok(viewer, id);
}

#[test]
fn viewers_are_kept_while_all_origins_are_gone_and_go_on_when_one_is_back() {
    let mut scene = relay_with(vec![terms(0)]);
    let origin = scene.origin(0, Draft::D18, OTHER);
    let viewer = scene.peer(Draft::D18);
    let id = scene.subscribe(viewer, newest("video"));
    let upstream = accept(&mut scene, origin, SubscribeOk::default());
    scene.subscribe_ok(viewer, id);
    scene.send(origin, upstream, (1, 0), &[(0, "a")]);
    scene.lose(origin);
    scene.wait(Duration::from_secs(600));

    // It is back, but its own publisher is not yet.
    let origin = scene.origin(0, Draft::D18, OTHER);
    refuse(&mut scene, origin, RequestCode::DoesNotExist);
    scene.wait(Duration::from_secs(1));
    let upstream = accept(&mut scene, origin, largest(7, 0));
    scene.send(origin, upstream, (8, 0), &[(0, "b")]);
    assert_eq!(scene.places(viewer, id), [(1, 0), (8, 0)]);
    assert!(scene.end(viewer, id).is_none());
}

#[test]
fn a_new_viewer_waits_a_little_for_an_origin_that_is_away() {
    let mut scene = relay_with(vec![terms(0)]);
    let viewer = scene.peer(Draft::D18);
    let late = scene.subscribe(viewer, newest("audio"));
    scene.wait(Duration::from_secs(6));
    assert_eq!(scene.refusal(viewer, late), RequestCode::Timeout);

    let id = scene.subscribe(viewer, newest("video"));
    scene.wait(Duration::from_secs(2));
    let origin = scene.origin(0, Draft::D18, OTHER);
    accept(&mut scene, origin, SubscribeOk::default());
    scene.subscribe_ok(viewer, id);
}

#[test]
fn two_relays_that_list_each_other_do_not_ask_in_a_circle() {
    let mut scene = relay_with(vec![terms(0)]);
    let origin = scene.origin(0, Draft::D18, OTHER);
    let back = scene.relay_at(0, OTHER);
    // What it asks for is not asked of it.
    let id = scene.subscribe(back, newest("video"));
    assert_eq!(scene.refusal(back, id), RequestCode::DoesNotExist);
    let fetch = scene.request(back, Request::Fetch(fetch_all("video")));
    assert_eq!(scene.refusal(back, fetch), RequestCode::DoesNotExist);
    assert!(subscribed(&mut scene, origin).is_none());

    // A viewer has it from there; then it is not given back.
    let viewer = scene.peer(Draft::D18);
    scene.subscribe(viewer, newest("video"));
    accept(&mut scene, origin, SubscribeOk::default());
    let id = scene.subscribe(back, newest("video"));
    assert_eq!(scene.refusal(back, id), RequestCode::DoesNotExist);
}

#[test]
fn a_relay_whose_publisher_left_is_not_asked_by_those_that_have_it_from_here() {
    let mut scene = relay_with(vec![terms(0)]);
    let origin = scene.origin(0, Draft::D18, OTHER);
    let back = scene.relay_at(0, OTHER);
    let publisher = scene.peer(Draft::D18);
    scene.announce(publisher, "live/cam");
    let id = scene.subscribe(back, newest("video"));
    scene.accept(publisher, SubscribeOk::default());
    scene.subscribe_ok(back, id);
    scene.lose(publisher);
    assert!(subscribed(&mut scene, origin).is_none(), "it has the track from here alone");
    scene.wait(RETRY);
    assert_eq!(scene.done(back, id).code, DoneCode::Internal);
}

#[test]
fn an_origin_that_is_this_very_relay_is_left_alone() {
    let mut scene = relay_with(vec![terms(0)]);
    let origin = scene.origin(0, Draft::D18, THIS_RELAY);
    assert_eq!(scene.closed(origin), Some(SessionCode::NoError));
}

#[test]
fn namespaces_of_an_origin_are_told_to_viewers_but_not_back() {
    for draft in Draft::ALL {
        let mut scene = relay_with(vec![terms(0)]);
        let origin = scene.origin(0, draft, OTHER);
        let (id, request) = scene.asked(origin).expect("the origin is asked for namespaces");
        let Request::SubscribeNamespace(asked) = request else { panic!("{request:?}") };
        assert_eq!(asked.prefix, namespace("live"), "{draft}");
        scene.session(origin).request_ok(id, RequestOk::default());
        scene.session(origin).namespace(id, namespace("cam"));
        scene.run();

        let everything = || {
            let wanted = SubscribeNamespace::new(namespace("live"), Interest::Namespaces);
            Request::SubscribeNamespace(wanted)
        };
        let viewer = scene.peer(Draft::D18);
        let interest = scene.request(viewer, everything());
        let back = scene.relay_at(0, OTHER);
        let of_back = scene.request(back, everything());
        assert_eq!(scene.heard_namespace(viewer, interest), Some(namespace("cam")), "{draft}");
        assert_eq!(scene.heard_namespace(back, of_back), None, "{draft}");

        scene.lose(origin);
        assert_eq!(heard_gone(&mut scene, viewer), Some(namespace("cam")), "{draft}");
    }
}

/// The next namespace that a viewer heard is gone.
fn heard_gone(scene: &mut Scene, viewer: PeerId) -> Option<TrackNamespace> {
    scene.take(viewer, |event| match event {
        SessionEvent::NamespaceDone { suffix, .. } => Some(suffix.clone()),
        _ => None,
    })
}

#[test]
fn an_origin_that_tells_no_more_of_its_namespaces_has_none() {
    // Older drafts tell of each by a request of its own.
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D16) {
        let mut scene = relay_with(vec![terms(0)]);
        let origin = scene.origin(0, draft, OTHER);
        let (id, _) = scene.asked(origin).expect("the origin is asked for namespaces");
        scene.session(origin).request_ok(id, RequestOk::default());
        scene.session(origin).namespace(id, namespace("cam"));
        scene.run();
        let viewer = scene.peer(Draft::D18);
        let wanted = SubscribeNamespace::new(namespace("live"), Interest::Namespaces);
        let interest = scene.request(viewer, Request::SubscribeNamespace(wanted));
        assert_eq!(scene.heard_namespace(viewer, interest), Some(namespace("cam")), "{draft}");
        scene.session(origin).end_request(id);
        scene.run();
        assert_eq!(heard_gone(&mut scene, viewer), Some(namespace("cam")), "{draft}");
    }
}

fn secret() -> Token {
    Token::UseValue { kind: 0, value: "secret".into() }
}

/// The next request for tracks that a peer heard of.
fn asked_for_tracks(scene: &mut Scene, peer: PeerId) -> Option<(RequestId, SubscribeNamespace)> {
    while let Some((id, request)) = scene.asked(peer) {
        if let Request::SubscribeNamespace(interest) = request
            && interest.interest.tracks()
        {
            return Some((id, interest));
        }
    }
    None
}

fn tracks_under(prefix: &str) -> Request {
    Request::SubscribeNamespace(SubscribeNamespace::new(namespace(prefix), Interest::Tracks))
}

#[test]
fn a_track_that_an_origin_publishes_is_offered_to_who_wants_such_tracks() {
    for draft in Draft::ALL {
        let mut scene = relay_with(vec![OriginTerms { tokens: vec![secret()], ..terms(0) }]);
        let origin = scene.origin(0, draft, OTHER);
        let viewer = scene.peer(Draft::D18);
        let interest = scene.request(viewer, tracks_under("live/cam"));
        scene.response(viewer, interest);
        // All that it may be asked for, paused, with what it wants to see.
        let (id, asked) = asked_for_tracks(&mut scene, origin).expect("the origin is asked");
        assert_eq!(asked.prefix, namespace("live"), "{draft}");
        assert_eq!(asked.tokens, [secret()], "{draft}");
        if draft > Draft::D14 {
            assert_eq!(asked.forward, Some(false), "{draft}");
        }
        scene.session(origin).request_ok(id, RequestOk::default());
        let publish = Publish { track: track("video"), ..Publish::default() };
        let upstream = scene.publish(origin, publish);
        let offer = match scene.asked(viewer) {
            Some((id, Request::Publish(publish))) if publish.track == track("video") => id,
            other => panic!("{draft}: {other:?}"),
        };
        scene.session(viewer).publish_ok(offer, PublishOk::default());
        scene.run();
        let out = scene.send(origin, upstream, (0, 0), &[(0, "key")]);
        scene.finish(&out);
        assert_eq!(scene.places(viewer, offer), [(0, 0)], "{draft}");

        // Neither is it offered what it brings, nor asked for what it wants itself.
        let back = scene.relay_at(0, OTHER);
        let interest = scene.request(back, tracks_under("live"));
        scene.response(back, interest);
        assert_eq!(scene.asked(back).map(|(id, _)| id), None, "{draft}");
    }
}

#[test]
fn an_origin_is_asked_for_tracks_while_somebody_wants_them() {
    let mut scene = relay_with(vec![terms(0)]);
    let origin = scene.origin(0, Draft::D18, OTHER);
    assert!(asked_for_tracks(&mut scene, origin).is_none(), "nobody wants any");
    let other = scene.peer(Draft::D18);
    scene.request(other, tracks_under("studio"));
    let itself = scene.relay_at(0, OTHER);
    scene.request(itself, tracks_under("live"));
    assert!(asked_for_tracks(&mut scene, origin).is_none(), "nobody wants any from there");

    let viewers = [scene.peer(Draft::D18), scene.peer(Draft::D22)];
    let interests = viewers.map(|viewer| scene.request(viewer, tracks_under("live/cam")));
    let (id, _) = asked_for_tracks(&mut scene, origin).expect("it is asked");
    assert!(asked_for_tracks(&mut scene, origin).is_none(), "it is asked once");
    scene.cancel(viewers[0], interests[0]);
    assert_eq!(scene.end(origin, id), None);
    scene.cancel(viewers[1], interests[1]);
    assert!(scene.end(origin, id).is_some(), "nobody wants them any more");

    // One that comes later is asked at once.
    scene.request(viewers[0], tracks_under("live"));
    scene.lose(origin);
    let origin = scene.origin(0, Draft::D18, OTHER);
    assert!(asked_for_tracks(&mut scene, origin).is_some());
}

#[test]
fn an_origin_that_moved_keeps_its_namespaces_when_its_old_session_ends() {
    for draft in [Draft::D16, Draft::D18, Draft::D22] {
        let mut scene = relay_with(vec![terms(0)]);
        let viewer = scene.peer(Draft::D18);
        let everything = SubscribeNamespace::new(namespace("live"), Interest::Namespaces);
        let interest = scene.request(viewer, Request::SubscribeNamespace(everything));
        let sessions = [OTHER, THIRD].map(|relay| {
            let origin = scene.origin(0, draft, relay);
            let (id, _) = scene.asked(origin).expect("the origin is asked for namespaces");
            scene.session(origin).request_ok(id, RequestOk::default());
            scene.session(origin).namespace(id, namespace("cam"));
            scene.run();
            (origin, id)
        });
        assert_eq!(scene.heard_namespace(viewer, interest), Some(namespace("cam")), "{draft}");
        let [(old, of_old), (new, _)] = sessions;
        scene.session(old).namespace_done(of_old, namespace("cam"));
        scene.run();
        scene.lose(old);
        let gone = |event: &SessionEvent| matches!(event, SessionEvent::NamespaceDone { .. });
        let told = |scene: &mut Scene| scene.take(viewer, |event| gone(event).then_some(()));
        assert_eq!(told(&mut scene), None, "{draft}: the new session has it");
        scene.lose(new);
        assert_eq!(told(&mut scene), Some(()), "{draft}");
    }
}

#[test]
fn a_fetch_and_a_question_for_the_state_reach_the_origin() {
    for draft in Draft::ALL {
        let mut scene = relay_with(vec![terms(0)]);
        let origin = scene.origin(0, draft, OTHER);
        let viewer = scene.peer(Draft::D18);
        let status = TrackStatus { track: track("video"), ..TrackStatus::default() };
        let status = scene.request(viewer, Request::TrackStatus(status));
        let past = scene.request(viewer, Request::Fetch(fetch_all("video")));
        accept(&mut scene, origin, largest(0, 1));
        let Response::Ok(ok) = scene.response(viewer, status) else { panic!("{draft}") };
        assert_eq!(ok.largest, Some(Location::new(0, 1)), "{draft}");

        let (id, request) = scene.asked(origin).expect("the past is asked for");
        assert!(matches!(request, Request::Fetch(_)), "{draft}: {request:?}");
        let end = RangeEnd { group: GroupId(0), object: Some(ObjectId(1)) };
        scene.answer_fetch(origin, id, end, &[(0, 0, "a"), (0, 1, "b")]);
        assert_eq!(scene.places(viewer, past), [(0, 0), (0, 1)], "{draft}");
    }
}

/// The next FETCH that a peer heard of, and where it starts.
fn fetched(scene: &mut Scene, peer: PeerId) -> (RequestId, Location) {
    loop {
        let (id, request) = scene.asked(peer).expect("the past is asked for");
        if let Request::Fetch(Fetch { range: FetchRange::Standalone(_, filter), .. }) = request {
            return (id, filter.resolve(None).0);
        }
    }
}

#[test]
fn a_fetch_goes_on_at_another_origin_when_the_first_is_lost_in_the_middle() {
    for draft in Draft::ALL {
        let mut scene = relay_with(vec![terms(0), terms(1)]);
        let first = scene.origin(0, draft, OTHER);
        let second = scene.origin(1, draft, THIRD);
        let viewer = scene.peer(draft);
        let past = scene.request(viewer, Request::Fetch(fetch_all("video")));
        accept(&mut scene, first, largest(0, 3));
        let (id, _) = fetched(&mut scene, first);
        let end = RangeEnd { group: GroupId(0), object: Some(ObjectId(3)) };
        scene.begin_fetch_answer(first, id, end, &[(0, 0, "a"), (0, 1, "b")]);
        scene.lose(first);
        accept(&mut scene, second, largest(0, 3));
        let (id, start) = fetched(&mut scene, second);
        // What came is not asked for again.
        assert_eq!(start, Location::new(0, 2), "{draft}");
        scene.answer_fetch(second, id, end, &[(0, 2, "c"), (0, 3, "d")]);
        assert_eq!(scene.places(viewer, past), [(0, 0), (0, 1), (0, 2), (0, 3)], "{draft}");
        assert_eq!(scene.stream_ends(viewer, past), [(0, StreamEnd::Fin)], "{draft}");
    }
}

#[test]
fn a_fetch_goes_on_when_the_only_origin_is_back_and_ends_if_it_stays_away() {
    for returns in [true, false] {
        let mut scene = relay_with(vec![terms(0)]);
        let origin = scene.origin(0, Draft::D18, OTHER);
        let viewer = scene.peer(Draft::D18);
        let past = scene.request(viewer, Request::Fetch(fetch_all("video")));
        accept(&mut scene, origin, largest(0, 1));
        let (id, _) = fetched(&mut scene, origin);
        let end = RangeEnd { group: GroupId(0), object: Some(ObjectId(1)) };
        scene.begin_fetch_answer(origin, id, end, &[(0, 0, "a")]);
        scene.lose(origin);
        scene.wait(Duration::from_secs(3));
        assert_eq!(scene.stream_ends(viewer, past), [], "it waits");
        if returns {
            let origin = scene.origin(0, Draft::D18, OTHER);
            accept(&mut scene, origin, largest(0, 1));
            let (id, _) = fetched(&mut scene, origin);
            scene.answer_fetch(origin, id, end, &[(0, 1, "b")]);
            assert_eq!(scene.places(viewer, past), [(0, 0), (0, 1)]);
            assert_eq!(scene.stream_ends(viewer, past), [(0, StreamEnd::Fin)]);
        } else {
            scene.wait(Duration::from_secs(20));
            let code = ResetCode::UnknownObjectStatus;
            assert_eq!(scene.stream_ends(viewer, past), [(0, StreamEnd::Reset(code))]);
        }
    }
}

fn fetch_all(name: &str) -> Fetch {
    Fetch {
        range: FetchRange::Standalone(track(name), LocationFilter::All),
        priority: None,
        order: None,
        fill_timeout: None,
        range_filters: Vec::new(),
        include_properties: None,
        tokens: Vec::new(),
    }
}

#[test]
fn with_several_shards_an_origin_serves_viewers_of_all_of_them() {
    for watching in 0..3 {
        for name in ["video", "audio", "text", "data"] {
            let mut scene = Scene::sharded(3);
            scene.set_origins(vec![terms(0), terms(1)]);
            let first = scene.origin(0, Draft::D18, OTHER);
            let second = scene.origin(1, Draft::D16, THIRD);
            let viewer = scene.peer_at(watching, Draft::D18);
            let id = scene.subscribe(viewer, newest(name));
            let upstream = accept(&mut scene, first, SubscribeOk::default());
            scene.subscribe_ok(viewer, id);
            scene.send(first, upstream, (1, 0), &[(0, "a")]);
            scene.lose(first);
            let upstream = accept(&mut scene, second, largest(1, 0));
            scene.send(second, upstream, (2, 0), &[(0, "b")]);
            scene.lose(second);
            scene.wait(Duration::from_secs(60));
            let first = scene.origin(0, Draft::D18, OTHER);
            let upstream = accept(&mut scene, first, largest(2, 0));
            scene.send(first, upstream, (3, 0), &[(0, "c")]);
            let places = scene.places(viewer, id);
            assert_eq!(places, [(1, 0), (2, 0), (3, 0)], "{name} at {watching}");
            assert!(scene.end(viewer, id).is_none(), "{name} at {watching}");
        }
    }
}
