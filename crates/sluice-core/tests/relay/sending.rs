//! What goes out first, what does not go out, and what is said of a track beside its objects.

use std::time::Duration;

use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::Draft;
use sluice_sim::link::LinkConfig;

use crate::scene::*;

#[test]
fn a_datagram_that_is_too_large_for_a_viewer_is_left_out_and_costs_nothing_else() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        scene.announce(publisher, "live/cam");
        let small = LinkConfig { datagram_max: Some(100), ..LinkConfig::default() };
        let [narrow, wide] =
            [small, LinkConfig::default()].map(|link| scene.peer_over(draft, link));
        let ids = [narrow, wide].map(|viewer| scene.subscribe(viewer, newest("video")));
        let upstream = scene.accept(publisher, SubscribeOk::default());
        for (object, bytes) in [(0, 10), (1, 500), (2, 10)] {
            let payload = "x".repeat(bytes);
            scene.send_datagram(publisher, upstream, (0, object), &payload);
        }
        assert_eq!(scene.places(narrow, ids[0]), [(0, 0), (0, 2)], "{draft}");
        assert_eq!(scene.places(wide, ids[1]), [(0, 0), (0, 1), (0, 2)], "{draft}");
    }
}

#[test]
fn groups_go_in_the_order_asked_for_and_subgroups_by_their_number() {
    let body = "x".repeat(8_000);
    let places = (1..5).flat_map(|group| [2, 0, 1].map(|subgroup| (group, subgroup)));
    let sent: Vec<_> = places.map(|at| (at, at.1, body.as_str())).collect();
    for draft in Draft::ALL {
        for order in [GroupOrder::Ascending, GroupOrder::Descending] {
            let mut scene = Scene::new();
            let publisher = scene.peer(draft);
            scene.announce(publisher, "live/cam");
            // It takes no more than one object at a time, so that the relay decides.
            let mut link = LinkConfig::default();
            link.down.window_bytes = 8_000;
            let viewer = scene.peer_over(draft, link);
            let wish = Subscribe { order: Some(order), ..newest("video") };
            let id = scene.subscribe(viewer, wish);
            let upstream = scene.accept(publisher, SubscribeOk::default());
            scene.subscribe_ok(viewer, id);
            scene.send_together(publisher, upstream, &sent);
            let groups: Vec<u64> = match order {
                GroupOrder::Ascending => (1..5).collect(),
                GroupOrder::Descending => (1..5).rev().collect(),
            };
            let expected: Vec<_> =
                groups.iter().flat_map(|group| (0..3).map(|object| (*group, object))).collect();
            assert_eq!(scene.places(viewer, id), expected, "{draft}: {order:?}");
        }
    }
}

/// A viewer whose connection brings 1,000 bytes a second and has at most `window_bytes` on their
/// way, and timeouts of both sides.
fn slow(
    draft: Draft,
    window_bytes: usize,
    viewers: Subscribe,
    publishers: &TrackSettings,
) -> Watching {
    let mut scene = Scene::new();
    let publisher = scene.peer(draft);
    scene.announce(publisher, "live/cam");
    let mut link = LinkConfig::default();
    link.down.bits_per_second = Some(8_000);
    link.down.window_bytes = window_bytes;
    let viewer = scene.peer_over(draft, link);
    let id = scene.subscribe(viewer, viewers);
    let properties = TrackProperties::from_settings(publishers);
    let upstream = scene.accept(publisher, SubscribeOk { properties, ..SubscribeOk::default() });
    scene.subscribe_ok(viewer, id);
    Watching { scene, publisher, upstream, viewer, id }
}

#[test]
fn a_subgroup_that_has_not_arrived_in_time_is_given_up() {
    let second = Some(Duration::from_secs(1));
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D18) {
        for (viewers, publishers, in_time) in [
            (None, None, true),
            (second, None, false),
            (None, second, false),
            (Some(Duration::from_secs(60)), second, false),
            (Some(Duration::from_secs(60)), None, true),
        ] {
            let wish = Subscribe { subgroup_timeout: viewers, ..newest("video") };
            let settings = TrackSettings { subgroup_timeout: publishers, ..Default::default() };
            let mut stage = slow(draft, 100_000, wish, &settings);
            let Watching { scene, publisher, upstream, viewer, id } = &mut stage;
            // Handed to the connection at once, which needs five seconds for it.
            let body = "x".repeat(5_000);
            scene.send_together(*publisher, *upstream, &[((1, 0), 0, &body)]);
            scene.wait(Duration::from_secs(8));
            let end = match in_time {
                true => StreamEnd::Fin,
                false => StreamEnd::Reset(ResetCode::DeliveryTimeout),
            };
            let case = format!("{draft}: {viewers:?} {publishers:?}");
            assert_eq!(scene.stream_ends(*viewer, *id), [(1, end)], "{case}");
            // What arrives in time is not touched.
            scene.send_together(*publisher, *upstream, &[((2, 0), 0, "small")]);
            scene.wait(Duration::from_secs(8));
            assert_eq!(scene.places(*viewer, *id).last(), Some(&(2, 0)), "{case}");
            assert_eq!(scene.stream_ends(*viewer, *id), [(2, StreamEnd::Fin)], "{case}");
        }
    }
}

#[test]
fn an_answer_does_not_wait_for_objects_that_are_on_their_way() {
    for draft in Draft::ALL {
        let mut stage = slow(draft, 1_200, newest("video"), &TrackSettings::default());
        let Watching { scene, publisher, upstream, viewer, id } = &mut stage;
        let body = "x".repeat(5_000);
        scene.hand_over(*publisher, *upstream, &[((1, 0), 0, &body)]);
        scene.wait(Duration::from_millis(500));
        let status = TrackStatus { track: track("video"), ..TrackStatus::default() };
        let asked = scene.session(*viewer).request(Request::TrackStatus(status)).unwrap();
        scene.wait(Duration::from_secs(3));
        assert!(scene.answered(*viewer, asked).is_some(), "{draft}");
        assert_eq!(scene.places(*viewer, *id), [], "{draft}: the object needs five seconds");
        scene.wait(Duration::from_secs(20));
        assert_eq!(scene.places(*viewer, *id), [(1, 0)], "{draft}");
    }
}

#[test]
fn a_stream_that_its_publisher_gives_up_ends_with_the_publishers_reason() {
    for draft in Draft::ALL {
        for code in [ResetCode::Cancelled, ResetCode::DeliveryTimeout] {
            let mut stage = watching(draft, draft, newest("video"), SubscribeOk::default());
            let scene = &mut stage.scene;
            let out = scene.send(stage.publisher, stage.upstream, (1, 0), &[(0, "x")]);
            scene.reset(&out, code);
            let ends = scene.stream_ends(stage.viewer, stage.id);
            assert_eq!(ends, [(1, StreamEnd::Reset(code))], "{draft}");
            assert!(scene.end(stage.viewer, stage.id).is_none(), "{draft}: the track goes on");
        }
    }
}

#[test]
fn fetches_and_questions_for_the_state_are_told_what_the_track_is_like() {
    let settings = TrackSettings { dynamic_groups: Some(true), ..TrackSettings::default() };
    let properties = TrackProperties::from_settings(&settings);
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D16) {
        let ok = SubscribeOk { properties: properties.clone(), ..largest(4, 0) };
        let mut stage = watching(draft, draft, newest("video"), ok);
        let (scene, viewer) = (&mut stage.scene, stage.viewer);
        let range = LocationFilter::From(Location::new(4, 0));
        let fetch = Fetch::new(FetchRange::Standalone(track("video"), range));
        let id = scene.request(viewer, Request::Fetch(fetch));
        let (asked, _) = scene.asked(stage.publisher).expect("the publisher is asked");
        let end = RangeEnd { group: GroupId(4), object: Some(ObjectId(0)) };
        scene.answer_fetch(stage.publisher, asked, end, &[(4, 0, "x")]);
        match scene.response(viewer, id) {
            Response::Fetch(ok) => {
                assert_eq!(ok.properties.settings().unwrap(), settings, "{draft}");
            }
            other => panic!("{draft}: {other:?}"),
        }
        let status = TrackStatus { track: track("video"), ..TrackStatus::default() };
        let id = scene.request(viewer, Request::TrackStatus(status));
        // Two drafts have no place for them in this answer.
        let told = if draft < Draft::D18 { TrackSettings::default() } else { settings };
        match scene.response(viewer, id) {
            Response::Ok(ok) => {
                assert_eq!(ok.largest, Some(Location::new(4, 0)), "{draft}");
                assert_eq!(ok.properties.settings().unwrap(), told, "{draft}");
            }
            other => panic!("{draft}: {other:?}"),
        }
    }
}

#[test]
fn what_may_not_be_kept_is_fetched_for_everyone_who_asks() {
    for draft in Draft::ALL {
        let settings = TrackSettings { max_cache: Some(Duration::ZERO), ..Default::default() };
        let properties = TrackProperties::from_settings(&settings);
        let ok = SubscribeOk { properties, ..SubscribeOk::default() };
        let mut stage = watching(draft, draft, newest("video"), ok);
        let out = stage.scene.send(stage.publisher, stage.upstream, (0, 0), &[(0, "x")]);
        stage.scene.finish(&out);
        assert_eq!(stage.scene.places(stage.viewer, stage.id), [(0, 0)], "{draft}: live it passes");
        for _ in 0..2 {
            let viewer = stage.scene.peer(draft);
            let range = LocationFilter::From(Location::ZERO);
            let fetch = Fetch::new(FetchRange::Standalone(track("video"), range));
            let id = stage.scene.request(viewer, Request::Fetch(fetch));
            let (asked, _) = stage.scene.asked(stage.publisher).expect("the publisher is asked");
            let end = RangeEnd { group: GroupId(0), object: Some(ObjectId(0)) };
            stage.scene.answer_fetch(stage.publisher, asked, end, &[(0, 0, "x")]);
            assert_eq!(stage.scene.places(viewer, id), [(0, 0)], "{draft}");
        }
    }
}
