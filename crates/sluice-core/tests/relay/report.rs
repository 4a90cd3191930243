//! What shards tell of themselves: everything once, whichever shards have a part in it.

use sluice_core::{ScopeName, Traffic};
use sluice_proto::model::*;
use sluice_proto::wire::Draft;

use crate::scene::*;

const SHARDS: usize = 3;

#[test]
fn what_all_shards_tell_adds_up_to_what_there_is() {
    for publishing in 0..SHARDS {
        let mut scene = Scene::sharded(SHARDS);
        let publisher = scene.peer_at(publishing, Draft::D18);
        scene.announce(publisher, "live/cam");
        let viewers: Vec<_> = (0..5).map(|at| scene.peer_at(at % SHARDS, Draft::D16)).collect();
        let asked: Vec<_> =
            viewers.iter().map(|viewer| scene.subscribe(*viewer, newest("video"))).collect();
        let upstream = scene.accept(publisher, SubscribeOk::default());
        for (viewer, id) in viewers.iter().zip(&asked) {
            scene.subscribe_ok(*viewer, *id);
        }
        scene.send(publisher, upstream, (1, 0), &[(0, "abc"), (1, "de")]);
        let told: Vec<_> = scene.shards().map(|shard| shard.overview()).collect();
        let sum = |of: fn(&sluice_core::Overview) -> usize| told.iter().map(of).sum::<usize>();
        assert_eq!(sum(|told| told.sessions), 6);
        assert_eq!(sum(|told| told.tracks), 1);
        assert_eq!((sum(|told| told.publishers), sum(|told| told.viewers)), (1, 5));
        let arrived: Vec<Traffic> = told.iter().map(|told| told.arrived).collect();
        let expected = Traffic { objects: 2, bytes: 5 };
        assert_eq!(arrived[publishing], expected, "counted where it enters");
        assert_eq!(arrived.iter().map(|traffic| traffic.bytes).sum::<u64>(), 5, "and only there");
        assert!(told.iter().map(|told| told.sent_bytes).sum::<u64>() >= 5 * 5);

        let tracks = scene.shards().flat_map(|shard| shard.tracks_after(None, 10));
        let whole = tracks.reduce(|mut whole, part| {
            whole.add(&part);
            whole
        });
        let whole = whole.expect("the track is told of");
        assert_eq!(whole.name.to_string(), "live/cam--video");
        assert_eq!((whole.publishers, whole.viewers, whole.waiting), (1, 5, 0));
        assert_eq!((whole.arrived, whole.largest), (expected, Some(Location::new(1, 1))));
        let scope = ScopeName::default();
        let listed = |shard: &sluice_core::Shard| {
            (
                shard.publishers(&scope, &whole.name).len(),
                shard.viewers_after(&scope, &whole.name, None, 10).len(),
                shard.namespaces_after(None, 10).len(),
            )
        };
        let listed: Vec<_> = scene.shards().map(listed).collect();
        assert_eq!(listed.iter().map(|listed| listed.0).sum::<usize>(), 1);
        assert_eq!(listed.iter().map(|listed| listed.1).sum::<usize>(), 5);
        assert_eq!(listed.iter().map(|listed| listed.2).sum::<usize>(), 1);
    }
}

#[test]
fn lists_go_on_where_they_were_cut_and_tell_everything_once() {
    let mut scene = Scene::new();
    let viewers: Vec<_> = (0..7).map(|_| scene.peer(Draft::D20)).collect();
    let publisher = scene.peer(Draft::D20);
    scene.announce(publisher, "live/cam");
    for viewer in &viewers {
        for track in ["a", "b", "c", "d", "e"] {
            scene.subscribe(*viewer, newest(track));
        }
    }
    let shard = scene.shards().next().expect("one shard");
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = shard.tracks_after(after.as_ref(), 2);
        let Some(last) = page.last() else { break };
        after = Some((last.scope.clone(), last.name.clone()));
        names.extend(page.iter().map(|track| track.name.name().to_string()));
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);

    let (mut sessions, mut after) = (Vec::new(), None);
    while let Some(last) = {
        let page = shard.sessions_after(after, 3);
        sessions.extend(page.iter().map(|session| session.key));
        page.last().map(|session| session.key)
    } {
        after = Some(last);
    }
    assert_eq!(sessions.len(), 8);
    assert!(sessions.iter().all(|key| key.to_string().parse() == Ok(*key)), "keys are read back");

    let key = shard.sessions_after(None, 1)[0].key;
    let first = shard.requests_after(key, None, 3);
    let rest = shard.requests_after(key, Some(first[2].id), 3);
    assert_eq!((first.len(), rest.len()), (3, 2));
    assert!(first.iter().chain(&rest).all(|request| request.kind == "views"));

    let track = shard.tracks_after(None, 1).remove(0);
    let first = shard.viewers_after(&track.scope, &track.name, None, 4);
    let rest = shard.viewers_after(&track.scope, &track.name, Some(first[3].id), 10);
    assert_eq!((first.len(), rest.len()), (4, 3));
}
