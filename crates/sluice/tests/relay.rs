//! What the built relay promises to whoever connects: which draft is spoken, who sees whom, and
//! how a browser learns the development certificate.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use sluice_client::{Client, ConnectError, Join, Object, Target, TrackWriter};
use sluice_proto::model::{FullTrackName, TrackName, TrackNamespace, TrackProperties};
use sluice_proto::wire::Draft;
use support::Relay;

async fn connect(
    relay: &Relay,
    scheme: &str,
    path: &str,
    drafts: &[Draft],
) -> Result<Client, ConnectError> {
    let target: Target = format!("{scheme}://{}{path}", relay.address).parse().expect("a target");
    Client::connect(&target, relay.options(drafts)).await
}

async fn join(relay: &Relay, scheme: &str, path: &str) -> Client {
    connect(relay, scheme, path, &Draft::ALL).await.expect("the relay takes it")
}

fn camera() -> FullTrackName {
    let namespace = TrackNamespace::from_path("live/cam").expect("a namespace");
    FullTrackName::new(namespace, TrackName::new("video").expect("a name")).expect("a full name")
}

/// A publisher of one object.
async fn publish(client: &Client, text: &'static str) -> TrackWriter {
    client.publish_namespace(camera().namespace().clone()).await.expect("published");
    let mut writer = client.open_track(camera(), TrackProperties::default());
    writer.write(Object::new(0, 0, text)).await.expect("written");
    writer
}

/// The first object that a viewer gets.
async fn watch(client: &Client) -> String {
    let mut reader = client.subscribe(camera(), Join::CurrentGroup).await.expect("subscribed");
    let object = reader.next().await.expect("the track goes on").expect("an object");
    String::from_utf8(object.payload.to_vec()).expect("text")
}

#[test]
fn the_newest_draft_that_both_know_is_spoken() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        for scheme in ["moqt", "https"] {
            for (index, newest) in Draft::ALL.iter().enumerate() {
                // Offered oldest first: the order of the offer does not decide.
                let offered: Vec<Draft> = Draft::ALL[index..].iter().rev().copied().collect();
                let client = connect(&relay, scheme, "/moq", &offered).await.expect("connected");
                assert_eq!(client.draft(), Some(*newest), "{scheme}");
                client.close().await;
            }
        }
    });
}

#[test]
fn a_relay_that_is_limited_to_some_drafts_speaks_no_other() {
    let (oldest, others) = Draft::ALL.split_last().expect("drafts");
    let relay = Relay::start(&["--drafts", &oldest.to_string()]);
    support::runtime().block_on(async {
        for scheme in ["moqt", "https"] {
            let both = connect(&relay, scheme, "/moq", &Draft::ALL).await.expect("connected");
            assert_eq!(both.draft(), Some(*oldest), "{scheme}");
            both.close().await;
            let refused = connect(&relay, scheme, "/moq", others).await;
            assert!(refused.is_err(), "{scheme}: nothing in common");
        }
    });
}

#[test]
fn every_path_is_one_scope_unless_the_relay_is_told_otherwise() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let publisher = join(&relay, "https", "/moq").await;
        let _writer = publish(&publisher, "hello").await;
        for (scheme, path) in [("https", "/"), ("https", "/anything/else?x=1"), ("moqt", "/a")] {
            let viewer = join(&relay, scheme, path).await;
            assert_eq!(watch(&viewer).await, "hello", "{scheme} {path}");
        }
    });
}

#[test]
fn tracks_of_two_scopes_never_mix() {
    let relay = Relay::start(&["--scoped"]);
    support::runtime().block_on(async {
        let red = join(&relay, "https", "/red").await;
        let blue = join(&relay, "moqt", "/blue").await;
        let _red = publish(&red, "red").await;
        let _blue = publish(&blue, "blue").await;
        // The same path is the same scope over both transports.
        for scheme in ["https", "moqt"] {
            assert_eq!(watch(&join(&relay, scheme, "/red").await).await, "red");
            assert_eq!(watch(&join(&relay, scheme, "/blue").await).await, "blue");
        }
        let green = join(&relay, "https", "/green").await;
        let refused = green.subscribe(camera(), Join::NextObject).await;
        assert!(refused.is_err(), "nobody publishes in this scope");
    });
}

#[test]
fn a_page_learns_the_certificate_hash_over_http() {
    let relay = Relay::start(&[]);
    let mut stream = TcpStream::connect(relay.address).expect("the port answers on TCP too");
    write!(
        stream,
        "GET /certificate.sha256 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("access-control-allow-origin: *"), "pages of any origin read it: {head}");
    let hash: String = relay.certificate.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(body.trim(), hash);
}
