//! Publisher and viewers of 2023/24 on one relay.

use crate::bytes::{self, BOTH, PUBLISHER, SUBSCRIBER, Said};
use crate::page::{Page, within_patience};
use crate::support::Relay;

/// Half of 2^53: what the encoder adds to the send order of audio.
const AUDIO: u64 = (1 << 52) - 1;

#[test]
fn a_video_call_of_2024_starts_and_its_objects_arrive_as_they_were_sent() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("vc", Some("secret")).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("vc", "t1-audio", Some("secret"))).await;
        let asked = |name: &str| Said::Subscribe {
            namespace: "vc".into(),
            name: name.into(),
            secret: Some("secret".into()),
        };
        encoder.expect(asked("t1-audio")).await;
        encoder.say(&bytes::subscribe_ok("vc", "t1-audio", 0)).await;
        let audio = player.subscribed("vc", "t1-audio").await;
        player.say(&bytes::subscribe("vc", "t1-video", Some("secret"))).await;
        encoder.expect(asked("t1-video")).await;
        encoder.say(&bytes::subscribe_ok("vc", "t1-video", 1)).await;
        let video = player.subscribed("vc", "t1-video").await;
        assert_ne!(audio, video);

        encoder.send(0, (1, 0), AUDIO, b"audio").await;
        encoder.send(1, (1, 0), 0, b"key frame").await;
        encoder.send(1, (1, 1), 1, b"delta").await;
        encoder.send(0, (2, 0), AUDIO + 1, &[7; 20_000]).await;
        let mut objects = player.objects(4).await;
        objects.sort_by_key(|object| (object.track_id != audio, object.at));
        let seen: Vec<_> = objects.iter().map(|o| (o.track_id, o.at, o.order)).collect();
        let sent = [
            (audio, (1, 0), AUDIO),
            (audio, (2, 0), AUDIO + 1),
            (video, (1, 0), 0),
            (video, (1, 1), 1),
        ];
        assert_eq!(seen, sent);
        let payloads: Vec<_> = objects.iter().map(|object| &object.read[..]).collect();
        assert_eq!(payloads, [b"audio", &[7; 20_000][..], b"key frame", b"delta"]);
    });
}

#[test]
fn an_object_is_passed_on_while_it_is_being_written() {
    for workers in ["1", "3"] {
        let relay = Relay::start(&["--workers", workers]);
        within_patience(async {
            let mut encoder = Page::open(&relay, PUBLISHER).await;
            encoder.announce("cut", None).await;
            let mut player = Page::open(&relay, SUBSCRIBER).await;
            player.say(&bytes::subscribe("cut", "through", None)).await;
            encoder.accept("cut", "through", 5).await;
            player.subscribed("cut", "through").await;
            let mut stream = encoder.begin(5, (1, 0), 9).await;
            stream.write_all(b"the beginning").await.unwrap();
            let mut object = player.incoming().await;
            object.up_to(13).await;
            assert_eq!((&object.read[..], object.order), (&b"the beginning"[..], 9));
            stream.write_all(b", and the end").await.unwrap();
            object.up_to(26).await;
            stream.finish().unwrap();
            assert!(!object.more().await.unwrap());
            assert_eq!(object.read, b"the beginning, and the end");
        });
    }
}

#[test]
fn an_object_that_its_publisher_gives_up_is_given_up_for_its_viewers() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("up", None).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("up", "given", None)).await;
        encoder.accept("up", "given", 0).await;
        player.subscribed("up", "given").await;
        let mut stream = encoder.begin(0, (1, 0), 0).await;
        stream.write_all(b"half").await.unwrap();
        let mut object = player.incoming().await;
        object.up_to(4).await;
        stream.reset(1).unwrap();
        assert!(object.more().await.is_err(), "a reset");
        encoder.send(0, (1, 1), 1, b"whole").await;
        assert_eq!(player.object().await.read, b"whole");
    });
}

#[test]
fn a_viewer_that_asks_for_the_current_group_gets_what_is_stored_of_it() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("past", None).await;
        let mut first = Page::open(&relay, SUBSCRIBER).await;
        first.say(&bytes::subscribe("past", "t", None)).await;
        encoder.accept("past", "t", 0).await;
        first.subscribed("past", "t").await;
        for (order, at) in (0..).zip([(1, 0), (2, 0), (2, 1)]) {
            encoder.send(0, at, order, b"stored").await;
            first.object().await;
        }
        let mut half = encoder.begin(0, (2, 2), 3).await;
        half.write_all(b"ha").await.unwrap();
        first.incoming().await.up_to(2).await;
        for (start, places) in
            [(bytes::CURRENT, &["2/0", "2/1", "2/2"][..]), (&[1, 2, 1, 1, 1, 2, 1, 2], &["2/1"])]
        {
            let mut late = Page::open(&relay, SUBSCRIBER).await;
            late.say(&bytes::subscribe_at("past", "t", start, None)).await;
            late.subscribed("past", "t").await;
            let mut seen = Vec::new();
            while seen.len() < places.len() {
                seen.push(late.incoming().await.place());
            }
            seen.sort();
            assert_eq!(seen, places);
        }
        half.write_all(b"lf").await.unwrap();
        half.finish().unwrap();
    });
}

#[test]
fn every_subscribe_gets_its_own_answer_and_no_other() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("vc", None).await;
        let (mut one, mut two) =
            (Page::open(&relay, SUBSCRIBER).await, Page::open(&relay, SUBSCRIBER).await);
        one.say(&bytes::subscribe("vc", "a", None)).await;
        encoder.accept("vc", "a", 0).await;
        one.subscribed("vc", "a").await;
        // A second viewer between the two requests of the first: the first hears nothing of it.
        two.subscribe("vc", "a").await;
        one.say(&bytes::subscribe("vc", "v", None)).await;
        encoder.accept("vc", "v", 1).await;
        one.subscribed("vc", "v").await;
        two.subscribe("vc", "v").await;
        // A relay that asks for each of its viewers: an answer each, and the objects once.
        let mut edge = Page::open(&relay, BOTH).await;
        let first = edge.subscribe("vc", "a").await;
        assert_eq!(edge.subscribe("vc", "a").await, first);
        encoder.send(0, (1, 0), 0, b"once").await;
        encoder.send(0, (2, 0), 1, b"again").await;
        for viewer in [&one, &two, &edge] {
            let seen: Vec<_> = viewer.objects(2).await.iter().map(|o| o.place()).collect();
            assert_eq!(seen, ["1/0", "2/0"]);
        }
    });
}

#[test]
fn names_of_all_kinds_and_several_namespaces_of_one_publisher_are_kept_apart() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let long = "x".repeat(1024);
        let tracks = [
            ("vc", "a/b"),
            ("vc/a", "b"),
            ("live.example.com/", "x"),
            ("100%", ""),
            ("a%2Fb/c", "%2F"),
            (&long[..], &long[..]),
        ];
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        for (id, (namespace, name)) in tracks.iter().enumerate() {
            encoder.announce(namespace, None).await;
            player.say(&bytes::subscribe(namespace, name, None)).await;
            encoder.accept(namespace, name, id as u64).await;
            let seen = player.subscribed(namespace, name).await;
            let payload = format!("{namespace} {name}");
            encoder.send(id as u64, (1, 0), 0, payload.as_bytes()).await;
            let object = player.object().await;
            assert_eq!((object.track_id, object.read), (seen, payload.into_bytes()));
        }
    });
}

#[test]
fn a_viewer_that_comes_first_waits_and_one_that_left_costs_the_publisher_nothing() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut early = Page::open(&relay, SUBSCRIBER).await;
        early.say(&bytes::subscribe("later", "track", None)).await;
        let mut gone = Page::open(&relay, SUBSCRIBER).await;
        gone.say(&bytes::subscribe("later", "track", None)).await;
        gone.say(&bytes::unsubscribe("later", "track")).await;
        gone.session.close(0, b"");
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        // The answer to ANNOUNCE comes before anything is asked.
        encoder.announce("later", None).await;
        encoder.accept("later", "track", 3).await;
        early.subscribed("later", "track").await;
        encoder.send(3, (1, 0), 0, b"here").await;
        assert_eq!(early.object().await.read, b"here");
    });
}

#[test]
fn a_track_that_everyone_left_is_there_again_without_a_word_to_its_publisher() {
    let relay = Relay::start(&["--linger", "0s"]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("room", None).await;
        for round in 1..4 {
            let mut player = Page::open(&relay, SUBSCRIBER).await;
            player.say(&bytes::subscribe_at("room", "cam", bytes::FROM_NOW, None)).await;
            if round == 1 {
                encoder.accept("room", "cam", 0).await;
            }
            player.subscribed("room", "cam").await;
            encoder.send(0, (round, 0), round, b"frame").await;
            assert_eq!(player.object().await.at, (round, 0));
            player.say(&bytes::unsubscribe("room", "cam")).await;
            player.session.close(0, b"");
        }
        // All that it was ever asked is what was heard.
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("room", "mic", None)).await;
        encoder.accept("room", "mic", 1).await;
    });
}
