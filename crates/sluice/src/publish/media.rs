//! Media from bytes to a broadcast: demux, cut into objects, wait until each is due.

use std::sync::Arc;

use anyhow::{Result, bail};
use sluice_client::Client;
use sluice_media::mp4::{DemuxLimits, Demuxer, Item, Movie};
use sluice_media::segment::{ObjectUnit, Segment, Segmenter, SegmenterLimits};
use sluice_proto::model::TrackNamespace;
use tokio::time::Instant;

use super::broadcast::Broadcast;
use super::input::{Input, Source};
use super::{Outcome, Ways, conclude, first_group, until_stopped};
use crate::progress::Progress;
use crate::settings::Packaging;
use crate::signals::Signals;

/// How media is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaOptions {
    /// What an object is.
    pub packaging: Packaging,
    /// Whether to ignore the media's own time.
    pub unpaced: bool,
    /// Whether to wait for subscribers first.
    pub wait_subscriber: bool,
    /// Whether to begin again at the end.
    pub repeat: bool,
    /// How the relay learns of it.
    pub ways: Ways,
}

/// Publishes a source until it ends or a signal comes, then ends the tracks.
pub async fn publish_media(
    client: &Client,
    namespace: TrackNamespace,
    source: &Source,
    options: MediaOptions,
    signals: &mut Signals,
    progress: &mut Progress,
) -> Result<Outcome> {
    let mut run = Run {
        client,
        namespace,
        options,
        progress,
        first_group: first_group(),
        cut: None,
        began: None,
    };
    let outcome = until_stopped(client, signals, run.feed(source)).await;
    conclude(client, signals, outcome, run.end()).await
}

struct Run<'a> {
    client: &'a Client,
    namespace: TrackNamespace,
    options: MediaOptions,
    progress: &'a mut Progress,
    first_group: u64,
    /// Once the movie is known.
    cut: Option<(Segmenter, Broadcast)>,
    /// When the first object was sent.
    began: Option<Instant>,
}

impl Run<'_> {
    /// Reads the source to its end, over and over if asked.
    async fn feed(&mut self, source: &Source) -> Result<()> {
        loop {
            self.pass(source).await?;
            let Some((segmenter, _)) = &mut self.cut else { bail!("the input has no media") };
            if !self.options.repeat {
                segmenter.finish();
                return self.drain().await;
            }
            segmenter.restart();
        }
    }

    async fn pass(&mut self, source: &Source) -> Result<()> {
        let mut input = Input::open(source)?;
        let mut demuxer = Demuxer::new(DemuxLimits::default());
        while let Some(bytes) = input.next().await? {
            demuxer.push(&bytes);
            while let Some(item) = demuxer.poll()? {
                match item {
                    Item::Movie(movie) => self.begin(&movie).await?,
                    Item::Fragment(fragment) => {
                        if let Some((segmenter, _)) = &mut self.cut {
                            segmenter.handle_fragment(fragment);
                        }
                        self.drain().await?;
                    }
                }
            }
        }
        Ok(demuxer.finish()?)
    }

    async fn begin(&mut self, movie: &Arc<Movie>) -> Result<()> {
        if self.cut.is_some() {
            return Ok(());
        }
        let limits = SegmenterLimits::default();
        let segmenter = Segmenter::new(movie, ObjectUnit::Sample, self.first_group, limits);
        let MediaOptions { packaging, ways, .. } = self.options;
        let namespace = self.namespace.clone();
        let group = self.first_group;
        let mut broadcast =
            Broadcast::open(self.client, namespace, movie, packaging, group, self.progress).await?;
        broadcast.make_known(self.client, ways).await?;
        self.progress.note(&format!("publishing {}", broadcast.describe()));
        let (_, broadcast) = self.cut.insert((segmenter, broadcast));
        if self.options.wait_subscriber {
            self.progress.note("waiting until every track has a subscriber");
            broadcast.wait_for_subscribers().await?;
        }
        Ok(())
    }

    /// Sends what is cut, each object when it is due.
    async fn drain(&mut self) -> Result<()> {
        while let Some((segmenter, broadcast)) = &mut self.cut
            && let Some(segment) = segmenter.poll()
        {
            if !self.options.unpaced {
                let began = *self.began.get_or_insert_with(Instant::now);
                tokio::time::sleep_until(began + segment.due).await;
            }
            let Segment { group, .. } = segment;
            let bytes = broadcast.send(segment).await?;
            self.progress.object(group, bytes);
        }
        Ok(())
    }

    async fn end(self) -> Result<()> {
        match self.cut {
            Some((_, broadcast)) => broadcast.end().await,
            None => Ok(()),
        }
    }
}
