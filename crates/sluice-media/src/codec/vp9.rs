//! VP9: the vpcC record (VP9-ISOBMFF §2.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::{CodecError, Record};

const RECORD: &str = "vpcC";

/// A VPCodecConfigurationRecord without its box header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vp9Config {
    profile: u8,
    level: u8,
    /// Bit depth, chroma subsampling and range in one byte, as the record packs them.
    format: u8,
    color: [u8; 3],
}

impl Vp9Config {
    /// Reads the content of a vpcC box, version and flags included.
    ///
    /// # Errors
    /// It is cut short or is not version 1.
    pub fn decode(record: &Bytes) -> Result<Self, CodecError> {
        let mut read = Record::new(RECORD, record);
        let version = read.u8("version")?;
        if version != 1 {
            return Err(read.invalid("version", version.into(), "must be 1"));
        }
        read.bytes(3, "flags")?;
        let fields = read.bytes(6, "profile, level and color")?;
        if fields[2] >> 4 > 12 {
            return Err(read.invalid("bitDepth", (fields[2] >> 4).into(), "must be at most 12"));
        }
        Ok(Self {
            profile: fields[0],
            level: fields[1],
            format: fields[2],
            color: [fields[3], fields[4], fields[5]],
        })
    }

    /// The record of `vp09.PP.LL.DD`, 4:2:0 unless the string says otherwise.
    ///
    /// # Errors
    /// The string is not of that form.
    pub fn from_codec_string(codec: &str) -> Result<Self, CodecError> {
        let unknown = || CodecError::UnknownCodec(codec.to_owned());
        let mut numbers = codec.split('.').skip(1).map(|part| part.parse::<u8>());
        let mut number = |default: Option<u8>| match numbers.next() {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) => Err(unknown()),
            None => default.ok_or_else(unknown),
        };
        let profile = number(None)?;
        let level = number(None)?;
        let depth = number(None)?;
        let chroma = number(Some(1))?;
        let color = [number(Some(1))?, number(Some(1))?, number(Some(1))?];
        let full_range = number(Some(0))?;
        if depth > 12 || chroma > 7 || full_range > 1 {
            return Err(unknown());
        }
        Ok(Self { profile, level, format: depth << 4 | chroma << 1 | full_range, color })
    }

    /// The content of a vpcC box, version and flags included.
    pub fn record(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32(0x0100_0000);
        out.put_slice(&[self.profile, self.level, self.format]);
        out.put_slice(&self.color);
        out.put_u16(0);
        out.freeze()
    }

    pub(super) fn codec_string(&self) -> String {
        format!("vp09.{:02}.{:02}.{:02}", self.profile, self.level, self.format >> 4)
    }
}
