//! `/api/v1`: what scripts and the dashboard read of a running relay.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;
use sluice_client::{Client, Join, Object, Reader};
use sluice_proto::model::{FullTrackName, TrackName, TrackNamespace, TrackProperties};
use sluice_proto::wire::Draft;
use support::http::{ask, json};
use support::{Relay, runtime};

fn track(name: &str) -> FullTrackName {
    let namespace = TrackNamespace::from_path("live/cam").expect("a namespace");
    FullTrackName::new(namespace, TrackName::new(name.to_owned()).expect("a name")).expect("a name")
}

/// A viewer who has the first object.
async fn viewer(relay: &Relay, scheme: &str, name: &str) -> (Client, Reader) {
    let client = relay.connect(scheme, Draft::ALL[0]).await;
    let mut reader = client.subscribe(track(name), Join::CurrentGroup).await.expect("subscribed");
    reader.next().await.expect("the track goes on").expect("an object");
    (client, reader)
}

/// The rows of a list, asked for `limit` at a time, and the number of answers it took.
fn rows(relay: &Relay, path: &str, limit: usize) -> (Vec<Value>, usize) {
    let (mut all, mut after, mut answers) = (Vec::new(), String::new(), 0);
    loop {
        let part = json(relay, &format!("{path}?limit={limit}{after}"));
        answers += 1;
        let rows = part["rows"].as_array().expect("rows");
        assert!(rows.len() <= limit);
        all.extend(rows.iter().cloned());
        match part["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (all, answers),
        }
    }
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().expect("an id")).collect()
}

#[test]
fn a_script_finds_what_is_live_and_follows_it_to_sessions_and_back() {
    for workers in ["1", "2"] {
        let relay = Relay::start(&["--workers", workers]);
        runtime().block_on(async {
            let publisher = relay.connect("moqt", Draft::ALL[0]).await;
            publisher.publish_namespace(track("video").namespace().clone()).await.unwrap();
            let mut writer = publisher.open_track(track("video"), TrackProperties::default());
            writer.write(Object::new(7, 0, "hello")).await.unwrap();
            let _viewers = [
                viewer(&relay, "https", "video").await,
                viewer(&relay, "moqt", "video").await,
                viewer(&relay, "https", "video").await,
            ];
            let told = json(&relay, "/api/v1/overview");
            assert_eq!((&told["sessions"], &told["tracks"]), (&4.into(), &1.into()), "{told}");
            assert_eq!((&told["publishers"], &told["viewers"]), (&1.into(), &3.into()), "{told}");
            assert_eq!(told["arrived"]["bytes"], 5, "{told}");
            let kinds = told["kinds"].as_array().unwrap();
            let draft = Draft::ALL[0].to_string();
            assert!(kinds.iter().all(|kind| kind["draft"] == *draft), "{told}");
            assert_eq!(kinds.iter().filter(|kind| kind["sessions"] == 2).count(), 2, "{told}");
            let limits = told["limits"].as_array().unwrap();
            for name in ["connections_max", "store_bytes_max", "held_bytes_max", "tracks_max"] {
                let limit = limits.iter().find(|limit| limit["name"] == name);
                let limit = limit.unwrap_or_else(|| panic!("no {name}: {told}"));
                let (used, max) = (limit["used"].as_u64().unwrap(), limit["max"].as_u64().unwrap());
                assert!(used > 0 && used < max, "{limit}");
            }
            let (namespaces, _) = rows(&relay, "/api/v1/namespaces", 10);
            assert_eq!(ids(&namespaces), ["live/cam"]);
            let (tracks, _) = rows(&relay, "/api/v1/tracks", 10);
            assert_eq!(ids(&tracks), ["live/cam--video"]);
            assert_eq!(tracks[0]["largest"]["group"], 7);
            let one = json(&relay, "/api/v1/tracks/live/cam--video");
            assert_eq!((&one["viewers"], &one["waiting"]), (&3.into(), &0.into()), "{one}");
            let source = one["publishing"][0]["session"].as_str().unwrap();
            let source = json(&relay, &format!("/api/v1/sessions/{source}"));
            assert_eq!((&source["carrier"], &source["publishes"]), (&"quic".into(), &1.into()));
            assert!(source["rtt_ms"].as_f64().is_some(), "{source}");
            let of_source = source["requests"].as_array().unwrap();
            let back = of_source.iter().find(|request| request["kind"] == "publishes").unwrap();
            assert_eq!(back["track_id"], "live/cam--video");
            let (watching, answers) = rows(&relay, "/api/v1/viewers/live/cam--video", 2);
            assert_eq!((watching.len(), answers), (3, 2));
            assert!(watching.iter().all(|viewer| viewer["state"] == "live"));
            let (sessions, _) = rows(&relay, "/api/v1/sessions", 2);
            let mut known = ids(&sessions);
            known.sort_unstable();
            known.dedup();
            assert_eq!(known.len(), 4, "each once: {sessions:?}");
        });
    }
}

#[test]
fn tracks_are_listed_in_parts_in_order_and_each_once() {
    let relay = Relay::start(&["--workers", "2"]);
    runtime().block_on(async {
        let publishers = [
            relay.connect("moqt", Draft::ALL[0]).await,
            relay.connect("https", Draft::ALL[0]).await,
        ];
        let mut open = Vec::new();
        let mut expected = Vec::new();
        for number in 0..25 {
            let name = format!("track{number:02}");
            expected.push(format!("live/cam--{name}"));
            let publisher = &publishers[number % 2];
            let mut writer = publisher.open_track(track(&name), TrackProperties::default());
            writer.offer().await.expect("the relay takes it");
            open.push(writer);
        }
        let (found, answers) = rows(&relay, "/api/v1/tracks", 10);
        assert_eq!((ids(&found), answers), (expected.iter().map(String::as_str).collect(), 3));
        drop(open);
    });
}

#[test]
fn a_viewer_of_nothing_is_among_the_faults_with_address_track_and_reason() {
    let relay = Relay::start(&[]);
    let mut events = BufReader::new(TcpStream::connect(relay.address).unwrap());
    let asked = "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    events.get_mut().write_all(asked.as_bytes()).unwrap();
    let mut lines = events.lines().map(|line| line.expect("the stream goes on"));
    // Its first sample shows that it listens.
    let sample = lines.find(|line| line.starts_with("data: ")).expect("a sample");
    let sample: Value = serde_json::from_str(&sample[6..]).unwrap();
    assert_eq!((&sample["sessions"], &sample["faults"]), (&0.into(), &0.into()));
    runtime().block_on(async {
        let client = relay.connect("moqt", Draft::ALL[0]).await;
        assert!(client.subscribe(track("nobody's"), Join::NextObject).await.is_err());
    });
    let _ = lines.find(|line| line == "event: fault").expect("it is told");
    let told = lines.find(|line| line.starts_with("data: ")).expect("what it was");
    let told: Value = serde_json::from_str(&told[6..]).unwrap();
    assert_eq!(told["kind"], "not published", "{told}");
    assert_eq!(told["track"], "live/cam--nobody\\'s");
    assert!(told["remote"].as_str().unwrap().starts_with("127.0.0.1:"), "{told}");
    let kept = json(&relay, "/api/v1/faults");
    assert_eq!(kept["rows"][0], told);
    let later = format!("/api/v1/faults?after={}", told["number"]);
    assert_eq!(json(&relay, &later)["rows"], Value::Array(Vec::new()));
}

#[test]
fn what_is_asked_wrongly_is_answered_with_what_is_right() {
    let relay = Relay::start(&[]);
    for (path, status) in [
        ("/api/v1/tracks?limit=0", 400),
        ("/api/v1/tracks?limit=501", 400),
        ("/api/v1/tracks?after=nothing", 400),
        ("/api/v1/tracks?order=size", 400),
        ("/api/v1/tracks/live/cam--none", 404),
        ("/api/v1/sessions/0:99.1", 404),
        ("/api/v1/sessions/7:0.1", 503),
        ("/api/v1/nothing", 404),
    ] {
        assert_eq!(ask(&relay, path, "").status, status, "{path}");
    }
    let foreign = "Host: attacker.example\r\n";
    for path in ["/api/v1/overview", "/api/v1/events", "/api/v1/sessions"] {
        assert_eq!(ask(&relay, path, foreign).status, 404, "{path} is for this machine");
    }
    let open = Relay::start(&["--api"]);
    assert_eq!(ask(&open, "/api/v1/overview", foreign).status, 200);
}
