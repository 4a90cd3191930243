//! What the relay promises on slow links, when peers fail, and when somebody goes away. Virtual
//! time makes it exact.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_proto::model::{DoneCode, Location, LocationFilter, Priority};
use sluice_proto::session::{RequestEnd, SessionEnd};
use sluice_proto::transport::Side;
use sluice_proto::wire::Draft;
use sluice_sim::lane::LaneKind;
use sluice_sim::link::LinkConfig;
use sluice_sim::peer::ViewState;
use sluice_sim::relay::RelayConfig;
use sluice_sim::rng::Rng;
use sluice_sim::sim::{Camera, PeerId, Seat, SimConfig, subscribe, track_name};
use sluice_sim::{Sim, group};

const TRACK: &str = "live/cam";
const BITS_PER_SECOND: u64 = 2_000_000;

fn on(lane: LaneKind) -> Sim {
    Sim::with(1, SimConfig { lane, ..SimConfig::default() })
}

/// 2 Mbit/s down, a round trip of 100 ms, and a congestion window of just that.
fn slow_link() -> LinkConfig {
    let mut link = LinkConfig::default().delay(Duration::from_millis(50));
    link = link.down_bits_per_second(BITS_PER_SECOND);
    link.down.window_bytes = (BITS_PER_SECOND / 8 / 10) as usize;
    link.down.queue = Duration::from_millis(300);
    link
}

/// What real congestion control costs beside its window: while it probes for more, a packet may be
/// lost and lost again, each a round trip; and it needs a little more than the window at hand.
fn probing(lane: LaneKind, trip: Duration) -> Duration {
    if lane == LaneKind::Quic { trip * 2 + trip / 8 } else { Duration::ZERO }
}

/// How long so many bytes take on the slow link.
fn transmission(bytes: u64) -> Duration {
    Duration::from_nanos(bytes * 8 * 1_000_000_000 / BITS_PER_SECOND)
}

/// Runs on, and returns the largest congestion window and round trip on the way to a peer.
fn run_and_measure(sim: &mut Sim, peer: PeerId, duration: Duration) -> (u64, Duration) {
    let end = sim.now() + duration;
    let mut largest = (0, Duration::ZERO);
    while sim.now() < end {
        sim.run_for(Duration::from_millis(5));
        if let Some(path) = sim.path(peer) {
            largest = (largest.0.max(path.window_bytes), largest.1.max(path.rtt));
        }
    }
    largest
}

/// When each object came, from the beginning of the run.
fn arrivals(sim: &Sim, seat: Seat) -> BTreeMap<Location, Duration> {
    let began = sim.now() - sim.elapsed();
    sim.view(seat).received.complete.iter().map(|(at, when)| (*at, *when - began)).collect()
}

/// Ten seconds of a track of small objects on a slow link, and of one that alone would need twice
/// the link, if `beside`, which begins five seconds earlier. When the small ones came after they
/// were sent, and the largest window and round trip.
fn important_track(lane: LaneKind, beside: bool) -> (Vec<Duration>, u64, Duration) {
    let mut sim = on(lane);
    let small = sim.publisher_of(Draft::D18, "live/sound");
    let large = sim.serve(small.peer, "live/picture");
    let viewer = sim.peer_over(Draft::D18, slow_link());
    let mut watch = |name: &str, priority| {
        let mut request = subscribe(name, LocationFilter::NextObject);
        request.priority = Some(Priority(priority));
        let seat = sim.ask(viewer, request, None).expect("a live session");
        sim.run_until_answered(seat);
        seat
    };
    let seat = watch("live/sound", 10);
    watch("live/picture", 200);
    let (mut window, mut trip) = (0, Duration::ZERO);
    for number in 0..300 {
        let begun = number >= 100;
        if begun {
            sim.send(small, group(number).object(0).bytes(2500));
        }
        if beside && number % 5 == 0 {
            sim.send(large, group(number / 5).object(0).bytes(125_000));
        }
        let (bytes, rtt) = run_and_measure(&mut sim, viewer, Duration::from_millis(50));
        if begun {
            (window, trip) = (window.max(bytes), trip.max(rtt));
        }
    }
    sim.run_for(Duration::from_secs(5));
    let published = sim.published(&track_name("live/sound"));
    let complete = &sim.view(seat).received.complete;
    let late = published.objects.iter().map(|(at, object)| {
        let came = complete.get(at).unwrap_or_else(|| panic!("{at} never came"));
        *came - object.at
    });
    (late.collect(), window, trip)
}

#[test]
fn an_important_track_is_later_than_alone_by_one_congestion_window_at_most() {
    for lane in [LaneKind::Model, LaneKind::Quic] {
        let (alone, ..) = important_track(lane, false);
        let (beside, window, trip) = important_track(lane, true);
        // The packet that is being sent cannot be interrupted either.
        let most = transmission(window + 1500) + probing(lane, trip);
        for (number, (alone, beside)) in alone.iter().zip(&beside).enumerate() {
            assert!(
                *beside <= *alone + most,
                "{lane:?}: object {number} took {beside:?}, {alone:?} alone; a window of {window} \
                 bytes is {most:?}"
            );
        }
    }
}

#[test]
fn nothing_older_than_the_delivery_timeout_and_a_round_trip_arrives() {
    let timeout = Duration::from_millis(500);
    for lane in [LaneKind::Model, LaneKind::Quic] {
        for draft in Draft::ALL {
            let mut sim = on(lane);
            let camera = sim.publisher_of(draft, TRACK);
            let viewer = sim.peer_over(draft, slow_link());
            let mut request = subscribe(TRACK, LocationFilter::NextObject);
            request.object_timeout = Some(timeout);
            let seat = sim.ask(viewer, request, None).expect("a live session");
            sim.run_until_answered(seat);
            let mut trip = Duration::ZERO;
            for number in 0..40 {
                // Four times what the link takes.
                for object in 0..4 {
                    sim.send(camera, group(number).object(object).bytes(62_500).open());
                    let (_, rtt) = run_and_measure(&mut sim, viewer, Duration::from_millis(62));
                    trip = if number < 20 { rtt } else { trip.max(rtt) };
                }
            }
            sim.run_for(Duration::from_secs(5));
            let published = sim.published(sim.track(camera));
            let complete = &sim.view(seat).received.complete;
            assert!(complete.len() > 10, "{lane:?}, draft {draft}: {} came", complete.len());
            // From the publisher to the relay it takes 10 ms.
            let most = timeout + trip + probing(lane, trip) + Duration::from_millis(10);
            // Congestion control has found the link's rate by then.
            for (at, came) in complete.range(Location::new(20, 0)..) {
                let age = *came - published.objects[at].at;
                assert!(age <= most, "{lane:?}, draft {draft}: {at} was {age:?} old, not {most:?}");
            }
        }
    }
}

/// Objects of `TRACK` for four seconds, from every camera at the same moments.
fn broadcast(sim: &mut Sim, cameras: &[Camera]) {
    for number in 0..8 {
        for object in 0..10 {
            for subgroup in 0..2 {
                let mut batch = group(number).subgroup(subgroup).object(object * 2 + subgroup);
                if object < 9 {
                    batch = batch.open();
                }
                for camera in cameras {
                    sim.send(*camera, batch.clone());
                }
            }
            sim.run_for(Duration::from_millis(50));
        }
    }
}

fn whole_broadcast() -> String {
    let objects = (0..8).flat_map(|group| (0..20).map(move |object| format!("{group}/{object}")));
    objects.collect::<Vec<_>>().join(" ")
}

#[test]
fn of_two_publishers_either_dies_at_any_byte_and_no_object_is_lost() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut sim = Sim::new(seed).named(seed);
        let cameras = [0; 2].map(|_| {
            let peer = sim.peer(*rng.pick(&Draft::ALL));
            if rng.chance(500) {
                return sim.announce(peer, TRACK);
            }
            let camera = sim.serve(peer, TRACK);
            sim.offer(camera, true);
            camera
        });
        let seat = sim.subscriber_of(*rng.pick(&Draft::ALL), TRACK, LocationFilter::NextObject);
        sim.run_until_idle();
        let dies = cameras[rng.index(2)].peer;
        let at = sim.wire(dies).departed_bytes(Side::Client);
        // The whole broadcast is about 30,000 bytes.
        sim.wire(dies).cut_after(Side::Client, at + rng.range(1..30_000));
        broadcast(&mut sim, &cameras);
        sim.run_for(Duration::from_secs(10));
        sim.check(seat, &whole_broadcast());
        sim.check_session(seat.peer);
    }
}

#[test]
fn when_a_publisher_goes_away_another_one_is_asked_first_and_viewers_see_nothing() {
    for draft in Draft::ALL {
        let mut sim = Sim::new(1);
        let first = sim.publisher_of(draft, TRACK);
        let seat = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        sim.send(first, group(0).objects(0..2));
        sim.run_until_idle();
        // Nobody else is there yet: it goes on with the one that leaves.
        sim.goaway(first.peer, Some(Duration::from_secs(10)));
        sim.run_until_idle();
        sim.send(first, group(1).objects(0..2).open());
        sim.run_until_idle();
        let second = sim.publisher_of(draft, TRACK);
        sim.run_until_idle();
        assert_eq!(sim.at(second.peer).demand(sim.track(second)).len(), 1, "draft {draft}");
        for camera in [first, second] {
            sim.send(camera, group(2).objects(0..3));
        }
        sim.close(first.peer);
        sim.send(second, group(3).objects(0..3));
        sim.run_for(Duration::from_secs(20));
        sim.check(seat, "0/0 0/1 1/0 1/1 2/0 2/1 2/2 3/0 3/1 3/2");
        assert_eq!(sim.view(seat).state, ViewState::Active, "draft {draft}");
        // And somebody new is served by the one that stays.
        let late = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        sim.send(second, group(4).object(0));
        sim.run_until_idle();
        sim.check(late, "4/0");
    }
}

#[test]
fn a_draining_relay_says_goaway_lets_tracks_go_on_and_ends_without_error() {
    for draft in Draft::ALL {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(draft, TRACK);
        let seat = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        let idle = sim.peer(draft);
        sim.send(camera, group(0).objects(0..2));
        sim.run_until_idle();
        sim.drain(Duration::from_secs(3));
        sim.run_for(Duration::from_secs(1));
        for peer in [camera.peer, seat.peer, idle] {
            assert_eq!(sim.at(peer).goaways.len(), 1, "draft {draft}");
        }
        if let Some(refused) = sim.ask(idle, subscribe("live/other", LocationFilter::All), None) {
            sim.run_for(Duration::from_secs(1));
            assert!(!matches!(sim.view(refused).state, ViewState::Active), "draft {draft}");
        }
        sim.send(camera, group(1).objects(0..2));
        sim.run_for(Duration::from_secs(5));
        sim.check(seat, "0/0 0/1 1/0 1/1");
        let ended = match &sim.view(seat).state {
            ViewState::Ended(RequestEnd::Done(done)) => done.code,
            state => panic!("draft {draft}: {state:?}"),
        };
        assert_eq!(ended, DoneCode::GoingAway, "draft {draft}");
        for peer in [camera.peer, seat.peer, idle] {
            let closed = &sim.at(peer).closed;
            let clean = matches!(closed, Some(SessionEnd::Peer { wire_code: 0, .. }));
            assert!(clean, "draft {draft}: {closed:?}");
        }
    }
}

#[test]
fn a_relay_that_drains_ends_at_once_when_nobody_takes_anything() {
    for draft in Draft::ALL {
        let mut sim = Sim::new(1);
        let camera = sim.publisher_of(draft, TRACK);
        let seat = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        sim.drain(Duration::from_secs(60));
        sim.run_for(Duration::from_secs(1));
        sim.leave(seat);
        sim.run_for(Duration::from_secs(2));
        for peer in [camera.peer, seat.peer] {
            sim.check_session(peer);
            assert!(sim.at(peer).closed.is_some(), "draft {draft}");
        }
    }
}

/// A minute of groups of 100 kB a second to three viewers, of whom the last does not look after
/// ten seconds; `stalls` says whether it really stops.
fn minute(draft: Draft, stalls: bool) -> (Sim, Vec<Seat>, Camera) {
    let mut relay = RelayConfig::default();
    relay.limits.behind_bytes_max = 400_000;
    let mut sim = Sim::with(1, SimConfig { relay, ..SimConfig::default() });
    let camera = sim.publisher_of(draft, TRACK);
    let seats: Vec<Seat> =
        (0..3).map(|_| sim.subscriber_of(draft, TRACK, LocationFilter::NextObject)).collect();
    for number in 0..60 {
        if number == 10 && stalls {
            sim.set_reading(seats[2].peer, false);
        }
        for object in 0..10 {
            let mut batch = group(number).object(object).bytes(10_000);
            if object < 9 {
                batch = batch.open();
            }
            sim.send(camera, batch);
            sim.run_for(Duration::from_millis(100));
        }
    }
    (sim, seats, camera)
}

#[test]
fn a_stalled_viewer_delays_nobody_and_goes_on_at_the_newest_group() {
    for draft in Draft::ALL {
        let (undisturbed, before, _) = minute(draft, false);
        let (mut sim, seats, camera) = minute(draft, true);
        for (seat, before) in seats.iter().zip(&before).take(2) {
            let (here, there) = (arrivals(&sim, *seat), arrivals(&undisturbed, *before));
            assert_eq!(here.len(), 600);
            assert_eq!(here, there, "draft {draft}: not even a moment later");
        }
        let stalled = seats[2];
        sim.set_reading(stalled.peer, true);
        sim.run_for(Duration::from_secs(2));
        sim.send(camera, group(60).objects(0..2));
        sim.run_for(Duration::from_secs(2));
        let complete = &sim.view(stalled).received.complete;
        let missing = |group: u64| {
            (0..10).any(|object| !complete.contains_key(&Location::new(group, object)))
        };
        assert!(!missing(59), "draft {draft}: the newest group came whole");
        let came: Vec<u64> = (0..60).filter(|group| !missing(*group)).collect();
        assert!(missing(55), "draft {draft}: old groups were given up, {came:?} came");
        assert!(complete.contains_key(&Location::new(60, 1)), "draft {draft}");
        assert_eq!(sim.view(stalled).state, ViewState::Active, "draft {draft}");
    }
}

#[test]
fn a_viewer_that_takes_nothing_for_too_long_is_told_so() {
    for draft in Draft::ALL {
        let mut relay = RelayConfig::default();
        relay.limits.behind_bytes_max = 400_000;
        let longest = relay.limits.behind_max;
        let mut sim = Sim::with(1, SimConfig { relay, ..SimConfig::default() });
        let camera = sim.publisher_of(draft, TRACK);
        let seat = sim.subscriber_of(draft, TRACK, LocationFilter::NextObject);
        sim.set_reading(seat.peer, false);
        let began = sim.now();
        let mut number = 0;
        while sim.now() < began + longest + Duration::from_secs(60) {
            // The peer's receive window takes some forty seconds of it.
            sim.send(camera, group(number).object(0).bytes(100_000));
            sim.run_for(Duration::from_secs(1));
            number += 1;
        }
        sim.set_reading(seat.peer, true);
        sim.run_for(Duration::from_secs(2));
        match &sim.view(seat).state {
            ViewState::Ended(RequestEnd::Done(done)) => {
                assert_eq!(done.code, DoneCode::TooFarBehind, "draft {draft}");
            }
            state => panic!("draft {draft}: {state:?}"),
        }
        sim.check_session(seat.peer);
    }
}
