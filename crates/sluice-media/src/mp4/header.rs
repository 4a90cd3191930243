//! Movie headers for fragmented files: ftyp and moov with one trak per track and no samples.
//!
//! A track is either copied from the header it came in, which keeps its edit list, its language and
//! every box of its sample entry, or built from a codec configuration.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::boxes::{BoxReader, BoxWriter};
use super::{Edit, FourCc, SampleDefaults, Track};
use crate::codec::{CodecConfig, ParameterSets};

/// A track as a header is to list it.
#[derive(Debug, Clone)]
pub struct HeaderTrack {
    /// Its id in the new file.
    pub id: u32,
    /// Its edit list. Durations are in the timescale of the movie it is written into.
    pub edits: Vec<Edit>,
    defaults: SampleDefaults,
    media: Media,
}

#[derive(Debug, Clone)]
enum Media {
    Copied { trak: Bytes },
    Built { config: CodecConfig, timescale: NonZeroU32, shape: Shape },
}

/// Width and height, or channels and rate.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Video { width: u32, height: u32 },
    Audio { channels: u16, sample_rate: u32 },
}

impl HeaderTrack {
    /// A track that was read from another file, for a movie of the given timescale.
    pub fn copied(track: &Track, id: u32, movie_timescale: NonZeroU32) -> Self {
        let rescaled = |duration: u64| {
            let ticks = u128::from(duration) * u128::from(movie_timescale.get())
                / u128::from(track.movie_timescale.get());
            u64::try_from(ticks).unwrap_or(u64::MAX)
        };
        let edits = track
            .edits
            .iter()
            .map(|edit| Edit { duration: rescaled(edit.duration), media_time: edit.media_time })
            .collect();
        let media = Media::Copied { trak: track.raw.clone() };
        Self { id, edits, defaults: track.defaults, media }
    }

    /// A video track.
    pub fn video(id: u32, config: CodecConfig, timescale: NonZeroU32, size: (u32, u32)) -> Self {
        let shape = Shape::Video { width: size.0, height: size.1 };
        let media = Media::Built { config, timescale, shape };
        Self { id, edits: Vec::new(), defaults: SampleDefaults::default(), media }
    }

    /// An audio track.
    pub fn audio(
        id: u32,
        config: CodecConfig,
        timescale: NonZeroU32,
        channels: u16,
        sample_rate: u32,
    ) -> Self {
        let shape = Shape::Audio { channels, sample_rate };
        let media = Media::Built { config, timescale, shape };
        Self { id, edits: Vec::new(), defaults: SampleDefaults::default(), media }
    }
}

impl Track {
    /// The CMAF header of this track alone: ftyp and moov, with its id and edit list kept.
    pub fn cmaf_header(&self) -> Bytes {
        let track = HeaderTrack::copied(self, self.id, self.movie_timescale);
        write_header(&[track], self.movie_timescale)
    }
}

/// Writes ftyp and moov of a fragmented file with these tracks.
pub fn write_header(tracks: &[HeaderTrack], movie_timescale: NonZeroU32) -> Bytes {
    let mut out = BoxWriter::default();
    out.put(b"ftyp", |out| {
        out.bytes(b"iso6");
        out.u32(0);
        out.bytes(b"iso6cmfcmp41");
    });
    out.put(b"moov", |out| {
        out.full(b"mvhd", 0, 0, |out| {
            out.u64(0);
            out.u32(movie_timescale.get());
            out.u32(0);
            out.u32(0x1_0000);
            out.u16(0x100);
            out.zeros(10);
            out.matrix();
            out.zeros(24);
            out.u32(tracks.iter().map(|track| track.id).max().unwrap_or(0).saturating_add(1));
        });
        tracks.iter().for_each(|track| put_trak(out, track));
        out.put(b"mvex", |out| {
            for track in tracks {
                out.full(b"trex", 0, 0, |out| {
                    out.u32(track.id);
                    out.u32(1);
                    out.u32(track.defaults.duration);
                    out.u32(track.defaults.size);
                    out.u32(track.defaults.flags);
                });
            }
        });
    });
    out.finish()
}

fn put_trak(out: &mut BoxWriter, track: &HeaderTrack) {
    out.put(b"trak", |out| match &track.media {
        Media::Copied { trak } => put_copied(out, track, trak),
        Media::Built { config, timescale, shape } => {
            put_tkhd(out, track.id, *shape);
            put_edits(out, &track.edits);
            put_media(out, config, *timescale, *shape);
        }
    });
}

/// The boxes of a trak that was read before, with another id and edit list. References to other
/// tracks are left out, for their ids mean nothing here.
fn put_copied(out: &mut BoxWriter, track: &HeaderTrack, trak: &Bytes) {
    let mut outer = BoxReader::new(FourCc(*b"file"), trak.clone(), 0);
    let Ok(Some((_, mut trak))) = outer.child() else { return };
    while let Ok(Some((raw, mut child))) = trak.child() {
        match &child.name.0 {
            b"tkhd" => {
                let start = out.position();
                out.bytes(&raw);
                let wide = child.u8("version").is_ok_and(|version| version > 0);
                let id_at = start + if wide { 8 + 4 + 16 } else { 8 + 4 + 8 };
                // A movie that decoded has an id, so the box reaches that far.
                out.set_u32(id_at, track.id);
                put_edits(out, &track.edits);
            }
            b"edts" | b"tref" => {}
            _ => out.bytes(&raw),
        }
    }
}

fn put_tkhd(out: &mut BoxWriter, id: u32, shape: Shape) {
    out.full(b"tkhd", 0, 3, |out| {
        out.u64(0);
        out.u32(id);
        out.u32(0);
        out.u32(0);
        out.zeros(8);
        out.u16(0);
        out.u16(0);
        out.u16(if matches!(shape, Shape::Audio { .. }) { 0x100 } else { 0 });
        out.u16(0);
        out.matrix();
        let (width, height) = match shape {
            Shape::Video { width, height } => (width, height),
            Shape::Audio { .. } => (0, 0),
        };
        out.u32(width.min(0xffff) << 16);
        out.u32(height.min(0xffff) << 16);
    });
}

fn put_edits(out: &mut BoxWriter, edits: &[Edit]) {
    if edits.is_empty() {
        return;
    }
    out.put(b"edts", |out| {
        out.full(b"elst", 1, 0, |out| {
            out.u32(edits.len() as u32);
            for edit in edits {
                out.u64(edit.duration);
                out.u64(edit.media_time.unwrap_or(u64::MAX));
                out.u32(0x1_0000);
            }
        });
    });
}

fn put_media(out: &mut BoxWriter, config: &CodecConfig, timescale: NonZeroU32, shape: Shape) {
    let video = matches!(shape, Shape::Video { .. });
    out.put(b"mdia", |out| {
        out.full(b"mdhd", 0, 0, |out| {
            out.u64(0);
            out.u32(timescale.get());
            out.u32(0);
            // `und`, three letters of five bits each.
            out.u16(0x55c4);
            out.u16(0);
        });
        out.full(b"hdlr", 0, 0, |out| {
            out.u32(0);
            out.bytes(if video { b"vide" } else { b"soun" });
            out.zeros(12);
            out.bytes(if video { b"VideoHandler\0" } else { b"SoundHandler\0" });
        });
        out.put(b"minf", |out| {
            if video {
                out.full(b"vmhd", 0, 1, |out| out.u64(0));
            } else {
                out.full(b"smhd", 0, 0, |out| out.u32(0));
            }
            out.put(b"dinf", |out| {
                out.full(b"dref", 0, 0, |out| {
                    out.u32(1);
                    out.full(b"url ", 0, 1, |_| {});
                });
            });
            out.put(b"stbl", |out| {
                out.full(b"stsd", 0, 0, |out| {
                    out.u32(1);
                    put_entry(out, config, shape);
                });
                out.full(b"stts", 0, 0, |out| out.u32(0));
                out.full(b"stsc", 0, 0, |out| out.u32(0));
                out.full(b"stsz", 0, 0, |out| out.u64(0));
                out.full(b"stco", 0, 0, |out| out.u32(0));
            });
        });
    });
}

fn put_entry(out: &mut BoxWriter, config: &CodecConfig, shape: Shape) {
    let in_band = |sets: &ParameterSets| *sets == ParameterSets::InBand;
    let name = match config {
        CodecConfig::Avc(_, sets) => {
            if in_band(sets) {
                b"avc3"
            } else {
                b"avc1"
            }
        }
        CodecConfig::Hevc(_, sets) => {
            if in_band(sets) {
                b"hev1"
            } else {
                b"hvc1"
            }
        }
        CodecConfig::Av1(_) => b"av01",
        CodecConfig::Vp9(_) => b"vp09",
        CodecConfig::Aac(_) => b"mp4a",
        CodecConfig::Opus(_) => b"Opus",
    };
    out.put(name, |out| {
        out.zeros(6);
        out.u16(1);
        match shape {
            Shape::Video { width, height } => {
                out.zeros(16);
                out.u16(width.min(0xffff) as u16);
                out.u16(height.min(0xffff) as u16);
                out.u32(0x48_0000);
                out.u32(0x48_0000);
                out.u32(0);
                out.u16(1);
                out.zeros(32);
                out.u16(24);
                out.u16(0xffff);
            }
            Shape::Audio { channels, sample_rate } => {
                out.zeros(8);
                out.u16(channels);
                out.u16(16);
                out.u32(0);
                // 16.16 fixed point; rates beyond it are told by the configuration alone.
                out.u32(u16::try_from(sample_rate).map_or(0, |rate| u32::from(rate) << 16));
            }
        }
        put_config(out, config);
    });
}

fn put_config(out: &mut BoxWriter, config: &CodecConfig) {
    match config {
        // Samples are rewritten to lengths of four bytes, and the record says so.
        CodecConfig::Avc(..) => out.put(b"avcC", |out| out.bytes(&description(config))),
        CodecConfig::Hevc(..) => out.put(b"hvcC", |out| out.bytes(&description(config))),
        CodecConfig::Av1(av1) => out.put(b"av1C", |out| out.bytes(&av1.record())),
        CodecConfig::Vp9(vp9) => out.put(b"vpcC", |out| out.bytes(&vp9.record())),
        CodecConfig::Aac(aac) => out.full(b"esds", 0, 0, |out| out.bytes(&aac.esds())),
        CodecConfig::Opus(opus) => out.put(b"dOps", |out| out.bytes(&opus.dops())),
    }
}

fn description(config: &CodecConfig) -> Bytes {
    config.description().unwrap_or_default()
}
