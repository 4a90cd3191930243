//! One track of a catalog.

use std::num::NonZeroU32;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::lenient;
use crate::loc::{LocDialect, LocTrack, Origin};
use crate::mp4::{Track, TrackKind};

/// A field of Sluice's own in LOC tracks: the timestamp at which the presentation starts, where
/// that is not zero. Earlier frames only prime the decoder.
pub const PRESENTATION_START: &str = "io.github.sluice-relay.presentationStart";

/// How a track's objects are built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packaging {
    /// CMAF chunks.
    Cmaf,
    /// One encoded frame.
    Loc,
    /// A catalog of its own.
    Catalog,
    /// Media times, locations and wall clock.
    MediaTimeline,
    /// Events.
    EventTimeline,
    /// Any other.
    #[serde(untagged)]
    Other(String),
}

/// What a track is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Any other.
    #[serde(untagged)]
    Other(String),
}

/// One track of a catalog. Only name and packaging are always there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogTrack {
    /// Track name, unique in its namespace.
    pub name: String,
    /// Namespace, fields joined with `/`; absent: that of the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub namespace: Option<String>,
    /// How objects are built.
    #[serde(default = "loc")]
    pub packaging: Packaging,
    /// Whether more objects will come.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub is_live: bool,
    /// Aim for the time from capture to display, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::int")]
    pub target_latency: Option<u64>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::known")]
    pub role: Option<Role>,
    /// WebCodecs codec string.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub codec: Option<String>,
    /// Largest bits per second.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::int")]
    pub bitrate: Option<u64>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::int")]
    pub width: Option<u64>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::int")]
    pub height: Option<u64>,
    /// Frames per second.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::float")]
    pub framerate: Option<f64>,
    /// Audio samples per second.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::int")]
    pub samplerate: Option<u64>,
    /// Channels, as text.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub channel_config: Option<String>,
    /// Ticks per second of its timestamps.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::int")]
    pub timescale: Option<u64>,
    /// Tracks of one number play together.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::signed"
    )]
    pub render_group: Option<i64>,
    /// Tracks of one number are alternatives, cut at the same times.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::signed"
    )]
    pub alt_group: Option<i64>,
    /// Id in the catalog's list of init data.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub init_ref: Option<String>,
    /// Init data in base64.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub init_data: Option<String>,
    /// Language.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub lang: Option<String>,
    /// All other fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn loc() -> Packaging {
    Packaging::Loc
}

/// A track for a catalog with the init data that goes with it, see [`super::Catalog::push`].
#[derive(Debug, Clone, PartialEq)]
pub struct TrackInit {
    /// The track.
    pub track: CatalogTrack,
    /// CMAF header, or the decoder's `description`, if it has one.
    pub init: Option<Bytes>,
}

impl CatalogTrack {
    /// A track with only what every track has.
    pub fn new(name: impl Into<String>, packaging: Packaging) -> Self {
        Self {
            name: name.into(),
            namespace: None,
            packaging,
            is_live: false,
            target_latency: None,
            role: None,
            codec: None,
            bitrate: None,
            width: None,
            height: None,
            framerate: None,
            samplerate: None,
            channel_config: None,
            timescale: None,
            render_group: None,
            alt_group: None,
            init_ref: None,
            init_data: None,
            lang: None,
            extra: Map::new(),
        }
    }

    /// A live CMAF track of a movie.
    pub fn cmaf(name: impl Into<String>, track: &Track) -> TrackInit {
        let described = Self::new(name, Packaging::Cmaf).describe(track);
        TrackInit { track: described, init: Some(track.cmaf_header()) }
    }

    /// A live LOC track of a movie.
    pub fn loc(name: impl Into<String>, track: &Track, origin: Origin) -> TrackInit {
        let mut described = Self::new(name, Packaging::Loc).describe(track);
        let start = origin.in_ticks(track.timescale);
        if start > 0 {
            described.extra.insert(PRESENTATION_START.to_owned(), start.into());
        }
        let init = track.entry.codec.as_ref().and_then(|codec| codec.description());
        TrackInit { track: described, init }
    }

    fn describe(mut self, track: &Track) -> Self {
        let entry = &track.entry;
        self.is_live = true;
        self.role = match track.kind {
            TrackKind::Video => Some(Role::Video),
            TrackKind::Audio => Some(Role::Audio),
            TrackKind::Other(_) => None,
        };
        self.codec = entry.codec.as_ref().map(|codec| codec.codec_string());
        self.bitrate = entry.bitrate.map(u64::from);
        self.width = entry.size.map(|(width, _)| width.into());
        self.height = entry.size.map(|(_, height)| height.into());
        self.samplerate = entry.sample_rate.map(u64::from);
        self.channel_config = entry.channels.map(|channels| channels.to_string());
        self.timescale = Some(track.timescale.get().into());
        self.render_group = Some(1);
        self.lang = Some(track.language.clone()).filter(|language| language != "und");
        self
    }

    /// What a LOC muxer has to know of this track.
    pub fn loc_track(&self, init: Option<Bytes>, dialect: LocDialect) -> LocTrack {
        let narrow = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
        LocTrack {
            codec: self.codec.clone(),
            description: init,
            timescale: narrow(self.timescale).and_then(NonZeroU32::new),
            size: narrow(self.width).zip(narrow(self.height)),
            channels: self.channel_config.as_ref().and_then(|channels| channels.parse().ok()),
            sample_rate: narrow(self.samplerate),
            presentation_start: self.extra.get(PRESENTATION_START).and_then(Value::as_i64),
            dialect,
        }
    }
}
