//! The movie header (moov): which tracks there are, in which timescale, with which decoder.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::boxes::BoxReader;
use super::{FourCc, Mp4Error, SampleDefaults, SampleEntry};

const TRACKS_MAX: usize = 64;
const EDITS_MAX: u32 = 64;

/// What the moov of a fragmented MP4 tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    /// Units per second of edit durations.
    pub timescale: NonZeroU32,
    /// The tracks in file order, at most 64.
    pub tracks: Vec<Track>,
}

/// What a track holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    /// Handler `vide`.
    Video,
    /// Handler `soun`.
    Audio,
    /// Any other handler.
    Other(FourCc),
}

/// One entry of an edit list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// Length in the movie's timescale; 0 in fragmented files: to the end.
    pub duration: u64,
    /// Where in the media it starts, in the track's timescale; `None`: nothing is shown.
    pub media_time: Option<u64>,
}

/// One track of a movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its id in the file, never 0.
    pub id: u32,
    /// What it holds.
    pub kind: TrackKind,
    /// Units per second of all its times.
    pub timescale: NonZeroU32,
    /// ISO 639-2 code, `und` when not known.
    pub language: String,
    /// Its edit list, often empty.
    pub edits: Vec<Edit>,
    /// Its decoder.
    pub entry: SampleEntry,
    /// What its fragments leave out.
    pub defaults: SampleDefaults,
    /// Units per second of its edit durations.
    pub movie_timescale: NonZeroU32,
    /// The trak box as it was read.
    pub(super) raw: Bytes,
}

impl Movie {
    /// Reads the content of a moov box whose content starts at `offset` of the stream.
    ///
    /// # Errors
    /// The box is malformed, has no track, or describes a file that is not fragmented.
    pub fn decode(content: &Bytes, offset: u64) -> Result<Self, Mp4Error> {
        let mut moov = BoxReader::new(FourCc(*b"moov"), content.clone(), offset);
        let (mut timescale, mut traks, mut defaults) = (None, Vec::new(), None);
        while let Some((raw, mut child)) = moov.child()? {
            match &child.name.0 {
                b"mvhd" => timescale = Some(decode_mvhd(&mut child)?),
                b"trak" => traks.push((raw, child)),
                b"mvex" => defaults = Some(decode_mvex(&mut child)?),
                _ => {}
            }
            if traks.len() > TRACKS_MAX {
                return Err(too_many_tracks(&moov, traks.len()));
            }
        }
        let timescale = timescale.ok_or_else(|| moov.missing(b"mvhd"))?;
        let Some(defaults) = defaults else {
            return Err(Mp4Error::NotFragmented { reason: "its `moov` has no `mvex`", offset });
        };
        let mut tracks: Vec<Track> = Vec::new();
        for (raw, trak) in traks {
            let track = decode_trak(raw, trak, timescale, &defaults)?;
            if tracks.iter().any(|other| other.id == track.id) {
                return Err(moov.invalid("track_ID", track.id, "must differ from the others"));
            }
            tracks.push(track);
        }
        if tracks.is_empty() {
            return Err(moov.missing(b"trak"));
        }
        Ok(Self { timescale, tracks })
    }

    /// Reads an initialization segment, as catalogs carry it: ftyp and moov.
    ///
    /// # Errors
    /// As [`Movie::decode`], and [`Mp4Error::NoMovie`] where there is no moov.
    pub fn decode_header(header: &Bytes) -> Result<Self, Mp4Error> {
        let mut file = BoxReader::new(FourCc(*b"file"), header.clone(), 0);
        while let Some((_, mut child)) = file.child()? {
            if &child.name.0 == b"moov" {
                let offset = child.offset();
                return Self::decode(&child.rest(), offset);
            }
        }
        Err(Mp4Error::NoMovie)
    }
}

impl Track {
    /// Ticks between the start of the media's own time line and the start of the presentation: the
    /// priming of audio, the reordering delay of video. A sample is shown at its composition time
    /// less this; negative where the presentation begins with an empty edit.
    pub fn presentation_offset(&self) -> i64 {
        let mut empty = 0i64;
        for edit in &self.edits {
            match edit.media_time {
                None => {
                    let ticks = u128::from(edit.duration) * u128::from(self.timescale.get())
                        / u128::from(self.movie_timescale.get());
                    empty = empty.saturating_add(i64::try_from(ticks).unwrap_or(i64::MAX));
                }
                Some(time) => return i64::try_from(time).unwrap_or(i64::MAX).saturating_sub(empty),
            }
        }
        empty.saturating_neg()
    }
}

fn too_many_tracks(moov: &BoxReader, count: usize) -> Mp4Error {
    Mp4Error::TooMany {
        name: moov.name,
        what: "tracks",
        count: count as u64,
        max: TRACKS_MAX as u64,
        offset: moov.offset(),
    }
}

fn timescale(reader: &mut BoxReader) -> Result<NonZeroU32, Mp4Error> {
    let value = reader.u32("timescale")?;
    NonZeroU32::new(value).ok_or_else(|| reader.invalid("timescale", 0u32, "must not be 0"))
}

fn decode_mvhd(mvhd: &mut BoxReader) -> Result<NonZeroU32, Mp4Error> {
    let (version, _) = mvhd.full()?;
    mvhd.by_version(version, "creation_time")?;
    mvhd.by_version(version, "modification_time")?;
    timescale(mvhd)
}

fn decode_mvex(mvex: &mut BoxReader) -> Result<Vec<(u32, SampleDefaults)>, Mp4Error> {
    let mut defaults = Vec::new();
    while let Some((_, mut trex)) = mvex.child()? {
        if &trex.name.0 == b"trex" && defaults.len() < TRACKS_MAX {
            trex.full()?;
            let track_id = trex.u32("track_ID")?;
            trex.skip(4, "default_sample_description_index")?;
            let fields = SampleDefaults {
                duration: trex.u32("default_sample_duration")?,
                size: trex.u32("default_sample_size")?,
                flags: trex.u32("default_sample_flags")?,
            };
            defaults.push((track_id, fields));
        }
    }
    Ok(defaults)
}

fn decode_trak(
    raw: Bytes,
    mut trak: BoxReader,
    movie_timescale: NonZeroU32,
    defaults: &[(u32, SampleDefaults)],
) -> Result<Track, Mp4Error> {
    let (mut id, mut edits, mut media) = (None, Vec::new(), None);
    while let Some((_, mut child)) = trak.child()? {
        match &child.name.0 {
            b"tkhd" => id = Some(decode_tkhd(&mut child)?),
            b"edts" => edits = decode_edts(&mut child)?,
            b"mdia" => media = Some(child),
            _ => {}
        }
    }
    let id = id.ok_or_else(|| trak.missing(b"tkhd"))?;
    let media = Media::decode(media.ok_or_else(|| trak.missing(b"mdia"))?, id)?;
    let defaults = defaults.iter().find(|(track_id, _)| *track_id == id);
    Ok(Track {
        id,
        kind: media.kind,
        timescale: media.timescale,
        language: media.language,
        edits,
        entry: media.entry,
        defaults: defaults.map_or_else(SampleDefaults::default, |(_, fields)| *fields),
        movie_timescale,
        raw,
    })
}

fn decode_tkhd(tkhd: &mut BoxReader) -> Result<u32, Mp4Error> {
    let (version, _) = tkhd.full()?;
    tkhd.by_version(version, "creation_time")?;
    tkhd.by_version(version, "modification_time")?;
    match tkhd.u32("track_ID")? {
        0 => Err(tkhd.invalid("track_ID", 0u32, "must not be 0")),
        id => Ok(id),
    }
}

fn decode_edts(edts: &mut BoxReader) -> Result<Vec<Edit>, Mp4Error> {
    let mut edits = Vec::new();
    while let Some((_, mut elst)) = edts.child()? {
        if &elst.name.0 != b"elst" {
            continue;
        }
        let (version, _) = elst.full()?;
        let count = elst.u32("entry_count")?;
        if count > EDITS_MAX {
            return Err(Mp4Error::TooMany {
                name: elst.name,
                what: "edits",
                count: count.into(),
                max: EDITS_MAX.into(),
                offset: elst.offset(),
            });
        }
        for _ in 0..count {
            let duration = elst.by_version(version, "segment_duration")?;
            let time = elst.by_version(version, "media_time")?;
            let time = if version == 0 { i64::from(time as u32 as i32) } else { time as i64 };
            elst.skip(4, "media_rate")?;
            edits.push(Edit { duration, media_time: u64::try_from(time).ok() });
        }
    }
    Ok(edits)
}

/// What an mdia box tells.
struct Media {
    kind: TrackKind,
    timescale: NonZeroU32,
    language: String,
    entry: SampleEntry,
}

impl Media {
    fn decode(mut mdia: BoxReader, track_id: u32) -> Result<Self, Mp4Error> {
        let (mut header, mut kind, mut entry) = (None, None, None);
        while let Some((_, mut child)) = mdia.child()? {
            match &child.name.0 {
                b"mdhd" => header = Some(decode_mdhd(&mut child)?),
                b"hdlr" => {
                    child.skip(8, "pre_defined")?;
                    kind = Some(match child.four_cc("handler_type")? {
                        FourCc([b'v', b'i', b'd', b'e']) => TrackKind::Video,
                        FourCc([b's', b'o', b'u', b'n']) => TrackKind::Audio,
                        other => TrackKind::Other(other),
                    });
                }
                b"minf" => entry = decode_minf(&mut child, track_id)?,
                _ => {}
            }
        }
        let (timescale, language) = header.ok_or_else(|| mdia.missing(b"mdhd"))?;
        Ok(Self {
            kind: kind.ok_or_else(|| mdia.missing(b"hdlr"))?,
            timescale,
            language,
            entry: entry.ok_or_else(|| mdia.missing(b"stsd"))?,
        })
    }
}

fn decode_mdhd(mdhd: &mut BoxReader) -> Result<(NonZeroU32, String), Mp4Error> {
    let (version, _) = mdhd.full()?;
    mdhd.by_version(version, "creation_time")?;
    mdhd.by_version(version, "modification_time")?;
    let timescale = timescale(mdhd)?;
    mdhd.by_version(version, "duration")?;
    let packed = mdhd.u16("language")?;
    let letters = [packed >> 10, packed >> 5, packed].map(|five| (five & 0x1f) as u8 + 0x60);
    let known = letters.iter().all(u8::is_ascii_lowercase);
    let language = if known { letters.map(char::from).iter().collect() } else { "und".to_owned() };
    Ok((timescale, language))
}

fn decode_minf(minf: &mut BoxReader, track_id: u32) -> Result<Option<SampleEntry>, Mp4Error> {
    let mut entry = None;
    while let Some((_, mut stbl)) = minf.child()? {
        if &stbl.name.0 != b"stbl" {
            continue;
        }
        while let Some((_, mut child)) = stbl.child()? {
            match &child.name.0 {
                b"stsd" => {
                    child.full()?;
                    child.skip(4, "entry_count")?;
                    let (_, mut first) = child.child()?.ok_or_else(|| child.missing(b"avc1"))?;
                    entry = Some(SampleEntry::decode(&mut first, track_id)?);
                }
                b"stts" => {
                    child.full()?;
                    if child.u32("entry_count")? > 0 {
                        let (reason, offset) = ("its `moov` lists samples", child.offset());
                        return Err(Mp4Error::NotFragmented { reason, offset });
                    }
                }
                _ => {}
            }
        }
    }
    Ok(entry)
}
