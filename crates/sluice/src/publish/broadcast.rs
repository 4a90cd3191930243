//! A broadcast: its tracks, how their objects are packaged, and the catalog that lists them.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use sluice_client::{Client, ClientError, Object, TrackWriter};
use sluice_media::catalog::{self, Catalog, CatalogTrack};
use sluice_media::loc::{LocPackager, LocProperties, LocStyle, LocValue, Origin};
use sluice_media::mp4::{ChunkHead, Movie, Track, TrackKind, write_chunk};
use sluice_media::segment::Segment;
use sluice_proto::model::{
    FullTrackName, GroupId, Priority, Properties, PropertyEncoding, PropertyValue, TrackName,
    TrackNamespace, TrackProperties, TrackSettings,
};
use tokio::task::JoinSet;

use super::Ways;
use crate::progress::Progress;
use crate::settings::Packaging;

/// Lower goes first: who has no catalog can do nothing, and a gap in sound disturbs more than one
/// in the picture.
const CATALOG_PRIORITY: Priority = Priority(32);
const AUDIO_PRIORITY: Priority = Priority(64);
const VIDEO_PRIORITY: Priority = Priority(128);

/// Tracks that are being published together.
pub struct Broadcast {
    namespace: TrackNamespace,
    catalog: TrackWriter,
    catalog_group: u64,
    /// By index in the movie; `None` for those left out.
    tracks: Vec<Option<MediaTrack>>,
    sequence: u32,
}

struct MediaTrack {
    name: String,
    codec: String,
    writer: TrackWriter,
    packager: Packager,
    priority: Priority,
    group: Option<u64>,
}

enum Packager {
    Cmaf { track_id: u32 },
    Loc(Box<LocPackager>),
}

impl Broadcast {
    /// Opens the tracks of a movie and writes their catalog. Nobody knows of them yet.
    pub async fn open(
        client: &Client,
        namespace: TrackNamespace,
        movie: &Movie,
        packaging: Packaging,
        first_group: u64,
        progress: &mut Progress,
    ) -> Result<Broadcast> {
        let mut listed = Catalog::new();
        listed.generated_at = Some(first_group);
        let mut tracks = Vec::with_capacity(movie.tracks.len());
        let origin = Origin::of(movie);
        let (mut videos, mut audios) = (0, 0);
        for track in &movie.tracks {
            let (name, priority) = match track.kind {
                TrackKind::Video => (numbered("video", &mut videos), VIDEO_PRIORITY),
                TrackKind::Audio => (numbered("audio", &mut audios), AUDIO_PRIORITY),
                TrackKind::Other(kind) => {
                    progress.warn(&format!("track {} (`{kind}`) is left out", track.id));
                    tracks.push(None);
                    continue;
                }
            };
            let packager = match Packager::new(track, packaging, origin) {
                Ok(packager) => packager,
                Err(error) => {
                    progress.warn(&format!("track {} is left out: {error}", track.id));
                    tracks.push(None);
                    continue;
                }
            };
            let described = match packaging {
                Packaging::Cmaf => CatalogTrack::cmaf(&name, track),
                Packaging::Loc => CatalogTrack::loc(&name, track, origin),
            };
            let codec = described.track.codec.clone().unwrap_or_else(|| "unknown".to_owned());
            listed.push(described.track, described.init.as_ref());
            let writer = open_track(client, &namespace, &name, priority)?;
            tracks.push(Some(MediaTrack { name, codec, writer, packager, priority, group: None }));
        }
        if tracks.iter().all(Option::is_none) {
            bail!("the input has no video or audio track that can be published");
        }
        let mut catalog = open_track(client, &namespace, catalog::TRACK_NAME, CATALOG_PRIORITY)?;
        write_catalog(&mut catalog, first_group, listed.encode()).await?;
        Ok(Broadcast { namespace, catalog, catalog_group: first_group, tracks, sequence: 0 })
    }

    /// Tells the relay.
    pub async fn make_known(&mut self, client: &Client, ways: Ways) -> Result<()> {
        if ways.announce {
            announce(client, &self.namespace).await?;
        }
        if ways.offer {
            for track in self.tracks.iter_mut().flatten() {
                offer(&mut track.writer, &track.name).await?;
            }
            // Last, so that who sees the catalog finds the tracks.
            offer(&mut self.catalog, catalog::TRACK_NAME).await?;
        }
        Ok(())
    }

    /// Waits until every media track is wanted.
    pub async fn wait_for_subscribers(&mut self) -> Result<()> {
        for track in self.tracks.iter_mut().flatten() {
            track.writer.wanted().await?;
        }
        Ok(())
    }

    /// Sends an object; how many bytes it has.
    pub async fn send(&mut self, segment: Segment) -> Result<usize> {
        let Some(track) = &mut self.tracks[segment.track] else { return Ok(0) };
        self.sequence = self.sequence.wrapping_add(1);
        let (properties, payload) = track.packager.object(&segment, self.sequence)?;
        if let Some(ended) = track.group.replace(segment.group).filter(|it| *it != segment.group) {
            track.writer.end_group(GroupId(ended));
        }
        let bytes = payload.len();
        let mut object = Object::new(segment.group, segment.object, payload);
        object.priority = Some(track.priority);
        object.properties = properties;
        track.writer.write(object).await?;
        Ok(bytes)
    }

    /// Ends every track, waits until viewers have all of it, and then ends the catalog.
    pub async fn end(mut self) -> Result<()> {
        let mut ends = JoinSet::new();
        for track in self.tracks.into_iter().flatten() {
            ends.spawn(track.writer.finish());
        }
        while let Some(ended) = ends.join_next().await {
            ended??;
        }
        write_catalog(&mut self.catalog, self.catalog_group + 1, Catalog::ended().encode()).await?;
        Ok(self.catalog.finish().await?)
    }

    /// Its tracks, for people.
    pub fn describe(&self) -> String {
        let tracks: Vec<String> = self
            .tracks
            .iter()
            .flatten()
            .map(|track| format!("{} ({})", track.name, track.codec))
            .collect();
        format!("{}: {}", self.namespace, tracks.join(", "))
    }
}

impl Packager {
    fn new(track: &Track, packaging: Packaging, origin: Origin) -> Result<Self> {
        Ok(match packaging {
            Packaging::Cmaf => Packager::Cmaf { track_id: track.id },
            Packaging::Loc => {
                Packager::Loc(Box::new(LocPackager::new(track, origin, LocStyle::Loc04)?))
            }
        })
    }

    fn object(&self, segment: &Segment, sequence: u32) -> Result<(Properties, Bytes)> {
        match self {
            Packager::Cmaf { track_id } => {
                let head = ChunkHead { track_id: *track_id, sequence };
                Ok((Properties::default(), write_chunk(head, &segment.samples)))
            }
            Packager::Loc(packager) => {
                let sample = segment.samples.first().context("an object without a frame")?;
                let object = packager.object(sample, segment.object == 0);
                Ok((properties(object.properties)?, object.payload))
            }
        }
    }
}

fn numbered(kind: &str, count: &mut usize) -> String {
    let name = format!("{kind}{count}");
    *count += 1;
    name
}

fn properties(loc: LocProperties) -> Result<Properties> {
    let entries = loc.0.into_iter().map(|(kind, value)| match value {
        LocValue::Int(value) => (kind, PropertyValue::Int(value)),
        LocValue::Bytes(value) => (kind, PropertyValue::Bytes(value)),
    });
    Ok(Properties::from_entries(PropertyEncoding::DeltaVi64, entries)?)
}

/// Opens a track of a namespace.
pub fn open_track(
    client: &Client,
    namespace: &TrackNamespace,
    name: &str,
    priority: Priority,
) -> Result<TrackWriter> {
    let track = FullTrackName::new(namespace.clone(), TrackName::new(name.to_owned())?)?;
    let settings = TrackSettings { priority: Some(priority), ..TrackSettings::default() };
    Ok(client.open_track(track, TrackProperties::from_settings(&settings)))
}

/// Announces a namespace.
pub async fn announce(client: &Client, namespace: &TrackNamespace) -> Result<()> {
    let announced = client.publish_namespace(namespace.clone()).await;
    announced.with_context(|| format!("cannot publish the namespace {namespace}"))
}

/// Offers a track.
pub async fn offer(writer: &mut TrackWriter, name: &str) -> Result<()> {
    writer.offer().await.with_context(|| format!("cannot offer track {name}"))
}

async fn write_catalog(
    writer: &mut TrackWriter,
    group: u64,
    payload: Bytes,
) -> Result<(), ClientError> {
    let mut object = Object::new(group, 0, payload);
    object.priority = Some(CATALOG_PRIORITY);
    writer.write(object).await?;
    writer.end_group(GroupId(group));
    Ok(())
}
