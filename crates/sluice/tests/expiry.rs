//! Far more than the relay may hold goes through it: its process stays within its memory, and what
//! has left is neither made up nor passed off as absent.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "figures for people")]

mod support;

use std::time::Duration;

use sluice_client::{Client, ClientError, Join, Object, Reader, TrackWriter};
use sluice_proto::model::{
    FullTrackName, GroupId, Location, LocationFilter, ObjectStatus, RangeEnd, RequestCode,
    TrackName, TrackNamespace, TrackProperties,
};
use sluice_proto::wire::Draft;
use support::Relay;

const MEMORY_MAX: u64 = 96 << 20;
const GROUPS: u64 = 100;
const OBJECTS: u64 = 8;
const OBJECT_BYTES: usize = 256 << 10;

fn track() -> FullTrackName {
    let namespace = TrackNamespace::from_path("live/long").unwrap();
    FullTrackName::new(namespace, TrackName::new("video").unwrap()).unwrap()
}

/// Publishes everything in the pace of one viewer, who misses nothing.
async fn stream(relay: &Relay, writer: &mut TrackWriter) {
    let viewer = relay.connect("https", Draft::D20).await;
    let mut reader = viewer.subscribe(track(), Join::NextObject).await.unwrap();
    writer.wanted().await.unwrap();
    for group in 0..GROUPS {
        for object in 0..OBJECTS {
            let payload = vec![group as u8; OBJECT_BYTES];
            writer.write(Object::new(group, object, payload)).await.unwrap();
            let seen = next(&mut reader).await;
            assert_eq!(seen.location, Location::new(group, object));
            assert!(seen.payload.iter().all(|byte| *byte == group as u8));
        }
        writer.end_group(GroupId(group));
    }
}

/// The next object that is not an end mark.
async fn next(reader: &mut Reader) -> Object {
    loop {
        let object = reader.next().await.unwrap().expect("the track goes on");
        if object.status == ObjectStatus::Normal {
            return object;
        }
    }
}

/// A whole group from a viewer's FETCH.
async fn fetch(viewer: &Client, group: u64) -> Result<(usize, bool), RequestCode> {
    let end = RangeEnd { group: GroupId(group), object: None };
    let filter = LocationFilter::Range(Location::new(group, 0), end);
    let mut past = match viewer.fetch(track(), filter).await {
        Ok(past) => past,
        Err(ClientError::Refused(error)) => return Err(error.code),
        Err(other) => panic!("{other}"),
    };
    let mut objects = 0;
    while let Some(object) = past.next().await.unwrap() {
        assert_eq!(object.location.group, GroupId(group));
        objects += 1;
    }
    Ok((objects, past.is_complete()))
}

#[test]
fn more_than_the_budget_streams_through_and_what_has_left_is_refused() {
    let relay = Relay::start(&["--memory-max", &format!("{}MiB", MEMORY_MAX >> 20)]);
    let scenario = async {
        let publisher = relay.connect("moqt", Draft::D18).await;
        publisher.publish_namespace(track().namespace().clone()).await.unwrap();
        let mut writer = publisher.open_track(track(), TrackProperties::default());
        stream(&relay, &mut writer).await;
        for (index, draft) in Draft::ALL.into_iter().enumerate() {
            let viewer = relay.connect(["moqt", "https"][index % 2], draft).await;
            // The publisher does not hold it any more, either.
            let gone = match draft {
                Draft::D14 | Draft::D15 => RequestCode::UnknownStatusInRange,
                _ => RequestCode::InvalidRange,
            };
            assert_eq!(fetch(&viewer, 0).await, Err(gone), "{draft}: the oldest group");
            let newest = fetch(&viewer, GROUPS - 1).await;
            assert_eq!(newest, Ok((OBJECTS as usize, true)), "{draft}: the newest group");
        }
    };
    support::runtime().block_on(async {
        tokio::time::timeout(Duration::from_secs(120), scenario).await.expect("it ends in time");
    });
    let peak = relay.peak_bytes();
    let sent = GROUPS * OBJECTS * OBJECT_BYTES as u64;
    println!(
        "{} MiB through the relay, {} MiB at most resident, {} MiB allowed",
        sent >> 20,
        peak >> 20,
        MEMORY_MAX >> 20
    );
    assert!(sent > 2 * MEMORY_MAX);
    assert!(peak < MEMORY_MAX, "{peak} of {MEMORY_MAX} bytes");
}
