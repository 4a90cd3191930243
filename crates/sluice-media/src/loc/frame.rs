//! The properties of one frame: LOC-04 §2.3 and the numbers other versions used.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::{LocProperties, LocValue};

const TIMESTAMP_LOC_00: u64 = 0x02;
const TIMESTAMP_LOC_02: u64 = 0x06;
const TIMESCALE: u64 = 0x08;
const FRAME_MARKING: u64 = 0x09;
const AUDIO_LEVEL: u64 = 0x0c;
const VIDEO_CONFIG: u64 = 0x0d;
const AUDIO_CONFIG: u64 = 0x0f;
const TIMESTAMP: u64 = 0x10;
/// Not in any LOC draft: moq-encoder-player writes it and needs it.
const CODEC_STRING: u64 = 0x11;

/// Which numbers a publisher uses for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocDialect {
    /// LOC-04; a timestamp that is missing there is looked for where earlier drafts had it.
    #[default]
    Lenient,
    /// LOC-04 and nothing else.
    Loc04,
    /// LOC-02: TIMESTAMP is 0x06.
    Loc02,
}

/// How a frame depends on others (RFC 9626).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameMarking(pub u8);

impl FrameMarking {
    /// A whole frame that depends on no other.
    pub const KEY: Self = Self(0xe0);
    /// A whole frame that depends on others.
    pub const DELTA: Self = Self(0xc0);
    /// A whole frame that depends on others and on which none depends.
    pub const DISPOSABLE: Self = Self(0xd0);

    /// Whether the frame depends on no other.
    pub fn is_independent(self) -> bool {
        self.0 & 0x20 != 0
    }
}

/// What the properties of a LOC object say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocHeader {
    /// Presentation time in units of `timescale`, or wall clock in µs since 1970 without one.
    pub timestamp: Option<u64>,
    /// Units per second of `timestamp`.
    pub timescale: Option<NonZeroU32>,
    /// Dependencies of a video frame.
    pub marking: Option<FrameMarking>,
    /// The decoder's `description`, of video.
    pub video_config: Option<Bytes>,
    /// The decoder's `description`, of audio.
    pub audio_config: Option<Bytes>,
    /// RFC 6464: voice activity and level.
    pub audio_level: Option<u64>,
    /// WebCodecs codec string, from moq-encoder-player.
    pub codec: Option<String>,
}

impl LocHeader {
    /// Reads properties; those of unknown types or impossible values are passed over.
    pub fn decode(properties: &LocProperties, dialect: LocDialect) -> Self {
        let current = properties.int(TIMESTAMP);
        let earlier =
            || properties.int(TIMESTAMP_LOC_02).or_else(|| properties.int(TIMESTAMP_LOC_00));
        let timescale = properties.int(TIMESCALE).and_then(|ticks| u32::try_from(ticks).ok());
        let codec = properties.bytes(CODEC_STRING).filter(|codec| codec.len() <= 64);
        Self {
            timestamp: match dialect {
                LocDialect::Lenient => current.or_else(earlier),
                LocDialect::Loc04 => current,
                LocDialect::Loc02 => properties.int(TIMESTAMP_LOC_02),
            },
            timescale: timescale.and_then(NonZeroU32::new),
            marking: properties
                .bytes(FRAME_MARKING)
                .and_then(|marking| marking.first())
                .map(|first| FrameMarking(*first)),
            video_config: properties.bytes(VIDEO_CONFIG).cloned(),
            audio_config: properties.bytes(AUDIO_CONFIG).cloned(),
            audio_level: properties.int(AUDIO_LEVEL),
            codec: codec.and_then(|codec| String::from_utf8(codec.to_vec()).ok()),
        }
    }

    /// Writes LOC-04 properties, rising by type.
    pub fn encode(&self) -> LocProperties {
        let mut out = Vec::new();
        let mut int = |kind, value: Option<u64>| {
            out.extend(value.map(|value| (kind, LocValue::Int(value))));
        };
        int(TIMESCALE, self.timescale.map(|ticks| ticks.get().into()));
        int(AUDIO_LEVEL, self.audio_level);
        int(TIMESTAMP, self.timestamp);
        let mut bytes = |kind, value: Option<Bytes>| {
            out.extend(value.map(|value| (kind, LocValue::Bytes(value))));
        };
        bytes(FRAME_MARKING, self.marking.map(|marking| Bytes::copy_from_slice(&[marking.0])));
        bytes(VIDEO_CONFIG, self.video_config.clone());
        bytes(AUDIO_CONFIG, self.audio_config.clone());
        bytes(CODEC_STRING, self.codec.clone().map(Bytes::from));
        out.sort_by_key(|(kind, _)| *kind);
        LocProperties(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder_player_audio() -> LocProperties {
        LocProperties(vec![
            (0x08, LocValue::Int(1_000_000)),
            (
                0x0f,
                LocValue::Bytes(Bytes::from_static(b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0")),
            ),
            (0x10, LocValue::Int(40_000)),
            (0x11, LocValue::Bytes(Bytes::from_static(b"opus"))),
        ])
    }

    #[test]
    fn an_object_of_moq_encoder_player_reads_and_writes_back_the_same() {
        let header = LocHeader::decode(&encoder_player_audio(), LocDialect::Lenient);
        assert_eq!(header.timestamp, Some(40_000));
        assert_eq!(header.codec.as_deref(), Some("opus"));
        assert_eq!(header.encode(), encoder_player_audio());
    }

    #[test]
    fn a_timestamp_of_loc_02_is_found_unless_only_loc_04_is_meant() {
        let old = LocProperties(vec![(0x06, LocValue::Int(7))]);
        let time = |dialect| LocHeader::decode(&old, dialect).timestamp;
        assert_eq!(time(LocDialect::Lenient), Some(7));
        assert_eq!(time(LocDialect::Loc02), Some(7));
        assert_eq!(time(LocDialect::Loc04), None);
    }
}
