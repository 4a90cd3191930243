use std::time::Duration;

use sluice_proto::model::{FetchItem, GroupId, Location, ObjectStatus, RangeMark};

use super::Scene;
use super::scene::{datagram, descending, fetched, marker, span, subgroup};
use crate::store::*;

#[test]
fn a_fetch_reads_whole_groups_by_object_id_across_subgroups() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let (a, b) = (scene.open(camera, subgroup(1, 0)), scene.open(camera, subgroup(1, 1)));
    scene.put(a, 0, "a");
    scene.put(b, 1, "b");
    scene.put(a, 2, "c");
    scene.datagram(camera, &datagram(1, 3), "d");
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(3)))), "1/0:a 1/1:b 1/2:c 1/3:d END");
}

#[test]
fn an_id_nobody_spoke_of_is_asked_upstream_not_skipped() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let a = scene.open(camera, subgroup(1, 0));
    scene.put(a, 0, "a");
    scene.put(a, 4, "b");
    let mut reader = FetchCursor::new(span((1, 0), (1, Some(4))), scene.now);
    assert_eq!(scene.fetch_read(&mut reader), "1/0:a ? 1/1..1/3");
    let fill = scene.fetch(camera, span((1, 1), (1, Some(3))));
    assert_eq!(scene.fetch_read(&mut reader), "", "asked already");
    scene.fetched(fill, 1, 2, "m");
    assert_eq!(scene.fetch_read(&mut reader), "1/2:m");
    scene.fetch_done(fill, (1, Some(3)));
    assert_eq!(scene.fetch_read(&mut reader), "1/4:b END");
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(4)))), "1/0:a 1/2:m 1/4:b END");
}

#[test]
fn gaps_of_a_fetch_that_failed_prove_nothing() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.fetch(camera, span((1, 0), (1, Some(9))));
    scene.fetched(fill, 1, 3, "m");
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(3)))), "1/3:m END");
    scene.reset(fill);
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(3)))), "? 1/0..1/2");
}

#[test]
fn missing_groups_of_a_fetch_that_failed_prove_nothing() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.fetch(camera, span((1, 0), (9, None)));
    scene.fetched(fill, 6, 0, "m");
    assert!(scene.store.is_absent(Location::new(4, 0)));
    scene.reset(fill);
    assert!(!scene.store.is_absent(Location::new(4, 0)));
    assert_eq!(scene.fetch_all(span((4, 0), (6, Some(0)))), "? 4/0..5/*");
}

#[test]
fn a_fetch_that_leaves_out_what_is_stored_takes_nothing_away() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let a = scene.open(camera, subgroup(1, 0));
    for object in 0..3 {
        scene.put(a, object, "x");
    }
    let fill = scene.fetch(camera, span((0, 0), (2, None)));
    scene.fetch_done(fill, (2, None));
    assert_eq!(scene.fetch_all(span((0, 0), (2, None))), "1/0:x 1/1:x 1/2:x END");
    assert!(!scene.store.is_absent(Location::new(1, 1)));
    assert!(scene.store.is_absent(Location::new(1, 3)));
}

#[test]
fn a_stretch_of_absent_groups_however_long_is_passed_in_one_step() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let far = u64::MAX - 3;
    let fill = scene.fetch(camera, span((0, 0), (far, None)));
    scene.fetched(fill, 2, 0, "a");
    scene.fetched(fill, far, 0, "z");
    scene.fetch_done(fill, (far, None));
    assert_eq!(scene.fetch_all(span((0, 0), (far, None))), format!("2/0:a {far}/0:z END"));
    assert_eq!(scene.fetch_all(descending((0, 0), (far, None))), format!("{far}/0:z 2/0:a END"));
}

#[test]
fn gaps_of_a_filtered_fetch_prove_nothing() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.store.begin_fetch(camera, span((1, 0), (1, Some(9))), Absence::Filtered);
    scene.fetched(fill, 1, 3, "m");
    scene.fetch_done(fill, (1, Some(9)));
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(3)))), "? 1/0..1/2");
}

#[test]
fn absence_is_not_concluded_beyond_what_the_answer_is_about() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.fetch(camera, span((1, 0), (1, Some(9))));
    scene.fetched(fill, 1, 0, "m");
    scene.fetch_done(fill, (1, Some(4)));
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(9)))), "1/0:m ? 1/5..1/9");
}

#[test]
fn unknown_marks_of_a_fetch_stay_unknown_and_absent_marks_are_kept() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.fetch(camera, span((1, 0), (1, Some(9))));
    scene.fetched(fill, 1, 0, "m");
    scene.mark(fill, 1, 4, RangeMark::Unknown);
    scene.mark(fill, 1, 6, RangeMark::NonExistent);
    scene.fetched(fill, 1, 7, "n");
    scene.fetch_done(fill, (1, Some(9)));
    let mut reader = FetchCursor::new(span((1, 0), (1, Some(9))), scene.now);
    assert_eq!(scene.fetch_read(&mut reader), "1/0:m ? 1/1..1/4");
    let FetchStep::Unknown(unknown) = reader.next(&mut scene.store, 9, scene.now) else {
        panic!("still unknown");
    };
    reader.give_up(&unknown);
    assert_eq!(scene.fetch_read(&mut reader), "1/7:n END");
}

#[test]
fn groups_between_fetched_ones_do_not_exist() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.fetch(camera, span((0, 2), (9, None)));
    scene.fetched(fill, 3, 1, "a");
    scene.fetched(fill, 7, 0, "b");
    scene.fetch_done(fill, (9, None));
    assert_eq!(scene.fetch_all(span((0, 2), (9, None))), "3/1:a 7/0:b END");
    assert_eq!(scene.fetch_all(span((0, 0), (9, None))), "? 0/0..0/1");
    assert!(scene.store.is_absent(Location::new(5, 3)));
}

#[test]
fn a_descending_fetch_gives_groups_newest_first_and_objects_ascending() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.fetch(camera, descending((1, 1), (6, Some(5))));
    scene.fetched(fill, 6, 0, "g");
    scene.fetched(fill, 3, 0, "c");
    scene.fetched(fill, 3, 2, "d");
    scene.fetched(fill, 1, 1, "a");
    scene.fetch_done(fill, (6, Some(5)));
    let all = "6/0:g 3/0:c 3/2:d 1/1:a END";
    assert_eq!(scene.fetch_all(descending((1, 1), (6, Some(5)))), all);
    assert_eq!(scene.fetch_all(span((1, 1), (6, Some(5)))), "1/1:a 3/0:c 3/2:d 6/0:g END");
}

#[test]
fn unknown_groups_are_asked_for_in_one_piece() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.fetch(camera, span((4, 0), (4, None)));
    scene.fetched(fill, 4, 0, "x");
    scene.fetch_done(fill, (4, None));
    let mut up = FetchCursor::new(span((1, 3), (9, Some(2))), scene.now);
    assert_eq!(scene.fetch_read(&mut up), "? 1/3..3/*");
    let mut down = FetchCursor::new(descending((1, 3), (9, Some(2))), scene.now);
    assert_eq!(scene.fetch_read(&mut down), "? 5/0..9/2");
    let FetchStep::Unknown(unknown) = down.next(&mut scene.store, 9, scene.now) else {
        panic!("still unknown");
    };
    down.give_up(&unknown);
    assert_eq!(scene.fetch_read(&mut down), "4/0:x ? 1/3..3/*");
}

#[test]
fn a_fetch_reaches_into_an_object_that_is_still_arriving() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let a = scene.open(camera, subgroup(1, 0));
    scene.begin(a, 0, 6);
    scene.bytes(a, "abc");
    let mut reader = FetchCursor::new(span((1, 0), (1, Some(0))), scene.now);
    assert_eq!(scene.fetch_read(&mut reader), "1/0:abc…");
    scene.bytes(a, "de");
    assert_eq!(scene.fetch_read(&mut reader), "de");
    scene.reset(a);
    assert_eq!(scene.fetch_read(&mut reader), "? 1/0..1/0");
    let fill = scene.fetch(camera, span((1, 0), (1, Some(0))));
    scene.fetched(fill, 1, 0, "abcdef");
    assert_eq!(scene.fetch_read(&mut reader), "f END");
}

#[test]
fn a_fetch_survives_the_eviction_of_what_it_reads() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let a = scene.open(camera, subgroup(1, 0));
    scene.put(a, 0, "abcdefghi");
    scene.put(a, 1, "x");
    let mut reader = FetchCursor::new(span((1, 0), (1, Some(1))), scene.now);
    reader.next(&mut scene.store, 4, scene.now);
    reader.next(&mut scene.store, 4, scene.now);
    scene.store.evict(GroupId(1));
    assert_eq!(scene.fetch_read(&mut reader), "? 1/0..1/0");
    let fill = scene.fetch(camera, span((1, 0), (1, Some(1))));
    scene.fetched(fill, 1, 0, "abcdefghi");
    scene.fetched(fill, 1, 1, "x");
    assert_eq!(scene.fetch_read(&mut reader), "efghi 1/1:x END");
}

#[test]
fn nothing_is_asked_beyond_the_end_of_a_group_or_of_the_track() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let mut start = subgroup(1, 0);
    start.end_of_group = true;
    let a = scene.open(camera, start);
    scene.put(a, 0, "x");
    scene.finish(a);
    let b = scene.open(camera, subgroup(2, 0));
    scene.put(b, 0, "y");
    scene.head(b, &marker(1, ObjectStatus::EndOfTrack)).expect("agrees");
    assert_eq!(scene.fetch_all(span((1, 0), (u64::MAX, None))), "1/0:x 2/0:y END");
    assert_eq!(scene.fetch_all(descending((1, 0), (u64::MAX, None))), "2/0:y 1/0:x END");
    assert_eq!(scene.store.largest(), Some(Location::new(2, 0)));
    assert_eq!(scene.store.end_of_track(), Some(Location::new(2, 1)));
}

/// MOQT-18 §9.1: MAX_CACHE_DURATION, counted from the first byte.
#[test]
fn objects_past_the_cache_duration_are_fetched_anew_and_then_served() {
    let mut scene = Scene::new();
    let camera = scene.source();
    scene.store.set_cache_duration(Some(Duration::from_secs(10)));
    let a = scene.open(camera, subgroup(1, 0));
    scene.put(a, 0, "x");
    scene.later(Duration::from_secs(9));
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(0)))), "1/0:x END");
    scene.later(Duration::from_secs(1));
    let mut reader = FetchCursor::new(span((1, 0), (1, Some(0))), scene.now);
    assert_eq!(scene.fetch_read(&mut reader), "? 1/0..1/0");
    let fill = scene.fetch(camera, span((1, 0), (1, Some(0))));
    assert_eq!(scene.fetch_read(&mut reader), "");
    scene.fetched(fill, 1, 0, "x");
    scene.fetch_done(fill, (1, Some(0)));
    assert_eq!(scene.fetch_read(&mut reader), "1/0:x END");
}

#[test]
fn objects_of_the_oldest_drafts_keep_an_open_delivery_until_a_live_copy_tells() {
    use sluice_proto::model::{Delivery, SubgroupId};
    let mut scene = Scene::new();
    let camera = scene.source();
    let fill = scene.fetch(camera, span((1, 0), (1, Some(5))));
    for object in [0, 1] {
        let mut item = fetched(1, object, "x");
        item.delivery = Delivery::Unknown(SubgroupId(object));
        let item = FetchItem::Object(item);
        scene.store.handle_fetch_item(fill, &item, scene.now).expect("agrees");
        scene.bytes(fill, "x");
    }
    let mut viewer = scene.store.datagrams_end();
    scene.datagram(camera, &datagram(1, 0), "x");
    assert_eq!(scene.datagrams(&mut viewer), "1/0:x");
    let a = scene.open(camera, subgroup(1, 1));
    scene.put(a, 1, "x");
    assert_eq!(scene.logs(1), ["1:x"]);
}
