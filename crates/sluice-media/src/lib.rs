//! Media for Media over QUIC: fragmented MP4, CMAF, LOC and the MSF catalog.
//!
//! What stands between a video file and the objects of a MOQT session lives here; what a session
//! is does not. Nothing in this crate does I/O, reads a clock or knows a transport draft: bytes go
//! in with `push` or `handle_*`, results come out of `poll`, and whoever drives it owns files,
//! sockets and pacing. Every input may come from a stranger: it is refused with an error that names
//! the place, never with a panic, and what is held is bounded by limits with names.
//!
//! | Where | What |
//! |---|---|
//! | [`mp4`] | read fragmented MP4 piece by piece; CMAF headers and chunks; join tracks to a file |
//! | [`codec`] | decoder configurations in all their forms, codec strings, NAL units |
//! | [`segment`] | samples into groups and objects, with the time each is due |
//! | [`loc`] | LOC objects from samples, and back into a file |
//! | [`catalog`] | the MSF catalog and its deltas |
//! | [`sort`] | objects of one track in order, from streams that arrive in any order |
//!
//! # From a file to objects
//!
//! ```
//! use sluice_media::catalog::{Catalog, CatalogTrack};
//! use sluice_media::mp4::{ChunkHead, DemuxLimits, Demuxer, Item, write_chunk};
//! use sluice_media::segment::{ObjectUnit, Segmenter, SegmenterLimits};
//!
//! # let input = include_bytes!("../tests/fixtures/h264_aac_frames.mp4");
//! let mut demuxer = Demuxer::new(DemuxLimits::default());
//! let mut segmenter = None;
//! let mut catalog = Catalog::new();
//! let mut objects = 0;
//! for piece in input.chunks(1000) {
//!     demuxer.push(piece);
//!     while let Some(item) = demuxer.poll()? {
//!         match item {
//!             Item::Movie(movie) => {
//!                 for (index, track) in movie.tracks.iter().enumerate() {
//!                     let listed = CatalogTrack::cmaf(format!("track{index}"), track);
//!                     catalog.push(listed.track, listed.init.as_ref());
//!                 }
//!                 let first_group = 1_700_000_000_000;
//!                 let limits = SegmenterLimits::default();
//!                 segmenter =
//!                     Some(Segmenter::new(&movie, ObjectUnit::Sample, first_group, limits));
//!             }
//!             Item::Fragment(fragment) => {
//!                 let segmenter = segmenter.as_mut().expect("the movie comes first");
//!                 segmenter.handle_fragment(fragment);
//!                 while let Some(segment) = segmenter.poll() {
//!                     // Wait until `segment.due`, then send `payload` as object
//!                     // (segment.group, segment.object) of track `segment.track`.
//!                     objects += 1;
//!                     let head = ChunkHead { track_id: 1, sequence: objects };
//!                     let payload = write_chunk(head, &segment.samples);
//!                     assert!(!payload.is_empty());
//!                 }
//!             }
//!         }
//!     }
//! }
//! demuxer.finish()?;
//! assert_eq!(catalog.tracks[0].codec.as_deref(), Some("avc1.64000a"));
//! assert!(objects > 100);
//! # Ok::<(), sluice_media::mp4::Mp4Error>(())
//! ```
//!
//! # From objects to a file
//!
//! [`mp4::CmafMuxer`] takes the payloads of CMAF tracks, [`loc::LocMuxer`] payloads and properties
//! of LOC tracks; both want each track in order, which is what a [`sort::ObjectSorter`] makes.

mod bits;
pub mod catalog;
pub mod codec;
pub mod loc;
pub mod mp4;
pub mod segment;
pub mod sort;
