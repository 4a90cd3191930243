//! Objects that end with their stream: nobody knows their length before.

use bytes::Bytes;
use sluice_proto::model::{GroupId, Location, ObjectId, ResetCode, SendOrder, SubgroupIdField};

use super::Scene;
use super::scene::{head, span, subgroup};
use crate::store::*;

/// A stream with object `object` of group 7, whose payload follows.
fn begin(scene: &mut Scene, source: SourceId, object: u64) -> FeedKey {
    let start = SubgroupStart {
        subgroup: SubgroupIdField::FirstObject,
        properties: false,
        order: Some(SendOrder(object)),
        ..subgroup(7, 0)
    };
    let feed = scene.open(source, start);
    scene.store.handle_object_to_end(feed, &head(object, 0), scene.now).expect("it agrees");
    feed
}

/// A reader of the first log.
fn reader(scene: &Scene) -> LiveCursor {
    let log = scene.store.logs(GroupId(7)).next().expect("a log");
    scene.store.cursor(log, Location::ZERO).expect("it is stored")
}

/// What a reader gets now: ids, payloads and ends.
fn read(scene: &mut Scene, cursor: &mut LiveCursor) -> String {
    let mut seen = String::new();
    loop {
        match cursor.next(&mut scene.store, 100) {
            LiveStep::Object { id, .. } => seen.push_str(&format!("{id}:")),
            LiveStep::Payload(bytes) => seen.push_str(std::str::from_utf8(&bytes).unwrap()),
            LiveStep::Wait => return seen,
            LiveStep::End(end) => return format!("{seen}{end:?}"),
        }
    }
}

#[test]
fn who_needs_no_length_reads_while_it_is_written_and_who_does_waits_for_its_end() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = begin(&mut scene, camera, 3);
    let (mut early, mut late) = (reader(&scene), reader(&scene));
    late.need_length();
    scene.bytes(stream, "half ");
    assert_eq!(read(&mut scene, &mut early), "3:half ");
    assert_eq!(read(&mut scene, &mut late), "");
    assert_eq!((scene.store.lag_bytes(&late), scene.store.waiting_since(&late)), (0, None));
    scene.bytes(stream, "whole");
    scene.finish(stream);
    assert_eq!(read(&mut scene, &mut early), "wholeFin");
    assert_eq!(read(&mut scene, &mut late), "3:half wholeFin");
}

#[test]
fn it_may_turn_out_to_be_empty() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = begin(&mut scene, camera, 0);
    let mut late = reader(&scene);
    late.need_length();
    scene.finish(stream);
    assert_eq!(read(&mut scene, &mut late), "0:Fin");
}

#[test]
fn one_that_is_given_up_is_reset_for_everyone_and_counts_as_not_there() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = begin(&mut scene, camera, 0);
    let (mut early, mut late) = (reader(&scene), reader(&scene));
    late.need_length();
    scene.bytes(stream, "half");
    assert_eq!(read(&mut scene, &mut early), "0:half");
    scene.reset(stream);
    let reset = format!("{:?}", LiveEnd::Reset(ResetCode::Cancelled));
    assert_eq!(read(&mut scene, &mut early), reset);
    assert_eq!(read(&mut scene, &mut late), reset);
    let mut fetch = FetchCursor::new(span((7, 0), (7, Some(0))), scene.now);
    let step = fetch.next(&mut scene.store, 100, scene.now);
    assert!(matches!(step, FetchStep::Unknown(_)), "{step:?}");
}

#[test]
fn a_fetch_waits_for_its_length() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = begin(&mut scene, camera, 0);
    scene.bytes(stream, "abc");
    let mut fetch = FetchCursor::new(span((7, 0), (7, Some(0))), scene.now);
    assert_eq!(fetch.next(&mut scene.store, 100, scene.now), FetchStep::Wait);
    scene.finish(stream);
    let step = fetch.next(&mut scene.store, 100, scene.now);
    let FetchStep::Object { key, .. } = step else { panic!("{step:?}") };
    assert_eq!(scene.store.object(key).and_then(|object| object.payload_bytes), Some(3));
}

#[test]
fn copies_may_differ_in_who_knows_the_length_but_not_in_the_length() {
    for (second, agrees) in [("abcd", true), ("abc", false), ("abcde", false)] {
        let mut scene = Scene::new();
        let (one, two) = (scene.source(), scene.source());
        let (first, copy) = (begin(&mut scene, one, 0), begin(&mut scene, two, 0));
        scene.bytes(first, "abcd");
        scene.finish(first);
        let payload = Bytes::copy_from_slice(second.as_bytes());
        let taken = scene.store.handle_payload(copy, &payload);
        let ended = taken.and_then(|_| scene.store.finish(copy));
        assert_eq!(ended.is_ok(), agrees, "{second}: {ended:?}");
    }
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let open = begin(&mut scene, one, 2);
    scene.bytes(open, "abcd");
    let told = SubgroupStart { properties: false, ..subgroup(7, 2) };
    let told = scene.open(two, told);
    let short = scene.head(told, &head(2, 3));
    let object = Location { group: GroupId(7), object: ObjectId(2) };
    assert_eq!(short, Err(MalformedTrack::LengthDiffers { object, first: 4, second: 3 }));
}
