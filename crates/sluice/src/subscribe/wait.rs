//! Waiting for a publisher: by the relay where the draft can say so, else by asking again.

use std::time::Duration;

use anyhow::{Result, anyhow};
use sluice_client::{Client, ClientError, Join, Reader};
use sluice_proto::model::{FullTrackName, RequestCode, TrackName, TrackNamespace};
use tokio::time::Instant;

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(300);
/// Wait for the first object of a track that is there.
const PATIENCE_MIN: Duration = Duration::from_secs(5);

/// A wait with an end.
pub struct Waiting<'a> {
    pub namespace: &'a TrackNamespace,
    at_most: Duration,
    until: Instant,
}

impl<'a> Waiting<'a> {
    /// Begins to wait.
    pub fn new(namespace: &'a TrackNamespace, at_most: Duration) -> Self {
        let now = Instant::now();
        // A wait beyond the clock's range is one without end.
        let until = now.checked_add(at_most).unwrap_or(now + Duration::from_secs(1 << 30));
        Self { namespace, at_most, until }
    }

    /// How long the whole wait may be.
    pub fn at_most(&self) -> Duration {
        self.at_most
    }

    /// When to give up on a track that is there but says nothing.
    pub fn patience(&self) -> Instant {
        self.until.max(Instant::now() + PATIENCE_MIN)
    }

    /// Subscribes to a track of the namespace from the start of its current group, as soon as
    /// somebody publishes it.
    pub async fn subscribe(&self, client: &Client, name: &str) -> Result<Reader> {
        let name = TrackName::new(name.to_owned())?;
        let track = FullTrackName::new(self.namespace.clone(), name)?;
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let rendezvous = Some(left).filter(|left| !left.is_zero());
            let subscribed =
                client.subscribe_with(track.clone(), Join::CurrentGroup, None, rendezvous).await;
            match subscribed {
                Ok(reader) => return Ok(reader),
                Err(ClientError::Refused(error)) if means_nobody(error.code) => {
                    self.pause().await?;
                }
                Err(error) => return Err(anyhow!("cannot subscribe to {track}: {error}")),
            }
        }
    }

    /// A moment until the next attempt, or the error that there is none.
    pub async fn pause(&self) -> Result<()> {
        let now = Instant::now();
        if now >= self.until {
            return Err(anyhow!(
                "nobody publishes {} there (waited {:?}): start `sluice publish URL --namespace {}` \
                 first, or wait longer with --wait",
                self.namespace,
                self.at_most,
                self.namespace
            ));
        }
        tokio::time::sleep_until(self.until.min(now + RETRY)).await;
        Ok(())
    }
}

/// Whether a refusal means that a publisher may still come.
fn means_nobody(code: RequestCode) -> bool {
    matches!(code, RequestCode::DoesNotExist | RequestCode::Timeout | RequestCode::GoingAway)
}
