//! `docs/benchmarks.md`, from what `cargo xtask compare` found.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::scenario::{self, Scenario};
use super::{median, peers, spread};
use crate::shell;

/// Where results are kept between runs.
pub const RESULTS: &str = "target/compare/results.json";
const DOCUMENT: &str = "docs/benchmarks.md";

/// The results so far, by the name of their scenario.
pub fn results() -> Result<Value> {
    let Ok(text) = std::fs::read_to_string(shell::root().join(RESULTS)) else {
        return Ok(json!({}));
    };
    serde_json::from_str(&text).with_context(|| format!("{RESULTS} is not what was written there"))
}

/// Writes the document.
pub fn write() -> Result<()> {
    let all = results()?;
    let mut text = HEAD.to_owned();
    write!(text, "{}", machine(&all)?)?;
    let measured = |scenario: &&Scenario| all[scenario.name]["rounds"].is_array();
    let found: Vec<Found> =
        scenario::ALL.iter().filter(measured).map(|s| Found::of(s, &all[s.name])).collect();
    text.push_str(SUMMARY);
    for found in &found {
        writeln!(text, "{}", found.summary())?;
    }
    for found in &found {
        write!(text, "\n{}", found.section())?;
    }
    let missing = scenario::ALL.iter().filter(|s| !measured(s)).map(|s| s.title);
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        writeln!(text, "\nNot measured: {}.", missing.join("; "))?;
    }
    let path = shell::root().join(DOCUMENT);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("\n{DOCUMENT} is written");
    Ok(())
}

const HEAD: &str = "\
# What a relay costs

Written by `cargo xtask compare`. What is compared is the CPU time of the relay's process for each object
delivered to a viewer. Other programs on the machine change it; the table below says how busy they were.

```sh
cargo xtask peers     # installs the peers from crates.io into target/peers
cargo xtask compare   # five rounds of every scenario; --only NAME, --rounds N, --seconds N
cargo xtask floor     # the floor alone
```

Each measurement starts a relay of its own. Draft 18 over raw QUIC; the relay keeps to one core, the load
(`sluice bench`) to another; two seconds of load go before what is measured. Rounds take relays in turns, each
beginning with another one. Figures are the middle one of all rounds, and in parentheses the outermost; ratios
are of the same round. A relay that delivers less than 100 % is at its limit. Objects of viewers that join count
as delivered and not as due. Above 0.9 of a core the load is the limit, not the relay.

*Floor* is a loop on the QUIC library and with the settings that Sluice uses, which sends the same payloads
to as many connections, a stream for each group, and knows nothing of MOQT. Receiving from a publisher is not
part of it, which matters where each object has one viewer.
";

const SUMMARY: &str = "
## Against the better peer, and against the floor

The bar is the part of the better peer's cost that Sluice means to stay under; of the floor it is 1.3 times.

| Scenario | of the better peer's | bar | of the floor's |
|---|---|---|---|
";

/// Machine and versions.
fn machine(all: &Value) -> Result<String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let cpu = cpu.map_or("?", |name| name.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let kernel = read("/proc/sys/kernel/osrelease");
    let rustc = shell::output("rustc", &["--version"])?;
    let commit = shell::output("git", &["rev-parse", "--short", "HEAD"])?;
    let date = shell::output("date", &["-u", "+%Y-%m-%d"])?;
    let scenarios: Vec<&Value> = all.as_object().into_iter().flat_map(|all| all.values()).collect();
    let mut mtus: Vec<&str> = scenarios.iter().filter_map(|s| s["path_mtu"].as_str()).collect();
    mtus.dedup();
    let rounds = scenarios.iter().filter_map(|scenario| scenario["rounds"].as_array()).flatten();
    let samples = rounds.filter_map(Value::as_object).flat_map(|round| round.values());
    let foreign: Vec<f64> =
        samples.filter_map(|sample| Some(sample["foreign"].as_f64()? * 100.0)).collect();
    let peers: String = peers::ALL
        .iter()
        .map(|peer| {
            let version = peer.version().unwrap_or_else(|| "not installed".to_owned());
            format!(", {} {version}", peer.name)
        })
        .collect();
    Ok(format!(
        "
| | |
|---|---|
| Measured | {} |
| Versions | Sluice {}{peers}; {} |
| Machine | {cores} cores of {cpu}, Linux {} |
| Path MTU | {} |
| Other programs | {} % of all cores were busy before measurements began, median (lowest to highest) |
",
        date.trim(),
        commit.trim(),
        rustc.trim(),
        kernel.trim(),
        mtus.join("; "),
        spread(&foreign, 0),
    ))
}

/// A scenario's results.
struct Found<'a> {
    scenario: &'a Scenario,
    rounds: &'a [Value],
    seconds: f64,
}

impl<'a> Found<'a> {
    fn of(scenario: &'a Scenario, result: &'a Value) -> Self {
        let rounds = result["rounds"].as_array().map_or(&[][..], Vec::as_slice);
        Found { scenario, rounds, seconds: result["seconds"].as_f64().unwrap_or_default() }
    }

    fn figures(&self, subject: &str, name: &str) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| round[subject][name].as_f64()).collect()
    }

    /// What Sluice costs as part of what another costs in the same round.
    fn ratios(&self, other: impl Fn(&Value) -> Option<f64>) -> Vec<f64> {
        let ratio = |round: &Value| Some(round["sluice"]["cpu_us"].as_f64()? / other(round)?);
        self.rounds.iter().filter_map(ratio).collect()
    }

    fn summary(&self) -> String {
        let better = |round: &Value| {
            let costs = peers::ALL.iter().filter_map(|peer| round[peer.name]["cpu_us"].as_f64());
            costs.min_by(f64::total_cmp)
        };
        let (peer, floor) =
            (self.ratios(better), self.ratios(|round| round["floor"]["cpu_us"].as_f64()));
        let met =
            if !peer.is_empty() && median(&peer) <= self.scenario.bar { "met" } else { "missed" };
        format!(
            "| {} | {} | {} {met} | {} |",
            self.scenario.title,
            spread(&peer, 2),
            self.scenario.bar,
            spread(&floor, 2)
        )
    }

    fn section(&self) -> String {
        let mut text = format!(
            "## {}\n\n{} rounds of {} s; `--only {}`\n\n\
             | | CPU per object, us | p99 latency, ms | delivered, % | core of the load |\n\
             |---|---|---|---|---|\n",
            self.scenario.title,
            self.rounds.len(),
            self.seconds,
            self.scenario.name
        );
        let own = ["sluice", "floor"].into_iter();
        for subject in own.chain(peers::ALL.iter().map(|peer| peer.name)) {
            let cost = self.figures(subject, "cpu_us");
            if cost.is_empty() {
                continue;
            }
            let delivered: Vec<f64> =
                self.figures(subject, "delivered").iter().map(|part| part * 100.0).collect();
            let p99 = self.figures(subject, "p99_ms");
            let p99 = if p99.is_empty() { "-".to_owned() } else { spread(&p99, 1) };
            let load = self.figures(subject, "load_core");
            let load = if load.is_empty() { "-".to_owned() } else { spread(&load, 2) };
            let row = format!(
                "| {subject} | {} | {p99} | {} | {load} |\n",
                spread(&cost, 2),
                spread(&delivered, 1)
            );
            text.push_str(&row);
        }
        text
    }
}
