//! `sluice publish`: media or raw bytes to a relay.
//!
//! [`input`] reads, [`media`] cuts and paces, [`broadcast`] owns the tracks and the catalog,
//! [`raw`] is the way around all that for bytes that are no media.

mod broadcast;
mod input;
mod media;
mod raw;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use sluice_client::Client;
use sluice_proto::model::TrackNamespace;

use crate::exit;
use crate::progress::Progress;
use crate::settings::{self, PublishSettings};
use crate::signals::Signals;
pub use input::Source;
pub use media::{MediaOptions, publish_media};

/// Longest wait at the end for viewers to receive what is on its way.
const DELIVERY_MAX: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  A test picture and a tone, live:
    ffmpeg -v error -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440 \\
      -c:v libx264 -preset veryfast -tune zerolatency -g 60 -pix_fmt yuv420p -c:a aac \\
      -f mp4 -movflags cmaf+separate_moof+delay_moov+skip_trailer+frag_every_frame - \\
      | sluice publish https://localhost:4433/moq --namespace live/me

  A file, over and over (MP4 that is not fragmented: ffmpeg -i IN -c copy -f mp4 \\
  -movflags cmaf+frag_keyframe+delay_moov OUT):
    sluice publish moqt://localhost:4433/moq --namespace live/film --loop film.mp4

  Each line of a program's output as an object:
    vmstat 1 | sluice publish https://localhost:4433/moq --namespace host/me --raw --track vmstat

Exit code: 0 all was sent, 1 an error, 130 ended by Ctrl-C or SIGTERM after telling the viewers.";

/// The subcommand.
pub fn command() -> clap::Command {
    let command = clap::Command::new("publish")
        .about("Publish fragmented MP4 (H.264, H.265, AV1, VP9, AAC, Opus), or raw bytes")
        .after_help(EXAMPLES)
        .arg(
            clap::Arg::new("url")
                .value_name("URL")
                .required(true)
                .help("Relay: https://HOST:PORT/moq for WebTransport, moqt://HOST:PORT/moq for raw QUIC"),
        )
        .arg(
            clap::Arg::new("file")
                .value_name("FILE")
                .num_args(0..)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Fragmented MP4; - or nothing: standard input. With --raw: files, each an object"),
        );
    settings::arguments(command, PublishSettings::SETTINGS)
        .mut_arg("drafts", |argument| argument.visible_alias("draft"))
}

/// Publishes until the input ends or a signal comes.
pub fn run(matches: &clap::ArgMatches) -> Result<ExitCode> {
    let settings = settings::read(matches, PublishSettings::SETTINGS)?;
    let url = matches.get_one::<String>("url").context("a URL is required")?;
    let files: Vec<PathBuf> = matches.get_many("file").into_iter().flatten().cloned().collect();
    let namespace = crate::connection::namespace(&settings.namespace)?;
    let mut signals = Signals::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let outcome = runtime.block_on(publish(&settings, url, files, namespace, &mut signals));
    // A thread that still waits for input must not keep the process.
    runtime.shutdown_background();
    Ok(match outcome? {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::Interrupted => ExitCode::from(exit::INTERRUPTED),
    })
}

/// How publishing came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The input ended.
    Finished,
    /// A signal came.
    Interrupted,
}

async fn publish(
    settings: &PublishSettings,
    url: &str,
    files: Vec<PathBuf>,
    namespace: TrackNamespace,
    signals: &mut Signals,
) -> Result<Outcome> {
    if settings.raw {
        let input = raw::RawInput::new(files, settings)?;
        let client = settings.connection().connect(url).await?;
        let mut progress = Progress::new("sending", settings.quiet);
        return raw::publish(&client, namespace, input, settings, signals, &mut progress).await;
    }
    if !settings.track.is_empty() {
        bail!("--track goes with --raw; media tracks are named by their kind: video0, audio0");
    }
    let source = match files.as_slice() {
        [] => Source::Stdin,
        [one] if one.as_os_str() == "-" => Source::Stdin,
        [one] => Source::File(one.clone()),
        more => bail!("{} files; media comes from one, only --raw takes several", more.len()),
    };
    if settings.r#loop && matches!(source, Source::Stdin) {
        bail!("--loop needs a FILE: standard input cannot be read twice");
    }
    source.check()?;
    let client = settings.connection().connect(url).await?;
    let mut progress = Progress::new("sending", settings.quiet);
    let options = MediaOptions {
        packaging: settings.packaging,
        unpaced: settings.unpaced,
        wait_subscriber: settings.wait_subscriber,
        repeat: settings.r#loop,
        ways: Ways::of(settings),
    };
    publish_media(&client, namespace, &source, options, signals, &mut progress).await
}

/// How tracks are made known to the relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ways {
    /// PUBLISH_NAMESPACE.
    pub announce: bool,
    /// PUBLISH for each track.
    pub offer: bool,
}

impl Ways {
    fn of(settings: &PublishSettings) -> Self {
        Self { announce: settings.announce || !settings.offer, offer: settings.offer }
    }
}

/// Runs `work` until it is done, a signal comes, or the session ends.
async fn until_stopped(
    client: &Client,
    signals: &mut Signals,
    work: impl Future<Output = Result<()>>,
) -> Result<Outcome> {
    tokio::select! {
        biased;
        () = signals.next() => Ok(Outcome::Interrupted),
        done = work => done.map(|()| Outcome::Finished),
        reason = client.closed() => bail!("the session ended: {reason}"),
    }
}

/// Ends the tracks, also where the input broke, and the session: viewers receive what is on its
/// way unless another signal comes.
async fn conclude(
    client: &Client,
    signals: &mut Signals,
    outcome: Result<Outcome>,
    end: impl Future<Output = Result<()>>,
) -> Result<Outcome> {
    let ended = tokio::select! {
        biased;
        () = signals.next() => Ok(()),
        ended = tokio::time::timeout(DELIVERY_MAX, end) => ended.unwrap_or(Ok(())),
    };
    let outcome = outcome?;
    ended?;
    client.close().await;
    Ok(outcome)
}

/// A group id above those of all earlier broadcasts: relays tell old from new by it.
fn first_group() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}
