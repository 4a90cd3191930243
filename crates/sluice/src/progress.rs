//! What a tool shows while it runs: one line that is written over on a terminal, nothing in a pipe.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two updates of the line.
const INTERVAL: Duration = Duration::from_millis(500);

/// The progress line on standard error.
pub struct Progress {
    verb: &'static str,
    visible: bool,
    objects: u64,
    group: u64,
    /// Bytes since `since`.
    bytes: u64,
    since: Instant,
    drawn: bool,
}

impl Progress {
    /// A line that begins with `verb`.
    pub fn new(verb: &'static str, quiet: bool) -> Self {
        Self {
            verb,
            visible: !quiet && std::io::stderr().is_terminal(),
            objects: 0,
            group: 0,
            bytes: 0,
            since: Instant::now(),
            drawn: false,
        }
    }

    /// A line that stays, for who watches.
    pub fn note(&mut self, text: &str) {
        if self.visible {
            self.clear();
            eprintln!("{text}");
        }
    }

    /// A line that stays, also in a log: something is not as it should be.
    pub fn warn(&mut self, text: &str) {
        self.clear();
        eprintln!("sluice: {text}");
    }

    /// An object went by.
    pub fn object(&mut self, group: u64, bytes: usize) {
        if !self.visible {
            return;
        }
        self.objects += 1;
        self.group = self.group.max(group);
        self.bytes += bytes as u64;
        let elapsed = self.since.elapsed();
        if elapsed >= INTERVAL {
            let rate = self.bytes as f64 * 8.0 / elapsed.as_secs_f64();
            let line = line(self.verb, rate, self.objects, self.group);
            eprint!("\r{line}\x1b[K");
            // A terminal that cannot be written to shows nothing, which harms nobody.
            let _ = std::io::stderr().flush();
            (self.bytes, self.since, self.drawn) = (0, Instant::now(), true);
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(verb: &str, bits_per_second: f64, objects: u64, group: u64) -> String {
    let rate = match bits_per_second {
        rate if rate >= 1e6 => format!("{:.1} Mbit/s", rate / 1e6),
        rate => format!("{:.0} kbit/s", rate / 1e3),
    };
    format!("{verb} {rate}, {objects} objects, group {group}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_line_says_rate_objects_and_group() {
        let line = super::line("sending", 2_345_678.0, 12, 7);
        assert_eq!(line, "sending 2.3 Mbit/s, 12 objects, group 7");
        assert!(super::line("sending", 999.0, 1, 0).contains("1 kbit/s"));
    }
}
