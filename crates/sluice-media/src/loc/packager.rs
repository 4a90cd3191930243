//! Samples of an MP4 track into LOC objects.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::{FrameMarking, LocHeader, LocProperties};
use crate::codec::nal::{self, NalCodec};
use crate::codec::{Av1Config, CodecConfig, CodecError, ParameterSets, av1_sequence_header};
use crate::mp4::{Movie, Sample, Track};

/// The timestamp at which the presentation of a movie starts.
///
/// The priming of audio lies before the presentation, and LOC has no negative times; so all tracks
/// are moved by the same time, which is a whole number of ticks in every one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    numerator: u64,
    denominator: NonZeroU32,
}

impl Origin {
    /// The smallest common time that keeps every track's timestamps from being negative.
    pub fn of(movie: &Movie) -> Self {
        let common =
            movie.tracks.iter().fold(0, |common, track| gcd(common, track.timescale.get()));
        let denominator = NonZeroU32::new(common).unwrap_or(NonZeroU32::MIN);
        let needed = |track: &Track| {
            let before = u64::try_from(track.presentation_offset()).unwrap_or(0);
            let scaled = u128::from(before) * u128::from(denominator.get());
            let steps = scaled.div_ceil(u128::from(track.timescale.get()));
            u64::try_from(steps).unwrap_or(u64::MAX)
        };
        let numerator = movie.tracks.iter().map(needed).max().unwrap_or(0);
        Self { numerator, denominator }
    }

    /// In ticks of a track of the movie.
    pub fn in_ticks(&self, timescale: NonZeroU32) -> u64 {
        let ticks = u128::from(self.numerator) * u128::from(timescale.get())
            / u128::from(self.denominator.get());
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How much each object says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocStyle {
    /// LOC-04: configurations on the frames at which decoding can start.
    #[default]
    Loc04,
    /// Also what moq-encoder-player needs: the codec string, on every object.
    EncoderPlayer,
}

/// A LOC object: what stands in its properties and its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocObject {
    /// Object properties.
    pub properties: LocProperties,
    /// The frame as WebCodecs takes it.
    pub payload: Bytes,
}

/// Turns the samples of one track into LOC objects.
#[derive(Debug, Clone)]
pub struct LocPackager {
    track: Track,
    config: CodecConfig,
    description: Option<Bytes>,
    origin_ticks: i64,
    style: LocStyle,
}

impl LocPackager {
    /// A packager of one track of a movie.
    ///
    /// # Errors
    /// The track's codec is not known, so nothing can be said about it in LOC.
    pub fn new(track: &Track, origin: Origin, style: LocStyle) -> Result<Self, CodecError> {
        let unknown = || CodecError::UnknownCodec(track.entry.name.to_string());
        let config = track.entry.codec.clone().ok_or_else(unknown)?;
        Ok(Self {
            description: config.description(),
            config,
            origin_ticks: i64::try_from(origin.in_ticks(track.timescale)).unwrap_or(i64::MAX),
            track: track.clone(),
            style,
        })
    }

    /// The object of a sample. `starts_group`: audio repeats its configuration there.
    pub fn object(&self, sample: &Sample, starts_group: bool) -> LocObject {
        let time = self.track.presentation_time(sample).saturating_add(self.origin_ticks);
        let talkative = self.style == LocStyle::EncoderPlayer;
        let video = self.config.is_video();
        let marking = match () {
            () if sample.is_sync() => FrameMarking::KEY,
            () if sample.flags.is_disposable() => FrameMarking::DISPOSABLE,
            () => FrameMarking::DELTA,
        };
        let configures = if video { sample.is_sync() } else { starts_group || talkative };
        let description = self.description.clone().filter(|_| configures);
        let header = LocHeader {
            timestamp: Some(u64::try_from(time).unwrap_or(0)),
            timescale: Some(self.track.timescale),
            marking: video.then_some(marking),
            video_config: description.clone().filter(|_| video),
            audio_config: description.filter(|_| !video),
            audio_level: None,
            codec: talkative.then(|| self.config.codec_string()),
        };
        LocObject { properties: header.encode(), payload: self.payload(sample) }
    }

    fn payload(&self, sample: &Sample) -> Bytes {
        match (&self.config, NalCodec::of(&self.config), self.config.nal_length_bytes()) {
            (_, Some(codec), Some(bytes)) if bytes != 4 => {
                nal::to_long_lengths(codec, &sample.data, bytes, ParameterSets::InBand)
            }
            (CodecConfig::Av1(av1), ..) if sample.is_sync() => {
                with_sequence_header(av1, &sample.data)
            }
            _ => sample.data.clone(),
        }
    }
}

/// LOC has no AV1 configuration: a key frame must bring its sequence header.
fn with_sequence_header(config: &Av1Config, frame: &Bytes) -> Bytes {
    if config.obus.is_empty() || av1_sequence_header(frame).is_some() {
        return frame.clone();
    }
    [&config.obus[..], &frame[..]].concat().into()
}
