//! The whole relay between scripted peers: what each of them gets to see, exactly.

use std::time::Duration;

use sluice_proto::model::{
    GroupOrder, Location, LocationFilter, Priority, RangeEnd, RequestUpdate,
};
use sluice_proto::wire::Draft;
use sluice_sim::link::LinkConfig;
use sluice_sim::peer::ViewState;
use sluice_sim::sim::subscribe;
use sluice_sim::{Sim, group};

const TRACK: &str = "live/cam";

fn whole_groups(first: u64, last: u64) -> LocationFilter {
    let end = RangeEnd { group: last.into(), object: None };
    LocationFilter::Range(Location::new(first, 0), end)
}

/// Every pair of drafts, publisher and viewer.
fn pairs() -> impl Iterator<Item = (Draft, Draft)> {
    Draft::ALL.into_iter().flat_map(|p| Draft::ALL.into_iter().map(move |v| (p, v)))
}

#[test]
fn a_viewer_of_any_draft_joins_a_group_from_its_start_with_neither_gap_nor_overlap() {
    for (publishes, watches) in pairs() {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(publishes, TRACK);
        sim.send(camera, group(7).objects(0..3).open());
        // The relay heard nothing yet: the first joiner's past comes from the publisher. That of
        // all later ones is here.
        let seats: Vec<_> = (0..20)
            .map(|number| {
                let seat = sim.joiner_of(watches, TRACK, 0);
                sim.send(camera, group(7).object(3 + number).open());
                sim.run_until_idle();
                (seat, number)
            })
            .collect();
        sim.send(camera, group(7).object(23).finish());
        sim.run_until_idle();
        for (seat, number) in seats {
            let past: Vec<_> = (0..3 + number).map(|id| format!("7/{id}")).collect();
            let live: Vec<_> = (3 + number..24).map(|id| format!("7/{id}")).collect();
            sim.check_fetched(sim.joined(seat).expect("it joined"), &past.join(" "));
            sim.check(seat, &live.join(" "));
        }
        let asked = sim.at(camera.peer).fetches_served();
        assert_eq!(asked, 1, "{publishes} to {watches}: one fetch upstream serves all");
    }
}

#[test]
fn a_catalog_of_one_object_published_an_hour_ago_reaches_whoever_joins() {
    for (publishes, watches) in pairs() {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(publishes, TRACK);
        sim.send(camera, group(0).object(0));
        sim.run_for(Duration::from_secs(3600));
        for _ in 0..3 {
            let seat = sim.joiner_of(watches, TRACK, 0);
            sim.run_until_idle();
            sim.check_fetched(sim.joined(seat).expect("it joined"), "0/0");
            sim.check(seat, "");
            sim.leave(seat);
            sim.run_for(Duration::from_secs(600));
        }
    }
}

#[test]
fn a_fetch_of_whole_groups_is_answered_in_every_draft() {
    for (publishes, watches) in pairs() {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(publishes, TRACK);
        for number in 0..4 {
            sim.send(camera, group(number).objects(0..2));
        }
        let viewer = sim.peer(watches);
        let fetch = sim.fetch(viewer, TRACK, whole_groups(1, 2), GroupOrder::Ascending);
        sim.run_until_idle();
        sim.check_fetched(sim.fetched(fetch.expect("a live session")), "1/0 1/1 2/0 2/1");
    }
}

#[test]
fn a_group_with_many_holes_is_fetched_whole() {
    for (publishes, watches) in pairs() {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(publishes, TRACK);
        // The relay sees the objects come one by one, and cannot know that nothing lies between.
        let live = sim.subscriber_of(watches, TRACK, LocationFilter::NextObject);
        for id in 0..12 {
            sim.send(camera, group(0).subgroup(id % 3).object(id * 5).open());
            sim.run_until_idle();
        }
        let fetch = sim.fetch(live.peer, TRACK, whole_groups(0, 0), GroupOrder::Ascending);
        sim.run_until_idle();
        let expected: Vec<_> = (0..12).map(|id| format!("0/{}", id * 5)).collect();
        sim.check_fetched(sim.fetched(fetch.expect("a live session")), &expected.join(" "));
    }
}

#[test]
fn a_fetch_larger_than_the_congestion_window_arrives_without_any_live_object() {
    let mut sim = Sim::new(1);
    let camera = sim.publisher(TRACK);
    sim.send(camera, group(0).objects(0..10).bytes(60_000));
    let mut link = LinkConfig::default();
    link.down.window_bytes = 20_000;
    let viewer = sim.peer_over(Draft::D18, link);
    let began = sim.elapsed();
    let fetch = sim.fetch(viewer, TRACK, whole_groups(0, 0), GroupOrder::Ascending);
    let fetch = fetch.expect("a live session");
    sim.run_until(Duration::from_secs(60), |sim| sim.fetched(fetch).received.end.is_some());
    assert_eq!(sim.fetched(fetch).received.objects.len(), 10);
    // 600 kB at a window of 20 kB a round trip of 20 ms, and some round trips to begin with.
    assert!(sim.elapsed() - began < Duration::from_secs(1), "{:?}", sim.elapsed() - began);
}

#[test]
fn every_publisher_of_a_track_is_subscribed_to_whoever_came_first() {
    for draft in Draft::ALL {
        let mut sim = Sim::new(1);
        let offering = sim.peer(draft);
        let first = sim.serve(offering, TRACK);
        sim.offer(first, true);
        let second = sim.publisher_of(draft, TRACK);
        sim.run_until_idle();
        let seat = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        sim.run_until_idle();
        for camera in [first, second] {
            assert_eq!(sim.at(camera.peer).demand(sim.track(camera)).len(), 1, "draft {draft}");
        }
        sim.send(first, group(0).objects(0..2).open());
        sim.send(second, group(0).objects(0..3));
        sim.run_until_idle();
        sim.close(first.peer);
        sim.send(second, group(1).objects(0..2));
        sim.run_until_idle();
        sim.check(seat, "0/0 0/1 0/2 1/0 1/1");
    }
}

#[test]
fn an_update_of_a_subscription_that_waits_for_a_publisher_is_answered_after_it() {
    for draft in [Draft::D18, Draft::D20] {
        let mut sim = Sim::new(1);
        let viewer = sim.peer(draft);
        let mut request = subscribe(TRACK, LocationFilter::NextObject);
        request.rendezvous_timeout = Some(Duration::from_secs(20));
        let seat = sim.ask(viewer, request, None).expect("a live session");
        sim.update(seat, RequestUpdate { priority: Some(Priority(3)), ..RequestUpdate::default() });
        sim.run_for(Duration::from_secs(1));
        let camera = sim.publisher_of(draft, TRACK);
        sim.run_until_idle();
        sim.check_session(viewer);
        assert_eq!(sim.view(seat).state, ViewState::Active, "draft {draft}");
        sim.send(camera, group(0).object(0));
        sim.run_until_idle();
        sim.check(seat, "0/0");
    }
}

#[test]
fn a_publisher_is_told_to_pause_when_its_last_viewer_does_and_to_go_on_when_one_resumes() {
    for (publishes, watches) in pairs() {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(publishes, TRACK);
        let seats = [0; 2].map(|_| sim.subscriber_of(watches, TRACK, LocationFilter::NextObject));
        let wanted = |sim: &Sim| {
            let demand = sim.at(camera.peer).demand(sim.track(camera));
            demand.iter().map(|demand| demand.forward).collect::<Vec<_>>()
        };
        let trips = Duration::from_millis(40);
        for (seat, forward, any) in [(0, false, true), (1, false, false), (0, true, true)] {
            sim.forward(seats[seat], forward);
            sim.run_for(trips);
            assert_eq!(wanted(&sim), [any], "{publishes} to {watches}");
        }
        sim.send(camera, group(0).object(0));
        sim.run_until_idle();
        sim.check(seats[0], "0/0");
        sim.check(seats[1], "");
    }
}

#[test]
fn a_viewer_that_changes_its_mind_all_the_time_costs_its_publisher_one_update_a_turn() {
    for draft in Draft::ALL {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(draft, TRACK);
        let seat = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        for round in 0..500 {
            sim.forward(seat, round % 2 == 1);
        }
        sim.run_until_idle();
        sim.check_session(camera.peer);
        assert!(sim.at(camera.peer).demand(sim.track(camera))[0].forward, "draft {draft}");
    }
}

#[test]
fn what_passes_while_a_track_lingers_is_there_for_who_comes_back() {
    for draft in Draft::ALL {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(draft, TRACK);
        let seat = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        sim.send(camera, group(0).objects(0..2).open());
        sim.run_until_idle();
        sim.leave(seat);
        sim.run_for(Duration::from_secs(1));
        sim.send(camera, group(0).objects(2..4).open());
        sim.run_until_idle();
        let back = sim.joiner_of(draft, TRACK, 0);
        sim.run_until_idle();
        sim.check_fetched(sim.joined(back).expect("it joined"), "0/0 0/1 0/2 0/3");
        sim.leave(back);
        sim.run_for(Duration::from_secs(10));
        assert_eq!(sim.at(camera.peer).demand(sim.track(camera)), [], "draft {draft}");
    }
}

#[test]
fn a_viewer_whose_draft_knows_one_kind_of_objects_a_track_gets_the_kind_that_came_first() {
    for first in ["subgroups", "datagrams"] {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(Draft::D18, TRACK);
        let both = sim.subscriber_of(Draft::D20, TRACK, LocationFilter::NextObject);
        let one = sim.subscriber_of(Draft::D14, TRACK, LocationFilter::NextObject);
        for number in 0..4 {
            let mut batch = group(number).objects(0..2);
            if (number % 2 == 0) == (first == "datagrams") {
                batch = batch.datagrams();
            }
            sim.send(camera, batch);
            sim.run_until_idle();
        }
        sim.check(both, "0/0 0/1 1/0 1/1 2/0 2/1 3/0 3/1");
        sim.check(one, "0/0 0/1 2/0 2/1");
    }
}

#[test]
fn what_a_fetch_upstream_does_not_cover_is_not_taken_to_be_absent() {
    for draft in Draft::ALL {
        let mut sim = Sim::new(1);
        // The first has more than the second, which joins late and is asked.
        let first = sim.publisher_of(draft, TRACK);
        let seat = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        for id in 0..6 {
            sim.send(first, group(0).object(id).open());
        }
        sim.run_until_idle();
        let second = sim.publisher_of(draft, TRACK);
        sim.run_until_idle();
        sim.send(second, group(0).objects(0..3).open());
        sim.run_until_idle();
        sim.close(first.peer);
        sim.run_until_idle();
        let all = sim.fetch(seat.peer, TRACK, LocationFilter::All, GroupOrder::Ascending);
        sim.send(second, group(0).objects(3..8).finish());
        sim.run_until_idle();
        sim.check(seat, "0/0 0/1 0/2 0/3 0/4 0/5 0/6 0/7");
        sim.check_fetched(sim.fetched(all.expect("a live session")), "0/0 0/1 0/2 0/3 0/4 0/5");
    }
}
