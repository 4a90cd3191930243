//! What is compared, started for one measurement and ended with it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::floor::{self, Ended};
use super::peers::{self, Peer};
use super::scenario::Scenario;
use super::{Form, LOAD_CORE, MEASURED_CORE, network, pinned};
use crate::shell;

/// Longest wait for a relay to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What can be measured.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// The relay of this repository.
    Sluice,
    /// A relay of someone else.
    Peer(&'static Peer),
    /// Sending alone.
    Floor,
}

/// What one measurement found.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// CPU time of the process for each delivered object.
    pub cpu_us: f64,
    /// Latency that one in a hundred objects exceeded. The floor has none.
    pub p99_ms: Option<f64>,
    /// Objects that came, as part of those that were due.
    pub delivered: f64,
    /// Part of a core that the load's busiest thread used.
    pub load_core: f64,
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Load before.
    pub warmup: f64,
    /// Measured time.
    pub seconds: f64,
}

impl Subject {
    /// Sluice, the floor, and the peers that are installed.
    pub fn all() -> Vec<Subject> {
        let installed = peers::ALL.iter().filter(|peer| peer.version().is_some());
        let own = [Subject::Sluice, Subject::Floor];
        own.into_iter().chain(installed.map(Subject::Peer)).collect()
    }

    /// As it stands in the results.
    pub fn name(&self) -> &'static str {
        match self {
            Subject::Sluice => "sluice",
            Subject::Peer(peer) => peer.name,
            Subject::Floor => "floor",
        }
    }

    /// Measures it once; nothing if it cannot have this load.
    pub fn measure(&self, form: Form, load: &Scenario, span: Span) -> Result<Option<Sample>> {
        let own = form.folder().join("sluice");
        match self {
            Subject::Floor => {
                let Some(phase) = load.floor else { return Ok(None) };
                let cpu_us = floor::measure(form, load, phase, span.seconds)?;
                let sample = Sample { cpu_us, p99_ms: None, delivered: 1.0, load_core: f64::NAN };
                Ok(Some(sample))
            }
            Subject::Sluice | Subject::Peer(_) => {
                let relay = self.serve(form, &[])?;
                bench(&own, &relay.address, relay.process.0.id(), load, span).map(Some)
            }
        }
    }

    /// Starts it; `more` is what Sluice is told besides. The floor is no relay.
    pub fn serve(&self, form: Form, more: &[&str]) -> Result<Serving> {
        match self {
            Subject::Floor => bail!("the floor serves nobody"),
            Subject::Sluice => {
                let own = form.folder().join("sluice");
                let arguments = [&["relay", "--listen", "127.0.0.1:0"], more].concat();
                let mut process = start(&own, &arguments, "sluice")?;
                let said = process.0.stdout.take().context("its output is piped")?;
                let mut said = BufReader::new(said);
                let address = said
                    .by_ref()
                    .lines()
                    .map_while(Result::ok)
                    .take_while(|line| line != "ready")
                    .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
                let address = address.context("the relay does not say its address")?;
                Ok(Serving { process, address, _said: Some(said) })
            }
            Subject::Peer(peer) => {
                let arguments = peer.arguments()?;
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let mut process = start(&peer.program(), &arguments, peer.name)?;
                let until = Instant::now() + PATIENCE;
                while !network::has_udp_port(peer.port) {
                    if process.0.try_wait()?.is_some() || Instant::now() >= until {
                        bail!("{} does not listen: see target/compare/{0}.log", peer.name);
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
                let address = format!("127.0.0.1:{}", peer.port);
                Ok(Serving { process, address, _said: None })
            }
        }
    }
}

/// A relay that runs until this is dropped. Its log is `target/compare/NAME.log`.
pub struct Serving {
    pub process: Ended,
    pub address: String,
    /// Kept open: a relay that nobody hears ends.
    _said: Option<BufReader<ChildStdout>>,
}

fn start(program: &Path, arguments: &[&str], name: &str) -> Result<Ended> {
    let folder = shell::root().join("target/compare");
    std::fs::create_dir_all(&folder)?;
    let log = File::create(folder.join(format!("{name}.log")))?;
    let child = pinned(MEASURED_CORE, program)
        .args(arguments)
        .env("RUST_LOG", "warn")
        .stdout(if name == "sluice" { Stdio::piped() } else { Stdio::null() })
        .stderr(log)
        .spawn();
    child.map(Ended).with_context(|| format!("cannot start {}", program.display()))
}

/// Puts the load on a relay. That objects were lost is a result; that there is none an error.
fn bench(own: &Path, address: &str, pid: u32, load: &Scenario, span: Span) -> Result<Sample> {
    let (viewers, bytes) = (load.viewers.to_string(), load.object_bytes.to_string());
    let (rate, warmup) = (load.rate.to_string(), format!("{}s", span.warmup));
    let seconds = format!("{}s", span.seconds);
    let what = ["--viewers", &viewers, "--object-bytes", &bytes, "--rate", &rate];
    let when = ["--warmup", &warmup, "--duration", &seconds];
    let report = report(own, address, pid, &[&what[..], &when, load.more].concat())?;
    let figure = |pointer: &str| figure(&report, pointer);
    Ok(Sample {
        cpu_us: figure("/cost/cpu_us_per_object")?,
        p99_ms: Some(figure("/latency/p99_us")? / 1000.0),
        delivered: figure("/objects")? / figure("/objects_wanted")?.max(1.0),
        load_core: figure("/own_core")?,
    })
}

/// What `sluice bench` with these arguments finds over draft 18 and raw QUIC.
pub fn report(own: &Path, address: &str, pid: u32, arguments: &[&str]) -> Result<Value> {
    let results = shell::root().join("target/compare/bench.json");
    // What is read afterwards is of this measurement.
    let _ = std::fs::remove_file(&results);
    let output = pinned(LOAD_CORE, own)
        .args(["bench", &format!("moqt://{address}/"), "--drafts", "18", "--insecure", "--quiet"])
        .args(["--pid", &pid.to_string(), "--json"])
        .arg(&results)
        .args(arguments)
        .output()?;
    let Ok(text) = std::fs::read_to_string(&results) else {
        bail!("no result: {}", String::from_utf8_lossy(&output.stderr));
    };
    let reports: Value = serde_json::from_str(&text)?;
    Ok(reports[0].clone())
}

/// A figure of a report.
pub fn figure(report: &Value, pointer: &str) -> Result<f64> {
    report.pointer(pointer).and_then(Value::as_f64).with_context(|| format!("no {pointer}"))
}
