//! Small videos that are checked in: what the demuxer, the segmenter and the packagers make of
//! them. `tests/fixtures/README.md` tells how they were made.

mod pipeline;

use std::time::Duration;

use bytes::Bytes;
use pipeline::{cut, demux, publish, subscribe};
use sluice_media::catalog::{Packaging, Role};
use sluice_media::codec::nal::{self, NalFraming};
use sluice_media::codec::{CodecConfig, OpusConfig};
use sluice_media::loc::{LocDialect, LocHeader, LocMuxer, LocStyle, LocTrack};
use sluice_media::loc::{LocPackager, Origin};
use sluice_media::mp4::{
    DemuxLimits, Demuxer, Fragment, Movie, Mp4Error, MuxLimits, Start, TrackKind,
};
use sluice_media::segment::{ObjectUnit, Segment, Segmenter, SegmenterLimits, frame_rate};

const FRAMES: &[u8] = include_bytes!("fixtures/h264_aac_frames.mp4");
const B_FRAMES: &[u8] = include_bytes!("fixtures/h264_aac_bframes.mp4");
const NEGATIVE: &[u8] = include_bytes!("fixtures/h264_negative.mp4");
const HEVC: &[u8] = include_bytes!("fixtures/hevc_opus.mp4");
const AV1: &[u8] = include_bytes!("fixtures/av1.mp4");
const VP9: &[u8] = include_bytes!("fixtures/vp9.mp4");
const PLAIN: &[u8] = include_bytes!("fixtures/plain.mp4");
const DEMO: &[u8] = include_bytes!("../../sluice/assets/demo.mp4");
const FRAGMENTED: [&[u8]; 6] = [FRAMES, B_FRAMES, NEGATIVE, HEVC, AV1, VP9];

#[test]
fn a_file_reads_the_same_in_pieces_of_any_size() {
    for file in FRAGMENTED {
        let whole = demux(file, file.len()).unwrap();
        assert_eq!(demux(file, 1).unwrap(), whole);
        assert_eq!(demux(file, 777).unwrap(), whole);
        let samples: usize = whole.1.iter().map(|fragment| fragment.samples.len()).sum();
        assert!(samples >= 24, "{samples} samples");
    }
}

#[test]
fn codec_strings_are_those_that_browsers_take() {
    let strings: Vec<Vec<String>> = FRAGMENTED.iter().map(|file| codec_strings(file)).collect();
    assert_eq!(
        strings,
        [
            vec!["avc1.64000a", "mp4a.40.2"],
            vec!["avc1.64000a", "mp4a.40.2"],
            vec!["avc1.64000a"],
            vec!["hvc1.1.6.L30.90", "opus"],
            vec!["av01.0.00M.08"],
            vec!["vp09.00.10.08"],
        ]
    );
}

#[test]
fn a_track_tells_its_kind_size_rate_and_priming() {
    let (movie, _) = demux(B_FRAMES, 4096).unwrap();
    let (video, audio) = (&movie.tracks[0], &movie.tracks[1]);
    assert_eq!((video.kind, video.entry.size), (TrackKind::Video, Some((64, 48))));
    assert_eq!((audio.entry.channels, audio.entry.sample_rate), (Some(1), Some(48_000)));
    assert_eq!(audio.presentation_offset(), 1024);
    assert_eq!(video.entry.codec.as_ref().unwrap().dimensions(), Some((64, 48)));
    assert_eq!(video.entry.codec.as_ref().unwrap().reorder_frames(), Some(2));
}

#[test]
fn configurations_agree_with_the_stream_in_every_codec() {
    let of = |file| demux(file, 4096).unwrap().0.tracks[0].entry.codec.clone().unwrap();
    assert_eq!(of(HEVC).dimensions(), Some((64, 48)));
    assert_eq!(of(AV1).dimensions(), Some((64, 48)));
    let av1 = of(AV1);
    let again = CodecConfig::from_description(&av1.codec_string(), None).unwrap();
    assert_eq!(again.codec_string(), av1.codec_string());
    for file in FRAGMENTED {
        let (movie, _) = demux(file, 4096).unwrap();
        for track in &movie.tracks {
            let config = track.entry.codec.clone().unwrap();
            let description = config.description();
            let again = CodecConfig::from_description(&config.codec_string(), description.as_ref());
            assert_eq!(again.unwrap().codec_string(), config.codec_string());
        }
    }
}

#[test]
fn an_ordinary_mp4_is_refused_with_the_command_that_helps() {
    let error = demux(PLAIN, 4096).unwrap_err();
    assert!(matches!(error, Mp4Error::NotFragmented { .. }));
    assert!(error.to_string().contains("-movflags cmaf+frag_keyframe"), "{error}");
    let error = demux(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16).unwrap_err();
    assert!(matches!(error, Mp4Error::NotMp4 { .. }), "{error}");
}

#[test]
fn a_file_that_is_cut_off_says_in_which_box() {
    let error = demux(&FRAMES[..FRAMES.len() - 3], 4096).unwrap_err();
    assert!(matches!(error, Mp4Error::UnexpectedEnd { .. }), "{error}");
    assert!(error.to_string().contains("`mdat`"), "{error}");
    assert_eq!(demux(&FRAMES[..28], 4096).unwrap_err(), Mp4Error::NoMovie);
}

#[test]
fn video_starts_a_group_at_each_key_frame_and_audio_follows_it() {
    for file in [FRAMES, B_FRAMES, HEVC] {
        let (movie, fragments) = demux(file, 4096).unwrap();
        let segments = cut(&movie, fragments, ObjectUnit::Sample);
        let starts = |track: usize| -> Vec<(u64, i64)> {
            let start = |segment: &&Segment| segment.track == track && segment.object == 0;
            let time = |segment: &Segment| {
                let track = &movie.tracks[track];
                let ticks = track.presentation_time(&segment.samples[0]);
                ticks * 1000 / i64::from(track.timescale.get())
            };
            segments.iter().filter(start).map(|segment| (segment.group, time(segment))).collect()
        };
        assert_eq!(starts(0), [(1_000, 0), (1_001, 1_000)]);
        let audio = starts(1);
        assert_eq!(audio[1].0, 1_001);
        assert!((1_000..1_030).contains(&audio[1].1), "{audio:?}");
        assert_eq!(audio.len(), 2);
        let due: Vec<Duration> = segments.iter().map(|segment| segment.due).collect();
        assert!(due.is_sorted(), "objects come out in the order of time");
    }
}

#[test]
fn object_ids_count_from_zero_in_every_group() {
    let (movie, fragments) = demux(B_FRAMES, 4096).unwrap();
    for unit in [ObjectUnit::Sample, ObjectUnit::Fragment] {
        let segments = cut(&movie, fragments.clone(), unit);
        for track in 0..2 {
            let mut next = (1_000, 0);
            for segment in segments.iter().filter(|segment| segment.track == track) {
                if segment.object == 0 && next.1 > 0 {
                    next = (next.0 + 1, 0);
                }
                assert_eq!((segment.group, segment.object), next);
                next.1 += 1;
            }
        }
    }
}

#[test]
fn audio_alone_gets_a_group_a_second() {
    let (mut movie, mut fragments) = demux(FRAMES, 4096).unwrap();
    movie.tracks.remove(0);
    fragments.retain(|fragment| fragment.track == 1);
    fragments.iter_mut().for_each(|fragment| fragment.track = 0);
    let segments = cut(&movie, fragments, ObjectUnit::Sample);
    let groups: Vec<u64> = segments.iter().map(|segment| segment.group).collect();
    assert_eq!((groups[0], *groups.last().unwrap()), (1_000, 1_002));
    assert!((45..=49).contains(&groups.iter().filter(|group| **group == 1_000).count()));
}

#[test]
fn a_second_pass_goes_on_where_the_first_one_ended() {
    let (movie, fragments) = demux(NEGATIVE, 4096).unwrap();
    let limits = SegmenterLimits::default();
    let mut segmenter = Segmenter::new(&movie, ObjectUnit::Sample, 7, limits);
    let mut segments = Vec::new();
    for _ in 0..3 {
        for fragment in fragments.clone() {
            segmenter.handle_fragment(fragment);
            segments.extend(std::iter::from_fn(|| segmenter.poll()));
        }
        segmenter.restart();
    }
    let times: Vec<u64> = segments.iter().map(|segment| segment.samples[0].decode_time).collect();
    let steps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(times.len(), 72);
    assert!(steps.iter().all(|step| *step == steps[0]), "an even beat over the seams: {steps:?}");
    assert_eq!(segments.last().unwrap().group, 12);
}

#[test]
fn the_demo_loops_without_a_seam_in_picture_and_sound() {
    let (movie, fragments) = demux(DEMO, 64 << 10).unwrap();
    assert_eq!(codec_strings(DEMO), ["avc1.4d401e", "mp4a.40.2"]);
    let mut segmenter = Segmenter::new(&movie, ObjectUnit::Sample, 0, SegmenterLimits::default());
    let mut segments = Vec::new();
    for _ in 0..3 {
        for fragment in fragments.clone() {
            segmenter.handle_fragment(fragment);
            segments.extend(std::iter::from_fn(|| segmenter.poll()));
        }
        segmenter.restart();
    }
    for (track, frames) in [(0, 256), (1, 480)] {
        let of_track = segments.iter().filter(|segment| segment.track == track);
        let times: Vec<u64> = of_track.map(|segment| segment.samples[0].decode_time).collect();
        assert!(times.len() > 2 * frames, "two whole passes came out");
        let step = u64::from(movie.tracks[track].timescale.get()) * 1024 / 100 / frames as u64;
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == step), "track {track}");
    }
}

#[test]
fn a_silent_track_does_not_hold_the_others_for_ever() {
    let (movie, fragments) = demux(FRAMES, 4096).unwrap();
    let limits = SegmenterLimits { held_samples_max: 5, ..SegmenterLimits::default() };
    let mut segmenter = Segmenter::new(&movie, ObjectUnit::Sample, 0, limits);
    for fragment in fragments.into_iter().filter(|fragment| fragment.track == 0).take(8) {
        segmenter.handle_fragment(fragment);
    }
    assert_eq!(std::iter::from_fn(|| segmenter.poll()).count(), 3);
}

#[test]
fn a_round_trip_keeps_every_sample_of_every_track() {
    for file in FRAGMENTED {
        let before = samples(file);
        for (packaging, unit) in [
            (Packaging::Cmaf, ObjectUnit::Sample),
            (Packaging::Cmaf, ObjectUnit::Fragment),
            (Packaging::Loc, ObjectUnit::Sample),
        ] {
            let (catalog, objects) = publish(file, packaging.clone(), unit);
            let after = subscribe(&catalog, &objects).unwrap();
            assert_eq!(samples(&after), before, "as {packaging:?}");
        }
    }
}

#[test]
fn a_viewer_who_joins_late_gets_a_file_that_starts_at_zero() {
    for packaging in [Packaging::Cmaf, Packaging::Loc] {
        let (catalog, mut objects) = publish(B_FRAMES, packaging, ObjectUnit::Sample);
        objects.retain(|object| object.location.0 > 1_000);
        let (movie, fragments) = demux(&subscribe(&catalog, &objects).unwrap(), 4096).unwrap();
        for (index, track) in movie.tracks.iter().enumerate() {
            let first = fragments.iter().find(|fragment| fragment.track == index).unwrap();
            let seconds = track.presentation_time(&first.samples[0]) as f64
                / f64::from(track.timescale.get());
            // Audio begins up to a frame later, B frames are decoded ahead of time.
            assert!((0.0..0.2).contains(&seconds), "track {index} starts at {seconds}");
        }
    }
}

#[test]
fn the_catalog_of_a_file_tells_what_a_player_needs() {
    let (catalog, _) = publish(B_FRAMES, Packaging::Loc, ObjectUnit::Sample);
    let (video, audio) = (&catalog.tracks[0], &catalog.tracks[1]);
    assert_eq!((&video.role, &audio.role), (&Some(Role::Video), &Some(Role::Audio)));
    assert_eq!((video.width, video.height), (Some(64), Some(48)));
    assert_eq!(audio.samplerate, Some(48_000));
    assert_eq!(catalog.init_of(audio).unwrap().unwrap()[..2], [0x11, 0x88]);
    assert!(video.is_live && video.init_ref.is_some() && video.init_data.is_some());
    let (movie, fragments) = demux(B_FRAMES, 4096).unwrap();
    assert_eq!(frame_rate(movie.tracks[0].timescale, &fragments[0].samples), Some(12.0));
}

#[test]
fn timestamps_are_never_negative_and_priming_lies_before_the_start() {
    let (movie, fragments) = demux(B_FRAMES, 4096).unwrap();
    let origin = Origin::of(&movie);
    let start = origin.in_ticks(movie.tracks[1].timescale);
    let audio = LocPackager::new(&movie.tracks[1], origin, LocStyle::Loc04).unwrap();
    let first = fragments.iter().find(|fragment| fragment.track == 1).unwrap();
    let time = |index: usize| {
        let object = audio.object(&first.samples[index], index == 0);
        LocHeader::decode(&object.properties, LocDialect::Loc04).timestamp.unwrap()
    };
    assert_eq!((time(0), time(1)), (start - 1024, start));
}

#[test]
fn the_style_of_moq_encoder_player_repeats_the_codec_on_every_object() {
    let (movie, fragments) = demux(FRAMES, 4096).unwrap();
    let style = LocStyle::EncoderPlayer;
    let video = LocPackager::new(&movie.tracks[0], Origin::of(&movie), style).unwrap();
    let samples: Vec<_> = fragments.iter().filter(|fragment| fragment.track == 0).collect();
    let header = |fragment: &Fragment| {
        let object = video.object(&fragment.samples[0], false);
        LocHeader::decode(&object.properties, LocDialect::Lenient)
    };
    let (key, delta) = (header(samples[0]), header(samples[1]));
    assert_eq!((key.marking.unwrap().0, delta.marking.unwrap().0), (0xe0, 0xc0));
    assert!(key.video_config.is_some() && delta.video_config.is_none());
    assert_eq!(delta.codec.as_deref(), Some("avc1.64000a"));
}

#[test]
fn annex_b_objects_without_any_configuration_give_the_same_file() {
    for file in [FRAMES, HEVC] {
        let (movie, fragments) = demux(file, 4096).unwrap();
        let config = movie.tracks[0].entry.codec.clone().unwrap();
        let origin = Origin::of(&movie);
        let packager = LocPackager::new(&movie.tracks[0], origin, LocStyle::Loc04).unwrap();
        let known = LocTrack { codec: Some(config.codec_string()), ..LocTrack::default() };
        let mut muxer = LocMuxer::new(vec![known], Start::Zero, MuxLimits::default()).unwrap();
        let video = fragments.iter().filter(|fragment| fragment.track == 0);
        let samples: Vec<_> = video.flat_map(|fragment| &fragment.samples).collect();
        for (index, sample) in samples.iter().enumerate() {
            let mut object = packager.object(sample, sample.is_sync());
            object.properties.0.retain(|(kind, _)| *kind != 0x0d);
            let payload = nal::to_annex_b(&config, &object.payload);
            assert_eq!(nal::framing(&payload, 4), NalFraming::AnnexB);
            muxer.handle_object(0, (0, index as u64), &object.properties, &payload).unwrap();
        }
        muxer.finish();
        let joined: Vec<u8> = std::iter::from_fn(|| muxer.poll()).flatten().collect();
        let (again, _) = demux(&joined, 4096).unwrap();
        let entry = &again.tracks[0].entry;
        assert_eq!(entry.size, Some((64, 48)));
        assert_eq!(self::samples(&joined)[0].len(), samples.len());
        let rebuilt = entry.codec.as_ref().unwrap();
        assert_eq!(rebuilt.codec_string()[4..], config.codec_string()[4..]);
    }
}

#[test]
fn objects_of_moq_encoder_player_need_no_catalog() {
    let head = OpusConfig::stereo().head();
    let mut muxer =
        LocMuxer::new(vec![LocTrack::default()], Start::Zero, MuxLimits::default()).unwrap();
    for index in 0..3u64 {
        let header = LocHeader {
            timestamp: Some(5_000_000 + index * 20_000),
            timescale: std::num::NonZeroU32::new(1_000_000),
            audio_config: Some(head.clone()),
            codec: Some("opus".to_owned()),
            ..LocHeader::default()
        };
        let packet = Bytes::from_static(&[0xfc, 0xff, 0xfe]);
        muxer.handle_object(0, (index, 0), &header.encode(), &packet).unwrap();
    }
    muxer.finish();
    let joined: Vec<u8> = std::iter::from_fn(|| muxer.poll()).flatten().collect();
    let (movie, fragments) = demux(&joined, 4096).unwrap();
    assert_eq!(codec_strings(&joined), ["opus"]);
    assert_eq!(movie.tracks[0].timescale.get(), 1_000_000);
    let times: Vec<_> = fragments.iter().map(|fragment| fragment.samples[0].decode_time).collect();
    assert_eq!(times, [0, 20_000, 40_000]);
}

#[test]
fn boxes_beyond_a_limit_are_refused_before_they_arrive() {
    let limits = DemuxLimits { data_bytes_max: 64, ..DemuxLimits::default() };
    let mut demuxer = Demuxer::new(limits);
    demuxer.push(FRAMES);
    let error = loop {
        match demuxer.poll() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the limit must show"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Mp4Error::TooLarge { max: 64, .. }), "{error}");
    assert_eq!(demuxer.poll(), Err(error), "an error stays");
}

#[test]
fn a_cmaf_header_holds_one_track_and_its_edit_list() {
    let (movie, _) = demux(B_FRAMES, 4096).unwrap();
    let header = Movie::decode_header(&movie.tracks[1].cmaf_header()).unwrap();
    assert_eq!(header.tracks.len(), 1);
    assert_eq!(header.tracks[0].edits, movie.tracks[1].edits);
    assert_eq!(header.tracks[0].entry, movie.tracks[1].entry);
}

fn codec_strings(file: &[u8]) -> Vec<String> {
    let (movie, _) = demux(file, 4096).unwrap();
    movie.tracks.iter().map(|track| track.entry.codec.as_ref().unwrap().codec_string()).collect()
}

/// Presentation time, sync flag and data of every sample of every track.
fn samples(file: &[u8]) -> Vec<Vec<(i64, bool, Bytes)>> {
    let (movie, fragments) = demux(file, 4096).unwrap();
    let mut tracks = vec![Vec::new(); movie.tracks.len()];
    for fragment in fragments {
        let track = &movie.tracks[fragment.track];
        tracks[fragment.track].extend(fragment.samples.iter().map(|sample| {
            (track.presentation_time(sample), sample.is_sync(), sample.data.clone())
        }));
    }
    tracks
}
