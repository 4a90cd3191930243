//! Several shards: wherever a publisher, a viewer and a track's home are, viewers are owed the same.

use std::time::Duration;

use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::Draft;

use crate::scene::*;

const SHARDS: usize = 3;

fn forward(forward: bool) -> RequestUpdate {
    RequestUpdate { forward: Some(forward), ..RequestUpdate::default() }
}

fn at(group: u64, object: u64) -> Option<Location> {
    Some(Location::new(group, object))
}

/// A publisher and a viewer of a track, each on a shard of its own choice. The home is on one of
/// the shards, so that all shards in all parts cover what can be.
struct Apart {
    scene: Scene,
    publisher: PeerId,
    upstream: RequestId,
    viewer: PeerId,
    id: RequestId,
}

fn apart(publishing: usize, watching: usize) -> Apart {
    let mut scene = Scene::sharded(SHARDS);
    let publisher = scene.peer_at(publishing, Draft::D18);
    scene.announce(publisher, "live/cam");
    let viewer = scene.peer_at(watching, Draft::D18);
    let id = scene.subscribe(viewer, newest("video"));
    let upstream = scene.accept(publisher, SubscribeOk::default());
    scene.subscribe_ok(viewer, id);
    Apart { scene, publisher, upstream, viewer, id }
}

impl Apart {
    /// The viewer got 1/0 and pauses; 1/1 was on its way when the publisher heard of that.
    fn pause(&mut self) -> OutGroup {
        let mut out = self.scene.send(self.publisher, self.upstream, (1, 0), &[(0, "a")]);
        assert_eq!(self.scene.places(self.viewer, self.id), [(1, 0)]);
        self.scene.update(self.viewer, self.id, forward(false));
        let (_, told) = self.scene.asked_update(self.publisher).expect("the publisher is told");
        assert_eq!(told.forward, Some(false));
        self.scene.more(&mut out, &[(1, "b")]);
        out
    }
}

fn all_pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..SHARDS).flat_map(|one| (0..SHARDS).map(move |other| (one, other)))
}

#[test]
fn a_viewer_who_comes_while_the_track_is_paused_starts_where_the_publisher_really_is() {
    for (publishing, watching) in all_pairs() {
        for late in 0..SHARDS {
            let mut stage = apart(publishing, watching);
            let mut out = stage.pause();
            let viewer = stage.scene.peer_at(late, Draft::D18);
            let id = stage.scene.subscribe(viewer, newest("video"));
            let ok = stage.scene.subscribe_ok(viewer, id);
            assert_eq!(ok.largest, at(1, 1), "{publishing} to {watching}, then {late}");
            stage.scene.more(&mut out, &[(2, "c")]);
            let places = stage.scene.places(viewer, id);
            assert_eq!(places, [(1, 2)], "{publishing} to {watching}, then {late}");
        }
    }
}

#[test]
fn how_far_a_paused_track_is_is_told_whoever_asks() {
    for (publishing, watching) in all_pairs() {
        for asking in 0..SHARDS {
            let mut stage = apart(publishing, watching);
            stage.pause();
            let viewer = stage.scene.peer_at(asking, Draft::D18);
            let status = TrackStatus { track: track("video"), ..TrackStatus::default() };
            let id = stage.scene.request(viewer, Request::TrackStatus(status));
            let Response::Ok(ok) = stage.scene.response(viewer, id) else { panic!("refused") };
            assert_eq!(ok.largest, at(1, 1), "{publishing} to {watching}, {asking} asks");
        }
    }
}

#[test]
fn a_fetch_of_a_paused_track_ends_where_the_publisher_is() {
    for (publishing, watching) in all_pairs() {
        for asking in 0..SHARDS {
            let mut stage = apart(publishing, watching);
            stage.pause();
            let viewer = stage.scene.peer_at(asking, Draft::D18);
            let range = LocationFilter::From(Location::new(1, 0));
            let fetch = Fetch::new(FetchRange::Standalone(track("video"), range));
            let id = stage.scene.request(viewer, Request::Fetch(fetch));
            let Response::Fetch(ok) = stage.scene.response(viewer, id) else { panic!("refused") };
            let end = RangeEnd { group: GroupId(1), object: Some(ObjectId(1)) };
            assert_eq!(ok.end, end, "{publishing} to {watching}, {asking} asks");
        }
    }
}

#[test]
fn a_resumption_is_answered_with_where_the_publisher_really_is() {
    for (publishing, watching) in all_pairs() {
        let mut stage = apart(publishing, watching);
        let mut out = stage.pause();
        let update = stage.scene.update(stage.viewer, stage.id, forward(true));
        let answer = stage.scene.update_answer(stage.viewer, update).unwrap();
        assert_eq!(answer.largest, at(1, 1), "{publishing} to {watching}");
        stage.scene.more(&mut out, &[(2, "c")]);
        let places = stage.scene.places(stage.viewer, stage.id);
        assert_eq!(places, [(1, 2)], "{publishing} to {watching}");
    }
}

#[test]
fn the_answer_to_a_pause_is_not_taken_for_that_to_the_resumption() {
    for (publishing, watching) in all_pairs().filter(|(one, other)| one != other) {
        let mut stage = apart(publishing, watching);
        // Everything that the publisher's shard says comes late, so the answers come together.
        let mut out = stage.scene.send(stage.publisher, stage.upstream, (1, 0), &[(0, "a")]);
        stage.scene.places(stage.viewer, stage.id);
        stage.scene.hold(publishing);
        stage.scene.update(stage.viewer, stage.id, forward(false));
        stage.scene.more(&mut out, &[(1, "b")]);
        let update = stage.scene.update(stage.viewer, stage.id, forward(true));
        stage.scene.release(publishing);
        let answer = stage.scene.update_answer(stage.viewer, update).unwrap();
        assert_eq!(answer.largest, at(1, 1), "{publishing} to {watching}");
        stage.scene.more(&mut out, &[(2, "c")]);
        let places = stage.scene.places(stage.viewer, stage.id);
        assert_eq!(places, [(1, 2)], "{publishing} to {watching}");
    }
}

#[test]
fn an_update_that_waits_for_another_shard_is_answered_when_the_next_comes() {
    for (publishing, watching) in all_pairs().filter(|(one, other)| one != other) {
        let mut stage = apart(publishing, watching);
        let mut out = stage.pause();
        stage.scene.hold(publishing);
        let resume = stage.scene.update(stage.viewer, stage.id, forward(true));
        let priority = RequestUpdate { priority: Some(Priority(1)), ..RequestUpdate::default() };
        let next = stage.scene.update(stage.viewer, stage.id, priority);
        stage.scene.update_answer(stage.viewer, resume).unwrap();
        stage.scene.release(publishing);
        let answer = stage.scene.update_answer(stage.viewer, next).unwrap();
        assert_eq!(answer.largest, at(1, 1), "{publishing} to {watching}");
        stage.scene.more(&mut out, &[(2, "c")]);
        let places = stage.scene.places(stage.viewer, stage.id);
        assert_eq!(places, [(1, 2)], "{publishing} to {watching}");
    }
}

#[test]
fn a_publisher_that_leaves_leaves_no_update_unanswered() {
    for (publishing, watching) in all_pairs().filter(|(one, other)| one != other) {
        let mut stage = apart(publishing, watching);
        stage.pause();
        stage.scene.hold(publishing);
        let update = stage.scene.update(stage.viewer, stage.id, forward(true));
        stage.scene.lose(stage.publisher);
        stage.scene.release(publishing);
        stage.scene.wait(std::time::Duration::from_secs(60));
        stage.scene.update_answer(stage.viewer, update).unwrap();
        let done = stage.scene.done(stage.viewer, stage.id);
        assert_eq!(done.code, DoneCode::Internal, "{publishing} to {watching}");
    }
}

#[test]
fn a_paused_subscription_is_answered_with_where_the_publisher_is() {
    for (publishing, watching) in all_pairs() {
        for late in 0..SHARDS {
            let mut stage = apart(publishing, watching);
            let mut out = stage.pause();
            let viewer = stage.scene.peer_at(late, Draft::D18);
            let paused = Subscribe { forward: Some(false), ..newest("video") };
            let id = stage.scene.subscribe(viewer, paused);
            let ok = stage.scene.subscribe_ok(viewer, id);
            assert_eq!(ok.largest, at(1, 1), "{publishing} to {watching}, then {late}");
            assert!(stage.scene.asked_update(stage.publisher).is_none(), "nobody wants objects");
            stage.scene.update(viewer, id, forward(true));
            stage.scene.more(&mut out, &[(2, "c")]);
            let places = stage.scene.places(viewer, id);
            assert_eq!(places, [(1, 2)], "{publishing} to {watching}, then {late}");
        }
    }
}

#[test]
fn a_publisher_behind_another_of_its_shard_brings_what_the_other_published_before() {
    for (near, far) in all_pairs() {
        for watching in 0..SHARDS {
            let mut scene = Scene::sharded(SHARDS);
            let [first, ahead, behind] = [near, far, far].map(|at| scene.peer_at(at, Draft::D18));
            for publisher in [first, ahead, behind] {
                scene.announce(publisher, "live/cam");
            }
            let viewer = scene.peer_at(watching, Draft::D18);
            let id = scene.subscribe(viewer, newest("video"));
            scene.accept(first, largest(4, 7));
            assert_eq!(scene.subscribe_ok(viewer, id).largest, at(4, 7));
            scene.accept(ahead, largest(4, 9));
            let upstream = scene.accept(behind, largest(4, 8));
            scene.send(behind, upstream, (4, 0), &[(9, "a"), (10, "b")]);
            let places = scene.places(viewer, id);
            assert_eq!(places, [(4, 9), (4, 10)], "{near}, {far} to {watching}");
        }
    }
}

#[test]
fn a_paused_track_is_offered_with_the_largest_location_of_its_last_publisher() {
    for (publishing, watching) in all_pairs() {
        let mut scene = Scene::sharded(SHARDS);
        for group in [1, 5] {
            let publisher = scene.peer_at(publishing, Draft::D18);
            let publish =
                Publish { track: track("video"), largest: at(group, 0), ..Publish::default() };
            scene.publish(publisher, publish);
        }
        let viewer = scene.peer_at(watching, Draft::D18);
        let interest = SubscribeNamespace::new(namespace("live"), Interest::Tracks);
        scene.request(viewer, Request::SubscribeNamespace(interest));
        let (_, offer) = scene.asked(viewer).expect("the track is offered");
        let Request::Publish(offer) = offer else { panic!("{offer:?}") };
        assert_eq!(offer.largest, at(5, 0), "{publishing} to {watching}");
    }
}

#[test]
fn a_home_that_comes_back_gets_nothing_twice() {
    for (publishing, watching) in all_pairs() {
        let mut scene = Scene::sharded(SHARDS);
        let publisher = scene.peer_at(publishing, Draft::D18);
        let upstream =
            scene.publish(publisher, Publish { track: track("video"), ..Publish::default() });
        let viewer = scene.peer_at(watching, Draft::D18);
        let first = scene.subscribe(viewer, newest("video"));
        scene.subscribe_ok(viewer, first);
        let mut out = scene.send(publisher, upstream, (1, 0), &[(0, "a"), (1, "b")]);
        assert_eq!(scene.places(viewer, first), [(1, 0), (1, 1)]);
        scene.cancel(viewer, first);
        scene.wait(Duration::from_secs(20));
        let again = scene.subscribe(viewer, newest("video"));
        assert_eq!(scene.subscribe_ok(viewer, again).largest, at(1, 1));
        scene.more(&mut out, &[(2, "c")]);
        assert_eq!(scene.places(viewer, again), [(1, 2)], "{publishing} to {watching}");
    }
}
