//! The built relay and the project's own client library, over real QUIC on loopback.

mod support;

use std::time::Duration;

use sluice_client::{Join, Object};
use sluice_proto::model::{
    FullTrackName, GroupId, ObjectStatus, TrackName, TrackNamespace, TrackProperties,
};
use sluice_proto::wire::Draft;
use support::Relay;

fn track(name: &str) -> FullTrackName {
    FullTrackName::new(
        TrackNamespace::from_path("live/cam").unwrap(),
        TrackName::new(name.to_owned()).unwrap(),
    )
    .unwrap()
}

/// A publisher of one draft, a viewer of another, that joins in the middle of a group.
async fn cell(relay: &Relay, scheme: &str, from: Draft, to: Draft) {
    let publisher = relay.connect(scheme, from).await;
    let name = format!("{scheme}-{from}-{to}");
    let namespace = TrackNamespace::from_path(&format!("live/{name}")).unwrap();
    publisher.publish_namespace(namespace.clone()).await.unwrap();
    let full = FullTrackName::new(namespace, TrackName::new("video").unwrap()).unwrap();
    let mut writer = publisher.open_track(full.clone(), TrackProperties::default());
    writer.write(Object::new(0, 0, "old")).await.unwrap();
    writer.end_group(GroupId(0));
    writer.write(Object::new(1, 0, "key")).await.unwrap();
    writer.write(Object::new(1, 1, "delta")).await.unwrap();

    let viewer = relay.connect(scheme, to).await;
    let mut reader = viewer.subscribe(full, Join::CurrentGroup).await.unwrap();
    writer.wanted().await.unwrap();
    // The past has arrived before the track goes on and ends: what a publisher that has left still
    // had is out of reach.
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let object = reader.next().await.unwrap().expect("the group from its start");
        seen.push((object.location.to_string(), object.payload));
    }
    writer.write(Object::new(1, 2, "live")).await.unwrap();
    writer.end_group(GroupId(1));
    writer.write(Object::new(2, 0, vec![7; 100_000])).await.unwrap();
    let finish = writer.finish();
    let read = async move {
        while let Some(object) = reader.next().await.unwrap() {
            if object.status == ObjectStatus::Normal {
                seen.push((object.location.to_string(), object.payload));
            }
        }
        (seen, reader.end().cloned())
    };
    let (finished, (seen, end)) = tokio::join!(finish, read);
    finished.unwrap();
    let places: Vec<&str> = seen.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["1/0", "1/1", "1/2", "2/0"], "{name}");
    assert_eq!(&seen[2].1[..], b"live", "{name}");
    assert_eq!(seen[3].1.len(), 100_000, "{name}");
    assert!(end.is_some_and(|end| end.complete), "{name}");
    publisher.close().await;
    viewer.close().await;
}

#[test]
fn every_draft_reaches_every_other_from_the_current_group_on() {
    let relay = Relay::start(&[]);
    let runtime = support::runtime();
    runtime.block_on(async {
        for scheme in ["moqt", "https"] {
            for from in Draft::ALL {
                for to in Draft::ALL {
                    let cell = cell(&relay, scheme, from, to);
                    tokio::time::timeout(Duration::from_secs(10), cell)
                        .await
                        .unwrap_or_else(|_| panic!("{scheme} {from} to {to} takes too long"));
                }
            }
        }
    });
}

#[test]
fn a_track_that_nobody_publishes_is_refused() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        for draft in Draft::ALL {
            let viewer = relay.connect("moqt", draft).await;
            let refused = viewer.subscribe(track("none"), Join::NextObject).await;
            assert!(refused.is_err(), "{draft}");
        }
    });
}
