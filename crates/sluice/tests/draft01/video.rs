//! A video by ffmpeg from a tool of the newest draft to a viewer of 2024, and from a publisher of 2024
//! to a tool of the newest draft: every frame decodes to the same picture.

use std::collections::BTreeMap;
use std::path::Path;

use ::bytes::Bytes;
use sluice_client::Join;
use sluice_media::catalog::{self, CatalogMessage};
use sluice_proto::model::{FullTrackName, TrackName, TrackNamespace};
use sluice_proto::wire::Draft;

use crate::bytes::{self, PUBLISHER, SUBSCRIBER};
use crate::page::{Page, within_patience};
use crate::support::Relay;
use crate::support::ffmpeg::{self, EVERY_FRAME, H264, picture};
use crate::support::tool::{Tool, scratch};

/// Objects of a track by group and object.
type Objects = BTreeMap<(u64, u64), Vec<u8>>;

/// Takes so many frames of a broadcast of the tool, and its catalog.
async fn watch(relay: &Relay, source: &Path, frames: usize) -> (Bytes, Objects) {
    let url = relay.url("moqt");
    let newest = Draft::ALL[0];
    let draft = newest.to_string();
    let publish = ["publish", &url, "--drafts", &draft, "--unpaced", "--wait-subscriber"];
    let file = source.to_str().expect("a path of text");
    let publisher = Tool::start([&publish[..], &[file, "--namespace", "film"]].concat());
    // Its catalog was said before anyone asked, and a viewer of 2024 cannot ask for that.
    let viewer = relay.connect("https", newest).await;
    let mut catalogs = loop {
        let catalog = track(catalog::TRACK_NAME);
        if let Ok(reader) = viewer.subscribe(catalog, Join::CurrentGroup).await {
            break reader;
        }
    };
    let catalog = catalogs.next().await.unwrap().expect("a catalog").payload;
    let mut player = Page::open(relay, SUBSCRIBER).await;
    player.subscribe("film", "video0").await;
    let mut video = Objects::new();
    while video.len() < frames {
        let object = player.object().await;
        assert_eq!(video.insert(object.at, object.read), None, "every object once");
    }
    // It waits until what it sent was taken.
    viewer.close().await;
    tokio::task::spawn_blocking(|| publisher.end_with(0)).await.expect("the publisher ends");
    (catalog, video)
}

fn track(name: &str) -> FullTrackName {
    let namespace = TrackNamespace::from_path("film").unwrap();
    FullTrackName::new(namespace, TrackName::new(name.to_owned()).unwrap()).unwrap()
}

/// Publishes what was watched to a tool that writes it to a file.
async fn send(relay: &Relay, catalog: &Bytes, video: &Objects, out: &Path) {
    let mut encoder = Page::open(relay, PUBLISHER).await;
    encoder.announce("again", None).await;
    let url = relay.url("https");
    let newest = Draft::ALL[0].to_string();
    let subscribe = ["subscribe", &url, "--drafts", &newest, "--namespace", "again", "-o"];
    let file = out.to_str().expect("a path of text");
    let viewer = Tool::start([&subscribe[..], &[file]].concat());
    encoder.accept("again", catalog::TRACK_NAME, 0).await;
    encoder.send(0, (1, 0), 0, catalog).await;
    encoder.accept("again", "video0", 1).await;
    // Each frame is sent when a second viewer has the one before it.
    let mut witness = Page::open(relay, SUBSCRIBER).await;
    witness.say(&bytes::subscribe_at("again", "video0", bytes::FROM_NOW, None)).await;
    witness.subscribed("again", "video0").await;
    for (order, (at, frame)) in (0..).zip(video) {
        encoder.send(1, *at, order, frame).await;
        assert_eq!(&witness.object().await.read, frame);
    }
    let last = video.last_key_value().expect("frames").0;
    encoder.say(&bytes::subscribe_fin("again", "video0", last.0, last.1)).await;
    encoder.say(&bytes::subscribe_fin("again", catalog::TRACK_NAME, 1, 0)).await;
    tokio::task::spawn_blocking(|| viewer.end_with(0)).await.expect("the viewer ends");
}

/// The pictures that a viewer of 2024 can show: initialization from the catalog, then fragments.
fn assembled(catalog: &Bytes, video: &Objects) -> Vec<u8> {
    let Ok(CatalogMessage::Full(catalog)) = CatalogMessage::decode(catalog) else {
        panic!("the first object is a whole catalog");
    };
    let track = catalog.tracks.iter().find(|track| track.name == "video0").expect("a video");
    let init = catalog.init_of(track).expect("well formed").expect("an initialization");
    [&init[..], &video.values().flatten().copied().collect::<Vec<_>>()].concat()
}

#[test]
fn a_video_arrives_frame_by_frame_at_a_viewer_of_2024_and_from_a_publisher_of_2024() {
    let source = scratch("draft01-source.mp4");
    ffmpeg::make(&[&picture(4), H264, "-an -bf 0", EVERY_FRAME], &source);
    let frames = ffmpeg::frames(&source);
    assert_eq!(frames.len(), 100);
    let relay = Relay::start(&[]);
    within_patience(async {
        let (catalog, video) = watch(&relay, &source, frames.len()).await;
        let watched = scratch("draft01-watched.mp4");
        std::fs::write(&watched, assembled(&catalog, &video)).expect("written");
        assert_eq!(ffmpeg::frames(&watched), frames, "to 2024");
        let out = scratch("draft01-out.mp4");
        send(&relay, &catalog, &video, &out).await;
        assert_eq!(ffmpeg::frames(&out), frames, "from 2024");
    });
}
