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
        // As far as the draft has a code for it.
        let dialect = draft.dialect();
        let code = dialect.reset_code_of(dialect.reset_code(ResetCode::UnknownObjectStatus));
        assert_eq!(scene.stream_ends(viewer, past), [(0, StreamEnd::Reset(code))], "{draft}");

        // The newest group stays, whatever its age.
        let newest = scene.request(viewer, fetch_groups(2, 2));
        assert_eq!(scene.places(viewer, newest), [(2, 0)], "{draft}");
    }
}
