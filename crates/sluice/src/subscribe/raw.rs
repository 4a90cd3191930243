//! `subscribe --raw`: the payloads of one track, a line or a file each.

use std::path::PathBuf;

use anyhow::{Context, Result};
use bytes::{BufMut, BytesMut};
use sluice_client::{Client, Object};
use sluice_proto::model::TrackNamespace;

use super::output::{Output, Written, write_whole};
use super::readers::Readers;
use super::wait::Waiting;
use super::{Outcome, conclude, until_signal};
use crate::progress::Progress;
use crate::settings::SubscribeSettings;
use crate::signals::Signals;

enum Sink {
    Lines(Output),
    Files(PathBuf),
}

/// Writes objects until the track ends or a signal comes.
pub async fn subscribe(
    client: &Client,
    namespace: &TrackNamespace,
    settings: &SubscribeSettings,
    signals: &mut Signals,
) -> Result<Outcome> {
    let mut progress = Progress::new("receiving", settings.quiet);
    let name = settings.track.first().context("--raw needs --track NAME")?;
    let mut sink = Sink::open(settings)?;
    let waiting = Waiting::new(namespace, settings.wait);
    let work = async {
        let reader = waiting.subscribe(client, name).await?;
        let mut readers = Readers::one(name, reader);
        while let Some((_, object)) = readers.next(&mut progress).await {
            progress.object(object.location.group.0, object.payload.len());
            if sink.write(object).await? == Written::NobodyReads {
                return Ok(Outcome::Complete);
            }
        }
        Ok(Outcome::of(readers.are_complete()))
    };
    let outcome = until_signal(signals, work).await;
    conclude(outcome, sink.finish()).await
}

impl Sink {
    fn open(settings: &SubscribeSettings) -> Result<Sink> {
        let Some(folder) = &settings.out_dir else {
            return Ok(Sink::Lines(Output::open(settings.output.as_deref())?));
        };
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Sink::Files(folder.clone()))
    }

    async fn write(&mut self, object: Object) -> Result<Written> {
        match self {
            Sink::Lines(output) => {
                let mut line = BytesMut::with_capacity(object.payload.len() + 1);
                line.put(object.payload);
                line.put_u8(b'\n');
                Ok(output.write(line.freeze()).await)
            }
            Sink::Files(folder) => {
                let name = format!("{}-{}", object.location.group.0, object.location.object.0);
                write_whole(folder, &name, &object.payload)?;
                Ok(Written::Taken)
            }
        }
    }

    async fn finish(&mut self) -> Result<()> {
        match self {
            Sink::Lines(output) => output.finish().await,
            Sink::Files(_) => Ok(()),
        }
    }
}
