//! HEVC: the hvcC record (ISO 14496-15 §8.3.3) and what its sequence parameter set tells.

use bytes::{BufMut, Bytes, BytesMut};

use super::avc::with_byte;
use super::{CodecError, ParameterSets, Record};
use crate::bits::{Bits, without_emulation_prevention};

const RECORD: &str = "hvcC";
const LENGTH_SIZE_AT: usize = 21;
const NAL_VPS: u8 = 32;
const NAL_SPS: u8 = 33;
const NAL_PPS: u8 = 34;

/// An HEVCDecoderConfigurationRecord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HevcConfig {
    record: Bytes,
    /// Bytes of each NAL unit's length in the samples: 1, 2 or 4.
    pub length_bytes: usize,
    /// Parameter sets and SEI of the record, each a whole NAL unit, in its order.
    pub nals: Vec<Bytes>,
}

impl HevcConfig {
    /// Reads an hvcC record.
    ///
    /// # Errors
    /// It is cut short, its version is not 1, or its NAL lengths have 3 bytes.
    pub fn decode(record: &Bytes) -> Result<Self, CodecError> {
        let mut read = Record::new(RECORD, record);
        let version = read.u8("configurationVersion")?;
        if version != 1 {
            return Err(read.invalid("configurationVersion", version.into(), "must be 1"));
        }
        read.bytes(LENGTH_SIZE_AT - 1, "profile, tier and level")?;
        let length_bytes = usize::from(read.u8("lengthSizeMinusOne")? & 3) + 1;
        if length_bytes == 3 {
            return Err(read.invalid("lengthSizeMinusOne", 2, "must be 0, 1 or 3"));
        }
        let arrays = read.u8("numOfArrays")?;
        let mut nals = Vec::new();
        for _ in 0..arrays {
            read.u8("NAL_unit_type")?;
            for _ in 0..read.u16("numNalus")? {
                let length = usize::from(read.u16("nalUnitLength")?);
                nals.push(record.slice_ref(read.bytes(length, "nalUnit")?));
            }
        }
        Ok(Self { record: record.clone(), length_bytes, nals })
    }

    /// Builds the record of a stream whose parameter sets came in band. `None` if an SPS is missing
    /// or cannot be read.
    pub fn from_parameter_sets(nals: Vec<Bytes>) -> Option<Self> {
        let sps = Sps::decode(nals.iter().find(|nal| nal_type(nal) == NAL_SPS)?)?;
        let mut out = BytesMut::new();
        out.put_u8(1);
        out.put_slice(&sps.profile_tier_level);
        out.put_u16(0xf000);
        out.put_u8(0xfc);
        out.put_u8(0xfc | sps.chroma_format as u8);
        out.put_u8(0xf8 | sps.bit_depth_luma_minus8 as u8);
        out.put_u8(0xf8 | sps.bit_depth_chroma_minus8 as u8);
        out.put_u16(0);
        out.put_u8(sps.sub_layers << 3 | u8::from(sps.temporal_nesting) << 2 | 3);
        let kinds = [NAL_VPS, NAL_SPS, NAL_PPS];
        let of = |kind: u8| nals.iter().filter(move |nal| nal_type(nal) == kind);
        out.put_u8(kinds.iter().filter(|kind| of(**kind).next().is_some()).count() as u8);
        for kind in kinds.into_iter().filter(|kind| of(*kind).next().is_some()) {
            out.put_u8(0x80 | kind);
            out.put_u16(u16::try_from(of(kind).count()).ok()?);
            for nal in of(kind) {
                out.put_u16(u16::try_from(nal.len()).ok()?);
                out.put_slice(nal);
            }
        }
        Some(Self { record: out.freeze(), length_bytes: 4, nals })
    }

    /// The record as it was read.
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    pub(super) fn record_with_long_lengths(&self) -> Bytes {
        with_byte(&self.record, LENGTH_SIZE_AT, |byte| byte | 3)
    }

    /// ISO 14496-15 §E.3: profile, reversed compatibility flags, tier and level, constraint bytes.
    pub(super) fn codec_string(&self, sets: ParameterSets) -> String {
        let entry = if sets == ParameterSets::InBand { "hev1" } else { "hvc1" };
        let record = &self.record;
        let space = ["", "A", "B", "C"][usize::from(record[1] >> 6)];
        let profile = record[1] & 0x1f;
        let flags = u32::from_be_bytes([record[2], record[3], record[4], record[5]]).reverse_bits();
        let tier = if record[1] & 0x20 == 0 { 'L' } else { 'H' };
        let level = record[12];
        let mut text = format!("{entry}.{space}{profile}.{flags:X}.{tier}{level}");
        let constraints = &record[6..12];
        let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for byte in &constraints[..used] {
            text.push_str(&format!(".{byte:X}"));
        }
        text
    }

    fn sps(&self) -> Option<Sps> {
        Sps::decode(self.nals.iter().find(|nal| nal_type(nal) == NAL_SPS)?)
    }

    pub(super) fn dimensions(&self) -> Option<(u32, u32)> {
        self.sps().map(|sps| (sps.width, sps.height))
    }

    pub(super) fn reorder_frames(&self) -> Option<usize> {
        self.sps()?.reorder_frames
    }
}

fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |byte| byte >> 1 & 0x3f)
}

/// The fields of a sequence parameter set (HEVC §7.3.2.2) that matter outside a decoder.
struct Sps {
    /// General profile, tier and level as hvcC repeats them: 12 bytes.
    profile_tier_level: [u8; 12],
    sub_layers: u8,
    temporal_nesting: bool,
    chroma_format: u32,
    bit_depth_luma_minus8: u32,
    bit_depth_chroma_minus8: u32,
    width: u32,
    height: u32,
    reorder_frames: Option<usize>,
}

impl Sps {
    fn decode(nal: &[u8]) -> Option<Self> {
        let plain = without_emulation_prevention(nal.get(2..)?);
        let mut bits = Bits::new(&plain);
        bits.bits(4)?;
        let sub_layers = bits.bits(3)? as u8 + 1;
        let temporal_nesting = bits.bit()?;
        let profile_tier_level = plain.get(1..13)?.try_into().ok()?;
        bits.skip(96)?;
        skip_sub_layers(&mut bits, usize::from(sub_layers - 1))?;
        bits.ue()?;
        let chroma_format = bits.ue().filter(|format| *format <= 3)?;
        let separate = chroma_format == 3 && bits.bit()?;
        let (full_width, full_height) = (bits.ue()?, bits.ue()?);
        let crop =
            if bits.bit()? { [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?] } else { [0; 4] };
        let (unit_x, unit_y) = match chroma_format {
            _ if separate => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let cropped = |size: u32, unit: u32, a: u32, b: u32| {
            size.checked_sub(unit.checked_mul(a.checked_add(b)?)?)
        };
        let width = cropped(full_width, unit_x, crop[0], crop[1])?;
        let height = cropped(full_height, unit_y, crop[2], crop[3])?;
        let bit_depth_luma_minus8 = bits.ue().filter(|depth| *depth <= 8)?;
        let bit_depth_chroma_minus8 = bits.ue().filter(|depth| *depth <= 8)?;
        bits.ue()?;
        let reorder_frames = reorder_frames(&mut bits, sub_layers);
        Some(Self {
            profile_tier_level,
            sub_layers,
            temporal_nesting,
            chroma_format,
            bit_depth_luma_minus8,
            bit_depth_chroma_minus8,
            width,
            height,
            reorder_frames,
        })
    }
}

/// `sps_max_num_reorder_pics` of the highest sub-layer.
fn reorder_frames(bits: &mut Bits<'_>, sub_layers: u8) -> Option<usize> {
    let listed = if bits.bit()? { sub_layers } else { 1 };
    let mut frames = None;
    for _ in 0..listed {
        bits.ue()?;
        frames = Some(bits.ue().filter(|frames| *frames <= 16)? as usize);
        bits.ue()?;
    }
    frames
}

fn skip_sub_layers(bits: &mut Bits<'_>, count: usize) -> Option<()> {
    let mut present = Vec::new();
    for _ in 0..count {
        present.push((bits.bit()?, bits.bit()?));
    }
    if count > 0 {
        bits.skip(2 * (8 - count))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}
