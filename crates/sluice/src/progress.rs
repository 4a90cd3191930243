//! What a tool shows while it runs: one line that is written over on a terminal, nothing in a pipe.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two updates of the line.
const INTERVAL: Duration = Duration::from_millis(500);

/// A line on standard error that is written over.
pub struct Line {
    visible: bool,
    /// When it was updated last.
    since: Instant,
    drawn: bool,
}

impl Line {
    /// A line that is seen on a terminal alone.
    pub fn new(quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        Line { visible, since: Instant::now(), drawn: false }
    }

    /// The time since the last update, if it is time for another.
    pub fn due(&self) -> Option<Duration> {
        let elapsed = self.since.elapsed();
        (self.visible && elapsed >= INTERVAL).then_some(elapsed)
    }

    /// Updates it.
    pub fn draw(&mut self, text: &str) {
        eprint!("\r{text}\x1b[K");
        // A terminal that cannot be written to shows nothing, which harms nobody.
        let _ = std::io::stderr().flush();
        (self.since, self.drawn) = (Instant::now(), true);
    }

    /// Takes it away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How far the sending or receiving of objects is.
pub struct Progress {
    verb: &'static str,
    line: Line,
    objects: u64,
    group: u64,
    /// Bytes since the line was updated.
    bytes: u64,
}

impl Progress {
    /// A line that begins with `verb`.
    pub fn new(verb: &'static str, quiet: bool) -> Self {
        Self { verb, line: Line::new(quiet), objects: 0, group: 0, bytes: 0 }
    }

    /// A line that stays, for who watches.
    pub fn note(&mut self, text: &str) {
        if self.line.visible {
            self.line.clear();
            eprintln!("{text}");
        }
    }

    /// A line that stays, also in a log: something is not as it should be.
    pub fn warn(&mut self, text: &str) {
        self.line.clear();
        eprintln!("sluice: {text}");
    }

    /// An object went by.
    pub fn object(&mut self, group: u64, bytes: usize) {
        if !self.line.visible {
            return;
        }
        self.objects += 1;
        self.group = self.group.max(group);
        self.bytes += bytes as u64;
        if let Some(elapsed) = self.line.due() {
            let rate = self.bytes as f64 * 8.0 / elapsed.as_secs_f64();
            self.line.draw(&line(self.verb, rate, self.objects, self.group));
            self.bytes = 0;
        }
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
