use bytes::Bytes;
use sluice_proto::model::property::kind;
use sluice_proto::model::{
    FetchItem, GroupId, Location, MalformedProperties, ObjectHead, ObjectStatus, Priority,
    Properties, PropertyEncoding, PropertyValue, RangeEnd,
};

use super::Scene;
use super::scene::{datagram, descending, fetched, head, marker, span, subgroup};
use crate::store::*;

fn properties(pairs: &[(u64, PropertyValue)]) -> Properties {
    Properties::from_entries(PropertyEncoding::DeltaVi64, pairs.iter().cloned()).expect("fits")
}

fn gap(object: u64, kind: u64, gap: u64) -> ObjectHead {
    ObjectHead { properties: properties(&[(kind, PropertyValue::Int(gap))]), ..head(object, 0) }
}

fn error<T: std::fmt::Debug>(result: Result<T, MalformedTrack>) -> MalformedTrack {
    result.expect_err("the track is malformed")
}

#[test]
fn copies_with_other_bytes_length_or_status_make_the_track_malformed() {
    let object = Location::new(1, 0);
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.put(a, 0, "abc");
    scene.begin(b, 0, 3);
    let fault = error(scene.store.handle_payload(b, &Bytes::from_static(b"abX")));
    assert_eq!(fault, MalformedTrack::PayloadDiffers { object, offset: 0 });
    assert_eq!(scene.store.malformed(), Some(&fault));
    assert_eq!(error(scene.head(a, &head(1, 0))), fault, "nothing more is taken in");

    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.begin(a, 0, 3);
    let fault = error(scene.head(b, &head(0, 4)));
    assert_eq!(fault, MalformedTrack::LengthDiffers { object, first: 3, second: 4 });

    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.begin(a, 0, 0);
    let fault = error(scene.head(b, &marker(0, ObjectStatus::EndOfGroup)));
    assert!(matches!(fault, MalformedTrack::StatusDiffers { .. }));
}

#[test]
fn bytes_that_differ_are_found_across_page_borders() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    let long = "0123456789".repeat(10_000);
    scene.put(a, 0, &long);
    scene.begin(b, 0, long.len());
    scene.bytes(b, &long[..70_000]);
    let mut rest = long.as_bytes()[70_000..].to_vec();
    *rest.last_mut().expect("not empty") ^= 1;
    assert!(scene.store.handle_payload(b, &Bytes::from(rest)).is_err());
}

#[test]
fn copies_in_another_subgroup_or_delivery_make_the_track_malformed() {
    let mut scene = Scene::new();
    let one = scene.source();
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(one, subgroup(1, 1)));
    scene.begin(a, 0, 0);
    let fault = error(scene.head(b, &head(0, 0)));
    assert!(matches!(fault, MalformedTrack::DeliveryDiffers { .. }));
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    scene.begin(a, 0, 0);
    let fault = error(scene.store.handle_datagram(one, &datagram(1, 0), &Bytes::new(), scene.now));
    assert!(matches!(fault, MalformedTrack::DeliveryDiffers { .. }));
}

#[test]
fn streams_and_datagrams_mix_only_where_the_draft_allows_it() {
    let mut scene = Scene::new();
    let old = scene
        .store
        .add_source(SourceRules { delivery: DeliveryRule::PerTrack, ..SourceRules::default() });
    let new = scene.source();
    let a = scene.open(new, subgroup(1, 0));
    scene.begin(a, 0, 0);
    scene.datagram(new, &datagram(1, 1), "fine");
    let fault = error(scene.store.handle_datagram(old, &datagram(1, 2), &Bytes::new(), scene.now));
    assert!(matches!(fault, MalformedTrack::MixedDelivery { .. }));
}

#[test]
fn only_immutable_properties_must_agree_between_copies() {
    let inner = properties(&[(0x20, PropertyValue::Int(1))]).raw().clone();
    let other = properties(&[(0x20, PropertyValue::Int(2))]).raw().clone();
    let with = |mutable: u64, immutable: &Bytes| ObjectHead {
        properties: properties(&[
            (0x20, PropertyValue::Int(mutable)),
            (kind::IMMUTABLE, PropertyValue::Bytes(immutable.clone())),
        ]),
        ..head(0, 0)
    };
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.head(a, &with(1, &inner)).expect("agrees");
    scene.head(b, &with(2, &inner)).expect("mutable ones may differ");
    let c = scene.open(two, subgroup(1, 0));
    let fault = error(scene.head(c, &with(1, &other)));
    assert!(matches!(fault, MalformedTrack::ImmutableDiffers { .. }));
}

#[test]
fn one_subgroup_has_one_priority() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    scene.begin(a, 0, 0);
    let mut other = subgroup(1, 0);
    other.priority = Some(Priority(1));
    let fault = error(scene.store.begin_subgroup(one, other));
    assert!(matches!(fault, MalformedTrack::SubgroupPriority { .. }));
    let mut scene = Scene::new();
    let one = scene.source();
    scene.datagram(one, &datagram(1, 0), "x");
    let mut other = datagram(1, 0);
    other.priority = Some(Priority(1));
    scene.store.set_default_priority(Priority(128));
    let fault = error(scene.store.handle_datagram(one, &other, &Bytes::from("x"), scene.now));
    assert!(matches!(fault, MalformedTrack::PriorityDiffers { .. }));
}

#[test]
fn nothing_follows_the_last_object_of_a_subgroup() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.begin(a, 0, 0);
    scene.finish(a);
    scene.begin(b, 0, 0);
    let fault = error(scene.head(b, &head(1, 0)));
    assert!(matches!(fault, MalformedTrack::BeyondSubgroupEnd { .. }));

    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.begin(a, 0, 0);
    scene.begin(a, 1, 0);
    scene.begin(b, 0, 0);
    let fault = error(scene.store.finish(b));
    assert!(matches!(fault, MalformedTrack::BeyondSubgroupEnd { .. }));
}

#[test]
fn two_finished_streams_of_a_subgroup_end_with_the_same_object() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.begin(a, 0, 0);
    scene.begin(a, 1, 0);
    scene.finish(a);
    scene.begin(b, 0, 0);
    let fault = error(scene.store.finish(b));
    assert!(matches!(fault, MalformedTrack::SubgroupEndsDiffer { .. }));
}

#[test]
fn nothing_lies_beyond_the_end_of_a_group() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    scene.head(a, &marker(4, ObjectStatus::EndOfGroup)).expect("agrees");
    let b = scene.open(one, subgroup(1, 1));
    scene.begin(b, 3, 0);
    let fault = error(scene.head(b, &head(4, 0)));
    assert!(
        matches!(fault, MalformedTrack::DeliveryDiffers { .. }),
        "the mark is an object of its own: {fault}"
    );

    let mut scene = Scene::new();
    let one = scene.source();
    let mut start = subgroup(1, 0);
    start.end_of_group = true;
    let a = scene.open(one, start);
    scene.begin(a, 4, 0);
    scene.finish(a);
    let b = scene.open(one, subgroup(1, 1));
    let fault = error(scene.head(b, &head(5, 0)));
    assert_eq!(fault, MalformedTrack::BeyondGroupEnd { object: Location::new(1, 5) });

    let mut scene = Scene::new();
    let one = scene.source();
    scene.datagram(one, &datagram(1, 5), "x");
    let a = scene.open(one, subgroup(1, 0));
    let fault = error(scene.head(a, &marker(4, ObjectStatus::EndOfGroup)));
    assert_eq!(fault, MalformedTrack::BeyondGroupEnd { object: Location::new(1, 5) });
}

#[test]
fn nothing_lies_beyond_the_end_of_the_track() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(2, 0));
    scene.head(a, &marker(0, ObjectStatus::EndOfTrack)).expect("agrees");
    let b = scene.open(one, subgroup(3, 0));
    let fault = error(scene.head(b, &head(0, 0)));
    assert!(matches!(fault, MalformedTrack::BeyondTrackEnd { .. }));

    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(2, 0));
    scene.begin(a, 3, 0);
    let end = Location::new(1, 0);
    let fault = error(scene.store.report_end_of_track(end));
    assert_eq!(fault, MalformedTrack::BeyondTrackEnd { object: Location::new(2, 3), end });
}

#[test]
fn gap_properties_must_not_cover_objects_nor_contradict_each_other() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(5, 0));
    scene.begin(a, 2, 0);
    let fault = error(scene.head(a, &gap(4, kind::PRIOR_OBJECT_ID_GAP, 2)));
    assert!(matches!(fault, MalformedTrack::GapCoversObject { .. }));

    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(5, 0));
    scene.head(a, &gap(4, kind::PRIOR_OBJECT_ID_GAP, 2)).expect("agrees");
    let b = scene.open(one, subgroup(5, 1));
    let fault = error(scene.head(b, &head(3, 0)));
    assert_eq!(fault, MalformedTrack::ObjectInGap { object: Location::new(5, 3) });

    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(5, 0));
    scene.head(a, &gap(0, kind::PRIOR_GROUP_ID_GAP, 2)).expect("agrees");
    let fault = error(scene.head(a, &gap(1, kind::PRIOR_GROUP_ID_GAP, 1)));
    assert!(matches!(fault, MalformedTrack::GroupGapsDiffer { first: 2, second: 1, .. }));

    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(5, 0));
    scene.head(a, &gap(0, kind::PRIOR_GROUP_ID_GAP, 2)).expect("agrees");
    let b = scene.open(one, subgroup(4, 0));
    let fault = error(scene.head(b, &head(0, 0)));
    assert_eq!(fault, MalformedTrack::ObjectInGap { object: Location::new(4, 0) });

    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    let fault = error(scene.head(a, &gap(0, kind::PRIOR_GROUP_ID_GAP, 2)));
    let object = Location::new(1, 0);
    let inner = MalformedProperties::GapTooLarge { kind: kind::PRIOR_GROUP_ID_GAP, gap: 2, id: 1 };
    assert_eq!(fault, MalformedTrack::Properties { object, fault: inner });
}

#[test]
fn fetch_streams_ascend_inside_groups_and_keep_the_order_asked_for() {
    let item = |group, object| FetchItem::Object(fetched(group, object, ""));
    let mut scene = Scene::new();
    let one = scene.source();
    let fill = scene.fetch(one, span((1, 0), (5, None)));
    scene.fetched(fill, 2, 3, "");
    let fault = error(scene.store.handle_fetch_item(fill, &item(2, 3), scene.now));
    assert!(matches!(fault, MalformedTrack::FetchObjectOrder { .. }));

    let mut scene = Scene::new();
    let one = scene.source();
    let fill = scene.fetch(one, descending((1, 0), (5, None)));
    scene.fetched(fill, 2, 3, "");
    let fault = error(scene.store.handle_fetch_item(fill, &item(3, 0), scene.now));
    assert!(matches!(fault, MalformedTrack::FetchGroupOrder { .. }));
    let end = RangeEnd { group: GroupId(5), object: None };
    assert!(scene.store.finish_fetch(fill, Some(end), scene.now).is_ok());
}

#[test]
fn a_malformed_trigger_is_not_stored() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    scene.begin(a, 0, 0);
    scene.finish(a);
    let b = scene.open(one, subgroup(1, 0));
    error(scene.head(b, &head(1, 0)));
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(1)))), "1/0: ? 1/1..1/1");
    assert_eq!(scene.store.largest(), Some(Location::new(1, 0)));
}
