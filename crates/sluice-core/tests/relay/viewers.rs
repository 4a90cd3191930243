//! What a viewer is told, and what its publishers are asked for it: one answer, after a publisher
//! accepted, and nothing of the viewer's own wishes passed on.

use std::time::Duration;

use sluice_core::Limits;
use sluice_proto::model::*;
use sluice_proto::session::{RequestEnd, SessionLimits};
use sluice_proto::wire::Draft;

use crate::scene::*;

/// Drafts that say what happens when SUBSCRIBE and PUBLISH of a track cross (MOQT-18 §5.1).
const CROSSING: [Draft; 3] = [Draft::D16, Draft::D17, Draft::D18];

/// Drafts that can say how long a subscription waits for a publisher.
fn waiting() -> impl Iterator<Item = Draft> {
    Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D17)
}

fn to_group(group: u64) -> LocationFilter {
    LocationFilter::Range(Location::ZERO, RangeEnd { group: GroupId(group), object: None })
}

#[test]
fn a_viewer_is_answered_once_and_not_before_a_publisher_accepted() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        scene.announce(publisher, "live/cam");
        let viewer = scene.peer(draft);
        let id = scene.subscribe(viewer, newest("video"));
        assert!(scene.answered(viewer, id).is_none(), "{draft}: no publisher accepted yet");
        scene.accept(publisher, largest(3, 1));
        assert_eq!(scene.subscribe_ok(viewer, id).largest, Some(Location::new(3, 1)), "{draft}");
        assert!(scene.answered(viewer, id).is_none(), "{draft}: a second answer");
    }
}

#[test]
fn what_a_viewer_wants_for_itself_is_not_asked_of_publishers() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        scene.announce(publisher, "live/cam");
        let viewer = scene.peer(draft);
        let wish = Subscribe {
            filter: to_group(9),
            priority: Some(Priority(1)),
            order: Some(GroupOrder::Descending),
            object_timeout: Some(Duration::from_millis(500)),
            ..newest("video")
        };
        scene.subscribe(viewer, wish);
        let Some((_, Request::Subscribe(asked))) = scene.asked(publisher) else {
            panic!("{draft}: a SUBSCRIBE");
        };
        assert_eq!(asked.filter, LocationFilter::NextObject, "{draft}");
        assert_eq!(asked.object_timeout, None, "{draft}");
        // The oldest draft has no way to leave these out.
        let ours = draft != Draft::D14;
        assert_eq!(asked.priority, (!ours).then(Priority::default), "{draft}");
        assert_eq!(asked.order, None, "{draft}");
    }
}

#[test]
fn what_a_publisher_says_of_its_track_reaches_viewers_of_every_draft() {
    let settings = TrackSettings {
        object_timeout: Some(Duration::from_millis(700)),
        max_cache: Some(Duration::from_secs(9)),
        ..TrackSettings::default()
    };
    for from in Draft::ALL {
        for to in Draft::ALL {
            let mut scene = Scene::new();
            let publisher = scene.peer(from);
            scene.announce(publisher, "live/cam");
            let viewer = scene.peer(to);
            let id = scene.subscribe(viewer, newest("video"));
            let properties = TrackProperties::from_settings(&settings);
            scene.accept(publisher, SubscribeOk { properties, ..SubscribeOk::default() });
            let told = scene.subscribe_ok(viewer, id).properties.settings().unwrap();
            assert_eq!(told.object_timeout, settings.object_timeout, "{from} to {to}");
            assert_eq!(told.max_cache, settings.max_cache, "{from} to {to}");
        }
    }
}

#[test]
fn track_properties_are_left_out_for_who_does_not_want_them() {
    for draft in [Draft::D20, Draft::D21, Draft::D22] {
        let settings = TrackSettings { dynamic_groups: Some(true), ..TrackSettings::default() };
        let properties = TrackProperties::from_settings(&settings);
        let ok = SubscribeOk { properties: properties.clone(), ..largest(4, 0) };
        let mut stage = watching(draft, draft, newest("video"), ok);
        for (include, told) in [(None, &properties), (Some(false), &TrackProperties::default())] {
            let viewer = stage.scene.peer(draft);
            let wish = Subscribe { include_properties: include, ..newest("video") };
            let id = stage.scene.subscribe(viewer, wish);
            let ok = stage.scene.subscribe_ok(viewer, id);
            assert_eq!(&ok.properties, told, "{draft}: {include:?}");
        }
    }
}

#[test]
fn a_publisher_that_subscribes_to_its_own_track_gets_what_it_publishes() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let peer = scene.peer(draft);
        scene.announce(peer, "live/cam");
        let id = scene.subscribe(peer, newest("video"));
        let upstream = scene.accept(peer, SubscribeOk::default());
        scene.subscribe_ok(peer, id);
        scene.send(peer, upstream, (0, 0), &[(0, "mine")]);
        assert_eq!(scene.places(peer, id), [(0, 0)], "{draft}");
    }
}

#[test]
fn a_second_subscription_of_a_session_is_refused_or_gets_its_own_objects_as_the_draft_says() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), largest(1, 0));
        let viewer = stage.viewer;
        let second = stage.scene.subscribe(viewer, newest("video"));
        if draft < Draft::D19 {
            let code = stage.scene.refusal(viewer, second);
            if CROSSING.contains(&draft) {
                assert_eq!(code, RequestCode::DuplicateSubscription, "{draft}");
            }
        } else {
            stage.scene.subscribe_ok(viewer, second);
        }
        stage.scene.send(stage.publisher, stage.upstream, (2, 0), &[(0, "x")]);
        assert_eq!(stage.scene.places(viewer, stage.id), [(2, 0)], "{draft}");
        let expected: &[_] = if draft < Draft::D19 { &[] } else { &[(2, 0)] };
        assert_eq!(stage.scene.places(viewer, second), expected, "{draft}");
    }
}

#[test]
fn the_largest_location_is_the_largest_that_any_publisher_told_or_brought() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let [one, other] = [0; 2].map(|_| scene.peer(draft));
        for publisher in [one, other] {
            scene.announce(publisher, "live/cam");
        }
        let first = scene.peer(draft);
        let id = scene.subscribe(first, newest("video"));
        let upstream = scene.accept(one, largest(7, 3));
        scene.accept(other, largest(5, 9));
        assert_eq!(scene.subscribe_ok(first, id).largest, Some(Location::new(7, 3)), "{draft}");
        for (at, expected) in [((6, 0), (7, 3)), ((8, 0), (8, 0))] {
            scene.send(one, upstream, at, &[(0, "x")]);
            let viewer = scene.peer(draft);
            let id = scene.subscribe(viewer, newest("video"));
            let told = scene.subscribe_ok(viewer, id).largest;
            assert_eq!(told, Some(Location::new(expected.0, expected.1)), "{draft}");
        }
    }
}

#[test]
fn what_comes_late_and_lies_before_the_start_is_not_sent() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), largest(5, 2));
        stage.scene.send(stage.publisher, stage.upstream, (4, 0), &[(0, "late"), (1, "late")]);
        stage.scene.send(stage.publisher, stage.upstream, (5, 0), &[(2, "late"), (3, "new")]);
        assert_eq!(stage.scene.places(stage.viewer, stage.id), [(5, 3)], "{draft}");
        assert_eq!(stage.scene.heads(stage.viewer).len(), 1, "{draft}: no stream without objects");
    }
}

#[test]
fn a_subscription_to_the_past_alone_is_refused_until_draft_19() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), largest(9, 0));
        let viewer = stage.scene.peer(draft);
        let wish = Subscribe { filter: to_group(3), ..newest("video") };
        let id = stage.scene.subscribe(viewer, wish);
        if draft < Draft::D20 {
            assert_eq!(stage.scene.refusal(viewer, id), RequestCode::InvalidRange, "{draft}");
        } else {
            stage.scene.subscribe_ok(viewer, id);
        }
        stage.scene.send(stage.publisher, stage.upstream, (10, 0), &[(0, "x")]);
        assert_eq!(stage.scene.places(viewer, id), [], "{draft}");
    }
}

#[test]
fn all_publishers_of_a_paused_track_are_told_when_somebody_wants_objects() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let publishers = [0; 2].map(|_| scene.peer(draft));
        for publisher in publishers {
            scene.announce(publisher, "live/cam");
        }
        let viewer = scene.peer(draft);
        let wish = Subscribe { forward: Some(false), ..newest("video") };
        let id = scene.subscribe(viewer, wish);
        for publisher in publishers {
            let (of, request) = scene.asked(publisher).expect("each is asked");
            let Request::Subscribe(asked) = request else { panic!("{request:?}") };
            assert_eq!(asked.forward, Some(false), "{draft}");
            let alias = scene.session(publisher).next_alias();
            scene.session(publisher).subscribe_ok(of, SubscribeOk { alias, ..largest(1, 0) });
        }
        scene.run();
        scene.subscribe_ok(viewer, id);
        let second = scene.peer(draft);
        scene.subscribe(second, newest("video"));
        for publisher in publishers {
            let (_, told) = scene.asked_update(publisher).expect("each is told");
            assert_eq!(told.forward, Some(true), "{draft}");
        }
    }
}

#[test]
fn a_viewer_that_waits_is_served_by_its_own_request_and_offered_nothing() {
    for draft in waiting() {
        let mut scene = Scene::new();
        let viewer = scene.peer(draft);
        let interest = SubscribeNamespace::new(namespace("live"), Interest::Tracks);
        let interest = scene.request(viewer, Request::SubscribeNamespace(interest));
        scene.response(viewer, interest);
        let wait = Some(Duration::from_secs(20));
        let id = scene.subscribe(viewer, Subscribe { rendezvous_timeout: wait, ..newest("video") });
        let publisher = scene.peer(draft);
        let publish = Publish { track: track("video"), ..Publish::default() };
        let upstream = scene.publish(publisher, publish);
        assert!(scene.asked(viewer).is_none(), "{draft}: offered beside its own request");
        scene.subscribe_ok(viewer, id);
        scene.send(publisher, upstream, (0, 0), &[(0, "x")]);
        assert_eq!(scene.places(viewer, id), [(0, 0)], "{draft}");
    }
}

#[test]
fn a_wait_for_a_publisher_ends_in_time_and_no_later_than_the_relay_allows() {
    for draft in waiting() {
        let rendezvous_max = Duration::from_secs(30);
        let limits = Limits { rendezvous_max, ..Limits::default() };
        for (asked, granted) in [(2, 2), (3600, 30)] {
            let mut scene = Scene::with(limits, SessionLimits::default());
            let viewer = scene.peer(draft);
            let wait = Some(Duration::from_secs(asked));
            let wish = Subscribe { rendezvous_timeout: wait, ..newest("video") };
            let id = scene.subscribe(viewer, wish);
            scene.wait(Duration::from_millis(granted * 1000 - 200));
            assert!(scene.answered(viewer, id).is_none(), "{draft}: {asked} s");
            scene.wait(Duration::from_millis(400));
            assert_eq!(scene.refusal(viewer, id), RequestCode::Timeout, "{draft}: {asked} s");
        }
    }
}

#[test]
fn a_namespace_that_is_withdrawn_leaves_its_subscriptions_running() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        let published = scene.announce(publisher, "live/cam");
        let viewer = scene.peer(draft);
        let id = scene.subscribe(viewer, newest("video"));
        let upstream = scene.accept(publisher, SubscribeOk::default());
        scene.subscribe_ok(viewer, id);
        scene.cancel(publisher, published);
        scene.send(publisher, upstream, (0, 0), &[(0, "x")]);
        assert_eq!(scene.places(viewer, id), [(0, 0)], "{draft}");
        let other = scene.peer(draft);
        let audio = scene.subscribe(other, newest("audio"));
        assert_eq!(scene.refusal(other, audio), RequestCode::DoesNotExist, "{draft}");
    }
}

#[test]
fn streams_that_come_after_the_end_of_their_track_was_told_are_passed_on() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), SubscribeOk::default());
        let scene = &mut stage.scene;
        let first = scene.send(stage.publisher, stage.upstream, (0, 0), &[(0, "x")]);
        let last = scene.send(stage.publisher, stage.upstream, (1, 0), &[(0, "y")]);
        scene.finish(&first);
        let session = scene.session(stage.publisher);
        session.publish_done(stage.upstream, DoneCode::TrackEnded, "");
        scene.run();
        assert!(scene.end(stage.viewer, stage.id).is_none(), "{draft}: a stream is open still");
        let mut last = last;
        scene.more(&mut last, &[(1, "z")]);
        scene.finish(&last);
        scene.wait(Duration::from_secs(3));
        assert_eq!(scene.places(stage.viewer, stage.id), [(0, 0), (1, 0), (1, 1)], "{draft}");
        let done = scene.done(stage.viewer, stage.id);
        assert_eq!((done.code, done.streams), (DoneCode::TrackEnded, StreamCount::Known(2)));
    }
}

/// A property that who does not understand it must not pass over (MOQT-18 §2.5.1).
fn mandatory() -> TrackProperties {
    let pairs = [(0x4002, PropertyValue::Int(1))];
    TrackProperties(Properties::from_entries(PropertyEncoding::DeltaVi64, pairs).unwrap())
}

#[test]
fn a_track_with_a_property_that_must_be_understood_is_refused_wherever_it_is_told() {
    for draft in Draft::ALL.into_iter().filter(|draft| *draft >= Draft::D18) {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        scene.announce(publisher, "live/cam");
        let viewer = scene.peer(draft);
        let id = scene.subscribe(viewer, newest("video"));
        let ok = SubscribeOk { properties: mandatory(), ..SubscribeOk::default() };
        let upstream = scene.accept(publisher, ok);
        assert_eq!(scene.refusal(viewer, id), RequestCode::UnsupportedExtension, "{draft}");
        assert!(
            matches!(scene.end(publisher, upstream), Some(RequestEnd::Cancelled(_))),
            "{draft}: the relay leaves"
        );
        let alias = scene.session(publisher).next_alias();
        let publish =
            Publish { track: track("audio"), alias, properties: mandatory(), ..Publish::default() };
        let offer = scene.request(publisher, Request::Publish(publish));
        assert_eq!(scene.refusal(publisher, offer), RequestCode::UnsupportedExtension, "{draft}");
    }
}

#[test]
fn a_malformed_track_ends_for_its_viewers_and_fetches_and_is_left_by_the_relay() {
    for draft in Draft::ALL {
        let mut stage = watching(draft, draft, newest("video"), largest(4, 0));
        let (publisher, viewer) = (stage.publisher, stage.viewer);
        // It waits for what the publisher has of the past.
        let range = FetchRange::Standalone(track("video"), to_group(4));
        let fetch = stage.scene.request(viewer, Request::Fetch(Fetch::new(range)));
        for payload in ["one", "two"] {
            stage.scene.send(publisher, stage.upstream, (5, 0), &[(0, payload)]);
        }
        let done = stage.scene.done(viewer, stage.id);
        assert_eq!(done.code, DoneCode::MalformedTrack, "{draft}");
        let code = stage.scene.refusal(viewer, fetch);
        assert_eq!(code, RequestCode::MalformedTrack, "{draft}");
        let end = stage.scene.end(publisher, stage.upstream);
        assert!(matches!(end, Some(RequestEnd::Cancelled(_))), "{draft}: {end:?}");
    }
}

#[test]
fn a_subscription_that_crosses_an_offer_of_its_track_is_refused_where_the_draft_says_so() {
    for draft in CROSSING {
        let mut scene = Scene::new();
        let viewer = scene.peer(draft);
        let interest = SubscribeNamespace::new(namespace("live"), Interest::Tracks);
        let interest = scene.request(viewer, Request::SubscribeNamespace(interest));
        scene.response(viewer, interest);
        let publisher = scene.peer(draft);
        scene.publish(publisher, Publish { track: track("video"), ..Publish::default() });
        assert!(matches!(scene.asked(viewer), Some((_, Request::Publish(_)))), "{draft}");
        let id = scene.subscribe(viewer, newest("video"));
        assert_eq!(scene.refusal(viewer, id), RequestCode::DuplicateSubscription, "{draft}");
    }
}

#[test]
fn a_subscription_of_the_relay_that_crosses_an_offer_is_ended_before_the_offer_is_taken() {
    for draft in CROSSING {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        scene.announce(publisher, "live/cam");
        let viewer = scene.peer(draft);
        let id = scene.subscribe(viewer, newest("video"));
        let (pending, _) = scene.asked(publisher).expect("the relay asks");
        let upstream =
            scene.publish(publisher, Publish { track: track("video"), ..Publish::default() });
        let end = scene.end(publisher, pending);
        assert!(matches!(end, Some(RequestEnd::Cancelled(_))), "{draft}: {end:?}");
        scene.subscribe_ok(viewer, id);
        scene.send(publisher, upstream, (0, 0), &[(0, "x")]);
        assert_eq!(scene.places(viewer, id), [(0, 0)], "{draft}");
    }
}
