use sluice_proto::model::{GroupId, ObjectStatus, Priority, ResetCode};

use super::Scene;
use super::scene::{head, marker, span, subgroup};
use crate::store::*;

#[test]
fn the_first_copy_of_an_object_wins_and_the_second_is_dropped() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.put(a, 0, "x");
    scene.put(b, 0, "x");
    scene.put(b, 1, "y");
    scene.put(a, 1, "y");
    scene.finish(a);
    scene.finish(b);
    assert_eq!(scene.logs(1), ["0:x 1:y FIN"]);
}

#[test]
fn a_copy_that_adds_nothing_wakes_nobody() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.put(a, 0, "xyz");
    assert_eq!(scene.head(b, &head(0, 3)), Ok(Change::None));
    assert_eq!(scene.store.handle_payload(b, &"xyz".into()), Ok(Change::None));
}

#[test]
fn an_incomplete_object_is_filled_by_whichever_source_is_ahead() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.begin(a, 0, 8);
    scene.begin(b, 0, 8);
    let mut viewer = scene.cursor(1);
    scene.bytes(a, "01");
    assert_eq!(scene.read(&mut viewer), "0:01…");
    scene.bytes(b, "0123");
    assert_eq!(scene.read(&mut viewer), "23");
    scene.bytes(a, "2345");
    assert_eq!(scene.read(&mut viewer), "45");
    scene.bytes(b, "4567");
    assert_eq!(scene.read(&mut viewer), "67");
}

#[test]
fn one_publisher_leaving_loses_nothing() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.put(b, 0, "x");
    scene.put(a, 0, "x");
    scene.begin(a, 1, 4);
    scene.bytes(a, "ab");
    let _ = scene.store.remove_source(one, ResetCode::SessionClosed);
    assert_eq!(scene.logs(1), ["0:x 1:ab…"]);
    scene.put(b, 1, "abcd");
    scene.finish(b);
    assert_eq!(scene.logs(1), ["0:x 1:abcd FIN"]);
}

#[test]
fn the_last_source_resetting_ends_the_log_and_drops_what_is_incomplete() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    scene.begin(a, 1, 4);
    scene.bytes(a, "ab");
    let mut viewer = scene.cursor(1);
    assert_eq!(scene.read(&mut viewer), "0:x 1:ab…");
    let _ = scene.store.reset(a, ResetCode::DeliveryTimeout);
    assert_eq!(scene.read(&mut viewer), "RESET(DeliveryTimeout)");
    assert_eq!(scene.logs(1), ["0:x RESET(DeliveryTimeout)"]);
}

#[test]
fn a_source_that_reopens_a_subgroup_continues_in_a_new_log_without_doubles() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    scene.begin(a, 1, 4);
    scene.bytes(a, "ab");
    scene.reset(a);
    let b = scene.open(one, subgroup(1, 0));
    scene.put(b, 0, "x");
    scene.put(b, 1, "abcd");
    scene.put(b, 2, "z");
    scene.finish(b);
    assert_eq!(scene.logs(1), ["0:x RESET(Cancelled)", "1:abcd 2:z FIN"]);
}

/// MOQT-18 §11.4.3: the next object.
#[test]
fn gaps_in_ids_are_bridged_only_by_a_stream_that_had_both_objects() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    scene.put(a, 10, "y");
    let b = scene.open(two, subgroup(1, 0));
    scene.put(b, 20, "z");
    assert_eq!(scene.logs(1), ["0:x 10:y"], "20 may not be the next one: the first source tells");
    scene.put(a, 20, "z");
    scene.put(b, 30, "w");
    assert_eq!(scene.logs(1), ["0:x 10:y 20:z 30:w"]);
}

#[test]
fn a_source_that_joined_later_carries_on_in_a_new_log_when_the_first_dies() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    scene.put(a, 10, "y");
    let b = scene.open(two, subgroup(1, 0));
    scene.put(b, 20, "z");
    scene.put(b, 30, "w");
    scene.reset(a);
    scene.finish(b);
    assert_eq!(scene.logs(1), ["0:x 10:y RESET(Cancelled)", "20:z 30:w FIN"]);
}

#[test]
fn ids_known_to_be_elsewhere_or_absent_do_not_break_a_stream() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    let other = scene.open(one, subgroup(1, 1));
    scene.put(other, 1, "o");
    let gone = scene.open(one, subgroup(1, 2));
    scene.head(gone, &marker(2, ObjectStatus::DoesNotExist)).expect("agrees");
    let b = scene.open(two, subgroup(1, 0));
    scene.put(b, 3, "y");
    assert_eq!(scene.logs(1)[0], "0:x 3:y");
}

#[test]
fn a_stalled_source_cannot_hold_a_subgroup_back_for_ever() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.begin(a, 0, 4);
    scene.bytes(a, "st");
    let b = scene.open(two, subgroup(1, 0));
    let waits = StoreLimits::default().pending_objects_max as u64;
    for object in 1..=waits {
        scene.put(b, object, "x");
    }
    assert_eq!(scene.logs(1), ["0:st…"]);
    scene.put(b, waits + 1, "x");
    let logs = scene.logs(1);
    assert_eq!(logs[0], "RESET(Cancelled)");
    assert!(logs[1].starts_with("1:x 2:x") && logs.len() == 2);
}

#[test]
fn one_fin_ends_the_log_although_another_source_is_still_open() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let (a, b) = (scene.open(one, subgroup(1, 0)), scene.open(two, subgroup(1, 0)));
    scene.put(a, 0, "x");
    scene.put(b, 0, "x");
    scene.put(a, 1, "y");
    scene.finish(a);
    assert_eq!(scene.logs(1), ["0:x 1:y FIN"]);
    scene.put(b, 1, "y");
    scene.finish(b);
    assert_eq!(scene.logs(1), ["0:x 1:y FIN"]);
}

#[test]
fn a_fin_that_comes_before_other_sources_caught_up_does_not_cut_the_log() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    let b = scene.open(two, subgroup(1, 0));
    scene.put(b, 20, "z");
    scene.finish(b);
    assert_eq!(scene.logs(1), ["0:x"]);
    scene.put(a, 10, "y");
    scene.put(a, 20, "z");
    assert_eq!(scene.logs(1), ["0:x 10:y 20:z FIN"]);
}

#[test]
fn an_object_known_to_be_absent_is_ignored_when_it_arrives() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    scene.head(a, &marker(1, ObjectStatus::DoesNotExist)).expect("agrees");
    let b = scene.open(two, subgroup(1, 0));
    scene.put(b, 0, "x");
    scene.put(b, 1, "ghost");
    scene.put(b, 2, "z");
    scene.finish(b);
    assert_eq!(scene.logs(1), ["0:x 2:z FIN"]);
}

#[test]
fn an_object_that_turns_out_not_to_exist_is_no_longer_fetched() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    scene.put(a, 1, "y");
    let b = scene.open(one, subgroup(1, 1));
    scene.head(b, &marker(1, ObjectStatus::DoesNotExist)).expect("agrees");
    assert_eq!(scene.fetch_all(span((1, 0), (1, Some(1)))), "1/0:x END");
    assert_eq!(scene.logs(1)[0], "0:x 1:y");
}

#[test]
fn a_group_whose_objects_are_all_here_ends_with_fin_even_if_a_stream_is_lost() {
    let mut scene = Scene::new();
    let one = scene.source();
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    let b = scene.open(one, subgroup(1, 1));
    scene.head(b, &marker(1, ObjectStatus::EndOfGroup)).expect("agrees");
    scene.reset(a);
    assert_eq!(scene.logs(1)[0], "0:x FIN");
    assert_eq!(scene.store.end_of_group(GroupId(1)), Some(1));
}

#[test]
fn inherited_and_explicit_priorities_of_equal_value_agree() {
    let mut scene = Scene::new();
    scene.store.set_default_priority(Priority(5));
    let (one, two) = (scene.source(), scene.source());
    let mut explicit = subgroup(1, 0);
    explicit.priority = Some(Priority(5));
    let a = scene.open(one, explicit);
    scene.put(a, 0, "x");
    let mut inherited = subgroup(1, 0);
    inherited.priority = None;
    assert!(scene.store.begin_subgroup(two, inherited).is_ok());
    let old = scene
        .store
        .add_source(SourceRules { priority: PriorityRule::Free, ..SourceRules::default() });
    let mut other = subgroup(1, 0);
    other.priority = Some(Priority(9));
    assert!(scene.store.begin_subgroup(old, other).is_ok(), "the first value stays");
    let cursor = scene.cursor(1);
    assert_eq!(scene.store.log_head(&cursor).expect("a head").priority, Some(Priority(5)));
}

#[test]
fn a_fetch_completes_what_live_streams_left_incomplete() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.begin(a, 0, 4);
    scene.bytes(a, "ab");
    let fill = scene.fetch(two, span((1, 0), (1, Some(0))));
    scene.fetched(fill, 1, 0, "abcd");
    assert_eq!(scene.logs(1), ["0:abcd"]);
    scene.bytes(a, "cd");
    scene.put(a, 1, "e");
    scene.finish(a);
    assert_eq!(scene.logs(1), ["0:abcd 1:e FIN"]);
}

#[test]
fn half_an_object_of_a_source_that_died_begins_no_stream() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 0, "x");
    let b = scene.open(two, subgroup(1, 0));
    scene.begin(b, 20, 4);
    scene.bytes(b, "ha");
    scene.reset(b);
    scene.reset(a);
    assert_eq!(scene.logs(1), ["0:x RESET(Cancelled)"]);
}

#[test]
fn a_log_that_was_cut_to_nothing_does_not_open_the_way_for_older_objects() {
    let mut scene = Scene::new();
    let (one, two) = (scene.source(), scene.source());
    let a = scene.open(one, subgroup(1, 0));
    scene.put(a, 10, "x");
    scene.reset(a);
    let b = scene.open(one, subgroup(1, 0));
    scene.begin(b, 11, 4);
    scene.bytes(b, "ha");
    scene.reset(b);
    let c = scene.open(two, subgroup(1, 0));
    scene.put(c, 5, "y");
    scene.put(c, 12, "z");
    assert_eq!(scene.logs(1), ["10:x RESET(Cancelled)", "RESET(Cancelled)", "12:z"]);
}
