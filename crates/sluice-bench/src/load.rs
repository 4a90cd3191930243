//! What is asked of a relay.

use std::time::Duration;

use sluice_client::{Target, Trust};
use sluice_proto::wire::Draft;

/// A relay to measure.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where it is.
    pub target: Target,
    /// Why it is believed.
    pub trust: Trust,
    /// Its process, if what it uses is to be read.
    pub pid: Option<u32>,
}

/// The load: who publishes what, and who takes it.
#[derive(Clone, Debug)]
pub struct Load {
    /// Drafts to offer, newest first.
    pub drafts: Vec<Draft>,
    /// Connections that publish.
    pub publishers: usize,
    /// Tracks of each publisher.
    pub tracks: usize,
    /// Connections that subscribe.
    pub viewers: usize,
    /// Tracks that each viewer takes; viewers take turns through all tracks.
    pub tracks_per_viewer: usize,
    /// Payload of an object.
    pub object_bytes: usize,
    /// Objects a second, of each track.
    pub rate: f64,
    /// Objects in a group.
    pub group_objects: u64,
    /// Whether objects are sent as datagrams, not on a stream for each group.
    pub datagrams: bool,
    /// Viewers besides the others that subscribe and then hardly read, or not at all.
    pub slow_viewers: usize,
    /// Bytes that each of them reads in a second; with 0 they read nothing.
    pub slow_bytes: u32,
    /// Viewers besides the others that stop each stream after its first object.
    pub stopping_viewers: usize,
    /// Connections that fetch every group of a track when it is past.
    pub fetch_readers: usize,
    /// Whether nothing is published: what viewers and tracks cost that only wait.
    pub idle: bool,
    /// Viewers besides the others that come each second; each leaves after a second.
    pub joins_per_second: f64,
    /// Threads that hold viewers, each with its own socket.
    pub threads: usize,
    /// Load before anything is measured.
    pub warmup: Duration,
    /// Time that is measured.
    pub duration: Duration,
    /// Longest wait for all connections and subscriptions to be there.
    pub setup: Duration,
}

impl Load {
    /// Tracks of all publishers.
    pub fn tracks_total(&self) -> usize {
        self.publishers * self.tracks
    }

    /// Time between two objects of a track.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }

    /// Why this load cannot be had, if it cannot.
    pub fn fault(&self) -> Option<&'static str> {
        let sane = self.rate.is_finite() && self.rate > 0.0 && self.rate <= 1e6;
        if self.publishers == 0 || self.tracks == 0 {
            Some("at least one publisher with one track is needed")
        } else if self.tracks_per_viewer == 0 || self.tracks_per_viewer > self.tracks_total() {
            Some("a viewer takes at least one track, and at most as many as there are")
        } else if self.object_bytes < crate::stamp::BYTES {
            Some("an object has at least 16 bytes, which say when it was sent")
        } else if !sane || self.group_objects == 0 || self.threads == 0 {
            Some("rate, group length and threads are more than 0, and the rate at most 1,000,000")
        } else if self.fetch_readers > 0 && self.viewers == 0 {
            Some("fetch readers read what a viewer made the relay hold: at least one is needed")
        } else if self.duration.is_zero() {
            Some("the time that is measured is more than 0")
        } else {
            None
        }
    }
}
