//! The player: its SUBSCRIBEs, its retries, and what it makes of a group's stream.

use crate::encoder::{Encoder, VIDEO_PRIORITY};
use crate::page::{Page, ready_now, within_patience};
use crate::player::{Player, watched};
use crate::support::Relay;

#[test]
fn both_subscribes_with_token_and_largest_object_are_accepted_one_after_the_other() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (mut encoder, _announced) = Encoder::announced(&relay).await;
        let mut player = Player::open(&relay).await;
        let play = async {
            let audio = player.subscribed("x-audio0").await;
            let video = player.subscribed("x-video0").await;
            (audio, video)
        };
        let (_tracks, (audio, video)) = tokio::join!(encoder.accept_audio_and_video("x-"), play);
        assert_eq!((audio.id, video.id), (0, 2));
        assert_ne!(audio.alias, video.alias);
        assert_eq!(audio.parameters.largest(), None, "nothing was sent yet");
        // The player reads no bidirectional stream: the relay has to live without answers, and
        // had better ask nothing.
        assert!(player.page.is_asked_nothing().await);
    });
}

/// The page waits 2 s between its attempts; each has a new id and a new stream.
#[test]
fn a_player_that_comes_first_is_refused_until_the_encoder_is_there() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut player = Player::open(&relay).await;
        for _ in 0..3 {
            assert_eq!(player.subscribe("x-audio0").await.err(), Some(0x10), "DOES_NOT_EXIST");
        }
        let (mut encoder, _announced) = Encoder::announced(&relay).await;
        let (mut track, there) =
            tokio::join!(encoder.accept("x-audio0"), player.subscribed("x-audio0"));
        assert_eq!(there.id, 6);
        track.audio(&encoder.page, b"packet").await;
        let mut group = player.next_group().await;
        assert_eq!(group.alias, there.alias);
        assert_eq!(group.next_object().await.unwrap().payload, b"packet");
    });
}

/// The player numbers what arrives on a stream from 0. So that its numbers are right, a group
/// has to come on one stream and from its start.
#[test]
fn a_group_comes_on_one_stream_from_its_start() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, _there) = watched(&relay, "x-video0").await;
        for _ in 0..3 {
            track.begin_group(&encoder.page, VIDEO_PRIORITY).await;
            for frame in 0..60 {
                track.object(&[], &[frame; 500]).await;
            }
        }
        track.end_group().await;
        for number in 0..3 {
            let mut group = player.next_group().await;
            assert_eq!((group.group, group.subgroup), (number, number));
            let objects = group.rest().await;
            let frames: Vec<u8> = objects[..60].iter().map(|object| object.payload[0]).collect();
            assert_eq!(frames, (0..60).collect::<Vec<_>>());
            assert!(objects.iter().all(|object| object.delta == 0));
        }
        assert!(ready_now(player.next_group()).await.is_none());
    });
}

/// With Largest Object a player that joins in the middle gets what is still to come of the group
/// (its decoder drops that up to the next key frame), on one stream, and nothing older.
#[test]
fn a_player_that_joins_late_gets_nothing_older_and_no_group_twice() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (mut encoder, _announced) = Encoder::announced(&relay).await;
        let mut first = Player::open(&relay).await;
        let (mut track, _there) =
            tokio::join!(encoder.accept("x-video0"), first.subscribed("x-video0"));
        track.begin_group(&encoder.page, VIDEO_PRIORITY).await;
        track.object(&[], b"0/0").await;
        track.begin_group(&encoder.page, VIDEO_PRIORITY).await;
        track.object(&[], b"1/0").await;
        first.until_relay_has("x-video0", (1, 0)).await;

        let mut late = Player::open(&relay).await;
        let there = late.subscribed("x-video0").await;
        assert_eq!(there.parameters.largest(), Some((1, 0)));
        track.object(&[], b"1/1").await;
        track.object(&[], b"1/2").await;
        track.begin_group(&encoder.page, VIDEO_PRIORITY).await;
        track.object(&[], b"2/0").await;
        let mut seen = Vec::new();
        for _ in 0..2 {
            let mut group = late.next_group().await;
            let object = group.next_object().await.unwrap();
            seen.push((group.group, String::from_utf8(object.payload).unwrap(), group));
        }
        let (tail, next) = seen.split_at_mut(1);
        assert_eq!((tail[0].0, &tail[0].1[..]), (1, "1/1"));
        assert_eq!(tail[0].2.next_object().await.unwrap().payload, b"1/2");
        assert_eq!((next[0].0, &next[0].1[..]), (2, "2/0"));
        assert!(ready_now(late.next_group()).await.is_none());
    });
}

/// Two encoders of one track: when one vanishes in the middle of a group, its rest comes on the
/// same stream.
#[test]
fn a_group_stays_on_its_stream_when_one_of_two_encoders_vanishes() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (mut one, _announced) = Encoder::announced(&relay).await;
        let (mut other, _announced) = Encoder::announced(&relay).await;
        let mut player = Player::open(&relay).await;
        let (mut first, mut second, _there) = tokio::join!(
            one.accept("x-video0"),
            other.accept("x-video0"),
            player.subscribed("x-video0")
        );
        for (page, track) in [(&one.page, &mut first), (&other.page, &mut second)] {
            track.begin_group(page, VIDEO_PRIORITY).await;
            track.object(&[], b"key").await;
            track.object(&[], b"delta").await;
        }
        let mut group = player.next_group().await;
        assert_eq!(group.next_object().await.unwrap().payload, b"key");
        assert_eq!(group.next_object().await.unwrap().payload, b"delta");
        close(one.page).await;
        second.object(&[], b"after").await;
        assert_eq!(group.next_object().await.unwrap().payload, b"after");
        second.end_group().await;
        assert_eq!(group.rest().await.len(), 1, "the mark at the group's end");
        assert!(ready_now(player.next_group()).await.is_none());
    });
}

async fn close(page: Page) {
    page.session.close(0, b"tab closed");
    page.session.closed().await;
}
