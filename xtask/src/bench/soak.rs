//! `cargo xtask soak`: minutes of mixed load, after which nothing is lost and nothing has grown.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::relay::{Subject, report};
use super::{Form, median, option};
use crate::shell;

const USAGE: &str = "usage: cargo xtask soak [--minutes N] [--short]";
const MINUTES: &str = "10";
/// What memory may differ between the beginning and the end: this part, and so many MiB.
const GROWTH: f64 = 0.05;
const GROWTH_MIB: f64 = 4.0;
/// Everyone whom a relay meets: who reads, who reads a third of what comes, who stops streams, who
/// comes and goes, who fetches.
const LOAD: &[&str] = &[
    "--tracks",
    "10",
    "--viewers",
    "50",
    "--slow-viewers",
    "10",
    "--slow-bytes",
    "20000",
    "--stopping-viewers",
    "10",
    "--joins",
    "5",
    "--fetch-readers",
    "5",
];

/// Puts the load on Sluice; an error if anyone who read lost something, memory grew, or the relay's
/// log has an error.
pub fn soak(options: &[&str]) -> Result<()> {
    let minutes = option(options, "--minutes")?;
    let is_short = options == ["--short"];
    if !is_short && options.len() != 2 * usize::from(minutes.is_some()) {
        bail!("{USAGE}");
    }
    if !cfg!(target_os = "linux") {
        println!("what a process uses is read from Linux alone: nothing is measured here");
        return Ok(());
    }
    let minutes: f64 = minutes.unwrap_or(MINUTES).parse().context(USAGE)?;
    // The store is full of what it keeps before anything is measured.
    let (form, age, warmup, seconds) = match is_short {
        true => (Form::Short, "1s", "1s", 4.0),
        false => (Form::Full, "10s", "30s", minutes * 60.0),
    };
    form.build()?;
    let relay = Subject::Sluice.serve(form, &["--object-age-max", age])?;
    println!("\n{seconds} s of mixed load: sluice bench {}", LOAD.join(" "));
    let duration = format!("{seconds}s");
    let times = ["--warmup", warmup, "--duration", &duration];
    let own = form.folder().join("sluice");
    let report = report(&own, &relay.address, relay.process.0.id(), &[LOAD, &times].concat())?;
    drop(relay);
    println!("{}", describe(&report));
    let log = std::fs::read_to_string(shell::root().join("target/compare/sluice.log"))?;
    let mut faults = lost(&report);
    let errors = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked"));
    faults.extend(errors.map(|line| format!("the relay's log: {line}")));
    let memory = Memory::of(&report)?;
    println!("  memory     {:.1} MiB at first, {:.1} MiB at last", memory.first, memory.last);
    // Seconds say nothing of growth.
    if !is_short && memory.last > memory.first * (1.0 + GROWTH) + GROWTH_MIB {
        faults.push("memory grew".to_owned());
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    println!("nothing lost by anyone who reads, no error in the log");
    Ok(())
}

/// What those missed who should miss nothing.
fn lost(report: &Value) -> Vec<String> {
    let pointers = [
        "/lost",
        "/duplicates",
        "/reordered",
        "/resets",
        "/guests/lost",
        "/guests/duplicates",
        "/fetches/wrong",
        "/failed",
    ];
    let fault = |pointer: &&str| report.pointer(pointer) != Some(&Value::from(0));
    let faults = pointers.iter().filter(|pointer| fault(pointer));
    let value = |pointer: &str| report.pointer(pointer).cloned().unwrap_or_default();
    let mut lost: Vec<String> =
        faults.map(|pointer| format!("{pointer} is {}", value(pointer))).collect();
    for pointer in ["/objects", "/guests/objects", "/slow/objects", "/stopping/objects"] {
        if value(pointer).as_u64().unwrap_or_default() == 0 {
            lost.push(format!("nothing was delivered to {pointer}"));
        }
    }
    lost
}

fn describe(report: &Value) -> String {
    let line = |name: &str, pointer: &str| {
        let group = report.pointer(pointer).unwrap_or(report);
        let p99 = group["latency"]["p99_us"].as_f64().unwrap_or_default() / 1000.0;
        format!(
            "  {name:<11}{} objects, {} lost, {} streams reset, p99 {p99:.1} ms",
            group["objects"], group["lost"], group["resets"]
        )
    };
    [
        line("all", ""),
        line("guests", "/guests"),
        line("slow", "/slow"),
        line("stopping", "/stopping"),
        format!(
            "  fetches    {} groups, {} objects, {} wrong",
            report["fetches"]["groups"], report["fetches"]["objects"], report["fetches"]["wrong"]
        ),
    ]
    .join("\n")
}

/// Memory in MiB, the middle of the first quarter and of the last.
struct Memory {
    first: f64,
    last: f64,
}

impl Memory {
    fn of(report: &Value) -> Result<Memory> {
        let series = report["series"].as_array().into_iter().flatten();
        let series: Vec<f64> =
            series.filter_map(|sample| sample["resident_bytes"].as_f64()).collect();
        let part = (series.len() / 4).max(1);
        let (first, last) = (series.chunks(part).next(), series.rchunks(part).next());
        let middle = |part: Option<&[f64]>| part.map(|part| median(part) / f64::from(1 << 20));
        let (first, last) = (middle(first), middle(last));
        let (first, last) = first.zip(last).context("the run was too short for a sample")?;
        Ok(Memory { first, last })
    }
}
