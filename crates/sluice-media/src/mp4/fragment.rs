//! Fragment headers (moof): which samples of which tracks lie where in the media data behind.
//!
//! What a run leaves out comes from the track fragment header, and what that leaves out from the
//! movie (ISO 14496-12 §8.8.7, §8.8.8). Offsets are kept absolute until the media data is there.

use bytes::Bytes;

use super::boxes::BoxReader;
use super::{DemuxLimits, FourCc, Movie, Mp4Error, Track};

/// Samples of one track that stand in one fragment, in decoding order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Index of the track in [`Movie::tracks`].
    pub track: usize,
    /// The samples; never empty.
    pub samples: Vec<Sample>,
}

/// One picture, audio frame or other access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Decoding time in the track's timescale.
    pub decode_time: u64,
    /// Composition time less decoding time, same unit.
    pub composition_offset: i32,
    /// Time until the next sample is decoded, same unit.
    pub duration: u32,
    /// Dependencies.
    pub flags: SampleFlags,
    /// The sample itself, a view into what was pushed.
    pub data: Bytes,
}

impl Sample {
    /// When it is to be shown, on the media's own time line.
    pub fn composition_time(&self) -> i64 {
        let decode_time = i64::try_from(self.decode_time).unwrap_or(i64::MAX);
        decode_time.saturating_add(self.composition_offset.into())
    }

    /// Whether decoding can start here.
    pub fn is_sync(&self) -> bool {
        self.flags.is_sync()
    }
}

/// The 32 sample flags (ISO 14496-12 §8.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleFlags(pub u32);

impl SampleFlags {
    /// Depends on no other sample.
    pub const SYNC: Self = Self(0x0200_0000);
    /// Depends on others.
    pub const NOT_SYNC: Self = Self(0x0101_0000);

    /// Whether decoding can start at such a sample.
    pub fn is_sync(self) -> bool {
        self.0 & 0x0001_0000 == 0
    }

    /// Whether nothing depends on such a sample.
    pub fn is_disposable(self) -> bool {
        self.0 >> 22 & 3 == 2
    }
}

/// What samples are when their fragment does not tell (trex).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleDefaults {
    /// Duration in the track's timescale.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Flags.
    pub flags: u32,
}

/// A fragment header whose media data is still to come.
#[derive(Debug)]
pub(super) struct PendingFragment {
    /// Where the moof starts in the stream.
    pub(super) offset: u64,
    pub(super) runs: Vec<TrackRuns>,
}

/// All samples of one track fragment, without their data.
#[derive(Debug)]
pub(super) struct TrackRuns {
    track: usize,
    samples: Vec<Placed>,
    /// Decoding time after the last sample.
    pub(super) end_time: u64,
}

#[derive(Debug)]
struct Placed {
    decode_time: u64,
    composition_offset: i32,
    duration: u32,
    flags: u32,
    start: u64,
    size: u32,
}

impl PendingFragment {
    /// Reads a moof that starts at `offset`. `next_times` are the decoding times for tracks whose
    /// fragment has no tfdt.
    pub(super) fn decode(
        mut moof: BoxReader,
        offset: u64,
        movie: &Movie,
        next_times: &[u64],
        limits: &DemuxLimits,
    ) -> Result<Self, Mp4Error> {
        let mut runs: Vec<TrackRuns> = Vec::new();
        let mut samples = 0;
        // ISO 14496-12 §8.8.7: without a base, the second track's data follows the first one's.
        let mut data_end = offset;
        while let Some((_, traf)) = moof.child()? {
            if &traf.name.0 != b"traf" {
                continue;
            }
            let mut reader = TrafReader {
                movie,
                moof_offset: offset,
                data_end: &mut data_end,
                samples: &mut samples,
                samples_max: limits.fragment_samples_max,
            };
            let already = |track: usize| {
                runs.iter().rev().find(|run| run.track == track).map(|run| run.end_time)
            };
            let next_time = |track: usize| already(track).unwrap_or(next_times[track]);
            if let Some(run) = reader.decode(traf, next_time)? {
                runs.push(run);
            }
        }
        Ok(Self { offset, runs })
    }

    /// Cuts the samples out of the media data that starts at `data_offset` of the stream.
    pub(super) fn resolve(
        self,
        data: &Bytes,
        data_offset: u64,
        movie: &Movie,
    ) -> Result<Vec<Fragment>, Mp4Error> {
        let mut fragments = Vec::with_capacity(self.runs.len());
        for run in self.runs {
            let mut samples = Vec::with_capacity(run.samples.len());
            for (index, placed) in run.samples.iter().enumerate() {
                let place = placed.start.checked_sub(data_offset).and_then(|start| {
                    let start = usize::try_from(start).ok()?;
                    let end = start.checked_add(placed.size as usize)?;
                    (end <= data.len()).then_some(start..end)
                });
                let Some(place) = place else {
                    let track_id = movie.tracks[run.track].id;
                    let offset = self.offset;
                    return Err(Mp4Error::OutsideData { track_id, sample: index, offset });
                };
                samples.push(Sample {
                    decode_time: placed.decode_time,
                    composition_offset: placed.composition_offset,
                    duration: placed.duration,
                    flags: SampleFlags(placed.flags),
                    data: data.slice(place),
                });
            }
            fragments.push(Fragment { track: run.track, samples });
        }
        Ok(fragments)
    }

    /// The tracks and the decoding times after this fragment.
    pub(super) fn end_times(&self) -> impl Iterator<Item = (usize, u64)> {
        self.runs.iter().map(|run| (run.track, run.end_time))
    }
}

/// Reads the track fragments of one moof in turn.
struct TrafReader<'a> {
    movie: &'a Movie,
    moof_offset: u64,
    data_end: &'a mut u64,
    samples: &'a mut usize,
    samples_max: usize,
}

/// A tfhd with the movie's defaults filled in.
struct TrafHead {
    track: usize,
    base: u64,
    defaults: SampleDefaults,
}

impl TrafReader<'_> {
    fn decode(
        &mut self,
        mut traf: BoxReader,
        next_time: impl Fn(usize) -> u64,
    ) -> Result<Option<TrackRuns>, Mp4Error> {
        let (mut head, mut time, mut truns) = (None, None, Vec::new());
        while let Some((_, mut child)) = traf.child()? {
            match &child.name.0 {
                b"tfhd" => head = Some(self.decode_tfhd(&mut child)?),
                b"tfdt" => {
                    let (version, _) = child.full()?;
                    time = Some(child.by_version(version, "baseMediaDecodeTime")?);
                }
                b"trun" => truns.push(child),
                _ => {}
            }
        }
        let head = head.ok_or_else(|| traf.missing(b"tfhd"))?;
        let mut runs = TrackRuns {
            track: head.track,
            samples: Vec::new(),
            end_time: time.unwrap_or_else(|| next_time(head.track)),
        };
        *self.data_end = head.base;
        for mut trun in truns {
            self.decode_trun(&mut trun, &head, &mut runs)?;
        }
        Ok(if runs.samples.is_empty() { None } else { Some(runs) })
    }

    fn decode_tfhd(&self, tfhd: &mut BoxReader) -> Result<TrafHead, Mp4Error> {
        let (_, flags) = tfhd.full()?;
        let offset = tfhd.offset();
        let track_id = tfhd.u32("track_ID")?;
        let track = self.movie.tracks.iter().position(|track| track.id == track_id);
        let track = track.ok_or(Mp4Error::UnknownTrack { track_id, offset })?;
        let base = if flags & 0x01 != 0 {
            tfhd.u64("base_data_offset")?
        } else if flags & 0x02_0000 != 0 {
            self.moof_offset
        } else {
            *self.data_end
        };
        if flags & 0x02 != 0 {
            tfhd.skip(4, "sample_description_index")?;
        }
        let mut defaults = self.movie.tracks[track].defaults;
        if flags & 0x08 != 0 {
            defaults.duration = tfhd.u32("default_sample_duration")?;
        }
        if flags & 0x10 != 0 {
            defaults.size = tfhd.u32("default_sample_size")?;
        }
        if flags & 0x20 != 0 {
            defaults.flags = tfhd.u32("default_sample_flags")?;
        }
        Ok(TrafHead { track, base, defaults })
    }

    fn decode_trun(
        &mut self,
        trun: &mut BoxReader,
        head: &TrafHead,
        runs: &mut TrackRuns,
    ) -> Result<(), Mp4Error> {
        let (_, flags) = trun.full()?;
        let count = trun.u32("sample_count")?;
        let total = (*self.samples).saturating_add(count as usize);
        if total > self.samples_max {
            return Err(Mp4Error::TooMany {
                name: trun.name,
                what: "samples in a fragment",
                count: total as u64,
                max: self.samples_max as u64,
                offset: trun.offset(),
            });
        }
        *self.samples = total;
        if flags & 0x01 != 0 {
            let distance = i64::from(trun.u32("data_offset")? as i32);
            *self.data_end = head.base.checked_add_signed(distance).ok_or_else(|| {
                trun.invalid("data_offset", distance.unsigned_abs(), "must stay inside the file")
            })?;
        }
        let first_flags =
            if flags & 0x04 != 0 { Some(trun.u32("first_sample_flags")?) } else { None };
        for index in 0..count {
            let mut field = |bit: u32, name, default| {
                if flags & bit != 0 { trun.u32(name) } else { Ok(default) }
            };
            let duration = field(0x100, "sample_duration", head.defaults.duration)?;
            let size = field(0x200, "sample_size", head.defaults.size)?;
            let default_flags = match first_flags {
                Some(first) if index == 0 => first,
                _ => head.defaults.flags,
            };
            let sample_flags = field(0x400, "sample_flags", default_flags)?;
            // Version 0 calls the offset unsigned; what does not fit 31 bits was meant as signed.
            let offset = field(0x800, "sample_composition_time_offset", 0)? as i32;
            let start = *self.data_end;
            *self.data_end = start.saturating_add(size.into());
            runs.samples.push(Placed {
                decode_time: runs.end_time,
                composition_offset: offset,
                duration,
                flags: sample_flags,
                start,
                size,
            });
            runs.end_time = runs.end_time.checked_add(duration.into()).ok_or_else(|| {
                trun.invalid("sample_duration", duration, "must not pass the end of 64-bit time")
            })?;
        }
        Ok(())
    }
}

impl Track {
    /// When `sample` is shown, in ticks from the start of the presentation; negative for audio
    /// that only primes the decoder.
    pub fn presentation_time(&self, sample: &Sample) -> i64 {
        sample.composition_time().saturating_sub(self.presentation_offset())
    }
}

/// A reader of the content of a moof that starts at `offset`.
pub(super) fn moof_reader(content: Bytes, offset: u64) -> BoxReader {
    BoxReader::new(FourCc(*b"moof"), content, offset)
}
