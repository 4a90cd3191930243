//! Opus: OpusHead (RFC 7845 §5.1), the dOps box, and the length of a packet.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CodecError, Record};

/// How an Opus track is to be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusConfig {
    /// Output channels.
    pub channels: u8,
    /// Samples at 48 kHz to drop from the start.
    pub pre_skip: u16,
    /// Rate of the original input, for information.
    pub input_rate: u32,
    /// Gain in 1/256 dB.
    pub gain: i16,
    /// Channel mapping family.
    pub family: u8,
    /// Mapping table of families other than 0.
    pub mapping: Bytes,
}

impl OpusConfig {
    /// What WebCodecs assumes without a description: two channels, nothing to skip.
    pub fn stereo() -> Self {
        Self {
            channels: 2,
            pre_skip: 0,
            input_rate: 48_000,
            gain: 0,
            family: 0,
            mapping: Bytes::new(),
        }
    }

    /// Reads an OpusHead, which is little-endian.
    ///
    /// # Errors
    /// It is cut short, is not an OpusHead, or has no channel.
    pub fn from_head(head: &Bytes) -> Result<Self, CodecError> {
        let mut read = Record::new("OpusHead", head);
        let magic = read.bytes(8, "magic")?;
        if magic != b"OpusHead" {
            return Err(read.invalid("magic", u64::from(magic[0]), "must be `OpusHead`"));
        }
        let version = read.u8("version")?;
        if version & 0xf0 != 0 {
            return Err(read.invalid("version", version.into(), "must be below 16"));
        }
        let channels = read.u8("channel count")?;
        let pre_skip = read.u16("pre-skip")?.swap_bytes();
        let input_rate = read.u32("input sample rate")?.swap_bytes();
        let gain = read.u16("output gain")?.swap_bytes() as i16;
        Self { channels, pre_skip, input_rate, gain, family: 0, mapping: Bytes::new() }
            .with_mapping(read, head)
    }

    /// Reads the content of a dOps box, which is big-endian.
    ///
    /// # Errors
    /// It is cut short, is not version 0, or has no channel.
    pub fn from_dops(dops: &Bytes) -> Result<Self, CodecError> {
        let mut read = Record::new("dOps", dops);
        let version = read.u8("Version")?;
        if version != 0 {
            return Err(read.invalid("Version", version.into(), "must be 0"));
        }
        let channels = read.u8("OutputChannelCount")?;
        let pre_skip = read.u16("PreSkip")?;
        let input_rate = read.u32("InputSampleRate")?;
        let gain = read.u16("OutputGain")? as i16;
        Self { channels, pre_skip, input_rate, gain, family: 0, mapping: Bytes::new() }
            .with_mapping(read, dops)
    }

    fn with_mapping(mut self, mut read: Record<'_>, whole: &Bytes) -> Result<Self, CodecError> {
        if self.channels == 0 {
            return Err(read.invalid("channel count", 0, "must be at least 1"));
        }
        self.family = read.u8("mapping family")?;
        if self.family != 0 {
            let table = read.bytes(2 + usize::from(self.channels), "channel mapping")?;
            self.mapping = whole.slice_ref(table);
        }
        Ok(self)
    }

    /// The OpusHead.
    pub fn head(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_slice(b"OpusHead\x01");
        out.put_u8(self.channels);
        out.put_u16_le(self.pre_skip);
        out.put_u32_le(self.input_rate);
        out.put_i16_le(self.gain);
        self.put_mapping(&mut out);
        out.freeze()
    }

    /// The content of a dOps box.
    pub fn dops(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(0);
        out.put_u8(self.channels);
        out.put_u16(self.pre_skip);
        out.put_u32(self.input_rate);
        out.put_i16(self.gain);
        self.put_mapping(&mut out);
        out.freeze()
    }

    fn put_mapping(&self, out: &mut BytesMut) {
        out.put_u8(self.family);
        out.put_slice(&self.mapping);
    }
}

/// Samples at 48 kHz that a packet decodes to (RFC 6716 §3.1). `None` for an empty packet.
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        config @ 12..=15 => [480, 960][usize::from(config % 2)],
        config => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_dops_are_the_same_facts_in_two_byte_orders() {
        let head = Bytes::from_static(b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00");
        let config = OpusConfig::from_head(&head).unwrap();
        assert_eq!((config.channels, config.pre_skip, config.input_rate), (2, 312, 48_000));
        assert_eq!(OpusConfig::from_dops(&config.dops()), Ok(config.clone()));
        assert_eq!(config.head(), head);
    }

    #[test]
    fn a_packet_of_20_ms_lasts_960_samples() {
        assert_eq!(packet_samples(&[0xfc, 0xff, 0xfe]), Some(960));
        assert_eq!(packet_samples(&[0xff, 3]), Some(2880));
        assert_eq!(packet_samples(&[]), None);
    }
}
