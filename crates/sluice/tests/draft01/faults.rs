//! What is refused, and what a rule that is broken costs.

use crate::bytes::{self, PUBLISHER, SUBSCRIBER, Said, int, text};
use crate::page::{Page, VERSION, logged, within_patience};
use crate::support::Relay;

#[test]
fn a_publisher_that_refuses_or_says_nothing_leaves_its_viewers_with_an_answer() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("no", None).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("no", "refused", None)).await;
        assert!(matches!(encoder.hear().await, Some(Said::Subscribe { .. })));
        encoder.say(&bytes::subscribe_error("no", "refused", 3, "no such track")).await;
        let answer = player.hear().await;
        let Some(Said::SubscribeError { name, code, reason, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!((&*name, code, &*reason), ("refused", 3, "no such track"));
        // Pages do not answer where the authorization is not theirs.
        player.say(&bytes::subscribe("no", "ignored", Some("wrong"))).await;
        let asked = encoder.hear().await;
        let secret = Some("wrong".to_owned());
        let (namespace, name) = ("no".to_owned(), "ignored".to_owned());
        assert_eq!(asked, Some(Said::Subscribe { namespace, name, secret }));
        let answer = player.hear().await;
        assert!(matches!(answer, Some(Said::SubscribeError { code: 4, .. })), "{answer:?}");
        // It is asked again for who comes with another one.
        player.say(&bytes::subscribe("no", "ignored", Some("right"))).await;
        encoder.accept("no", "ignored", 4).await;
        player.subscribed("no", "ignored").await;
    });
}

#[test]
fn what_makes_no_sense_for_a_request_costs_the_request() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.say(&bytes::announce("", None)).await;
        let answer = encoder.hear().await;
        assert!(matches!(answer, Some(Said::AnnounceError { .. })), "{answer:?}");
        logged(&relay, &["the namespace of ANNOUNCE is empty", "MOQT-01 §2.4.1"], 1).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        // A start that is not said.
        player.say(&bytes::subscribe_at("vc", "t", &[0, 1, 0, 0, 0], None)).await;
        let answer = player.hear().await;
        assert!(matches!(answer, Some(Said::SubscribeError { .. })), "{answer:?}");
        logged(&relay, &["the locations of SUBSCRIBE are no range", "MOQT-01 §6.4.2"], 1).await;
        // An answer that nobody awaits.
        encoder.say(&bytes::subscribe_ok("vc", "t", 0)).await;
        logged(&relay, &["SUBSCRIBE_OK for what is not open", "MOQT-01 §6.5"], 1).await;
        encoder.announce("vc", None).await;
    });
}

#[test]
fn a_data_stream_of_no_known_kind_costs_that_stream() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("vc", None).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("vc", "t", None)).await;
        encoder.accept("vc", "t", 0).await;
        player.subscribed("vc", "t").await;
        let mut odd = encoder.session.open_uni().await.unwrap();
        odd.write_all(&[0x10, 1, 2, 3]).await.unwrap();
        logged(&relay, &["unknown stream type 0x10", "MOQT-01 §6.3"], 1).await;
        // A length that is not kept to, both ways.
        for (group, payload) in [(1, &b"abcd"[..]), (2, b"ab")] {
            let mut stream = encoder.session.open_uni().await.unwrap();
            let head = [int(2), int(0), int(group), int(0), int(0), int(3)].concat();
            stream.write_all(&[&head, payload].concat()).await.unwrap();
            stream.finish().unwrap();
        }
        logged(&relay, &["the stream of an object goes on past its length"], 1).await;
        logged(&relay, &["the stream of an object ends inside it"], 1).await;
        let mut cut = encoder.session.open_uni().await.unwrap();
        cut.write_all(&[0, 0]).await.unwrap();
        cut.finish().unwrap();
        logged(&relay, &["the stream of an object ends inside it"], 2).await;
        encoder.send(0, (9, 0), 0, b"fine").await;
        loop {
            let mut object = player.incoming().await;
            if object.at == (9, 0) {
                object.up_to(4).await;
                break;
            }
        }
    });
}

#[test]
fn a_broken_rule_closes_the_session_and_the_log_says_which() {
    let relay = Relay::start(&[]);
    let setup = |role| bytes::client_setup(VERSION, role);
    let long = [int(0x06), int(1025)].concat();
    let rows: Vec<(Vec<u8>, &[&str])> = vec![
        (
            bytes::client_setup(0xff00_0002, PUBLISHER),
            &["no version in CLIENT_SETUP is 0xff000001", "MOQT-01 §6.2.1"],
        ),
        (
            [int(0x40), int(1), int(VERSION), int(0)].concat(),
            &["CLIENT_SETUP without ROLE", "MOQT-01 §6.2.2.1"],
        ),
        (setup(4), &["ROLE 4 does not exist", "MOQT-01 §6.2.2.1"]),
        (
            [setup(PUBLISHER), bytes::subscribe("vc", "t", None)].concat(),
            &["SUBSCRIBE from a peer whose ROLE is 1", "MOQT-01 §6.2.2.1"],
        ),
        (
            [setup(SUBSCRIBER), bytes::announce("vc", None)].concat(),
            &["ANNOUNCE from a peer whose ROLE is 2", "MOQT-01 §6.2.2.1"],
        ),
        (
            [setup(PUBLISHER), setup(PUBLISHER)].concat(),
            &["CLIENT_SETUP has no place at this point", "MOQT-01 §6.2"],
        ),
        ([setup(PUBLISHER), int(0x3f)].concat(), &["unknown message type 0x3f", "MOQT-01 §6"]),
        (
            [setup(PUBLISHER), bytes::object(0, 1, 0, 0)].concat(),
            &["an object on the control stream", "MOQT-01 §6.3"],
        ),
        (
            [setup(PUBLISHER), long].concat(),
            &["Namespace of ANNOUNCE is 1025 bytes", "MOQT-01 §1.3"],
        ),
        ([setup(PUBLISHER), int(0x10), text("")].concat(), &["GOAWAY", "MOQT-01 §6.14"]),
        (
            [&setup(SUBSCRIBER)[..], &[3], &text("vc"), &text("t"), &[9]].concat(),
            &["Location of SUBSCRIBE has mode 9", "MOQT-01 §6.4.1"],
        ),
    ];
    within_patience(async {
        for (bytes, words) in rows {
            let mut page = Page::unannounced(&relay).await;
            page.say(&bytes).await;
            let closed = page.closed().await;
            assert!(closed.contains(words[0]), "{words:?}: {closed}");
            logged(&relay, words, 1).await;
        }
        // Two tracks cannot have one number.
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("ids", None).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        for name in ["a", "b"] {
            player.say(&bytes::subscribe("ids", name, None)).await;
            encoder.accept("ids", name, 1).await;
        }
        assert!(encoder.closed().await.contains("track id 1 already names another track"));
    });
}

#[test]
fn a_relay_that_is_told_not_to_speak_it_does_not() {
    let relay = Relay::start(&["--drafts", "14"]);
    within_patience(async {
        let mut page = Page::unannounced(&relay).await;
        page.say(&bytes::client_setup(VERSION, PUBLISHER)).await;
        page.closed().await;
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_object_without_end_takes_no_more_memory_than_the_relay_may_have() {
    const MEMORY_BYTES: u64 = 96 << 20;
    let relay = Relay::start(&["--memory-max", "96MiB"]);
    within_patience(async {
        let mut encoder = Page::open(&relay, PUBLISHER).await;
        encoder.announce("endless", None).await;
        let mut player = Page::open(&relay, SUBSCRIBER).await;
        player.say(&bytes::subscribe("endless", "t", None)).await;
        encoder.accept("endless", "t", 0).await;
        player.subscribed("endless", "t").await;
        let mut endless = encoder.begin(0, (1, 0), 0).await;
        let chunk = vec![7; 1 << 20];
        let write = async {
            for _ in 0..150 {
                endless.write_all(&chunk).await.expect("the relay takes it");
            }
        };
        let read = async {
            let mut object = player.incoming().await;
            // It is told in the end that what it reads is not kept any more.
            while object.more().await.is_ok_and(|more| more) {
                object.read.clear();
            }
        };
        tokio::join!(write, read);
        encoder.send(0, (2, 0), 1, b"next").await;
        assert_eq!(player.object().await.read, b"next");
    });
    assert!(relay.peak_bytes() < MEMORY_BYTES, "{} bytes", relay.peak_bytes());
}
