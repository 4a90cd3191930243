//! A publisher and a viewer that do nothing wrong, beside everything that a test does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sluice_client::{Client, ConnectOptions, Join, Object, Target, TrackWriter, Trust};
use sluice_proto::model::{
    FullTrackName, GroupId, ObjectStatus, TrackName, TrackNamespace, TrackProperties,
};
use sluice_proto::wire::Draft;

use crate::support::{self, Relay};

const OBJECTS_PER_GROUP: u64 = 10;
const PACE: Duration = Duration::from_millis(5);

/// A live track with one viewer, until [`Neighbours::check`].
pub struct Neighbours {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(u64, u64)>>,
}

impl Neighbours {
    /// Starts both; returns when the viewer has the first object.
    pub fn beside(relay: &Relay) -> Neighbours {
        let stop = Arc::new(AtomicBool::new(false));
        let (running, started) = channel();
        let (address, certificate, stopped) = (relay.address, relay.certificate, stop.clone());
        let thread = std::thread::spawn(move || {
            support::runtime().block_on(async {
                let connect = async |scheme: &str, draft| {
                    let target: Target = format!("{scheme}://{address}/moq").parse().unwrap();
                    let options = ConnectOptions {
                        drafts: vec![draft],
                        trust: Trust::CertificateHashes(vec![certificate]),
                        ..ConnectOptions::default()
                    };
                    Client::connect(&target, options).await.expect("the relay takes neighbours")
                };
                let publisher = connect("moqt", Draft::ALL[0]).await;
                let viewer = connect("https", Draft::ALL[Draft::ALL.len() - 1]).await;
                publisher.publish_namespace(name().namespace().clone()).await.unwrap();
                let writer = publisher.open_track(name(), TrackProperties::default());
                let reading = viewer.subscribe(name(), Join::CurrentGroup);
                let publishing = publish(writer, &stopped);
                let watching = async move {
                    let mut reader = reading.await.expect("subscribed");
                    let mut seen = 0;
                    while let Some(object) = reader.next().await.expect("the track goes on") {
                        if object.status != ObjectStatus::Normal {
                            continue;
                        }
                        let place = (object.location.group.0, object.location.object.0);
                        assert_eq!(place, (seen / OBJECTS_PER_GROUP, seen % OBJECTS_PER_GROUP));
                        seen += 1;
                        let _ = running.send(());
                    }
                    assert!(reader.end().is_some_and(|end| end.complete), "an unclean end");
                    seen
                };
                tokio::join!(publishing, watching)
            })
        });
        wait(&started, &thread);
        Neighbours { stop, thread: Some(thread) }
    }

    /// Ends both and checks that everything written was seen, in order.
    pub fn check(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("once");
        let (written, seen) = thread.join().expect("the neighbours notice nothing");
        assert!(written > 0);
        assert_eq!(written, seen, "the viewer missed objects");
    }
}

fn wait(started: &Receiver<()>, thread: &JoinHandle<(u64, u64)>) {
    let first = started.recv_timeout(Duration::from_secs(20));
    assert!(first.is_ok(), "no object arrives; ended: {}", thread.is_finished());
}

async fn publish(mut writer: TrackWriter, stop: &AtomicBool) -> u64 {
    writer.wanted().await.expect("a viewer comes");
    let mut ticks = tokio::time::interval(PACE);
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) || !u64::is_multiple_of(written, OBJECTS_PER_GROUP) {
        ticks.tick().await;
        let (group, object) = (written / OBJECTS_PER_GROUP, written % OBJECTS_PER_GROUP);
        writer.write(Object::new(group, object, vec![7; 200])).await.expect("written");
        written += 1;
        if written.is_multiple_of(OBJECTS_PER_GROUP) {
            writer.end_group(GroupId(group));
        }
    }
    writer.finish().await.expect("a clean end");
    written
}

fn name() -> FullTrackName {
    let namespace = TrackNamespace::from_path("next/door").unwrap();
    FullTrackName::new(namespace, TrackName::new("video").unwrap()).unwrap()
}
