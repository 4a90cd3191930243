//! How a session begins.

use web_transport_quinn::quinn;

use crate::bytes::{Said, int, message, namespace, read_message};
use crate::encoder::{NAMESPACE, object};
use crate::page::{PROTOCOL, Page, RequestStream, connect, within_patience};
use crate::player::{Player, subscribe};
use crate::support::Relay;

#[test]
fn the_one_protocol_that_a_page_offers_is_answered() {
    let relay = Relay::start(&[]);
    within_patience(async {
        assert_eq!(connect(&relay, &[PROTOCOL]).await.protocol(), Some(PROTOCOL));
    });
}

#[test]
fn the_relay_sends_its_setup_at_once() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let session = connect(&relay, &[PROTOCOL]).await;
        let mut control = session.accept_uni().await.unwrap();
        assert_eq!(read_message(&mut control).await, Some(Said::Setup));
    });
}

#[test]
fn a_token_is_taken_with_the_namespace_too() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut page = Page::open(&relay).await;
        let token = [1, 0x03, 8, 0x03, 0x00, b's', b'e', b'c', b'r', b'e', b't'];
        let id = page.next_id();
        let announce = message(0x06, &[&int(id), &namespace(NAMESPACE), &token]);
        page.request(&announce).await.expect_plain_ok().await;
    });
}

/// The streams' first bytes as a browser sends them that opens several at once: 3 bytes of each
/// preamble, then the rest of each, and each step on its way before the next.
#[test]
fn the_preambles_of_several_streams_may_be_interleaved() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut page = Page::open(&relay).await;
        let mut bidis = Vec::new();
        for fields in [["vc", "a"], ["vc", "b"], ["vc", "c"]] {
            let announce = message(0x06, &[&int(page.next_id()), &namespace(&fields), &int(0)]);
            let (send, receive) = raw(&page).open_bi().await.unwrap();
            bidis.push((send, receive, [&[0x40, 0x41, 0x00][..], &announce].concat()));
        }
        for (send, _, bytes) in &mut bidis {
            send.write_all(&bytes[..3]).await.unwrap();
            until_sent(&page).await;
        }
        for (send, _, bytes) in &mut bidis {
            send.write_all(&bytes[3..]).await.unwrap();
            until_sent(&page).await;
        }
        for (_, receive, _) in &mut bidis {
            let mut answer = [0; 4];
            receive.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, [0x07, 0, 1, 0], "a plain REQUEST_OK");
        }
    });
}

/// The same with data streams, byte by byte, and one of them stuck in its preamble: a viewer
/// must get all others.
#[test]
fn groups_whose_preambles_are_interleaved_all_arrive() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let (mut encoder, _announced) = crate::encoder::Encoder::announced(&relay).await;
        let player = Player::open(&relay).await;
        let asked = player.page.request(&subscribe(0, NAMESPACE, "audio0")).await;
        let mut track = encoder.accept("audio0").await;
        expect_subscribe_ok(asked).await;
        let mut streams = Vec::new();
        let mut stuck = raw(&encoder.page).open_uni().await.unwrap();
        stuck.write_all(&[0x40]).await.unwrap();
        for payload in [b"one", b"two", b"six"] {
            let stream = raw(&encoder.page).open_uni().await.unwrap();
            let header = track.header(9);
            track.next_group += 1;
            let bytes = [&[0x40, 0x54, 0x00][..], &header, &object(&[], payload)].concat();
            streams.push((stream, bytes));
        }
        write_in_turns(&encoder.page, &mut streams).await;
        let mut seen = Vec::new();
        for _ in 0..3 {
            let mut group = player.next_group().await;
            seen.push((group.group, group.next_object().await.unwrap().payload));
        }
        seen.sort();
        assert_eq!(seen, [(0, b"one".to_vec()), (1, b"two".to_vec()), (2, b"six".to_vec())]);
    });
}

async fn expect_subscribe_ok(mut stream: RequestStream) {
    let said = stream.expect_message().await;
    assert!(matches!(said, Said::SubscribeOk { .. }), "{said:?}");
    // Kept open: its end would end the subscription.
    std::mem::forget(stream);
}

async fn write_in_turns(page: &Page, streams: &mut [(quinn::SendStream, Vec<u8>)]) {
    let longest = streams.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    for at in 0..longest {
        for (stream, bytes) in &mut *streams {
            if let Some(byte) = bytes.get(at) {
                stream.write_all(&[*byte]).await.unwrap();
            }
        }
        until_sent(page).await;
    }
}

/// The QUIC connection, for streams whose preambles are written by hand.
fn raw(page: &Page) -> &quinn::Connection {
    &page.session
}

/// Waits until what was written has left in packets of its own.
async fn until_sent(page: &Page) {
    let before = raw(page).stats().frame_tx.stream;
    while raw(page).stats().frame_tx.stream == before {
        tokio::task::yield_now().await;
    }
}
