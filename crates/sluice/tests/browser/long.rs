//! Watching for a long time: `cargo xtask watch --minutes 10`. Without that a few seconds.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::devtools::{Devtools, Tab};
use crate::live::Live;
use crate::pages::pictures_move;
use crate::support::Relay;

/// Set to how long is watched.
const MINUTES: &str = "SLUICE_WATCH_MINUTES";
const SYNC_MAX_MS: f64 = 40.0;
/// So many of a hundred moments have to be in sync: a busy machine paints late now and then.
const IN_SYNC_PERCENT: usize = 95;
/// Growth of the page's memory after its first minute that is no leak.
const GROWTH_MAX: f64 = 1.15;
const FIRST_MINUTE: Duration = Duration::from_secs(60);

#[test]
fn sound_and_picture_stay_together_and_memory_stays_flat() {
    let minutes = std::env::var(MINUTES).ok().and_then(|text| text.parse::<f64>().ok());
    let whole = Duration::from_secs_f64(minutes.map_or(6.0, |minutes| minutes * 60.0));
    let relay = Relay::start(&[]);
    let mut live = Live::start(&relay, "renditions=1&height=240");
    let player = live.watch();
    pictures_move(&mut live.browser, &player, 2);
    live.browser
        .wait(&player, "sluicePlayer.output.level > 0.002 && sluicePlayer.history.length > 5");
    let begun = Instant::now();
    let (mut offsets, mut heap_before, mut heap) = (Vec::new(), None, 0.0);
    while begun.elapsed() < whole {
        live.browser.eval(&player, "globalThis.seen = sluicePlayer.stats");
        live.browser.wait(&player, "sluicePlayer.stats !== globalThis.seen");
        offsets.extend(live.browser.eval(&player, "sluicePlayer.stats.sync ?? null").as_f64());
        heap = used_bytes(&mut live.browser, &player);
        if begun.elapsed() > FIRST_MINUTE && heap_before.is_none() {
            heap_before = Some(heap);
        }
    }
    let together = offsets.iter().filter(|offset| offset.abs() < SYNC_MAX_MS).count();
    let worst = offsets.iter().fold(0.0_f64, |worst, offset| worst.max(offset.abs()));
    let stats = live.browser.eval(&player, "JSON.stringify(sluicePlayer.stats)");
    eprintln!(
        "{together} of {} moments in sync, the worst by {worst:.1} ms; {stats}",
        offsets.len()
    );
    assert!(together * 100 >= offsets.len() * IN_SYNC_PERCENT, "{offsets:?}");
    if let Some(before) = heap_before {
        eprintln!("memory of the page after a minute {before} bytes, at the end {heap}");
        assert!(heap < before * GROWTH_MAX, "{before} bytes became {heap}");
    }
}

/// Memory of the page's objects, after what is garbage was collected.
fn used_bytes(browser: &mut Devtools, tab: &Tab) -> f64 {
    browser.on(tab, "HeapProfiler.collectGarbage", json!({}));
    let usage = browser.on(tab, "Runtime.getHeapUsage", json!({}));
    let part = |name: &str| usage[name].as_f64().unwrap_or_default();
    part("usedSize") + part("embedderHeapUsedSize") + part("backingStorageSize")
}
