//! H.264: the avcC record (ISO 14496-15 §5.3.3) and what its sequence parameter set tells.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CodecError, ParameterSets, Record};
use crate::bits::{Bits, without_emulation_prevention};

const RECORD: &str = "avcC";
/// Profiles whose SPS carries chroma format and bit depths (H.264 §7.3.2.1.1).
const HIGH_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// An AVCDecoderConfigurationRecord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    record: Bytes,
    /// Bytes of each NAL unit's length in the samples: 1, 2 or 4.
    pub length_bytes: usize,
    /// Sequence parameter sets, each a whole NAL unit.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, each a whole NAL unit.
    pub pps: Vec<Bytes>,
}

impl AvcConfig {
    /// Reads an avcC record.
    ///
    /// # Errors
    /// It is cut short, its version is not 1, or its NAL lengths have 3 bytes.
    pub fn decode(record: &Bytes) -> Result<Self, CodecError> {
        let mut read = Record::new(RECORD, record);
        let version = read.u8("configurationVersion")?;
        if version != 1 {
            return Err(read.invalid("configurationVersion", version.into(), "must be 1"));
        }
        read.bytes(3, "profile and level")?;
        let length_bytes = usize::from(read.u8("lengthSizeMinusOne")? & 3) + 1;
        if length_bytes == 3 {
            return Err(read.invalid("lengthSizeMinusOne", 2, "must be 0, 1 or 3"));
        }
        let sps_count = read.u8("numOfSequenceParameterSets")? & 0x1f;
        let sps = sets(&mut read, record, sps_count, "sequenceParameterSet")?;
        let pps_count = read.u8("numOfPictureParameterSets")?;
        let pps = sets(&mut read, record, pps_count, "pictureParameterSet")?;
        Ok(Self { record: record.clone(), length_bytes, sps, pps })
    }

    /// Builds the record of a stream whose parameter sets came in band. `None` without an SPS.
    pub fn from_parameter_sets(sps: Vec<Bytes>, pps: Vec<Bytes>) -> Option<Self> {
        let first = sps.first().filter(|sps| sps.len() >= 4)?.clone();
        let mut out = BytesMut::new();
        out.put_slice(&[1, first[1], first[2], first[3], 0xff]);
        out.put_u8(0xe0 | (sps.len().min(31) as u8));
        for set in sps.iter().take(31) {
            out.put_u16(u16::try_from(set.len()).ok()?);
            out.put_slice(set);
        }
        out.put_u8(pps.len().min(255) as u8);
        for set in pps.iter().take(255) {
            out.put_u16(u16::try_from(set.len()).ok()?);
            out.put_slice(set);
        }
        if matches!(first[1], 100 | 110 | 122 | 144) {
            let sps = Sps::decode(&first)?;
            out.put_u8(0xfc | sps.chroma_format as u8);
            out.put_u8(0xf8 | sps.bit_depth_luma_minus8 as u8);
            out.put_u8(0xf8 | sps.bit_depth_chroma_minus8 as u8);
            out.put_u8(0);
        }
        Some(Self { record: out.freeze(), length_bytes: 4, sps, pps })
    }

    /// The record as it was read.
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    pub(super) fn record_with_long_lengths(&self) -> Bytes {
        with_byte(&self.record, 4, |byte| byte | 3)
    }

    pub(super) fn codec_string(&self, sets: ParameterSets) -> String {
        let entry = if sets == ParameterSets::InBand { "avc3" } else { "avc1" };
        format!("{entry}.{:02x}{:02x}{:02x}", self.record[1], self.record[2], self.record[3])
    }

    pub(super) fn dimensions(&self) -> Option<(u32, u32)> {
        let sps = Sps::decode(self.sps.first()?)?;
        Some((sps.width, sps.height))
    }

    pub(super) fn reorder_frames(&self) -> Option<usize> {
        // Baseline has no B slices (H.264 §A.2.1).
        if matches!(self.record[1], 66) {
            return Some(0);
        }
        Sps::decode(self.sps.first()?)?.reorder_frames
    }
}

/// `record` with one byte changed, shared when nothing changes.
pub(super) fn with_byte(record: &Bytes, at: usize, change: impl Fn(u8) -> u8) -> Bytes {
    match record.get(at) {
        Some(&byte) if change(byte) != byte => {
            let mut copy = BytesMut::from(&record[..]);
            copy[at] = change(byte);
            copy.freeze()
        }
        _ => record.clone(),
    }
}

fn sets(
    read: &mut Record<'_>,
    record: &Bytes,
    count: u8,
    field: &'static str,
) -> Result<Vec<Bytes>, CodecError> {
    let mut sets = Vec::new();
    for _ in 0..count {
        let length = usize::from(read.u16(field)?);
        sets.push(record.slice_ref(read.bytes(length, field)?));
    }
    Ok(sets)
}

/// The fields of a sequence parameter set that matter outside a decoder.
struct Sps {
    chroma_format: u32,
    bit_depth_luma_minus8: u32,
    bit_depth_chroma_minus8: u32,
    width: u32,
    height: u32,
    reorder_frames: Option<usize>,
}

impl Sps {
    fn decode(nal: &[u8]) -> Option<Self> {
        let plain = without_emulation_prevention(nal.get(1..)?);
        let mut bits = Bits::new(&plain);
        let profile = bits.bits(8)? as u8;
        bits.skip(16)?;
        bits.ue()?;
        let (mut chroma_format, mut luma, mut chroma, mut separate) = (1, 0, 0, false);
        if HIGH_PROFILES.contains(&profile) {
            chroma_format = bits.ue().filter(|format| *format <= 3)?;
            separate = chroma_format == 3 && bits.bit()?;
            luma = bits.ue().filter(|depth| *depth <= 6)?;
            chroma = bits.ue().filter(|depth| *depth <= 6)?;
            bits.bit()?;
            if bits.bit()? {
                skip_scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
            }
        }
        bits.ue()?;
        skip_picture_order(&mut bits)?;
        bits.ue()?;
        bits.bit()?;
        let width_in_blocks = bits.ue()?.checked_add(1)?;
        let height_in_units = bits.ue()?.checked_add(1)?;
        let frames_only = bits.bit()?;
        if !frames_only {
            bits.bit()?;
        }
        bits.bit()?;
        let crop =
            if bits.bit()? { [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?] } else { [0; 4] };
        let fields = if frames_only { 1 } else { 2 };
        let (unit_x, unit_y) = match chroma_format {
            _ if separate => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let cropped = |size: u32, unit: u32, a: u32, b: u32| {
            size.checked_sub(unit.checked_mul(a.checked_add(b)?)?)
        };
        let width = cropped(width_in_blocks.checked_mul(16)?, unit_x, crop[0], crop[1])?;
        let height =
            cropped(height_in_units.checked_mul(16 * fields)?, unit_y * fields, crop[2], crop[3])?;
        let reorder_frames = reorder_frames_of_vui(&mut bits);
        Some(Self {
            chroma_format,
            bit_depth_luma_minus8: luma,
            bit_depth_chroma_minus8: chroma,
            width,
            height,
            reorder_frames,
        })
    }
}

fn skip_picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.bit()?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue().filter(|count| *count <= 255)? {
                bits.se()?;
            }
        }
        _ => {}
    }
    Some(())
}

fn skip_scaling_lists(bits: &mut Bits<'_>, lists: usize) -> Option<()> {
    for list in 0..lists {
        if !bits.bit()? {
            continue;
        }
        let (mut last, mut next) = (8i32, 8i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.se()?) & 0xff;
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

/// `max_num_reorder_frames` of the VUI (H.264 §E.1.1), if there is one that says so.
fn reorder_frames_of_vui(bits: &mut Bits<'_>) -> Option<usize> {
    if !bits.bit()? {
        return None;
    }
    if bits.bit()? && bits.bits(8)? == 255 {
        bits.skip(32)?;
    }
    if bits.bit()? {
        bits.bit()?;
    }
    if bits.bit()? {
        bits.skip(4)?;
        if bits.bit()? {
            bits.skip(24)?;
        }
    }
    if bits.bit()? {
        bits.ue()?;
        bits.ue()?;
    }
    if bits.bit()? {
        bits.skip(65)?;
    }
    let mut has_hrd = false;
    for _ in 0..2 {
        if bits.bit()? {
            has_hrd = true;
            let count = bits.ue().filter(|count| *count < 32)?;
            bits.skip(8)?;
            for _ in 0..=count {
                bits.ue()?;
                bits.ue()?;
                bits.bit()?;
            }
            bits.skip(20)?;
        }
    }
    if has_hrd {
        bits.bit()?;
    }
    bits.bit()?;
    if !bits.bit()? {
        return None;
    }
    bits.bit()?;
    for _ in 0..4 {
        bits.ue()?;
    }
    bits.ue().filter(|frames| *frames <= 16).map(|frames| frames as usize)
}
