//! What is kept of the past, and what is said of what is not kept any more.

use std::time::Duration;

use sluice_core::Limits;
use sluice_proto::model::*;
use sluice_proto::session::SessionLimits;
use sluice_proto::wire::Draft;

use crate::scene::*;

const AGE_MAX: Duration = Duration::from_secs(60);

/// A relay that keeps groups for a minute, and looks each ten seconds.
fn scene() -> Scene {
    let limits = Limits {
        object_age_max: AGE_MAX,
        sweep_every: Duration::from_secs(10),
        ..Limits::default()
    };
    Scene::with(limits, SessionLimits::default())
}

fn fetch_groups(first: u64, last: u64) -> Request {
    let end = RangeEnd { group: GroupId(last), object: None };
    let filter = LocationFilter::Range(Location::new(first, 0), end);
    Request::Fetch(Fetch {
        range: FetchRange::Standalone(track("video"), filter),
        priority: None,
        order: None,
        fill_timeout: None,
        range_filters: Vec::new(),
        include_properties: None,
        tokens: Vec::new(),
    })
}

#[test]
fn what_has_expired_is_asked_of_the_publisher_and_is_not_passed_off_as_absent() {
    for draft in Draft::ALL {
        let mut scene = scene();
        let publisher = scene.peer(Draft::D18);
        scene.announce(publisher, "live/cam");
        let viewer = scene.peer(draft);
        let id = scene.subscribe(viewer, newest("video"));
        let upstream = scene.accept(publisher, SubscribeOk::default());
        for group in 0..3 {
            let out = scene.send(publisher, upstream, (group, 0), &[(0, "object")]);
            scene.finish(&out);
        }
        assert_eq!(scene.places(viewer, id).len(), 3, "{draft}");

        scene.wait(AGE_MAX + Duration::from_secs(11));
        let past = scene.request(viewer, fetch_groups(0, 2));
        let (asked, request) = scene.asked(publisher).expect("what is gone is asked for");
        assert!(matches!(request, Request::Fetch(_)), "{draft}: {request:?}");
        let gone = RequestError::new(RequestCode::DoesNotExist, "not kept here either");
        scene.session(publisher).refuse(asked, gone);
        scene.run();
        assert_eq!(scene.places(viewer, past), [], "{draft}");
        // Later drafts have no word for that but one: the range cannot be satisfied.
        let code = match draft {
            Draft::D14 | Draft::D15 => RequestCode::UnknownStatusInRange,
            _ => RequestCode::InvalidRange,
        };
        assert_eq!(scene.refusal(viewer, past), code, "{draft}");

        // The newest group stays, whatever its age.
        let newest = scene.request(viewer, fetch_groups(2, 2));
        assert_eq!(scene.places(viewer, newest), [(2, 0)], "{draft}");
    }
}

#[test]
fn a_publisher_that_ends_its_track_is_still_asked_for_the_beginning_of_its_last_group() {
    for draft in Draft::ALL {
        let mut scene = Scene::new();
        let publisher = scene.peer(draft);
        scene.announce(publisher, "live/cam");
        let viewer = scene.peer(draft);
        let id = scene.subscribe(viewer, newest("video"));
        // Two objects of the group were published before the relay came.
        let upstream = scene.accept(publisher, largest(7, 1));
        scene.subscribe_ok(viewer, id);
        let out = scene.send(publisher, upstream, (7, 0), &[(2, "c")]);
        let fetch = scene.request(viewer, fetch_groups(7, 7));
        let (asked, request) = scene.asked(publisher).expect("the publisher is asked");
        assert!(matches!(request, Request::Fetch(_)), "{draft}: {request:?}");
        scene.finish(&out);
        scene.session(publisher).publish_done(upstream, DoneCode::TrackEnded, "");
        scene.wait(Duration::from_millis(300));
        let end = RangeEnd { group: GroupId(7), object: Some(ObjectId(1)) };
        scene.answer_fetch(publisher, asked, end, &[(7, 0, "a"), (7, 1, "b")]);
        assert_eq!(scene.places(viewer, fetch), [(7, 0), (7, 1), (7, 2)], "{draft}");
        assert_eq!(scene.places(viewer, id), [(7, 2)], "{draft}");
        assert_eq!(scene.done(viewer, id).code, DoneCode::TrackEnded, "{draft}");
    }
}
