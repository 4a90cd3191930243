//! Sample entries (stsd): which codec a track has and how to configure its decoder.

use bytes::Bytes;

use super::boxes::BoxReader;
use super::{FourCc, Mp4Error};
use crate::codec::{
    AacConfig, Av1Config, AvcConfig, CodecConfig, CodecError, HevcConfig, OpusConfig,
    ParameterSets, Vp9Config,
};

/// The first sample entry of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleEntry {
    /// Its name, such as `avc1`.
    pub name: FourCc,
    /// The codec, or `None` where this crate knows none of that name.
    pub codec: Option<CodecConfig>,
    /// Width and height in pixels, of video.
    pub size: Option<(u32, u32)>,
    /// Channels, of audio.
    pub channels: Option<u16>,
    /// Samples per second, of audio.
    pub sample_rate: Option<u32>,
    /// Largest bits per second, where the file tells.
    pub bitrate: Option<u32>,
}

impl SampleEntry {
    pub(super) fn decode(entry: &mut BoxReader, track_id: u32) -> Result<Self, Mp4Error> {
        let name = entry.name;
        let mut found = Self {
            name,
            codec: None,
            size: None,
            channels: None,
            sample_rate: None,
            bitrate: None,
        };
        match &name.0 {
            b"encv" | b"enca" => return Err(Mp4Error::Encrypted { track_id, name }),
            b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp09" => {
                entry.skip(8 + 16, "reserved")?;
                let size = (entry.u16("width")?, entry.u16("height")?);
                found.size = Some((size.0.into(), size.1.into()));
                entry.skip(50, "compressorname and depth")?;
            }
            b"mp4a" | b"Opus" => {
                entry.skip(8, "reserved")?;
                let version = entry.u16("version")?;
                entry.skip(6, "reserved")?;
                found.channels = Some(entry.u16("channelcount")?);
                entry.skip(6, "samplesize")?;
                found.sample_rate = Some(entry.u32("samplerate")? >> 16);
                // QuickTime's version 1 has four more fields.
                if version == 1 {
                    entry.skip(16, "version 1 fields")?;
                }
            }
            _ => return Ok(found),
        }
        found.decode_children(entry)?;
        if found.codec.is_none() {
            return Err(entry.missing(match &name.0 {
                b"avc1" | b"avc3" => b"avcC",
                b"hvc1" | b"hev1" => b"hvcC",
                b"av01" => b"av1C",
                b"vp09" => b"vpcC",
                b"mp4a" => b"esds",
                _ => b"dOps",
            }));
        }
        Ok(found)
    }

    fn decode_children(&mut self, entry: &mut BoxReader) -> Result<(), Mp4Error> {
        let in_band = matches!(&self.name.0, b"avc3" | b"hev1");
        let sets = if in_band { ParameterSets::InBand } else { ParameterSets::OutOfBand };
        while let Some((_, mut child)) = entry.child()? {
            let (name, offset) = (child.name, child.offset());
            let fault = |source: CodecError| Mp4Error::Codec { name, source, offset };
            let codec = match (&self.name.0, &child.name.0) {
                (b"avc1" | b"avc3", b"avcC") => {
                    CodecConfig::Avc(AvcConfig::decode(&child.rest()).map_err(fault)?, sets)
                }
                (b"hvc1" | b"hev1", b"hvcC") => {
                    CodecConfig::Hevc(HevcConfig::decode(&child.rest()).map_err(fault)?, sets)
                }
                (b"av01", b"av1C") => {
                    CodecConfig::Av1(Av1Config::decode(&child.rest()).map_err(fault)?)
                }
                (b"vp09", b"vpcC") => {
                    CodecConfig::Vp9(Vp9Config::decode(&child.rest()).map_err(fault)?)
                }
                (b"Opus", b"dOps") => {
                    CodecConfig::Opus(OpusConfig::from_dops(&child.rest()).map_err(fault)?)
                }
                (b"mp4a", b"esds") => CodecConfig::Aac(decode_esds(child)?),
                (b"mp4a", b"wave") => {
                    self.decode_children(&mut child)?;
                    continue;
                }
                (_, b"btrt") => {
                    child.skip(4, "bufferSizeDB")?;
                    self.bitrate = Some(child.u32("maxBitrate")?).filter(|rate| *rate > 0);
                    continue;
                }
                _ => continue,
            };
            self.prefer_told_by(&codec);
            self.codec.get_or_insert(codec);
        }
        Ok(())
    }
}

impl SampleEntry {
    /// The codec's own configuration knows better: writers leave two channels and 16-bit rates in
    /// the entry whatever the stream has.
    fn prefer_told_by(&mut self, codec: &CodecConfig) {
        match codec {
            CodecConfig::Aac(aac) => {
                self.bitrate = self.bitrate.or(aac.bitrate);
                self.sample_rate = Some(aac.sample_rate);
                self.channels = Some(aac.channels).filter(|count| *count > 0).or(self.channels);
            }
            CodecConfig::Opus(opus) => self.channels = Some(opus.channels.into()),
            _ => {}
        }
    }
}

fn decode_esds(mut esds: BoxReader) -> Result<AacConfig, Mp4Error> {
    let (name, offset) = (esds.name, esds.offset());
    esds.full()?;
    let content: Bytes = esds.rest();
    AacConfig::from_esds(&content).map_err(|source| Mp4Error::Codec { name, source, offset })
}
