//! Fragmented MP4 (ISO 14496-12): reading it piece by piece, cutting it into CMAF, writing it.
//!
//! [`Demuxer`] reads a stream of boxes as it arrives; [`Track::cmaf_header`] and [`write_chunk`]
//! make what one CMAF track consists of; [`CmafMuxer`] joins such tracks into one file again.
//! Offsets in errors count from the first byte that was pushed.

mod boxes;
mod chunk;
mod demuxer;
mod error;
mod fragment;
mod header;
mod movie;
mod mux;
mod sample_entry;
mod timeline;

pub use boxes::FourCc;
pub use chunk::{ChunkHead, decode_chunk, write_chunk};
pub use demuxer::{DemuxLimits, Demuxer, Item};
pub use error::Mp4Error;
pub use fragment::{Fragment, Sample, SampleDefaults, SampleFlags};
pub use header::{HeaderTrack, write_header};
pub use movie::{Edit, Movie, Track, TrackKind};
pub use mux::{CmafMuxer, MuxError, MuxLimits};
pub use sample_entry::SampleEntry;
pub(crate) use timeline::Moment;
pub use timeline::Start;
