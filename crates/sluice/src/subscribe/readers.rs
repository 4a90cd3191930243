//! Several tracks read together, whichever has something next.

use std::future::poll_fn;
use std::task::Poll;

use anyhow::Result;
use sluice_client::{Client, Object, Reader};
use sluice_media::catalog::CatalogTrack;
use sluice_proto::model::{ObjectStatus, TrackNamespace};
use tokio::task::JoinSet;

use super::wait::Waiting;
use crate::progress::Progress;

/// Tracks that are being read.
pub struct Readers {
    open: Vec<Track>,
    /// Where the next look begins, so that no track starves another.
    turn: usize,
    complete: bool,
}

struct Track {
    index: usize,
    name: String,
    reader: Reader,
}

impl Readers {
    /// Subscribes to all tracks at once: each is asked for before any is answered.
    pub async fn subscribe(
        client: &Client,
        waiting: &Waiting<'_>,
        tracks: &[CatalogTrack],
    ) -> Result<Readers> {
        let mut asked = JoinSet::new();
        for (index, track) in tracks.iter().enumerate() {
            let namespace = match &track.namespace {
                Some(path) => TrackNamespace::from_path(path)?,
                None => waiting.namespace.clone(),
            };
            let (client, name, at_most) = (client.clone(), track.name.clone(), waiting.at_most());
            asked.spawn(async move {
                let waiting = Waiting::new(&namespace, at_most);
                let reader = waiting.subscribe(&client, &name).await?;
                anyhow::Ok(Track { index, name, reader })
            });
        }
        let mut open = Vec::new();
        while let Some(subscribed) = asked.join_next().await {
            open.push(subscribed??);
        }
        Ok(Readers { open, turn: 0, complete: true })
    }

    /// One track by itself.
    pub fn one(name: &str, reader: Reader) -> Readers {
        let track = Track { index: 0, name: name.to_owned(), reader };
        Readers { open: vec![track], turn: 0, complete: true }
    }

    /// The next object with the index of its track; `None` when all tracks have ended.
    pub async fn next(&mut self, progress: &mut Progress) -> Option<(usize, Object)> {
        while !self.open.is_empty() {
            let (at, news) = poll_fn(|context| {
                for step in 0..self.open.len() {
                    let at = (self.turn + step) % self.open.len();
                    if let Poll::Ready(news) = self.open[at].reader.poll_next(context) {
                        return Poll::Ready((at, news));
                    }
                }
                Poll::Pending
            })
            .await;
            self.turn = at + 1;
            match news {
                Ok(Some(object)) if object.status == ObjectStatus::Normal => {
                    return Some((self.open[at].index, object));
                }
                Ok(Some(_)) => {}
                Ok(None) => self.ended(at, progress),
                Err(error) => {
                    let track = self.open.swap_remove(at);
                    self.complete = false;
                    progress.warn(&format!("{} broke off: {error}", track.name));
                }
            }
        }
        None
    }

    fn ended(&mut self, at: usize, progress: &mut Progress) {
        let track = self.open.swap_remove(at);
        if let Some(end) = track.reader.end().filter(|end| !end.complete) {
            self.complete = false;
            progress.warn(&format!(
                "{} is not complete: it ended with {:?} ({})",
                track.name, end.code, end.reason
            ));
        }
    }

    /// Whether no track that ended so far lacks anything.
    pub fn are_complete(&self) -> bool {
        self.complete
    }
}
