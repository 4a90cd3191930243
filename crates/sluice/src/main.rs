//! `sluice`: a Media over QUIC relay and its tools.
//!
//! Each subcommand has a module. Settings and their sources are in [`settings`]. Protocol and
//! routing decisions are made in the crates below, never here.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod bench;
mod connection;
mod demo;
mod exit;
mod moq_go_server;
mod progress;
mod publish;
mod relay;
mod settings;
mod signals;
mod subscribe;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Command;

fn main() -> ExitCode {
    let arguments = match moq_go_server::translate(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("sluice: {error}");
            return ExitCode::FAILURE;
        }
    };
    let matches = command().get_matches_from(arguments);
    start_log();
    let result = match matches.subcommand() {
        Some(("relay", matches)) => relay::run(matches),
        Some(("publish", matches)) => publish::run(matches),
        Some(("subscribe", matches)) => subscribe::run(matches),
        Some(("demo", matches)) => demo::run(matches),
        Some(("bench", matches)) => bench::run(matches),
        _ => unreachable!("clap requires a known subcommand"),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sluice: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    Command::new("sluice")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A Media over QUIC relay that speaks every draft, and its tools")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(demo::command())
        .subcommand(relay::command())
        .subcommand(publish::command())
        .subcommand(subscribe::command())
        .subcommand(bench::command())
}

/// Logs go to standard error, `info` and up unless `RUST_LOG` says otherwise.
fn start_log() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
