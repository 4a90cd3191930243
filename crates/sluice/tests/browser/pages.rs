//! The pages in a real browser: what a person would see, hear and find in the console.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::devtools::{Devtools, Tab};

pub const WIDE: (u32, u32) = (1280, 900);
/// From the start of the program to the first picture.
const FIRST_PICTURE_MAX: Duration = Duration::from_secs(10);

/// The sum of a sample of the canvas' pixels: it changes when the picture does.
pub const PIXELS: &str = "(() => {
    const { width, height } = document.querySelector('#picture');
    const { data } = document.querySelector('#picture').getContext('2d').getImageData(0, 0, width, height);
    let sum = 0;
    for (let at = 0; at < data.length; at += 397) sum = (sum * 31 + data[at]) % 1000003;
    return sum + 1;
})()";

/// `sluice demo` on a free port.
pub struct Demo {
    child: Child,
    authority: String,
}

impl Demo {
    pub fn start() -> Demo {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .args(["demo", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the demo starts");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        let said: Vec<String> =
            output.lines().map_while(Result::ok).take_while(|line| line != "ready").collect();
        let authority =
            said.iter().find_map(|line| line.split("https://").nth(1)?.split("/moq").next());
        let authority = authority.unwrap_or_else(|| panic!("no address: {said:?}")).to_owned();
        Demo { child, authority }
    }

    pub fn page(&self, name: &str) -> String {
        format!("http://{}/{name}", self.authority)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the picture has changed so often.
pub fn pictures_move(browser: &mut Devtools, tab: &Tab, times: usize) {
    let mut seen: Value = browser.wait(tab, PIXELS);
    for _ in 0..times {
        seen = browser.wait(tab, &format!("{PIXELS} === {seen} ? 0 : {PIXELS}"));
    }
}

#[test]
fn the_demo_plays_in_a_browser_within_ten_seconds_of_its_start() {
    let mut times = Vec::new();
    // Other tests keep the machine busy, so the best of three counts.
    while times.len() < 3 && times.iter().all(|time| *time >= FIRST_PICTURE_MAX) {
        let begun = Instant::now();
        let demo = Demo::start();
        let mut browser = Devtools::start();
        // As the link without a name: the page finds the broadcast by itself.
        let tab = browser.open(&demo.page("player.html"), WIDE);
        browser.wait(&tab, "sluicePlayer.painted > 0");
        times.push(begun.elapsed());
        pictures_move(&mut browser, &tab, 3);
        browser.wait(&tab, "sluicePlayer.output.level > 0.01");
        assert_eq!(browser.complaints(&tab), [""; 0]);
    }
    eprintln!("from start to the first picture: {times:?}");
    assert!(times.iter().any(|time| *time < FIRST_PICTURE_MAX), "{times:?}");
}

#[test]
fn the_first_page_says_that_the_relay_works_and_what_is_live() {
    let demo = Demo::start();
    let mut browser = Devtools::start();
    let tab = browser.open(&demo.page(""), WIDE);
    browser.wait(&tab, "document.querySelectorAll('#steps [data-state=good]').length === 5");
    let headline = browser.eval(&tab, "document.querySelector('#headline').textContent");
    assert_eq!(headline, "The relay works. One broadcast is live.");
    browser.eval(&tab, "document.querySelector('#live a').click()");
    pictures_move(&mut browser, &tab, 2);
    assert_eq!(browser.complaints(&tab), [""; 0]);
}

#[test]
fn a_viewer_goes_back_stops_and_returns_to_live_by_the_keyboard_alone() {
    let demo = Demo::start();
    let mut browser = Devtools::start();
    let tab = browser.open(&demo.page("player.html?namespace=demo"), WIDE);
    // So much that there is something to go back to.
    browser.wait(&tab, "sluicePlayer.videoSource.groups.length > 3");
    browser.press(&tab, "ArrowLeft");
    browser.wait(&tab, "sluicePlayer.isShifted && sluicePlayer.latency > 2500");
    pictures_move(&mut browser, &tab, 5);
    browser.press(&tab, "l");
    browser.wait(&tab, "!sluicePlayer.isShifted && sluicePlayer.latency < 1500");
    pictures_move(&mut browser, &tab, 2);
    browser.press(&tab, " ");
    browser.wait(&tab, "sluicePlayer.clock.isPaused && sluicePlayer.latency > 1500");
    browser.press(&tab, " ");
    pictures_move(&mut browser, &tab, 2);
    assert_eq!(browser.complaints(&tab), [""; 0]);
}
