//! What a decoder must know before the first sample, in each of the forms it travels in: sample
//! entries of MP4, `description` of WebCodecs, properties of LOC, and the codec string of a catalog.
//!
//! A [`CodecConfig`] is parsed once and from then on can be written in any of these forms.

mod aac;
mod av1;
mod avc;
mod hevc;
pub mod nal;
mod opus;
mod vp9;

use bytes::Bytes;

pub use aac::{AacConfig, without_adts};
pub(crate) use av1::without_temporal_delimiters;
pub use av1::{Av1Config, sequence_header as av1_sequence_header};
pub use avc::AvcConfig;
pub use hevc::HevcConfig;
pub use opus::{OpusConfig, packet_samples as opus_packet_samples};
pub use vp9::Vp9Config;

/// Why a codec's configuration could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The record ends inside a field.
    #[error("{record}: ends inside {field}")]
    Truncated {
        /// Name of the record.
        record: &'static str,
        /// Name of the field that is incomplete.
        field: &'static str,
    },
    /// A field has a value that the format does not allow, or that this crate does not handle.
    #[error("{record}: {field} is {value}, {rule}")]
    Invalid {
        /// Name of the record.
        record: &'static str,
        /// Name of the field.
        field: &'static str,
        /// What it holds.
        value: u64,
        /// What would be allowed.
        rule: &'static str,
    },
    /// A codec string that names no codec this crate knows.
    #[error("codec `{0}` is not one of avc1, avc3, hvc1, hev1, av01, vp09, mp4a.40, opus")]
    UnknownCodec(String),
    /// Neither the catalog nor the media says how to decode.
    #[error("{codec}: no configuration, neither in the catalog nor in the first key frame")]
    NoConfig {
        /// The codec string.
        codec: String,
    },
}

pub(crate) fn truncated(record: &'static str, field: &'static str) -> CodecError {
    CodecError::Truncated { record, field }
}

/// Where the parameter sets of an H.264 or HEVC stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterSets {
    /// Only in the configuration record: `avc1`, `hvc1`.
    OutOfBand,
    /// Also, or only, in the samples: `avc3`, `hev1`.
    InBand,
}

/// The configuration of one track's codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecConfig {
    /// H.264.
    Avc(AvcConfig, ParameterSets),
    /// HEVC (H.265).
    Hevc(HevcConfig, ParameterSets),
    /// AV1.
    Av1(Av1Config),
    /// VP9.
    Vp9(Vp9Config),
    /// AAC in any of its object types.
    Aac(AacConfig),
    /// Opus.
    Opus(OpusConfig),
}

impl CodecConfig {
    /// The WebCodecs codec string, as catalogs carry it.
    pub fn codec_string(&self) -> String {
        match self {
            Self::Avc(config, sets) => config.codec_string(*sets),
            Self::Hevc(config, sets) => config.codec_string(*sets),
            Self::Av1(config) => config.codec_string(),
            Self::Vp9(config) => config.codec_string(),
            Self::Aac(config) => config.codec_string(),
            Self::Opus(_) => "opus".to_owned(),
        }
    }

    /// The WebCodecs `description`, which is also what VIDEO_CONFIG and AUDIO_CONFIG of LOC carry:
    /// avcC, hvcC, AudioSpecificConfig or OpusHead. AV1 and VP9 have none.
    ///
    /// NAL lengths are announced as 4 bytes; see [`CodecConfig::nal_length_bytes`].
    pub fn description(&self) -> Option<Bytes> {
        match self {
            Self::Avc(config, _) => Some(config.record_with_long_lengths()),
            Self::Hevc(config, _) => Some(config.record_with_long_lengths()),
            Self::Av1(_) | Self::Vp9(_) => None,
            Self::Aac(config) => Some(config.specific_config.clone()),
            Self::Opus(config) => Some(config.head()),
        }
    }

    /// Reads a `description`, guided by the codec string that goes with it.
    ///
    /// # Errors
    /// The string names no known codec, the description is malformed, or it is absent although the
    /// codec cannot be configured from its string alone (H.264, HEVC, AAC with unknown rate).
    pub fn from_description(codec: &str, description: Option<&Bytes>) -> Result<Self, CodecError> {
        let no_config = || CodecError::NoConfig { codec: codec.to_owned() };
        let family = codec.split('.').next().unwrap_or_default();
        match family {
            "avc1" | "avc3" => {
                let config = AvcConfig::decode(description.ok_or_else(no_config)?)?;
                Ok(Self::Avc(config, sets_of(family == "avc3")))
            }
            "hvc1" | "hev1" => {
                let config = HevcConfig::decode(description.ok_or_else(no_config)?)?;
                Ok(Self::Hevc(config, sets_of(family == "hev1")))
            }
            "av01" => match description {
                Some(record) => Ok(Self::Av1(Av1Config::decode(record)?)),
                None => Ok(Self::Av1(Av1Config::from_codec_string(codec)?)),
            },
            "vp09" => Ok(Self::Vp9(Vp9Config::from_codec_string(codec)?)),
            "mp4a" => {
                Ok(Self::Aac(AacConfig::from_specific_config(description.ok_or_else(no_config)?)?))
            }
            "opus" | "Opus" => match description {
                Some(head) => Ok(Self::Opus(OpusConfig::from_head(head)?)),
                None => Ok(Self::Opus(OpusConfig::stereo())),
            },
            _ => Err(CodecError::UnknownCodec(codec.to_owned())),
        }
    }

    /// Whether samples are pictures.
    pub fn is_video(&self) -> bool {
        !matches!(self, Self::Aac(_) | Self::Opus(_))
    }

    /// Bytes of each NAL unit's length in samples that come with this record, or `None` where
    /// samples hold no NAL units.
    pub fn nal_length_bytes(&self) -> Option<usize> {
        match self {
            Self::Avc(config, _) => Some(config.length_bytes),
            Self::Hevc(config, _) => Some(config.length_bytes),
            _ => None,
        }
    }

    /// Width and height in pixels where the configuration tells.
    pub fn dimensions(&self) -> Option<(u32, u32)> {
        match self {
            Self::Avc(config, _) => config.dimensions(),
            Self::Hevc(config, _) => config.dimensions(),
            Self::Av1(config) => config.dimensions(),
            _ => None,
        }
    }

    /// How many pictures may come later in decoding order than their place in output order. `None`:
    /// the configuration does not tell.
    pub fn reorder_frames(&self) -> Option<usize> {
        match self {
            Self::Avc(config, _) => config.reorder_frames(),
            Self::Hevc(config, _) => config.reorder_frames(),
            _ => Some(0),
        }
    }
}

fn sets_of(in_band: bool) -> ParameterSets {
    if in_band { ParameterSets::InBand } else { ParameterSets::OutOfBand }
}

/// Reads big-endian fields of a record and names the field that is missing.
pub(crate) struct Record<'a> {
    name: &'static str,
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    pub(crate) fn new(name: &'static str, data: &'a [u8]) -> Self {
        Self { name, rest: data }
    }

    pub(crate) fn bytes(
        &mut self,
        count: usize,
        field: &'static str,
    ) -> Result<&'a [u8], CodecError> {
        if self.rest.len() < count {
            return Err(truncated(self.name, field));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, CodecError> {
        Ok(self.bytes(1, field)?[0])
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, CodecError> {
        let raw = self.bytes(2, field)?;
        Ok(u16::from_be_bytes([raw[0], raw[1]]))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, CodecError> {
        let raw = self.bytes(4, field)?;
        Ok(u32::from_be_bytes([raw[0], raw[1], raw[2], raw[3]]))
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn invalid(
        &self,
        field: &'static str,
        value: u64,
        rule: &'static str,
    ) -> CodecError {
        CodecError::Invalid { record: self.name, field, value, rule }
    }
}
