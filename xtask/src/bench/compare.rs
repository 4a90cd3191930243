//! `cargo xtask compare`: Sluice, the floor and the peers under the same loads, in turns.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::relay::{Sample, Span, Subject};
use super::scenario::{self, Phase, Scenario};
use super::{Form, document, network, option};
use crate::shell;

const ROUNDS: &str = "5";
const SECONDS: &str = "6";
const WARMUP: f64 = 2.0;
/// Time in which what other programs do is looked at.
const LOOK: Duration = Duration::from_millis(200);
const USAGE: &str =
    "usage: cargo xtask compare [--only NAME,…] [--rounds N] [--seconds N] [--short]";

/// Measures and writes docs/benchmarks.md. Scenarios that are left out keep their last results.
pub fn compare(options: &[&str]) -> Result<()> {
    if options == ["--short"] {
        return short();
    }
    let known = ["--only", "--rounds", "--seconds"];
    if options.len() % 2 == 1 || options.iter().step_by(2).any(|name| !known.contains(name)) {
        bail!("{USAGE}");
    }
    let wanted = scenarios(option(options, "--only")?)?;
    let rounds: usize = option(options, "--rounds")?.unwrap_or(ROUNDS).parse().context(USAGE)?;
    let seconds = option(options, "--seconds")?.unwrap_or(SECONDS).parse().context(USAGE)?;
    if !network::is_inside() {
        Form::Full.build()?;
    }
    if network::enter(&[&["compare"], options].concat())? {
        return Ok(());
    }
    let subjects = Subject::all();
    if !subjects.iter().any(|subject| matches!(subject, Subject::Peer(_))) {
        println!("no peer is installed (cargo xtask peers): Sluice is measured alone");
    }
    let span = Span { warmup: WARMUP, seconds };
    for scenario in wanted {
        println!("\n{}", scenario.title);
        let rounds: Vec<Value> = (0..rounds)
            .map(|round| turn(Form::Full, scenario, &subjects, round, span))
            .collect::<Result<_>>()?;
        keep(scenario, &rounds, span)?;
    }
    document::write()
}

/// Shows that a comparison works: few viewers, for a moment, of Sluice and the floor alone.
pub fn short() -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("what a process uses is read from Linux alone: nothing is measured here");
        return Ok(());
    }
    if !network::is_inside() {
        Form::Short.build()?;
    }
    if network::enter(&["compare", "--short"])? {
        return Ok(());
    }
    let first = scenario::ALL.first().context("there is a scenario")?;
    let few = Scenario { viewers: 5, floor: Some(Phase::AtOnce), ..*first };
    let span = Span { warmup: 0.2, seconds: 0.5 };
    println!("\n5 viewers, path MTU {}; figures of this form mean nothing", network::describe());
    let round = turn(Form::Short, &few, &[Subject::Sluice, Subject::Floor], 0, span)?;
    for subject in ["sluice", "floor"] {
        if round[subject]["cpu_us"].as_f64().is_none_or(|cost| cost <= 0.0) {
            bail!("{subject} was not measured: {round}");
        }
    }
    Ok(())
}

fn scenarios(only: Option<&str>) -> Result<Vec<&'static Scenario>> {
    let Some(only) = only else { return Ok(scenario::ALL.iter().collect()) };
    let named = |name| {
        let found = scenario::ALL.iter().find(|scenario| scenario.name == name);
        let names: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
        found.with_context(|| format!("no scenario {name}; there are {}", names.join(", ")))
    };
    only.split(',').map(named).collect()
}

/// Every subject once. Each round begins with another one, so that none has the same neighbour.
fn turn(
    form: Form,
    scenario: &Scenario,
    subjects: &[Subject],
    round: usize,
    span: Span,
) -> Result<Value> {
    let mut found = json!({});
    for place in 0..subjects.len() {
        let subject = &subjects[(place + round) % subjects.len()];
        let foreign = foreign_load();
        let sample = match (subject.measure(form, scenario, span), subject) {
            (Ok(None), _) => continue,
            (Ok(Some(sample)), _) => sample,
            (Err(error), Subject::Peer(peer)) => {
                println!("  {} could not be measured: {error}", peer.name);
                continue;
            }
            (Err(error), _) => return Err(error),
        };
        println!("  {:<16}{}", subject.name(), describe(&sample));
        found[subject.name()] = json!({
            "cpu_us": sample.cpu_us,
            "p99_ms": sample.p99_ms,
            "delivered": sample.delivered,
            "load_core": sample.load_core,
            "foreign": foreign,
        });
    }
    Ok(found)
}

fn describe(sample: &Sample) -> String {
    let latency = sample.p99_ms.map_or(String::new(), |p99| format!(", p99 {p99:.1} ms"));
    format!(
        "{:>8.2} us per object{latency}, {:.1} % delivered",
        sample.cpu_us,
        sample.delivered * 100.0
    )
}

/// The part of all cores that is busy now, before anything of ours runs.
fn foreign_load() -> f64 {
    let times = || -> Option<(f64, f64)> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        let fields = text.lines().next()?.split_whitespace().skip(1);
        let fields: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
        // user, nice, system, idle, waiting for a disk, …
        Some((fields.iter().take(8).sum(), fields.get(3)? + fields.get(4)?))
    };
    let before = times();
    std::thread::sleep(LOOK);
    let (Some((all, idle)), Some((all_before, idle_before))) = (times(), before) else {
        return f64::NAN;
    };
    1.0 - (idle - idle_before) / (all - all_before).max(1.0)
}

/// Puts a scenario's rounds where the document is made from.
fn keep(scenario: &Scenario, rounds: &[Value], span: Span) -> Result<()> {
    let mut all = document::results()?;
    all[scenario.name] = json!({
        "rounds": rounds,
        "seconds": span.seconds,
        "path_mtu": network::describe(),
    });
    let path = shell::root().join(document::RESULTS);
    std::fs::write(&path, serde_json::to_string_pretty(&all)?)
        .with_context(|| format!("cannot write {}", path.display()))
}
