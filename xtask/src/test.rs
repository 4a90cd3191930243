//! `cargo xtask test`: everything that has to pass before a change lands.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::{bench, fuzz, layers, licences, shell, tidy};

/// Runs every check and test in order, cheap ones first.
pub fn run(options: &[&str]) -> Result<()> {
    if let Some(unknown) = options.first() {
        bail!("`cargo xtask test` takes no option, got {unknown}");
    }
    let started = Instant::now();
    tools()?;
    shell::run("cargo", &["fmt", "--all", "--check"])?;
    layers::check()?;
    tidy::check()?;
    licences::check()?;
    let every = ["--workspace", "--all-targets", "--locked"];
    shell::run("cargo", &[&["clippy"], &every[..], &["--", "-D", "warnings"]].concat())?;
    shell::run_with(
        "cargo",
        &["doc", "--workspace", "--no-deps", "--locked"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    let tests = ["test", "--workspace", "--locked", "--all-targets"];
    shell::run("cargo", &[&tests[..], &["--no-run"]].concat())?;
    let beside = std::thread::spawn(builds_beside);
    shell::run("cargo", &tests)?;
    shell::run("cargo", &["test", "--workspace", "--locked", "--doc"])?;
    let guided = beside.join().expect("a build does not panic")?;
    bench::short()?;
    fuzz::hunt(&guided, FUZZ_SECONDS, &[])?;
    println!("\neverything passed in {} s", started.elapsed().as_secs());
    Ok(())
}

/// What tests leave the machine time for, as many of them wait: the runner for fuzzing, and whether
/// the product can be built without what its tests need. In this order, as the tests' own start needs
/// the folder that the latter builds in.
fn builds_beside() -> Result<PathBuf> {
    let guided = fuzz::build(shell::run_beside)?;
    shell::run_beside("cargo", &["check", "--locked", "--package", "sluice"], &[])?;
    Ok(guided)
}

/// Guided fuzzing of each target; longer runs are a command of their own.
const FUZZ_SECONDS: &str = "5";

/// A program that tests need, and the Debian package that has it.
const TOOLS: &[(&str, &str)] =
    &[("ffmpeg", "ffmpeg"), ("ffprobe", "ffmpeg"), ("chromium", "chromium"), ("c++", "g++")];

/// Those without which a part of the tests says that it did nothing.
const WISHED: &[(&str, &str)] = &[("firefox-esr", "firefox-esr")];

/// Installs missing programs where that is possible, else names them in one line.
fn tools() -> Result<()> {
    let (needed, wished) = (missing(TOOLS), missing(WISHED));
    if needed.is_empty() && wished.is_empty() {
        return Ok(());
    }
    if shell::has("apt-get") && shell::output("id", &["-u"])?.trim() == "0" {
        shell::run("apt-get", &["update", "-qq"])?;
        if !needed.is_empty() {
            install(&needed)?;
        }
        if !wished.is_empty() && install(&wished).is_err() {
            println!("going on without {}", wished.join(" "));
        }
        return Ok(());
    }
    if needed.is_empty() {
        println!("going on without {0}; on Debian: sudo apt-get install {0}", wished.join(" "));
        return Ok(());
    }
    bail!("tests need {0}; on Debian: sudo apt-get install {0}", needed.join(" "))
}

/// The packages of those programs that are not there.
fn missing(tools: &[(&str, &'static str)]) -> Vec<&'static str> {
    let missing = tools.iter().filter(|(program, _)| !shell::has(program));
    let mut packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}

fn install(packages: &[&str]) -> Result<()> {
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    shell::run_with(
        "apt-get",
        &[&install[..], packages].concat(),
        &[("DEBIAN_FRONTEND", "noninteractive")],
    )
}
