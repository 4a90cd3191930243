//! What the store says that it holds against what the process really holds.
//!
//! Each scenario runs in a process of its own, because an allocator keeps what was freed.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "figures for people")]

use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use sluice_core::store::{Payloads, SourceRules, StoreLimits, SubgroupStart, TrackStore};
use sluice_proto::model::{
    GroupId, ObjectHead, ObjectId, ObjectStatus, Priority, Properties, SubgroupId, SubgroupIdField,
};

/// What the store counts is at least what the process holds divided by this, and at most
/// `OVERSTATED` times it.
const UNDERSTATED: f64 = 1.1;
const OVERSTATED: f64 = 2.0;

const SCENARIO: &str = "SLUICE_MEMORY_SCENARIO";

fn write(store: &mut TrackStore, group: u64, objects: std::ops::Range<u64>, payload: &Bytes) {
    let source = store.add_source(SourceRules::default());
    let start = SubgroupStart {
        group: GroupId(group),
        subgroup: SubgroupIdField::Id(SubgroupId(0)),
        priority: Some(Priority(128)),
        properties: false,
        end_of_group: true,
        first_object: true,
        order: None,
    };
    let feed = store.begin_subgroup(source, start).expect("well formed");
    let now = Instant::now();
    for object in objects {
        let head = ObjectHead {
            object: ObjectId(object),
            properties: Properties::default(),
            status: ObjectStatus::Normal,
            payload_bytes: payload.len() as u64,
        };
        store.handle_object(feed, &head, now).expect("well formed");
        store.handle_payload(feed, payload).expect("well formed");
    }
    store.finish(feed).expect("well formed");
}

fn store() -> TrackStore {
    TrackStore::new(StoreLimits::default(), Payloads::Copy)
}

/// 100,000 tracks of one object of one byte.
fn many_tracks() -> Vec<TrackStore> {
    (0..100_000)
        .map(|_| {
            let mut store = store();
            write(&mut store, 0, 0..1, &Bytes::from_static(b"x"));
            store
        })
        .collect()
}

/// One track of 200,000 objects of 150 bytes, ten a group, as audio has them.
fn small_objects() -> Vec<TrackStore> {
    let mut store = store();
    let payload = Bytes::from(vec![7; 150]);
    for group in 0..20_000 {
        write(&mut store, group, 0..10, &payload);
    }
    vec![store]
}

/// One group of 100,000 objects of 150 bytes.
fn long_group() -> Vec<TrackStore> {
    let mut store = store();
    write(&mut store, 0, 0..100_000, &Bytes::from(vec![7; 150]));
    vec![store]
}

/// A group for each object.
fn many_groups() -> Vec<TrackStore> {
    let mut store = store();
    for group in 0..50_000 {
        write(&mut store, group, 0..1, &Bytes::from_static(b"x"));
    }
    vec![store]
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).expect("a second field").parse().expect("a number");
    pages * 4096
}

type Scenario = (&'static str, fn() -> Vec<TrackStore>);

const SCENARIOS: [Scenario; 4] = [
    ("100,000 tracks of one object", many_tracks),
    ("objects of 150 bytes", small_objects),
    ("a group of 100,000 objects", long_group),
    ("groups of one object", many_groups),
];

#[test]
fn what_the_store_counts_is_what_the_process_holds() {
    if let Ok(chosen) = std::env::var(SCENARIO) {
        let (_, build) = SCENARIOS[chosen.parse::<usize>().expect("an index")];
        let before = resident_bytes();
        let stores = build();
        let held = resident_bytes().saturating_sub(before);
        let counted: usize = stores.iter().map(TrackStore::used_bytes).sum();
        println!("measured {counted} {held}");
        return;
    }
    let mut wrong = Vec::new();
    for (index, (name, _)) in SCENARIOS.iter().enumerate() {
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["what_the_store_counts", "--nocapture"])
            .env(SCENARIO, index.to_string())
            .output()
            .expect("this test runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|line| line.split_once("measured "));
        let (_, numbers) = line.unwrap_or_else(|| panic!("{name}: {text}"));
        let numbers: Vec<f64> = numbers.split(' ').map(|n| n.parse().expect("a number")).collect();
        let (counted, held) = (numbers[0], numbers[1]);
        println!("{name}: {counted} counted, {held} held, factor {:.2}", counted / held);
        if held > counted * UNDERSTATED || counted > held * OVERSTATED {
            wrong.push(format!("{name}: {counted} counted, {held} held"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
