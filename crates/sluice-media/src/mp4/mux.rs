//! Several CMAF tracks into one fragmented MP4: one movie header, then the chunks as they come,
//! with new track ids, sequence numbers and, if wanted, times that begin at zero.
//!
//! Contract: drain [`CmafMuxer::poll`] after each [`CmafMuxer::handle_object`] and after
//! [`CmafMuxer::finish`]. With [`Start::Zero`] nothing comes out until every track has shown its
//! first time, the bounds of [`MuxLimits`] are reached, or the muxer was finished.

use std::collections::VecDeque;

use bytes::Bytes;

use super::timeline::Moment;
use super::{
    ChunkHead, DemuxLimits, HeaderTrack, Movie, Mp4Error, Sample, Start, Track, decode_chunk,
    write_chunk, write_header,
};
use crate::codec::CodecError;

/// Why a muxer refuses what it was given. It can go on with other objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MuxError {
    /// An initialization segment or a chunk is malformed.
    #[error("track {track}: {source}")]
    Mp4 {
        /// Index of the track.
        track: usize,
        /// What is wrong.
        source: Mp4Error,
    },
    /// A codec configuration is malformed or missing.
    #[error("track {track}: {source}")]
    Codec {
        /// Index of the track.
        track: usize,
        /// What is wrong.
        source: CodecError,
    },
    /// An initialization segment has several tracks.
    #[error("track {track}: its initialization segment has {count} tracks, must be 1")]
    NotOneTrack {
        /// Index of the track.
        track: usize,
        /// How many there are.
        count: usize,
    },
    /// A LOC object without a TIMESTAMP, which cannot be placed in time.
    #[error("track {track}: object {group}/{object} has no TIMESTAMP property")]
    NoTimestamp {
        /// Index of the track.
        track: usize,
        /// Its group.
        group: u64,
        /// Its object id.
        object: u64,
    },
}

/// What a muxer holds before it can write its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuxLimits {
    /// Samples of all tracks; when reached, tracks without any are no longer waited for.
    pub held_samples_max: usize,
    /// Bytes of all tracks, likewise.
    pub held_bytes_max: usize,
}

impl Default for MuxLimits {
    fn default() -> Self {
        Self { held_samples_max: 2_000, held_bytes_max: 32 << 20 }
    }
}

/// Writes one file from several CMAF tracks.
#[derive(Debug)]
pub struct CmafMuxer {
    movies: Vec<Movie>,
    start: Start,
    limits: MuxLimits,
    chunk_limits: DemuxLimits,
    /// Chunks that wait for the start to be known.
    held: VecDeque<(usize, Vec<Sample>)>,
    held_samples: usize,
    held_bytes: usize,
    firsts: Vec<Option<Moment>>,
    /// Ticks to take from each track's times, once known.
    shifts: Option<Vec<u64>>,
    sequence: u32,
    out: VecDeque<Bytes>,
}

impl CmafMuxer {
    /// A muxer of tracks with these initialization segments, in this order.
    ///
    /// # Errors
    /// One of them is malformed or has not exactly one track.
    pub fn new(headers: &[Bytes], start: Start, limits: MuxLimits) -> Result<Self, MuxError> {
        let mut movies = Vec::with_capacity(headers.len());
        for (track, header) in headers.iter().enumerate() {
            let movie =
                Movie::decode_header(header).map_err(|source| MuxError::Mp4 { track, source })?;
            if movie.tracks.len() != 1 {
                return Err(MuxError::NotOneTrack { track, count: movie.tracks.len() });
            }
            movies.push(movie);
        }
        let mut out = VecDeque::new();
        if let Some(first) = movies.first() {
            let tracks: Vec<_> = movies
                .iter()
                .zip(1..)
                .map(|(movie, id)| HeaderTrack::copied(&movie.tracks[0], id, first.timescale))
                .collect();
            out.push_back(write_header(&tracks, first.timescale));
        }
        Ok(Self {
            firsts: vec![None; movies.len()],
            shifts: (start == Start::AsSent).then(|| vec![0; movies.len()]),
            movies,
            start,
            limits,
            chunk_limits: DemuxLimits::default(),
            held: VecDeque::new(),
            held_samples: 0,
            held_bytes: 0,
            sequence: 0,
            out,
        })
    }

    /// The source track behind an index.
    pub fn track(&self, track: usize) -> &Track {
        &self.movies[track].tracks[0]
    }

    /// Takes the payload of the next object of a track, in decoding order.
    ///
    /// # Errors
    /// The payload is no chunk of that track; it is left out.
    ///
    /// # Panics
    /// If `track` is not an index into the headers given to [`CmafMuxer::new`].
    pub fn handle_object(&mut self, track: usize, payload: &Bytes) -> Result<(), MuxError> {
        let samples = decode_chunk(payload, &self.movies[track], &self.chunk_limits)
            .map_err(|source| MuxError::Mp4 { track, source })?;
        let Some(first) = samples.first() else { return Ok(()) };
        if self.shifts.is_some() {
            self.write(track, samples);
            return Ok(());
        }
        let source = self.track(track);
        let decode_time = i64::try_from(first.decode_time).unwrap_or(i64::MAX);
        let moment = Moment {
            ticks: decode_time
                .min(first.composition_time())
                .saturating_sub(source.presentation_offset()),
            timescale: source.timescale,
        };
        self.firsts[track].get_or_insert(moment);
        self.held_samples += samples.len();
        self.held_bytes += payload.len();
        self.held.push_back((track, samples));
        let full = self.held_samples >= self.limits.held_samples_max
            || self.held_bytes >= self.limits.held_bytes_max;
        if full || self.firsts.iter().all(Option::is_some) {
            self.begin();
        }
        Ok(())
    }

    /// Tells that no more objects come.
    pub fn finish(&mut self) {
        self.begin();
    }

    /// The next bytes of the file.
    pub fn poll(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    fn begin(&mut self) {
        if self.shifts.is_some() {
            return;
        }
        debug_assert_eq!(self.start, Start::Zero);
        let start = Moment::earliest(self.firsts.iter().flatten().copied());
        let shift = |movie: &Movie| {
            let ticks = start.map_or(0, |start| start.in_ticks(movie.tracks[0].timescale));
            // Audio that only primes the decoder begins before zero already.
            u64::try_from(ticks).unwrap_or(0)
        };
        self.shifts = Some(self.movies.iter().map(shift).collect());
        for (track, samples) in std::mem::take(&mut self.held) {
            self.write(track, samples);
        }
    }

    fn write(&mut self, track: usize, mut samples: Vec<Sample>) {
        let shift = self.shifts.as_ref().map_or(0, |shifts| shifts[track]);
        // A track that was not waited for may turn up with times before the start.
        samples.retain_mut(|sample| match sample.decode_time.checked_sub(shift) {
            Some(time) => {
                sample.decode_time = time;
                true
            }
            None => false,
        });
        if samples.is_empty() {
            return;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let head = ChunkHead { track_id: track as u32 + 1, sequence: self.sequence };
        self.out.push_back(write_chunk(head, &samples));
    }
}
