//! Input from strangers: cut off, changed or made up, it is refused or read, within bounds.

mod pipeline;

use bytes::Bytes;
use proptest::prelude::*;
use sluice_media::catalog::{Catalog, CatalogMessage, CatalogTrack, Packaging};
use sluice_media::codec::{CodecConfig, nal};
use sluice_media::loc::{LocDialect, LocMuxer, LocProperties, LocTrack, LocValue};
use sluice_media::mp4::{
    CmafMuxer, DemuxLimits, Demuxer, Item, Movie, MuxLimits, Start, decode_chunk,
};
use sluice_media::segment::ObjectUnit;
use sluice_media::sort::{ObjectSorter, SortLimits};

const FILES: [&[u8]; 6] = [
    include_bytes!("fixtures/h264_aac_frames.mp4"),
    include_bytes!("fixtures/h264_aac_bframes.mp4"),
    include_bytes!("fixtures/hevc_opus.mp4"),
    include_bytes!("fixtures/av1.mp4"),
    include_bytes!("fixtures/vp9.mp4"),
    include_bytes!("fixtures/plain.mp4"),
];

/// A fixture, its length, and bytes to change in it: half of them in the headers at its start.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let place = prop_oneof![0usize..1_600, 0usize..30_000];
    let changes = prop::collection::vec((place, any::<u8>()), 0..12);
    (0..FILES.len(), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(file, changes, cut, cuts)| {
            let mut file = FILES[file].to_vec();
            for (place, byte) in changes {
                let place = place % file.len();
                file[place] = byte;
            }
            if cuts {
                file.truncate(cut.index(file.len()));
            }
            file
        },
    )
}

fn description() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..120).prop_map(Bytes::from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_read_or_refused_and_never_makes_more_than_it_holds(file in damaged()) {
        let limits = DemuxLimits { fragment_samples_max: 500, ..DemuxLimits::default() };
        let mut demuxer = Demuxer::new(limits);
        let mut movie = None;
        for piece in file.chunks(4_000) {
            demuxer.push(piece);
            while let Ok(Some(item)) = demuxer.poll() {
                match item {
                    Item::Movie(found) => {
                        for track in &found.tracks {
                            let header = Movie::decode_header(&track.cmaf_header());
                            prop_assert!(header.is_ok(), "{header:?}");
                        }
                        movie = Some(found);
                    }
                    Item::Fragment(fragment) => {
                        prop_assert!(fragment.samples.len() <= 500);
                        prop_assert!(fragment.track < movie.as_ref().unwrap().tracks.len());
                    }
                }
            }
        }
        let _ = demuxer.finish();
    }

    #[test]
    fn damaged_files_go_through_every_packaging(file in damaged()) {
        let Ok((movie, fragments)) = pipeline::demux(&file, 5_000) else { return Ok(()) };
        let known = movie.tracks.iter().all(|track| track.entry.codec.is_some());
        let packagings = [(Packaging::Cmaf, ObjectUnit::Fragment), (Packaging::Loc, ObjectUnit::Sample)];
        for (packaging, unit) in packagings.into_iter().filter(|_| known && !fragments.is_empty()) {
            let (catalog, objects) = pipeline::publish(&file, packaging, unit);
            let _ = pipeline::subscribe(&catalog, &objects);
        }
    }

    #[test]
    fn a_damaged_object_costs_only_itself(
        change in (any::<prop::sample::Index>(), any::<u8>()),
        hit in any::<prop::sample::Index>(),
    ) {
        let (catalog, objects) = pipeline::publish(FILES[1], Packaging::Cmaf, ObjectUnit::Sample);
        let headers: Vec<_> = catalog
            .tracks
            .iter()
            .map(|track| catalog.init_of(track).unwrap().unwrap())
            .collect();
        let movie = Movie::decode_header(&headers[0]).unwrap();
        let mut muxer = CmafMuxer::new(&headers, Start::Zero, MuxLimits::default()).unwrap();
        let hit = hit.index(objects.len());
        let mut written = 0;
        for (index, object) in objects.iter().enumerate() {
            let mut payload = object.payload.to_vec();
            if index == hit {
                let place = change.0.index(payload.len());
                payload[place] = change.1;
            }
            let payload = Bytes::from(payload);
            let _ = decode_chunk(&payload, &movie, &DemuxLimits::default());
            let _ = muxer.handle_object(object.track, &payload);
            written += std::iter::from_fn(|| muxer.poll()).count();
        }
        muxer.finish();
        written += std::iter::from_fn(|| muxer.poll()).count();
        prop_assert!(written >= objects.len() / 2);
    }

    #[test]
    fn made_up_configurations_are_refused_or_written_back(
        codec in "(avc1|avc3|hvc1|hev1|av01|vp09|mp4a|opus|zzzz)(\\.[0-9A-Za-z]{1,4}){0,6}",
        description in description(),
        frame in description(),
    ) {
        for description in [Some(&description), None] {
            if let Ok(config) = CodecConfig::from_description(&codec, description) {
                let _ = (config.codec_string(), config.dimensions(), config.reorder_frames());
                let _ = (config.description(), nal::to_annex_b(&config, &frame));
            }
        }
        for codec in [nal::NalCodec::Avc, nal::NalCodec::Hevc] {
            let _ = nal::config_of_key_frame(codec, &frame);
            for bytes in [1, 2, 4] {
                let _ = nal::to_long_lengths(codec, &frame, bytes, nal_sets());
            }
        }
    }

    #[test]
    fn made_up_loc_objects_never_stop_the_muxer(
        codec in prop::option::of("(avc1|hvc1|av01|vp09|mp4a|opus)(\\.[0-9]{1,2}){0,4}"),
        objects in prop::collection::vec(
            (0u64..4, any::<u64>(), any::<u32>(), description(), description()), 0..40),
    ) {
        let known = LocTrack { codec, ..LocTrack::default() };
        let mut muxer = LocMuxer::new(vec![known], Start::Zero, MuxLimits::default()).unwrap();
        for (group, time, scale, config, payload) in objects {
            let properties = LocProperties(vec![
                (0x08, LocValue::Int(scale.into())),
                (0x0d, LocValue::Bytes(config.clone())),
                (0x0f, LocValue::Bytes(config)),
                (0x10, LocValue::Int(time)),
            ]);
            let _ = muxer.handle_object(0, (group, 0), &properties, &payload);
        }
        muxer.finish();
        let joined: Vec<u8> = std::iter::from_fn(|| muxer.poll()).flatten().collect();
        if !joined.is_empty() {
            prop_assert!(pipeline::demux(&joined, 4_000).is_ok());
        }
    }

    #[test]
    fn made_up_catalogs_and_deltas_are_read_or_refused(
        text in "[\\[\\]{}:,\"a-z0-9/ ]{0,80}",
        path in "(/(tracks|0|1|-|name|version|~1)){0,4}",
        op in "(add|remove|replace|move|copy|test)",
    ) {
        let _ = CatalogMessage::decode(text.as_bytes());
        let mut catalog = Catalog::new();
        catalog.push(CatalogTrack::new("a", Packaging::Loc), None);
        let patch = serde_json::json!([{"op": op, "path": path, "from": "/tracks/0", "value": text}]);
        if let Ok(CatalogMessage::Delta(delta)) = CatalogMessage::decode(patch.to_string().as_bytes())
            && let Ok(after) = catalog.apply(&delta)
        {
            prop_assert!(CatalogMessage::decode(&after.encode()).is_ok());
        }
    }

    #[test]
    fn a_sorter_gives_each_object_once_and_in_order(
        inputs in prop::collection::vec((0u64..6, 0u64..6, any::<bool>()), 0..80),
        held_objects_max in 1usize..20,
    ) {
        let limits = SortLimits { held_objects_max, ..SortLimits::default() };
        let mut sorter = ObjectSorter::new(limits);
        let mut given = Vec::new();
        for (group, object, ends) in inputs {
            if ends {
                sorter.handle_group_end(group, Some(object));
            } else {
                sorter.handle_object(group, object, 1, ());
            }
            given.extend(std::iter::from_fn(|| sorter.poll()).map(|(g, o, ())| (g, o)));
        }
        sorter.finish();
        given.extend(std::iter::from_fn(|| sorter.poll()).map(|(g, o, ())| (g, o)));
        prop_assert!(given.windows(2).all(|pair| pair[0] < pair[1]), "{given:?}");
    }
}

#[test]
fn every_prefix_of_a_file_is_waited_for_and_not_misread() {
    for file in FILES {
        for length in (0..file.len()).step_by(7) {
            let mut demuxer = Demuxer::new(DemuxLimits::default());
            demuxer.push(&file[..length]);
            while let Ok(Some(_)) = demuxer.poll() {}
        }
    }
}

#[test]
fn a_sample_count_that_the_box_does_not_hold_allocates_nothing() {
    let (movie, _) = pipeline::demux(FILES[0], 4_000).unwrap();
    let (_, objects) = pipeline::publish(FILES[0], Packaging::Cmaf, ObjectUnit::Sample);
    let mut chunk = objects[0].payload.to_vec();
    let trun = chunk.windows(4).position(|window| window == b"trun").unwrap();
    chunk[trun + 8..trun + 12].copy_from_slice(&u32::MAX.to_be_bytes());
    let error = decode_chunk(&chunk.into(), &movie, &DemuxLimits::default()).unwrap_err();
    assert!(error.to_string().contains("samples in a fragment"), "{error}");
}

#[test]
fn a_loc_object_without_a_timestamp_is_named() {
    let known = LocTrack { dialect: LocDialect::Loc04, ..LocTrack::default() };
    let mut muxer = LocMuxer::new(vec![known], Start::Zero, MuxLimits::default()).unwrap();
    let old = LocProperties(vec![(0x06, LocValue::Int(1))]);
    let error = muxer.handle_object(0, (7, 3), &old, &Bytes::from_static(b"x")).unwrap_err();
    assert_eq!(error.to_string(), "track 0: object 7/3 has no TIMESTAMP property");
}

fn nal_sets() -> sluice_media::codec::ParameterSets {
    sluice_media::codec::ParameterSets::OutOfBand
}
