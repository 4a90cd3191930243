//! AV1: the av1C record (AV1-ISOBMFF §2.3) and the sequence header OBU (AV1 §5.5).
//!
//! LOC carries no AV1 configuration at all: it is rebuilt from the sequence header of a key frame.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CodecError, Record};
use crate::bits::Bits;

const RECORD: &str = "av1C";
const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_TEMPORAL_DELIMITER: u8 = 2;

/// An AV1CodecConfigurationRecord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Av1Config {
    /// Three bytes of flags after the marker.
    fields: [u8; 3],
    /// OBUs that precede the first sample: as a rule the sequence header.
    pub obus: Bytes,
}

impl Av1Config {
    /// Reads an av1C record.
    ///
    /// # Errors
    /// It is shorter than 4 bytes or is not version 1.
    pub fn decode(record: &Bytes) -> Result<Self, CodecError> {
        let mut read = Record::new(RECORD, record);
        let marker = read.u8("marker and version")?;
        if marker != 0x81 {
            return Err(read.invalid("marker and version", marker.into(), "must be 129"));
        }
        let fields = read.bytes(3, "profile, level and format")?;
        let fields = [fields[0], fields[1], fields[2]];
        Ok(Self { fields, obus: record.slice_ref(read.rest()) })
    }

    /// The record that a key frame's sequence header describes. `None` if there is none to read.
    pub fn from_key_frame(frame: &Bytes) -> Option<Self> {
        let header = sequence_header(frame)?;
        let fields = Sequence::decode(obu_payload(header)?)?.record_fields();
        Some(Self { fields, obus: frame.slice_ref(header) })
    }

    /// The record of `av01.P.LLT.DD…`, 4:2:0 unless the string says otherwise.
    ///
    /// # Errors
    /// The string is not of that form.
    pub fn from_codec_string(codec: &str) -> Result<Self, CodecError> {
        let unknown = || CodecError::UnknownCodec(codec.to_owned());
        let mut parts = codec.split('.').skip(1);
        let profile: u8 =
            parts.next().and_then(|p| p.parse().ok()).filter(|p| *p < 3).ok_or_else(unknown)?;
        let level = parts.next().ok_or_else(unknown)?;
        let tier = level.ends_with('H');
        let level: u8 = level
            .trim_end_matches(['M', 'H'])
            .parse()
            .ok()
            .filter(|l| *l < 32)
            .ok_or_else(unknown)?;
        let depth: u8 = parts.next().and_then(|d| d.parse().ok()).unwrap_or(8);
        let mono = parts.next() == Some("1");
        let subsampling = parts.next().unwrap_or(match profile {
            1 => "000",
            2 if depth < 12 => "100",
            _ => "110",
        });
        let mut chroma = subsampling.bytes().map(|digit| digit == b'1');
        let sequence = Sequence {
            profile,
            level,
            tier,
            high_bit_depth: depth > 8,
            twelve_bit: depth > 10,
            mono,
            subsampling_x: chroma.next().unwrap_or(true),
            subsampling_y: chroma.next().unwrap_or(true),
            chroma_position: 0,
            width: 0,
            height: 0,
        };
        Ok(Self { fields: sequence.record_fields(), obus: Bytes::new() })
    }

    /// The record as an av1C box holds it.
    pub fn record(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(4 + self.obus.len());
        out.put_u8(0x81);
        out.put_slice(&self.fields);
        out.put_slice(&self.obus);
        out.freeze()
    }

    pub(super) fn codec_string(&self) -> String {
        let [first, second, _] = self.fields;
        let tier = if second & 0x80 == 0 { 'M' } else { 'H' };
        let depth = match (second & 0x40 != 0, second & 0x20 != 0) {
            (false, _) => 8,
            (true, false) => 10,
            (true, true) => 12,
        };
        format!("av01.{}.{:02}{tier}.{depth:02}", first >> 5, first & 0x1f)
    }

    pub(super) fn dimensions(&self) -> Option<(u32, u32)> {
        let header = Sequence::decode(obu_payload(sequence_header(&self.obus)?)?)?;
        Some((header.width, header.height))
    }
}

/// The sequence header OBU of a temporal unit, header included, or `None`.
pub fn sequence_header(unit: &[u8]) -> Option<&[u8]> {
    obus(unit).find(|obu| obu_type(obu) == Some(OBU_SEQUENCE_HEADER))
}

/// A temporal unit without its temporal delimiters, which MP4 samples must not hold.
pub(crate) fn without_temporal_delimiters(unit: &Bytes) -> Bytes {
    let delimits = |obu: &&[u8]| obu_type(obu) == Some(OBU_TEMPORAL_DELIMITER);
    let complete = obus(unit).map(<[u8]>::len).sum::<usize>() == unit.len();
    if !complete || !obus(unit).any(|obu| delimits(&obu)) {
        return unit.clone();
    }
    let mut out = BytesMut::with_capacity(unit.len());
    for obu in obus(unit).filter(|obu| !delimits(obu)) {
        out.put_slice(obu);
    }
    out.freeze()
}

fn obu_type(obu: &[u8]) -> Option<u8> {
    obu.first().map(|byte| byte >> 3 & 0xf)
}

/// The OBUs of the low-overhead format; stops at the first that is malformed.
fn obus(unit: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = unit;
    std::iter::from_fn(move || {
        let length = obu_length(rest)?;
        let (obu, tail) = rest.split_at_checked(length)?;
        rest = tail;
        Some(obu)
    })
}

fn obu_length(data: &[u8]) -> Option<usize> {
    let (start, size) = obu_head(data)?;
    start.checked_add(size)
}

fn obu_payload(obu: &[u8]) -> Option<&[u8]> {
    let (start, size) = obu_head(obu)?;
    obu.get(start..start.checked_add(size)?)
}

/// Bytes before the payload, and bytes of payload.
fn obu_head(data: &[u8]) -> Option<(usize, usize)> {
    let first = *data.first()?;
    let head = if first & 4 == 0 { 1 } else { 2 };
    if first & 2 == 0 {
        return Some((head, data.len().checked_sub(head)?));
    }
    let mut size = 0u64;
    for index in 0..8 {
        let byte = *data.get(head + index)?;
        size |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((head + index + 1, usize::try_from(size).ok()?));
        }
    }
    None
}

struct Sequence {
    profile: u8,
    level: u8,
    tier: bool,
    high_bit_depth: bool,
    twelve_bit: bool,
    mono: bool,
    subsampling_x: bool,
    subsampling_y: bool,
    chroma_position: u8,
    width: u32,
    height: u32,
}

impl Sequence {
    fn decode(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(payload);
        let profile = bits.bits(3)? as u8;
        bits.bit()?;
        let reduced = bits.bit()?;
        let (level, tier) =
            if reduced { (bits.bits(5)? as u8, false) } else { operating_point(&mut bits)? };
        let (width_bits, height_bits) = (bits.bits(4)? + 1, bits.bits(4)? + 1);
        let width = bits.bits(width_bits)? + 1;
        let height = bits.bits(height_bits)? + 1;
        if !reduced && bits.bit()? {
            bits.skip(7)?;
        }
        bits.skip(3)?;
        if !reduced {
            skip_tools(&mut bits)?;
        }
        bits.skip(3)?;
        let mut sequence = Self {
            profile,
            level,
            tier,
            high_bit_depth: bits.bit()?,
            twelve_bit: false,
            mono: false,
            subsampling_x: true,
            subsampling_y: true,
            chroma_position: 0,
            width,
            height,
        };
        sequence.decode_color(&mut bits)?;
        Some(sequence)
    }

    /// AV1 §5.5.2.
    fn decode_color(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        self.twelve_bit = self.profile == 2 && self.high_bit_depth && bits.bit()?;
        self.mono = self.profile != 1 && bits.bit()?;
        let description =
            if bits.bit()? { [bits.bits(8)?, bits.bits(8)?, bits.bits(8)?] } else { [2; 3] };
        if self.mono {
            return Some(());
        }
        if description == [1, 13, 0] {
            (self.subsampling_x, self.subsampling_y) = (false, false);
            return Some(());
        }
        bits.bit()?;
        (self.subsampling_x, self.subsampling_y) = match self.profile {
            0 => (true, true),
            1 => (false, false),
            _ if !self.twelve_bit => (true, false),
            _ => {
                let x = bits.bit()?;
                (x, x && bits.bit()?)
            }
        };
        if self.subsampling_x && self.subsampling_y {
            self.chroma_position = bits.bits(2)? as u8;
        }
        Some(())
    }

    fn record_fields(&self) -> [u8; 3] {
        [
            self.profile << 5 | self.level,
            u8::from(self.tier) << 7
                | u8::from(self.high_bit_depth) << 6
                | u8::from(self.twelve_bit) << 5
                | u8::from(self.mono) << 4
                | u8::from(self.subsampling_x) << 3
                | u8::from(self.subsampling_y) << 2
                | self.chroma_position,
            0,
        ]
    }
}

/// Level and tier of the first operating point; reads all of them.
fn operating_point(bits: &mut Bits<'_>) -> Option<(u8, bool)> {
    let (mut decoder_model, mut delay_bits) = (false, 0);
    if bits.bit()? {
        bits.skip(64)?;
        if bits.bit()? {
            bits.ue()?;
        }
        decoder_model = bits.bit()?;
        if decoder_model {
            delay_bits = bits.bits(5)? as usize + 1;
            bits.skip(42)?;
        }
    }
    let initial_display_delay = bits.bit()?;
    let mut first = None;
    for _ in 0..=bits.bits(5)? {
        bits.skip(12)?;
        let level = bits.bits(5)? as u8;
        let tier = level > 7 && bits.bit()?;
        if decoder_model && bits.bit()? {
            bits.skip(2 * delay_bits + 1)?;
        }
        if initial_display_delay && bits.bit()? {
            bits.skip(4)?;
        }
        first.get_or_insert((level, tier));
    }
    first
}

/// The tools between the frame size and the colour description (AV1 §5.5.1).
fn skip_tools(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4)?;
    let order_hint = bits.bit()?;
    if order_hint {
        bits.skip(2)?;
    }
    let screen_content = if bits.bit()? { 2 } else { bits.bits(1)? };
    if screen_content > 0 && !bits.bit()? {
        bits.bit()?;
    }
    if order_hint {
        bits.skip(3)?;
    }
    Some(())
}
