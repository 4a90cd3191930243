//! A headless Chromium with one page open, ended with the test.

use std::process::{Child, Command, Stdio};

/// A running Chromium.
pub struct Chromium {
    child: Child,
    _profile: tempfile::TempDir,
}

impl Chromium {
    /// Opens a page in a fresh profile.
    pub fn open(url: &str) -> Chromium {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-component-update", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-background-timer-throttling"])
            .args(["--disable-renderer-backgrounding", "--disable-extensions"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("no Chromium ({error}); on Debian: sudo apt-get install chromium")
            });
        Chromium { child, _profile: profile }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its other processes end when this one is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
