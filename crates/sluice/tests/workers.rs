//! The built relay with three workers: whoever connects lands on any of them, and nobody notices.
//!
//! The kernel picks the worker by the client's address and port, so a test has clients enough that
//! they surely land on different ones.

mod support;

use std::future::Future;
use std::time::Duration;

use sluice_client::{Client, Join, NamespaceNews, Object, Reader, TrackWriter};
use sluice_proto::model::{
    Delivery, FullTrackName, GroupId, Location, LocationFilter, RangeEnd, TrackName,
    TrackNamespace, TrackProperties,
};
use sluice_proto::wire::Draft;
use support::Relay;

/// All of a dozen clients on one of three workers: once in 170,000 runs, and then it still passes.
const VIEWERS: usize = 12;

fn relay() -> Relay {
    Relay::start(&["--workers", "3"])
}

fn run(scenario: impl Future<Output = ()>) {
    support::runtime().block_on(async {
        tokio::time::timeout(Duration::from_secs(60), scenario).await.expect("it ends in time");
    });
}

/// Client number `index`: drafts take turns.
async fn connect(relay: &Relay, index: usize) -> Client {
    relay.connect("moqt", Draft::ALL[index % Draft::ALL.len()]).await
}

fn namespace(path: &str) -> TrackNamespace {
    TrackNamespace::from_path(path).unwrap()
}

fn track(path: &str) -> FullTrackName {
    FullTrackName::new(namespace(path), TrackName::new("video").unwrap()).unwrap()
}

async fn publisher(relay: &Relay, index: usize, path: &str) -> (Client, TrackWriter) {
    let client = connect(relay, index).await;
    client.publish_namespace(namespace(path)).await.unwrap();
    let writer = client.open_track(track(path), TrackProperties::default());
    (client, writer)
}

async fn read_all(reader: &mut Reader) -> Vec<(String, usize)> {
    let mut seen = Vec::new();
    while let Some(object) = reader.next().await.unwrap() {
        if !object.payload.is_empty() {
            seen.push((object.location.to_string(), object.payload.len()));
        }
    }
    seen
}

#[test]
fn viewers_on_all_workers_get_the_current_group_and_everything_after_it() {
    let relay = relay();
    run(async {
        // Several tracks, so that each worker is home of some.
        for round in 0..4 {
            let path = format!("live/{round}");
            let (_client, mut writer) = publisher(&relay, round, &path).await;
            writer.write(Object::new(0, 0, "old")).await.unwrap();
            writer.end_group(GroupId(0));
            writer.write(Object::new(1, 0, "key")).await.unwrap();
            let mut viewers = Vec::new();
            for index in 0..VIEWERS {
                let client = connect(&relay, index).await;
                let mut reader = client.subscribe(track(&path), Join::CurrentGroup).await.unwrap();
                // The past has arrived before the track goes on and ends.
                let first = reader.next().await.unwrap().expect("the group from its start");
                assert_eq!(first.location.to_string(), "1/0", "{path}, viewer {index}");
                viewers.push((client, reader));
            }
            writer.wanted().await.unwrap();
            writer.write(Object::new(1, 1, "delta")).await.unwrap();
            writer.end_group(GroupId(1));
            writer.write(Object::new(2, 0, vec![7; 300_000])).await.unwrap();
            writer.end_group(GroupId(2));
            let finish = tokio::spawn(writer.finish());
            let expected =
                [("1/1", 5), ("2/0", 300_000)].map(|(place, bytes)| (place.to_owned(), bytes));
            for (index, (_client, reader)) in viewers.iter_mut().enumerate() {
                assert_eq!(read_all(reader).await, expected, "{path}, viewer {index}");
                assert!(reader.end().is_some_and(|end| end.complete), "{path}, viewer {index}");
            }
            finish.await.unwrap().unwrap();
        }
    });
}

#[test]
fn the_past_is_fetched_from_any_worker() {
    let relay = relay();
    run(async {
        let (_client, mut writer) = publisher(&relay, 1, "past").await;
        let first = connect(&relay, 0).await;
        let mut reader = first.subscribe(track("past"), Join::NextObject).await.unwrap();
        writer.wanted().await.unwrap();
        for group in 0..3 {
            for object in 0..3 {
                writer.write(Object::new(group, object, vec![1; 50_000])).await.unwrap();
            }
            writer.end_group(GroupId(group));
        }
        // What a viewer has, the home of the track has too.
        for _ in 0..9 {
            reader.next().await.unwrap().unwrap();
        }
        for index in 0..VIEWERS {
            let client = connect(&relay, index).await;
            let end = RangeEnd { group: GroupId(1), object: None };
            let filter = LocationFilter::Range(Location::new(0, 1), end);
            let mut past = client.fetch(track("past"), filter).await.unwrap();
            let mut places = Vec::new();
            while let Some(object) = past.next().await.unwrap() {
                places.push(object.location.to_string());
            }
            assert_eq!(places, ["0/1", "0/2", "1/0", "1/1", "1/2"], "viewer {index}");
        }
    });
}

#[test]
fn datagrams_reach_viewers_on_all_workers() {
    let relay = relay();
    run(async {
        let (_client, mut writer) = publisher(&relay, 0, "datagrams").await;
        let mut viewers = Vec::new();
        for index in 0..VIEWERS {
            let client = connect(&relay, index).await;
            let reader = client.subscribe(track("datagrams"), Join::NextObject).await.unwrap();
            viewers.push((client, reader));
        }
        writer.wanted().await.unwrap();
        let mut object = Object::new(3, 0, "now");
        object.delivery = Delivery::Datagram;
        writer.write(object).await.unwrap();
        for (index, (_client, reader)) in viewers.iter_mut().enumerate() {
            let object = reader.next().await.unwrap().unwrap();
            assert_eq!(object.location, Location::new(3, 0), "viewer {index}");
            assert_eq!(&object.payload[..], b"now", "viewer {index}");
            assert_eq!(object.delivery, Delivery::Datagram, "viewer {index}");
        }
    });
}

#[test]
fn namespaces_are_announced_and_withdrawn_on_all_workers() {
    let relay = relay();
    run(async {
        let mut watches = Vec::new();
        for index in 0..VIEWERS {
            let client = connect(&relay, index).await;
            let watch = client.watch_namespaces(namespace("room")).await.unwrap();
            watches.push((client, watch));
        }
        let client = connect(&relay, 0).await;
        client.publish_namespace(namespace("room/ann")).await.unwrap();
        for (_, watch) in &mut watches {
            let expected = NamespaceNews::Announced(namespace("room/ann"));
            assert_eq!(watch.next().await, Some(expected));
        }
        client.withdraw_namespace(namespace("room/ann"));
        for (_, watch) in &mut watches {
            let expected = NamespaceNews::Withdrawn(namespace("room/ann"));
            assert_eq!(watch.next().await, Some(expected));
        }
    });
}

#[test]
fn an_offered_track_reaches_who_is_interested_on_all_workers() {
    let relay = relay();
    run(async {
        let mut watches = Vec::new();
        for index in 0..VIEWERS {
            let client = connect(&relay, index).await;
            let watch = client.watch_tracks(namespace("chat")).await.unwrap();
            watches.push((client, watch));
        }
        let client = connect(&relay, 1).await;
        let mut writer = client.open_track(track("chat/ann"), TrackProperties::default());
        writer.offer().await.unwrap();
        let mut readers = Vec::new();
        for (_, watch) in &mut watches {
            let (offered, reader) = watch.next().await.unwrap();
            assert_eq!(offered, track("chat/ann"));
            readers.push(reader);
        }
        // Not everybody has accepted yet for sure: who has not begins at a later object.
        for object in 0..20 {
            writer.write(Object::new(0, object, "hello")).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(readers);
    });
}

#[test]
fn draining_ends_the_tracks_of_all_workers_and_the_process() {
    let mut relay = relay();
    run(async {
        let (_client, mut writer) = publisher(&relay, 2, "draining").await;
        let mut viewers = Vec::new();
        for index in 0..VIEWERS {
            let client = connect(&relay, index).await;
            let reader = client.subscribe(track("draining"), Join::NextObject).await.unwrap();
            viewers.push((client, reader));
        }
        writer.wanted().await.unwrap();
        relay.terminate();
        for (client, _) in &viewers {
            assert!(client.going_away().await.is_some());
        }
        // Running tracks go on meanwhile.
        writer.write(Object::new(0, 0, "last")).await.unwrap();
        for (_, reader) in &mut viewers {
            assert_eq!(&reader.next().await.unwrap().unwrap().payload[..], b"last");
        }
        drop(viewers);
    });
    assert_eq!(relay.wait(), Some(0));
}
