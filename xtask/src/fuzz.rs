//! `cargo xtask fuzz`: looks for inputs that break a decoder's promise, guided by coverage.
//!
//! Runs on the stable toolchain: the flags below are what makes the compiler count which branches
//! an input takes. They go to the target only (`--target`), as build scripts cannot be linked with
//! them, and into a target folder of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

const COVERAGE: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

const SECONDS: &str = "10";
const FOLDER: &str = "target/fuzz";

/// Runs the named targets, or all, each for some seconds; an error at the first finding.
pub fn run(options: &[&str]) -> Result<()> {
    let (seconds, wanted) = parse(options)?;
    let guided = build(shell::run_with)?;
    hunt(&guided, seconds, &wanted)
}

/// Runs the named targets, or all, of a runner that is built.
pub fn hunt(guided: &Path, seconds: &str, wanted: &[&str]) -> Result<()> {
    let listed = shell::output("cargo", &seeds(&[]))?;
    let all: Vec<&str> = listed.lines().filter_map(|line| line.split('\t').next()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        bail!("no fuzz target {unknown}; there are {}", all.join(", "));
    }
    for target in all.into_iter().filter(|name| wanted.is_empty() || wanted.contains(name)) {
        let corpus = format!("{FOLDER}/corpus/{target}");
        shell::output("cargo", &seeds(&[target, &corpus]))?;
        throw(guided, target, seconds, &corpus)?;
    }
    Ok(())
}

fn parse<'a>(options: &[&'a str]) -> Result<(&'a str, Vec<&'a str>)> {
    let mut seconds = SECONDS;
    let mut wanted = Vec::new();
    let mut options = options.iter();
    while let Some(&option) = options.next() {
        match option {
            "--seconds" => seconds = options.next().context("--seconds wants a number")?,
            name if name.starts_with('-') => bail!("unknown option {name}"),
            name => wanted.push(name),
        }
    }
    seconds.parse::<u32>().with_context(|| format!("{seconds} is no number of seconds"))?;
    Ok((seconds, wanted))
}

fn seeds<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let run = ["run", "--quiet", "--locked", "--package", "sluice-fuzz", "--bin", "seeds", "--"];
    [&run[..], arguments].concat()
}

/// Throws inputs at one target; what the runner says is shown only if it found something.
fn throw(guided: &Path, target: &str, seconds: &str, corpus: &str) -> Result<()> {
    let output = Command::new(guided)
        .args(["-timeout=10", "-rss_limit_mb=1024", "-verbosity=0", "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={FOLDER}/{target}-"))
        .arg(corpus)
        .env("SLUICE_FUZZ_TARGET", target)
        .env("RUST_BACKTRACE", "0")
        .current_dir(shell::root())
        .output()
        .with_context(|| format!("cannot start {}", guided.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        eprintln!("{said}");
        bail!("{target}: a finding, in {FOLDER}/{target}-*; see fuzz/README.md");
    }
    let stat = |name: &str| {
        let value = said.lines().find_map(|line| line.strip_prefix(name));
        value.map_or("?", str::trim)
    };
    let inputs = stat("stat::number_of_executed_units:");
    println!("fuzz: {target}: {inputs} inputs in {seconds} s, nothing found");
    Ok(())
}

/// How a command is run.
type Run = fn(&str, &[&str], &[(&str, &str)]) -> Result<()>;

/// Builds the guided runner and tells where it is.
pub fn build(run: Run) -> Result<PathBuf> {
    let version = shell::output("rustc", &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say what it runs on")?;
    run(
        "cargo",
        &[
            "build",
            "--locked",
            "--package=sluice-fuzz",
            "--bin=guided",
            "--features=guided",
            &format!("--target={host}"),
            &format!("--target-dir={FOLDER}"),
        ],
        &[("RUSTFLAGS", &COVERAGE.join(" "))],
    )
    .context("guided fuzzing needs a C++ compiler (on Debian: sudo apt-get install g++)")?;
    Ok(shell::root().join(FOLDER).join(host).join("debug/guided"))
}
