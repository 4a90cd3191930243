//! A line for every event of a run, on standard error, when `SLUICE_TRACE` is set.

use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;

use sluice_proto::session::SessionEvent;

/// Longest line; payloads are long.
const LINE_CHARS_MAX: usize = 300;

fn is_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("SLUICE_TRACE").is_some())
}

/// What a peer's session told it.
pub(crate) fn peer(number: usize, event: &SessionEvent, now: Instant) {
    line(format_args!("peer {number}"), event, now);
}

/// Anything else.
pub(crate) fn line(who: fmt::Arguments<'_>, what: &dyn fmt::Debug, now: Instant) {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    if is_on() {
        let since = now.saturating_duration_since(*FIRST.get_or_init(|| now));
        let text: String = format!("{what:?}").chars().take(LINE_CHARS_MAX).collect();
        eprintln!("{since:>14?} {who}: {text}");
    }
}
