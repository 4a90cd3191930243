//! The dashboard page: what it shows of a relay, and what it costs when there is much.

use std::time::Instant;

use serde_json::Value;
use sluice_client::{Client, Join, Object, Reader};
use sluice_proto::model::{FullTrackName, TrackName, TrackNamespace, TrackProperties};
use sluice_proto::wire::Draft;

use crate::devtools::{Devtools, Tab};
use crate::pages::WIDE;
use crate::support::{self, Relay};

/// Tracks and viewers that are much for a page.
const MANY: usize = 1_000;
/// Samples during which the cost is looked at.
const SAMPLES: usize = 6;

fn track(name: &str) -> FullTrackName {
    let namespace = TrackNamespace::from_path("live/cam").expect("a namespace");
    FullTrackName::new(namespace, TrackName::new(name.to_owned()).expect("a name")).expect("a name")
}

fn open(browser: &mut Devtools, relay: &Relay) -> Tab {
    let tab = browser.open(&format!("http://{}/dashboard.html", relay.address), WIDE);
    browser.wait(&tab, "document.querySelector('#state').textContent === 'live'");
    tab
}

/// Whether a text stands on the page.
fn says(text: &str) -> String {
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
        for kind in ["keyDown", "keyUp"] {
            let key = serde_json::json!({ "type": kind, "key": "Enter", "code": "Enter",
                "windowsVirtualKeyCode": 13, "text": "\r" });
            browser.on(&tab, "Input.dispatchKeyEvent", key);
        }
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

#[test]
fn a_thousand_tracks_and_viewers_hurt_neither_the_relay_nor_the_page() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let publisher = relay.connect("moqt", Draft::ALL[0]).await;
        publisher.publish_namespace(track("").namespace().clone()).await.expect("published");
        let name = |number: usize| format!("track{number:04}");
        let mut writers = Vec::new();
        for number in 0..MANY {
            writers.push(publisher.open_track(track(&name(number)), TrackProperties::default()));
        }
        let viewer = relay.connect("moqt", Draft::ALL[0]).await;
        let mut readers = Vec::new();
        for number in 0..MANY {
            let asked = viewer.subscribe(track(&name(number)), Join::NextObject).await;
            readers.push(asked.expect("subscribed"));
        }
        for writer in &mut writers {
            writer.write(Object::new(1, 0, "hello")).await.expect("written");
        }
        let mut browser = Devtools::start();
        let tab = open(&mut browser, &relay);
        browser.wait(&tab, &figure("Tracks", "1,000"));
        browser.wait(&tab, &figure("Viewers", "1,000"));
        let rows = "document.querySelectorAll('[aria-label=\"Tracks\"] tbody tr').length";
        assert_eq!(browser.wait(&tab, rows), 50, "the page holds a part of them");
        let watch = "globalThis.tasks = []; new PerformanceObserver((list) => \
             tasks.push(...list.getEntries().map(({ duration }) => duration)))\
             .observe({ entryTypes: ['longtask'] })";
        browser.eval(&tab, watch);
        let (before, begun) = (relay.processor_time(), Instant::now());
        let seen = browser.eval(&tab, "sluiceDashboard.plots.in.values.length");
        browser
            .wait(&tab, &format!("sluiceDashboard.plots.in.values.length >= {seen} + {SAMPLES}"));
        let used = (relay.processor_time() - before).as_secs_f64() / begun.elapsed().as_secs_f64();
        let tasks = browser.eval(&tab, "tasks");
        eprintln!(
            "the relay takes {:.2} % of a processor; tasks of the page beyond 50 ms: {tasks}",
            100.0 * used
        );
        browser.eval(
            &tab,
            "[...document.querySelectorAll('[aria-label=\"Tracks\"] button')].at(-1).click()",
        );
        browser.wait(&tab, &says("live/cam/track0050"));
        assert_eq!(browser.complaints(&tab), [""; 0]);
        drop(readers);
    });
}
