//! The built tools without media: raw tracks, and what they say when something is wrong.

mod support;

use std::io::{Read, Write};
use std::net::UdpSocket;

use sluice_net::dev_certificate::DevCertificate;
use sluice_proto::wire::Draft;
use support::tool::{Tool, scratch};
use support::{Relay, pem};

#[test]
fn lines_arrive_as_they_were_written_on_every_draft() {
    let relay = Relay::start(&[]);
    let lines = "first\n\nthird with spaces \nlast\n";
    for (index, draft) in Draft::ALL.into_iter().enumerate() {
        for way in ["--announce", "--offer"] {
            let url = relay.url(["https", "moqt"][index % 2]);
            let (name, draft) = (format!("lines-{draft}{way}"), draft.to_string());
            let common = [&url, "--namespace", &name, "--raw", "--track", "t", "--drafts", &draft];
            let viewer = Tool::start([&["subscribe"], &common[..]].concat());
            let mut publisher =
                Tool::start([&["publish", way, "--wait-subscriber"], &common[..]].concat());
            publisher.feed(lines.as_bytes());
            publisher.end_with(0);
            assert_eq!(String::from_utf8_lossy(&viewer.written()), lines, "{name}");
        }
    }
}

#[test]
fn many_lines_in_a_burst_all_arrive() {
    let relay = Relay::start(&[]);
    let lines: String = (0..3_000).map(|number| format!("line {number}\n")).collect();
    let url = relay.url("moqt");
    for group in ["1", "7", "100000"] {
        let name = format!("burst-{group}");
        let common = [url.as_str(), "--namespace", &name, "--raw", "--track", "t"];
        let viewer = Tool::start([&["subscribe"], &common[..]].concat());
        let publish = ["publish", "--wait-subscriber", "--group-objects", group];
        let mut publisher = Tool::start([&publish, &common[..]].concat());
        publisher.feed(lines.as_bytes());
        publisher.end_with(0);
        assert!(viewer.written() == lines.as_bytes(), "groups of {group}");
    }
}

#[test]
fn a_name_with_addresses_of_both_families_reaches_a_relay_on_one_of_them() {
    // `localhost` is both ::1 and 127.0.0.1 on most systems; the relay listens on the latter.
    let relay = Relay::start(&[]);
    for scheme in ["https", "moqt"] {
        let url = format!("{scheme}://localhost:{}/moq", relay.address.port());
        let common = [&url, "--namespace", scheme, "--raw", "--track", "t"];
        let viewer = Tool::start([&["subscribe"], &common[..]].concat());
        let mut publisher = Tool::start([&["publish", "--wait-subscriber"], &common[..]].concat());
        publisher.feed(b"line\n");
        publisher.end_with(0);
        assert_eq!(viewer.written(), b"line\n", "{scheme}");
    }
}

#[test]
fn files_arrive_as_files() {
    let relay = Relay::start(&[]);
    let contents: [Vec<u8>; 3] =
        [b"one\ntwo".to_vec(), Vec::new(), (0..2_000_000u32).map(|n| (n % 251) as u8).collect()];
    let files: Vec<_> = (0..3).map(|number| scratch(&format!("file-{number}"))).collect();
    for (file, content) in files.iter().zip(&contents) {
        std::fs::write(file, content).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let url = relay.url("https");
    let common = [&url, "--namespace", "files", "--raw", "--track", "t"];
    let out = ["--out-dir", folder.path().to_str().unwrap()];
    let viewer = Tool::start([&["subscribe"], &common[..], &out].concat());
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let publisher = Tool::start([&["publish", "--wait-subscriber"], &common[..], &files].concat());
    publisher.end_with(0);
    viewer.end_with(0);
    let mut found: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let found: Vec<Vec<u8>> = found.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(found == contents, "the same files in the same order");
}

#[test]
fn who_joins_a_raw_track_late_begins_with_its_newest_group_also_when_nobody_else_has_it() {
    // Without linger the relay leaves the track with its last viewer, and has to ask again.
    let relay = Relay::start(&["--linger", "0s"]);
    for (index, draft) in Draft::ALL.into_iter().enumerate() {
        let url = relay.url(["moqt", "https"][index % 2]);
        let (name, draft) = (format!("clock-{draft}"), draft.to_string());
        let common = [&url, "--namespace", &name, "--raw", "--track", "t", "--drafts", &draft];
        let mut early = Tool::start([&["subscribe"], &common[..]].concat());
        let mut publisher = Tool::start([&["publish", "--wait-subscriber"], &common[..]].concat());
        let mut input = publisher.input();
        input.write_all(b"one\ntwo\n").unwrap();
        let mut seen = [0; 8];
        early.output().read_exact(&mut seen).unwrap();
        early.signal("INT");
        early.end_with(130);

        let mut late = Tool::start([&["subscribe"], &common[..]].concat());
        let mut output = late.output();
        let mut newest = [0; 4];
        output.read_exact(&mut newest).unwrap();
        assert_eq!(&newest, b"two\n", "{name}");
        input.write_all(b"three\n").unwrap();
        drop(input);
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "three\n", "{name}");
        publisher.end_with(0);
        late.end_with(0);
    }
}

#[test]
fn a_viewer_whose_pipe_is_full_for_a_while_still_gets_everything() {
    // More than pipe, output queue and the unread limit of the library hold together.
    let patience = ["--behind-bytes-max", "1GiB", "--behind-groups-max", "1000"];
    let relay = Relay::start(&patience);
    let file = scratch("large");
    std::fs::write(&file, vec![b'x'; 8 << 20]).unwrap();
    let file = file.to_str().unwrap();
    let url = relay.url("moqt");
    let common = [url.as_str(), "--namespace", "slow", "--raw", "--track", "t"];
    let mut slow = Tool::start([&["subscribe"], &common[..]].concat());
    let files = [file; 6];
    let publisher = Tool::start([&["publish", "--wait-subscriber"], &common[..], &files].concat());
    publisher.end_with(0);
    let mut bytes = 0;
    let mut output = slow.output();
    let mut piece = vec![0; 1 << 20];
    loop {
        match output.read(&mut piece).unwrap() {
            0 => break,
            count => bytes += count,
        }
    }
    slow.end_with(0);
    assert_eq!(bytes, files.len() * ((8 << 20) + 1));
}

/// Runs a tool that must fail, and returns its one line.
fn error(arguments: &[&str]) -> String {
    let ended = Tool::start(arguments).end_with(1);
    let lines: Vec<&str> = ended.errors.lines().collect();
    assert_eq!(lines.len(), 1, "{arguments:?} says one line: {}", ended.errors);
    lines[0].to_owned()
}

#[test]
fn an_address_where_nothing_answers_is_named() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for scheme in ["https", "moqt"] {
        let url = format!("{scheme}://{address}/moq");
        let said = error(&["subscribe", &url, "--namespace", "x", "--connect-timeout", "300ms"]);
        assert!(said.contains(&format!("nothing answers on UDP {address}")), "{said}");
    }
}

#[test]
fn a_certificate_that_is_not_the_expected_one_is_said() {
    let relay = Relay::start(&[]);
    let wrong = "ab".repeat(32);
    for scheme in ["https", "moqt"] {
        let url = relay.url(scheme);
        let hash = ["--certificate-sha256", &wrong];
        let said = error(&[&["subscribe", &url, "--namespace", "x"], &hash[..]].concat());
        assert!(
            said.contains("the relay's certificate is not the one with the given hash"),
            "{said}"
        );
    }
}

#[test]
fn a_certificate_is_trusted_by_its_authority_or_without_a_check() {
    let now = std::time::SystemTime::now();
    let [own, other] = [(); 2].map(|()| DevCertificate::generate(now, &[]).expect("made"));
    let (chain, key) =
        (pem("CERTIFICATE", &own.certificate), pem("PRIVATE KEY", own.key.secret_der()));
    let stranger = pem("CERTIFICATE", &other.certificate);
    let [chain, key, stranger] =
        [&chain, &key, &stranger].map(|file| file.path().to_str().unwrap().to_owned());
    let relay = Relay::start(&["--tls-cert", &chain, "--tls-key", &key]);
    for scheme in ["https", "moqt"] {
        let url = relay.url(scheme);
        let common = ["subscribe", &url, "--namespace", "x", "--wait", "0s"];
        for trust in [&["--ca", &chain][..], &["--insecure"]] {
            let said = error(&[&common[..], trust].concat());
            assert!(said.contains("nobody publishes"), "{scheme} {trust:?} connects: {said}");
        }
        let said = error(&[&common[..], &["--ca", &stranger]].concat());
        assert!(said.contains("the relay's certificate is not trusted"), "{scheme}: {said}");
        let both = [&common[..], &["--ca", &chain, "--insecure"]].concat();
        assert!(error(&both).contains("give one of --certificate-sha256, --ca and --insecure"));
    }
}

#[test]
fn a_relay_of_other_drafts_is_said() {
    let newest = Draft::ALL[0].to_string();
    let oldest = Draft::ALL[Draft::ALL.len() - 1].to_string();
    let relay = Relay::start(&["--drafts", &newest]);
    for scheme in ["https", "moqt"] {
        let url = relay.url(scheme);
        let said = error(&["subscribe", &url, "--namespace", "x", "--quiet", "--draft", &oldest]);
        assert!(said.contains("speaks none of the drafts"), "{scheme}: {said}");
    }
}

#[test]
fn a_namespace_that_nobody_publishes_is_said_on_every_draft() {
    let relay = Relay::start(&[]);
    let url = relay.url("https");
    for draft in Draft::ALL {
        for wait in ["0s", "400ms"] {
            let draft = draft.to_string();
            let arguments =
                ["subscribe", &url, "--namespace", "no/body", "--wait", wait, "--drafts", &draft];
            let said = error(&[&arguments[..], &["--quiet"]].concat());
            assert!(said.contains("nobody publishes no/body there"), "{draft} {wait}: {said}");
        }
    }
}

#[test]
fn arguments_that_cannot_work_are_refused_before_anything_is_connected() {
    let ordinary = scratch("ordinary.mp4");
    let (picture, h264) = (support::ffmpeg::picture(1), support::ffmpeg::H264);
    support::ffmpeg::make(&[&picture, h264], &ordinary);
    let relay = Relay::start(&[]);
    let url = relay.url("moqt");
    let url = url.as_str();
    let file = ordinary.to_str().unwrap();
    let rows: [(&[&str], &str); 8] = [
        (&["publish", "http://localhost/moq", "--namespace", "x", file], "use https://"),
        (&["publish", url, file], "--namespace NAME is required"),
        (&["publish", url, "--namespace", "x", "/none.mp4"], "cannot read /none.mp4"),
        (&["publish", url, "--namespace", "x", "--loop"], "--loop needs a FILE"),
        (&["publish", url, "--namespace", "x", "--quiet", file], "not a fragmented MP4"),
        (&["publish", url, "--namespace", "x", "--raw"], "--raw needs --track NAME"),
        (&["subscribe", url, "--namespace", "x", "--raw"], "--raw takes one track"),
        (
            &["subscribe", url, "--namespace", "x", "--certificate-sha256", "12"],
            "is not a SHA-256 hash",
        ),
    ];
    for (arguments, expected) in rows {
        let said = error(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn a_relay_on_this_machine_is_trusted_by_the_hash_it_tells_and_that_is_said() {
    let relay = Relay::start(&[]);
    let url = relay.url("https");
    let ended = Tool::start(["subscribe", &url, "--namespace", "x", "--wait", "0s"]).end_with(1);
    let told = format!("http://{}/certificate.sha256", relay.address);
    assert!(ended.errors.contains(&told), "{}", ended.errors);
}
