//! PUBLISH from publishers and to viewers.

use std::time::Duration;

use sluice_proto::model::*;
use sluice_proto::session::RequestEnd;
use sluice_proto::wire::Draft;

use crate::scene::*;

fn tracks(forward: Option<bool>) -> Request {
    let interest = SubscribeNamespace::new(namespace("live"), Interest::Tracks);
    Request::SubscribeNamespace(SubscribeNamespace { forward, ..interest })
}

/// Drafts whose interest can ask for tracks that flow at once.
const FORWARDING: [Draft; 3] = [Draft::D16, Draft::D18, Draft::D20];

/// A viewer with an interest, and a track that was offered to it and is not answered yet.
struct Offered {
    scene: Scene,
    viewer: PeerId,
    interest: RequestId,
    publisher: PeerId,
    upstream: RequestId,
    id: RequestId,
    publish: Publish,
}

fn offered(draft: Draft, interest: Request) -> Offered {
    let mut scene = Scene::new();
    let viewer = scene.peer(draft);
    let interest = scene.request(viewer, interest);
    scene.response(viewer, interest);
    let publisher = scene.peer(draft);
    let publish = Publish { track: track("video"), ..Publish::default() };
    let upstream = scene.publish(publisher, publish);
    let (id, publish) = match scene.asked(viewer) {
        Some((id, Request::Publish(publish))) => (id, publish),
        other => panic!("{other:?}"),
    };
    Offered { scene, viewer, interest, publisher, upstream, id, publish }
}

/// An interest in namespaces and tracks.
fn both() -> Request {
    Request::SubscribeNamespace(SubscribeNamespace::new(namespace("live"), Interest::Both))
}

#[test]
fn nothing_is_lost_between_an_offer_and_its_acceptance() {
    for draft in FORWARDING {
        let Offered { mut scene, viewer, publisher, upstream, id, publish, .. } =
            offered(draft, tracks(Some(true)));
        assert_eq!((publish.largest, publish.forward), (None, Some(true)), "{draft}");
        // The viewer takes its time; the track has begun.
        let mut out = scene.send(publisher, upstream, (0, 0), &[(0, "key")]);
        scene.send_datagram(publisher, upstream, (0, 7), "datagram");
        scene.more(&mut out, &[(1, "delta")]);
        scene.session(viewer).publish_ok(id, PublishOk::default());
        scene.run();
        scene.more(&mut out, &[(2, "delta")]);
        let mut places = scene.places(viewer, id);
        places.sort_unstable();
        assert_eq!(places, [(0, 0), (0, 1), (0, 2), (0, 7)], "{draft}");
    }
}

#[test]
fn an_offer_that_is_accepted_with_a_filter_begins_where_the_filter_says() {
    for draft in [Draft::D16, Draft::D18] {
        let Offered { mut scene, viewer, publisher, upstream, id, .. } =
            offered(draft, tracks(Some(true)));
        let mut out = scene.send(publisher, upstream, (3, 0), &[(0, "key")]);
        let filter = Some(LocationFilter::RelativeGroup(0));
        scene.session(viewer).publish_ok(id, PublishOk { filter, ..PublishOk::default() });
        scene.run();
        scene.more(&mut out, &[(1, "delta")]);
        scene.send(publisher, upstream, (4, 0), &[(0, "key")]);
        assert_eq!(scene.places(viewer, id), [(4, 0)], "{draft}");
    }
}

#[test]
fn an_offer_to_a_browsing_viewer_is_paused_until_it_asks() {
    for draft in Draft::ALL {
        // The oldest draft's interest cannot say so: there it is the default.
        let forward = (draft != Draft::D14).then_some(false);
        let interest = SubscribeNamespace::new(namespace("live"), Interest::Both);
        let interest = SubscribeNamespace { forward, ..interest };
        let Offered { mut scene, viewer, publisher, upstream, id, publish, .. } =
            offered(draft, Request::SubscribeNamespace(interest));
        assert_eq!(publish.forward, Some(false), "{draft}");
        let ok = PublishOk { forward: Some(false), ..PublishOk::default() };
        scene.session(viewer).publish_ok(id, ok);
        scene.run();
        let mut out = scene.send(publisher, upstream, (0, 0), &[(0, "key")]);
        let go = RequestUpdate { forward: Some(true), ..RequestUpdate::default() };
        scene.update(viewer, id, go);
        scene.more(&mut out, &[(1, "delta")]);
        assert_eq!(scene.places(viewer, id), [(0, 1)], "{draft}");
    }
}

#[test]
fn an_interest_that_says_nothing_of_forwarding_means_it_where_it_could_say_so() {
    for draft in Draft::ALL {
        let Offered { mut scene, viewer, publisher, upstream, id, publish, .. } =
            offered(draft, both());
        assert_eq!(publish.forward, Some(draft != Draft::D14), "{draft}");
        let mut out = scene.send(publisher, upstream, (0, 0), &[(0, "key")]);
        scene.session(viewer).publish_ok(id, PublishOk::default());
        scene.run();
        scene.more(&mut out, &[(1, "delta")]);
        // The answer says 1 where nothing else did.
        let first = if draft == Draft::D14 { 1 } else { 0 };
        let places: Vec<_> = (first..2).map(|object| (0, object)).collect();
        assert_eq!(scene.places(viewer, id), places, "{draft}");
    }
}

#[test]
fn publishers_are_offered_their_own_tracks_only_where_the_draft_says_so() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let peer = scene.peer(draft);
        let interest = scene.request(peer, both());
        scene.response(peer, interest);
        scene.publish(peer, Publish { track: track("video"), ..Publish::default() });
        let echoed = matches!(scene.asked(peer), Some((_, Request::Publish(_))));
        assert_eq!(echoed, draft < Draft::D18, "{draft}");
    }
}

#[test]
fn an_interest_brings_namespaces_or_tracks_as_it_says() {
    // Older drafts have one kind of interest, which means both.
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D16) {
        for interest in [Interest::Namespaces, Interest::Tracks, Interest::Both] {
            let mut scene = Scene::new();
            let viewer = scene.peer(draft);
            let wish = SubscribeNamespace::new(namespace("live"), interest);
            let id = scene.request(viewer, Request::SubscribeNamespace(wish));
            scene.response(viewer, id);
            let publisher = scene.peer(draft);
            scene.announce(publisher, "live/cam");
            scene.publish(publisher, Publish { track: track("video"), ..Publish::default() });
            let told = scene.heard_namespace(viewer, id).is_some();
            let offered = matches!(scene.asked(viewer), Some((_, Request::Publish(_))));
            let expected = (interest.namespaces(), interest.tracks());
            assert_eq!((told, offered), expected, "{draft}: {interest:?}");
        }
    }
}

#[test]
fn a_publisher_hears_of_its_own_namespaces() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let peer = scene.peer(draft);
        let interest = scene.request(peer, both());
        scene.response(peer, interest);
        scene.announce(peer, "live/cam");
        let named = scene.heard_namespace(peer, interest) == Some(namespace("cam"));
        let announced = matches!(scene.asked(peer), Some((_, Request::PublishNamespace(_))));
        assert!(named || announced, "{draft}");
    }
}

#[test]
fn what_an_interest_says_is_repeated_in_the_offers_that_it_brings() {
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D18) {
        let interest = SubscribeNamespace {
            forward: Some(false),
            order: Some(GroupOrder::Descending).filter(|_| draft >= Draft::D19),
            ..SubscribeNamespace::new(namespace("live"), Interest::Tracks)
        };
        // Draft 19 has it said in PUBLISH, which has no place for it there.
        let order = interest.order.filter(|_| draft >= Draft::D20);
        let Offered { publish, .. } = offered(draft, Request::SubscribeNamespace(interest));
        assert_eq!((publish.forward, publish.order), (Some(false), order), "{draft}");
    }
}

#[test]
fn an_offer_waits_while_the_viewer_allows_no_more_requests() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let viewer = scene.peer_of_one_request(draft);
        let interest = scene.request(viewer, both());
        scene.response(viewer, interest);
        let publisher = scene.peer(draft);
        for name in ["video", "audio"] {
            scene.publish(publisher, Publish { track: track(name), ..Publish::default() });
        }
        let first = scene.asked(viewer).expect("the first is offered").0;
        assert!(scene.asked(viewer).is_none(), "{draft}: one at a time");
        scene.session(viewer).refuse(first, RequestError::new(RequestCode::Uninterested, "no"));
        scene.run();
        assert!(matches!(scene.asked(viewer), Some((_, Request::Publish(_)))), "{draft}");
    }
}

#[test]
fn a_refused_offer_leaves_the_viewer_free_to_subscribe() {
    for draft in Draft::ALL {
        let Offered { mut scene, viewer, publisher, upstream, id, .. } = offered(draft, both());
        let error = RequestError::new(RequestCode::Uninterested, "no");
        scene.session(viewer).refuse(id, error);
        scene.run();
        let id = scene.subscribe(viewer, newest("video"));
        scene.subscribe_ok(viewer, id);
        scene.send(publisher, upstream, (0, 0), &[(0, "key")]);
        assert_eq!(scene.places(viewer, id), [(0, 0)], "{draft}");
    }
}

#[test]
fn an_interest_that_ends_is_offered_nothing_more() {
    for draft in Draft::ALL {
        let Offered { mut scene, viewer, interest, publisher, id, .. } = offered(draft, both());
        scene.session(viewer).publish_ok(id, PublishOk::default());
        scene.cancel(viewer, interest);
        scene.publish(publisher, Publish { track: track("audio"), ..Publish::default() });
        assert!(scene.asked(viewer).is_none(), "{draft}");
        // What it took by an offer goes on.
        assert!(scene.end(viewer, id).is_none(), "{draft}");
    }
}

#[test]
fn a_track_that_ends_says_so_with_the_publishers_reason() {
    for from in Draft::ALL {
        for to in Draft::ALL {
            let mut stage = watching(from, to, newest("video"), SubscribeOk::default());
            let out = stage.scene.send(stage.publisher, stage.upstream, (0, 0), &[(0, "x")]);
            stage.scene.finish(&out);
            let upstream = stage.upstream;
            let session = stage.scene.session(stage.publisher);
            session.publish_done(upstream, DoneCode::TrackEnded, "that was it");
            stage.scene.wait(std::time::Duration::from_secs(3));
            match stage.scene.end(stage.viewer, stage.id) {
                Some(RequestEnd::Done(done)) => {
                    assert_eq!(done.code, DoneCode::TrackEnded, "{from} to {to}");
                    assert_eq!(done.streams, StreamCount::Known(1), "{from} to {to}");
                    assert_eq!(done.reason, "that was it", "{from} to {to}");
                }
                other => panic!("{from} to {to}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_reserved_namespace_is_neither_published_nor_subscribed_to() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let peer = scene.peer(draft);
        let reserved = namespace(".session/cam");
        let track = FullTrackName::new(reserved.clone(), TrackName::new("video").unwrap()).unwrap();
        let requests = [
            Request::PublishNamespace(PublishNamespace { namespace: reserved, tokens: Vec::new() }),
            Request::Subscribe(Subscribe { track: track.clone(), ..newest("video") }),
            Request::Publish(Publish { track, alias: TrackAlias(7), ..Publish::default() }),
        ];
        for request in requests {
            let id = scene.request(peer, request.clone());
            let code = scene.refusal(peer, id);
            // Draft 14 has no other word for an offer than that nobody wants it.
            let offers = draft == Draft::D14 && !matches!(request, Request::Subscribe(_));
            let refused =
                if offers { RequestCode::Uninterested } else { RequestCode::DoesNotExist };
            assert_eq!(code, refused, "{draft}: {request:?}");
        }
    }
}

/// A relay of `shards` whose first publisher vanished in the middle of a group that its other
/// publisher, on another shard if there is one, has not come to.
fn left_in_the_middle(shards: usize) -> (Scene, PeerId, RequestId, PeerId, RequestId) {
    let mut scene = Scene::sharded(shards);
    let one = scene.peer_at(0, Draft::D18);
    let other = scene.peer_at(shards - 1, Draft::D18);
    for publisher in [one, other] {
        scene.announce(publisher, "live/cam");
    }
    let viewer = scene.peer_at(shards / 2, Draft::D18);
    let id = scene.subscribe(viewer, newest("video"));
    let [upstream, later] =
        [one, other].map(|publisher| scene.accept(publisher, SubscribeOk::default()));
    scene.subscribe_ok(viewer, id);
    scene.send(one, upstream, (1, 0), &[(0, "a"), (1, "b")]);
    scene.lose(one);
    assert_eq!(scene.places(viewer, id), [(1, 0), (1, 1)], "{shards} shards");
    (scene, other, later, viewer, id)
}

#[test]
fn a_group_goes_on_in_its_stream_when_the_other_publisher_comes_to_it_later() {
    for shards in [1, 3] {
        let (mut scene, other, upstream, viewer, id) = left_in_the_middle(shards);
        scene.wait(Duration::from_millis(500));
        scene.send(other, upstream, (1, 0), &[(1, "b"), (2, "c")]);
        assert_eq!(scene.places(viewer, id), [(1, 2)], "{shards} shards");
        assert_eq!(scene.stream_ends(viewer, id), [], "{shards} shards");
    }
}

#[test]
fn a_group_that_no_other_publisher_goes_on_with_ends_after_a_while() {
    for shards in [1, 3] {
        let (mut scene, _, _, viewer, id) = left_in_the_middle(shards);
        assert_eq!(scene.stream_ends(viewer, id), [], "{shards} shards");
        scene.wait(Duration::from_secs(2));
        let ends = scene.stream_ends(viewer, id);
        assert!(matches!(ends[..], [(1, StreamEnd::Reset(_))]), "{shards} shards: {ends:?}");
    }
}
