//! AAC: AudioSpecificConfig (ISO 14496-3 §1.6.2.1), the esds box around it, and ADTS frames.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CodecError, Record};
use crate::bits::Bits;

const RECORD: &str = "esds";
const TAG_ES: u8 = 3;
const TAG_DECODER_CONFIG: u8 = 4;
const TAG_SPECIFIC_INFO: u8 = 5;
const OBJECT_TYPE_MPEG4_AUDIO: u8 = 0x40;
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// How an AAC track is to be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    /// The AudioSpecificConfig, byte for byte.
    pub specific_config: Bytes,
    /// Audio object type: 2 for AAC-LC, 5 for HE-AAC.
    pub object_type: u8,
    /// Samples per second of the core coder.
    pub sample_rate: u32,
    /// Channels; 0 when the configuration leaves it to the stream.
    pub channels: u16,
    /// Average bits per second, where the esds box told it.
    pub bitrate: Option<u32>,
}

impl AacConfig {
    /// Reads an AudioSpecificConfig.
    ///
    /// # Errors
    /// It is cut short or names a sampling rate that does not exist.
    pub fn from_specific_config(config: &Bytes) -> Result<Self, CodecError> {
        const NAME: &str = "AudioSpecificConfig";
        let truncated = |field| super::truncated(NAME, field);
        let mut bits = Bits::new(config);
        let mut object_type = bits.bits(5).ok_or(truncated("audioObjectType"))?;
        if object_type == 31 {
            object_type = 32 + bits.bits(6).ok_or(truncated("audioObjectTypeExt"))?;
        }
        let index = bits.bits(4).ok_or(truncated("samplingFrequencyIndex"))?;
        let sample_rate = if index == 15 {
            bits.bits(24).ok_or(truncated("samplingFrequency"))?
        } else {
            *RATES.get(index as usize).ok_or(CodecError::Invalid {
                record: NAME,
                field: "samplingFrequencyIndex",
                value: index.into(),
                rule: "must be 0 to 12, or 15",
            })?
        };
        let channels = match bits.bits(4).ok_or(truncated("channelConfiguration"))? {
            7 => 8,
            count => count as u16,
        };
        Ok(Self {
            specific_config: config.clone(),
            object_type: object_type as u8,
            sample_rate,
            channels,
            bitrate: None,
        })
    }

    /// The configuration that an ADTS header describes. `None` if the frame has no such header.
    pub fn from_adts(frame: &[u8]) -> Option<Self> {
        let header =
            frame.get(..7).filter(|header| header[0] == 0xff && header[1] & 0xf6 == 0xf0)?;
        let object_type = (header[2] >> 6) + 1;
        let index = header[2] >> 2 & 0xf;
        let channels = (header[2] & 1) << 2 | header[3] >> 6;
        let config = [object_type << 3 | index >> 1, index << 7 | channels << 3];
        Self::from_specific_config(&Bytes::copy_from_slice(&config)).ok()
    }

    /// Reads the content of an esds box after its version and flags.
    ///
    /// # Errors
    /// A descriptor is missing or cut short, or the stream is not MPEG-4 audio.
    pub fn from_esds(esds: &Bytes) -> Result<Self, CodecError> {
        let mut outer = Record::new(RECORD, esds);
        let mut es = Record::new(RECORD, descriptor(&mut outer, TAG_ES, "ES_Descriptor")?);
        es.u16("ES_ID")?;
        let flags = es.u8("stream flags")?;
        if flags & 0x80 != 0 {
            es.u16("dependsOn_ES_ID")?;
        }
        if flags & 0x40 != 0 {
            let length = es.u8("URLlength")?;
            es.bytes(length.into(), "URLstring")?;
        }
        if flags & 0x20 != 0 {
            es.u16("OCR_ES_Id")?;
        }
        let config = descriptor(&mut es, TAG_DECODER_CONFIG, "DecoderConfigDescriptor")?;
        let mut config = Record::new(RECORD, config);
        let object_type = config.u8("objectTypeIndication")?;
        if object_type != OBJECT_TYPE_MPEG4_AUDIO {
            let rule = "only MPEG-4 audio (64) is handled";
            return Err(config.invalid("objectTypeIndication", object_type.into(), rule));
        }
        config.bytes(8, "streamType, bufferSizeDB and maxBitrate")?;
        let bitrate = Some(config.u32("avgBitrate")?).filter(|rate| *rate > 0);
        let specific = descriptor(&mut config, TAG_SPECIFIC_INFO, "DecoderSpecificInfo")?;
        let parsed = Self::from_specific_config(&esds.slice_ref(specific))?;
        Ok(Self { bitrate, ..parsed })
    }

    /// The content of an esds box after its version and flags.
    pub fn esds(&self) -> Bytes {
        let bitrate = self.bitrate.unwrap_or(0);
        let mut config = vec![OBJECT_TYPE_MPEG4_AUDIO, 0x15, 0, 0, 0];
        config.put_u32(bitrate);
        config.put_u32(bitrate);
        put_descriptor(&mut config, TAG_SPECIFIC_INFO, &self.specific_config);
        let mut es = vec![0, 0, 0];
        put_descriptor(&mut es, TAG_DECODER_CONFIG, &config);
        put_descriptor(&mut es, 6, &[2]);
        let mut out = Vec::new();
        put_descriptor(&mut out, TAG_ES, &es);
        out.into()
    }

    pub(super) fn codec_string(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }
}

/// An ADTS frame without its header; other data comes back as it is.
pub fn without_adts(frame: &Bytes) -> Bytes {
    let Some(header) = frame.get(..7) else { return frame.clone() };
    if header[0] != 0xff || header[1] & 0xf6 != 0xf0 {
        return frame.clone();
    }
    let length = usize::from(header[3] & 3) << 11
        | usize::from(header[4]) << 3
        | usize::from(header[5] >> 5);
    let start = if header[1] & 1 == 1 { 7 } else { 9 };
    // Raw AAC can look like a sync word; only a length that fits the frame makes it a header.
    if length != frame.len() || length < start { frame.clone() } else { frame.slice(start..) }
}

fn descriptor<'a>(
    read: &mut Record<'a>,
    tag: u8,
    field: &'static str,
) -> Result<&'a [u8], CodecError> {
    loop {
        let found = read.u8(field)?;
        let mut length = 0usize;
        for _ in 0..4 {
            let byte = read.u8(field)?;
            length = length << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let content = read.bytes(length, field)?;
        if found == tag {
            return Ok(content);
        }
    }
}

fn put_descriptor(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    let length = content.len() as u32;
    out.push(tag);
    let mut size = BytesMut::with_capacity(4);
    for shift in [21, 14, 7] {
        size.put_u8(0x80 | (length >> shift & 0x7f) as u8);
    }
    size.put_u8((length & 0x7f) as u8);
    out.extend_from_slice(&size);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_esds_box_gives_back_the_config_it_was_made_from() {
        let config = AacConfig::from_specific_config(&Bytes::from_static(&[0x12, 0x10])).unwrap();
        assert_eq!((config.sample_rate, config.channels), (44_100, 2));
        assert_eq!(AacConfig::from_esds(&config.esds()), Ok(config));
    }

    #[test]
    fn an_adts_frame_tells_its_config_and_loses_its_header() {
        // AAC-LC, 48 kHz, stereo, 10 bytes in all, no CRC.
        let frame = Bytes::from_static(&[0xff, 0xf1, 0x4c, 0x80, 0x01, 0x5f, 0xfc, 1, 2, 3]);
        let config = AacConfig::from_adts(&frame).unwrap();
        assert_eq!(config.specific_config, [0x11, 0x90][..]);
        assert_eq!(without_adts(&frame), [1, 2, 3][..]);
    }
}
