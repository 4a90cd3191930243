//! Objects of the tracks taken, into one fragmented MP4.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use sluice_client::Object;
use sluice_media::catalog::Packaging;
use sluice_media::loc::{LocDialect, LocMuxer, LocProperties, LocValue};
use sluice_media::mp4::{CmafMuxer, MuxError, MuxLimits, Start};
use sluice_proto::model::{Properties, PropertyValue};

use super::selection::Selection;

/// Makes one file.
pub enum Muxer {
    /// Of chunks.
    Cmaf(CmafMuxer),
    /// Of frames.
    Loc(LocMuxer),
}

impl Muxer {
    /// A muxer for these tracks, in their order.
    pub fn new(selection: &Selection) -> Result<Muxer> {
        let catalog = selection.catalog();
        let limits = MuxLimits::default();
        match selection.packaging() {
            Packaging::Cmaf => {
                let mut headers = Vec::new();
                for track in selection.tracks() {
                    let header = catalog.init_of(track)?.with_context(|| {
                        format!("the catalog has no initialization data for track {}", track.name)
                    })?;
                    headers.push(header);
                }
                Ok(Muxer::Cmaf(CmafMuxer::new(&headers, Start::Zero, limits)?))
            }
            Packaging::Loc => {
                let mut tracks = Vec::new();
                for track in selection.tracks() {
                    tracks.push(track.loc_track(catalog.init_of(track)?, LocDialect::Lenient));
                }
                Ok(Muxer::Loc(LocMuxer::new(tracks, Start::Zero, limits)?))
            }
            other => bail!(
                "packaging {other:?} of track {} is not supported; --raw writes its payloads",
                selection.tracks()[0].name
            ),
        }
    }

    /// Takes the next object of a track.
    pub fn handle_object(&mut self, track: usize, object: &Object) -> Result<(), MuxError> {
        match self {
            Muxer::Cmaf(muxer) => muxer.handle_object(track, &object.payload),
            Muxer::Loc(muxer) => {
                let place = (object.location.group.0, object.location.object.0);
                let properties = loc_properties(&object.properties);
                muxer.handle_object(track, place, &properties, &object.payload)
            }
        }
    }

    /// No more objects come.
    pub fn finish(&mut self) {
        match self {
            Muxer::Cmaf(muxer) => muxer.finish(),
            Muxer::Loc(muxer) => muxer.finish(),
        }
    }

    /// The next bytes of the file: the header, then a fragment each.
    pub fn poll(&mut self) -> Option<Bytes> {
        match self {
            Muxer::Cmaf(muxer) => muxer.poll(),
            Muxer::Loc(muxer) => muxer.poll(),
        }
    }
}

fn loc_properties(properties: &Properties) -> LocProperties {
    let entries = properties.entries().map(|(kind, value)| match value {
        PropertyValue::Int(value) => (kind, LocValue::Int(value)),
        PropertyValue::Bytes(value) => (kind, LocValue::Bytes(value)),
    });
    LocProperties(entries.collect())
}
