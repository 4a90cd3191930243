//! Project tasks: `cargo xtask <task>`.
//!
//! | Task | What it does |
//! |---|---|
//! | `test` | everything that has to pass before a change lands; `.ci/run` calls it |
//! | `sim` | runs the whole relay in simulation, many seeds of it |
//! | `matrix` | writes what the drafts' matrix finds into the documents |
//! | `screenshots` | writes pictures of all pages into `docs/screenshots` |
//! | `accessibility` | has axe-core, from npm, look at all pages |
//! | `watch` | watches a broadcast in a browser for a long time: sound, picture, memory |
//! | `dashboard` | shows a thousand connections on the dashboard, and what that costs |
//! | `fuzz` | looks for inputs that break a decoder's promise, guided by coverage |
//! | `peers` | installs relays of others, to compare with |
//! | `floor` | what sending costs on the bare QUIC library |
//! | `compare` | Sluice, the floor and the peers in turns; writes `docs/benchmarks.md` |
//! | `idle` | memory of viewers and tracks that only wait |
//! | `soak` | minutes of mixed load: nothing lost, nothing grown, no error |
//! | `layers` | checks that crates depend only downwards |
//! | `licences` | checks licences, sources and version floors of all dependencies |
//! | `tidy` | checks rules of the code that the compiler does not know |
#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod bench;
mod fuzz;
mod layers;
mod licences;
mod shell;
mod test;
mod tidy;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask <task>

  test     every check and test; installs or names what is missing
  sim      the relay in simulation: [--seeds N] [--from S] [--seed S] [--shards K] [--lane model|quic]
  matrix   every draft with every other: writes the tables of README.md and docs/interop.md
  screenshots    pictures of all pages, light and dark, wide and phone, into docs/screenshots
  accessibility  axe-core, from npm, looks at all pages
  watch    [--minutes N]: a browser watches itself for 10 minutes: sound, picture, memory
  dashboard  a thousand connections and tracks on the dashboard: what that costs relay and page
  fuzz     guided fuzzing: [--seconds N] [TARGET…]; every target for 10 s unless told otherwise
  peers    relays of others, from crates.io, into target/peers
  floor    [--seconds N]: what sending costs on the bare QUIC library
  compare  Sluice, the floor and peers in turns, into docs/benchmarks.md:
           [--only NAME,…] [--rounds N] [--seconds N]; --short only shows that it works
  idle     memory of 1,000 and 10,000 viewers, and tracks, that only wait; --short shows that it works
  soak     [--minutes N]: 10 minutes of mixed load; nothing lost, nothing grown, no error; --short
  layers   do crates depend only downwards?
  licences may we use what we use?
  tidy     rules of the code that the compiler does not know";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["test", ref options @ ..] => test::run(options),
        ["sim", ref options @ ..] => sim(options),
        ["matrix"] => matrix(),
        ["screenshots"] => browser("looks::", &[("SLUICE_WRITE_SCREENSHOTS", "1")]),
        ["accessibility"] => accessibility(),
        ["watch"] => browser("long::", &[("SLUICE_WATCH_MINUTES", "10")]),
        ["watch", "--minutes", minutes] => browser("long::", &[("SLUICE_WATCH_MINUTES", minutes)]),
        ["dashboard"] => browser("dashboard::every", &[("SLUICE_DASHBOARD_CONNECTIONS", "1000")]),
        ["fuzz", ref options @ ..] => fuzz::run(options),
        ["peers", ref options @ ..] => bench::peers(options),
        ["floor", ref options @ ..] => bench::floor(options),
        ["compare", ref options @ ..] => bench::compare(options),
        ["idle", ref options @ ..] => bench::idle(options),
        ["soak", ref options @ ..] => bench::soak(options),
        ["layers"] => layers::check(),
        ["tidy"] => tidy::check(),
        ["licences"] => licences::check(),
        _ => bail!("{USAGE}"),
    }
}

/// Runs seeds on all cores; every failing one is printed with the command that replays it.
fn sim(options: &[&str]) -> Result<()> {
    let simulator = ["run", "--quiet", "--locked", "--package", "sluice-sim", "--"];
    shell::run("cargo", &[&simulator[..], options].concat())
}

/// The test that compares the tables writes them instead.
fn matrix() -> Result<()> {
    let test = ["test", "--locked", "--package", "sluice", "--test", "independent", "matrix"];
    shell::run_with("cargo", &test, &[("SLUICE_WRITE_MATRIX", "1")])
}

/// Tests that do more when they are told to.
fn browser(tests: &str, environment: &[(&str, &str)]) -> Result<()> {
    let test = ["test", "--locked", "--package", "sluice", "--test", "browser", tests];
    shell::run_with("cargo", &[&test[..], &["--", "--nocapture"]].concat(), environment)
}

/// The checker is fetched when it is wanted: it is no part of the project.
fn accessibility() -> Result<()> {
    let folder = shell::root().join("target/axe");
    let place = folder.to_string_lossy();
    shell::run("npm", &["install", "--no-save", "--prefix", &place, "axe-core@4"])?;
    let script = folder.join("node_modules/axe-core/axe.min.js");
    browser("looks::", &[("SLUICE_AXE", &script.to_string_lossy())])
}
