//! The demuxer: bytes go in as they arrive, the movie and then its fragments come out.
//!
//! Contract: after each [`Demuxer::push`], call [`Demuxer::poll`] until it gives `None`; at the end
//! of the input call [`Demuxer::finish`]. After an error nothing more comes out. What is held is
//! what was pushed and not yet polled, and at most one box of the sizes in [`DemuxLimits`].

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::boxes::{BoxHead, BoxReader};
use super::fragment::PendingFragment;
use super::{FourCc, Fragment, Movie, Mp4Error};

/// Bounds of what a demuxer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemuxLimits {
    /// Bytes of a moov or moof box.
    pub header_bytes_max: u64,
    /// Bytes of an mdat box.
    pub data_bytes_max: u64,
    /// Samples of all tracks in one moof.
    pub fragment_samples_max: usize,
}

impl Default for DemuxLimits {
    fn default() -> Self {
        Self { header_bytes_max: 4 << 20, data_bytes_max: 64 << 20, fragment_samples_max: 32_768 }
    }
}

/// What comes out of a [`Demuxer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The tracks; comes once and first.
    Movie(Arc<Movie>),
    /// Samples of one track.
    Fragment(Fragment),
}

/// Reads fragmented MP4 piece by piece.
#[derive(Debug)]
pub struct Demuxer {
    limits: DemuxLimits,
    buffer: BytesMut,
    /// Where `buffer` starts in the stream.
    offset: u64,
    state: State,
    seen_box: bool,
    movie: Option<Arc<Movie>>,
    pending: Option<PendingFragment>,
    next_times: Vec<u64>,
    items: VecDeque<Item>,
    failed: Option<Mp4Error>,
}

#[derive(Debug)]
enum State {
    /// At the head of a box.
    Head,
    /// Waiting for all of a box that is read whole.
    Whole { head: BoxHead, size: usize },
    /// Passing over a box that nobody needs; `None` lasts to the end of the input.
    Skip { name: FourCc, start: u64, left: Option<u64> },
}

impl Demuxer {
    /// A demuxer at the start of a stream.
    pub fn new(limits: DemuxLimits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            offset: 0,
            state: State::Head,
            seen_box: false,
            movie: None,
            pending: None,
            next_times: Vec::new(),
            items: VecDeque::new(),
            failed: None,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, data: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(data);
        }
    }

    /// The movie, once it was read.
    pub fn movie(&self) -> Option<&Arc<Movie>> {
        self.movie.as_ref()
    }

    /// The next item; `None` until more is pushed.
    ///
    /// # Errors
    /// The stream is malformed, not fragmented, encrypted, or beyond a limit. Every later call
    /// gives the same error.
    pub fn poll(&mut self) -> Result<Option<Item>, Mp4Error> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Ok(Some(item));
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => {
                    self.buffer = BytesMut::new();
                    self.failed = Some(error.clone());
                    return Err(error);
                }
            }
        }
    }

    /// Tells that the input has ended. Everything must have been polled before.
    ///
    /// # Errors
    /// The input ended inside a box or before a moov.
    pub fn finish(&self) -> Result<(), Mp4Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match &self.state {
            State::Whole { head, .. } => {
                return Err(Mp4Error::UnexpectedEnd { name: head.name, offset: self.offset });
            }
            State::Skip { name, start, left: Some(_) } => {
                return Err(Mp4Error::UnexpectedEnd { name: *name, offset: *start });
            }
            State::Head if !self.buffer.is_empty() => {
                let mut name = [b'?'; 4];
                let known = self.buffer.get(4..).unwrap_or_default();
                let count = known.len().min(4);
                name[..count].copy_from_slice(&known[..count]);
                return Err(Mp4Error::UnexpectedEnd { name: FourCc(name), offset: self.offset });
            }
            State::Head | State::Skip { .. } => {}
        }
        if let Some(pending) = &self.pending {
            let name = FourCc(*b"mdat");
            return Err(Mp4Error::UnexpectedEnd { name, offset: pending.offset });
        }
        if self.movie.is_none() { Err(Mp4Error::NoMovie) } else { Ok(()) }
    }

    /// One step through the buffer; `false` when it needs more bytes.
    fn advance(&mut self) -> Result<bool, Mp4Error> {
        match &mut self.state {
            State::Head => {
                let Some(head) = BoxHead::decode(&self.buffer, self.offset)? else {
                    return Ok(false);
                };
                self.state = self.begin(head)?;
                Ok(true)
            }
            State::Skip { left, .. } => {
                let held = self.buffer.len() as u64;
                let count = left.map_or(held, |left| left.min(held));
                self.buffer.advance(count as usize);
                self.offset += count;
                if let Some(left) = left {
                    *left -= count;
                    if *left == 0 {
                        self.state = State::Head;
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            &mut State::Whole { head, size } => {
                if self.buffer.len() < size {
                    return Ok(false);
                }
                let whole = self.buffer.split_to(size).freeze();
                let start = self.offset;
                self.offset += size as u64;
                self.state = State::Head;
                self.handle_box(head, &whole, start)?;
                Ok(true)
            }
        }
    }

    fn begin(&mut self, head: BoxHead) -> Result<State, Mp4Error> {
        let (name, offset) = (head.name, self.offset);
        if !self.seen_box {
            let first = [b"ftyp", b"styp", b"moov", b"free", b"skip", b"wide", b"mdat"];
            if !first.contains(&&name.0) {
                return Err(Mp4Error::NotMp4 { name });
            }
            self.seen_box = true;
        }
        let max = match &name.0 {
            b"moov" | b"moof" => self.limits.header_bytes_max,
            b"mdat" if self.movie.is_none() => {
                let reason = "media data comes before the `moov`";
                return Err(Mp4Error::NotFragmented { reason, offset });
            }
            b"mdat" if self.pending.is_some() => self.limits.data_bytes_max,
            _ => return Ok(State::Skip { name, start: offset, left: head.size }),
        };
        let size = head.size.unwrap_or(u64::MAX);
        match usize::try_from(size) {
            Ok(size) if size as u64 <= max => Ok(State::Whole { head, size }),
            _ => Err(Mp4Error::TooLarge { name, size, max, offset }),
        }
    }

    fn handle_box(&mut self, head: BoxHead, whole: &Bytes, start: u64) -> Result<(), Mp4Error> {
        let content = whole.slice(head.head_bytes..);
        let content_offset = start + head.head_bytes as u64;
        match (&head.name.0, &self.movie) {
            // A stream that is written again and again repeats its header.
            (b"moov", Some(_)) => {}
            (b"moov", None) => {
                let movie = Arc::new(Movie::decode(&content, content_offset)?);
                self.next_times = vec![0; movie.tracks.len()];
                self.items.push_back(Item::Movie(movie.clone()));
                self.movie = Some(movie);
            }
            (b"moof", None) => {
                return Err(Mp4Error::Missing {
                    name: FourCc(*b"moov"),
                    inside: FourCc(*b"file"),
                    offset: start,
                });
            }
            (b"moof", Some(movie)) => {
                let moof = BoxReader::new(head.name, content, content_offset);
                let pending =
                    PendingFragment::decode(moof, start, movie, &self.next_times, &self.limits)?;
                for (track, time) in pending.end_times() {
                    self.next_times[track] = time;
                }
                self.pending = (!pending.runs.is_empty()).then_some(pending);
            }
            (_, movie) => {
                if let (Some(pending), Some(movie)) = (self.pending.take(), movie) {
                    let fragments = pending.resolve(&content, content_offset, movie)?;
                    self.items.extend(fragments.into_iter().map(Item::Fragment));
                }
            }
        }
        Ok(())
    }
}
