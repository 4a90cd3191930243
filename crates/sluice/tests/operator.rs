//! What whoever runs the relay sees: mistakes that are explained, and an end that is one.

mod support;

use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sluice_client::{Client, Join, Object, Reader, Target};
use sluice_net::dev_certificate::DevCertificate;
use sluice_proto::model::{
    FullTrackName, GroupId, ObjectStatus, TrackName, TrackNamespace, TrackProperties,
};
use sluice_proto::wire::Draft;
use support::{Relay, pem};

fn relay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluice"))
        .arg("relay")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the command starts")
}

/// Runs a relay that cannot start, and gives its complaint.
fn complaint(arguments: &[&str]) -> String {
    let output = relay(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    text.trim_end().to_owned()
}

#[test]
fn a_taken_port_is_one_line_with_a_cure() {
    let first = Relay::start(&[]);
    let address = first.address.to_string();
    assert_eq!(
        complaint(&["--listen", &address]),
        format!(
            "sluice: UDP {address} is in use by another process; stop the other process, or choose \
             another port with --listen ADDR:PORT"
        )
    );
}

#[test]
fn an_address_of_another_machine_is_one_line_with_a_cure() {
    let text = complaint(&["--listen", "192.0.2.1:4433"]);
    assert!(text.starts_with("sluice: UDP cannot listen on 192.0.2.1:4433: "), "{text}");
    assert!(text.ends_with("; choose another address with --listen ADDR:PORT"), "{text}");
}

#[test]
fn certificates_that_cannot_be_used_say_which_file_and_why() {
    let now = std::time::SystemTime::now();
    let [one, other] = [(); 2].map(|()| DevCertificate::generate(now, &[]).expect("made"));
    let chain = pem("CERTIFICATE", &one.certificate);
    let key = pem("PRIVATE KEY", other.key.secret_der());
    let name = |file: &tempfile::NamedTempFile| file.path().to_str().expect("a name").to_owned();
    let (chain, key) = (name(&chain), name(&key));
    assert_eq!(
        complaint(&["--listen", "127.0.0.1:0", "--tls-cert", &chain, "--tls-key", &key]),
        format!(
            "sluice: --tls-key {key} is not the key of --tls-cert {chain}; the chain has to begin \
             with the certificate that the key belongs to"
        )
    );
    let missing = complaint(&["--tls-cert", "/no/such/file", "--tls-key", &key]);
    assert!(missing.starts_with("sluice: --tls-cert: cannot read /no/such/file: "), "{missing}");
    let swapped = complaint(&["--tls-cert", &key, "--tls-key", &chain]);
    assert_eq!(swapped, format!("sluice: --tls-cert: {key} holds no certificate in PEM"));
    let half = complaint(&["--tls-cert", &chain]);
    assert_eq!(half, "sluice: --tls-cert needs --tls-key FILE with its private key");
}

#[test]
fn wrong_settings_say_where_what_and_what_is_expected() {
    assert_eq!(
        complaint(&["--memory-max", "lots"]),
        "sluice: --memory-max = \"lots\": expected a size such as 512MiB, 4GiB or 65536"
    );
    assert_eq!(
        complaint(&["--memory-max", "1MiB"]),
        "sluice: --memory-max 1MiB: expected at least 64MiB, of which the program itself takes \
         32MiB"
    );
    let missing = complaint(&["--config", "/no/such/file.toml"]);
    assert!(missing.starts_with("sluice: cannot read /no/such/file.toml: "), "{missing}");
}

#[test]
fn help_names_every_setting_with_its_default() {
    let output = relay(&["--help"]);
    // Lines are broken to fit.
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["--listen", "--memory-max", "[default: 1GiB]", "--drain", "SLUICE_TLS_CERT"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn the_sum_of_memory_is_printed_at_the_start() {
    let relay = Relay::start(&["--memory-max", "1GiB"]);
    let line =
        relay.said.iter().find(|line| line.starts_with("memory at most 1GiB: program 32MiB"));
    let line = line.unwrap_or_else(|| panic!("{:?}", relay.said));
    for part in ["store ", " connections of ", "tables ", "publisher windows "] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_wildcard_address_takes_both_families() {
    let relay = Relay::start_on("[::]:0", &[]);
    let port = relay.address.port();
    support::runtime().block_on(async {
        for host in ["127.0.0.1", "[::1]"] {
            // A machine without IPv6 cannot be asked for it.
            if host == "[::1]" && UdpSocket::bind("[::1]:0").is_err() {
                continue;
            }
            let target: Target = format!("moqt://{host}:{port}").parse().expect("a target");
            let client = Client::connect(&target, relay.options(&Draft::ALL[..1])).await;
            client.unwrap_or_else(|error| panic!("{host}: {error}")).close().await;
        }
    });
}

#[test]
fn without_its_tcp_port_the_relay_works_and_says_what_is_missing() {
    // A UDP port that is free while its TCP port is not.
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = tcp.local_addr().expect("an address").to_string();
    let relay = Relay::start_on(&address, &[]);
    relay.logged(&["/certificate.sha256 is not served"]);
    assert!(!relay.said.iter().any(|line| line.contains("/certificate.sha256")));
    support::runtime().block_on(async {
        relay.connect("moqt", Draft::ALL[0]).await.close().await;
    });
}

fn track(name: &str) -> FullTrackName {
    let namespace = TrackNamespace::from_path("live/cam").expect("a namespace");
    FullTrackName::new(namespace, TrackName::new(name.to_owned()).expect("a name")).expect("a name")
}

/// The next object that is one, and no mark.
#[cfg(unix)]
async fn payload(reader: &mut Reader) -> bytes::Bytes {
    loop {
        let object = reader.next().await.expect("the track goes on").expect("an object");
        if object.status == ObjectStatus::Normal {
            return object.payload;
        }
    }
}

#[cfg(unix)]
fn signal(relay: &Relay) {
    let sent = Command::new("kill").args(["-TERM", &relay.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// A track goes on after SIGTERM until it is over; then the relay ends without error.
#[cfg(unix)]
async fn drain(scheme: &str, draft: Draft) {
    let mut relay = Relay::start(&["--drain", "20s", "--goaway-uri", "https://other.example/"]);
    let publisher = relay.connect(scheme, draft).await;
    publisher.publish_namespace(track("v").namespace().clone()).await.expect("published");
    let mut writer = publisher.open_track(track("v"), TrackProperties::default());
    writer.write(Object::new(0, 0, "before")).await.expect("written");
    let viewer = relay.connect(scheme, draft).await;
    let mut reader = viewer.subscribe(track("v"), Join::CurrentGroup).await.expect("subscribed");
    assert_eq!(&payload(&mut reader).await[..], b"before");

    signal(&relay);
    relay.logged(&["draining"]);
    for client in [&publisher, &viewer] {
        let uri = client.going_away().await;
        assert_eq!(uri.as_deref(), Some("https://other.example/"), "{scheme} {draft}");
    }
    let refused = viewer.subscribe(track("w"), Join::NextObject).await;
    assert!(refused.is_err(), "{scheme} {draft}: a new request while draining");
    let late = Client::connect(&relay.target(scheme), relay.options(&[draft])).await;
    assert!(late.is_err(), "{scheme} {draft}: a new connection while draining");

    writer.end_group(GroupId(0));
    writer.write(Object::new(1, 0, "after")).await.expect("written while draining");
    assert_eq!(&payload(&mut reader).await[..], b"after", "{scheme} {draft}");
    let finish = writer.finish();
    let rest = async { while reader.next().await.expect("goes on").is_some() {} };
    let (finished, ()) = tokio::join!(finish, rest);
    finished.expect("a clean end");
    assert!(reader.end().is_some_and(|end| end.complete), "{scheme} {draft}");
    let code = tokio::task::spawn_blocking(move || relay.wait()).await.expect("waited");
    assert_eq!(code, Some(0), "{scheme} {draft}");
}

#[cfg(unix)]
#[test]
fn draining_lets_running_tracks_end_and_refuses_everything_new() {
    support::runtime().block_on(async {
        for scheme in ["moqt", "https"] {
            for draft in Draft::ALL {
                let drained = tokio::time::timeout(Duration::from_secs(20), drain(scheme, draft));
                drained.await.unwrap_or_else(|_| panic!("{scheme} {draft} takes too long"));
            }
        }
    });
}

#[cfg(unix)]
#[test]
fn when_the_time_for_draining_is_over_viewers_are_told_and_the_relay_ends() {
    support::runtime().block_on(async {
        for draft in Draft::ALL {
            let mut relay = Relay::start(&["--drain", "200ms"]);
            let publisher = relay.connect("moqt", draft).await;
            publisher.publish_namespace(track("v").namespace().clone()).await.expect("published");
            let mut writer = publisher.open_track(track("v"), TrackProperties::default());
            writer.write(Object::new(0, 0, "live")).await.expect("written");
            let viewer = relay.connect("https", draft).await;
            let reader = viewer.subscribe(track("v"), Join::CurrentGroup).await;
            let mut reader = reader.expect("subscribed");
            reader.next().await.expect("goes on").expect("an object");
            signal(&relay);
            // PUBLISH_DONE, and not a lost connection.
            while reader.next().await.expect("an end without error").is_some() {}
            assert!(reader.end().is_some(), "draft {draft}");
            let code = tokio::task::spawn_blocking(move || relay.wait()).await.expect("waited");
            assert_eq!(code, Some(0), "draft {draft}");
        }
    });
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_at_once() {
    let mut relay = Relay::start(&["--drain", "1h"]);
    support::runtime().block_on(async {
        let client = relay.connect("moqt", Draft::ALL[0]).await;
        client.publish_namespace(track("v").namespace().clone()).await.expect("published");
        let mut writer = client.open_track(track("v"), TrackProperties::default());
        writer.write(Object::new(0, 0, "live")).await.expect("written");
        let reader = client.subscribe(track("v"), Join::CurrentGroup).await;
        let _reader = reader.expect("subscribed");
        signal(&relay);
        relay.logged(&["draining"]);
        signal(&relay);
        let code = tokio::task::spawn_blocking(move || relay.wait()).await.expect("waited");
        assert_eq!(code, Some(130));
    });
}

#[test]
fn a_viewer_of_what_nobody_publishes_is_told_once_in_the_log() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let viewer = relay.connect("https", Draft::ALL[0]).await;
        for name in ["one", "two"] {
            let refused = viewer.subscribe(track(name), Join::NextObject).await;
            assert!(refused.is_err());
        }
        let line = relay.logged(&["nobody publishes this track"]);
        assert!(line.contains("track=live/cam--one") && line.contains("remote="), "{line}");
        assert_eq!(relay.lines_with(&["nobody publishes this track"]), 1);
        viewer.close().await;
    });
}

#[test]
fn a_client_that_asks_for_nothing_is_told_once_in_the_log() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let busy = relay.connect("moqt", Draft::ALL[0]).await;
        busy.publish_namespace(track("v").namespace().clone()).await.expect("published");
        let quiet = relay.connect("moqt", Draft::ALL[0]).await;
        relay.logged(&["has asked for nothing"]);
        assert_eq!(relay.lines_with(&["has asked for nothing"]), 1);
        quiet.close().await;
        busy.close().await;
    });
}
