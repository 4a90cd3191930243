//! CMAF chunks: one moof and one mdat with samples of one track, self-contained and relocatable.

use bytes::Bytes;

use super::boxes::{BoxHead, BoxWriter};
use super::fragment::{PendingFragment, moof_reader};
use super::{DemuxLimits, FourCc, Movie, Mp4Error, Sample};

/// What a chunk says about itself besides its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHead {
    /// The track's id in its CMAF header.
    pub track_id: u32,
    /// Number of the chunk, from 1.
    pub sequence: u32,
}

/// Writes samples of one track, in decoding order, as moof and mdat.
///
/// Offsets are relative to the moof (`default-base-is-moof`), every sample has its own duration,
/// size, flags and signed composition offset. The decoding time is that of the first sample.
pub fn write_chunk(head: ChunkHead, samples: &[Sample]) -> Bytes {
    let data_bytes: usize = samples.iter().map(|sample| sample.data.len()).sum();
    let first_time = samples.first().map_or(0, |sample| sample.decode_time);
    let mut out = BoxWriter::default();
    let mut data_offset_at = 0;
    out.put(b"moof", |out| {
        out.full(b"mfhd", 0, 0, |out| out.u32(head.sequence));
        out.put(b"traf", |out| {
            out.full(b"tfhd", 0, 0x02_0000, |out| out.u32(head.track_id));
            out.full(b"tfdt", 1, 0, |out| out.u64(first_time));
            out.full(b"trun", 1, 0xf01, |out| {
                out.u32(samples.len() as u32);
                data_offset_at = out.position();
                out.u32(0);
                for sample in samples {
                    out.u32(sample.duration);
                    out.u32(sample.data.len() as u32);
                    out.u32(sample.flags.0);
                    out.u32(sample.composition_offset as u32);
                }
            });
        });
    });
    out.set_u32(data_offset_at, (out.position() + 8) as u32);
    out.put(b"mdat", |out| {
        debug_assert!(data_bytes < u32::MAX as usize - 8);
        samples.iter().for_each(|sample| out.bytes(&sample.data));
    });
    out.finish()
}

/// Reads the payload of a CMAF object: one or several pairs of moof and mdat of one track.
///
/// `movie` is the CMAF header of that track. Other boxes are passed over.
///
/// # Errors
/// The chunk is malformed, cut short, of another track, or beyond `limits`.
pub fn decode_chunk(
    chunk: &Bytes,
    movie: &Movie,
    limits: &DemuxLimits,
) -> Result<Vec<Sample>, Mp4Error> {
    let mut samples = Vec::new();
    let mut pending: Option<PendingFragment> = None;
    let mut next_time = vec![0; movie.tracks.len()];
    let mut at = 0usize;
    while at < chunk.len() {
        let offset = at as u64;
        let rest = chunk.slice(at..);
        let cut = |name| Mp4Error::UnexpectedEnd { name, offset };
        let Some(head) = BoxHead::decode(&rest, offset)? else {
            return Err(cut(FourCc(*b"????")));
        };
        let size = head.size.unwrap_or(rest.len() as u64);
        let size = usize::try_from(size).ok().filter(|size| *size <= rest.len());
        let size = size.ok_or_else(|| cut(head.name))?;
        let content = rest.slice(head.head_bytes..size);
        let content_offset = offset + head.head_bytes as u64;
        match &head.name.0 {
            b"moof" => {
                let moof = moof_reader(content, content_offset);
                let read = PendingFragment::decode(moof, offset, movie, &next_time, limits)?;
                read.end_times().for_each(|(track, time)| next_time[track] = time);
                pending = (!read.runs.is_empty()).then_some(read);
            }
            b"mdat" => {
                if let Some(pending) = pending.take() {
                    for fragment in pending.resolve(&content, content_offset, movie)? {
                        samples.extend(fragment.samples);
                    }
                }
            }
            _ => {}
        }
        at += size;
    }
    match pending {
        Some(pending) => {
            Err(Mp4Error::UnexpectedEnd { name: FourCc(*b"mdat"), offset: pending.offset })
        }
        None => Ok(samples),
    }
}
