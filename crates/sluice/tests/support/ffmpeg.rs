//! Videos that ffmpeg makes, and what it finds in those that come out. Needs ffmpeg and ffprobe:
//! `apt-get install ffmpeg`.

use std::path::Path;
use std::process::Command;

/// A moving picture of `seconds`, 25 frames a second.
pub fn picture(seconds: u32) -> String {
    format!("-f lavfi -i testsrc2=size=160x120:rate=25:duration={seconds}")
}

/// A tone of `seconds`.
pub fn tone(seconds: u32) -> String {
    format!("-f lavfi -i sine=frequency=440:sample_rate=48000:duration={seconds}")
}

/// H.264 with a key frame every second.
pub const H264: &str = "-c:v libx264 -preset veryfast -g 25 -pix_fmt yuv420p";
/// Fragmented MP4 as for a live stream: a fragment for each frame.
pub const EVERY_FRAME: &str =
    "-f mp4 -movflags cmaf+separate_moof+delay_moov+skip_trailer+frag_every_frame";
/// Fragmented MP4 with a fragment for each group.
pub const PER_GROUP: &str = "-f mp4 -movflags delay_moov+frag_keyframe+default_base_moof";

/// Makes a video.
pub fn make(recipe: &[&str], file: &Path) {
    run("ffmpeg", &["-y"], &recipe.join(" "), Some(file));
}

/// Codec, profile, size and rate of each stream.
pub fn codecs(file: &Path) -> String {
    let what = "codec_name,codec_tag_string,profile,level,width,height,sample_rate,channels";
    run("ffprobe", &[], &format!("-show_entries stream={what} -of csv=p=0"), Some(file))
}

/// Stream and hash of each decoded frame, stream by stream.
pub fn frames(file: &Path) -> Vec<(usize, String)> {
    let input = file.to_str().expect("a path of text");
    let listed = run(
        "ffmpeg",
        &["-i", input, "-map", "0"],
        "-fps_mode passthrough -enc_time_base -1 -copyts -f framemd5 -",
        None,
    );
    let mut frames: Vec<_> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<_> = line.split(',').map(str::trim).collect();
            (fields[0].parse().expect("a stream"), fields[5].to_owned())
        })
        .collect();
    // The order over streams depends on how they are interleaved.
    frames.sort_by_key(|(stream, _)| *stream);
    frames
}

/// Hashes of the frames of one stream.
pub fn frames_of(file: &Path, stream: usize) -> Vec<String> {
    let of = frames(file).into_iter().filter(|(found, _)| *found == stream);
    of.map(|(_, hash)| hash).collect()
}

/// Runs a tool with the words of `arguments` behind `first` and, behind all, a file.
pub fn run(tool: &str, first: &[&str], arguments: &str, file: Option<&Path>) -> String {
    let output = Command::new(tool)
        .args(["-v", "error"])
        .args(first)
        .args(arguments.split_whitespace())
        .args(file)
        .output()
        .unwrap_or_else(|_| panic!("{tool} is missing; install it with `apt-get install ffmpeg`"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}
