//! `--memory-max` is true of the process, whatever peers do.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "figures for people")]

use std::time::{Duration, Instant};

use sluice_proto::wire::Draft;

use crate::attacker::{
    Attacker, Carrier, digits, long_namespace, message, object, request_id, subgroup,
};
use crate::support::{self, Relay};

/// Long enough to hold whatever a peer sends, were it held.
const FILLING: Duration = Duration::from_secs(8);
const TRACKS: u64 = 50;
const MEMORY_MAX: u64 = 96 << 20;

/// PUBLISH of track `index` of publisher `who` under an alias one larger.
fn publish(draft: Draft, who: usize, index: u64) -> Vec<u8> {
    let (id, alias) = (request_id(draft, 2 * index), digits(draft, index + 1));
    let rest = if draft == Draft::D14 { "01 00 01 00" } else { "00" };
    message(0x1D, &format!("{id} 01 0161 03 {who:02X}{index:04X} {alias} {rest}"))
}

/// SUBSCRIBE to it, as request number `request`.
fn subscribe(draft: Draft, request: u64, who: u64, index: u64) -> Vec<u8> {
    let id = request_id(draft, 2 * request);
    let rest = if draft == Draft::D14 { "80 00 01 02 00" } else { "00" };
    message(0x03, &format!("{id} 01 0161 03 {who:02X}{index:04X} {rest}"))
}

/// Publishes far more than fits: many tracks, large groups, streams left open.
async fn publisher(relay: &Relay, who: usize, until: Instant) {
    let draft = Draft::ALL[who % Draft::ALL.len()];
    let carrier = if who.is_multiple_of(2) { Carrier::Quic } else { Carrier::WebTransport };
    let mut peer = Attacker::ready(relay, carrier, draft).await;
    for index in 0..TRACKS {
        peer.write_request(&publish(draft, who, index)).await;
    }
    let mut group = 0;
    let flood = async {
        loop {
            flood_group(&mut peer, draft, group).await;
            group += 1;
        }
    };
    let _ = tokio::time::timeout(until - Instant::now(), flood).await;
}

/// A group of every track, some of whose streams stay open.
async fn flood_group(peer: &mut Attacker, draft: Draft, group: u64) {
    for alias in 1..=TRACKS {
        let size = if alias.is_multiple_of(2) { 150 } else { 60_000 };
        let mut bytes = subgroup(draft, alias, group);
        for _ in 0..4 {
            bytes.extend(object(draft, size));
        }
        peer.write_uni(&bytes).await;
        let stays_open = alias < 8 && group.is_multiple_of(4);
        if !stays_open && let Some(mut stream) = peer.unis.pop() {
            let _ = stream.finish();
        }
    }
}

/// Subscribes to everything that is published and reads nothing.
async fn sleeper(relay: &Relay, who: usize, until: Instant) {
    let draft = Draft::ALL[who % Draft::ALL.len()];
    let carrier = if who.is_multiple_of(2) { Carrier::WebTransport } else { Carrier::Quic };
    let mut peer = Attacker::ready(relay, carrier, draft).await;
    for request in 0..4 * TRACKS {
        let bytes = subscribe(draft, request, request % 4, request / 4);
        peer.write_request(&bytes).await;
    }
    let _ = tokio::time::timeout(until - Instant::now(), peer.session.closed()).await;
}

/// Names of the largest size in requests that never end, and streams of tracks that never come.
async fn hoarder(relay: &Relay, who: usize, until: Instant) {
    let draft = Draft::ALL[who % Draft::ALL.len()];
    let mut peer = Attacker::ready(relay, Carrier::Quic, draft).await;
    let hoard = async {
        for index in 0..1000 {
            peer.write_request(&long_namespace(draft, index)).await;
        }
        for _ in 0..400 {
            let bytes = [subgroup(draft, 4000, 0), object(draft, 20_000)].concat();
            peer.write_uni(&bytes).await;
        }
        peer.session.closed().await
    };
    // Where the relay grants no more credit, writing waits.
    let _ = tokio::time::timeout(until - Instant::now(), hoard).await;
}

#[test]
fn a_relay_filled_in_every_way_at_once_stays_under_its_number() {
    let relay = Relay::start(&["--memory-max", "96MiB"]);
    let idle = relay.peak_bytes();
    let until = Instant::now() + FILLING;
    support::runtime().block_on(async {
        let publishers = async {
            tokio::join!(
                publisher(&relay, 0, until),
                publisher(&relay, 1, until),
                publisher(&relay, 2, until),
                publisher(&relay, 3, until),
            )
        };
        let sleepers = async {
            tokio::join!(
                sleeper(&relay, 0, until),
                sleeper(&relay, 1, until),
                sleeper(&relay, 2, until),
                sleeper(&relay, 3, until),
            )
        };
        let hoarders = async {
            tokio::join!(
                hoarder(&relay, 0, until),
                hoarder(&relay, 1, until),
                hoarder(&relay, 2, until),
                hoarder(&relay, 3, until),
            )
        };
        let _ = tokio::join!(publishers, sleepers, hoarders);
    });
    let peak = relay.peak_bytes();
    println!(
        "{} KiB idle, {} KiB at most, {} KiB allowed",
        idle >> 10,
        peak >> 10,
        MEMORY_MAX >> 10
    );
    assert!(peak < MEMORY_MAX, "{} KiB of {} KiB", peak >> 10, MEMORY_MAX >> 10);
    relay.logged(&["given up for memory"]);
}
