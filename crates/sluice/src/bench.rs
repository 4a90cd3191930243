//! `sluice bench`: load for any relay, and what the relay did with it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sluice_bench::{Load, Relay, Report};

use crate::exit;
use crate::progress::Line;
use crate::settings::{self, BenchSettings};

const EXAMPLES: &str = "\
Examples:
  300 viewers of one track of 1.2 KB objects, 50 a second, on a relay of this machine:
    sluice bench moqt://localhost:4433/moq --pid $(pidof sluice)

  200 tracks with a viewer each:
    sluice bench moqt://localhost:4433/moq --tracks 200 --viewers 200

  Two relays in turns, five rounds, with the ratio of what an object costs them:
    sluice bench moqt://localhost:4433/moq --pid 1001 \\
      --against moqt://localhost:4443 --against-pid 1002 --rounds 5

Exit code: 0 nothing was lost, 3 something was, 1 an error.";

/// The subcommand.
pub fn command() -> clap::Command {
    let command = clap::Command::new("bench")
        .about("Put load on a relay and measure what it does with it, and what that costs")
        .after_help(EXAMPLES)
        .arg(clap::Arg::new("url").value_name("URL").required(true).help(
            "Relay: https://HOST:PORT/moq for WebTransport, moqt://HOST:PORT/moq for raw QUIC",
        ));
    settings::arguments(command, BenchSettings::SETTINGS)
        .mut_arg("drafts", |argument| argument.visible_alias("draft"))
}

/// Runs it.
pub fn run(matches: &clap::ArgMatches) -> Result<ExitCode> {
    let settings = settings::read(matches, BenchSettings::SETTINGS)?;
    let url = matches.get_one::<String>("url").context("clap requires the URL")?;
    if settings.rounds == 0 {
        bail!("--rounds is at least 1");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let relay = |url: &str, pid| -> Result<Relay> {
        let (target, trust) = runtime.block_on(settings.connection().target(url))?;
        Ok(Relay { target, trust, pid })
    };
    let mut relays = vec![relay(url, settings.pid)?];
    if let Some(other) = &settings.against {
        relays.push(relay(other, settings.against_pid)?);
    }
    let load = load(&settings);
    let mut reports = Vec::new();
    for _ in 0..settings.rounds {
        // In turns, so that whatever else the machine does meets both.
        for relay in &relays {
            let mut line = Line::new(settings.quiet);
            let mut delivered = 0;
            let report = sluice_bench::run(relay, &load, |progress| {
                draw(&mut line, &mut delivered, &progress);
            });
            line.clear();
            let report = report?;
            print!("{report}");
            reports.push(report);
        }
    }
    if relays.len() == 2 {
        println!("{}", compare(&reports));
    }
    if let Some(path) = &settings.json {
        write_json(path, &reports)?;
    }
    let whole = reports.iter().all(Report::is_whole);
    Ok(if whole { ExitCode::SUCCESS } else { exit::INCOMPLETE.into() })
}

fn load(settings: &BenchSettings) -> Load {
    Load {
        drafts: settings.drafts.clone(),
        publishers: settings.publishers,
        tracks: settings.tracks,
        viewers: settings.viewers,
        tracks_per_viewer: settings.tracks_per_viewer,
        object_bytes: settings.object_bytes,
        rate: settings.rate,
        group_objects: settings.group_objects,
        datagrams: settings.datagrams,
        slow_viewers: settings.slow_viewers,
        slow_bytes: settings.slow_bytes,
        stopping_viewers: settings.stopping_viewers,
        fetch_readers: settings.fetch_readers,
        idle: settings.idle,
        joins_per_second: settings.joins,
        threads: settings.threads,
        warmup: settings.warmup,
        duration: settings.duration,
        setup: settings.connect_timeout,
    }
}

fn write_json(path: &Path, reports: &[Report]) -> Result<()> {
    let text = serde_json::to_string_pretty(reports)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What an object cost the first relay against the second, round by round: the middle ratio and
/// the outermost two.
fn compare(reports: &[Report]) -> String {
    let cpu = |report: &Report| report.cost.as_ref().map(|cost| cost.cpu_us_per_object);
    let p99 = |report: &Report| Some(report.latency.p99_us as f64);
    let line = |what, of: &dyn Fn(&Report) -> Option<f64>| {
        let ratio = |round: &[Report]| Some(of(round.first()?)? / of(round.get(1)?)?);
        let mut ratios: Vec<f64> = reports.chunks(2).filter_map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        match ratios[..] {
            [] => format!("  {what:<12} not known without --pid and --against-pid"),
            [first, ..] => {
                let (middle, last) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
                format!("  {what:<12} {middle:.2} ({first:.2} to {last:.2})")
            }
        }
    };
    let rounds = reports.len() / 2;
    let title = format!("first relay against the second, {rounds} rounds");
    [title, line("CPU/object", &cpu), line("p99 latency", &p99)].join("\n")
}

/// Draws how far a run is, and the rate since the last time. `before` is what was delivered then.
fn draw(line: &mut Line, before: &mut u64, progress: &sluice_bench::Progress) {
    let Some(since) = line.due() else { return };
    let rate = (progress.delivered - *before) as f64 / since.as_secs_f64();
    let (there, elapsed) = (progress.subscribed, progress.elapsed.as_secs());
    line.draw(&format!("{elapsed} s, {there} subscriptions, {rate:.0} objects/s"));
    *before = progress.delivered;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(cpu: f64, p99_us: u64) -> Report {
        let cost = sluice_bench::report::RelayCost { cpu_us_per_object: cpu, ..Default::default() };
        let latency = sluice_bench::report::Percentiles { p99_us, ..Default::default() };
        Report { cost: Some(cost), latency, ..Report::default() }
    }

    #[test]
    fn two_relays_are_compared_round_by_round() {
        let rounds = [(10.0, 20.0), (12.0, 20.0), (40.0, 20.0)];
        let reports: Vec<Report> =
            rounds.iter().flat_map(|(a, b)| [report(*a, 1000), report(*b, 2000)]).collect();
        let text = compare(&reports);
        assert!(text.contains("0.60 (0.50 to 2.00)"), "{text}");
        assert!(text.contains("p99 latency  0.50 (0.50 to 0.50)"), "{text}");
    }

    #[test]
    fn without_process_ids_the_cost_is_not_known() {
        let none = [Report::default(), Report::default()];
        assert!(compare(&none).contains("--against-pid"));
    }
}
