//! Pages in a real Chromium: those of the product, and one that publishes through the built relay
//! and receives from it.
//!
//! The latter comes from a small web server of the test, speaks drafts 14, 16 and 18 by itself
//! (`moqt.js`), and posts what it saw (`report.js`).

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod codec;
mod dashboard;
mod devtools;
mod firefox;
mod keyboard;
mod live;
mod long;
mod looks;
mod pages;
mod slow;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use browser::Browser;
use support::Relay;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A machine that is busy with other things may take this long.
const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn chromium_sends_and_receives_a_hundred_streams_a_second_in_draft_18() {
    play(18, 30);
}

#[test]
fn chromium_sends_and_receives_a_hundred_streams_a_second_in_draft_16() {
    play(16, 30);
}

/// Without a protocol offered, as browsers do that cannot.
#[test]
fn chromium_sends_and_receives_a_hundred_streams_a_second_in_draft_14() {
    play(14, 10);
}

#[test]
fn chromium_hears_of_the_relays_end_and_is_closed_without_an_error() {
    let mut relay = Relay::start(&[]);
    let (ready, end) = support::runtime().block_on(async {
        let mut page = Page::open(&relay, "goodbye", 18, "").await;
        let ready = page.report().await;
        relay.terminate();
        (ready, page.report().await)
    });
    assert_eq!(ready["ready"], 1);
    eprintln!("{end:?}");
    assert_eq!((end["message"], end["close_code"]), (0x10, 0), "GOAWAY, then no error");
    assert_eq!(relay.wait(), Some(0));
}

/// Three streams at once, then streams and datagrams for so long: nothing is lost on streams.
fn play(draft: u32, seconds: u32) {
    // When a viewer counts as slow is another matter: a busy machine stalls the browser.
    let relay = Relay::start(&["--behind-groups-max", "10000"]);
    let report = support::runtime().block_on(async {
        let more = format!("&seconds={seconds}");
        Page::open(&relay, "streams", draft, &more).await.report().await
    });
    eprintln!("draft {draft}: {report:?}");
    assert_eq!(report["together"], 3);
    assert_eq!(report["streams_sent"], u64::from(100 * seconds));
    assert_eq!(report["streams_received"], report["streams_sent"]);
    assert_eq!((report["doubled"], report["broken"]), (0, 0));
    // Datagrams may be lost; that all are would be something else.
    assert!(report["datagrams_received"] > 0);
}

/// A page that is open in a Chromium.
struct Page {
    reports: UnboundedReceiver<Report>,
    _browser: Browser,
}

impl Page {
    async fn open(relay: &Relay, script: &str, draft: u32, more: &str) -> Page {
        let (send, reports) = unbounded_channel();
        let site = serve(send).await;
        let hash: String = relay.certificate.iter().map(|byte| format!("{byte:02x}")).collect();
        let address = relay.address;
        let browser = Browser::open(&format!(
            "http://{site}/?script={script}&url=https://{address}/moq&hash={hash}&draft={draft}{more}"
        ));
        Page { reports, _browser: browser }
    }

    /// What the page reports next.
    async fn report(&mut self) -> BTreeMap<String, u64> {
        let report = tokio::time::timeout(PATIENCE, self.reports.recv()).await;
        let report = report.expect("the page reports in time").expect("the site is up");
        report.unwrap_or_else(|error| panic!("the page says: {error}"))
    }
}

/// What the page counted, or why it could not.
type Report = Result<BTreeMap<String, u64>, String>;

/// Serves the page on a free port of loopback, which browsers take for secure.
async fn serve(reports: UnboundedSender<Report>) -> std::net::SocketAddr {
    let done = reports.clone();
    let script = |text| get(move || async move { file("text/javascript", text) });
    let site = Router::new()
        .route("/", get(|| async { file("text/html", include_str!("page.html")) }))
        .route("/moqt.js", script(include_str!("moqt.js")))
        .route("/report.js", script(include_str!("report.js")))
        .route("/streams.js", script(include_str!("streams.js")))
        .route("/goodbye.js", script(include_str!("goodbye.js")))
        .route("/done", post(async move |body: String| drop(done.send(Ok(counts(&body))))))
        .route("/failed", post(async move |body: String| drop(reports.send(Err(body)))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async { axum::serve(listener, site).await });
    address
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

fn counts(body: &str) -> BTreeMap<String, u64> {
    body.lines()
        .filter_map(|line| line.split_once('='))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}
