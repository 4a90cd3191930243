//! `sluice bench` against the built relay: what it counts is what was sent.

mod support;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::Relay;
use support::http::json;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.arg("bench").args(["--warmup", "200ms", "--duration", "1s"]).args(arguments);
    command.output().expect("the tool starts")
}

/// Runs it and reads its JSON.
fn results(arguments: &[&str]) -> Vec<Value> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("a path of text");
    let output = bench(&[arguments, &["--json", path]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let text = std::fs::read_to_string(path).expect("the results");
    serde_json::from_str(&text).expect("a list of results")
}

#[test]
fn every_object_is_counted_over_both_transports() {
    let relay = Relay::start(&[]);
    for scheme in ["moqt", "https"] {
        let url = relay.url(scheme);
        let load = ["--viewers", "5", "--tracks", "3", "--tracks-per-viewer", "2"];
        let group = ["--group-objects", "7"];
        let results = results(&[&[url.as_str()], &load[..], &group[..]].concat());
        let [result] = &results[..] else { panic!("one result: {results:?}") };
        for fault in ["lost", "duplicates", "reordered", "resets", "failed"] {
            assert_eq!(result[fault], 0, "{scheme} {fault}");
        }
        let objects = result["objects"].as_u64().expect("a number");
        // Five viewers of two tracks of 50 objects, for about a second.
        assert!(objects >= 250, "{scheme}: {objects}");
        assert_eq!(result["bytes"].as_u64(), Some(objects * 1200), "{scheme}");
        assert_eq!(result["latency"]["count"].as_u64(), Some(objects), "{scheme}");
    }
}

#[test]
fn datagrams_guests_and_slow_viewers_are_loads_too() {
    let relay = Relay::start(&[]);
    let url = relay.url("moqt");
    let datagrams = results(&[&url, "--viewers", "3", "--datagrams", "--object-bytes", "100"]);
    assert!(datagrams[0]["objects"].as_u64().expect("a number") > 0);
    let mixed = results(&[&url, "--viewers", "3", "--joins", "10", "--slow-viewers", "2"]);
    assert_eq!(mixed[0]["lost"], 0, "who reads misses nothing");
    assert!(mixed[0]["join"]["count"].as_u64().expect("a number") > 0, "guests came");
}

#[test]
fn who_does_not_read_is_told_apart_from_who_does() {
    let relay = Relay::start(&[]);
    let url = relay.url("moqt");
    let strange = ["--slow-viewers", "2", "--slow-bytes", "4000", "--stopping-viewers", "2"];
    let others = ["--viewers", "3", "--joins", "10", "--group-objects", "10"];
    let all = [&[url.as_str()], &strange[..], &others[..]].concat();
    let result = &results(&all)[0];
    for fault in ["lost", "duplicates", "reordered", "resets", "failed"] {
        assert_eq!(result[fault], 0, "{fault} of who reads: {result}");
    }
    assert_eq!(result["guests"]["lost"], 0, "{result}");
    let count = |pointer: &str| {
        result.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}"))
    };
    assert!(count("/stopping/objects") > 0, "the first of each group came: {result}");
    let each = count("/latency/count") / 3;
    assert!(count("/stopping/objects") / 2 < each, "and not all of the others: {result}");
    assert_eq!(count("/first_object/count"), count("/join/count"), "{result}");
    assert!(count("/first_object/p50_us") <= count("/join/p50_us"), "{result}");
}

#[test]
fn fetch_readers_get_every_group_as_it_was() {
    let relay = Relay::start(&[]);
    for drafts in ["14", "18", "22"] {
        let load = ["--viewers", "2", "--tracks", "2", "--fetch-readers", "3", "--drafts", drafts];
        let url = relay.url("moqt");
        let result = &results(&[&[url.as_str()], &load[..], &["--group-objects", "7"]].concat())[0];
        let fetches = &result["fetches"];
        assert_eq!((&result["failed"], &fetches["wrong"]), (&0.into(), &0.into()), "{result}");
        let groups = fetches["groups"].as_u64().expect("a number");
        assert!(groups > 3, "{drafts}: {result}");
        assert_eq!(fetches["objects"].as_u64(), Some(groups * 7), "{drafts}: {result}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn idle_viewers_and_tracks_get_nothing_and_their_memory_is_told() {
    let relay = Relay::start(&[]);
    let (url, pid) = (relay.url("moqt"), relay.id().to_string());
    let load = ["--idle", "--viewers", "4", "--tracks", "20", "--tracks-per-viewer", "5"];
    let result = &results(&[&[url.as_str(), "--pid", &pid], &load[..]].concat())[0];
    assert_eq!((&result["objects"], &result["failed"]), (&0.into(), &0.into()), "{result}");
    let memory = |name: &str| result["cost"][name].as_u64().expect("a number");
    assert!(memory("idle_bytes") > memory("empty_bytes"), "{result}");
}

/// The relay would hold a session that nobody closed for 30 s.
#[test]
fn a_run_leaves_no_session_behind_for_the_next_to_meet() {
    let relay = Relay::start(&[]);
    for scheme in ["moqt", "https"] {
        for run in 1..=2 {
            let url = relay.url(scheme);
            let all = ["--viewers", "3", "--slow-viewers", "2", "--joins", "5", "--threads", "2"];
            let little = ["--rate", "5"];
            let result = &results(&[&[url.as_str()], &all[..], &little].concat())[0];
            assert_eq!((&result["lost"], &result["failed"]), (&0.into(), &0.into()), "{result}");
            let patience = Instant::now() + Duration::from_secs(20);
            while json(&relay, "/api/v1/overview")["sessions"] != 0 {
                assert!(Instant::now() < patience, "{scheme}, run {run} left sessions behind");
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn two_relays_are_measured_in_turns_and_what_they_cost_is_told() {
    let (first, second) = (Relay::start(&[]), Relay::start(&[]));
    let (url, other) = (first.url("moqt"), second.url("moqt"));
    let (pid, other_pid) = (first.id().to_string(), second.id().to_string());
    let pids = ["--pid", &pid, "--against-pid", &other_pid];
    let load = ["--viewers", "4", "--rounds", "2"];
    let output = bench(&[&[url.as_str(), "--against", &other], &pids[..], &load[..]].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("us of CPU per object").count(), 4, "{said}");
    assert!(said.contains("first relay against the second, 2 rounds"), "{said}");
}

#[test]
fn a_relay_that_is_not_there_is_named_in_one_line() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let url = format!("moqt://{}/moq", free.local_addr().expect("its address"));
    let output = bench(&[&url, "--insecure", "--connect-timeout", "1s"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("0 of 1 publishers are there"), "{said}");
}
