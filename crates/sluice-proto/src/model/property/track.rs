//! Properties of a track: the settings that the transport understands, and everything else.

use std::time::Duration;

use super::{Properties, PropertyEncoding, PropertyValue, kind};
use crate::model::{GroupOrder, Priority};

/// Properties of a track, in the newest draft's meaning (types of MOQT-18 §14.7). Facts that the
/// oldest drafts carry as fields or parameters stand here under those types.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TrackProperties(pub Properties);

/// What the properties of a track say to a relay. `None` where they are silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TrackSettings {
    /// Give up on an object after this long. Zero means the same as silence.
    pub object_timeout: Option<Duration>,
    /// Give up on a finished subgroup after this long. Zero means the same as silence.
    pub subgroup_timeout: Option<Duration>,
    /// Longest time an object is served from a cache.
    pub max_cache: Option<Duration>,
    /// Priority of streams and datagrams that name none. Default: 128.
    pub priority: Option<Priority>,
    /// Order in which the publisher wants groups sent. Default: ascending.
    pub order: Option<GroupOrder>,
    /// Whether a subscriber may ask for a new group. Default: no.
    pub dynamic_groups: Option<bool>,
}

/// A setting with a value that the drafts forbid (MOQT-18 §12).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("track property {kind:#x} must not be {value}")]
pub struct TrackPropertyError {
    /// The property's type.
    pub kind: u64,
    /// Its value.
    pub value: u64,
}

impl TrackProperties {
    /// What the properties say to a relay, or the first value that the drafts forbid.
    pub fn settings(&self) -> Result<TrackSettings, TrackPropertyError> {
        let int = |kind| match self.0.get(kind) {
            Some(PropertyValue::Int(value)) => Some(value),
            _ => None,
        };
        let duration = |kind| int(kind).map(Duration::from_millis);
        let timeout = |kind| duration(kind).filter(|timeout| !timeout.is_zero());
        let one_of = |kind, range: std::ops::RangeInclusive<u64>| match int(kind) {
            Some(value) if !range.contains(&value) => Err(TrackPropertyError { kind, value }),
            value => Ok(value),
        };
        Ok(TrackSettings {
            object_timeout: timeout(kind::OBJECT_DELIVERY_TIMEOUT),
            subgroup_timeout: timeout(kind::SUBGROUP_DELIVERY_TIMEOUT),
            max_cache: duration(kind::MAX_CACHE_DURATION),
            priority: one_of(kind::DEFAULT_PUBLISHER_PRIORITY, 0..=255)?
                .map(|value| Priority(value as u8)),
            order: one_of(kind::DEFAULT_GROUP_ORDER, 1..=2)?.map(|value| match value {
                2 => GroupOrder::Descending,
                _ => GroupOrder::Ascending,
            }),
            dynamic_groups: one_of(kind::DYNAMIC_GROUPS, 0..=1)?.map(|value| value == 1),
        })
    }

    /// Properties that say nothing but `settings`.
    pub fn from_settings(settings: &TrackSettings) -> Self {
        TrackProperties::default().with_settings(settings)
    }

    /// The same properties with every setting of the transport replaced, immutable ones apart.
    pub fn with_settings(&self, settings: &TrackSettings) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let timeout = |timeout: Option<Duration>| timeout.filter(|t| !t.is_zero()).map(millis);
        let order = |order| match order {
            GroupOrder::Ascending => 1,
            GroupOrder::Descending => 2,
        };
        let known = [
            (kind::OBJECT_DELIVERY_TIMEOUT, timeout(settings.object_timeout)),
            (kind::MAX_CACHE_DURATION, settings.max_cache.map(millis)),
            (kind::SUBGROUP_DELIVERY_TIMEOUT, timeout(settings.subgroup_timeout)),
            (kind::DEFAULT_PUBLISHER_PRIORITY, settings.priority.map(|p| u64::from(p.0))),
            (kind::DEFAULT_GROUP_ORDER, settings.order.map(order)),
            (kind::DYNAMIC_GROUPS, settings.dynamic_groups.map(u64::from)),
        ];
        let others = self.0.entries().filter(|(kind, _)| known.iter().all(|(k, _)| k != kind));
        let stated =
            known.iter().filter_map(|&(kind, value)| Some((kind, PropertyValue::Int(value?))));
        // Larger integers than a block's encoding holds cannot be said in it, so the newest
        // encoding, which holds them all, is the one to build in.
        let block = Properties::from_entries_lossy(
            PropertyEncoding::DeltaVi64,
            others.chain(stated).collect(),
        );
        TrackProperties(block)
    }

    /// The first property that whoever does not know it must refuse the track for, if any.
    /// Meaningful only for tracks from drafts that have the range (MOQT-18 §2.4.2).
    pub fn mandatory(&self) -> Option<u64> {
        self.0.entries().map(|(kind, _)| kind).find(|kind| kind::MANDATORY.contains(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(pairs: &[(u64, u64)]) -> TrackProperties {
        let pairs = pairs.iter().map(|&(kind, value)| (kind, PropertyValue::Int(value)));
        TrackProperties(Properties::from_entries(PropertyEncoding::DeltaVi64, pairs).unwrap())
    }

    #[test]
    fn settings_survive_the_way_into_properties_and_back() {
        let settings = TrackSettings {
            object_timeout: Some(Duration::from_millis(500)),
            subgroup_timeout: Some(Duration::from_secs(2)),
            max_cache: Some(Duration::ZERO),
            priority: Some(Priority(0)),
            order: Some(GroupOrder::Descending),
            dynamic_groups: Some(true),
        };
        assert_eq!(TrackProperties::from_settings(&settings).settings(), Ok(settings));
        let silent = TrackProperties::from_settings(&TrackSettings::default());
        assert!(silent.0.is_empty());
        assert_eq!(silent.settings(), Ok(TrackSettings::default()));
    }

    #[test]
    fn a_timeout_of_zero_is_no_timeout() {
        assert_eq!(track(&[(0x02, 0), (0x06, 0)]).settings(), Ok(TrackSettings::default()));
    }

    #[test]
    fn forbidden_values_are_named() {
        for (kind, value) in [(0x0E, 256), (0x22, 0), (0x22, 3), (0x30, 2)] {
            let refused = track(&[(kind, value)]).settings();
            assert_eq!(refused, Err(TrackPropertyError { kind, value }));
        }
    }

    #[test]
    fn settings_inside_immutable_properties_count() {
        let inner = track(&[(0x22, 2)]);
        let value = PropertyValue::Bytes(inner.0.raw().clone());
        let outer =
            Properties::from_entries(PropertyEncoding::DeltaVi64, [(kind::IMMUTABLE, value)]);
        let settings = TrackProperties(outer.unwrap()).settings().unwrap();
        assert_eq!(settings.order, Some(GroupOrder::Descending));
    }

    #[test]
    fn new_settings_replace_old_ones_and_leave_the_rest() {
        let before = track(&[(0x04, 9), (0x40, 5), (0x4002, 1)]);
        let settings = TrackSettings { priority: Some(Priority(3)), ..TrackSettings::default() };
        let after = before.with_settings(&settings);
        assert_eq!(after, track(&[(0x0E, 3), (0x40, 5), (0x4002, 1)]));
        assert_eq!(after.mandatory(), Some(0x4002));
    }
}
