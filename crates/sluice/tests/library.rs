//! Tasks of the client library, each over real QUIC through the built relay and on every draft.

mod support;

use std::future::Future;
use std::time::Duration;

use sluice_client::{Client, Join, NamespaceNews, Object, Reader, TrackWriter};
use sluice_proto::model::{
    Delivery, FullTrackName, GroupId, Location, LocationFilter, ObjectStatus, Properties,
    PropertyEncoding, PropertyValue, RangeEnd, SubgroupId, TrackName, TrackNamespace,
    TrackProperties,
};
use sluice_proto::wire::Draft;
use support::Relay;

fn namespace(path: &str) -> TrackNamespace {
    TrackNamespace::from_path(path).unwrap()
}

fn track(path: &str) -> FullTrackName {
    FullTrackName::new(namespace(path), TrackName::new("track").unwrap()).unwrap()
}

/// Runs a scenario with a publisher and a viewer of each draft. Names begin with the draft: those
/// of one scenario may still be withdrawn while the next runs.
fn on_every_draft<F: Future<Output = ()>>(scenario: impl Fn(Client, Client, String) -> F) {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        for draft in Draft::ALL {
            let (publisher, viewer) =
                (relay.connect("moqt", draft).await, relay.connect("moqt", draft).await);
            let scenario = scenario(publisher, viewer, draft.to_string());
            tokio::time::timeout(Duration::from_secs(10), scenario)
                .await
                .unwrap_or_else(|_| panic!("{draft} takes too long"));
        }
    });
}

/// A track that is announced.
async fn announced(client: &Client, path: &str) -> TrackWriter {
    let writer = client.open_track(track(path), TrackProperties::default());
    client.publish_namespace(namespace(path)).await.unwrap();
    writer
}

async fn rest(reader: &mut Reader) -> Vec<Object> {
    let mut seen = Vec::new();
    while let Some(object) = reader.next().await.unwrap() {
        if object.status == ObjectStatus::Normal {
            seen.push(object);
        }
    }
    seen
}

fn places(objects: &[Object]) -> Vec<String> {
    objects.iter().map(|object| object.location.to_string()).collect()
}

#[test]
fn the_past_of_a_track_is_fetched_by_range() {
    on_every_draft(|publisher, viewer, draft| async move {
        let mut writer = announced(&publisher, &format!("{draft}/past")).await;
        let mut reader =
            viewer.subscribe(track(&format!("{draft}/past")), Join::CurrentGroup).await.unwrap();
        writer.wanted().await.unwrap();
        for group in 0..3 {
            for object in 0..3 {
                writer
                    .write(Object::new(group, object, format!("{group}/{object}")))
                    .await
                    .unwrap();
                reader.next().await.unwrap();
            }
            writer.end_group(GroupId(group));
        }
        let end = RangeEnd { group: GroupId(1), object: None };
        let range = LocationFilter::Range(Location::new(0, 1), end);
        let mut past = viewer.fetch(track(&format!("{draft}/past")), range).await.unwrap();
        let mut seen = Vec::new();
        while let Some(object) = past.next().await.unwrap() {
            assert_eq!(object.payload, object.location.to_string(), "{draft}");
            seen.push(object);
        }
        assert_eq!(places(&seen), ["0/1", "0/2", "1/0", "1/1", "1/2"], "{draft}");
        assert!(past.is_complete(), "{draft}");
        let beyond = LocationFilter::Range(
            Location::new(50, 0),
            RangeEnd { group: GroupId(60), object: None },
        );
        assert!(
            viewer.fetch(track(&format!("{draft}/past")), beyond).await.is_err(),
            "{draft}: nothing is there yet"
        );
    });
}

#[test]
fn who_watches_a_prefix_learns_what_comes_and_goes_under_it() {
    on_every_draft(|publisher, viewer, draft| async move {
        publisher.publish_namespace(namespace(&format!("{draft}/room/before"))).await.unwrap();
        publisher.publish_namespace(namespace(&format!("{draft}/elsewhere"))).await.unwrap();
        let mut watch = viewer.watch_namespaces(namespace(&format!("{draft}/room"))).await.unwrap();
        let before = Some(NamespaceNews::Announced(namespace(&format!("{draft}/room/before"))));
        assert_eq!(watch.next().await, before, "{draft}");
        publisher.publish_namespace(namespace(&format!("{draft}/room/after"))).await.unwrap();
        let after = Some(NamespaceNews::Announced(namespace(&format!("{draft}/room/after"))));
        assert_eq!(watch.next().await, after, "{draft}");
        publisher.withdraw_namespace(namespace(&format!("{draft}/room/before")));
        let gone = Some(NamespaceNews::Withdrawn(namespace(&format!("{draft}/room/before"))));
        assert_eq!(watch.next().await, gone, "{draft}");
    });
}

#[test]
fn who_watches_for_tracks_gets_those_that_are_offered() {
    on_every_draft(|publisher, viewer, draft| async move {
        let mut watch = viewer.watch_tracks(namespace(&format!("{draft}/offers"))).await.unwrap();
        let mut writer =
            publisher.open_track(track(&format!("{draft}/offers/one")), TrackProperties::default());
        writer.offer().await.unwrap();
        let (name, mut reader) = watch.next().await.unwrap();
        assert_eq!(name, track(&format!("{draft}/offers/one")), "{draft}");
        writer.wanted().await.unwrap();
        // The acceptance is on its way while the first objects are written.
        let mut written = 0;
        let first = loop {
            writer.write(Object::new(0, written, "offered")).await.unwrap();
            written += 1;
            let next = tokio::time::timeout(Duration::from_millis(20), reader.next());
            if let Ok(object) = next.await {
                break object.unwrap().unwrap();
            }
        };
        let (finished, seen) = tokio::join!(writer.finish(), rest(&mut reader));
        finished.unwrap();
        let got = first.location.object.0 + 1 + seen.len() as u64;
        assert_eq!(got, written, "{draft}: everything from the first object on");
        assert!(reader.end().unwrap().complete, "{draft}");
    });
}

#[test]
fn subgroups_datagrams_priorities_and_properties_arrive_as_they_were_written() {
    on_every_draft(|publisher, viewer, draft| async move {
        let mut writer = announced(&publisher, &format!("{draft}/forms")).await;
        let mut reader =
            viewer.subscribe(track(&format!("{draft}/forms")), Join::NextObject).await.unwrap();
        writer.wanted().await.unwrap();
        let entries =
            [(0x3d, PropertyValue::Bytes("text".into())), (0x7a, PropertyValue::Int(1_000_000))];
        let properties =
            Properties::from_entries(PropertyEncoding::DeltaVi64, entries.clone()).unwrap();
        for subgroup in [0, 7] {
            let mut object = Object::new(3, subgroup, "in a stream");
            object.delivery = Delivery::Subgroup(SubgroupId(subgroup));
            object.priority = Some(sluice_proto::model::Priority(9));
            object.properties = properties.clone();
            writer.write(object).await.unwrap();
        }
        let mut seen =
            [reader.next().await.unwrap().unwrap(), reader.next().await.unwrap().unwrap()];
        seen.sort_by_key(|object| object.location);
        for (object, subgroup) in seen.iter().zip([0, 7]) {
            assert_eq!(object.location, Location::new(3, subgroup), "{draft}");
            assert_eq!(object.delivery, Delivery::Subgroup(SubgroupId(subgroup)), "{draft}");
            assert_eq!(object.priority, Some(sluice_proto::model::Priority(9)), "{draft}");
            assert_eq!(object.properties.entries().collect::<Vec<_>>(), entries, "{draft}");
        }
        writer.end_group(GroupId(3));
        publisher.close().await;
    });
    on_every_draft(|publisher, viewer, draft| async move {
        let mut writer = announced(&publisher, &format!("{draft}/datagrams")).await;
        let mut reader =
            viewer.subscribe(track(&format!("{draft}/datagrams")), Join::NextObject).await.unwrap();
        writer.wanted().await.unwrap();
        let mut object = Object::new(0, 0, "in a datagram");
        object.delivery = Delivery::Datagram;
        writer.write(object).await.unwrap();
        let seen = reader.next().await.unwrap().unwrap();
        assert_eq!(seen.delivery, Delivery::Datagram, "{draft}");
        assert_eq!(seen.payload, "in a datagram", "{draft}");
    });
}

#[test]
fn a_paused_viewer_wants_nothing_and_a_resumed_one_gets_what_is_new() {
    on_every_draft(|publisher, viewer, draft| async move {
        let mut writer = announced(&publisher, &format!("{draft}/pause")).await;
        let mut reader =
            viewer.subscribe(track(&format!("{draft}/pause")), Join::NextObject).await.unwrap();
        writer.wanted().await.unwrap();
        reader.pause();
        writer.unwanted().await.unwrap();
        writer.write(Object::new(0, 0, "missed")).await.unwrap();
        writer.end_group(GroupId(0));
        reader.resume();
        writer.wanted().await.unwrap();
        writer.write(Object::new(1, 0, "seen")).await.unwrap();
        let seen = reader.next().await.unwrap().unwrap();
        assert_eq!(seen.payload, "seen", "{draft}");
    });
}

#[test]
fn a_writer_waits_while_too_much_is_unsent() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let mut options = relay.options(&Draft::ALL);
        options.limits.backlog_bytes_max = 1 << 20;
        let publisher = Client::connect(&relay.target("moqt"), options).await.unwrap();
        let viewer = relay.connect("moqt", Draft::ALL[0]).await;
        let mut writer = announced(&publisher, "bulk").await;
        let mut reader = viewer.subscribe(track("bulk"), Join::NextObject).await.unwrap();
        writer.wanted().await.unwrap();
        // Ten times what may be unsent: it gets through only if writing waits for sending.
        let write = async {
            for object in 0..40 {
                writer.write(Object::new(0, object, vec![object as u8; 256 << 10])).await.unwrap();
            }
            writer.finish().await.unwrap();
        };
        let (_, seen) = tokio::join!(write, rest(&mut reader));
        assert_eq!(seen.len(), 40);
        assert!(seen.iter().enumerate().all(|(at, object)| object.payload[0] == at as u8));
    });
}

#[test]
fn a_group_without_end_is_forgotten_from_its_beginning_but_reaches_its_viewers_whole() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let mut options = relay.options(&Draft::ALL);
        options.limits.retained_bytes_max = 20_000;
        let publisher = Client::connect(&relay.target("https"), options).await.unwrap();
        let viewer = relay.connect("moqt", Draft::ALL[0]).await;
        let mut writer = announced(&publisher, "endless").await;
        let mut reader = viewer.subscribe(track("endless"), Join::NextObject).await.unwrap();
        writer.wanted().await.unwrap();
        let write = async {
            for object in 0..500 {
                writer.write(Object::new(0, object, vec![object as u8; 1_000])).await.unwrap();
            }
            writer.finish().await.unwrap();
        };
        let (_, seen) = tokio::join!(write, rest(&mut reader));
        assert_eq!(seen.len(), 500);
        assert!(seen.iter().enumerate().all(|(at, object)| object.payload[0] == at as u8));
        assert!(reader.end().unwrap().complete);
    });
}
