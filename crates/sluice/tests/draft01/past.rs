//! What was published before a viewer came, across the gap between draft 01 and later ones.

use sluice_client::{Client, Join, Object, TrackWriter};
use sluice_proto::model::{
    FullTrackName, GroupId, Location, LocationFilter, RangeEnd, TrackName, TrackNamespace,
    TrackProperties,
};
use sluice_proto::wire::Draft;

use crate::bytes::{self, CURRENT, PUBLISHER, SUBSCRIBER};
use crate::page::{Page, within_patience};
use crate::support::Relay;
use crate::support::origin::Place;

/// Everything from object 1 of group 2 on.
const FROM_2_1: &[u8] = &[1, 2, 1, 1, 0, 0];
/// Everything from the group before the current one on.
const PREVIOUS: &[u8] = &[2, 1, 1, 0, 0, 0];

fn track(namespace: &str, name: &str) -> FullTrackName {
    let namespace = TrackNamespace::from_path(namespace).unwrap();
    FullTrackName::new(namespace, TrackName::new(name.to_owned()).unwrap()).unwrap()
}

fn groups(first: u64, last: u64) -> LocationFilter {
    let end = RangeEnd { group: GroupId(last), object: None };
    LocationFilter::Range(Location::new(first, 0), end)
}

#[test]
fn a_fetch_of_a_track_of_2024_does_not_end_with_its_first_group() {
    for workers in ["1", "3"] {
        let relay = Relay::start(&["--workers", workers]);
        within_patience(async {
            let mut encoder = Page::open(&relay, PUBLISHER).await;
            encoder.announce("past", None).await;
            let mut player = Page::open(&relay, SUBSCRIBER).await;
            player.say(&bytes::subscribe("past", "t", None)).await;
            encoder.accept("past", "t", 0).await;
            player.subscribed("past", "t").await;
            let mut sent = Vec::new();
            // As audio of these pages, whose every frame is a group, and as their video.
            for (order, at) in (0..).zip([(1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (4, 0), (4, 1)]) {
                encoder.send(0, at, order, b"frame").await;
                let object = player.object().await;
                sent.push(object.place());
            }
            for (draft, scheme) in Draft::ALL.into_iter().flat_map(|d| [(d, "moqt"), (d, "https")])
            {
                let viewer = relay.connect(scheme, draft).await;
                let mut past = viewer.fetch(track("past", "t"), groups(1, 4)).await.unwrap();
                let mut seen = Vec::new();
                while let Some(object) = past.next().await.unwrap() {
                    assert_eq!(&object.payload[..], b"frame");
                    seen.push(object.location.to_string());
                }
                assert_eq!(seen, sent, "{draft} over {scheme}, {workers} workers");
                viewer.close().await;
            }
        });
    }
}

/// Publishes groups 2 and 3, two objects each, before anybody asks.
async fn archive(writer: &mut TrackWriter) {
    for (group, object) in [(2, 0), (2, 1), (3, 0), (3, 1)] {
        writer.write(Object::new(group, object, format!("{group}/{object}"))).await.unwrap();
        if (group, object) == (2, 1) {
            writer.end_group(GroupId(2));
        }
    }
}

/// Viewers of 2024 that ask for the past get all of it, once, and then what is new.
async fn watch_the_past(relay: &Relay, namespace: &str, writer: &mut TrackWriter) {
    let before = ["2/0", "2/1"];
    let starts = [(FROM_2_1, &before[1..]), (PREVIOUS, &before[..]), (CURRENT, &[])];
    for (new, (start, before)) in (2..).zip(starts) {
        let mut player = Page::open(relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe_at(namespace, "video", start, None)).await;
        player.subscribed(namespace, "video").await;
        let current = (0..new).map(|object| format!("3/{object}"));
        let expected: Vec<String> =
            before.iter().map(|place| place.to_string()).chain(current).collect();
        let seen = player.objects(expected.len()).await;
        let places: Vec<String> = seen.iter().map(|object| object.place()).collect();
        assert_eq!(places, expected, "from {start:?}");
        assert!(seen.iter().all(|object| object.read == object.place().as_bytes()));
        writer.wanted().await.unwrap();
        writer.write(Object::new(3, new, format!("3/{new}"))).await.unwrap();
        // Nothing came twice before it.
        assert_eq!(player.object().await.place(), format!("3/{new}"));
    }
}

/// A publisher with such a past.
async fn publish(relay: &Relay, draft: Draft, namespace: &str) -> (Client, TrackWriter) {
    let publisher = relay.connect("moqt", draft).await;
    let mut writer = publisher.open_track(track(namespace, "video"), TrackProperties::default());
    archive(&mut writer).await;
    publisher.publish_namespace(TrackNamespace::from_path(namespace).unwrap()).await.unwrap();
    (publisher, writer)
}

#[test]
fn a_viewer_of_2024_gets_the_past_that_only_the_publisher_has() {
    for workers in ["1", "3"] {
        let relay = Relay::start(&["--workers", workers]);
        for draft in Draft::ALL {
            within_patience(async {
                let namespace = format!("live/{draft}");
                let (_publisher, mut writer) = publish(&relay, draft, &namespace).await;
                watch_the_past(&relay, &namespace, &mut writer).await;
            });
        }
    }
}

#[test]
fn a_viewer_of_2024_gets_the_past_that_an_origin_has() {
    for draft in Draft::ALL {
        let (far, near) = (Place::new(), Place::new());
        let origin = far.start(&[], &[]);
        let drafts = format!(r#", "drafts": ["{draft}"]"#);
        let relay = near.start(&[far.entry("https", &drafts)], &[]);
        relay.logged(&["origin is there"]);
        within_patience(async {
            let (_publisher, mut writer) = publish(&origin, draft, "live/cam").await;
            // The current group is at the origin by now, the one before it at the publisher.
            let viewer = origin.connect("moqt", draft).await;
            let joined = viewer.subscribe(track("live/cam", "video"), Join::CurrentGroup).await;
            joined.unwrap().next().await.unwrap().expect("the current group");
            watch_the_past(&relay, "live/cam", &mut writer).await;
        });
    }
}
