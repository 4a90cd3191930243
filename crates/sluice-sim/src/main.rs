//! Runs many seeds: `cargo run -p sluice-sim --release -- --seeds 50000`.
//!
//! Options: `--seeds N` (default 1000), `--from SEED` (default 0), `--seed SEED` for one seed,
//! `--shards 1|3` (default both), `--threads N` (default all cores). Every failing seed is printed
//! with the command that replays it; add it to `seeds.txt` so that it always runs.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::process::ExitCode;

use sluice_sim::seeds::{Options, run_many};

fn main() -> ExitCode {
    let mut options = Options { count: 1000, ..Options::default() };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().and_then(|value| value.parse::<u64>().ok());
        match (flag.as_str(), value) {
            ("--seeds", Some(count)) => options.count = count,
            ("--from", Some(from)) => options.from = from,
            ("--seed", Some(seed)) => (options.from, options.count) = (seed, 1),
            ("--shards", Some(shards)) => options.shards = vec![shards as usize],
            ("--threads", Some(threads)) => options.threads = threads as usize,
            _ => {
                println!(
                    "usage: sluice-sim [--seeds N] [--from SEED] [--seed SEED] [--shards N] [--threads N]"
                );
                return ExitCode::from(2);
            }
        }
    }
    let failures = run_many(&options);
    for failure in &failures {
        println!("{failure}\n");
    }
    let runs = options.count * options.shards.len() as u64;
    println!("{} runs, {} failed", runs, failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
