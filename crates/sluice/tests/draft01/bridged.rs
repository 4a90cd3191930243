//! A publisher of 2023/24 with viewers of every later draft, and the other way around.

use sluice_client::{Client, Join, Object, Reader};
use sluice_proto::model::{
    Delivery, FullTrackName, GroupId, ObjectStatus, Priority, TrackName, TrackNamespace,
    TrackProperties,
};
use sluice_proto::wire::Draft;

use crate::bytes::{self, FROM_NOW, PUBLISHER, SUBSCRIBER, Said};
use crate::page::{Page, within_patience};
use crate::support::Relay;

fn track(namespace: &str, name: &str) -> FullTrackName {
    let namespace = TrackNamespace::from_path(namespace).unwrap();
    FullTrackName::new(namespace, TrackName::new(name.to_owned()).unwrap()).unwrap()
}

async fn next(reader: &mut Reader) -> Object {
    reader.next().await.unwrap().expect("another object")
}

/// Objects by place.
fn placed(mut objects: Vec<Object>) -> Vec<(String, Vec<u8>)> {
    objects.sort_by_key(|object| object.location);
    objects.iter().map(|o| (o.location.to_string(), o.payload.to_vec())).collect()
}

#[test]
fn viewers_of_every_draft_get_what_a_publisher_of_2024_sends() {
    for workers in ["1", "3"] {
        let relay = Relay::start(&["--workers", workers]);
        within_patience(to_viewers(&relay));
    }
}

async fn to_viewers(relay: &Relay) {
    let mut encoder = Page::open(relay, PUBLISHER).await;
    encoder.announce("vc/room", Some("secret")).await;
    for (index, (draft, scheme)) in
        Draft::ALL.into_iter().flat_map(|d| [(d, "moqt"), (d, "https")]).enumerate()
    {
        let (id, name) = (index as u64, format!("{scheme}-{draft}"));
        let viewer = relay.connect(scheme, draft).await;
        let subscribe = viewer.subscribe(track("vc/room", &name), Join::NextObject);
        let accept = async {
            // What the publisher showed itself stands in for a viewer that shows nothing.
            let said = encoder.hear().await;
            let (namespace, secret) = ("vc/room".to_owned(), Some("secret".to_owned()));
            let asked = Said::Subscribe { namespace, name: name.clone(), secret };
            assert_eq!(said, Some(asked));
            encoder.say(&bytes::subscribe_ok("vc/room", &name, id)).await;
        };
        let (reader, ()) = tokio::join!(subscribe, accept);
        let mut reader = reader.unwrap();
        let frame = vec![index as u8; 200_000];
        let mut seen = Vec::new();
        let sent = [((1, 0), &b"key"[..]), ((1, 1), &frame), ((2, 0), b"next key")];
        for (order, (at, payload)) in (0..).zip(sent) {
            encoder.send(id, at, order, payload).await;
            // Without ends of groups the library gives up a group once a later one is there.
            seen.push(next(&mut reader).await);
        }
        assert!(seen.iter().all(|object| object.properties.is_empty()), "{name}");
        let expected = [
            ("1/0".to_owned(), b"key".to_vec()),
            ("1/1".to_owned(), vec![index as u8; 200_000]),
            ("2/0".to_owned(), b"next key".to_vec()),
        ];
        assert_eq!(placed(seen), expected, "{name}");
        viewer.close().await;
    }
}

#[test]
fn the_urgency_of_a_publisher_of_2024_is_the_priority_that_later_drafts_see() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("urgency", None).await;
        let viewer = relay.connect("moqt", Draft::ALL[0]).await;
        let subscribe = viewer.subscribe(track("urgency", "mixed"), Join::NextObject);
        let (reader, ()) = tokio::join!(subscribe, encoder.accept("urgency", "mixed", 0));
        let mut reader = reader.unwrap();
        for (group, order, priority) in [(1, 0, 255), (2, 1 << 44, 254), (3, 1 << 52, 0)] {
            encoder.send(0, (group, 0), order, b"x").await;
            let object = next(&mut reader).await;
            assert_eq!(object.priority, Some(Priority(priority)), "send order {order}");
            assert_eq!(object.location.group, GroupId(group));
        }
    });
}

#[test]
fn an_object_waits_for_its_length_on_its_way_to_later_drafts_and_nothing_else_does() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("slow", None).await;
        let viewer = relay.connect("moqt", Draft::ALL[0]).await;
        let subscribe = viewer.subscribe(track("slow", "first"), Join::NextObject);
        let (reader, ()) = tokio::join!(subscribe, encoder.accept("slow", "first", 0));
        let mut reader = reader.unwrap();
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe_at("slow", "first", FROM_NOW, None)).await;
        player.subscribed("slow", "first").await;
        let mut slow = encoder.begin(0, (1, 0), 0).await;
        slow.write_all(b"begun").await.unwrap();
        player.incoming().await.up_to(5).await;
        encoder.send(0, (1, 1), 1, b"whole").await;
        let object = next(&mut reader).await;
        assert_eq!(
            (object.location.to_string(), &object.payload[..]),
            ("1/1".into(), &b"whole"[..])
        );
        slow.write_all(b" and ended").await.unwrap();
        slow.finish().unwrap();
        let object = next(&mut reader).await;
        assert_eq!(object.location.to_string(), "1/0");
        assert_eq!(&object.payload[..], b"begun and ended");
    });
}

/// A track of a later draft.
async fn publish(client: &Client, namespace: &str, name: &str) -> sluice_client::TrackWriter {
    let writer = client.open_track(track(namespace, name), TrackProperties::default());
    client.publish_namespace(TrackNamespace::from_path(namespace).unwrap()).await.unwrap();
    writer
}

#[test]
fn a_viewer_of_2024_gets_what_publishers_of_every_draft_send() {
    for workers in ["1", "3"] {
        let relay = Relay::start(&["--workers", workers]);
        within_patience(from_publishers(&relay));
    }
}

async fn from_publishers(relay: &Relay) {
    let mut player = Page::open(relay, SUBSCRIBER).await;
    for (draft, scheme) in
        Draft::ALL.into_iter().flat_map(|draft| [(draft, "moqt"), (draft, "https")])
    {
        let namespace = format!("live/{scheme}-{draft}");
        let publisher = relay.connect(scheme, draft).await;
        let mut writer = publish(&publisher, &namespace, "video").await;
        let id = player.subscribe(&namespace, "video").await;
        writer.wanted().await.unwrap();
        writer.write(Object::new(1, 0, "key")).await.unwrap();
        writer.write(Object::new(1, 1, vec![9; 150_000])).await.unwrap();
        writer.end_group(GroupId(1));
        // Nothing that a deployed peer could read.
        writer.write(Object::new(2, 0, "")).await.unwrap();
        writer.write(Object::new(2, 1, "last")).await.unwrap();
        writer.end_group(GroupId(2));
        let objects = player.objects(3).await;
        let seen: Vec<_> = objects.iter().map(|o| (o.place(), o.read.clone())).collect();
        let expected = [
            ("1/0".to_owned(), b"key".to_vec()),
            ("1/1".to_owned(), vec![9; 150_000]),
            ("2/1".to_owned(), b"last".to_vec()),
        ];
        assert_eq!(seen, expected, "{namespace}");
        assert!(objects.iter().all(|object| object.track_id == id), "{namespace}");
        // Priority 128 half way up, and later objects above earlier ones.
        assert!(objects.iter().all(|o| o.order >> 44 == 127), "{namespace}");
        assert!(objects.is_sorted_by_key(|object| object.order), "{namespace}");
        writer.finish().await.unwrap();
        let end = player.hear().await;
        let last = (2, 1);
        assert_eq!(end, Some(Said::SubscribeFin { name: "video".into(), last }), "{namespace}");
        publisher.close().await;
    }
}

#[test]
fn a_viewer_of_2024_gets_datagrams_as_objects_and_no_marks() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let newest = Draft::ALL[0];
        let publisher = relay.connect("moqt", newest).await;
        let mut writer = publish(&publisher, "live/datagrams", "audio").await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.subscribe("live/datagrams", "audio").await;
        writer.wanted().await.unwrap();
        for object in 0..3 {
            let mut datagram = Object::new(4, object, format!("packet {object}"));
            datagram.delivery = Delivery::Datagram;
            datagram.priority = Some(Priority(10));
            writer.write(datagram).await.unwrap();
        }
        let mut mark = Object::new(4, 3, "");
        mark.status = ObjectStatus::EndOfGroup;
        writer.write(mark).await.unwrap();
        writer.write(Object::new(5, 0, "on a stream")).await.unwrap();
        let objects = player.objects(4).await;
        let seen: Vec<_> = objects.iter().map(|o| (o.place(), o.order >> 44)).collect();
        let place = |place: &str, urgency: u64| (place.to_owned(), urgency);
        assert_eq!(
            seen,
            [place("4/0", 245), place("4/1", 245), place("4/2", 245), place("5/0", 127)]
        );
        assert_eq!(objects[2].read, b"packet 2");
    });
}
