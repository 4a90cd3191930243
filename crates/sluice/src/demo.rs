//! `sluice demo`: a relay with a broadcast on it, and what to do next.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sluice_media::mp4::{DemuxLimits, Demuxer, Item, Mp4Error};

use crate::connection::{ConnectionSettings, namespace, url_host};
use crate::progress::Progress;
use crate::publish::{MediaOptions, Source, Ways, publish_media};
use crate::relay::Relay;
use crate::settings::{self, Audience, Packaging, RelaySettings};
use crate::signals::Signals;

/// A seamless loop of moving picture and sound; `assets/README.md` says how it was made.
const SAMPLE: &[u8] = include_bytes!("../assets/demo.mp4");
/// Namespace of the demo's broadcast.
const NAMESPACE: &str = "demo";
/// Longest time for viewers to leave at the end.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// What is read of a file to see whether it can be published as it is.
const PROBE_BYTES_MAX: usize = 8 << 20;

/// The subcommand.
pub fn command() -> clap::Command {
    let command = clap::Command::new("demo")
        .about("Run a relay with a sample broadcast on it, and say what to do next")
        .arg(
            clap::Arg::new("file")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Video to publish over and over instead of the sample: fragmented MP4, or anything else if ffmpeg is installed"),
        );
    settings::arguments(command, RelaySettings::SETTINGS)
}

/// Runs until a signal ends it.
pub fn run(matches: &clap::ArgMatches) -> Result<ExitCode> {
    let settings = settings::read(matches, RelaySettings::SETTINGS)?;
    let source = match matches.get_one::<PathBuf>("file") {
        Some(file) => source_of(file)?,
        None => Source::Bytes(SAMPLE),
    };
    let mut signals = Signals::start()?;
    let relay = Relay::start(&settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let published = runtime.block_on(publish(&relay, &settings, &source, &mut signals));
    runtime.shutdown_background();
    relay.drain(&settings.goaway_uri, settings.drain.min(DRAIN_MAX));
    relay.wait(&mut signals);
    published?;
    Ok(ExitCode::SUCCESS)
}

async fn publish(
    relay: &Relay,
    settings: &RelaySettings,
    source: &Source,
    signals: &mut Signals,
) -> Result<()> {
    let host = url_host(relay.address());
    let connection = ConnectionSettings {
        drafts: settings.drafts.offered(),
        certificate_sha256: vec![relay.certificate_sha256().to_owned()],
        ca: None,
        insecure: false,
        timeout: Duration::from_secs(10),
        quiet: true,
    };
    let client = connection
        .connect(&format!("moqt://{host}/moq"))
        .await
        .context("cannot reach the demo's own relay")?;
    announce(&host, source, settings.web);
    let options = MediaOptions {
        packaging: Packaging::Cmaf,
        unpaced: false,
        wait_subscriber: false,
        repeat: true,
        ways: Ways { announce: true, offer: false },
    };
    let mut progress = Progress::new("sending", true);
    publish_media(&client, namespace(NAMESPACE)?, source, options, signals, &mut progress).await?;
    Ok(())
}

fn announce(host: &str, source: &Source, web: Audience) {
    let what = match source {
        Source::File(path) | Source::Converted(path) => path.display().to_string(),
        Source::Bytes(_) | Source::Stdin => "a sample video".to_owned(),
    };
    let link = match web {
        Audience::Nobody => String::new(),
        _ => format!(
            "\nWatch it in a browser:\n    http://{host}/player.html?namespace={NAMESPACE}\n"
        ),
    };
    println!(
        "A relay runs here, and {what} plays on it in a loop, as broadcast `{NAMESPACE}`.
{link}
Watch it in another terminal:
    sluice subscribe https://{host}/moq --namespace {NAMESPACE} | ffplay -v error -

Or write ten seconds of it to a file:
    timeout 10 sluice subscribe https://{host}/moq --namespace {NAMESPACE} --output demo.mp4

Publish a video of your own, a picture and a tone that ffmpeg makes:
    ffmpeg -v error -re -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine \\
      -c:v libx264 -tune zerolatency -g 50 -pix_fmt yuv420p -c:a aac \\
      -f mp4 -movflags cmaf+separate_moof+delay_moov+frag_every_frame - \\
      | sluice publish https://{host}/moq --namespace live/me

`sluice` is target/release/sluice when you built it with cargo. The same addresses with moqt://
use raw QUIC instead of WebTransport. Ctrl-C ends the demo.

ready"
    );
}

/// How a file can be published: as it is, or through ffmpeg.
fn source_of(file: &Path) -> Result<Source> {
    match probe(file)? {
        Ok(()) => Ok(Source::File(file.to_owned())),
        Err(Mp4Error::NotFragmented { .. } | Mp4Error::NotMp4 { .. }) if has_ffmpeg() => {
            Ok(Source::Converted(file.to_owned()))
        }
        Err(error @ Mp4Error::NotMp4 { .. }) => bail!(
            "{}: {error}; make it a fragmented MP4 with `ffmpeg -i INPUT -c copy -f mp4 -movflags \
             cmaf+frag_keyframe+delay_moov OUTPUT`",
            file.display()
        ),
        Err(error) => bail!("{}: {error}", file.display()),
    }
}

/// Reads a file up to its first fragment.
fn probe(file: &Path) -> Result<Result<(), Mp4Error>> {
    use std::io::Read;
    let mut input = std::fs::File::open(file)
        .with_context(|| format!("cannot read {}", file.display()))?
        .take(PROBE_BYTES_MAX as u64);
    let mut demuxer = Demuxer::new(DemuxLimits::default());
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count =
            input.read(&mut buffer).with_context(|| format!("cannot read {}", file.display()))?;
        if count == 0 {
            return Ok(demuxer.movie().map(drop).ok_or(Mp4Error::NoMovie));
        }
        demuxer.push(&buffer[..count]);
        loop {
            match demuxer.poll() {
                Ok(Some(Item::Fragment(_))) => return Ok(Ok(())),
                Ok(Some(Item::Movie(_))) => {}
                Ok(None) => break,
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

fn has_ffmpeg() -> bool {
    let asked =
        Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}
