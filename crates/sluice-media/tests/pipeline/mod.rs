//! What the tools do with a file, without a network between: demux, cut, package, and back.

use bytes::Bytes;
use sluice_media::catalog::{Catalog, CatalogMessage, CatalogTrack, Packaging};
use sluice_media::loc::{LocDialect, LocMuxer, LocPackager, LocProperties, LocStyle, Origin};
use sluice_media::mp4::{
    ChunkHead, CmafMuxer, DemuxLimits, Demuxer, Fragment, Item, Movie, Mp4Error, MuxError,
    MuxLimits, Start, write_chunk,
};
use sluice_media::segment::{ObjectUnit, Segment, Segmenter, SegmenterLimits};

/// The movie and all fragments of a file that is pushed in pieces of `piece_bytes`.
pub fn demux(file: &[u8], piece_bytes: usize) -> Result<(Movie, Vec<Fragment>), Mp4Error> {
    let mut demuxer = Demuxer::new(DemuxLimits::default());
    let (mut movie, mut fragments) = (None, Vec::new());
    for piece in file.chunks(piece_bytes) {
        demuxer.push(piece);
        while let Some(item) = demuxer.poll()? {
            match item {
                Item::Movie(found) => movie = Some((*found).clone()),
                Item::Fragment(fragment) => fragments.push(fragment),
            }
        }
    }
    demuxer.finish()?;
    Ok((movie.ok_or(Mp4Error::NoMovie)?, fragments))
}

/// The objects of a file in the order a publisher sends them.
pub fn cut(movie: &Movie, fragments: Vec<Fragment>, unit: ObjectUnit) -> Vec<Segment> {
    let mut segmenter = Segmenter::new(movie, unit, 1_000, SegmenterLimits::default());
    let mut segments = Vec::new();
    for fragment in fragments {
        segmenter.handle_fragment(fragment);
        segments.extend(std::iter::from_fn(|| segmenter.poll()));
    }
    segmenter.finish();
    segments.extend(std::iter::from_fn(|| segmenter.poll()));
    segments
}

/// An object as it travels.
pub struct Object {
    pub track: usize,
    pub location: (u64, u64),
    pub properties: LocProperties,
    pub payload: Bytes,
}

/// The catalog and the objects of a file.
#[allow(dead_code)]
pub fn publish(file: &[u8], packaging: Packaging, unit: ObjectUnit) -> (Catalog, Vec<Object>) {
    let (movie, fragments) = demux(file, 1_500).expect("the source file reads");
    let origin = Origin::of(&movie);
    let mut catalog = Catalog::new();
    let mut packagers = Vec::new();
    for (index, track) in movie.tracks.iter().enumerate() {
        let name = format!("track{index}");
        let listed = match packaging {
            Packaging::Cmaf => CatalogTrack::cmaf(name, track),
            _ => CatalogTrack::loc(name, track, origin),
        };
        catalog.push(listed.track, listed.init.as_ref());
        packagers.push(LocPackager::new(track, origin, LocStyle::Loc04).expect("a known codec"));
    }
    let mut sequence = 0;
    let mut package = |segment: Segment| {
        let (properties, payload) = if packaging == Packaging::Cmaf {
            sequence += 1;
            let head = ChunkHead { track_id: movie.tracks[segment.track].id, sequence };
            (LocProperties::default(), write_chunk(head, &segment.samples))
        } else {
            assert_eq!(segment.samples.len(), 1, "a LOC object holds one sample");
            let object = packagers[segment.track].object(&segment.samples[0], segment.object == 0);
            (object.properties, object.payload)
        };
        let location = (segment.group, segment.object);
        Object { track: segment.track, location, properties, payload }
    };
    let objects = cut(&movie, fragments, unit).into_iter().map(&mut package).collect();
    (catalog, objects)
}

/// The file that a subscriber writes from catalog and objects.
#[allow(dead_code)]
pub fn subscribe(catalog: &Catalog, objects: &[Object]) -> Result<Vec<u8>, MuxError> {
    let Ok(CatalogMessage::Full(catalog)) = CatalogMessage::decode(&catalog.encode()) else {
        panic!("a complete catalog reads as one");
    };
    let init = |track| catalog.init_of(track).expect("init data reads");
    let mut file = Vec::new();
    if catalog.tracks[0].packaging == Packaging::Cmaf {
        let headers: Vec<_> =
            catalog.tracks.iter().map(|track| init(track).expect("CMAF has a header")).collect();
        let mut muxer = CmafMuxer::new(&headers, Start::Zero, MuxLimits::default())?;
        for object in objects {
            muxer.handle_object(object.track, &object.payload)?;
            std::iter::from_fn(|| muxer.poll()).for_each(|bytes| file.extend_from_slice(&bytes));
        }
        muxer.finish();
        std::iter::from_fn(|| muxer.poll()).for_each(|bytes| file.extend_from_slice(&bytes));
    } else {
        let tracks = catalog
            .tracks
            .iter()
            .map(|track| track.loc_track(init(track), LocDialect::Lenient))
            .collect();
        let mut muxer = LocMuxer::new(tracks, Start::Zero, MuxLimits::default())?;
        for object in objects {
            let Object { track, location, properties, payload } = object;
            muxer.handle_object(*track, *location, properties, payload)?;
            std::iter::from_fn(|| muxer.poll()).for_each(|bytes| file.extend_from_slice(&bytes));
        }
        muxer.finish();
        std::iter::from_fn(|| muxer.poll()).for_each(|bytes| file.extend_from_slice(&bytes));
    }
    Ok(file)
}
