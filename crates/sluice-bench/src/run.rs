//! One run: phases, and what the relay's process used between them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sluice_client::ConnectError;

use crate::control::{Control, Phase};
use crate::fetcher;
use crate::load::{Load, Relay};
use crate::meter::{Fetched, Meter};
use crate::process::{self, Usage};
use crate::publisher::{self, Published};
use crate::report::{Cost, Report};
use crate::series::Series;
use crate::viewer;

/// Between two looks at how far a run is.
const LOOK: Duration = Duration::from_millis(100);
/// Time in which all threads see that nothing more is published.
const QUIET: Duration = Duration::from_millis(200);
/// Longest wait for what is on its way in the end.
const DRAIN: Duration = Duration::from_secs(3);
/// Failures that a report repeats.
const FAILURES_MAX: usize = 10;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The load contradicts itself.
    #[error("{0}")]
    Load(&'static str),
    /// The relay has no address, or there is no socket, or the trust settings are of no use.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system refused something.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
    /// The relay's process is not there.
    #[error("no process {0}, or the system does not tell what it uses")]
    Process(u32),
    /// Not everyone was let in.
    #[error("after {after:?} only {there} of {wanted} {what} are there{why}")]
    Setup {
        /// Who.
        what: &'static str,
        /// How many are there.
        there: usize,
        /// How many should be.
        wanted: usize,
        /// How long was waited.
        after: Duration,
        /// What the relay or the connection said.
        why: String,
    },
    /// A thread of ours failed.
    #[error("a thread of the load ended unexpectedly")]
    Thread,
}

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Viewers' subscriptions that are there.
    pub subscribed: usize,
    /// Objects that arrived.
    pub delivered: u64,
    /// Since the run began.
    pub elapsed: Duration,
}

struct Threads {
    publisher: JoinHandle<Result<Published, BenchError>>,
    viewers: Vec<JoinHandle<Result<Meter, BenchError>>>,
    reader: Option<JoinHandle<Result<Fetched, BenchError>>>,
}

/// Who looks while time passes.
struct Watch<'a> {
    look: &'a mut dyn FnMut(Progress),
    series: Series,
}

/// Puts the load on the relay and measures. `look` is called several times a second.
pub fn run(
    relay: &Relay,
    load: &Load,
    mut look: impl FnMut(Progress),
) -> Result<Report, BenchError> {
    if let Some(fault) = load.fault() {
        return Err(BenchError::Load(fault));
    }
    let mut number = [0; 4];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    let name = format!("{:08x}", u32::from_be_bytes(number));
    let control = Arc::new(Control::new(load.tracks_total()));
    let mut threads = Threads {
        publisher: publish(relay, load, &name, &control)?,
        viewers: vec![],
        reader: None,
    };
    let mut watch = Watch { look: &mut look, series: Series::new(relay.pid) };
    let measured = measure(relay, load, &name, &control, &mut threads, &mut watch);
    let (meter, published, fetched) = threads.end(&control)?;
    let failures = [&published.failures[..], &meter.failures[..], &fetched.failures[..]].concat();
    let cost = measured.map_err(|error| explain(error, &failures))?;
    let mut report = Report::new(load, relay, &meter, &published.late, &fetched, cost);
    report.series = watch.series.into_samples();
    report.failed = control.failed.load(Ordering::Relaxed);
    report.failures = failures.into_iter().take(FAILURES_MAX).collect();
    Ok(report)
}

/// A run that could not begin says what its connections were told.
fn explain(mut error: BenchError, failures: &[String]) -> BenchError {
    if let (BenchError::Setup { why, .. }, Some(first)) = (&mut error, failures.first()) {
        *why = format!(" ({first})");
    }
    error
}

fn publish(
    relay: &Relay,
    load: &Load,
    name: &str,
    control: &Arc<Control>,
) -> io::Result<JoinHandle<Result<Published, BenchError>>> {
    let (relay, load, name) = (relay.clone(), load.clone(), name.to_owned());
    let control = control.clone();
    let work = move || publisher::publish(&relay, &load, &name, &control);
    thread::Builder::new().name("publishers".into()).spawn(work)
}

fn view(
    relay: &Relay,
    load: &Load,
    name: &str,
    control: &Arc<Control>,
) -> io::Result<Vec<JoinHandle<Result<Meter, BenchError>>>> {
    let begin = |part: usize| {
        let (relay, load, name) = (relay.clone(), load.clone(), name.to_owned());
        let control = control.clone();
        let work = move || viewer::view(&relay, &load, &name, part, &control);
        thread::Builder::new().name(format!("viewers-{part}")).spawn(work)
    };
    (0..load.threads).map(begin).collect()
}

fn read(
    relay: &Relay,
    load: &Load,
    name: &str,
    control: &Arc<Control>,
) -> io::Result<Option<JoinHandle<Result<Fetched, BenchError>>>> {
    if load.fetch_readers == 0 || load.idle {
        return Ok(None);
    }
    let (relay, load, name) = (relay.clone(), load.clone(), name.to_owned());
    let control = control.clone();
    let work = move || fetcher::fetch(&relay, &load, &name, &control);
    thread::Builder::new().name("fetch-readers".into()).spawn(work).map(Some)
}

fn measure(
    relay: &Relay,
    load: &Load,
    name: &str,
    control: &Arc<Control>,
    threads: &mut Threads,
    watch: &mut Watch<'_>,
) -> Result<Cost, BenchError> {
    let usage = || match relay.pid {
        Some(pid) => process::usage(pid).map(Some).ok_or(BenchError::Process(pid)),
        None => Ok(None),
    };
    let own = || process::usage(std::process::id()).unwrap_or_default();
    let announced = || control.announced.load(Ordering::Relaxed);
    await_count("publishers", load.publishers, load.setup, announced, threads, control, watch)?;
    let empty = usage()?;
    threads.viewers = view(relay, load, name, control)?;
    threads.reader = read(relay, load, name, control)?;
    let viewers = load.viewers + load.slow_viewers + load.stopping_viewers;
    let wanted = viewers * load.tracks_per_viewer;
    let subscribed = || control.subscribed.load(Ordering::Relaxed);
    await_count("subscriptions", wanted, load.setup, subscribed, threads, control, watch)?;
    let mut idle = usage()?;
    if !load.idle {
        control.enter(Phase::Warm);
    }
    pass(load.warmup, threads, control, watch)?;
    let (before, own_before) = (usage()?, own());
    if load.idle {
        // What only connecting took is given back by now.
        idle.clone_from(&before);
    } else {
        control.enter(Phase::Measure);
    }
    watch.series.begin();
    let began = Instant::now();
    pass(load.duration, threads, control, watch)?;
    let (after, own_after) = (usage()?, own());
    watch.series.end();
    control.enter(Phase::Quiet);
    let measured = began.elapsed();
    pass(QUIET, threads, control, watch)?;
    control.enter(Phase::Drain);
    let until = Instant::now() + DRAIN;
    while control.finished.load(Ordering::Relaxed) < load.viewers && Instant::now() < until {
        pass(LOOK, threads, control, watch)?;
    }
    let busiest = own_after.since(&own_before).first().copied().unwrap_or_default();
    let resident = |usage: &Option<Usage>| usage.as_ref().map(|usage| usage.resident_bytes);
    Ok(Cost {
        measured,
        threads: after.as_ref().zip(before.as_ref()).map(|(after, before)| after.since(before)),
        empty_bytes: resident(&empty),
        idle_bytes: resident(&idle),
        active_bytes: resident(&after),
        own_busiest: busiest,
    })
}

/// Waits until so many are there.
fn await_count(
    what: &'static str,
    wanted: usize,
    longest: Duration,
    there: impl Fn() -> usize,
    threads: &Threads,
    control: &Control,
    watch: &mut Watch<'_>,
) -> Result<(), BenchError> {
    let until = Instant::now() + longest;
    loop {
        let there = there();
        if there >= wanted {
            return Ok(());
        }
        let failed = control.failed.load(Ordering::Relaxed) > 0;
        if failed || Instant::now() >= until {
            let after = control.start.elapsed();
            return Err(BenchError::Setup { what, there, wanted, after, why: String::new() });
        }
        pass(LOOK, threads, control, watch)?;
    }
}

/// Lets time pass, unless a thread has ended.
fn pass(
    time: Duration,
    threads: &Threads,
    control: &Control,
    watch: &mut Watch<'_>,
) -> Result<(), BenchError> {
    let until = Instant::now() + time;
    loop {
        let viewers_ended = threads.viewers.iter().any(JoinHandle::is_finished);
        let reader_ended = threads.reader.as_ref().is_some_and(JoinHandle::is_finished);
        if threads.publisher.is_finished() || viewers_ended || reader_ended {
            return Err(BenchError::Thread);
        }
        watch.series.look(control);
        (watch.look)(Progress {
            subscribed: control.subscribed.load(Ordering::Relaxed),
            delivered: control.delivered.load(Ordering::Relaxed),
            elapsed: control.start.elapsed(),
        });
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK));
    }
}

impl Threads {
    /// Ends them, and tells what all of them saw. The error of one that failed is the run's.
    fn end(self, control: &Control) -> Result<(Meter, Published, Fetched), BenchError> {
        control.enter(Phase::Leave);
        let viewers: Vec<_> = self.viewers.into_iter().map(JoinHandle::join).collect();
        let reader = self.reader.map(JoinHandle::join);
        control.enter(Phase::Stop);
        let published = self.publisher.join().map_err(|_| BenchError::Thread)??;
        let mut meter = Meter::default();
        for seen in viewers {
            meter.add(seen.map_err(|_| BenchError::Thread)??);
        }
        let fetched = match reader {
            Some(seen) => seen.map_err(|_| BenchError::Thread)??,
            None => Fetched::default(),
        };
        Ok((meter, published, fetched))
    }
}
