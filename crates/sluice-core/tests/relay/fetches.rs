//! FETCH and fills of viewers: what they cover, how they end, and how long they may wait.

use std::time::Duration;

use sluice_proto::model::*;
use sluice_proto::session::{RequestEnd, Response};
use sluice_proto::wire::Draft;

use crate::scene::*;

/// Drafts whose fetches can join a subscription.
fn joining() -> impl Iterator<Item = Draft> {
    Draft::ALL.into_iter().filter(|draft| *draft < Draft::D20)
}

/// Drafts whose subscriptions can ask for the past themselves.
const FILLING: [Draft; 3] = [Draft::D20, Draft::D21, Draft::D22];

/// Drafts that can say how long a fetch may wait.
fn patient() -> impl Iterator<Item = Draft> {
    Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D18)
}

fn groups(first: u64, last: u64) -> LocationFilter {
    let end = RangeEnd { group: GroupId(last), object: None };
    LocationFilter::Range(Location::new(first, 0), end)
}

fn fetch(first: u64, last: u64) -> Fetch {
    Fetch::new(FetchRange::Standalone(track("video"), groups(first, last)))
}

fn join(subscription: RequestId, start: JoiningStart) -> Request {
    Request::Fetch(Fetch::new(FetchRange::Joining(subscription, start)))
}

fn fill(filter: Option<LocationFilter>) -> Fill {
    Fill {
        filter,
        priority: None,
        order: None,
        timeout: None,
        range_filters: RangeFilters::default(),
    }
}

/// A viewer of a track whose groups 0 to 2, of two objects each, are stored.
fn stored(draft: Draft) -> Watching {
    let mut stage = watching(draft, draft, newest("video"), SubscribeOk::default());
    for group in 0..3 {
        let objects = [(0, "a"), (1, "b")];
        let mut out = stage.scene.send(stage.publisher, stage.upstream, (group, 0), &objects);
        stage.scene.mark(&mut out, 2, ObjectStatus::EndOfGroup);
        stage.scene.finish(&out);
    }
    stage.scene.places(stage.viewer, stage.id);
    stage
}

fn fetch_ok(scene: &mut Scene, viewer: PeerId, id: RequestId) -> FetchOk {
    match scene.response(viewer, id) {
        Response::Fetch(ok) => ok,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fetch_ends_where_it_was_asked_to_or_at_the_largest_object() {
    for draft in Draft::ALL {
        let Watching { mut scene, viewer, .. } = stored(draft);
        for (last, expected) in [(1, (1, None)), (9, (2, Some(2)))] {
            let id = scene.request(viewer, Request::Fetch(fetch(0, last)));
            let end = fetch_ok(&mut scene, viewer, id).end;
            let end = (end.group.0, end.object.map(|object| object.0));
            // The older drafts name the object at which a whole group ends.
            assert!(end == expected || end == (1, Some(2)), "{draft}: {end:?}");
            let places = scene.places(viewer, id);
            assert_eq!(places.last(), Some(&(expected.0, 1)), "{draft}");
            assert_eq!(scene.stream_ends(viewer, id), [(0, StreamEnd::Fin)], "{draft}");
        }
    }
}

#[test]
fn a_fetch_of_what_is_not_published_yet_is_refused() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), SubscribeOk::default());
        let viewer = stage.viewer;
        let id = stage.scene.request(viewer, Request::Fetch(fetch(0, 1)));
        assert_eq!(stage.scene.refusal(viewer, id), RequestCode::InvalidRange, "{draft}");
        let Watching { mut scene, viewer, .. } = stored(draft);
        let id = scene.request(viewer, Request::Fetch(fetch(3, 4)));
        assert_eq!(scene.refusal(viewer, id), RequestCode::InvalidRange, "{draft}");
    }
}

#[test]
fn a_range_without_objects_is_told_in_the_words_of_the_draft() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let (publisher, viewer) = (stage.publisher, stage.viewer);
        let id = stage.scene.request(viewer, Request::Fetch(fetch(3, 4)));
        let (asked, _) = stage.scene.asked(publisher).expect("the publisher is asked");
        let end = RangeEnd { group: GroupId(4), object: None };
        stage.scene.answer_fetch(publisher, asked, end, &[]);
        if draft == Draft::D14 {
            assert_eq!(stage.scene.refusal(viewer, id), RequestCode::NoObjects, "{draft}");
        } else {
            assert_eq!(stage.scene.places(viewer, id), [], "{draft}");
            assert_eq!(stage.scene.stream_ends(viewer, id), [(0, StreamEnd::Fin)], "{draft}");
        }
    }
}

#[test]
fn publishers_are_asked_for_ranges_whatever_viewers_join() {
    for draft in joining() {
        let mut stage = watching(draft, draft, newest("video"), largest(7, 1));
        let (publisher, viewer) = (stage.publisher, stage.viewer);
        stage.scene.request(viewer, join(stage.id, JoiningStart::Relative(0)));
        let Some((_, Request::Fetch(asked))) = stage.scene.asked(publisher) else {
            panic!("{draft}: a FETCH");
        };
        let FetchRange::Standalone(name, LocationFilter::Range(start, _)) = asked.range else {
            panic!("{draft}: {asked:?}");
        };
        assert_eq!((name, start), (track("video"), Location::new(7, 0)), "{draft}");
    }
}

#[test]
fn a_joining_fetch_ends_where_its_subscription_was_told_it_begins() {
    for draft in joining() {
        let Watching { mut scene, publisher, upstream, viewer, .. } = stored(draft);
        let late = scene.peer(draft);
        let id = scene.subscribe(late, newest("video"));
        scene.subscribe_ok(late, id);
        let mut out = scene.send(publisher, upstream, (3, 0), &[(0, "a")]);
        for (start, first) in [
            (JoiningStart::Relative(1), (1, 0)),
            (JoiningStart::Relative(90), (0, 0)),
            (JoiningStart::Absolute(GroupId(2)), (2, 0)),
        ] {
            let fetch = scene.request(late, join(id, start));
            let places = scene.places(late, fetch);
            assert_eq!((places[0], *places.last().unwrap()), (first, (2, 1)), "{draft}: {start:?}");
        }
        scene.more(&mut out, &[(1, "b")]);
        assert_eq!(scene.places(late, id), [(3, 0), (3, 1)], "{draft}");
        assert_eq!(scene.places(viewer, id), [(3, 0), (3, 1)], "{draft}");
    }
}

#[test]
fn a_resumption_says_anew_where_a_joining_fetch_ends() {
    for draft in joining().filter(|draft| *draft >= Draft::D17) {
        let Watching { mut scene, viewer, publisher, upstream, id } = stored(draft);
        let other = scene.peer(draft);
        let keeps = scene.subscribe(other, newest("video"));
        scene.subscribe_ok(other, keeps);
        let forward = |forward| RequestUpdate { forward: Some(forward), ..Default::default() };
        scene.update(viewer, id, forward(false));
        scene.send(publisher, upstream, (3, 0), &[(0, "missed")]);
        let update = scene.update(viewer, id, forward(true));
        let told = scene.update_answer(viewer, update).unwrap().largest;
        assert_eq!(told, Some(Location::new(3, 0)), "{draft}");
        let fetch = scene.request(viewer, join(id, JoiningStart::Relative(0)));
        assert_eq!(scene.places(viewer, fetch), [(3, 0)], "{draft}");
    }
}

#[test]
fn a_fetch_that_joins_no_subscription_is_refused() {
    for draft in joining() {
        let Watching { mut scene, publisher, viewer, .. } = stored(draft);
        let fetched = scene.request(viewer, Request::Fetch(fetch(0, 0)));
        let id = scene.request(viewer, join(fetched, JoiningStart::Relative(0)));
        scene.wait(Duration::from_secs(5));
        let code = scene.refusal(viewer, id);
        assert_eq!(code, RequestCode::InvalidJoiningRequestId, "{draft}");
        assert!(scene.asked(publisher).is_none(), "{draft}");
    }
}

#[test]
fn a_paused_subscription_is_joined_where_the_draft_lets_it() {
    for draft in joining() {
        let Watching { mut scene, .. } = stored(draft);
        let viewer = scene.peer(draft);
        let id = scene.subscribe(viewer, newest("video"));
        let pause = RequestUpdate { forward: Some(false), ..RequestUpdate::default() };
        scene.update(viewer, id, pause);
        let fetch = scene.request(viewer, join(id, JoiningStart::Relative(0)));
        match draft {
            Draft::D14 | Draft::D15 | Draft::D16 => {
                let end = scene.stream_ends(viewer, fetch);
                assert_eq!(end, [(0, StreamEnd::Fin)], "{draft}");
            }
            Draft::D17 => {
                let code = scene.closed(viewer);
                assert_eq!(code, Some(SessionCode::ProtocolViolation), "{draft}");
            }
            _ => assert_eq!(scene.refusal(viewer, fetch), RequestCode::InvalidRange, "{draft}"),
        }
    }
}

#[test]
fn an_update_that_fails_ends_the_fetch_it_was_for() {
    for (draft, begun) in FILLING.into_iter().flat_map(|draft| [(draft, true), (draft, false)]) {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let (publisher, viewer) = (stage.publisher, stage.viewer);
        let id = stage.scene.request(viewer, Request::Fetch(fetch(0, 4)));
        let (asked, _) = stage.scene.asked(publisher).expect("the publisher is asked");
        // Half of it came, or nothing yet.
        if begun {
            let end = RangeEnd { group: GroupId(4), object: None };
            stage.scene.begin_fetch_answer(publisher, asked, end, &[(0, 0, "a")]);
            fetch_ok(&mut stage.scene, viewer, id);
        }
        let ranges = vec![(0, Some(1))];
        let range_filters = vec![RangeFilter { kind: RangeFilterKind::Subgroup, set: 0, ranges }];
        let update = RequestUpdate { range_filters, ..RequestUpdate::default() };
        stage.scene.update(viewer, id, update);
        if begun {
            let ends = stage.scene.stream_ends(viewer, id);
            assert!(matches!(ends[..], [(0, StreamEnd::Reset(_))]), "{draft}: {ends:?}");
        } else {
            assert_eq!(stage.scene.refusal(viewer, id), RequestCode::InvalidFilter, "{draft}");
        }
    }
}

#[test]
fn a_fetch_that_is_cancelled_gets_no_more_and_costs_its_subscription_nothing() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let (publisher, viewer) = (stage.publisher, stage.viewer);
        let id = stage.scene.request(viewer, Request::Fetch(fetch(3, 4)));
        let (asked, _) = stage.scene.asked(publisher).expect("the publisher is asked");
        stage.scene.cancel(viewer, id);
        let end = RangeEnd { group: GroupId(4), object: None };
        stage.scene.answer_fetch(publisher, asked, end, &[(3, 0, "a")]);
        assert_eq!(stage.scene.places(viewer, id), [], "{draft}");
        stage.scene.send(publisher, stage.upstream, (10, 0), &[(0, "x")]);
        assert_eq!(stage.scene.places(viewer, stage.id), [(10, 0)], "{draft}");
    }
}

#[test]
fn a_fetch_waits_for_publishers_no_longer_than_it_says() {
    for draft in patient() {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let (publisher, viewer) = (stage.publisher, stage.viewer);
        let wish = |timeout| Fetch { fill_timeout: Some(timeout), ..fetch(3, 4) };
        let id = stage.scene.request(viewer, Request::Fetch(wish(Duration::ZERO)));
        stage.scene.wait(Duration::from_secs(5));
        assert!(stage.scene.asked(publisher).is_none(), "{draft}: it may not wait at all");
        assert_eq!(stage.scene.refusal(viewer, id), RequestCode::InvalidRange, "{draft}");
        let id = stage.scene.request(viewer, Request::Fetch(wish(Duration::from_secs(1))));
        assert!(stage.scene.asked(publisher).is_some(), "{draft}");
        stage.scene.wait(Duration::from_millis(800));
        assert!(stage.scene.answered(viewer, id).is_none(), "{draft}");
        stage.scene.wait(Duration::from_millis(400));
        assert_eq!(stage.scene.refusal(viewer, id), RequestCode::InvalidRange, "{draft}");
        // What is here is not waited for.
        let Watching { mut scene, viewer, .. } = stored(draft);
        let wish = Fetch { fill_timeout: Some(Duration::ZERO), ..fetch(0, 1) };
        let id = scene.request(viewer, Request::Fetch(wish));
        assert_eq!(scene.places(viewer, id).len(), 4, "{draft}");
        assert_eq!(scene.stream_ends(viewer, id), [(0, StreamEnd::Fin)], "{draft}");
    }
}

#[test]
fn a_fetch_that_nobody_can_finish_is_reset_once_its_head_had_time_to_arrive() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        stage.scene.send(stage.publisher, stage.upstream, (10, 0), &[(0, "x")]);
        let wish = Fetch { order: Some(GroupOrder::Descending), ..fetch(3, 10) };
        let id = stage.scene.request(stage.viewer, Request::Fetch(wish));
        let (asked, _) = stage.scene.asked(stage.publisher).expect("the rest is asked for");
        let gone = RequestError::new(RequestCode::Internal, "not kept");
        stage.scene.session(stage.publisher).refuse(asked, gone);
        stage.scene.run();
        assert_eq!(stage.scene.places(stage.viewer, id), [(10, 0)], "{draft}");
        assert_eq!(stage.scene.stream_ends(stage.viewer, id), [], "{draft}");
        stage.scene.wait(Duration::from_secs(1));
        let code = match draft {
            Draft::D14 | Draft::D15 => ResetCode::Internal,
            _ => ResetCode::UnknownObjectStatus,
        };
        let ends = stage.scene.stream_ends(stage.viewer, id);
        assert_eq!(ends, [(0, StreamEnd::Reset(code))], "{draft}");
    }
}

#[test]
fn a_range_that_was_refused_costs_no_fetch_of_another() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let (publisher, viewer) = (stage.publisher, stage.viewer);
        let old = stage.scene.request(viewer, Request::Fetch(fetch(0, 1)));
        let (asked_old, _) = stage.scene.asked(publisher).expect("it is asked for");
        let new = stage.scene.request(viewer, Request::Fetch(fetch(7, 8)));
        let (asked_new, _) = stage.scene.asked(publisher).expect("it is asked for");
        let gone = RequestError::new(RequestCode::Internal, "not kept");
        stage.scene.session(publisher).refuse(asked_old, gone);
        stage.scene.run();
        stage.scene.refusal(viewer, old);
        // It covers less than it was asked for, so there is more to ask.
        let end = RangeEnd { group: GroupId(7), object: None };
        stage.scene.answer_fetch(publisher, asked_new, end, &[(7, 0, "a")]);
        let (asked_rest, _) = stage.scene.asked(publisher).expect("the rest is asked for");
        let end = RangeEnd { group: GroupId(8), object: None };
        stage.scene.answer_fetch(publisher, asked_rest, end, &[(8, 0, "b")]);
        assert_eq!(stage.scene.places(viewer, new), [(7, 0), (8, 0)], "{draft}");
        assert_eq!(stage.scene.stream_ends(viewer, new), [(0, StreamEnd::Fin)], "{draft}");
    }
}

#[test]
fn a_fill_waits_for_publishers_no_longer_than_it_says() {
    for draft in FILLING {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let viewer = stage.scene.peer(draft);
        let wish = Fill { timeout: Some(Duration::from_secs(1)), ..fill(Some(groups(3, 9))) };
        let id = stage.scene.subscribe(viewer, Subscribe { fill: Some(wish), ..newest("video") });
        stage.scene.subscribe_ok(viewer, id);
        stage.scene.wait(Duration::from_millis(800));
        assert_eq!(stage.scene.stream_ends(viewer, id), [], "{draft}");
        stage.scene.wait(Duration::from_millis(400));
        let unknown = StreamEnd::Reset(ResetCode::UnknownObjectStatus);
        assert_eq!(stage.scene.stream_ends(viewer, id), [(0, unknown)], "{draft}");
        // The subscription goes on.
        stage.scene.send(stage.publisher, stage.upstream, (10, 0), &[(0, "x")]);
        assert_eq!(stage.scene.places(viewer, id), [(10, 0)], "{draft}");
    }
}

#[test]
fn a_fill_covers_its_own_filter_or_the_subscriptions_up_to_the_largest_object() {
    let all = vec![(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)];
    let from_one = LocationFilter::From(Location::new(1, 1));
    let newest_group = LocationFilter::RelativeGroup(1);
    for draft in FILLING {
        let cases = [
            (LocationFilter::NextObject, Some(newest_group), all[4..].to_vec()),
            (LocationFilter::NextObject, Some(groups(0, 1)), all[..4].to_vec()),
            (LocationFilter::NextObject, Some(LocationFilter::All), all.clone()),
            (LocationFilter::NextObject, Some(groups(7, 9)), vec![]),
            // Nothing of the past is what the subscription is about.
            (LocationFilter::NextObject, None, vec![]),
            (from_one, None, all[3..].to_vec()),
            (LocationFilter::All, None, all.clone()),
        ];
        for (filter, filled, expected) in cases {
            let Watching { mut scene, publisher, upstream, .. } = stored(draft);
            let viewer = scene.peer(draft);
            let wish = Subscribe { filter, fill: Some(fill(filled)), ..newest("video") };
            let id = scene.subscribe(viewer, wish);
            scene.subscribe_ok(viewer, id);
            let case = format!("{draft}: {filter:?} {filled:?}");
            assert_eq!(scene.places(viewer, id), expected, "{case}");
            let ends = scene.stream_ends(viewer, id);
            let opened = !expected.is_empty();
            assert_eq!(ends, vec![(0, StreamEnd::Fin); usize::from(opened)], "{case}");
            scene.send(publisher, upstream, (3, 0), &[(0, "live")]);
            assert_eq!(scene.places(viewer, id), [(3, 0)], "{case}");
        }
    }
}

#[test]
fn a_fill_of_a_paused_subscription_brings_nothing_then_or_later() {
    for draft in FILLING {
        let Watching { mut scene, .. } = stored(draft);
        let viewer = scene.peer(draft);
        let filled = Some(fill(Some(LocationFilter::All)));
        let wish = Subscribe { forward: Some(false), fill: filled.clone(), ..newest("video") };
        let id = scene.subscribe(viewer, wish);
        scene.subscribe_ok(viewer, id);
        let go = RequestUpdate { forward: Some(true), ..RequestUpdate::default() };
        scene.update(viewer, id, go.clone());
        assert_eq!(scene.places(viewer, id), [], "{draft}");
        // Asked for again it comes, under the id of what asked for it, once each time.
        for _ in 0..2 {
            let update =
                scene.update(viewer, id, RequestUpdate { fill: filled.clone(), ..go.clone() });
            assert_eq!(scene.places(viewer, update).len(), 6, "{draft}");
            assert_eq!(scene.places(viewer, id), [], "{draft}");
        }
    }
}

#[test]
fn fills_end_with_their_subscription_and_are_counted_with_it() {
    for draft in FILLING {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let viewer = stage.scene.peer(draft);
        let filled = Some(fill(Some(groups(3, 9))));
        let wish = Subscribe { fill: filled, ..newest("video") };
        let id = stage.scene.subscribe(viewer, wish.clone());
        stage.scene.subscribe_ok(viewer, id);
        stage.scene.cancel(viewer, id);
        let ends = stage.scene.stream_ends(viewer, id);
        assert!(matches!(ends[..], [(0, StreamEnd::Reset(_))]), "{draft}: {ends:?}");

        let Watching { mut scene, publisher, upstream, .. } = stored(draft);
        let viewer = scene.peer(draft);
        let id =
            scene.subscribe(viewer, Subscribe { fill: Some(fill(Some(groups(0, 2)))), ..wish });
        scene.subscribe_ok(viewer, id);
        let out = scene.send(publisher, upstream, (3, 0), &[(0, "live")]);
        scene.finish(&out);
        scene.session(publisher).publish_done(upstream, DoneCode::TrackEnded, "");
        scene.wait(Duration::from_secs(3));
        match scene.end(viewer, id) {
            Some(RequestEnd::Done(done)) => {
                assert_eq!(done.streams, StreamCount::Known(2), "{draft}: a fill and a group");
            }
            other => panic!("{draft}: {other:?}"),
        }
    }
}
