//! Decoding times out of presentation times. LOC tells only when a frame is shown; the order of
//! objects is the order of decoding.
//!
//! The i-th frame of a group is decoded at the i-th smallest presentation time of that group. With
//! `reorder` frames that can overtake others, that time is final once so many more have come.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use bytes::Bytes;

/// Frames of a group that are looked at where a codec does not tell how far it reorders.
const LOOK_AHEAD_MAX: usize = 512;

/// A frame in decoding order.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) group: u64,
    pub(super) presentation: i64,
    pub(super) sync: bool,
    pub(super) data: Bytes,
    /// How long it lasts, where the codec tells.
    pub(super) duration: Option<u32>,
}

/// A frame with its decoding time, on the scale of presentation times.
#[derive(Debug, Clone)]
pub(super) struct Timed {
    pub(super) decode: i64,
    pub(super) duration: u32,
    pub(super) frame: Frame,
}

/// Gives frames their decoding times.
#[derive(Debug)]
pub(super) struct DecodeOrder {
    reorder: usize,
    group: Option<u64>,
    /// Frames without decoding time, in decoding order.
    waiting: VecDeque<Frame>,
    /// Presentation times that no frame is decoded at yet.
    times: BinaryHeap<Reverse<i64>>,
    /// The frame whose duration the next one tells.
    last: Option<(i64, Frame)>,
    last_duration: u32,
    ready: VecDeque<Timed>,
}

impl DecodeOrder {
    /// `reorder`: how many frames may overtake another; `None` if not known.
    pub(super) fn new(reorder: Option<usize>) -> Self {
        Self {
            reorder: reorder.unwrap_or(LOOK_AHEAD_MAX),
            group: None,
            waiting: VecDeque::new(),
            times: BinaryHeap::new(),
            last: None,
            last_duration: 0,
            ready: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, frame: Frame) {
        if self.group.replace(frame.group) != Some(frame.group) {
            self.settle(0);
        }
        self.times.push(Reverse(frame.presentation));
        self.waiting.push_back(frame);
        self.settle(self.reorder);
    }

    /// No more frames come.
    pub(super) fn finish(&mut self) {
        self.settle(0);
        if let Some((decode, frame)) = self.last.take() {
            let duration = frame.duration.unwrap_or(self.last_duration);
            self.ready.push_back(Timed { decode, duration, frame });
        }
    }

    pub(super) fn poll(&mut self) -> Option<Timed> {
        self.ready.pop_front()
    }

    /// Fixes decoding times until only `keep` frames are open.
    fn settle(&mut self, keep: usize) {
        while self.waiting.len() > keep {
            let (Some(frame), Some(Reverse(decode))) = (self.waiting.pop_front(), self.times.pop())
            else {
                return;
            };
            self.decoded_at(decode, frame);
        }
    }

    fn decoded_at(&mut self, decode: i64, frame: Frame) {
        let mut decode = decode;
        if let Some((before, earlier)) = self.last.take() {
            // Decoding times must rise, whatever a publisher claims.
            decode = decode.max(before.saturating_add(1));
            let gap = u32::try_from(decode.saturating_sub(before)).unwrap_or(u32::MAX);
            self.last_duration = gap;
            self.ready.push_back(Timed { decode: before, duration: gap, frame: earlier });
        }
        if let Some(duration) = frame.duration {
            self.last_duration = duration;
            self.ready.push_back(Timed { decode, duration, frame });
        } else {
            self.last = Some((decode, frame));
        }
    }
}

/// How much later than in [`DecodeOrder`] frames must be shown, so that none is shown before it is
/// decoded: judged from the first frames of a track.
pub(super) fn reorder_delay<'a>(
    frames: impl Iterator<Item = &'a Frame> + Clone,
    reorder: Option<usize>,
) -> i64 {
    let first_group = frames.clone().next().map(|frame| frame.group);
    let shown: Vec<i64> = frames
        .take_while(|frame| Some(frame.group) == first_group)
        .map(|frame| frame.presentation)
        .collect();
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    let seen = shown.iter().zip(&sorted).map(|(shown, decoded)| decoded - shown).max().unwrap_or(0);
    let step = sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0).min();
    let told = reorder.unwrap_or(0) as i64;
    seen.max(step.unwrap_or(0).saturating_mul(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_times(reorder: Option<usize>, shown: &[(u64, i64)]) -> Vec<(i64, u32)> {
        let mut order = DecodeOrder::new(reorder);
        for &(group, presentation) in shown {
            let data = Bytes::new();
            order.push(Frame { group, presentation, sync: false, data, duration: None });
        }
        order.finish();
        std::iter::from_fn(|| order.poll()).map(|timed| (timed.decode, timed.duration)).collect()
    }

    const SHOWN: [(u64, i64); 6] = [(1, 0), (1, 30), (1, 10), (1, 20), (2, 40), (2, 50)];

    #[test]
    fn frames_are_decoded_at_the_sorted_presentation_times_of_their_group() {
        let expected = [(0, 10), (10, 10), (20, 10), (30, 10), (40, 10), (50, 10)];
        assert_eq!(decode_times(Some(2), &SHOWN), expected);
        assert_eq!(decode_times(None, &SHOWN), expected);
    }

    #[test]
    fn presentation_times_that_fall_back_still_give_rising_decoding_times() {
        let times = decode_times(Some(0), &[(1, 100), (1, 50), (1, 50)]);
        assert_eq!(times.iter().map(|(decode, _)| *decode).collect::<Vec<_>>(), [100, 101, 102]);
    }
}
