//! SUBSCRIBE: what is answered, where it starts and where it ends.

use sluice_proto::model::*;
use sluice_proto::wire::Draft;

use crate::scene::*;

#[test]
fn a_subscription_brings_only_objects_that_are_new_whatever_its_filter() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        scene.announce(publisher, "live/cam");
        let first = scene.peer(draft);
        let id = scene.subscribe(first, newest("video"));
        let upstream = scene.accept(publisher, SubscribeOk::default());
        let mut out = scene.send(publisher, upstream, (5, 0), &[(0, "key"), (1, "delta")]);
        assert_eq!(scene.places(first, id), [(5, 0), (5, 1)], "{draft}");

        let filters = [
            LocationFilter::NextObject,
            LocationFilter::From(Location::ZERO),
            LocationFilter::From(Location::new(5, 1)),
            LocationFilter::All,
        ];
        for (filter, next) in filters.into_iter().zip(2..) {
            let late = scene.peer(draft);
            let id = scene.subscribe(late, Subscribe { filter, ..newest("video") });
            assert_eq!(scene.subscribe_ok(late, id).largest, Some(Location::new(5, next - 1)));
            scene.more(&mut out, &[(next, "new")]);
            assert_eq!(scene.places(late, id), [(5, next)], "{draft} {filter:?}");
        }
    }
}

#[test]
fn one_upstream_subscription_serves_all_viewers_of_all_drafts() {
    for from in Draft::ALL {
        let Watching { mut scene, publisher, upstream, viewer, id } =
            watching(from, Draft::D20, newest("video"), SubscribeOk::default());
        let others: Vec<_> = Draft::ALL
            .into_iter()
            .map(|draft| {
                let other = scene.peer(draft);
                let id = scene.subscribe(other, newest("video"));
                scene.subscribe_ok(other, id);
                (draft, other, id)
            })
            .collect();
        assert!(scene.asked(publisher).is_none(), "{from}: a second upstream subscription");
        scene.send(publisher, upstream, (0, 0), &[(0, "one")]);
        assert_eq!(scene.places(viewer, id), [(0, 0)]);
        for (draft, other, id) in others {
            assert_eq!(scene.places(other, id), [(0, 0)], "{from} to {draft}");
        }
    }
}
