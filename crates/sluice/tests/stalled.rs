//! A viewer that stops reading costs nobody but itself: a minute of live video through the built
//! relay, with twenty viewers that read and one that does not.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "its figures are for people")]

mod support;

use std::time::Duration;

use sluice_client::{Client, ConnectOptions, Join, Object, PeerLimits, Reader, TrackWriter};
use sluice_proto::model::{
    FullTrackName, GroupId, ObjectStatus, TrackName, TrackNamespace, TrackProperties,
};
use sluice_proto::wire::Draft;
use support::Relay;

const HEALTHY: usize = 20;
const SECONDS: u64 = 60;
/// Pictures a second, a group each second: 4 Mbit/s.
const PICTURES: u64 = 30;
const PICTURE_BYTES: usize = 16_700;
/// Sound frames a second, a group each: 80 kbit/s.
const SOUNDS: u64 = 50;
const SOUND_BYTES: usize = 200;
/// What the relay is told, and what one minute of the video is far beyond times twenty-one.
const MEMORY_MAX_MIB: u64 = 128;

async fn connect(relay: &Relay, index: usize, limits: PeerLimits) -> Client {
    let scheme = if index.is_multiple_of(2) { "moqt" } else { "https" };
    let drafts = [Draft::ALL[index % Draft::ALL.len()]];
    let options = ConnectOptions { limits, ..relay.options(&drafts) };
    Client::connect(&relay.target(scheme), options).await.expect("connected")
}

fn track(name: &str) -> FullTrackName {
    let namespace = TrackNamespace::from_path("live/minute").expect("a namespace");
    FullTrackName::new(namespace, TrackName::new(name.to_owned()).expect("a name"))
        .expect("a track")
}

/// Publishes a second's pictures and sounds, spread over the second.
async fn publish_second(video: &mut TrackWriter, audio: &mut TrackWriter, second: u64) {
    // 150 ticks a second: a picture each 5th, a sound each 3rd.
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / 150));
    tick.tick().await;
    for slot in 0..150 {
        tick.tick().await;
        if slot % (150 / PICTURES) == 0 {
            let object = slot / (150 / PICTURES);
            let picture = Object::new(second, object, vec![second as u8; PICTURE_BYTES]);
            video.write(picture).await.expect("a picture");
        }
        if slot % (150 / SOUNDS) == 0 {
            let group = second * SOUNDS + slot / (150 / SOUNDS);
            audio.write(Object::new(group, 0, vec![0; SOUND_BYTES])).await.expect("a sound");
            audio.end_group(GroupId(group));
        }
    }
    video.end_group(GroupId(second));
}

/// Objects of a track up to its end.
async fn count(reader: &mut Reader) -> u64 {
    let mut objects = 0;
    while let Some(object) = reader.next().await.expect("the track goes on") {
        objects += u64::from(object.status == ObjectStatus::Normal);
    }
    assert!(reader.end().is_some_and(|end| end.complete), "{:?}", reader.end());
    objects
}

#[test]
fn a_viewer_that_stops_reading_costs_the_others_nothing_and_bounded_memory() {
    let memory_max = format!("{MEMORY_MAX_MIB}MiB");
    let relay = Relay::start(&["--memory-max", &memory_max]);
    support::runtime().block_on(async {
        let publisher = connect(&relay, 0, PeerLimits::default()).await;
        let namespace = track("video").namespace().clone();
        publisher.publish_namespace(namespace).await.expect("published");
        let mut video = publisher.open_track(track("video"), TrackProperties::default());
        let mut audio = publisher.open_track(track("audio"), TrackProperties::default());

        let few = PeerLimits { unread_bytes_max: 64 << 10, ..PeerLimits::default() };
        let sleeper = connect(&relay, 1, few).await;
        let mut stalled = sleeper.subscribe(track("video"), Join::NextObject).await.expect("taken");
        let mut healthy = tokio::task::JoinSet::new();
        let mut ready = Vec::new();
        for index in 0..HEALTHY {
            let client = connect(&relay, index, PeerLimits::default()).await;
            let mut pictures = client.subscribe(track("video"), Join::NextObject).await.expect("v");
            let mut sounds = client.subscribe(track("audio"), Join::NextObject).await.expect("a");
            ready.push(client);
            healthy.spawn(async move { tokio::join!(count(&mut pictures), count(&mut sounds)) });
        }
        video.wanted().await.expect("wanted");
        audio.wanted().await.expect("wanted");
        for second in 0..SECONDS {
            publish_second(&mut video, &mut audio, second).await;
        }
        let peak_mib = relay.peak_bytes() >> 20;
        let delivered = HEALTHY as u64 * SECONDS * (PICTURES + SOUNDS);
        let each = relay.processor_time().as_micros() as u64 / delivered;
        println!("relay: {each} us of processor time for each of {delivered} delivered objects");
        println!("relay: peak of {peak_mib} MiB resident, {MEMORY_MAX_MIB} MiB allowed");
        assert!(peak_mib <= MEMORY_MAX_MIB, "{peak_mib} MiB of {MEMORY_MAX_MIB} MiB");

        // Read again, it goes on at the newest group, having missed most of what is older.
        let mut last = 0;
        let mut objects = 0;
        while last < SECONDS {
            let object = stalled.next().await.expect("it goes on").expect("an object");
            objects += 1;
            last = object.location.group.0 + 1;
        }
        println!("the stalled viewer received {objects} of {} objects", SECONDS * PICTURES);
        assert!(objects < SECONDS * PICTURES / 2, "it was stalled and got {objects} objects");

        let ends = async { tokio::join!(video.finish(), audio.finish()) };
        let drained = async { while stalled.next().await.is_ok_and(|object| object.is_some()) {} };
        let (ends, ()) = tokio::join!(ends, drained);
        ends.0.expect("a clean end");
        ends.1.expect("a clean end");
        while let Some(counts) = healthy.join_next().await {
            let expected = (SECONDS * PICTURES, SECONDS * SOUNDS);
            assert_eq!(counts.expect("it reads on"), expected, "a healthy viewer misses nothing");
        }
    });
}
