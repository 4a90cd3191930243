//! The opening of another family of pages, `<moq-publish>` and `<moq-watch>`: a long list of
//! protocols, and SUBSCRIBE_NAMESPACE before anything else.

use sluice_proto::wire::Draft;

use crate::bytes::{Said, int, message, namespace, text};
use crate::page::{Page, RequestStream, connect, within_patience};
use crate::support::Relay;

/// What they offer, best first by their own taste.
const OFFERED: &[&str] = &[
    "moq-lite-05",
    "moq-lite-04",
    "moq-lite-03",
    "moql",
    "moqt-19",
    "moqt-18",
    "moqt-17",
    "moqt-16",
    "moqt-15",
];
const BROADCAST: &[&str] = &["demo", "bbb"];

#[test]
fn of_many_protocols_the_newest_common_draft_is_chosen() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let session = connect(&relay, OFFERED).await;
        let newest = Draft::ALL.map(Draft::token).into_iter().find(|t| OFFERED.contains(t));
        assert!(newest.is_some());
        assert_eq!(session.protocol(), newest);
    });
}

#[test]
fn both_pages_hear_of_the_broadcast_by_an_empty_suffix_of_its_own_name() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut watcher = Page::open(&relay).await;
        let mut watching = interest(&mut watcher).await;
        let mut publisher = Page::open(&relay).await;
        let mut own = interest(&mut publisher).await;
        let announce = message(0x06, &[&int(publisher.next_id()), &namespace(BROADCAST), &[0]]);
        let mut announced = publisher.request(&announce).await;
        announced.expect_plain_ok().await;
        for stream in [&mut watching, &mut own] {
            assert_eq!(stream.expect_message().await, Said::Namespace { suffix: Vec::new() });
        }
        // One who comes later hears of it at once.
        let mut late = Page::open(&relay).await;
        let mut late = interest(&mut late).await;
        assert_eq!(late.expect_message().await, Said::Namespace { suffix: Vec::new() });

        announced.send.finish().unwrap();
        for stream in [&mut watching, &mut own, &mut late] {
            assert_eq!(stream.expect_message().await, Said::NamespaceDone { suffix: Vec::new() });
        }
    });
}

#[test]
fn the_watcher_gets_catalog_audio_and_video() {
    let relay = Relay::start(&[]);
    within_patience(async {
        let mut publisher = Page::open(&relay).await;
        let _own = interest(&mut publisher).await;
        let announce = message(0x06, &[&int(publisher.next_id()), &namespace(BROADCAST), &[0]]);
        let _announced = publisher.request(&announce).await;
        let mut watcher = Page::open(&relay).await;
        let mut watching = interest(&mut watcher).await;
        assert_eq!(watching.expect_message().await, Said::Namespace { suffix: Vec::new() });
        let serve = async {
            for alias in 0..3 {
                let (said, mut stream) = publisher.accept_request().await;
                let Said::Subscribe { name, .. } = said else { panic!("{said:?}") };
                stream.write(&message(0x04, &[&int(alias), &int(0)])).await;
                // The content of a track is its name.
                let header = [&[0x54][..], &int(alias), &[0, 0, 128]].concat();
                let object = [&int(0)[..], &int(name.len() as u64), name.as_bytes()].concat();
                let mut group = publisher.session.open_uni().await.unwrap();
                group.write_all(&[header, object].concat()).await.unwrap();
                group.finish().unwrap();
                std::mem::forget(stream);
            }
        };
        let watch = async {
            for name in ["catalog.json", "audio/data", "video/hd"] {
                let body =
                    [int(watcher.next_id()), namespace(BROADCAST), text(name), int(0)].concat();
                let mut stream = watcher.request(&message(0x03, &[&body])).await;
                let said = stream.expect_message().await;
                let Said::SubscribeOk { alias, .. } = said else { panic!("{said:?}") };
                let mut group = watcher.session.accept_uni().await.unwrap();
                let bytes = group.read_to_end(1000).await.unwrap();
                assert_eq!(u64::from(bytes[1]), alias);
                assert!(bytes.ends_with(name.as_bytes()), "{name}");
                std::mem::forget(stream);
            }
        };
        tokio::join!(serve, watch);
    });
}

/// SUBSCRIBE_NAMESPACE with the broadcast's own name as its prefix.
async fn interest(page: &mut Page) -> RequestStream {
    let interest = message(0x50, &[&int(page.next_id()), &namespace(BROADCAST), &int(0)]);
    let mut stream = page.request(&interest).await;
    stream.expect_plain_ok().await;
    stream
}
