//! `sluice subscribe`: a broadcast from a relay into one playable file, or raw objects.
//!
//! [`wait`] finds who publishes, [`selection`] picks tracks from the catalog, [`readers`] reads
//! them together, [`mux`] makes one file of them, [`output`] writes in a thread of its own.

mod mux;
mod output;
mod raw;
mod readers;
mod selection;
mod wait;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sluice_client::{Client, Reader};
use sluice_media::catalog::{self, Catalog, CatalogMessage};
use sluice_proto::model::{ObjectStatus, TrackNamespace};

use crate::exit;
use crate::progress::Progress;
use crate::settings::{self, SubscribeSettings};
use crate::signals::Signals;
use mux::Muxer;
use output::{Output, Written};
use readers::Readers;
use selection::Selection;
use wait::Waiting;

/// Longest wait after a signal for what was received to be written.
const FLUSH_MAX: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  Watch:
    sluice subscribe https://localhost:4433/moq --namespace live/me | ffplay -v error -

  Record, waiting up to an hour for the publisher:
    sluice subscribe moqt://localhost:4433/moq --namespace live/me --wait 1h --output me.mp4

  The lines that `publish --raw` sends:
    sluice subscribe https://localhost:4433/moq --namespace host/me --raw --track vmstat

Exit code: 0 everything from the start to the tracks' end was written, 3 something is missing,
1 an error, 130 ended by Ctrl-C or SIGTERM.";

/// The subcommand.
pub fn command() -> clap::Command {
    let command = clap::Command::new("subscribe")
        .about("Subscribe to a broadcast and write playable MP4, or raw bytes")
        .after_help(EXAMPLES)
        .arg(clap::Arg::new("url").value_name("URL").required(true).help(
            "Relay: https://HOST:PORT/moq for WebTransport, moqt://HOST:PORT/moq for raw QUIC",
        ));
    settings::arguments(command, SubscribeSettings::SETTINGS)
        .mut_arg("drafts", |argument| argument.visible_alias("draft"))
        .mut_arg("output", |argument| argument.short('o'))
}

/// Subscribes until the tracks end or a signal comes.
pub fn run(matches: &clap::ArgMatches) -> Result<ExitCode> {
    let settings = settings::read(matches, SubscribeSettings::SETTINGS)?;
    let url = matches.get_one::<String>("url").context("a URL is required")?;
    let namespace = crate::connection::namespace(&settings.namespace)?;
    check(&settings)?;
    let mut signals = Signals::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let outcome = runtime.block_on(async {
        let client = tokio::select! {
            biased;
            () = signals.next() => return Ok(Outcome::Interrupted),
            client = async { settings.connection().connect(url).await } => client?,
        };
        let outcome = if settings.raw {
            raw::subscribe(&client, &namespace, &settings, &mut signals).await
        } else {
            subscribe(&client, &namespace, &settings, &mut signals).await
        };
        client.close().await;
        outcome
    });
    // A thread that still waits for a full pipe must not keep the process.
    runtime.shutdown_background();
    Ok(match outcome? {
        Outcome::Complete => ExitCode::SUCCESS,
        Outcome::Incomplete => ExitCode::from(exit::INCOMPLETE),
        Outcome::Interrupted => ExitCode::from(exit::INTERRUPTED),
    })
}

fn check(settings: &SubscribeSettings) -> Result<()> {
    if settings.raw && (settings.track.len() != 1 || settings.video || settings.audio) {
        bail!("--raw takes one track: give --track NAME");
    }
    if !settings.raw && settings.out_dir.is_some() {
        bail!("--out-dir goes with --raw; media goes to --output FILE");
    }
    if settings.out_dir.is_some() && settings.output.is_some() {
        bail!("give --output or --out-dir, not both");
    }
    Ok(())
}

/// How subscribing came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    /// Every object from the join to the tracks' end was written.
    Complete,
    /// Some were not.
    Incomplete,
    /// A signal came.
    Interrupted,
}

impl Outcome {
    fn of(complete: bool) -> Self {
        if complete { Outcome::Complete } else { Outcome::Incomplete }
    }
}

/// Runs `work` until it is done or a signal comes.
async fn until_signal(
    signals: &mut Signals,
    work: impl Future<Output = Result<Outcome>>,
) -> Result<Outcome> {
    tokio::select! {
        biased;
        () = signals.next() => Ok(Outcome::Interrupted),
        done = work => done,
    }
}

async fn subscribe(
    client: &Client,
    namespace: &TrackNamespace,
    settings: &SubscribeSettings,
    signals: &mut Signals,
) -> Result<Outcome> {
    let mut progress = Progress::new("receiving", settings.quiet);
    let waiting = Waiting::new(namespace, settings.wait);
    let joined = async {
        progress.note(&format!("looking for {namespace}"));
        let (catalog, changes) = find(client, &waiting).await?;
        let selection = Selection::new(settings, catalog)?;
        progress.note(&format!("receiving {}", selection.describe()));
        let readers = Readers::subscribe(client, &waiting, selection.tracks()).await?;
        drop(changes);
        anyhow::Ok((selection, readers))
    };
    let (selection, mut readers) = tokio::select! {
        biased;
        () = signals.next() => return Ok(Outcome::Interrupted),
        joined = joined => joined?,
    };
    let muxer = Muxer::new(&selection)?;
    let mut copy =
        Copy { muxer, output: Output::open(settings.output.as_deref())?, complete: true };
    let outcome = until_signal(signals, copy.run(&mut readers, &mut progress)).await;
    copy.muxer.finish();
    let rest = async {
        let _ = copy.write_ready().await?;
        copy.output.finish().await
    };
    conclude(outcome, rest).await
}

/// Writes the rest. After a signal, a reader that takes nothing is not waited for.
async fn conclude(
    outcome: Result<Outcome>,
    rest: impl Future<Output = Result<()>>,
) -> Result<Outcome> {
    if outcome.as_ref().is_ok_and(|outcome| *outcome == Outcome::Interrupted) {
        let _ = tokio::time::timeout(FLUSH_MAX, rest).await;
        return outcome;
    }
    rest.await?;
    outcome
}

/// Waits for somebody who publishes the broadcast, and reads the catalog. Its subscription is
/// handed back, so that the relay keeps the publisher until the tracks are subscribed to.
async fn find(client: &Client, waiting: &Waiting<'_>) -> Result<(Catalog, Reader)> {
    loop {
        let mut reader = waiting.subscribe(client, catalog::TRACK_NAME).await?;
        let first = match tokio::time::timeout_at(waiting.patience(), first_payload(&mut reader))
            .await
        {
            Ok(first) => first?,
            Err(_) => bail!(
                "{} is published, but its catalog does not come: is it media? (--raw --track NAME \
                 takes any track)",
                waiting.namespace
            ),
        };
        let Some(payload) = first else {
            // It ended before it said anything: as if nobody had been there.
            waiting.pause().await?;
            continue;
        };
        let message = CatalogMessage::decode(&payload).with_context(|| {
            format!(
                "track `catalog` of {} is no MSF catalog; --raw --track NAME takes any track",
                waiting.namespace
            )
        })?;
        match message {
            CatalogMessage::Full(catalog) if catalog.is_complete && catalog.tracks.is_empty() => {
                // The broadcast is over; another may follow.
                drop(reader);
                waiting.pause().await?;
            }
            CatalogMessage::Full(catalog) => return Ok((catalog, reader)),
            CatalogMessage::Delta(_) => bail!(
                "the catalog of {} begins with a change instead of a complete catalog",
                waiting.namespace
            ),
        }
    }
}

async fn first_payload(reader: &mut Reader) -> Result<Option<bytes::Bytes>> {
    while let Some(object) = reader.next().await? {
        if object.status == ObjectStatus::Normal {
            return Ok(Some(object.payload));
        }
    }
    Ok(None)
}

/// Objects on their way into a file.
struct Copy {
    muxer: Muxer,
    output: Output,
    complete: bool,
}

impl Copy {
    async fn run(&mut self, readers: &mut Readers, progress: &mut Progress) -> Result<Outcome> {
        while let Some((track, object)) = readers.next(progress).await {
            progress.object(object.location.group.0, object.payload.len());
            if let Err(error) = self.muxer.handle_object(track, &object) {
                progress.warn(&format!("left out {}: {error}", object.location));
                self.complete = false;
            }
            if self.write_ready().await? == Written::NobodyReads {
                return Ok(Outcome::Complete);
            }
        }
        Ok(Outcome::of(self.complete && readers.are_complete()))
    }

    async fn write_ready(&mut self) -> Result<Written> {
        while let Some(bytes) = self.muxer.poll() {
            if self.output.write(bytes).await == Written::NobodyReads {
                return Ok(Written::NobodyReads);
            }
        }
        Ok(Written::Taken)
    }
}
