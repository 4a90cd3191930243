//! Videos through the built relay with the built tools: what comes out is what went in.

mod support;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sluice_proto::wire::Draft;
use support::Relay;
use support::ffmpeg::{self, EVERY_FRAME, H264, PER_GROUP, picture, tone};
use support::origin::Place;
use support::tool::{Tool, scratch};

/// Ten seconds of H.264 with B frames, and AAC.
static TEN_SECONDS: LazyLock<PathBuf> = LazyLock::new(|| {
    let file = scratch("ten-seconds.mp4");
    ffmpeg::make(&[&picture(10), &tone(10), H264, "-bf 2 -c:a aac", PER_GROUP], &file);
    file
});

/// Ten seconds of H.264 without B frames, and AAC, a fragment for each frame.
static LIVE: LazyLock<PathBuf> = LazyLock::new(|| {
    let file = scratch("live.mp4");
    ffmpeg::make(&[&picture(10), &tone(10), H264, "-bf 0 -c:a aac", EVERY_FRAME], &file);
    file
});

struct Way<'a> {
    scheme: &'a str,
    publisher: Draft,
    viewer: Draft,
    options: &'a [&'a str],
}

/// Publishes a file to a viewer who waits for it, and compares what the viewer wrote.
fn transfer(relay: &Relay, source: &Path, name: &str, way: &Way<'_>) {
    transfer_over([relay, relay], source, name, way);
}

/// The same, with the publisher at the first relay and the viewer at the second.
fn transfer_over(relays: [&Relay; 2], source: &Path, name: &str, way: &Way<'_>) {
    let out = scratch(&format!("{}.mp4", name.replace('/', "-")));
    let [url, viewed] = relays.map(|relay| relay.url(way.scheme));
    let (from, to) = (way.publisher.to_string(), way.viewer.to_string());
    let namespace = ["--namespace", name];
    let viewer = Tool::start(
        [&["subscribe", &viewed, "--drafts", &to, "-o", out.to_str().unwrap()], &namespace[..]]
            .concat(),
    );
    let file = source.to_str().unwrap();
    let publish = ["publish", &url, "--drafts", &from, "--unpaced", "--wait-subscriber", file];
    let publisher = Tool::start([&publish, &namespace[..], way.options].concat());
    publisher.end_with(0);
    viewer.end_with(0);
    assert_eq!(ffmpeg::codecs(source), ffmpeg::codecs(&out), "{name}: codecs");
    let (before, after) = (ffmpeg::frames(source), ffmpeg::frames(&out));
    assert!(!before.is_empty(), "{name}: the source has frames");
    assert_eq!(before.len(), after.len(), "{name}: number of frames");
    let differs = before.iter().zip(&after).position(|(before, after)| before != after);
    assert_eq!(differs, None, "{name}: first frame that differs");
}

#[test]
fn ten_seconds_of_video_arrive_frame_by_frame_on_every_draft() {
    let relay = Relay::start(&[]);
    for (index, draft) in Draft::ALL.into_iter().enumerate() {
        let (schemes, packagings) = (["https", "moqt"], ["cmaf", "loc"]);
        for (turn, packaging) in packagings.into_iter().enumerate() {
            let scheme = schemes[(index + turn) % 2];
            let options = ["--packaging", packaging];
            let way = Way { scheme, publisher: draft, viewer: draft, options: &options };
            transfer(&relay, &TEN_SECONDS, &format!("ten-{draft}-{packaging}"), &way);
        }
    }
}

#[test]
fn video_arrives_frame_by_frame_between_drafts_and_by_offered_tracks() {
    let relay = Relay::start(&[]);
    let newest = Draft::ALL[0];
    let oldest = Draft::ALL[Draft::ALL.len() - 1];
    for (publisher, viewer) in [(newest, oldest), (oldest, newest)] {
        for options in [["--offer", "--packaging=loc"], ["--offer", "--announce"]] {
            let way = Way { scheme: "moqt", publisher, viewer, options: &options };
            let name = format!("mixed-{publisher}-{viewer}{}", options[1]);
            transfer(&relay, &LIVE, &name, &way);
        }
    }
}

#[test]
fn video_arrives_frame_by_frame_through_three_relays_of_different_drafts() {
    let places = [Place::new(), Place::new(), Place::new()];
    let (newest, oldest) = (Draft::ALL[0], Draft::ALL[Draft::ALL.len() - 1]);
    let hop = |at: usize, scheme: &str, draft: &str| {
        places[at]
            .start(&[places[at - 1].entry(scheme, &format!(r#", "drafts": ["{draft}"]"#))], &[])
    };
    let first = places[0].start(&[], &[]);
    let middle = hop(1, "https", "01");
    let last = hop(2, "moqt", "16");
    for relay in [&middle, &last] {
        relay.logged(&["origin is there"]);
    }
    for (publisher, viewer) in [(newest, oldest), (oldest, newest)] {
        let options = ["--packaging", "cmaf"];
        let way = Way { scheme: "moqt", publisher, viewer, options: &options };
        let name = format!("live/{publisher}-{viewer}");
        transfer_over([&first, &last], &TEN_SECONDS, &name, &way);
    }
}

#[test]
fn other_codecs_arrive_frame_by_frame() {
    let relay = Relay::start(&[]);
    let recipes = [
        (
            "hevc-opus",
            "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=none:keyint=25 \
             -pix_fmt yuv420p -c:a libopus",
        ),
        (
            "av1-opus",
            "-c:v libaom-av1 -cpu-used 8 -row-mt 1 -crf 50 -g 25 -pix_fmt yuv420p -c:a libopus",
        ),
        ("vp9", "-an -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 25 -pix_fmt yuv420p"),
    ];
    for (name, codecs) in recipes {
        let source = scratch(&format!("{name}-source.mp4"));
        ffmpeg::make(&[&picture(2), &tone(2), codecs, PER_GROUP], &source);
        for packaging in ["cmaf", "loc"] {
            let newest = Draft::ALL[0];
            let options = ["--packaging", packaging];
            let way = Way { scheme: "https", publisher: newest, viewer: newest, options: &options };
            transfer(&relay, &source, &format!("{name}-{packaging}"), &way);
        }
    }
}

/// Where the fragments of a file begin, and its end.
fn fragments(file: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (0, Vec::new());
    while at + 8 <= file.len() {
        let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        if &file[at + 4..at + 8] == b"moof" {
            found.push(at);
        }
        at += size;
    }
    found.push(file.len());
    found
}

#[test]
fn a_viewer_who_comes_late_gets_everything_from_the_start_of_the_current_group() {
    let relay = Relay::start(&[]);
    let file = std::fs::read(&*LIVE).unwrap();
    let cuts = fragments(&file);
    // Somewhere inside a group in the middle.
    let half = cuts[cuts.len() / 2 + 7];
    for (index, draft) in Draft::ALL.into_iter().enumerate() {
        let url = relay.url(["moqt", "https"][index % 2]);
        let name = format!("late-{draft}");
        let draft = draft.to_string();
        let common = [url.as_str(), "--namespace", &name, "--drafts", &draft];
        let mut early = Tool::start([&["subscribe"], &common[..]].concat());
        let publish = ["publish", "--unpaced", "--wait-subscriber"];
        let mut publisher = Tool::start([&publish, &common[..]].concat());
        let mut input = publisher.input();
        input.write_all(&file[..half]).unwrap();

        // Once somebody has seen the middle, a second viewer comes; only then the file goes on.
        let mut output = early.output();
        let mut seen = Vec::new();
        while fragments(&seen).len() < cuts.len() / 2 {
            let mut piece = [0; 4096];
            let count = output.read(&mut piece).unwrap();
            assert!(count > 0, "{name}: the early viewer sees the first half");
            seen.extend_from_slice(&piece[..count]);
        }
        let rest_of_early = std::thread::spawn(move || {
            let mut rest = Vec::new();
            output.read_to_end(&mut rest).map(|_| rest)
        });
        let mut late = Tool::start([&["subscribe"], &common[..]].concat());
        let mut late_output = late.output();
        let mut late_bytes = vec![0];
        late_output.read_exact(&mut late_bytes).unwrap();
        input.write_all(&file[half..]).unwrap();
        drop(input);
        late_output.read_to_end(&mut late_bytes).unwrap();
        publisher.end_with(0);
        late.end_with(0);
        seen.extend(rest_of_early.join().unwrap().unwrap());
        early.end_with(0);

        let (early_file, late_file) =
            (scratch(&format!("{name}-early.mp4")), scratch(&format!("{name}.mp4")));
        std::fs::write(&early_file, seen).unwrap();
        std::fs::write(&late_file, late_bytes).unwrap();
        let whole = ffmpeg::frames_of(&LIVE, 0);
        assert_eq!(ffmpeg::frames_of(&early_file, 0), whole, "{name}: the early viewer");
        let part = ffmpeg::frames_of(&late_file, 0);
        assert!(whole.ends_with(&part), "{name}: {} frames are the last ones", part.len());
        assert_eq!(part.len() % 25, 0, "{name}: whole groups");
        assert!((25..whole.len()).contains(&part.len()), "{name}: {} frames", part.len());
    }
}

/// Reads at least this many bytes.
fn read_some(output: &mut impl Read, at_least: usize) -> Vec<u8> {
    let mut bytes = vec![0; at_least];
    output.read_exact(&mut bytes).expect("the output goes on");
    bytes
}

#[test]
fn ctrl_c_ends_a_broadcast_early_but_cleanly_for_its_viewers() {
    let relay = Relay::start(&[]);
    for (draft, scheme) in Draft::ALL.into_iter().zip(["moqt", "https"].into_iter().cycle()) {
        let (url, name) = (relay.url(scheme), format!("interrupted-{draft}"));
        let draft = draft.to_string();
        let common = [url.as_str(), "--namespace", &name, "--drafts", &draft];
        let mut viewer = Tool::start([&["subscribe"], &common[..]].concat());
        let file = LIVE.to_str().unwrap();
        let publish = ["publish", "--loop", "--wait-subscriber"];
        let publisher = Tool::start([&publish, &common[..], &[file]].concat());
        let mut output = viewer.output();
        let mut bytes = read_some(&mut output, 8_000);
        publisher.signal("INT");
        output.read_to_end(&mut bytes).unwrap();
        publisher.end_with(130);
        viewer.end_with(0);
        let seen = scratch(&format!("{name}.mp4"));
        std::fs::write(&seen, bytes).unwrap();
        let (whole, part) = (ffmpeg::frames_of(&LIVE, 0), ffmpeg::frames_of(&seen, 0));
        assert!(!part.is_empty() && part.len() < whole.len(), "{name}: {} frames", part.len());
        assert!(whole.starts_with(&part), "{name}: the first frames of the source");
    }
}

#[test]
fn a_viewer_who_is_interrupted_leaves_a_playable_file() {
    let relay = Relay::start(&[]);
    let url = relay.url("https");
    let common = [url.as_str(), "--namespace", "left"];
    let mut viewer = Tool::start([&["subscribe", "--video"], &common[..]].concat());
    let file = LIVE.to_str().unwrap();
    let publisher = Tool::start([&["publish", "--loop"], &common[..], &[file]].concat());
    let mut output = viewer.output();
    let mut bytes = read_some(&mut output, 8_000);
    viewer.signal("INT");
    output.read_to_end(&mut bytes).unwrap();
    viewer.end_with(130);
    publisher.signal("TERM");
    publisher.end_with(130);
    let seen = scratch("left.mp4");
    std::fs::write(&seen, bytes).unwrap();
    assert_eq!(ffmpeg::codecs(&seen).lines().count(), 1, "only the picture was asked for");
    assert!(!ffmpeg::frames(&seen).is_empty());
}

/// What a demo says until it is ready, and the URL in it.
fn demo_says(demo: &mut Tool) -> (String, String) {
    let mut said = String::new();
    let mut output = demo.output();
    while !said.contains("\nready\n") {
        let mut byte = [0];
        output.read_exact(&mut byte).expect("the demo says what to do");
        said.push(char::from(byte[0]));
    }
    let url = said.split_whitespace().find(|word| word.starts_with("https://")).unwrap().to_owned();
    (said, url)
}

#[test]
fn the_demo_plays_until_it_is_told_to_end() {
    let mut demo = Tool::start(["demo", "--listen", "127.0.0.1:0"]);
    let (said, url) = demo_says(&mut demo);
    assert!(said.contains("sluice subscribe") && said.contains("sluice publish"), "{said}");
    let mut viewer = Tool::start(["subscribe", &url, "--namespace", "demo"]);
    let mut output = viewer.output();
    let mut bytes = read_some(&mut output, 100_000);
    demo.signal("TERM");
    output.read_to_end(&mut bytes).unwrap();
    demo.end_with(0);
    viewer.end_with(0);
    let seen = scratch("demo-seen.mp4");
    std::fs::write(&seen, bytes).unwrap();
    let codecs = ffmpeg::codecs(&seen);
    assert!(codecs.contains("h264") && codecs.contains("aac"), "{codecs}");
    assert!(ffmpeg::frames_of(&seen, 0).len() > 20);
}

#[test]
fn the_demo_plays_the_users_own_file_even_if_it_is_not_fragmented() {
    let ordinary = scratch("own.mkv");
    ffmpeg::make(&[&picture(3), &tone(3), H264, "-bf 0 -c:a aac"], &ordinary);
    for file in [ordinary.as_path(), LIVE.as_path()] {
        let mut demo = Tool::start(["demo", "--listen", "127.0.0.1:0", file.to_str().unwrap()]);
        let (said, url) = demo_says(&mut demo);
        assert!(said.contains(file.to_str().unwrap()), "{said}");
        let mut viewer = Tool::start(["subscribe", &url, "--namespace", "demo", "--video"]);
        let mut output = viewer.output();
        let mut bytes = read_some(&mut output, 10_000);
        demo.signal("INT");
        output.read_to_end(&mut bytes).unwrap();
        demo.end_with(0);
        viewer.end_with(0);
        let seen = scratch("own-seen.mp4");
        std::fs::write(&seen, bytes).unwrap();
        let (whole, part) = (ffmpeg::frames_of(file, 0), ffmpeg::frames_of(&seen, 0));
        assert!(!part.is_empty() && whole.windows(part.len()).any(|run| run == part));
    }
}
