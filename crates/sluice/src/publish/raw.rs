//! `publish --raw`: lines or files as the objects of one track.

use std::io::{BufRead, ErrorKind};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use sluice_client::{Client, Object, TrackWriter};
use sluice_proto::model::{GroupId, Priority, TrackNamespace};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::broadcast::{announce, offer, open_track};
use super::{Outcome, Ways, conclude, first_group, until_stopped};
use crate::progress::Progress;
use crate::settings::PublishSettings;
use crate::signals::Signals;

/// Objects that were read and wait to be sent.
const READ_AHEAD_MAX: usize = 16;

/// What becomes objects.
pub struct RawInput(Vec<PathBuf>);

impl RawInput {
    /// Lines of standard input without files, else each file.
    pub fn new(files: Vec<PathBuf>, settings: &PublishSettings) -> Result<RawInput> {
        if settings.track.is_empty() {
            bail!("--raw needs --track NAME");
        }
        if settings.group_objects == 0 {
            bail!("--group-objects is 0, must be at least 1");
        }
        if settings.r#loop {
            bail!("--loop is for media, not for --raw");
        }
        let files: Vec<PathBuf> =
            if files.iter().any(|file| file.as_os_str() == "-") { Vec::new() } else { files };
        for file in &files {
            std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
        }
        Ok(RawInput(files))
    }

    fn open(self) -> Result<Receiver<Result<Bytes>>> {
        let (sender, receiver) = channel(READ_AHEAD_MAX);
        std::thread::Builder::new()
            .name("sluice-input".into())
            .spawn(
                move || {
                    if self.0.is_empty() { read_lines(&sender) } else { self.read_files(&sender) }
                },
            )
            .context("cannot start a thread")?;
        Ok(receiver)
    }

    fn read_files(self, sender: &Sender<Result<Bytes>>) {
        for file in self.0 {
            let read = std::fs::read(&file).map(Bytes::from);
            let read = read.with_context(|| format!("cannot read {}", file.display()));
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    }
}

fn read_lines(sender: &Sender<Result<Bytes>>) {
    let mut input = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let read = match input.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                Ok(Bytes::from(line))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error).context("cannot read the input"),
        };
        let failed = read.is_err();
        if sender.blocking_send(read).is_err() || failed {
            return;
        }
    }
}

/// Publishes until the input ends or a signal comes, then ends the track.
pub async fn publish(
    client: &Client,
    namespace: TrackNamespace,
    input: RawInput,
    settings: &PublishSettings,
    signals: &mut Signals,
    progress: &mut Progress,
) -> Result<Outcome> {
    let mut writer = open_track(client, &namespace, &settings.track, Priority::default())?;
    let ways = Ways::of(settings);
    if ways.announce {
        announce(client, &namespace).await?;
    }
    if ways.offer {
        offer(&mut writer, &settings.track).await?;
    }
    let work = feed(&mut writer, input, settings, progress);
    let outcome = until_stopped(client, signals, work).await;
    conclude(client, signals, outcome, async { Ok(writer.finish().await?) }).await
}

async fn feed(
    writer: &mut TrackWriter,
    input: RawInput,
    settings: &PublishSettings,
    progress: &mut Progress,
) -> Result<()> {
    if settings.wait_subscriber {
        progress.note("waiting for a subscriber");
        writer.wanted().await?;
    }
    let mut objects = input.open()?;
    let (mut group, mut object) = (first_group(), 0);
    while let Some(payload) = objects.recv().await {
        let payload = payload?;
        progress.object(group, payload.len());
        writer.write(Object::new(group, object, payload)).await?;
        object += 1;
        if object == settings.group_objects {
            writer.end_group(GroupId(group));
            (group, object) = (group + 1, 0);
        }
    }
    Ok(())
}
