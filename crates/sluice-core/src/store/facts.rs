//! What an object's properties say to the store.

use sluice_proto::model::property::kind;
use sluice_proto::model::{Location, Properties, PropertyValue};

use super::malformed::MalformedTrack;

/// The gaps that one object announces, known to fit in front of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ObjectFacts {
    /// Groups just before the object's that do not exist.
    pub(super) group_gap: Option<u64>,
    /// Objects just before it that do not exist.
    pub(super) object_gap: Option<u64>,
}

impl ObjectFacts {
    /// Checks and reads `properties` of the object at `object`.
    pub(super) fn read(
        properties: &Properties,
        object: Location,
    ) -> Result<ObjectFacts, MalformedTrack> {
        if properties.is_empty() {
            return Ok(ObjectFacts::default());
        }
        properties
            .check_object(object)
            .map_err(|fault| MalformedTrack::Properties { object, fault })?;
        let int = |kind| match properties.get(kind) {
            Some(PropertyValue::Int(value)) => Some(value),
            Some(PropertyValue::Bytes(_)) | None => None,
        };
        Ok(ObjectFacts {
            group_gap: int(kind::PRIOR_GROUP_ID_GAP),
            object_gap: int(kind::PRIOR_OBJECT_ID_GAP),
        })
    }
}
