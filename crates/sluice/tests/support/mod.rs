//! The built relay, started for a test and ended with it.
#![allow(dead_code, reason = "each test binary uses a part")]

mod client;
pub mod ffmpeg;
pub mod http;
pub mod origin;
pub mod quic;
pub mod tls;
pub mod tool;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A running relay.
pub struct Relay {
    child: Child,
    /// Its address.
    pub address: SocketAddr,
    /// SHA-256 of its certificate.
    pub certificate: [u8; 32],
    /// What it printed until it was ready.
    pub said: Vec<String>,
    log: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Relay {
    /// Starts `sluice relay` on a free port of IPv4 loopback and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Relay {
        Relay::start_on("127.0.0.1:0", arguments)
    }

    /// The same at another address.
    pub fn start_on(listen: &str, arguments: &[&str]) -> Relay {
        Relay::of(
            Command::new(env!("CARGO_BIN_EXE_sluice"))
                .args(["relay", "--listen", listen])
                .args(arguments),
        )
    }

    /// What `command` starts.
    pub fn of(command: &mut Command) -> Relay {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the relay starts");
        let log = keep_log(child.stderr.take().expect("its log is piped"));
        let stdout = child.stdout.take().expect("its output is piped");
        let (mut address, mut certificate) = (None, None);
        let mut said = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.expect("the relay writes text");
            if let Some(text) = line.strip_prefix("listening on ") {
                address = text.parse().ok();
            } else if let Some(text) = line.strip_prefix("certificate sha256 ") {
                certificate = Some(bytes(text));
            } else if line == "ready" {
                break;
            }
            said.push(line);
        }
        Relay {
            child,
            address: address.expect("the relay says its address"),
            certificate: certificate.expect("the relay says its certificate's hash"),
            said,
            log,
        }
    }

    /// A URL of it.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/moq", self.address)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of its log with all these parts.
    pub fn logged(&self, parts: &[&str]) -> String {
        self.logged_after(parts, 0)
    }

    /// The same, after so many of such lines.
    pub fn logged_after(&self, parts: &[&str], before: usize) -> String {
        let (lines, more) = &*self.log;
        let found = |lines: &Vec<String>| {
            let mut those =
                lines.iter().filter(|line| parts.iter().all(|part| line.contains(part)));
            those.nth(before).cloned()
        };
        let lines = lines.lock().expect("the reader of the log lives");
        let patience = Duration::from_secs(20);
        let lines = more.wait_timeout_while(lines, patience, |lines| found(lines).is_none());
        let (lines, _) = lines.expect("the reader of the log lives");
        found(&lines).unwrap_or_else(|| panic!("nothing of {parts:?} is logged: {lines:#?}"))
    }

    /// Lines of its log so far with all these parts.
    pub fn lines_with(&self, parts: &[&str]) -> usize {
        let lines = self.log.0.lock().expect("the reader of the log lives");
        lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }

    /// The most memory that its process ever had resident.
    #[cfg(target_os = "linux")]
    pub fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("the relay runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let kib = line.trim().trim_end_matches(" kB").trim();
        kib.parse::<u64>().expect("a number") * 1024
    }

    /// The processor time that its process has used.
    #[cfg(target_os = "linux")]
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()));
        let stat = stat.expect("the relay runs");
        // The name may hold spaces; after it come the state and ten numbers, then user and system.
        let (_, numbers) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = numbers.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        // USER_HZ is 100 on every architecture that Linux still has.
        Duration::from_millis(ticks * 10)
    }

    /// Asks it to drain and end.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the relay is there to be told");
    }

    /// Waits for its end and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().ok()?.code()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes a relay's log on and keeps it.
fn keep_log(stderr: ChildStderr) -> Arc<(Mutex<Vec<String>>, Condvar)> {
    let log = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let kept = log.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            kept.0.lock().expect("nobody panics with it").push(line);
            kept.1.notify_all();
        }
    });
    log
}

fn bytes(hexadecimal: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte =
            u8::from_str_radix(&hexadecimal[2 * index..2 * index + 2], 16).expect("hexadecimal");
    }
    bytes
}

/// A runtime for one test.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A PEM file of one block.
pub fn pem(label: &str, der: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(pem_text(label, der).as_bytes()).expect("written");
    file
}

/// One block of PEM.
pub fn pem_text(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
