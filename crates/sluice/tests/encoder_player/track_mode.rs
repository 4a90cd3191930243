//! The encoder's other mode, `--publish track`: a PUBLISH for each track.

use crate::encoder::Encoder;
use crate::page::within_patience;
use crate::player::Player;
use crate::support::Relay;

#[test]
fn each_publish_is_accepted_while_nobody_watches_and_forwards_once_somebody_does() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Encoder::open(&relay).await;
        // The second PUBLISH only after the REQUEST_OK to the first.
        let mut audio = encoder.publish("x-audio0").await;
        let mut video = encoder.publish("x-video0").await;
        assert!(!audio.forwarding && !video.forwarding);

        let mut player = Player::open(&relay).await;
        let there = player.subscribed("x-audio0").await;
        audio.expect_forward(true).await;
        let _video_there = player.subscribed("x-video0").await;
        video.expect_forward(true).await;

        audio.audio(&encoder.page, b"packet").await;
        let mut group = player.next_group().await;
        assert_eq!(group.alias, there.alias);
        assert_eq!(group.next_object().await.unwrap().payload, b"packet");
    });
}

/// The encoder never answers a SUBSCRIBE in this mode: its PUBLISH has to be subscription enough.
#[test]
fn a_published_track_is_never_subscribed_to() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Encoder::open(&relay).await;
        let mut audio = encoder.publish("x-audio0").await;
        let mut players = Vec::new();
        for _ in 0..3 {
            let mut player = Player::open(&relay).await;
            let there = player.subscribed("x-audio0").await;
            players.push((player, there));
        }
        audio.expect_forward(true).await;
        audio.audio(&encoder.page, b"packet").await;
        for (player, _) in &players {
            let object = player.next_group().await.next_object().await.unwrap();
            assert_eq!(object.payload, b"packet");
        }
        assert!(encoder.page.is_asked_nothing().await);
    });
}

/// The page answers no REQUEST_UPDATE: the relay must not wait for that, however often it is
/// paused and resumed.
#[test]
fn forwarding_follows_the_viewers_without_an_answer_from_the_encoder() {
    // Without a while in which a viewer may come back unnoticed.
    let relay = Relay::start(&["--linger", "0s"]);
    within_patience(async {
        let mut encoder = Encoder::open(&relay).await;
        let mut audio = encoder.publish("x-audio0").await;
        let mut player = Player::open(&relay).await;
        for round in 0..100_u8 {
            let there = player.subscribed("x-audio0").await;
            audio.expect_forward(true).await;
            audio.audio(&encoder.page, &[round]).await;
            let object = player.next_group().await.next_object().await.unwrap();
            assert_eq!(object.payload, [round]);
            there.stream.leave();
            audio.expect_forward(false).await;
            // The page resets its open stream when it is told to pause.
            audio.group.take().unwrap().reset(0).unwrap();
        }
    });
}

#[test]
fn the_keep_alive_with_the_id_of_its_own_publish_is_tolerated() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Encoder::open(&relay).await;
        let mut audio = encoder.publish("x-audio0").await;
        assert_eq!(audio.id, 0);
        for _ in 0..200 {
            audio.keep_alive().await;
        }
        let video = encoder.publish("x-video0").await;
        assert!(!video.forwarding, "the session goes on");
    });
}
