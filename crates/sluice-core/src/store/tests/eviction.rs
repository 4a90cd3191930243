use std::time::Duration;

use sluice_proto::model::{GroupId, Location};

use super::Scene;
use super::scene::{datagram, span, subgroup};
use crate::store::*;

fn group(scene: &mut Scene, source: SourceId, group: u64, payload: &str) {
    let stream = scene.open(source, subgroup(group, 0));
    scene.put(stream, 0, payload);
    scene.finish(stream);
    scene.later(Duration::from_secs(1));
}

fn groups(store: &TrackStore) -> Vec<u64> {
    store.group_summaries().map(|group| group.id.0).collect()
}

#[test]
fn a_viewer_inside_an_evicted_group_learns_it() {
    let mut scene = Scene::new();
    let camera = scene.source();
    group(&mut scene, camera, 1, "0123456789");
    let mut viewer = scene.cursor(1);
    viewer.next(&mut scene.store, 4);
    viewer.next(&mut scene.store, 4);
    scene.store.evict(GroupId(1));
    assert_eq!(scene.read(&mut viewer), "GONE");
    group(&mut scene, camera, 1, "0123456789");
    assert_eq!(scene.read(&mut viewer), "GONE", "the group that came back is another one");
}

#[test]
fn evicting_everything_gives_all_memory_back() {
    let mut scene = Scene::new();
    let empty = scene.store.used_bytes();
    let camera = scene.source();
    group(&mut scene, camera, 1, &"x".repeat(100_000));
    scene.datagram(camera, &datagram(2, 0), "d");
    let fill = scene.fetch(camera, span((3, 2), (9, None)));
    scene.fetched(fill, 4, 1, "f");
    scene.reset(fill);
    assert!(scene.store.used_bytes() > empty + 100_000);
    scene.store.evict_all();
    let left = scene.store.used_bytes() - empty;
    assert!(left < 500, "all but what went live of two groups: {left}");
    let mut viewer = DatagramCursor::default();
    assert_eq!(scene.datagrams(&mut viewer), "");
}

#[test]
fn a_stream_whose_group_was_evicted_goes_on_in_a_new_log() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let mut news = scene.store.arrivals_end();
    let stream = scene.open(camera, subgroup(1, 0));
    scene.put(stream, 0, "a");
    scene.begin(stream, 1, 4);
    scene.bytes(stream, "bb");
    scene.store.evict(GroupId(1));
    scene.bytes(stream, "bb");
    scene.put(stream, 2, "c");
    scene.finish(stream);
    assert_eq!(scene.logs(1), ["2:c FIN"]);
    assert!(scene.store.next_log(&mut news).is_some());
    assert!(scene.store.next_log(&mut news).is_none(), "the first log is gone");
    assert_eq!(scene.store.largest(), Some(Location::new(1, 2)));
}

#[test]
fn a_slower_source_sends_nothing_twice_after_an_eviction() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let fast = scene.open(one, subgroup(1, 0));
    scene.put(fast, 0, "a");
    scene.put(fast, 1, "b");
    scene.datagram(one, &datagram(1, 9), "d");
    let mut datagrams = scene.store.datagrams_end();
    scene.store.evict(GroupId(1));
    let slow = scene.open(two, subgroup(1, 0));
    scene.put(slow, 0, "a");
    scene.put(slow, 1, "b");
    scene.datagram(two, &datagram(1, 9), "d");
    assert_eq!(scene.logs(1), Vec::<String>::new());
    assert_eq!(scene.datagrams(&mut datagrams), "");
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(1)))), "1/0:a 1/1:b END");
    scene.put(slow, 2, "c");
    assert_eq!(scene.logs(1), ["2:c"]);
}

#[test]
fn memory_is_taken_first_from_old_groups_of_tracks_over_their_share() {
    let (mut big, mut small) = (Scene::new(), Scene::new());
    let (one, two) = (big.source(), small.source());
    group(&mut small, two, 1, "old");
    group(&mut small, two, 2, "newer");
    big.now = small.now;
    for id in 1..=4 {
        group(&mut big, one, id, &"x".repeat(40_000));
    }
    let stores = |big: &mut Scene, small: &mut Scene, wanted| {
        reclaim(
            [(1, &mut big.store, Demand::Subscribed), (2, &mut small.store, Demand::Subscribed)],
            wanted,
            60_000,
        )
    };
    let done = stores(&mut big, &mut small, 60_000);
    assert_eq!((done.groups, done.cut.len()), (2, 0));
    assert_eq!(groups(&big.store), [3, 4]);
    assert_eq!(groups(&small.store), [1, 2]);
    let done = stores(&mut big, &mut small, 54_000);
    assert_eq!(groups(&big.store), [4]);
    assert_eq!(groups(&small.store), [2], "then the oldest anywhere");
    assert!(done.cut.is_empty());
    let done = stores(&mut big, &mut small, 1);
    assert_eq!(done.cut, [1], "then the largest subscribed track is cut");
    assert_eq!(groups(&small.store), [2]);
}

#[test]
fn the_newest_group_of_a_track_nobody_watches_goes_before_a_watched_one() {
    let (mut idle, mut watched) = (Scene::new(), Scene::new());
    let (one, two) = (idle.source(), watched.source());
    group(&mut watched, two, 1, "catalog, an hour old");
    idle.now = watched.now;
    group(&mut idle, one, 9, "fresh");
    let done = reclaim(
        [(1, &mut idle.store, Demand::Idle), (2, &mut watched.store, Demand::Subscribed)],
        1,
        1 << 20,
    );
    assert!(done.cut.is_empty());
    assert_eq!((groups(&idle.store).len(), groups(&watched.store).len()), (0, 1));
}

/// Longer than any test lasts.
const AGES: Duration = Duration::from_secs(3600);

#[test]
fn groups_past_the_cache_duration_go_but_the_newest_stays() {
    let mut scene = Scene::new();
    let camera = scene.source();
    scene.store.set_cache_duration(Some(Duration::from_secs(10)));
    for id in 1..=3 {
        group(&mut scene, camera, id, "x");
    }
    assert_eq!(scene.store.expire(scene.now, AGES), 0);
    scene.later(Duration::from_secs(7));
    assert_eq!(scene.store.expire(scene.now, AGES), 1);
    assert_eq!(groups(&scene.store), [2, 3]);
    scene.later(Duration::from_secs(60));
    assert_eq!(scene.store.expire(scene.now, AGES), 1);
    assert_eq!(groups(&scene.store), [3]);
}

#[test]
fn groups_past_their_age_go_even_if_a_stream_of_theirs_never_ends() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let left_open = scene.open(camera, subgroup(1, 0));
    scene.put(left_open, 0, "x");
    group(&mut scene, camera, 2, "x");
    scene.later(Duration::from_secs(10));
    assert_eq!(scene.store.expire(scene.now, Duration::from_secs(10)), 1);
    assert_eq!(groups(&scene.store), [2]);
}

#[test]
fn a_small_object_does_not_occupy_a_large_page() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let before = scene.store.used_bytes();
    group(&mut scene, camera, 1, "a frame of sound");
    assert!(scene.store.used_bytes() - before < 5_000);
    let before = scene.store.used_bytes();
    group(&mut scene, camera, 2, &"x".repeat(1_000_000));
    let used = scene.store.used_bytes() - before;
    assert!((1_000_000..1_050_000).contains(&used), "{used}");
}

#[test]
fn shared_payload_is_not_counted_again() {
    let mut scene = Scene::new();
    scene.store = TrackStore::new(StoreLimits::default(), Payloads::Share);
    let home = scene.source();
    let before = scene.store.used_bytes();
    group(&mut scene, home, 1, &"x".repeat(1_000_000));
    assert!(scene.store.used_bytes() - before < 5_000);
    assert_eq!(scene.logs(1)[0].len(), 1_000_000 + "0: FIN".len());
}

#[test]
fn a_group_that_never_ends_is_trimmed_without_a_notice_to_those_who_keep_up() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(0, 0));
    scene.put(stream, 0, "x");
    let (mut prompt, mut late) = (scene.cursor(0), scene.cursor(0));
    let mut held = 0;
    for object in 1..2_000 {
        scene.put(stream, object, &"x".repeat(300));
        scene.read(&mut prompt);
        let used = scene.store.used_bytes();
        if used > 100_000 {
            scene.store.trim(GroupId(0), used - 80_000);
        }
        held = held.max(used);
    }
    assert!(held < 110_000, "{held}");
    scene.put(stream, 2_000, "end");
    scene.finish(stream);
    assert_eq!(scene.read(&mut prompt), "2000:end FIN");
    assert_eq!(scene.read(&mut late), "GONE");
    let mut fresh = scene.cursor(0);
    assert!(scene.read(&mut fresh).ends_with("2000:end FIN"), "from the oldest that is left");
    assert!(scene.fetch_all(span((0, 0), (0, Some(2_000)))).starts_with("? 0/0.."));
}

#[test]
fn a_group_of_one_object_in_each_subgroup_is_trimmed_whole() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let mut held = 0;
    let mut news = scene.store.arrivals_end();
    for object in 0..2_000 {
        let stream = scene.open(camera, subgroup(0, object));
        scene.put(stream, object, "small");
        scene.finish(stream);
        assert!(scene.store.next_log(&mut news).is_some());
        let used = scene.store.used_bytes();
        if used > 100_000 {
            scene.store.trim(GroupId(0), used - 80_000);
        }
        held = held.max(used);
    }
    assert!(held < 110_000, "{held}");
}

#[test]
fn what_was_trimmed_is_not_sent_again_by_a_slower_source() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let fast = scene.open(one, subgroup(0, 0));
    for object in 0..50 {
        scene.put(fast, object, &"x".repeat(1_000));
    }
    scene.store.trim(GroupId(0), 30_000);
    let slow = scene.open(two, subgroup(0, 0));
    for object in 0..50 {
        scene.put(slow, object, &"x".repeat(1_000));
    }
    let logs = scene.logs(0);
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].matches("49:").count(), 1);
}

#[test]
fn an_endless_group_over_its_share_is_trimmed_before_others_lose_anything() {
    let (mut big, mut small) = (Scene::new(), Scene::new());
    let (one, two) = (big.source(), small.source());
    group(&mut small, two, 1, "old");
    group(&mut small, two, 2, "newer");
    let endless = big.open(one, subgroup(0, 0));
    for object in 0..200 {
        big.put(endless, object, &"x".repeat(1_000));
    }
    let done = reclaim(
        [(1, &mut big.store, Demand::Subscribed), (2, &mut small.store, Demand::Idle)],
        50_000,
        100_000,
    );
    assert!(done.freed_bytes >= 50_000 && done.cut.is_empty());
    assert_eq!((groups(&big.store), groups(&small.store)), (vec![0], vec![1, 2]));
}
