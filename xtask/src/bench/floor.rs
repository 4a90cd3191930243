//! `cargo xtask floor`: what sending costs on the bare QUIC library.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};

use super::scenario::{self, Phase, Scenario};
use super::{Form, LOAD_CORE, MEASURED_CORE, network, option, pinned};

const SECONDS: &str = "5";

/// Measures the floor under every scenario that has one.
pub fn floor(options: &[&str]) -> Result<()> {
    let seconds = option(options, "--seconds")?.unwrap_or(SECONDS);
    let seconds = seconds.parse().with_context(|| format!("{seconds} is no number of seconds"))?;
    if options.len() > 2 || (options.len() == 1) {
        bail!("usage: cargo xtask floor [--seconds N]");
    }
    if !network::is_inside() {
        Form::Full.build()?;
    }
    if network::enter(&[&["floor"], options].concat())? {
        return Ok(());
    }
    println!("\nCPU of the sending process for each object; path MTU {}", network::describe());
    for scenario in scenario::ALL {
        if let Some(phase) = scenario.floor {
            let cost = measure(Form::Full, scenario, phase, seconds)?;
            println!("  {:<60} {cost:>8.2} us", scenario.title);
        }
    }
    Ok(())
}

/// CPU time of an object, in microseconds. An error if a viewer misses one.
pub fn measure(form: Form, scenario: &Scenario, phase: Phase, seconds: f64) -> Result<f64> {
    let program = form.folder().join("examples/floor");
    let (viewers, bytes) = (scenario.viewers.to_string(), scenario.object_bytes.to_string());
    let load = [&viewers, &bytes, &scenario.rate.to_string(), &seconds.to_string()];
    let sender = pinned(MEASURED_CORE, &program)
        .arg("send")
        .args(load)
        .arg(phase.argument())
        .stdout(Stdio::piped())
        .spawn();
    let mut sender = Ended(sender.context("the floor does not start")?);
    let mut said = BufReader::new(sender.0.stdout.take().context("its output is piped")?);
    let mut line = String::new();
    said.read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening on ").context("the floor has no address")?;
    let seen = pinned(LOAD_CORE, &program).args(["view", address, &viewers, &bytes]).output()?;
    let mut rest = String::new();
    said.read_to_string(&mut rest)?;
    let status = sender.0.wait()?;
    if !status.success() || !seen.status.success() {
        bail!("the floor failed: {rest}{}", String::from_utf8_lossy(&seen.stderr));
    }
    let came = number(&String::from_utf8_lossy(&seen.stdout), "came ")?;
    let written = number(&rest, "written ")?;
    if came < written {
        bail!("of {written} objects only {came} came: the floor's load is more than it can send");
    }
    number(&rest, "cpu_us_per_object ")
}

fn number(text: &str, name: &str) -> Result<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let value = value.with_context(|| format!("the floor does not say {name}: {text}"))?;
    value.trim().parse().with_context(|| format!("{value} is no number"))
}

/// A process that does not outlive its measurement.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
