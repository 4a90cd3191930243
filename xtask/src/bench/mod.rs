//! What relays cost: the bare QUIC library's floor, Sluice, and peers, measured in turns.

mod compare;
mod document;
mod floor;
mod idle;
mod network;
mod peers;
mod relay;
mod scenario;
mod soak;

pub use compare::{compare, short};
pub use floor::floor;
pub use idle::idle;
pub use peers::install as peers;
pub use soak::soak;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

/// Core of what is measured.
const MEASURED_CORE: usize = 0;
/// Core of the load.
const LOAD_CORE: usize = 1;

/// How a measurement is built and how long it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Optimised, with all viewers.
    Full,
    /// As tests are built, with few viewers: shows that it works, not how fast.
    Short,
}

impl Form {
    fn folder(self) -> PathBuf {
        let profile = match self {
            Form::Full => "release",
            Form::Short => "debug",
        };
        shell::root().join("target").join(profile)
    }

    /// Builds the relay with the load, and the floor.
    fn build(self) -> Result<()> {
        let build = |what: &[&str]| shell::run("cargo", &[&["build", "--locked"], what].concat());
        match self {
            Form::Full => {
                build(&["--release", "--package", "sluice"])?;
                build(&["--release", "--package", "sluice-bench", "--example", "floor"])
            }
            // With the features of all packages together, as tests have them: little is left to build.
            Form::Short => build(&["--workspace", "--bin", "sluice", "--example", "floor"]),
        }
    }
}

/// A command that keeps to one core, where there are two and `taskset` is there.
fn pinned(core: usize, program: &std::path::Path) -> Command {
    if !is_pinned() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string()]).arg(program);
    command
}

fn is_pinned() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    cores > LOAD_CORE && shell::has("taskset")
}

/// The value of an option, if it is among the others.
fn option<'a>(options: &[&'a str], name: &str) -> Result<Option<&'a str>> {
    let Some(at) = options.iter().position(|option| *option == name) else { return Ok(None) };
    options.get(at + 1).copied().map(Some).with_context(|| format!("{name} wants a value"))
}

/// The middle one; of an even number the upper.
fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `middle (lowest to highest)`.
fn spread(values: &[f64], digits: usize) -> String {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values.is_empty() {
        true => "not measured".to_owned(),
        false => format!("{:.digits$} ({lowest:.digits$} to {highest:.digits$})", median(values)),
    }
}
