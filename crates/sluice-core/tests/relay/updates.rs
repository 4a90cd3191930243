//! REQUEST_UPDATE of every kind of request, and what a refused one costs.

use sluice_core::Limits;
use sluice_proto::model::*;
use sluice_proto::session::{RequestEnd, SessionLimits};
use sluice_proto::wire::Draft;

use crate::scene::*;

const ANSWERED: [Draft; 3] = [Draft::D16, Draft::D18, Draft::D20];

fn forward(forward: bool) -> RequestUpdate {
    RequestUpdate { forward: Some(forward), ..RequestUpdate::default() }
}

fn filter(filter: LocationFilter) -> RequestUpdate {
    RequestUpdate { filter: Some(filter), ..RequestUpdate::default() }
}

fn to_group(start: Location, group: u64) -> LocationFilter {
    LocationFilter::Range(start, RangeEnd { group: GroupId(group), object: None })
}

#[test]
fn a_pause_reaches_the_publisher_and_a_resumption_brings_what_is_new() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), SubscribeOk::default());
        let mut out = stage.scene.send(stage.publisher, stage.upstream, (1, 0), &[(0, "a")]);
        stage.scene.update(stage.viewer, stage.id, forward(false));
        let (_, told) = stage.scene.asked_update(stage.publisher).expect("the publisher is told");
        assert_eq!(told.forward, Some(false), "{draft}");
        let ends = stage.scene.stream_ends(stage.viewer, stage.id);
        assert_eq!(ends, [(1, StreamEnd::Reset(ResetCode::Cancelled))], "{draft}");
        // Still on its way when the publisher hears of the pause.
        stage.scene.more(&mut out, &[(1, "b")]);

        let update = stage.scene.update(stage.viewer, stage.id, forward(true));
        let (_, told) = stage.scene.asked_update(stage.publisher).expect("the publisher is told");
        assert_eq!(told.forward, Some(true), "{draft}");
        if draft != Draft::D14 {
            let answer = stage.scene.update_answer(stage.viewer, update).unwrap();
            assert_eq!(answer.largest, Some(Location::new(1, 1)), "{draft}");
        }
        stage.scene.more(&mut out, &[(2, "c")]);
        assert_eq!(stage.scene.places(stage.viewer, stage.id), [(1, 0), (1, 2)], "{draft}");
    }
}

#[test]
fn a_pause_keeps_the_filters_end() {
    for draft in ANSWERED {
        let ends_at_one = Subscribe { filter: to_group(Location::ZERO, 1), ..newest("video") };
        let mut stage = watching(draft, draft, ends_at_one, SubscribeOk::default());
        stage.scene.update(stage.viewer, stage.id, forward(false));
        stage.scene.update(stage.viewer, stage.id, forward(true));
        for group in 0..4 {
            stage.scene.send(stage.publisher, stage.upstream, (group, 0), &[(0, "x")]);
        }
        assert_eq!(stage.scene.places(stage.viewer, stage.id), [(0, 0), (1, 0)], "{draft}");
    }
}

#[test]
fn pause_and_resumption_in_one_breath_end_the_stream_and_open_another() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), SubscribeOk::default());
        let mut out = stage.scene.send(stage.publisher, stage.upstream, (1, 0), &[(0, "a")]);
        let viewer = stage.viewer;
        stage.scene.session(viewer).update(stage.id, forward(false)).unwrap();
        stage.scene.update(viewer, stage.id, forward(true));
        stage.scene.more(&mut out, &[(1, "b")]);
        stage.scene.finish(&out);
        assert_eq!(stage.scene.places(viewer, stage.id), [(1, 0), (1, 1)], "{draft}");
        let ends = stage.scene.stream_ends(viewer, stage.id);
        let cut = (1, StreamEnd::Reset(ResetCode::Cancelled));
        assert_eq!(ends, [cut, (1, StreamEnd::Fin)], "{draft}");
        let upstream = stage.upstream;
        stage.scene.session(stage.publisher).publish_done(upstream, DoneCode::TrackEnded, "");
        stage.scene.wait(std::time::Duration::from_secs(5));
        let done = stage.scene.done(viewer, stage.id);
        assert_eq!((done.code, done.streams), (DoneCode::TrackEnded, StreamCount::Known(2)));
    }
}

#[test]
fn a_narrowed_filter_resets_what_lies_outside_and_a_widened_one_goes_on() {
    for draft in ANSWERED {
        let mut stage = watching(draft, draft, newest("video"), SubscribeOk::default());
        let (publisher, viewer) = (stage.publisher, stage.viewer);
        let mut one = stage.scene.send(publisher, stage.upstream, (1, 0), &[(0, "a")]);
        let mut two = stage.scene.send(publisher, stage.upstream, (2, 0), &[(0, "a")]);
        stage.scene.places(viewer, stage.id);
        let narrow = filter(to_group(Location::new(2, 1), 2));
        let update = stage.scene.update(viewer, stage.id, narrow);
        stage.scene.update_answer(viewer, update).unwrap();
        let ends = stage.scene.stream_ends(viewer, stage.id);
        assert_eq!(ends, [(1, StreamEnd::Reset(ResetCode::Cancelled))], "{draft}");
        stage.scene.more(&mut one, &[(1, "b")]);
        stage.scene.more(&mut two, &[(1, "b")]);
        let mut three = stage.scene.send(publisher, stage.upstream, (3, 0), &[(0, "a")]);
        assert_eq!(stage.scene.places(viewer, stage.id), [(2, 1)], "{draft}");

        let wide = filter(LocationFilter::From(Location::ZERO));
        stage.scene.update(viewer, stage.id, wide);
        stage.scene.more(&mut one, &[(2, "c")]);
        stage.scene.more(&mut three, &[(1, "b")]);
        assert_eq!(stage.scene.places(viewer, stage.id), [(1, 2), (3, 1)], "{draft}");
    }
}

#[test]
fn an_update_that_arrives_together_with_a_new_group_brings_nothing_twice() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), SubscribeOk::default());
        let viewer = stage.viewer;
        // Not run yet: it leaves together with the group's first object.
        let wide = filter(LocationFilter::From(Location::ZERO));
        stage.scene.session(viewer).update(stage.id, wide).unwrap();
        let mut out = stage.scene.send(stage.publisher, stage.upstream, (1, 0), &[(0, "a")]);
        stage.scene.more(&mut out, &[(1, "b")]);
        assert_eq!(stage.scene.places(viewer, stage.id), [(1, 0), (1, 1)], "{draft}");
    }
}

#[test]
fn a_subscription_ends_whatever_another_sessions_request_of_its_id_waits_for() {
    let mut stage = watching(Draft::D18, Draft::D18, newest("video"), largest(9, 0));
    let other = stage.scene.peer(Draft::D20);
    let fill = Fill {
        filter: Some(to_group(Location::ZERO, 9)),
        priority: None,
        order: None,
        timeout: None,
        range_filters: RangeFilters::default(),
    };
    let filled = Subscribe { fill: Some(fill), ..newest("video") };
    let id = stage.scene.subscribe(other, filled);
    assert_eq!(id, stage.id, "sessions count their requests alike");
    stage.scene.asked(stage.publisher).expect("the fill waits for the publisher");
    stage.scene.update(stage.viewer, stage.id, filter(to_group(Location::ZERO, 3)));
    assert_eq!(stage.scene.done(stage.viewer, stage.id).code, DoneCode::UpdateFailed);
}

#[test]
fn a_filter_that_cannot_be_had_fails_the_update_and_ends_the_subscription() {
    for draft in [Draft::D16, Draft::D18] {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let past = filter(to_group(Location::ZERO, 3));
        let update = stage.scene.update(stage.viewer, stage.id, past);
        let error = stage.scene.update_answer(stage.viewer, update).unwrap_err();
        assert_eq!(error.code, RequestCode::InvalidRange, "{draft}");
        let done = stage.scene.done(stage.viewer, stage.id);
        assert_eq!(done.code, DoneCode::UpdateFailed, "{draft}");
    }
    // A subscription to the past only is one that nothing comes for.
    let mut stage = watching(Draft::D20, Draft::D20, newest("video"), largest(9, 0));
    let past = filter(to_group(Location::ZERO, 3));
    let update = stage.scene.update(stage.viewer, stage.id, past);
    stage.scene.update_answer(stage.viewer, update).unwrap();
    assert!(stage.scene.end(stage.viewer, stage.id).is_none());
}

#[test]
fn range_filters_that_were_not_announced_are_refused_wherever_they_come() {
    let filters = || {
        let ranges = vec![(0, Some(1))];
        vec![RangeFilter { kind: RangeFilterKind::Subgroup, set: 0, ranges }]
    };
    let mut stage = watching(Draft::D20, Draft::D20, newest("video"), largest(9, 0));
    let viewer = stage.viewer;
    let requests = [
        Request::Subscribe(Subscribe { range_filters: filters(), ..newest("audio") }),
        Request::Fetch(Fetch {
            range_filters: filters(),
            ..Fetch::new(FetchRange::Standalone(track("video"), LocationFilter::All))
        }),
        Request::SubscribeNamespace(SubscribeNamespace {
            range_filters: filters(),
            ..SubscribeNamespace::new(namespace("live"), Interest::Tracks)
        }),
    ];
    for request in requests {
        let kind = request.kind();
        let id = stage.scene.request(viewer, request);
        assert_eq!(stage.scene.refusal(viewer, id), RequestCode::InvalidFilter, "{kind:?}");
    }
    let update = RequestUpdate { range_filters: filters(), ..RequestUpdate::default() };
    let update = stage.scene.update(viewer, stage.id, update);
    let error = stage.scene.update_answer(viewer, update).unwrap_err();
    assert_eq!(error.code, RequestCode::InvalidFilter);
    assert_eq!(stage.scene.done(viewer, stage.id).code, DoneCode::UpdateFailed);
}

#[test]
fn an_interest_moves_to_another_prefix_unless_that_overlaps() {
    for draft in [Draft::D18, Draft::D20] {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        for path in ["one/a", "two/b", "three/c"] {
            scene.announce(publisher, path);
        }
        let viewer = scene.peer(draft);
        let interest = |path| {
            let interest = SubscribeNamespace::new(namespace(path), Interest::Namespaces);
            Request::SubscribeNamespace(interest)
        };
        let one = scene.request(viewer, interest("one"));
        let three = scene.request(viewer, interest("three"));
        for (id, suffix) in [(one, "a"), (three, "c")] {
            scene.response(viewer, id);
            assert_eq!(scene.heard_namespace(viewer, id), Some(namespace(suffix)), "{draft}");
        }
        let prefix = |path| RequestUpdate { prefix: Some(namespace(path)), ..Default::default() };
        let update = scene.update(viewer, one, prefix("two"));
        scene.update_answer(viewer, update).unwrap();
        assert_eq!(scene.heard_namespace(viewer, one), Some(namespace("b")), "{draft}");

        let update = scene.update(viewer, one, prefix("three/c"));
        let error = scene.update_answer(viewer, update).unwrap_err();
        assert_eq!(error.code, RequestCode::PrefixOverlap, "{draft}");
        assert!(matches!(scene.end(viewer, one), Some(RequestEnd::Lost(_))), "{draft}");
        scene.announce(publisher, "two/d");
        assert_eq!(scene.heard_namespace(viewer, one), None, "{draft}");
    }
}

#[test]
fn an_interest_does_not_move_to_a_prefix_with_too_many_namespaces() {
    for draft in [Draft::D18, Draft::D22] {
        let limits = Limits { listing_bytes_max: 40, ..Limits::default() };
        let mut scene = Scene::with(limits, SessionLimits::default());
        let publisher = scene.peer(draft);
        for path in ["one/a", "two/a", "two/b", "two/c", "two/d", "two/e", "two/f", "two/g"] {
            scene.announce(publisher, path);
        }
        let viewer = scene.peer(draft);
        let interest = SubscribeNamespace::new(namespace("one"), Interest::Namespaces);
        let id = scene.request(viewer, Request::SubscribeNamespace(interest));
        scene.response(viewer, id);
        let prefix = Some(namespace("two"));
        let update = scene.update(viewer, id, RequestUpdate { prefix, ..Default::default() });
        let error = scene.update_answer(viewer, update).unwrap_err();
        assert_eq!(error.code, RequestCode::NamespaceTooLarge, "{draft}");
    }
}

fn dynamic(at: (u64, u64)) -> SubscribeOk {
    let settings = TrackSettings { dynamic_groups: Some(true), ..TrackSettings::default() };
    SubscribeOk { properties: TrackProperties::from_settings(&settings), ..largest(at.0, at.1) }
}

fn group(group: u64) -> RequestUpdate {
    RequestUpdate { new_group: Some(GroupId(group)), ..RequestUpdate::default() }
}

#[test]
fn a_new_group_that_a_viewer_asks_for_is_asked_of_the_publisher_once() {
    for draft in Draft::ALL.into_iter().filter(|draft| *draft != Draft::D14) {
        let mut stage = watching(draft, draft, newest("video"), dynamic((4, 2)));
        let scene = &mut stage.scene;
        let asks = |scene: &mut Scene, wanted| {
            scene.update(stage.viewer, stage.id, group(wanted));
            let asked = scene.asked_update(stage.publisher);
            asked.map(|(_, update)| update.new_group.expect("it is about the group").0)
        };
        assert_eq!(asks(scene, 4), None, "{draft}: group 4 is there");
        assert_eq!(asks(scene, 5), Some(5), "{draft}");
        assert_eq!(asks(scene, 5), None, "{draft}: asked already");
        assert_eq!(asks(scene, 0), None, "{draft}: asked already");
        assert_eq!(asks(scene, 6), Some(6), "{draft}");
        scene.send(stage.publisher, stage.upstream, (5, 0), &[(0, "x")]);
        assert_eq!(asks(scene, 0), Some(0), "{draft}: one more");
    }
}

#[test]
fn a_new_group_is_not_asked_of_a_publisher_that_begins_none_at_a_wish() {
    let mut stage = watching(Draft::D18, Draft::D18, newest("video"), largest(4, 2));
    stage.scene.update(stage.viewer, stage.id, group(0));
    assert_eq!(stage.scene.asked_update(stage.publisher), None);
}

#[test]
fn a_new_group_wanted_by_the_first_viewer_is_asked_for_with_the_subscription() {
    for shards in [1, 3] {
        for shard in 0..shards {
            let mut scene = Scene::sharded(shards);
            let publisher = scene.peer_at(0, Draft::D18);
            scene.announce(publisher, "live/cam");
            let viewer = scene.peer_at(shard, Draft::D20);
            let wish = Subscribe { new_group: Some(GroupId(0)), ..newest("video") };
            let id = scene.subscribe(viewer, wish);
            let (upstream, Request::Subscribe(asked)) = scene.asked(publisher).expect("a request")
            else {
                panic!("a SUBSCRIBE");
            };
            assert_eq!(asked.new_group, Some(GroupId(0)), "{shard} of {shards}");
            let alias = scene.session(publisher).next_alias();
            scene
                .session(publisher)
                .subscribe_ok(upstream, SubscribeOk { alias, ..dynamic((4, 2)) });
            scene.run();
            scene.subscribe_ok(viewer, id);
            let again = scene.asked_update(publisher).and_then(|(_, update)| update.new_group);
            assert_eq!(again, None, "{shard} of {shards}: it was asked for already");
            // The next viewer's wish reaches the publisher from wherever the viewer is.
            scene.send(publisher, upstream, (5, 0), &[(0, "x")]);
            scene.update(viewer, id, group(6));
            let (_, asked) = scene.asked_update(publisher).expect("the publisher is asked");
            assert_eq!(asked.new_group, Some(GroupId(6)), "{shard} of {shards}");
        }
    }
}
