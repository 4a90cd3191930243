//! Publishers that go, come again, or are two.

use sluice_client::Join;
use sluice_proto::model::{FullTrackName, TrackName, TrackNamespace};
use sluice_proto::wire::Draft;

use crate::bytes::{self, PUBLISHER, SUBSCRIBER, Said};
use crate::page::{Page, within_patience};
use crate::support::Relay;

#[test]
fn viewers_go_on_when_a_publisher_comes_again_and_group_numbers_keep_rising() {
    for workers in ["1", "3"] {
        let relay = Relay::start(&["--workers", workers]);
        within_patience(publisher_returns(&relay));
    }
}

async fn publisher_returns(relay: &Relay) {
    let mut encoder = Page::open(relay, PUBLISHER).await;
    encoder.announce("text", None).await;
    let mut player = Page::open(relay, SUBSCRIBER).await;
    player.say(&bytes::subscribe("text", "foo", None)).await;
    encoder.accept("text", "foo", 0).await;
    player.subscribed("text", "foo").await;
    let viewer = relay.connect("moqt", Draft::ALL[0]).await;
    let namespace = TrackNamespace::from_path("text").unwrap();
    let track = FullTrackName::new(namespace, TrackName::new("foo").unwrap()).unwrap();
    let mut reader = viewer.subscribe(track, Join::NextObject).await.unwrap();
    let mut groups = Vec::new();
    for round in 0..3 {
        if round > 0 {
            encoder = Page::open(relay, PUBLISHER).await;
            encoder.announce("text", None).await;
            encoder.accept("text", "foo", 7).await;
        }
        let id = if round > 0 { 7 } else { 0 };
        for group in 1..4 {
            let line = format!("line {group} of {round}");
            encoder.send(id, (group, 0), 0, line.as_bytes()).await;
            let object = player.object().await;
            assert_eq!(object.read, line.as_bytes());
            let same = reader.next().await.unwrap().expect("a line");
            assert_eq!(&same.payload[..], line.as_bytes());
            assert_eq!(same.location.group.0, object.at.0);
            groups.push(object.at.0);
        }
        encoder.session.close(0, b"");
    }
    assert!(groups.is_sorted_by(|a, b| a < b), "{groups:?}");
}

#[test]
fn of_two_publishers_of_one_track_the_newer_is_heard() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut old = Page::open(&relay, PUBLISHER).await;
        old.announce("twice", None).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("twice", "t", None)).await;
        old.accept("twice", "t", 0).await;
        player.subscribed("twice", "t").await;
        old.send(0, (1, 0), 0, b"old").await;
        assert_eq!(player.object().await.read, b"old");
        let mut new = Page::open(&relay, PUBLISHER).await;
        new.announce("twice", None).await;
        new.accept("twice", "t", 0).await;
        new.send(0, (1, 0), 0, b"new").await;
        let object = player.object().await;
        assert_eq!((object.at, &object.read[..]), ((3, 0), &b"new"[..]));
        old.send(0, (2, 0), 1, b"old still").await;
        new.send(0, (2, 0), 1, b"new again").await;
        let object = player.object().await;
        assert_eq!((object.at, &object.read[..]), ((4, 0), &b"new again"[..]));
    });
}

#[test]
fn the_loss_of_a_publisher_is_told_once_nobody_takes_its_place() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("lost", None).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("lost", "t", None)).await;
        encoder.accept("lost", "t", 0).await;
        player.subscribed("lost", "t").await;
        encoder.send(0, (1, 0), 0, b"last").await;
        assert_eq!(player.object().await.read, b"last");
        encoder.session.close(0, b"");
        let end = player.hear().await;
        assert!(matches!(end, Some(Said::SubscribeRst { .. })), "{end:?}");
    });
}

#[test]
fn a_publisher_ends_a_track_and_a_namespace_with_the_words_of_the_draft() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("ends", None).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("ends", "t", None)).await;
        encoder.accept("ends", "t", 0).await;
        player.subscribed("ends", "t").await;
        encoder.send(0, (1, 0), 0, b"all").await;
        assert_eq!(player.object().await.read, b"all");
        encoder.say(&bytes::subscribe_fin("ends", "t", 1, 0)).await;
        player.expect(Said::SubscribeFin { name: "t".into(), last: (1, 0) }).await;
        // Subscribed again it is asked for again.
        player.say(&bytes::subscribe("ends", "t", None)).await;
        encoder.accept("ends", "t", 1).await;
        player.subscribed("ends", "t").await;
        encoder.say(&bytes::unannounce("ends")).await;
        encoder.announce("ends", None).await;
    });
}
