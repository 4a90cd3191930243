//! How the pages look: on a wide screen and a phone, light and dark, and to an accessibility checker.
//!
//! `cargo xtask screenshots` writes what is seen here into `docs/screenshots`, `cargo xtask
//! accessibility` has axe-core look at it too.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::devtools::{Devtools, Tab};
use crate::pages::Demo;
use crate::support::ffmpeg;
use crate::support::tool::scratch;

const SIZES: [(&str, (u32, u32)); 2] = [("wide", (1280, 860)), ("phone", (390, 844))];
const SCHEMES: [&str; 2] = ["light", "dark"];
/// Set to have the pictures written.
const WRITE: &str = "SLUICE_WRITE_SCREENSHOTS";
/// The path of axe-core's script, to have it look.
const AXE: &str = "SLUICE_AXE";

/// Name, address, what is there once it is ready, and what is done to it first.
const PAGES: [(&str, &str, &str, &str); 4] = [
    (
        "dashboard",
        "dashboard.html",
        "document.querySelectorAll('[aria-label=\"Tracks\"] tbody tr').length > 1 && \
         sluiceDashboard.plots.in.values.length > 8",
        "true",
    ),
    ("index", "", "document.querySelectorAll('#steps [data-state=good]').length === 5", "true"),
    (
        "player",
        "player.html?namespace=demo",
        "sluicePlayer.history.length > 3",
        "document.querySelector('#details').open = true",
    ),
    (
        "encoder",
        "encoder.html?namespace=live/cam",
        "globalThis.sluiceBroadcast?.stats?.tracks.every(({ fps }) => fps > 0)",
        "document.querySelector('#start').click()",
    ),
];

#[test]
fn pages_fit_wide_screens_and_phones_in_light_and_dark() {
    let demo = Demo::start();
    let mut browser = Devtools::start();
    // Someone has to watch for the dashboard to have something to show.
    let watcher = browser.open(&demo.page("player.html?namespace=demo"), SIZES[0].1);
    browser.wait(&watcher, "sluicePlayer.history.length > 3");
    for (name, address, ready, act) in PAGES {
        for (size, pixels) in SIZES {
            let tab = browser.open(&demo.page(address), pixels);
            let loaded = "location.protocol === 'http:' && document.readyState === 'complete' && \
                 !document.querySelector('#start')?.disabled";
            browser.wait(&tab, loaded);
            browser.eval(&tab, act);
            browser.wait(&tab, ready);
            let overflow = "document.documentElement.scrollWidth > innerWidth";
            assert_eq!(browser.eval(&tab, overflow), json!(false), "{name} on a {size} screen");
            for scheme in SCHEMES {
                let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
                let media = json!({ "features": [feature] });
                browser.on(&tab, "Emulation.setEmulatedMedia", media);
                look(&mut browser, &tab, &format!("{name}-{size}-{scheme}"));
            }
            browser.eval(&tab, "globalThis.sluiceBroadcast?.stop()");
            browser.on(&tab, "Page.close", json!({}));
        }
    }
}

fn look(browser: &mut Devtools, tab: &Tab, name: &str) {
    if std::env::var_os(WRITE).is_some() {
        write(browser, tab, name);
    }
    if let Some(axe) = std::env::var_os(AXE) {
        let script = std::fs::read_to_string(axe).expect("axe-core");
        browser.eval(tab, &format!("{script}; true"));
        let serious = "axe.run().then(({ violations }) => violations.filter(({ impact }) => \
             ['serious', 'critical'].includes(impact)).map(({ id, nodes }) => \
             `${id}: ${nodes.map(({ html, failureSummary }) => html + failureSummary)}`))";
        assert_eq!(browser.eval(tab, serious), Value::Array(Vec::new()), "{name}");
        eprintln!("axe-core finds nothing serious: {name}");
    }
}

/// The picture with a palette, which is enough for a page and a quarter of the bytes.
fn write(browser: &mut Devtools, tab: &Tab, name: &str) {
    let shot = browser.on(tab, "Page.captureScreenshot", json!({ "format": "png" }));
    let png = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64");
    let whole = scratch("screenshot.png");
    std::fs::write(&whole, png).expect("written");
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/screenshots/{name}.png"));
    let input = whole.to_str().expect("a path of text");
    let palette =
        "-filter_complex split[a][b];[a]palettegen=max_colors=128[p];[b][p]paletteuse=dither=none";
    ffmpeg::run("ffmpeg", &["-y", "-i", input], palette, Some(&file));
}
