//! `cargo xtask idle`: memory of viewers and tracks that only wait.

use anyhow::{Result, bail};

use super::Form;
use super::relay::{Subject, figure, report};

const USAGE: &str = "usage: cargo xtask idle [--short]";
/// Tracks of one publisher, and of one viewer: what sessions may ask for at once.
const TRACKS_EACH: usize = 1000;
/// What an idle viewer and an idle track may take, in KiB.
const VIEWER_KIB: f64 = 64.0;
const TRACK_KIB: f64 = 4.0;
/// Room for 10,000 connections: the relay lets in as many as would fit if all were busy.
const MEMORY_MAX: [&str; 2] = ["--memory-max", "24GiB"];

/// Measures 1,000 and 10,000 of each, of Sluice and of the peers that are installed. A relay of its
/// own for each; nothing is published.
pub fn idle(options: &[&str]) -> Result<()> {
    let (form, counts) = match options {
        [] => (Form::Full, [1_000, 10_000]),
        ["--short"] => (Form::Short, [10, 20]),
        _ => bail!("{USAGE}"),
    };
    if !cfg!(target_os = "linux") {
        println!("what a process uses is read from Linux alone: nothing is measured here");
        return Ok(());
    }
    form.build()?;
    println!("\nMemory of what only waits: each has one subscription, and gets nothing");
    for subject in Subject::all().iter().filter(|subject| !matches!(subject, Subject::Floor)) {
        println!("{}", subject.name());
        for (what, bar) in [("viewers", VIEWER_KIB), ("tracks", TRACK_KIB)] {
            for count in counts {
                match (measure(form, subject, what, count), subject) {
                    (Ok(found), _) => println!("  {}", found.describe(what, count, bar)),
                    (Err(error), Subject::Peer(_)) => {
                        println!("  {count} {what} could not be measured: {error}");
                    }
                    (Err(error), _) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

struct Found {
    kib_each: f64,
    grown_kib: f64,
    cores: f64,
}

fn measure(form: Form, subject: &Subject, what: &str, count: usize) -> Result<Found> {
    let relay = subject.serve(form, &MEMORY_MAX)?;
    let (sessions, each) = (count.div_ceil(TRACKS_EACH), count.min(TRACKS_EACH).to_string());
    let (all, sessions) = (count.to_string(), sessions.to_string());
    let load = match what {
        "viewers" => vec!["--viewers", &all, "--threads", "2"],
        _ => vec![
            "--publishers",
            &sessions,
            "--tracks",
            &each,
            "--viewers",
            &sessions,
            "--tracks-per-viewer",
            &each,
        ],
    };
    let times: &[&str] = match form {
        Form::Full => &["--warmup", "5s", "--duration", "20s", "--connect-timeout", "5m"],
        Form::Short => &["--warmup", "100ms", "--duration", "200ms"],
    };
    let own = form.folder().join("sluice");
    let arguments = [&["--idle"], &load[..], times].concat();
    let report = report(&own, &relay.address, relay.process.0.id(), &arguments)?;
    if report["failed"] != 0 {
        bail!("{}", report["failures"]);
    }
    let bytes = |name: &str| figure(&report, &format!("/cost/{name}_bytes"));
    let cores = report["cost"]["cores"].as_array().into_iter().flatten();
    Ok(Found {
        kib_each: (bytes("idle")? - bytes("empty")?) / count as f64 / 1024.0,
        grown_kib: (bytes("resident")? - bytes("idle")?) / 1024.0,
        cores: cores.filter_map(serde_json::Value::as_f64).sum(),
    })
}

impl Found {
    fn describe(&self, what: &str, count: usize, bar: f64) -> String {
        let Found { kib_each, grown_kib, cores } = self;
        let met = if *kib_each <= bar { "met" } else { "missed" };
        format!(
            "{count:>6} {what:<8}{kib_each:>8.2} KiB each, bar {bar} {met}; grown meanwhile by \
             {grown_kib:.0} KiB; {cores:.3} of a core"
        )
    }
}
