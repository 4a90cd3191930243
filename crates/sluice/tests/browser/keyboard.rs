//! Every page by Tab, Enter, Space and arrows alone: no pointer, no focus by script.

use crate::dashboard::{Many, open, says};
use crate::devtools::{Devtools, Tab};
use crate::pages::{Demo, WIDE, pictures_move};
use crate::support::{self, Relay};

/// No page has so much to walk through.
const STEPS_MAX: usize = 120;
/// More than the dashboard shows at once.
const TRACKS: usize = 51;
/// Whether what has the focus is seen to have it.
const RINGED: &str = "getComputedStyle(document.activeElement).outlineStyle !== 'none'";

/// Walks with Tab to what matches.
fn walk(browser: &mut Devtools, tab: &Tab, selector: &str) {
    for _ in 0..STEPS_MAX {
        browser.press(tab, "Tab");
        if browser.eval(tab, &has_focus(selector)) == true {
            assert_eq!(browser.eval(tab, RINGED), true, "the focus on {selector} is seen");
            return;
        }
    }
    panic!("Tab does not lead to {selector}");
}

/// Walks there and presses a key.
fn walk_and_press(browser: &mut Devtools, tab: &Tab, selector: &str, key: &str) {
    walk(browser, tab, selector);
    browser.press(tab, key);
}

fn has_focus(selector: &str) -> String {
    format!("document.activeElement.matches({selector:?})")
}

#[test]
fn the_first_page_leads_to_a_broadcast_and_to_the_camera_by_keyboard() {
    let demo = Demo::start();
    let mut browser = Devtools::start();
    let tab = browser.open(&demo.page(""), WIDE);
    browser.wait(&tab, "document.querySelectorAll('#live a').length === 1");
    // The first stop leads past what is the same on every page.
    browser.press(&tab, "Tab");
    assert_eq!(browser.eval(&tab, &has_focus(".skip")), true);
    browser.press(&tab, "Enter");
    walk_and_press(&mut browser, &tab, "#to-publish", "Enter");
    browser.wait(&tab, "!document.querySelector('#start').disabled");
    walk_and_press(&mut browser, &tab, "nav a[href='index.html']", "Enter");
    browser.wait(&tab, "document.querySelectorAll('#live a').length === 1");
    walk_and_press(&mut browser, &tab, "#live a", "Enter");
    pictures_move(&mut browser, &tab, 2);
    assert_eq!(browser.complaints(&tab), [""; 0]);
}

#[test]
fn every_control_of_the_player_works_by_keyboard() {
    let demo = Demo::start();
    let mut browser = Devtools::start();
    let tab = browser.open(&demo.page("player.html?namespace=demo"), WIDE);
    browser.wait(&tab, "sluicePlayer.videoSource.groups.length > 2 && sluicePlayer.output");
    // Which is every element that can be pressed, moved or opened.
    walk_and_press(&mut browser, &tab, "#play", "Enter");
    browser.wait(&tab, "sluicePlayer.clock.isPaused");
    browser.press(&tab, " ");
    browser.wait(&tab, "!sluicePlayer.clock.isPaused");
    walk_and_press(&mut browser, &tab, "#back", " ");
    browser.wait(&tab, "sluicePlayer.isShifted && sluicePlayer.latency > 2500");
    walk_and_press(&mut browser, &tab, "#to-live", "Enter");
    browser.wait(&tab, "!sluicePlayer.isShifted");
    assert_eq!(browser.eval(&tab, &has_focus("#to-live")), true, "the focus stays");
    walk_and_press(&mut browser, &tab, "#mute", "Enter");
    browser.wait(&tab, "document.querySelector('#mute').ariaPressed === 'true'");
    walk_and_press(&mut browser, &tab, "#volume", "ArrowDown");
    browser.wait(&tab, "sluicePlayer.volume === 0.99");
    walk_and_press(&mut browser, &tab, "#full", "Enter");
    browser.wait(&tab, "document.fullscreenElement");
    browser.press(&tab, "Enter");
    browser.wait(&tab, "!document.fullscreenElement");
    walk_and_press(&mut browser, &tab, "#latency", "End");
    browser.wait(&tab, "sluicePlayer.target === 10000");
    browser.press(&tab, "Home");
    browser.wait(&tab, "sluicePlayer.target === 0");
    walk_and_press(&mut browser, &tab, "#rendition", "ArrowDown");
    browser.wait(&tab, "sluicePlayer.rendition === 'video0'");
    walk_and_press(&mut browser, &tab, "#details summary", "Enter");
    browser.wait(&tab, "document.querySelector('#details').open");
    walk(&mut browser, &tab, "#live a");
    for (key, done) in [
        ("s", "!document.querySelector('#details').open"),
        ("f", "document.fullscreenElement"),
        ("m", "document.querySelector('#mute').ariaPressed === 'true'"),
        ("ArrowUp", "document.querySelector('#mute').ariaPressed === 'false'"),
        ("k", "sluicePlayer.clock.isPaused"),
        ("l", "!sluicePlayer.clock.isPaused && !sluicePlayer.isShifted"),
    ] {
        browser.press(&tab, key);
        browser.wait(&tab, done);
    }
    pictures_move(&mut browser, &tab, 2);
    assert_eq!(browser.complaints(&tab), [""; 0]);
}

#[test]
fn a_broadcast_is_set_up_started_shared_and_ended_by_keyboard() {
    let relay = Relay::start(&[]);
    let mut browser = Devtools::start();
    let address = relay.address;
    let tab = browser.open(&format!("http://{address}/encoder.html?height=240"), WIDE);
    let ready = "!document.querySelector('#start').disabled";
    browser.wait(&tab, ready);
    walk(&mut browser, &tab, "#namespace");
    for letter in ["a", "/", "b"] {
        browser.press(&tab, letter);
    }
    walk_and_press(&mut browser, &tab, "#codec", "ArrowDown");
    walk_and_press(&mut browser, &tab, "#bitrate", "ArrowDown");
    browser.wait(&tab, "document.querySelector('#bitrate').value === '950'");
    walk_and_press(&mut browser, &tab, "#renditions", "ArrowDown");
    browser.wait(&tab, "document.querySelector('#renditions').value === '2'");
    walk_and_press(&mut browser, &tab, "#microphone", "ArrowUp");
    browser.wait(&tab, ready);
    // The settings end the page: it goes round.
    walk_and_press(&mut browser, &tab, "#start", "Enter");
    browser.wait(&tab, "sluiceBroadcast.state.phase === 'live'");
    let sent = "sluiceBroadcast.pictures.length === 2 && \
         sluiceBroadcast.pictures[0].options.codec.startsWith('vp09')";
    assert_eq!(browser.eval(&tab, sent), true);
    let named = "sluiceBroadcast.namespace === 'a/b'";
    assert_eq!(browser.eval(&tab, named), true);
    walk(&mut browser, &tab, "#watch");
    walk_and_press(&mut browser, &tab, "#copy", "Enter");
    walk_and_press(&mut browser, &tab, "#start", " ");
    browser.wait(&tab, "sluiceBroadcast.state.phase === 'stopped'");
    browser.wait(&tab, "document.querySelector('#start').textContent === 'Start'");
    browser.press(&tab, "Enter");
    browser.wait(&tab, "sluiceBroadcast.state.phase === 'live'");
    assert_eq!(browser.complaints(&tab), [""; 0]);
}

#[test]
fn the_dashboard_opens_and_closes_details_and_turns_pages_by_keyboard() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        let _many = Many::start(&relay, TRACKS).await;
        let mut browser = Devtools::start();
        let tab = open(&mut browser, &relay);
        browser.wait(&tab, &says("live/cam/track0000"));
        let link = "a[href='#track/live/cam--track0000']";
        walk_and_press(&mut browser, &tab, link, "Enter");
        browser.wait(&tab, "document.activeElement.id === 'detail-title'");
        walk_and_press(&mut browser, &tab, "[aria-label=Viewers] tbody a", "Enter");
        browser.wait(
            &tab,
            "document.querySelector('#detail-title').textContent.startsWith('Session ')",
        );
        walk_and_press(&mut browser, &tab, "#detail a[href='#']", "Enter");
        browser.wait(&tab, "document.querySelector('#detail').hidden");
        browser.wait(&tab, &has_focus(link));
        walk_and_press(&mut browser, &tab, "[aria-label=Tracks] button:last-child", "Enter");
        browser.wait(&tab, &says("live/cam/track0050"));
        browser.wait(&tab, "document.activeElement.ariaDisabled === 'true'");
        walk_and_press(&mut browser, &tab, "[aria-label=Tracks] button:first-child", " ");
        browser.wait(&tab, &says("live/cam/track0000"));
        assert_eq!(browser.complaints(&tab), [""; 0]);
    });
}
