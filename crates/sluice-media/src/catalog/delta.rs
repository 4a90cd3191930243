//! Changes to a catalog, in each of the three forms that MSF has had.
//!
//! | Since | Form |
//! |---|---|
//! | WARP | a JSON Patch (RFC 6902): an array at the root |
//! | warp-01, msf-00 | `deltaUpdate: true` with `addTracks`, `removeTracks`, `cloneTracks` |
//! | msf-01 | `deltaUpdate`: an array of operations on tracks |

use serde_json::{Map, Value};

use super::patch;
use super::{Catalog, CatalogError};

/// A change to a catalog.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// A JSON Patch.
    Patch(Vec<Value>),
    /// Operations on tracks, applied in order.
    Operations {
        /// The operations.
        operations: Vec<(DeltaOp, Vec<Map<String, Value>>)>,
        /// Other root fields, which replace those of the catalog.
        root: Map<String, Value>,
    },
}

/// What happens to the tracks of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaOp {
    /// They are new, or replace those of their name.
    Add,
    /// They end.
    Remove,
    /// They are copies of `parentName` with other fields.
    Clone,
    /// Their fields change.
    Update,
}

impl Delta {
    pub(super) fn decode(root: Value) -> Result<Self, CatalogError> {
        let mut fields = match root {
            Value::Array(operations) => return Ok(Self::Patch(operations)),
            Value::Object(fields) => fields,
            _ => return Err(CatalogError::Root),
        };
        let mut operations = Vec::new();
        if let Some(Value::Array(listed)) = fields.remove("deltaUpdate") {
            for mut operation in listed {
                let name = operation["op"].as_str().unwrap_or_default().to_owned();
                let op = match name.as_str() {
                    "add" => DeltaOp::Add,
                    "remove" => DeltaOp::Remove,
                    "clone" => DeltaOp::Clone,
                    "update" => DeltaOp::Update,
                    _ => return Err(CatalogError::UnknownOperation(name)),
                };
                operations.push((op, tracks_of(operation["tracks"].take())));
            }
        }
        let arrays = [
            ("addTracks", DeltaOp::Add),
            ("removeTracks", DeltaOp::Remove),
            ("cloneTracks", DeltaOp::Clone),
        ];
        for (field, op) in arrays {
            if let Some(tracks) = fields.remove(field) {
                operations.push((op, tracks_of(tracks)));
            }
        }
        fields.retain(|name, _| matches!(name.as_str(), "generatedAt" | "isComplete"));
        Ok(Self::Operations { operations, root: fields })
    }
}

/// The tracks of an operation; a track may also be named by a string alone.
fn tracks_of(tracks: Value) -> Vec<Map<String, Value>> {
    let Value::Array(tracks) = tracks else { return Vec::new() };
    let fields = |track| match track {
        Value::Object(fields) => Some(fields),
        Value::String(name) => Some(Map::from_iter([("name".to_owned(), Value::String(name))])),
        _ => None,
    };
    tracks.into_iter().filter_map(fields).collect()
}

impl Catalog {
    /// The catalog after a change. This one stays as it is, also when the change does not apply.
    ///
    /// # Errors
    /// A track to clone or update does not exist, a patch does not apply, or what comes out is no
    /// catalog.
    pub fn apply(&self, delta: &Delta) -> Result<Self, CatalogError> {
        let mut root = serde_json::to_value(self)?;
        match delta {
            Delta::Patch(operations) => patch::apply(&mut root, operations)?,
            Delta::Operations { operations, root: fields } => {
                let tracks = root["tracks"].as_array_mut().ok_or(CatalogError::Root)?;
                for (op, changed) in operations {
                    for track in changed {
                        apply_to(tracks, *op, track)?;
                    }
                }
                for (name, value) in fields {
                    root[name] = value.clone();
                }
            }
        }
        serde_json::from_value::<Self>(root)?.check()
    }
}

fn apply_to(
    tracks: &mut Vec<Value>,
    op: DeltaOp,
    change: &Map<String, Value>,
) -> Result<(), CatalogError> {
    let named = |field: &str| change.get(field).and_then(Value::as_str);
    let name = named("name");
    // `update` has been drawn with `parentName` and with `name`.
    let target = match op {
        DeltaOp::Add | DeltaOp::Remove => name,
        DeltaOp::Clone => named("parentName"),
        DeltaOp::Update => named("parentName").or(name),
    };
    let space = match op {
        DeltaOp::Clone | DeltaOp::Update => named("parentNamespace").or(named("namespace")),
        _ => named("namespace"),
    };
    let at = tracks.iter().position(|track| {
        track["name"].as_str() == target
            && (space.is_none() || track["namespace"].as_str() == space)
    });
    let unknown = || CatalogError::UnknownTrack(target.unwrap_or_default().to_owned());
    match op {
        DeltaOp::Add => {
            let added = Value::Object(change.clone());
            match at {
                Some(at) => tracks[at] = added,
                None => tracks.push(added),
            }
        }
        // Removing what is gone changes nothing.
        DeltaOp::Remove => {
            at.map(|at| tracks.remove(at));
        }
        DeltaOp::Clone => {
            let copy = merged(&tracks[at.ok_or_else(unknown)?], change);
            tracks.push(copy);
        }
        DeltaOp::Update => {
            let at = at.ok_or_else(unknown)?;
            tracks[at] = merged(&tracks[at], change);
        }
    }
    Ok(())
}

fn merged(track: &Value, change: &Map<String, Value>) -> Value {
    let mut fields = track.as_object().cloned().unwrap_or_default();
    for (name, value) in change {
        if !matches!(name.as_str(), "parentName" | "parentNamespace") {
            fields.insert(name.clone(), value.clone());
        }
    }
    Value::Object(fields)
}
