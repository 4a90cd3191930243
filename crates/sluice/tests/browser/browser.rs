//! A headless browser with one page open, ended with the test: Chromium, or what
//! `SLUICE_TEST_BROWSER` names.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running browser.
pub struct Browser {
    child: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a page in a fresh profile.
    pub fn open(url: &str) -> Browser {
        let program = std::env::var("SLUICE_TEST_BROWSER").unwrap_or_else(|_| "chromium".into());
        let profile = tempfile::tempdir().expect("a directory for the profile");
        let mut command = Command::new(&program);
        if program.contains("firefox") {
            firefox(&mut command, profile.path());
        } else {
            chromium(&mut command, profile.path());
        }
        let child = command
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("no {program} ({error}); on Debian: sudo apt-get install {program}")
            });
        Browser { child, _profile: profile }
    }
}

/// Arguments of every Chromium.
pub fn chromium(command: &mut Command, profile: &Path) {
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-component-update", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-background-timer-throttling"])
        .args(["--disable-renderer-backgrounding", "--disable-extensions"])
        .arg(format!("--user-data-dir={}", profile.display()));
}

/// Arguments of every Firefox.
pub fn firefox(command: &mut Command, profile: &Path) {
    command.args(["--headless", "--no-remote", "--profile"]).arg(profile).env("HOME", profile);
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its other processes end when this one is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
