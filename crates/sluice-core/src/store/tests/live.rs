use sluice_proto::model::{
    GroupId, Location, ObjectHead, ObjectId, ObjectStatus, Properties, PropertyEncoding,
    PropertyValue, SubgroupId, SubgroupIdField,
};

use super::Scene;
use super::scene::{datagram, head, marker, subgroup};
use crate::store::*;

fn with_property(object: u64) -> ObjectHead {
    let properties =
        Properties::from_entries(PropertyEncoding::DeltaVi64, [(0x20, PropertyValue::Int(7))]);
    ObjectHead { properties: properties.expect("fits"), ..head(object, 0) }
}

#[test]
fn viewers_get_the_objects_of_a_subgroup_in_order_and_its_end() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(7, 0));
    scene.put(stream, 0, "key");
    let mut viewer = scene.cursor(7);
    assert_eq!(scene.read(&mut viewer), "0:key");
    scene.put(stream, 1, "delta");
    scene.put(stream, 2, "");
    scene.finish(stream);
    assert_eq!(scene.read(&mut viewer), "1:delta 2: FIN");
}

#[test]
fn bytes_of_an_object_are_readable_while_the_rest_has_not_come() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(7, 0));
    scene.begin(stream, 0, 10);
    let mut viewer = scene.cursor(7);
    assert_eq!(scene.read(&mut viewer), "0:…");
    scene.bytes(stream, "half ");
    assert_eq!(scene.read(&mut viewer), "half ");
    scene.bytes(stream, "whole");
    assert_eq!(scene.read(&mut viewer), "whole");
}

#[test]
fn a_viewer_that_takes_part_of_a_step_goes_on_where_it_stopped() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(7, 0));
    scene.put(stream, 0, "abcdef");
    let mut viewer = scene.cursor(7);
    viewer.stand_in(2);
    let step = viewer.next(&mut scene.store, 100);
    assert!(matches!(step, LiveStep::Object { frame_taken_bytes: 2, .. }));
    let before = viewer;
    assert!(matches!(viewer.next(&mut scene.store, 100), LiveStep::Payload(_)));
    viewer = before;
    viewer.stand_in(4);
    assert_eq!(scene.read(&mut viewer), "ef");
}

/// MOQT-18 §5.1.2: Largest moves with the first byte.
#[test]
fn an_object_whose_first_byte_arrived_is_largest_and_not_next() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(7, 0));
    scene.put(stream, 0, "a");
    scene.begin(stream, 1, 4);
    scene.bytes(stream, "ol");
    assert_eq!(scene.store.largest(), Some(Location::new(7, 1)));
    let start = Location::new(7, 2);
    let mut viewers: Vec<LiveCursor> = scene.store.live_cursors(start).collect();
    assert_eq!(viewers.len(), 1);
    scene.bytes(stream, "d.");
    scene.put(stream, 2, "new");
    scene.finish(stream);
    assert_eq!(scene.read(&mut viewers[0]), "2:new FIN");
}

#[test]
fn a_viewer_of_the_next_group_gets_nothing_of_this_one() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(7, 0));
    scene.put(stream, 0, "a");
    let start = Location::new(8, 0);
    let mut news = scene.store.arrivals_end();
    assert_eq!(scene.store.live_cursors(start).count(), 0);
    let next = scene.open(camera, subgroup(8, 0));
    scene.put(next, 0, "b");
    let log = scene.store.next_log(&mut news).expect("a log began");
    assert_eq!(scene.store.log_group(log), Some(GroupId(8)));
    assert_eq!(scene.store.next_log(&mut news), None);
}

#[test]
fn objects_before_the_start_are_left_out_and_those_after_the_end_too() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(7, 0));
    for object in 0..5 {
        scene.put(stream, object, "x");
    }
    let log = scene.store.logs(GroupId(7)).next().expect("a log");
    let mut viewer = scene.store.cursor(log, Location::new(7, 2)).expect("there");
    viewer.end_after(Some(ObjectId(3)));
    assert_eq!(scene.read(&mut viewer), "2:x 3:x RANGE END");
    assert!(scene.store.cursor(log, Location::new(8, 0)).is_none());
}

#[test]
fn fetched_objects_move_no_largest_and_enter_no_log() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(7, 0));
    scene.put(stream, 3, "live");
    let fill = scene.fetch(camera, super::scene::span((7, 0), (9, None)));
    scene.fetched(fill, 7, 0, "old");
    scene.fetched(fill, 9, 0, "odd");
    scene.reset(fill);
    assert_eq!(scene.store.largest(), Some(Location::new(7, 3)));
    scene.put(stream, 4, "more");
    assert_eq!(scene.logs(7), ["3:live 4:more"]);
}

#[test]
fn an_object_fetched_first_is_sent_live_when_its_turn_comes() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(7, 0));
    scene.put(stream, 0, "a");
    let fill = scene.fetch(camera, super::scene::span((7, 0), (7, Some(9))));
    scene.fetched(fill, 7, 1, "b");
    assert_eq!(scene.logs(7), ["0:a"]);
    scene.put(stream, 1, "b");
    assert_eq!(scene.logs(7), ["0:a 1:b"]);
}

#[test]
fn the_stream_header_says_first_object_only_where_it_is_proven() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let middle = scene.open(camera, subgroup(1, 3));
    scene.put(middle, 5, "x");
    let mut start = subgroup(2, 3);
    start.first_object = true;
    let said = scene.open(camera, start);
    scene.put(said, 5, "x");
    scene.put(said, 6, "y");
    let mut start = subgroup(3, 0);
    start.subgroup = SubgroupIdField::FirstObject;
    let implied = scene.open(camera, start);
    scene.put(implied, 5, "x");
    let zero = scene.open(camera, subgroup(4, 3));
    scene.put(zero, 0, "x");
    let first = |scene: &mut Scene, group| {
        let cursor = scene.cursor(group);
        scene.store.log_head(&cursor).expect("a head")
    };
    assert!(!first(&mut scene, 1).first_object);
    assert!(first(&mut scene, 2).first_object);
    assert!(first(&mut scene, 3).first_object);
    assert_eq!(first(&mut scene, 3).subgroup, SubgroupId(5));
    assert!(first(&mut scene, 4).first_object);
    let log = scene.store.logs(GroupId(2)).next().expect("a log");
    let late = scene.store.cursor(log, Location::new(2, 6)).expect("there");
    assert!(!scene.store.log_head(&late).expect("a head").first_object);
}

#[test]
fn a_cached_group_is_headed_as_ended_once_its_last_object_is_known() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(1, 0));
    scene.put(stream, 0, "x");
    let cursor = scene.cursor(1);
    assert!(!scene.store.log_head(&cursor).expect("a head").end_of_group);
    scene.finish(stream);
    let mark = scene.open(camera, subgroup(1, 1));
    scene.head(mark, &marker(1, ObjectStatus::EndOfGroup)).expect("agrees");
    assert!(scene.store.log_head(&cursor).expect("a head").end_of_group);
    assert!(scene.store.is_group_complete(GroupId(1)));
}

#[test]
fn properties_on_a_stream_without_blocks_begin_another_stream() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let mut start = subgroup(1, 0);
    start.properties = false;
    let plain = scene.open(one, start);
    scene.put(plain, 0, "x");
    let rich = scene.open(two, subgroup(1, 0));
    scene.put(rich, 0, "x");
    scene.head(rich, &with_property(1)).expect("agrees");
    scene.reset(plain);
    assert_eq!(scene.logs(1), ["0:x RESET(Cancelled)", "1:"]);
}

#[test]
fn datagrams_reach_viewers_in_the_order_they_came_each_once() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let mut viewer = scene.store.datagrams_end();
    scene.datagram(one, &datagram(1, 1), "b");
    scene.datagram(two, &datagram(1, 0), "a");
    scene.datagram(two, &datagram(1, 1), "b");
    assert_eq!(scene.datagrams(&mut viewer), "1/1:b 1/0:a");
    scene.datagram(one, &datagram(2, 0), "c");
    assert_eq!(scene.datagrams(&mut viewer), "2/0:c");
    assert_eq!(scene.store.largest(), Some(Location::new(2, 0)));
}

#[test]
fn a_frame_is_encoded_once_for_all_viewers_of_a_layout() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(1, 0));
    scene.put(stream, 0, "x");
    let mut encodings = 0;
    for layout in [1, 1, 2, 1] {
        let mut viewer = scene.cursor(1);
        let LiveStep::Object { key, previous, .. } = viewer.next(&mut scene.store, 9) else {
            panic!("an object is there");
        };
        let frame = FrameKey { layout, previous, properties: true };
        let bytes = scene.store.frame(key, frame, |object, out| {
            encodings += 1;
            out.extend([layout as u8, object.payload_bytes.expect("a length") as u8]);
        });
        assert_eq!(bytes.expect("the object is there"), vec![layout as u8, 1]);
    }
    assert_eq!(encodings, 2);
}

#[test]
fn lag_is_what_a_viewer_has_not_taken_yet() {
    let mut scene = Scene::new();
    let camera = scene.source();
    let stream = scene.open(camera, subgroup(1, 0));
    scene.put(stream, 0, "0123456789");
    scene.put(stream, 1, "abc");
    scene.begin(stream, 2, 100);
    scene.bytes(stream, "12345");
    let mut viewer = scene.cursor(1);
    assert_eq!(scene.store.lag_bytes(&viewer), 18);
    viewer.next(&mut scene.store, 7);
    viewer.next(&mut scene.store, 7);
    assert_eq!(scene.store.lag_bytes(&viewer), 11);
    scene.read(&mut viewer);
    assert_eq!(scene.store.lag_bytes(&viewer), 0);
}
