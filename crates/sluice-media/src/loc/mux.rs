//! LOC objects back into one fragmented MP4: header from configurations, a chunk per frame.
//!
//! Contract: objects of a track come in decoding order, group after group; drain
//! [`LocMuxer::poll`] after each input. The header waits until every track has a configuration and
//! its first times, the bounds of [`MuxLimits`] are reached, or the muxer was finished; a track
//! that has no configuration by then is left out of the file.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use bytes::Bytes;

use super::order::{DecodeOrder, Frame, Timed, reorder_delay};
use super::{LocDialect, LocHeader, LocProperties};
use crate::codec::nal::{self, NalCodec, NalKind};
use crate::codec::{
    AacConfig, Av1Config, CodecConfig, ParameterSets, opus_packet_samples, without_adts,
    without_temporal_delimiters,
};
use crate::mp4::{
    ChunkHead, Edit, HeaderTrack, Moment, MuxError, MuxLimits, Sample, SampleFlags, Start,
    write_chunk, write_header,
};

const MICROSECONDS: NonZeroU32 = NonZeroU32::new(1_000_000).expect("a million is not zero");
const MOVIE_TIMESCALE: NonZeroU32 = NonZeroU32::new(1_000).expect("a thousand is not zero");
/// AAC frames are this long in samples of the core coder.
const AAC_FRAME_SAMPLES: u64 = 1024;

/// What is known of a LOC track before its first object, mostly from the catalog.
#[derive(Debug, Clone, Default)]
pub struct LocTrack {
    /// WebCodecs codec string.
    pub codec: Option<String>,
    /// The decoder's `description`.
    pub description: Option<Bytes>,
    /// Units per second of timestamps whose object does not tell.
    pub timescale: Option<NonZeroU32>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Channels.
    pub channels: Option<u16>,
    /// Samples per second.
    pub sample_rate: Option<u32>,
    /// Timestamp at which the presentation starts; what comes before only primes the decoder.
    pub presentation_start: Option<i64>,
    /// Which property numbers the publisher uses.
    pub dialect: LocDialect,
}

/// Writes one file from several LOC tracks.
#[derive(Debug)]
pub struct LocMuxer {
    tracks: Vec<TrackState>,
    start: Start,
    limits: MuxLimits,
    held_frames: usize,
    held_bytes: usize,
    begun: bool,
    sequence: u32,
    out: VecDeque<Bytes>,
}

#[derive(Debug)]
struct TrackState {
    known: LocTrack,
    config: Option<CodecConfig>,
    timescale: Option<NonZeroU32>,
    /// Frames that came before the header was written.
    held: Vec<Frame>,
    place: Option<Place>,
}

/// How a track is written once the header is.
#[derive(Debug)]
struct Place {
    id: u32,
    order: DecodeOrder,
    /// Added to presentation times to get composition times.
    shift: i64,
    /// By how much a frame is shown later than [`DecodeOrder`] decodes it.
    delay: i64,
}

impl LocMuxer {
    /// A muxer of these tracks.
    ///
    /// # Errors
    /// What the catalog says about a track's decoder is malformed.
    pub fn new(tracks: Vec<LocTrack>, start: Start, limits: MuxLimits) -> Result<Self, MuxError> {
        let mut states = Vec::with_capacity(tracks.len());
        for (track, known) in tracks.into_iter().enumerate() {
            let config = match (&known.codec, &known.description) {
                (Some(codec), Some(description)) => Some(
                    CodecConfig::from_description(codec, Some(description))
                        .map_err(|source| MuxError::Codec { track, source })?,
                ),
                _ => None,
            };
            let timescale = known.timescale;
            states.push(TrackState { known, config, timescale, held: Vec::new(), place: None });
        }
        Ok(Self {
            tracks: states,
            start,
            limits,
            held_frames: 0,
            held_bytes: 0,
            begun: false,
            sequence: 0,
            out: VecDeque::new(),
        })
    }

    /// Takes the next object of a track.
    ///
    /// # Errors
    /// The object has no timestamp, or its configuration is malformed; it is left out.
    ///
    /// # Panics
    /// If `track` is not an index into the tracks given to [`LocMuxer::new`].
    pub fn handle_object(
        &mut self,
        track: usize,
        (group, object): (u64, u64),
        properties: &LocProperties,
        payload: &Bytes,
    ) -> Result<(), MuxError> {
        let state = &mut self.tracks[track];
        let header = LocHeader::decode(properties, state.known.dialect);
        let timestamp = header.timestamp.and_then(|time| i64::try_from(time).ok());
        let presentation = timestamp.ok_or(MuxError::NoTimestamp { track, group, object })?;
        if payload.is_empty() {
            return Ok(());
        }
        state.timescale.get_or_insert(header.timescale.unwrap_or(MICROSECONDS));
        if state.config.is_none() {
            state.config = state
                .config_of(&header, payload)
                .map_err(|source| MuxError::Codec { track, source })?;
        }
        // Nothing before the configuration can be decoded.
        let known = state.config.is_some();
        let frame = state.frame(&header, group, object, presentation, payload);
        if self.begun {
            if let Some(place) = &mut state.place {
                place.order.push(frame);
                self.write(track);
            }
            return Ok(());
        }
        self.held_frames += 1;
        self.held_bytes += payload.len();
        state.held.extend(Some(frame).filter(|_| known));
        let full = self.held_frames >= self.limits.held_samples_max
            || self.held_bytes >= self.limits.held_bytes_max;
        if full || self.tracks.iter().all(TrackState::is_ready) {
            self.begin();
        }
        Ok(())
    }

    /// Tells that no more objects come.
    pub fn finish(&mut self) {
        self.begin();
        for track in 0..self.tracks.len() {
            if let Some(place) = &mut self.tracks[track].place {
                place.order.finish();
                self.write(track);
            }
        }
    }

    /// The next bytes of the file.
    pub fn poll(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    /// Tracks that are not in the file because their configuration did not come in time. Empty
    /// before the header was written.
    pub fn left_out(&self) -> impl Iterator<Item = usize> {
        let missing = |state: &TrackState| self.begun && state.place.is_none();
        self.tracks.iter().enumerate().filter(move |(_, state)| missing(state)).map(|(at, _)| at)
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let start = self.start_moment();
        let mut header = Vec::new();
        for state in &mut self.tracks {
            let id = header.len() as u32 + 1;
            header.extend(state.place(id, start));
        }
        if header.is_empty() {
            return;
        }
        self.out.push_back(write_header(&header, MOVIE_TIMESCALE));
        for track in 0..self.tracks.len() {
            let state = &mut self.tracks[track];
            let held = std::mem::take(&mut state.held);
            if let Some(place) = &mut state.place {
                held.into_iter().for_each(|frame| place.order.push(frame));
                self.write(track);
            }
        }
    }

    /// The moment that the file counts as zero.
    fn start_moment(&self) -> Option<Moment> {
        let ready = || self.tracks.iter().filter(|state| state.config.is_some());
        let told = Moment::earliest(ready().filter_map(|state| {
            Some(Moment { ticks: state.known.presentation_start?, timescale: state.timescale? })
        }));
        if self.start == Start::AsSent {
            return told;
        }
        let first = Moment::earliest(ready().filter_map(|state| {
            let ticks = state.held.iter().map(|frame| frame.presentation).min()?;
            Some(Moment { ticks, timescale: state.timescale? })
        }));
        match (told, first) {
            // Who came at the very start holds priming that is not to be shown.
            (Some(told), Some(first)) if first.is_before(told) => Some(told),
            (told, first) => first.or(told),
        }
    }

    fn write(&mut self, track: usize) {
        let Some(place) = &mut self.tracks[track].place else { return };
        while let Some(timed) = place.order.poll() {
            let Some(sample) = place.sample(timed) else { continue };
            self.sequence = self.sequence.wrapping_add(1);
            let head = ChunkHead { track_id: place.id, sequence: self.sequence };
            self.out.push_back(write_chunk(head, &[sample]));
        }
    }
}

impl Place {
    /// `None` for what lies before the start of the file.
    fn sample(&self, timed: Timed) -> Option<Sample> {
        let decode = timed.decode.checked_add(self.shift)?.checked_sub(self.delay)?;
        let offset = timed.frame.presentation.checked_sub(timed.decode)?.checked_add(self.delay)?;
        let sync = timed.frame.sync;
        Some(Sample {
            decode_time: u64::try_from(decode).ok()?,
            composition_offset: i32::try_from(offset).ok()?,
            duration: timed.duration,
            flags: if sync { SampleFlags::SYNC } else { SampleFlags::NOT_SYNC },
            data: timed.frame.data,
        })
    }
}

impl TrackState {
    fn nal_codec(&self) -> Option<NalCodec> {
        self.config.as_ref().and_then(NalCodec::of)
    }

    fn reorder(&self) -> Option<usize> {
        self.config.as_ref().and_then(CodecConfig::reorder_frames)
    }

    /// Whether its first times and its decoder are known.
    fn is_ready(&self) -> bool {
        let (Some(first), Some(last), Some(_)) =
            (self.held.first(), self.held.last(), &self.config)
        else {
            return false;
        };
        let enough = match self.reorder() {
            Some(0) => 1,
            Some(frames) => (2 * frames + 2).max(8),
            None => usize::MAX,
        };
        self.held.len() >= enough || last.group != first.group
    }

    /// The decoder's configuration: from the object's properties, its own parameter sets, or the
    /// codec string. `None`: this object does not tell.
    fn config_of(
        &self,
        header: &LocHeader,
        payload: &Bytes,
    ) -> Result<Option<CodecConfig>, crate::codec::CodecError> {
        let description = header.video_config.as_ref().or(header.audio_config.as_ref());
        let told = header.codec.as_deref().or(self.known.codec.as_deref());
        let guessed = if header.audio_config.is_some() {
            let opus = description.is_some_and(|head| head.starts_with(b"OpusHead"));
            Some(if opus { "opus" } else { "mp4a.40.2" })
        } else {
            // Without a codec string, H.264 is what every client of LOC sends.
            header.video_config.as_ref().map(|_| "avc1")
        };
        let Some(codec) = told.or(guessed) else { return Ok(None) };
        let description = description.or(self.known.description.as_ref());
        if let Some(description) = description {
            return CodecConfig::from_description(codec, Some(description)).map(Some);
        }
        if let Some(nal_codec) = NalCodec::of_codec_string(codec) {
            return Ok(nal::config_of_key_frame(nal_codec, payload));
        }
        match codec.split('.').next() {
            Some("av01") => Ok(Av1Config::from_key_frame(payload).map(CodecConfig::Av1)),
            Some("mp4a") => Ok(AacConfig::from_adts(payload).map(CodecConfig::Aac)),
            _ => CodecConfig::from_description(codec, None).map(Some),
        }
    }

    fn frame(
        &self,
        header: &LocHeader,
        group: u64,
        object: u64,
        presentation: i64,
        payload: &Bytes,
    ) -> Frame {
        let video = self.config.as_ref().is_none_or(CodecConfig::is_video);
        let length_bytes = self.config.as_ref().and_then(CodecConfig::nal_length_bytes);
        let data = match (&self.config, self.nal_codec()) {
            (Some(config), Some(codec)) => {
                let sets = match config {
                    CodecConfig::Avc(_, sets) | CodecConfig::Hevc(_, sets) => *sets,
                    _ => ParameterSets::OutOfBand,
                };
                nal::to_long_lengths(codec, payload, length_bytes.unwrap_or(4), sets)
            }
            (Some(CodecConfig::Aac(_)), _) => without_adts(payload),
            (Some(CodecConfig::Av1(_)), _) => without_temporal_delimiters(payload),
            _ => payload.clone(),
        };
        let sync = !video
            || match (header.marking, self.nal_codec()) {
                (Some(marking), _) => marking.is_independent(),
                (None, Some(codec)) => {
                    nal::by_lengths(&data, 4).any(|nal| codec.kind(nal) == NalKind::Key)
                }
                (None, None) => object == 0,
            };
        Frame { group, presentation, sync, duration: self.duration(&data), data }
    }

    /// How long an audio frame lasts.
    fn duration(&self, data: &[u8]) -> Option<u32> {
        let (samples, rate) = match self.config.as_ref()? {
            CodecConfig::Aac(config) => (AAC_FRAME_SAMPLES, config.sample_rate),
            CodecConfig::Opus(_) => (u64::from(opus_packet_samples(data)?), 48_000),
            _ => return None,
        };
        let ticks = samples * u64::from(self.timescale?.get()) / u64::from(rate.max(1));
        u32::try_from(ticks).ok()
    }

    /// Fixes how the track is written. `None` if nothing is known about its decoder.
    fn place(&mut self, id: u32, start: Option<Moment>) -> Option<HeaderTrack> {
        let config = self.config.clone()?;
        let timescale = self.timescale.unwrap_or(MICROSECONDS);
        let start = start.map_or(0, |start| start.in_ticks(timescale));
        let first = self.held.iter().map(|frame| frame.presentation).min();
        let reorder = self.reorder();
        let delay = match reorder {
            Some(0) => 0,
            _ => reorder_delay(self.held.iter(), reorder),
        };
        let early = first.map_or(0, |first| start.saturating_sub(first).max(0));
        let media_time = delay.saturating_add(early);
        let shift = media_time.saturating_sub(start);
        self.place = Some(Place { id, order: DecodeOrder::new(reorder), shift, delay });
        let mut header = self.header_track(id, config, timescale);
        if let Some(media_time) = u64::try_from(media_time).ok().filter(|time| *time > 0) {
            header.edits.push(Edit { duration: 0, media_time: Some(media_time) });
        }
        Some(header)
    }

    fn header_track(&self, id: u32, config: CodecConfig, timescale: NonZeroU32) -> HeaderTrack {
        let known = &self.known;
        if config.is_video() {
            let size = config.dimensions().or(known.size).unwrap_or((0, 0));
            return HeaderTrack::video(id, config, timescale, size);
        }
        let (channels, rate) = match &config {
            CodecConfig::Aac(aac) => (aac.channels, aac.sample_rate),
            CodecConfig::Opus(opus) => (opus.channels.into(), 48_000),
            _ => (0, 0),
        };
        let channels = if channels == 0 { known.channels.unwrap_or(2) } else { channels };
        HeaderTrack::audio(id, config, timescale, channels, rate)
    }
}
