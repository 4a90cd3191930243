//! NAL units of H.264 and HEVC samples: length-prefixed (MP4, LOC with a configuration) or behind
//! start codes (Annex B). Their bytes are never changed, emulation prevention stays where it is.

use bytes::{BufMut, Bytes, BytesMut};

use super::{AvcConfig, CodecConfig, HevcConfig, ParameterSets};

/// Which of the two codecs a NAL unit's header belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalCodec {
    /// H.264.
    Avc,
    /// HEVC.
    Hevc,
}

/// How the NAL units of a sample are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalFraming {
    /// Each unit behind `00 00 01` or `00 00 00 01`.
    AnnexB,
    /// Each unit behind its length, big-endian, of so many bytes.
    Lengths(usize),
    /// Neither reading fits.
    Unknown,
}

/// What a NAL unit is, as far as packaging cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalKind {
    /// A video parameter set (HEVC only).
    Vps,
    /// A sequence parameter set.
    Sps,
    /// A picture parameter set.
    Pps,
    /// A slice of a picture at which decoding can start.
    Key,
    /// An access unit delimiter.
    Delimiter,
    /// Anything else.
    Other,
}

impl NalCodec {
    /// The codec of a configuration, if it has NAL units.
    pub fn of(config: &CodecConfig) -> Option<Self> {
        match config {
            CodecConfig::Avc(..) => Some(Self::Avc),
            CodecConfig::Hevc(..) => Some(Self::Hevc),
            _ => None,
        }
    }

    /// The codec that a codec string starts with, if it has NAL units.
    pub fn of_codec_string(codec: &str) -> Option<Self> {
        match codec.split('.').next()? {
            "avc1" | "avc3" => Some(Self::Avc),
            "hvc1" | "hev1" => Some(Self::Hevc),
            _ => None,
        }
    }

    /// What kind of unit `nal` is.
    pub fn kind(self, nal: &[u8]) -> NalKind {
        let Some(&first) = nal.first() else { return NalKind::Other };
        match (self, first & 0x1f, first >> 1 & 0x3f) {
            (Self::Avc, 5, _) | (Self::Hevc, _, 16..=21) => NalKind::Key,
            (Self::Hevc, _, 32) => NalKind::Vps,
            (Self::Avc, 7, _) | (Self::Hevc, _, 33) => NalKind::Sps,
            (Self::Avc, 8, _) | (Self::Hevc, _, 34) => NalKind::Pps,
            (Self::Avc, 9, _) | (Self::Hevc, _, 35) => NalKind::Delimiter,
            _ => NalKind::Other,
        }
    }
}

/// How the units of `sample` are framed.
///
/// Lengths that add up to the sample win: the length of a unit of 256 to 511 bytes reads like a
/// short start code. A first length of 1 that is all there is means a start code, as LOC prescribes.
pub fn framing(sample: &[u8], length_bytes: usize) -> NalFraming {
    let whole: usize = by_lengths(sample, length_bytes).map(|nal| nal.len() + length_bytes).sum();
    let lone_start_code = sample.len() <= 5 && sample.starts_with(&[0, 0, 0, 1]);
    if !sample.is_empty() && whole == sample.len() && !lone_start_code {
        NalFraming::Lengths(length_bytes)
    } else if sample.starts_with(&[0, 0, 0, 1]) || sample.starts_with(&[0, 0, 1]) {
        NalFraming::AnnexB
    } else {
        NalFraming::Unknown
    }
}

/// The units of a length-prefixed sample; stops at the first length that does not fit.
pub fn by_lengths(sample: &[u8], length_bytes: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = sample;
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_at_checked(length_bytes)?;
        if length.is_empty() {
            return None;
        }
        let length = length.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (nal, tail) = tail.split_at_checked(length)?;
        rest = tail;
        Some(nal)
    })
}

/// The units of an Annex B sample, without start codes and trailing zeros.
pub fn by_start_codes(sample: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = next_start_code(sample, 0).map(|(_, after)| after);
    std::iter::from_fn(move || {
        loop {
            let start = at?;
            let next = next_start_code(sample, start);
            at = next.map(|(_, after)| after);
            let end = next.map_or(sample.len(), |(code, _)| code);
            let nal = &sample[start..end];
            let used = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            if used > 0 {
                return Some(&nal[..used]);
            }
        }
    })
}

/// Position of the next `00 00 01` at or after `from`, and of the byte behind it.
fn next_start_code(data: &[u8], from: usize) -> Option<(usize, usize)> {
    let found = data.get(from..)?.windows(3).position(|window| window == [0, 0, 1])?;
    Some((from + found, from + found + 3))
}

/// `sample` with lengths of 4 bytes, whatever framing it came in. Delimiters and, where
/// `parameter_sets` are out of band, parameter sets of an Annex B sample are left out.
///
/// A sample of unknown framing comes back as it is.
pub fn to_long_lengths(
    codec: NalCodec,
    sample: &Bytes,
    length_bytes: usize,
    parameter_sets: ParameterSets,
) -> Bytes {
    let keep = |nal: &&[u8]| match codec.kind(nal) {
        NalKind::Delimiter => false,
        NalKind::Vps | NalKind::Sps | NalKind::Pps => parameter_sets == ParameterSets::InBand,
        _ => true,
    };
    match framing(sample, length_bytes) {
        NalFraming::Lengths(4) | NalFraming::Unknown => sample.clone(),
        NalFraming::Lengths(bytes) => joined(sample.len(), by_lengths(sample, bytes)),
        NalFraming::AnnexB => joined(sample.len(), by_start_codes(sample).filter(keep)),
    }
}

fn joined<'a>(about: usize, nals: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut out = BytesMut::with_capacity(about + 16);
    for nal in nals {
        // A sample is far below 4 GiB: it was one object.
        out.put_u32(u32::try_from(nal.len()).unwrap_or(u32::MAX));
        out.put_slice(nal);
    }
    out.freeze()
}

/// `sample` behind start codes, with the parameter sets of `config` before a key picture that does
/// not bring its own.
pub fn to_annex_b(config: &CodecConfig, sample: &Bytes) -> Bytes {
    let (Some(codec), Some(length_bytes)) = (NalCodec::of(config), config.nal_length_bytes())
    else {
        return sample.clone();
    };
    if framing(sample, length_bytes) == NalFraming::AnnexB {
        return sample.clone();
    }
    let mut out = BytesMut::with_capacity(sample.len() + 64);
    let mut put = |nal: &[u8]| {
        out.put_slice(&[0, 0, 0, 1]);
        out.put_slice(nal);
    };
    let has = |kind| by_lengths(sample, length_bytes).any(|nal| codec.kind(nal) == kind);
    if has(NalKind::Key) && !has(NalKind::Sps) {
        match config {
            CodecConfig::Avc(avc, _) => avc.sps.iter().chain(&avc.pps).for_each(|nal| put(nal)),
            CodecConfig::Hevc(hevc, _) => hevc.nals.iter().for_each(|nal| put(nal)),
            _ => {}
        }
    }
    by_lengths(sample, length_bytes).for_each(put);
    out.freeze()
}

/// The configuration that a key frame's own parameter sets describe. `None` if it has none.
pub fn config_of_key_frame(codec: NalCodec, frame: &Bytes) -> Option<CodecConfig> {
    let nals: Vec<&[u8]> = match framing(frame, 4) {
        NalFraming::AnnexB => by_start_codes(frame).collect(),
        NalFraming::Lengths(bytes) => by_lengths(frame, bytes).collect(),
        NalFraming::Unknown => return None,
    };
    let of = |kind| -> Vec<Bytes> {
        nals.iter().filter(|nal| codec.kind(nal) == kind).map(|nal| frame.slice_ref(nal)).collect()
    };
    let (sps, pps) = (of(NalKind::Sps), of(NalKind::Pps));
    match codec {
        NalCodec::Avc => AvcConfig::from_parameter_sets(sps, pps)
            .map(|config| CodecConfig::Avc(config, ParameterSets::InBand)),
        NalCodec::Hevc => {
            let sets = [of(NalKind::Vps), sps, pps].concat();
            HevcConfig::from_parameter_sets(sets)
                .map(|config| CodecConfig::Hevc(config, ParameterSets::InBand))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNEX_B: &[u8] = &[0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88, 0, 0, 0, 1, 0x41, 7, 0, 0];

    #[test]
    fn annex_b_turns_into_lengths_without_delimiters_and_trailing_zeros() {
        let sample = Bytes::from_static(ANNEX_B);
        let lengths = to_long_lengths(NalCodec::Avc, &sample, 4, ParameterSets::OutOfBand);
        assert_eq!(lengths, [0, 0, 0, 2, 0x65, 0x88, 0, 0, 0, 2, 0x41, 7][..]);
        assert_eq!(framing(&lengths, 4), NalFraming::Lengths(4));
    }

    #[test]
    fn short_lengths_grow_to_four_bytes() {
        let sample = Bytes::from_static(&[0, 2, 0x65, 0x88, 0, 1, 0x41]);
        let lengths = to_long_lengths(NalCodec::Avc, &sample, 2, ParameterSets::OutOfBand);
        assert_eq!(lengths, [0, 0, 0, 2, 0x65, 0x88, 0, 0, 0, 1, 0x41][..]);
    }

    #[test]
    fn a_length_that_looks_like_a_start_code_is_still_a_length() {
        let mut sample = vec![0, 0, 1, 2];
        sample.resize(4 + 0x102, 0x41);
        assert_eq!(framing(&sample, 4), NalFraming::Lengths(4));
        assert_eq!(framing(&sample[..200], 4), NalFraming::AnnexB);
    }

    #[test]
    fn lengths_that_do_not_add_up_are_no_framing() {
        assert_eq!(framing(&[0, 0, 0, 9, 1], 4), NalFraming::Unknown);
        assert_eq!(framing(&[], 4), NalFraming::Unknown);
    }
}
