//! The dashboard page: what it shows of a relay, and what it costs when there is much.

use std::time::Instant;

use serde_json::{Value, json};
use sluice_client::{Client, Join, Object, Reader, TrackWriter};
use sluice_proto::model::{FullTrackName, TrackName, TrackNamespace, TrackProperties};
use sluice_proto::wire::Draft;

use crate::devtools::{Devtools, Tab};
use crate::pages::WIDE;
use crate::support::tool::Tool;
use crate::support::{self, Relay};

/// Tracks and viewers that are much for a page.
const MANY: usize = 1_000;
/// Samples during which the cost is looked at.
const SAMPLES: usize = 6;

pub fn track(name: &str) -> FullTrackName {
    let namespace = TrackNamespace::from_path("live/cam").expect("a namespace");
    FullTrackName::new(namespace, TrackName::new(name.to_owned()).expect("a name")).expect("a name")
}

pub fn open(browser: &mut Devtools, relay: &Relay) -> Tab {
    let tab = browser.open(&format!("http://{}/dashboard.html", relay.address), WIDE);
    browser.wait(&tab, "document.querySelector('#state').textContent === 'live'");
    tab
}

/// Whether a text stands on the page.
pub fn says(text: &str) -> String {
    format!("document.body.innerText.includes({})", Value::from(text))
}

/// The figure of this name.
fn figure(name: &str, value: &str) -> String {
    format!(
        "[...document.querySelectorAll('#figures > div')].some(({{ children: [name, value] }}) => \
         name.textContent === '{name}' && value.textContent === '{value}')"
    )
}

#[test]
fn the_dashboard_shows_a_broadcast_its_viewers_and_an_error() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let publisher = relay.connect("moqt", Draft::ALL[0]).await;
        publisher.publish_namespace(track("video").namespace().clone()).await.expect("published");
        let mut writer = publisher.open_track(track("video"), TrackProperties::default());
        writer.write(Object::new(7, 0, "hello")).await.expect("written");
        let mut viewers = Vec::new();
        for scheme in ["https", "moqt"] {
            viewers.push(watch(relay.connect(scheme, Draft::ALL[1]).await, "video").await);
        }
        let mut browser = Devtools::start();
        let tab = open(&mut browser, &relay);
        browser.wait(&tab, &figure("Viewers", "2"));
        browser.wait(&tab, &figure("Sessions", "3"));
        browser.wait(&tab, &says("live/cam/video"));
        // By keyboard: the link has the focus, Enter follows it.
        browser.eval(&tab, "document.querySelector('a[href=\"#track/live/cam--video\"]').focus()");
        browser.press(&tab, "Enter");
        let viewers_shown =
            "document.querySelectorAll('[aria-label=\"Viewers\"] tbody tr').length === 2";
        browser.wait(&tab, viewers_shown);
        browser.wait(&tab, "document.activeElement.id === 'detail-title'");
        browser.eval(&tab, "document.querySelector('[aria-label=\"Viewers\"] tbody a').click()");
        browser.wait(
            &tab,
            "document.querySelector('#detail-title').textContent.startsWith('Session ')",
        );
        browser.wait(
            &tab,
            "document.querySelectorAll('[aria-label=\"Requests\"] tbody tr').length === 1",
        );
        let lost = relay.connect("moqt", Draft::ALL[0]).await;
        let nothing = FullTrackName::new(TrackNamespace::default(), TrackName::default());
        let nothing = nothing.expect("a name");
        assert!(lost.subscribe(nothing, Join::NextObject).await.is_err());
        browser.wait(&tab, "document.querySelectorAll('#faults li').length === 1");
        browser.wait(&tab, &says("nobody publishes it"));
        assert_eq!(browser.complaints(&tab), [""; 0]);
        drop(viewers);
    });
}

/// A viewer who has the first object.
async fn watch(client: Client, name: &str) -> (Client, Reader) {
    let mut reader = client.subscribe(track(name), Join::CurrentGroup).await.expect("subscribed");
    reader.next().await.expect("the track goes on").expect("an object");
    (client, reader)
}

/// A publisher of tracks `track0000` and so on, and a viewer of each, in two sessions.
pub struct Many {
    _clients: [Client; 2],
    _writers: Vec<TrackWriter>,
    _readers: Vec<Reader>,
}

impl Many {
    /// With an object in each of so many tracks.
    pub async fn start(relay: &Relay, count: usize) -> Many {
        let publisher = relay.connect("moqt", Draft::ALL[0]).await;
        publisher.publish_namespace(track("").namespace().clone()).await.expect("published");
        let name = |number: usize| track(&format!("track{number:04}"));
        let mut writers: Vec<_> = (0..count)
            .map(|number| publisher.open_track(name(number), TrackProperties::default()))
            .collect();
        let viewer = relay.connect("moqt", Draft::ALL[0]).await;
        let mut readers = Vec::new();
        for number in 0..count {
            let asked = viewer.subscribe(name(number), Join::NextObject).await;
            readers.push(asked.expect("subscribed"));
        }
        for writer in &mut writers {
            writer.write(Object::new(1, 0, "hello")).await.expect("written");
        }
        Many { _clients: [publisher, viewer], _writers: writers, _readers: readers }
    }
}

/// What the dashboard costs the relay and its page while it takes some samples.
fn look(relay: &Relay, browser: &mut Devtools, tab: &Tab) {
    let watch = "globalThis.tasks = []; new PerformanceObserver((list) => \
         tasks.push(...list.getEntries().map(({ duration }) => duration)))\
         .observe({ entryTypes: ['longtask'] })";
    browser.eval(tab, watch);
    let seen = browser.eval(tab, "sluiceDashboard.plots.in.values.length");
    let more = format!("sluiceDashboard.plots.in.values.length >= {seen} + {SAMPLES}");
    let used = share(relay, || drop(browser.wait(tab, &more)));
    let tasks = browser.eval(tab, "tasks");
    eprintln!(
        "the relay takes {used:.2} % of a processor; tasks of the page beyond 50 ms: {tasks}"
    );
}

/// How much of a processor the relay takes meanwhile, in percent.
fn share(relay: &Relay, meanwhile: impl FnOnce()) -> f64 {
    let (before, begun) = (relay.processor_time(), Instant::now());
    meanwhile();
    let used = relay.processor_time() - before;
    100.0 * used.as_secs_f64() / begun.elapsed().as_secs_f64()
}

#[test]
fn a_thousand_tracks_and_viewers_hurt_neither_the_relay_nor_the_page() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let _many = Many::start(&relay, MANY).await;
        let mut browser = Devtools::start();
        let tab = open(&mut browser, &relay);
        browser.wait(&tab, &figure("Tracks", "1,000"));
        browser.wait(&tab, &figure("Viewers", "1,000"));
        let rows = "document.querySelectorAll('[aria-label=\"Tracks\"] tbody tr').length";
        assert_eq!(browser.wait(&tab, rows), 50, "the page holds a part of them");
        look(&relay, &mut browser, &tab);
        browser.eval(
            &tab,
            "[...document.querySelectorAll('[aria-label=\"Tracks\"] button')].at(-1).click()",
        );
        browser.wait(&tab, &says("live/cam/track0050"));
        assert_eq!(browser.complaints(&tab), [""; 0]);
    });
}

/// Set to how many connections watch. `cargo xtask dashboard` has a thousand.
const CONNECTIONS: &str = "SLUICE_DASHBOARD_CONNECTIONS";
const CONNECTIONS_USUAL: usize = 25;

#[test]
fn every_viewer_is_a_connection_and_the_dashboard_lists_them_all() {
    let set = std::env::var(CONNECTIONS).ok().and_then(|text| text.parse().ok());
    let viewers: usize = set.unwrap_or(CONNECTIONS_USUAL);
    // What a gigabyte has room for is about five hundred.
    let relay = Relay::start(&["--memory-max", "4GiB"]);
    let count = viewers.to_string();
    let arguments = ["bench", &relay.url("moqt"), "--insecure", "--rate", "1"];
    let load = ["--tracks", &count, "--viewers", &count, "--object-bytes", "100"];
    let time = ["--warmup", "1h", "--connect-timeout", "2m"];
    let _load = Tool::start([&arguments[..], &load, &time].concat());
    let mut browser = Devtools::start();
    let tab = open(&mut browser, &relay);
    // That many, and whoever publishes and tells.
    browser.wait(&tab, &format!("sluiceDashboard.plots.viewers.values.at(-1) === {viewers}"));
    let sessions = "Number([...document.querySelectorAll('#figures > div')]\
         .find(({ children: [name] }) => name.textContent === 'Sessions')\
         .children[1].textContent.replace(',', ''))";
    let sessions = browser.eval(&tab, sessions).as_u64().expect("a number");
    assert!(sessions > viewers as u64, "{sessions} sessions");
    let rows = "document.querySelectorAll('[aria-label=\"Sessions\"] tbody tr').length";
    assert_eq!(browser.wait(&tab, rows), sessions.min(50));
    look(&relay, &mut browser, &tab);
    assert_eq!(browser.complaints(&tab), [""; 0]);
    browser.on(&tab, "Page.navigate", json!({ "url": "about:blank" }));
    let alone = share(&relay, || drop(browser.wait(&tab, "performance.now() > 6000")));
    eprintln!("without a dashboard it takes {alone:.2} %");
}
