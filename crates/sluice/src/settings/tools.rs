//! The settings of the media tools. Each tool's struct begins with the same settings of the
//! connection.

use std::path::PathBuf;
use std::time::Duration;

use sluice_proto::wire::Draft;

use super::macros::settings;
use super::value::SettingValue;
use crate::connection::ConnectionSettings;

/// How media becomes objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packaging {
    /// CMAF chunks.
    Cmaf,
    /// LOC frames.
    Loc,
}

impl SettingValue for Packaging {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "cmaf" => Ok(Packaging::Cmaf),
            "loc" => Ok(Packaging::Loc),
            _ => Err("cmaf or loc".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Packaging::Cmaf => "cmaf".to_owned(),
            Packaging::Loc => "loc".to_owned(),
        }
    }
}

/// A struct of settings that begins with those of the connection.
macro_rules! tool_settings {
    ($(#[$doc:meta])* pub struct $name:ident { $($own:tt)* }) => {
        settings! {
            $(#[$doc])*
            pub struct $name {
                /// Namespace of the broadcast, its parts between slashes.
                namespace: String = String::new(), "NAME";

                /// Drafts to offer; the newest that the relay knows is used.
                drafts: Vec<Draft> = Draft::ALL.to_vec(), "LIST";

                /// Trust the relay whose certificate has this SHA-256 hash, or one of several.
                certificate_sha256: Vec<String> = Vec::new(), "HASH,...";

                /// Trust relays whose certificate one of the authorities in this PEM file signed.
                ca: Option<PathBuf> = None, "FILE";

                /// Trust any certificate. Anyone on the way can read and change everything.
                insecure: bool = false, "BOOL";

                /// Give up connecting after this long.
                connect_timeout: Duration = Duration::from_secs(10), "DURATION";

                /// Say nothing but errors.
                quiet: bool = false, "BOOL";

                $($own)*
            }
        }

        impl $name {
            /// How to connect.
            pub fn connection(&self) -> ConnectionSettings {
                ConnectionSettings {
                    drafts: self.drafts.clone(),
                    certificate_sha256: self.certificate_sha256.clone(),
                    ca: self.ca.clone(),
                    insecure: self.insecure,
                    timeout: self.connect_timeout,
                    quiet: self.quiet,
                }
            }
        }
    };
}

tool_settings! {
    /// What `sluice publish` can be told.
    pub struct PublishSettings {
        /// How media becomes objects: `cmaf` (chunks of MP4) or `loc` (bare frames).
        packaging: Packaging = Packaging::Cmaf, "cmaf|loc";

        /// Send as fast as the connection takes it instead of in time with the media.
        unpaced: bool = false, "BOOL";

        /// Send nothing before every track has a subscriber.
        wait_subscriber: bool = false, "BOOL";

        /// Begin the file again when it is over, without a seam.
        r#loop: bool = false, "BOOL";

        /// Announce the namespace (PUBLISH_NAMESPACE) and serve whoever subscribes. This is the
        /// default unless `--offer` is given; both can be.
        announce: bool = false, "BOOL";

        /// Offer each track by itself (PUBLISH).
        offer: bool = false, "BOOL";

        /// Publish bytes instead of media: each line of standard input, or each of the files
        /// given, is one object.
        raw: bool = false, "BOOL";

        /// Name of the track that `--raw` publishes.
        track: String = String::new(), "NAME";

        /// Objects in a group of `--raw`. Who joins late begins with the newest group.
        group_objects: u64 = 1, "NUMBER";
    }
}

tool_settings! {
    /// What `sluice subscribe` can be told.
    pub struct SubscribeSettings {
        /// Write to this file instead of standard output.
        output: Option<PathBuf> = None, "FILE";

        /// How long to wait for a publisher; 0 not at all.
        wait: Duration = Duration::from_secs(30), "DURATION";

        /// Take the video tracks, and the audio tracks only if `--audio` is given too.
        video: bool = false, "BOOL";

        /// Take the audio tracks, and the video tracks only if `--video` is given too.
        audio: bool = false, "BOOL";

        /// Take exactly these tracks. With `--raw`, the track to take.
        track: Vec<String> = Vec::new(), "NAME,...";

        /// Write payloads instead of media: each object is a line, or with `--out-dir` a file.
        raw: bool = false, "BOOL";

        /// Write each object of a `--raw` track to a file GROUP-OBJECT in this folder.
        out_dir: Option<PathBuf> = None, "DIR";
    }
}

tool_settings! {
    /// What `sluice bench` can be told.
    pub struct BenchSettings {
        /// Connections that publish.
        publishers: usize = 1, "NUMBER";

        /// Tracks of each publisher.
        tracks: usize = 1, "NUMBER";

        /// Connections that subscribe.
        viewers: usize = 300, "NUMBER";

        /// Tracks that each viewer takes; viewers take turns through all tracks.
        tracks_per_viewer: usize = 1, "NUMBER";

        /// Payload of an object, in bytes; at least 16.
        object_bytes: usize = 1200, "BYTES";

        /// Objects a second, of each track.
        rate: f64 = 50.0, "NUMBER";

        /// Objects in a group.
        group_objects: u64 = 50, "NUMBER";

        /// Send objects as datagrams, not on a stream for each group.
        datagrams: bool = false, "BOOL";

        /// Viewers besides the others that subscribe and then read slowly, or not at all.
        slow_viewers: usize = 0, "NUMBER";

        /// Bytes that each slow viewer reads in a second; 0: it does not read.
        slow_bytes: u32 = 0, "BYTES";

        /// Viewers besides the others that stop each stream after its first object.
        stopping_viewers: usize = 0, "NUMBER";

        /// Viewers besides the others that come each second; each leaves after a second.
        joins: f64 = 0.0, "NUMBER";

        /// Connections that fetch every group of a viewer's track when it is past, and check it.
        fetch_readers: usize = 0, "NUMBER";

        /// Publish nothing: what viewers and tracks cost that only wait.
        idle: bool = false, "BOOL";

        /// Threads that hold viewers, each with a socket of its own.
        threads: usize = 1, "NUMBER";

        /// Load before anything is measured.
        warmup: Duration = Duration::from_secs(2), "DURATION";

        /// Time that is measured.
        duration: Duration = Duration::from_secs(10), "DURATION";

        /// Process of the relay, to read what it uses.
        pid: Option<u32> = None, "PID";

        /// A second relay, measured in turns with the first.
        against: Option<String> = None, "URL";

        /// Process of the second relay.
        against_pid: Option<u32> = None, "PID";

        /// How often each relay is measured.
        rounds: usize = 1, "NUMBER";

        /// Write the results to this file as JSON, too.
        json: Option<PathBuf> = None, "FILE";
    }
}
