//! The encoder's default mode: it announces its namespace and waits for SUBSCRIBEs.

use crate::bytes::{Said, int, message, namespace, text};
use crate::encoder::{Encoder, NAMESPACE, wants_objects};
use crate::page::{Page, ready_now, within_patience};
use crate::player::{Player, subscribe, watched};
use crate::support::Relay;

#[test]
fn publish_namespace_is_answered_with_a_plain_request_ok_and_nothing_else() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, mut announced) = Encoder::announced(&relay).await;
        // A viewer's SUBSCRIBE is the first request that it gets.
        let mut player = Player::open(&relay).await;
        let id = player.page.next_id();
        let _asked = player.page.request(&subscribe(id, NAMESPACE, "x-audio0")).await;
        let (said, _stream) = encoder.page.accept_request().await;
        assert!(matches!(said, Said::Subscribe { .. }), "{said:?}");
        let more = ready_now(announced.next_message()).await;
        assert_eq!(more, None, "the stream of the namespace stays open and silent");
    });
}

#[test]
fn the_relay_subscribes_once_per_track_however_many_players_come() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (mut encoder, _announced) = Encoder::announced(&relay).await;
        let mut first = Player::open(&relay).await;
        let (audio, _audio_there) =
            tokio::join!(encoder.accept("x-audio0"), first.subscribed("x-audio0"));
        let (video, _video_there) =
            tokio::join!(encoder.accept("x-video0"), first.subscribed("x-video0"));
        assert!(audio.forwarding && video.forwarding);
        assert_ne!(audio.alias, video.alias);
        let mut others = Vec::new();
        for _ in 0..4 {
            let mut player = Player::open(&relay).await;
            let audio = player.subscribed("x-audio0").await;
            let video = player.subscribed("x-video0").await;
            others.push((player, audio, video));
        }
        assert!(encoder.page.is_asked_nothing().await);
    });
}

#[test]
fn players_that_ask_before_the_encoder_answered_share_one_subscription() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (mut encoder, _announced) = Encoder::announced(&relay).await;
        let mut players = Vec::new();
        for _ in 0..3 {
            let mut player = Player::open(&relay).await;
            let id = player.page.next_id();
            let asked = player.page.request(&subscribe(id, NAMESPACE, "x-audio0")).await;
            players.push((player, asked));
        }
        let track = encoder.accept("x-audio0").await;
        assert!(track.forwarding);
        for (_, asked) in &mut players {
            let said = asked.expect_message().await;
            assert!(matches!(said, Said::SubscribeOk { .. }), "{said:?}");
        }
        assert!(encoder.page.is_asked_nothing().await);
    });
}

#[test]
fn a_player_that_returns_soon_is_served_by_the_subscription_that_was_kept() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, mut player, mut track, there) = watched(&relay, "x-audio0").await;
        there.stream.leave();
        let _again = player.subscribed("x-audio0").await;
        track.audio(&encoder.page, b"packet").await;
        let object = player.next_group().await.next_object().await.unwrap();
        assert_eq!(object.payload, b"packet");
        assert!(encoder.page.is_asked_nothing().await);
        // The stream of the relay's SUBSCRIBE stays open both ways: its end would end the track.
        assert_eq!(ready_now(track.stream.next_message()).await, None);
        track.keep_alive().await;
    });
}

#[test]
fn a_track_that_the_encoder_does_not_have_is_refused_to_the_player() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced) = Encoder::announced(&relay).await;
        let mut player = Player::open(&relay).await;
        let refuse = async {
            let (said, mut stream) = encoder.page.accept_request().await;
            assert!(matches!(said, Said::Subscribe { .. }), "{said:?}");
            let error = message(0x05, &[&int(0x10), &int(0), &text("Track not offered")]);
            stream.write(&error).await;
            stream.send.finish().unwrap();
        };
        let ((), refused) = tokio::join!(refuse, player.subscribe("y-audio0"));
        assert_eq!(refused.err(), Some(0x10));
    });
}

/// What the encoder does not serve it refuses or cuts off; that costs nobody anything else.
#[test]
fn requests_that_the_encoder_cuts_off_cost_neither_session_nor_track() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, _there) = watched(&relay, "x-video0").await;

        // A client of another kind, interested in what the encoder cannot do.
        let mut other = Page::open(&relay).await;
        let interest = message(0x50, &[&int(other.next_id()), &int(0), &int(0)]);
        let mut interested = other.request(&interest).await;
        interested.expect_plain_ok().await;
        let namespaces = interested.expect_message().await;
        assert_eq!(namespaces, Said::Namespace { suffix: vec!["vc".into()] });
        let status = [int(other.next_id()), namespace(NAMESPACE), text("z"), int(0)].concat();
        let mut status = other.request(&message(0x0d, &[&status])).await;
        let fetch = [
            &int(other.next_id())[..],
            &[1],
            &namespace(NAMESPACE),
            &text("x-video0"),
            &[0, 0, 0, 5],
            &int(0),
        ]
        .concat();
        let mut fetch = other.request(&message(0x16, &[&fetch])).await;

        let cut_off = async {
            loop {
                let (said, stream) = encoder.page.accept_request().await;
                match said {
                    Said::TrackStatus | Said::Fetch => stream.leave(),
                    Said::Subscribe { ref parameters, .. } if !wants_objects(parameters) => {
                        stream.leave();
                    }
                    other => panic!("{other:?} to the encoder"),
                }
            }
        };
        let answers = async { (status.expect_message().await, fetch.expect_message().await) };
        let (status, fetch) = tokio::select! {
            answers = answers => answers,
            () = cut_off => unreachable!("ends in a panic alone"),
        };
        for answer in [status, fetch] {
            assert!(matches!(answer, Said::RequestError { .. }), "{answer:?}");
        }
        track.begin_group(&encoder.page, 10).await;
        track.object(&[], b"still here").await;
        let object = player.next_group().await.next_object().await.unwrap();
        assert_eq!(object.payload, b"still here");
    });
}

#[test]
fn the_keep_alive_on_the_relays_own_subscribe_is_tolerated() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (encoder, _announced, player, mut track, _there) = watched(&relay, "x-audio0").await;
        assert_eq!(track.id % 2, 1, "the id is the relay's");
        for _ in 0..200 {
            track.keep_alive().await;
        }
        track.audio(&encoder.page, b"after all of them").await;
        let object = player.next_group().await.next_object().await.unwrap();
        assert_eq!(object.payload, b"after all of them");
    });
}
