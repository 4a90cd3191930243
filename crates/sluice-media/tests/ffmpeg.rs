//! Videos that ffmpeg makes, cut into objects and joined again, must decode to the same frames at
//! the same times. Needs ffmpeg and ffprobe: `apt-get install ffmpeg`.

mod pipeline;

use std::path::{Path, PathBuf};
use std::process::Command;

use sluice_media::catalog::Packaging;
use sluice_media::segment::ObjectUnit;

const VIDEO: &str = "-f lavfi -i testsrc2=size=160x120:rate=25:duration=3";
const AUDIO: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=3";
const H264: &str = "-c:v libx264 -preset veryfast -g 25 -pix_fmt yuv420p";
const EVERY_FRAME: &str = "cmaf+separate_moof+delay_moov+skip_trailer+frag_every_frame";
const PER_GROUP: &str = "delay_moov+frag_keyframe+default_base_moof";

#[test]
fn h264_and_aac_in_a_fragment_per_frame() {
    check("frames", &[VIDEO, AUDIO, H264, "-bf 0 -c:a aac"], EVERY_FRAME, Times::Exact);
}

#[test]
fn h264_with_b_frames_and_edit_lists() {
    check("bframes", &[VIDEO, AUDIO, H264, "-bf 3 -c:a aac"], PER_GROUP, Times::Exact);
}

#[test]
fn h264_with_negative_composition_offsets() {
    // ffmpeg itself shows such files late by the reordering delay, so only distances compare.
    check(
        "negative",
        &[VIDEO, AUDIO, H264, "-bf 2 -c:a aac"],
        "cmaf+frag_keyframe",
        Times::Relative,
    );
}

#[test]
fn h264_with_timescales_that_share_no_divisor() {
    let video = "-f lavfi -i testsrc2=size=160x120:rate=30000/1001:duration=3";
    let audio = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=3";
    check("ntsc", &[video, audio, H264, "-bf 2 -c:a aac"], PER_GROUP, Times::Exact);
}

#[test]
fn hevc_and_opus() {
    let codecs = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25:bframes=3 \
                  -tag:v hvc1 -pix_fmt yuv420p -c:a libopus -b:a 32k";
    check("hevc", &[VIDEO, AUDIO, codecs], PER_GROUP, Times::Exact);
}

#[test]
fn av1_and_opus() {
    let codecs =
        "-c:v libaom-av1 -cpu-used 8 -row-mt 1 -crf 50 -g 25 -pix_fmt yuv420p -c:a libopus";
    check("av1", &[VIDEO, AUDIO, codecs], PER_GROUP, Times::Exact);
}

#[test]
fn vp9_without_audio() {
    let codec = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 -pix_fmt yuv420p";
    check("vp9", &[VIDEO, codec], PER_GROUP, Times::Exact);
}

#[test]
fn audio_alone() {
    check("audio", &[AUDIO, "-c:a aac"], "cmaf+frag_duration", Times::Exact);
}

/// Whether times must be the same or may all be moved by one common time.
#[derive(Clone, Copy, PartialEq)]
enum Times {
    Exact,
    Relative,
}

fn check(name: &str, recipe: &[&str], movflags: &str, times: Times) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("{name}-source.mp4"));
    let recipe = recipe.join(" ");
    let (movflags, fragment) = match movflags.strip_suffix("+frag_duration") {
        Some(flags) => (flags, "-frag_duration 500000"),
        None => (movflags, ""),
    };
    let arguments = format!("{recipe} -f mp4 {fragment} -movflags {movflags}");
    run("ffmpeg", &arguments, &["-y"], Some(&source));
    let file = std::fs::read(&source).unwrap();
    let ways = [
        (Packaging::Cmaf, ObjectUnit::Sample, "cmaf"),
        (Packaging::Cmaf, ObjectUnit::Fragment, "cmaf-fragments"),
        (Packaging::Loc, ObjectUnit::Sample, "loc"),
    ];
    for (packaging, unit, way) in ways {
        let (catalog, objects) = pipeline::publish(&file, packaging, unit);
        let joined = folder.join(format!("{name}-{way}.mp4"));
        std::fs::write(&joined, pipeline::subscribe(&catalog, &objects).unwrap()).unwrap();
        assert_eq!(codecs(&source), codecs(&joined), "{name} as {way}: codecs");
        let (before, after) = (frames(&source, times), frames(&joined, times));
        assert!(!before.is_empty(), "{name}: the source has frames");
        assert_eq!(before.len(), after.len(), "{name} as {way}: number of frames");
        let differs = before.iter().zip(&after).find(|(before, after)| before != after);
        assert_eq!(differs, None, "{name} as {way}: first frame that differs");
    }
}

/// Codec, profile, size and rate of each stream.
fn codecs(file: &Path) -> String {
    let what = "codec_name,codec_tag_string,profile,level,width,height,sample_rate,channels";
    let arguments = format!("-show_entries stream={what} -of csv=p=0");
    run("ffprobe", &arguments, &[], Some(file))
}

/// Stream, presentation time and hash of each decoded frame.
fn frames(file: &Path, times: Times) -> Vec<(usize, i64, String)> {
    let input = file.to_str().unwrap();
    let arguments = "-fps_mode passthrough -enc_time_base -1 -copyts -f framemd5 -";
    let listed = run("ffmpeg", arguments, &["-i", input, "-map", "0"], None);
    let mut firsts: [Option<i64>; 4] = [None; 4];
    let mut frames: Vec<_> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<_> = line.split(',').map(str::trim).collect();
            let stream: usize = fields[0].parse().unwrap();
            let shown: i64 = fields[2].parse().unwrap();
            let base = match times {
                Times::Exact => 0,
                Times::Relative => *firsts[stream].get_or_insert(shown),
            };
            (stream, shown - base, fields[5].to_owned())
        })
        .collect();
    // The order over streams depends on how they are interleaved.
    frames.sort_by_key(|(stream, ..)| *stream);
    frames
}

/// Runs a tool with the words of `arguments` behind `first` and, behind all, a file.
fn run(tool: &str, arguments: &str, first: &[&str], file: Option<&Path>) -> String {
    let output = Command::new(tool)
        .args(["-v", "error"])
        .args(first)
        .args(arguments.split_whitespace())
        .args(file)
        .output()
        .unwrap_or_else(|_| panic!("{tool} is missing; install it with `apt-get install ffmpeg`"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
