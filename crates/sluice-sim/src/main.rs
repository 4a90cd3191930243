//! Runs many seeds: `cargo xtask sim --seeds 50000`.
//!
//! Options: `--seeds N` (default 1000), `--from SEED` (default 0), `--seed SEED` for one seed,
//! `--shards K` (default every number that is always run; may be repeated), `--lane model|quic`
//! (default model), `--cast NAME` for what these do not name (two sessions without a relay),
//! `--threads N` (default all cores).
//! Every failing seed is printed as it is found, with the command that replays it; add it to
//! `seeds.txt` so that it always runs. How far many seeds are is told on standard error. With
//! `SLUICE_TRACE` set, every event of the run is printed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sluice_sim::lane::LaneKind;
use sluice_sim::seeds::{Cast, Options, Progress, RELAY_SHARDS, run_many};

const USAGE: &str = "usage: cargo xtask sim [--seeds N] [--from SEED] [--seed SEED] \
                     [--shards K]... [--lane model|quic] [--cast NAME]... [--threads N]";

/// Seeds from one line about progress to the next.
const REPORT_SEEDS: u64 = 1000;

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            println!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if options.count > 1 {
        // Failures are printed with the command that replays them, which shows the rest.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let (start, mut done) = (Instant::now(), AtomicU64::new(0));
    let failures = run_many(&options, |progress| match progress {
        Progress::Failed(failure) => println!("{failure}\n"),
        Progress::Done(seeds) => {
            done.fetch_max(seeds, Ordering::Relaxed);
            if seeds % REPORT_SEEDS == 0 {
                eprintln!("{seeds} of {} seeds after {:.0?}", options.count, start.elapsed());
            }
        }
    });
    let runs = *done.get_mut() * options.casts.len() as u64;
    println!("{runs} runs, {} failed", failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { count: 1000, ..Options::default() };
    let mut casts = Vec::new();
    let mut shards = Vec::new();
    let mut lane = LaneKind::Model;
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--seeds" => options.count = number(&value)?,
            "--from" => options.from = number(&value)?,
            "--seed" => (options.from, options.count) = (number(&value)?, 1),
            "--threads" => options.threads = number(&value)?,
            "--cast" => casts.push(value.parse()?),
            "--shards" => shards.push(number(&value)?),
            "--lane" if value == "model" => lane = LaneKind::Model,
            "--lane" if value == "quic" => lane = LaneKind::Quic,
            "--lane" => return Err(format!("{value:?} is no lane; there are model and quic")),
            _ => return Err(format!("unknown option {flag}")),
        }
    }
    if casts.is_empty() && shards.is_empty() {
        shards.extend(RELAY_SHARDS);
    }
    casts.extend(shards.into_iter().map(|shards| Cast::Relay { shards, lane }));
    options.casts = casts;
    Ok(options)
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}
