//! Writes the seeds of a target as files into a folder: `seeds TARGET FOLDER`. Without arguments
//! it lists the targets.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::path::Path;

use sluice_fuzz::{TARGETS, Target};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = &arguments[..] else {
        for target in TARGETS {
            println!("{}\t{}", target.name, target.promise);
        }
        return Ok(());
    };
    let target = Target::find(name).ok_or_else(|| std::io::Error::other("no such target"))?;
    std::fs::create_dir_all(folder)?;
    for (index, seed) in target.seeds().flatten().enumerate() {
        std::fs::write(Path::new(folder).join(format!("seed-{index:03}")), seed)?;
    }
    Ok(())
}
