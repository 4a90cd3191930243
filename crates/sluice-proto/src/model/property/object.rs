//! What the properties of one object must not say.

use super::{Properties, PropertyEncoding, PropertyValue, kind};
use crate::model::Location;

/// Why the properties of an object make its track malformed (MOQT-18 §12.5, §12.7, §2.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MalformedProperties {
    /// A gap before the object is stated twice.
    #[error("gap property {kind:#x} occurs more than once")]
    RepeatedGap {
        /// The property's type.
        kind: u64,
    },
    /// A gap reaches below id 0.
    #[error("gap property {kind:#x} of {gap} reaches below 0 from {id}")]
    GapTooLarge {
        /// The property's type.
        kind: u64,
        /// The stated gap.
        gap: u64,
        /// The group or object id it counts down from.
        id: u64,
    },
    /// Immutable properties inside immutable properties.
    #[error("immutable properties contain immutable properties")]
    NestedImmutable,
    /// The content of immutable properties is no block of properties.
    #[error("the content of immutable properties cannot be parsed")]
    BrokenImmutable,
    /// A property that only tracks have and that must be understood.
    #[error("object property {kind:#x} is of the range of mandatory track properties")]
    MandatoryOnObject {
        /// The property's type.
        kind: u64,
    },
}

impl Properties {
    /// Checks what the drafts say about the properties of the object at `location`. Gaps count
    /// wherever they stand, inside the immutable ones too.
    pub fn check_object(&self, location: Location) -> Result<(), MalformedProperties> {
        if self.is_empty() {
            return Ok(());
        }
        let mut gaps = Gaps::default();
        for (kind, value) in self.entries() {
            match value {
                PropertyValue::Int(value) => self.check_int(kind, value, location, &mut gaps)?,
                PropertyValue::Bytes(inner) if kind == kind::IMMUTABLE => {
                    let inner = Properties::parse(self.encoding(), inner)
                        .map_err(|_| MalformedProperties::BrokenImmutable)?;
                    for (kind, value) in inner.entries() {
                        match value {
                            PropertyValue::Int(value) => {
                                self.check_int(kind, value, location, &mut gaps)?;
                            }
                            PropertyValue::Bytes(_) if kind == kind::IMMUTABLE => {
                                return Err(MalformedProperties::NestedImmutable);
                            }
                            PropertyValue::Bytes(_) => self.check_scope(kind)?,
                        }
                    }
                }
                PropertyValue::Bytes(_) => self.check_scope(kind)?,
            }
        }
        Ok(())
    }

    fn check_int(
        &self,
        kind: u64,
        value: u64,
        location: Location,
        gaps: &mut Gaps,
    ) -> Result<(), MalformedProperties> {
        let (seen, id) = match kind {
            kind::PRIOR_GROUP_ID_GAP => (&mut gaps.group, location.group.0),
            kind::PRIOR_OBJECT_ID_GAP => (&mut gaps.object, location.object.0),
            _ => return self.check_scope(kind),
        };
        if std::mem::replace(seen, true) {
            return Err(MalformedProperties::RepeatedGap { kind });
        }
        if value > id {
            return Err(MalformedProperties::GapTooLarge { kind, gap: value, id });
        }
        Ok(())
    }

    /// The range has its meaning in the drafts of one encoding only; for others its types are
    /// ordinary ones.
    fn check_scope(&self, kind: u64) -> Result<(), MalformedProperties> {
        if self.encoding() == PropertyEncoding::DeltaVi64 && kind::MANDATORY.contains(&kind) {
            return Err(MalformedProperties::MandatoryOnObject { kind });
        }
        Ok(())
    }
}

#[derive(Default)]
struct Gaps {
    group: bool,
    object: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const AT: Location = Location::new(7, 3);

    fn block(pairs: &[(u64, PropertyValue)]) -> Properties {
        Properties::from_entries(PropertyEncoding::DeltaVi64, pairs.iter().cloned()).unwrap()
    }

    fn int(kind: u64, value: u64) -> (u64, PropertyValue) {
        (kind, PropertyValue::Int(value))
    }

    fn immutable(inner: &Properties) -> (u64, PropertyValue) {
        (kind::IMMUTABLE, PropertyValue::Bytes(inner.raw().clone()))
    }

    #[test]
    fn gaps_down_to_zero_are_fine_and_below_it_are_not() {
        let fine = block(&[int(kind::PRIOR_GROUP_ID_GAP, 7), int(kind::PRIOR_OBJECT_ID_GAP, 3)]);
        assert_eq!(fine.check_object(AT), Ok(()));
        for (kind, gap, id) in [(kind::PRIOR_GROUP_ID_GAP, 8, 7), (kind::PRIOR_OBJECT_ID_GAP, 4, 3)]
        {
            let refused = MalformedProperties::GapTooLarge { kind, gap, id };
            assert_eq!(block(&[int(kind, gap)]).check_object(AT), Err(refused));
        }
    }

    #[test]
    fn a_gap_stated_twice_is_refused_also_when_one_is_immutable() {
        let gap = int(kind::PRIOR_OBJECT_ID_GAP, 1);
        let refused = Err(MalformedProperties::RepeatedGap { kind: kind::PRIOR_OBJECT_ID_GAP });
        assert_eq!(block(&[gap.clone(), gap.clone()]).check_object(AT), refused);
        let inner = block(std::slice::from_ref(&gap));
        assert_eq!(block(&[immutable(&inner), gap]).check_object(AT), refused);
    }

    #[test]
    fn immutable_properties_hold_a_flat_block() {
        let inner = block(&[int(4, 1)]);
        let once = block(&[immutable(&inner)]);
        assert_eq!(once.check_object(AT), Ok(()));
        let twice = block(&[immutable(&once)]);
        assert_eq!(twice.check_object(AT), Err(MalformedProperties::NestedImmutable));
        let cut = PropertyValue::Bytes(Bytes::from_static(&[4]));
        let broken = block(&[(kind::IMMUTABLE, cut)]);
        assert_eq!(broken.check_object(AT), Err(MalformedProperties::BrokenImmutable));
    }

    #[test]
    fn mandatory_track_properties_on_an_object_count_only_where_the_range_exists() {
        let pairs = [int(0x4000, 1)];
        let refused = Err(MalformedProperties::MandatoryOnObject { kind: 0x4000 });
        assert_eq!(block(&pairs).check_object(AT), refused);
        let older = Properties::from_entries(PropertyEncoding::DeltaVi64Short, pairs).unwrap();
        assert_eq!(older.check_object(AT), Ok(()));
    }
}
