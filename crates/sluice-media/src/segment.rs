//! Samples into groups and objects: what a publisher sends, in the order and at the time it is due.
//!
//! The first video track leads: each of its sync samples starts a group. Audio is cut where the
//! leader's groups start, so that equal group numbers mean equal times; without video, about every
//! second. Other video tracks cut at their own sync samples. Group ids rise by 1, object ids count
//! from 0 in decoding order.
//!
//! Contract: drain [`Segmenter::poll`] after each [`Segmenter::handle_fragment`] and after
//! [`Segmenter::finish`]. Objects of all tracks come out ordered by time, so a track is held until
//! the others have caught up, within [`SegmenterLimits`].

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::mp4::{Fragment, Moment, Movie, Sample, Track, TrackKind};

/// What one object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ObjectUnit {
    /// One sample; the only choice for LOC, and the lowest latency for CMAF.
    #[default]
    Sample,
    /// As many samples as their fragment had, cut where groups start.
    Fragment,
}

/// Bounds of what a segmenter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmenterLimits {
    /// Samples of all tracks; beyond it the earliest goes out although a track is silent.
    pub held_samples_max: usize,
    /// Bytes of all tracks, likewise.
    pub held_bytes_max: usize,
    /// Length of a group of audio without video.
    pub audio_group: Duration,
}

impl Default for SegmenterLimits {
    fn default() -> Self {
        Self {
            held_samples_max: 16_384,
            held_bytes_max: 64 << 20,
            audio_group: Duration::from_secs(1),
        }
    }
}

/// One object that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Index of the track in [`Movie::tracks`].
    pub track: usize,
    /// Group id.
    pub group: u64,
    /// Object id.
    pub object: u64,
    /// When it is due, from the start of the media.
    pub due: Duration,
    /// Its samples in decoding order, never empty.
    pub samples: Vec<Sample>,
}

/// Cuts the samples of a movie into groups and objects.
#[derive(Debug)]
pub struct Segmenter {
    unit: ObjectUnit,
    limits: SegmenterLimits,
    tracks: Vec<TrackCut>,
    /// The video track whose groups the audio follows.
    leader: Option<usize>,
    /// Start of the leader's newest group, in nanoseconds of presentation.
    leader_start: Option<(i64, u64)>,
    first_group: u64,
    /// Earliest due time seen, which counts as zero.
    epoch: Option<i64>,
    held_samples: usize,
    held_bytes: usize,
    finished: bool,
    /// Length of all passes before this one.
    passed: Option<Moment>,
}

#[derive(Debug)]
struct TrackCut {
    track: Track,
    queue: VecDeque<Held>,
    /// Group and next object id.
    at: Option<(u64, u64)>,
    /// Where the group started, in nanoseconds of presentation.
    group_start: i64,
    /// Decoding times of this pass, without those before: first, and end of the last.
    span: Option<(u64, u64)>,
    /// Due times never fall.
    newest_due: i64,
}

#[derive(Debug)]
struct Held {
    sample: Sample,
    /// Presentation and due time in nanoseconds.
    presentation: i64,
    due: i64,
    /// Whether it continues the fragment of the sample before.
    continues: bool,
}

impl Segmenter {
    /// A segmenter whose first group has the given id; take one above all earlier ids, such as the
    /// milliseconds since 1970.
    pub fn new(movie: &Movie, unit: ObjectUnit, first_group: u64, limits: SegmenterLimits) -> Self {
        let cut = |track: &Track| TrackCut {
            track: track.clone(),
            queue: VecDeque::new(),
            at: None,
            group_start: 0,
            span: None,
            newest_due: i64::MIN,
        };
        Self {
            unit,
            limits,
            tracks: movie.tracks.iter().map(cut).collect(),
            leader: movie.tracks.iter().position(|track| track.kind == TrackKind::Video),
            leader_start: None,
            first_group,
            epoch: None,
            held_samples: 0,
            held_bytes: 0,
            finished: false,
            passed: None,
        }
    }

    /// Takes the next fragment of a track.
    ///
    /// # Panics
    /// If its track is not one of the movie.
    pub fn handle_fragment(&mut self, fragment: Fragment) {
        let cut = &mut self.tracks[fragment.track];
        let timescale = cut.track.timescale;
        let passed = self.passed.map_or(0, |passed| passed.in_ticks(timescale));
        for (index, mut sample) in fragment.samples.into_iter().enumerate() {
            let end = sample.decode_time.saturating_add(sample.duration.into());
            cut.span = Some((cut.span.map_or(sample.decode_time, |span| span.0), end));
            sample.decode_time =
                sample.decode_time.saturating_add(u64::try_from(passed).unwrap_or(0));
            let offset = cut.track.presentation_offset();
            let nanoseconds = |ticks| Moment { ticks, timescale }.nanoseconds();
            let decode = i64::try_from(sample.decode_time).unwrap_or(i64::MAX);
            let presentation = nanoseconds(cut.track.presentation_time(&sample));
            let decoded = nanoseconds(decode.saturating_sub(offset));
            let due = if sample.is_sync() { decoded.min(presentation) } else { decoded };
            // With negative composition offsets a key frame may be shown before it is decoded.
            let due = due.max(cut.newest_due);
            cut.newest_due = due;
            self.held_samples += 1;
            self.held_bytes += sample.data.len();
            cut.queue.push_back(Held { sample, presentation, due, continues: index > 0 });
        }
    }

    /// Tells that no more fragments come: everything held goes out.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Begins another pass over the same media: its times go on where the longest track ended. Audio
    /// that primes the decoder is played again at each seam, so media to loop should have none.
    pub fn restart(&mut self) {
        let length = self
            .tracks
            .iter()
            .filter_map(|cut| {
                let (first, end) = cut.span?;
                let ticks = i64::try_from(end.saturating_sub(first)).unwrap_or(i64::MAX);
                Some(Moment { ticks, timescale: cut.track.timescale })
            })
            .reduce(|longest, next| if longest.is_before(next) { next } else { longest });
        let Some(length) = length else { return };
        self.passed = Some(match self.passed {
            // The length is the same in each pass, so the sum stays exact in its own timescale.
            Some(passed) => Moment {
                ticks: passed.in_ticks(length.timescale).saturating_add(length.ticks),
                timescale: length.timescale,
            },
            None => length,
        });
        self.tracks.iter_mut().for_each(|cut| cut.span = None);
    }

    /// The next object; `None` until more fragments come.
    pub fn poll(&mut self) -> Option<Segment> {
        let full = self.held_samples > self.limits.held_samples_max
            || self.held_bytes > self.limits.held_bytes_max;
        let waits = |cut: &TrackCut| cut.queue.is_empty() && is_timed(&cut.track);
        if !self.finished && !full && self.tracks.iter().any(waits) {
            return None;
        }
        let due = |cut: &TrackCut| cut.queue.front().map(|held| held.due);
        // At equal times the leader goes first, for it starts the group.
        let next = (0..self.tracks.len())
            .filter(|track| due(&self.tracks[*track]).is_some())
            .min_by_key(|track| (due(&self.tracks[*track]), Some(*track) != self.leader))?;
        Some(self.cut(next))
    }

    fn cut(&mut self, track: usize) -> Segment {
        let first = self.tracks[track].queue.pop_front().expect("poll chose a track with samples");
        let (group, object) = self.place(track, &first);
        let due = first.due;
        let epoch = *self.epoch.get_or_insert(due);
        let mut samples = vec![first.sample];
        while self.unit == ObjectUnit::Fragment {
            let Some(next) = self.tracks[track].queue.front() else { break };
            if !next.continues || self.starts_group(track, next).is_some() {
                break;
            }
            samples.extend(self.tracks[track].queue.pop_front().map(|held| held.sample));
        }
        self.held_samples -= samples.len();
        self.held_bytes -= samples.iter().map(|sample| sample.data.len()).sum::<usize>();
        let since = u64::try_from(due.saturating_sub(epoch)).unwrap_or(0);
        Segment { track, group, object, due: Duration::from_nanos(since), samples }
    }

    /// Group and object id of a sample that leaves the queue.
    fn place(&mut self, track: usize, held: &Held) -> (u64, u64) {
        let started = self.starts_group(track, held);
        let cut = &mut self.tracks[track];
        let (group, object) = match (started, cut.at) {
            (Some(group), _) => {
                cut.group_start = held.presentation;
                (group, 0)
            }
            (None, Some(at)) => at,
            (None, None) => (self.first_group, 0),
        };
        cut.at = Some((group, object + 1));
        if Some(track) == self.leader && started.is_some() {
            self.leader_start = Some((held.presentation, group));
        }
        (group, object)
    }

    /// The id of the group that a sample starts, or `None` if it goes on with the running one.
    fn starts_group(&self, track: usize, held: &Held) -> Option<u64> {
        let cut = &self.tracks[track];
        let Some((running, _)) = cut.at else {
            return Some(self.leader_start.map_or(self.first_group, |(_, group)| group));
        };
        if cut.track.kind == TrackKind::Video {
            return held.sample.is_sync().then_some(running + 1);
        }
        match self.leader_start {
            Some((start, group)) => {
                (group > running && held.presentation >= start).then_some(group)
            }
            None if self.leader.is_some() => None,
            None => {
                let length = i64::try_from(self.limits.audio_group.as_nanos()).unwrap_or(i64::MAX);
                let end = cut.group_start.saturating_add(length);
                (held.presentation >= end).then_some(running + 1)
            }
        }
    }
}

/// Whether a track is expected to have samples all the time.
fn is_timed(track: &Track) -> bool {
    matches!(track.kind, TrackKind::Video | TrackKind::Audio)
}

/// Frames per second of a track, from the samples of a fragment, rounded to a thousandth; what a
/// catalog says as `framerate`. `None` if the samples tell nothing.
pub fn frame_rate(timescale: NonZeroU32, samples: &[Sample]) -> Option<f64> {
    let ticks: u64 = samples.iter().map(|sample| u64::from(sample.duration)).sum();
    let rate = samples.len() as f64 * f64::from(timescale.get()) / ticks as f64;
    (ticks > 0).then(|| (rate * 1000.0).round() / 1000.0)
}
