//! Stop, on either side.

use crate::bytes::Said;
use crate::encoder::Encoder;
use crate::page::within_patience;
use crate::player::{Player, watched};
use crate::support::Relay;

/// STOP_SENDING and FIN on its request streams, then the session is closed.
#[test]
fn a_player_that_stops_ends_its_own_subscriptions_only() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (mut encoder, _announced) = Encoder::announced(&relay).await;
        let mut stays = Player::open(&relay).await;
        let (mut track, _there) =
            tokio::join!(encoder.accept("x-audio0"), stays.subscribed("x-audio0"));
        let mut leaves = Player::open(&relay).await;
        let leaving = leaves.subscribed("x-audio0").await;
        track.audio(&encoder.page, b"one").await;
        assert_eq!(leaves.next_group().await.next_object().await.unwrap().payload, b"one");
        leaving.stream.leave();
        leaves.page.session.close(0, b"");
        leaves.page.session.closed().await;
        track.audio(&encoder.page, b"two").await;
        for expected in [b"one", b"two"] {
            let object = stays.next_group().await.next_object().await.unwrap();
            assert_eq!(object.payload, expected);
        }
        let update = crate::page::ready_now(track.stream.next_message()).await;
        assert_eq!(update, None, "the encoder hears nothing of it");
    });
}

/// PUBLISH_DONE (TRACK_ENDED), FIN, and the session closes. The player gets all objects first;
/// it does not subscribe again, so the end must not come early.
#[test]
fn an_encoder_that_stops_ends_the_track_after_its_last_object() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, mut there) = watched(&relay, "x-audio0").await;
        for number in 0..50 {
            track.audio(&encoder.page, &[number]).await;
        }
        // The streams that it says it opened are fewer than it did open.
        let stream = track.stop().await;
        stream.send.stopped().await.unwrap();
        encoder.page.session.close(0, b"");
        let mut seen = Vec::new();
        for _ in 0..50 {
            let mut group = player.next_group().await;
            let objects = group.rest().await;
            assert_eq!(objects.len(), 2);
            seen.push(objects[0].payload[0]);
        }
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        let Said::PublishDone { status, streams } = there.stream.expect_message().await else {
            panic!("not a PUBLISH_DONE");
        };
        assert_eq!((status, streams), (2, 50), "TRACK_ENDED, and our own number of streams");
        assert_eq!(there.stream.next_message().await, None, "FIN");
    });
}

#[test]
fn an_encoder_of_published_tracks_that_stops_ends_them_too() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Encoder::open(&relay).await;
        let mut track = encoder.publish("x-audio0").await;
        let mut player = Player::open(&relay).await;
        let mut there = player.subscribed("x-audio0").await;
        track.expect_forward(true).await;
        track.audio(&encoder.page, b"only").await;
        let mut group = player.next_group().await;
        assert_eq!(group.next_object().await.unwrap().payload, b"only");
        let _stream = track.stop().await;
        assert_eq!(group.rest().await.len(), 1);
        let said = there.stream.expect_message().await;
        assert!(matches!(said, Said::PublishDone { status: 2, .. }), "{said:?}");
    });
}

/// The page is closed without a word; it comes back and the player asks again.
#[test]
fn an_encoder_that_comes_back_is_subscribed_to_anew() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, _there) = watched(&relay, "x-audio0").await;
        track.audio(&encoder.page, b"before").await;
        assert_eq!(player.next_group().await.next_object().await.unwrap().payload, b"before");
        encoder.page.session.close(0, b"");
        encoder.page.session.closed().await;

        let (mut encoder, _announced) = Encoder::announced(&relay).await;
        // Viewers are kept for a while: the relay asks for the track by itself.
        let mut track = encoder.accept("x-audio0").await;
        track.next_group = 1;
        track.audio(&encoder.page, b"after").await;
        assert_eq!(player.next_group().await.next_object().await.unwrap().payload, b"after");
    });
}
