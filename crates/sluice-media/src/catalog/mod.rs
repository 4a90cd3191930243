//! The MSF catalog: which tracks a broadcast has and how to decode them, as JSON.
//!
//! Written as msf-01 has it (version `draft-01`, `initDataList`, and `initData` beside it for older
//! readers). Read tolerantly: every version since WARP, both forms of init data, all forms of
//! deltas. Fields that are not known here are kept, so that a delta applies to them as well.

mod delta;
mod lenient;
mod message;
mod patch;
mod track;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use delta::{Delta, DeltaOp};
pub use message::CatalogMessage;
pub use patch::PatchError;
pub use track::{CatalogTrack, PRESENTATION_START, Packaging, Role, TrackInit};

/// Name of the catalog's own track.
pub const TRACK_NAME: &str = "catalog";
/// Bytes of one catalog object that are read.
pub const CATALOG_BYTES_MAX: usize = 4 << 20;
/// Tracks in one catalog.
pub const TRACKS_MAX: usize = 1_024;

/// Why a catalog object is refused.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The object is larger than [`CATALOG_BYTES_MAX`].
    #[error("catalog: {bytes} bytes, at most {max} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It is not JSON, or a field has a shape that cannot be read.
    #[error("catalog: {0}")]
    Json(#[from] serde_json::Error),
    /// It is neither an object nor an array.
    #[error("catalog: the root is neither an object nor an array")]
    Root,
    /// Its version is of a format that is not MSF as known today.
    #[error("catalog: version {0} is not known; known are 1 and draft-NN")]
    UnknownVersion(String),
    /// There are too many tracks.
    #[error("catalog: {count} tracks, at most {max} are accepted")]
    TooManyTracks {
        /// How many there are.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A delta names an operation that does not exist.
    #[error("catalog: delta operation `{0}` is none of add, remove, clone, update")]
    UnknownOperation(String),
    /// A delta clones or updates a track that is not there.
    #[error("catalog: delta refers to track `{0}`, which is not in the catalog")]
    UnknownTrack(String),
    /// A JSON Patch does not apply.
    #[error("catalog: {0}")]
    Patch(#[from] PatchError),
    /// Init data is not base64.
    #[error("catalog: init data of track `{0}` is not base64")]
    Base64(String),
    /// A track refers to init data that the catalog does not have inline.
    #[error(
        "catalog: track `{track}` refers to init data `{init_ref}`, which is not listed inline"
    )]
    UnknownInit {
        /// The track.
        track: String,
        /// What it refers to.
        init_ref: String,
    },
}

/// A complete catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// Version of the format.
    pub version: Version,
    /// When it was made, in ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient::int")]
    pub generated_at: Option<u64>,
    /// Whether no track will ever be added again.
    #[serde(
        default,
        skip_serializing_if = "std::ops::Not::not",
        deserialize_with = "lenient::flag"
    )]
    pub is_complete: bool,
    /// The tracks.
    #[serde(default)]
    pub tracks: Vec<CatalogTrack>,
    /// Init data that tracks refer to by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_data_list: Vec<InitData>,
    /// All other root fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Version of the catalog format: a number in WARP and msf-00, text from msf-01 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Version {
    /// `1`.
    Number(u64),
    /// `"draft-01"` and the like.
    Text(String),
}

impl Version {
    /// What Sluice writes.
    pub fn current() -> Self {
        Self::Text("draft-01".to_owned())
    }

    fn check(&self) -> Result<(), CatalogError> {
        let known = match self {
            Self::Number(number) => *number == 1,
            Self::Text(text) => text == "1" || text.starts_with("draft-"),
        };
        let shown = || match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => format!("`{}`", text.chars().take(32).collect::<String>()),
        };
        if known { Ok(()) } else { Err(CatalogError::UnknownVersion(shown())) }
    }
}

/// One entry of `initDataList`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitData {
    /// What `initRef` names.
    pub id: String,
    /// `inline`, or where else the data is.
    #[serde(rename = "type", default = "inline")]
    pub kind: String,
    /// Base64 where inline.
    #[serde(default)]
    pub data: String,
    /// All other fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn inline() -> String {
    "inline".to_owned()
}

impl Catalog {
    /// An empty catalog of the current version.
    pub fn new() -> Self {
        Self {
            version: Version::current(),
            generated_at: None,
            is_complete: false,
            tracks: Vec::new(),
            init_data_list: Vec::new(),
            extra: Map::new(),
        }
    }

    /// The catalog that ends a broadcast: complete and without tracks.
    pub fn ended() -> Self {
        Self { is_complete: true, ..Self::new() }
    }

    /// Adds a track with its init data: listed once however many tracks share it, referred to by
    /// `initRef`, and repeated in the track for readers older than msf-01.
    pub fn push(&mut self, mut track: CatalogTrack, init: Option<&Bytes>) {
        if let Some(init) = init {
            let data = STANDARD.encode(init);
            let listed = self.init_data_list.iter().find(|entry| entry.data == data);
            let id = listed.map(|entry| entry.id.clone()).unwrap_or_else(|| {
                let id = format!("init{}", self.init_data_list.len());
                let entry = InitData {
                    id: id.clone(),
                    kind: inline(),
                    data: data.clone(),
                    extra: Map::new(),
                };
                self.init_data_list.push(entry);
                id
            });
            track.init_ref = Some(id);
            track.init_data = Some(data);
        }
        self.tracks.push(track);
    }

    /// The JSON of a complete catalog.
    pub fn encode(&self) -> Bytes {
        // Only maps with keys other than strings can fail, and there are none.
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }

    /// The init data of a track of this catalog, from wherever it is. `Ok(None)`: it has none.
    ///
    /// # Errors
    /// It is not base64, or refers to data that is not inline.
    pub fn init_of(&self, track: &CatalogTrack) -> Result<Option<Bytes>, CatalogError> {
        let listed = track.init_ref.as_ref().and_then(|init_ref| {
            let inline = |entry: &&InitData| entry.id == *init_ref && entry.kind == "inline";
            self.init_data_list.iter().find(inline).map(|entry| &entry.data)
        });
        match (listed.or(track.init_data.as_ref()), &track.init_ref) {
            (Some(data), _) => decode_base64(data)
                .map(Some)
                .ok_or_else(|| CatalogError::Base64(track.name.clone())),
            (None, Some(init_ref)) => Err(CatalogError::UnknownInit {
                track: track.name.clone(),
                init_ref: init_ref.clone(),
            }),
            (None, None) => Ok(None),
        }
    }

    fn check(self) -> Result<Self, CatalogError> {
        self.version.check()?;
        let count = self.tracks.len();
        if count > TRACKS_MAX {
            return Err(CatalogError::TooManyTracks { count, max: TRACKS_MAX });
        }
        Ok(self)
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

/// Base64 with or without padding, in either alphabet.
fn decode_base64(text: &str) -> Option<Bytes> {
    use base64::alphabet;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = GeneralPurpose::new(&alphabet::STANDARD, config);
    let url = GeneralPurpose::new(&alphabet::URL_SAFE, config);
    standard.decode(text).or_else(|_| url.decode(text)).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests;
