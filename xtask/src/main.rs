//! Project tasks: `cargo xtask <task>`.
//!
//! | Task | What it does |
//! |---|---|
//! | `test` | everything that has to pass before a change lands; `.ci/run` calls it |
//! | `layers` | checks that crates depend only downwards |
//! | `tidy` | checks rules of the code that the compiler does not know |
#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod layers;
mod shell;
mod test;
mod tidy;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask <task>

  test     every check and test; installs or names what is missing
  layers   do crates depend only downwards?
  tidy     rules of the code that the compiler does not know";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["test", ref options @ ..] => test::run(options),
        ["layers"] => layers::check(),
        ["tidy"] => tidy::check(),
        _ => bail!("{USAGE}"),
    }
}
