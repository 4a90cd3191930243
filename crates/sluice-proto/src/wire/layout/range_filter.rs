//! Range filters: which objects by number, priority or property (MOQT-19 §5.1.3).
//!
//! A filter that makes no sense costs its request, not the session, so the value is a part of
//! known length whatever is in it.

use super::body::{Body, Writer};
use crate::model::{RangeFilter, RangeFilterKind};
use crate::wire::{Field, Inexpressible, RangeFilterFault, Violation};

/// Which of the five a parameter is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum RangeFilterType {
    Subgroup,
    Object,
    Priority,
    ObjectProperty,
    TrackProperty,
}

impl RangeFilterType {
    pub(in crate::wire) fn of(filter: &RangeFilter) -> Self {
        match filter.kind {
            RangeFilterKind::Subgroup => RangeFilterType::Subgroup,
            RangeFilterKind::Object => RangeFilterType::Object,
            RangeFilterKind::Priority => RangeFilterType::Priority,
            RangeFilterKind::ObjectProperty(_) => RangeFilterType::ObjectProperty,
            RangeFilterKind::TrackProperty(_) => RangeFilterType::TrackProperty,
        }
    }
}

impl Body<'_> {
    /// The filter that this part consists of. Without any byte it has no ranges: it removes.
    pub(in crate::wire) fn range_filter(
        mut self,
        code: u64,
        kind: RangeFilterType,
    ) -> Result<RangeFilter, Violation> {
        let message = self.message;
        let fault = |fault| Violation::RangeFilter { message, code, fault };
        let truncated = |_| fault(RangeFilterFault::Truncated);
        let removes = self.is_empty();
        let set = if removes { 0 } else { self.byte(Field::ParameterValue).map_err(truncated)? };
        let mut property = || {
            let property =
                if removes { 0 } else { self.int(Field::ParameterValue).map_err(truncated)? };
            match property % 2 {
                0 => Ok(property),
                _ => Err(fault(RangeFilterFault::OddProperty)),
            }
        };
        let (kind, max) = match kind {
            RangeFilterType::Subgroup => (RangeFilterKind::Subgroup, u64::MAX),
            RangeFilterType::Object => (RangeFilterKind::Object, u64::MAX),
            RangeFilterType::Priority => (RangeFilterKind::Priority, u64::from(u8::MAX)),
            RangeFilterType::ObjectProperty => {
                (RangeFilterKind::ObjectProperty(property()?), u64::MAX)
            }
            RangeFilterType::TrackProperty => {
                (RangeFilterKind::TrackProperty(property()?), u64::MAX)
            }
        };
        let beyond = |_| match kind {
            RangeFilterKind::Priority => fault(RangeFilterFault::Priority),
            _ => fault(RangeFilterFault::Overflow),
        };
        let sum = |base: u64, delta: u64| {
            base.checked_add(delta).filter(|&sum| sum <= max).ok_or(()).map_err(beyond)
        };
        let mut ranges = Vec::new();
        let mut previous = 0;
        while !self.is_empty() {
            let start = sum(previous, self.int(Field::ParameterValue).map_err(truncated)?)?;
            let end = match self.is_empty() {
                true => None,
                false => Some(sum(start, self.int(Field::ParameterValue).map_err(truncated)?)?),
            };
            ranges.push((start, end));
            previous = end.unwrap_or(start);
        }
        if ranges.is_empty() && !removes {
            return Err(fault(RangeFilterFault::Empty));
        }
        Ok(RangeFilter { kind, set, ranges })
    }
}

impl Writer<'_, '_> {
    /// A filter without its length.
    pub(in crate::wire) fn range_filter(
        &mut self,
        filter: &RangeFilter,
    ) -> Result<(), Inexpressible> {
        if filter.ranges.is_empty() {
            return Ok(());
        }
        self.byte(filter.set);
        match filter.kind {
            RangeFilterKind::ObjectProperty(kind) | RangeFilterKind::TrackProperty(kind) => {
                self.int(kind)?;
            }
            RangeFilterKind::Subgroup | RangeFilterKind::Object | RangeFilterKind::Priority => {}
        }
        let mut previous = 0;
        for (index, &(start, end)) in filter.ranges.iter().enumerate() {
            self.int(start.checked_sub(previous).ok_or(Inexpressible::EndBeforeStart)?)?;
            match end {
                Some(end) => {
                    self.int(end.checked_sub(start).ok_or(Inexpressible::EndBeforeStart)?)?;
                    previous = end;
                }
                // Only the last range can be open; one after it would change its meaning.
                None if index + 1 == filter.ranges.len() => {}
                None => return Err(Inexpressible::RangeFilters),
            }
        }
        Ok(())
    }
}
