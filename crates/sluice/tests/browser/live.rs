//! From the encoder page to the player page, with the browser's made-up camera and microphone.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use serde_json::Value;
use sluice_proto::model::TrackNamespace;
use sluice_proto::wire::Draft;

use crate::devtools::{Devtools, Tab};
use crate::pages::{WIDE, pictures_move};
use crate::support::tool::{Tool, scratch};
use crate::support::{self, Relay, ffmpeg};

const NAMESPACE: &str = "live/cam";
/// Fragments of pictures and sound that are a little more than a second.
const SOME_FRAGMENTS: usize = 100;
/// From the camera to the screen, at the lowest setting.
const LATENCY_MAX_MS: u32 = 300;

/// A browser with the encoder page on air and the player page open.
pub struct Live {
    pub browser: Devtools,
    address: SocketAddr,
    pub encoder: Tab,
}

impl Live {
    pub fn start(relay: &Relay, settings: &str) -> Live {
        Live::start_in(Devtools::start(), relay, settings)
    }

    fn start_in(mut browser: Devtools, relay: &Relay, settings: &str) -> Live {
        let address = relay.address;
        let page = format!("http://{address}/encoder.html?namespace={NAMESPACE}&{settings}");
        let encoder = browser.open(&page, WIDE);
        browser.wait(
            &encoder,
            "!document.querySelector('#start').disabled && document.querySelector('#codec').value",
        );
        browser.eval(&encoder, "document.querySelector('#start').click()");
        browser.wait(&encoder, "sluiceBroadcast.state.phase === 'live'");
        Live { browser, address, encoder }
    }

    pub fn watch(&mut self) -> Tab {
        let address = self.address;
        let page = format!("http://{address}/player.html?namespace={NAMESPACE}");
        self.browser.open(&page, WIDE)
    }

    /// Waits until the latency was this, as far as it is allowed to be off, for three seconds.
    fn settles(&mut self, player: &Tab, wanted_ms: u32) {
        let stop = format!("String(LATENCIES_OF_PAGE.indexOf({wanted_ms}))");
        let set = SET_LATENCY.replace("STOP", &stop);
        self.browser.eval(player, &set);
        let steady = format!(
            "sluicePlayer.history.length > 3 && sluicePlayer.history.slice(-3).every(({{ latency }}) => \
             Math.abs(latency - {wanted_ms}) < {wanted_ms} / 10) && sluicePlayer.stats.latency"
        );
        let latency = self.browser.wait(player, &steady);
        eprintln!("latency of {wanted_ms} ms settles: {latency}");
    }

    fn switches(&mut self, player: &Tab, name: &str, height: u32) {
        let choose = format!(
            "(() => {{ const select = document.querySelector('#rendition'); select.value = '{name}'; \
             select.dispatchEvent(new Event('change')); }})()"
        );
        self.browser.eval(player, &choose);
        self.browser.wait(
            player,
            &format!("sluicePlayer.videoSource.track.name === '{name}' && document.querySelector('#picture').height === {height}"),
        );
        pictures_move(&mut self.browser, player, 2);
    }
}

/// Moves the page's own control to a stop.
const SET_LATENCY: &str = "(() => {
    const LATENCIES_OF_PAGE = [0, 100, 150, 200, 300, 400, 500, 750, 1000, 1250, 1500, 2000, 2500, 3000];
    const control = document.querySelector('#latency');
    control.value = STOP;
    control.dispatchEvent(new Event('input'));
})()";

#[test]
fn camera_and_microphone_reach_the_player_page_and_keep_the_wanted_latency() {
    let relay = Relay::start(&[]);
    let mut live = Live::start(&relay, "renditions=1&height=240");
    let player = live.watch();
    pictures_move(&mut live.browser, &player, 5);
    live.browser.wait(&player, "sluicePlayer.output.level > 0.002");
    let lowest = format!(
        "sluicePlayer.stats.endToEnd && sluicePlayer.stats.latency < {LATENCY_MAX_MS} && sluicePlayer.stats.latency"
    );
    let latency = live.browser.wait(&player, &lowest);
    eprintln!("from the camera to the screen: {latency} ms");
    live.settles(&player, 1_000);
    live.settles(&player, 3_000);
    let sync = live
        .browser
        .wait(&player, "Math.abs(sluicePlayer.syncOffset) < 40 && [sluicePlayer.syncOffset]");
    eprintln!("sound ahead of the picture: {sync} ms");
    for tab in [&player, &live.encoder.clone()] {
        assert_eq!(live.browser.complaints(tab), [""; 0]);
    }
}

#[test]
fn three_renditions_switch_without_a_stall_and_subscribe_writes_them() {
    let relay = Relay::start(&[]);
    let mut live = Live::start(&relay, "renditions=3&height=240&bitrate=600");
    let player = live.watch();
    pictures_move(&mut live.browser, &player, 2);
    let stalls: Value = live.browser.eval(&player, "sluicePlayer.stalls");
    live.switches(&player, "video2", 60);
    live.switches(&player, "video0", 240);
    live.switches(&player, "video1", 120);
    assert_eq!(live.browser.eval(&player, "sluicePlayer.stalls"), stalls);
    let file = scratch("browser.mp4");
    subscribed(&relay, "video0,audio0", &file);
    let codecs = ffmpeg::codecs(&file);
    assert!(codecs.contains("h264") && codecs.contains("opus"), "{codecs}");
    assert!(ffmpeg::frames_of(&file, 0).len() > 5);
    assert_eq!(live.browser.complaints(&player), [""; 0]);
}

/// Writes the first part of a broadcast to a file.
fn subscribed(relay: &Relay, tracks: &str, file: &Path) {
    let url = relay.url("https");
    let hash = hash(relay);
    let mut tool = Tool::start(
        [
            &[
                "subscribe",
                &url,
                "--namespace",
                NAMESPACE,
                "--certificate-sha256",
                &hash,
                "--track",
            ],
            &[tracks][..],
        ]
        .concat(),
    );
    let (mut written, mut bytes) = (tool.output(), Vec::new());
    // Whole boxes: a reader does not take a file that ends within the head of a fragment.
    let mut fragments = 0;
    while fragments < SOME_FRAGMENTS {
        let mut head = [0; 8];
        written.read_exact(&mut head).expect("it is written");
        let (size, kind) = head.split_at(4);
        let size = u32::from_be_bytes(size.try_into().expect("four bytes")) as usize;
        bytes.extend_from_slice(&head);
        let body = bytes.len();
        bytes.resize(body + size - head.len(), 0);
        written.read_exact(&mut bytes[body..]).expect("it is written");
        fragments += usize::from(kind == b"mdat");
    }
    std::fs::write(file, bytes).expect("a file");
}

fn hash(relay: &Relay) -> String {
    relay.certificate.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Firefox up to 140 at least.
#[test]
fn a_browser_that_cannot_offer_protocols_publishes_and_plays_all_the_same() {
    let relay = Relay::start(&[]);
    let mut browser = Devtools::start();
    browser.run_first(
        "const Whole = WebTransport; globalThis.WebTransport = class extends Whole {
            constructor(url, { protocols, ...options }) { super(url, options); }
        };",
    );
    let mut live = Live::start_in(browser, &relay, "renditions=1&height=240");
    let player = live.watch();
    pictures_move(&mut live.browser, &player, 5);
    live.browser.wait(&player, "sluicePlayer.output.level > 0.002");
    let listed =
        |name: &str| format!("document.querySelector('#live').textContent.includes('{name}')");
    live.browser.wait(&player, &listed(NAMESPACE));
    assert_eq!(live.browser.eval(&player, "sluicePlayer.session.draft.number"), 14);
    // Under a prefix that the page cannot guess.
    support::runtime().block_on(async {
        let publisher = relay.connect("moqt", Draft::ALL[0]).await;
        let namespace = TrackNamespace::from_path("elsewhere/cam").expect("a namespace");
        publisher.publish_namespace(namespace).await.expect("published");
        live.browser.wait(&player, &listed("elsewhere/cam"));
    });
}

/// Its session is still there for the relay, which hears nothing for up to 30 s.
#[test]
fn an_encoder_that_dies_silently_and_returns_keeps_its_viewers() {
    let relay = Relay::start(&[]);
    let settings = "renditions=1&height=240";
    let dies = Live::start(&relay, settings);
    let mut viewer = Devtools::start();
    let page = format!("http://{}/player.html?namespace={NAMESPACE}", relay.address);
    let early = viewer.open(&page, WIDE);
    pictures_move(&mut viewer, &early, 2);
    drop(dies);
    let late = viewer.open(&page, WIDE);
    let _returned = Live::start(&relay, settings);
    for player in [&early, &late] {
        pictures_move(&mut viewer, player, 5);
        viewer.wait(player, "sluicePlayer.output.level > 0.002");
        assert_eq!(viewer.eval(player, "sluicePlayer.reconnects"), 0);
    }
}

#[test]
fn both_pages_survive_a_restart_of_the_relay() {
    let address = quiet_address();
    let mut relay = Relay::start_on(&address, &[]);
    let mut live = Live::start(&relay, "renditions=1&height=240");
    let player = live.watch();
    pictures_move(&mut live.browser, &player, 2);
    relay.terminate();
    relay.wait();
    let _relay = Relay::start_on(&address, &[]);
    live.browser.wait(&live.encoder.clone(), "sluiceBroadcast.state.phase === 'live'");
    live.browser
        .wait(&player, "sluicePlayer.reconnects > 0 && sluicePlayer.state.phase === 'playing'");
    pictures_move(&mut live.browser, &player, 5);
    live.browser.wait(&player, "sluicePlayer.output.level > 0.002");
}

/// An address that nobody is given by chance: below the ports that systems hand out.
fn quiet_address() -> String {
    let from = 10_000 + std::process::id() % 10_000;
    let free = |port: &u32| {
        let address = (Ipv4Addr::LOCALHOST, *port as u16);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    let port = (from..from + 1_000).find(free).expect("a free port");
    format!("127.0.0.1:{port}")
}

#[test]
fn a_video_that_ffmpeg_made_shows_in_the_player_page() {
    let relay = Relay::start(&[]);
    let file = scratch("shown.mp4");
    let recipe = [
        &ffmpeg::picture(10),
        &ffmpeg::tone(10),
        ffmpeg::H264,
        "-bf 0 -c:a aac",
        ffmpeg::EVERY_FRAME,
    ];
    ffmpeg::make(&recipe.map(|part: &str| part), &file);
    let url = relay.url("https");
    let hash = hash(&relay);
    let file = file.to_str().expect("a path of text");
    let common = ["publish", &url, file, "--loop", "--certificate-sha256", &hash, "--namespace"];
    let _cmaf = Tool::start([&common[..], &["file/cmaf", "--packaging", "cmaf"]].concat());
    let _loc = Tool::start([&common[..], &["file/loc", "--packaging", "loc"]].concat());
    let mut browser = Devtools::start();
    for namespace in ["file/cmaf", "file/loc"] {
        let page = format!("http://{}/player.html?namespace={namespace}", relay.address);
        let tab = browser.open(&page, WIDE);
        pictures_move(&mut browser, &tab, 3);
        browser.wait(&tab, "sluicePlayer.output.level > 0.01");
        assert_eq!(browser.complaints(&tab), [""; 0], "{namespace}");
    }
}
