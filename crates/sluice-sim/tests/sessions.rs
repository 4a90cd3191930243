//! Two sessions of one draft, without a relay: everything a publisher sends, a viewer gets.

use std::time::Duration;

use sluice_proto::model::{GroupOrder, Location, LocationFilter, RangeEnd};
use sluice_proto::session::SessionEnd;
use sluice_proto::wire::Draft;
use sluice_sim::lane::LaneKind;
use sluice_sim::link::{LinkConfig, Quirks};
use sluice_sim::peer::ViewState;
use sluice_sim::sim::{Camera, PeerId, Seat, SimConfig, subscribe};
use sluice_sim::{Sim, group};

/// A link that takes every liberty.
fn rough() -> LinkConfig {
    LinkConfig::default().jitter(Duration::from_millis(15)).loss_permille(50).quirks(Quirks {
        tiny_reads_permille: 300,
        partial_writes_permille: 300,
        stale_events_permille: 200,
        late_credit: Duration::from_millis(30),
    })
}

/// Runs a scenario with each draft, with the publisher as client and as server, over the modelled
/// network and over real QUIC, with and without WebTransport.
fn each(seeds: u64, link: &LinkConfig, scenario: impl Fn(&mut Sim, PeerId, PeerId)) {
    let lanes = [
        (LaneKind::Model, link.clone(), seeds),
        (LaneKind::Quic, link.clone(), 1),
        (LaneKind::Quic, link.clone().web_transport("/moq"), 1),
    ];
    for (lane, link, seeds) in lanes {
        for seed in 0..seeds {
            for draft in Draft::ALL {
                for swapped in [false, true] {
                    let shards = usize::from(lane == LaneKind::Quic);
                    let mut sim =
                        Sim::with(seed, SimConfig { shards, lane, ..SimConfig::default() });
                    let (client, server) = sim.pair(draft, link.clone());
                    let (publisher, viewer) =
                        if swapped { (server, client) } else { (client, server) };
                    scenario(&mut sim, publisher, viewer);
                    sim.check_session(publisher);
                    sim.check_session(viewer);
                }
            }
        }
    }
}

fn watch(sim: &mut Sim, viewer: PeerId, filter: LocationFilter, join: Option<u64>) -> Seat {
    let seat = sim.ask(viewer, subscribe("live/cam", filter), join).expect("a live session");
    sim.run_until_answered(seat);
    seat
}

fn camera(sim: &mut Sim, publisher: PeerId) -> Camera {
    sim.serve(publisher, "live/cam")
}

#[test]
fn a_viewer_gets_every_object_after_its_subscription_began() {
    each(20, &rough(), |sim, publisher, viewer| {
        let camera = camera(sim, publisher);
        sim.send(camera, group(0).objects(0..3).open());
        let seat = watch(sim, viewer, LocationFilter::NextObject, None);
        sim.send(camera, group(0).objects(3..5));
        for subgroup in 0..3 {
            sim.send(camera, group(1).subgroup(subgroup).object(subgroup).object(subgroup + 10));
        }
        sim.send(camera, group(2).object(0).object(7).bytes(100_000).priority(3));
        sim.run_until_idle();
        sim.check(seat, "0/3 0/4 1/0 1/1 1/2 1/10 1/11 1/12 2/0 2/7");
        sim.check_complete(seat, &[publisher]);
    });
}

#[test]
fn datagrams_arrive_as_datagrams() {
    each(1, &LinkConfig::default(), |sim, publisher, viewer| {
        let camera = camera(sim, publisher);
        let seat = watch(sim, viewer, LocationFilter::NextObject, None);
        sim.send(camera, group(0).datagrams().objects(0..4));
        sim.run_until_idle();
        sim.check(seat, "0/0 0/1 0/2 0/3");
    });
}

#[test]
fn a_range_ends_with_its_last_group() {
    each(1, &LinkConfig::default(), |sim, publisher, viewer| {
        let camera = camera(sim, publisher);
        let end = RangeEnd { group: 2.into(), object: None };
        let filter = LocationFilter::Range(Location::new(1, 0), end);
        let seat = watch(sim, viewer, filter, None);
        for number in 0..4 {
            sim.send(camera, group(number).objects(0..2));
        }
        sim.run_until_idle();
        sim.check(seat, "1/0 1/1 2/0 2/1");
    });
}

#[test]
fn a_fetch_brings_the_past_in_either_order() {
    each(10, &rough(), |sim, publisher, viewer| {
        let camera = camera(sim, publisher);
        for number in 0..4 {
            sim.send(camera, group(number).objects(0..2));
        }
        let end = RangeEnd { group: 2.into(), object: None };
        let filter = LocationFilter::Range(Location::new(0, 1), end);
        let [up, down] = [GroupOrder::Ascending, GroupOrder::Descending]
            .map(|order| sim.fetch(viewer, "live/cam", filter, order).expect("a live session"));
        sim.run_until_idle();
        sim.check_fetched(sim.fetched(up), "0/1 1/0 1/1 2/0 2/1");
        sim.check_fetched(sim.fetched(down), "2/0 2/1 1/0 1/1 0/1");
        sim.check_answered();
    });
}

#[test]
fn a_viewer_that_joins_has_the_group_from_its_start() {
    each(20, &rough(), |sim, publisher, viewer| {
        let camera = camera(sim, publisher);
        sim.send(camera, group(6).objects(0..2));
        sim.send(camera, group(7).objects(0..3).open());
        let seat = sim
            .ask(viewer, subscribe("live/cam", LocationFilter::NextObject), Some(0))
            .expect("a live session");
        sim.run_until_answered(seat);
        sim.send(camera, group(7).objects(3..5));
        sim.run_until_idle();
        sim.check(seat, "7/3 7/4");
        let fetch = sim.joined(seat).expect("it joined");
        sim.check_fetched(fetch, "7/0 7/1 7/2");
        sim.check_fetch(viewer, fetch);
    });
}

#[test]
fn a_paused_viewer_gets_nothing_and_its_publisher_knows() {
    each(1, &LinkConfig::default(), |sim, publisher, viewer| {
        let camera = camera(sim, publisher);
        let seat = watch(sim, viewer, LocationFilter::NextObject, None);
        sim.send(camera, group(0).objects(0..2));
        sim.run_until_idle();
        sim.forward(seat, false);
        sim.run_until_idle();
        let track = sim.track(camera).clone();
        assert!(sim.at(publisher).demand(&track).iter().all(|demand| !demand.forward));
        sim.send(camera, group(1).objects(0..2));
        sim.run_until_idle();
        sim.forward(seat, true);
        sim.run_until_idle();
        sim.send(camera, group(2).objects(0..2));
        sim.run_until_idle();
        sim.check(seat, "0/0 0/1 2/0 2/1");
    });
}

#[test]
fn a_viewer_that_leaves_is_forgotten_by_its_publisher() {
    each(10, &rough(), |sim, publisher, viewer| {
        let camera = camera(sim, publisher);
        let seat = watch(sim, viewer, LocationFilter::NextObject, None);
        sim.send(camera, group(0).objects(0..2).open());
        sim.leave(seat);
        sim.send(camera, group(0).objects(2..4));
        sim.run_until_idle();
        let track = sim.track(camera).clone();
        assert_eq!(sim.at(publisher).demand(&track), []);
    });
}

#[test]
fn the_end_of_a_track_comes_after_its_last_object() {
    each(10, &rough(), |sim, publisher, viewer| {
        let camera = camera(sim, publisher);
        let seat = watch(sim, viewer, LocationFilter::NextObject, None);
        sim.send(camera, group(0).objects(0..4).bytes(20_000));
        sim.end_track(camera);
        sim.run_until_idle();
        sim.check(seat, "0/0 0/1 0/2 0/3");
        assert!(matches!(sim.view(seat).state, ViewState::Ended(_)), "{:?}", sim.view(seat).state);
    });
}

#[test]
fn an_unknown_track_is_refused() {
    each(10, &rough(), |sim, publisher, viewer| {
        camera(sim, publisher);
        let request = subscribe("live/other", LocationFilter::All);
        let seat = sim.ask(viewer, request, None).expect("a live session");
        sim.run_until_idle();
        assert!(matches!(sim.view(seat).state, ViewState::Refused(_)));
        sim.fetch(viewer, "live/other", LocationFilter::All, GroupOrder::Ascending);
        sim.run_until_idle();
        sim.check_answered();
    });
}

#[test]
fn a_cut_connection_ends_both_sessions() {
    for draft in Draft::ALL {
        let mut sim = Sim::with(1, SimConfig { shards: 0, ..SimConfig::default() });
        let (client, server) = sim.pair(draft, LinkConfig::default());
        sim.wire(client).cut();
        sim.run_for(Duration::from_secs(10));
        for peer in [client, server] {
            assert!(matches!(sim.at(peer).closed, Some(SessionEnd::Lost(_))), "draft {draft}");
        }
    }
}

#[test]
fn noise_costs_a_session_itself_and_nothing_else() {
    for seed in 0..300 {
        for draft in Draft::ALL {
            let mut sim = Sim::with(seed, SimConfig { shards: 0, ..SimConfig::default() });
            let besieged = sim.besiege(draft, rough());
            sim.serve(besieged, "live/cam");
            sim.run_for(Duration::from_secs(20));
            sim.close_hostiles();
            sim.run_for(Duration::from_secs(5));
            assert!(sim.at(besieged).closed.is_some(), "draft {draft}, seed {seed}");
        }
    }
}

#[test]
fn a_goaway_reaches_the_other_side() {
    for draft in Draft::ALL {
        let mut sim = Sim::with(1, SimConfig { shards: 0, ..SimConfig::default() });
        let (client, server) = sim.pair(draft, LinkConfig::default());
        for (from, to) in [(client, server), (server, client)] {
            sim.goaway(from, None);
            sim.run_until_idle();
            assert_eq!(sim.at(to).goaways.len(), 1, "draft {draft}");
            sim.check_session(from);
        }
    }
}
